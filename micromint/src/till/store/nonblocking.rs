//! What can be known of the till's files without waiting for them.

use super::super::TillError;
use super::super::table::{Entry, TableError};
use super::Store;
use super::indexes::{Index, key_of};
use crate::bin::Bin;
use crate::period::Period;

impl Store {
    /// Whether the till knows nothing of these first bins and has room for them, found without
    /// waiting for the disk. What is touched for it stays in memory, changed as if they were
    /// recorded next: go on with [`LockedStore::append`](super::LockedStore) or forget it.
    pub(crate) fn try_has_room(
        &mut self,
        period: &Period,
        bins: &[Bin],
    ) -> Result<bool, TillError> {
        // Counted by user too: that takes a search of its own.
        if self.mark.users_day != 0 {
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
