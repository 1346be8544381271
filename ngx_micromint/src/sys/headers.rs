//! nginx's lists of header fields, of the request and of the response.

use nginx_sys::{
    ngx_list_part_t, ngx_list_push, ngx_list_t, ngx_palloc, ngx_pool_t, ngx_str_t, ngx_table_elt_t,
};

use smallvec::SmallVec;

use super::{bytes, copy_into};

/// The fields of a list, in order.
///
/// # Safety
/// `list` must be a live list of header fields; no field may be added or removed while the result
/// is in use.
pub(super) unsafe fn fields(list: *const ngx_list_t) -> impl Iterator<Item = *mut ngx_table_elt_t> {
    // SAFETY: the caller guarantees the list; its first part is a part like any other.
    let mut part: *const ngx_list_part_t = unsafe { &raw const (*list).part };
    let mut index = 0;
    std::iter::from_fn(move || {
        // SAFETY: parts of a live list are live and hold `nelts` fields each.
        unsafe {
            while !part.is_null() && index >= (*part).nelts {
                part = (*part).next;
                index = 0;
            }
            if part.is_null() {
                return None;
            }
            index += 1;
            Some((*part).elts.cast::<ngx_table_elt_t>().add(index - 1))
        }
    })
}

/// Whether a field has this name, in any case.
///
/// # Safety
/// `field` must be a live field.
pub(super) unsafe fn is_named(field: *const ngx_table_elt_t, name: &str) -> bool {
    // SAFETY: the caller guarantees the field; its key lives as long as the field.
    unsafe { bytes((*field).key) }.eq_ignore_ascii_case(name.as_bytes())
}

/// Adds a field to the response; `None` when out of memory.
///
/// # Safety
/// `list` and `pool` must be live and of one request.
pub(super) unsafe fn push(
    list: *mut ngx_list_t,
    pool: *mut ngx_pool_t,
    name: &'static str,
    value: &[u8],
) -> Option<()> {
    // Nothing writes to the key of a field.
    let key = ngx_str_t { len: name.len(), data: name.as_ptr().cast_mut() };
    // SAFETY: list and pool are live; the new element belongs to this function, and nothing reads
    // the list before the element is complete.
    unsafe {
        let value = copy_into(pool, value)?;
        let field: *mut ngx_table_elt_t = ngx_list_push(list).cast();
        if field.is_null() {
            return None;
        }
        // Newer versions have a `next` field here, which must be null.
        std::ptr::write_bytes(field, 0, 1);
        // As in nginx's own filters for a response: 1 for a field that is sent, and no lower-case
        // name.
        (*field).hash = 1;
        (*field).key = key;
        (*field).value = value;
        Some(())
    }
}

/// Removes every request field for which `is_out` holds. The others stay where they are in memory,
/// because nginx holds pointers to them: the parts of the list are split, not moved. `None` when
/// out of memory.
///
/// # Safety
/// `list` and `pool` must be live and of one request; no iterator over the list may be in use.
pub(super) unsafe fn remove(
    list: *mut ngx_list_t,
    pool: *mut ngx_pool_t,
    mut is_out: impl FnMut(*mut ngx_table_elt_t) -> bool,
) -> Option<usize> {
    // The runs of fields that stay, as (first, count), and how many are removed.
    let mut runs: SmallVec<[(*mut ngx_table_elt_t, usize); 8]> = SmallVec::new();
    let (mut removed, mut follows) = (0, false);
    // SAFETY: as for `fields`; nothing is changed while it runs.
    for field in unsafe { fields(list) } {
        if is_out(field) {
            (removed, follows) = (removed + 1, false);
            continue;
        }
        match runs.last_mut() {
            Some((first, count)) if follows && first.wrapping_add(*count) == field => *count += 1,
            _ => runs.push((field, 1)),
        }
        follows = true;
    }
    if removed == 0 {
        return Some(0);
    }
    // SAFETY: every run is a live range of a part's array. The first part is inside the list
    // itself. Readers allow only the first part to be empty, which it is when nothing stays. nginx
    // adds a field at the end of the last part while it holds fewer than `nalloc`: with `nalloc`
    // equal to its count, a push always makes a new part and never writes past the run.
    unsafe {
        let mut part: *mut ngx_list_part_t = &raw mut (*list).part;
        let (first, count) = runs.first().copied().unwrap_or(((*part).elts.cast(), 0));
        (*part).elts = first.cast();
        (*part).nelts = count;
        for (first, count) in runs.iter().skip(1) {
            let next: *mut ngx_list_part_t = ngx_palloc(pool, size_of::<ngx_list_part_t>()).cast();
            if next.is_null() {
                // What was split so far is a valid list.
                (*part).next = std::ptr::null_mut();
                (*list).last = part;
                (*list).nalloc = (*part).nelts.max(1);
                return None;
            }
            next.write(ngx_list_part_t {
                elts: first.cast(),
                nelts: *count,
                next: std::ptr::null_mut(),
            });
            (*part).next = next;
            part = next;
        }
        (*part).next = std::ptr::null_mut();
        (*list).last = part;
        // An empty part still has the room of one field: the one that was removed.
        (*list).nalloc = (*part).nelts.max(1);
    }
    Some(removed)
}
