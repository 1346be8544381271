//! The configuration and the coin file that it names.

use std::path::{Path, PathBuf};

use micromint::error::FileError;
use micromint::host::{Directory, DiskDirectory, Open};
use micromint::minting::{MINT_FILE_SIZE_MAX, MintConfig, MintJobBuilder};
use micromint_console::{ToolError, read_input};

/// A configuration that was read, and where its coin file is.
pub(crate) struct Mint {
    pub(crate) config: MintConfig,
    pub(crate) directory: DiskDirectory,
    pub(crate) name: String,
}

impl Mint {
    /// Reads the configuration at `path`.
    pub(crate) fn read(path: &Path) -> Result<Mint, ToolError> {
        let bytes = read_input(path, MINT_FILE_SIZE_MAX as usize)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| format!("{}: expected UTF-8 text", path.display()))?;
        let config =
            MintConfig::from_toml(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        warn_if_public(path)?;
        let coinfile = coin_file_path(path, &config.coinfile);
        let (directory, name) =
            DiskDirectory::of_file(&coinfile).map_err(FileError::on("use", &coinfile))?;
        Ok(Mint { config, directory, name })
    }

    /// A job for this mint, with its defaults.
    pub(crate) fn job(&self) -> MintJobBuilder<'_> {
        let MintConfig { params, key, .. } = &self.config;
        MintJobBuilder::new(&self.directory, &self.name, params, key)
    }

    /// Where the coin file is, or will be.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }
}

/// The path of the coin file `coinfile` of the configuration at `config`.
pub(crate) fn coin_file_path(config: &Path, coinfile: &str) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(coinfile)
}

/// Says so if others can read the input key.
fn warn_if_public(path: &Path) -> Result<(), ToolError> {
    if path == Path::new("-") {
        return Ok(());
    }
    let (directory, name) = DiskDirectory::of_file(path).map_err(FileError::on("use", path))?;
    let file = directory.open(&name, Open::Read).map_err(FileError::on("open", path))?;
    if !file.is_private().map_err(FileError::on("read the mode of", path))? {
        eprintln!(
            "coinmint: warning: others can read {}, which holds a secret: chmod 600 it",
            path.display()
        );
    }
    Ok(())
}
