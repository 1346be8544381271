//! Errors that several modules share. Each module has an error type of its own beside its code. A
//! refusal ("this coin is spent") is never an error; it is an answer.

use std::io;
use std::path::{Path, PathBuf};

/// An operation on a file failed: which one, on which file, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// The operation, completing "cannot …", such as `read`.
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The operating system's reason.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: `file.read(…).map_err(FileError::on("read", path))`.
    pub fn on(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> FileError {
        // The path is copied only if the operation failed.
        move |source| FileError { action, path: path.as_ref().to_path_buf(), source }
    }
}
