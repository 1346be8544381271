//! Small operations on a directory whose errors name the file.

use std::io;
use std::path::PathBuf;

use super::error::MintError;
use crate::error::FileError;
use crate::host::Directory;

/// The path of the file `name`, for messages.
pub(super) fn path_of(directory: &dyn Directory, name: &str) -> PathBuf {
    directory.path().join(name)
}

/// The names of all files.
pub(super) fn names(directory: &dyn Directory) -> Result<Vec<String>, MintError> {
    Ok(directory.names().map_err(FileError::on("read", directory.path()))?)
}

/// Whether the directory has a file of this name.
pub(super) fn exists(directory: &dyn Directory, name: &str) -> Result<bool, MintError> {
    Ok(names(directory)?.iter().any(|other| other == name))
}

/// Removes a file. Another process may remove it at the same time.
pub(super) fn remove_if_there(directory: &dyn Directory, name: &str) -> Result<(), MintError> {
    match directory.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => Ok(removed.map_err(FileError::on("remove", path_of(directory, name)))?),
    }
}
