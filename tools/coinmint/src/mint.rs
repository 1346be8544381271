//! `coinmint mint`: makes the coin file, or the run file of a shard.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use micromint::error::FileError;
use micromint::file_kind::FileKind;
use micromint::host::DiskDirectory;
use micromint::minting::{MintError, MintJob, MintOutcome, Progress, RunFile, Shard, ShardOutcome};
use micromint_console::output::{Existing, Rules};
use micromint_console::{EXIT_OK, ToolError, say, tell};

use crate::files::Mint;
use crate::progress::Reporter;
use crate::{EXIT_STOPPED, explained, stop_flag, threads, units};

#[derive(Args)]
pub(crate) struct MintArgs {
    /// The configuration, as `coinmint init` writes it [default: that of a mint in this folder, if
    /// there is one only].
    config: Option<PathBuf>,
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
    let mint = Mint::read(args.config.as_deref())?;
    mint.config.check_weak().map_err(|error| format!("{}: {error}", mint.source.display()))?;
    if let Some(shard) = args.shard {
        return toss_shard(args, &mint, shard);
    }
    let into = mint.path();
    let (outcome, time) = run_job(args, &mint, "", &into, |job| job.mint())?;
    let path = into.display();
    match outcome {
        MintOutcome::Complete(state) => {
            let balls = units::count(state.ball_count as f64);
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
    let output = Rules::new(Existing::OfKind(FileKind::MintingFile))
        .uses(&mint.source, "the configuration")
        .uses(&mint.path(), "the coin file")
        .open(Some(&path))?;
    if output.file().is_none() {
        let path = path.display();
        return Err(format!("{path}: expected a plain file, since a later run continues it").into());
    }
    drop(output);
    let (directory, name) = DiskDirectory::of_file(&path).map_err(FileError::on("use", &path))?;
    let run = RunFile { directory: &directory, name: &name };
    let what = format!(", shard {shard}");
    let (outcome, time) = run_job(args, mint, &what, &path, |job| job.toss_shard(shard, run))?;
    let path = path.display();
    match outcome {
        ShardOutcome::Complete { hits } => {
            let hits = units::count(hits as f64);
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

/// Runs `work` as a job that shows its progress and that Ctrl-C stops. Returns its outcome and, in
/// words, how long it took.
fn run_job<T>(
    args: &MintArgs,
    mint: &Mint,
    what: &str,
    into: &Path,
    work: impl FnOnce(&MintJob<'_>) -> Result<T, MintError>,
) -> Result<(T, String), ToolError> {
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
    let params = &mint.config.params;
    tell!("{params}{what} on {} threads, into {}", job.threads(), into.display());
    let outcome = work(&job);
    reporter.finish();
    Ok((outcome.map_err(explained)?, units::time(began.elapsed().as_secs_f64())))
}
