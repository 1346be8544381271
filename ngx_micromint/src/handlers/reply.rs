//! Acts on the paywall's decision: the request continues to its content, or another answer is sent.

use micromint::protocol::RequestOutcome;
use micromint::vendor::Answer;
use micromint::vendor::gate::{Action, PagePrice, PriceFault, Severity};

use super::head::change_head;
use super::{NOT_FOUND, SERVER_ERROR, UNAVAILABLE, is_redirected};
use crate::sys::{Code, DECLINED, DONE, Level, OK, Request};

/// Answers the request with `answer`.
fn answer_with(request: &mut Request, answer: Answer) -> Code {
    let Some(visit) = request.visit_or_new() else { return SERVER_ERROR };
    visit.gate.borrow_mut().answer_with(answer);
    carry_out(request)
}

/// Ends the request with nginx's own page for an error.
pub(super) fn fail(request: &mut Request, code: Code) -> Code {
    let Some(visit) = request.visit_or_new() else { return SERVER_ERROR };
    visit.gate.borrow_mut().fail(u16::try_from(code).unwrap_or(500));
    carry_out(request)
}

/// Ends a request whose price cannot be read.
pub(super) fn end(request: &mut Request, fault: PriceFault) -> Code {
    match fault {
        PriceFault::NoValue => fail(request, SERVER_ERROR),
        PriceFault::Unreadable(answer) => answer_with(request, *answer),
    }
}

/// Carries out the decision.
pub(super) fn carry_out(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return SERVER_ERROR };
    let action = visit.gate.borrow_mut().carry_out();
    if let Action::Answer(answer) = &action
        && answer.outcome == RequestOutcome::Unpaid
        && is_redirected(request)
    {
        // nginx redirects to the name with a slash, which is what is sold.
        visit.gate.borrow_mut().withdraw();
        return DECLINED;
    }
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
            request.heed_if_match_alone();
            DECLINED
        }
        Action::Answer(answer) => refuse(request, &answer),
        Action::Fail(status) => Code::from(status as i16),
    }
}

/// Sends an answer instead of the content, through `error_page` if that has a page for its status.
/// The filter adds its fields.
fn refuse(request: &mut Request, answer: &Answer) -> Code {
    if request.has_error_page(answer.status) {
        if let Some(visit) = request.visit() {
            visit.gate.borrow_mut().set_error_page();
        }
        return answer.status as Code;
    }
    let code = request.discard_body();
    if code != OK {
        return code;
    }
    let code = request.send(answer.status, answer.content_type(), &answer.body);
    request.finish(code);
    DONE
}

/// `micromint_message`: the content of a location for `error_page 402`. This is the paywall's
/// answer, or, if the 402 has another origin, the paywall's answer for this location.
pub(crate) fn message(request: &mut Request) -> Code {
    let code = request.discard_body();
    if code != OK {
        return code;
    }
    let sent = request.visit().and_then(|visit| visit.gate.borrow_mut().answer_as_page());
    if let Some(answer) = sent {
        return request.send(answer.status, answer.content_type(), &answer.body);
    }
    let Some(paywall) = request.server().vendor().and_then(|vendor| vendor.to_ask()) else {
        return UNAVAILABLE;
    };
    let price = match PagePrice::of(request) {
        Ok(Some(price)) => price,
        Ok(None) => return NOT_FOUND,
        Err(fault) => return end(request, fault),
    };
    let answer = price.tag(request, &paywall);
    let changes = answer.head(|name| request.answer_values(name));
    if change_head(request, &changes).is_none() {
        return SERVER_ERROR;
    }
    request.send(answer.status, answer.content_type(), &answer.body)
}
