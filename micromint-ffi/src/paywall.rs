//! The vendor's paywall: what a web server or application asks about each request.

use std::path::Path;
use std::sync::Arc;

use micromint_core::host::{Clock, Entropy};
use micromint_core::protocol::RequestOutcome;
use micromint_core::vendor::{
    Decision, Look, Paywall, PaywallError, Request, Vendor, VendorConfig, VendorDecision,
    parse_price, unavailable,
};

use crate::boundary::{free, given, guard, hand_out, output, path_at, reference, slice};
use crate::buffer::micromint_buffer;
use crate::decision::micromint_decision;
use crate::error::{FfiResult, failed, micromint_error, micromint_status};
use crate::filled::filled;
use crate::host::{host_of, micromint_host, micromint_log_level};
use crate::process;
use crate::request::micromint_request;
use crate::serving::{Serving, ServingProcess};
use micromint_log_level::{MICROMINT_LOG_ERROR, MICROMINT_LOG_INFO, MICROMINT_LOG_WARNING};
use micromint_status::{MICROMINT_ERROR_ARGUMENT, MICROMINT_ERROR_CONFIG, MICROMINT_ERROR_FILE};

/// The paywall of a vendor's pages. Free it with `micromint_paywall_free()`. Any number of threads
/// may use it at the same time. After a `fork()` the child opens its till again with the first
/// request that needs it; the configuration stays as it was read. A till that could not be written
/// is opened again after a second.
pub struct micromint_paywall {
    serving: ServingProcess,
    host: micromint_host,
}

/// What to do next, once a request's head is read.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_look {
    /// It is decided; no disk was accessed.
    MICROMINT_LOOK_DECIDED = 0,
    /// Read the body, set it in the request unless it is larger than the given size, and call
    /// `micromint_paywall_decide()`. Unless the decision is to serve as a GET, the content gets the
    /// body too.
    MICROMINT_LOOK_NEEDS_BODY = 1,
    /// Call `micromint_paywall_decide()`, which may wait for the disk.
    MICROMINT_LOOK_PENDING = 2,
    // Last added: 2.
}

/// Creates what a first start needs: the till's directory and the secret of receipts, readable only
/// by this process's user. Existing ones are left unchanged.
///
/// config, config_len: the path of the configuration file (docs/reference/vendor.md).
/// host:               randomness, and a log for warnings; NULL for the system's and no log.
///
/// Errors: MICROMINT_ERROR_CONFIG with file, line and key; MICROMINT_ERROR_CALLBACK if `random`
/// failed; MICROMINT_ERROR_FILE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_prepare(
    config: *const u8,
    config_len: usize,
    host: *const micromint_host,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(path = path_at(config, config_len), host = host_of(host));
        let config = load(&path)?;
        let warnings = Paywall::prepare(&config, None, &host, &host).map_err(refused)?;
        for warning in &warnings {
            host.write_log(MICROMINT_LOG_WARNING, warning);
        }
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
/// MICROMINT_ERROR_FILE for the till and the secret of receipts; MICROMINT_ERROR_CALLBACK if
/// `random` failed.
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
        process::watch()?;
        let position = path.display().to_string();
        let vendor = Vendor::read(path, position, clock, entropy);
        let vendor = vendor.map_err(failed(MICROMINT_ERROR_CONFIG))?;
        vendor.open().map_err(refused)?;
        place.write(hand_out(micromint_paywall { serving: ServingProcess::new(vendor), host }));
        Ok(())
    })
}

/// Looks at a request whose head is read, or at one whose body is set too.
/// Never waits for the disk: a payment is recorded at once if the vendor's `sync` is not `always`
/// and nothing else uses the till at this moment. A free page without a payment costs only a look
/// at the header names.
///
/// look_out:      what to do next; never MICROMINT_LOOK_NEEDS_BODY if the body is set.
/// body_max_out:  with MICROMINT_LOOK_NEEDS_BODY, the largest useful body in bytes; else 0.
/// decision_out:  with MICROMINT_LOOK_DECIDED, the decision; else NULL.
///
/// Errors: what is invalid in the request: MICROMINT_ERROR_ARGUMENT if the client is not an IP
/// address or a number is out of range, MICROMINT_ERROR_NULL for bytes at NULL.
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
            it = reference(paywall),
            request = filled(request),
            look_place = output(look_out),
            size_place = output(body_max_out),
            decision_place = output(decision_out),
        );
        let (look, size_max, decision) = request.with(|request| {
            let serving = it.serving.here();
            serving.vendor.with_list_price(request, |request| it.look(serving, request))
        });
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
/// Errors: what is invalid in the request. A till that cannot be written is not an error but an
/// answer: 503.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_decide(
    paywall: *const micromint_paywall,
    request: *const micromint_request,
    decision_out: *mut *mut micromint_decision,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(paywall), request = filled(request), place = output(decision_out));
        let decision = request.with(|request| {
            let serving = it.serving.here();
            it.decided(serving, serving.vendor.decide_listed(request))
        });
        place.write(decision);
        Ok(())
    })
}

/// Reports the status of the content's response, and reverses the payment that this request
/// recorded if the response is not a success (2xx). Call it once, when the head of the response is
/// made and before it is sent. May wait for the disk.
///
/// decision:     the decision to serve; one that recorded no payment is left unchanged.
/// status:       the status of the content's response. An interim one (100, 103) changes nothing:
///               call the function again with the final one.
/// reversed_out: true if the payment was reversed: answer with `MicroMint-Status: reversed` instead
///               of the decision's header fields.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the number is not a status, MICROMINT_ERROR_STATE if the
/// payment was recorded in another process. A payment that cannot be reversed (it was sent again
/// meanwhile, ten minutes have passed, or the till cannot be written) stays recorded, and that is
/// not an error.
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
            it = reference(paywall),
            decision = reference(decision),
            place = output(reversed_out)
        );
        let (status, serving) = (status_of(status)?, it.serving.here());
        let became = match decision.charge()? {
            Some(_) if is_interim(status) => None,
            Some((charge, paywall)) => Some(paywall.finish(&charge, status)),
            None => Some(decision.decision().outcome()),
        };
        if let Some(became) = became {
            serving.count(decision.decision(), status, became);
        }
        place.write(became == Some(RequestOutcome::Reversed));
        Ok(())
    })
}

/// What `micromint_paywall_finish()` will say, without waiting for the disk: for a thread that
/// makes the head of a response and must not wait. Send the head as this function says, and call
/// `micromint_paywall_finish()` in another thread, with the same status, within thirty seconds. A
/// reversal is recorded as promised first: if the process dies, it is carried out later.
///
/// decision:     the decision to serve.
/// status:       the status of the content's response.
/// reversed_out: true if the payment will be reversed.
///
/// Errors: as for `micromint_paywall_finish()`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_promise(
    paywall: *const micromint_paywall,
    decision: *const micromint_decision,
    status: u32,
    reversed_out: *mut bool,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            _it = reference(paywall),
            decision = reference(decision),
            place = output(reversed_out)
        );
        let status = status_of(status)?;
        let became = match decision.charge()? {
            Some((charge, paywall)) if !is_interim(status) => {
                Some(paywall.promise(&charge, status))
            }
            _ => None,
        };
        place.write(became == Some(RequestOutcome::Reversed));
        Ok(())
    })
}

/// The answer that a client without a payment gets, whatever the request carries: for a page that
/// tells what another one costs. Nothing is recorded. Never waits for the disk.
///
/// request:      the request, with the price of the page.
/// decision_out: an answer.
///
/// Errors: as for `micromint_paywall_look()`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_price_tag(
    paywall: *const micromint_paywall,
    request: *const micromint_request,
    decision_out: *mut *mut micromint_decision,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(paywall), request = filled(request), place = output(decision_out));
        let vendor = &it.serving.here().vendor;
        let answer = request.with(|request| match vendor.to_ask() {
            Some(paywall) => vendor.with_list_price(request, |request| paywall.price_tag(request)),
            None => unavailable("the till is not open yet".to_string()),
        });
        place.write(hand_out(micromint_decision::new(answer.into(), None)));
        Ok(())
    })
}

/// Counts of requests by outcome and of coins, and what is measured of the vendor, in the text
/// format of Prometheus (docs/reference/vendor.md). They are those of this process: answers are
/// counted when they are decided, served requests by `micromint_paywall_finish()`.
///
/// text_out: a buffer with the text; its media type is `text/plain; version=0.0.4`.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_metrics(
    paywall: *const micromint_paywall,
    text_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(paywall), place = output(text_out));
        let Serving { vendor, counters, .. } = it.serving.here();
        let text = counters.to_prometheus(vendor.gauges());
        place.write(micromint_buffer::hand_out(text.into_bytes()));
        Ok(())
    })
}

/// Frees a paywall. NULL is allowed. Decisions may outlive it; the till is closed once the last one
/// that recorded a payment is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_free(paywall: *mut micromint_paywall) {
    // SAFETY: a paywall reaches the caller only from hand_out, and is freed once.
    unsafe { free(paywall) }
}

/// Parses a price in coins: the content of a price file, or the value of a setting
/// (docs/reference/vendor.md, Prices). `micromint_paywall_price()` also reads prices in money.
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
        let price = parse_price(text).and_then(|price| price.coins(None));
        place.write(price.map_err(failed(MICROMINT_ERROR_ARGUMENT))?);
        Ok(())
    })
}

/// Parses a price at the site of a paywall: a number of coins, or an amount of money, which is
/// converted to coins by the `coin-value` of its configuration (docs/reference/vendor.md, Prices).
///
/// text, text_len: one line with a number from 0 to 500, or with an amount such as `0.02 EUR`.
/// price_out:      the price in coins, for `micromint_request_set_price()`.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for anything else, or if the amount has no coins: there is no
/// `coin-value`, its currency is another one, or the amount is higher than any payment. Then answer
/// 500: an unreadable price is not free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_price(
    paywall: *const micromint_paywall,
    text: *const u8,
    text_len: usize,
    price_out: *mut u32,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(paywall), text = slice(text, text_len), place = output(price_out));
        let vendor = &it.serving.here().vendor;
        let price = parse_price(text).and_then(|price| vendor.coins(price));
        place.write(price.map_err(failed(MICROMINT_ERROR_ARGUMENT))?);
        Ok(())
    })
}

impl micromint_paywall {
    /// What to do next, the largest useful body, and the decision if there is one.
    fn look(
        &self,
        serving: &Serving,
        request: &Request<'_>,
    ) -> (micromint_look, usize, *mut micromint_decision) {
        let decided = match serving.vendor.look(request) {
            Look::Decided(decided) => Ok(decided),
            Look::NeedsBody { size_max } => {
                let look = micromint_look::MICROMINT_LOOK_NEEDS_BODY;
                return (look, size_max, std::ptr::null_mut());
            }
            Look::Pending(pending) => pending.try_now(),
        };
        match decided {
            Ok(decided) => {
                (micromint_look::MICROMINT_LOOK_DECIDED, 0, self.decided(serving, decided))
            }
            Err(_) => (micromint_look::MICROMINT_LOOK_PENDING, 0, std::ptr::null_mut()),
        }
    }

    /// Gives a decision to the caller, after its lines for the log.
    fn decided(&self, serving: &Serving, decided: VendorDecision) -> *mut micromint_decision {
        let (decision, paywall) = decided;
        if let Some(alert) = &decision.about().alert {
            self.host.write_log(MICROMINT_LOG_ERROR, alert);
        }
        if let Decision::Answer(answer) = &decision {
            if let Some(line) = &answer.log {
                // What a client can cause at will is not an error of the server.
                let level = match answer.outcome {
                    RequestOutcome::Unavailable => MICROMINT_LOG_ERROR,
                    _ => MICROMINT_LOG_INFO,
                };
                self.host.write_log(level, line);
            }
            serving.count(&decision, answer.status, answer.outcome);
        }
        hand_out(micromint_decision::new(decision, paywall))
    }
}

/// Whether another status follows for the same request.
fn is_interim(status: u16) -> bool {
    (100..200).contains(&status) && status != 101
}

/// The status of an answer.
pub(crate) fn status_of(status: u32) -> FfiResult<u16> {
    let small = u16::try_from(status).ok().filter(|status| (100..1000).contains(status));
    small.ok_or_else(|| {
        let text = format!("status: expected a number of 100 to 999, found {status}");
        micromint_error::new(MICROMINT_ERROR_ARGUMENT, text)
    })
}

/// Reads the configuration at a path.
fn load(path: &Path) -> FfiResult<VendorConfig> {
    VendorConfig::load(path).map_err(failed(MICROMINT_ERROR_CONFIG))
}

fn refused(error: PaywallError) -> micromint_error {
    let status = match &error {
        PaywallError::Config(_) => MICROMINT_ERROR_CONFIG,
        // The files of the till and of its keys, and what the system refuses to it.
        _ => MICROMINT_ERROR_FILE,
    };
    micromint_error::of(status, &error)
}
