//! A clock that is set back after the end of the period.

use micromint::host::Clock;
use micromint::protocol::{Refusal, RequestOutcome, Verdict};
use micromint::reply::Reply;
use micromint::vendor::redemption::prune;

use super::report::Report;
use super::world::{Mint, Owners, World, count};

/// After the settlement nothing is sold, paid or credited.
pub(crate) fn settlement(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let thief = world.member("thief", 1);
    let shop = world.member_shop("fence");
    let middle = world.now();
    let expired = world.params().raw().expiration;
    world.clock.set(world.params().raw().redeem_until);
    let now = world.now();
    assert!(world.broker.settle(now));

    world.clock.set(middle);
    let sale = world.broker.withdraw(&thief.user, 1, 77, middle).unwrap();
    report.expect(matches!(sale, Reply::Refused(_)), || "a set was sold".to_string());
    let coins = thief.coins(&world.rules, &shop.vendor);
    let payment = thief.payment(&world.rules, &shop.vendor, "late", &coins);
    let verdicts = world.hand_in(&shop, &[payment]);
    report.expect(count(&verdicts, Verdict::TooLate) == verdicts.len() as u64, || {
        format!("redeemed: {verdicts:?}")
    });
    world.clock.set(expired);
    let is_credited = world.tries_return(&thief);
    report.expect(!is_credited, || "a return was taken".to_string());
    report.tried = format!(
        "after the settlement, clock set back: a sale, {} coins redeemed, a return: all refused",
        coins.len()
    );
    world.close(&mut report);
    report
}

/// After a prune a vendor takes no coin of the period again.
pub(crate) fn prune_set_back(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let thief = world.member("thief", 1);
    let shop = world.honest_shop("honest", Owners::Known, 0);
    let coins = thief.coins(&world.rules, &shop.vendor);
    let (old, new) = coins[..coins.len().min(10)].split_at(coins.len().min(10) / 2);
    let day = world.now();
    let pays = |world: &World, coins: &[Vec<u64>], page: &str| {
        shop.ask(&thief.payment(&world.rules, &shop.vendor, page, coins))
    };
    report.expect(pays(&world, old, "old") == RequestOutcome::Paid, || "refused".to_string());
    world.clock.wait(2 * 86_400);
    report.expect(pays(&world, new, "new") == RequestOutcome::Paid, || "refused".to_string());
    world.redeem(&shop);
    world.clock.set(world.params().raw().redeem_until.plus_seconds(2 * 86_400));
    let removed = prune(&shop.till(&world)).unwrap();
    report.expect(!removed.is_empty(), || "nothing was pruned".to_string());

    world.clock.set(day);
    // Both the paywall that runs, and one that is opened again.
    let outcome = pays(&world, old, "again");
    let reopened = world.reopen(&shop);
    let after = reopened.ask(&thief.payment(&world.rules, &shop.vendor, "again2", old));
    for outcome in [outcome, after] {
        report.expect(outcome == RequestOutcome::Refused(Refusal::Expired), || {
            format!("the spent coins: {outcome:?}")
        });
    }
    report.tried = format!(
        "{} spent coins again after a prune, clock set back to {}: refused",
        old.len(),
        world.clock.now()
    );
    world.close(&mut report);
    report
}
