//! Recording a payment where nothing may wait: on the event thread of a web server.
//!
//! In goes a payment, out comes that it was recorded, or that only [`Till::spend`] can tell. The
//! invariant: locks and order are those of [`Till::spend`], so a payment recorded here is as good
//! as any other. What would wait for a lock, a sync, a page that is not in memory or a growing
//! index is not begun.

use std::sync::atomic::Ordering;

use super::position::day_of;
use super::{CHECKPOINT_SIZE, LockedStore, PaymentId, Spend, Spent, Till, TillError};
use crate::host::ExclusiveLock;
use crate::protocol::PAYMENT_SIZE_MAX;

/// The most coins of a payment that is recorded without waiting; [`Till::spend`] takes more.
pub const TRY_SPEND_COINS_MAX: usize = 16;

impl Till {
    /// Whether [`Till::try_spend`] can record anything: not with
    /// [`SyncMode::Always`](super::SyncMode), and not while a promised reversal has to be made
    /// first.
    pub fn is_nonblocking(&self) -> bool {
        let owes = self.promises.are_owed.load(Ordering::Relaxed);
        self.syncing.is_later() && !self.syncing.has_failed() && !owes
    }

    /// Records a payment if that is possible without waiting and the payment is neither a retry nor
    /// refused. Returns `None` if nothing was done or that is in doubt; then call [`Till::spend`]
    /// where waiting does no harm.
    ///
    /// Writes go to the page cache and may wait as those to a log file do.
    pub fn try_spend(&self, spend: &Spend<'_>) -> Option<Spent> {
        let count = spend.first_bins.len();
        let is_simple = self.is_nonblocking()
            && (1..=TRY_SPEND_COINS_MAX).contains(&count)
            && spend.payment.len() <= PAYMENT_SIZE_MAX
            && spend.cap.is_none();
        if !is_simple {
            return None;
        }
        // What fails here fails again, with a reason, in `spend`.
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
