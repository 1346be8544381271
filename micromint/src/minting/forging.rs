//! What forging costs, for each attacker.
//!
//! Input: the parameters, and p, the fraction of the bins that is filled. Output: how many coins a
//! forger makes for one vendor, by the part of all sets that he bought, the hashes that he computes
//! and the names that he invents. The formulas are derived in `docs/reference/params.md`; a test
//! holds them against attacks that are carried out.
//!
//! A coin needs a ball in a bin of an even superbin and k-1 balls in bins of odd superbins, which
//! the User-ID and the vendor determine. So the coins for one name are 2^(u+v-1) a b^(k-1), if the
//! forger has balls in the fraction a of the even and b of the odd superbins' bins.

use crate::params::Params;

/// The bins of a period, as a forger sees them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forging {
    /// 2^n: the hashes that make one ball for each bin on average.
    outputs: f64,
    /// 2^(u+v-1): the possible first bins of coins.
    first_bins: f64,
    /// k.
    coin_size: i32,
    /// p.
    fill: f64,
    /// 2^w.
    inputs: f64,
}

/// What someone gains who bought a part of all sets.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BuyerAttack {
    /// The part of all sets that he bought.
    pub bought_part: f64,
    /// Under his own name, without an owners file: the hashes after which one more coin than he
    /// bought is expected.
    pub own_name_hashes: f64,
    /// Under invented names, without an owners file: the SHA-256 hashes for each coin.
    pub invented_name_hashes: f64,
    /// With an owners file: the hashes after which one more coin of his own sets is expected.
    pub own_sets_hashes: f64,
    /// With an owners file: the most coins of his own sets that he can spend at one vendor beyond
    /// those that fit it; `cap` of the vendor bounds them.
    pub own_sets_coins: f64,
}

impl Forging {
    pub(super) fn new(params: &Params, fill: f64) -> Forging {
        let raw = params.raw();
        let power = |bits: u32| f64::from(bits).exp2();
        Forging {
            outputs: power(raw.output_bits),
            first_bins: power(params.superbin_bits() + raw.subbin_bits - 1),
            coin_size: raw.coin_size as i32,
            fill,
            inputs: power(raw.hash.input_width()),
        }
    }

    /// The coins for any one name of someone who bought nothing.
    pub(super) fn searched(&self, hashes: f64) -> f64 {
        self.first_bins * filled(hashes / self.outputs).powi(self.coin_size)
    }

    /// The coins under his own name that a buyer of the part `bought` makes beyond those that he
    /// bought.
    pub(super) fn own_name(&self, bought: f64, hashes: f64) -> f64 {
        let found = filled(hashes / self.outputs);
        // Beside a first superbin that is not his, the odd superbins that he holds come from his
        // other sets: one of the k-1 differences leads to each position, and never its own.
        let held = self.fill * (1.0 - (1.0 - bought).powi(self.coin_size - 2));
        let odd = 1.0 - (1.0 - held) * (1.0 - found);
        (1.0 - bought) * self.first_bins * found * odd.powi(self.coin_size - 1)
            + self.own_sets(bought, hashes)
    }

    /// The coins of his own sets that a buyer makes beyond those that fit a vendor.
    pub(super) fn own_sets(&self, bought: f64, hashes: f64) -> f64 {
        let has = 1.0 - (1.0 - self.fill) * (1.0 - filled(hashes / self.outputs));
        bought * self.first_bins * (has.powi(self.coin_size) - self.fill.powi(self.coin_size))
    }

    /// The coins under one invented name that a buyer makes, on average over the names.
    pub(super) fn invented_name(&self, bought: f64, hashes: f64) -> f64 {
        let missed = 1.0 - filled(hashes / self.outputs);
        let with = |held: f64| 1.0 - (1.0 - held * self.fill) * missed;
        let odd = 1.0 - (1.0 - bought).powi(self.coin_size - 1);
        self.first_bins * with(bought) * with(odd).powi(self.coin_size - 1)
    }

    /// The coins for one name that consist of stored balls, of someone who bought nothing.
    fn stored(&self, hashes: f64) -> f64 {
        self.first_bins * (self.fill * (hashes / self.inputs).min(1.0)).powi(self.coin_size)
    }

    /// The hashes after which someone who bought nothing expects a coin of stored balls.
    pub(super) fn stored_coin_hashes(&self) -> f64 {
        hashes_for_one(|hashes| self.stored(hashes))
    }

    pub(super) fn buyer(&self, bought_part: f64) -> BuyerAttack {
        let fits = self.fill.powi(self.coin_size);
        // A name costs k-1 hashes.
        let per_name = f64::from(self.coin_size - 1);
        BuyerAttack {
            bought_part,
            own_name_hashes: hashes_for_one(|hashes| self.own_name(bought_part, hashes)),
            invented_name_hashes: per_name / self.invented_name(bought_part, 0.0),
            own_sets_hashes: hashes_for_one(|hashes| self.own_sets(bought_part, hashes)),
            own_sets_coins: bought_part * self.first_bins * (1.0 - fits),
        }
    }
}

/// The hashes after which `coins`, which grows with them, reaches one; infinite if it never does.
fn hashes_for_one(coins: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 70.0);
    if coins(f64::exp2(high)) < 1.0 {
        return f64::INFINITY;
    }
    while high - low > 1e-6 {
        let middle = (low + high) / 2.0;
        if coins(f64::exp2(middle)) < 1.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high.exp2()
}

/// The fraction of the bins that contain a ball after `load` balls per bin were tossed.
pub(super) fn filled(load: f64) -> f64 {
    -(-load).exp_m1()
}
