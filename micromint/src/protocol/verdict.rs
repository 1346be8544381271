//! What the broker decides about one redeemed coin or one returned ball: one byte on the wire.

use super::MessageError;

macro_rules! verdicts {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $word:literal;)*) => {
        /// The broker's verdict on a coin or a returned ball.
        ///
        /// ```
        /// use micromint::protocol::Verdict;
        ///
        /// assert_eq!(Verdict::AlreadyPaid.code(), 27);
        /// assert!(Verdict::AlreadyPaid.is_rejection());
        /// assert!(!Verdict::Waiting.is_rejection());
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Verdict {
            $($(#[$doc])* $name = $code,)*
        }

        impl Verdict {
            /// All verdicts, in order of their codes.
            pub const ALL: &'static [Verdict] = &[$(Verdict::$name,)*];

            /// The verdict of a code, or `None` if there is none.
            pub fn from_code(code: u8) -> Option<Verdict> {
                match code {
                    $($code => Some(Verdict::$name),)*
                    _ => None,
                }
            }

            /// A few words for people.
            pub fn words(self) -> &'static str {
                match self {
                    $(Verdict::$name => $word,)*
                }
            }
        }
    };
}

verdicts! {
    /// Paid (a coin) or credited (a ball). Final.
    Accepted = 0, "accepted";
    /// The claim waits until redeem-until: a payment that is not beyond doubt, or a return. Send
    /// the same message again after that for the final verdict.
    Waiting = 1, "waiting until redeem-until";
    /// The record of the payment cannot be read.
    Malformed = 16, "malformed payment";
    /// An x is out of range or repeated within the coin.
    InputWrong = 19, "input out of range or repeated";
    /// The fixed bits of a ball are wrong.
    FixedBits = 20, "not a ball of this period";
    /// The superbins are not a set of this user.
    UserDifferences = 21, "not a set of this user";
    /// The sub-bins are not those of this vendor.
    VendorDifferences = 22, "not made for this vendor";
    /// A ball is not the one that the broker minted for its bin: proof of a forgery. Only a payment
    /// that is from the owner gets this verdict.
    Forged = 23, "forged";
    /// The broker no longer redeems this period.
    TooLate = 25, "after redeem-until";
    /// The broker declared the bin compromised.
    Compromised = 26, "compromised";
    /// The first ball is paid by an earlier or higher-ranked claim.
    AlreadyPaid = 27, "already redeemed or credited";
    /// The ball is not a first ball: its superbin is odd.
    NotFirst = 28, "not a first ball";
    /// The coin or ball is not from the owner of its set: the set was not sold to this user, or a
    /// payment has neither a right Authenticator nor a right token. Its balls were not looked up.
    NotFromOwner = 30, "not from the owner";
    /// A payment that may be the owner's meets a return, or its vendor has too many of them: nobody
    /// gets the coin until a person has decided. Send the same message again after that.
    Disputed = 31, "disputed";
}

impl Verdict {
    /// The byte on the wire.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Whether this coin will never be paid or credited.
    pub fn is_rejection(self) -> bool {
        !matches!(self, Verdict::Accepted | Verdict::Waiting | Verdict::Disputed)
    }
}

pub(super) fn verdicts_to_bytes(verdicts: &[Verdict]) -> Vec<u8> {
    verdicts.iter().map(|verdict| verdict.code()).collect()
}

pub(super) fn verdicts_from(data: &[u8]) -> Result<Vec<Verdict>, MessageError> {
    let read = |code: &u8| {
        Verdict::from_code(*code)
            .ok_or_else(|| MessageError::Data(format!("{code} is not the code of a verdict")))
    };
    data.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_back_and_others_refused() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_code(verdict.code()), Some(*verdict));
        }
        assert_eq!((0..=255).filter_map(Verdict::from_code).count(), Verdict::ALL.len());
    }
}
