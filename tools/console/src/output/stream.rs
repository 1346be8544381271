//! An output that is written as it arrives, as curl writes it.
//!
//! Input: bytes, in pieces. Output: the file, in place. The invariants: a file that exists is not
//! touched, and none is made, before the first piece; what came before an error stays, so that a
//! later run can go on with it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use micromint::error::FileError;
use tempfile::NamedTempFile;

use super::{Destination, Rules, followed, is_same};
use crate::ToolError;

/// How many names are tried for a file whose name is taken.
const NAMES_MAX: u32 = 1000;

/// An open output. Write to it after [`Stream::begin`].
#[derive(Debug)]
pub struct Stream(Sink);

#[derive(Debug)]
enum Sink {
    Stdout,
    Device(File),
    File {
        file: File,
        path: PathBuf,
    },
    /// Its file, and the paths that it must not get.
    Unnamed(Option<NamedTempFile>, Vec<PathBuf>),
}

impl Rules<'_> {
    /// Opens an output that is written in place. A plain file is created with the mode that the
    /// umask allows.
    ///
    /// # Errors
    /// As for [`Rules::open`].
    pub fn stream(&self, path: Option<&Path>) -> Result<Stream, ToolError> {
        Ok(Stream(match self.destination(path)? {
            Destination::Stdout => Sink::Stdout,
            Destination::Device(file, _) => Sink::Device(file),
            Destination::File(path) => {
                let is_new = !path.exists();
                let file = open(&path).map_err(FileError::on("write", &path))?;
                if is_new {
                    unmake(&file, &path);
                }
                Sink::File { file, path }
            }
        }))
    }

    /// An output in this folder that gets its name at the end, by [`Stream::name`]. It never gets
    /// that of a file that the command reads or keeps, even if there is no such file.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn unnamed(&self, folder: &Path) -> Result<Stream, ToolError> {
        // The umask applies to it, as to every new file.
        let mode = Permissions::from_mode(0o666);
        let made =
            tempfile::Builder::new().prefix(".micromint-").permissions(mode).tempfile_in(folder);
        let made = made.map_err(FileError::on("write", folder))?;
        let used = self.used.iter().filter_map(|(path, _)| followed(path).ok());
        Ok(Stream(Sink::Unnamed(Some(made), used.collect())))
    }
}

impl Stream {
    /// The size of the file that exists; 0 for anything else.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Sink::File { file, .. } => file.metadata().map_or(0, |found| found.len()),
            Sink::Stdout | Sink::Device(_) | Sink::Unnamed(..) => 0,
        }
    }

    /// Whether this is standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self.0, Sink::Stdout)
    }

    /// Begins the output: keeps the first `kept` bytes of a file and writes after them.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub fn begin(&mut self, kept: u64) -> io::Result<()> {
        match &mut self.0 {
            Sink::File { file, path } => {
                // It did not exist, or another process has removed it since.
                if !is_at(file, path) {
                    *file = open(path)?;
                }
                file.set_len(kept)?;
                io::Seek::seek(file, io::SeekFrom::Start(kept)).map(|_| ())
            }
            Sink::Stdout | Sink::Device(_) | Sink::Unnamed(..) => Ok(()),
        }
    }

    /// Gives an unnamed output its name. If that is taken, a number is added to it. Returns the
    /// path; `None` for an output that had a name.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn name(&mut self, folder: &Path, name: &OsStr) -> io::Result<Option<PathBuf>> {
        let Sink::Unnamed(made, used) = &mut self.0 else { return Ok(None) };
        let Some(mut made) = made.take() else { return Ok(None) };
        for number in 0..NAMES_MAX {
            let mut tried = name.to_os_string();
            if number > 0 {
                tried.push(format!(".{number}"));
            }
            let path = folder.join(tried);
            if followed(&path).is_ok_and(|path| used.contains(&path)) {
                continue;
            }
            match made.persist_noclobber(&path) {
                Ok(_) => return Ok(Some(path)),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    made = error.file;
                }
                Err(error) => return Err(error.error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "every name is taken"))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Sink::Stdout => io::stdout().lock().write(bytes),
            Sink::Device(file) | Sink::File { file, .. } => file.write(bytes),
            Sink::Unnamed(Some(made), _) => made.write(bytes),
            Sink::Unnamed(None, _) => Err(io::Error::other("the output has its name already")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Sink::Stdout => io::stdout().lock().flush(),
            Sink::Device(file) | Sink::File { file, .. } => file.flush(),
            Sink::Unnamed(..) => Ok(()),
        }
    }
}

/// Removes a file that was made only to see whether it can be: the program may be stopped before
/// the content comes. A file to which another process has written meanwhile stays.
fn unmake(file: &File, path: &Path) {
    if file.metadata().is_ok_and(|found| found.len() == 0) && is_at(file, path) {
        // An empty file that remains does no harm.
        let _ = fs::remove_file(path);
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// Whether `path` is still the name of this file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(own), Ok(found)) => is_same(&own, &found),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Existing;

    #[test]
    fn a_file_is_touched_when_content_comes_and_keeps_what_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page");
        let open = || Rules::new(Existing::Foreign).stream(Some(&path)).unwrap();
        let stream = open();
        assert!(!path.exists());
        drop(stream);
        fs::write(&path, b"old page").unwrap();
        drop(open());
        assert_eq!(fs::read(&path).unwrap(), b"old page");
        let mut stream = open();
        assert_eq!(stream.size(), 8);
        stream.begin(4).unwrap();
        stream.write_all(b"and ne").unwrap();
        drop(stream);
        assert_eq!(fs::read(&path).unwrap(), b"old and ne");
        let mut stream = open();
        stream.begin(0).unwrap();
        drop(stream);
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn two_outputs_into_one_file_lose_no_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page");
        let open = || Rules::new(Existing::Foreign).stream(Some(&path)).unwrap();
        let (first, mut second) = (open(), open());
        second.begin(0).unwrap();
        second.write_all(b"content").unwrap();
        drop((first, second));
        assert_eq!(fs::read(&path).unwrap(), b"content");
        // Another process removes the file before this one writes.
        let mut second = open();
        fs::remove_file(&path).unwrap();
        second.begin(0).unwrap();
        second.write_all(b"content").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"content");
    }

    #[test]
    fn a_server_cannot_name_a_file_that_the_command_keeps() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("w.toml");
        let rules = Rules::new(Existing::Foreign).uses(&settings, "the settings file");
        let mut stream = rules.unnamed(folder.path()).unwrap();
        stream.begin(0).unwrap();
        let path = stream.name(folder.path(), OsStr::new("w.toml")).unwrap().unwrap();
        assert_eq!(path, folder.path().join("w.toml.1"));
        assert!(!settings.exists());
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let rules = Rules::new(Existing::Foreign);
        drop(rules.unnamed(folder.path()).unwrap());
        for expected in ["a", "a.1", "a.2"] {
            let mut stream = rules.unnamed(folder.path()).unwrap();
            stream.begin(0).unwrap();
            stream.write_all(expected.as_bytes()).unwrap();
            let path = stream.name(folder.path(), OsStr::new("a")).unwrap().unwrap();
            assert_eq!(path, folder.path().join(expected));
            assert_eq!(fs::read(path).unwrap(), expected.as_bytes());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(rules.unnamed(&folder.path().join("none")).is_err());
    }
}
