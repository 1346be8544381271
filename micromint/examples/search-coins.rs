//! Searches coins of the `small` profile (DES k4 u19 v8 t10, n = 37) without a mint, as a forger would:
//! `cargo run --release -p micromint --example search-coins -- COINS`.
//!
//! The vectors need coins whose n is large enough that a changed bit cannot pass by chance, and minting
//! the whole period for them takes 2^39 hashes. Four balls that fit one user and one vendor turn up by
//! themselves among the first 2^31: the published cost of a first forgery (docs/params.md). The coins in
//! `testdata/coins.json` for the period `2026-12-small` were found so, in a quarter of an hour on one core.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use micromint::bin::Bin;
use micromint::coin::CoinRules;
use micromint::identity::{UserVector, VendorVector};
use micromint::params::Params;

/// The parameters of the searched period.
const PARAMS: &str = include_str!("../../testdata/periods/2026-12-small.params");
/// How many balls are tossed between two looks at what came of them.
const TOSSES_PER_LOOK: u64 = 1 << 27;

fn main() {
    let wanted: usize = std::env::args().nth(1).map_or(3, |text| text.parse().unwrap());
    let rules = CoinRules::new(Params::from_toml(PARAMS).unwrap());
    let user = UserVector::new(rules.params(), &"alice".parse().unwrap()).unwrap();
    let vendor = VendorVector::new(rules.params(), &"news.example".parse().unwrap());
    let mut balls: HashMap<Bin, u64> = HashMap::new();
    for look in 0.. {
        for x in look * TOSSES_PER_LOOK..(look + 1) * TOSSES_PER_LOOK {
            if let Some(bin) = rules.bin(x) {
                balls.entry(bin).or_insert(x);
            }
        }
        let coins = coins(&balls, &user, &vendor);
        println!("{} tosses, {} balls, {} coins", (look + 1) * TOSSES_PER_LOOK, balls.len(), coins.len());
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
