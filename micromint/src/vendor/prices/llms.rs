//! `/llms.txt`: the price list for language models and the programs around them (llmstxt.org).
//!
//! Input: the entries of one origin. Output: Markdown. The invariants: the texts of the vendor are
//! escaped, so none becomes a link or a heading; the document is short, whatever the list.

use std::fmt::Write;

use super::list::Entry;
use super::published::Seller;
use crate::protocol::{MANIFEST_PATH, OPENAPI_PATH, PRICES_PATH};
use crate::vendor::origin::PublicRoot;

/// The largest number of prices in the document. The public price list has all of them.
const LLMS_PRICES_MAX: usize = 100;

/// The document about these entries.
pub(super) fn text(entries: &[&Entry], seller: &Seller<'_>, root: &PublicRoot) -> String {
    let url = |path: &str| format!("{}{}", root.origin().as_str(), root.public_path(path));
    let mut text = format!("# {}\n\n", in_markdown(seller.vendor));
    if !seller.description.is_empty() {
        line(&mut text, format_args!("> {}\n", in_markdown(seller.description)));
    }
    text.push_str(HOW_TO_PAY);
    text.push_str("\n## Prices\n\n");
    let priced: Vec<&&Entry> =
        entries.iter().filter(|entry| entry.unknown_bots > 0 || entry.verified_bots > 0).collect();
    for entry in priced.iter().take(LLMS_PRICES_MAX) {
        let price = seller.price_for_programs(entry);
        let preview = entry.preview.as_ref();
        let title = preview.map_or("", |preview| preview.title());
        let teaser = preview.map_or("", |preview| preview.teaser());
        let suffixes: Vec<&str> =
            entry.conditions.suffixes.iter().map(|suffix| &*suffix.0).collect();
        let path = url(entry.path.as_str());
        let mut item = format!("- `{}`", path.replace('`', "%60"));
        if !suffixes.is_empty() {
            item += &format!(" (ends with {})", in_markdown(&suffixes.join(", ")));
        }
        item += &format!(": {price}");
        for part in [title, teaser].into_iter().filter(|part| !part.is_empty()) {
            item += &format!(". {}", in_markdown(part));
        }
        line(&mut text, format_args!("{item}"));
    }
    if priced.len() > LLMS_PRICES_MAX {
        let more = priced.len() - LLMS_PRICES_MAX;
        line(&mut text, format_args!("- {more} more in the list of all prices"));
    }
    text.push_str("\n## For programs\n\n");
    line(&mut text, format_args!("- [Who sells here, for which coins]({})", url(MANIFEST_PATH)));
    line(&mut text, format_args!("- [All prices]({})", url(PRICES_PATH)));
    if seller.has_openapi {
        line(&mut text, format_args!("- [OpenAPI with prices]({})", url(OPENAPI_PATH)));
    }
    text
}

/// How a program pays. `{name}` in the paths below stands for one part, `{*name}` for the rest.
const HOW_TO_PAY: &str = "\
Some pages here cost coins. Such a page answers 402 with a challenge in `WWW-Authenticate: Payment`
(method `micromint`, intent `charge`). Pay with a MicroMint wallet and send the credential in the
field that the challenge names, by default `Authorization`. The challenge states the price in coins
and in money, and is what counts. A page that cannot be sent is not charged.

In the paths below `{name}` stands for one part of a path and `{*name}` for all that follow.
";

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

/// A text on one line, without meaning in Markdown.
fn in_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' => {
                escaped.push('\\');
                escaped.push(char);
            }
            _ => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::coinage::Coinage;
    use crate::vendor::prices::{PriceList, Publication};
    use crate::vendor::request::Request;

    fn document(prices: &str) -> String {
        let roots = ["https://news.example".parse().unwrap()];
        let list = PriceList::parse(prices, &roots, None).unwrap();
        let seller = Seller {
            vendor: "news.example",
            description: "News [of] the day",
            coinage: Coinage::new([(1, "0.01 USD".parse().unwrap())].into_iter()),
            has_openapi: false,
            has_llms: true,
        };
        let published = list.published(&seller, &Request::default()).unwrap();
        published.document(Publication::Llms).text.clone()
    }

    #[test]
    fn prices_are_listed_with_their_texts_escaped() {
        let text = document(
            "price = [
                { path = '/a/{id}', coins = 2, title = '[x](http://y)', teaser = \"one\\n# two\" },
                { path = '/{*rest}', suffix = '.pdf', coins = 1 },
                { path = '/free', coins = 0 },
            ]",
        );
        let expected = "\n## Prices\n\n\
            - `https://news.example/a/{id}`: 2 coins (0.02 USD). \\[x\\](http://y). one \\# two\n\
            - `https://news.example/{*rest}` (ends with .pdf): 1 coin (0.01 USD)\n\n## For programs\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.starts_with("# news.example\n\n> News \\[of\\] the day\n"), "{text}");
        assert!(!text.contains("free") && !text.contains("openapi"), "{text}");
    }

    #[test]
    fn the_document_lists_as_many_prices_as_the_bound_and_counts_the_others() {
        let prices = |count: usize| -> String {
            (0..count).map(|number| format!("[[price]]\npath='/p{number}'\ncoins=1\n")).collect()
        };
        let listed = |text: &str| text.lines().filter(|line| line.contains("/p")).count();
        let at = document(&prices(LLMS_PRICES_MAX));
        assert!(listed(&at) == LLMS_PRICES_MAX + 1 && !at.contains("more in"), "{at}");
        let past = document(&prices(LLMS_PRICES_MAX + 2));
        assert!(listed(&past) == LLMS_PRICES_MAX + 1 && past.contains("- 2 more in the list"));
    }
}
