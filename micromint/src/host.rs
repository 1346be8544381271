//! What a program passes in: the clock, randomness and files.
//!
//! The core has nothing ambient, so that a test, or a C program, can put its own in their place and
//! a crash can be replayed as a value. The real ones are [`SystemClock`], [`SystemEntropy`] and
//! [`DiskDirectory`]. wasm has none of them: a program there passes in its own.

#[cfg(not(target_family = "wasm"))]
mod disk;
#[cfg(feature = "vendor")]
mod mapped;
mod shared_file;
#[cfg(feature = "simulated-host")]
mod simulated;

use std::io;
use std::path::Path;

use crate::bytes::from_u64_be;
use crate::time::UnixTime;

#[cfg(not(target_family = "wasm"))]
pub use disk::DiskDirectory;
pub(crate) use shared_file::SharedFile;
#[cfg(feature = "simulated-host")]
pub use simulated::{SimulatedDirectory, Survives};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> UnixTime;
}

/// The machine's clock.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(not(target_family = "wasm"))]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 counts as 1970.
        UnixTime(since.map_or(0, |since| since.as_secs() as i64))
    }
}

/// A clock that stands still, for tests and for judging as of a given time.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub UnixTime);

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        self.0
    }
}

/// Gives unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// The source gives none.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;

    /// An unpredictable number.
    ///
    /// # Errors
    /// The source gives none.
    fn number(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(from_u64_be(bytes))
    }
}

/// The operating system's source of randomness.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

#[cfg(not(target_family = "wasm"))]
impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::from)
    }
}

/// How [`Directory::open`] opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; it must exist.
    Write,
    /// For reading and writing; made with mode 0600 if absent.
    Create,
    /// For reading and writing; made with mode 0600, must be absent.
    CreateNew,
}

/// How a file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// With other readers.
    Shared,
    /// Alone.
    Exclusive,
}

/// What the operating system knows of an open file.
#[derive(Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// The bytes that are there.
    pub seen: Seen,
    /// The number of names that it has: 0 once it was deleted.
    pub links: u64,
}

/// The proof that the first bytes of a file were there a moment ago.
///
/// ```compile_fail,E0451
/// // Nobody can claim to have seen what was not looked at.
/// let seen = micromint::host::Seen { size: 4096 };
/// ```
///
/// Only [`File::look`], [`File::status`] and [`File::try_read_at`] make one, from what the
/// operating system says. It goes with the file that it was asked of. Whoever keeps one holds the
/// lock of that file meanwhile and drops it before the lock: afterwards another process may cut the
/// file.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    size: u64,
}

impl Seen {
    /// How many bytes were there; the file may hold more.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether `count` bytes at `offset` were there.
    pub fn covers(&self, count: usize, offset: u64) -> bool {
        offset.checked_add(count as u64).is_some_and(|end| end <= self.size)
    }
}

/// What tells two states of a file apart without reading it: it differs whenever the file was
/// replaced or written to, as far as the operating system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp(pub [u64; 4]);

/// One directory and the files in it. Names are plain file names, never paths.
pub trait Directory: Send + Sync {
    /// Where it is, for messages.
    fn path(&self) -> &Path;

    /// Opens a file.
    ///
    /// # Errors
    /// The operating system's.
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>>;

    /// The names of its files, sorted; directories are left out.
    ///
    /// # Errors
    /// The operating system's.
    fn names(&self) -> io::Result<Vec<String>>;

    /// The stamp of a file.
    ///
    /// # Errors
    /// The operating system's.
    fn stamp(&self, name: &str) -> io::Result<Stamp> {
        let file = self.open(name, Open::Read)?;
        let mut bytes = vec![0; file.size()? as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(Stamp([bytes.len() as u64, crc32c::crc32c(&bytes).into(), 0, 0]))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file, replacing `to` if it exists.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the names durable: files made, renamed and removed stay so after a power cut.
    ///
    /// # Errors
    /// The operating system's.
    fn sync(&self) -> io::Result<()>;

    /// How many bytes can still be written here; `u64::MAX` where that is not known.
    ///
    /// # Errors
    /// The operating system's.
    fn free_space(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    /// Whether this directory lies on a network file system, where locks and appends do not hold.
    ///
    /// # Errors
    /// The operating system's.
    fn is_on_network(&self) -> io::Result<bool>;
}

/// An open file. Reads and writes name their place, so one handle serves many threads.
pub trait File: Send + Sync {
    /// The size in bytes.
    ///
    /// # Errors
    /// The operating system's.
    fn size(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset`.
    ///
    /// # Errors
    /// The operating system's; `UnexpectedEof` if the file ends before.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Reads as [`File::read_at`] does, unless that would have to wait for the disk. Returns `None`
    /// if it would, or else the proof that the bytes up to the last one read are there.
    ///
    /// # Errors
    /// As for [`File::read_at`].
    fn try_read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<Option<Seen>> {
        self.read_at(bytes, offset)?;
        Ok(Some(Seen { size: offset + bytes.len() as u64 }))
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// The operating system's; part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Asks for the size, so that [`File::reread_at`] and [`File::rewrite_at`] may be called. The
    /// caller holds a lock that keeps others from cutting the file.
    ///
    /// # Errors
    /// The operating system's.
    fn look(&self) -> io::Result<Seen> {
        Ok(Seen { size: self.size()? })
    }

    /// Maps the first `size` bytes, which must be there, so that [`File::reread_at`] and
    /// [`File::rewrite_at`] need no system call for them. Does nothing if this host cannot do that.
    /// Only the first call counts.
    fn map(&self, _size: u64) {}

    /// Reads as [`File::read_at`] does, at less cost in the part that [`File::map`] named. It may
    /// wait for the disk.
    ///
    /// A mapping reports no errors: if the file is shorter than it should be, the operating system
    /// ends the process. So memory is used only for bytes that `seen` covers, and a call for all
    /// others.
    ///
    /// # Errors
    /// As for [`File::read_at`].
    fn reread_at(&self, _seen: &Seen, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_at(bytes, offset)
    }

    /// Writes as [`File::write_at`] does, at less cost in the part that [`File::map`] named.
    ///
    /// As for [`File::reread_at`], memory is used only for bytes that `seen` covers. A mapping does
    /// not report a failed or full disk either, so the caller has just written to another file of
    /// the same file system by a call.
    ///
    /// # Errors
    /// As for [`File::write_at`].
    fn rewrite_at(&self, _seen: &Seen, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(bytes, offset)
    }

    /// Cuts or extends (by zeros) the file.
    ///
    /// # Errors
    /// The operating system's.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// The operating system's. After one nothing is known about what was written since the last
    /// success, and a later success says nothing about it.
    fn sync(&self) -> io::Result<()>;

    /// The number of names that the file has: 0 once it was deleted under us.
    ///
    /// # Errors
    /// The operating system's.
    fn links(&self) -> io::Result<u64>;

    /// Whether nobody but its owner may read or write it, as a file of secrets must be.
    ///
    /// # Errors
    /// The operating system's.
    fn is_private(&self) -> io::Result<bool>;

    /// [`File::look`] and [`File::links`] at once.
    ///
    /// # Errors
    /// The operating system's.
    fn status(&self) -> io::Result<FileStatus> {
        Ok(FileStatus { seen: self.look()?, links: self.links()? })
    }

    /// Waits for the lock. It belongs to this handle (as `flock` does) and excludes other handles,
    /// in this process and in others; dropping the handle gives it back.
    ///
    /// # Errors
    /// The operating system's.
    fn lock(&self, how: Lock) -> io::Result<()>;

    /// Takes the lock if it is free: whether it was.
    ///
    /// # Errors
    /// The operating system's.
    fn try_lock(&self, how: Lock) -> io::Result<bool>;

    /// Gives the lock back.
    ///
    /// # Errors
    /// The operating system's.
    fn unlock(&self) -> io::Result<()>;
}

/// Holds an exclusive or shared lock and gives it back when dropped.
pub struct LockGuard<'a>(&'a dyn File);

impl<'a> LockGuard<'a> {
    /// Waits for the lock on `file`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(file: &'a dyn File, how: Lock) -> io::Result<LockGuard<'a>> {
        file.lock(how)?;
        Ok(LockGuard(file))
    }

    /// Takes the lock on `file` if it is free; `None` if it is not.
    ///
    /// # Errors
    /// The operating system's.
    pub fn try_new(file: &'a dyn File, how: Lock) -> io::Result<Option<LockGuard<'a>>> {
        Ok(file.try_lock(how)?.then(|| LockGuard(file)))
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        // Unlocking a held lock fails only if the descriptor is gone, and then so is the lock.
        let _ = self.0.unlock();
    }
}

/// Holds an exclusive lock and gives it back when dropped. Functions that need the lock held take a
/// reference to this.
pub struct ExclusiveLock<'a> {
    _guard: LockGuard<'a>,
}

impl<'a> ExclusiveLock<'a> {
    /// Waits for the lock on `file`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(file: &'a dyn File) -> io::Result<ExclusiveLock<'a>> {
        Ok(ExclusiveLock { _guard: LockGuard::new(file, Lock::Exclusive)? })
    }

    /// Takes the lock on `file` if it is free; returns `None` if it is not.
    ///
    /// # Errors
    /// The operating system's.
    pub fn try_new(file: &'a dyn File) -> io::Result<Option<ExclusiveLock<'a>>> {
        let guard = LockGuard::try_new(file, Lock::Exclusive)?;
        Ok(guard.map(|guard| ExclusiveLock { _guard: guard }))
    }
}

/// Reads a whole file of at most `size_max` bytes.
///
/// # Errors
/// The operating system's; `FileTooLarge` past `size_max`.
pub fn read_whole(directory: &dyn Directory, name: &str, size_max: u64) -> io::Result<Vec<u8>> {
    let file = directory.open(name, Open::Read)?;
    let size = file.size()?;
    if size > size_max {
        let text = format!("{size} bytes, at most {size_max} are allowed");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    let mut bytes = vec![0; size as usize];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Writes a whole file so that a crash leaves the old one or the new one, durably when this
/// returns. The new file has mode 0600.
///
/// # Errors
/// The operating system's; the old file is then as it was.
pub fn replace_whole(directory: &dyn Directory, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!(".{name}.new");
    if directory.names()?.contains(&temporary) {
        directory.remove(&temporary)?;
    }
    let file = directory.open(&temporary, Open::CreateNew)?;
    let written = file.write_at(bytes, 0).and_then(|()| file.sync());
    if let Err(error) = written {
        let _ = directory.remove(&temporary);
        return Err(error);
    }
    directory.rename(&temporary, name)?;
    directory.sync()
}
