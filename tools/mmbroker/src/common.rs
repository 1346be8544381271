//! Shared code of `mmbroker` and `mmredeem`: opening the coin file and the secret, the time, and
//! the places of results.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::broker::{Alarm, Broker};
use micromint::coin_file::secret_path;
use micromint::error::FileError;
use micromint::host::{Clock, DiskDirectory, SystemClock, SystemEntropy};
use micromint::key_file::read_key;
use micromint::money::coins;
use micromint::time::UnixTime;
use micromint_console::output::{Existing, Rules};
use micromint_console::{EXIT_OK, ToolError, tell, tell_waits};

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

    /// The rules for an output: never over the broker's own files.
    pub(crate) fn rules<'a>(&self, existing: Existing<'a>) -> Rules<'a> {
        let mut rules = Rules::new(existing)
            .uses(&self.coinfile, "the coin file")
            .uses(&self.secret_path(), "the broker's secret");
        for ending in ["journal", "claims", "rejected"] {
            let mut path = self.coinfile.clone().into_os_string();
            path.push(format!(".{ending}"));
            rules = rules.uses(Path::new(&path), "a file of the broker");
        }
        rules
    }

    fn secret_path(&self) -> PathBuf {
        self.secret_file.clone().unwrap_or_else(|| secret_path(&self.coinfile))
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
    tell!("{program}: ALARM: {}", alarm_in_words(alarm));
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

/// Where the answer to the message in the file `message` goes: to `message.result`, in the folder
/// `out` if that is one, else to the file `out`. The answer to a message on standard input goes to
/// standard output.
pub(crate) fn result_path(out: Option<&Path>, message: &Path) -> PathBuf {
    let mut name = message.file_name().unwrap_or_default().to_os_string();
    name.push(".result");
    match out {
        None if message == Path::new("-") => message.to_path_buf(),
        None => message.with_file_name(name),
        Some(out) if out.is_dir() => out.join(name),
        Some(out) => out.to_path_buf(),
    }
}

/// Refuses messages whose answers would go to the same file, before anything is done.
pub(crate) fn check_results_differ(
    out: Option<&Path>,
    messages: &[PathBuf],
) -> Result<(), ToolError> {
    let mut places: Vec<(PathBuf, &Path)> = Vec::new();
    for message in messages {
        let result = result_path(out, message);
        let folder = result.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = std::fs::canonicalize(folder.unwrap_or(Path::new("."))).unwrap_or_default();
        let place = folder.join(result.file_name().unwrap_or_default());
        if let Some((_, other)) = places.iter().find(|(taken, _)| *taken == place) {
            return Err(format!(
                "{} and {} would both have the result {}; nothing was done: process them in \
                different folders",
                other.display(),
                message.display(),
                result.display()
            )
            .into());
        }
        places.push((place, message));
    }
    Ok(())
}
