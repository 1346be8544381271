//! The vendor's paywall: what a web server or application asks about each request.

use std::ffi::{OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use micromint_core::host::{Clock, Entropy};
use micromint_core::vendor::config::VendorConfig;
use micromint_core::vendor::http::{Decision, Outcome, Request, Step};
use micromint_core::vendor::paywall::{Paywall, PaywallError};
use micromint_core::vendor::price::parse_price;

use crate::boundary::{free, guard, hand_out, output, reference, slice};
use crate::decision::micromint_decision;
use crate::error::{Answer, failed, micromint_error, micromint_status};
use crate::host::{micromint_host, refuse_reserved};
use micromint_status::{MICROMINT_ERROR_ARGUMENT, MICROMINT_ERROR_CONFIG, MICROMINT_ERROR_FILE};

/// The gate before a vendor's pages. Free it with `micromint_paywall_free()`. Any number of threads may
/// use one at once. Open it after `fork()`, in every process that serves.
pub struct micromint_paywall {
    paywall: Paywall,
    host: micromint_host,
}

/// A header field of a request.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_header {
    /// The name, in any case.
    pub name: *const u8,
    /// Its length.
    pub name_len: usize,
    /// The value.
    pub value: *const u8,
    /// Its length.
    pub value_len: usize,
}

/// What the paywall sees of an HTTP request. Clear it before you fill it: `micromint_request r = {0};`.
/// Its bytes are read during the call only.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_request {
    /// The method as received, such as GET.
    pub method: *const u8,
    /// Its length.
    pub method_len: usize,
    /// The request target exactly as received: path and query, not decoded, not normalised.
    pub target: *const u8,
    /// Its length.
    pub target_len: usize,
    /// The host asked for, with its port if one was sent; NULL if there is none. It only picks one of the
    /// configured origins.
    pub host: *const u8,
    /// Its length.
    pub host_len: usize,
    /// The header fields in order. Only accept, content-type, cookie, idempotency-key and
    /// micromint-payment are looked at.
    pub headers: *const micromint_header,
    /// How many.
    pub headers_len: usize,
    /// The whole body, where `is_body_read`.
    pub body: *const u8,
    /// Its length; 0 if there is none.
    pub body_len: usize,
    /// Not 0 if the body was read whole; 0 if it was not read, or is larger than allowed.
    pub is_body_read: u32,
    /// Not 0 if the request came over TLS.
    pub is_https: u32,
    /// The price of what is asked for, in coins; 0 is free.
    pub price: u32,
    /// NULL.
    pub reserved: *const c_void,
}

/// What to do next, once a request's head is read.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_step {
    /// It is decided; no disk was touched.
    MICROMINT_STEP_DECIDED = 0,
    /// Read the body, then call `micromint_paywall_decide()` with it; if it is larger than the size given,
    /// with `is_body_read` 0. Unless the decision is to serve as a GET, the content gets the body too.
    MICROMINT_STEP_READ_BODY = 1,
    /// Call `micromint_paywall_decide()`, which may wait for the disk.
    MICROMINT_STEP_WORK = 2,
    // Last added: 2.
}

/// Makes what a first start needs: the till's directory and the secret of receipts, readable by this
/// process's user alone. Harmless where they exist.
///
/// config, config_len: the path of the configuration file (docs/vendor.md).
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
        // SAFETY: the pointers are as the conventions say.
        let (path, host) = unsafe { (slice(config, config_len, "config")?, micromint_host::copy(host)?) };
        let config = load(path)?;
        Paywall::prepare(&config, &host).map_err(refused)?;
        Ok(())
    })
}

/// Opens a paywall.
///
/// config, config_len: the path of the configuration file (docs/vendor.md).
/// host:               clock, randomness and log; NULL for the system's and no log.
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
        // SAFETY: the pointers are as the conventions say.
        let (path, host) = unsafe { (slice(config, config_len, "config")?, micromint_host::copy(host)?) };
        // SAFETY: as above.
        let place = unsafe { output(paywall_out, "paywall_out") }?;
        let clock: Arc<dyn Clock> = Arc::new(host);
        let entropy: Arc<dyn Entropy> = Arc::new(host);
        let paywall = Paywall::open(load(path)?, clock, entropy).map_err(refused)?;
        place.write(hand_out(micromint_paywall { paywall, host }));
        Ok(())
    })
}

/// Says what to do with a request whose head is read. Never waits. A free page without a payment costs
/// a look at the header names and nothing else.
///
/// step_out:      what to do next.
/// body_max_out:  the largest body of use in bytes, with MICROMINT_STEP_READ_BODY; else 0.
/// decision_out:  the decision, with MICROMINT_STEP_DECIDED; else NULL.
///
/// Errors: MICROMINT_ERROR_ARGUMENT where `reserved` is not NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_classify(
    paywall: *const micromint_paywall,
    request: *const micromint_request,
    step_out: *mut micromint_step,
    body_max_out: *mut usize,
    decision_out: *mut *mut micromint_decision,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (gate, request) = unsafe { (reference(paywall, "paywall")?, reference(request, "request")?) };
        // SAFETY: as above.
        let (step_place, size_place) =
            unsafe { (output(step_out, "step_out")?, output(body_max_out, "body_max_out")?) };
        // SAFETY: as above.
        let decision_place = unsafe { output(decision_out, "decision_out") }?;
        // SAFETY: as above.
        let step = unsafe { request.with(|request| gate.paywall.classify(request)) }?;
        let (step, size_max, decision) = match step {
            Step::Decided(decision) => (micromint_step::MICROMINT_STEP_DECIDED, 0, gate.decided(decision)),
            Step::ReadBody { size_max } => {
                (micromint_step::MICROMINT_STEP_READ_BODY, size_max, std::ptr::null_mut())
            }
            Step::Work => (micromint_step::MICROMINT_STEP_WORK, 0, std::ptr::null_mut()),
        };
        step_place.write(step);
        size_place.write(size_max);
        decision_place.write(decision);
        Ok(())
    })
}

/// Decides about a request, its body read where `micromint_paywall_classify()` asked for it; a program
/// that may wait need not classify first. A payment that is accepted is recorded. May wait for the disk.
///
/// decision_out: the decision.
///
/// Errors: MICROMINT_ERROR_ARGUMENT where `reserved` is not NULL. A till that cannot be written is no
/// error but an answer: 503.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_decide(
    paywall: *const micromint_paywall,
    request: *const micromint_request,
    decision_out: *mut *mut micromint_decision,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (gate, request) = unsafe { (reference(paywall, "paywall")?, reference(request, "request")?) };
        // SAFETY: as above.
        let place = unsafe { output(decision_out, "decision_out") }?;
        // SAFETY: as above.
        let decision = unsafe { request.with(|request| gate.paywall.decide(request)) }?;
        place.write(gate.decided(decision));
        Ok(())
    })
}

/// Tells the status of the content's answer, and takes back the payment that this request recorded if
/// it is no success (not 2xx). Call it once, when the head of the answer is made and before it is sent.
///
/// decision:     the decision to serve; one that recorded no payment is left alone.
/// status:       the status of the content's answer.
/// reversed_out: true if the payment was taken back: answer with `MicroMint-Status: reversed` in place
///               of the decision's headers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_settle(
    paywall: *const micromint_paywall,
    decision: *const micromint_decision,
    status: u32,
    reversed_out: *mut bool,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (gate, decision) = unsafe { (reference(paywall, "paywall")?, reference(decision, "decision")?) };
        // SAFETY: as above.
        let place = unsafe { output(reversed_out, "reversed_out") }?;
        let status = u16::try_from(status).ok().filter(|status| (100..1000).contains(status));
        let status = status.ok_or_else(|| {
            micromint_error::new(MICROMINT_ERROR_ARGUMENT, "status: expected a number of 100 to 999")
        })?;
        let outcome = decision.charge().map(|charge| gate.paywall.settle(charge, status));
        place.write(outcome == Some(Outcome::Reversed));
        Ok(())
    })
}

/// Frees a paywall: closes its till. NULL is allowed. Decisions may outlive it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_paywall_free(paywall: *mut micromint_paywall) {
    // SAFETY: a paywall reaches the caller from hand_out only, and is freed once.
    unsafe { free(paywall) }
}

/// Reads a price: the content of a price file, or the value of a setting (docs/vendor.md, Prices).
///
/// text, text_len: one line with a number from 0 to 500.
/// price_out:      the price in coins.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for anything else. Then answer 500: an unreadable price is not free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_price_parse(
    text: *const u8,
    text_len: usize,
    price_out: *mut u32,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (text, place) = unsafe { (slice(text, text_len, "text")?, output(price_out, "price_out")?) };
        place.write(parse_price(text).map_err(failed(MICROMINT_ERROR_ARGUMENT))?);
        Ok(())
    })
}

impl micromint_paywall {
    /// Hands a decision out, its line for the log first.
    fn decided(&self, decision: Decision) -> *mut micromint_decision {
        if let Decision::Answer(answer) = &decision
            && let Some(line) = &answer.log
        {
            self.host.write_log(line);
        }
        hand_out(micromint_decision::new(decision))
    }
}

impl micromint_request {
    /// Calls `with` with the request as the core has it.
    ///
    /// # Safety
    /// Every pointer is NULL or points to what its member says, for the length beside it.
    unsafe fn with<R>(&self, with: impl FnOnce(&Request<'_>) -> R) -> Answer<R> {
        refuse_reserved(self.reserved, "request")?;
        // SAFETY: passed on to the caller.
        let given = unsafe { slice(self.headers, self.headers_len, "request.headers") }?;
        let mut headers = Vec::with_capacity(given.len());
        for header in given {
            // SAFETY: passed on to the caller.
            headers.push(unsafe {
                (
                    slice(header.name, header.name_len, "request.headers[].name")?,
                    slice(header.value, header.value_len, "request.headers[].value")?,
                )
            });
        }
        // SAFETY: passed on to the caller.
        let request = unsafe {
            Request {
                method: slice(self.method, self.method_len, "request.method")?,
                target: slice(self.target, self.target_len, "request.target")?,
                is_https: self.is_https != 0,
                host: match self.host.is_null() && self.host_len == 0 {
                    true => None,
                    false => Some(slice(self.host, self.host_len, "request.host")?),
                },
                headers: &headers,
                body: match self.is_body_read {
                    0 => None,
                    _ => Some(slice(self.body, self.body_len, "request.body")?),
                },
                price: self.price,
                ..Request::default()
            }
        };
        Ok(with(&request))
    }
}

/// Reads the configuration at a path, which is bytes as the system has it.
fn load(path: &[u8]) -> Answer<VendorConfig> {
    VendorConfig::load(Path::new(OsStr::from_bytes(path))).map_err(failed(MICROMINT_ERROR_CONFIG))
}

fn refused(error: PaywallError) -> micromint_error {
    let status = match &error {
        PaywallError::Config(_) => MICROMINT_ERROR_CONFIG,
        PaywallError::File(_) | PaywallError::Till(_) | PaywallError::Secret { .. } => MICROMINT_ERROR_FILE,
    };
    micromint_error::of(status, &error)
}
