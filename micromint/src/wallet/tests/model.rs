//! Random lives of a wallet against a small model: which first ball may be sent to whom.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Pay for this page of this vendor from one of two processes.
    Pay { vendor: u8, page: u8, price: u32, process: usize },
    /// Record an outcome of the latest payment.
    Outcome { outcome: PaymentOutcome, process: usize },
    /// A process opens the wallet again.
    Reopen { process: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        Just(PaymentOutcome::Paid),
        Just(PaymentOutcome::Unknown),
        Just(PaymentOutcome::NotKept("reversed".into())),
        prop_oneof![Just("wrong-amount"), Just("spent"), Just("cap-reached"), Just("nonsense")]
            .prop_map(|word| PaymentOutcome::Refused(word.into())),
    ];
    let pay = (0u8..3, 0u8..4, 1u32..5, 0usize..2)
        .prop_map(|(vendor, page, price, process)| Step::Pay { vendor, page, price, process });
    let outcome =
        (outcome, 0usize..2).prop_map(|(outcome, process)| Step::Outcome { outcome, process });
    let step = prop_oneof![
        4 => pay,
        2 => outcome,
        1 => (0usize..2).prop_map(|process| Step::Reopen { process }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The model: which coins may be sent, and to whom.
#[derive(Default)]
struct Model {
    /// First ball to the vendor that it is bound to, and whether it may be sent there in another
    /// payment.
    bound: HashMap<u64, (String, bool)>,
    /// URL to message, while the outcome is unknown.
    unknown: HashMap<String, Vec<u8>>,
    payments: Vec<(String, String, Vec<u64>, bool)>,
}

impl Model {
    fn sent(&mut self, page: &RequestPayment, sending: &Sending) {
        let (vendor, url) = (page.vendor.to_string(), page.url.to_string());
        if let Some(message) = self.unknown.get(&url) {
            assert!(
                sending.again && *message == sending.message,
                "expected the same message again"
            );
            return;
        }
        assert!(!sending.again);
        let balls = accept(&sending.message, page);
        assert_eq!(balls.iter().collect::<HashSet<_>>().len(), page.prices[0].coins as usize);
        for ball in &balls {
            let bound = self.bound.insert(*ball, (vendor.clone(), false));
            let is_allowed = bound.is_none_or(|(to, usable)| to == vendor && usable);
            assert!(is_allowed, "a coin was sent twice");
        }
        self.unknown.insert(url.clone(), sending.message.clone());
        assert_eq!(sending.payment as usize, self.payments.len());
        self.payments.push((vendor, url, balls, false));
    }

    fn record_outcome(&mut self, outcome: &PaymentOutcome) {
        let Some((vendor, url, balls, is_paid)) = self.payments.last_mut() else {
            return;
        };
        if *is_paid || *outcome == PaymentOutcome::Unknown {
            return;
        }
        *is_paid = *outcome == PaymentOutcome::Paid;
        self.unknown.remove(url);
        for ball in balls {
            self.bound.insert(*ball, (vendor.clone(), outcome.leaves_coins_usable()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn only_coins_that_the_model_allows_are_sent(steps in steps()) {
        let directory = SimulatedDirectory::new();
        drop(filled(&directory, &[4, 10]));
        let mut processes = [open(&directory), open(&directory)];
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Pay { vendor, page, price, process } => {
                    let mut page = request(&format!("https://v{vendor}.example/{page}"), price);
                    // A retry keeps the price of its message.
                    if let Some(message) = model.unknown.get(page.url.as_str()) {
                        page.prices[0].coins = Payment::parse(message).unwrap().coins;
                    }
                    match pay(&mut processes[process], &page) {
                        PaymentDecision::Send(sending) => model.sent(&page, &sending),
                        PaymentDecision::Refuse(Unpayable::TooFewCoins { .. }) => {}
                        other => panic!("{other:?}"),
                    }
                }
                Step::Outcome { outcome, process } => {
                    // An unknown outcome after a known one would be a failed retry.
                    if let Some(last) = model.payments.len().checked_sub(1)
                        && (outcome != PaymentOutcome::Unknown
                            || model.unknown.contains_key(&model.payments[last].1))
                        && processes[process].refresh().unwrap().payments()[last].outcome
                            == PaymentOutcome::Unknown
                    {
                        processes[process].record_outcome(last as u32, outcome.clone(), NOW).unwrap();
                        model.record_outcome(&outcome);
                    }
                }
                Step::Reopen { process } => processes[process] = open(&directory),
            }
        }
        let state = open(&directory);
        let coins = state.state().sets.iter().flat_map(|set| &set.coins);
        let left = coins.filter(|coin| matches!(coin, CoinState::Sent(_)));
        prop_assert_eq!(left.count(), model.bound.len());
    }
}

/// Two threads with a handle each, as two processes would have, never use the same coin.
#[test]
fn two_threads_never_use_the_same_coin() {
    let directory = SimulatedDirectory::new();
    drop(filled(&directory, &[4, 10, 20, 30]));
    let spend = |vendor: &'static str| {
        let mut wallet = open(&directory);
        move || {
            let mut balls = Vec::new();
            for i in 0..20 {
                let page = request(&format!("https://{vendor}.example/{i}"), 1);
                balls.extend(accept(&sent(pay(&mut wallet, &page)).message, &page));
            }
            balls
        }
    };
    let [a, b] = ["news", "shop"].map(|vendor| std::thread::spawn(spend(vendor)));
    let all = [a.join().unwrap(), b.join().unwrap()].concat();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 40);
}
