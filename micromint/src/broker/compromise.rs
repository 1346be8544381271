//! Bins that the broker no longer honours, because their balls leaked or someone else found them.
//!
//! Input: a range of bins. Output: the number of balls that were marked. From then on no coin with
//! such a ball is paid, and none is credited or sold. Earlier payments stay valid.

use std::fmt;
use std::str::FromStr;

use super::record::{BinRange, BrokerRecord};
use super::{Broker, BrokerError};
use crate::bin::Bin;
use crate::coin_file::Status;
use crate::protocol::parse_decimal;
use crate::reply::Reply;
use crate::time::UnixTime;

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

impl Broker {
    /// Declares bins compromised. Returns the number of balls that were not compromised before.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn compromise(
        &mut self,
        bins: BinRange,
        now: UnixTime,
    ) -> Result<Reply<u64, CompromiseRefusal>, BrokerError> {
        let (superbins, subbins) = (self.params().superbin_count(), self.params().subbin_count());
        let is_known = u64::from(bins.superbin) < superbins
            && bins.count > 0
            && bins.first.checked_add(bins.count).is_some_and(|end| end <= subbins);
        if !is_known {
            let (superbin_last, subbin_last) = (superbins - 1, subbins - 1);
            return Ok(Reply::Refused(CompromiseRefusal::NoSuchBins {
                bins,
                superbin_last,
                subbin_last,
            }));
        }
        self.locked(now, |broker| {
            let fresh = broker.sound_bins(bins)?.len() as u64;
            if fresh > 0 {
                broker.commit(BrokerRecord::Compromise { when: now, bins })?;
            }
            Ok(Reply::Granted(fresh))
        })
    }

    /// Marks the balls of a range in the coin file.
    pub(super) fn mark_compromised(&self, bins: BinRange) -> Result<(), BrokerError> {
        let marks: Vec<(Bin, Status)> =
            self.sound_bins(bins)?.into_iter().map(|bin| (bin, Status::COMPROMISED)).collect();
        Ok(self.coin_file.add_status(&marks)?)
    }

    /// The bins of a range with a ball that is not compromised yet, in order.
    fn sound_bins(&self, bins: BinRange) -> Result<Vec<Bin>, BrokerError> {
        let range = bins.first..bins.first.saturating_add(bins.count);
        let superbin = self.coin_file.superbin(bins.superbin)?;
        let is_sound = |status: Status| !status.contains(Status::COMPROMISED);
        let sound =
            superbin.balls().filter(|(at, ball)| range.contains(at) && is_sound(ball.status));
        Ok(sound.map(|(subbin, _)| Bin { superbin: bins.superbin, subbin }).collect())
    }
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
    use super::super::tests::{DURING, MINT, batch, directory, open, payment, user, vendor};
    use super::*;
    use crate::protocol::Verdict;

    fn range(superbin: u32, first: u32, count: u32) -> BinRange {
        BinRange { superbin, first, count }
    }

    #[test]
    fn compromised_balls_are_neither_paid_nor_sold() {
        let directory = directory();
        let mut broker = open(&directory);
        let (alice, news) = (user("alice"), vendor("news.example"));
        broker.register_vendor(&news, DURING).unwrap().granted().unwrap();
        broker.withdraw(&alice, 1, 1, DURING).unwrap().granted().unwrap();
        let coins = MINT.coins(&alice, &news, 0);
        // The last ball of the second coin is in an odd superbin.
        let bin = MINT.rules().bin(coins[1][3]).unwrap();
        assert_eq!(
            broker
                .compromise(range(bin.superbin, bin.subbin, 1), DURING)
                .unwrap()
                .granted()
                .unwrap(),
            1
        );
        assert_eq!(
            broker
                .compromise(range(bin.superbin, bin.subbin, 1), DURING)
                .unwrap()
                .granted()
                .unwrap(),
            0
        );
        // A process that opens the broker later knows it too.
        let mut broker = open(&directory);
        let paid = payment(&alice, &news, "a", &coins[..3]);
        let batch = batch(&news, "b1", &[paid]);
        let result = broker.redeem(&batch, DURING).unwrap().granted().unwrap().result;
        let expected = [Verdict::Accepted, Verdict::Compromised, Verdict::Accepted];
        assert_eq!(result.verdicts, expected);

        let minted = MINT.set(&alice, 2).superbins[0].len();
        let gone = broker.compromise(range(2, 0, 8), DURING).unwrap().granted().unwrap() as usize;
        assert!((1..minted).contains(&gone), "{gone} of {minted}");
        let funds = broker.withdraw(&alice, 1, 2, DURING).unwrap().granted().unwrap();
        assert_eq!(funds.sets[0].superbins[0].len(), minted - gone);
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

    #[test]
    fn bins_that_the_period_lacks_are_refused() {
        let mut broker = open(&directory());
        let last = MINT.params().superbin_count() as u32 - 1;
        let subbins = MINT.params().subbin_count();
        assert!(broker.compromise(range(last, 0, subbins), DURING).unwrap().granted().is_some());
        let wrong =
            [range(last + 1, 0, 1), range(0, subbins, 1), range(0, 1, subbins), range(0, 0, 0)];
        for bins in wrong.into_iter().chain([range(0, u32::MAX, 2)]) {
            assert!(broker.compromise(bins, DURING).unwrap().refused().is_some(), "{bins:?}");
        }
    }
}
