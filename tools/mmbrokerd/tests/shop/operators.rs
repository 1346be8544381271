//! What operators decide: disputes.

use micromint::protocol::Verdict::*;
use mmbrokerd::shop::Role;
use mmbrokerd::store::AccountKind;

use crate::browser::*;
use crate::databases::Database;
use crate::world::*;

crate::on_both_databases!(a_dispute_is_decided_for_the_vendor, a_dispute_is_decided_for_the_reader);

/// A broker with one disputed coin of alice at news.example, and the batch and the return that
/// claim it.
async fn with_dispute(
    database: Database,
) -> (Site, Browser, micromint::protocol::RequestRedemption, micromint::protocol::RequestCredit) {
    let site = site(database).await;
    let world = &site.world;
    world.sell("alice", 4, 1).await;
    let coins = [0, 2, 4, 6].map(|first| coins("alice", "news.example", first)).concat();
    let doubtful = with_junk(payment("alice", "news.example", "z", &coins[..1]));
    let certain = payment("alice", "news.example", "a", &coins[1..]);
    let sent = batch("news.example", "b1", &[doubtful, certain]);
    assert_eq!(world.redeem(&sent).await[0], Waiting);
    let back = return_of("alice", "r1", &[coins[0][0]]);
    assert_eq!(world.take_back(&back, EXPIRED).await, [Waiting]);
    let mut early = site.operator("boss", Role::Money).await;
    early.get("/operator/disputes").says(200, "Nothing is disputed");
    site.world.settle().await;
    let operator = site.operator("boss", Role::Money).await;
    (site, operator, sent, back)
}

async fn rule(site: &Site, operator: &mut Browser, ruling: &str) {
    let page = operator.get("/operator/disputes");
    page.says(200, "news.example");
    // A double click decides once.
    for _ in 0..2 {
        let fields = [("ruling", ruling)];
        let done = operator.send(&page, "/operator/disputes", &fields);
        operator.follow(&done).says(200, "Nothing is disputed");
    }
    assert_eq!(site.world.balance(AccountKind::Disputed, "2026-12").await, 0);
    site.world.check_ledger().await;
}

async fn a_dispute_is_decided_for_the_vendor(database: Database) {
    let (site, mut operator, sent, back) = with_dispute(database).await;
    let before = site.world.balance(AccountKind::Vendor, "news.example").await;
    rule(&site, &mut operator, "pay").await;
    let after = site.world.balance(AccountKind::Vendor, "news.example").await;
    assert_eq!(after - before, COIN);
    assert_eq!(site.world.redeem_at(&sent, CLOSED).await[0], Accepted);
    assert_eq!(site.world.take_back(&back, CLOSED).await, [AlreadyPaid]);
}

async fn a_dispute_is_decided_for_the_reader(database: Database) {
    let (site, mut operator, sent, back) = with_dispute(database).await;
    let before = site.world.balance(AccountKind::Client, "alice").await;
    rule(&site, &mut operator, "refuse").await;
    let after = site.world.balance(AccountKind::Client, "alice").await;
    assert_eq!(after - before, COIN);
    assert_eq!(site.world.redeem_at(&sent, CLOSED).await[0], NotFromOwner);
    assert_eq!(site.world.take_back(&back, CLOSED).await, [Accepted]);
    operator.get("/operator/audit").says(200, "2026-12 news.example alice refuse");
}
