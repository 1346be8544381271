//! Mints the coins of a period (thesis 3.2.1).

mod files;
mod info;
mod init;
mod merge;
mod mint;
mod plan;
mod progress;
mod units;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};
use micromint::minting::MintError;
use micromint_console::{ToolError, command_line, finish};

/// The program was stopped before the end; running it again continues.
pub(crate) const EXIT_STOPPED: u8 = 3;
/// `verify` found faults in the coin file.
pub(crate) const EXIT_FAULTS: u8 = 4;

/// Mints the coins of a MicroMint period.
#[derive(Parser)]
#[command(version, after_help = STATUS_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const STATUS_HELP: &str = "\
Exit status:
  0  done
  1  failed; standard error says why
  2  the command line is wrong
  3  stopped (Ctrl-C or SIGTERM) before the end; nothing is lost: run it again to continue
  4  verify: the coin file has faults

Example, one month:
  coinmint init --profile demo --period 2026-12 --broker https://broker.example/
  coinmint plan 2026-12.toml
  coinmint mint 2026-12.toml
  coinmint params 2026-12.toml     (writes 2026-12.params, for vendors and wallets)";

#[derive(Subcommand)]
enum Command {
    /// Write the configuration of a new period, with random iv, fixed bits and input key, and the
    /// broker's secret if it does not exist.
    Init(init::InitArgs),
    /// Create the coin file, or continue where an earlier run stopped. It can be stopped at any
    /// time.
    #[command(after_help = STATUS_HELP)]
    Mint(mint::MintArgs),
    /// Create the coin file from the run files of all shards (see `mint --shard`).
    #[command(after_help = STATUS_HELP)]
    Merge(merge::MergeArgs),
    /// Show the progress of minting and the contents of the coin file.
    Info(info::InfoArgs),
    /// Hash every ball of the coin file again and report faults.
    #[command(after_help = STATUS_HELP)]
    Verify(info::VerifyArgs),
    /// Write PERIOD.params, the public parameters, for vendors and wallets.
    Params(info::ParamsArgs),
    /// Show how many coins a configuration gives, what minting and forging cost, and its
    /// weaknesses.
    Plan(plan::PlanArgs),
}

fn main() -> ExitCode {
    finish("coinmint", run(command_line::<Cli>()))
}

fn run(cli: Cli) -> Result<u8, ToolError> {
    match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Mint(args) => mint::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Verify(args) => info::verify(&args),
        Command::Params(args) => info::params(&args),
        Command::Plan(args) => plan::run(&args),
    }
}

/// A flag that Ctrl-C, SIGTERM and SIGHUP set.
fn stop_flag() -> Result<Arc<AtomicBool>, ToolError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
    Ok(stop)
}

/// Adds to an error what to do about it.
fn explained(error: MintError) -> ToolError {
    if error.is_disk_full() {
        return format!(
            "{error}; no work is lost: free some disk space and run it again to continue"
        )
        .into();
    }
    error.into()
}

/// The requested number of threads, or one per core.
fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
}
