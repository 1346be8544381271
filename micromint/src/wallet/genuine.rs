//! The check of a Funds-Withdrawn message: whether its sets are genuine.
//!
//! Input: the message. Output: its sets with every ball in its bin, or the first fault and where it
//! is. The invariant: every ball of a [`GenuineSet`] was hashed and lies in its bin, and the
//! superbins of a set differ as h'(User-ID) says, so that its coins are good at every vendor.
//! Hashing cannot tell whether the broker will redeem them.

use std::collections::HashSet;

use crate::coin::CoinRules;
use crate::identity::{NoUserVector, UserVector};
use crate::protocol::{FundsWithdrawn, SoldSet};

/// Marks an empty bin; no x is that large.
pub(super) const EMPTY: u64 = u64::MAX;

/// A set of which every ball was hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GenuineSet {
    /// The index of the first superbin, even.
    pub(super) first: u32,
    /// The k superbins in order, each with 2^v bins that hold an x or [`EMPTY`].
    pub(super) superbins: Vec<Vec<u64>>,
}

/// Why the sets of a Funds-Withdrawn message are not genuine. Sets and superbins count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotGenuine {
    /// No user vector exists for the User-ID.
    #[error(transparent)]
    User(#[from] NoUserVector),
    /// An x is not a ball: it is out of range, or its fixed bits are not the period's.
    #[error("set {set}, superbin {place}: {x:#x} is not a ball of the period")]
    Ball {
        /// The set in the message.
        set: usize,
        /// The superbin in the set.
        place: usize,
        /// The ball.
        x: u64,
    },
    /// A ball lies in another superbin than the User-ID and the first ball of the set require.
    #[error(
        "set {set}, superbin {place}: expected balls of superbin {expected}, found one of {found}"
    )]
    Superbin {
        /// The set in the message.
        set: usize,
        /// The superbin in the set.
        place: usize,
        /// The index of the required superbin.
        expected: u32,
        /// The index of the ball's superbin.
        found: u32,
    },
    /// The balls of a superbin are not in ascending order of sub-bin.
    #[error("set {set}, superbin {place}: a ball of sub-bin {found} comes after one of {previous}")]
    Order {
        /// The set in the message.
        set: usize,
        /// The superbin in the set.
        place: usize,
        /// The sub-bin of the earlier ball.
        previous: u32,
        /// The sub-bin of the later ball.
        found: u32,
    },
    /// The first superbin is odd; every set begins at an even one.
    #[error("set {set}: expected an even first superbin, found {first}")]
    OddFirst {
        /// The set in the message.
        set: usize,
        /// The index.
        first: u32,
    },
    /// The first superbin holds no ball, so there is nothing to spend or return.
    #[error("set {set}: its first superbin is empty")]
    NoCoin {
        /// The set in the message.
        set: usize,
    },
    /// Two sets of the message begin at the same superbin.
    #[error("set {set}: superbin {first} begins an earlier set too")]
    Repeated {
        /// The set in the message.
        set: usize,
        /// The index of the first superbin.
        first: u32,
    },
}

/// Hashes every ball of `funds` and checks every difference.
///
/// # Errors
/// The first fault, in the order of the message.
pub(super) fn check(funds: &FundsWithdrawn) -> Result<Vec<GenuineSet>, NotGenuine> {
    let rules = CoinRules::new(funds.params.clone());
    let user = UserVector::new(&funds.params, &funds.user)?;
    let mut firsts = HashSet::new();
    let mut sets = Vec::with_capacity(funds.sets.len());
    for (i, sold) in funds.sets.iter().enumerate() {
        let number = i + 1;
        let set = check_set(&rules, &user, number, sold)?;
        if !firsts.insert(set.first) {
            return Err(NotGenuine::Repeated { set: number, first: set.first });
        }
        sets.push(set);
    }
    Ok(sets)
}

fn check_set(
    rules: &CoinRules,
    user: &UserVector,
    set: usize,
    sold: &SoldSet,
) -> Result<GenuineSet, NotGenuine> {
    let ball = *sold.superbins.first().and_then(|s| s.first()).ok_or(NotGenuine::NoCoin { set })?;
    let first = rules.bin(ball).ok_or(NotGenuine::Ball { set, place: 1, x: ball })?.superbin;
    if !first.is_multiple_of(2) {
        return Err(NotGenuine::OddFirst { set, first });
    }
    let places = user.set(first).into_iter().zip(&sold.superbins).enumerate();
    let superbins =
        places.map(|(i, (superbin, balls))| place_balls(rules, set, i + 1, superbin, balls));
    Ok(GenuineSet { first, superbins: superbins.collect::<Result<_, _>>()? })
}

/// Puts the balls of one superbin into its bins.
fn place_balls(
    rules: &CoinRules,
    set: usize,
    place: usize,
    expected: u32,
    balls: &[u64],
) -> Result<Vec<u64>, NotGenuine> {
    let mut bins = vec![EMPTY; rules.params().subbin_count() as usize];
    let mut last = None;
    for &x in balls {
        let bin = rules.bin(x).ok_or(NotGenuine::Ball { set, place, x })?;
        if bin.superbin != expected {
            return Err(NotGenuine::Superbin { set, place, expected, found: bin.superbin });
        }
        if let Some(previous) = last.filter(|previous| *previous >= bin.subbin) {
            return Err(NotGenuine::Order { set, place, previous, found: bin.subbin });
        }
        last = Some(bin.subbin);
        bins[bin.subbin as usize] = x;
    }
    Ok(bins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticator::Key;
    use crate::bin::Bin;
    use crate::testing::{ObviousMint, test_params};

    fn funds() -> (ObviousMint, FundsWithdrawn) {
        let mint = ObviousMint::new(test_params());
        let funds = mint.funds(&"alice".parse().unwrap(), &Key::from_bytes([1; 32]), &[4, 10], 7);
        (mint, funds)
    }

    #[test]
    fn every_ball_is_put_into_its_bin() {
        let (mint, funds) = funds();
        let sets = check(&funds).unwrap();
        assert_eq!(sets.iter().map(|set| set.first).collect::<Vec<_>>(), [4, 10]);
        let superbins = mint.user_vector(&funds.user).set(10);
        for (superbin, bins) in superbins.into_iter().zip(&sets[1].superbins) {
            assert_eq!(bins.len(), 16);
            for (subbin, x) in (0..).zip(bins) {
                assert_eq!(mint.ball(Bin { superbin, subbin }).unwrap_or(EMPTY), *x);
            }
        }
    }

    /// One wrong ball anywhere, and the whole message is rejected.
    #[test]
    fn every_fault_is_found_with_its_place() {
        type Change = fn(&ObviousMint, &mut FundsWithdrawn);
        let rows: [(&str, Change); 10] = [
            ("set 2, superbin 3: 0x100000000000000 is not a ball", |_, f| {
                f.sets[1].superbins[2][0] = 1 << 56;
            }),
            ("set 2, superbin 4: 0x", |m, f| {
                f.sets[1].superbins[3][1] = (0..).find(|x| m.rules().bin(*x).is_none()).unwrap();
            }),
            ("set 1, superbin 2: expected balls of superbin", |_, f| {
                f.sets[0].superbins.swap(1, 2)
            }),
            ("set 1, superbin 1: expected balls of superbin 4, found", |m, f| {
                f.sets[0].superbins[0][3] = m.ball(Bin { superbin: 5, subbin: 3 }).unwrap();
            }),
            ("set 1, superbin 3: a ball of sub-bin", |_, f| f.sets[0].superbins[2].swap(4, 5)),
            ("set 1, superbin 3: a ball of sub-bin", |_, f| {
                f.sets[0].superbins[2][5] = f.sets[0].superbins[2][4];
            }),
            ("set 2: expected an even first superbin", |_, f| f.sets[1].superbins.rotate_left(1)),
            ("set 2: its first superbin is empty", |_, f| f.sets[1].superbins[0].clear()),
            ("set 2: superbin 4 begins an earlier set", |_, f| f.sets[1] = f.sets[0].clone()),
            ("set 1, superbin 2: expected balls", |_, f| f.user = "bob".parse().unwrap()),
        ];
        for (says, change) in rows {
            let (mint, mut funds) = funds();
            change(&mint, &mut funds);
            let error = check(&funds).unwrap_err().to_string();
            assert!(error.starts_with(says), "expected {says:?}, found {error:?}");
        }
    }
}
