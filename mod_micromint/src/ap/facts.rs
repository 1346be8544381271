//! What is known about the client and the requested file before anything is served.

use std::net::IpAddr;

use micromint::time::UnixTime;

use super::bindings::{
    AP_FTYPE_CONTENT_SET, APR_REG, ap_get_module_config, ap_make_etag, core_dir_config,
    core_module, request_rec,
};
use super::{Request, bytes};

/// A file that Apache's default handler is about to send.
pub(crate) struct StaticFile<'a> {
    /// Its entity tag as Apache makes it, with quotes; `None` with `FileETag None`.
    pub(crate) etag: Option<&'a [u8]>,
    /// Its modification time.
    pub(crate) last_modified: UnixTime,
    /// Its size; `None` with `MaxRanges none`.
    pub(crate) size: Option<u64>,
}

impl<'a> Request<'a> {
    /// The address of the client: that of the connection, or the one from mod_remoteip.
    pub(crate) fn client(self) -> Option<IpAddr> {
        // SAFETY: the request is live.
        let text = unsafe { bytes((*self.as_ptr()).useragent_ip) };
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    /// The file that the default handler will send for this request; `None` if something else makes
    /// or changes the content, or might.
    pub(crate) fn static_file(self) -> Option<StaticFile<'a>> {
        let r = self.as_ptr();
        // SAFETY: the request and its configuration are live; a tag is in the request's pool.
        unsafe {
            let is_file = (*r).finfo.filetype == APR_REG
                && (*r).proxyreq == 0
                && bytes((*r).path_info).is_empty();
            if !is_file
                || (*r).no_local_copy != 0
                || !has_default_handler(r)
                || has_content_filter(r)
            {
                return None;
            }
            let core: *const core_dir_config =
                ap_get_module_config((*r).per_dir_config, &raw const core_module).cast();
            let etag = bytes(ap_make_etag(r, 0));
            Some(StaticFile {
                etag: (!etag.is_empty()).then_some(etag),
                last_modified: UnixTime((*r).finfo.mtime.div_euclid(1_000_000)),
                size: ((*core).max_ranges != 0).then_some(u64::try_from((*r).finfo.size).ok()?),
            })
        }
    }
}

/// Whether only the default handler will take the request: Apache names a handler by the type of
/// the content if no directive does.
///
/// # Safety
/// `r` must be a live request.
unsafe fn has_default_handler(r: *const request_rec) -> bool {
    // SAFETY: the caller guarantees the request.
    let (handler, kind) = unsafe { (bytes((*r).handler), bytes((*r).content_type)) };
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    handler.is_empty() || handler == b"default-handler" || handler == kind.trim_ascii_end()
}

/// Whether a filter changes the content: server-side includes and the like.
///
/// # Safety
/// `r` must be a live request.
unsafe fn has_content_filter(r: *const request_rec) -> bool {
    // SAFETY: the filters of a live request are a list that ends with null.
    unsafe {
        let mut filter = (*r).output_filters;
        while !filter.is_null() {
            if (*(*filter).frec).ftype < AP_FTYPE_CONTENT_SET {
                return true;
            }
            filter = (*filter).next;
        }
    }
    false
}
