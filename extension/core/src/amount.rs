//! Amounts as data. The pages of the extension put them into the words of the browser's language.
//!
//! Input: a number of coins and what one of them is worth. Output: JSON. The invariant: no digit is
//! lost, so an amount of money is a text and not a number of JavaScript.

use micromint::money::Money;
use serde::Serialize;

/// An amount of money, such as `{"amount": "0.03", "currency": "USD"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Worth {
    /// The printed form of [`Money::amount`]: at most 8 decimals, no trailing zeros.
    pub amount: String,
    /// The code of the currency.
    pub currency: String,
}

/// A number of coins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// The number.
    pub coins: u32,
    /// What they are worth together; none if that does not fit.
    pub worth: Option<Worth>,
}

impl Worth {
    /// What `coins` of this value are worth together; none past the range of [`Money`].
    pub fn of_coins(coins: u32, value: Money) -> Option<Worth> {
        value.checked_mul(coins.into()).map(Worth::from)
    }
}

impl From<Money> for Worth {
    fn from(money: Money) -> Worth {
        Worth { amount: money.amount(), currency: money.currency().to_string() }
    }
}

impl Amount {
    /// This many coins of this value.
    pub fn new(coins: u32, value: Money) -> Amount {
        Amount { coins, worth: Worth::of_coins(coins, value) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_keep_every_digit() {
        let amount = |coins, value: &str| json!(Amount::new(coins, value.parse().unwrap()));
        let worth = |amount, currency| json!({"amount": amount, "currency": currency});
        assert_eq!(amount(312, "0.01 USD"), json!({"coins": 312, "worth": worth("3.12", "USD")}));
        assert_eq!(amount(1, "0.0001 EUR")["worth"], worth("0.0001", "EUR"));
        assert_eq!(amount(0, "0.01 XTS")["worth"], worth("0", "XTS"));
        let largest = "184467440737.09551615 XXX";
        assert_eq!(amount(1, largest)["worth"], worth("184467440737.09551615", "XXX"));
        assert_eq!(amount(2, largest), json!({"coins": 2, "worth": null}));
    }
}
