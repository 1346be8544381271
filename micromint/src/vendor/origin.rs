//! The public origins of the vendor's pages, and the URL of a page in messages.
//!
//! Input: the scheme, host and target of a request. Output: a URL that begins with one of the
//! configured origins. The invariant: nothing that a client sends becomes part of the origin, so no
//! request can make the vendor ask for, or accept, coins under another name.

use std::str::FromStr;

use crate::identity::VendorId;
use crate::protocol::{URL_LEN_MAX, Url, UrlError};

/// The largest number of origins of one vendor.
pub(super) const ORIGINS_MAX: usize = 64;

/// A public origin: scheme, host and port, such as `https://news.example`.
///
/// ```
/// use micromint::vendor::Origin;
///
/// let origin: Origin = "https://news.example:8443".parse()?;
/// assert_eq!(origin.host().as_str(), "news.example");
/// assert!("https://news.example/path".parse::<Origin>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The URL of the page `/` at this origin.
    root: Url,
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
    /// The origin, such as `https://news.example`.
    pub fn as_str(&self) -> &str {
        self.root.origin()
    }

    /// The host, without port.
    pub fn host(&self) -> &VendorId {
        self.root.host()
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.root.is_https()
    }

    /// Host and port, such as `news.example:8443`.
    fn authority(&self) -> &str {
        &self.as_str()[if self.is_https() { "https://".len() } else { "http://".len() }..]
    }

    fn default_port(&self) -> &'static [u8] {
        if self.is_https() { b":443" } else { b":80" }
    }

    /// Whether a Host field names this origin.
    fn is_named_by(&self, host: &[u8]) -> bool {
        let host = host.strip_suffix(self.default_port()).unwrap_or(host);
        host.eq_ignore_ascii_case(self.authority().as_bytes())
    }

    /// The URL of `target`, a path and query as received.
    ///
    /// # Errors
    /// The target is an absolute URL or `*`, is too long, or contains a space, `#` or a byte that
    /// is not printable ASCII.
    pub(super) fn url(&self, target: &[u8]) -> Result<Url, TargetFault> {
        if self.as_str().len() + target.len() > URL_LEN_MAX {
            return Err(TargetFault::TooLong);
        }
        let target = std::str::from_utf8(target).map_err(|_| TargetFault::Wrong)?;
        self.root.at_same_origin(target).map_err(|_| TargetFault::Wrong)
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
        Ok(Origin { root })
    }
}

/// The origin in `origins` that a request was sent to: the one with its scheme and host; otherwise
/// one with its host, since TLS may end at a proxy; otherwise the first. `None` if `origins` is
/// empty.
pub(super) fn pick<'a>(
    origins: &'a [Origin],
    is_https: bool,
    host: Option<&[u8]>,
) -> Option<&'a Origin> {
    let named = |origin: &&Origin| host.is_some_and(|host| origin.is_named_by(host));
    let exact = |origin: &&Origin| origin.is_https() == is_https && named(origin);
    origins.iter().find(exact).or_else(|| origins.iter().find(named)).or(origins.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&str]) -> Vec<Origin> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_host_picks_a_configured_origin_and_nothing_else() {
        let origins = origins(&[
            "https://news.example",
            "http://news.example",
            "https://www.news.example:8443/",
            "https://[2001:db8::1]",
        ]);
        let picked = |is_https, host: Option<&str>| {
            pick(&origins, is_https, host.map(str::as_bytes)).unwrap().as_str()
        };
        for (is_https, host, origin) in [
            (true, Some("news.example"), "https://news.example"),
            (true, Some("NEWS.example:443"), "https://news.example"),
            (false, Some("news.example"), "http://news.example"),
            (false, Some("news.example:80"), "http://news.example"),
            (false, Some("www.news.example:8443"), "https://www.news.example:8443"),
            (true, Some("[2001:db8::1]"), "https://[2001:db8::1]"),
            (true, Some("www.news.example"), "https://news.example"),
            (true, Some("news.example:444"), "https://news.example"),
            (false, Some("evil.example"), "https://news.example"),
            (true, Some(""), "https://news.example"),
            (true, None, "https://news.example"),
        ] {
            assert_eq!(picked(is_https, host), origin, "{host:?}");
        }
    }

    #[test]
    fn targets_are_kept_byte_by_byte_or_refused() {
        let origin: Origin = "https://news.example".parse().unwrap();
        for target in ["/", "/a%2Fb/../c?d=e&f", "//evil.example/", "/a;b,\"c\"<d>", "/?@:443"] {
            assert_eq!(
                origin.url(target.as_bytes()).unwrap().as_str(),
                format!("https://news.example{target}")
            );
        }
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
            assert_eq!(origin.url(target.as_bytes()), Err(TargetFault::Wrong), "{target:?}");
        }
        assert_eq!(origin.url(b"/\xff"), Err(TargetFault::Wrong));
        let long = |n: usize| [b"/".as_slice(), &vec![b'a'; n - 21]].concat();
        assert_eq!(origin.url(&long(URL_LEN_MAX)).unwrap().as_str().len(), URL_LEN_MAX);
        assert_eq!(origin.url(&long(URL_LEN_MAX + 1)), Err(TargetFault::TooLong));
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
}
