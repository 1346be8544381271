//! What is remembered of one request between nginx's calls.
//!
//! It outlives internal redirects, which forget everything else of ours. Several callbacks hold it at once,
//! so it changes through cells, each for a moment only.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use micromint::protocol::RequestOutcome;
use micromint::vendor::{Decision, Paywall};

use crate::sys::Code;

/// How far a request is on its way through the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was decided at this price.
    #[default]
    Fresh,
    /// The body is being read.
    Reading,
    /// The body was read.
    Read,
    /// The thread pool decides.
    Working,
    /// A decision lies in `verdict`, not acted upon yet.
    Decided,
    /// The content is being served.
    Served,
    /// Something else was sent.
    Answered,
}

/// A decision, or that there is none.
#[derive(Debug, Default)]
pub(crate) enum Verdict {
    /// None yet.
    #[default]
    None,
    /// Do this.
    Decided(Decision),
    /// Send nginx's own page of this error.
    Fail(Code),
}

/// One request.
#[derive(Default)]
pub(crate) struct Visit {
    /// How far it is.
    pub(crate) stage: Cell<Stage>,
    /// In which pass through the phases that stage began.
    pub(crate) began_in: Cell<u32>,
    /// The price that is or was decided about.
    pub(crate) price: Cell<u32>,
    /// What was decided.
    pub(crate) verdict: RefCell<Verdict>,
    /// Who decided it, for what the answer still has to tell.
    pub(crate) paywall: RefCell<Option<Arc<Paywall>>>,
    /// In which pass through the phases `satisfy any` asked us.
    pub(crate) asked_in: Cell<Option<u32>>,
    /// Whether the head of the answer was seen to.
    pub(crate) has_settled: Cell<bool>,
    /// What became of the payment once the head of the answer was made.
    pub(crate) became: Cell<Option<RequestOutcome>>,
}

impl Visit {
    /// The body is there.
    pub(crate) fn body_was_read(&self) {
        if self.stage.get() == Stage::Reading {
            self.stage.set(Stage::Read);
        }
    }

    /// Whether something is to come before this request goes on.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.stage.get(), Stage::Reading | Stage::Working)
    }

    /// Begins again, at another price.
    pub(crate) fn start_over(&self) {
        self.stage.set(Stage::Fresh);
        self.verdict.replace(Verdict::None);
    }
}
