//! Sales, registrations, returns and the lists for vendors, on the command line.

use micromint::authenticator::Key;
use micromint::host::DiskDirectory;
use micromint::identity::VendorVector;
use micromint::owner::{Owners, Ownership};
use micromint::protocol::{FundsCredited, FundsWithdrawn, RequestCredit, Verdict};
use std::collections::HashMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::{CLOSED, EXPIRED, Place};

#[test]
fn keys_of_vendors_are_replaced_all_or_none() {
    let place = Place::new();
    let key = |host: &str, number| {
        place.secret.numbered_vendor_key(&host.parse().unwrap(), number).to_hex()
    };
    let (news, shop) = ("news.example", "shop.example");
    for host in [news, shop] {
        place.vendor(host);
    }
    let unknown = place.error("mmbroker vendor-key --new news.example inn.example");
    assert!(unknown.contains("inn.example is registered for no period"), "{unknown}");
    for wrong in ["", " --from 2026-12", " --period 2026-12 news.example"] {
        place.run(&format!("mmbroker vendor-key --new{wrong}"), 2);
    }
    assert_eq!(place.text("mmbroker vendor-key news.example").trim(), key(news, 0));
    let one = place.run("mmbroker vendor-key --new news.example", 0);
    assert_eq!(String::from_utf8(one.stdout).unwrap().trim(), key(news, 1));
    let told = String::from_utf8(one.stderr).unwrap();
    assert!(told.contains("the key of news.example is replaced"), "{told}");
    // Twice in one command is once.
    let both = place.text("mmbroker vendor-key --new shop.example news.example shop.example");
    let expected = format!("news.example {}\nshop.example {}\n", key(news, 2), key(shop, 1));
    assert_eq!(both, expected);
    // The next period has them too, with no period named where there are several.
    place.add_period("2027-01");
    let carried = place.text("mmbroker vendor-key --period 2027-01 --from 2026-12");
    assert_eq!(carried, expected);
    assert_eq!(place.text("mmbroker vendor-key --new news.example").trim(), key(news, 3));
}

#[test]
fn a_sale_is_written_to_a_private_file_and_can_be_fetched_again() {
    let place = Place::new();
    place.run("mmbroker withdraw --user alice --sets 2 -o alice.mm", 0);
    let text = std::fs::read(place.path("alice.mm")).unwrap();
    let funds = FundsWithdrawn::parse(&text).unwrap();
    assert_eq!((funds.sets.len(), funds.user.as_str()), (2, "alice"));
    assert_eq!(funds.user_key, place.secret.user_key(place.params.period(), &funds.user));
    let mode = std::fs::metadata(place.path("alice.mm")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let fetch = format!("mmbroker withdraw --user alice --transaction {}", funds.transaction);
    assert_eq!(place.run(&fetch, 0).stdout, text);
    let bob = format!("mmbroker withdraw --user bob --transaction {}", funds.transaction);
    assert!(place.error(&bob).contains("is not a sale to bob"));
    let proposed = "mmbroker withdraw --user bob --sets 1 --transaction 5";
    assert_eq!(place.run(proposed, 0).stdout, place.run(proposed, 0).stdout);
    let status = place.text("mmbroker status");
    assert!(status.starts_with("period 2026-12: 3 of 32 sets sold\n  sales      2\n"), "{status}");
    let account = place.text("mmbroker account alice");
    assert!(account.contains("balance of the account: 99."), "{account}");
}

#[test]
fn a_sale_that_cannot_be_written_is_not_made() {
    let place = Place::new();
    std::fs::write(place.path("there"), "x").unwrap();
    assert!(
        place.error("mmbroker withdraw --user alice --sets 1 -o there").contains("there exists")
    );
    let error = place.error("mmbroker withdraw --user alice --sets 1 -o no/such/directory");
    assert!(error.contains("cannot write no/such/directory"), "{error}");
    assert!(place.text("mmbroker status").contains("sales      0\n"));
    let error = place.error("mmbroker withdraw --user alice --sets 1 -o /dev/full");
    assert!(
        error.contains(
            "the sale is recorded: write its message again with \
            `mmbroker withdraw --user alice --transaction"
        ),
        "{error}"
    );
    assert!(place.text("mmbroker status").contains("sales      1\n"));
}

/// A sale is paid from the account, or not made.
#[test]
fn a_user_without_money_gets_nothing() {
    let place = Place::new();
    let error = place.error("mmbroker withdraw --user carol --sets 1 --transaction 5");
    assert!(error.contains("the account has less than the "), "{error}");
    place.deposit("carol");
    // The number stays refused; another one buys.
    assert!(
        place.error("mmbroker withdraw --user carol --sets 1 --transaction 5").contains("less")
    );
    place.run("mmbroker withdraw --user carol --sets 1 --transaction 6", 0);
}

#[test]
fn refusals_and_wrong_usage_have_their_status_and_reason() {
    let place = Place::new();
    for (line, says) in [
        ("mmbroker withdraw --user alice --sets 33", "sold out: sets wanted 33, sets left 32"),
        ("mmbroker withdraw --user alice --sets 0", "expected 1 to 10000 sets, found 0"),
        (
            &format!("mmbroker withdraw --user alice --sets 1 --as-of {EXPIRED}"),
            "expired at 2199-01-01T00:00:00Z",
        ),
        (
            "mmbroker account nobody.example",
            "expected a vendor that is registered for 2026-12, or a user with an account",
        ),
        ("mmbroker status --period 2027-01", "there is no coin file of period 2027-01"),
        ("mmbroker return no-such-file", "no-such-file"),
    ] {
        let error = place.error(line);
        assert!(error.starts_with("mmbroker: error: ") && error.contains(says), "{line}: {error}");
    }
    place.run("mmbroker withdraw --user a/b --sets 1", 2);
    place.run("mmbroker withdraw --user alice", 2);
    place.run("mmbroker vendor-key News.example", 2);
    place.run("mmbroker vendor-key", 2);
}

#[test]
fn an_absent_or_readable_secret_is_refused() {
    let place = Place::new();
    let secret = place.path("broker.secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(place.error("mmbroker status").contains("chmod 600"));
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&secret, place.path("elsewhere")).unwrap();
    assert!(place.error("mmbroker status").contains("broker.secret"));
}

#[test]
fn vendors_get_the_key_that_the_secret_gives() {
    let place = Place::new();
    let key = place.vendor("news.example");
    assert_eq!(key, place.secret.vendor_key(&"news.example".parse().unwrap()));
    assert_eq!(place.vendor("news.example"), key);
    let lines = place.text("mmbroker vendor-key shop.example news.example");
    let second: Key =
        lines.lines().nth(1).unwrap().strip_prefix("news.example ").unwrap().parse().unwrap();
    assert_eq!(second, key);
    assert_eq!(place.text("mmbroker vendors"), "news.example\nshop.example\n");
}

/// A squatter takes the vector of a vendor: the others are registered all the same, and the vendors
/// of the earlier period come first.
#[test]
fn a_refused_vendor_stops_no_other_and_earlier_vendors_come_first() {
    let place = Place::new();
    place.add_period("2026-11");
    let (alike, other) = alike(&place);
    let old = "mmbroker vendor-key --period 2026-11";
    place.run(&format!("{old} --as-of 2020-06-01T00:00:00Z zoo.example"), 0);
    place.run(&format!("{old} {alike}"), 0);
    let error = place.error("mmbroker vendors");
    assert!(error.contains("one of the periods with --period: 2026-11, 2026-12"), "{error}");
    let line = |hosts: &str| format!("mmbroker vendor-key --period 2026-12 --from 2026-11{hosts}");
    let output = place.run(&line(&format!(" {other} shop.example zoo.example")), 1);
    let errors = String::from_utf8(output.stderr).unwrap();
    let expected =
        format!("mmbroker: error: {other} is not registered: {other} and the registered");
    assert!(errors.starts_with(&expected) && errors.contains(&alike), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    let keys = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = keys.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["zoo.example", &alike, "shop.example"]);
    let again = place.run(&line(""), 0);
    assert_eq!(String::from_utf8(again.stdout).unwrap().lines().count(), 2);
    // Without --from, the same.
    let squatted = Place::new();
    squatted.vendor(&other);
    squatted.run(&format!("mmbroker vendor-key {alike} zoo.example"), 1);
    assert!(squatted.text("mmbroker vendors").contains("zoo.example\n"));
}

/// Two hosts with equal vendor vectors.
fn alike(place: &Place) -> (String, String) {
    let mut seen = HashMap::new();
    for number in 0.. {
        let host = format!("v{number}.example");
        let vector = VendorVector::new(&place.params, &host.parse().unwrap());
        if let Some(first) = seen.insert(format!("{vector:?}"), host.clone()) {
            return (first, host);
        }
    }
    unreachable!("there are 4096 vectors")
}

#[test]
fn returned_coins_are_credited_after_redeem_until() {
    let place = Place::new();
    let funds = place.buy("alice", 1);
    let x = funds.sets[0].superbins[0][..5].to_vec();
    let mut request = RequestCredit {
        user: funds.user.clone(),
        period: funds.period().clone(),
        request: "r1".parse().unwrap(),
        authenticator: funds.user_key.request_credit("r1", &[]),
        x,
    };
    request.authenticator = funds.user_key.request_credit("r1", &request.data());
    std::fs::write(place.path("r1.mm"), request.to_bytes()).unwrap();
    assert!(
        place.error("mmbroker return r1.mm").contains("returned from 2199-01-01T00:00:00Z; until")
    );
    let answer = place.run(&format!("mmbroker return r1.mm --as-of {EXPIRED}"), 0);
    let credited = FundsCredited::parse(&answer.stdout).unwrap();
    assert_eq!(credited.verdicts, [Verdict::Waiting; 5]);
    let words = String::from_utf8(answer.stderr).unwrap();
    assert_eq!(
        words,
        "5 coins of alice: 0 credited, 5 waiting until 2199-01-08T00:00:00Z, 0 refused\n"
    );
    place.run(&format!("mmbroker settle --as-of {CLOSED}"), 0);
    let answer = place.run("mmbroker return r1.mm -o credited.mm", 0);
    assert!(answer.stdout.is_empty());
    let credited =
        FundsCredited::parse(&std::fs::read(place.path("credited.mm")).unwrap()).unwrap();
    assert_eq!(credited.verdicts, [Verdict::Accepted; 5]);
    assert!(place.text("mmbroker account alice").contains("credited: 5 coins"));
}

#[test]
fn a_return_of_other_balls_raises_an_alarm() {
    let place = Place::new();
    let (alice, bob) = (place.buy("alice", 1), place.buy("bob", 1));
    let (stolen, own) = (alice.sets[0].superbins[0][0], bob.sets[0].superbins[0][0]);
    let mut request = RequestCredit {
        user: bob.user.clone(),
        period: bob.period().clone(),
        request: "r1".parse().unwrap(),
        authenticator: bob.user_key.request_credit("r1", &[]),
        x: vec![stolen, own],
    };
    request.authenticator = bob.user_key.request_credit("r1", &request.data());
    std::fs::write(place.path("r1.mm"), request.to_bytes()).unwrap();
    let output = place.run(&format!("mmbroker return r1.mm --as-of {EXPIRED}"), 3);
    let answer = FundsCredited::parse(&output.stdout).unwrap();
    assert_eq!(answer.verdicts, [Verdict::NotFromOwner, Verdict::Waiting]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("mmbroker: ALARM: 1 coin not from the owner\n"), "{errors}");
    let status = place.run("mmbroker status", 0);
    let errors = String::from_utf8(status.stderr).unwrap();
    assert!(errors.contains("in the name of bob: 1 coin not from the owner\n"), "{errors}");
}

#[test]
fn a_settled_period_sells_nothing_whatever_the_clock() {
    let place = Place::new();
    place.run(&format!("mmbroker settle --as-of {CLOSED}"), 0);
    let error = place.error("mmbroker withdraw --user alice --sets 1 --as-of 2020-06-01T00:00:00Z");
    assert!(error.contains("the period expired at 2199-01-01T00:00:00Z"), "{error}");
}

#[test]
fn the_lists_for_vendors_are_written_beside_the_coin_file() {
    let place = Place::new();
    place.buy("alice", 1);
    place.run("mmbroker revoke --force mallory eve", 0);
    place.run("mmbroker revoked", 0);
    let revoked = place.path("2026-12.revoked");
    assert_eq!(std::fs::read_to_string(&revoked).unwrap(), "eve\nmallory\n");
    assert_eq!(std::fs::metadata(&revoked).unwrap().permissions().mode() & 0o777, 0o644);
    assert!(place.error("mmbroker withdraw --user eve --sets 1").contains("eve was revoked"));
}

#[test]
fn the_owners_file_is_for_one_vendor_and_grows_in_place() {
    let place = Place::new();
    let funds = place.buy("alice", 1);
    let (news, shop) = ("news.example".parse().unwrap(), "shop.example".parse().unwrap());
    let error = place.error("mmbroker owners --vendor news.example");
    assert!(error.contains("expected a vendor that is registered for 2026-12"), "{error}");
    assert!(!place.path("2026-12.owners").exists());
    place.vendor("news.example");
    place.vendor("shop.example");
    place.run("mmbroker owners --vendor news.example", 0);
    let mode = std::fs::metadata(place.path("2026-12.owners")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let folder = DiskDirectory::new(place.path(""));
    let read = |vendor| Owners::read(&folder, "2026-12.owners", vendor, &place.params, None);
    let before = read(&news).unwrap();
    let token = funds.user_key.owner_token(&news, 0);
    assert_eq!(before.check(&funds.user, 0, &token), Ownership::Owner);
    assert_eq!((before.count(), before.check(&funds.user, 2, &token)), (1, Ownership::NotYetKnown));
    assert!(read(&shop).is_err());
    let inode = || std::fs::metadata(place.path("2026-12.owners")).unwrap().ino();
    let (first, _) = (inode(), place.buy("alice", 2));
    place.run("mmbroker owners --vendor news.example", 0);
    assert_eq!((read(&news).unwrap().count(), inode()), (3, first));
    let error = place.error("mmbroker owners --vendor shop.example");
    assert!(error.contains("another vendor"), "{error}");
    place.run("mmbroker owners --vendor shop.example -o other", 0);
    assert!(place.path("other").exists());
    place.run("mmbroker owners", 2);
}

#[test]
fn a_sale_to_nobody_or_too_early_and_an_early_decision_are_told() {
    let place = Place::new();
    let unknown = place.error("mmbroker withdraw --user alcie --sets 1");
    assert!(unknown.contains("the broker has no account alcie"), "{unknown}");
    let start = place.params.raw().start;
    let before = start.plus_seconds(-1).to_string();
    let line = "withdraw --user alice --sets 1 --period 2026-12";
    let early = place.error(&format!("mmbroker --as-of {before} {line}"));
    assert!(early.contains(&format!("period 2026-12 begins at {start}")), "{early}");
    let decide = "mmbroker decide --period 2026-12 refuse --vendor news.example";
    assert!(place.error(decide).contains("period 2026-12 is not settled"));
    place.buy("alice", 1);
}
