//! The vendor's till, for redemption: batches to the broker, results back.

use std::sync::Arc;

use micromint_core::error::FileError;
use micromint_core::host::{Clock, Directory, DiskDirectory, Entropy};
use micromint_core::identity::VendorId;
use micromint_core::period::Period;
use micromint_core::protocol::{BATCH_PAYMENTS_MAX, RedemptionResult};
use micromint_core::till::{SyncMode, Till};
use micromint_core::vendor::VendorConfig;
use micromint_core::vendor::redemption::{
    BatchLimits, RedemptionError, make_batch, prune, read_result, unbatched,
};

use crate::boundary::{
    free, given, guard, hand_out, opened, output, parse, parsed, path_at, slice, text,
};
use crate::buffer::micromint_buffer;
use crate::error::{failed, micromint_error, micromint_status};
use crate::host::{host_of, micromint_host};
use crate::keys::key_of;
use crate::process::{Handle, OfProcess};
use crate::till_batches::micromint_batch;
use micromint_status::{
    MICROMINT_ERROR_CONFIG, MICROMINT_ERROR_FILE, MICROMINT_ERROR_MESSAGE, MICROMINT_ERROR_STATE,
};

/// A vendor's till, opened to redeem its payments; the paywalls that fill it continue meanwhile.
/// Free it with `micromint_till_free()`. Any number of threads may use it at the same time. Open it
/// after `fork()`: in a process that was forked later its functions return MICROMINT_ERROR_STATE.
pub struct micromint_till {
    open: OfProcess<OpenTill>,
}

/// A till of this process.
pub(crate) struct OpenTill {
    pub(crate) till: Till,
    vendor: VendorId,
}

impl Handle for micromint_till {
    type Open = OpenTill;

    fn opened(&self) -> &OfProcess<OpenTill> {
        &self.open
    }

    fn opened_mut(&mut self) -> &mut OfProcess<OpenTill> {
        &mut self.open
    }
}

/// Opens the till of a vendor. It must exist: `micromint_paywall_prepare()` creates it.
///
/// config, config_len: the path of the configuration file (docs/reference/vendor.md).
/// host:               clock and randomness; NULL for the system's.
/// till_out:           the till.
///
/// Errors: MICROMINT_ERROR_CONFIG with file, line and key; MICROMINT_ERROR_FILE if there is no
/// till, or one of its files cannot be read or is damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_till_open(
    config: *const u8,
    config_len: usize,
    host: *const micromint_host,
    till_out: *mut *mut micromint_till,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(path = path_at(config, config_len), host = host_of(host), place = output(till_out));
        let config = VendorConfig::load(&path).map_err(failed(MICROMINT_ERROR_CONFIG))?;
        let directory = DiskDirectory::new(config.till());
        let names = directory.names().map_err(FileError::on("read", config.till()));
        if !names.map_err(failed(MICROMINT_ERROR_FILE))?.iter().any(|name| name == "lock") {
            let text =
                format!("{}: expected a till, found no file named lock", config.till().display());
            return Err(micromint_error::new(MICROMINT_ERROR_FILE, text));
        }
        let clock: Arc<dyn Clock> = Arc::new(host);
        let entropy: Arc<dyn Entropy> = Arc::new(host);
        let till = Till::open(Box::new(directory), SyncMode::Always, clock, entropy);
        let till = till.map_err(failed(MICROMINT_ERROR_FILE))?;
        let open = OfProcess::new(OpenTill { till, vendor: config.vendor().clone() })?;
        place.write(hand_out(micromint_till { open }));
        Ok(())
    })
}

/// Makes the batch to send next: an earlier one whose answer did not come or asked for a
/// repetition, or a new one of the oldest payments. Payments of the last ten minutes are in no
/// batch, because they may still be reversed.
///
/// key, key_len:       K_V, which the broker issued, MICROMINT_KEY_SIZE bytes.
/// period, period_len: only payments of this period; empty for any.
/// payments_max:       the largest number of payments; 0 for as many as a message may contain.
/// batch_out:          what is in it; NULL if there is nothing to redeem.
/// message_out:        a buffer with the Request-Redemption message; NULL if there is nothing to
///                     redeem.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the name of the period or the size of the key is invalid,
/// MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_till_make_batch(
    till: *const micromint_till,
    key: *const u8,
    key_len: usize,
    period: *const u8,
    period_len: usize,
    payments_max: u32,
    batch_out: *mut *mut micromint_batch,
    message_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened(till),
            key = slice(key, key_len),
            period = text(period, period_len),
            batch_place = output(batch_out),
            message_place = output(message_out),
        );
        let key = key_of(key, "key")?;
        let period: Option<Period> = if period.is_empty() { None } else { Some(parse(period)?) };
        let payments = if payments_max == 0 { BATCH_PAYMENTS_MAX } else { payments_max };
        let limits =
            BatchLimits { payments: payments.min(BATCH_PAYMENTS_MAX), ..BatchLimits::default() };
        match make_batch(&it.till, &it.vendor, &key, period.as_ref(), limits).map_err(refused)? {
            None => {
                batch_place.write(std::ptr::null_mut());
                message_place.write(std::ptr::null_mut());
            }
            Some(made) => {
                batch_place.write(micromint_batch::hand_out(made.batch));
                message_place.write(micromint_buffer::hand_out(made.message.to_bytes()));
            }
        }
        Ok(())
    })
}

/// Reads the broker's answer to a batch and records its verdicts. Reading the same answer again
/// changes nothing.
///
/// key, key_len:         the vendor key K_V, MICROMINT_KEY_SIZE bytes.
/// message, message_len: the Redemption-Result message.
/// batch_out:            the batch with its verdicts.
///
/// Errors: MICROMINT_ERROR_MESSAGE if the message is of another type, MICROMINT_ERROR_STATE if it
/// is not the broker's answer to a batch of this till, or differs from an earlier answer;
/// MICROMINT_ERROR_ARGUMENT if the size of the key is invalid; MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_till_read_result(
    till: *const micromint_till,
    key: *const u8,
    key_len: usize,
    message: *const u8,
    message_len: usize,
    batch_out: *mut *mut micromint_batch,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened(till),
            key = slice(key, key_len),
            bytes = slice(message, message_len),
            place = output(batch_out)
        );
        let key = key_of(key, "key")?;
        let result = RedemptionResult::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let read = read_result(&it.till, &it.vendor, &key, &result);
        place.write(micromint_batch::hand_out(read.map_err(refused)?));
        Ok(())
    })
}

/// The payments of a period that are in no batch yet.
///
/// period, period_len: the period.
/// payments_out:       the payments that can be redeemed now.
/// coins_out:          the coins in them.
/// young_out:          the payments that cannot be redeemed yet, because they may be reversed.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the name of the period is invalid, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_till_unbatched(
    till: *const micromint_till,
    period: *const u8,
    period_len: usize,
    payments_out: *mut u64,
    coins_out: *mut u64,
    young_out: *mut u64,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened(till),
            payments = output(payments_out),
            coins = output(coins_out),
            young = output(young_out),
            period = parsed(period, period_len)
        );
        let found = unbatched(&it.till).map_err(refused)?.remove(&period).unwrap_or_default();
        payments.write(found.payments);
        coins.write(found.coins);
        young.write(found.young);
        Ok(())
    })
}

/// Removes the journals of days whose payments are all in final batches and past redeem-until.
///
/// removed_out: the number of removed journals.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_till_prune(
    till: *const micromint_till,
    removed_out: *mut u64,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(till), place = output(removed_out));
        place.write(prune(&it.till).map_err(refused)?.len() as u64);
        Ok(())
    })
}

/// Frees a till: closes its files. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_till_free(till: *mut micromint_till) {
    // SAFETY: a till reaches the caller only from hand_out, and is freed once.
    unsafe { free(till) }
}

pub(crate) fn refused(error: RedemptionError) -> micromint_error {
    let status = match &error {
        RedemptionError::OtherVendor { .. }
        | RedemptionError::UnknownBatch { .. }
        | RedemptionError::NotFromBroker { .. }
        | RedemptionError::VerdictCount { .. }
        | RedemptionError::OtherResult { .. } => MICROMINT_ERROR_STATE,
        // All others are about the till's files.
        _ => MICROMINT_ERROR_FILE,
    };
    micromint_error::of(status, &error)
}
