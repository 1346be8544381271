//! A journal whose records are indexed by its user, as those of the till are.
//!
//! Input: the offset up to which an index reflects the journal. Output: the proof that the journal
//! ends there. The invariant: the index reflects everything before that offset, so nothing has to
//! be read.

use std::sync::Arc;

use super::format::HEADER_SIZE;
use super::{CaughtUp, Journal, JournalError, SharedSync};
use crate::host::ExclusiveLock;

impl Journal {
    /// Continues reading at `offset`, which must be the end of a record that was read earlier.
    pub(crate) fn start_at(&mut self, offset: u64) {
        self.end = offset.max(HEADER_SIZE);
    }

    /// Moves to `end` and returns the proof that the file ends there; `None` if it does not. For a
    /// caller that has applied everything before `end`. Does not check the name.
    ///
    /// # Errors
    /// The file cannot be inspected.
    pub(crate) fn caught_up_at<'a>(
        &mut self,
        end: u64,
        lock: &'a ExclusiveLock<'_>,
    ) -> Result<Option<CaughtUp<'a>>, JournalError> {
        self.start_at(end);
        Ok((self.size()? == self.end).then(|| CaughtUp::under(lock)))
    }

    /// The sync of this journal that threads share and that needs no lock.
    pub(crate) fn shared_sync(&self) -> Arc<SharedSync> {
        Arc::clone(&self.shared_sync)
    }
}
