//! A broker in memory: the rules of this room as one program, for tests, examples and measurements.
//!
//! Input: a client's order, a vendor's batch, a client's return. Output: the messages that answer
//! them. The invariants: no set is sold twice and no first ball is paid twice; the coin file is
//! only read. All else is forgotten when the broker is dropped. The service `mmbrokerd` keeps the
//! same facts in a database, and its tests compare it with this one.

mod accounts;
mod compromise;
mod disputes;
mod fraud;
mod ledger;
mod owners;
mod records;
mod redemption;
mod returns;
mod sale;
mod settlement;
mod vendors;
mod watch;

use std::collections::HashSet;

use crate::authenticator::Key;
use crate::bin::Bin;
use crate::coin::CoinRules;
use crate::coin_file::{CoinFile, CoinFileError};
use crate::host::Directory;
use crate::params::Params;
use crate::protocol::Verdict;

use self::ledger::Ledger;
use super::claim::Claim;

pub use self::accounts::{BrokerStatus, UserAccount, VendorAccount};
pub use self::disputes::RulingRefusal;
pub use self::fraud::{Alarms, Suspicions, UserAlarm};
pub use self::records::{JudgedBatch, RecordedReturn, RecordedSale, Section};
pub use self::redemption::BatchAnswer;
pub use self::watch::WatchAnswer;

/// The broker of one period, which keeps its records in memory.
///
/// ```
/// use micromint::broker::MemoryBroker;
/// use micromint::coin_file::SECRET_NAME;
/// use micromint::host::{DiskDirectory, SystemEntropy};
/// use micromint::key_file::create_key;
/// use micromint::reply::Reply;
/// # use micromint::minting::{MintJobBuilder, NewPeriod, Profile};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = "https://broker.example/";
/// # let new = NewPeriod::new(Profile::Test, "2026-12".parse()?, url, "0.01 USD".parse()?);
/// # let config = NewPeriod { weak: true, ..new }.draw(&SystemEntropy)?;
/// # let folder = tempfile::tempdir()?;
/// let directory = DiskDirectory::new(folder.path());
/// # MintJobBuilder::new(&directory, "2026-12.coins", &config)
/// #     .build()?
/// #     .mint()?;
/// let secret = create_key(&directory, SECRET_NAME, &SystemEntropy)?;
/// let mut broker = MemoryBroker::open(&directory, "2026-12.coins", secret)?;
///
/// let (alice, now) = ("alice".parse()?, "2026-12-15T12:00:00Z".parse()?);
/// match broker.withdraw(&alice, 2, 1, now)? {
///     Reply::Granted(funds) => assert_eq!(funds.sets.len(), 2),
///     Reply::Refused(refusal) => panic!("{refusal}"),
/// }
/// match broker.withdraw(&alice, 100, 2, now)? {
///     Reply::Granted(_) => panic!("the file has 32 sets"),
///     Reply::Refused(refusal) => {
///         assert_eq!(refusal.to_string(), "sold out: sets wanted 100, sets left 30");
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct MemoryBroker {
    coin_file: CoinFile,
    rules: CoinRules,
    secret: Key,
    ledger: Ledger,
    /// A claim for each coin of each batch and watch and each ball of each return, in order of
    /// time.
    claims: Vec<Claim>,
    /// The first bins that were paid or credited.
    paid: HashSet<Bin>,
    threads: usize,
}

impl MemoryBroker {
    /// Opens a broker that has sold nothing, on the complete coin file `name`.
    ///
    /// # Errors
    /// The coin file cannot be used.
    pub fn open(
        directory: &dyn Directory,
        name: &str,
        secret: Key,
    ) -> Result<MemoryBroker, CoinFileError> {
        let coin_file = CoinFile::open_read(directory, name)?;
        Ok(MemoryBroker {
            rules: CoinRules::new(coin_file.params().clone()),
            coin_file,
            secret,
            ledger: Ledger::default(),
            claims: Vec::new(),
            paid: HashSet::new(),
            threads: 1,
        })
    }

    /// Sets the number of threads that examine batches. Each needs memory of its own, about 100 MB
    /// for a large batch. The default is 1.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// The parameters of the period.
    pub fn params(&self) -> &Params {
        self.coin_file.params()
    }

    /// Whether each of the first balls `bins` is paid.
    fn are_paid(&self, bins: &[Bin]) -> Vec<bool> {
        bins.iter().map(|bin| self.paid.contains(bin)).collect()
    }

    /// Notes these first balls as paid or credited.
    fn note_paid(&mut self, bins: impl IntoIterator<Item = Bin>) {
        self.paid.extend(bins);
    }

    fn add_claims(&mut self, claims: Vec<Claim>) -> Section {
        let section = Section { start: self.claims.len(), count: claims.len() };
        self.claims.extend(claims);
        section
    }

    /// The claims of a section with the verdicts when they were judged.
    fn claims(&self, section: &Section) -> &[Claim] {
        &self.claims[section.start..section.start + section.count]
    }

    /// The claims of a section with their current verdicts: the settlement, once made, and persons
    /// decide those that wait.
    fn claims_today(&self, section: &Section) -> Vec<Claim> {
        let today = |(number, claim): (u64, &Claim)| match claim.verdict {
            Verdict::Waiting => {
                let verdict = self.verdict_today(number).unwrap_or(Verdict::Waiting);
                Claim { verdict, ..*claim }
            }
            _ => *claim,
        };
        (section.start as u64..).zip(self.claims(section)).map(today).collect()
    }
}
