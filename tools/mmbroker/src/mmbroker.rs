//! Sells sets of superbins and takes unspent coins back (thesis 3.2.2).
//!
//! On a command line it does what it is told; started by a web server (GATEWAY_INTERFACE is set) it is
//! a CGI program.

mod cgi;
mod common;
mod report;
mod web;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use micromint::broker::{BinRange, Broker};
use micromint::host::{DiskDirectory, Entropy, SystemEntropy, replace_whole};
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{FundsWithdrawn, RequestCredit, Verdict};
use micromint_console::{EXIT_OK, ToolError, command_line, finish, read_input, say, write_output};

use common::{Place, counted};

/// The largest Request-Credit message that is read, in bytes.
const RETURN_SIZE_MAX: usize = 16 * 1024 * 1024;

/// The MicroMint broker: sells sets of superbins, takes unspent coins back, keeps accounts
///
/// Started by a web server as a CGI program it sells to the authenticated user; see docs/reference/broker.md.
///
/// Exit status: 0 done; 1 not possible or refused, the reason stands on standard error; 2 wrong usage.
#[derive(Parser)]
#[command(version, name = "mmbroker")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sell sets to a user, or fetch a sale again
    Withdraw(Withdraw),
    /// Take unspent coins back: reads a Request-Credit, writes a Funds-Credited
    Return(Return),
    /// Register vendors and print their keys K_V (keep them private)
    VendorKey(VendorKey),
    /// List the registered vendors
    Vendors(Only),
    /// Show what a user bought and returned, or what a vendor was paid
    Account(Account),
    /// Show the period in numbers, forgeries among them
    Status(Only),
    /// List the users who spent a first ball in more than one payment
    Offenders(Only),
    /// Revoke a user: sell nothing more, and write PERIOD.revoked for the vendors
    Revoke(Revoke),
    /// Declare bins compromised: coins with their balls are neither paid nor credited nor sold any more
    Compromise(Compromise),
    /// Write PERIOD.owners for the vendors: who bought which superbin, as 32-bit tags
    Owners(Lists),
    /// Decide the claims that waited, once redeem-until is reached (any other command does it too)
    Settle(Only),
}

#[derive(Args)]
struct Only {
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct Withdraw {
    #[command(flatten)]
    place: Place,
    /// Who buys
    #[arg(long, value_name = "USER")]
    user: UserId,
    /// How many sets
    #[arg(long, value_name = "N", required_unless_present = "transaction")]
    sets: Option<u32>,
    /// The number of the sale: without --sets fetches it again; with --sets sells once under this number
    #[arg(long, value_name = "NUMBER")]
    transaction: Option<u64>,
    /// Where the Funds-Withdrawn message goes [default: standard output]; must not exist
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct Return {
    #[command(flatten)]
    place: Place,
    /// The Request-Credit message, - for standard input
    request: PathBuf,
    /// Where the Funds-Credited message goes [default: standard output]; must not exist
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct VendorKey {
    #[command(flatten)]
    place: Place,
    /// The vendors' host names; of several, each line is a name and its key
    #[arg(required = true, value_name = "HOST")]
    hosts: Vec<VendorId>,
}

#[derive(Args)]
struct Account {
    #[command(flatten)]
    place: Place,
    /// A User-ID or the host name of a vendor
    #[arg(value_name = "USER|HOST")]
    name: String,
}

#[derive(Args)]
struct Revoke {
    #[command(flatten)]
    lists: Lists,
    /// Whom
    user: UserId,
}

#[derive(Args)]
struct Compromise {
    #[command(flatten)]
    place: Place,
    /// Which bins: SUPERBIN:SUBBIN, or SUPERBIN:FIRST-LAST
    #[arg(required = true, value_name = "BINS")]
    bins: Vec<BinRange>,
}

#[derive(Args)]
struct Lists {
    #[command(flatten)]
    place: Place,
    /// The file to write [default: PERIOD.revoked or PERIOD.owners beside the coin file]; replaced
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    if std::env::var_os("GATEWAY_INTERFACE").is_some() {
        return cgi::main();
    }
    finish("mmbroker", run(command_line::<Arguments>().command))
}

fn run(command: Command) -> Result<u8, ToolError> {
    match command {
        Command::Withdraw(arguments) => withdraw(&arguments),
        Command::Return(arguments) => take_back(&arguments),
        Command::VendorKey(arguments) => vendor_key(&arguments),
        Command::Vendors(Only { place }) => {
            place.open()?.vendors(place.now())?.iter().for_each(|vendor| say!("{vendor}"));
            Ok(EXIT_OK)
        }
        Command::Account(Account { place, name }) => {
            report::account(&mut place.open()?, &name, place.now())
        }
        Command::Status(Only { place }) => report::status(&mut place.open()?, place.now()),
        Command::Offenders(Only { place }) => report::offenders(&mut place.open()?, place.now()),
        Command::Revoke(arguments) => revoke(&arguments),
        Command::Compromise(arguments) => compromise(&arguments),
        Command::Owners(arguments) => owners(&arguments),
        Command::Settle(Only { place }) => settle(&place),
    }
}

fn withdraw(arguments: &Withdraw) -> Result<u8, ToolError> {
    refuse_existing(arguments.out.as_deref())?;
    let place = &arguments.place;
    let (user, now) = (&arguments.user, place.now());
    let mut broker = place.open()?;
    let funds = match (arguments.sets, arguments.transaction) {
        (Some(sets), Some(transaction)) => {
            broker.withdraw(user, sets, transaction, now)?.into_result()?
        }
        (Some(sets), None) => broker.withdraw(user, sets, random_number()?, now)?.into_result()?,
        (None, Some(transaction)) => {
            broker.withdraw_again(user, transaction, now)?.into_result()?
        }
        (None, None) => return Err("expected --sets or --transaction".into()),
    };
    let transaction = funds.transaction;
    write_output(arguments.out.as_deref(), &funds.to_bytes()).map_err(|error| {
        format!(
            "{error}; the sale is recorded: fetch it with --user {user} --transaction {transaction}"
        )
    })?;
    eprintln!("{}", sale_in_words(&funds));
    Ok(EXIT_OK)
}

fn sale_in_words(funds: &FundsWithdrawn) -> String {
    let coins: usize =
        funds.sets.iter().filter_map(|set| set.superbins.first()).map(Vec::len).sum();
    format!(
        "{} ({}) of {} for {}, transaction {}",
        counted(funds.sets.len() as u64, "set"),
        counted(coins as u64, "coin"),
        funds.period(),
        funds.user,
        funds.transaction
    )
}

fn take_back(arguments: &Return) -> Result<u8, ToolError> {
    refuse_existing(arguments.out.as_deref())?;
    let request = RequestCredit::parse(&read_input(&arguments.request, RETURN_SIZE_MAX)?)
        .map_err(|error| format!("{}: {error}", arguments.request.display()))?;
    let mut broker = arguments.place.open()?;
    let answer =
        broker.take_back(&request, random_number()?, arguments.place.now())?.into_result()?;
    write_output(arguments.out.as_deref(), &answer.to_bytes())?;
    let count = |verdict| answer.verdicts.iter().filter(|v| **v == verdict).count() as u64;
    let (waiting, credited) = (count(Verdict::Waiting), count(Verdict::Accepted));
    eprintln!(
        "{} of {}: {credited} credited, {waiting} waiting until {}, {} refused",
        counted(answer.verdicts.len() as u64, "coin"),
        answer.user,
        broker.params().raw().redeem_until,
        answer.verdicts.len() as u64 - waiting - credited,
    );
    Ok(EXIT_OK)
}

fn vendor_key(arguments: &VendorKey) -> Result<u8, ToolError> {
    let mut broker = arguments.place.open()?;
    for host in &arguments.hosts {
        let key = broker.register_vendor(host, arguments.place.now())?.into_result()?;
        match arguments.hosts.len() {
            1 => say!("{}", key.to_hex()),
            _ => say!("{host} {}", key.to_hex()),
        }
    }
    Ok(EXIT_OK)
}

fn revoke(arguments: &Revoke) -> Result<u8, ToolError> {
    let place = &arguments.lists.place;
    let mut broker = place.open()?;
    let revoked = broker.revoke(&arguments.user, place.now())?;
    let lines: String = revoked.iter().map(|user| format!("{user}\n")).collect();
    write_list(&arguments.lists, &broker, "revoked", lines.as_bytes())?;
    eprintln!("{} of {} revoked", counted(revoked.len() as u64, "user"), broker.params().period());
    Ok(EXIT_OK)
}

fn compromise(arguments: &Compromise) -> Result<u8, ToolError> {
    let mut broker = arguments.place.open()?;
    for bins in &arguments.bins {
        let marked = broker.compromise(*bins, arguments.place.now())?.into_result()?;
        eprintln!("{bins}: {} compromised", counted(marked, "more ball"));
    }
    Ok(EXIT_OK)
}

fn owners(arguments: &Lists) -> Result<u8, ToolError> {
    let place = &arguments.place;
    let mut broker = place.open()?;
    let owners = broker.owners(place.now())?;
    write_list(arguments, &broker, "owners", &owners.to_bytes())?;
    eprintln!("{} of {} sold", counted(owners.sold(), "set"), broker.params().period());
    Ok(EXIT_OK)
}

/// Writes a list for the vendors, whole or not at all.
fn write_list(
    arguments: &Lists,
    broker: &Broker,
    kind: &str,
    bytes: &[u8],
) -> Result<(), ToolError> {
    let default =
        || arguments.place.coinfile.with_file_name(format!("{}.{kind}", broker.params().period()));
    let path = arguments.out.clone().unwrap_or_else(default);
    let written = DiskDirectory::of_file(&path)
        .and_then(|(directory, name)| replace_whole(&directory, &name, bytes));
    Ok(written.map_err(micromint::error::FileError::on("write", &path))?)
}

fn settle(place: &Place) -> Result<u8, ToolError> {
    let mut broker = place.open()?;
    let redeem_until = broker.params().raw().redeem_until;
    if broker.settle(place.now())? {
        eprintln!("settled");
        Ok(EXIT_OK)
    } else {
        Err(format!("claims wait until {redeem_until}; nothing is settled before").into())
    }
}

/// A message that cannot be written is better found out before the sale than after.
fn refuse_existing(path: Option<&Path>) -> Result<(), ToolError> {
    match path {
        Some(path) if path != Path::new("-") && path.exists() => {
            Err(format!("{} exists; it is not overwritten", path.display()).into())
        }
        _ => Ok(()),
    }
}

/// A fresh random number, for a transaction.
fn random_number() -> Result<u64, ToolError> {
    Ok(SystemEntropy.number().map_err(|error| format!("cannot draw a random number: {error}"))?)
}
