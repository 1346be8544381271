//! What the programs of the broker share: opening what the configuration names, where they may
//! write, and words for people.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use micromint::broker::Alarm;
use micromint::error::FileError;
use micromint::host::{Clock, DiskDirectory, Entropy, FixedClock, SystemClock, SystemEntropy};
use micromint::key_file::read_key;
use micromint::money::coins;
use micromint::period::Period;
use micromint::time::UnixTime;
use micromint_console::output::{Existing, Rules};
use micromint_console::{EXIT_OK, ToolError, tell};

use crate::config::Config;
use crate::service::{OpenPeriod, Service};
use crate::store::{CONSOLE, Store};

/// The configuration file of the package.
pub const CONFIG_DEFAULT: &str = "/etc/micromint/broker.toml";
/// Coins that raise an alarm were found, and everything else was done.
pub const EXIT_ALARM: u8 = 3;
/// The endings of the files that SQLite keeps beside a database.
const SQLITE_ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

/// The options that say whose broker it is.
#[derive(Args, Clone, Debug)]
pub struct BrokerArgs {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub config: PathBuf,
    /// Decide as of this time (RFC 3339): for rehearsals, never with real money
    #[arg(long, global = true, value_name = "TIME")]
    pub as_of: Option<UnixTime>,
}

/// An open broker, and the files that belong to it.
pub struct Broker {
    /// Its operations.
    pub service: Arc<Service>,
    /// Its configuration.
    pub config: Config,
    path: PathBuf,
}

impl BrokerArgs {
    /// Opens the broker.
    ///
    /// # Errors
    /// There is no database, or the configuration, the secret, the database or a coin file cannot
    /// be used.
    pub async fn open(&self) -> Result<Broker, ToolError> {
        Store::check_exists(&Config::load(&self.config)?.database)?;
        self.make().await
    }

    /// Opens the broker without its coin files, which a database that is closed cannot register.
    ///
    /// # Errors
    /// There is no database, or the configuration, the secret or the database cannot be used.
    pub async fn open_database(&self) -> Result<(Service, Config), ToolError> {
        let config = Config::load(&self.config)?;
        Store::check_exists(&config.database)?;
        Ok((without_coin_files(&config, self.as_of).await?, config))
    }

    /// Opens the broker, with a new database if there is none.
    ///
    /// # Errors
    /// The configuration, the secret, the database or a coin file cannot be used.
    pub async fn make(&self) -> Result<Broker, ToolError> {
        let config = Config::load(&self.config)?;
        let mut service = opened(&config, self.as_of).await?;
        service.set_by(CONSOLE);
        Ok(Broker { service: Arc::new(service), config, path: self.config.clone() })
    }
}

impl Broker {
    /// The period of this name; without one, the only period.
    ///
    /// # Errors
    /// There is no such period, or there are several.
    pub fn period(&self, name: Option<&Period>) -> Result<Arc<OpenPeriod>, ToolError> {
        if let Some(name) = name {
            let found = self.service.period(name);
            return found.ok_or_else(|| format!("there is no coin file of period {name}").into());
        }
        let periods = self.service.periods();
        let names: Vec<&str> = periods.iter().map(|period| period.name().as_str()).collect();
        match periods.as_slice() {
            [] => {
                let folder = self.config.coins.display();
                Err(format!("no complete coin file in {folder}").into())
            }
            [only] => Ok(Arc::clone(only)),
            _ => Err(format!("name one of the periods with --period: {}", names.join(", ")).into()),
        }
    }

    /// The rules for an output: never over the broker's own files.
    ///
    /// # Errors
    /// The database failed.
    pub async fn rules<'a>(&self, existing: Existing<'a>) -> Result<Rules<'a>, ToolError> {
        let mut rules = Rules::new(existing)
            .uses(&self.path, "the configuration")
            .uses(&self.config.secret_file(), "the broker's secret")
            .uses(&self.config.witness_file(), "the broker's witness");
        if let Some(database) = self.config.database.strip_prefix("sqlite:") {
            for ending in SQLITE_ENDINGS {
                rules = rules.uses(Path::new(&format!("{database}{ending}")), "the database");
            }
        }
        for period in self.service.store().periods().await? {
            rules = rules.uses(Path::new(&period.coin_file), "a coin file");
        }
        Ok(rules)
    }

    /// The path of a list for the vendors: `out`, or PERIOD.KIND in the folder of the coin files.
    pub fn list_path(&self, out: Option<&Path>, period: &OpenPeriod, kind: &str) -> PathBuf {
        let default = || self.config.coins.join(format!("{}.{kind}", period.name()));
        out.map_or_else(default, Path::to_path_buf)
    }
}

/// Opens the broker that a configuration describes, with a new database if there is none.
///
/// # Errors
/// The secret, the database or a coin file cannot be used.
pub async fn open(config: &Config, as_of: Option<UnixTime>) -> Result<Arc<Service>, ToolError> {
    Ok(Arc::new(opened(config, as_of).await?))
}

async fn opened(config: &Config, as_of: Option<UnixTime>) -> Result<Service, ToolError> {
    let service = without_coin_files(config, as_of).await?;
    service.open_coin_files(&config.coins).await?;
    Ok(service)
}

async fn without_coin_files(
    config: &Config,
    as_of: Option<UnixTime>,
) -> Result<Service, ToolError> {
    let secret_file = config.secret_file();
    let (directory, name) =
        DiskDirectory::of_file(&secret_file).map_err(FileError::on("open", &secret_file))?;
    let secret = read_key(&directory, &name)?;
    let clock: Arc<dyn Clock> = match as_of {
        Some(time) => Arc::new(FixedClock(time)),
        None => Arc::new(SystemClock),
    };
    let store = Store::open(&config.database).await?;
    let mut service = Service::open(store, secret, Some(&config.witness_file()), clock).await?;
    service.set_url(&config.url);
    Ok(service)
}

/// Prints an alarm if there is one. Returns the exit status.
pub fn report_alarm(program: &str, alarm: &Alarm) -> u8 {
    if alarm.is_silent() {
        return EXIT_OK;
    }
    tell!("{program}: ALARM: {}", alarm_in_words(alarm));
    EXIT_ALARM
}

/// `2 coins forged, 3 coins not from the owner`: the counts that are not zero.
pub fn alarm_in_words(alarm: &Alarm) -> String {
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

/// `1 set`, `2 sets`.
pub fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `judged 1 batch that was cut off`.
pub fn judged_late(number: u32) -> String {
    match number {
        1 => "judged 1 batch that was cut off".to_string(),
        _ => format!("judged {number} batches that were cut off"),
    }
}

/// Where the answer to the message in the file `message` goes: to `message.result`, in the folder
/// `out` if that is one, else to the file `out`. The answer to a message on standard input goes to
/// standard output.
pub fn result_path(out: Option<&Path>, message: &Path) -> PathBuf {
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
///
/// # Errors
/// Two messages have the same place for their answers.
pub fn check_results_differ(out: Option<&Path>, messages: &[PathBuf]) -> Result<(), ToolError> {
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

/// Runs the work of a program on threads of its own.
///
/// # Errors
/// Those of the work, or no threads can be made.
pub fn block_on(work: impl Future<Output = Result<u8, ToolError>>) -> Result<u8, ToolError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// A new random number for a transaction.
///
/// # Errors
/// The operating system has none.
pub fn random_number() -> Result<u64, ToolError> {
    Ok(SystemEntropy.number().map_err(|error| format!("cannot get a random number: {error}"))?)
}
