//! The short texts in headers: numbers, URLs, identifiers, times.

use std::fmt;
use std::str::FromStr;

use crate::identity::{IdentityError, VendorId};

/// The longest URL in a message, in bytes.
pub const URL_LEN_MAX: usize = 8192;
/// The longest text for people in a message (Description, Reason), in bytes.
pub const TEXT_LEN_MAX: usize = 256;
/// The longest Batch-ID or Request-ID, in bytes.
pub const ID_LEN_MAX: usize = 64;

/// Parses a canonical decimal number: digits only, no sign, no leading zero, below 2^64.
pub fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || (!text.starts_with('0') && !text.is_empty());
    if canonical && text.bytes().all(|c| c.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Whether a text for people has neither control characters nor characters that change the order of
/// the text around them: line and paragraph separators, and the embeddings, overrides and isolates
/// of Unicode's bidirectional algorithm.
pub(crate) fn is_printable(text: &str) -> bool {
    text.chars().all(is_printable_char)
}

/// Whether a character may be shown to people in a terminal or on a page: neither a control
/// character nor one that changes the order of the text around it.
///
/// ```
/// use micromint::protocol::is_printable_char;
///
/// assert!("naïve – 名".chars().all(is_printable_char));
/// assert!(!is_printable_char('\u{1b}') && !is_printable_char('\u{202e}'));
/// ```
pub fn is_printable_char(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The URL of a page: an http or https origin and the raw path and query, kept byte by byte.
///
/// ```
/// use micromint::protocol::Url;
///
/// let url: Url = "https://news.example:8443/story?page=2".parse()?;
/// assert_eq!(url.origin(), "https://news.example:8443");
/// assert_eq!(url.target(), "/story?page=2");
/// assert!("https://news.example:443/".parse::<Url>().is_err(), "the scheme's default port");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    text: String,
    host: VendorId,
    /// The start of the path in `text`.
    target_at: usize,
}

/// The text is not the URL of a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is too long.
    #[error("URL of {found} bytes, at most {URL_LEN_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// It does not have the form of a URL.
    #[error("expected {expected} in URL {found:?}")]
    Form {
        /// What was expected.
        expected: &'static str,
        /// The beginning of the text.
        found: String,
    },
    /// Its host is invalid.
    #[error("URL: {0}")]
    Host(#[from] IdentityError),
}

impl Url {
    /// The URL, byte by byte as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL as an owned text.
    pub fn into_string(self) -> String {
        self.text
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        if self.is_https() { "https" } else { "http" }
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// The host, without port.
    pub fn host(&self) -> &VendorId {
        &self.host
    }

    /// Scheme, host and port, such as `https://news.example`.
    pub fn origin(&self) -> &str {
        &self.text[..self.target_at]
    }

    /// Host and port, such as `news.example:8443`; without the port if that is the default one.
    pub fn authority(&self) -> &str {
        &self.text[self.scheme().len() + "://".len()..self.target_at]
    }

    /// Path and query, starting with `/`.
    pub fn target(&self) -> &str {
        &self.text[self.target_at..]
    }

    /// The URL of the page at the same origin with this path and query.
    ///
    /// # Errors
    /// The target does not start with `/`, is too long, or contains a space, `#` or a byte that is
    /// not printable ASCII.
    pub(crate) fn at_same_origin(&self, target: &str) -> Result<Url, UrlError> {
        let (origin, found) = (self.origin(), self.target_at + target.len());
        if found > URL_LEN_MAX {
            return Err(UrlError::TooLong { found });
        }
        if !target.starts_with('/') || !is_target(target) {
            return Err(UrlError::form(
                "a path of printable ASCII characters without spaces or #",
                target,
            ));
        }
        let mut text = String::with_capacity(found);
        text.push_str(origin);
        text.push_str(target);
        Ok(Url { text, host: self.host.clone(), target_at: self.target_at })
    }
}

impl UrlError {
    fn form(expected: &'static str, found: &str) -> UrlError {
        UrlError::Form { expected, found: found.chars().take(80).collect() }
    }
}

/// Whether every character is allowed in the path or query of a URL.
fn is_target(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_graphic() && c != b'#')
}

impl FromStr for Url {
    type Err = UrlError;

    /// Parses `http[s]://host[:port]/…`: the host as a [`VendorId`], the port canonical and not the
    /// scheme's default, the rest printable ASCII without spaces or `#`.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_LEN_MAX {
            return Err(UrlError::TooLong { found: text.len() });
        }
        let form = |expected| UrlError::form(expected, text);
        let (default_port, rest) =
            match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
                (Some(rest), _) => (443, rest),
                (_, Some(rest)) => (80, rest),
                _ => return Err(form("http:// or https:// at the beginning")),
            };
        let path_at = rest.bytes().position(|c| c == b'/').ok_or_else(|| form("a path"))?;
        let (authority, path) = rest.split_at(path_at);
        if !is_target(path) {
            return Err(form("printable ASCII characters without spaces or #"));
        }
        let (host, port) = split_port(authority);
        if let Some(port) = port {
            let number = parse_decimal(port)
                .filter(|port| (1..=65535).contains(port) && *port != default_port);
            number.ok_or_else(|| form("a port from 1 to 65535 that is not the scheme's own"))?;
        }
        Ok(Url { text: text.to_string(), host: host.parse()?, target_at: text.len() - path.len() })
    }
}

/// Splits `host:port`; colons inside `[…]` belong to the address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.bytes().rposition(|c| matches!(c, b':' | b']')) {
        Some(at) if authority.as_bytes()[at] == b':' => {
            (&authority[..at], Some(&authority[at + 1..]))
        }
        _ => (authority, None),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A Batch-ID or Request-ID: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, chosen by the sender, the
/// same when the message is repeated.
///
/// ```
/// use micromint::protocol::Id;
///
/// let id: Id = "2026-12.00000000000000000000".parse()?;
/// assert_eq!(id.as_str().len(), 28);
/// assert!("two words".parse::<Id>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

/// The text is not an identifier.
#[derive(Debug, thiserror::Error)]
#[error("expected 1 to {ID_LEN_MAX} characters A-Z a-z 0-9 . _ -, found {0:?}")]
pub struct IdError(String);

impl Id {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        if (1..=ID_LEN_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Id(text.to_string()))
        } else {
            Err(IdError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_canonical() {
        for (text, number) in
            [("0", Some(0)), ("10", Some(10)), ("18446744073709551615", Some(u64::MAX))]
        {
            assert_eq!(parse_decimal(text), number);
        }
        for text in ["", "00", "01", "+1", "-1", "1 ", "18446744073709551616", "٣"] {
            assert_eq!(parse_decimal(text), None, "{text:?}");
        }
    }

    #[test]
    fn urls_have_origin_host_and_target() {
        let url: Url = "https://news.example:8443/a%2Fb/../c?d=e&f".parse().unwrap();
        assert_eq!(url.origin(), "https://news.example:8443");
        assert_eq!(url.host().as_str(), "news.example");
        assert_eq!(url.target(), "/a%2Fb/../c?d=e&f");
        let url: Url = "http://[2001:db8::1]/".parse().unwrap();
        assert_eq!((url.host().as_str(), url.origin()), ("[2001:db8::1]", "http://[2001:db8::1]"));
        for bad in [
            "news.example/",
            "ftp://news.example/",
            "https://news.example",
            "https:///a",
            "https://News.example/",
            "https://user@news.example/",
            "https://news.example:443/",
            "https://news.example:080/",
            "https://news.example:/",
            "https://news.example:65536/",
            "https://news.example/a b",
            "https://news.example/a#b",
            "https://news.example/\u{e9}",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
        let longest = format!("https://a/{}", "b".repeat(URL_LEN_MAX - 10));
        assert!(longest.parse::<Url>().is_ok());
        assert!(format!("{longest}b").parse::<Url>().is_err());
    }

    #[test]
    fn ids_are_bounded() {
        assert!("a".repeat(64).parse::<Id>().is_ok());
        assert!("a".repeat(65).parse::<Id>().is_err());
        assert!("".parse::<Id>().is_err());
        assert!("a/b".parse::<Id>().is_err());
    }
}
