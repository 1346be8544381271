//! The environment that a program passes in: clock, randomness and files.
//!
//! The core uses nothing ambient, so that tests and C programs can substitute their own
//! implementations, and a crash can be simulated. The system's implementations are [`SystemClock`],
//! [`SystemEntropy`] and [`DiskDirectory`]. They do not exist on wasm, where a program passes in
//! its own.

#[cfg(not(target_family = "wasm"))]
mod disk;
#[cfg(feature = "vendor")]
mod mapped;
#[cfg(feature = "vendor")]
mod shared_file;
#[cfg(feature = "simulated-host")]
mod simulated;

use std::io;
use std::path::Path;

use crate::bytes::from_u64_be;
use crate::time::UnixTime;

#[cfg(not(target_family = "wasm"))]
pub use disk::{DiskDirectory, WaitNotice};
#[cfg(feature = "vendor")]
pub(crate) use shared_file::SharedFile;
#[cfg(feature = "simulated-host")]
pub use simulated::{Reads, SimulatedDirectory, Survives};

/// A source of the time.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> UnixTime;
}

/// The system's clock.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(not(target_family = "wasm"))]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 is read as 1970.
        UnixTime(since.map_or(0, |since| since.as_secs() as i64))
    }
}

/// A clock that does not move, for tests and for decisions about a given time.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub UnixTime);

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        self.0
    }
}

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// The source failed.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;

    /// An unpredictable number.
    ///
    /// # Errors
    /// The source failed.
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
    /// For reading. The file must exist.
    Read,
    /// For reading and writing. The file must exist.
    Write,
    /// For reading and writing. Creates the file with mode 0600 if it does not exist.
    Create,
    /// For reading and writing. Creates the file with mode 0600; it must not exist.
    CreateNew,
}

/// How a file is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Together with other shared locks.
    Shared,
    /// By one handle alone.
    Exclusive,
}

/// The status of an open file.
#[derive(Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// The bytes that exist.
    pub seen: Seen,
    /// The number of names (hard links); 0 after the file was deleted.
    pub links: u64,
}

/// The proof that the first bytes of a file existed a moment ago.
///
/// ```compile_fail,E0451
/// // No caller can make one without looking.
/// let seen = micromint::host::Seen { size: 4096 };
/// ```
///
/// Only [`File::look`], [`File::status`] and [`File::try_read_at`] return one, after they asked the
/// operating system. It is valid for that file. The caller holds the file's lock and drops this
/// value before the lock: afterwards another process may cut the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    size: u64,
}

impl Seen {
    /// The number of bytes that existed. The file may be larger.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether `count` bytes at `offset` existed.
    pub fn covers(&self, count: usize, offset: u64) -> bool {
        offset.checked_add(count as u64).is_some_and(|end| end <= self.size)
    }
}

/// The result of [`File::try_read_at`].
#[derive(Debug, PartialEq, Eq)]
pub enum TryRead {
    /// The bytes were read. The file has at least the bytes up to the last one read.
    Done(Seen),
    /// Reading them would have to wait for the disk. Nothing was read.
    Waits,
    /// The file system does not say whether a read has to wait. Nothing was read.
    Unsupported,
}

/// Identifies a state of a file without reading it. It changes whenever the file is replaced or
/// written, as far as the operating system can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp(pub [u64; 4]);

/// One directory and the files in it. Names are plain file names, not paths.
pub trait Directory: Send + Sync {
    /// Its path, for messages.
    fn path(&self) -> &Path;

    /// Opens a file.
    ///
    /// # Errors
    /// An error of the operating system.
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>>;

    /// The names of its files, sorted. Does not include directories.
    ///
    /// # Errors
    /// An error of the operating system.
    fn names(&self) -> io::Result<Vec<String>>;

    /// The stamp of a file.
    ///
    /// # Errors
    /// An error of the operating system.
    fn stamp(&self, name: &str) -> io::Result<Stamp> {
        let file = self.open(name, Open::Read)?;
        let mut bytes = vec![0; file.size()? as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(Stamp([bytes.len() as u64, crc32c::crc32c(&bytes).into(), 0, 0]))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// An error of the operating system.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file, and replaces `to` if it exists.
    ///
    /// # Errors
    /// An error of the operating system.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes created, renamed and removed names durable, so that they survive a power cut.
    ///
    /// # Errors
    /// An error of the operating system.
    fn sync(&self) -> io::Result<()>;

    /// The number of bytes that can still be written here; `u64::MAX` if it is not known.
    ///
    /// # Errors
    /// An error of the operating system.
    fn free_space(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    /// Whether this directory is on a network file system, where locks and appends are not
    /// reliable.
    ///
    /// # Errors
    /// An error of the operating system.
    fn is_on_network(&self) -> io::Result<bool>;
}

/// An open file. Reads and writes take an offset, so threads can share a handle.
pub trait File: Send + Sync {
    /// The size in bytes.
    ///
    /// # Errors
    /// An error of the operating system.
    fn size(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset`.
    ///
    /// # Errors
    /// An error of the operating system; `UnexpectedEof` if the file is too short.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Reads as [`File::read_at`] does, unless that has to wait for the disk.
    ///
    /// # Errors
    /// As for [`File::read_at`].
    fn try_read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<TryRead> {
        self.read_at(bytes, offset)?;
        Ok(TryRead::Done(Seen { size: offset + bytes.len() as u64 }))
    }

    /// Whether reads never wait for the disk because the file system has none (tmpfs). Its pages
    /// can be swapped out, as can the memory of the process itself.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// An error of the operating system. A part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Asks for the size, so that [`File::reread_at`] and [`File::rewrite_at`] can be called. The
    /// caller holds a lock that keeps other processes from cutting the file.
    ///
    /// # Errors
    /// An error of the operating system.
    fn look(&self) -> io::Result<Seen> {
        Ok(Seen { size: self.size()? })
    }

    /// Maps the first `size` bytes, which must exist, so that [`File::reread_at`] and
    /// [`File::rewrite_at`] need no system call for them. Does nothing on hosts that cannot map
    /// files, and in all calls after the first.
    fn map(&self, _size: u64) {}

    /// Whether [`File::map`] has mapped a part of the file.
    fn is_mapped(&self) -> bool {
        false
    }

    /// Reads as [`File::read_at`] does, but faster in the part that [`File::map`] has mapped. May
    /// wait for the disk.
    ///
    /// A mapping reports no errors: if the file is shorter than expected, the operating system
    /// kills the process. So the mapping is used only for bytes that `seen` covers, and a system
    /// call for all others.
    ///
    /// # Errors
    /// As for [`File::read_at`].
    fn reread_at(&self, _seen: &Seen, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_at(bytes, offset)
    }

    /// Writes as [`File::write_at`] does, but faster in the part that [`File::map`] has mapped.
    ///
    /// As in [`File::reread_at`], the mapping is used only for bytes that `seen` covers. A mapping
    /// does not report a failing or full disk either. So the caller has just written to another
    /// file of the same file system by a system call.
    ///
    /// # Errors
    /// As for [`File::write_at`].
    fn rewrite_at(&self, _seen: &Seen, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(bytes, offset)
    }

    /// Cuts the file, or extends it by zeros.
    ///
    /// # Errors
    /// An error of the operating system.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Lets every user of the machine read the file, whatever the umask. A new file can be read
    /// only by its owner. Does nothing on hosts whose files have no modes.
    ///
    /// # Errors
    /// An error of the operating system.
    fn make_readable(&self) -> io::Result<()> {
        Ok(())
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// An error of the operating system. What was written since the last success may be lost then,
    /// and a later success proves nothing about it.
    fn sync(&self) -> io::Result<()>;

    /// The number of names (hard links); 0 after the file was deleted.
    ///
    /// # Errors
    /// An error of the operating system.
    fn links(&self) -> io::Result<u64>;

    /// Whether only the file's owner may read and write it, as required for secrets.
    ///
    /// # Errors
    /// An error of the operating system.
    fn is_private(&self) -> io::Result<bool>;

    /// The results of [`File::look`] and [`File::links`].
    ///
    /// # Errors
    /// An error of the operating system.
    fn status(&self) -> io::Result<FileStatus> {
        Ok(FileStatus { seen: self.look()?, links: self.links()? })
    }

    /// Waits for the lock. It belongs to this handle (as with `flock`) and excludes other handles,
    /// in this process and in others. Dropping the handle releases it.
    ///
    /// # Errors
    /// An error of the operating system.
    fn lock(&self, how: Lock) -> io::Result<()>;

    /// Takes the lock if it is free. Returns whether it was.
    ///
    /// # Errors
    /// An error of the operating system.
    fn try_lock(&self, how: Lock) -> io::Result<bool>;

    /// Releases the lock.
    ///
    /// # Errors
    /// An error of the operating system.
    fn unlock(&self) -> io::Result<()>;
}

/// Holds a lock and releases it when dropped.
pub(crate) struct LockGuard<'a>(&'a dyn File);

impl<'a> LockGuard<'a> {
    /// Waits for the lock on `file`.
    ///
    /// # Errors
    /// An error of the operating system.
    pub(crate) fn new(file: &'a dyn File, how: Lock) -> io::Result<LockGuard<'a>> {
        file.lock(how)?;
        Ok(LockGuard(file))
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        // Unlocking fails only if the descriptor is closed, and then the lock is released.
        let _ = self.0.unlock();
    }
}

/// Holds an exclusive lock and releases it when dropped. Functions that need the lock take a
/// reference to this.
pub struct ExclusiveLock<'a> {
    _guard: LockGuard<'a>,
}

impl<'a> ExclusiveLock<'a> {
    /// Waits for the lock on `file`.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn new(file: &'a dyn File) -> io::Result<ExclusiveLock<'a>> {
        Ok(ExclusiveLock { _guard: LockGuard::new(file, Lock::Exclusive)? })
    }

    /// Takes the lock on `file` if it is free; `None` if it is not.
    ///
    /// # Errors
    /// An error of the operating system.
    #[cfg(feature = "vendor")]
    pub(crate) fn try_new(file: &'a dyn File) -> io::Result<Option<ExclusiveLock<'a>>> {
        let is_locked = file.try_lock(Lock::Exclusive)?;
        Ok(is_locked.then(|| ExclusiveLock { _guard: LockGuard(file) }))
    }
}

/// Reads a whole file of at most `size_max` bytes.
///
/// # Errors
/// An error of the operating system; `FileTooLarge` if the file is larger.
pub(crate) fn read_whole(
    directory: &dyn Directory,
    name: &str,
    size_max: u64,
) -> io::Result<Vec<u8>> {
    let file = directory.open(name, Open::Read)?;
    let size = file.size()?;
    if size > size_max {
        let text = format!("expected at most {size_max} bytes, found {size}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    let mut bytes = vec![0; size as usize];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Creates a file of mode 0600 with these bytes, durable when this returns. It must not exist.
///
/// # Errors
/// An error of the operating system; `AlreadyExists` if there is such a file. After any other there
/// is none.
pub fn create_whole(directory: &dyn Directory, name: &str, bytes: &[u8]) -> io::Result<()> {
    let file = directory.open(name, Open::CreateNew)?;
    let written =
        file.write_at(bytes, 0).and_then(|()| file.sync()).and_then(|()| directory.sync());
    written.inspect_err(|_| {
        // Nothing is in it that anybody could miss. The first error counts.
        let _ = directory.remove(name);
    })
}

/// Gives a whole file that was synced its name, durably. Replaces `to` if it exists.
///
/// # Errors
/// An error of the operating system.
pub(crate) fn publish(directory: &dyn Directory, from: &str, to: &str) -> io::Result<()> {
    directory.rename(from, to)?;
    directory.sync()
}

/// Replaces a whole file durably: after a crash it has either the old or the new content. The new
/// file has mode 0600.
///
/// # Errors
/// An error of the operating system. The old file is then unchanged.
pub fn replace_whole(directory: &dyn Directory, name: &str, bytes: &[u8]) -> io::Result<()> {
    replace(directory, name, bytes, Readers::Owner)
}

/// Replaces a whole file durably, as [`replace_whole`] does, by one that every user may read: mode
/// 0644, whatever the umask. For files that contain no secret and that web servers read, whose
/// workers run as other users.
///
/// # Errors
/// An error of the operating system. The old file is then unchanged.
pub fn replace_public(directory: &dyn Directory, name: &str, bytes: &[u8]) -> io::Result<()> {
    replace(directory, name, bytes, Readers::All)
}

/// Who may read a new file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Owner,
    All,
}

fn replace(
    directory: &dyn Directory,
    name: &str,
    bytes: &[u8],
    readers: Readers,
) -> io::Result<()> {
    let temporary = format!(".{name}.new");
    if directory.names()?.contains(&temporary) {
        directory.remove(&temporary)?;
    }
    let file = directory.open(&temporary, Open::CreateNew)?;
    let write = || {
        file.write_at(bytes, 0)?;
        // Before the rename, so that the name never has a file that its readers cannot open.
        if readers == Readers::All {
            file.make_readable()?;
        }
        file.sync()
    };
    if let Err(error) = write() {
        let _ = directory.remove(&temporary);
        return Err(error);
    }
    publish(directory, &temporary, name)
}
