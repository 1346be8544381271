//! Claims on first balls, and which of several claims on one ball is paid.
//!
//! There are three kinds of claim, best first: a payment with a valid authenticator, a payment with
//! an invalid one, a return. Of payments with a valid authenticator, the first is paid when it is
//! judged. The other claims wait until redeem-until, so that a payer cannot cheat a vendor with an
//! invalid authenticator and a return.
//!
//! The invariant: of all claims on one first ball at most one is ever paid.

use std::collections::BTreeMap;

use crate::bin::Bin;
use crate::bytes::Field;
use crate::protocol::Verdict;

/// The size of a claim in the claims file, in bytes.
pub(crate) const CLAIM_SIZE: usize = 24;

/// A claim in the claims file, in the order of its bytes. The last two bytes are unused.
mod layout {
    use super::*;

    /// superbin * 65536 + sub-bin, or [`NO_PLACE`].
    pub(super) const PLACE: Field<u64> = Field::at(0);
    pub(super) const TAG: Field<u64> = PLACE.then();
    pub(super) const PAYMENT: Field<u32> = TAG.then();
    pub(super) const VERDICT: Field<u8> = PAYMENT.then();
    /// The code of a [`ClaimKind`], or 0 if there is no claim.
    pub(super) const KIND: Field<u8> = VERDICT.then();
    const _: () = assert!(KIND.end() + 2 == CLAIM_SIZE);
}

/// Replaces the first ball of a rejected coin that has none.
const NO_PLACE: u64 = u64::MAX;

/// The kind of a claim. The order is that of rank: the smallest is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClaimKind {
    /// A payment with a valid authenticator.
    Payment = 1,
    /// A payment with an invalid authenticator.
    DoubtfulPayment = 2,
    /// A returned ball.
    Return = 3,
}

/// A coin of a batch or a ball of a return, with the verdict on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The verdict when it was judged. The settlement decides [`Verdict::Waiting`].
    pub(crate) verdict: Verdict,
    /// The first ball and the kind of claim on it; `None` if the coin cannot be claimed.
    pub(crate) on: Option<(Bin, ClaimKind)>,
    /// The number of the payment in its batch, from 0; 0 for a return.
    pub(crate) payment: u32,
    /// Distinguishes payments: the first 8 bytes of the payment's authenticator. In a settlement,
    /// the number of the claim that won.
    pub(crate) tag: u64,
}

impl Claim {
    pub(crate) fn rejected(verdict: Verdict, payment: u32) -> Claim {
        Claim { verdict, on: None, payment, tag: 0 }
    }

    /// The bytes of the claim in the claims file.
    pub(crate) fn to_bytes(self) -> [u8; CLAIM_SIZE] {
        let (place, kind) = self.on.map_or((NO_PLACE, 0), |(bin, kind)| (place(bin), kind as u8));
        let mut bytes = [0; CLAIM_SIZE];
        layout::PLACE.set(&mut bytes, place);
        layout::TAG.set(&mut bytes, self.tag);
        layout::PAYMENT.set(&mut bytes, self.payment);
        layout::VERDICT.set(&mut bytes, self.verdict.code());
        layout::KIND.set(&mut bytes, kind);
        bytes
    }

    /// Reads a claim; `None` if the bytes are not one.
    pub(crate) fn from_bytes(bytes: &[u8; CLAIM_SIZE]) -> Option<Claim> {
        let on = match (layout::PLACE.get(bytes), layout::KIND.get(bytes)) {
            (NO_PLACE, 0) => None,
            (place, kind) => Some((bin_at(place)?, ClaimKind::from_code(kind)?)),
        };
        let verdict = Verdict::from_code(layout::VERDICT.get(bytes))?;
        Some(Claim {
            verdict,
            on,
            payment: layout::PAYMENT.get(bytes),
            tag: layout::TAG.get(bytes),
        })
    }
}

impl ClaimKind {
    fn from_code(code: u8) -> Option<ClaimKind> {
        [ClaimKind::Payment, ClaimKind::DoubtfulPayment, ClaimKind::Return]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }
}

fn place(bin: Bin) -> u64 {
    u64::from(bin.superbin) << 16 | u64::from(bin.subbin)
}

fn bin_at(place: u64) -> Option<Bin> {
    Some(Bin { superbin: u32::try_from(place >> 16).ok()?, subbin: (place & 0xffff) as u32 })
}

/// The verdict on a claim that passed every check. `is_paid`: whether a claim on the same first
/// ball is already paid.
pub(crate) fn verdict_now(kind: ClaimKind, is_paid: bool) -> Verdict {
    match (is_paid, kind) {
        // Before redeem-until only payments with a valid authenticator are paid, so the paid claim
        // has the best rank and is the earliest.
        (true, _) => Verdict::AlreadyPaid,
        (false, ClaimKind::Payment) => Verdict::Accepted,
        (false, ClaimKind::DoubtfulPayment | ClaimKind::Return) => Verdict::Waiting,
    }
}

/// Decides the waiting claims: of those on an unpaid first ball, the best kind wins, and of equal
/// kinds the earliest claim. `waiting` contains the number of each claim, which is its order in
/// time. Returns the winners ordered by number.
pub(crate) fn settle(
    waiting: impl IntoIterator<Item = (u64, Bin, ClaimKind)>,
    is_paid: impl Fn(Bin) -> bool,
) -> Vec<Claim> {
    let mut best: BTreeMap<Bin, (ClaimKind, u64)> = BTreeMap::new();
    for (number, bin, kind) in waiting {
        let entry = best.entry(bin).or_insert((kind, number));
        *entry = (*entry).min((kind, number));
    }
    let mut winners: Vec<Claim> = best
        .into_iter()
        .filter(|(bin, _)| !is_paid(*bin))
        .map(|(bin, (kind, number))| Claim {
            verdict: Verdict::Accepted,
            on: Some((bin, kind)),
            payment: 0,
            tag: number,
        })
        .collect();
    winners.sort_unstable_by_key(|winner| winner.tag);
    winners
}

#[cfg(test)]
mod tests {
    use super::*;
    use ClaimKind::{DoubtfulPayment, Payment, Return};

    const A: Bin = Bin { superbin: 8, subbin: 3 };
    const B: Bin = Bin { superbin: u32::MAX, subbin: 0xffff };

    #[test]
    fn claims_are_read_back() {
        for claim in [
            Claim { verdict: Verdict::Accepted, on: Some((A, Payment)), payment: 7, tag: u64::MAX },
            Claim { verdict: Verdict::Waiting, on: Some((B, Return)), payment: u32::MAX, tag: 0 },
            Claim::rejected(Verdict::Forged, 3),
        ] {
            assert_eq!(Claim::from_bytes(&claim.to_bytes()), Some(claim));
        }
        assert_eq!(Claim::from_bytes(&[0xff; CLAIM_SIZE]), None);
    }

    #[test]
    fn a_claim_has_the_documented_bytes() {
        let claim = Claim { verdict: Verdict::Waiting, on: Some((A, Return)), payment: 5, tag: 6 };
        let expected = [3, 0, 8, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 3, 0, 0];
        assert_eq!(claim.to_bytes(), expected);
    }

    #[test]
    fn valid_payments_are_accepted_and_other_claims_wait() {
        assert_eq!(verdict_now(Payment, false), Verdict::Accepted);
        assert_eq!(verdict_now(DoubtfulPayment, false), Verdict::Waiting);
        assert_eq!(verdict_now(Return, false), Verdict::Waiting);
        for kind in [Payment, DoubtfulPayment, Return] {
            assert_eq!(verdict_now(kind, true), Verdict::AlreadyPaid);
        }
    }

    #[test]
    fn the_best_then_the_earliest_claim_wins_unless_the_ball_is_paid() {
        let winners = |waiting: &[(u64, Bin, ClaimKind)], paid: &[Bin]| -> Vec<u64> {
            settle(waiting.iter().copied(), |bin| paid.contains(&bin))
                .iter()
                .map(|w| w.tag)
                .collect()
        };
        assert_eq!(
            winners(&[(0, A, Return), (1, A, DoubtfulPayment), (2, A, DoubtfulPayment)], &[]),
            [1]
        );
        assert_eq!(winners(&[(4, A, Return), (3, A, Return), (9, B, Return)], &[]), [3, 9]);
        assert_eq!(winners(&[(0, A, Return), (1, B, Return)], &[A]), [1]);
        assert_eq!(winners(&[], &[]), [0; 0]);
    }
}
