//! What is stored about one request of a client, across everything that Apache derives from it.
//!
//! Apache answers one request of a client with several of its own: internal redirects, error
//! documents, subrequests. They share one visit, kept at the first of them, so a client's request
//! is charged once. Only the thread that works on the request touches it. The gate's part is
//! borrowed only while the gate is asked, never while Apache runs.

use std::cell::{OnceCell, RefCell};

use micromint::vendor::gate;

use crate::ap::Body;

/// One request of a client.
#[derive(Default)]
pub(crate) struct Visit {
    /// What the gate remembers.
    pub(crate) gate: RefCell<gate::Visit>,
    /// Its body, if it was read: it may be a payment.
    pub(crate) body: OnceCell<Body>,
}
