//! Disputes: what a person decides, each with its money; and the marked copy of the coin file.

use micromint::broker::{Dispute, Ruling, RulingOutcome};
use micromint::coin_file::{CoinFile, Status};
use micromint::host::DiskDirectory;
use mmbrokerd::store::AccountKind;

use crate::databases::Database;
use crate::world::*;

on_both_databases!(
    a_person_pays_a_vendor,
    a_person_refuses_a_vendor,
    a_held_vendor_is_paid_by_a_person_alone,
    a_copy_of_the_coin_file_is_marked,
);

/// A world in which alice's first coin was paid to news.example, which shows no right Authenticator
/// for it, and 100 others that are good make it a vendor that is not held; alice returned the coin.
async fn disputed(database: Database, returned: bool) -> World {
    let world = world(database).await;
    world.sell("alice", 1, 1).await;
    let coins = coins("alice", "news.example", 0);
    let junk = with_junk(payment("alice", "news.example", "a", &coins[..1]));
    world.redeem(&batch("news.example", "b1", &[junk])).await;
    if returned {
        let back = return_of("alice", "r-1", &[coins[0][0]]);
        world.take_back(&back, EXPIRED).await;
    }
    world.settle().await;
    assert_eq!(world.balance(AccountKind::Disputed, "2026-12").await, COIN);
    world
}

async fn rule(world: &World, ruling: Ruling) -> RulingOutcome {
    let at = vendor("news.example");
    let bob = user("bob");
    let none = world.service.rule(&world.period, &at, Some(&bob), ("boss", ruling)).await.unwrap();
    assert_eq!(none, None);
    let outcome =
        world.service.rule(&world.period, &at, Some(&user("alice")), ("boss", ruling)).await;
    let outcome = outcome.unwrap().unwrap();
    assert_eq!(world.service.disputes(&world.period).await.unwrap(), []);
    assert_eq!(world.service.rule(&world.period, &at, None, ("boss", ruling)).await.unwrap(), None);
    assert_eq!(world.balance(AccountKind::Disputed, "2026-12").await, 0);
    world.check_ledger().await;
    outcome
}

async fn a_person_pays_a_vendor(database: Database) {
    let world = disputed(database, true).await;
    let expected = Dispute {
        vendor: vendor("news.example"),
        user: user("alice"),
        coins: 1,
        returned: 1,
        users_of_vendor: 1,
        vendors_of_user: 1,
        is_held: true,
    };
    assert_eq!(world.service.disputes(&world.period).await.unwrap(), [expected]);
    let outcome = rule(&world, Ruling::Pay).await;
    assert_eq!(outcome, RulingOutcome { paid: 1, ..RulingOutcome::default() });
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, COIN);
}

async fn a_person_refuses_a_vendor(database: Database) {
    let world = disputed(database, true).await;
    let before = world.balance(AccountKind::Client, "alice").await;
    let outcome = rule(&world, Ruling::Refuse).await;
    assert_eq!(outcome, RulingOutcome { credited: 1, ..RulingOutcome::default() });
    assert_eq!(world.balance(AccountKind::Client, "alice").await, before + COIN);
    assert_eq!(world.balance(AccountKind::Vendor, "news.example").await, 0);
}

async fn a_held_vendor_is_paid_by_a_person_alone(database: Database) {
    let world = disputed(database, false).await;
    let lapsed = world.balance(AccountKind::Lapsed, "2026-12").await;
    let outcome = rule(&world, Ruling::Refuse).await;
    assert_eq!(outcome, RulingOutcome { lapsed: 1, ..RulingOutcome::default() });
    assert_eq!(world.balance(AccountKind::Lapsed, "2026-12").await, lapsed + COIN);
}

async fn a_copy_of_the_coin_file_is_marked(database: Database) {
    let world = world(database).await;
    world.sell("alice", 2, 1).await;
    let coins = coins("alice", "news.example", 0);
    world
        .redeem(&batch("news.example", "b1", &[payment("alice", "news.example", "a", &coins[..2])]))
        .await;
    let back = return_of("alice", "r-1", &[coins[1][0], coins[2][0]]);
    world.take_back(&back, EXPIRED).await;
    let before = std::fs::read(world.folder.path().join("2026-12.coins")).unwrap();
    let path = world.folder.path().join("marked");
    let marked = world.service.mark(&world.period, &path).await.unwrap();
    assert_eq!((marked.sets, marked.redeemed, marked.returned), (2, 2, 1));
    assert!(world.service.mark(&world.period, &path).await.is_err(), "it exists");
    assert_eq!(std::fs::read(world.folder.path().join("2026-12.coins")).unwrap(), before);
    let copy = CoinFile::open_read(&DiskDirectory::new(world.folder.path()), "marked").unwrap();
    assert_eq!(copy.next_superbin().unwrap(), 4);
    let sold = copy.superbin(2).unwrap().header.sold.unwrap();
    assert_eq!((sold.user, sold.transaction), (user("alice"), 1));
    for (coin, expected) in
        [(0, Status::REDEEMED), (1, Status::REDEEMED), (2, Status::RETURNED), (3, Status::NONE)]
    {
        let bin = MINT.rules().bin(coins[coin][0]).unwrap();
        let status = copy.ball(bin).unwrap().status;
        assert_eq!(status, Status::EXISTS | expected, "{coin}");
    }
}
