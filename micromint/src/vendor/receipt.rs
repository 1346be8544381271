//! The receipt cookie: it opens a paid page again, free, for a limited time.
//!
//! Input: what was paid for, and the receipts that the client has. Output: a cookie with an expiry
//! time and a MAC over that time and what it opens, so every worker and server with the secret can
//! check it without a list; and cookies that delete the oldest receipts. The invariants: whatever
//! path or host a browser sends it to, a receipt opens either one page, or every page of one
//! receipt path that costs no more than was paid, at the host that was paid; however many pages a
//! client pays for, the receipts in one request have at most 4 KiB.
//!
//! A browser sends the receipts of one request from at most two *pools*, `/` and the first part of
//! the path, and at most one more for each of the first [`PATH_PARTS_MAX`] parts of the path, with
//! and without a `/` after it; likewise for receipt paths. Each issue leaves at most
//! [`RECEIPTS_MAX`] of the receipts that came with the request.

use base64::Engine;
use compact_str::ToCompactString;
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use subtle::ConstantTimeEq;

use super::carrier::brings_receipt;
use super::origin::AskedHost;
use super::request::Request;
use crate::authenticator::Key;
use crate::bytes::Field;
use crate::protocol::{RECEIPT_COOKIE_PREFIX, Url};
use crate::scheme::BASE64URL;
use crate::time::UnixTime;

/// The largest number of receipts that a client has after one was issued, of those that it sent
/// with the request.
const RECEIPTS_MAX: usize = 24;
/// The largest number of receipts that one answer deletes. One is issued with each answer, so more
/// than one is needed only after several answers at the same time.
const DELETED_MAX: usize = 4;
/// The largest number of parts of a path for which a page's receipt has the page's own path.
const PATH_PARTS_MAX: usize = 6;
/// The largest number of receipts that are examined in one request.
const EXAMINED_MAX: usize = 512;
/// The largest number of receipts of one name that are checked in one request. A browser sends one.
const TRIES_MAX: usize = 8;
/// The approximate size of a receipt cookie without its path, in bytes.
const COOKIE_SIZE: usize = 128;
/// The longest receipt path, in bytes. Browsers ignore a longer Path.
const RECEIPT_PATH_LEN_MAX: usize = 1024;

/// The value of a receipt, before base64url.
mod value {
    use super::*;

    /// In seconds since 1970, at most until 2106.
    pub(super) const EXPIRY: Field<u32> = Field::at(0);
    pub(super) const PRICE: Field<u16> = EXPIRY.then();
    /// The length of the cookie's Path: with it, a later answer can delete the cookie.
    pub(super) const PATH_LEN: Field<u16> = PRICE.then();
    pub(super) const MAC: Field<[u8; 16]> = PATH_LEN.then();
    pub(super) const SIZE: usize = MAC.end();
    /// Its length in base64url.
    pub(super) const LEN: usize = SIZE / 3 * 4;
}

/// The length of what follows the prefix in a receipt's name: the first 6 bytes of a hash, in
/// base64url.
const NAME_REST_LEN: usize = 8;

/// The text is not a receipt path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a path such as /story/17/, at most {RECEIPT_PATH_LEN_MAX} printable ASCII characters \
     without ?, # and ;, found {found:?}"
)]
pub(crate) struct ReceiptPathError {
    found: String,
}

/// Parses the value of a directive or variable as a receipt path; an empty value is `None`.
///
/// # Errors
/// The value is not an absolute path, or a cookie's Path cannot hold it.
pub(crate) fn parse_receipt_path(text: &[u8]) -> Result<Option<&str>, ReceiptPathError> {
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
pub(super) struct Scope<'a> {
    /// The page; of a receipt for a path, its origin counts.
    url: &'a Url,
    /// The host that is asked, in its one spelling.
    host: &'a [u8],
    /// The receipt opens everything that has this receipt path. `None`: the page, including its
    /// query, whatever its price is now.
    path: Option<&'a str>,
}

impl<'a> Scope<'a> {
    /// What a receipt for the page at `url` opens, at a place with this receipt path.
    pub(super) fn at(url: &'a Url, host: &'a [u8], receipt_path: Option<&'a str>) -> Scope<'a> {
        // Otherwise a browser would not send a cookie with this Path to the page itself.
        let path = receipt_path.filter(|receipt_path| is_sent_to(receipt_path, path_of(url)));
        Scope { url, host, path }
    }

    /// Appends the cookie's name: a hash of the URL, or of origin, path and a space, which no URL
    /// contains.
    fn push_name(self, text: &mut String) {
        let digest = match self.path {
            None => Sha256::digest(self.url.as_str()),
            Some(path) => Sha256::new()
                .chain_update(self.url.origin())
                .chain_update(path)
                .chain_update(" ")
                .finalize(),
        };
        text.push_str(RECEIPT_COOKIE_PREFIX);
        BASE64URL.encode_string(&digest[..6], text);
    }

    /// The cookie's name.
    fn name(self) -> String {
        let mut name = String::with_capacity(RECEIPT_COOKIE_PREFIX.len() + NAME_REST_LEN);
        self.push_name(&mut name);
        name
    }

    /// The MAC of a value with these bytes before it.
    fn mac(self, key: &Key, before: &[u8]) -> [u8; 16] {
        let (kind, what): (&[u8], [&[u8]; 2]) = match self.path {
            None => (b"micromint receipt", [self.url.as_str().as_bytes(), b""]),
            Some(path) => {
                (b"micromint receipt path", [self.url.origin().as_bytes(), path.as_bytes()])
            }
        };
        let mac = key.mac(&[kind, self.host, what[0], what[1], before]);
        std::array::from_fn(|i| mac[i])
    }

    /// The Path of the cookie. It is a prefix of the page's path.
    fn cookie_path(self) -> &'a str {
        let path = path_of(self.url);
        let parts = path.as_bytes().split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        let is_own = parts.count() <= PATH_PARTS_MAX
            && !path.as_bytes().windows(2).any(|two| two == b"//")
            && can_be_cookie_path(path);
        match self.path {
            Some(receipt_path) => receipt_path,
            // One page has this path.
            None if is_own && path.len() == self.url.target().len() => path,
            None => pool_path(path),
        }
    }
}

/// The Path of the receipts for all pages of one path that have a query: the first part of the
/// path.
fn pool_path(path: &str) -> &str {
    let end = path[1..].find('/').map_or(path.len(), |at| at + 1);
    if can_be_cookie_path(&path[..end]) { &path[..end] } else { "/" }
}

/// Whether a cookie's Path can hold this path of a URL: a `;` would end the attribute.
fn can_be_cookie_path(path: &str) -> bool {
    path.len() <= RECEIPT_PATH_LEN_MAX && !path.contains(';')
}

/// A receipt to be issued.
pub(super) struct NewReceipt<'a> {
    /// What it opens.
    pub(super) scope: Scope<'a>,
    /// What was paid, in base coins; a cookie says at most 65535, so a receipt opens no page of a
    /// path that costs more but the one that was paid for.
    pub(super) price: u32,
    /// The time.
    pub(super) now: UnixTime,
    /// How long it is valid: until just before `now + seconds`.
    pub(super) seconds: u32,
}

impl NewReceipt<'_> {
    /// The values of Set-Cookie for the receipt, and for the deletion of the oldest receipts in
    /// `request` if it has too many.
    pub(super) fn set_cookies(&self, key: &Key, request: &Request<'_>) -> SmallVec<[String; 2]> {
        let NewReceipt { scope, price, now, seconds } = *self;
        let path = scope.cookie_path();
        let mut bytes = [0; value::SIZE];
        let expiry = now.plus_seconds(seconds.into()).0.clamp(0, u32::MAX.into()) as u32;
        value::EXPIRY.set(&mut bytes, expiry);
        value::PRICE.set(&mut bytes, u16::try_from(price).unwrap_or(u16::MAX));
        value::PATH_LEN.set(&mut bytes, path.len() as u16);
        let mac = scope.mac(key, &bytes[..value::PATH_LEN.end()]);
        value::MAC.set(&mut bytes, mac);
        let mut pair = String::with_capacity(COOKIE_SIZE + path.len());
        scope.push_name(&mut pair);
        let name_len = pair.len();
        pair.push('=');
        BASE64URL.encode_string(bytes, &mut pair);
        let is_other = |other: &Receipt<'_>| {
            other.name != &pair.as_bytes()[..name_len] && other.path(scope.url).is_some()
        };
        let mut others: SmallVec<[Receipt<'_>; RECEIPTS_MAX]> =
            receipts_in(request).filter(is_other).collect();
        let surplus = (others.len() + 1).saturating_sub(RECEIPTS_MAX).min(DELETED_MAX);
        if surplus > 0 {
            others.sort_unstable_by_key(|other| other.expiry);
        }
        let mut cookies = SmallVec::new();
        cookies.push(with_attributes(pair, seconds, path, scope.url.is_https()));
        cookies.extend(others[..surplus].iter().filter_map(|other| other.deletion(scope.url)));
        cookies
    }
}

fn with_attributes(mut cookie: String, seconds: u32, path: &str, is_https: bool) -> String {
    let seconds = seconds.to_compact_string();
    let secure = if is_https { "; Secure" } else { "" };
    for part in ["; Max-Age=", &seconds, "; HttpOnly; SameSite=Lax; Path=", path, secure] {
        cookie.push_str(part);
    }
    cookie
}

/// A receipt that a client sent, of which the form was checked and nothing else.
struct Receipt<'a> {
    name: &'a [u8],
    expiry: u32,
    path_len: usize,
}

impl Receipt<'_> {
    /// Its Path, in a request for `url`. A browser sends a cookie only where its Path is a prefix,
    /// so the length tells the Path.
    fn path<'b>(&self, url: &'b Url) -> Option<&'b str> {
        let path = path_of(url).get(..self.path_len)?;
        (path.starts_with('/') && can_be_cookie_path(path)).then_some(path)
    }

    /// The value of Set-Cookie that deletes it, in an answer to a request for `url`.
    fn deletion(&self, url: &Url) -> Option<String> {
        let name = std::str::from_utf8(self.name).ok()?;
        Some(with_attributes(format!("{name}="), 0, self.path(url)?, url.is_https()))
    }
}

/// The cookies of a request that have the form of a receipt, of any page and vendor.
fn receipts_in<'a>(request: &Request<'a>) -> impl Iterator<Item = Receipt<'a>> {
    cookies_in(request).filter_map(receipt_of).take(EXAMINED_MAX)
}

fn receipt_of(cookie: &[u8]) -> Option<Receipt<'_>> {
    let rest = cookie.strip_prefix(RECEIPT_COOKIE_PREFIX.as_bytes())?;
    let (name_rest, text) = rest.split_at_checked(NAME_REST_LEN)?;
    let is_name = name_rest.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    let bytes = bytes_of(text.strip_prefix(b"=")?).filter(|_| is_name)?;
    Some(Receipt {
        name: &cookie[..RECEIPT_COOKIE_PREFIX.len() + NAME_REST_LEN],
        expiry: value::EXPIRY.get(&bytes),
        path_len: value::PATH_LEN.get(&bytes).into(),
    })
}

/// The bytes of a receipt's value.
fn bytes_of(text: &[u8]) -> Option<[u8; value::SIZE]> {
    let mut bytes = [0; value::SIZE];
    let is_whole = text.len() == value::LEN
        && BASE64URL.decode_slice(text, &mut bytes).is_ok_and(|size| size == value::SIZE);
    is_whole.then_some(bytes)
}

fn cookies_in<'a>(request: &Request<'a>) -> impl Iterator<Item = &'a [u8]> {
    let values = request.header_values("cookie");
    values.flat_map(|value| value.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii)
}

/// A page that a client asks for, which receipts may open.
pub(super) struct AskedPage<'a> {
    /// Its URL.
    pub(super) url: &'a Url,
    /// The host that is asked.
    pub(super) host: &'a AskedHost<'a>,
    /// The receipt path of its place.
    pub(super) receipt_path: Option<&'a str>,
    /// What it costs, in base coins.
    pub(super) price: u32,
}

impl AskedPage<'_> {
    /// Whether the request holds a receipt that is valid at `now` and opens the page.
    pub(super) fn is_covered(&self, key: &Key, now: UnixTime, request: &Request<'_>) -> bool {
        let AskedPage { url, host, receipt_path, price } = *self;
        if !brings_receipt(request) {
            return false;
        }
        let host = &host.to_bytes();
        let has_good = |path: Option<&str>| {
            let scope = Scope { url, host, path };
            let name = scope.name();
            let texts = cookies_in(request)
                .filter_map(|cookie| cookie.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
            texts.take(TRIES_MAX).any(|text| is_good(key, scope, price, now, text))
        };
        has_good(None) || receipt_path.is_some_and(|path| has_good(Some(path)))
    }
}

fn is_good(key: &Key, scope: Scope<'_>, price: u32, now: UnixTime, text: &[u8]) -> bool {
    let Some(bytes) = bytes_of(text) else { return false };
    let paid = value::PRICE.get(&bytes);
    let expiry = value::EXPIRY.get(&bytes);
    if now.0 >= expiry.into() || scope.path.is_some() && u32::from(paid) < price {
        return false;
    }
    let mac = scope.mac(key, &bytes[..value::PATH_LEN.end()]);
    mac.ct_eq(&value::MAC.get(&bytes)).into()
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
    use std::collections::BTreeMap;

    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);
    const HOST: &[u8] = b"https://news.example:443";

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn at_host(host: &str) -> Request<'_> {
        Request { is_https: true, host: Some(host.as_bytes()), ..Request::default() }
    }

    fn key(byte: u8) -> Key {
        Key::from_bytes([byte; 32])
    }

    fn page(url: &Url) -> Scope<'_> {
        Scope::at(url, HOST, None)
    }

    /// The receipt for a client that has none.
    fn cookie(scope: Scope<'_>, price: u32) -> String {
        let receipt = NewReceipt { scope, price, now: NOW, seconds: 60 };
        receipt.set_cookies(&key(1), &Request::default()).remove(0)
    }

    fn page_cookie(text: &str) -> String {
        cookie(page(&url(text)), 1)
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
        let request = Request { headers: &headers, ..at_host("news.example") };
        let (url, host) = (&url(page), &AskedHost::of(&request, &[]));
        AskedPage { url, host, receipt_path, price }.is_covered(key, now, &request)
    }

    /// The cookie with other bytes from `at` on in its value.
    fn changed(pair: &str, at: usize, with: &[u8]) -> String {
        let (name, text) = pair.split_once('=').unwrap();
        let mut bytes = bytes_of(text.as_bytes()).unwrap();
        bytes[at..at + with.len()].copy_from_slice(with);
        format!("{name}={}", BASE64URL.encode(bytes))
    }

    #[test]
    fn a_receipt_opens_its_page_until_it_expires() {
        let page_url = "https://news.example/a?b";
        let cookie = page_cookie(page_url);
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Max-Age=60; HttpOnly; SameSite=Lax; Path=/a; Secure");
        let at = |seconds| NOW.plus_seconds(seconds);
        assert!(is_covered(&key(1), page_url, at(59), &[pair]));
        assert!(is_covered(&key(1), page_url, at(0), &["x=y", &format!("a=b;{pair} ; c")]));
        assert!(!is_covered(&key(1), page_url, at(60), &[pair]));
        assert!(!is_covered(&key(2), page_url, at(0), &[pair]));
        assert!(!is_covered(&key(1), page_url, at(0), &[]));
        for other in
            ["https://news.example/a", "https://news.example/a?c", "http://news.example/a?b"]
        {
            assert!(!is_covered(&key(1), other, at(0), &[pair]), "{other}");
            let (_, value) = pair.split_once('=').unwrap();
            let name = page(&url(other)).name();
            assert!(!is_covered(&key(1), other, at(0), &[&format!("{name}={value}")]));
        }
        assert!(
            is_covered_at(&key(1), page_url, Some("/a"), 9, at(0), &[pair]),
            "also where a path was set since"
        );
    }

    #[test]
    fn a_receipt_opens_nothing_at_another_host() {
        let page_url = url("https://news.example/story/17/");
        let path = Some("/story/17/");
        for receipt_path in [None, path] {
            let cookie = cookie(Scope::at(&page_url, HOST, receipt_path), 1);
            let (pair, _) = cookie.split_once("; ").unwrap();
            let headers: [(&[u8], &[u8]); 1] = [(b"Cookie", pair.as_bytes())];
            let is_covered = |is_https: bool, host: &str| {
                let request = Request { is_https, headers: &headers, ..at_host(host) };
                let (url, host) = (&page_url, &AskedHost::of(&request, &[]));
                AskedPage { url, host, receipt_path, price: 1 }.is_covered(&key(1), NOW, &request)
            };
            for host in ["news.example", "news.example:443", "NEWS.example."] {
                assert!(is_covered(true, host), "{receipt_path:?} {host}");
            }
            for host in ["news.example:444", "www.news.example", "news.example..", "unknown", ""] {
                assert!(!is_covered(true, host), "{receipt_path:?} {host}");
            }
            assert!(!is_covered(false, "news.example:443"));
        }
    }

    #[test]
    fn a_receipt_for_a_path_opens_what_costs_no_more() {
        let page_url = url("https://news.example/story/17/index.html?a");
        let cookie = cookie(Scope::at(&page_url, HOST, Some("/story/17/")), 3);
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Max-Age=60; HttpOnly; SameSite=Lax; Path=/story/17/; Secure");
        let covered = |page: &str, path: Option<&str>, price: u32, now: UnixTime| {
            is_covered_at(&key(1), page, path, price, now, &[pair])
        };
        let (path, image) = (Some("/story/17/"), "https://news.example/story/17/a.jpg");
        assert!(covered(page_url.as_str(), path, 3, NOW));
        assert!(covered(image, path, 1, NOW));
        assert!(!covered(image, path, 4, NOW), "content with a higher price");
        assert!(!covered(image, path, 1, NOW.plus_seconds(60)));
        assert!(!covered(image, None, 1, NOW), "a place without a receipt path");
        assert!(!covered(image, Some("/story/"), 1, NOW), "another receipt path");
        assert!(!covered("http://news.example/story/17/a.jpg", path, 1, NOW), "another origin");
        let (_, value) = pair.split_once('=').unwrap();
        for forged in [
            changed(pair, 4, &[4, 0]),
            changed(pair, 4, &[255, 255]),
            format!("{}={value}", page(&url(image)).name()),
        ] {
            assert!(!is_covered_at(&key(1), image, path, 4, NOW, &[&forged]), "{forged}");
        }
    }

    #[test]
    fn a_page_receipt_opens_no_path_of_its_name() {
        let (page_url, path) = (url("https://news.example/story/"), "/story/");
        let cookie = cookie(page(&page_url), 1);
        let (pair, _) = cookie.split_once("; ").unwrap();
        let (_, value) = pair.split_once('=').unwrap();
        let name = Scope::at(&page_url, HOST, Some(path)).name();
        assert_ne!(name, page(&page_url).name());
        let forged = format!("{name}={value}");
        let other = "https://news.example/story/b";
        assert!(!is_covered_at(&key(1), other, Some(path), 1, NOW, &[&forged]));
    }

    #[test]
    fn a_cookie_that_its_page_would_not_get_is_not_given() {
        let page_url = url("https://news.example/story/17");
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
            assert_eq!(Scope::at(&page_url, HOST, Some(path)).path.is_some(), is_path, "{path}");
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
        let page_url = "https://news.example/a";
        let cookie = page_cookie(page_url);
        let (pair, _) = cookie.split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        let forged = [
            changed(pair, 3, &[255]),
            changed(pair, 4, &[2]),
            changed(pair, 6, &[9]),
            changed(pair, value::SIZE - 1, &[0]),
            format!("{name}={}", &value[1..]),
            format!("{name}={value}A"),
            format!("{name}={value}AAAA"),
            format!("{name}={}=", &value[1..]),
            format!("{name}="),
            format!("{}={value}", name.to_uppercase()),
        ];
        for cookie in &forged {
            assert!(!is_covered(&key(1), page_url, NOW, &[cookie]), "{cookie}");
            assert!(is_covered(&key(1), page_url, NOW, &[cookie, pair]), "{cookie}");
        }
        let crowd = [forged[0].as_str(); TRIES_MAX];
        assert!(!is_covered(&key(1), page_url, NOW, &[&crowd.join(";"), pair]));
        assert!(is_covered(&key(1), page_url, NOW, &[&crowd[1..].join(";"), pair]));
    }

    #[test]
    fn the_path_of_a_cookie_is_one_that_browsers_keep_and_few_paths_are_above_each_other() {
        let long = |n: usize| format!("/{}", "a".repeat(n - 1));
        for (target, path) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/b/c", "/a/b/c"),
            ("/a/b/c/", "/a/b/c/"),
            ("/1/2/3/4/5/6", "/1/2/3/4/5/6"),
            ("/1/2/3/4/5/6/", "/1/2/3/4/5/6/"),
            // Many pages have one path.
            ("/?b", "/"),
            ("/?;Path=/x", "/"),
            ("/a?b", "/a"),
            ("/a/?b", "/a"),
            ("/a/b/c?d", "/a"),
            ("/a?", "/a"),
            ("/1/2/3/4/5/6/7", "/1"),
            ("//a", "/"),
            // What a Path cannot hold.
            ("/a/b;c", "/a"),
            ("/a;b/c", "/"),
            ("/a;b?c", "/"),
            (&long(RECEIPT_PATH_LEN_MAX), &long(RECEIPT_PATH_LEN_MAX)),
            (&long(RECEIPT_PATH_LEN_MAX + 1), "/"),
        ] {
            let page_url = url(&format!("http://news.example{target}"));
            assert_eq!(page(&page_url).cookie_path(), path, "{target}");
            let cookie = cookie(page(&page_url), 1);
            assert!(cookie.ends_with(&format!("; Path={path}")) && !cookie.contains("Secure"));
            assert!(is_sent_to(path, path_of(&page_url)), "{target}");
        }
    }

    /// A browser: cookies by path and name.
    #[derive(Default)]
    struct Browser(BTreeMap<(String, String), String>);

    impl Browser {
        /// The Cookie header of a request for this URL.
        fn cookies(&self, url: &Url) -> String {
            let sent = self.0.iter().filter(|((path, _), _)| is_sent_to(path, path_of(url)));
            let pairs: Vec<String> =
                sent.map(|((_, name), value)| format!("{name}={value}")).collect();
            pairs.join("; ")
        }

        fn keep(&mut self, set_cookie: &str) {
            let (pair, attributes) = set_cookie.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let path = attributes.split("; ").find_map(|it| it.strip_prefix("Path=")).unwrap();
            let place = (path.to_string(), name.to_string());
            if attributes.starts_with("Max-Age=0;") {
                assert!(self.0.remove(&place).is_some(), "deletes what is not there");
            } else {
                self.0.insert(place, value.to_string());
            }
        }

        /// Pays for a page at this second. Returns the length of the Cookie header it sent.
        fn pay(&mut self, target: &str, receipt_path: Option<&str>, second: i64) -> usize {
            let page_url = url(&format!("https://news.example{target}"));
            let cookies = self.cookies(&page_url);
            let headers: [(&[u8], &[u8]); 1] = [(b"Cookie", cookies.as_bytes())];
            let request = Request { headers: &headers, ..Request::default() };
            let scope = Scope::at(&page_url, HOST, receipt_path);
            let now = NOW.plus_seconds(second);
            let receipt = NewReceipt { scope, price: 1, now, seconds: 86_400 };
            for cookie in receipt.set_cookies(&key(1), &request) {
                self.keep(&cookie);
            }
            cookies.len()
        }

        fn is_open(&self, target: &str) -> bool {
            let page_url = format!("https://news.example{target}");
            is_covered(&key(1), &page_url, NOW, &[&self.cookies(&url(&page_url))])
        }
    }

    #[test]
    fn whoever_pays_for_many_pages_keeps_the_newest_receipts_and_sends_few() {
        for (before, after) in [("/?p=", ""), ("/forum/view?page=", ""), ("/1/2/3/4/5/6/", "/x")] {
            let mut browser = Browser::default();
            for number in 0..1000 {
                let len = browser.pay(&format!("{before}{number}{after}"), None, number);
                assert!(len <= RECEIPTS_MAX * 53, "{len}");
            }
            let is_open = |number: i64| browser.is_open(&format!("{before}{number}{after}"));
            assert!((1000 - RECEIPTS_MAX as i64..1000).all(is_open));
            assert!(!is_open(1000 - RECEIPTS_MAX as i64 - 1) && !is_open(0));
        }
        // Each page has a path of its own.
        let mut browser = Browser::default();
        for number in 0..1000 {
            assert!(browser.pay(&format!("/2026/11/{number}"), None, number) <= 53);
        }
        assert!((0..1000).all(|number| browser.is_open(&format!("/2026/11/{number}"))));
    }

    #[test]
    fn the_receipts_in_one_request_have_at_most_4_kib() {
        let mut browser = Browser::default();
        let deepest = "/1/2/3/4/5/6/";
        // From the deepest path up, so that no issue sees the receipts of the paths below.
        let ends: Vec<usize> = (1..=deepest.len()).rev().collect();
        for path in ends.iter().map(|end| &deepest[..*end]) {
            browser.pay(path, Some(path), 0);
            browser.pay(path, None, 0);
            for number in 0..2 * RECEIPTS_MAX {
                browser.pay(&format!("{path}?{number}"), None, 0);
            }
        }
        let len = browser.cookies(&url("https://news.example/1/2/3/4/5/6/7")).len();
        assert!((2048..=4096).contains(&len), "{len}");
    }

    #[test]
    fn too_many_receipts_are_deleted_a_few_at_a_time() {
        let mut browser = Browser::default();
        // Many answers at the same time: none saw the cookies of the others.
        for number in 0..RECEIPTS_MAX + 10 {
            let page_url = url(&format!("https://news.example/?{number}"));
            let scope = page(&page_url);
            let now = NOW.plus_seconds(number as i64);
            let receipt = NewReceipt { scope, price: 1, now, seconds: 60 };
            receipt
                .set_cookies(&key(1), &Request::default())
                .iter()
                .for_each(|cookie| browser.keep(cookie));
        }
        for (number, left) in [(100, 31), (101, 28), (102, 25), (103, 24), (104, 24), (104, 24)] {
            browser.pay(&format!("/?{number}"), None, number);
            assert_eq!(browser.0.len(), left, "{number}");
        }
    }

    #[test]
    fn only_what_has_the_form_of_a_receipt_is_counted_or_deleted() {
        let page_url = url("https://news.example/a/b");
        let value = BASE64URL.encode([&[1, 0, 0, 0, 1, 0, 2, 0], [7; 16].as_slice()].concat());
        let deleted = |name: &str, value: &str| {
            let one = format!("{name}={value}");
            let rest = (1..RECEIPTS_MAX).map(|number| {
                let mut later = [255; value::SIZE];
                value::PATH_LEN.set(&mut later, 1);
                format!("micromint-{number:08}={}", BASE64URL.encode(later))
            });
            let cookies = rest.chain([one]).collect::<Vec<_>>().join("; ");
            let headers: [(&[u8], &[u8]); 1] = [(b"Cookie", cookies.as_bytes())];
            let request = Request { headers: &headers, ..Request::default() };
            let scope = page(&page_url);
            let receipt = NewReceipt { scope, price: 1, now: NOW, seconds: 60 };
            receipt.set_cookies(&key(1), &request)[1..].to_vec()
        };
        let attributes = "Max-Age=0; HttpOnly; SameSite=Lax; Path=/a; Secure";
        assert_eq!(
            deleted("micromint-abcdefgh", &value),
            [format!("micromint-abcdefgh=; {attributes}")]
        );
        for (name, value) in [
            ("micromint-abcdefg", value.as_str()),
            ("micromint-abcdefghi", &value),
            ("micromint-abc efgh", &value),
            ("micromint-abc\u{e9}fg", &value),
            ("session-abcdefgh", &value),
            ("micromint-abcdefgh", &value[1..]),
            ("micromint-abcdefgh", &value.replacen('A', "!", 1)),
        ] {
            assert!(deleted(name, value).is_empty(), "{name}={value}");
        }
        // A path that the page does not have.
        for path_len in [0, 99, 1024] {
            let mut bytes = bytes_of(value.as_bytes()).unwrap();
            value::PATH_LEN.set(&mut bytes, path_len);
            assert!(deleted("micromint-abcdefgh", &BASE64URL.encode(bytes)).is_empty());
        }
    }
}
