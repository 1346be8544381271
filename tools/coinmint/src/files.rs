//! The configuration of a mint and its coin file.

use std::path::{Path, PathBuf};

use micromint::error::FileError;
use micromint::host::{Directory, DiskDirectory};
use micromint::minting::{MintConfig, MintJobBuilder};
use micromint::toml_file::TOML_FILE_SIZE_MAX;
use micromint_console::{ToolError, read_secret_input};

/// A configuration, with the location of its coin file.
pub(crate) struct Mint {
    pub(crate) config: MintConfig,
    pub(crate) directory: DiskDirectory,
    pub(crate) name: String,
}

impl Mint {
    /// Reads the configuration at `path`. It contains the input key, so only its owner may be able
    /// to read it.
    pub(crate) fn read(path: &Path) -> Result<Mint, ToolError> {
        let text = read_secret_input(path, TOML_FILE_SIZE_MAX as usize)?;
        let config = MintConfig::from_toml(&text).map_err(|error| error.in_file(path))?;
        let coinfile = coin_file_path(path, &config.coinfile);
        let (directory, name) =
            DiskDirectory::of_file(&coinfile).map_err(FileError::on("use", &coinfile))?;
        Ok(Mint { config, directory, name })
    }

    /// A minting job with the default settings.
    pub(crate) fn job(&self) -> MintJobBuilder<'_> {
        MintJobBuilder::new(&self.directory, &self.name, &self.config)
    }

    /// The path of the coin file, which may not exist yet.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }
}

/// The path of the coin file `coinfile`, relative to the configuration at `config`.
pub(crate) fn coin_file_path(config: &Path, coinfile: &str) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(coinfile)
}
