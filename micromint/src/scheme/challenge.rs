//! A challenge: the parameters of `WWW-Authenticate: Payment`, which a credential echoes.

use std::fmt;

use base64::Engine;
use serde::{Deserialize, Serialize};

use super::BASE64URL;
use crate::authenticator::Key;

/// The approximate length of all parameters except `request`, in bytes.
const LINE_LEN_USUAL: usize = 256;

/// The parameters of a challenge. Members are in the order of their names.
///
/// ```
/// use micromint::authenticator::Key;
/// use micromint::scheme::{Challenge, INTENT, METHOD, challenges_in};
///
/// let key = Key::from_bytes([7; 32]);
/// let mut challenge = Challenge {
///     realm: "news.example".to_string(),
///     method: METHOD.to_string(),
///     intent: INTENT.to_string(),
///     request: "e30".to_string(),
///     ..Challenge::default()
/// };
/// challenge.id = challenge.id_under(&key);
/// let header = challenge.to_header();
/// assert!(header.starts_with("Payment id="));
/// // The client echoes the parameters; the server recomputes the id.
/// let echoed = challenges_in(&header).remove(0);
/// assert_eq!(echoed, challenge);
/// assert_eq!(echoed.id_under(&key), echoed.id);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// A description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The digest of the body that must be sent with the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The time at which the challenge expires (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The request header field for the credential, if it is not Authorization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The identifier that binds the other parameters, see [`Challenge::id_under`].
    pub id: String,
    /// The intent: the kind of payment.
    pub intent: String,
    /// The payment method.
    pub method: String,
    /// Data that has a meaning for the server only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<String>,
    /// The protection space: the vendor's name.
    pub realm: String,
    /// The offer: base64url of JSON.
    pub request: String,
}

impl Challenge {
    /// The `id` of these parameters under `key`: HMAC-SHA256 over the draft's seven slots joined by
    /// `|`, an absent one empty, and over an eighth slot for `header` if that is present; base64url
    /// without padding.
    pub fn id_under(&self, key: &Key) -> String {
        let mut input = String::with_capacity(LINE_LEN_USUAL + self.request.len());
        for slot in [&self.realm, &self.method, &self.intent, &self.request] {
            input.push_str(slot);
            input.push('|');
        }
        input.push_str(self.expires.as_deref().unwrap_or_default());
        for slot in [&self.digest, &self.opaque] {
            input.push('|');
            input.push_str(slot.as_deref().unwrap_or_default());
        }
        if let Some(header) = &self.header {
            input.push('|');
            input.push_str(header);
        }
        BASE64URL.encode(key.mac(&[input.as_bytes()]))
    }

    /// The value of a `WWW-Authenticate` field. Characters that a header field cannot carry are
    /// omitted.
    pub fn to_header(&self) -> String {
        let mut line = String::with_capacity(LINE_LEN_USUAL + self.request.len());
        push_parameter(&mut line, "Payment ", "id", &self.id);
        push_parameter(&mut line, ", ", "realm", &self.realm);
        push_parameter(&mut line, ", ", "method", &self.method);
        push_parameter(&mut line, ", ", "intent", &self.intent);
        let optional = [
            ("expires", &self.expires),
            ("digest", &self.digest),
            ("description", &self.description),
            ("opaque", &self.opaque),
            ("header", &self.header),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                push_parameter(&mut line, ", ", name, value);
            }
        }
        push_parameter(&mut line, ", ", "request", &self.request);
        line
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_header())
    }
}

fn push_parameter(line: &mut String, before: &str, name: &str, value: &str) {
    line.push_str(before);
    line.push_str(name);
    line.push_str("=\"");
    // Without an early exit the compiler can vectorize the loop.
    let is_plain = value.bytes().fold(true, |plain, byte| {
        plain & (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\')
    });
    if is_plain {
        line.push_str(value);
    } else {
        for c in value.chars().filter(|c| (' '..='~').contains(c)) {
            if matches!(c, '"' | '\\') {
                line.push('\\');
            }
            line.push(c);
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge() -> Challenge {
        Challenge {
            id: "i".into(),
            realm: "news.example".into(),
            method: "micromint".into(),
            intent: "charge".into(),
            request: "e30".into(),
            expires: Some("2026-12-10T12:15:00Z".into()),
            ..Challenge::default()
        }
    }

    #[test]
    fn it_is_one_line_with_quoted_values() {
        assert_eq!(
            challenge().to_string(),
            "Payment id=\"i\", realm=\"news.example\", method=\"micromint\", intent=\"charge\", \
             expires=\"2026-12-10T12:15:00Z\", request=\"e30\""
        );
        let odd = Challenge { description: Some("a \"b\\\"\r\nX: y \u{e9}".into()), ..challenge() };
        assert!(odd.to_string().contains(r#"description="a \"b\\\"X: y ""#), "{odd}");
    }

    #[test]
    fn the_id_binds_every_slot_and_no_slot_runs_into_another() {
        let key = Key::from_bytes([1; 32]);
        let id = challenge().id_under(&key);
        assert_eq!(id.len(), 43, "an HMAC-SHA256 in base64url");
        let text = |text: &str| Some(text.to_string());
        for changed in [
            Challenge { realm: "news".into(), ..challenge() },
            Challenge { method: "other".into(), ..challenge() },
            Challenge { intent: "session".into(), ..challenge() },
            Challenge { request: "e31".into(), ..challenge() },
            Challenge { expires: None, ..challenge() },
            Challenge { expires: None, digest: challenge().expires, ..challenge() },
            Challenge { opaque: text("a"), ..challenge() },
            Challenge { header: text("Payment-Authorization"), ..challenge() },
            Challenge { header: text(""), ..challenge() },
        ] {
            assert_ne!(changed.id_under(&key), id, "{changed:?}");
        }
        let described = Challenge { description: text("x"), id: String::new(), ..challenge() };
        assert_eq!(described.id_under(&key), id, "the description and the id itself are not bound");
        assert_ne!(challenge().id_under(&Key::from_bytes([2; 32])), id);
    }
}
