//! Several holdings in one wallet: which are kept apart, and which pays first.

use super::*;

/// A stranger's message in the name of Alice's broker and period, which she received from a file.
fn strangers() -> FundsWithdrawn {
    MINT.funds(&"alice".parse().unwrap(), &Key::from_bytes([6; 32]), &[20, 22], 7)
}

/// The holding that pays for a page at the vendor, whose answer is `outcome`.
fn paid_from(wallet: &mut Wallet, path: &str, outcome: PaymentOutcome) -> usize {
    let page = request(&format!("https://news.example/{path}"), 1);
    let sending = sent(pay(wallet, &page));
    wallet.record_outcome(sending.payment, outcome, NOW).unwrap();
    wallet.state().payments()[sending.payment as usize].holding
}

fn not_owner() -> PaymentOutcome {
    PaymentOutcome::Refused("not-owner".into())
}

#[test]
fn a_strangers_message_keeps_out_no_coins_and_costs_one_refusal() {
    let mut other_params = funds(&[20], 1);
    other_params.params = params_with(|raw| raw.expiration = raw.expiration.plus_seconds(-1));
    for junk in [strangers(), other_params] {
        let directory = SimulatedDirectory::new();
        let mut wallet = open(&directory);
        assert!(matches!(wallet.receive(&junk, NOW).unwrap(), Received::New { holding: 0, .. }));
        // The real coins have the number of the sale and a set that the stranger used too.
        let real = funds(&[4, 20], 1);
        let received = wallet.receive(&real, NOW).unwrap();
        assert!(matches!(received, Received::New { sets: 2, holding: 1, .. }), "{received:?}");
        assert_eq!(wallet.state().rivals(1).collect::<Vec<_>>(), [0]);
        assert!(matches!(wallet.receive(&real, NOW).unwrap(), Received::Already));

        // Nothing tells the two apart yet: the vendor's first refusal does.
        assert_eq!(paid_from(&mut wallet, "a", not_owner()), 0);
        let page = request("https://news.example/b", 2);
        let sending = sent(pay(&mut wallet, &page));
        assert_eq!(wallet.state().payments()[1].holding, 1);
        accept(&sending.message, &page);
        wallet.record_outcome(sending.payment, PaymentOutcome::Paid, NOW).unwrap();
        let mut wallet = open(&directory);
        assert_eq!(paid_from(&mut wallet, "c", PaymentOutcome::Paid), 1);
        // Both are invited to return their coins; the broker decides.
        let invitation = SendExpired {
            user: "alice".parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            return_url: url("https://broker.example/return"),
        };
        assert_eq!(wallet.state().invited(&invitation), Ok(vec![0, 1]));
    }
}

#[test]
fn coins_from_the_brokers_own_page_pay_first() {
    let directory = SimulatedDirectory::new();
    let mut wallet = open(&directory);
    wallet.receive(&strangers(), NOW).unwrap();
    let thief = url("https://thief.example/coins");
    match wallet.receive_from(&thief, &strangers(), NOW).unwrap() {
        Received::Refused(why) => assert_eq!(
            why.to_string(),
            "it names the broker https://broker.example/, but a page of https://thief.example \
             sent it"
        ),
        other => panic!("{other:?}"),
    }
    // What came as a file first is confirmed when the broker sends it again.
    wallet.receive(&funds(&[4], 1), NOW).unwrap();
    let page = url("https://broker.example/coins");
    let again = wallet.receive_from(&page, &funds(&[4], 1), NOW).unwrap();
    assert!(matches!(again, Received::Already), "{again:?}");
    let insecure = url("http://broker.example/coins");
    let mut over_http = funds(&[12], 9);
    over_http.params = params_with(|raw| raw.broker = "http://broker.example/".into());
    wallet.receive_from(&insecure, &over_http, NOW).unwrap();

    let mut wallet = open(&directory);
    let confirmed: Vec<bool> =
        wallet.state().holdings().iter().map(|held| held.is_confirmed).collect();
    assert_eq!(confirmed, [false, true, false]);
    assert_eq!(paid_from(&mut wallet, "a", PaymentOutcome::Paid), 1);
}

/// A vendor that refuses good coins does not make room for a stranger's for long.
#[test]
fn of_refused_holdings_the_one_whose_refusal_is_longest_ago_pays_first() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4, 10]);
    wallet.receive(&strangers(), NOW).unwrap();
    assert_eq!(paid_from(&mut wallet, "a", not_owner()), 0);
    assert_eq!(paid_from(&mut wallet, "b", not_owner()), 1);
    assert_eq!(paid_from(&mut wallet, "c", PaymentOutcome::Paid), 0);
    assert_eq!(paid_from(&mut wallet, "d", PaymentOutcome::Paid), 0);
    // A reason that concerns the request says nothing about the coins.
    let reason = PaymentOutcome::Refused("other-page".into());
    assert_eq!(paid_from(&mut wallet, "e", reason), 0);
    assert_eq!(paid_from(&mut wallet, "f", PaymentOutcome::Paid), 0);
}

#[test]
fn the_period_that_expires_first_pays_first_whatever_a_stranger_says() {
    let directory = SimulatedDirectory::new();
    let mut wallet = open(&directory);
    let with = |period: &str, days: i64| {
        let mint = ObviousMint::new(params_with(|raw| {
            raw.period = period.parse().unwrap();
            raw.expiration = NOW.plus_seconds(days * 86_400);
            raw.redeem_until = NOW.plus_seconds(40 * 86_400);
        }));
        mint.funds(&"alice".parse().unwrap(), &key(), &[4], 1)
    };
    let page = url("https://broker.example/coins");
    wallet.receive_from(&page, &with("later", 9), NOW).unwrap();
    wallet.receive_from(&page, &with("soon", 5), NOW).unwrap();
    wallet.receive(&with("later", 1), NOW).unwrap();
    let mut order = [0, 1, 2];
    wallet.state().order(&mut order);
    assert_eq!(order, [1, 0, 2]);
}
