//! Files that hold secrets: keys, passwords, and configurations with a key in them.
//!
//! Input: the path of a file. Output: its content. The invariant: a file that its group or others
//! can read or write is never used, and no error repeats what such a file contains.
//!
//! A key file is 64 hexadecimal digits and at most one line end. The broker's secret, the key of a
//! vendor and the secret that signs receipts are all of this form.
//!
//! ```
//! use micromint::host::{DiskDirectory, SystemEntropy};
//! use micromint::key_file::{create_key, read_key};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let directory = DiskDirectory::new(folder.path());
//! let key = create_key(&directory, "broker.secret", &SystemEntropy)?;
//! assert_eq!(read_key(&directory, "broker.secret")?.as_bytes(), key.as_bytes());
//! assert!(create_key(&directory, "broker.secret", &SystemEntropy).is_err(), "it exists");
//! # Ok(())
//! # }
//! ```

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use crate::authenticator::{HexError, KEY_SIZE, Key};
use crate::error::FileError;
use crate::host::{Directory, Entropy, File, Lock, LockGuard, Open};
use crate::text_file::{decode, without_mark};

/// The largest key file, in bytes: a byte order mark, the digits and a line end.
const KEY_FILE_SIZE_MAX: u64 = 3 + 2 * KEY_SIZE as u64 + 2;

/// A file of secrets cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The operating system reported an error.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its group or others can read or write it.
    #[error(
        "{}: others can read this file, which contains a secret; run chmod 600 on it",
        path.display()
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
    },
    /// The content is not valid.
    #[error("{}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found, without the content itself.
        why: String,
    },
}

/// Refuses a file that its group or others can read or write.
///
/// # Errors
/// The file is not private, or cannot be inspected.
pub fn check_private(directory: &dyn Directory, name: &str) -> Result<(), KeyFileError> {
    open_private(directory, name, Open::Read).map(|_| ())
}

/// Reads a private file of at most `size_max` bytes.
///
/// # Errors
/// The file is not private, cannot be read, or is larger.
fn read_private(
    directory: &dyn Directory,
    name: &str,
    size_max: u64,
) -> Result<Vec<u8>, KeyFileError> {
    let file = open_private(directory, name, Open::Read)?;
    read_all(directory, name, file.as_ref(), size_max)
}

/// Reads a private file of UTF-8 text of at most `size_max` bytes.
///
/// # Errors
/// The file is not private, cannot be read, is larger, or is not UTF-8.
pub fn read_private_text(
    directory: &dyn Directory,
    name: &str,
    size_max: u64,
) -> Result<String, KeyFileError> {
    let bytes = read_private(directory, name, size_max)?;
    decode(&bytes).map(str::to_string).map_err(|error| KeyFileError::Content {
        path: directory.path().join(name),
        why: error.to_string(),
    })
}

/// Reads the key in the file `name`.
///
/// # Errors
/// The file cannot be read, is not private, or holds something else.
pub fn read_key(directory: &dyn Directory, name: &str) -> Result<Key, KeyFileError> {
    let bytes = read_private(directory, name, KEY_FILE_SIZE_MAX)?;
    parse(directory, name, &bytes)
}

/// Creates a random key in the new file `name` of mode 0600, durable when this returns.
///
/// # Errors
/// The file exists or cannot be written, or the source of randomness failed.
pub fn create_key(
    directory: &dyn Directory,
    name: &str,
    entropy: &dyn Entropy,
) -> Result<Key, KeyFileError> {
    let path = directory.path().join(name);
    let key = random_key(entropy).map_err(FileError::on("draw randomness for", &path))?;
    let write = || -> io::Result<()> {
        let file = directory.open(name, Open::CreateNew)?;
        write_key(directory, file.as_ref(), &key).inspect_err(|_| {
            // An empty file would look like a key that was lost.
            let _ = directory.remove(name);
        })
    };
    write().map_err(FileError::on("write", &path))?;
    Ok(key)
}

/// Reads the key in the file `name`, or creates one if the file is absent or empty. Processes that
/// start at the same time agree on one key.
///
/// # Errors
/// As for [`read_key`] and [`create_key`].
pub(crate) fn read_or_create_key(
    directory: &dyn Directory,
    name: &str,
    entropy: &dyn Entropy,
) -> Result<Key, KeyFileError> {
    let bytes = match read_private(directory, name, KEY_FILE_SIZE_MAX) {
        Err(KeyFileError::File(error)) if error.source.kind() == ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    if bytes.is_empty() {
        return create_under_lock(directory, name, entropy);
    }
    parse(directory, name, &bytes)
}

/// The first process that gets the file's lock writes a key; the others read it.
fn create_under_lock(
    directory: &dyn Directory,
    name: &str,
    entropy: &dyn Entropy,
) -> Result<Key, KeyFileError> {
    let path = directory.path().join(name);
    let file = open_private(directory, name, Open::Create)?;
    let _guard =
        LockGuard::new(file.as_ref(), Lock::Exclusive).map_err(FileError::on("lock", &path))?;
    let bytes = read_all(directory, name, file.as_ref(), KEY_FILE_SIZE_MAX)?;
    if !bytes.is_empty() {
        return parse(directory, name, &bytes);
    }
    let key = random_key(entropy).map_err(FileError::on("draw randomness for", &path))?;
    write_key(directory, file.as_ref(), &key).map_err(FileError::on("write", &path))?;
    Ok(key)
}

/// Opens a file, and refuses it if it is not private.
fn open_private(
    directory: &dyn Directory,
    name: &str,
    how: Open,
) -> Result<Box<dyn File>, KeyFileError> {
    let path = directory.path().join(name);
    let file = directory.open(name, how).map_err(FileError::on("open", &path))?;
    if !file.is_private().map_err(FileError::on("inspect", &path))? {
        return Err(KeyFileError::NotPrivate { path });
    }
    Ok(file)
}

fn read_all(
    directory: &dyn Directory,
    name: &str,
    file: &dyn File,
    size_max: u64,
) -> Result<Vec<u8>, KeyFileError> {
    let path = directory.path().join(name);
    let size = file.size().map_err(FileError::on("inspect", &path))?;
    if size > size_max {
        let why = format!("expected at most {size_max} bytes, found {size}");
        return Err(KeyFileError::Content { path, why });
    }
    let mut bytes = vec![0; size as usize];
    file.read_at(&mut bytes, 0).map_err(FileError::on("read", &path))?;
    Ok(bytes)
}

fn parse(directory: &dyn Directory, name: &str, bytes: &[u8]) -> Result<Key, KeyFileError> {
    String::from_utf8_lossy(without_mark(bytes)).trim_end().parse().map_err(|error: HexError| {
        KeyFileError::Content { path: directory.path().join(name), why: error.to_string() }
    })
}

fn random_key(entropy: &dyn Entropy) -> io::Result<Key> {
    let mut bytes = [0; KEY_SIZE];
    entropy.fill(&mut bytes)?;
    Ok(Key::from_bytes(bytes))
}

fn write_key(directory: &dyn Directory, file: &dyn File, key: &Key) -> io::Result<()> {
    file.write_at(format!("{}\n", key.to_hex()).as_bytes(), 0)?;
    file.sync()?;
    directory.sync()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::host::{DiskDirectory, SimulatedDirectory, Survives, SystemEntropy, read_whole};

    #[test]
    fn a_key_is_read_back_and_never_replaced() {
        let directory = SimulatedDirectory::new();
        let key = create_key(&directory, "key", &SystemEntropy).unwrap();
        assert_eq!(read_key(&directory, "key").unwrap(), key);
        assert_eq!(read_or_create_key(&directory, "key", &SystemEntropy).unwrap(), key);
        assert!(create_key(&directory, "key", &SystemEntropy).is_err());
        assert_ne!(create_key(&directory, "other", &SystemEntropy).unwrap(), key);
    }

    #[test]
    fn what_is_not_a_key_is_refused_and_left_alone() {
        let directory = SimulatedDirectory::new();
        let longest = format!("\u{feff}{}\r\n", "a".repeat(64));
        directory.put("s", longest.as_bytes());
        assert!(read_key(&directory, "s").is_ok());
        for bad in [format!("{longest} "), "a".repeat(63), "g".repeat(64), "\n".to_string()] {
            directory.put("s", bad.as_bytes());
            for read in
                [read_key(&directory, "s"), read_or_create_key(&directory, "s", &SystemEntropy)]
            {
                assert!(matches!(read, Err(KeyFileError::Content { .. })), "{bad:?}");
            }
            assert_eq!(read_whole(&directory, "s", 99).unwrap(), bad.as_bytes());
        }
        directory.put("s", b"");
        assert!(matches!(read_key(&directory, "s"), Err(KeyFileError::Content { .. })));
        assert!(matches!(read_key(&directory, "absent"), Err(KeyFileError::File(_))));
        directory.put("s", b"hello");
        let error = read_key(&directory, "s").unwrap_err().to_string();
        assert!(error.contains("expected 64 hexadecimal digits"), "{error}");
    }

    #[test]
    fn texts_are_bounded_and_no_error_repeats_them() {
        let directory = SimulatedDirectory::new();
        directory.put("s", b"four");
        assert_eq!(read_private_text(&directory, "s", 4).unwrap(), "four");
        let error = read_private_text(&directory, "s", 3).unwrap_err().to_string();
        assert!(error.contains("expected at most 3 bytes, found 4"), "{error}");
        directory.put("s", b"open\xffsesame");
        let error = read_private_text(&directory, "s", 99).unwrap_err().to_string();
        assert!(error.contains("line 1, column 5") && !error.contains("sesame"), "{error}");
    }

    #[test]
    fn a_file_that_others_can_read_or_write_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let directory = DiskDirectory::new(place.path());
        create_key(&directory, "s", &SystemEntropy).unwrap();
        let chmod = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(place.path().join("s"), permissions).unwrap();
        };
        for mode in [0o600, 0o400] {
            chmod(mode);
            assert!(read_key(&directory, "s").is_ok(), "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o620, 0o602, 0o601] {
            chmod(mode);
            for refused in [
                read_key(&directory, "s").map(|_| ()),
                read_or_create_key(&directory, "s", &SystemEntropy).map(|_| ()),
                read_private_text(&directory, "s", 99).map(|_| ()),
                check_private(&directory, "s"),
            ] {
                let error = refused.unwrap_err().to_string();
                assert!(error.contains("chmod 600"), "{mode:o}: {error}");
            }
        }
    }

    #[test]
    fn a_key_is_made_once_and_survives_a_power_cut() {
        let directory = SimulatedDirectory::new();
        let key = read_or_create_key(&directory, "secret", &SystemEntropy).unwrap();
        assert_eq!(read_or_create_key(&directory, "secret", &SystemEntropy).unwrap(), key);
        let after = directory.after_crash(Survives::Synced);
        assert_eq!(read_or_create_key(&after, "secret", &SystemEntropy).unwrap(), key);
        assert_ne!(read_or_create_key(&directory, "another", &SystemEntropy).unwrap(), key);
    }

    #[test]
    fn a_start_that_was_cut_off_anywhere_can_be_repeated() {
        for step in 0..4 {
            let directory = SimulatedDirectory::new();
            directory.crash_after(step);
            assert!(
                read_or_create_key(&directory, "secret", &SystemEntropy).is_err(),
                "step {step}"
            );
            let after = directory.after_crash(Survives::Synced);
            read_or_create_key(&after, "secret", &SystemEntropy)
                .unwrap_or_else(|error| panic!("step {step}: {error}"));
        }
    }
}
