//! The public parameters of a period: what vendors and clients hold, and what every check needs.
//!
//! Comes in as a `PERIOD.params` file (TOML) or as the headers of a Funds-Withdrawn message, goes out
//! the same way. A [`Params`] that exists is consistent: every rule of [`Params::new`] holds. Whether
//! the choice is also wise is [`Params::weaknesses`].
//!
//! The keys are those of the thesis's table of CoinMint parameters (3.2.1), and a few of ours.

use std::fmt;

use crate::bin::Bin;
use crate::hash::{HashFunction, HashName, HashNameError};
use crate::period::{Period, PeriodError};
use crate::time::{DAY_SECONDS, TimeError, UnixTime};

/// The fewest balls in a coin.
pub const COIN_SIZE_MIN: u32 = 2;
/// The most balls in a coin.
pub const COIN_SIZE_MAX: u32 = 8;
/// k where a configuration says nothing.
pub const COIN_SIZE_DEFAULT: u32 = 4;
/// The fewest sub-bin bits.
pub const SUBBIN_BITS_MIN: u32 = 3;
/// The most sub-bin bits; bounds one sold set to 8 · 2^16 balls, 4 MiB.
pub const SUBBIN_BITS_MAX: u32 = 16;
/// The most superbin bits; a superbin index fits 32 bits.
pub const SUPERBIN_BITS_MAX: u32 = 32;
/// The most output bits: all that the hash functions give.
pub const OUTPUT_BITS_MAX: u32 = 64;
/// The longest broker URL, in bytes.
pub const BROKER_LEN_MAX: usize = 1024;
/// The longest coin value, in bytes.
pub const COIN_VALUE_LEN_MAX: usize = 64;
/// The largest parameter file that is read, in bytes.
pub const PARAMS_FILE_SIZE_MAX: u64 = 64 * 1024;
/// The earliest time in parameters.
pub const TIME_MIN: UnixTime = UnixTime(0);
/// The latest time in parameters, 9999-12-30T00:00:00Z: later ones have no four-digit year everywhere.
pub const TIME_MAX: UnixTime = UnixTime(253_402_128_000);
/// How long after the expiration the broker redeems where a configuration says nothing, in days.
pub const REDEEM_DAYS_DEFAULT: i64 = 7;

/// The parameters of a period as someone wrote them, before any rule is checked.
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
    /// n, the bits of an output y.
    pub output_bits: u32,
    /// t, the leading bits of y that are fixed.
    pub fixed_count: u32,
    /// Their value, below 2^t.
    pub fixed_bits: u64,
    /// v, the low bits of y that name the sub-bin.
    pub subbin_bits: u32,
    /// k, the balls in a coin.
    pub coin_size: u32,
    /// Vendors accept from here on.
    pub start: UnixTime,
    /// Vendors accept until just before this, then clients may return.
    pub expiration: UnixTime,
    /// The broker redeems until just before this.
    pub redeem_until: UnixTime,
    /// The broker's URL.
    pub broker: String,
    /// What a coin is worth, for people, such as `0.01 USD`.
    pub coin_value: String,
}

/// Consistent public parameters of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params(RawParams);

/// A choice that is allowed only on request (`--weak`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// b > w - 7.
    #[error(
        "input-size {input_bits} leaves fewer than 7 bits of the {width}-bit input unused: a forger who repeats the search finds the broker's own balls"
    )]
    InputNotSecret {
        /// b.
        input_bits: u32,
        /// w.
        width: u32,
    },
    /// (u-1)(k-1) < 40.
    #[error(
        "(superbin bits - 1) * (coin-size - 1) is {product}, below 40: someone can search for a User-ID that fits superbins of others"
    )]
    UserVectorShort {
        /// (u-1)(k-1).
        product: u32,
    },
}

/// Parameters that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    /// A key is absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A key holds what it cannot hold.
    #[error("{key}: expected {expected}, found {found:?}")]
    Value {
        /// The configuration key.
        key: &'static str,
        /// What was expected.
        expected: String,
        /// What stood there.
        found: String,
    },
    /// Two keys do not go together.
    #[error("{0}")]
    Inconsistent(String),
    /// The period's name.
    #[error("period: {0}")]
    Period(#[from] PeriodError),
    /// The hash function's name.
    #[error("hashfn: {0}")]
    HashName(#[from] HashNameError),
    /// A time.
    #[error("{key}: {source}")]
    Time {
        /// The configuration key.
        key: &'static str,
        /// What is wrong with it.
        source: TimeError,
    },
    /// The file is no TOML.
    #[error("not readable as TOML: {0}")]
    Toml(String),
    /// A key that no parameter has.
    #[error("unknown key {0:?}")]
    UnknownKey(String),
}

/// The keys of the public parameters, in the order in which they are written. The title case of a key
/// is its header in a message: `num-fixed-bits` travels as `Num-Fixed-Bits`.
pub const PARAMS_KEYS: [&str; 14] = [
    "period",
    "hashfn",
    "iv",
    "input-size",
    "output-size",
    "num-fixed-bits",
    "fixed-bits",
    "subbin-size",
    "coin-size",
    "start",
    "expiration",
    "redeem-until",
    "broker",
    "coin-value",
];

impl Params {
    /// Checks `raw` against the rules of the scheme.
    ///
    /// n = t + u + v <= 64; b <= w; b >= 1; 2 <= k <= 8; 3 <= v <= 16; u <= 32; 2^(u-1) >= 4(k-1), so
    /// that user vectors exist; fixed bits < 2^t; 1970 <= start < expiration <= redeem-until < 10000;
    /// broker an http or https URL; the texts printable ASCII within their bounds, no blanks at the ends.
    ///
    /// # Errors
    /// The first rule that does not hold, with the numbers.
    pub fn new(raw: RawParams) -> Result<Params, ParamsError> {
        raw.check_sizes()?;
        raw.check_times()?;
        raw.check_texts()?;
        Ok(Params(raw))
    }

    /// Builds parameters from their text fields: `get(key)` gives the text of a key of
    /// [`PARAMS_KEYS`], or `None` if it is absent.
    ///
    /// # Errors
    /// A missing or unreadable field, or an inconsistency ([`Params::new`]).
    pub fn from_fields<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Params, ParamsError> {
        let need = |key| get(key).ok_or(ParamsError::Missing(key));
        let number = |key| need(key).and_then(|text| parse_number(key, text));
        let time =
            |key, text: &str| text.parse().map_err(|source| ParamsError::Time { key, source });
        let expiration = time("expiration", need("expiration")?)?;
        Params::new(RawParams {
            period: need("period")?.parse()?,
            hash: need("hashfn")?.parse()?,
            iv: parse_hex("iv", need("iv")?, Some(16))?,
            input_bits: number("input-size")?,
            output_bits: number("output-size")?,
            fixed_count: number("num-fixed-bits")?,
            fixed_bits: parse_hex("fixed-bits", need("fixed-bits")?, None)?,
            subbin_bits: number("subbin-size")?,
            coin_size: match get("coin-size") {
                Some(text) => parse_number("coin-size", text)?,
                None => COIN_SIZE_DEFAULT,
            },
            start: time("start", need("start")?)?,
            expiration,
            redeem_until: match get("redeem-until") {
                Some(text) => time("redeem-until", text)?,
                None => expiration.plus_seconds(REDEEM_DAYS_DEFAULT * DAY_SECONDS),
            },
            broker: need("broker")?.to_string(),
            coin_value: need("coin-value")?.to_string(),
        })
    }

    /// The text fields in the order of [`PARAMS_KEYS`]; [`Params::from_fields`] reads them back.
    pub fn to_fields(&self) -> Vec<(&'static str, String)> {
        let raw = &self.0;
        let fixed_digits = raw.fixed_count.div_ceil(4).max(1) as usize;
        let values = [
            raw.period.to_string(),
            raw.hash.to_string(),
            format!("{:016x}", raw.iv),
            raw.input_bits.to_string(),
            raw.output_bits.to_string(),
            raw.fixed_count.to_string(),
            format!("{:0fixed_digits$x}", raw.fixed_bits),
            raw.subbin_bits.to_string(),
            raw.coin_size.to_string(),
            raw.start.to_string(),
            raw.expiration.to_string(),
            raw.redeem_until.to_string(),
            raw.broker.clone(),
            raw.coin_value.clone(),
        ];
        PARAMS_KEYS.into_iter().zip(values).collect()
    }

    /// Reads a `PERIOD.params` file (TOML with the keys of [`PARAMS_KEYS`]).
    ///
    /// # Errors
    /// Text that is no TOML, an unknown key, or what [`Params::from_fields`] refuses.
    pub fn from_toml(text: &str) -> Result<Params, ParamsError> {
        if text.len() as u64 > PARAMS_FILE_SIZE_MAX {
            let found = text.len();
            return Err(ParamsError::Toml(format!(
                "{found} bytes, at most {PARAMS_FILE_SIZE_MAX} are read"
            )));
        }
        let fields = toml_fields(text)?;
        if let Some((key, _)) = fields.iter().find(|(key, _)| !PARAMS_KEYS.contains(&key.as_str()))
        {
            return Err(ParamsError::UnknownKey(key.clone()));
        }
        Params::from_fields(|key| field(&fields, key))
    }

    /// Writes a `PERIOD.params` file.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (key, value) in self.to_fields() {
            text.push_str(&toml_line(key, &value));
        }
        text
    }

    /// What is allowed but unwise about these parameters; empty for a period meant for real money.
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

    /// All fields, for reading.
    pub fn raw(&self) -> &RawParams {
        &self.0
    }

    /// The period's name.
    pub fn period(&self) -> &Period {
        &self.0.period
    }

    /// k, the balls in a coin, 2 to 8.
    pub fn coin_size(&self) -> usize {
        self.0.coin_size as usize
    }

    /// u, the bits that name a superbin.
    pub fn superbin_bits(&self) -> u32 {
        self.0.output_bits - self.0.fixed_count - self.0.subbin_bits
    }

    /// v, the bits that name a sub-bin.
    pub fn subbin_bits(&self) -> u32 {
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
    pub fn fixed_bits_of(&self, output: u64) -> u64 {
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
        let u = n.checked_sub(t + v).filter(|u| (1..=SUPERBIN_BITS_MAX).contains(u)).ok_or_else(|| {
            ParamsError::Inconsistent(format!(
                "output-size {n} - num-fixed-bits {t} - subbin-size {v} must leave 1 to {SUPERBIN_BITS_MAX} bits for the superbin"
            ))
        })?;
        let needed = 4 * (u64::from(self.coin_size) - 1);
        if 1u64 << (u - 1) < needed {
            return Err(ParamsError::Inconsistent(format!(
                "{u} superbin bits give {} odd superbins; coin-size {} needs at least {needed}",
                1u64 << (u - 1),
                self.coin_size
            )));
        }
        if self.fixed_bits >> t != 0 {
            return Err(ParamsError::Inconsistent(format!(
                "fixed-bits {:x} does not fit num-fixed-bits {t}",
                self.fixed_bits
            )));
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
                let expected = format!("a time from {TIME_MIN} to {TIME_MAX}");
                return Err(ParamsError::Value { key, expected, found: time.to_string() });
            }
        }
        if self.start < self.expiration && self.expiration <= self.redeem_until {
            return Ok(());
        }
        Err(ParamsError::Inconsistent(format!(
            "expected start < expiration <= redeem-until, found {} / {} / {}",
            self.start, self.expiration, self.redeem_until
        )))
    }

    fn check_texts(&self) -> Result<(), ParamsError> {
        printable("broker", &self.broker, BROKER_LEN_MAX)?;
        printable("coin-value", &self.coin_value, COIN_VALUE_LEN_MAX)?;
        let is_url = ["https://", "http://"]
            .iter()
            .any(|s| self.broker.len() > s.len() && self.broker.starts_with(s));
        if is_url && !self.broker.contains(' ') {
            return Ok(());
        }
        Err(ParamsError::Value {
            key: "broker",
            expected: "an http or https URL".to_string(),
            found: self.broker.clone(),
        })
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

/// The top-level keys of a TOML document as texts. Numbers and times are taken in TOML's own form too
/// (`input-size = 31`), since that is how people write them; hexadecimal digits never, since `10` and
/// `0x10` would be read as other digits than the eye sees.
pub(crate) fn toml_fields(text: &str) -> Result<Vec<(String, String)>, ParamsError> {
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| ParamsError::Toml(error.to_string()))?;
    table
        .into_iter()
        .map(|(key, value)| match value {
            toml::Value::String(text) => Ok((key, text)),
            other if is_hex_key(&key) => Err(ParamsError::Toml(format!(
                "{key}: expected digits in quotation marks, found {other}"
            ))),
            toml::Value::Integer(number) => Ok((key, number.to_string())),
            toml::Value::Datetime(time) => Ok((key, time.to_string())),
            other => {
                Err(ParamsError::Toml(format!("{key}: expected a string or number, found {other}")))
            }
        })
        .collect()
}

/// Keys whose values are hexadecimal digits, even when all of them are decimal.
fn is_hex_key(key: &str) -> bool {
    matches!(key, "iv" | "fixed-bits" | "input-key")
}

/// The text of `key` in a list of fields.
pub(crate) fn field<'a>(fields: &'a [(String, String)], key: &str) -> Option<&'a str> {
    fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// One line of TOML: a size bare, everything else quoted.
pub(crate) fn toml_line(key: &str, value: &str) -> String {
    let is_size = key.ends_with("-size") || key == "num-fixed-bits";
    if is_size && value.parse::<u32>().is_ok() {
        format!("{key} = {value}\n")
    } else {
        format!("{key} = {}\n", toml::Value::String(value.to_string()))
    }
}

/// A canonical decimal number: digits only, no sign, no leading zero.
fn parse_number(key: &'static str, text: &str) -> Result<u32, ParamsError> {
    crate::protocol::parse_decimal(text).and_then(|number| u32::try_from(number).ok()).ok_or_else(
        || ParamsError::Value { key, expected: "a number".to_string(), found: clip(text) },
    )
}

/// A hexadecimal number of exactly `digits` digits, or of 1 to 16 where no number is given.
fn parse_hex(key: &'static str, text: &str, digits: Option<usize>) -> Result<u64, ParamsError> {
    let length_fits = match digits {
        Some(digits) => text.len() == digits,
        None => (1..=16).contains(&text.len()),
    };
    let expected = || match digits {
        Some(digits) => format!("{digits} hexadecimal digits"),
        None => "1 to 16 hexadecimal digits".to_string(),
    };
    if !length_fits || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(ParamsError::Value { key, expected: expected(), found: clip(text) });
    }
    u64::from_str_radix(text, 16).map_err(|_| ParamsError::Value {
        key,
        expected: expected(),
        found: clip(text),
    })
}

fn within(key: &'static str, found: u32, min: u32, max: u32) -> Result<(), ParamsError> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(ParamsError::Value { key, expected: format!("{min} to {max}"), found: found.to_string() })
}

fn printable(key: &'static str, text: &str, len_max: usize) -> Result<(), ParamsError> {
    let fits = (1..=len_max).contains(&text.len()) && text.trim() == text;
    if fits && text.bytes().all(|c| (b' '..=b'~').contains(&c)) {
        return Ok(());
    }
    let expected = format!("1 to {len_max} printable ASCII characters, no blanks at the ends");
    Err(ParamsError::Value { key, expected, found: clip(text) })
}

/// The head of a text, for an error message.
fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The `test` profile: DES k4 u6 v4 t2 b14.
    pub(crate) fn test_params() -> Params {
        Params::new(raw()).unwrap()
    }

    fn raw() -> RawParams {
        crate::testing::raw_test_params()
    }

    #[test]
    fn toml_and_fields_are_read_back_alike() {
        let params = test_params();
        assert_eq!(Params::from_toml(&params.to_toml()).unwrap(), params);
        let natural = params
            .to_toml()
            .replace("start = \"2026-12-01T00:00:00Z\"", "start = 2026-12-01T00:00:00Z");
        assert_ne!(natural, params.to_toml());
        assert_eq!(Params::from_toml(&natural).unwrap(), params);
    }

    #[test]
    fn texts_of_digits_are_read_back() {
        for value in ["100", "007", "99999999999999999999999999", "\"1\" 'cent'", "a\\b"] {
            let mut raw = raw();
            raw.coin_value = value.to_string();
            raw.period = "202612".parse().unwrap();
            let params = Params::new(raw).unwrap();
            assert_eq!(Params::from_toml(&params.to_toml()).unwrap(), params, "{value}");
        }
    }

    #[test]
    fn absent_coin_size_and_redeem_until_have_defaults() {
        let text: String = test_params()
            .to_toml()
            .lines()
            .filter(|line| !line.starts_with("coin-size") && !line.starts_with("redeem-until"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(Params::from_toml(&text).unwrap(), test_params());
    }

    #[test]
    fn every_rule_is_kept_at_its_bound_and_broken_past_it() {
        type Change = fn(&mut RawParams);
        let good: [Change; 16] = [
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
            |p| p.coin_value = "x".repeat(COIN_VALUE_LEN_MAX),
            |p| p.broker = format!("https://{}", "x".repeat(BROKER_LEN_MAX - 8)),
            |p| (p.start, p.redeem_until) = (TIME_MIN, TIME_MAX),
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
            |p| p.coin_value = "x".repeat(65),
            |p| (p.coin_size, p.output_bits) = (4, 10), // u = 4: 8 odd superbins, 12 needed
            |p| (p.coin_size, p.output_bits) = (2, 8),  // u = 2: 2 odd superbins, 4 needed
            |p| (p.output_bits, p.fixed_count, p.fixed_bits) = (37, 0, 0), // u = 33
            |p| (p.hash, p.input_bits) = (HashName::Sha256, 61),
            |p| p.fixed_count = 64,
            |p| (p.fixed_count, p.output_bits, p.fixed_bits) = (0, 10, 1),
            |p| p.coin_value = String::new(),
            |p| p.coin_value = " 1 cent".to_string(),
            |p| p.coin_value = "1 \u{20ac}".to_string(),
            |p| p.broker = format!("https://{}", "x".repeat(BROKER_LEN_MAX - 7)),
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
        // Fixed bits 10, superbin 101101, sub-bin 0110, then bits that do not count.
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

    #[test]
    fn unreadable_files_say_what_is_wrong() {
        let text = test_params().to_toml();
        for (from, to, says) in [
            ("coin-size = 4", "coin-size = 04", "TOML"),
            ("coin-size = 4", "coin-size = -4", "expected a number"),
            ("coin-size = 4", "colour = 4", "unknown key \"colour\""),
            ("hashfn = \"des\"", "hashfn = \"md5\"", "md5"),
            ("hashfn = \"des\"", "", "hashfn is missing"),
            ("iv = \"0123456789abcdef\"", "iv = \"123456789abcdef\"", "16 hexadecimal digits"),
            ("fixed-bits = \"2\"", "fixed-bits = \"+2\"", "hexadecimal"),
            ("fixed-bits = \"2\"", "fixed-bits = 2", "quotation marks"),
            ("fixed-bits = \"2\"", "fixed-bits = 0x2", "quotation marks"),
            (
                "fixed-bits = \"2\"",
                "fixed-bits = \"00000000000000002\"",
                "1 to 16 hexadecimal digits",
            ),
            ("iv = \"0123456789abcdef\"", "iv = 1234567890123456", "quotation marks"),
            ("expiration = \"2027-01-01T00:00:00Z\"", "expiration = \"2027-01-01\"", "expiration"),
            (
                "https://broker.example/",
                &"x".repeat(PARAMS_FILE_SIZE_MAX as usize),
                "at most 65536",
            ),
        ] {
            let error = Params::from_toml(&text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(says), "{to}: {error}");
        }
    }
}
