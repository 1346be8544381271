//! A broker that outgrows SQLite moves to PostgreSQL: everything is there, the old database is
//! closed, and the new one goes on where the old one stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use micromint::coin_file::CoinFile;
use micromint::host::{Clock, DiskDirectory};
use micromint::protocol::Verdict;
use micromint::reply::Reply;
use mmbrokerd::service::{MoveRefusal, Progress, SaleAnswer, SaleOrder, Service};
use mmbrokerd::shop::{audit_faults, last_rows};
use mmbrokerd::store::{AccountKind, Store};
use sqlx::{AssertSqlSafe, Row};

use crate::databases::Database;
use crate::world::*;

/// The rows of each table, in an order that does not depend on the database.
async fn dump(schema: &Store, store: &Store) -> BTreeMap<String, Vec<String>> {
    let tables = sqlx::query(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
         AND name <> '_sqlx_migrations'",
    );
    let mut found = BTreeMap::new();
    for table in tables.fetch_all(schema.pool()).await.unwrap() {
        let table: String = table.get(0);
        let columns = sqlx::query("SELECT name, type FROM pragma_table_info($1)")
            .bind(table.clone())
            .fetch_all(schema.pool())
            .await
            .unwrap();
        let names: Vec<String> = columns.iter().map(|column| column.get(0)).collect();
        let select = format!("SELECT {} FROM {table}", names.join(", "));
        let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(store.pool()).await.unwrap();
        let mut rows: Vec<String> = rows
            .iter()
            .map(|row| {
                let value = |at: usize| match columns[at].get::<String, _>(1).as_str() {
                    "INTEGER" => format!("{:?}", row.get::<Option<i64>, _>(at)),
                    "TEXT" => format!("{:?}", row.get::<Option<String>, _>(at)),
                    _ => format!("{:?}", row.get::<Option<Vec<u8>>, _>(at)),
                };
                (0..columns.len()).map(value).collect::<Vec<_>>().join("|")
            })
            .collect();
        rows.sort();
        found.insert(table, rows);
    }
    found
}

/// The same broker on another database.
async fn world_on(old: &World, database: Database) -> World {
    let store = Store::open(&database.url).await.unwrap();
    let clock = Arc::clone(&old.clock);
    let witness = old.folder.path().join("witness");
    let service =
        Service::open(store, secret(), Some(&witness), Arc::clone(&clock) as Arc<dyn Clock>);
    let service = service.await.unwrap();
    let coin_file =
        CoinFile::open_read(&DiskDirectory::new(old.folder.path()), "2026-12.coins").unwrap();
    service.add_period(coin_file, &old.folder.path().join("2026-12.coins")).await.unwrap();
    let period = service.period(MINT.params().period()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    World { service: Arc::new(service), period, clock, folder, _database: database }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_moves_to_postgresql_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("witness");
    let mut old = world_at(Database::sqlite(), Some(&witness)).await;
    std::fs::write(folder.path().join("2026-12.coins"), &*COINS).unwrap();
    old.folder = folder;
    let sale = old.sell("alice", 2, 1).await;
    let all = coins("alice", "news.example", sale.first);
    let paid = batch("news.example", "b-1", &[payment("alice", "news.example", "1", &all[..3])]);
    assert_eq!(old.redeem(&paid).await, [Verdict::Accepted; 3]);
    let junk = with_junk(payment("bob", "shop.example", "2", &all[3..5]));
    old.redeem(&batch("shop.example", "b-2", &[junk])).await;
    let long = "ü \"quoted\" 'text'\n".repeat(20_000);
    let pool = old.service.store().pool();
    for number in 0..1_100i64 {
        let text = if number % 500 == 0 { long.as_str() } else { "short" };
        sqlx::query(
            "INSERT INTO mail (at, address, subject, text, tries, next_at, fault) \
             VALUES ($1, 'a@example.org', 'x', $2, 0, 0, '')",
        )
        .bind(number)
        .bind(text.to_string())
        .execute(pool)
        .await
        .unwrap();
    }

    let target = Database::postgres();
    let moved = old.service.move_to(&target.url).await.unwrap().granted().unwrap();
    let to = Store::open(&target.url).await.unwrap();
    assert!(moved > 1_100, "{moved}");
    let (before, after) = (dump(old.service.store(), old.service.store()).await, {
        dump(old.service.store(), &to).await
    });
    assert_eq!(before.values().map(Vec::len).sum::<usize>() as u64, moved);
    for (table, rows) in before {
        assert_eq!(rows, after[&table], "{table}");
    }

    // A service that still runs on the old database changes nothing.
    let order = SaleOrder { user: user("alice"), sets: 1, transaction: 2, now: DURING };
    let why = old.service.buy(&old.period, order.clone()).await.unwrap_err().to_string();
    assert!(why.contains("its broker was moved to postgres://"), "{why}");
    assert!(old.service.is_moved().await.unwrap());
    assert_eq!(old.service.move_to(&target.url).await.unwrap(), Reply::Refused(MoveRefusal::Moved));
    assert_eq!(
        old.service.undo_move(&target.url).await.unwrap(),
        Reply::Refused(MoveRefusal::Moved)
    );
    let more = batch("news.example", "b-3", &[payment("alice", "news.example", "3", &all[5..6])]);
    assert!(old.service.redeem(more.clone(), DURING).await.is_err());
    assert_eq!(old.number("SELECT COUNT(*) FROM sale").await, 1);
    assert_eq!(old.number("SELECT COUNT(*) FROM batch").await, 2);

    let new = world_on(&old, target).await;
    assert_eq!(new.redeem(&paid).await, [Verdict::Accepted; 3]);
    assert_eq!(new.redeem(&more).await, [Verdict::Accepted]);
    let SaleAnswer::Sold(next) = new.service.buy(&new.period, order).await.unwrap() else {
        panic!("expected a sale");
    };
    assert!(next.first >= sale.first + 4, "{} after {}", next.first, sale.first);
    assert_eq!(
        last_rows(new.service.store(), 1).await.unwrap()[0].what,
        "moved to another database"
    );
    new.settle().await;
    new.check_ledger().await;
    assert_eq!(audit_faults(new.service.store()).await.unwrap(), [""; 0]);
    assert_eq!(new.balance(AccountKind::Vendor, "news.example").await, 4 * COIN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_needs_an_empty_database_on_postgresql() {
    let old = world(Database::sqlite()).await;
    old.sell("alice", 1, 1).await;
    let (sqlite, used) = (Database::sqlite(), world(Database::postgres()).await);
    for (service, url) in [
        (&old.service, &sqlite.url),
        (&used.service, &sqlite.url),
        (&used.service, &old._database.url),
    ] {
        let refused = Reply::Refused(MoveRefusal::Dialects);
        assert_eq!(service.move_to(url).await.unwrap(), refused);
        let refused = Reply::Refused(MoveRefusal::Dialects);
        assert_eq!(service.undo_move(url).await.unwrap(), refused);
    }
    // The same secret, as if an older copy of the database were moved once more.
    let found = old.service.move_to(&used._database.url).await.unwrap();
    assert_eq!(found, Reply::Refused(MoveRefusal::Moved));
    let pool = used.service.store().pool();
    sqlx::query("UPDATE broker SET secret_tag = $1")
        .bind(vec![1u8; 16])
        .execute(pool)
        .await
        .unwrap();
    let found = old.service.move_to(&used._database.url).await.unwrap();
    assert_eq!(found, Reply::Refused(MoveRefusal::OtherBroker));
    let shared = Database::postgres();
    let other = Store::open(&shared.url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE wiki (page TEXT)").execute(other.pool()).await.unwrap();
    let found = old.service.move_to(&shared.url).await.unwrap();
    assert_eq!(found, Reply::Refused(MoveRefusal::OtherTables("wiki".to_string())));
    // Nothing was closed, and no turn is kept.
    assert_eq!(
        old.service.undo_move(&shared.url).await.unwrap(),
        Reply::Refused(MoveRefusal::Open)
    );
    old.sell("alice", 1, 2).await;
    used.sell("bob", 1, 1).await;
}

/// A row that PostgreSQL cannot have ends the move: all of the copy is undone, and the old database
/// goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_fails_changes_nothing() {
    let old = world(Database::sqlite()).await;
    old.sell("alice", 1, 1).await;
    let nul = "INSERT INTO disabled_vendor (vendor, at, why) VALUES ('x.example', 0, $1)";
    let pool = old.service.store().pool();
    sqlx::query(nul).bind("a\0b").execute(pool).await.unwrap();
    let target = Database::postgres();
    let why = old.service.move_to(&target.url).await.unwrap_err().to_string();
    assert!(why.contains("disabled_vendor"), "{why}");
    old.sell("alice", 1, 2).await;
    assert_eq!(last_rows(old.service.store(), 1).await.unwrap()[0].what, "move taken back");
    sqlx::query("DELETE FROM disabled_vendor").execute(pool).await.unwrap();
    assert!(old.service.move_to(&target.url).await.unwrap().granted().is_some());
}

/// The old database is closed before a row is copied, so a move that is cut off anywhere leaves at
/// most one broker; it goes on, or is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_was_cut_off_goes_on_or_is_taken_back() {
    let old = world(Database::sqlite()).await;
    old.sell("alice", 1, 1).await;
    let (target, away) = (Database::postgres(), "postgres://postgres@127.0.0.1:1/gone");
    // What a kill leaves between the closing and the copy.
    let cut_off = async || {
        assert!(old.service.move_to(&target.url).await.unwrap().granted().is_some());
        let to = Store::open(&target.url).await.unwrap();
        let all = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        sqlx::raw_sql(all).execute(to.pool()).await.unwrap();
        to.close().await;
        let order = SaleOrder { user: user("alice"), sets: 1, transaction: 9, now: DURING };
        assert!(old.service.buy(&old.period, order).await.is_err());
    };
    cut_off().await;
    // Another database does not tell where the broker is; nor does one that does not answer.
    let other = Database::postgres();
    for url in [away, &other.url] {
        let undone = old.service.undo_move(url).await.unwrap().refused();
        let moved = old.service.move_to(url).await.unwrap().refused();
        for refused in [undone, moved] {
            assert!(matches!(refused, Some(MoveRefusal::MovedTo(_))), "{refused:?}");
        }
    }
    assert!(old.service.is_moved().await.unwrap());
    assert!(old.service.undo_move(&target.url).await.unwrap().granted().is_some());
    assert!(!old.service.is_moved().await.unwrap());
    old.sell("alice", 1, 2).await;
    cut_off().await;
    assert!(old.service.move_to(&target.url).await.unwrap().granted().is_some());
    let to = Store::open(&target.url).await.unwrap();
    assert_eq!(audit_faults(&to).await.unwrap(), [""; 0]);
    // The broker is there, whatever else somebody makes in that database.
    sqlx::raw_sql("CREATE TABLE a_wiki (page TEXT)").execute(to.pool()).await.unwrap();
    for found in [
        old.service.undo_move(&target.url).await.unwrap().refused(),
        old.service.move_to(&target.url).await.unwrap().refused(),
    ] {
        assert_eq!(found, Some(MoveRefusal::Moved));
    }
    assert!(old.service.is_moved().await.unwrap());
}

/// A disk that is full when the old database is closed: nothing was copied yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_closed_is_not_copied() {
    let old = world(Database::sqlite()).await;
    old.sell("alice", 1, 1).await;
    let store = old.service.store();
    let full = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END";
    sqlx::raw_sql(full).execute(store.pool()).await.unwrap();
    let target = Database::postgres();
    assert!(old.service.move_to(&target.url).await.is_err());
    let to = Store::open(&target.url).await.unwrap();
    let row = sqlx::query("SELECT COUNT(*) FROM broker").fetch_one(to.pool()).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 0);
    assert!(!old.service.is_moved().await.unwrap());
}

/// A broker that waits for a restore moves nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halted_broker_is_not_moved() {
    let old = world(Database::sqlite()).await;
    let told = Progress { generation: 1, numbers: [("reserved:2026-12".to_string(), 9)].into() };
    old.service.store().add_told(&told).await.unwrap();
    let why = old.service.move_to(&Database::postgres().url).await.unwrap_err().to_string();
    assert!(why.contains("mmbroker restored"), "{why}");
    assert!(!old.service.is_moved().await.unwrap());
}
