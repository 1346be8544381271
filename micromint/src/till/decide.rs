//! The decisions of the till, made under its lock.
//!
//! Input: a locked store, whose indexes are up to date, and a payment. Output: the answer, and what
//! must be durable before it is given. The invariant: a payment is recorded only if its period is
//! open and none of its coins is spent.

use super::batches::Batches;
use super::position::{Position, day_of};
use super::record::{PaymentNote, TillRecord};
use super::store::{BinStatus, LockedStore, SpentBin};
use super::syncing::Wanted;
use super::{PaymentId, REVERSAL_SECONDS, Reversal, Spend, Spent, TillError};
use crate::time::UnixTime;

/// Decides about a payment, in the order of [`Spent`], and records it if nothing is in the way.
pub(super) fn decide(
    store: &mut LockedStore<'_>,
    spend: &Spend<'_>,
    now: UnixTime,
) -> Result<(Spent, Option<Wanted>), TillError> {
    let first = store.find(spend.period, spend.first_bins[0])?;
    let (retried, wanted) = retry(store, &first, &spend.fingerprint, spend.receipt_seconds, now)?;
    if let Some(recorded_at) = retried {
        return Ok((Spent::Retry { recorded_at }, wanted));
    }
    store.begin_day(day_of(now))?;
    if let Some(obstacle) = obstacle(store, spend, &first, now)? {
        return Ok((obstacle, None));
    }
    let at = store.append(&TillRecord::Payment(spend.record(now)))?;
    Ok((Spent::Recorded(PaymentId(at)), store.newest_sync()))
}

/// Why a payment that is not a retry cannot be recorded at `now`.
pub(super) fn obstacle(
    store: &mut LockedStore<'_>,
    spend: &Spend<'_>,
    first: &BinStatus,
    now: UnixTime,
) -> Result<Option<Spent>, TillError> {
    if store.is_closed(spend.period)? {
        return Ok(Some(Spent::PeriodClosed));
    }
    if let Some(cap) = spend.cap {
        let spent_before = store.coins_of(spend.user, now)?;
        if spent_before.saturating_add(spend.first_bins.len() as u32) > cap {
            return Ok(Some(Spent::CapReached));
        }
    }
    if matches!(first, BinStatus::Spent(_)) {
        return Ok(Some(Spent::AlreadySpent));
    }
    for bin in spend.first_bins.iter().skip(1) {
        if matches!(store.find(spend.period, *bin)?, BinStatus::Spent(_)) {
            return Ok(Some(Spent::AlreadySpent));
        }
    }
    Ok(None)
}

/// When the payment that spent the bin was recorded, if this payment is a retry of it.
pub(super) fn retried(
    found: &BinStatus,
    fingerprint: &[u8; 32],
    receipt_seconds: i64,
    now: UnixTime,
) -> Option<UnixTime> {
    let BinStatus::Spent(spent) = found else { return None };
    let recorded_at = spent.payment.recorded_at;
    let is_recent = now.0.saturating_sub(recorded_at.0) <= receipt_seconds;
    (spent.payment.fingerprint == *fingerprint && is_recent).then_some(recorded_at)
}

/// Records a retry, if this payment is one: returns when the payment was recorded, and what must
/// be durable before the retry is served.
pub(super) fn retry(
    store: &mut LockedStore<'_>,
    found: &BinStatus,
    fingerprint: &[u8; 32],
    receipt_seconds: i64,
    now: UnixTime,
) -> Result<(Option<UnixTime>, Option<Wanted>), TillError> {
    let (BinStatus::Spent(spent), Some(recorded_at)) =
        (found, retried(found, fingerprint, receipt_seconds, now))
    else {
        return Ok((None, None));
    };
    let SpentBin { at, is_retried, .. } = spent.as_ref();
    if !is_retried {
        store.begin_day(day_of(now))?;
        store.append(&TillRecord::Retry(PaymentNote { payment: *at, at: now }))?;
    }
    // The process that recorded the payment may not have synced it yet.
    let wanted =
        if at.day == store.end().day { store.newest_sync() } else { Some(store.sync_of(*at)?) };
    Ok((Some(recorded_at), wanted))
}

/// Reverses the payment at `at`, if it could be reversed at the time `asked_at`.
pub(super) fn reverse(
    store: &mut LockedStore<'_>,
    at: Position,
    asked_at: UnixTime,
    now: UnixTime,
) -> Result<(Reversal, Option<Wanted>), TillError> {
    let Some(TillRecord::Payment(payment)) = store.record(at)? else {
        return Ok((Reversal::Void, None));
    };
    let is_current = match store.find(&payment.period, payment.first_bins[0])? {
        BinStatus::Spent(spent) => spent.at == at && !spent.is_retried,
        BinStatus::Free => false,
    };
    if !is_current || asked_at.0.saturating_sub(payment.recorded_at.0) > REVERSAL_SECONDS {
        return Ok((Reversal::Void, None));
    }
    // Redemption skips payments that can be reversed, but a clock may have been set back since.
    if Batches::read(store.directory())?.covering(&payment.period, at).is_some() {
        return Ok((Reversal::Void, None));
    }
    store.begin_day(day_of(now))?;
    store.append(&TillRecord::Reversal(PaymentNote { payment: at, at: now }))?;
    Ok((Reversal::Reversed, store.newest_sync()))
}
