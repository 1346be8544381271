//! What the broker in memory remembers about each sale, batch, watch and return.

use crate::bin::Bin;
use crate::broker::{Alarm, Rank};
use crate::identity::{UserId, VendorId};
use crate::protocol::{Id, Verdict};
use crate::time::UnixTime;

/// The size of the digest of a message's data: SHA-256.
pub(super) const DIGEST_SIZE: usize = 32;

/// The claims of one message among all claims, which are numbered in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// The number of its first claim.
    pub(super) start: usize,
    /// The number of its claims.
    pub count: usize,
}

/// What became of a claim that waited, by the settlement or by a person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision {
    /// The number of the claim among all claims.
    pub(super) number: u64,
    /// Its first bin.
    pub(super) bin: Bin,
    /// Its rank.
    pub(super) rank: Rank,
    /// The verdict on it.
    pub(super) verdict: Verdict,
}

/// A sale of sets. Their first superbins are `first`, `first` + 2, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedSale {
    /// When the sets were sold.
    pub when: UnixTime,
    /// Identifies the sale, so that it can be fetched again.
    pub transaction: u64,
    /// The first superbin of the first set, even.
    pub first: u32,
    /// The number of sets, at least 1.
    pub sets: u32,
    /// The number of first balls that were delivered, which is what the sale costs, in coins.
    pub coins: u32,
    /// The buyer.
    pub user: UserId,
}

/// A judged batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JudgedBatch {
    /// When it was judged.
    pub when: UnixTime,
    /// The vendor.
    pub vendor: VendorId,
    /// The Batch-ID.
    pub batch: Id,
    /// SHA-256 of its data, by which a repeated batch is recognized.
    pub(super) digest: [u8; DIGEST_SIZE],
    /// One claim for each verdict, in order.
    pub claims: Section,
    /// The number of coins that were paid when the batch was judged.
    pub accepted: u32,
    /// The number of coins that wait until redeem-until.
    pub waiting: u32,
    /// The coins that raise an alarm.
    pub alarm: Alarm,
}

/// A judged watch: payments that a vendor showed when it took them.
#[derive(Clone, Debug)]
pub(super) struct JudgedWatch {
    pub(super) when: UnixTime,
    pub(super) vendor: VendorId,
    pub(super) watch: Id,
    /// SHA-256 of its data, by which a repeated watch is recognized.
    pub(super) digest: [u8; DIGEST_SIZE],
    /// One claim for each verdict, in order. None of them is paid.
    pub(super) claims: Section,
    /// The coins that raise an alarm.
    pub(super) alarm: Alarm,
}

/// A judged return.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedReturn {
    /// When it was judged.
    pub when: UnixTime,
    /// The broker's number for the return.
    pub transaction: u64,
    /// The user who returned the balls.
    pub user: UserId,
    /// The client's Request-ID for the return.
    pub request: Id,
    /// SHA-256 of its data, by which a repeated return is recognized.
    pub(super) digest: [u8; DIGEST_SIZE],
    /// One claim for each ball, in order.
    pub claims: Section,
    /// The number of balls that wait until redeem-until.
    pub waiting: u32,
    /// The number of balls of the user's sets that are not the minted ones.
    pub forged: u32,
    /// The number of balls that are not of the user's sets.
    pub not_from_owner: u32,
}

impl Decision {
    /// The first bin, if the claim is paid or credited.
    pub(super) fn paid(&self) -> Option<Bin> {
        (self.verdict == Verdict::Accepted).then_some(self.bin)
    }
}

impl RecordedSale {
    /// The first superbins of its sets.
    pub(super) fn first_superbins(&self) -> impl Iterator<Item = u32> + use<> {
        (0..self.sets).zip((self.first..).step_by(2)).map(|(_, superbin)| superbin)
    }

    /// The superbin at which the next sale begins.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.first) + 2 * u64::from(self.sets)
    }
}
