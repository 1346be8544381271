//! Asks the paywall about the request, on the event thread or in the thread pool.

use std::rc::Rc;
use std::sync::Arc;

use micromint::vendor::{
    Content, Decision, Paywall, Place, Request as PaywallRequest, RequestBuf, Serve, Step, Vendor,
    unavailable,
};

use super::SERVER_ERROR;
use super::reply::decided;
use crate::module::Text;
use crate::sys::{AGAIN, Code, DECLINED, Level, Request, offload};
use crate::test_panic;
use crate::visit::{Ruling, Stage, Visit};

const QUEUE_IS_FULL: &str =
    "the queue of the thread pool is full; raise max_queue of nginx's directive thread_pool";

/// The head of the request was read: asks what to do with it at this price.
pub(super) fn enter(request: &mut Request, price: u32) -> Code {
    let Some(vendor) = request.server().vendor().map(Arc::clone) else { return SERVER_ERROR };
    // One look also records a payment, unless the content must be examined first.
    let recorder = vendor.to_record().filter(|_| {
        price > 0 && !request.has_conditions() && !test_panic::is_asked(request, "thread")
    });
    let Some(paywall) = recorder.clone().or_else(|| vendor.to_ask()) else {
        return if price == 0 { DECLINED } else { open_first(request, vendor, price) };
    };
    if test_panic::is_asked(request, "head") {
        panic!("requested by a test");
    }
    let step = with_request(request, price, None, None, |request| match &recorder {
        Some(paywall) => paywall.try_classify(request),
        None => paywall.classify(request),
    });
    match step {
        Step::Decided(Decision::Serve(serve)) if serve == Serve::default() => DECLINED,
        Step::Decided(decision) => decided_by(request, price, recorder, decision),
        Step::Work => work(request, vendor, price, None),
        Step::ReadBody { size_max } => {
            let Some(visit) = begin(request, price, Stage::Reading) else { return SERVER_ERROR };
            if request.content_length().is_some_and(|length| length > size_max as u64) {
                visit.stage.set(Stage::Fresh);
                return work(request, vendor, price, None);
            }
            request.read_body()
        }
    }
}

/// The body of the request was read.
pub(super) fn with_body(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return SERVER_ERROR };
    let price = visit.price.get();
    let Some(vendor) = request.server().vendor().map(Arc::clone) else { return SERVER_ERROR };
    let body = match request.body(micromint::protocol::PAYMENT_SIZE_MAX) {
        Ok(body) => body,
        Err(error) => {
            request
                .log()
                .write(Level::Error, &format!("cannot read the file of a request body: {error}"));
            return SERVER_ERROR;
        }
    };
    work(request, vendor, price, body)
}

/// Decides on the event thread if nothing has to wait; otherwise the thread pool decides.
fn work(request: &mut Request, vendor: Arc<Vendor>, price: u32, body: Option<Vec<u8>>) -> Code {
    // Examined only now: what is decided without the disk does not depend on the content.
    let file = if request.has_conditions() { request.static_file() } else { None };
    let content = file.as_ref().map(|file| Content {
        etag: file.etag.as_deref().map(str::as_bytes),
        last_modified: file.last_modified,
        size: file.size,
    });
    let panics = test_panic::is_asked(request, "thread");
    // Most payments need not wait. Waking a thread would cost more than recording one.
    let paywall = vendor.to_record().filter(|_| !panics);
    let answer = with_request(request, price, body.as_deref(), content, |request| {
        let decision = paywall.as_ref().and_then(|paywall| paywall.try_decide(request));
        decision.ok_or_else(|| Box::new(RequestBuf::from(request)))
    });
    let question = match answer {
        Ok(decision) => return decided_by(request, price, paywall, decision),
        Err(question) => question,
    };
    let Some(pool) = request.server().pool() else { return SERVER_ERROR };
    if begin(request, price, Stage::Working).is_none() {
        return SERVER_ERROR;
    }
    let decide = move || {
        if panics {
            panic!("requested by a test");
        }
        question.as_request(|request| vendor.decide(request))
    };
    let started = offload(request, pool, decide, |request, decided| {
        let Some(visit) = request.visit() else { return };
        visit.ruling.replace(match decided {
            Some((decision, paywall)) => {
                *visit.paywall.borrow_mut() = paywall;
                Ruling::Decided(decision)
            }
            None => {
                request.log().write(Level::Alert, "panic during the decision about a payment");
                Ruling::Fail(SERVER_ERROR)
            }
        });
        visit.stage.set(Stage::Decided);
    });
    match started {
        Ok(()) => AGAIN,
        Err(()) => not_now(request, price, QUEUE_IS_FULL),
    }
}

/// Stores the paywall's decision, and the paywall, which settles the charge later; then acts on it.
fn decided_by(
    request: &mut Request,
    price: u32,
    paywall: Option<Arc<Paywall>>,
    decision: Decision,
) -> Code {
    let Some(visit) = request.visit_or_new() else { return SERVER_ERROR };
    *visit.paywall.borrow_mut() = paywall;
    decided(request, price, Ruling::Decided(decision))
}

/// Nothing can be decided now. Nothing was recorded, and the same payment may be sent again.
fn not_now(request: &mut Request, price: u32, reason: &str) -> Code {
    decided(request, price, Ruling::Decided(unavailable(reason.to_string()).into()))
}

/// Opens a paywall that was never opened, in the thread pool, then comes back.
fn open_first(request: &mut Request, vendor: Arc<Vendor>, price: u32) -> Code {
    let Some(pool) = request.server().pool() else { return SERVER_ERROR };
    if begin(request, price, Stage::Working).is_none() {
        return SERVER_ERROR;
    }
    let started = offload(
        request,
        pool,
        move || vendor.open().map(|paywall| paywall.is_some()),
        |request, result| {
            let Some(visit) = request.visit() else { return };
            let reason = match result {
                Some(Ok(true)) => return visit.stage.set(Stage::Fresh),
                Some(Ok(false)) => {
                    "the till could not be opened; the server tries again in a moment".to_string()
                }
                Some(Err(error)) => error.to_string(),
                None => "panic while opening the till".to_string(),
            };
            visit.ruling.replace(Ruling::Decided(unavailable(reason).into()));
            visit.stage.set(Stage::Decided);
        },
    );
    match started {
        Ok(()) => AGAIN,
        Err(()) => not_now(request, price, QUEUE_IS_FULL),
    }
}

/// Passes the request to the paywall.
fn with_request<T>(
    request: &mut Request,
    price: u32,
    body: Option<&[u8]>,
    content: Option<Content<'_>>,
    with: impl FnOnce(&PaywallRequest<'_>) -> T,
) -> T {
    let varying = match request.location().receipt_path() {
        Some(Text::Varying(value)) if price > 0 => {
            let value = *value;
            request.evaluate(&value).map(<[u8]>::to_vec)
        }
        _ => None,
    };
    let location = request.location();
    let receipt_path = match location.receipt_path() {
        Some(Text::Fixed(path)) => Some(path.as_slice()),
        // An empty value means no receipt path.
        Some(Text::Varying(_)) => varying.as_deref().filter(|path| !path.is_empty()),
        None => None,
    };
    let headers = request.headers();
    with(&PaywallRequest {
        method: request.method(),
        target: request.target(),
        is_https: request.is_https(),
        host: request.host(),
        port: request.port(),
        headers: &headers,
        body,
        price,
        place: Place {
            receipt_path,
            free_views: location.free_views(),
            is_dry_run: location.is_dry_run(),
        },
        client: request.client(),
        content,
    })
}

pub(super) fn begin(request: &mut Request, price: u32, stage: Stage) -> Option<Rc<Visit>> {
    let visit = request.visit_or_new()?;
    visit.price.set(price);
    visit.began_in.set(request.uri_changes());
    visit.stage.set(stage);
    Some(visit)
}
