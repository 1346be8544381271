//! What is kept in the memory is bounded, and as new as the database.

use std::sync::Arc;

use mmbrokerd::store::{Account, AccountKind, KNOWN_ACCOUNTS_MAX, Store};

use crate::databases::Database;
use crate::world::*;

on_both_databases!(
    known_accounts_are_bounded,
    the_refused_are_read_again_only_when_there_are_more,
    the_refused_are_read_once_for_many_who_ask,
);

async fn known_accounts_are_bounded(database: Database) {
    let world = world(database).await;
    let store = Store::open(&world._database.url).await.unwrap();
    let account = |number: usize| {
        let currency = world.period.params().coin_value().currency();
        Account::new(AccountKind::Client, format!("user{number}"), currency)
    };
    // All but the last two exist already.
    let insert = format!(
        "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < {}) \
         INSERT INTO account (kind, owner, currency) \
         SELECT 'client', 'user' || n, '{}' FROM number",
        KNOWN_ACCOUNTS_MAX - 2,
        account(0).currency
    );
    sqlx::query(sqlx::AssertSqlSafe(insert)).execute(store.pool()).await.unwrap();
    let mut numbers = Vec::new();
    for number in 0..KNOWN_ACCOUNTS_MAX {
        numbers.push(store.account(&account(number)).await.unwrap());
    }
    assert_eq!(store.known_accounts(), KNOWN_ACCOUNTS_MAX);
    // What is known makes no room.
    assert_eq!(store.account(&account(0)).await.unwrap(), numbers[0]);
    assert_eq!(store.known_accounts(), KNOWN_ACCOUNTS_MAX);
    let past = store.account(&account(KNOWN_ACCOUNTS_MAX)).await.unwrap();
    assert_eq!(store.known_accounts(), 1);
    assert!(!numbers.contains(&past));
    // What was forgotten has the number that it had.
    for number in [0, 7, KNOWN_ACCOUNTS_MAX - 1] {
        assert_eq!(store.account(&account(number)).await.unwrap(), numbers[number]);
    }
    assert_eq!(store.known_accounts(), 4);
}

/// The list of the period, as text.
async fn refused(world: &World) -> String {
    let list = world.service.refused(&world.period).await.unwrap();
    String::from_utf8(list.text.to_vec()).unwrap()
}

async fn the_refused_are_read_again_only_when_there_are_more(database: Database) {
    let world = world(database).await;
    let first = world.service.refused(&world.period).await.unwrap();
    assert_eq!(*first.text, *b"");
    let again = world.service.refused(&world.period).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again), "it was read again");
    // By another process.
    let other = Store::open(&world._database.url).await.unwrap();
    other.revoke(&user("zoe"), DURING).await.unwrap();
    assert_eq!(refused(&world).await, "zoe\n");
    // A proved offender, who is on the list with the next question.
    world.sell("alice", 1, 1).await;
    let (news, shop) = (coins("alice", "news.example", 0), coins("alice", "shop.example", 0));
    let shared = |coin: &&Vec<u64>| news.iter().any(|other| other[0] == coin[0]);
    let spent = shop.iter().find(shared).unwrap();
    let before = news.iter().find(|coin| coin[0] == spent[0]).unwrap();
    for (name, coin) in [("news.example", before), ("shop.example", spent)] {
        assert_eq!(refused(&world).await, "zoe\n");
        let paid = payment("alice", name, "a", std::slice::from_ref(coin));
        world.redeem(&batch(name, "b-1", &[paid])).await;
    }
    assert_eq!(refused(&world).await, "alice\nzoe\n");
    // An offender whom a person revokes too is on it once.
    other.revoke(&user("alice"), DURING).await.unwrap();
    assert_eq!(refused(&world).await, "alice\nzoe\n");
    let last = world.service.refused(&world.period).await.unwrap();
    assert!(Arc::ptr_eq(&last, &world.service.refused(&world.period).await.unwrap()));
}

async fn the_refused_are_read_once_for_many_who_ask(database: Database) {
    const ASKING: usize = 100;
    let world = world(database).await;
    world.service.store().revoke(&user("zoe"), DURING).await.unwrap();
    let asks = (0..ASKING).map(|_| {
        let (service, period) = (Arc::clone(&world.service), Arc::clone(&world.period));
        tokio::spawn(async move { service.refused(&period).await.unwrap() })
    });
    let mut lists = Vec::new();
    for ask in asks.collect::<Vec<_>>() {
        lists.push(ask.await.unwrap());
    }
    assert_eq!(*lists[0].text, *b"zoe\n");
    assert!(lists.iter().all(|list| Arc::ptr_eq(list, &lists[0])), "it was read more than once");
}
