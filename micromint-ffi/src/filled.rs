//! Objects that the caller fills piece by piece: requests, header fields, options.
//!
//! What comes in are texts and numbers, what goes out is an object in the core's form. The
//! invariant: an invalid value is never used. A setter has no result; the first invalid value since
//! the object was made or cleared is kept, and every function that the object is passed to reports
//! it.

use crate::boundary::{caught, reference};
use crate::error::micromint_status::MICROMINT_ERROR_ARGUMENT;
use crate::error::{FfiResult, micromint_error};

/// The first invalid value that an object was given.
pub(crate) type Fault = Option<micromint_error>;

/// An object that setters fill.
pub(crate) trait Filled {
    /// The first invalid value.
    fn fault(&self) -> &Fault;

    /// As [`Filled::fault`].
    fn fault_mut(&mut self) -> &mut Fault;
}

/// Runs the body of a setter. NULL is ignored: the function that uses the object reports it.
///
/// # Safety
/// `object` is NULL or points to a live object that nothing else uses during the call.
pub(crate) unsafe fn fill<T: Filled>(object: *mut T, body: impl FnOnce(&mut T) -> FfiResult<()>) {
    // SAFETY: the caller guarantees it.
    let Some(it) = (unsafe { object.as_mut() }) else { return };
    if let Err(error) = caught(|| body(it)) {
        it.fault_mut().get_or_insert(error);
    }
}

/// An object whose values are all valid.
///
/// # Safety
/// `pointer` is NULL or points to a live object that nothing changes during the call.
pub(crate) unsafe fn filled<'a, T: Filled>(pointer: *const T, name: &str) -> FfiResult<&'a T> {
    // SAFETY: the caller guarantees it.
    let it = unsafe { reference(pointer, name) }?;
    match it.fault() {
        Some(error) => Err(error.clone()),
        None => Ok(it),
    }
}

/// A number of 0 to `max`, which is in the range of `T`. Setters take numbers of 64 bits, so that
/// no language turns an amount that is too large into a small one.
pub(crate) fn at_most<T: TryFrom<i64>>(value: i64, max: i64, name: &str) -> FfiResult<T> {
    let small = T::try_from(value).ok().filter(|_| (0..=max).contains(&value));
    small.ok_or_else(|| {
        let text = format!("{name}: expected a number of 0 to {max}, found {value}");
        micromint_error::new(MICROMINT_ERROR_ARGUMENT, text)
    })
}

/// More memory than this is given back when bytes are cleared.
const KEPT_MAX: usize = 64 * 1024;

/// Empties bytes, for the next use.
pub(crate) fn empty(bytes: &mut Vec<u8>) {
    if bytes.capacity() > KEPT_MAX {
        *bytes = Vec::new();
    }
    bytes.clear();
}

/// Bytes that may be absent.
#[derive(Default)]
pub(crate) struct OptionalBytes {
    bytes: Vec<u8>,
    is_set: bool,
}

impl OptionalBytes {
    pub(crate) fn set(&mut self, bytes: &[u8]) {
        self.clear();
        self.bytes.extend_from_slice(bytes);
        self.is_set = true;
    }

    pub(crate) fn clear(&mut self) {
        empty(&mut self.bytes);
        self.is_set = false;
    }

    pub(crate) fn get(&self) -> Option<&[u8]> {
        self.is_set.then_some(self.bytes.as_slice())
    }
}
