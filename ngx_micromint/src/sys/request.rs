//! One HTTP request of nginx.

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, zeroed};
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use nginx_sys::{
    NGX_HTTP_GET, NGX_HTTP_SATISFY_ANY, ngx_buf_t, ngx_chain_t, ngx_http_complex_value,
    ngx_http_core_loc_conf_t, ngx_http_core_module, ngx_http_core_run_phases,
    ngx_http_discard_request_body, ngx_http_err_page_t, ngx_http_finalize_request,
    ngx_http_output_filter, ngx_http_read_client_request_body, ngx_http_request_t,
    ngx_http_send_header, ngx_palloc, ngx_str_t, ngx_table_elt_t,
};
use smallvec::SmallVec;

use micromint::vendor::{Counters, authority_of_target, gate};

use super::config::{ComplexValue, location_of, server_of};
use super::tables::ngx_http_micromint_module;
use super::{Code, DONE, ERROR, Log, OK, bytes, config, copy_into, files, headers};
use crate::module::{LocationConfig, ServerConfig};
use crate::visit::Visit;

/// Header fields as (name, value). They need heap memory only if there are more than browsers send.
pub(crate) type Fields<'a> = SmallVec<[(&'a [u8], &'a [u8]); 16]>;

/// A request, or a subrequest, during one callback.
pub(crate) struct Request {
    r: *mut ngx_http_request_t,
    /// Makes the type `!Send`: it belongs to the worker's thread.
    not_send: PhantomData<*mut ()>,
}

// ---- what was requested

impl Request {
    /// # Safety
    /// `r` must be a live request, and stay live until the callback that makes this returns.
    pub(super) unsafe fn new(r: *mut ngx_http_request_t) -> Request {
        Request { r, not_send: PhantomData }
    }

    pub(super) fn as_ptr(&self) -> *mut ngx_http_request_t {
        self.r
    }

    /// The method as received, such as `GET`.
    pub(crate) fn method(&self) -> &[u8] {
        // SAFETY: the request is live; so is its method's name.
        unsafe { bytes((*self.r).method_name) }
    }

    /// Path and query as received.
    pub(crate) fn target(&self) -> &[u8] {
        // SAFETY: as in `method`; a copy is in the request's pool.
        unsafe {
            let target = bytes((*self.r).unparsed_uri);
            if target.first() != Some(&b'?') {
                return target;
            }
            // Of `http://host?a` nginx has kept the query only; it serves the page `/`. When out of
            // memory, the paywall refuses what has no path.
            copy_into((*self.r).pool, &[b"/", target].concat()).map_or(target, |made| bytes(made))
        }
    }

    /// The path that is being served, decoded and normalised, after rewrites.
    pub(crate) fn path(&self) -> &[u8] {
        // SAFETY: as in `method`.
        unsafe { bytes((*self.r).uri) }
    }

    /// The requested host, with the port if one was sent: that of a request line with an absolute
    /// URL, which chose the server block, otherwise the Host field.
    pub(crate) fn host(&self) -> Option<&[u8]> {
        // SAFETY: the request is live; a non-null field belongs to it.
        unsafe {
            let mut words =
                bytes((*self.r).request_line).split(|c| *c == b' ').filter(|word| !word.is_empty());
            if let Some(authority) = words.nth(1).and_then(authority_of_target) {
                return Some(authority).filter(|host| !host.is_empty());
            }
            let field = (*self.r).headers_in.host;
            let host = if field.is_null() { (*self.r).headers_in.server } else { (*field).value };
            Some(bytes(host)).filter(|host| !host.is_empty())
        }
    }

    /// Whether it came over TLS.
    pub(crate) fn is_https(&self) -> bool {
        // SAFETY: every request has a connection; an HTTP/2 stream has one that refers to its
        // parent's TLS state.
        unsafe { !(*(*self.r).connection).ssl.is_null() }
    }

    /// The header fields, in order.
    pub(crate) fn headers(&self) -> Fields<'_> {
        // SAFETY: the request is live and its headers are complete when phases run. Fields are only
        // changed through `&mut self`, which the result prevents while it lives.
        unsafe {
            headers::fields(&raw const (*self.r).headers_in.headers)
                .map(|field| (bytes((*field).key), bytes((*field).value)))
                .collect()
        }
    }

    /// The value of Content-Length, if there is one.
    pub(crate) fn content_length(&self) -> Option<u64> {
        // SAFETY: the request is live.
        u64::try_from(unsafe { (*self.r).headers_in.content_length_n }).ok()
    }
}

// ---- its state in nginx

impl Request {
    /// Whether it is a subrequest.
    pub(crate) fn is_subrequest(&self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.r).main != self.r }
    }

    /// Whether `satisfy any` applies here.
    pub(crate) fn satisfies_any(&self) -> bool {
        // SAFETY: the core module's location configuration outlives the request.
        unsafe { (*self.core()).satisfy == NGX_HTTP_SATISFY_ANY as usize }
    }

    /// The status with which another check of `satisfy any` refused the request, if one did.
    pub(crate) fn refusal(&self) -> Option<Code> {
        // SAFETY: the request is live.
        let code = unsafe { (*self.r).access_code };
        Code::try_from(code).ok().filter(|code| *code != OK)
    }

    /// Offers the logins again that nginx withdrew from the response when a check let the request
    /// pass.
    pub(crate) fn offer_logins_again(&mut self) {
        // SAFETY: the list is the request's own and is not changed meanwhile; a hash of 0 marks a
        // removed field.
        unsafe {
            for field in headers::fields(&raw const (*self.r).headers_out.headers) {
                if headers::is_named(field, "WWW-Authenticate") {
                    (*field).hash = 1;
                }
            }
        }
    }

    /// Whether the requested file is a directory.
    pub(crate) fn is_directory(&mut self) -> bool {
        // SAFETY: the request and its location's configuration are live.
        !self.has_content_handler() && unsafe { files::is_directory(self.r, self.core()) }
    }

    /// Whether it was led here from another location.
    pub(crate) fn was_led_on(&self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.r).internal() != 0 }
    }

    /// Whether its location has directives of nginx's rewrite module, so that a `return` may answer
    /// before any other phase.
    pub(crate) fn has_rewrites(&self) -> bool {
        // SAFETY: nginx's modules are a list of live modules that ends with null, each with a name;
        // the slot of an HTTP module was filled by it. The rewrite module's configuration begins
        // with a pointer to its code, null if there is none, in every version of nginx.
        unsafe {
            let mut module = (*nginx_sys::ngx_cycle).modules;
            while !(*module).is_null() {
                let name = std::ffi::CStr::from_ptr((**module).name);
                if name == c"ngx_http_rewrite_module" {
                    let codes: *mut *const std::ffi::c_void =
                        (*(*self.r).loc_conf.add((**module).ctx_index)).cast();
                    return !codes.is_null() && !(*codes).is_null();
                }
                module = module.add(1);
            }
        }
        false
    }

    /// Keeps the request until it is released once more than before.
    pub(crate) fn hold(&mut self) {
        // SAFETY: the request is live; main exists for every request.
        unsafe {
            let main = (*self.r).main;
            (*main).set_count((*main).count() + 1);
        }
    }

    /// Takes back a [`Request::hold`]. The request stays live: another count is its own.
    pub(crate) fn release(&mut self) {
        // SAFETY: as in `hold`.
        unsafe {
            let main = (*self.r).main;
            (*main).set_count((*main).count() - 1);
        }
    }

    /// Whether something other than nginx's file modules makes the content, such as `proxy_pass`.
    pub(crate) fn has_content_handler(&self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.r).content_handler.is_some() }
    }

    /// How many more times the URI may change. Equal values in two phases mean that it did not
    /// change between them.
    pub(crate) fn uri_changes(&self) -> u32 {
        // SAFETY: the request is live.
        unsafe { (*self.r).uri_changes() }
    }

    /// Whether the response will be an error whatever its content: an error page that keeps its
    /// status.
    pub(crate) fn is_error_answer(&self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.r).err_status >= 300 }
    }

    /// The status that is sent with the response's head.
    pub(crate) fn answer_status(&self) -> u16 {
        // SAFETY: the request is live.
        let status = unsafe { (*self.r).headers_out.status };
        u16::try_from(status).unwrap_or(500)
    }

    /// Whether `error_page` has an entry for `status` that applies now.
    pub(crate) fn has_error_page(&self, status: u16) -> bool {
        // SAFETY: the configuration outlives the request; `error_pages` is null or an array of
        // these elements.
        unsafe {
            let core = self.core();
            let pages = (*core).error_pages;
            if pages.is_null() || (*self.r).uri_changes() == 0 {
                return false;
            }
            if (*self.r).error_page() != 0 && (*core).recursive_error_pages == 0 {
                return false;
            }
            let pages = std::slice::from_raw_parts(
                (*pages).elts.cast::<ngx_http_err_page_t>(),
                (*pages).nelts,
            );
            pages.iter().any(|page| page.status == status as isize)
        }
    }

    /// The request's log.
    pub(crate) fn log(&self) -> Log {
        // SAFETY: every request has a connection, which has a log.
        Log(unsafe { (*(*self.r).connection).log })
    }

    /// Our configuration of its location.
    pub(crate) fn location(&self) -> &LocationConfig {
        // SAFETY: nginx merged it before any request; it is dropped with the cycle, which outlives
        // the request.
        unsafe { &*location_of((*self.r).loc_conf) }
    }

    /// Our configuration of its server.
    pub(crate) fn server(&self) -> &ServerConfig {
        // SAFETY: as in `location`.
        unsafe { &*server_of((*self.r).srv_conf) }
    }

    /// The counters that all workers share, if the configuration has them.
    pub(crate) fn counters(&self) -> Option<&Counters> {
        config::current_module().and_then(|module| module.counters.as_ref()?.counters())
    }

    pub(super) fn core(&self) -> *mut ngx_http_core_loc_conf_t {
        // SAFETY: the core module fills its slot of every location's configuration.
        unsafe { (*(*self.r).loc_conf.add(ngx_http_core_module.ctx_index)).cast() }
    }
}

// ---- what is stored about it

impl Request {
    /// What is stored about the request, if anything. For a subrequest: about the main request.
    pub(crate) fn visit(&self) -> Option<Rc<Visit>> {
        // SAFETY: our slot holds null or the visit that a pool cleanup of this request keeps. An
        // internal redirect zeroes the slots; then the cleanups are searched. The count is
        // incremented for the returned copy.
        unsafe {
            let main = (*self.r).main;
            let slot = (*main).ctx.add(ngx_http_micromint_module.ctx_index);
            let mut visit: *const Visit = (*slot).cast();
            if visit.is_null() && ((*main).internal() != 0 || (*main).filter_finalize() != 0) {
                let ours: unsafe extern "C" fn(*mut std::ffi::c_void) = release_visit;
                let mut cleanup = (*(*main).pool).cleanup;
                while !cleanup.is_null() {
                    let is_ours = (*cleanup)
                        .handler
                        .is_some_and(|handler| std::ptr::fn_addr_eq(handler, ours));
                    if is_ours {
                        visit = (*cleanup).data.cast();
                        *slot = (*cleanup).data;
                        break;
                    }
                    cleanup = (*cleanup).next;
                }
            }
            if visit.is_null() {
                return None;
            }
            Rc::increment_strong_count(visit);
            Some(Rc::from_raw(visit))
        }
    }

    /// What is stored about the request, created now if necessary. `None` when out of memory.
    pub(crate) fn visit_or_new(&mut self) -> Option<Rc<Visit>> {
        if let Some(visit) = self.visit() {
            return Some(visit);
        }
        let visit = Rc::new(Visit::default());
        // SAFETY: the pool is the request's own; the cleanup takes one count of the visit and
        // releases it once.
        unsafe {
            let main = (*self.r).main;
            let cleanup = nginx_sys::ngx_pool_cleanup_add((*main).pool, 0);
            if cleanup.is_null() {
                return None;
            }
            (*cleanup).data = Rc::into_raw(Rc::clone(&visit)).cast_mut().cast();
            (*cleanup).handler = Some(release_visit);
            *(*main).ctx.add(ngx_http_micromint_module.ctx_index) = (*cleanup).data;
        }
        Some(visit)
    }

    /// The value of a directive with variables, for this request.
    pub(crate) fn evaluate(&mut self, value: &ComplexValue) -> Option<&[u8]> {
        let mut text = ngx_str_t { len: 0, data: std::ptr::null_mut() };
        // SAFETY: the value was compiled in this cycle; the result is in the request's pool.
        unsafe {
            let rc = ngx_http_complex_value(self.r, value.as_ptr(), &raw mut text);
            (rc == OK).then(|| bytes(text))
        }
    }

    /// The path of the file that the request is for: without what follows the name of a script.
    pub(crate) fn file_path(&self) -> &[u8] {
        let path = self.path();
        &path[..path.len().saturating_sub(self.path_info_len())]
    }

    fn path_info_len(&self) -> usize {
        // nginx itself sends no file for such a path.
        // SAFETY: the request is live.
        if self.has_content_handler() { unsafe { files::path_info_len(self.r) } } else { 0 }
    }

    /// The content of the file beside the requested one, whose name has `suffix` added. `name` is
    /// that of a variant of the requested file, if it is not its own.
    pub(crate) fn read_beside(
        &mut self,
        name: Option<&[u8]>,
        suffix: &str,
        size_max: usize,
    ) -> Result<Option<Vec<u8>>, String> {
        let path_info = self.path_info_len();
        // SAFETY: the request and its location's configuration are live.
        unsafe { files::read_beside(self.r, self.core(), path_info, name, suffix, size_max) }
    }
}

unsafe extern "C" fn release_visit(data: *mut std::ffi::c_void) {
    // SAFETY: `data` is the count that `visit_or_new` gave to this cleanup, which a pool runs once.
    let visit = unsafe { Rc::from_raw(data.cast_const().cast::<Visit>()) };
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(visit)));
}

// ---- its body

impl Request {
    /// Starts reading the body. When it is complete, the visit is updated (perhaps before this
    /// returns) and the phases continue.
    pub(crate) fn read_body(&mut self) -> Code {
        // SAFETY: as in nginx's mirror module: reading takes a count of the request, which is
        // released here, and the phase returns DONE. `body_done` continues when everything arrived.
        unsafe {
            let rc = ngx_http_read_client_request_body(self.r, Some(body_done));
            if rc >= nginx_sys::NGX_HTTP_SPECIAL_RESPONSE as isize {
                return rc;
            }
            ngx_http_finalize_request(self.r, DONE);
            DONE
        }
    }

    /// The body that was read, or `None` if it has more than `size_max` bytes.
    pub(crate) fn body(&self, size_max: usize) -> std::io::Result<Option<Vec<u8>>> {
        let mut body = Vec::new();
        // SAFETY: the chain and its buffers belong to the request. A buffer is in memory from `pos`
        // to `last`, or in its file from `file_pos` to `file_last`; the descriptor remains nginx's.
        unsafe {
            let request_body = (*self.r).request_body;
            let mut link =
                if request_body.is_null() { std::ptr::null_mut() } else { (*request_body).bufs };
            while !link.is_null() {
                let buf = (*link).buf;
                let start = body.len();
                let in_file = (*buf).in_file() != 0 && (*buf).pos == (*buf).last;
                let len = match in_file {
                    true => usize::try_from((*buf).file_last - (*buf).file_pos).unwrap_or(0),
                    false => (*buf).last.offset_from((*buf).pos) as usize,
                };
                if start + len > size_max {
                    return Ok(None);
                }
                if in_file {
                    body.resize(start + len, 0);
                    let file = ManuallyDrop::new(std::fs::File::from_raw_fd((*(*buf).file).fd));
                    file.read_exact_at(&mut body[start..], (*buf).file_pos as u64)?;
                } else {
                    body.extend_from_slice(bytes(ngx_str_t { len, data: (*buf).pos }));
                }
                link = (*link).next;
            }
        }
        Ok(Some(body))
    }

    /// Turns it into a GET without a body, in place.
    pub(crate) fn become_get(&mut self) {
        // SAFETY: the request is live. `request_body` itself stays, so that nothing reads a body
        // again. The name is static. nginx's pointers to removed fields are cleared.
        unsafe {
            let r = self.r;
            (*r).method = NGX_HTTP_GET as usize;
            (*r).method_name = ngx_str_t { len: 3, data: c"GET".as_ptr().cast_mut().cast() };
            let body = (*r).request_body;
            if !body.is_null() {
                (*body).bufs = std::ptr::null_mut();
                (*body).buf = std::ptr::null_mut();
                (*body).temp_file = std::ptr::null_mut();
            }
            (*r).headers_in.content_length_n = -1;
            (*r).headers_in.set_chunked(0);
        }
        self.remove_headers(gate::CONTENT_FIELDS);
    }

    /// Makes the response complete, whatever copy the client has.
    pub(crate) fn ignore_conditions(&mut self) {
        // SAFETY: the request is live.
        unsafe { (*self.r).set_disable_not_modified(1) };
        self.remove_headers(gate::CONDITION_FIELDS);
    }

    /// Removes If-Unmodified-Since if If-Match is present: it must then be ignored (RFC 9110,
    /// 13.1.4), and the paywall does so. nginx would check both.
    pub(crate) fn heed_if_match_alone(&mut self) {
        // SAFETY: the request is live.
        if unsafe { !(*self.r).headers_in.if_match.is_null() } {
            self.remove_headers(&["If-Unmodified-Since"]);
        }
    }

    /// Removes header fields from the request, for whatever makes the content.
    pub(crate) fn remove_headers(&mut self, names: &[&str]) {
        let mut removed: SmallVec<[*mut ngx_table_elt_t; 8]> = SmallVec::new();
        // SAFETY: the request is live and no iterator over its headers is in use.
        let count = unsafe {
            let list = &raw mut (*self.r).headers_in.headers;
            headers::remove(list, (*self.r).pool, |field| {
                let is_out = names.iter().any(|name| headers::is_named(field, name));
                if is_out {
                    removed.push(field);
                }
                is_out
            })
        };
        if count != Some(0) {
            self.forget_fields(&removed);
        }
    }

    /// Clears nginx's own pointers to fields that were removed.
    fn forget_fields(&mut self, removed: &[*mut ngx_table_elt_t]) {
        // SAFETY: the request is live; these are the fields that one of our callers can name.
        unsafe {
            let known = &raw mut (*self.r).headers_in;
            for pointer in [
                &raw mut (*known).content_length,
                &raw mut (*known).content_type,
                &raw mut (*known).transfer_encoding,
                &raw mut (*known).expect,
                &raw mut (*known).authorization,
                &raw mut (*known).if_match,
                &raw mut (*known).if_none_match,
                &raw mut (*known).if_modified_since,
                &raw mut (*known).if_unmodified_since,
                &raw mut (*known).range,
                &raw mut (*known).if_range,
            ] {
                if removed.contains(&*pointer) {
                    *pointer = std::ptr::null_mut();
                }
            }
        }
    }
}

unsafe extern "C" fn body_done(r: *mut ngx_http_request_t) {
    // SAFETY: nginx calls this with the live request whose body was read.
    unsafe {
        super::guard((*(*r).connection).log, (), || {
            if let Some(visit) = Request::new(r).visit() {
                visit.gate.borrow_mut().body_was_read();
            }
        });
        (*r).write_event_handler = Some(ngx_http_core_run_phases);
        ngx_http_core_run_phases(r);
    }
}

// ---- its response

impl Request {
    /// Adds a header field to the response. `None` when out of memory.
    pub(crate) fn push_header(&mut self, name: &'static str, value: &str) -> Option<()> {
        // SAFETY: list and pool are the request's own.
        unsafe {
            headers::push(
                &raw mut (*self.r).headers_out.headers,
                (*self.r).pool,
                name,
                value.as_bytes(),
            )
        }
    }

    /// All values that the response has for a field so far.
    pub(crate) fn answer_values(&self, name: &str) -> Vec<String> {
        // SAFETY: the list is the request's own and is not changed meanwhile; a hash of 0 marks a
        // removed field.
        unsafe {
            headers::fields(&raw const (*self.r).headers_out.headers)
                .filter(|field| (**field).hash != 0 && headers::is_named(*field, name))
                .map(|field| String::from_utf8_lossy(bytes((*field).value)).into_owned())
                .collect()
        }
    }

    /// Removes a field from the response.
    pub(crate) fn remove_answer_header(&mut self, name: &str) {
        // SAFETY: as in `answer_values`.
        unsafe {
            for field in headers::fields(&raw const (*self.r).headers_out.headers) {
                if headers::is_named(field, name) {
                    (*field).hash = 0;
                }
            }
        }
    }

    /// Discards the body that the client may still send.
    pub(crate) fn discard_body(&mut self) -> Code {
        // SAFETY: the request is live.
        unsafe { ngx_http_discard_request_body(self.r) }
    }

    /// Sends a complete response. The caller has added its other header fields.
    pub(crate) fn send(&mut self, status: u16, content_type: &str, body: &[u8]) -> Code {
        // SAFETY: everything sent is copied into the request's pool, which outlives sending. The
        // buffer is plain C data.
        unsafe {
            let r = self.r;
            let (Some(content_type), Some(body)) =
                (copy_into((*r).pool, content_type.as_bytes()), copy_into((*r).pool, body))
            else {
                return ERROR;
            };
            // `error_page 404 =200 /priced` must not send a request for payment with status 200.
            (*r).err_status = 0;
            (*r).headers_out.status = usize::from(status);
            (*r).headers_out.content_length_n = body.len as i64;
            (*r).headers_out.content_type = content_type;
            (*r).headers_out.content_type_len = content_type.len;
            (*r).headers_out.content_type_lowcase = std::ptr::null_mut();
            if body.len == 0 {
                (*r).set_header_only(1);
            }
            let rc = ngx_http_send_header(r);
            if rc == ERROR || rc > OK || (*r).header_only() != 0 {
                return rc;
            }
            let buf: *mut ngx_buf_t = ngx_palloc((*r).pool, size_of::<ngx_buf_t>()).cast();
            if buf.is_null() {
                return ERROR;
            }
            buf.write(zeroed());
            (*buf).pos = body.data;
            (*buf).last = body.data.add(body.len);
            (*buf).set_memory(1);
            (*buf).set_last_buf(1);
            (*buf).set_last_in_chain(1);
            let mut chain = ngx_chain_t { buf, next: std::ptr::null_mut() };
            ngx_http_output_filter(r, &raw mut chain)
        }
    }

    /// Ends the request after a phase has answered it. The caller returns `DONE`.
    pub(crate) fn finish(&mut self, rc: Code) {
        // SAFETY: the request is live; code that gets `DONE` does not use it afterwards.
        unsafe { ngx_http_finalize_request(self.r, rc) }
    }
}
