//! The secret that receipts are made with: a file of 64 hexadecimal digits, mode 0600, that all servers
//! of one till share.

use std::io::{self, ErrorKind};

use super::paywall::PaywallError;
use crate::authenticator::{HexError, KEY_SIZE, Key};
use crate::error::FileError;
use crate::host::{Directory, Entropy, Lock, LockGuard, Open, read_whole};

/// The largest file that is read, in bytes.
const SECRET_FILE_SIZE_MAX: u64 = 256;

/// Reads the secret, or makes it if the file is absent or empty. Processes that start at once agree on
/// one.
pub(super) fn read_or_make(
    directory: &dyn Directory,
    name: &str,
    entropy: &dyn Entropy,
) -> Result<Key, PaywallError> {
    let path = directory.path().join(name);
    let bytes = match read_whole(directory, name, SECRET_FILE_SIZE_MAX) {
        Ok(bytes) if !bytes.is_empty() => bytes,
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(FileError::on("read", path)(error).into());
        }
        _ => make(directory, name, entropy).map_err(FileError::on("make", &path))?,
    };
    let text = String::from_utf8_lossy(&bytes);
    text.trim()
        .parse()
        .map_err(|error: HexError| PaywallError::Secret { path, reason: error.to_string() })
}

/// Under the file's own lock whoever comes first writes, and the others read.
fn make(directory: &dyn Directory, name: &str, entropy: &dyn Entropy) -> io::Result<Vec<u8>> {
    let file = directory.open(name, Open::Create)?;
    let _guard = LockGuard::new(file.as_ref(), Lock::Exclusive)?;
    let size = file.size()?.min(SECRET_FILE_SIZE_MAX);
    if size > 0 {
        let mut bytes = vec![0; size as usize];
        file.read_at(&mut bytes, 0)?;
        return Ok(bytes);
    }
    let mut key = [0; KEY_SIZE];
    entropy.fill(&mut key)?;
    let text = format!("{}\n", Key::from_bytes(key).to_hex());
    file.write_at(text.as_bytes(), 0)?;
    file.sync()?;
    directory.sync()?;
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{SimulatedDirectory, Survives, SystemEntropy};

    #[test]
    fn the_secret_is_made_once_and_outlives_a_power_cut() {
        let directory = SimulatedDirectory::new();
        let key = read_or_make(&directory, "secret", &SystemEntropy).unwrap();
        assert_eq!(read_or_make(&directory, "secret", &SystemEntropy).unwrap(), key);
        let after = directory.after_crash(Survives::Synced);
        assert_eq!(read_or_make(&after, "secret", &SystemEntropy).unwrap(), key);
        assert_ne!(read_or_make(&directory, "another", &SystemEntropy).unwrap(), key);
    }

    #[test]
    fn a_start_cut_off_anywhere_is_begun_again() {
        for step in 0..4 {
            let directory = SimulatedDirectory::new();
            directory.crash_after(step);
            assert!(read_or_make(&directory, "secret", &SystemEntropy).is_err(), "step {step}");
            let after = directory.after_crash(Survives::Synced);
            read_or_make(&after, "secret", &SystemEntropy)
                .unwrap_or_else(|error| panic!("step {step}: {error}"));
        }
    }

    #[test]
    fn another_file_is_no_secret_and_is_left_alone() {
        let directory = SimulatedDirectory::new();
        directory.open("secret", Open::Create).unwrap().write_at(b"hello", 0).unwrap();
        let error = read_or_make(&directory, "secret", &SystemEntropy).unwrap_err().to_string();
        assert!(error.contains("expected 64 hexadecimal digits"), "{error}");
        assert_eq!(read_whole(&directory, "secret", 99).unwrap(), b"hello");
    }
}
