//! The client (thesis 3.4): `mmwallet receive | balance | history | get | price | return | credited |
//! backup | restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use micromint::error::FileError;
use micromint::host::{Clock, DiskDirectory, SystemClock};
use micromint::identity::VendorId;
use micromint::protocol::Id;
use micromint::wallet::{Policy, Wallet};
use micromint_console::{EXIT_OK, ToolError, command_line, finish, read_input, say};
use mmwallet::broker::{self, Login, ReturnOptions};
use mmwallet::exit;
use mmwallet::get::{self, GetOptions};
use mmwallet::net::{Client, NetOptions};
use mmwallet::place::Place;
use mmwallet::settings::{DAILY_LIMIT_DEFAULT, Settings};
use mmwallet::show;

/// The largest body that `get -d` sends, in bytes.
const BODY_SIZE_MAX: usize = 16 * 1024 * 1024;

/// Fetches web pages and pays for them with MicroMint coins.
///
/// The wallet is one file, $XDG_DATA_HOME/micromint/wallet.mmw (or ~/.local/share/…) unless --wallet
/// names another. Settings are read from the file beside it that ends in .toml.
#[derive(Parser)]
#[command(version, after_help = exit::TABLE)]
struct Cli {
    /// The wallet file.
    #[arg(long, global = true, value_name = "FILE")]
    wallet: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take in the coins of a Funds-Withdrawn message, after hashing every ball.
    Receive(ReceiveArgs),
    /// Show how many coins there are.
    Balance {
        /// Also show how many are good at this vendor.
        #[arg(long, value_name = "VENDOR-ID")]
        at: Option<VendorId>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what came in, what was paid and what went back.
    History {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a page as curl does, paying for it if need be.
    #[command(after_help = exit::TABLE)]
    Get(Box<GetArgs>),
    /// Ask what a page costs, without paying.
    Price {
        /// The page.
        url: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        net: NetArgs,
    },
    /// Return the coins of expired periods to the broker for credit.
    Return(ReturnArgs),
    /// Take in the broker's answer to a return, a Funds-Credited message.
    Credited {
        /// The message; - is standard input.
        file: PathBuf,
        /// The Request-ID of the return, where more than one fits.
        #[arg(long, value_name = "ID")]
        request: Option<Id>,
    },
    /// Copy the wallet into a new file, from which nothing can be spent until it is restored.
    Backup {
        /// The new file.
        file: PathBuf,
    },
    /// Make a wallet of a backup. Its coins are kept for a return only, since some may have been spent
    /// after the backup was made.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Nothing was spent since the backup was made, so its coins may be spent. If that is wrong,
        /// coins leave twice and the broker will name you.
        #[arg(long)]
        nothing_spent_since: bool,
    },
}

#[derive(Args)]
struct NetArgs {
    /// The proxy, such as http://proxy.example:3128 or socks5://…; empty for none. Default: HTTPS_PROXY,
    /// HTTP_PROXY and ALL_PROXY.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Trust the certificates in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// The longest time for each request and its whole answer.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    max_time: Option<u32>,
}

impl NetArgs {
    fn client(&self, settings: &Settings) -> Result<Client, ToolError> {
        Client::new(&NetOptions {
            proxy: self.proxy.as_deref().or(settings.proxy.as_deref()),
            cacert: self.cacert.as_deref().or(settings.cacert.as_deref()),
            time_max: self.max_time.map(|seconds| Duration::from_secs(seconds.into())),
        })
    }
}

#[derive(Args)]
struct LoginArgs {
    /// Your name at the broker's web server (basic authentication).
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The file whose first line is the password; - is standard input.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
}

impl LoginArgs {
    fn login(&self) -> Login<'_> {
        Login { user: self.user.as_deref(), password_file: self.password_file.as_deref() }
    }
}

#[derive(Args)]
struct ReceiveArgs {
    /// The message; - is standard input.
    #[arg(required_unless_present = "from")]
    file: Option<PathBuf>,
    /// Buy at this broker's web page instead.
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    from: Option<String>,
    /// How many sets to buy.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    sets: u32,
    /// The number of an earlier sale whose answer was lost.
    #[arg(long, value_name = "NUMBER")]
    transaction: Option<u64>,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    net: NetArgs,
}

#[derive(Args)]
struct GetArgs {
    /// The page.
    url: String,
    /// Pay up to this price without asking, in coins.
    #[arg(long, value_name = "N")]
    autopay: Option<u32>,
    /// Let no more than this many coins leave in one UTC day.
    #[arg(long, value_name = "N")]
    daily_limit: Option<u32>,
    /// Pay over http too. This machine itself (localhost, 127.0.0.0/8, ::1) is always allowed.
    #[arg(long)]
    allow_http: bool,
    /// Write the content to this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show the head of the answer before the content.
    #[arg(short, long)]
    include: bool,
    /// Say nothing about payments that succeed.
    #[arg(short, long)]
    silent: bool,
    /// The method of the request.
    #[arg(short = 'X', long, value_name = "METHOD")]
    request: Option<String>,
    /// A header field to send.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header_field)]
    header: Vec<(String, String)>,
    /// A body to send; @FILE reads a file. The method is then POST unless -X names another.
    #[arg(short, long, value_name = "DATA")]
    data: Option<String>,
    /// Send the payment in a header field, not as the body of a POST.
    #[arg(long)]
    pay_in_header: bool,
    /// The most redirects that are followed before paying. A payment never follows one.
    #[arg(long, value_name = "N", default_value_t = 10)]
    max_redirs: u32,
    #[command(flatten)]
    net: NetArgs,
}

#[derive(Args)]
struct ReturnArgs {
    /// Send the return to the broker and take its answer in.
    #[arg(long)]
    send: bool,
    /// Write the Request-Credit message to this new file instead of standard output.
    #[arg(short, long, value_name = "FILE", conflicts_with = "send")]
    output: Option<PathBuf>,
    /// A Send-Expired message of the broker, which names the period and where the return goes.
    #[arg(long, value_name = "FILE")]
    invitation: Option<PathBuf>,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    net: NetArgs,
}

fn main() -> ExitCode {
    let cli = command_line::<Cli>();
    finish("mmwallet", run(&cli))
}

fn run(cli: &Cli) -> Result<u8, ToolError> {
    let place = Place::new(cli.wallet.as_deref())?;
    let settings = Settings::read(&place.settings_path())?;
    let now = SystemClock.now();
    match &cli.command {
        Command::Receive(args) => receive(args, &place, &settings),
        Command::Balance { at, json } => {
            let wallet = place.look()?;
            show::balance(wallet.state(), at.as_ref(), now, *json)?;
            show::warn_of_expiry(wallet.state(), now, settings.warn_seconds());
            Ok(EXIT_OK)
        }
        Command::History { json } => {
            show::history(place.look()?.state(), *json)?;
            Ok(EXIT_OK)
        }
        Command::Get(args) => get(args, &place, &settings),
        Command::Price { url, json, net } => {
            let args = GetOptions { url, ..unpaid() };
            get::price(&args, &net.client(&settings)?, *json)
        }
        Command::Return(args) => {
            let options = ReturnOptions {
                invitation: args.invitation.as_deref(),
                send: args.send,
                output: args.output.as_deref(),
                login: args.login.login(),
            };
            broker::give_back(&place, &args.net.client(&settings)?, &options)
        }
        Command::Credited { file, request } => broker::credited(&place, file, request.as_ref()),
        Command::Backup { file } => backup(&place, file),
        Command::Restore { file, nothing_spent_since } => {
            restore(&place, file, *nothing_spent_since)
        }
    }
}

fn receive(args: &ReceiveArgs, place: &Place, settings: &Settings) -> Result<u8, ToolError> {
    match (&args.from, &args.file) {
        (Some(url), _) => {
            let client = args.net.client(settings)?;
            broker::buy(place, &client, url, &args.login.login(), args.sets, args.transaction)
        }
        (None, Some(file)) => broker::receive(place, file),
        (None, None) => Err("expected a file or --from".into()),
    }
}

fn get(args: &GetArgs, place: &Place, settings: &Settings) -> Result<u8, ToolError> {
    let body = match args.data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
        None => Vec::new(),
        Some((_, Some(path))) => read_input(Path::new(path), BODY_SIZE_MAX)?,
        Some((data, None)) => data.as_bytes().to_vec(),
    };
    let method = match (&args.request, &args.data) {
        (Some(method), _) => method.as_str(),
        (None, Some(_)) => "POST",
        (None, None) => "GET",
    };
    let options = GetOptions {
        url: &args.url,
        method,
        headers: &args.header,
        body: &body,
        output: args.output.as_deref(),
        include_head: args.include,
        silent: args.silent,
        redirects_max: args.max_redirs,
        pay_in_header: args.pay_in_header,
        policy: Policy::new(args.autopay.or(settings.autopay).unwrap_or(0))
            .with_daily_limit(Some(
                args.daily_limit.or(settings.daily_limit).unwrap_or(DAILY_LIMIT_DEFAULT),
            ))
            .with_http(args.allow_http || settings.allow_http.unwrap_or(false)),
    };
    get::get(&options, &args.net.client(settings)?, place, settings)
}

/// A plain GET that pays nothing.
fn unpaid<'a>() -> GetOptions<'a> {
    GetOptions {
        url: "",
        method: "GET",
        headers: &[],
        body: &[],
        output: None,
        include_head: false,
        silent: false,
        redirects_max: 10,
        pay_in_header: false,
        policy: Policy::new(0).with_daily_limit(Some(0)),
    }
}

fn backup(place: &Place, file: &Path) -> Result<u8, ToolError> {
    let (directory, name) = DiskDirectory::of_file(file).map_err(FileError::on("use", file))?;
    place.open()?.backup(&directory, &name, SystemClock.now())?;
    eprintln!(
        "mmwallet: {} holds the coins as they are now; coins spent after this moment must not be spent from it again",
        file.display()
    );
    Ok(EXIT_OK)
}

fn restore(place: &Place, file: &Path, spendable: bool) -> Result<u8, ToolError> {
    let (from, from_name) = DiskDirectory::of_file(file).map_err(FileError::on("use", file))?;
    place.make_directory()?;
    let (directory, name) = place.parts();
    let now = SystemClock.now();
    let wallet = Wallet::restore(&from, &from_name, directory, name, spendable, now)?;
    let state = wallet.state();
    let coins: u32 =
        (0..state.holdings().len()).map(|i| state.balance(i)).map(|b| b.unspent + b.in_doubt).sum();
    if spendable {
        say!("restored {coins} coins");
    } else {
        say!(
            "restored {coins} coins for a return only: those spent since the backup would leave twice (--nothing-spent-since, if there are none)"
        );
    }
    Ok(EXIT_OK)
}

/// `Name: value`.
fn header_field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    Ok((name.trim().to_string(), value.trim().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
