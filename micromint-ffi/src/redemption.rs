//! Redemption at the broker: vendors are registered, their batches judged, waiting claims settled,
//! and bins declared compromised.

use micromint_core::broker::{BinRange, Ruling, rejected_coins};
use micromint_core::host::Clock;
use micromint_core::protocol::{RedemptionResult, RequestRedemption, RequestWatch};

use crate::boundary::{given, guard, opened, opened_mut, output, parsed, slice};
use crate::broker::{failed_broker, micromint_broker, reply};
use crate::buffer::{lines, micromint_buffer};
use crate::error::{failed, micromint_error, micromint_status};
use micromint_status::{
    MICROMINT_ERROR_ABSENT, MICROMINT_ERROR_ARGUMENT, MICROMINT_ERROR_MESSAGE,
    MICROMINT_ERROR_STATE,
};

/// Registers a vendor, so that its batches are accepted. Registering it again changes nothing. Its
/// key is `micromint_vendor_key()`.
///
/// vendor, vendor_len: the Vendor-ID.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid, MICROMINT_ERROR_STATE if no more
/// can be registered, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_register(
    broker: *mut micromint_broker,
    vendor: *const u8,
    vendor_len: usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), vendor = parsed(vendor, vendor_len));
        let registered =
            it.broker.register_vendor(&vendor, it.host.now()).map_err(failed_broker)?;
        registered.into_result().map_err(failed(MICROMINT_ERROR_STATE))?;
        Ok(())
    })
}

/// Judges a vendor's batch of payments coin by coin. A batch that was already judged is answered
/// again and pays nothing.
///
/// batch, batch_len: the Request-Redemption message.
/// message_out:      a buffer with the Redemption-Result message for the vendor; NULL if refused as
///                   a whole.
/// reason_out:       a buffer with the reason of a refusal; else NULL.
///
/// Errors: MICROMINT_ERROR_MESSAGE if the message is not a Request-Redemption,
/// MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_redeem(
    broker: *mut micromint_broker,
    batch: *const u8,
    batch_len: usize,
    message_out: *mut *mut micromint_buffer,
    reason_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(broker),
            bytes = slice(batch, batch_len),
            reply = reply(message_out, reason_out)
        );
        let batch = RequestRedemption::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let judged = it.broker.redeem(&batch, it.host.now()).map_err(failed_broker)?;
        reply.write(judged.map(|judged| judged.result.to_bytes()));
        Ok(())
    })
}

/// Lists the coins of a judged batch that will never be paid, for people: each with the reason and
/// everything that was sent.
///
/// batch, batch_len:   the Request-Redemption message.
/// result, result_len: the Redemption-Result message that answered it.
/// text_out:           a buffer with the lines, of which the first and the last name the batch;
///                     empty if all its coins are good or wait.
///
/// Errors: MICROMINT_ERROR_MESSAGE for other messages, MICROMINT_ERROR_ARGUMENT for the answer to
/// another batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_rejected_coins(
    broker: *const micromint_broker,
    batch: *const u8,
    batch_len: usize,
    result: *const u8,
    result_len: usize,
    text_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened(broker),
            batch = slice(batch, batch_len),
            result = slice(result, result_len),
            place = output(text_out)
        );
        let batch = RequestRedemption::parse(batch).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let result = RedemptionResult::parse(result).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        if (&result.vendor, &result.batch) != (&batch.vendor, &batch.batch) {
            let text = format!(
                "result: expected that of batch {}, found that of {}",
                batch.batch, result.batch
            );
            return Err(micromint_error::new(MICROMINT_ERROR_ARGUMENT, text));
        }
        let text = rejected_coins(&batch, &result.verdicts, it.host.now()).unwrap_or_default();
        place.write(micromint_buffer::hand_out(text.into_bytes()));
        Ok(())
    })
}

/// Judges payments that a vendor has just taken, and keeps them as evidence. Nothing is paid.
///
/// watch, watch_len: the Request-Watch message.
/// message_out:      a buffer with the Watch-Result message for the vendor; NULL if refused as a
///                   whole.
/// blocked_out:      a buffer with the users whom this vendor should stop serving, one User-ID per
///                   line; empty if refused.
/// reason_out:       a buffer with the reason of a refusal; else NULL.
///
/// Errors: MICROMINT_ERROR_MESSAGE if the message is not a Request-Watch, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_watch(
    broker: *mut micromint_broker,
    watch: *const u8,
    watch_len: usize,
    message_out: *mut *mut micromint_buffer,
    blocked_out: *mut *mut micromint_buffer,
    reason_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(broker),
            bytes = slice(watch, watch_len),
            blocked = output(blocked_out),
            reply = reply(message_out, reason_out)
        );
        let request = RequestWatch::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let answer = it.broker.watch(&request, it.host.now()).map_err(failed_broker)?;
        let mut users = Vec::new();
        reply.write(answer.map(|answer| {
            users = answer.result.blocked.users().to_vec();
            answer.result.to_bytes()
        }));
        blocked.write(lines(users.iter()));
        Ok(())
    })
}

/// Records what a person decided about the disputed claims of a vendor. It is final.
///
/// vendor, vendor_len: the Vendor-ID.
/// user, user_len:     decide only about coins of this User-ID; empty for all users.
/// is_paid:            whether the vendor is paid. If not, the coins that were returned are
///                     credited.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID or the User-ID is invalid,
/// MICROMINT_ERROR_ABSENT if there is no such dispute, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_decide(
    broker: *mut micromint_broker,
    vendor: *const u8,
    vendor_len: usize,
    user: *const u8,
    user_len: usize,
    is_paid: bool,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(broker),
            vendor = parsed(vendor, vendor_len),
            name = slice(user, user_len)
        );
        let user = match name {
            [] => None,
            // SAFETY: the caller passes a readable text, as for `slice` above.
            _ => Some(unsafe { parsed(user, user_len, "user") }?),
        };
        let ruling = if is_paid { Ruling::Pay } else { Ruling::Refuse };
        let decided = it.broker.decide_dispute(&vendor, user.as_ref(), ruling, it.host.now());
        decided.map_err(failed_broker)?.into_result().map_err(failed(MICROMINT_ERROR_ABSENT))?;
        Ok(())
    })
}

/// Declares bins compromised: their balls are no longer sold, and payments with their balls that
/// are not proved to be the owner's are no longer paid. What was paid before stays paid.
///
/// superbin:  the superbin of all of them.
/// first:     the first sub-bin.
/// count:     the number of sub-bins, at least 1.
/// balls_out: the number of balls in them that were not compromised before.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for bins that the period does not have, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_compromise(
    broker: *mut micromint_broker,
    superbin: u32,
    first: u32,
    count: u32,
    balls_out: *mut u64,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(balls_out));
        let bins = BinRange { superbin, first, count };
        let marked = it.broker.compromise(bins, it.host.now()).map_err(failed_broker)?;
        place.write(marked.into_result().map_err(failed(MICROMINT_ERROR_ARGUMENT))?);
        Ok(())
    })
}

/// Decides the waiting claims, once redeem-until is reached. This is final; no other function does
/// it.
///
/// settled_out: whether the period is settled.
///
/// Errors: MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_settle(
    broker: *mut micromint_broker,
    settled_out: *mut bool,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker), place = output(settled_out));
        place.write(it.broker.settle(it.host.now()).map_err(failed_broker)?);
        Ok(())
    })
}
