//! What a wallet records of payments.

use crate::boundary::{free, given, guard, hand_out, here, lend, opened, output, reference};
use crate::decision::at;
use crate::error::{micromint_error, micromint_status};
use crate::wallet::micromint_wallet;

/// A payment, when it was read. Free it with `micromint_past_payment_free()`. It is immutable:
/// threads may share it, and it may be used across a fork.
pub struct micromint_past_payment {
    at: i64,
    outcome_at: Option<i64>,
    holding: usize,
    vendor: String,
    url: String,
    method: String,
    description: String,
    outcome: &'static str,
    reason: String,
    coins: u32,
    fresh: u32,
}

/// The number of payments. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_payment_count(
    wallet: *const micromint_wallet,
) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { here(wallet) }.map_or(0, |it| it.wallet.state().payments().len())
}

/// A payment.
///
/// index:       its number, from 0, as returned by `micromint_wallet_pay()`.
/// payment_out: the payment.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_payment(
    wallet: *const micromint_wallet,
    index: usize,
    payment_out: *mut *mut micromint_past_payment,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(payment_out));
        let payment = at(it.wallet.state().payments(), index, "payment")?;
        place.write(hand_out(micromint_past_payment {
            at: payment.at.0,
            outcome_at: payment.outcome_at.map(|at| at.0),
            holding: payment.holding,
            vendor: payment.vendor.to_string(),
            url: payment.url.to_string(),
            method: payment.method.to_string(),
            description: payment.description.to_string(),
            outcome: payment.outcome.word(),
            reason: payment.outcome.reason().unwrap_or_default().to_string(),
            coins: payment.coins,
            fresh: payment.fresh,
        }));
        Ok(())
    })
}

/// When a payment was sent first, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_at(
    past_payment: *const micromint_past_payment,
) -> i64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_payment.as_ref() }.map_or(0, |it| it.at)
}

/// When the outcome was learned, in seconds since 1970-01-01 00:00 UTC; 0 while it is unknown. NULL
/// gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_outcome_at(
    past_payment: *const micromint_past_payment,
) -> i64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_payment.as_ref() }.map_or(0, |it| it.outcome_at.unwrap_or(0))
}

/// The holding that the coins were taken from. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_holding(
    past_payment: *const micromint_past_payment,
) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_payment.as_ref() }.map_or(0, |it| it.holding)
}

/// The coins of a payment. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_coins(
    past_payment: *const micromint_past_payment,
) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_payment.as_ref() }.map_or(0, |it| it.coins)
}

/// The number of coins that were sent for the first time. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_fresh(
    past_payment: *const micromint_past_payment,
) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_payment.as_ref() }.map_or(0, |it| it.fresh)
}

/// The Vendor-ID.
///
/// vendor_out, vendor_len_out: the text, valid until the payment is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_vendor(
    past_payment: *const micromint_past_payment,
    vendor_out: *mut *const u8,
    vendor_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(past_payment), place = lend(vendor_out, vendor_len_out));
        place.write(it.vendor.as_bytes());
        Ok(())
    })
}

/// The page.
///
/// url_out, url_len_out: the text, valid until the payment is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_url(
    past_payment: *const micromint_past_payment,
    url_out: *mut *const u8,
    url_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(past_payment), place = lend(url_out, url_len_out));
        place.write(it.url.as_bytes());
        Ok(())
    })
}

/// The method of the fetch.
///
/// method_out, method_len_out: the text, valid until the payment is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_method(
    past_payment: *const micromint_past_payment,
    method_out: *mut *const u8,
    method_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(past_payment), place = lend(method_out, method_len_out));
        place.write(it.method.as_bytes());
        Ok(())
    })
}

/// What was bought, in the vendor's words: printable ASCII.
///
/// description_out, description_len_out: the text, valid until the payment is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_description(
    past_payment: *const micromint_past_payment,
    description_out: *mut *const u8,
    description_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(past_payment), place = lend(description_out, description_len_out));
        place.write(it.description.as_bytes());
        Ok(())
    })
}

/// What became of a payment: unknown, paid, refused, not-kept or not-seen.
///
/// outcome_out, outcome_len_out: the text, valid until the payment is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_outcome(
    past_payment: *const micromint_past_payment,
    outcome_out: *mut *const u8,
    outcome_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(past_payment), place = lend(outcome_out, outcome_len_out));
        place.write(it.outcome.as_bytes());
        Ok(())
    })
}

/// The reason of an outcome, in the vendor's words: printable ASCII; empty if there is none.
///
/// reason_out, reason_len_out: the text, valid until the payment is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_reason(
    past_payment: *const micromint_past_payment,
    reason_out: *mut *const u8,
    reason_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(past_payment), place = lend(reason_out, reason_len_out));
        place.write(it.reason.as_bytes());
        Ok(())
    })
}

/// Frees a past payment. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_payment_free(past_payment: *mut micromint_past_payment) {
    // SAFETY: it reaches the caller only from hand_out, and is freed once.
    unsafe { free(past_payment) }
}
