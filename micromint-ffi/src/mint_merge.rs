//! The coin file from the run files of shards: the whole file, or a part on each of several
//! machines.

use std::ffi::c_void;

use micromint_core::minting::{MergeOutcome, RunFile, Shard, run_names};

use crate::boundary::{given, guard, output, reference};
use crate::error::{FfiResult, failed, micromint_error, micromint_status};
use crate::mint::{Watcher, micromint_mint, micromint_mint_progress, stopped};
use micromint_status::{MICROMINT_ERROR_ARGUMENT, MICROMINT_ERROR_FILE};

/// Makes the coin file from the run files of all shards, which are beside it. It can be stopped at
/// any time and run again.
///
/// memory, progress, userdata: as for `micromint_mint_run()`.
/// balls_out:                  the balls in the complete file.
///
/// Errors: MICROMINT_ERROR_STOPPED if `progress` stopped it; MICROMINT_ERROR_FILE if a run file is
/// missing, damaged or of something else, or the coin file is in use, is of another period or does
/// not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_merge(
    mint: *const micromint_mint,
    memory: u64,
    progress: micromint_mint_progress,
    userdata: *mut c_void,
    balls_out: *mut u64,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), place = output(balls_out));
        match merge(mint, None, memory, &Watcher::new(progress, userdata))? {
            MergeOutcome::Complete(state) | MergeOutcome::AlreadyComplete(state) => {
                place.write(state.ball_count);
                Ok(())
            }
            MergeOutcome::PartDone { .. } => {
                Err(stopped("while another process completes the file"))
            }
            MergeOutcome::Stopped => Err(stopped("before the end")),
        }
    })
}

/// Makes one part of the coin file from the run files of all shards, which are beside it, so that
/// several processes, on several machines with one file system, share the work. The process that
/// makes the last part completes the file. The number of parts is independent of the number of
/// shards. It can be stopped and run again.
///
/// index:                      which part, 1 to `count`.
/// count:                      the number of parts, at most 4096.
/// memory, progress, userdata: as for `micromint_mint_run()`.
/// missing_out:                the number of parts that are not made yet; 0 if the file is
///                             complete, or another process is about to complete it.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if there is no such part, else as for `micromint_mint_merge()`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_merge_part(
    mint: *const micromint_mint,
    index: u32,
    count: u32,
    memory: u64,
    progress: micromint_mint_progress,
    userdata: *mut c_void,
    missing_out: *mut u32,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), place = output(missing_out));
        let part = Shard::new(index, count).map_err(failed(MICROMINT_ERROR_ARGUMENT))?;
        match merge(mint, Some(part), memory, &Watcher::new(progress, userdata))? {
            MergeOutcome::Complete(_) | MergeOutcome::AlreadyComplete(_) => place.write(0),
            MergeOutcome::PartDone { missing } => place.write(missing),
            MergeOutcome::Stopped => return Err(stopped("before the end")),
        }
        Ok(())
    })
}

/// Merges the run files that have their usual names.
fn merge(
    mint: &micromint_mint,
    part: Option<Shard>,
    memory: u64,
    watcher: &Watcher,
) -> FfiResult<MergeOutcome> {
    let names = run_names(&mint.directory, &mint.name).map_err(failed(MICROMINT_ERROR_FILE))?;
    let runs: Vec<RunFile<'_>> =
        names.iter().map(|name| RunFile { directory: &mint.directory, name }).collect();
    mint.run(1, memory, watcher, |job| job.merge(&runs, part))
}
