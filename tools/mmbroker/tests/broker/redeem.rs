//! Batches on the command line.

use micromint::coin::CoinRules;
use micromint::protocol::{RedemptionResult, Verdict};

use super::{CLOSED, COINS, Place};

#[test]
fn every_batch_is_judged_on_its_own_and_invalid_coins_are_listed_once() {
    let place = Place::new();
    let key = place.vendor("news.example");
    let funds = place.buy("alice", 1);
    let coins = place.coins(&funds, "news.example");
    let good = place.payment(&funds, "news.example", "a", &coins[..3]);
    let again = place.payment(&funds, "news.example", "b", &coins[2..4]);
    let stranger = place.payment(&funds, "shop.example", "c", &coins[..1]);
    place.batch("b1", &key, "news.example", "b1", &[good]);
    place.batch("b2", &key, "news.example", "b2", &[again, stranger]);
    place.batch("b3", &place.secret.clone(), "news.example", "b3", &[]);
    std::fs::write(place.path("b4"), "no message").unwrap();

    let output = place.run("mmredeem b1 b3 b4 b2", 1);
    let words = String::from_utf8(output.stdout).unwrap();
    let expected = "b1: 3 coins of news.example, batch b1: 3 paid, 0 waiting, 0 refused\n\
                    b2: 3 coins of news.example, batch b2: 1 paid, 0 waiting, 2 refused\n\
                    \x20 1 coin: not made for this vendor\n\
                    \x20 1 coin: already redeemed or credited\n";
    assert_eq!(words, expected);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("error: b3: the authenticator is not that of news.example"),
        "{errors}"
    );
    assert!(errors.contains("error: b4: "), "{errors}");
    assert!(!place.path("b3.result").exists());
    let result = RedemptionResult::parse(&std::fs::read(place.path("b2.result")).unwrap()).unwrap();
    assert_eq!(result.verdicts, [Verdict::AlreadyPaid, Verdict::Accepted, Verdict::VendorDifferences]);

    let aside = std::fs::read_to_string(place.path(&format!("{COINS}.rejected"))).unwrap();
    assert!(
        aside.contains("payment 1 coin 1: already redeemed or credited: user alice"),
        "{aside}"
    );
    assert!(aside.contains("payment 2 coin 1: not made for this vendor"), "{aside}");
    let words = place.text("mmredeem -o . b1 b2");
    assert!(words.contains("(this batch was redeemed before; it is not paid twice)"), "{words}");
    let once = std::fs::read_to_string(place.path(&format!("{COINS}.rejected"))).unwrap();
    assert_eq!(once, aside);
    let account = place.text("mmbroker account news.example");
    assert!(account.contains("redeemed: 4 coins (0.04 USD)"), "{account}");
}

#[test]
fn forged_coins_raise_an_alarm() {
    let place = Place::new();
    let key = place.vendor("news.example");
    let funds = place.buy("alice", 1);
    let rules = micromint::coin::CoinRules::new(place.params.clone());
    let mut coin = place.coins(&funds, "news.example").remove(0);
    // A ball of the right bin that is not in the coin file, as a forger finds it by hashing.
    let bin = rules.bin(coin[0]);
    coin[0] = (0..).find(|x| *x != coin[0] && rules.bin(*x) == bin).unwrap();
    let payment = place.payment(&funds, "news.example", "a", &[coin]);
    place.batch("b1", &key, "news.example", "b1", &[payment]);
    let output = place.run("mmredeem -o result.mm b1", 3);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "mmredeem: ALARM: 1 forged coin presented\n");
    let result = RedemptionResult::parse(&std::fs::read(place.path("result.mm")).unwrap()).unwrap();
    assert_eq!(result.verdicts, [Verdict::Forged]);
    let status = place.run("mmbroker status", 0);
    assert!(String::from_utf8(status.stderr).unwrap().contains("ALARM: 1 forged coin"));
    assert!(String::from_utf8(status.stdout).unwrap().contains("forged     1 coin"));
}

#[test]
fn compromised_bins_are_not_paid() {
    let place = Place::new();
    let funds = place.buy("alice", 1);
    let key = place.vendor("news.example");
    let coin = &place.coins(&funds, "news.example")[0];
    let rules = CoinRules::new(place.params.clone());
    let bin = rules.bin(coin[2]).unwrap();
    let line = format!("mmbroker compromise {}:{}", bin.superbin, bin.subbin);
    let told = String::from_utf8(place.run(&line, 0).stderr).unwrap();
    assert!(told.contains(": 1 more ball compromised"), "{told}");
    assert!(place.error("mmbroker compromise 64:0").contains("expected bins of superbins 0 to 63"));
    let payment = place.payment(&funds, "news.example", "a", std::slice::from_ref(coin));
    place.batch("b1", &key, "news.example", "b1", &[payment]);
    let words = place.text("mmredeem b1");
    assert!(words.contains("1 coin: compromised"), "{words}");
}

#[test]
fn double_spenders_are_listed() {
    let place = Place::new();
    let (news, shop) = (place.vendor("news.example"), place.vendor("shop.example"));
    let funds = place.buy("alice", 1);
    let at_news = place.coins(&funds, "news.example");
    let at_shop = place.coins(&funds, "shop.example");
    let twice = at_news
        .iter()
        .find_map(|coin| Some((coin, at_shop.iter().find(|other| other[0] == coin[0])?)));
    let (first, second) = twice.unwrap();
    let payment = place.payment(&funds, "news.example", "a", std::slice::from_ref(first));
    place.batch("n", &news, "news.example", "n1", &[payment]);
    let payment = place.payment(&funds, "shop.example", "a", std::slice::from_ref(second));
    place.batch("s", &shop, "shop.example", "s1", &[payment]);
    place.run("mmredeem n s", 0);
    let expected = "alice spent 1 coin more than once: news.example n1, shop.example s1\n";
    assert_eq!(place.text("mmbroker offenders"), expected);
}

#[test]
fn a_doubtful_payment_waits_until_redeem_until() {
    let place = Place::new();
    let key = place.vendor("news.example");
    let funds = place.buy("alice", 1);
    let coins = place.coins(&funds, "news.example");
    let mut payment = place.payment(&funds, "news.example", "a", &coins[..2]);
    payment.authenticator = key.request_credit("x", &[]);
    place.batch("b1", &key, "news.example", "b1", &[payment]);
    assert!(place.text("mmredeem b1").contains("0 paid, 2 waiting, 0 refused"));
    let later = place.text(&format!("mmredeem --as-of {CLOSED} b1"));
    assert!(
        later.contains("2 paid, 0 waiting, 0 refused (this batch was redeemed before"),
        "{later}"
    );
    place.batch(
        "b2",
        &key,
        "news.example",
        "b2",
        &[place.payment(&funds, "news.example", "b", &coins[3..4])],
    );
    assert!(place.text("mmredeem b2").contains("1 coin: after redeem-until"));
}

#[test]
fn several_batches_need_a_directory_for_their_results() {
    let place = Place::new();
    assert!(place.error("mmredeem -o one b1 b2").contains("one: expected a folder"));
    place.run("mmredeem", 2);
}
