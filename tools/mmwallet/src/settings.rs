//! The settings file of a wallet: defaults for options of the command line.
//!
//! Input: a TOML file, which may be absent. Output: the settings in it.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use micromint::error::FileError;
use micromint::money::Money;
use micromint::toml_file::{TomlText, load_path, number};
use micromint_console::ToolError;

use crate::limits::{Amount, money};
use crate::net::checked_proxy as proxy;

/// The default daily limit, in coins.
pub const DAILY_LIMIT_DEFAULT: u32 = 100;
/// The default of how many days before an expiration warnings begin.
pub const WARN_DAYS_DEFAULT: u32 = 3;

/// A settings file. Every key is optional.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The highest price to pay without asking. Default: 0.
    pub autopay: Option<Amount>,
    /// How much may be sent in a UTC day. Default: [`DAILY_LIMIT_DEFAULT`] coins.
    pub daily_limit: Option<Amount>,
    /// How much money may be sent to one vendor in a UTC day. Default: no limit.
    #[serde(default, deserialize_with = "money")]
    pub site_limit: Option<Money>,
    /// How much money may be paid for one task of a program. Default: no limit.
    #[serde(default, deserialize_with = "money")]
    pub task_limit: Option<Money>,
    /// Whether to pay over plain http too. Default: false.
    pub allow_http: Option<bool>,
    /// How many days before an expiration warnings begin. Default: [`WARN_DAYS_DEFAULT`].
    #[serde(default, deserialize_with = "number")]
    pub warn_days: Option<u32>,
    /// The proxy, as in `--proxy`. Default: none.
    #[serde(default, deserialize_with = "proxy")]
    pub proxy: Option<String>,
    /// A file with certificates, as in `--cacert`. Default: none.
    pub cacert: Option<std::path::PathBuf>,
}

impl Settings {
    /// Reads a settings file. An absent file has no settings.
    ///
    /// # Errors
    /// The file cannot be read or is not TOML, or a key is unknown or has an invalid value; with
    /// line and column.
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

    /// How long before an expiration warnings begin, in seconds.
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
        let expected = (Some(Amount::Coins(5)), Some(Amount::Coins(20)), Some(true));
        assert_eq!((settings.autopay, settings.daily_limit, settings.allow_http), expected);
        let text = "autopay = \"0.05 USD\"\nsite-limit = \"1 USD\"\ntask-limit = \"2 USD\"\n";
        std::fs::write(&path, text).unwrap();
        let settings = Settings::read(&path).unwrap();
        let found = [settings.site_limit, settings.task_limit].map(|it| it.unwrap().to_string());
        assert_eq!(settings.autopay, Some(Amount::Money("0.05 USD".parse().unwrap())));
        assert_eq!(found, ["1 USD", "2 USD"]);
        for (bad, says) in [
            ("autopy = 5", "wallet.toml:1:1: unknown key `autopy`, expected one of `autopay`"),
            ("\nautopay = -1", "wallet.toml:2:11: autopay: expected a number from 0 to"),
            ("autopay = \"5\"", "wallet.toml:1:11: autopay: expected a number from 0 to"),
            ("site-limit = 1", "wallet.toml:1:14: site-limit: expected money such as \"0.05 USD\""),
            (
                "task-limit = 0.5",
                "wallet.toml:1:14: task-limit: expected money such as \"0.05 USD\"",
            ),
            ("autopay = 5.5", "wallet.toml:1:11: autopay: invalid type: floating point"),
            ("site-limit = \"5\"", "wallet.toml:1:14: site-limit: expected an amount"),
            ("autopay", "wallet.toml:1:"),
            ("proxy = \"ftp://a\"", "wallet.toml:1:9: proxy: expected a proxy such as"),
        ] {
            std::fs::write(&path, bad).unwrap();
            let error = Settings::read(&path).unwrap_err().to_string();
            assert!(error.contains(says), "expected {says:?} in {error:?}");
        }
    }
}
