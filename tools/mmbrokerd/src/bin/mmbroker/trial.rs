//! The command `trial`: everything that a broker gives to a vendor and a reader, for a trial on one
//! machine.
//!
//! Input: the vendor's host name. Output: a folder with a broker of the current month, the files
//! for the vendor, and coins for a reader. The invariants: nothing that exists is replaced, and the
//! coins do not expire during the trial.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::error::FileError;
use micromint::host::{Clock, DiskDirectory, SystemClock, SystemEntropy};
use micromint::identity::{UserId, VendorId};
use micromint::key_file::create_key;
use micromint::minting::{MintJobBuilder, NewPeriod, Profile};
use micromint::money::Money;
use micromint::period::Period;
use micromint::time::UnixTime;
use micromint_console::output::Existing;
use micromint_console::{EXIT_OK, ToolError, say};
use mmbrokerd::programs::{Broker, BrokerArgs, random_number};
use mmbrokerd::service::{SaleAnswer, SaleOrder};
use mmbrokerd::shop::deposit;
use mmbrokerd::store::CONSOLE;

/// The broker's URL in a trial, a name that does not exist.
const BROKER_URL: &str = "https://broker.example/";
/// The value of a coin in a trial.
const COIN_VALUE: &str = "0.01 USD";
/// How long the coins of a trial are valid at least, in seconds.
const VALID_SECONDS_MIN: i64 = 7 * 86_400;
/// The sets that the reader gets.
const SETS: u32 = 4;
/// The money from which the reader buys them. The rest is for more sets.
const MONEY: &str = "10 USD";
const CONFIG: &str = "# A trial: its coins are easy to forge and worth nothing.\n\
                      listen = \"127.0.0.1:8402\"\nurl = \"https://broker.example\"\n\
                      database = \"sqlite:broker.db\"\ncoins = \".\"\n";

#[derive(Args)]
pub(crate) struct Trial {
    /// The vendor's host name
    #[arg(long, value_name = "HOST")]
    vendor: VendorId,
    /// The reader who gets coins
    #[arg(long, value_name = "USER", default_value = "reader")]
    user: UserId,
    /// The folder to write to, which is created
    #[arg(short, long, value_name = "FOLDER", default_value = "trial")]
    out: PathBuf,
}

impl Trial {
    pub(crate) async fn run(&self) -> Result<u8, ToolError> {
        std::fs::create_dir_all(&self.out).map_err(FileError::on("create", &self.out))?;
        let config = self.out.join("broker.toml");
        self.check_new(&config)?;
        self.mint()?;
        std::fs::write(&config, CONFIG).map_err(FileError::on("write", &config))?;
        let broker = BrokerArgs { config, as_of: None }.make().await?;
        let done = self.fill(&broker).await;
        broker.service.store().close().await;
        done
    }

    /// Mints a period of the smallest size for this month.
    fn mint(&self) -> Result<(), ToolError> {
        let now = SystemClock.now();
        let today = now.day();
        let period: Period = today.rsplit_once('-').map_or("", |(month, _)| month).parse()?;
        let expiration = expiration(&period, now);
        let new = NewPeriod::new(Profile::Test, period, BROKER_URL, COIN_VALUE.parse()?);
        let new = NewPeriod { expiration, ..new };
        let config = NewPeriod { weak: true, ..new }.draw(&SystemEntropy)?;
        self.check_new(&self.out.join(&config.coinfile))?;
        let directory = DiskDirectory::new(&self.out);
        create_key(&directory, micromint::coin_file::SECRET_NAME, &SystemEntropy)?;
        MintJobBuilder::new(&directory, &config.coinfile, &config).build()?.mint()?;
        Ok(())
    }

    fn check_new(&self, path: &Path) -> Result<(), ToolError> {
        if path.try_exists()? {
            let path = path.display();
            return Err(format!("{path} exists: a trial begins in a folder of its own").into());
        }
        Ok(())
    }

    /// Registers the vendor, sells to the reader, and writes what both need.
    async fn fill(&self, broker: &Broker) -> Result<u8, ToolError> {
        let (service, period, user) = (&broker.service, broker.period(None)?, self.user.clone());
        let now = service.now();
        let vendor_key =
            service.register_vendor(&period, &self.vendor, now).await?.into_result()?;
        let money: Money = MONEY.parse()?;
        deposit(service, CONSOLE, (&user, money, "trial")).await?.into_result()?;
        let order = SaleOrder { user, sets: SETS, transaction: random_number()?, now };
        let sale = match service.buy(&period, order).await? {
            SaleAnswer::Sold(sale) => sale,
            SaleAnswer::Refused(refused) => return Err(refused.why.into()),
            SaleAnswer::Rejected(refusal) => return Err(refusal.to_string().into()),
        };
        let funds = service.deliver(&period, &sale).await?;
        let owners = service.all_owners(&period, &self.vendor).await?;
        let name = period.name();
        let files = [
            (format!("{name}.params"), period.params().to_toml().into_bytes(), true),
            (format!("{name}.owners"), owners.to_bytes(), true),
            ("vendor.key".to_string(), format!("{}\n", vendor_key.to_hex()).into_bytes(), false),
            (format!("{}.mm", self.user), funds.to_bytes(), false),
        ];
        for (name, bytes, is_public) in &files {
            let rules = broker.rules(Existing::Kept).await?;
            let rules = if *is_public { rules.public() } else { rules };
            rules.open(Some(&self.out.join(name)))?.write(bytes)?;
        }
        let [params, owners, key, coins] = files.map(|(name, ..)| name);
        let folder = self.out.display();
        say!("wrote {folder}/, for a trial: these coins are easy to forge and worth nothing");
        say!("  they expire at {}", period.params().raw().expiration);
        say!("  {params}, {owners}: for the folder `periods` of the vendor {}", self.vendor);
        say!("  {key}: the vendor's key, with which it redeems coins; keep it secret");
        say!("  {coins}: coins for {}, read by `mmwallet receive`", self.user);
        say!("  broker.toml: the broker, for `mmbroker --config {folder}/broker.toml`");
        Ok(EXIT_OK)
    }
}

/// When the coins of a trial in this month expire: with it, or later if that is soon.
fn expiration(month: &Period, now: UnixTime) -> Option<UnixTime> {
    let (_, end) = month.month()?;
    let soonest = now.plus_seconds(VALID_SECONDS_MIN);
    Some(if end < soonest { soonest } else { end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_at_the_end_of_a_month_goes_on() {
        let period: Period = "2026-11".parse().unwrap();
        for (now, expected) in [
            ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-11-24T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-11-24T00:00:01Z", "2026-12-01T00:00:01Z"),
            ("2026-11-30T23:59:30Z", "2026-12-07T23:59:30Z"),
        ] {
            let found = expiration(&period, now.parse().unwrap());
            assert_eq!(found.unwrap().to_string(), expected, "{now}");
        }
    }
}
