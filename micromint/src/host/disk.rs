//! Directories and files on disk.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(feature = "vendor")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, OFlags, SeekFrom, Statx, StatxFlags};
use rustix::io::Errno;

#[cfg(feature = "vendor")]
use super::mapped::Mapping;
use super::{Directory, File, FileStatus, Lock, Open, Seen, Stamp, TryRead};

/// The mode of the files that are created.
const FILE_MODE: u32 = 0o600;
/// The mode of the files that every user may read.
const PUBLIC_FILE_MODE: u32 = 0o644;
/// The user ID of root.
const ROOT: u32 = 0;

/// How long to wait for a lock before the user is told.
const SILENT_WAIT: Duration = Duration::from_secs(1);

/// Tells the user that a lock on this file is awaited.
pub type WaitNotice = fn(&Path);

/// A directory on disk.
#[derive(Clone, Debug)]
pub struct DiskDirectory {
    path: PathBuf,
    wait_notice: Option<WaitNotice>,
}

impl DiskDirectory {
    /// The directory at `path`. Does not access it.
    pub fn new(path: impl Into<PathBuf>) -> DiskDirectory {
        DiskDirectory { path: path.into(), wait_notice: None }
    }

    /// Sets a function that is called, once for each lock, if a lock on a file of this directory is
    /// not free within a second. The default is to wait silently.
    #[must_use]
    pub fn with_wait_notice(self, notice: WaitNotice) -> DiskDirectory {
        DiskDirectory { wait_notice: Some(notice), ..self }
    }

    /// The directory of the file at `path`, and the file's name.
    ///
    /// # Errors
    /// `InvalidInput` if `path` has no file name, or one that is not UTF-8.
    pub fn of_file(path: &Path) -> io::Result<(DiskDirectory, String)> {
        let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        let name = path.file_name().ok_or_else(|| invalid("expected a file name"))?;
        let name = name.to_str().ok_or_else(|| invalid("expected a file name in UTF-8"))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Ok((DiskDirectory::new(parent), name.to_string()))
    }

    /// Creates a file with mode 0600, whatever the umask; it must not exist. If root creates it in
    /// the directory of another user, that user becomes its owner: a tool run by root must not
    /// leave files that the server cannot open.
    fn make_file(&self, path: &Path) -> io::Result<fs::File> {
        let flags = OFlags::NOATIME.bits() as i32;
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .mode(FILE_MODE)
            .create_new(true)
            .custom_flags(flags)
            .open(path)?;
        let metadata = file.metadata()?;
        if metadata.mode() & 0o7777 != FILE_MODE {
            file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
        }
        if metadata.uid() == ROOT {
            let directory = fs::metadata(&self.path)?;
            if directory.uid() != ROOT {
                fchown(&file, Some(directory.uid()), Some(directory.gid()))?;
            }
        }
        Ok(file)
    }

    fn file(&self, name: &str) -> io::Result<PathBuf> {
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("expected a file name, found {name:?}"),
            ));
        }
        Ok(self.path.join(name))
    }
}

impl Directory for DiskDirectory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let path = self.file(name)?;
        let file = match how {
            Open::Read | Open::Write => open_file(&path, how)?,
            Open::CreateNew => self.make_file(&path)?,
            Open::Create => match open_file(&path, how) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match self.make_file(&path) {
                        // Another process was faster.
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                            open_file(&path, how)?
                        }
                        made => made?,
                    }
                }
                opened => opened?,
            },
        };
        Ok(Box::new(DiskFile {
            waiting: self.wait_notice.map(|notice| (path, notice)),
            file: Arc::new(file),
            cannot_try: AtomicBool::new(false),
            #[cfg(feature = "vendor")]
            mapping: OnceLock::new(),
        }))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn stamp(&self, name: &str) -> io::Result<Stamp> {
        let metadata = fs::metadata(self.file(name)?)?;
        let nanoseconds =
            |seconds: i64, rest: i64| (seconds as u64).wrapping_mul(1_000_000_000) + rest as u64;
        let modified = nanoseconds(metadata.mtime(), metadata.mtime_nsec());
        let changed = nanoseconds(metadata.ctime(), metadata.ctime_nsec());
        Ok(Stamp([metadata.len(), metadata.ino(), modified, changed]))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.file(name)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file(from)?, self.file(to)?)
    }

    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    fn free_space(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.path)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn is_on_network(&self) -> io::Result<bool> {
        // The numbers are the f_type values of statfs(2).
        const NETWORK: [u64; 9] = [
            0x6969,      // nfs
            0x517b,      // smb
            0xff53_4d42, // cifs
            0xfe53_4d42, // smb2
            0x5346_414f, // afs
            0x00c3_6400, // ceph
            0x7375_7245, // coda
            0x0bd0_0bd0, // lustre
            0x0116_1970, // gfs2
        ];
        let kind = rustix::fs::statfs(&self.path)?.f_type as u64 & 0xffff_ffff;
        Ok(NETWORK.contains(&kind))
    }
}

/// Opens an existing file, without waiting for the other end of a pipe.
///
/// # Errors
/// An error of the operating system; or it is no plain file, or a link by which another user leads
/// to a file that is not theirs: root reads and writes in folders of other users.
fn open_file(path: &Path, how: Open) -> io::Result<fs::File> {
    let file = match open_with(path, how, OFlags::NOFOLLOW) {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return open_linked(path, how);
        }
        opened => opened?,
    };
    check_plain(&file)?;
    Ok(file)
}

/// Opens so that reads do not update the access time, which would cost a write for every read after
/// a change. The system does not allow that for files of other users.
fn open_with(path: &Path, how: Open, flags: OFlags) -> io::Result<fs::File> {
    let open = |flags: OFlags| {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(how != Open::Read).custom_flags(flags.bits() as i32).open(path)
    };
    let flags = flags | OFlags::NONBLOCK;
    match open(flags | OFlags::NOATIME) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open(flags),
        opened => opened,
    }
}

/// Opens the file that a link leads to.
fn open_linked(path: &Path, how: Open) -> io::Result<fs::File> {
    let file = open_with(path, how, OFlags::empty())?;
    check_plain(&file)?;
    // The link is looked at last: whoever replaces it meanwhile owns the new one.
    let link = fs::symlink_metadata(path)?.uid();
    if ![ROOT, file.metadata()?.uid(), rustix::process::geteuid().as_raw()].contains(&link) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it is a link of user {link} to a file of another user"),
        ));
    }
    Ok(file)
}

fn check_plain(file: &fs::File) -> io::Result<()> {
    match file.metadata()?.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a plain file")),
    }
}

/// An open file on disk.
struct DiskFile {
    file: Arc<fs::File>,
    /// Whether the file system has no reads that do not wait. It is asked once.
    cannot_try: AtomicBool,
    /// Its path, and what to call if a lock is not free.
    waiting: Option<(PathBuf, WaitNotice)>,
    /// The mapped part, after a call of [`File::map`]. Only the till uses it.
    #[cfg(feature = "vendor")]
    mapping: OnceLock<Option<Mapping>>,
}

impl DiskFile {
    /// Waits for the lock, silently.
    fn wait_for(&self, how: Lock) -> io::Result<()> {
        // A signal may interrupt the wait; try again.
        loop {
            let locked = match how {
                Lock::Shared => self.file.lock_shared(),
                Lock::Exclusive => self.file.lock(),
            };
            match locked {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                locked => return locked,
            }
        }
    }

    #[cfg(feature = "vendor")]
    fn mapping(&self) -> Option<&Mapping> {
        self.mapping.get()?.as_ref()
    }

    /// Asks for these fields only. If a program asks for the times of a file, the kernel gives the
    /// next change a time of its own and writes that to the inode. Without it a change costs half
    /// as much.
    fn statx(&self, what: StatxFlags) -> io::Result<Statx> {
        Ok(rustix::fs::statx(&self.file, "", AtFlags::EMPTY_PATH, what)?)
    }
}

impl File for DiskFile {
    fn size(&self) -> io::Result<u64> {
        // Seeking takes half as long as asking for the size. No code uses the file position: all
        // reads and writes have an offset.
        Ok(rustix::fs::seek(&self.file, SeekFrom::End(0))?)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn try_read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<TryRead> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        if self.cannot_try.load(Ordering::Relaxed) {
            return Ok(TryRead::Unsupported);
        }
        let len = bytes.len();
        match preadv2(&self.file, &mut [io::IoSliceMut::new(bytes)], offset, ReadWriteFlags::NOWAIT)
        {
            Ok(count) if count == len => Ok(TryRead::Done(Seen { size: offset + len as u64 })),
            // A part is not in memory, or does not exist.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(TryRead::Waits),
            Err(Errno::OPNOTSUPP) => {
                self.cannot_try.store(true, Ordering::Relaxed);
                Ok(TryRead::Unsupported)
            }
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(feature = "vendor")]
    fn is_in_memory(&self) -> bool {
        self.mapping().is_some_and(Mapping::is_in_memory)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    #[cfg(feature = "vendor")]
    fn map(&self, size: u64) {
        self.mapping.get_or_init(|| Mapping::new(&self.file, size));
    }

    #[cfg(feature = "vendor")]
    fn is_mapped(&self) -> bool {
        self.mapping().is_some()
    }

    #[cfg(feature = "vendor")]
    fn reread_at(&self, seen: &Seen, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mapping = self.mapping().filter(|_| seen.covers(bytes.len(), offset));
        let is_read = mapping.is_some_and(|mapping| mapping.read(bytes, offset));
        if is_read { Ok(()) } else { self.read_at(bytes, offset) }
    }

    #[cfg(feature = "vendor")]
    fn rewrite_at(&self, seen: &Seen, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mapping = self.mapping().filter(|_| seen.covers(bytes.len(), offset));
        let is_written = mapping.is_some_and(|mapping| mapping.write(bytes, offset));
        if is_written { Ok(()) } else { self.write_at(bytes, offset) }
    }

    fn make_readable(&self) -> io::Result<()> {
        self.file.set_permissions(fs::Permissions::from_mode(PUBLIC_FILE_MODE))
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn links(&self) -> io::Result<u64> {
        Ok(self.statx(StatxFlags::NLINK)?.stx_nlink.into())
    }

    fn is_private(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.mode() & 0o077 == 0)
    }

    fn status(&self) -> io::Result<FileStatus> {
        let found = self.statx(StatxFlags::SIZE | StatxFlags::NLINK)?;
        Ok(FileStatus { seen: Seen { size: found.stx_size }, links: found.stx_nlink.into() })
    }

    fn lock(&self, how: Lock) -> io::Result<()> {
        let Some((path, notice)) = &self.waiting else { return self.wait_for(how) };
        if self.try_lock(how)? {
            return Ok(());
        }
        let (locked, waiting) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let tell = move || {
                if waiting.recv_timeout(SILENT_WAIT) == Err(RecvTimeoutError::Timeout) {
                    notice(path);
                }
            };
            // Without the thread, the wait is silent.
            let _ = thread::Builder::new().spawn_scoped(scope, tell);
            let result = self.wait_for(how);
            drop(locked);
            result
        })
    }

    fn try_lock(&self, how: Lock) -> io::Result<bool> {
        let locked = match how {
            Lock::Shared => self.file.try_lock_shared(),
            Lock::Exclusive => self.file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::host::{replace_public, replace_whole};

    fn mode(place: &Path, name: &str) -> u32 {
        fs::metadata(place.join(name)).unwrap().mode() & 0o7777
    }

    #[test]
    fn only_plain_files_are_opened() {
        let place = tempfile::tempdir().unwrap();
        let directory = DiskDirectory::new(place.path());
        let made = std::process::Command::new("mkfifo").arg(place.path().join("pipe")).status();
        assert!(made.unwrap().success());
        fs::create_dir(place.path().join("folder")).unwrap();
        for how in [Open::Read, Open::Write, Open::Create] {
            // Opening a pipe does not wait for its other end.
            let error = directory.open("pipe", how).err().unwrap();
            assert!(error.to_string().contains("expected a plain file"), "{error}");
            assert!(directory.open("folder", how).is_err());
        }
    }

    /// As root does in the folder of a web server, whose user may be an attacker.
    #[test]
    fn a_link_of_another_user_leads_root_to_their_files_alone() {
        let place = tempfile::tempdir().unwrap();
        if fs::metadata(place.path()).unwrap().uid() != ROOT {
            return;
        }
        let directory = DiskDirectory::new(place.path());
        for (file, link, is_opened) in
            [(0, 0, true), (0, 7, false), (8, 7, false), (7, 7, true), (7, 0, true)]
        {
            let path = |name: &str| place.path().join(name);
            fs::write(path("file"), "secret").unwrap();
            std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
            for (name, uid) in [("file", file), ("link", link)] {
                std::os::unix::fs::lchown(path(name), Some(uid), None).unwrap();
            }
            for how in [Open::Read, Open::Write, Open::Create] {
                match directory.open("link", how) {
                    Ok(_) => assert!(is_opened, "{file} {link}"),
                    Err(error) => {
                        assert!(!is_opened && error.to_string().contains("a link of user 7"));
                    }
                }
            }
            fs::remove_file(path("link")).unwrap();
            fs::remove_file(path("file")).unwrap();
        }
    }

    #[test]
    fn a_replaced_file_has_its_mode_whatever_the_old_file_had() {
        let place = tempfile::tempdir().unwrap();
        let directory = DiskDirectory::new(place.path());
        for _ in 0..2 {
            replace_whole(&directory, "secret", b"1").unwrap();
            replace_public(&directory, "list", b"1").unwrap();
            assert_eq!((mode(place.path(), "secret"), mode(place.path(), "list")), (0o600, 0o644));
            for name in ["secret", "list"] {
                let odd = fs::Permissions::from_mode(0o640);
                fs::set_permissions(place.path().join(name), odd).unwrap();
            }
        }
    }

    #[test]
    fn who_waits_for_a_lock_is_told_after_a_second() {
        static TOLD: std::sync::Mutex<Vec<PathBuf>> = std::sync::Mutex::new(Vec::new());
        let place = tempfile::tempdir().unwrap();
        let directory = DiskDirectory::new(place.path())
            .with_wait_notice(|path| TOLD.lock().unwrap().push(path.into()));
        let open = || directory.open("a", Open::Create).unwrap();
        let (first, second) = (open(), open());
        // Waits until the lock is released, which `is_enough` decides after this time. Returns how
        // long that took.
        let wait = |is_enough: fn(Duration) -> bool| {
            let began = Instant::now();
            first.lock(Lock::Exclusive).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !is_enough(began.elapsed()) {
                        thread::sleep(Duration::from_millis(10));
                    }
                    first.unlock().unwrap();
                });
                second.lock(Lock::Shared).unwrap();
            });
            second.unlock().unwrap();
            began.elapsed()
        };
        let took = wait(|waited| waited > SILENT_WAIT / 4);
        // A busy machine may take longer.
        assert!(TOLD.lock().unwrap().is_empty() || took >= SILENT_WAIT, "{took:?}");
        TOLD.lock().unwrap().clear();
        wait(|waited| !TOLD.lock().unwrap().is_empty() || waited.as_secs() > 60);
        assert_eq!(*TOLD.lock().unwrap(), [place.path().join("a")]);
    }

    /// A process that is killed after the rename leaves a file that its readers can open.
    #[test]
    fn a_public_file_is_readable_before_it_gets_its_name() {
        let place = tempfile::tempdir().unwrap();
        // A folder of that name makes the rename fail.
        fs::create_dir(place.path().join("list")).unwrap();
        replace_public(&DiskDirectory::new(place.path()), "list", b"1").unwrap_err();
        assert_eq!(mode(place.path(), ".list.new"), 0o644);
    }
}
