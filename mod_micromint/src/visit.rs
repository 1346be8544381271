//! What is stored about one request of a client, across everything that Apache derives from it.
//!
//! Apache answers one request of a client with several of its own: internal redirects, error
//! documents, subrequests. They share one visit, kept at the first of them, so a client's request
//! is charged once. Only the thread that works on the request touches it, each time only briefly.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use micromint::protocol::RequestOutcome;
use micromint::vendor::{Answer, Decision, Paywall, RequestBuf, Serve};

use crate::ap::Code;

/// How far a request has got in the paywall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing is decided at this price.
    #[default]
    Fresh,
    /// The content is being served.
    Served,
    /// Another answer is being sent.
    Answered,
}

/// A decision, or its absence.
#[derive(Debug, Default)]
pub(crate) enum Ruling {
    /// None yet.
    #[default]
    None,
    /// Carry this out.
    Decided(Box<Decision>),
    /// Send Apache's own page for this error.
    Fail(Code),
}

/// One request of a client.
#[derive(Default)]
pub(crate) struct Visit {
    /// How far it has got.
    pub(crate) stage: Cell<Stage>,
    /// The price that is or was decided about.
    pub(crate) price: Cell<u32>,
    /// What was decided.
    pub(crate) ruling: RefCell<Ruling>,
    /// The paywall that decided it, for what the response still needs.
    pub(crate) paywall: RefCell<Option<Arc<Paywall>>>,
    /// The request with a payment that free content did not need: Apache may still redirect to a
    /// priced page.
    pub(crate) question: RefCell<Option<RequestBuf>>,
    /// Whether the response reversed the payment.
    pub(crate) is_reversed: Cell<bool>,
}

impl Visit {
    /// Starts again at another price.
    pub(crate) fn start_over(&self) {
        self.stage.set(Stage::Fresh);
        self.ruling.replace(Ruling::None);
    }

    /// What `serve` became.
    pub(crate) fn became(&self, serve: &Serve) -> RequestOutcome {
        if self.is_reversed.get() { RequestOutcome::Reversed } else { serve.outcome }
    }
}

impl From<Decision> for Ruling {
    fn from(decision: Decision) -> Ruling {
        Ruling::Decided(Box::new(decision))
    }
}

impl Ruling {
    /// The decision, if there is one.
    pub(crate) fn decision(&self) -> Option<&Decision> {
        match self {
            Ruling::Decided(decision) => Some(decision),
            Ruling::Fail(_) | Ruling::None => None,
        }
    }

    /// How the content is served, if it is.
    pub(crate) fn serve(&self) -> Option<&Serve> {
        match self.decision() {
            Some(Decision::Serve(serve)) => Some(serve),
            _ => None,
        }
    }

    /// What is sent instead of the content, if anything.
    pub(crate) fn answer(&self) -> Option<&Answer> {
        match self.decision() {
            Some(Decision::Answer(answer)) => Some(answer),
            _ => None,
        }
    }
}
