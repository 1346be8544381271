//! What the console refuses before it changes anything, and what of it is in the audit log.

use crate::Place;

/// Standard error of a command that must fail.
fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = place.program("mmbroker").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_restore_and_a_release_are_checked() {
    let place = Place::new();
    place.buy("alice", 1);
    let sets = place.params.superbin_count() / 2;
    let latest = refused(&place, &["restored"]);
    assert!(latest.contains("this database is the latest"), "{latest}");
    let unknown = refused(&place, &["restored", "--force", "--skip-to", "2031-01=5"]);
    assert!(unknown.contains("the broker has no period 2031-01"), "{unknown}");
    for number in [sets + 1, 99_999_999_999, 1 << 63] {
        let skip_to = format!("2026-12={number}");
        let many = refused(&place, &["restored", "--force", "--skip-to", &skip_to]);
        assert!(many.contains(&format!("period 2026-12 has {sets} sets")), "{many}");
    }
    let release = |run: &str, total: &str| {
        refused(&place, &["release-payouts", "--run", run, "--total", total])
    };
    assert!(release("0", "0 USD").contains("payouts are not blocked"));
    // The later ones of several numbers do not lower the first.
    let done = place.text("mmbroker restored --force --skip-to 2026-12=17 --skip-to 2026-12=3");
    assert!(done.contains("sets skipped"), "{done}");
    assert!(release("9223372036854775807", "1 USD").contains("expected a payout run up to 10000"));
    assert!(release("0", "1 USD").contains("expected a total of 0"));
    let status = place.text("mmbroker status");
    assert!(status.contains(&format!("period 2026-12: 1 of {sets} sets sold")), "{status}");
    assert!(status.contains("by a restore"), "{status}");
    let mut release = place.program("mmbroker release-payouts --run 0 --total");
    assert!(release.arg("0 USD").output().unwrap().status.success());
    assert!(place.text("mmbroker check").contains("in the audit log: 0"));
}

#[test]
fn a_deposit_of_the_console_has_the_limits_of_the_page() {
    let place = Place::new();
    let deposit = |user: &str, amount: &str, reference: &str| {
        refused(&place, &["deposit", user, amount, "--reference", reference])
    };
    for (amount, reference, expected) in [
        ("5 ABC", "1", "no period of the broker is in ABC; its currencies: USD"),
        ("2000000 USD", "1", "up to 1000000 USD"),
        ("0 USD", "1", "above 0"),
        ("5 USD", "", "expected a reference"),
        ("5 USD", "one\ntwo", "expected a reference"),
        ("5 USD", &"x".repeat(100_000), "expected a reference"),
        ("5 USD", "alice", "another deposit has this reference"),
    ] {
        let found = deposit("bob", amount, reference);
        assert!(found.contains(expected), "{found}");
    }
    // Of other sums for the same user, too; the same again is no fault.
    assert!(deposit("alice", "99 USD", "alice").contains("another deposit has this reference"));
    let mut again = place.program("mmbroker deposit alice");
    let again = again.args(["100 USD", "--reference", "alice"]).output().unwrap();
    assert!(String::from_utf8(again.stdout).unwrap().contains("was made before"));
}
