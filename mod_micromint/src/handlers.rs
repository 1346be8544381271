//! The path of a request through the paywall.
//!
//! In the fixups a request passes a place, since its access checks let it pass, and owes its price
//! wherever it is led on to. The paywall asks before whatever makes the content: rewriting is done,
//! the file is known, and nothing was sent. `MicroMint On` puts it before every page of a place;
//! `MicroMint Require` only before those that `Require micromint` let pass. A filter sees the head
//! of the response before it is sent, and settles the charge.

mod head;
mod place;
mod question;
mod reply;
mod report;

use micromint::protocol::RequestOutcome;
use micromint::vendor::gate::{self, Mode, Next, PriceFiles, is_priced_part};
use micromint::vendor::{Request as PaywallRequest, has_payment_or_receipt, is_price_file};

use crate::ap::{Code, DECLINED, Grant, Level, Login, Parent, Request};
use crate::module::Variable;
pub(crate) use head::{fields_of_switch, filter_head};
use question::ask;
pub(crate) use reply::insert_filters;
use reply::{carry_out, message, served, status};
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
    let unpriced = parent.prices_without_coins();
    for (position, reason) in &unpriced {
        parent.refuse_at(position, &format!("MicroMintPrice: {reason}"));
    }
    for gate in parent.gates_without_require_line() {
        parent.warn_at(
            &gate.position,
            "MicroMint Require: no page costs anything, because nothing says `Require micromint`; \
             only .htaccess files may still say it",
        );
    }
    if missing.is_empty() && unpriced.is_empty() { Ok(()) } else { Err(()) }
}

/// Prepares all vendors. A vendor that cannot be prepared keeps Apache from starting. A server that
/// is already running continues: it does not sell pages of this vendor, and still serves free ones.
pub(crate) fn prepare(parent: &Parent) -> Result<(), ()> {
    parent.share_counters();
    for vendor in parent.vendors().all() {
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
    child.vendors().open().for_each(|text| child.log().write(Level::Alert, &text));
}

// ---- the hooks

/// `Require micromint`. The paywall runs before the content, so access is granted for now, and the
/// paywall asks for a payment if there is a price. A password that was sent is tried first,
/// whatever stands beside it: a right one is enough, and after a wrong one the browser asks for
/// another.
pub(crate) fn require(request: Request<'_>) -> Grant {
    match request.place().mode() {
        Mode::Off => {
            request.log().write(
                Level::Error,
                "Require micromint: access is denied, because MicroMint is Off here",
            );
            Grant::Denied
        }
        Mode::On | Mode::Require => match request.login() {
            Login::Sent => Grant::AfterLogin,
            Login::Possible if !comes_to_pay(request) => Grant::AfterLogin,
            Login::Possible | Login::None => {
                request.mark_required();
                Grant::Granted
            }
        },
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

/// Called when every access check let a request pass, before its directory's rewrites: it owes the
/// price of its place. Called too for a file that might be part of a listing or a variant: price
/// files are hidden.
pub(crate) fn fixups(request: Request<'_>) -> Code {
    if request.place().is_gated()
        && (request.filename().is_some_and(is_price_file) || is_price_file(request.path()))
    {
        return NOT_FOUND;
    }
    if is_gated(request)
        && !request.is_subrequest()
        && !request.is_error_answer()
        && let Err(code) = pass(request, PriceFiles::Skip)
    {
        return code;
    }
    if let Some(visit) = request.visit() {
        tell(request, visit);
    }
    DECLINED
}

/// Before the content is made: the paywall.
pub(crate) fn handler(request: Request<'_>) -> Code {
    let code = match is_gated(request) {
        true if request.is_subrequest() => subrequest(request),
        true => match pass(request, PriceFiles::Count) {
            Ok(()) => arrive(request),
            Err(code) => code,
        },
        false if !request.is_subrequest() && request.visit().is_some() => arrive(request),
        false => DECLINED,
    };
    match request.handler() {
        Some(MESSAGE_HANDLER) if code == DECLINED => message(request),
        Some(STATUS_HANDLER) if code == DECLINED => status(request),
        _ => code,
    }
}

/// Whether the paywall is in front of this place for this request.
fn is_gated(request: Request<'_>) -> bool {
    match request.place().mode() {
        Mode::Off => false,
        Mode::On => true,
        Mode::Require => request.is_required(),
    }
}

/// Handles a subrequest. Whether it is paid for was decided for the main request.
fn subrequest(mut request: Request<'_>) -> Code {
    if !request.place().refuses_subrequests() {
        return DECLINED;
    }
    match is_priced_part(&mut request) {
        Ok(true) => FORBIDDEN,
        Ok(false) => DECLINED,
        // The response is that of the main request, which goes on.
        Err(fault) => {
            fault.log().into_iter().for_each(|text| request.log().write(Level::Error, text));
            SERVER_ERROR
        }
    }
}

/// The request arrives at content. `DECLINED` lets it continue.
fn arrive(request: Request<'_>) -> Code {
    // It will only become another request: a per-directory rewrite, a type map. The filter refuses
    // content that is sent nevertheless.
    if request.leads_on() {
        request.add_head_filter();
        return DECLINED;
    }
    let is_error_page = request.is_error_answer();
    let visit = request.visit();
    let next = match visit {
        Some(visit) => visit.gate.borrow_mut().next(0, is_error_page),
        None if is_error_page => Next::Continue,
        None => Next::Ask,
    };
    match (next, visit) {
        (Next::Ask | Next::AskWithBody, _) => ask(request),
        (Next::CarryOut, _) => carry_out(request),
        (Next::Continue | Next::Wait, Some(visit)) if !is_error_page => served(request, visit),
        (Next::Continue | Next::Wait, Some(visit)) if visit.gate.borrow().owes_more() => {
            request.add_head_filter();
            DECLINED
        }
        (Next::Continue | Next::Wait, _) => DECLINED,
    }
}

/// Free content is served, but it does not satisfy an access rule.
fn free(request: Request<'_>) -> Code {
    if request.is_required() && request.place().mode() == Mode::Require {
        return FORBIDDEN;
    }
    request.set_variable(Variable::Status, RequestOutcome::Free.word());
    DECLINED
}

/// Notes that the request passes this place at its price. `Err` is what the hook returns.
fn pass(mut request: Request<'_>, files: PriceFiles) -> Result<(), Code> {
    // This thread may wait, so what is asked is the list as it is now.
    let alert = request.server().vendor().and_then(|vendor| vendor.refresh_prices());
    if let Some(alert) = alert {
        request.log().write(Level::Error, &alert);
    }
    let owed = request.visit().and_then(|visit| visit.gate.borrow().owed_rank());
    match gate::pass(&mut request, owed, files) {
        Ok(None) => Ok(()),
        Ok(Some(passed)) => {
            request.visit_or_new().gate.borrow_mut().pass(passed);
            Ok(())
        }
        Err(fault) => Err(reply::end(request, fault)),
    }
}
