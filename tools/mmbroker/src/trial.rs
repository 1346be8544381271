//! `mmbroker trial`: everything that a broker gives to a vendor and a reader, for a trial on one
//! machine.
//!
//! Input: the vendor's host name. Output: a folder with a coin file of the current month, the files
//! for the vendor, and coins for a reader. The invariant: nothing that exists is replaced.

use std::path::PathBuf;

use clap::Args;
use micromint::broker::Broker;
use micromint::coin_file::secret_path;
use micromint::error::FileError;
use micromint::host::{Clock, DiskDirectory, SystemClock, SystemEntropy};
use micromint::identity::{UserId, VendorId};
use micromint::key_file::create_key;
use micromint::minting::{MintJobBuilder, NewPeriod, Profile};
use micromint::period::Period;
use micromint_console::output::{Existing, Rules};
use micromint_console::{EXIT_OK, ToolError, say};

use crate::common::open;
use crate::random_number;

/// The broker's URL in a trial, a name that does not exist.
const BROKER_URL: &str = "https://broker.example/";
/// The value of a coin in a trial.
const COIN_VALUE: &str = "0.01 USD";
/// The sets that the reader gets.
const SETS: u32 = 4;

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
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        std::fs::create_dir_all(&self.out).map_err(FileError::on("create", &self.out))?;
        let (mut broker, coin_file) = self.mint()?;
        let [params, owners, key, coins] = [
            format!("{}.params", broker.params().period()),
            format!("{}.owners", broker.params().period()),
            "vendor.key".to_string(),
            format!("{}.mm", self.user),
        ];
        let now = SystemClock.now();
        let vendor_key = broker.register_vendor(&self.vendor, now)?.into_result()?;
        let funds = broker.withdraw(&self.user, SETS, random_number()?, now)?.into_result()?;
        let owners_list = broker.owners(&self.vendor)?;
        let write = |name: &str, bytes: &[u8], is_public: bool| {
            let rules = Rules::new(Existing::Kept).uses(&coin_file, "the coin file");
            let rules = if is_public { rules.public() } else { rules };
            rules.open(Some(&self.out.join(name)))?.write(bytes)
        };
        write(&params, broker.params().to_toml().as_bytes(), true)?;
        write(&owners, &owners_list.to_bytes(), true)?;
        write(&key, format!("{}\n", vendor_key.to_hex()).as_bytes(), false)?;
        write(&coins, &funds.to_bytes(), false)?;
        self.tell(&params, &owners, &key, &coins);
        Ok(EXIT_OK)
    }

    /// Mints a period of the smallest size for this month.
    fn mint(&self) -> Result<(Broker, PathBuf), ToolError> {
        let today = SystemClock.now().day();
        let period: Period = today.rsplit_once('-').map_or("", |(month, _)| month).parse()?;
        let new = NewPeriod::new(Profile::Test, period, BROKER_URL, COIN_VALUE.parse()?);
        let config = NewPeriod { weak: true, ..new }.draw(&SystemEntropy)?;
        let path = self.out.join(&config.coinfile);
        let (directory, name) =
            DiskDirectory::of_file(&path).map_err(FileError::on("use", &path))?;
        if path.try_exists()? {
            let path = path.display();
            return Err(format!("{path} exists: a trial begins in a folder of its own").into());
        }
        let secret = secret_path(&path);
        let (secret_folder, secret_name) =
            DiskDirectory::of_file(&secret).map_err(FileError::on("use", &secret))?;
        create_key(&secret_folder, &secret_name, &SystemEntropy)?;
        MintJobBuilder::new(&directory, &name, &config).build()?.mint()?;
        Ok((open(&path, None)?, path))
    }

    fn tell(&self, params: &str, owners: &str, key: &str, coins: &str) {
        let folder = self.out.display();
        say!("wrote {folder}/, for a trial: these coins are easy to forge and worth nothing");
        say!("  {params}, {owners}: for the folder `periods` of the vendor {}", self.vendor);
        say!("  {key}: the vendor's key, with which it redeems coins; keep it secret");
        say!("  {coins}: coins for {}, read by `mmwallet receive`", self.user);
    }
}
