//! Batches on the command line.

use micromint::coin::CoinRules;
use micromint::protocol::{RedemptionResult, RequestWatch, Verdict, WatchResult, push_record};

use super::{CLOSED, Place};

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
                    \x20 1 coin: already redeemed or credited\n\
                    \x20 1 coin: not from the owner\n";
    assert_eq!(words, expected);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("mmredeem: ALARM: 1 coin not from the owner\n"), "{errors}");
    assert!(
        errors.contains("error: b3: the authenticator is not that of news.example"),
        "{errors}"
    );
    assert!(errors.contains("error: b4: "), "{errors}");
    assert!(!place.path("b3.result").exists());
    let result = RedemptionResult::parse(&std::fs::read(place.path("b2.result")).unwrap()).unwrap();
    use Verdict::{Accepted, AlreadyPaid, NotFromOwner};
    assert_eq!(result.verdicts, [AlreadyPaid, Accepted, NotFromOwner]);

    let aside = std::fs::read_to_string(place.path("2026-12.rejected")).unwrap();
    assert!(
        aside.contains("payment 1 coin 1: already redeemed or credited: user alice"),
        "{aside}"
    );
    assert!(aside.contains("payment 2 coin 1: not from the owner"), "{aside}");
    let words = String::from_utf8(place.run("mmredeem -o . b1 b2", 3).stdout).unwrap();
    assert!(words.contains("(this batch was redeemed before; it is not paid twice)"), "{words}");
    let once = std::fs::read_to_string(place.path("2026-12.rejected")).unwrap();
    assert_eq!(once, aside);
    let account = place.text("mmbroker account news.example");
    assert!(account.contains("redeemed: 4 coins (0.04 USD)"), "{account}");
    // The folder may belong to another user: no link in it is followed.
    for name in ["b1.result", "2026-12.rejected"] {
        let (link, target) = (place.path(name), place.path("target"));
        std::fs::rename(&link, place.path("kept")).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let batch = if name == "b1.result" { "b1" } else { "b2" };
        let errors = String::from_utf8(place.run(&format!("mmredeem {batch}"), 1).stderr).unwrap();
        assert!(errors.contains(name), "{errors}");
        assert!(!target.exists(), "{name}");
        std::fs::rename(place.path("kept"), &link).unwrap();
    }
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
    assert_eq!(errors, "mmredeem: ALARM: 1 coin forged\n");
    // Signed by the owner, so the settlement or a person decides.
    let result = RedemptionResult::parse(&std::fs::read(place.path("result.mm")).unwrap()).unwrap();
    assert_eq!(result.verdicts, [Verdict::Waiting]);
    let status = place.run("mmbroker status", 0);
    let errors = String::from_utf8(status.stderr).unwrap();
    assert!(errors.contains("ALARM: 2026-12: news.example sent 1 coin forged\n"), "{errors}");
    assert!(errors.contains("ALARM: 2026-12: in the name of alice: 1 coin forged\n"), "{errors}");
    assert!(String::from_utf8(status.stdout).unwrap().contains("forged     1 coin\n"));
    let offenders = place.text("mmbroker offenders");
    let expected = "alice: 1 coin, 0 spent at several vendors, 1 forged or of another user, from ";
    assert!(offenders.starts_with(expected), "{offenders}");
}

#[test]
fn compromised_bins_stop_doubtful_payments() {
    let place = Place::new();
    let funds = place.buy("alice", 1);
    let key = place.vendor("news.example");
    let coin = &place.coins(&funds, "news.example")[0];
    let rules = CoinRules::new(place.params.clone());
    let bin = rules.bin(coin[2]).unwrap();
    let line = format!("mmbroker compromise {}:{}", bin.superbin, bin.subbin);
    let told = place.text(&line);
    assert!(told.ends_with(" are compromised\n"), "{told}");
    assert!(place.error("mmbroker compromise 64:0").contains("expected bins of superbins 0 to 63"));
    let signed = place.payment(&funds, "news.example", "a", std::slice::from_ref(coin));
    let mut doubtful = signed.clone();
    doubtful.authenticator = key.request_credit("x", &[]);
    place.batch("b1", &key, "news.example", "b1", &[doubtful]);
    let words = place.text("mmredeem b1");
    assert!(words.contains("1 coin: compromised"), "{words}");
    place.batch("b2", &key, "news.example", "b2", &[signed]);
    assert!(place.text("mmredeem b2").contains("1 paid, 0 waiting, 0 refused"));
}

#[test]
fn double_spenders_are_listed() {
    let place = Place::new();
    let (news, shop) = (place.vendor("news.example"), place.vendor("shop.example"));
    let funds = place.buy("alice", 1);
    let at_news = place.coins(&funds, "news.example");
    let at_shop = place.coins(&funds, "shop.example");
    let twice: Vec<_> = at_news
        .iter()
        .filter_map(|coin| Some((coin, at_shop.iter().find(|other| other[0] == coin[0])?)))
        .collect();
    let [(first, second), (third, fourth)] = twice[..2] else { panic!("too few coins") };
    let signed = |vendor: &str, coin: &Vec<u64>| {
        place.payment(&funds, vendor, "a", std::slice::from_ref(coin))
    };
    let mut doubtful = signed("shop.example", fourth);
    doubtful.authenticator = shop.request_credit("x", &[]);
    let at_shop = [signed("shop.example", second), doubtful];
    place.batch("n", &news, "news.example", "n1", &[signed("news.example", first)]);
    place.batch("n2", &news, "news.example", "n2", &[signed("news.example", third)]);
    place.batch("s", &shop, "shop.example", "s1", &at_shop);
    place.run("mmredeem n2 s", 0);
    // One coin with a wrong Authenticator at shop: two vendors could have made that up.
    assert_eq!(place.text("mmbroker offenders"), "");
    let expected = "user alice: 1 coin at several vendors, unpaid at shop.example\n";
    assert_eq!(place.text("mmbroker suspects"), expected);
    place.run("mmredeem n", 0);
    let found = place.text("mmbroker offenders");
    let expected = "alice: 1 coin, 1 spent at several vendors, 0 forged or of another user, from ";
    assert!(found.starts_with(expected), "{found}");
    assert!(found.ends_with(", at news.example, shop.example\n"), "{found}");
}

#[test]
fn a_watch_is_answered_and_pays_nothing() {
    let place = Place::new();
    let key = place.vendor("news.example");
    let funds = place.buy("alice", 1);
    let coins = place.coins(&funds, "news.example");
    let good = place.payment(&funds, "news.example", "a", &coins[..2]);
    let mut stranger = place.payment(&funds, "news.example", "b", &coins[2..3]);
    stranger.user = "nobody".parse().unwrap();
    for (name, payments) in [("w1", vec![good]), ("w2", vec![stranger])] {
        let mut data = Vec::new();
        payments.iter().for_each(|payment| push_record(&mut data, &payment.record().to_bytes()));
        let request = RequestWatch {
            vendor: "news.example".parse().unwrap(),
            period: place.params.period().clone(),
            watch: name.parse().unwrap(),
            payments: payments.len() as u32,
            authenticator: key.request_credit("", &[]),
            data,
        };
        let request = request.authenticated(&key.sync_key());
        std::fs::write(place.path(name), request.to_bytes()).unwrap();
    }
    let words = place.text("mmbroker watch w1");
    assert_eq!(words, "w1: 2 coins of news.example, 0 refused\n");
    let result = WatchResult::parse(&std::fs::read(place.path("w1.result")).unwrap()).unwrap();
    assert_eq!(result.verdicts, [Verdict::Accepted; 2]);
    let output = place.run("mmbroker watch w2", 3);
    let words = String::from_utf8(output.stdout).unwrap();
    // Somebody made the name up; its owner may buy later.
    assert!(!words.contains("should stop serving"), "{words}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("1 coin not from the owner, 1 coin of users who bought"), "{errors}");
    let status = place.text("mmbroker status");
    assert!(status.contains("watches    2\n") && status.contains("redeemed   0 coins"), "{status}");
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
    let early = place.text(&format!("mmredeem --as-of {CLOSED} b1"));
    assert!(early.contains("0 paid, 2 waiting, 0 refused"), "{early}");
    let status = place.text(&format!("mmbroker status --as-of {CLOSED}"));
    assert!(
        status
            .contains("settled    no, but redeem-until is over: the service or `mmbroker settle`")
    );
    assert!(place.text("mmbroker status").ends_with("settled    no\n"));
    place.run(&format!("mmbroker settle --as-of {CLOSED}"), 0);
    let later = place.text("mmredeem b1");
    assert!(
        later.contains("0 paid, 0 waiting, 0 refused, 2 disputed (this batch was redeemed before"),
        "{later}"
    );
    let disputes = place.text("mmbroker disputes");
    assert!(disputes.starts_with("news.example and alice: 2 coins, 0 returned; "), "{disputes}");
    let none = "mmbroker decide pay --vendor news.example --user bob";
    assert!(place.error(none).contains("news.example has no such disputed coins"));
    let told = place.text("mmbroker decide pay --vendor news.example --user alice");
    assert_eq!(told, "2 coins paid, 0 credited, 0 lapsed, 0 still disputed\n");
    assert!(place.text("mmredeem b1").contains("2 paid, 0 waiting, 0 refused (this batch"));
    let status = place.text("mmbroker status");
    assert!(status.contains("redeemed   2 coins") && status.contains("disputed   0 coins"));
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
