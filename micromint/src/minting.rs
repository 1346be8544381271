//! Minting: tossing balls into bins for a whole period (thesis 3.2.1).
//!
//! Input: a period's parameters and the broker's secret input key. Output: a complete coin file.
//! The invariant: the file is a function of these alone. Toss i throws the ball x = pi(i)
//! ([`Permutation`]); if several balls fall into a bin, the one with the lowest i stays. So
//! threads, memory and interruptions leave no trace in the file.
//!
//! - [`MintConfig`] is `mint.toml`; [`NewPeriod`] makes a new one, with the sizes of a [`Profile`]
//!   or those that a [`Demand`] needs.
//! - [`MintPlan`] predicts what a configuration will yield and cost.
//! - [`MintJob`] does the work: it makes the coin file on one machine; or, on several, a run file
//!   of each [`Shard`] of the tosses, and then the coin file from these; and it verifies a coin
//!   file.
//!
//! The path of a ball: `toss` finds the balls of a range of tosses on all cores (the hashing itself
//! is [`crate::hash::bulk`]'s), `sort` sorts them by bin, `place` puts them into a small file
//! directly, `segments` stores those of a large file until `merge` writes it.
//! `docs/reference/minting.md` describes all this for people.

mod config;
mod error;
mod files;
mod filled;
mod forging;
#[cfg(test)]
mod forging_tests;
mod hit;
mod job;
mod merge;
#[cfg(test)]
mod merge_tests;
mod merged_part;
mod mint;
mod new_period;
mod outcome;
mod permutation;
mod place;
mod plan;
mod profile;
mod run_file;
mod segments;
mod shard;
#[cfg(test)]
mod shard_tests;
mod sharding;
mod size;
mod sort;
mod spill;
#[cfg(test)]
mod spill_tests;
mod target;
#[cfg(test)]
mod tests;
mod toss;
mod verify;

pub use self::config::{MintConfig, WeakError};
pub use self::error::{MintError, OtherFile, RunPosition, ShardTosses};
pub use self::forging::BuyerAttack;
pub use self::job::{MintJob, MintJobBuilder, MintStage, Progress, THREADS_MAX};
pub use self::new_period::{NewPeriod, NewPeriodError};
pub use self::outcome::{MergeOutcome, MintOutcome, ShardOutcome};
pub use self::permutation::{InputKey, InputKeyError, Permutation};
pub use self::plan::{Forgery, MintPlan, Warning};
pub use self::profile::{Profile, ProfileError};
pub use self::run_file::RunFile;
pub use self::shard::{Shard, ShardError, run_names};
pub use self::size::{ChosenSize, Demand, DemandError, Size};
pub use self::toss::{Rate, measure_rate};
pub use self::verify::Report;
