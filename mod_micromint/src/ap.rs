//! The boundary to Apache, and the only `unsafe` code of the module.
//!
//! Apache calls the functions in `tables`, `hooks` and `filters`. They wrap its pointers in the
//! types of this folder, which hold raw pointers into Apache's memory and never references. The
//! contents of a request's tables are in the request's pool: nothing there is freed before the
//! request is over, whatever is changed meanwhile, so bytes that are lent live as long as the
//! callback. One thread at a time works on a request.

/// What bindgen generated from the headers of Apache and APR.
#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks, reason = "made by bindgen")]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

mod config;
mod counters;
mod facts;
mod filters;
mod hooks;
mod request;
mod table;
mod tables;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use micromint::error::panic_text;

use bindings::{
    APLOG_ALERT, APLOG_CRIT, APLOG_EMERG, APLOG_ERR, APLOG_INFO, APLOG_NOTICE, APLOG_WARNING,
    ap_log_error_, ap_log_rerror_, apr_palloc, apr_pool_cleanup_null, apr_pool_cleanup_register,
    apr_pool_t, apr_pstrmemdup, apr_status_t, request_rec, server_rec,
};

pub(crate) use config::{ConfigPlace, Expression, Parent, Text};
pub(crate) use counters::counters;
pub(crate) use hooks::Grant;
pub(crate) use request::{Body, Login, Request};

/// What a hook returns to Apache: one of the constants below or an HTTP status.
pub(crate) type Code = c_int;
/// Done, continue.
pub(crate) const OK: Code = 0;
/// The hook has no opinion.
pub(crate) const DECLINED: Code = -1;

/// The severity of a line in the error log.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    /// The server cannot start.
    Emergency,
    /// Something that needs the webmaster's immediate attention.
    Alert,
    /// Something that should not be possible.
    Critical,
    /// A request failed.
    Error,
    /// The webmaster should know.
    Warn,
    /// Something that the webmaster asked to be logged.
    Notice,
    /// Something that a client caused.
    Info,
}

/// An error log of Apache, of a request or of a server.
#[derive(Clone, Copy)]
pub(crate) enum Log {
    Request(*mut request_rec),
    Server(*const server_rec),
}

impl Log {
    /// Writes one line.
    pub(crate) fn write(self, level: Level, text: &str) {
        let level = match level {
            Level::Emergency => APLOG_EMERG,
            Level::Alert => APLOG_ALERT,
            Level::Critical => APLOG_CRIT,
            Level::Error => APLOG_ERR,
            Level::Warn => APLOG_WARNING,
            Level::Notice => APLOG_NOTICE,
            Level::Info => APLOG_INFO,
        } as c_int;
        let (format, file) = (c"%.*s".as_ptr(), c"mod_micromint".as_ptr());
        let (len, data) = (c_int::try_from(text.len()).unwrap_or(c_int::MAX), text.as_ptr());
        let index = tables::module_index();
        // SAFETY: a Log is made from a live request or server and does not outlive the callback
        // that made it; `%.*s` takes a length and a pointer, both of `text`. A null server means
        // the main error log.
        unsafe {
            match self {
                Log::Request(r) => ap_log_rerror_(file, 0, index, level, 0, r, format, len, data),
                Log::Server(s) => ap_log_error_(file, 0, index, level, 0, s, format, len, data),
            }
        }
    }
}

/// Runs the body of a callback. A panic ends here: it must not cross into C.
fn guard<T>(log: Log, on_panic: T, callback: impl FnOnce() -> T) -> T {
    // A panic leaves at most the state of one request half changed, and that request ends with a
    // 500.
    match catch_unwind(AssertUnwindSafe(callback)) {
        Ok(value) => value,
        Err(panic) => {
            log.write(Level::Critical, &format!("panic: {}", panic_text(&*panic)));
            on_panic
        }
    }
}

/// Reads freed memory, to prove that scripts/asan-apache.sh would detect it if the module did so.
#[cfg(feature = "test-panic")]
#[inline(never)]
pub(crate) fn read_freed_memory() -> u8 {
    let place = Box::into_raw(Box::new(7_u8));
    // SAFETY: none. This is the fault that must be detected. Only the build for the tests has it.
    unsafe {
        drop(Box::from_raw(place));
        std::hint::black_box(place).read_volatile()
    }
}

/// The bytes of a C string, empty for a null pointer.
///
/// # Safety
/// The string must be null or end with a zero byte, and stay unchanged for as long as the caller
/// uses the result.
unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: the caller guarantees it.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}

/// A copy of bytes with a zero byte at its end. Apache ends the process when out of memory.
///
/// # Safety
/// `pool` must be a live pool. The copy lives as long as the pool.
unsafe fn copy_into(pool: *mut apr_pool_t, text: &[u8]) -> *mut c_char {
    // SAFETY: the pool is live; `text` has as many bytes as it says.
    unsafe { apr_pstrmemdup(pool, text.as_ptr().cast(), text.len()) }
}

/// Stores a plain value in a pool. Nothing is dropped.
///
/// # Safety
/// `pool` must be a live pool. The value lives as long as the pool.
unsafe fn place_in<T: Copy>(pool: *mut apr_pool_t, value: T) -> *mut T {
    const { assert!(align_of::<T>() <= 8, "APR aligns to eight bytes") };
    // SAFETY: a pool gives memory of this size, aligned to eight bytes.
    unsafe {
        let place: *mut T = apr_palloc(pool, size_of::<T>()).cast();
        place.write(value);
        place
    }
}

/// Keeps `value` until the pool is cleared, which drops it.
///
/// # Safety
/// `pool` must be a live pool.
unsafe fn keep_in<T>(pool: *mut apr_pool_t, value: T) -> *mut T {
    unsafe extern "C" fn release<T>(data: *mut c_void) -> apr_status_t {
        // SAFETY: `data` is the box made below, and a pool runs each cleanup once.
        let value = unsafe { Box::from_raw(data.cast::<T>()) };
        let _ = catch_unwind(AssertUnwindSafe(move || drop(value)));
        0
    }
    let value = Box::into_raw(Box::new(value));
    // SAFETY: the pool is live; a program that is started from here needs no cleanup of ours.
    unsafe {
        apr_pool_cleanup_register(
            pool,
            value.cast(),
            Some(release::<T>),
            Some(apr_pool_cleanup_null),
        )
    };
    value
}
