//! Acts on the paywall's decision: the content is served, or another answer is sent.

use micromint::protocol::RequestOutcome;
use micromint::vendor::{Answer, Decision, METRICS_MEDIA_TYPE, Request as PaywallRequest};

use super::question::asking;
use super::report::tell;
use super::{FORBIDDEN, NOT_FOUND, SERVER_ERROR, price_of};
use crate::ap::{Code, DECLINED, Level, OK, Request, counters};
use crate::module::Gate;
use crate::visit::{Ruling, Stage, Visit};

pub(super) fn decided(request: Request<'_>, price: u32, ruling: Ruling) -> Code {
    let visit = request.visit_or_new();
    visit.price.set(price);
    visit.ruling.replace(ruling);
    let ruling = visit.ruling.borrow();
    if let Some(alert) = ruling.decision().and_then(|decision| decision.about().alert.as_ref()) {
        request.log().write(Level::Error, alert);
    }
    if let Some(serve) = ruling.serve() {
        if serve.as_get {
            request.become_get();
        }
        if serve.ignore_conditions {
            request.ignore_conditions();
        }
        request.remove_headers(serve.strip_request_headers);
        if request.has_header(c"If-Match") {
            // RFC 9110, 13.1.4, which Apache does not follow: the paywall used one condition, so
            // the other must be ignored.
            request.remove_headers(&["If-Unmodified-Since"]);
        }
        visit.stage.set(Stage::Served);
        return served(request, visit);
    }
    visit.stage.set(Stage::Answered);
    tell(request, visit);
    match (ruling.answer(), &*ruling) {
        (Some(answer), _) => refuse(request, answer),
        (None, Ruling::Fail(code)) => *code,
        (None, _) => SERVER_ERROR,
    }
}

/// The content may be made, also by requests that Apache derives from this one.
pub(super) fn served(request: Request<'_>, visit: &Visit) -> Code {
    let is_returned = visit
        .ruling
        .borrow()
        .serve()
        .is_some_and(|serve| serve.outcome == RequestOutcome::Returned);
    if is_returned && request.place().gate() == Gate::Require {
        return FORBIDDEN;
    }
    tell(request, visit);
    watch_head(request);
    DECLINED
}

/// Adds the filter for the head of the response, if it is needed. Called for every request and for
/// every error that Apache makes of a client's request.
pub(crate) fn watch_head(request: Request<'_>) {
    let Some(visit) = request.visit().filter(|_| !request.is_subrequest()) else { return };
    if visit.stage.get() == Stage::Fresh {
        return;
    }
    if visit.ruling.borrow().serve().is_some_and(|serve| serve.is_private) {
        request.refuse_caching();
    }
    request.add_head_filter();
}

/// Sends an answer instead of the content, through `ErrorDocument` if there is one for its status.
/// Its header fields are added when the head is made.
fn refuse(request: Request<'_>, answer: &Answer) -> Code {
    if let Some(text) = &answer.log {
        // What a client can cause at will is not an error of the server.
        let level =
            if answer.outcome == RequestOutcome::Unavailable { Level::Error } else { Level::Info };
        request.log().write(level, text);
    }
    if request.has_error_document(answer.status) {
        return Code::from(answer.status);
    }
    send(request, answer)
}

fn send(request: Request<'_>, answer: &Answer) -> Code {
    match request.discard_body() {
        OK => request.send(answer.status, content_type(answer), &answer.body),
        code => code,
    }
}

fn content_type(answer: &Answer) -> &str {
    answer.headers.iter().find(|(name, _)| is_content_type(name)).map_or("", |(_, value)| value)
}

pub(super) fn is_content_type(name: &str) -> bool {
    name.eq_ignore_ascii_case("Content-Type")
}

/// `SetHandler micromint-message`: the content of a place for `ErrorDocument 402`. This is the
/// paywall's answer, or, if the 402 has another origin, the paywall's answer for this place.
pub(super) fn message(request: Request<'_>) -> Code {
    let visit = request.visit_or_new();
    if let Some(answer) = visit.ruling.borrow().answer() {
        return send(request, answer);
    }
    let Some(vendor) = request.server().vendor() else { return NOT_FOUND };
    let price = match price_of(request) {
        Ok(0) => return NOT_FOUND,
        Ok(price) => price,
        Err(_) => return SERVER_ERROR,
    };
    let paywall = match asking(request, vendor, price) {
        Ok(paywall) => paywall,
        Err(code) => return code,
    };
    let headers = request.headers();
    let answer = paywall.price_tag(&PaywallRequest {
        method: b"GET",
        target: request.target(),
        is_https: request.is_https(),
        host: request.host(),
        port: request.port(),
        headers: &headers,
        price,
        ..PaywallRequest::default()
    });
    decided(request, price, Decision::from(answer).into())
}

/// `SetHandler micromint-status`: the counters of all children since Apache was started, for
/// Prometheus.
pub(super) fn status(request: Request<'_>) -> Code {
    let Some(counters) = counters() else { return NOT_FOUND };
    request.add_answer_header("Cache-Control", "no-store");
    match request.discard_body() {
        OK => {
            let text = counters.to_prometheus(request.gauges());
            request.send_content(METRICS_MEDIA_TYPE, text.as_bytes())
        }
        code => code,
    }
}
