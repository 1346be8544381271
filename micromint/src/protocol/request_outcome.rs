//! What became of a request at a vendor's paywall, in one word: the value of `MicroMint-Status`.

use std::str::FromStr;

use super::Refusal;

/// What became of a request at the paywall. Exhaustive on purpose: whoever adds an outcome decides
/// in every match what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RequestOutcome {
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
    /// The content is free, or is not sent since a condition of the request fails: the payment was
    /// not recorded.
    Returned,
    /// The payment was recorded, or the free view counted, and taken back, since the answer is no
    /// success.
    Reversed,
    /// The payment was refused.
    Refused(Refusal),
    /// The request itself is wrong: two payments, or a target that no URL can hold.
    BadRequest,
    /// The payment could not be recorded, or the price not be read; nothing was kept.
    Unavailable,
}

impl RequestOutcome {
    /// Every outcome but the refusals, in a fixed order.
    pub(crate) const UNREFUSED: [RequestOutcome; 11] = [
        RequestOutcome::Free,
        RequestOutcome::Unpaid,
        RequestOutcome::Options,
        RequestOutcome::Paid,
        RequestOutcome::Receipt,
        RequestOutcome::Retry,
        RequestOutcome::FreeView,
        RequestOutcome::Returned,
        RequestOutcome::Reversed,
        RequestOutcome::BadRequest,
        RequestOutcome::Unavailable,
    ];

    /// The word that names it in `MicroMint-Status`, logs and variables.
    pub fn word(self) -> &'static str {
        match self {
            RequestOutcome::Free => "free",
            RequestOutcome::Unpaid => "unpaid",
            RequestOutcome::Options => "options",
            RequestOutcome::Paid => "paid",
            RequestOutcome::Receipt => "receipt",
            RequestOutcome::Retry => "retry",
            RequestOutcome::FreeView => "free-view",
            RequestOutcome::Returned => "returned",
            RequestOutcome::Reversed => "reversed",
            RequestOutcome::Refused(refusal) => refusal.word(),
            RequestOutcome::BadRequest => "bad-request",
            RequestOutcome::Unavailable => "unavailable",
        }
    }
}

/// The text is no word of a [`RequestOutcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a word of MicroMint-Status")]
pub struct UnknownOutcome;

impl FromStr for RequestOutcome {
    type Err = UnknownOutcome;

    fn from_str(word: &str) -> Result<Self, UnknownOutcome> {
        let named = RequestOutcome::UNREFUSED.into_iter().find(|outcome| outcome.word() == word);
        let refused = || word.parse().ok().map(RequestOutcome::Refused);
        named.or_else(refused).ok_or(UnknownOutcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_word_of_its_own() {
        let refused = Refusal::ALL.iter().copied().map(RequestOutcome::Refused);
        for outcome in RequestOutcome::UNREFUSED.into_iter().chain(refused) {
            assert_eq!(outcome.word().parse(), Ok(outcome));
        }
        for other in ["", "Paid", "paid ", "refused"] {
            assert_eq!(other.parse::<RequestOutcome>(), Err(UnknownOutcome), "{other:?}");
        }
    }
}
