//! The broker against a simple model of sets and maps. Sales, payments, watches, returns,
//! redemptions, compromised bins and rulings in any order never create or lose a coin.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::authenticator::OwnerToken;
use crate::reply::Reply;

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const VENDORS: [&str; 2] = ["news.example", "shop.example"];

/// What is wrong with a payment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The Authenticator is wrong.
    Unsigned,
    /// Authenticator and tokens are wrong.
    Stranger,
    /// The first balls are not the minted ones, and the payment is signed.
    Spoiled,
}

#[derive(Clone, Debug)]
enum Step {
    /// A user buys sets.
    Buy { user: usize, sets: u32 },
    /// A user pays a vendor with some coins, possibly spent before, possibly with a fault.
    Pay { user: usize, vendor: usize, picks: Vec<u16>, fault: Fault },
    /// A vendor sends the payments that it has, from number `from`, as a new batch.
    Redeem { vendor: usize, from: usize },
    /// A vendor sends an earlier batch again.
    RedeemAgain { pick: usize },
    /// A vendor shows the payments that it has, from number `from`.
    Watch { vendor: usize, from: usize },
    /// A user returns some first balls, whether spent or not.
    Return { user: usize, picks: Vec<u16> },
    /// A user sends an earlier return again.
    ReturnAgain { pick: usize },
    /// The broker declares a bin compromised.
    Compromise { superbin: u32, subbin: u32 },
    /// A person decides the disputes of a vendor.
    Decide { vendor: usize, ruling: Ruling },
    /// Time passes: to the expiration, then to redeem-until.
    Later,
}

fn step() -> impl Strategy<Value = Step> {
    let picks = || prop::collection::vec(any::<u16>(), 1..5);
    let fault = prop_oneof![
        5 => Just(Fault::None),
        2 => Just(Fault::Unsigned),
        1 => Just(Fault::Stranger),
        1 => Just(Fault::Spoiled),
    ];
    prop_oneof![
        4 => (0..3usize, 1..3u32).prop_map(|(user, sets)| Step::Buy { user, sets }),
        12 => (0..3usize, 0..2usize, picks(), fault)
            .prop_map(|(user, vendor, picks, fault)| Step::Pay { user, vendor, picks, fault }),
        8 => (0..2usize, 0..4usize).prop_map(|(vendor, from)| Step::Redeem { vendor, from }),
        2 => (0..99usize).prop_map(|pick| Step::RedeemAgain { pick }),
        2 => (0..2usize, 0..4usize).prop_map(|(vendor, from)| Step::Watch { vendor, from }),
        6 => (0..3usize, picks()).prop_map(|(user, picks)| Step::Return { user, picks }),
        2 => (0..99usize).prop_map(|pick| Step::ReturnAgain { pick }),
        1 => (0..12u32, 0..16u32)
            .prop_map(|(superbin, subbin)| Step::Compromise { superbin, subbin }),
        1 => (0..2usize, any::<bool>()).prop_map(|(vendor, pay)| {
            Step::Decide { vendor, ruling: if pay { Ruling::Pay } else { Ruling::Refuse } }
        }),
        2 => Just(Step::Later),
    ]
}

/// A coin or a returned ball of the model.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// The minted ball of its first bin.
    x: u64,
    user: usize,
    fault: Fault,
    /// A ball is in a compromised bin.
    is_compromised: bool,
}

/// A claim of the model that waits.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Waiting {
    x: u64,
    /// `None` for a return.
    vendor: Option<usize>,
    answer: usize,
    index: usize,
}

/// The model: who owns which first ball, which are paid, and which claims wait.
#[derive(Default)]
struct Reference {
    owners: BTreeMap<u64, usize>,
    paid: BTreeSet<u64>,
    credited: BTreeSet<u64>,
    waiting: Vec<Waiting>,
    /// After the settlement: the contenders for each disputed ball.
    disputed: BTreeMap<u64, Vec<Waiting>>,
    /// For each vendor the number of coins paid at once, and of those that wait.
    counts: [(usize, usize); 2],
    compromised: BTreeSet<Bin>,
    /// The verdicts of every batch and return, by number.
    answers: Vec<Vec<Verdict>>,
    is_settled: bool,
}

impl Reference {
    /// The verdict on a coin or ball now.
    fn verdict(&self, sent: &Sent, is_return: bool) -> Verdict {
        let is_doubtful = sent.fault != Fault::None && !is_return;
        if self.owners.get(&sent.x) != Some(&sent.user) || sent.fault == Fault::Stranger {
            Verdict::NotFromOwner
        } else if is_doubtful && sent.is_compromised {
            Verdict::Compromised
        } else if self.is_settled {
            Verdict::TooLate
        } else if self.paid.contains(&sent.x) {
            Verdict::AlreadyPaid
        } else if is_doubtful || is_return {
            Verdict::Waiting
        } else {
            Verdict::Accepted
        }
    }

    /// Adds the claims of one batch or return.
    fn claim(&mut self, vendor: Option<usize>, all: &[Sent]) -> Vec<Verdict> {
        let answer = self.answers.len();
        let mut verdicts = Vec::new();
        for (index, sent) in all.iter().enumerate() {
            let verdict = self.verdict(sent, vendor.is_none());
            if verdict == Verdict::Accepted {
                self.paid.insert(sent.x);
            }
            if verdict == Verdict::Waiting {
                self.waiting.push(Waiting { x: sent.x, vendor, answer, index });
            }
            if let Some(vendor) = vendor {
                self.counts[vendor].0 += usize::from(verdict == Verdict::Accepted);
                self.counts[vendor].1 += usize::from(verdict == Verdict::Waiting);
            }
            verdicts.push(verdict);
        }
        self.answers.push(verdicts.clone());
        verdicts
    }

    fn is_held(&self, vendor: usize) -> bool {
        let (at_once, doubtful) = self.counts[vendor];
        doubtful * 100 > at_once + doubtful
    }

    fn set(&mut self, claim: Waiting, verdict: Verdict) {
        self.answers[claim.answer][claim.index] = verdict;
    }

    /// At redeem-until the waiting claims are decided ball by ball.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|claim| (claim.answer, claim.index));
        for claim in &waiting {
            self.set(*claim, Verdict::AlreadyPaid);
        }
        let unpaid: BTreeSet<u64> =
            waiting.iter().map(|claim| claim.x).filter(|x| !self.paid.contains(x)).collect();
        for x in unpaid {
            let mut of_ball: Vec<Waiting> = Vec::new();
            for claim in waiting.iter().filter(|claim| claim.x == x) {
                if of_ball.iter().all(|other| other.vendor != claim.vendor) {
                    of_ball.push(*claim);
                }
            }
            self.award(x, of_ball);
        }
    }

    /// Gives the ball to one of its contenders, or leaves it disputed.
    fn award(&mut self, x: u64, of_ball: Vec<Waiting>) {
        let payments: Vec<Waiting> =
            of_ball.iter().filter(|claim| claim.vendor.is_some()).copied().collect();
        let back = of_ball.iter().find(|claim| claim.vendor.is_none()).copied();
        let free = payments.iter().find(|claim| !self.is_held(claim.vendor.unwrap())).copied();
        match (payments.is_empty(), back, free) {
            (true, Some(back), _) => {
                self.set(back, Verdict::Accepted);
                self.credited.insert(x);
            }
            (false, None, Some(free)) => {
                self.set(free, Verdict::Accepted);
                self.paid.insert(x);
            }
            (false, _, _) => {
                of_ball.iter().for_each(|claim| self.set(*claim, Verdict::Disputed));
                self.disputed.insert(x, of_ball);
            }
            (true, None, _) => {}
        }
    }

    fn decide(&mut self, vendor: usize, ruling: Ruling) {
        for (x, of_ball) in std::mem::take(&mut self.disputed) {
            let Some(its) = of_ball.iter().find(|claim| claim.vendor == Some(vendor)).copied()
            else {
                self.disputed.insert(x, of_ball);
                continue;
            };
            of_ball.iter().for_each(|claim| self.set(*claim, Verdict::AlreadyPaid));
            match ruling {
                Ruling::Pay => {
                    self.set(its, Verdict::Accepted);
                    self.paid.insert(x);
                }
                Ruling::Refuse => {
                    self.set(its, Verdict::NotFromOwner);
                    self.award(x, of_ball.into_iter().filter(|claim| *claim != its).collect());
                }
            }
        }
    }
}

/// The broker and the model.
struct Run {
    broker: MemoryBroker,
    reference: Reference,
    now: UnixTime,
    /// The payments that each vendor has, with their payers.
    tills: [Vec<(usize, Payment, Fault)>; 2],
    batches: Vec<(usize, RequestRedemption)>,
    returns: Vec<(usize, RequestCredit)>,
}

impl Run {
    fn new() -> Run {
        let mut broker = open();
        for name in VENDORS {
            broker.register_vendor(&vendor(name), DURING).granted().unwrap();
        }
        Run {
            broker,
            reference: Reference::default(),
            now: DURING,
            tills: Default::default(),
            batches: Vec::new(),
            returns: Vec::new(),
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        let now = self.now;
        match step {
            Step::Buy { user, sets } => self.buy(*user, *sets, number as u64),
            Step::Pay { user, vendor, picks, fault } => {
                self.pay(*user, *vendor, picks, *fault, number);
            }
            Step::Redeem { vendor, from } => self.redeem(*vendor, *from, number),
            Step::RedeemAgain { pick } => {
                if let Some((answer, batch)) = pick_of(&self.batches, *pick) {
                    let expected = self.reference.answers[answer].clone();
                    assert_eq!(redeem(&mut self.broker, &batch, now), expected);
                }
            }
            Step::Watch { vendor, from } => self.watch(*vendor, *from, number),
            Step::Return { user, picks } => self.take_back(*user, picks, number),
            Step::ReturnAgain { pick } => {
                if let Some((answer, back)) = pick_of(&self.returns, *pick) {
                    let expected = self.reference.answers[answer].clone();
                    assert_eq!(take_back(&mut self.broker, &back, now), expected);
                }
            }
            Step::Compromise { superbin, subbin } => {
                let bins = BinRange { superbin: *superbin, first: *subbin, count: 1 };
                let fresh = self.broker.compromise(bins).unwrap().granted().unwrap();
                let bin = Bin { superbin: *superbin, subbin: *subbin };
                let is_new = MINT.ball(bin).is_some() && self.reference.compromised.insert(bin);
                assert_eq!(fresh, u64::from(is_new));
            }
            Step::Decide { vendor: of, ruling } => {
                let of_vendor = vendor(VENDORS[*of]);
                let outcome = self.broker.decide_dispute(&of_vendor, None, *ruling);
                let had_disputes = self
                    .reference
                    .disputed
                    .values()
                    .flatten()
                    .any(|claim| claim.vendor == Some(*of));
                assert_eq!(outcome.granted().is_some(), had_disputes);
                self.reference.decide(*of, *ruling);
            }
            Step::Later => {
                self.now = if now == DURING { EXPIRED } else { CLOSED };
                if self.now == CLOSED {
                    assert!(self.broker.settle(CLOSED));
                    self.reference.settle();
                }
            }
        }
    }

    fn buy(&mut self, who: usize, sets: u32, transaction: u64) {
        let (name, now) = (user(USERS[who]), self.now);
        match self.broker.withdraw(&name, sets, transaction, now).unwrap() {
            Reply::Granted(funds) => {
                assert_eq!(funds.sets.len(), sets as usize);
                for x in funds.sets.iter().flat_map(|set| &set.superbins[0]) {
                    assert_eq!(self.reference.owners.insert(*x, who), None, "sold twice");
                    let bin = MINT.rules().bin(*x).unwrap();
                    assert!(!self.reference.compromised.contains(&bin), "sold {bin:?}");
                }
            }
            Reply::Refused(SaleRefusal::Expired { .. }) => assert!(now >= EXPIRED),
            Reply::Refused(SaleRefusal::SoldOut { left, .. }) => {
                assert!(left < u64::from(sets));
                let sold: usize = 32 - left as usize;
                assert!(self.reference.owners.len() > 11 * sold);
            }
            Reply::Refused(other) => panic!("{other}"),
        }
    }

    /// The coins for this vendor that the user could make of everything bought so far.
    fn coins(&self, who: usize, vendor_number: usize) -> Vec<Vec<u64>> {
        let owned = |x: &u64| self.reference.owners.get(x) == Some(&who);
        let mut firsts: Vec<u32> = self
            .reference
            .owners
            .keys()
            .filter(|x| owned(x))
            .filter_map(|x| MINT.rules().bin(*x).map(|bin| bin.superbin))
            .collect();
        firsts.sort_unstable();
        firsts.dedup();
        let (user, vendor) = (user(USERS[who]), vendor(VENDORS[vendor_number]));
        let coins = firsts.into_iter().flat_map(|first| MINT.coins(&user, &vendor, first));
        coins.filter(|coin| owned(&coin[0])).collect()
    }

    fn pay(&mut self, who: usize, to: usize, picks: &[u16], fault: Fault, number: usize) {
        let coins = self.coins(who, to);
        if coins.is_empty() {
            return;
        }
        let mut picked: Vec<Vec<u64>> =
            picks.iter().map(|pick| coins[*pick as usize % coins.len()].clone()).collect();
        picked.sort();
        picked.dedup();
        if fault == Fault::Spoiled {
            picked.iter_mut().for_each(|coin| coin[0] = other_ball(coin[0]));
        }
        let paid = payment(&user(USERS[who]), &vendor(VENDORS[to]), &format!("p{number}"), &picked);
        let paid = match fault {
            Fault::None | Fault::Spoiled => paid,
            Fault::Unsigned => with_junk(paid),
            Fault::Stranger => {
                let mut paid = with_junk(paid);
                paid.owner_tokens.fill(OwnerToken::from_bytes([1; 8]));
                paid
            }
        };
        self.tills[to].push((who, paid, fault));
    }

    /// The last payments of a vendor, and their coins as the model sees them.
    fn taken(&self, who: usize, from: usize) -> (Vec<Payment>, Vec<Sent>) {
        let held: Vec<&(usize, Payment, Fault)> =
            self.tills[who].iter().rev().take(from + 1).collect();
        let mut sent = Vec::new();
        for (user, payment, fault) in &held {
            for coin in payment.x.chunks(4) {
                let bins: Vec<Bin> = coin.iter().map(|x| MINT.rules().bin(*x).unwrap()).collect();
                let is_compromised =
                    bins.iter().any(|bin| self.reference.compromised.contains(bin));
                let x = MINT.ball(bins[0]).unwrap();
                sent.push(Sent { x, user: *user, fault: *fault, is_compromised });
            }
        }
        (held.into_iter().map(|(_, payment, _)| payment.clone()).collect(), sent)
    }

    fn redeem(&mut self, who: usize, from: usize, number: usize) {
        let (payments, claims) = self.taken(who, from);
        let sent = batch(&vendor(VENDORS[who]), &format!("b{number}"), &payments);
        let was_settled = self.reference.is_settled;
        let expected = self.reference.claim(Some(who), &claims);
        let now = self.now;
        assert_eq!(redeem(&mut self.broker, &sent, now), expected);
        if !was_settled {
            self.batches.push((self.reference.answers.len() - 1, sent));
        }
    }

    fn watch(&mut self, who: usize, from: usize, number: usize) {
        let (payments, shown) = self.taken(who, from);
        let request = watch(&vendor(VENDORS[who]), &format!("w{number}"), &payments);
        // A coin that is shown twice is good the first time only.
        let mut seen = BTreeSet::new();
        let mut expected = Vec::new();
        for sent in &shown {
            let verdict = self.reference.verdict(sent, false);
            let is_again = verdict == Verdict::Accepted && !seen.insert(sent.x)
                || verdict == Verdict::Waiting && seen.contains(&sent.x);
            expected.push(if is_again { Verdict::AlreadyPaid } else { verdict });
        }
        let now = self.now;
        let answer = self.broker.watch(&request, now).unwrap().granted().unwrap();
        assert_eq!(answer.result.verdicts, expected);
    }

    fn take_back(&mut self, who: usize, picks: &[u16], number: usize) {
        let owned: Vec<u64> = self.reference.owners.keys().copied().collect();
        if owned.is_empty() {
            return;
        }
        let x: Vec<u64> = picks.iter().map(|pick| owned[*pick as usize % owned.len()]).collect();
        let back = return_of(&user(USERS[who]), &format!("r{number}"), &x);
        let now = self.now;
        let answer = self.broker.take_back(&back, number as u64, now).unwrap();
        match answer {
            Reply::Granted(answer) => {
                let ball =
                    |x: &u64| Sent { x: *x, user: who, fault: Fault::None, is_compromised: false };
                let claims: Vec<Sent> = x.iter().map(ball).collect();
                assert_eq!(answer.verdicts, self.reference.claim(None, &claims));
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
        assert!(self.broker.settle(CLOSED));
        self.reference.settle();
        for (answer, batch) in self.batches.clone() {
            assert_eq!(redeem(&mut self.broker, &batch, CLOSED), self.reference.answers[answer]);
        }
        for (answer, back) in self.returns.clone() {
            assert_eq!(take_back(&mut self.broker, &back, CLOSED), self.reference.answers[answer]);
        }
        let reference = &self.reference;
        let coins = self.broker.status().coins;
        assert!(coins.is_balanced(), "{coins:?}");
        assert_eq!(coins.sold, reference.owners.len() as u64);
        assert_eq!(coins.paid, reference.paid.len() as u64);
        assert_eq!(coins.credited, reference.credited.len() as u64);
        assert_eq!(coins.disputed, reference.disputed.len() as u64);
        // Only users who signed a spoiled coin, or one coin at both vendors, can be named.
        let named = self.broker.offenders();
        for found in named {
            let who = USERS.iter().position(|name| *name == found.user.as_str()).unwrap();
            assert!(self.has_cheated(who), "{found:?}");
        }
    }

    fn has_cheated(&self, who: usize) -> bool {
        let signed = |vendor: usize| {
            let by_user = self.tills[vendor].iter().filter(|(user, ..)| *user == who);
            by_user.filter(|(.., fault)| matches!(fault, Fault::None | Fault::Spoiled))
        };
        let firsts = |vendor: usize| -> BTreeSet<Bin> {
            let balls = signed(vendor).flat_map(|(_, payment, _)| payment.x.chunks(4));
            balls.map(|coin| MINT.rules().bin(coin[0]).unwrap()).collect()
        };
        let is_spoiled = |vendor| signed(vendor).any(|(.., fault)| *fault == Fault::Spoiled);
        is_spoiled(0) || is_spoiled(1) || !firsts(0).is_disjoint(&firsts(1))
    }
}

/// Another ball of the same bin, which was not minted.
fn other_ball(x: u64) -> u64 {
    let bin = MINT.rules().bin(x);
    (1 << 15..).find(|x| MINT.rules().bin(*x) == bin).unwrap()
}

fn pick_of<T: Clone>(of: &[T], pick: usize) -> Option<T> {
    of.get(pick % of.len().max(1)).cloned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn coins_are_conserved_in_any_interleaving(steps in prop::collection::vec(step(), 1..80)) {
        let mut run = Run::new();
        for (number, step) in steps.iter().enumerate() {
            run.step(number, step);
        }
        run.check_end();
    }
}
