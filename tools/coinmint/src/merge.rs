//! `coinmint merge`: creates the coin file, or a part of it, from the run files of all shards.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use micromint::error::FileError;
use micromint::host::DiskDirectory;
use micromint::minting::{MergeOutcome, Progress, RunFile, Shard, run_names};
use micromint_console::{EXIT_OK, ToolError, say, tell};

use crate::files::Mint;
use crate::progress::Reporter;
use crate::{EXIT_STOPPED, explained, stop_flag, units};

#[derive(Args)]
pub(crate) struct MergeArgs {
    /// The configuration, as `coinmint init` writes it [default: that of a mint in this folder, if
    /// there is one only].
    config: Option<PathBuf>,
    /// The run files of all shards, in any order [default: all COINFILE.run-*-of-* in the folder of
    /// the coin file].
    runs: Vec<PathBuf>,
    /// Merge only part J of M of the coin file, J from 1. The process that merges the last part
    /// completes the file.
    #[arg(long, value_name = "J/M")]
    part: Option<Shard>,
    /// How much memory to use, approximately; at least 16M.
    #[arg(long, default_value = "512M", value_parser = units::parse_size)]
    memory: u64,
}

pub(crate) fn run(args: &MergeArgs) -> Result<u8, ToolError> {
    let mint = Mint::read(args.config.as_deref())?;
    mint.config.check_weak().map_err(|error| format!("{}: {error}", mint.source.display()))?;
    let files = if args.runs.is_empty() { beside(&mint)? } else { named(&args.runs)? };
    let runs: Vec<RunFile<'_>> =
        files.iter().map(|(directory, name)| RunFile { directory, name }).collect();
    let (stop, reporter, began) = (stop_flag()?, Reporter::new(), Instant::now());
    let progress = |now: Progress| reporter.report(now);
    let job =
        mint.job().with_memory(args.memory).with_stop(&stop).with_progress(&progress).build()?;
    tell!("{}, {} run files, into {}", mint.config.params, runs.len(), mint.path().display());
    let outcome = job.merge(&runs, args.part);
    reporter.finish();
    let path = mint.path();
    let path = path.display();
    match outcome.map_err(explained)? {
        MergeOutcome::Complete(state) => {
            let balls = units::count(state.ball_count as f64);
            let time = units::time(began.elapsed().as_secs_f64());
            say!("{path} is complete: {balls} balls, in {time}");
            Ok(EXIT_OK)
        }
        MergeOutcome::AlreadyComplete(state) => {
            let balls = units::count(state.ball_count as f64);
            say!("{path} is already complete: {balls} balls; nothing was done");
            Ok(EXIT_OK)
        }
        MergeOutcome::PartDone { missing: 0 } => {
            say!("{path}: this part is merged, and another process completes the file");
            Ok(EXIT_OK)
        }
        MergeOutcome::PartDone { missing } => {
            say!("{path}: this part is merged; parts that are not merged yet: {missing}");
            Ok(EXIT_OK)
        }
        MergeOutcome::Stopped => {
            say!("stopped; nothing is lost: run it again to continue");
            Ok(EXIT_STOPPED)
        }
    }
}

/// The run files with the default names, in the folder of the coin file.
fn beside(mint: &Mint) -> Result<Vec<(DiskDirectory, String)>, ToolError> {
    let names = run_names(&mint.directory, &mint.name)?;
    let paths: Vec<PathBuf> = names.iter().map(|name| mint.path().with_file_name(name)).collect();
    if paths.is_empty() {
        return Err(format!(
            "expected run files {}.run-*, found none; `coinmint mint --shard` makes them",
            mint.name
        )
        .into());
    }
    named(&paths)
}

fn named(paths: &[PathBuf]) -> Result<Vec<(DiskDirectory, String)>, ToolError> {
    let open =
        |path: &PathBuf| Ok(DiskDirectory::of_file(path).map_err(FileError::on("use", path))?);
    paths.iter().map(open).collect()
}
