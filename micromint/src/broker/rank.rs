//! Who owns a coin, and the rank of its claim on its first bin.
//!
//! Input: facts about one coin or one returned ball. Output: a rank, or the verdict that rejects
//! it. Nothing is read or written here.
//!
//! The invariants: a coin that is not from the owner gets one verdict, whatever its balls are, so
//! verdicts do not tell a forged ball from a ball of someone else. Only a claim with a rank is ever
//! paid or credited. `docs/reference/broker.md` has the rules as a table.

use crate::protocol::Verdict;

/// What shows that a coin is from the owner of its set. Known before any ball is looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The Authenticator of the payment is the payer's: it is made with K_U.
    pub is_signed: bool,
    /// The owner token of the coin's set is the payer's for this vendor.
    pub has_token: bool,
    /// The set was sold to the payer.
    pub is_sold: bool,
}

/// What the coin file has in the bin of a ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This ball: it is the minted one.
    Minted,
    /// Another ball. The broker has hashed it, and it belongs into this bin.
    Other,
    /// No ball.
    Nothing,
    /// A ball that does not belong there, or a superbin that does not hold as many balls as it
    /// should: the broker's own file is damaged, so nothing is proved.
    Damaged,
}

/// What looking up the balls of a coin showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    /// What was found for the first ball.
    pub(crate) first: Found,
    /// All k balls are the minted ones.
    pub(crate) are_all_minted: bool,
    /// A ball is proved not to be the minted one.
    pub(crate) is_forged: bool,
    /// The first bin was declared compromised before the set was sold, so its ball was not
    /// delivered.
    pub(crate) is_withheld: bool,
    /// The bin of a ball is declared compromised.
    pub(crate) is_compromised: bool,
}

/// The rank of a claim on a first bin. The smallest is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A payment that is proved to be the owner's. Paid at once; the first of them wins.
    Certain = 1,
    /// A payment that may be the owner's. Waits until redeem-until.
    Doubtful = 2,
    /// A returned ball. Waits until redeem-until.
    Return = 3,
}

impl Source {
    /// Whether the coin is from the owner of its set: a set of the payer, with a right
    /// Authenticator or a right token.
    pub fn is_owner(self) -> bool {
        self.is_sold && (self.is_signed || self.has_token)
    }
}

impl Lookup {
    /// The start of a lookup, before any ball was found.
    pub(crate) const START: Lookup = Lookup {
        first: Found::Nothing,
        are_all_minted: true,
        is_forged: false,
        is_withheld: false,
        is_compromised: false,
    };

    /// Adds what was found for one of the k balls.
    pub(crate) fn add(&mut self, ball: usize, found: Found, is_compromised: bool) {
        if ball == 0 {
            self.first = found;
        }
        self.are_all_minted &= found == Found::Minted;
        self.is_forged |= matches!(found, Found::Other | Found::Nothing);
        self.is_compromised |= is_compromised;
    }
}

impl Rank {
    /// The rank of a code in the bytes of a claim.
    pub fn from_code(code: u8) -> Option<Rank> {
        [Rank::Certain, Rank::Doubtful, Rank::Return].into_iter().find(|rank| *rank as u8 == code)
    }

    /// Whether the claim is a payment.
    pub fn is_payment(self) -> bool {
        self != Rank::Return
    }
}

/// The rank of a well-formed coin of a payment.
///
/// # Errors
/// The verdict on a coin that makes no claim.
pub(crate) fn rank_of_coin(source: Source, lookup: Lookup) -> Result<Rank, Verdict> {
    if !source.is_owner() {
        return Err(Verdict::NotFromOwner);
    }
    if lookup.is_withheld {
        return Err(Verdict::Compromised);
    }
    let rank = match (source.is_signed, lookup.first) {
        (true, Found::Minted) => Rank::Certain,
        (true, Found::Other | Found::Damaged) => Rank::Doubtful,
        (false, _) if lookup.are_all_minted => Rank::Doubtful,
        _ => return Err(Verdict::Forged),
    };
    match rank {
        Rank::Doubtful if lookup.is_compromised => Err(Verdict::Compromised),
        rank => Ok(rank),
    }
}

/// The rank of a returned ball of a first superbin. `is_sold`: the set was sold to the user who
/// returns it. `is_withheld`: as in [`Lookup`].
///
/// # Errors
/// The verdict on a ball that makes no claim.
pub(crate) fn rank_of_return(
    is_sold: bool,
    is_withheld: bool,
    found: Found,
) -> Result<Rank, Verdict> {
    match found {
        _ if !is_sold => Err(Verdict::NotFromOwner),
        _ if is_withheld => Err(Verdict::Compromised),
        Found::Minted | Found::Damaged => Ok(Rank::Return),
        Found::Other | Found::Nothing => Err(Verdict::Forged),
    }
}

/// The verdict on a claim of this rank before the settlement. `is_paid`: a claim of rank 1 on the
/// same first bin was paid.
pub(crate) fn verdict_now(rank: Rank, is_paid: bool) -> Verdict {
    match (is_paid, rank) {
        (true, _) => Verdict::AlreadyPaid,
        (false, Rank::Certain) => Verdict::Accepted,
        (false, Rank::Doubtful | Rank::Return) => Verdict::Waiting,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const FOUND: [Found; 4] = [Found::Minted, Found::Other, Found::Nothing, Found::Damaged];

    pub(crate) fn sources() -> impl Iterator<Item = Source> {
        (0..8).map(|bits| Source {
            is_signed: bits & 1 != 0,
            has_token: bits & 2 != 0,
            is_sold: bits & 4 != 0,
        })
    }

    /// Every lookup of a coin of two balls.
    pub(crate) fn lookups() -> impl Iterator<Item = Lookup> {
        FOUND.into_iter().flat_map(|first| {
            FOUND.into_iter().flat_map(move |second| {
                (0..4).map(move |bits| {
                    let mut lookup = Lookup::START;
                    lookup.is_withheld = bits & 1 != 0;
                    lookup.add(0, first, false);
                    lookup.add(1, second, bits & 2 != 0);
                    lookup
                })
            })
        })
    }

    /// The rules of the design, written down once more as conditions. They cover all cases.
    #[test]
    fn coins_are_ranked_by_the_rules() {
        for source in sources() {
            for lookup in lookups() {
                let Source { is_signed, has_token, is_sold } = source;
                let from_owner = is_sold && (is_signed || has_token);
                let one =
                    from_owner && !lookup.is_withheld && is_signed && lookup.first == Found::Minted;
                let two = from_owner
                    && !lookup.is_withheld
                    && !lookup.is_compromised
                    && ((is_signed && matches!(lookup.first, Found::Other | Found::Damaged))
                        || (!is_signed && lookup.are_all_minted));
                let rank = rank_of_coin(source, lookup);
                assert_eq!(rank == Ok(Rank::Certain), one, "{source:?} {lookup:?}");
                assert_eq!(rank == Ok(Rank::Doubtful), two, "{source:?} {lookup:?}");
                let not_from_owner = rank == Err(Verdict::NotFromOwner);
                assert_eq!(not_from_owner, !from_owner, "{source:?} {lookup:?}");
            }
        }
    }

    #[test]
    fn what_is_not_from_the_owner_has_one_verdict_whatever_the_balls_are() {
        for source in sources().filter(|source| !source.is_owner()) {
            for lookup in lookups() {
                assert_eq!(rank_of_coin(source, lookup), Err(Verdict::NotFromOwner));
            }
        }
        for found in FOUND {
            for is_withheld in [false, true] {
                let rank = rank_of_return(false, is_withheld, found);
                assert_eq!(rank, Err(Verdict::NotFromOwner));
            }
        }
    }

    /// A signed payment of the minted first ball is paid even if the bin was declared compromised
    /// after the sale, and whatever token and other balls are.
    #[test]
    fn a_compromised_bin_stops_doubtful_claims_and_nothing_else() {
        for source in sources() {
            for lookup in lookups().filter(|lookup| !lookup.is_withheld) {
                let sound = Lookup { is_compromised: false, ..lookup };
                let compromised = Lookup { is_compromised: true, ..lookup };
                let expected = match rank_of_coin(source, sound) {
                    Ok(Rank::Doubtful) => Err(Verdict::Compromised),
                    other => other,
                };
                assert_eq!(rank_of_coin(source, compromised), expected);
            }
        }
    }

    #[test]
    fn returned_balls_are_ranked() {
        use Verdict::{Compromised, Forged};
        assert_eq!(rank_of_return(true, false, Found::Minted), Ok(Rank::Return));
        assert_eq!(rank_of_return(true, false, Found::Damaged), Ok(Rank::Return));
        assert_eq!(rank_of_return(true, false, Found::Other), Err(Forged));
        assert_eq!(rank_of_return(true, false, Found::Nothing), Err(Forged));
        for found in FOUND {
            assert_eq!(rank_of_return(true, true, found), Err(Compromised));
        }
    }

    #[test]
    fn certain_claims_are_accepted_and_others_wait() {
        assert_eq!(verdict_now(Rank::Certain, false), Verdict::Accepted);
        assert_eq!(verdict_now(Rank::Doubtful, false), Verdict::Waiting);
        assert_eq!(verdict_now(Rank::Return, false), Verdict::Waiting);
        for rank in [Rank::Certain, Rank::Doubtful, Rank::Return] {
            assert_eq!(verdict_now(rank, true), Verdict::AlreadyPaid);
            assert_eq!(Rank::from_code(rank as u8), Some(rank));
        }
        assert_eq!(Rank::from_code(0), None);
        assert_eq!(Rank::from_code(4), None);
    }
}
