//! Header fields: those of a request, and those that a response has.

use crate::boundary::{free, hand_out, slice};
use crate::error::FfiResult;
use crate::filled::{Fault, Filled, empty, fill};

/// The header fields of a response, for `micromint_decision_head()`. Free it with
/// `micromint_fields_free()`. One thread at a time while it is filled; any number of threads may
/// pass it to functions that take it `const`. It may be used across a fork.
#[derive(Default)]
pub struct micromint_fields {
    fields: Fields,
    fault: Fault,
}

impl Filled for micromint_fields {
    fn fault(&self) -> &Fault {
        &self.fault
    }

    fn fault_mut(&mut self) -> &mut Fault {
        &mut self.fault
    }
}

impl micromint_fields {
    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// Fields in their order, in memory of its own.
#[derive(Default)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    /// Where each name begins, where its value begins, and where that ends.
    spans: Vec<[usize; 3]>,
}

impl Fields {
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.spans.push([start, middle, self.bytes.len()]);
    }

    pub(crate) fn clear(&mut self) {
        empty(&mut self.bytes);
        self.spans.clear();
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans
            .iter()
            .map(|&[start, middle, end]| (&self.bytes[start..middle], &self.bytes[middle..end]))
    }
}

/// Makes a list of header fields without any.
#[unsafe(no_mangle)]
pub extern "C" fn micromint_fields_new() -> *mut micromint_fields {
    hand_out(micromint_fields::default())
}

/// Adds a header field.
///
/// name, name_len:   the name, case-insensitive; copied.
/// value, value_len: the value; copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_fields_add(
    fields: *mut micromint_fields,
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe {
        fill(fields, |it| {
            let names = ["fields.name", "fields.value"];
            let (name, value) = field(name, name_len, value, value_len, names)?;
            it.fields.add(name, value);
            Ok(())
        })
    }
}

/// Removes all fields from a list, for the next response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_fields_clear(fields: *mut micromint_fields) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    if let Some(it) = unsafe { fields.as_mut() } {
        it.fields.clear();
        it.fault = None;
    }
}

/// Frees a list of header fields. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_fields_free(fields: *mut micromint_fields) {
    // SAFETY: a list reaches the caller only from hand_out, and is freed once.
    unsafe { free(fields) }
}

/// A name and a value; `names` are those of the two for errors.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn field<'a>(
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
    names: [&str; 2],
) -> FfiResult<(&'a [u8], &'a [u8])> {
    // SAFETY: the caller guarantees it.
    unsafe { Ok((slice(name, name_len, names[0])?, slice(value, value_len, names[1])?)) }
}
