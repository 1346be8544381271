//! The commands that set a broker up, move it, put money into accounts, print the audit log, and
//! continue after a restore.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::num::NonZero;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use micromint::error::FileError;
use micromint::identity::UserId;
use micromint::money::Money;
use micromint::params::normal_broker_url;
use micromint::period::Period;
use micromint_console::{EXIT_OK, ToolError, say, tell};
use mmbrokerd::config::Config;
use mmbrokerd::programs::{BrokerArgs, counted};
use mmbrokerd::service::{Restore, RestoredPeriod, Service};
use mmbrokerd::shop::{deposit, last_rows};
use mmbrokerd::store::{CONSOLE, Store};

#[derive(Args)]
pub(crate) struct Init {
    /// The public URL of the broker
    #[arg(long, value_name = "URL")]
    url: String,
    /// The folder with the coin files and broker.secret
    #[arg(long, value_name = "DIR", default_value = ".")]
    coins: PathBuf,
    /// The database: sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL", default_value = "sqlite:broker.db")]
    database: String,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8402")]
    listen: String,
}

#[derive(Args)]
pub(crate) struct Deposit {
    /// The User-ID
    user: UserId,
    /// The amount, such as "5 USD"
    amount: Money,
    /// What identifies the deposit, such as the number of a bank transfer: the same one again adds
    /// nothing, and is refused for another amount or user
    #[arg(long, value_name = "TEXT")]
    reference: String,
    /// Make the account if the broker has none of this name. Without it such a name is refused, as
    /// it may be a mistyped one, and no command takes money back
    #[arg(long)]
    new: bool,
}

#[derive(Args)]
pub(crate) struct Audit {
    /// How many rows to print, the last ones
    #[arg(long, value_name = "N", default_value = "100")]
    rows: NonZero<u32>,
}

#[derive(Args)]
pub(crate) struct Restored {
    /// Skip at least this many sets of a period in all, for which no witness is left: PERIOD=SETS;
    /// may be repeated, and the largest number of a period counts
    #[arg(long, value_name = "PERIOD=SETS", value_parser = period_and_sets)]
    skip_to: Vec<(Period, u64)>,
    /// Revoke the users in this file too, such as a vendor's PERIOD.revoked; may be repeated
    #[arg(long, value_name = "FILE")]
    revoked: Vec<PathBuf>,
    /// Go on although the witness says that this database is the latest, which is right when the
    /// witness was restored from the same backup
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(crate) struct ReleasePayouts {
    /// The number of the last payout run, by the bank; 0 if there was none
    #[arg(long, value_name = "NUMBER")]
    run: u64,
    /// What the bank paid in that run, such as "120.50 USD"; "0 USD" if there was none. It is
    /// compared with what the broker recorded
    #[arg(long, value_name = "AMOUNT")]
    total: Money,
    /// Release although the run, or a later one that the witness knows, is not in the books. What
    /// the bank paid in it is on the balances then, and the next run pays it a second time
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(crate) struct Move {
    /// The new configuration: a copy of the old one with another `database`
    new: PathBuf,
    /// Open the old database again, after a move that was cut off, or because the new database is
    /// lost. The new configuration must name a database without a broker
    #[arg(long)]
    take_back: bool,
}

fn period_and_sets(text: &str) -> Result<(Period, u64), String> {
    let (period, sets) = text.split_once('=').ok_or("expected PERIOD=SETS")?;
    let sets: u64 = sets.parse().map_err(|_| format!("expected a number of sets, found {sets}"))?;
    Ok((period.parse().map_err(|error| format!("{error}"))?, sets))
}

impl Restored {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let mut restore = Restore { is_forced: self.force, ..Restore::default() };
        for path in &self.revoked {
            let text = std::fs::read_to_string(path).map_err(FileError::on("read", path))?;
            for line in text.lines() {
                restore.revoked.push(line.parse::<UserId>()?);
            }
        }
        for (period, sets) in &self.skip_to {
            let most = restore.skip_to.entry(period.clone()).or_default();
            *most = (*most).max(*sets);
        }
        let done = service.restored(&restore).await?.into_result()?;
        for RestoredPeriod { period, sets, was_settled } in done {
            say!("period {period}: {} skipped", counted(sets, "set"));
            if was_settled {
                say!(
                    "  its settlement had begun: nothing of it is sold or judged any more. Returns"
                );
                say!("  and batches that this backup does not have get nothing; if readers or");
                say!("  vendors miss money of this period, compare, and deposit it");
            }
        }
        for user in &restore.revoked {
            say!("revoked {user}");
        }
        say!(
            "a vendor key that was replaced since the backup counts again until its vendor syncs:"
        );
        say!("  mmbroker audit tells which vendors did ('vendor key found'); for the others run");
        say!("  mmbroker vendor-key --new HOST");
        say!("payouts are blocked: compare the last payout with the bank, then run");
        say!("  mmbroker payout book FILE, for each run that `mmbroker payout list` has not");
        say!("  mmbroker release-payouts --run NUMBER --total AMOUNT");
        Ok(EXIT_OK)
    }
}

impl Move {
    pub(crate) async fn run(&self, old: &BrokerArgs) -> Result<u8, ToolError> {
        let (service, config) = old.open_database().await?;
        let new = Config::load(&self.new)?;
        self.check_same(&config, &new)?;
        // Held to the end of this process.
        let _only = only_mover(&config.witness_file())?;
        if self.take_back {
            service.undo_move(&new.database).await?.into_result()?;
            say!("the old database is open again; start the broker with {}", old.config.display());
        } else {
            let rows = service.move_to(&new.database).await?.into_result()?;
            say!("moved the broker: {}; the old database is closed", counted(rows, "row"));
            say!("start the broker with: mmbrokerd --config {}", self.new.display());
        }
        service.store().close().await;
        Ok(EXIT_OK)
    }

    /// That the new configuration is of the same broker.
    fn check_same(&self, old: &Config, new: &Config) -> Result<(), ToolError> {
        let of = |config: &Config| {
            [
                ("url", PathBuf::from(&config.url)),
                ("coins", config.coins.clone()),
                ("secret", config.secret_file()),
                ("witness", config.witness_file()),
            ]
        };
        for ((what, expected), (_, found)) in of(old).into_iter().zip(of(new)) {
            if expected != found {
                return Err(format!(
                    "{}: {what}: expected {}, as in the old configuration, found {}; nothing was \
                     changed",
                    self.new.display(),
                    expected.display(),
                    found.display()
                )
                .into());
            }
        }
        Ok(())
    }
}

/// Keeps other moves of this broker away.
fn only_mover(witness: &Path) -> Result<File, ToolError> {
    let path = witness.with_extension("move");
    let file = File::options().create(true).append(true).mode(0o600).open(&path);
    let file = file.map_err(FileError::on("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err("another move of this broker is running; nothing was changed".to_string().into())
        }
        Err(TryLockError::Error(error)) => Err(FileError::on("lock", &path)(error).into()),
    }
}

impl ReleasePayouts {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let released = service.release_payouts(self.run, self.total, self.force).await?;
        let is_known = released.into_result()?;
        if !is_known {
            tell!(
                "mmbroker: warning: payout run {} is not in the books: what it paid is on the \
                 balances, and the next run pays it a second time",
                self.run
            );
        }
        say!("payouts continue after run {} of {}", self.run, self.total.in_words());
        Ok(EXIT_OK)
    }
}

impl Audit {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let rows = last_rows(service.store(), i64::from(self.rows.get())).await?;
        for row in rows.iter().rev() {
            // A row is a line, whatever others wrote into it.
            let detail = row.detail.replace(char::is_control, "\u{fffd}");
            say!("{} {} {}: {}: {detail}", row.id, row.at, row.by, row.what);
        }
        Ok(EXIT_OK)
    }
}

impl Init {
    /// Writes the configuration and creates the database.
    pub(crate) async fn run(&self, path: &Path) -> Result<u8, ToolError> {
        let Init { url, coins, database, listen } = self;
        let url = normal_broker_url(url);
        let text = format!(
            "# The configuration of mmbrokerd. docs/reference/broker-service.md describes it.\n\
             listen = {listen:?}\nurl = {url:?}\ndatabase = {database:?}\ncoins = {:?}\n",
            coins.display().to_string()
        );
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let config = Config::parse(&text, folder.unwrap_or(Path::new(".")))?;
        // Before anything is made; `create_new` below decides.
        if path.exists() {
            return Err(exists(path).into());
        }
        let write = || {
            // The URL of a database may contain a password.
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())
        };
        Store::open(&config.database).await?.close().await;
        write().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => ToolError::from(exists(path)),
            _ => FileError::on("write", path)(error).into(),
        })?;
        say!("wrote {}; start the broker with: mmbrokerd --config {0}", path.display());
        let secret = config.secret_file();
        if !secret.exists() {
            tell!(
                "mmbroker: warning: there is no {}; `coinmint init` makes it with the first \
                 period",
                secret.display()
            );
        }
        Ok(EXIT_OK)
    }
}

/// That `init` replaces no configuration.
fn exists(path: &Path) -> String {
    format!(
        "{} exists, and nothing was made: this broker is set up. For another one, name another \
         file with --config",
        path.display()
    )
}

impl Deposit {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let Deposit { user, amount, reference, new } = self;
        if !new && !service.store().has_account(user).await? {
            return Err(format!(
                "the broker has no account {user}; nothing was added. With --new it is made, and \
                 gets the money"
            )
            .into());
        }
        let is_new = deposit(service, CONSOLE, (user, *amount, reference)).await?.into_result()?;
        if is_new {
            say!("added {} to the account of {user}", amount.in_words());
        } else {
            say!("the deposit {reference:?} was made before; nothing changed");
        }
        Ok(EXIT_OK)
    }
}
