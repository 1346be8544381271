//! Before minting: the configuration of a new period, the broker's secret, and what a configuration
//! yields and costs.

use std::ffi::c_void;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use micromint_core::error::FileError;
use micromint_core::key_file::{create_key, read_key};
use micromint_core::minting::{MintPlan, NewPeriod, NewPeriodError, Profile};
use micromint_core::time::UnixTime;

use crate::boundary::{file_at, given, guard, output, parse, path_at, reference, text};
use crate::buffer::micromint_buffer;
use crate::error::{failed, micromint_error, micromint_status};
use crate::host::{host_of, micromint_host, refuse_reserved};
use crate::keys::micromint_key;
use crate::mint::micromint_mint;
use micromint_status::{MICROMINT_ERROR_CONFIG, MICROMINT_ERROR_FILE};

/// What a broker chooses for a new period. Clear it before you fill it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_new_period {
    /// Hash function and sizes: test, demo, small, small-sha256 or national
    /// (docs/reference/minting.md).
    pub profile: *const u8,
    /// Its length.
    pub profile_len: usize,
    /// The period's name, such as 2026-12.
    pub period: *const u8,
    /// Its length.
    pub period_len: usize,
    /// The broker's URL, which vendors and clients see.
    pub broker: *const u8,
    /// Its length.
    pub broker_len: usize,
    /// The value of a coin: an amount with at most 8 decimals and an ISO 4217 code, such as 0.01
    /// USD.
    pub coin_value: *const u8,
    /// Its length.
    pub coin_value_len: usize,
    /// Vendors accept from this time on, in seconds since 1970-01-01 00:00 UTC; ignored without
    /// `has_times`.
    pub start: i64,
    /// Vendors accept until this time, likewise.
    pub expiration: i64,
    /// 0: the period's name is a month, and vendors accept from its first day to its last.
    pub has_times: u32,
    /// Not 0 to allow weak choices, such as the test profile.
    pub allow_weak: u32,
    /// NULL.
    pub reserved: *const c_void,
}

/// What a configuration will yield and cost. Expected numbers are means.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct micromint_plan {
    /// The bins of the coin file.
    pub bins: u64,
    /// The size of the coin file, in bytes.
    pub file_size: u64,
    /// The tosses of minting.
    pub tosses: u64,
    /// The sets that can be sold.
    pub sets: u64,
    /// The balls expected in the coin file.
    pub balls: f64,
    /// The coins expected in a set.
    pub coins_per_set: f64,
    /// The number of these that can be spent at one given vendor.
    pub spendable_per_set: f64,
    /// The tosses that the first coin forged for one user and one vendor costs.
    pub first_forgery_tosses: f64,
}

/// Writes the configuration of a new period into a new file of mode 0600; iv, fixed bits and input
/// key are random. Keep it secret: the input key reveals which balls are the broker's.
///
/// config, config_len: the path of the file; the coin file will be in the same folder.
/// period:             what the broker chooses.
/// host:               randomness; NULL for the system's.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the profile, the name of the period or the amount of money
/// is invalid, MICROMINT_ERROR_CONFIG for a weak choice that is not allowed, or a name that is not
/// a month if no times are given; MICROMINT_ERROR_FILE if the file exists or cannot be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_mint_init(
    config: *const u8,
    config_len: usize,
    period: *const micromint_new_period,
    host: *const micromint_host,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(path = path_at(config, config_len), new = reference(period), host = host_of(host));
        refuse_reserved(new.reserved, "period")?;
        let (profile, profile_len, period, period_len) =
            (new.profile, new.profile_len, new.period, new.period_len);
        let (broker, broker_len, value, value_len) =
            (new.broker, new.broker_len, new.coin_value, new.coin_value_len);
        given!(
            profile = text(profile, profile_len),
            period = text(period, period_len),
            broker = text(broker, broker_len),
            value = text(value, value_len),
        );
        let time = |seconds| (new.has_times != 0).then_some(UnixTime(seconds));
        let chosen = NewPeriod {
            size: parse::<Profile>(profile)?.into(),
            period: parse(period)?,
            broker: broker.to_string(),
            coin_value: parse(value)?,
            start: time(new.start),
            expiration: time(new.expiration),
            weak: new.allow_weak != 0,
        };
        let drawn = chosen.draw(&host).map_err(|error| {
            let status = match &error {
                NewPeriodError::Entropy(_) => MICROMINT_ERROR_FILE,
                _ => MICROMINT_ERROR_CONFIG,
            };
            micromint_error::of(status, &error)
        })?;
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            let written = file.write_all(drawn.to_toml().as_bytes()).and_then(|()| file.sync_all());
            written.inspect_err(|_| {
                // Nothing is in it that anybody could miss.
                let _ = std::fs::remove_file(path);
            })
        };
        write().map_err(FileError::on("write", path)).map_err(failed(MICROMINT_ERROR_FILE))
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
    plan_out: *mut micromint_plan,
    warnings_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(mint = reference(mint), place = output(plan_out), warnings = output(warnings_out));
        let plan = MintPlan::new(&mint.config.params, mint.config.walk);
        place.write(micromint_plan {
            bins: plan.bin_count,
            file_size: plan.file_size,
            tosses: plan.toss_count,
            sets: plan.set_count,
            balls: plan.stored_balls,
            coins_per_set: plan.coins_per_set,
            spendable_per_set: plan.spendable_per_set,
            first_forgery_tosses: plan.first_forgery_tosses,
        });
        let lines: String = plan.warnings.iter().map(|warning| format!("{warning}\n")).collect();
        warnings.write(micromint_buffer::hand_out(lines.into_bytes()));
        Ok(())
    })
}

/// Creates the broker's secret, one for all periods, in a new file of mode 0600.
///
/// path, path_len: the file.
/// host:           randomness; NULL for the system's.
/// secret_out:     the secret.
///
/// Errors: MICROMINT_ERROR_FILE if the file exists or cannot be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_secret_create(
    path: *const u8,
    path_len: usize,
    host: *const micromint_host,
    secret_out: *mut micromint_key,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(host = host_of(host), place = output(secret_out), file = file_at(path, path_len));
        let (directory, name) = file;
        let secret = create_key(&directory, &name, &host).map_err(failed(MICROMINT_ERROR_FILE))?;
        place.write(secret.into());
        Ok(())
    })
}

/// Reads the broker's secret.
///
/// path, path_len: the file, which only its owner may be able to read.
/// secret_out:     the secret.
///
/// Errors: MICROMINT_ERROR_FILE if it cannot be read, others can read it, or its content is
/// invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_secret_read(
    path: *const u8,
    path_len: usize,
    secret_out: *mut micromint_key,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(place = output(secret_out), file = file_at(path, path_len));
        let (directory, name) = file;
        let secret = read_key(&directory, &name).map_err(failed(MICROMINT_ERROR_FILE))?;
        place.write(secret.into());
        Ok(())
    })
}
