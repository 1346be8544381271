//! A broker small enough for tests: the `test` profile's period, all its balls, and coins and
//! payments made from them for any user. Deterministic, so cases can refer to coins by number.

#![allow(dead_code)] // Each test uses a part of it.

use std::collections::HashMap;

use micromint::authenticator::Key;
use micromint::bin::Bin;
use micromint::coin::CoinRules;
use micromint::identity::{UserId, UserVector, VendorId, VendorVector};
use micromint::params::Params;
use micromint::protocol::{Payment, Unsigned};

/// The secret of the broker of the test periods.
const BROKER_SECRET: [u8; 32] = [7; 32];

/// A period of the `test` profile whose name, first and last day are given.
pub(crate) fn params(period: &str, start: &str, expiration: &str) -> Params {
    let text = format!(
        "period = \"{period}\"\nhashfn = \"des\"\niv = \"0123456789abcdef\"\ninput-size = 14\n\
         output-size = 12\nnum-fixed-bits = 2\nfixed-bits = \"2\"\nsubbin-size = 4\ncoin-size = 4\n\
         start = {start}T00:00:00Z\nexpiration = {expiration}T00:00:00Z\n\
         broker = \"https://broker.example/\"\ncoin-value = \"0.01 USD\"\n"
    );
    Params::from_toml(&text).unwrap()
}

/// Every ball of a period.
pub(crate) struct Mint {
    pub(crate) rules: CoinRules,
    balls: HashMap<Bin, u64>,
}

impl Mint {
    pub(crate) fn new(params: Params) -> Mint {
        let rules = CoinRules::new(params);
        let mut balls = HashMap::new();
        for x in 0..1 << 15 {
            if let Some(bin) = rules.bin(x) {
                balls.entry(bin).or_insert(x);
            }
        }
        Mint { rules, balls }
    }

    /// All coins of `user` for `vendor`, in order of their first bins.
    pub(crate) fn coins(&self, user: &UserId, vendor: &VendorId) -> Vec<Vec<u64>> {
        let params = self.rules.params();
        let user = UserVector::new(params, user).unwrap();
        let vendor = VendorVector::new(params, vendor);
        let coin = |first: u32, subbin: u32| -> Option<Vec<u64>> {
            let places = user.set(first).into_iter().zip(vendor.subbins(subbin));
            places
                .map(|(superbin, subbin)| self.balls.get(&Bin { superbin, subbin }).copied())
                .collect()
        };
        let firsts = (0..params.superbin_count() as u32).step_by(2);
        firsts
            .flat_map(|first| {
                (0..params.subbin_count()).filter_map(move |subbin| coin(first, subbin))
            })
            .collect()
    }

    /// A payment with these coins and a correct authenticator.
    pub(crate) fn payment(
        &self,
        user: &UserId,
        vendor: &VendorId,
        url: &str,
        coins: &[Vec<u64>],
    ) -> Payment {
        let period = self.rules.params().period();
        let key = Key::from_bytes(BROKER_SECRET).user_key(period, user);
        let mut firsts: Vec<u32> = coins
            .iter()
            .map(|coin| self.rules.bin(coin[0]).map_or(0, |bin| bin.superbin))
            .collect();
        // The coins of a set are next to each other.
        firsts.dedup();
        Payment {
            url: url.parse().unwrap(),
            user: user.clone(),
            vendor: vendor.clone(),
            period: period.clone(),
            coins: coins.len() as u32,
            owner_tokens: firsts.iter().map(|first| key.owner_token(vendor, *first)).collect(),
            authenticator: Unsigned,
            x: coins.concat(),
        }
        .authenticated(&key)
    }
}
