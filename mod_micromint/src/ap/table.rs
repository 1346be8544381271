//! APR's tables: the header fields of a request and of its answer, notes, the environment.

use super::bindings::{apr_table_elts, apr_table_entry_t, apr_table_t};
use super::bytes;

/// The entries of a table, in order.
///
/// # Safety
/// `table` must be a live table whose memory outlives the use of the result; it may not be changed while the
/// iterator is in use.
pub(super) unsafe fn entries<'a>(table: *const apr_table_t) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    // SAFETY: a table is an array of entries; one without a key was taken out.
    let entries = unsafe {
        let array = apr_table_elts(table);
        let len = usize::try_from((*array).nelts).unwrap_or(0);
        match len {
            0 => &[][..],
            _ => std::slice::from_raw_parts((*array).elts.cast::<apr_table_entry_t>(), len),
        }
    };
    entries.iter().filter(|entry| !entry.key.is_null()).map(|entry| {
        // SAFETY: keys and values are C strings in the table's pool.
        unsafe { (bytes(entry.key), bytes(entry.val)) }
    })
}
