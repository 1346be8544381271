//! `coinmint mint`: makes the coin file, or the run file of a shard.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use micromint::error::FileError;
use micromint::host::DiskDirectory;
use micromint::minting::{MintOutcome, Progress, RunFile, Shard, ShardOutcome};
use micromint_console::{EXIT_OK, ToolError, say};

use crate::files::Mint;
use crate::progress::Reporter;
use crate::{EXIT_STOPPED, explained, stop_flag, threads, units};

#[derive(Args)]
pub(crate) struct MintArgs {
    /// The configuration, as `coinmint init` writes it.
    #[arg(default_value = "mint.toml")]
    config: PathBuf,
    /// How many threads to use [default: one per core].
    #[arg(long)]
    threads: Option<usize>,
    /// How much memory to use, approximately; at least 16M.
    #[arg(long, default_value = "512M", value_parser = units::parse_size)]
    memory: u64,
    /// Do only part I of N of the tosses, I from 1, and write the balls to a run file for `coinmint
    /// merge`.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// The run file [default: COINFILE.run-I-of-N in the folder of the coin file].
    #[arg(long, value_name = "FILE", requires = "shard")]
    run_file: Option<PathBuf>,
}

pub(crate) fn run(args: &MintArgs) -> Result<u8, ToolError> {
    let mint = Mint::read(&args.config)?;
    mint.config.check_weak().map_err(|error| format!("{}: {error}", args.config.display()))?;
    if let Some(shard) = args.shard {
        return toss_shard(args, &mint, shard);
    }
    let (stop, reporter, began) = (stop_flag()?, Reporter::new(), Instant::now());
    let (elapsed, progress) = (|| began.elapsed(), |now: Progress| reporter.report(now));
    let job = mint
        .job()
        .with_threads(threads(args.threads))
        .with_memory(args.memory)
        .with_stop(&stop)
        .with_clock(&elapsed)
        .with_progress(&progress)
        .build()?;
    eprintln!(
        "{} on {} threads, into {}",
        mint.config.params,
        job.threads(),
        mint.path().display()
    );
    let outcome = job.mint();
    reporter.finish();
    let path = mint.path();
    let path = path.display();
    match outcome.map_err(explained)? {
        MintOutcome::Complete(state) => {
            let balls = units::count(state.ball_count as f64);
            let time = units::time(began.elapsed().as_secs_f64());
            say!("{path} is complete: {balls} balls, in {time}");
            Ok(EXIT_OK)
        }
        MintOutcome::AlreadyComplete(state) => {
            let balls = units::count(state.ball_count as f64);
            say!("{path} is already complete: {balls} balls; nothing was done");
            Ok(EXIT_OK)
        }
        MintOutcome::Stopped(state) => {
            let percent = 100.0 * state.next_toss as f64
                / (1u64 << mint.config.params.raw().input_bits) as f64;
            say!(
                "stopped at {percent:.2} % of the tosses; nothing is lost: run it again to continue"
            );
            Ok(EXIT_STOPPED)
        }
    }
}

fn toss_shard(args: &MintArgs, mint: &Mint, shard: Shard) -> Result<u8, ToolError> {
    let beside = || mint.path().with_file_name(shard.run_name(&mint.name));
    let path = args.run_file.clone().unwrap_or_else(beside);
    let (directory, name) = DiskDirectory::of_file(&path).map_err(FileError::on("use", &path))?;
    let (stop, reporter, began) = (stop_flag()?, Reporter::new(), Instant::now());
    let (elapsed, progress) = (|| began.elapsed(), |now: Progress| reporter.report(now));
    let job = mint
        .job()
        .with_threads(threads(args.threads))
        .with_memory(args.memory)
        .with_stop(&stop)
        .with_clock(&elapsed)
        .with_progress(&progress)
        .build()?;
    let path = path.display();
    let (params, threads) = (&mint.config.params, job.threads());
    eprintln!("{params}, shard {shard}, on {threads} threads, into {path}");
    let outcome = job.toss_shard(shard, RunFile { directory: &directory, name: &name });
    reporter.finish();
    match outcome.map_err(explained)? {
        ShardOutcome::Complete { hits } => {
            let (hits, time) =
                (units::count(hits as f64), units::time(began.elapsed().as_secs_f64()));
            say!("{path} is complete: shard {shard}, {hits} balls, in {time}");
            Ok(EXIT_OK)
        }
        ShardOutcome::AlreadyComplete { hits } => {
            let hits = units::count(hits as f64);
            say!("{path} is already complete: shard {shard}, {hits} balls; nothing was done");
            Ok(EXIT_OK)
        }
        ShardOutcome::Stopped { done, total } => {
            let percent = 100.0 * done as f64 / total.max(1) as f64;
            say!(
                "stopped at {percent:.2} % of the tosses of shard {shard}; \
                nothing is lost: run it again to continue"
            );
            Ok(EXIT_STOPPED)
        }
    }
}
