//! The program `mmbroker`: what the operator of a broker does on the command line, on the database
//! of the service and beside it.

mod check;
mod judge;
mod lists;
mod operate;
mod payout;
mod people;
mod report;
mod sell;
mod settle;
mod sums;
mod trial;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use micromint::period::Period;
use micromint_console::{FormatArgs, ToolError, command_line, finish};
use mmbrokerd::programs::{Broker, BrokerArgs, block_on};

/// The operator's commands of a MicroMint broker
///
/// They work on the database of mmbrokerd, whether the service runs or not. Where a command needs a
/// period, the only one is taken unless --period names it.
///
/// Exit status: 0 done; 1 failed or refused, standard error says why; 2 the command line is wrong;
/// 3 `return` or `watch` was answered, and balls were forged or not from their owner.
#[derive(Parser)]
#[command(version, name = "mmbroker")]
struct Arguments {
    #[command(flatten)]
    broker: BrokerArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a configuration file and create the database
    Init(operate::Init),
    /// Be your own broker for a trial: mint a tiny period of this month and write what a vendor and
    /// a reader need to a folder. The coins are worth nothing, because anybody can forge them
    Trial(trial::Trial),
    /// Check the configuration and the files that it names, the witness, the database and the coin
    /// files, and recompute the ledger
    ///
    /// Exit status 1 if something is wrong, which standard error names.
    Check,
    /// Show counts of sales, batches, returns, claims and forgeries, and where the coins are
    Status(report::Status),
    /// Print the balances by kind: all together are zero
    Sums,
    /// Print the audit log, the last row last
    Audit(operate::Audit),
    /// Add money to a client's account
    Deposit(operate::Deposit),
    /// Sell sets to a user, paid from the user's account, or write the message of an earlier sale
    /// again
    Withdraw(sell::Withdraw),
    /// Accept a return of unspent coins: reads a Request-Credit message, writes a Funds-Credited
    /// message
    Return(judge::Return),
    /// Judge payments that vendors have just taken: reads Request-Watch messages, writes
    /// Watch-Result messages. Nothing is paid; what was shown is kept as evidence
    Watch(judge::Watch),
    /// Show what a user bought and returned, or what a vendor was paid
    Account(report::Account),
    /// Make an API key for a client's programs, and print it
    Key(people::MakeKey),
    /// End all API keys of a client
    EndKeys(people::EndKeys),
    /// Give a person a new password for the pages, and print it; makes the account if it is missing
    Person(people::SetPerson),
    /// Register vendors for a period and print their vendor keys, which must be kept secret, or
    /// replace keys that leaked. A vendor that is refused does not keep the others from being
    /// registered
    VendorKey(lists::VendorKey),
    /// List the registered vendors, in the order of their registration
    Vendors(Report),
    /// List the users who are proved to have cheated: right Authenticators on one coin at two
    /// vendors, or on a ball that was not minted or not sold to them
    Offenders(Report),
    /// List what else a person should look at. It proves nothing: vendors could have made it up
    Suspects(Report),
    /// List the coins that nobody gets before a person has decided
    Disputes(Report),
    /// Decide the disputed coins of a vendor, after the settlement. A decision is final
    Decide(settle::Decide),
    /// Revoke users: nothing is sold to them, and vendors refuse their coins. It cannot be undone
    Revoke(lists::Revoke),
    /// Write PERIOD.revoked, the users whose coins vendors refuse, for vendors that get files
    Revoked(lists::Revoked),
    /// Write PERIOD.owners for one vendor, which lets it refuse coins of users who did not buy
    /// them; what is new is appended to the file if it exists. For vendors that get files
    Owners(lists::OwnersFile),
    /// Mark bins as compromised: their balls are no longer sold, and payments with balls of these
    /// bins that are not proved to be the owner's are no longer paid
    Compromise(lists::Compromise),
    /// Register vendors for new periods, settle those whose redeem-until is over, and send mail
    ///
    /// The service does it by itself every minute; this is for cron, where the broker is a CGI
    /// program.
    Settle,
    /// Copy a coin file, and mark in the copy what was sold, redeemed and returned
    ///
    /// The copy has the status bits of the thesis's figure 3-1, for tools that read them. The
    /// broker never writes its coin files, and refuses one that is marked.
    Mark(settle::Mark),
    /// Move the broker from SQLite to PostgreSQL
    ///
    /// Closes the old database to every change, and copies every row to the empty database that
    /// another configuration names. Stop the service before, and start it with the new
    /// configuration. A move that was cut off goes on when it is run again.
    Move(operate::Move),
    /// Continue after the database was restored from a backup
    ///
    /// Begins a new generation and skips all sets that may have been sold since the backup. Let the
    /// service run for some minutes before, so that vendors report what they know, stop it, run
    /// this, and start it again. Payouts stay blocked until `release-payouts`.
    Restored(operate::Restored),
    /// Allow payouts again after a restore
    ReleasePayouts(operate::ReleasePayouts),
    /// List payout runs, and book what the bank paid
    Payout(payout::Payout),
}

/// The period of a command.
#[derive(Args)]
struct PeriodArgs {
    /// The period [default: the only one]
    #[arg(long, value_name = "PERIOD")]
    period: Option<Period>,
}

#[derive(Args)]
struct Report {
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    format: FormatArgs,
}

fn main() -> ExitCode {
    finish("mmbroker", run(&command_line::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<u8, ToolError> {
    match &arguments.command {
        Command::Init(init) => block_on(init.run(&arguments.broker.config)),
        Command::Trial(trial) => block_on(trial.run()),
        Command::Move(to) => block_on(to.run(&arguments.broker)),
        command => block_on(async {
            let broker = arguments.broker.open().await?;
            let done = command.run(&broker).await;
            broker.service.store().close().await;
            done
        }),
    }
}

impl Command {
    async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let service = &broker.service;
        match self {
            // These have no broker yet, or one that may be closed.
            Command::Init(_) | Command::Trial(_) | Command::Move(_) => {
                Ok(micromint_console::EXIT_OK)
            }
            Command::Check => check::run(broker).await,
            Command::Status(status) => status.run(broker).await,
            Command::Sums => sums::run(service).await,
            Command::Audit(audit) => audit.run(service).await,
            Command::Deposit(deposit) => deposit.run(service).await,
            Command::Withdraw(withdraw) => withdraw.run(broker).await,
            Command::Return(back) => back.run(broker).await,
            Command::Watch(watch) => watch.run(broker).await,
            Command::Account(account) => account.run(broker).await,
            Command::Key(key) => key.run(service).await,
            Command::EndKeys(keys) => keys.run(service).await,
            Command::Person(person) => person.run(service).await,
            Command::VendorKey(vendor) => vendor.run(broker).await,
            Command::Vendors(report) => report::vendors(broker, report).await,
            Command::Offenders(report) => report::offenders(broker, report).await,
            Command::Suspects(report) => report::suspects(broker, report).await,
            Command::Disputes(report) => report::disputes(broker, report).await,
            Command::Decide(decide) => decide.run(broker).await,
            Command::Revoke(revoke) => revoke.run(broker).await,
            Command::Revoked(revoked) => revoked.run(broker).await,
            Command::Owners(owners) => owners.run(broker).await,
            Command::Compromise(compromise) => compromise.run(broker).await,
            Command::Settle => settle::settle(broker).await,
            Command::Mark(mark) => mark.run(broker).await,
            Command::Restored(restored) => restored.run(service).await,
            Command::ReleasePayouts(release) => release.run(service).await,
            Command::Payout(payout) => payout.run(service).await,
        }
    }
}
