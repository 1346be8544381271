//! For tests only (feature `simulated-host`): a mint that is obviously correct, and what it sells.
//!
//! Input: a period's parameters. Output: sets, coins and payments as a broker and a client would
//! make them, by hashing x = 0, 1, 2, … into a table of all bins and looking balls up there.
//! Nothing of the real mint, broker or wallet is used, so they can be compared with it. The table
//! is in memory, 8 bytes a bin: 2^26 bins are 512 MiB, and are filled in seconds.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an invalid text stops the test")]

#[cfg(feature = "vendor")]
pub mod cases;
#[cfg(feature = "mint")]
mod coin_file;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::authenticator::{Key, OwnerToken};
use crate::bin::Bin;
use crate::coin::CoinRules;
use crate::hash::HashName;
use crate::identity::{UserId, UserVector, VendorId, VendorVector};
use crate::owner::{Owners, owner_tag};
use crate::params::{Params, RawParams};
use crate::protocol::{FundsWithdrawn, Payment, SoldSet, Unsigned, Url};
use crate::threads::on_threads;

/// The value of an empty bin in the table. It is no ball: every ball is below 2^w.
const EMPTY: u64 = u64::MAX;
/// How many balls a thread tosses before it takes the next ones. Fewer are tossed by one thread.
const TOSSES: u64 = 1 << 18;
/// The bins of a part of the table that fits a processor's cache.
const PART_BINS: usize = 1 << 16;

/// The parameters of the `test` profile (DES k4 u6 v4 t2 b16) as fields: period `2026-12`, valid in
/// December 2026, redeemed until 2027-01-08, broker `https://broker.example/`.
pub fn raw_test_params() -> RawParams {
    RawParams {
        period: "2026-12".parse().unwrap(),
        hash: HashName::Des,
        iv: 0x0123_4567_89ab_cdef,
        input_bits: 16,
        output_bits: 12,
        fixed_count: 2,
        fixed_bits: 0b10,
        subbin_bits: 4,
        coin_size: 4,
        start: "2026-12-01T00:00:00Z".parse().unwrap(),
        expiration: "2027-01-01T00:00:00Z".parse().unwrap(),
        redeem_until: "2027-01-08T00:00:00Z".parse().unwrap(),
        broker: "https://broker.example/".to_string(),
        coin_value: "0.01 USD".parse().unwrap(),
    }
}

/// The parameters of the `test` profile.
pub fn test_params() -> Params {
    params_with(|_| {})
}

/// The parameters of the `test` profile after a change, such as `|raw| raw.period = …`.
pub fn params_with(change: impl FnOnce(&mut RawParams)) -> Params {
    let mut raw = raw_test_params();
    change(&mut raw);
    Params::new(raw).unwrap()
}

/// Sets the sizes u, v, k and t of `raw`, its hash function, and b so that about four balls fall
/// into each bin. The fixed bits become zero.
pub fn resize(raw: &mut RawParams, u: u32, v: u32, k: u32, t: u32, hash: HashName) {
    raw.hash = hash;
    (raw.subbin_bits, raw.coin_size, raw.fixed_count) = (v, k, t);
    raw.fixed_bits = 0;
    raw.output_bits = u + v + t;
    raw.input_bits = raw.output_bits + 2;
}

/// Balls of a period by bin: of the inputs below 2^(n+2), four for each bin, the lowest one in
/// each.
#[derive(Debug)]
pub struct ObviousMint {
    rules: CoinRules,
    /// The ball of each bin, those of a superbin one after the other.
    balls: Vec<AtomicU64>,
}

impl ObviousMint {
    /// Tosses the balls, whatever b is, on all processors.
    pub fn new(params: Params) -> ObviousMint {
        let rules = CoinRules::new(params);
        let params = rules.params();
        let bins = params.superbin_count() as usize * params.subbin_count() as usize;
        let balls: Vec<AtomicU64> = (0..bins).map(|_| AtomicU64::new(EMPTY)).collect();
        let end = 4u64 << params.raw().output_bits;
        let toss = |first: u64| {
            // The balls of a part go into the table together: at random places of a large table
            // they would take several times as long as the hashes.
            let mut parts = vec![Vec::new(); bins.div_ceil(PART_BINS)];
            for x in first..end.min(first + TOSSES) {
                if let Some(bin) = rules.bin(x) {
                    let index = index(params, bin);
                    parts[index / PART_BINS].push((index, x));
                }
            }
            for (index, x) in parts.into_iter().flatten() {
                balls[index].fetch_min(x, Ordering::Relaxed);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, Into::into);
        let threads = if end > TOSSES { threads } else { 1 };
        on_threads((0..end).step_by(TOSSES as usize), threads, toss);
        ObviousMint { rules, balls }
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        self.rules.params()
    }

    /// The period's parameters ready for checking coins.
    pub fn rules(&self) -> &CoinRules {
        &self.rules
    }

    /// The ball of a bin, or `None` if the bin is empty.
    pub fn ball(&self, bin: Bin) -> Option<u64> {
        let ball = self.balls.get(index(self.params(), bin))?.load(Ordering::Relaxed);
        (ball != EMPTY).then_some(ball)
    }

    /// h'(User-ID) in this period.
    pub fn user_vector(&self, user: &UserId) -> UserVector {
        UserVector::new(self.params(), user).unwrap()
    }

    /// The set of `user` whose first superbin is `first` (even), as a broker sells it.
    pub fn set(&self, user: &UserId, first: u32) -> SoldSet {
        let superbins = self.user_vector(user).set(first).into_iter().map(|superbin| {
            let bins = (0..self.params().subbin_count()).map(|subbin| Bin { superbin, subbin });
            bins.filter_map(|bin| self.ball(bin)).collect()
        });
        SoldSet { superbins: superbins.collect() }
    }

    /// The sets of `user` that start at these superbins, as the broker's answer to a withdrawal.
    pub fn funds(
        &self,
        user: &UserId,
        user_key: &Key,
        firsts: &[u32],
        transaction: u64,
    ) -> FundsWithdrawn {
        FundsWithdrawn {
            user: user.clone(),
            user_key: user_key.clone(),
            params: self.params().clone(),
            sets: firsts.iter().map(|first| self.set(user, *first)).collect(),
            transaction,
        }
    }

    /// Every coin (k inputs in the order of the set) with which `user` can pay `vendor` from the
    /// set that starts at `first`, in order of first ball.
    pub fn coins(&self, user: &UserId, vendor: &VendorId, first: u32) -> Vec<Vec<u64>> {
        let set = self.user_vector(user).set(first);
        let vendor = VendorVector::new(self.params(), vendor);
        (0..self.params().subbin_count())
            .filter_map(|subbin| {
                let places = set.iter().zip(vendor.subbins(subbin));
                places.map(|(&superbin, subbin)| self.ball(Bin { superbin, subbin })).collect()
            })
            .collect()
    }

    /// A payment with these coins, its owner tokens and authenticator made with the user's key K_U.
    pub fn payment(
        &self,
        user: &UserId,
        user_key: &Key,
        vendor: &VendorId,
        url: &Url,
        coins: &[Vec<u64>],
    ) -> Payment {
        Payment {
            url: url.clone(),
            user: user.clone(),
            vendor: vendor.clone(),
            period: self.params().period().clone(),
            coins: coins.len() as u32,
            owner_tokens: self.owner_tokens(user_key, vendor, coins),
            authenticator: Unsigned,
            x: coins.concat(),
        }
        .authenticated(user_key)
    }

    /// The owner tokens for these coins. A coin without a ball in front is taken to be of the set
    /// that starts at superbin 0.
    pub fn owner_tokens(
        &self,
        user_key: &Key,
        vendor: &VendorId,
        coins: &[Vec<u64>],
    ) -> Vec<OwnerToken> {
        let first = |coin: &Vec<u64>| coin.first().and_then(|x| self.rules.bin(*x));
        let mut firsts: Vec<u32> = Vec::new();
        for superbin in coins.iter().map(|coin| first(coin).map_or(0, |bin| bin.superbin)) {
            if !firsts.contains(&superbin) {
                firsts.push(superbin);
            }
        }
        firsts.iter().map(|first| user_key.owner_token(vendor, *first)).collect()
    }

    /// The owners of these sets, which users with these keys K_U bought: the first of the set that
    /// starts at superbin 0, and so on.
    pub fn owners(&self, vendor: &VendorId, sets: &[(&UserId, &Key)]) -> Owners {
        let period = self.params().period();
        let tags = (0..).step_by(2).zip(sets).map(|(first, (user, key))| {
            owner_tag(period, first, user, &key.owner_token(vendor, first))
        });
        let mut owners = Owners::new(vendor, period, 1);
        owners.extend(&tags.collect::<Vec<_>>());
        owners
    }
}

/// Where the ball of a bin is in the table.
fn index(params: &Params, bin: Bin) -> usize {
    bin.superbin as usize * params.subbin_count() as usize + bin.subbin as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than one thread tosses, and each bin has its lowest ball.
    #[test]
    fn threads_find_the_lowest_ball_of_each_bin() {
        let sizes = |raw: &mut RawParams| resize(raw, 13, 6, 2, 1, HashName::Sha256);
        let mint = ObviousMint::new(params_with(sizes));
        let end = 4u64 << mint.params().raw().output_bits;
        assert!(end > 2 * TOSSES);
        let mut lowest = std::collections::BTreeMap::new();
        for x in 0..end {
            if let Some(bin) = mint.rules().bin(x) {
                lowest.entry(bin).or_insert(x);
            }
        }
        assert!(lowest.iter().all(|(bin, x)| mint.ball(*bin) == Some(*x)));
        let bins = (0..1 << 13).flat_map(|superbin| (0..64).map(move |subbin| (superbin, subbin)));
        let found = bins.filter_map(|(superbin, subbin)| mint.ball(Bin { superbin, subbin }));
        assert_eq!(found.count(), lowest.len());
    }

    #[test]
    fn its_coins_are_coins_at_every_size() {
        for (u, v, k, t, hash) in [
            (6, 4, 4, 2, HashName::Des),
            (5, 3, 2, 0, HashName::Sha256),
            (7, 5, 6, 1, HashName::Sha256),
        ] {
            let mint = ObviousMint::new(params_with(|raw| resize(raw, u, v, k, t, hash)));
            let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
            let coins = mint.coins(&user, &vendor, 8);
            assert!(coins.len() * 2 > 1 << v, "{} coins of {} bins", coins.len(), 1 << v);
            let key = Key::from_bytes([7; 32]);
            let url = "https://news.example/a".parse().unwrap();
            let payment = mint.payment(&user, &key, &vendor, &url, &coins);
            let vector = VendorVector::new(mint.params(), &vendor);
            let bins = mint.rules().check(&mint.user_vector(&user), &vector, &payment.x).unwrap();
            assert_eq!(bins.len(), coins.len());
            let funds = mint.funds(&user, &key, &[8, 10], 1);
            assert_eq!(FundsWithdrawn::parse(&funds.to_bytes()).unwrap(), funds);
        }
    }
}
