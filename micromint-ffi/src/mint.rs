//! Minting the coins of a period.

use std::ffi::c_void;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use micromint_core::error::FileError;
use micromint_core::host::DiskDirectory;
use micromint_core::key_file::read_private_text;
use micromint_core::minting::{
    MintConfig, MintError, MintJob, MintJobBuilder, MintOutcome, MintStage, Progress, RunFile,
    Shard, ShardOutcome, THREADS_MAX,
};
use micromint_core::toml_file::TOML_FILE_SIZE_MAX;

use crate::boundary::{free, given, guard, hand_out, output, path_at, reference};
use crate::buffer::micromint_buffer;
use crate::error::{FfiResult, failed, micromint_error, micromint_status};
use crate::params::micromint_params;
use micromint_status::{
    MICROMINT_ERROR_ARGUMENT, MICROMINT_ERROR_CONFIG, MICROMINT_ERROR_FILE, MICROMINT_ERROR_STOPPED,
};

/// The memory that minting uses if 0 is given, in bytes: 512 MiB.
pub const MICROMINT_MINT_MEMORY_DEFAULT: u64 = 512 * 1024 * 1024;

/// A period to mint: its configuration, with the secret input key, and the place of its coin file.
/// Free it with `micromint_mint_free()`. It is immutable: threads may share it, and it may be used
/// across a fork. If several mint into one file, one continues and the others fail.
pub struct micromint_mint {
    pub(crate) config: MintConfig,
    pub(crate) directory: DiskDirectory,
    pub(crate) name: String,
}

impl micromint_mint {
    /// Runs `work` as a job with these resources, which `watcher` can stop.
    pub(crate) fn run<T>(
        &self,
        threads: usize,
        memory: u64,
        watcher: &Watcher,
        work: impl FnOnce(&MintJob<'_>) -> Result<T, MintError>,
    ) -> FfiResult<T> {
        let (elapsed, progress) =
            (|| watcher.began.elapsed(), |progress: Progress| watcher.tell(progress));
        let job = self
            .job()
            .with_threads(threads_of(threads))
            .with_memory(memory_of(memory))
            .with_stop(&watcher.stop)
            .with_clock(&elapsed)
            .with_progress(&progress)
            .build();
        job.and_then(|job| work(&job)).map_err(failed_mint)
    }

    /// A job for this mint, with its defaults.
    pub(crate) fn job(&self) -> MintJobBuilder<'_> {
        MintJobBuilder::new(&self.directory, &self.name, &self.config)
    }
}

/// A stage of minting.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_mint_stage {
    /// Balls are tossed; the unit is a toss.
    MICROMINT_MINT_TOSSING = 0,
    /// Balls are counted; the unit is a superbin.
    MICROMINT_MINT_COUNTING = 1,
    /// Balls are hashed again; the unit is a superbin.
    MICROMINT_MINT_VERIFYING = 2,
    /// Hits are sorted by bin; the unit is a hit. Only for shards.
    MICROMINT_MINT_SORTING = 3,
    /// Run files are merged into a coin file; the unit is a superbin. Only for shards.
    MICROMINT_MINT_MERGING = 4,
    // Last added: 4.
}

/// Receives the progress of minting, often and from several threads at the same time. Returns 0 to
/// continue; another number stops minting at the next unit.
pub type micromint_mint_progress = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        stage: micromint_mint_stage,
        done: u64,
        total: u64,
    ) -> i32,
>;

/// Reads the configuration of a mint, as `coinmint init` writes it.
///
/// config, config_len: the path of mint.toml.
/// mint_out:           the mint; nothing is created on disk yet.
///
/// Errors: MICROMINT_ERROR_FILE if it cannot be read, or if others can read it, because it contains
/// the input key; MICROMINT_ERROR_CONFIG with the name of the key, also for a weak choice that the
/// configuration does not allow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_open(
    config: *const u8,
    config_len: usize,
    mint_out: *mut *mut micromint_mint,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(path = path_at(config, config_len), place = output(mint_out));
        place.write(hand_out(read(&path)?));
        Ok(())
    })
}

/// The public parameters, for vendors and clients.
///
/// params_out: a copy.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_params(
    mint: *const micromint_mint,
    params_out: *mut *mut micromint_params,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), place = output(params_out));
        place.write(micromint_params::hand_out(mint.config.params.clone()));
        Ok(())
    })
}

/// Makes the coin file, or continues making it, until it is complete. It can be stopped at any
/// time, by `progress` or by killing the process, and run again.
///
/// threads:   1 to 1024; 0 is one for each core.
/// memory:    about how much memory it may use, in bytes, at least 16 MiB; 0 is
///            MICROMINT_MINT_MEMORY_DEFAULT.
/// progress:  NULL if not wanted.
/// userdata:  passed to `progress`.
/// balls_out: the balls in the complete file.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for another number of threads or amount of memory,
/// MICROMINT_ERROR_STOPPED if `progress` stopped it; MICROMINT_ERROR_FILE if the file is in use,
/// was begun with other parameters, is damaged or does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_run(
    mint: *const micromint_mint,
    threads: usize,
    memory: u64,
    progress: micromint_mint_progress,
    userdata: *mut c_void,
    balls_out: *mut u64,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), place = output(balls_out));
        let watcher = Watcher::new(progress, userdata);
        match mint.run(threads, memory, &watcher, |job| job.mint())? {
            MintOutcome::Complete(state) | MintOutcome::AlreadyComplete(state) => {
                place.write(state.ball_count)
            }
            MintOutcome::Stopped(state) => {
                return Err(stopped(&format!("after toss {}", state.next_toss)));
            }
        }
        Ok(())
    })
}

/// Tosses one shard of a period, for minting on many machines, into the run file
/// COINFILE.run-INDEX-of-COUNT beside the coin file. It can be stopped at any time and run again.
///
/// index:     which shard, 1 to `count`.
/// count:     the number of shards, at most 4096.
/// threads, memory, progress, userdata: as for `micromint_mint_run()`.
/// hits_out:  the balls in the complete run file.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if there is no such shard, MICROMINT_ERROR_STOPPED if
/// `progress` stopped it; MICROMINT_ERROR_FILE if the file is in use, was begun for something else,
/// is damaged or does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_run_shard(
    mint: *const micromint_mint,
    index: u32,
    count: u32,
    threads: usize,
    memory: u64,
    progress: micromint_mint_progress,
    userdata: *mut c_void,
    hits_out: *mut u64,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), place = output(hits_out));
        let shard = Shard::new(index, count).map_err(failed(MICROMINT_ERROR_ARGUMENT))?;
        let watcher = Watcher::new(progress, userdata);
        let run = RunFile { directory: &mint.directory, name: &shard.run_name(&mint.name) };
        match mint.run(threads, memory, &watcher, |job| job.toss_shard(shard, run))? {
            ShardOutcome::Complete { hits } | ShardOutcome::AlreadyComplete { hits } => {
                place.write(hits)
            }
            ShardOutcome::Stopped { done, total } => {
                return Err(stopped(&format!("after {done} of {total} tosses")));
            }
        }
        Ok(())
    })
}

/// Hashes every ball of the coin file again, and those before it in its group.
///
/// threads, progress, userdata: as for `micromint_mint_run()`.
/// faults_out:                  the number of faults: 0 for a valid file.
/// report_out:                  a buffer with the first of them, one sentence per line.
///
/// Errors: MICROMINT_ERROR_STOPPED if `progress` stopped it; MICROMINT_ERROR_FILE if the file
/// cannot be read, or is of another period.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_verify(
    mint: *const micromint_mint,
    threads: usize,
    progress: micromint_mint_progress,
    userdata: *mut c_void,
    faults_out: *mut u64,
    report_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), faults = output(faults_out), lines = output(report_out));
        let watcher = Watcher::new(progress, userdata);
        let report = mint.run(threads, 0, &watcher, |job| job.verify())?;
        let report = report.ok_or_else(|| stopped("before the end"))?;
        faults.write(report.fault_count);
        let text: String = report.faults.iter().map(|fault| format!("{fault}\n")).collect();
        lines.write(micromint_buffer::hand_out(text.into_bytes()));
        Ok(())
    })
}

/// Frees a mint. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_free(mint: *mut micromint_mint) {
    // SAFETY: a mint reaches the caller only from hand_out, and is freed once.
    unsafe { free(mint) }
}

/// The caller's callback and its userdata, and whether it asked to stop.
pub(crate) struct Watcher {
    progress: micromint_mint_progress,
    userdata: *mut c_void,
    began: Instant,
    stop: AtomicBool,
}

// SAFETY: the library only passes `userdata` to the callback, and the caller promises that this may
// be called from several threads at the same time.
unsafe impl Sync for Watcher {}

impl Watcher {
    pub(crate) fn new(progress: micromint_mint_progress, userdata: *mut c_void) -> Watcher {
        Watcher { progress, userdata, began: Instant::now(), stop: AtomicBool::new(false) }
    }

    fn tell(&self, progress: Progress) {
        let stage = match progress.stage {
            MintStage::Tossing => micromint_mint_stage::MICROMINT_MINT_TOSSING,
            MintStage::Counting => micromint_mint_stage::MICROMINT_MINT_COUNTING,
            MintStage::Sorting => micromint_mint_stage::MICROMINT_MINT_SORTING,
            MintStage::Merging => micromint_mint_stage::MICROMINT_MINT_MERGING,
            MintStage::Verifying => micromint_mint_stage::MICROMINT_MINT_VERIFYING,
        };
        let Some(callback) = self.progress else { return };
        // SAFETY: the caller's callback, with its userdata.
        if unsafe { callback(self.userdata, stage, progress.done, progress.total) } != 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// An error of minting.
pub(crate) fn failed_mint(error: MintError) -> micromint_error {
    let status = match &error {
        MintError::Resource { .. } => MICROMINT_ERROR_ARGUMENT,
        // What is in the files or missing, and what the system refuses to them.
        _ => MICROMINT_ERROR_FILE,
    };
    micromint_error::of(status, &error)
}

/// The number of threads that a caller requests.
pub(crate) fn threads_of(threads: usize) -> usize {
    let all_cores = || std::thread::available_parallelism().map_or(1, Into::into);
    if threads == 0 { all_cores() } else { threads }
}

/// The number of threads that a caller requests, if nothing else refuses a number that is too
/// large.
pub(crate) fn checked_threads(threads: usize) -> FfiResult<usize> {
    if threads > THREADS_MAX {
        let text = format!("threads: expected at most {THREADS_MAX}, found {threads}");
        return Err(micromint_error::new(MICROMINT_ERROR_ARGUMENT, text));
    }
    Ok(threads_of(threads))
}

/// The memory that a caller permits.
fn memory_of(memory: u64) -> u64 {
    if memory == 0 { MICROMINT_MINT_MEMORY_DEFAULT } else { memory }
}

pub(crate) fn stopped(when: &str) -> micromint_error {
    micromint_error::new(
        MICROMINT_ERROR_STOPPED,
        format!("stopped {when}; run it again to continue"),
    )
}

/// Reads a configuration; the coin file's path is relative to its folder.
fn read(path: &Path) -> FfiResult<micromint_mint> {
    let unreadable =
        |error| micromint_error::of(MICROMINT_ERROR_FILE, &FileError::on("read", path)(error));
    let (directory, name) = DiskDirectory::of_file(path).map_err(unreadable)?;
    let text = read_private_text(&directory, &name, TOML_FILE_SIZE_MAX)
        .map_err(failed(MICROMINT_ERROR_FILE))?;
    let config = MintConfig::from_toml(&text).map_err(|error| error.in_file(path));
    let config = config.map_err(failed(MICROMINT_ERROR_CONFIG))?;
    config.check_weak().map_err(failed(MICROMINT_ERROR_CONFIG))?;
    let coinfile = path.parent().unwrap_or(Path::new("")).join(&config.coinfile);
    let (directory, name) = DiskDirectory::of_file(&coinfile).map_err(unreadable)?;
    Ok(micromint_mint { config, directory, name })
}
