//! The manifest at `/.well-known/micromint`: who sells here, where, for whose coins, and how to
//! find out a price.
//!
//! Input: the configuration and the periods. Output: JSON, the same for everyone, and free whatever
//! price its place has; `docs/reference/http.md` lists the members.

use serde::Serialize;

use super::config::VendorConfig;
use super::prices::Publication;
use crate::money::MoneyJson;
use crate::params::Params;
use crate::protocol::MANIFEST_PATH;
use crate::time::UnixTime;

/// How to find out a price, for people.
const PRICE_RULE: &str = "Each URL has its own price in coins. The answer 402 to HEAD or GET \
                          states it; a free page is not answered with 402.";

/// The members, in the order of their names.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    origins: Vec<&'a str>,
    periods: Vec<Period<'a>>,
    price_rule: &'a str,
    receipt_time: u32,
    vendor_id: &'a str,
    version: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Period<'a> {
    broker: &'a str,
    coin_money: MoneyJson,
    coin_size: u32,
    coin_value: String,
    expiration: String,
    hashfn: &'a str,
    period: &'a str,
    start: String,
}

/// A document that the paywall answers itself, whatever its place costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnDocument {
    /// The manifest.
    Manifest,
    /// A document about the price list.
    Published(Publication),
}

impl OwnDocument {
    /// The document of a vendor that a request target names. `has_prices` says whether there is a
    /// price list; without one the paths of its documents are the site's own.
    pub(super) fn of(
        target: &[u8],
        config: &VendorConfig,
        has_prices: bool,
    ) -> Option<OwnDocument> {
        if is_manifest(target) {
            return Some(OwnDocument::Manifest);
        }
        let which = has_prices.then(|| Publication::of(target)).flatten()?;
        let is_on = match which {
            Publication::Prices => true,
            Publication::OpenApi => config.has_openapi(),
            Publication::Llms => config.has_llms(),
        };
        is_on.then_some(OwnDocument::Published(which))
    }
}

/// Whether a request target is that of the manifest.
fn is_manifest(target: &[u8]) -> bool {
    target
        .strip_prefix(MANIFEST_PATH.as_bytes())
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'?')))
}

/// The manifest at `now`. It lists the periods that have not ended, the one that ends first in
/// front.
pub(super) fn manifest<'a>(
    config: &VendorConfig,
    periods: impl Iterator<Item = &'a Params>,
    now: UnixTime,
) -> String {
    let mut periods: Vec<&Params> =
        periods.filter(|params| now < params.raw().expiration).collect();
    periods.sort_by_key(|params| params.raw().expiration);
    let period = |params: &&'a Params| Period {
        broker: &params.raw().broker,
        coin_money: params.coin_value().into(),
        coin_size: params.coin_size() as u32,
        coin_value: params.coin_value().to_string(),
        expiration: params.raw().expiration.to_string(),
        hashfn: params.raw().hash.as_str(),
        period: params.period().as_str(),
        start: params.raw().start.to_string(),
    };
    let manifest = Manifest {
        description: config.description(),
        origins: config.origins().iter().map(|root| root.origin().as_str()).collect(),
        periods: periods.iter().map(period).collect(),
        price_rule: PRICE_RULE,
        receipt_time: config.receipt_seconds(),
        vendor_id: config.vendor().as_str(),
        version: 1,
    };
    // Serialization fails only for maps with keys other than strings, which these structs do not
    // have.
    serde_json::to_string_pretty(&manifest).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_is_the_manifest() {
        for (target, is_it) in [
            ("/.well-known/micromint", true),
            ("/.well-known/micromint?a=b", true),
            ("/.well-known/micromint/", false),
            ("/.well-known/micromint.json", false),
            ("/.well-known/%6dicromint", false),
            ("//.well-known/micromint", false),
            ("/a/.well-known/micromint", false),
            ("http://news.example/.well-known/micromint", false),
            ("", false),
        ] {
            assert_eq!(is_manifest(target.as_bytes()), is_it, "{target}");
        }
    }
}
