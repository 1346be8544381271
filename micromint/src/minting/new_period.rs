//! A new period: what its broker chooses, and what is drawn for it.
//!
//! Input: a profile, a name, and what vendors and clients need to know. Output: a configuration
//! with a fresh iv, fresh fixed bits and a fresh input key. Invariant: it is weak only if that is
//! allowed.

use std::io;

use super::config::{MintConfig, WeakError};
use super::profile::Profile;
use crate::hash::HashName;
use crate::host::Entropy;
use crate::money::Money;
use crate::params::{Params, ParamsError, REDEEM_DAYS_DEFAULT, RawParams};
use crate::period::Period;
use crate::time::{DAY_SECONDS, UnixTime};

/// What a broker chooses for a new period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPeriod {
    /// Hash function and sizes.
    pub profile: Profile,
    /// The period's name.
    pub period: Period,
    /// The broker's URL.
    pub broker: String,
    /// What a coin is worth.
    pub coin_value: Money,
    /// Vendors accept coins from here on; by default from the first of the month that the period
    /// names.
    pub start: Option<UnixTime>,
    /// Vendors accept coins until here; by default until the first of the next month.
    pub expiration: Option<UnixTime>,
    /// Whether weak choices are allowed.
    pub weak: bool,
}

/// A new period cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NewPeriodError {
    /// The name is not a month, so the times must be given.
    #[error("period {0} is not a month: expected a start and an expiration, found none")]
    NoMonth(Period),
    /// The parameters do not fit together.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// A weak choice that is not allowed.
    #[error(transparent)]
    Weak(#[from] WeakError),
    /// The source of randomness failed.
    #[error("no randomness for a new period")]
    Entropy(#[from] io::Error),
}

impl NewPeriod {
    /// Draws a configuration with the coin file `PERIOD.coins` beside it. Redemption ends
    /// [`REDEEM_DAYS_DEFAULT`] days after the expiration.
    ///
    /// # Errors
    /// See [`NewPeriodError`].
    pub fn draw(&self, entropy: &dyn Entropy) -> Result<MintConfig, NewPeriodError> {
        let (start, expiration) = match (self.start, self.expiration, self.period.month()) {
            (Some(start), Some(expiration), _) => (start, expiration),
            (start, expiration, Some((first, next))) => {
                (start.unwrap_or(first), expiration.unwrap_or(next))
            }
            _ => return Err(NewPeriodError::NoMonth(self.period.clone())),
        };
        let mut raw = RawParams {
            period: self.period.clone(),
            hash: HashName::Des,
            iv: 0,
            input_bits: 0,
            output_bits: 0,
            fixed_count: 0,
            fixed_bits: 0,
            subbin_bits: 0,
            coin_size: 0,
            start,
            expiration,
            redeem_until: expiration.plus_seconds(REDEEM_DAYS_DEFAULT * DAY_SECONDS),
            broker: self.broker.clone(),
            coin_value: self.coin_value,
        };
        self.profile.apply(&mut raw, entropy)?;
        let mut config = MintConfig::draw(Params::new(raw)?, entropy)?;
        config.weak = self.weak;
        config.check_weak()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SystemEntropy;

    #[test]
    fn a_month_needs_no_times_and_weakness_needs_leave() {
        let month = NewPeriod {
            profile: Profile::Test,
            period: "2026-12".parse().unwrap(),
            broker: "https://broker.example/".to_string(),
            coin_value: "0.01 USD".parse().unwrap(),
            start: None,
            expiration: None,
            weak: true,
        };
        let raw = month.draw(&SystemEntropy).unwrap().params.raw().clone();
        assert_eq!(raw.start, "2026-12-01T00:00:00Z".parse().unwrap());
        assert_eq!(raw.expiration, "2027-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(raw.redeem_until, "2027-01-08T00:00:00Z".parse().unwrap());
        let strict = NewPeriod { weak: false, ..month.clone() };
        assert!(matches!(strict.draw(&SystemEntropy), Err(NewPeriodError::Weak(_))));
        let named = NewPeriod {
            period: "winter".parse().unwrap(),
            start: Some(UnixTime(0)),
            ..month.clone()
        };
        assert!(matches!(named.draw(&SystemEntropy), Err(NewPeriodError::NoMonth(_))));
        let wrong = NewPeriod { broker: "no url".to_string(), ..month };
        assert!(matches!(wrong.draw(&SystemEntropy), Err(NewPeriodError::Params(_))));
    }
}
