//! The program `mmbrokerd`: starts the broker, and what its operator does to it.

mod cgi;
mod demo;
mod operate;
mod people;
mod serve;
mod sums;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use micromint::error::FileError;
use micromint::host::{Clock, DiskDirectory, FixedClock, SystemClock};
use micromint::key_file::read_key;
use micromint::time::UnixTime;
use micromint_console::{ToolError, command_line, finish};
use mmbrokerd::config::Config;
use mmbrokerd::service::Service;
use mmbrokerd::shop::Mailer;
use mmbrokerd::store::Store;

/// The configuration file of the package.
pub(crate) const CONFIG_DEFAULT: &str = "/etc/micromint/broker.toml";

/// The broker of MicroMint as a service
///
/// Without a command it serves until it is told to end (SIGTERM or SIGINT).
///
/// Exit status: 0 done; 1 failed, standard error says why; 2 the command line is wrong.
#[derive(Parser)]
#[command(version, name = "mmbrokerd")]
struct Arguments {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,
    /// Decide as of this time (RFC 3339): for rehearsals, never with real money
    #[arg(long, global = true, value_name = "TIME")]
    as_of: Option<UnixTime>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Write a configuration file and create the database
    Init(operate::Init),
    /// Check the configuration, the database and the coin files, and recompute the ledger
    Check,
    /// Print the balances by kind: all together are zero
    Sums,
    /// Make a whole broker for a try in a folder, with people and coins, and serve
    Demo(demo::Demo),
    /// Show the periods: what is sold, paid, and outstanding
    Status,
    /// Add money to a client's account
    Deposit(operate::Deposit),
    /// Make an API key for a client's programs, and print it
    Key(operate::MakeKey),
    /// End all API keys of a client
    EndKeys(operate::EndKeys),
    /// Give a person a new password for the pages, and print it; makes the account if there is none
    Person(people::SetPerson),
    /// Register vendors for a period, and print their keys K_V
    Vendor(operate::RegisterVendor),
    /// Revoke a user: nothing is sold to the user, and vendors refuse the user's coins
    Revoke(operate::Revoke),
    /// Stop selling bins, and honouring doubtful payments with them
    Compromise(operate::Compromise),
    /// Register vendors for new periods, settle those whose redeem-until is over, and send mail
    ///
    /// The service does it by itself each minute; this is for cron, where the broker is a CGI
    /// program.
    Settle,
    /// List the disputed coins of a period, by vendor and user
    Disputes(operate::Disputes),
    /// Decide about the disputed coins of a vendor
    Rule(operate::Rule),
    /// Copy a coin file, and mark in the copy what was sold, redeemed and returned
    ///
    /// The copy has the status bits of the thesis's figure 3-1, for tools that read them. The
    /// service never writes its coin files, and refuses one that is marked.
    Mark(operate::Mark),
    /// Go on after the database was restored from a backup
    ///
    /// Begins a new generation and skips all sets that may have been sold since the backup. Let the
    /// service run for some minutes before, so that vendors tell what they know, end it, run this,
    /// and start it again. Payouts stay blocked until `release-payouts`.
    Restored(operate::Restored),
    /// Allow payouts again after a restore
    ReleasePayouts(operate::ReleasePayouts),
    /// Print the OpenAPI document of the interface
    Openapi,
}

fn main() -> ExitCode {
    if cgi::is_cgi() {
        return finish("mmbrokerd", cgi::answer());
    }
    finish("mmbrokerd", run(&command_line::<Arguments>()))
}

fn run(arguments: &Arguments) -> Result<u8, ToolError> {
    match &arguments.command {
        Some(Command::Init(init)) => return init.run(&arguments.config),
        Some(Command::Openapi) => return operate::openapi(),
        _ => {}
    }
    let demo = match &arguments.command {
        Some(Command::Demo(demo)) => Some(demo),
        _ => None,
    };
    let config = match demo {
        Some(demo) => demo.config()?,
        None => Config::load(&arguments.config)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let service = open(&config, arguments.as_of).await?;
        match &arguments.command {
            None => serve::serve(service, &config).await,
            Some(Command::Demo(demo)) => {
                demo.people(&service, &config).await?;
                if demo.is_only_prepared() {
                    return Ok(micromint_console::EXIT_OK);
                }
                serve::serve(service, &config).await
            }
            Some(Command::Settle) => {
                if let Some(mail) = &config.shop.mail {
                    Mailer::new(Arc::clone(&service), mail.clone()).turn().await?;
                }
                operate::settle(&service).await
            }
            Some(command) => command.run(&service).await,
        }
    })
}

impl Command {
    async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        match self {
            Command::Init(_) | Command::Openapi | Command::Demo(_) => {
                Ok(micromint_console::EXIT_OK)
            }
            Command::Check => operate::check(service).await,
            Command::Sums => sums::run(service).await,
            Command::Status => operate::status(service).await,
            Command::Deposit(deposit) => deposit.run(service).await,
            Command::Key(key) => key.run(service).await,
            Command::EndKeys(keys) => keys.run(service).await,
            Command::Person(person) => person.run(service).await,
            Command::Vendor(vendor) => vendor.run(service).await,
            Command::Revoke(revoke) => revoke.run(service).await,
            Command::Compromise(compromise) => compromise.run(service).await,
            Command::Settle => operate::settle(service).await,
            Command::Disputes(disputes) => disputes.run(service).await,
            Command::Rule(rule) => rule.run(service).await,
            Command::Mark(mark) => mark.run(service).await,
            Command::Restored(restored) => restored.run(service).await,
            Command::ReleasePayouts(release) => release.run(service).await,
        }
    }
}

/// Opens the broker that a configuration describes.
async fn open(config: &Config, as_of: Option<UnixTime>) -> Result<Arc<Service>, ToolError> {
    let secret_file = config.secret_file();
    let (directory, name) =
        DiskDirectory::of_file(&secret_file).map_err(FileError::on("open", &secret_file))?;
    let secret = read_key(&directory, &name)?;
    let clock: Arc<dyn Clock> = match as_of {
        Some(time) => Arc::new(FixedClock(time)),
        None => Arc::new(SystemClock),
    };
    let store = Store::open(&config.database).await?;
    let service = Service::open(store, secret, Some(&config.witness_file()), clock).await?;
    service.open_coin_files(&config.coins).await?;
    Ok(Arc::new(service))
}
