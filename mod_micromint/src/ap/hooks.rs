//! The hooks: where Apache calls the module.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use super::bindings::{
    AP_AUTH_INTERNAL_PER_CONF, APR_HOOK_FIRST, APR_HOOK_LAST, APR_HOOK_MIDDLE,
    APR_HOOK_REALLY_FIRST, AUTHZ_DENIED, AUTHZ_DENIED_NO_USER, AUTHZ_GRANTED, AUTHZ_PROVIDER_GROUP,
    AUTHZ_PROVIDER_VERSION, ap_hook_check_config, ap_hook_child_init, ap_hook_fixups,
    ap_hook_handler, ap_hook_insert_error_filter, ap_hook_insert_filter, ap_hook_log_transaction,
    ap_hook_post_config, ap_register_auth_provider, apr_pool_t, authz_provider, authz_status,
    request_rec, server_rec,
};
use super::config::{ConfigPlace, Parent};
use super::{Code, DECLINED, Log, OK, Request, filters, guard};
use crate::handlers;

const SERVER_ERROR: Code = 500;

/// The answer of `Require micromint` for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// It may pass.
    Granted,
    /// It may not pass.
    Denied,
    /// The client can still log in.
    AfterLogin,
}

/// Registers our hooks, whenever Apache loads the module.
pub(super) unsafe extern "C" fn register(pool: *mut apr_pool_t) {
    // With `CacheQuickHandler Off` the cache is a handler too: payment is asked for before it
    // answers.
    static BEFORE_CACHE: Names<2> = Names([c"mod_cache.c".as_ptr(), null()]);
    // SAFETY: names and functions are static; lists of names end with null.
    unsafe {
        filters::register();
        ap_hook_check_config(Some(check_config), null(), null(), APR_HOOK_MIDDLE as c_int);
        ap_hook_post_config(Some(post_config), null(), null(), APR_HOOK_MIDDLE as c_int);
        ap_hook_child_init(Some(child_init), null(), null(), APR_HOOK_MIDDLE as c_int);
        ap_hook_fixups(Some(fixups), null(), null(), APR_HOOK_REALLY_FIRST);
        ap_hook_handler(Some(handler), null(), BEFORE_CACHE.0.as_ptr(), APR_HOOK_REALLY_FIRST);
        ap_hook_log_transaction(Some(log_transaction), null(), null(), APR_HOOK_FIRST as c_int);
        ap_hook_insert_filter(Some(insert_filter), null(), null(), APR_HOOK_LAST as c_int);
        ap_hook_insert_error_filter(Some(insert_filter), null(), null(), APR_HOOK_LAST as c_int);
        ap_register_auth_provider(
            pool,
            AUTHZ_PROVIDER_GROUP.as_ptr().cast(),
            c"micromint".as_ptr(),
            AUTHZ_PROVIDER_VERSION.as_ptr().cast(),
            (&raw const PROVIDER).cast(),
            AP_AUTH_INTERNAL_PER_CONF as c_int,
        );
    }
}

#[repr(transparent)]
struct Names<const N: usize>([*const c_char; N]);

// SAFETY: the names are static texts.
unsafe impl<const N: usize> Sync for Names<N> {}

// ---- the life of a server

unsafe extern "C" fn check_config(
    pool: *mut apr_pool_t,
    _log: *mut apr_pool_t,
    _temp: *mut apr_pool_t,
    server: *mut server_rec,
) -> c_int {
    // SAFETY: Apache gives the configuration's pool and its main server.
    unsafe {
        guard(Log::Server(server), SERVER_ERROR, || {
            match handlers::check(&Parent::new(pool, server)) {
                Ok(()) => OK,
                Err(()) => SERVER_ERROR,
            }
        })
    }
}

unsafe extern "C" fn post_config(
    pool: *mut apr_pool_t,
    _log: *mut apr_pool_t,
    _temp: *mut apr_pool_t,
    server: *mut server_rec,
) -> c_int {
    // At start, Apache does this twice, before and after it detaches from the terminal: the first
    // time shows a failure to the person who starts it. It does not do so for `-t`.
    // SAFETY: as in `check_config`.
    unsafe {
        guard(Log::Server(server), SERVER_ERROR, || {
            match handlers::prepare(&Parent::new(pool, server)) {
                Ok(()) => OK,
                Err(()) => SERVER_ERROR,
            }
        })
    }
}

unsafe extern "C" fn child_init(_pool: *mut apr_pool_t, server: *mut server_rec) {
    // SAFETY: a server that was read has a process, which has the configuration's pool. The pool
    // here is the child's.
    unsafe {
        guard(Log::Server(server), (), || {
            handlers::open(&Parent::new((*(*server).process).pconf, server))
        })
    }
}

// ---- requests

/// # Safety
/// `r` must be a live request.
unsafe fn run(r: *mut request_rec, hook: fn(Request<'_>) -> Code) -> c_int {
    // SAFETY: the caller guarantees the request.
    unsafe { guard(Log::Request(r), SERVER_ERROR, || hook(Request::new(r))) }
}

unsafe extern "C" fn fixups(r: *mut request_rec) -> c_int {
    // SAFETY: Apache gives a live request.
    unsafe { run(r, handlers::fixups) }
}

unsafe extern "C" fn handler(r: *mut request_rec) -> c_int {
    // SAFETY: as in `fixups`.
    unsafe { run(r, handlers::handler) }
}

unsafe extern "C" fn insert_filter(r: *mut request_rec) {
    // SAFETY: as in `fixups`.
    unsafe { guard(Log::Request(r), (), || handlers::insert_filters(Request::new(r))) }
}

unsafe extern "C" fn log_transaction(r: *mut request_rec) -> c_int {
    // SAFETY: as in `fixups`. The last request that Apache derived from this one was answered.
    unsafe {
        let mut last = r;
        while !(*last).next.is_null() {
            last = (*last).next;
        }
        guard(Log::Request(last), (), || handlers::record(Request::new(last)));
    }
    DECLINED
}

// ---- Require micromint

static PROVIDER: authz_provider = authz_provider {
    check_authorization: Some(check_authorization),
    parse_require_line: Some(parse_require_line),
};

unsafe extern "C" fn check_authorization(
    r: *mut request_rec,
    _arguments: *const c_char,
    _parsed: *const c_void,
) -> authz_status {
    // SAFETY: Apache gives a live request.
    let grant =
        unsafe { guard(Log::Request(r), Grant::Denied, || handlers::require(Request::new(r))) };
    match grant {
        Grant::Granted => AUTHZ_GRANTED,
        Grant::Denied => AUTHZ_DENIED,
        Grant::AfterLogin => AUTHZ_DENIED_NO_USER,
    }
}

unsafe extern "C" fn parse_require_line(
    cmd: *mut super::bindings::cmd_parms,
    line: *const c_char,
    parsed: *mut *const c_void,
) -> *const c_char {
    // SAFETY: Apache gives the command, the rest of the line and a place for the parsed value.
    unsafe {
        *parsed = null_mut();
        if super::bytes(line).is_empty() {
            guard(Log::Server((*cmd).server), (), || ConfigPlace::new(cmd).note_require_line());
            null()
        } else {
            c"Require micromint: expected no argument".as_ptr()
        }
    }
}
