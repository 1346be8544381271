//! The till's records at one moment.
//!
//! Input: the till. Output: its batches, and its payments, retries and reversals in order. The
//! invariant: records before the end of a view never change, so they are read without a lock.

use std::collections::BTreeSet;

use crate::host::Directory;
use crate::till::{Batches, Position, Till, TillError, TillRecord, days_on_disk, scan, scan_on};
use crate::time::{DAY_SECONDS, UnixTime};

/// The till at one moment.
pub(super) struct TillView {
    /// The days whose journals exist, in order.
    pub(super) days: Vec<u32>,
    /// The end of the newest journal.
    pub(super) end: Position,
    pub(super) batches: Batches,
}

impl TillView {
    /// The till as it is now, read under its lock.
    ///
    /// # Errors
    /// The till failed.
    pub(super) fn of(till: &Till) -> Result<TillView, TillError> {
        till.locked(|store| {
            let batches = Batches::read(store.directory())?;
            Ok(TillView { days: store.days()?, end: store.end(), batches })
        })
    }

    /// The till in a directory, without its lock: changes nothing, and needs no right to write.
    /// What was recorded a moment ago may be missing. `None` if there is no till.
    ///
    /// # Errors
    /// A file cannot be read, or the mark is damaged.
    pub(super) fn peek(directory: &dyn Directory) -> Result<Option<TillView>, TillError> {
        let Some((days, end)) = days_on_disk(directory)? else { return Ok(None) };
        Ok(Some(TillView { days, end, batches: Batches::read(directory)? }))
    }

    /// The first day whose payments the till still has, `YYYY-MM-DD`.
    pub(super) fn first_day(&self) -> Option<String> {
        self.days.first().map(|day| UnixTime(i64::from(*day) * DAY_SECONDS).day())
    }

    /// Calls `visit` for all records from `from` on, in order.
    ///
    /// # Errors
    /// A journal cannot be read.
    pub(super) fn scan(
        &self,
        directory: &dyn Directory,
        from: Position,
        visit: impl FnMut(Position, TillRecord<'static>),
    ) -> Result<(), TillError> {
        scan(directory, &self.days, from, self.end, visit)
    }

    /// As [`TillView::scan`], without reading what lies before `from`, which should be where a
    /// record begins.
    ///
    /// # Errors
    /// A journal cannot be read.
    pub(super) fn scan_on(
        &self,
        directory: &dyn Directory,
        from: Position,
        visit: impl FnMut(Position, TillRecord<'static>),
    ) -> Result<(), TillError> {
        scan_on(directory, &self.days, from, self.end, visit)
    }

    /// The positions of the payments that were reversed.
    ///
    /// # Errors
    /// A journal cannot be read.
    pub(super) fn reversed(
        &self,
        directory: &dyn Directory,
    ) -> Result<BTreeSet<Position>, TillError> {
        let mut reversed = BTreeSet::new();
        self.scan(directory, Position::default(), |_, record| {
            if let TillRecord::Reversal(note) = record {
                reversed.insert(note.payment);
            }
        })?;
        Ok(reversed)
    }
}
