//! How a function reports that it could not do what was asked.

use std::error::Error;
use std::ffi::{CStr, c_char};

use micromint_core::error::chain;

use crate::boundary::address;
use crate::host::CallbackFailed;

/// The result of a function. Numbers are never reused; a retired number stays reserved.
///
/// A refusal (a coin is spent, a payment is too small) is an answer and has its own numbers. These
/// numbers say that no answer could be given.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_status {
    /// Done; the outputs are written.
    MICROMINT_OK = 0,
    /// A pointer that must not be NULL is NULL.
    MICROMINT_ERROR_NULL = 1,
    /// A fault in the library: it panicked. The objects of the call must now only be freed.
    MICROMINT_ERROR_PANIC = 2,
    /// A text is not UTF-8.
    MICROMINT_ERROR_TEXT = 3,
    /// A number, name, time or URL is invalid.
    MICROMINT_ERROR_ARGUMENT = 4,
    /// Parameters of a period are missing, unreadable or inconsistent.
    MICROMINT_ERROR_PARAMS = 5,
    /// A message cannot be parsed.
    MICROMINT_ERROR_MESSAGE = 6,
    /// A file cannot be read or written, or is damaged.
    MICROMINT_ERROR_FILE = 7,
    /// A configuration is missing, unreadable or inconsistent.
    MICROMINT_ERROR_CONFIG = 8,
    /// There is no such header, place or name.
    MICROMINT_ERROR_ABSENT = 9,
    /// Refused in the current state of the object: sold out, not complete, too early, too late, or
    /// opened in another process.
    MICROMINT_ERROR_STATE = 10,
    /// Stopped on request of a callback of the caller.
    MICROMINT_ERROR_STOPPED = 11,
    /// A callback of the caller failed: `random` returned a number that is not 0.
    MICROMINT_ERROR_CALLBACK = 12,
    // Last added: 12.
}

/// What went wrong: a status, and a text that says what was expected, what was found and where.
///
/// Made by functions that take a `micromint_error **`; free it with `micromint_error_free()`. It is
/// immutable: threads may share it, and it may be used across a fork.
#[derive(Clone)]
pub struct micromint_error {
    status: micromint_status,
    message: String,
}

impl micromint_error {
    pub(crate) fn new(status: micromint_status, message: impl Into<String>) -> micromint_error {
        micromint_error { status, message: message.into() }
    }

    /// An error of the core: its text and the texts of its causes. If a callback caused it, its
    /// status says so.
    pub(crate) fn of(status: micromint_status, error: &(dyn Error + 'static)) -> micromint_error {
        let is_callback = causes(error).any(CallbackFailed::is_in);
        let status = if is_callback { micromint_status::MICROMINT_ERROR_CALLBACK } else { status };
        micromint_error { status, message: chain(error) }
    }

    pub(crate) fn status(&self) -> micromint_status {
        self.status
    }
}

/// An error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}

/// The result inside the library: the value, or the error for the caller.
pub(crate) type FfiResult<T> = Result<T, micromint_error>;

/// Maps an error of the core: `core_call().map_err(failed(MICROMINT_ERROR_FILE))?`.
pub(crate) fn failed<E: Error + 'static>(
    status: micromint_status,
) -> impl Fn(E) -> micromint_error {
    move |error| micromint_error::of(status, &error)
}

/// All statuses and their names, in the order of their numbers.
const NAMES: [(micromint_status, &CStr); 13] = [
    (micromint_status::MICROMINT_OK, c"MICROMINT_OK"),
    (micromint_status::MICROMINT_ERROR_NULL, c"MICROMINT_ERROR_NULL"),
    (micromint_status::MICROMINT_ERROR_PANIC, c"MICROMINT_ERROR_PANIC"),
    (micromint_status::MICROMINT_ERROR_TEXT, c"MICROMINT_ERROR_TEXT"),
    (micromint_status::MICROMINT_ERROR_ARGUMENT, c"MICROMINT_ERROR_ARGUMENT"),
    (micromint_status::MICROMINT_ERROR_PARAMS, c"MICROMINT_ERROR_PARAMS"),
    (micromint_status::MICROMINT_ERROR_MESSAGE, c"MICROMINT_ERROR_MESSAGE"),
    (micromint_status::MICROMINT_ERROR_FILE, c"MICROMINT_ERROR_FILE"),
    (micromint_status::MICROMINT_ERROR_CONFIG, c"MICROMINT_ERROR_CONFIG"),
    (micromint_status::MICROMINT_ERROR_ABSENT, c"MICROMINT_ERROR_ABSENT"),
    (micromint_status::MICROMINT_ERROR_STATE, c"MICROMINT_ERROR_STATE"),
    (micromint_status::MICROMINT_ERROR_STOPPED, c"MICROMINT_ERROR_STOPPED"),
    (micromint_status::MICROMINT_ERROR_CALLBACK, c"MICROMINT_ERROR_CALLBACK"),
];

/// The name of a status, such as "MICROMINT_ERROR_FILE". Static and NUL-terminated: never freed.
///
/// status: a status; NULL is returned for a number that this library does not have.
#[unsafe(no_mangle)]
pub extern "C" fn micromint_status_name(status: u32) -> *const c_char {
    let named = NAMES.iter().find(|(its, _)| *its as u32 == status);
    named.map_or(std::ptr::null(), |(_, name)| name.as_ptr())
}

/// The status of an error.
///
/// error: NULL gives MICROMINT_OK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_error_status(error: *const micromint_error) -> micromint_status {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { error.as_ref() }.map_or(micromint_status::MICROMINT_OK, |error| error.status)
}

/// The text of an error, UTF-8, without a final NUL.
///
/// error:        NULL gives an empty text.
/// text_out:     points into the error and is valid until it is freed; NULL is ignored.
/// text_len_out: its length in bytes; NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_error_message(
    error: *const micromint_error,
    text_out: *mut *const u8,
    text_len_out: *mut usize,
) {
    // SAFETY: as in micromint_error_status.
    let message = unsafe { error.as_ref() }.map_or("", |error| error.message.as_str());
    if !text_out.is_null() {
        // SAFETY: the caller passes NULL or a place to write to (c-conventions, "Outputs").
        unsafe { text_out.write(address(message.as_bytes())) }
    }
    if !text_len_out.is_null() {
        // SAFETY: as above.
        unsafe { text_len_out.write(message.len()) }
    }
}

/// Frees an error. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_error_free(error: *mut micromint_error) {
    if !error.is_null() {
        // SAFETY: an error reaches the caller from Box::into_raw only, and is freed once.
        drop(unsafe { Box::from_raw(error) });
    }
}
