//! The head of a response: what the paywall adds to it, and the reversal of a payment whose
//! response is not a success.

use std::sync::Arc;

use micromint::protocol::RequestOutcome;
use micromint::vendor::{Decision, HeadChanges, Serve};

use crate::sys::{Code, ERROR, Level, OK, Request, detach};
use crate::visit::{Ruling, Stage, Visit};

/// Processes the head of every response, last before it is written, when the site's own fields are
/// in it. A payment is kept for a success only, and the paywall's fields are merged with the
/// site's.
pub(crate) fn filter_header(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return OK };
    let stage = visit.stage.get();
    if !matches!(stage, Stage::Served | Stage::Answered) || visit.is_finished.replace(true) {
        return OK;
    }
    let ruling = visit.ruling.borrow();
    let serve = match (stage, &*ruling) {
        (Stage::Served, Ruling::Decided(Decision::Serve(serve))) => serve,
        (Stage::Answered, Ruling::Decided(Decision::Answer(answer))) => {
            let changes = answer.merged(|name| request.answer_values(name));
            return pushed(change_head(request, &changes));
        }
        _ => return OK,
    };
    let status = request.answer_status();
    // The till is asked on another thread; the response already announces the expected result.
    let promised = serve.charge.as_ref().zip(visit.paywall.borrow().clone());
    let promised = promised.map(|(charge, paywall)| paywall.promise(charge, status));
    let became = promised.unwrap_or(serve.outcome);
    if became == RequestOutcome::Reversed {
        finish(request, &visit, serve, status);
    }
    visit.became.set(Some(became));
    let changes = serve.head(status, became, |name| request.answer_values(name));
    pushed(change_head(request, &changes))
}

fn pushed(pushed: Option<()>) -> Code {
    if pushed.is_some() { OK } else { ERROR }
}

/// Reverses a payment in the thread pool; if the pool's queue is full, reverses it here.
fn finish(request: &Request, visit: &Visit, serve: &Serve, status: u16) {
    let (Some(charge), Some(paywall)) = (serve.charge, visit.paywall.borrow().clone()) else {
        return;
    };
    let log = request.log();
    let Some(pool) = request.server().pool() else { return };
    let task = {
        let paywall = Arc::clone(&paywall);
        move || match paywall.finish(&charge, status) {
            RequestOutcome::Reversed => None,
            _ => {
                Some(format!("a payment whose response has status {status} could not be reversed"))
            }
        }
    };
    if detach(pool, task).is_err() {
        log.write(
            Level::Warn,
            "a payment is reversed on the event thread, because the queue of the thread pool is full",
        );
        paywall.finish(&charge, status);
    }
}

/// Removes and adds fields of the response's head; `None` when out of memory.
pub(super) fn change_head(request: &mut Request, changes: &HeadChanges) -> Option<()> {
    for name in &changes.remove {
        request.remove_answer_header(name);
    }
    changes.add.iter().try_for_each(|(name, value)| request.push_header(name, value))
}
