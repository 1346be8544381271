//! What the console refuses before it changes anything, and what of it is in the audit log.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

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
    assert!(done.contains("mmbroker vendor-key --new HOST"), "{done}");
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
        ("5 USD", "a\u{200b}lice", "expected a reference"),
        ("5 USD", "a\u{ad}lice", "expected a reference"),
        ("5 USD", "alice\u{fe0f}", "expected a reference"),
        ("5 USD", "a\u{3164}lice", "expected a reference"),
        ("5 USD", "\u{202e}alice", "expected a reference"),
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

#[test]
fn references_that_look_alike_are_of_one_deposit() {
    let place = Place::new();
    let deposit = |reference: &str| {
        let mut command = place.program("mmbroker deposit alice");
        let output = command.args(["7 USD", "--reference", reference]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!deposit("M\u{fc}ller 7").contains("was made before"));
    for same in ["Mu\u{308}ller 7", " M\u{fc}ller  7 ", "M\u{fc}ller\u{a0}7"] {
        assert!(deposit(same).contains("was made before"), "{same:?}");
    }
    assert!(!deposit("M\u{fc}ller 8").contains("was made before"));
}

#[test]
fn a_new_password_keeps_the_role_of_an_operator() {
    let place = Place::new();
    let set = |line: &str| {
        let output = place.program(line).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(set("mmbroker person boss --role admin").contains("an operator with the role admin"));
    assert!(set("mmbroker person boss").contains("an operator with the role admin"));
    assert!(!set("mmbroker person boss --role none").contains("operator"));
    assert!(!set("mmbroker person boss").contains("operator"));
    let audit = place.text("mmbroker audit");
    assert_eq!(audit.matches("boss admin").count(), 2, "{audit}");
    assert_eq!(audit.matches("boss none").count(), 2, "{audit}");
}

#[test]
fn a_coin_file_that_is_missing_is_told() {
    let place = Place::new();
    place.buy("alice", 1);
    assert!(place.text("mmbroker check").contains("in the configuration: 0"));
    std::fs::rename(place.path("2026-12.coins"), place.path("elsewhere")).unwrap();
    let output = place.program("mmbroker check").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("period 2026-12: ") && told.contains("put it back"), "{told}");
}

#[test]
fn coins_of_another_broker_are_not_sold() {
    let place = Place::new();
    let config = std::fs::read_to_string(place.path("broker.toml")).unwrap();
    let other = config.replace("https://broker.example", "https://brokre.example");
    assert_ne!(config, other);
    std::fs::write(place.path("broker.toml"), &other).unwrap();
    // A period that was sold goes on, since a broker may move, and `check` tells of it.
    let output = place.program("mmbroker check").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("period 2026-12: its coins name the broker"), "{told}");
    let new = other.replace("sqlite:broker.db", "sqlite:new.db");
    std::fs::write(place.path("broker.toml"), &new).unwrap();
    std::fs::remove_file(place.path("broker.witness")).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mmbrokerd"));
    command.current_dir(place.path("")).args(["--config", "broker.toml"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("listening"), "{line}");
    child.kill().unwrap();
    let told = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(told.contains("its coins name the broker https://broker.example/"), "{told}");
    assert!(told.contains("this broker is https://brokre.example"), "{told}");
    // Nothing of it is sold; all else works, and `check` tells of it.
    assert!(refused(&place, &["check"]).contains("its coins name the broker"));
    let line = ["withdraw", "--user", "alice", "--sets", "1", "--period", "2026-12"];
    assert!(refused(&place, &line).contains("2026-12"));
    place.run("mmbroker payout list", 0);
}
