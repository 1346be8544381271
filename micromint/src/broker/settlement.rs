//! The settlement: the final decision about waiting claims at redeem-until.
//!
//! Input: all waiting claims. Output: a record of those that are paid, credited or disputed. Only
//! [`Broker::settle`] makes it, at or after redeem-until, so that one other command under a wrong
//! clock decides nothing. The invariants: from redeem-until on nothing new is sold or judged. After
//! the settlement that holds even if the clock is set back, and only disputed claims are still
//! decided.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::award::{Contender, award, contenders, is_held, verdict_after};
use super::claim::Claim;
use super::claims_file::Section;
use super::record::BrokerRecord;
use super::{Broker, BrokerError, LockedBroker};
use crate::bin::Bin;
use crate::identity::VendorId;
use crate::protocol::Verdict;
use crate::time::UnixTime;

/// A waiting or disputed claim, with its number and its vendor.
type Numbered<'a> = (u64, Claim, Option<&'a VendorId>);

/// What was decided about claims that waited.
pub(super) struct Decided {
    /// The decisions of the settlement, ordered by the number of the claim.
    settlement: Vec<Claim>,
    /// What persons decided later.
    rulings: HashMap<u64, Verdict>,
}

impl Decided {
    /// The verdict on the waiting claim of this number.
    pub(super) fn verdict(&self, number: u64) -> Verdict {
        if let Some(verdict) = self.rulings.get(&number) {
            return *verdict;
        }
        let at = self.settlement.binary_search_by_key(&number, |claim| claim.digest);
        at.map_or(Verdict::AlreadyPaid, |at| self.settlement[at].verdict)
    }

    /// The entries of the settlement, with their verdicts today.
    pub(super) fn today(&self) -> impl Iterator<Item = Claim> + '_ {
        self.settlement.iter().map(|claim| Claim { verdict: self.verdict(claim.digest), ..*claim })
    }
}

impl Broker {
    /// Settles the period, which is final, if `now` is at or after redeem-until and it is not
    /// settled yet. Returns whether it is settled. Nothing else settles it.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn settle(&mut self, now: UnixTime) -> Result<bool, BrokerError> {
        self.locked(|broker| broker.settle_if_due(now))
    }

    /// Whether no new message is judged any more: redeem-until is over, or the period is settled,
    /// which shows that it was over even if the clock is set back.
    pub(super) fn is_closed(&self, now: UnixTime) -> bool {
        self.ledger.settlement.is_some() || now >= self.params().raw().redeem_until
    }

    /// What the settlement and persons decided; `None` before the settlement.
    pub(super) fn decided(&self) -> Result<Option<Decided>, BrokerError> {
        let Some(section) = &self.ledger.settlement else { return Ok(None) };
        let settlement = self.claims.read(section)?;
        let mut rulings = HashMap::new();
        for ruling in &self.ledger.rulings {
            let claims = self.claims.read(&ruling.decided)?;
            rulings.extend(claims.iter().map(|claim| (claim.digest, claim.verdict)));
        }
        Ok(Some(Decided { settlement, rulings }))
    }

    /// The vendors whose claims of rank 2 a person must decide.
    pub(super) fn held_vendors(&self) -> BTreeSet<&VendorId> {
        let mut counts: BTreeMap<&VendorId, (u64, u64)> = BTreeMap::new();
        for batch in &self.ledger.batches {
            let (certain, doubtful) = counts.entry(&batch.vendor).or_default();
            *certain += u64::from(batch.accepted);
            *doubtful += u64::from(batch.waiting);
        }
        let held =
            counts.into_iter().filter(|(_, (certain, doubtful))| is_held(*certain, *doubtful));
        held.map(|(vendor, _)| vendor).collect()
    }

    /// The claims that wait at redeem-until, by first bin. Those on paid balls are not among them.
    fn waiting(&self) -> Result<BTreeMap<Bin, Vec<Numbered<'_>>>, BrokerError> {
        let mut waiting: BTreeMap<Bin, Vec<Numbered<'_>>> = BTreeMap::new();
        for (section, vendor) in self.ledger.claim_sections() {
            for (number, claim) in (section.start..).zip(self.claims.read(&section)?) {
                if let (Verdict::Waiting, Some(bin)) = (claim.verdict, claim.bin) {
                    waiting.entry(bin).or_default().push((number, claim, vendor));
                }
            }
        }
        let bins: Vec<Bin> = waiting.keys().copied().collect();
        let mut paid = self.are_paid(&bins)?.into_iter();
        waiting.retain(|_, _| !paid.next().unwrap_or(true));
        Ok(waiting)
    }

    /// The decisions of the settlement: an entry for each claim that is paid, credited or disputed,
    /// ordered by the number of the claim.
    fn decisions(&self) -> Result<Vec<Claim>, BrokerError> {
        let held = self.held_vendors();
        let mut decided = Vec::new();
        for claims in self.waiting()?.into_values() {
            let all = contenders(claims.iter().map(contender));
            let award = award(&all, |vendor| held.contains(vendor));
            for (number, claim, _) in claims {
                let is_contender = all.iter().any(|contender| contender.number == number);
                if let Some(verdict) = verdict_after(award, number).filter(|_| is_contender) {
                    decided.push(claim.decided(number, verdict));
                }
            }
        }
        decided.sort_unstable_by_key(|claim| claim.digest);
        Ok(decided)
    }
}

fn contender<'a>((number, _, vendor): &Numbered<'a>) -> Contender<&'a VendorId> {
    Contender { number: *number, vendor: *vendor }
}

impl LockedBroker<'_> {
    /// Makes the settlement if it is due and not made yet. Returns whether it is made.
    fn settle_if_due(&mut self, now: UnixTime) -> Result<bool, BrokerError> {
        if self.ledger.settlement.is_none() && self.is_closed(now) {
            let decisions = self.decisions()?;
            let decided: Section = self.claims.write(self.ledger.claims_end(), &decisions)?;
            self.commit(BrokerRecord::Settlement { when: now, decided })?;
        }
        Ok(self.ledger.settlement.is_some())
    }
}
