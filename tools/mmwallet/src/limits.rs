//! What the owner allows: the options and settings that become a [`Policy`].
//!
//! Input: options of the command line, and the settings. Output: a policy. An option takes
//! precedence over its setting. Amounts are numbers of coins, or money.

use std::fmt;
use std::str::FromStr;

use clap::Args;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use micromint::money::{Money, coins};
use micromint::wallet::{Limits, Policy, Purpose};
use micromint_console::ToolError;

use crate::settings::{DAILY_LIMIT_DEFAULT, Settings};

/// A number of coins, or an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Coins, of whatever value.
    Coins(u32),
    /// Money.
    Money(Money),
}

impl Amount {
    /// The amount as the value of an option.
    pub(crate) fn to_option(self) -> String {
        match self {
            Amount::Coins(number) => number.to_string(),
            Amount::Money(money) => money.to_string(),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Coins(number) => f.write_str(&coins((*number).into())),
            Amount::Money(money) => money.fmt(f),
        }
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Amount, String> {
        let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let found = if is_number {
            text.parse().ok().map(Amount::Coins)
        } else {
            text.parse().ok().map(Amount::Money)
        };
        found.ok_or_else(|| format!("{EXPECTED}, found {text:?}"))
    }
}

/// What an amount must be, for messages.
const EXPECTED: &str =
    "expected a number from 0 to 4294967295 of coins, or money such as \"0.05 USD\"";

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        struct AmountVisitor;

        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED.trim_start_matches("expected "))
            }

            fn visit_i64<E: Error>(self, found: i64) -> Result<Amount, E> {
                let number = u32::try_from(found).map(Amount::Coins);
                number.map_err(|_| E::custom(format!("{EXPECTED}, found {found}")))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
                let money = text.parse().map(Amount::Money);
                money.map_err(|_| E::custom(format!("{EXPECTED}, found {text:?}")))
            }
        }

        deserializer.deserialize_any(AmountVisitor)
    }
}

/// Reads an optional amount of money of a settings file, for `deserialize_with`.
///
/// # Errors
/// The deserializer's, for any other value.
pub(crate) fn money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
    let expected = |_| D::Error::custom("expected money such as \"0.05 USD\"");
    let text = String::deserialize(deserializer).map_err(expected)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

/// The options about what a command may pay.
#[derive(Args, Clone, Debug, Default)]
pub struct LimitArgs {
    /// Pay up to this price without asking: a number of coins, or money such as "0.05 USD"
    /// [default: from the settings, or 0].
    #[arg(long, value_name = "AMOUNT")]
    pub autopay: Option<Amount>,
    /// Send at most this much in one UTC day: a number of coins, or money [default: from the
    /// settings, or 100 coins].
    #[arg(long, value_name = "AMOUNT")]
    pub daily_limit: Option<Amount>,
    /// Send at most this much money to one vendor in one UTC day, such as "0.50 USD" [default: from
    /// the settings, or no limit].
    #[arg(long, value_name = "MONEY")]
    pub site_limit: Option<Money>,
    /// Pay over plain http too. Others on the network can then steal the coins. http to this
    /// machine (localhost, 127.0.0.0/8, ::1) is always allowed.
    #[arg(long)]
    pub allow_http: bool,
}

impl LimitArgs {
    /// The policy of these options and settings.
    pub fn policy(&self, settings: &Settings) -> Policy {
        let autopay = self.autopay.or(settings.autopay).unwrap_or(Amount::Coins(0));
        let policy = match autopay {
            Amount::Coins(number) => Policy::new(number),
            Amount::Money(money) => Policy::new(0).with_autopay_money(Some(money)),
        };
        let daily = self.daily_limit.or(settings.daily_limit);
        let limits = Limits::default().with_site(self.site_limit.or(settings.site_limit));
        let policy = policy.with_http(self.allow_http || settings.allow_http.unwrap_or(false));
        match daily.unwrap_or(Amount::Coins(DAILY_LIMIT_DEFAULT)) {
            Amount::Coins(number) => policy.with_daily_limit(Some(number)).with_limits(limits),
            Amount::Money(money) => policy.with_limits(limits.with_day(Some(money))),
        }
    }
}

/// The options about the task for which a program pays.
#[derive(Args, Clone, Debug, Default)]
pub struct TaskArgs {
    /// The task for which the program pays, in the program's own words without blanks: the wallet
    /// stores it, and --task-limit counts it.
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// Pay at most this much money for the task, such as "0.50 USD"; without --task, for one
    /// payment [default: from the settings, or no limit].
    #[arg(long, value_name = "MONEY")]
    pub task_limit: Option<Money>,
    /// What asked for the payment, in words, for the history: at most 512 bytes; needs --task.
    #[arg(long, value_name = "TEXT", requires = "task")]
    pub asked: Option<String>,
}

impl TaskArgs {
    /// The policy with the limit for the task.
    pub fn limited(&self, policy: Policy, settings: &Settings) -> Policy {
        policy.with_limits(policy.limits.with_task(self.task_limit.or(settings.task_limit)))
    }

    /// The purpose of a payment for the task.
    ///
    /// # Errors
    /// The name of the task or the words cannot be stored.
    pub fn purpose(&self) -> Result<Option<Purpose>, ToolError> {
        self.purpose_of(self.asked.as_deref().unwrap_or_default())
    }

    /// The purpose of a payment for the task that this asked for.
    ///
    /// # Errors
    /// As for [`TaskArgs::purpose`].
    pub fn purpose_of(&self, asked: &str) -> Result<Option<Purpose>, ToolError> {
        let Some(task) = &self.task else { return Ok(None) };
        Ok(Some(Purpose::new(task, asked)?))
    }
}

/// The threshold up to which a policy pays without asking, for messages.
pub(crate) fn threshold(policy: &Policy) -> String {
    match policy.autopay_money {
        Some(money) => money.to_string(),
        None => policy.autopay.to_string(),
    }
}

/// Why a policy does not pay coins of this value without asking, as the end of a sentence that
/// begins with the price.
pub(crate) fn beyond(policy: &Policy, coin_value: Money) -> String {
    let threshold = threshold(policy);
    match policy.autopay_money {
        Some(money) if money.currency() != coin_value.currency() => {
            format!("in another currency than the autopay threshold of {threshold}")
        }
        _ => format!("above the autopay threshold of {threshold}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_coins_or_money() {
        assert_eq!("5".parse(), Ok(Amount::Coins(5)));
        assert_eq!("0.05 USD".parse(), Ok(Amount::Money(money("0.05 USD"))));
        for bad in ["", "-1", "5 coins", "0.05", "4294967296", "0.05USD"] {
            assert!(bad.parse::<Amount>().unwrap_err().contains(EXPECTED), "{bad}");
        }
    }

    #[test]
    fn an_option_takes_precedence_over_its_setting() {
        let (two, usd) = (Amount::Coins(2), Amount::Money(money("0.03 USD")));
        let settings = Settings {
            autopay: Some(usd),
            daily_limit: Some(usd),
            site_limit: Some(money("0.02 USD")),
            task_limit: Some(money("0.01 USD")),
            ..Settings::default()
        };
        let policy = LimitArgs::default().policy(&Settings::default());
        assert_eq!(
            (policy.autopay, policy.autopay_money, policy.daily_limit),
            (0, None, Some(100))
        );
        let policy = LimitArgs::default().policy(&settings);
        assert_eq!((policy.autopay, policy.autopay_money), (0, Some(money("0.03 USD"))));
        let day = (policy.daily_limit, policy.limits.day, policy.limits.site);
        assert_eq!(day, (None, Some(money("0.03 USD")), Some(money("0.02 USD"))));
        let policy = TaskArgs::default().limited(policy, &settings);
        assert_eq!(policy.limits.task, Some(money("0.01 USD")));
        let args = LimitArgs { autopay: Some(two), daily_limit: Some(two), ..LimitArgs::default() };
        let policy = args.policy(&settings);
        let found = (policy.autopay, policy.autopay_money, policy.daily_limit, policy.limits.day);
        assert_eq!(found, (2, None, Some(2), None));
    }

    #[test]
    fn a_purpose_has_a_task() {
        let (task, asked) = (Some("t".to_string()), Some("a page".to_string()));
        let args = TaskArgs { task, asked, task_limit: None };
        let purpose = args.purpose().unwrap().unwrap();
        assert_eq!((purpose.task(), purpose.asked()), ("t", "a page"));
        assert_eq!(TaskArgs::default().purpose().unwrap(), None);
    }
}
