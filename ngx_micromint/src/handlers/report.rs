//! What is reported when a request is over: variables, counters, a line of `micromint_log`.

use micromint::vendor::gate::{EventFormat, Variable};
use micromint::vendor::{Event, METRICS_MEDIA_TYPE};

use super::{NOT_FOUND, SERVER_ERROR};
use crate::module::EventLog;
use crate::sys::{Code, Level, OK, Request, gauges, iso_8601_now};

/// The value of a variable, for logs and headers; `None` where the paywall is off.
pub(crate) fn variable(request: &Request, variable: Variable) -> Option<String> {
    match request.visit() {
        Some(visit) => visit.gate.borrow().variable(variable).map(|value| value.into_owned()),
        None if request.location().options.is_gated() => {
            variable.of_free_page().map(str::to_string)
        }
        None => None,
    }
}

/// The log phase: counts the event of a request that the paywall decided, and writes it where
/// `micromint_log` says. nginx runs this phase exactly once per request, whatever happened to its
/// connection.
pub(crate) fn record(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return OK };
    visit.gate.borrow().with_event(request.answer_status(), |event| {
        if let Some(counters) = request.counters() {
            counters.count(event);
        }
        if let Some(log) = request.location().options.log() {
            write(request, &log, event);
        }
    });
    OK
}

fn write(request: &Request, log: &EventLog, event: &Event<'_>) {
    match (&log.file, log.format) {
        // nginx's own log records the time.
        (None, format) => request.log().write_plain(Level::Notice, &format.write(event)),
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
