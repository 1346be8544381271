//! What becomes of a request at the paywall, in one word.

use super::Refusal;

/// What became of a request at the paywall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Nothing to pay.
    #[default]
    Free,
    /// A payable page was asked for without a payment.
    Unpaid,
    /// The question of an OPTIONS request was answered in place of the page.
    Options,
    /// The payment was recorded.
    Paid,
    /// A receipt cookie covers the request.
    Receipt,
    /// The payment was recorded before and is answered again.
    Retry,
    /// One of the visitor's free views of the day.
    FreeView,
    /// The content is free, or is not sent since a condition of the request fails: the payment was not
    /// recorded.
    Returned,
    /// The payment was recorded, or the free view counted, and taken back, since the answer is no success.
    Reversed,
    /// The payment was refused.
    Refused(Refusal),
    /// The request itself is wrong: two payments, or a target that no URL can hold.
    BadRequest,
    /// The payment could not be recorded, or the price not be read; nothing was kept.
    Unavailable,
}

impl Outcome {
    /// Every outcome but the refusals, in a fixed order.
    pub(super) const UNREFUSED: [Outcome; 11] = [
        Outcome::Free,
        Outcome::Unpaid,
        Outcome::Options,
        Outcome::Paid,
        Outcome::Receipt,
        Outcome::Retry,
        Outcome::FreeView,
        Outcome::Returned,
        Outcome::Reversed,
        Outcome::BadRequest,
        Outcome::Unavailable,
    ];

    /// The word that names it in `MicroMint-Status`, logs and variables.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Free => "free",
            Outcome::Unpaid => "unpaid",
            Outcome::Options => "options",
            Outcome::Paid => "paid",
            Outcome::Receipt => "receipt",
            Outcome::Retry => "retry",
            Outcome::FreeView => "free-view",
            Outcome::Returned => "returned",
            Outcome::Reversed => "reversed",
            Outcome::Refused(refusal) => refusal.word(),
            Outcome::BadRequest => "bad-request",
            Outcome::Unavailable => "unavailable",
        }
    }
}
