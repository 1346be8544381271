//! The holdings of a wallet: the coins of one user at one broker for one period.

use micromint_core::params::Params;
use micromint_core::wallet::Balance;

use crate::boundary::{
    free, given, guard, hand_out, here, lend, opened, output, parsed, reference,
};
use crate::error::{micromint_error, micromint_status};
use crate::params::micromint_params;
use crate::wallet::{absent, micromint_wallet};

/// The owner and period of a holding, and the state of its coins, when it was read. Free it with
/// `micromint_holding_free()`. It is immutable: threads may share it, and it may be used across a
/// fork.
pub struct micromint_holding {
    user: String,
    params: Params,
    balance: Balance,
}

/// The number of holdings. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_holding_count(wallet: *const micromint_wallet) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { here(wallet) }.map_or(0, |it| it.wallet.state().holdings().len())
}

/// A holding.
///
/// holding:     its number, from 0.
/// holding_out: its owner, its period and its coins.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_holding(
    wallet: *const micromint_wallet,
    holding: usize,
    holding_out: *mut *mut micromint_holding,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(holding_out));
        let state = it.wallet.state();
        let found = state.holdings().get(holding).ok_or_else(|| absent("holding", holding))?;
        place.write(hand_out(micromint_holding {
            user: found.user.to_string(),
            params: found.params.clone(),
            balance: state.balance(holding),
        }));
        Ok(())
    })
}

/// The User-ID of the owner.
///
/// user_out, user_len_out: the text, valid until the holding is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_user(
    holding: *const micromint_holding,
    user_out: *mut *const u8,
    user_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(holding), place = lend(user_out, user_len_out));
        place.write(it.user.as_bytes());
        Ok(())
    })
}

/// The period of the coins.
///
/// period_out, period_len_out: the text, valid until the holding is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_period(
    holding: *const micromint_holding,
    period_out: *mut *const u8,
    period_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(holding), place = lend(period_out, period_len_out));
        place.write(it.params.period().as_str().as_bytes());
        Ok(())
    })
}

/// Sets. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_sets(holding: *const micromint_holding) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { holding.as_ref() }.map_or(0, |it| it.balance.sets)
}

/// Coins that were never sent and may be spent. Somewhat fewer are usable at a given vendor. NULL
/// gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_unspent(holding: *const micromint_holding) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { holding.as_ref() }.map_or(0, |it| it.balance.unspent)
}

/// Coins of a restored backup, which may have been spent since: they can only be returned. NULL
/// gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_in_doubt(holding: *const micromint_holding) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { holding.as_ref() }.map_or(0, |it| it.balance.in_doubt)
}

/// Coins that were paid; the content arrived. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_paid(holding: *const micromint_holding) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { holding.as_ref() }.map_or(0, |it| it.balance.paid)
}

/// Coins that were sent and are bound to a vendor, which did not confirm them. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_bound(holding: *const micromint_holding) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { holding.as_ref() }.map_or(0, |it| it.balance.bound)
}

/// Coins that were returned to the broker. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_returned(holding: *const micromint_holding) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { holding.as_ref() }.map_or(0, |it| it.balance.returned)
}

/// The parameters of the period of a holding: when its coins expire, what they are worth, who its
/// broker is.
///
/// params_out: a copy.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_params(
    holding: *const micromint_holding,
    params_out: *mut *mut micromint_params,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(holding), place = output(params_out));
        place.write(micromint_params::hand_out(it.params.clone()));
        Ok(())
    })
}

/// Frees a holding. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_holding_free(holding: *mut micromint_holding) {
    // SAFETY: it reaches the caller only from hand_out, and is freed once.
    unsafe { free(holding) }
}

/// The number of coins of a holding that are usable at a vendor now: those that have all their
/// balls there, and are in the wallet or were given back by this vendor.
///
/// holding:            its number, from 0.
/// vendor, vendor_len: the Vendor-ID.
/// coins_out:          the coins.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid, MICROMINT_ERROR_ABSENT if there is
/// no such holding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_coins_at(
    wallet: *const micromint_wallet,
    holding: usize,
    vendor: *const u8,
    vendor_len: usize,
    coins_out: *mut u32,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened(wallet), place = output(coins_out), vendor = parsed(vendor, vendor_len));
        let state = it.wallet.state();
        if state.holdings().len() <= holding {
            return Err(absent("holding", holding));
        }
        place.write(state.spendable_at(holding, &vendor));
        Ok(())
    })
}
