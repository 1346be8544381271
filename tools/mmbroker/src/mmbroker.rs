//! Sells sets of superbins and accepts returns of unspent coins (thesis 3.2.2).
//!
//! The program is a command-line tool, or a CGI program if a web server started it
//! (GATEWAY_INTERFACE is set).

mod cgi;
mod common;
mod report;
mod web;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use micromint::broker::{Alarm, BinRange, Broker, Ruling};
use micromint::error::{FileError, chain};
use micromint::file_kind::FileKind;
use micromint::host::{DiskDirectory, Entropy, SystemEntropy};
use micromint::identity::{UserId, VendorId};
use micromint::money::coins;
use micromint::period::Period;
use micromint::protocol::{
    FundsWithdrawn, RequestCredit, RequestWatch, Verdict, WATCH_DATA_SIZE_MAX, WatchResult,
};
use micromint::reply::Reply;
use micromint::text_file::decode;
use micromint_console::output::Existing;
use micromint_console::{
    EXIT_FAILURE, EXIT_OK, ToolError, command_line, finish, read_input, say, tell,
};

use common::{EXIT_ALARM, Place, check_results_differ, report_alarm, result_path};
use report::counted;

/// The largest Request-Credit message that is read, in bytes.
const RETURN_SIZE_MAX: usize = 16 * 1024 * 1024;
/// The largest Request-Watch message that is read, in bytes: the headers, and the data in Base64.
const WATCH_SIZE_MAX: usize = WATCH_DATA_SIZE_MAX / 54 * 78 + 64 * 1024;
/// The largest list of users that is read, in bytes; a vendor reads no larger one.
const LIST_SIZE_MAX: usize = 16 * 1024 * 1024;

/// The MicroMint broker: sells coins in sets of superbins, accepts returns, shows accounts
///
/// A web server can also run it as a CGI program, which sells to the authenticated user; see
/// docs/reference/broker.md.
///
/// Exit status: 0 done; 1 failed or refused, standard error says why; 2 the command line is wrong; 3
/// `return` or `watch` was answered, and balls were forged or not from their owner.
#[derive(Parser)]
#[command(version, name = "mmbroker")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sell sets to a user, or write the message of an earlier sale again
    Withdraw(Withdraw),
    /// Accept a return of unspent coins: reads a Request-Credit message, writes a Funds-Credited
    /// message
    Return(Return),
    /// Register vendors and print their vendor keys, which must be kept secret. A vendor that is
    /// refused does not keep the others from being registered
    VendorKey(VendorKey),
    /// List the registered vendors, in the order of their registration
    Vendors(Only),
    /// Show what a user bought and returned, or what a vendor was paid
    Account(Account),
    /// Show counts of sales, batches, returns, claims and forgeries of the period
    Status(Only),
    /// Judge payments that vendors have just taken: reads Request-Watch messages, writes
    /// Watch-Result messages. Nothing is paid; what was shown is kept as evidence
    Watch(Watch),
    /// List the users who are proved to have cheated: right Authenticators on one coin at two
    /// vendors, or on a ball that was not minted or not sold to them
    Offenders(Only),
    /// List what else a person should look at. It proves nothing: vendors could have made it
    Suspects(Only),
    /// List the coins that nobody gets before a person has decided
    Disputes(Only),
    /// Decide the disputed coins of a vendor, after the settlement. A decision is final
    Decide(Decide),
    /// Revoke a user: stop sales to the user, and write PERIOD.revoked for the vendors, readable
    /// for everybody
    Revoke(Revoke),
    /// Mark bins as compromised: their balls are no longer sold, and payments with balls of these
    /// bins that are not proved to be the owner's are no longer paid
    Compromise(Compromise),
    /// Write PERIOD.owners for one vendor, which lets it refuse coins of users who did not buy them;
    /// what is new is appended to the file if it exists
    Owners(OwnersFile),
    /// Decide the waiting claims, from redeem-until on. This is final; no other command does it
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
    /// The User-ID of the buyer
    #[arg(long, value_name = "USER")]
    user: UserId,
    /// How many sets to sell
    #[arg(long, value_name = "N", required_unless_present = "transaction")]
    sets: Option<u32>,
    /// The number of the sale. Without --sets, writes the message of this sale again. With --sets,
    /// sells under this number, and at most once
    #[arg(long, value_name = "NUMBER")]
    transaction: Option<u64>,
    /// The file for the Funds-Withdrawn message, which must not exist; - writes standard output [default: -]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct Return {
    #[command(flatten)]
    place: Place,
    /// The file with the Request-Credit message; - reads standard input
    request: PathBuf,
    /// The file for the Funds-Credited message, which must not exist; - writes standard output [default: -]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct VendorKey {
    #[command(flatten)]
    place: Place,
    /// The coin file of an earlier period: its vendors are registered first, in the order of their
    /// registration there, so that no new vendor can take their place
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The host names of the vendors. For several names, or with --from, each output line is a name
    /// and its key
    #[arg(required_unless_present = "from", value_name = "HOST")]
    hosts: Vec<VendorId>,
}

#[derive(Args)]
struct Account {
    #[command(flatten)]
    place: Place,
    /// A User-ID, or the host name of a vendor
    #[arg(value_name = "USER|HOST")]
    name: String,
}

#[derive(Args)]
struct Revoke {
    #[command(flatten)]
    lists: Lists,
    /// The User-ID of the user to revoke
    user: UserId,
}

#[derive(Args)]
struct Compromise {
    #[command(flatten)]
    place: Place,
    /// The bins: SUPERBIN:SUBBIN, or SUPERBIN:FIRST-LAST for a range of sub-bins
    #[arg(required = true, value_name = "BINS")]
    bins: Vec<BinRange>,
}

#[derive(Args)]
struct OwnersFile {
    #[command(flatten)]
    place: Place,
    /// The vendor for whom the file is: no other vendor can use it
    #[arg(long, value_name = "HOST")]
    vendor: VendorId,
    /// The file to write; readable for everybody, since web servers must read it; - writes standard
    /// output [default: PERIOD.owners in the folder of the coin file]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
struct Watch {
    #[command(flatten)]
    place: Place,
    /// The folder for the results [default: the folder of each FILE; the result of FILE is
    /// FILE.result]
    #[arg(short, long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Files with Request-Watch messages; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    messages: Vec<PathBuf>,
}

#[derive(Args)]
struct Decide {
    #[command(flatten)]
    place: Place,
    /// What to do with the vendor's claims: pay them, or refuse them, which credits the coins that
    /// were returned
    ruling: RulingWord,
    /// The vendor whose claims are decided
    #[arg(long, value_name = "HOST")]
    vendor: VendorId,
    /// Decide only about coins of this user
    #[arg(long, value_name = "USER")]
    user: Option<UserId>,
}

#[derive(Clone, Copy, ValueEnum)]
enum RulingWord {
    Pay,
    Refuse,
}

#[derive(Args)]
struct Lists {
    #[command(flatten)]
    place: Place,
    /// The file to write; - writes standard output. A file that exists is replaced if it is a list
    /// of users [default: PERIOD.revoked in the folder of the coin file]
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
            place.open()?.vendors()?.iter().for_each(|vendor| say!("{vendor}"));
            Ok(EXIT_OK)
        }
        Command::Account(Account { place, name }) => report::account(&mut place.open()?, &name),
        Command::Status(Only { place }) => report::status(&mut place.open()?, place.now()),
        Command::Watch(arguments) => watch(&arguments),
        Command::Offenders(Only { place }) => report::offenders(&mut place.open()?),
        Command::Suspects(Only { place }) => report::suspects(&mut place.open()?),
        Command::Disputes(Only { place }) => report::disputes(&mut place.open()?),
        Command::Decide(arguments) => decide(&arguments),
        Command::Revoke(arguments) => revoke(&arguments),
        Command::Compromise(arguments) => compromise(&arguments),
        Command::Owners(arguments) => owners(&arguments),
        Command::Settle(Only { place }) => settle(&place),
    }
}

fn withdraw(arguments: &Withdraw) -> Result<u8, ToolError> {
    let place = &arguments.place;
    let output = place.rules(Existing::Kept).open(arguments.out.as_deref())?;
    let (user, now) = (&arguments.user, place.now());
    let mut broker = place.open()?;
    let funds = match (arguments.sets, arguments.transaction) {
        (Some(sets), Some(transaction)) => {
            broker.withdraw(user, sets, transaction, now)?.into_result()?
        }
        (Some(sets), None) => broker.withdraw(user, sets, random_number()?, now)?.into_result()?,
        (None, Some(transaction)) => broker.withdraw_again(user, transaction)?.into_result()?,
        (None, None) => return Err("expected --sets or --transaction".into()),
    };
    let transaction = funds.transaction;
    output.write(&funds.to_bytes()).map_err(|error| {
        format!(
            "{error}; the sale is recorded: write its message again with \
            `mmbroker withdraw --user {user} --transaction {transaction}`"
        )
    })?;
    tell!("{}", sale_in_words(&funds));
    Ok(EXIT_OK)
}

fn sale_in_words(funds: &FundsWithdrawn) -> String {
    let balls: usize =
        funds.sets.iter().filter_map(|set| set.superbins.first()).map(Vec::len).sum();
    format!(
        "{} ({}) of {} for {}, transaction {}",
        counted(funds.sets.len() as u64, "set"),
        coins(balls as u64),
        funds.period(),
        funds.user,
        funds.transaction
    )
}

fn take_back(arguments: &Return) -> Result<u8, ToolError> {
    let output = arguments.place.rules(Existing::Kept).open(arguments.out.as_deref())?;
    let request = RequestCredit::parse(&read_input(&arguments.request, RETURN_SIZE_MAX)?)
        .map_err(|error| format!("{}: {error}", arguments.request.display()))?;
    let mut broker = arguments.place.open()?;
    let answer =
        broker.take_back(&request, random_number()?, arguments.place.now())?.into_result()?;
    output.write(&answer.to_bytes())?;
    let count = |verdict| answer.verdicts.iter().filter(|v| **v == verdict).count() as u64;
    let (waiting, credited) = (count(Verdict::Waiting), count(Verdict::Accepted));
    let disputed = match count(Verdict::Disputed) {
        0 => String::new(),
        number => format!(", {number} disputed"),
    };
    tell!(
        "{} of {}: {credited} credited, {waiting} waiting until {}, {} refused{disputed}",
        coins(answer.verdicts.len() as u64),
        answer.user,
        broker.params().raw().redeem_until,
        answer.verdicts.iter().filter(|verdict| verdict.is_rejection()).count(),
    );
    Ok(report_alarm("mmbroker", &Alarm::of_return(&answer)))
}

/// Answers Request-Watch messages, each on its own. A file that fails does not stop the others.
fn watch(arguments: &Watch) -> Result<u8, ToolError> {
    check_results_differ(arguments.out.as_deref(), &arguments.messages)?;
    let mut broker = arguments.place.open()?;
    let (mut has_failed, mut has_alarm) = (false, false);
    for path in &arguments.messages {
        match watch_one(arguments, &mut broker, path) {
            Ok(status) => has_alarm |= status != EXIT_OK,
            Err(error) => {
                tell!("mmbroker: error: {}: {}", path.display(), chain(error.as_ref()));
                has_failed = true;
            }
        }
    }
    Ok(match (has_failed, has_alarm) {
        (true, _) => EXIT_FAILURE,
        (false, true) => EXIT_ALARM,
        (false, false) => EXIT_OK,
    })
}

fn watch_one(arguments: &Watch, broker: &mut Broker, path: &Path) -> Result<u8, ToolError> {
    let request = RequestWatch::parse(&read_input(path, WATCH_SIZE_MAX)?)?;
    let is_its = |earlier: &Path| is_result_of(earlier, &request);
    let rules = arguments.place.rules(Existing::If("an earlier result of this message", &is_its));
    let output =
        rules.uses(path, "the message").open(Some(&result_path(arguments.out.as_deref(), path)))?;
    let is_stdout = output.is_stdout();
    let answer = broker.watch(&request, arguments.place.now())?.into_result()?;
    output.write(&answer.result.to_bytes())?;
    let verdicts = &answer.result.verdicts;
    let refused = verdicts.iter().filter(|verdict| verdict.is_rejection()).count() as u64;
    let mut words = format!(
        "{}: {} of {}, {refused} refused",
        path.display(),
        coins(verdicts.len() as u64),
        request.vendor
    );
    for user in answer.result.blocked.users() {
        words.push_str(&format!("\n  {} should stop serving {user}", request.vendor));
    }
    match is_stdout {
        true => tell!("{words}"),
        false => say!("{words}"),
    }
    Ok(report_alarm("mmbroker", &answer.alarm))
}

/// Whether the file is the result of this message, as it was answered before.
fn is_result_of(earlier: &Path, request: &RequestWatch) -> bool {
    let earlier = read_input(earlier, WATCH_SIZE_MAX);
    earlier.is_ok_and(|text| {
        WatchResult::parse(&text).is_ok_and(|result| {
            (&result.vendor, &result.watch) == (&request.vendor, &request.watch)
        })
    })
}

fn decide(arguments: &Decide) -> Result<u8, ToolError> {
    let Decide { place, ruling, vendor, user } = arguments;
    let ruling = match ruling {
        RulingWord::Pay => Ruling::Pay,
        RulingWord::Refuse => Ruling::Refuse,
    };
    let mut broker = place.open()?;
    let outcome = broker.decide_dispute(vendor, user.as_ref(), ruling, place.now())?;
    let outcome = outcome.into_result()?;
    tell!(
        "{} paid, {} credited, {} lapsed, {} still disputed",
        coins(outcome.paid),
        outcome.credited,
        outcome.lapsed,
        outcome.disputed
    );
    Ok(EXIT_OK)
}

fn vendor_key(arguments: &VendorKey) -> Result<u8, ToolError> {
    let VendorKey { place, from, hosts } = arguments;
    let earlier = match from {
        Some(file) => common::open(file, place.secret_file.as_deref())?.vendors()?,
        None => Vec::new(),
    };
    let mut broker = place.open()?;
    let mut status = EXIT_OK;
    for host in earlier.iter().chain(hosts.iter().filter(|host| !earlier.contains(host))) {
        match broker.register_vendor(host, place.now())? {
            Reply::Granted(key) if from.is_none() && hosts.len() == 1 => say!("{}", key.to_hex()),
            Reply::Granted(key) => say!("{host} {}", key.to_hex()),
            Reply::Refused(why) => {
                tell!("mmbroker: error: {host} is not registered: {why}");
                status = EXIT_FAILURE;
            }
        }
    }
    Ok(status)
}

fn revoke(arguments: &Revoke) -> Result<u8, ToolError> {
    let place = &arguments.lists.place;
    let mut broker = place.open()?;
    let period = broker.params().period().clone();
    let path = list_path(place, arguments.lists.out.as_deref(), &period, "revoked");
    let rules = place.rules(Existing::If("a list of users", &is_list_of_users)).public();
    let output = rules.open(Some(&path))?;
    let revoked = broker.revoke(&arguments.user, place.now())?;
    let lines: String = revoked.iter().map(|user| format!("{user}\n")).collect();
    output.write(lines.as_bytes())?;
    tell!("{} of {period} revoked", counted(revoked.len() as u64, "user"));
    Ok(EXIT_OK)
}

/// Whether every line of the file is a User-ID.
fn is_list_of_users(path: &Path) -> bool {
    let text = read_input(path, LIST_SIZE_MAX);
    text.is_ok_and(|text| {
        let text = decode(&text).unwrap_or("not a list");
        text.lines().all(|line| line.is_empty() || line.parse::<UserId>().is_ok())
    })
}

/// The path of a list for the vendors: `out`, or PERIOD.KIND in the folder of the coin file.
fn list_path(place: &Place, out: Option<&Path>, period: &Period, kind: &str) -> PathBuf {
    let default = || place.coinfile.with_file_name(format!("{period}.{kind}"));
    out.map_or_else(default, Path::to_path_buf)
}

fn compromise(arguments: &Compromise) -> Result<u8, ToolError> {
    let mut broker = arguments.place.open()?;
    for bins in &arguments.bins {
        let marked = broker.compromise(*bins, arguments.place.now())?.into_result()?;
        tell!("{bins}: {} compromised", counted(marked, "more ball"));
    }
    Ok(EXIT_OK)
}

fn owners(arguments: &OwnersFile) -> Result<u8, ToolError> {
    let place = &arguments.place;
    let mut broker = place.open()?;
    let period = broker.params().period().clone();
    let path = list_path(place, arguments.out.as_deref(), &period, "owners");
    let rules = place.rules(Existing::OfKind(FileKind::Owners)).public();
    let output = rules.open(Some(&path))?;
    let owners = broker.owners(&arguments.vendor)?;
    match output.file().filter(|file| file.metadata().is_ok_and(|found| found.len() > 0)) {
        // A file that exists grows in place, since vendors read only what is new.
        Some(file) => {
            let (directory, name) =
                DiskDirectory::of_file(file).map_err(FileError::on("write", &path))?;
            owners
                .write(&directory, &name, broker.params())
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        None => output.write(&owners.to_bytes())?,
    }
    tell!(
        "{} of {period} sold, as {} can check it",
        counted(owners.count().into(), "set"),
        arguments.vendor
    );
    Ok(EXIT_OK)
}

fn settle(place: &Place) -> Result<u8, ToolError> {
    let mut broker = place.open()?;
    let redeem_until = broker.params().raw().redeem_until;
    if broker.settle(place.now())? {
        tell!("all claims are settled");
        Ok(EXIT_OK)
    } else {
        Err(format!("claims cannot be settled before {redeem_until}; nothing changed").into())
    }
}

/// A new random number for a transaction.
fn random_number() -> Result<u64, ToolError> {
    Ok(SystemEntropy.number().map_err(|error| format!("cannot get a random number: {error}"))?)
}
