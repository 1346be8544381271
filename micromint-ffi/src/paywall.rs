//! The vendor's paywall: what a web server or application asks about each request.

use std::path::Path;
use std::sync::Arc;

use micromint_core::host::{Clock, Entropy};
use micromint_core::protocol::RequestOutcome;
use micromint_core::vendor::{
    Decision, Look, Paywall, PaywallError, Request, VendorConfig, parse_price,
};

use crate::boundary::{free, given, guard, hand_out, output, path_at, reference, slice};
use crate::decision::micromint_decision;
use crate::error::{Answer, failed, micromint_error, micromint_status};
use crate::host::{host_of, micromint_host};
use crate::request::micromint_request;
use micromint_status::{MICROMINT_ERROR_ARGUMENT, MICROMINT_ERROR_CONFIG, MICROMINT_ERROR_FILE};

/// The paywall of a vendor's pages. Free it with `micromint_paywall_free()`. Any number of threads
/// may use it at the same time. Open it after `fork()`, in every process that serves.
pub struct micromint_paywall {
    paywall: Arc<Paywall>,
    host: micromint_host,
}

/// What to do next, once a request's head is read.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_look {
    /// It is decided; no disk was accessed.
    MICROMINT_LOOK_DECIDED = 0,
    /// Read the body, then call `micromint_paywall_decide()` with it; if it is larger than the
    /// given size, with `is_body_read` 0. Unless the decision is to serve as a GET, the content
    /// gets the body too.
    MICROMINT_LOOK_NEEDS_BODY = 1,
    /// Call `micromint_paywall_decide()`, which may wait for the disk.
    MICROMINT_LOOK_PENDING = 2,
    // Last added: 2.
}

/// Creates what a first start needs: the till's directory and the secret of receipts, readable only
/// by this process's user. Existing ones are left unchanged.
///
/// config, config_len: the path of the configuration file (docs/reference/vendor.md).
/// host:               randomness; NULL for the system's.
///
/// Errors: MICROMINT_ERROR_CONFIG with file, line and key; MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_prepare(
    config: *const u8,
    config_len: usize,
    host: *const micromint_host,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(path = path_at(config, config_len), host = host_of(host));
        let config = load(path)?;
        Paywall::prepare(&config, &host, &host).map_err(refused)?;
        Ok(())
    })
}

/// Opens a paywall.
///
/// config, config_len: the path of the configuration file (docs/reference/vendor.md).
/// host:               clock, randomness and log; NULL for the system's and no log.
/// paywall_out:        the paywall.
///
/// Errors: MICROMINT_ERROR_CONFIG with file, line and key, also for a period's parameters;
/// MICROMINT_ERROR_FILE for the till and the secret of receipts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_open(
    config: *const u8,
    config_len: usize,
    host: *const micromint_host,
    paywall_out: *mut *mut micromint_paywall,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            path = path_at(config, config_len),
            host = host_of(host),
            place = output(paywall_out)
        );
        let clock: Arc<dyn Clock> = Arc::new(host);
        let entropy: Arc<dyn Entropy> = Arc::new(host);
        let paywall = Arc::new(Paywall::open(load(path)?, clock, entropy).map_err(refused)?);
        place.write(hand_out(micromint_paywall { paywall, host }));
        Ok(())
    })
}

/// Looks at a request whose head is read. Never waits. A free page without a payment
/// costs only a look at the header names.
///
/// look_out:      what to do next.
/// body_max_out:  with MICROMINT_LOOK_NEEDS_BODY, the largest useful body in bytes; else 0.
/// decision_out:  with MICROMINT_LOOK_DECIDED, the decision; else NULL.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if `reserved` is not NULL or the client is not an IP address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_look(
    paywall: *const micromint_paywall,
    request: *const micromint_request,
    look_out: *mut micromint_look,
    body_max_out: *mut usize,
    decision_out: *mut *mut micromint_decision,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            gate = reference(paywall),
            request = reference(request),
            look_place = output(look_out),
            size_place = output(body_max_out),
            decision_place = output(decision_out),
        );
        // SAFETY: the request's pointers follow the conventions.
        let (look, size_max, decision) = unsafe {
            request
                .with(|request| gate.paywall.with_list_price(request, |request| gate.look(request)))
        }?;
        look_place.write(look);
        size_place.write(size_max);
        decision_place.write(decision);
        Ok(())
    })
}

/// Decides about a request, with its body if `micromint_paywall_look()` asked for it. A program
/// that may wait need not look first. An accepted payment is recorded. May wait for the disk.
///
/// decision_out: the decision.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if `reserved` is not NULL or the client is not an IP address. A
/// till that cannot be written is not an error but an answer: 503.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_decide(
    paywall: *const micromint_paywall,
    request: *const micromint_request,
    decision_out: *mut *mut micromint_decision,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            gate = reference(paywall),
            request = reference(request),
            place = output(decision_out)
        );
        // SAFETY: the request's pointers follow the conventions.
        let decision = unsafe {
            request.with(|request| {
                gate.paywall.with_list_price(request, |request| gate.paywall.decide(request))
            })
        }?;
        place.write(gate.decided(decision));
        Ok(())
    })
}

/// Reports the status of the content's response, and reverses the payment that this request
/// recorded if the response is not a success (2xx). Call it once, when the head of the response is
/// made and before it is sent.
///
/// decision:     the decision to serve; one that recorded no payment is left unchanged.
/// status:       the status of the content's response.
/// reversed_out: true if the payment was reversed: answer with `MicroMint-Status: reversed` instead
///               of the decision's header fields.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the number is not a status. A payment that cannot be
/// reversed (it was sent again meanwhile, ten minutes have passed, or the till cannot be written)
/// stays recorded, and that is not an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_finish(
    paywall: *const micromint_paywall,
    decision: *const micromint_decision,
    status: u32,
    reversed_out: *mut bool,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            gate = reference(paywall),
            decision = reference(decision),
            place = output(reversed_out)
        );
        let status = status_of(status)?;
        let outcome = decision.charge().map(|charge| gate.paywall.finish(charge, status));
        place.write(outcome == Some(RequestOutcome::Reversed));
        Ok(())
    })
}

/// Frees a paywall: closes its till. NULL is allowed. Decisions may outlive it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_free(paywall: *mut micromint_paywall) {
    // SAFETY: a paywall reaches the caller only from hand_out, and is freed once.
    unsafe { free(paywall) }
}

/// Parses a price: the content of a price file, or the value of a setting
/// (docs/reference/vendor.md, Prices).
///
/// text, text_len: one line with a number from 0 to 500.
/// price_out:      the price in coins.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for anything else. Then answer 500: an unreadable price is not
/// free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_price_parse(
    text: *const u8,
    text_len: usize,
    price_out: *mut u32,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(text = slice(text, text_len), place = output(price_out));
        place.write(parse_price(text).map_err(failed(MICROMINT_ERROR_ARGUMENT))?);
        Ok(())
    })
}

impl micromint_paywall {
    /// What to do next, the largest useful body, and the decision if there is one.
    fn look(&self, request: &Request<'_>) -> (micromint_look, usize, *mut micromint_decision) {
        match self.paywall.look(request) {
            Look::Decided((decision, _)) => {
                (micromint_look::MICROMINT_LOOK_DECIDED, 0, self.decided(decision))
            }
            Look::NeedsBody { size_max } => {
                (micromint_look::MICROMINT_LOOK_NEEDS_BODY, size_max, std::ptr::null_mut())
            }
            Look::Pending(_) => (micromint_look::MICROMINT_LOOK_PENDING, 0, std::ptr::null_mut()),
        }
    }

    /// Gives a decision to the caller, after its line for the log.
    fn decided(&self, decision: Decision) -> *mut micromint_decision {
        if let Decision::Answer(answer) = &decision
            && let Some(line) = &answer.log
        {
            self.host.write_log(line);
        }
        if let Some(alert) = &decision.about().alert {
            self.host.write_log(alert);
        }
        hand_out(micromint_decision::new(decision))
    }
}

/// The status of an answer.
pub(crate) fn status_of(status: u32) -> Answer<u16> {
    let small = u16::try_from(status).ok().filter(|status| (100..1000).contains(status));
    small.ok_or_else(|| {
        let text = format!("status: expected a number of 100 to 999, found {status}");
        micromint_error::new(MICROMINT_ERROR_ARGUMENT, text)
    })
}

/// Reads the configuration at a path.
fn load(path: &Path) -> Answer<VendorConfig> {
    VendorConfig::load(path).map_err(failed(MICROMINT_ERROR_CONFIG))
}

fn refused(error: PaywallError) -> micromint_error {
    let status = match &error {
        PaywallError::Config(_) => MICROMINT_ERROR_CONFIG,
        // All others are about files.
        _ => MICROMINT_ERROR_FILE,
    };
    micromint_error::of(status, &error)
}
