//! What a till records: its batches, and the periods of payments that are in none.

use micromint_core::protocol::Verdict;
use micromint_core::till::Batch;
use micromint_core::vendor::redemption::{batches, unbatched};

use crate::boundary::{free, given, guard, hand_out, lend, opened, output, reference};
use crate::buffer::{lines, micromint_buffer};
use crate::decision::at;
use crate::error::{micromint_error, micromint_status};
use crate::till::{micromint_till, refused};

/// A batch of payments, all of one period, when it was read. Free it with `micromint_batch_free()`.
/// It is immutable: threads may share it, and it may be used across a fork.
pub struct micromint_batch {
    batch: Batch,
}

impl micromint_batch {
    pub(crate) fn hand_out(batch: Batch) -> *mut micromint_batch {
        hand_out(micromint_batch { batch })
    }
}

/// The batches of a till at the time when the list was made. Free it with
/// `micromint_batch_list_free()`. It is immutable: threads may share it, and it may be used across
/// a fork.
pub struct micromint_batch_list {
    batches: Vec<Batch>,
}

/// All batches, in the order in which they were made.
///
/// batches_out: the list.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_till_batches(
    till: *const micromint_till,
    batches_out: *mut *mut micromint_batch_list,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(till), place = output(batches_out));
        place
            .write(hand_out(micromint_batch_list { batches: batches(&it.till).map_err(refused)? }));
        Ok(())
    })
}

/// The number of batches in a list. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_list_count(
    batch_list: *const micromint_batch_list,
) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { batch_list.as_ref() }.map_or(0, |it| it.batches.len())
}

/// A batch of a list.
///
/// index:     from 0.
/// batch_out: the batch, which may outlive the list.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_list_batch(
    batch_list: *const micromint_batch_list,
    index: usize,
    batch_out: *mut *mut micromint_batch,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(batch_list), place = output(batch_out));
        place.write(micromint_batch::hand_out(at(&it.batches, index, "batch")?.clone()));
        Ok(())
    })
}

/// Frees a list of batches. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_list_free(batch_list: *mut micromint_batch_list) {
    // SAFETY: a list reaches the caller only from hand_out, and is freed once.
    unsafe { free(batch_list) }
}

/// The Batch-ID.
///
/// id_out, id_len_out: the text, valid until the batch is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_id(
    batch: *const micromint_batch,
    id_out: *mut *const u8,
    id_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(batch), place = lend(id_out, id_len_out));
        place.write(it.batch.id.as_str().as_bytes());
        Ok(())
    })
}

/// The period of the coins of a batch.
///
/// period_out, period_len_out: the text, valid until the batch is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_period(
    batch: *const micromint_batch,
    period_out: *mut *const u8,
    period_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(batch), place = lend(period_out, period_len_out));
        place.write(it.batch.period.as_str().as_bytes());
        Ok(())
    })
}

/// The payments in a batch. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_payments(batch: *const micromint_batch) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { batch.as_ref() }.map_or(0, |it| it.batch.payments)
}

/// The coins in a batch. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_coins(batch: *const micromint_batch) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { batch.as_ref() }.map_or(0, |it| it.batch.coins)
}

/// The coins that were paid, if a result was read; the others that do not wait were not. NULL gives
/// 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_coins_paid(batch: *const micromint_batch) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { batch.as_ref() }.map_or(0, |it| it.batch.count(Verdict::Accepted))
}

/// The coins that wait: send the batch again after redeem-until. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_coins_waiting(batch: *const micromint_batch) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { batch.as_ref() }.map_or(0, |it| it.batch.count(Verdict::Waiting))
}

/// When a batch was made, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_made_at(batch: *const micromint_batch) -> i64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { batch.as_ref() }.map_or(0, |it| it.batch.made_at.0)
}

/// The last moment to redeem a batch, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_redeem_until(batch: *const micromint_batch) -> i64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { batch.as_ref() }.map_or(0, |it| it.batch.redeem_until.0)
}

/// Whether a result was read. NULL gives false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_is_answered(batch: *const micromint_batch) -> bool {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { batch.as_ref() }.is_some_and(|it| it.batch.result.is_some())
}

/// Frees a batch. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_free(batch: *mut micromint_batch) {
    // SAFETY: it reaches the caller only from hand_out, and is freed once.
    unsafe { free(batch) }
}

/// The periods that have payments in no batch yet, for `micromint_till_unbatched()`.
///
/// periods_out: a buffer with one period per line.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_till_periods(
    till: *const micromint_till,
    periods_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(till), place = output(periods_out));
        place.write(lines(unbatched(&it.till).map_err(refused)?.keys()));
        Ok(())
    })
}
