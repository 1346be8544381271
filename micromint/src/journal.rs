//! The file format of everything that is only appended to: the vendor's till and the wallet.
//!
//! Input: payloads of 1 byte to 64 KiB. Output: the same payloads in order, with their offsets.
//!
//! The invariant: every payload that a reader gets was written completely. A tail that a crash cut
//! off is distinguished from a broken middle. The tail is cut away, since no writer has
//! acknowledged it. A broken middle is an error and is never skipped.
//!
//! [`Replayed`] is a journal together with the state that its records produce; processes share it
//! under the file's own lock. [`Journal`] is the file alone, for users that keep several files
//! under one lock. Both append only with the proof that the lock is held and the file was read to
//! its end ([`CaughtUp`]).
//!
//! The format is described in `docs/reference/journal.md`.

mod file;
mod format;
#[cfg(feature = "vendor")]
mod indexed;
mod replayed;
#[cfg(feature = "vendor")]
mod sync;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::error::FileError;

pub use file::{CaughtUp, Journal, Tail};
#[cfg(any(feature = "vendor", feature = "wallet"))]
pub(crate) use format::HEADER_SIZE;
pub use format::RECORD_SIZE_MAX;
pub use replayed::{Locked, Replayed};
#[cfg(feature = "vendor")]
pub(crate) use sync::SharedSync;

/// A record that was read from a journal.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The offset at which it begins.
    pub offset: u64,
    /// Its payload, 1 byte to 64 KiB.
    pub payload: &'a [u8],
    path: &'a Path,
}

impl Record<'_> {
    /// The error for a record that is complete but cannot be read, or that is inconsistent with
    /// those before it. `why` completes "cannot read the record: …".
    pub fn unreadable(&self, why: impl Into<String>) -> JournalError {
        JournalError::Unreadable { path: self.path.into(), at: self.offset, why: why.into() }
    }
}

/// A state that the records of a journal produce.
pub trait Replay {
    /// Why a record cannot be applied: [`Record::unreadable`], or an error of the state itself.
    type Error: From<JournalError>;

    /// Applies the next record.
    ///
    /// # Errors
    /// The record is unreadable or inconsistent with the state. No record after it is read.
    fn apply(&mut self, record: &Record<'_>) -> Result<(), Self::Error>;
}

/// All records, each with its offset: shows a journal of any kind.
impl Replay for Vec<(u64, Vec<u8>)> {
    type Error = JournalError;

    fn apply(&mut self, record: &Record<'_>) -> Result<(), JournalError> {
        self.push((record.offset, record.payload.to_vec()));
        Ok(())
    }
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a journal of this kind.
    #[error("{}: expected a journal of kind {expected:?}, found {found}", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// The expected kind.
        expected: String,
        /// What its first bytes show instead.
        found: String,
    },
    /// A record in the middle is damaged.
    #[error(
        "{}: broken at offset {at}, {bytes} bytes before the end; nothing was cut off",
        path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where the damaged record begins.
        at: u64,
        /// The number of bytes from there to the end.
        bytes: u64,
    },
    /// A record is complete, but this version cannot read it, or it is inconsistent with those
    /// before it.
    #[error("{}: cannot read the record at offset {at}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        at: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The file was deleted or replaced while it was open.
    #[error("{}: was deleted while in use", path.display())]
    Deleted {
        /// The file.
        path: PathBuf,
    },
    /// A write or sync failed, so the content of the file is uncertain and nothing can be appended.
    #[error("{}: an earlier write or sync failed; open the file again", path.display())]
    InDoubt {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter than what was read or made durable before.
    #[error("{}: expected at least {expected} bytes, found {found}", path.display())]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// The size that it had at least, in bytes.
        expected: u64,
        /// The size that it has, in bytes.
        found: u64,
    },
    /// A payload is empty or too large.
    #[error("expected a record of 1 to {RECORD_SIZE_MAX} bytes, found {found}")]
    RecordSize {
        /// The size of the payload, in bytes.
        found: usize,
    },
}
