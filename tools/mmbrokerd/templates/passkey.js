// Passkeys on the pages of the broker. A form with data-passkey is shown where the browser knows
// passkeys. Before it is sent, the broker is asked for a challenge and the authenticator for an
// answer; both are then fields of the form.
"use strict";

(() => {
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  /** The bytes of a text in base64url. */
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

  /** Bytes as a text in base64url. */
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");

  /** Asks the authenticator for a new passkey. */
  async function create(options) {
    const bytesOf = (known) => ({ ...known, id: toBytes(known.id) });
    const credential = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: toBytes(options.challenge),
        user: { ...options.user, id: toBytes(options.user.id) },
        excludeCredentials: (options.excludeCredentials ?? []).map(bytesOf),
      },
    });
    return {
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      response: {
        attestationObject: toText(credential.response.attestationObject),
        clientDataJSON: toText(credential.response.clientDataJSON),
      },
    };
  }

  /** Asks the authenticator to use a passkey. */
  async function get(options) {
    const credential = await navigator.credentials.get({
      publicKey: { ...options, challenge: toBytes(options.challenge) },
    });
    const { authenticatorData, clientDataJSON, signature, userHandle } = credential.response;
    return {
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      response: {
        authenticatorData: toText(authenticatorData),
        clientDataJSON: toText(clientDataJSON),
        signature: toText(signature),
        userHandle: userHandle === null ? null : toText(userHandle),
      },
    };
  }

  /** Sets a field of a form that people do not see. */
  function setField(form, name, value) {
    let field = form.elements.namedItem(name);
    if (!field) {
      field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      form.append(field);
    }
    field.value = value;
  }

  /** Says on the page what went wrong. */
  function tell(form, words) {
    let place = form.querySelector("[role=alert]");
    if (!place) {
      place = document.createElement("p");
      place.className = "bad";
      place.setAttribute("role", "alert");
      form.append(place);
    }
    place.textContent = words;
  }

  /** Asks for a challenge and its answer, and sends the form. */
  async function send(form) {
    const asked = await fetch(form.dataset.challenge, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
    });
    if (asked.redirected) return location.assign(asked.url);
    if (!asked.ok) {
      const page = new DOMParser().parseFromString(await asked.text(), "text/html");
      const why = page.querySelector("[role=alert]");
      return tell(form, why ? why.textContent : form.dataset.failed);
    }
    const { challenge, options } = await asked.json();
    const ask = form.dataset.passkey === "create" ? create : get;
    setField(form, "answer", JSON.stringify(await ask(options.publicKey)));
    setField(form, "challenge", challenge);
    form.submit();
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const button = form.querySelector("button");
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      button.disabled = true;
      send(form)
        .catch((error) => {
          const { ended, known, failed } = form.dataset;
          const words = { NotAllowedError: ended, AbortError: ended, InvalidStateError: known };
          tell(form, words[error.name] ?? failed);
        })
        .finally(() => {
          button.disabled = false;
        });
    });
  }
  for (const text of document.querySelectorAll("[data-without-passkeys]")) text.hidden = true;
})();
