//! What is recorded about batches: each is durable before the call returns.

use std::collections::{BTreeMap, BTreeSet};

use super::TillError;
use super::batches::{Batch, BatchRecord, Batches, JOURNAL_KIND, JOURNAL_NAME};
use super::store::LockedStore;
use crate::journal::Journal;
use crate::period::Period;
use crate::protocol::{Id, Verdict};
use crate::time::UnixTime;

impl Batches {
    /// Records a new batch, durably.
    pub(crate) fn push(store: &LockedStore<'_>, batch: &Batch) -> Result<(), TillError> {
        append(store, &[BatchRecord::Batch(batch.clone())])
    }

    /// Records the result of a batch, durably.
    pub(crate) fn record_result(
        store: &LockedStore<'_>,
        id: &Id,
        counts: &BTreeMap<Verdict, u32>,
        read_at: UnixTime,
    ) -> Result<(), TillError> {
        let (id, counts) = (id.clone(), counts.clone());
        append(store, &[BatchRecord::Result { id, read_at, counts }])
    }

    /// Makes the results of a period void, durably: its batches are sent again, unless redeem-until
    /// has passed.
    pub(crate) fn send_again(
        store: &LockedStore<'_>,
        period: &Period,
        asked_at: UnixTime,
    ) -> Result<(), TillError> {
        append(store, &[BatchRecord::Again { period: period.clone(), asked_at }])
    }

    /// Closes these periods, durably.
    pub(crate) fn close(
        store: &LockedStore<'_>,
        periods: &BTreeSet<Period>,
        closed_at: UnixTime,
    ) -> Result<(), TillError> {
        let closed = Batches::read(store.directory())?.closed;
        let records: Vec<BatchRecord> = periods
            .difference(&closed)
            .map(|period| BatchRecord::Closed { period: period.clone(), closed_at })
            .collect();
        if records.is_empty() { Ok(()) } else { append(store, &records) }
    }
}

fn append(store: &LockedStore<'_>, records: &[BatchRecord]) -> Result<(), TillError> {
    let (directory, lock) = (store.directory(), store.lock());
    let mut journal =
        Journal::open_or_create(directory, JOURNAL_NAME, JOURNAL_KIND, store.entropy(), lock)?;
    let caught_up = journal.follow(lock, &mut Batches::default())?;
    let payloads: Vec<Vec<u8>> = records.iter().map(BatchRecord::to_bytes).collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    journal.append(&caught_up, &payloads)?;
    Ok(journal.sync()?)
}
