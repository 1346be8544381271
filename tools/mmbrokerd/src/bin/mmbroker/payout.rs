//! The command `payout`: payout runs, and booking what the books have forgotten.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use micromint_console::{EXIT_OK, ToolError, read_input, say, tell};
use mmbrokerd::programs::counted;
use mmbrokerd::service::Service;
use mmbrokerd::shop::{Booked, RUN_FILE_SIZE_MAX, RunFile, book_run, list_runs};
use mmbrokerd::store::CONSOLE;

#[derive(Args)]
pub(crate) struct Payout {
    #[command(subcommand)]
    command: PayoutCommand,
}

#[derive(Subcommand)]
enum PayoutCommand {
    /// List the payout runs, the last first
    List,
    /// Book a run that the bank has paid, and that the books have forgotten or have as not paid
    ///
    /// Takes the payments from the balances as the run did, so that the next run does not pay them
    /// a second time. Payments that are booked already are left alone, so the same file may come
    /// again.
    Book(Book),
}

#[derive(Args)]
struct Book {
    /// The CSV file of the run, as the page of the run writes it; - reads standard input. By hand:
    /// a line `reference,kind,owner,amount,currency,fee`, and for each payment one such as
    /// `payout 7,vendor,news.example,12.50,EUR,0.35`
    file: PathBuf,
    /// Book the others if some balances are too small for what was paid. Nothing else is paid to
    /// their owners until the same file, booked again, finds enough
    #[arg(long)]
    short: bool,
}

impl Payout {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        match &self.command {
            PayoutCommand::List => list(service).await,
            PayoutCommand::Book(book) => book.run(service).await,
        }
    }
}

async fn list(service: &Service) -> Result<u8, ToolError> {
    for run in list_runs(service.store()).await? {
        let payments = counted(run.payments, "payment");
        let paid = match run.paid_at {
            Some(at) => format!("paid at {at}"),
            None => "not paid yet".to_string(),
        };
        let mut words = format!("{} of {} by {}: {payments}, ", run.run, run.at, run.by);
        words.push_str(&format!("{}, {paid}", run.total.in_words()));
        if run.failed > 0 {
            words.push_str(&format!(", {} came back", run.failed));
        }
        if run.short > 0 {
            words.push_str(&format!(", {} not booked: the balances are too small", run.short));
        }
        say!("{words}");
    }
    Ok(EXIT_OK)
}

impl Book {
    async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let bytes = read_input(&self.file, RUN_FILE_SIZE_MAX)?;
        let file =
            RunFile::parse(&bytes).map_err(|error| format!("{}: {error}", self.file.display()))?;
        let booked = book_run(service, CONSOLE, &file, self.short).await?.into_result()?;
        let Booked { run, now, before, total, short } = booked;
        if now > 0 || before == 0 {
            let total = total.in_words();
            say!("payout run {run}: {} booked, {total}", counted(now, "payment"));
        }
        if before > 0 {
            say!("payout run {run}: {} booked before", counted(before, "payment"));
        }
        if file.failed > 0 {
            let failed = counted(file.failed, "payment");
            say!("payout run {run}: {failed} left out, which had come back");
        }
        for it in short {
            tell!(
                "mmbroker: warning: {it} with run {run}: {} is paid nothing else until this file is \
                 booked again with enough",
                it.owner
            );
        }
        Ok(EXIT_OK)
    }
}
