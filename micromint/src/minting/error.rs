//! Why minting, merging or verifying failed.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::shard::Shard;
use crate::coin_file::CoinFileError;
use crate::error::FileError;

/// Minting failed. What was placed before stays, and another run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The coin file cannot be used.
    #[error(transparent)]
    CoinFile(#[from] CoinFileError),
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// Someone else mints into it.
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
    /// The file is for another input key.
    #[error("{}: was begun with another input-key", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
    },
    /// The disk is too small.
    #[error("{}: expected {needed} free bytes, for it and for what minting keeps beside it, found {free}", path.display())]
    NoSpace {
        /// The coin file.
        path: PathBuf,
        /// What it takes, and minting beside it.
        needed: u64,
        /// The free space.
        free: u64,
    },
    /// A number of threads or an amount of memory that cannot be.
    #[error("{what}: expected at least {min} and at most {max}, found {found}")]
    Resource {
        /// Which.
        what: &'static str,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// What was asked for.
        found: u64,
    },
    /// A run file is something else, torn or damaged.
    #[error("{}: expected a run file, found {found}", path.display())]
    NotARunFile {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// A run file is torn or damaged; tossing its shard again makes it anew.
    #[error("{}: damaged at {at}: {found}; remove it and toss its shard again", path.display())]
    DamagedRun {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: String,
        /// What does not hold.
        found: String,
    },
    /// A run file is of another cut of the period.
    #[error("{}: expected shard {expected}, found {found}", path.display())]
    OtherShard {
        /// The file.
        path: PathBuf,
        /// What was asked for, or what the run files before it are of.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Two run files are of one shard.
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
        /// How many.
        missing: u32,
        /// How many there are.
        count: u32,
        /// The first of them in words.
        listed: String,
    },
}

impl MintError {
    /// Whether the disk is full: what was made durable is kept, and with some space freed another run goes
    /// on from there.
    pub fn is_disk_full(&self) -> bool {
        let file = match self {
            MintError::File(file) | MintError::CoinFile(CoinFileError::File(file)) => file,
            _ => return false,
        };
        matches!(file.source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    }
}
