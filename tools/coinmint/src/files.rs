//! The configuration of a mint and its coin file.

use std::path::{Path, PathBuf};

use micromint::error::FileError;
use micromint::host::{Directory, DiskDirectory};
use micromint::minting::{MintConfig, MintJobBuilder};
use micromint::toml_file::TOML_FILE_SIZE_MAX;
use micromint_console::{ToolError, read_input, read_secret_input};

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
        if !is_of_mint(&text) {
            return Err(format!(
                "{}: expected the configuration of a mint, with {}, as `coinmint init` writes it",
                path.display(),
                OWN_KEYS.join(" and ")
            )
            .into());
        }
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

/// The keys that only the configuration of a mint has.
const OWN_KEYS: [&str; 2] = ["input-key", "coinfile"];

/// Whether a text is meant as the configuration of a mint, right or not.
fn is_of_mint(text: &str) -> bool {
    let is_own = |line: &str, key: &str| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().any(|line| OWN_KEYS.iter().any(|key| is_own(line, key)))
}

/// The configuration of a mint in the current folder, if there is one only: of the files whose name
/// ends in `.toml`, one that is meant as such. One that cannot be read may be.
fn only_configuration() -> Result<PathBuf, ToolError> {
    let here = DiskDirectory::new(".");
    let names = here.names().map_err(FileError::on("list", here.path()))?;
    let may_be = |name: &&String| {
        let text = read_input(Path::new(name), TOML_FILE_SIZE_MAX as usize);
        text.map_or(true, |text| is_of_mint(&String::from_utf8_lossy(&text)))
    };
    let found = names.iter().filter(|name| name.ends_with(".toml"));
    let found: Vec<&String> = found.filter(may_be).collect();
    match found.as_slice() {
        [name] => Ok(name.into()),
        [] => Err("there is no configuration of a mint here: `coinmint init` writes one".into()),
        [first, ..] => Err(format!(
            "there are {} configurations of mints here: name one of them, such as {first}",
            found.len()
        )
        .into()),
    }
}

/// The path of the coin file `coinfile`, relative to the configuration at `config`.
pub(crate) fn coin_file_path(config: &Path, coinfile: &str) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(coinfile)
}
