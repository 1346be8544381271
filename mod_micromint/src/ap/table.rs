//! APR's tables: the header fields of a request and of its response, notes, the environment.

use super::bindings::{apr_table_elts, apr_table_entry_t, apr_table_t};
use super::bytes;

/// The entries of a table, in order.
///
/// # Safety
/// `table` must be a live table whose memory outlives the use of the result; it may not be changed
/// while the iterator is in use.
pub(super) unsafe fn entries<'a>(
    table: *const apr_table_t,
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    // SAFETY: as the caller guarantees. Keys and values are C strings in the table's pool.
    unsafe { raw_entries(table) }.map(|entry| unsafe { (bytes(entry.key), bytes(entry.val)) })
}

/// The values of all entries of this name, in any case, in order.
///
/// # Safety
/// As for [`entries`].
pub(super) unsafe fn values<'a>(
    table: *const apr_table_t,
    name: &[u8],
) -> impl Iterator<Item = &'a [u8]> {
    // SAFETY: as in `entries`. The values of other fields are not read.
    let named = unsafe { raw_entries(table) }
        .filter(move |entry| unsafe { bytes(entry.key) }.eq_ignore_ascii_case(name));
    // SAFETY: as in `entries`.
    named.map(|entry| unsafe { bytes(entry.val) })
}

/// The entries of a table as they are.
///
/// # Safety
/// As for [`entries`].
unsafe fn raw_entries<'a>(
    table: *const apr_table_t,
) -> impl Iterator<Item = &'a apr_table_entry_t> {
    // SAFETY: a table is an array of entries; an entry without a key was removed.
    let entries = unsafe {
        let array = apr_table_elts(table);
        let len = usize::try_from((*array).nelts).unwrap_or(0);
        match len {
            0 => &[][..],
            _ => std::slice::from_raw_parts((*array).elts.cast::<apr_table_entry_t>(), len),
        }
    };
    entries.iter().filter(|entry| !entry.key.is_null())
}
