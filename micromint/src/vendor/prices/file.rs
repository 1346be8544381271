//! The file of the price list (`docs/reference/vendor.md`).
//!
//! Input: the text, and the origins of the vendor. Output: the list, or an error with its position
//! in the text. The invariant: a list that was read has no two entries between which nothing
//! decides, and no entry that cannot match.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IntoDeserializer, Visitor};

use super::conditions::{CONDITIONS_MAX, Conditions, Parameter, Suffix};
use super::list::{Entry, PriceList, Twice};
use super::pattern::Pattern;
use crate::host::{Directory, DiskDirectory};
use crate::money::Money;
use crate::protocol::COINS_PER_PAYMENT_MAX;
use crate::toml_file::{self, OneOrMany, Parsed, TomlError, TomlText};
use crate::vendor::origin::PublicRoot;
use crate::vendor::preview::Preview;
use crate::vendor::price::Price;

/// The largest file of a price list, in bytes.
pub const PRICE_LIST_SIZE_MAX: u64 = 1024 * 1024;
/// The largest number of entries of a price list.
pub const PRICE_LIST_ENTRIES_MAX: usize = 10_000;

/// The keys of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceFile {
    price: Vec<PriceEntry>,
}

/// The keys of an entry, in the order of the reference.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PriceEntry {
    path: Parsed<Pattern>,
    hosts: Option<OneOrMany<String>>,
    query: Option<OneOrMany<Parsed<Parameter>>>,
    suffix: Option<OneOrMany<Parsed<Suffix>>>,
    coins: Option<Coins>,
    money: Option<Parsed<Money>>,
    verified_bots: Option<BotPrice>,
    unknown_bots: Option<BotPrice>,
    receipt: Option<Parsed<Pattern>>,
    title: Option<String>,
    teaser: Option<String>,
    redirects: Option<Parsed<Redirects>>,
}

/// The value of `coins`.
struct Coins(u32);

impl<'de> Deserialize<'de> for Coins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Coins, D::Error> {
        struct CoinsVisitor;

        impl Visitor<'_> for CoinsVisitor {
            type Value = Coins;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a price from 0 to {COINS_PER_PAYMENT_MAX} coins, such as 2")
            }

            fn visit_i64<E: Error>(self, found: i64) -> Result<Coins, E> {
                let coins = u32::try_from(found).ok().filter(|it| *it <= COINS_PER_PAYMENT_MAX);
                coins.map(Coins).ok_or_else(|| {
                    E::custom(format!(
                        "expected a price from 0 to {COINS_PER_PAYMENT_MAX} coins, found {found}"
                    ))
                })
            }

            fn visit_u64<E: Error>(self, found: u64) -> Result<Coins, E> {
                self.visit_i64(i64::try_from(found).unwrap_or(i64::MAX))
            }
        }

        deserializer.deserialize_any(CoinsVisitor)
    }
}

/// The value of `verified-bots` and `unknown-bots`: a number of coins or an amount.
struct BotPrice(Price);

impl<'de> Deserialize<'de> for BotPrice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BotPrice, D::Error> {
        struct BotPriceVisitor;

        impl Visitor<'_> for BotPriceVisitor {
            type Value = BotPrice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "a price from 0 to {COINS_PER_PAYMENT_MAX} coins, such as 2, or \"0.02 EUR\""
                )
            }

            fn visit_i64<E: Error>(self, found: i64) -> Result<BotPrice, E> {
                let Coins(coins) = Coins::deserialize(found.into_deserializer())?;
                Ok(BotPrice(Price::Coins(coins)))
            }

            fn visit_str<E: Error>(self, found: &str) -> Result<BotPrice, E> {
                let money = found.parse().map_err(E::custom)?;
                Ok(BotPrice(Price::Money(money)))
            }
        }

        deserializer.deserialize_any(BotPriceVisitor)
    }
}

/// The value of `redirects`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Redirects {
    Charge,
    Reverse,
}

impl FromStr for Redirects {
    type Err = String;

    fn from_str(text: &str) -> Result<Redirects, String> {
        match text {
            "charge" => Ok(Redirects::Charge),
            "reverse" => Ok(Redirects::Reverse),
            _ => Err(format!("expected \"charge\" or \"reverse\", found {text:.80?}")),
        }
    }
}

/// A fault of an entry: its key, what was expected and what was found.
type Fault = (&'static str, String);

impl PriceList {
    /// Reads the list at `path` of a vendor whose pages are at `roots`, where a base coin is worth
    /// `coin_value`.
    ///
    /// # Errors
    /// The file cannot be read, is larger than [`PRICE_LIST_SIZE_MAX`], or [`PriceList::parse`]
    /// fails.
    pub fn load(
        path: &Path,
        roots: &[PublicRoot],
        coin_value: Option<Money>,
    ) -> Result<PriceList, TomlError> {
        let (directory, name) = DiskDirectory::of_file(path)
            .map_err(|error| TomlError::unreadable(&error).in_file(path))?;
        // The error shows the path as the caller wrote it.
        PriceList::load_in(&directory, &name, roots, coin_value)
            .map_err(|error| error.in_file(path))
    }

    pub(super) fn load_in(
        directory: &dyn Directory,
        name: &str,
        roots: &[PublicRoot],
        coin_value: Option<Money>,
    ) -> Result<PriceList, TomlError> {
        let text = toml_file::load_sized(directory, name, PRICE_LIST_SIZE_MAX)?;
        PriceList::parse(&text, roots, coin_value)
            .map_err(|error| error.in_file(&directory.path().join(name)))
    }

    /// Parses the text of a price list of a vendor whose pages are at `roots`, where a base coin is
    /// worth `coin_value`; `None` if the list has no prices in money.
    ///
    /// # Errors
    /// The text is not TOML; it has no entry or more than [`PRICE_LIST_ENTRIES_MAX`]; a key is
    /// missing, unknown or has an invalid value; a price in money has no coins; or two entries have
    /// the same path and conditions. The error states line, column and key.
    pub fn parse(
        text: &str,
        roots: &[PublicRoot],
        coin_value: Option<Money>,
    ) -> Result<PriceList, TomlError> {
        let text = TomlText::parse_sized(text, PRICE_LIST_SIZE_MAX)?;
        if text.is_table("price") {
            let reason = "expected [[price]] before each entry, found [price]";
            return Err(text.fault("price", reason));
        }
        let file: PriceFile = text.read()?;
        let count = file.price.len();
        if !(1..=PRICE_LIST_ENTRIES_MAX).contains(&count) {
            let reason = format!("expected 1 to {PRICE_LIST_ENTRIES_MAX} entries, found {count}");
            return Err(text.fault("price", reason));
        }
        let read = |(number, entry): (usize, PriceEntry)| {
            entry
                .read(roots, coin_value)
                .map_err(|(key, reason)| text.fault_of("price", number, key, reason))
        };
        let entries = file.price.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        PriceList::new(entries, roots).map_err(|Twice { first, second }| {
            let first = text.fault_of("price", first, "path", "").line().unwrap_or_default();
            let reason = format!(
                "expected another path or other conditions than those of the entry in line {first}"
            );
            text.fault_of("price", second, "path", reason)
        })
    }
}

impl PriceEntry {
    fn read(self, roots: &[PublicRoot], coin_value: Option<Money>) -> Result<Entry, Fault> {
        let converted =
            |key, price: Price| price.coins(coin_value).map_err(|error| (key, error.to_string()));
        let coins = match (self.coins, self.money) {
            (Some(Coins(coins)), None) => coins,
            (None, Some(money)) => converted("money", Price::Money(money.0))?,
            (Some(_), Some(_)) => {
                return Err(("money", "expected one of `coins` and `money`, found both".into()));
            }
            (None, None) => {
                return Err(("path", "expected one of `coins` and `money` beside it".into()));
            }
        };
        let or_coins = |key, price: Option<BotPrice>| {
            price.map_or(Ok(coins), |BotPrice(price)| converted(key, price))
        };
        let verified_bots = or_coins("verified-bots", self.verified_bots)?;
        let unknown_bots = or_coins("unknown-bots", self.unknown_bots)?;
        let path = self.path.0;
        let receipt = self.receipt.map(|receipt| receipt.0);
        if let Some(receipt) = &receipt
            && !receipt.begins(&path)
        {
            let reason = format!(
                "expected the beginning of the path {:?}, since a browser sends a receipt only to \
                 the pages below it, found {:?}",
                path.as_str(),
                receipt.as_str()
            );
            return Err(("receipt", reason));
        }
        let preview = match (self.title, self.teaser) {
            (None, None) => None,
            (title, teaser) => {
                let preview = Preview::new(title.unwrap_or_default(), teaser.unwrap_or_default());
                Some(Arc::new(preview.map_err(|error| (error.key, error.reason))?))
            }
        };
        let charges_redirects = self.redirects.map(|policy| policy.0 == Redirects::Charge);
        let conditions = Conditions {
            hosts: hosts(self.hosts, roots)?,
            query: sorted(values("query", self.query)?),
            suffixes: sorted(values("suffix", self.suffix)?),
        };
        if let Some(suffix) = conditions.suffixes.iter().find(|it| !path.can_end_with(&it.0)) {
            let reason = format!(
                "expected an end that the path {:?} can have, found {:?}",
                path.as_str(),
                suffix.0
            );
            return Err(("suffix", reason));
        }
        Ok(Entry {
            path,
            conditions,
            coins,
            verified_bots,
            unknown_bots,
            receipt,
            charges_redirects,
            preview,
        })
    }
}

/// The hosts of an entry, each of which has pages of the vendor.
fn hosts(hosts: Option<OneOrMany<String>>, roots: &[PublicRoot]) -> Result<Vec<String>, Fault> {
    let known: Vec<&str> = roots.iter().map(|root| root.origin().host().as_str()).collect();
    let mut found = counted("hosts", hosts)?;
    for host in &mut found {
        host.make_ascii_lowercase();
        if !known.contains(&host.as_str()) {
            let known = known.join(", ");
            let reason = format!(
                "expected hosts of the vendor's origins ({known}), without a port, found {host:.80?}"
            );
            return Err(("hosts", reason));
        }
    }
    Ok(sorted(found))
}

fn values<T>(key: &'static str, values: Option<OneOrMany<Parsed<T>>>) -> Result<Vec<T>, Fault> {
    Ok(counted(key, values)?.into_iter().map(|value| value.0).collect())
}

/// The elements of a condition. An empty array would be a condition that cannot hold.
fn counted<T>(key: &'static str, values: Option<OneOrMany<T>>) -> Result<Vec<T>, Fault> {
    let Some(OneOrMany(values)) = values else { return Ok(Vec::new()) };
    if (1..=CONDITIONS_MAX).contains(&values.len()) {
        return Ok(values);
    }
    Err((key, format!("expected 1 to {CONDITIONS_MAX} values, found {}", values.len())))
}

/// In one order, so that equal conditions are found to be equal.
fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots() -> Vec<PublicRoot> {
        ["https://news.example", "https://www.news.example:8443"]
            .map(|root| root.parse().unwrap())
            .into()
    }

    fn parse(text: &str) -> Result<PriceList, TomlError> {
        PriceList::parse(text, &roots(), None)
    }

    fn error(text: &str) -> String {
        parse(text).unwrap_err().in_file(Path::new("prices.toml")).to_string()
    }

    #[test]
    fn every_key_is_read() {
        let list = parse(
            "[[price]]\npath = \"/2026/{id}/\"\nhosts = \"News.Example\"\nquery = [\"print\", \"p=2\"]\n\
             suffix = \".pdf\"\ncoins = 2\nreceipt = \"/2026/\"\ntitle = \"\u{dc}ber\"\n\
             teaser = '''\none\ntwo'''\nredirects = \"charge\"\n\n[[price]]\npath = \"/\"\ncoins = 0\n",
        )
        .unwrap();
        assert_eq!((list.len(), list.is_empty()), (2, false));
        assert!(parse("price = [{ path = '/', coins = 1, redirects = 'reverse' }]").is_ok());
    }

    #[test]
    fn a_fault_says_where_it_is_and_what_was_expected_and_found() {
        let entry = |lines: &str| {
            format!("# prices\n[[price]]\npath = '/a'\ncoins = 1\n\n[[price]]\n{lines}")
        };
        for (lines, says) in [
            ("path = 'b'\ncoins = 1", "prices.toml:7:8: path: expected a path that begins with /"),
            ("coins = 1", "missing key `path`"),
            ("path = '/b'\ncoins = 501", "prices.toml:8:9: coins: expected a price from 0 to 500"),
            ("path = '/b'\ncoins = -1", "prices.toml:8:9: coins: expected a price from 0 to 500"),
            (
                "path = '/b'\ncoins = 1\nverified-bots = 501",
                "prices.toml:9:17: verified-bots: expected a price from 0 to 500 coins, found 501",
            ),
            ("path = '/b'\ncoins = 1\nunknown-bots = -1", "unknown-bots: expected a price from 0"),
            (
                "path = '/b'\nunknown-bots = 1",
                "path: expected one of `coins` and `money` beside it",
            ),
            ("path = '/b'\ncoins = '1'", "prices.toml:8:9: coins: invalid type"),
            ("path = '/b'", "prices.toml:7:8: path: expected one of `coins` and `money` beside it"),
            (
                "path = '/b'\ncoins = 1\nmoney = '0.01 USD'",
                "prices.toml:9:9: money: expected one of `coins` and `money`, found both",
            ),
            ("path = '/b'\nmoney = '0.01'", "money: expected an amount with at most 8 decimals"),
            ("path = '/b'\nmoney = 2", "money: invalid type: integer `2`, expected a string"),
            (
                "path = '/b'\nmoney = '0.01 USD'",
                "prices.toml:8:9: money: expected a price in coins, found 0.01 USD: for prices in money",
            ),
            (
                "path = '/b'\ncoins = 1\nunknown-bots = '0.01 USD'",
                "prices.toml:9:16: unknown-bots: expected a price in coins, found 0.01 USD",
            ),
            ("path = '/b'\ncoins = 1\nunknown-bots = 'free'", "unknown-bots: expected an amount"),
            ("path = '/b'\ncoins = 1.5", "1.5`, expected a price from 0 to 500 coins, such as 2"),
            (
                "path = '/b.html'\ncoins = 1\nsuffix = '.pdf'",
                "prices.toml:9:10: suffix: expected an end that the path \"/b.html\" can have",
            ),
            (
                "path = '/{*rest}'\ncoins = 1\nsuffix = '*.pdf'",
                "prices.toml:9:10: suffix: expected the end of a path",
            ),
            ("path = '/b'\nprice = 1", "prices.toml:8:1: unknown key `price`, expected one of"),
            (
                "path = '/b/{id}'\ncoins = 1\nreceipt = '/b/{no}'",
                "prices.toml:9:11: receipt: expected the beginning of the path \"/b/{id}\"",
            ),
            (
                "path = '/b'\ncoins = 1\nhosts = ['news.example', 'new.example']",
                "prices.toml:9:9: hosts: expected hosts of the vendor's origins (news.example, \
                 www.news.example), without a port, found \"new.example\"",
            ),
            ("path = '/b'\ncoins = 1\nhosts = []", "hosts: expected 1 to 64 values, found 0"),
            ("path = '/b'\ncoins = 1\nquery = 'a&b'", "prices.toml:9:9: query: expected one param"),
            (
                "path = '/b'\ncoins = 1\nsuffix = ['.a',\n '.b/']",
                "prices.toml:10:2: suffix: expected the end of a path",
            ),
            (
                "path = '/b'\ncoins = 1\ntitle = \"a\\u0000\"",
                "prices.toml:9:9: title: expected no control",
            ),
            ("path = '/b'\ncoins = 1\nredirects = 'no'", "redirects: expected \"charge\" or"),
            ("path = '/a'\ncoins = 2", "prices.toml:7:8: path: expected another path or other"),
            ("path = '/%61'\ncoins = 2", "than those of the entry in line 3"),
            ("path =", "prices.toml:7:"),
        ] {
            let error = error(&entry(lines));
            assert!(error.contains(says), "expected {says:?} in {error:?}");
        }
        for (text, says) in [
            ("", "prices.toml: missing key `price`"),
            ("price = []", "prices.toml:1:9: price: expected 1 to 10000 entries, found 0"),
            ("prices = []", "prices.toml:1:1: unknown key `prices`"),
            ("[price]\npath = '/'", "prices.toml:1:1: price: expected [[price]] before each entry"),
        ] {
            assert!(error(text).contains(says), "{}", error(text));
        }
    }

    #[test]
    fn amounts_are_rounded_up_to_base_coins() {
        let text = "
            [[price]]
            path = '/a'
            money = '0.025 USD'
            verified-bots = '0 USD'
            unknown-bots = 4
            [[price]]
            path = '/b'
            coins = 1
        ";
        let list = PriceList::parse(text, &roots(), "0.01 USD".parse().ok()).unwrap();
        let prices: Vec<[u32; 3]> = list
            .entries()
            .map(|entry| [entry.coins, entry.verified_bots, entry.unknown_bots])
            .collect();
        assert_eq!(prices, [[3, 0, 4], [1, 1, 1]]);
        let other = PriceList::parse(text, &roots(), "0.01 EUR".parse().ok()).unwrap_err();
        let says = "line 4, column 21: money: expected a price in EUR, as coin-value, found";
        assert!(other.to_string().contains(says), "{other}");
    }

    #[test]
    fn entries_differ_in_path_or_conditions() {
        for (other, is_same) in [
            ("path = '/a/{x}'", true),
            ("path = '/a/{y}'", true),
            ("path = '/a/{x}/'", false),
            ("path = '/a/{*x}'", false),
            ("path = '/a/{x}'\nquery = 'p'", false),
            ("path = '/a/{x}'\nhosts = 'news.example'", false),
            ("path = '/a/{x}'\nsuffix = '.pdf'", false),
        ] {
            let text =
                format!("[[price]]\npath = '/a/{{x}}'\ncoins = 1\n[[price]]\n{other}\ncoins = 1");
            assert_eq!(parse(&text).is_err(), is_same, "{other}");
        }
        let text = "price = [{path='/a', coins=1, query=['a', 'b']}, {path='/a', coins=1, query=['b', 'a']}]";
        assert!(
            error(text).contains("expected another path"),
            "in whatever order they are written"
        );
    }

    #[test]
    fn every_bound_is_kept_and_nothing_past_it() {
        let entries = |count: usize| -> String {
            (0..count).map(|number| format!("[[price]]\npath='/{number}'\ncoins=1\n")).collect()
        };
        assert_eq!(parse(&entries(PRICE_LIST_ENTRIES_MAX)).unwrap().len(), PRICE_LIST_ENTRIES_MAX);
        let found = error(&entries(PRICE_LIST_ENTRIES_MAX + 1));
        assert!(found.contains("expected 1 to 10000 entries, found 10001"), "{found}");

        let sized = |size: u64| {
            let text = entries(1);
            let rest = size as usize - text.len();
            format!("{text}#{}", "x".repeat(rest - 1))
        };
        assert!(parse(&sized(PRICE_LIST_SIZE_MAX)).is_ok());
        let found = error(&sized(PRICE_LIST_SIZE_MAX + 1));
        assert!(found.contains("expected at most 1048576 bytes, found 1048577"), "{found}");

        let conditions = |count: usize| {
            let all: Vec<String> = (0..count).map(|number| format!("'q{number}'")).collect();
            format!("price = [{{ path = '/', coins = 1, query = [{}] }}]", all.join(", "))
        };
        assert!(parse(&conditions(CONDITIONS_MAX)).is_ok());
        assert!(
            error(&conditions(CONDITIONS_MAX + 1)).contains("expected 1 to 64 values, found 65")
        );
    }
}
