//! The command `demo`: a whole broker in a folder, with a period, people, vouchers and a vendor.
//!
//! Input: a folder that is empty or that a demo made, in part or whole. Output: a service that
//! runs, and the names and passwords to try it. The money is that of the test currency XTS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use clap::Args;
use micromint::error::FileError;
use micromint::host::{Clock, SystemClock};
use micromint::minting::MintConfig;
use micromint::money::Money;
use micromint::period::Period;
use micromint::reply::Reply;
use micromint::time::UnixTime;
use micromint::toml_file::TOML_FILE_SIZE_MAX;
use micromint_console::{EXIT_OK, ToolError, read_secret_input, say};
use mmbrokerd::config::Config;
use mmbrokerd::http::bind;
use mmbrokerd::service::Service;
use mmbrokerd::shop::{Role, act_for_vendor, deposit, set_person};
use mmbrokerd::store::CONSOLE;

/// The people of a demo.
const READER: &str = "reader";
const OPERATOR: &str = "operator";
const VENDOR: &str = "vendor";
/// The vendor, which a browser reaches without a name server.
const HOST: &str = "localhost";
/// Where a demo listens unless it is told.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8402);
/// The configuration of its mint, as `coinmint init` writes it.
const MINT: &str = "mint.toml";
const BALANCE: &str = "20 XTS";

#[derive(Args)]
pub(crate) struct Demo {
    /// The folder of the demo, which is made
    #[arg(long, value_name = "DIR", default_value = "micromint-demo")]
    folder: PathBuf,
    /// Where to listen; port 0 lets the system choose. A demo keeps its address, which its coins
    /// name [default: 127.0.0.1:8402]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
    /// The size of the period
    #[arg(long, value_name = "PROFILE", default_value = "demo")]
    profile: String,
    /// Prepare the demo, and end
    #[arg(long)]
    prepare: bool,
}

impl Demo {
    /// The configuration of the folder, which is prepared unless that was done; and its address,
    /// taken unless the demo is only prepared.
    pub(crate) async fn config(&self) -> Result<(Config, Option<TcpListener>), ToolError> {
        let file = self.folder.join("broker.toml");
        let mut listener = None;
        if !file.exists() {
            let begun = self.begun()?;
            if let Some((own, _)) = begun {
                self.refuse_other(own)?;
            }
            let own = begun.as_ref().map(|(own, _)| *own);
            let wanted = own.or(self.listen).unwrap_or(DEFAULT_ADDRESS);
            if !wanted.ip().is_loopback() {
                return Err(format!(
                    "--listen: a demo has no TLS, so it listens on this machine alone, such as on \
                     {DEFAULT_ADDRESS}; found {wanted}; nothing was made"
                )
                .into());
            }
            let taken = bind(wanted).await?;
            let address = taken.local_addr()?;
            listener = Some(taken);
            self.mint(address, begun.map(|(_, period)| period))?;
            let text = format!(
                "# A demo: its money is XTS, which is for tests.\n\
                 listen = \"{address}\"\nurl = \"http://{address}\"\n\
                 database = \"sqlite:broker.db\"\ncoins = \".\"\n\n\
                 # The next month is minted at once, for the page that shows it.\n\
                 [minting]\ndays-before = 31\n\n\
                 [shop]\nname = \"Demo broker\"\npayout-fee = \"0.01 XTS\"\n\
                 payout-min = \"0.05 XTS\"\n"
            );
            std::fs::write(&file, text).map_err(FileError::on("write", &file))?;
        }
        let config = Config::load(&file)?;
        let own = config.listen;
        self.refuse_other(own)?;
        if self.prepare {
            return Ok((config, None));
        }
        let listener = match listener {
            Some(listener) => listener,
            None => bind(own).await?,
        };
        Ok((config, Some(listener)))
    }

    /// Refuses an address on which this demo does not listen. Port 0 is any port.
    fn refuse_other(&self, own: SocketAddr) -> Result<(), ToolError> {
        let is_own = |it: &SocketAddr| it.ip() == own.ip() && [0, own.port()].contains(&it.port());
        let Some(wanted) = self.listen.filter(|it| !is_own(it)) else { return Ok(()) };
        Err(format!(
            "{}: this demo listens on {own}, which its coins name, not on {wanted}: use another \
             folder, or remove this one",
            self.folder.display()
        )
        .into())
    }

    /// The address and the period of a demo whose mint did not end; `None` if none was begun.
    fn begun(&self) -> Result<Option<(SocketAddr, Period)>, ToolError> {
        let path = self.folder.join(MINT);
        if !path.exists() {
            return Ok(None);
        }
        let folder = self.folder.display();
        let text = read_secret_input(&path, TOML_FILE_SIZE_MAX as usize)?;
        let config = MintConfig::from_toml(&text).map_err(|error| error.in_file(&path))?;
        let raw = config.params.raw();
        let address = raw.broker.strip_prefix("http://").and_then(|it| it.strip_suffix('/'));
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let path = path.display();
            return Err(format!(
                "{path}: a demo did not make this mint, whose broker is {}: use another folder",
                raw.broker
            )
            .into());
        };
        if now() >= raw.expiration {
            return Err(format!(
                "{folder}: this demo was begun and not finished, and its period {} is over: remove \
                 the folder, and run the same command again",
                config.params.period()
            )
            .into());
        }
        Ok(Some((address, config.params.period().clone())))
    }

    /// Mints a period that has begun, or goes on with the mint of `begun`.
    fn mint(&self, address: SocketAddr, begun: Option<Period>) -> Result<(), ToolError> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(FileError::on("make", folder))?;
        match begun {
            Some(period) => say!("going on with the period {period}, which was begun here before"),
            None => {
                let period = now().day()[..7].to_string();
                say!("minting the period {period}; this takes seconds to minutes");
                let url = format!("http://{address}/");
                let mut init = coinmint();
                init.args(["init", "--profile", &self.profile, "--period", &period]);
                init.args(["--broker", &url, "--coin-value", "0.01 XTS", "-o", MINT]);
                if self.profile == "test" {
                    init.arg("--weak");
                }
                self.run(init)?;
            }
        }
        let mut mint = coinmint();
        mint.args(["mint", MINT]);
        self.run(mint)
    }

    /// Runs `coinmint` in the folder; it says itself what is wrong.
    fn run(&self, mut command: Command) -> Result<(), ToolError> {
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.status().map_err(|error| {
            format!("cannot start coinmint ({error}); it is part of the broker's package")
        })?;
        if status.success() {
            return Ok(());
        }
        Err(format!(
            "coinmint did not finish ({status}): the same command goes on with what is minted; to \
             start again, remove {}",
            self.folder.display()
        )
        .into())
    }

    /// Makes the people, and says who they are. They get new passwords each time.
    pub(crate) async fn people(
        &self,
        service: &Arc<Service>,
        config: &Config,
    ) -> Result<u8, ToolError> {
        let mut passwords = Vec::new();
        for (name, role) in [(READER, Role::None), (VENDOR, Role::None), (OPERATOR, Role::Admin)] {
            passwords.push((name, set_person(service, &name.parse()?, role).await?));
        }
        let amount: Money = BALANCE.parse()?;
        deposit(service, CONSOLE, (&READER.parse()?, amount, "demo")).await?.into_result()?;
        let host = HOST.parse()?;
        act_for_vendor(service, &VENDOR.parse()?, &host).await?;
        for period in service.periods() {
            let registered = service.register_vendor(&period, &host, service.now()).await?;
            if let Reply::Refused(refusal) = registered {
                return Err(refusal.to_string().into());
            }
        }
        say!("the pages are at {}", config.url);
        for (name, password) in &passwords {
            say!("  log in as {name:<8} with {password}");
        }
        say!("  {READER} has {BALANCE}; {VENDOR} acts for the host {HOST}");
        Ok(EXIT_OK)
    }
}

/// The program that mints: beside this one, or in the path.
fn coinmint() -> Command {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("coinmint"));
    Command::new(beside.filter(|path| path.exists()).unwrap_or(Path::new("coinmint").to_path_buf()))
}

fn now() -> UnixTime {
    SystemClock.now()
}

/// Reads an address with its port.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("expected an IP address and a port, such as {DEFAULT_ADDRESS}"))
}
