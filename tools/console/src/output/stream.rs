//! An output that is written as it arrives, as curl writes it.
//!
//! Input: bytes, in pieces. Output: the file, in place. The invariants: a file that exists is not
//! touched before the first piece; one that was made for nothing is removed; what came before an
//! error stays, so that a later run can go on with it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use micromint::error::FileError;
use tempfile::NamedTempFile;

use super::{Place, Rules};
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
    File { file: File, path: PathBuf, is_new: bool, has_begun: bool },
    Unnamed(Option<NamedTempFile>),
}

impl Rules<'_> {
    /// Opens an output that is written in place. A plain file is created with the mode that the
    /// umask allows.
    ///
    /// # Errors
    /// As for [`Rules::open`].
    pub fn stream(&self, path: Option<&Path>) -> Result<Stream, ToolError> {
        Ok(Stream(match self.place(path)? {
            Place::Stdout => Sink::Stdout,
            Place::Device(file, _) => Sink::Device(file),
            Place::File(path) => {
                let is_new = !path.exists();
                let options = OpenOptions::new().write(true).create(true).truncate(false).clone();
                let file = options.open(&path).map_err(FileError::on("write", &path))?;
                Sink::File { file, path, is_new, has_begun: false }
            }
        }))
    }
}

impl Stream {
    /// An output in this folder that gets its name at the end, by [`Stream::name`].
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn unnamed(folder: &Path) -> Result<Stream, ToolError> {
        let made = tempfile::Builder::new().prefix(".micromint-").tempfile_in(folder);
        Ok(Stream(Sink::Unnamed(Some(made.map_err(FileError::on("write", folder))?))))
    }

    /// The size of the file that exists; 0 for anything else.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Sink::File { file, .. } => file.metadata().map_or(0, |found| found.len()),
            Sink::Stdout | Sink::Device(_) | Sink::Unnamed(_) => 0,
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
            Sink::File { file, has_begun, .. } => {
                *has_begun = true;
                file.set_len(kept)?;
                io::Seek::seek(file, io::SeekFrom::Start(kept)).map(|_| ())
            }
            Sink::Stdout | Sink::Device(_) | Sink::Unnamed(_) => Ok(()),
        }
    }

    /// Gives an unnamed output its name. If that is taken, a number is added to it. Returns the
    /// path; `None` for an output that had a name.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn name(&mut self, folder: &Path, name: &OsStr) -> io::Result<Option<PathBuf>> {
        let Sink::Unnamed(made) = &mut self.0 else { return Ok(None) };
        let Some(mut made) = made.take() else { return Ok(None) };
        // The mode that the umask gives to a new file is not known without making one.
        made.as_file().set_permissions(Permissions::from_mode(0o644))?;
        for number in 0..NAMES_MAX {
            let mut tried = name.to_os_string();
            if number > 0 {
                tried.push(format!(".{number}"));
            }
            let path = folder.join(tried);
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
            Sink::Unnamed(Some(made)) => made.write(bytes),
            Sink::Unnamed(None) => Err(io::Error::other("the output has its name already")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Sink::Stdout => io::stdout().lock().flush(),
            Sink::Device(file) | Sink::File { file, .. } => file.flush(),
            Sink::Unnamed(_) => Ok(()),
        }
    }
}

impl Drop for Stream {
    /// Removes a file that was made for content that never came.
    fn drop(&mut self) {
        if let Sink::File { path, is_new: true, has_begun: false, .. } = &self.0 {
            // An empty file that remains does no harm.
            let _ = fs::remove_file(path);
        }
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
        drop(open());
        assert!(!path.exists());
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
    fn a_name_that_is_taken_gets_a_number() {
        let folder = tempfile::tempdir().unwrap();
        drop(Stream::unnamed(folder.path()).unwrap());
        for expected in ["a", "a.1", "a.2"] {
            let mut stream = Stream::unnamed(folder.path()).unwrap();
            stream.begin(0).unwrap();
            stream.write_all(expected.as_bytes()).unwrap();
            let path = stream.name(folder.path(), OsStr::new("a")).unwrap().unwrap();
            assert_eq!(path, folder.path().join(expected));
            assert_eq!(fs::read(path).unwrap(), expected.as_bytes());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(Stream::unnamed(&folder.path().join("none")).is_err());
    }
}
