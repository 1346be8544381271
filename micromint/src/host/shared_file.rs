//! A small file that all processes change in place, each under the file's own lock.
//!
//! Input: a name. Output: the open file with its lock held. The invariant: every operation is on
//! the file that has the name now; a deleted file is created again.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Directory, ExclusiveLock, File, Open};
use crate::error::FileError;

/// A file that is opened when it is first used, and opened again after it was deleted.
pub(crate) struct SharedFile {
    directory: Arc<dyn Directory>,
    name: &'static str,
    path: PathBuf,
    /// The file's own lock only excludes other processes; this mutex excludes threads.
    file: Mutex<Option<Box<dyn File>>>,
}

impl SharedFile {
    /// The file `name` in `directory`. Does not open it.
    pub(crate) fn new(directory: Arc<dyn Directory>, name: &'static str) -> SharedFile {
        let path = directory.path().join(name);
        SharedFile { directory, name, path, file: Mutex::default() }
    }

    /// Calls `act` with the file, under its lock. Creates the file if it does not exist.
    ///
    /// # Errors
    /// An error of the operating system, or of `act`.
    pub(crate) fn locked<T>(
        &self,
        act: impl FnOnce(&dyn File) -> io::Result<T>,
    ) -> Result<T, FileError> {
        let done = self.locked_as(Open::Create, act)?;
        // Cannot happen: `Open::Create` creates the file.
        let absent = || io::Error::from(io::ErrorKind::NotFound);
        done.ok_or_else(absent).map_err(FileError::on("open", &self.path))
    }

    /// Calls `act` with the file, under its lock; `None` if the file does not exist.
    ///
    /// # Errors
    /// As for [`SharedFile::locked`].
    pub(crate) fn locked_if_present<T>(
        &self,
        act: impl FnOnce(&dyn File) -> io::Result<T>,
    ) -> Result<Option<T>, FileError> {
        self.locked_as(Open::Write, act)
    }

    fn locked_as<T>(
        &self,
        how: Open,
        act: impl FnOnce(&dyn File) -> io::Result<T>,
    ) -> Result<Option<T>, FileError> {
        let on_file = |action| FileError::on(action, &self.path);
        // The state is usable after a panic: it is only the open file.
        let mut place = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = match place.as_deref() {
            Some(file) => file.links().map_err(on_file("inspect"))? > 0,
            None => false,
        };
        if !is_there {
            *place = match self.directory.open(self.name, how) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => Some(opened.map_err(on_file("open"))?),
            };
        }
        let Some(file) = place.as_deref() else { return Ok(None) };
        let _lock = ExclusiveLock::new(file).map_err(on_file("lock"))?;
        act(file).map(Some).map_err(on_file("use"))
    }
}
