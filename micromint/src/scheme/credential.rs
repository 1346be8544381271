//! A credential: the echoed challenge and the Payment message that answers it.

use base64::Engine;
use serde::{Deserialize, Serialize};

use super::{BASE64URL, Challenge, SCHEME, SchemeError, from_base64_json, to_base64_json};
use crate::protocol::PAYMENT_SIZE_MAX;

/// The longest credential, in bytes of base64url: the largest Payment encoded twice, and 24 KiB for
/// the echoed challenge.
pub const CREDENTIAL_LEN_MAX: usize = PAYMENT_SIZE_MAX.div_ceil(9) * 16 + 24 * 1024;
const WHAT: &str = "credential";

/// The content of an `Authorization: Payment` field.
///
/// ```
/// use micromint::scheme::{Challenge, Credential, token_of};
///
/// let credential = Credential::new(Challenge::default(), b"a Payment message");
/// let header = credential.to_header();
/// let token = token_of(header.as_bytes()).ok_or("another scheme")?;
/// assert_eq!(Credential::parse(token)?.message()?, b"a Payment message");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The challenge as the client received it.
    pub challenge: Challenge,
    payload: Payload,
}

/// The payload of this method. A payload of another method has other members, which are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Payload {
    message: Option<String>,
}

impl Credential {
    /// The credential that answers `challenge` with a Payment message.
    pub fn new(challenge: Challenge, message: &[u8]) -> Credential {
        Credential { challenge, payload: Payload { message: Some(BASE64URL.encode(message)) } }
    }

    /// Reads the part of a field value after the name of the scheme.
    ///
    /// # Errors
    /// It is longer than [`CREDENTIAL_LEN_MAX`] or not base64url of JSON; a member is missing,
    /// repeated or of another type.
    pub fn parse(token: &[u8]) -> Result<Credential, SchemeError> {
        let expected =
            "an object with challenge and payload whose members are strings, none repeated";
        from_base64_json(WHAT, expected, token, CREDENTIAL_LEN_MAX)
    }

    /// The Payment message, decoded.
    ///
    /// # Errors
    /// The payload has no message, or the message is not base64url.
    pub fn message(&self) -> Result<Vec<u8>, SchemeError> {
        let message = self.payload.message.as_deref().ok_or_else(|| SchemeError::Member {
            what: WHAT,
            why: "payload: member message is missing".to_string(),
        })?;
        BASE64URL.decode(message).map_err(|_| SchemeError::Base64 { what: "payload.message" })
    }

    /// The value of an `Authorization` or `Payment-Authorization` field.
    pub fn to_header(&self) -> String {
        format!("{SCHEME} {}", to_base64_json(self))
    }
}

/// The part of an `Authorization` value after the name of the scheme "Payment"; `None` if the
/// scheme is another one.
pub fn token_of(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii_start();
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    let is_whole = rest.first().is_none_or(u8::is_ascii_whitespace);
    (is_whole && scheme.eq_ignore_ascii_case(SCHEME.as_bytes())).then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge() -> Challenge {
        Challenge {
            id: "i".into(),
            realm: "r".into(),
            method: "micromint".into(),
            intent: "charge".into(),
            request: "e30".into(),
            ..Challenge::default()
        }
    }

    fn parse(json: &str) -> Result<Credential, SchemeError> {
        Credential::parse(BASE64URL.encode(json).as_bytes())
    }

    #[test]
    fn it_is_read_back() {
        let credential = Credential::new(challenge(), b"MicroMint-1.0");
        let header = credential.to_header();
        let token = token_of(header.as_bytes()).unwrap();
        assert_eq!(Credential::parse(token).unwrap(), credential);
        assert_eq!(Credential::parse(&[token, b"=="].concat()).is_ok(), token.len() % 4 == 2);
        assert_eq!(credential.message().unwrap(), b"MicroMint-1.0");
    }

    #[test]
    fn only_the_scheme_itself_is_taken() {
        for (value, token) in [
            ("Payment abc", Some("abc")),
            ("  pAYMENT   abc ", Some("abc")),
            ("Payment\tabc", Some("abc")),
            ("Payment", Some("")),
            ("Payments abc", None),
            ("PaymentX", None),
            ("Basic Payment", None),
            ("Pay", None),
            ("", None),
        ] {
            assert_eq!(token_of(value.as_bytes()), token.map(str::as_bytes), "{value:?}");
        }
    }

    #[test]
    fn what_is_no_credential_is_refused_and_never_shown() {
        let good = r#"{"challenge":{"id":"i","realm":"r","method":"micromint","intent":"charge","request":"e30"},"payload":{"message":"c2VjcmV0"}}"#;
        assert!(parse(good).is_ok());
        assert!(parse(&good.replace("\"id\"", "\"later\":{\"x\":[1]},\"id\"")).is_ok());
        // An ignored member may be nested deeply: it is read without recursion.
        let deep = format!("{{\"x\":{}{},\"challenge\"", "[".repeat(30_000), "]".repeat(30_000));
        assert!(parse(&good.replace("{\"challenge\"", &deep)).is_ok());
        for bad in [
            "".to_string(),
            "null".to_string(),
            "{}".to_string(),
            good[..good.len() - 1].to_string(),
            format!("{good}{{}}"),
            good.replace("\"id\":\"i\"", "\"id\":1"),
            good.replace("\"id\":\"i\",", ""),
            good.replace("\"id\":\"i\"", "\"id\":\"i\",\"id\":\"i\""),
            good.replace("\"payload\"", "\"payload\":{},\"payload\""),
            good.replace("\"message\"", "\"message\":\"\",\"message\""),
            good.replace("{\"message\":\"c2VjcmV0\"}", "\"c2VjcmV0\""),
            good.replace("\"c2VjcmV0\"", "[\"c2VjcmV0\"]"),
            good.replace("\"i\"", "\"\\ud800\""),
        ] {
            let error = parse(&bad).unwrap_err().to_string();
            assert!(!error.contains("c2VjcmV0") && error.starts_with("credential: "), "{error}");
        }
        let none = parse(&good.replace("message", "proof")).unwrap();
        assert!(none.message().unwrap_err().to_string().contains("message"));
        let wrong = parse(&good.replace("c2VjcmV0", "c2Vj!mV0")).unwrap();
        assert!(!wrong.message().unwrap_err().to_string().contains("c2Vj"));
        assert!(parse("\u{ff}").is_err());
        assert!(Credential::parse(b"e30, e30").is_err());
    }

    #[test]
    fn the_bound_holds_the_largest_payment() {
        let large = Credential::new(challenge(), &vec![b'x'; PAYMENT_SIZE_MAX]).to_header();
        assert!(Credential::parse(token_of(large.as_bytes()).unwrap()).is_ok());
        let padded = |length: usize| {
            let json = parse_length(length);
            Credential::parse(BASE64URL.encode(json).as_bytes())
        };
        assert!(padded(CREDENTIAL_LEN_MAX / 4 * 3).is_ok());
        assert!(matches!(padded(CREDENTIAL_LEN_MAX / 4 * 3 + 1), Err(SchemeError::TooLong { .. })));
    }

    /// A credential with this many bytes of JSON.
    fn parse_length(length: usize) -> String {
        let json = serde_json::to_string(&Credential::new(challenge(), b"m")).unwrap();
        format!("{json}{}", " ".repeat(length - json.len()))
    }
}
