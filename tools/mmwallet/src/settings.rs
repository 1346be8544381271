//! The settings beside the wallet: what its owner allows, unless the command line says otherwise.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use micromint::error::FileError;
use micromint_console::{ToolError, read_input};

/// The largest settings file, in bytes.
const SIZE_MAX: usize = 64 * 1024;
/// The daily limit where nothing is said, in coins.
pub const DAILY_LIMIT_DEFAULT: u32 = 100;
/// Days before the expiration from which on a warning is given, where nothing is said.
pub const WARN_DAYS_DEFAULT: u32 = 3;

/// A settings file. Every key may be absent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The highest price that is paid without asking, in coins; default 0, so every price is asked.
    pub autopay: Option<u32>,
    /// The most coins that may leave in a UTC day; default [`DAILY_LIMIT_DEFAULT`].
    pub daily_limit: Option<u32>,
    /// Pay over http too.
    pub allow_http: Option<bool>,
    /// From how many days before the expiration on to warn; default [`WARN_DAYS_DEFAULT`].
    pub warn_days: Option<u32>,
    /// The proxy, as in `--proxy`.
    pub proxy: Option<String>,
    /// A file of certificates, as in `--cacert`.
    pub cacert: Option<std::path::PathBuf>,
}

impl Settings {
    /// Reads a settings file; an absent one is empty.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, or has a key that is none of ours.
    pub fn read(path: &Path) -> Result<Settings, ToolError> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Settings::default()),
            Err(error) => return Err(FileError::on("read", path)(error).into()),
            Ok(_) => {}
        }
        let text = String::from_utf8(read_input(path, SIZE_MAX)?)?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// The days before an expiration from which on to warn, in seconds.
    pub fn warn_seconds(&self) -> i64 {
        i64::from(self.warn_days.unwrap_or(WARN_DAYS_DEFAULT)) * 86_400
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_mistakes_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wallet.toml");
        assert_eq!(Settings::read(&path).unwrap(), Settings::default());
        std::fs::write(&path, "autopay = 5\ndaily-limit = 20\nallow-http = true\n").unwrap();
        let settings = Settings::read(&path).unwrap();
        let expected = (Some(5), Some(20), Some(true));
        assert_eq!((settings.autopay, settings.daily_limit, settings.allow_http), expected);
        for bad in ["autopy = 5", "autopay = -1", "autopay = \"5\"", "autopay"] {
            std::fs::write(&path, bad).unwrap();
            let error = Settings::read(&path).unwrap_err().to_string();
            assert!(error.contains("wallet.toml"), "{error}");
        }
    }
}
