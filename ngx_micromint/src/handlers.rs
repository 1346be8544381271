//! The path of a request through the paywall.
//!
//! Under `satisfy all` (nginx's default) the paywall is only in the precontent phase: by then every
//! other check has passed, and `try_files` has found the file. Under `satisfy any` the paywall is
//! one of the checks and runs in the access phase. The precontent phase then checks again, because
//! `try_files` may have found a file with another price. Both phases run [`pass`], which nginx
//! calls again after each wait.

mod head;
mod question;
mod reply;
mod report;

use micromint::protocol::MANIFEST_PATH;
use micromint::vendor::{
    Decision, PRICE_FILE_SIZE_MAX, PRICE_FILE_SUFFIX, Serve, is_price_file, parse_price,
    price_unreadable,
};

use crate::module::Price;
use crate::sys::{AGAIN, Code, DECLINED, Level, OK, Request, Worker};
use crate::visit::{Ruling, Stage, Visit};

pub(crate) use head::filter_header;
use question::{enter, with_body};
pub(crate) use reply::message;
use reply::{act, decided};
pub(crate) use report::{record, status, variable};

const NOT_FOUND: Code = 404;
const FORBIDDEN: Code = 403;
const SERVER_ERROR: Code = 500;
const UNAVAILABLE: Code = 503;

// ---- after a configuration was read, and in each worker

/// Prepares all vendors, unless the configuration is only being tested.
pub(crate) fn prepare(worker: &Worker) -> Result<(), ()> {
    if worker.is_only_test() {
        return Ok(());
    }
    for vendor in &worker.module().vendors {
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
    for vendor in &worker.module().vendors {
        if let Err(error) = vendor.open() {
            worker.log().write(
                Level::Alert,
                &format!("{error}; pages of this vendor are not sold until this is fixed"),
            );
        }
    }
}

// ---- the phases

/// The access phase under `satisfy any`: the paywall is one of the checks, and one is enough.
pub(crate) fn access(request: &mut Request) -> Code {
    if !request.location().is_gated() || request.is_subrequest() {
        return DECLINED;
    }
    if request.path() == MANIFEST_PATH.as_bytes() {
        // This path is handled here because `try_files` finds no such file and would answer before
        // the precontent phase.
        return pass(request);
    }
    if !request.satisfies_any() {
        return DECLINED;
    }
    let Some(visit) = request.visit_or_new() else { return SERVER_ERROR };
    visit.asked_in.set(Some(request.uri_changes()));
    match pass(request) {
        // The content is paid for: no other check is needed.
        DECLINED if visit.stage.get() == Stage::Served && visit.price.get() > 0 => OK,
        code => code,
    }
}

/// The precontent phase: the file is known, and every other check has passed.
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
            // Another check passed before the paywall was asked.
            return DECLINED;
        }
    }
    pass(request)
}

/// Handles a subrequest. Whether it is paid for was decided for the main request.
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

/// One step through the paywall. `DECLINED` lets the request continue to its content.
fn pass(request: &mut Request) -> Code {
    let visit = request.visit();
    if let Some(visit) = visit.as_ref().filter(|visit| visit.is_waiting()) {
        // A further pass while a body is being read: nginx refused the body, and this is its error
        // page.
        if visit.began_in.get() != request.uri_changes() {
            visit.stage.set(Stage::Answered);
        }
    }
    match visit.as_ref().map(|visit| visit.stage.get()) {
        Some(Stage::Reading | Stage::Working) => return AGAIN,
        Some(Stage::Read) => return with_body(request),
        Some(Stage::Decided) => return act(request),
        // Whatever nginx makes now is the error page of that answer.
        Some(Stage::Answered) => return DECLINED,
        Some(Stage::Fresh | Stage::Served) | None => {}
    }
    if request.is_error_answer() || is_folder(request) {
        return DECLINED;
    }
    let price = match price_of(request) {
        Ok(price) => price,
        Err(ruling) => return decided(request, 0, *ruling),
    };
    if let Some(visit) = visit.filter(|visit| visit.stage.get() == Stage::Served) {
        if price <= visit.price.get() {
            return DECLINED;
        }
        if is_charged(&visit) {
            let text = format!("{} coins were paid, but the page costs {price}", visit.price.get());
            request.log().write(
                Level::Error,
                &format!("{text} after a change of the URI; the request is refused"),
            );
            return SERVER_ERROR;
        }
        visit.start_over();
    }
    enter(request, price)
}

/// Whether this is a directory: nginx comes back with the name of its index. Other content is
/// priced as it is.
fn is_folder(request: &Request) -> bool {
    request.path().ends_with(b"/") && !request.has_content_handler()
}

fn is_charged(visit: &Visit) -> bool {
    let ruling = visit.ruling.borrow();
    matches!(&*ruling, Ruling::Decided(Decision::Serve(Serve { coins: 1.., charge: Some(_), .. })))
}

/// The price of the page: from its price file, else from the location's directive, else 0. If the
/// price cannot be read, the page is not sent.
fn price_of(request: &mut Request) -> Result<u32, Box<Ruling>> {
    let read = |text: &[u8], place: &str| {
        let unreadable = |error| Ruling::Decided(price_unreadable(&error, place).into());
        parse_price(text).map_err(|error| Box::new(unreadable(error)))
    };
    let file = if request.location().has_price_files() {
        request.read_beside(PRICE_FILE_SUFFIX, PRICE_FILE_SIZE_MAX)
    } else {
        Ok(None)
    };
    match file {
        Ok(None) => {}
        Ok(Some(text)) => return read(&text, &price_file(request)),
        Err(reason) => {
            request.log().write(Level::Error, &format!("{}: {reason}", price_file(request)));
            return Err(Box::new(Ruling::Fail(SERVER_ERROR)));
        }
    }
    match request.location().price() {
        None => Ok(0),
        Some(Price::Fixed(price)) => Ok(price),
        // If there is no value, nginx has logged why.
        Some(Price::Varying(value)) => {
            request.evaluate(&value).map_or(Err(Box::new(Ruling::Fail(SERVER_ERROR))), |text| {
                read(text, "micromint_price")
            })
        }
    }
}

fn price_file(request: &Request) -> String {
    format!("the price file of {}", String::from_utf8_lossy(request.path()))
}
