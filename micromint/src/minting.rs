//! Minting: tossing balls into bins for a whole period (thesis 3.2.1).
//!
//! In go a period's parameters and the broker's secret input key, out comes a complete coin file. The
//! invariant: the file is a function of these alone. Toss i throws the ball x = pi(i)
//! ([`Permutation`]); of several balls for a bin the one with the lowest i stays; so threads, memory
//! and interruptions leave no trace.
//!
//! - [`MintConfig`] is `mint.toml`; [`Profile`] gives sizes for a new one.
//! - [`Plan`] says what a configuration will give and cost.
//! - [`Minting`] makes the file on one machine; on many, each [`Sharding`] makes a run file of a part of
//!   the tosses, and [`Merging`] makes the coin file of them.
//! - [`Verification`] hashes all of it again.
//!
//! The way of a ball: `toss` finds a range's balls on all cores (the hashing itself is
//! [`crate::hash::bulk`]'s), `sort` brings them into the order of the file, `place` puts them into a small
//! file at once, `segments` keeps those of a large one until `merge` writes it. `docs/reference/minting.md` describes
//! all this for people.

mod config;
mod engine;
mod error;
mod filled;
mod merge;
#[cfg(test)]
mod merge_tests;
mod new_period;
mod permutation;
mod place;
mod plan;
mod profile;
mod record;
mod run_file;
mod segments;
mod shard;
#[cfg(test)]
mod shard_tests;
mod sharding;
mod sort;
mod spill;
#[cfg(test)]
mod spill_tests;
mod target;
#[cfg(test)]
mod tests;
mod toss;
mod verify;

pub use self::config::{COINFILE_LEN_MAX, MintConfig, WeakError};
pub use self::engine::{MEMORY_MIN, Minting, Outcome, Progress, Stage, THREADS_MAX};
pub use self::error::MintError;
pub use self::merge::{MergeOutcome, Merging, PART_SIZE, RunSource};
pub use self::new_period::{NewPeriod, NewPeriodError};
pub use self::permutation::{
    GROUP_SIZE, INPUT_KEY_SIZE, InputKey, InputKeyError, Permutation, ROUNDS,
};
pub use self::plan::{Forgery, Plan, Warning};
pub use self::profile::{Profile, ProfileError};
pub use self::run_file::RUN_MAGIC;
pub use self::shard::{SHARDS_MAX, Shard, ShardError, run_names};
pub use self::sharding::{ShardOutcome, Sharding};
pub use self::spill::tosses_kept;
pub use self::toss::{Rate, measure_rate};
pub use self::verify::{FAULTS_MAX, Report, Verification};
