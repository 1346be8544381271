//! What a wallet records of sales and returns.

use micromint_core::protocol::Verdict;

use crate::boundary::{free, given, guard, hand_out, here, lend, opened, output, reference};
use crate::decision::at;
use crate::error::{micromint_error, micromint_status};
use crate::wallet::micromint_wallet;

/// A received sale. Sales are numbered from 0 in their order and never renumbered, and so are
/// payments and returns. Free it with `micromint_past_sale_free()`. It is immutable: threads may
/// share it, and it may be used across a fork.
pub struct micromint_past_sale {
    at: i64,
    holding: usize,
    transaction: u64,
    sets: u32,
}

/// A return, when it was read. Free it with `micromint_past_return_free()`. It is immutable:
/// threads may share it, and it may be used across a fork.
pub struct micromint_past_return {
    at: i64,
    holding: usize,
    request: String,
    transaction: Option<u64>,
    coins: u32,
    credited: u32,
    waiting: u32,
}

/// The number of received sales. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_sale_count(
    wallet: *const micromint_wallet,
) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { here(wallet) }.map_or(0, |it| it.wallet.state().withdrawals().len())
}

/// A received sale.
///
/// index:    its number, from 0.
/// sale_out: the sale.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_sale(
    wallet: *const micromint_wallet,
    index: usize,
    sale_out: *mut *mut micromint_past_sale,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(sale_out));
        let sale = at(it.wallet.state().withdrawals(), index, "sale")?;
        place.write(hand_out(micromint_past_sale {
            at: sale.at.0,
            holding: sale.holding,
            transaction: sale.transaction,
            sets: sale.sets,
        }));
        Ok(())
    })
}

/// When a sale was received, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_sale_at(past_sale: *const micromint_past_sale) -> i64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_sale.as_ref() }.map_or(0, |it| it.at)
}

/// The holding that its sets belong to. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_sale_holding(
    past_sale: *const micromint_past_sale,
) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_sale.as_ref() }.map_or(0, |it| it.holding)
}

/// The number of the sale at the broker. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_sale_transaction(
    past_sale: *const micromint_past_sale,
) -> u64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_sale.as_ref() }.map_or(0, |it| it.transaction)
}

/// The sets of a sale. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_sale_sets(past_sale: *const micromint_past_sale) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_sale.as_ref() }.map_or(0, |it| it.sets)
}

/// Frees a past sale. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_sale_free(past_sale: *mut micromint_past_sale) {
    // SAFETY: it reaches the caller only from hand_out, and is freed once.
    unsafe { free(past_sale) }
}

/// The number of returns. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_return_count(
    wallet: *const micromint_wallet,
) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { here(wallet) }.map_or(0, |it| it.wallet.state().returns().len())
}

/// A return.
///
/// index:      its number, from 0.
/// return_out: the return.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_past_return(
    wallet: *const micromint_wallet,
    index: usize,
    return_out: *mut *mut micromint_past_return,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(return_out));
        let back = at(it.wallet.state().returns(), index, "return")?;
        let count = |verdict| back.count(verdict) as u32;
        place.write(hand_out(micromint_past_return {
            at: back.at.0,
            holding: back.holding,
            request: back.request.to_string(),
            transaction: back.transaction,
            coins: back.verdicts.len() as u32,
            credited: count(Some(Verdict::Accepted)),
            waiting: count(None) + count(Some(Verdict::Waiting)),
        }));
        Ok(())
    })
}

/// When a return was sent, in seconds since 1970-01-01 00:00 UTC. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_return_at(
    past_return: *const micromint_past_return,
) -> i64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_return.as_ref() }.map_or(0, |it| it.at)
}

/// The holding that the coins were taken from. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_return_holding(
    past_return: *const micromint_past_return,
) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_return.as_ref() }.map_or(0, |it| it.holding)
}

/// The broker's number for the return, if it is answered. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_return_transaction(
    past_return: *const micromint_past_return,
) -> u64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_return.as_ref() }.map_or(0, |it| it.transaction.unwrap_or(0))
}

/// The coins of a return. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_return_coins(
    past_return: *const micromint_past_return,
) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_return.as_ref() }.map_or(0, |it| it.coins)
}

/// The coins that were credited. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_return_credited(
    past_return: *const micromint_past_return,
) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_return.as_ref() }.map_or(0, |it| it.credited)
}

/// The coins that wait for a verdict, or for an answer. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_return_waiting(
    past_return: *const micromint_past_return,
) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_return.as_ref() }.map_or(0, |it| it.waiting)
}

/// Whether an answer was recorded. NULL gives false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_return_is_answered(
    past_return: *const micromint_past_return,
) -> bool {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { past_return.as_ref() }.is_some_and(|it| it.transaction.is_some())
}

/// The Request-ID, which identifies the return at the broker.
///
/// request_out, request_len_out: the text, valid until the return is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_return_request(
    past_return: *const micromint_past_return,
    request_out: *mut *const u8,
    request_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(past_return), place = lend(request_out, request_len_out));
        place.write(it.request.as_bytes());
        Ok(())
    })
}

/// Frees a past return. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_past_return_free(past_return: *mut micromint_past_return) {
    // SAFETY: it reaches the caller only from hand_out, and is freed once.
    unsafe { free(past_return) }
}

/// Whether nothing can be spent from the file: it is a backup, or the wallet was moved to another
/// file. NULL gives false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_is_backup(wallet: *const micromint_wallet) -> bool {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { here(wallet) }.is_some_and(|it| it.wallet.state().frozen().is_some())
}
