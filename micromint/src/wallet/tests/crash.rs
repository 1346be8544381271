//! A crash at every step of every write: no coin is ever sent twice, and none is lost.

use std::collections::HashMap;

use super::*;
use crate::host::Survives;

/// What was observed before the crash.
#[derive(Default)]
struct Witness {
    received: bool,
    /// First ball to the vendor and URL that it was sent to.
    sent: HashMap<u64, (String, String)>,
    messages: HashMap<String, Vec<u8>>,
    returned: Option<Vec<u64>>,
}

impl Witness {
    fn note(&mut self, sending: &Sending, request: &RequestPayment) {
        for ball in accept(&sending.message, request) {
            let to = (request.vendor.to_string(), request.url.to_string());
            let earlier = self.sent.insert(ball, to.clone());
            assert!(earlier.is_none_or(|earlier| earlier == to), "a coin was sent twice");
        }
        self.messages.insert(request.url.to_string(), sending.message.clone());
    }
}

/// The life of a wallet. Stops at the first error, as a program would.
fn live(directory: &SimulatedDirectory, seen: &mut Witness) -> Result<(), WalletError> {
    let mut wallet = Wallet::open(directory, NAME, &SystemEntropy)?;
    wallet.receive(&funds(&[4, 10], 1), NOW)?;
    seen.received = true;
    for (i, page) in ["https://news.example/a", "https://shop.example/b", "https://news.example/c"]
        .into_iter()
        .enumerate()
    {
        let page = request(page, 2);
        let PaymentDecision::Send(sending) = wallet.pay(&page, &get(&page.url), &FREELY, NOW)?
        else {
            panic!("the wallet is full");
        };
        seen.note(&sending, &page);
        if i == 0 {
            wallet.record_outcome(sending.payment, PaymentOutcome::Paid, NOW)?;
        }
    }
    if wallet.begin_return(0, EXPIRED, &SystemEntropy)?.is_some() {
        seen.returned = Some(wallet.state().request_credit(&wallet.state().returns()[0]).x);
    }
    Ok(())
}

fn check_after(directory: &SimulatedDirectory, mut seen: Witness) {
    let total: usize = funds(&[4, 10], 1).sets.iter().map(|set| set.superbins[0].len()).sum();
    let mut wallet = open(directory);
    if seen.received {
        assert!(!wallet.state().sets.is_empty(), "received sets are lost");
    }
    wallet.receive(&funds(&[4, 10], 1), NOW).unwrap();
    let left = wallet.state().payments().len() * 2;
    assert!(left >= seen.sent.len());
    if let Some(x) = seen.returned {
        let wallet = open(directory);
        assert_eq!(wallet.state().request_credit(&wallet.state().returns()[0]).x, x);
        return;
    }
    if wallet.state().returns().is_empty() {
        assert_eq!(unspent(wallet.state()) + left, total, "coins are lost or duplicated");
        // The same pages again lead to the same messages; then everything is spent elsewhere.
        for (url, message) in seen.messages.clone() {
            let page = request(&url, 2);
            match pay(&mut wallet, &page) {
                PaymentDecision::Send(sending) if sending.again => {
                    assert_eq!(sending.message, message)
                }
                PaymentDecision::Send(sending) => {
                    // Only the payment whose outcome is Paid may be made again with other coins.
                    assert!(url.ends_with("/a"));
                    let balls = accept(&sending.message, &page);
                    assert!(
                        balls.iter().all(|ball| !seen.sent.contains_key(ball)),
                        "a coin was sent twice"
                    );
                    seen.note(&sending, &page);
                }
                other => panic!("{other:?}"),
            }
        }
        for i in 0..total {
            let page = request(&format!("https://else.example/{i}"), 1);
            if let PaymentDecision::Send(sending) = pay(&mut wallet, &page) {
                seen.note(&sending, &page);
            }
        }
    }
}

#[test]
fn a_crash_at_any_step_sends_no_coin_twice_and_loses_none() {
    let whole = SimulatedDirectory::new();
    let before = whole.steps();
    live(&whole, &mut Witness::default()).unwrap();
    let steps = whole.steps() - before;
    assert!(steps >= 18, "{steps} steps");
    for step in 0..=steps {
        for survives in
            [Survives::Written, Survives::Synced, Survives::Some(3), Survives::Some(1234)]
        {
            let directory = SimulatedDirectory::new();
            directory.crash_after(step);
            let mut seen = Witness::default();
            let ended = live(&directory, &mut seen);
            assert_eq!(ended.is_err(), directory.has_crashed(), "step {step}");
            check_after(&directory.after_crash(survives), seen);
        }
    }
}

/// A crash while a backup is made leaves no copy from which coins can be spent.
#[test]
fn a_crash_while_backing_up_leaves_one_wallet_to_spend_from() {
    let made = SimulatedDirectory::new();
    filled(&made, &[4]);
    let bytes = made.bytes(NAME).unwrap();
    for step in 0..12 {
        for survives in [Survives::Written, Survives::Synced, Survives::Some(5)] {
            let directory = SimulatedDirectory::new();
            directory.put(NAME, &bytes);
            directory.crash_after(step);
            let backup = |directory: &SimulatedDirectory| {
                open_or(directory)?.backup(directory, "backup", NOW)
            };
            let done = backup(&directory).is_ok();
            let after = directory.after_crash(survives);
            for name in after.names().unwrap().iter().filter(|name| *name != NAME) {
                let frozen = Wallet::open_to_read(&after, name).map(|it| it.state().frozen());
                assert!(!matches!(frozen, Ok(None)), "step {step} {survives:?}: {name}");
            }
            if !done {
                // A backup replaces nothing; a partial one has another name.
                let is_there = after.bytes("backup").is_some();
                assert_eq!(backup(&after).is_err(), is_there, "step {step} {survives:?}");
            }
            assert_eq!(open(&after).state().frozen(), None);
        }
    }
}

fn open_or(directory: &SimulatedDirectory) -> Result<Wallet, WalletError> {
    Wallet::open(directory, NAME, &SystemEntropy)
}

/// A crash while a backup is restored never leaves a partial wallet.
#[test]
fn a_crash_while_restoring_leaves_the_wallet_whole_or_absent() {
    let made = SimulatedDirectory::new();
    filled(&made, &[4]).backup(&made, "backup", NOW).unwrap();
    let bytes = made.bytes("backup").unwrap();
    for step in 0..12 {
        for survives in [Survives::Written, Survives::Synced, Survives::Some(5)] {
            let directory = SimulatedDirectory::new();
            directory.put("backup", &bytes);
            directory.crash_after(step);
            let restore =
                |d: &SimulatedDirectory| Wallet::restore(d, "backup", d, NAME, false, NOW);
            let done = restore(&directory).is_ok();
            let after = directory.after_crash(survives);
            if after.bytes(NAME).is_some() {
                let wallet = Wallet::open_to_read(&after, NAME).unwrap();
                assert!(wallet.state().sets.iter().all(|set| set.in_doubt), "step {step}");
                assert_eq!(wallet.state().frozen(), None);
            } else {
                assert!(!done);
                restore(&after).unwrap();
            }
        }
    }
}
