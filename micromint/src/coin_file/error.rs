//! Why a coin file cannot be used.

use std::path::PathBuf;

use crate::bin::Bin;
use crate::error::FileError;

/// A coin file cannot be used, or not for this purpose.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoinFileError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a coin file.
    #[error("{}: expected a coin file, found {found}", path.display())]
    NotACoinFile {
        /// The file.
        path: PathBuf,
        /// The first bytes of the file.
        found: String,
    },
    /// A newer or unknown version of the format.
    #[error("{}: expected version 1 of the coin file format, found {found}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version.
        found: u32,
    },
    /// The size is not the one that the parameters give.
    #[error("{}: expected {expected} bytes for its parameters, found {found}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// The right size.
        expected: u64,
        /// The actual size.
        found: u64,
    },
    /// A part of it is damaged.
    #[error("{}: damaged at {at}: {found}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part.
        at: String,
        /// What was found there.
        found: String,
    },
    /// Coins are sold from complete files only.
    #[error(
        "{}: not complete: {done} of {total} balls tossed; run `coinmint mint` to finish it",
        path.display()
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The tosses done.
        done: u64,
        /// All tosses.
        total: u64,
    },
    /// A superbin or bin that the period does not have.
    #[error("{}: there is no bin {bin}: {superbins} superbins of {subbins} bins", path.display())]
    NoSuchBin {
        /// The file.
        path: PathBuf,
        /// The bin asked for.
        bin: Bin,
        /// 2^u.
        superbins: u64,
        /// 2^v.
        subbins: u32,
    },
    /// A status was set for a ball that is not there.
    #[error("{}: there is no ball in bin {bin}", path.display())]
    NoBall {
        /// The file.
        path: PathBuf,
        /// The bin.
        bin: Bin,
    },
    /// Bins to be read or marked together are not in ascending order.
    #[error("bins out of order: {before} comes before {after}")]
    Unsorted {
        /// A bin.
        before: Bin,
        /// The one that follows it.
        after: Bin,
    },
}
