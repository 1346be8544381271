//! The messages between broker, client and vendor.

use micromint_core::protocol::{Frame, Message};
use micromint_core::wallet::{payment_for_header, request_in_header};

use crate::boundary::{free, given, guard, hand_out, lend, output, reference, slice, text};
use crate::buffer::micromint_buffer;
use crate::error::{FfiResult, failed, micromint_error, micromint_status};
use micromint_status::{MICROMINT_ERROR_ABSENT, MICROMINT_ERROR_MESSAGE};

/// A message of one of the types of docs/reference/protocol.md, with every field well formed. Free
/// it with `micromint_message_free()`. It is immutable: threads may share it, and it may be used
/// across a fork.
pub struct micromint_message {
    bytes: Vec<u8>,
    message_type: String,
    headers: Vec<(String, String)>,
    data: Vec<u8>,
}

impl micromint_message {
    /// Stores a typed message, parsed again after printing so that equal messages look alike.
    pub(crate) fn of(message: &Message) -> FfiResult<micromint_message> {
        let bytes = message.to_bytes();
        let frame = Frame::parse(&bytes, bytes.len()).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        Ok(micromint_message {
            message_type: frame.message_type().to_string(),
            headers: frame.headers().iter().map(owned).collect(),
            data: frame.into_data().unwrap_or_default(),
            bytes,
        })
    }
}

/// Parses a message of any type and checks the form of every field.
///
/// bytes, bytes_len: the message; copied.
/// message_out:      the message.
///
/// Errors: MICROMINT_ERROR_MESSAGE with the line or header that is wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_message_parse(
    bytes: *const u8,
    bytes_len: usize,
    message_out: *mut *mut micromint_message,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(bytes = slice(bytes, bytes_len), place = output(message_out));
        let message = Message::parse(bytes).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        place.write(hand_out(micromint_message::of(&message)?));
        Ok(())
    })
}

/// Parses a Request-Payment from the header field MicroMint-Request of a 402, whose body may be for
/// people.
///
/// value, value_len: the value of the field.
/// message_out:      the message.
///
/// Errors: MICROMINT_ERROR_MESSAGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_message_from_header(
    value: *const u8,
    value_len: usize,
    message_out: *mut *mut micromint_message,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(value = slice(value, value_len), place = output(message_out));
        let request = request_in_header(value).map_err(failed(MICROMINT_ERROR_MESSAGE))?;
        place.write(hand_out(micromint_message::of(&Message::RequestPayment(request))?));
        Ok(())
    })
}

/// Encodes a message as the value of a header field: a Payment for MicroMint-Payment, with a
/// request of any method and its own body. Servers accept header fields of 8 KB, which is about 60
/// coins.
///
/// value_out: a buffer with the value.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_message_to_header(
    message: *const micromint_message,
    value_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(message = reference(message), place = output(value_out));
        place.write(micromint_buffer::hand_out(payment_for_header(&message.bytes).into_bytes()));
        Ok(())
    })
}

/// The type of a message, such as "Payment".
///
/// text_out, text_len_out: the text, valid until the message is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_message_type(
    message: *const micromint_message,
    text_out: *mut *const u8,
    text_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(message = reference(message), place = lend(text_out, text_len_out));
        place.write(message.message_type.as_bytes());
        Ok(())
    })
}

/// The value of a header of a message.
///
/// name, name_len:         the header's name, case-insensitive, such as "User-ID".
/// text_out, text_len_out: the value, valid until the message is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_ABSENT if messages of this type have no such header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_message_header(
    message: *const micromint_message,
    name: *const u8,
    name_len: usize,
    text_out: *mut *const u8,
    text_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            message = reference(message),
            name = text(name, name_len),
            place = lend(text_out, text_len_out)
        );
        let found = message.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        let (_, value) = found.ok_or_else(|| {
            micromint_error::new(
                MICROMINT_ERROR_ABSENT,
                format!("there is no header {name} in {}", message.message_type),
            )
        })?;
        place.write(value.as_bytes());
        Ok(())
    })
}

/// The decoded data of a message; empty for a type without data.
///
/// data_out, data_len_out: the bytes, valid until the message is freed.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_message_data(
    message: *const micromint_message,
    data_out: *mut *const u8,
    data_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(message = reference(message), place = lend(data_out, data_len_out));
        place.write(&message.data);
        Ok(())
    })
}

/// Prints a message in its canonical form, with lines ending in CRLF.
///
/// bytes_out: a buffer with the text.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_message_print(
    message: *const micromint_message,
    bytes_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(message = reference(message), place = output(bytes_out));
        place.write(micromint_buffer::hand_out(message.bytes.clone()));
        Ok(())
    })
}

/// Frees a message. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_message_free(message: *mut micromint_message) {
    // SAFETY: a message reaches the caller only from hand_out, and is freed once.
    unsafe { free(message) }
}
