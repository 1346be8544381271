//! The folder of the till: made on a first start, and given to the user who serves.
//!
//! Input: its path, and the user who serves, if root prepares it. Output: the folder with its
//! `lock`, which that user can read and write. The invariants: only a new folder, an empty one or
//! one with a till in it is used; root gives away the files of a till and nothing else. The folder
//! above may belong to the user who serves, so whatever root finds there may have been put in its
//! place: root acts on what it has opened, not on names.

use std::ffi::OsStr;
use std::fs::{DirBuilder, Permissions, set_permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::sync_wanted::SYNC_WANTED_FILE;
use crate::error::FileError;
use crate::till::{LOCK_NAME, is_till_file};
use crate::vendor::blocked::BLOCKED_FILE;
use crate::vendor::views::VIEWS_NAME;
use crate::vendor::watch::SHOWN_FILE;

/// User and group of the processes that serve.
pub(in crate::vendor) type Owner = (u32, u32);

/// What a file system of its own has in its uppermost folder.
const LOST_AND_FOUND: &[u8] = b"lost+found";

/// Makes the folder of a till if it is missing, and its `lock`, and gives both, and the other files
/// of a till in it, to `owner`.
///
/// The folder has mode 0700, and missing parents 0755, so that the serving user gets to it. The
/// umask of the caller changes neither.
///
/// # Errors
/// The folder cannot be made or read, or has other files and no till; or it belongs to another user
/// and a link leads to it.
pub(super) fn prepare(path: &Path, owner: Option<Owner>) -> Result<(), FileError> {
    let is_new = make(path).map_err(FileError::on("make", path))?;
    let (folder, is_linked) = open(path, is_new).map_err(FileError::on("open", path))?;
    if is_new {
        // The umask may have taken rights away.
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o700))
            .map_err(io::Error::from)
            .map_err(FileError::on("set the mode of", path))?;
    }
    check_content(&folder).map_err(FileError::on("use as the till", path))?;
    make_lock(&folder).map_err(FileError::on("make", path.join(LOCK_NAME)))?;
    rustix::fs::fsync(&folder).map_err(io::Error::from).map_err(FileError::on("sync", path))?;
    match owner {
        Some(owner) => give(&folder, is_linked, owner).map_err(FileError::on("give away", path)),
        None => Ok(()),
    }
}

/// Gives a file at a path to `owner`, unless it is a link or has several names.
///
/// # Errors
/// An error of the operating system.
pub(super) fn give_file(path: &Path, owner: Owner) -> Result<(), FileError> {
    give_at(CWD, path.as_os_str(), owner).map_err(FileError::on("change the owner of", path))
}

/// Makes the folder; `false` if there is one.
fn make(path: &Path) -> io::Result<bool> {
    let missing = path
        .ancestors()
        .skip(1)
        .take_while(|above| !above.as_os_str().is_empty() && !above.exists());
    let missing: Vec<&Path> = missing.collect();
    for above in missing.into_iter().rev() {
        if make_folder(above, 0o755)? {
            set_permissions(above, Permissions::from_mode(0o755))?;
        }
    }
    make_folder(path, 0o700)
}

fn make_folder(path: &Path, mode: u32) -> io::Result<bool> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a folder. Returns whether a link leads to it, which cannot be for a new one.
fn open(path: &Path, is_new: bool) -> io::Result<(OwnedFd, bool)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(folder) => Ok((folder, false)),
        Err(Errno::LOOP | Errno::NOTDIR) if !is_new => {
            Ok((rustix::fs::open(path, flags, Mode::empty())?, true))
        }
        Err(error) => Err(error.into()),
    }
}

/// The names in a folder.
fn names(folder: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        names.push(entry?.file_name().to_bytes().to_vec());
    }
    names.retain(|name| name != b"." && name != b"..");
    Ok(names)
}

/// Whether the paywall makes files of this name in the folder of its till.
fn is_own(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    // Files are written under another name first.
    let name = name.strip_suffix(".new").unwrap_or(name);
    let name = name.strip_prefix('.').unwrap_or(name);
    is_till_file(name) || [BLOCKED_FILE, SHOWN_FILE, SYNC_WANTED_FILE, VIEWS_NAME].contains(&name)
}

fn check_content(folder: &OwnedFd) -> io::Result<()> {
    let names = names(folder)?;
    let other = names.iter().find(|name| name.as_slice() != LOST_AND_FOUND);
    match other {
        Some(other) if !names.iter().any(|name| is_own(name)) => Err(io::Error::other(format!(
            "expected a folder for the till alone, found {} in it and no till",
            String::from_utf8_lossy(other)
        ))),
        _ => Ok(()),
    }
}

fn make_lock(folder: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o600);
    let lock = match rustix::fs::openat(folder, LOCK_NAME, flags, mode) {
        Err(Errno::EXIST) => return Ok(()),
        opened => opened?,
    };
    rustix::fs::fchmod(&lock, mode)?;
    // A tool that root runs must not leave files that the server cannot open.
    let above = rustix::fs::fstat(folder)?;
    if rustix::fs::fstat(&lock)?.st_uid != above.st_uid {
        rustix::fs::fchown(&lock, Some(user(above.st_uid)), Some(group(above.st_gid)))?;
    }
    Ok(())
}

/// Gives a folder and the files of a till in it to `owner`.
fn give(folder: &OwnedFd, is_linked: bool, owner: Owner) -> io::Result<()> {
    let before = rustix::fs::fstat(folder)?.st_uid;
    if before != owner.0 {
        // A user who may write above it could have put the link there, to any folder.
        if is_linked {
            return Err(io::Error::other(format!(
                "it is a link to a folder of user {before}; expected one of user {}, who serves: \
                 run chown -R on the folder if it is a till",
                owner.0
            )));
        }
        rustix::fs::fchown(folder, Some(user(owner.0)), Some(group(owner.1)))?;
    }
    for name in names(folder)?.iter().filter(|name| is_own(name)) {
        give_at(folder, OsStr::from_bytes(name), owner)?;
    }
    Ok(())
}

fn give_at(folder: impl AsFd, name: &OsStr, owner: Owner) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        // A file that no longer exists, such as a pruned journal, needs no owner.
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    let found = rustix::fs::fstat(&file)?;
    if found.st_uid != owner.0 && is_plain(&found) {
        let (user, group) = (user(owner.0), group(owner.1));
        rustix::fs::chownat(&file, "", Some(user), Some(group), AtFlags::EMPTY_PATH)?;
    }
    Ok(())
}

/// Whether it is a file with one name: another name may be that of somebody else's file.
fn is_plain(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile && found.st_nlink == 1
}

fn user(id: u32) -> Uid {
    Uid::from_raw(id)
}

fn group(id: u32) -> Gid {
    Gid::from_raw(id)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Where the child of the test below makes its files.
    const PLACE: &str = "MICROMINT_UMASK_TEST";

    #[test]
    fn the_umask_changes_no_mode() {
        const NAME: &str = "vendor::paywall::folder::tests::the_umask_changes_no_mode";
        if let Some(place) = std::env::var_os(PLACE) {
            let till = Path::new(&place).join("var/lib/till");
            prepare(&till, None).unwrap();
            return;
        }
        // A umask is the process's, so another process has it.
        for umask in ["000", "022", "077", "177", "377"] {
            let place = tempfile::tempdir().unwrap();
            let line = format!("umask {umask}; exec \"$0\" --exact {NAME}");
            let program = std::env::current_exe().unwrap();
            let mut child = Command::new("sh");
            child.arg("-c").arg(line).arg(program).env(PLACE, place.path());
            assert!(child.output().unwrap().status.success(), "{umask}");
            for (name, expected) in [
                ("var", 0o755),
                ("var/lib", 0o755),
                ("var/lib/till", 0o700),
                ("var/lib/till/lock", 0o600),
            ] {
                let mode = place.path().join(name).metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o7777, expected, "umask {umask}: {name}");
            }
        }
    }

    #[test]
    fn folders_that_exist_keep_their_modes() {
        let place = tempfile::tempdir().unwrap();
        let (above, till) = (place.path().join("var"), place.path().join("var/till"));
        for (path, mode) in [(&above, 0o750), (&till, 0o770)] {
            std::fs::create_dir(path).unwrap();
            set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        prepare(&till, None).unwrap();
        for (path, expected) in [(&above, 0o750), (&till, 0o770)] {
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, expected, "{}", path.display());
        }
        std::fs::write(place.path().join("file"), "").unwrap();
        assert!(prepare(&place.path().join("file"), None).is_err());
    }

    #[test]
    fn only_a_folder_of_its_own_becomes_a_till() {
        let place = tempfile::tempdir().unwrap();
        let till = place.path().join("till");
        std::fs::create_dir(&till).unwrap();
        std::fs::create_dir(till.join("lost+found")).unwrap();
        for name in ["letters", "lock.txt", "till-2026-13-01.journal", "lockx"] {
            std::fs::write(till.join(name), "").unwrap();
            let error = prepare(&till, None).unwrap_err().to_string();
            assert!(error.contains(&format!("found {name} in it and no till")), "{error}");
            std::fs::remove_file(till.join(name)).unwrap();
        }
        assert!(!till.join("lock").exists());
        prepare(&till, None).unwrap();
        // Notes beside a till are left alone.
        std::fs::write(till.join("notes"), "").unwrap();
        prepare(&till, None).unwrap();
        assert!(prepare(Path::new("/dev/null"), None).is_err());
        assert!(prepare(Path::new("/"), None).is_err());
    }

    #[test]
    fn the_files_of_a_till_are_known_by_their_names() {
        for name in [
            "lock",
            "till-2026-12-01.journal",
            "redeem.journal",
            "income.journal",
            "spent-2026-12.index",
            "users-2026-12-01.index",
            "spent-2026-12.index.new",
            "promised-reversals",
            ".promised-reversals.new",
            "blocked",
            ".blocked.new",
            "watch-shown",
            "sync-wanted",
            "free-views",
        ] {
            assert!(is_own(name.as_bytes()), "{name}");
        }
        for name in ["", ".", "shadow", "till.journal", "lock.old", "spent", "\u{fc}"] {
            assert!(!is_own(name.as_bytes()), "{name}");
        }
        assert!(!is_own(b"\xff"));
    }

    /// As root prepares the till of another user, who may write above it.
    #[test]
    fn root_gives_away_the_files_of_a_till_alone() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        const SERVES: Owner = (12_345, 12_345);
        let place = tempfile::tempdir().unwrap();
        let uid =
            |path: &Path| std::os::unix::fs::MetadataExt::uid(&path.symlink_metadata().unwrap());
        let till = place.path().join("till");
        prepare(&till, Some(SERVES)).unwrap();
        assert_eq!((uid(&till), uid(&till.join("lock"))), (SERVES.0, SERVES.0));
        // Files that root made there meanwhile are given, others are not.
        for (name, expected) in [("redeem.journal", SERVES.0), ("notes", 0)] {
            std::fs::write(till.join(name), "").unwrap();
            prepare(&till, Some(SERVES)).unwrap();
            assert_eq!(uid(&till.join(name)), expected, "{name}");
        }
        // A file of root under the name of one of a till: by a link, and by another name.
        let secret = place.path().join("secret");
        std::fs::write(&secret, "").unwrap();
        std::os::unix::fs::symlink(&secret, till.join("blocked")).unwrap();
        std::fs::hard_link(&secret, till.join("income.journal")).unwrap();
        prepare(&till, Some(SERVES)).unwrap();
        give_file(&till.join("blocked"), SERVES).unwrap();
        assert_eq!((uid(&secret), uid(&till.join("blocked"))), (0, 0));
        // A folder of root in place of the till, by a link: empty, or with a till in it.
        let other = place.path().join("other");
        std::fs::create_dir(&other).unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        for _ in 0..2 {
            let error = prepare(&link, Some(SERVES)).unwrap_err().to_string();
            assert!(error.contains("a link to a folder of user 0"), "{error}");
            assert_eq!(uid(&other), 0);
        }
        assert_eq!(uid(&other.join("lock")), 0);
        // A link that root made to the folder of the till.
        prepare(&other, Some(SERVES)).unwrap();
        assert_eq!(uid(&other), SERVES.0);
        prepare(&link, Some(SERVES)).unwrap();
    }
}
