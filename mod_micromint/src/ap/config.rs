//! Apache's configuration, while it is being read and afterwards.

use std::ffi::{CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::null_mut;
use std::sync::Arc;

use micromint::vendor::gate::{Mode, Vendors};
use micromint::vendor::{Price, Vendor};

use super::bindings::{
    AP_EXPR_FLAG_RESTRICTED_FILE_FUNC, AP_EXPR_FLAG_STRING_RESULT, AP_SQ_CONFIG_GEN,
    AP_SQ_MAIN_STATE, AP_SQ_MS_CREATE_PRE_CONFIG, NOT_IN_HTACCESS, ap_check_cmd_context,
    ap_expr_info_t, ap_expr_parse_cmd_mi, ap_get_module_config, ap_server_root_relative,
    ap_state_query, ap_unixd_config, apr_pool_cleanup_null, apr_pool_t, apr_pool_userdata_get,
    apr_pool_userdata_setn, cmd_parms, geteuid, server_rec,
};
use super::tables::{micromint_module, module_index};
use super::{Level, Log, bytes, copy_into, counters, keep_in};
use crate::module::ServerConfig;

/// The module's state of a whole configuration, for as long as it is in use.
#[derive(Default)]
pub(crate) struct ModuleConfig {
    /// The vendors that its servers name.
    pub(crate) vendors: Vendors,
    gates: Vec<GatePlace>,
    /// Whether there is a `Require micromint` outside of `.htaccess` files.
    has_require_line: bool,
}

/// A place where the paywall is switched on.
#[derive(Clone)]
pub(crate) struct GatePlace {
    server: *const server_rec,
    /// Its price, if that is not computed.
    price: Option<Price>,
    /// Whether only what `Require micromint` lets in pays.
    needs_require_line: bool,
    /// The directive that switches it on.
    pub(crate) directive: &'static str,
    /// File and line.
    pub(crate) position: String,
}

/// A price that is computed; it lives as long as its configuration.
#[derive(Clone, Copy)]
pub(crate) struct Expression(*const ap_expr_info_t);

impl Expression {
    pub(super) fn as_ptr(self) -> *const ap_expr_info_t {
        self.0
    }
}

/// A text of the configuration; it lives as long as the configuration.
#[derive(Clone, Copy)]
pub(crate) struct Text(*const c_char);

impl Text {
    /// Its bytes.
    pub(crate) fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: a copy in the configuration's pool that nothing changes. A configuration is only
        // held during a callback, which does not outlive the pool.
        unsafe { bytes(self.0) }
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// The place in the configuration that is being read.
pub(crate) struct ConfigPlace(*mut cmd_parms);

impl ConfigPlace {
    /// # Safety
    /// `cmd` must be Apache's argument of the callback that makes this, and must not outlive it.
    pub(super) unsafe fn new(cmd: *mut cmd_parms) -> ConfigPlace {
        ConfigPlace(cmd)
    }

    /// A path; relative paths are relative to ServerRoot.
    pub(crate) fn server_relative(&self, path: &[u8]) -> Option<PathBuf> {
        let path = CString::new(path).ok()?;
        // SAFETY: the pool is live; the result is null or in the pool.
        let full = unsafe {
            let full = ap_server_root_relative((*self.0).pool, path.as_ptr());
            (!full.is_null()).then(|| bytes(full))?
        };
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(full)))
    }

    /// The current position in the configuration as `file:line`.
    pub(crate) fn position(&self) -> String {
        // SAFETY: a directive that is being read has a position, or comes from the command line.
        unsafe {
            let directive = (*self.0).directive;
            if directive.is_null() || (*directive).filename.is_null() {
                return "the command line".to_string();
            }
            format!(
                "{}:{}",
                String::from_utf8_lossy(bytes((*directive).filename)),
                (*directive).line_num
            )
        }
    }

    /// Records that the paywall is switched on here, to be checked when everything is read.
    /// Paywalls in `.htaccess` files are only seen at requests.
    pub(crate) fn note_gate(&mut self, directive: &'static str, mode: Mode, price: Option<Price>) {
        if self.is_htaccess() {
            return;
        }
        // SAFETY: the server lives as long as the configuration.
        let server = unsafe { (*self.0).server };
        let (position, needs_require_line) = (self.position(), mode == Mode::Require);
        let gate = GatePlace { server, price, needs_require_line, directive, position };
        self.module().gates.push(gate);
    }

    /// Records that there is a `Require micromint`.
    pub(super) fn note_require_line(&mut self) {
        if !self.is_htaccess() {
            self.module().has_require_line = true;
        }
    }

    /// Parses an expression whose value is a text. In an `.htaccess` file it may not read files.
    pub(crate) fn parse_expression(&mut self, text: &[u8]) -> Result<Expression, String> {
        let text = CString::new(text).map_err(|error| error.to_string())?;
        let restriction = if self.is_htaccess() { AP_EXPR_FLAG_RESTRICTED_FILE_FUNC } else { 0 };
        let mut error = std::ptr::null();
        // SAFETY: the expression is made in the configuration's pool, with a copy of its text, so
        // it lives as long as everything that holds the result.
        unsafe {
            let text = copy_into((*self.0).pool, text.as_bytes());
            let flags = AP_EXPR_FLAG_STRING_RESULT | restriction;
            let parsed =
                ap_expr_parse_cmd_mi(self.0, text, flags, &raw mut error, None, module_index());
            if error.is_null() && !parsed.is_null() {
                return Ok(Expression(parsed));
            }
            Err(format!(
                "the expression cannot be parsed: {}",
                String::from_utf8_lossy(bytes(error))
            ))
        }
    }

    /// Keeps a text for as long as the configuration.
    pub(crate) fn keep(&mut self, text: &[u8]) -> Text {
        // SAFETY: the pool is the configuration's.
        unsafe { Text(copy_into((*self.0).pool, text)) }
    }

    /// The module's state of the whole configuration. Not for `.htaccess` files.
    pub(crate) fn module(&mut self) -> &mut ModuleConfig {
        // SAFETY: only one callback runs while a configuration is read, and the borrow of self
        // limits it to one borrow within that.
        unsafe { &mut *module_config((*self.0).pool) }
    }

    fn is_htaccess(&self) -> bool {
        // SAFETY: queries what is being read and changes nothing.
        unsafe { !ap_check_cmd_context(self.0, NOT_IN_HTACCESS).is_null() }
    }
}

/// Apache's parent process after a configuration was read, or a child that was just forked.
pub(crate) struct Parent {
    pool: *mut apr_pool_t,
    server: *mut server_rec,
}

impl Parent {
    /// # Safety
    /// `pool` must be the configuration's pool and `server` the main server, of the callback that
    /// makes this.
    pub(super) unsafe fn new(pool: *mut apr_pool_t, server: *mut server_rec) -> Parent {
        Parent { pool, server }
    }

    /// All vendors of the configuration.
    pub(crate) fn vendors(&self) -> &Vendors {
        &self.module().vendors
    }

    /// The places that switch on the paywall but have no vendor. Those of the main server count for
    /// its virtual hosts too.
    pub(crate) fn gates_without_vendor(&self) -> Vec<GatePlace> {
        let gates = self.module().gates.iter();
        gates.filter(|gate| self.vendors_at(gate).next().is_none()).cloned().collect()
    }

    /// The places where `Require micromint` must let in what pays, if no place has that line.
    pub(crate) fn gates_without_require_line(&self) -> impl Iterator<Item = &GatePlace> {
        let module = self.module();
        module.gates.iter().filter(|gate| gate.needs_require_line && !module.has_require_line)
    }

    /// The fixed prices that a vendor cannot express in coins: file and line, and why.
    pub(crate) fn prices_without_coins(&self) -> Vec<(String, String)> {
        let fault = |gate: &GatePlace| {
            let price = gate.price?;
            let fault = self.vendors_at(gate).find_map(|vendor| vendor.coins(price).err())?;
            Some((gate.position.clone(), fault.to_string()))
        };
        self.module().gates.iter().filter_map(fault).collect()
    }

    /// The vendors for whom a place switches on the paywall.
    fn vendors_at(&self, gate: &GatePlace) -> impl Iterator<Item = &Arc<Vendor>> {
        let (own, main) = (gate.server, std::ptr::eq(self.server, gate.server));
        let servers = self.servers().filter(move |server| main || std::ptr::eq(*server, own));
        // SAFETY: the configuration's servers are live, and our slot was filled when they were
        // made.
        servers.filter_map(|server| unsafe { &*server_of(server) }.vendor())
    }

    /// Whether Apache will read the configuration again before it serves: it does so once at start.
    pub(crate) fn is_first_pass(&self) -> bool {
        // SAFETY: reads a number.
        unsafe { ap_state_query(AP_SQ_MAIN_STATE as i32) == AP_SQ_MS_CREATE_PRE_CONFIG as i32 }
    }

    /// Whether a running server has read its configuration again.
    pub(crate) fn is_restart(&self) -> bool {
        // SAFETY: reads a number.
        unsafe { ap_state_query(AP_SQ_CONFIG_GEN as i32) > 0 }
    }

    /// User and group of the children, if this process may change the owner of files.
    pub(crate) fn owner(&self) -> Option<(u32, u32)> {
        // SAFETY: set while the configuration is read; `geteuid` cannot fail.
        unsafe { (geteuid() == 0).then_some((ap_unixd_config.user_id, ap_unixd_config.group_id)) }
    }

    /// Creates the counters that all children share, or finds those from before a restart.
    pub(crate) fn share_counters(&self) {
        // SAFETY: the process's pool outlives every configuration and every child.
        unsafe { counters::share((*(*self.server).process).pool) }
    }

    /// The main error log.
    pub(crate) fn log(&self) -> Log {
        Log::Server(self.server)
    }

    /// Reports that something at a place of the configuration is wrong.
    pub(crate) fn refuse_at(&self, position: &str, reason: &str) {
        self.log().write(Level::Emergency, &format!("{position}: {reason}"));
    }

    /// Warns that something at a place of the configuration may be wrong.
    pub(crate) fn warn_at(&self, position: &str, reason: &str) {
        self.log().write(Level::Warn, &format!("{position}: {reason}"));
    }

    fn servers(&self) -> impl Iterator<Item = *const server_rec> {
        let mut next: *const server_rec = self.server;
        std::iter::from_fn(move || {
            let server = next;
            // SAFETY: the servers of a configuration are a list that ends with null.
            next = (!server.is_null()).then(|| unsafe { (*server).next }.cast_const())?;
            Some(server)
        })
    }

    fn module(&self) -> &ModuleConfig {
        // SAFETY: nothing changes it once the configuration is read.
        unsafe { &*module_config(self.pool) }
    }
}

/// All vendors of the configuration that a server belongs to.
///
/// # Safety
/// `server` must be live, and its configuration completely read.
pub(super) unsafe fn vendors_of<'a>(server: *const server_rec) -> &'a [Arc<Vendor>] {
    let mut data: *mut c_void = null_mut();
    // SAFETY: the pool is that of the configuration in use; the value under our name is what
    // `module_config` stored there, and nothing changes it any more.
    unsafe {
        let pool = (*(*server).process).pconf;
        apr_pool_userdata_get(&raw mut data, MODULE_CONFIG.as_ptr(), pool);
        data.cast::<ModuleConfig>().as_ref().map_or(&[], |module| module.vendors.all())
    }
}

/// The name of the module's state in the pool of a configuration.
const MODULE_CONFIG: &std::ffi::CStr = c"mod_micromint";

/// The module's state of the whole configuration, created now if necessary.
///
/// # Safety
/// `pool` must be the configuration's pool.
unsafe fn module_config(pool: *mut apr_pool_t) -> *mut ModuleConfig {
    let mut data: *mut c_void = null_mut();
    // SAFETY: the value under our name is what was stored there, and is dropped with the pool.
    unsafe {
        if apr_pool_userdata_get(&raw mut data, MODULE_CONFIG.as_ptr(), pool) != 0 || data.is_null()
        {
            data = keep_in(pool, ModuleConfig::default()).cast();
            apr_pool_userdata_setn(data, MODULE_CONFIG.as_ptr(), Some(apr_pool_cleanup_null), pool);
        }
    }
    data.cast()
}

/// # Safety
/// `server` must be a live server of a configuration in which our module is loaded.
pub(super) unsafe fn server_of(server: *const server_rec) -> *const ServerConfig {
    // SAFETY: our slot holds what `create_server` or `merge_server` made.
    unsafe {
        ap_get_module_config((*server).module_config, &raw const micromint_module)
            .cast_const()
            .cast()
    }
}
