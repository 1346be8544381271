//! The check of coins by hashing alone, which a vendor makes for every payment and the broker
//! repeats at redemption (thesis 3.3.1 and 3.2.3).
//!
//! Input: the inputs x of one or more coins, k for each in the order of the set. Output: the first
//! bin of each coin, which identifies it, or the first fault. The invariant: coins whose first bins
//! are returned are well formed for this user and this vendor in this period. This module does not
//! decide whether they were sold, or already spent.

use std::ops::Deref;

use smallvec::SmallVec;

use crate::bin::Bin;
use crate::hash::HashFunction;
use crate::identity::{UserVector, VendorVector};
use crate::params::{COIN_SIZE_MAX, Params};

/// Bins in order; used as a slice.
///
/// Up to [`COIN_SIZE_MAX`] bins need no allocation, since most payments are small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bins(SmallVec<[Bin; COIN_SIZE_MAX as usize]>);

impl Deref for Bins {
    type Target = [Bin];

    fn deref(&self) -> &[Bin] {
        &self.0
    }
}

impl FromIterator<Bin> for Bins {
    fn from_iter<T: IntoIterator<Item = Bin>>(bins: T) -> Bins {
        Bins(bins.into_iter().collect())
    }
}

/// What is wrong with the coins of a payment. The variants are in order of precedence: of several
/// faults, the first in this list is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum CoinFault {
    /// An x is 2^w or more.
    #[error("an input is out of range")]
    OutOfRange,
    /// An x is repeated within a coin.
    #[error("an input is repeated in a coin")]
    RepeatedBall,
    /// The fixed bits of an output are not the period's.
    #[error("the fixed bits of a ball are wrong")]
    FixedBits,
    /// The first superbin is odd, or a superbin is not the previous one plus the user's difference.
    #[error("the superbins are not a set of this user")]
    UserDifferences,
    /// A sub-bin is not the previous one plus the vendor's difference.
    #[error("the sub-bins are not those of this vendor")]
    VendorDifferences,
    /// Two coins have the same first bin.
    #[error("a coin is repeated in the payment")]
    RepeatedCoin,
}

/// The rules for coins of one period: its parameters and its hash function, ready for checking.
///
/// ```
/// use micromint::coin::{CoinFault, CoinRules};
/// use micromint::identity::{UserVector, VendorVector};
/// # use micromint::testing::{ObviousMint, test_params};
/// # let params = test_params();
/// # let coin = &ObviousMint::new(params.clone())
/// #     .coins(&"alice".parse()?, &"news.example".parse()?, 8)[0];
///
/// // `coin` is k inputs of a set that alice bought, chosen for news.example.
/// let rules = CoinRules::new(params);
/// let alice = UserVector::new(rules.params(), &"alice".parse()?)?;
/// let bob = UserVector::new(rules.params(), &"bob".parse()?)?;
/// let news = VendorVector::new(rules.params(), &"news.example".parse()?);
///
/// let first_bins = rules.check(&alice, &news, coin)?;
/// assert_eq!(first_bins[..], [rules.bin(coin[0]).ok_or("not a ball")?]);
/// assert_eq!(rules.check(&bob, &news, coin), Err(CoinFault::UserDifferences));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CoinRules {
    params: Params,
    hash: Box<dyn HashFunction>,
}

impl CoinRules {
    /// The rules of the period of `params`.
    pub fn new(params: Params) -> CoinRules {
        let hash = params.hash_function();
        CoinRules { params, hash }
    }

    /// The period's parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The bin of the ball `x`, or `None` if x is out of range or its fixed bits are wrong.
    pub fn bin(&self, x: u64) -> Option<Bin> {
        if x >= self.params.input_end() {
            return None;
        }
        self.params.bin_of(self.hash.hash(x))
    }

    /// Checks the coins in `x` (k inputs for each coin, one coin after the other) for this user and
    /// vendor, and returns the first bin of each coin in order. If fewer than k inputs remain at
    /// the end, they are [`CoinFault::UserDifferences`].
    ///
    /// # Errors
    /// The first fault in the order of [`CoinFault`], over all coins.
    pub fn check(
        &self,
        user: &UserVector,
        vendor: &VendorVector,
        x: &[u64],
    ) -> Result<Bins, CoinFault> {
        let k = self.params.coin_size();
        self.check_inputs(x)?;
        let mut outputs = SmallVec::<[u64; COIN_SIZE_MAX as usize]>::from_elem(0, x.len());
        self.hash.hash_many(x, &mut outputs);
        let bins = self.bins_of(&outputs)?;
        let coins = || bins.chunks(k);
        if !coins().all(|coin| is_users(coin, user)) {
            return Err(CoinFault::UserDifferences);
        }
        if !coins().all(|coin| is_vendors(coin, vendor)) {
            return Err(CoinFault::VendorDifferences);
        }
        let first_bins: Bins = coins().map(|coin| coin[0]).collect();
        refuse_repeated(&first_bins)?;
        Ok(first_bins)
    }

    /// Checks one coin, so that many coins can be hashed together and judged separately. `x` are
    /// its k inputs, `outputs` their hashes ([`CoinRules::outputs`]). Returns the bins of its k
    /// balls.
    ///
    /// # Errors
    /// Its first fault in the order of [`CoinFault`].
    #[cfg(any(feature = "broker", test))]
    pub(crate) fn check_coin(
        &self,
        user: &UserVector,
        vendor: &VendorVector,
        x: &[u64],
        outputs: &[u64],
    ) -> Result<Bins, CoinFault> {
        self.check_inputs(x)?;
        let bins = self.bins_of(outputs)?;
        if !is_users(&bins, user) {
            return Err(CoinFault::UserDifferences);
        }
        if !is_vendors(&bins, vendor) {
            return Err(CoinFault::VendorDifferences);
        }
        Ok(bins)
    }

    /// The 64-bit outputs of the inputs `x`, in order.
    #[cfg(any(feature = "broker", test))]
    pub(crate) fn outputs(&self, x: &[u64]) -> Vec<u64> {
        let mut outputs = vec![0; x.len()];
        self.hash.hash_many(x, &mut outputs);
        outputs
    }

    fn check_inputs(&self, x: &[u64]) -> Result<(), CoinFault> {
        if x.iter().any(|x| *x >= self.params.input_end()) {
            return Err(CoinFault::OutOfRange);
        }
        let repeats = |coin: &[u64]| (1..coin.len()).any(|i| coin[..i].contains(&coin[i]));
        if x.chunks(self.params.coin_size()).any(repeats) {
            return Err(CoinFault::RepeatedBall);
        }
        Ok(())
    }

    fn bins_of(&self, outputs: &[u64]) -> Result<Bins, CoinFault> {
        outputs
            .iter()
            .map(|output| self.params.bin_of(*output).ok_or(CoinFault::FixedBits))
            .collect()
    }
}

fn is_users(coin: &[Bin], user: &UserVector) -> bool {
    coin[0].superbin.is_multiple_of(2) && user.is_set(coin.iter().map(|bin| bin.superbin))
}

fn is_vendors(coin: &[Bin], vendor: &VendorVector) -> bool {
    vendor.are_subbins(coin.iter().map(|bin| bin.subbin))
}

fn refuse_repeated(first_bins: &[Bin]) -> Result<(), CoinFault> {
    let mut sorted = SmallVec::<[Bin; COIN_SIZE_MAX as usize]>::from_slice(first_bins);
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        Err(CoinFault::RepeatedCoin)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::tests::test_params;
    use std::collections::HashMap;

    /// All balls of the `test` profile by bin, one in each bin: a reference mint.
    fn balls(rules: &CoinRules) -> HashMap<Bin, u64> {
        let mut balls = HashMap::new();
        for x in 0..1 << 15 {
            if let Some(bin) = rules.bin(x) {
                balls.entry(bin).or_insert(x);
            }
        }
        balls
    }

    fn coins(
        rules: &CoinRules,
        user: &UserVector,
        vendor: &VendorVector,
        first: u32,
    ) -> Vec<Vec<u64>> {
        let balls = balls(rules);
        let set = user.set(first);
        (0..rules.params().subbin_count())
            .filter_map(|subbin| {
                let places = set.iter().zip(vendor.subbins(subbin));
                places
                    .map(|(&superbin, subbin)| balls.get(&Bin { superbin, subbin }).copied())
                    .collect()
            })
            .collect()
    }

    #[test]
    fn coins_are_accepted_and_every_fault_has_its_name() {
        let rules = CoinRules::new(test_params());
        let user = UserVector::new(rules.params(), &"alice".parse().unwrap()).unwrap();
        let other = UserVector::new(rules.params(), &"bob".parse().unwrap()).unwrap();
        let vendor = VendorVector::new(rules.params(), &"news.example".parse().unwrap());
        let elsewhere = VendorVector::new(rules.params(), &"shop.example".parse().unwrap());
        let coins = coins(&rules, &user, &vendor, 8);
        assert!(coins.len() > 10, "expected about 15 of 16 coins, found {}", coins.len());

        let two = [coins[0].clone(), coins[1].clone()].concat();
        assert_eq!(rules.check(&user, &vendor, &two).map(|bins| bins.len()), Ok(2));
        assert_eq!(rules.check(&other, &vendor, &two), Err(CoinFault::UserDifferences));
        assert_eq!(rules.check(&user, &elsewhere, &two), Err(CoinFault::VendorDifferences));
        let twice = [coins[0].clone(), coins[0].clone()].concat();
        assert_eq!(rules.check(&user, &vendor, &twice), Err(CoinFault::RepeatedCoin));
        let mut rotated = coins[0].clone();
        rotated.rotate_left(1);
        assert_eq!(rules.check(&user, &vendor, &rotated), Err(CoinFault::UserDifferences));
        let mut unlucky = coins[0].clone();
        unlucky[3] = (0..).find(|x| rules.bin(*x).is_none()).unwrap();
        assert_eq!(rules.check(&user, &vendor, &unlucky), Err(CoinFault::FixedBits));
        unlucky[1] = unlucky[0];
        assert_eq!(rules.check(&user, &vendor, &unlucky), Err(CoinFault::RepeatedBall));
        let ragged = [coins[0].as_slice(), &coins[1][..3]].concat();
        assert_eq!(rules.check(&user, &vendor, &ragged), Err(CoinFault::UserDifferences));
        assert!(rules.check(&user, &vendor, &[]).unwrap().is_empty());
        unlucky[2] = 1 << 56;
        assert_eq!(rules.check(&user, &vendor, &unlucky), Err(CoinFault::OutOfRange));
    }

    /// Balls from the odd superbins of other users' sets and the even ones of unsold sets: every
    /// difference is correct, but nobody was sold such a set.
    #[test]
    fn a_set_that_begins_with_an_odd_superbin_is_no_set() {
        let rules = CoinRules::new(test_params());
        let user = UserVector::new(rules.params(), &"alice".parse().unwrap()).unwrap();
        let vendor = VendorVector::new(rules.params(), &"news.example".parse().unwrap());
        for first in [1, 9, 63] {
            let coin = &coins(&rules, &user, &vendor, first)[0];
            assert!(user.is_set(coin.iter().map(|x| rules.bin(*x).unwrap().superbin)), "{first}");
            assert_eq!(
                rules.check(&user, &vendor, coin),
                Err(CoinFault::UserDifferences),
                "{first}"
            );
            let judged = rules.check_coin(&user, &vendor, coin, &rules.outputs(coin));
            assert_eq!(judged, Err(CoinFault::UserDifferences), "{first}");
        }
    }
}
