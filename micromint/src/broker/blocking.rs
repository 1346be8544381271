//! Which users a vendor should stop serving, because of their payments at this vendor.
//!
//! Input: the payments of one vendor, with facts about each. Output: the users to block at this
//! vendor, and the hours in which the vendor itself seems to be at fault. Nothing is read or
//! written here.
//!
//! The invariants: what one vendor sent has no effect at another. A payment that is not from the
//! user whom it names does not block that user, so a name that somebody made up is not blocked: its
//! owner may buy later. A vendor whose software is at fault blocks nobody.

use std::collections::BTreeSet;

use super::rank::Source;
use crate::time::UnixTime;

/// If more than one in this many of an hour's users fail, it is the vendor's fault.
const FAILING_SHARE: usize = 10;

const SECONDS_PER_HOUR: i64 = 3600;

/// A payment that a vendor took, as far as it concerns blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served<U> {
    /// The buyer that the payment names.
    pub user: U,
    /// When the broker judged it.
    pub when: UnixTime,
    /// What it says about the user.
    pub conduct: Conduct,
}

/// What a coin says about the user that its payment names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// It is the user's and good.
    Good,
    /// It is the user's, with a wrong Authenticator, or a ball that is forged or of someone else.
    Failing,
    /// It is not from this user.
    NotFrom,
}

/// An hour in which so many users failed at a vendor that the vendor itself is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultyHour {
    /// When it began.
    pub began: UnixTime,
    /// The number of users whose payments the vendor took.
    pub users: u64,
    /// The number of these whose payments failed.
    pub failing: u64,
}

/// What the payments of one vendor lead to at this vendor, and at no other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocks<U: Ord> {
    /// The users whom the vendor should stop serving.
    pub users: BTreeSet<U>,
    /// The hours in which the vendor is at fault. They block nobody.
    pub faults: Vec<FaultyHour>,
}

impl<U: Copy + Ord> Blocks<U> {
    /// The users in the order in which an answer names them. It has room for a bounded number, so
    /// those whom its own message names, `sent`, come first.
    pub fn in_order(&self, sent: impl IntoIterator<Item = U>) -> Vec<U> {
        let sent: BTreeSet<U> = sent.into_iter().collect();
        let (mut named, others): (Vec<U>, Vec<U>) =
            self.users.iter().partition(|user| sent.contains(user));
        named.extend(others);
        named
    }
}

/// The hour in which a time lies, counted from 1970.
pub fn hour_of(when: UnixTime) -> i64 {
    when.0.div_euclid(SECONDS_PER_HOUR)
}

/// What a coin says about the buyer that its payment names. `is_forged`: a ball is proved not to be
/// the minted one.
pub(crate) fn conduct(source: Source, is_forged: bool) -> Conduct {
    let is_signed_for_another = source.is_signed && !source.is_sold;
    if is_signed_for_another {
        Conduct::Failing
    } else if !source.is_owner() {
        Conduct::NotFrom
    } else if source.is_signed && !is_forged {
        Conduct::Good
    } else {
        Conduct::Failing
    }
}

/// The users to block at a vendor, from all that it took. An hour counts the users whose payments
/// are their own.
pub fn blocks<U: Copy + Ord>(served: impl IntoIterator<Item = Served<U>>) -> Blocks<U> {
    let mut own: Vec<(i64, U, bool)> = Vec::new();
    let mut users = BTreeSet::new();
    for Served { user, when, conduct } in served {
        match conduct {
            Conduct::Good => own.push((hour_of(when), user, false)),
            Conduct::Failing => own.push((hour_of(when), user, true)),
            Conduct::NotFrom => {}
        }
    }
    own.sort_unstable();
    let mut faults = Vec::new();
    for hour in own.chunk_by(|a, b| a.0 == b.0) {
        let of_users = || hour.chunk_by(|a, b| a.1 == b.1);
        let is_failing = |of_user: &&[(i64, U, bool)]| of_user.iter().any(|(.., failing)| *failing);
        let failing: Vec<U> = of_users().filter(is_failing).map(|of_user| of_user[0].1).collect();
        let count = of_users().count();
        if failing.len() * FAILING_SHARE > count {
            let began = UnixTime(hour[0].0 * SECONDS_PER_HOUR);
            let (users, failing) = (count as u64, failing.len() as u64);
            faults.push(FaultyHour { began, users, failing });
        } else {
            users.extend(failing);
        }
    }
    Blocks { users, faults }
}

#[cfg(test)]
mod tests {
    use super::super::rank::tests::sources;
    use super::*;

    fn served(user: u32, when: i64, conduct: Conduct) -> Served<u32> {
        Served { user, when: UnixTime(when), conduct }
    }

    /// Users 0 to `count` - 1 pay in one hour; the first `failing` of them fail.
    fn hour(count: u32, failing: u32) -> Blocks<u32> {
        blocks((0..count).map(|user| {
            let conduct = if user < failing { Conduct::Failing } else { Conduct::Good };
            served(user, 7200, conduct)
        }))
    }

    #[test]
    fn an_answer_names_the_users_of_its_message_first() {
        let blocks = Blocks { users: BTreeSet::from([1, 2, 5, 8]), faults: Vec::new() };
        assert_eq!(blocks.in_order([8, 7, 2, 8]), [2, 8, 1, 5]);
        assert_eq!(blocks.in_order([]), [1, 2, 5, 8]);
    }

    #[test]
    fn failing_users_are_blocked_up_to_a_tenth_of_an_hours_users() {
        assert_eq!(hour(10, 1).users.into_iter().collect::<Vec<_>>(), [0]);
        assert_eq!(hour(100, 10).users.len(), 10);
        for (count, failing) in [(9, 1), (1, 1), (100, 11), (100, 100)] {
            let Blocks { users, faults } = hour(count, failing);
            assert!(users.is_empty());
            let began = UnixTime(7200);
            let (users, failing) = (u64::from(count), u64::from(failing));
            assert_eq!(faults, [FaultyHour { began, users, failing }]);
        }
        assert_eq!(hour(0, 0), Blocks { users: BTreeSet::new(), faults: Vec::new() });
    }

    #[test]
    fn hours_are_separate_and_a_user_fails_once_an_hour() {
        let good = |when| (1..20).map(move |user| served(user, when, Conduct::Good));
        let bad = |when| served(0, when, Conduct::Failing);
        let all = good(0).chain(good(3600)).chain([bad(0), bad(3599), bad(7200)]);
        let Blocks { users, faults } = blocks(all);
        assert_eq!(users.into_iter().collect::<Vec<_>>(), [0]);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].began, UnixTime(7200));
    }

    /// A stranger who sends junk in the name of alice does not keep alice out.
    #[test]
    fn junk_in_the_name_of_a_buyer_blocks_nobody() {
        for source in sources().filter(|source| !source.is_signed && !source.is_owner()) {
            for is_forged in [false, true] {
                assert_eq!(conduct(source, is_forged), Conduct::NotFrom);
            }
        }
        let junk = (0..50).map(|user| served(user, 0, Conduct::NotFrom));
        let cheat = served(99, 0, Conduct::Failing);
        let honest = (100..109).map(|user| served(user, 0, Conduct::Good));
        let Blocks { users, faults } = blocks(junk.chain([cheat]).chain(honest));
        assert_eq!(users.into_iter().collect::<Vec<_>>(), [99]);
        assert_eq!(faults, []);
    }

    #[test]
    fn the_conduct_of_buyers_is_told_by_signature_and_balls() {
        for source in sources().filter(|source| source.is_owner()) {
            let expected = if source.is_signed { Conduct::Good } else { Conduct::Failing };
            assert_eq!(conduct(source, false), expected, "{source:?}");
            assert_eq!(conduct(source, true), Conduct::Failing, "{source:?}");
        }
        // Signed by the payer, over a set of someone else.
        let thief = Source { is_signed: true, has_token: false, is_sold: false };
        assert_eq!(conduct(thief, false), Conduct::Failing);
    }
}
