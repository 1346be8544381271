//! The public price list, for wallets: what pages are called and what they cost before one asks.
//!
//! Input: the entries, and an origin. Output: JSON (`docs/reference/http.md` lists the members). The
//! invariant: it tells no condition on the query and no entry that has one, since those may name
//! what is not meant for everyone.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::list::Entry;
use super::pattern::Pattern;
use crate::protocol::PRICES_PATH;
use crate::vendor::origin::PublicRoot;

/// The list as it is published at one origin.
#[derive(Debug)]
pub(in crate::vendor) struct Published {
    pub(in crate::vendor) text: String,
    /// With its quotes.
    pub(in crate::vendor) etag: String,
}

/// The members, in the order of their names.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct List<'a> {
    origin: &'a str,
    prices: Vec<Price<'a>>,
    vendor_id: &'a str,
    version: u32,
}

#[derive(Serialize)]
struct Price<'a> {
    coins: u32,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suffix: Vec<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    teaser: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
}

/// Whether a request target is that of the public price list.
pub(in crate::vendor) fn is_published(target: &[u8]) -> bool {
    target
        .strip_prefix(PRICES_PATH.as_bytes())
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'?')))
}

impl Published {
    /// The list of `vendor` at `root`: the entries that count there, in the order of the file, with
    /// paths as clients see them.
    pub(super) fn new(entries: &[Entry], vendor: &str, root: &PublicRoot) -> Published {
        let origin = root.origin();
        let is_here = |entry: &&Entry| {
            let hosts = &entry.conditions.hosts;
            entry.conditions.query.is_empty()
                && (hosts.is_empty() || hosts.iter().any(|host| host == origin.host().as_str()))
        };
        let list = List {
            origin: origin.as_str(),
            prices: entries.iter().filter(is_here).map(|entry| Price::of(entry, root)).collect(),
            vendor_id: vendor,
            version: 1,
        };
        // Serialization fails only for maps with keys other than strings, which these structs do
        // not have.
        let text = serde_json::to_string_pretty(&list).unwrap_or_default() + "\n";
        let digest = Sha256::digest(&text);
        let number: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Published { text, etag: format!("\"{number}\"") }
    }
}

impl<'a> Price<'a> {
    fn of(entry: &'a Entry, root: &PublicRoot) -> Price<'a> {
        let public = |path: &Pattern| root.public_path(path.as_str()).into_owned();
        Price {
            coins: entry.coins,
            path: public(&entry.path),
            receipt: entry.receipt.as_ref().map(public),
            suffix: entry.conditions.suffixes.iter().map(|suffix| &*suffix.0).collect(),
            teaser: entry.preview.as_ref().map_or("", |preview| preview.teaser()),
            title: entry.preview.as_ref().map_or("", |preview| preview.title()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::prices::PriceList;
    use crate::vendor::request::Request;

    #[test]
    fn one_path_is_the_public_list() {
        for (target, is_it) in [
            ("/.well-known/micromint/prices", true),
            ("/.well-known/micromint/prices?a", true),
            ("/.well-known/micromint/prices/", false),
            ("/.well-known/micromint", false),
            ("//.well-known/micromint/prices", false),
        ] {
            assert_eq!(is_published(target.as_bytes()), is_it, "{target}");
        }
    }

    #[test]
    fn the_list_tells_prices_and_texts_and_no_query() {
        let roots = ["https://news.example", "https://shop.news.example/s"]
            .map(|root| root.parse().unwrap());
        let text = "
            [[price]]
            path = '/2026/{id}/'
            coins = 2
            receipt = '/2026/{id}/'
            title = '\u{dc}ber \"Nacht\"'
            teaser = 'In drei Teilen'
            [[price]]
            path = '/2026/{id}/'
            query = 'secret=17'
            coins = 0
            [[price]]
            path = '/{*rest}'
            suffix = ['.pdf', '.epub']
            hosts = 'shop.news.example'
            coins = 3
            [[price]]
            path = '/about'
            coins = 0
        ";
        let list = PriceList::parse(text, &roots).unwrap();
        let at = |host: &'static str| {
            let request = Request { host: Some(host.as_bytes()), ..Request::default() };
            list.published("news.example", &request).unwrap()
        };
        let main: serde_json::Value = serde_json::from_str(&at("news.example").text).unwrap();
        let expected = serde_json::json!({
            "origin": "https://news.example",
            "prices": [
                {
                    "coins": 2,
                    "path": "/2026/{id}/",
                    "receipt": "/2026/{id}/",
                    "teaser": "In drei Teilen",
                    "title": "\u{dc}ber \"Nacht\"",
                },
                { "coins": 0, "path": "/about" },
            ],
            "vendor-id": "news.example",
            "version": 1,
        });
        assert_eq!(main, expected);
        let shop = at("shop.news.example:443");
        assert!(shop.text.contains("\"path\": \"/s/{*rest}\""), "{}", shop.text);
        assert!(shop.text.contains("\".epub\",\n        \".pdf\""), "{}", shop.text);
        assert!(!shop.text.contains("secret"));
        assert_ne!(shop.etag, at("news.example").etag);
        assert_eq!(shop.etag.len(), 18);
        assert_eq!(at("unknown.example").etag, at("news.example").etag);
    }
}
