//! What can be known of the till's files without waiting for them.

use super::super::TillError;
use super::super::table::{Entry, TableError};
use super::Store;
use super::indexes::{Index, key_of};
use crate::bin::Bin;
use crate::period::Period;
use crate::time::UnixTime;

impl Store {
    /// Whether this process has seen all that others did, so that [`Store::catch_up`] would find nothing more
    /// to do than to read the mark.
    pub(crate) fn is_caught_up(&mut self, now: UnixTime) -> Result<bool, TillError> {
        let Some(mark) = self.read_mark()? else { return Ok(false) };
        let is_known = mark.end.day != 0
            && (mark.generation, mark.users_day) == (self.mark.generation, self.mark.users_day);
        self.look_for_journal(now)?;
        let Some((day, journal)) =
            self.journal.as_mut().filter(|(day, _)| is_known && *day == mark.end.day)
        else {
            return Ok(false);
        };
        debug_assert_eq!(*day, mark.end.day);
        journal.set_end(mark.end.offset);
        let is_whole = journal.size()? == mark.end.offset;
        if is_whole {
            self.mark = mark;
            self.forget_touched();
        }
        Ok(is_whole)
    }

    /// Whether the till knows nothing of these first bins and has room for them, found without waiting for
    /// the disk. What is touched for it stays in memory, changed as if they were recorded next: go on with
    /// [`Store::append`] or forget it.
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
