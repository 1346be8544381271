//! The segments of a shard: run files of consecutive ranges of tosses.
//!
//! Input: one stretch of hits after the other. Output: files that cover the shard's tosses from the
//! first on without a gap. The invariant: a segment gets its name when it is complete and durable,
//! so a crash loses only the stretch in progress. Adjacent segments can be merged into one that
//! covers the tosses of all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::error::MintError;
use super::files::{exists, names, path_of};
use super::hit::Hit;
use super::job::{MintJob, MintStage};
use super::run_file::{BLOCK_SIZE, Run, RunFile, RunHeader, RunReader, RunWriter};
use super::shard::Shard;
use crate::error::FileError;
use crate::host::{Open, publish};

/// The most segments that one merge reads.
const MERGED_MAX: usize = 64;
/// How many hits are merged before the stop flag is read again.
const HITS_BETWEEN_LOOKS: u64 = 1 << 16;

/// The segments of one shard.
#[derive(Clone, Copy)]
pub(super) struct Segments<'a> {
    pub(super) job: &'a MintJob<'a>,
    /// The run file that they will become: they are in its directory, and their names are a dot,
    /// its name and a suffix.
    pub(super) run: RunFile<'a>,
    pub(super) shard: Shard,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) tosses: Range<u64>,
}

impl Segments<'_> {
    /// The segments that cover the shard's tosses from the first on without a gap, in order.
    /// Removes all others, which were merged into these.
    pub(super) fn list(&self) -> Result<Vec<Segment>, MintError> {
        let (covering, others) = self.covering()?;
        others.iter().try_for_each(|segment| self.remove(&segment.name))?;
        for segment in &covering {
            let run = Run::open(self.run.directory, &segment.name)?;
            run.check_part(self.job, self.shard, &segment.tosses)?;
        }
        Ok(covering)
    }

    /// The segments that cover the shard's tosses from the first on without a gap, in order, and
    /// all others.
    fn covering(&self) -> Result<(Vec<Segment>, Vec<Segment>), MintError> {
        let mut named = self.named()?;
        // Of two that begin at the same toss the longer one contains the other.
        named.sort_by_key(|segment| (segment.tosses.start, Reverse(segment.tosses.end)));
        let (mut next, mut is_first) = (self.tosses().start, true);
        Ok(named.into_iter().partition(|Segment { tosses, .. }| {
            let covers = tosses.start == next && (tosses.end > next || is_first);
            if covers {
                (next, is_first) = (tosses.end, false);
            }
            covers
        }))
    }

    /// The shard's tosses.
    pub(super) fn tosses(&self) -> Range<u64> {
        self.shard.tosses(self.job.params)
    }

    /// The toss up to which the segments cover all.
    pub(super) fn covered(&self) -> Result<u64, MintError> {
        let start = self.tosses().start;
        Ok(self.covering()?.0.last().map_or(start, |segment| segment.tosses.end))
    }

    /// All files whose names are those of segments.
    fn named(&self) -> Result<Vec<Segment>, MintError> {
        let prefix = format!(".{}.seg-", self.run.name);
        let tosses = |name: &str| {
            let (start, end) = name.strip_prefix(&prefix)?.split_once('-')?;
            Some(start.parse().ok()?..end.parse().ok()?)
        };
        Ok(names(self.run.directory)?
            .into_iter()
            .filter_map(|name| Some(Segment { tosses: tosses(&name)?, name }))
            .collect())
    }

    /// Writes the hits of a stretch, which are in order of bin number, as the segment of `tosses`.
    pub(super) fn write(&self, parts: &[Vec<Hit>], tosses: Range<u64>) -> Result<(), MintError> {
        self.make(tosses, |writer| {
            for hit in parts.iter().flatten() {
                writer.push(*hit)?;
            }
            Ok(true)
        })?;
        Ok(())
    }

    /// Merges adjacent segments until there are at most `count_max`, and returns these; `None` if
    /// the job was stopped.
    pub(super) fn merge_down(&self, count_max: usize) -> Result<Option<Vec<Segment>>, MintError> {
        loop {
            let segments = self.list()?;
            if segments.len() <= count_max.max(1) {
                return Ok(Some(segments));
            }
            for group in segments.chunks(MERGED_MAX).filter(|group| group.len() > 1) {
                if !self.merge(group)? {
                    return Ok(None);
                }
            }
        }
    }

    /// Merges adjacent segments into one. Returns whether it reached the end.
    fn merge(&self, segments: &[Segment]) -> Result<bool, MintError> {
        let size = (self.job.memory / 2 / segments.len() as u64).max(BLOCK_SIZE);
        let mut readers = Vec::new();
        for segment in segments {
            readers.push(RunReader::new(Run::open(self.run.directory, &segment.name)?, size)?);
        }
        let tosses = segments[0].tosses.start..segments[segments.len() - 1].tosses.end;
        if !self.make(tosses, |writer| merge_runs(readers, writer, self.job))? {
            return Ok(false);
        }
        segments.iter().try_for_each(|segment| self.remove(&segment.name))?;
        Ok(true)
    }

    /// Makes a segment of what `fill` writes, which gets its name when it is durable. Makes none if
    /// `fill` returns that it did not reach the end.
    fn make(
        &self,
        tosses: Range<u64>,
        fill: impl FnOnce(&mut RunWriter) -> Result<bool, MintError>,
    ) -> Result<bool, MintError> {
        let name = self.new_name();
        let path = path_of(self.run.directory, &name);
        let make = || {
            let file = self
                .run
                .directory
                .open(&name, Open::Create)
                .map_err(FileError::on("make", &path))?;
            let (params, tag) = (self.job.params, self.job.key_tag());
            let header = RunHeader::new(params, tag, self.shard, tosses.clone());
            let mut writer = RunWriter::new(file, path.clone(), header)?;
            let is_whole = fill(&mut writer)?;
            if is_whole {
                writer.finish()?;
            }
            Ok(is_whole)
        };
        let made = make();
        if let Ok(true) = made {
            self.rename(&name, &format!(".{}.seg-{}-{}", self.run.name, tosses.start, tosses.end))?;
        } else {
            // The file takes space that a full disk needs. A failure to remove it adds nothing to
            // the error.
            let _ = self.run.directory.remove(&name);
        }
        made
    }

    /// The name of the segment that is being written.
    fn new_name(&self) -> String {
        format!(".{}.new", self.run.name)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), MintError> {
        let directory = self.run.directory;
        let named = publish(directory, from, to);
        Ok(named.map_err(FileError::on("make", path_of(directory, to)))?)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), MintError> {
        let path = path_of(self.run.directory, name);
        Ok(self.run.directory.remove(name).map_err(FileError::on("remove", path))?)
    }

    /// Removes all segments, and the incomplete one that a crash left.
    pub(super) fn remove_all(&self) -> Result<(), MintError> {
        for segment in self.named()? {
            self.remove(&segment.name)?;
        }
        if exists(self.run.directory, &self.new_name())? {
            self.remove(&self.new_name())?;
        }
        Ok(())
    }

    /// Whether there is a segment, complete or not.
    pub(super) fn exist(&self) -> Result<bool, MintError> {
        Ok(!self.named()?.is_empty() || exists(self.run.directory, &self.new_name())?)
    }
}

/// Merges runs in the order of their tosses: of several hits for one bin it keeps the one tossed
/// first. Returns whether it reached the end before the job was stopped.
fn merge_runs(
    mut runs: Vec<RunReader<'_>>,
    writer: &mut RunWriter,
    job: &MintJob<'_>,
) -> Result<bool, MintError> {
    let total = runs.iter().map(|run| run.run().header().hit_count).sum();
    // The lowest bin first, and among equal ones the earliest run.
    let mut heads = BinaryHeap::new();
    for (i, run) in runs.iter_mut().enumerate() {
        heads.extend(run.current()?.map(|hit| Reverse((hit.bin_number, i))));
    }
    let (mut done, mut last_bin) = (0, None);
    while let Some(Reverse((bin_number, i))) = heads.pop() {
        if let Some(hit) = runs[i].current()?
            && last_bin.replace(bin_number) != Some(bin_number)
        {
            writer.push(hit)?;
        }
        runs[i].advance();
        heads.extend(runs[i].current()?.map(|hit| Reverse((hit.bin_number, i))));
        done += 1;
        if done % HITS_BETWEEN_LOOKS == 0 {
            job.report(MintStage::Sorting, done, total);
            if job.is_stopped() {
                return Ok(false);
            }
        }
    }
    job.report(MintStage::Sorting, total, total);
    Ok(true)
}
