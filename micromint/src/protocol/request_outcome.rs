//! The outcome of a request at a vendor's paywall, in one word: the value of `MicroMint-Status`.

use std::str::FromStr;

use super::Refusal;

/// The outcome of a request at the paywall. Exhaustive on purpose: a new outcome must be handled in
/// every match.
///
/// ```
/// use micromint::protocol::{Refusal, RequestOutcome};
///
/// let outcome: RequestOutcome = "paid".parse()?;
/// assert_eq!(outcome, RequestOutcome::Paid);
/// assert_eq!(RequestOutcome::Refused(Refusal::Spent).word(), "spent");
/// # Ok::<(), micromint::protocol::UnknownOutcome>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RequestOutcome {
    /// The page is free.
    #[default]
    Free,
    /// The page has a price and the request carries no payment.
    Unpaid,
    /// An OPTIONS request was answered without the page.
    Options,
    /// The payment was recorded.
    Paid,
    /// A receipt cookie covers the request.
    Receipt,
    /// The payment was recorded by an earlier request, and the page is served again.
    Retry,
    /// One of the visitor's free views of the day.
    FreeView,
    /// The payment was not recorded: the content is free, or a condition of the request fails and
    /// the content is not sent.
    Returned,
    /// The payment was recorded, or the free view counted, and then reversed because the answer
    /// is not a success.
    Reversed,
    /// The payment was refused.
    Refused(Refusal),
    /// The request itself is invalid: it carries two payments, or its target cannot be part of a
    /// URL.
    BadRequest,
    /// The payment could not be recorded, or the price could not be read. Nothing was recorded.
    Unavailable,
}

impl RequestOutcome {
    /// Every outcome except the refusals, in a fixed order.
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

    /// The word for `MicroMint-Status`, logs and variables.
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

/// The text is not the word of a [`RequestOutcome`].
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
