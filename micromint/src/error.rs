//! Errors that several parts share. Each part has an error type of its own beside what it does; a
//! refusal ("this coin is spent") is never one of them, it is an answer.

use std::io;
use std::path::{Path, PathBuf};

/// An operation on a file failed: which one, on which file, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried, completing "cannot …", such as `read`.
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The operating system's reason.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: `file.read(…).map_err(FileError::on("read", path))`.
    pub fn on(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> FileError {
        // The path is copied only where something failed.
        move |source| FileError { action, path: path.as_ref().to_path_buf(), source }
    }
}
