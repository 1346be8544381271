//! nginx's configuration, while it is being read and afterwards.

use std::ffi::c_void;
use std::path::PathBuf;

use micromint::vendor::Gauges;
use micromint::vendor::gate::Vendors;
use nginx_sys::{
    NGX_LOG_EMERG, NGX_LOG_WARN, ngx_conf_full_name, ngx_conf_log_error, ngx_conf_open_file,
    ngx_conf_t, ngx_core_conf_t, ngx_core_module, ngx_cycle_t, ngx_http_compile_complex_value,
    ngx_http_compile_complex_value_t, ngx_http_complex_value_t, ngx_log_error_core, ngx_palloc,
    ngx_str_t, ngx_thread_pool_add, ngx_uint_t,
};

use super::counters::CounterZone;
use super::event_log::LogFile;
use super::tables::{ngx_http_micromint_module, ngx_micromint_module};
use super::threads::ThreadPool;
use super::{Log, bytes, copy_into};
use crate::module::{LocationConfig, ServerConfig};

/// The module's state of a whole configuration, for as long as it is in use.
#[derive(Default)]
pub(crate) struct ModuleConfig {
    /// The vendors that its servers name.
    pub(crate) vendors: Vendors,
    /// The counters of all workers and all vendors.
    pub(super) counters: Option<CounterZone>,
}

/// A price or another value that may contain variables, compiled. It lives as long as its
/// configuration.
#[derive(Clone, Copy)]
pub(crate) struct ComplexValue(*mut ngx_http_complex_value_t);

impl ComplexValue {
    pub(super) fn as_ptr(&self) -> *mut ngx_http_complex_value_t {
        self.0
    }
}

/// The place in the configuration that is being read.
pub(crate) struct ConfigPlace(*mut ngx_conf_t);

impl ConfigPlace {
    /// # Safety
    /// `cf` must be nginx's argument of the callback that makes this, and must not outlive it.
    pub(super) unsafe fn new(cf: *mut ngx_conf_t) -> ConfigPlace {
        ConfigPlace(cf)
    }

    /// The words of the directive, starting with its name.
    pub(crate) fn words(&self) -> Vec<&[u8]> {
        // SAFETY: while a directive is set, `args` is an array of strings that live in the
        // configuration's pool.
        unsafe {
            let args = (*self.0).args;
            let words = std::slice::from_raw_parts((*args).elts.cast::<ngx_str_t>(), (*args).nelts);
            words.iter().map(|word| bytes(*word)).collect()
        }
    }

    /// A path; relative paths are relative to the folder of nginx.conf.
    pub(crate) fn full_path(&self, path: &[u8]) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt;
        // SAFETY: the configuration's pool is live; the name is a copy that ends in a zero byte.
        unsafe {
            let mut name = copy_into((*self.0).pool, &[path, b"\0"].concat())?;
            name.len = path.len();
            if ngx_conf_full_name((*self.0).cycle, &raw mut name, 1) != 0 {
                return None;
            }
            Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes(name))))
        }
    }

    /// The current position in the configuration as `file:line`.
    pub(crate) fn position(&self) -> String {
        // SAFETY: while directives are set there is a file, unless they come from the command line.
        unsafe {
            let file = (*self.0).conf_file;
            if file.is_null() {
                return "the command line".to_string();
            }
            format!("{}:{}", String::from_utf8_lossy(bytes((*file).file.name)), (*file).line)
        }
    }

    /// Compiles a value with variables. `None` if nginx refused it and logged why.
    pub(crate) fn compile(&mut self, text: &[u8]) -> Option<ComplexValue> {
        // SAFETY: the compiled value and its text are in the configuration's pool, so they live as
        // long as the configuration, like everything that holds the result.
        unsafe {
            let pool = (*self.0).pool;
            let mut text = copy_into(pool, text)?;
            let value: *mut ngx_http_complex_value_t =
                ngx_palloc(pool, size_of::<ngx_http_complex_value_t>()).cast();
            if value.is_null() {
                return None;
            }
            std::ptr::write_bytes(value, 0, 1);
            let mut compile: ngx_http_compile_complex_value_t = std::mem::zeroed();
            compile.cf = self.0;
            compile.value = &raw mut text;
            compile.complex_value = value;
            (ngx_http_compile_complex_value(&raw mut compile) == 0).then_some(ComplexValue(value))
        }
    }

    /// The thread pool `default`, created if the configuration does not name it.
    pub(crate) fn thread_pool(&mut self) -> Option<ThreadPool> {
        // SAFETY: the configuration is being read; a null name stands for `default`.
        let pool = unsafe { ngx_thread_pool_add(self.0, std::ptr::null_mut()) };
        (!pool.is_null()).then_some(ThreadPool(pool))
    }

    /// Makes the workers share counters. `None` if nginx refused it and logged why.
    pub(crate) fn share_counters(&mut self) -> Option<()> {
        // SAFETY: the configuration is being read.
        let zone = unsafe { CounterZone::add(self.0)? };
        self.module().counters = Some(zone);
        Some(())
    }

    /// A log file, opened when the whole configuration was read. Relative names are relative to
    /// nginx's prefix. `None` if nginx refused it and logged why.
    pub(crate) fn log_file(&mut self, path: &[u8]) -> Option<LogFile> {
        // SAFETY: the name is a copy in the configuration's pool that ends with a zero byte.
        unsafe {
            let mut name = copy_into((*self.0).pool, &[path, b"\0"].concat())?;
            name.len = path.len();
            let file = ngx_conf_open_file((*self.0).cycle, &raw mut name);
            (!file.is_null()).then_some(LogFile(file))
        }
    }

    /// The module's state of the whole configuration.
    pub(crate) fn module(&mut self) -> &mut ModuleConfig {
        // SAFETY: created by our core module when it was loaded, before any directive. Only one
        // callback runs at a time, and the borrow of self limits it to one borrow within that.
        unsafe { &mut *module_of((*self.0).cycle) }
    }

    /// Our configuration of the server that is being read.
    pub(crate) fn server(&self) -> &ServerConfig {
        // SAFETY: within http{} the context is an HTTP context whose slots our callbacks have
        // filled.
        unsafe {
            let context: *mut nginx_sys::ngx_http_conf_ctx_t = (*self.0).ctx.cast();
            &*server_of((*context).srv_conf)
        }
    }

    /// Refuses the configuration: `[emerg]`, with file and line.
    pub(crate) fn refuse(&mut self, reason: &str) {
        // SAFETY: `%*s` takes a length and a pointer, both of `reason`.
        unsafe {
            let (len, data) = (reason.len(), reason.as_ptr());
            ngx_conf_log_error(NGX_LOG_EMERG as ngx_uint_t, self.0, 0, c"%*s".as_ptr(), len, data);
        }
    }

    /// Refuses the configuration because of another place in it.
    pub(crate) fn refuse_at(&mut self, position: &str, reason: &str) {
        // SAFETY: as in `refuse`.
        unsafe { emergency((*self.0).log, &format!("{reason} in {position}")) }
    }
}

/// What a newly read configuration, or a newly forked worker, knows of its surroundings.
pub(crate) struct Worker {
    cycle: *mut ngx_cycle_t,
}

impl Worker {
    /// # Safety
    /// `cycle` must be nginx's argument of the callback that makes this, and must not outlive it.
    pub(super) unsafe fn new(cycle: *mut ngx_cycle_t) -> Worker {
        Worker { cycle }
    }

    /// The module's state of the whole configuration.
    pub(crate) fn module(&self) -> &ModuleConfig {
        // SAFETY: created when our module was loaded; nothing changes it any more.
        unsafe { &*module_of(self.cycle) }
    }

    /// Whether this process only tests the configuration.
    pub(crate) fn is_only_test(&self) -> bool {
        // SAFETY: a plain number of nginx, set when it started.
        unsafe { nginx_sys::ngx_test_config != 0 }
    }

    /// User and group of the workers, if this process may change the owner of files.
    pub(crate) fn owner(&self) -> Option<(u32, u32)> {
        // SAFETY: the core module's configuration is created before all others; `geteuid` cannot
        // fail.
        unsafe {
            let core: *mut ngx_core_conf_t =
                (*(*self.cycle).conf_ctx.add(ngx_core_module.index)).cast();
            // The value is NGX_CONF_UNSET_UINT if no user is set, as for a master that is not root.
            let is_set = (*core).user != u32::MAX && (*core).group != u32::MAX;
            (nginx_sys::geteuid() == 0 && is_set).then_some(((*core).user, (*core).group))
        }
    }

    /// The log of this configuration.
    pub(crate) fn log(&self) -> Log {
        // SAFETY: a cycle has a log.
        Log(unsafe { (*self.cycle).log })
    }

    /// Refuses the configuration because of a place in it.
    pub(crate) fn refuse_at(&self, position: &str, reason: &str) {
        // SAFETY: a cycle has a log.
        unsafe { emergency((*self.cycle).log, &format!("{reason} in {position}")) }
    }

    /// Warns about the configuration: in the error log if its level allows that, and, while nginx
    /// starts, on its standard error in any case.
    pub(crate) fn warn(&self, text: &str) {
        // SAFETY: a cycle has a log.
        unsafe { report(NGX_LOG_WARN, (*self.cycle).log, &format!("micromint: {text}")) }
    }
}

/// # Safety
/// `log` must be live.
unsafe fn emergency(log: *mut nginx_sys::ngx_log_t, text: &str) {
    // SAFETY: the caller guarantees it.
    unsafe { report(NGX_LOG_EMERG, log, text) }
}

/// # Safety
/// `log` must be live.
unsafe fn report(level: u32, log: *mut nginx_sys::ngx_log_t, text: &str) {
    // SAFETY: `%*s` takes a length and a pointer, both of `text`.
    unsafe {
        let (len, data) = (text.len(), text.as_ptr());
        ngx_log_error_core(level as ngx_uint_t, log, 0, c"%*s".as_ptr(), len, data);
    }
}

/// What is measured of all vendors.
pub(crate) fn gauges() -> Gauges {
    let vendors = current_module().map_or(&[][..], |module| module.vendors.all());
    vendors.iter().map(|vendor| vendor.gauges()).sum()
}

/// The module's state of the configuration in use.
pub(super) fn current_module() -> Option<&'static ModuleConfig> {
    // SAFETY: nginx's current cycle outlives every callback of a request. Our core module is loaded
    // in it, because this is its code, and nothing changes what it made any more.
    unsafe { module_of(nginx_sys::ngx_cycle).cast_const().as_ref() }
}

/// # Safety
/// `cycle` must be a cycle in which our core module is loaded.
unsafe fn module_of(cycle: *mut ngx_cycle_t) -> *mut ModuleConfig {
    // SAFETY: the slot of our core module holds what its `create_conf` made.
    unsafe { (*(*cycle).conf_ctx.add(ngx_micromint_module.index)).cast() }
}

/// # Safety
/// `slots` must be the location slots of an HTTP context made after our module was loaded.
pub(super) unsafe fn location_of(slots: *mut *mut c_void) -> *mut LocationConfig {
    // SAFETY: our slot holds what `create_loc_conf` made.
    unsafe { (*slots.add(ngx_http_micromint_module.ctx_index)).cast() }
}

/// # Safety
/// `slots` must be the server slots of an HTTP context made after our module was loaded.
pub(super) unsafe fn server_of(slots: *mut *mut c_void) -> *mut ServerConfig {
    // SAFETY: our slot holds what `create_srv_conf` made.
    unsafe { (*slots.add(ngx_http_micromint_module.ctx_index)).cast() }
}
