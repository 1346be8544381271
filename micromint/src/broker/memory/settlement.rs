//! The settlement: the final decision about waiting claims at redeem-until.
//!
//! Input: all waiting claims. Output: which of them are paid, credited or disputed. Only
//! [`MemoryBroker::settle`] makes it, at or after redeem-until, so that one other call under a
//! wrong clock decides nothing. The invariants: from redeem-until on nothing new is sold or judged.
//! After the settlement that holds even if the clock is set back, and only disputed claims are
//! still decided.

use std::collections::{BTreeMap, BTreeSet};

use super::MemoryBroker;
use super::records::Decision;
use crate::bin::Bin;
use crate::broker::{Contenders, Rank, is_held};
use crate::identity::VendorId;
use crate::protocol::Verdict;
use crate::time::UnixTime;

/// A waiting claim: its number, its rank and, if it is a payment, its vendor.
type Waiting<'a> = (u64, Rank, Option<&'a VendorId>);

impl MemoryBroker {
    /// Settles the period, which is final, if `now` is at or after redeem-until and it is not
    /// settled yet. Returns whether it is settled. Nothing else settles it.
    pub fn settle(&mut self, now: UnixTime) -> bool {
        if self.ledger.settlement.is_none() && self.is_closed(now) {
            let decided = self.decisions();
            self.note_paid(decided.iter().filter_map(Decision::paid));
            self.ledger.settlement = Some(decided);
        }
        self.ledger.settlement.is_some()
    }

    /// Whether no new message is judged any more: redeem-until is over, or the period is settled,
    /// which shows that it was over even if the clock is set back.
    pub(super) fn is_closed(&self, now: UnixTime) -> bool {
        self.ledger.settlement.is_some() || now >= self.params().raw().redeem_until
    }

    /// The verdict today on the waiting claim of this number; `None` before the settlement.
    pub(super) fn verdict_today(&self, number: u64) -> Option<Verdict> {
        let settlement = self.ledger.settlement.as_ref()?;
        if let Some(verdict) = self.ledger.rulings.get(&number) {
            return Some(*verdict);
        }
        let at = settlement.binary_search_by_key(&number, |decision| decision.number);
        Some(at.map_or(Verdict::AlreadyPaid, |at| settlement[at].verdict))
    }

    /// The entries of the settlement, with their verdicts today.
    pub(super) fn settled_today(&self) -> impl Iterator<Item = Decision> + '_ {
        self.ledger.settlement.iter().flatten().map(|decision| {
            let verdict = self.verdict_today(decision.number).unwrap_or(decision.verdict);
            Decision { verdict, ..*decision }
        })
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
    fn waiting(&self) -> BTreeMap<Bin, Vec<Waiting<'_>>> {
        let mut waiting: BTreeMap<Bin, Vec<Waiting<'_>>> = BTreeMap::new();
        for (section, vendor) in self.ledger.claim_sections() {
            for (number, claim) in (section.start as u64..).zip(self.claims(&section)) {
                if let (Verdict::Waiting, Some((bin, rank))) = (claim.verdict, claim.on()) {
                    waiting.entry(bin).or_default().push((number, rank, vendor));
                }
            }
        }
        waiting.retain(|bin, _| !self.paid.contains(bin));
        waiting
    }

    /// The decisions of the settlement.
    fn decisions(&self) -> Vec<Decision> {
        let held = self.held_vendors();
        let mut decided = Vec::new();
        for (bin, claims) in self.waiting() {
            let all = Contenders::of(claims.iter().map(|(number, _, vendor)| (*number, *vendor)));
            let award = all.award(|vendor| held.contains(vendor));
            decided.extend(claims.into_iter().filter_map(|(number, rank, _)| {
                let verdict = all.verdict(award, number)?;
                Some(Decision { number, bin, rank, verdict })
            }));
        }
        decided.sort_unstable_by_key(|decision| decision.number);
        decided
    }
}
