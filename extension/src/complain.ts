// Complaining to the broker about a vendor, with the payment as evidence (thesis 4.1.1). The message
// is the core's; here it is sent to the broker's service, or saved as a file for a broker that has
// none. The key of the account is asked for each time and never stored.

import { amount } from "./amounts.ts";
import { api, say } from "./api.ts";
import type { Complaint, PaymentRow } from "./messages.ts";
import { byId, command, label, save } from "./page.ts";

/** How long the broker may take to answer. */
const ANSWER_MS_MAX = 30_000;
/** How much of a broker's answer is read and shown, in characters. */
const DETAIL_LEN_MAX = 300;
const KEY = /^mmk_[0-9a-f]{64}$/;

/** The broker's answer to a complaint, in words. */
export type Outcome =
  | { readonly text: string; readonly isDone: true }
  | { readonly text: string; readonly isDone: false };

/** Opens the dialog about a payment. `tell` shows how it ended. */
export function complain(payment: PaymentRow, tell: (text: string) => void): void {
  const dialog = byId<HTMLDialogElement>("complaint");
  const words = byId<HTMLTextAreaElement>("complaint-words");
  const key = byId<HTMLInputElement>("complaint-key");
  let sending: AbortController | undefined;
  for (const [id, name] of [
    ["complaint-heading", "complain_heading"],
    ["complaint-meaning", "complain_meaning"],
    ["complaint-words-label", "complain_words"],
    ["complaint-key-label", "complain_key"],
    ["complaint-send", "complain_send"],
    ["complaint-file", "complain_file"],
    ["complaint-cancel", "ask_cancel"],
  ] as const) {
    label(id, name);
  }
  label("complaint-about", "complain_about", payment.vendor, amount(payment), payment.broker);
  words.value = "";
  key.value = "";
  const result = byId("complaint-result");
  result.textContent = "";
  const endpoint = serviceOf(payment.broker);
  byId<HTMLButtonElement>("complaint-send").disabled = endpoint === undefined;
  if (endpoint === undefined) label("complaint-result", "complain_noService", payment.broker);

  const made = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const { bytes } = await command<Complaint>({
      do: "complaint", payment: payment.number, text: words.value,
    });
    return bytes;
  };
  const attempt = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      result.textContent = say("failed", error instanceof Error ? error.message : String(error));
    }
  };
  byId("complaint-send").onclick = () =>
    void attempt(async () => {
      if (endpoint === undefined || sending !== undefined) return;
      if (!KEY.test(key.value.trim())) return label("complaint-result", "complain_badKey");
      sending = new AbortController();
      try {
        // Before anything is awaited: a browser asks only in answer to a click.
        const origins = [`${endpoint.protocol}//${endpoint.hostname}/*`];
        if (!(await api.permissions.request({ origins }))) return;
        label("complaint-result", "complain_sending", payment.broker);
        const outcome = await send(endpoint.href, await made(), key.value.trim(), sending, payment);
        result.textContent = outcome.text;
        if (outcome.isDone) {
          tell(outcome.text);
          dialog.close();
        }
      } finally {
        sending = undefined;
      }
    });
  byId("complaint-file").onclick = () =>
    void attempt(async () => {
      save(`micromint-complaint-${payment.reference}.json`, await made(), "application/json");
      tell(say("complain_saved"));
      dialog.close();
    });
  byId("complaint-cancel").onclick = () => dialog.close();
  // Also by Escape, and while it is being sent.
  dialog.onclose = () => {
    key.value = "";
    if (sending === undefined) return;
    sending.abort();
    tell(say("complain_stopped"));
  };
  dialog.showModal();
  words.focus();
}

/** Where a broker takes complaints; undefined if coins of it must not be sent there. */
export function serviceOf(broker: string): URL | undefined {
  try {
    const base = new URL(broker.endsWith("/") ? broker : `${broker}/`);
    const isHere = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(base.hostname);
    const isSecure = base.protocol === "https:" || (base.protocol === "http:" && isHere);
    return isSecure ? new URL("v1/complaints", base) : undefined;
  } catch {
    return undefined;
  }
}

async function send(
  url: string,
  body: Uint8Array<ArrayBuffer>,
  key: string,
  sending: AbortController,
  payment: PaymentRow,
): Promise<Outcome> {
  const timer = setTimeout(() => sending.abort("timeout"), ANSWER_MS_MAX);
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${key}`,
        "Content-Type": "application/json",
        Accept: "application/json",
      },
      body,
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal: sending.signal,
    });
    if (answer.status === 200) {
      return { text: say("complain_sent", payment.vendor, payment.broker), isDone: true };
    }
    const { title, detail } = problemIn(await answer.text());
    if (answer.status === 401) return { text: say("complain_badKey"), isDone: false };
    if (title === "other-content") return { text: say("complain_before"), isDone: false };
    return { text: say("complain_refused", String(answer.status), detail), isDone: false };
  } catch {
    const isLate = sending.signal.reason === "timeout";
    return { text: say(isLate ? "complain_late" : "complain_noAnswer", payment.broker), isDone: false };
  } finally {
    clearTimeout(timer);
  }
}

/** The word and the sentence of a problem document (RFC 9457). */
export function problemIn(text: string): { readonly title: string; readonly detail: string } {
  try {
    const found = JSON.parse(text) as { title?: unknown; detail?: unknown };
    const words = (it: unknown): string => (typeof it === "string" ? it.slice(0, DETAIL_LEN_MAX) : "");
    return { title: words(found.title), detail: words(found.detail) };
  } catch {
    return { title: "", detail: "" };
  }
}
