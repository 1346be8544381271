//! `coinmint info`, `verify` and `params`.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::coin_file::{CoinFile, Phase};
use micromint::minting::{MintPlan, Progress};
use micromint_console::output::{Existing, Rules};
use micromint_console::{EXIT_OK, FormatArgs, ToolError, read_input, say};
use serde_json::json;

use crate::files::Mint;
use crate::progress::Reporter;
use crate::{EXIT_FAULTS, EXIT_STOPPED, stop_flag, threads, units};

#[derive(Args)]
pub(crate) struct InfoArgs {
    /// The configuration, as `coinmint init` writes it [default: that of a mint in this folder, if
    /// there is one only].
    config: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The configuration, as `coinmint init` writes it [default: that of a mint in this folder, if
    /// there is one only].
    config: Option<PathBuf>,
    /// How many threads hash [default: one for each core].
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Args)]
pub(crate) struct ParamsArgs {
    /// The configuration, as `coinmint init` writes it [default: that of a mint in this folder, if
    /// there is one only].
    config: Option<PathBuf>,
    /// The file to write; - is standard output [default: PERIOD.params in the folder of the
    /// configuration].
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// What is known of a coin file.
enum Found {
    NotBegun,
    /// The number of tossed balls.
    Tossing(u64),
    /// The number of counted superbins.
    Counting(u64),
    Complete {
        balls: u64,
        checksum: u32,
    },
}

pub(crate) fn run(args: &InfoArgs) -> Result<u8, ToolError> {
    let mint = Mint::read(args.config.as_deref())?;
    let plan = MintPlan::new(&mint.config.params, mint.config.walk);
    let found = found(&mint)?;
    match args.format.is_json() {
        true => print_json(&mint, &plan, &found),
        false => print_text(&mint, &plan, &found),
    }
    Ok(EXIT_OK)
}

fn found(mint: &Mint) -> Result<Found, ToolError> {
    if !mint.path().try_exists()? {
        return Ok(Found::NotBegun);
    }
    let coin_file = CoinFile::inspect(&mint.directory, &mint.name)?;
    let state = coin_file.minting_state()?;
    Ok(match state.phase {
        Phase::Tossing => Found::Tossing(mint.job().build()?.tosses_kept()?),
        Phase::Counting => Found::Counting(state.counted_superbins),
        Phase::Complete => Found::Complete { balls: state.ball_count, checksum: state.checksum },
    })
}

fn print_json(mint: &Mint, plan: &MintPlan, found: &Found) {
    let raw = mint.config.params.raw();
    let mut value = json!({
        "period": raw.period.as_str(), "broker": raw.broker,
        "coin-value": raw.coin_value.to_string(), "start": raw.start.to_string(),
        "expiration": raw.expiration.to_string(), "redeem-until": raw.redeem_until.to_string(),
        "coin-file": mint.path().display().to_string(), "tosses": plan.toss_count,
        "superbins": mint.config.params.superbin_count(), "bins": plan.bin_count,
        "sets": plan.set_count,
    });
    match found {
        Found::NotBegun => value["state"] = json!("not-begun"),
        Found::Tossing(done) => {
            value["state"] = json!("tossing");
            value["tossed"] = json!(done);
        }
        Found::Counting(done) => {
            value["state"] = json!("counting");
            value["counted-superbins"] = json!(done);
        }
        Found::Complete { balls, checksum } => {
            value["state"] = json!("complete");
            value["balls"] = json!(balls);
            value["checksum"] = json!(format!("{checksum:08x}"));
        }
    }
    say!("{value:#}");
}

fn print_text(mint: &Mint, plan: &MintPlan, found: &Found) {
    let params = &mint.config.params;
    say!("period:         {params}");
    say!("walk:           {}", mint.config.walk);
    say!("valid:          {} until {}", params.raw().start, params.raw().expiration);
    say!("redeemed until: {}", params.raw().redeem_until);
    say!("broker:         {}", params.raw().broker);
    say!("coin value:     {}", params.coin_value());
    say!("coin file:      {}", mint.path().display());
    let part = |done: u64, total: u64| 100.0 * done as f64 / total as f64;
    match found {
        Found::NotBegun => say!("state:          not begun"),
        Found::Tossing(done) => {
            say!("state:          {:.2} % of the balls tossed", part(*done, plan.toss_count));
        }
        Found::Counting(done) => {
            let percent = part(*done, params.superbin_count());
            say!("state:          all balls tossed, {percent:.2} % of the superbins counted");
        }
        Found::Complete { balls, checksum } => {
            let [balls, expected] = [*balls as f64, plan.stored_balls].map(units::count);
            say!("state:          complete");
            say!(
                "balls:          {balls} in {} bins, {expected} expected",
                units::count(plan.bin_count as f64)
            );
            say!("checksum:       {checksum:08x}");
            say!("sets:           {}", plan.set_count);
        }
    }
}

pub(crate) fn verify(args: &VerifyArgs) -> Result<u8, ToolError> {
    let mint = Mint::read(args.config.as_deref())?;
    let (stop, reporter) = (stop_flag()?, Reporter::new());
    let progress = |now: Progress| reporter.report(now);
    let job = mint
        .job()
        .with_threads(threads(args.threads))
        .with_stop(&stop)
        .with_progress(&progress)
        .build()?;
    let report = job.verify();
    reporter.finish();
    let Some(report) = report? else {
        say!("stopped before the end; nothing was found out about the rest: run it again");
        return Ok(EXIT_STOPPED);
    };
    if report.fault_count == 0 {
        say!(
            "{}: no faults, {} balls",
            mint.path().display(),
            units::count(report.ball_count as f64)
        );
        return Ok(EXIT_OK);
    }
    for fault in &report.faults {
        say!("{fault}");
    }
    let more = report.fault_count - report.faults.len() as u64;
    let more = if more > 0 { format!(", {more} of them not shown") } else { String::new() };
    say!("{} has {} faults{more}", mint.path().display(), report.fault_count);
    Ok(EXIT_FAULTS)
}

pub(crate) fn params(args: &ParamsArgs) -> Result<u8, ToolError> {
    let mint = Mint::read(args.config.as_deref())?;
    let params = &mint.config.params;
    let beside = || mint.source.with_file_name(format!("{}.params", params.period()));
    let path = args.output.clone().unwrap_or_else(beside);
    let text = params.to_toml();
    let is_same =
        |found: &Path| read_input(found, text.len()).is_ok_and(|found| found == text.as_bytes());
    let output = Rules::new(Existing::If("one with the same parameters", &is_same))
        .public()
        .uses(&mint.source, "the configuration")
        .uses(&mint.path(), "the coin file")
        .open(Some(&path))?;
    let is_stdout = output.is_stdout();
    output.write(text.as_bytes())?;
    if !is_stdout {
        say!("wrote {}", path.display());
    }
    Ok(EXIT_OK)
}
