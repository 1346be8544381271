//! The public parameters of a period: what vendors and clients hold, and what every check needs.
//!
//! Input: a `PERIOD.params` file (TOML) or the headers of a Funds-Withdrawn message. Output: the
//! same two forms. The invariant: a [`Params`] is consistent, that is, every rule of
//! [`Params::new`] holds. Whether the choice is also wise is [`Params::weaknesses`].
//!
//! The keys are those of the thesis's table of CoinMint parameters (3.2.1), and a few more.

mod broker_url;
mod written;

use std::fmt;

pub use self::broker_url::normal_broker_url;
pub(crate) use self::written::PARAMS_KEYS;

use crate::bin::Bin;
use crate::error::clip;
use crate::hash::{HashFunction, HashName};
use crate::money::{Money, UNITS_PER_ONE};
use crate::period::Period;
use crate::time::UnixTime;

/// The fewest balls in a coin.
pub(crate) const COIN_SIZE_MIN: u32 = 2;
/// The most balls in a coin.
pub const COIN_SIZE_MAX: u32 = 8;
/// The default of k.
pub(crate) const COIN_SIZE_DEFAULT: u32 = 4;
/// The fewest sub-bin bits.
pub(crate) const SUBBIN_BITS_MIN: u32 = 3;
/// The most sub-bin bits; bounds one sold set to 8 · 2^16 balls, 4 MiB.
pub(crate) const SUBBIN_BITS_MAX: u32 = 16;
/// The most superbin bits; a superbin index fits 32 bits.
pub(crate) const SUPERBIN_BITS_MAX: u32 = 32;
/// The most output bits: the size of the output of the hash functions.
pub(crate) const OUTPUT_BITS_MAX: u32 = 64;
/// The longest broker URL, in bytes.
pub(crate) const BROKER_LEN_MAX: usize = 1024;
/// The most that a coin may be worth, in units of 10^-8 of its currency: one million of it. The
/// price of the largest payment then fits in a [`Money`].
pub const COIN_VALUE_UNITS_MAX: u64 = 1_000_000 * UNITS_PER_ONE;
/// The earliest time in parameters.
pub(crate) const TIME_MIN: UnixTime = UnixTime(0);
/// The latest time in parameters, 9999-12-30T00:00:00Z: a later one has a year of five digits in
/// some time zone.
pub const TIME_MAX: UnixTime = UnixTime(253_402_128_000);
/// How long the broker redeems after the expiration by default, in days.
pub(crate) const REDEEM_DAYS_DEFAULT: i64 = 7;

/// The parameters of a period before any rule is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawParams {
    /// The period's name.
    pub period: Period,
    /// The hash function.
    pub hash: HashName,
    /// The 64-bit initialization vector of the hash function.
    pub iv: u64,
    /// b: 2^b balls are tossed.
    pub input_bits: u32,
    /// n, the number of bits of an output y.
    pub output_bits: u32,
    /// t, the number of leading bits of y that are fixed.
    pub fixed_count: u32,
    /// The value of the fixed bits, below 2^t.
    pub fixed_bits: u64,
    /// v, the number of bits of y that name the sub-bin.
    pub subbin_bits: u32,
    /// k, the balls in a coin.
    pub coin_size: u32,
    /// Vendors accept coins from this time on.
    pub start: UnixTime,
    /// Vendors accept coins until just before this time. From then on, clients may return them.
    pub expiration: UnixTime,
    /// The broker redeems coins until just before this time.
    pub redeem_until: UnixTime,
    /// The broker's URL. Consistent parameters have its normal form ([`normal_broker_url`]).
    pub broker: String,
    /// What a coin is worth, such as `0.01 USD`.
    pub coin_value: Money,
}

/// Consistent public parameters of a period.
///
/// ```
/// use micromint::params::Params;
///
/// let params = Params::from_toml(
///     r#"
///     period = "2026-12"
///     hashfn = "des"
///     iv = "0123456789abcdef"
///     input-size = 31
///     output-size = 29
///     num-fixed-bits = 8
///     fixed-bits = "5c"
///     subbin-size = 6
///     start = 2026-12-01T00:00:00Z
///     expiration = 2027-01-01T00:00:00Z
///     broker = "https://broker.example/"
///     coin-value = "0.01 USD"
///     "#,
/// )?;
/// assert_eq!((params.superbin_count(), params.subbin_count()), (32_768, 64));
/// assert_eq!(params.coin_size(), 4);
/// assert_eq!(params.coin_value().to_string(), "0.01 USD");
/// assert_eq!(Params::from_toml(&params.to_toml())?, params);
/// # Ok::<(), micromint::toml_file::TomlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params(RawParams);

/// A choice that is allowed only on request (`--weak`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Weakness {
    /// b > w - 7.
    #[error(
        "input-size {input_bits} leaves fewer than 7 bits of the {width}-bit input unused: a \
         forger who repeats the search finds the broker's own balls"
    )]
    InputNotSecret {
        /// b.
        input_bits: u32,
        /// w.
        width: u32,
    },
    /// (u-1)(k-1) < 40.
    #[error(
        "(superbin bits - 1) * (coin-size - 1) is {product}, below 40: someone can search for a \
         User-ID that fits superbins of other users"
    )]
    UserVectorShort {
        /// (u-1)(k-1).
        product: u32,
    },
}

/// Parameters that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// A key is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A key has a value that it cannot have.
    #[error("{key}: {reason}")]
    Value {
        /// The key, as in a parameter file.
        key: &'static str,
        /// What was expected and what was found.
        reason: String,
    },
}

impl Params {
    /// Checks `raw` against the rules of the scheme.
    ///
    /// - n = t + u + v <= 64; 1 <= b <= w; 2 <= k <= 8; 3 <= v <= 16; u <= 32; fixed bits < 2^t.
    /// - 2^(u-1) >= 4(k-1), so that user vectors exist.
    /// - 1970 <= start < expiration <= redeem-until <= [`TIME_MAX`].
    /// - broker is an http or https URL of printable ASCII, at most 1024 bytes in its normal form
    ///   ([`normal_broker_url`]), which the parameters then have.
    /// - coin-value is 1 to [`COIN_VALUE_UNITS_MAX`] units.
    ///
    /// # Errors
    /// The first rule that does not hold, with the numbers.
    pub fn new(mut raw: RawParams) -> Result<Params, ParamsError> {
        raw.broker = normal_broker_url(&raw.broker);
        raw.check_sizes()?;
        raw.check_times()?;
        raw.check_broker()?;
        raw.check_coin_value()?;
        Ok(Params(raw))
    }

    /// The unwise choices among these parameters; empty for a period meant for real money.
    pub fn weaknesses(&self) -> Vec<Weakness> {
        let mut found = Vec::new();
        let width = self.0.hash.input_width();
        if self.0.input_bits + 7 > width {
            found.push(Weakness::InputNotSecret { input_bits: self.0.input_bits, width });
        }
        let product = (self.superbin_bits() - 1) * (self.0.coin_size - 1);
        if product < 40 {
            found.push(Weakness::UserVectorShort { product });
        }
        found
    }

    /// All fields.
    pub fn raw(&self) -> &RawParams {
        &self.0
    }

    /// The period's name.
    pub fn period(&self) -> &Period {
        &self.0.period
    }

    /// What a coin is worth, 1 to [`COIN_VALUE_UNITS_MAX`] units of 10^-8 of its currency.
    pub fn coin_value(&self) -> Money {
        self.0.coin_value
    }

    /// k, the balls in a coin, 2 to 8.
    pub fn coin_size(&self) -> usize {
        self.0.coin_size as usize
    }

    /// u, the bits that name a superbin.
    pub(crate) fn superbin_bits(&self) -> u32 {
        self.0.output_bits - self.0.fixed_count - self.0.subbin_bits
    }

    /// v, the bits that name a sub-bin.
    pub(crate) fn subbin_bits(&self) -> u32 {
        self.0.subbin_bits
    }

    /// 2^u.
    pub fn superbin_count(&self) -> u64 {
        1 << self.superbin_bits()
    }

    /// 2^v, the bins of a superbin.
    pub fn subbin_count(&self) -> u32 {
        1 << self.subbin_bits()
    }

    /// The largest x plus one: 2^w.
    pub fn input_end(&self) -> u64 {
        1 << self.0.hash.input_width()
    }

    /// The period's hash function under its iv.
    pub fn hash_function(&self) -> Box<dyn HashFunction> {
        self.0.hash.with_iv(self.0.iv)
    }

    /// The value of an output's fixed bits: its leading t bits.
    pub(crate) fn fixed_bits_of(&self, output: u64) -> u64 {
        output.checked_shr(64 - self.0.fixed_count).unwrap_or(0)
    }

    /// The bin of a 64-bit `output`, or `None` if its fixed bits are not this period's.
    pub fn bin_of(&self, output: u64) -> Option<Bin> {
        if self.fixed_bits_of(output) != self.0.fixed_bits {
            return None;
        }
        let y = output >> (64 - self.0.output_bits);
        let subbin = y & (u64::from(self.subbin_count()) - 1);
        let superbin = (y >> self.subbin_bits()) & (self.superbin_count() - 1);
        Some(Bin { superbin: superbin as u32, subbin: subbin as u32 })
    }
}

impl RawParams {
    fn check_sizes(&self) -> Result<(), ParamsError> {
        let width = self.hash.input_width();
        within("input-size", self.input_bits, 1, width)?;
        within("coin-size", self.coin_size, COIN_SIZE_MIN, COIN_SIZE_MAX)?;
        within("subbin-size", self.subbin_bits, SUBBIN_BITS_MIN, SUBBIN_BITS_MAX)?;
        within("output-size", self.output_bits, 1, OUTPUT_BITS_MAX)?;
        within("num-fixed-bits", self.fixed_count, 0, OUTPUT_BITS_MAX - 1)?;
        let (n, t, v) = (self.output_bits, self.fixed_count, self.subbin_bits);
        let is_superbin = |u: &u32| (1..=SUPERBIN_BITS_MAX).contains(u);
        let u = n.checked_sub(t + v).filter(is_superbin).ok_or_else(|| {
            let reason = format!(
                "expected 1 to {SUPERBIN_BITS_MAX} bits for the superbin after num-fixed-bits {t} \
                 and subbin-size {v}, found output-size {n}"
            );
            ParamsError::Value { key: "output-size", reason }
        })?;
        let needed = 4 * (u64::from(self.coin_size) - 1);
        let odd_superbins = 1u64 << (u - 1);
        if odd_superbins < needed {
            let reason = format!(
                "expected at least {needed} odd superbins for coin-size {}, found {odd_superbins} \
                 with {u} superbin bits",
                self.coin_size
            );
            return Err(ParamsError::Value { key: "output-size", reason });
        }
        if self.fixed_bits >> t != 0 {
            let reason = format!(
                "expected a number of num-fixed-bits {t} bits, found {:x}",
                self.fixed_bits
            );
            return Err(ParamsError::Value { key: "fixed-bits", reason });
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), ParamsError> {
        let range = TIME_MIN..=TIME_MAX;
        for (key, time) in [
            ("start", self.start),
            ("expiration", self.expiration),
            ("redeem-until", self.redeem_until),
        ] {
            if !range.contains(&time) {
                let reason = format!("expected a time from {TIME_MIN} to {TIME_MAX}, found {time}");
                return Err(ParamsError::Value { key, reason });
            }
        }
        if self.start < self.expiration && self.expiration <= self.redeem_until {
            return Ok(());
        }
        let reason = format!(
            "expected start < expiration <= redeem-until, found {} / {} / {}",
            self.start, self.expiration, self.redeem_until
        );
        Err(ParamsError::Value { key: "expiration", reason })
    }

    fn check_broker(&self) -> Result<(), ParamsError> {
        let broker = &self.broker;
        let is_url = ["https://", "http://"]
            .iter()
            .any(|scheme| broker.len() > scheme.len() && broker.starts_with(scheme));
        let is_printable = broker.bytes().all(|c| c.is_ascii_graphic());
        if is_url && is_printable && broker.len() <= BROKER_LEN_MAX {
            return Ok(());
        }
        let reason = format!(
            "expected an http or https URL of at most {BROKER_LEN_MAX} printable ASCII characters, \
             found {:?}",
            clip(broker)
        );
        Err(ParamsError::Value { key: "broker", reason })
    }

    fn check_coin_value(&self) -> Result<(), ParamsError> {
        if (1..=COIN_VALUE_UNITS_MAX).contains(&self.coin_value.units()) {
            return Ok(());
        }
        let money = |units| Money::new(units, self.coin_value.currency());
        let (min, max) = (money(1), money(COIN_VALUE_UNITS_MAX));
        let reason = format!("expected {min} to {max}, found {}", self.coin_value);
        Err(ParamsError::Value { key: "coin-value", reason })
    }
}

impl fmt::Display for Params {
    /// One line for people: `2026-12: des k=4 u=15 v=6 t=8 n=29 b=31`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raw = &self.0;
        write!(
            f,
            "{}: {} k={} u={} v={} t={} n={} b={}",
            raw.period,
            raw.hash,
            raw.coin_size,
            self.superbin_bits(),
            raw.subbin_bits,
            raw.fixed_count,
            raw.output_bits,
            raw.input_bits
        )
    }
}

fn within(key: &'static str, found: u32, min: u32, max: u32) -> Result<(), ParamsError> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(ParamsError::Value { key, reason: format!("expected {min} to {max}, found {found}") })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::money::Currency;

    /// The `test` profile: DES k4 u6 v4 t2 b16.
    pub(crate) fn test_params() -> Params {
        Params::new(raw()).unwrap()
    }

    fn raw() -> RawParams {
        crate::testing::raw_test_params()
    }

    #[test]
    fn every_rule_is_kept_at_its_bound_and_broken_past_it() {
        type Change = fn(&mut RawParams);
        let good: [Change; 17] = [
            |p| p.coin_size = COIN_SIZE_MAX,
            |p| p.input_bits = 56,
            |p| (p.output_bits, p.fixed_count) = (64, 54),
            |p| (p.subbin_bits, p.output_bits) = (3, 11),
            |p| p.redeem_until = p.expiration,
            |p| (p.coin_size, p.output_bits, p.fixed_count) = (2, 9, 2), // u = 3: 4 odd superbins
            |p| (p.coin_size, p.output_bits) = (2, 12),
            |p| (p.subbin_bits, p.output_bits) = (16, 24),
            |p| (p.output_bits, p.fixed_count, p.fixed_bits) = (36, 0, 0), // u = 32
            |p| (p.output_bits, p.fixed_count) = (64, 28),
            |p| (p.hash, p.input_bits) = (HashName::Sha256, 60),
            |p| (p.fixed_count, p.output_bits, p.fixed_bits) = (0, 10, 0),
            |p| p.fixed_bits = 3,
            |p| p.coin_value = Money::new(COIN_VALUE_UNITS_MAX, Currency::TEST),
            |p| p.broker = format!("https://{}", "x".repeat(BROKER_LEN_MAX - 9)),
            |p| (p.start, p.redeem_until) = (TIME_MIN, TIME_MAX),
            |p| p.coin_value = Money::new(1, Currency::TEST),
        ];
        for change in good {
            let mut raw = raw();
            change(&mut raw);
            let params = Params::new(raw).unwrap();
            assert_eq!(Params::from_toml(&params.to_toml()).unwrap(), params);
        }
        let bad: [Change; 25] = [
            |p| p.coin_size = 1,
            |p| p.coin_size = 9,
            |p| p.input_bits = 57,
            |p| p.input_bits = 0,
            |p| p.output_bits = 65,
            |p| p.output_bits = 6,
            |p| (p.subbin_bits, p.output_bits) = (2, 10),
            |p| (p.subbin_bits, p.output_bits) = (17, 25),
            |p| p.fixed_bits = 4,
            |p| p.expiration = p.start,
            |p| p.broker = "ftp://broker.example".to_string(),
            |p| p.coin_value = Money::new(COIN_VALUE_UNITS_MAX + 1, Currency::TEST),
            |p| (p.coin_size, p.output_bits) = (4, 10), // u = 4: 8 odd superbins, 12 needed
            |p| (p.coin_size, p.output_bits) = (2, 8),  // u = 2: 2 odd superbins, 4 needed
            |p| (p.output_bits, p.fixed_count, p.fixed_bits) = (37, 0, 0), // u = 33
            |p| (p.hash, p.input_bits) = (HashName::Sha256, 61),
            |p| p.fixed_count = 64,
            |p| (p.fixed_count, p.output_bits, p.fixed_bits) = (0, 10, 1),
            |p| p.coin_value = Money::new(0, Currency::TEST),
            |p| p.broker = "https://a b".to_string(),
            |p| p.broker = "https://\u{20ac}".to_string(),
            |p| p.broker = format!("https://{}", "x".repeat(BROKER_LEN_MAX - 8)),
            |p| p.broker = "https://".to_string(),
            |p| p.start = UnixTime(-1),
            |p| p.redeem_until = TIME_MAX.plus_seconds(1),
        ];
        for (i, change) in bad.into_iter().enumerate() {
            let mut raw = raw();
            change(&mut raw);
            assert!(Params::new(raw).is_err(), "row {i}");
        }
    }

    #[test]
    fn y_is_the_leading_bits() {
        let params = test_params();
        // Fixed bits 10, superbin 101101, sub-bin 0110, then unused bits.
        let output = (0b1010_1101_0110_u64 << 52) | 0xf_ffff;
        assert_eq!(params.bin_of(output), Some(Bin { superbin: 0b101101, subbin: 0b0110 }));
        assert_eq!(params.bin_of(output ^ 1 << 63), None);
    }

    #[test]
    fn the_test_profile_is_weak_and_a_larger_one_is_not() {
        assert_eq!(test_params().weaknesses(), [Weakness::UserVectorShort { product: 15 }]);
        let mut larger = raw();
        (larger.output_bits, larger.fixed_count, larger.subbin_bits, larger.input_bits) =
            (29, 8, 6, 49);
        assert_eq!(Params::new(larger.clone()).unwrap().weaknesses(), []);
        larger.input_bits = 50;
        assert_eq!(Params::new(larger).unwrap().weaknesses().len(), 1);
    }
}
