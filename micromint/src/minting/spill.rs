//! Minting a coin file beside which a batch of hits is small.
//!
//! Placing batch after batch would read and write all of such a file once a batch. Instead the hits of
//! each batch go, in the order of their bins, into a file of their own beside the coin file, a segment
//! of the one shard that there is; and the coin file is merged from all segments. Everything is written
//! once and read once, in order. One bit a bin in memory drops the balls for bins that are filled, so
//! the spill holds little more than the coin file does.

use super::engine::{Minting, Outcome};
use super::error::MintError;
use super::filled::Filled;
use super::merge::{MergeOutcome, Merging};
use super::permutation::InputKey;
use super::plan::Plan;
use super::run_file::{BLOCK_HITS_MAX, BLOCK_SIZE};
use super::segments::Segments;
use super::shard::Shard;
use super::sharding::Sharding;
use crate::coin_file::{CoinFile, MintingState, file_size};
use crate::host::Directory;
use crate::params::Params;

/// A coin file up to this size is placed into batch by batch: that takes a moment. In bytes.
const PLACED_SIZE_MAX: u64 = 256 << 20;

/// The name that those of the segments are made of.
fn name(coin_file: &str) -> String {
    format!("{coin_file}.spill")
}

fn segments<'a>(minting: &'a Minting<'_>, name: &'a str) -> Segments<'a> {
    let &Minting { directory, params, key, .. } = minting;
    Segments { directory, name, params, key, shard: Shard::WHOLE }
}

/// How many of the period's tosses, from the first on, are kept for the coin file `name`: in its spill, or
/// placed if there is none.
///
/// # Errors
/// The coin file is no sound one; the operating system's.
pub fn tosses_kept(
    directory: &dyn Directory,
    name: &str,
    params: &Params,
    key: &InputKey,
) -> Result<u64, MintError> {
    let placed = CoinFile::inspect(directory, name)?.minting_state()?.next_toss;
    let spill = self::name(name);
    let segments = Segments { directory, name: &spill, params, key, shard: Shard::WHOLE };
    Ok(segments.covered()?.max(placed))
}

/// About how much disk the spill takes at its largest, in bytes: 0 if there will be none.
pub(super) fn size(minting: &Minting<'_>) -> Result<u64, MintError> {
    if !is_better(minting)? {
        return Ok(0);
    }
    let plan = Plan::new(minting.params);
    let hits = match Filled::fits(minting.params, minting.memory) {
        true => plan.stored_balls,
        false => plan.good_balls,
    };
    Ok((hits / BLOCK_HITS_MAX as f64 * 1.01) as u64 * BLOCK_SIZE)
}

/// Whether to spill: the coin file is large, for itself or for the memory, or a run before this one spilt.
pub(super) fn is_better(minting: &Minting<'_>) -> Result<bool, MintError> {
    let is_large = file_size(minting.params) > minting.memory.min(PLACED_SIZE_MAX);
    Ok(is_large || segments(minting, &name(minting.name)).exist()?)
}

/// Removes the spill.
pub(super) fn remove(minting: &Minting<'_>) -> Result<(), MintError> {
    segments(minting, &name(minting.name)).remove_all()
}

/// Mints into a coin file in which nothing is placed yet. The lock of `coin_file` keeps others away
/// while tossing; merging takes its own.
pub(super) fn run(minting: &Minting<'_>, coin_file: CoinFile) -> Result<Outcome, MintError> {
    let total = 1u64 << minting.params.raw().input_bits;
    let stopped = |next_toss| Outcome::Stopped(MintingState { next_toss, ..MintingState::START });
    let name = name(minting.name);
    let tossing = Sharding {
        directory: minting.directory,
        name: &name,
        params: minting.params,
        key: minting.key,
        shard: Shard::WHOLE,
        threads: minting.threads,
        memory: minting.memory,
        stop: minting.stop,
        elapsed: minting.elapsed,
        progress: minting.progress,
    };
    let done = tossing.toss_all()?;
    if done < total {
        return Ok(stopped(done));
    }
    let segments_max = Merging::segments_max(minting.memory);
    let sorting = |done, total| tossing.sorting(done, total);
    let Some(segments) = tossing.segments().merge_down(segments_max, minting.memory, &sorting)?
    else {
        return Ok(stopped(total));
    };
    drop(coin_file);
    let merging = Merging {
        directory: minting.directory,
        name: minting.name,
        params: minting.params,
        key: minting.key,
        runs: &[],
        part: None,
        memory: minting.memory,
        stop: minting.stop,
        progress: minting.progress,
    };
    let outcome = match merging.run_from(&segments)? {
        MergeOutcome::Complete(state) => Outcome::Complete(state),
        MergeOutcome::AlreadyComplete(state) => Outcome::AlreadyComplete(state),
        // Nobody else merges this file, so a part that is done without the others was stopped too.
        MergeOutcome::PartDone { .. } | MergeOutcome::Stopped => return Ok(stopped(total)),
    };
    remove(minting)?;
    Ok(outcome)
}
