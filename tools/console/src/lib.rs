//! Shared code of the command-line tools: start, end, input and output.
//!
//! Results go to standard output. An error goes to standard error as one line, `PROGRAM: error:
//! what: why`, and the program ends with an exit status that its manual documents.

use std::error::Error;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{self, ExitCode};

use micromint::error::{FileError, chain};
use micromint::host::DiskDirectory;
use micromint::key_file::read_private_text;

mod pages;

mod waiting;

pub use pages::command_line;
pub use waiting::tell_waits;

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
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{program}: error: {}", chain(error.as_ref()));
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

/// Prints a line to standard output, like `println!`, but without a panic if the reader is gone.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => { $crate::print_line(format_args!($($words)*)) };
}

/// Prints a line to standard output; [`say!`] calls it. If the reader closed the pipe (as `| head`
/// does), the program ends silently with status 0. On any other error it ends with a message.
pub fn print_line(line: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        if error.kind() == io::ErrorKind::BrokenPipe {
            process::exit(EXIT_OK.into());
        }
        eprintln!("error: cannot write to standard output: {error}");
        process::exit(EXIT_FAILURE.into());
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

/// Reads a text that contains a secret, of at most `size_max` bytes. Reads a file that only its
/// owner can read, or standard input for `-`.
///
/// # Errors
/// It cannot be read, is larger or is not UTF-8, or others can read the file.
pub fn read_secret_input(path: &Path, size_max: usize) -> Result<String, ToolError> {
    if path == Path::new("-") {
        let bytes = read_input(path, size_max)?;
        return String::from_utf8(bytes).map_err(|_| "standard input: expected UTF-8 text".into());
    }
    let (directory, name) = DiskDirectory::of_file(path).map_err(FileError::on("read", path))?;
    Ok(read_private_text(&directory, &name, size_max as u64)?)
}

/// Writes to standard output for `None` or `-`, or creates a file of mode 0600, which must not
/// exist yet.
///
/// # Errors
/// It exists or cannot be written.
pub fn write_output(path: Option<&Path>, bytes: &[u8]) -> Result<(), ToolError> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        let mut output = io::stdout().lock();
        output.write_all(bytes)?;
        return Ok(output.flush()?);
    };
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    Ok(write().map_err(FileError::on("write", path))?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn input_is_bounded_and_output_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        write_output(Some(&path), b"four").unwrap();
        assert!(write_output(Some(&path), b"more").is_err());
        assert_eq!(read_input(&path, 4).unwrap(), b"four");
        assert!(read_input(&path, 3).is_err());
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        write_output(Some(&path), b"four").unwrap();
        assert_eq!(read_secret_input(&path, 4).unwrap(), "four");
        assert!(read_secret_input(&path, 3).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_secret_input(&path, 4).unwrap_err().to_string();
        assert!(error.contains("others can read"), "{error}");
    }
}
