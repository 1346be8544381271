//! Decides about the batches of vendors (thesis 3.2.3).
//!
//! Every batch is processed on its own. A batch that fails does not stop the others; the exit
//! status reports it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use micromint::broker::{rejected_coins, rejected_coins_end};
use micromint::error::{FileError, chain};
use micromint::money::coins;
use micromint::protocol::{BATCH_DATA_SIZE_MAX, RedemptionResult, RequestRedemption, Verdict};
use micromint::time::UnixTime;
use micromint_console::output::Existing;
use micromint_console::{
    EXIT_FAILURE, EXIT_OK, ToolError, command_line, finish, read_input, say, tell,
};
use mmbrokerd::programs::{
    Broker, BrokerArgs, EXIT_ALARM, block_on, check_results_differ, report_alarm, result_path,
};
use mmbrokerd::service::Answered;

/// The largest batch file, in bytes: the headers, and the data in Base64.
const BATCH_SIZE_MAX: usize = BATCH_DATA_SIZE_MAX / 54 * 78 + 64 * 1024;
/// The largest earlier result that is read, in bytes.
const RESULT_SIZE_MAX: usize = 64 * 1024 * 1024;

/// Checks every coin in batches of payments, pays what is good, and writes the verdicts
///
/// For batches that come by mail; the service mmbrokerd does the same over HTTP. The verdicts on
/// each batch BATCH go to BATCH.result, which goes back to the vendor. Rejected coins are listed,
/// with the reasons, in PERIOD.rejected beside the coin files. The same batch can be processed
/// again: it gets the same answer and is paid once.
///
/// Exit status: 0 all batches were processed; 1 a batch was refused or could not be read, and the
/// others were processed; 2 the command line is wrong; 3 all batches were processed, and there were
/// coins that are forged or not from their owner.
#[derive(Parser)]
#[command(version, name = "mmredeem")]
struct Arguments {
    #[command(flatten)]
    broker: BrokerArgs,
    /// The folder for the results, or a file for the result of a single batch; - writes standard
    /// output. A file that exists is replaced only if it is a result of the same batch [default:
    /// BATCH.result in the folder of BATCH]
    #[arg(short, long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Files with Request-Redemption messages; - reads standard input
    #[arg(required = true, value_name = "BATCH")]
    batches: Vec<PathBuf>,
}

fn main() -> ExitCode {
    finish("mmredeem", run(&command_line::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<u8, ToolError> {
    let is_one_file = |out: &PathBuf| arguments.batches.len() > 1 && !out.is_dir();
    if let Some(out) = arguments.out.as_ref().filter(|out| is_one_file(out)) {
        return Err(format!(
            "{}: expected a folder, because there are several batches; nothing was redeemed",
            out.display()
        )
        .into());
    }
    check_results_differ(arguments.out.as_deref(), &arguments.batches)?;
    block_on(async {
        let broker = arguments.broker.open().await?;
        let (mut failed, mut has_alarm) = (false, false);
        for path in &arguments.batches {
            match redeem(arguments, &broker, path).await {
                Ok(status) => has_alarm |= status != EXIT_OK,
                Err(error) => {
                    let (path, why) = (path.display().to_string(), chain(error.as_ref()));
                    // Why a file cannot be read begins with its name.
                    match why.contains(&path) {
                        true => tell!("mmredeem: error: {why}"),
                        false => tell!("mmredeem: error: {path}: {why}"),
                    }
                    failed = true;
                }
            }
        }
        broker.service.store().close().await;
        Ok(match (failed, has_alarm) {
            (true, _) => EXIT_FAILURE,
            (false, true) => EXIT_ALARM,
            (false, false) => EXIT_OK,
        })
    })
}

/// Processes one batch. Returns the exit status for it.
async fn redeem(arguments: &Arguments, broker: &Broker, path: &Path) -> Result<u8, ToolError> {
    let batch = RequestRedemption::parse(&read_input(path, BATCH_SIZE_MAX)?)?;
    let (service, period) = (&broker.service, broker.period(Some(&batch.period))?);
    let rejected = broker.list_path(None, &period, "rejected");
    let is_its = |earlier: &Path| is_result_of(earlier, &batch);
    let rules = broker.rules(Existing::If("an earlier result of this batch", &is_its)).await?;
    let rules = rules.uses(&rejected, "the list of rejected coins").uses(path, "the batch");
    let result = result_path(arguments.out.as_deref(), path);
    // What the caller names may be a link, such as /dev/stdout.
    let rules = if arguments.out.as_ref() == Some(&result) { rules } else { rules.unfollowed() };
    let output = rules.open(Some(&result))?;
    let (is_stdout, now) = (output.is_stdout(), service.now());
    let answer = service.redeem(batch.clone(), now).await?.into_result()?;
    output.write(&answer.result.to_bytes())?;
    append_rejected(&rejected, &batch, &answer.result.verdicts, now)?;
    match is_stdout {
        true => tell!("{}", in_words(path, &answer)),
        false => say!("{}", in_words(path, &answer)),
    }
    Ok(report_alarm("mmredeem", &answer.alarm))
}

/// Whether the file is the result of an earlier redemption of this batch.
fn is_result_of(earlier: &Path, batch: &RequestRedemption) -> bool {
    let earlier = read_input(earlier, RESULT_SIZE_MAX);
    earlier.is_ok_and(|text| {
        RedemptionResult::parse(&text)
            .is_ok_and(|result| (&result.vendor, &result.batch) == (&batch.vendor, &batch.batch))
    })
}

fn in_words(path: &Path, answer: &Answered<RedemptionResult>) -> String {
    let result = &answer.result;
    let mut text = format!(
        "{}: {} of {}, batch {}: {} paid, {} waiting, {} refused",
        path.display(),
        coins(result.verdicts.len() as u64),
        result.vendor,
        result.batch,
        result.accepted(),
        count(&result.verdicts, Verdict::Waiting),
        result.rejected()
    );
    let disputed = count(&result.verdicts, Verdict::Disputed);
    if disputed > 0 {
        text.push_str(&format!(", {disputed} disputed"));
    }
    if answer.is_repeated {
        text.push_str(" (this batch was redeemed before; it is not paid twice)");
    }
    for verdict in Verdict::ALL.iter().filter(|verdict| verdict.is_rejection()) {
        let number = count(&result.verdicts, *verdict);
        if number > 0 {
            text.push_str(&format!("\n  {}: {}", coins(number), verdict.words()));
        }
    }
    for user in result.blocked.users() {
        text.push_str(&format!("\n  {} should stop serving {user}", result.vendor));
    }
    text
}

/// Appends the rejected coins of a batch to a list if they are not in it yet.
fn append_rejected(
    path: &Path,
    batch: &RequestRedemption,
    verdicts: &[Verdict],
    now: UnixTime,
) -> Result<(), ToolError> {
    let Some(text) = rejected_coins(batch, verdicts, now) else { return Ok(()) };
    let append = || -> io::Result<()> {
        let mut options = File::options();
        options.read(true).append(true).create(true).mode(0o600);
        // The folder may belong to another user than who runs this program.
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
        let mut file = options.open(path)?;
        // Several of these programs may run at the same time. Closing the file releases the lock.
        file.lock()?;
        let last = rejected_coins_end(batch);
        for line in BufReader::new(&file).split(b'\n') {
            if line? == last.as_bytes() {
                return Ok(());
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    Ok(append().map_err(FileError::on("write", path))?)
}

fn count(verdicts: &[Verdict], verdict: Verdict) -> u64 {
    verdicts.iter().filter(|v| **v == verdict).count() as u64
}
