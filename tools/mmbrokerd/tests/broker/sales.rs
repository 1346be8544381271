//! Sales: exactly once, in order, each with its money.

use std::collections::BTreeSet;
use std::sync::Arc;

use mmbrokerd::service::SaleAnswer;
use mmbrokerd::shop::{REFERENCE_LEN_MAX, deposit};
use mmbrokerd::store::{AccountKind, RefusedFor};

use crate::databases::Database;
use crate::world::*;

on_both_databases!(
    a_sale_costs_its_first_balls_and_is_made_once,
    a_refused_order_stays_refused,
    another_order_under_the_same_number_is_rejected,
    orders_at_the_same_time_get_consecutive_sets,
    the_ledger_is_append_only_and_never_below_zero,
    large_numbers_are_kept,
    a_deposit_is_made_once,
    two_brokers_on_one_database_sell_no_set_twice,
    free_sets_are_found_within_a_sale,
);

async fn free_sets_are_found_within_a_sale(database: Database) {
    let world = world(database).await;
    let store = world.service.store();
    let mut sale = {
        world.fund("alice", 10_000).await;
        sold(world.order("alice", 2, 1).await)
    };
    let mut tx = store.begin().await.unwrap();
    for (first, sets, is_free) in [(4, 3, true), (10, 1, false), (12, 2, true)] {
        (sale.first, sale.sets, sale.is_free) = (first, sets, is_free);
        sale.transaction += 1;
        tx.add_sale(&sale, Some(b"a@b.example")).await.unwrap();
    }
    // Sold are 0 to 15.
    for (first, expected) in [(0, true), (2, true), (8, true), (10, true), (14, true), (16, false)]
    {
        assert_eq!(tx.is_sold(world.period.name(), first).await.unwrap(), expected, "{first}");
    }
    let (name, bob) = (world.period.name(), user("bob"));
    for (user, address, expected) in [
        (&user("alice"), None, 5),
        (&bob, None, 0),
        (&bob, Some(b"a@b.example".as_slice()), 5),
        (&bob, Some(b"b@b.example".as_slice()), 0),
    ] {
        assert_eq!(tx.free_sets_of(name, user, address).await.unwrap(), expected);
    }
    tx.commit().await.unwrap();
    for (from, past, expected) in [
        (0, 64, &[4, 6, 8, 12, 14][..]),
        (6, 8, &[6]),
        (8, 13, &[8, 12]),
        (10, 12, &[]),
        (14, 15, &[14]),
        (16, 64, &[]),
        (0, 4, &[]),
    ] {
        let found = store.free_superbins(name, from, past).await.unwrap();
        assert_eq!(found, expected.iter().copied().collect::<BTreeSet<u32>>(), "{from} {past}");
    }
    // The numbers that the period keeps are not those of these sales, which `check` finds.
    let faults = store.ledger_faults().await.unwrap();
    assert_eq!(faults, ["periods whose numbers of sets are not those of their sales: 1"]);
}

fn sold(answer: SaleAnswer) -> mmbrokerd::store::SaleRow {
    match answer {
        SaleAnswer::Sold(sale) => sale,
        other => panic!("expected a sale, found {other:?}"),
    }
}

async fn a_sale_costs_its_first_balls_and_is_made_once(database: Database) {
    let world = world(database).await;
    world.fund("alice", 100).await;
    let sale = sold(world.order("alice", 2, 5).await);
    let first = MINT.set(&user("alice"), 0);
    let second = MINT.set(&user("alice"), 2);
    let coins = first.superbins[0].len() + second.superbins[0].len();
    assert_eq!((sale.first, sale.sets, sale.coins as usize), (0, 2, coins));
    let left = (100 - coins as i64) * COIN;
    assert_eq!(world.balance(AccountKind::Client, "alice").await, left);
    assert_eq!(world.balance(AccountKind::Coins, "2026-12").await, coins as i64 * COIN);
    // The same order again is the same sale and the same message.
    let message = world.service.deliver(&world.period, &sale).await.unwrap();
    assert_eq!(message.sets, [first, second]);
    let again = sold(world.order("alice", 2, 5).await);
    assert_eq!(again, sale);
    let message_again = world.service.deliver(&world.period, &again).await.unwrap();
    assert_eq!(message_again.to_bytes(), message.to_bytes());
    assert_eq!(world.balance(AccountKind::Client, "alice").await, left);
    world.check_ledger().await;
    // It is delivered until it is acknowledged.
    assert_eq!(world.service.store().sale(5).await.unwrap().unwrap().received_at, None);
    world.service.store().acknowledge(5, DURING).await.unwrap();
    world.service.store().acknowledge(5, CLOSED).await.unwrap();
    assert_eq!(world.service.store().sale(5).await.unwrap().unwrap().received_at, Some(DURING));
}

async fn a_refused_order_stays_refused(database: Database) {
    let world = world(database).await;
    world.fund("alice", 3).await;
    let refused = |answer| match answer {
        SaleAnswer::Refused(refused) => refused,
        other => panic!("expected a refusal, found {other:?}"),
    };
    let poor = refused(world.order("alice", 1, 5).await);
    assert_eq!(poor.reason, RefusedFor::TooLittleMoney);
    assert!(poor.why.contains("the account has less than the "), "{}", poor.why);
    assert_eq!(world.balance(AccountKind::Client, "alice").await, 3 * COIN);
    world.fund("alice", 100).await;
    assert_eq!(refused(world.order("alice", 1, 5).await), poor);
    let sale = sold(world.order("alice", 1, 6).await);
    assert_eq!(sale.first, 0, "a refused order takes no superbin");
    world.fund("bob", 10_000).await;
    let many = refused(world.order("bob", 32, 7).await);
    assert_eq!(many.reason, RefusedFor::SoldOut);
    assert_eq!(many.why, "sold out: sets wanted 32, sets left 31");
    let late = refused(world.order_at("bob", 1, 8, EXPIRED).await);
    assert_eq!(late.reason, RefusedFor::Expired);
    world.service.store().revoke(&user("bob"), DURING).await.unwrap();
    assert_eq!(refused(world.order("bob", 1, 9).await).reason, RefusedFor::Revoked);
    world.check_ledger().await;
}

async fn another_order_under_the_same_number_is_rejected(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 5).await;
    world.fund("bob", 100).await;
    for (name, sets) in [("bob", 1), ("alice", 2)] {
        let answer = world.order(name, sets, 5).await;
        assert!(matches!(answer, SaleAnswer::Rejected(_)), "{answer:?}");
    }
    for sets in [0, 10_001] {
        let answer = world.order("alice", sets, 6).await;
        assert!(matches!(answer, SaleAnswer::Rejected(_)), "{answer:?}");
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM sale").await, 1);
}

async fn orders_at_the_same_time_get_consecutive_sets(database: Database) {
    let world = Arc::new(world(database).await);
    for name in ["alice", "bob", "carol"] {
        world.fund(name, 1000).await;
    }
    let orders = (0..30u64).map(|transaction| {
        let world = Arc::clone(&world);
        let name = ["alice", "bob", "carol"][transaction as usize % 3];
        // Every number comes twice, as from a client that asks again.
        tokio::spawn(async move { sold(world.order(name, 1, transaction / 2 * 3).await).first })
    });
    let orders: Vec<_> = orders.collect();
    let mut firsts = BTreeSet::new();
    let mut rejected = 0;
    for order in orders {
        match order.await {
            Ok(first) => drop(firsts.insert(first)),
            // The second order under a number is of another user.
            Err(_) => rejected += 1,
        }
    }
    assert_eq!(firsts, (0..15).map(|set| 2 * set).collect());
    assert_eq!(rejected, 15);
    world.check_ledger().await;
}

async fn two_brokers_on_one_database_sell_no_set_twice(database: Database) {
    let url = database.url.clone();
    let one = Arc::new(world(database).await);
    let store = mmbrokerd::store::Store::open(&url).await.unwrap();
    let clock = Arc::clone(&one.clock) as Arc<dyn micromint::host::Clock>;
    let other = mmbrokerd::service::Service::open(store, secret(), None, clock).await.unwrap();
    other.open_coin_files(one.folder.path()).await.unwrap();
    let (other, period) = (Arc::new(other), one.period.name().clone());
    one.fund("alice", 10_000).await;
    let mut orders = Vec::new();
    for transaction in 0..28u64 {
        let (one, other, period) = (Arc::clone(&one), Arc::clone(&other), period.clone());
        orders.push(tokio::spawn(async move {
            let service = if transaction % 2 == 0 { &one.service } else { &other };
            let period = service.period(&period).unwrap();
            let order = mmbrokerd::service::SaleOrder {
                user: user("alice"),
                sets: 1,
                transaction,
                now: DURING,
            };
            sold(service.buy(&period, order).await.unwrap()).first
        }));
    }
    let mut firsts = BTreeSet::new();
    for order in orders {
        assert!(firsts.insert(order.await.unwrap()));
    }
    assert_eq!(firsts, (0..28).map(|set| 2 * set).collect());
    one.check_ledger().await;
}

async fn the_ledger_is_append_only_and_never_below_zero(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 5).await;
    for change in [
        "UPDATE entry SET amount = amount + 1",
        "DELETE FROM entry",
        "UPDATE transfer SET at = 0",
        "DELETE FROM transfer",
        "UPDATE balance SET amount = -1 WHERE amount > 0",
        "INSERT INTO entry (transfer, account, amount) VALUES (1, 1, 0)",
        "INSERT INTO entry (transfer, account, amount) VALUES (999, 1, 5)",
    ] {
        let mut tx = world.service.store().begin().await.unwrap();
        let done = sqlx::query(change).execute(tx.connection()).await;
        assert!(done.is_err(), "{change}");
    }
    world.check_ledger().await;
}

async fn large_numbers_are_kept(database: Database) {
    let world = world(database).await;
    let sale = world.sell("alice", 1, u64::MAX).await;
    assert_eq!(world.service.store().sale(u64::MAX).await.unwrap(), Some(sale));
    world.fund("rich", 90_000_000_000).await;
    world.fund("rich", 90_000_000_000).await;
    let expected = 2 * 90_000_000_000 * COIN;
    assert!(expected > i64::from(u32::MAX));
    assert_eq!(world.balance(AccountKind::Client, "rich").await, expected);
    let late = "2400-01-01T00:00:00Z".parse().unwrap();
    world.service.store().acknowledge(u64::MAX, late).await.unwrap();
    let sale = world.service.store().sale(u64::MAX).await.unwrap().unwrap();
    assert_eq!(sale.received_at, Some(late));
}

async fn a_deposit_is_made_once(database: Database) {
    let world = world(database).await;
    let add = async |name: &str, amount: &str, reference: &str| {
        let what = (&user(name), amount.parse().unwrap(), reference);
        let added = deposit(&world.service, "boss", what).await.unwrap();
        added.into_result().map_err(|refusal| refusal.to_string())
    };
    assert_eq!(add("alice", "5 USD", "r1").await, Ok(true));
    assert_eq!(add("alice", "5 USD", " r1 ").await, Ok(false));
    assert_eq!(add("alice", "5 USD", "r2").await, Ok(true));
    // A reference is of one deposit, whoever gets the money.
    for (name, amount) in [("bob", "5 USD"), ("alice", "6 USD"), ("alice", "4.99999999 USD")] {
        let refused = add(name, amount, "r1").await.unwrap_err();
        assert!(refused.contains("another deposit has this reference"), "{refused}");
    }
    assert_eq!(world.balance(AccountKind::Client, "alice").await, 1000 * COIN);
    assert_eq!(world.balance(AccountKind::Client, "bob").await, 0);
    assert_eq!(add("alice", "1000000 USD", &"x".repeat(REFERENCE_LEN_MAX)).await, Ok(true));
    for (amount, reference, expected) in [
        ("1000000.00000001 USD", "r4", "up to 1000000 USD"),
        ("0 USD", "r4", "above 0"),
        ("5 ABC", "r4", "no period of the broker is in ABC; its currencies: USD"),
        ("5 USD", "", "expected a reference"),
        ("5 USD", "  ", "expected a reference"),
        ("5 USD", "one\ntwo", "expected a reference"),
        ("5 USD", &"x".repeat(REFERENCE_LEN_MAX + 1), "expected a reference"),
    ] {
        let refused = add("alice", amount, reference).await.unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
    let audit = "SELECT COUNT(*) FROM audit WHERE by_whom = 'boss' AND what = 'deposit'";
    assert_eq!(world.number(audit).await, 3);
    assert_eq!(world.number("SELECT COUNT(*) FROM transfer").await, 3);
    world.check_ledger().await;
}
