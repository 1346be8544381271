//! The files of a SQLite database.
//!
//! Input: the URL of the database. Output: nothing, or which file cannot be written. Invariants: a
//! connection that cannot write is never used; a database that is made is for its owner alone.
//! SQLite opens a file without write permission for reading only, and would still do so after the
//! permission is given back.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{Access, access};
use rustix::io::Errno;
use sqlx::sqlite::SqliteConnectOptions;

use super::{Dialect, StoreError};

/// The files of the database, and the folder in which SQLite makes those that are missing.
#[derive(Debug)]
pub(super) struct Files {
    /// The database, its log, and the index of the log.
    files: [PathBuf; 3],
    folder: PathBuf,
}

impl Files {
    /// The files behind a URL; `None` if it is not one of SQLite.
    ///
    /// # Errors
    /// The URL has no valid form.
    pub(super) fn of(url: &str, dialect: Dialect) -> Result<Option<Files>, StoreError> {
        if dialect != Dialect::Sqlite {
            return Ok(None);
        }
        let options = SqliteConnectOptions::from_str(url)?;
        let path = options.get_filename();
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(Some(Files {
            files: [path.to_path_buf(), beside("-wal"), beside("-shm")],
            folder: folder.unwrap_or(Path::new(".")).to_path_buf(),
        }))
    }

    /// Whether there is a database.
    ///
    /// # Errors
    /// There is no file, or no folder for it.
    pub(super) fn check_exists(&self) -> Result<(), StoreError> {
        if self.files[0].exists() {
            return Ok(());
        }
        self.check_folder()?;
        Err(StoreError::NoFile(self.files[0].clone()))
    }

    /// Makes an empty database of mode 0600 if there is none, whatever the umask is. SQLite gives
    /// `-wal` and `-shm` the mode of the database.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn create_private(&self) -> Result<(), StoreError> {
        let path = &self.files[0];
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(StoreError::NotWritable { path: path.clone(), error }),
        }
    }

    /// Whether SQLite can write now.
    ///
    /// # Errors
    /// This process may not write a file, or cannot make one that is missing.
    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        for path in &self.files {
            match access(path, Access::WRITE_OK) {
                Ok(()) => {}
                Err(Errno::NOENT) => self.check_folder()?,
                Err(error) => return Err(not_writable(path, error)),
            }
        }
        Ok(())
    }

    fn check_folder(&self) -> Result<(), StoreError> {
        match access(&self.folder, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Ok(()),
            Err(Errno::NOENT) => Err(StoreError::NoFolder(self.folder.clone())),
            Err(error) => Err(not_writable(&self.folder, error)),
        }
    }
}

fn not_writable(path: &Path, error: Errno) -> StoreError {
    StoreError::NotWritable { path: path.to_path_buf(), error: error.into() }
}
