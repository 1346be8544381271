//! What a request was charged: the coins of a payment, or a free view.

use std::net::IpAddr;

use crate::protocol::RequestOutcome;
use crate::till::PaymentId;
use crate::time::UnixTime;

/// The charge for a request. The paywall reverses it if the answer turns out not to be a success.
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
    /// The outcome of the request if the charge is not reversed.
    pub(super) fn kept(&self) -> RequestOutcome {
        match self.taken {
            Taken::Payment(_) => RequestOutcome::Paid,
            Taken::View(_) => RequestOutcome::FreeView,
        }
    }
}
