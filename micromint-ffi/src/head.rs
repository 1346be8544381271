//! What changes in the head of a response that a site makes or adds to, and its line for logs.

use micromint_core::protocol::RequestOutcome;
use micromint_core::vendor::{Decision, HeadChanges};

use crate::boundary::{free, given, guard, hand_out, lend, output, reference};
use crate::buffer::micromint_buffer;
use crate::decision::{at, micromint_decision};
use crate::error::{micromint_error, micromint_status};
use crate::fields::{Fields, micromint_fields};
use crate::filled::filled;
use crate::paywall::status_of;

/// What to change in the head of a response: first remove fields, then add fields. Free it with
/// `micromint_head_free()`. It is immutable: threads may share it, and it may be used across a
/// fork.
pub struct micromint_head {
    changes: HeadChanges<'static>,
}

/// Merges a decision with the header fields that a response already has: those of the content, or
/// for an answer of the paywall those that the site adds to every response.
///
/// status:      the status of the content's response; ignored if the content is not served.
/// is_reversed: the result of `micromint_paywall_finish()`.
/// fields:      the fields that the response has; NULL if it has none.
/// head_out:    what to change in them.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the number is not a status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_head(
    decision: *const micromint_decision,
    status: u32,
    is_reversed: bool,
    fields: *const micromint_fields,
    head_out: *mut *mut micromint_head,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(decision), place = output(head_out));
        let fields = if fields.is_null() {
            None
        } else {
            // SAFETY: not NULL, so it is a live list.
            Some(unsafe { filled(fields, "fields") }?.fields())
        };
        let values = |name: &str| {
            let all = fields.into_iter().flat_map(Fields::iter);
            let named = all.filter(|(its, _)| its.eq_ignore_ascii_case(name.as_bytes()));
            named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
        };
        let changes = match it.decision() {
            Decision::Serve(serve) => {
                serve.head(status_of(status)?, became(it, is_reversed), values)
            }
            Decision::Answer(answer) => answer.head(values),
        };
        place.write(hand_out(micromint_head { changes: changes.into_owned() }));
        Ok(())
    })
}

/// The request as a line for logs and counters, such as `micromint paid status=200 price=1 coins=1
/// user=alice`. It never contains a key, an authenticator, a coin or a cookie.
///
/// status:      the status that was sent.
/// is_reversed: the result of `micromint_paywall_finish()`.
/// is_json:     whether to write it as a JSON object.
/// line_out:    a buffer with the line, without its end.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the number is not a status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_decision_event(
    decision: *const micromint_decision,
    status: u32,
    is_reversed: bool,
    is_json: bool,
    line_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(decision), place = output(line_out));
        let event = it.decision().event(status_of(status)?, became(it, is_reversed));
        let line = if is_json { event.to_json() } else { event.to_line() };
        place.write(micromint_buffer::hand_out(line.into_bytes()));
        Ok(())
    })
}

/// The number of field names to remove. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_head_remove_count(head: *const micromint_head) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { head.as_ref() }.map_or(0, |it| it.changes.remove.len())
}

/// A name whose fields are all removed.
///
/// index:                  from 0.
/// name_out, name_len_out: the name, to be compared case-insensitively; static, no final NUL.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_head_remove(
    head: *const micromint_head,
    index: usize,
    name_out: *mut *const u8,
    name_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(it = reference(head), place = lend(name_out, name_len_out));
        place.write(at(&it.changes.remove, index, "field to remove")?.as_bytes());
        Ok(())
    })
}

/// The number of fields to add. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_head_add_count(head: *const micromint_head) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { head.as_ref() }.map_or(0, |it| it.changes.add.len())
}

/// A field to add.
///
/// index:                    from 0.
/// name_out, name_len_out:   the name, valid until the head is freed; no final NUL.
/// value_out, value_len_out: the value, likewise.
///
/// Errors: MICROMINT_ERROR_ABSENT if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_head_add(
    head: *const micromint_head,
    index: usize,
    name_out: *mut *const u8,
    name_len_out: *mut usize,
    value_out: *mut *const u8,
    value_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = reference(head),
            name_place = lend(name_out, name_len_out),
            value_place = lend(value_out, value_len_out)
        );
        let (name, value) = at(&it.changes.add, index, "field to add")?;
        name_place.write(name.as_bytes());
        value_place.write(value.as_bytes());
        Ok(())
    })
}

/// Frees a head. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_head_free(head: *mut micromint_head) {
    // SAFETY: a head reaches the caller only from hand_out, and is freed once.
    unsafe { free(head) }
}

fn became(it: &micromint_decision, is_reversed: bool) -> RequestOutcome {
    if is_reversed { RequestOutcome::Reversed } else { it.decision().outcome() }
}
