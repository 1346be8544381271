//! What a request took from its visitor: the coins of a payment, or a free view.

use std::net::IpAddr;

use crate::protocol::RequestOutcome;
use crate::till::PaymentId;
use crate::time::UnixTime;

/// What a request took, and what the paywall gives back if the answer turns out to be no success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    pub(super) taken: Taken,
    pub(super) taken_at: UnixTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The coins of a payment that the request recorded.
    Payment(PaymentId),
    /// One of the visitor's free views.
    View(IpAddr),
}

impl Charge {
    /// The outcome of the request if nothing is given back.
    pub(super) fn kept(&self) -> RequestOutcome {
        match self.taken {
            Taken::Payment(_) => RequestOutcome::Paid,
            Taken::View(_) => RequestOutcome::FreeView,
        }
    }
}
