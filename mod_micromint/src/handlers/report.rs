//! What is reported about a request: variables, counters, a line in the error log.

use micromint::vendor::gate::{self, EventFormat};

use crate::ap::{Level, Request, counters};
use crate::module::Variable;
use crate::visit::Visit;

/// Sets the variables in the environment of the request, for logs, expressions and scripts.
pub(super) fn tell(request: Request<'_>, visit: &Visit) {
    let gate = visit.gate.borrow();
    if !gate.is_decided() {
        return;
    }
    for variable in gate::Variable::ALL {
        let name = Variable::from(variable);
        match gate.variable(variable) {
            Some(value) => request.set_variable(name, &value),
            None => request.unset_variable(name),
        }
    }
}

/// When a request is over: counts what the paywall decided about it, and reports it where
/// `MicroMintLog` says.
pub(crate) fn record(request: Request<'_>) {
    let Some(visit) = request.visit() else { return };
    visit.gate.borrow().with_event(request.answer_status(), |event| {
        if let Some(counters) = counters() {
            counters.count(event);
        }
        let format = request.place().log();
        let line = format.unwrap_or(EventFormat::Plain).write(event);
        if format.is_some() {
            // The log of a request would add the client's Referer after the event.
            request.server_log().write(Level::Notice, &line);
        }
        request.set_variable(Variable::Event, &line);
    });
}
