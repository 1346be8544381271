//! Redemption and the watch: one verdict a coin, each part with its credit.

use micromint::broker::{
    BATCHES_PER_HOUR_MAX, BatchRefusal, REFUSED_COINS_PER_HOUR_MAX, WATCH_COINS_PER_HOUR_MAX,
    hour_of,
};
use micromint::protocol::{ReadRedemption, RedemptionReader, RequestRedemption, Verdict};
use micromint::reply::Reply;
use mmbrokerd::service::{SaleAnswer, Upload};
use mmbrokerd::store::{AccountKind, RefusedFor};

use crate::databases::Database;
use crate::world::*;

on_both_databases!(
    good_coins_are_paid_once,
    a_batch_is_judged_in_parts_and_goes_on_where_it_stopped,
    a_staged_batch_is_judged_in_parts_and_goes_on_where_it_stopped,
    a_batch_at_the_same_time_twice_is_paid_once,
    what_is_not_from_the_owner_gets_one_verdict,
    batches_are_refused_as_a_whole,
    a_vendor_is_limited_by_the_hour,
    nothing_is_judged_after_redeem_until,
    clocks_that_differ_give_one_verdict_a_payment,
    a_double_spender_is_found_with_the_second_payment,
    a_watch_pays_nothing,
    watches_at_the_same_time_are_counted,
);

use Verdict::{Accepted, AlreadyPaid, NotFromOwner, TooLate, Waiting};

async fn clocks_that_differ_give_one_verdict_a_payment(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    for (number, coin) in coins.iter().enumerate() {
        let paid = payment("alice", "news.example", "a", std::slice::from_ref(coin));
        let sent = batch("news.example", &format!("b{number}"), &[paid]);
        let service = &world.service;
        let [one, other] = [DURING, CLOSED].map(|now| service.redeem(sent.clone(), now));
        for answer in <[_; 2]>::from(tokio::join!(other, one)) {
            let verdicts = answer.unwrap().granted().unwrap().result.verdicts;
            assert!([vec![Accepted], vec![TooLate]].contains(&verdicts), "{verdicts:?}");
        }
    }
    world.check_ledger().await;
}

async fn good_coins_are_paid_once(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    let one = batch("news.example", "b1", &[payment("alice", "news.example", "a", &coins[..3])]);
    assert_eq!(world.redeem(&one).await, [Accepted; 3]);
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, 3 * COIN);
    assert_eq!(world.redeem(&one).await, [Accepted; 3]);
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, 3 * COIN);
    let payments = [
        payment("alice", "news.example", "b", &coins[2..4]),
        payment("alice", "news.example", "c", &coins[3..4]),
    ];
    let two = batch("news.example", "b2", &payments);
    assert_eq!(world.redeem(&two).await, [AlreadyPaid, Accepted, AlreadyPaid]);
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, 4 * COIN);
    world.check_ledger().await;
}

async fn a_batch_is_judged_in_parts_and_goes_on_where_it_stopped(database: Database) {
    let world = world_with(database, |service| service.set_part_coins(2)).await;
    world.sell("alice", 2, 1).await;
    let coins = [coins("alice", "news.example", 0), coins("alice", "news.example", 2)].concat();
    let payments: Vec<_> = (0..6)
        .map(|i| payment("alice", "news.example", &i.to_string(), &coins[i..=i + i % 2]))
        .collect();
    let sent = batch("news.example", "b1", &payments);
    let expected = world.redeem(&sent).await;
    assert_eq!(expected.len(), 9);
    assert!(world.number("SELECT COUNT(*) FROM part").await >= 5);
    assert_eq!(world.redeem(&sent).await, expected);
    let paid = expected.iter().filter(|verdict| **verdict == Accepted).count() as i64;
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, paid * COIN);
    world.check_ledger().await;
    // A batch of which only the beginning was judged: the rest is judged later.
    let begun = batch("news.example", "b2", &payments);
    let mut tx = world.service.store().begin().await.unwrap();
    let sha256: [u8; 32] = sha2::Digest::finalize(sha2::Digest::chain_update(
        <sha2::Sha256 as sha2::Digest>::new(),
        &begun.data,
    ))
    .into();
    let kind = (mmbrokerd::store::BatchKind::Redemption, &begun.batch);
    tx.open_batch(&begun.period, &begun.vendor, kind, (&sha256, 6), DURING).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.redeem(&begun).await, [AlreadyPaid; 9]);
    let empty = batch("news.example", "b3", &[]);
    assert_eq!(world.redeem(&empty).await, []);
    assert_eq!(world.redeem(&empty).await, []);
}

/// The batch as it arrives, in pieces of a few bytes.
pub(crate) async fn staged(
    world: &World,
    batch: &RequestRedemption,
    piece: usize,
) -> (ReadRedemption, Upload) {
    let mut reader = RedemptionReader::new();
    reader.push(&batch.to_bytes()).unwrap();
    reader.set_key(&world.service.vendor_key(&batch.vendor).await.unwrap().key);
    let (head, data) = (reader.head().unwrap().clone(), reader.take());
    let mut upload = Upload::default();
    for piece in data.chunks(piece) {
        let taken = world.service.take_piece(&head, &mut upload, piece, DURING).await.unwrap();
        taken.granted().unwrap();
    }
    (reader.finish().unwrap(), upload)
}

async fn a_staged_batch_is_judged_in_parts_and_goes_on_where_it_stopped(database: Database) {
    let world = world_with(database, |service| service.set_part_coins(2)).await;
    world.sell("alice", 2, 1).await;
    let coins = [coins("alice", "news.example", 0), coins("alice", "news.example", 2)].concat();
    let payments: Vec<_> = (0..6)
        .map(|i| payment("alice", "news.example", &i.to_string(), &coins[i..=i + i % 2]))
        .collect();
    let mut accepted = 0;
    for (name, piece) in [("b1", 1), ("b2", 7), ("b3", 100), ("b4", 100_000)] {
        let sent = batch("news.example", name, &payments);
        let (read, upload) = staged(&world, &sent, piece).await;
        assert!(world.number("SELECT COUNT(*) FROM staged_piece").await > 0);
        let key = world.service.vendor_key(&sent.vendor).await.unwrap();
        let judged = world.service.redeem_read(read, &key, upload, Vec::new(), DURING);
        let answer = judged.await.unwrap();
        let verdicts = answer.granted().unwrap().result.verdicts;
        assert_eq!(world.redeem(&sent).await, verdicts, "{piece}");
        accepted += verdicts.iter().filter(|verdict| **verdict == Accepted).count() as i64;
        assert_eq!(world.number("SELECT COUNT(*) FROM staged_piece").await, 0);
    }
    let paid = world.balance(AccountKind::Vendor, "news.example").await;
    assert_eq!((paid, accepted), (7 * COIN, 7));
    // The broker ends before a batch is judged, and another before it is complete.
    let coins = crate::world::coins("alice", "shop.example", 0);
    let cut_off =
        batch("shop.example", "b1", &[payment("alice", "shop.example", "a", &coins[7..8])]);
    let (read, upload) = staged(&world, &cut_off, 10).await;
    let store = world.service.store();
    store.complete_staged(upload.number().unwrap(), &read.sha256).await.unwrap();
    let torn = batch("shop.example", "b2", &[payment("alice", "shop.example", "b", &coins[6..7])]);
    staged(&world, &torn, 10).await;
    assert_eq!(world.service.go_on().await.unwrap(), 0);
    world.clock.set(DURING.plus_seconds(3601));
    assert_eq!(world.service.go_on().await.unwrap(), 1);
    assert_eq!(world.number("SELECT COUNT(*) FROM staged").await, 0);
    assert_eq!(world.number("SELECT COUNT(*) FROM batch WHERE vendor = 'shop.example'").await, 1);
    world.check_ledger().await;
}

async fn a_batch_at_the_same_time_twice_is_paid_once(database: Database) {
    let world = world_with(database, |service| service.set_part_coins(1)).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    let payments: Vec<_> =
        (0..8).map(|i| payment("alice", "news.example", &i.to_string(), &coins[i..=i])).collect();
    let sent = batch("news.example", "b1", &payments);
    let (one, other) = tokio::join!(world.redeem(&sent), world.redeem(&sent));
    assert_eq!(
        (one.as_slice(), other.as_slice()),
        ([Accepted; 8].as_slice(), [Accepted; 8].as_slice())
    );
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, 8 * COIN);
    world.check_ledger().await;
}

async fn what_is_not_from_the_owner_gets_one_verdict(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    world.sell("bob", 1, 2).await;
    let of_alice = coins("alice", "news.example", 0);
    let thief = payment("bob", "news.example", "a", &of_alice[..1]);
    let nobody = payment("eve", "news.example", "a", &of_alice[..1]);
    let doubtful = with_junk(payment("alice", "news.example", "a", &of_alice[..1]));
    let sent = batch("news.example", "b1", &[thief, nobody, doubtful]);
    assert_eq!(world.redeem(&sent).await, [NotFromOwner, NotFromOwner, Waiting]);
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, 0);
    assert_eq!(world.number("SELECT COUNT(*) FROM doubtful").await, 1);
    // Bob signed a set of alice: that is proof against him.
    let refused = world.service.store().refused_users("2026-12").await.unwrap();
    assert_eq!(refused, [user("bob")]);
}

async fn batches_are_refused_as_a_whole(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    let pay = |page: &str| payment("alice", "news.example", page, &coins[..1]);
    let good = batch("news.example", "b1", &[pay("a")]);
    assert_eq!(world.redeem(&good).await, [Accepted]);
    let mut forged = batch("news.example", "b2", &[pay("b")]);
    forged.authenticator = micromint::authenticator::Authenticator::from_bytes([7; 16]);
    let other_content = batch("news.example", "b1", &[pay("b")]);
    let unknown = batch("inn.example", "b1", &[pay("b")]);
    let mut other_period = batch("news.example", "b3", &[pay("b")]);
    other_period.period = "2027-01".parse().unwrap();
    for wrong in [forged, other_content, unknown, other_period] {
        let answer = world.service.redeem(wrong.clone(), DURING).await.unwrap();
        assert!(matches!(answer, Reply::Refused(_)), "{wrong:?}");
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM batch").await, 1);
}

/// At the bounds of batches and of refused coins, and past them.
async fn a_vendor_is_limited_by_the_hour(database: Database) {
    let world = world_with(database, |service| service.set_part_coins(2)).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    let good = batch("news.example", "good", &[payment("alice", "news.example", "a", &coins[..1])]);
    assert_eq!(world.redeem(&good).await, [Accepted]);
    let again: Vec<_> =
        (0..6).map(|i| payment("alice", "news.example", &i.to_string(), &coins[..1])).collect();
    let again = batch("news.example", "again", &again);
    // The clock's hour has one refused coin less than it may have: one part of two is judged.
    let most = REFUSED_COINS_PER_HOUR_MAX as i64 - 1;
    let mut tx = world.service.store().begin().await.unwrap();
    let hour = hour_of(DURING);
    tx.add_coins_refused(&vendor("news.example"), hour, most as u64).await.unwrap();
    tx.commit().await.unwrap();
    let refused = |batch: RequestRedemption, now| {
        let service = &world.service;
        async move { service.redeem(batch, now).await.unwrap().refused() }
    };
    let found = refused(again.clone(), DURING).await;
    assert!(matches!(found, Some(BatchRefusal::TooManyRefused { .. })), "{found:?}");
    assert_eq!(world.number("SELECT judged FROM batch WHERE name = 'again'").await, 2);
    assert_eq!(world.number("SELECT coins FROM refused_coin").await, most + 2);
    // What was judged is answered, and other vendors are not concerned.
    assert_eq!(world.redeem(&good).await, [Accepted]);
    assert_eq!(world.redeem(&batch("shop.example", "b1", &[])).await, []);
    // It goes on in the next hour.
    let next = DURING.plus_seconds(3600);
    assert_eq!(world.redeem_at(&again, next).await, [AlreadyPaid; 6]);
    assert_eq!(world.number("SELECT MIN(coins) FROM refused_coin").await, 4);
    for number in 1..=BATCHES_PER_HOUR_MAX {
        let sent = batch("shop.example", &format!("hour-{number}"), &[]);
        assert_eq!(world.redeem_at(&sent, next).await, []);
    }
    let past = batch("shop.example", "past", &[]);
    let found = refused(past.clone(), next).await;
    assert!(matches!(found, Some(BatchRefusal::TooManyBatches { .. })), "{found:?}");
    assert_eq!(world.number("SELECT COUNT(*) FROM batch WHERE name = 'past'").await, 0);
    assert_eq!(world.redeem_at(&batch("shop.example", "hour-1", &[]), next).await, []);
    assert_eq!(world.redeem_at(&past, next.plus_seconds(3600)).await, []);
    world.check_ledger().await;
}

async fn nothing_is_judged_after_redeem_until(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    let early = batch("news.example", "b1", &[payment("alice", "news.example", "a", &coins[..1])]);
    let late = batch("news.example", "b2", &[payment("alice", "news.example", "b", &coins[1..2])]);
    assert_eq!(world.redeem(&early).await, [Accepted]);
    assert_eq!(world.redeem_at(&late, CLOSED).await, [TooLate]);
    assert_eq!(world.number("SELECT coins FROM refused_coin").await, 1);
    assert_eq!(world.redeem_at(&early, CLOSED).await, [Accepted]);
    // The clock was wrong, and nothing was decided by it.
    assert_eq!(world.redeem(&late).await, [Accepted]);
    world.settle().await;
    // After the settlement that holds, whatever the clock.
    let later = batch("news.example", "b3", &[payment("alice", "news.example", "c", &coins[2..3])]);
    assert_eq!(world.redeem(&later).await, [TooLate]);
    world.fund("alice", 100).await;
    let answer = world.order("alice", 1, 9).await;
    assert!(matches!(answer, mmbrokerd::service::SaleAnswer::Refused(_)), "{answer:?}");
}

async fn a_double_spender_is_found_with_the_second_payment(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let refused = || world.service.store().refused_users("2026-12");
    let at_news = coins("alice", "news.example", 0);
    let at_shop = coins("alice", "shop.example", 0);
    let shared = at_news
        .iter()
        .find_map(|coin| {
            let other = at_shop.iter().find(|other| other[0] == coin[0])?;
            Some((coin.clone(), other.clone()))
        })
        .unwrap();
    let one = batch("news.example", "b1", &[payment("alice", "news.example", "a", &[shared.0])]);
    // Shown, redeemed, and redeemed again at one vendor: that proves nothing.
    let shown = watch(
        "news.example",
        "w1",
        &[payment("alice", "news.example", "a", &[coins("alice", "news.example", 0)[0].clone()])],
    );
    world.service.watch(shown, DURING).await.unwrap().granted().unwrap();
    assert_eq!(world.redeem(&one).await, [Accepted]);
    assert_eq!(refused().await.unwrap(), []);
    let two = watch("shop.example", "w1", &[payment("alice", "shop.example", "a", &[shared.1])]);
    let result = world.service.watch(two, DURING).await.unwrap().granted().unwrap();
    assert_eq!(result.result.verdicts, [AlreadyPaid]);
    assert_eq!(refused().await.unwrap(), [user("alice")]);
    // Vendors refuse the coins of this user, so none are sold.
    match world.order("alice", 1, 99).await {
        SaleAnswer::Refused(refused) => assert_eq!(refused.reason, RefusedFor::Revoked),
        other => panic!("{other:?}"),
    }
}

async fn watches_at_the_same_time_are_counted(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    let show = |name: &str, coins: &[Vec<u64>]| {
        watch("news.example", name, &[payment("alice", "news.example", name, coins)])
    };
    let first = world.service.watch(show("w0", &coins[..1]), DURING).await.unwrap();
    assert!(first.granted().is_some());
    // Two coins fewer than an hour may have.
    let shown = format!("UPDATE batch SET coins = {}", WATCH_COINS_PER_HOUR_MAX - 2);
    let pool = world.service.store().pool();
    sqlx::query(sqlx::AssertSqlSafe(shown)).execute(pool).await.unwrap();
    let names: Vec<String> = (1..=6).map(|number| format!("w{number}")).collect();
    let all = names.iter().map(|name| world.service.watch(show(name, &coins[1..2]), DURING));
    let answers = futures_util::future::join_all(all).await;
    let granted = answers.into_iter().filter(|answer| matches!(answer, Ok(Reply::Granted(_))));
    assert_eq!(granted.count(), 2);
}

async fn a_watch_pays_nothing(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    let paid = payment("alice", "news.example", "a", &coins[..2]);
    let shown = watch("news.example", "w1", std::slice::from_ref(&paid));
    let answer = world.service.watch(shown.clone(), DURING).await.unwrap().granted().unwrap();
    assert_eq!((&answer.result.verdicts[..], answer.is_repeated), (&[Accepted; 2][..], false));
    let again = world.service.watch(shown, DURING).await.unwrap().granted().unwrap();
    assert_eq!((again.result, again.is_repeated), (answer.result, true));
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, 0);
    assert_eq!(world.redeem(&batch("news.example", "b1", &[paid])).await, [Accepted; 2]);
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, 2 * COIN);
}
