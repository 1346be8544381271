//! What the operator of a broker does on the command line, beside the running service.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use micromint::broker::{BinRange, Ruling};
use micromint::error::FileError;
use micromint::host::SystemEntropy;
use micromint::identity::{UserId, VendorId};
use micromint::money::Money;
use micromint::period::Period;
use micromint::reply::Reply;
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, print_text, say, tell};
use mmbrokerd::config::Config;
use mmbrokerd::http::create_key;
use mmbrokerd::service::{Dispute, Marked, OpenPeriod, RestoredPeriod, RulingOutcome, Service};
use mmbrokerd::store::{AccountKind, Store};

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
    /// nothing
    #[arg(long, value_name = "TEXT")]
    reference: String,
}

#[derive(Args)]
pub(crate) struct MakeKey {
    /// The User-ID
    user: UserId,
}

#[derive(Args)]
pub(crate) struct EndKeys {
    /// The User-ID
    user: UserId,
}

#[derive(Args)]
pub(crate) struct RegisterVendor {
    /// The period
    #[arg(long, value_name = "PERIOD")]
    period: Period,
    /// Register the vendors of this older period first, in their order
    #[arg(long, value_name = "PERIOD")]
    from: Option<Period>,
    /// The Vendor-IDs
    vendors: Vec<VendorId>,
}

#[derive(Args)]
pub(crate) struct Revoke {
    /// The User-ID
    user: UserId,
}

#[derive(Args)]
pub(crate) struct Compromise {
    /// The period
    #[arg(long, value_name = "PERIOD")]
    period: Period,
    /// The bins: SUPERBIN:SUBBIN or SUPERBIN:FIRST-LAST
    #[arg(required = true)]
    bins: Vec<BinRange>,
}

#[derive(Args)]
pub(crate) struct Restored {
    /// Skip at least this many sets of a period in all, for which no witness is left: PERIOD=SETS
    #[arg(long, value_name = "PERIOD=SETS", value_parser = period_and_sets)]
    skip_to: Vec<(Period, u64)>,
    /// Revoke the users in this file too, such as a vendor's PERIOD.revoked; may be repeated
    #[arg(long, value_name = "FILE")]
    revoked: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ReleasePayouts {
    /// The number of the last payout run, by the bank; 0 if there was none
    #[arg(long, value_name = "NUMBER")]
    run: u64,
    /// What the bank paid in that run, such as "120.50 USD"
    #[arg(long, value_name = "AMOUNT")]
    total: Money,
}

#[derive(Args)]
pub(crate) struct Disputes {
    /// The period
    #[arg(long, value_name = "PERIOD")]
    period: Period,
}

#[derive(Args)]
pub(crate) struct Rule {
    /// The period
    #[arg(long, value_name = "PERIOD")]
    period: Period,
    /// Decide only about coins of this user
    #[arg(long, value_name = "USER")]
    user: Option<UserId>,
    /// Whose disputed coins: the Vendor-ID
    vendor: VendorId,
    /// Whether the vendor's claims are paid
    ruling: RulingWord,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum RulingWord {
    Pay,
    Refuse,
}

#[derive(Args)]
pub(crate) struct Mark {
    /// The period
    #[arg(long, value_name = "PERIOD")]
    period: Period,
    /// The copy, which must not exist
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

impl Disputes {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let disputes = service.disputes(&period(service, &self.period)?).await?;
        for dispute in &disputes {
            let Dispute { vendor, user, coins, returned, .. } = dispute;
            say!("{vendor} and {user}: {coins} coins, {returned} of them returned");
            say!("  users in disputes with {vendor}: {}", dispute.users_of_vendor);
            say!("  vendors in disputes with {user}: {}", dispute.vendors_of_user);
            if dispute.is_held {
                say!("  more than one in a hundred claims of {vendor} may not be from the owners");
            }
        }
        if disputes.is_empty() {
            say!("no coins of {} are disputed", self.period);
        }
        Ok(EXIT_OK)
    }
}

impl Rule {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let ruling = match self.ruling {
            RulingWord::Pay => Ruling::Pay,
            RulingWord::Refuse => Ruling::Refuse,
        };
        let period = period(service, &self.period)?;
        let outcome = service.rule(&period, &self.vendor, self.user.as_ref(), ruling).await?;
        let Some(RulingOutcome { paid, credited, lapsed, disputed }) = outcome else {
            return Err(format!("{} has no such disputed coins", self.vendor).into());
        };
        say!("{paid} coins paid, {credited} credited, {lapsed} lapsed, {disputed} still disputed");
        Ok(EXIT_OK)
    }
}

impl Mark {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let marked = service.mark(&period(service, &self.period)?, &self.out).await?;
        let Marked { sets, redeemed, returned } = marked;
        say!("wrote {}: {sets} sets sold", self.out.display());
        say!("  {redeemed} first balls redeemed, {returned} returned and not redeemed");
        Ok(EXIT_OK)
    }
}

fn period_and_sets(text: &str) -> Result<(Period, u64), String> {
    let (period, sets) = text.split_once('=').ok_or("expected PERIOD=SETS")?;
    let sets: u64 = sets.parse().map_err(|_| format!("expected a number of sets, found {sets}"))?;
    Ok((period.parse().map_err(|error| format!("{error}"))?, sets))
}

impl Restored {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let mut users = Vec::new();
        for path in &self.revoked {
            let text = std::fs::read_to_string(path).map_err(FileError::on("read", path))?;
            for line in text.lines() {
                users.push(line.parse::<UserId>()?);
            }
        }
        let skip_to = self.skip_to.iter().cloned().collect();
        let done = service.restored(&skip_to).await?;
        for RestoredPeriod { period, sets, was_settled } in done {
            say!("period {period}: {sets} sets skipped");
            if was_settled {
                say!("  its settlement had begun: nothing of it is sold or judged any more");
            }
        }
        for user in users {
            service.store().revoke(&user, service.now()).await?;
            say!("revoked {user}");
        }
        say!("payouts are blocked: compare the last payout with the bank, then run");
        say!("  mmbrokerd release-payouts --run NUMBER --total AMOUNT");
        Ok(EXIT_OK)
    }
}

impl ReleasePayouts {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        service.check_progress().await?;
        service.release_payouts(self.run).await?;
        say!("payouts go on after run {} of {}", self.run, self.total);
        Ok(EXIT_OK)
    }
}

impl Init {
    /// Writes the configuration and creates the database.
    pub(crate) fn run(&self, path: &Path) -> Result<u8, ToolError> {
        let Init { url, coins, database, listen } = self;
        let text = format!(
            "# The configuration of mmbrokerd. docs/reference/broker-service.md describes it.\n\
             listen = {listen:?}\nurl = {url:?}\ndatabase = {database:?}\ncoins = {:?}\n",
            coins.display().to_string()
        );
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let config = Config::parse(&text, folder.unwrap_or(Path::new(".")))?;
        let write = || {
            // The URL of a database may contain a password.
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let store = Store::open(&config.database).await?;
            store.close().await;
            Ok::<(), ToolError>(())
        })?;
        write().map_err(FileError::on("write", path))?;
        say!("wrote {}; start the broker with: mmbrokerd --config {0}", path.display());
        let secret = config.secret_file();
        if !secret.exists() {
            tell!(
                "mmbrokerd: warning: there is no {}; `coinmint init` makes it with the first \
                 period",
                secret.display()
            );
        }
        Ok(EXIT_OK)
    }
}

impl Deposit {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let Deposit { user, amount, reference } = self;
        let store = service.store();
        service.check_progress().await?;
        let is_new = store.deposit(user.as_str(), *amount, reference, service.now()).await?;
        service.note_progress().await?;
        if is_new {
            say!("added {amount} to the account of {user}");
        } else {
            say!("the deposit {reference:?} was made before; nothing changed");
        }
        Ok(EXIT_OK)
    }
}

impl MakeKey {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let key = create_key(service, &self.user, &SystemEntropy).await?;
        print_text(&format!("{key}\n"));
        tell!(
            "mmbrokerd: whoever has this key buys with the money of {}; it is not shown again",
            self.user
        );
        Ok(EXIT_OK)
    }
}

impl EndKeys {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let ended = service.store().end_api_keys(&self.user, service.now()).await?;
        say!("ended {ended} keys of {}", self.user);
        Ok(EXIT_OK)
    }
}

impl RegisterVendor {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let period = period(service, &self.period)?;
        let mut status = EXIT_OK;
        if let Some(from) = &self.from {
            let from = self::period(service, from)?;
            for refusal in service.carry_vendors(&from, &period, service.now()).await? {
                tell!("mmbrokerd: {refusal}");
                status = EXIT_FAILURE;
            }
        }
        for vendor in &self.vendors {
            match service.register_vendor(&period, vendor, service.now()).await? {
                Reply::Granted(key) if self.vendors.len() == 1 => say!("{}", key.to_hex()),
                Reply::Granted(key) => say!("{vendor} {}", key.to_hex()),
                Reply::Refused(refusal) => {
                    tell!("mmbrokerd: {refusal}");
                    status = EXIT_FAILURE;
                }
            }
        }
        Ok(status)
    }
}

impl Revoke {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        service.store().revoke(&self.user, service.now()).await?;
        say!("revoked {}", self.user);
        Ok(EXIT_OK)
    }
}

impl Compromise {
    pub(crate) async fn run(&self, service: &Service) -> Result<u8, ToolError> {
        let period = period(service, &self.period)?;
        for bins in &self.bins {
            match service.compromise(&period, *bins, service.now()).await? {
                Reply::Granted(()) => say!("{bins} are compromised"),
                Reply::Refused(refusal) => return Err(refusal.to_string().into()),
            }
        }
        Ok(EXIT_OK)
    }
}

fn period(service: &Service, name: &Period) -> Result<Arc<OpenPeriod>, ToolError> {
    service.period(name).ok_or_else(|| format!("there is no coin file of period {name}").into())
}

/// Does what the service does by itself each minute: registers vendors for new periods, judges what
/// was cut off, and settles what is due.
pub(crate) async fn settle(service: &Service) -> Result<u8, ToolError> {
    for refusal in service.carry_all_vendors().await? {
        tell!("mmbrokerd: {refusal}");
    }
    let judged = service.go_on().await?;
    if judged > 0 {
        say!("judged {judged} batches that were cut off");
    }
    say!("settled {} periods", service.settle_due().await?);
    Ok(EXIT_OK)
}

/// Prints the OpenAPI document.
pub(crate) fn openapi() -> Result<u8, ToolError> {
    print_text(&mmbrokerd::http::document()?);
    Ok(EXIT_OK)
}

/// Prints the state of each period.
pub(crate) async fn status(service: &Service) -> Result<u8, ToolError> {
    if let Some(why) = service.halted() {
        say!("halted: {why}");
    }
    for period in service.periods() {
        let Some(row) = service.store().period(period.name()).await? else { continue };
        let value = period.params().coin_value();
        let sets = period.params().superbin_count() / 2;
        say!("period {}: {} of {sets} sets sold", period.name(), row.next_superbin / 2);
        for (words, kind) in [
            ("outstanding", AccountKind::Coins),
            ("disputed", AccountKind::Disputed),
            ("lapsed", AccountKind::Lapsed),
        ] {
            let balances = service.store().balances(kind, period.name().as_str()).await?;
            let amount = balances.iter().find(|amount| amount.currency() == value.currency());
            say!("  {words}: {}", amount.copied().unwrap_or(Money::new(0, value.currency())));
        }
        match row.settled_at {
            Some(at) => say!("  settled at {at}"),
            None if row.is_settled() => say!("  the settlement is being made"),
            None => {}
        }
    }
    Ok(EXIT_OK)
}

/// Recomputes the ledger, and says what is wrong.
pub(crate) async fn check(service: &Service) -> Result<u8, ToolError> {
    let faults = service.store().ledger_faults().await?;
    for fault in &faults {
        tell!("mmbrokerd: {fault}");
    }
    let audit = mmbrokerd::shop::audit_faults(service.store()).await?;
    for fault in &audit {
        tell!("mmbrokerd: {fault}");
    }
    let periods = service.periods();
    say!("{} periods are open; {} faults in the ledger", periods.len(), faults.len());
    Ok(if faults.is_empty() && audit.is_empty() { EXIT_OK } else { EXIT_FAILURE })
}
