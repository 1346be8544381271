//! What is reported when a request is over: variables, counters, a line of `micromint_log`.

use micromint::protocol::RequestOutcome;
use micromint::vendor::{About, Answer, Decision, Event, METRICS_MEDIA_TYPE};

use super::{NOT_FOUND, SERVER_ERROR};
use crate::module::{EventFormat, EventLog, Variable};
use crate::sys::{Code, Level, OK, Request, gauges, iso_8601_now};
use crate::visit::{Ruling, Visit};

/// The value of a variable, for logs and headers; `None` where the paywall is off.
pub(crate) fn variable(request: &Request, variable: Variable) -> Option<String> {
    let Some(visit) = request.visit() else {
        let is_free = request.location().is_gated() && variable != Variable::User;
        return is_free.then(|| {
            if variable == Variable::Status { RequestOutcome::Free.word() } else { "0" }.to_string()
        });
    };
    let ruling = visit.ruling.borrow();
    let (outcome, coins, user) = match &*ruling {
        Ruling::Decided(_) if visit.became.get() == Some(RequestOutcome::Reversed) => {
            (Some(RequestOutcome::Reversed), 0, None)
        }
        Ruling::Decided(decision) => (Some(decision.outcome()), decision.coins(), decision.user()),
        Ruling::Fail(_) => (Some(RequestOutcome::Unavailable), 0, None),
        Ruling::None => (None, 0, None),
    };
    match variable {
        Variable::Status => outcome.map(|outcome| outcome.word().to_string()),
        Variable::Price => Some(visit.price.get().to_string()),
        Variable::Coins => Some(coins.to_string()),
        Variable::User => user.map(str::to_string),
    }
}

/// The log phase: counts the event of a request that the paywall decided, and writes it where
/// `micromint_log` says. nginx runs this phase exactly once per request, whatever happened to its
/// connection.
pub(crate) fn record(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return OK };
    with_event(&visit, request.answer_status(), |event| {
        if let Some(counters) = request.counters() {
            counters.count(event);
        }
        if let Some(log) = request.location().event_log() {
            write(request, log, event);
        }
    });
    OK
}

/// Calls `with` with the event of a request, if anything was decided about it.
fn with_event(visit: &Visit, status: u16, with: impl FnOnce(&Event<'_>)) {
    match &*visit.ruling.borrow() {
        Ruling::None => {}
        Ruling::Decided(decision) => {
            let became = visit.became.get().unwrap_or(decision.outcome());
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

fn write(request: &Request, log: &EventLog, event: &Event<'_>) {
    match (&log.file, log.format) {
        // nginx's own log records the time.
        (None, EventFormat::Plain) => request.log().write_plain(Level::Notice, &event.to_string()),
        (None, EventFormat::Json) => request.log().write_plain(Level::Notice, &event.to_json()),
        (Some(file), EventFormat::Plain) => {
            file.write(format!("{} {event}\n", iso_8601_now()).as_bytes())
        }
        (Some(file), EventFormat::Json) => {
            let rest = event.to_json().split_off(1);
            file.write(format!("{{\"time\":\"{}\",{rest}\n", iso_8601_now()).as_bytes());
        }
    }
}

/// `micromint_status`: the counters of all workers since nginx was started, for Prometheus.
pub(crate) fn status(request: &mut Request) -> Code {
    let code = request.discard_body();
    if code != OK {
        return code;
    }
    let Some(counters) = request.counters() else { return NOT_FOUND };
    let text = counters.to_prometheus(gauges());
    if request.push_header("Cache-Control", "no-store").is_none() {
        return SERVER_ERROR;
    }
    request.send(200, METRICS_MEDIA_TYPE, text.as_bytes())
}
