//! The one form of a broker's URL.
//!
//! Input: the URL as a person or a program wrote it. Output: its normal form. The invariant: two
//! spellings of one address have the same normal form, so programs compare it byte by byte.

/// The normal form of a broker's URL: scheme and host are lower-case, the default port of the
/// scheme is left out, and the path ends in one slash, so `HTTP://Broker.Example:80` is
/// `http://broker.example/`. The path is not changed otherwise, nor is anything if there is a `?`
/// or `#`, except scheme, host and port. A text that is no http or https URL is returned as it is.
#[must_use]
pub fn normal_broker_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_string() };
    let scheme = scheme.to_ascii_lowercase();
    let port_default = match scheme.as_str() {
        "http" => "80",
        "https" => "443",
        _ => return text.to_string(),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return text.to_string();
    }
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| {
        // The sign belongs to what stands before the host.
        (&authority[..=user.len()], host)
    });
    let host = host.to_ascii_lowercase();
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) && is_host(name) => {
            match port.trim_start_matches('0') {
                number if number == port_default => name.to_string(),
                "" if port.is_empty() => name.to_string(),
                number => format!("{name}:{}", if number.is_empty() { "0" } else { number }),
            }
        }
        _ => host,
    };
    let path = match path.contains(['?', '#']) {
        true => path.to_string(),
        false => format!("{}/", path.trim_end_matches('/')),
    };
    format!("{scheme}://{user}{host}{path}")
}

/// Whether a text can be a host, so that what follows its colon is a port. The colons of an IPv6
/// address are in brackets.
fn is_host(name: &str) -> bool {
    match name.starts_with('[') {
        true => name.ends_with(']'),
        false => !name.is_empty() && !name.contains(':'),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_address_have_one_form() {
        for (normal, spellings) in [
            (
                "http://h:1/",
                &["http://h:1", "http://h:1/", "HTTP://H:1", "http://h:01", "http://h:1//"][..],
            ),
            (
                "http://h/",
                &["http://h", "http://h:80", "Http://h:80/", "http://h:/", "http://h:080"],
            ),
            ("https://h/", &["https://h", "https://H:443", "https://h:443/", "https://h:"]),
            ("https://h:80/", &["https://h:80"]),
            ("http://h/Broker/", &["http://h/Broker", "http://H:80/Broker/", "http://h/Broker//"]),
            ("http://[::1]/", &["http://[::1]", "http://[::1]:80", "HTTP://[::1]:80/"]),
            ("http://[::80]/", &["http://[::80]", "http://[::80]:80/"]),
            ("http://h/a?B=/", &["http://h/a?B=/", "http://H:80/a?B=/"]),
            ("http://Me:80@h/", &["http://Me:80@H:80"]),
        ] {
            for spelling in spellings {
                assert_eq!(normal_broker_url(spelling), normal, "{spelling}");
            }
            assert_eq!(normal_broker_url(normal), normal);
        }
        for other in
            ["", "h", "ftp://H", "http://", "https:///x", "x://y://Z", "http://:80/", "http://!::/"]
        {
            let found = normal_broker_url(other);
            assert_eq!(found, normal_broker_url(&found), "{other}");
            assert!(found == other || other == "http://:80/", "{other}: {found}");
        }
    }

    proptest! {
        /// Parameters are read back from the text that they are written to.
        #[test]
        fn a_normal_form_is_its_own(text in "(HTTP|https)://[!-~]{0,12}|https://[]\\[:@/?#.A0-]{0,12}") {
            let normal = normal_broker_url(&text);
            prop_assert_eq!(&normal, &normal_broker_url(&normal), "{}", text);
        }
    }
}
