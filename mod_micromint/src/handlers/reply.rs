//! Acts on the paywall's decision: the content is served, or another answer is sent.

use micromint::vendor::gate::{Action, Mode, PagePrice, PriceFault, PriceFiles, Severity, Stage};
use micromint::vendor::{Answer, METRICS_MEDIA_TYPE, unavailable};

use super::question::give_body_back;
use super::report::tell;
use super::{FORBIDDEN, NOT_FOUND, SERVER_ERROR, pass};
use crate::ap::{Code, DECLINED, Level, OK, Request, counters};
use crate::visit::Visit;

/// Answers the request with `answer`.
fn answer_with(request: Request<'_>, answer: Answer) -> Code {
    request.visit_or_new().gate.borrow_mut().answer_with(answer);
    carry_out(request)
}

/// Ends the request with Apache's own page for an error.
pub(super) fn fail(request: Request<'_>, code: Code) -> Code {
    request.visit_or_new().gate.borrow_mut().fail(u16::try_from(code).unwrap_or(500));
    carry_out(request)
}

/// Ends a request whose price cannot be read.
pub(super) fn end(request: Request<'_>, fault: PriceFault) -> Code {
    match fault {
        PriceFault::NoValue => fail(request, SERVER_ERROR),
        PriceFault::Unreadable(answer) => answer_with(request, *answer),
    }
}

/// Carries out the decision.
pub(super) fn carry_out(request: Request<'_>) -> Code {
    let visit = request.visit_or_new();
    let action = visit.gate.borrow_mut().carry_out();
    for (severity, text) in visit.gate.borrow().log_lines() {
        let level = if severity == Severity::Error { Level::Error } else { Level::Info };
        request.log().write(level, text);
    }
    match action {
        Action::Serve { as_get, ignore_conditions, strip } => {
            if as_get {
                request.become_get();
            }
            if ignore_conditions {
                request.ignore_conditions();
            }
            request.remove_headers(strip);
            if request.has_header(c"If-Match") {
                // RFC 9110, 13.1.4, which Apache does not follow: the paywall used one condition,
                // so the other must be ignored.
                request.remove_headers(&["If-Unmodified-Since"]);
            }
            served(request, visit)
        }
        Action::Answer(answer) => {
            tell(request, visit);
            refuse(request, &answer)
        }
        Action::Fail(status) => {
            tell(request, visit);
            Code::from(status)
        }
    }
}

/// The content may be made, also by requests that Apache derives from this one.
pub(super) fn served(request: Request<'_>, visit: &Visit) -> Code {
    let is_free = visit.gate.borrow().is_free();
    if is_free && request.is_required() && request.place().mode() == Mode::Require {
        return FORBIDDEN;
    }
    tell(request, visit);
    watch_head(request);
    if !request.is_subrequest() {
        request.add_switch_filter();
    }
    DECLINED
}

/// Adds the filters that the request needs. Called before a handler is asked, after every internal
/// redirect too, and for every error.
pub(crate) fn insert_filters(request: Request<'_>) {
    let Some(visit) = request.visit().filter(|_| !request.is_subrequest()) else { return };
    give_body_back(request, visit);
    watch_head(request);
}

/// Adds the filter for the head of the response, if it is needed.
fn watch_head(request: Request<'_>) {
    let Some(visit) = request.visit().filter(|_| !request.is_subrequest()) else { return };
    let gate = visit.gate.borrow();
    if gate.stage() == Stage::Fresh {
        return;
    }
    if gate.is_private() {
        request.refuse_caching();
    }
    request.add_head_filter();
}

/// Sends an answer instead of the content, through `ErrorDocument` if there is one for its status.
/// Its header fields are added when the head is made.
fn refuse(request: Request<'_>, answer: &Answer) -> Code {
    if request.has_error_document(answer.status) {
        if let Some(visit) = request.visit() {
            visit.gate.borrow_mut().set_error_page();
        }
        return Code::from(answer.status);
    }
    send(request, answer)
}

fn send(request: Request<'_>, answer: &Answer) -> Code {
    match request.discard_body() {
        OK => request.send(answer.status, answer.content_type(), &answer.body),
        code => code,
    }
}

/// `SetHandler micromint-message`: the content of a place for `ErrorDocument 402`. This is the
/// paywall's answer, or, if the 402 has another origin, the paywall's answer for this place.
pub(super) fn message(mut request: Request<'_>) -> Code {
    let sent = request.visit_or_new().gate.borrow_mut().answer_as_page();
    if let Some(answer) = sent {
        return send(request, &answer);
    }
    let Some(vendor) = request.server().vendor() else { return NOT_FOUND };
    let price = match PagePrice::of(&mut request) {
        Ok(Some(price)) => price,
        Ok(None) => return NOT_FOUND,
        Err(fault) => return end(request, fault),
    };
    if let Err(code) = pass(request, PriceFiles::Count) {
        return code;
    }
    let paywall = match vendor.open() {
        Ok(paywall) => paywall.or_else(|| vendor.to_ask()),
        Err(error) => return answer_with(request, unavailable(error.to_string())),
    };
    let Some(paywall) = paywall else {
        let reason = "the till could not be opened a moment ago".to_string();
        return answer_with(request, unavailable(reason));
    };
    let answer = price.tag(&request, &paywall);
    answer_with(request, answer)
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
