//! The outcome of a payment, as the vendor's answer shows it.

use std::fmt;

use crate::protocol::Refusal;

/// The outcome of a payment. It is [`PaymentOutcome::Unknown`] until an answer is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// No complete answer came: the vendor may or may not have recorded the payment. A retry sends
    /// the same message, for which a vendor never charges twice.
    Unknown,
    /// The content came. Final.
    Paid,
    /// The vendor refused. The reason is the name of a [`Refusal`], or the vendor's own text.
    Refused(String),
    /// The vendor says that it recorded nothing: the content was free, or the charge was reversed
    /// or could not be recorded. The reason is the vendor's `MicroMint-Status`.
    NotKept(String),
    /// The paywall did not see the payment: the server itself refused the request, or the payment
    /// was dropped on the way. The reason is the HTTP status, or `unpaid`. The same request sends
    /// the same message, and the coins can pay for other pages of this vendor.
    NotSeen(String),
}

impl PaymentOutcome {
    pub(super) fn code(&self) -> u8 {
        match self {
            PaymentOutcome::Unknown => 0,
            PaymentOutcome::Paid => 1,
            PaymentOutcome::Refused(_) => 2,
            PaymentOutcome::NotKept(_) => 3,
            PaymentOutcome::NotSeen(_) => 4,
        }
    }

    /// The vendor's reason; `None` if the outcome is unknown or paid.
    pub fn reason(&self) -> Option<&str> {
        match self {
            PaymentOutcome::Unknown | PaymentOutcome::Paid => None,
            PaymentOutcome::Refused(reason)
            | PaymentOutcome::NotKept(reason)
            | PaymentOutcome::NotSeen(reason) => Some(reason),
        }
    }

    pub(super) fn from_code(code: u8, reason: String) -> Option<PaymentOutcome> {
        match (code, reason.as_str()) {
            (0, "") => Some(PaymentOutcome::Unknown),
            (1, "") => Some(PaymentOutcome::Paid),
            (2, _) => Some(PaymentOutcome::Refused(reason)),
            (3, _) => Some(PaymentOutcome::NotKept(reason)),
            (4, _) => Some(PaymentOutcome::NotSeen(reason)),
            _ => None,
        }
    }

    /// A keyword for people and programs: `unknown`, `paid`, `refused`, `not-kept` or
    /// `not-seen`.
    pub fn word(&self) -> &'static str {
        match self {
            PaymentOutcome::Unknown => "unknown",
            PaymentOutcome::Paid => "paid",
            PaymentOutcome::Refused(_) => "refused",
            PaymentOutcome::NotKept(_) => "not-kept",
            PaymentOutcome::NotSeen(_) => "not-seen",
        }
    }

    /// Whether the same request sends the same message again, with the same coins. The vendor
    /// charges at most once for it.
    pub fn is_sent_again(&self) -> bool {
        matches!(self, PaymentOutcome::Unknown | PaymentOutcome::NotSeen(_))
    }

    /// Whether the coins can pay for something else at the same vendor: it says that it did not
    /// record them, for a reason that is not in the coins, or it did not see them. They are never
    /// sent to another vendor.
    pub fn leaves_coins_usable(&self) -> bool {
        match self {
            PaymentOutcome::Unknown | PaymentOutcome::Paid => false,
            PaymentOutcome::NotKept(_) | PaymentOutcome::NotSeen(_) => true,
            PaymentOutcome::Refused(reason) => reason.parse().is_ok_and(is_about_the_request),
        }
    }
}

/// Whether the reason of a refusal is in the request and not in the coins.
fn is_about_the_request(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Malformed
        | Refusal::InvalidChallenge
        | Refusal::ChallengeExpired
        | Refusal::OtherVendor
        | Refusal::OtherPage
        | Refusal::NotYetValid
        | Refusal::WrongAmount
        | Refusal::NotYetKnown
        | Refusal::Blocked
        | Refusal::CapReached => true,
        Refusal::UnknownPeriod
        | Refusal::Expired
        | Refusal::OutOfRange
        | Refusal::RepeatedBall
        | Refusal::FixedBits
        | Refusal::UserDifferences
        | Refusal::VendorDifferences
        | Refusal::RepeatedCoin
        | Refusal::Revoked
        | Refusal::NotOwner
        | Refusal::Spent => false,
    }
}

impl fmt::Display for PaymentOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            None => f.write_str(self.word()),
            Some(reason) => write!(f, "{} ({reason})", self.word()),
        }
    }
}
