//! What a program may use instead of the machine's clock and randomness, and where its log lines
//! go.

use std::error::Error;
use std::ffi::c_void;
use std::{fmt, io};

use micromint_core::host::{Clock, Entropy, SystemClock, SystemEntropy};
use micromint_core::time::UnixTime;

use crate::boundary::{free, hand_out};
use crate::error::FfiResult;

/// How serious a line of the log is. A program that does not know a number treats it as
/// MICROMINT_LOG_INFO.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_log_level {
    /// Something failed that a person must repair.
    MICROMINT_LOG_ERROR = 1,
    /// Something will fail, or is unwise.
    MICROMINT_LOG_WARNING = 2,
    /// A client sent something that was refused.
    MICROMINT_LOG_INFO = 3,
    // Last added: 3.
}

/// Returns the time: seconds since 1970-01-01 00:00 UTC.
pub type micromint_now = Option<unsafe extern "C" fn(userdata: *mut c_void) -> i64>;

/// Fills `bytes` with `len` unpredictable bytes and returns 0; another number if it cannot.
pub type micromint_random =
    Option<unsafe extern "C" fn(userdata: *mut c_void, bytes: *mut u8, len: usize) -> i32>;

/// Takes a line for the log: UTF-8 without a final NUL or line end, valid during the call. It never
/// contains a key or an authenticator.
pub type micromint_log = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        level: micromint_log_level,
        text: *const u8,
        len: usize,
    ),
>;

/// A clock, a source of randomness and a log, for the functions that take it. Free it with
/// `micromint_host_free()`, as soon as no function is to be given it any more: they copy it. One
/// thread at a time while it is filled; any number of threads may pass it to functions that take it
/// `const`. It may be used across a fork.
///
/// The callbacks may be called from every thread that calls a function of the object made with it,
/// from several at the same time, until the object is freed. They must return (no longjmp, no
/// exception) and must not call functions with the same object.
#[derive(Clone, Copy)]
pub struct micromint_host {
    now: (micromint_now, *mut c_void),
    random: (micromint_random, *mut c_void),
    log: (micromint_log, *mut c_void),
}

// SAFETY: the library only passes `userdata` to the callbacks, and the caller promises that these
// may be called from any thread, and from several at the same time.
unsafe impl Send for micromint_host {}
// SAFETY: as above.
unsafe impl Sync for micromint_host {}

/// Makes a host with the system's clock and randomness and without a log.
#[unsafe(no_mangle)]
pub extern "C" fn micromint_host_new() -> *mut micromint_host {
    hand_out(micromint_host::SYSTEM)
}

/// Sets the clock.
///
/// now:      NULL for the system's.
/// userdata: passed to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_host_set_now(
    host: *mut micromint_host,
    now: micromint_now,
    userdata: *mut c_void,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    if let Some(it) = unsafe { host.as_mut() } {
        it.now = (now, userdata);
    }
}

/// Sets the source of randomness.
///
/// random:   NULL for the system's.
/// userdata: passed to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_host_set_random(
    host: *mut micromint_host,
    random: micromint_random,
    userdata: *mut c_void,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    if let Some(it) = unsafe { host.as_mut() } {
        it.random = (random, userdata);
    }
}

/// Sets the log.
///
/// log:      NULL to drop the lines: the library writes nowhere else.
/// userdata: passed to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_host_set_log(
    host: *mut micromint_host,
    log: micromint_log,
    userdata: *mut c_void,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    if let Some(it) = unsafe { host.as_mut() } {
        it.log = (log, userdata);
    }
}

/// Frees a host. NULL is allowed. Objects that were made with it keep its callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_host_free(host: *mut micromint_host) {
    // SAFETY: a host reaches the caller only from hand_out, and is freed once.
    unsafe { free(host) }
}

/// The callback `random` returned this number instead of 0.
#[derive(Debug)]
pub(crate) struct CallbackFailed(i32);

impl CallbackFailed {
    /// Whether this is the cause of an error, in which the core wraps it.
    pub(crate) fn is_in(error: &(dyn Error + 'static)) -> bool {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.is_some_and(|inner| inner.is::<CallbackFailed>())
    }
}

impl fmt::Display for CallbackFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the callback `random` returned {}", self.0)
    }
}

impl Error for CallbackFailed {}

/// A copy of what the caller provides; the system's clock and randomness for NULL.
///
/// # Safety
/// `host` is NULL or points to a host.
pub(crate) unsafe fn host_of(
    host: *const micromint_host,
    _name: &str,
) -> FfiResult<micromint_host> {
    // SAFETY: the caller guarantees it.
    Ok(unsafe { host.as_ref() }.copied().unwrap_or(micromint_host::SYSTEM))
}

impl micromint_host {
    const SYSTEM: micromint_host = micromint_host {
        now: (None, std::ptr::null_mut()),
        random: (None, std::ptr::null_mut()),
        log: (None, std::ptr::null_mut()),
    };

    /// Passes a line to the caller's log.
    pub(crate) fn write_log(&self, level: micromint_log_level, text: &str) {
        if let (Some(log), userdata) = self.log {
            // SAFETY: the caller's callback, with its userdata; the text lives during the call.
            unsafe { log(userdata, level, text.as_ptr(), text.len()) }
        }
    }
}

impl Clock for micromint_host {
    fn now(&self) -> UnixTime {
        match self.now {
            // SAFETY: the caller's callback, with its userdata.
            (Some(now), userdata) => UnixTime(unsafe { now(userdata) }),
            (None, _) => SystemClock.now(),
        }
    }
}

impl Entropy for micromint_host {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        let (Some(random), userdata) = self.random else { return SystemEntropy.fill(bytes) };
        // SAFETY: the caller's callback, with its userdata and a place for the stated number of
        // bytes.
        match unsafe { random(userdata, bytes.as_mut_ptr(), bytes.len()) } {
            0 => Ok(()),
            number => Err(io::Error::other(CallbackFailed(number))),
        }
    }
}
