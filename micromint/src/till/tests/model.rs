//! The till against a model: a map from coins to payments.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::till::position::{cap_day, day_of};

#[derive(Clone, Debug)]
enum Step {
    Spend { till: usize, coins: Vec<u32>, number: u8, user: usize, period: usize, cap: Option<u32> },
    Reverse { till: usize, which: usize },
    Pass(i64),
    Reopen(usize),
    LoseIndexes,
}

const USERS: [&str; 2] = ["alice", "bob"];
const MODES: [SyncMode; 2] = [SyncMode::Os, SyncMode::Always];
const PERIODS: [&str; 2] = ["2026-12", "2027-01"];

fn step() -> impl Strategy<Value = Step> {
    let coins = prop::collection::btree_set(0u32..12, 1..4);
    let cap = prop_oneof![3 => Just(None), 1 => (1u32..12).prop_map(Some)];
    let spend = (0usize..2, coins, 0u8..3, 0usize..2, 0usize..2, cap);
    prop_oneof![
        12 => spend.prop_map(|(till, coins, number, user, period, cap)| {
            Step::Spend { till, coins: coins.into_iter().collect(), number, user, period, cap }
        }),
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
                Step::Spend { till, coins, number, user, period, cap } => {
                    let mut payment =
                        pay(&coins).into_another(number).by(USERS[user]).of(PERIODS[period]);
                    payment.cap = cap;
                    let would = payment.would(&tills[1 - till]).unwrap();
                    let spent = payment.spend(&tills[till]).unwrap();
                    let refused = Some(spent).filter(|spent| !matches!(spent, Spent::Recorded(_)));
                    prop_assert_eq!(would, refused);
                    if let Some(recorded_at) = model.retry(period, coins[0], number, now) {
                        prop_assert_eq!(spent, Spent::Retry { recorded_at: UnixTime(recorded_at) });
                        continue;
                    }
                    model.day = model.day.max(day_of(UnixTime(now)));
                    if cap.is_some_and(|cap| model.coins_today(user, now) + coins.len() as u32 > cap) {
                        prop_assert_eq!(spent, Spent::CapReached);
                    } else if coins.iter().any(|coin| model.spent.contains_key(&(period, *coin))) {
                        prop_assert_eq!(spent, Spent::AlreadySpent);
                    } else {
                        let Spent::Recorded(id) = spent else {
                            return Err(TestCaseError::fail(format!("{spent:?}")));
                        };
                        let (day, fingerprint, recorded_at) = (model.day, number, now);
                        let index = model.payments.len();
                        model.spent.extend(coins.iter().map(|coin| ((period, *coin), index)));
                        model.payments.push(ModelPayment {
                            id, coins, period, user, fingerprint, recorded_at, day,
                            is_retried: false, is_reversed: false,
                        });
                        let last = model.payments.last();
                        prop_assert_eq!(last.map(|payment| payment.period), Some(period));
                    }
                }
            }
        }
    }
}
