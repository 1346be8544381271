//! `coinmint init`: a new configuration, and the broker's secret if there is none yet.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::broker::secret::{create_secret, read_secret, secret_path};
use micromint::error::FileError;
use micromint::host::{DiskDirectory, SystemEntropy};
use micromint::minting::{NewPeriod, NewPeriodError, Profile};
use micromint::period::Period;
use micromint::time::UnixTime;
use micromint_console::{EXIT_OK, ToolError, say, write_output};

use crate::files::coin_file_path;

/// The broker's URL where none is given: a name that leads nowhere.
const BROKER_DEFAULT: &str = "https://broker.example/";

#[derive(Args)]
pub(crate) struct InitArgs {
    /// The sizes: test, demo, small, small-sha256 or national (see docs/reference/minting.md).
    #[arg(long)]
    profile: Profile,
    /// The period's name, 1 to 32 of a-z 0-9 and -, such as 2026-12.
    #[arg(long)]
    period: Period,
    /// The configuration to write; it must not exist.
    #[arg(short, long, default_value = "mint.toml")]
    output: PathBuf,
    /// The broker's URL, which vendors and clients see.
    #[arg(long)]
    broker: Option<String>,
    /// What a coin is worth, for people.
    #[arg(long, default_value = "0.01 USD")]
    coin_value: String,
    /// Vendors accept from here on [default: the first of the month that the period names].
    #[arg(long)]
    start: Option<UnixTime>,
    /// Vendors accept until here [default: the first of the next month].
    #[arg(long)]
    expiration: Option<UnixTime>,
    /// Allow weak choices, such as the test profile.
    #[arg(long)]
    weak: bool,
}

pub(crate) fn run(args: &InitArgs) -> Result<u8, ToolError> {
    let period = NewPeriod {
        profile: args.profile,
        period: args.period.clone(),
        broker: args.broker.clone().unwrap_or_else(|| BROKER_DEFAULT.to_string()),
        coin_value: args.coin_value.clone(),
        start: args.start,
        expiration: args.expiration,
        weak: args.weak,
    };
    let config = period.draw(&SystemEntropy).map_err(|error| -> ToolError {
        match error {
            NewPeriodError::NoMonth(_) => format!("{error}; give --start and --expiration").into(),
            error => error.into(),
        }
    })?;
    write_output(Some(&args.output), config.to_toml().as_bytes())?;
    say!("wrote {}: {}", args.output.display(), config.params);
    let secret = secret_path(&coin_file_path(&args.output, &config.coinfile));
    if make_secret(&secret)? {
        say!("wrote {}: the broker's secret, for all periods; keep a copy", secret.display());
    } else {
        say!("kept {}: the broker's secret", secret.display());
    }
    if args.broker.is_none() {
        eprintln!(
            "coinmint: note: broker is {BROKER_DEFAULT}; set yours before minting, it cannot change later"
        );
    }
    Ok(EXIT_OK)
}

/// Makes the broker's secret if there is none: whether it did. One that is there is only looked at.
fn make_secret(path: &Path) -> Result<bool, ToolError> {
    let (directory, name) = DiskDirectory::of_file(path).map_err(FileError::on("use", path))?;
    if path.try_exists()? {
        read_secret(&directory, &name)?;
        return Ok(false);
    }
    create_secret(&directory, &name, &SystemEntropy)?;
    Ok(true)
}
