//! What a program may use instead of the machine's clock and randomness, and where its log lines
//! go.

use std::error::Error;
use std::ffi::c_void;
use std::{fmt, io};

use micromint_core::host::{Clock, Entropy, SystemClock, SystemEntropy};
use micromint_core::time::UnixTime;

use crate::error::{Answer, micromint_error, micromint_status};
use micromint_status::MICROMINT_ERROR_ARGUMENT;

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

/// What the caller provides. For a callback that is NULL the system is used; for NULL instead of
/// the struct the system is used for everything. Set what you do not use to 0:
/// `micromint_host host = {0};`.
///
/// The callbacks may be called from every thread that calls a function of the object made with it,
/// from several at the same time, until the object is freed. They must return (no longjmp, no
/// exception) and must not call functions with the same object. The struct itself is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_host {
    /// Passed to every callback.
    pub userdata: *mut c_void,
    /// The time: seconds since 1970-01-01 00:00 UTC.
    pub now: Option<unsafe extern "C" fn(userdata: *mut c_void) -> i64>,
    /// Fills `bytes` with `len` unpredictable bytes and returns 0; another number if it cannot.
    pub random:
        Option<unsafe extern "C" fn(userdata: *mut c_void, bytes: *mut u8, len: usize) -> i32>,
    /// Takes a line for the error log: UTF-8 without a final NUL or line end, valid during the
    /// call. It never contains a key or an authenticator. If NULL, lines are dropped: the library
    /// writes nowhere else.
    pub log: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            level: micromint_log_level,
            text: *const u8,
            len: usize,
        ),
    >,
    /// NULL.
    pub reserved: *const c_void,
}

// SAFETY: the library only passes `userdata` to the callbacks, and the caller promises that these
// may be called from any thread, and from several at the same time.
unsafe impl Send for micromint_host {}
// SAFETY: as above.
unsafe impl Sync for micromint_host {}

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

/// A copy of what the caller provides.
///
/// # Safety
/// `host` is NULL or points to a host.
pub(crate) unsafe fn host_of(host: *const micromint_host, name: &str) -> Answer<micromint_host> {
    // SAFETY: the caller guarantees it.
    let host = unsafe { host.as_ref() }.copied().unwrap_or(micromint_host::SYSTEM);
    refuse_reserved(host.reserved, name)?;
    Ok(host)
}

impl micromint_host {
    const SYSTEM: micromint_host = micromint_host {
        userdata: std::ptr::null_mut(),
        now: None,
        random: None,
        log: None,
        reserved: std::ptr::null(),
    };

    /// Passes a line to the caller's log.
    pub(crate) fn write_log(&self, level: micromint_log_level, text: &str) {
        if let Some(log) = self.log {
            // SAFETY: the caller's callback, with its userdata; the text lives during the call.
            unsafe { log(self.userdata, level, text.as_ptr(), text.len()) }
        }
    }
}

impl Clock for micromint_host {
    fn now(&self) -> UnixTime {
        match self.now {
            // SAFETY: the caller's callback, with its userdata.
            Some(now) => UnixTime(unsafe { now(self.userdata) }),
            None => SystemClock.now(),
        }
    }
}

impl Entropy for micromint_host {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        let Some(random) = self.random else { return SystemEntropy.fill(bytes) };
        // SAFETY: the caller's callback, with its userdata and a place for the stated number of
        // bytes.
        match unsafe { random(self.userdata, bytes.as_mut_ptr(), bytes.len()) } {
            0 => Ok(()),
            number => Err(io::Error::other(CallbackFailed(number))),
        }
    }
}

/// A later version may give the reserved member a meaning, so an older library must not ignore it.
pub(crate) fn refuse_reserved(reserved: *const c_void, name: &str) -> Answer<()> {
    if reserved.is_null() {
        return Ok(());
    }
    let text = format!("{name}.reserved: expected NULL; clear the struct before you fill it");
    Err(micromint_error::new(MICROMINT_ERROR_ARGUMENT, text))
}
