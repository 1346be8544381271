//! Why a vendor refuses a payment.

use std::fmt;
use std::str::FromStr;

use crate::coin::CoinFault;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $sentence:literal;)*) => {
        /// Why a payment was refused. The variants stand in order of precedence: if several apply,
        /// the first of them is the answer. The vendor kept nothing. Exhaustive on purpose: whoever
        /// adds a reason decides in every match whether it blames the coins.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// All refusals, in order of precedence.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$name,)*];

            /// The word that names it in messages, logs and variables.
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
    /// The message is no Payment.
    Malformed = "malformed", "The payment could not be read.";
    /// The credential answers a challenge that was not made here, or for another page.
    InvalidChallenge = "invalid-challenge", "The payment answers another question than ours.";
    /// The Vendor-ID is another vendor's.
    OtherVendor = "other-vendor", "The payment is for another vendor.";
    /// The URL is not the one that the Request-Payment for this page names.
    OtherPage = "other-page", "The payment is for another page.";
    /// The challenge that the credential answers has ended, and the payment was not recorded
    /// before.
    ChallengeExpired = "challenge-expired", "The question that the payment answers has expired.";
    /// This vendor does not accept the period.
    UnknownPeriod = "unknown-period", "Coins of this period are not accepted here.";
    /// The period has not begun.
    NotYetValid = "not-yet-valid", "These coins are not valid yet.";
    /// The period has expired.
    Expired = "expired", "These coins have expired.";
    /// More or fewer coins than the price.
    WrongAmount = "wrong-amount", "The number of coins is not the price.";
    /// An x is 2^w or more.
    OutOfRange = "out-of-range", "A coin holds a number that is out of range.";
    /// One x stands twice in one coin.
    RepeatedBall = "repeated-ball", "A coin holds one ball twice.";
    /// A ball's fixed bits are wrong.
    FixedBits = "fixed-bits", "A coin holds a ball that is not of this period.";
    /// The superbins are no set of this user.
    UserDifferences = "user-differences", "The coins were not sold to this user.";
    /// The sub-bins are not this vendor's.
    VendorDifferences = "vendor-differences", "The coins were not made for this vendor.";
    /// One coin stands twice in the payment.
    RepeatedCoin = "repeated-coin", "One coin stands twice in the payment.";
    /// The user or a superbin is on the revocation list.
    Revoked = "revoked", "The broker has revoked these coins.";
    /// The owners file names another buyer.
    NotOwner = "not-owner", "The coins belong to another user.";
    /// The user has spent as many coins here today as one may.
    CapReached = "cap-reached", "You have reached today's limit here.";
    /// A coin was spent here before.
    Spent = "spent", "A coin was spent here before.";
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
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Refusal::ALL.iter().copied().find(|refusal| refusal.word() == text);
        found.ok_or_else(|| format!("{text:?} is no reason for a refusal"))
    }
}
