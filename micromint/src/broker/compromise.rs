//! Bins that the broker no longer honours, because their balls leaked or someone else found them.
//!
//! Input: a range of bins. Output: whether the period has them. Sets sold from then on do not
//! contain their balls. Of sets sold before, payments that are not proved to be the owner's are
//! not paid for coins with such balls; the owner can still spend and return them.

use std::fmt;
use std::str::FromStr;

use crate::params::Params;
use crate::protocol::parse_decimal;

/// A range of bins in one superbin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinRange {
    /// The superbin.
    pub superbin: u32,
    /// The first sub-bin.
    pub first: u32,
    /// The number of sub-bins, at least 1.
    pub count: u32,
}

impl BinRange {
    /// Whether the range contains this sub-bin of its superbin.
    pub fn contains(&self, subbin: u32) -> bool {
        subbin.checked_sub(self.first).is_some_and(|at| at < self.count)
    }
}

/// Why bins cannot be declared compromised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompromiseRefusal {
    /// The period has no such bins.
    #[error(
        "expected bins of superbins 0 to {superbin_last} with sub-bins 0 to {subbin_last}, \
         found {bins}"
    )]
    NoSuchBins {
        /// The requested bins.
        bins: BinRange,
        /// The index of the period's last superbin.
        superbin_last: u64,
        /// The last sub-bin of each superbin.
        subbin_last: u32,
    },
}

/// Why these bins of a period cannot be declared compromised; `None` if they can.
pub fn compromise_refusal(params: &Params, bins: BinRange) -> Option<CompromiseRefusal> {
    let (superbins, subbins) = (params.superbin_count(), params.subbin_count());
    let is_known = u64::from(bins.superbin) < superbins
        && bins.count > 0
        && bins.first.checked_add(bins.count).is_some_and(|end| end <= subbins);
    let (superbin_last, subbin_last) = (superbins - 1, subbins - 1);
    let refusal = CompromiseRefusal::NoSuchBins { bins, superbin_last, subbin_last };
    (!is_known).then_some(refusal)
}

impl fmt::Display for BinRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = u64::from(self.first) + u64::from(self.count.max(1)) - 1;
        write!(f, "{}:{}-{last}", self.superbin, self.first)
    }
}

/// The text is not a range of bins.
#[derive(Debug, thiserror::Error)]
#[error("expected SUPERBIN:SUBBIN or SUPERBIN:FIRST-LAST, found {0:?}")]
pub struct BinRangeError(String);

impl FromStr for BinRange {
    type Err = BinRangeError;

    /// Reads one bin, such as `8:3`, or several, such as `8:0-15`.
    fn from_str(text: &str) -> Result<BinRange, BinRangeError> {
        let number = |text| parse_decimal(text).and_then(|number| u32::try_from(number).ok());
        let read = || {
            let (superbin, subbins) = text.split_once(':')?;
            let (first, last) = subbins.split_once('-').unwrap_or((subbins, subbins));
            let (superbin, first, last) = (number(superbin)?, number(first)?, number(last)?);
            let count = last.checked_sub(first)?.checked_add(1)?;
            Some(BinRange { superbin, first, count })
        };
        read().ok_or_else(|| BinRangeError(text.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(superbin: u32, first: u32, count: u32) -> BinRange {
        BinRange { superbin, first, count }
    }

    #[test]
    fn ranges_are_read_and_other_texts_are_rejected() {
        for (text, bins) in [("8:3", range(8, 3, 1)), ("8:0-15", range(8, 0, 16))] {
            assert_eq!(text.parse::<BinRange>().unwrap(), bins);
        }
        assert_eq!(range(8, 0, 16).to_string(), "8:0-15");
        for text in
            ["", "8", "8:", ":3", "8:3-", "8:3-2", "8:3-4-5", "x:3", "-1:3", "8:0-4294967295"]
        {
            assert!(text.parse::<BinRange>().is_err(), "{text}");
        }
    }
}
