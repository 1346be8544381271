//! Cookies of a file in the format of Netscape, which curl and browser extensions write.
//!
//! Input: a line for each cookie, of seven fields separated by tabs: domain, whether subdomains
//! get it too, path, whether only https gets it, expiration, name, value. Output: the cookies for a
//! URL. The invariant: a cookie is sent to its own domain only.

use micromint::time::UnixTime;
use url::{Host, Url};

/// The prefix of a line whose cookie scripts cannot read.
const HTTP_ONLY: &str = "#HttpOnly_";

/// One cookie of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    domain: String,
    has_subdomains: bool,
    path: String,
    is_secure: bool,
    /// `None` until the end of the session.
    expires: Option<UnixTime>,
    name: String,
    value: String,
}

impl Cookie {
    /// The cookies in the text of a file. Lines of another form are ignored, as in curl.
    pub fn all_in(text: &str) -> Vec<Cookie> {
        text.lines().filter_map(Cookie::in_line).collect()
    }

    fn in_line(line: &str) -> Option<Cookie> {
        let line = line.strip_prefix(HTTP_ONLY).unwrap_or(line);
        if line.starts_with('#') {
            return None;
        }
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        let (domain, subdomains, path) = (next()?, next()?, next()?);
        let (secure, expires, name) = (next()?, next()?.parse().ok()?, next()?);
        let value = next().unwrap_or_default();
        Some(Cookie {
            domain: domain.trim_start_matches('.').to_ascii_lowercase(),
            has_subdomains: subdomains.eq_ignore_ascii_case("TRUE"),
            path: path.to_string(),
            is_secure: secure.eq_ignore_ascii_case("TRUE"),
            expires: (expires != 0).then_some(UnixTime(expires)),
            name: name.to_string(),
            value: value.to_string(),
        })
    }

    /// `name=value` if the cookie is for `url` now.
    pub(super) fn pair_for(&self, url: &Url, now: UnixTime) -> Option<String> {
        let host = url.host_str()?;
        let is_named = matches!(url.host(), Some(Host::Domain(_)));
        let is_below = || {
            let rest = host.strip_suffix(self.domain.as_str());
            is_named && self.has_subdomains && rest.is_some_and(|rest| rest.ends_with('.'))
        };
        let is_wanted = (host == self.domain || is_below())
            && (!self.is_secure || url.scheme() == "https")
            && self.expires.is_none_or(|expires| now < expires)
            && self.has_path(url.path());
        is_wanted.then(|| format!("{}={}", self.name, self.value))
    }

    /// RFC 6265, section 5.1.4.
    fn has_path(&self, path: &str) -> bool {
        path.strip_prefix(self.path.as_str()).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &str, url: &str) -> Option<String> {
        let cookies = Cookie::all_in(line);
        assert!(cookies.len() < 2);
        cookies.first()?.pair_for(&Url::parse(url).unwrap(), UnixTime(1000))
    }

    #[test]
    fn a_cookie_goes_to_its_domain_path_and_scheme_until_it_expires() {
        for (line, url, is_sent) in [
            ("a.example\tFALSE\t/\tFALSE\t0\tn\tv", "http://a.example/x", true),
            (".a.example\tTRUE\t/\tFALSE\t2000\tn\tv", "http://b.a.example/", true),
            ("#HttpOnly_a.example\tFALSE\t/\tFALSE\t0\tn\tv", "http://a.example/", true),
            ("A.Example\tFALSE\t/\tTRUE\t0\tn\tv", "https://a.example/", true),
            ("a.example\tFALSE\t/x\tFALSE\t0\tn\tv", "http://a.example/x/y", true),
            ("a.example\tFALSE\t/x/\tFALSE\t0\tn\tv", "http://a.example/x/y", true),
            ("a.example\tFALSE\t/\tFALSE\t0\tn\tv", "http://b.a.example/", false),
            ("a.example\tTRUE\t/\tFALSE\t0\tn\tv", "http://ba.example/", false),
            ("0.0.1\tTRUE\t/\tFALSE\t0\tn\tv", "http://127.0.0.1/", false),
            ("a.example\tFALSE\t/\tTRUE\t0\tn\tv", "http://a.example/", false),
            ("a.example\tFALSE\t/\tFALSE\t1000\tn\tv", "http://a.example/", false),
            ("a.example\tFALSE\t/x\tFALSE\t0\tn\tv", "http://a.example/xy", false),
            ("# a.example\tFALSE\t/\tFALSE\t0\tn\tv", "http://a.example/", false),
            ("a.example\tFALSE\t/\tFALSE\tsoon\tn\tv", "http://a.example/", false),
            ("n=v", "http://a.example/", false),
        ] {
            assert_eq!(sent(line, url), is_sent.then(|| "n=v".to_string()), "{line} {url}");
        }
    }
}
