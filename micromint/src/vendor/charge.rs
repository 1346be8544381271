//! What a request was charged: the coins of a payment, or a free view; and with which answers of
//! the content the charge stays.

use std::net::IpAddr;

use crate::protocol::RequestOutcome;
use crate::till::PaymentId;
use crate::time::UnixTime;

/// The charge for a request. The paywall reverses it if the content's answer is not one that is
/// charged: a success (2xx), a switch of protocols (101), or a redirect that is what is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    pub(super) taken: Taken,
    pub(super) taken_at: UnixTime,
    /// Whether a redirect by the content is charged: for every method but GET and HEAD, and where
    /// the place says so.
    pub(super) charges_redirects: bool,
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

    /// Whether it is a payment. A free view is given back when the head of the answer is made; a
    /// payment may have to wait for the till.
    pub(super) fn is_payment(&self) -> bool {
        matches!(self.taken, Taken::Payment(_))
    }

    /// Whether the charge stays with a final answer of this status.
    pub(super) fn stays_with(&self, status: u16) -> bool {
        is_delivered(status) || (self.charges_redirects && is_redirect(status))
    }
}

/// Whether an answer with this status delivers the content.
pub(super) fn is_delivered(status: u16) -> bool {
    matches!(status, 101 | 200..=299)
}

/// Whether an answer with this status sends the client to another URL.
fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixTime;

    #[test]
    fn deliveries_are_charged_and_redirects_where_they_are_sold() {
        let taken = Taken::View(IpAddr::from([127, 0, 0, 1]));
        let view = Charge { taken, taken_at: UnixTime(0), charges_redirects: false };
        let sold = Charge { charges_redirects: true, ..view };
        for status in [101, 200, 201, 204, 206, 299] {
            assert!(view.stays_with(status) && sold.stays_with(status), "{status}");
        }
        for status in [301, 302, 303, 307, 308] {
            assert!(!view.stays_with(status) && sold.stays_with(status), "{status}");
        }
        for status in [100, 102, 103, 300, 304, 305, 400, 402, 404, 416, 500, 502, 599] {
            assert!(!view.stays_with(status) && !sold.stays_with(status), "{status}");
        }
    }
}
