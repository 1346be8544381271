//! How the jobs of a mint end.
//!
//! Each outcome tells three cases apart: the result is complete now, it was complete before, or the
//! job was stopped. A stopped job keeps its results, and another run continues from there.

use crate::coin_file::MintingState;

/// How [`MintJob::mint`](super::MintJob::mint) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MintOutcome {
    /// The coin file is complete now.
    Complete(MintingState),
    /// The coin file was complete before; nothing was done.
    AlreadyComplete(MintingState),
    /// The mint was stopped.
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
    /// The job was stopped.
    Stopped {
        /// The number of tosses of the shard that are done.
        done: u64,
        /// The number of tosses of the shard.
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
    /// The requested part is merged, but the coin file is not complete: other parts are missing, or
    /// another process is about to complete it.
    PartDone {
        /// The number of parts that are not merged.
        missing: u32,
    },
    /// The merge was stopped.
    Stopped,
}
