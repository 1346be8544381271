//! Counters in memory that all children share and that survives a restart.

use std::ffi::{CString, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use micromint::vendor::Counters;

use super::bindings::{
    apr_pool_t, apr_pool_userdata_get, apr_pool_userdata_set, apr_shm_baseaddr_get, apr_shm_create,
    apr_shm_t,
};

static COUNTERS: AtomicPtr<Counters> = AtomicPtr::new(null_mut());

/// Creates the counters, or finds them. Without memory for them nothing is counted.
///
/// # Safety
/// `pool` must be that of the process, and this the parent's only thread.
pub(super) unsafe fn share(pool: *mut apr_pool_t) {
    // A module of another version may count other things. The key is copied: it outlives this
    // module.
    let key = format!(
        "mod_micromint counters, {} of {}",
        size_of::<Counters>(),
        env!("CARGO_PKG_VERSION")
    );
    let Ok(key) = CString::new(key) else { return };
    let mut memory: *mut c_void = null_mut();
    // SAFETY: the pool is live. Shared memory starts as zero bytes on a page boundary, which is the
    // initial value of counters; its own cleanup belongs to APR, which is never unloaded.
    unsafe {
        apr_pool_userdata_get(&raw mut memory, key.as_ptr(), pool);
        if memory.is_null() {
            let mut segment: *mut apr_shm_t = null_mut();
            if apr_shm_create(&raw mut segment, size_of::<Counters>(), std::ptr::null(), pool) != 0
            {
                return;
            }
            memory = apr_shm_baseaddr_get(segment);
            apr_pool_userdata_set(memory, key.as_ptr(), None, pool);
        }
    }
    COUNTERS.store(memory.cast(), Ordering::Relaxed);
}

/// The counters, if there are any.
pub(crate) fn counters() -> Option<&'static Counters> {
    // SAFETY: memory that `share` found is never freed; counters are atomic numbers.
    unsafe { COUNTERS.load(Ordering::Relaxed).as_ref() }
}
