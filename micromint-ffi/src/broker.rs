//! The broker of a period: sells sets and takes coins back.

use micromint_core::authenticator::Key;
use micromint_core::broker::{Broker, BrokerError};
use micromint_core::host::Clock;
use micromint_core::protocol::RequestCredit;
use micromint_core::reply::Reply;

use crate::boundary::{
    Output, file_at, free, given, guard, hand_out, here, opened, opened_mut, output, parsed,
    reference, slice,
};
use crate::buffer::micromint_buffer;
use crate::error::{Answer, failed, micromint_error, micromint_status};
use crate::host::{host_of, micromint_host};
use crate::keys::micromint_key;
use crate::mint::{checked_threads, threads_of};
use crate::process::{Handle, OfProcess};
use micromint_status::{MICROMINT_ERROR_FILE, MICROMINT_ERROR_MESSAGE, MICROMINT_ERROR_STATE};

/// The broker of one complete coin file. Free it with `micromint_broker_free()`. One thread at a
/// time (large batches are examined on threads of its own, `micromint_broker_set_threads()`); other
/// processes may open the same coin file at the same time. Open it after `fork()`: in a
/// process that was forked later its functions return MICROMINT_ERROR_STATE. After
/// MICROMINT_ERROR_FILE free it and open it again.
///
/// Every answer is on disk before the function returns.
pub struct micromint_broker {
    open: OfProcess<OpenBroker>,
}

/// A broker of this process.
pub(crate) struct OpenBroker {
    pub(crate) broker: Broker,
    pub(crate) host: micromint_host,
}

impl Handle for micromint_broker {
    type Open = OpenBroker;

    fn opened(&self) -> &OfProcess<OpenBroker> {
        &self.open
    }

    fn opened_mut(&mut self) -> &mut OfProcess<OpenBroker> {
        &mut self.open
    }
}

/// Opens the broker of a complete coin file, and creates its journal if there is none.
///
/// path, path_len: the coin file.
/// secret:         the broker's secret, from which all keys are derived; copied.
/// host:           clock and randomness; NULL for the system's.
/// broker_out:     the broker.
///
/// Errors: MICROMINT_ERROR_FILE if a file is incomplete, damaged, or on a network file system.
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
            host = host_of(host),
            secret = reference(secret),
            place = output(broker_out),
            file = file_at(path, path_len)
        );
        let (directory, name) = file;
        let mut broker =
            Broker::open(&directory, &name, Key::from(secret), &host).map_err(failed_broker)?;
        broker.set_threads(threads_of(0));
        let open = OfProcess::new(OpenBroker { broker, host })?;
        place.write(hand_out(micromint_broker { open }));
        Ok(())
    })
}

/// Sets the number of threads that examine a batch; the default is one for each core. Each needs
/// memory of its own, about 100 MB for the largest batch; small batches use few threads.
///
/// threads: 1 to 1024; 0 is one for each core.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_set_threads(
    broker: *mut micromint_broker,
    threads: usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = opened_mut(broker));
        it.broker.set_threads(checked_threads(threads)?);
        Ok(())
    })
}

/// The number of sets that can still be sold, as far as this handle has read. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_sets_left(broker: *const micromint_broker) -> u64 {
    // SAFETY: the caller passes NULL or a live broker.
    unsafe { here(broker) }.map_or(0, |it| it.broker.sets_left())
}

/// Sells sets to a user.
///
/// user, user_len: the User-ID.
/// sets:           the number of sets, 1 to 10000, and no more than fit into one message.
/// transaction:    identifies the sale: a fresh random number, or the number of a sale whose answer
///                 was lost, which is answered again and sells nothing.
/// message_out:    a buffer with the Funds-Withdrawn message for the user; NULL if refused.
/// reason_out:     a buffer with the reason of a refusal; else NULL.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid, MICROMINT_ERROR_FILE.
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
            it = opened_mut(broker),
            reply = reply(message_out, reason_out),
            user = parsed(user, user_len)
        );
        let sold =
            it.broker.withdraw(&user, sets, transaction, it.host.now()).map_err(failed_broker)?;
        reply.write(sold.map(|message| message.to_bytes()));
        Ok(())
    })
}

/// Returns the message of a sale again, if its answer was lost and the number of sets is not known.
///
/// user, user_len: the User-ID of the buyer.
/// transaction:    the number of the sale.
/// message_out:    a buffer with the Funds-Withdrawn message; NULL if refused.
/// reason_out:     a buffer with the reason of a refusal, such as that this user has no such sale;
///                 else NULL.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid, MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_sell_again(
    broker: *mut micromint_broker,
    user: *const u8,
    user_len: usize,
    transaction: u64,
    message_out: *mut *mut micromint_buffer,
    reason_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened_mut(broker),
            reply = reply(message_out, reason_out),
            user = parsed(user, user_len)
        );
        let sold = it.broker.withdraw_again(&user, transaction).map_err(failed_broker)?;
        reply.write(sold.map(|message| message.to_bytes()));
        Ok(())
    })
}

/// Makes the invitation to return unspent coins, once the period has expired.
///
/// user, user_len: the User-ID of the invited user.
/// url, url_len:   where the return is sent, of the same origin as the period's broker.
/// message_out:    a buffer with the Send-Expired message for the user.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the User-ID or the URL is invalid, MICROMINT_ERROR_STATE
/// before the period's expiration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_send_expired(
    broker: *const micromint_broker,
    user: *const u8,
    user_len: usize,
    url: *const u8,
    url_len: usize,
    message_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = opened(broker),
            place = output(message_out),
            user = parsed(user, user_len),
            url = parsed(url, url_len)
        );
        let invitation = it.broker.send_expired(&user, url, it.host.now()).ok_or_else(|| {
            let expiration = it.broker.params().raw().expiration;
            let text =
                format!("coins can be returned from {expiration}; until then they can be spent");
            micromint_error::new(MICROMINT_ERROR_STATE, text)
        })?;
        place.write(micromint_buffer::hand_out(invitation.to_bytes()));
        Ok(())
    })
}

/// Takes unspent coins back.
///
/// request, request_len: the Request-Credit message.
/// transaction:          identifies the return at the broker: a fresh random number.
/// message_out:          a buffer with the Funds-Credited message for the user; NULL if refused.
/// reason_out:           a buffer with the reason of a refusal; else NULL.
///
/// Errors: MICROMINT_ERROR_MESSAGE if the message is not a Request-Credit, MICROMINT_ERROR_FILE.
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
            it = opened_mut(broker),
            bytes = slice(request, request_len),
            reply = reply(message_out, reason_out)
        );
        let request = RequestCredit::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let taken =
            it.broker.take_back(&request, transaction, it.host.now()).map_err(failed_broker)?;
        reply.write(taken.map(|message| message.to_bytes()));
        Ok(())
    })
}

/// Frees a broker. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_broker_free(broker: *mut micromint_broker) {
    // SAFETY: a broker reaches the caller only from hand_out, and is freed once.
    unsafe { free(broker) }
}

/// The places for a message, or for the reason why there is none.
pub(crate) struct ReplyPlaces<'a> {
    message: Output<'a, *mut micromint_buffer>,
    reason: Output<'a, *mut micromint_buffer>,
}

/// # Safety
/// The places are NULL or writable.
pub(crate) unsafe fn reply<'a>(
    message_out: *mut *mut micromint_buffer,
    reason_out: *mut *mut micromint_buffer,
    name: &str,
) -> Answer<ReplyPlaces<'a>> {
    // SAFETY: the caller guarantees it.
    let (message, reason) =
        unsafe { (output(message_out, name)?, output(reason_out, "reason_out")?) };
    Ok(ReplyPlaces { message, reason })
}

impl ReplyPlaces<'_> {
    pub(crate) fn write(self, reply: Reply<Vec<u8>, impl std::error::Error>) {
        let (message, reason) = match reply {
            Reply::Granted(message) => (micromint_buffer::hand_out(message), std::ptr::null_mut()),
            Reply::Refused(refusal) => {
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
