//! Points in time, as whole seconds since 1970-01-01 00:00 UTC.
//!
//! The text form is RFC 3339 (`2026-12-01T00:00:00Z`). Output is always in UTC with whole seconds,
//! so equal times print identically.

use std::fmt;
use std::str::FromStr;

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
        match jiff::Timestamp::from_second(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            // After the year 9999, for which RFC 3339 has no form.
            Err(_) => write!(f, "@{}", self.0),
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
        text.parse::<jiff::Timestamp>()
            .map(|timestamp| UnixTime(timestamp.as_second()))
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
        assert!("2026-12-01".parse::<UnixTime>().is_err());
    }
}
