//! Returning unspent coins: the broker's invitation, the return, the broker's answer.

use micromint_core::host::Clock;
use micromint_core::protocol::{FundsCredited, SendExpired};

use crate::boundary::{given, guard, opened, opened_mut, output, slice};
use crate::buffer::micromint_buffer;
use crate::error::{failed, micromint_error, micromint_status};
use crate::wallet::{absent, micromint_wallet, refused};
use micromint_status::{MICROMINT_ERROR_MESSAGE, MICROMINT_ERROR_STATE};

/// Which holding an invitation to return coins is about. Its Return-URL is then that of the broker
/// that sold them, and `micromint_wallet_return()` makes the message to send there. If it is about
/// several holdings, the number is that of the first one that has something to return: call the
/// function again after `micromint_wallet_credit()`.
///
/// message, message_len: the Send-Expired message.
/// holding_out:          the number of the holding.
///
/// Errors: MICROMINT_ERROR_MESSAGE if the message is not a Send-Expired, MICROMINT_ERROR_STATE if
/// the wallet has no coins of this user, period and broker.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_invited(
    wallet: *const micromint_wallet,
    message: *const u8,
    message_len: usize,
    holding_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened(wallet),
            bytes = slice(message, message_len),
            place = output(holding_out)
        );
        let invitation = SendExpired::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let (state, now) = (it.wallet.state(), it.host.now());
        let invited = state.invited(&invitation).map_err(failed(MICROMINT_ERROR_STATE))?;
        let returnable = state.returnable(now);
        let unanswered = state.unanswered_returns(now);
        let has_something = |holding: &&usize| {
            returnable.iter().any(|found| found.holding == **holding)
                || unanswered.iter().any(|back| back.holding == **holding)
        };
        let holding = invited.iter().find(has_something).or(invited.first());
        place.write(*holding.ok_or_else(|| absent("holding", 0))?);
        Ok(())
    })
}

/// Takes the returnable coins of a holding out of the wallet and makes the message that returns
/// them to the broker for credit. Send it until an answer comes, then call
/// `micromint_wallet_credit()`. Until an answer is recorded, the function makes the same message
/// again.
///
/// holding:     its number.
/// message_out: a buffer with the Request-Credit message.
///
/// Errors: MICROMINT_ERROR_ABSENT if there is no such holding, or nothing to return, or the broker
/// does not take coins of the period back now;
/// MICROMINT_ERROR_FILE: then nothing may be sent; MICROMINT_ERROR_STATE if the file is a backup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_return(
    wallet: *mut micromint_wallet,
    holding: usize,
    message_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(wallet), place = output(message_out));
        if it.wallet.state().holdings().len() <= holding {
            return Err(absent("holding", holding));
        }
        let now = it.host.now();
        let unanswered = it.wallet.state().unanswered_returns(now);
        if !unanswered.iter().any(|back| back.holding == holding) {
            let begun = it.wallet.begin_return(holding, now, &it.host).map_err(refused)?;
            begun.ok_or_else(|| absent("coin to return in holding", holding))?;
        }
        let state = it.wallet.state();
        let back = state.unanswered_returns(now).into_iter().find(|back| back.holding == holding);
        let back = back.ok_or_else(|| absent("return of holding", holding))?;
        place.write(micromint_buffer::hand_out(state.request_credit(back).to_bytes()));
        Ok(())
    })
}

/// Records the broker's answer to a return.
///
/// message, message_len: the Funds-Credited message.
///
/// Errors: MICROMINT_ERROR_MESSAGE if the message is of another type, MICROMINT_ERROR_STATE if it
/// is not the broker's answer to a return of this wallet, or an earlier one than the wallet has, or
/// if the file is a backup; MICROMINT_ERROR_FILE. Nothing was credited then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_wallet_credit(
    wallet: *mut micromint_wallet,
    message: *const u8,
    message_len: usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(wallet), bytes = slice(message, message_len));
        let answer = FundsCredited::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        it.wallet.credit(&answer, it.host.now()).map_err(refused)?;
        Ok(())
    })
}
