//! What is published about the price list: what pages are called and what they cost before one
//! asks.
//!
//! Input: the entries, an origin, and what the vendor says about itself. Output: three documents:
//! the public price list for wallets, and in files of their own [`openapi`](super::openapi) and
//! [`llms`](super::llms) (`docs/reference/http.md` describes them). The invariant: none tells a
//! condition on the query or an entry that has one, since those may name what is not meant for
//! everyone.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::list::Entry;
use super::pattern::Pattern;
use super::{llms, openapi};
use crate::hex::hex;
use crate::money::{Money, MoneyJson, coins, coins_worth};
use crate::protocol::{LLMS_PATH, OPENAPI_PATH, PRICES_PATH};
use crate::vendor::coinage::Coinage;
use crate::vendor::origin::PublicRoot;

/// A document about the price list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vendor) enum Publication {
    /// The public price list.
    Prices,
    /// `/openapi.json`.
    OpenApi,
    /// `/llms.txt`.
    Llms,
}

/// What a vendor says about itself in these documents.
#[derive(Clone, Debug)]
pub(in crate::vendor) struct Seller<'a> {
    /// The vendor's identifier.
    pub(in crate::vendor) vendor: &'a str,
    /// What is sold; may be empty.
    pub(in crate::vendor) description: &'a str,
    /// The kinds of coins that are accepted.
    pub(in crate::vendor) coinage: Coinage,
    /// Whether `/openapi.json` is published.
    pub(in crate::vendor) has_openapi: bool,
    /// Whether `/llms.txt` is published.
    pub(in crate::vendor) has_llms: bool,
}

/// The documents as they are published at one origin.
#[derive(Debug)]
pub(in crate::vendor) struct Published {
    /// The kinds of coins in them.
    pub(super) coinage: Coinage,
    prices: Document,
    openapi: Document,
    llms: Document,
}

/// The text of a document.
#[derive(Debug)]
pub(in crate::vendor) struct Document {
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
#[serde(rename_all = "kebab-case")]
struct Price<'a> {
    /// What the coins are worth, if coins of several values are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    coin_value: Option<String>,
    coins: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<MoneyJson>,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suffix: Vec<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    teaser: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_bots: Option<BotPrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_bots: Option<BotPrice>,
}

/// A price for bots: a number of coins, or where coins of several values are accepted, also what
/// they are worth.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "kebab-case")]
enum BotPrice {
    Coins(u32),
    Valued { coin_value: String, coins: u32, money: Option<MoneyJson> },
}

impl Publication {
    /// The document that a request target names.
    pub(in crate::vendor) fn of(target: &[u8]) -> Option<Publication> {
        let all = [
            (PRICES_PATH, Publication::Prices),
            (OPENAPI_PATH, Publication::OpenApi),
            (LLMS_PATH, Publication::Llms),
        ];
        let is_named = |path: &str| {
            target
                .strip_prefix(path.as_bytes())
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'?')))
        };
        all.into_iter().find(|(path, _)| is_named(path)).map(|(_, which)| which)
    }
}

impl Seller<'_> {
    /// What an entry costs programs that do not sign, in words, and what it costs those that do if
    /// that is another price.
    pub(super) fn price_for_programs(&self, entry: &Entry) -> String {
        let price = |price: u32| match self.coinage.least(price) {
            Some((number, value)) => coins_worth(number.into(), value),
            None => coins(price.into()),
        };
        let price_of_all = price(entry.unknown_bots);
        if entry.verified_bots == entry.unknown_bots {
            return price_of_all;
        }
        format!("{price_of_all}, for verified bots {}", price(entry.verified_bots))
    }

    /// A price in base coins as it is paid: the number of coins, and what they are worth.
    pub(super) fn price(&self, price: u32) -> (u32, Option<Money>) {
        match self.coinage.least(price) {
            Some((coins, value)) => (coins, value.checked_mul(coins.into())),
            None => (price, None),
        }
    }

    /// The value of the coins in which a price is paid, if coins of several values are accepted.
    fn value(&self, price: u32) -> Option<String> {
        let (_, value) = self.coinage.least(price).filter(|_| self.coinage.is_mixed())?;
        Some(value.to_string())
    }

    /// A price for bots, if it is another one than that for readers.
    fn bot_price(&self, price: u32, of_readers: u32) -> Option<BotPrice> {
        let (coins, money) = self.price(price);
        let bot_price = match self.value(price) {
            None => BotPrice::Coins(coins),
            Some(coin_value) => {
                BotPrice::Valued { coin_value, coins, money: money.map(MoneyJson::from) }
            }
        };
        (price != of_readers).then_some(bot_price)
    }
}

impl Published {
    /// The documents of `seller` at `root`, about the entries that count there.
    pub(super) fn new(entries: &[Entry], seller: &Seller<'_>, root: &PublicRoot) -> Published {
        let host = root.origin().host().as_str();
        let is_here = |entry: &&Entry| {
            let hosts = &entry.conditions.hosts;
            entry.conditions.query.is_empty()
                && (hosts.is_empty() || hosts.iter().any(|other| other == host))
        };
        let entries: Vec<&Entry> = entries.iter().filter(is_here).collect();
        Published {
            coinage: seller.coinage.clone(),
            prices: Document::new(list(&entries, seller, root)),
            openapi: Document::new(openapi::text(&entries, seller, root)),
            llms: Document::new(llms::text(&entries, seller, root)),
        }
    }

    /// One of the documents.
    pub(in crate::vendor) fn document(&self, which: Publication) -> &Document {
        match which {
            Publication::Prices => &self.prices,
            Publication::OpenApi => &self.openapi,
            Publication::Llms => &self.llms,
        }
    }
}

impl Document {
    fn new(text: String) -> Document {
        let digest = Sha256::digest(&text);
        Document { text, etag: format!("\"{}\"", hex(&digest[..8])) }
    }
}

/// The public price list: the entries in the order of the file, with paths as clients see them.
fn list(entries: &[&Entry], seller: &Seller<'_>, root: &PublicRoot) -> String {
    let list = List {
        origin: root.origin().as_str(),
        prices: entries.iter().map(|entry| Price::of(entry, seller, root)).collect(),
        vendor_id: seller.vendor,
        version: 1,
    };
    print(&list)
}

/// JSON with a line feed at its end.
pub(super) fn print(value: &impl Serialize) -> String {
    // Serialization fails only for maps with keys other than strings, which these documents do not
    // have.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

impl<'a> Price<'a> {
    fn of(entry: &'a Entry, seller: &Seller<'_>, root: &PublicRoot) -> Price<'a> {
        let public = |path: &Pattern| root.public_path(path.as_str()).into_owned();
        let (coins, money) = seller.price(entry.coins);
        Price {
            coin_value: seller.value(entry.coins),
            coins,
            money: money.map(MoneyJson::from),
            path: public(&entry.path),
            receipt: entry.receipt.as_ref().map(public),
            suffix: entry.conditions.suffixes.iter().map(|suffix| &*suffix.0).collect(),
            teaser: entry.preview.as_ref().map_or("", |preview| preview.teaser()),
            title: entry.preview.as_ref().map_or("", |preview| preview.title()),
            unknown_bots: seller.bot_price(entry.unknown_bots, entry.coins),
            verified_bots: seller.bot_price(entry.verified_bots, entry.coins),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::vendor::prices::PriceList;
    use crate::vendor::request::Request;

    #[test]
    fn each_document_has_one_path() {
        for (target, expected) in [
            ("/.well-known/micromint/prices", Some(Publication::Prices)),
            ("/.well-known/micromint/prices?a", Some(Publication::Prices)),
            ("/.well-known/micromint/prices/", None),
            ("/.well-known/micromint", None),
            ("//.well-known/micromint/prices", None),
            ("/openapi.json", Some(Publication::OpenApi)),
            ("/openapi.json?v=1", Some(Publication::OpenApi)),
            ("/openapi.json/", None),
            ("/a/openapi.json", None),
            ("/OpenAPI.json", None),
            ("/llms.txt", Some(Publication::Llms)),
            ("/llms-full.txt", None),
        ] {
            assert_eq!(Publication::of(target.as_bytes()), expected, "{target}");
        }
    }

    fn seller(coin_value: Option<&str>) -> Seller<'static> {
        Seller {
            vendor: "news.example",
            description: "",
            coinage: Coinage::new(coin_value.map(|value| (1, value.parse().unwrap())).into_iter()),
            has_openapi: true,
            has_llms: true,
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
        let list = PriceList::parse(text, &roots, None).unwrap();
        let at = |host: &'static str| {
            let request = Request { host: Some(host.as_bytes()), ..Request::default() };
            list.published(&seller(Some("0.01 USD")), &request).unwrap()
        };
        let text = |published: &Published| published.document(Publication::Prices).text.clone();
        let etag = |published: &Published| published.document(Publication::Prices).etag.clone();
        let main: serde_json::Value = serde_json::from_str(&text(&at("news.example"))).unwrap();
        let expected = serde_json::json!({
            "origin": "https://news.example",
            "prices": [
                {
                    "coins": 2,
                    "money": { "amount": "0.02", "currency": "USD" },
                    "path": "/2026/{id}/",
                    "receipt": "/2026/{id}/",
                    "teaser": "In drei Teilen",
                    "title": "\u{dc}ber \"Nacht\"",
                },
                {
                    "coins": 0,
                    "money": { "amount": "0", "currency": "USD" },
                    "path": "/about",
                },
            ],
            "vendor-id": "news.example",
            "version": 1,
        });
        assert_eq!(main, expected);
        let shop = at("shop.news.example:443");
        assert!(text(&shop).contains("\"path\": \"/s/{*rest}\""), "{}", text(&shop));
        assert!(text(&shop).contains("\".epub\",\n        \".pdf\""), "{}", text(&shop));
        for which in [Publication::Prices, Publication::OpenApi, Publication::Llms] {
            for published in [&shop, &at("news.example")] {
                assert!(!published.document(which).text.contains("secret"), "{which:?}");
            }
        }
        assert_ne!(etag(&shop), etag(&at("news.example")));
        assert_eq!(etag(&shop).len(), 18);
        assert!(Arc::ptr_eq(&at("unknown.example"), &at("news.example")), "made once");
    }

    #[test]
    fn another_coin_value_makes_other_documents() {
        let roots = ["https://news.example".parse().unwrap()];
        let list = PriceList::parse("price = [{ path = '/a', coins = 3 }]", &roots, None).unwrap();
        let prices = |value: Option<&str>| {
            let published = list.published(&seller(value), &Request::default()).unwrap();
            published.document(Publication::Prices).text.clone()
        };
        assert!(prices(Some("0.01 USD")).contains("\"amount\": \"0.03\""));
        assert!(prices(Some("0.5 EUR")).contains("\"amount\": \"1.5\""));
        assert!(!prices(None).contains("money"));
    }

    #[test]
    fn where_coins_of_several_values_are_accepted_each_price_says_which() {
        let roots = ["https://news.example".parse().unwrap()];
        let text = "
            price = [
                { path = '/a', money = '0.0041 USD', verified-bots = '0.04 USD' },
                { path = '/b', money = '0.0501 USD', unknown-bots = 0 },
            ]
        ";
        let base = "0.0001 USD".parse().unwrap();
        let list = PriceList::parse(text, &roots, Some(base)).unwrap();
        let kinds = [(40, "0.004 USD".parse().unwrap()), (1, base)];
        let seller = Seller { coinage: Coinage::new(kinds.into_iter()), ..seller(None) };
        let published = list.published(&seller, &Request::default()).unwrap();
        let text = &published.document(Publication::Prices).text;
        let prices: serde_json::Value = serde_json::from_str(text).unwrap();
        let money = |amount: &str| serde_json::json!({ "amount": amount, "currency": "USD" });
        let expected = serde_json::json!([
            {
                "coin-value": "0.0001 USD",
                "coins": 41,
                "money": money("0.0041"),
                "path": "/a",
                "verified-bots":
                    { "coin-value": "0.004 USD", "coins": 10, "money": money("0.04") },
            },
            {
                "coin-value": "0.004 USD",
                "coins": 13,
                "money": money("0.052"),
                "path": "/b",
                "unknown-bots":
                    { "coin-value": "0.0001 USD", "coins": 0, "money": money("0") },
            },
        ]);
        assert_eq!(prices["prices"], expected, "{text}");
        let openapi = &published.document(Publication::OpenApi).text;
        assert!(openapi.contains("\"amount\": \"41\""), "{openapi}");
        let llms = &published.document(Publication::Llms).text;
        assert!(llms.contains("41 coins (0.0041 USD), for verified bots 10 coins (0.04 USD)"));
    }
}
