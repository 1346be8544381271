//! What nginx finds in the shared object: five modules, their directives and callbacks.
//!
//! - `ngx_micromint_module`, a core module: prepares the vendors when a configuration was read, and
//!   opens them in each worker.
//! - `ngx_http_micromint_module`: directives, variables, the paywall in the access and precontent
//!   phases, and the reports of the log phase.
//! - `ngx_http_micromint_content_module`: the paywall before the listing of a folder, after its
//!   index.
//! - `ngx_http_micromint_rewrite_module`: the paywall before a location's own `return`, if the
//!   request was led on there.
//! - `ngx_http_micromint_filter_module`: processes the head of every response.
//!
//! Every callback is guarded: a panic becomes the failure that nginx expects at that place.

use std::ffi::{c_char, c_void};
use std::ptr::{null, null_mut};

use nginx_sys::{
    NGX_CONF_TAKE1, NGX_CONF_TAKE12, NGX_CORE_MODULE, NGX_HTTP_LIF_CONF, NGX_HTTP_LOC_CONF,
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF, NGX_HTTP_MODULE, NGX_HTTP_SRV_CONF,
    NGX_HTTP_SRV_CONF_OFFSET, NGX_HTTP_VAR_NOCACHEABLE, ngx_array_push, ngx_command_t, ngx_conf_t,
    ngx_core_module_t, ngx_cycle_t, ngx_http_add_variable, ngx_http_core_main_conf_t,
    ngx_http_core_module, ngx_http_handler_pt, ngx_http_module_t, ngx_http_output_header_filter_pt,
    ngx_http_phases, ngx_http_phases_NGX_HTTP_ACCESS_PHASE, ngx_http_phases_NGX_HTTP_CONTENT_PHASE,
    ngx_http_phases_NGX_HTTP_LOG_PHASE, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE,
    ngx_http_phases_NGX_HTTP_REWRITE_PHASE, ngx_http_request_t, ngx_http_top_header_filter,
    ngx_http_variable_value_t, ngx_int_t, ngx_module_t, ngx_str_t,
};

use super::config::{ConfigPlace, ModuleConfig, Worker};
use super::request::Request;
use super::{Code, DECLINED, ERROR, OK, copy_into, guard, keep_in};
use crate::handlers;
use crate::module::{self, LocationConfig, ServerConfig, variable_name};
use micromint::vendor::gate::Variable;

// ---- what nginx's dynamic loader looks for

/// A table that only nginx reads and writes.
#[repr(transparent)]
pub(super) struct Table<T>(T);

// SAFETY: the tables hold pointers to statics; nginx reads them on one thread.
unsafe impl<T> Sync for Table<T> {}

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "nginx looks for these names")]
pub(super) static mut ngx_modules: [*mut ngx_module_t; 6] = [
    &raw mut ngx_micromint_module,
    &raw mut ngx_http_micromint_content_module,
    &raw mut ngx_http_micromint_module,
    &raw mut ngx_http_micromint_rewrite_module,
    &raw mut ngx_http_micromint_filter_module,
    null_mut(),
];

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "nginx looks for these names")]
pub(super) static ngx_module_names: Table<[*const c_char; 6]> = Table([
    c"ngx_micromint_module".as_ptr(),
    c"ngx_http_micromint_content_module".as_ptr(),
    c"ngx_http_micromint_module".as_ptr(),
    c"ngx_http_micromint_rewrite_module".as_ptr(),
    c"ngx_http_micromint_filter_module".as_ptr(),
    null(),
]);

/// Each of our modules is placed before everything that is listed here. Phase handlers run in the
/// reverse of that order: the paywall comes after address, password and subrequest checks, so no
/// coin is taken for a request that is then denied, and after `try_files` has found the file.
/// `mirror` comes even later and copies only paid requests. Filters also run in reverse: ours sees
/// what `add_header`, `expires`, ranges and conditions have made of the head, last before it is
/// written.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "nginx looks for these names")]
pub(super) static ngx_module_order: Table<[*const c_char; 12]> = Table([
    c"ngx_http_micromint_content_module".as_ptr(),
    c"ngx_http_index_module".as_ptr(),
    c"ngx_http_micromint_module".as_ptr(),
    c"ngx_http_try_files_module".as_ptr(),
    c"ngx_http_auth_request_module".as_ptr(),
    c"ngx_http_auth_basic_module".as_ptr(),
    c"ngx_http_access_module".as_ptr(),
    c"ngx_http_micromint_rewrite_module".as_ptr(),
    c"ngx_http_proxy_module".as_ptr(),
    c"ngx_http_micromint_filter_module".as_ptr(),
    c"ngx_http_range_header_filter_module".as_ptr(),
    null(),
]);

// ---- the core module

#[allow(non_upper_case_globals, reason = "nginx's way of naming modules")]
pub(super) static mut ngx_micromint_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const CORE_CONTEXT).cast_mut().cast(),
    type_: NGX_CORE_MODULE as usize,
    init_process: Some(init_process),
    ..ngx_module_t::default()
};

static CORE_CONTEXT: Table<ngx_core_module_t> = Table(ngx_core_module_t {
    name: name("ngx_micromint\0"),
    create_conf: Some(create_module_config),
    init_conf: Some(init_module_config),
});

unsafe extern "C" fn create_module_config(cycle: *mut ngx_cycle_t) -> *mut c_void {
    // SAFETY: nginx gives the cycle whose configuration is being read; its pool is dropped with it.
    unsafe {
        guard((*cycle).log, null_mut(), || keep_in((*cycle).pool, ModuleConfig::default()).cast())
    }
}

/// Called when the whole configuration was read. A failure here keeps nginx from starting, or a
/// reload from taking effect, as a wrong directive would.
unsafe extern "C" fn init_module_config(cycle: *mut ngx_cycle_t, _: *mut c_void) -> *mut c_char {
    // SAFETY: nginx gives the cycle that was just read.
    unsafe {
        guard((*cycle).log, conf_error(), || match handlers::prepare(&Worker::new(cycle)) {
            Ok(()) => null_mut(),
            Err(()) => conf_error(),
        })
    }
}

unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: nginx gives the worker's cycle. A worker that fails here would be restarted forever.
    unsafe { guard((*cycle).log, (), || handlers::open(&Worker::new(cycle))) };
    OK
}

// ---- the HTTP module

#[allow(non_upper_case_globals, reason = "nginx's way of naming modules")]
pub(super) static mut ngx_http_micromint_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const HTTP_CONTEXT).cast_mut().cast(),
    commands: (&raw const COMMANDS).cast_mut().cast(),
    type_: NGX_HTTP_MODULE as usize,
    ..ngx_module_t::default()
};

static HTTP_CONTEXT: Table<ngx_http_module_t> = Table(ngx_http_module_t {
    preconfiguration: Some(add_variables),
    postconfiguration: Some(add_phase_handlers),
    create_main_conf: None,
    init_main_conf: None,
    create_srv_conf: Some(create_config::<ServerConfig>),
    merge_srv_conf: Some(merge_server),
    create_loc_conf: Some(create_config::<LocationConfig>),
    merge_loc_conf: Some(merge_location),
});

const SERVERS: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF;
const LOCATIONS: u32 = SERVERS | NGX_HTTP_LOC_CONF;

static COMMANDS: Table<[ngx_command_t; 15]> = Table([
    command("micromint_config\0", SERVERS | NGX_CONF_TAKE1, NGX_HTTP_SRV_CONF_OFFSET, set_config),
    command(
        "micromint\0",
        LOCATIONS | NGX_HTTP_LIF_CONF | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_gate,
    ),
    command(
        "micromint_price\0",
        LOCATIONS | NGX_HTTP_LIF_CONF | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_price,
    ),
    command(
        "micromint_free_if\0",
        LOCATIONS | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_free_if,
    ),
    command(
        "micromint_price_files\0",
        LOCATIONS | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_price_files,
    ),
    command(
        "micromint_exemptions\0",
        LOCATIONS | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_exemptions,
    ),
    command(
        "micromint_redirects\0",
        LOCATIONS | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_redirects,
    ),
    command(
        "micromint_subrequests\0",
        LOCATIONS | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_subrequests,
    ),
    command(
        "micromint_receipt_path\0",
        LOCATIONS | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_receipt_path,
    ),
    command(
        "micromint_free_views\0",
        LOCATIONS | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_free_views,
    ),
    command(
        "micromint_dry_run\0",
        LOCATIONS | NGX_HTTP_LIF_CONF | NGX_CONF_TAKE1,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_dry_run,
    ),
    command("micromint_log\0", LOCATIONS | NGX_CONF_TAKE12, NGX_HTTP_LOC_CONF_OFFSET, set_log),
    command(
        "micromint_status\0",
        NGX_HTTP_LOC_CONF | nginx_sys::NGX_CONF_NOARGS,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_status,
    ),
    command(
        "micromint_message\0",
        NGX_HTTP_LOC_CONF | nginx_sys::NGX_CONF_NOARGS,
        NGX_HTTP_LOC_CONF_OFFSET,
        set_message,
    ),
    ngx_command_t::empty(),
]);

type Setter = unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char;

/// A directive. nginx compares names as C strings: the zero byte is necessary although the length
/// excludes it.
const fn command(
    name_with_zero: &'static str,
    kind: u32,
    offset: usize,
    set: Setter,
) -> ngx_command_t {
    ngx_command_t {
        name: name(name_with_zero),
        type_: kind as usize,
        set: Some(set),
        conf: offset,
        offset: 0,
        post: null_mut(),
    }
}

const fn name(with_zero: &'static str) -> ngx_str_t {
    assert!(with_zero.as_bytes()[with_zero.len() - 1] == 0);
    ngx_str_t { len: with_zero.len() - 1, data: with_zero.as_ptr().cast_mut() }
}

/// nginx's `NGX_CONF_ERROR`.
fn conf_error() -> *mut c_char {
    usize::MAX as *mut c_char
}

unsafe extern "C" fn create_config<T: Default>(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx gives the configuration that is being read; its pool is the cycle's.
    unsafe { guard((*cf).log, null_mut(), || keep_in((*cf).pool, T::default()).cast()) }
}

/// # Safety
/// `config` must be our configuration of type `T`, and no other borrow of it may exist.
unsafe fn set<T>(
    cf: *mut ngx_conf_t,
    config: *mut c_void,
    set: fn(&mut ConfigPlace, &mut T) -> Result<(), String>,
) -> *mut c_char {
    // SAFETY: nginx gives the configuration that is being read, and the slot that our
    // `create_config` filled.
    unsafe {
        guard((*cf).log, conf_error(), || {
            let mut place = ConfigPlace::new(cf);
            match set(&mut place, &mut *config.cast::<T>()) {
                Ok(()) => null_mut(),
                Err(reason) => {
                    // An empty reason means that nginx has already logged why.
                    if !reason.is_empty() {
                        place.refuse(&reason);
                    }
                    conf_error()
                }
            }
        })
    }
}

macro_rules! setters {
    ($($name:ident = $set:path;)*) => {
        $(unsafe extern "C" fn $name(
            cf: *mut ngx_conf_t,
            _: *mut ngx_command_t,
            config: *mut c_void,
        ) -> *mut c_char {
            // SAFETY: the command table names the slot of exactly this type for this directive.
            unsafe { set(cf, config, $set) }
        })*
    };
}

setters! {
    set_config = module::set_config;
    set_gate = module::set_gate;
    set_price = module::set_price;
    set_exemptions = module::set_exemptions;
    set_redirects = module::set_redirects;
    set_subrequests = module::set_subrequests;
    set_receipt_path = module::set_receipt_path;
    set_free_if = module::set_free_if;
    set_price_files = module::set_price_files;
    set_free_views = module::set_free_views;
    set_dry_run = module::set_dry_run;
    set_log = module::set_log;
}

unsafe extern "C" fn set_message(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx gives the configuration of the location that is being read.
    unsafe { set_content(cf, message) }
}

unsafe extern "C" fn set_status(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: as in `set_message`.
    unsafe { set_content(cf, status) }
}

/// Makes one of our handlers the content handler of a location.
///
/// # Safety
/// `cf` must be the configuration of a location that is being read.
unsafe fn set_content(
    cf: *mut ngx_conf_t,
    handler: unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t,
) -> *mut c_char {
    // SAFETY: within a location the context is an HTTP context whose core slot is filled.
    unsafe {
        let context: *mut nginx_sys::ngx_http_conf_ctx_t = (*cf).ctx.cast();
        let slot = (*context).loc_conf.add(ngx_http_core_module.ctx_index);
        let core: *mut nginx_sys::ngx_http_core_loc_conf_t = (*slot).cast();
        (*core).handler = Some(handler);
    }
    null_mut()
}

unsafe extern "C" fn merge_server(
    cf: *mut ngx_conf_t,
    parent: *mut c_void,
    child: *mut c_void,
) -> *mut c_char {
    // SAFETY: both are what `create_config::<ServerConfig>` made, for two different contexts.
    unsafe {
        guard((*cf).log, conf_error(), || {
            (*child.cast::<ServerConfig>()).inherit(&*parent.cast::<ServerConfig>());
            null_mut()
        })
    }
}

unsafe extern "C" fn merge_location(
    cf: *mut ngx_conf_t,
    parent: *mut c_void,
    child: *mut c_void,
) -> *mut c_char {
    // SAFETY: both are what `create_config::<LocationConfig>` made, for two different contexts.
    unsafe {
        guard((*cf).log, conf_error(), || {
            let mut place = ConfigPlace::new(cf);
            let child = &mut *child.cast::<LocationConfig>();
            match child.inherit(&*parent.cast::<LocationConfig>(), &mut place) {
                Ok(()) => null_mut(),
                Err(()) => conf_error(),
            }
        })
    }
}

unsafe extern "C" fn add_variables(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx gives the configuration that is being read; the names are static.
    unsafe {
        for (index, variable) in Variable::ALL.iter().enumerate() {
            let text = variable_name(*variable);
            let mut text = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
            let added = ngx_http_add_variable(cf, &raw mut text, NGX_HTTP_VAR_NOCACHEABLE as usize);
            if added.is_null() {
                return ERROR;
            }
            (*added).get_handler = Some(get_variable);
            (*added).data = index;
        }
    }
    OK
}

unsafe extern "C" fn get_variable(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    index: usize,
) -> ngx_int_t {
    // SAFETY: nginx gives a live request and the value to fill; the text is in the request's pool.
    // The length of a value has 28 bits; ours are short.
    unsafe {
        guard((*(*r).connection).log, ERROR, || {
            let text = Variable::ALL
                .get(index)
                .and_then(|variable| handlers::variable(&Request::new(r), *variable));
            let Some(text) = text else {
                (*value).set_not_found(1);
                return OK;
            };
            let Some(copy) = copy_into((*r).pool, text.as_bytes()) else { return ERROR };
            (*value).data = copy.data;
            (*value).set_len(copy.len as u32);
            (*value).set_valid(1);
            (*value).set_no_cacheable(1);
            (*value).set_not_found(0);
            OK
        })
    }
}

unsafe extern "C" fn add_phase_handlers(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx gives the configuration that was read.
    unsafe {
        match add_phase_handler(cf, ngx_http_phases_NGX_HTTP_ACCESS_PHASE, Some(access))
            && add_phase_handler(cf, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, Some(precontent))
            && add_phase_handler(cf, ngx_http_phases_NGX_HTTP_LOG_PHASE, Some(record))
        {
            true => OK,
            false => ERROR,
        }
    }
}

/// # Safety
/// `cf` must be the http{} configuration that was just read.
unsafe fn add_phase_handler(
    cf: *mut ngx_conf_t,
    phase: ngx_http_phases,
    handler: ngx_http_handler_pt,
) -> bool {
    // SAFETY: the core module's main configuration holds an array of handlers for every phase.
    unsafe {
        let context: *mut nginx_sys::ngx_http_conf_ctx_t = (*cf).ctx.cast();
        let slot = (*context).main_conf.add(ngx_http_core_module.ctx_index);
        let core: *mut ngx_http_core_main_conf_t = (*slot).cast();
        let handlers = &raw mut (*core).phases[phase as usize].handlers;
        let place: *mut ngx_http_handler_pt = ngx_array_push(handlers).cast();
        if place.is_null() {
            return false;
        }
        *place = handler;
        true
    }
}

macro_rules! request_handlers {
    ($($name:ident = $handle:path;)*) => {
        $(unsafe extern "C" fn $name(r: *mut ngx_http_request_t) -> ngx_int_t {
            // SAFETY: nginx gives a live request.
            unsafe { handle(r, $handle) }
        })*
    };
}

request_handlers! {
    access = handlers::access;
    precontent = handlers::precontent;
    content = handlers::content;
    rewrite = handlers::rewrite;
    record = handlers::record;
    message = handlers::message;
    status = handlers::status;
}

/// # Safety
/// `r` must be a live request.
unsafe fn handle(r: *mut ngx_http_request_t, handle: fn(&mut Request) -> Code) -> Code {
    // SAFETY: the caller guarantees the request.
    unsafe { guard((*(*r).connection).log, 500, || handle(&mut Request::new(r))) }
}

// ---- the modules that only add a handler to a phase

/// An HTTP module that does nothing but add a handler when the configuration was read.
const fn adding(
    postconfiguration: unsafe extern "C" fn(*mut ngx_conf_t) -> ngx_int_t,
) -> ngx_http_module_t {
    ngx_http_module_t {
        preconfiguration: None,
        postconfiguration: Some(postconfiguration),
        create_main_conf: None,
        init_main_conf: None,
        create_srv_conf: None,
        merge_srv_conf: None,
        create_loc_conf: None,
        merge_loc_conf: None,
    }
}

#[allow(non_upper_case_globals, reason = "nginx's way of naming modules")]
static mut ngx_http_micromint_content_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const CONTENT_CONTEXT).cast_mut().cast(),
    type_: NGX_HTTP_MODULE as usize,
    ..ngx_module_t::default()
};

static CONTENT_CONTEXT: Table<ngx_http_module_t> = Table(adding(add_content_handler));

unsafe extern "C" fn add_content_handler(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx gives the configuration that was read.
    match unsafe { add_phase_handler(cf, ngx_http_phases_NGX_HTTP_CONTENT_PHASE, Some(content)) } {
        true => OK,
        false => ERROR,
    }
}

#[allow(non_upper_case_globals, reason = "nginx's way of naming modules")]
static mut ngx_http_micromint_rewrite_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const REWRITE_CONTEXT).cast_mut().cast(),
    type_: NGX_HTTP_MODULE as usize,
    ..ngx_module_t::default()
};

static REWRITE_CONTEXT: Table<ngx_http_module_t> = Table(adding(add_rewrite_handler));

unsafe extern "C" fn add_rewrite_handler(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx gives the configuration that was read.
    match unsafe { add_phase_handler(cf, ngx_http_phases_NGX_HTTP_REWRITE_PHASE, Some(rewrite)) } {
        true => OK,
        false => ERROR,
    }
}

// ---- the filter module

#[allow(non_upper_case_globals, reason = "nginx's way of naming modules")]
static mut ngx_http_micromint_filter_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const FILTER_CONTEXT).cast_mut().cast(),
    type_: NGX_HTTP_MODULE as usize,
    ..ngx_module_t::default()
};

static FILTER_CONTEXT: Table<ngx_http_module_t> = Table(adding(add_filter));

/// The filter after ours. nginx rebuilds its chain whenever it reads a configuration, always in the
/// same order.
static mut NEXT_FILTER: ngx_http_output_header_filter_pt = None;

unsafe extern "C" fn add_filter(_: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx reads configurations and runs filters on one thread, and only that thread
    // touches the chain.
    unsafe {
        NEXT_FILTER = ngx_http_top_header_filter;
        ngx_http_top_header_filter = Some(filter_header);
    }
    OK
}

unsafe extern "C" fn filter_header(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx gives a live request, on the thread that built the chain; the next filter is
    // nginx's own.
    unsafe {
        if (*r).main == r {
            let rc = guard((*(*r).connection).log, ERROR, || {
                handlers::filter_header(&mut Request::new(r))
            });
            if rc != OK {
                return rc;
            }
        }
        match NEXT_FILTER {
            Some(next) => next(r),
            None => DECLINED,
        }
    }
}
