//! The way of a request through the gate.
//!
//! Under `satisfy all` (nginx's default) the gate stands in the precontent phase alone: every other check
//! has let the request pass by then, and `try_files` has found the file. Under `satisfy any` it is one of
//! the checks and stands in the access phase; the precontent phase then looks again, since `try_files` may
//! have come to a file with another price. Both run [`pass`], which nginx calls again after each wait.

use std::sync::Arc;

use micromint::vendor::http::{
    Answer, Decision, HeadChanges, Outcome, Request as PaywallRequest, RequestBuf, Serve, Step,
};
use micromint::vendor::paywall::Paywall;
use micromint::vendor::price::{PRICE_FILE_SIZE_MAX, PRICE_FILE_SUFFIX, is_price_file, parse_price};
use micromint::vendor::price_unreadable;

use crate::module::{Price, Variable};
use crate::sys::{AGAIN, Code, DECLINED, DONE, ERROR, Level, OK, Request, Worker, detach, offload};
use crate::test_panic;
use crate::vendor::Vendor;
use crate::visit::{Stage, Verdict, Visit};

const NOT_FOUND: Code = 404;
const FORBIDDEN: Code = 403;
const SERVER_ERROR: Code = 500;
const UNAVAILABLE: Code = 503;

// ---- when a configuration was read, and in each worker

/// Prepares all vendors, unless the configuration is only tested.
pub(crate) fn prepare(worker: &Worker) -> Result<(), ()> {
    if worker.is_only_test() {
        return Ok(());
    }
    for vendor in &worker.module().vendors {
        if let Err(reason) = vendor.prepare(worker.owner()) {
            worker.refuse_at(vendor.position(), &reason);
            return Err(());
        }
    }
    Ok(())
}

/// Opens all vendors. What cannot be opened is tried again when a request needs it.
pub(crate) fn open(worker: &Worker) {
    for vendor in &worker.module().vendors {
        if let Err(error) = vendor.open() {
            worker
                .log()
                .write(Level::Alert, &format!("{error}; pages of this vendor are not sold until it is gone"));
        }
    }
}

// ---- the phases

/// The access phase: one check among others, where one is enough.
pub(crate) fn access(request: &mut Request) -> Code {
    if !request.location().is_gated() || request.is_subrequest() || !request.satisfies_any() {
        return DECLINED;
    }
    let Some(visit) = request.visit_or_new() else { return SERVER_ERROR };
    visit.asked_in.set(Some(request.uri_changes()));
    match pass(request) {
        // The content was paid for: no other check is needed.
        DECLINED if visit.stage.get() == Stage::Served && visit.price.get() > 0 => OK,
        code => code,
    }
}

/// The precontent phase: the file is known, every other check was passed.
pub(crate) fn precontent(request: &mut Request) -> Code {
    if !request.location().is_gated() {
        return DECLINED;
    }
    if is_price_file(request.path()) {
        return NOT_FOUND;
    }
    if request.is_subrequest() {
        return subrequest(request);
    }
    if request.satisfies_any() {
        let asked_in = request.visit().and_then(|visit| visit.asked_in.get());
        if asked_in != Some(request.uri_changes()) {
            // Another check was satisfied before ours was asked.
            return DECLINED;
        }
    }
    pass(request)
}

/// A part of another page's answer: that page is what was paid for, or not.
fn subrequest(request: &mut Request) -> Code {
    if !request.location().refuses_subrequests() {
        return DECLINED;
    }
    match price_of(request) {
        Ok(0) => DECLINED,
        Ok(_) => FORBIDDEN,
        Err(_) => SERVER_ERROR,
    }
}

/// One step through the gate. `DECLINED` lets the request on to its content.
fn pass(request: &mut Request) -> Code {
    let visit = request.visit();
    if let Some(visit) = visit.as_ref().filter(|visit| visit.is_waiting()) {
        // Another pass while a body is read: nginx has refused the body, and this is the page of its error.
        if visit.began_in.get() != request.uri_changes() {
            visit.stage.set(Stage::Answered);
        }
    }
    match visit.as_ref().map(|visit| visit.stage.get()) {
        Some(Stage::Reading | Stage::Working) => return AGAIN,
        Some(Stage::Read) => return with_body(request),
        Some(Stage::Decided) => return act(request),
        // Whatever nginx makes now is the page of that answer's error.
        Some(Stage::Answered) => return DECLINED,
        Some(Stage::Fresh | Stage::Served) | None => {}
    }
    if request.is_error_answer() || is_folder(request) {
        return DECLINED;
    }
    let price = match price_of(request) {
        Ok(price) => price,
        Err(verdict) => return decided(request, 0, verdict),
    };
    if let Some(visit) = visit.filter(|visit| visit.stage.get() == Stage::Served) {
        if price <= visit.price.get() {
            return DECLINED;
        }
        if is_charged(&visit) {
            let text = format!("{} coins were paid for what costs {price}", visit.price.get());
            request.log().write(Level::Error, &format!("{text} here, after a change of the URI: refused"));
            return SERVER_ERROR;
        }
        visit.start_over();
    }
    enter(request, price)
}

/// A folder of files: nginx comes back with the name of its index. Other content is priced as it is.
fn is_folder(request: &Request) -> bool {
    request.path().ends_with(b"/") && !request.has_content_handler()
}

fn is_charged(visit: &Visit) -> bool {
    matches!(&*visit.verdict.borrow(), Verdict::Serve(serve) if serve.charge.is_some())
}

/// What the page costs: by its price file, else by the location's directive, else nothing.
/// What cannot be read is no price: the page is not sent.
fn price_of(request: &mut Request) -> Result<u32, Verdict> {
    let read = |text: &[u8], place: &str| {
        parse_price(text).map_err(|error| Verdict::Answer(price_unreadable(&error, place)))
    };
    match request.read_beside(PRICE_FILE_SUFFIX, PRICE_FILE_SIZE_MAX) {
        Ok(None) => {}
        Ok(Some(text)) => return read(&text, &price_file(request)),
        Err(reason) => {
            request.log().write(Level::Error, &format!("{}: {reason}", price_file(request)));
            return Err(Verdict::Fail(SERVER_ERROR));
        }
    }
    match request.location().price() {
        None => Ok(0),
        Some(Price::Fixed(price)) => Ok(price),
        // nginx has said why if there is no value.
        Some(Price::Varying(value)) => request
            .evaluate(&value)
            .map_or(Err(Verdict::Fail(SERVER_ERROR)), |text| read(text, "micromint_price")),
    }
}

fn price_file(request: &Request) -> String {
    format!("the price file of {}", String::from_utf8_lossy(request.path()))
}

// ---- asking the paywall

/// The head of the request is read: asks what to do with it at this price.
fn enter(request: &mut Request, price: u32) -> Code {
    let Some(vendor) = request.server().vendor().map(Arc::clone) else { return SERVER_ERROR };
    let Some(paywall) = vendor.paywall() else {
        return if price == 0 { DECLINED } else { reopen(request, vendor, price) };
    };
    if test_panic::is_asked(request, "head") {
        panic!("asked for by a test");
    }
    let step = with_request(request, price, None, |request| paywall.classify(request));
    match step {
        Step::Decided(Decision::Serve(serve)) if serve == Serve::default() => DECLINED,
        Step::Decided(decision) => decided(request, price, decision.into()),
        Step::Work => work(request, vendor, paywall, price, None),
        Step::ReadBody { size_max } => {
            let Some(visit) = begin(request, price, Stage::Reading) else { return SERVER_ERROR };
            if request.content_length().is_some_and(|length| length > size_max as u64) {
                visit.stage.set(Stage::Fresh);
                return work(request, vendor, paywall, price, None);
            }
            request.read_body()
        }
    }
}

/// The body of the request is read.
fn with_body(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return SERVER_ERROR };
    let price = visit.price.get();
    let Some(vendor) = request.server().vendor().map(Arc::clone) else { return SERVER_ERROR };
    let Some(paywall) = vendor.paywall() else { return UNAVAILABLE };
    let body = match request.body(micromint::protocol::PAYMENT_SIZE_MAX) {
        Ok(body) => body,
        Err(error) => {
            request.log().write(Level::Error, &format!("the file of a body: {error}"));
            return SERVER_ERROR;
        }
    };
    work(request, vendor, paywall, price, body)
}

/// Has the thread pool decide.
fn work(
    request: &mut Request,
    vendor: Arc<Vendor>,
    paywall: Arc<Paywall>,
    price: u32,
    body: Option<Vec<u8>>,
) -> Code {
    let question = with_request(request, price, body.as_deref(), |request| RequestBuf::from(request));
    let Some(pool) = request.server().pool() else { return SERVER_ERROR };
    let Some(visit) = begin(request, price, Stage::Working) else { return SERVER_ERROR };
    *visit.paywall.borrow_mut() = Some(Arc::clone(&paywall));
    let panics = test_panic::is_asked(request, "thread");
    let decide = move || {
        if panics {
            panic!("asked for by a test");
        }
        let decision = question.as_request(|request| paywall.decide(request));
        if decision.outcome() == Outcome::Unavailable {
            vendor.close(&paywall);
        }
        decision
    };
    let started = offload(request, pool, decide, |request, decision| {
        let Some(visit) = request.visit() else { return };
        visit.verdict.replace(match decision {
            Some(decision) => decision.into(),
            None => {
                request.log().write(Level::Alert, "panic while a payment was decided about");
                Verdict::Fail(SERVER_ERROR)
            }
        });
        visit.stage.set(Stage::Decided);
    });
    match started {
        Ok(()) => AGAIN,
        Err(()) => {
            visit.stage.set(Stage::Fresh);
            UNAVAILABLE
        }
    }
}

/// Has the thread pool open the paywall, then comes back.
fn reopen(request: &mut Request, vendor: Arc<Vendor>, price: u32) -> Code {
    let Some(pool) = request.server().pool() else { return SERVER_ERROR };
    let Some(visit) = begin(request, price, Stage::Working) else { return SERVER_ERROR };
    let started = offload(
        request,
        pool,
        move || vendor.open().map(|paywall| paywall.is_some()),
        |request, result| {
            let Some(visit) = request.visit() else { return };
            if let Some(Err(error)) = &result {
                request.log().write(Level::Alert, &error.to_string());
            }
            if matches!(result, Some(Ok(true))) {
                visit.stage.set(Stage::Fresh);
            } else {
                visit.verdict.replace(Verdict::Fail(UNAVAILABLE));
                visit.stage.set(Stage::Decided);
            }
        },
    );
    match started {
        Ok(()) => AGAIN,
        Err(()) => {
            visit.stage.set(Stage::Fresh);
            UNAVAILABLE
        }
    }
}

/// Shows the request to the paywall.
fn with_request<T>(
    request: &Request,
    price: u32,
    body: Option<&[u8]>,
    with: impl FnOnce(&PaywallRequest<'_>) -> T,
) -> T {
    let headers = request.headers();
    with(&PaywallRequest {
        method: request.method(),
        target: request.target(),
        is_https: request.is_https(),
        host: request.host(),
        headers: &headers,
        body,
        price,
        ..PaywallRequest::default()
    })
}

fn begin(request: &mut Request, price: u32, stage: Stage) -> Option<std::rc::Rc<Visit>> {
    let visit = request.visit_or_new()?;
    visit.price.set(price);
    visit.began_in.set(request.uri_changes());
    visit.stage.set(stage);
    Some(visit)
}

// ---- acting on what it said

fn decided(request: &mut Request, price: u32, verdict: Verdict) -> Code {
    let Some(visit) = begin(request, price, Stage::Decided) else { return SERVER_ERROR };
    visit.verdict.replace(verdict);
    act(request)
}

fn act(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return SERVER_ERROR };
    let verdict = visit.verdict.borrow();
    match &*verdict {
        Verdict::Serve(serve) => {
            visit.stage.set(Stage::Served);
            if serve.as_get {
                request.become_get();
            }
            if serve.ignore_conditions {
                request.ignore_conditions();
            }
            request.remove_headers(serve.strip_request_headers);
            DECLINED
        }
        Verdict::Answer(answer) => {
            visit.stage.set(Stage::Answered);
            refuse(request, answer)
        }
        Verdict::Fail(code) => {
            visit.stage.set(Stage::Answered);
            *code
        }
        Verdict::None => SERVER_ERROR,
    }
}

/// Sends an answer in place of the content, by way of `error_page` if that has a page for its status.
fn refuse(request: &mut Request, answer: &Answer) -> Code {
    if let Some(text) = &answer.log {
        // What a client can cause at will is no error of the server's.
        let level = if answer.outcome == Outcome::Unavailable { Level::Error } else { Level::Info };
        request.log().write(level, text);
    }
    if push_headers(request, answer).is_none() {
        return SERVER_ERROR;
    }
    if request.has_error_page(answer.status) {
        return answer.status as Code;
    }
    let code = request.discard_body();
    if code != OK {
        return code;
    }
    let code = request.send(answer.status, content_type(answer), &answer.body);
    request.finish(code);
    DONE
}

fn push_headers(request: &mut Request, answer: &Answer) -> Option<()> {
    for (name, value) in &answer.headers {
        if !name.eq_ignore_ascii_case("Content-Type") {
            request.push_header(name, value)?;
        }
    }
    Some(())
}

fn content_type(answer: &Answer) -> &str {
    let field = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
    field.map_or("", |(_, value)| value)
}

/// `micromint_message`: the content of a location for `error_page 402`. What the gate had to say, or what it
/// says about this location if a 402 came from somewhere else.
pub(crate) fn message(request: &mut Request) -> Code {
    let code = request.discard_body();
    if code != OK {
        return code;
    }
    if let Some(visit) = request.visit()
        && let Verdict::Answer(answer) = &*visit.verdict.borrow()
    {
        return request.send(answer.status, content_type(answer), &answer.body);
    }
    let Some(paywall) = request.server().vendor().and_then(|vendor| vendor.paywall()) else {
        return UNAVAILABLE;
    };
    let price = match price_of(request) {
        Ok(0) => return NOT_FOUND,
        Ok(price) => price,
        Err(_) => return SERVER_ERROR,
    };
    // Without the request's headers but one there is no payment in it to be taken here.
    let step = {
        let headers = request.headers();
        let accept: Vec<_> =
            headers.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"accept")).collect();
        paywall.classify(&PaywallRequest {
            method: b"GET",
            target: request.target(),
            is_https: request.is_https(),
            host: request.host(),
            headers: &accept,
            price,
            ..PaywallRequest::default()
        })
    };
    let Step::Decided(Decision::Answer(answer)) = step else { return SERVER_ERROR };
    if push_headers(request, &answer).is_none() {
        return SERVER_ERROR;
    }
    request.send(answer.status, content_type(&answer), &answer.body)
}

// ---- the head of the answer

/// Sees the head of every answer last before it is written: a payment stays for a success only.
pub(crate) fn filter_header(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return OK };
    if visit.stage.get() != Stage::Served || visit.has_settled.replace(true) {
        return OK;
    }
    let verdict = visit.verdict.borrow();
    let Verdict::Serve(serve) = &*verdict else { return OK };
    let status = request.answer_status();
    let mut became = serve.outcome;
    if serve.charge.is_some() && !(200..300).contains(&status) {
        became = Outcome::Reversed;
        visit.is_reversed.set(true);
        settle(request, &visit, serve, status);
    }
    let changes = serve.head(status, became, |name| request.answer_values(name));
    pushed(change_head(request, &changes))
}

fn pushed(pushed: Option<()>) -> Code {
    if pushed.is_some() { OK } else { ERROR }
}

/// Has the thread pool take a payment back; if its queue is full, does so here.
fn settle(request: &Request, visit: &Visit, serve: &Serve, status: u16) {
    let (Some(charge), Some(paywall)) = (serve.charge, visit.paywall.borrow().clone()) else {
        return;
    };
    let log = request.log();
    let Some(pool) = request.server().pool() else { return };
    let task = {
        let paywall = Arc::clone(&paywall);
        move || match paywall.settle(&charge, status) {
            Outcome::Reversed => None,
            _ => Some(format!("a payment answered with {status} could not be taken back")),
        }
    };
    if detach(pool, task).is_err() {
        log.write(Level::Warn, "a payment is taken back on the event thread");
        paywall.settle(&charge, status);
    }
}

/// Takes out and adds fields of the answer's head; `None` when out of memory.
fn change_head(request: &mut Request, changes: &HeadChanges) -> Option<()> {
    for name in &changes.remove {
        request.remove_answer_header(name);
    }
    changes.add.iter().try_for_each(|(name, value)| request.push_header(name, value))
}

// ---- variables

/// The value of a variable, for logs and headers; `None` where no gate stands.
pub(crate) fn variable(request: &Request, variable: Variable) -> Option<String> {
    let visit = request.visit();
    let Some(visit) = visit else {
        let is_free = request.location().is_gated() && variable != Variable::User;
        return is_free
            .then(|| if variable == Variable::Status { Outcome::Free.word() } else { "0" }.to_string());
    };
    let verdict = visit.verdict.borrow();
    let (outcome, coins, user) = match &*verdict {
        Verdict::Serve(_) if visit.is_reversed.get() => (Some(Outcome::Reversed), 0, None),
        Verdict::Serve(serve) => (Some(serve.outcome), serve.coins, serve.user.clone()),
        Verdict::Answer(answer) => (Some(answer.outcome), 0, answer.user.clone()),
        Verdict::Fail(_) => (Some(Outcome::Unavailable), 0, None),
        Verdict::None => (None, 0, None),
    };
    match variable {
        Variable::Status => outcome.map(|outcome| outcome.word().to_string()),
        Variable::Price => Some(visit.price.get().to_string()),
        Variable::Coins => Some(coins.to_string()),
        Variable::User => user,
    }
}
