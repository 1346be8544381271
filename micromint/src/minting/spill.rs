//! Minting a coin file that is larger than the memory allowed.
//!
//! Placing batch after batch would read and write all of such a file once a batch. Instead all tosses
//! go, as the one shard that there is, into a run file beside the coin file, and the coin file is merged
//! from it: everything is read and written in order. One bit a bin in memory drops the balls for bins
//! that are filled, so the spill holds little more than the coin file does.

use super::engine::{Minting, Outcome};
use super::error::MintError;
use super::merge::{MergeOutcome, Merging, RunSource};
use super::shard::{Shard, ShardOutcome, Sharding};
use crate::coin_file::{CoinFile, MintingState, file_size};
use crate::error::FileError;

fn name(minting: &Minting<'_>) -> String {
    format!("{}.spill", minting.name)
}

/// The names of all files of the spill.
fn names(minting: &Minting<'_>) -> Result<Vec<String>, MintError> {
    let (name, directory) = (name(minting), minting.directory);
    let names = directory.names().map_err(FileError::on("read", directory.path()))?;
    let is_ours = |other: &String| *other == name || other.starts_with(&format!(".{name}."));
    Ok(names.into_iter().filter(is_ours).collect())
}

/// Whether to spill: the coin file does not fit into memory, or a run before this one spilt.
pub(super) fn is_better(minting: &Minting<'_>) -> Result<bool, MintError> {
    Ok(file_size(minting.params) > minting.memory || !names(minting)?.is_empty())
}

/// Removes the spill.
pub(super) fn remove(minting: &Minting<'_>) -> Result<(), MintError> {
    for name in names(minting)? {
        let path = minting.directory.path().join(&name);
        minting.directory.remove(&name).map_err(FileError::on("remove", path))?;
    }
    Ok(())
}

/// Mints into a coin file in which nothing is placed yet. The lock of `coin_file` keeps others away
/// while tossing; merging takes its own.
pub(super) fn run(minting: &Minting<'_>, coin_file: CoinFile) -> Result<Outcome, MintError> {
    let name = name(minting);
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
    if let ShardOutcome::Stopped { done, .. } = tossing.run()? {
        return Ok(Outcome::Stopped(MintingState { next_toss: done, ..MintingState::START }));
    }
    drop(coin_file);
    let merging = Merging {
        directory: minting.directory,
        name: minting.name,
        params: minting.params,
        key: minting.key,
        runs: &[RunSource { directory: minting.directory, name: &name }],
        part: None,
        memory: minting.memory,
        stop: minting.stop,
        progress: minting.progress,
    };
    let outcome = match merging.run()? {
        MergeOutcome::Complete(state) => Outcome::Complete(state),
        MergeOutcome::AlreadyComplete(state) => Outcome::AlreadyComplete(state),
        // Nobody else merges this file, so a part that is done without the others was stopped too.
        MergeOutcome::PartDone { .. } | MergeOutcome::Stopped => {
            let next_toss = 1 << minting.params.raw().input_bits;
            return Ok(Outcome::Stopped(MintingState { next_toss, ..MintingState::START }));
        }
    };
    remove(minting)?;
    Ok(outcome)
}
