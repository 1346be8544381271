//! The way of a request through the gate.
//!
//! The gate stands in front of whatever makes the content: access checks, passwords and rewriting are done,
//! the file is known, and nothing was sent. `MicroMint On` puts it before every page of a place;
//! `MicroMint Require` only before those that `Require micromint` let pass. A filter sees the head of the
//! answer before it leaves: a payment stays for a success only.

use std::sync::Arc;

use micromint::vendor::http::{
    About, Answer, Content, Decision, Event, HeadChanges, Outcome, PAYMENT_HEADER, Place,
    Request as PaywallRequest, RequestBuf, Serve, Step,
};
use micromint::vendor::metrics::METRICS_MEDIA_TYPE;
use micromint::vendor::paywall::Paywall;
use micromint::vendor::price::{PRICE_FILE_SIZE_MAX, PRICE_FILE_SUFFIX, is_price_file, parse_price};
use micromint::vendor::{RECEIPT_NAME_PREFIX, price_unreadable, unavailable};

use crate::ap::{Code, DECLINED, Grant, Level, OK, Parent, Request, counters};
use crate::module::{EventLog, Gate, PlaceConfig, Price, Value, Variable};
use crate::test_panic;
use crate::vendor::Vendor;
use crate::visit::{Stage, Verdict, Visit};

const FORBIDDEN: Code = 403;
const NOT_FOUND: Code = 404;
const SERVER_ERROR: Code = 500;

/// The header fields that make something of what is known of a file.
const CONDITIONS: [&[u8]; 6] =
    [b"If-Match", b"If-None-Match", b"If-Modified-Since", b"If-Unmodified-Since", b"If-Range", b"Range"];

/// The name by which `SetHandler` makes the gate's answer the content.
const MESSAGE_HANDLER: &[u8] = b"micromint-message";
/// The name by which `SetHandler` makes the counters the content.
const STATUS_HANDLER: &[u8] = b"micromint-status";

// ---- when a configuration was read, and in each child

/// Looks whether what was configured fits together. No side effect: `apachectl configtest` does this too.
pub(crate) fn check(parent: &Parent) -> Result<(), ()> {
    let missing = parent.gates_without_vendor();
    for gate in &missing {
        parent.refuse_at(&gate.position, &format!("{} needs a MicroMintConfig", gate.directive));
    }
    if missing.is_empty() { Ok(()) } else { Err(()) }
}

/// Prepares all vendors. What cannot be prepared keeps Apache from starting. A server that runs already goes
/// on: pages of this vendor are not sold then, and the free ones stay.
pub(crate) fn prepare(parent: &Parent) -> Result<(), ()> {
    parent.share_counters();
    for vendor in parent.vendors() {
        if let Err(reason) = vendor.prepare(parent.owner()) {
            parent.refuse_at(vendor.position(), &reason);
            if !parent.is_restart() {
                return Err(());
            }
        }
    }
    Ok(())
}

/// Opens all vendors. What cannot be opened is tried again when a request needs it.
pub(crate) fn open(child: &Parent) {
    for vendor in child.vendors() {
        if let Err(error) = vendor.open() {
            let text = format!("{error}; pages of this vendor are not sold until it is gone");
            child.log().write(Level::Alert, &text);
        }
    }
}

// ---- the hooks

/// `Require micromint`. The gate stands in front of the content, so access is granted for the time being, and
/// what is priced is asked a payment for there. Who brings another key is let try it first.
pub(crate) fn require(request: Request<'_>) -> Grant {
    match request.place().gate() {
        Gate::Off => {
            request
                .log()
                .write(Level::Error, "Require micromint: MicroMint is Off here, so access is denied");
            Grant::Denied
        }
        Gate::On | Gate::Require if request.may_still_log_in() && !carries_payment(request) => {
            Grant::AfterLogin
        }
        Gate::On | Gate::Require => {
            request.mark_required();
            Grant::Granted
        }
    }
}

/// Whether something in the head of a request could pay for it.
fn carries_payment(request: Request<'_>) -> bool {
    let is_message =
        |value: &[u8]| value.to_ascii_lowercase().starts_with(micromint::protocol::MEDIA_TYPE.as_bytes());
    let is_receipt = |value: &[u8]| {
        value.windows(RECEIPT_NAME_PREFIX.len()).any(|part| part == RECEIPT_NAME_PREFIX.as_bytes())
    };
    request.headers().iter().any(|(name, value)| {
        name.eq_ignore_ascii_case(PAYMENT_HEADER.as_bytes())
            || name.eq_ignore_ascii_case(b"content-type") && is_message(value)
            || name.eq_ignore_ascii_case(b"cookie") && is_receipt(value)
    })
}

/// When everything is known of a request, or of a file that might be part of a listing or a variant: price
/// files are not there.
pub(crate) fn fixups(request: Request<'_>) -> Code {
    if !request.place().is_gated() {
        return DECLINED;
    }
    if request.filename().is_some_and(is_price_file) || is_price_file(request.path()) {
        return NOT_FOUND;
    }
    if let Some(visit) = request.visit() {
        tell(request, visit);
    }
    DECLINED
}

/// Before the content is made: the gate.
pub(crate) fn handler(request: Request<'_>) -> Code {
    let is_gated = match request.place().gate() {
        Gate::Off => false,
        Gate::On => true,
        Gate::Require => request.is_required(),
    };
    let code = match is_gated {
        true if request.is_subrequest() => subrequest(request),
        true => pass(request),
        false => DECLINED,
    };
    match request.handler() {
        Some(MESSAGE_HANDLER) if code == DECLINED => message(request),
        Some(STATUS_HANDLER) if code == DECLINED => status(request),
        _ => code,
    }
}

/// A part of another page's answer: that page is what was paid for, or not.
fn subrequest(request: Request<'_>) -> Code {
    if !request.place().refuses_subrequests() {
        return DECLINED;
    }
    match price_of(request) {
        Ok(0) => DECLINED,
        Ok(_) => FORBIDDEN,
        Err(_) => SERVER_ERROR,
    }
}

/// `DECLINED` lets the request on to its content.
fn pass(request: Request<'_>) -> Code {
    let visit = request.visit();
    // Whatever Apache makes now is the page of our answer's error, or of another one.
    if visit.is_some_and(|visit| visit.stage.get() == Stage::Answered) || request.is_error_answer() {
        return DECLINED;
    }
    if request.leads_on() {
        return DECLINED;
    }
    if request.is_folder() {
        return free(request);
    }
    let price = match price_of(request) {
        Ok(price) => price,
        Err(verdict) => return decided(request, 0, verdict),
    };
    if let Some(visit) = visit.filter(|visit| visit.stage.get() == Stage::Served) {
        if price <= visit.price.get() {
            return served(request, visit);
        }
        if is_charged(visit) {
            let text = format!("{} coins were paid for what costs {price}", visit.price.get());
            request.log().write(Level::Error, &format!("{text} here, after an internal redirect: refused"));
            return SERVER_ERROR;
        }
        visit.start_over();
    }
    enter(request, price)
}

/// What costs nothing is served, but it opens nothing that needs a key.
fn free(request: Request<'_>) -> Code {
    if request.is_required() && request.place().gate() == Gate::Require {
        return FORBIDDEN;
    }
    request.set_variable(Variable::Status, Outcome::Free.word());
    DECLINED
}

fn is_charged(visit: &Visit) -> bool {
    visit.verdict.borrow().serve().is_some_and(|serve| serve.charge.is_some())
}

/// What the page costs: by its price file, else by the place's directive, else nothing.
/// What cannot be read is no price: the page is not sent.
fn price_of(request: Request<'_>) -> Result<u32, Verdict> {
    let read = |text: &[u8], place: &str| {
        parse_price(text).map_err(|error| Decision::Answer(price_unreadable(&error, place)).into())
    };
    match request.read_beside(PRICE_FILE_SUFFIX, PRICE_FILE_SIZE_MAX) {
        Ok(None) => {}
        Ok(Some(text)) => return read(&text, &price_file(request)),
        Err(error) => {
            request.log().write(Level::Error, &format!("{}: {error}", price_file(request)));
            return Err(Verdict::Fail(SERVER_ERROR));
        }
    }
    match request.place().price() {
        None => Ok(0),
        Some(Price::Fixed(price)) => Ok(price),
        Some(Price::Varying(expression)) => match request.evaluate(expression) {
            Ok(text) => read(text, "MicroMintPrice"),
            Err(reason) => {
                request.log().write(Level::Error, &format!("MicroMintPrice: {reason}"));
                Err(Verdict::Fail(SERVER_ERROR))
            }
        },
    }
}

fn price_file(request: Request<'_>) -> String {
    format!("the price file of {}", String::from_utf8_lossy(request.path()))
}

// ---- asking the paywall

/// Asks what to do with the request at this price.
fn enter(request: Request<'_>, price: u32) -> Code {
    let Some(vendor) = request.server().vendor() else {
        request.log().write(Level::Error, "there is no MicroMintConfig for this server");
        return SERVER_ERROR;
    };
    let paywall = match asking(request, vendor, price) {
        Ok(paywall) => paywall,
        Err(code) => return code,
    };
    test_panic::panic_if_asked(request, "head");
    if let Some(question) = request.visit().and_then(|visit| visit.question.take()) {
        return work(request, vendor, price, Work::Again(question));
    }
    let (step, question) = with_request(request, price, None, |question| {
        let step = paywall.classify(question);
        let is_returned = matches!(&step, Step::Decided(decision) if decision.outcome() == Outcome::Returned);
        (step, is_returned.then(|| RequestBuf::from(question)))
    });
    if question.is_some() {
        *request.visit_or_new().question.borrow_mut() = question;
    }
    match step {
        Step::Decided(Decision::Serve(serve)) if serve == Serve::default() => free(request),
        Step::Decided(decision) => decided(request, price, decision.into()),
        Step::Work => work(request, vendor, price, Work::Head),
        Step::ReadBody { size_max } => match request.read_body(size_max) {
            Ok(body) => work(request, vendor, price, Work::Body(body)),
            Err(code) => code,
        },
    }
}

/// The vendor's paywall, to ask with; `Err` is what is to be returned where there is none.
fn asking(request: Request<'_>, vendor: &Vendor, price: u32) -> Result<Arc<Paywall>, Code> {
    match vendor.paywall() {
        Some(paywall) => Ok(paywall),
        None if price == 0 => Err(free(request)),
        None => recording(request, vendor, price),
    }
}

/// The vendor's paywall, to record with; the same.
fn recording(request: Request<'_>, vendor: &Vendor, price: u32) -> Result<Arc<Paywall>, Code> {
    let reason = match vendor.open() {
        Ok(Some(paywall)) => return Ok(paywall),
        Ok(None) => "the till could not be opened a moment ago".to_string(),
        Err(error) => error.to_string(),
    };
    Err(decided(request, price, Decision::Answer(unavailable(reason)).into()))
}

/// What is decided about.
enum Work {
    /// The head of the request.
    Head,
    /// Its head and body; `None` if that is too large.
    Body(Option<Vec<u8>>),
    /// What was asked before an internal redirect, at the price of the page that this leads to.
    Again(RequestBuf),
}

/// Decides, which may wait for the disk: this thread is the request's own.
fn work(request: Request<'_>, vendor: &Vendor, price: u32, work: Work) -> Code {
    let paywall = match recording(request, vendor, price) {
        Ok(paywall) => paywall,
        Err(code) => return code,
    };
    test_panic::panic_if_asked(request, "decision");
    let body = if let Work::Body(Some(body)) = &work { Some(body.as_slice()) } else { None };
    let (decision, question) = with_request(request, price, body, |now| match &work {
        Work::Head | Work::Body(_) => (paywall.decide(now), (price == 0).then(|| RequestBuf::from(now))),
        Work::Again(before) => {
            let decide = |before: &PaywallRequest<'_>| {
                paywall.decide(&PaywallRequest { price, place: now.place, content: now.content, ..*before })
            };
            (before.as_request(decide), None)
        }
    });
    if decision.outcome() == Outcome::Unavailable {
        vendor.close(&paywall);
    }
    let serves_body = matches!(&decision, Decision::Serve(serve) if !serve.as_get);
    if let Some(body) = body.filter(|_| serves_body) {
        request.give_body_back(body);
    }
    let visit = request.visit_or_new();
    *visit.paywall.borrow_mut() = Some(paywall);
    *visit.question.borrow_mut() = question;
    decided(request, price, decision.into())
}

/// Shows the request to the paywall.
fn with_request<T>(
    request: Request<'_>,
    price: u32,
    body: Option<&[u8]>,
    with: impl FnOnce(&PaywallRequest<'_>) -> T,
) -> T {
    let (headers, place) = (request.headers(), request.place());
    // Only a condition or a range makes anything of what is known of a file.
    let is_conditional =
        |name: &[u8]| CONDITIONS.iter().any(|condition| name.eq_ignore_ascii_case(condition));
    let file = match headers.iter().any(|(name, _)| is_conditional(name)) {
        true => request.static_file(),
        false => None,
    };
    with(&PaywallRequest {
        method: request.method(),
        target: request.target(),
        is_https: request.is_https(),
        host: request.host(),
        headers: &headers,
        body,
        price,
        place: Place {
            receipt_path: receipt_path(request, place),
            free_views: place.free_views(),
            is_dry_run: place.is_dry_run(),
        },
        client: request.client(),
        content: file.map(|file| Content {
            etag: file.etag,
            last_modified: Some(file.last_modified),
            size: file.size,
        }),
    })
}

/// What a receipt opens here. What cannot be computed opens the one page.
fn receipt_path<'a>(request: Request<'a>, place: &PlaceConfig) -> Option<&'a [u8]> {
    match place.receipt_path()? {
        Value::Fixed(text) => Some(text.bytes()),
        Value::Varying(expression) => match request.evaluate(expression) {
            Ok(path) => Some(path),
            Err(reason) => {
                request.log().write(Level::Error, &format!("MicroMintReceiptPath: {reason}"));
                None
            }
        },
    }
}

// ---- acting on what it said

fn decided(request: Request<'_>, price: u32, verdict: Verdict) -> Code {
    let visit = request.visit_or_new();
    visit.price.set(price);
    visit.verdict.replace(verdict);
    let verdict = visit.verdict.borrow();
    if let Some(alert) = verdict.decision().and_then(|decision| decision.about().alert.as_ref()) {
        request.log().write(Level::Error, alert);
    }
    if let Some(serve) = verdict.serve() {
        if serve.as_get {
            request.become_get();
        }
        if serve.ignore_conditions {
            request.ignore_conditions();
        }
        request.remove_headers(serve.strip_request_headers);
        if headers_hold(request, b"If-Match") {
            // RFC 9110, 13.1.4, which Apache does not keep: the paywall has decided by the one, so the other is void.
            request.remove_headers(&["If-Unmodified-Since"]);
        }
        visit.stage.set(Stage::Served);
        return served(request, visit);
    }
    visit.stage.set(Stage::Answered);
    tell(request, visit);
    match (verdict.answer(), &*verdict) {
        (Some(answer), _) => refuse(request, answer),
        (None, Verdict::Fail(code)) => *code,
        (None, _) => SERVER_ERROR,
    }
}

fn headers_hold(request: Request<'_>, wanted: &[u8]) -> bool {
    request.headers().iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
}

/// The content may be made, by this request of Apache's too.
fn served(request: Request<'_>, visit: &Visit) -> Code {
    let is_returned = visit.verdict.borrow().serve().is_some_and(|serve| serve.outcome == Outcome::Returned);
    if is_returned && request.place().gate() == Gate::Require {
        return FORBIDDEN;
    }
    tell(request, visit);
    watch_head(request);
    DECLINED
}

/// Has the head of the answer seen before it leaves, if something hangs on it. For every request and every
/// error that Apache makes of a client's request.
pub(crate) fn watch_head(request: Request<'_>) {
    let Some(visit) = request.visit().filter(|_| !request.is_subrequest()) else { return };
    if visit.stage.get() == Stage::Fresh {
        return;
    }
    if visit.verdict.borrow().serve().is_some_and(|serve| serve.is_private) {
        request.refuse_caching();
    }
    request.add_head_filter();
}

/// Sends an answer in place of the content, by way of `ErrorDocument` if there is one for its status. Its
/// header fields follow when the head is made.
fn refuse(request: Request<'_>, answer: &Answer) -> Code {
    if let Some(text) = &answer.log {
        // What a client can cause at will is no error of the server's.
        let level = if answer.outcome == Outcome::Unavailable { Level::Error } else { Level::Info };
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

fn is_content_type(name: &str) -> bool {
    name.eq_ignore_ascii_case("Content-Type")
}

/// `SetHandler micromint-message`: the content of a place for `ErrorDocument 402`. What the gate had to say, or
/// what it says about this place if a 402 came from somewhere else.
fn message(request: Request<'_>) -> Code {
    let visit = request.visit_or_new();
    if let Some(answer) = visit.verdict.borrow().answer() {
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
        headers: &headers,
        price,
        ..PaywallRequest::default()
    });
    decided(request, price, Decision::Answer(answer).into())
}

/// `SetHandler micromint-status`: the counters of all children since Apache was started, for Prometheus.
fn status(request: Request<'_>) -> Code {
    let Some(counters) = counters() else { return NOT_FOUND };
    request.add_answer_header("Cache-Control", "no-store");
    match request.discard_body() {
        OK => request.send_content(METRICS_MEDIA_TYPE, counters.to_prometheus().as_bytes()),
        code => code,
    }
}

// ---- the head of the answer

/// Sees the head of an answer before it leaves. It may see it twice: what looked like a success may still
/// become an error (a range that cannot be given), which Apache answers anew.
pub(crate) fn filter_head(request: Request<'_>) {
    let Some(visit) = request.visit() else { return };
    let status = request.answer_status();
    let values = |name: &str| request.answer_values(name);
    let changes = match visit.verdict.borrow().decision() {
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
    tell(request, visit);
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
    let (Some(charge), Some(paywall)) = (serve.charge, visit.paywall.borrow().clone()) else { return };
    if visit.is_reversed.get() {
        return;
    }
    match paywall.settle(&charge, status) {
        Outcome::Reversed => visit.is_reversed.set(true),
        _ => {
            let text = format!("a payment answered with {status} could not be taken back");
            request.log().write(Level::Error, &text);
        }
    }
}

// ---- variables, events

/// Puts what is known into the environment of the request, for logs, expressions and scripts.
fn tell(request: Request<'_>, visit: &Visit) {
    let verdict = visit.verdict.borrow();
    let (outcome, coins, user) = match &*verdict {
        Verdict::Decided(decision) if !visit.is_reversed.get() => {
            (decision.outcome(), decision.coins(), decision.user())
        }
        Verdict::Decided(_) => (Outcome::Reversed, 0, None),
        Verdict::Fail(_) => (Outcome::Unavailable, 0, None),
        Verdict::None => return,
    };
    request.set_variable(Variable::Status, outcome.word());
    request.set_variable(Variable::Price, &visit.price.get().to_string());
    request.set_variable(Variable::Coins, &coins.to_string());
    match user {
        Some(user) => request.set_variable(Variable::User, user),
        None => request.unset_variable(Variable::User),
    }
}

/// When a request is over: counts what the paywall decided about it, and tells it where `MicroMintLog` says.
pub(crate) fn record(request: Request<'_>) {
    let Some(visit) = request.visit() else { return };
    with_event(visit, request.answer_status(), |event| {
        if let Some(counters) = counters() {
            counters.count(event);
        }
        let log = request.place().event_log();
        let line = if log == EventLog::Json { event.to_json() } else { event.to_string() };
        if log != EventLog::Off {
            request.log().write(Level::Notice, &line);
        }
        request.set_variable(Variable::Event, &line);
    });
}

/// Calls `with` with the event of a request, if something was decided about it.
fn with_event(visit: &Visit, status: u16, with: impl FnOnce(&Event<'_>)) {
    match &*visit.verdict.borrow() {
        Verdict::None => {}
        Verdict::Decided(decision) => {
            let became = match visit.is_reversed.get() {
                true => Outcome::Reversed,
                false => decision.outcome(),
            };
            with(&decision.event(status, became));
        }
        Verdict::Fail(_) => {
            let about = About { price: visit.price.get(), ..About::default() };
            let failed = Answer { outcome: Outcome::Unavailable, status, about, ..Answer::default() };
            with(&Decision::Answer(failed).event(status, Outcome::Unavailable));
        }
    }
}
