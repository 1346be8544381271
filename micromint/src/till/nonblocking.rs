//! Recording payments on a thread that must not block, such as the event thread of a web server.
//!
//! Input: payments, one or a group. Output for each: that it was recorded, or that only
//! [`Till::spend`] can answer.
//!
//! The invariant: locks and the order of steps are those of [`Till::spend`], so a payment recorded
//! here is as safe as any other. Nothing is begun that would have to wait for a lock, a sync, a
//! page that is not in memory, or a growing index.

use std::sync::TryLockError;
use std::sync::atomic::Ordering;

use super::position::day_of;
use super::{CHECKPOINT_SIZE, LockedStore, PaymentId, Spend, Spent, Till, TillError};
use crate::host::ExclusiveLock;
use crate::protocol::PAYMENT_SIZE_MAX;

/// The most coins of a payment that [`Till::try_spend`] records.
pub(super) const TRY_SPEND_COINS_MAX: usize = 16;
/// The most payments that are recorded under one lock, which other processes wait for.
pub(super) const GROUP_MAX: usize = 64;
/// The size of the messages after which no further payment is added to a group, in bytes.
pub(super) const GROUP_SIZE_MAX: usize = 256 * 1024;
/// How often a taken lock is tried. A process holds it for about 4 microseconds to record a
/// payment, which is less than handing the payment to another thread takes.
const LOCK_TRIES: usize = 4;
/// How often the processor is told to pause between two tries: one to three microseconds.
const LOCK_PAUSES: usize = 64;

impl Till {
    /// Whether [`Till::try_spend`] can record anything. It cannot with
    /// [`SyncMode::Always`](super::SyncMode), and while a promised reversal has to be made first.
    pub(crate) fn is_nonblocking(&self) -> bool {
        let owes = self.promises.are_owed.load(Ordering::Relaxed);
        self.syncing.is_later() && !self.syncing.has_failed() && !owes
    }

    /// Records one payment as [`Till::try_spend_group`] does.
    ///
    /// It writes to the page cache, which can take as long as writing to a log file.
    pub(crate) fn try_spend(&self, spend: &Spend<'_>) -> Option<Spent> {
        let mut spent = [None];
        self.try_record(std::slice::from_ref(spend), &mut spent);
        let [spent] = spent;
        spent
    }

    /// Records each payment if that is possible without blocking and the payment is neither a retry
    /// nor refused, up to 64 of them under one lock and with one append. Returns an answer for
    /// each, in their order: `None` if nothing was recorded, or if that is uncertain. Call
    /// [`Till::spend`] then, on a thread that may block.
    ///
    /// A payment that is not recorded affects no other. If two payments have a coin in common, the
    /// first is recorded, and the other gets `None`. A process that is killed meanwhile leaves none
    /// of the payments recorded, or the first ones.
    pub fn try_spend_group(&self, spends: &[Spend<'_>]) -> Vec<Option<Spent>> {
        let mut spent = vec![None; spends.len()];
        for (spends, spent) in spends.chunks(GROUP_MAX).zip(spent.chunks_mut(GROUP_MAX)) {
            self.try_record(spends, spent);
        }
        spent
    }

    /// Sets in `spent` the payments that were recorded. All are `None` before.
    fn try_record(&self, spends: &[Spend<'_>], spent: &mut [Option<Spent>]) {
        // An error here occurs again in `spend`, which returns it.
        if !self.is_nonblocking() || self.record_free(spends, spent).is_err() {
            return spent.fill(None);
        }
        for (spend, spent) in spends.iter().zip(spent) {
            if let Some(spent) = spent {
                self.counters.count(spent, spend.first_bins.len() as u64);
            }
        }
    }

    /// Records the payments that can be recorded without waiting. If it fails, `spent` is invalid.
    fn record_free(
        &self,
        spends: &[Spend<'_>],
        spent: &mut [Option<Spent>],
    ) -> Result<(), TillError> {
        let Some(mut store) = retried(|| match self.store.try_lock() {
            Ok(store) => Some(store),
            // As in `spend`, the state is usable after a panic.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }) else {
            return Ok(());
        };
        let lock = retried(|| ExclusiveLock::try_new(self.lock.as_ref()).ok().flatten());
        let Some(lock) = lock else { return Ok(()) };
        let now = self.clock.now();
        let Some(mut store) = LockedStore::try_catch_up(&mut store, &lock, now)? else {
            return Ok(());
        };
        if day_of(now) > store.end().day || store.since_checkpoint() > CHECKPOINT_SIZE {
            return Ok(());
        }
        let mut size = 0;
        for (spend, spent) in spends.iter().zip(&mut *spent) {
            if is_simple(spend)
                && size < GROUP_SIZE_MAX
                && let Some(at) = store.try_stage(spend.record(now))?
            {
                *spent = Some(Spent::Recorded(PaymentId(at)));
                size += spend.payment.len();
            }
        }
        if spent.iter().any(Option::is_some) {
            store.append_staged()?;
            if let Some(wanted) = store.newest_sync() {
                self.syncing.sync_by_mode(wanted)?;
            }
        }
        Ok(())
    }
}

/// Whether a payment can be recorded without more than its coins being looked up.
fn is_simple(spend: &Spend<'_>) -> bool {
    (1..=TRY_SPEND_COINS_MAX).contains(&spend.first_bins.len())
        && spend.payment.len() <= PAYMENT_SIZE_MAX
        && spend.cap.is_none()
}

/// Tries to take a lock, a few times in quick succession.
fn retried<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 1..LOCK_TRIES {
        let taken = attempt();
        if taken.is_some() {
            return taken;
        }
        (0..LOCK_PAUSES).for_each(|_| std::hint::spin_loop());
    }
    attempt()
}
