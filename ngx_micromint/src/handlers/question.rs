//! Asks the paywall about the request, on the event thread or in the thread pool.

use std::rc::Rc;
use std::sync::Arc;

use micromint::protocol::PAYMENT_SIZE_MAX;
use micromint::vendor::gate::{Asked, Asking, DeferredDecision, Stage, Thread, ask_all};
use micromint::vendor::{
    Content, Request as PaywallRequest, Vendor, has_login as has_login_of, has_payment_or_receipt,
    unavailable,
};

use super::SERVER_ERROR;
use super::reply::{carry_out, fail};
use crate::sys::wakeup::{self, Member};
use crate::sys::{AGAIN, Code, DECLINED, Level, Request, StaticFile, offload};
use crate::test_panic;
use crate::visit::Visit;

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
    if joins(request, &visit, &vendor, &mut None) {
        return AGAIN;
    }
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
fn ask_with(request: &mut Request, mut body: Option<Vec<u8>>) -> Code {
    let vendor = request.server().vendor().map(Arc::clone);
    let (Some(vendor), Some(visit)) = (vendor, request.visit()) else {
        return fail(request, SERVER_ERROR);
    };
    if test_panic::is_asked(request, "thread") {
        return work(request, vendor, |_| panic!("requested by a test"));
    }
    if body.is_some() && joins(request, &visit, &vendor, &mut body) {
        return AGAIN;
    }
    let asked = with_request(request, body.as_deref(), |now| {
        visit.gate.borrow_mut().ask_with_body(&vendor, now, Thread::Event)
    });
    follow(request, vendor, asked)
}

fn follow(request: &mut Request, vendor: Arc<Vendor>, asked: Asked) -> Code {
    match asked {
        Asked::Free => DECLINED,
        Asked::Decided => {
            if request.visit().is_some_and(|visit| visit.gate.borrow().is_charged()) {
                wakeup::open();
            }
            carry_out(request)
        }
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
    decide: impl FnOnce(&Vendor) -> DeferredDecision + Send + 'static,
) -> Code {
    match start(request, vendor, decide) {
        Ok(()) => AGAIN,
        Err(()) => carry_out(request),
    }
}

/// The thread pool decides, and then the phases continue. `Err` if it cannot: then that is decided.
fn start(
    request: &mut Request,
    vendor: Arc<Vendor>,
    decide: impl FnOnce(&Vendor) -> DeferredDecision + Send + 'static,
) -> Result<(), ()> {
    let Some(visit) = request.visit_or_new() else { return Err(()) };
    let Some(pool) = request.server().pool() else {
        visit.gate.borrow_mut().fail(SERVER_ERROR as u16);
        return Err(());
    };
    visit.gate.borrow_mut().works(request.uri_changes());
    let decide = move || decide(&vendor);
    let started = offload(request, pool, decide, |request, reply: Option<DeferredDecision>| {
        if reply.is_none() {
            request.log().write(Level::Alert, "panic during the decision about a payment");
        }
        if let Some(visit) = request.visit() {
            visit.gate.borrow_mut().answered(reply);
        }
    });
    if started.is_err() {
        // Nothing was recorded, and the same payment may be sent again.
        visit.gate.borrow_mut().answer_with(unavailable(QUEUE_IS_FULL.to_string()));
    }
    started
}

// ---- several requests of one wake-up

/// Lets a request wait for the others of this wake-up, if it brings a payment as they do.
fn joins(
    request: &mut Request,
    visit: &Rc<Visit>,
    vendor: &Vendor,
    body: &mut Option<Vec<u8>>,
) -> bool {
    let joins = wakeup::is_open()
        && with_request(request, body.as_deref(), |now| visit.gate.borrow().may_join(vendor, now));
    if joins {
        visit.gate.borrow_mut().works(request.uri_changes());
        wakeup::join(request, Rc::clone(visit), body.take());
    }
    joins
}

/// Decides about the requests that have waited for each other. Then their phases continue.
pub(crate) fn decide_all(members: &mut [Member]) {
    let mut rest: Vec<&mut Member> = members.iter_mut().collect();
    while let Some(vendor) = rest.first().and_then(|member| member.request.server().vendor()) {
        let vendor = Arc::clone(vendor);
        let is_same = |member: &&mut Member| {
            member.request.server().vendor().is_some_and(|other| Arc::ptr_eq(other, &vendor))
        };
        let (mut these, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_same);
        decide_of(&vendor, &mut these);
        rest = others;
    }
}

/// Decides about requests for places of one vendor.
fn decide_of(vendor: &Arc<Vendor>, members: &mut [&mut Member]) {
    let files: Vec<_> = members.iter_mut().map(|member| file(&mut member.request)).collect();
    let questions = {
        let headers: Vec<_> = members.iter().map(|member| member.request.headers()).collect();
        let parts = members.iter().zip(files.iter().zip(&headers));
        let asking = parts.map(|(member, (file, headers))| Asking {
            visit: member.visit.gate.borrow_mut(),
            request: seen(&member.request, headers, file.as_ref(), member.body.as_deref()),
        });
        ask_all(vendor, asking.collect())
    };
    for (member, question) in members.iter_mut().zip(questions) {
        if let Some(question) = question {
            // If the pool is full, that is decided.
            let _ = start(&mut member.request, Arc::clone(vendor), |vendor| question.wait(vendor));
        }
    }
}

/// After a panic in [`decide_all`]: requests about which nothing was decided fail.
pub(crate) fn give_up(members: &[Member]) {
    for Member { visit, .. } in members {
        let mut gate = visit.gate.borrow_mut();
        if gate.stage() == Stage::Working {
            gate.answered(None);
        }
    }
}

// ---- how a request is presented

/// Whether the client sent a password.
pub(super) fn has_login(request: &Request) -> bool {
    let headers = request.headers();
    has_login_of(&PaywallRequest { headers: &headers, ..PaywallRequest::default() })
}

/// Passes the request to the paywall. The gate adds price and place.
fn with_request<T>(
    request: &mut Request,
    body: Option<&[u8]>,
    with: impl FnOnce(&PaywallRequest<'_>) -> T,
) -> T {
    let file = file(request);
    let headers = request.headers();
    with(&seen(request, &headers, file.as_ref(), body))
}

/// The file that nginx is about to send, if a condition of a payment depends on it.
fn file(request: &mut Request) -> Option<StaticFile> {
    let is_examined = request.has_conditions() && {
        let (method, headers) = (request.method(), request.headers());
        has_payment_or_receipt(&PaywallRequest {
            method,
            headers: &headers,
            ..PaywallRequest::default()
        })
    };
    if is_examined { request.static_file() } else { None }
}

fn seen<'a>(
    request: &'a Request,
    headers: &'a [(&'a [u8], &'a [u8])],
    file: Option<&'a StaticFile>,
    body: Option<&'a [u8]>,
) -> PaywallRequest<'a> {
    PaywallRequest {
        method: request.method(),
        target: request.target(),
        is_https: request.is_https(),
        host: request.host(),
        port: request.port(),
        headers,
        body,
        client: request.client(),
        content: file.map(|file| Content {
            etag: file.etag.as_deref().map(str::as_bytes),
            last_modified: file.last_modified,
            size: file.size,
        }),
        ..PaywallRequest::default()
    }
}
