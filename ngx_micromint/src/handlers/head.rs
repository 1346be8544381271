//! The head of an answer: what the paywall adds to it, and that a payment stays for a success only.

use std::sync::Arc;

use micromint::protocol::RequestOutcome;
use micromint::vendor::{Decision, HeadChanges, Serve};

use crate::sys::{Code, ERROR, Level, OK, Request, detach};
use crate::visit::{Stage, Verdict, Visit};

/// Sees the head of every answer last before it is written, the site's own fields in it: a payment stays for a
/// success only, and what the gate says is merged with what the site says.
pub(crate) fn filter_header(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return OK };
    let stage = visit.stage.get();
    if !matches!(stage, Stage::Served | Stage::Answered) || visit.has_settled.replace(true) {
        return OK;
    }
    let verdict = visit.verdict.borrow();
    let serve = match (stage, &*verdict) {
        (Stage::Served, Verdict::Decided(Decision::Serve(serve))) => serve,
        (Stage::Answered, Verdict::Decided(Decision::Answer(answer))) => {
            let changes = answer.merged(|name| request.answer_values(name));
            return pushed(change_head(request, &changes));
        }
        _ => return OK,
    };
    let status = request.answer_status();
    // The till is asked off the event thread; what it will say is told here.
    let promised = serve.charge.as_ref().zip(visit.paywall.borrow().clone());
    let promised = promised.map(|(charge, paywall)| paywall.promise(charge, status));
    let became = promised.unwrap_or(serve.outcome);
    if became == RequestOutcome::Reversed {
        settle(request, &visit, serve, status);
    }
    visit.became.set(Some(became));
    let changes = serve.head(status, became, |name| request.answer_values(name));
    pushed(change_head(request, &changes))
}

fn pushed(pushed: Option<()>) -> Code {
    if pushed.is_some() { OK } else { ERROR }
}

/// Has the thread pool take a payment back; if its queue is full, does so here.
fn settle(request: &Request, visit: &Visit, serve: &Serve, status: u16) {
    let (Some(charge), Some(paywall)) = (serve.charge, visit.paywall.borrow().clone()) else {
        return;
    };
    let log = request.log();
    let Some(pool) = request.server().pool() else { return };
    let task = {
        let paywall = Arc::clone(&paywall);
        move || match paywall.settle(&charge, status) {
            RequestOutcome::Reversed => None,
            _ => Some(format!("a payment answered with {status} could not be taken back")),
        }
    };
    if detach(pool, task).is_err() {
        log.write(Level::Warn, "a payment is taken back on the event thread");
        paywall.settle(&charge, status);
    }
}

/// Takes out and adds fields of the answer's head; `None` when out of memory.
pub(super) fn change_head(request: &mut Request, changes: &HeadChanges) -> Option<()> {
    for name in &changes.remove {
        request.remove_answer_header(name);
    }
    changes.add.iter().try_for_each(|(name, value)| request.push_header(name, value))
}
