//! Recording a payment where nothing may wait: on the event thread of a web server.
//!
//! In goes a payment, out comes that it was recorded, or that only [`Till::spend`] can tell. The invariant: the
//! locks are the same and nothing is done in another order, so that a payment recorded here is worth what any
//! other is; what would wait for a lock, a sync, a cold page of the disk or a growing index is not begun.

use std::sync::atomic::Ordering;

use super::position::day_of;
use super::{CHECKPOINT_SIZE, LockedStore, PaymentId, Spend, Spent, Till, TillError};
use crate::host::ExclusiveLock;
use crate::protocol::PAYMENT_SIZE_MAX;

/// The most coins of a payment that is recorded at once: more are looked up where it may take its time.
pub const TRY_SPEND_COINS_MAX: usize = 16;

impl Till {
    /// Whether [`Till::try_spend`] can do anything: not where every answer waits for a sync, nor while a
    /// reversal that was promised is to be made first.
    pub fn is_nonblocking(&self) -> bool {
        let owes = self.promises.are_owed.load(Ordering::Relaxed);
        self.syncing.is_later() && !self.syncing.has_failed() && !owes
    }

    /// Records a payment, if that can be done without waiting and nothing speaks against it. `None`: nothing
    /// was done, or it is in doubt whether it was; ask [`Till::spend`], which finds out, where waiting does no
    /// harm.
    ///
    /// Writes go to the page cache and wait as those of any log do.
    pub fn try_spend(&self, spend: &Spend<'_>) -> Option<Spent> {
        let count = spend.first_bins.len();
        let is_simple = self.is_nonblocking()
            && (1..=TRY_SPEND_COINS_MAX).contains(&count)
            && spend.payment.len() <= PAYMENT_SIZE_MAX
            && spend.cap.is_none();
        if !is_simple {
            return None;
        }
        // Whatever fails here fails again, with a reason, where it is asked again.
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
            self.syncing.settle(wanted)?;
        }
        Ok(Some(Spent::Recorded(PaymentId(at))))
    }
}
