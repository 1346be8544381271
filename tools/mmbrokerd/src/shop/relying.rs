//! What asks authenticators for passkeys (WebAuthn Level 3, a relying party): challenges, and what
//! authenticators answer.
//!
//! Input: the public URL; the JSON of a browser. Output: options for a browser with the state of
//! the challenge; a passkey; whether an answer is right. The invariants: the authenticator verifies
//! its user (a PIN, a finger) whenever a passkey is made or used; an answer counts for one
//! challenge, for the origin of the public URL, and for the account whose handle it has; a sign
//! counter that does not rise is refused.

use std::time::Duration;

use micromint::identity::UserId;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::{Host, Url};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder, WebauthnError,
};

use super::random;
use crate::service::{ServiceError, blocking};

/// How long a challenge is good, in seconds.
pub(super) const CHALLENGE_SECONDS: u32 = 300;
/// The longest answer of an authenticator, as JSON, in bytes.
pub const PASSKEY_ANSWER_SIZE_MAX: usize = 8 * 1024;
/// The longest ID of a passkey, in bytes (WebAuthn Level 3, section 4).
pub const PASSKEY_ID_SIZE_MAX: usize = 1023;

/// What asks for passkeys.
pub(super) struct RelyingParty {
    webauthn: Webauthn,
    /// The origin of the public URL, as browsers write it.
    origin: String,
}

/// Why an answer does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not the right answer to the challenge.
    Wrong,
    /// Its sign counter did not rise: the passkey may have been copied.
    Copied,
}

/// An answer to the challenge of a login, which is not checked yet.
pub(super) struct Answer(PublicKeyCredential);

/// A passkey that was checked, with what is stored of it.
pub(super) struct NewPasskey {
    /// The SHA-256 of its ID.
    pub(super) sha256: [u8; 32],
    /// The public key with its sign counter, as JSON.
    pub(super) data: String,
}

fn given_up(_: impl std::error::Error) -> ServiceError {
    ServiceError::GivenUp("a passkey cannot be read or written")
}

/// The number by which an authenticator knows an account. It tells nothing about the account.
fn handle(key: &[u8; 32], user: &UserId) -> Uuid {
    let mac = random::mac(key, &[b"passkey user", user.as_str().as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&mac[..16]);
    Uuid::from_bytes(bytes)
}

impl RelyingParty {
    /// What asks for passkeys at this public URL, or the name of the message that says why there
    /// are none.
    pub(super) fn of(url: &str, broker: &str) -> Result<RelyingParty, &'static str> {
        let url: Url = url.parse().map_err(|_| "passkeys-no-domain")?;
        let Some(Host::Domain(domain)) = url.host() else { return Err("passkeys-no-domain") };
        let is_local = domain == "localhost" || domain.ends_with(".localhost");
        if url.scheme() != "https" && !is_local {
            return Err("passkeys-no-https");
        }
        let origin: Url =
            url.origin().ascii_serialization().parse().map_err(|_| "passkeys-no-domain")?;
        let builder = WebauthnBuilder::new(domain, &origin).map_err(|_| "passkeys-no-domain")?;
        let timeout = Duration::from_secs(CHALLENGE_SECONDS.into());
        let built = builder.rp_name(broker).timeout(timeout).build();
        let webauthn = built.map_err(|_| "passkeys-no-domain")?;
        Ok(RelyingParty { webauthn, origin: url.origin().ascii_serialization() })
    }

    /// The options with which a browser makes a passkey, and the state of the challenge. `data` is
    /// that of the passkeys which the account has: an authenticator makes no second one.
    pub(super) fn begin_add(
        &self,
        key: &[u8; 32],
        user: &UserId,
        data: &[&str],
    ) -> Result<(Value, String), ServiceError> {
        let known = data.iter().filter_map(|data| serde_json::from_str::<Passkey>(data).ok());
        let known = known.map(|passkey| passkey.cred_id().clone()).collect();
        let name = user.as_str();
        let begun =
            self.webauthn.start_passkey_registration(handle(key, user), name, name, Some(known));
        let (options, state) = begun.map_err(given_up)?;
        let mut options = serde_json::to_value(options).map_err(given_up)?;
        // The authenticator keeps it with the account's name, so that nobody types a name.
        let selection = &mut options["publicKey"]["authenticatorSelection"];
        selection["residentKey"] = "required".into();
        selection["requireResidentKey"] = true.into();
        Ok((options, serde_json::to_string(&state).map_err(given_up)?))
    }

    /// The passkey that an authenticator made for a challenge.
    pub(super) async fn finish_add(
        &self,
        answer: &str,
        state: &str,
    ) -> Result<Result<NewPasskey, Fault>, ServiceError> {
        let (webauthn, origin) = (self.webauthn.clone(), self.origin.clone());
        let (answer, state) = (answer.to_string(), state.to_string());
        blocking(move || {
            let answer = new_answer(&answer);
            let is_of = |answer: &RegisterPublicKeyCredential| {
                is_of_origin(answer.response.client_data_json.as_ref(), &origin)
            };
            let Some(answer) = answer.filter(is_of) else { return Ok(Err(Fault::Wrong)) };
            let state: PasskeyRegistration = serde_json::from_str(&state).map_err(given_up)?;
            let made = webauthn.finish_passkey_registration(&answer, &state);
            let is_id = |made: &Passkey| (1..=PASSKEY_ID_SIZE_MAX).contains(&made.cred_id().len());
            let Some(made) = made.ok().filter(is_id) else { return Ok(Err(Fault::Wrong)) };
            let sha256 = Sha256::digest(made.cred_id()).into();
            Ok(Ok(NewPasskey { sha256, data: serde_json::to_string(&made).map_err(given_up)? }))
        })
        .await?
    }

    /// The options with which a browser uses a passkey, of whatever account, and the state of the
    /// challenge.
    pub(super) fn begin_login(&self) -> Result<(Value, String), ServiceError> {
        let begun = self.webauthn.start_discoverable_authentication();
        let (mut options, state) = begun.map_err(given_up)?;
        // A button asks for it, so the browser shows its list at once.
        options.mediation = None;
        let options = serde_json::to_value(options).map_err(given_up)?;
        Ok((options, serde_json::to_string(&state).map_err(given_up)?))
    }

    /// Whether an answer is right for the passkey with this data, which belongs to `user`. Returns
    /// the data with the new sign counter.
    pub(super) async fn finish_login(
        &self,
        Answer(answer): Answer,
        state: &str,
        (key, user): (&[u8; 32], &UserId),
        data: &str,
    ) -> Result<Result<String, Fault>, ServiceError> {
        let (webauthn, handle) = (self.webauthn.clone(), handle(key, user));
        let is_of_origin = is_of_origin(answer.response.client_data_json.as_ref(), &self.origin);
        let (state, data) = (state.to_string(), data.to_string());
        blocking(move || {
            if !is_of_origin || answer.get_user_unique_id() != Some(handle.as_bytes().as_slice()) {
                return Ok(Err(Fault::Wrong));
            }
            let state: DiscoverableAuthentication =
                serde_json::from_str(&state).map_err(given_up)?;
            let mut passkey: Passkey = serde_json::from_str(&data).map_err(given_up)?;
            let done = webauthn.finish_discoverable_authentication_v2(&answer, state, &passkey);
            let done = match done {
                Ok(done) if done.user_verified() => done,
                Err(WebauthnError::CredentialPossibleCompromise) => {
                    return Ok(Err(Fault::Copied));
                }
                _ => return Ok(Err(Fault::Wrong)),
            };
            passkey.update_credential(&done);
            Ok(Ok(serde_json::to_string(&passkey).map_err(given_up)?))
        })
        .await?
    }
}

/// Whether a browser made an answer for a page of exactly this origin, which no page of another
/// origin has in a frame.
fn is_of_origin(client_data: &[u8], origin: &str) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ClientData {
        origin: String,
        #[serde(default)]
        cross_origin: bool,
    }
    let read: Result<ClientData, _> = serde_json::from_slice(client_data);
    read.is_ok_and(|data| data.origin == origin && !data.cross_origin)
}

/// What a browser sent about a new passkey; `None` if it cannot be that.
fn new_answer(text: &str) -> Option<RegisterPublicKeyCredential> {
    let answer: RegisterPublicKeyCredential = serde_json::from_str(text).ok()?;
    let is_good =
        answer.type_ == "public-key" && (1..=PASSKEY_ID_SIZE_MAX).contains(&answer.raw_id.len());
    is_good.then_some(answer)
}

/// The SHA-256 of the ID that an answer about a new passkey names.
pub(super) fn new_id(text: &str) -> Option<[u8; 32]> {
    Some(Sha256::digest(&new_answer(text)?.raw_id).into())
}

impl Answer {
    /// What a browser sent about a login; `None` if it cannot be that.
    pub(super) fn read(text: &str) -> Option<Answer> {
        let answer: PublicKeyCredential = serde_json::from_str(text).ok()?;
        let is_good = answer.type_ == "public-key"
            && (1..=PASSKEY_ID_SIZE_MAX).contains(&answer.raw_id.len());
        is_good.then_some(Answer(answer))
    }

    /// The SHA-256 of the ID of its passkey.
    pub(super) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0.raw_id).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_domain_and_tls() {
        for url in [
            "https://broker.example",
            "https://broker.example:8443/coins",
            "http://localhost:8402",
            "http://broker.localhost:8402",
        ] {
            assert!(RelyingParty::of(url, "Broker").is_ok(), "{url}");
        }
        for (url, expected) in [
            ("http://broker.example", "passkeys-no-https"),
            ("http://127.0.0.1:8402", "passkeys-no-domain"),
            ("https://192.0.2.1", "passkeys-no-domain"),
            ("https://[2001:db8::1]", "passkeys-no-domain"),
            ("https://", "passkeys-no-domain"),
        ] {
            assert_eq!(RelyingParty::of(url, "Broker").err(), Some(expected), "{url}");
        }
    }

    #[test]
    fn an_answer_is_read_to_its_largest_id() {
        let answer = |size: usize| {
            let id = "AAAA".repeat(size / 3) + ["", "AA", "AAA"][size % 3];
            format!(
                r#"{{"id": "x", "rawId": "{id}", "type": "public-key", "response": {{
                "authenticatorData": "", "clientDataJSON": "", "signature": "",
                "userHandle": null}}}}"#
            )
        };
        assert!(Answer::read(&answer(PASSKEY_ID_SIZE_MAX)).is_some());
        assert!(Answer::read(&answer(PASSKEY_ID_SIZE_MAX + 1)).is_none());
        assert!(Answer::read(&answer(0)).is_none());
        assert!(Answer::read(&answer(16).replace("public-key", "password")).is_none());
        let deep = "[".repeat(4000);
        for wrong in ["", "{}", "null", "[1]", "\u{0}", "{\"id\":", &deep] {
            assert!(Answer::read(wrong).is_none() && new_id(wrong).is_none(), "{wrong}");
        }
    }
}
