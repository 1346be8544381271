//! `redeem`, `result` and `prune`: batches to the broker, and its answers.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::authenticator::Key;
use micromint::error::FileError;
use micromint::host::DiskDirectory;
use micromint::key_file::read_key;
use micromint::money::coins;
use micromint::period::Period;
use micromint::protocol::{BATCH_PAYMENTS_MAX, RedemptionResult, Verdict};
use micromint::till::{Batch, Till};
use micromint::vendor::redemption::{
    BatchLimits, OutgoingBatch, RedemptionError, make_batch, prune, read_result, summary,
};
use micromint_console::output::{Existing, Rules};
use micromint_console::{EXIT_OK, ToolError, read_input, say, tell};

use crate::status::payments;
use crate::vendor_files::VendorFiles;

/// There is nothing to redeem, or nothing was found.
pub(crate) const EXIT_NOTHING: u8 = 3;
/// The largest Redemption-Result that is read, in bytes.
const RESULT_SIZE_MAX: usize = 64 * 1024 * 1024;

#[derive(Args)]
pub(crate) struct Redeem {
    #[command(flatten)]
    files: VendorFiles,
    #[command(flatten)]
    key: KeyFile,
    /// The file for the batch, which must not exist; - writes standard output
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Redeem only this period
    #[arg(long, value_name = "PERIOD")]
    period: Option<Period>,
    /// The most payments in a batch
    #[arg(long, value_name = "COUNT", default_value_t = BATCH_PAYMENTS_MAX,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(BATCH_PAYMENTS_MAX)))]
    payments: u32,
}

#[derive(Args)]
pub(crate) struct ReadResult {
    #[command(flatten)]
    files: VendorFiles,
    #[command(flatten)]
    key: KeyFile,
    /// The file with the broker's answer; - reads standard input
    result: PathBuf,
}

#[derive(Args)]
pub(crate) struct Prune {
    #[command(flatten)]
    files: VendorFiles,
}

#[derive(Args)]
struct KeyFile {
    /// The file with the vendor key, 64 hexadecimal digits as `mmbroker vendor-key` prints them.
    /// Only its owner may be able to read it. It signs a batch, and shows that a result is from the
    /// broker [default: vendor.key next to the configuration]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl KeyFile {
    fn read(&self, files: &VendorFiles) -> Result<Key, ToolError> {
        let path: &Path = &files.key_file(self.key_file.as_deref());
        let (directory, name) =
            DiskDirectory::of_file(path).map_err(FileError::on("read", path))?;
        Ok(read_key(&directory, &name)?)
    }
}

impl Redeem {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        let vendor = self.files.open()?;
        let key = self.key.read(&self.files)?;
        let key_file = self.files.key_file(self.key.key_file.as_deref());
        let rules = Rules::new(Existing::Kept).uses(&key_file, "the vendor key");
        let output = rules.open(Some(&self.out))?;
        let limits = BatchLimits { payments: self.payments, ..BatchLimits::default() };
        let made = make_batch(&vendor.till, &vendor.vendor, &key, self.period.as_ref(), limits)?;
        let Some(made) = made else {
            tell!(
                "mmvendor: nothing to redeem; payments of the last ten minutes go into a later \
                 batch"
            );
            return Ok(EXIT_NOTHING);
        };
        output.write(&made.message.to_bytes())?;
        let OutgoingBatch { batch, is_again, .. } = made;
        let Batch { id, redeem_until, made_at, .. } = &batch;
        let again =
            if is_again { format!("; the same batch as on {made_at}") } else { String::new() };
        tell!("batch {id}: {}, to be redeemed by {redeem_until}{again}", content(&batch));
        Ok(EXIT_OK)
    }
}

impl ReadResult {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        let vendor = self.files.open()?;
        let message = RedemptionResult::parse(&read_input(&self.result, RESULT_SIZE_MAX)?)
            .map_err(|error| format!("{}: {error}", self.result.display()))?;
        let key = self.key.read(&self.files)?;
        let read = read_result(&vendor.till, &vendor.vendor, &key, &message);
        print_batch(&read.map_err(|error| self.explained(error))?);
        for user in message.blocked.users() {
            say!("blocked: {user}; the servers of this till refuse payments of this user");
        }
        print_pruned(&vendor.till)
    }
}

impl ReadResult {
    /// The error, with what to do if the vendor key was replaced.
    fn explained(&self, error: RedemptionError) -> ToolError {
        if !matches!(error, RedemptionError::NotFromBroker { .. }) {
            return error.into();
        }
        let file = self.files.key_file(self.key.key_file.as_deref());
        let file = file.display();
        format!(
            "{error}. The vendor key in {file} may have been replaced: get the new one from your \
             broker's page, write it to {file}, and make the batch again with `mmvendor redeem`"
        )
        .into()
    }
}

impl Prune {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        print_pruned(&self.files.open()?.till)
    }
}

/// What is in a batch.
fn content(batch: &Batch) -> String {
    let Batch { period, payments: count, coins: sum, .. } = batch;
    format!("{}, {} of {period}", payments((*count).into()), coins((*sum).into()))
}

pub(crate) fn print_batch(batch: &Batch) {
    let Batch { id, made_at, redeem_until, result, .. } = batch;
    say!("batch {id} of {made_at}: {}", content(batch));
    match result {
        None => say!(
            "  no result yet: send the batch to the broker and read its answer with `mmvendor result`"
        ),
        Some(counts) => say!("  {}", summary(counts)),
    }
    let waiting = batch.count(Verdict::Waiting);
    if waiting > 0 {
        let wait = if waiting == 1 { "waits" } else { "wait" };
        let waiting = coins(waiting.into());
        say!("  {waiting} {wait} at the broker: send the batch again after {redeem_until}");
    }
}

fn print_pruned(till: &Till) -> Result<u8, ToolError> {
    for name in prune(till)? {
        say!("removed {name}: everything in it is final and past redeem-until");
    }
    Ok(EXIT_OK)
}
