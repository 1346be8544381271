//! A journal and the state that its records produce, shared by processes.
//!
//! Input: records. Output: the state after them. The invariant: the state is the result of reading
//! the file from its start, up to what other processes appended since the last refresh.

use std::path::Path;
use std::sync::Arc;

use super::file::{self, CaughtUp, Journal};
use super::format::RECORD_HEADER_SIZE;
use super::{JournalError, Record, Replay};
use crate::error::FileError;
use crate::host::{Directory, Entropy, ExclusiveLock, File, Lock, LockGuard};

/// A journal with its own lock, and its state.
///
/// ```
/// use micromint::host::{SimulatedDirectory, SystemEntropy};
/// use micromint::journal::{JournalError, Record, Replay, Replayed};
///
/// /// The number of bytes in all records.
/// #[derive(Default)]
/// struct Total(usize);
///
/// impl Replay for Total {
///     type Error = JournalError;
///
///     fn apply(&mut self, record: &Record<'_>) -> Result<(), JournalError> {
///         self.0 += record.payload.len();
///         Ok(())
///     }
/// }
///
/// let directory = SimulatedDirectory::new();
/// let mut journal =
///     Replayed::open_or_create(&directory, "total", "example", &SystemEntropy, Total(0))?;
/// journal.locked(|locked| {
///     locked.append(&[b"four", b"three"])?;
///     locked.sync()
/// })?;
/// let again = Replayed::open_to_read(&directory, "total", "example", Total(0))?;
/// assert_eq!(again.state().0, 9);
/// # Ok::<(), JournalError>(())
/// ```
pub struct Replayed<S> {
    journal: Journal,
    state: S,
}

/// A journal whose lock is held and whose state is up to date, so that records can be appended.
pub struct Locked<'a, S> {
    journal: &'a mut Journal,
    caught_up: CaughtUp<'a>,
    state: &'a mut S,
}

impl<S: Replay> Replayed<S> {
    /// Opens the journal `name` of `kind` (at most 8 ASCII characters), creates it if it does not
    /// exist, and applies its records to the initial state `state`.
    ///
    /// # Errors
    /// The file cannot be opened, is not a journal of this kind, or is damaged; or a record cannot
    /// be applied.
    pub fn open_or_create(
        directory: &dyn Directory,
        name: &str,
        kind: &str,
        entropy: &dyn Entropy,
        state: S,
    ) -> Result<Replayed<S>, S::Error> {
        let (file, path, header) =
            file::open_or_make(directory, name, kind, entropy).map_err(JournalError::from)?;
        let held = Arc::clone(&file);
        let lock = lock(held.as_ref(), &path)?;
        file::make_header(file.as_ref(), &path, directory, header, &lock)
            .map_err(JournalError::from)?;
        Replayed::replay_all(Journal::with_file(file, path, kind)?, state)
    }

    /// Opens an existing journal for reading and appending, and applies its records to `state`.
    ///
    /// # Errors
    /// As for [`Replayed::open_or_create`]; [`JournalError::Deleted`] if it does not exist.
    pub(crate) fn open_to_append(
        directory: &dyn Directory,
        name: &str,
        kind: &str,
        state: S,
    ) -> Result<Replayed<S>, S::Error> {
        let journal = Journal::open_to_append(directory, name, kind)?;
        let file = Arc::clone(journal.file());
        let _lock = lock_shared(file.as_ref(), journal.path())?;
        Replayed::replay_all(journal, state)
    }

    /// Opens an existing journal for reading only, and applies its records to `state`.
    ///
    /// # Errors
    /// As for [`Replayed::open_or_create`].
    pub fn open_to_read(
        directory: &dyn Directory,
        name: &str,
        kind: &str,
        state: S,
    ) -> Result<Replayed<S>, S::Error> {
        let journal = Journal::open_to_read(directory, name, kind)?;
        let file = Arc::clone(journal.file());
        let _lock = lock_shared(file.as_ref(), journal.path())?;
        Replayed::replay_all(journal, state)
    }

    fn replay_all(mut journal: Journal, mut state: S) -> Result<Replayed<S>, S::Error> {
        journal.replay(&mut state)?;
        Ok(Replayed { journal, state })
    }

    /// The state as of the last call that read the file.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The path of the file, for messages.
    pub fn path(&self) -> &Path {
        self.journal.path()
    }

    /// The journal without the state.
    #[cfg(any(feature = "wallet", test))]
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Applies what other processes have appended.
    ///
    /// # Errors
    /// The file cannot be read, was deleted or is damaged, or a record cannot be applied.
    pub fn refresh(&mut self) -> Result<&S, S::Error> {
        let file = Arc::clone(self.journal.file());
        let _lock = lock_shared(file.as_ref(), self.journal.path())?;
        self.journal.replay(&mut self.state)?;
        Ok(&self.state)
    }

    /// Calls `act` under the file's exclusive lock, with the state up to date and a torn tail cut
    /// off.
    ///
    /// # Errors
    /// As for [`Replayed::refresh`], and those of `act`.
    pub fn locked<T, E: From<S::Error>>(
        &mut self,
        act: impl FnOnce(&mut Locked<'_, S>) -> Result<T, E>,
    ) -> Result<T, E> {
        let file = Arc::clone(self.journal.file());
        let lock = lock(file.as_ref(), self.journal.path()).map_err(S::Error::from)?;
        let caught_up = self.journal.follow(&lock, &mut self.state)?;
        let (journal, state) = (&mut self.journal, &mut self.state);
        act(&mut Locked { journal, caught_up, state })
    }
}

impl<S: Replay> Locked<'_, S> {
    /// The state after the last record.
    pub fn state(&self) -> &S {
        self.state
    }

    /// The path of the file, for messages.
    pub fn path(&self) -> &Path {
        self.journal.path()
    }

    /// Appends the payloads in one write and applies them to the state. Returns the offset of the
    /// first. They are not durable before [`Locked::sync`].
    ///
    /// # Errors
    /// As for [`Journal::append`], or the state rejects one of the records, which are then in the
    /// file.
    pub fn append(&mut self, payloads: &[&[u8]]) -> Result<u64, S::Error> {
        let first = self.journal.append(&self.caught_up, payloads)?;
        let mut offset = first;
        for payload in payloads {
            self.state.apply(&Record { offset, payload, path: self.journal.path() })?;
            offset += (RECORD_HEADER_SIZE + payload.len()) as u64;
        }
        Ok(first)
    }

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// As for [`Journal::sync`].
    pub fn sync(&mut self) -> Result<(), S::Error> {
        Ok(self.journal.sync()?)
    }

    /// The journal without the state.
    #[cfg(any(feature = "wallet", test))]
    pub(crate) fn journal(&self) -> &Journal {
        self.journal
    }
}

fn lock<'a>(file: &'a dyn File, path: &Path) -> Result<ExclusiveLock<'a>, JournalError> {
    Ok(ExclusiveLock::new(file).map_err(FileError::on("lock", path))?)
}

fn lock_shared<'a>(file: &'a dyn File, path: &Path) -> Result<LockGuard<'a>, JournalError> {
    Ok(LockGuard::new(file, Lock::Shared).map_err(FileError::on("lock", path))?)
}
