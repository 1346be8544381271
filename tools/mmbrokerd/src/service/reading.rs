//! The payments of a batch, in parts, from memory or from what was staged in the database.
//!
//! Input: data of records, each behind its length. Output: consecutive parts of whole records. The
//! invariant: at most a part and a piece of staged data are in memory.

use std::ops::Range;
use std::sync::Arc;

use micromint::protocol::{PaymentRecord, split_record};

use crate::store::{Store, StoreError};

/// Where the data of a message is.
#[derive(Clone)]
pub(super) enum Data {
    /// Here.
    Memory(Arc<Vec<u8>>),
    /// In the database, in pieces under this number.
    Staged(i64),
}

/// Consecutive payments.
#[derive(Default)]
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    /// The records in `bytes`.
    pub(super) records: Vec<Range<usize>>,
}

impl Part {
    /// The bytes of the records.
    pub(super) fn payments(&self) -> Vec<&[u8]> {
        self.records.iter().map(|record| &self.bytes[record.clone()]).collect()
    }
}

/// Reads a message from its beginning to its end.
pub(super) struct Reading {
    store: Store,
    data: Data,
    /// The next piece of staged data.
    piece: i64,
    is_at_end: bool,
    /// What was read.
    buffer: Vec<u8>,
    /// How much of it was returned.
    at: usize,
}

impl Reading {
    pub(super) fn new(store: &Store, data: &Data) -> Reading {
        let (store, data) = (store.clone(), data.clone());
        Reading { store, data, piece: 0, is_at_end: false, buffer: Vec::new(), at: 0 }
    }

    /// Where the next record is in the buffer; `None` at the end.
    async fn record(&mut self) -> Result<Option<Range<usize>>, StoreError> {
        loop {
            if let Some((record, rest)) = split_record(&self.buffer[self.at..]) {
                self.at = self.buffer.len() - rest.len();
                return Ok(Some(self.at - record.len()..self.at));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Reads more. Returns whether there was more.
    async fn fill(&mut self) -> Result<bool, StoreError> {
        if self.is_at_end {
            return Ok(false);
        }
        match &self.data {
            Data::Memory(data) => {
                self.buffer.extend_from_slice(data);
                self.is_at_end = true;
            }
            Data::Staged(id) => match self.store.staged_piece(*id, self.piece).await? {
                Some(piece) => {
                    self.buffer.drain(..self.at);
                    self.at = 0;
                    self.buffer.extend_from_slice(&piece);
                    self.piece += 1;
                }
                None => {
                    self.is_at_end = true;
                    return Ok(false);
                }
            },
        }
        Ok(true)
    }

    /// Skips payments.
    pub(super) async fn skip(&mut self, payments: u32) -> Result<(), StoreError> {
        for _ in 0..payments {
            if self.record().await?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The next payments, at most `coins_max` coins, but at least one payment. Empty at the end.
    pub(super) async fn part(&mut self, coins_max: usize) -> Result<Part, StoreError> {
        let (mut part, mut coins) = (Part::default(), 0);
        while let Some(record) = self.record().await? {
            let bytes = &self.buffer[record.clone()];
            coins += coins_in(bytes);
            if coins > coins_max && !part.records.is_empty() {
                // It begins the next part.
                self.at = record.start - 4;
                break;
            }
            let start = part.bytes.len();
            part.bytes.extend_from_slice(bytes);
            part.records.push(start..part.bytes.len());
        }
        Ok(part)
    }
}

/// The number of coins of a payment. A record that cannot be read counts as one.
pub(super) fn coins_in(record: &[u8]) -> usize {
    PaymentRecord::parse(record).map_or(1, |payment| payment.coins as usize)
}

/// The number of coins in the data of a message.
pub(super) fn coins_in_data(mut data: &[u8]) -> u64 {
    let mut coins = 0;
    while let Some((record, rest)) = split_record(data) {
        coins += coins_in(record) as u64;
        data = rest;
    }
    coins
}
