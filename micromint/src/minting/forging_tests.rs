//! The formulas of forging, held against attacks that are carried out on a small mint: within a
//! factor of two. They take a minute or two without optimisation:
//! `cargo test --release -p micromint --lib -- --ignored forging_tests`.

use std::collections::HashSet;

use super::forging::Forging;
use super::tests::{NAME, config, key, minted, sized};
use super::*;
use crate::bin::Bin;
use crate::coin::CoinRules;
use crate::coin_file::CoinFile;
use crate::hash::HashName;
use crate::identity::{UserId, UserVector, VendorVector};
use crate::params::Params;

/// 2^14 bins, of which 97 % are filled.
struct Victim {
    params: Params,
    plan: MintPlan,
    forging: Forging,
    /// The filled bins.
    stored: HashSet<Bin>,
}

impl Victim {
    fn new() -> Victim {
        let params = sized(9, 5, 4, 6, 22, HashName::Sha256);
        let directory = minted(&params);
        let coin_file = CoinFile::open(&directory, NAME).unwrap();
        let plan = MintPlan::new(&params, config(&params, &key()).walk);
        let mut stored = HashSet::new();
        for superbin in 0..params.superbin_count() as u32 {
            let found = coin_file.superbin(superbin).unwrap();
            stored.extend(found.balls().map(|(subbin, _)| Bin { superbin, subbin }));
        }
        Victim { forging: Forging::new(&params, plan.fill), params, plan, stored }
    }

    fn user(&self, name: &str) -> UserVector {
        UserVector::new(&self.params, &name.parse::<UserId>().unwrap()).unwrap()
    }

    fn vendor(&self, number: u32) -> VendorVector {
        VendorVector::new(&self.params, &format!("v{number}.example").parse().unwrap())
    }

    /// The bins of the balls in the first sets, bought by `user`.
    fn bought(&self, user: &UserVector, part: f64) -> HashSet<Bin> {
        let firsts = (0..(self.plan.set_count as f64 * part).round() as u32).map(|set| 2 * set);
        let superbins: HashSet<u32> = firsts.flat_map(|first| user.set(first)).collect();
        self.stored.iter().filter(|bin| superbins.contains(&bin.superbin)).copied().collect()
    }

    /// The bins for which a search through this many inputs finds balls.
    fn searched(&self, hashes: u64) -> HashSet<Bin> {
        let rules = CoinRules::new(self.params.clone());
        // Any inputs will do, and these are not the mint's.
        (0..hashes).filter_map(|x| rules.bin(x << 20)).collect()
    }

    /// The coins of a user for a vendor, from balls in these bins, in sets that begin at a superbin
    /// for which `counts`.
    fn coins(
        &self,
        balls: &HashSet<Bin>,
        user: &UserVector,
        vendor: &VendorVector,
        counts: impl Fn(u32) -> bool,
    ) -> usize {
        let firsts = (0..self.params.superbin_count() as u32).step_by(2).filter(|at| counts(*at));
        let of_set = |first| {
            let superbins = user.set(first);
            (0..self.params.subbin_count())
                .filter(|subbin| {
                    let subbins = vendor.subbins(*subbin);
                    let mut places = superbins.iter().zip(subbins);
                    places.all(|(&superbin, subbin)| balls.contains(&Bin { superbin, subbin }))
                })
                .count()
        };
        firsts.map(of_set).sum()
    }

    /// The mean over ten vendors.
    fn coins_at_a_vendor(
        &self,
        balls: &HashSet<Bin>,
        user: &UserVector,
        counts: impl Fn(u32) -> bool + Copy,
    ) -> f64 {
        let each = |number| self.coins(balls, user, &self.vendor(number), counts);
        (0..10).map(each).sum::<usize>() as f64 / 10.0
    }
}

fn within_a_factor_of_two(what: &str, found: f64, expected: f64) {
    println!("{what}: {found:.4} found, {expected:.4} expected");
    assert!(found > expected / 2.0 && found < expected * 2.0, "{what}: {found}, not {expected}");
}

#[test]
#[ignore = "hashes a million balls"]
fn someone_who_bought_nothing() {
    let victim = Victim::new();
    let alice = victim.user("alice");
    for bits in [18, 19, 20] {
        let balls = victim.searched(1 << bits);
        let found = victim.coins_at_a_vendor(&balls, &alice, |_| true);
        let expected = victim.forging.searched(f64::from(1 << bits));
        within_a_factor_of_two(&format!("2^{bits} hashes"), found, expected);
    }
    // The first coin: the mean over several names and vendors of the hashes after which it comes.
    let rules = CoinRules::new(victim.params.clone());
    let (mut total, attacks) = (0, 16);
    for attack in 0..attacks {
        let (user, vendor) = (victim.user(&format!("thief{attack}")), victim.vendor(attack));
        let (mut balls, mut hashes) = (HashSet::new(), 0);
        while victim.coins(&balls, &user, &vendor, |_| true) == 0 {
            let next = hashes + (1 << 13);
            balls.extend((hashes..next).filter_map(|x| rules.bin(x << 16 | u64::from(attack))));
            hashes = next;
        }
        total += hashes;
    }
    let mean = total as f64 / f64::from(attacks);
    within_a_factor_of_two("hashes for the first coin", mean, victim.plan.first_forgery_tosses);
}

#[test]
#[ignore = "hashes a million balls"]
fn a_buyer_who_searches_for_more() {
    let victim = Victim::new();
    let alice = victim.user("alice");
    for part in [0.05, 0.1] {
        let bought = victim.bought(&alice, part);
        let own_end = (512.0 * part).round() as u32 / 2 * 2;
        for bits in [17, 19] {
            let hashes = f64::from(1 << bits);
            let mut balls = victim.searched(1 << bits);
            balls.extend(&bought);
            // Without an owners file any set will do; with it, only his own.
            let fits = victim.coins_at_a_vendor(&bought, &alice, |first| first < own_end);
            let all = victim.coins_at_a_vendor(&balls, &alice, |_| true);
            let own = victim.coins_at_a_vendor(&balls, &alice, |first| first < own_end);
            let what = format!("{part} bought, 2^{bits} hashes");
            within_a_factor_of_two(&what, all - fits, victim.forging.own_name(part, hashes));
            let expected = victim.forging.own_sets(part, hashes);
            within_a_factor_of_two(&format!("{what}, own sets"), own - fits, expected);
        }
        let most = victim.forging.buyer(part).own_sets_coins;
        let fits = victim.coins_at_a_vendor(&bought, &alice, |first| first < own_end);
        let own_bins = f64::from(own_end / 2) * 32.0;
        within_a_factor_of_two("own coins that do not fit", own_bins - fits, most);
    }
}

/// Names that do not exist, chosen so that their sets consist of balls that he has.
#[test]
#[ignore = "takes seconds"]
fn a_buyer_who_invents_names() {
    let victim = Victim::new();
    let alice = victim.user("alice");
    for (part, names) in [(0.04, 4000), (0.1, 500)] {
        let bought = victim.bought(&alice, part);
        let vendor = victim.vendor(0);
        let each =
            |name| victim.coins(&bought, &victim.user(&format!("x{name}")), &vendor, |_| true);
        let found: usize = (0..names).map(each).sum();
        let expected = victim.forging.buyer(part).invented_name_hashes;
        let hashes = 3.0 * f64::from(names) / found as f64;
        within_a_factor_of_two(&format!("{part} bought: hashes a coin"), hashes, expected);
    }
}

/// A stranger meets one of the mint's 2^b inputs with probability 2^(b-w), too rarely for a test;
/// so this one tosses only these, which makes each find so much cheaper.
#[test]
#[ignore = "hashes a million balls"]
fn a_stranger_who_searches_for_stored_first_balls() {
    let victim = Victim::new();
    let directory = minted(&victim.params);
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let rules = CoinRules::new(victim.params.clone());
    let permutation = Permutation::new(&victim.params, &key(), config(&victim.params, &key()).walk);
    let hashes = 1 << 18;
    let is_stored_first = |toss: u64| {
        let x = permutation.forward(toss * 13 % (1 << 22));
        rules.bin(x).is_some_and(|bin| bin.superbin % 2 == 0 && coin_file.ball(bin).unwrap().x == x)
    };
    let found = (0..hashes).filter(|toss| is_stored_first(*toss)).count();
    let expected = victim.plan.stranger_hashes * f64::from(22 - 60).exp2();
    within_a_factor_of_two("hashes a ball", hashes as f64 / found as f64, expected);
}
