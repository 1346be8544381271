//! How the jobs of a mint end.
//!
//! Each outcome tells three cases apart: the result is complete now, it was complete before, or the
//! job was told to stop. A stopped job keeps what it has done, and another run continues from
//! there.

use crate::coin_file::MintingState;

/// How [`MintJob::mint`](super::MintJob::mint) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MintOutcome {
    /// The coin file is complete now.
    Complete(MintingState),
    /// The coin file was complete before; nothing was done.
    AlreadyComplete(MintingState),
    /// The mint was told to stop.
    Stopped(MintingState),
}

/// How [`MintJob::toss_shard`](super::MintJob::toss_shard) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardOutcome {
    /// The run file is complete now.
    Complete {
        /// The hits in it.
        hits: u64,
    },
    /// The run file was complete before; nothing was done.
    AlreadyComplete {
        /// The hits in it.
        hits: u64,
    },
    /// The job was told to stop.
    Stopped {
        /// How many tosses of the shard are done.
        done: u64,
        /// How many tosses the shard has.
        total: u64,
    },
}

/// How [`MintJob::merge`](super::MintJob::merge) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeOutcome {
    /// The coin file is complete now.
    Complete(MintingState),
    /// The coin file was complete before; nothing was done.
    AlreadyComplete(MintingState),
    /// The part asked for is merged, but the coin file is not complete: other parts are missing, or
    /// another process is about to complete it.
    PartDone {
        /// How many parts are not merged.
        missing: u32,
    },
    /// The merge was told to stop.
    Stopped,
}
