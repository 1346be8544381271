//! Moving a wallet: coins can be spent from one file only, whatever crashes when.

use super::*;
use crate::host::Survives;

const TRAVELS: &str = "stick.mmw";
const NEW: &str = "new.mmw";

fn move_out(directory: &SimulatedDirectory, from: &str, to: &str) -> Result<(), WalletError> {
    Wallet::open(directory, from, &SystemEntropy)?.move_out(directory, to, &SystemEntropy, NOW)
}

fn move_in(directory: &SimulatedDirectory, from: &str, to: &str) -> Result<Wallet, WalletError> {
    Wallet::move_in(directory, from, directory, to, &SystemEntropy, NOW)
}

/// The files from which coins can be spent, of all that are there.
fn spendable(directory: &SimulatedDirectory) -> Vec<String> {
    let names = directory.names().unwrap();
    let is_spendable = |name: &String| {
        let wallet = Wallet::open_to_read(directory, name);
        wallet.is_ok_and(|it| it.state().frozen().is_none() && unspent(it.state()) > 0)
    };
    names.into_iter().filter(is_spendable).collect()
}

#[test]
fn a_wallet_is_moved_by_way_of_a_file() {
    let directory = SimulatedDirectory::new();
    let mut old = filled(&directory, &[4, 10]);
    let coins = unspent(old.state());
    old.move_out(&directory, TRAVELS, &SystemEntropy, NOW).unwrap();
    assert_eq!(spendable(&directory), [""; 0]);
    let page = request("https://news.example/a", 1);
    let paid = old.pay(&page, &get(&page.url), &FREELY, NOW);
    assert!(matches!(paid, Err(WalletError::Frozen { frozen: Frozen::Left(NOW), .. })), "{paid:?}");
    let received = old.receive(&funds(&[20], 2), NOW);
    assert!(matches!(received, Err(WalletError::Frozen { .. })), "{received:?}");
    old.move_out(&directory, TRAVELS, &SystemEntropy, NOW).unwrap();
    assert!(move_out(&directory, NAME, "another").is_err(), "it has left to one file");

    // Nothing can be spent from the file that travels, and it can be moved into one wallet.
    let travelling = Wallet::open_to_read(&directory, TRAVELS).unwrap();
    assert_eq!(travelling.state().frozen(), Some(Frozen::Travels(NOW)));
    let restored = Wallet::restore(&directory, TRAVELS, &directory, "r", true, NOW);
    assert!(matches!(restored, Err(WalletError::NoBackup { .. })));
    let mut new = move_in(&directory, TRAVELS, NEW).unwrap();
    assert_eq!(spendable(&directory), [NEW]);
    assert_eq!(unspent(new.state()), coins);
    assert!(move_in(&directory, TRAVELS, NEW).is_ok(), "it is complete");
    assert!(matches!(move_in(&directory, TRAVELS, "third"), Err(WalletError::Frozen { .. })));
    assert!(matches!(pay(&mut new, &page), PaymentDecision::Send(_)));

    // And back again: the file that it came from is replaced, because the new one has all of it.
    new.move_out(&directory, "back", &SystemEntropy, NOW).unwrap();
    let home = move_in(&directory, "back", NAME).unwrap();
    assert_eq!(spendable(&directory), [NAME]);
    assert_eq!((home.state().payments().len(), unspent(home.state())), (1, coins - 1));
}

#[test]
fn nothing_else_is_moved_or_replaced() {
    let directory = SimulatedDirectory::new();
    filled(&directory, &[4]).backup(&directory, "backup", NOW).unwrap();
    for name in ["backup", NAME] {
        let moved = move_in(&directory, name, NEW);
        assert!(matches!(moved, Err(WalletError::CarriesNoWallet { .. })), "{name}");
    }
    assert!(move_in(&directory, "absent", NEW).is_err());
    let taken = move_out(&directory, NAME, "backup");
    assert!(matches!(taken, Err(WalletError::Exists { .. })));
    assert_eq!(spendable(&directory), [NAME]);
    // A wallet in use, and the file that another wallet has left.
    move_out(&directory, NAME, TRAVELS).unwrap();
    for other in ["in use", "left"] {
        let mut wallet = Wallet::open(&directory, other, &SystemEntropy).unwrap();
        wallet.receive(&funds(&[20], 2), NOW).unwrap();
        if other == "left" {
            move_out(&directory, other, "its").unwrap();
        }
        let moved = move_in(&directory, TRAVELS, other);
        assert!(matches!(moved, Err(WalletError::Exists { .. })), "{other}");
    }
    assert!(move_in(&directory, TRAVELS, NEW).is_ok());
}

/// If the file that travels is lost, what it left behind serves as a backup.
#[test]
fn a_file_that_the_wallet_has_left_is_restored_as_a_backup() {
    let directory = SimulatedDirectory::new();
    filled(&directory, &[4]);
    move_out(&directory, NAME, TRAVELS).unwrap();
    directory.remove(TRAVELS).unwrap();
    assert!(move_out(&directory, NAME, TRAVELS).is_err());
    let restored = Wallet::restore(&directory, NAME, &directory, "r", false, NOW).unwrap();
    assert!(restored.state().balance(0).in_doubt > 0);
    assert_eq!(restored.state().balance(0).unspent, 0);
}

/// The whole copy of another wallet's interrupted move may be the only one that can be moved on.
#[test]
fn the_interrupted_move_of_another_wallet_is_not_overwritten() {
    let directory = SimulatedDirectory::new();
    filled(&directory, &[4]).move_out(&directory, TRAVELS, &SystemEntropy, NOW).unwrap();
    directory.rename(TRAVELS, ".stick.mmw.moving").unwrap();
    let mut other = Wallet::open(&directory, "other", &SystemEntropy).unwrap();
    other.receive(&funds(&[20], 2), NOW).unwrap();
    let moved = other.move_out(&directory, TRAVELS, &SystemEntropy, NOW);
    assert!(matches!(moved, Err(WalletError::Exists { .. })));
    assert_eq!(spendable(&directory), ["other"]);
    // What a crash cut off is not such a copy.
    directory.put(".stick.mmw.moving", b"MMjrnl1\n");
    other.move_out(&directory, TRAVELS, &SystemEntropy, NOW).unwrap();
}

#[test]
fn a_crash_at_any_step_of_a_move_leaves_one_wallet_to_spend_from() {
    let made = SimulatedDirectory::new();
    let coins = unspent(filled(&made, &[4]).state());
    let bytes = made.bytes(NAME).unwrap();
    let whole = SimulatedDirectory::new();
    whole.put(NAME, &bytes);
    let before = whole.steps();
    move_out(&whole, NAME, TRAVELS).unwrap();
    move_in(&whole, TRAVELS, NEW).unwrap();
    let steps = whole.steps() - before;
    assert!(steps >= 18, "{steps} steps");
    for step in 0..=steps {
        for survives in
            [Survives::Written, Survives::Synced, Survives::Some(3), Survives::Some(1234)]
        {
            let directory = SimulatedDirectory::new();
            directory.put(NAME, &bytes);
            directory.crash_after(step);
            let is_out = move_out(&directory, NAME, TRAVELS).is_ok();
            let is_in = is_out && move_in(&directory, TRAVELS, NEW).is_ok();
            let after = directory.after_crash(survives);
            let here = spendable(&after);
            assert!(here.len() <= 1, "step {step} {survives:?}: {here:?}");
            assert!(!is_in || here == [NEW], "step {step} {survives:?}: {here:?}");
            assert!(!is_out || here != [NAME], "step {step} {survives:?}");
            // Whatever is moved in by its hidden name, it is not a second wallet.
            for name in after.names().unwrap().iter().filter(|name| name.starts_with('.')) {
                let other = directory.after_crash(survives);
                let _ = move_in(&other, name, "hidden");
                assert!(spendable(&other).len() <= 1, "step {step} {survives:?}: {name}");
            }
            // Repeated, the move is completed.
            if !is_in {
                move_out(&after, NAME, TRAVELS).unwrap();
                assert!(spendable(&after).iter().all(|name| name.contains(NEW)));
                move_in(&after, TRAVELS, NEW).unwrap();
            }
            assert_eq!(spendable(&after), [NEW], "step {step} {survives:?}");
            assert_eq!(unspent(Wallet::open_to_read(&after, NEW).unwrap().state()), coins);
        }
    }
}
