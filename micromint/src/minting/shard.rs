//! Shards: the parts of a period's tosses, and the parts of a coin file.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::error::FileError;
use crate::hash::bulk::WalkBits;
use crate::host::Directory;
use crate::params::Params;

/// A shard begins and ends at a multiple of this number of tosses, so it has whole groups.
const SHARD_UNIT: u64 = WalkBits::MAX.inputs_per_base() as u64;
/// The most shards of a period.
pub(super) const SHARDS_MAX: u32 = 4096;

/// Shard `index` of `count`; the first index is 1. The text form is `3/16`.
///
/// ```
/// use micromint::minting::Shard;
///
/// let shard: Shard = "3/16".parse()?;
/// assert_eq!((shard.index(), shard.count()), (3, 16));
/// assert_eq!(shard.run_name("2026-12.coins"), "2026-12.coins.run-3-of-16");
/// assert!("17/16".parse::<Shard>().is_err());
/// # Ok::<(), micromint::minting::ShardError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// The text or the numbers are not a shard or a part of a merge.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected I/N with 1 <= I <= N <= {SHARDS_MAX}, such as 3/16, found {0:?}")]
pub struct ShardError(String);

impl Shard {
    /// All of the tosses.
    pub(super) const WHOLE: Shard = Shard { index: 1, count: 1 };

    /// Shard `index` (from 1) of `count`.
    ///
    /// # Errors
    /// Not 1 <= `index` <= `count` <= 4096.
    pub fn new(index: u32, count: u32) -> Result<Shard, ShardError> {
        if 1 <= index && index <= count && count <= SHARDS_MAX {
            return Ok(Shard { index, count });
        }
        Err(ShardError(format!("{index}/{count}")))
    }

    /// Its number, from 1.
    pub fn index(self) -> u32 {
        self.index
    }

    /// The number of shards.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Its part of `total` items. All shards together cover each item once.
    pub(super) fn part(self, total: u64) -> Range<u64> {
        let bound =
            |index: u32| (u128::from(total) * u128::from(index) / u128::from(self.count)) as u64;
        bound(self.index - 1)..bound(self.index)
    }

    /// Its tosses: whole groups, unless the period is shorter than one group.
    pub(super) fn tosses(self, params: &Params) -> Range<u64> {
        let total = 1u64 << params.raw().input_bits;
        let units = self.part(total.div_ceil(SHARD_UNIT));
        units.start * SHARD_UNIT..total.min(units.end * SHARD_UNIT)
    }

    /// The usual name of its run file beside the coin file `coin_file`.
    pub fn run_name(self, coin_file: &str) -> String {
        format!("{coin_file}.run-{}-of-{}", self.index, self.count)
    }
}

/// The names of the run files in `directory` that have the usual name for the coin file
/// `coin_file`.
///
/// # Errors
/// The directory cannot be read.
pub fn run_names(directory: &dyn Directory, coin_file: &str) -> Result<Vec<String>, FileError> {
    let prefix = format!("{coin_file}.run-");
    let names = directory.names().map_err(FileError::on("read", directory.path()))?;
    Ok(names.into_iter().filter(|name| name.starts_with(&prefix)).collect())
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let bad = || ShardError(text.to_string());
        let number = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number).ok_or_else(bad)
        };
        let (index, count) = text.split_once('/').ok_or_else(bad)?;
        Shard::new(number(index)?, number(count)?).map_err(|_| bad())
    }
}
