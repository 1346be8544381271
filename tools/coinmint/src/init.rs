//! `coinmint init`: writes a new configuration, and the broker's secret if it does not exist.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::coin_file::secret_path;
use micromint::error::FileError;
use micromint::host::{DiskDirectory, SystemEntropy};
use micromint::key_file::{create_key, read_key};
use micromint::minting::{NewPeriod, NewPeriodError, Profile};
use micromint::money::Money;
use micromint::period::Period;
use micromint::time::UnixTime;
use micromint_console::{EXIT_OK, ToolError, say, write_output};

use crate::files::coin_file_path;

/// The default of the broker's URL, a name that does not exist.
const BROKER_DEFAULT: &str = "https://broker.example/";

#[derive(Args)]
pub(crate) struct InitArgs {
    /// The hash function and the sizes: test, demo, small, small-sha256 or national
    /// (docs/reference/minting.md describes them).
    #[arg(long)]
    profile: Profile,
    /// The name of the period, 1 to 32 characters of a-z, 0-9 and -, such as 2026-12.
    #[arg(long)]
    period: Period,
    /// The configuration file to write; it must not exist.
    #[arg(short, long, default_value = "mint.toml")]
    output: PathBuf,
    /// The broker's URL, which vendors and wallets see. It cannot change after minting.
    #[arg(long)]
    broker: Option<String>,
    /// The value of a coin: an amount with at most 8 decimals and an ISO 4217 currency code.
    #[arg(long, default_value = "0.01 USD")]
    coin_value: Money,
    /// When vendors begin to accept the coins, in RFC 3339 [default: the first day of the month
    /// that the period names].
    #[arg(long)]
    start: Option<UnixTime>,
    /// When vendors stop accepting the coins, in RFC 3339 [default: the first day of the next
    /// month].
    #[arg(long)]
    expiration: Option<UnixTime>,
    /// Allow parameters that are too weak for real money, such as those of the test profile.
    #[arg(long)]
    weak: bool,
}

pub(crate) fn run(args: &InitArgs) -> Result<u8, ToolError> {
    let period = NewPeriod {
        profile: args.profile,
        period: args.period.clone(),
        broker: args.broker.clone().unwrap_or_else(|| BROKER_DEFAULT.to_string()),
        coin_value: args.coin_value,
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
        say!(
            "wrote {}: the broker's secret, for all periods; keep it secret and make a copy",
            secret.display()
        );
    } else {
        say!("{} exists and is used: the broker's secret", secret.display());
    }
    if args.broker.is_none() {
        eprintln!(
            "coinmint: note: the broker's URL is {BROKER_DEFAULT}; set your own in the \
            configuration before minting, because it cannot change later"
        );
    }
    Ok(EXIT_OK)
}

/// Creates the broker's secret if it does not exist, and checks it if it does. Returns whether it
/// was created.
fn make_secret(path: &Path) -> Result<bool, ToolError> {
    let (directory, name) = DiskDirectory::of_file(path).map_err(FileError::on("use", path))?;
    if path.try_exists()? {
        read_key(&directory, &name)?;
        return Ok(false);
    }
    create_key(&directory, &name, &SystemEntropy)?;
    Ok(true)
}
