//! The boundary: what every exported function does with its pointers, its result and a panic.
//!
//! Raw pointers come in, references that live as long as the call come out. The invariant: no panic
//! leaves a function, and an output is written only if the status is MICROMINT_OK.

use std::error::Error;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use micromint_core::error::{FileError, panic_text};
use micromint_core::host::DiskDirectory;

use crate::error::{FfiResult, failed, micromint_error, micromint_status};
use crate::process::Handle;
use micromint_status::MICROMINT_ERROR_FILE;

/// Runs the body of an exported function: catches panics, stores the error, returns the status.
pub(crate) fn guard(
    error_out: *mut *mut micromint_error,
    body: impl FnOnce() -> FfiResult<()>,
) -> micromint_status {
    let answer = caught(body);
    match answer {
        Ok(()) => micromint_status::MICROMINT_OK,
        Err(error) => {
            let status = error.status();
            if !error_out.is_null() {
                // SAFETY: the caller passes NULL or a place for the error (c-conventions,
                // "Errors"). It may be uninitialised: it is written to and not read.
                unsafe { error_out.write(hand_out(error)) }
            }
            status
        }
    }
}

/// Runs a body, and turns a panic into an error.
pub(crate) fn caught<T>(body: impl FnOnce() -> FfiResult<T>) -> FfiResult<T> {
    #[cfg(not(feature = "exported"))]
    crate::panics::keep();
    // A panic may leave an object half changed. The conventions say that it must then only be
    // freed, so no later call uses it. AssertUnwindSafe asserts this.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let words = panic_text(&*panic);
        Err(micromint_error::new(
            micromint_status::MICROMINT_ERROR_PANIC,
            format!("internal error (panic) in the library: {words}{}", crate::panics::place()),
        ))
    })
}

/// Checks the pointers of an exported function in order and binds the results to names. The first
/// invalid one ends the function: `given!(user = text(user, user_len), place = output(sets_out));`
macro_rules! given {
    ($($name:ident = $check:ident($pointer:ident $(, $more:ident)?)),+ $(,)?) => {$(
        // SAFETY: the pointers follow the conventions "NULL" and "Texts and bytes": each is NULL or
        // points to what the function's documentation says, for the length passed with it.
        let $name = unsafe { $check($pointer, $($more,)? stringify!($pointer)) }?;
    )+};
}
pub(crate) use given;

/// The error for a NULL pointer.
pub(crate) fn null(name: &str) -> micromint_error {
    micromint_error::new(micromint_status::MICROMINT_ERROR_NULL, format!("{name} is NULL"))
}

/// A reference to a handle, or to another object that the caller owns.
///
/// # Safety
/// `pointer` is NULL or points to a live `T` that nothing changes during the call.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, name: &str) -> FfiResult<&'a T> {
    // SAFETY: the caller guarantees it.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// A mutable reference to a handle.
///
/// # Safety
/// `pointer` is NULL or points to a live `T` that nothing else uses during the call.
pub(crate) unsafe fn reference_mut<'a, T>(pointer: *mut T, name: &str) -> FfiResult<&'a mut T> {
    // SAFETY: the caller guarantees it.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// What a handle of this process has open.
///
/// # Safety
/// As for [`reference`].
pub(crate) unsafe fn opened<'a, H: Handle + 'a>(
    pointer: *const H,
    name: &str,
) -> FfiResult<&'a H::Open> {
    // SAFETY: the caller guarantees it.
    unsafe { reference(pointer, name) }?.opened().get(name)
}

/// As [`opened`], to change it.
///
/// # Safety
/// As for [`reference_mut`].
pub(crate) unsafe fn opened_mut<'a, H: Handle + 'a>(
    pointer: *mut H,
    name: &str,
) -> FfiResult<&'a mut H::Open> {
    // SAFETY: the caller guarantees it.
    unsafe { reference_mut(pointer, name) }?.opened_mut().get_mut(name)
}

/// What a handle has open; `None` for NULL, and for a handle of another process.
///
/// # Safety
/// As for [`reference`].
pub(crate) unsafe fn here<'a, H: Handle + 'a>(pointer: *const H) -> Option<&'a H::Open> {
    // SAFETY: the caller guarantees it.
    unsafe { pointer.as_ref() }?.opened().here()
}

/// A slice of `len` items. NULL is allowed if `len` is 0.
///
/// # Safety
/// `pointer` is NULL or points to `len` initialised items that nothing changes during the call.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, len: usize, name: &str) -> FfiResult<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    if !pointer.is_aligned()
        || len.checked_mul(size_of::<T>()).is_none_or(|size| size > isize::MAX as usize)
    {
        let text = format!("{name}: expected an array, found {len} items at {pointer:p}");
        return Err(micromint_error::new(micromint_status::MICROMINT_ERROR_ARGUMENT, text));
    }
    // SAFETY: not NULL, aligned, of a valid size; the caller guarantees the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// A UTF-8 text of `len` bytes.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn text<'a>(pointer: *const u8, len: usize, name: &str) -> FfiResult<&'a str> {
    // SAFETY: the caller guarantees it.
    let bytes = unsafe { slice(pointer, len, name) }?;
    std::str::from_utf8(bytes).map_err(|error| {
        micromint_error::new(
            micromint_status::MICROMINT_ERROR_TEXT,
            format!("{name} is not UTF-8: {error}"),
        )
    })
}

/// A name, time or URL, given as `len` bytes.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn parsed<T: FromStr<Err: Error + 'static>>(
    pointer: *const u8,
    len: usize,
    name: &str,
) -> FfiResult<T> {
    // SAFETY: the caller guarantees it.
    parse(unsafe { text(pointer, len, name) }?)
}

/// The directory and the name of the file at a path of `len` bytes.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn file_at(
    pointer: *const u8,
    len: usize,
    name: &str,
) -> FfiResult<(DiskDirectory, String)> {
    // SAFETY: the caller guarantees it.
    let path = unsafe { path_at(pointer, len, name) }?;
    DiskDirectory::of_file(&path)
        .map_err(FileError::on("use", &path))
        .map_err(failed(MICROMINT_ERROR_FILE))
}

/// A path of `len` bytes. A relative one starts at the working directory of now, because objects
/// that were opened with it use it later too: a paywall opens its till again.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn path_at(pointer: *const u8, len: usize, name: &str) -> FfiResult<PathBuf> {
    // SAFETY: the caller guarantees it.
    let path = Path::new(OsStr::from_bytes(unsafe { slice(pointer, len, name) }?));
    // An empty path is refused by what uses it.
    Ok(std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()))
}

/// Parses a name, time or URL.
pub(crate) fn parse<T: FromStr<Err: Error + 'static>>(text: &str) -> FfiResult<T> {
    text.parse().map_err(failed(micromint_status::MICROMINT_ERROR_ARGUMENT))
}

/// A place for an output.
///
/// # Safety
/// `place` is NULL or writable.
pub(crate) unsafe fn output<'a, T>(place: *mut T, name: &str) -> FfiResult<Output<'a, T>> {
    if place.is_null() {
        return Err(null(name));
    }
    Ok(Output { place, life: std::marker::PhantomData })
}

/// A checked place for an output, which may be uninitialised memory.
pub(crate) struct Output<'a, T> {
    place: *mut T,
    life: std::marker::PhantomData<&'a mut T>,
}

impl<T> Output<'_, T> {
    /// Writes the output; the previous content is neither read nor dropped.
    pub(crate) fn write(self, value: T) {
        // SAFETY: `output` was given a writable place.
        unsafe { self.place.write(value) }
    }
}

/// A place for `N` bytes.
///
/// # Safety
/// `place` is NULL or has room for `N` bytes.
pub(crate) unsafe fn output_bytes<'a, const N: usize>(
    place: *mut u8,
    name: &str,
) -> FfiResult<Output<'a, [u8; N]>> {
    // SAFETY: the caller guarantees it; an array of bytes has the alignment of a byte.
    unsafe { output(place.cast(), name) }
}

/// A place for bytes that an object of the library lends: the parameters `NAME_out`, which is
/// `name`, and `NAME_len_out`.
///
/// # Safety
/// The places are NULL or writable.
pub(crate) unsafe fn lend<'a>(
    data_out: *mut *const u8,
    len_out: *mut usize,
    name: &str,
) -> FfiResult<Lending<'a>> {
    // SAFETY: the caller guarantees it.
    let data = unsafe { output(data_out, name) }?;
    if len_out.is_null() {
        return Err(null(&name.replace("_out", "_len_out")));
    }
    Ok(Lending { data, len: Output { place: len_out, life: std::marker::PhantomData } })
}

/// Checked places for a pointer and a length.
pub(crate) struct Lending<'a> {
    data: Output<'a, *const u8>,
    len: Output<'a, usize>,
}

impl Lending<'_> {
    /// Lends bytes, which must live as long as the object that the function's documentation names.
    pub(crate) fn write(self, bytes: &[u8]) {
        self.data.write(address(bytes));
        self.len.write(bytes.len());
    }
}

/// The address of bytes that are lent. Empty bytes may have an address that is no memory, which
/// languages with a garbage collector refuse to copy, so they get a static one.
pub(crate) fn address(bytes: &[u8]) -> *const u8 {
    static EMPTY: u8 = 0;
    if bytes.is_empty() { &raw const EMPTY } else { bytes.as_ptr() }
}

/// Gives an object to the caller, who frees it with the function named for it.
pub(crate) fn hand_out<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Takes an object back and drops it. NULL is allowed. A panic while dropping is swallowed: it
/// cannot be reported.
///
/// # Safety
/// `object` is NULL or came from [`hand_out`] and was not freed before.
pub(crate) unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        // SAFETY: the caller guarantees it.
        let object = unsafe { Box::from_raw(object) };
        let _ = catch_unwind(AssertUnwindSafe(|| drop(object)));
    }
}
