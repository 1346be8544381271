//! The path of a request through the paywall.
//!
//! The paywall runs before whatever makes the content: access checks, passwords and rewriting are
//! done, the file is known, and nothing was sent. `MicroMint On` puts it before every page of a
//! place; `MicroMint Require` only before those that `Require micromint` let pass. A filter sees
//! the head of the response before it is sent: a payment is kept for a success only.

mod head;
mod question;
mod reply;
mod report;

use micromint::protocol::RequestOutcome;
use micromint::vendor::{
    Decision, PRICE_FILE_SIZE_MAX, PRICE_FILE_SUFFIX, Request as PaywallRequest,
    has_payment_or_receipt, is_price_file, parse_price, price_unreadable,
};

use crate::ap::{Code, DECLINED, Grant, Level, Parent, Request};
use crate::module::{Gate, Price, Variable};
use crate::visit::{Ruling, Stage, Visit};
pub(crate) use head::filter_head;
use question::enter;
pub(crate) use reply::watch_head;
use reply::{decided, message, served, status};
pub(crate) use report::record;
use report::tell;

const FORBIDDEN: Code = 403;
const NOT_FOUND: Code = 404;
const SERVER_ERROR: Code = 500;

/// The name by which `SetHandler` makes the paywall's answer the content.
const MESSAGE_HANDLER: &[u8] = b"micromint-message";
/// The name by which `SetHandler` makes the counters the content.
const STATUS_HANDLER: &[u8] = b"micromint-status";

// ---- after a configuration was read, and in each child

/// Checks whether the configuration is consistent. No side effects: `apachectl configtest` runs it
/// too.
pub(crate) fn check(parent: &Parent) -> Result<(), ()> {
    let missing = parent.gates_without_vendor();
    for gate in &missing {
        parent.refuse_at(
            &gate.position,
            &format!("{} requires a MicroMintConfig for this server", gate.directive),
        );
    }
    if missing.is_empty() { Ok(()) } else { Err(()) }
}

/// Prepares all vendors. A vendor that cannot be prepared keeps Apache from starting. A server that
/// is already running continues: it does not sell pages of this vendor, and still serves free ones.
pub(crate) fn prepare(parent: &Parent) -> Result<(), ()> {
    parent.share_counters();
    for vendor in parent.vendors() {
        match vendor.prepare(parent.owner()) {
            Ok(_) if parent.is_first_pass() => {}
            Ok(warnings) => {
                warnings.iter().for_each(|warning| parent.log().write(Level::Warn, warning));
            }
            Err(error) => {
                parent.refuse_at(vendor.position(), &error.to_string());
                if !parent.is_restart() {
                    return Err(());
                }
            }
        }
    }
    Ok(())
}

/// Opens all vendors. A vendor that cannot be opened is tried again when a request needs it.
pub(crate) fn open(child: &Parent) {
    for vendor in child.vendors() {
        if let Err(error) = vendor.open() {
            let text = format!("{error}; pages of this vendor are not sold until this is fixed");
            child.log().write(Level::Alert, &text);
        }
    }
}

// ---- the hooks

/// `Require micromint`. The paywall runs before the content, so access is granted for now, and the
/// paywall asks for a payment if there is a price. Other credentials are tried first.
pub(crate) fn require(request: Request<'_>) -> Grant {
    match request.place().gate() {
        Gate::Off => {
            request.log().write(
                Level::Error,
                "Require micromint: access is denied, because MicroMint is Off here",
            );
            Grant::Denied
        }
        Gate::On | Gate::Require if request.may_still_log_in() && !comes_to_pay(request) => {
            Grant::AfterLogin
        }
        Gate::On | Gate::Require => {
            request.mark_required();
            Grant::Granted
        }
    }
}

fn comes_to_pay(request: Request<'_>) -> bool {
    let headers = request.headers();
    has_payment_or_receipt(&PaywallRequest {
        method: request.method(),
        headers: &headers,
        ..PaywallRequest::default()
    })
}

/// Called when everything is known about a request, or about a file that might be part of a listing
/// or a variant: price files are hidden.
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

/// Before the content is made: the paywall.
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

/// Handles a subrequest. Whether it is paid for was decided for the main request.
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

/// `DECLINED` lets the request continue to its content.
fn pass(request: Request<'_>) -> Code {
    let visit = request.visit();
    // Whatever Apache makes now is the error page of our answer, or of another one.
    if visit.is_some_and(|visit| visit.stage.get() == Stage::Answered) || request.is_error_answer()
    {
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
        Err(ruling) => return decided(request, 0, ruling),
    };
    if let Some(visit) = visit.filter(|visit| visit.stage.get() == Stage::Served) {
        if price <= visit.price.get() {
            return served(request, visit);
        }
        if is_charged(visit) {
            let text = format!("{} coins were paid, but the page costs {price}", visit.price.get());
            request.log().write(
                Level::Error,
                &format!("{text} after an internal redirect; the request is refused"),
            );
            return SERVER_ERROR;
        }
        visit.start_over();
    }
    enter(request, price)
}

/// Free content is served, but it does not satisfy an access rule.
fn free(request: Request<'_>) -> Code {
    if request.is_required() && request.place().gate() == Gate::Require {
        return FORBIDDEN;
    }
    request.set_variable(Variable::Status, RequestOutcome::Free.word());
    DECLINED
}

fn is_charged(visit: &Visit) -> bool {
    visit.ruling.borrow().serve().is_some_and(|serve| serve.charge.is_some())
}

/// The price of the page: from its price file, else from the place's directive, else 0. If the
/// price cannot be read, the page is not sent.
fn price_of(request: Request<'_>) -> Result<u32, Ruling> {
    let read = |text: &[u8], place: &str| {
        parse_price(text).map_err(|error| Decision::from(price_unreadable(&error, place)).into())
    };
    let file = if request.place().has_price_files() {
        request.read_beside(PRICE_FILE_SUFFIX, PRICE_FILE_SIZE_MAX)
    } else {
        Ok(None)
    };
    match file {
        Ok(None) => {}
        Ok(Some(text)) => return read(&text, &price_file(request)),
        Err(error) => {
            request.log().write(Level::Error, &format!("{}: {error}", price_file(request)));
            return Err(Ruling::Fail(SERVER_ERROR));
        }
    }
    match request.place().price() {
        None => Ok(0),
        Some(Price::Fixed(price)) => Ok(price),
        Some(Price::Varying(expression)) => match request.evaluate(expression) {
            Ok(text) => read(text, "MicroMintPrice"),
            Err(reason) => {
                request.log().write(Level::Error, &format!("MicroMintPrice: {reason}"));
                Err(Ruling::Fail(SERVER_ERROR))
            }
        },
    }
}

fn price_file(request: Request<'_>) -> String {
    format!("the price file of {}", String::from_utf8_lossy(request.path()))
}
