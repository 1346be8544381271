//! What clients and vendors do while programs are killed. Everything is sent twice, and the answers
//! are compared.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

use micromint::authenticator::{AUTHENTICATOR_SIZE, Authenticator, Key};
use micromint::host::{Entropy, SystemEntropy};
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{
    FundsCredited, FundsWithdrawn, OwnersSold, Payment, RedemptionResult, RequestCredit,
    RequestOwners, RequestRedemption, RequestWatch, Unsigned, Url, Verdict, push_record,
};

use crate::world::{MINT, PERIOD, Phase, VENDORS, World, secret};

pub(crate) const USERS: usize = 3;
/// How many batches are kept to be sent again.
const BATCHES_KEPT: usize = 32;
const MESSAGE: (&str, &str) = ("Content-Type", "application/x-micromint");

pub(crate) fn name(number: usize) -> String {
    format!("user-{number}")
}

/// A client, and the vendors whom it pays.
pub(crate) struct Load<'a> {
    world: &'a World,
    user: UserId,
    user_key: Key,
    api_key: String,
    /// The first superbins of the sets that were bought.
    bought: BTreeSet<u32>,
    /// Those of which nothing was spent.
    unspent: Vec<u32>,
    /// Batches with the answers to them.
    batches: VecDeque<(Vec<u8>, RedemptionResult)>,
    /// The generation and the number of owner tags that a vendor holds.
    owners: (u32, u32),
}

impl Load<'_> {
    pub(crate) fn new(world: &World, number: usize) -> Load<'_> {
        let user: UserId = name(number).parse().unwrap();
        Load {
            world,
            user_key: secret().user_key(MINT.params().period(), &user),
            api_key: world.done(&["key", user.as_str()]),
            user,
            bought: BTreeSet::new(),
            unspent: Vec::new(),
            batches: VecDeque::new(),
            owners: (0, 0),
        }
    }

    /// Works until the end.
    pub(crate) fn run(mut self) {
        while !self.world.ended.load(Ordering::Relaxed) {
            match self.world.phase() {
                Phase::Selling => match self.bought.len() % 4 {
                    3 => self.buy_and_keep(),
                    _ => self.buy_and_redeem(),
                },
                Phase::Returning => self.give_back(),
                Phase::Closed => {}
            }
            self.send_again();
            self.ask_for_owners();
        }
    }

    /// Buys a set. Returns its first superbin; `None` if nothing is sold now.
    pub(crate) fn buy(&mut self) -> Option<u32> {
        let bearer = format!("Bearer {}", self.api_key);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let transaction = SystemEntropy.number().unwrap();
        let order = format!("{{\"sets\": 1, \"transaction\": \"{transaction}\"}}");
        let buy = || self.world.send("/v1/purchases", &headers, order.as_bytes());
        let (status, message) = buy();
        assert_eq!(buy(), (status, message.clone()));
        // Nothing is left or sold, and an account that goes on asking has to wait (429).
        if matches!(status, 409 | 410 | 429) {
            return None;
        }
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&message));
        let funds = FundsWithdrawn::parse(&message).unwrap();
        let first = MINT.rules().bin(funds.sets[0].superbins[0][0]).unwrap().superbin;
        assert!(self.bought.insert(first), "a set was sold twice");
        self.world.sold.fetch_add(1, Ordering::Relaxed);
        Some(first)
    }

    pub(crate) fn buy_and_redeem(&mut self) {
        let Some(first) = self.buy() else { return };
        let vendor = vendor_of(first);
        let coins = MINT.coins(&self.user, &vendor, first);
        let payments = self.payments(&vendor, first, &coins);
        self.watch(&vendor, &payments[..payments.len().min(2)]);
        self.redeem(&vendor, &payments, Verdict::Accepted);
    }

    fn buy_and_keep(&mut self) {
        let Some(first) = self.buy() else { return };
        self.unspent.push(first);
    }

    /// Returns half of the balls of an unspent set, and spends a ball that was returned, and one
    /// that was not without an Authenticator.
    fn give_back(&mut self) {
        let Some(first) = self.unspent.pop() else { return };
        let all = &MINT.set(&self.user, first).superbins[0];
        let returned = &all[..all.len().div_ceil(2)];
        let Some(verdicts) = self.return_balls(first, returned) else {
            self.unspent.push(first);
            return;
        };
        assert_eq!(verdicts, vec![Verdict::Waiting; returned.len()]);
        let vendor = vendor_of(first);
        let coins = MINT.coins(&self.user, &vendor, first);
        let is_returned = |coin: &Vec<u64>| returned.contains(&coin[0]);
        let (spent, kept): (Vec<_>, Vec<_>) = coins.into_iter().partition(is_returned);
        let spent = self.payments(&vendor, first, &spent[..spent.len().min(1)]);
        self.redeem(&vendor, &spent, Verdict::Accepted);
        let mut doubtful = self.payments(&vendor, first, &kept[..kept.len().min(1)]);
        for payment in &mut doubtful {
            payment.authenticator = Authenticator::from_bytes([1; AUTHENTICATOR_SIZE]);
        }
        self.redeem(&vendor, &doubtful, Verdict::Waiting);
    }

    /// Returns balls. `None` if the clock does not allow it.
    fn return_balls(&self, first: u32, x: &[u64]) -> Option<Vec<Verdict>> {
        let id = format!("r-{first}");
        let data: Vec<u8> = x.iter().flat_map(|x| x.to_be_bytes()).collect();
        let request = RequestCredit {
            authenticator: self.user_key.request_credit(&id, &data),
            user: self.user.clone(),
            period: MINT.params().period().clone(),
            request: id.parse().unwrap(),
            x: x.to_vec(),
        }
        .to_bytes();
        let (status, answer) = self.world.send("/v1/returns", &[MESSAGE], &request);
        // A process whose clock is behind, and one that closed meanwhile.
        // Nothing is left or sold, and an account that goes on asking has to wait (429).
        if matches!(status, 409 | 410 | 429) {
            return None;
        }
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        let verdicts = FundsCredited::parse(&answer).unwrap().verdicts;
        (self.world.phase() != Phase::Closed).then_some(verdicts)
    }

    /// A payment for each coin.
    fn payments(&self, vendor: &VendorId, first: u32, coins: &[Vec<u64>]) -> Vec<Payment> {
        let pay = |(page, coin): (usize, &Vec<u64>)| {
            let url: Url = format!("https://{vendor}/{first}/{page}").parse().unwrap();
            MINT.payment(&self.user, &self.user_key, vendor, &url, std::slice::from_ref(coin))
        };
        coins.iter().enumerate().map(pay).collect()
    }

    /// Redeems payments of one coin each, for all of which this verdict is expected.
    fn redeem(&mut self, vendor: &VendorId, payments: &[Payment], expected: Verdict) {
        let batch = RequestRedemption {
            vendor: vendor.clone(),
            batch: SystemEntropy.number().unwrap().to_string().parse().unwrap(),
            period: MINT.params().period().clone(),
            payments: payments.len() as u32,
            authenticator: Unsigned,
            data: records(payments),
        }
        .authenticated(&secret().vendor_key(vendor))
        .to_bytes();
        let result = self.judged(&batch);
        let is_late = result.verdicts.contains(&Verdict::TooLate);
        if is_late && self.world.phase() == Phase::Closed {
            return;
        }
        assert_eq!(result.verdicts, vec![expected; payments.len()]);
        if expected == Verdict::Accepted {
            self.world.redeemed.fetch_add(payments.len() as u64, Ordering::Relaxed);
        }
        if self.batches.len() == BATCHES_KEPT {
            self.batches.pop_front();
        }
        self.batches.push_back((batch, result));
    }

    fn judged(&self, batch: &[u8]) -> RedemptionResult {
        let (status, answer) = self.world.send("/v1/redemptions", &[MESSAGE], batch);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        RedemptionResult::parse(&answer).unwrap()
    }

    /// Sends an earlier batch again: a verdict changes only if the coin waited.
    fn send_again(&mut self) {
        let Some((batch, before)) = self.batches.pop_front() else { return };
        let again = self.judged(&batch);
        assert_eq!(again.verdicts.len(), before.verdicts.len());
        for (verdict, before) in again.verdicts.iter().zip(&before.verdicts) {
            assert!(verdict == before || *before == Verdict::Waiting, "{before:?} {verdict:?}");
        }
        self.batches.push_back((batch, before));
    }

    fn watch(&self, vendor: &VendorId, payments: &[Payment]) {
        let watch = RequestWatch {
            vendor: vendor.clone(),
            period: MINT.params().period().clone(),
            watch: SystemEntropy.number().unwrap().to_string().parse().unwrap(),
            payments: payments.len() as u32,
            authenticator: Unsigned,
            data: records(payments),
        }
        .authenticated(&secret().vendor_key(vendor).sync_key())
        .to_bytes();
        for _ in 0..2 {
            let (status, answer) = self.world.send("/v1/watch", &[MESSAGE], &watch);
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        }
    }

    /// Asks for the owner tags that are new. There is one for each set that this client bought.
    fn ask_for_owners(&mut self) {
        let (vendor, (generation, held)) = (VENDORS[0].parse::<VendorId>().unwrap(), self.owners);
        let key = secret().vendor_key(&vendor).sync_key();
        let request = RequestOwners {
            vendor,
            period: MINT.params().period().clone(),
            generation,
            held,
            nonce: SystemEntropy.number().unwrap().to_string().parse().unwrap(),
            authenticator: Unsigned,
        }
        .authenticated(&key);
        let path = format!("/v1/periods/{PERIOD}/owners");
        let (status, answer) = self.world.send(&path, &[MESSAGE], &request.to_bytes());
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        let sold = OwnersSold::parse(&answer).unwrap();
        assert!(sold.answers(&request, &key));
        assert_eq!((sold.generation, sold.from), (1, held));
        let all = held + sold.tags.len() as u32;
        let last = self.bought.last().map_or(0, |first| first / 2 + 1);
        assert!(all >= last, "{all} tags, and set {last} is sold");
        self.owners = (1, all);
    }
}

fn vendor_of(first: u32) -> VendorId {
    VENDORS[first as usize / 2 % VENDORS.len()].parse().unwrap()
}

fn records(payments: &[Payment]) -> Vec<u8> {
    let mut data = Vec::new();
    for payment in payments {
        push_record(&mut data, &payment.record().to_bytes());
    }
    data
}
