//! The broker's secret: the one key from which those of all users and vendors derive.
//!
//! It is a file of 64 hexadecimal digits, readable by its owner only: [`SECRET_NAME`] beside the coin
//! files. One secret serves all periods, so that vendors keep their keys from month to month. The
//! invariant: a secret that others can read is never used.

use std::io;
use std::path::{Path, PathBuf};

use crate::authenticator::{HexError, KEY_SIZE, Key};
use crate::error::FileError;
use crate::host::{Directory, Entropy, Open};

/// The name of the secret file beside the coin files.
pub const SECRET_NAME: &str = "broker.secret";
/// The largest secret file that is read, in bytes: the digits and a line end.
const SECRET_FILE_SIZE_MAX: u64 = 2 * KEY_SIZE as u64 + 2;

/// The path of the secret for the coin file at `coin_file`: the file [`SECRET_NAME`] beside it.
pub fn secret_path(coin_file: &Path) -> PathBuf {
    coin_file.with_file_name(SECRET_NAME)
}

/// The secret cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others than its owner can read it.
    #[error("{}: others can read it; make it private with chmod 600", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
    },
    /// It holds something else.
    #[error("{}: no secret of the broker: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        why: String,
    },
}

/// Makes a fresh secret in the new file `name` of mode 0600, durable when this returns.
///
/// # Errors
/// The file exists, cannot be written, or there is no randomness.
pub fn create_secret(
    directory: &dyn Directory,
    name: &str,
    entropy: &dyn Entropy,
) -> Result<Key, SecretError> {
    let path = directory.path().join(name);
    let mut bytes = [0; KEY_SIZE];
    entropy.fill(&mut bytes).map_err(FileError::on("draw randomness for", &path))?;
    let key = Key::from_bytes(bytes);
    let write = || -> io::Result<()> {
        let file = directory.open(name, Open::CreateNew)?;
        file.write_at(format!("{}\n", key.to_hex()).as_bytes(), 0)?;
        file.sync()?;
        directory.sync()
    };
    write().map_err(FileError::on("write", &path))?;
    Ok(key)
}

/// Reads the secret in the file `name`.
///
/// # Errors
/// The file cannot be read, others can read it, or it holds no secret.
pub fn read_secret(directory: &dyn Directory, name: &str) -> Result<Key, SecretError> {
    let path = directory.path().join(name);
    let file = directory.open(name, Open::Read).map_err(FileError::on("open", &path))?;
    if !file.is_private().map_err(FileError::on("inspect", &path))? {
        return Err(SecretError::NotPrivate { path });
    }
    let size = file.size().map_err(FileError::on("inspect", &path))?;
    if size > SECRET_FILE_SIZE_MAX {
        let why = format!("{size} bytes, at most {SECRET_FILE_SIZE_MAX} are expected");
        return Err(SecretError::Content { path, why });
    }
    let mut bytes = vec![0; size as usize];
    file.read_at(&mut bytes, 0).map_err(FileError::on("read", &path))?;
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end()
        .parse()
        .map_err(|error: HexError| SecretError::Content { path, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::host::{DiskDirectory, SimulatedDirectory, SystemEntropy};

    #[test]
    fn a_secret_is_read_back_and_never_replaced() {
        let directory = SimulatedDirectory::new();
        let key = create_secret(&directory, SECRET_NAME, &SystemEntropy).unwrap();
        assert_eq!(read_secret(&directory, SECRET_NAME).unwrap(), key);
        assert!(create_secret(&directory, SECRET_NAME, &SystemEntropy).is_err());
        assert_ne!(create_secret(&directory, "other", &SystemEntropy).unwrap(), key);
    }

    #[test]
    fn what_is_no_secret_is_named() {
        let directory = SimulatedDirectory::new();
        let exact = format!("{}\r\n", "a".repeat(64));
        directory.put("s", exact.as_bytes());
        assert!(read_secret(&directory, "s").is_ok());
        for bad in [format!("{exact} "), "a".repeat(63), "g".repeat(64), String::new()] {
            directory.put("s", bad.as_bytes());
            assert!(
                matches!(read_secret(&directory, "s"), Err(SecretError::Content { .. })),
                "{bad:?}"
            );
        }
        assert!(matches!(read_secret(&directory, "absent"), Err(SecretError::File(_))));
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let directory = DiskDirectory::new(place.path());
        create_secret(&directory, "s", &SystemEntropy).unwrap();
        assert!(read_secret(&directory, "s").is_ok());
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(place.path().join("s"), std::fs::Permissions::from_mode(mode))
                .unwrap();
            let error = read_secret(&directory, "s").unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{mode:o}: {error}");
        }
    }
}
