//! `sync`: the vendor's link to its broker.
//!
//! Input: the broker's service. Output: parameters of periods that have begun, owners and lists of
//! revoked users beside them, and batches with their results. The invariants: what is written is
//! complete and from this broker, and running servers pick it up; a broker that does not answer stops
//! nothing else, and selling goes on.

mod broker;
mod lists;
mod redemption;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use micromint::authenticator::Key;
use micromint::error::{FileError, chain};
use micromint::host::{Directory, DiskDirectory};
use micromint::identity::VendorId;
use micromint::key_file::read_key;
use micromint::period::Period;
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, say, tell};

use self::broker::Broker;
pub(crate) use self::broker::web_agent;
use crate::place::Place;

/// How often parameters, owners and lists are fetched.
const LISTS_SECONDS: u64 = 60;
/// How often the sign of the paywall is looked for, which is also the shortest time between two
/// requests for owners.
const SIGN_SECONDS: u64 = 5;
/// How often batches are sent.
const BATCHES_SECONDS: u64 = 3600;
/// The file in the till that the paywall writes when it meets an unknown set.
const SIGN_FILE: &str = "sync-wanted";

#[derive(Args)]
pub(crate) struct Sync {
    #[command(flatten)]
    place: Place,
    /// The URL of the broker's service, such as `https://broker.example`
    #[arg(long, value_name = "URL")]
    broker: String,
    /// The file with the vendor key [default: vendor.key next to the configuration]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Do everything once and end, for cron
    #[arg(long)]
    once: bool,
}

/// What all parts of the link need.
struct Link<'a> {
    place: &'a Place,
    broker: Broker,
    vendor: VendorId,
    key: Key,
    /// The folder of the till, which the server makes when it first starts.
    till: PathBuf,
    /// The folder with the parameters, owners and lists.
    periods: DiskDirectory,
}

impl Sync {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        let link = self.open()?;
        if self.once {
            let mut status = EXIT_OK;
            for result in [link.lists(), link.batches()] {
                if let Err(error) = result {
                    tell!("mmvendor: error: {}", chain(error.as_ref()));
                    status = EXIT_FAILURE;
                }
            }
            return Ok(status);
        }
        link.serve()
    }

    fn open(&self) -> Result<Link<'_>, ToolError> {
        let config = self.place.config()?;
        let path = self.place.key_file(self.key_file.as_deref());
        let (directory, name) =
            DiskDirectory::of_file(&path).map_err(FileError::on("read", &path))?;
        let key = read_key(&directory, &name)?;
        let broker = Broker::new(&self.broker, self.cacert.as_deref())?;
        let periods = DiskDirectory::new(config.periods());
        let (place, vendor) = (&self.place, config.vendor().clone());
        let till = config.till().to_path_buf();
        Ok(Link { place, broker, vendor, key, till, periods })
    }
}

impl Link<'_> {
    /// Serves until the program is ended.
    fn serve(&self) -> Result<u8, ToolError> {
        say!("mmvendor: syncing {} with {}", self.vendor, self.broker.url());
        let turns_of = |seconds: u64| seconds / SIGN_SECONDS;
        let mut sign = self.sign();
        for turn in 0u64.. {
            if turn.is_multiple_of(turns_of(LISTS_SECONDS)) {
                report(self.lists());
            } else {
                let now = self.sign();
                if now != sign {
                    report(self.owners());
                }
                sign = now;
            }
            if turn.is_multiple_of(turns_of(BATCHES_SECONDS)) {
                report(self.batches());
            }
            std::thread::sleep(Duration::from_secs(SIGN_SECONDS));
        }
        Ok(EXIT_OK)
    }

    /// The content of the file by which the paywall asks for new owners. It is a time.
    fn sign(&self) -> Option<Vec<u8>> {
        std::fs::read(self.till.join(SIGN_FILE)).ok()
    }

    /// Fetches what is new: parameters, owners, lists of revoked users.
    fn lists(&self) -> Result<(), ToolError> {
        self.params()?;
        self.owners()?;
        self.revoked()
    }

    /// The periods whose parameters are there, in order.
    fn known_periods(&self) -> Result<Vec<Period>, ToolError> {
        let path = self.periods.path();
        let names = self.periods.names().map_err(FileError::on("read", path))?;
        let mut periods: Vec<Period> =
            names.iter().filter_map(|name| name.strip_suffix(".params")?.parse().ok()).collect();
        periods.sort();
        Ok(periods)
    }
}

fn report(result: Result<(), ToolError>) {
    if let Err(error) = result {
        tell!("mmvendor: error: {}; trying again later", chain(error.as_ref()));
    }
}
