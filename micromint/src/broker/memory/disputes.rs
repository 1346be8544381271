//! Disputed coins: the list for people, and what a person decides.
//!
//! Input: a vendor, or a vendor and a user, and a ruling. Output: how many coins are paid, credited
//! or lapse by it. The invariant: only coins that the settlement left disputed are decided, each at
//! most once for each vendor.

use std::collections::{BTreeMap, BTreeSet};

use super::MemoryBroker;
use crate::bin::Bin;
use crate::broker::{Award, Claim, Contender, Ruling, Sold, award_after, verdict_after};
use crate::identity::{UserId, VendorId};
use crate::protocol::Verdict;
use crate::reply::Reply;

/// The disputed coins of a user at a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dispute {
    /// The vendor that claims them.
    pub vendor: VendorId,
    /// The user to whom they were sold.
    pub user: UserId,
    /// Their number.
    pub coins: u64,
    /// Of these, the number that the user has returned.
    pub returned: u64,
    /// The number of users with whom this vendor has disputes.
    pub users_of_vendor: u64,
    /// The number of vendors with which this user has disputes.
    pub vendors_of_user: u64,
    /// More than one in a hundred of the vendor's claims may not be from the owners.
    pub is_held: bool,
}

/// What a ruling led to, in coins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RulingOutcome {
    /// Paid to a vendor.
    pub paid: u64,
    /// Credited to the users who returned them.
    pub credited: u64,
    /// Neither paid nor credited.
    pub lapsed: u64,
    /// Still disputed, because another vendor claims them too.
    pub disputed: u64,
}

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

/// A disputed claim with its number and, if it is a payment, its vendor.
type Disputed<'a> = (u64, Claim, Option<&'a VendorId>);

impl MemoryBroker {
    /// The disputed coins, ordered by vendor and user. There are none before the settlement.
    pub fn disputes(&self) -> Vec<Dispute> {
        let mut counts: BTreeMap<(&VendorId, &UserId), (u64, u64)> = BTreeMap::new();
        for (bin, claims) in self.disputed() {
            let Some(user) = self.ledger.owner(bin.superbin) else { continue };
            let is_returned = claims.iter().any(|(_, _, vendor)| vendor.is_none());
            for vendor in claims.iter().filter_map(|(_, _, vendor)| *vendor) {
                let (coins, returned) = counts.entry((vendor, user)).or_default();
                *coins += 1;
                *returned += u64::from(is_returned);
            }
        }
        let held = self.held_vendors();
        let pairs: BTreeSet<(&VendorId, &UserId)> = counts.keys().copied().collect();
        let dispute = |((vendor, user), (coins, returned)): (_, (u64, u64))| Dispute {
            vendor: VendorId::clone(vendor),
            user: UserId::clone(user),
            coins,
            returned,
            users_of_vendor: pairs.iter().filter(|(other, _)| *other == vendor).count() as u64,
            vendors_of_user: pairs.iter().filter(|(_, other)| *other == user).count() as u64,
            is_held: held.contains(vendor),
        };
        counts.into_iter().map(dispute).collect()
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
            if !is_users || claims.iter().all(|(_, _, of)| *of != Some(vendor)) {
                continue;
            }
            let all: Vec<Contender<&VendorId>> = claims
                .iter()
                .map(|(number, _, vendor)| Contender { number: *number, vendor: *vendor })
                .collect();
            let award = award_after(&all, vendor, ruling, |vendor| held.contains(vendor));
            match award {
                Award::Vendor(_) => outcome.paid += 1,
                Award::User(_) => outcome.credited += 1,
                Award::Disputed => outcome.disputed += 1,
                Award::Nobody => outcome.lapsed += 1,
            }
            for (number, claim, of) in claims {
                let is_refused = ruling == Ruling::Refuse && of == Some(vendor);
                let verdict = match verdict_after(award, number) {
                    _ if is_refused => Verdict::NotFromOwner,
                    Some(verdict) => verdict,
                    None => Verdict::AlreadyPaid,
                };
                decided.push(claim.decided(number, verdict));
            }
        }
        if decided.is_empty() {
            return Reply::Refused(RulingRefusal::NoDispute { vendor: vendor.clone() });
        }
        self.note_paid(&decided);
        self.ledger.rulings.extend(decided.iter().map(|claim| (claim.digest, claim.verdict)));
        Reply::Granted(outcome)
    }

    /// The claims that are disputed today, by first bin.
    fn disputed(&self) -> BTreeMap<Bin, Vec<Disputed<'_>>> {
        let mut disputed: BTreeMap<Bin, Vec<Disputed<'_>>> = BTreeMap::new();
        let sections = self.ledger.claim_sections();
        for claim in self.settled_today().filter(|claim| claim.verdict == Verdict::Disputed) {
            let Some(bin) = claim.bin else { continue };
            let number = claim.digest;
            let after = sections.partition_point(|(section, _)| section.start as u64 <= number);
            let vendor = after.checked_sub(1).and_then(|at| sections[at].1);
            disputed.entry(bin).or_default().push((number, claim, vendor));
        }
        disputed
    }
}
