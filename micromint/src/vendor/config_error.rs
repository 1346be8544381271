//! Why a vendor's configuration, or a file that it names, cannot be used.

use std::path::{Path, PathBuf};

use crate::toml_file::TomlError;

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The configuration file, or a parameter file.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// A setting of a configuration that was built by a program.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Another file or folder that the configuration names.
    #[error("{}{}: {reason}", path.display(), place_suffix(*place))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The line and the column of the error, counted from 1, if they are known.
        place: Option<(usize, usize)>,
        /// What was expected and what was found.
        reason: String,
    },
}

/// A setting is out of its bounds or contradicts another one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
#[non_exhaustive]
pub struct SettingError {
    /// The key in a configuration file.
    pub key: &'static str,
    /// The invalid element, counted from 0, if the value is a list.
    pub index: Option<usize>,
    /// What was expected and what was found.
    pub reason: String,
}

/// `:3:5` for column 5 of line 3, empty for a file as a whole.
fn place_suffix(place: Option<(usize, usize)>) -> String {
    place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default()
}

impl ConfigError {
    /// An error in a file or folder as a whole.
    pub(super) fn file(path: &Path, reason: impl Into<String>) -> ConfigError {
        ConfigError::File { path: path.to_path_buf(), place: None, reason: reason.into() }
    }

    /// An error at a line and column of a file.
    pub(super) fn at(path: &Path, place: (usize, usize), reason: impl Into<String>) -> ConfigError {
        ConfigError::File { path: path.to_path_buf(), place: Some(place), reason: reason.into() }
    }
}

impl SettingError {
    pub(super) fn new(key: &'static str, reason: impl Into<String>) -> SettingError {
        SettingError { key, index: None, reason: reason.into() }
    }

    /// The same error in this element of the list.
    pub(super) fn at(self, index: usize) -> SettingError {
        SettingError { index: Some(index), ..self }
    }
}
