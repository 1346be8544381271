//! `mmwallet move`: the wallet goes to another place, and can be spent from in one only.

use std::process::Output;

use super::vendor::Vendor;
use super::{Home, MINT, status, stderr, stdout, text};

/// Runs a command with the wallet at `name`, in the home.
fn at(home: &Home, name: &str, args: &[&str]) -> Output {
    let mut command = assert_cmd::Command::cargo_bin("mmwallet").unwrap();
    command.env_clear().arg("--wallet").arg(home.path(name)).args(args).output().unwrap()
}

#[test]
fn a_wallet_is_moved_and_moved_back() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let (stick, page) = (home.path("stick.mmw"), vendor.url("/page"));
    let coins = home.unspent();
    let output = home.run(&["move", "--out", text(&stick)]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(stdout(&output).starts_with(&format!("moved {coins} coins to ")), "{output:?}");
    for wallet in ["data/wallet.mmw", "stick.mmw"] {
        let output = at(&home, wallet, &["get", &page, "--autopay", "2"]);
        assert!(matches!(status(&output), 1 | 3), "{output:?}");
        assert!(stderr(&output).contains("moved"), "{output:?}");
    }
    assert!(vendor.payments().is_empty());
    let balance = stdout(&home.run(&["balance"]));
    assert!(balance.starts_with("Nothing can be spent from this file: the wallet was moved out"));
    // Again, which changes nothing; and to another file, which is refused.
    assert_eq!(status(&home.run(&["move", "--out", text(&stick)])), 0);
    let output = home.run(&["move", "--out", text(&home.path("other"))]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("repeat it with the same FILE"), "{output:?}");

    let output = at(&home, "new/wallet.mmw", &["move", "--in", text(&stick)]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(!stick.exists(), "the file is used up");
    let output = at(&home, "new/wallet.mmw", &["get", &page, "--autopay", "2"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");

    assert_eq!(status(&at(&home, "new/wallet.mmw", &["move", "--out", text(&stick)])), 0);
    assert_eq!(status(&home.run(&["move", "--in", text(&stick)])), 0);
    assert_eq!(home.unspent(), coins - 2);
}

#[test]
fn a_file_is_moved_in_once_and_replaces_no_wallet() {
    let home = Home::with_coins();
    let (stick, copy) = (home.path("stick.mmw"), home.path("copy.mmw"));
    assert_eq!(status(&home.run(&["move", "--out", text(&stick)])), 0);
    let received = at(&home, "other.mmw", &["receive", text(&home.funds(&[20], 2))]);
    assert_eq!(status(&received), 0, "{received:?}");
    let output = at(&home, "other.mmw", &["move", "--in", text(&stick)]);
    assert_eq!(status(&output), 1, "{output:?}");
    assert!(stderr(&output).contains("exists already; no coins are lost"), "{output:?}");
    // The name of the file changes nothing.
    std::fs::rename(&stick, &copy).unwrap();
    assert_eq!(status(&at(&home, "new.mmw", &["move", "--in", text(&copy)])), 0);
    assert_eq!(status(&at(&home, "new.mmw", &["move", "--in", text(&copy)])), 1);
    let output = at(&home, "third.mmw", &["move", "--in", text(&home.wallet())]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("was moved out of this file"), "{output:?}");
    for arguments in [&["move"][..], &["move", "--out", "a", "--in", "b"]] {
        assert_eq!(status(&home.run(arguments)), 2, "{arguments:?}");
    }
}
