//! `coinmint init`: a new configuration, and the broker's secret if there is none yet.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::broker::secret::{create_secret, read_secret};
use micromint::coin_file::secret_path;
use micromint::error::FileError;
use micromint::hash::HashName;
use micromint::host::{DiskDirectory, SystemEntropy};
use micromint::minting::{MintConfig, Profile};
use micromint::params::{Params, REDEEM_DAYS_DEFAULT, RawParams};
use micromint::period::Period;
use micromint::time::{DAY_SECONDS, UnixTime};
use micromint_console::{EXIT_OK, ToolError, say, write_output};

use crate::files::coin_file_path;

/// The broker's URL where none is given: a name that leads nowhere.
const BROKER_DEFAULT: &str = "https://broker.example/";

#[derive(Args)]
pub(crate) struct InitArgs {
    /// The sizes: test, demo, small, small-sha256 or national (see docs/minting.md).
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
    let mut config = MintConfig::draw(Params::new(raw_params(args)?)?, &SystemEntropy)?;
    config.weak = args.weak;
    config.check_weak()?;
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

fn raw_params(args: &InitArgs) -> Result<RawParams, ToolError> {
    let (start, expiration) = match (args.start, args.expiration, args.period.month()) {
        (Some(start), Some(expiration), _) => (start, expiration),
        (start, expiration, Some((first, next))) => (start.unwrap_or(first), expiration.unwrap_or(next)),
        _ => {
            let text = format!("period {} is no month: give --start and --expiration", args.period);
            return Err(text.into());
        }
    };
    let mut raw = RawParams {
        period: args.period.clone(),
        hash: HashName::Des,
        iv: 0,
        input_bits: 0,
        output_bits: 0,
        fixed_count: 0,
        fixed_bits: 0,
        subbin_bits: 0,
        coin_size: 0,
        start,
        expiration,
        redeem_until: expiration.plus_seconds(REDEEM_DAYS_DEFAULT * DAY_SECONDS),
        broker: args.broker.clone().unwrap_or_else(|| BROKER_DEFAULT.to_string()),
        coin_value: args.coin_value.clone(),
    };
    args.profile.apply(&mut raw, &SystemEntropy)?;
    Ok(raw)
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
