//! Requests and responses on standard error, as `curl --verbose` shows them.
//!
//! The invariant: the values of headers that carry coins, keys, passwords or Authenticators are
//! never shown, nor is any body.

use micromint::protocol::{PAYMENT_HEADER, is_printable_char};
use micromint::scheme::CREDENTIAL_HEADER;
use micromint_console::tell;
use ureq::http::response::Parts;
use url::Url;

/// The headers whose values are secrets, besides those of payments.
const SECRET: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "idempotency-key", "set-cookie"];
/// What stands for a secret.
const HIDDEN: &str = "[not shown]";

/// Whether two header names are the same.
pub(super) fn is(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

/// Shows a request: the line and the headers that will be sent.
pub(super) fn request(
    method: &str,
    url: &str,
    proxy: Option<&str>,
    headers: &[(String, String)],
    user_agent: &str,
    body_size: usize,
) {
    let parsed = Url::parse(url).ok();
    let host = parsed.as_ref().and_then(Url::host_str).unwrap_or_default();
    let port = parsed.as_ref().and_then(Url::port);
    let host = port.map_or(host.to_string(), |port| format!("{host}:{port}"));
    let path = parsed.as_ref().map_or(url, |url| &url[url::Position::BeforePath..]);
    if let Some(proxy) = proxy {
        tell!("* Through the proxy {proxy}");
    }
    tell!("> {method} {path} HTTP/1.1");
    for (name, value) in [("Host", host.as_str()), ("User-Agent", user_agent), ("Accept", "*/*")] {
        if !headers.iter().any(|(own, _)| is(own, name)) {
            tell!("> {name}: {value}");
        }
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        tell!("> {name}: {}", value_of(name, value));
    }
    tell!(">");
    if body_size > 0 {
        tell!("* A body of {body_size} bytes, not shown");
    }
}

/// Shows the status line and the headers of a response.
pub(super) fn response(parts: &Parts) {
    tell!("< {:?} {}", parts.version, parts.status);
    for (name, value) in &parts.headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        tell!("< {name}: {}", printable(value_of(name.as_str(), &text)));
    }
    tell!("<");
}

/// The value of a header, or what stands for it.
fn value_of<'a>(name: &str, value: &'a str) -> &'a str {
    let carries_payment = is(name, PAYMENT_HEADER) || is(name, CREDENTIAL_HEADER);
    let is_secret = carries_payment || SECRET.iter().any(|own| is(name, own));
    if is_secret { HIDDEN } else { value }
}

/// Without characters that a terminal would act on.
fn printable(text: &str) -> String {
    text.chars().map(|c| if is_printable_char(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for name in [
            "Authorization",
            "PROXY-AUTHORIZATION",
            "Cookie",
            "Set-Cookie",
            "Idempotency-Key",
            "MicroMint-Payment",
            "Payment-Authorization",
        ] {
            assert_eq!(value_of(name, "secret"), HIDDEN, "{name}");
        }
        for name in ["Accept", "MicroMint-Status", "MicroMint-Request", "Retry-After"] {
            assert_eq!(value_of(name, "open"), "open", "{name}");
        }
        assert_eq!(printable("a\u{1b}[2J"), "a\u{fffd}[2J");
        assert_eq!(printable("a\u{202e}b"), "a\u{fffd}b", "the order of what follows");
    }
}
