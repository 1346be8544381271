//! Points in time, as whole seconds since 1970-01-01 00:00 UTC.
//!
//! The text form is RFC 3339 (`2026-12-01T00:00:00Z`). Output is always in UTC with whole seconds,
//! so equal times print identically.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds in a UTC day (Unix time has no leap seconds).
pub(crate) const DAY_SECONDS: i64 = 86_400;

/// A point in time in whole seconds since 1970-01-01 00:00 UTC.
///
/// ```
/// use micromint::time::UnixTime;
///
/// let start: UnixTime = "2026-12-01T02:00:00+02:00".parse()?;
/// assert_eq!(start, UnixTime(1_796_083_200));
/// assert_eq!(start.plus_seconds(86_400).to_string(), "2026-12-02T00:00:00Z");
/// # Ok::<(), micromint::time::TimeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// This time moved by `seconds`; the result saturates at the ends of the range.
    pub fn plus_seconds(self, seconds: i64) -> UnixTime {
        UnixTime(self.0.saturating_add(seconds))
    }

    /// The start of the UTC day.
    pub(crate) fn day_start(self) -> UnixTime {
        UnixTime(self.0.saturating_sub(self.0.rem_euclid(DAY_SECONDS)))
    }

    /// The UTC day as `YYYY-MM-DD`.
    pub fn day(self) -> String {
        let text = self.to_string();
        text.split('T').next().unwrap_or_default().to_string()
    }
}

impl fmt::Display for UnixTime {
    /// Prints RFC 3339 in UTC, such as `2026-12-01T00:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = OffsetDateTime::from_unix_timestamp(self.0).ok();
        match date.and_then(|date| date.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            // Before the year 0 or after 9999, for which RFC 3339 has no form.
            None => write!(f, "@{}", self.0),
        }
    }
}

/// The text is not an RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("expected a time such as 2026-12-01T00:00:00Z (RFC 3339), found {found:?}: {why}")]
pub struct TimeError {
    found: String,
    why: String,
}

impl FromStr for UnixTime {
    type Err = TimeError;

    /// Parses RFC 3339 with any offset; a fraction of a second is dropped.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(|date| UnixTime(date.unix_timestamp()))
            .map_err(|error| TimeError { found: text.to_string(), why: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_rfc_3339() {
        let time: UnixTime = "2026-12-01T01:30:00+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-12-01T00:30:00Z");
        assert_eq!(time.day(), "2026-12-01");
        assert_eq!(time.to_string().parse::<UnixTime>().unwrap(), time);
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.9Z", -1),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(text.parse::<UnixTime>().unwrap(), UnixTime(seconds), "{text}");
        }
        for seconds in [i64::MIN, -62_167_219_201, 253_402_300_800, i64::MAX] {
            assert_eq!(UnixTime(seconds).to_string(), format!("@{seconds}"));
        }
        for text in [
            "",
            "2026-12-01",
            "2026-12-01T00:00:00",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
        ] {
            let error = text.parse::<UnixTime>().unwrap_err().to_string();
            assert!(error.starts_with("expected a time such as"), "{error}");
        }
    }
}
