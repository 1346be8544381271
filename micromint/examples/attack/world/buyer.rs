//! A user who bought sets.

use std::collections::HashMap;

use micromint::authenticator::Key;
use micromint::bin::Bin;
use micromint::coin::CoinRules;
use micromint::identity::{UserId, UserVector, VendorId, VendorVector};
use micromint::protocol::{FundsWithdrawn, Payment, Unsigned};

/// A user with K_U and the balls that were bought.
pub(crate) struct Buyer {
    pub(crate) user: UserId,
    /// K_U.
    pub(crate) key: Key,
    /// The first superbins of the sets.
    pub(crate) firsts: Vec<u32>,
    /// The balls by bin.
    pub(crate) balls: HashMap<Bin, u64>,
    /// The broker's answer.
    pub(crate) funds: FundsWithdrawn,
}

impl Buyer {
    /// Reads the broker's answer.
    pub(super) fn new(rules: &CoinRules, funds: FundsWithdrawn) -> Buyer {
        let firsts = funds.sets.iter().map(|set| rules.bin(set.superbins[0][0]).unwrap().superbin);
        let x = funds.sets.iter().flat_map(|set| set.superbins.iter().flatten().copied());
        Buyer {
            user: funds.user.clone(),
            key: funds.user_key.clone(),
            firsts: firsts.collect(),
            balls: x.map(|x| (rules.bin(x).unwrap(), x)).collect(),
            funds,
        }
    }

    /// All coins of this buyer for `vendor`, in order of set and sub-bin.
    pub(crate) fn coins(&self, rules: &CoinRules, vendor: &VendorId) -> Vec<Vec<u64>> {
        let of_set =
            |first| coins_of(rules, &self.user, vendor, first, |bin| self.balls.get(&bin).copied());
        self.firsts.iter().flat_map(|first| of_set(*first)).collect()
    }

    /// A payment with these coins, the right tokens and the right Authenticator.
    pub(crate) fn payment(
        &self,
        rules: &CoinRules,
        vendor: &VendorId,
        page: &str,
        coins: &[Vec<u64>],
    ) -> Payment {
        let mut firsts: Vec<u32> = Vec::new();
        for coin in coins {
            let superbin = rules.bin(coin[0]).unwrap().superbin;
            if !firsts.contains(&superbin) {
                firsts.push(superbin);
            }
        }
        Payment {
            url: format!("https://{vendor}/{page}").parse().unwrap(),
            user: self.user.clone(),
            vendor: vendor.clone(),
            period: rules.params().period().clone(),
            coins: coins.len() as u32,
            owner_tokens: firsts.iter().map(|it| self.key.owner_token(vendor, *it)).collect(),
            authenticator: Unsigned,
            x: coins.concat(),
        }
        .authenticated(&self.key)
    }
}

/// The coins of `user` for `vendor` from the set that starts at `first`, of the balls that `ball`
/// knows.
pub(crate) fn coins_of(
    rules: &CoinRules,
    user: &UserId,
    vendor: &VendorId,
    first: u32,
    ball: impl Fn(Bin) -> Option<u64>,
) -> Vec<Vec<u64>> {
    let set = UserVector::new(rules.params(), user).unwrap().set(first);
    let vendor = VendorVector::new(rules.params(), vendor);
    let coin = |subbin: u32| -> Option<Vec<u64>> {
        let places = set.iter().zip(vendor.subbins(subbin));
        places.map(|(&superbin, subbin)| ball(Bin { superbin, subbin })).collect()
    };
    (0..rules.params().subbin_count()).filter_map(coin).collect()
}
