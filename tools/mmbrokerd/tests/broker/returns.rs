//! Returns and the settlement: for each superbin, sold = paid + credited + disputed + lapsed.

use micromint::protocol::Verdict;
use micromint::reply::Reply;
use mmbrokerd::store::AccountKind;

use crate::databases::Database;
use crate::world::*;

on_both_databases!(
    returned_balls_are_credited_at_the_settlement,
    a_doubtful_payment_and_a_return_are_disputed,
    returns_are_refused_as_a_whole,
    the_settlement_goes_on_where_it_stopped,
);

use Verdict::{Accepted, AlreadyPaid, Disputed, NotFromOwner, Waiting};

async fn returned_balls_are_credited_at_the_settlement(database: Database) {
    let world = world(database).await;
    let sale = world.sell("alice", 1, 1).await;
    world.sell("bob", 1, 2).await;
    let coins = coins("alice", "news.example", 0);
    let paid = batch("news.example", "b1", &[payment("alice", "news.example", "a", &coins[..2])]);
    assert_eq!(world.redeem(&paid).await, [Accepted; 2]);
    let firsts: Vec<u64> = coins.iter().map(|coin| coin[0]).collect();
    let foreign = MINT.set(&user("bob"), 2).superbins[0][0];
    let back = return_of("alice", "r1", &[firsts[1], firsts[2], firsts[2], firsts[3], foreign]);
    let waiting = [AlreadyPaid, Waiting, Waiting, Waiting, NotFromOwner];
    assert_eq!(world.take_back(&back, EXPIRED).await, waiting);
    assert_eq!(world.take_back(&back, EXPIRED).await, waiting);
    let again = return_of("alice", "r2", &[firsts[3], firsts[4]]);
    assert_eq!(world.take_back(&again, EXPIRED).await, [Waiting; 2]);
    let before = world.balance(AccountKind::Client, "alice").await;
    world.settle().await;
    let settled = [AlreadyPaid, Accepted, AlreadyPaid, Accepted, NotFromOwner];
    assert_eq!(world.take_back(&back, CLOSED).await, settled);
    assert_eq!(world.take_back(&again, CLOSED).await, [AlreadyPaid, Accepted]);
    assert_eq!(world.balance(AccountKind::Client, "alice").await, before + 3 * COIN);
    assert_eq!(world.balance(AccountKind::Coins, "2026-12").await, 0);
    let bobs = MINT.set(&user("bob"), 2).superbins[0].len() as i64;
    let lapsed = i64::from(sale.coins) + bobs - 2 - 3;
    assert_eq!(world.balance(AccountKind::Lapsed, "2026-12").await, lapsed * COIN);
    world.check_ledger().await;
}

async fn a_doubtful_payment_and_a_return_are_disputed(database: Database) {
    let world = world(database).await;
    world.sell("alice", 4, 1).await;
    let coins = [0, 2, 4, 6].map(|first| coins("alice", "news.example", first)).concat();
    // Enough certain coins that the doubtful ones are not held.
    let doubtful = with_junk(payment("alice", "news.example", "z", &coins[..1]));
    let certain = payment("alice", "news.example", "a", &coins[1..]);
    let sent = batch("news.example", "b1", &[doubtful, certain]);
    let verdicts = world.redeem(&sent).await;
    assert_eq!(verdicts[0], Waiting);
    let back = return_of("alice", "r1", &[coins[0][0]]);
    assert_eq!(world.take_back(&back, EXPIRED).await, [Waiting]);
    world.settle().await;
    assert_eq!(world.redeem_at(&sent, CLOSED).await[0], Disputed);
    assert_eq!(world.take_back(&back, CLOSED).await, [Disputed]);
    assert_eq!(world.balance(AccountKind::Disputed, "2026-12").await, COIN);
    assert_eq!(world.balance(AccountKind::Coins, "2026-12").await, 0);
    world.check_ledger().await;
}

async fn returns_are_refused_as_a_whole(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let first = coins("alice", "news.example", 0)[0][0];
    let refused = async |request, now| {
        let answer = world.service.take_back(&world.period, request, 7, now).await.unwrap();
        matches!(answer, Reply::Refused(_))
    };
    let good = return_of("alice", "r1", &[first]);
    assert!(refused(good.clone(), DURING).await);
    assert!(refused(good.clone(), CLOSED).await);
    let mut forged = good.clone();
    forged.x[0] ^= 1;
    assert!(refused(forged, EXPIRED).await);
    assert!(refused(return_of("alice", "r2", &[first; 17]), EXPIRED).await);
    assert!(!refused(return_of("alice", "r2", &[first; 16]), EXPIRED).await);
    assert!(!refused(good, EXPIRED).await);
    assert!(refused(return_of("alice", "r1", &[first, first]), EXPIRED).await);
    assert!(refused(return_of("eve", "r1", &[first]), EXPIRED).await);
}

async fn the_settlement_goes_on_where_it_stopped(database: Database) {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let first = coins("alice", "news.example", 0)[0][0];
    let back = return_of("alice", "r1", &[first]);
    assert_eq!(world.take_back(&back, EXPIRED).await, [Waiting]);
    // It was marked, and then the program ended.
    let mut tx = world.service.store().begin().await.unwrap();
    tx.set_settled(world.period.name(), 1, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.take_back(&back, EXPIRED).await, [Waiting]);
    world.settle().await;
    assert_eq!(world.take_back(&back, CLOSED).await, [Accepted]);
    assert_eq!(world.balance(AccountKind::Coins, "2026-12").await, 0);
    world.check_ledger().await;
}
