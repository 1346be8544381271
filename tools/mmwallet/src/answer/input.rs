//! What a program gives to `mmwallet answer`.
//!
//! Input: a Request-Payment message, the value of a WWW-Authenticate field, or the header fields of
//! an answer. Output: what is asked for, and how the payment travels.

use micromint::protocol::{REQUEST_HEADER, RequestPayment};
use micromint::scheme::{CHALLENGE_HEADER, Challenge};
use micromint::wallet::{request_in_challenge, request_in_header};
use micromint_console::ToolError;

use super::expected;

/// The first line of every message.
const MESSAGE_START: &[u8] = b"MicroMint-1.0";

/// What is asked for. The payment travels in the same form.
#[derive(Debug)]
pub(super) enum Asked {
    /// A Request-Payment message: the Payment is the body of a POST.
    Message(RequestPayment),
    /// A MicroMint-Request field: the Payment is a MicroMint-Payment field.
    Header(RequestPayment),
    /// A challenge: the answer is a credential.
    Challenge(Box<Challenge>, RequestPayment),
}

impl Asked {
    /// Reads the input. If an answer has both fields, MicroMint-Request counts, as for `get`.
    pub(super) fn parse(input: &[u8]) -> Result<Asked, ToolError> {
        if input.starts_with(MESSAGE_START) {
            return Ok(Asked::Message(RequestPayment::parse(input)?));
        }
        let text = std::str::from_utf8(input)
            .map_err(|error| format!("{}, found no text: {error}", expected()))?;
        let fields: Vec<(&str, &str)> = text.lines().filter_map(field).collect();
        if let Some(value) = values_of(&fields, REQUEST_HEADER).next() {
            return Ok(Asked::Header(request_in_header(value.as_bytes())?));
        }
        let mut values: Vec<&str> = values_of(&fields, CHALLENGE_HEADER).collect();
        if values.is_empty() {
            values.push(text.trim());
        }
        match request_in_challenge(values.into_iter()) {
            Some((challenge, request)) => Ok(Asked::Challenge(Box::new(challenge), request)),
            None => Err(format!("{}, found neither", expected()).into()),
        }
    }
}

/// A header field; `None` for any other line.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_name = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    (!name.is_empty() && name.bytes().all(is_name)).then(|| (name, value.trim()))
}

fn values_of<'a>(fields: &[(&'a str, &'a str)], wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let found = fields.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| *value).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use micromint::protocol::PeriodPrice;
    use micromint::scheme::charge_request;

    fn request() -> RequestPayment {
        RequestPayment {
            url: "https://a.example/".parse().unwrap(),
            vendor: "a.example".parse().unwrap(),
            prices: vec![PeriodPrice::new(
                "2026-12".parse().unwrap(),
                3,
                "0.01 USD".parse().unwrap(),
            )],
            broker: "https://broker.example/".into(),
            description: String::new(),
        }
    }

    fn challenge() -> Challenge {
        Challenge {
            id: "i".into(),
            realm: "a.example".into(),
            method: "micromint".into(),
            intent: "charge".into(),
            request: charge_request(&request()),
            ..Challenge::default()
        }
    }

    #[test]
    fn every_form_of_the_request_is_read() {
        let message = request().to_bytes();
        assert!(matches!(Asked::parse(&message).unwrap(), Asked::Message(it) if it == request()));
        let value = URL_SAFE_NO_PAD.encode(&message);
        let challenge = challenge();
        for head in [
            format!("micromint-request: {value}"),
            format!(
                "HTTP/1.1 402 Payment Required\r\nMicroMint-Request:{value}\r\n\
                WWW-Authenticate: {challenge}\r\n\r\n"
            ),
        ] {
            let asked = Asked::parse(head.as_bytes()).unwrap();
            assert!(matches!(asked, Asked::Header(it) if it == request()), "{head}");
        }
        for head in [
            challenge.to_string(),
            format!("  {challenge}\n"),
            format!("Basic realm=\"x\", {challenge}"),
            format!("WWW-Authenticate: {challenge}"),
            format!(
                "HTTP/2 402\nwww-authenticate: Basic realm=\"x\"\nwww-authenticate: {challenge}"
            ),
        ] {
            match Asked::parse(head.as_bytes()).unwrap() {
                Asked::Challenge(found, it) => {
                    assert_eq!((*found, it), (challenge.clone(), request()))
                }
                other => panic!("{head}: {other:?}"),
            }
        }
    }

    #[test]
    fn anything_else_is_an_error_that_says_what_is_expected() {
        for bad in ["", "\n", "<html>", "Basic realm=\"x\"", "HTTP/1.1 402 \r\nServer: x\r\n\r\n"] {
            let error = Asked::parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(
                error.starts_with("expected a Request-Payment message, a challenge"),
                "{error}"
            );
        }
        assert!(Asked::parse(b"\xff\xfe").is_err());
        assert!(Asked::parse(b"MicroMint-1.0\nPayment\nEnd-MicroMint\n").is_err());
        assert!(Asked::parse(b"MicroMint-Request: e30").is_err());
    }
}
