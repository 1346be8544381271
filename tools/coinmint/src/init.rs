//! `coinmint init`: writes a new configuration, and the broker's secret if it does not exist.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use micromint::coin_file::secret_path;
use micromint::error::FileError;
use micromint::host::{DiskDirectory, SystemEntropy};
use micromint::key_file::{create_key, read_key};
use micromint::minting::{
    Demand, MintConfig, NewPeriod, NewPeriodError, Profile, Size, measure_rate,
};
use micromint::money::Money;
use micromint::period::Period;
use micromint::time::UnixTime;
use micromint_console::output::{Existing, Rules};
use micromint_console::{EXIT_OK, ToolError, say, tell};

use crate::files::coin_file_path;
use crate::{threads, units};

/// The default of the broker's URL, a name that does not exist.
const BROKER_DEFAULT: &str = "https://broker.example/";
/// The default of `--hours`: a night.
const HOURS_DEFAULT: f64 = 8.0;
/// How long to measure the rate of tossing.
const MEASURING_TIME: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct InitArgs {
    /// The hash function and the sizes: test, demo, small, small-sha256 or national
    /// (docs/reference/minting.md describes them).
    #[arg(long, required_unless_present = "readers")]
    profile: Option<Profile>,
    /// Choose the sizes for this number of readers instead, and say why.
    #[arg(long, value_name = "N", requires = "coins", conflicts_with = "profile")]
    readers: Option<u64>,
    /// The coins that each reader buys in the period.
    #[arg(long, value_name = "N", requires = "readers")]
    coins: Option<u64>,
    /// How many hours minting may take on this machine.
    #[arg(long, value_name = "H", default_value_t = HOURS_DEFAULT, requires = "readers")]
    hours: f64,
    /// Choose for this rate, in SHA-256 tosses per second, instead of measuring this machine.
    #[arg(long, value_parser = units::parse_rate, requires = "readers")]
    rate: Option<f64>,
    /// The name of the period, 1 to 32 characters of a-z, 0-9 and -, such as 2026-12.
    #[arg(long)]
    period: Period,
    /// The configuration file to write, which must not exist; - writes standard output [default:
    /// PERIOD.toml].
    #[arg(short, long)]
    output: Option<PathBuf>,
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
    let size = match (args.profile, args.readers, args.coins) {
        (Some(profile), ..) => profile.into(),
        (None, Some(readers), Some(coins)) => choose(args, readers, coins)?,
        // The command line requires one or the other.
        (None, ..) => return Err("expected --profile, or --readers and --coins".into()),
    };
    let config = draw(args, size)?;
    let path = args.output.clone().unwrap_or_else(|| format!("{}.toml", args.period).into());
    let secret = secret_path(&coin_file_path(&path, &config.coinfile));
    let rules = Rules::new(Existing::Kept).uses(&secret, "the broker's secret");
    let output = rules.open(Some(&path))?;
    // With `-o -`, standard output is the configuration alone.
    let told = |line: String| match path == Path::new("-") {
        true => tell!("{line}"),
        false => say!("{line}"),
    };
    output.write(config.to_toml().as_bytes())?;
    told(format!("wrote {}: {}", path.display(), config.params));
    if make_secret(&secret)? {
        told(format!(
            "wrote {}: the broker's secret, for all periods; keep it secret and make a copy",
            secret.display()
        ));
    } else {
        told(format!("{} exists and is used: the broker's secret", secret.display()));
    }
    if args.broker.is_none() {
        tell!(
            "coinmint: note: the broker's URL is {BROKER_DEFAULT}; set your own in the \
            configuration before minting, because it cannot change later"
        );
    }
    Ok(EXIT_OK)
}

/// A new configuration of this size.
fn draw(args: &InitArgs, size: Size) -> Result<MintConfig, ToolError> {
    let period = NewPeriod {
        size,
        period: args.period.clone(),
        broker: args.broker.clone().unwrap_or_else(|| BROKER_DEFAULT.to_string()),
        coin_value: args.coin_value,
        start: args.start,
        expiration: args.expiration,
        weak: args.weak,
    };
    period.draw(&SystemEntropy).map_err(|error| match error {
        NewPeriodError::NoMonth(_) => format!("{error}; give --start and --expiration").into(),
        error => error.into(),
    })
}

/// The size for these readers and coins, and why.
fn choose(args: &InitArgs, readers: u64, coins: u64) -> Result<Size, ToolError> {
    let (tosses_per_second, how) = match args.rate {
        Some(rate) => (rate, "as given".to_string()),
        None => {
            // The rate hardly depends on the sizes.
            let MintConfig { params, walk, .. } = draw(args, Profile::SmallSha256.into())?;
            let (began, threads) = (Instant::now(), threads(None));
            let rate = measure_rate(&params, walk, threads, MEASURING_TIME, &|| began.elapsed());
            (rate.tosses_per_second, format!("measured here on {threads} threads"))
        }
    };
    let demand = Demand { readers, coins, tosses_per_second, hours: args.hours };
    let chosen = demand.choose()?;
    say!(
        "for {readers} readers with {coins} coins each, in {} hours at {} tosses/s, {how}:",
        args.hours,
        units::rate(tosses_per_second)
    );
    for (key, reason) in chosen.reasons() {
        say!("  {key:<16}{reason}");
    }
    Ok(chosen.size)
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
