//! Lookups in the till's files that never wait for the disk.

use super::super::TillError;
use super::super::table::{Entry, TableError};
use super::Store;
use super::indexes::{Index, key_of};
use crate::bin::Bin;
use crate::period::Period;

impl Store {
    /// Whether the period is open, and these first bins are unspent and have room in the index, as far as can be found
    /// without waiting for the disk. The touched buckets are changed in memory as if the bins were
    /// recorded: continue with [`LockedStore::append`](super::LockedStore), or discard them.
    pub(crate) fn try_has_room(
        &mut self,
        period: &Period,
        bins: &[Bin],
    ) -> Result<bool, TillError> {
        let is_open = self.closed.as_ref().is_some_and(|closed| !closed.contains(period));
        // Users are counted, which takes a lookup of its own.
        if self.mark.users_day != 0 || !is_open {
            return Ok(false);
        }
        let at = self.mark.end;
        let Some(Index { table, touched }) = self.indexes.get_mut(period) else { return Ok(false) };
        for bin in bins {
            let key = key_of(*bin);
            if !table.try_touch(touched, key)? || table.get(touched, key)?.is_some() {
                return Ok(false);
            }
            match table.put(touched, Entry { key, at, word: 0 }) {
                Err(TableError::Full) => return Ok(false),
                put => put?,
            }
        }
        Ok(true)
    }
}
