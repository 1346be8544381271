//! Where the content of a page goes: standard output, or a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use micromint::error::FileError;
use micromint_console::ToolError;

use crate::net::Response;

/// Where the content goes. A file is opened before the payment, so that a file that cannot be
/// written costs nothing. It is truncated only when there is content.
pub(super) struct Output {
    file: Option<(File, PathBuf)>,
    is_new: bool,
    is_written: bool,
}

/// Which side of a copy failed.
pub(super) enum Broken {
    Input(io::Error),
    Output(io::Error),
}

impl Output {
    pub(super) fn open(path: Option<&Path>) -> Result<Output, ToolError> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Output { file: None, is_new: false, is_written: false });
        };
        let is_new = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(FileError::on("write", path))?;
        Ok(Output { file: Some((file, path.to_path_buf())), is_new, is_written: false })
    }

    pub(super) fn write(&mut self, mut answer: Response, include_head: bool) -> Result<(), Broken> {
        self.is_written = true;
        let head = if include_head { answer.head.as_bytes() } else { b"" };
        let mut reader = answer.body.as_reader();
        match &mut self.file {
            Some((file, _)) => {
                file.set_len(0).map_err(Broken::Output)?;
                copy(&mut reader, head, file)
            }
            None => copy(&mut reader, head, &mut io::stdout().lock()),
        }
    }
}

impl Drop for Output {
    /// Removes a file that was created for content that never came.
    fn drop(&mut self) {
        if let (Some((_, path)), true, false) = (&self.file, self.is_new, self.is_written) {
            // An empty file that remains does no harm.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn copy(reader: &mut impl Read, head: &[u8], writer: &mut impl Write) -> Result<(), Broken> {
    writer.write_all(head).map_err(Broken::Output)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return writer.flush().map_err(Broken::Output),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Broken::Input(error)),
        };
        writer.write_all(&buffer[..read]).map_err(Broken::Output)?;
    }
}
