//! Where a command writes: standard output, a file, or a device.
//!
//! Input: the name that the user gave, the files that the command reads or keeps, and which file
//! may be replaced. Output: the bytes there. The invariants: every refusal comes before the command
//! does anything; a file is replaced as a whole or not at all, and nothing stays of an output that
//! failed; a file that the command reads or keeps is never an output, whatever name or link leads
//! to it.
//!
//! A name leads to one of these, links followed:
//!
//! | name | what happens |
//! |---|---|
//! | none, or `-` | standard output |
//! | a file that is this program's standard output, as `/dev/stdout` is | standard output |
//! | a device, a FIFO, or a name that leads to `/proc`, as `/dev/fd/3` does | opened first, written in place |
//! | a file, or nothing yet | a temporary file beside it, then renamed |
//! | a folder | an error |

mod stream;

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use micromint::error::FileError;
use micromint::file_kind::{FileKind, HEAD_SIZE};
use tempfile::NamedTempFile;

use crate::ToolError;

pub use stream::Stream;

/// The folder whose links lead to open files, whatever has become of their names.
const PROC: &str = "/proc";
/// How many links are followed from one name.
const LINKS_MAX: u32 = 40;
/// The mode of a file for its owner only.
const PRIVATE_MODE: u32 = 0o600;
/// The mode of a file that web servers read, whatever the umask.
const PUBLIC_MODE: u32 = 0o644;

/// Which existing file an output may replace. An empty file may always be replaced, except by
/// [`Existing::Kept`].
pub enum Existing<'a> {
    /// None.
    Kept,
    /// A file of this kind.
    OfKind(FileKind),
    /// One for which the function returns `true`. The text says what that is, with an article.
    If(&'a str, &'a dyn Fn(&Path) -> bool),
    /// Any that is not a file of MicroMint.
    Foreign,
}

/// What a command may write.
pub struct Rules<'a> {
    existing: Existing<'a>,
    used: Vec<(PathBuf, &'static str)>,
    mode: u32,
    is_followed: bool,
}

impl<'a> Rules<'a> {
    /// A private file, mode 0600.
    pub fn new(existing: Existing<'a>) -> Rules<'a> {
        Rules { existing, used: Vec::new(), mode: PRIVATE_MODE, is_followed: true }
    }

    /// A file that every user may read, mode 0644.
    pub fn public(mut self) -> Rules<'a> {
        self.mode = PUBLIC_MODE;
        self
    }

    /// A link at the end of the path is refused: whoever may write the folder does not choose what
    /// is written.
    pub fn unfollowed(mut self) -> Rules<'a> {
        self.is_followed = false;
        self
    }

    /// The command reads or keeps the file at `path`, for example "the coin file". A file that does
    /// not exist is compared by its name.
    pub fn uses(mut self, path: &Path, what: &'static str) -> Rules<'a> {
        if path != Path::new("-") {
            self.used.push((path.to_path_buf(), what));
        }
        self
    }

    /// Where `path` leads, if it may be written.
    fn destination(&self, path: Option<&Path>) -> Result<Destination, ToolError> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return self.stdout();
        };
        if !self.is_followed && fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink()) {
            return Err(format!("{}: expected a file, found a link", path.display()).into());
        }
        let found = match fs::metadata(path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(FileError::on("write", path)(error).into()),
        };
        if let Some(found) = &found {
            if is_stdout(found) {
                return self.stdout();
            }
            if found.is_dir() {
                let path = path.display();
                return Err(format!("{path}: expected a file, found a folder").into());
            }
            if !found.is_file() {
                return in_place(path);
            }
        }
        // The output replaces a link that is made meanwhile.
        let target = if self.is_followed { followed(path) } else { in_folder(path) };
        let target = target.map_err(FileError::on("write", path))?;
        self.check_unused(&path.display(), &target, found.as_ref())?;
        match &found {
            // What the file contains stays before the output, so only content may be there.
            Some(found) if target.starts_with(PROC) => {
                let existing = match self.existing {
                    Existing::Foreign => &self.existing,
                    _ => &Existing::Kept,
                };
                if found.len() > 0 {
                    check_replaceable(existing, path, found)?;
                }
                return in_place(path);
            }
            Some(found) => check_replaceable(&self.existing, path, found)?,
            None => {}
        }
        Ok(Destination::File(target))
    }

    /// Standard output, unless it is a file that the command reads or keeps.
    fn stdout(&self) -> Result<Destination, ToolError> {
        if let Some(found) = stdout_metadata().filter(Metadata::is_file) {
            self.check_unused(&"standard output", Path::new("-"), Some(&found))?;
        }
        Ok(Destination::Stdout)
    }

    /// Refuses `path` if it is a file that the command reads or keeps. For an output that the
    /// command does not open by these rules.
    ///
    /// # Errors
    /// It is such a file, or its folder does not exist.
    pub fn refuse_used(&self, path: &Path) -> Result<(), ToolError> {
        let target = followed(path).map_err(FileError::on("write", path))?;
        self.check_unused(&path.display(), &target, fs::metadata(path).ok().as_ref())
    }

    /// Finds out where `path` leads, refuses what may not be written, and makes the destination
    /// ready: a file that cannot be written is an error now.
    ///
    /// # Errors
    /// It is a folder, a file in use, or a file that may not be replaced; or it cannot be opened,
    /// or its folder cannot be written.
    pub fn open(&self, path: Option<&Path>) -> Result<Output, ToolError> {
        let destination = self.destination(path)?;
        let temporary = match &destination {
            Destination::File(target) => {
                Some(temporary(target, self.mode).map_err(FileError::on("write", target))?)
            }
            Destination::Stdout | Destination::Device(..) => None,
        };
        Ok(Output { destination, temporary, is_new: matches!(self.existing, Existing::Kept) })
    }

    fn check_unused(
        &self,
        name: &dyn fmt::Display,
        target: &Path,
        found: Option<&Metadata>,
    ) -> Result<(), ToolError> {
        for (used, what) in &self.used {
            let is_it = match (fs::metadata(used), found) {
                (Ok(used), Some(found)) => is_same(&used, found),
                (Err(_), None) => followed(used).is_ok_and(|used| used == target),
                _ => false,
            };
            if is_it {
                return Err(format!(
                    "{name} is {what}, which this command uses, and is not overwritten; nothing \
                    was done"
                )
                .into());
            }
        }
        Ok(())
    }
}

/// Refuses a file that exists and may not be replaced.
fn check_replaceable(
    existing: &Existing<'_>,
    path: &Path,
    found: &Metadata,
) -> Result<(), ToolError> {
    let head = match found.len() {
        0 => Vec::new(),
        _ => head_of(path).map_err(FileError::on("read", path))?,
    };
    let kind = FileKind::of(&head);
    let what = match existing {
        Existing::Kept => "",
        _ if head.is_empty() => return Ok(()),
        Existing::Foreign if kind.is_none() => return Ok(()),
        Existing::OfKind(own) if kind.as_ref() == Some(own) => return Ok(()),
        Existing::If(_, is_it) if is_it(path) => return Ok(()),
        Existing::Foreign => "a file that is not of MicroMint",
        Existing::OfKind(own) => &own.to_string(),
        Existing::If(what, _) => what,
    };
    let path = path.display();
    let is = kind.map_or("is another file".to_string(), |kind| format!("is {kind}"));
    Err(match what {
        "" => format!("{path} exists and is not overwritten; nothing was done").into(),
        what => {
            format!("{path} {is} and is not overwritten: only {what} is replaced; nothing was done")
                .into()
        }
    })
}

/// Opens what is written where it is, such as a device.
fn in_place(path: &Path) -> Result<Destination, ToolError> {
    let opened = OpenOptions::new().append(true).open(path);
    Ok(Destination::Device(opened.map_err(FileError::on("write", path))?, path.to_path_buf()))
}

/// Where a name leads.
#[derive(Debug)]
enum Destination {
    /// Standard output.
    Stdout,
    /// A device, a FIFO or the like, opened.
    Device(File, PathBuf),
    /// A plain file, which may not exist yet; the path has no link at its end.
    File(PathBuf),
}

/// An output that is ready to be written. If it is dropped, nothing changed.
#[derive(Debug)]
pub struct Output {
    destination: Destination,
    temporary: Option<NamedTempFile>,
    is_new: bool,
}

impl Output {
    /// Writes everything. A file is durable afterwards.
    ///
    /// # Errors
    /// It cannot be written. A file did not change then, and no part of the output stays.
    pub fn write(self, bytes: &[u8]) -> Result<(), ToolError> {
        match (self.destination, self.temporary) {
            (Destination::File(target), Some(mut temporary)) => {
                let mut write = || {
                    temporary.as_file_mut().write_all(bytes)?;
                    temporary.as_file().sync_all()
                };
                write().map_err(FileError::on("write", &target))?;
                keep(temporary, &target, self.is_new)?;
            }
            (Destination::Device(mut file, path), _) => {
                file.write_all(bytes).map_err(FileError::on("write", path))?;
            }
            // Here a reader that is gone is an error: nobody has the message.
            (Destination::Stdout | Destination::File(_), _) => {
                let mut output = io::stdout().lock();
                output
                    .write_all(bytes)
                    .and_then(|()| output.flush())
                    .map_err(|error| format!("cannot write to standard output: {error}"))?;
            }
        }
        Ok(())
    }

    /// Whether messages for people would mix with the output.
    pub fn is_stdout(&self) -> bool {
        matches!(self.destination, Destination::Stdout)
    }

    /// The path of a plain file, which may not exist yet; it has no link at its end.
    pub fn file(&self) -> Option<&Path> {
        match &self.destination {
            Destination::File(target) => Some(target),
            Destination::Stdout | Destination::Device(..) => None,
        }
    }

    /// Lets `make` write the file itself, and gives it its name afterwards. It gets the path of an
    /// empty folder of its own on the same disk, and of the file to create in it. Anything but a
    /// plain file gets the bytes of that file.
    ///
    /// # Errors
    /// An error of `make`, or the file cannot be read, renamed or written.
    pub fn write_with(
        self,
        make: impl FnOnce(&Path, &str) -> Result<(), ToolError>,
    ) -> Result<(), ToolError> {
        const NAME: &str = "made";
        let beside = match &self.destination {
            Destination::File(target) => folder_of(target).to_path_buf(),
            Destination::Stdout | Destination::Device(..) => std::env::temp_dir(),
        };
        let folder = tempfile::Builder::new()
            .prefix(".micromint-")
            .tempdir_in(&beside)
            .map_err(FileError::on("write", &beside))?;
        make(folder.path(), NAME)?;
        let made = folder.path().join(NAME);
        let Destination::File(target) = &self.destination else {
            let bytes = fs::read(&made).map_err(FileError::on("read", &made))?;
            return self.write(&bytes);
        };
        let made = tempfile::TempPath::try_from_path(made).map_err(FileError::on("use", target))?;
        let kept = match self.is_new {
            true => made.persist_noclobber(target),
            false => made.persist(target),
        };
        kept.map_err(|error| FileError::on("write", target)(error.error))?;
        sync_folder(target)
    }
}

/// Whether bytes that begin like this would disturb a terminal: they contain a zero byte.
pub fn is_binary(head: &[u8]) -> bool {
    head.contains(&0)
}

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// The path without a link at its end. The file need not exist, its folder must. A link in
/// [`PROC`] is not followed: its text is not always the name of what it leads to.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let whole = in_folder(&path)?;
        if whole.starts_with(PROC) {
            return Ok(whole);
        }
        match fs::read_link(&whole) {
            Ok(target) => path = folder_of(&whole).join(target),
            // It is no link, or does not exist.
            Err(_) => return Ok(whole),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many links"))
}

/// The path with every link but the last part followed.
fn in_folder(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "expected a file name"))?;
    Ok(fs::canonicalize(folder_of(path))?.join(name))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_SIZE as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether this is the file, pipe or device that standard output is.
fn is_stdout(found: &Metadata) -> bool {
    stdout_metadata().is_some_and(|own| is_same(&own, found))
}

fn stdout_metadata() -> Option<Metadata> {
    let own = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    own.and_then(|own| own.metadata()).ok()
}

/// An empty file beside `target`, which is removed unless it is kept. If root makes it in the
/// folder of another user, that user becomes its owner, as with all files of the tools.
fn temporary(target: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push(".");
    let folder = folder_of(target);
    let made = tempfile::Builder::new().prefix(&prefix).suffix(".new").tempfile_in(folder)?;
    made.as_file().set_permissions(Permissions::from_mode(mode))?;
    let (file, folder) = (made.as_file().metadata()?, fs::metadata(folder)?);
    if file.uid() == 0 && folder.uid() != 0 {
        fchown(made.as_file(), Some(folder.uid()), Some(folder.gid()))?;
    }
    Ok(made)
}

/// Gives a whole file its name. One that must be new is never put over another.
fn keep(temporary: NamedTempFile, target: &Path, is_new: bool) -> Result<(), ToolError> {
    let kept = match is_new {
        true => temporary.persist_noclobber(target),
        false => temporary.persist(target),
    };
    kept.map_err(|error| FileError::on("write", target)(error.error))?;
    sync_folder(target)
}

fn sync_folder(target: &Path) -> Result<(), ToolError> {
    let folder = folder_of(target);
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(synced.map_err(FileError::on("sync", folder))?)
}

impl fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("used", &self.used).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(rules: &Rules<'_>, path: &Path, bytes: &[u8]) -> Result<(), String> {
        let output = rules.open(Some(path)).map_err(|error| error.to_string())?;
        output.write(bytes).map_err(|error| error.to_string())
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_is_private_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let rules = Rules::new(Existing::Kept);
        write(&rules, &path, b"four").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = write(&rules, &path, b"more").unwrap_err();
        assert!(error.ends_with("a exists and is not overwritten; nothing was done"), "{error}");
        assert_eq!(
            (fs::read(&path).unwrap(), names(folder.path())),
            (b"four".into(), vec!["a".into()])
        );

        // Another process makes the file between the check and the end.
        let (late, output) = (folder.path().join("b"), rules.open(Some(&folder.path().join("b"))));
        fs::write(&late, b"theirs").unwrap();
        assert!(output.unwrap().write(b"ours").is_err());
        assert_eq!(fs::read(&late).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["a", "b"]);
    }

    #[test]
    fn only_a_file_of_the_kind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2026-12.owners");
        let rules = Rules::new(Existing::OfKind(FileKind::Owners)).public();
        for (old, is_replaced) in [
            (&b""[..], true),
            (b"MMowners, and more", true),
            (b"\x89MMC\r\n\x1a\n, and more", false),
            (b"a letter", false),
        ] {
            fs::write(&path, old).unwrap();
            let written = write(&rules, &path, b"MMowners");
            assert_eq!(written.is_ok(), is_replaced, "{written:?}");
            let expected = if is_replaced { b"MMowners" } else { old };
            assert_eq!(fs::read(&path).unwrap(), expected);
            assert_eq!(names(folder.path()), ["2026-12.owners"]);
        }
        fs::remove_file(&path).unwrap();
        write(&rules, &path, b"MMowners").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    /// A page may replace anything but what is worth money.
    #[test]
    fn a_foreign_file_is_replaced_and_no_file_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        let rules = Rules::new(Existing::Foreign);
        for (old, says) in [
            (b"MMjrnl1\nwallet\0\0".to_vec(), "a wallet or its backup"),
            (b"MicroMint-1.0\nFunds-Withdrawn\n".to_vec(), "a Funds-Withdrawn message"),
            ("ab".repeat(32).into_bytes(), "a key file"),
            (b"<html>".to_vec(), ""),
        ] {
            fs::write(&path, old).unwrap();
            match write(&rules, &path, b"new") {
                Ok(()) => assert_eq!(says, ""),
                Err(error) => assert!(!says.is_empty() && error.contains(says), "{error}"),
            }
        }
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_file_in_use_is_no_output_through_any_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("coins"), b"old").unwrap();
        symlink("coins", at("soft")).unwrap();
        fs::hard_link(at("coins"), at("hard")).unwrap();
        symlink(folder.path(), at("folder")).unwrap();
        let rules = Rules::new(Existing::Foreign)
            .uses(&at("coins"), "the coin file")
            .uses(&at("absent"), "the secret");
        for name in ["coins", "soft", "hard", "folder/coins", "folder/absent", "absent"] {
            let error = write(&rules, &at(name), b"new").unwrap_err();
            assert!(error.contains("which this command uses"), "{name}: {error}");
        }
        assert_eq!(fs::read(at("coins")).unwrap(), b"old");
        assert!(write(&rules, folder.path(), b"").unwrap_err().contains("found a folder"));
    }

    #[test]
    fn links_are_followed_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        symlink("sub/real", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        let rules = Rules::new(Existing::Foreign);
        for bytes in [b"first", b"again"] {
            write(&rules, &at("second"), bytes).unwrap();
            assert_eq!(fs::read(at("sub/real")).unwrap(), bytes);
            assert!(fs::symlink_metadata(at("second")).unwrap().is_symlink());
        }
        symlink("round", at("round")).unwrap();
        assert!(write(&rules, &at("round"), b"").is_err());
        symlink("nowhere/file", at("lost")).unwrap();
        assert!(write(&rules, &at("lost"), b"").is_err());
    }

    #[test]
    fn devices_and_pipes_are_written_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("/dev/null", at("null")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read(pipe).unwrap()
        });
        let rules = Rules::new(Existing::Kept);
        write(&rules, &at("null"), b"nothing").unwrap();
        write(&rules, &at("pipe"), b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert_eq!(names(folder.path()), ["null", "pipe"]);
        let error = write(&rules, Path::new("/dev/full"), b"x").unwrap_err();
        assert!(error.contains("/dev/full"), "{error}");
    }

    #[test]
    fn a_plain_file_is_one_whatever_leads_to_it() {
        // A disk of plain files, below /dev.
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "0".repeat(64)).unwrap();
        let around = Path::new("/proc/self/root").join(path.strip_prefix("/").unwrap());
        let opened = OpenOptions::new().append(true).open(&path).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&opened);
        let descriptors =
            [format!("/dev/fd/{number}"), format!("/proc/self/fd/{number}")].map(PathBuf::from);
        for name in [&path, &around].into_iter().chain(&descriptors) {
            for existing in [Existing::Kept, Existing::OfKind(FileKind::Owners), Existing::Foreign]
            {
                let error = write(&Rules::new(existing), name, b"page").unwrap_err();
                assert!(error.contains("is not overwritten"), "{}: {error}", name.display());
            }
            let rules = Rules::new(Existing::OfKind(FileKind::KeyFile)).uses(&path, "the key");
            let error = write(&rules, name, b"page").unwrap_err();
            assert!(error.contains("is the key, which this command uses"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), "0".repeat(64).as_bytes());
        // Other content is replaced where it has a name, and kept before the output elsewhere.
        fs::write(&path, b"old").unwrap();
        write(&Rules::new(Existing::Foreign), &descriptors[0], b" and new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old and new");
        let kept = write(&Rules::new(Existing::Kept), &descriptors[1], b"more").unwrap_err();
        assert!(kept.contains("exists and is not overwritten"), "{kept}");
        write(&Rules::new(Existing::Foreign), &around, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // An empty file that the shell opened takes every output.
        fs::write(&path, b"").unwrap();
        let opened = OpenOptions::new().write(true).open(&path).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&opened);
        let name = PathBuf::from(format!("/dev/fd/{number}"));
        write(&Rules::new(Existing::Kept), &name, b"backup").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"backup");
    }

    #[test]
    fn a_file_that_is_made_elsewhere_gets_its_name_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        let rules = Rules::new(Existing::Kept);
        let failing = rules.open(Some(&path)).unwrap().write_with(|folder, name| {
            fs::write(folder.join(name), b"half").unwrap();
            Err("disk full".into())
        });
        assert!(failing.is_err());
        assert_eq!(names(folder.path()), [""; 0]);
        let make = |folder: &Path, name: &str| Ok(fs::write(folder.join(name), b"whole")?);
        rules.open(Some(&path)).unwrap().write_with(make).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), names(folder.path())),
            (b"whole".into(), vec!["backup".into()])
        );
        assert!(rules.open(Some(&path)).is_err());
    }

    #[test]
    fn binary_content_is_recognized() {
        assert!(is_binary(b"\x89PNG\0\0"));
        assert!(!is_binary("gr\u{fc}n".as_bytes()));
    }
}
