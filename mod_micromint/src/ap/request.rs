//! One HTTP request of Apache: a client's, an internal redirect of it, or a subrequest.

use std::borrow::Cow;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{null, null_mut};

use smallvec::SmallVec;

use super::bindings::{
    ap_auth_type, ap_discard_request_body, ap_expr_str_exec, ap_get_module_config,
    ap_index_of_response, ap_response_code_string, ap_run_http_scheme, ap_run_insert_error_filter,
    ap_rwrite, ap_set_content_length, ap_set_content_type, ap_set_module_config, apr_pool_t,
    apr_table_addn, apr_table_clear, apr_table_get, apr_table_setn, apr_table_unset, request_rec,
};
use super::config::{Expression, server_of, vendors_of};
use super::tables::micromint_module;
use super::{Code, Log, OK, bytes, copy_into, filters, keep_in, table};
use micromint::vendor::{Gauges, authority_of_target, gate, page_target};

use crate::module::{PlaceConfig, ServerConfig, Variable};
use crate::visit::Visit;
use micromint::vendor::has_login;

/// The note by which `Require micromint` asks for the paywall.
const REQUIRED: &std::ffi::CStr = c"mod_micromint-required";

/// Header fields as (name, value). They need heap memory only if there are more than browsers send.
pub(crate) type Fields<'a> = SmallVec<[(&'a [u8], &'a [u8]); 16]>;

/// Whether a client may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// It sent no password, or is logged in.
    None,
    /// It sent a password that was not checked yet.
    Sent,
    /// It may log in without a header.
    Possible,
}

/// The body of a request, as far as it was read.
#[derive(Default)]
pub(crate) struct Body {
    /// What was read.
    pub(crate) bytes: Vec<u8>,
    /// Whether that is all.
    pub(crate) is_complete: bool,
    /// How much of it was read again.
    pub(super) replayed: Cell<usize>,
}

/// A request during one callback. What it lends is in the request's pool.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    r: *mut request_rec,
    life: PhantomData<&'a request_rec>,
}

// ---- what was requested

impl<'a> Request<'a> {
    /// # Safety
    /// `r` must be a live request, and stay live for `'a`: until the callback that makes this
    /// returns.
    pub(super) unsafe fn new(r: *mut request_rec) -> Request<'a> {
        Request { r, life: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut request_rec {
        self.r
    }

    fn pool(self) -> *mut apr_pool_t {
        // SAFETY: the request is live.
        unsafe { (*self.r).pool }
    }

    /// The client's own request that this one is part of.
    fn root(self) -> Request<'a> {
        let mut r = self.r;
        // SAFETY: main requests and those before a redirect outlive this one.
        unsafe {
            loop {
                let above = if (*r).main.is_null() { (*r).prev } else { (*r).main };
                if above.is_null() {
                    return Request::new(r);
                }
                r = above;
            }
        }
    }

    /// This request and those that were redirected to it, latest first.
    fn redirects(self) -> impl Iterator<Item = *mut request_rec> {
        let mut next = self.r;
        std::iter::from_fn(move || {
            let r = next;
            // SAFETY: requests before a redirect outlive this one.
            next = (!r.is_null()).then(|| unsafe { (*r).prev })?;
            Some(r)
        })
    }

    /// The method, such as `GET`.
    pub(crate) fn method(self) -> &'a [u8] {
        // SAFETY: the request is live; so is its method's name.
        unsafe { bytes((*self.r).method) }
    }

    /// Path and query as the client sent them. A target that names no page is passed on as it is:
    /// Apache serves the page `/` for `?a`, and `/a` for `http:/a`. The paywall refuses it.
    pub(crate) fn target(self) -> &'a [u8] {
        let target = self.sent_target();
        match page_target(target) {
            Some(Cow::Borrowed(target)) => target,
            // SAFETY: the copy is in the request's pool.
            Some(Cow::Owned(made)) => unsafe { bytes(copy_into(self.pool(), &made)) },
            None => target,
        }
    }

    /// The target of the client's request, as it was sent.
    fn sent_target(self) -> &'a [u8] {
        // SAFETY: as in `method`.
        unsafe { bytes((*self.root().r).unparsed_uri) }
    }

    /// The path that is being served, decoded and normalised, after rewrites.
    pub(crate) fn path(self) -> &'a [u8] {
        // SAFETY: as in `method`.
        unsafe { bytes((*self.r).uri) }
    }

    /// The file that is being served, if the content comes from a file.
    pub(crate) fn filename(self) -> Option<&'a [u8]> {
        // SAFETY: as in `method`.
        let name = unsafe { bytes((*self.r).filename) };
        (name.first() == Some(&b'/')).then_some(name)
    }

    /// The requested host, with the port if one was sent: the one that chose the virtual host. That
    /// is the host of a request line with an absolute URL, but only if Apache heeds its scheme,
    /// otherwise the Host field.
    pub(crate) fn host(self) -> Option<&'a [u8]> {
        // SAFETY: as in `method`; the name is null if there is none.
        let served = unsafe { bytes((*self.root().r).hostname) };
        let sent = [authority_of_target(self.sent_target()), self.header(c"Host")];
        let host = sent.into_iter().flatten().find(|host| is_host(host, served));
        host.or(Some(served)).filter(|host| !host.is_empty())
    }

    /// The port at which Apache accepted the connection.
    pub(crate) fn port(self) -> Option<u16> {
        // SAFETY: the request is live, and so is its connection with its addresses.
        unsafe {
            let address = (*(*self.r).connection).local_addr;
            (!address.is_null()).then(|| (*address).port).filter(|port| *port != 0)
        }
    }

    /// Whether it came over TLS, or `ServerName https://…` says that TLS ends in front of Apache.
    pub(crate) fn is_https(self) -> bool {
        // SAFETY: the request is live; the result is a static text or in the configuration.
        unsafe { bytes(ap_run_http_scheme(self.r)) == b"https" }
    }

    /// The header fields, in order. Apache has joined those of one name.
    pub(crate) fn headers(self) -> Fields<'a> {
        // SAFETY: the table is live and not changed meanwhile; names and values are in the
        // request's pool.
        unsafe { table::entries((*self.r).headers_in) }.collect()
    }

    /// Whether there is a header field of this name.
    pub(crate) fn has_header(self, name: &std::ffi::CStr) -> bool {
        self.header(name).is_some()
    }

    fn header(self, name: &std::ffi::CStr) -> Option<&'a [u8]> {
        // SAFETY: the request is live; a value is in its pool.
        unsafe {
            let value = apr_table_get((*self.r).headers_in, name.as_ptr());
            (!value.is_null()).then(|| bytes(value))
        }
    }
}

/// Whether the name in a host, which may have a port, is `served`: Apache's spelling of it, in
/// lower case, without port, without a dot at its end, and without the brackets of an IPv6 address.
fn is_host(host: &[u8], served: &[u8]) -> bool {
    let (host, after): (_, &[u8]) = match host.strip_prefix(b"[") {
        Some(host) => (host, b"]"),
        None => (host, b""),
    };
    let Some((name, rest)) = host.split_at_checked(served.len()) else { return false };
    let Some(rest) = rest.strip_prefix(after) else { return false };
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    name.eq_ignore_ascii_case(served) && matches!(rest.first(), None | Some(b':'))
}

// ---- its state in Apache

impl<'a> Request<'a> {
    /// Whether it is a subrequest.
    pub(crate) fn is_subrequest(self) -> bool {
        // SAFETY: the request is live.
        unsafe { !(*self.r).main.is_null() }
    }

    /// Whether it will only become an internal redirect: a per-directory rule of mod_rewrite, a
    /// type map.
    pub(crate) fn leads_on(self) -> bool {
        matches!(
            self.handler(),
            Some(b"redirect-handler" | b"type-map" | b"application/x-type-map")
        )
    }

    /// The name of the handler that makes the content, as in `SetHandler`.
    pub(crate) fn handler(self) -> Option<&'a [u8]> {
        // SAFETY: the request is live.
        unsafe { (!(*self.r).handler.is_null()).then(|| bytes((*self.r).handler)) }
    }

    /// Whether the response will be an error whatever its content: this is an error page.
    pub(crate) fn is_error_answer(self) -> bool {
        // SAFETY: the requests are live.
        self.redirects().any(|r| unsafe { (*r).status } >= 300)
    }

    /// The first error that this request stands in for.
    pub(crate) fn error_before(self) -> Option<Code> {
        // SAFETY: the requests are live.
        let statuses = self.redirects().skip(1).map(|r| unsafe { (*r).status });
        statuses.filter(|status| *status >= 300).last()
    }

    /// The status that is sent with the response's head.
    pub(crate) fn answer_status(self) -> u16 {
        // SAFETY: the request is live.
        u16::try_from(unsafe { (*self.r).status }).unwrap_or(500)
    }

    /// Whether `ErrorDocument` has an entry for `status` that applies now.
    pub(crate) fn has_error_document(self, status: u16) -> bool {
        // SAFETY: the request is live.
        unsafe { !ap_response_code_string(self.r, ap_index_of_response(status.into())).is_null() }
    }

    /// Whether a client that has not logged in has sent a password, or may still log in because the
    /// method of authentication needs no header.
    pub(crate) fn login(self) -> Login {
        // SAFETY: the request is live; the type is in the configuration or in the request's pool.
        let kind = unsafe {
            if !(*self.r).user.is_null() {
                return Login::None;
            }
            bytes(ap_auth_type(self.r)).to_ascii_lowercase()
        };
        match kind.as_slice() {
            b"" | b"none" => Login::None,
            b"basic" | b"digest" | b"bearer" => {
                let headers = self.headers();
                let request =
                    micromint::vendor::Request { headers: &headers, ..Default::default() };
                if has_login(&request) { Login::Sent } else { Login::None }
            }
            _ => Login::Possible,
        }
    }

    /// Asks for the paywall before the content is made.
    pub(crate) fn mark_required(self) {
        // SAFETY: the request is live; name and value are static. Apache copies notes when it
        // replaces a request by one of its own.
        unsafe { apr_table_setn((*self.r).notes, REQUIRED.as_ptr(), c"1".as_ptr()) }
    }

    /// Whether `Require micromint` has let it pass.
    pub(crate) fn is_required(self) -> bool {
        // SAFETY: the requests are live.
        self.redirects().any(|r| unsafe { !apr_table_get((*r).notes, REQUIRED.as_ptr()).is_null() })
    }

    /// The request's log.
    pub(crate) fn log(self) -> Log {
        Log::Request(self.r)
    }

    /// The log of its server.
    pub(crate) fn server_log(self) -> Log {
        // SAFETY: a request has a server, which outlives it.
        unsafe { Log::Server((*self.r).server) }
    }

    /// Our configuration of its place.
    pub(crate) fn place(self) -> &'a PlaceConfig {
        // SAFETY: the slot is null or holds what `create_place` or `merge_place` made, which
        // outlives the request.
        unsafe {
            let place = ap_get_module_config((*self.r).per_dir_config, &raw const micromint_module);
            place.cast::<PlaceConfig>().as_ref().unwrap_or(const { &PlaceConfig::NONE })
        }
    }

    /// What is measured of all vendors.
    pub(crate) fn gauges(self) -> Gauges {
        // SAFETY: a request has a server, and comes after the configuration was read.
        let vendors = unsafe { vendors_of((*self.r).server) };
        vendors.iter().map(|vendor| vendor.gauges()).sum()
    }

    /// Our configuration of its server.
    pub(crate) fn server(self) -> &'a ServerConfig {
        // SAFETY: our slot was filled when the configuration was read, which outlives the request.
        unsafe { &*server_of((*self.r).server) }
    }
}

// ---- what is stored about it

impl<'a> Request<'a> {
    /// What is stored about the client's request, if anything.
    pub(crate) fn visit(self) -> Option<&'a Visit> {
        // SAFETY: our slot holds null or the visit that the root's pool keeps.
        unsafe {
            let config = (*self.root().r).request_config;
            let visit: *const Visit =
                ap_get_module_config(config, &raw const micromint_module).cast();
            visit.as_ref()
        }
    }

    /// What is stored about the client's request, created now if necessary.
    pub(crate) fn visit_or_new(self) -> &'a Visit {
        if let Some(visit) = self.visit() {
            return visit;
        }
        let root = self.root();
        // SAFETY: the pool is the root's own, and outlives what is derived from the root.
        unsafe {
            let visit = keep_in(root.pool(), Visit::default());
            ap_set_module_config(
                (*root.r).request_config,
                &raw const micromint_module,
                visit.cast(),
            );
            &*visit
        }
    }

    /// The value of an expression for this request.
    pub(crate) fn evaluate(self, expression: Expression) -> Result<&'a [u8], String> {
        let mut error = null();
        // SAFETY: the expression lives as long as its configuration, the value as long as the
        // request.
        unsafe {
            let value = ap_expr_str_exec(self.r, expression.as_ptr(), &raw mut error);
            if error.is_null() {
                Ok(bytes(value))
            } else {
                Err(String::from_utf8_lossy(bytes(error)).into_owned())
            }
        }
    }

    /// Sets a variable in the environment of the request.
    pub(crate) fn set_variable(self, variable: Variable, value: &str) {
        // SAFETY: the request is live; the name is static, the value a copy in its pool.
        unsafe {
            let value = copy_into(self.pool(), value.as_bytes());
            apr_table_setn((*self.r).subprocess_env, variable.name().as_ptr(), value);
        }
    }

    /// Whether a variable is set in the environment of the request.
    pub(crate) fn has_variable(self, variable: Variable) -> bool {
        // SAFETY: the request is live; the name is static.
        unsafe { !apr_table_get((*self.r).subprocess_env, variable.name().as_ptr()).is_null() }
    }

    /// Removes a variable from the environment of the request.
    pub(crate) fn unset_variable(self, variable: Variable) {
        // SAFETY: the request is live.
        unsafe { apr_table_unset((*self.r).subprocess_env, variable.name().as_ptr()) }
    }
}

// ---- its body, and what makes its content

impl<'a> Request<'a> {
    /// Reads the body, or a little more than its first `size_max` bytes. `Err` is what the hook
    /// must return.
    pub(crate) fn read_body(self, size_max: usize) -> Result<Body, Code> {
        // SAFETY: the request is live and its filters were not read from.
        unsafe { filters::read_all(self.r, size_max) }
    }

    /// Makes the body that was read available to whatever reads it next.
    pub(crate) fn give_body_back(self, visit: &'a Visit) {
        if let Some(body) = visit.body.get() {
            // SAFETY: the request is live; the visit, and so the body, lives as long as the
            // client's request.
            unsafe { filters::add_body(self.r, body) }
        }
    }

    /// Turns it into a GET without a body, in place.
    pub(crate) fn become_get(self) {
        for r in self.redirects() {
            // SAFETY: the requests are live; the name is static.
            unsafe {
                (*r).method_number = 0;
                (*r).method = c"GET".as_ptr();
                (*r).kept_body = null_mut();
                (*r).clength = 0;
                (*r).remaining = 0;
                (*r).read_chunked = 0;
            }
        }
        self.remove_headers(gate::CONTENT_FIELDS);
    }

    /// Makes the response complete, whatever copy the client has.
    pub(crate) fn ignore_conditions(self) {
        for r in self.redirects() {
            // SAFETY: the requests are live.
            unsafe { (*r).no_local_copy = 1 };
        }
        self.remove_headers(gate::CONDITION_FIELDS);
    }

    /// Removes header fields from the request, for whatever makes the content.
    pub(crate) fn remove_headers(self, names: &[&str]) {
        for name in names {
            // SAFETY: the request is live; the name is copied into its pool.
            unsafe {
                apr_table_unset((*self.r).headers_in, copy_into(self.pool(), name.as_bytes()))
            };
        }
    }

    /// Keeps the response out of Apache's own caches.
    pub(crate) fn refuse_caching(self) {
        // SAFETY: the request is live.
        unsafe { (*self.r).no_cache = 1 };
    }

    /// Once Apache's caches have seen the response: restores what Cache-Control says to the client.
    pub(crate) fn allow_caching_again(self) {
        // SAFETY: the request is live.
        unsafe { (*self.r).no_cache = 0 };
    }
}

// ---- its response

impl Request<'_> {
    /// Adds the filter that sees the head of the response before it is sent.
    pub(crate) fn add_head_filter(self) {
        // SAFETY: the request is live and a main request.
        unsafe { filters::add_head(self.r) }
    }

    /// Adds the filter that sees the head of a switch of protocols, if the request may lead to one.
    pub(crate) fn add_switch_filter(self) {
        if self.has_header(c"Upgrade") {
            // SAFETY: the request is live and a main request.
            unsafe { filters::add_switch(self.r) }
        }
    }

    /// Adds a field to the response.
    pub(crate) fn add_answer_header(self, name: &str, value: &str) {
        // SAFETY: the request is live; name and value are copies in its pool.
        unsafe {
            let (name, value) =
                (copy_into(self.pool(), name.as_bytes()), copy_into(self.pool(), value.as_bytes()));
            apr_table_addn((*self.r).headers_out, name, value);
        }
    }

    /// Removes a field from the response.
    pub(crate) fn remove_answer_header(self, name: &str) {
        // SAFETY: the request is live; the name is copied into its pool.
        unsafe {
            let name = copy_into(self.pool(), name.as_bytes());
            apr_table_unset((*self.r).headers_out, name);
            apr_table_unset((*self.r).err_headers_out, name);
        }
    }

    /// All values that the response has for a field so far.
    pub(crate) fn answer_values(self, name: &str) -> Vec<String> {
        // SAFETY: the request is live; its tables are not changed meanwhile.
        let values = unsafe {
            let tables = [(*self.r).err_headers_out, (*self.r).headers_out];
            tables.into_iter().flat_map(|fields| table::values(fields, name.as_bytes()))
        };
        values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// Discards the body that the client may still send.
    pub(crate) fn discard_body(self) -> Code {
        // SAFETY: the request is live.
        unsafe { ap_discard_request_body(self.r) }
    }

    /// Sends content with a success status.
    pub(crate) fn send_content(self, content_type: &str, body: &[u8]) -> Code {
        // SAFETY: the request is live; what is written is copied or sent before this returns.
        unsafe {
            ap_set_content_type(self.r, copy_into(self.pool(), content_type.as_bytes()));
            ap_set_content_length(self.r, body.len() as i64);
            ap_rwrite(body.as_ptr().cast(), i32::try_from(body.len()).unwrap_or(i32::MAX), self.r);
        }
        OK
    }

    /// Sends a complete response as Apache sends its own error pages: without the filters for
    /// content. The caller has added its other fields.
    pub(crate) fn send(self, status: u16, content_type: &str, body: &[u8]) -> Code {
        let r = self.r;
        // SAFETY: the request is live; what is written is copied or sent before this returns.
        unsafe {
            (*r).status = status.into();
            (*r).status_line = null();
            (*r).content_encoding = null();
            (*r).content_languages = null_mut();
            std::ptr::swap(&raw mut (*r).headers_out, &raw mut (*r).err_headers_out);
            apr_table_clear((*r).err_headers_out);
            (*r).output_filters = (*r).proto_output_filters;
            ap_run_insert_error_filter(r);
            if !content_type.is_empty() {
                ap_set_content_type(r, copy_into(self.pool(), content_type.as_bytes()));
            }
            ap_set_content_length(r, body.len() as i64);
            let len = i32::try_from(body.len()).unwrap_or(i32::MAX);
            // Only the connection can fail here; there is nothing left to answer.
            ap_rwrite(body.as_ptr().cast(), len, r);
        }
        OK
    }
}
