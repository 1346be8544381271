//! The head of an answer: what the paywall adds to it, and that a payment stays for a success only.

use micromint::protocol::RequestOutcome;
use micromint::vendor::{Decision, HeadChanges, Serve};

use super::reply::is_content_type;
use super::report::tell;
use crate::ap::{Level, Request};
use crate::module::Variable;
use crate::visit::Visit;

/// Sees the head of an answer before it leaves. It may see it twice: what looked like a success may still
/// become an error (a range that cannot be given), which Apache answers anew.
pub(crate) fn filter_head(request: Request<'_>) {
    let Some(visit) = request.visit() else { return };
    let status = request.answer_status();
    let values = |name: &str| request.answer_values(name);
    let verdict = visit.verdict.borrow();
    let changes = match verdict.decision() {
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
    // What was told when the gate decided still holds, unless the answer took the payment back.
    if visit.is_reversed.get() || !request.has_variable(Variable::Status) {
        tell(request, visit);
    }
}

/// Takes out and adds fields of the answer's head. What type the content has is said by who makes it.
fn change_head(request: Request<'_>, changes: &HeadChanges) {
    for name in &changes.remove {
        request.remove_answer_header(name);
    }
    for (name, value) in changes.add.iter().filter(|(name, _)| !is_content_type(name)) {
        request.add_answer_header(name, value);
    }
}

/// Takes back the payment that this request recorded, unless that was done before.
fn take_back(request: Request<'_>, visit: &Visit, serve: &Serve, status: u16) {
    let (Some(charge), Some(paywall)) = (serve.charge, visit.paywall.borrow().clone()) else {
        return;
    };
    if visit.is_reversed.get() {
        return;
    }
    match paywall.settle(&charge, status) {
        RequestOutcome::Reversed => visit.is_reversed.set(true),
        _ => {
            let text = format!("a payment answered with {status} could not be taken back");
            request.log().write(Level::Error, &text);
        }
    }
}
