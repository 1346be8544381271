//! The filters: one sees the head of a response, one that of a switch of protocols, and one replays
//! a body that was read.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::bindings::{
    AP_FILTER_ERROR, AP_FTYPE_CONNECTION, AP_FTYPE_CONTENT_SET, AP_FTYPE_PROTOCOL,
    AP_MODE_EXHAUSTIVE, AP_MODE_GETLINE, AP_MODE_READBYTES, AP_MODE_SPECULATIVE, APR_BLOCK_READ,
    APR_EGENERAL, ap_add_input_filter_handle, ap_add_output_filter_handle, ap_bucket_error_create,
    ap_bucket_type_eor, ap_bucket_type_error, ap_filter_rec_t, ap_filter_t, ap_get_brigade,
    ap_input_mode_t, ap_map_http_request_error, ap_pass_brigade, ap_register_input_filter,
    ap_register_output_filter, ap_remove_output_filter, apr_brigade_cleanup, apr_brigade_create,
    apr_brigade_destroy, apr_bucket, apr_bucket_alloc_t, apr_bucket_brigade, apr_bucket_eos_create,
    apr_bucket_heap_create, apr_bucket_pool_create, apr_bucket_type_eos, apr_off_t,
    apr_read_type_e, apr_status_t, request_rec,
};
use super::{Body, Code, Log, Request, guard, place_in};
use crate::handlers;

/// How much of a body is read at a time, in bytes.
const PIECE_SIZE: apr_off_t = 8192;

/// How the head of an interim answer begins, and that of a switch of protocols.
const INTERIM: &[u8] = b"HTTP/1.1 1";
const SWITCH_LINE: &[u8] = b"HTTP/1.1 101 ";

static HEAD: AtomicPtr<ap_filter_rec_t> = AtomicPtr::new(null_mut());
static SWITCH: AtomicPtr<ap_filter_rec_t> = AtomicPtr::new(null_mut());
static BODY: AtomicPtr<ap_filter_rec_t> = AtomicPtr::new(null_mut());

/// Registers our filters, whenever Apache loads the module.
pub(super) fn register() {
    // SAFETY: names and functions are static.
    unsafe {
        // After everything that makes or changes the head, caches included; before ranges are
        // applied and the head is written.
        let last = AP_FTYPE_PROTOCOL - 1;
        HEAD.store(
            ap_register_output_filter(c"MICROMINT_HEAD".as_ptr(), Some(head), None, last),
            Ordering::Relaxed,
        );
        SWITCH.store(
            ap_register_output_filter(
                c"MICROMINT_SWITCH".as_ptr(),
                Some(switch),
                None,
                AP_FTYPE_CONNECTION,
            ),
            Ordering::Relaxed,
        );
        let first = AP_FTYPE_CONTENT_SET;
        BODY.store(
            ap_register_input_filter(c"MICROMINT_BODY".as_ptr(), Some(body), None, first),
            Ordering::Relaxed,
        );
    }
}

// ---- the head of a response

/// Adds the filter, unless it is already there.
///
/// # Safety
/// `r` must be a live main request.
pub(super) unsafe fn add_head(r: *mut request_rec) {
    let handle = HEAD.load(Ordering::Relaxed);
    // SAFETY: the request and its filters are live.
    unsafe {
        if !contains((*r).output_filters, handle) {
            ap_add_output_filter_handle(handle, null_mut(), r, (*r).connection);
        }
    }
}

/// Whether a filter is in a list.
///
/// # Safety
/// `filter` must be the first of the filters of a live request.
unsafe fn contains(mut filter: *const ap_filter_t, handle: *const ap_filter_rec_t) -> bool {
    // SAFETY: the list ends with null.
    unsafe {
        while !filter.is_null() {
            if std::ptr::eq((*filter).frec, handle) {
                return true;
            }
            filter = (*filter).next;
        }
    }
    false
}

unsafe extern "C" fn head(
    filter: *mut ap_filter_t,
    brigade: *mut apr_bucket_brigade,
) -> apr_status_t {
    // SAFETY: Apache gives a live filter of a live request and a brigade.
    unsafe {
        let r = (*filter).r;
        // An error ends this response before its head is made; Apache calls again with the head of
        // the error's response.
        let is_error =
            buckets(brigade).any(|bucket| (*bucket).type_ == &raw const ap_bucket_type_error);
        if !is_error {
            let next = (*filter).next;
            let outcome =
                guard(Log::Request(r), None, || Some(handlers::filter_head(Request::new(r))));
            ap_remove_output_filter(filter);
            match outcome {
                None => return AP_FILTER_ERROR,
                Some(Err(status)) => return end_with(r, next, brigade, status),
                Some(Ok(())) => {}
            }
        }
        ap_pass_brigade((*filter).next, brigade)
    }
}

/// Ends a response with an error before its head is sent: Apache makes the page.
///
/// # Safety
/// All must be live, and `next` the filter after ours.
unsafe fn end_with(
    r: *mut request_rec,
    next: *mut ap_filter_t,
    brigade: *mut apr_bucket_brigade,
    status: Code,
) -> apr_status_t {
    // SAFETY: the buckets are made for this brigade.
    unsafe {
        let alloc = (*(*r).connection).bucket_alloc;
        (*r).status = status;
        apr_brigade_cleanup(brigade.cast());
        append(brigade, ap_bucket_error_create(status, std::ptr::null(), (*r).pool, alloc));
        append(brigade, apr_bucket_eos_create(alloc));
        ap_pass_brigade(next, brigade)
    }
}

// ---- the head of a switch of protocols

/// The state of the filter, which belongs to the connection.
#[derive(Clone, Copy)]
struct Switch {
    /// Null once the answer of the request began.
    request: *mut request_rec,
}

/// Adds the filter for the head of a 101, which mod_proxy sends past the filters of the request.
///
/// # Safety
/// `r` must be a live main request.
pub(super) unsafe fn add_switch(r: *mut request_rec) {
    let handle = SWITCH.load(Ordering::Relaxed);
    // SAFETY: the request and its connection are live; the state lives as long as the connection.
    unsafe {
        let connection = (*r).connection;
        if !contains((*connection).output_filters, handle) {
            let state = place_in((*connection).pool, Switch { request: r });
            ap_add_output_filter_handle(handle, state.cast(), r, connection);
        }
    }
}

unsafe extern "C" fn switch(
    filter: *mut ap_filter_t,
    brigade: *mut apr_bucket_brigade,
) -> apr_status_t {
    // SAFETY: Apache gives a live filter, whose context is that of `add_switch`, and a brigade. The
    // request is live until its end bucket was passed on.
    unsafe {
        let state: *mut Switch = (*filter).ctx.cast();
        let next = (*filter).next;
        let request = (*state).request;
        if !request.is_null() && begins_answer(request, brigade) {
            (*state).request = null_mut();
            ap_remove_output_filter(filter);
        }
        ap_pass_brigade(next, brigade)
    }
}

/// Whether the answer of the request begins or ends in this brigade. Adds the paywall's fields to
/// the head of a 101.
///
/// # Safety
/// Both must be live.
unsafe fn begins_answer(r: *mut request_rec, brigade: *mut apr_bucket_brigade) -> bool {
    // SAFETY: the buckets are live; one is added after the loop has ended.
    unsafe {
        for bucket in buckets(brigade) {
            if (*bucket).type_ == &raw const ap_bucket_type_eor {
                return true;
            }
            if (*(*bucket).type_).is_metadata != 0 {
                continue;
            }
            let Ok(head) = read(bucket) else { return true };
            if head.is_empty() {
                continue;
            }
            if let Some(end) = end_of_switch_line(head) {
                let fields = guard(Log::Request(r), Vec::new(), || {
                    handlers::fields_of_switch(Request::new(r))
                });
                insert_at(bucket, end, &fields, (*(*r).connection).bucket_alloc);
                return true;
            }
            return !head.starts_with(INTERIM);
        }
    }
    false
}

/// Where the fields of the head of a 101 begin; `None` for every other head.
fn end_of_switch_line(head: &[u8]) -> Option<usize> {
    let line = head.strip_prefix(SWITCH_LINE)?;
    line.iter().position(|byte| *byte == b'\n').map(|at| SWITCH_LINE.len() + at + 1)
}

/// Inserts bytes in the middle of a bucket.
///
/// # Safety
/// The bucket must be live, in a ring, and have more than `at` bytes.
unsafe fn insert_at(
    bucket: *mut apr_bucket,
    at: usize,
    bytes: &[u8],
    alloc: *mut apr_bucket_alloc_t,
) {
    // SAFETY: what is inserted is copied; a bucket that cannot be split stays as it is.
    unsafe {
        let Some(split) = (*(*bucket).type_).split else { return };
        if bytes.is_empty() || split(bucket, at) != 0 {
            return;
        }
        let new = apr_bucket_heap_create(bytes.as_ptr().cast(), bytes.len(), None, alloc);
        insert_before((*bucket).link.next, new);
    }
}

// ---- the body of a request

/// Reads the body; see [`Request::read_body`].
///
/// # Safety
/// `r` must be a live request whose body was not read yet.
pub(super) unsafe fn read_all(r: *mut request_rec, size_max: usize) -> Result<Body, Code> {
    let mut body = Body::default();
    // SAFETY: the brigade belongs to this function; a bucket's data is copied before it is deleted.
    unsafe {
        let brigade = apr_brigade_create((*r).pool, (*(*r).connection).bucket_alloc);
        let read = loop {
            let status = ap_get_brigade(
                (*r).input_filters,
                brigade,
                AP_MODE_READBYTES,
                APR_BLOCK_READ,
                PIECE_SIZE,
            );
            if status != 0 {
                break Err(ap_map_http_request_error(status, 400));
            }
            if let Err(status) = take(brigade, &mut body) {
                break Err(ap_map_http_request_error(status, 400));
            }
            if body.is_complete || body.bytes.len() > size_max {
                break Ok(body);
            }
            apr_brigade_cleanup(brigade.cast());
        };
        apr_brigade_destroy(brigade);
        read
    }
}

/// Collects the data of a brigade, and notes whether the body ended.
///
/// # Safety
/// `brigade` must be a live brigade.
unsafe fn take(brigade: *mut apr_bucket_brigade, body: &mut Body) -> Result<(), apr_status_t> {
    // SAFETY: the buckets are live while the brigade is not changed; reading one may split it in
    // place.
    unsafe {
        for bucket in buckets(brigade) {
            if (*bucket).type_ == &raw const apr_bucket_type_eos {
                body.is_complete = true;
                return Ok(());
            }
            if (*(*bucket).type_).is_metadata == 0 {
                body.bytes.extend_from_slice(read(bucket)?);
            }
        }
    }
    Ok(())
}

/// Makes a body available to the next reader. An internal redirect drops the filter, so it is added
/// again then.
///
/// # Safety
/// `r` must be the live request whose body was read, or a redirect of it; `body` must live as long.
pub(super) unsafe fn add_body(r: *mut request_rec, body: *const Body) {
    let handle = BODY.load(Ordering::Relaxed);
    // SAFETY: the request and its filters are live.
    unsafe {
        if !contains((*r).input_filters, handle) {
            let context = body.cast_mut().cast::<c_void>();
            ap_add_input_filter_handle(handle, context, r, (*r).connection);
        }
    }
}

unsafe extern "C" fn body(
    filter: *mut ap_filter_t,
    brigade: *mut apr_bucket_brigade,
    mode: ap_input_mode_t,
    block: apr_read_type_e,
    wanted: apr_off_t,
) -> apr_status_t {
    // SAFETY: Apache gives a live filter, whose context is a live body, and a brigade to append to.
    // No closure of ours runs here that could panic.
    unsafe {
        let body = (*filter).ctx.cast_const().cast::<Body>();
        let (start, is_complete) = ((*body).replayed.get(), (*body).is_complete);
        let bytes: &Vec<u8> = &(*body).bytes;
        let rest = bytes.get(start..).unwrap_or_default();
        let len = match mode {
            _ if rest.is_empty() && !is_complete => None,
            AP_MODE_READBYTES | AP_MODE_SPECULATIVE => {
                Some(usize::try_from(wanted).unwrap_or(0).min(rest.len()))
            }
            AP_MODE_GETLINE => {
                let line = rest.iter().position(|byte| *byte == b'\n');
                Some(line.map_or(rest.len(), |at| at + 1))
            }
            AP_MODE_EXHAUSTIVE => Some(rest.len()),
            // Others read nothing of a body.
            _ => None,
        };
        let Some(len) = len else {
            return ap_get_brigade((*filter).next, brigade, mode, block, wanted);
        };
        let alloc = (*(*(*filter).r).connection).bucket_alloc;
        if len > 0 {
            let data = rest.as_ptr().cast::<c_char>();
            append(brigade, apr_bucket_pool_create(data, len, (*(*filter).r).pool, alloc));
        }
        if mode != AP_MODE_SPECULATIVE {
            (*body).replayed.set(start + len);
        }
        if is_complete && len == rest.len() {
            append(brigade, apr_bucket_eos_create(alloc));
        }
        0
    }
}

// ---- brigades: rings of buckets, handled by macros in C

/// The buckets of a brigade, in order.
///
/// # Safety
/// `brigade` must be live; while the result is in use a bucket may be split but not removed.
unsafe fn buckets(brigade: *mut apr_bucket_brigade) -> impl Iterator<Item = *mut apr_bucket> {
    // SAFETY: the brigade is live.
    let end = unsafe { end_of(brigade) };
    let mut last = end;
    std::iter::from_fn(move || {
        // SAFETY: the ring is closed: from each bucket, and from its end, the next can be reached.
        let bucket = unsafe { (*last).link.next };
        last = bucket;
        (!std::ptr::eq(bucket, end)).then_some(bucket)
    })
}

/// Appends a bucket to a brigade.
///
/// # Safety
/// Both must be live, and the bucket must not be in a ring.
unsafe fn append(brigade: *mut apr_bucket_brigade, bucket: *mut apr_bucket) {
    // SAFETY: the end of a ring is part of it.
    unsafe { insert_before(end_of(brigade), bucket) }
}

/// Inserts a bucket before another, or before the end of a ring.
///
/// # Safety
/// Both must be live, `next` in a ring and the bucket in none.
unsafe fn insert_before(next: *mut apr_bucket, bucket: *mut apr_bucket) {
    // SAFETY: each part of a ring has one before it: a bucket, or the end.
    unsafe {
        let last = (*next).link.prev;
        (*bucket).link.prev = last;
        (*bucket).link.next = next;
        (*last).link.next = bucket;
        (*next).link.prev = bucket;
    }
}

/// The sentinel at the end of a brigade's ring: the ring's own two pointers, seen as those at the
/// beginning of every bucket. No other member of it exists.
///
/// # Safety
/// `brigade` must be live.
unsafe fn end_of(brigade: *mut apr_bucket_brigade) -> *mut apr_bucket {
    const { assert!(std::mem::offset_of!(apr_bucket, link) == 0) };
    // SAFETY: computes an address within the brigade.
    unsafe { (&raw mut (*brigade).list).cast() }
}

/// The data of a bucket.
///
/// # Safety
/// The bucket must be live; the data is valid until the bucket is destroyed.
unsafe fn read<'a>(bucket: *mut apr_bucket) -> Result<&'a [u8], apr_status_t> {
    let (mut data, mut len) = (std::ptr::null(), 0);
    // SAFETY: every type of bucket that is not metadata can be read.
    unsafe {
        let Some(read) = (*(*bucket).type_).read else { return Err(APR_EGENERAL as apr_status_t) };
        match read(bucket, &raw mut data, &raw mut len, APR_BLOCK_READ) {
            0 if len == 0 => Ok(&[]),
            0 => Ok(std::slice::from_raw_parts(data.cast(), len)),
            status => Err(status),
        }
    }
}
