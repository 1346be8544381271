//! Consent: whether a page may collect coins for a vendor that it does not speak for by itself.
//!
//! Input: a vendor's manifest, as its own host publishes it. Output: whether it names the origin of
//! the page. The invariant: a page at another origin than the vendor's default one collects only if
//! the vendor says so. Otherwise any host below `news.example`, and any program that listens at
//! another port of it, could collect coins in its name, and spend them there.

use serde::Deserialize;

use crate::identity::VendorId;
use crate::protocol::{MANIFEST_PATH, RequestPayment, Url};

use super::answer::plain;
use super::choice::Choice;
use super::record::Consent;
use super::state::WalletState;

/// The largest manifest that is read, in bytes.
pub const MANIFEST_SIZE_MAX: usize = 64 * 1024;
/// The most origins that a manifest may name.
const MANIFEST_ORIGINS_MAX: usize = 1000;

/// The consent of a vendor, which the wallet does not have yet. Fetch [`NeededConsent::url`] and
/// give the body to [`Wallet::take_consent`](super::Wallet::take_consent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededConsent {
    pub(super) consent: Consent,
    url: String,
}

/// Why a manifest is not the consent of a vendor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoConsent {
    /// It is too long.
    #[error("expected a manifest of at most {MANIFEST_SIZE_MAX} bytes, found more")]
    TooLong,
    /// It is not JSON, or lacks a member.
    #[error("expected a manifest in JSON: {0}")]
    Unreadable(String),
    /// It is the manifest of another vendor.
    #[error("expected the manifest of {expected}, found that of {found:?}")]
    OtherVendor {
        /// The vendor in the request.
        expected: VendorId,
        /// The vendor in the manifest.
        found: String,
    },
    /// It names too many origins.
    #[error("expected at most {MANIFEST_ORIGINS_MAX} origins in the manifest, found {0}")]
    TooManyOrigins(usize),
    /// It does not name the origin of the page.
    #[error("the manifest of {vendor} does not name {origin}")]
    NotNamed {
        /// The vendor.
        vendor: VendorId,
        /// The origin of the page.
        origin: String,
    },
}

/// The members of a manifest that matter here. Others are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    vendor_id: String,
    origins: Vec<String>,
}

impl NeededConsent {
    /// The vendor that must consent.
    pub fn vendor(&self) -> &VendorId {
        &self.consent.vendor
    }

    /// The origin of the page, such as `https://shop.news.example`.
    pub fn origin(&self) -> &str {
        &self.consent.origin
    }

    /// Where the vendor's manifest is. Send no cookies and follow no redirect. Only a body that
    /// came with status 200 counts. The scheme is https, unless the page itself came over http.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether this manifest, the body of the answer, names the origin.
    pub(super) fn check(&self, manifest: &[u8]) -> Result<(), NoConsent> {
        if manifest.len() > MANIFEST_SIZE_MAX {
            return Err(NoConsent::TooLong);
        }
        let found: Manifest = serde_json::from_slice(manifest)
            .map_err(|error| NoConsent::Unreadable(plain(&error.to_string())))?;
        let Consent { vendor, origin, .. } = &self.consent;
        if found.vendor_id != vendor.as_str() {
            let found = plain(&found.vendor_id);
            return Err(NoConsent::OtherVendor { expected: vendor.clone(), found });
        }
        if found.origins.len() > MANIFEST_ORIGINS_MAX {
            return Err(NoConsent::TooManyOrigins(found.origins.len()));
        }
        if !found.origins.contains(origin) {
            let (vendor, origin) = (vendor.clone(), origin.clone());
            return Err(NoConsent::NotNamed { vendor, origin });
        }
        Ok(())
    }
}

impl WalletState {
    /// The consent that a payment with these coins still needs; `None` if the page is at the
    /// vendor's default origin, or if the vendor consented in the period of the coins.
    pub(super) fn needed_consent(
        &self,
        request: &RequestPayment,
        page: &Url,
        choice: &Choice,
    ) -> Option<NeededConsent> {
        if is_default_origin(&request.vendor, page) {
            return None;
        }
        let consent = Consent {
            period: self.holdings[choice.holding].params.period().clone(),
            vendor: request.vendor.clone(),
            origin: page.origin().to_string(),
        };
        let is_held = self.consents.contains(&consent);
        (!is_held).then(|| NeededConsent { url: manifest_url(&request.vendor, page), consent })
    }
}

/// Whether the page is at the default origin of the vendor: its own host, at the default port of
/// the scheme. Another port may belong to another user of the host. On this machine, which is for
/// tests, every port counts as the default one.
fn is_default_origin(vendor: &VendorId, page: &Url) -> bool {
    page.host() == vendor && (port(page).is_empty() || vendor.is_loopback())
}

/// Where the manifest of a vendor is that collects at `page`: at the vendor's default origin. On
/// this machine, over http, that is the port of the page.
fn manifest_url(vendor: &VendorId, page: &Url) -> String {
    let is_here = vendor.is_loopback() && !page.is_https();
    let port = if is_here { port(page) } else { "" };
    format!("{}://{vendor}{port}{MANIFEST_PATH}", page.scheme())
}

/// The port of a page with its colon; empty if it is the default one of the scheme.
fn port(page: &Url) -> &str {
    let authority = page.authority();
    authority.strip_prefix(page.host().as_str()).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://shop.news.example";

    fn check(manifest: &str) -> Result<(), NoConsent> {
        let consent = Consent {
            period: "2026-12".parse().unwrap(),
            vendor: "news.example".parse().unwrap(),
            origin: ORIGIN.to_string(),
        };
        NeededConsent { consent, url: String::new() }.check(manifest.as_bytes())
    }

    fn manifest(origins: &[&str]) -> String {
        serde_json::json!({"vendor-id": "news.example", "origins": origins, "more": [1]})
            .to_string()
    }

    #[test]
    fn a_manifest_consents_only_to_the_origins_that_it_names() {
        assert_eq!(check(&manifest(&["https://news.example", ORIGIN])), Ok(()));
        for other in [
            "http://shop.news.example",
            "https://shop.news.example:8443",
            "https://shop.news.example/",
            "https://SHOP.news.example",
            "https://*.news.example",
            "https://news.example",
            "shop.news.example",
        ] {
            let why = check(&manifest(&[other])).unwrap_err();
            assert!(matches!(why, NoConsent::NotNamed { .. }), "{other}: {why}");
        }
        assert!(matches!(check(&manifest(&[])), Err(NoConsent::NotNamed { .. })));
    }

    #[test]
    fn anything_but_a_manifest_of_the_vendor_is_no_consent() {
        let good = manifest(&[ORIGIN]);
        let other = good.replace("\"news.example\"", "\"shop.news.example\"");
        assert!(matches!(check(&other), Err(NoConsent::OtherVendor { .. })));
        let twice = good.replace("\"more\"", "\"origins\":[],\"more\"");
        for bad in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"vendor-id":"news.example"}"#,
            r#"{"vendor-id":"news.example","origins":"https://shop.news.example"}"#,
            r#"{"vendor-id":"news.example","origins":["https://shop.news.example",7]}"#,
            &twice,
            &format!("{good}x"),
        ] {
            let why = check(bad).unwrap_err();
            assert!(matches!(why, NoConsent::Unreadable(_)), "{bad}: {why}");
        }
        let hostile = "{\"vendor-id\":\"\\u001b[2J\",\"origins\":[]}";
        assert!(!check(hostile).unwrap_err().to_string().contains('\u{1b}'));
    }

    #[test]
    fn manifests_are_bounded() {
        let mut many = vec!["https://a.example"; MANIFEST_ORIGINS_MAX - 1];
        many.push(ORIGIN);
        assert_eq!(check(&manifest(&many)), Ok(()));
        many.push(ORIGIN);
        let found = NoConsent::TooManyOrigins(MANIFEST_ORIGINS_MAX + 1);
        assert_eq!(check(&manifest(&many)), Err(found));
        let padded = |len: usize| {
            let manifest = manifest(&[ORIGIN]);
            format!("{manifest}{}", " ".repeat(len - manifest.len()))
        };
        assert_eq!(check(&padded(MANIFEST_SIZE_MAX)), Ok(()));
        assert_eq!(check(&padded(MANIFEST_SIZE_MAX + 1)), Err(NoConsent::TooLong));
    }

    #[test]
    fn the_manifest_is_at_the_vendors_default_origin() {
        for (vendor, page, expected) in [
            ("a.example", "https://b.a.example/p", "https://a.example"),
            ("a.example", "https://b.a.example:8443/p", "https://a.example"),
            ("a.example", "https://a.example:8443/p", "https://a.example"),
            ("a.example", "http://a.example:8080/p", "http://a.example"),
            ("[2001:db8::1]", "https://[2001:db8::1]:8443/p", "https://[2001:db8::1]"),
            ("a.localhost", "https://b.a.localhost:8443/p", "https://a.localhost"),
            ("a.localhost", "http://b.a.localhost/p", "http://a.localhost"),
            ("a.localhost", "http://b.a.localhost:8080/p", "http://a.localhost:8080"),
        ] {
            let found = manifest_url(&vendor.parse().unwrap(), &page.parse().unwrap());
            assert_eq!(found, format!("{expected}/.well-known/micromint"), "{page}");
        }
    }

    #[test]
    fn only_the_default_port_of_the_vendors_host_is_its_default_origin() {
        for (vendor, page, expected) in [
            ("a.example", "https://a.example/p", true),
            ("a.example", "https://a.example:8443/p", false),
            ("a.example", "https://a.example:80/p", false),
            ("a.example", "http://a.example/p", true),
            ("a.example", "http://a.example:8080/p", false),
            ("a.example", "https://b.a.example/p", false),
            ("192.0.2.1", "https://192.0.2.1:8443/p", false),
            ("[2001:db8::1]", "https://[2001:db8::1]/p", true),
            ("[2001:db8::1]", "https://[2001:db8::1]:8443/p", false),
            ("localhost", "http://localhost:8080/p", true),
            ("127.0.0.1", "http://127.0.0.1:8080/p", true),
            ("[::1]", "https://[::1]:8443/p", true),
            ("a.localhost", "http://b.a.localhost:8080/p", false),
        ] {
            let found = is_default_origin(&vendor.parse().unwrap(), &page.parse().unwrap());
            assert_eq!(found, expected, "{page}");
        }
    }
}
