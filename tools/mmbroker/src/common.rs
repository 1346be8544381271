//! Shared code of `mmbroker` and `mmredeem`: opening the coin file and the secret, the time, and
//! output.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::broker::{Alarm, Broker};
use micromint::coin_file::secret_path;
use micromint::error::FileError;
use micromint::host::{Clock, DiskDirectory, SystemClock, SystemEntropy, replace_whole};
use micromint::key_file::read_key;
use micromint::money::coins;
use micromint::time::UnixTime;
use micromint_console::{EXIT_OK, ToolError, tell_waits};

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
    let directory = tell_waits(directory);
    let secret_file = secret_file.map_or_else(|| secret_path(coin_file), Path::to_path_buf);
    let (secret_directory, secret_name) =
        DiskDirectory::of_file(&secret_file).map_err(FileError::on("open", &secret_file))?;
    let secret = read_key(&secret_directory, &secret_name)?;
    let mut broker = Broker::open(&directory, &name, secret, &SystemEntropy)?;
    broker.set_threads(std::thread::available_parallelism().map_or(1, Into::into));
    Ok(broker)
}

/// Coins that raise an alarm were found, and everything else was done.
pub(crate) const EXIT_ALARM: u8 = 3;

/// Prints an alarm if there is one. Returns the exit status.
pub(crate) fn report_alarm(program: &str, alarm: &Alarm) -> u8 {
    if alarm.is_silent() {
        return EXIT_OK;
    }
    eprintln!("{program}: ALARM: {}", alarm_in_words(alarm));
    EXIT_ALARM
}

/// `2 coins forged, 3 coins not from the owner`: the counts that are not zero.
pub(crate) fn alarm_in_words(alarm: &Alarm) -> String {
    let counts = [
        (alarm.forged, "forged"),
        (alarm.not_from_owner, "not from the owner"),
        (alarm.invented, "of users who bought nothing"),
    ];
    let present = counts.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> =
        present.map(|(count, what)| format!("{} {what}", coins(*count))).collect();
    words.join(", ")
}

/// Writes the answer to the message in the file `message`: to `message.result`, in the folder `out`
/// if that is one, else to the file `out`. An older answer is replaced.
pub(crate) fn write_result(
    out: Option<&Path>,
    message: &Path,
    answer: &[u8],
) -> Result<(), ToolError> {
    let mut name = message.file_name().unwrap_or_default().to_os_string();
    name.push(".result");
    let result = match out {
        None => message.with_file_name(name),
        Some(out) if out.is_dir() => out.join(name),
        Some(out) => out.to_path_buf(),
    };
    let written = DiskDirectory::of_file(&result)
        .and_then(|(directory, name)| replace_whole(&directory, &name, answer));
    Ok(written.map_err(FileError::on("write", &result))?)
}
