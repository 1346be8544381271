//! The till against a model: a map from coins to payments.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::till::position::{cap_day, day_of};

#[derive(Clone, Debug)]
enum Step {
    Spend {
        till: usize,
        payment: Sent,
    },
    /// The first till records these without blocking if possible.
    Group(Vec<Sent>),
    Reverse {
        till: usize,
        which: usize,
    },
    Pass(i64),
    Reopen(usize),
    LoseIndexes,
}

#[derive(Clone, Debug)]
struct Sent {
    coins: Vec<u32>,
    number: u8,
    user: usize,
    period: usize,
    cap: Option<u32>,
}

impl Sent {
    fn pay(&self) -> Pay {
        let payment = pay(&self.coins).into_another(self.number);
        Pay { cap: self.cap, ..payment.by(USERS[self.user]).of(PERIODS[self.period]) }
    }
}

const USERS: [&str; 2] = ["alice", "bob"];
const MODES: [SyncMode; 2] = [SyncMode::Os, SyncMode::Always];
const PERIODS: [&str; 2] = ["2026-12", "2027-01"];

fn sent(cap: impl Strategy<Value = Option<u32>>) -> impl Strategy<Value = Sent> {
    let coins = prop::collection::btree_set(0u32..12, 1..4);
    (coins, 0u8..3, 0usize..2, 0usize..2, cap).prop_map(|(coins, number, user, period, cap)| Sent {
        coins: coins.into_iter().collect(),
        number,
        user,
        period,
        cap,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let cap = prop_oneof![3 => Just(None), 1 => (1u32..12).prop_map(Some)];
    prop_oneof![
        12 => (0usize..2, sent(cap)).prop_map(|(till, payment)| Step::Spend { till, payment }),
        4 => prop::collection::vec(sent(Just(None)), 1..6).prop_map(Step::Group),
        4 => (0usize..2, any::<prop::sample::Index>())
            .prop_map(|(till, which)| Step::Reverse { till, which: which.index(1000) }),
        3 => prop_oneof![0i64..700, Just(50_000), -900i64..0].prop_map(Step::Pass),
        1 => (0usize..2).prop_map(Step::Reopen),
        1 => Just(Step::LoseIndexes),
    ]
}

#[derive(Default)]
struct Model {
    payments: Vec<ModelPayment>,
    /// The payment that holds a coin, by period and coin.
    spent: BTreeMap<(usize, u32), usize>,
    day: u32,
}

struct ModelPayment {
    id: PaymentId,
    coins: Vec<u32>,
    period: usize,
    user: usize,
    fingerprint: u8,
    recorded_at: i64,
    day: u32,
    is_retried: bool,
    is_reversed: bool,
}

impl Model {
    fn retry(&mut self, period: usize, first: u32, fingerprint: u8, now: i64) -> Option<i64> {
        let payment = &mut self.payments[*self.spent.get(&(period, first))?];
        let is_it = payment.fingerprint == fingerprint && now - payment.recorded_at <= 3600;
        if is_it && !payment.is_retried {
            self.day = self.day.max(day_of(UnixTime(now)));
        }
        payment.is_retried |= is_it;
        is_it.then_some(payment.recorded_at)
    }

    /// Adds a payment with the till's answer, which must be the right one.
    fn add(&mut self, sent: &Sent, spent: Spent, now: i64) -> Result<(), TestCaseError> {
        let Sent { coins, number, user, period, cap } = sent;
        if let Some(recorded_at) = self.retry(*period, coins[0], *number, now) {
            prop_assert_eq!(spent, Spent::Retry { recorded_at: UnixTime(recorded_at) });
            return Ok(());
        }
        self.day = self.day.max(day_of(UnixTime(now)));
        if cap.is_some_and(|cap| self.coins_today(*user, now) + coins.len() as u32 > cap) {
            prop_assert_eq!(spent, Spent::CapReached);
            return Ok(());
        }
        if coins.iter().any(|coin| self.spent.contains_key(&(*period, *coin))) {
            prop_assert_eq!(spent, Spent::AlreadySpent);
            return Ok(());
        }
        let Spent::Recorded(id) = spent else {
            return Err(TestCaseError::fail(format!("{spent:?}")));
        };
        let index = self.payments.len();
        self.spent.extend(coins.iter().map(|coin| ((*period, *coin), index)));
        self.payments.push(ModelPayment {
            id,
            coins: coins.clone(),
            period: *period,
            user: *user,
            fingerprint: *number,
            recorded_at: now,
            day: self.day,
            is_retried: false,
            is_reversed: false,
        });
        let last = self.payments.last();
        prop_assert_eq!(last.map(|payment| payment.period), Some(*period));
        Ok(())
    }

    fn coins_today(&self, user: usize, now: i64) -> u32 {
        let today = cap_day(self.day, UnixTime(now));
        let todays = |payment: &&ModelPayment| {
            payment.user == user
                && cap_day(payment.day, UnixTime(payment.recorded_at)) == today
                && !payment.is_reversed
        };
        self.payments.iter().filter(todays).map(|payment| payment.coins.len() as u32).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_till_agrees_with_a_map(steps in prop::collection::vec(step(), 1..60)) {
        let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
        // The first one records without blocking if possible.
        let open = |till: usize| open_with(&directory, MODES[till], &clock).unwrap();
        let mut tills = [open(0), open(1)];
        let mut model = Model::default();
        for step in steps {
            let now = clock.now().0;
            match step {
                Step::Pass(seconds) => clock.pass(seconds),
                Step::Reopen(till) => tills[till] = open(till),
                Step::LoseIndexes => {
                    let names = directory.names().unwrap();
                    for name in names.iter().filter(|name| name.ends_with(".index")) {
                        directory.remove(name).unwrap();
                    }
                    tills[0] = open(0);
                }
                Step::Reverse { till, which } => {
                    let count = model.payments.len();
                    let Some(payment) = model.payments.get_mut(which % count.max(1)) else {
                        continue;
                    };
                    let is_late = now - payment.recorded_at > 600;
                    let is_void = payment.is_retried || payment.is_reversed || is_late;
                    let expected = if is_void { Reversal::Void } else { Reversal::Reversed };
                    prop_assert_eq!(tills[till].reverse(payment.id).unwrap(), expected);
                    if !is_void {
                        payment.is_reversed = true;
                        model.day = model.day.max(day_of(UnixTime(now)));
                        model.spent.retain(|_, payment| *payment != which % count);
                    }
                }
                Step::Spend { till, payment: sent } => {
                    let payment = sent.pay();
                    let would = payment.would(&tills[1 - till]).unwrap();
                    let spent = payment.spend(&tills[till]).unwrap();
                    let refused = Some(spent).filter(|spent| !matches!(spent, Spent::Recorded(_)));
                    prop_assert_eq!(would, refused);
                    model.add(&sent, spent, now)?;
                }
                Step::Group(group) => {
                    let payments: Vec<Pay> = group.iter().map(Sent::pay).collect();
                    let spends: Vec<Spend<'_>> = payments.iter().map(Pay::as_spend).collect();
                    let spent = tills[0].try_spend_group(&spends);
                    for (sent, spent) in group.iter().zip(&spent) {
                        if let Some(spent) = spent {
                            model.add(sent, *spent, now)?;
                        }
                    }
                    for ((sent, spend), _) in
                        group.iter().zip(&spends).zip(&spent).filter(|(_, spent)| spent.is_none())
                    {
                        model.add(sent, tills[0].spend(spend).unwrap(), now)?;
                    }
                }
            }
        }
    }
}
