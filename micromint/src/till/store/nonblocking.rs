//! Lookups and changes in the till's files that never wait for the disk.

use super::super::TillError;
use super::super::position::Position;
use super::super::record::{RecordedPayment, TillRecord};
use super::super::table::Entry;
use super::LockedStore;
use super::indexes::{Index, key_of};

impl LockedStore<'_> {
    /// Adds a payment to the records that [`LockedStore::append_staged`] appends, and applies it in
    /// memory. Returns the position that it will have. Returns `None`, and adds nothing, unless the
    /// period is open, all first bins are unspent, there is room for them in the index, and all
    /// that can be found without waiting for the disk.
    ///
    /// After an error, the staged records must not be appended.
    pub(in super::super) fn try_stage(
        &mut self,
        payment: RecordedPayment<'_>,
    ) -> Result<Option<Position>, TillError> {
        let is_open = self.closed.as_ref().is_some_and(|closed| !closed.contains(&payment.period));
        // Users are counted, which takes a lookup of its own.
        if self.mark.users_day != 0 || !is_open {
            return Ok(None);
        }
        let Some(at) = self.staged_end() else { return Ok(None) };
        if !self.try_apply(at, &payment)? {
            return Ok(None);
        }
        self.stage(&TillRecord::Payment(payment)).map(Some)
    }

    /// Adds the first bins of a payment to the index, in memory, or none of them. None are added if
    /// one is in the index already, by a payment or by an earlier one of the group.
    fn try_apply(
        &mut self,
        at: Position,
        payment: &RecordedPayment<'_>,
    ) -> Result<bool, TillError> {
        let Some(Index { table, touched }) = self.indexes.get_mut(&payment.period) else {
            return Ok(false);
        };
        let bins = &payment.first_bins;
        for (number, bin) in bins.iter().enumerate() {
            if !table.try_put(touched, Entry { key: key_of(*bin), at, word: 0 })? {
                bins[..number].iter().rev().for_each(|bin| table.take_back(touched, key_of(*bin)));
                return Ok(false);
            }
        }
        Ok(true)
    }
}
