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
    /// The configuration's own file.
    pub(crate) source: PathBuf,
}

impl Mint {
    /// Reads the configuration at `path`, or the only one in the current folder. It contains the
    /// input key, so only its owner may be able to read it.
    pub(crate) fn read(path: Option<&Path>) -> Result<Mint, ToolError> {
        let path = &path.map_or_else(only_configuration, |path| Ok(path.to_path_buf()))?;
        let text = read_secret_input(path, TOML_FILE_SIZE_MAX as usize)?;
        let config = MintConfig::from_toml(&text).map_err(|error| error.in_file(path))?;
        let coinfile = coin_file_path(path, &config.coinfile);
        let (directory, name) =
            DiskDirectory::of_file(&coinfile).map_err(FileError::on("use", &coinfile))?;
        Ok(Mint { config, directory, name, source: path.clone() })
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

/// The file in the current folder whose name ends in `.toml`, if there is one only.
fn only_configuration() -> Result<PathBuf, ToolError> {
    let here = DiskDirectory::new(".");
    let names = here.names().map_err(FileError::on("list", here.path()))?;
    let found: Vec<&String> = names.iter().filter(|name| name.ends_with(".toml")).collect();
    match found.as_slice() {
        [name] => Ok(name.into()),
        [] => Err("there is no configuration here: `coinmint init` writes one".into()),
        [first, ..] => Err(format!(
            "there are {} configurations here: name one of them, such as {first}",
            found.len()
        )
        .into()),
    }
}

/// The path of the coin file `coinfile`, relative to the configuration at `config`.
pub(crate) fn coin_file_path(config: &Path, coinfile: &str) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(coinfile)
}
