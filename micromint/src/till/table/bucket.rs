//! A bucket of a table: up to 21 entries behind a checksum.
//!
//! Input: the bytes of a bucket, or an entry to add. Output: its entries. The invariant: every
//! change goes through a method that marks the bucket as changed.

use super::super::position::Position;
use crate::bytes::{Field, u64_le};

/// The size of a bucket and of the header, in bytes: a sector, which disks write atomically.
pub(super) const BUCKET_SIZE: usize = 512;
/// The entries in a bucket.
pub(super) const BUCKET_ENTRIES: usize = (BUCKET_SIZE - layout::HEAD_SIZE) / entry::SIZE;

/// The head of a bucket.
mod layout {
    use super::*;

    pub(super) const CHECKSUM: Field<u32> = Field::at(0);
    pub(super) const LEN: Field<u8> = CHECKSUM.then();
    pub(super) const IS_OVERFLOWED: Field<u8> = LEN.then();
    /// The head ends with two unused bytes.
    pub(super) const HEAD_SIZE: usize = IS_OVERFLOWED.end() + 2;
}

/// An entry in a bucket.
mod entry {
    use super::*;

    pub(super) const KEY: Field<u64> = Field::at(0);
    pub(super) const OFFSET: Field<u64> = KEY.then();
    pub(super) const DAY: Field<u32> = OFFSET.then();
    pub(super) const WORD: Field<u32> = DAY.then();
    pub(super) const SIZE: usize = WORD.end();
}

/// The value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Entry {
    /// A first bin, or a user.
    pub(in super::super) key: u64,
    /// The record that the entry is about.
    pub(in super::super) at: Position,
    /// Flags of a first bin, or the coins of a user.
    pub(in super::super) word: u32,
}

/// A bucket in memory.
pub(super) struct Bucket {
    pub(super) bytes: [u8; BUCKET_SIZE],
    pub(super) is_changed: bool,
}

impl Bucket {
    pub(super) fn empty() -> Bucket {
        Bucket { bytes: [0; BUCKET_SIZE], is_changed: false }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(layout::LEN.get(&self.bytes))
    }

    /// Whether an entry whose home is this bucket or an earlier one is in a later bucket.
    pub(super) fn is_overflowed(&self) -> bool {
        layout::IS_OVERFLOWED.get(&self.bytes) != 0
    }

    pub(super) fn set_overflowed(&mut self) {
        self.is_changed |= !self.is_overflowed();
        layout::IS_OVERFLOWED.set(&mut self.bytes, 1);
    }

    pub(super) fn find(&self, key: u64) -> Option<usize> {
        (0..self.len()).find(|slot| entry::KEY.get(&self.bytes[slot_at(*slot)..]) == key)
    }

    pub(super) fn entry(&self, slot: usize) -> Entry {
        let bytes = &self.bytes[slot_at(slot)..][..entry::SIZE];
        let at = Position { day: entry::DAY.get(bytes), offset: entry::OFFSET.get(bytes) };
        Entry { key: entry::KEY.get(bytes), at, word: entry::WORD.get(bytes) }
    }

    pub(super) fn set(&mut self, slot: usize, entry: &Entry) {
        let bytes = &mut self.bytes[slot_at(slot)..][..entry::SIZE];
        entry::KEY.set(bytes, entry.key);
        entry::OFFSET.set(bytes, entry.at.offset);
        entry::DAY.set(bytes, entry.at.day);
        entry::WORD.set(bytes, entry.word);
        self.is_changed = true;
    }

    /// Adds an entry; returns `false` if there is no room.
    pub(super) fn push(&mut self, entry: &Entry) -> bool {
        let slot = self.len();
        if slot == BUCKET_ENTRIES {
            return false;
        }
        layout::LEN.set(&mut self.bytes, slot as u8 + 1);
        self.set(slot, entry);
        true
    }

    /// Removes the last entry if it has this key. Returns whether it had.
    pub(super) fn pop(&mut self, key: u64) -> bool {
        let Some(slot) = self.len().checked_sub(1) else { return false };
        if entry::KEY.get(&self.bytes[slot_at(slot)..]) != key {
            return false;
        }
        self.bytes[slot_at(slot)..][..entry::SIZE].fill(0);
        layout::LEN.set(&mut self.bytes, slot as u8);
        self.is_changed = true;
        true
    }

    pub(super) fn seal(&mut self, seed: u64, number: u64) {
        let checksum = self.checksum(seed, number);
        layout::CHECKSUM.set(&mut self.bytes, checksum);
    }

    /// Whether the bucket has the checksum of this file and number.
    pub(super) fn is_sealed(&self, seed: u64, number: u64) -> bool {
        layout::CHECKSUM.get(&self.bytes) == self.checksum(seed, number)
    }

    /// The checksum of the content. It includes file and number, so that the bucket of another
    /// place does not match.
    pub(super) fn checksum(&self, seed: u64, number: u64) -> u32 {
        let start = crc32c::crc32c(&u64_le(seed ^ number));
        crc32c::crc32c_append(start, &self.bytes[layout::CHECKSUM.end()..])
    }
}

fn slot_at(slot: usize) -> usize {
    layout::HEAD_SIZE + slot * entry::SIZE
}
