//! The receipt cookie: it opens a paid page again, free, for a limited time.
//!
//! Input: what was paid for. Output: a cookie with an expiry time and a MAC over that time and what
//! it opens, so every worker and server with the secret can check it without a list. The invariant:
//! whatever path a browser sends it to, a receipt opens either one page, or every page of one
//! receipt path that costs no more than was paid.

use std::fmt::Write;

use base64::Engine;
use compact_str::{CompactString, ToCompactString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::carrier::brings_receipt;
use super::request::Request;
use crate::authenticator::{Key, push_hex};
use crate::protocol::{COINS_PER_PAYMENT_MAX, RECEIPT_COOKIE_PREFIX, Url, parse_decimal};
use crate::scheme::BASE64URL;
use crate::time::UnixTime;

/// The largest number of receipts of one name that are checked in one request. A browser sends one.
const TRIES_MAX: usize = 8;
/// The approximate size of a receipt cookie without its path, in bytes.
const COOKIE_SIZE: usize = 192;
/// The longest receipt path, in bytes.
const RECEIPT_PATH_LEN_MAX: usize = 1024;

/// The text is not a receipt path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a path such as /story/17/, at most {RECEIPT_PATH_LEN_MAX} printable ASCII characters \
     without ?, # and ;, found {found:?}"
)]
pub struct ReceiptPathError {
    found: String,
}

/// Parses the value of a directive or variable as a receipt path; an empty value is `None`.
///
/// # Errors
/// The value is not an absolute path, or a cookie's Path cannot hold it.
pub fn parse_receipt_path(text: &[u8]) -> Result<Option<&str>, ReceiptPathError> {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b';');
    match std::str::from_utf8(text) {
        Ok("") => Ok(None),
        Ok(path)
            if path.starts_with('/')
                && path.len() <= RECEIPT_PATH_LEN_MAX
                && path.bytes().all(is_allowed) =>
        {
            Ok(Some(path))
        }
        _ => Err(ReceiptPathError {
            found: String::from_utf8_lossy(text).chars().take(80).collect(),
        }),
    }
}

/// What a receipt opens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'a> {
    /// One page, including its query, whatever its price is now.
    Page(&'a Url),
    /// Everything at the URL's origin whose place has this receipt path.
    Path(&'a Url, &'a str),
}

impl<'a> Scope<'a> {
    /// What a receipt for the page at `url` opens, at a place with this receipt path.
    pub(super) fn at(url: &'a Url, receipt_path: Option<&'a str>) -> Scope<'a> {
        match receipt_path.filter(|receipt_path| is_sent_to(receipt_path, path_of(url))) {
            Some(receipt_path) => Scope::Path(url, receipt_path),
            // A browser would not send a cookie with this Path to the page itself.
            None => Scope::Page(url),
        }
    }

    /// Appends the cookie's name: a hash of the URL, or of origin, path and a space, which no URL
    /// contains.
    fn push_name(self, text: &mut String) {
        let digest = match self {
            Scope::Page(url) => Sha256::digest(url.as_str()),
            Scope::Path(url, path) => Sha256::new()
                .chain_update(url.origin())
                .chain_update(path)
                .chain_update(" ")
                .finalize(),
        };
        text.push_str(RECEIPT_COOKIE_PREFIX);
        push_hex(text, &digest[..8]);
    }

    /// The cookie's name.
    fn name(self) -> String {
        let mut name = String::with_capacity(RECEIPT_COOKIE_PREFIX.len() + 16);
        self.push_name(&mut name);
        name
    }

    fn mac(self, key: &Key, expiry: &str, price: &str) -> [u8; 32] {
        match self {
            Scope::Page(url) => {
                key.mac(&[b"micromint receipt", url.as_str().as_bytes(), expiry.as_bytes()])
            }
            Scope::Path(url, path) => key.mac(&[
                b"micromint receipt path",
                url.origin().as_bytes(),
                path.as_bytes(),
                price.as_bytes(),
                expiry.as_bytes(),
            ]),
        }
    }

    fn cookie_path(self) -> &'a str {
        match self {
            Scope::Page(url) => path_of(url),
            Scope::Path(_, path) => path,
        }
    }
}

/// The value of Set-Cookie for a receipt that is valid until just before `now + seconds`. `price`
/// is what was paid, in coins.
pub(super) fn set_cookie(
    key: &Key,
    scope: Scope<'_>,
    price: u32,
    now: UnixTime,
    seconds: u32,
) -> String {
    let expiry = now.plus_seconds(seconds.into()).0.to_compact_string();
    let price = if let Scope::Path(..) = scope {
        price.to_compact_string()
    } else {
        CompactString::default()
    };
    let path = scope.cookie_path();
    let mut cookie = String::with_capacity(COOKIE_SIZE + path.len());
    scope.push_name(&mut cookie);
    for part in ["=", &expiry, "."] {
        cookie.push_str(part);
    }
    if let Scope::Path(..) = scope {
        cookie.push_str(&price);
        cookie.push('.');
    }
    BASE64URL.encode_string(scope.mac(key, &expiry, &price), &mut cookie);
    // Writing to a String cannot fail.
    let _ = write!(cookie, "; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    // A `;` would end the attribute. Without a Path the browser uses the page's directory.
    if !path.contains(';') {
        cookie.push_str("; Path=");
        cookie.push_str(path);
    }
    let (Scope::Page(url) | Scope::Path(url, _)) = scope;
    if url.is_https() {
        cookie.push_str("; Secure");
    }
    cookie
}

/// Whether the request holds a receipt that is valid at `now` and opens the page at `url`, which
/// costs `price` coins at a place with this receipt path.
pub(super) fn covers(
    key: &Key,
    url: &Url,
    receipt_path: Option<&str>,
    price: u32,
    now: UnixTime,
    request: &Request<'_>,
) -> bool {
    let has_good = |scope: Scope<'_>| {
        let name = scope.name();
        let cookies =
            request.header_values("cookie").flat_map(|value| value.split(|byte| *byte == b';'));
        let values = cookies.filter_map(|cookie| value_of(&name, cookie));
        values.take(TRIES_MAX).any(|value| is_good(key, scope, price, now, value))
    };
    brings_receipt(request)
        && (has_good(Scope::Page(url))
            || receipt_path.is_some_and(|receipt_path| has_good(Scope::Path(url, receipt_path))))
}

fn value_of<'a>(name: &str, cookie: &'a [u8]) -> Option<&'a str> {
    let value = cookie.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    std::str::from_utf8(value).ok()
}

fn is_good(key: &Key, scope: Scope<'_>, price: u32, now: UnixTime, value: &str) -> bool {
    let Some((expiry, rest)) = value.split_once('.') else {
        return false;
    };
    let (paid, mac_text) = match scope {
        Scope::Page(_) => ("", rest),
        Scope::Path(..) => match rest.split_once('.') {
            Some(parts) => parts,
            None => return false,
        },
    };
    let is_enough = match scope {
        Scope::Page(_) => true,
        Scope::Path(..) => parse_decimal(paid).is_some_and(|paid| {
            (u64::from(price)..=u64::from(COINS_PER_PAYMENT_MAX)).contains(&paid)
        }),
    };
    let until = parse_decimal(expiry).and_then(|expiry| i64::try_from(expiry).ok()).map(UnixTime);
    if !is_enough || until.is_none_or(|until| now >= until) {
        return false;
    }
    // One byte more than a MAC, so that a longer value fails.
    let mut found = [0; 33];
    let Ok(length) = BASE64URL.decode_slice(mac_text, &mut found) else { return false };
    scope.mac(key, expiry, paid).ct_eq(&found[..length]).into()
}

fn path_of(url: &Url) -> &str {
    url.target().split('?').next().unwrap_or_default()
}

/// Whether a browser sends a cookie of this Path to `path` (RFC 6265, 5.1.4).
fn is_sent_to(cookie_path: &str, path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
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

    fn page_cookie(page: &str) -> String {
        set_cookie(&key(1), Scope::Page(&url(page)), 1, NOW, 60)
    }

    fn is_covered(key: &Key, page: &str, now: UnixTime, cookies: &[&str]) -> bool {
        is_covered_at(key, page, None, 1, now, cookies)
    }

    fn is_covered_at(
        key: &Key,
        page: &str,
        receipt_path: Option<&str>,
        price: u32,
        now: UnixTime,
        cookies: &[&str],
    ) -> bool {
        let headers: Vec<(&[u8], &[u8])> =
            cookies.iter().map(|value| (b"cookie".as_slice(), value.as_bytes())).collect();
        let request = Request { headers: &headers, ..Request::default() };
        covers(key, &url(page), receipt_path, price, now, &request)
    }

    #[test]
    fn a_receipt_opens_its_page_until_it_expires() {
        let page = "https://news.example/a?b";
        let cookie = page_cookie(page);
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Max-Age=60; HttpOnly; SameSite=Lax; Path=/a; Secure");
        let at = |seconds| NOW.plus_seconds(seconds);
        assert!(is_covered(&key(1), page, at(59), &[pair]));
        assert!(is_covered(&key(1), page, at(0), &["x=y", &format!("a=b;{pair} ; c")]));
        assert!(!is_covered(&key(1), page, at(60), &[pair]));
        assert!(!is_covered(&key(2), page, at(0), &[pair]));
        assert!(!is_covered(&key(1), page, at(0), &[]));
        for other in
            ["https://news.example/a", "https://news.example/a?c", "http://news.example/a?b"]
        {
            assert!(!is_covered(&key(1), other, at(0), &[pair]), "{other}");
            let (_, value) = pair.split_once('=').unwrap();
            let name = Scope::Page(&url(other)).name();
            assert!(!is_covered(&key(1), other, at(0), &[&format!("{name}={value}")]));
        }
        assert!(
            is_covered_at(&key(1), page, Some("/a"), 9, at(0), &[pair]),
            "also where a path was set since"
        );
    }

    #[test]
    fn a_receipt_for_a_path_opens_what_costs_no_more() {
        let page = url("https://news.example/story/17/index.html?a");
        let scope = Scope::at(&page, Some("/story/17/"));
        let cookie = set_cookie(&key(1), scope, 3, NOW, 60);
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Max-Age=60; HttpOnly; SameSite=Lax; Path=/story/17/; Secure");
        let covered = |page: &str, path: Option<&str>, price: u32, now: UnixTime| {
            is_covered_at(&key(1), page, path, price, now, &[pair])
        };
        let (path, image) = (Some("/story/17/"), "https://news.example/story/17/a.jpg");
        assert!(covered(page.as_str(), path, 3, NOW));
        assert!(covered(image, path, 1, NOW));
        assert!(!covered(image, path, 4, NOW), "dearer content");
        assert!(!covered(image, path, 1, NOW.plus_seconds(60)));
        assert!(!covered(image, None, 1, NOW), "a place without a receipt path");
        assert!(!covered(image, Some("/story/"), 1, NOW), "another receipt path");
        assert!(!covered("http://news.example/story/17/a.jpg", path, 1, NOW), "another origin");
        let (name, value) = pair.split_once('=').unwrap();
        let [expiry, _, mac] = value.split('.').collect::<Vec<_>>()[..] else { panic!("{value}") };
        for forged in [
            format!("{name}={expiry}.4.{mac}"),
            format!("{name}={expiry}.04.{mac}"),
            format!("{name}={expiry}..{mac}"),
            format!("{name}={expiry}.{mac}"),
            format!("{}={expiry}.{mac}", Scope::Page(&url(image)).name()),
        ] {
            assert!(!is_covered_at(&key(1), image, path, 4, NOW, &[&forged]), "{forged}");
        }
    }

    #[test]
    fn a_page_receipt_opens_no_path_of_its_name() {
        let (page, path) = ("https://news.example/story/", "/story/");
        let cookie = page_cookie(page);
        let (pair, _) = cookie.split_once("; ").unwrap();
        let (_, value) = pair.split_once('=').unwrap();
        let (expiry, mac) = value.split_once('.').unwrap();
        let name = Scope::Path(&url(page), path).name();
        assert_ne!(name, Scope::Page(&url(page)).name());
        for forged in [format!("{name}={value}"), format!("{name}={expiry}.1.{mac}")] {
            assert!(!is_covered_at(
                &key(1),
                "https://news.example/story/b",
                Some(path),
                1,
                NOW,
                &[&forged]
            ));
        }
    }

    #[test]
    fn a_cookie_that_its_page_would_not_get_is_not_given() {
        let page = url("https://news.example/story/17");
        for (path, is_path) in [
            ("/", true),
            ("/story", true),
            ("/story/", true),
            ("/story/17", true),
            ("/story/1", false),
            ("/stor", false),
            ("/story/17/", false),
            ("/other/", false),
        ] {
            assert_eq!(matches!(Scope::at(&page, Some(path)), Scope::Path(..)), is_path, "{path}");
        }
    }

    #[test]
    fn receipt_paths_are_what_a_cookie_can_hold() {
        let long = |n: usize| format!("/{}", "a".repeat(n - 1));
        for good in ["/", "/a", "/a/b/", "/%7e,\"<", &long(RECEIPT_PATH_LEN_MAX)] {
            assert_eq!(parse_receipt_path(good.as_bytes()), Ok(Some(good)));
        }
        assert_eq!(parse_receipt_path(b""), Ok(None));
        for bad in [
            "a",
            "/a b",
            "/a;b",
            "/a?b",
            "/a#b",
            "/\u{e9}",
            "/\n",
            " /",
            &long(RECEIPT_PATH_LEN_MAX + 1),
        ] {
            let error = parse_receipt_path(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("expected a path such as"), "{error}");
        }
    }

    #[test]
    fn forged_receipts_hold_nothing_and_hide_no_true_one() {
        let page = "https://news.example/a";
        let cookie = page_cookie(page);
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
        let odd = page_cookie("http://news.example/a/b;c?d");
        assert!(!odd.contains("Path") && !odd.contains("Secure"), "{odd}");
        let query = page_cookie("http://news.example/?;Path=/");
        assert!(query.ends_with("; SameSite=Lax; Path=/"), "{query}");
    }
}
