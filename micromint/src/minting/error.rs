//! Why minting, merging or verifying failed.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::shard::Shard;
use crate::coin_file::CoinFileError;
use crate::error::FileError;

/// A job failed. Its durable results stay, and another run continues from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// The coin file cannot be used.
    #[error(transparent)]
    CoinFile(#[from] CoinFileError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process is working on it.
    #[error("{}: another process is using it", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file is for other parameters.
    #[error("{}: was begun with {key} {found}, not {expected}", path.display())]
    OtherParams {
        /// The file.
        path: PathBuf,
        /// The first key that differs.
        key: &'static str,
        /// Its value in the configuration.
        expected: String,
        /// Its value in the file.
        found: String,
    },
    /// The file is for another input key or other groups.
    #[error("{}: was begun with another input-key or walk", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
    },
    /// The disk is too small.
    #[error(
        "{}: expected {needed} free bytes, for it and the files of minting beside it, found {free}",
        path.display()
    )]
    NoSpace {
        /// The coin file.
        path: PathBuf,
        /// The space that the coin file and the files of minting beside it take, in bytes.
        needed: u64,
        /// The free space, in bytes.
        free: u64,
    },
    /// A number of threads or an amount of memory out of range.
    #[error("{what}: expected at least {min} and at most {max}, found {found}")]
    Resource {
        /// Which of the two.
        what: &'static str,
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
        /// The value found.
        found: u64,
    },
    /// The file is not a run file.
    #[error("{}: expected a run file, found {found}", path.display())]
    NotARunFile {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// A run file is incomplete or damaged; tossing its shard again replaces it.
    #[error("{}: damaged at {at}: {found}; remove it and toss its shard again", path.display())]
    DamagedRun {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: String,
        /// What is wrong there.
        found: String,
    },
    /// A run file is of another shard, or of a period divided into another number of shards.
    #[error("{}: expected shard {expected}, found {found}", path.display())]
    OtherShard {
        /// The file.
        path: PathBuf,
        /// The shard that the job asked for, or that of the run files before it.
        expected: String,
        /// The shard in the file.
        found: String,
    },
    /// Two run files are of the same shard.
    #[error("{} and {}: both are shard {shard}", first.display(), second.display())]
    ShardTwice {
        /// The shard.
        shard: Shard,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Shards have no run file.
    #[error("{missing} of {count} shards are missing: {listed}")]
    ShardsMissing {
        /// The number of missing shards.
        missing: u32,
        /// The number of shards.
        count: u32,
        /// The first missing ones in words.
        listed: String,
    },
}

impl MintError {
    /// Whether the disk is full. Durable results are kept; once space is free, another run
    /// continues from there.
    pub fn is_disk_full(&self) -> bool {
        let file = match self {
            MintError::File(file) | MintError::CoinFile(CoinFileError::File(file)) => file,
            _ => return false,
        };
        matches!(file.source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    }
}
