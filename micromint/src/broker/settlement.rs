//! The settlement: the final decision about waiting claims at redeem-until.
//!
//! Input: all waiting claims. Output: a record of those that are paid. The first operation at or
//! after redeem-until makes it. The invariant: after it nothing is paid, even if the clock is set
//! back.

use super::claim::settle;
use super::record::BrokerRecord;
use super::{Broker, BrokerError, LockedBroker};
use crate::bin::Bin;
use crate::protocol::Verdict;
use crate::time::UnixTime;

impl Broker {
    /// Settles the period if that is due. Returns whether it is settled.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn settle(&mut self, now: UnixTime) -> Result<bool, BrokerError> {
        self.locked(now, |broker| Ok(broker.state.settlement.is_some()))
    }
}

impl LockedBroker<'_> {
    /// Makes the settlement if it is due and not made yet.
    pub(super) fn settle_if_due(&mut self, now: UnixTime) -> Result<(), BrokerError> {
        if self.state.settlement.is_some() || now < self.params().raw().redeem_until {
            return Ok(());
        }
        let mut waiting = Vec::new();
        for section in self.state.claim_sections() {
            let claims = (section.start..).zip(self.claims.read(&section)?);
            let claims = claims.filter(|(_, claim)| claim.verdict == Verdict::Waiting);
            waiting.extend(
                claims
                    .filter_map(|(number, claim)| claim.on.map(|(bin, kind)| (number, bin, kind))),
            );
        }
        let mut bins: Vec<Bin> = waiting.iter().map(|(_, bin, _)| *bin).collect();
        bins.sort_unstable();
        bins.dedup();
        let paid = self.are_paid(&bins)?;
        let is_paid = |bin| bins.binary_search(&bin).is_ok_and(|i| paid[i]);
        let winners = settle(waiting, is_paid);
        let winners = self.claims.write(self.state.claims_end(), &winners)?;
        self.commit(BrokerRecord::Settlement { when: now, winners })
    }
}
