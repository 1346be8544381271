//! Asks the paywall: how a request is presented, and who decides about it when.

use std::sync::Arc;

use micromint::protocol::{PAYMENT_SIZE_MAX, RequestOutcome};
use micromint::vendor::{
    Content, Decision, Paywall, Place, Request as PaywallRequest, RequestBuf, Serve, Vendor,
    VendorDecision, unavailable,
};

use super::{SERVER_ERROR, free, reply};
use crate::ap::{Code, Level, Request};
use crate::module::{PlaceConfig, Value};
use crate::test_panic;

/// The header fields for which the facts about a file matter.
const CONDITIONS: [&[u8]; 6] = [
    b"If-Match",
    b"If-None-Match",
    b"If-Modified-Since",
    b"If-Unmodified-Since",
    b"If-Range",
    b"Range",
];

/// Asks what to do with the request at this price.
pub(super) fn enter(request: Request<'_>, price: u32) -> Code {
    let Some(vendor) = request.server().vendor() else {
        request.log().write(Level::Error, "expected a MicroMintConfig for this server, found none");
        return SERVER_ERROR;
    };
    let paywall = match asking(request, vendor, price) {
        Ok(paywall) => paywall,
        Err(code) => return code,
    };
    test_panic::panic_if_asked(request, "head");
    if let Some(question) = request.visit().and_then(|visit| visit.question.take()) {
        return work(request, vendor, price, Work::Again(Box::new(question)));
    }
    let (decided, question) = with_request(request, price, None, |question| {
        let decided = vendor.decide_head(&paywall, question);
        let outcome = decided.as_ref().map(|(decision, _)| decision.outcome());
        let is_returned = outcome == Some(RequestOutcome::Returned);
        (decided, (is_returned && price == 0).then(|| RequestBuf::from(question)))
    });
    match decided {
        Some((Decision::Serve(serve), _)) if serve == Serve::default() => free(request),
        Some(decided) => follow(request, price, decided, question),
        None => match request.read_body(PAYMENT_SIZE_MAX) {
            Ok(body) => work(request, vendor, price, Work::Body(body)),
            Err(code) => code,
        },
    }
}

/// Carries out the decision, and stores what may be needed later.
fn follow(
    request: Request<'_>,
    price: u32,
    decided: VendorDecision,
    question: Option<RequestBuf>,
) -> Code {
    let (decision, paywall) = decided;
    let visit = request.visit_or_new();
    *visit.paywall.borrow_mut() = paywall;
    *visit.question.borrow_mut() = question;
    reply::decided(request, price, decision.into())
}

/// The vendor's paywall, opened now if it never was; `Err` is what must be returned if there is
/// none.
pub(super) fn asking(
    request: Request<'_>,
    vendor: &Vendor,
    price: u32,
) -> Result<Arc<Paywall>, Code> {
    if let Some(paywall) = vendor.to_ask() {
        return Ok(paywall);
    }
    if price == 0 {
        return Err(free(request));
    }
    let reason = match vendor.open() {
        Ok(Some(paywall)) => return Ok(paywall),
        Ok(None) => "the till could not be opened; the server tries again in a moment".to_string(),
        Err(error) => error.to_string(),
    };
    Err(reply::decided(request, price, Decision::from(unavailable(reason)).into()))
}

/// What is decided about.
enum Work {
    /// The request with its body; `None` if the body is too large.
    Body(Option<Vec<u8>>),
    /// What was asked before an internal redirect, at the price of the page that it leads to.
    Again(Box<RequestBuf>),
}

/// Decides. This may wait for the disk: the thread belongs to the request.
fn work(request: Request<'_>, vendor: &Vendor, price: u32, work: Work) -> Code {
    test_panic::panic_if_asked(request, "decision");
    let body = if let Work::Body(Some(body)) = &work { Some(body.as_slice()) } else { None };
    let (decided, question) = with_request(request, price, body, |now| match &work {
        Work::Body(_) => (vendor.decide(now), (price == 0).then(|| RequestBuf::from(now))),
        Work::Again(before) => {
            let decide = |before: &PaywallRequest<'_>| {
                vendor.decide(&PaywallRequest {
                    price,
                    place: now.place,
                    content: now.content,
                    ..*before
                })
            };
            (before.as_request(decide), None)
        }
    });
    let serves_body = matches!(&decided.0, Decision::Serve(serve) if !serve.as_get);
    if let Some(body) = body.filter(|_| serves_body) {
        request.give_body_back(body);
    }
    follow(request, price, decided, question)
}

/// Passes the request to the paywall.
fn with_request<T>(
    request: Request<'_>,
    price: u32,
    body: Option<&[u8]>,
    with: impl FnOnce(&PaywallRequest<'_>) -> T,
) -> T {
    let (headers, place) = (request.headers(), request.place());
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
        price,
        place: Place {
            receipt_path: receipt_path(request, place),
            free_views: place.free_views(),
            is_dry_run: place.is_dry_run(),
        },
        client: request.client(),
        content: file.map(|file| Content {
            etag: file.etag,
            last_modified: Some(file.last_modified),
            size: file.size,
        }),
    })
}

/// What a receipt opens here. If it cannot be computed, the receipt opens the one page.
fn receipt_path<'a>(request: Request<'a>, place: &PlaceConfig) -> Option<&'a [u8]> {
    match place.receipt_path()? {
        Value::Fixed(text) => Some(text.bytes()),
        Value::Varying(expression) => match request.evaluate(expression) {
            Ok(path) => Some(path),
            Err(reason) => {
                request.log().write(Level::Error, &format!("MicroMintReceiptPath: {reason}"));
                None
            }
        },
    }
}
