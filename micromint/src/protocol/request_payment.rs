//! Request-Payment: what a page costs and how to pay for it, from vendor to client.
//!
//! `Price` and `Coin-Value` have one item that holds for all periods, or one for each of them.

use super::frame::Printer;
use super::text::TEXT_LEN_MAX;
use super::{COINS_PER_PAYMENT_MAX, Frame, MessageError, Url, parse_decimal};
use crate::error::clip;
use crate::identity::VendorId;
use crate::money::{Money, coins_worth};
use crate::params::BROKER_LEN_MAX;
use crate::period::Period;

/// The largest number of periods that a vendor accepts at a time.
pub const PERIODS_PER_REQUEST_MAX: usize = 16;
/// The largest Request-Payment message, in bytes.
const SIZE_MAX: usize = 32 * 1024;

const PRICE: &str = "Price";
const PERIOD: &str = "Period";
const COIN_VALUE: &str = "Coin-Value";
const DESCRIPTION: &str = "Description";
/// The header of a description that is not ASCII.
const DESCRIPTION_UTF8: &str = "Description-UTF-8";

/// What a page costs in coins of one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodPrice {
    /// The period.
    pub period: Period,
    /// The price in its coins, 1 to [`COINS_PER_PAYMENT_MAX`].
    pub coins: u32,
    /// What one of its coins is worth, as the vendor says: a client compares it with its own coins.
    pub coin_value: Money,
}

/// A vendor's price for a page.
///
/// ```
/// use micromint::protocol::{PeriodPrice, RequestPayment};
///
/// let request = RequestPayment {
///     url: "https://news.example/story".parse()?,
///     vendor: "news.example".parse()?,
///     prices: vec![
///         PeriodPrice::new("2026-12".parse()?, 41, "0.0001 USD".parse()?),
///         PeriodPrice::new("2026-12-large".parse()?, 2, "0.004 USD".parse()?),
///     ],
///     broker: "https://broker.example/".to_string(),
///     description: "News of the day".to_string(),
/// };
/// assert_eq!(RequestPayment::parse(&request.to_bytes())?, request);
/// assert_eq!(request.in_words(), "41 coins (0.0041 USD) or 2 coins (0.008 USD)");
/// let over = request.over(&"2026-12-large".parse()?);
/// assert_eq!(over.map(|money| money.to_string()), Some("0.0039 USD".to_string()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPayment {
    /// The page.
    pub url: Url,
    /// The payee.
    pub vendor: VendorId,
    /// Its price in coins of each accepted period, 1 to [`PERIODS_PER_REQUEST_MAX`], in the
    /// vendor's order of preference. A payment has coins of one of them.
    pub prices: Vec<PeriodPrice>,
    /// The URL of the broker of those periods; for people, never contacted because a vendor named
    /// it.
    pub broker: String,
    /// What is sold, for people; may be empty.
    pub description: String,
}

impl PeriodPrice {
    /// A price of `coins` coins of a period, each of which is worth `coin_value`.
    pub const fn new(period: Period, coins: u32, coin_value: Money) -> PeriodPrice {
        PeriodPrice { period, coins, coin_value }
    }

    /// The price in money; `None` if it does not fit in a [`Money`].
    pub fn money(&self) -> Option<Money> {
        self.coin_value.checked_mul(self.coins.into())
    }

    /// Whether it is in coins of the same value as another price, and as high.
    fn is_like(&self, other: &PeriodPrice) -> bool {
        (self.coins, self.coin_value) == (other.coins, other.coin_value)
    }

    /// How high it is. Prices in the currency of `first` come before others.
    pub(crate) fn rank(&self, first: &PeriodPrice) -> (bool, u64, u32) {
        let is_other = self.coin_value.currency() != first.coin_value.currency();
        (is_other, self.money().map_or(u64::MAX, Money::units), self.coins)
    }
}

impl RequestPayment {
    /// Parses a Request-Payment.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse(text: &[u8]) -> Result<RequestPayment, MessageError> {
        RequestPayment::from_frame(&Frame::parse(text, SIZE_MAX)?)
    }

    /// The price in coins of a period, if they are accepted.
    pub fn price_in(&self, period: &Period) -> Option<&PeriodPrice> {
        self.prices.iter().find(|price| price.period == *period)
    }

    /// The lowest price in money, in the currency of the first price; of equal ones the one in the
    /// fewest coins. `None` only for a request without any price, which no message is.
    pub fn least(&self) -> Option<&PeriodPrice> {
        let first = self.prices.first()?;
        self.prices.iter().min_by_key(|price| price.rank(first))
    }

    /// How much more a payment in coins of this period costs than the lowest price; `None` if it
    /// costs no more, the currencies differ, or the period is not accepted.
    pub fn over(&self, period: &Period) -> Option<Money> {
        let (least, price) = (self.least()?.money()?, self.price_in(period)?.money()?);
        let units = price.units().checked_sub(least.units()).filter(|units| *units > 0)?;
        (price.currency() == least.currency()).then(|| Money::new(units, price.currency()))
    }

    /// The price for people, such as `3 coins (0.03 USD)`, with an `or` between prices that differ.
    pub fn in_words(&self) -> String {
        let mut all: Vec<&PeriodPrice> = Vec::new();
        for price in &self.prices {
            if !all.iter().any(|other| other.is_like(price)) {
                all.push(price);
            }
        }
        let words = all.iter().map(|price| coins_worth(price.coins.into(), price.coin_value));
        words.collect::<Vec<_>>().join(" or ")
    }

    /// The names of the accepted periods.
    pub fn periods(&self) -> impl Iterator<Item = &Period> {
        self.prices.iter().map(|price| &price.period)
    }

    /// Whether the price is the same number of coins of one value for all periods.
    pub(crate) fn has_one_price(&self) -> bool {
        self.prices.iter().all(|price| price.is_like(&self.prices[0]))
    }

    fn from_frame(frame: &Frame<'_>) -> Result<RequestPayment, MessageError> {
        frame.expect_type("Request-Payment")?;
        Ok(RequestPayment {
            url: frame.parsed("URL")?,
            vendor: frame.parsed("Vendor-ID")?,
            prices: prices_from(frame)?,
            broker: frame.text("Broker", BROKER_LEN_MAX)?,
            description: frame.text_or_utf8(DESCRIPTION, DESCRIPTION_UTF8, TEXT_LEN_MAX)?,
        })
    }

    /// Prints the message. Characters that texts for people cannot contain are omitted or shown as
    /// `?`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let shown = if self.has_one_price() { 1 } else { self.prices.len() };
        let shown = &self.prices[..shown.min(self.prices.len())];
        let head = Printer::new("Request-Payment")
            .header("URL", &self.url)
            .header(PRICE, listed(shown.iter().map(|price| price.coins)))
            .header("Vendor-ID", &self.vendor)
            .header(PERIOD, listed(self.periods()))
            .people("Broker", &self.broker, BROKER_LEN_MAX)
            .header(COIN_VALUE, listed(shown.iter().map(|price| price.coin_value)));
        if self.description.trim().is_empty() {
            return head.end();
        }
        let description = &self.description;
        head.people_or_utf8(DESCRIPTION, DESCRIPTION_UTF8, description, TEXT_LEN_MAX).end()
    }
}

fn listed<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn prices_from(frame: &Frame<'_>) -> Result<Vec<PeriodPrice>, MessageError> {
    let periods: Vec<Period> = items(PERIOD, frame.need(PERIOD)?, |name| {
        name.parse().map_err(|error: crate::period::PeriodError| error.to_string())
    })?;
    let coins = items(PRICE, frame.need(PRICE)?, price_from)?;
    let values: Vec<Money> = items(COIN_VALUE, frame.need(COIN_VALUE)?, |value| {
        value.parse().map_err(|error: crate::money::MoneyError| error.to_string())
    })?;
    for (name, found) in [(PRICE, coins.len()), (COIN_VALUE, values.len())] {
        if found != 1 && found != periods.len() {
            let expected = periods.len();
            let why = format!("expected one for all periods or {expected}, found {found}");
            return Err(MessageError::Header { name: name.to_string(), why });
        }
    }
    let prices = periods.into_iter().enumerate().map(|(at, period)| PeriodPrice {
        period,
        coins: coins[at.min(coins.len() - 1)],
        coin_value: values[at.min(values.len() - 1)],
    });
    Ok(prices.collect())
}

fn price_from(text: &str) -> Result<u32, String> {
    let price = parse_decimal(text).and_then(|price| u32::try_from(price).ok());
    price.filter(|price| (1..=COINS_PER_PAYMENT_MAX).contains(price)).ok_or_else(|| {
        format!("expected a number from 1 to {COINS_PER_PAYMENT_MAX}, found {:?}", clip(text))
    })
}

/// The items of a header with commas between them, at least one.
fn items<T>(
    header: &str,
    text: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, MessageError> {
    let wrong = |why: String| MessageError::Header { name: header.to_string(), why };
    let items: Result<Vec<T>, String> = text.split(',').map(|item| read(item.trim())).collect();
    let items = items.map_err(wrong)?;
    if items.len() > PERIODS_PER_REQUEST_MAX {
        let found = items.len();
        return Err(wrong(format!("expected at most {PERIODS_PER_REQUEST_MAX}, found {found}")));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_VALUES: &str = "MicroMint-1.0\r\nRequest-Payment\r\nURL: https://a.example/\r\n\
        Price: 41, 2\r\nVendor-ID: a.example\r\nPeriod: small, large\r\n\
        Broker: https://broker.example/\r\nCoin-Value: 0.0001 USD, 0.004 USD\r\n\
        End-MicroMint\r\n";

    fn read(text: &str) -> Result<RequestPayment, MessageError> {
        RequestPayment::parse(text.as_bytes())
    }

    #[test]
    fn a_price_stands_for_all_periods_or_for_each() {
        let request = read(TWO_VALUES).unwrap();
        assert_eq!(request.to_bytes(), TWO_VALUES.as_bytes());
        let price = |period: &str, coins, value: &str| {
            PeriodPrice::new(period.parse().unwrap(), coins, value.parse().unwrap())
        };
        assert_eq!(request.prices[0], price("small", 41, "0.0001 USD"));
        assert_eq!(request.prices[1], price("large", 2, "0.004 USD"));
        let one = TWO_VALUES.replace("41, 2", "7").replace("0.0001 USD, 0.004 USD", "0.01 USD");
        let request = read(&one).unwrap();
        assert_eq!(request.prices[1], price("large", 7, "0.01 USD"));
        assert_eq!(request.to_bytes(), one.as_bytes());
        // One of the two may stand for all.
        let mixed = read(&TWO_VALUES.replace("41, 2", "7")).unwrap();
        assert_eq!(mixed.prices[1], price("large", 7, "0.004 USD"));
        assert!(String::from_utf8(mixed.to_bytes()).unwrap().contains("Price: 7, 7\r\n"));
        for (what, with, says) in [
            ("41, 2", "41, 2, 2", "Price: expected one for all periods or 2, found 3"),
            ("41, 2", "0, 2", "expected a number from 1 to 500, found \"0\""),
            ("41, 2", "501", "expected a number from 1 to 500, found \"501\""),
            ("41, 2", "41,", "expected a number from 1 to 500, found \"\""),
            (", 0.004 USD", ", 0.004 USD, 1 USD", "Coin-Value: expected one for all"),
            ("small, large", "small", "Price: expected one for all periods or 1, found 2"),
        ] {
            let error = read(&TWO_VALUES.replace(what, with)).unwrap_err().to_string();
            assert!(error.contains(says), "{with}: {error}");
        }
        let many = |count: usize| vec!["p"; count].join(", ");
        let one = one.replace("small, large", &many(PERIODS_PER_REQUEST_MAX));
        assert_eq!(read(&one).unwrap().prices.len(), PERIODS_PER_REQUEST_MAX);
        let past = one.replace("Period: p", "Period: p, p");
        assert!(read(&past).unwrap_err().to_string().contains("at most 16, found 17"));
    }

    #[test]
    fn the_least_price_is_found_and_what_others_cost_more() {
        let request = read(TWO_VALUES).unwrap();
        let [small, large] = ["small", "large"].map(|name| name.parse().unwrap());
        assert_eq!(request.least().unwrap().period, small);
        assert_eq!(request.over(&large).unwrap().to_string(), "0.0039 USD");
        assert_eq!(request.over(&small), None);
        assert_eq!(request.over(&"other".parse().unwrap()), None);
        // Of equal prices the one in the fewest coins.
        let equal = read(&TWO_VALUES.replace("41, 2", "40, 1")).unwrap();
        assert_eq!((equal.least().unwrap().coins, equal.over(&small)), (1, None));
        // Another currency cannot be compared.
        let other = read(&TWO_VALUES.replace("0.004 USD", "0.00000001 EUR")).unwrap();
        assert_eq!((&other.least().unwrap().period, other.over(&large)), (&small, None));
    }
}
