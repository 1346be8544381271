//! The head of a response: what the paywall adds to it, and the reversal of a payment whose
//! response is not one that is charged.

use micromint::vendor::HeadChanges;
use micromint::vendor::gate::{Closing, DueReversal, Thread};

use crate::sys::{Code, ERROR, Level, OK, Request, detach};

/// Processes the head of every response, last before it is written, when the site's own fields are
/// in it: the paywall's fields are merged with them.
pub(crate) fn filter_header(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return OK };
    let mut gate = visit.gate.borrow_mut();
    if gate.is_closed() {
        return OK;
    }
    let closing =
        gate.close(request.answer_status(), Thread::Event, |name| request.answer_values(name));
    let Some(Closing { changes, reversal }) = closing else { return OK };
    if let Some(reversal) = reversal {
        carry_out(request, reversal);
    }
    if change_head(request, &changes).is_some() { OK } else { ERROR }
}

/// Reverses a payment in the thread pool; if the pool's queue is full, reverses it here.
fn carry_out(request: &Request, reversal: DueReversal) {
    let Some(pool) = request.server().pool() else { return };
    let again = reversal.clone();
    if detach(pool, move || reversal.carry_out().err()).is_err() {
        request.log().write(
            Level::Warn,
            "a payment is reversed on the event thread, because the queue of the thread pool is full",
        );
        if let Err(text) = again.carry_out() {
            request.log().write(Level::Error, &text);
        }
    }
}

/// Removes and adds fields of the response's head, except the content type, which nginx stores
/// separately; `None` when out of memory.
pub(super) fn change_head(request: &mut Request, changes: &HeadChanges<'_>) -> Option<()> {
    for name in &changes.remove {
        request.remove_answer_header(name);
    }
    changes.add_without_type().try_for_each(|(name, value)| request.push_header(name, value))
}
