//! The one format for everything that is appended: the vendor's till, the wallet, the broker's records.
//!
//! In go payloads of 1 byte to 64 KiB, out come the same payloads in order, with their offsets. The
//! invariant: what a reader is given was written whole. A tail cut off by a crash is told apart from a
//! broken middle: the tail is cut away, since nobody was told that it was written; a break is an
//! error, never skipped in silence.
//!
//! The caller holds its lock while it opens, catches up and appends; making durable what was appended
//! needs no lock, and one sync serves all who wait for it ([`SharedSync`]).
//! Byte by byte the format is described in `docs/reference/journal.md`.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::FileError;
use crate::host::{Directory, Entropy, File, Open};

/// The largest payload of a record, in bytes.
pub const RECORD_SIZE_MAX: usize = 64 * 1024;

/// The size of the file header, in bytes.
pub const HEADER_SIZE: u64 = 32;
/// The size of a record's length and checksum, in bytes.
pub const RECORD_HEADER_SIZE: usize = 8;
const MAGIC: &[u8; 8] = b"MMjrnl1\n";
const KIND_SIZE: usize = 8;
/// How much is read at a time when catching up: a few of the largest records.
const CHUNK_SIZE: usize = 1024 * 1024;
const LARGEST_RECORD: usize = RECORD_HEADER_SIZE + RECORD_SIZE_MAX;

/// A journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no journal of this kind.
    #[error("{}: expected a journal of kind {expected:?}, found {found}", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// The kind asked for.
        expected: String,
        /// What its head shows.
        found: String,
    },
    /// A record in the middle is damaged.
    #[error("{}: broken at offset {at}, {bytes} bytes before the end; nothing was cut off", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where the damaged record begins.
        at: u64,
        /// How much follows.
        bytes: u64,
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

/// An open journal.
pub struct Journal {
    file: Arc<dyn File>,
    shared_sync: Arc<SharedSync>,
    path: PathBuf,
    seed: u32,
    /// All before this was read or written by this handle.
    end: u64,
    in_doubt: bool,
    /// Where records are put together that are written next; its room is used again.
    buffer: Vec<u8>,
}

/// What stands after the last whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Clean,
    /// A record that a crash cut off, so many bytes of it.
    Torn(u64),
}

impl Journal {
    /// Opens the journal `name` of `kind` (at most 8 ASCII characters, such as `till`), making it if
    /// it is absent. Nothing is read yet: [`Journal::catch_up`] does that.
    ///
    /// # Errors
    /// The file cannot be opened, or is no journal of this kind.
    pub fn open(
        directory: &dyn Directory,
        name: &str,
        kind: &str,
        entropy: &dyn Entropy,
    ) -> Result<Journal, JournalError> {
        let path = directory.path().join(name);
        let file = directory.open(name, Open::Create).map_err(FileError::on("open", &path))?;
        let size = file.size().map_err(FileError::on("read the size of", &path))?;
        if size < HEADER_SIZE {
            // New, or cut off while it was made: no record can have been acknowledged.
            write_header(file.as_ref(), kind, entropy).map_err(FileError::on("write", &path))?;
        }
        if size <= HEADER_SIZE {
            // Who made it may have been killed before this; a record must not outlive its file's name.
            file.sync().map_err(FileError::on("sync", &path))?;
            directory.sync().map_err(FileError::on("sync", directory.path()))?;
        }
        Journal::with_file(file, path, kind)
    }

    /// Opens a journal that must exist, for reading and appending.
    ///
    /// # Errors
    /// The file is absent or cannot be opened, or is no journal of this kind.
    pub fn open_present(
        directory: &dyn Directory,
        name: &str,
        kind: &str,
    ) -> Result<Journal, JournalError> {
        let path = directory.path().join(name);
        match directory.open(name, Open::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(JournalError::Deleted { path })
            }
            opened => {
                let file = opened.map_err(FileError::on("open", &path))?;
                Journal::with_file(file, path, kind)
            }
        }
    }

    /// Opens an existing journal for reading only; [`Journal::append`] then fails.
    ///
    /// # Errors
    /// The file cannot be opened, or is no journal of this kind.
    pub fn open_existing(
        directory: &dyn Directory,
        name: &str,
        kind: &str,
    ) -> Result<Journal, JournalError> {
        let path = directory.path().join(name);
        let file = directory.open(name, Open::Read).map_err(FileError::on("open", &path))?;
        Journal::with_file(file, path, kind)
    }

    fn with_file(file: Box<dyn File>, path: PathBuf, kind: &str) -> Result<Journal, JournalError> {
        let mut header = [0; HEADER_SIZE as usize];
        match file.read_at(&mut header, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => header.fill(0),
            read => read.map_err(FileError::on("read", &path))?,
        }
        let seed = read_header(&header, kind).map_err(|found| JournalError::NotAJournal {
            path: path.clone(),
            expected: kind.to_string(),
            found,
        })?;
        let file: Arc<dyn File> = Arc::from(file);
        let shared_sync = Arc::new(SharedSync::new(Arc::clone(&file), path.clone()));
        Ok(Journal {
            file,
            shared_sync,
            path,
            seed,
            end: HEADER_SIZE,
            in_doubt: false,
            buffer: Vec::new(),
        })
    }

    /// The offset after the last record known to this handle.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Moves the handle to `offset`, which must be the end of a record seen earlier, such as the one
    /// that an index reflects. The next [`Journal::catch_up`] begins there.
    pub fn set_end(&mut self, offset: u64) {
        self.end = offset.max(HEADER_SIZE);
    }

    /// The size of the file in bytes, deleted or not.
    ///
    /// # Errors
    /// The operating system's.
    pub fn size(&self) -> Result<u64, JournalError> {
        Ok(self.file.size().map_err(FileError::on("read the size of", &self.path))?)
    }

    /// Sees that the file still has a name.
    ///
    /// # Errors
    /// The operating system's, and [`JournalError::Deleted`].
    pub fn check_name(&self) -> Result<(), JournalError> {
        match self.file.links().map_err(FileError::on("inspect", &self.path))? {
            0 => Err(JournalError::Deleted { path: self.path.clone() }),
            _ => Ok(()),
        }
    }

    /// Gives `visit` every whole record from [`Journal::end`] on, with the offset at which it begins,
    /// and moves the end past them. A torn tail is left where it is; [`Journal::cut_tail`] removes it.
    ///
    /// # Errors
    /// The file cannot be read, was deleted, or is broken. `end` is then after the last good record.
    pub fn catch_up(&mut self, mut visit: impl FnMut(u64, &[u8])) -> Result<Tail, JournalError> {
        self.check_name()?;
        let size = self.size()?;
        if size < self.end {
            return Err(JournalError::Shrunk {
                path: self.path.clone(),
                expected: self.end,
                found: size,
            });
        }
        let mut chunk = Vec::new();
        while self.end < size {
            let wanted = (size - self.end).min(CHUNK_SIZE as u64) as usize;
            chunk.resize(wanted, 0);
            self.file.read_at(&mut chunk, self.end).map_err(FileError::on("read", &self.path))?;
            let mut at = 0;
            while let Some(payload) = record_at(&chunk[at..], self.seed) {
                visit(self.end + at as u64, payload);
                at += RECORD_HEADER_SIZE + payload.len();
            }
            self.end += at as u64;
            let rest = size - self.end;
            let is_cut_by_chunk =
                self.end - at as u64 + (wanted as u64) < size && wanted - at < LARGEST_RECORD;
            if rest > 0 && !is_cut_by_chunk {
                return self.judge_tail(&chunk[at..], rest);
            }
        }
        Ok(Tail::Clean)
    }

    /// Tells a torn tail from a break: `bytes` begin with no whole record.
    fn judge_tail(&self, bytes: &[u8], rest: u64) -> Result<Tail, JournalError> {
        let record_follows =
            || (1..bytes.len()).any(|at| record_at(&bytes[at..], self.seed).is_some());
        if rest < LARGEST_RECORD as u64 && !record_follows() {
            return Ok(Tail::Torn(rest));
        }
        Err(JournalError::Broken { path: self.path.clone(), at: self.end, bytes: rest })
    }

    /// Cuts away what stands after [`Journal::end`], after [`Journal::catch_up`] called it torn.
    ///
    /// # Errors
    /// The operating system's.
    pub fn cut_tail(&mut self) -> Result<(), JournalError> {
        Ok(self.file.set_size(self.end).map_err(FileError::on("cut", &self.path))?)
    }

    /// Reads one record whose offset is known.
    ///
    /// # Errors
    /// The file cannot be read, or no record begins there.
    pub fn read(&self, offset: u64) -> Result<Vec<u8>, JournalError> {
        let mut header = [0; RECORD_HEADER_SIZE];
        self.file.read_at(&mut header, offset).map_err(FileError::on("read", &self.path))?;
        let broken = || JournalError::Broken { path: self.path.clone(), at: offset, bytes: 0 };
        let length = payload_size(&header).ok_or_else(broken)?;
        let mut record = vec![0; RECORD_HEADER_SIZE + length];
        self.file.read_at(&mut record, offset).map_err(FileError::on("read", &self.path))?;
        record_at(&record, self.seed).map(<[u8]>::to_vec).ok_or_else(broken)
    }

    /// Appends the payloads in one write and gives the offset of the first. The caller holds its lock
    /// and has caught up. Not yet durable: [`Journal::sync`].
    ///
    /// # Errors
    /// A payload of a wrong size, or the write failed; then the file was cut back to where it was. If
    /// even that failed the journal refuses everything until it is opened again.
    pub fn append(&mut self, payloads: &[&[u8]]) -> Result<u64, JournalError> {
        if self.in_doubt {
            return Err(JournalError::InDoubt { path: self.path.clone() });
        }
        self.buffer.clear();
        for payload in payloads {
            push_record(&mut self.buffer, payload, self.seed)?;
        }
        let offset = self.end;
        if let Err(error) = self.file.write_at(&self.buffer, offset) {
            self.in_doubt = self.file.set_size(offset).is_err();
            return Err(FileError::on("append to", &self.path)(error).into());
        }
        self.end += self.buffer.len() as u64;
        self.buffer.shrink_to(LARGEST_RECORD);
        Ok(offset)
    }

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// The operating system's. What was appended since the last success is then in doubt, and the
    /// journal refuses to append until it is opened again.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.file.sync().map_err(|error| {
            self.in_doubt = true;
            FileError::on("sync", &self.path)(error).into()
        })
    }

    /// The file itself, such as for its lock.
    pub fn file(&self) -> &dyn File {
        self.file.as_ref()
    }

    /// What makes this journal durable without the caller's lock, for all threads that wait for it.
    pub fn shared_sync(&self) -> Arc<SharedSync> {
        Arc::clone(&self.shared_sync)
    }
}

/// Makes a journal durable for many threads at once: while one syncs, those who come meanwhile wait, and
/// the next sync serves them all (group commit).
pub struct SharedSync {
    file: Arc<dyn File>,
    path: PathBuf,
    state: Mutex<SyncState>,
    changed: Condvar,
}

#[derive(Default)]
struct SyncState {
    /// The furthest end that anyone asked for.
    wanted: u64,
    /// Everything before this is durable.
    durable: u64,
    is_running: bool,
    has_failed: bool,
    /// The syncs done.
    count: u64,
}

impl SharedSync {
    fn new(file: Arc<dyn File>, path: PathBuf) -> SharedSync {
        SharedSync { file, path, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Returns once everything before the offset `end` is durable. It must have been appended.
    ///
    /// # Errors
    /// The sync failed, now or earlier: what was appended since the last success is in doubt, and so is
    /// every later success of this handle.
    pub fn wait(&self, end: u64) -> Result<(), JournalError> {
        let mut state = self.state();
        state.wanted = state.wanted.max(end);
        loop {
            if state.has_failed {
                return Err(JournalError::InDoubt { path: self.path.clone() });
            }
            if state.durable >= end {
                return Ok(());
            }
            if state.is_running {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_running = true;
            let target = state.wanted;
            drop(state);
            let synced = self.file.sync();
            state = self.state();
            state.is_running = false;
            state.count += 1;
            self.changed.notify_all();
            if let Err(error) = synced {
                state.has_failed = true;
                return Err(FileError::on("sync", &self.path)(error).into());
            }
            state.durable = state.durable.max(target);
        }
    }

    /// The syncs done so far.
    pub fn count(&self) -> u64 {
        self.state().count
    }

    fn state(&self) -> MutexGuard<'_, SyncState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_header(file: &dyn File, kind: &str, entropy: &dyn Entropy) -> io::Result<()> {
    let mut header = [0; HEADER_SIZE as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..8 + kind.len().min(KIND_SIZE)]
        .copy_from_slice(&kind.as_bytes()[..kind.len().min(KIND_SIZE)]);
    header[16..20].copy_from_slice(&(entropy.number()? as u32).to_le_bytes());
    let checksum = crc32c::crc32c(&header[..28]);
    header[28..].copy_from_slice(&checksum.to_le_bytes());
    file.write_at(&header, 0)
}

/// The seed of a header of this kind, or what was found instead.
fn read_header(header: &[u8; HEADER_SIZE as usize], kind: &str) -> Result<u32, String> {
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if &header[..8] != MAGIC {
        return Err(format!("{:?} at its head", String::from_utf8_lossy(&header[..8])));
    }
    if word(28) != crc32c::crc32c(&header[..28]) {
        return Err("a damaged header".to_string());
    }
    let found = String::from_utf8_lossy(&header[8..16]).trim_end_matches('\0').to_string();
    if found == kind { Ok(word(16)) } else { Err(format!("kind {found:?}")) }
}

fn push_record(bytes: &mut Vec<u8>, payload: &[u8], seed: u32) -> Result<(), JournalError> {
    if !(1..=RECORD_SIZE_MAX).contains(&payload.len()) {
        return Err(JournalError::RecordSize { found: payload.len() });
    }
    let length = (payload.len() as u32).to_le_bytes();
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&checksum(seed, &length, payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    Ok(())
}

/// The payload of the whole record at the head of `bytes`, or `None` if none stands there.
fn record_at(bytes: &[u8], seed: u32) -> Option<&[u8]> {
    let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER_SIZE>()?;
    let payload = rest.get(..payload_size(header)?)?;
    let found = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    (found == checksum(seed, &header[..4], payload)).then_some(payload)
}

/// The size of the payload that a record header announces, if it is an allowed one.
fn payload_size(header: &[u8; RECORD_HEADER_SIZE]) -> Option<usize> {
    let size = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    (1..=RECORD_SIZE_MAX).contains(&size).then_some(size)
}

/// CRC-32C over length and payload, begun with the file's seed so that bytes left over from another
/// journal do not pass.
fn checksum(seed: u32, length: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, length), payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{SimulatedDirectory, Survives, SystemEntropy};

    fn open(directory: &SimulatedDirectory) -> Journal {
        Journal::open(directory, "j", "till", &SystemEntropy).unwrap()
    }

    fn records(directory: &SimulatedDirectory) -> Result<(Vec<Vec<u8>>, Tail), JournalError> {
        let mut found = Vec::new();
        let tail = open(directory).catch_up(|_, payload| found.push(payload.to_vec()))?;
        Ok((found, tail))
    }

    #[test]
    fn what_was_appended_is_read_back_at_its_offset() {
        let directory = SimulatedDirectory::new();
        let mut journal = open(&directory);
        let payloads: Vec<Vec<u8>> =
            (0..200u32).map(|i| vec![i as u8; 1 + (i as usize * 331) % 60_000]).collect();
        let offsets: Vec<u64> = payloads.iter().map(|p| journal.append(&[p]).unwrap()).collect();
        assert_eq!(records(&directory).unwrap(), (payloads.clone(), Tail::Clean));
        for (offset, payload) in offsets.iter().zip(&payloads) {
            assert_eq!(&journal.read(*offset).unwrap(), payload);
        }
        assert!(journal.read(offsets[1] + 1).is_err());
    }

    #[test]
    fn payload_sizes_are_bounded() {
        let mut journal = open(&SimulatedDirectory::new());
        assert!(journal.append(&[&[0; RECORD_SIZE_MAX]]).is_ok());
        assert!(journal.append(&[&[0; RECORD_SIZE_MAX + 1]]).is_err());
        assert!(journal.append(&[&[]]).is_err());
    }

    /// Cuts the file at every byte of the last record: the others are read, the rest is torn, and
    /// after cutting it away the journal goes on.
    #[test]
    fn a_tail_cut_anywhere_is_torn_and_nothing_else_is_lost() {
        let directory = SimulatedDirectory::new();
        let mut journal = open(&directory);
        journal.append(&[b"one"]).unwrap();
        let whole = directory.bytes("j").unwrap().len();
        journal.append(&[b"second record"]).unwrap();
        let bytes = directory.bytes("j").unwrap();
        for cut in whole..bytes.len() {
            let after = SimulatedDirectory::new();
            after.put("j", &bytes[..cut]);
            let tail = if cut == whole { Tail::Clean } else { Tail::Torn((cut - whole) as u64) };
            assert_eq!(records(&after).unwrap(), (vec![b"one".to_vec()], tail));
            let mut journal = open(&after);
            journal.catch_up(|_, _| {}).unwrap();
            journal.cut_tail().unwrap();
            journal.append(&[b"three"]).unwrap();
            assert_eq!(records(&after).unwrap().0, [b"one".to_vec(), b"three".to_vec()]);
        }
    }

    #[test]
    fn a_damaged_middle_is_a_break_and_never_skipped() {
        let directory = SimulatedDirectory::new();
        let mut journal = open(&directory);
        journal.append(&[b"one", b"two", b"three"]).unwrap();
        let mut bytes = directory.bytes("j").unwrap();
        bytes[HEADER_SIZE as usize + 9] ^= 1;
        directory.put("j", &bytes);
        assert!(matches!(records(&directory), Err(JournalError::Broken { at: HEADER_SIZE, .. })));
        let long = [bytes[..HEADER_SIZE as usize].to_vec(), vec![0; LARGEST_RECORD]].concat();
        directory.put("j", &long);
        assert!(matches!(records(&directory), Err(JournalError::Broken { .. })));
        directory.put("j", &long[..long.len() - 1]);
        assert!(matches!(records(&directory), Ok((_, Tail::Torn(_)))));
    }

    #[test]
    fn files_of_another_kind_are_refused() {
        let directory = SimulatedDirectory::new();
        open(&directory);
        let error =
            Journal::open(&directory, "j", "wallet", &SystemEntropy).err().unwrap().to_string();
        assert!(
            error.contains("expected a journal of kind \"wallet\", found kind \"till\""),
            "{error}"
        );
        directory.put("j", &[b'x'; 99]);
        assert!(Journal::open(&directory, "j", "till", &SystemEntropy).is_err());
    }

    /// Crashes at every step of making a journal and appending to it: what was synced survives.
    #[test]
    fn synced_records_survive_a_crash_at_any_step() {
        for steps in 0..12 {
            let directory = SimulatedDirectory::new();
            directory.crash_after(steps);
            let mut synced = 0;
            if let Ok(mut journal) = Journal::open(&directory, "j", "till", &SystemEntropy) {
                for i in 0..3u8 {
                    let written = journal.append(&[&[i; 40]]).and_then(|_| journal.sync());
                    synced += usize::from(written.is_ok());
                }
            }
            for survives in
                [Survives::Written, Survives::Synced, Survives::Some(7), Survives::Some(99)]
            {
                let (found, _) = records(&directory.after_crash(survives)).unwrap();
                assert!(found.len() >= synced, "{steps} {survives:?}");
                assert!(found.iter().enumerate().all(|(i, payload)| payload == &vec![i as u8; 40]));
            }
        }
    }

    /// A process makes a journal and is killed before it syncs the directory; the next one appends,
    /// syncs and acknowledges; then the power fails.
    #[test]
    fn who_appends_first_makes_the_name_durable() {
        for steps in 0..4 {
            let directory = SimulatedDirectory::new();
            directory.crash_after(steps);
            assert!(Journal::open(&directory, "j", "till", &SystemEntropy).is_err());
            directory.go_on();
            let mut journal = open(&directory);
            journal.append(&[b"one"]).unwrap();
            journal.sync().unwrap();
            let after = directory.after_crash(Survives::Synced);
            assert_eq!(records(&after).unwrap().0, [b"one".to_vec()], "{steps}");
        }
    }

    #[test]
    fn a_journal_that_shrank_is_an_error() {
        let directory = SimulatedDirectory::new();
        let mut journal = open(&directory);
        journal.append(&[b"one"]).unwrap();
        journal.file().set_size(HEADER_SIZE).unwrap();
        assert!(matches!(journal.catch_up(|_, _| {}), Err(JournalError::Shrunk { .. })));
    }

    #[test]
    fn a_failed_sync_is_told_to_all_who_wait_and_never_forgotten() {
        let directory = SimulatedDirectory::new();
        let mut journal = open(&directory);
        journal.append(&[b"one"]).unwrap();
        let sync = journal.shared_sync();
        sync.wait(journal.end()).unwrap();
        assert_eq!(sync.count(), 1);
        sync.wait(journal.end()).unwrap();
        assert_eq!(sync.count(), 1);
        journal.append(&[b"two"]).unwrap();
        directory.crash_after(0);
        assert!(sync.wait(journal.end()).is_err());
        directory.go_on();
        assert!(sync.wait(journal.end()).is_err());
    }

    #[test]
    fn a_deleted_journal_is_an_error_and_no_empty_one() {
        let directory = SimulatedDirectory::new();
        let mut journal = open(&directory);
        directory.remove("j").unwrap();
        assert!(matches!(journal.catch_up(|_, _| {}), Err(JournalError::Deleted { .. })));
    }
}
