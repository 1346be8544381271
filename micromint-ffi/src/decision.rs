//! What the paywall decided about a request.

use std::borrow::Cow;
use std::sync::Arc;

use micromint_core::vendor::{Charge, Decision, Paywall};

use crate::boundary::{free, given, guard, lend, reference};
use crate::error::{FfiResult, micromint_error, micromint_status};
use crate::process::OfProcess;
use micromint_status::MICROMINT_ERROR_ABSENT;

/// What to do with a request: serve the content, or send an answer instead. Free it with
/// `micromint_decision_free()`. It is immutable: threads may share it, and it may be used across a
/// fork, but the payment that it recorded is finished in the process that decided.
///
/// Serve: make the content as requested, without the header fields of
/// `micromint_decision_strip_header()`; pass the status of its response to
/// `micromint_paywall_finish()`; then change its head as `micromint_decision_head()` says.
///
/// Answer: send its status, header fields and body. If the site adds header fields to every
/// response, merge them with `micromint_decision_head()`.
pub struct micromint_decision {
    decision: Decision,
    /// What settles the payment that the request recorded.
    charged_by: Option<OfProcess<Arc<Paywall>>>,
    /// The fields to add if the response has none of the same name.
    headers: Vec<(&'static str, Cow<'static, str>)>,
}

impl micromint_decision {
    /// A decision of `paywall` in this process.
    pub(crate) fn new(decision: Decision, paywall: Option<Arc<Paywall>>) -> micromint_decision {
        let headers = match &decision {
            Decision::Answer(answer) => answer.head(|_| Vec::new()).into_owned().add,
            Decision::Serve(serve) => {
                let merged = serve.merge.iter().map(|field| (field.name, field.value.clone()));
                serve.headers.iter().cloned().chain(merged).collect()
            }
        };
        let is_charged = matches!(&decision, Decision::Serve(serve) if serve.charge.is_some());
        let charged_by = paywall.filter(|_| is_charged).map(OfProcess::watched);
        micromint_decision { decision, charged_by, headers }
    }

    pub(crate) fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The payment that the request recorded, and what settles it.
    ///
    /// # Errors
    /// It was recorded in another process.
    pub(crate) fn charge(&self) -> FfiResult<Option<(Charge, &Paywall)>> {
        let Decision::Serve(serve) = &self.decision else { return Ok(None) };
        let Some((charge, by)) = serve.charge.zip(self.charged_by.as_ref()) else {
            return Ok(None);
        };
        Ok(Some((charge, by.get("decision")?)))
    }

    fn stripped(&self) -> &'static [&'static str] {
        match &self.decision {
            Decision::Serve(serve) => serve.strip_request_headers,
            Decision::Answer(_) => &[],
        }
    }

    fn body(&self) -> &[u8] {
        match &self.decision {
            Decision::Serve(_) => &[],
            Decision::Answer(answer) => &answer.body,
        }
    }
}

/// Whether to serve the content; false for an answer, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_serves(decision: *const micromint_decision) -> bool {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { decision.as_ref() }.is_some_and(|it| matches!(it.decision, Decision::Serve(_)))
}

/// The status of the answer: 402, 400, 503, 204 and others. 0 if the content is served, and for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_status(decision: *const micromint_decision) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { decision.as_ref() }.map_or(0, |it| match &it.decision {
        Decision::Serve(_) => 0,
        Decision::Answer(answer) => answer.status.into(),
    })
}

/// The number of header fields that the decision adds to the response. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_header_count(
    decision: *const micromint_decision,
) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { decision.as_ref() }.map_or(0, |it| it.headers.len())
}

/// A header field of the answer, including `Content-Type` but not `Content-Length`. If the content
/// is served: a field to add if its status is 2xx or 304 (MicroMint-Status with any status) and the
/// content has no field of that name; `micromint_decision_head()` merges them with existing fields.
///
/// index:                    from 0.
/// name_out, name_len_out:   the name, valid until the decision is freed; no final NUL.
/// value_out, value_len_out: the value, likewise.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_header(
    decision: *const micromint_decision,
    index: usize,
    name_out: *mut *const u8,
    name_len_out: *mut usize,
    value_out: *mut *const u8,
    value_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = reference(decision),
            name_place = lend(name_out, name_len_out),
            value_place = lend(value_out, value_len_out)
        );
        let (name, value) = at(&it.headers, index, "header")?;
        name_place.write(name.as_bytes());
        value_place.write(value.as_bytes());
        Ok(())
    })
}

/// The body of the answer, also for HEAD (do not send it then); empty if the content is served.
///
/// body_out, body_len_out: the bytes, valid until the decision is freed.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_body(
    decision: *const micromint_decision,
    body_out: *mut *const u8,
    body_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(decision), place = lend(body_out, body_len_out));
        place.write(it.body());
        Ok(())
    })
}

/// What became of the payment, a word for logs: free, unpaid, paid, receipt, retry, spent and the
/// others of docs/reference/http.md.
///
/// word_out, word_len_out: the word; static, no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_outcome(
    decision: *const micromint_decision,
    word_out: *mut *const u8,
    word_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(decision), place = lend(word_out, word_len_out));
        place.write(it.decision.outcome().word().as_bytes());
        Ok(())
    })
}

/// The User-ID of the payer, or of the sender of a refused payment, for logs; empty if there is
/// none.
///
/// user_out, user_len_out: the User-ID, valid until the decision is freed; no final NUL.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_user(
    decision: *const micromint_decision,
    user_out: *mut *const u8,
    user_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(decision), place = lend(user_out, user_len_out));
        place.write(it.decision.user().unwrap_or_default().as_bytes());
        Ok(())
    })
}

/// The coins that this request recorded, for logs. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_coins(decision: *const micromint_decision) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { decision.as_ref() }.map_or(0, |it| it.decision.coins())
}

/// Whether to serve the request as a GET without a body, whatever was sent: it was a payment in a
/// POST. NULL gives false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_is_as_get(decision: *const micromint_decision) -> bool {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { decision.as_ref() }
        .is_some_and(|it| matches!(&it.decision, Decision::Serve(serve) if serve.as_get))
}

/// Whether to send the complete content even if the client has a fresh copy: no 304. NULL gives
/// false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_ignores_conditions(
    decision: *const micromint_decision,
) -> bool {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { decision.as_ref() }
        .is_some_and(|it| matches!(&it.decision, Decision::Serve(serve) if serve.ignore_conditions))
}

/// Whether to keep the response out of shared caches: `private` in Cache-Control, and `public`,
/// `s-maxage` and CDN-Cache-Control removed. NULL gives false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_is_private(
    decision: *const micromint_decision,
) -> bool {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { decision.as_ref() }
        .is_some_and(|it| matches!(&it.decision, Decision::Serve(serve) if serve.is_private))
}

/// The number of request header fields to remove before the content is made. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_strip_header_count(
    decision: *const micromint_decision,
) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { decision.as_ref() }.map_or(0, |it| it.stripped().len())
}

/// The name of a request header field to remove before the content is made.
///
/// index:                  from 0.
/// name_out, name_len_out: the name, to be compared case-insensitively; static, no final NUL.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_strip_header(
    decision: *const micromint_decision,
    index: usize,
    name_out: *mut *const u8,
    name_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(decision), place = lend(name_out, name_len_out));
        place.write(at(it.stripped(), index, "header to remove")?.as_bytes());
        Ok(())
    })
}

/// Frees a decision. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_free(decision: *mut micromint_decision) {
    // SAFETY: a decision reaches the caller only from hand_out, and is freed once.
    unsafe { free(decision) }
}

pub(crate) fn at<'a, T>(items: &'a [T], index: usize, what: &str) -> FfiResult<&'a T> {
    items.get(index).ok_or_else(|| {
        let text = format!("no {what} {index}: there are {}", items.len());
        micromint_error::new(MICROMINT_ERROR_ABSENT, text)
    })
}
