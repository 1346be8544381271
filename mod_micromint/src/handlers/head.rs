//! The head of a response: what the paywall adds to it, and the reversal of a payment whose
//! response is not a success.

use micromint::protocol::RequestOutcome;
use micromint::vendor::{Decision, HeadChanges, Serve};

use super::reply::is_content_type;
use super::report::tell;
use crate::ap::{Level, Request};
use crate::module::Variable;
use crate::visit::Visit;

/// Processes the head of a response before it is sent. It may run twice: what looked like a success
/// may still become an error (a range that cannot be satisfied), for which Apache makes a new
/// response.
pub(crate) fn filter_head(request: Request<'_>) {
    let Some(visit) = request.visit() else { return };
    let status = request.answer_status();
    let values = |name: &str| request.answer_values(name);
    let ruling = visit.ruling.borrow();
    let changes = match ruling.decision() {
        Some(Decision::Serve(serve)) => {
            if !(200..300).contains(&status) {
                take_back(request, visit, serve, status);
            }
            serve.head(status, visit.became(serve), values)
        }
        Some(Decision::Answer(answer)) => answer.head(values),
        None => return,
    };
    change_head(request, &changes);
    request.allow_caching_again();
    // What the paywall announced still holds, unless the response reversed the payment.
    if visit.is_reversed.get() || !request.has_variable(Variable::Status) {
        tell(request, visit);
    }
}

/// Removes and adds fields of the response's head. The content type is set by whatever makes the
/// content.
fn change_head(request: Request<'_>, changes: &HeadChanges) {
    for name in &changes.remove {
        request.remove_answer_header(name);
    }
    for (name, value) in changes.add.iter().filter(|(name, _)| !is_content_type(name)) {
        request.add_answer_header(name, value);
    }
}

/// Reverses the payment that this request recorded, unless it already is.
fn take_back(request: Request<'_>, visit: &Visit, serve: &Serve, status: u16) {
    let (Some(charge), Some(paywall)) = (serve.charge, visit.paywall.borrow().clone()) else {
        return;
    };
    if visit.is_reversed.get() {
        return;
    }
    match paywall.finish(&charge, status) {
        RequestOutcome::Reversed => visit.is_reversed.set(true),
        _ => {
            let text =
                format!("a payment whose response has status {status} could not be reversed");
            request.log().write(Level::Error, &text);
        }
    }
}
