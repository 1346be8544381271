//! Why a vendor refuses a payment.

use std::fmt;
use std::str::FromStr;

use crate::coin::CoinFault;

/// How long a client should wait before it sends a payment again that is not known yet, in seconds.
const NOT_YET_KNOWN_RETRY_SECONDS: u32 = 5;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $sentence:literal;)*) => {
        /// Why a payment was refused; the vendor recorded nothing. The variants are in order of
        /// precedence: if several apply, the first of them is reported. Exhaustive on purpose: a
        /// new reason must be handled in every match, which decides whether it blames the coins.
        ///
        /// ```
        /// use micromint::protocol::Refusal;
        ///
        /// let refusal: Refusal = "spent".parse()?;
        /// assert_eq!(refusal, Refusal::Spent);
        /// assert_eq!(refusal.sentence(), "A coin was spent here before.");
        /// # Ok::<(), micromint::protocol::UnknownRefusal>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// All refusals, in order of precedence.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$name,)*];

            /// The word for messages, logs and variables.
            pub fn word(self) -> &'static str {
                match self {
                    $(Refusal::$name => $word,)*
                }
            }

            /// A sentence for people.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Refusal::$name => $sentence,)*
                }
            }
        }
    };
}

refusals! {
    /// The text is not a Payment message, or has not one owner token for each set.
    Malformed = "malformed", "The payment could not be read.";
    /// The vendor did not issue the challenge that the credential answers, or issued it for another
    /// page.
    InvalidChallenge = "invalid-challenge",
        "The payment answers a challenge that was not issued for this page.";
    /// The Vendor-ID is that of another vendor.
    OtherVendor = "other-vendor", "The payment is for another vendor.";
    /// The URL differs from the one in the Request-Payment for this page.
    OtherPage = "other-page", "The payment is for another page.";
    /// The challenge that the credential answers has expired, and the payment was not recorded
    /// before.
    ChallengeExpired = "challenge-expired", "The challenge that the payment answers has expired.";
    /// This vendor does not accept the period.
    UnknownPeriod = "unknown-period", "Coins of this period are not accepted here.";
    /// The period has not begun.
    NotYetValid = "not-yet-valid", "These coins are not valid yet.";
    /// The period has expired.
    Expired = "expired", "These coins have expired.";
    /// More or fewer coins than the price.
    WrongAmount = "wrong-amount", "The payment has fewer coins than the price.";
    /// An x is 2^w or more.
    OutOfRange = "out-of-range", "A coin contains a number that is out of range.";
    /// An x is repeated within one coin.
    RepeatedBall = "repeated-ball", "A coin contains a ball twice.";
    /// A ball's fixed bits are wrong.
    FixedBits = "fixed-bits", "A coin contains a ball that is not of this period.";
    /// The superbins are not a set of this user.
    UserDifferences = "user-differences", "The coins were not sold to this user.";
    /// The sub-bins are not this vendor's.
    VendorDifferences = "vendor-differences", "The coins were not made for this vendor.";
    /// A coin is repeated within the payment.
    RepeatedCoin = "repeated-coin", "The payment contains a coin twice.";
    /// The user or a superbin is on the revocation list.
    Revoked = "revoked", "The broker has revoked these coins.";
    /// An owner token is not that of the set in the owners file.
    NotOwner = "not-owner", "The coins belong to another user.";
    /// A set was sold after the vendor's owners file was made, or was never sold. The same payment
    /// may be good a few seconds later.
    NotYetKnown = "not-yet-known", "The coins are not known here yet. Please try again.";
    /// The vendor has stopped serving the user, because of payments that the broker refused.
    Blocked = "blocked", "This site no longer accepts payments from this user.";
    /// The user has reached the daily limit of coins at this vendor.
    CapReached = "cap-reached", "You have reached today's limit here.";
    /// A coin was spent here before.
    Spent = "spent", "A coin was spent here before.";
}

impl Refusal {
    /// After how many seconds the same payment, sent again, may be good; `None` if it will not be.
    pub fn retry_after(self) -> Option<u32> {
        (self == Refusal::NotYetKnown).then_some(NOT_YET_KNOWN_RETRY_SECONDS)
    }
}

impl From<CoinFault> for Refusal {
    fn from(fault: CoinFault) -> Refusal {
        match fault {
            CoinFault::OutOfRange => Refusal::OutOfRange,
            CoinFault::RepeatedBall => Refusal::RepeatedBall,
            CoinFault::FixedBits => Refusal::FixedBits,
            CoinFault::UserDifferences => Refusal::UserDifferences,
            CoinFault::VendorDifferences => Refusal::VendorDifferences,
            CoinFault::RepeatedCoin => Refusal::RepeatedCoin,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Refusal {
    type Err = UnknownRefusal;

    fn from_str(text: &str) -> Result<Self, UnknownRefusal> {
        let found = Refusal::ALL.iter().copied().find(|refusal| refusal.word() == text);
        found.ok_or(UnknownRefusal)
    }
}

/// A text is not the word of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the word of a refusal")]
pub struct UnknownRefusal;
