//! Syncs that threads share (group commit).

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::JournalError;
use crate::error::FileError;
use crate::host::File;

/// Makes a journal durable for many threads. Threads that arrive while one syncs wait, and the next
/// sync serves all of them.
pub(crate) struct SharedSync {
    file: Arc<dyn File>,
    path: PathBuf,
    state: Mutex<SyncState>,
    changed: Condvar,
}

#[derive(Default)]
struct SyncState {
    /// The highest offset that any thread waits for.
    wanted: u64,
    /// Everything before this is durable.
    durable: u64,
    is_running: bool,
    has_failed: bool,
    /// The number of syncs.
    count: u64,
}

impl SharedSync {
    pub(super) fn new(file: Arc<dyn File>, path: PathBuf) -> SharedSync {
        SharedSync { file, path, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Returns once everything before the offset `end`, which was appended before, is durable.
    ///
    /// # Errors
    /// A sync failed, now or earlier. What was appended since the last successful sync may be lost,
    /// and later successes of this handle prove nothing.
    pub(crate) fn wait(&self, end: u64) -> Result<(), JournalError> {
        let mut state = self.state();
        state.wanted = state.wanted.max(end);
        loop {
            if state.has_failed {
                return Err(JournalError::InDoubt { path: self.path.clone() });
            }
            if state.durable >= end {
                return Ok(());
            }
            if state.is_running {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_running = true;
            let target = state.wanted;
            drop(state);
            let synced = self.file.sync();
            state = self.state();
            state.is_running = false;
            state.count += 1;
            self.changed.notify_all();
            if let Err(error) = synced {
                state.has_failed = true;
                return Err(FileError::on("sync", &self.path)(error).into());
            }
            state.durable = state.durable.max(target);
        }
    }

    /// The number of syncs so far.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.state().count
    }

    fn state(&self) -> MutexGuard<'_, SyncState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
