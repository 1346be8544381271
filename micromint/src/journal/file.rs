//! The file of a journal: reading on from a known end, and appending under a lock.
//!
//! Input: payloads. Output: records. The invariant: only a caller that holds the lock and has read
//! the file to its end appends, so no record overwrites another.

use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "vendor")]
use super::SharedSync;
use super::format::{self, HEADER_SIZE, Header, LARGEST_RECORD, RECORD_HEADER_SIZE, record_at};
use super::{JournalError, Record, Replay};
use crate::error::FileError;
use crate::host::{Directory, Entropy, ExclusiveLock, File, Open};

/// How much is read at a time when catching up, in bytes: several of the largest records.
const CHUNK_SIZE: usize = 1024 * 1024;

/// An open journal.
pub struct Journal {
    file: Arc<dyn File>,
    #[cfg(feature = "vendor")]
    pub(super) shared_sync: Arc<SharedSync>,
    path: PathBuf,
    seed: u32,
    /// The offset up to which this handle has read or written the file.
    pub(super) end: u64,
    in_doubt: bool,
    /// The records that are appended next.
    buffer: Vec<u8>,
}

/// What follows the last complete record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Clean,
    /// A record that a crash cut off, with this many bytes.
    Torn(u64),
}

/// The proof that a journal was read to its end under its lock. The lock is held as long as this
/// value exists. It is valid for the handle that returned it.
///
/// ```no_run
/// use micromint::host::ExclusiveLock;
/// use micromint::journal::{Journal, JournalError};
///
/// fn add(journal: &mut Journal, lock: ExclusiveLock<'_>) -> Result<(), JournalError> {
///     let caught_up = journal.follow(&lock, &mut Vec::<(u64, Vec<u8>)>::new())?;
///     journal.append(&caught_up, &[b"a record"])?;
///     Ok(())
/// }
/// ```
///
/// Once the lock is released, nothing can be appended:
///
/// ```compile_fail,E0505
/// # use micromint::host::ExclusiveLock;
/// # use micromint::journal::{Journal, JournalError};
/// fn add(journal: &mut Journal, lock: ExclusiveLock<'_>) -> Result<(), JournalError> {
///     let caught_up = journal.follow(&lock, &mut Vec::<(u64, Vec<u8>)>::new())?;
///     drop(lock);
///     journal.append(&caught_up, &[b"a record"])?;
///     Ok(())
/// }
/// ```
pub struct CaughtUp<'a> {
    lock: PhantomData<&'a ExclusiveLock<'a>>,
}

impl CaughtUp<'_> {
    pub(super) fn under<'a>(_: &'a ExclusiveLock<'_>) -> CaughtUp<'a> {
        CaughtUp { lock: PhantomData }
    }
}

impl Journal {
    /// Opens the journal `name` of `kind` (at most 8 ASCII characters, such as `till`), and creates
    /// it if it does not exist. Reads no records; [`Journal::follow`] does that. `lock` is the lock
    /// under which its users append.
    ///
    /// # Errors
    /// The file cannot be opened, or is not a journal of this kind.
    pub fn open_or_create(
        directory: &dyn Directory,
        name: &str,
        kind: &str,
        entropy: &dyn Entropy,
        lock: &ExclusiveLock<'_>,
    ) -> Result<Journal, JournalError> {
        let (file, path, header) = open_or_make(directory, name, kind, entropy)?;
        make_header(file.as_ref(), &path, directory, header, lock)?;
        Journal::with_file(file, path, kind)
    }

    /// Opens an existing journal for reading and appending. Reads no records.
    ///
    /// # Errors
    /// The file does not exist ([`JournalError::Deleted`]), cannot be opened, or is not a journal
    /// of this kind.
    pub(crate) fn open_to_append(
        directory: &dyn Directory,
        name: &str,
        kind: &str,
    ) -> Result<Journal, JournalError> {
        match open_file(directory, name, Open::Write) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                Err(JournalError::Deleted { path: error.path })
            }
            opened => {
                let (file, path) = opened?;
                Journal::with_file(file, path, kind)
            }
        }
    }

    /// Opens an existing journal for reading only: appending fails. Reads no records.
    ///
    /// # Errors
    /// The file does not exist, cannot be opened, or is not a journal of this kind.
    pub fn open_to_read(
        directory: &dyn Directory,
        name: &str,
        kind: &str,
    ) -> Result<Journal, JournalError> {
        let (file, path) = open_file(directory, name, Open::Read)?;
        Journal::with_file(file, path, kind)
    }

    pub(super) fn with_file(
        file: Arc<dyn File>,
        path: PathBuf,
        kind: &str,
    ) -> Result<Journal, JournalError> {
        let mut header = [0; HEADER_SIZE as usize];
        match file.read_at(&mut header, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => header.fill(0),
            read => read.map_err(FileError::on("read", &path))?,
        }
        let seed = format::read_header(&header, kind).map_err(|found| {
            let (path, expected) = (path.clone(), kind.to_string());
            JournalError::NotAJournal { path, expected, found }
        })?;
        #[cfg(feature = "vendor")]
        let shared_sync = Arc::new(SharedSync::new(Arc::clone(&file), path.clone()));
        let (end, in_doubt, buffer) = (HEADER_SIZE, false, Vec::new());
        Ok(Journal {
            file,
            #[cfg(feature = "vendor")]
            shared_sync,
            path,
            seed,
            end,
            in_doubt,
            buffer,
        })
    }

    /// The path of the file, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The offset after the last record that this handle knows.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The size of the file in bytes, even if it was deleted.
    ///
    /// # Errors
    /// The file cannot be inspected.
    pub(crate) fn size(&self) -> Result<u64, JournalError> {
        Ok(self.file.size().map_err(FileError::on("read the size of", &self.path))?)
    }

    /// Checks that the file still has a name.
    ///
    /// # Errors
    /// The file was deleted ([`JournalError::Deleted`]), or cannot be inspected.
    pub(crate) fn check_name(&self) -> Result<(), JournalError> {
        match self.file.links().map_err(FileError::on("inspect", &self.path))? {
            0 => Err(JournalError::Deleted { path: self.path.clone() }),
            _ => Ok(()),
        }
    }

    /// Applies every complete record from [`Journal::end`] to `state` and moves the end behind it.
    /// Leaves a torn tail as it is.
    ///
    /// # Errors
    /// The file cannot be read, was deleted, or is broken, or `state` rejects a record. The end is
    /// then behind the last applied record, so the next call fails in the same way.
    pub fn replay<S: Replay>(&mut self, state: &mut S) -> Result<Tail, S::Error> {
        self.check_name()?;
        let size = self.size()?;
        if size < self.end {
            let (path, expected) = (self.path.clone(), self.end);
            return Err(JournalError::Shrunk { path, expected, found: size }.into());
        }
        let mut chunk = Vec::new();
        while self.end < size {
            let begin = self.end;
            let wanted = (size - begin).min(CHUNK_SIZE as u64);
            chunk.resize(wanted as usize, 0);
            self.read_exact(&mut chunk, begin)?;
            self.apply_all(&chunk, state)?;
            let rest = &chunk[(self.end - begin) as usize..];
            let is_cut_by_chunk = begin + wanted < size && rest.len() < LARGEST_RECORD;
            if self.end < size && !is_cut_by_chunk {
                return Ok(self.judge_tail(rest, size - self.end)?);
            }
        }
        Ok(Tail::Clean)
    }

    /// Applies the complete records at the head of `bytes`, which begin at the journal's end.
    fn apply_all<S: Replay>(&mut self, bytes: &[u8], state: &mut S) -> Result<(), S::Error> {
        let mut rest = bytes;
        while let Some(payload) = record_at(rest, self.seed) {
            state.apply(&Record { offset: self.end, payload, path: &self.path })?;
            let size = RECORD_HEADER_SIZE + payload.len();
            self.end += size as u64;
            rest = &rest[size..];
        }
        Ok(())
    }

    /// Distinguishes a torn tail from a broken middle: `bytes` do not begin with a complete record.
    fn judge_tail(&self, bytes: &[u8], rest: u64) -> Result<Tail, JournalError> {
        let record_follows =
            || (1..bytes.len()).any(|at| record_at(&bytes[at..], self.seed).is_some());
        if rest < LARGEST_RECORD as u64 && !record_follows() {
            return Ok(Tail::Torn(rest));
        }
        Err(JournalError::Broken { path: self.path.clone(), at: self.end, bytes: rest })
    }

    /// Prepares the journal for appending: applies every record from [`Journal::end`] to `state`,
    /// and cuts off a torn tail.
    ///
    /// # Errors
    /// As for [`Journal::replay`], or the tail cannot be cut off.
    pub fn follow<'a, S: Replay>(
        &mut self,
        lock: &'a ExclusiveLock<'_>,
        state: &mut S,
    ) -> Result<CaughtUp<'a>, S::Error> {
        let caught_up = CaughtUp::under(lock);
        if let Tail::Torn(_) = self.replay(state)? {
            self.cut(&caught_up, self.end)?;
        }
        Ok(caught_up)
    }

    /// Cuts off everything from `offset`, which is the beginning of a record.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub(crate) fn cut(&mut self, _: &CaughtUp<'_>, offset: u64) -> Result<(), JournalError> {
        self.end = offset;
        Ok(self.file.set_size(offset).map_err(FileError::on("cut", &self.path))?)
    }

    /// Reads one record whose offset is known.
    ///
    /// # Errors
    /// The file cannot be read, or no record begins at `offset`.
    pub fn read(&self, offset: u64) -> Result<Vec<u8>, JournalError> {
        let mut header = [0; RECORD_HEADER_SIZE];
        self.read_exact(&mut header, offset)?;
        let broken = || JournalError::Broken { path: self.path.clone(), at: offset, bytes: 0 };
        let size = format::payload_size(&header).ok_or_else(broken)?;
        let mut record = vec![0; RECORD_HEADER_SIZE + size];
        self.read_exact(&mut record, offset)?;
        record_at(&record, self.seed).map(<[u8]>::to_vec).ok_or_else(broken)
    }

    fn read_exact(&self, bytes: &mut [u8], offset: u64) -> Result<(), JournalError> {
        Ok(self.file.read_at(bytes, offset).map_err(FileError::on("read", &self.path))?)
    }

    /// Copies the journal, as far as this handle has read it, into the new file `name`, with one
    /// more record at the end. The header comes last: before the copy is complete and durable, with
    /// that record, it is not a journal. The name is not durable before the directory is synced.
    ///
    /// # Errors
    /// A file cannot be read or written. The copy may then exist, and is not a journal.
    #[cfg(feature = "wallet")]
    pub(crate) fn copy_with(
        &self,
        directory: &dyn Directory,
        name: &str,
        last: &[u8],
    ) -> Result<(), JournalError> {
        let path = directory.path().join(name);
        let copy = directory.open(name, Open::CreateNew).map_err(FileError::on("make", &path))?;
        let on_write = || FileError::on("write", &path);
        let mut at = HEADER_SIZE;
        while at < self.end {
            let mut bytes = vec![0; (self.end - at).min(CHUNK_SIZE as u64) as usize];
            self.read_exact(&mut bytes, at)?;
            copy.write_at(&bytes, at).map_err(on_write())?;
            at += bytes.len() as u64;
        }
        let mut record = Vec::new();
        format::push_record(&mut record, last, self.seed)?;
        copy.write_at(&record, at).map_err(on_write())?;
        copy.sync().map_err(on_write())?;
        let mut header = [0; HEADER_SIZE as usize];
        self.read_exact(&mut header, 0)?;
        copy.write_at(&header, 0).map_err(on_write())?;
        Ok(copy.sync().map_err(on_write())?)
    }

    /// Appends the payloads in one write and returns the offset of the first. They are not durable
    /// before [`Journal::sync`].
    ///
    /// # Errors
    /// A payload is empty or too large, or the write failed. In both cases nothing was appended. If
    /// that cannot be ensured, the journal rejects everything until it is opened again.
    pub fn append(
        &mut self,
        caught_up: &CaughtUp<'_>,
        payloads: &[&[u8]],
    ) -> Result<u64, JournalError> {
        self.unstage();
        for payload in payloads {
            self.stage(payload)?;
        }
        self.append_staged(caught_up)
    }

    /// The offset after the staged records, once they are appended.
    pub(crate) fn staged_end(&self) -> u64 {
        self.end + self.buffer.len() as u64
    }

    /// Adds a payload to those that [`Journal::append_staged`] appends, and returns the offset that
    /// its record will have.
    ///
    /// # Errors
    /// The payload is empty or too large. It was not added.
    pub(crate) fn stage(&mut self, payload: &[u8]) -> Result<u64, JournalError> {
        let offset = self.staged_end();
        format::push_record(&mut self.buffer, payload, self.seed)?;
        Ok(offset)
    }

    /// Discards the staged payloads.
    pub(crate) fn unstage(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(LARGEST_RECORD);
    }

    /// Appends the staged payloads in one write, as [`Journal::append`] does.
    ///
    /// # Errors
    /// The write failed. Nothing is staged any more.
    pub(crate) fn append_staged(&mut self, _: &CaughtUp<'_>) -> Result<u64, JournalError> {
        let appended = self.write_staged();
        self.unstage();
        appended
    }

    fn write_staged(&mut self) -> Result<u64, JournalError> {
        if self.in_doubt {
            return Err(JournalError::InDoubt { path: self.path.clone() });
        }
        let offset = self.end;
        if let Err(error) = self.file.write_at(&self.buffer, offset) {
            self.in_doubt = self.file.set_size(offset).is_err();
            return Err(FileError::on("append to", &self.path)(error).into());
        }
        self.end += self.buffer.len() as u64;
        Ok(offset)
    }

    /// Makes everything appended durable. Needs no lock.
    ///
    /// # Errors
    /// The sync failed. What was appended since the last successful sync may be lost, and the
    /// journal rejects further records until it is opened again.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.file.sync().map_err(|error| {
            self.in_doubt = true;
            FileError::on("sync", &self.path)(error).into()
        })
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &Arc<dyn File> {
        &self.file
    }
}

pub(super) fn open_file(
    directory: &dyn Directory,
    name: &str,
    how: Open,
) -> Result<(Arc<dyn File>, PathBuf), FileError> {
    let path = directory.path().join(name);
    let file = directory.open(name, how).map_err(FileError::on("open", &path))?;
    Ok((Arc::from(file), path))
}

/// Opens a file and creates it if it does not exist. Also returns the header for it, drawn before
/// the file is created, so that a failing source of randomness leaves no empty file.
pub(super) fn open_or_make<'a>(
    directory: &dyn Directory,
    name: &str,
    kind: &'a str,
    entropy: &'a dyn Entropy,
) -> Result<(Arc<dyn File>, PathBuf, NewHeader<'a>), FileError> {
    let draw = || format::new_header(kind, entropy);
    let header: NewHeader<'a> = match directory.stamp(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let drawn = draw().map_err(FileError::on("write", directory.path().join(name)))?;
            Box::new(move || Ok(drawn))
        }
        _ => Box::new(draw),
    };
    let (file, path) = open_file(directory, name, Open::Create)?;
    Ok((file, path, header))
}

/// Returns the header of a new journal, with a random seed.
pub(super) type NewHeader<'a> = Box<dyn FnOnce() -> io::Result<Header> + 'a>;

/// Writes the header of a new journal, and makes the file's name durable before its first record.
pub(super) fn make_header(
    file: &dyn File,
    path: &Path,
    directory: &dyn Directory,
    header: NewHeader<'_>,
    _: &ExclusiveLock<'_>,
) -> Result<(), FileError> {
    let size = file.size().map_err(FileError::on("read the size of", path))?;
    if size < HEADER_SIZE {
        // New, or cut off by a crash: it cannot contain an acknowledged record.
        let written = header().and_then(|header| file.write_at(&header, 0));
        written.map_err(FileError::on("write", path))?;
    }
    if size <= HEADER_SIZE {
        // The process that created the file may have been killed before it synced. A record must
        // not be durable before its file's name is.
        file.sync().map_err(FileError::on("sync", path))?;
        directory.sync().map_err(FileError::on("sync", directory.path()))?;
    }
    Ok(())
}
