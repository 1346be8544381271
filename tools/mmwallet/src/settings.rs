//! The settings beside the wallet: what its owner allows, unless the command line says otherwise.
//!
//! In goes a TOML file, which may be absent, out come the settings that it names.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use micromint::error::FileError;
use micromint::toml_file::{TomlText, load_path, number};
use micromint_console::ToolError;

/// The default of the daily limit, in coins.
pub const DAILY_LIMIT_DEFAULT: u32 = 100;
/// The default of the days before an expiration from which on a warning is given.
pub const WARN_DAYS_DEFAULT: u32 = 3;

/// A settings file. Every key may be absent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The highest price that is paid without asking. Default: 0, in coins.
    #[serde(default, deserialize_with = "number")]
    pub autopay: Option<u32>,
    /// The most that may leave in a UTC day. Default: [`DAILY_LIMIT_DEFAULT`], in coins.
    #[serde(default, deserialize_with = "number")]
    pub daily_limit: Option<u32>,
    /// Whether to pay over http too. Default: false.
    pub allow_http: Option<bool>,
    /// How long before an expiration to begin to warn. Default: [`WARN_DAYS_DEFAULT`], in days.
    #[serde(default, deserialize_with = "number")]
    pub warn_days: Option<u32>,
    /// The proxy, as in `--proxy`. Default: none.
    pub proxy: Option<String>,
    /// A file of certificates, as in `--cacert`. Default: none.
    pub cacert: Option<std::path::PathBuf>,
}

impl Settings {
    /// Reads a settings file; an absent one is empty.
    ///
    /// # Errors
    /// A file that cannot be read or is not TOML, or a key that is unknown or has a value that it
    /// cannot have, with its line and column.
    pub fn read(path: &Path) -> Result<Settings, ToolError> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Settings::default()),
            Err(error) => return Err(FileError::on("read", path)(error).into()),
            Ok(_) => {}
        }
        let text = load_path(path)?;
        let settings = TomlText::parse(&text).and_then(|text| text.read());
        Ok(settings.map_err(|error| error.in_file(path))?)
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
        for (bad, says) in [
            ("autopy = 5", "wallet.toml:1:1: unknown key `autopy`, expected one of `autopay`"),
            ("\nautopay = -1", "wallet.toml:2:11: autopay: expected a number from 0 to"),
            ("autopay = \"5\"", "wallet.toml:1:11: autopay: invalid type: string \"5\", expected"),
            ("autopay", "wallet.toml:1:"),
        ] {
            std::fs::write(&path, bad).unwrap();
            let error = Settings::read(&path).unwrap_err().to_string();
            assert!(error.contains(says), "expected {says:?} in {error:?}");
        }
    }
}
