//! A vendor key that leaked is replaced: the one before is refused at once, everywhere, and the new
//! one finishes what the one before began.

use std::path::Path;
use std::sync::Arc;

use micromint::broker::BatchRefusal;
use micromint::host::Clock;
use micromint::protocol::{RequestRedemption, Unsigned, Verdict::*};
use micromint::reply::Reply;
use mmbrokerd::service::{
    KEYS_AHEAD_MAX, OwnersRefusal, Restore, Service, ServiceError, VendorKey,
};
use mmbrokerd::shop::last_rows;
use mmbrokerd::store::{AccountKind, CONSOLE, Store, StoreError};
use sha2::{Digest, Sha256};

use crate::databases::Database;
use crate::redemption::staged;
use crate::world::*;

on_both_databases!(
    a_replaced_key_is_refused_everywhere_and_the_new_one_works,
    a_batch_of_the_key_before_is_the_same_batch_under_the_new_one,
    a_batch_whose_key_is_replaced_while_it_arrives_is_refused,
    the_next_period_has_the_same_key,
    two_processes_replace_one_after_the_other_and_see_it_at_once,
    a_form_that_is_sent_twice_replaces_one_key,
    a_restored_database_learns_the_key_from_the_vendor,
    a_restored_database_that_forgot_a_replacement_is_noticed,
    a_halted_broker_learns_the_key_before_it_goes_on,
);

const NEWS: &str = "news.example";

async fn replace(world: &World) -> VendorKey {
    let replaced = world.service.replace_vendor_key(CONSOLE, &vendor(NEWS), None).await.unwrap();
    replaced.granted().unwrap()
}

/// Whether each kind of message is answered, under the key of this number, with an answer under the
/// same key; `false` if each is refused for its authenticator.
async fn is_answered(service: &Service, number: u32) -> bool {
    let key = secret().numbered_vendor_key(&vendor(NEWS), number);
    let id = format!("k{number}");
    let sent = batch_under(number, NEWS, &id, &[]);
    let owners = owners_under(number, NEWS);
    let shown = watch_under(number, NEWS, &id, &[]);
    let mut answered = Vec::new();
    match service.redeem(sent.clone(), DURING).await.unwrap() {
        Reply::Granted(answer) => {
            let digest = Sha256::digest(&sent.data).into();
            assert!(answer.result.is_authentic(&key, &sent.period, &digest), "{number}");
            answered.push(true);
        }
        Reply::Refused(refusal) => {
            assert!(matches!(refusal, BatchRefusal::WrongAuthenticator { .. }), "{refusal}");
            answered.push(false);
        }
    }
    match service.watch(shown, DURING).await.unwrap() {
        Reply::Granted(answer) => {
            assert!(answer.result.is_authentic(&key.sync_key()), "{number}");
            answered.push(true);
        }
        Reply::Refused(refusal) => {
            assert!(matches!(refusal, BatchRefusal::WrongAuthenticator { .. }), "{refusal}");
            answered.push(false);
        }
    }
    match service.owners(owners.clone(), None).await.unwrap() {
        Reply::Granted((answer, _)) => {
            assert!(answer.answers(&owners, &key.sync_key()), "{number}");
            answered.push(true);
        }
        Reply::Refused(refusal) => {
            assert!(matches!(refusal, OwnersRefusal::WrongAuthenticator(_)), "{refusal}");
            answered.push(false);
        }
    }
    assert!(answered.iter().all(|each| *each == answered[0]), "{number}: {answered:?}");
    answered[0]
}

async fn audit(world: &World, rows: i64) -> Vec<String> {
    let rows = last_rows(world.service.store(), rows).await.unwrap();
    rows.iter().map(|row| format!("{}: {}: {}", row.by, row.what, row.detail)).collect()
}

async fn a_replaced_key_is_refused_everywhere_and_the_new_one_works(database: Database) {
    let world = world(database).await;
    assert!(is_answered(&world.service, 0).await);
    for number in 1..=2 {
        let key = replace(&world).await;
        let expected = secret().numbered_vendor_key(&vendor(NEWS), number);
        assert_eq!((key.number, key.key), (number, expected));
        assert_eq!(
            audit(&world, 1).await,
            [format!("console: vendor key replaced: {NEWS} {number}")]
        );
        assert!(is_answered(&world.service, number).await);
        assert!(!is_answered(&world.service, number - 1).await);
    }
    // Another vendor keeps its key, and whoever registers again gets the one that counts.
    world.redeem(&batch("shop.example", "b1", &[])).await;
    let again = world.service.register_vendor(&world.period, &vendor(NEWS), DURING).await;
    let expected = secret().numbered_vendor_key(&vendor(NEWS), 2);
    assert_eq!(again.unwrap().granted().unwrap(), expected);
}

/// A large batch is staged and cut off before the key is replaced, and then sent again.
async fn a_batch_of_the_key_before_is_the_same_batch_under_the_new_one(database: Database) {
    let world = world_with(database, |service| service.set_part_coins(1)).await;
    world.sell("alice", 2, 1).await;
    let coins = [coins("alice", NEWS, 0), coins("alice", NEWS, 2)].concat();
    let pay = |page: &str, at: usize| payment("alice", NEWS, page, &coins[at..=at]);
    let payments = [[pay("a", 0), pay("b", 1)], [pay("c", 2), pay("d", 3)]];
    let both = |number, name, which: usize| batch_under(number, NEWS, name, &payments[which]);
    // One is judged, the other arrived completely and waits.
    let judged = world.redeem(&both(0, "judged", 0)).await;
    assert_eq!(judged, [Accepted; 2]);
    let cut_off = both(0, "cut-off", 1);
    let (read, upload) = staged(&world, &cut_off, 10).await;
    assert!(read.is_authentic);
    let store = world.service.store();
    store.complete_staged(upload.number().unwrap(), &read.sha256).await.unwrap();

    replace(&world).await;
    for (name, which) in [("judged", 0), ("cut-off", 1), ("cut-off", 1)] {
        assert_eq!(world.redeem(&both(1, name, which)).await, [Accepted; 2], "{name}");
        assert_eq!(world.balance(AccountKind::Vendor, NEWS).await, 2 * (which as i64 + 1) * COIN);
    }
    // What is still staged is judged without its vendor, and finds it done.
    world.clock.set(DURING.plus_seconds(3601));
    assert_eq!(world.service.go_on().await.unwrap(), 1);
    assert_eq!(world.balance(AccountKind::Vendor, NEWS).await, 4 * COIN);
    // Other content under the same Batch-ID is refused as before.
    let other = world.service.redeem(both(1, "judged", 1), DURING).await.unwrap();
    assert!(matches!(other, Reply::Refused(BatchRefusal::OtherContent { .. })));
    world.check_ledger().await;
}

async fn a_batch_whose_key_is_replaced_while_it_arrives_is_refused(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", NEWS, 0);
    let sent = batch(NEWS, "b1", &[payment("alice", NEWS, "a", &coins[..1])]);
    let key = world.service.vendor_key(&vendor(NEWS)).await.unwrap();
    let (read, upload) = staged(&world, &sent, 10).await;
    assert!(read.is_authentic);
    replace(&world).await;
    let judged = world.service.redeem_read(read, &key, upload, Vec::new(), DURING).await.unwrap();
    assert!(matches!(judged, Reply::Refused(BatchRefusal::WrongAuthenticator { .. })));
    assert_eq!(world.number("SELECT COUNT(*) FROM staged").await, 0);
    assert_eq!(world.balance(AccountKind::Vendor, NEWS).await, 0);
}

async fn the_next_period_has_the_same_key(database: Database) {
    let world = world(database).await;
    crate::vendors::open_next(&world).await;
    replace(&world).await;
    assert!(world.service.carry_all_vendors().await.unwrap().is_empty());
    let next = world.service.period(&crate::vendors::next()).unwrap();
    let registered = world.service.register_vendor(&next, &vendor(NEWS), DURING).await.unwrap();
    let expected = secret().numbered_vendor_key(&vendor(NEWS), 1);
    assert_eq!(registered.granted().unwrap(), expected);
    for (number, is_good) in [(0, false), (1, true)] {
        let key = secret().numbered_vendor_key(&vendor(NEWS), number);
        let sent = RequestRedemption {
            vendor: vendor(NEWS),
            batch: "b1".parse().unwrap(),
            period: crate::vendors::next(),
            payments: 0,
            authenticator: Unsigned,
            data: Vec::new(),
        };
        let answer = world.service.redeem(sent.authenticated(&key), DURING).await.unwrap();
        assert_eq!(answer.granted().is_some(), is_good, "{number}");
    }
}

/// Another process of the same broker.
async fn other_process(world: &World) -> Service {
    let store = Store::open(&world._database.url).await.unwrap();
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let other = Service::open(store, secret(), None, clock).await.unwrap();
    other.open_coin_files(world.folder.path()).await.unwrap();
    other
}

async fn two_processes_replace_one_after_the_other_and_see_it_at_once(database: Database) {
    let world = world(database).await;
    let other = other_process(&world).await;
    assert!(is_answered(&other, 0).await);
    replace(&world).await;
    for service in [&*world.service, &other] {
        assert!(!is_answered(service, 0).await);
        assert!(is_answered(service, 1).await);
    }
    // At the same time, neither is lost.
    let replace_by = |service: Arc<Service>| async move {
        for _ in 0..10 {
            let done = service.replace_vendor_key(CONSOLE, &vendor(NEWS), None).await.unwrap();
            done.granted().unwrap();
        }
    };
    let other = Arc::new(other);
    let tasks = [Arc::clone(&world.service), Arc::clone(&other)].map(replace_by).map(tokio::spawn);
    for task in tasks {
        task.await.unwrap();
    }
    for service in [&world.service, &other] {
        assert_eq!(service.vendor_key(&vendor(NEWS)).await.unwrap().number, 21);
    }
    assert!(mmbrokerd::shop::audit_faults(world.service.store()).await.unwrap().is_empty());
}

async fn a_form_that_is_sent_twice_replaces_one_key(database: Database) {
    let world = world(database).await;
    let news = vendor(NEWS);
    let replace = |before| world.service.replace_vendor_key("alice", &news, Some(before));
    assert_eq!(replace(0).await.unwrap().granted().unwrap().number, 1);
    for before in [0, 2, u32::MAX] {
        assert!(replace(before).await.unwrap().granted().is_none(), "{before}");
    }
    assert_eq!(audit(&world, 1).await, [format!("alice: vendor key replaced: {NEWS} 1")]);
    // No number follows the last one.
    let mut tx = world.service.store().begin().await.unwrap();
    tx.set_vendor_key(&vendor(NEWS), u32::MAX).await.unwrap();
    tx.commit().await.unwrap();
    let last = replace(u32::MAX).await;
    assert!(matches!(last, Err(ServiceError::Store(StoreError::TooLarge(_)))), "{last:?}");
    assert!(is_answered(&world.service, u32::MAX).await);
    assert!(!is_answered(&world.service, 1).await);
}

/// The database is a backup of before the replacements; there is no witness.
async fn a_restored_database_learns_the_key_from_the_vendor(database: Database) {
    let world = world(database).await;
    // Nothing but a request for owners makes a later key count, and not one too far ahead.
    let far = KEYS_AHEAD_MAX + 1;
    assert!(!is_answered(&world.service, far).await);
    let shown = watch_under(2, NEWS, "w1", &[]);
    let early = world.service.watch(shown.clone(), DURING).await.unwrap();
    assert!(matches!(early, Reply::Refused(BatchRefusal::WrongAuthenticator { .. })));
    let mut forged = owners_under(0, NEWS);
    forged.held = 1;
    let forged = world.service.owners(forged, None).await.unwrap();
    assert!(matches!(forged, Reply::Refused(OwnersRefusal::WrongAuthenticator(_))));
    assert_eq!(world.number("SELECT COUNT(*) FROM vendor_key").await, 0);

    for _ in 0..2 {
        let answer = world.service.owners(owners_under(2, NEWS), None).await.unwrap();
        let key = secret().numbered_vendor_key(&vendor(NEWS), 2).sync_key();
        assert!(answer.granted().unwrap().0.answers(&owners_under(2, NEWS), &key));
        assert_eq!(audit(&world, 1).await, [format!("{NEWS}: vendor key found: {NEWS} 2")]);
        assert_eq!(world.number("SELECT COUNT(*) FROM audit").await, 1);
    }
    for (number, is_good) in [(0, false), (1, false), (2, true)] {
        assert_eq!(is_answered(&world.service, number).await, is_good, "{number}");
    }
    // The largest step.
    assert!(
        world
            .service
            .owners(owners_under(2 + KEYS_AHEAD_MAX, NEWS), None)
            .await
            .unwrap()
            .granted()
            .is_some()
    );
    assert!(!is_answered(&world.service, 2).await);
    // Replaced again, it has the key that the vendor would have got.
    assert_eq!(replace(&world).await.number, 3 + KEYS_AHEAD_MAX);
}

/// A broker whose witness knows that a key was replaced, and whose database is a backup of before.
async fn of_backup(database: Database, witness: &Path) -> World {
    let world = world_at(database, Some(witness)).await;
    replace(&world).await;
    let World { service, _database, .. } = world;
    drop(service);
    let store = Store::open(&_database.url).await.unwrap();
    for statement in ["DELETE FROM vendor_key", "DELETE FROM counter"] {
        sqlx::query(statement).execute(store.pool()).await.unwrap();
    }
    store.close().await;
    world_at(_database, Some(witness)).await
}

async fn a_restored_database_that_forgot_a_replacement_is_noticed(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let world = of_backup(database, &folder.path().join("witness")).await;
    let halted = world.service.halted().unwrap();
    let expected = "vendor keys that were replaced: the database has 0, the witness 1";
    assert!(halted.contains(expected), "{halted}");
    let refused = world.service.replace_vendor_key(CONSOLE, &vendor(NEWS), None).await;
    assert!(matches!(refused, Err(ServiceError::Store(StoreError::Halted(_)))), "{refused:?}");
    let restored = world.service.restored(&Restore::default()).await.unwrap();
    assert!(restored.granted().is_some());
    assert_eq!(world.number("SELECT number FROM counter WHERE name = 'vendor-keys'").await, 1);
    // The key of before counts until it is replaced again, which gives the same new key.
    assert!(is_answered(&world.service, 0).await);
    let again = replace(&world).await;
    assert_eq!(again.key, secret().numbered_vendor_key(&vendor(NEWS), 1));
    assert!(!is_answered(&world.service, 0).await);
    assert!(world.service.halted().is_none());
}

async fn a_halted_broker_learns_the_key_before_it_goes_on(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let world = of_backup(database, &folder.path().join("witness")).await;
    let answer = world.service.owners(owners_under(1, NEWS), None).await.unwrap();
    assert!(answer.granted().is_some());
    assert!(world.service.halted().is_some());
    world.service.restored(&Restore::default()).await.unwrap().granted().unwrap();
    assert!(!is_answered(&world.service, 0).await);
    assert!(is_answered(&world.service, 1).await);
}
