//! The receipt cookie: who paid for a page sees it again, free, for a while.
//!
//! It holds an expiry and a MAC over the page's URL and that expiry, so every worker and every server
//! that shares the secret can check it and none keeps a list. The invariant: a receipt opens the one
//! page it was given for and no other, whatever path a browser sends it to.

use base64::Engine;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::carrier::BASE64URL;
use super::http::Request;
use crate::authenticator::Key;
use crate::protocol::{Url, parse_decimal};
use crate::time::UnixTime;

/// Receipts of one name that are tried in one request. A browser sends one; the rest costs an attacker
/// more than us.
const TRIES_MAX: usize = 8;
/// How the name of a receipt cookie begins; 16 hexadecimal digits follow, the head of SHA-256(URL).
pub const RECEIPT_NAME_PREFIX: &str = "micromint-";

/// The value of Set-Cookie for a receipt for `url`, good until just before `now + seconds`.
pub(super) fn set_cookie(key: &Key, url: &Url, now: UnixTime, seconds: u32) -> String {
    let expiry = now.plus_seconds(seconds.into());
    let mac = BASE64URL.encode(mac(key, url, expiry));
    let mut cookie = format!("{}={}.{mac}; Max-Age={seconds}; HttpOnly; SameSite=Lax", name(url), expiry.0);
    let path = url.target().split('?').next().unwrap_or_default();
    // A `;` would end the attribute. Without one the browser takes the directory of the page.
    if !path.contains(';') {
        cookie.push_str("; Path=");
        cookie.push_str(path);
    }
    if url.is_https() {
        cookie.push_str("; Secure");
    }
    cookie
}

/// Whether the request holds a receipt for `url` that is good at `now`.
pub(super) fn covers(key: &Key, url: &Url, now: UnixTime, request: &Request<'_>) -> bool {
    let mut cookies =
        request.header_values("cookie").flat_map(|value| value.split(|byte| *byte == b';')).peekable();
    if cookies.peek().is_none() {
        return false;
    }
    let name = name(url);
    let values = cookies.filter_map(|cookie| value_of(&name, cookie));
    values.take(TRIES_MAX).any(|value| is_good(key, url, now, value))
}

fn value_of<'a>(name: &str, cookie: &'a [u8]) -> Option<&'a str> {
    let (its_name, value) = std::str::from_utf8(cookie.trim_ascii()).ok()?.split_once('=')?;
    (its_name == name).then_some(value)
}

fn is_good(key: &Key, url: &Url, now: UnixTime, value: &str) -> bool {
    let Some((expiry, mac_text)) = value.split_once('.') else {
        return false;
    };
    let expiry = parse_decimal(expiry).and_then(|expiry| i64::try_from(expiry).ok()).map(UnixTime);
    let (Some(expiry), Ok(found)) = (expiry, BASE64URL.decode(mac_text)) else {
        return false;
    };
    now < expiry && bool::from(mac(key, url, expiry).ct_eq(found.as_slice()))
}

fn mac(key: &Key, url: &Url, expiry: UnixTime) -> [u8; 32] {
    key.mac(&[b"micromint receipt", url.as_str().as_bytes(), expiry.0.to_string().as_bytes()])
}

fn name(url: &Url) -> String {
    let digest = Sha256::digest(url.as_str());
    let digits = crate::authenticator::hex(&digest[..8]);
    format!("{RECEIPT_NAME_PREFIX}{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn key(byte: u8) -> Key {
        Key::from_bytes([byte; 32])
    }

    fn is_covered(key: &Key, page: &str, now: UnixTime, cookies: &[&str]) -> bool {
        let headers: Vec<(&[u8], &[u8])> =
            cookies.iter().map(|value| (b"cookie".as_slice(), value.as_bytes())).collect();
        covers(key, &url(page), now, &Request { headers: &headers, ..Request::default() })
    }

    #[test]
    fn a_receipt_opens_its_page_until_it_expires() {
        let page = "https://news.example/a?b";
        let cookie = set_cookie(&key(1), &url(page), NOW, 60);
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Max-Age=60; HttpOnly; SameSite=Lax; Path=/a; Secure");
        let at = |seconds| NOW.plus_seconds(seconds);
        assert!(is_covered(&key(1), page, at(59), &[pair]));
        assert!(is_covered(&key(1), page, at(0), &["x=y", &format!("a=b;{pair} ; c")]));
        assert!(!is_covered(&key(1), page, at(60), &[pair]));
        assert!(!is_covered(&key(2), page, at(0), &[pair]));
        assert!(!is_covered(&key(1), page, at(0), &[]));
        for other in ["https://news.example/a", "https://news.example/a?c", "http://news.example/a?b"] {
            assert!(!is_covered(&key(1), other, at(0), &[pair]), "{other}");
            let (_, value) = pair.split_once('=').unwrap();
            assert!(!is_covered(&key(1), other, at(0), &[&format!("{}={value}", name(&url(other)))]));
        }
    }

    #[test]
    fn forged_receipts_hold_nothing_and_hide_no_true_one() {
        let page = "https://news.example/a";
        let cookie = set_cookie(&key(1), &url(page), NOW, 60);
        let (pair, _) = cookie.split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        let (expiry, mac) = value.split_once('.').unwrap();
        let later = (NOW.0 + 1_000_000).to_string();
        let forged = [
            format!("{name}={later}.{mac}"),
            format!("{name}=0{expiry}.{mac}"),
            format!("{name}=-1.{mac}"),
            format!("{name}={expiry}."),
            format!("{name}={expiry}"),
            format!("{name}={expiry}.{}", &mac[1..]),
            format!("{name}="),
            format!("{}={value}", name.to_uppercase()),
        ];
        for cookie in &forged {
            assert!(!is_covered(&key(1), page, NOW, &[cookie]), "{cookie}");
            assert!(is_covered(&key(1), page, NOW, &[cookie, pair]), "{cookie}");
        }
        let crowd = [forged[0].as_str(); TRIES_MAX];
        assert!(!is_covered(&key(1), page, NOW, &[&crowd.join(";"), pair]));
        assert!(is_covered(&key(1), page, NOW, &[&crowd[1..].join(";"), pair]));
    }

    #[test]
    fn attributes_follow_the_url() {
        let odd = set_cookie(&key(1), &url("http://news.example/a/b;c?d"), NOW, 60);
        assert!(!odd.contains("Path") && !odd.contains("Secure"), "{odd}");
        let query = set_cookie(&key(1), &url("http://news.example/?;Path=/"), NOW, 60);
        assert!(query.ends_with("; SameSite=Lax; Path=/"), "{query}");
    }
}
