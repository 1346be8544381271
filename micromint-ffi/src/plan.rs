//! Before minting: the configuration of a new period, the broker's secret, and what a configuration
//! yields and costs.

use micromint_core::error::FileError;
use micromint_core::host::{DiskDirectory, create_whole};
use micromint_core::key_file::{create_key, read_key};
use micromint_core::minting::{MintPlan, NewPeriod, NewPeriodError, Profile};
use micromint_core::time::UnixTime;

use crate::boundary::{
    file_at, free, given, guard, hand_out, output, output_bytes, parse, path_at, reference, text,
};
use crate::buffer::micromint_buffer;
use crate::error::{failed, micromint_error, micromint_status};
use crate::filled::{Fault, Filled, fill, filled};
use crate::host::{host_of, micromint_host};
use crate::mint::micromint_mint;
use micromint_status::{MICROMINT_ERROR_CONFIG, MICROMINT_ERROR_FILE};

/// What a broker chooses for a new period. Free it with `micromint_period_options_free()`. One
/// thread at a time while it is filled; any number of threads may pass it to functions that take it
/// `const`. It may be used across a fork. An invalid value is reported by the function that the
/// options are passed to.
#[derive(Default)]
pub struct micromint_period_options {
    profile: String,
    period: String,
    broker: String,
    coin_value: String,
    times: Option<(UnixTime, UnixTime)>,
    allows_weak: bool,
    fault: Fault,
}

impl Filled for micromint_period_options {
    fn fault(&self) -> &Fault {
        &self.fault
    }

    fn fault_mut(&mut self) -> &mut Fault {
        &mut self.fault
    }
}

/// Makes options in which nothing is set. The profile, the period, the broker and the value of a
/// coin must be set.
#[unsafe(no_mangle)]
pub extern "C" fn micromint_period_options_new() -> *mut micromint_period_options {
    hand_out(micromint_period_options::default())
}

/// Sets the hash function and the sizes.
///
/// profile, profile_len: test, demo, small, small-sha256 or national
///                       (docs/reference/minting.md).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_period_options_set_profile(
    period_options: *mut micromint_period_options,
    profile: *const u8,
    profile_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe {
        fill(period_options, |it| {
            it.profile = text(profile, profile_len, "period_options.profile")?.to_string();
            Ok(())
        })
    }
}

/// Sets the period's name.
///
/// period, period_len: the name, such as 2026-12.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_period_options_set_period(
    period_options: *mut micromint_period_options,
    period: *const u8,
    period_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe {
        fill(period_options, |it| {
            it.period = text(period, period_len, "period_options.period")?.to_string();
            Ok(())
        })
    }
}

/// Sets the broker's URL, which vendors and clients see.
///
/// broker, broker_len: the URL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_period_options_set_broker(
    period_options: *mut micromint_period_options,
    broker: *const u8,
    broker_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe {
        fill(period_options, |it| {
            it.broker = text(broker, broker_len, "period_options.broker")?.to_string();
            Ok(())
        })
    }
}

/// Sets the value of a coin.
///
/// coin_value, coin_value_len: an amount with at most 8 decimals and an ISO 4217 code, such
///                             as 0.01 USD.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_period_options_set_coin_value(
    period_options: *mut micromint_period_options,
    coin_value: *const u8,
    coin_value_len: usize,
) {
    // SAFETY: Handles, Threads, Texts and bytes: NULL, or live and used by nothing else.
    unsafe {
        fill(period_options, |it| {
            it.coin_value =
                text(coin_value, coin_value_len, "period_options.coin_value")?.to_string();
            Ok(())
        })
    }
}

/// Sets the time in which vendors accept the coins. Not set: the period's name is a month, and
/// vendors accept from its first day to its last.
///
/// start:      the first moment, in seconds since 1970-01-01 00:00 UTC.
/// expiration: the end, likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_period_options_set_times(
    period_options: *mut micromint_period_options,
    start: i64,
    expiration: i64,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    if let Some(it) = unsafe { period_options.as_mut() } {
        it.times = Some((UnixTime(start), UnixTime(expiration)));
    }
}

/// Sets whether weak choices are allowed, such as the test profile.
///
/// allows_weak: false if it is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_period_options_set_weak(
    period_options: *mut micromint_period_options,
    allows_weak: bool,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    if let Some(it) = unsafe { period_options.as_mut() } {
        it.allows_weak = allows_weak;
    }
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_period_options_free(
    period_options: *mut micromint_period_options,
) {
    // SAFETY: it reaches the caller only from hand_out, and is freed once.
    unsafe { free(period_options) }
}

/// What a configuration will yield and cost. Expected numbers are means. Free it with
/// `micromint_plan_free()`. It is immutable: threads may share it, and it may be used across a
/// fork.
pub struct micromint_plan {
    plan: MintPlan,
}

/// Writes the configuration of a new period into a new file of mode 0600; iv, fixed bits and input
/// key are random. Keep it secret: the input key reveals which balls are the broker's.
///
/// config, config_len: the path of the file; the coin file will be in the same folder.
/// period_options:     what the broker chooses.
/// host:               randomness; NULL for the system's.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the profile, the name of the period or the amount of money
/// is invalid, MICROMINT_ERROR_CONFIG for a weak choice that is not allowed, or a name that is not
/// a month if no times are given; MICROMINT_ERROR_FILE if the file exists or cannot be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_init(
    config: *const u8,
    config_len: usize,
    period_options: *const micromint_period_options,
    host: *const micromint_host,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            path = path_at(config, config_len),
            it = filled(period_options),
            host = host_of(host)
        );
        let chosen = NewPeriod {
            size: parse::<Profile>(&it.profile)?.into(),
            period: parse(&it.period)?,
            broker: it.broker.clone(),
            coin_value: parse(&it.coin_value)?,
            start: it.times.map(|(start, _)| start),
            expiration: it.times.map(|(_, expiration)| expiration),
            weak: it.allows_weak,
        };
        let drawn = chosen.draw(&host).map_err(|error| {
            let status = match &error {
                NewPeriodError::Entropy(_) => MICROMINT_ERROR_FILE,
                _ => MICROMINT_ERROR_CONFIG,
            };
            micromint_error::of(status, &error)
        })?;
        DiskDirectory::of_file(&path)
            .and_then(|(folder, name)| create_whole(&folder, &name, drawn.to_toml().as_bytes()))
            .map_err(FileError::on("write", &path))
            .map_err(failed(MICROMINT_ERROR_FILE))
    })
}

/// What a configuration will yield and cost.
///
/// plan_out:     the numbers.
/// warnings_out: a buffer with what is unwise about it, one sentence per line; may be empty.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_plan(
    mint: *const micromint_mint,
    plan_out: *mut *mut micromint_plan,
    warnings_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), place = output(plan_out), warnings = output(warnings_out));
        let plan = MintPlan::new(&mint.config.params, mint.config.walk);
        let lines: String = plan.warnings.iter().map(|warning| format!("{warning}\n")).collect();
        warnings.write(micromint_buffer::hand_out(lines.into_bytes()));
        place.write(hand_out(micromint_plan { plan }));
        Ok(())
    })
}

/// The bins of the coin file. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_plan_bins(plan: *const micromint_plan) -> u64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { plan.as_ref() }.map_or(0, |it| it.plan.bin_count)
}

/// The size of the coin file, in bytes. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_plan_file_size(plan: *const micromint_plan) -> u64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { plan.as_ref() }.map_or(0, |it| it.plan.file_size)
}

/// The tosses of minting. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_plan_tosses(plan: *const micromint_plan) -> u64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { plan.as_ref() }.map_or(0, |it| it.plan.toss_count)
}

/// The sets that can be sold. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_plan_sets(plan: *const micromint_plan) -> u64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { plan.as_ref() }.map_or(0, |it| it.plan.set_count)
}

/// The balls expected in the coin file. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_plan_balls(plan: *const micromint_plan) -> f64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { plan.as_ref() }.map_or(0.0, |it| it.plan.stored_balls)
}

/// The coins expected in a set. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_plan_coins_per_set(plan: *const micromint_plan) -> f64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { plan.as_ref() }.map_or(0.0, |it| it.plan.coins_per_set)
}

/// The number of coins of a set that can be spent at one given vendor. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_plan_spendable_per_set(plan: *const micromint_plan) -> f64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { plan.as_ref() }.map_or(0.0, |it| it.plan.spendable_per_set)
}

/// The tosses that the first coin forged for one user and one vendor costs. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_plan_first_forgery_tosses(plan: *const micromint_plan) -> f64 {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { plan.as_ref() }.map_or(0.0, |it| it.plan.first_forgery_tosses)
}

/// Frees a plan. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_plan_free(plan: *mut micromint_plan) {
    // SAFETY: it reaches the caller only from hand_out, and is freed once.
    unsafe { free(plan) }
}

/// Creates the broker's secret, one for all periods, in a new file of mode 0600.
///
/// path, path_len: the file.
/// host:           randomness; NULL for the system's.
/// secret_out:     room for MICROMINT_KEY_SIZE bytes; the secret.
///
/// Errors: MICROMINT_ERROR_FILE if the file exists or cannot be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_secret_create(
    path: *const u8,
    path_len: usize,
    host: *const micromint_host,
    secret_out: *mut u8,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            host = host_of(host),
            place = output_bytes(secret_out),
            file = file_at(path, path_len)
        );
        let (directory, name) = file;
        let secret = create_key(&directory, &name, &host).map_err(failed(MICROMINT_ERROR_FILE))?;
        place.write(*secret.as_bytes());
        Ok(())
    })
}

/// Reads the broker's secret.
///
/// path, path_len: the file, which only its owner may be able to read.
/// secret_out:     room for MICROMINT_KEY_SIZE bytes; the secret.
///
/// Errors: MICROMINT_ERROR_FILE if it cannot be read, others can read it, or its content is
/// invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_secret_read(
    path: *const u8,
    path_len: usize,
    secret_out: *mut u8,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(place = output_bytes(secret_out), file = file_at(path, path_len));
        let (directory, name) = file;
        let secret = read_key(&directory, &name).map_err(failed(MICROMINT_ERROR_FILE))?;
        place.write(*secret.as_bytes());
        Ok(())
    })
}
