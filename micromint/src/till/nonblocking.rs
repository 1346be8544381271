//! Recording a payment on a thread that must not block, such as the event thread of a web server.
//!
//! Input: a payment. Output: that it was recorded, or that only [`Till::spend`] can answer.
//!
//! The invariant: locks and the order of steps are those of [`Till::spend`], so a payment recorded
//! here is as safe as any other. Nothing is begun that would have to wait for a lock, a sync, a
//! page that is not in memory, or a growing index.

use std::sync::atomic::Ordering;

use super::position::day_of;
use super::{CHECKPOINT_SIZE, LockedStore, PaymentId, Spend, Spent, Till, TillError};
use crate::host::ExclusiveLock;
use crate::protocol::PAYMENT_SIZE_MAX;

/// The most coins of a payment that [`Till::try_spend`] records.
pub(super) const TRY_SPEND_COINS_MAX: usize = 16;

impl Till {
    /// Whether [`Till::try_spend`] can record anything. It cannot with
    /// [`SyncMode::Always`](super::SyncMode), and while a promised reversal has to be made first.
    pub(crate) fn is_nonblocking(&self) -> bool {
        let owes = self.promises.are_owed.load(Ordering::Relaxed);
        self.syncing.is_later() && !self.syncing.has_failed() && !owes
    }

    /// Records a payment if that is possible without blocking and the payment is neither a retry
    /// nor refused. Returns `None` if nothing was recorded, or if that is uncertain. Call
    /// [`Till::spend`] then, on a thread that may block.
    ///
    /// It writes to the page cache, which can take as long as writing to a log file.
    pub(crate) fn try_spend(&self, spend: &Spend<'_>) -> Option<Spent> {
        let count = spend.first_bins.len();
        let is_simple = self.is_nonblocking()
            && (1..=TRY_SPEND_COINS_MAX).contains(&count)
            && spend.payment.len() <= PAYMENT_SIZE_MAX
            && spend.cap.is_none();
        if !is_simple {
            return None;
        }
        // An error here occurs again in `spend`, which returns it.
        let spent = self.spend_if_free(spend).ok()??;
        self.counters.count(&spent, count as u64);
        Some(spent)
    }

    fn spend_if_free(&self, spend: &Spend<'_>) -> Result<Option<Spent>, TillError> {
        let Ok(mut store) = self.store.try_lock() else { return Ok(None) };
        let Ok(Some(lock)) = ExclusiveLock::try_new(self.lock.as_ref()) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let Some(mut store) = LockedStore::try_catch_up(&mut store, &lock, now)? else {
            return Ok(None);
        };
        let is_ready = day_of(now) <= store.end().day
            && store.since_checkpoint() <= CHECKPOINT_SIZE
            && store.try_has_room(spend.period, spend.first_bins)?;
        if !is_ready {
            return Ok(None);
        }
        let at = store.append(&spend.record(now))?;
        if let Some(wanted) = store.newest_sync() {
            self.syncing.sync_by_mode(wanted)?;
        }
        Ok(Some(Spent::Recorded(PaymentId(at))))
    }
}
