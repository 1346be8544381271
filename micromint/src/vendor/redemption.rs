//! Redemption at the vendor: batches of payments from the till to the broker, and the results
//! (thesis 3.3.2).
//!
//! Input: the records of the till. Output: a Request-Redemption. Then input: the Redemption-Result;
//! output: the batch with its verdicts. The invariants: a payment is in at most one batch; until
//! its result arrives, making a batch again returns the same bytes; a payment that may still be
//! reversed is in no batch; and a journal is removed only when every payment in it was reversed or
//! is in a final batch, and is past its redeem-until.
//!
//! The state is in the directory of the till (`redeem.journal`, see `docs/reference/till.md`), so
//! the servers can keep selling meanwhile.

#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::blocked::{self, BLOCKED_FILE, block};
use super::till_view::TillView;
use crate::authenticator::Key;
use crate::bytes::{u32_be, u64_be};
use crate::error::FileError;
use crate::hex::hex;
use crate::host::Directory;
use crate::identity::{UserId, VendorId};
use crate::period::Period;
use crate::protocol::{
    BATCH_DATA_SIZE_MAX, BATCH_PAYMENTS_MAX, Id, Payment, RedemptionResult, RequestRedemption,
    Unsigned, Verdict, push_record,
};
use crate::till::{
    Batch, Batches, LockedStore, PaidFor, Position, REVERSAL_SECONDS, RecordedPayment,
    RemovedIncome, Till, TillError, TillRecord, scan,
};
use crate::time::UnixTime;

/// How often a batch is restarted because payments changed meanwhile, before that is an error.
const TRIES_MAX: u32 = 5;

/// The largest batch to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// The largest number of payments, at most [`BATCH_PAYMENTS_MAX`].
    pub payments: u32,
    /// The largest data in bytes, at most [`BATCH_DATA_SIZE_MAX`].
    pub data_size: usize,
}

impl Default for BatchLimits {
    /// As large as a message can be.
    fn default() -> BatchLimits {
        BatchLimits { payments: BATCH_PAYMENTS_MAX, data_size: BATCH_DATA_SIZE_MAX }
    }
}

/// A batch to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutgoingBatch {
    /// The till's record of the batch.
    pub batch: Batch,
    /// The message for the broker.
    pub message: RequestRedemption,
    /// Whether the batch was made before and is sent again.
    pub is_again: bool,
}

/// Payments of one period that are in no batch yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Unbatched {
    /// Payments that can be redeemed now.
    pub payments: u64,
    /// The number of coins in them.
    pub coins: u64,
    /// Payments that may still be reversed, and all later ones.
    pub young: u64,
    /// The last moment to redeem them.
    pub redeem_until: UnixTime,
}

/// Redemption cannot continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedemptionError {
    /// The till failed.
    #[error(transparent)]
    Till(#[from] TillError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The payments of a batch are no longer those that it was made of.
    #[error("batch {id}: the till's journals no longer contain its payments")]
    Changed {
        /// The batch.
        id: Id,
    },
    /// The till kept changing while a batch was made.
    #[error("the till changed while a batch was made; try again")]
    Busy,
    /// The result is for another vendor.
    #[error("the result is for vendor {found}, expected {expected}")]
    OtherVendor {
        /// This vendor.
        expected: VendorId,
        /// The vendor in the result.
        found: VendorId,
    },
    /// No batch has this identifier.
    #[error("this till made no batch {id}")]
    UnknownBatch {
        /// The identifier.
        id: Id,
    },
    /// The authenticator of the result is not the broker's over this batch.
    #[error(
        "batch {id}: the result is not the broker's answer to this batch: its Authenticator is \
        wrong, or the key is not that of {vendor}. Nothing was changed; send the batch again"
    )]
    NotFromBroker {
        /// This vendor.
        vendor: VendorId,
        /// The batch.
        id: Id,
    },
    /// The number of verdicts differs from the number of coins in the batch.
    #[error("batch {id}: expected verdicts on {expected} coins, found {found}")]
    VerdictCount {
        /// The batch.
        id: Id,
        /// The number of its coins.
        expected: u32,
        /// The number of verdicts.
        found: usize,
    },
    /// A batch with a final result got another.
    #[error("batch {id} already has another final result; nothing was changed")]
    OtherResult {
        /// The batch.
        id: Id,
    },
}

/// Makes the batch to send next: one made before that is due again, or a new one of the oldest
/// payments that are in no batch. `None` if there is nothing to redeem. With `period`, only that
/// period is considered. `key` is K_V.
///
/// # Errors
/// The till failed. Either nothing was changed, or the batch was made and the next call returns it.
pub fn make_batch(
    till: &Till,
    vendor: &VendorId,
    key: &Key,
    period: Option<&Period>,
    limits: BatchLimits,
) -> Result<Option<OutgoingBatch>, RedemptionError> {
    for _ in 0..TRIES_MAX {
        let now = till.now();
        let view = TillView::of(till)?;
        let is_asked = |batch: &&Batch| period.is_none_or(|period| batch.period == *period);
        if let Some(batch) =
            view.batches.all.iter().filter(is_asked).find(|batch| batch.is_due(now))
        {
            let data = view.data_of(till, batch)?;
            let message = message(vendor, key, batch, data);
            return Ok(Some(OutgoingBatch { batch: batch.clone(), message, is_again: true }));
        }
        let Some((mut batch, data)) = view.collect(till, period, limits, now)? else {
            return Ok(None);
        };
        batch.id = batch_id(vendor, &batch, &data)?;
        if till.locked(|store| view.record(store, &batch))? {
            let message = message(vendor, key, &batch, data);
            return Ok(Some(OutgoingBatch { batch, message, is_again: false }));
        }
    }
    Err(RedemptionError::Busy)
}

/// Reads the broker's answer to a batch, records its verdicts, and blocks the users that it names
/// ([`BLOCKED_FILE`]). Returns the batch with its verdicts. Reading the same
/// result again has no further effect, except that users whom a person unblocked are blocked again.
/// `key` is K_V.
///
/// # Errors
/// The result is for another vendor or batch, is not from the broker, has another number of coins,
/// or differs from an earlier result; or the till failed. Nothing was changed, except that the
/// verdicts may be recorded if the list of blocked users cannot be written; read the result again
/// then.
pub fn read_result(
    till: &Till,
    vendor: &VendorId,
    key: &Key,
    result: &RedemptionResult,
) -> Result<Batch, RedemptionError> {
    if result.vendor != *vendor {
        let (expected, found) = (vendor.clone(), result.vendor.clone());
        return Err(RedemptionError::OtherVendor { expected, found });
    }
    let mut counts = BTreeMap::new();
    for verdict in &result.verdicts {
        *counts.entry(*verdict).or_insert(0) += 1;
    }
    let (id, found, now) = (&result.batch, result.verdicts.len(), till.now());
    let noted = till.locked(|store| {
        let batches = Batches::read(store.directory())?;
        let Some(batch) = batches.get(id).cloned() else {
            return Ok(Noted::UnknownBatch);
        };
        if !result.is_authentic(key, &batch.period, &batch.digest) {
            return Ok(Noted::NotFromBroker);
        }
        if batch.coins as usize != found {
            return Ok(Noted::VerdictCount { expected: batch.coins });
        }
        if batch.result.as_ref() == Some(&counts) {
            return Ok(Noted::Recorded(batch));
        }
        if batch.is_final() {
            return Ok(Noted::OtherResult);
        }
        Batches::record_result(store, id, &counts, now)?;
        Ok(Noted::Recorded(Batch { result: Some(counts.clone()), ..batch }))
    })?;
    let id = id.clone();
    match noted {
        Noted::Recorded(batch) => {
            block_users(till, result.blocked.users())?;
            Ok(batch)
        }
        Noted::UnknownBatch => Err(RedemptionError::UnknownBatch { id }),
        Noted::NotFromBroker => Err(RedemptionError::NotFromBroker { vendor: vendor.clone(), id }),
        Noted::VerdictCount { expected } => {
            Err(RedemptionError::VerdictCount { id, expected, found })
        }
        Noted::OtherResult => Err(RedemptionError::OtherResult { id }),
    }
}

/// Makes the results of a period void, so that its batches are sent again: the broker was restored
/// from a backup, and may have lost them. Those whose redeem-until has passed keep their results.
///
/// # Errors
/// The till failed.
pub fn send_again(till: &Till, period: &Period) -> Result<(), RedemptionError> {
    let now = till.now();
    Ok(till.locked(|store| Batches::send_again(store, period, now))?)
}

/// Blocks users at this vendor.
pub(super) fn block_users(till: &Till, users: &[UserId]) -> Result<(), TillError> {
    let path = till.directory().path().join(BLOCKED_FILE);
    till.locked(|store| {
        block(store.directory(), users).map_err(FileError::on("write", &path)).map_err(Into::into)
    })
}

/// The users whom this vendor has stopped serving, in the order in which they were blocked.
///
/// # Errors
/// The list cannot be read.
pub fn blocked_users(till: &Till) -> Result<Vec<UserId>, RedemptionError> {
    let path = till.directory().path().join(BLOCKED_FILE);
    Ok(blocked::read(till.directory()).map_err(FileError::on("read", &path))?)
}

/// The effect of a result on the till.
enum Noted {
    /// The batch has this result, newly or from an earlier call.
    Recorded(Batch),
    UnknownBatch,
    /// The authenticator of the result is wrong.
    NotFromBroker,
    /// The batch has this many coins, the result another number of verdicts.
    VerdictCount {
        expected: u32,
    },
    /// The batch has another final result.
    OtherResult,
}

/// All batches, in the order in which they were made.
///
/// # Errors
/// The till failed.
pub fn batches(till: &Till) -> Result<Vec<Batch>, RedemptionError> {
    Ok(till.locked(|store| Batches::read(store.directory()))?.all)
}

/// The payments that are in no batch, summed by period.
///
/// # Errors
/// The till failed.
pub fn unbatched(till: &Till) -> Result<BTreeMap<Period, Unbatched>, RedemptionError> {
    let now = till.now();
    let view = TillView::of(till)?;
    let mut found: BTreeMap<Period, Unbatched> = BTreeMap::new();
    for payment in view.unbatched(till, None)? {
        let sum = found.entry(payment.period.clone()).or_default();
        sum.redeem_until = sum.redeem_until.max(payment.keep_until);
        if sum.young > 0 || payment.is_young(now) {
            sum.young += 1;
        } else {
            sum.payments += 1;
            sum.coins += u64::from(payment.coins);
        }
    }
    Ok(found)
}

/// Removes the journals of the oldest days, as long as every payment in them was reversed, or is in
/// a final batch and past its redeem-until; never the newest journal. The periods of their spent
/// coins are closed first: the till accepts no coins of them again, whatever the clock says. What
/// was paid for each page is kept. Returns the names of the removed journals.
///
/// # Errors
/// The till failed.
pub fn prune(till: &Till) -> Result<Vec<String>, RedemptionError> {
    let now = till.now();
    let view = TillView::of(till)?;
    let mut open_days: BTreeMap<u32, BTreeSet<Period>> = BTreeMap::new();
    let mut reversed = BTreeSet::new();
    let mut payments = Vec::new();
    view.scan(till.directory(), Position::default(), |at, record| match record {
        TillRecord::Payment(payment) => payments.push((at, payment.period, payment.keep_until)),
        TillRecord::Reversal(note) => drop(reversed.insert(note.payment)),
        TillRecord::Retry(_) => {}
    })?;
    let mut periods_by_day: BTreeMap<u32, BTreeSet<Period>> = BTreeMap::new();
    let mut spent_by_day: BTreeMap<u32, BTreeSet<Period>> = BTreeMap::new();
    for (at, period, keep_until) in payments {
        let batch = view.batches.covering(&period, at);
        let is_reversed = reversed.contains(&at);
        let is_final = is_reversed || batch.is_some_and(Batch::is_final);
        if !is_reversed {
            spent_by_day.entry(at.day).or_default().insert(period.clone());
        }
        if !is_final || now < keep_until {
            open_days.entry(at.day).or_default().insert(period.clone());
        }
        periods_by_day.entry(at.day).or_default().insert(period);
    }
    let first_open = open_days.keys().next().copied().unwrap_or(u32::MAX);
    let first_day = first_open.min(view.end.day);
    if view.days.first().is_none_or(|first| *first >= first_day) {
        return Ok(Vec::new());
    }
    let income = income_before(&view, till, first_day, &reversed)?;
    let closed = spent_by_day.range(..first_day).flat_map(|(_, periods)| periods.iter().cloned());
    let closed: BTreeSet<Period> = closed.collect();
    Ok(till.locked(|store| {
        income.record(store)?;
        Batches::close(store, &closed, now)?;
        // Payments recorded since the scan keep the files of their periods too.
        let mut periods: BTreeSet<Period> = periods_by_day
            .range(first_day..)
            .flat_map(|(_, periods)| periods.iter().cloned())
            .collect();
        scan(store.directory(), &store.days()?, view.end, store.end(), |_, record| {
            if let TillRecord::Payment(payment) = record {
                periods.insert(payment.period);
            }
        })?;
        store.remove_before(first_day, &periods)
    })?)
}

/// The sums of the journals before `first_day`.
fn income_before(
    view: &TillView,
    till: &Till,
    first_day: u32,
    reversed: &BTreeSet<Position>,
) -> Result<RemovedIncome, TillError> {
    let mut income = RemovedIncome::default();
    let mut unreadable = None;
    let to = Position { day: first_day, offset: 0 };
    scan(till.directory(), &view.days, Position::default(), to, |at, record| {
        let TillRecord::Payment(payment) = record else { return };
        if !reversed.contains(&at) {
            match paid_for(till.directory(), at, &payment) {
                Ok(paid_for) => {
                    income.0.entry(paid_for).or_default().add(payment.first_bins.len() as u64);
                }
                Err(error) => unreadable = Some(error),
            }
        }
    })?;
    unreadable.map_or(Ok(income), Err)
}

/// What a recorded payment at `at` counts for.
///
/// # Errors
/// The payment in the till, whose `directory` this is, cannot be read.
pub(super) fn paid_for(
    directory: &dyn Directory,
    at: Position,
    payment: &RecordedPayment<'_>,
) -> Result<PaidFor, TillError> {
    let message = recorded_payment(directory, at, &payment.message)?;
    Ok(PaidFor {
        journal: at.day,
        day: payment.recorded_at.day_start(),
        period: payment.period.clone(),
        page: message.url.into_string(),
    })
}

/// The payment in the record at `at`.
///
/// # Errors
/// It cannot be read. The till records what the paywall could read, so something changed it.
pub(super) fn recorded_payment(
    directory: &dyn Directory,
    at: Position,
    message: &[u8],
) -> Result<Payment, TillError> {
    Payment::parse(message)
        .map_err(|error| at.unreadable(directory, format!("its payment: {error}")))
}

/// A payment that is in no batch.
struct UnbatchedPayment {
    at: Position,
    period: Period,
    recorded_at: UnixTime,
    keep_until: UnixTime,
    coins: u32,
    size: usize,
}

impl UnbatchedPayment {
    /// Whether it may still be reversed. A time far in the future comes from a wrong clock: such a
    /// payment does not wait for it.
    fn is_young(&self, now: UnixTime) -> bool {
        (-REVERSAL_SECONDS..=REVERSAL_SECONDS).contains(&now.0.saturating_sub(self.recorded_at.0))
    }
}

impl TillView {
    /// The payments that are in no batch and were not reversed, in order.
    fn unbatched(
        &self,
        till: &Till,
        period: Option<&Period>,
    ) -> Result<Vec<UnbatchedPayment>, TillError> {
        let mut payments: Vec<UnbatchedPayment> = Vec::new();
        let mut reversed = BTreeSet::new();
        self.scan(till.directory(), Position::default(), |at, record| match record {
            TillRecord::Payment(payment) => {
                let is_asked = period.is_none_or(|period| payment.period == *period);
                if is_asked && at >= self.batches.end_of(&payment.period) {
                    payments.push(UnbatchedPayment {
                        at,
                        period: payment.period,
                        recorded_at: payment.recorded_at,
                        keep_until: payment.keep_until,
                        coins: payment.first_bins.len() as u32,
                        size: payment.message.len(),
                    });
                }
            }
            TillRecord::Reversal(note) => drop(reversed.insert(note.payment)),
            TillRecord::Retry(_) => {}
        })?;
        payments.retain(|payment| !reversed.contains(&payment.at));
        Ok(payments)
    }

    /// The next new batch, with a placeholder as its identifier, and its data.
    fn collect(
        &self,
        till: &Till,
        period: Option<&Period>,
        limits: BatchLimits,
        now: UnixTime,
    ) -> Result<Option<(Batch, Vec<u8>)>, RedemptionError> {
        let payments = self.unbatched(till, period)?;
        // The period of the oldest payment that may be redeemed; a period ends at its first young
        // payment.
        let mut young = BTreeSet::new();
        let mut old = Vec::new();
        for payment in &payments {
            if payment.is_young(now) {
                young.insert(&payment.period);
            } else if !young.contains(&payment.period) {
                old.push(payment);
            }
        }
        let Some(first) = old.first().copied() else {
            return Ok(None);
        };
        let mut batch = Batch {
            id: placeholder()?,
            period: first.period.clone(),
            payments: 0,
            coins: 0,
            made_at: now,
            redeem_until: first.keep_until,
            result: None,
            from: self.batches.end_of(&first.period),
            to: first.at,
            digest: [0; 32],
        };
        let mut size = 0;
        for payment in old.into_iter().filter(|payment| payment.period == first.period) {
            // The record of a payment is smaller than its message.
            size += payment.size + 4;
            if batch.payments == limits.payments || size > limits.data_size {
                break;
            }
            batch.payments += 1;
            batch.coins += payment.coins;
            batch.redeem_until = batch.redeem_until.max(payment.keep_until);
            batch.to = Position { offset: payment.at.offset + 1, ..payment.at };
        }
        if batch.payments == 0 {
            return Ok(None);
        }
        let data = self.read(till, &batch)?;
        batch.digest = Sha256::digest(&data).into();
        Ok(Some((batch, data)))
    }

    /// The data of a batch that was made before.
    fn data_of(&self, till: &Till, batch: &Batch) -> Result<Vec<u8>, RedemptionError> {
        let data = self.read(till, batch)?;
        let digest: [u8; 32] = Sha256::digest(&data).into();
        if digest == batch.digest {
            return Ok(data);
        }
        Err(RedemptionError::Changed { id: batch.id.clone() })
    }

    /// The payments in the range of a batch, without reversed ones.
    fn read(&self, till: &Till, batch: &Batch) -> Result<Vec<u8>, TillError> {
        let mut reversed = BTreeSet::new();
        self.scan(till.directory(), batch.from, |_, record| {
            if let TillRecord::Reversal(note) = record {
                reversed.insert(note.payment);
            }
        })?;
        let mut records = Vec::new();
        scan(till.directory(), &self.days, batch.from, batch.to, |at, record| {
            if let TillRecord::Payment(payment) = record
                && payment.period == batch.period
                && !reversed.contains(&at)
            {
                records.push((at, payment.message));
            }
        })?;
        let mut data = Vec::new();
        for (at, message) in records {
            let payment = recorded_payment(till.directory(), at, &message)?;
            push_record(&mut data, &payment.record().to_bytes());
        }
        Ok(data)
    }

    /// Records a batch, unless another was made or one of its payments was reversed meanwhile.
    fn record(&self, store: &mut LockedStore<'_>, batch: &Batch) -> Result<bool, TillError> {
        let batches = Batches::read(store.directory())?;
        let mut is_same = batches.end_of(&batch.period) == batch.from;
        scan(store.directory(), &store.days()?, self.end, store.end(), |_, record| {
            if let TillRecord::Reversal(note) = record {
                is_same &= !(batch.from..batch.to).contains(&note.payment);
            }
        })?;
        if is_same {
            // The payments must be on disk before the broker sees them.
            store.sync_from(batch.from.day)?;
            Batches::push(store, batch)?;
        }
        Ok(is_same)
    }
}

fn message(vendor: &VendorId, key: &Key, batch: &Batch, data: Vec<u8>) -> RequestRedemption {
    RequestRedemption {
        vendor: vendor.clone(),
        batch: batch.id.clone(),
        period: batch.period.clone(),
        payments: batch.payments,
        authenticator: Unsigned,
        data,
    }
    .authenticated(key)
}

/// The identifier of a batch follows from its content: the period and the beginning of a hash. So a
/// till restored from a backup gives the same batch the same identifier.
fn batch_id(vendor: &VendorId, batch: &Batch, data: &[u8]) -> Result<Id, RedemptionError> {
    let mut sha256 = Sha256::new();
    sha256.update(vendor.as_str());
    sha256.update([0]);
    sha256.update(u32_be(batch.from.day));
    sha256.update(u64_be(batch.from.offset));
    sha256.update(data);
    id(&format!("{}.{}", batch.period, hex(&sha256.finalize()[..10])))
}

fn placeholder() -> Result<Id, RedemptionError> {
    id("-")
}

fn id(text: &str) -> Result<Id, RedemptionError> {
    // A period and 20 digits have the right form and length; the error is for later changes.
    Ok(text.parse().map_err(TillError::Id)?)
}

/// Coins by verdict in a few words, such as `3 accepted, 1 waiting until redeem-until`.
pub fn summary(counts: &BTreeMap<Verdict, u32>) -> String {
    let parts: Vec<String> =
        counts.iter().map(|(verdict, coins)| format!("{coins} {}", verdict.words())).collect();
    if parts.is_empty() { "no coins".to_string() } else { parts.join(", ") }
}
