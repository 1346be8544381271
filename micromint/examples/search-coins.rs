//! Searches for coins of the `small` profile (DES k4 u19 v8 t10, n = 37) without a mint, as a
//! forger would: `cargo run --release -p micromint --example search-coins -- COINS`.
//!
//! The test vectors need coins with an n so large that a changed bit is not accepted by chance, and
//! minting the whole period for them takes 2^39 hashes. Four balls that match one user and one
//! vendor occur among the first 2^31: the published cost of a first forgery
//! (docs/reference/params.md). The program finds the coins in `testdata/coins.json` for the period
//! `2026-12-small` in a minute on one core.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use micromint::bin::Bin;
use micromint::coin::CoinRules;
use micromint::hash::bulk::{BulkSearch, Filter, WalkBits};
use micromint::identity::{UserVector, VendorVector};
use micromint::params::Params;

/// The parameters of the searched period.
const PARAMS: &str = include_str!("../../testdata/periods/2026-12-small.params");
/// The number of balls that are tossed between two checks of the results.
const TOSSES_PER_LOOK: u64 = 1 << 27;

fn main() {
    let wanted: usize = std::env::args().nth(1).map_or(3, |text| text.parse().unwrap());
    let rules = CoinRules::new(Params::from_toml(PARAMS).unwrap());
    let user = UserVector::new(rules.params(), &"alice".parse().unwrap()).unwrap();
    let vendor = VendorVector::new(rules.params(), &"news.example".parse().unwrap());
    let raw = rules.params().raw();
    let filter = Filter { fixed_count: raw.fixed_count, fixed_bits: raw.fixed_bits };
    let mut search = BulkSearch::new(raw.hash, raw.iv, filter, WalkBits::MAX);
    let walked = WalkBits::MAX.mask(raw.hash);
    let mut balls: HashMap<Bin, u64> = HashMap::new();
    for look in 0.. {
        let end = (look + 1) * TOSSES_PER_LOOK;
        // The kernel also walks through bits above those of one step: fifteen of sixteen balls that
        // it finds are out of range, and it is still faster.
        let bases: Vec<u64> = (look * TOSSES_PER_LOOK..end).filter(|x| x & walked == 0).collect();
        let mut found = Vec::new();
        search.search(&bases, &mut found);
        found.retain(|ball| ball.x < end);
        found.sort_unstable_by_key(|ball| ball.x);
        for ball in found {
            if let Some(bin) = rules.params().bin_of(ball.output) {
                balls.entry(bin).or_insert(ball.x);
            }
        }
        let coins = coins(&balls, &user, &vendor);
        println!(
            "{} tosses, {} balls, {} coins",
            (look + 1) * TOSSES_PER_LOOK,
            balls.len(),
            coins.len()
        );
        if coins.len() >= wanted {
            coins.iter().for_each(|coin| println!("{coin:x?}"));
            return;
        }
    }
}

fn coins(balls: &HashMap<Bin, u64>, user: &UserVector, vendor: &VendorVector) -> Vec<Vec<u64>> {
    let mut firsts: Vec<&Bin> = balls.keys().filter(|bin| bin.superbin % 2 == 0).collect();
    firsts.sort_unstable();
    let coin = |first: &Bin| {
        let places = user.set(first.superbin).into_iter().zip(vendor.subbins(first.subbin));
        places.map(|(superbin, subbin)| balls.get(&Bin { superbin, subbin }).copied()).collect()
    };
    firsts.into_iter().filter_map(coin).collect()
}
