//! Minting: tossing balls into bins for a whole period (thesis 3.2.1).
//!
//! In go a period's parameters and the broker's secret input key, out comes a complete coin file. The
//! invariant: the file is a function of these alone. Toss i throws the ball x = pi(i)
//! ([`Permutation`]); of several balls for a bin the one with the lowest i stays; so threads, memory
//! and interruptions leave no trace.
//!
//! - [`MintConfig`] is `mint.toml`; [`Profile`] gives sizes for a new one.
//! - [`Plan`] says what a configuration will give and cost.
//! - [`Minting`] makes the file; [`Verification`] hashes all of it again.
//!
//! The way of a ball: `toss` finds a range's balls on all cores (the hashing itself is
//! [`crate::hash::bulk`]'s), `place` puts them into the file in its order, then the header says how far
//! the file is. `docs/minting.md` describes all this for people.

mod config;
mod engine;
mod permutation;
mod place;
mod plan;
mod profile;
#[cfg(test)]
mod tests;
mod toss;
mod verify;

pub use self::config::{COINFILE_LEN_MAX, MINT_FILE_SIZE_MAX, MintConfig, WeakError};
pub use self::engine::{MEMORY_MIN, MintError, Minting, Outcome, Progress, Stage, THREADS_MAX};
pub use self::permutation::{GROUP_SIZE, INPUT_KEY_SIZE, InputKey, InputKeyError, Permutation, ROUNDS};
pub use self::plan::{Forgery, Plan, Warning};
pub use self::profile::{Profile, ProfileError};
pub use self::toss::{Rate, measure_rate};
pub use self::verify::{FAULTS_MAX, Report, Verification};
