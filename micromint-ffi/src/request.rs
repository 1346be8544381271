//! What the paywall sees of an HTTP request, as passed from C.

use std::ffi::c_void;
use std::net::IpAddr;

use micromint_core::time::UnixTime;
use micromint_core::vendor::{Content, Place, Request};

use crate::boundary::{parse, slice, text};
use crate::error::Answer;
use crate::host::refuse_reserved;

/// A header field of a request.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_header {
    /// The name, case-insensitive.
    pub name: *const u8,
    /// Its length.
    pub name_len: usize,
    /// The value.
    pub value: *const u8,
    /// Its length.
    pub value_len: usize,
}

/// What the paywall sees of an HTTP request. Clear it before you fill it:
/// `micromint_request r = {0};`. Its bytes are read only during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_request {
    /// The method as received, such as GET.
    pub method: *const u8,
    /// Its length.
    pub method_len: usize,
    /// The request target exactly as received: path and query, not decoded, not normalised.
    pub target: *const u8,
    /// Its length.
    pub target_len: usize,
    /// The requested host, with its port if one was sent: the authority of a target in absolute
    /// form, otherwise the Host field; NULL if there is none. It selects one of the configured
    /// origins, and a receipt or a recorded payment counts only for the host that it was made for.
    pub host: *const u8,
    /// Its length.
    pub host_len: usize,
    /// The header fields in order. The paywall reads those that carry a payment, and accept,
    /// accept-language, accept-payment, cookie, content-type, origin, range, idempotency-key and the
    /// conditions.
    pub headers: *const micromint_header,
    /// The number of fields.
    pub headers_len: usize,
    /// The whole body, if `is_body_read`.
    pub body: *const u8,
    /// Its length; 0 if there is none.
    pub body_len: usize,
    /// Not 0 if the whole body was read; 0 if it was not read, or is larger than allowed.
    pub is_body_read: u32,
    /// Not 0 if the request came over TLS.
    pub is_https: u32,
    /// The port at which the connection was accepted; 0 if it is not known.
    pub port: u32,
    /// The price of the requested page, in coins; 0 is free. If the vendor has a price list, the
    /// higher of this price and the list's holds, so ask about free pages too.
    pub price: u32,
    /// The number of pages that a visitor sees per UTC day without paying; 0 for none.
    pub free_views: u32,
    /// Not 0 to decide everything, record nothing, and serve the content free.
    pub is_dry_run: u32,
    /// Not 0 if a redirect by the content is what is sold, also for GET: it is charged.
    pub charges_redirects: u32,
    /// A path such as /story/17/: a receipt given here opens everything with the same receipt path
    /// that costs no more. NULL: a receipt opens the one page.
    pub receipt_path: *const u8,
    /// Its length.
    pub receipt_path_len: usize,
    /// The client's IP address as text, for free views: that of the connection, or the one from a
    /// trusted proxy; never a header that the client controls. With NULL there are no free views.
    pub client: *const u8,
    /// Its length.
    pub client_len: usize,
    /// Not 0 if the content is a file that will be sent unchanged and whose next members are known:
    /// conditions and ranges are then decided before a payment is recorded.
    pub is_file: u32,
    /// Not 0 if `last_modified` is known.
    pub has_last_modified: u32,
    /// The time in Last-Modified, in seconds since 1970-01-01 00:00 UTC.
    pub last_modified: i64,
    /// The entity tag as the response will contain it, with its quotes; NULL if there is none.
    pub etag: *const u8,
    /// Its length.
    pub etag_len: usize,
    /// Not 0 if `size` is known and ranges of the file are served. With 0 a range is ignored.
    pub has_size: u32,
    /// The file's size in bytes.
    pub size: u64,
    /// NULL.
    pub reserved: *const c_void,
}

impl micromint_request {
    /// Calls `with` with the request in the core's form.
    ///
    /// # Safety
    /// Every pointer is NULL or points to what its member says, for the length beside it.
    pub(crate) unsafe fn with<R>(&self, with: impl FnOnce(&Request<'_>) -> R) -> Answer<R> {
        refuse_reserved(self.reserved, "request")?;
        // SAFETY: the caller guarantees it.
        let given = unsafe { slice(self.headers, self.headers_len, "request.headers") }?;
        // SAFETY: the caller guarantees it.
        let headers = unsafe { micromint_header::all(given) }?;
        // SAFETY: the caller guarantees it.
        let request = unsafe {
            Request {
                method: slice(self.method, self.method_len, "request.method")?,
                target: slice(self.target, self.target_len, "request.target")?,
                is_https: self.is_https != 0,
                host: optional(self.host, self.host_len, "request.host")?,
                port: u16::try_from(self.port).ok().filter(|port| *port != 0),
                headers: &headers,
                body: match self.is_body_read {
                    0 => None,
                    _ => Some(slice(self.body, self.body_len, "request.body")?),
                },
                price: self.price,
                place: Place {
                    receipt_path: optional(
                        self.receipt_path,
                        self.receipt_path_len,
                        "request.receipt_path",
                    )?,
                    free_views: self.free_views,
                    is_dry_run: self.is_dry_run != 0,
                    charges_redirects: self.charges_redirects != 0,
                    ..Place::default()
                },
                client: self.client()?,
                content: self.file()?,
            }
        };
        Ok(with(&request))
    }

    /// # Safety
    /// `client` is NULL or points to `client_len` bytes.
    unsafe fn client(&self) -> Answer<Option<IpAddr>> {
        if self.client.is_null() && self.client_len == 0 {
            return Ok(None);
        }
        // SAFETY: the caller guarantees it.
        let client = unsafe { text(self.client, self.client_len, "request.client") }?;
        Ok(Some(parse(client)?))
    }

    /// # Safety
    /// `etag` is NULL or points to `etag_len` bytes.
    unsafe fn file(&self) -> Answer<Option<Content<'_>>> {
        if self.is_file == 0 {
            return Ok(None);
        }
        // SAFETY: the caller guarantees it.
        let etag = unsafe { optional(self.etag, self.etag_len, "request.etag") }?;
        let last_modified = (self.has_last_modified != 0).then_some(UnixTime(self.last_modified));
        let size = (self.has_size != 0).then_some(self.size);
        Ok(Some(Content { etag, last_modified, size }))
    }
}

impl micromint_header {
    /// All fields, in the core's form.
    ///
    /// # Safety
    /// Every pointer is NULL or points to what its member says, for the length beside it.
    pub(crate) unsafe fn all(given: &[micromint_header]) -> Answer<Vec<(&[u8], &[u8])>> {
        let field = |field: &micromint_header| {
            // SAFETY: the caller guarantees it.
            let (name, value) = unsafe {
                (
                    slice(field.name, field.name_len, "headers[].name")?,
                    slice(field.value, field.value_len, "headers[].value")?,
                )
            };
            Ok((name, value))
        };
        given.iter().map(field).collect()
    }
}

/// Optional bytes: NULL with a length of 0 means none.
///
/// # Safety
/// As for [`slice`].
unsafe fn optional<'a>(pointer: *const u8, len: usize, name: &str) -> Answer<Option<&'a [u8]>> {
    if pointer.is_null() && len == 0 {
        return Ok(None);
    }
    // SAFETY: the caller guarantees it.
    unsafe { slice(pointer, len, name) }.map(Some)
}
