//! Balls of strangers from one's own: the siblings of a bought ball are the inputs that differ from
//! it only in bits that the mint's kernels walk through.

use std::collections::HashMap;

use micromint::bin::Bin;
use micromint::hash::bulk::WalkBits;
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{Payment, Verdict};

use super::report::Report;
use super::world::{Buyer, Mint, World, coins_of, count};

/// The bought balls whose siblings are tried.
const BALLS: usize = 100_000;
/// The most coins of strangers that are handed in, for each kind.
const COINS_MAX: usize = 20_000;

/// The payments with coins of strangers that are shown to the watch too.
const WATCHED: usize = 1000;

/// A world in which the coalition bought a tenth of the sets and the crowd nearly all others.
fn sold_out(mint: &Mint) -> (World, Buyer) {
    let mut world = World::new(mint);
    let tenth = world.tenth();
    let thief = world.member("thief", tenth);
    world.sell_to_crowd();
    (world, thief)
}

/// None of the siblings of bought balls is stored, neither in the group of the mint nor in the
/// largest group that a kernel can walk.
pub(crate) fn find(mint: &Mint) -> Report {
    let (world, thief) = sold_out(mint);
    let mut report = Report::default();
    let bought = some_balls(&thief);
    let genuine = bought.iter().filter(|(bin, x)| world.is_stored(*bin, *x)).count();
    report.expect(genuine == bought.len(), || {
        format!("of {} bought balls only {genuine} are stored", bought.len())
    });
    let mut tried = String::new();
    for walk in [mint.config.walk, WalkBits::MAX] {
        let (siblings, hashes) = siblings_of(&world, &bought, walk);
        let stored = siblings.iter().filter(|(bin, x)| world.is_stored(*bin, *x)).count() as u64;
        report.stolen += stored;
        report.cost += hashes;
        tried += &format!("; s = {walk}: {} are balls, {stored} stored", siblings.len());
    }
    report.tried = format!("siblings of {} bought balls{tried}", bought.len());
    world.close(&mut report);
    report
}

/// Coins in the names of strangers, with first balls that are siblings of bought ones, and others
/// with the genuine ones, are all answered with one verdict, in a batch and by the watch.
pub(crate) fn hand_in(mint: &Mint) -> Report {
    let (mut world, thief) = sold_out(mint);
    let mut report = Report::default();
    let shop = world.member_shop("fence");
    let (siblings, hashes) = siblings_of(&world, &some_balls(&thief), mint.config.walk);
    report.cost = hashes;
    let mut known: HashMap<Bin, u64> = siblings.into_iter().collect();
    known.extend(&thief.balls);
    let made = strangers_coins(&world, &thief, &shop.vendor, |_, bin| known.get(&bin).copied());
    // A gift: what a thief would have who knew all balls.
    let given = strangers_coins(&world, &thief, &shop.vendor, World::stored);
    let (made_count, given_count) = (total(&made), total(&given));
    let mut payments = Vec::new();
    for (owner, coins) in made.iter().chain(&given) {
        payments.extend(stolen_payments(&mut world, &thief, owner, &shop.vendor, coins));
    }
    let mut verdicts = world.hand_in(&shop, &payments);
    let watched = &payments[..payments.len().min(WATCHED)];
    verdicts.extend(world.watch(&shop, watched).0);
    let refused = count(&verdicts, Verdict::NotFromOwner);
    report.expect(refused == verdicts.len() as u64, || {
        format!("the verdicts tell genuine balls from others: {} of {}", refused, verdicts.len())
    });
    report.tried = format!(
        "{made_count} coins of strangers made of siblings, {given_count} with their real balls, \
         under random Authenticators: {} verdicts, all \"not from the owner\"",
        verdicts.len()
    );
    world.close(&mut report);
    report
}

fn total(coins: &[(UserId, Vec<Vec<u64>>)]) -> usize {
    coins.iter().map(|(_, coins)| coins.len()).sum()
}

fn some_balls(buyer: &Buyer) -> Vec<(Bin, u64)> {
    let mut balls: Vec<(Bin, u64)> = buyer.balls.iter().map(|(bin, x)| (*bin, *x)).collect();
    balls.sort_unstable();
    balls.truncate(BALLS);
    balls
}

/// The balls among the siblings of `bought` in groups of 2^`walk`, and the hashes computed.
fn siblings_of(world: &World, bought: &[(Bin, u64)], walk: WalkBits) -> (Vec<(Bin, u64)>, u64) {
    let params = world.params();
    let (mask, hash) = (walk.mask(params.raw().hash), params.hash_function());
    let mut balls = Vec::new();
    let mut hashes = 0;
    for (_, bought) in bought {
        // Every subset of the bits of the mask.
        let next = |part: &u64| (*part != 0).then(|| (part - 1) & mask);
        let group = std::iter::successors(Some(mask), next).map(|part| bought & !mask | part);
        let group: Vec<u64> = group.filter(|x| x != bought).collect();
        let mut outputs = vec![0; group.len()];
        hash.hash_many(&group, &mut outputs);
        hashes += group.len() as u64;
        let good = group.iter().zip(&outputs).filter_map(|(x, y)| Some((params.bin_of(*y)?, *x)));
        balls.extend(good);
    }
    (balls, hashes)
}

/// Coins for `vendor` in the names of strangers, from the balls that `ball` knows.
fn strangers_coins(
    world: &World,
    thief: &Buyer,
    vendor: &VendorId,
    ball: impl Fn(&World, Bin) -> Option<u64>,
) -> Vec<(UserId, Vec<Vec<u64>>)> {
    let mut found: Vec<(UserId, Vec<Vec<u64>>)> = Vec::new();
    let mut left = COINS_MAX;
    let mut sets: Vec<(&u32, &UserId)> = world.buyers.iter().collect();
    sets.sort_unstable();
    for (first, owner) in sets.into_iter().filter(|(_, owner)| **owner != thief.user) {
        let coins = coins_of(&world.rules, owner, vendor, *first, |bin| ball(world, bin));
        if coins.is_empty() {
            continue;
        }
        left = left.saturating_sub(coins.len());
        found.push((owner.clone(), coins));
        if left == 0 {
            break;
        }
    }
    found
}

/// A payment in the name of `owner` under a random Authenticator: with the thief's own tokens, and
/// with random ones.
fn stolen_payments(
    world: &mut World,
    thief: &Buyer,
    owner: &UserId,
    vendor: &VendorId,
    coins: &[Vec<u64>],
) -> [Payment; 2] {
    let page = world.fresh_name();
    let own = thief.payment(&world.rules, vendor, &page, coins);
    let authenticator = world.random.authenticator();
    let own = Payment { user: owner.clone(), authenticator, ..own };
    let owner_tokens = own.owner_tokens.iter().map(|_| world.random.token()).collect();
    [own.clone(), Payment { owner_tokens, ..own }]
}
