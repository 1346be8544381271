//! Bins that the broker no longer honours, because their balls leaked or someone else found them.
//!
//! Input: a range of bins. Output: the number of balls that were marked. Sets sold from then on do
//! not contain their balls. Of sets sold before, payments that are not proved to be the owner's are
//! not paid for coins with such balls; the owner can still spend and return them.

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
        self.locked(|broker| {
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
    use super::super::tests::{
        CLOSED, DURING, EXPIRED, MINT, batch, directory, open, payment, redeem, return_of,
        take_back, user, vendor, with_junk,
    };
    use super::*;
    use crate::protocol::Verdict;

    fn range(superbin: u32, first: u32, count: u32) -> BinRange {
        BinRange { superbin, first, count }
    }

    /// A bin that is declared compromised after the sale stops only payments that may be a
    /// stranger's.
    #[test]
    fn compromised_balls_stop_doubtful_payments_and_are_not_sold() {
        let directory = directory();
        let mut broker = open(&directory);
        let (alice, news) = (user("alice"), vendor("news.example"));
        broker.register_vendor(&news, DURING).unwrap().granted().unwrap();
        let sold = broker.withdraw(&alice, 1, 1, DURING).unwrap().granted().unwrap();
        let coins = MINT.coins(&alice, &news, 0);
        // The last ball of the second coin is in an odd superbin, the first ball of the third in
        // the first superbin.
        let bin = MINT.rules().bin(coins[1][3]).unwrap();
        let first = MINT.rules().bin(coins[2][0]).unwrap();
        let mut compromise = |bin: Bin| {
            let bins = range(bin.superbin, bin.subbin, 1);
            broker.compromise(bins, DURING).unwrap().granted().unwrap()
        };
        assert_eq!((compromise(bin), compromise(bin), compromise(first)), (1, 0, 1));
        // A process that opens the broker later knows it too.
        let mut broker = open(&directory);
        let paid = payment(&alice, &news, "a", &coins[..4]);
        let doubtful = batch(&news, "b1", &[with_junk(paid.clone())]);
        use Verdict::{Accepted, Compromised, Waiting};
        let expected = [Waiting, Compromised, Compromised, Waiting];
        assert_eq!(redeem(&mut broker, &doubtful, DURING), expected);
        let certain = batch(&news, "b2", &[payment(&alice, &news, "b", &coins[..2])]);
        assert_eq!(redeem(&mut broker, &certain, DURING), [Accepted; 2]);
        // The sale is still the same message, and the ball can be returned.
        let again = broker.withdraw(&alice, 1, 1, DURING).unwrap().granted().unwrap();
        assert_eq!(again, sold);
        let back = return_of(&alice, "r", &[coins[2][0]]);
        assert_eq!(take_back(&mut broker, &back, EXPIRED), [Waiting]);
        assert!(broker.settle(CLOSED).unwrap());
        assert_eq!(take_back(&mut broker, &back, CLOSED), [Accepted]);
    }

    #[test]
    fn a_set_is_sold_without_compromised_balls_and_costs_less() {
        let mut broker = open(&directory());
        let (alice, news) = (user("alice"), vendor("news.example"));
        broker.register_vendor(&news, DURING).unwrap().granted().unwrap();
        let minted = MINT.set(&alice, 0).superbins[0].len();
        let gone = broker.compromise(range(0, 0, 8), DURING).unwrap().granted().unwrap() as usize;
        assert!((1..minted).contains(&gone), "{gone} of {minted}");
        let funds = broker.withdraw(&alice, 1, 2, DURING).unwrap().granted().unwrap();
        assert_eq!(funds.sets[0].superbins[0].len(), minted - gone);
        let account = broker.user_account(&alice).unwrap().unwrap();
        assert_eq!(account.coins_sold, (minted - gone) as u64);
        // What was not delivered is neither paid nor credited, no matter who found it.
        let withheld = |coin: &Vec<u64>| MINT.rules().bin(coin[0]).unwrap().subbin < 8;
        let coin = MINT.coins(&alice, &news, 0).into_iter().find(withheld).unwrap();
        let ball = coin[0];
        let found = batch(&news, "b", &[payment(&alice, &news, "a", &[coin])]);
        assert_eq!(redeem(&mut broker, &found, DURING), [Verdict::Compromised]);
        let back = return_of(&alice, "r", &[ball]);
        assert_eq!(take_back(&mut broker, &back, EXPIRED), [Verdict::Compromised]);
        let coins = broker.status().unwrap().coins;
        assert_eq!((coins.sold, coins.lapsed), (account.coins_sold, account.coins_sold));
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
