//! What a till records: its batches, and the periods of payments that are in none.

use micromint_core::till::Batch;
use micromint_core::vendor::redemption::{batches, unbatched};

use crate::boundary::{free, given, guard, hand_out, lend, opened, output, reference};
use crate::buffer::{lines, micromint_buffer};
use crate::decision::at;
use crate::error::{micromint_error, micromint_status};
use crate::till::{micromint_batch, micromint_till, refused};

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
    // SAFETY: the caller passes NULL or a live list.
    unsafe { batch_list.as_ref() }.map_or(0, |it| it.batches.len())
}

/// A batch of a list.
///
/// index:                      from 0.
/// id_out, id_len_out:         its Batch-ID, valid until the list is freed; no final NUL.
/// period_out, period_len_out: the period of its coins, likewise.
/// batch_out:                  what is in it, and what became of it.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_list_batch(
    batch_list: *const micromint_batch_list,
    index: usize,
    id_out: *mut *const u8,
    id_len_out: *mut usize,
    period_out: *mut *const u8,
    period_len_out: *mut usize,
    batch_out: *mut micromint_batch,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = reference(batch_list),
            id = lend(id_out, id_len_out),
            period = lend(period_out, period_len_out),
            place = output(batch_out),
        );
        let batch = at(&it.batches, index, "batch")?;
        id.write(batch.id.as_str().as_bytes());
        period.write(batch.period.as_str().as_bytes());
        place.write(batch.into());
        Ok(())
    })
}

/// Frees a list of batches. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_batch_list_free(batch_list: *mut micromint_batch_list) {
    // SAFETY: a list reaches the caller only from hand_out, and is freed once.
    unsafe { free(batch_list) }
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
