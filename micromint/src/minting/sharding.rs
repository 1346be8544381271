//! Tossing a shard on one machine: from its tosses to its run file.
//!
//! Input: a shard's tosses. Output: its run file, that is, the balls that a mint of these tosses
//! alone would place, in the order of their bins. The invariant: as with a coin file, the hits in a
//! run file depend on `mint.toml` and the shard alone.
//!
//! Tosses are made in stretches. The hits of each stretch are sorted and written as a segment
//! ([`Segments`]). When all tosses are made, the segments are merged into one, which is renamed.

use std::ops::Range;
use std::time::Duration;

use super::error::MintError;
use super::files::{exists, path_of};
use super::filled::Filled;
use super::job::{MintJob, MintStage};
use super::outcome::ShardOutcome;
use super::run_file::{Run, RunFile, RunReader};
use super::segments::Segments;
use super::shard::Shard;
use super::sort::sort;
use super::toss::{Limits, Tosser, toss_stretch};
use crate::error::FileError;
use crate::host::{Lock, Open};

/// The longest time that a stretch takes: the work that a crash loses.
const STRETCH_TIME_MAX: Duration = Duration::from_secs(60);

impl MintJob<'_> {
    /// Makes the run file of a shard, or continues with it, until it is complete or the job is
    /// stopped. A lock ensures that only one process at a time makes it. It does not touch the
    /// job's coin file.
    ///
    /// # Errors
    /// Another process is making the run file, or a file of its name is of another shard, period or
    /// key; a file cannot be read or written. Durable results stay.
    pub fn toss_shard(&self, shard: Shard, run: RunFile<'_>) -> Result<ShardOutcome, MintError> {
        let segments = Segments { job: self, run, shard };
        let lock_name = format!(".{}.lock", run.name);
        let lock_path = path_of(run.directory, &lock_name);
        let lock = run
            .directory
            .open(&lock_name, Open::Create)
            .map_err(FileError::on("make", &lock_path))?;
        if !lock.try_lock(Lock::Exclusive).map_err(FileError::on("lock", &lock_path))? {
            return Err(MintError::Busy { path: path_of(run.directory, run.name) });
        }
        let outcome = match exists(run.directory, run.name)? {
            true => ShardOutcome::AlreadyComplete { hits: segments.complete_hits()? },
            false => {
                let (done, tosses) = (segments.toss_all()?, segments.tosses());
                if done < tosses.end || !segments.merge_all()? {
                    let (done, total) = (done - tosses.start, tosses.end - tosses.start);
                    return Ok(ShardOutcome::Stopped { done, total });
                }
                ShardOutcome::Complete { hits: segments.complete_hits()? }
            }
        };
        // Segments remain here only after a crash.
        segments.remove_all()?;
        segments.remove(&lock_name)?;
        Ok(outcome)
    }
}

impl Segments<'_> {
    /// The number of hits in the complete run file.
    fn complete_hits(&self) -> Result<u64, MintError> {
        let run = Run::open(self.run.directory, self.run.name)?;
        run.check(self.job, self.shard)?;
        Ok(run.header().hit_count)
    }

    /// Makes the tosses that no segment covers. Returns the toss up to which the segments now cover
    /// all.
    pub(super) fn toss_all(&self) -> Result<u64, MintError> {
        let job = self.job;
        let Range { start, end } = self.tosses();
        let segments = self.list()?;
        let mut next = segments.last().map_or(start, |segment| segment.tosses.end);
        // A shard without tosses gets a segment too.
        let mut is_covered = next == end && !segments.is_empty();
        if is_covered {
            return Ok(next);
        }
        let mut filled = self.filled()?;
        let tosser = Tosser::new(job.params, job.key, job.walk);
        let group = tosser.group_size();
        let memory = job.memory - filled.as_ref().map_or(0, |_| Filled::size(job.params));
        let hits_max = tosser.hits_max(job.threads, memory);
        let mut parts = vec![Vec::new(); job.threads];
        while !is_covered && !job.is_stopped() {
            let began = (job.elapsed)();
            let go_on = |groups: u64| {
                let done = end.min(next + groups * group) - start;
                job.report(MintStage::Tossing, done, end - start);
                !job.is_stopped() && (job.elapsed)().saturating_sub(began) < STRETCH_TIME_MAX
            };
            let limits =
                Limits { threads: job.threads, hits_max, filled: filled.as_ref(), go_on: &go_on };
            let stretch = toss_stretch(&tosser, next / group..end.div_ceil(group), &limits);
            let stretch_end = end.min(stretch.end * group).max(next);
            sort(job.params, &stretch, &mut parts);
            tosser.take_back(stretch);
            self.write(&parts, next..stretch_end)?;
            if let Some(filled) = &mut filled {
                parts.iter().for_each(|hits| filled.fill(hits));
            }
            (next, is_covered) = (stretch_end, stretch_end == end);
        }
        Ok(next)
    }

    /// The bins that the segments fill, or `None` if that would take too much memory.
    fn filled(&self) -> Result<Option<Filled>, MintError> {
        let job = self.job;
        if !Filled::fits(job.params, job.memory) {
            return Ok(None);
        }
        let mut filled = Filled::new(job.params);
        for segment in self.list()? {
            let run = Run::open(self.run.directory, &segment.name)?;
            let mut reader = RunReader::new(run, job.memory / 4)?;
            reader.take_below(u64::MAX, |hits| filled.fill(hits))?;
        }
        Ok(Some(filled))
    }

    /// Merges the segments into one and gives it the run file's name. Returns whether it reached
    /// the end.
    fn merge_all(&self) -> Result<bool, MintError> {
        let merged = self.merge_down(1)?;
        let Some([segment]) = merged.as_deref() else { return Ok(false) };
        self.rename(&segment.name, self.run.name)?;
        Ok(true)
    }
}
