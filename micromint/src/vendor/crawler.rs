//! The header fields of pay per crawl: a crawler learns the price in money, and limits what it
//! pays.
//!
//! Input: the fields `Crawler-Exact-Price` and `Crawler-Max-Price` of a request, and what is owed.
//! Output: the values of `Crawler-Price`, `Crawler-Charged` and `Crawler-Error`, as Cloudflare's
//! pay per crawl has them. The invariants: the fields pay nothing, coins do; no coin is taken from
//! a request whose limit does not allow it.

use super::offer::Offer;
use super::request::Request;
use crate::money::Money;
use crate::protocol::{CRAWLER_EXACT_HEADER, CRAWLER_MAX_HEADER, Payment};

/// The answer header field with the price of a page in money.
pub(super) const CRAWLER_PRICE_HEADER: &str = "Crawler-Price";
/// The answer header field with what a request was charged.
pub(super) const CRAWLER_CHARGED_HEADER: &str = "Crawler-Charged";
/// The answer header field that says what is wrong with the fields of the request.
pub(super) const CRAWLER_ERROR_HEADER: &str = "Crawler-Error";
/// The longest value of a price field, in bytes.
const PRICE_LEN_MAX: usize = 64;

/// What is wrong with a crawler's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CrawlerError {
    /// Both fields, or one of them twice.
    Conflicting,
    /// A value is not an amount such as `USD 0.01`.
    Value,
    /// The price is another one than the exact one.
    Exact,
    /// The price is higher than the highest one.
    Max,
}

/// A crawler's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CrawlerLimit {
    /// It pays this price and no other.
    Exact(Money),
    /// It pays at most this price.
    Max(Money),
}

impl CrawlerError {
    /// The word in `Crawler-Error`.
    pub(super) fn word(self) -> &'static str {
        match self {
            CrawlerError::Conflicting => "ConflictingPriceHeaders",
            CrawlerError::Value => "InvalidCrawlerPriceValue",
            CrawlerError::Exact => "InvalidCrawlerExactPrice",
            CrawlerError::Max => "InvalidCrawlerMaxPrice",
        }
    }

    /// A sentence for people.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            CrawlerError::Conflicting => {
                "A request has at most one of Crawler-Exact-Price and Crawler-Max-Price, once."
            }
            CrawlerError::Value => "A price is a currency and an amount, such as USD 0.01.",
            CrawlerError::Exact => "The price is not the one in Crawler-Exact-Price.",
            CrawlerError::Max => "The price is higher than the one in Crawler-Max-Price.",
        }
    }
}

impl CrawlerLimit {
    /// The limit in a request, if there is one.
    pub(super) fn of(request: &Request<'_>) -> Result<Option<CrawlerLimit>, CrawlerError> {
        let mut found = None;
        for (name, value) in request.headers {
            const MAX_LEN: usize = CRAWLER_MAX_HEADER.len();
            const EXACT_LEN: usize = CRAWLER_EXACT_HEADER.len();
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            // Lengths first: they rule out most fields.
            let limit: fn(Money) -> CrawlerLimit = match name.len() {
                MAX_LEN if is(CRAWLER_MAX_HEADER) => CrawlerLimit::Max,
                EXACT_LEN if is(CRAWLER_EXACT_HEADER) => CrawlerLimit::Exact,
                _ => continue,
            };
            if found.is_some() {
                return Err(CrawlerError::Conflicting);
            }
            found = Some(limit(amount(value).ok_or(CrawlerError::Value)?));
        }
        Ok(found)
    }

    /// What forbids to pay `price`.
    fn fault(self, price: Money) -> Option<CrawlerError> {
        match self {
            CrawlerLimit::Exact(exact) => (exact != price).then_some(CrawlerError::Exact),
            CrawlerLimit::Max(max) => {
                let is_within = max.currency() == price.currency() && price.units() <= max.units();
                (!is_within).then_some(CrawlerError::Max)
            }
        }
    }
}

/// What in a request forbids to take what the page costs, or the coins of a payment, which may be
/// more.
pub(super) fn fault(
    request: &Request<'_>,
    offer: &Offer,
    payment: Option<&Payment>,
) -> Option<CrawlerError> {
    let limit = match CrawlerLimit::of(request) {
        Ok(limit) => limit?,
        Err(error) => return Some(error),
    };
    let price = |payment: &Payment| {
        let price = offer.request.price_in(&payment.period)?;
        Some((price.coin_value, payment.coins.max(price.coins)))
    };
    let least = || offer.first().map(|first| (first.coin_value, first.coins));
    let (value, coins) = payment.and_then(price).or_else(least)?;
    match value.checked_mul(coins.into()) {
        Some(price) => limit.fault(price),
        // More than any limit can be.
        None => Some(CrawlerError::Max),
    }
}

/// The value of `Crawler-Price` for an offer.
pub(super) fn price(offer: &Offer) -> Option<String> {
    offer.money().map(printed)
}

/// The value of `Crawler-Charged` for a request with a limit that was charged `money`.
pub(super) fn charged(request: &Request<'_>, money: Money) -> Option<String> {
    let limit = CrawlerLimit::of(request).ok()?;
    limit.map(|_| printed(money))
}

/// An amount as in `USD 0.01`, with at least two decimals.
fn printed(money: Money) -> String {
    let amount = money.amount();
    let decimals = amount.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let more = match decimals {
        0 => ".00",
        1 => "0",
        _ => "",
    };
    format!("{} {amount}{more}", money.currency())
}

/// The amount in a value such as `USD 0.01`.
fn amount(value: &[u8]) -> Option<Money> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= PRICE_LEN_MAX)?;
    let (currency, amount) = text.trim_matches([' ', '\t']).split_once(' ')?;
    format!("{amount} {currency}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn limit(fields: &[(&str, &str)]) -> Result<Option<CrawlerLimit>, CrawlerError> {
        let headers: Vec<(&[u8], &[u8])> =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        CrawlerLimit::of(&Request { headers: &headers, ..Request::default() })
    }

    #[test]
    fn one_limit_is_read_and_no_second_one() {
        let (max, exact) = ("crawler-max-price", "Crawler-Exact-Price");
        assert_eq!(limit(&[("Accept", "*/*")]), Ok(None));
        let cent = money("0.01 USD");
        assert_eq!(limit(&[(max, "USD 0.01")]), Ok(Some(CrawlerLimit::Max(cent))));
        assert_eq!(limit(&[(exact, " USD 0.010 ")]), Ok(Some(CrawlerLimit::Exact(cent))));
        for both in [[(max, "USD 1"), (exact, "USD 1")], [(max, "USD 1"), (max, "USD 1")]] {
            assert_eq!(limit(&both), Err(CrawlerError::Conflicting));
        }
        for value in ["", "0.01", "usd 0.01", "0.01 USD", "USD  1", "USD -1", "USD 1, USD 2"] {
            assert_eq!(limit(&[(max, value)]), Err(CrawlerError::Value), "{value:?}");
        }
        let padded = |length: usize| format!("USD 1{}", " ".repeat(length - 5));
        assert!(limit(&[(max, &padded(PRICE_LEN_MAX))]).is_ok());
        assert_eq!(limit(&[(max, &padded(PRICE_LEN_MAX + 1))]), Err(CrawlerError::Value));
    }

    #[test]
    fn a_limit_allows_a_price_of_its_currency() {
        for (limit, price, expected) in [
            (CrawlerLimit::Max(money("0.03 USD")), "0.03 USD", None),
            (CrawlerLimit::Max(money("0.03 USD")), "0.01 USD", None),
            (CrawlerLimit::Max(money("0.03 USD")), "0.04 USD", Some(CrawlerError::Max)),
            (CrawlerLimit::Max(money("0.03 USD")), "0.03 EUR", Some(CrawlerError::Max)),
            (CrawlerLimit::Exact(money("0.03 USD")), "0.03 USD", None),
            (CrawlerLimit::Exact(money("0.03 USD")), "0.02 USD", Some(CrawlerError::Exact)),
            (CrawlerLimit::Exact(money("0.03 USD")), "0.03 EUR", Some(CrawlerError::Exact)),
        ] {
            assert_eq!(limit.fault(money(price)), expected, "{limit:?} {price}");
        }
    }

    #[test]
    fn amounts_have_two_decimals_or_more() {
        for (amount, expected) in [
            ("1 USD", "USD 1.00"),
            ("0.5 USD", "USD 0.50"),
            ("0.03 EUR", "EUR 0.03"),
            ("0.0001 EUR", "EUR 0.0001"),
        ] {
            assert_eq!(printed(money(amount)), expected);
        }
    }
}
