//! Limits in money, and purposes.

use super::super::purpose::{ASKED_LEN_MAX, TASK_LEN_MAX};
use super::*;

fn money(text: &str) -> crate::money::Money {
    text.parse().unwrap()
}

fn purpose(task: &str) -> Purpose {
    Purpose::new(task, "fetch: the news").unwrap()
}

/// Asks for a page of `price` coins of 0.01 USD for a task.
fn ask(wallet: &mut Wallet, page: &str, price: u32, task: &str, limits: Limits) -> PaymentDecision {
    ask_at(wallet, page, price, task, limits, NOW)
}

fn ask_at(
    wallet: &mut Wallet,
    page: &str,
    price: u32,
    task: &str,
    limits: Limits,
    now: UnixTime,
) -> PaymentDecision {
    let (asked, purpose) = (request(page, price), purpose(task));
    let fetch = get(&asked.url).with_purpose(Some(&purpose));
    wallet.pay(&asked, &fetch, &FREELY.with_limits(limits), now).unwrap()
}

fn over(decision: PaymentDecision) -> Exceeded {
    match refusal(decision) {
        Unpayable::OverLimit(exceeded) => exceeded,
        other => panic!("expected a limit in money, found {other}"),
    }
}

#[test]
fn a_task_pays_up_to_its_limit_in_every_wallet_handle() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4, 6]);
    let limits = Limits::default().with_task(Some(money("0.05 USD")));
    let first = sent(ask(&mut wallet, "https://news.example/a", 3, "t", limits));
    let exceeded = over(ask(&mut wallet, "https://news.example/b", 3, "t", limits));
    let (spent, needed) = (money("0.03 USD"), Some(money("0.03 USD")));
    assert_eq!((exceeded.spent, exceeded.needed), (spent, needed));
    let words = exceeded.to_string();
    assert!(words.contains("the task t is 0.05 USD; 0.03 USD are spent"), "{words}");
    // Another handle reads the tasks from the file.
    let mut other = open(&directory);
    assert_eq!(other.state().left_for_task("t", money("0.05 USD")), money("0.02 USD"));
    over(ask(&mut other, "https://news.example/b", 3, "t", limits));
    sent(ask(&mut other, "https://news.example/c", 2, "t", limits));
    assert_eq!(other.state().left_for_task("t", money("0.05 USD")), money("0 USD"));
    // Another task has a limit of its own, and a payment without a task counts alone.
    sent(ask(&mut other, "https://news.example/d", 5, "u", limits));
    let asked = request("https://news.example/e", 6);
    let decision = other.pay(&asked, &get(&asked.url), &FREELY.with_limits(limits), NOW).unwrap();
    assert_eq!(over(decision).spent, money("0 USD"));
    let payment = &other.state().payments()[first.payment as usize];
    let told = payment.purpose.as_ref().map(|it| (it.task(), it.asked()));
    assert_eq!(told, Some(("t", "fetch: the news")));
}

#[test]
fn a_payment_that_is_sent_again_costs_nothing_and_reused_coins_count_once() {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
    let limits = Limits::default().with_task(Some(money("0.03 USD")));
    let page = "https://news.example/a";
    let first = sent(ask(&mut wallet, page, 3, "t", limits));
    assert!(sent(ask(&mut wallet, page, 3, "t", limits)).again);
    let reversed = PaymentOutcome::NotKept("reversed".into());
    wallet.record_outcome(first.payment, reversed.clone(), NOW).unwrap();
    // The coins of the first payment pay for the next page of this vendor.
    let second = sent(ask(&mut wallet, "https://news.example/b", 3, "t", limits));
    assert!(!second.again);
    assert_eq!(wallet.state().left_for_task("t", money("0.03 USD")), money("0 USD"));
    // In another task they count there, and no longer in the first.
    wallet.record_outcome(second.payment, reversed, NOW).unwrap();
    over(ask(
        &mut wallet,
        "https://news.example/c",
        3,
        "u",
        limits.with_task(Some(money("0.02 USD"))),
    ));
    sent(ask(&mut wallet, "https://news.example/c", 3, "u", limits));
    assert_eq!(wallet.state().left_for_task("t", money("0.03 USD")), money("0.03 USD"));
}

#[test]
fn days_and_sites_have_limits() {
    let limits = Limits::default().with_day(Some(money("0.08 USD")));
    let limits = limits.with_site(Some(money("0.05 USD")));
    let mut wallet = filled(&SimulatedDirectory::new(), &[4, 6, 8]);
    sent(ask(&mut wallet, "https://news.example/a", 5, "t", limits));
    let exceeded = over(ask(&mut wallet, "https://news.example/b", 1, "u", limits));
    assert_eq!(exceeded.scope, Scope::Site("news.example".parse().unwrap()));
    sent(ask(&mut wallet, "https://other.example/a", 3, "t", limits));
    let exceeded = over(ask(&mut wallet, "https://third.example/a", 1, "t", limits));
    assert_eq!(exceeded.scope, Scope::Day);
    let tomorrow = NOW.plus_seconds(86_400);
    sent(ask_at(&mut wallet, "https://news.example/b", 1, "u", limits, tomorrow));
    // A clock that was set back does not forget what was sent later.
    over(ask_at(&mut wallet, "https://news.example/c", 5, "u", limits, NOW));
}

#[test]
fn coins_in_another_currency_are_never_spent_under_a_limit() {
    for limits in [
        Limits::default().with_day(Some(money("1000 EUR"))),
        Limits::default().with_site(Some(money("1000 EUR"))),
        Limits::default().with_task(Some(money("1000 EUR"))),
    ] {
        let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
        let words = over(ask(&mut wallet, "https://news.example/a", 1, "t", limits)).to_string();
        assert!(words.contains("another currency: 0.01 USD"), "{words}");
        assert!(wallet.state().payments().is_empty());
    }
}

#[test]
fn the_threshold_can_be_an_amount_of_money() {
    for (threshold, price, pays) in
        [("0.02 USD", 2, true), ("0.02 USD", 3, false), ("9 EUR", 1, false)]
    {
        let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
        let asked = request("https://news.example/a", price);
        let policy = Policy::new(0).with_autopay_money(Some(money(threshold)));
        let decision = wallet.pay(&asked, &get(&asked.url), &policy, NOW).unwrap();
        assert_eq!(matches!(decision, PaymentDecision::Send(_)), pays, "{threshold} {price}");
    }
}

/// Eight threads with a wallet handle each ask for ten pages of one coin, with money for seven.
#[test]
fn payments_at_the_same_time_do_not_exceed_a_limit_together() {
    let folder = tempfile::tempdir().unwrap();
    let directory = DiskDirectory::new(folder.path());
    let open = || Wallet::open(&directory, NAME, &SystemEntropy).unwrap();
    open().receive(&funds(&[4], 1), NOW).unwrap();
    let limits = Limits::default().with_task(Some(money("0.07 USD")));
    let pay_all = |thread: u32| {
        let mut wallet = open();
        (0..10)
            .filter(|page| {
                let page = format!("https://news.example/{thread}/{page}");
                matches!(ask(&mut wallet, &page, 1, "t", limits), PaymentDecision::Send(_))
            })
            .count()
    };
    let paid: usize = std::thread::scope(|scope| {
        let pay_all = &pay_all;
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || pay_all(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((paid, open().state().payments().len()), (7, 7));
}

#[test]
fn a_purpose_without_its_spend_is_ignored() {
    let mut state = WalletState::default();
    let record = WalletRecord::Purpose(purpose("t"));
    state.take(record.clone()).unwrap();
    state.take(WalletRecord::Receive { at: NOW, head: funds_head() }).unwrap();
    state.take(record).unwrap();
    assert!(state.payments().is_empty());
}

fn funds_head() -> Vec<u8> {
    let mut funds = funds(&[4], 1);
    funds.sets.clear();
    funds.to_bytes()
}

#[test]
fn purposes_are_bounded() {
    let long = |len: usize| "x".repeat(len);
    assert!(Purpose::new(&long(TASK_LEN_MAX), &long(ASKED_LEN_MAX)).is_ok());
    assert!(Purpose::new("t", "").is_ok());
    for task in ["", "a b", "a\n", "\u{e9}", &long(TASK_LEN_MAX + 1)] {
        assert!(matches!(Purpose::new(task, ""), Err(PurposeError::Task(_))), "{task}");
    }
    for asked in ["a\nb", "\u{1b}[2J", "\u{9b}", "a\u{202e}b", &long(ASKED_LEN_MAX + 1)] {
        assert!(matches!(Purpose::new("t", asked), Err(PurposeError::Asked(_))), "{asked}");
    }
}
