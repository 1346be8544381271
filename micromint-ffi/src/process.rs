//! Which process this is: notices a fork.
//!
//! A child that is forked inherits every object of its parent, but not the parent's threads, and it
//! shares the parent's open files. An object with files or threads must therefore serve only the
//! process that made it. The invariant: in another process nothing of such an object is read,
//! changed or dropped except what is known to be a plain value.
//!
//! A fork is noticed by one comparison: every process has a number, which a handler of
//! `pthread_atfork` changes in the child. That handler runs before `fork()` returns there, whoever
//! calls it. The number grows along a line of descent, and an object is only ever inherited along
//! such a line, so equal numbers mean the same process. (A process number of the system would be
//! reused, and costs a system call.) `vfork`, `posix_spawn` and `_Fork` run no handlers; after them
//! a child may only call `exec`.

use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::micromint_status::MICROMINT_ERROR_STATE;
use crate::error::{FfiResult, micromint_error};

unsafe extern "C" {
    fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> c_int;
}

/// The number of this process.
static PROCESS: AtomicU64 = AtomicU64::new(1);
/// Whether forks are noticed.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// Runs in a child, before `fork()` returns there.
unsafe extern "C" fn forked() {
    // The child has one thread, and no lock is taken.
    PROCESS.fetch_add(1, Ordering::Relaxed);
}

/// The number of this process. Call [`watch`] first.
pub(crate) fn current() -> u64 {
    PROCESS.load(Ordering::Relaxed)
}

/// Notices forks from now on.
///
/// # Errors
/// The system has no memory for the handler.
pub(crate) fn watch() -> FfiResult<()> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler is a function of this library, and the C library removes it if the
        // library is unloaded.
        let failed = unsafe { pthread_atfork(None, None, Some(forked)) };
        IS_WATCHED.store(failed == 0, Ordering::Release);
    });
    if IS_WATCHED.load(Ordering::Acquire) {
        return Ok(());
    }
    let text = "cannot notice forks: pthread_atfork failed, so nothing was opened";
    Err(micromint_error::new(MICROMINT_ERROR_STATE, text))
}

/// A value of the process that made it. Another process neither uses nor drops it.
pub(crate) struct OfProcess<T> {
    value: ManuallyDrop<T>,
    process: u64,
}

impl<T> OfProcess<T> {
    /// # Errors
    /// Forks cannot be noticed.
    pub(crate) fn new(value: T) -> FfiResult<OfProcess<T>> {
        watch()?;
        Ok(OfProcess::watched(value))
    }

    /// A value made from one whose forks are noticed already.
    pub(crate) fn watched(value: T) -> OfProcess<T> {
        OfProcess { value: ManuallyDrop::new(value), process: current() }
    }

    /// The value; `None` in another process.
    pub(crate) fn here(&self) -> Option<&T> {
        (self.process == current()).then_some(&self.value)
    }

    /// The value of the object that is called `name`.
    ///
    /// # Errors
    /// This is another process.
    pub(crate) fn get(&self, name: &str) -> FfiResult<&T> {
        self.here().ok_or_else(|| other_process(name))
    }

    /// As [`OfProcess::get`].
    ///
    /// # Errors
    /// This is another process.
    pub(crate) fn get_mut(&mut self, name: &str) -> FfiResult<&mut T> {
        if self.process == current() { Ok(&mut self.value) } else { Err(other_process(name)) }
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        // In another process it may be half changed by a thread that does not exist there, and its
        // destructor may wait for such a thread. The memory stays until the process ends.
        if self.process == current() {
            // SAFETY: the value is dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}

/// A handle that serves only the process that opened it.
pub(crate) trait Handle {
    /// What is open.
    type Open;

    /// What is open, with its process.
    fn opened(&self) -> &OfProcess<Self::Open>;

    /// As [`Handle::opened`].
    fn opened_mut(&mut self) -> &mut OfProcess<Self::Open>;
}

fn other_process(name: &str) -> micromint_error {
    let text = format!(
        "{name}: was opened in another process; open it after fork(), in the process that uses it"
    );
    micromint_error::new(MICROMINT_ERROR_STATE, text)
}
