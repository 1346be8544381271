//! Pages that collect coins for a parent of their host.

use super::*;
use crate::wallet::{NeededConsent, NoConsent};

/// A request of a page for coins of `news.example`.
fn asked(page: &str) -> RequestPayment {
    RequestPayment { vendor: "news.example".parse().unwrap(), ..request(page, 1) }
}

fn manifest(origins: &[&str]) -> Vec<u8> {
    serde_json::json!({"vendor-id": "news.example", "origins": origins}).to_string().into_bytes()
}

fn needed(decision: PaymentDecision) -> NeededConsent {
    match decision {
        PaymentDecision::NeedsConsent(needed) => needed,
        other => panic!("expected a question to the vendor, found {other:?}"),
    }
}

#[test]
fn a_parent_is_paid_once_its_manifest_names_the_origin() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4]);
    let page = asked("https://shop.news.example/a");
    let question = needed(pay(&mut wallet, &page));
    assert_eq!(question.vendor().as_str(), "news.example");
    assert_eq!(question.origin(), "https://shop.news.example");
    assert_eq!(question.url(), "https://news.example/.well-known/micromint");

    let other = manifest(&["https://www.news.example"]);
    let refused = wallet.take_consent(&question, &other, NOW).unwrap().refused().unwrap();
    assert!(matches!(refused, NoConsent::NotNamed { .. }), "{refused}");
    needed(pay(&mut wallet, &page));
    assert_eq!(wallet.state().payments().len(), 0);

    let good = manifest(&["https://shop.news.example"]);
    assert!(wallet.take_consent(&question, &good, NOW).unwrap().granted().is_some());
    let sending = sent(pay(&mut wallet, &page));
    accept(&sending.message, &page);
    // The wallet remembers it, for other pages of the same origin and for no other origin.
    let mut wallet = open(&directory);
    wallet.record_outcome(sending.payment, PaymentOutcome::Paid, NOW).unwrap();
    sent(pay(&mut wallet, &asked("https://shop.news.example/b")));
    needed(pay(&mut wallet, &asked("https://www.news.example/b")));
    needed(pay(&mut wallet, &asked("https://shop.news.example:8443/b")));
    let over_http = asked("http://shop.news.example/b");
    let policy = FREELY.with_http(true);
    needed(wallet.pay(&over_http, &get(&over_http.url), &policy, NOW).unwrap());
}

#[test]
fn a_vendor_at_its_default_origin_is_not_asked() {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
    sent(pay(&mut wallet, &asked("https://news.example/a")));
    let page = asked("http://news.example/b");
    let policy = FREELY.with_http(true);
    sent(wallet.pay(&page, &get(&page.url), &policy, NOW).unwrap());
}

/// Whoever listens at another port of the vendor's host spends at the vendor what it collects.
#[test]
fn another_port_of_the_vendors_host_needs_its_consent() {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
    let page = asked("https://news.example:8443/a");
    let question = needed(pay(&mut wallet, &page));
    assert_eq!(question.origin(), "https://news.example:8443");
    assert_eq!(question.url(), "https://news.example/.well-known/micromint");
    assert_eq!(wallet.state().payments().len(), 0);
    let other = manifest(&["https://news.example"]);
    assert!(wallet.take_consent(&question, &other, NOW).unwrap().refused().is_some());
    let good = manifest(&["https://news.example", "https://news.example:8443"]);
    assert!(wallet.take_consent(&question, &good, NOW).unwrap().granted().is_some());
    sent(pay(&mut wallet, &page));
    let over_http = asked("http://news.example:8080/a");
    let policy = FREELY.with_http(true);
    let question = needed(wallet.pay(&over_http, &get(&over_http.url), &policy, NOW).unwrap());
    assert_eq!(question.url(), "http://news.example/.well-known/micromint");
}

/// No vendor is asked for a payment that would not be made anyway, nor for one that was sent.
#[test]
fn a_vendor_is_asked_after_all_other_checks_and_before_the_owner() {
    let directory = SimulatedDirectory::new();
    let mut wallet = filled(&directory, &[4]);
    let page = asked("https://shop.news.example/a");
    let mut decide = |page: &RequestPayment, policy: &Policy| {
        wallet.pay(page, &get(&page.url), policy, NOW).unwrap()
    };
    let mut costly = page.clone();
    costly.prices[0].coins = 17;
    assert!(matches!(refusal(decide(&costly, &FREELY)), Unpayable::TooFewCoins { .. }));
    let limited = FREELY.with_daily_limit(Some(0));
    assert!(matches!(refusal(decide(&page, &limited)), Unpayable::DailyLimit { .. }));
    let question = needed(decide(&page, &Policy::new(0)));

    wallet
        .take_consent(&question, &manifest(&["https://shop.news.example"]), NOW)
        .unwrap()
        .granted();
    let decision = wallet.pay(&page, &get(&page.url), &Policy::new(0), NOW).unwrap();
    assert!(matches!(decision, PaymentDecision::Ask(_)), "{decision:?}");
    sent(pay(&mut wallet, &page));
    assert!(sent(pay(&mut wallet, &page)).again);
}

/// A consent of one period says nothing about the next one.
#[test]
fn a_vendor_is_asked_once_a_period() {
    let next = ObviousMint::new(params_with(|raw| raw.period = "2027-01".parse().unwrap()));
    let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
    wallet.receive(&next.funds(&"alice".parse().unwrap(), &key(), &[4], 2), NOW).unwrap();
    let consent = manifest(&["https://shop.news.example"]);
    for period in ["2026-12", "2027-01"] {
        let page = |path: &str| {
            let mut page = asked(&format!("https://shop.news.example/{path}"));
            page.prices[0].period = period.parse().unwrap();
            page
        };
        let question = needed(pay(&mut wallet, &page("a")));
        assert!(wallet.take_consent(&question, &consent, NOW).unwrap().granted().is_some());
        sent(pay(&mut wallet, &page("b")));
        sent(pay(&mut wallet, &page("c")));
    }
}
