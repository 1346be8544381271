//! What the paywall sees of an HTTP request, as filled from C.

use std::net::IpAddr;

use micromint_core::time::UnixTime;
use micromint_core::vendor::{Content, Place, Request};

use crate::boundary::{free, hand_out, parse, slice, text};
use crate::error::FfiResult;
use crate::fields::{Fields, field};
use crate::filled::{Fault, Filled, OptionalBytes, at_most, fill};

/// What the paywall sees of an HTTP request. Free it with `micromint_request_free()`. Fill one, use
/// it, clear it, and fill it again for the next request: it keeps its memory. One thread at a time
/// while it is filled; any number of threads may pass it to functions that take it `const`. It may
/// be used across a fork.
///
/// What is not set is empty, 0, false or not known. Everything that is set is copied. An invalid
/// value is reported by the function that the request is passed to.
#[derive(Default)]
pub struct micromint_request {
    method: OptionalBytes,
    target: OptionalBytes,
    host: OptionalBytes,
    headers: Fields,
    body: OptionalBytes,
    receipt_path: OptionalBytes,
    etag: OptionalBytes,
    numbers: Numbers,
    fault: Fault,
}

/// What needs no memory of its own.
#[derive(Default)]
struct Numbers {
    is_https: bool,
    port: Option<u16>,
    price: u32,
    free_views: u32,
    is_dry_run: bool,
    charges_redirects: bool,
    client: Option<IpAddr>,
    is_file: bool,
    last_modified: Option<UnixTime>,
    size: Option<u64>,
}

impl Filled for micromint_request {
    fn fault(&self) -> &Fault {
        &self.fault
    }

    fn fault_mut(&mut self) -> &mut Fault {
        &mut self.fault
    }
}

impl micromint_request {
    /// Calls `with` with the request in the core's form.
    pub(crate) fn with<R>(&self, with: impl FnOnce(&Request<'_>) -> R) -> R {
        let headers: Vec<_> = self.headers.iter().collect();
        let it = &self.numbers;
        let content =
            Content { etag: self.etag.get(), last_modified: it.last_modified, size: it.size };
        with(&Request {
            method: self.method.get().unwrap_or_default(),
            target: self.target.get().unwrap_or_default(),
            is_https: it.is_https,
            host: self.host.get(),
            port: it.port,
            headers: &headers,
            body: self.body.get(),
            price: it.price,
            place: Place {
                receipt_path: self.receipt_path.get(),
                free_views: it.free_views,
                is_dry_run: it.is_dry_run,
                charges_redirects: it.charges_redirects,
                ..Place::default()
            },
            client: it.client,
            content: it.is_file.then_some(content),
        })
    }

    fn clear(&mut self) {
        for bytes in [
            &mut self.method,
            &mut self.target,
            &mut self.host,
            &mut self.body,
            &mut self.receipt_path,
            &mut self.etag,
        ] {
            bytes.clear();
        }
        self.headers.clear();
        (self.numbers, self.fault) = (Numbers::default(), None);
    }
}

/// Makes a request in which nothing is set.
#[unsafe(no_mangle)]
pub extern "C" fn micromint_request_new() -> *mut micromint_request {
    hand_out(micromint_request::default())
}

/// Makes a request as `micromint_request_new()` does, but keeps its memory for the next request.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_clear(request: *mut micromint_request) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    if let Some(it) = unsafe { request.as_mut() } {
        it.clear();
    }
}

/// Frees a request. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_free(request: *mut micromint_request) {
    // SAFETY: a request reaches the caller only from hand_out, and is freed once.
    unsafe { free(request) }
}

/// Sets the method.
///
/// method, method_len: as received, such as GET.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_method(
    request: *mut micromint_request,
    method: *const u8,
    method_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe { set(request, |it| &mut it.method, method, method_len, "request.method") }
}

/// Sets the request target.
///
/// target, target_len: exactly as received: path and query, not decoded, not
///                     normalised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_target(
    request: *mut micromint_request,
    target: *const u8,
    target_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe { set(request, |it| &mut it.target, target, target_len, "request.target") }
}

/// Sets the requested host. It selects one of the configured origins, and a receipt or a recorded
/// payment counts only for the host that it was made for.
///
/// host, host_len: with its port if one was sent: the authority of a target in absolute form,
///                 otherwise the Host field. Not set: there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_host(
    request: *mut micromint_request,
    host: *const u8,
    host_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe { set(request, |it| &mut it.host, host, host_len, "request.host") }
}

/// Adds a header field; call it for the fields in their order. The paywall reads those that carry a
/// payment, and accept, accept-language, accept-payment, cookie, content-type, origin, range,
/// idempotency-key and the conditions.
///
/// name, name_len:   the name, case-insensitive.
/// value, value_len: the value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_add_header(
    request: *mut micromint_request,
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            let names = ["request.header.name", "request.header.value"];
            let (name, value) = field(name, name_len, value, value_len, names)?;
            it.headers.add(name, value);
            Ok(())
        })
    }
}

/// Sets the body, once the whole of it was read.
///
/// body, body_len: the bytes; with length 0, the request has no body. Not set: the body was not
///                 read, or is larger than allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_body(
    request: *mut micromint_request,
    body: *const u8,
    body_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe { set(request, |it| &mut it.body, body, body_len, "request.body") }
}

/// Sets whether the request came over TLS.
///
/// is_https: false if it is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_https(
    request: *mut micromint_request,
    is_https: bool,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            it.numbers.is_https = is_https;
            Ok(())
        })
    }
}

/// Sets the port at which the connection was accepted.
///
/// port: 1 to 65535; 0 if it is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_port(request: *mut micromint_request, port: i64) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            let port: u16 = at_most(port, u16::MAX.into(), "request.port")?;
            it.numbers.port = (port != 0).then_some(port);
            Ok(())
        })
    }
}

/// Sets the price of the requested page. If the vendor has a price list, the higher of this price
/// and the list's holds, so ask about free pages too.
///
/// price: the coins, less than 2^32; 0 is free. With `coin-value` in the configuration, base coins.
///        A price that no payment reaches, which is one above 500 coins of every accepted period,
///        is answered 500.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_price(request: *mut micromint_request, price: i64) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            it.numbers.price = at_most(price, u32::MAX.into(), "request.price")?;
            Ok(())
        })
    }
}

/// Sets how many pages a visitor sees per UTC day without paying. It needs a client.
///
/// free_views: the number of pages, less than 2^32; 0 for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_free_views(
    request: *mut micromint_request,
    free_views: i64,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            it.numbers.free_views = at_most(free_views, u32::MAX.into(), "request.free_views")?;
            Ok(())
        })
    }
}

/// Sets whether to decide everything, record nothing, and serve the content free.
///
/// is_dry_run: false if it is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_dry_run(
    request: *mut micromint_request,
    is_dry_run: bool,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            it.numbers.is_dry_run = is_dry_run;
            Ok(())
        })
    }
}

/// Sets whether a redirect by the content is what is sold, also for GET: it is charged.
///
/// charges_redirects: false if it is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_charges_redirects(
    request: *mut micromint_request,
    charges_redirects: bool,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            it.numbers.charges_redirects = charges_redirects;
            Ok(())
        })
    }
}

/// Sets a receipt path: a receipt given here opens everything with the same receipt path that costs
/// no more.
///
/// path, path_len: a path such as /story/17/. Not set: a receipt opens the one page.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_receipt_path(
    request: *mut micromint_request,
    path: *const u8,
    path_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe { set(request, |it| &mut it.receipt_path, path, path_len, "request.receipt_path") }
}

/// Sets the client's address, for free views.
///
/// client, client_len: the IP address as text: that of the connection, or the one from a trusted
///                     proxy; never a header that the client controls. Not set: there are no free
///                     views.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_client(
    request: *mut micromint_request,
    client: *const u8,
    client_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            it.numbers.client = Some(parse(text(client, client_len, "request.client")?)?);
            Ok(())
        })
    }
}

/// Sets whether the content is a file that will be sent unchanged. Conditions and ranges are then
/// decided before a payment is recorded, by its time, entity tag and size.
///
/// is_file: false if it is not set: then the other three are not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_file(
    request: *mut micromint_request,
    is_file: bool,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            it.numbers.is_file = is_file;
            Ok(())
        })
    }
}

/// Sets the time in Last-Modified of a file.
///
/// last_modified: in seconds since 1970-01-01 00:00 UTC. Not set: it is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_last_modified(
    request: *mut micromint_request,
    last_modified: i64,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            it.numbers.last_modified = Some(UnixTime(last_modified));
            Ok(())
        })
    }
}

/// Sets the entity tag of a file.
///
/// etag, etag_len: as the response will contain it, with its quotes. Not set: there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_etag(
    request: *mut micromint_request,
    etag: *const u8,
    etag_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe { set(request, |it| &mut it.etag, etag, etag_len, "request.etag") }
}

/// Sets the size of a file whose ranges are served.
///
/// size: in bytes, not negative. Not set: a range is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_request_set_size(request: *mut micromint_request, size: i64) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(request, |it| {
            it.numbers.size = Some(at_most(size, i64::MAX, "request.size")?);
            Ok(())
        })
    }
}

/// Sets bytes of a request.
///
/// # Safety
/// `request` is NULL or points to a live request; the bytes are as for [`slice`].
unsafe fn set(
    request: *mut micromint_request,
    place: impl FnOnce(&mut micromint_request) -> &mut OptionalBytes,
    bytes: *const u8,
    len: usize,
    name: &str,
) {
    // SAFETY: the caller guarantees it.
    unsafe {
        fill(request, |it| -> FfiResult<()> {
            place(it).set(slice(bytes, len, name)?);
            Ok(())
        })
    }
}
