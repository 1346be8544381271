//! Errors that several modules share, and a function that prints an error and its causes in one
//! line.
//!
//! Each module has its own error type beside its code. A refusal ("this coin is spent") is never an
//! error; it is an answer.

use std::any::Any;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// An operation on a file failed: which one, on which file, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// The operation, a verb that follows "cannot", such as `read`.
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

/// The beginning of a text that may be long, for an error message.
pub(crate) fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The words of a panic that was caught; `unknown` if it has none.
///
/// ```
/// use micromint::error::panic_text;
///
/// let caught = std::panic::catch_unwind(|| panic!("page {}", 7)).unwrap_err();
/// assert_eq!(panic_text(&*caught), "page 7");
/// assert_eq!(panic_text(&7), "unknown");
/// ```
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

/// The text of an error and of its causes in one line, such as `cannot sell: cannot read a.coins:
/// …`.
///
/// A cause whose text is already part of the line is left out, since many errors repeat their
/// cause.
///
/// ```
/// use micromint::error::{FileError, chain};
///
/// let cause = std::io::Error::other("disk full");
/// let error = FileError::on("write", "2026-12.coins")(cause);
/// assert_eq!(chain(&error), "cannot write 2026-12.coins: disk full");
/// ```
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot sell")]
    struct Outer(#[source] FileError);

    #[test]
    fn a_chain_tells_every_cause_once() {
        let source = io::Error::from(io::ErrorKind::NotFound);
        let why = source.to_string();
        let file = FileError::on("read", "a.coins")(source);
        assert_eq!(chain(&file), format!("cannot read a.coins: {why}"));
        assert_eq!(chain(&Outer(file)), format!("cannot sell: cannot read a.coins: {why}"));
    }
}
