//! Shared code of `mmbroker` and `mmredeem`: opening the coin file and the secret, the time, and
//! output.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::broker::Broker;
use micromint::coin_file::secret_path;
use micromint::error::FileError;
use micromint::host::{Clock, DiskDirectory, SystemClock, SystemEntropy};
use micromint::key_file::read_key;
use micromint::time::UnixTime;
use micromint_console::ToolError;

/// The options that name the broker's files.
#[derive(Args)]
pub(crate) struct Place {
    /// The coin file of the period
    #[arg(long, value_name = "FILE")]
    pub(crate) coinfile: PathBuf,
    /// The broker's secret [default: broker.secret in the folder of the coin file]
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Decide as if it were this time (RFC 3339): for trials, never with real money
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<UnixTime>,
}

impl Place {
    /// Opens the broker.
    pub(crate) fn open(&self) -> Result<Broker, ToolError> {
        open(&self.coinfile, self.secret_file.as_deref())
    }

    /// The time that decisions use.
    pub(crate) fn now(&self) -> UnixTime {
        self.as_of.unwrap_or_else(|| SystemClock.now())
    }
}

/// Opens the broker of a coin file.
pub(crate) fn open(coin_file: &Path, secret_file: Option<&Path>) -> Result<Broker, ToolError> {
    let (directory, name) =
        DiskDirectory::of_file(coin_file).map_err(FileError::on("open", coin_file))?;
    let secret_file = secret_file.map_or_else(|| secret_path(coin_file), Path::to_path_buf);
    let (secret_directory, secret_name) =
        DiskDirectory::of_file(&secret_file).map_err(FileError::on("open", &secret_file))?;
    let secret = read_key(&secret_directory, &secret_name)?;
    let mut broker = Broker::open(&directory, &name, secret, &SystemEntropy)?;
    broker.set_threads(std::thread::available_parallelism().map_or(1, Into::into));
    Ok(broker)
}

/// `1 coin`, `2 coins`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
