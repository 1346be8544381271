//! Decides about the batches of vendors (thesis 3.2.3).
//!
//! Every batch is processed on its own. A batch that fails does not stop the others; the exit
//! status reports it.

mod common;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use micromint::broker::{Broker, Judged, last_line, set_aside};
use micromint::error::{FileError, chain};
use micromint::host::{DiskDirectory, replace_whole};
use micromint::protocol::{BATCH_DATA_SIZE_MAX, RequestRedemption, Verdict};
use micromint::time::UnixTime;
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, command_line, finish, read_input, say};

use common::{Place, counted};

/// All batches were processed, and at least one contained forged coins.
const EXIT_FORGED: u8 = 3;
/// The largest batch file, in bytes: the headers, and the data in Base64.
const BATCH_SIZE_MAX: usize = BATCH_DATA_SIZE_MAX / 54 * 78 + 64 * 1024;

/// Checks every coin in batches of payments, marks the coins that are paid, and writes the verdicts
///
/// The verdicts on each batch BATCH go to BATCH.result, which goes back to the vendor. Rejected
/// coins are listed, with the reasons, in COINFILE.rejected. The same batch can be processed again:
/// it gets the same answer and is paid once.
///
/// Exit status: 0 all batches were processed; 1 a batch was refused or could not be read, and the
/// others were processed; 2 the command line is wrong; 3 all batches were processed, and there were
/// forged coins.
#[derive(Parser)]
#[command(version, name = "mmredeem")]
struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The folder for the results, or a file for the result of a single batch [default:
    /// BATCH.result in the folder of BATCH]
    #[arg(short, long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Files with Request-Redemption messages
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
    let mut broker = arguments.place.open()?;
    let (mut failed, mut forged) = (false, 0);
    for path in &arguments.batches {
        match redeem(arguments, &mut broker, path) {
            Ok(count) => forged += count,
            Err(error) => {
                eprintln!("mmredeem: error: {}: {}", path.display(), chain(error.as_ref()));
                failed = true;
            }
        }
    }
    if forged > 0 {
        eprintln!("mmredeem: ALARM: {} presented", counted(forged, "forged coin"));
    }
    Ok(match (failed, forged) {
        (true, _) => EXIT_FAILURE,
        (false, 0) => EXIT_OK,
        (false, _) => EXIT_FORGED,
    })
}

/// Processes one batch. Returns the number of forged coins in it.
fn redeem(arguments: &Arguments, broker: &mut Broker, path: &Path) -> Result<u64, ToolError> {
    let batch = RequestRedemption::parse(&read_input(path, BATCH_SIZE_MAX)?)?;
    let now = arguments.place.now();
    let judged = broker.redeem(&batch, now)?.into_result()?;
    let verdicts = &judged.result.verdicts;
    let result = result_path(arguments.out.as_deref(), path);
    let written = DiskDirectory::of_file(&result)
        .and_then(|(directory, name)| replace_whole(&directory, &name, &judged.result.to_bytes()));
    written.map_err(FileError::on("write", &result))?;
    put_aside(&arguments.place.coinfile, &batch, verdicts, now)?;
    say!("{}", in_words(path, &judged));
    Ok(count(verdicts, Verdict::Forged))
}

fn result_path(out: Option<&Path>, batch: &Path) -> PathBuf {
    let mut name = batch.file_name().unwrap_or_default().to_os_string();
    name.push(".result");
    match out {
        None => batch.with_file_name(name),
        Some(out) if out.is_dir() => out.join(name),
        Some(out) => out.to_path_buf(),
    }
}

fn in_words(path: &Path, judged: &Judged) -> String {
    let result = &judged.result;
    let mut text = format!(
        "{}: {} of {}, batch {}: {} paid, {} waiting, {} refused",
        path.display(),
        counted(result.verdicts.len() as u64, "coin"),
        result.vendor,
        result.batch,
        result.accepted(),
        count(&result.verdicts, Verdict::Waiting),
        result.rejected()
    );
    if judged.is_repeated {
        text.push_str(" (this batch was redeemed before; it is not paid twice)");
    }
    for verdict in Verdict::ALL.iter().filter(|verdict| verdict.is_rejection()) {
        let coins = count(&result.verdicts, *verdict);
        if coins > 0 {
            text.push_str(&format!("\n  {}: {}", counted(coins, "coin"), verdict.words()));
        }
    }
    text
}

/// Appends the rejected coins of a batch to `COINFILE.rejected` if they are not in it yet.
fn put_aside(
    coin_file: &Path,
    batch: &RequestRedemption,
    verdicts: &[Verdict],
    now: UnixTime,
) -> Result<(), ToolError> {
    let Some(text) = set_aside(batch, verdicts, now) else { return Ok(()) };
    let mut path = coin_file.as_os_str().to_os_string();
    path.push(".rejected");
    let append = || -> io::Result<()> {
        let mut file =
            File::options().read(true).append(true).create(true).mode(0o600).open(&path)?;
        // Several of these programs may run at the same time. Closing the file releases the lock.
        file.lock()?;
        let last = last_line(batch);
        for line in BufReader::new(&file).split(b'\n') {
            if line? == last.as_bytes() {
                return Ok(());
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    Ok(append().map_err(FileError::on("write", &path))?)
}

fn count(verdicts: &[Verdict], verdict: Verdict) -> u64 {
    verdicts.iter().filter(|v| **v == verdict).count() as u64
}
