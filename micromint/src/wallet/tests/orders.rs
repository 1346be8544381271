//! Orders: none is lost, none is made twice, and only the broker ends one.

use std::collections::BTreeMap;

use super::*;
use crate::host::Survives;
use crate::period::Period;
use crate::wallet::ordering::LOGIN_LEN_MAX;

const PAGE: &str = "https://broker.example/coins";

fn asked<'a>(page: &'a Url, period: Option<&'a Period>, transaction: u64) -> NewOrder<'a> {
    NewOrder { page, login: "alice", period, sets: 1, transaction }
}

fn order(wallet: &mut Wallet, asked: &NewOrder<'_>) -> OrderToSend {
    match wallet.order(asked, NOW).unwrap() {
        Reply::Granted(order) => order,
        Reply::Refused(why) => panic!("{why}"),
    }
}

fn open_orders(wallet: &Wallet) -> Vec<u64> {
    wallet.state().open_orders().map(|order| order.transaction).collect()
}

#[test]
fn an_order_is_open_until_its_sets_come() {
    let directory = SimulatedDirectory::new();
    let (page, period) = (url(PAGE), "2026-12".parse().unwrap());
    let mut wallet = open(&directory);
    let first = order(&mut wallet, &asked(&page, Some(&period), 7));
    assert_eq!(
        (first.again, first.order.form().as_str()),
        (false, "sets=1&transaction=7&period=2026-12")
    );
    // Another process, with another number and another number of sets: the open order counts.
    let mut other = open(&directory);
    let again = order(&mut other, &NewOrder { sets: 9, ..asked(&page, None, 8) });
    assert!(again.again);
    assert_eq!(again.order, first.order);
    // Another login, or another page, is another order.
    let bob = order(&mut other, &NewOrder { login: "bob", ..asked(&page, None, 8) });
    let elsewhere = url("https://broker.example/other");
    let third = order(&mut other, &asked(&elsewhere, None, 9));
    assert!(!bob.again && !third.again);
    assert_eq!(bob.order.form(), "sets=1&transaction=8");
    let taken = wallet.order(&asked(&url("https://b.example/"), None, 8), NOW).unwrap();
    assert!(matches!(taken, Reply::Refused(NotOrdered::OtherPage { transaction: 8, .. })));

    // Sets of another sale do not close it.
    wallet.receive_from(&page, &funds(&[10], 6), NOW).unwrap();
    assert_eq!(open_orders(&wallet), [7, 8, 9]);
    wallet.receive_from(&page, &funds(&[4], 7), NOW).unwrap();
    assert_eq!(open_orders(&open(&directory)), [8, 9]);
    assert!(wallet.state().orders()[0].is_received);
    // From a file, without knowing about the order.
    wallet.receive(&funds(&[20], 8), NOW).unwrap();
    assert_eq!(open_orders(&wallet), [9]);
    // A sale that is in the wallet is fetched again; nothing is expected of it.
    let known = order(&mut wallet, &asked(&page, Some(&period), 7));
    assert!(!known.again);
    assert_eq!(open_orders(&open(&directory)), [9]);
}

#[test]
fn sets_of_another_period_do_not_close_an_order() {
    let mut wallet = open(&SimulatedDirectory::new());
    let (page, period) = (url(PAGE), "2027-01".parse().unwrap());
    order(&mut wallet, &asked(&page, Some(&period), 7));
    wallet.receive_from(&page, &funds(&[4], 7), NOW).unwrap();
    assert_eq!(open_orders(&wallet), [7]);
}

#[test]
fn only_the_broker_and_the_owner_end_an_order_without_sets() {
    let directory = SimulatedDirectory::new();
    let mut wallet = open(&directory);
    let (page, period) = (url(PAGE), "2026-12".parse().unwrap());
    let sending = order(&mut wallet, &asked(&page, Some(&period), 7));
    let refused = |text| sending.order.is_refused_by(text, true);
    assert!(refused(Some("2026-12 7")) && refused(Some(" 2026-12 7 ")));
    for other in
        ["", "7", "2026-12", "2026-12 8", "2027-01 7", "2026-12 7 7", "2026-12  7", "2026-12 07x"]
    {
        assert!(!refused(Some(other)), "{other}");
    }
    assert!(!refused(None));
    // Without a period, the page may sell another one by now.
    let unknown = order(&mut wallet, &NewOrder { login: "bob", ..asked(&page, None, 8) }).order;
    assert!(unknown.is_refused_by(Some("2026-12 8"), false));
    assert!(!unknown.is_refused_by(Some("2026-12 8"), true));
    assert!(!unknown.is_refused_by(Some("Of nothing 8"), false));

    assert!(wallet.close_order(7, true, "sold\u{1b} out", NOW).unwrap());
    assert!(!wallet.close_order(7, true, "", NOW).unwrap(), "it is closed");
    assert!(wallet.close_order(8, false, "", NOW).unwrap());
    let wallet = open(&directory);
    assert!(open_orders(&wallet).is_empty());
    let closed = wallet.state().orders()[0].closed.clone().unwrap();
    assert_eq!((closed.is_refused, closed.reason.as_str()), (true, "sold out"));
    // The sets may come after all.
    let mut wallet = wallet;
    assert!(matches!(wallet.receive(&funds(&[4], 8), NOW).unwrap(), Received::New { .. }));
}

#[test]
fn orders_are_bounded() {
    let mut wallet = open(&SimulatedDirectory::new());
    let page = url(PAGE);
    for (sets, granted) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
        let login = format!("user{sets}");
        let asked = NewOrder { sets, login: &login, ..asked(&page, None, u64::from(sets)) };
        let reply = wallet.order(&asked, NOW).unwrap();
        assert_eq!(matches!(reply, Reply::Granted(_)), granted, "{sets}");
    }
    for (len, granted) in [(LOGIN_LEN_MAX, true), (LOGIN_LEN_MAX + 1, false)] {
        let login = "x".repeat(len);
        let reply = wallet.order(&NewOrder { login: &login, ..asked(&page, None, 5) }, NOW);
        assert_eq!(matches!(reply.unwrap(), Reply::Granted(_)), granted, "{len}");
    }
}

/// The sets of an order that was open when a backup was made may have come, and their coins may
/// have been spent, before the backup was restored.
#[test]
fn the_sets_of_an_order_in_a_restored_backup_can_only_be_returned() {
    let directory = SimulatedDirectory::new();
    let page = url(PAGE);
    let mut wallet = open(&directory);
    order(&mut wallet, &asked(&page, None, 7));
    wallet.backup(&directory, "backup", NOW).unwrap();
    for (name, spendable) in [("careful", false), ("sure", true)] {
        let restored = Wallet::restore(&directory, "backup", &directory, name, spendable, NOW);
        let mut restored = restored.unwrap();
        assert_eq!(open_orders(&restored), [7]);
        restored.receive_from(&page, &funds(&[4], 7), NOW).unwrap();
        let balance = restored.state().balance(0);
        assert_eq!((balance.unspent > 0, balance.in_doubt > 0), (spendable, !spendable));
    }
}

/// A broker that sells to whoever asks, once for each number, and has a crash of its client between
/// request and answer.
#[test]
fn a_crash_at_any_step_loses_no_order_and_makes_none_twice() {
    let page = url(PAGE);
    let buy = |directory: &SimulatedDirectory, sales: &mut BTreeMap<u64, u32>, number: u64| {
        let mut wallet = Wallet::open(directory, NAME, &SystemEntropy)?;
        let Reply::Granted(sending) = wallet.order(&asked(&page, None, number), NOW)? else {
            panic!("one set is in range");
        };
        let next = 4 + 2 * sales.len() as u32;
        let first = *sales.entry(sending.order.transaction).or_insert(next);
        wallet.receive_from(&page, &funds(&[first], sending.order.transaction), NOW)?;
        Ok::<(), WalletError>(())
    };
    let whole = SimulatedDirectory::new();
    let before = whole.steps();
    buy(&whole, &mut BTreeMap::new(), 1).unwrap();
    let steps = whole.steps() - before;
    assert!(steps >= 8, "{steps} steps");
    for step in 0..=steps {
        for survives in
            [Survives::Written, Survives::Synced, Survives::Some(3), Survives::Some(1234)]
        {
            let directory = SimulatedDirectory::new();
            directory.crash_after(step);
            let mut sales = BTreeMap::new();
            let done = buy(&directory, &mut sales, 1).is_ok();
            let after = directory.after_crash(survives);
            let sold = sales.len();
            let mut wallet = open(&after);
            if done || sold == 0 {
                let sets = wallet.state().sets.len();
                assert!(!done || sets == 1, "step {step}");
                continue;
            }
            // Whatever the next number would be, the open order goes on.
            if open_orders(&wallet) == [1] {
                buy(&after, &mut sales, 2).unwrap();
            }
            assert_eq!(sales.len(), 1, "step {step}: bought twice");
            wallet.refresh().unwrap();
            assert_eq!(wallet.state().sets.len(), 1, "step {step}: a sale is lost");
            assert!(open_orders(&wallet).is_empty());
        }
    }
}
