//! The public origins of the vendor's pages, the URL of a page in messages, and the host that a
//! request is for.
//!
//! Input: the scheme, host, port and target of a request. Output: a URL that begins with one of the
//! configured origins, and an [`AskedHost`]. The invariants: nothing that a client sends becomes
//! part of the origin, so no request can make the vendor ask for, or accept, coins under another
//! name; requests that a server may direct to different virtual hosts have a different
//! [`AskedHost`], so a receipt or a recorded payment opens nothing at another host.

use std::borrow::Cow;
use std::str::FromStr;

use smallvec::SmallVec;

use super::request::Request;
use crate::identity::VendorId;
use crate::protocol::{URL_LEN_MAX, Url, UrlError};

/// The largest number of origins of one vendor.
pub(super) const ORIGINS_MAX: usize = 64;
/// The longest path prefix of a [`PublicRoot`], in bytes.
const PREFIX_LEN_MAX: usize = 256;

/// A public origin: scheme, host and port, such as `https://news.example`.
///
/// ```
/// use micromint::vendor::Origin;
///
/// let origin: Origin = "https://news.example:8443".parse()?;
/// assert_eq!(origin.host().as_str(), "news.example");
/// assert_eq!(origin.authority(), "news.example:8443");
/// assert!("https://news.example/path".parse::<Origin>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The URL of the page `/` at this origin.
    root: Url,
    /// The port in it, or the default one of its scheme.
    port: u16,
}

/// The text is not an origin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// Something follows the host and port.
    #[error("expected an origin such as https://news.example, without a path, found {0:?}")]
    HasPath(String),
    /// It does not have the form of the beginning of a URL.
    #[error("expected an origin such as https://news.example: {0}")]
    Url(#[from] UrlError),
}

/// The target of a request cannot be that of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetFault {
    /// The URL would be longer than [`URL_LEN_MAX`].
    TooLong,
    /// It is not a path, or contains a byte that a URL cannot contain.
    Wrong,
}

impl Origin {
    fn of(root: Url) -> Origin {
        let port = split_port(root.authority().as_bytes()).1;
        let port = port.unwrap_or(default_port(root.is_https()));
        Origin { root, port }
    }

    /// The origin, such as `https://news.example`.
    pub fn as_str(&self) -> &str {
        self.root.origin()
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        self.root.scheme()
    }

    /// The host, without port.
    pub fn host(&self) -> &VendorId {
        self.root.host()
    }

    /// Host and port, such as `news.example:8443`; without the port if that is the default one.
    pub fn authority(&self) -> &str {
        self.root.authority()
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.root.is_https()
    }

    /// The port; 443 (https) or 80 (http) if it has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether `name` is its host, in any case.
    fn has_host(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.host().as_str().as_bytes())
    }
}

/// Where the vendor's pages are for clients: an origin, and the path under which a proxy publishes
/// the pages of this server, if it removes that path from its requests.
///
/// ```
/// use micromint::vendor::PublicRoot;
///
/// let root: PublicRoot = "https://news.example/shop".parse()?;
/// assert_eq!((root.origin().as_str(), root.prefix()), ("https://news.example", "/shop"));
/// assert_eq!("https://news.example/".parse::<PublicRoot>()?.prefix(), "");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicRoot {
    origin: Origin,
    /// Empty, or a path that starts with `/` and does not end with one.
    prefix: String,
}

/// The text is not a public root.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected an origin such as https://news.example, or with a path such as \
     https://news.example/shop: {0}"
)]
pub struct PublicRootError(String);

impl PublicRoot {
    /// The origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path that clients see in front of every path of this server; empty if they see the same
    /// paths. It does not end with `/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The target at this server of a URL at this root: the inverse of the URL of a page. `None` if
    /// the URL is elsewhere.
    ///
    /// ```
    /// use micromint::vendor::PublicRoot;
    ///
    /// let root: PublicRoot = "https://news.example/shop".parse()?;
    /// assert_eq!(root.target_of(&"https://news.example/shop/a?b".parse()?), Some("/a?b"));
    /// assert_eq!(root.target_of(&"https://news.example/shops".parse()?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn target_of<'a>(&self, url: &'a Url) -> Option<&'a str> {
        if url.origin() != self.origin.as_str() {
            return None;
        }
        url.target().strip_prefix(&*self.prefix).filter(|target| target.starts_with('/'))
    }

    /// The URL of `target`, a path and query as received.
    ///
    /// # Errors
    /// The target is an absolute URL or `*`, is too long, or contains a space, `#` or a byte that
    /// is not printable ASCII.
    pub(super) fn url(&self, target: &[u8]) -> Result<Url, TargetFault> {
        if self.origin.as_str().len() + self.prefix.len() + target.len() > URL_LEN_MAX {
            return Err(TargetFault::TooLong);
        }
        let target = std::str::from_utf8(target).map_err(|_| TargetFault::Wrong)?;
        if !target.starts_with('/') {
            return Err(TargetFault::Wrong);
        }
        let public = self.public_path(target);
        self.origin.root.at_same_origin(&public).map_err(|_| TargetFault::Wrong)
    }

    /// A path of this server as clients see it.
    pub(super) fn public_path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        if self.prefix.is_empty() {
            return path.into();
        }
        [&self.prefix, path].concat().into()
    }
}

impl From<Origin> for PublicRoot {
    fn from(origin: Origin) -> PublicRoot {
        PublicRoot { origin, prefix: String::new() }
    }
}

impl FromStr for PublicRoot {
    type Err = PublicRootError;

    /// Parses `http[s]://host[:port][/path]`; one `/` at the end is allowed. The path has at most
    /// 256 bytes, no empty part, no part `.` or `..`, and no `?` or `;`.
    fn from_str(text: &str) -> Result<PublicRoot, PublicRootError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let root: Url = format!("{text}/")
            .parse()
            .map_err(|error: UrlError| PublicRootError(error.to_string()))?;
        let prefix = root.target().strip_suffix('/').unwrap_or_default().to_string();
        let is_part = |part: &str| !matches!(part, "" | "." | "..");
        let is_path = prefix.len() <= PREFIX_LEN_MAX
            && !prefix.contains(['?', ';'])
            && prefix.split('/').skip(1).all(is_part);
        if !is_path {
            let found: String = text.chars().take(80).collect();
            return Err(PublicRootError(format!("found {found:?}")));
        }
        let root = root.at_same_origin("/").map_err(|error| PublicRootError(error.to_string()))?;
        Ok(PublicRoot { origin: Origin::of(root), prefix })
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Parses `http[s]://host[:port]`; one `/` after it is allowed.
    fn from_str(text: &str) -> Result<Origin, OriginError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let root: Url = format!("{text}/").parse()?;
        if root.target() != "/" {
            return Err(OriginError::HasPath(text.chars().take(80).collect()));
        }
        Ok(Origin::of(root))
    }
}

/// The authority of a request target in absolute form, such as `news.example:8443` in
/// `http://news.example:8443/story`, without user information; `None` for other targets. A request
/// with such a target is for this host, whatever its Host field says (RFC 9112, 3.2.2).
///
/// ```
/// use micromint::vendor::authority_of_target;
///
/// assert_eq!(authority_of_target(b"http://b.example:81/x"), Some(b"b.example:81".as_slice()));
/// assert_eq!(authority_of_target(b"/story?to=http://b.example/"), None);
/// ```
pub fn authority_of_target(target: &[u8]) -> Option<&[u8]> {
    let (authority, _) = split_authority(target)?;
    let host_at = authority.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    Some(&authority[host_at..])
}

/// The authority of a target in absolute form, and what follows it; `None` for other targets.
pub(super) fn split_authority(target: &[u8]) -> Option<(&[u8], &[u8])> {
    // Nearly every target is a path.
    if target.first() == Some(&b'/') {
        return None;
    }
    let scheme_len = target.iter().position(|byte| *byte == b':')?;
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    if scheme_len == 0 || !target[..scheme_len].iter().all(is_scheme) {
        return None;
    }
    let rest = target[scheme_len..].strip_prefix(b"://")?;
    Some(rest.split_at(rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len())))
}

/// The host that a request is for, in one spelling for all spellings that a server treats alike:
/// the connection's scheme, the name in lower case without the dot at its end, and the port.
///
/// The name is the one that the request was sent with, whether or not it is configured. So two
/// requests with an equal value reach the same virtual host, whichever of them the server has.
#[derive(Clone, Copy, Debug)]
pub(super) struct AskedHost<'a> {
    is_https: bool,
    /// In any case; empty if the request names no host.
    name: &'a [u8],
    /// The name by which a server finds a virtual host: of `b.example:99999`, which names no port,
    /// `b.example`.
    found_by: &'a [u8],
    /// The port that the request reached or names; `None` for the default.
    port: Option<u16>,
}

impl<'a> AskedHost<'a> {
    /// The host that `request` is for, at a vendor whose pages are at `roots`.
    ///
    /// The port of the connection counts if the name has pages at that port. Otherwise ports may be
    /// mapped on the way, and the one that the client names counts.
    pub(super) fn of(request: &Request<'a>, roots: &[PublicRoot]) -> AskedHost<'a> {
        let (name, named_port) = split_port(request.host.unwrap_or_default());
        let name = match name {
            [before @ .., b'.'] if !before.is_empty() => before,
            _ => name,
        };
        let found_by = without_port(name);
        let is_configured = |port: &u16| {
            roots.iter().any(|root| root.origin.has_host(found_by) && root.origin.port == *port)
        };
        let port = request.port.filter(is_configured).or(named_port);
        AskedHost { is_https: request.is_https, name, found_by, port }
    }

    /// The root in `roots` whose host has this name; if several have, preferably the one with this
    /// port, and among these the one with this scheme, since TLS may end at a proxy. If none has,
    /// the first; `None` if `roots` is empty.
    pub(super) fn pick<'b>(&self, roots: &'b [PublicRoot]) -> Option<&'b PublicRoot> {
        let mut best = None;
        for root in roots.iter().filter(|root| root.origin.has_host(self.found_by)) {
            let (is_https, port) = (root.origin.is_https(), root.origin.port);
            let has_port = self.port.unwrap_or(default_port(is_https)) == port;
            let rank = (has_port, is_https == self.is_https);
            if best.is_none_or(|(best_rank, _)| rank > best_rank) {
                best = Some((rank, root));
            }
        }
        best.map(|(_, root)| root).or(roots.first())
    }

    /// Its one spelling, such as `https://news.example:443`.
    pub(super) fn to_bytes(self) -> SmallVec<[u8; 64]> {
        let scheme: &[u8] = if self.is_https { b"https://" } else { b"http://" };
        let port = self.port.unwrap_or(default_port(self.is_https));
        let mut bytes = SmallVec::from_slice(scheme);
        bytes.extend_from_slice(self.name);
        bytes[scheme.len()..].make_ascii_lowercase();
        match port {
            443 => bytes.extend_from_slice(b":443"),
            80 => bytes.extend_from_slice(b":80"),
            port => bytes.extend_from_slice(format!(":{port}").as_bytes()),
        }
        bytes
    }
}

/// A host as servers look it up: without whatever follows its first colon, also if that is no port
/// (nginx), without a dot at the end, and without brackets around what is no IPv6 address (Apache).
fn without_port(host: &[u8]) -> &[u8] {
    let end = match host.first() {
        Some(b'[') => memchr::memchr(b']', host).map_or(host.len(), |at| at + 1),
        _ => memchr::memchr(b':', host).unwrap_or(host.len()),
    };
    let name = match &host[..end] {
        [b'[', name @ .., b']'] if !name.contains(&b':') => name,
        name => name,
    };
    name.strip_suffix(b".").filter(|before| !before.is_empty()).unwrap_or(name)
}

fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

/// Splits `name:port`. Without a port in digits up to 65535, all of it is the name; an empty port
/// counts as no port.
fn split_port(host: &[u8]) -> (&[u8], Option<u16>) {
    let Some(at) = host.iter().rposition(|byte| *byte == b':') else { return (host, None) };
    let (name, digits) = (&host[..at], &host[at + 1..]);
    let is_name = !name.contains(&b':') || name.ends_with(b"]");
    if !is_name || !digits.iter().all(u8::is_ascii_digit) {
        return (host, None);
    }
    if digits.is_empty() {
        return (name, None);
    }
    match std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()) {
        Some(port) => (name, Some(port)),
        None => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(texts: &[&str]) -> Vec<PublicRoot> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn request(is_https: bool, host: Option<&str>, port: Option<u16>) -> Request<'_> {
        Request { is_https, host: host.map(str::as_bytes), port, ..Request::default() }
    }

    #[test]
    fn the_host_picks_a_configured_origin_and_nothing_else() {
        let roots = roots(&[
            "https://news.example",
            "http://news.example",
            "https://www.news.example:8443/",
            "https://[2001:db8::1]",
        ]);
        let picked = |is_https, host: Option<&str>, port| {
            let asked = AskedHost::of(&request(is_https, host, port), &roots);
            asked.pick(&roots).unwrap().origin().as_str()
        };
        for (is_https, host, origin) in [
            (true, Some("news.example"), "https://news.example"),
            (true, Some("NEWS.example:443"), "https://news.example"),
            (true, Some("news.example.:0443"), "https://news.example"),
            (true, Some("news.example:"), "https://news.example"),
            (false, Some("news.example"), "http://news.example"),
            (false, Some("news.example:80"), "http://news.example"),
            (false, Some("news.example:443"), "https://news.example"),
            (false, Some("www.news.example:8443"), "https://www.news.example:8443"),
            (true, Some("[2001:db8::1]"), "https://[2001:db8::1]"),
            (false, Some("[2001:db8::1]:443"), "https://[2001:db8::1]"),
            // The name counts before the port.
            (true, Some("www.news.example"), "https://www.news.example:8443"),
            (true, Some("www.news.example.:444"), "https://www.news.example:8443"),
            (true, Some("news.example:444"), "https://news.example"),
            // What follows the name is no port, and the server finds its host by the name.
            (true, Some("www.news.example:port"), "https://www.news.example:8443"),
            (true, Some("www.news.example:65536"), "https://www.news.example:8443"),
            (true, Some("www.news.example:-1"), "https://www.news.example:8443"),
            (true, Some("www.news.example:80:80"), "https://www.news.example:8443"),
            (true, Some("WWW.news.example.:99999"), "https://www.news.example:8443"),
            (true, Some("[www.news.example]"), "https://www.news.example:8443"),
            (true, Some("[www.news.example]:1"), "https://www.news.example:8443"),
            (true, Some("[2001:db8::1]:99999"), "https://[2001:db8::1]"),
            // No name of ours.
            (false, Some("evil.example"), "https://news.example"),
            (true, Some("news.example:port"), "https://news.example"),
            (true, Some("news.example:65536"), "https://news.example"),
            (true, Some("user@www.news.example"), "https://news.example"),
            (true, Some("."), "https://news.example"),
            (true, Some(""), "https://news.example"),
            (true, None, "https://news.example"),
        ] {
            assert_eq!(picked(is_https, host, None), origin, "{host:?}");
        }
        // The port of the connection counts where it is configured for the name.
        for (host, port, origin) in [
            ("news.example", 80, "http://news.example"),
            ("news.example:443", 80, "http://news.example"),
            ("news.example", 8080, "https://news.example"),
            ("www.news.example", 443, "https://www.news.example:8443"),
        ] {
            assert_eq!(picked(true, Some(host), Some(port)), origin, "{host} {port}");
        }
        assert!(AskedHost::of(&request(true, None, None), &[]).pick(&[]).is_none());
    }

    #[test]
    fn a_host_has_one_spelling_and_two_hosts_have_two() {
        let roots = roots(&["https://a.example", "https://b.example", "https://b.example:8443"]);
        let spelled = |is_https, host: Option<&str>, port| {
            let asked = AskedHost::of(&request(is_https, host, port), &roots);
            String::from_utf8(asked.to_bytes().to_vec()).unwrap()
        };
        for host in [
            "a.example",
            "A.EXAMPLE",
            "a.example.",
            "a.example:443",
            "a.example.:443",
            "a.example:",
        ] {
            assert_eq!(spelled(true, Some(host), None), "https://a.example:443", "{host}");
        }
        let different = [
            spelled(true, Some("a.example"), None),
            spelled(false, Some("a.example"), None),
            spelled(true, Some("a.example:444"), None),
            spelled(true, Some("a.example.."), None),
            spelled(true, Some("a.example:0x1bb"), None),
            spelled(true, Some("b.example"), None),
            spelled(true, Some("b.example"), Some(8443)),
            spelled(true, Some("unknown.example"), None),
            spelled(true, None, None),
        ];
        for (at, one) in different.iter().enumerate() {
            assert!(!different[..at].contains(one), "{one}");
        }
        // The client names another port than the one that it connected to.
        let crossed = spelled(true, Some("b.example:443"), Some(8443));
        assert_eq!(crossed, "https://b.example:8443");
        // A mapped port, which clients do not see.
        assert_eq!(spelled(true, Some("a.example"), Some(10_443)), "https://a.example:443");
    }

    #[test]
    fn the_authority_of_an_absolute_target_is_found() {
        for (target, authority) in [
            ("http://a.example/x", Some("a.example")),
            ("HTTPS://a.example:8443", Some("a.example:8443")),
            ("http://user:pw@a.example?x@y", Some("a.example")),
            ("http:///x", Some("")),
            ("http:/x", None),
            ("/http://a.example/", None),
            ("://a.example/", None),
            ("a b://a.example/", None),
            ("*", None),
            ("", None),
        ] {
            let found = authority_of_target(target.as_bytes());
            assert_eq!(found, authority.map(str::as_bytes), "{target}");
        }
    }

    #[test]
    fn targets_are_kept_byte_by_byte_or_refused() {
        let root: PublicRoot = "https://news.example".parse().unwrap();
        for target in ["/", "/a%2Fb/../c?d=e&f", "//evil.example/", "/a;b,\"c\"<d>", "/?@:443"] {
            assert_eq!(
                root.url(target.as_bytes()).unwrap().as_str(),
                format!("https://news.example{target}")
            );
        }
        let prefixed: PublicRoot = "https://news.example/shop/".parse().unwrap();
        assert_eq!(prefixed.url(b"/a?b").unwrap().as_str(), "https://news.example/shop/a?b");
        for target in [
            "",
            "*",
            "a",
            "http://evil.example/",
            ":81/",
            "@evil.example/",
            "/a b",
            "/a#b",
            "/\u{e9}",
            "/\r\n",
        ] {
            for root in [&root, &prefixed] {
                assert_eq!(root.url(target.as_bytes()), Err(TargetFault::Wrong), "{target:?}");
            }
        }
        assert_eq!(root.url(b"/\xff"), Err(TargetFault::Wrong));
        for (root, before) in [(&root, 20), (&prefixed, 25)] {
            let long = |n: usize| [b"/".as_slice(), &vec![b'a'; n - before - 1]].concat();
            assert_eq!(root.url(&long(URL_LEN_MAX)).unwrap().as_str().len(), URL_LEN_MAX);
            assert_eq!(root.url(&long(URL_LEN_MAX + 1)), Err(TargetFault::TooLong));
        }
    }

    #[test]
    fn origins_have_neither_path_nor_odd_ports() {
        for bad in [
            "https://a.example/b",
            "https://a.example:443",
            "a.example",
            "https://A.example",
            "https://a.example?b",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_public_root_is_an_origin_with_a_plain_path_or_none() {
        let prefix = |len: usize| format!("https://a.example/{}", "b".repeat(len - 1));
        for (text, expected) in [
            ("https://a.example", ""),
            ("https://a.example/", ""),
            ("https://a.example/b", "/b"),
            ("https://a.example:8443/b/c-d/", "/b/c-d"),
            (&prefix(PREFIX_LEN_MAX), &prefix(PREFIX_LEN_MAX)["https://a.example".len()..]),
        ] {
            assert_eq!(text.parse::<PublicRoot>().unwrap().prefix(), expected, "{text}");
        }
        for bad in [
            "https://a.example//",
            "https://a.example/b//c",
            "https://a.example/./b",
            "https://a.example/b/..",
            "https://a.example/b?c",
            "https://a.example/b;c",
            "https://a.example?b",
            "https://a.example:443/b",
            "a.example/b",
            "/b",
            &prefix(PREFIX_LEN_MAX + 1),
        ] {
            let error = bad.parse::<PublicRoot>().unwrap_err().to_string();
            assert!(error.contains("expected an origin"), "{bad}: {error}");
        }
    }
}
