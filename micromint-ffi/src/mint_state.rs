//! The progress of a mint, and the speed of this machine.

use std::time::{Duration, Instant};

use micromint_core::coin_file::{CoinFile, Phase};
use micromint_core::error::FileError;
use micromint_core::host::Directory;
use micromint_core::minting::{MintPlan, measure_rate};

use crate::boundary::{free, given, guard, hand_out, output, reference};
use crate::error::{FfiResult, failed, micromint_error, micromint_status};
use crate::mint::{checked_threads, micromint_mint};
use micromint_status::{MICROMINT_ERROR_ARGUMENT, MICROMINT_ERROR_FILE};

/// The phase of a mint.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_mint_phase {
    /// There is no coin file.
    MICROMINT_MINT_NOT_BEGUN = 0,
    /// Balls are being tossed; the unit is a toss.
    MICROMINT_MINT_BEGUN = 1,
    /// All balls are tossed and are being counted; the unit is a superbin.
    MICROMINT_MINT_TOSSED = 2,
    /// Sets can be sold.
    MICROMINT_MINT_COMPLETE = 3,
    // Last added: 3.
}

/// The state of a coin file, when it was read. Free it with `micromint_mint_state_free()`. It is
/// immutable: threads may share it, and it may be used across a fork.
pub struct micromint_mint_state {
    phase: micromint_mint_phase,
    done: u64,
    total: u64,
    balls: u64,
    checksum: u32,
}

/// The progress of the coin file. Another process may be minting it meanwhile.
///
/// state_out: the state.
///
/// Errors: MICROMINT_ERROR_FILE if the file cannot be read, is damaged or of another period.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_inspect(
    mint: *const micromint_mint,
    state_out: *mut *mut micromint_mint_state,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), place = output(state_out));
        place.write(hand_out(state_of(mint)?));
        Ok(())
    })
}

/// The phase of the mint. NULL gives MICROMINT_MINT_NOT_BEGUN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_state_phase(
    mint_state: *const micromint_mint_state,
) -> micromint_mint_phase {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { mint_state.as_ref() }
        .map_or(micromint_mint_phase::MICROMINT_MINT_NOT_BEGUN, |it| it.phase)
}

/// How much of this phase is done and on disk; 0 if there is nothing to do. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_state_done(mint_state: *const micromint_mint_state) -> u64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { mint_state.as_ref() }.map_or(0, |it| it.done)
}

/// How much there is to do in this phase. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_state_total(
    mint_state: *const micromint_mint_state,
) -> u64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { mint_state.as_ref() }.map_or(0, |it| it.total)
}

/// The balls in a complete file. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_state_balls(
    mint_state: *const micromint_mint_state,
) -> u64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { mint_state.as_ref() }.map_or(0, |it| it.balls)
}

/// The CRC-32C over all bins of a complete file, as they were minted. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_state_checksum(
    mint_state: *const micromint_mint_state,
) -> u32 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { mint_state.as_ref() }.map_or(0, |it| it.checksum)
}

/// Frees a state. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_state_free(mint_state: *mut micromint_mint_state) {
    // SAFETY: it reaches the caller only from hand_out, and is freed once.
    unsafe { free(mint_state) }
}

/// Measures how fast this machine tosses balls for a period, to estimate how long its minting
/// takes.
///
/// threads:     1 to 1024; 0 is one for each core.
/// seconds:     the duration, 1 to 60.
/// tosses_out:  tosses per second.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for other numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_measure(
    mint: *const micromint_mint,
    threads: usize,
    seconds: u32,
    tosses_out: *mut f64,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), place = output(tosses_out));
        if !(1..=MEASURE_SECONDS_MAX).contains(&seconds) {
            let text = format!("seconds: expected 1 to {MEASURE_SECONDS_MAX}, found {seconds}");
            return Err(micromint_error::new(MICROMINT_ERROR_ARGUMENT, text));
        }
        let (threads, began) = (checked_threads(threads)?, Instant::now());
        let time = Duration::from_secs(seconds.into());
        let rate =
            measure_rate(&mint.config.params, mint.config.walk, threads, time, &|| began.elapsed());
        place.write(rate.tosses_per_second);
        Ok(())
    })
}

/// The longest measurement, in seconds.
const MEASURE_SECONDS_MAX: u32 = 60;

fn state_of(mint: &micromint_mint) -> FfiResult<micromint_mint_state> {
    let mut found = micromint_mint_state {
        phase: micromint_mint_phase::MICROMINT_MINT_NOT_BEGUN,
        done: 0,
        total: 0,
        balls: 0,
        checksum: 0,
    };
    let names = mint.directory.names().map_err(FileError::on("read", mint.directory.path()));
    if !names.map_err(failed(MICROMINT_ERROR_FILE))?.contains(&mint.name) {
        return Ok(found);
    }
    let params = &mint.config.params;
    let coin_file =
        CoinFile::inspect(&mint.directory, &mint.name).map_err(failed(MICROMINT_ERROR_FILE))?;
    if coin_file.params() != params {
        let path = mint.directory.path().join(&mint.name);
        let text = format!(
            "{}: expected the coin file of {params}, found that of {}",
            path.display(),
            coin_file.params()
        );
        return Err(micromint_error::new(MICROMINT_ERROR_FILE, text));
    }
    let state = coin_file.minting_state().map_err(failed(MICROMINT_ERROR_FILE))?;
    let plan = MintPlan::new(params, mint.config.walk);
    match state.phase {
        Phase::Tossing => {
            found.phase = micromint_mint_phase::MICROMINT_MINT_BEGUN;
            let kept = mint.job().build().and_then(|job| job.tosses_kept());
            (found.done, found.total) =
                (kept.map_err(failed(MICROMINT_ERROR_FILE))?, plan.toss_count);
        }
        Phase::Counting => {
            found.phase = micromint_mint_phase::MICROMINT_MINT_TOSSED;
            (found.done, found.total) = (state.counted_superbins, params.superbin_count());
        }
        Phase::Complete => {
            found.phase = micromint_mint_phase::MICROMINT_MINT_COMPLETE;
            (found.balls, found.checksum) = (state.ball_count, state.checksum);
        }
    }
    Ok(found)
}
