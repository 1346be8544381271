//! The two written forms of parameters: the headers of a message, and a `PERIOD.params` file.
//!
//! Input: texts by key. Output: parameters that obey every rule; and the reverse. The invariant:
//! equal parameters have the same written form, whatever form they were read from.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::{COIN_SIZE_DEFAULT, Params, ParamsError, REDEEM_DAYS_DEFAULT, RawParams};
use crate::error::clip;
use crate::hash::HashName;
use crate::money::Money;
use crate::period::Period;
use crate::protocol::parse_decimal;
use crate::time::{DAY_SECONDS, UnixTime};
use crate::toml_file::{Number, Parsed, Time, TomlError, TomlText, line, string};

/// The keys of the public parameters, in the order in which they are written. The title case of a
/// key is its header in a message: `num-fixed-bits` is sent as `Num-Fixed-Bits`.
pub(crate) const PARAMS_KEYS: [&str; 14] = [
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

const IV_EXPECTED: &str = "16 hexadecimal digits in quotation marks";
const FIXED_BITS_EXPECTED: &str = "1 to 16 hexadecimal digits in quotation marks";

/// A parameter file. Hexadecimal numbers are strings, because TOML would read a bare `10` or `0x10`
/// as another number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ParamsFile {
    period: Parsed<Period>,
    hashfn: Parsed<HashName>,
    #[serde(deserialize_with = "iv")]
    iv: u64,
    input_size: Number,
    output_size: Number,
    num_fixed_bits: Number,
    #[serde(deserialize_with = "fixed_bits")]
    fixed_bits: u64,
    subbin_size: Number,
    coin_size: Option<Number>,
    start: Time,
    expiration: Time,
    redeem_until: Option<Time>,
    broker: String,
    coin_value: Parsed<Money>,
}

impl Params {
    /// Reads parameters from texts: `get(key)` returns the text of a key of [`PARAMS_KEYS`], or
    /// `None` if it is absent.
    ///
    /// # Errors
    /// A text that is missing or cannot be read, or an inconsistency ([`Params::new`]).
    pub(crate) fn from_fields<'a>(
        get: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Params, ParamsError> {
        let need = |key| get(key).ok_or(ParamsError::Missing(key));
        let number = |key| value(key, need(key)?, read_number);
        let time = |key| value(key, need(key)?, str::parse::<UnixTime>);
        let expiration = time("expiration")?;
        let has = |key| get(key).is_some();
        Params::new(RawParams {
            period: value("period", need("period")?, str::parse)?,
            hash: value("hashfn", need("hashfn")?, str::parse)?,
            iv: value("iv", need("iv")?, read_iv)?,
            input_bits: number("input-size")?,
            output_bits: number("output-size")?,
            fixed_count: number("num-fixed-bits")?,
            fixed_bits: value("fixed-bits", need("fixed-bits")?, read_fixed_bits)?,
            subbin_bits: number("subbin-size")?,
            coin_size: if has("coin-size") { number("coin-size")? } else { COIN_SIZE_DEFAULT },
            start: time("start")?,
            expiration,
            redeem_until: if has("redeem-until") {
                time("redeem-until")?
            } else {
                redeem_until_default(expiration)
            },
            broker: need("broker")?.to_string(),
            coin_value: value("coin-value", need("coin-value")?, str::parse)?,
        })
    }

    /// The key and the text of every parameter, in the order of a parameter file.
    pub fn to_fields(&self) -> Vec<(&'static str, String)> {
        let raw = self.raw();
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
            raw.coin_value.to_string(),
        ];
        PARAMS_KEYS.into_iter().zip(values).collect()
    }

    /// Reads a `PERIOD.params` file: TOML, each parameter under its key. `coin-size` (4) and
    /// `redeem-until` (seven days after the expiration) may be absent.
    ///
    /// # Errors
    /// Text that is not TOML or is too large, a key that is unknown, missing or has a value that it
    /// cannot have, or an inconsistency ([`Params::new`]).
    pub fn from_toml(text: &str) -> Result<Params, TomlError> {
        Params::from_toml_text(&TomlText::parse(text)?)
    }

    /// Reads the keys of a TOML file, which must be those of [`PARAMS_KEYS`].
    pub(crate) fn from_toml_text(text: &TomlText<'_>) -> Result<Params, TomlError> {
        let file: ParamsFile = text.read()?;
        Params::new(file.into_raw()).map_err(|error| match error {
            ParamsError::Value { key, reason } => text.fault(key, reason),
            ParamsError::Missing(key) => text.fault(key, "is missing"),
        })
    }

    /// Writes a `PERIOD.params` file: numbers are bare, everything else is in quotation marks.
    pub fn to_toml(&self) -> String {
        let is_number = |key: &str| key.ends_with("-size") || key == "num-fixed-bits";
        let lines = self.to_fields().into_iter().map(|(key, value)| match value.parse::<u32>() {
            Ok(number) if is_number(key) => line(key, number),
            _ => line(key, value),
        });
        lines.collect()
    }
}

impl ParamsFile {
    fn into_raw(self) -> RawParams {
        RawParams {
            period: self.period.0,
            hash: self.hashfn.0,
            iv: self.iv,
            input_bits: self.input_size.0,
            output_bits: self.output_size.0,
            fixed_count: self.num_fixed_bits.0,
            fixed_bits: self.fixed_bits,
            subbin_bits: self.subbin_size.0,
            coin_size: self.coin_size.map_or(COIN_SIZE_DEFAULT, |size| size.0),
            start: self.start.0,
            expiration: self.expiration.0,
            redeem_until: self
                .redeem_until
                .map_or(redeem_until_default(self.expiration.0), |time| time.0),
            broker: self.broker,
            coin_value: self.coin_value.0,
        }
    }
}

fn redeem_until_default(expiration: UnixTime) -> UnixTime {
    expiration.plus_seconds(REDEEM_DAYS_DEFAULT * DAY_SECONDS)
}

/// Reads the text of a key.
fn value<T, E: fmt::Display>(
    key: &'static str,
    text: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, ParamsError> {
    read(text).map_err(|error| ParamsError::Value { key, reason: error.to_string() })
}

/// A canonical decimal number: digits only, no sign, no leading zero.
fn read_number(text: &str) -> Result<u32, String> {
    let number = parse_decimal(text).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("expected a number, found {:?}", clip(text)))
}

/// Exactly 16 hexadecimal digits.
fn read_iv(text: &str) -> Result<u64, String> {
    read_hex(text, 16, "16 hexadecimal digits")
}

/// 1 to 16 hexadecimal digits.
fn read_fixed_bits(text: &str) -> Result<u64, String> {
    read_hex(text, 1, "1 to 16 hexadecimal digits")
}

fn read_hex(text: &str, digits_min: usize, expected: &str) -> Result<u64, String> {
    let is_hex = text.bytes().all(|c| c.is_ascii_hexdigit());
    let number = u64::from_str_radix(text, 16).ok();
    number
        .filter(|_| is_hex && (digits_min..=16).contains(&text.len()))
        .ok_or_else(|| format!("expected {expected}, found {:?}", clip(text)))
}

fn iv<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    string(deserializer, IV_EXPECTED, read_iv)
}

fn fixed_bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    string(deserializer, FIXED_BITS_EXPECTED, read_fixed_bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{params_with, test_params};
    use crate::toml_file::TOML_FILE_SIZE_MAX;

    fn read_fields(params: &Params) -> Result<Params, ParamsError> {
        let fields = params.to_fields();
        Params::from_fields(|key| {
            fields.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
        })
    }

    #[test]
    fn both_written_forms_are_read_back() {
        let params = test_params();
        assert_eq!(Params::from_toml(&params.to_toml()).unwrap(), params);
        assert_eq!(read_fields(&params).unwrap(), params);
        let natural = params
            .to_toml()
            .replace("start = \"2026-12-01T00:00:00Z\"", "start = 2026-12-01T00:00:00Z");
        assert_ne!(natural, params.to_toml());
        assert_eq!(Params::from_toml(&natural).unwrap(), params);
    }

    #[test]
    fn texts_that_look_like_numbers_are_read_back() {
        let params = params_with(|raw| {
            raw.period = "202612".parse().unwrap();
            raw.broker = "https://\"'\\/".to_string();
        });
        assert_eq!(Params::from_toml(&params.to_toml()).unwrap(), params);
        assert_eq!(read_fields(&params).unwrap(), params);
    }

    #[test]
    fn spellings_of_a_broker_are_one_broker() {
        let text = test_params().to_toml();
        for spelling in ["https://broker.example", "HTTPS://Broker.Example:443/"] {
            let params = Params::from_toml(&text.replace("https://broker.example/", spelling));
            assert_eq!(params.unwrap(), test_params(), "{spelling}");
        }
    }

    #[test]
    fn a_coin_value_is_written_in_one_form() {
        let text = test_params().to_toml().replace("0.01 USD", "0.0100 USD");
        let params = Params::from_toml(&text).unwrap();
        assert_eq!(params.to_toml(), test_params().to_toml());
    }

    #[test]
    fn absent_coin_size_and_redeem_until_have_defaults() {
        let is_optional =
            |line: &&str| line.starts_with("coin-size") || line.starts_with("redeem-until");
        let text: String = test_params()
            .to_toml()
            .lines()
            .filter(|line| !is_optional(line))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(Params::from_toml(&text).unwrap(), test_params());
        let fields = test_params().to_fields();
        let get = |key: &str| {
            let needed = |name: &str| name == key && !is_optional(&name);
            fields.iter().find(|(name, _)| needed(name)).map(|(_, value)| value.as_str())
        };
        assert_eq!(Params::from_fields(get).unwrap(), test_params());
    }

    #[test]
    fn unreadable_files_say_what_is_wrong() {
        let text = test_params().to_toml();
        for (from, to, says) in [
            ("coin-size = 4", "coin-size = 04", "line 9, column 13: "),
            ("coin-size = 4", "coin-size = -4", "line 9, column 13: coin-size: expected a number"),
            ("coin-size = 4", "coin-size = \"4\"", "coin-size: invalid type: string \"4\""),
            ("coin-size = 4", "coin-size = 9", "column 13: coin-size: expected 2 to 8, found 9"),
            ("coin-size = 4", "colour = 4", "line 9, column 1: unknown key `colour`"),
            ("hashfn = \"des\"", "hashfn = \"md5\"", "line 2, column 10: hashfn: "),
            ("hashfn = \"des\"", "", "missing key `hashfn`"),
            ("iv = \"0123456789abcdef\"", "iv = \"123456789abcdef\"", "16 hexadecimal digits"),
            ("iv = \"0123456789abcdef\"", "iv = \"+123456789abcdef\"", "16 hexadecimal digits"),
            ("iv = \"0123456789abcdef\"", "iv = 1234567890123456", "in quotation marks"),
            ("fixed-bits = \"2\"", "fixed-bits = \"+2\"", "expected 1 to 16 hexadecimal digits"),
            ("fixed-bits = \"2\"", "fixed-bits = \"\"", "expected 1 to 16 hexadecimal digits"),
            ("fixed-bits = \"2\"", "fixed-bits = 2", "in quotation marks"),
            ("fixed-bits = \"2\"", "fixed-bits = 0x2", "in quotation marks"),
            ("\"2\"", "\"00000000000000002\"", "expected 1 to 16 hexadecimal digits"),
            ("expiration = \"2027-01-01T00:00:00Z\"", "expiration = \"2027-01-01\"", "expiration"),
            ("2027-01-01T00:00:00Z", "2026-12-01T00:00:00Z", "expiration: expected start <"),
            ("output-size = 12", "output-size = 6", "column 15: output-size: expected"),
            (
                "0.01 USD",
                "0 USD",
                "coin-value: expected 0.00000001 USD to 1000000 USD, found 0 USD",
            ),
            ("0.01 USD", "1 cent", "line 14, column 14: coin-value: expected an amount"),
            ("https://broker.example/", &"x".repeat(TOML_FILE_SIZE_MAX as usize), "at most 65536"),
        ] {
            let error = Params::from_toml(&text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(says), "{to:.80}: {error}");
        }
    }
}
