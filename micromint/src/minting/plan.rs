//! What a configuration will yield and cost, before anything is minted.
//!
//! Input: the parameters and s. Output: expected numbers, the cost of forging, and warnings in
//! words. The formulas:
//!
//! - 2^b balls fall evenly into 2^n outputs, lambda = 2^(b-n) into each. A group of 2^s tosses has
//!   m = 2^(s-t) good balls and keeps at most one, which is the part
//!   f = (1 - (1 - 2^-t)^(2^s)) / m, about (1 - e^-m) / m, of all. So the fraction
//!   p = 1 - e^-(lambda f) of the bins is filled.
//! - A stranger who searches for stored first balls finds one in 2^(t+1+w-b) * lambda / p hashes.
//! - What forging costs is computed by `forging`.

use super::forging::{BuyerAttack, Forging, filled};
use crate::bytes::u64_be;
use crate::coin_file::file_size;
use crate::hash::HashName;
use crate::hash::bulk::WalkBits;
use crate::params::{Params, Weakness};

/// The hashes per second of one graphics card of 2020 (RTX 3090): 67.5 G DES, 9.71 G SHA-256.
const CARD_RATE: [(HashName, f64); 2] = [(HashName::Des, 67.5e9), (HashName::Sha256, 9.71e9)];
/// Gamma(1 + 1/k) for k = 2 to 8.
const GAMMA: [f64; 7] = [
    0.886_226_925_452_758,
    0.892_979_511_569_249_2,
    0.906_402_477_055_477,
    0.918_168_742_399_760_6,
    0.927_719_333_630_039,
    0.935_437_562_925_463_3,
    0.941_742_699_849_701_5,
];
/// The parts of all sets that the plan's buyers have bought.
const BOUGHT_PARTS: [f64; 2] = [0.01, 0.1];
/// The plan warns if one card makes a first forgery in less time than this, in seconds: a day.
const FORGERY_SECONDS_MIN: f64 = 86_400.0;
/// The plan warns if one card forges more than this part of the coins for sale during the period.
const FORGED_PART_MAX: f64 = 0.01;
/// The plan warns if fewer than this many bits of an input are secret: a search among random inputs
/// then finds stored balls too often.
const SECRET_BITS_MIN: u32 = 16;
/// The plan warns if less than this part of a set can be spent at one vendor.
const SPENDABLE_PART_MIN: f64 = 0.5;
/// The plan warns if more balls than this are kept for a bin: they fill hardly any more bins.
const LOAD_MAX: f64 = 8.0;
/// The plan warns if less than this part of the good balls is kept.
const KEPT_PART_MIN: f64 = 0.7;
/// The number of vendors for which the plan estimates how many pairs have equal vectors.
const VENDOR_COUNT: f64 = 1000.0;

/// What a configuration will yield and cost. Expected numbers are means; they vary a little.
///
/// ```
/// use micromint::minting::{NewPeriod, MintPlan, Profile, Warning};
/// # use micromint::host::SystemEntropy;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "https://broker.example/";
/// let new = NewPeriod::new(Profile::Demo, "2026-12".parse()?, url, "0.01 USD".parse()?);
/// let config = NewPeriod { weak: true, ..new }.draw(&SystemEntropy)?;
///
/// let plan = MintPlan::new(&config.params, config.walk);
/// assert_eq!((plan.bin_count, plan.toss_count), (1 << 21, 1 << 31));
/// assert_eq!(plan.coins_per_set.round(), 62.0);
/// assert_eq!(plan.minting_seconds(1e9).round(), 2.0);
/// assert!(plan.warnings.iter().any(|it| matches!(it, Warning::FirstForgery { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MintPlan {
    /// 2^(u+v).
    pub bin_count: u64,
    /// The size of the coin file, in bytes.
    pub file_size: u64,
    /// 2^b.
    pub toss_count: u64,
    /// The balls with the right fixed bits, from which those of the file are chosen.
    pub good_balls: f64,
    /// lambda, the good balls per bin.
    pub lambda: f64,
    /// m, the good balls of a group.
    pub(crate) good_per_group: f64,
    /// f, the part of the good balls that are the first of their group.
    pub kept_part: f64,
    /// The balls that are the first good ones of their group.
    pub kept_balls: f64,
    /// p, the fraction of the bins that contain a ball in the end.
    pub fill: f64,
    /// The balls in the file in the end.
    pub stored_balls: f64,
    /// The sets that can be sold: one for every even superbin.
    pub set_count: u64,
    /// The coins of a set: its first balls.
    pub coins_per_set: f64,
    /// The coins of all sets.
    pub coin_count: f64,
    /// The number of coins of a set that can be spent at one given vendor.
    pub spendable_per_set: f64,
    /// p^(k-1), the fraction of a set that can be spent at one given vendor.
    pub spendable_part: f64,
    /// The hashes of random inputs after which a stranger finds a stored first ball.
    pub stranger_hashes: f64,
    /// The hashes of random inputs after which a stranger expects a coin of stored balls, for one
    /// user and one vendor.
    pub stored_coin_hashes: f64,
    /// The tosses for the first coin forged for one user and one vendor, by someone who bought
    /// nothing.
    pub first_forgery_tosses: f64,
    /// What a forger achieves with 1/1000, 1/100, 1/10 and all of the broker's work.
    pub forgeries: [Forgery; 4],
    /// What buyers of 1 % and of 10 % of all sets gain.
    pub buyers: [BuyerAttack; 2],
    /// The weaknesses of the configuration.
    pub warnings: Vec<Warning>,
}

/// The result of forging at scale.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Forgery {
    /// The work done, as a fraction of the broker's.
    pub part: f64,
    /// The work done, in tosses.
    pub tosses: f64,
    /// The coins forged for one user and one vendor.
    pub coins: f64,
}

/// A weakness, in words, with the formula of its figure. `rate` is that of one graphics card.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A weakness that is allowed only on request.
    #[error("{0}")]
    Weakness(Weakness),
    /// DES.
    #[error(
        "hashfn des has only 2^56 inputs: one graphics card tries all of them in about \
         {days:.0} days (2^56 / rate); use sha256 for real money"
    )]
    SmallInputSpace {
        /// The time that a card takes, in days.
        days: f64,
    },
    /// The first forgery is cheap.
    #[error(
        "a graphics card makes the first forged coin in {seconds:.2} seconds \
         (Gamma(1+1/k) 2^(n-(u+v-1)/k) / rate); vendors cannot tell, redemption can; raise \
         num-fixed-bits or coin-size"
    )]
    FirstForgery {
        /// The time that a card takes, in seconds.
        seconds: f64,
    },
    /// Many coins can be forged.
    #[error(
        "a graphics card busy for the whole period forges {coins:.3e} coins, {percent:.1} % of \
         those for sale (2^(u+v-1) (1 - e^(-rate time / 2^n))^k); vendors cannot tell, redemption \
         can; raise num-fixed-bits and input-size, or coin-size"
    )]
    ForgeryAtScale {
        /// The forged coins.
        coins: f64,
        /// Their percentage of the coins for sale.
        percent: f64,
    },
    /// Stored balls can be found by searching among random inputs.
    #[error(
        "input-size is above w - 16: a stranger finds a stored first ball in 2^{hashes_bits:.1} \
         hashes (2^(t+1+w-b) lambda/p), {seconds:.1} seconds of a graphics card; lower input-size \
         or raise num-fixed-bits"
    )]
    StoredBallsFound {
        /// The binary logarithm of the number of hashes.
        hashes_bits: f64,
        /// The time that a card takes, in seconds.
        seconds: f64,
    },
    /// Few coins of a set can be spent at one vendor.
    #[error(
        "only {percent:.0} % of a set can be spent at one given vendor (p^(k-1)): {load:.3} balls \
         are kept for a bin (lambda f); raise input-size"
    )]
    LowFill {
        /// Their percentage of the set.
        percent: f64,
        /// lambda f.
        load: f64,
    },
    /// Most balls find their bin filled.
    #[error(
        "{load:.1} balls are kept for a bin (lambda f) and one stays: most of the work is lost; \
         lower input-size or raise num-fixed-bits"
    )]
    Wasteful {
        /// lambda f.
        load: f64,
    },
    /// Most good balls are not the first of their group.
    #[error(
        "of {good:.2} good balls of a group (2^(s-t)) at most one is kept: {percent:.0} % of the \
         work is lost (1 - f); lower walk or raise num-fixed-bits"
    )]
    LargeGroups {
        /// m, the good balls of a group.
        good: f64,
        /// The percentage of the good balls that are dropped.
        percent: f64,
    },
    /// Vendors with equal vectors.
    #[error(
        "of 1000 vendors about {pairs:.0} pairs have equal vectors (1000^2 / 2^(v(k-1)+1)), and \
         the broker must refuse one of each; raise subbin-size or coin-size"
    )]
    VendorVectors {
        /// The expected number of pairs.
        pairs: f64,
    },
    /// The iv looks chosen, not random.
    #[error(
        "iv {iv:016x} is not random (all bytes equal, or below 2^16): anyone who guesses it can \
         search for balls in advance"
    )]
    IvChosen {
        /// The iv.
        iv: u64,
    },
}

impl MintPlan {
    /// The plan for `params` and groups of 2^`walk` tosses.
    pub fn new(params: &Params, walk: WalkBits) -> MintPlan {
        let raw = params.raw();
        let k = raw.coin_size;
        let place_bits = params.superbin_bits() + raw.subbin_bits;
        let lambda = exp2(raw.input_bits as i32 - raw.output_bits as i32);
        let group_bits = raw.input_bits.min(walk.get());
        let good_per_group = exp2(group_bits as i32 - raw.fixed_count as i32);
        let kept_part = kept_part(group_bits, raw.fixed_count);
        let fill = filled(lambda * kept_part);
        let good_balls = exp2(raw.input_bits as i32 - raw.fixed_count as i32);
        let secret_bits = raw.hash.input_width() - raw.input_bits;
        let subbins = f64::from(params.subbin_count());
        let set_count = params.superbin_count() / 2;
        let tosses = exp2(raw.input_bits as i32);
        let first_exponent = f64::from(raw.output_bits) - f64::from(place_bits - 1) / f64::from(k);
        let forging = Forging::new(params, fill);
        let mut plan = MintPlan {
            bin_count: 1 << place_bits,
            file_size: file_size(params),
            toss_count: 1 << raw.input_bits,
            good_balls,
            lambda,
            good_per_group,
            kept_part,
            kept_balls: good_balls * kept_part,
            fill,
            stored_balls: exp2(place_bits as i32) * fill,
            set_count,
            coins_per_set: subbins * fill,
            coin_count: set_count as f64 * subbins * fill,
            spendable_per_set: subbins * fill.powi(k as i32),
            spendable_part: fill.powi(k as i32 - 1),
            stranger_hashes: exp2((raw.fixed_count + 1 + secret_bits) as i32) * lambda / fill,
            stored_coin_hashes: forging.stored_coin_hashes(),
            first_forgery_tosses: GAMMA[k as usize - 2] * first_exponent.exp2(),
            forgeries: [1e-3, 1e-2, 1e-1, 1.0].map(|part| Forgery {
                part,
                tosses: tosses * part,
                coins: forging.searched(tosses * part),
            }),
            buyers: BOUGHT_PARTS.map(|part| forging.buyer(part)),
            warnings: Vec::new(),
        };
        plan.warnings = plan.find_warnings(params, &forging);
        plan
    }

    /// How long minting takes at `tosses_per_second`, in seconds.
    pub fn minting_seconds(&self, tosses_per_second: f64) -> f64 {
        self.toss_count as f64 / tosses_per_second
    }

    fn find_warnings(&self, params: &Params, forging: &Forging) -> Vec<Warning> {
        let raw = params.raw();
        let mut warnings: Vec<Warning> =
            params.weaknesses().into_iter().map(Warning::Weakness).collect();
        let rate =
            CARD_RATE.iter().find(|(hash, _)| *hash == raw.hash).map_or(1.0, |(_, rate)| *rate);
        if raw.hash == HashName::Des {
            let days = exp2(raw.hash.input_width() as i32) / rate / 86_400.0;
            warnings.push(Warning::SmallInputSpace { days });
        }
        let seconds = self.first_forgery_tosses / rate;
        if seconds < FORGERY_SECONDS_MIN {
            warnings.push(Warning::FirstForgery { seconds });
        }
        let period_seconds = raw.expiration.0.saturating_sub(raw.start.0) as f64;
        let tosses = (rate * period_seconds).min(exp2(raw.hash.input_width() as i32));
        let coins = forging.searched(tosses);
        if coins > FORGED_PART_MAX * self.coin_count {
            warnings
                .push(Warning::ForgeryAtScale { coins, percent: 100.0 * coins / self.coin_count });
        }
        if raw.input_bits + SECRET_BITS_MIN > raw.hash.input_width() {
            let hashes = self.stranger_hashes;
            warnings.push(Warning::StoredBallsFound {
                hashes_bits: hashes.log2(),
                seconds: hashes / rate,
            });
        }
        let load = self.lambda * self.kept_part;
        if self.spendable_part < SPENDABLE_PART_MIN {
            warnings.push(Warning::LowFill { percent: 100.0 * self.spendable_part, load });
        }
        if load > LOAD_MAX {
            warnings.push(Warning::Wasteful { load });
        }
        if self.kept_part < KEPT_PART_MIN {
            let percent = 100.0 * (1.0 - self.kept_part);
            warnings.push(Warning::LargeGroups { good: self.good_per_group, percent });
        }
        let pairs =
            VENDOR_COUNT * VENDOR_COUNT / exp2((raw.subbin_bits * (raw.coin_size - 1)) as i32 + 1);
        if pairs >= 1.0 {
            warnings.push(Warning::VendorVectors { pairs });
        }
        let bytes = u64_be(raw.iv);
        if bytes.iter().all(|byte| *byte == bytes[0]) || raw.iv < 1 << 16 {
            warnings.push(Warning::IvChosen { iv: raw.iv });
        }
        warnings
    }
}

/// f, the part of the good balls that are kept, if a group has 2^`group_bits` tosses and each is
/// good with probability 2^-`fixed_count`.
fn kept_part(group_bits: u32, fixed_count: u32) -> f64 {
    let all_bad = exp2(group_bits as i32) * (-exp2(-(fixed_count as i32))).ln_1p();
    -all_bad.exp_m1() / exp2(group_bits as i32 - fixed_count as i32)
}

fn exp2(exponent: i32) -> f64 {
    f64::from(exponent).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{params_with, raw_test_params, resize};

    fn sized(u: u32, v: u32, k: u32, t: u32, b: u32, hash: HashName) -> Params {
        params_with(|raw| {
            resize(raw, u, v, k, t, hash);
            raw.input_bits = b;
        })
    }

    fn plan(params: &Params) -> MintPlan {
        MintPlan::new(params, WalkBits::for_fixed_count(params.raw().fixed_count))
    }

    fn near(found: f64, expected: f64, part: f64) {
        assert!((found / expected - 1.0).abs() < part, "expected {expected}, found {found}");
    }

    /// Gamma(1 + 1/k) is the integral of e^-(x^k) from 0 up.
    #[test]
    fn gamma_is_right() {
        for (k, gamma) in (2..).zip(GAMMA) {
            let step = 1e-4;
            let integral: f64 =
                (0..100_000).map(|i| (-((i as f64 + 0.5) * step).powi(k)).exp() * step).sum();
            near(gamma, integral, 1e-7);
        }
    }

    /// The figures of the profiles in the documentation.
    #[test]
    fn profiles_have_the_published_figures() {
        let demo = plan(&sized(15, 6, 4, 8, 31, HashName::Des));
        assert_eq!((demo.bin_count, demo.set_count), (1 << 21, 1 << 14));
        assert_eq!(demo.file_size, 4096 + (64 + 512) * (1 << 15));
        // Of 1/4 good balls in a group of 64, about (1 - e^-1/4) / (1/4) are kept.
        near(demo.kept_part, 0.886_32, 1e-5);
        near(demo.fill, 0.971_14, 1e-5);
        near(demo.coins_per_set, 62.15, 1e-3);
        near(demo.spendable_per_set, 56.9, 1e-3);
        near(demo.stranger_hashes, 2f64.powi(8 + 1 + 56 - 31) * 4.0 / 0.971, 1e-3);
        near(demo.first_forgery_tosses.log2(), 23.86, 1e-3);

        let national = plan(&sized(26, 10, 6, 16, 53, HashName::Sha256));
        near(national.kept_part, 0.998, 1e-3);
        near(national.spendable_per_set, 427.0, 1e-2);
        near(national.first_forgery_tosses.log2(), 52.0 - 35.0 / 6.0 - 0.108, 1e-3);
        near(national.minting_seconds(9.71e9 * 64.0) / 3600.0, 4.0, 0.1);
    }

    /// With k = 4 a hundredth of the work yields far less than a hundredth of the coins; all of the
    /// work fills as many bins as the broker's would if it kept all good balls.
    #[test]
    fn forging_pays_worse_the_less_work_is_done() {
        let plan = plan(&sized(19, 8, 4, 10, 39, HashName::Des));
        let [_, hundredth, tenth, all] = plan.forgeries;
        near(all.coins, plan.bin_count as f64 / 2.0 * (1.0 - (-4f64).exp()).powi(4), 1e-9);
        assert!(tenth.coins < all.coins / 20.0 && hundredth.coins < tenth.coins / 1000.0);
        let first = plan.first_forgery_tosses / plan.toss_count as f64;
        assert!(first < 1e-2 && first > 1e-4);
    }

    #[test]
    fn weak_choices_are_warned_of_in_words() {
        let text = |params: &Params| {
            let warnings = plan(params).warnings;
            warnings.iter().map(|warning| format!("{warning}\n")).collect::<String>()
        };
        let test = text(&params_with(|_| {}));
        for says in ["below 40", "2^56 inputs", "first forged coin", "1000 vendors", "whole period"]
        {
            assert!(test.contains(says), "{says}: {test}");
        }
        let low = text(&sized(15, 6, 4, 8, 28, HashName::Des));
        assert!(low.contains("only 5 % of a set") && low.contains("0.443 balls"), "{low}");
        assert!(text(&sized(15, 6, 4, 8, 33, HashName::Des)).contains("most of the work is lost"));
        let groups = MintPlan::new(&sized(15, 6, 4, 8, 31, HashName::Des), WalkBits::MAX).warnings;
        let groups: String = groups.iter().map(|warning| format!("{warning}\n")).collect();
        assert!(groups.contains("of 1.00 good balls of a group") && groups.contains("37 %"));
        let strong = sized(26, 10, 8, 26, 53, HashName::Sha256);
        let mut raw = strong.raw().clone();
        (raw.fixed_count, raw.output_bits, raw.input_bits) = (28, 64, 53);
        (raw.iv, raw.start) = (raw_test_params().iv, raw.expiration.plus_seconds(-86_400));
        let warnings = plan(&Params::new(raw.clone()).unwrap()).warnings;
        assert!(
            warnings.iter().all(|warning| {
                matches!(warning, Warning::LowFill { .. } | Warning::StoredBallsFound { .. })
            }),
            "{warnings:?}"
        );
        raw.iv = 0x1111_1111_1111_1111;
        assert!(text(&Params::new(raw).unwrap()).contains("is not random"));
    }
}
