//! The sizes of a period, which belong together: hash function, k, u, v, t and b.
//!
//! Input: a [`Profile`]; or a [`Demand`], that is, how many coins a broker needs and how fast its
//! machine tosses. Output: a [`Size`], and for a demand the reason for each number. The invariant:
//! the choice is a function of the demand alone, so it can be repeated and tested.

use std::io;

use super::profile::Profile;
use crate::hash::HashName;
use crate::host::Entropy;
use crate::params::{Params, RawParams, SUPERBIN_BITS_MAX};

/// The hash function of every chosen size: DES has too few inputs for real money.
const HASH: HashName = HashName::Sha256;
/// k of every chosen size, as in the profiles with SHA-256: someone who bought nothing and does a
/// hundredth of the mint's work forges 4 coins in 10^9, and nine of ten coins of a set fit one
/// vendor.
const COIN_SIZE: u32 = 6;
/// The fewest superbin bits, so that (u-1)(k-1) >= 40.
const SUPERBIN_BITS_MIN: u32 = 9;
/// The fewest sub-bin bits: with v (k-1) = 20, of 1000 vendors one pair has equal vectors at most.
const SUBBIN_BITS_MIN: u32 = 4;
/// The most sub-bin bits: a set of a thousand coins.
const SUBBIN_BITS_MAX: u32 = 10;
/// lambda is 2^2: four good balls for each bin.
const LAMBDA_BITS: u32 = 2;
/// The fraction of bins that is filled at least, with lambda = 4 and t >= 10.
const FILL: f64 = 0.97;
/// The fewest fixed bits. Below 10, groups of 2^8 tosses would waste too much work.
const FIXED_COUNT_MIN: u32 = 10;
/// b stays so far below w: fewer than one in 2^16 inputs is tossed.
const SECRET_BITS: u32 = 16;
/// The sets made for each one that is needed.
const SPARE: f64 = 1.25;

/// The sizes of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The hash function.
    pub hash: HashName,
    /// k, the balls in a coin.
    pub coin_size: u32,
    /// u: there are 2^u superbins.
    pub superbin_bits: u32,
    /// v: a superbin has 2^v bins.
    pub subbin_bits: u32,
    /// t, the number of fixed bits.
    pub fixed_count: u32,
    /// b: 2^b balls are tossed.
    pub input_bits: u32,
}

/// What a broker needs for a period, and what its machine can do.
///
/// ```
/// use micromint::minting::Demand;
///
/// let demand = Demand { readers: 5000, coins: 200, tosses_per_second: 190e6, hours: 8.0 };
/// let chosen = demand.choose()?;
/// assert_eq!((chosen.size.superbin_bits, chosen.size.subbin_bits), (15, 7));
/// assert_eq!((chosen.size.fixed_count, chosen.size.input_bits), (18, 42));
/// # Ok::<(), micromint::minting::DemandError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// The readers who buy coins, at least 1.
    pub readers: u64,
    /// The coins that each of them buys, at least 1.
    pub coins: u64,
    /// The SHA-256 balls that the machine tosses in a second, above 0.
    pub tosses_per_second: f64,
    /// The longest time that minting may take, in hours, above 0.
    pub hours: f64,
}

/// Sizes chosen for a demand.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChosenSize {
    /// The sizes.
    pub size: Size,
    /// The sets that a reader needs for the coins.
    pub sets_per_reader: u64,
    /// The sets that all readers need.
    pub sets_needed: u64,
    /// The time that minting takes, in hours.
    pub hours: f64,
}

/// No size meets a demand.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DemandError {
    /// A number is out of range.
    #[error("{0}: expected a number of at least 1")]
    Number(&'static str),
    /// The machine is too slow.
    #[error(
        "2^{needed_bits} tosses are needed, and this machine makes them in {hours:.1} hours: allow \
         that many hours, or mint on several machines"
    )]
    Time {
        /// The binary logarithm of the tosses.
        needed_bits: u32,
        /// The hours that the machine needs for them.
        hours: f64,
    },
    /// A period cannot have this many coins.
    #[error(
        "expected at most 2^{sets_max_bits} sets of {coins_per_set} coins for all readers, found \
         {sets}: sell them in several periods"
    )]
    TooManyCoins {
        /// The binary logarithm of the most sets.
        sets_max_bits: u32,
        /// The coins of a set.
        coins_per_set: u64,
        /// The sets that are needed, those to spare included.
        sets: u64,
    },
}

impl Demand {
    /// Chooses the sizes: the fewest bins that hold the coins, and then all tosses that the time
    /// allows, because more tosses for the same bins cost forgers more too.
    ///
    /// # Errors
    /// See [`DemandError`].
    pub fn choose(&self) -> Result<ChosenSize, DemandError> {
        self.check()?;
        let v = (SUBBIN_BITS_MIN..=SUBBIN_BITS_MAX)
            .rev()
            .find(|v| coins_per_set(*v) <= self.coins)
            .unwrap_or(SUBBIN_BITS_MIN);
        let sets_per_reader = self.coins.div_ceil(coins_per_set(v));
        let sets_needed = self.readers.saturating_mul(sets_per_reader);
        let sets = (sets_needed as f64 * SPARE).ceil();
        // The first superbin of a set is even.
        let u = (sets.log2().ceil() as u32 + 1).max(SUPERBIN_BITS_MIN);
        let input_bits_max = HASH.input_width() - SECRET_BITS;
        let u_max = SUPERBIN_BITS_MAX.min(input_bits_max - LAMBDA_BITS - FIXED_COUNT_MIN - v);
        if u > u_max {
            return Err(DemandError::TooManyCoins {
                sets_max_bits: u_max - 1,
                coins_per_set: coins_per_set(v),
                sets: sets as u64,
            });
        }
        let tosses = self.tosses_per_second * self.hours * 3600.0;
        let b = (tosses.log2().floor().max(0.0) as u32).min(input_bits_max);
        let needed_bits = u + v + LAMBDA_BITS + FIXED_COUNT_MIN;
        if b < needed_bits {
            return Err(DemandError::Time { needed_bits, hours: self.hours_for(needed_bits) });
        }
        let size = Size {
            hash: HASH,
            coin_size: COIN_SIZE,
            superbin_bits: u,
            subbin_bits: v,
            fixed_count: b - LAMBDA_BITS - u - v,
            input_bits: b,
        };
        Ok(ChosenSize { size, sets_per_reader, sets_needed, hours: self.hours_for(b) })
    }

    fn check(&self) -> Result<(), DemandError> {
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        for (name, is_valid) in [
            ("readers", self.readers >= 1),
            ("coins", self.coins >= 1),
            ("tosses per second", is_positive(self.tosses_per_second)),
            ("hours", is_positive(self.hours)),
        ] {
            if !is_valid {
                return Err(DemandError::Number(name));
            }
        }
        Ok(())
    }

    fn hours_for(&self, input_bits: u32) -> f64 {
        f64::from(input_bits).exp2() / self.tosses_per_second / 3600.0
    }
}

/// The coins of a set with 2^v bins, rounded down.
fn coins_per_set(v: u32) -> u64 {
    (f64::from(v).exp2() * FILL) as u64
}

impl ChosenSize {
    /// Why each number was chosen: its key in a parameter file, and the reason in words.
    pub fn reasons(&self) -> Vec<(&'static str, String)> {
        let Size { superbin_bits: u, subbin_bits: v, fixed_count: t, input_bits: b, .. } =
            self.size;
        let input_bits_max = HASH.input_width() - SECRET_BITS;
        let tosses = match b == input_bits_max {
            true => format!("2^{b} tosses, {:.1} hours; more would be above w - 16", self.hours),
            false => format!("2^{b} tosses, {:.1} hours; twice as many take too long", self.hours),
        };
        vec![
            ("hashfn", format!("{HASH}, because des has only 2^56 inputs")),
            ("coin-size", format!("k = {COIN_SIZE}: small numbers of forgeries do not pay")),
            (
                "subbin-size",
                format!(
                    "v = {v}: about {} coins in a set, {} for each reader",
                    coins_per_set(v),
                    counted(self.sets_per_reader, "set")
                ),
            ),
            (
                "output-size",
                format!(
                    "n = t + u + v = {}, u = {u}: {} sets for {} that are needed, a quarter to spare",
                    t + u + v,
                    1u64 << (u - 1),
                    self.sets_needed
                ),
            ),
            ("input-size", tosses),
            (
                "num-fixed-bits",
                format!("t = {t}: all that is left with four good balls for each bin"),
            ),
        ]
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

impl Size {
    /// Sets hash function and sizes of `raw`, and an unpredictable iv and fixed bits: nobody can
    /// begin to look for balls before they are published.
    ///
    /// # Errors
    /// The source of randomness failed.
    pub(crate) fn apply(self, raw: &mut RawParams, entropy: &dyn Entropy) -> io::Result<()> {
        let Size { superbin_bits: u, subbin_bits: v, fixed_count: t, .. } = self;
        raw.hash = self.hash;
        raw.coin_size = self.coin_size;
        raw.output_bits = t + u + v;
        (raw.subbin_bits, raw.fixed_count, raw.input_bits) = (v, t, self.input_bits);
        raw.iv = entropy.number()?;
        raw.fixed_bits = entropy.number()?.checked_shr(64 - t).unwrap_or(0);
        Ok(())
    }
}

impl From<Profile> for Size {
    fn from(profile: Profile) -> Size {
        let (hash, coin_size, superbin_bits, subbin_bits, fixed_count, input_bits) = match profile {
            // Sixteen good balls for each bin, because groups of 16 keep only a quarter at t = 2.
            Profile::Test => (HashName::Des, 4, 6, 4, 2, 16),
            Profile::Demo => (HashName::Des, 4, 15, 6, 8, 31),
            Profile::Small => (HashName::Des, 4, 19, 8, 10, 39),
            Profile::SmallSha256 => (HashName::Sha256, 6, 19, 8, 13, 42),
            Profile::National => (HashName::Sha256, 6, 26, 10, 16, 53),
        };
        Size { hash, coin_size, superbin_bits, subbin_bits, fixed_count, input_bits }
    }
}

/// The size of a period, for another one like it.
impl From<&Params> for Size {
    fn from(params: &Params) -> Size {
        let raw = params.raw();
        Size {
            hash: raw.hash,
            coin_size: raw.coin_size,
            superbin_bits: raw.output_bits - raw.fixed_count - raw.subbin_bits,
            subbin_bits: raw.subbin_bits,
            fixed_count: raw.fixed_count,
            input_bits: raw.input_bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bulk::WalkBits;
    use crate::host::SystemEntropy;
    use crate::minting::MintPlan;
    use crate::testing::raw_test_params;

    fn demand(readers: u64, coins: u64, hours: f64) -> Demand {
        Demand { readers, coins, tosses_per_second: 190e6, hours }
    }

    /// Whatever the demand: if there is a size, it is valid, not weak, holds the coins and takes no
    /// longer than allowed; and twice the tosses would be too many.
    #[test]
    fn a_chosen_size_meets_its_demand() {
        let mut chosen_count = 0;
        for readers in [1, 30, 1000, 40_000, 2_000_000, 1 << 33] {
            for coins in [1, 15, 16, 100, 1000, 50_000] {
                for hours in [0.1, 1.0, 8.0, 1000.0] {
                    let demand = demand(readers, coins, hours);
                    let Ok(chosen) = demand.choose() else { continue };
                    chosen_count += 1;
                    let mut raw = raw_test_params();
                    chosen.size.apply(&mut raw, &SystemEntropy).unwrap();
                    let params = Params::new(raw).unwrap();
                    assert_eq!(params.weaknesses(), [], "{demand:?}");
                    assert_eq!(Size::from(&params), chosen.size);
                    let walk = WalkBits::for_fixed_count(params.raw().fixed_count);
                    let plan = MintPlan::new(&params, walk);
                    let per_reader = plan.coins_per_set * chosen.sets_per_reader as f64;
                    assert!(per_reader >= coins as f64, "{demand:?}: {per_reader} coins");
                    let sets = plan.set_count as f64;
                    assert!(sets >= 1.25 * (readers * chosen.sets_per_reader) as f64);
                    assert!(chosen.hours <= hours && plan.spendable_part > 0.85);
                    let is_last = params.raw().input_bits == 44;
                    assert!(is_last || 2.0 * chosen.hours > hours, "{demand:?}: {chosen:?}");
                    assert_eq!(chosen.reasons().len(), 6);
                }
            }
        }
        assert!(chosen_count > 60, "{chosen_count}");
    }

    #[test]
    fn more_time_makes_balls_dearer_and_nothing_else() {
        let [short, long] = [1.0, 8.0].map(|hours| demand(1000, 100, hours).choose().unwrap().size);
        assert_eq!(long.fixed_count, short.fixed_count + 3);
        assert_eq!(
            Size { fixed_count: 0, input_bits: 0, ..long },
            Size { fixed_count: 0, input_bits: 0, ..short }
        );
    }

    #[test]
    fn a_demand_that_cannot_be_met_is_told_what_is_needed() {
        let error = demand(100_000, 1000, 0.5).choose().unwrap_err();
        let DemandError::Time { needed_bits, hours } = error else { panic!("{error:?}") };
        let enough = demand(100_000, 1000, hours * 1.001).choose().unwrap();
        assert_eq!(enough.size.input_bits, needed_bits);
        let error = demand(10_000_000, 1000, 1e6).choose().unwrap_err();
        assert!(error.to_string().contains("several periods"), "{error}");
        for (bad, name) in [
            (Demand { readers: 0, ..demand(1, 1, 1.0) }, "readers"),
            (Demand { coins: 0, ..demand(1, 1, 1.0) }, "coins"),
            (Demand { hours: f64::NAN, ..demand(1, 1, 1.0) }, "hours"),
            (Demand { tosses_per_second: 0.0, ..demand(1, 1, 1.0) }, "tosses per second"),
        ] {
            assert_eq!(bad.choose(), Err(DemandError::Number(name)));
        }
    }
}
