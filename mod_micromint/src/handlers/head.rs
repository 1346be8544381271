//! The head of a response, or of a switch of protocols: what the paywall adds to it, and the
//! reversal of a payment whose response is not one that is charged.

use micromint::protocol::RequestOutcome;
use micromint::vendor::HeadChanges;
use micromint::vendor::gate::{Mode, Thread};

use super::FORBIDDEN;
use super::report::tell;
use crate::ap::{Code, Level, Request};
use crate::module::Variable;

/// Processes the head of a response before it is sent. It may run twice: what looked like a success
/// may still become an error (a range that cannot be satisfied), for which Apache makes a new
/// response. `Err` is the error with which the response ends instead.
pub(crate) fn filter_head(request: Request<'_>) -> Result<(), Code> {
    if is_content_of_map(request) {
        request.log().write(
            Level::Error,
            "a type map with content of its own (Body), or without mod_negotiation, cannot be \
             sold: it costs something, and nobody was asked to pay; name files in it",
        );
        return Err(FORBIDDEN);
    }
    let Some(visit) = request.visit() else { return Ok(()) };
    let status = request.answer_status();
    // An error page is shown whatever it costs, but a script must not make it a success.
    if status < 300
        && visit.gate.borrow().owes_more()
        && let Some(error) = request.error_before()
    {
        return Err(error);
    }
    {
        let mut gate = visit.gate.borrow_mut();
        let closing = gate.close(status, Thread::Blocking, |name| request.answer_values(name));
        let Some(closing) = closing else { return Ok(()) };
        change_head(request, &closing.changes);
    }
    request.allow_caching_again();
    // What the paywall announced still holds, unless the response reversed the payment.
    let is_reversed = visit.gate.borrow().became() == Some(RequestOutcome::Reversed);
    if is_reversed || !request.has_variable(Variable::Status) {
        tell(request, visit);
    }
    Ok(())
}

/// Whether this is content where a request was expected to lead on to another one, which would be
/// asked for the price.
fn is_content_of_map(request: Request<'_>) -> bool {
    let place = request.place();
    let is_owed = || request.visit().is_some_and(|visit| visit.gate.borrow().is_unpaid());
    let is_rule = || request.is_required() && place.mode() == Mode::Require;
    request.leads_on()
        && request.answer_status() < 300
        && !place.is_dry_run()
        && (is_owed() || is_rule())
}

/// The fields that the paywall adds to a switch of protocols, as lines. The content, which sends
/// its head itself, has written its own.
pub(crate) fn fields_of_switch(request: Request<'_>) -> Vec<u8> {
    let Some(visit) = request.visit() else { return Vec::new() };
    let mut gate = visit.gate.borrow_mut();
    let closing = gate.close(101, Thread::Blocking, |_| Vec::new());
    let Some(closing) = closing else { return Vec::new() };
    let fields = closing.changes.add_without_type();
    fields.flat_map(|(name, value)| format!("{name}: {value}\r\n").into_bytes()).collect()
}

/// Removes and adds fields of the response's head. The content type is set by whatever makes the
/// content.
fn change_head(request: Request<'_>, changes: &HeadChanges<'_>) {
    for name in &changes.remove {
        request.remove_answer_header(name);
    }
    for (name, value) in changes.add_without_type() {
        request.add_answer_header(name, value);
    }
}
