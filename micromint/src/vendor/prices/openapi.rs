//! `/openapi.json`: the price list as an OpenAPI document with `x-payment-info` (draft
//! *Service Discovery for HTTP Payment Authentication*, `draft-payment-discovery`).
//!
//! Input: the entries of one origin. Output: JSON. The invariants: no two paths of the document
//! match the same requests, as OpenAPI requires; an exception to the list is in it without a price.
//! What a request owes is in the 402, and may be more.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::list::Entry;
use super::pattern::Part;
use super::published::{Seller, print};
use crate::money::MoneyJson;
use crate::protocol::LLMS_PATH;
use crate::scheme::{CURRENCY, INTENT, METHOD};
use crate::vendor::origin::PublicRoot;

#[derive(Serialize)]
struct OpenApi<'a> {
    openapi: &'a str,
    info: Info<'a>,
    servers: [Server<'a>; 1],
    #[serde(rename = "x-service-info")]
    service: Service,
    paths: BTreeMap<String, PathItem<'a>>,
}

#[derive(Serialize)]
struct Info<'a> {
    title: &'a str,
    version: &'a str,
    description: &'a str,
}

#[derive(Serialize)]
struct Server<'a> {
    url: &'a str,
}

#[derive(Serialize)]
struct Service {
    docs: Docs,
}

#[derive(Serialize)]
struct Docs {
    homepage: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    llms: Option<String>,
}

#[derive(Serialize)]
struct PathItem<'a> {
    get: Operation<'a>,
}

#[derive(Serialize)]
struct Operation<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Parameter<'a>>,
    #[serde(rename = "x-payment-info", skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentInfo>,
    responses: BTreeMap<&'a str, Response<'a>>,
}

#[derive(Serialize)]
struct Parameter<'a> {
    name: &'a str,
    #[serde(rename = "in")]
    place: &'a str,
    required: bool,
    schema: Schema<'a>,
}

#[derive(Serialize)]
struct Schema<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct PaymentInfo {
    offers: [Offer; 1],
}

#[derive(Serialize)]
struct Offer {
    intent: &'static str,
    method: &'static str,
    amount: String,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<MoneyJson>,
    description: String,
}

#[derive(Serialize)]
struct Response<'a> {
    description: &'a str,
}

/// How to read the document, for people.
const ABOUT: &str = "Prices of pages in MicroMint coins. The answer 402 of a page states what it \
                     costs, and is what counts.";

/// The document about these entries.
pub(super) fn text(entries: &[&Entry], seller: &Seller<'_>, root: &PublicRoot) -> String {
    let origin = root.origin().as_str();
    let (mut paths, mut shapes) = (BTreeMap::new(), BTreeSet::new());
    for entry in entries {
        for path in templates(entry) {
            // Paths that differ only in the names of their captures are one path to OpenAPI. Of
            // those the entry with the higher price would be the safe one; the 402 decides anyway.
            if shapes.insert(shape(&path)) {
                let public = root.public_path(&path).into_owned();
                paths.insert(public, PathItem { get: operation(entry, seller) });
            }
        }
    }
    let title = if seller.description.is_empty() { seller.vendor } else { seller.description };
    print(&OpenApi {
        openapi: "3.1.0",
        info: Info { title, version: "1", description: ABOUT },
        servers: [Server { url: origin }],
        service: Service {
            docs: Docs {
                homepage: format!("{origin}{}", root.public_path("/")),
                llms: seller.has_llms.then(|| format!("{origin}{}", root.public_path(LLMS_PATH))),
            },
        },
        paths,
    })
}

/// The paths of an entry as OpenAPI writes them: one, or one for each end that it is for.
fn templates(entry: &Entry) -> Vec<String> {
    // Braces stand in captures only.
    let path = entry.path.as_str().replace("{*", "{");
    let suffixes = &entry.conditions.suffixes;
    if suffixes.is_empty() || matches!(entry.path.parts.last(), None | Some(Part::Text(_))) {
        return vec![path];
    }
    let path = path.trim_end_matches('/');
    suffixes.iter().map(|suffix| format!("{path}{}", suffix.0)).collect()
}

/// A path without the names of its captures.
fn shape(path: &str) -> String {
    let mut is_name = false;
    let mut shape = String::with_capacity(path.len());
    for char in path.chars() {
        is_name &= char != '}';
        if !is_name {
            shape.push(char);
        }
        is_name |= char == '{';
    }
    shape
}

fn operation<'a>(entry: &'a Entry, seller: &Seller<'_>) -> Operation<'a> {
    let preview = entry.preview.as_ref();
    // Programs read this document, so the price is that of programs.
    let is_priced = entry.unknown_bots > 0 || entry.verified_bots > 0;
    let mut responses = BTreeMap::from([("200", Response { description: "The page" })]);
    if is_priced {
        responses.insert("402", Response { description: "Payment Required" });
    }
    let parameter =
        |name| Parameter { name, place: "path", required: true, schema: Schema { kind: "string" } };
    Operation {
        summary: preview.map_or("", |preview| preview.title()),
        description: preview.map_or("", |preview| preview.teaser()),
        parameters: entry.path.captures().map(parameter).collect(),
        payment: is_priced.then(|| PaymentInfo { offers: [offer(entry, seller)] }),
        responses,
    }
}

fn offer(entry: &Entry, seller: &Seller<'_>) -> Offer {
    let (coins, money) = seller.price(entry.unknown_bots);
    Offer {
        intent: INTENT,
        method: METHOD,
        amount: coins.to_string(),
        currency: CURRENCY,
        money: money.map(MoneyJson::from),
        description: seller.price_for_programs(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::coinage::Coinage;
    use crate::vendor::prices::{PriceList, Publication};
    use crate::vendor::request::Request;

    fn document(prices: &str, root: &str, has_llms: bool) -> serde_json::Value {
        let roots = [root.parse().unwrap()];
        let list = PriceList::parse(prices, &roots, None).unwrap();
        let seller = Seller {
            vendor: "news.example",
            description: "News",
            coinage: Coinage::new([(1, "0.01 USD".parse().unwrap())].into_iter()),
            has_openapi: true,
            has_llms,
        };
        let published = list.published(&seller, &Request::default()).unwrap();
        serde_json::from_str(&published.document(Publication::OpenApi).text).unwrap()
    }

    #[test]
    fn prices_are_offers_and_exceptions_have_none() {
        let prices = "
            [[price]]
            path = '/2026/{id}/'
            coins = 2
            title = 'The long read'
            teaser = 'In three parts'
            [[price]]
            path = '/2026/about/'
            coins = 0
        ";
        let document = document(prices, "https://news.example/shop", true);
        let expected = serde_json::json!({
            "openapi": "3.1.0",
            "info": { "title": "News", "version": "1", "description": ABOUT },
            "servers": [{ "url": "https://news.example" }],
            "x-service-info": { "docs": {
                "homepage": "https://news.example/shop/",
                "llms": "https://news.example/shop/llms.txt",
            } },
            "paths": {
                "/shop/2026/{id}/": { "get": {
                    "summary": "The long read",
                    "description": "In three parts",
                    "parameters": [
                        {
                            "name": "id", "in": "path", "required": true,
                            "schema": { "type": "string" },
                        },
                    ],
                    "x-payment-info": { "offers": [{
                        "intent": "charge",
                        "method": "micromint",
                        "amount": "2",
                        "currency": "coin",
                        "money": { "amount": "0.02", "currency": "USD" },
                        "description": "2 coins (0.02 USD)",
                    }] },
                    "responses": {
                        "200": { "description": "The page" },
                        "402": { "description": "Payment Required" },
                    },
                } },
                "/shop/2026/about/": { "get": {
                    "responses": { "200": { "description": "The page" } },
                } },
            },
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn the_price_is_that_of_programs() {
        let prices = "price = [
            { path = '/a', coins = 0, verified-bots = 1, unknown-bots = 5 },
            { path = '/b', coins = 3, verified-bots = 0, unknown-bots = 0 },
        ]";
        let document = document(prices, "https://news.example", false);
        let offer = &document["paths"]["/a"]["get"]["x-payment-info"]["offers"][0];
        assert_eq!(offer["amount"], "5");
        assert_eq!(offer["description"], "5 coins (0.05 USD), for verified bots 1 coin (0.01 USD)");
        assert!(document["paths"]["/b"]["get"].get("x-payment-info").is_none());
    }

    #[test]
    fn no_two_paths_match_the_same_requests() {
        let prices = "price = [
            { path = '/{*rest}', coins = 1 },
            { path = '/{*all}', suffix = ['.pdf', '.epub'], coins = 2 },
            { path = '/{page}', coins = 3 },
            { path = '/b.pdf', suffix = '.pdf', coins = 4 },
            { path = '/c/{x}/', suffix = '.pdf', coins = 5 },
            { path = '/', coins = 6 },
        ]";
        let document = document(prices, "https://news.example", false);
        let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/", "/b.pdf", "/c/{x}.pdf", "/{all}.epub", "/{all}.pdf", "/{rest}"]);
        let parameters = &document["paths"]["/{all}.pdf"]["get"]["parameters"];
        assert_eq!(parameters[0]["name"], "all");
        assert!(document["x-service-info"]["docs"].get("llms").is_none());
    }
}
