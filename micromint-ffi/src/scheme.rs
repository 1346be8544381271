//! The client's side of the HTTP authentication scheme "Payment": the challenge of a 402, the
//! credential that answers it, the receipt for a payment (docs/draft-micromint-charge.md). The
//! paywall implements the vendor's side.

use micromint_core::protocol::{Message, Payment};
use micromint_core::scheme::{
    AUTHORIZATION_HEADER, CREDENTIAL_HEADER, Challenge, Credential, PaymentReceipt,
    reference as name_of,
};
use micromint_core::time::UnixTime;
use micromint_core::wallet::{has_ended, request_in_challenge};

use crate::boundary::{free, given, guard, hand_out, lend, output, reference, slice, text};
use crate::buffer::micromint_buffer;
use crate::error::{failed, micromint_error, micromint_status};
use crate::message::micromint_message;
use micromint_status::{MICROMINT_ERROR_ABSENT, MICROMINT_ERROR_MESSAGE};

/// A challenge of the scheme "Payment" that coins can answer. Free it with
/// `micromint_challenge_free()`. It is immutable: threads may share it, and it may be used across a
/// fork.
pub struct micromint_challenge {
    challenge: Challenge,
    request: Message,
}

/// Parses the first challenge that coins can answer in a WWW-Authenticate of a 402. A MicroMint
/// vendor also sends MicroMint-Request (`micromint_message_from_header()`); other servers may know
/// only the scheme.
///
/// value, value_len: the value of the header field; call this function with each of them.
/// challenge_out:    the challenge.
///
/// Errors: MICROMINT_ERROR_TEXT, MICROMINT_ERROR_ABSENT if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_challenge_parse(
    value: *const u8,
    value_len: usize,
    challenge_out: *mut *mut micromint_challenge,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(value = text(value, value_len), place = output(challenge_out));
        let (challenge, request) =
            request_in_challenge(std::iter::once(value)).ok_or_else(|| {
                let found = "found no challenge of the scheme Payment that coins can answer";
                micromint_error::new(MICROMINT_ERROR_ABSENT, found)
            })?;
        place.write(hand_out(micromint_challenge {
            challenge,
            request: Message::RequestPayment(request),
        }));
        Ok(())
    })
}

/// What a challenge asks for, for `micromint_wallet_pay()`.
///
/// message_out: the Request-Payment.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_challenge_request(
    challenge: *const micromint_challenge,
    message_out: *mut *mut micromint_message,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(challenge), place = output(message_out));
        place.write(hand_out(micromint_message::of(&it.request)?));
        Ok(())
    })
}

/// Whether a challenge has expired, so that a payment that answers it would be refused. NULL gives
/// true.
///
/// now: the time, in seconds since 1970-01-01 00:00 UTC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_challenge_has_ended(
    challenge: *const micromint_challenge,
    now: i64,
) -> bool {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { challenge.as_ref() }.is_none_or(|it| has_ended(&it.challenge, UnixTime(now)))
}

/// Makes the header field that answers a challenge with a payment: send it with the repeated
/// request, method and body unchanged. Servers accept header fields of 8 KB, which is about 40
/// coins.
///
/// payment, payment_len:   the Payment message.
/// name_out, name_len_out: the field's name; static, no final NUL. If it is Authorization and the
///                         request already has one, use Payment-Authorization.
/// value_out:              a buffer with its value.
///
/// Errors: MICROMINT_ERROR_MESSAGE if the message is not a Payment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_challenge_answer(
    challenge: *const micromint_challenge,
    payment: *const u8,
    payment_len: usize,
    name_out: *mut *const u8,
    name_len_out: *mut usize,
    value_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = reference(challenge),
            payment = slice(payment, payment_len),
            name = lend(name_out, name_len_out),
            place = output(value_out)
        );
        Payment::parse(payment).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let field =
            if it.challenge.header.is_some() { CREDENTIAL_HEADER } else { AUTHORIZATION_HEADER };
        name.write(field.as_bytes());
        let value = Credential::new(it.challenge.clone(), payment).to_header();
        place.write(micromint_buffer::hand_out(value.into_bytes()));
        Ok(())
    })
}

/// Frees a challenge. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_challenge_free(challenge: *mut micromint_challenge) {
    // SAFETY: a challenge reaches the caller only from hand_out, and is freed once.
    unsafe { free(challenge) }
}

/// Parses the Payment-Receipt of a response.
///
/// value, value_len:     the value of the header field.
/// payment, payment_len: the Payment message that was sent.
/// is_ours_out:          whether the receipt is for this payment.
///
/// Errors: MICROMINT_ERROR_TEXT, MICROMINT_ERROR_MESSAGE if the receipt or the Payment is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_payment_receipt_check(
    value: *const u8,
    value_len: usize,
    payment: *const u8,
    payment_len: usize,
    is_ours_out: *mut bool,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            value = text(value, value_len),
            payment = slice(payment, payment_len),
            place = output(is_ours_out)
        );
        let payment = Payment::parse(payment).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let receipt = PaymentReceipt::parse(value).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        place.write(receipt.reference == name_of(&payment));
        Ok(())
    })
}
