//! The broker against a simple model: sets and maps, without files. Sales, payments, returns and
//! redemptions in any order, with several handles and crashes, never create or lose a coin.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::host::Survives;
use crate::reply::Reply;

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const VENDORS: [&str; 2] = ["news.example", "shop.example"];

#[derive(Clone, Debug)]
enum Step {
    /// A user buys sets.
    Buy { user: usize, sets: u32 },
    /// A user pays a vendor with some coins, possibly spent before, possibly with an invalid
    /// authenticator.
    Pay { user: usize, vendor: usize, picks: Vec<u16>, junk: bool },
    /// A vendor sends the payments that it has, from number `from`, as a new batch.
    Redeem { vendor: usize, from: usize },
    /// A vendor sends an earlier batch again.
    RedeemAgain { pick: usize },
    /// A user returns some first balls, whether spent or not.
    Return { user: usize, picks: Vec<u16> },
    /// A user sends an earlier return again.
    ReturnAgain { pick: usize },
    /// Time passes: to the expiration, then to redeem-until.
    Later,
    /// The power fails: all handles are gone, and so is what was not synced.
    Crash { seed: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let picks = || prop::collection::vec(any::<u16>(), 1..5);
    prop_oneof![
        2 => (0..3usize, 1..3u32).prop_map(|(user, sets)| Step::Buy { user, sets }),
        6 => (0..3usize, 0..2usize, picks(), prop::bool::weighted(0.3))
            .prop_map(|(user, vendor, picks, junk)| Step::Pay { user, vendor, picks, junk }),
        4 => (0..2usize, 0..4usize).prop_map(|(vendor, from)| Step::Redeem { vendor, from }),
        1 => (0..99usize).prop_map(|pick| Step::RedeemAgain { pick }),
        3 => (0..3usize, picks()).prop_map(|(user, picks)| Step::Return { user, picks }),
        1 => (0..99usize).prop_map(|pick| Step::ReturnAgain { pick }),
        1 => Just(Step::Later),
        1 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
    ]
}

/// A claim of the model: its first ball by its x, its rank (0 is best), its order in time.
type Waiting = (u64, u8, usize, usize);

/// The model: who owns which first ball, which are paid, and which claims wait.
#[derive(Default)]
struct Reference {
    owners: BTreeMap<u64, usize>,
    paid: BTreeSet<u64>,
    waiting: Vec<Waiting>,
    /// The verdicts of every batch and return, by number.
    answers: Vec<Vec<Verdict>>,
    is_settled: bool,
}

impl Reference {
    /// Adds the claims of one batch or return: first balls with the rank of each.
    fn claim(&mut self, user_of: impl Fn(usize) -> usize, claims: &[(u64, u8)]) -> Vec<Verdict> {
        let answer = self.answers.len();
        let mut verdicts = Vec::new();
        for (i, &(x, rank)) in claims.iter().enumerate() {
            verdicts.push(if self.owners.get(&x) != Some(&user_of(i)) {
                Verdict::NotFromOwner
            } else if self.is_settled {
                Verdict::TooLate
            } else if self.paid.contains(&x) {
                Verdict::AlreadyPaid
            } else if rank == 0 {
                self.paid.insert(x);
                Verdict::Accepted
            } else {
                self.waiting.push((x, rank, answer, i));
                Verdict::Waiting
            });
        }
        self.answers.push(verdicts.clone());
        verdicts
    }

    /// At redeem-until the waiting claims are ordered by rank and time; the first on each ball is
    /// paid.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        self.waiting.sort_by_key(|(_, rank, answer, i)| (*rank, *answer, *i));
        for (x, _, answer, i) in std::mem::take(&mut self.waiting) {
            self.answers[answer][i] =
                if self.paid.insert(x) { Verdict::Accepted } else { Verdict::AlreadyPaid };
        }
    }
}

/// The broker and the model.
struct Run {
    directory: SimulatedDirectory,
    /// Two handles, as two processes would have; steps alternate between them.
    handles: [Option<Broker>; 2],
    turn: usize,
    reference: Reference,
    now: UnixTime,
    /// The payments that each vendor has.
    tills: [Vec<(usize, Payment, bool)>; 2],
    batches: Vec<(usize, RequestRedemption)>,
    returns: Vec<(usize, RequestCredit)>,
}

impl Run {
    fn new() -> Run {
        let directory = directory();
        let mut broker = open(&directory);
        for name in VENDORS {
            broker.register_vendor(&vendor(name), DURING).unwrap().granted().unwrap();
        }
        Run {
            directory,
            handles: [Some(broker), None],
            turn: 0,
            reference: Reference::default(),
            now: DURING,
            tills: Default::default(),
            batches: Vec::new(),
            returns: Vec::new(),
        }
    }

    /// The handle whose turn it is.
    fn broker(&mut self) -> &mut Broker {
        self.turn += 1;
        let directory = &self.directory;
        self.handles[self.turn % 2].get_or_insert_with(|| open(directory))
    }

    fn step(&mut self, number: usize, step: &Step) {
        match step {
            Step::Buy { user, sets } => self.buy(*user, *sets, number as u64),
            Step::Pay { user, vendor, picks, junk } => {
                self.pay(*user, *vendor, picks, *junk, number)
            }
            Step::Redeem { vendor, from } => self.redeem(*vendor, *from, number),
            Step::RedeemAgain { pick } => {
                if let Some((answer, batch)) = pick_of(&self.batches, *pick) {
                    let now = self.now;
                    let expected = self.reference.answers[answer].clone();
                    assert_eq!(redeem(self.broker(), &batch, now), expected);
                }
            }
            Step::Return { user, picks } => self.take_back(*user, picks, number),
            Step::ReturnAgain { pick } => {
                if let Some((answer, back)) = pick_of(&self.returns, *pick) {
                    let now = self.now;
                    let expected = self.reference.answers[answer].clone();
                    assert_eq!(take_back(self.broker(), &back, now), expected);
                }
            }
            Step::Later => {
                self.now = if self.now == DURING { EXPIRED } else { CLOSED };
                if self.now == CLOSED {
                    self.reference.settle();
                }
            }
            Step::Crash { seed } => {
                self.handles = [None, None];
                self.directory = self.directory.after_crash(Survives::Some(*seed));
            }
        }
    }

    fn buy(&mut self, who: usize, sets: u32, transaction: u64) {
        let (name, now) = (user(USERS[who]), self.now);
        match self.broker().withdraw(&name, sets, transaction, now).unwrap() {
            Reply::Granted(funds) => {
                assert_eq!(funds.sets.len(), sets as usize);
                for x in funds.sets.iter().flat_map(|set| &set.superbins[0]) {
                    assert_eq!(self.reference.owners.insert(*x, who), None, "sold twice");
                }
            }
            Reply::Refused(SaleRefusal::Expired { .. }) => assert!(now >= EXPIRED),
            Reply::Refused(SaleRefusal::SoldOut { left, .. }) => {
                assert!(left < u64::from(sets));
                let sold: usize = 32 - left as usize;
                assert!(self.reference.owners.len() > 12 * sold);
            }
            Reply::Refused(other) => panic!("{other}"),
        }
    }

    /// The coins for this vendor that the user could make of everything bought so far.
    fn coins(&self, who: usize, vendor_number: usize) -> Vec<Vec<u64>> {
        let mut firsts: Vec<u32> = self
            .reference
            .owners
            .iter()
            .filter(|(_, owner)| **owner == who)
            .filter_map(|(x, _)| MINT.rules().bin(*x).map(|bin| bin.superbin))
            .collect();
        firsts.sort_unstable();
        firsts.dedup();
        let (user, vendor) = (user(USERS[who]), vendor(VENDORS[vendor_number]));
        firsts.into_iter().flat_map(|first| MINT.coins(&user, &vendor, first)).collect()
    }

    fn pay(&mut self, who: usize, to: usize, picks: &[u16], junk: bool, number: usize) {
        let coins = self.coins(who, to);
        if coins.is_empty() {
            return;
        }
        let mut picked: Vec<Vec<u64>> =
            picks.iter().map(|pick| coins[*pick as usize % coins.len()].clone()).collect();
        picked.sort();
        picked.dedup();
        let paid = payment(&user(USERS[who]), &vendor(VENDORS[to]), &format!("p{number}"), &picked);
        self.tills[to].push((who, if junk { with_junk(paid) } else { paid }, junk));
    }

    fn redeem(&mut self, who: usize, from: usize, number: usize) {
        let held: Vec<(usize, Payment, bool)> =
            self.tills[who].iter().rev().take(from + 1).cloned().collect();
        let payments: Vec<Payment> = held.iter().map(|(_, payment, _)| payment.clone()).collect();
        let sent = batch(&vendor(VENDORS[who]), &format!("b{number}"), &payments);
        let mut payers = Vec::new();
        let mut claims = Vec::new();
        for (payer, payment, junk) in &held {
            for coin in payment.x.chunks(4) {
                payers.push(*payer);
                claims.push((coin[0], u8::from(*junk)));
            }
        }
        let was_settled = self.reference.is_settled;
        let expected = self.reference.claim(|i| payers[i], &claims);
        let now = self.now;
        assert_eq!(redeem(self.broker(), &sent, now), expected);
        if !was_settled {
            self.batches.push((self.reference.answers.len() - 1, sent));
        }
    }

    fn take_back(&mut self, who: usize, picks: &[u16], number: usize) {
        let owned: Vec<u64> = self.reference.owners.keys().copied().collect();
        if owned.is_empty() {
            return;
        }
        let x: Vec<u64> = picks.iter().map(|pick| owned[*pick as usize % owned.len()]).collect();
        let back = return_of(&user(USERS[who]), &format!("r{number}"), &x);
        let now = self.now;
        let answer = self.broker().take_back(&back, number as u64, now).unwrap();
        match answer {
            Reply::Granted(answer) => {
                let claims: Vec<(u64, u8)> = x.iter().map(|x| (*x, 2)).collect();
                assert_eq!(answer.verdicts, self.reference.claim(|_| who, &claims));
                self.returns.push((self.reference.answers.len() - 1, back));
            }
            Reply::Refused(ReturnRefusal::TooEarly { .. }) => assert!(now < EXPIRED),
            Reply::Refused(ReturnRefusal::TooLate { .. }) => assert!(self.reference.is_settled),
            Reply::Refused(ReturnRefusal::TooManyBalls { .. }) => {
                assert!(self.reference.owners.values().all(|owner| *owner != who));
            }
            Reply::Refused(other) => panic!("{other}"),
        }
    }

    /// At the end every coin is where the model says, and no more was paid than was sold.
    fn check_end(mut self) {
        self.now = CLOSED;
        self.reference.settle();
        for (answer, batch) in self.batches.clone() {
            assert_eq!(redeem(self.broker(), &batch, CLOSED), self.reference.answers[answer]);
        }
        for (answer, back) in self.returns.clone() {
            assert_eq!(take_back(self.broker(), &back, CLOSED), self.reference.answers[answer]);
        }
        let status = open(&self.directory).status(CLOSED).unwrap();
        assert_eq!(status.coins_paid + status.coins_credited, self.reference.paid.len() as u64);
        assert!(self.reference.paid.iter().all(|x| self.reference.owners.contains_key(x)));
        let coin_file = CoinFile::open(&self.directory, NAME).unwrap();
        for superbin in 0..64 {
            for (_, stored) in coin_file.superbin(superbin).unwrap().balls() {
                let is_paid = self.reference.paid.contains(&stored.x);
                assert_eq!(super::super::is_paid(stored.status), is_paid, "ball {:#x}", stored.x);
            }
        }
    }
}

fn pick_of<T: Clone>(of: &[T], pick: usize) -> Option<T> {
    of.get(pick % of.len().max(1)).cloned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn coins_are_conserved_in_any_interleaving(steps in prop::collection::vec(step(), 1..60)) {
        let mut run = Run::new();
        for (number, step) in steps.iter().enumerate() {
            run.step(number, step);
        }
        run.check_end();
    }
}
