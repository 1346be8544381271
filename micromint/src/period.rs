//! The name of a period, usually a month, in which coins can be spent.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;

use crate::error::clip;
use crate::time::UnixTime;

/// The longest period name, in bytes.
pub(crate) const PERIOD_LEN_MAX: usize = 32;

/// A period's name, such as `2026-12`: 1 to 32 characters of `a-z 0-9 -`. Files are named after it.
///
/// ```
/// use micromint::period::Period;
///
/// let period: Period = "2026-12".parse()?;
/// let (start, expiration) = period.month().ok_or("not a month")?;
/// assert_eq!(start.to_string(), "2026-12-01T00:00:00Z");
/// assert_eq!(expiration.to_string(), "2027-01-01T00:00:00Z");
///
/// assert_eq!("xmas-2026".parse::<Period>()?.month(), None);
/// assert!("2026/12".parse::<Period>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(CompactString);

/// The text is not a valid period name.
#[derive(Debug, thiserror::Error)]
#[error("expected a period name of 1 to 32 characters a-z 0-9 -, found {0:?}")]
pub struct PeriodError(String);

impl Period {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For a name such as `2026-12`, the start (UTC) of that month and of the next one; `None` for
    /// a period that is not a month.
    pub fn month(&self) -> Option<(UnixTime, UnixTime)> {
        let (year, month) = self.0.split_once('-')?;
        if year.len() != 4 || month.len() != 2 {
            return None;
        }
        let first =
            |year: u16, month: u8| format!("{year:04}-{month:02}-01T00:00:00Z").parse().ok();
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        let next = if month == 12 { first(year + 1, 1) } else { first(year, month + 1) };
        Some((first(year, month)?, next?))
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if (1..=PERIOD_LEN_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Period(text.into()))
        } else {
            Err(PeriodError(clip(text)))
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
    fn months_have_a_start_and_an_end() {
        let month = |name: &str| {
            let (start, end) = name.parse::<Period>().unwrap().month()?;
            Some(format!("{start} {end}"))
        };
        assert_eq!(month("2026-12").unwrap(), "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z");
        assert_eq!(month("2028-02").unwrap(), "2028-02-01T00:00:00Z 2028-03-01T00:00:00Z");
        for bad in ["2026-13", "2026-00", "2026-1", "december", "2026-12-01", "2026-12b", "9999-12"]
        {
            assert_eq!(month(bad), None, "{bad}");
        }
    }

    #[test]
    fn accepts_32_characters_and_no_33rd() {
        assert!("a".repeat(32).parse::<Period>().is_ok());
        assert!("a".repeat(33).parse::<Period>().is_err());
        for bad in ["", "2026_12", "A", "../x", "é"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }
}
