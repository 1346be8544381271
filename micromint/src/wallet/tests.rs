//! Tests of the whole wallet against [`crate::testing::ObviousMint`].

mod consents;

mod crash;

mod denominations;

mod growth;

mod holdings;

mod limits;

mod many_sets;

mod model;

mod moves;

mod orders;

use std::sync::LazyLock;

use super::genuine::EMPTY;
use super::state::{CoinState, Set};
use super::*;
use crate::authenticator::{Authenticator, Key};
use crate::host::{DiskDirectory, SimulatedDirectory, SystemEntropy};
use crate::identity::{UserVector, VendorId, VendorVector};
use crate::protocol::{
    FundsWithdrawn, Payment, PeriodPrice, RequestCredit, SendExpired, Url, Verdict,
};
use crate::testing::{ObviousMint, params_with, resize, test_params};

static MINT: LazyLock<ObviousMint> = LazyLock::new(|| ObviousMint::new(test_params()));

const NAME: &str = "wallet.mmw";
/// 2026-12-10, within the period of the test parameters.
const NOW: UnixTime = UnixTime(1_796_860_800);
/// 2027-01-02: after the expiration, before redeem-until.
const EXPIRED: UnixTime = UnixTime(1_798_848_000);
/// 2027-01-09: after redeem-until.
const CLOSED: UnixTime = UnixTime(1_799_452_800);

const FREELY: Policy = Policy::new(500);

fn key() -> Key {
    Key::from_bytes([5; 32])
}

fn funds(firsts: &[u32], transaction: u64) -> FundsWithdrawn {
    MINT.funds(&"alice".parse().unwrap(), &key(), firsts, transaction)
}

fn open(directory: &SimulatedDirectory) -> Wallet {
    Wallet::open(directory, NAME, &SystemEntropy).unwrap()
}

/// A wallet with the sets that begin at these superbins.
fn filled(directory: &SimulatedDirectory, firsts: &[u32]) -> Wallet {
    let mut wallet = open(directory);
    assert!(matches!(wallet.receive(&funds(firsts, 1), NOW).unwrap(), Received::New { .. }));
    wallet
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn request(url_text: &str, price: u32) -> RequestPayment {
    let url = url(url_text);
    RequestPayment {
        vendor: url.host().clone(),
        url,
        prices: vec![PeriodPrice::new(
            "2026-12".parse().unwrap(),
            price,
            "0.01 USD".parse().unwrap(),
        )],
        broker: "https://broker.example/".into(),
        description: "A page".into(),
    }
}

fn get(url: &Url) -> Fetch<'_> {
    Fetch::new(url)
}

fn pay(wallet: &mut Wallet, request: &RequestPayment) -> PaymentDecision {
    wallet.pay(request, &get(&request.url), &FREELY, NOW).unwrap()
}

fn sent(decision: PaymentDecision) -> Sending {
    match decision {
        PaymentDecision::Send(sending) => sending,
        other => panic!("expected a payment, found {other:?}"),
    }
}

fn refusal(decision: PaymentDecision) -> Unpayable {
    match decision {
        PaymentDecision::Refuse(unpayable) => unpayable,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// Checks a message as a vendor does, by hashing alone, and returns the first balls.
fn accept(message: &[u8], request: &RequestPayment) -> Vec<u64> {
    let payment = Payment::parse(message).unwrap();
    assert_eq!(
        (&payment.url, &payment.vendor, payment.coins),
        (&request.url, &request.vendor, request.price_in(&payment.period).unwrap().coins)
    );
    let user = UserVector::new(MINT.params(), &payment.user).unwrap();
    let vendor = VendorVector::new(MINT.params(), &payment.vendor);
    MINT.rules().check(&user, &vendor, &payment.x).unwrap();
    let expected = payment.clone().authenticated(&key()).authenticator;
    assert_eq!(payment.authenticator, expected);
    payment.x.chunks(payment.coin_size()).map(|coin| coin[0]).collect()
}

fn unspent(state: &WalletState) -> usize {
    state.sets.iter().flat_map(|set| &set.coins).filter(|coin| **coin == CoinState::Unspent).count()
}

#[test]
fn a_page_is_paid_with_coins_that_a_vendor_accepts() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4, 10]);
    let coins = unspent(wallet.state());
    let page = request("https://news.example/a?b=c", 3);
    let sending = sent(pay(&mut wallet, &page));
    assert!(!sending.again);
    accept(&sending.message, &page);
    wallet.record_outcome(sending.payment, PaymentOutcome::Paid, NOW).unwrap();

    let mut wallet = open(&directory);
    assert_eq!(unspent(wallet.state()), coins - 3);
    let payment = &wallet.state().payments()[0];
    assert_eq!((payment.coins, payment.fresh, &payment.outcome), (3, 3, &PaymentOutcome::Paid));
    assert_eq!(payment.description, "A page");
    let next = sent(pay(&mut wallet, &page));
    assert!(!next.again, "fetching a paid page again is a new payment");
    let balls = accept(&next.message, &page);
    assert!(accept(&sending.message, &page).iter().all(|ball| !balls.contains(ball)));
}

#[test]
fn exactly_the_coins_of_the_obvious_mint_can_be_spent() {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
    let vendor: VendorId = "news.example".parse().unwrap();
    let coins = MINT.coins(&"alice".parse().unwrap(), &vendor, 4);
    let mut spent = Vec::new();
    for i in 0..coins.len() {
        let page = request(&format!("https://news.example/{i}"), 1);
        spent.extend(accept(&sent(pay(&mut wallet, &page)).message, &page));
    }
    spent.sort_unstable();
    let mut expected: Vec<u64> = coins.iter().map(|coin| coin[0]).collect();
    expected.sort_unstable();
    assert_eq!(spent, expected);
    let refused = refusal(pay(&mut wallet, &request("https://news.example/more", 1)));
    assert!(matches!(refused, Unpayable::TooFewCoins { price: 1, spendable: 0, .. }), "{refused}");
}

#[test]
fn a_lost_answer_is_retried_with_the_same_message() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4]);
    let page = request("https://news.example/a", 2);
    let first = sent(pay(&mut wallet, &page));
    let again = sent(pay(&mut open(&directory), &page));
    assert!(again.again);
    assert_eq!((again.payment, &again.message), (first.payment, &first.message));
    // Another method, another body, another page: another payment.
    let post = |body| Fetch::new(&page.url).with_method("POST").with_body(body);
    for fetch in [post(b"a"), post(b"b")] {
        let other = sent(wallet.pay(&page, &fetch, &FREELY, NOW).unwrap());
        assert!(!other.again);
    }
    assert!(sent(wallet.pay(&page, &post(b"b"), &FREELY, NOW).unwrap()).again);
    assert!(!sent(pay(&mut wallet, &request("https://news.example/b", 2))).again);
}

#[test]
fn refused_coins_are_sent_only_to_the_same_vendor() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4]);
    let page = request("https://news.example/a", 4);
    let sending = sent(pay(&mut wallet, &page));
    let balls = accept(&sending.message, &page);
    wallet
        .record_outcome(sending.payment, PaymentOutcome::Refused("wrong-amount".into()), NOW)
        .unwrap();

    let elsewhere = request("https://shop.example/a", 4);
    let others = accept(&sent(pay(&mut wallet, &elsewhere)).message, &elsewhere);
    assert!(others.iter().all(|ball| !balls.contains(ball)));

    let there = request("https://news.example/b", 3);
    let sending = sent(pay(&mut wallet, &there));
    assert!(accept(&sending.message, &there).iter().all(|ball| balls.contains(ball)));
    assert_eq!(wallet.state().payments()[sending.payment as usize].fresh, 0);
    wallet.record_outcome(sending.payment, PaymentOutcome::Refused("spent".into()), NOW).unwrap();

    // The vendor counts three of them as spent, so only the fourth can be tried again there.
    let again = request("https://news.example/c", 2);
    let tried = accept(&sent(pay(&mut wallet, &again)).message, &again);
    assert_eq!(tried.iter().filter(|ball| balls.contains(ball)).count(), 1);
}

#[test]
fn a_receipt_without_a_path_is_for_its_url_and_its_time() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4]);
    let page = request("https://news.example/a?b", 1);
    let sending = sent(pay(&mut wallet, &page));
    let receipt = receipt_in("micromint-01=x; Max-Age=60", NOW).unwrap();
    wallet.keep_receipt(sending.payment, receipt).unwrap();
    let wallet = open(&directory);
    let receipt = |text, now| wallet.state().receipts(&url(text), now);
    let found = receipt("https://news.example/a?b", NOW.plus_seconds(59));
    assert_eq!(found.as_deref(), Some("micromint-01=x"));
    assert_eq!(receipt("https://news.example/a?b", NOW.plus_seconds(60)), None);
    for other in
        ["https://news.example/a", "http://news.example/a?b", "https://www.news.example/a?b"]
    {
        assert_eq!(receipt(other, NOW), None);
    }
}

#[test]
fn a_receipt_is_sent_with_requests_for_its_path() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4, 10]);
    let mut paid = |page: &str, cookie: &str| {
        let sending = sent(pay(&mut wallet, &request(page, 1)));
        wallet.keep_receipt(sending.payment, receipt_in(cookie, NOW).unwrap()).unwrap();
    };
    paid("https://news.example/story/17/", "micromint-01=old; Max-Age=60; Path=/story/17/");
    paid("https://news.example/story/17/1", "micromint-01=new; Max-Age=60; Path=/story/17/");
    paid("https://news.example/story/17/2", "micromint-02=y; Max-Age=60; Path=/story/17/2");
    paid("https://shop.example/", "micromint-03=z; Max-Age=60; Path=/");
    let wallet = open(&directory);
    let receipts = |text| wallet.state().receipts(&url(text), NOW);
    for (page, expected) in [
        ("https://news.example/story/17/image.png?w=3", Some("micromint-01=new")),
        ("https://news.example/story/17/2/large", Some("micromint-02=y; micromint-01=new")),
        ("https://news.example/story/17/22", Some("micromint-01=new")),
        ("https://news.example/story/17", None),
        ("https://news.example/story/?/story/17/", None),
        ("https://news.example:8443/story/17/2", None),
        ("http://news.example/story/17/2", None),
        ("https://www.shop.example/", None),
        ("https://shop.example/anything", Some("micromint-03=z")),
    ] {
        assert_eq!(receipts(page).as_deref(), expected, "{page}");
    }
}

#[test]
fn the_receipts_of_a_request_are_bounded() {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4, 10]);
    // Each takes 1000 bytes with what separates it from the next.
    for number in 0..6 {
        let page = request(&format!("https://news.example/{number}"), 1);
        let sending = sent(pay(&mut wallet, &page));
        let cookie = format!("micromint-{number}={}; Max-Age=60; Path=/", "x".repeat(986));
        wallet.keep_receipt(sending.payment, receipt_in(&cookie, NOW).unwrap()).unwrap();
    }
    let receipts = wallet.state().receipts(&url("https://news.example/new"), NOW).unwrap();
    let names: Vec<&str> = receipts.split("; ").map(|cookie| &cookie[..11]).collect();
    assert_eq!(names, ["micromint-5", "micromint-4", "micromint-3", "micromint-2"]);
}

/// Two processes fetch one page at a time: both are asked to pay, and the second decides after the
/// first has finished.
#[test]
fn a_page_that_was_paid_for_meanwhile_is_not_paid_for_again() {
    let directory = SimulatedDirectory::new();
    let (mut first, mut second) = (filled(&directory, &[4, 10]), open(&directory));
    let (page, coins) = (request("https://news.example/a", 2), unspent(first.state()));
    let since = second.state().moment();
    let paid = sent(pay(&mut first, &page));
    first.record_outcome(paid.payment, PaymentOutcome::Paid, NOW).unwrap();
    let fetch = get(&page.url).with_since(since);
    let again = sent(second.pay(&page, &fetch, &FREELY, NOW).unwrap());
    assert_eq!((again.again, again.payment, &again.message), (true, 0, &paid.message));
    // A refusal of the second does not undo the first.
    second.record_outcome(again.payment, PaymentOutcome::Refused("spent".into()), NOW).unwrap();
    assert_eq!(second.state().payments()[0].outcome, PaymentOutcome::Paid);
    assert_eq!(unspent(second.state()), coins - 2);
    // Whoever asks later is asked to pay for good reason: the content or the time has changed.
    let fetch = get(&page.url).with_since(second.state().moment());
    assert!(!sent(second.pay(&page, &fetch, &FREELY, NOW).unwrap()).again);
}

#[test]
fn payments_are_found_by_their_reference() {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4, 10]);
    let messages = ["a", "b"].map(|path| {
        sent(pay(&mut wallet, &request(&format!("https://news.example/{path}"), 1))).message
    });
    let state = wallet.state();
    for (number, message) in (0..).zip(&messages) {
        let reference = crate::scheme::reference(&Payment::parse(message).unwrap());
        let found = |text: &str| -> Vec<u32> {
            state.find_payments(text).iter().map(|(number, _)| *number).collect()
        };
        assert_eq!((found(&reference), found(&reference[..8])), (vec![number], vec![number]));
        assert_eq!(found(&format!("{reference}0")), [0; 0]);
    }
}

#[test]
fn the_balance_says_where_every_coin_is() {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4, 10]);
    let coins = unspent(wallet.state()) as u32;
    for (page, outcome) in [
        ("a", Some(PaymentOutcome::Paid)),
        ("b", Some(PaymentOutcome::Refused("spent".into()))),
        ("c", None),
    ] {
        let sending = sent(pay(&mut wallet, &request(&format!("https://news.example/{page}"), 2)));
        if let Some(outcome) = outcome {
            wallet.record_outcome(sending.payment, outcome, NOW).unwrap();
        }
    }
    let held = Balance { sets: 2, unspent: coins - 6, paid: 2, bound: 4, ..Balance::default() };
    assert_eq!(wallet.state().balance(0), held);
    let day = 86_400;
    assert_eq!(wallet.state().expiring(NOW, 20 * day), [0usize; 0]);
    assert_eq!(wallet.state().expiring(NOW, 22 * day), [0]);
    assert_eq!(wallet.state().expiring(EXPIRED, 0), [0]);
    assert_eq!(wallet.state().expiring(CLOSED, 0), [0usize; 0]);
    wallet.begin_return(0, EXPIRED, &SystemEntropy).unwrap();
    let held = Balance { sets: 2, paid: 2, returned: coins - 2, ..Balance::default() };
    assert_eq!(wallet.state().balance(0), held);
    assert_eq!(wallet.state().expiring(EXPIRED, 0), [0usize; 0]);
}

#[test]
fn what_was_paid_stays_paid() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4]);
    let sending = sent(pay(&mut wallet, &request("https://news.example/a", 1)));
    wallet.record_outcome(sending.payment, PaymentOutcome::Paid, NOW).unwrap();
    wallet
        .record_outcome(sending.payment, PaymentOutcome::Refused("wrong-amount".into()), NOW)
        .unwrap();
    assert_eq!(open(&directory).state().payments()[0].outcome, PaymentOutcome::Paid);
}

#[test]
fn the_checks_before_paying_are_made_in_order() {
    type Change = fn(&mut RequestPayment, &mut Url, &mut Policy, &mut UnixTime);
    let rows: [(&str, Change); 16] = [
        ("OtherPage", |r, _, _, _| r.url = url("https://news.example/b")),
        ("OtherPage", |r, _, _, _| {
            (r.url, r.vendor) = (url("https://shop.example/a"), "shop.example".parse().unwrap());
        }),
        ("OtherVendor", |r, _, _, _| r.vendor = "shop.example".parse().unwrap()),
        ("OtherVendor", |r, _, _, _| r.vendor = "example".parse().unwrap()),
        ("OtherVendor", |r, _, _, _| r.vendor = "www.news.example".parse().unwrap()),
        ("NotSecure", |r, u, _, _| {
            *u = url("http://news.example/a");
            r.url = u.clone();
        }),
        ("NoSuchCoins", |r, _, _, _| r.broker = "https://other.example/".into()),
        ("OtherCoinValue", |r, _, _, _| r.prices[0].coin_value = "0.02 USD".parse().unwrap()),
        ("NoSuchCoins", |r, _, _, _| r.prices[0].period = "2026-11".parse().unwrap()),
        ("NotValidNow", |_, _, _, now| *now = EXPIRED),
        ("NotValidNow", |_, _, _, now| *now = UnixTime(1_796_000_000)),
        ("TooFewCoins", |r, _, _, _| r.prices[0].coins = 17),
        ("DailyLimit", |_, _, p, _| p.daily_limit = Some(1)),
        ("NeedsConsent", |r, u, p, _| {
            *u = url("https://www.news.example/a");
            (r.url, p.autopay) = (u.clone(), 1);
        }),
        ("Ask", |_, _, p, _| p.autopay = 1),
        ("Send", |_, _, p, _| (p.autopay, p.daily_limit) = (2, Some(2))),
    ];
    for (i, (expected, change)) in rows.into_iter().enumerate() {
        let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
        let mut asked = request("https://news.example/a", 2);
        let (mut fetched, mut policy, mut now) = (asked.url.clone(), FREELY, NOW);
        change(&mut asked, &mut fetched, &mut policy, &mut now);
        let decision = wallet.pay(&asked, &get(&fetched), &policy, now).unwrap();
        let found = format!("{decision:?}");
        assert!(found.contains(expected), "row {i}: expected {expected}, found {found}");
        let leaves = matches!(decision, PaymentDecision::Send(_));
        assert_eq!(wallet.state().payments().len(), usize::from(leaves), "row {i}");
    }
}

#[test]
fn http_is_allowed_on_this_machine_and_on_request() {
    for (page, allows_http, pays) in [
        ("http://127.0.0.1:8080/a", false, true),
        ("http://localhost/a", false, true),
        ("http://news.example/a", false, false),
        ("http://news.example/a", true, true),
    ] {
        let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
        let policy = FREELY.with_http(allows_http);
        let asked = request(page, 1);
        let decision = wallet.pay(&asked, &get(&asked.url), &policy, NOW).unwrap();
        assert_eq!(matches!(decision, PaymentDecision::Send(_)), pays, "{page}");
    }
}

#[test]
fn the_daily_limit_counts_spent_coins_and_restarts_at_midnight() {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
    let policy = FREELY.with_daily_limit(Some(5));
    let mut pay = |path: &str, price, now| {
        let asked = request(&format!("https://news.example/{path}"), price);
        wallet.pay(&asked, &get(&asked.url), &policy, now).unwrap()
    };
    sent(pay("a", 3, NOW));
    assert_eq!(refusal(pay("b", 3, NOW)), Unpayable::DailyLimit { limit: 5, sent: 3, needed: 3 });
    assert!(sent(pay("a", 3, NOW)).again, "a retry costs nothing");
    sent(pay("c", 2, NOW));
    refusal(pay("d", 1, NOW));
    sent(pay("d", 5, NOW.plus_seconds(86_400)));
}

#[test]
fn a_sale_is_received_once_and_only_unchanged() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4, 10]);
    let coins = unspent(wallet.state());
    assert!(matches!(wallet.receive(&funds(&[4, 10], 1), NOW).unwrap(), Received::Already));
    assert!(matches!(
        open(&directory).receive(&funds(&[4, 10], 1), NOW).unwrap(),
        Received::Already
    ));
    let mut not_genuine = funds(&[20, 22], 2);
    not_genuine.sets[1].superbins.swap(1, 2);
    for (message, says) in [
        (funds(&[4, 12], 1), "sale 1 was received before"),
        (funds(&[12, 10], 2), "the wallet already has the set of superbin 10"),
        (not_genuine, "set 2, superbin 2"),
        (funds(&[], 2), "no sets"),
    ] {
        match wallet.receive(&message, NOW).unwrap() {
            Received::Refused(why) => assert!(why.to_string().contains(says), "{why}"),
            other => panic!("expected a refusal with {says:?}, found {other:?}"),
        }
    }
    assert_eq!(unspent(open(&directory).state()), coins);
    assert!(matches!(
        wallet.receive(&funds(&[20], 2), NOW).unwrap(),
        Received::New { sets: 1, .. }
    ));
}

/// A clock that is set back does not raise the daily limit.
#[test]
fn payments_of_later_days_count_for_the_daily_limit() {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4, 10]);
    sent(pay(&mut wallet, &request("https://news.example/a", 1)));
    let state = wallet.state();
    assert_eq!(state.sent_today(NOW.plus_seconds(-86_400)), 1);
    assert_eq!(state.sent_today(NOW), 1);
    assert_eq!(state.sent_today(NOW.plus_seconds(86_400)), 0);
}

/// Sets larger than a record are written in pieces and read back whole.
#[test]
fn large_superbins_are_read_back_whole() {
    let mint =
        ObviousMint::new(params_with(|raw| resize(raw, 3, 14, 2, 0, crate::hash::HashName::Des)));
    let funds = mint.funds(&"alice".parse().unwrap(), &key(), &[0, 2], 9);
    let directory = SimulatedDirectory::new();
    let received = open(&directory).receive(&funds, NOW).unwrap();
    let balls: usize = funds.sets.iter().map(|set| set.superbins[0].len()).sum();
    assert!(matches!(received, Received::New { sets: 2, coins, .. } if coins as usize == balls));
    let wallet = open(&directory);
    for (sold, held) in funds.sets.iter().zip(&wallet.state().sets) {
        for (balls, bins) in sold.superbins.iter().zip(&held.superbins) {
            assert_eq!(bins.len(), 1 << 14);
            assert_eq!(balls, &bins.iter().copied().filter(|x| *x != EMPTY).collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_earliest_expiration_and_opened_sets_are_spent_first() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4, 10]);
    let earlier = ObviousMint::new(params_with(|raw| {
        raw.period = "2026-12b".parse().unwrap();
        raw.expiration = "2026-12-20T00:00:00Z".parse().unwrap();
    }));
    wallet.receive(&earlier.funds(&"alice".parse().unwrap(), &key(), &[6], 2), NOW).unwrap();
    let mut page = request("https://news.example/a", 1);
    page.prices.push(PeriodPrice { period: "2026-12b".parse().unwrap(), ..page.prices[0].clone() });
    let sending = sent(pay(&mut wallet, &page));
    assert_eq!(Payment::parse(&sending.message).unwrap().period.as_str(), "2026-12b");
    // No single set has enough coins, and a payment belongs to one period: the later one pays.
    page.prices.iter_mut().for_each(|price| price.coins = 17);
    page.url = url("https://news.example/b");
    let sending = sent(pay(&mut wallet, &page));
    assert_eq!(Payment::parse(&sending.message).unwrap().period.as_str(), "2026-12");
    let opened =
        |wallet: &Wallet| wallet.state().sets.iter().map(Set::is_opened).collect::<Vec<_>>();
    assert_eq!(opened(&wallet), [true, true, true]);

    let mut wallet = filled(&SimulatedDirectory::new(), &[4, 10]);
    for i in 0..5 {
        sent(pay(&mut wallet, &request(&format!("https://news.example/{i}"), 2)));
    }
    assert_eq!(opened(&wallet), [true, false]);
}

#[test]
fn unspent_and_unpaid_coins_are_returned_once_with_the_same_message() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4, 10]);
    let coins = unspent(wallet.state());
    let paid = sent(pay(&mut wallet, &request("https://news.example/a", 3)));
    wallet.record_outcome(paid.payment, PaymentOutcome::Paid, NOW).unwrap();
    let refused = sent(pay(&mut wallet, &request("https://news.example/b", 2)));
    wallet.record_outcome(refused.payment, PaymentOutcome::Refused("spent".into()), NOW).unwrap();

    assert_eq!(wallet.state().returnable(NOW), []);
    assert_eq!(wallet.state().returnable(EXPIRED), [Returnable { holding: 0, coins: coins - 3 }]);
    assert_eq!(wallet.state().returnable(CLOSED), []);
    assert_eq!(wallet.begin_return(0, NOW, &SystemEntropy).unwrap(), None, "too early");
    assert_eq!(wallet.begin_return(0, CLOSED, &SystemEntropy).unwrap(), None, "too late");
    let id = wallet.begin_return(0, EXPIRED, &SystemEntropy).unwrap().unwrap();
    let message = wallet.state().request_credit(&wallet.state().returns()[0]);
    assert_eq!(message.x.len(), coins - 3);
    assert_eq!(message.authenticator, key().request_credit(id.as_str(), &message.data()));
    for ball in &message.x {
        assert!(MINT.rules().bin(*ball).unwrap().superbin.is_multiple_of(2));
    }
    // A later answer of the vendor changes nothing about a return that was sent.
    wallet.record_outcome(refused.payment, PaymentOutcome::Paid, EXPIRED).unwrap();
    let mut wallet = open(&directory);
    assert_eq!(wallet.state().request_credit(&wallet.state().returns()[0]), message);
    assert_eq!(wallet.begin_return(0, EXPIRED, &SystemEntropy).unwrap(), None);
    assert_eq!(wallet.state().unanswered_returns(EXPIRED).len(), 1);

    let mut verdicts = vec![Verdict::Accepted; coins - 3];
    verdicts[0] = Verdict::Waiting;
    let first = answer(&message, 8, verdicts.clone());
    wallet.credit(&first, EXPIRED).unwrap();
    assert_eq!(wallet.state().unanswered_returns(EXPIRED).len(), 0);
    assert_eq!(wallet.state().unanswered_returns(CLOSED).len(), 1, "waiting coins are sent again");
    verdicts[0] = Verdict::Disputed;
    wallet.credit(&answer(&message, 8, verdicts.clone()), CLOSED).unwrap();
    assert_eq!(wallet.state().unanswered_returns(CLOSED).len(), 1, "so are disputed ones");
    verdicts[0] = Verdict::AlreadyPaid;
    let last = answer(&message, 8, verdicts);
    wallet.credit(&last, CLOSED).unwrap();
    // A decision is final: an older answer does not undo it, and the same one changes nothing.
    let outdated = not_credited(wallet.credit(&first, CLOSED));
    assert!(matches!(outdated, NotCredited::Outdated { coin: 1, .. }), "{outdated:?}");
    assert!(outdated.to_string().contains("already redeemed or credited, not waiting"));
    wallet.credit(&last, CLOSED).unwrap();
    let wallet = open(&directory);
    assert_eq!(wallet.state().unanswered_returns(CLOSED).len(), 0);
    assert_eq!(wallet.state().returns()[0].count(Some(Verdict::AlreadyPaid)), 1);
    assert_eq!(wallet.state().returns()[0].transaction, Some(8));
}

/// The broker's answer to a return of alice.
fn answer(request: &RequestCredit, transaction: u64, verdicts: Vec<Verdict>) -> FundsCredited {
    FundsCredited {
        user: request.user.clone(),
        period: request.period.clone(),
        request: request.request.clone(),
        transaction,
        authenticator: request.authenticator,
        verdicts,
    }
    .authenticated(&key(), request)
}

fn not_credited(result: Result<(), WalletError>) -> NotCredited {
    match result {
        Err(WalletError::NotCredited(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Only the broker, which has the user's key, can tell that coins were credited; and only about the
/// return that it answers.
#[test]
fn answers_that_are_not_the_brokers_to_this_return_credit_nothing() {
    // Two holdings of alice: one of each broker, with different keys.
    let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
    let other_broker = Key::from_bytes([6; 32]);
    let mut elsewhere = funds(&[10], 2);
    elsewhere.user_key = other_broker.clone();
    elsewhere.params = params_with(|raw| raw.broker = "https://other.example/".into());
    assert!(matches!(wallet.receive(&elsewhere, NOW).unwrap(), Received::New { holding: 1, .. }));
    for holding in [0, 1] {
        wallet.begin_return(holding, EXPIRED, &SystemEntropy).unwrap().unwrap();
    }
    let of =
        |wallet: &Wallet, i: usize| wallet.state().request_credit(&wallet.state().returns()[i]);
    let (request, other) = (of(&wallet, 0), of(&wallet, 1));
    let coins = request.x.len();
    let all = vec![Verdict::Accepted; coins];
    let good = answer(&request, 8, all.clone());

    let earlier = RequestCredit { request: "earlier".parse().unwrap(), ..request.clone() };
    let is_unknown = |why: &NotCredited| matches!(why, NotCredited::NoSuchReturn { .. });
    for unknown in [
        answer(&earlier, 8, all.clone()),
        FundsCredited { user: "bob".parse().unwrap(), ..good.clone() },
        FundsCredited { period: "2027-01".parse().unwrap(), ..good.clone() },
    ] {
        let why = not_credited(wallet.credit(&unknown, EXPIRED));
        assert!(is_unknown(&why), "{why:?}");
    }

    let fewer = RequestCredit { x: request.x[1..].to_vec(), ..request.clone() };
    let mut flipped = *good.authenticator.as_bytes();
    flipped[15] ^= 1;
    for (name, forged) in [
        (
            "a stranger",
            FundsCredited { authenticator: Authenticator::from_bytes([0; 16]), ..good.clone() },
        ),
        (
            "a bit",
            FundsCredited { authenticator: Authenticator::from_bytes(flipped), ..good.clone() },
        ),
        (
            "the request's own",
            FundsCredited { authenticator: request.authenticator, ..good.clone() },
        ),
        (
            "an earlier return",
            FundsCredited { request: request.request.clone(), ..answer(&earlier, 8, all.clone()) },
        ),
        ("other coins", answer(&fewer, 8, all.clone())),
        ("another broker", good.clone().authenticated(&other_broker, &request)),
        (
            "other verdicts",
            FundsCredited { verdicts: vec![Verdict::Forged; coins], ..good.clone() },
        ),
        ("fewer verdicts", FundsCredited { verdicts: all[1..].to_vec(), ..good.clone() }),
        ("another number", FundsCredited { transaction: 9, ..good.clone() }),
    ] {
        let why = not_credited(wallet.credit(&forged, EXPIRED));
        assert!(matches!(why, NotCredited::NotFromBroker { .. }), "{name}: {why:?}");
        let text = why.to_string();
        assert!(text.contains("not the answer of https://broker.example/"), "{text}");
        assert!(text.contains("credits nothing"), "{text}");
    }
    // The broker of the other coins cannot answer for these, nor the other way round.
    let theirs = FundsCredited { request: other.request.clone(), ..good.clone() };
    let why = not_credited(wallet.credit(&theirs, EXPIRED));
    assert!(matches!(why, NotCredited::NotFromBroker { .. }), "{why:?}");

    for count in [coins - 1, coins + 1] {
        let odd = answer(&request, 8, vec![Verdict::Accepted; count]);
        let why = not_credited(wallet.credit(&odd, EXPIRED));
        assert!(matches!(why, NotCredited::OtherCount { .. }), "{why:?}");
    }
    assert_eq!(wallet.state().unanswered_returns(EXPIRED).len(), 2, "nothing was recorded");
    wallet.credit(&good, EXPIRED).unwrap();
    assert_eq!(wallet.state().returns()[0].count(Some(Verdict::Accepted)), coins);
    assert_eq!(wallet.state().unanswered_returns(EXPIRED).len(), 1);
}

#[test]
fn invitations_of_other_brokers_are_rejected() {
    let directory = SimulatedDirectory::new();
    let wallet = filled(&directory, &[4]);
    let invitation = |user: &str, return_url: &str| SendExpired {
        user: user.parse().unwrap(),
        period: "2026-12".parse().unwrap(),
        return_url: url(return_url),
    };
    let state = wallet.state();
    let found = state.invited(&invitation("alice", "https://broker.example/return"));
    assert_eq!(found, Ok(vec![0]));
    for (user, to) in [
        ("bob", "https://broker.example/return"),
        ("alice", "https://thief.example/return"),
        ("alice", "http://broker.example/return"),
        ("alice", "https://broker.example:8443/return"),
    ] {
        assert!(state.invited(&invitation(user, to)).is_err(), "{user} {to}");
    }
}

#[test]
fn a_backup_spends_nothing_and_restored_coins_can_only_be_returned() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4]);
    wallet.backup(&directory, "backup", NOW).unwrap();
    assert!(matches!(wallet.backup(&directory, "backup", NOW), Err(WalletError::Exists { .. })));
    let page = request("https://news.example/a", 1);
    let sending = sent(pay(&mut wallet, &page));

    let mut backup = Wallet::open(&directory, "backup", &SystemEntropy).unwrap();
    assert_eq!(backup.state().frozen(), Some(Frozen::Backup(NOW)));
    assert!(matches!(
        backup.pay(&page, &get(&page.url), &FREELY, NOW),
        Err(WalletError::Frozen { .. })
    ));
    assert!(matches!(backup.receive(&funds(&[20], 2), NOW), Err(WalletError::Frozen { .. })));

    let restore = |name: &str, spendable| {
        Wallet::restore(&directory, "backup", &directory, name, spendable, NOW)
    };
    assert!(matches!(restore(NAME, false), Err(WalletError::Exists { .. })));
    let mut restored = restore("careful", false).unwrap();
    let refused = refusal(pay(&mut restored, &page));
    assert!(matches!(refused, Unpayable::TooFewCoins { spendable: 0, .. }), "{refused}");
    assert!(!restored.state().returnable(EXPIRED).is_empty());
    restored.receive(&funds(&[20], 2), NOW).unwrap();
    sent(pay(&mut restored, &page));

    // The reason for the restriction: a wrong `spendable` sends a coin twice.
    let mut trusting = restore("trusting", true).unwrap();
    let twice = sent(pay(&mut trusting, &request("https://shop.example/a", 1)));
    let balls = |message| Payment::parse(message).unwrap().x[0];
    assert_eq!(balls(&twice.message), balls(&sending.message));

    let no_backup = Wallet::restore(&directory, NAME, &directory, "x", true, NOW);
    assert!(matches!(no_backup, Err(WalletError::NoBackup { .. })));
}

/// A folder with the name of the new file lets the rename fail.
#[test]
fn a_backup_or_a_restoration_that_fails_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let directory = DiskDirectory::new(folder.path());
    let mut wallet = Wallet::open(&directory, NAME, &SystemEntropy).unwrap();
    wallet.receive(&funds(&[4], 1), NOW).unwrap();
    wallet.backup(&directory, "backup", NOW).unwrap();
    std::fs::create_dir(folder.path().join("taken")).unwrap();
    let before = directory.names().unwrap();
    assert!(wallet.backup(&directory, "taken", NOW).is_err());
    let restored = Wallet::restore(&directory, "backup", &directory, "taken", true, NOW);
    assert!(restored.is_err());
    assert_eq!(directory.names().unwrap(), before);
}

/// The wallet file as a journal without an interpretation.
fn raw(directory: &SimulatedDirectory) -> Replayed<Vec<(u64, Vec<u8>)>> {
    Replayed::open_to_append(directory, NAME, KIND, Vec::new()).unwrap()
}

#[test]
fn an_inconsistent_record_is_an_error_with_its_offset() {
    let directory = SimulatedDirectory::new();
    drop(filled(&directory, &[4]));
    let outcome = WalletRecord::Outcome { at: NOW, payment: 7, outcome: PaymentOutcome::Paid };
    let at = raw(&directory).locked(|locked| locked.append(&[&outcome.to_bytes()])).unwrap();
    match Wallet::open_to_read(&directory, NAME) {
        Err(WalletError::Journal(JournalError::Unreadable { at: found, why, .. })) => {
            assert_eq!((found, why.as_str()), (at, "no payment 7"));
        }
        other => panic!("{:?}", other.err()),
    }
}

/// A file of another program in which a coin is sent twice is rejected.
#[test]
fn a_file_in_which_a_coin_is_sent_twice_is_an_error() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4]);
    sent(pay(&mut wallet, &request("https://news.example/a", 1)));
    raw(&directory)
        .locked(|locked| {
            let (_, last) = locked.state().last().unwrap().clone();
            locked.append(&[&last])
        })
        .unwrap();
    let error = Wallet::open_to_read(&directory, NAME).err().unwrap().to_string();
    assert!(error.contains("expected an unspent coin of set 0"), "{error}");
    assert!(error.contains("found Sent(0)"), "{error}");
}

/// A payment that the paywall did not see is sent again for the same request, byte by byte; its
/// coins can pay for another page of the vendor instead, and then not for this one any more.
#[test]
fn a_payment_that_the_paywall_did_not_see_leaves_a_way_on() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4]);
    let (page, other) =
        (request("https://news.example/a", 2), request("https://news.example/b", 2));
    let not_seen = PaymentOutcome::NotSeen("405".into());
    let first = sent(pay(&mut wallet, &page));
    wallet.record_outcome(first.payment, not_seen.clone(), NOW).unwrap();

    let again = sent(pay(&mut wallet, &page));
    assert_eq!((again.payment, &again.message), (first.payment, &first.message));
    // On its way, its coins pay for nothing else; nor after a crash.
    let mut wallet = open(&directory);
    assert_eq!(wallet.state().payments()[0].outcome, PaymentOutcome::Unknown);
    let elsewhere = sent(pay(&mut wallet, &other));
    assert!(!shares_coins(&first.message, &elsewhere.message));
    wallet.record_outcome(elsewhere.payment, PaymentOutcome::Paid, NOW).unwrap();

    wallet.record_outcome(first.payment, not_seen.clone(), NOW).unwrap();
    let third = sent(pay(&mut wallet, &request("https://news.example/c", 1)));
    assert!(shares_coins(&first.message, &third.message), "its coins are used first");
    // The first payment has lost a coin: the page is paid with others, or with what is left.
    let anew = sent(pay(&mut wallet, &page));
    assert!(!anew.again && anew.payment != first.payment);
    assert!(!shares_coins(&third.message, &anew.message));
    // Never at another vendor.
    let shop = sent(pay(&mut wallet, &request("https://shop.example/a", 2)));
    assert!(!shares_coins(&first.message, &shop.message));
    // What is not paid can be returned.
    let left = wallet.state().returnable(EXPIRED)[0].coins;
    assert_eq!(left, unspent(wallet.state()) + 5);
}

fn shares_coins(a: &[u8], b: &[u8]) -> bool {
    let firsts = |message| -> Vec<u64> {
        let payment = Payment::parse(message).unwrap();
        payment.x.chunks(payment.coin_size()).map(|coin| coin[0]).collect()
    };
    let (a, b) = (firsts(a), firsts(b));
    a.iter().any(|x| b.contains(x))
}
