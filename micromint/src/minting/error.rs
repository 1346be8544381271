//! Why minting, merging or verifying failed.

use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
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
        found: OtherFile,
    },
    /// A run file is incomplete or damaged; tossing its shard again replaces it.
    #[error("{}: damaged at {at}: {found}; remove it and toss its shard again", path.display())]
    DamagedRun {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: RunPosition,
        /// What is wrong there.
        found: String,
    },
    /// A run file is of another shard, or of other tosses of it.
    #[error("{}: expected shard {expected}, found {found}", path.display())]
    OtherShard {
        /// The file.
        path: PathBuf,
        /// What the job asked for.
        expected: ShardTosses,
        /// What the file is of.
        found: ShardTosses,
    },
    /// A run file is of a period that was divided into another number of shards than for the run
    /// files before it.
    #[error(
        "{}: expected shard one of {expected}, as {}, found {found}", path.display(), first.display()
    )]
    OtherDivision {
        /// The file.
        path: PathBuf,
        /// The number of shards of the first run file.
        expected: u32,
        /// The first run file.
        first: PathBuf,
        /// The shard in the file.
        found: Shard,
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
    #[error("{} of {count} shards are missing: {}", missing.len(), listed(missing))]
    ShardsMissing {
        /// The numbers of the missing shards, in order.
        missing: Vec<u32>,
        /// The number of shards.
        count: u32,
    },
}

/// A file that is not a run file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OtherFile {
    /// It is too short.
    #[error("a file of {0} bytes")]
    Short(u64),
    /// Its first eight bytes are different.
    #[error("\"{}\" at its head", .0.escape_ascii())]
    Head([u8; 8]),
    /// This program does not know its version.
    #[error("one of version {0}, not 1")]
    Version(u32),
}

/// A position in a run file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunPosition {
    /// The header.
    Header,
    /// The block of this number, from 0.
    Block(u64),
    /// The end.
    End,
}

/// Tosses of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardTosses {
    /// The shard.
    pub shard: Shard,
    /// The tosses.
    pub tosses: Range<u64>,
}

/// The most missing shards that a message lists.
const LISTED_MAX: usize = 10;

fn listed(missing: &[u32]) -> String {
    let mut listed: Vec<String> = missing.iter().take(LISTED_MAX).map(u32::to_string).collect();
    if missing.len() > LISTED_MAX {
        listed.push("and more".to_string());
    }
    listed.join(", ")
}

impl fmt::Display for RunPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunPosition::Header => f.write_str("its header"),
            RunPosition::Block(number) => write!(f, "block {number}"),
            RunPosition::End => f.write_str("its end"),
        }
    }
}

impl fmt::Display for ShardTosses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShardTosses { shard, tosses } = self;
        write!(f, "{shard}, tosses {} to {}", tosses.start, tosses.end)
    }
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
