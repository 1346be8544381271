//! What is kept of one coin or returned ball: its verdict, its rank, and what was
//! found out about it.
//!
//! Input: a [`Claim`]. Output: its bytes; and the reverse. The invariant: the entry contains all
//! that the rules need later, so the messages themselves are not kept.

use sha2::{Digest, Sha256};

use super::rank::{Rank, Source};
use crate::bin::Bin;
use crate::hash::leading_u64;
use crate::protocol::Verdict;

/// The size of the bytes of a claim.
pub const CLAIM_SIZE: usize = 32;

/// The bytes of a claim.
mod layout {
    use super::CLAIM_SIZE;
    use crate::bytes::Field;

    /// superbin * 65536 + sub-bin, or [`super::NO_PLACE`].
    pub(super) const PLACE: Field<u64> = Field::at(0);
    pub(super) const DIGEST: Field<u64> = PLACE.then();
    /// The number of a [`super::Buyer`], or [`super::NO_BUYER`].
    pub(super) const BUYER: Field<u64> = DIGEST.then();
    pub(super) const PAYMENT: Field<u32> = BUYER.then();
    pub(super) const VERDICT: Field<u8> = PAYMENT.then();
    /// The code of a [`super::Rank`], or 0 if there is no claim.
    pub(super) const RANK: Field<u8> = VERDICT.then();
    pub(super) const FACTS: Field<u8> = RANK.then();
    const _: () = assert!(FACTS.end() + 1 == CLAIM_SIZE);
}

/// Replaces the first bin of a coin that has none.
const NO_PLACE: u64 = u64::MAX;

/// Replaces the buyer in a claim that has none.
const NO_BUYER: u64 = u64::MAX;

/// A user to whom sets were sold: the first superbin of the first sale to this user. Unlike a hash
/// of the User-ID, it can be no other user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Buyer(pub u32);

/// A coin of a batch or a watch, or a ball of a return, with the verdict on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The verdict when it was judged. The settlement decides [`Verdict::Waiting`].
    pub verdict: Verdict,
    /// Its first bin; `None` if it has none.
    pub bin: Option<Bin>,
    /// The rank of its claim on the first bin; `None` if it makes no claim.
    pub rank: Option<Rank>,
    /// What was found out about it.
    pub facts: Facts,
    /// The number of the payment in its batch, from 0; 0 for a return.
    pub payment: u32,
    /// Distinguishes payments: the first 8 bytes of the SHA-256 of its record; 0 for a return.
    pub digest: u64,
    /// The user that the payment or return names; `None` if nothing was sold to that user when the
    /// claim was judged. What is paid in a name before its first sale never counts against it.
    pub buyer: Option<Buyer>,
}

/// What was found out about a coin or ball.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whose it is.
    pub source: Source,
    /// A ball is proved not to be the minted one.
    pub is_forged: bool,
    /// The named user bought nothing in this period.
    pub is_invented: bool,
    /// An earlier returned ball claims the same first bin, so this one is never credited.
    pub is_repeated: bool,
}

/// The first 8 bytes of the SHA-256 of a payment record.
pub(crate) fn digest_of(record: &[u8]) -> u64 {
    leading_u64(&Sha256::digest(record))
}

impl Facts {
    fn bits(self) -> u8 {
        let Facts { source, is_forged, is_invented, is_repeated } = self;
        let Source { is_signed, has_token, is_sold } = source;
        let flags = [is_signed, has_token, is_sold, is_forged, is_invented, is_repeated];
        flags.into_iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(flag))
    }

    fn from_bits(bits: u8) -> Option<Facts> {
        let flag = |bit: u8| bits >> bit & 1 != 0;
        let source = Source { is_signed: flag(0), has_token: flag(1), is_sold: flag(2) };
        let (is_forged, is_invented, is_repeated) = (flag(3), flag(4), flag(5));
        let facts = Facts { source, is_forged, is_invented, is_repeated };
        (facts.bits() == bits).then_some(facts)
    }
}

impl Claim {
    /// The bytes of the claim.
    pub fn to_bytes(self) -> [u8; CLAIM_SIZE] {
        let mut bytes = [0; CLAIM_SIZE];
        layout::PLACE.set(&mut bytes, self.bin.map_or(NO_PLACE, place));
        layout::DIGEST.set(&mut bytes, self.digest);
        layout::BUYER.set(&mut bytes, self.buyer.map_or(NO_BUYER, |Buyer(first)| first.into()));
        layout::PAYMENT.set(&mut bytes, self.payment);
        layout::VERDICT.set(&mut bytes, self.verdict.code());
        layout::RANK.set(&mut bytes, self.rank.map_or(0, |rank| rank as u8));
        layout::FACTS.set(&mut bytes, self.facts.bits());
        bytes
    }

    /// Reads a claim; `None` if the bytes are not one.
    pub fn from_bytes(bytes: &[u8; CLAIM_SIZE]) -> Option<Claim> {
        let bin = match layout::PLACE.get(bytes) {
            NO_PLACE => None,
            place => Some(bin_at(place)?),
        };
        let buyer = match layout::BUYER.get(bytes) {
            NO_BUYER => None,
            first => Some(Buyer(u32::try_from(first).ok()?)),
        };
        let rank = match layout::RANK.get(bytes) {
            0 => None,
            code => Some(Rank::from_code(code)?),
        };
        Some(Claim {
            verdict: Verdict::from_code(layout::VERDICT.get(bytes))?,
            bin,
            rank,
            facts: Facts::from_bits(layout::FACTS.get(bytes))?,
            payment: layout::PAYMENT.get(bytes),
            digest: layout::DIGEST.get(bytes),
            buyer,
        })
    }

    /// The first bin and the rank, if there is a claim.
    pub fn on(&self) -> Option<(Bin, Rank)> {
        Some((self.bin?, self.rank?))
    }
}

fn place(bin: Bin) -> u64 {
    u64::from(bin.superbin) << 16 | u64::from(bin.subbin)
}

fn bin_at(place: u64) -> Option<Bin> {
    Some(Bin { superbin: u32::try_from(place >> 16).ok()?, subbin: (place & 0xffff) as u32 })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::rank::tests::sources;
    use super::*;

    const A: Bin = Bin { superbin: 8, subbin: 3 };
    const B: Bin = Bin { superbin: u32::MAX, subbin: 0xffff };

    /// A coin that makes no claim.
    pub(crate) fn rejected(verdict: Verdict, payment: u32) -> Claim {
        let facts = Facts::default();
        Claim { verdict, bin: None, rank: None, facts, payment, digest: 0, buyer: None }
    }

    #[test]
    fn claims_are_read_back() {
        for source in sources() {
            for flags in 0..8 {
                let facts = Facts {
                    source,
                    is_forged: flags & 1 != 0,
                    is_invented: flags & 2 != 0,
                    is_repeated: flags & 4 != 0,
                };
                for (bin, rank) in [
                    (Some(A), Some(Rank::Certain)),
                    (Some(B), Some(Rank::Return)),
                    (Some(B), None),
                    (None, None),
                ] {
                    let (payment, digest, verdict) = (7, u64::MAX, Verdict::Waiting);
                    for buyer in [None, Some(Buyer(0)), Some(Buyer(u32::MAX - 1))] {
                        let claim = Claim { verdict, bin, rank, facts, payment, digest, buyer };
                        assert_eq!(Claim::from_bytes(&claim.to_bytes()), Some(claim));
                    }
                }
            }
        }
        assert_eq!(Claim::from_bytes(&[0xff; CLAIM_SIZE]), None);
        let mut bytes = rejected(Verdict::Forged, 3).to_bytes();
        bytes[30] = 64;
        assert_eq!(Claim::from_bytes(&bytes), None);
        let mut bytes = rejected(Verdict::Forged, 3).to_bytes();
        bytes[16] = 0;
        assert_eq!(Claim::from_bytes(&bytes), None, "a buyer beyond the largest superbin");
    }

    #[test]
    fn a_claim_has_the_documented_bytes() {
        let source = Source { is_signed: false, has_token: true, is_sold: true };
        let claim = Claim {
            verdict: Verdict::Waiting,
            bin: Some(A),
            rank: Some(Rank::Doubtful),
            facts: Facts { source, is_forged: false, is_invented: false, is_repeated: true },
            payment: 5,
            digest: 6,
            buyer: Some(Buyer(258)),
        };
        let expected = [
            [3, 0, 8, 0, 0, 0, 0, 0],
            [6, 0, 0, 0, 0, 0, 0, 0],
            [2, 1, 0, 0, 0, 0, 0, 0],
            [5, 0, 0, 0, 1, 2, 38, 0],
        ];
        assert_eq!(claim.to_bytes(), expected.as_flattened());
        assert_eq!(Claim { buyer: None, ..claim }.to_bytes()[16..24], [0xff; 8]);
    }

    /// A large batch is kept as claims.
    #[test]
    fn a_claim_takes_forty_bytes_of_memory() {
        assert_eq!(size_of::<Claim>(), 40);
    }
}
