//! Asks the paywall: how a request is presented. The thread belongs to the request and may wait.

use micromint::vendor::gate::{Asked, Thread, Visit as Gate};
use micromint::vendor::{Content, Request as PaywallRequest, Vendor};

use super::reply::{carry_out, fail};
use super::{SERVER_ERROR, free};
use crate::ap::{Body, Code, Level, Request};
use crate::test_panic;
use crate::visit::Visit;

/// The header fields for which the facts about a file matter.
const CONDITIONS: [&[u8]; 6] = [
    b"If-Match",
    b"If-None-Match",
    b"If-Modified-Since",
    b"If-Unmodified-Since",
    b"If-Range",
    b"Range",
];

/// Asks what to do with the request.
pub(super) fn ask(request: Request<'_>) -> Code {
    let Some(vendor) = request.server().vendor() else {
        request.log().write(Level::Error, "expected a MicroMintConfig for this server, found none");
        return SERVER_ERROR;
    };
    test_panic::panic_if_asked(request, "head");
    test_panic::panic_if_asked(request, "decision");
    let Some(visit) = request.visit() else {
        // A free page is not remembered unless it brings a payment.
        let mut gate = Gate::default();
        let asked = with_request(request, None, |now| gate.ask(vendor, now, Thread::Blocking));
        if matches!(asked, Asked::Free) {
            return free(request);
        }
        request.visit_or_new().gate.replace(gate);
        return follow(request, vendor, asked);
    };
    let asked = with_request(request, None, |now| {
        visit.gate.borrow_mut().ask(vendor, now, Thread::Blocking)
    });
    follow(request, vendor, asked)
}

fn follow(request: Request<'_>, vendor: &Vendor, asked: Asked) -> Code {
    match asked {
        Asked::Free => free(request),
        Asked::Decided => carry_out(request),
        Asked::NeedsBody { size_max } => match body(request, size_max) {
            Ok(body) => ask_with(request, vendor, body, size_max),
            Err(code) => code,
        },
        // Only an event thread is told to wait elsewhere.
        Asked::Pending(_) => fail(request, SERVER_ERROR),
    }
}

/// The body, which is read once.
fn body(request: Request<'_>, size_max: usize) -> Result<&Body, Code> {
    let body = &request.visit_or_new().body;
    if let Some(body) = body.get() {
        return Ok(body);
    }
    let read = request.read_body(size_max)?;
    Ok(body.get_or_init(|| read))
}

fn ask_with(request: Request<'_>, vendor: &Vendor, body: &Body, size_max: usize) -> Code {
    let is_whole = body.is_complete && body.bytes.len() <= size_max;
    let whole = is_whole.then_some(body.bytes.as_slice());
    let visit = request.visit_or_new();
    let asked = with_request(request, whole, |now| {
        visit.gate.borrow_mut().ask_with_body(vendor, now, Thread::Blocking)
    });
    give_body_back(request, visit);
    follow(request, vendor, asked)
}

/// Unless the body was the payment, whatever makes the content gets all of it; so does whatever
/// discards it.
pub(super) fn give_body_back(request: Request<'_>, visit: &Visit) {
    if !visit.gate.borrow().replaces_body() {
        request.give_body_back(visit);
    }
}

/// Passes the request to the paywall. The gate adds price and place.
fn with_request<T>(
    request: Request<'_>,
    body: Option<&[u8]>,
    with: impl FnOnce(&PaywallRequest<'_>) -> T,
) -> T {
    let headers = request.headers();
    // The facts about a file matter only for a condition or a range.
    let is_conditional =
        |name: &[u8]| CONDITIONS.iter().any(|condition| name.eq_ignore_ascii_case(condition));
    let file = match headers.iter().any(|(name, _)| is_conditional(name)) {
        true => request.static_file(),
        false => None,
    };
    with(&PaywallRequest {
        method: request.method(),
        target: request.target(),
        is_https: request.is_https(),
        host: request.host(),
        port: request.port(),
        headers: &headers,
        body,
        client: request.client(),
        content: file.map(|file| Content {
            etag: file.etag,
            last_modified: Some(file.last_modified),
            size: file.size,
        }),
        ..PaywallRequest::default()
    })
}
