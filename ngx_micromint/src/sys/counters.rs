//! The counters of all workers, in shared memory that survives a reload.

use std::ffi::c_void;

use micromint::vendor::Counters;
use nginx_sys::{
    ngx_conf_t, ngx_int_t, ngx_shared_memory_add, ngx_shm_zone_t, ngx_slab_calloc, ngx_slab_pool_t,
    ngx_str_t,
};

use super::tables::ngx_http_micromint_module;
use super::{ERROR, OK};

/// The smallest zone that nginx manages as a slab pool; the counters take a few hundred bytes of
/// it.
const ZONE_SIZE: usize = 64 * 1024;

/// The zone of a configuration that holds the counters.
#[derive(Clone, Copy)]
pub(crate) struct CounterZone(*mut ngx_shm_zone_t);

impl CounterZone {
    /// Asks nginx for the zone. nginx creates it when it has read the whole configuration, or takes
    /// it over from the previous configuration. `None` if nginx refused it and logged why.
    ///
    /// # Safety
    /// `cf` must be the configuration that is being read.
    pub(super) unsafe fn add(cf: *mut ngx_conf_t) -> Option<CounterZone> {
        const NAME: &str = "micromint";
        let mut name = ngx_str_t { len: NAME.len(), data: NAME.as_ptr().cast_mut() };
        // SAFETY: the name is static; the tag is an address that no other module uses.
        unsafe {
            let tag = (&raw mut ngx_http_micromint_module).cast();
            let zone = ngx_shared_memory_add(cf, &raw mut name, ZONE_SIZE, tag);
            if zone.is_null() {
                return None;
            }
            (*zone).init = Some(init_zone);
            Some(CounterZone(zone))
        }
    }

    /// The counters.
    pub(super) fn counters(&self) -> Option<&Counters> {
        // SAFETY: the zone lives as long as the configuration that holds this value. Its data is
        // null or what `init_zone` stored there, which is never freed. Counters are atomic numbers,
        // valid in any state.
        unsafe { (*self.0).data.cast::<Counters>().cast_const().as_ref() }
    }
}

/// Called when nginx has created the zone, or taken it over with the `data` of the previous
/// configuration.
unsafe extern "C" fn init_zone(zone: *mut ngx_shm_zone_t, data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx gives the zone with its memory mapped and, at its beginning, an initialised
    // slab pool. Zeroed memory is a valid value; slabs of this size are aligned to at least 8
    // bytes.
    unsafe {
        if !data.is_null() {
            (*zone).data = data;
            return OK;
        }
        let pool: *mut ngx_slab_pool_t = (*zone).shm.addr.cast();
        let counters = ngx_slab_calloc(pool, size_of::<Counters>());
        if counters.is_null() {
            return ERROR;
        }
        (*pool).data = counters;
        (*zone).data = counters;
        OK
    }
}
