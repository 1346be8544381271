//! The broker of a period: sells sets, takes coins back, redeems payments.

use micromint_core::authenticator::Key;
use micromint_core::broker::{Broker, BrokerError};
use micromint_core::error::FileError;
use micromint_core::host::{Clock, DiskDirectory};
use micromint_core::identity::{UserId, VendorId};
use micromint_core::protocol::{RequestCredit, RequestRedemption};

use crate::boundary::{
    Output, free, given, guard, hand_out, output, parse, path_at, reference, reference_mut, slice, text,
};
use crate::buffer::micromint_buffer;
use crate::error::{Answer, failed, micromint_error, micromint_status};
use crate::host::{host_of, micromint_host};
use crate::keys::micromint_key;
use micromint_status::{MICROMINT_ERROR_FILE, MICROMINT_ERROR_MESSAGE, MICROMINT_ERROR_STATE};

/// The broker of one complete coin file. Free it with `micromint_broker_free()`. One thread at a time;
/// other processes may open the same coin file at once. Open it after `fork()`. After
/// MICROMINT_ERROR_FILE free it and open it again.
///
/// Whatever it answers is on disk before the function returns.
pub struct micromint_broker {
    pub(crate) broker: Broker,
    pub(crate) host: micromint_host,
}

/// Opens the broker of a complete coin file, making its journal if there is none.
///
/// path, path_len: the coin file.
/// secret:         the broker's secret, from which all keys derive; copied.
/// host:           clock and randomness; NULL for the system's.
/// broker_out:     the broker.
///
/// Errors: MICROMINT_ERROR_FILE where a file is incomplete, damaged, or lies on a network file system.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_open(
    path: *const u8,
    path_len: usize,
    secret: *const micromint_key,
    host: *const micromint_host,
    broker_out: *mut *mut micromint_broker,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            path = path_at(path, path_len),
            host = host_of(host),
            secret = reference(secret),
            place = output(broker_out)
        );
        let (directory, name) = DiskDirectory::of_file(path)
            .map_err(FileError::on("open", path))
            .map_err(failed(MICROMINT_ERROR_FILE))?;
        let broker = Broker::open(&directory, &name, Key::from(secret), &host).map_err(failed_broker)?;
        place.write(hand_out(micromint_broker { broker, host }));
        Ok(())
    })
}

/// How many sets can still be sold, as far as this handle has read. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_sets_left(broker: *const micromint_broker) -> u64 {
    // SAFETY: the caller passes NULL or a live broker.
    unsafe { broker.as_ref() }.map_or(0, |it| it.broker.sets_left())
}

/// Sells sets to a user.
///
/// user, user_len: the User-ID.
/// sets:           how many, 1 to 10000.
/// transaction:    names the sale: a fresh random number, or the one of a sale whose answer was lost, which
///                 is answered again and sells nothing.
/// message_out:    a buffer with the Funds-Withdrawn message for the user; NULL if refused.
/// reason_out:     a buffer with the reason of a refusal; else NULL.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for what is no User-ID, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_sell(
    broker: *mut micromint_broker,
    user: *const u8,
    user_len: usize,
    sets: u32,
    transaction: u64,
    message_out: *mut *mut micromint_buffer,
    reason_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = reference_mut(broker),
            user = text(user, user_len),
            reply = reply(message_out, reason_out)
        );
        let user: UserId = parse(user)?;
        let sold = it.broker.withdraw(&user, sets, transaction, it.host.now()).map_err(failed_broker)?;
        reply.write(sold.map(|message| message.to_bytes()));
        Ok(())
    })
}

/// Takes unspent coins back.
///
/// request, request_len: the Request-Credit message.
/// transaction:          names the return at the broker: a fresh random number.
/// message_out:          a buffer with the Funds-Credited message for the user; NULL if refused.
/// reason_out:           a buffer with the reason of a refusal; else NULL.
///
/// Errors: MICROMINT_ERROR_MESSAGE for what is no Request-Credit, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_take_back(
    broker: *mut micromint_broker,
    request: *const u8,
    request_len: usize,
    transaction: u64,
    message_out: *mut *mut micromint_buffer,
    reason_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = reference_mut(broker),
            bytes = slice(request, request_len),
            reply = reply(message_out, reason_out)
        );
        let request = RequestCredit::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let taken = it.broker.take_back(&request, transaction, it.host.now()).map_err(failed_broker)?;
        reply.write(taken.map(|message| message.to_bytes()));
        Ok(())
    })
}

/// Registers a vendor, so that its batches are taken. Harmless for one that is registered. Its key is
/// `micromint_vendor_key()`.
///
/// vendor, vendor_len: the Vendor-ID.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for what is no Vendor-ID, MICROMINT_ERROR_STATE where no more can be
/// registered, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_register(
    broker: *mut micromint_broker,
    vendor: *const u8,
    vendor_len: usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference_mut(broker), vendor = text(vendor, vendor_len));
        let vendor: VendorId = parse(vendor)?;
        let registered = it.broker.register_vendor(&vendor, it.host.now()).map_err(failed_broker)?;
        registered.map_err(failed(MICROMINT_ERROR_STATE))?;
        Ok(())
    })
}

/// Judges a vendor's batch of payments coin by coin. A batch that was judged before is answered again and
/// pays nothing.
///
/// batch, batch_len: the Request-Redemption message.
/// message_out:      a buffer with the Redemption-Result message for the vendor; NULL if refused as a whole.
/// reason_out:       a buffer with the reason of a refusal; else NULL.
///
/// Errors: MICROMINT_ERROR_MESSAGE for what is no Request-Redemption, MICROMINT_ERROR_FILE.
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
            it = reference_mut(broker),
            bytes = slice(batch, batch_len),
            reply = reply(message_out, reason_out)
        );
        let batch = RequestRedemption::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let judged = it.broker.redeem(&batch, it.host.now()).map_err(failed_broker)?;
        reply.write(judged.map(|judged| judged.result.to_bytes()));
        Ok(())
    })
}

/// Decides the claims that waited, once redeem-until is reached; every other function does it too.
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
        given!(it = reference_mut(broker), place = output(settled_out));
        place.write(it.broker.settle(it.host.now()).map_err(failed_broker)?);
        Ok(())
    })
}

/// Frees a broker. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_free(broker: *mut micromint_broker) {
    // SAFETY: a broker reaches the caller from hand_out only, and is freed once.
    unsafe { free(broker) }
}

/// The places for a message or the reason why there is none.
struct Reply<'a> {
    message: Output<'a, *mut micromint_buffer>,
    reason: Output<'a, *mut micromint_buffer>,
}

/// # Safety
/// The places are NULL or may be written to.
unsafe fn reply<'a>(
    message_out: *mut *mut micromint_buffer,
    reason_out: *mut *mut micromint_buffer,
    name: &str,
) -> Answer<Reply<'a>> {
    // SAFETY: passed on to the caller.
    let (message, reason) = unsafe { (output(message_out, name)?, output(reason_out, "reason_out")?) };
    Ok(Reply { message, reason })
}

impl Reply<'_> {
    fn write(self, answer: Result<Vec<u8>, impl std::error::Error>) {
        let (message, reason) = match answer {
            Ok(message) => (micromint_buffer::hand_out(message), std::ptr::null_mut()),
            Err(refusal) => {
                (std::ptr::null_mut(), micromint_buffer::hand_out(refusal.to_string().into_bytes()))
            }
        };
        self.message.write(message);
        self.reason.write(reason);
    }
}

pub(crate) fn failed_broker(error: BrokerError) -> micromint_error {
    micromint_error::of(MICROMINT_ERROR_FILE, &error)
}
