//! What a program passes in: the clock, randomness and files.
//!
//! The core has nothing ambient, so that a test, or a C program, can put its own in their place and a
//! crash can be replayed as a value. The real ones are [`SystemClock`], [`SystemEntropy`] and
//! [`DiskDirectory`]. wasm has none of them: a program there passes in its own.

#[cfg(not(target_family = "wasm"))]
mod disk;
#[cfg(feature = "vendor")]
mod mapped;
#[cfg(feature = "simulated-host")]
mod simulated;

use std::io;
use std::path::Path;

use crate::time::UnixTime;

#[cfg(not(target_family = "wasm"))]
pub use disk::DiskDirectory;
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
        Ok(u64::from_be_bytes(bytes))
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// The size in bytes.
    pub size: u64,
    /// The number of names that it has: 0 once it was deleted.
    pub links: u64,
}

/// What tells two states of a file apart without reading it: it differs whenever the file was replaced or
/// written to, as far as the operating system knows.
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

    /// As [`File::read_at`], unless that would have to wait for the disk: whether it was read.
    ///
    /// # Errors
    /// As for [`File::read_at`].
    fn try_read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<bool> {
        self.read_at(bytes, offset).map(|()| true)
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// The operating system's; part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Lets [`File::reread_at`] and [`File::rewrite_at`] reach the first `size` bytes, which must be there,
    /// without a call of the system, if this host can do that. Only the first call counts.
    fn map(&self, _size: u64) {}

    /// As [`File::read_at`], of bytes that are there, at less cost in the part that [`File::map`] named. It may
    /// wait for the disk.
    ///
    /// Where a file was cut this may end the process in place of an error. So the caller has just asked for its
    /// size, under a lock that it still holds.
    ///
    /// # Errors
    /// As for [`File::read_at`].
    fn reread_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_at(bytes, offset)
    }

    /// As [`File::write_at`], over bytes that are there, at less cost in the part that [`File::map`] named.
    ///
    /// Where a file was cut or its disk has failed this may end the process in place of an error. So the
    /// caller has just read these bytes, by [`File::read_at`] or as [`File::reread_at`] wants it, or written them,
    /// under a lock that it still holds, and the file system has just taken another write.
    ///
    /// # Errors
    /// As for [`File::write_at`].
    fn rewrite_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
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

    /// [`File::size`] and [`File::links`] at once.
    ///
    /// # Errors
    /// The operating system's.
    fn status(&self) -> io::Result<FileStatus> {
        Ok(FileStatus { size: self.size()?, links: self.links()? })
    }

    /// Waits for the lock. It belongs to this handle (as `flock` does) and excludes other handles, in
    /// this process and in others; dropping the handle gives it back.
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

/// Writes a whole file so that a crash leaves the old one or the new one, durably when this returns.
/// The new file has mode 0600.
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
