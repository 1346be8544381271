//! What became of a payment, as the wallet learned it from the vendor's answer.

use std::fmt;

use crate::protocol::Refusal;

/// What became of a payment. Until an answer is recorded it is [`Outcome::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No whole answer came: the vendor may or may not have recorded the payment. Trying again sends the
    /// same message, for which a vendor never charges twice.
    Unknown,
    /// The content came. Final.
    Paid,
    /// The vendor refused; the word is one of [`Refusal`], or what the vendor said instead.
    Refused(String),
    /// The vendor says that it kept nothing: the content was free, or the charge was reversed, or could
    /// not be recorded. The word is the vendor's `MicroMint-Status`.
    NotKept(String),
}

impl Outcome {
    pub(super) fn code(&self) -> u8 {
        match self {
            Outcome::Unknown => 0,
            Outcome::Paid => 1,
            Outcome::Refused(_) => 2,
            Outcome::NotKept(_) => 3,
        }
    }

    /// The vendor's word, or nothing.
    pub fn reason(&self) -> &str {
        match self {
            Outcome::Unknown | Outcome::Paid => "",
            Outcome::Refused(reason) | Outcome::NotKept(reason) => reason,
        }
    }

    pub(super) fn from_code(code: u8, reason: String) -> Option<Outcome> {
        match (code, reason.as_str()) {
            (0, "") => Some(Outcome::Unknown),
            (1, "") => Some(Outcome::Paid),
            (2, _) => Some(Outcome::Refused(reason)),
            (3, _) => Some(Outcome::NotKept(reason)),
            _ => None,
        }
    }

    /// One word for people and programs: `unknown`, `paid`, `refused` or `not-kept`.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Unknown => "unknown",
            Outcome::Paid => "paid",
            Outcome::Refused(_) => "refused",
            Outcome::NotKept(_) => "not-kept",
        }
    }

    /// Whether the coins may pay for something else at the same vendor: it says that it did not keep
    /// them, for a reason that does not lie in the coins. Elsewhere they are never spent.
    pub fn leaves_coins_usable(&self) -> bool {
        match self {
            Outcome::Unknown | Outcome::Paid => false,
            Outcome::NotKept(_) => true,
            Outcome::Refused(reason) => reason.parse().is_ok_and(is_about_the_request),
        }
    }
}

/// Whether a refusal blames the request and not the coins.
fn is_about_the_request(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Malformed
        | Refusal::InvalidChallenge
        | Refusal::ChallengeExpired
        | Refusal::OtherVendor
        | Refusal::OtherPage
        | Refusal::NotYetValid
        | Refusal::WrongAmount
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

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            "" => f.write_str(self.word()),
            reason => write!(f, "{} ({reason})", self.word()),
        }
    }
}
