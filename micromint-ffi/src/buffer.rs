//! Bytes that the library made and the caller reads.

use crate::boundary::{address, free, hand_out};

/// Bytes made by the library, such as a printed message. Free it with `micromint_buffer_free()`. It
/// is immutable: threads may share it, and it may be used across a fork.
pub struct micromint_buffer {
    bytes: Vec<u8>,
}

impl micromint_buffer {
    pub(crate) fn hand_out(bytes: Vec<u8>) -> *mut micromint_buffer {
        hand_out(micromint_buffer { bytes })
    }
}

/// A buffer with one item per line.
pub(crate) fn lines(items: impl Iterator<Item: std::fmt::Display>) -> *mut micromint_buffer {
    let text: String = items.map(|item| format!("{item}\n")).collect();
    micromint_buffer::hand_out(text.into_bytes())
}

/// The bytes of a buffer; they are valid until it is freed. NULL gives NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_buffer_data(buffer: *const micromint_buffer) -> *const u8 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { buffer.as_ref() }.map_or(std::ptr::null(), |buffer| address(&buffer.bytes))
}

/// The number of bytes in a buffer. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_buffer_len(buffer: *const micromint_buffer) -> usize {
    // SAFETY: as in micromint_buffer_data.
    unsafe { buffer.as_ref() }.map_or(0, |buffer| buffer.bytes.len())
}

/// Frees a buffer. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_buffer_free(buffer: *mut micromint_buffer) {
    // SAFETY: a buffer reaches the caller only from hand_out, and is freed once.
    unsafe { free(buffer) }
}
