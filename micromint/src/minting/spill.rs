//! Minting a coin file that is much larger than a stretch of hits.
//!
//! Input: a [`MintJob`] with a large coin file. Output: the same file as without a spill. Placing
//! such a file stretch by stretch would read and write all of it with each stretch. Instead the
//! hits of each stretch go, in the order of their bins, into a file of their own beside the coin
//! file: a segment of the only shard. Then the coin file is merged from all segments. The
//! invariant: everything is written once and read once, in order. One bit per bin in memory drops
//! the balls for bins that are already filled, so the spill is hardly larger than the coin file.

use super::error::MintError;
use super::filled::Filled;
use super::job::MintJob;
use super::outcome::{MergeOutcome, MintOutcome};
use super::plan::MintPlan;
use super::run_file::{BLOCK_HITS_MAX, BLOCK_SIZE, RunFile};
use super::segments::Segments;
use super::shard::Shard;
use crate::coin_file::{CoinFile, MintingState, file_size};

/// The largest coin file into which stretches are placed directly, in bytes: each takes a moment.
const PLACED_SIZE_MAX: u64 = 256 << 20;

/// The name of the run file that the segments would become; it is never made.
fn spill_name(job: &MintJob<'_>) -> String {
    format!("{}.spill", job.name)
}

fn segments<'a>(job: &'a MintJob<'a>, name: &'a str) -> Segments<'a> {
    let run = RunFile { directory: job.directory, name };
    Segments { job, run, shard: Shard::WHOLE }
}

impl MintJob<'_> {
    /// How many of the period's tosses, from the first on, are done: in the spill of the coin file,
    /// or placed if there is no spill.
    ///
    /// # Errors
    /// The coin file is missing or damaged; a file cannot be read.
    pub fn tosses_kept(&self) -> Result<u64, MintError> {
        let placed = CoinFile::inspect(self.directory, self.name)?.minting_state()?.next_toss;
        Ok(segments(self, &spill_name(self)).covered()?.max(placed))
    }
}

/// The approximate maximum of the disk space for the spill, in bytes; 0 if there will be no spill.
pub(super) fn size(job: &MintJob<'_>) -> Result<u64, MintError> {
    if !is_better(job)? {
        return Ok(0);
    }
    let plan = MintPlan::new(job.params, job.walk);
    let hits = match Filled::fits(job.params, job.memory) {
        true => plan.stored_balls,
        false => plan.kept_balls,
    };
    Ok((hits / BLOCK_HITS_MAX as f64 * 1.01) as u64 * BLOCK_SIZE)
}

/// Whether to spill: the coin file is large in itself or compared with the memory, or an earlier
/// run spilled.
pub(super) fn is_better(job: &MintJob<'_>) -> Result<bool, MintError> {
    let is_large = file_size(job.params) > job.memory.min(PLACED_SIZE_MAX);
    Ok(is_large || segments(job, &spill_name(job)).exist()?)
}

/// Removes the spill.
pub(super) fn remove(job: &MintJob<'_>) -> Result<(), MintError> {
    segments(job, &spill_name(job)).remove_all()
}

/// Mints into a coin file in which nothing is placed yet. The lock of `coin_file` excludes other
/// processes during the tosses; the merge takes its own.
pub(super) fn run(job: &MintJob<'_>, coin_file: CoinFile) -> Result<MintOutcome, MintError> {
    let total = 1u64 << job.params.raw().input_bits;
    let stopped =
        |next_toss| MintOutcome::Stopped(MintingState { next_toss, ..MintingState::START });
    let name = spill_name(job);
    let segments = segments(job, &name);
    let done = segments.toss_all()?;
    if done < total {
        return Ok(stopped(done));
    }
    let Some(merged) = segments.merge_down(job.segments_max())? else {
        return Ok(stopped(total));
    };
    drop(coin_file);
    let outcome = match job.merge_segments(job.directory, &merged)? {
        MergeOutcome::Complete(state) => MintOutcome::Complete(state),
        MergeOutcome::AlreadyComplete(state) => MintOutcome::AlreadyComplete(state),
        // No other process merges this file, so a part that is done without the others was stopped.
        MergeOutcome::PartDone { .. } | MergeOutcome::Stopped => return Ok(stopped(total)),
    };
    remove(job)?;
    Ok(outcome)
}
