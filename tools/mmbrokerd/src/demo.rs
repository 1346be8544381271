//! The command `demo`: a whole broker in a folder, with a period, people, vouchers and a vendor.
//!
//! Input: a folder that is empty or that a demo made. Output: a service that runs, and the names
//! and passwords to try it. The money is that of the test currency XTS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use clap::Args;
use micromint::error::FileError;
use micromint::money::Money;
use micromint::reply::Reply;
use micromint_console::{EXIT_OK, ToolError, say};
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
const BALANCE: &str = "20 XTS";

#[derive(Args)]
pub(crate) struct Demo {
    /// The folder of the demo, which is made
    #[arg(long, value_name = "DIR", default_value = "micromint-demo")]
    folder: PathBuf,
    /// Where to listen; port 0 lets the system choose. A demo keeps its address, which its coins
    /// name [default: 127.0.0.1:8402]
    #[arg(long, value_name = "ADDRESS:PORT")]
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
            let wanted = self.listen.unwrap_or(DEFAULT_ADDRESS);
            let taken = bind(wanted).await?;
            let address = taken.local_addr()?;
            listener = Some(taken);
            self.mint(address)?;
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
        let (own, is_own) = (config.listen, |port| port == 0 || port == config.listen.port());
        if let Some(wanted) = self.listen.filter(|it| it.ip() != own.ip() || !is_own(it.port())) {
            return Err(format!(
                "{}: this demo listens on {own}, which its coins name, not on {wanted}: use \
                 another folder, or remove this one",
                self.folder.display()
            )
            .into());
        }
        if self.prepare {
            return Ok((config, None));
        }
        let listener = match listener {
            Some(listener) => listener,
            None => bind(own).await?,
        };
        Ok((config, Some(listener)))
    }

    /// Mints a period that has begun.
    fn mint(&self, address: SocketAddr) -> Result<(), ToolError> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(FileError::on("make", folder))?;
        let now = micromint::host::Clock::now(&micromint::host::SystemClock);
        let period = now.day()[..7].to_string();
        say!("minting the period {period}; this takes seconds to minutes");
        let url = format!("http://{address}/");
        let mut init = coinmint();
        init.args(["init", "--profile", &self.profile, "--period", &period, "--broker", &url]);
        init.args(["--coin-value", "0.01 XTS", "-o", "mint.toml"]);
        if self.profile == "test" {
            init.arg("--weak");
        }
        run(init.current_dir(folder))?;
        run(coinmint().args(["mint", "mint.toml"]).current_dir(folder))
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

fn run(command: &mut Command) -> Result<(), ToolError> {
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let status = command.status().map_err(|error| {
        format!("cannot start coinmint ({error}); it is part of the broker's package")
    })?;
    if status.success() { Ok(()) } else { Err("coinmint failed".to_string().into()) }
}
