//! Merging: from the run files of all shards to the coin file.
//!
//! In go run files in any order, out comes the coin file that one machine would have minted, to the
//! last bit. The file is written from its beginning to its end, a piece of superbins at a time: of the
//! hits for a bin the one of the earliest shard is put in. Nothing that stands in the file is read, so a
//! piece may be written again.
//!
//! The file's superbins are cut into parts. A part that is durable gets a record ([`Record`]), so that a
//! merge goes on where it stopped, and so that several processes, on several machines, may merge a part
//! each. Who sees the records of all parts completes the file.

use std::sync::atomic::{AtomicBool, Ordering};

use super::engine::{Progress, Stage};
use super::error::MintError;
use super::permutation::InputKey;
use super::place::put_hits;
use super::record::Record;
use super::run_file::{BLOCK_SIZE, Run, RunReader};
use super::segments::Segment;
use super::shard::Shard;
use super::target::{Target, check_resources, check_same, exists, write_counts};
use crate::coin_file::{
    BIN_SIZE, CoinFile, MintingState, Phase, add_to_checksum, file_size, superbin_size,
};
use crate::error::FileError;
use crate::host::{Directory, Lock};
use crate::params::Params;

/// A merge that is told no number of parts takes parts of about this size, in bytes: what a crash costs.
pub const PART_SIZE: u64 = 1 << 30;
/// How much of the coin file is made at once, in bytes.
const PIECE_SIZE: u64 = 4 << 20;
/// The most missing shards that an error names.
const LISTED_MAX: usize = 10;
/// The least that is read at once from a segment, in bytes, if there are a few at least.
const SEGMENT_READING_SIZE: u64 = 4 * BLOCK_SIZE;
/// The most that is read at once from one run file, in bytes.
const READING_SIZE_MAX: u64 = 1 << 20;

/// Where a run file is.
#[derive(Clone, Copy)]
pub struct RunSource<'a> {
    /// Its directory.
    pub directory: &'a dyn Directory,
    /// Its name.
    pub name: &'a str,
}

/// A merge about to run.
pub struct Merging<'a> {
    /// Where the coin file shall be.
    pub directory: &'a dyn Directory,
    /// Its name.
    pub name: &'a str,
    /// The period.
    pub params: &'a Params,
    /// The broker's secret.
    pub key: &'a InputKey,
    /// The run files of all shards, in any order.
    pub runs: &'a [RunSource<'a>],
    /// Merge this part only; all of the file if `None`.
    pub part: Option<Shard>,
    /// About how much memory it may take, in bytes: at least [`super::MEMORY_MIN`], and 64 KiB for each
    /// run file beside 8 MiB.
    pub memory: u64,
    /// Set by someone else: merging stops; the part under way begins anew the next time.
    pub stop: &'a AtomicBool,
    /// Told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// How a merge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeOutcome {
    /// The file is complete now.
    Complete(MintingState),
    /// The file was complete before; nothing was done.
    AlreadyComplete(MintingState),
    /// The part asked for is merged; others are not, or another process completes the file.
    PartDone {
        /// How many of the parts are not merged.
        missing: u32,
    },
    /// It was told to stop; another run goes on.
    Stopped,
}

impl Merging<'_> {
    /// Merges, and completes the file if all parts are merged then.
    ///
    /// # Errors
    /// A run file is missing, there twice, damaged, or of another period or key; the coin file is in use or
    /// of another period; the operating system's. The run files stay as they are, and what was merged
    /// durably stays.
    pub fn run(&self) -> Result<MergeOutcome, MintError> {
        check_resources(1, self.memory)?;
        let target = self.target();
        if let Some(state) = self.complete_state(&target)? {
            return Ok(MergeOutcome::AlreadyComplete(state));
        }
        self.merge_all(&target, self.open_runs()?)
    }

    /// As [`Merging::run`], from the segments of one shard that is all tosses, in their order.
    pub(super) fn run_from(&self, segments: &[Segment]) -> Result<MergeOutcome, MintError> {
        let open = |segment| Run::open(self.directory, segment);
        let runs =
            segments.iter().map(|segment| open(&segment.name)).collect::<Result<Vec<_>, _>>()?;
        let target = self.target();
        self.merge_all(&target, runs)
    }

    /// Merges hits of runs in the order of their tosses.
    fn merge_all(
        &self,
        target: &Target<'_>,
        runs: Vec<Run<'_>>,
    ) -> Result<MergeOutcome, MintError> {
        let coin_file = target.open_to_merge()?;
        let state = coin_file.minting_state()?;
        if state.phase == Phase::Complete {
            target.remove_records()?;
            return Ok(MergeOutcome::AlreadyComplete(state));
        }
        let todo = self.parts_to_do(target)?;
        if !todo.is_empty() && !self.merge_parts(target, &coin_file, runs, &todo)? {
            return Ok(MergeOutcome::Stopped);
        }
        drop(coin_file);
        self.complete(target)
    }

    fn target(&self) -> Target<'_> {
        Target { directory: self.directory, name: self.name, params: self.params, key: self.key }
    }

    /// The most segments that are merged at once with so much memory: each is read from in pieces that
    /// are worth a seek.
    pub(super) fn segments_max(memory: u64) -> usize {
        (memory.saturating_sub(2 * PIECE_SIZE) / SEGMENT_READING_SIZE) as usize
    }

    /// The state of the coin file if it is there and complete.
    fn complete_state(&self, target: &Target<'_>) -> Result<Option<MintingState>, MintError> {
        if !exists(self.directory, self.name)? {
            return Ok(None);
        }
        let coin_file = CoinFile::inspect(self.directory, self.name)?;
        check_same(&coin_file, self.params, self.key)?;
        let state = coin_file.minting_state()?;
        if state.phase != Phase::Complete {
            return Ok(None);
        }
        if !target.has_records()? {
            return Ok(Some(state));
        }
        // A crash at the very end left something to do.
        drop(coin_file);
        let _gate = target.gate()?;
        let coin_file = target.open_locked(Lock::Exclusive)?;
        coin_file.set_complete(&coin_file.minting_state()?)?;
        target.remove_records()?;
        Ok(Some(state))
    }

    /// The run files in the order of their shards, all there and all of this period.
    fn open_runs(&self) -> Result<Vec<Run<'_>>, MintError> {
        let mut runs: Vec<Run<'_>> = Vec::new();
        for source in self.runs {
            let run = Run::open(source.directory, source.name)?;
            let shard = run.header().shard;
            run.check(self.params, self.key, shard)?;
            if let Some(first) =
                runs.first().filter(|first| first.header().shard.count() != shard.count())
            {
                let expected = format!(
                    "one of {}, as {}",
                    first.header().shard.count(),
                    first.path().display()
                );
                return Err(MintError::OtherShard {
                    path: run.path(),
                    expected,
                    found: shard.to_string(),
                });
            }
            runs.push(run);
        }
        runs.sort_by_key(|run| run.header().shard);
        for pair in runs.windows(2) {
            let [first, second] = [&pair[0], &pair[1]];
            if first.header().shard == second.header().shard {
                let (shard, first, second) = (first.header().shard, first.path(), second.path());
                return Err(MintError::ShardTwice { shard, first, second });
            }
        }
        self.check_none_missing(&runs)?;
        let min = PIECE_SIZE * 2 + BLOCK_SIZE * runs.len() as u64;
        if self.memory < min {
            return Err(MintError::Resource {
                what: "memory",
                min,
                max: u64::MAX,
                found: self.memory,
            });
        }
        Ok(runs)
    }

    fn check_none_missing(&self, runs: &[Run<'_>]) -> Result<(), MintError> {
        let count = runs.first().map_or(1, |run| run.header().shard.count());
        let found: Vec<u32> = runs.iter().map(|run| run.header().shard.index()).collect();
        let missing: Vec<u32> =
            (1..=count).filter(|index| found.binary_search(index).is_err()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut listed: Vec<String> = missing.iter().take(LISTED_MAX).map(u32::to_string).collect();
        if missing.len() > LISTED_MAX {
            listed.push("and more".to_string());
        }
        Err(MintError::ShardsMissing {
            missing: missing.len() as u32,
            count,
            listed: listed.join(", "),
        })
    }

    /// Into how many parts the file is cut.
    fn part_count(&self) -> u32 {
        let by_size =
            || file_size(self.params).div_ceil(PART_SIZE).min(u64::from(super::SHARDS_MAX)) as u32;
        self.part.map_or_else(by_size, Shard::count)
    }

    fn parts(&self) -> Vec<Shard> {
        let count = self.part_count();
        // 1 <= index <= count <= SHARDS_MAX, so none is left out.
        (1..=count).filter_map(|index| Shard::new(index, count).ok()).collect()
    }

    fn names(&self) -> Result<Vec<String>, MintError> {
        Ok(self.directory.names().map_err(FileError::on("read", self.directory.path()))?)
    }

    fn parts_to_do(&self, target: &Target<'_>) -> Result<Vec<Shard>, MintError> {
        let names = self.names()?;
        let mut todo = Vec::new();
        for part in self.part.map_or_else(|| self.parts(), |part| vec![part]) {
            if Record::read(target, &names, part)?.is_none() {
                todo.push(part);
            }
        }
        Ok(todo)
    }

    /// Merges some parts, in order: whether it came to the end.
    fn merge_parts(
        &self,
        target: &Target<'_>,
        coin_file: &CoinFile,
        runs: Vec<Run<'_>>,
        todo: &[Shard],
    ) -> Result<bool, MintError> {
        let superbins = self.params.superbin_count();
        let memory = (self.memory - 2 * PIECE_SIZE) / runs.len() as u64;
        let place = todo[0].part(superbins).start << self.params.subbin_bits();
        let mut readers = Vec::new();
        for run in runs {
            readers.push(RunReader::from(run, place, memory.min(READING_SIZE_MAX))?);
        }
        let length = |part: &Shard| part.part(superbins).end - part.part(superbins).start;
        let total = self.part.as_ref().map_or(superbins, length);
        let done = total - todo.iter().map(length).sum::<u64>();
        let mut progress = Progress { stage: Stage::Merging, done, total };
        for part in todo {
            let Some(record) = self.merge_part(coin_file, &mut readers, *part, &mut progress)?
            else {
                return Ok(false);
            };
            coin_file.sync()?;
            record.write(target, *part)?;
        }
        Ok(true)
    }

    /// Merges a part: `None` if it was told to stop. `progress` counts the superbins.
    fn merge_part(
        &self,
        coin_file: &CoinFile,
        readers: &mut [RunReader<'_>],
        part: Shard,
        progress: &mut Progress,
    ) -> Result<Option<Record>, MintError> {
        let (size, v) = (superbin_size(self.params), self.params.subbin_bits());
        let superbins = part.part(self.params.superbin_count());
        let (mut first, mut record, mut bytes) = (superbins.start, Record::default(), Vec::new());
        for reader in readers.iter_mut() {
            // Parts between may have been merged before.
            reader.take_below(first << v, |_| ())?;
        }
        while first < superbins.end {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let count = (PIECE_SIZE / size).max(1).min(superbins.end - first);
            bytes.clear();
            bytes.resize((count * size) as usize, 0);
            for reader in readers.iter_mut() {
                reader.take_below((first + count) << v, |hits| {
                    put_hits(&mut bytes, hits, first, v, size)
                })?;
            }
            record.ball_count += write_counts(&mut bytes, size as usize);
            coin_file.write_superbins(first, &bytes)?;
            record.checksum = add_to_checksum(record.checksum, &mut bytes, size as usize);
            first += count;
            progress.done += count;
            (self.progress)(*progress);
        }
        Ok(Some(record))
    }

    /// Completes the file if all parts have records and nobody else is at it.
    fn complete(&self, target: &Target<'_>) -> Result<MergeOutcome, MintError> {
        let _gate = target.gate()?;
        let coin_file = CoinFile::open_minting(self.directory, self.name)?;
        let state = coin_file.minting_state()?;
        if state.phase == Phase::Complete {
            target.remove_records()?;
            return Ok(MergeOutcome::Complete(state));
        }
        let (whole, missing) = self.whole(target)?;
        if missing > 0 {
            return Ok(MergeOutcome::PartDone { missing });
        }
        if !coin_file
            .file()
            .try_lock(Lock::Exclusive)
            .map_err(FileError::on("lock", coin_file.path()))?
        {
            // Another process is about to come here.
            return Ok(MergeOutcome::PartDone { missing });
        }
        let state = MintingState {
            phase: Phase::Complete,
            next_toss: 1 << self.params.raw().input_bits,
            counted_superbins: self.params.superbin_count(),
            ball_count: whole.ball_count,
            checksum: whole.checksum,
        };
        coin_file.set_complete(&state)?;
        target.remove_records()?;
        Ok(MergeOutcome::Complete(state))
    }

    /// The records of all parts as one, and how many have none.
    fn whole(&self, target: &Target<'_>) -> Result<(Record, u32), MintError> {
        let (names, mut whole, mut missing) = (self.names()?, Record::default(), 0);
        let superbin_length = 4 + u64::from(self.params.subbin_count()) * BIN_SIZE;
        for part in self.parts() {
            let Some(record) = Record::read(target, &names, part)? else {
                missing += 1;
                continue;
            };
            let superbins = part.part(self.params.superbin_count());
            let length = (superbins.end - superbins.start) * superbin_length;
            whole.ball_count += record.ball_count;
            whole.checksum =
                crc32c::crc32c_combine(whole.checksum, record.checksum, length as usize);
        }
        Ok((whole, missing))
    }
}
