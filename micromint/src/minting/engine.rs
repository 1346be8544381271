//! The mint: from nothing, or from where an earlier run stopped, to a complete coin file.
//!
//! Tossing and placing take turns in batches of a few seconds. After each the file is synced, then its
//! header says how far it is; so a crash at any moment costs one batch, and the next run goes on from
//! the last. At the end the balls of each superbin are counted and the content checksum is taken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::error::MintError;
use super::permutation::{GROUP_SIZE, InputKey};
use super::place::place;
use super::sort::sort;
use super::spill;
use super::target::{Target, check_resources, write_counts};
use super::toss::{Limits, Tosser, toss_batch};
use crate::coin_file::{CoinFile, MintingState, Phase, add_to_checksum, superbin_size};
use crate::host::Directory;
use crate::params::Params;

/// The least memory that minting can do with, in bytes.
pub const MEMORY_MIN: u64 = 16 << 20;
/// The most threads.
pub const THREADS_MAX: usize = 1024;

/// How long a batch of tosses takes at least.
const BATCH_TIME_MIN: Duration = Duration::from_secs(2);
/// How long a batch of tosses takes at most: a crash costs no more than this and the placing of it.
const BATCH_TIME_MAX: Duration = Duration::from_secs(8);
/// A batch takes this many times the time that placing the last one took, within these bounds, so that
/// most of the time goes into tossing.
const BATCH_TIMES_PLACING: u32 = 4;
/// How much is counted at once, in bytes.
const COUNTING_SIZE: u64 = 4 << 20;

/// A mint about to run: what to make, where, and with what.
pub struct Minting<'a> {
    /// Where the coin file is, or shall be.
    pub directory: &'a dyn Directory,
    /// Its name.
    pub name: &'a str,
    /// The period.
    pub params: &'a Params,
    /// The broker's secret.
    pub key: &'a InputKey,
    /// How many threads toss and place, 1 to [`THREADS_MAX`].
    pub threads: usize,
    /// About how much memory it may take, in bytes, at least [`MEMORY_MIN`].
    pub memory: u64,
    /// Set by someone else: minting stops at the next unit, places what it has and returns.
    pub stop: &'a AtomicBool,
    /// The time since any fixed moment; it never goes back.
    pub elapsed: &'a (dyn Fn() -> Duration + Sync),
    /// Told how far it is, often and from any thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Balls are tossed; the unit is a toss.
    Tossing,
    /// Balls are counted; the unit is a superbin.
    Counting,
    /// The hits of a shard are brought into the order of their bins; the unit is a hit.
    Sorting,
    /// Run files become a coin file; the unit is a superbin.
    Merging,
    /// Balls are hashed again; the unit is a superbin.
    Verifying,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// How much of it is done, in all runs together.
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
}

/// How a run of the mint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file is complete now.
    Complete(MintingState),
    /// The file was complete before; nothing was done.
    AlreadyComplete(MintingState),
    /// It was told to stop; another run goes on from here.
    Stopped(MintingState),
}

impl Minting<'_> {
    /// Makes the coin file, or goes on with it, until it is complete or told to stop. It holds the
    /// file's exclusive lock, so one run at a time.
    ///
    /// # Errors
    /// The file is in use, begun with other parameters, damaged, or does not fit; the operating
    /// system's. What was placed durably stays.
    pub fn run(&self) -> Result<Outcome, MintError> {
        check_resources(self.threads, self.memory)?;
        let target = Target {
            directory: self.directory,
            name: self.name,
            params: self.params,
            key: self.key,
        };
        let coin_file = target.open_to_mint(spill::size(self)?)?;
        let mut state = coin_file.minting_state()?;
        if state.phase == Phase::Complete {
            // Only a crash at the very end leaves anything to do here.
            coin_file.set_complete(&state)?;
            spill::remove(self)?;
            return Ok(Outcome::AlreadyComplete(state));
        }
        if state.next_toss == 0 && spill::is_better(self)? {
            return spill::run(self, coin_file);
        }
        if state.phase == Phase::Tossing && !self.toss_all(&coin_file, &mut state)? {
            return Ok(Outcome::Stopped(state));
        }
        if !self.count_all(&coin_file, &mut state)? {
            return Ok(Outcome::Stopped(state));
        }
        state.phase = Phase::Complete;
        coin_file.set_complete(&state)?;
        Ok(Outcome::Complete(state))
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Tosses all that is left: whether it came to the end.
    fn toss_all(&self, coin_file: &CoinFile, state: &mut MintingState) -> Result<bool, MintError> {
        let tosser = Tosser::new(self.params, self.key);
        let total = 1u64 << self.params.raw().input_bits;
        let hits_max = tosser.hits_max(self.threads, self.memory);
        let (mut batch_time, mut parts) = (BATCH_TIME_MIN, vec![Vec::new(); self.threads]);
        while state.next_toss < total {
            if self.is_stopped() {
                return Ok(false);
            }
            let (start, done) = ((self.elapsed)(), state.next_toss);
            let go_on = |groups: u64| {
                let done = total.min(done + groups * GROUP_SIZE);
                (self.progress)(Progress { stage: Stage::Tossing, done, total });
                !self.is_stopped() && (self.elapsed)().saturating_sub(start) < batch_time
            };
            let limits = Limits { threads: self.threads, hits_max, filled: None, go_on: &go_on };
            let batch =
                toss_batch(&tosser, state.next_toss / GROUP_SIZE..tosser.group_count(), &limits);
            let placing = (self.elapsed)();
            state.next_toss = total.min(batch.end * GROUP_SIZE);
            sort(self.params, &batch, &mut parts);
            tosser.take_back(batch);
            place(coin_file, &parts)?;
            // Makes the balls durable first, then the state, so that it is never ahead of them.
            coin_file.set_minting_state(state)?;
            coin_file.sync()?;
            let placing = (self.elapsed)().saturating_sub(placing);
            batch_time = (placing * BATCH_TIMES_PLACING).clamp(BATCH_TIME_MIN, BATCH_TIME_MAX);
        }
        Ok(true)
    }

    /// Counts the balls of the superbins that are not counted yet: whether it came to the end.
    fn count_all(&self, coin_file: &CoinFile, state: &mut MintingState) -> Result<bool, MintError> {
        state.phase = Phase::Counting;
        let size = superbin_size(self.params);
        let total = self.params.superbin_count();
        let mut bytes = Vec::new();
        let mut saved = (self.elapsed)();
        while state.counted_superbins < total {
            let first = state.counted_superbins;
            let count = (COUNTING_SIZE / size).max(1).min(total - first);
            bytes.resize((count * size) as usize, 0);
            coin_file.read_superbins(first, &mut bytes)?;
            state.ball_count += write_counts(&mut bytes, size as usize);
            coin_file.write_superbins(first, &bytes)?;
            state.checksum = add_to_checksum(state.checksum, &mut bytes, size as usize);
            state.counted_superbins += count;
            (self.progress)(Progress {
                stage: Stage::Counting,
                done: state.counted_superbins,
                total,
            });
            let is_stopped = self.is_stopped() && state.counted_superbins < total;
            if is_stopped || (self.elapsed)().saturating_sub(saved) >= BATCH_TIME_MAX {
                coin_file.set_minting_state(state)?;
                coin_file.sync()?;
                saved = (self.elapsed)();
            }
            if is_stopped {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
