//! The one format for everything that is appended: the vendor's till, the wallet, the broker's
//! records.
//!
//! In go payloads of 1 byte to 64 KiB, out come the same payloads in order, with their offsets. The
//! invariant: what a reader is given was written whole. A tail cut off by a crash is told apart
//! from a broken middle. The tail is cut away, since nobody was told that it was written. A broken
//! middle is an error and is never skipped.
//!
//! A journal that is the whole truth about something is a [`Replayed`]: the file together with the
//! state that its records add up to, shared by processes under the file's own lock. [`Journal`] is
//! the file alone, for users who keep several files under one lock. Both append only with the proof
//! that the lock is held and the file was read to its end ([`CaughtUp`]). Making durable what was
//! appended needs no lock, and one sync serves all who wait for it ([`SharedSync`]).
//!
//! Byte by byte the format is described in `docs/reference/journal.md`.

mod file;
mod format;
mod replayed;
mod sync;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::error::FileError;

pub use file::{CaughtUp, Journal, Tail};
pub use format::{HEADER_SIZE, RECORD_HEADER_SIZE, RECORD_SIZE_MAX};
pub use replayed::{Locked, Replayed};
pub use sync::SharedSync;

/// A record as it is read from a journal.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The offset at which it begins.
    pub offset: u64,
    /// Its payload, 1 to [`RECORD_SIZE_MAX`] bytes.
    pub payload: &'a [u8],
    path: &'a Path,
}

impl Record<'_> {
    /// The error for a record that is whole but cannot be read, or that makes no sense after those
    /// before it. `why` completes "cannot read the record: …".
    pub fn unreadable(&self, why: impl Into<String>) -> JournalError {
        JournalError::Unreadable { path: self.path.into(), at: self.offset, why: why.into() }
    }
}

/// What the records of a journal add up to.
pub trait Replay {
    /// Why a record cannot be applied: [`Record::unreadable`], or a failure of the state's own.
    type Error: From<JournalError>;

    /// Applies the next record.
    ///
    /// # Errors
    /// The record is unreadable, or the state cannot take it now. Nothing after it is read.
    fn apply(&mut self, record: &Record<'_>) -> Result<(), Self::Error>;
}

/// All records, each with its offset: for looking at a journal whatever its kind.
impl Replay for Vec<(u64, Vec<u8>)> {
    type Error = JournalError;

    fn apply(&mut self, record: &Record<'_>) -> Result<(), JournalError> {
        self.push((record.offset, record.payload.to_vec()));
        Ok(())
    }
}

/// A journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a journal of this kind.
    #[error("{}: expected a journal of kind {expected:?}, found {found}", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// The kind asked for.
        expected: String,
        /// What its first bytes show.
        found: String,
    },
    /// A record in the middle is damaged.
    #[error("{}: broken at offset {at}, {bytes} bytes before the end; nothing was cut off", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where the damaged record begins.
        at: u64,
        /// How much follows, in bytes.
        bytes: u64,
    },
    /// A record is whole, but not one that this version can read or that fits those before it.
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
    /// A write failed and could not be taken back, so nothing more may be appended.
    #[error("{}: an earlier failure left it in doubt; open it again", path.display())]
    InDoubt {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter than what was once read or made durable.
    #[error("{}: expected at least {expected} bytes, found {found}", path.display())]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// The size it had at least, in bytes.
        expected: u64,
        /// The size it has.
        found: u64,
    },
    /// A payload is empty or too large.
    #[error("a record of {found} bytes, expected 1 to {RECORD_SIZE_MAX}")]
    RecordSize {
        /// Its size.
        found: usize,
    },
}
