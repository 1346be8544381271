//! The database is cut off, cannot be written, or the clock goes back: requests fail and are sent
//! again, and nothing is doubled or lost.

use std::time::Duration;

use micromint::protocol::Verdict;
use mmbrokerd::service::{SaleAnswer, SaleOrder};
use mmbrokerd::store::{AccountKind, Dialect, RefusedFor};

use crate::databases::Database;
use crate::world::*;

on_both_databases!(a_clock_that_goes_back_reopens_nothing, an_order_survives_lost_connections);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_written_changes_nothing() {
    let world = world(Database::postgres()).await;
    world.sell("alice", 1, 1).await;
    set_read_only(&world, "on").await;
    let order = |transaction| SaleOrder { user: user("alice"), sets: 1, transaction, now: DURING };
    assert!(world.service.buy(&world.period, order(2)).await.is_err());
    let coins = coins("alice", "news.example", 0);
    let sent = batch("news.example", "b1", &[payment("alice", "news.example", "a", &coins[..1])]);
    assert!(world.service.redeem(sent.clone(), DURING).await.is_err());
    // What was sold is still delivered.
    let sale = world.service.store().sale(1).await.unwrap().unwrap();
    assert_eq!(world.service.deliver(&world.period, &sale).await.unwrap().sets.len(), 1);
    set_read_only(&world, "off").await;
    assert!(matches!(buy_at_last(&world, order(2)).await, SaleAnswer::Sold(_)));
    assert_eq!(world.redeem(&sent).await, [Verdict::Accepted]);
    assert_eq!(world.number("SELECT COUNT(*) FROM sale").await, 2);
    world.check_ledger().await;
}

/// Sends an order until it is answered.
async fn buy_at_last(world: &World, order: SaleOrder) -> SaleAnswer {
    for _ in 0..600 {
        if let Ok(answer) = world.service.buy(&world.period, order.clone()).await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no answer to the order");
}

/// Sets whether new connections can write, and cuts all others.
async fn set_read_only(world: &World, word: &str) {
    let name = world.database_name();
    let statement = format!("ALTER DATABASE {name} SET default_transaction_read_only = {word}");
    let mut connection = world.service.store().pool().acquire().await.unwrap();
    // A connection that cannot write cannot change this either.
    for statement in ["SET default_transaction_read_only = off".to_string(), statement] {
        let statement = sqlx::AssertSqlSafe(statement);
        sqlx::raw_sql(statement).execute(&mut *connection).await.unwrap();
    }
    drop(connection);
    cut(world).await;
}

/// Cuts all connections, as a database that restarts does.
async fn cut(world: &World) {
    let statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    // The pool may hand out a connection that was just cut.
    for _ in 0..100 {
        let Ok(mut connection) = world.service.store().pool().acquire().await else { continue };
        let is_cut = sqlx::query(statement).fetch_all(&mut *connection).await.is_ok();
        let _ = connection.close().await;
        if is_cut {
            return;
        }
    }
    panic!("no connection is left");
}

async fn an_order_survives_lost_connections(database: Database) {
    let world = world(database).await;
    if world.service.store().dialect() == Dialect::Sqlite {
        return;
    }
    world.fund("alice", 10_000).await;
    let buyers = async {
        for transaction in 0..16 {
            let order = SaleOrder { user: user("alice"), sets: 1, transaction, now: DURING };
            assert!(matches!(buy_at_last(&world, order).await, SaleAnswer::Sold(_)));
        }
    };
    let cutter = async {
        for _ in 0..30 {
            cut(&world).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::join!(buyers, cutter);
    assert_eq!(world.number("SELECT COUNT(*) FROM sale").await, 16);
    assert_eq!(world.number("SELECT next_superbin FROM period").await, 32);
    world.check_ledger().await;
}

async fn a_clock_that_goes_back_reopens_nothing(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    world.settle().await;
    world.clock.set(DURING);
    assert!(!world.service.settle(&world.period).await.unwrap());
    world.fund("alice", 100).await;
    match world.order("alice", 1, 2).await {
        SaleAnswer::Refused(refused) => assert_eq!(refused.reason, RefusedFor::Expired),
        other => panic!("{other:?}"),
    }
    let sent = batch("news.example", "b1", &[payment("alice", "news.example", "a", &coins[..1])]);
    assert_eq!(world.redeem(&sent).await, [Verdict::TooLate]);
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, 0);
    world.check_ledger().await;
}
