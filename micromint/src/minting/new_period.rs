//! A new period: what its broker chooses, and what is random.
//!
//! Input: sizes, a name, and what vendors and clients need to know. Output: a configuration
//! with a random iv, random fixed bits and a random input key. The invariant: it is weak only if
//! that is allowed.

use std::io;

use super::config::{MintConfig, WeakError};
use super::size::Size;
use crate::hash::HashName;
use crate::host::Entropy;
use crate::money::Money;
use crate::params::{Params, ParamsError, REDEEM_DAYS_DEFAULT, RawParams};
use crate::period::Period;
use crate::time::{DAY_SECONDS, UnixTime};

/// What a broker chooses for a new period.
///
/// ```
/// use micromint::host::SystemEntropy;
/// use micromint::minting::{MintConfig, NewPeriod, Profile};
///
/// let url = "https://broker.example/";
/// let period = NewPeriod::new(Profile::Test, "2026-12".parse()?, url, "0.01 USD".parse()?);
/// assert!(period.draw(&SystemEntropy).is_err(), "a period this small is weak");
///
/// let config = NewPeriod { weak: true, ..period }.draw(&SystemEntropy)?;
/// assert_eq!(config.params.raw().expiration.to_string(), "2027-01-01T00:00:00Z");
/// assert_eq!(MintConfig::from_toml(&config.to_toml())?.params, config.params);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPeriod {
    /// The hash function and the sizes.
    pub size: Size,
    /// The period's name.
    pub period: Period,
    /// The broker's URL.
    pub broker: String,
    /// The value of a coin.
    pub coin_value: Money,
    /// Vendors accept coins from this time on. Default: the start of the month that the period
    /// names.
    pub start: Option<UnixTime>,
    /// Vendors accept coins until this time. Default: the start of the next month.
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
    #[error("cannot generate random values for a new period")]
    Entropy(#[from] io::Error),
}

impl NewPeriod {
    /// A period with the default times, in which weak choices are not allowed.
    pub fn new(
        size: impl Into<Size>,
        period: Period,
        broker: impl Into<String>,
        coin_value: Money,
    ) -> NewPeriod {
        let (size, broker) = (size.into(), broker.into());
        let (start, expiration) = (None, None);
        NewPeriod { size, period, broker, coin_value, start, expiration, weak: false }
    }

    /// Makes a configuration with the coin file `PERIOD.coins` beside it. Redemption ends seven
    /// days after the expiration.
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
        self.size.apply(&mut raw, entropy)?;
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
    use crate::minting::Profile;

    #[test]
    fn a_month_needs_no_times_and_weakness_needs_leave() {
        let (period, coin_value) = ("2026-12".parse().unwrap(), "0.01 USD".parse().unwrap());
        let url = "https://broker.example/";
        let strict = NewPeriod::new(Profile::Test, period, url, coin_value);
        let month = NewPeriod { weak: true, ..strict.clone() };
        let raw = month.draw(&SystemEntropy).unwrap().params.raw().clone();
        assert_eq!(raw.start, "2026-12-01T00:00:00Z".parse().unwrap());
        assert_eq!(raw.expiration, "2027-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(raw.redeem_until, "2027-01-08T00:00:00Z".parse().unwrap());
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
