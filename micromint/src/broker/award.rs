//! Who gets the value of a first ball at redeem-until, and the sums that result.
//!
//! Input: the claims on one first bin that wait, and what a person decided. Output: the one who
//! gets the ball's value. Nothing is read or written here.
//!
//! The invariants: at most one claim on a first bin is paid or credited. Where a payment that may
//! be the owner's meets a return, and where a vendor has too many such payments, nobody gets the
//! value before a person has decided. For each superbin, sold = paid + credited + disputed +
//! lapsed.

use std::collections::BTreeMap;

use crate::identity::{UserId, VendorId};
use crate::protocol::Verdict;

/// Of a hundred claims of a vendor at most this many may be of rank 2 without a person's decision.
const DOUBTFUL_PERCENT_MAX: u128 = 1;

/// The claims that can get the value of one first ball, which no claim of rank 1 took: of those
/// that wait or are disputed, the first of each vendor and the first return, in order of time.
///
/// ```
/// use micromint::broker::{Award, Contenders};
///
/// let claims = [(3, Some("news")), (5, Some("news")), (8, Some("shop"))];
/// let contenders = Contenders::of(claims);
/// let nobody_held = |_| false;
/// assert_eq!(contenders.award(nobody_held), Award::Vendor(3));
/// assert_eq!(Contenders::in_order(["news"], true).award(nobody_held), Award::Disputed);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contenders<V>(Vec<Contender<V>>);

/// A claim on a first ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Contender<V> {
    /// The number of the claim, which is its order in time.
    number: u64,
    /// The vendor of a payment; `None` for a return.
    vendor: Option<V>,
}

/// Who gets the value of a first ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Award {
    /// The vendor whose claim has this number.
    Vendor(u64),
    /// The user whose return has this number.
    User(u64),
    /// Nobody until a person decides.
    Disputed,
    /// Nobody: the ball lapsed.
    Nobody,
}

/// What a person decided about the disputed claims of a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// They are paid.
    Pay,
    /// They are not paid. What remains of the dispute is decided by the rules.
    Refuse,
}

/// The disputed coins of a user at a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
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
pub struct RulingOutcome {
    /// Paid to the vendor, or to another one.
    pub paid: u64,
    /// Credited to the users who returned them.
    pub credited: u64,
    /// Neither paid nor credited.
    pub lapsed: u64,
    /// Still disputed, because another vendor claims them too.
    pub disputed: u64,
}

/// Where the value of sold first balls went, in coins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// First balls that were sold.
    pub sold: u64,
    /// Paid to vendors.
    pub paid: u64,
    /// Credited to users who returned them.
    pub credited: u64,
    /// Waiting for the decision of a person.
    pub disputed: u64,
    /// Neither paid for nor returned. Before the settlement, this includes balls that may still be.
    pub lapsed: u64,
}

/// Whether a vendor's claims of rank 2 are held until a person decides: they are more than one in a
/// hundred. `certain` is the number of its coins that were paid at once, `doubtful` of its claims
/// of rank 2.
pub fn is_held(certain: u64, doubtful: u64) -> bool {
    let (certain, doubtful) = (u128::from(certain), u128::from(doubtful));
    doubtful * 100 > (certain + doubtful) * DOUBTFUL_PERCENT_MAX
}

impl<V: Copy + PartialEq> Contenders<V> {
    /// Of all claims on one first bin, in order of time: their numbers and, for a payment, its
    /// vendor; `None` for a return.
    pub fn of(claims: impl IntoIterator<Item = (u64, Option<V>)>) -> Contenders<V> {
        let mut firsts: Vec<Contender<V>> = Vec::new();
        for (number, vendor) in claims {
            if firsts.iter().all(|first| first.vendor != vendor) {
                firsts.push(Contender { number, vendor });
            }
        }
        Contenders(firsts)
    }

    /// The same of the vendors of the payments, which are numbered from 0. A return comes after
    /// them.
    pub fn in_order(vendors: impl IntoIterator<Item = V>, is_returned: bool) -> Contenders<V> {
        let back = is_returned.then_some(None);
        Contenders::of((0..).zip(vendors.into_iter().map(Some).chain(back)))
    }

    /// Who gets the value of the first ball by the rules alone. A vendor whose claims are held does
    /// not keep another vendor from being paid.
    pub fn award(&self, is_held: impl Fn(V) -> bool) -> Award {
        award(self.0.iter().copied(), is_held)
    }

    /// Who gets the value of a disputed ball after a person ruled on the claims of `vendor`.
    pub fn award_after(&self, vendor: V, ruling: Ruling, is_held: impl Fn(V) -> bool) -> Award {
        let is_its = |claim: &Contender<V>| claim.vendor == Some(vendor);
        match (ruling, self.0.iter().find(|claim| is_its(claim))) {
            (_, None) => Award::Disputed,
            (Ruling::Pay, Some(claim)) => Award::Vendor(claim.number),
            (Ruling::Refuse, Some(_)) => {
                award(self.0.iter().copied().filter(|claim| !is_its(claim)), is_held)
            }
        }
    }

    /// The verdict that an award means for the claim of this number; `None` if it gets nothing.
    pub fn verdict(&self, award: Award, number: u64) -> Option<Verdict> {
        let is_one = self.0.iter().any(|contender| contender.number == number);
        verdict_after(award, number).filter(|_| is_one)
    }
}

fn award<V>(
    contenders: impl Iterator<Item = Contender<V>> + Clone,
    is_held: impl Fn(V) -> bool,
) -> Award {
    let back = contenders.clone().find(|claim| claim.vendor.is_none());
    if contenders.clone().all(|claim| claim.vendor.is_none()) {
        return back.map_or(Award::Nobody, |back| Award::User(back.number));
    }
    let mut payments = contenders.filter_map(|claim| Some((claim.number, claim.vendor?)));
    match (payments.find_map(|(number, vendor)| (!is_held(vendor)).then_some(number)), back) {
        (Some(number), None) => Award::Vendor(number),
        (None, _) | (_, Some(_)) => Award::Disputed,
    }
}

fn verdict_after(award: Award, number: u64) -> Option<Verdict> {
    match award {
        Award::Vendor(winner) | Award::User(winner) if winner == number => Some(Verdict::Accepted),
        Award::Disputed => Some(Verdict::Disputed),
        Award::Vendor(_) | Award::User(_) | Award::Nobody => None,
    }
}

/// The verdict on a disputed claim of this number after a ruling. `is_refused`: the claim is one of
/// those that the ruling refuses.
pub fn verdict_of_ruling(award: Award, number: u64, is_refused: bool) -> Verdict {
    match verdict_after(award, number) {
        _ if is_refused => Verdict::NotFromOwner,
        Some(verdict) => verdict,
        None => Verdict::AlreadyPaid,
    }
}

impl Dispute {
    /// The disputes, ordered by vendor and user. `coins` has the numbers of disputed coins of each
    /// vendor and user, and of those that the user has returned.
    pub fn list(
        coins: BTreeMap<(VendorId, UserId), (u64, u64)>,
        is_held: impl Fn(&VendorId) -> bool,
    ) -> Vec<Dispute> {
        let (mut of_vendor, mut of_user) = (BTreeMap::new(), BTreeMap::new());
        for (vendor, user) in coins.keys() {
            *of_vendor.entry(vendor.clone()).or_insert(0) += 1;
            *of_user.entry(user.clone()).or_insert(0) += 1;
        }
        let dispute = |((vendor, user), (coins, returned)): ((VendorId, UserId), _)| Dispute {
            coins,
            returned,
            users_of_vendor: of_vendor.get(&vendor).copied().unwrap_or_default(),
            vendors_of_user: of_user.get(&user).copied().unwrap_or_default(),
            is_held: is_held(&vendor),
            vendor,
            user,
        };
        coins.into_iter().map(dispute).collect()
    }
}

impl RulingOutcome {
    /// Counts one coin.
    pub fn count(&mut self, award: Award) {
        match award {
            Award::Vendor(_) => self.paid += 1,
            Award::User(_) => self.credited += 1,
            Award::Disputed => self.disputed += 1,
            Award::Nobody => self.lapsed += 1,
        }
    }
}

impl Sums {
    /// The sums over `sold` first balls, of which `at_once` were paid at once. `awards` are those
    /// of the others.
    pub fn of(sold: u64, at_once: u64, awards: impl IntoIterator<Item = Award>) -> Sums {
        let mut sums = Sums { sold, paid: at_once, ..Sums::default() };
        for award in awards {
            match award {
                Award::Vendor(_) => sums.paid += 1,
                Award::User(_) => sums.credited += 1,
                Award::Disputed => sums.disputed += 1,
                Award::Nobody => {}
            }
        }
        sums.lapsed = sold.saturating_sub(sums.paid + sums.credited + sums.disputed);
        sums
    }

    /// Whether sold = paid + credited + disputed + lapsed. False if more went to someone than was
    /// sold, which no sequence of operations can cause.
    pub fn is_balanced(&self) -> bool {
        self.sold == self.paid + self.credited + self.disputed + self.lapsed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contenders(vendors: &[Option<u8>]) -> Contenders<u8> {
        Contenders::of((0..).zip(vendors.iter().copied()))
    }

    fn award_of(vendors: &[Option<u8>], held: &[u8]) -> Award {
        contenders(vendors).award(|vendor| held.contains(&vendor))
    }

    #[test]
    fn a_doubtful_payment_and_a_return_are_a_dispute() {
        assert_eq!(award_of(&[], &[]), Award::Nobody);
        assert_eq!(award_of(&[None, None], &[]), Award::User(0));
        assert_eq!(award_of(&[Some(7), Some(8), Some(7)], &[]), Award::Vendor(0));
        assert_eq!(award_of(&[Some(7), None], &[]), Award::Disputed);
        assert_eq!(award_of(&[None, Some(7)], &[]), Award::Disputed);
        assert_eq!(award_of(&[Some(7), None], &[7]), Award::Disputed);
    }

    #[test]
    fn a_later_claim_of_a_vendor_gets_nothing() {
        let all = contenders(&[Some(7), Some(8), Some(7), None]);
        assert_eq!(all.award(|_| false), Award::Disputed);
        let verdicts = [0, 1, 2, 3].map(|number| all.verdict(Award::Disputed, number));
        let disputed = Some(Verdict::Disputed);
        assert_eq!(verdicts, [disputed, disputed, None, disputed]);
        assert_eq!(all.verdict(Award::Vendor(1), 1), Some(Verdict::Accepted));
        assert_eq!(all.verdict(Award::Vendor(1), 0), None);
        assert_eq!(Contenders::in_order([7, 8, 7], true), all);
        assert_eq!(Contenders::in_order([7], false), contenders(&[Some(7)]));
    }

    #[test]
    fn a_held_vendor_is_paid_only_by_a_person_and_stops_no_other() {
        assert_eq!(award_of(&[Some(7)], &[7]), Award::Disputed);
        assert_eq!(award_of(&[Some(7), Some(8)], &[7]), Award::Vendor(1));
        assert_eq!(award_of(&[Some(7), Some(8)], &[7, 8]), Award::Disputed);
    }

    #[test]
    fn more_than_one_doubtful_claim_in_a_hundred_is_held() {
        assert!(!is_held(0, 0));
        assert!(is_held(0, 1));
        assert!(is_held(98, 1));
        assert!(!is_held(99, 1));
        assert!(is_held(197, 2));
        assert!(!is_held(198, 2));
        assert!(is_held(u64::MAX, u64::MAX));
        assert!(!is_held(u64::MAX, 1));
    }

    #[test]
    fn a_person_decides_disputes() {
        let nobody_held = |_| false;
        let after = |vendors: &[Option<u8>], vendor, ruling| {
            contenders(vendors).award_after(vendor, ruling, nobody_held)
        };
        assert_eq!(after(&[None, Some(7)], 7, Ruling::Pay), Award::Vendor(1));
        assert_eq!(after(&[None, Some(7)], 7, Ruling::Refuse), Award::User(0));
        assert_eq!(after(&[Some(7)], 7, Ruling::Refuse), Award::Nobody);
        // Another vendor's claim still stands against the return.
        assert_eq!(after(&[None, Some(7), Some(8)], 7, Ruling::Refuse), Award::Disputed);
        assert_eq!(after(&[Some(7), Some(8)], 7, Ruling::Refuse), Award::Vendor(1));
        // A ruling about a vendor without a claim changes nothing.
        assert_eq!(after(&[None, Some(7)], 8, Ruling::Pay), Award::Disputed);
    }

    proptest! {
        /// The value goes to a claim that exists; without a person, never past a return or to a
        /// held vendor.
        #[test]
        fn awards_follow_the_rules(
            vendors in prop::collection::vec(prop::option::of(0..4u8), 0..8),
            held in prop::collection::vec(0..4u8, 0..3),
            vendor in 0..4u8,
        ) {
            let of = |number: u64| vendors[number as usize];
            let is_held = |vendor| held.contains(&vendor);
            let has_return = vendors.contains(&None);
            match contenders(&vendors).award(is_held) {
                Award::Vendor(number) => {
                    prop_assert!(!has_return && of(number).is_some_and(|v| !is_held(v)));
                }
                Award::User(number) => {
                    prop_assert!(of(number).is_none() && vendors.iter().all(Option::is_none));
                }
                Award::Disputed => prop_assert!(vendors.iter().any(Option::is_some)),
                Award::Nobody => prop_assert!(vendors.is_empty()),
            }
            // Refusing every vendor in turn ends each dispute without paying a vendor.
            let mut rest = vendors.clone();
            for refused in 0..4u8 {
                let after = contenders(&rest).award_after(refused, Ruling::Refuse, |_| true);
                prop_assert!(!matches!(after, Award::Vendor(_)));
                rest.retain(|vendor| *vendor != Some(refused));
            }
            let last = contenders(&rest).award(is_held);
            prop_assert_eq!(matches!(last, Award::User(_)), has_return);
            let paid = contenders(&vendors).award_after(vendor, Ruling::Pay, is_held);
            if let Award::Vendor(number) = paid {
                prop_assert_eq!(of(number), Some(vendor));
            }
        }

        #[test]
        fn sums_add_up(sold in 0..40u64, kinds in prop::collection::vec(0..4u8, 0..40)) {
            let awards = kinds.iter().take(sold as usize).map(|kind| match kind {
                0 => Award::Vendor(0),
                1 => Award::User(0),
                2 => Award::Disputed,
                _ => Award::Nobody,
            });
            let sums = Sums::of(sold, 0, awards);
            prop_assert!(sums.is_balanced());
            let nobody = kinds.iter().take(sold as usize).filter(|kind| **kind == 3).count();
            let unclaimed = sold.saturating_sub(kinds.len() as u64);
            prop_assert_eq!(sums.lapsed, nobody as u64 + unclaimed);
        }
    }

    #[test]
    fn more_awards_than_sold_balls_are_not_balanced() {
        assert!(!Sums::of(1, 0, [Award::Vendor(0), Award::User(1)]).is_balanced());
    }
}
