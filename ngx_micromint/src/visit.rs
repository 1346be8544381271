//! What is stored about one request between nginx's calls.
//!
//! It outlives internal redirects, which clear everything else of ours. Several callbacks hold it
//! at the same time, so it changes through cells, each borrowed only briefly.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use micromint::protocol::RequestOutcome;
use micromint::vendor::{Decision, Paywall};

use crate::sys::Code;

/// How far a request has got in the paywall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing is decided at this price.
    #[default]
    Fresh,
    /// The body is being read.
    Reading,
    /// The body was read.
    Read,
    /// The thread pool decides.
    Working,
    /// A decision is in `ruling` and was not carried out yet.
    Decided,
    /// The content is being served.
    Served,
    /// Another answer was sent.
    Answered,
}

/// A decision, or its absence.
#[derive(Debug, Default)]
pub(crate) enum Ruling {
    /// None yet.
    #[default]
    None,
    /// Carry this out.
    Decided(Decision),
    /// Send nginx's own page for this error.
    Fail(Code),
}

/// One request.
#[derive(Default)]
pub(crate) struct Visit {
    /// How far it has got.
    pub(crate) stage: Cell<Stage>,
    /// The pass through the phases in which that stage began.
    pub(crate) began_in: Cell<u32>,
    /// The price that is or was decided about.
    pub(crate) price: Cell<u32>,
    /// What was decided.
    pub(crate) ruling: RefCell<Ruling>,
    /// The paywall that decided it, for what the response still needs.
    pub(crate) paywall: RefCell<Option<Arc<Paywall>>>,
    /// The pass through the phases in which `satisfy any` asked the paywall.
    pub(crate) asked_in: Cell<Option<u32>>,
    /// Whether the head of the response was processed.
    pub(crate) is_finished: Cell<bool>,
    /// What became of the payment once the head of the response was made.
    pub(crate) became: Cell<Option<RequestOutcome>>,
}

impl Visit {
    /// The body is complete.
    pub(crate) fn body_was_read(&self) {
        if self.stage.get() == Stage::Reading {
            self.stage.set(Stage::Read);
        }
    }

    /// Whether something must finish before this request continues.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.stage.get(), Stage::Reading | Stage::Working)
    }

    /// Starts again at another price.
    pub(crate) fn start_over(&self) {
        self.stage.set(Stage::Fresh);
        self.ruling.replace(Ruling::None);
    }
}
