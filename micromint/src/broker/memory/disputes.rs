//! Disputed coins: the list for people, and what a person decides.
//!
//! Input: a vendor, or a vendor and a user, and a ruling. Output: how many coins are paid, credited
//! or lapse by it. The invariant: only coins that the settlement left disputed are decided, each at
//! most once for each vendor.

use std::collections::BTreeMap;

use super::MemoryBroker;
use super::records::Decision;
use crate::bin::Bin;
use crate::broker::{Contenders, Dispute, Ruling, RulingOutcome, Sold, verdict_of_ruling};
use crate::identity::{UserId, VendorId};
use crate::protocol::Verdict;
use crate::reply::Reply;

/// Why a ruling is refused. Nothing is recorded then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulingRefusal {
    /// There is nothing to decide.
    #[error("{vendor} has no such disputed coins")]
    NoDispute {
        /// The vendor that the ruling names.
        vendor: VendorId,
    },
}

/// A disputed claim and, if it is a payment, its vendor.
type Disputed<'a> = (Decision, Option<&'a VendorId>);

impl MemoryBroker {
    /// The disputed coins, ordered by vendor and user. There are none before the settlement.
    pub fn disputes(&self) -> Vec<Dispute> {
        let mut counts: BTreeMap<(VendorId, UserId), (u64, u64)> = BTreeMap::new();
        for (bin, claims) in self.disputed() {
            let Some(user) = self.ledger.owner(bin.superbin) else { continue };
            let is_returned = claims.iter().any(|(_, vendor)| vendor.is_none());
            for vendor in claims.iter().filter_map(|(_, vendor)| *vendor) {
                let (coins, returned) = counts.entry((vendor.clone(), user.clone())).or_default();
                *coins += 1;
                *returned += u64::from(is_returned);
            }
        }
        let held = self.held_vendors();
        Dispute::list(counts, |vendor| held.contains(vendor))
    }

    /// Decides about the disputed claims of a vendor, on coins of one user or of all users, as a
    /// person wants.
    pub fn decide_dispute(
        &mut self,
        vendor: &VendorId,
        user: Option<&UserId>,
        ruling: Ruling,
    ) -> Reply<RulingOutcome, RulingRefusal> {
        let (mut decided, mut outcome) = (Vec::new(), RulingOutcome::default());
        let held = self.held_vendors();
        for (bin, claims) in self.disputed() {
            let is_users = user.is_none() || self.ledger.owner(bin.superbin) == user;
            if !is_users || claims.iter().all(|(_, of)| *of != Some(vendor)) {
                continue;
            }
            let all = Contenders::of(claims.iter().map(|(claim, vendor)| (claim.number, *vendor)));
            let award = all.award_after(vendor, ruling, |vendor| held.contains(vendor));
            outcome.count(award);
            for (claim, of) in claims {
                let is_refused = ruling == Ruling::Refuse && of == Some(vendor);
                let verdict = verdict_of_ruling(award, claim.number, is_refused);
                decided.push(Decision { verdict, ..claim });
            }
        }
        if decided.is_empty() {
            return Reply::Refused(RulingRefusal::NoDispute { vendor: vendor.clone() });
        }
        self.note_paid(decided.iter().filter_map(Decision::paid));
        self.ledger.rulings.extend(decided.iter().map(|claim| (claim.number, claim.verdict)));
        Reply::Granted(outcome)
    }

    /// The claims that are disputed today, by first bin.
    fn disputed(&self) -> BTreeMap<Bin, Vec<Disputed<'_>>> {
        let mut disputed: BTreeMap<Bin, Vec<Disputed<'_>>> = BTreeMap::new();
        let sections = self.ledger.claim_sections();
        for claim in self.settled_today().filter(|claim| claim.verdict == Verdict::Disputed) {
            let number = claim.number;
            let after = sections.partition_point(|(section, _)| section.start as u64 <= number);
            let vendor = after.checked_sub(1).and_then(|at| sections[at].1);
            disputed.entry(claim.bin).or_default().push((claim, vendor));
        }
        disputed
    }
}
