//! What the claims of a period prove about users, and what they only suggest.
//!
//! Input: facts about coins that vendors sent, for redemption or in a watch. Output: the offenders,
//! the suspects, and the vendors that sent one coin twice. Nothing is read or written here.
//!
//! The invariants: an offender is proved by right Authenticators, which only the owner of K_U can
//! make; no vendor or other user can cause a user to be named. Two claims of one vendor on one
//! first bin concern that vendor, since a wallet pays it the same coin again after a reversal.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::{Buyer, Claim};
use super::rank::Source;
use crate::bin::Bin;
use crate::protocol::Verdict;
use crate::time::UnixTime;

/// One coin of a payment that a vendor sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence<U, V> {
    /// Its first bin.
    pub bin: Bin,
    /// The payer that the payment names.
    pub user: U,
    /// The vendor that sent it.
    pub vendor: V,
    /// When the broker judged it.
    pub when: UnixTime,
    /// Distinguishes payments: a digest.
    pub payment: u64,
    /// Whose it is.
    pub source: Source,
    /// A ball is proved not to be the minted one.
    pub is_forged: bool,
    /// The vendor was paid for it.
    pub is_paid: bool,
    /// The vendor will not be paid for it.
    pub is_refused: bool,
}

impl<V> Evidence<Buyer, V> {
    /// The evidence in a claim of a batch or a watch of `vendor`, with its verdict today; `None` if
    /// anybody can have made the coin.
    pub fn of(claim: &Claim, vendor: V, when: UnixTime, is_watch: bool) -> Option<Self> {
        let source = claim.facts.source;
        if !source.is_signed && !source.has_token {
            return None;
        }
        Some(Evidence {
            bin: claim.bin?,
            user: claim.buyer?,
            vendor,
            when,
            payment: claim.digest,
            source,
            is_forged: claim.facts.is_forged,
            is_paid: claim.verdict == Verdict::Accepted && !is_watch,
            is_refused: claim.verdict.is_rejection(),
        })
    }
}

/// A user who is proved to have cheated, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offender<U, V> {
    /// The user.
    pub user: U,
    /// The number of first bins that prove it.
    pub balls: u64,
    /// Of these, the number that were spent at two or more vendors.
    pub spent_twice: u64,
    /// Of these, the number with a ball that was not minted, or of a set of someone else.
    pub forged: u64,
    /// The vendors that received the coins.
    pub vendors: BTreeSet<V>,
    /// When the broker judged the first of the coins.
    pub first: UnixTime,
    /// When the broker judged the last of them.
    pub last: UnixTime,
}

/// A user of whom something is suspected that vendors could have made up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suspect<U, V> {
    /// The user.
    pub user: U,
    /// The number of first bins with right tokens at two or more vendors.
    pub balls: u64,
    /// The vendors that received payments with right tokens for which they are not paid.
    pub unpaid_at: BTreeSet<V>,
}

impl<U, V> Offender<U, V> {
    /// The same with other words for user and vendors; `None` without a word for the user.
    pub fn named<X, Y: Ord>(
        self,
        user: impl FnOnce(U) -> Option<X>,
        vendor: impl Fn(V) -> Y,
    ) -> Option<Offender<X, Y>> {
        let Offender { balls, spent_twice, forged, first, last, .. } = self;
        let (user, vendors) = (user(self.user)?, self.vendors.into_iter().map(vendor).collect());
        Some(Offender { user, balls, spent_twice, forged, vendors, first, last })
    }
}

impl<U, V> Suspect<U, V> {
    /// The same with other words for user and vendors; `None` without a word for the user.
    pub fn named<X, Y: Ord>(
        self,
        user: impl FnOnce(U) -> Option<X>,
        vendor: impl Fn(V) -> Y,
    ) -> Option<Suspect<X, Y>> {
        let unpaid_at = self.unpaid_at.into_iter().map(vendor).collect();
        Some(Suspect { user: user(self.user)?, balls: self.balls, unpaid_at })
    }
}

/// What the evidence on any number of first bins shows.
#[derive(Clone, Debug)]
pub struct Findings<U, V> {
    offenders: BTreeMap<U, Offender<U, V>>,
    suspects: BTreeMap<U, Suspect<U, V>>,
    repeats: BTreeMap<V, u64>,
}

impl<U, V> Default for Findings<U, V> {
    fn default() -> Self {
        Findings { offenders: BTreeMap::new(), suspects: BTreeMap::new(), repeats: BTreeMap::new() }
    }
}

impl<U: Copy + Ord, V: Copy + Ord> Findings<U, V> {
    /// Adds the evidence on some first bins: all of it, in any order.
    pub fn add(&mut self, mut evidence: Vec<Evidence<U, V>>) {
        evidence.sort_unstable_by_key(|coin| (coin.bin, coin.user));
        for coins in evidence.chunk_by(|a, b| (a.bin, a.user) == (b.bin, b.user)) {
            self.add_offence(coins);
            self.add_suspicion(coins);
        }
        for coins in evidence.chunk_by(|a, b| a.bin == b.bin) {
            self.add_repeats(coins);
        }
    }

    /// `coins` have one first bin and name one user.
    fn add_offence(&mut self, coins: &[Evidence<U, V>]) {
        let signed = || coins.iter().filter(|coin| coin.source.is_signed);
        let vendors: BTreeSet<V> = signed().map(|coin| coin.vendor).collect();
        let is_spent_twice = vendors.len() > 1;
        let is_proof = |coin: &&Evidence<U, V>| coin.is_forged || !coin.source.is_sold;
        let is_forged = signed().any(|coin| is_proof(&coin));
        let proving = signed().filter(|coin| is_spent_twice || is_proof(coin));
        for (i, coin) in proving.enumerate() {
            let offender = self.offenders.entry(coin.user).or_insert(Offender {
                user: coin.user,
                balls: 0,
                spent_twice: 0,
                forged: 0,
                vendors: BTreeSet::new(),
                first: coin.when,
                last: coin.when,
            });
            if i == 0 {
                offender.balls += 1;
                offender.spent_twice += u64::from(is_spent_twice);
                offender.forged += u64::from(is_forged);
            }
            offender.vendors.insert(coin.vendor);
            offender.first = offender.first.min(coin.when);
            offender.last = offender.last.max(coin.when);
        }
    }

    /// `coins` have one first bin and name one user.
    fn add_suspicion(&mut self, coins: &[Evidence<U, V>]) {
        let with_token = || coins.iter().filter(|coin| coin.source.has_token);
        let Some(user) = with_token().map(|coin| coin.user).next() else { return };
        let vendors: BTreeSet<V> = with_token().map(|coin| coin.vendor).collect();
        let is_paid = |vendor| coins.iter().any(|coin| coin.vendor == vendor && coin.is_paid);
        let unpaid: BTreeSet<V> = with_token()
            .filter(|coin| coin.is_refused && !is_paid(coin.vendor))
            .map(|coin| coin.vendor)
            .collect();
        let is_shared = vendors.len() > 1;
        if is_shared || !unpaid.is_empty() {
            let empty = Suspect { user, balls: 0, unpaid_at: BTreeSet::new() };
            let suspect = self.suspects.entry(user).or_insert(empty);
            suspect.balls += u64::from(is_shared);
            suspect.unpaid_at.extend(unpaid);
        }
    }

    /// `coins` have one first bin.
    fn add_repeats(&mut self, coins: &[Evidence<U, V>]) {
        let from_owner = coins.iter().filter(|coin| coin.source.is_owner());
        let mut payments: BTreeMap<V, BTreeSet<u64>> = BTreeMap::new();
        for coin in from_owner {
            payments.entry(coin.vendor).or_default().insert(coin.payment);
        }
        for (vendor, payments) in payments {
            if payments.len() > 1 {
                *self.repeats.entry(vendor).or_default() += 1;
            }
        }
    }

    /// The users who are proved to have cheated, in order.
    pub fn offenders(&self) -> Vec<Offender<U, V>> {
        self.offenders.values().cloned().collect()
    }

    /// The users of whom a person should know, in order: right tokens on one first bin at two or
    /// more vendors, or unpaid payments with right tokens at two or more vendors. Offenders are
    /// not among them.
    pub fn suspects(&self) -> Vec<Suspect<U, V>> {
        let is_suspect = |suspect: &&Suspect<U, V>| {
            (suspect.balls > 0 || suspect.unpaid_at.len() > 1)
                && !self.offenders.contains_key(&suspect.user)
        };
        self.suspects.values().filter(is_suspect).cloned().collect()
    }

    /// The vendors that sent different payments with the same first bin, with the number of such
    /// first bins, in order.
    pub fn repeats(&self) -> Vec<(V, u64)> {
        self.repeats.iter().map(|(vendor, balls)| (*vendor, *balls)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Bin = Bin { superbin: 8, subbin: 1 };
    const B: Bin = Bin { superbin: 8, subbin: 2 };

    type Coin = Evidence<&'static str, &'static str>;

    /// A payment by alice that is proved to be hers and was paid.
    fn signed(bin: Bin, vendor: &'static str, payment: u64) -> Coin {
        Evidence {
            bin,
            user: "alice",
            vendor,
            when: UnixTime(payment as i64),
            payment,
            source: Source { is_signed: true, has_token: true, is_sold: true },
            is_forged: false,
            is_paid: true,
            is_refused: false,
        }
    }

    /// A payment with a right token and a wrong Authenticator, which is not paid.
    fn unsigned(bin: Bin, vendor: &'static str, payment: u64) -> Coin {
        let source = Source { is_signed: false, has_token: true, is_sold: true };
        Evidence { source, is_paid: false, is_refused: true, ..signed(bin, vendor, payment) }
    }

    fn findings(coins: &[Coin]) -> Findings<&'static str, &'static str> {
        let mut findings = Findings::default();
        findings.add(coins.to_vec());
        findings
    }

    fn offenders(coins: &[Coin]) -> Vec<Offender<&'static str, &'static str>> {
        findings(coins).offenders()
    }

    #[test]
    fn two_signed_payments_at_two_vendors_are_proof() {
        let coins = [signed(A, "news", 5), signed(A, "shop", 9), signed(B, "news", 7)];
        let found = offenders(&coins);
        assert_eq!(found.len(), 1);
        let Offender { user, balls, spent_twice, forged, ref vendors, first, last } = found[0];
        assert_eq!((user, balls, spent_twice, forged), ("alice", 1, 1, 0));
        assert_eq!(vendors.iter().copied().collect::<Vec<_>>(), ["news", "shop"]);
        assert_eq!((first, last), (UnixTime(5), UnixTime(9)));
    }

    /// As a wallet does after a reversal.
    #[test]
    fn a_coin_paid_twice_at_one_vendor_concerns_the_vendor() {
        let again = Evidence { is_paid: false, is_refused: true, ..signed(A, "news", 2) };
        let found = findings(&[signed(A, "news", 1), again, signed(B, "news", 1)]);
        assert_eq!(found.offenders(), []);
        assert_eq!(found.suspects(), []);
        assert_eq!(found.repeats(), [("news", 1)]);
    }

    #[test]
    fn one_payment_sent_twice_concerns_nobody() {
        let again = Evidence { is_paid: false, is_refused: true, ..signed(A, "news", 1) };
        let found = findings(&[signed(A, "news", 1), again]);
        assert_eq!(found.offenders(), []);
        assert_eq!(found.suspects(), []);
        assert_eq!(found.repeats(), []);
    }

    #[test]
    fn a_signed_ball_that_was_not_minted_is_proof() {
        let forged = Evidence { is_forged: true, ..signed(A, "news", 1) };
        assert_eq!(offenders(&[forged])[0].forged, 1);
        let unsold = Source { is_sold: false, ..forged.source };
        let stolen = Evidence { source: unsold, is_forged: false, ..forged };
        assert_eq!(offenders(&[stolen])[0].forged, 1);
        // Without a right Authenticator anybody can have made it.
        let junk = Source { is_signed: false, ..unsold };
        assert_eq!(offenders(&[Evidence { source: junk, ..stolen }]), []);
        let spoiled = Evidence { is_forged: true, ..unsigned(A, "news", 1) };
        assert_eq!(offenders(&[spoiled]), []);
    }

    /// Whatever two vendors make of the tokens and balls that they know, alice is not named.
    #[test]
    fn what_vendors_can_have_made_is_a_suspicion() {
        let hidden = findings(&[signed(A, "news", 1), unsigned(A, "shop", 2)]);
        assert_eq!(hidden.offenders(), []);
        assert_eq!(hidden.suspects()[0].balls, 1);
        let none = findings(&[unsigned(A, "news", 1), unsigned(A, "shop", 2)]);
        assert_eq!((none.offenders().len(), none.suspects()[0].balls), (0, 1));
        let unpaid = findings(&[unsigned(A, "news", 1), unsigned(B, "shop", 2)]);
        assert_eq!(unpaid.offenders(), []);
        let suspects = unpaid.suspects();
        assert_eq!((suspects[0].balls, suspects[0].unpaid_at.len()), (0, 2));
        assert_eq!(findings(&[unsigned(A, "news", 1), unsigned(B, "news", 2)]).suspects(), []);
        // Without a right token it may be anybody's.
        let strangers = ["news", "shop"].map(|vendor| {
            let source = Source { is_signed: false, has_token: false, is_sold: true };
            Evidence { source, ..unsigned(A, vendor, 1) }
        });
        let found = findings(&strangers);
        assert_eq!((found.offenders().len(), found.suspects().len()), (0, 0));
    }

    #[test]
    fn an_offender_is_not_listed_as_a_suspect() {
        let coins = [signed(A, "news", 1), signed(A, "shop", 2), unsigned(B, "inn", 3)];
        let found = findings(&coins);
        assert_eq!(found.offenders().len(), 1);
        assert_eq!(found.suspects(), []);
    }

    #[test]
    fn findings_do_not_depend_on_the_order() {
        let coins = [
            signed(A, "news", 1),
            signed(B, "shop", 2),
            signed(A, "shop", 3),
            unsigned(B, "inn", 4),
            Evidence { user: "bob", ..unsigned(A, "news", 5) },
        ];
        let expected = findings(&coins);
        let mut turned = coins;
        for _ in 0..coins.len() {
            turned.rotate_left(1);
            let found = findings(&turned);
            assert_eq!(found.offenders(), expected.offenders());
            assert_eq!(found.suspects(), expected.suspects());
            assert_eq!(found.repeats(), expected.repeats());
        }
        // Bins may be added in parts.
        let mut parts = Findings::default();
        let (a, b): (Vec<Coin>, Vec<Coin>) = coins.iter().partition(|coin| coin.bin == A);
        parts.add(b);
        parts.add(a);
        assert_eq!(parts.offenders(), expected.offenders());
        assert_eq!(parts.suspects(), expected.suspects());
    }
}
