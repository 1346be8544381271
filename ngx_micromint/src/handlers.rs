//! The path of a request through the paywall.
//!
//! In the access phase a request passes a location and owes its price, wherever it is led on to.
//! Under `satisfy all` (nginx's default) the price is asked in the precontent phase: by then every
//! other check has passed, and `try_files` has found the file. The price of a folder is asked in
//! the content phase, unless the folder has an index. Under `satisfy any` the paywall is one of the
//! checks, and asks in the access phase; the precontent phase asks again, because `try_files` may
//! have found a file with another price. There a request for a folder goes on, whatever the other
//! checks say, so that the price of its index is asked; only a price that is paid then opens
//! anything. All of them run [`arrive`], which nginx calls again after each wait.

mod head;
mod place;
mod question;
mod reply;
mod report;

use micromint::vendor::gate::{self, Next, PriceFiles, Stage, is_priced_part};
use micromint::vendor::{is_price_file, is_redirect_to_folder, replaces_price_file};

use crate::sys::{AGAIN, Code, DECLINED, DONE, Level, OK, Request, Worker};

pub(crate) use head::filter_header;
use question::{ask, ask_with_body};
pub(crate) use question::{decide_all, give_up};
pub(crate) use reply::message;
use reply::{carry_out, fail};
pub(crate) use report::{record, status, variable};

const NOT_FOUND: Code = 404;
const UNAUTHORIZED: Code = 401;
const FORBIDDEN: Code = 403;
const SERVER_ERROR: Code = 500;
const UNAVAILABLE: Code = 503;

// ---- after a configuration was read, and in each worker

/// Prepares all vendors, unless the configuration is only being tested.
pub(crate) fn prepare(worker: &Worker) -> Result<(), ()> {
    if worker.is_only_test() {
        return Ok(());
    }
    for vendor in worker.module().vendors.all() {
        match vendor.prepare(worker.owner()) {
            Ok(warnings) => warnings.iter().for_each(|warning| worker.warn(warning)),
            Err(error) => {
                worker.refuse_at(vendor.position(), &error.to_string());
                return Err(());
            }
        }
    }
    Ok(())
}

/// Opens all vendors. A vendor that cannot be opened is tried again when a request needs it.
pub(crate) fn open(worker: &Worker) {
    worker.module().vendors.open().for_each(|text| worker.log().write(Level::Alert, &text));
}

// ---- the phases

/// The access phase, after all other checks: the request passes this location, and owes its price.
/// Under `satisfy any` the paywall is one of the checks, and one is enough.
pub(crate) fn access(request: &mut Request) -> Code {
    if !request.location().options.is_gated() || request.is_subrequest() {
        return DECLINED;
    }
    if request.server().vendor().is_some_and(|vendor| vendor.is_own(request.path())) {
        // These paths are handled here because `try_files` finds no such file and would answer
        // before the precontent phase.
        return arrive(request);
    }
    let is_one_of_several = request.satisfies_any();
    if is_one_of_several && has_failed_to_log_in(request) {
        return DECLINED;
    }
    // Under `satisfy any` the price is asked now, otherwise when the file is known.
    let files = if is_one_of_several { PriceFiles::Count } else { PriceFiles::Skip };
    if let Err(code) = pass(request, files) {
        return code;
    }
    if !is_one_of_several {
        return DECLINED;
    }
    let Some(visit) = request.visit_or_new() else { return SERVER_ERROR };
    visit.asked_in.set(Some(request.uri_changes()));
    match arrive(request) {
        // The content is paid for: no other check is needed.
        DECLINED if visit.gate.borrow().covers_a_price() => OK,
        // nginx would refuse the request before it looks for the index of the folder.
        DECLINED if is_folder(request) && request.is_directory() || is_redirected(request) => {
            visit.refused.set(request.refusal());
            OK
        }
        code => code,
    }
}

/// Whether the client sent a password that was refused: its browser asks for another one only if
/// the answer says so (401), and a payment beside it is not taken.
fn has_failed_to_log_in(request: &Request) -> bool {
    request.refusal() == Some(UNAUTHORIZED) && question::has_login(request)
}

/// Whether nginx answers with a redirect to a folder, which has no price.
fn is_redirected(request: &mut Request) -> bool {
    let is_directory = !request.path().ends_with(b"/") && request.is_directory();
    is_redirect_to_folder(request.method(), request.path(), is_directory)
}

/// Ends a request for a folder that other checks refused, unless a price opened what is sent for
/// it.
fn refused(request: &mut Request) -> Option<Code> {
    let visit = request.visit()?;
    let code = visit.refused.get()?;
    let is_open = {
        let gate = visit.gate.borrow();
        gate.covers_a_price() || gate.stage() == Stage::Answered || request.is_error_answer()
    };
    if is_open || is_redirected(request) {
        return None;
    }
    // Its error page is not refused.
    visit.refused.set(None);
    request.offer_logins_again();
    Some(code)
}

/// The rewrite phase of a location that a request was led on to, before the location's own
/// directives: a `return` there would answer what is owed for the locations passed before.
pub(crate) fn rewrite(request: &mut Request) -> Code {
    if !request.was_led_on() || request.is_subrequest() {
        return DECLINED;
    }
    let owes = request.visit().is_some_and(|visit| visit.gate.borrow().is_unpaid());
    if !owes || !request.has_rewrites() {
        return DECLINED;
    }
    match arrive_at(request, true) {
        // The checker of this phase takes AGAIN for an answer.
        AGAIN => DONE,
        code => code,
    }
}

/// The precontent phase: the file is known, and every other check has passed.
pub(crate) fn precontent(request: &mut Request) -> Code {
    let is_gated = request.location().options.is_gated();
    if is_gated && (is_price_file(request.path()) || replaces_a_price(request)) {
        return NOT_FOUND;
    }
    if request.is_subrequest() {
        return if is_gated { subrequest(request) } else { DECLINED };
    }
    if !is_gated && request.visit().is_none() {
        return DECLINED;
    }
    if is_gated && let Err(code) = pass_file(request) {
        return code;
    }
    match arrive(request) {
        DECLINED if !is_folder(request) => refused(request).unwrap_or(DECLINED),
        code => code,
    }
}

/// Whether WebDAV would put something in the place of a price file.
fn replaces_a_price(request: &Request) -> bool {
    matches!(request.method(), b"COPY" | b"MOVE") && {
        let headers = request.headers();
        let mut fields = headers.iter();
        let destination = fields.find(|(name, _)| name.eq_ignore_ascii_case(b"Destination"));
        replaces_price_file(request.method(), destination.map(|(_, value)| *value))
    }
}

/// `try_files` may have found a file with another price. Under `satisfy any` the file costs nothing
/// if another check let the request pass.
fn pass_file(request: &mut Request) -> Result<(), Code> {
    if request.satisfies_any() {
        let asked_in = request.visit().and_then(|visit| visit.asked_in.get());
        if asked_in != Some(request.uri_changes()) {
            return Ok(());
        }
    }
    match request.location().options.has_price_files() {
        true => pass(request, PriceFiles::Count),
        false => Ok(()),
    }
}

/// The content phase, after the module that leads on to the index of a folder and before the one
/// that lists it.
pub(crate) fn content(request: &mut Request) -> Code {
    if request.is_subrequest() || !is_folder(request) || request.visit().is_none() {
        return DECLINED;
    }
    // Unlike that of other phases, the checker of this one releases the request for DONE. It may be
    // gone after an answer, so it is held before.
    request.hold();
    match arrive_at(request, true) {
        AGAIN | DONE => DONE,
        code => {
            request.release();
            if code == DECLINED { refused(request).unwrap_or(DECLINED) } else { code }
        }
    }
}

/// Handles a subrequest. Whether it is paid for was decided for the main request.
fn subrequest(request: &mut Request) -> Code {
    if !request.location().options.refuses_subrequests() {
        return DECLINED;
    }
    match is_spared(request) {
        Ok(true) => return DECLINED,
        Ok(false) => {}
        Err(_) => return SERVER_ERROR,
    }
    match is_priced_part(request) {
        Ok(true) => FORBIDDEN,
        Ok(false) => DECLINED,
        // The response is that of the main request, which goes on.
        Err(fault) => {
            fault.log().into_iter().for_each(|text| request.log().write(Level::Error, text));
            SERVER_ERROR
        }
    }
}

/// The request arrives at content. `DECLINED` lets it continue. nginx calls again after each wait.
fn arrive(request: &mut Request) -> Code {
    arrive_at(request, false)
}

fn arrive_at(request: &mut Request, is_listed: bool) -> Code {
    let pass = request.uri_changes();
    let is_error_page = request.is_error_answer();
    let next = match request.visit() {
        Some(visit) => visit.gate.borrow_mut().next(pass, is_error_page),
        None if is_error_page => Next::Continue,
        None => Next::Ask,
    };
    match next {
        Next::Continue => DECLINED,
        Next::Wait => AGAIN,
        Next::AskWithBody => ask_with_body(request),
        Next::CarryOut => carry_out(request),
        // nginx leads on to the index, or lists the folder. For a folder that does not exist it
        // would answer before it asks for the price.
        Next::Ask if !is_listed && is_folder(request) && leads_on(request) => DECLINED,
        Next::Ask => ask(request),
    }
}

/// Whether nginx goes on to what this folder contains. Without a price to pay, whatever it does is
/// right.
fn leads_on(request: &mut Request) -> bool {
    request.visit().is_none() || request.is_directory()
}

/// Whether this is a directory of files.
fn is_folder(request: &Request) -> bool {
    request.path().ends_with(b"/") && !request.has_content_handler()
}

/// Notes that the request passes this location at its price. `Err` ends the request.
fn pass(request: &mut Request, files: PriceFiles) -> Result<(), Code> {
    if is_spared(request)? {
        return Ok(());
    }
    let owed = request.visit().and_then(|visit| visit.gate.borrow().owed_rank());
    match gate::pass(request, owed, files) {
        Ok(None) => Ok(()),
        Ok(Some(passed)) => {
            let Some(visit) = request.visit_or_new() else { return Err(SERVER_ERROR) };
            visit.gate.borrow_mut().pass(passed);
            Ok(())
        }
        Err(fault) => Err(reply::end(request, fault)),
    }
}

/// Whether `micromint_free_if` spares this request the price of the location.
fn is_spared(request: &mut Request) -> Result<bool, Code> {
    let Some(value) = request.location().free_if else { return Ok(false) };
    // If there is no value, nginx has logged why.
    let text = request.evaluate(&value).map(|text| !matches!(text, b"" | b"0"));
    text.ok_or_else(|| fail(request, SERVER_ERROR))
}
