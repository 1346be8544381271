//! Asks the paywall about the request, on the event thread or in the thread pool.

use std::sync::Arc;

use micromint::protocol::PAYMENT_SIZE_MAX;
use micromint::vendor::gate::{Asked, Passed, Reply, Thread, Value};
use micromint::vendor::{
    Content, ListPrice, Request as PaywallRequest, Vendor, has_login as has_login_of,
    has_payment_or_receipt, unavailable,
};

use super::SERVER_ERROR;
use super::reply::{carry_out, fail, rule};
use crate::sys::{AGAIN, Code, DECLINED, Level, Request, offload};
use crate::test_panic;

const QUEUE_IS_FULL: &str =
    "the queue of the thread pool is full; raise max_queue of nginx's directive thread_pool";

/// The head of the request was read: asks what to do with it.
pub(super) fn ask(request: &mut Request) -> Code {
    if test_panic::is_asked(request, "head") {
        panic!("requested by a test");
    }
    let Some(vendor) = request.server().vendor().map(Arc::clone) else {
        return fail(request, SERVER_ERROR);
    };
    let Some(visit) = request.visit() else {
        // A free page is not remembered unless it brings a payment.
        let mut gate = micromint::vendor::gate::Visit::default();
        let asked = with_request(request, None, |now| gate.ask(&vendor, now, Thread::Event));
        if matches!(asked, Asked::Free) {
            return DECLINED;
        }
        let Some(visit) = request.visit_or_new() else { return SERVER_ERROR };
        visit.gate.replace(gate);
        return follow(request, vendor, asked);
    };
    let asked =
        with_request(request, None, |now| visit.gate.borrow_mut().ask(&vendor, now, Thread::Event));
    follow(request, vendor, asked)
}

/// The body of the request was read.
pub(super) fn ask_with_body(request: &mut Request) -> Code {
    match request.body(PAYMENT_SIZE_MAX) {
        Ok(body) => ask_with(request, body),
        Err(error) => {
            let text = format!("cannot read the file of a request body: {error}");
            request.log().write(Level::Error, &text);
            fail(request, SERVER_ERROR)
        }
    }
}

/// Asks with the body; `None` if it is too large.
fn ask_with(request: &mut Request, body: Option<Vec<u8>>) -> Code {
    let vendor = request.server().vendor().map(Arc::clone);
    let (Some(vendor), Some(visit)) = (vendor, request.visit()) else {
        return fail(request, SERVER_ERROR);
    };
    if test_panic::is_asked(request, "thread") {
        return work(request, vendor, |_| panic!("requested by a test"));
    }
    let asked = with_request(request, body.as_deref(), |now| {
        visit.gate.borrow_mut().ask_with_body(&vendor, now, Thread::Event)
    });
    follow(request, vendor, asked)
}

fn follow(request: &mut Request, vendor: Arc<Vendor>, asked: Asked) -> Code {
    match asked {
        Asked::Free => DECLINED,
        Asked::Decided => carry_out(request),
        Asked::Pending(question) => work(request, vendor, |vendor| question.wait(vendor)),
        Asked::NeedsBody { size_max } => {
            if request.content_length().is_some_and(|length| length > size_max as u64) {
                return ask_with(request, None);
            }
            let Some(visit) = request.visit() else { return SERVER_ERROR };
            visit.gate.borrow_mut().reads_body(request.uri_changes());
            request.read_body()
        }
    }
}

/// The thread pool decides.
fn work(
    request: &mut Request,
    vendor: Arc<Vendor>,
    decide: impl FnOnce(&Vendor) -> Reply + Send + 'static,
) -> Code {
    let (Some(pool), Some(visit)) = (request.server().pool(), request.visit()) else {
        return fail(request, SERVER_ERROR);
    };
    visit.gate.borrow_mut().works(request.uri_changes());
    let decide = move || decide(&vendor);
    let started = offload(request, pool, decide, |request, reply: Option<Reply>| {
        if reply.is_none() {
            request.log().write(Level::Alert, "panic during the decision about a payment");
        }
        if let Some(visit) = request.visit() {
            visit.gate.borrow_mut().answered(reply);
        }
    });
    match started {
        Ok(()) => AGAIN,
        // Nothing was recorded, and the same payment may be sent again.
        Err(()) => rule(request, unavailable(QUEUE_IS_FULL.to_string())),
    }
}

/// Whether the client sent a password.
pub(super) fn has_login(request: &Request) -> bool {
    let headers = request.headers();
    has_login_of(&PaywallRequest { headers: &headers, ..PaywallRequest::default() })
}

/// What the price list says about the page that the client asked for.
pub(super) fn list_price(request: &Request) -> Option<ListPrice> {
    let vendor = request.server().vendor()?;
    let has_exemptions = request.location().options.has_exemptions();
    vendor.list_price(&asked(request), has_exemptions)
}

/// What the price list says about the path of a subrequest.
pub(super) fn list_price_of_part(request: &Request) -> Option<ListPrice> {
    request.server().vendor()?.list_price_of_part(request.path(), &asked(request))
}

/// What the client asked for.
fn asked(request: &Request) -> PaywallRequest<'_> {
    PaywallRequest {
        target: request.target(),
        is_https: request.is_https(),
        host: request.host(),
        port: request.port(),
        ..PaywallRequest::default()
    }
}

/// This location as the gate sees it, at its own price for this request.
pub(super) fn passed(request: &mut Request, price: u32) -> Passed {
    let varying = match request.location().options.receipt_path() {
        Some(Value::Varying(value)) => {
            let value = *value;
            // An empty value means no receipt path.
            request.evaluate(&value).map(<[u8]>::to_vec).filter(|path| !path.is_empty())
        }
        _ => None,
    };
    let options = &request.location().options;
    let receipt_path = match options.receipt_path() {
        Some(Value::Fixed(path)) => Some(path.clone()),
        Some(Value::Varying(_)) => varying,
        None => None,
    };
    Passed {
        price,
        receipt_path,
        free_views: options.free_views(),
        is_dry_run: options.is_dry_run(),
        charges_redirects: options.charges_redirects(),
        preview: None,
    }
}

/// Passes the request to the paywall. The gate adds price and place.
fn with_request<T>(
    request: &mut Request,
    body: Option<&[u8]>,
    with: impl FnOnce(&PaywallRequest<'_>) -> T,
) -> T {
    // Only a payment depends on the content.
    let is_examined = request.has_conditions() && {
        let headers = request.headers();
        let method = request.method();
        has_payment_or_receipt(&PaywallRequest {
            method,
            headers: &headers,
            ..PaywallRequest::default()
        })
    };
    let file = if is_examined { request.static_file() } else { None };
    let content = file.as_ref().map(|file| Content {
        etag: file.etag.as_deref().map(str::as_bytes),
        last_modified: file.last_modified,
        size: file.size,
    });
    let headers = request.headers();
    with(&PaywallRequest {
        method: request.method(),
        target: request.target(),
        is_https: request.is_https(),
        host: request.host(),
        port: request.port(),
        headers: &headers,
        body,
        client: request.client(),
        content,
        ..PaywallRequest::default()
    })
}
