//! What is stored about one request between nginx's calls.
//!
//! It outlives internal redirects, which clear everything else of ours. Several callbacks hold it
//! at the same time, so the gate's part is borrowed only while the gate is asked, never while nginx
//! runs.

use std::cell::{Cell, RefCell};

use micromint::vendor::gate;

use crate::sys::Code;

/// One request.
#[derive(Default)]
pub(crate) struct Visit {
    /// What the gate remembers.
    pub(crate) gate: RefCell<gate::Visit>,
    /// The pass through the phases in which `satisfy any` asked the paywall.
    pub(crate) asked_in: Cell<Option<u32>>,
    /// The refusal of the other checks under `satisfy any`, if a request for a folder went on only
    /// to find out what is sent for it.
    pub(crate) refused: Cell<Option<Code>>,
}
