//! What is reported about a request: variables, counters, a line in the error log.

use micromint::protocol::RequestOutcome;
use micromint::vendor::{About, Answer, Decision, Event};

use crate::ap::{Level, Request, counters};
use crate::module::{EventLog, Variable};
use crate::visit::{Ruling, Visit};

/// Sets the variables in the environment of the request, for logs, expressions and scripts.
pub(super) fn tell(request: Request<'_>, visit: &Visit) {
    let ruling = visit.ruling.borrow();
    let (outcome, coins, user) = match &*ruling {
        Ruling::Decided(decision) if !visit.is_reversed.get() => {
            (decision.outcome(), decision.coins(), decision.user())
        }
        Ruling::Decided(_) => (RequestOutcome::Reversed, 0, None),
        Ruling::Fail(_) => (RequestOutcome::Unavailable, 0, None),
        Ruling::None => return,
    };
    request.set_variable(Variable::Status, outcome.word());
    request.set_variable(Variable::Price, &visit.price.get().to_string());
    request.set_variable(Variable::Coins, &coins.to_string());
    match user {
        Some(user) => request.set_variable(Variable::User, user),
        None => request.unset_variable(Variable::User),
    }
}

/// When a request is over: counts what the paywall decided about it, and reports it where
/// `MicroMintLog` says.
pub(crate) fn record(request: Request<'_>) {
    let Some(visit) = request.visit() else { return };
    with_event(visit, request.answer_status(), |event| {
        if let Some(counters) = counters() {
            counters.count(event);
        }
        let log = request.place().event_log();
        let line = if log == EventLog::Json { event.to_json() } else { event.to_line() };
        if log != EventLog::Off {
            request.log().write(Level::Notice, &line);
        }
        request.set_variable(Variable::Event, &line);
    });
}

/// Calls `with` with the event of a request, if anything was decided about it.
fn with_event(visit: &Visit, status: u16, with: impl FnOnce(&Event<'_>)) {
    match &*visit.ruling.borrow() {
        Ruling::None => {}
        Ruling::Decided(decision) => {
            let became = match visit.is_reversed.get() {
                true => RequestOutcome::Reversed,
                false => decision.outcome(),
            };
            with(&decision.event(status, became));
        }
        Ruling::Fail(_) => {
            let about = About { price: visit.price.get(), ..About::default() };
            let failed =
                Answer { outcome: RequestOutcome::Unavailable, status, about, ..Answer::default() };
            with(&Decision::from(failed).event(status, RequestOutcome::Unavailable));
        }
    }
}
