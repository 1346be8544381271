//! The name of a period: the month, usually, that coins are good for.

use std::fmt;
use std::str::FromStr;

/// The longest period name, in bytes.
pub const PERIOD_LEN_MAX: usize = 32;

/// A period's name, such as `2026-12`: 1 to 32 characters of `a-z 0-9 -`. It names files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(String);

/// The text is no period name.
#[derive(Debug, thiserror::Error)]
#[error("expected a period name of 1 to 32 characters a-z 0-9 -, found {0:?}")]
pub struct PeriodError(String);

impl Period {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if (1..=PERIOD_LEN_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Period(text.to_string()))
        } else {
            Err(PeriodError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_32_characters_and_no_33rd() {
        assert!("a".repeat(32).parse::<Period>().is_ok());
        assert!("a".repeat(33).parse::<Period>().is_err());
        for bad in ["", "2026_12", "A", "../x", "é"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }
}
