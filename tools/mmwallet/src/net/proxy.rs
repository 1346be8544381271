//! Which proxy a request goes through, as curl and browsers decide it.
//!
//! Input: the option or the environment. Output: the proxy for a URL, or none. The invariants: a
//! request to this machine goes through no proxy; `HTTPS_PROXY` is for https only; an upper-case
//! `HTTP_PROXY` is ignored, because a CGI program gets it from the client's `Proxy` header
//! (httpoxy); a value that is no proxy is an error.

use std::net::IpAddr;

use micromint::identity::VendorId;
use micromint_console::ToolError;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use ureq::Proxy;
use url::{Host, Url};

/// The schemes of proxies.
const SCHEMES: [&str; 7] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h", "socks"];

/// The proxies for http and for https, and who needs none.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
}

impl Proxies {
    /// The proxy `given` by an option, where an empty text means none; or those of the environment.
    ///
    /// # Errors
    /// The option or a variable is not a proxy.
    pub(crate) fn new(
        given: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Proxies, ToolError> {
        // As for curl, an empty variable is not set, and the lower-case name counts first.
        let find = |names: &[&str]| -> Result<Option<Proxy>, ToolError> {
            let found = names.iter().find_map(|name| {
                variable(name).filter(|value| !value.is_empty()).map(|value| (*name, value))
            });
            found.map(|(name, value)| parse(name, &value)).transpose()
        };
        let (http, https) = match given {
            Some("") => (None, None),
            Some(given) => {
                let proxy = Some(parse("--proxy", given)?);
                (proxy.clone(), proxy)
            }
            None => {
                let all = find(&["all_proxy", "ALL_PROXY"])?;
                (
                    find(&["http_proxy"])?.or_else(|| all.clone()),
                    find(&["https_proxy", "HTTPS_PROXY"])?.or(all),
                )
            }
        };
        let exceptions = ["no_proxy", "NO_PROXY"]
            .iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()));
        Ok(Proxies { http, https, exceptions: exceptions.map_or(Vec::new(), |list| split(&list)) })
    }

    /// The proxy for a request to `url`.
    pub(crate) fn for_url(&self, url: &Url) -> Option<&Proxy> {
        let host = url.host()?;
        if is_loopback(url) || self.exceptions.iter().any(|exception| exception.holds_for(&host)) {
            return None;
        }
        match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        }
    }
}

/// Checks a proxy of the settings file, where an empty text means none.
pub(crate) fn checked<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
        parse_proxy(text).map_err(D::Error::custom)?;
    }
    Ok(text)
}

/// Whether a request to `url` stays on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host: Option<VendorId> = url.host_str().and_then(|host| host.parse().ok());
    host.is_some_and(|host| host.is_loopback())
}

/// Parses the proxy that the option or variable `name` contains.
fn parse(name: &str, text: &str) -> Result<Proxy, ToolError> {
    Ok(parse_proxy(text).map_err(|why| format!("{name}: {why}"))?)
}

/// Parses `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`. The error does not repeat it, because it may
/// contain a password.
fn parse_proxy(text: &str) -> Result<Proxy, String> {
    let wrong =
        |found: &str| format!("expected a proxy such as http://proxy.example:3128, found {found}");
    let text = text.trim();
    let whole = match text.contains("://") {
        true => text.to_string(),
        false => format!("http://{text}"),
    };
    let url = Url::parse(&whole).map_err(|error| wrong(&error.to_string()))?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(wrong(&format!("the scheme {}", url.scheme())));
    }
    if url.host_str().unwrap_or_default().is_empty() {
        return Err(wrong("no host"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(wrong("more than a host and a port"));
    }
    Proxy::new(&whole).map_err(|error| wrong(&error.to_string()))
}

/// A host, or hosts, that are reached directly.
#[derive(Debug, PartialEq, Eq)]
enum Exception {
    /// Every host.
    All,
    /// This domain and all below it.
    Domain(String),
    /// The addresses that agree with this one in the first bits.
    Network(IpAddr, u8),
}

/// The members of a list, separated by commas or blanks. What is neither a name nor a network is
/// ignored, as in curl.
fn split(list: &str) -> Vec<Exception> {
    if list.trim() == "*" {
        return vec![Exception::All];
    }
    list.split([',', ' ', '\t']).filter(|member| !member.is_empty()).filter_map(member).collect()
}

fn member(text: &str) -> Option<Exception> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address =
        address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    match (address.parse::<IpAddr>(), bits) {
        (Ok(address), bits) => {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(most);
            (bits <= most).then_some(Exception::Network(address, bits))
        }
        (Err(_), Some(_)) => None,
        (Err(_), None) => {
            let name = text.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
            (!name.is_empty()).then_some(Exception::Domain(name))
        }
    }
}

impl Exception {
    fn holds_for(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Exception::All, _) => true,
            (Exception::Domain(own), Host::Domain(host)) => {
                let host = host.trim_end_matches('.');
                host.strip_suffix(own.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Exception::Network(own, bits), Host::Ipv4(host)) => {
                is_in(*own, *bits, IpAddr::V4(*host))
            }
            (Exception::Network(own, bits), Host::Ipv6(host)) => {
                is_in(*own, *bits, IpAddr::V6(*host))
            }
            _ => false,
        }
    }
}

fn is_in(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let differ = match (network, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => u128::from(u32::from(one) ^ u32::from(other)) << 96,
        (IpAddr::V6(one), IpAddr::V6(other)) => u128::from(one) ^ u128::from(other),
        _ => return false,
    };
    differ.leading_zeros() >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy of each URL under these variables.
    fn chosen(given: Option<&str>, variables: &[(&str, &str)], url: &str) -> Option<String> {
        let variable = |name: &str| {
            variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.to_string())
        };
        let proxies = Proxies::new(given, variable).unwrap();
        proxies.for_url(&Url::parse(url).unwrap()).map(|proxy| proxy.host().to_string())
    }

    #[test]
    fn each_scheme_has_its_variable() {
        let all = [
            ("http_proxy", "http://plain:1"),
            ("HTTPS_PROXY", "http://upper:1"),
            ("ALL_PROXY", "socks5://all:1"),
        ];
        for (variables, url, expected) in [
            (&all[..], "http://a.example/", Some("plain")),
            (&all[..], "https://a.example/", Some("upper")),
            (
                &[("HTTPS_PROXY", "up:1"), ("https_proxy", "low:1")][..],
                "https://a.example/",
                Some("low"),
            ),
            (&all[1..2], "http://a.example/", None),
            (&all[..1], "https://a.example/", None),
            (&all[2..], "http://a.example/", Some("all")),
            (&[("http_proxy", ""), ("all_proxy", "all:1")][..], "http://a.example/", Some("all")),
            // Anyone can set it for a CGI program.
            (&[("HTTP_PROXY", "http://evil:1")][..], "http://a.example/", None),
        ] {
            assert_eq!(chosen(None, variables, url).as_deref(), expected, "{variables:?} {url}");
        }
        assert_eq!(chosen(Some(""), &all, "http://a.example/"), None);
        let given = Some("http://given:1");
        for url in ["http://a.example/", "https://a.example/"] {
            assert_eq!(chosen(given, &all, url).as_deref(), Some("given"));
        }
    }

    #[test]
    fn this_machine_is_reached_directly() {
        let all = [("ALL_PROXY", "http://all:1"), ("http_proxy", "http://plain:1")];
        for host in ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}:8080/");
                assert_eq!(chosen(None, &all, &url), None, "{url}");
                assert_eq!(chosen(Some("http://given:1"), &all, &url), None, "{url}");
            }
        }
        for host in ["localhost.example", "128.0.0.1", "[::2]"] {
            assert!(chosen(None, &all, &format!("http://{host}/")).is_some(), "{host}");
        }
    }

    #[test]
    fn exceptions_are_names_domains_and_networks() {
        for (list, host, is_direct) in [
            ("*", "a.example", true),
            ("example", "a.example", true),
            (".example", "a.example", true),
            (".example", "example", true),
            ("A.EXAMPLE.", "a.example", true),
            ("a.example", "b.a.example", true),
            ("a.example", "ba.example", false),
            ("b.example, a.example", "a.example", true),
            ("b.example\ta.example", "a.example", true),
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.10", false),
            ("10.0.0.0/0", "99.0.0.1", true),
            ("10.0.0.0/33", "10.0.0.0", false),
            ("2001:db8::/32", "[2001:db8:1::1]", true),
            ("[2001:db8::1]", "[2001:db8::1]", true),
            ("2001:db8::/32", "[2001:db9::1]", false),
            ("", "a.example", false),
        ] {
            for name in ["no_proxy", "NO_PROXY"] {
                let variables = [(name, list), ("http_proxy", "http://p:1")];
                let found = chosen(None, &variables, &format!("http://{host}/"));
                assert_eq!(found.is_none(), is_direct, "{list} {host}");
                let given = chosen(Some("http://p:1"), &variables, &format!("http://{host}/"));
                assert_eq!(given.is_none(), is_direct, "{list} {host}");
            }
        }
    }

    #[test]
    fn what_is_no_proxy_is_an_error_that_tells_no_password() {
        for value in [
            "http://",
            "http://user:secret@",
            "ftp://user:secret@proxy.example",
            "http://user:secret@proxy.example:99999",
            "http://user:secret@proxy.example:port",
            "http://user:secret@proxy.example/path",
            "user:secret@pro xy",
        ] {
            for name in ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
                let found = Proxies::new(None, |own| (own == name).then(|| value.to_string()));
                let error = found.unwrap_err().to_string();
                assert!(error.starts_with(&format!("{name}: expected a proxy")), "{error}");
                assert!(!error.contains("secret"), "{error}");
            }
            assert!(Proxies::new(Some(value), |_| None).is_err(), "{value}");
        }
        for good in
            ["proxy.example", "proxy:3128", "u:p@proxy.example:3128/", "socks5h://[::1]:1080"]
        {
            assert!(Proxies::new(Some(good), |_| None).is_ok(), "{good}");
        }
    }
}
