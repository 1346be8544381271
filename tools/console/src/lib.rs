//! Shared code of the command-line tools: start, end, input and output.
//!
//! Results go to standard output. An error goes to standard error as one line, `PROGRAM: error:
//! what: why`, and the program ends with an exit status that its manual documents.

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use micromint::error::{FileError, chain};
use micromint::host::{DiskDirectory, replace_whole};
use micromint::key_file::read_private_text;
use micromint::text_file::decode;

mod addresses;

mod format;

pub mod output;

mod pages;

mod waiting;

mod words;

pub use addresses::is_public;
pub use format::{Format, FormatArgs};
pub use pages::command_line;
pub use waiting::tell_waits;
pub use words::{WORDS_LEN_MAX, harmless, one_line};

/// Success.
pub const EXIT_OK: u8 = 0;
/// Failure.
pub const EXIT_FAILURE: u8 = 1;
/// The command line is wrong (`clap` uses the same status).
pub const EXIT_USAGE: u8 = 2;

/// The error of a tool: a message for people.
pub type ToolError = Box<dyn Error + Send + Sync>;

/// Ends a tool: prints an error with its causes, and returns the exit status.
pub fn finish(program: &str, result: Result<u8, ToolError>) -> ExitCode {
    let output = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
    match (result, &*output) {
        (Ok(EXIT_OK), OutputState::Failed(error)) => {
            tell!("{program}: error: cannot write to standard output: {error}");
            ExitCode::from(EXIT_FAILURE)
        }
        (Ok(status), _) => ExitCode::from(status),
        (Err(error), _) => {
            tell!("{program}: error: {}", chain(error.as_ref()));
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

/// Prints a line to standard output, like `println!`, but never ends the program: see
/// [`print_text`].
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => { $crate::print_text(&format!("{}\n", format_args!($($words)*))) };
}

/// Prints a line to standard error, like `eprintln!`, but without a panic if it cannot be written:
/// a message that nobody reads must not stop what the program is doing.
#[macro_export]
macro_rules! tell {
    ($($words:tt)*) => { $crate::print_error(format_args!($($words)*)) };
}

/// Prints a line to standard error, as [`harmless`] text; [`tell!`] calls it.
pub fn print_error(line: fmt::Arguments<'_>) {
    // Nothing is left to report a failure to.
    let _ = io::stderr().write_all(format!("{}\n", harmless(&line.to_string())).as_bytes());
}

/// What became of standard output.
static OUTPUT: Mutex<OutputState> = Mutex::new(OutputState::Open);

enum OutputState {
    Open,
    /// The reader closed the pipe, as `| head` does: the rest is not printed.
    Closed,
    /// It cannot be written, for this reason, which [`finish`] reports.
    Failed(io::Error),
}

/// Prints text to standard output. If that fails, the program goes on without printing, because
/// work may remain; [`finish`] reports the failure, unless the reader closed the pipe.
pub fn print_text(text: &str) {
    // The state is usable after a panic.
    let mut state = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
    if !matches!(*state, OutputState::Open) {
        return;
    }
    let mut output = io::stdout().lock();
    if let Err(error) = output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        *state = match error.kind() {
            io::ErrorKind::BrokenPipe => OutputState::Closed,
            _ => OutputState::Failed(error),
        };
    }
}

/// Reads a file, or standard input for `-`, of at most `size_max` bytes.
///
/// # Errors
/// It cannot be read or is larger.
pub fn read_input(path: &Path, size_max: usize) -> Result<Vec<u8>, ToolError> {
    let open = || -> io::Result<Box<dyn Read>> {
        if path == Path::new("-") {
            Ok(Box::new(io::stdin()))
        } else {
            Ok(Box::new(std::fs::File::open(path)?))
        }
    };
    let mut bytes = Vec::new();
    open()
        .and_then(|input| input.take(size_max as u64 + 1).read_to_end(&mut bytes))
        .map_err(FileError::on("read", path))?;
    if bytes.len() > size_max {
        return Err(
            format!("{}: expected at most {size_max} bytes, found more", path.display()).into()
        );
    }
    Ok(bytes)
}

/// Reads the answer to a question from standard input: a line. Whether it is yes; anything else is
/// no.
///
/// # Errors
/// Standard input cannot be read.
pub fn answers_yes() -> io::Result<bool> {
    let mut line = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut line)?;
    Ok(is_yes(&line))
}

fn is_yes(line: &[u8]) -> bool {
    matches!(line.trim_ascii(), b"y" | b"Y" | b"yes" | b"Yes")
}

/// How messages name an input: its path, or `standard input` for `-`.
pub fn input_name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_string() } else { path.display().to_string() }
}

/// Reads a text that contains a secret, of at most `size_max` bytes. Reads a file that only its
/// owner can read, or standard input for `-`.
///
/// # Errors
/// It cannot be read, is larger or is not UTF-8, or others can read the file.
pub fn read_secret_input(path: &Path, size_max: usize) -> Result<String, ToolError> {
    if path == Path::new("-") {
        let bytes = read_input(path, size_max)?;
        let text = decode(&bytes).map_err(|error| format!("standard input: {error}"))?;
        return Ok(text.to_string());
    }
    let (directory, name) = DiskDirectory::of_file(path).map_err(FileError::on("read", path))?;
    Ok(read_private_text(&directory, &name, size_max as u64)?)
}

/// Replaces a file durably by one that only its owner can read: after a crash it has either the old
/// or the new text.
///
/// # Errors
/// It cannot be written. The old file is then unchanged.
pub fn replace_secret_file(path: &Path, text: &str) -> Result<(), FileError> {
    let replace = || {
        let (directory, name) = DiskDirectory::of_file(path)?;
        replace_whole(&directory, &name, text.as_bytes())
    };
    replace().map_err(FileError::on("write", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn input_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, b"four").unwrap();
        assert_eq!(read_input(&path, 4).unwrap(), b"four");
        assert!(read_input(&path, 3).is_err());
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for (line, expected) in [
            (&b"y\n"[..], true),
            (b"Y\r\n", true),
            (b" yes \n", true),
            (b"Yes", true),
            (b"", false),
            (b"\n", false),
            (b"no\n", false),
            (b"yep\n", false),
            (b"\xff\n", false),
            (b"y\xff\n", false),
        ] {
            assert_eq!(is_yes(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_secret_is_replaced_by_a_file_for_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("login");
        // What a crash may have left, with any mode.
        let left = directory.path().join(".login.new");
        std::fs::write(&left, "left").unwrap();
        std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o666)).unwrap();
        for text in ["first", "second"] {
            replace_secret_file(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(!left.exists());
        }
        let nowhere = directory.path().join("no/login");
        let error = replace_secret_file(&nowhere, "text").unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot write {}", nowhere.display())), "{error}");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, b"four").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_secret_input(&path, 4).unwrap(), "four");
        assert!(read_secret_input(&path, 3).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_secret_input(&path, 4).unwrap_err().to_string();
        assert!(error.contains("others can read"), "{error}");
    }
}
