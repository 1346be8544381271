//! The command line of the wallet (thesis 3.4): the commands, from `receive` and `login` to
//! `restore` and `move`, with their options, and which module carries each out.

mod get_args;

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use get_args::{GetArgs, seconds};
use micromint::host::{Clock, SystemClock};
use micromint::identity::{UserId, VendorId};
use micromint::wallet::Policy;
use micromint_console::{EXIT_OK, FormatArgs, ToolError, command_line, finish};
use mmwallet::account;
use mmwallet::answer::{self, AnswerArgs, SettleArgs};
use mmwallet::broker::{self, ReturnOptions};
use mmwallet::buy::{self, BuyOptions};
use mmwallet::exit;
use mmwallet::get::{self, GetOptions, Manners};
use mmwallet::login::LoginOptions;
use mmwallet::mcp::{self, AskedPage, McpArgs};
use mmwallet::net::{Client, NetOptions};
use mmwallet::settings::Settings;
use mmwallet::show;
use mmwallet::transfer::{self, MoveArgs};
use mmwallet::view;
use mmwallet::wallet_file::WalletFile;

/// Fetches web pages and pays for them with MicroMint coins.
///
/// The wallet is one file: $XDG_DATA_HOME/micromint/wallet.mmw, or
/// ~/.local/share/micromint/wallet.mmw if that variable is not set. --wallet names another file.
/// Settings are read from the file of the same name that ends in .toml, in the same folder.
///
/// Without a command, on a terminal, shows the wallet: its balance, history, returns and settings.
#[derive(Parser)]
#[command(version, after_help = exit::TABLE)]
struct Cli {
    /// The wallet file [default: $XDG_DATA_HOME/micromint/wallet.mmw].
    #[arg(long, global = true, value_name = "FILE")]
    wallet: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Add coins to the wallet: from a broker's message (Funds-Withdrawn), or bought on a web page.
    /// Every ball is hashed to check that the coins are genuine.
    Receive(ReceiveArgs),
    /// Keep the key of an account at a broker's service, for `buy`. The key is sent to this broker
    /// only, and kept in the file of the wallet's name that ends in .login.
    Login {
        /// The URL of the broker's service, such as https://broker.example.
        url: String,
        /// Your User-ID there.
        #[arg(long, value_name = "NAME")]
        user: UserId,
        /// The file whose first line is your key; only you may be able to read it; - reads standard
        /// input.
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        #[command(flatten)]
        net: NetArgs,
    },
    /// Buy coins from your account at the broker's service, after `login`. If an order is open, the
    /// wallet sends that one again and buys nothing else; `receive --give-up NUMBER` closes it.
    Buy {
        /// How many sets to buy [default: 1].
        #[arg(long, value_name = "N", value_parser = number_of_sets)]
        sets: Option<u32>,
        #[command(flatten)]
        net: NetArgs,
    },
    /// Complain to the broker about a vendor, with a payment as evidence, after `login`. A person
    /// reads it.
    Complain {
        /// The reference of the payment, as `history` shows it, or its first 8 or more digits.
        reference: String,
        /// What happened, in words.
        text: String,
        #[command(flatten)]
        net: NetArgs,
    },
    /// Show how many coins the wallet has.
    Balance {
        /// Also show how many can be spent at this vendor, a host name.
        #[arg(long, value_name = "VENDOR-ID")]
        at: Option<VendorId>,
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Show all orders, sales, payments and returns, oldest first.
    History {
        /// Show only this one, in detail: the reference of a payment (or its first 8 or more
        /// digits), the number of an order or sale, or the identifier of a return.
        reference: Option<String>,
        #[command(flatten)]
        format: FormatArgs,
    },
    /// Fetch a page as curl does, and pay for it if necessary.
    // As in curl, the last of several equal options counts.
    #[command(after_help = exit::TABLE, args_override_self = true)]
    Get(Box<GetArgs>),
    /// Show the price of a page without paying.
    Price {
        /// The URL of the page.
        url: String,
        /// Read the URL from standard input, as `get` does for `mmwallet mcp`.
        #[arg(long, hide = true)]
        page_from_stdin: bool,
        #[command(flatten)]
        format: FormatArgs,
        #[command(flatten)]
        net: NetArgs,
    },
    /// Return the coins of expired periods to the broker for credit.
    Return(ReturnArgs),
    /// Read the broker's answer to a return, a Funds-Credited message. A message that is not from
    /// the broker is refused.
    Credited {
        /// The file with the message; - reads standard input.
        file: PathBuf,
    },
    /// Write a backup of the wallet to a new file. Nothing can be spent from it until it is
    /// restored.
    Backup {
        /// The file to write, which must not exist; - writes standard output.
        file: PathBuf,
    },
    /// Move the wallet to another machine, by way of a file. It can be spent from in one place
    /// only. If a move is interrupted, run the same command again.
    Move(MoveArgs),
    /// Print the payment for a request of another program. Standard input: a challenge of the
    /// scheme "Payment", a Request-Payment message, or the head of a 402 answer. Standard output:
    /// the header field to send, or the Payment message.
    #[command(after_help = exit::TABLE)]
    Answer {
        #[command(flatten)]
        args: AnswerArgs,
        #[command(flatten)]
        net: NetArgs,
    },
    /// Serve an agent, over the Model Context Protocol on standard input and output: it fetches
    /// pages, and pays for them within your limits. The history shows what it paid for.
    Mcp {
        #[command(flatten)]
        args: McpArgs,
        #[command(flatten)]
        net: NetArgs,
    },
    /// Record what became of a payment that `answer` printed.
    Settle(SettleArgs),
    /// Create a wallet from a backup. Its coins can only be returned to the broker, because some
    /// may have been spent since the backup was made.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Confirm that nothing was spent since the backup was made: the coins can then be spent.
        /// If that is wrong, the wallet spends coins twice, and the broker will find out that it
        /// was you.
        #[arg(long)]
        nothing_spent_since: bool,
    },
}

#[derive(Args)]
struct NetArgs {
    /// The proxy, such as http://proxy.example:3128 or socks5://proxy.example:1080; an empty text
    /// uses none. This machine and the hosts in NO_PROXY are always reached directly [default: the
    /// environment variables http_proxy, HTTPS_PROXY and ALL_PROXY].
    #[arg(short = 'x', long, value_name = "URL")]
    proxy: Option<String>,
    /// Trust the certificates in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// The time limit for each request with its whole response.
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    max_time: Option<Duration>,
    /// The time limit for a connection [default: 30].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    connect_timeout: Option<Duration>,
    /// Trust any certificate of this machine (localhost, 127.0.0.0/8, ::1), and of no other.
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Show requests and responses on standard error, without coins, keys and passwords.
    #[arg(short, long)]
    verbose: bool,
    /// Connect to public addresses only: neither to this machine nor to private networks, also if a
    /// redirect leads there.
    #[arg(long)]
    public_only: bool,
}

/// The time limit of a page for an agent by default, in seconds.
const AGENT_SECONDS_MAX: f64 = 120.0;

impl NetArgs {
    /// The same options for another process, with a time limit in any case.
    fn options(&self) -> Vec<OsString> {
        let named = |name: &str, value: &OsStr| {
            [OsStr::new("--"), OsStr::new(name), OsStr::new("="), value].into_iter().collect()
        };
        let seconds = |time: Duration| OsString::from(time.as_secs_f64().to_string());
        let time = self.max_time.unwrap_or(Duration::from_secs_f64(AGENT_SECONDS_MAX));
        let mut options: Vec<OsString> = vec![named("max-time", &seconds(time))];
        options.extend(self.proxy.as_deref().map(|proxy| named("proxy", proxy.as_ref())));
        options.extend(self.cacert.as_deref().map(|path| named("cacert", path.as_ref())));
        options.extend(self.connect_timeout.map(|time| named("connect-timeout", &seconds(time))));
        let flags = [("--insecure", self.insecure), ("--verbose", self.verbose)];
        options.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.into()));
        options
    }

    fn client(&self, settings: &Settings) -> Result<Client, ToolError> {
        Client::new(&NetOptions {
            proxy: self.proxy.as_deref().or(settings.proxy.as_deref()),
            cacert: self.cacert.as_deref().or(settings.cacert.as_deref()),
            // As for curl, 0 is no limit.
            time_max: self.max_time.filter(|time| !time.is_zero()),
            connect_time_max: self.connect_timeout.filter(|time| !time.is_zero()),
            trusts_loopback: self.insecure,
            verbose: self.verbose,
            public_only: self.public_only,
        })
    }
}

#[derive(Args)]
struct LoginArgs {
    /// Your user name at the broker's web server (basic authentication). Name and password are sent
    /// to this broker only.
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// The file whose first line is your password; only you may be able to read it; - reads
    /// standard input.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
}

impl LoginArgs {
    fn options(&self) -> LoginOptions<'_> {
        LoginOptions { user: self.user.as_deref(), password_file: self.password_file.as_deref() }
    }
}

/// A number of sets to buy. The broker says how many it sells at most.
fn number_of_sets(text: &str) -> Result<u32, String> {
    let sets = text.parse().ok().filter(|sets| *sets > 0);
    sets.ok_or_else(|| "expected a number of sets, at least 1".to_string())
}

#[derive(Args)]
struct ReceiveArgs {
    /// The file with the broker's message; - reads standard input. Without a file and without
    /// --from, the wallet continues its open orders.
    file: Option<PathBuf>,
    /// Buy coins on this web page of a broker instead.
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    from: Option<String>,
    /// How many sets to buy [default: 1]. If an order is open at this page, the wallet sends that
    /// one again and buys nothing else; --give-up closes it.
    #[arg(long, value_name = "N", requires = "from", value_parser = number_of_sets)]
    sets: Option<u32>,
    /// Get the coins of this sale again, without buying. With --sets, buy under this number, unless
    /// that was done before.
    #[arg(long, value_name = "NUMBER", requires = "from")]
    transaction: Option<u64>,
    /// Give up the open order with this number: do not ask for it again.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["file", "from"])]
    give_up: Option<u64>,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    net: NetArgs,
}

#[derive(Args)]
struct ReturnArgs {
    /// Send the return to the broker and read its answer.
    #[arg(long)]
    send: bool,
    /// Write the Request-Credit message to this new file instead of standard output.
    #[arg(short, long, value_name = "FILE", conflicts_with = "send")]
    output: Option<PathBuf>,
    /// Return only the coins of this broker: a URL of its web server. Required with --user.
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Return only the period of this Send-Expired message, to the URL that it names.
    #[arg(long, value_name = "FILE")]
    invitation: Option<PathBuf>,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    net: NetArgs,
}

fn main() -> ExitCode {
    let cli = command_line::<Cli>();
    if cli.command.is_none() && !can_show() {
        let why = "expected a command, or a terminal to show the wallet on; see --help";
        Cli::command().error(ErrorKind::MissingSubcommand, why).exit();
    }
    finish("mmwallet", run(&cli))
}

/// Whether standard input and output are a terminal on which the cursor can be moved.
fn can_show() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    !is_dumb && io::stdin().is_terminal() && io::stdout().is_terminal()
}

fn run(cli: &Cli) -> Result<u8, ToolError> {
    let wallet = WalletFile::new(cli.wallet.as_deref())?;
    let settings = Settings::read(&wallet.settings_path())?;
    let now = SystemClock.now();
    let Some(command) = &cli.command else { return view::view(&wallet) };
    match command {
        Command::Receive(args) => receive(args, &wallet, &settings),
        Command::Login { url, user, key_file, net } => {
            account::login(&wallet, &net.client(&settings)?, url, user, key_file)
        }
        Command::Complain { reference, text, net } => {
            account::complain(&wallet, &net.client(&settings)?, reference, text)
        }
        Command::Buy { sets, net } => account::buy(&wallet, &net.client(&settings)?, *sets),
        Command::Balance { at, format } => {
            let wallet = wallet.look()?;
            show::balance(wallet.state(), at.as_ref(), now, format.is_json())?;
            show::warn_of_expiry(wallet.state(), now, settings.warn_seconds());
            Ok(EXIT_OK)
        }
        Command::History { reference: Some(reference), format } => {
            show::details(wallet.look()?.state(), reference, format.is_json())?;
            Ok(EXIT_OK)
        }
        Command::History { reference: None, format } => {
            show::history(wallet.look()?.state(), format.is_json())?;
            Ok(EXIT_OK)
        }
        Command::Move(args) => transfer::relocate(&wallet, args),
        Command::Answer { args, net } => {
            answer::answer(args, &net.client(&settings)?, &wallet, &settings)
        }
        Command::Mcp { args, net } => mcp::serve(args, &wallet, &settings, net.options()),
        Command::Settle(args) => answer::settle(args, &wallet),
        Command::Get(args) => get_args::run(args, &wallet, &settings),
        Command::Price { url, page_from_stdin, format, net } => {
            let page = if *page_from_stdin { Some(AskedPage::from_stdin()?) } else { None };
            let url = page.as_ref().map_or(url, |page| &page.url);
            let args = GetOptions { url, ..unpaid() };
            get::price(&args, &net.client(&settings)?, format.is_json())
        }
        Command::Return(args) => {
            let options = ReturnOptions {
                invitation: args.invitation.as_deref(),
                send: args.send,
                output: args.output.as_deref(),
                broker: args.broker.as_deref(),
                login: args.login.options(),
            };
            broker::give_back(&wallet, &args.net.client(&settings)?, &options)
        }
        Command::Credited { file } => broker::credited(&wallet, file),
        Command::Backup { file } => transfer::backup(&wallet, file),
        Command::Restore { file, nothing_spent_since } => {
            transfer::restore(&wallet, file, *nothing_spent_since)
        }
    }
}

fn receive(args: &ReceiveArgs, wallet: &WalletFile, settings: &Settings) -> Result<u8, ToolError> {
    if let Some(number) = args.give_up {
        return buy::give_up(wallet, number);
    }
    match (&args.from, &args.file) {
        (Some(url), _) => {
            let (login, sets, transaction) = (args.login.options(), args.sets, args.transaction);
            let options = BuyOptions { url, login, sets, transaction };
            buy::buy(wallet, &args.net.client(settings)?, &options)
        }
        (None, Some(file)) => broker::receive(wallet, file),
        (None, None) if args.login.user.is_some() => {
            Err("a password belongs to one broker: name its page with --from".into())
        }
        (None, None) => buy::go_on(wallet, &args.net.client(settings)?),
    }
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
        redirects_max: 50,
        pay_in_header: false,
        waits: false,
        policy: Policy::new(0).with_daily_limit(Some(0)),
        purpose: None,
        manners: Manners { follow: true, ..Manners::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
