//! What Apache finds in the shared object: the module, its directives, and how their values are
//! created and merged.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

use super::bindings::{
    ACCESS_CONF, MODULE_MAGIC_COOKIE, MODULE_MAGIC_NUMBER_MAJOR, MODULE_MAGIC_NUMBER_MINOR,
    OR_AUTHCFG, RSRC_CONF, TAKE1, apr_pool_t, cmd_func, cmd_how, cmd_parms, command_rec, module,
    server_rec,
};
use super::config::ConfigPlace;
use super::{Log, bytes, copy_into, guard, hooks, keep_in, place_in};
use crate::module::{self as directives, PlaceConfig, ServerConfig};

/// The one symbol that `LoadModule micromint_module` looks for.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "Apache's way of naming modules")]
pub(super) static mut micromint_module: module = module {
    version: MODULE_MAGIC_NUMBER_MAJOR as c_int,
    minor_version: MODULE_MAGIC_NUMBER_MINOR as c_int,
    module_index: -1,
    name: c"mod_micromint.c".as_ptr(),
    dynamic_load_handle: null_mut(),
    next: null_mut(),
    magic: MODULE_MAGIC_COOKIE as _,
    rewrite_args: None,
    create_dir_config: Some(create_place),
    merge_dir_config: Some(merge_place),
    create_server_config: Some(create_server),
    merge_server_config: Some(merge_server),
    cmds: (&raw const COMMANDS).cast(),
    register_hooks: Some(hooks::register),
    flags: 0,
};

/// The number that Apache assigned to the module.
pub(super) fn module_index() -> c_int {
    // SAFETY: a plain number, written when the module is loaded, before any of our functions runs.
    unsafe { micromint_module.module_index }
}

// ---- directives

/// A table that only Apache reads.
#[repr(transparent)]
struct Table<T>(T);

// SAFETY: the table holds pointers to statics that nothing writes.
unsafe impl<T> Sync for Table<T> {}

/// Servers and virtual hosts.
const SERVERS: u32 = RSRC_CONF;
/// Those, and directories and similar sections.
const SECTIONS: u32 = RSRC_CONF | ACCESS_CONF;
/// Those, and `.htaccess` files: a user who may protect a place may also price it (AllowOverride
/// AuthConfig).
const PLACES: u32 = SECTIONS | OR_AUTHCFG;

static COMMANDS: Table<[command_rec; 12]> = Table([
    command(c"MicroMintConfig", set_config, SERVERS, c"the configuration file of the vendor"),
    command(
        c"MicroMint",
        set_gate,
        PLACES,
        c"On, Off or Require: whether pages can have a price here",
    ),
    command(
        c"MicroMintPrice",
        set_price,
        PLACES,
        c"the price, in coins or as an expression, of pages without a price file",
    ),
    command(
        c"MicroMintSubrequests",
        set_subrequests,
        PLACES,
        c"Allow or Refuse: whether a page can include pages that have a price",
    ),
    command(
        c"MicroMintReceiptPath",
        set_receipt_path,
        PLACES,
        c"the path that a receipt is valid for: a path, an expression or Off",
    ),
    command(
        c"MicroMintPriceFiles",
        set_price_files,
        PLACES,
        c"On or Off: whether to read the price of NAME from the file NAME.mm",
    ),
    command(
        c"MicroMintExemptions",
        set_exemptions,
        PLACES,
        c"On or Off: whether /robots.txt and other technical paths are free",
    ),
    command(
        c"MicroMintRedirects",
        set_redirects,
        PLACES,
        c"Charge or Reverse: whether a redirect by the content is what is sold",
    ),
    command(
        c"MicroMintFreeViews",
        set_free_views,
        PLACES,
        c"how many pages a visitor can see per day without paying",
    ),
    command(
        c"MicroMintDryRun",
        set_dry_run,
        PLACES,
        c"On or Off: log what would be charged, and charge nothing",
    ),
    command(
        c"MicroMintLog",
        set_log,
        SECTIONS,
        c"Off, Plain or JSON: the format of events in the error log",
    ),
    END,
]);

type Setter = unsafe extern "C" fn(*mut cmd_parms, *mut c_void, *const c_char) -> *const c_char;

const fn command(
    name: &'static CStr,
    set: Setter,
    contexts: u32,
    help: &'static CStr,
) -> command_rec {
    command_rec {
        name: name.as_ptr(),
        func: cmd_func { take1: Some(set) },
        cmd_data: null_mut(),
        req_override: contexts as c_int,
        args_how: TAKE1 as cmd_how,
        errmsg: help.as_ptr(),
    }
}

const END: command_rec = command_rec {
    name: std::ptr::null(),
    func: cmd_func { take1: None },
    cmd_data: null_mut(),
    req_override: 0,
    args_how: 0,
    errmsg: std::ptr::null(),
};

/// Sets the value of a directive. Apache shows a returned text, with the directive's file and line.
///
/// # Safety
/// `cmd` must be Apache's argument of the callback, `config` our configuration of type `T` for this
/// place.
unsafe fn set<T>(
    cmd: *mut cmd_parms,
    config: *mut T,
    word: *const c_char,
    set: fn(&mut ConfigPlace, &mut T, &[u8]) -> Result<(), String>,
) -> *const c_char {
    // SAFETY: the caller guarantees the pointers; no other borrow of the configuration exists.
    unsafe {
        let outcome = guard(Log::Server((*cmd).server), Err("panic".to_string()), || {
            set(&mut ConfigPlace::new(cmd), &mut *config, bytes(word))
        });
        match outcome {
            Ok(()) => std::ptr::null(),
            Err(reason) => {
                let name = String::from_utf8_lossy(bytes((*(*cmd).cmd).name)).into_owned();
                copy_into((*cmd).pool, format!("{name}: {reason}").as_bytes())
            }
        }
    }
}

unsafe extern "C" fn set_config(
    cmd: *mut cmd_parms,
    _: *mut c_void,
    word: *const c_char,
) -> *const c_char {
    // SAFETY: this directive is for servers, whose slot holds what `create_server` made. While the
    // configuration is read, nothing else refers to it.
    unsafe {
        let config = super::config::server_of((*cmd).server).cast_mut();
        set(cmd, config, word, directives::set_config)
    }
}

macro_rules! place_setters {
    ($($name:ident = $set:path;)*) => {
        $(unsafe extern "C" fn $name(
            cmd: *mut cmd_parms,
            config: *mut c_void,
            word: *const c_char,
        ) -> *const c_char {
            // SAFETY: directives that are not for servers alone get what `create_place` made.
            unsafe { set::<PlaceConfig>(cmd, config.cast(), word, $set) }
        })*
    };
}

place_setters! {
    set_gate = directives::set_gate;
    set_price = directives::set_price;
    set_subrequests = directives::set_subrequests;
    set_receipt_path = directives::set_receipt_path;
    set_price_files = directives::set_price_files;
    set_exemptions = directives::set_exemptions;
    set_redirects = directives::set_redirects;
    set_free_views = directives::set_free_views;
    set_dry_run = directives::set_dry_run;
    set_log = directives::set_log;
}

// ---- configurations

unsafe extern "C" fn create_server(pool: *mut apr_pool_t, _: *mut server_rec) -> *mut c_void {
    // SAFETY: Apache gives the configuration's pool, whose clearing drops the value.
    unsafe { keep_in(pool, ServerConfig::default()).cast() }
}

unsafe extern "C" fn merge_server(
    pool: *mut apr_pool_t,
    outer: *mut c_void,
    own: *mut c_void,
) -> *mut c_void {
    // SAFETY: both were made by `create_server` or by this function.
    unsafe {
        let merged =
            ServerConfig::merged(&*outer.cast::<ServerConfig>(), &*own.cast::<ServerConfig>());
        keep_in(pool, merged).cast()
    }
}

unsafe extern "C" fn create_place(pool: *mut apr_pool_t, _: *mut c_char) -> *mut c_void {
    // SAFETY: Apache gives a live pool; the value needs no dropping.
    unsafe { place_in(pool, PlaceConfig::NONE).cast() }
}

unsafe extern "C" fn merge_place(
    pool: *mut apr_pool_t,
    outer: *mut c_void,
    own: *mut c_void,
) -> *mut c_void {
    // SAFETY: both were made by `create_place` or by this function.
    unsafe {
        let merged = (*own.cast::<PlaceConfig>()).within(&*outer.cast::<PlaceConfig>());
        place_in(pool, merged).cast()
    }
}
