//! A User-ID that was searched for, so that its hash begins as that of someone else.

use micromint::protocol::{Payment, Verdict};

use super::report::Report;
use super::world::{Buyer, Mint, Owners, World, coins_of, count};

/// An honest user, and the name that the thief found in 2^33 SHA-256: the hashes agree in their
/// first 8 bytes.
const TWINS: [&str; 2] = ["alice.w-fb60d47499111a28", "mallory-76466e6d0dda3225"];
/// What the search for such a pair costs.
const SEARCH_HASHES: u64 = 1 << 33;
/// The coins that an honest vendor takes of one user in a day.
const CAP: usize = 8;
/// The honest customers besides.
const CUSTOMERS: usize = 20;

/// The thief cheats one vendor and spends coins at two; alice pays at both. Offender, block and cap
/// are the thief's alone.
pub(crate) fn blame(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::with_cost(SEARCH_HASHES);
    let alice = world.honest_buyer(TWINS[0], 2);
    let thief = world.member(TWINS[1], 1);
    let shops = world.honest_shops(2, Owners::Unknown, CAP as u32);
    let readers: Vec<Buyer> =
        (0..CUSTOMERS).map(|i| world.honest_buyer(&format!("reader-{i}"), 1)).collect();
    for reader in &readers {
        let coins = reader.coins(&world.rules, &shops[0].vendor);
        world.pay(reader, &shops[0], &coins[..1]);
    }
    for (shop, first) in shops.iter().zip(&alice.firsts) {
        let coins = thief.coins(&world.rules, &shop.vendor);
        let signed = thief.payment(&world.rules, &shop.vendor, "a", &coins[..CAP - 1]);
        let other = thief.payment(&world.rules, &shop.vendor, "b", &coins[CAP - 1..CAP]);
        let hidden = Payment { authenticator: world.random.authenticator(), ..other };
        report.expect(shop.takes(&signed) && shop.takes(&hidden), || {
            "the thief is refused".to_string()
        });
        // The thief has reached the cap, alice has not. She pays each shop from a set of its own.
        let ball = |bin| alice.balls.get(&bin).copied();
        let coins = coins_of(&world.rules, &alice.user, &shop.vendor, *first, ball);
        world.pay(&alice, shop, &coins[..CAP]);
    }
    let blocked = world.watch_taken(&shops[0]);
    report.expect(blocked.iter().eq([&thief.user]), || format!("blocked: {blocked:?}"));
    let paid: u64 = shops.iter().map(|shop| count(&world.redeem(shop), Verdict::Accepted)).sum();
    let offenders = world.offenders();
    report.expect(offenders.iter().eq([&thief.user]), || format!("offenders: {offenders:?}"));
    report.allow_unpaid(shops.len() as u64 * CAP as u64);
    report.tried = format!(
        "a thief whose User-ID has the hash of an honest one, to 64 bits, cheats at two vendors: the \
         thief is named and blocked, {paid} coins paid"
    );
    world.close(&mut report);
    report
}
