//! Merging: from the run files of all shards to the coin file.
//!
//! Input: run files in any order. Output: the coin file that one machine would have minted, bit for
//! bit. The file is written from beginning to end, some superbins at a time: of the hits for a bin,
//! the one of the earliest shard is put in. The invariant: merging reads nothing from the coin
//! file, so it may write a piece again.
//!
//! The file's superbins are divided into parts. When a part is durable, a record of it is written
//! ([`MergedPart`]), so that a merge continues where it stopped, and several processes, on several
//! machines, can each merge a part. The process that finds the records of all parts completes the
//! file.

use super::error::MintError;
use super::files::names;
use super::job::{MintJob, MintStage, Progress};
use super::merged_part::MergedPart;
use super::outcome::MergeOutcome;
use super::place::{put_hits, write_counts};
use super::run_file::{BLOCK_SIZE, Run, RunFile, RunReader};
use super::segments::Segment;
use super::shard::{SHARDS_MAX, Shard};
use crate::coin_file::{
    BIN_SIZE, CoinFile, MintingState, Phase, add_to_checksum, file_size, superbin_size,
};
use crate::error::FileError;
use crate::host::{Directory, Lock};

/// The approximate size of the parts, in bytes, of a merge without a given number of parts: the
/// work that a crash loses.
const PART_SIZE: u64 = 1 << 30;
/// How much of the coin file is written at once, in bytes.
const PIECE_SIZE: u64 = 4 << 20;
/// The least that is read at once from a segment when there are several, in bytes.
const SEGMENT_READING_SIZE: u64 = 4 * BLOCK_SIZE;
/// The most that is read at once from one run file, in bytes.
const READING_SIZE_MAX: u64 = 1 << 20;

/// A merge: of all of the coin file, or of one part.
struct Merge<'a> {
    job: &'a MintJob<'a>,
    /// Merge this part only; all of the file if `None`.
    part: Option<Shard>,
}

impl MintJob<'_> {
    /// Makes the coin file, or only `part` of it, from the run files of all shards, in any order,
    /// and completes the file when all parts are merged. Several processes may each merge a part at
    /// the same time. It works on one thread. After a stop, the next run begins the part in
    /// progress again.
    ///
    /// # Errors
    /// A run file is missing, repeated, damaged, or of another period or key; the coin file is in
    /// use or of another period; the memory is too small for the run files; a file cannot be
    /// read or written. The run files do not change, and the durable parts stay.
    pub fn merge(
        &self,
        runs: &[RunFile<'_>],
        part: Option<Shard>,
    ) -> Result<MergeOutcome, MintError> {
        let merge = Merge { job: self, part };
        if let Some(state) = merge.complete_state()? {
            return Ok(MergeOutcome::AlreadyComplete(state));
        }
        merge.merge_all(merge.open_runs(runs)?)
    }

    /// Like [`MintJob::merge`], from the segments of one shard that is all tosses, in their order.
    pub(super) fn merge_segments(
        &self,
        directory: &dyn Directory,
        segments: &[Segment],
    ) -> Result<MergeOutcome, MintError> {
        let open = |segment| Run::open(directory, segment);
        let runs =
            segments.iter().map(|segment| open(&segment.name)).collect::<Result<Vec<_>, _>>()?;
        Merge { job: self, part: None }.merge_all(runs)
    }

    /// The most segments that it merges together: it reads from each in pieces that are worth a
    /// seek.
    pub(super) fn segments_max(&self) -> usize {
        (self.memory.saturating_sub(2 * PIECE_SIZE) / SEGMENT_READING_SIZE) as usize
    }
}

impl Merge<'_> {
    /// Merges hits of runs in the order of their tosses.
    fn merge_all(&self, runs: Vec<Run<'_>>) -> Result<MergeOutcome, MintError> {
        let coin_file = self.job.open_to_merge()?;
        let state = coin_file.minting_state()?;
        if state.phase == Phase::Complete {
            self.job.remove_merge_files()?;
            return Ok(MergeOutcome::AlreadyComplete(state));
        }
        let todo = self.parts_to_do()?;
        if !todo.is_empty() && !self.merge_parts(&coin_file, runs, &todo)? {
            return Ok(MergeOutcome::Stopped);
        }
        drop(coin_file);
        self.complete()
    }

    /// The state of the coin file if it is there and complete.
    fn complete_state(&self) -> Result<Option<MintingState>, MintError> {
        let job = self.job;
        if !job.has_coin_file()? {
            return Ok(None);
        }
        let coin_file = CoinFile::inspect(job.directory, job.name)?;
        job.check_coin_file(&coin_file)?;
        let state = coin_file.minting_state()?;
        if state.phase != Phase::Complete {
            return Ok(None);
        }
        if !job.has_merge_files()? {
            return Ok(Some(state));
        }
        // An earlier run crashed before it removed its files.
        drop(coin_file);
        let _gate = job.gate()?;
        let coin_file = job.open_locked(Lock::Exclusive)?;
        coin_file.set_complete(&coin_file.minting_state()?)?;
        job.remove_merge_files()?;
        Ok(Some(state))
    }

    /// Opens the run files: checks that they are of this period and that none is missing, and sorts
    /// them by shard.
    fn open_runs<'r>(&self, files: &[RunFile<'r>]) -> Result<Vec<Run<'r>>, MintError> {
        let mut runs: Vec<Run<'_>> = Vec::new();
        for file in files {
            let run = Run::open(file.directory, file.name)?;
            let shard = run.header().shard;
            run.check(self.job, shard)?;
            if let Some(first) =
                runs.first().filter(|first| first.header().shard.count() != shard.count())
            {
                return Err(MintError::OtherDivision {
                    path: run.path(),
                    expected: first.header().shard.count(),
                    first: first.path(),
                    found: shard,
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
        let found = self.job.memory;
        if found < min {
            return Err(MintError::Resource { what: "memory", min, max: u64::MAX, found });
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
        Err(MintError::ShardsMissing { missing, count })
    }

    /// The number of parts of the file.
    fn part_count(&self) -> u32 {
        let by_size =
            || file_size(self.job.params).div_ceil(PART_SIZE).min(u64::from(SHARDS_MAX)) as u32;
        self.part.map_or_else(by_size, Shard::count)
    }

    fn parts(&self) -> Vec<Shard> {
        let count = self.part_count();
        // 1 <= index <= count <= SHARDS_MAX, so none is left out.
        (1..=count).filter_map(|index| Shard::new(index, count).ok()).collect()
    }

    fn parts_to_do(&self) -> Result<Vec<Shard>, MintError> {
        let names = names(self.job.directory)?;
        let mut todo = Vec::new();
        for part in self.part.map_or_else(|| self.parts(), |part| vec![part]) {
            if MergedPart::read(self.job, &names, part)?.is_none() {
                todo.push(part);
            }
        }
        Ok(todo)
    }

    /// Merges some parts, in order. Returns whether it reached the end.
    fn merge_parts(
        &self,
        coin_file: &CoinFile,
        runs: Vec<Run<'_>>,
        todo: &[Shard],
    ) -> Result<bool, MintError> {
        let params = self.job.params;
        let superbins = params.superbin_count();
        let memory = (self.job.memory - 2 * PIECE_SIZE) / runs.len() as u64;
        let bin_number = todo[0].part(superbins).start << params.subbin_bits();
        let mut readers = Vec::new();
        for run in runs {
            readers.push(RunReader::from(run, bin_number, memory.min(READING_SIZE_MAX))?);
        }
        let length = |part: &Shard| part.part(superbins).end - part.part(superbins).start;
        let total = self.part.as_ref().map_or(superbins, length);
        let done = total - todo.iter().map(length).sum::<u64>();
        let mut progress = Progress { stage: MintStage::Merging, done, total };
        for part in todo {
            let Some(merged) = self.merge_part(coin_file, &mut readers, *part, &mut progress)?
            else {
                return Ok(false);
            };
            coin_file.sync()?;
            merged.write(self.job, *part)?;
        }
        Ok(true)
    }

    /// Merges a part; `None` if the job was stopped. `progress` counts the superbins.
    fn merge_part(
        &self,
        coin_file: &CoinFile,
        readers: &mut [RunReader<'_>],
        part: Shard,
        progress: &mut Progress,
    ) -> Result<Option<MergedPart>, MintError> {
        let params = self.job.params;
        let (size, v) = (superbin_size(params), params.subbin_bits());
        let superbins = part.part(params.superbin_count());
        let (mut first, mut bytes) = (superbins.start, Vec::new());
        let mut merged = MergedPart::default();
        for reader in readers.iter_mut() {
            // The parts between may have been merged before.
            reader.take_below(first << v, |_| ())?;
        }
        while first < superbins.end {
            if self.job.is_stopped() {
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
            merged.ball_count += write_counts(&mut bytes, size as usize);
            coin_file.write_superbins(first, &bytes)?;
            merged.checksum = add_to_checksum(merged.checksum, &mut bytes, size as usize);
            first += count;
            progress.done += count;
            (self.job.progress)(*progress);
        }
        Ok(Some(merged))
    }

    /// Completes the file if all parts have records and no other process works on it.
    fn complete(&self) -> Result<MergeOutcome, MintError> {
        let job = self.job;
        let _gate = job.gate()?;
        let coin_file = CoinFile::open_minting(job.directory, job.name)?;
        let state = coin_file.minting_state()?;
        if state.phase == Phase::Complete {
            job.remove_merge_files()?;
            return Ok(MergeOutcome::Complete(state));
        }
        let (whole, missing) = self.whole()?;
        if missing > 0 {
            return Ok(MergeOutcome::PartDone { missing });
        }
        if !coin_file
            .file()
            .try_lock(Lock::Exclusive)
            .map_err(FileError::on("lock", coin_file.path()))?
        {
            // Another process will complete it.
            return Ok(MergeOutcome::PartDone { missing });
        }
        let state = MintingState {
            phase: Phase::Complete,
            next_toss: 1 << job.params.raw().input_bits,
            counted_superbins: job.params.superbin_count(),
            ball_count: whole.ball_count,
            checksum: whole.checksum,
        };
        coin_file.set_complete(&state)?;
        job.remove_merge_files()?;
        Ok(MergeOutcome::Complete(state))
    }

    /// The records of all parts combined, and how many parts have none.
    fn whole(&self) -> Result<(MergedPart, u32), MintError> {
        let params = self.job.params;
        let (names, mut missing) = (names(self.job.directory)?, 0);
        let mut whole = MergedPart::default();
        let superbin_length = 4 + u64::from(params.subbin_count()) * BIN_SIZE;
        for part in self.parts() {
            let Some(merged) = MergedPart::read(self.job, &names, part)? else {
                missing += 1;
                continue;
            };
            let superbins = part.part(params.superbin_count());
            let length = (superbins.end - superbins.start) * superbin_length;
            whole.ball_count += merged.ball_count;
            whole.checksum =
                crc32c::crc32c_combine(whole.checksum, merged.checksum, length as usize);
        }
        Ok((whole, missing))
    }
}
