//! A small file that all processes change in place, each under the lock of the file itself.
//!
//! In goes a name, out comes the open file with its lock held. The invariant: what is done with the
//! file is done to the one that has the name now; a file that was deleted is made again.

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
    /// The file's own lock excludes other processes only, so threads exclude each other by this
    /// one.
    file: Mutex<Option<Box<dyn File>>>,
}

impl SharedFile {
    /// The file `name` in `directory`. Nothing is opened yet.
    pub(crate) fn new(directory: Arc<dyn Directory>, name: &'static str) -> SharedFile {
        let path = directory.path().join(name);
        SharedFile { directory, name, path, file: Mutex::default() }
    }

    /// Calls `act` with the file, under its lock. Makes the file if it is absent.
    ///
    /// # Errors
    /// The operating system's, or those of `act`.
    pub(crate) fn locked<T>(
        &self,
        act: impl FnOnce(&dyn File) -> io::Result<T>,
    ) -> Result<T, FileError> {
        let done = self.locked_as(Open::Create, act)?;
        // `Open::Create` makes what is absent.
        let absent = || io::Error::from(io::ErrorKind::NotFound);
        done.ok_or_else(absent).map_err(FileError::on("open", &self.path))
    }

    /// Calls `act` with the file, under its lock; returns `None` if the file is absent.
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
        // A thread that panicked left nothing in memory but the open file.
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
