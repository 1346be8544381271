//! Mints the coins of a period (thesis 3.2.1).

mod files;
mod info;
mod init;
mod merge;
mod mint;
mod plan;
mod progress;
mod units;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Parser, Subcommand};
use micromint::minting::MintError;
use micromint_console::{ToolError, command_line, finish};

/// The program was told to stop before the end; running it again goes on.
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
  1  failed; the reason stands on standard error
  2  wrong command line
  3  stopped (Ctrl-C or SIGTERM) before the end; run it again to go on
  4  verify: the coin file has faults

A usual month:
  coinmint init --profile demo --period 2026-12 --broker https://broker.example/ -o mint.toml
  coinmint plan mint.toml
  coinmint mint mint.toml
  coinmint params mint.toml        (2026-12.params, for vendors and clients)";

#[derive(Subcommand)]
enum Command {
    /// Write a configuration with a fresh iv, fixed bits and input key, and the broker's secret.
    Init(init::InitArgs),
    /// Make the coin file, or go on with it. Stop it as you like and run it again.
    #[command(after_help = STATUS_HELP)]
    Mint(mint::MintArgs),
    /// Make the coin file from the run files of all shards (`mint --shard`).
    #[command(after_help = STATUS_HELP)]
    Merge(merge::MergeArgs),
    /// Say how far the coin file is, and what it holds.
    Info(ConfigArg),
    /// Hash every ball of the coin file again.
    #[command(after_help = STATUS_HELP)]
    Verify(info::VerifyArgs),
    /// Write PERIOD.params, the public parameters, for vendors and clients.
    Params(info::ParamsArgs),
    /// Say what the configuration will give and cost, and what is weak about it.
    Plan(plan::PlanArgs),
}

#[derive(Args)]
struct ConfigArg {
    /// The configuration, as `coinmint init` writes it.
    #[arg(default_value = "mint.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    finish("coinmint", run(command_line::<Cli>()))
}

fn run(cli: Cli) -> Result<u8, ToolError> {
    match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Mint(args) => mint::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Info(args) => info::run(&args.config),
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

/// Says of an error what it cost, where that is good to know.
fn explained(error: MintError) -> ToolError {
    if error.is_disk_full() {
        return format!("{error}; what was done before is kept: free some space and run it again")
            .into();
    }
    error.into()
}

/// As many threads as asked for, or one for each core.
fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
}
