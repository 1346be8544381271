//! When recorded payments become durable.
//!
//! Input: journals and the offsets up to which they should be durable. The invariant: after a
//! failed sync, nothing is acknowledged until the till is opened again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::TillError;
use crate::journal::{JournalError, SharedSync};

/// When a recorded payment becomes durable, so that it survives a power cut. A killed process or a
/// restarted server loses nothing in any mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Before the answer. Payments that arrive at the same time share a sync.
    Always,
    /// Within this many milliseconds, by a thread of the till.
    Interval(u64),
    /// When the operating system writes it to disk, usually within 30 seconds.
    Os,
}

/// A journal and the offset up to which it should be durable.
pub(super) type Wanted = (Arc<SharedSync>, u64);

/// Makes records durable as the mode requires.
pub(super) struct Syncing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    mode: SyncMode,
}

#[derive(Default)]
struct Shared {
    has_failed: AtomicBool,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    wanted: Vec<Wanted>,
    is_closed: bool,
}

impl Syncing {
    /// # Errors
    /// The thread of [`SyncMode::Interval`] cannot be started.
    pub(super) fn new(mode: SyncMode) -> Result<Syncing, TillError> {
        let shared = Arc::new(Shared::default());
        let thread = match mode {
            SyncMode::Interval(milliseconds) => {
                let shared = Arc::clone(&shared);
                let run = move || shared.run(Duration::from_millis(milliseconds));
                Some(std::thread::Builder::new().name("till sync".to_string()).spawn(run)?)
            }
            SyncMode::Always | SyncMode::Os => None,
        };
        Ok(Syncing { shared, thread, mode })
    }

    /// Whether answers never wait for a sync.
    pub(super) fn is_later(&self) -> bool {
        self.mode != SyncMode::Always
    }

    /// Whether a sync has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.shared.has_failed.load(Ordering::Acquire)
    }

    /// Records that a sync has failed.
    pub(super) fn fail(&self) {
        self.shared.has_failed.store(true, Ordering::Release);
    }

    /// Returns when the mode allows an answer.
    pub(super) fn sync_by_mode(&self, wanted: Wanted) -> Result<(), TillError> {
        match self.mode {
            SyncMode::Always => Ok(self.shared.sync(&wanted)?),
            SyncMode::Interval(_) => {
                self.shared.want(wanted);
                Ok(())
            }
            SyncMode::Os => Ok(()),
        }
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        self.shared.queue().is_closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // The thread does not panic. If it did, there would be nothing left to do here.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn sync(&self, (journal, end): &Wanted) -> Result<(), JournalError> {
        let synced = journal.wait(*end);
        if synced.is_err() {
            self.has_failed.store(true, Ordering::Release);
        }
        synced
    }

    fn want(&self, (journal, end): Wanted) {
        let mut queue = self.queue();
        match queue.wanted.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &journal)) {
            Some((_, wanted)) => *wanted = end.max(*wanted),
            None => {
                queue.wanted.push((journal, end));
                self.changed.notify_all();
            }
        }
    }

    /// Syncs the queued journals, then sleeps for the interval, until the queue is closed.
    fn run(&self, interval: Duration) {
        let mut queue = self.queue();
        loop {
            while queue.wanted.is_empty() && !queue.is_closed {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let wanted = std::mem::take(&mut queue.wanted);
            drop(queue);
            for wanted in &wanted {
                // A failure is recorded, and the next payment gets an error.
                let _ = self.sync(wanted);
            }
            queue = self.queue();
            if queue.is_closed && queue.wanted.is_empty() {
                return;
            }
            let timed = self.changed.wait_timeout_while(queue, interval, |queue| !queue.is_closed);
            queue = timed.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
