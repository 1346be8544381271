//! Tossing a shard on one machine: from its tosses to its run file.
//!
//! In go a shard's tosses, out comes its run file: the balls that a mint of these tosses alone would
//! place, in the order of their bins. The invariant is that of the coin file: the hits in a run file
//! depend on `mint.toml` and the shard alone.
//!
//! Tosses go in batches. The hits of each are sorted and written as a segment ([`Segments`]). When all
//! are tossed the segments are merged into one, and this one is renamed.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::engine::{Progress, Stage};
use super::error::MintError;
use super::filled::Filled;
use super::permutation::{GROUP_SIZE, InputKey};
use super::run_file::{Run, RunReader, path_of};
use super::segments::Segments;
use super::shard::Shard;
use super::sort::sort;
use super::target::{check_resources, exists};
use super::toss::{Limits, Tosser, toss_batch};
use crate::error::FileError;
use crate::host::{Directory, Lock, Open};
use crate::params::Params;

/// How long a batch takes at most: what a crash costs.
const BATCH_TIME_MAX: Duration = Duration::from_secs(60);

/// A shard about to be tossed.
pub struct Sharding<'a> {
    /// Where its run file shall be, and its segments until then.
    pub directory: &'a dyn Directory,
    /// The run file's name.
    pub name: &'a str,
    /// The period.
    pub params: &'a Params,
    /// The broker's secret.
    pub key: &'a InputKey,
    /// Which part of the tosses.
    pub shard: Shard,
    /// How many threads toss, 1 to [`super::THREADS_MAX`].
    pub threads: usize,
    /// About how much memory it may take, in bytes, at least [`super::MEMORY_MIN`].
    pub memory: u64,
    /// Set by someone else: the batch under way ends and is kept.
    pub stop: &'a AtomicBool,
    /// The time since any fixed moment; it never goes back.
    pub elapsed: &'a (dyn Fn() -> Duration + Sync),
    /// Told how far it is, often and from any thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// How tossing a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardOutcome {
    /// The run file is complete now.
    Complete {
        /// The hits in it.
        hits: u64,
    },
    /// It was complete before; nothing was done.
    AlreadyComplete {
        /// The hits in it.
        hits: u64,
    },
    /// It was told to stop; another run goes on from here.
    Stopped {
        /// How many tosses of the shard are done.
        done: u64,
        /// How many there are.
        total: u64,
    },
}

impl Sharding<'_> {
    /// Makes the run file, or goes on with it, until it is complete or told to stop. One process at a
    /// time, by a lock.
    ///
    /// # Errors
    /// It is being made already, or a file of its name is of another shard or period; the operating
    /// system's. What was tossed durably stays.
    pub fn run(&self) -> Result<ShardOutcome, MintError> {
        check_resources(self.threads, self.memory)?;
        let lock_name = format!(".{}.lock", self.name);
        let lock_path = path_of(self.directory, &lock_name);
        let lock = self
            .directory
            .open(&lock_name, Open::Create)
            .map_err(FileError::on("make", &lock_path))?;
        if !lock.try_lock(Lock::Exclusive).map_err(FileError::on("lock", &lock_path))? {
            return Err(MintError::Busy { path: path_of(self.directory, self.name) });
        }
        let outcome = match exists(self.directory, self.name)? {
            true => ShardOutcome::AlreadyComplete { hits: self.complete_hits()? },
            false => {
                let (done, tosses) = (self.toss_all()?, self.tosses());
                if done < tosses.end || !self.merge_all()? {
                    let (done, total) = (done - tosses.start, tosses.end - tosses.start);
                    return Ok(ShardOutcome::Stopped { done, total });
                }
                ShardOutcome::Complete { hits: self.complete_hits()? }
            }
        };
        // Only a crash leaves any of these.
        self.segments().remove_all()?;
        self.segments().remove(&lock_name)?;
        Ok(outcome)
    }

    fn tosses(&self) -> Range<u64> {
        self.shard.tosses(self.params)
    }

    pub(super) fn segments(&self) -> Segments<'_> {
        let &Sharding { directory, name, params, key, shard, .. } = self;
        Segments { directory, name, params, key, shard }
    }

    fn complete_hits(&self) -> Result<u64, MintError> {
        let run = Run::open(self.directory, self.name)?;
        run.check(self.params, self.key, self.shard)?;
        Ok(run.header().hit_count)
    }

    /// Tosses what no segment covers: up to which toss all is covered now.
    pub(super) fn toss_all(&self) -> Result<u64, MintError> {
        let Range { start, end } = self.tosses();
        let segments = self.segments().list()?;
        let mut next = segments.last().map_or(start, |segment| segment.tosses.end);
        // A shard without a toss gets a segment too.
        let mut is_covered = next == end && !segments.is_empty();
        if is_covered {
            return Ok(next);
        }
        let mut filled = self.filled()?;
        let tosser = Tosser::new(self.params, self.key);
        let memory = self.memory - filled.as_ref().map_or(0, |_| Filled::size(self.params));
        let hits_max = tosser.hits_max(self.threads, memory);
        let mut parts = vec![Vec::new(); self.threads];
        while !is_covered && !self.is_stopped() {
            let began = (self.elapsed)();
            let go_on = |groups: u64| {
                let done = end.min(next + groups * GROUP_SIZE) - start;
                (self.progress)(Progress { stage: Stage::Tossing, done, total: end - start });
                !self.is_stopped() && (self.elapsed)().saturating_sub(began) < BATCH_TIME_MAX
            };
            let limits =
                Limits { threads: self.threads, hits_max, filled: filled.as_ref(), go_on: &go_on };
            let batch = toss_batch(&tosser, next / GROUP_SIZE..end.div_ceil(GROUP_SIZE), &limits);
            let batch_end = end.min(batch.end * GROUP_SIZE).max(next);
            sort(self.params, &batch, &mut parts);
            tosser.take_back(batch);
            self.segments().write(&parts, next..batch_end)?;
            if let Some(filled) = &mut filled {
                parts.iter().for_each(|hits| filled.fill(hits));
            }
            (next, is_covered) = (batch_end, batch_end == end);
        }
        Ok(next)
    }

    /// The bins that the segments fill, or nothing if that would take too much memory.
    fn filled(&self) -> Result<Option<Filled>, MintError> {
        if !Filled::fits(self.params, self.memory) {
            return Ok(None);
        }
        let mut filled = Filled::new(self.params);
        for segment in self.segments().list()? {
            let mut reader =
                RunReader::new(Run::open(self.directory, &segment.name)?, self.memory / 4)?;
            reader.take_below(u64::MAX, |hits| filled.fill(hits))?;
        }
        Ok(Some(filled))
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Tells of sorting, and says whether to go on.
    pub(super) fn sorting(&self, done: u64, total: u64) -> bool {
        (self.progress)(Progress { stage: Stage::Sorting, done, total });
        !self.is_stopped()
    }

    /// Merges the segments into one, and gives it the run file's name: whether it came to the end.
    fn merge_all(&self) -> Result<bool, MintError> {
        let segments = self.segments();
        let merged =
            segments.merge_down(1, self.memory, &|done, total| self.sorting(done, total))?;
        let Some([segment]) = merged.as_deref() else { return Ok(false) };
        segments.rename(&segment.name, self.name)?;
        Ok(true)
    }
}
