//! The boundary to nginx, and the only `unsafe` code of the module.
//!
//! nginx calls the functions in `tables`. They wrap its pointers in the types of this folder, which
//! hold raw pointers into nginx's memory and never references: a handler may run another handler
//! for the same request before it returns, so no exclusive reference would be sound. A worker runs
//! everything here on one thread, except the closures given to [`threads`], which own their data.

mod config;
mod counters;
mod event_log;
mod facts;
mod files;
mod headers;
mod request;
mod tables;
mod threads;
pub(crate) mod wakeup;

use std::panic::{AssertUnwindSafe, catch_unwind};

use micromint::error::panic_text;
use nginx_sys::{
    NGX_LOG_ALERT, NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_NOTICE, NGX_LOG_WARN, ngx_log_error_core,
    ngx_log_t, ngx_palloc, ngx_pool_cleanup_add, ngx_pool_t, ngx_str_t, ngx_uint_t,
};

pub(crate) use config::{ComplexValue, ConfigPlace, Worker, gauges};
pub(crate) use event_log::{LogFile, iso_8601_now};
pub(crate) use facts::StaticFile;
pub(crate) use request::Request;
pub(crate) use threads::{ThreadPool, detach, offload};

/// What a handler returns to nginx: one of the constants below or an HTTP status.
pub(crate) type Code = isize;
/// Done. In the access phase: access is granted.
pub(crate) const OK: Code = 0;
/// Something failed. nginx ends the request.
pub(crate) const ERROR: Code = -1;
/// The handler waits and will be called again.
pub(crate) const AGAIN: Code = -2;
/// The handler has taken over the request.
pub(crate) const DONE: Code = -4;
/// The handler has no opinion.
pub(crate) const DECLINED: Code = -5;

/// The severity of a line in the error log.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    /// Something that should not be possible.
    Alert,
    /// A request failed.
    Error,
    /// The webmaster should know.
    Warn,
    /// Something that the webmaster asked to be logged.
    Notice,
    /// Something that a client caused.
    Info,
}

/// An error log of nginx: of a request, of the cycle, or of the configuration that is being read.
#[derive(Clone, Copy)]
pub(crate) struct Log(*mut ngx_log_t);

impl Log {
    /// Writes one line, marked as this module's.
    pub(crate) fn write(self, level: Level, text: &str) {
        self.write_plain(level, &format!("micromint: {text}"));
    }

    /// Writes one line as it is.
    pub(crate) fn write_plain(self, level: Level, text: &str) {
        let level = match level {
            Level::Alert => NGX_LOG_ALERT,
            Level::Error => NGX_LOG_ERR,
            Level::Warn => NGX_LOG_WARN,
            Level::Notice => NGX_LOG_NOTICE,
            Level::Info => NGX_LOG_INFO,
        };
        // SAFETY: a Log is made from a log pointer of a live request, cycle or configuration and
        // does not outlive the callback that made it; `%*s` takes a length and a pointer, both of
        // `text`.
        unsafe {
            if (*self.0).log_level >= level as ngx_uint_t {
                let (len, data) = (text.len(), text.as_ptr());
                ngx_log_error_core(level as ngx_uint_t, self.0, 0, c"%*s".as_ptr(), len, data);
            }
        }
    }
}

/// Runs the body of a callback. A panic ends here: it must not cross into C.
fn guard<T>(log: *mut ngx_log_t, on_panic: T, callback: impl FnOnce() -> T) -> T {
    // A panic leaves at most the state of one request half changed, and that request ends with a
    // 500.
    match catch_unwind(AssertUnwindSafe(callback)) {
        Ok(value) => value,
        Err(panic) => {
            Log(log).write(Level::Alert, &format!("panic: {}", panic_text(&*panic)));
            on_panic
        }
    }
}

/// The bytes of an nginx string.
///
/// # Safety
/// The string must be valid for as long as the caller uses the result.
unsafe fn bytes<'a>(text: ngx_str_t) -> &'a [u8] {
    if text.len == 0 || text.data.is_null() {
        return &[];
    }
    // SAFETY: nginx strings hold `len` readable bytes at `data`; the caller guarantees their
    // lifetime.
    unsafe { std::slice::from_raw_parts(text.data, text.len) }
}

/// Copies bytes into a pool; `None` when out of memory.
///
/// # Safety
/// `pool` must be a live pool. The copy lives as long as the pool.
unsafe fn copy_into(pool: *mut ngx_pool_t, bytes: &[u8]) -> Option<ngx_str_t> {
    // SAFETY: the pool is live; a non-null result has room for the requested size, at least one
    // byte.
    unsafe {
        let data: *mut u8 = ngx_palloc(pool, bytes.len().max(1)).cast();
        if data.is_null() {
            return None;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
        Some(ngx_str_t { len: bytes.len(), data })
    }
}

/// Keeps `value` until the pool is destroyed, which drops it; null when out of memory.
///
/// # Safety
/// `pool` must be a live pool.
unsafe fn keep_in<T>(pool: *mut ngx_pool_t, value: T) -> *mut T {
    unsafe extern "C" fn release<T>(data: *mut std::ffi::c_void) {
        // SAFETY: `data` is the box made below, and a pool runs each cleanup once.
        let value = unsafe { Box::from_raw(data.cast::<T>()) };
        let _ = catch_unwind(AssertUnwindSafe(move || drop(value)));
    }
    // SAFETY: the pool is live; the cleanup is filled in before anything else can run.
    unsafe {
        let cleanup = ngx_pool_cleanup_add(pool, 0);
        if cleanup.is_null() {
            return std::ptr::null_mut();
        }
        let value = Box::into_raw(Box::new(value));
        (*cleanup).data = value.cast();
        (*cleanup).handler = Some(release::<T>);
        value
    }
}
