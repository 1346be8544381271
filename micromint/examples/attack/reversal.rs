//! An honest user whose wallet pays with the same coin again at one vendor, after a reversal.

use micromint::protocol::{RequestOutcome, Verdict};
use micromint::vendor::Decision;

use super::report::Report;
use super::world::{Mint, Owners, World, count};

/// An honest vendor redeems only the payment that was not reversed. A vendor of the coalition
/// redeems both. Each coin is paid once, and the user is neither offender nor suspect.
pub(crate) fn paid_twice(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let alice = world.honest_buyer("alice", 1);
    let honest = world.honest_shop("honest", Owners::Known, 0);
    let member = world.member_shop("fence");

    // The site fails after it was paid.
    let coins = alice.coins(&world.rules, &honest.vendor);
    let coins = &coins[..coins.len().min(5)];
    let failed = alice.payment(&world.rules, &honest.vendor, "fails", coins);
    let Decision::Serve(serve) = honest.decide(&failed) else { panic!("{failed:?} is refused") };
    let outcome = honest.paywall().finish(&serve.charge.unwrap(), 500);
    assert_eq!(outcome, RequestOutcome::Reversed);
    world.pay(&alice, &honest, coins);
    let verdicts = world.redeem(&honest);
    let paid = count(&verdicts, Verdict::Accepted);
    report.expect(paid == coins.len() as u64 && verdicts.len() == coins.len(), || {
        format!("{verdicts:?} for {} coins", coins.len())
    });

    // The same at the vendor of the coalition, with other first balls.
    let spent: Vec<_> = coins.iter().map(|coin| coin[0]).collect();
    let mut coins = alice.coins(&world.rules, &member.vendor);
    coins.retain(|coin| !spent.contains(&coin[0]));
    let coins = &coins[..coins.len().min(5)];
    let first = world.pay(&alice, &member, coins);
    let second = world.pay(&alice, &member, coins);
    let twice = count(&world.hand_in(&member, &[first, second]), Verdict::Accepted);
    report.expect(twice == coins.len() as u64, || format!("{twice} coins paid"));
    let (offenders, suspects) = (world.offenders(), world.suspects());
    report.expect(offenders.is_empty() && suspects.is_empty(), || {
        format!("named: {offenders:?}, suspected: {suspects:?}")
    });
    report.tried = format!(
        "{} coins paid again at one vendor after a reversal, both payments redeemed: each paid \
         once, nobody named",
        coins.len()
    );
    world.close(&mut report);
    report
}
