//! Shards: the parts of a period's tosses that machines toss by themselves.
//!
//! In go a shard's tosses, out comes its run file: the balls that a mint of these tosses alone would
//! place, in the order of their bins. The invariant is that of the coin file: the hits in a run file
//! depend on `mint.toml` and the shard alone.
//!
//! Tosses go in batches. The hits of each are sorted and written as a file of their own, a segment,
//! which gets its name when it is whole and durable; so a crash costs one batch. A segment is a run
//! file of fewer tosses. When all are tossed the segments are merged, into one, and this one is renamed.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::engine::{Progress, Stage};
use super::error::MintError;
use super::filled::Filled;
use super::permutation::{GROUP_SIZE, InputKey};
use super::run_file::{BLOCK_SIZE, Run, RunHeader, RunReader, RunWriter};
use super::segments::merge_runs;
use super::target::{check_resources, exists};
use super::toss::{Hit, Limits, Tosser, toss_batch};
use crate::error::FileError;
use crate::host::{Directory, Lock, Open};
use crate::params::Params;

/// The most shards of a period.
pub const SHARDS_MAX: u32 = 4096;

/// How long a batch takes at most: what a crash costs.
const BATCH_TIME_MAX: Duration = Duration::from_secs(60);
/// The most segments that are merged at once.
const SEGMENTS_MERGED_MAX: usize = 64;

/// Shard `index` of `count`, the first being 1. Written `3/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// A shard, or a part of a merge, that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected I/N with 1 <= I <= N <= {SHARDS_MAX}, such as 3/16, found {0:?}")]
pub struct ShardError(String);

impl Shard {
    /// All of the tosses.
    pub(super) const WHOLE: Shard = Shard { index: 1, count: 1 };

    /// Shard `index` (from 1) of `count`.
    ///
    /// # Errors
    /// Not 1 <= `index` <= `count` <= [`SHARDS_MAX`].
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

    /// How many there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Its part of `total` things: all shards together take each once.
    pub(super) fn part(self, total: u64) -> Range<u64> {
        let bound = |index: u32| (u128::from(total) * u128::from(index) / u128::from(self.count)) as u64;
        bound(self.index - 1)..bound(self.index)
    }

    /// Its tosses: whole groups, but for the end of a period of less than one.
    pub(super) fn tosses(self, params: &Params) -> Range<u64> {
        let total = 1u64 << params.raw().input_bits;
        let groups = self.part(total.div_ceil(GROUP_SIZE));
        groups.start * GROUP_SIZE..total.min(groups.end * GROUP_SIZE)
    }

    /// The usual name of its run file beside the coin file `coin_file`.
    pub fn run_name(self, coin_file: &str) -> String {
        format!("{coin_file}.run-{}-of-{}", self.index, self.count)
    }
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
        let lock_path = self.directory.path().join(&lock_name);
        let lock =
            self.directory.open(&lock_name, Open::Create).map_err(FileError::on("make", &lock_path))?;
        if !lock.try_lock(Lock::Exclusive).map_err(FileError::on("lock", &lock_path))? {
            return Err(MintError::Busy { path: self.directory.path().join(self.name) });
        }
        let outcome = match exists(self.directory, self.name)? {
            true => ShardOutcome::AlreadyComplete { hits: self.complete_hits()? },
            false => {
                let done = self.toss_all()?;
                let tosses = self.tosses();
                if done < tosses.end || !self.merge_all()? {
                    let (done, total) = (done - tosses.start, tosses.end - tosses.start);
                    return Ok(ShardOutcome::Stopped { done, total });
                }
                ShardOutcome::Complete { hits: self.complete_hits()? }
            }
        };
        // Only a crash leaves any of these.
        for (_, segment) in self.segment_names()? {
            self.remove(&segment)?;
        }
        if exists(self.directory, &self.new_name())? {
            self.remove(&self.new_name())?;
        }
        self.remove(&lock_name)?;
        Ok(outcome)
    }

    fn tosses(&self) -> Range<u64> {
        self.shard.tosses(self.params)
    }

    fn complete_hits(&self) -> Result<u64, MintError> {
        let run = Run::open(self.directory, self.name)?;
        run.check(self.params, self.key, self.shard)?;
        Ok(run.header().hit_count)
    }

    /// Tosses what no segment covers: up to which toss all is covered now.
    fn toss_all(&self) -> Result<u64, MintError> {
        let Range { start, end } = self.tosses();
        let tosser = Tosser::new(self.params, self.key);
        let segments = self.segments()?;
        let mut next = segments.last().map_or(start, |segment| segment.1.end);
        let mut has_segment = !segments.is_empty();
        // A bit a bin pays as long as most of the memory is left for hits.
        let size = Filled::size(self.params);
        let mut filled = (size <= self.memory / 2).then(|| Filled::new(self.params));
        let hits_max = tosser.hits_max(self.threads, self.memory - filled.as_ref().map_or(0, |_| size));
        if let Some(filled) = &mut filled
            && next < end
        {
            for (name, _) in &segments {
                let mut reader = RunReader::new(Run::open(self.directory, name)?, self.memory / 4)?;
                reader.take_below(u64::MAX, |hits| filled.fill(hits))?;
            }
        }
        // A shard without a toss gets a segment too.
        while next < end || !has_segment {
            if self.is_stopped() {
                break;
            }
            let began = (self.elapsed)();
            let go_on = |groups: u64| {
                let done = end.min(next + groups * GROUP_SIZE) - start;
                (self.progress)(Progress { stage: Stage::Tossing, done, total: end - start });
                !self.is_stopped() && (self.elapsed)().saturating_sub(began) < BATCH_TIME_MAX
            };
            let limits = Limits { threads: self.threads, hits_max, filled: filled.as_ref(), go_on: &go_on };
            let batch = toss_batch(&tosser, next / GROUP_SIZE..end.div_ceil(GROUP_SIZE), &limits);
            let batch_end = end.min(batch.end * GROUP_SIZE).max(next);
            let parts = sorted(self.params, &batch.units, self.threads);
            self.write_segment(&parts, next..batch_end)?;
            if let Some(filled) = &mut filled {
                parts.iter().for_each(|hits| filled.fill(hits));
            }
            (next, has_segment) = (batch_end, true);
        }
        Ok(next)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn write_segment(&self, parts: &[Vec<Hit>], tosses: Range<u64>) -> Result<(), MintError> {
        let mut writer = self.new_segment(&tosses)?;
        for hit in parts.iter().flatten() {
            writer.push(*hit)?;
        }
        self.name_segment(writer, &tosses)
    }

    fn new_segment(&self, tosses: &Range<u64>) -> Result<RunWriter, MintError> {
        let name = self.new_name();
        let path = self.directory.path().join(&name);
        let file = self.directory.open(&name, Open::Create).map_err(FileError::on("make", &path))?;
        let header = RunHeader::new(self.params, self.key.tag(), self.shard, tosses.clone());
        RunWriter::new(file, path, header)
    }

    /// Completes a segment: it gets its name when it is durable.
    fn name_segment(&self, writer: RunWriter, tosses: &Range<u64>) -> Result<(), MintError> {
        writer.finish()?;
        self.rename(&self.new_name(), &self.segment_name(tosses))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), MintError> {
        let renamed = self.directory.rename(from, to).and_then(|()| self.directory.sync());
        Ok(renamed.map_err(FileError::on("make", self.directory.path().join(to)))?)
    }

    fn remove(&self, name: &str) -> Result<(), MintError> {
        let path = self.directory.path().join(name);
        Ok(self.directory.remove(name).map_err(FileError::on("remove", path))?)
    }

    fn new_name(&self) -> String {
        format!(".{}.new", self.name)
    }

    fn segment_name(&self, tosses: &Range<u64>) -> String {
        format!(".{}.seg-{}-{}", self.name, tosses.start, tosses.end)
    }

    /// All files that are named as segments: tosses and name.
    fn segment_names(&self) -> Result<Vec<(Range<u64>, String)>, MintError> {
        let prefix = format!(".{}.seg-", self.name);
        let names = self.directory.names().map_err(FileError::on("read", self.directory.path()))?;
        let tosses = |name: &str| {
            let (start, end) = name.strip_prefix(&prefix)?.split_once('-')?;
            Some(start.parse().ok()?..end.parse().ok()?)
        };
        Ok(names.into_iter().filter_map(|name| Some((tosses(&name)?, name))).collect())
    }

    /// The segments that cover the shard's tosses from its first on without a gap, in order. Others
    /// were merged into these, and are removed.
    fn segments(&self) -> Result<Vec<(String, Range<u64>)>, MintError> {
        let mut named = self.segment_names()?;
        // Of two that begin together the longer one holds the other.
        named.sort_by_key(|(tosses, _)| (tosses.start, std::cmp::Reverse(tosses.end)));
        let mut covered = self.tosses().start;
        let mut segments: Vec<(String, Range<u64>)> = Vec::new();
        for (tosses, name) in named {
            if tosses.start == covered && (tosses.end > covered || segments.is_empty()) {
                let run = Run::open(self.directory, &name)?;
                run.check_part(self.params, self.key, self.shard, &tosses)?;
                covered = tosses.end;
                segments.push((name, tosses));
            } else {
                self.remove(&name)?;
            }
        }
        Ok(segments)
    }

    /// Merges the segments until there is one, and gives it the run file's name: whether it came to
    /// the end.
    fn merge_all(&self) -> Result<bool, MintError> {
        loop {
            let segments = self.segments()?;
            if let [(name, _)] = segments.as_slice() {
                self.rename(name, self.name)?;
                return Ok(true);
            }
            for group in segments.chunks(SEGMENTS_MERGED_MAX).filter(|group| group.len() > 1) {
                if !self.merge(group)? {
                    return Ok(false);
                }
            }
        }
    }

    /// Merges neighbouring segments into one: whether it came to the end.
    fn merge(&self, segments: &[(String, Range<u64>)]) -> Result<bool, MintError> {
        let size = (self.memory / 2 / segments.len() as u64).max(BLOCK_SIZE);
        let mut readers = Vec::new();
        for (name, _) in segments {
            readers.push(RunReader::new(Run::open(self.directory, name)?, size)?);
        }
        let tosses = segments[0].1.start..segments[segments.len() - 1].1.end;
        let mut writer = self.new_segment(&tosses)?;
        let progress = |done, total| {
            (self.progress)(Progress { stage: Stage::Sorting, done, total });
            !self.is_stopped()
        };
        if !merge_runs(readers, &mut writer, &progress)? {
            return Ok(false);
        }
        self.name_segment(writer, &tosses)?;
        for (name, _) in segments {
            self.remove(name)?;
        }
        Ok(true)
    }
}

/// The hits of a batch in order of place, the first of each place only, in as many parts as threads
/// sorted them.
fn sorted(params: &Params, units: &[Vec<Hit>], threads: usize) -> Vec<Vec<Hit>> {
    let each = params.superbin_count().div_ceil(threads as u64) << params.subbin_bits();
    let part = |thread: u64| {
        let is_mine = |hit: &&Hit| (thread * each..(thread + 1) * each).contains(&hit.place);
        // Counted first, for a vector that grows takes up to three times its size.
        let mut hits = Vec::with_capacity(units.iter().flatten().filter(is_mine).count());
        hits.extend(units.iter().flatten().filter(is_mine).copied());
        // Stable, so of two hits for one bin the one tossed first comes first.
        hits.sort_by_key(|hit| hit.place);
        hits.dedup_by_key(|hit| hit.place);
        hits
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads as u64).map(|thread| scope.spawn(move || part(thread))).collect();
        let mut parts = vec![part(0)];
        for other in others {
            parts.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        parts
    })
}

/// The path of the file `name` in `directory`, for messages.
pub(super) fn path_of(directory: &dyn Directory, name: &str) -> PathBuf {
    directory.path().join(name)
}
