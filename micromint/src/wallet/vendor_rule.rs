//! The Vendor-ID rule: in whose name a page may ask for coins.
//!
//! In go the Vendor-ID of a Request-Payment and the host of the URL that the client itself asked for;
//! out comes yes or no. A vendor is the host itself or a parent of it that is no public suffix, so that
//! `news.example` may collect for `www.news.example`, but nobody collects as `co.uk` or `github.io`.
//! Without the rule one site could ask for coins in the name of another.
//!
//! The public suffix list (<https://publicsuffix.org>, its private part too) is bundled by the crate
//! `psl`. A name under no known suffix follows the list's default rule: its last label is the suffix.

use crate::identity::VendorId;

/// Whether `vendor` may be paid for a page of `host`.
pub fn may_collect(vendor: &VendorId, host: &VendorId) -> bool {
    if vendor == host {
        return true;
    }
    let parent =
        host.as_str().strip_suffix(vendor.as_str()).is_some_and(|rest| rest.ends_with('.'));
    // An address has no parents: what follows one of its dots is a number, and so no Vendor-ID.
    parent && is_one_owners(vendor.as_str(), host.as_str())
}

/// Whether the parent `vendor` lies at or below the host's registrable domain: then both have one owner.
/// Comparing with that domain, and not only asking whether `vendor` is a public suffix, matters under
/// wildcard rules, where a public suffix has parents that are none.
fn is_one_owners(vendor: &str, host: &str) -> bool {
    psl::domain_str(host).is_some_and(|domain| vendor.len() >= domain.len())
}

/// Whether a host is this machine: `localhost`, a name under it, 127.0.0.0/8 or `[::1]`. Nobody listens
/// in on the way there, so http is as good as https.
pub fn is_loopback(host: &VendorId) -> bool {
    let host = host.as_str();
    let is_v4 = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_v4 || host == "[::1]" || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(vendor: &str, host: &str) -> bool {
        may_collect(&vendor.parse().unwrap(), &host.parse().unwrap())
    }

    #[test]
    fn a_vendor_is_the_host_or_a_parent_that_is_no_public_suffix() {
        for (vendor, host) in [
            ("news.example", "news.example"),
            ("news.example", "www.news.example"),
            ("news.example", "a.b.news.example"),
            ("news.co.uk", "www.news.co.uk"),
            ("alice.github.io", "alice.github.io"),
            ("alice.github.io", "blog.alice.github.io"),
            ("github.io", "github.io"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("city.kawasaki.jp", "www.city.kawasaki.jp"),
        ] {
            assert!(rule(vendor, host), "{vendor} for {host}");
        }
    }

    #[test]
    fn nobody_collects_for_others() {
        for (vendor, host) in [
            ("shop.example", "news.example"),
            ("www.news.example", "news.example"),
            ("ews.example", "news.example"),
            ("example", "news.example"),
            ("com", "news.com"),
            ("co.uk", "news.co.uk"),
            ("uk", "news.co.uk"),
            ("github.io", "alice.github.io"),
            ("localhost", "a.localhost"),
            ("kawasaki.jp", "shop.kawasaki.jp"),
            ("ck", "shop.ck"),
            ("xn--p1ai", "shop.xn--p1ai"),
        ] {
            assert!(!rule(vendor, host), "{vendor} for {host}");
        }
    }

    #[test]
    fn no_vendor_is_the_parent_of_an_address() {
        for parent in ["1", "0.1", "0.0.1", "1]"] {
            assert!(parent.parse::<VendorId>().is_err(), "{parent}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for (host, is) in [
            ("localhost", true),
            ("shop.localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("localhost.example", false),
            ("128.0.0.1", false),
            ("127.0.0.1.example", false),
            ("[::2]", false),
        ] {
            assert_eq!(is_loopback(&host.parse().unwrap()), is, "{host}");
        }
    }
}
