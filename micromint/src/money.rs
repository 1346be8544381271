//! Exact amounts of money: the value of a coin, a price, a balance.
//!
//! Input: text such as `0.0001 EUR`. Output: a whole number of units of 10^-8 of a currency; and
//! the reverse. The invariant: nothing is rounded. An amount that does not fit is refused, and each
//! amount has one printed form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::clip;
use crate::protocol::parse_decimal;

/// The decimals of an amount: a unit is 10^-8 of the currency.
pub(crate) const MONEY_DECIMALS: usize = 8;
/// The number of units in one of the currency, such as one euro.
pub(crate) const UNITS_PER_ONE: u64 = 100_000_000;
/// The longest printed amount, in bytes: `184467440737.09551615 EUR`.
#[cfg(any(feature = "mint", test))]
pub(crate) const MONEY_LEN_MAX: usize = 25;

/// The code of a currency: three letters A-Z (ISO 4217).
///
/// The list of assigned codes changes, so it is not checked. Two codes of the standard are for
/// amounts that are not money: [`Currency::TEST`] and [`Currency::NONE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// An amount of money in units of 10^-8 of a currency, 0 to 2^64 - 1 units.
///
/// It is printed as a decimal number without trailing zeros, a space and the code of the currency.
/// Reading accepts trailing zeros, at most 8 decimals, and nothing else: no sign, no leading
/// zeros, no thousands separators.
///
/// ```
/// use micromint::money::{Currency, Money};
///
/// let coin: Money = "0.0001 EUR".parse()?;
/// assert_eq!(coin, Money::new(10_000, "EUR".parse()?));
/// let price = coin.checked_mul(250).ok_or("more than 2^64 - 1 units")?;
/// assert_eq!(price.to_string(), "0.025 EUR");
/// assert_eq!(coin.checked_mul(u64::MAX), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    units: u64,
    currency: Currency,
}

/// The text is not an amount of money.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an amount with at most {MONEY_DECIMALS} decimals and a currency code, such as \
     0.0001 EUR, found {0:?}"
)]
pub struct MoneyError(String);

/// The text is not the code of a currency.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a currency code of three letters A-Z (ISO 4217), found {0:?}")]
pub struct CurrencyError(String);

/// A number of coins in words: `1 coin`, `3 coins`.
pub fn coins(number: u64) -> String {
    format!("{number} {}", if number == 1 { "coin" } else { "coins" })
}

/// A number of coins of this value in words: `30 coins (0.30 USD)`; without the sum if that does
/// not fit.
pub fn coins_worth(number: u64, value: Money) -> String {
    match value.checked_mul(number) {
        Some(sum) => format!("{} ({})", coins(number), sum.in_words()),
        None => coins(number),
    }
}

/// An amount that may be negative, in units of 10^-8, as [`Money::in_words`]: `-0.90 EUR`.
pub fn signed_in_words(units: i128, currency: Currency) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = u64::try_from(units.unsigned_abs()).unwrap_or(u64::MAX);
    format!("{sign}{}", Money::new(units, currency).in_words())
}

impl Currency {
    /// `XTS`, which ISO 4217 reserves for tests: the currency of coins that are worth nothing.
    pub const TEST: Currency = Currency(*b"XTS");
    /// `XXX`, "no currency" in ISO 4217.
    pub const NONE: Currency = Currency(*b"XXX");

    /// The three letters.
    pub fn as_str(&self) -> &str {
        // `new` and `FromStr` admit only ASCII letters, so the text is always valid.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Money {
    /// No money: `0 XXX`.
    pub const NONE: Money = Money { units: 0, currency: Currency::NONE };

    /// An amount of `units` times 10^-8 of a currency.
    pub const fn new(units: u64, currency: Currency) -> Money {
        Money { units, currency }
    }

    /// The amount in units of 10^-8 of the currency.
    pub fn units(self) -> u64 {
        self.units
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The amount in the currency's units, without the currency: `0.03`.
    pub fn amount(self) -> String {
        let (whole, fraction) = (self.units / UNITS_PER_ONE, self.units % UNITS_PER_ONE);
        if fraction == 0 {
            return whole.to_string();
        }
        let decimals = format!("{fraction:0width$}", width = MONEY_DECIMALS);
        format!("{whole}.{}", decimals.trim_end_matches('0'))
    }

    /// The amount as people write it, with at least two decimals: `0.30 EUR`, `0.0001 EUR`. It can
    /// be read back. Files and messages have the printed form, which is without trailing zeros.
    pub fn in_words(self) -> String {
        let amount = self.amount();
        let (whole, decimals) = amount.split_once('.').unwrap_or((&amount, ""));
        format!("{whole}.{decimals:0<2} {}", self.currency)
    }

    /// The amount times `count`, such as the value of `count` coins; `None` past 2^64 - 1 units.
    pub fn checked_mul(self, count: u64) -> Option<Money> {
        let units = self.units.checked_mul(count)?;
        Some(Money { units, ..self })
    }

    /// The sum of two amounts; `None` if they are in different currencies, or past 2^64 - 1 units.
    pub fn checked_add(self, other: Money) -> Option<Money> {
        let units = self.units.checked_add(other.units)?;
        (self.currency == other.currency).then_some(Money { units, ..self })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        let code = <[u8; 3]>::try_from(text.as_bytes()).ok();
        code.filter(|code| code.iter().all(u8::is_ascii_uppercase))
            .map(Currency)
            .ok_or_else(|| CurrencyError(clip(text)))
    }
}

impl fmt::Display for Money {
    /// Prints the amount without trailing zeros, such as `0.01 USD` or `1 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

/// An amount of money in JSON, for programs: `{"amount":"0.03","currency":"USD"}`. The amount is a
/// decimal number of the currency's units, in its printed form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MoneyJson {
    amount: String,
    currency: String,
}

impl From<Money> for MoneyJson {
    fn from(money: Money) -> MoneyJson {
        MoneyJson { amount: money.amount(), currency: money.currency.to_string() }
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let read = || {
            let (amount, currency) = text.split_once(' ')?;
            Some(Money { units: units(amount)?, currency: currency.parse().ok()? })
        };
        read().ok_or_else(|| MoneyError(clip(text)))
    }
}

/// The units of an amount such as `12.5`; `None` if it is not one or does not fit.
fn units(amount: &str) -> Option<u64> {
    let (whole, decimals) = match amount.split_once('.') {
        Some((whole, decimals)) => (whole, decimals),
        None => (amount, "0"),
    };
    let is_decimal = decimals.bytes().all(|c| c.is_ascii_digit());
    if !(1..=MONEY_DECIMALS).contains(&decimals.len()) || !is_decimal {
        return None;
    }
    let fraction: u64 = format!("{decimals:0<width$}", width = MONEY_DECIMALS).parse().ok()?;
    parse_decimal(whole)?.checked_mul(UNITS_PER_ONE)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Money, MoneyError> {
        text.parse()
    }

    #[test]
    fn people_read_at_least_two_decimals() {
        for (text, units, words) in [
            ("0 XTS", 0, "0.00 XTS"),
            ("0.3 XTS", 30_000_000, "0.30 XTS"),
            ("5 EUR", 500_000_000, "5.00 EUR"),
            ("0.0001 EUR", 10_000, "0.0001 EUR"),
        ] {
            let money = read(text).unwrap();
            assert_eq!((money.in_words(), read(words)), (words.to_string(), Ok(money)));
            assert_eq!(signed_in_words(units, money.currency()), words);
            let negative = if units == 0 { words.to_string() } else { format!("-{words}") };
            assert_eq!(signed_in_words(-units, money.currency()), negative);
        }
        let all = signed_in_words(i128::MIN, "EUR".parse().unwrap());
        assert_eq!(all, "-184467440737.09551615 EUR");
        assert_eq!(coins_worth(30, read("0.01 USD").unwrap()), "30 coins (0.30 USD)");
    }

    #[test]
    fn amounts_are_exact_and_printed_in_one_form() {
        for (text, units, printed) in [
            ("0.01 USD", 1_000_000, "0.01 USD"),
            ("0.0001 EUR", 10_000, "0.0001 EUR"),
            ("0.00000001 XTS", 1, "0.00000001 XTS"),
            ("1 EUR", 100_000_000, "1 EUR"),
            ("1.0 EUR", 100_000_000, "1 EUR"),
            ("0.50 EUR", 50_000_000, "0.5 EUR"),
            ("10.10000000 JPY", 1_010_000_000, "10.1 JPY"),
            ("0 XXX", 0, "0 XXX"),
            ("0.00000000 XXX", 0, "0 XXX"),
            ("184467440737.09551615 EUR", u64::MAX, "184467440737.09551615 EUR"),
        ] {
            let money = read(text).unwrap();
            assert_eq!((money.units(), money.to_string().as_str()), (units, printed));
            assert_eq!(printed.split(' ').next(), Some(money.amount().as_str()));
        }
        assert_eq!(Money::NONE.to_string(), "0 XXX");
        let longest = Money::new(u64::MAX, Currency::TEST);
        assert_eq!(longest.to_string().len(), MONEY_LEN_MAX);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "1",
            "EUR",
            "1EUR",
            " 1 EUR",
            "1  EUR",
            "1 EUR ",
            "1 eur",
            "1 EURO",
            "1 EU",
            "1 \u{20ac}",
            "1 \u{c4}A",
            "01 EUR",
            "00.1 EUR",
            ".1 EUR",
            "1. EUR",
            "1.+1 EUR",
            "1,5 EUR",
            "1.5.5 EUR",
            "-1 EUR",
            "+1 EUR",
            "1e3 EUR",
            "0.000000001 EUR",
            "0.000000000 EUR",
            "184467440737.09551616 EUR",
            "184467440738 EUR",
        ] {
            assert_eq!(read(text), Err(MoneyError(text.to_string())), "{text:?}");
        }
        let error = "Euro".parse::<Currency>().unwrap_err().to_string();
        assert!(error.contains("three letters A-Z") && error.contains("\"Euro\""), "{error}");
    }

    #[test]
    fn the_last_product_that_fits_is_given_and_none_past_it() {
        let cent: Money = "0.01 USD".parse().unwrap();
        assert_eq!(cent.checked_mul(0).unwrap().to_string(), "0 USD");
        assert_eq!(cent.checked_mul(500).unwrap().to_string(), "5 USD");
        let most = u64::MAX / 1_000_000;
        assert_eq!(cent.checked_mul(most).unwrap().units(), most * 1_000_000);
        assert_eq!(cent.checked_mul(most + 1), None);
    }

    #[test]
    fn amounts_of_one_currency_are_added_up_to_the_last_that_fits() {
        let cent = read("0.01 USD").unwrap();
        assert_eq!(cent.checked_add(cent), read("0.02 USD").ok());
        assert_eq!(cent.checked_add(read("0.01 EUR").unwrap()), None);
        let most = Money::new(u64::MAX - 1_000_000, cent.currency());
        let last = most.checked_add(cent).unwrap();
        assert_eq!(last.units(), u64::MAX);
        assert_eq!(last.checked_add(Money::new(1, cent.currency())), None);
    }

    #[test]
    fn coins_are_counted_in_words() {
        let cent: Money = "0.01 USD".parse().unwrap();
        assert_eq!((coins(0).as_str(), coins(1).as_str()), ("0 coins", "1 coin"));
        assert_eq!(coins_worth(3, cent), "3 coins (0.03 USD)");
        assert_eq!(coins_worth(u64::MAX, cent), "18446744073709551615 coins");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(units: u64, code in "[A-Z]{3}") {
            let money = Money::new(units, code.parse().unwrap());
            prop_assert_eq!(read(&money.to_string()).unwrap(), money);
        }

        #[test]
        fn any_text_is_an_amount_or_an_error(text in "[0-9.]{0,24} ?[A-Z]{0,4}") {
            if let Ok(money) = read(&text) {
                prop_assert_eq!(read(&money.to_string()).unwrap(), money);
            }
        }
    }
}
