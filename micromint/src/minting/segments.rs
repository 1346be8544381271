//! The segments of a shard: run files of tosses that follow each other.
//!
//! In goes one batch of hits after the other, out come files that cover the shard's tosses from its
//! first on without a gap. A segment gets its name when it is whole and durable, so a crash costs the
//! batch under way. Neighbours may be merged into one that covers the tosses of all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::error::MintError;
use super::permutation::InputKey;
use super::run_file::{BLOCK_SIZE, Run, RunHeader, RunReader, RunWriter, path_of};
use super::shard::Shard;
use super::target::exists;
use super::toss::Hit;
use crate::error::FileError;
use crate::host::{Directory, Open};
use crate::params::Params;

/// The most segments that are merged at once.
const MERGED_MAX: usize = 64;
/// How many hits are merged between two looks at whether to stop.
const HITS_BETWEEN_LOOKS: u64 = 1 << 16;

/// Where the segments of a shard are, and of which period they are.
#[derive(Clone, Copy)]
pub(super) struct Segments<'a> {
    pub(super) directory: &'a dyn Directory,
    /// What their names begin with, after a dot.
    pub(super) name: &'a str,
    pub(super) params: &'a Params,
    pub(super) key: &'a InputKey,
    pub(super) shard: Shard,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) tosses: Range<u64>,
}

impl Segments<'_> {
    /// The segments that cover the shard's tosses from its first on without a gap, in order. Others
    /// were merged into these, and are removed.
    pub(super) fn list(&self) -> Result<Vec<Segment>, MintError> {
        let (covering, others) = self.covering()?;
        others.iter().try_for_each(|segment| self.remove(&segment.name))?;
        for segment in &covering {
            let run = Run::open(self.directory, &segment.name)?;
            run.check_part(self.params, self.key, self.shard, &segment.tosses)?;
        }
        Ok(covering)
    }

    /// The segments that cover the shard's tosses from its first on without a gap, in order, and others.
    fn covering(&self) -> Result<(Vec<Segment>, Vec<Segment>), MintError> {
        let mut named = self.named()?;
        // Of two that begin together the longer one holds the other.
        named.sort_by_key(|segment| (segment.tosses.start, Reverse(segment.tosses.end)));
        let (mut next, mut is_first) = (self.shard.tosses(self.params).start, true);
        Ok(named.into_iter().partition(|Segment { tosses, .. }| {
            let covers = tosses.start == next && (tosses.end > next || is_first);
            if covers {
                (next, is_first) = (tosses.end, false);
            }
            covers
        }))
    }

    /// Up to which toss the segments cover all.
    pub(super) fn covered(&self) -> Result<u64, MintError> {
        let start = self.shard.tosses(self.params).start;
        Ok(self.covering()?.0.last().map_or(start, |segment| segment.tosses.end))
    }

    /// All files that are named as segments.
    fn named(&self) -> Result<Vec<Segment>, MintError> {
        let prefix = format!(".{}.seg-", self.name);
        let names = self.directory.names().map_err(FileError::on("read", self.directory.path()))?;
        let tosses = |name: &str| {
            let (start, end) = name.strip_prefix(&prefix)?.split_once('-')?;
            Some(start.parse().ok()?..end.parse().ok()?)
        };
        Ok(names
            .into_iter()
            .filter_map(|name| Some(Segment { tosses: tosses(&name)?, name }))
            .collect())
    }

    /// Writes the hits of a batch, which stand in order of place, as the segment of `tosses`.
    pub(super) fn write(&self, parts: &[Vec<Hit>], tosses: Range<u64>) -> Result<(), MintError> {
        self.make(tosses, |writer| {
            for hit in parts.iter().flatten() {
                writer.push(*hit)?;
            }
            Ok(true)
        })?;
        Ok(())
    }

    /// Merges neighbours until there are no more than `count_max`: these, or nothing if `progress`, which
    /// is told the hits merged and all of a merge, said to stop.
    pub(super) fn merge_down(
        &self,
        count_max: usize,
        memory: u64,
        progress: &dyn Fn(u64, u64) -> bool,
    ) -> Result<Option<Vec<Segment>>, MintError> {
        loop {
            let segments = self.list()?;
            if segments.len() <= count_max.max(1) {
                return Ok(Some(segments));
            }
            for group in segments.chunks(MERGED_MAX).filter(|group| group.len() > 1) {
                if !self.merge(group, memory, progress)? {
                    return Ok(None);
                }
            }
        }
    }

    /// Merges neighbours into one: whether it came to the end.
    fn merge(
        &self,
        segments: &[Segment],
        memory: u64,
        progress: &dyn Fn(u64, u64) -> bool,
    ) -> Result<bool, MintError> {
        let size = (memory / 2 / segments.len() as u64).max(BLOCK_SIZE);
        let mut readers = Vec::new();
        for segment in segments {
            readers.push(RunReader::new(Run::open(self.directory, &segment.name)?, size)?);
        }
        let tosses = segments[0].tosses.start..segments[segments.len() - 1].tosses.end;
        if !self.make(tosses, |writer| merge_runs(readers, writer, progress))? {
            return Ok(false);
        }
        segments.iter().try_for_each(|segment| self.remove(&segment.name))?;
        Ok(true)
    }

    /// Makes a segment of what `fill` writes: it gets its name when it is durable. Nothing comes of it
    /// if `fill` says that it did not come to its end.
    fn make(
        &self,
        tosses: Range<u64>,
        fill: impl FnOnce(&mut RunWriter) -> Result<bool, MintError>,
    ) -> Result<bool, MintError> {
        let name = self.new_name();
        let path = path_of(self.directory, &name);
        let make = || {
            let file =
                self.directory.open(&name, Open::Create).map_err(FileError::on("make", &path))?;
            let header = RunHeader::new(self.params, self.key.tag(), self.shard, tosses.clone());
            let mut writer = RunWriter::new(file, path.clone(), header)?;
            let is_whole = fill(&mut writer)?;
            if is_whole {
                writer.finish()?;
            }
            Ok(is_whole)
        };
        let made = make();
        if let Ok(true) = made {
            self.rename(&name, &format!(".{}.seg-{}-{}", self.name, tosses.start, tosses.end))?;
        } else {
            // On a full disk it stands in the way. That it cannot be removed says nothing new.
            let _ = self.directory.remove(&name);
        }
        made
    }

    /// The segment that is being written.
    fn new_name(&self) -> String {
        format!(".{}.new", self.name)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), MintError> {
        let renamed = self.directory.rename(from, to).and_then(|()| self.directory.sync());
        Ok(renamed.map_err(FileError::on("make", path_of(self.directory, to)))?)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), MintError> {
        let path = path_of(self.directory, name);
        Ok(self.directory.remove(name).map_err(FileError::on("remove", path))?)
    }

    /// Removes all segments, and what a crash left of one.
    pub(super) fn remove_all(&self) -> Result<(), MintError> {
        for segment in self.named()? {
            self.remove(&segment.name)?;
        }
        if exists(self.directory, &self.new_name())? {
            self.remove(&self.new_name())?;
        }
        Ok(())
    }

    /// Whether there is anything of them.
    pub(super) fn exist(&self) -> Result<bool, MintError> {
        Ok(!self.named()?.is_empty() || exists(self.directory, &self.new_name())?)
    }
}

/// Merges runs, given in the order of their tosses: of several hits for one place the one tossed first
/// is kept. `progress` is told the hits merged and all hits, and says whether to go on. Returns whether
/// it came to the end.
pub(super) fn merge_runs(
    mut runs: Vec<RunReader<'_>>,
    writer: &mut RunWriter,
    progress: &dyn Fn(u64, u64) -> bool,
) -> Result<bool, MintError> {
    let total = runs.iter().map(|run| run.run().header().hit_count).sum();
    // The least place first, and among equal ones the earliest run.
    let mut heads = BinaryHeap::new();
    for (i, run) in runs.iter_mut().enumerate() {
        heads.extend(run.current()?.map(|hit| Reverse((hit.place, i))));
    }
    let (mut done, mut last_place) = (0, None);
    while let Some(Reverse((place, i))) = heads.pop() {
        if let Some(hit) = runs[i].current()?
            && last_place.replace(place) != Some(place)
        {
            writer.push(hit)?;
        }
        runs[i].advance();
        heads.extend(runs[i].current()?.map(|hit| Reverse((hit.place, i))));
        done += 1;
        if done % HITS_BETWEEN_LOOKS == 0 && !progress(done, total) {
            return Ok(false);
        }
    }
    progress(total, total);
    Ok(true)
}
