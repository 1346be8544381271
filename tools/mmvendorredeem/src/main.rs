//! Redeems the coins in a till at the broker (thesis 3.3.2): makes batches, reads results, removes
//! old journals.
//!
//! The web servers can keep selling meanwhile. Exit status: 0 done; 1 failed; 2 the command line is
//! wrong; 3 there is nothing to redeem, so no batch was written.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use micromint::authenticator::Key;
use micromint::error::FileError;
use micromint::host::{Clock, Directory, DiskDirectory, FixedClock, SystemClock, SystemEntropy};
use micromint::identity::VendorId;
use micromint::key_file::read_key;
use micromint::period::Period;
use micromint::protocol::{BATCH_PAYMENTS_MAX, RedemptionResult, Verdict};
use micromint::till::{Batch, SyncMode, Till};
use micromint::time::UnixTime;
use micromint::vendor::VendorConfig;
use micromint::vendor::redemption::{
    BatchLimits, OutgoingBatch, batches, blocked_users, make_batch, prune, read_result, summary,
    unbatched,
};
use micromint_console::output::{Existing, Rules};
use micromint_console::{EXIT_OK, ToolError, command_line, finish, read_input, say, tell};

/// There is nothing to redeem.
const EXIT_NOTHING: u8 = 3;
/// The largest Redemption-Result that is read, in bytes.
const RESULT_SIZE_MAX: usize = 64 * 1024 * 1024;

/// Redeems the coins in a vendor's till at the broker.
///
/// With --out it writes a batch (a Request-Redemption message) for the broker. The batch contains
/// payments that are at least ten minutes old, because younger ones may still be reversed. Until
/// you read the result of a batch, --out writes the same batch again.
///
/// With --result it reads the broker's answer (a Redemption-Result), prints what happened to the
/// coins, blocks the users that the broker names (in the file `blocked` of the till; remove a line
/// to serve a user again), and removes journals in which everything is final and past
/// redeem-until. A result that is not the broker's answer to a batch of this till is refused. Coins
/// that wait at the broker are not lost: after redeem-until, --out writes their batch again, and
/// the broker answers with what its settlement decided.
///
/// Exit status: 0 done; 1 failed, standard error says why; 2 the command line is wrong; 3 with
/// --out, there is nothing to redeem, and no file was written.
#[derive(Parser)]
#[command(name = "mmvendorredeem", version, group(clap::ArgGroup::new("action").required(true)))]
struct Arguments {
    /// The vendor's configuration file, which the web server uses too.
    #[arg(long, value_name = "FILE", required_unless_present_all = ["till", "vendor"])]
    config: Option<PathBuf>,
    /// The till's folder [default: from the configuration].
    #[arg(long, value_name = "DIR")]
    till: Option<PathBuf>,
    /// The Vendor-ID, a host name [default: from the configuration].
    #[arg(long, value_name = "ID")]
    vendor: Option<VendorId>,
    /// Write a batch to this file, which must not exist; - writes standard output.
    #[arg(long, value_name = "FILE", group = "action", requires = "key_file")]
    out: Option<PathBuf>,
    /// Read the broker's result from this file; - reads standard input.
    #[arg(long, value_name = "FILE", group = "action", requires = "key_file")]
    result: Option<PathBuf>,
    /// Print all batches and what is not redeemed yet.
    #[arg(long, group = "action")]
    status: bool,
    /// Only remove journals in which everything is final and past redeem-until.
    #[arg(long, group = "action")]
    prune: bool,
    /// The file with the vendor key, 64 hexadecimal digits as `mmbroker vendor-key` prints them.
    /// Only its owner may be able to read it. It signs a batch, and shows that a result is from the
    /// broker.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["status", "prune"])]
    key_file: Option<PathBuf>,
    /// Redeem only this period.
    #[arg(long, value_name = "PERIOD", requires = "out")]
    period: Option<Period>,
    /// The most payments in a batch.
    #[arg(long, value_name = "COUNT", requires = "out", default_value_t = BATCH_PAYMENTS_MAX,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(BATCH_PAYMENTS_MAX)))]
    payments: u32,
    /// Decide as of this time (RFC 3339) instead of now: for rehearsals, never with real money.
    #[arg(long, value_name = "TIME")]
    as_of: Option<UnixTime>,
}

fn main() -> ExitCode {
    finish("mmvendorredeem", run(&command_line::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<u8, ToolError> {
    let (vendor, path) = vendor_and_till(arguments)?;
    let till = open_till(&path, arguments.as_of)?;
    if let Some(out) = &arguments.out {
        return write_batch(arguments, &till, &vendor, out);
    }
    if let Some(result) = &arguments.result {
        let message = RedemptionResult::parse(&read_input(result, RESULT_SIZE_MAX)?)
            .map_err(|error| format!("{}: {error}", result.display()))?;
        let key = vendor_key(arguments.key_file.as_deref().ok_or("expected --key-file")?)?;
        print_batch(&read_result(&till, &vendor, &key, &message)?);
        for user in message.blocked.users() {
            say!("blocked: {user}; the servers of this till refuse payments of this user");
        }
        return print_pruned(&till);
    }
    if arguments.status { print_status(&till) } else { print_pruned(&till) }
}

fn vendor_and_till(arguments: &Arguments) -> Result<(VendorId, PathBuf), ToolError> {
    let config = arguments.config.as_deref().map(VendorConfig::load).transpose()?;
    let vendor = arguments.vendor.clone().or(config.as_ref().map(|config| config.vendor().clone()));
    let till = arguments.till.clone().or(config.map(|config| config.till().to_path_buf()));
    vendor.zip(till).ok_or_else(|| "expected --config, or both --till and --vendor".into())
}

/// Opens a till that exists. A mistyped path must not create an empty till.
fn open_till(path: &Path, as_of: Option<UnixTime>) -> Result<Till, ToolError> {
    let directory = DiskDirectory::new(path);
    let names = directory.names().map_err(FileError::on("read", path))?;
    if !names.iter().any(|name| name == "lock") {
        return Err(format!(
            "{}: expected a till, found a folder without the file `lock`",
            path.display()
        )
        .into());
    }
    let clock: Arc<dyn Clock> = match as_of {
        Some(time) => Arc::new(FixedClock(time)),
        None => Arc::new(SystemClock),
    };
    Ok(Till::open(Box::new(directory), SyncMode::Always, clock, Arc::new(SystemEntropy))?)
}

fn write_batch(
    arguments: &Arguments,
    till: &Till,
    vendor: &VendorId,
    out: &Path,
) -> Result<u8, ToolError> {
    let key_file = arguments.key_file.as_deref().ok_or("expected --key-file")?;
    let key = vendor_key(key_file)?;
    let output = Rules::new(Existing::Kept).uses(key_file, "the vendor key").open(Some(out))?;
    let limits = BatchLimits { payments: arguments.payments, ..BatchLimits::default() };
    let Some(made) = make_batch(till, vendor, &key, arguments.period.as_ref(), limits)? else {
        tell!(
            "mmvendorredeem: nothing to redeem; payments of the last ten minutes go into a later \
        batch"
        );
        return Ok(EXIT_NOTHING);
    };
    output.write(&made.message.to_bytes())?;
    let OutgoingBatch { batch, is_again, .. } = made;
    let Batch { id, period, payments, coins, redeem_until, made_at, .. } = &batch;
    let again = if is_again { format!("; the same batch as on {made_at}") } else { String::new() };
    tell!(
        "batch {id}: {payments} payments, {coins} coins of {period}, to be redeemed by \
        {redeem_until}{again}"
    );
    Ok(EXIT_OK)
}

fn vendor_key(path: &Path) -> Result<Key, ToolError> {
    let (directory, name) = DiskDirectory::of_file(path).map_err(FileError::on("read", path))?;
    Ok(read_key(&directory, &name)?)
}

fn print_batch(batch: &Batch) {
    let Batch { id, period, payments, coins, made_at, redeem_until, result, .. } = batch;
    say!("batch {id} of {made_at}: {payments} payments, {coins} coins of {period}");
    match result {
        None => {
            say!("  no result yet: send the batch to the broker and read its answer with --result")
        }
        Some(counts) => say!("  {}", summary(counts)),
    }
    let waiting = batch.count(Verdict::Waiting);
    if waiting > 0 {
        say!("  {waiting} coins wait at the broker: send the batch again after {redeem_until}");
    }
}

fn print_status(till: &Till) -> Result<u8, ToolError> {
    for batch in batches(till)? {
        print_batch(&batch);
    }
    for (period, left) in unbatched(till)? {
        say!(
            "not in a batch: {} payments, {} coins of {period}, and {} payments younger than ten \
            minutes, to be redeemed by {}",
            left.payments,
            left.coins,
            left.young,
            left.redeem_until
        );
    }
    for user in blocked_users(till)? {
        say!("blocked: {user}");
    }
    Ok(EXIT_OK)
}

fn print_pruned(till: &Till) -> Result<u8, ToolError> {
    for name in prune(till)? {
        say!("removed {name}: everything in it is final and past redeem-until");
    }
    Ok(EXIT_OK)
}
