//! What is remembered of one request of a client, over all that Apache makes of it.
//!
//! Apache answers one request of a client by several of its own: internal redirects, error documents, parts
//! of a page. They share one visit, kept at the first of them, so a client's request is charged once. Only
//! the thread that works on the request touches it, and for a moment each time.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use micromint::protocol::RequestOutcome;
use micromint::vendor::{Answer, Decision, Paywall, RequestBuf, Serve};

use crate::ap::Code;

/// How far a request is on its way through the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was decided at this price.
    #[default]
    Fresh,
    /// The content is being served.
    Served,
    /// Something else is sent.
    Answered,
}

/// A decision, or that there is none.
#[derive(Debug, Default)]
pub(crate) enum Verdict {
    /// None yet.
    #[default]
    None,
    /// Do this.
    Decided(Box<Decision>),
    /// Send Apache's own page of this error.
    Fail(Code),
}

/// One request of a client.
#[derive(Default)]
pub(crate) struct Visit {
    /// How far it is.
    pub(crate) stage: Cell<Stage>,
    /// The price that is or was decided about.
    pub(crate) price: Cell<u32>,
    /// What was decided.
    pub(crate) verdict: RefCell<Verdict>,
    /// Who decided it, for what the answer still has to tell.
    pub(crate) paywall: RefCell<Option<Arc<Paywall>>>,
    /// What was asked with a payment that free content had no use for: Apache may yet lead on to a priced page.
    pub(crate) question: RefCell<Option<RequestBuf>>,
    /// Whether the answer took the payment back.
    pub(crate) is_reversed: Cell<bool>,
}

impl Visit {
    /// Begins again, at another price.
    pub(crate) fn start_over(&self) {
        self.stage.set(Stage::Fresh);
        self.verdict.replace(Verdict::None);
    }

    /// What `serve` became.
    pub(crate) fn became(&self, serve: &Serve) -> RequestOutcome {
        if self.is_reversed.get() { RequestOutcome::Reversed } else { serve.outcome }
    }
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Verdict {
        Verdict::Decided(Box::new(decision))
    }
}

impl Verdict {
    /// The decision, if there is one.
    pub(crate) fn decision(&self) -> Option<&Decision> {
        match self {
            Verdict::Decided(decision) => Some(decision),
            Verdict::Fail(_) | Verdict::None => None,
        }
    }

    /// How the content is served, if it is.
    pub(crate) fn serve(&self) -> Option<&Serve> {
        match self.decision() {
            Some(Decision::Serve(serve)) => Some(serve),
            _ => None,
        }
    }

    /// What is sent in place of the content, if something is.
    pub(crate) fn answer(&self) -> Option<&Answer> {
        match self.decision() {
            Some(Decision::Answer(answer)) => Some(answer),
            _ => None,
        }
    }
}
