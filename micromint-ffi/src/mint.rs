//! Minting the coins of a period.

use std::ffi::{OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use micromint_core::error::FileError;
use micromint_core::host::{DiskDirectory, read_whole};
use micromint_core::minting::{MINT_FILE_SIZE_MAX, MintConfig, Minting, Outcome, Progress, Stage};

use crate::boundary::{free, guard, hand_out, output, reference, slice};
use crate::error::{Answer, failed, micromint_error, micromint_status};
use crate::params::micromint_params;
use micromint_status::{
    MICROMINT_ERROR_CONFIG, MICROMINT_ERROR_FILE, MICROMINT_ERROR_STOPPED, MICROMINT_ERROR_TEXT,
};

/// The memory that minting takes where 0 is given, in bytes: 512 MiB.
pub const MICROMINT_MINT_MEMORY_DEFAULT: u64 = 512 * 1024 * 1024;

/// A period to mint: its configuration, with the secret input key, and where its coin file is. Free it
/// with `micromint_mint_free()`. It is never changed, so threads may share it; of several that mint into
/// one file, one goes on and the others fail.
pub struct micromint_mint {
    config: MintConfig,
    directory: DiskDirectory,
    name: String,
}

/// What minting does.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_mint_stage {
    /// Balls are tossed; the unit is a toss.
    MICROMINT_MINT_TOSSING = 0,
    /// Balls are counted; the unit is a superbin.
    MICROMINT_MINT_COUNTING = 1,
    /// Balls are hashed again; the unit is a superbin.
    MICROMINT_MINT_VERIFYING = 2,
    /// Hits are brought into the order of their bins; the unit is a hit. Only for shards.
    MICROMINT_MINT_SORTING = 3,
    /// Run files become a coin file; the unit is a superbin. Only for shards.
    MICROMINT_MINT_MERGING = 4,
    // Last added: 4.
}

/// Is told how far minting is, often and from several threads at once. Gives 0 to go on; another number
/// stops it at the next unit.
pub type micromint_mint_progress = Option<
    unsafe extern "C" fn(userdata: *mut c_void, stage: micromint_mint_stage, done: u64, total: u64) -> i32,
>;

/// Reads the configuration of a mint, as `coinmint init` writes it.
///
/// config, config_len: the path of mint.toml.
/// mint_out:           the mint; nothing is made on disk yet.
///
/// Errors: MICROMINT_ERROR_FILE where it cannot be read, MICROMINT_ERROR_CONFIG with the key, also for a
/// weak choice that the configuration does not allow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_open(
    config: *const u8,
    config_len: usize,
    mint_out: *mut *mut micromint_mint,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (path, place) = unsafe { (slice(config, config_len, "config")?, output(mint_out, "mint_out")?) };
        place.write(hand_out(read(Path::new(OsStr::from_bytes(path)))?));
        Ok(())
    })
}

/// The public parameters, for vendors and clients.
///
/// params_out: a copy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_params(
    mint: *const micromint_mint,
    params_out: *mut *mut micromint_params,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        // SAFETY: the pointers are as the conventions say.
        let (mint, place) = unsafe { (reference(mint, "mint")?, output(params_out, "params_out")?) };
        place.write(hand_out(micromint_params { params: mint.config.params.clone() }));
        Ok(())
    })
}

/// Makes the coin file, or goes on with it, until it is complete. It can be stopped at any time, by
/// `progress` or by killing the process, and run again.
///
/// threads:   1 to 1024; 0 is one for each core.
/// memory:    about how much it may take, in bytes, at least 16 MiB; 0 is
///            MICROMINT_MINT_MEMORY_DEFAULT.
/// progress:  NULL if nobody wants to know.
/// userdata:  handed to `progress`.
/// balls_out: the balls in the complete file.
///
/// Errors: MICROMINT_ERROR_STOPPED if `progress` stopped it; MICROMINT_ERROR_FILE if the file is in use,
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
        // SAFETY: the pointers are as the conventions say.
        let (mint, place) = unsafe { (reference(mint, "mint")?, output(balls_out, "balls_out")?) };
        let stop = AtomicBool::new(false);
        let (watcher, began) = (Watcher { progress, userdata }, Instant::now());
        let all_cores = || std::thread::available_parallelism().map_or(1, Into::into);
        let minting = Minting {
            directory: &mint.directory,
            name: &mint.name,
            params: &mint.config.params,
            key: &mint.config.key,
            threads: if threads == 0 { all_cores() } else { threads },
            memory: if memory == 0 { MICROMINT_MINT_MEMORY_DEFAULT } else { memory },
            stop: &stop,
            elapsed: &|| began.elapsed(),
            progress: &|progress| {
                if watcher.wants_to_stop(progress) {
                    stop.store(true, Ordering::Relaxed);
                }
            },
        };
        match minting.run().map_err(failed(MICROMINT_ERROR_FILE))? {
            Outcome::Complete(state) | Outcome::AlreadyComplete(state) => {
                place.write(state.ball_count);
                Ok(())
            }
            Outcome::Stopped(state) => {
                let text = format!("stopped after toss {}; run it again to go on", state.next_toss);
                Err(micromint_error::new(MICROMINT_ERROR_STOPPED, text))
            }
        }
    })
}

/// Frees a mint. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_free(mint: *mut micromint_mint) {
    // SAFETY: a mint reaches the caller from hand_out only, and is freed once.
    unsafe { free(mint) }
}

/// The caller's callback and what goes with it.
struct Watcher {
    progress: micromint_mint_progress,
    userdata: *mut c_void,
}

// SAFETY: the library only hands `userdata` to the callback, which the caller promises may be called from
// several threads at once.
unsafe impl Sync for Watcher {}

impl Watcher {
    fn wants_to_stop(&self, progress: Progress) -> bool {
        let stage = match progress.stage {
            Stage::Tossing => micromint_mint_stage::MICROMINT_MINT_TOSSING,
            Stage::Counting => micromint_mint_stage::MICROMINT_MINT_COUNTING,
            Stage::Sorting => micromint_mint_stage::MICROMINT_MINT_SORTING,
            Stage::Merging => micromint_mint_stage::MICROMINT_MINT_MERGING,
            Stage::Verifying => micromint_mint_stage::MICROMINT_MINT_VERIFYING,
        };
        self.progress.is_some_and(|callback| {
            // SAFETY: the caller's callback, with its userdata.
            unsafe { callback(self.userdata, stage, progress.done, progress.total) != 0 }
        })
    }
}

/// Reads a configuration; the coin file's path is relative to its folder.
fn read(path: &Path) -> Answer<micromint_mint> {
    let unreadable = |error| micromint_error::of(MICROMINT_ERROR_FILE, &FileError::on("read", path)(error));
    let (directory, name) = DiskDirectory::of_file(path).map_err(unreadable)?;
    let bytes = read_whole(&directory, &name, MINT_FILE_SIZE_MAX).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(failed(MICROMINT_ERROR_TEXT))?;
    let config = MintConfig::from_toml(&text).map_err(failed(MICROMINT_ERROR_CONFIG))?;
    config.check_weak().map_err(failed(MICROMINT_ERROR_CONFIG))?;
    let coinfile = path.parent().unwrap_or(Path::new("")).join(&config.coinfile);
    let (directory, name) = DiskDirectory::of_file(&coinfile).map_err(unreadable)?;
    Ok(micromint_mint { config, directory, name })
}
