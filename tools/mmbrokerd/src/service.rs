//! What the broker does: the operations between the interface and the database.
//!
//! Input: messages whose sender is known. Output: answers. The invariant: an answer is given after
//! its transaction is durable, and the same request again gets the same answer.

mod disputes;
mod give_back;
mod guard;
mod mark;
mod owners;
mod period;
mod reading;
mod redeem;
mod refused;
mod relocate;
mod reports;
mod sale;
mod settle;
mod shown;
mod vendors;
mod witness;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use micromint::authenticator::Key;
use micromint::coin_file::{CoinFile, CoinFileError};
use micromint::error::FileError;
use micromint::host::{Clock, Directory, DiskDirectory};
use micromint::params::normal_broker_url;
use micromint::period::Period;
use micromint::protocol::Payment;
use micromint::time::UnixTime;
use sha2::{Digest, Sha256};

use crate::store::{Store, StoreError};

use self::guard::Guard;
use self::witness::Witness;

pub use self::give_back::ReturnAnswer;
pub use self::guard::{
    BLOCK_SUPERBINS, FORGOTTEN_RUNS_MAX, PAYOUTS, ReleaseRefusal, Restore, RestoreRefusal,
    RestoredPeriod,
};
pub use self::mark::Marked;
pub use self::owners::OwnersRefusal;
pub use self::period::OpenPeriod;
pub use self::redeem::{Answered, BatchReply, PART_COINS_MAX, PART_TIME_MAX, PIECE_SIZE, Upload};
pub use self::refused::RefusedList;
pub use self::relocate::MoveRefusal;
pub use self::reports::{PeriodReport, Suspicions, UserAlarm, UserReport, VendorReport};
pub use self::sale::{GROUP_SALES_MAX, SaleAnswer, SaleOrder, Trial};
pub use self::shown::WatchReply;
pub use self::vendors::{KEYS_AHEAD_MAX, KeyReplaced, VendorKey};
pub use self::witness::{Behind, PERIOD_WITNESS_LEN_MAX, Progress};

/// The ending of the names of coin files.
const COIN_FILE_ENDING: &str = ".coins";

/// The running broker.
pub struct Service {
    store: Store,
    secret: Key,
    guard: Guard,
    clock: Arc<dyn Clock>,
    periods: RwLock<BTreeMap<Period, Arc<OpenPeriod>>>,
    /// How many threads examine a batch.
    threads: usize,
    /// The most coins that one transaction judges.
    part_coins: usize,
    /// How many coins one transaction judges now, so that it takes less than [`PART_TIME_MAX`].
    pace: AtomicUsize,
    /// The staged batches that requests of this process judge.
    in_work: Mutex<BTreeSet<i64>>,
    /// Who works with it, if that is a person: what it changes is in the audit log under this name.
    by: Option<&'static str>,
    /// The public URL, if it is known.
    url: Option<String>,
    /// The coin files that name another broker, and what is wrong with them.
    other_files: Mutex<BTreeMap<String, String>>,
}

/// The broker cannot work, or could not answer.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A coin file cannot be used.
    #[error(transparent)]
    CoinFile(#[from] CoinFileError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database was made with another secret.
    #[error(
        "the secret is not the one that this database was made with: its users' and vendors' keys \
         would change. Use the broker.secret that belongs to the database"
    )]
    OtherSecret,
    /// The parameters of a coin file differ from those in the database.
    #[error(
        "{}: the parameters differ from those of period {period} in the database",
        path.display()
    )]
    OtherParams {
        /// The coin file.
        path: PathBuf,
        /// The period.
        period: Period,
    },
    /// A coin file is of a broker with another URL: wallets would refuse its coins.
    #[error(
        "{}: its coins name the broker {found}, and this broker is {expected}: wallets would \
         refuse them. Nothing of it is sold. If the URL in the configuration is wrong, mend it; \
         else mint the period with --broker {expected}",
        path.display()
    )]
    OtherBroker {
        /// The coin file.
        path: PathBuf,
        /// The URL of this broker.
        expected: String,
        /// The URL in the coin file.
        found: String,
    },
    /// A coin file is a marked copy.
    #[error(
        "{}: it is marked as sold up to superbin {next}, as `mmbroker mark` does in copies; use \
         the coin file as it was minted",
        path.display()
    )]
    Marked {
        /// The coin file.
        path: PathBuf,
        /// The next superbin to sell, by the coin file.
        next: u64,
    },
    /// A background thread failed, or the service ends.
    #[error("the request was given up: {0}")]
    GivenUp(&'static str),
}

impl Service {
    /// Opens the broker on a database with this secret. `witness` is the file of the witness, which
    /// is made with the database; without one, the service remembers only what it did itself. If
    /// the database is older than its witness, the service opens, and changes nothing
    /// ([`Service::halted`]).
    ///
    /// # Errors
    /// The database cannot be used, or was made with another secret, or the witness cannot be read
    /// or written.
    pub async fn open(
        store: Store,
        secret: Key,
        witness: Option<&Path>,
        clock: Arc<dyn Clock>,
    ) -> Result<Service, ServiceError> {
        let tag = secret_tag(&secret);
        let (generation, found) = store.identity(&tag).await?;
        if found != tag {
            return Err(ServiceError::OtherSecret);
        }
        let witness = Witness::read(witness, &secret).map_err(StoreError::Witness)?;
        let progress = store.progress().await?;
        let is_new = generation == 1 && progress.numbers.is_empty();
        witness.begin(&progress, is_new).map_err(StoreError::Witness)?;
        let guard = Guard::new(store.clone(), witness, generation);
        let threads = std::thread::available_parallelism().map_or(1, Into::into);
        let periods = RwLock::default();
        let (part_coins, pace) = (PART_COINS_MAX, AtomicUsize::new(PART_COINS_MAX));
        Ok(Service {
            store,
            secret,
            guard,
            clock,
            periods,
            threads,
            part_coins,
            pace,
            in_work: Mutex::default(),
            by: None,
            url: None,
            other_files: Mutex::default(),
        })
    }

    /// Sets the most coins that one transaction judges, at least 1. The default is
    /// [`PART_COINS_MAX`].
    pub fn set_part_coins(&mut self, coins: usize) {
        self.part_coins = coins.max(1);
    }

    /// Says who works with the broker: sales, returns, batches, watches, registrations and
    /// settlements are in the audit log under this name. Without it they are the acts of those who
    /// sent a message, and are not in the log.
    pub fn set_by(&mut self, by: &'static str) {
        self.by = Some(by);
    }

    /// Says what the broker's public URL is, which coins have to name.
    pub fn set_url(&mut self, url: &str) {
        self.url = Some(normal_broker_url(url));
    }

    /// The broker's public URL in its normal form, if it is known.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// What is wrong with the coin files of the periods that are not settled: one is missing, or
    /// names another broker.
    ///
    /// # Errors
    /// The database failed.
    pub async fn coin_file_faults(&self) -> Result<Vec<String>, ServiceError> {
        let mut faults: Vec<String> = self.other_files().values().cloned().collect();
        for row in self.store.periods().await? {
            let (period, path) = (row.params.period(), &row.coin_file);
            if row.settled_at.is_some() {
                continue;
            }
            match (self.period(period), &self.url) {
                (None, _) => faults.push(format!(
                    "period {period}: {path}: there is no complete coin file, so nothing of the \
                     period is sold, judged or settled; put it back"
                )),
                (Some(_), Some(url)) if *url != row.params.raw().broker => faults.push(format!(
                    "period {period}: its coins name the broker {}, and this broker is {url}: \
                     wallets refuse them, and vendors accept periods of one broker only; mend \
                     the URL in the configuration, or sell no more of the period",
                    row.params.raw().broker
                )),
                _ => {}
            }
        }
        Ok(faults)
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The broker's secret.
    pub(crate) fn secret(&self) -> &Key {
        &self.secret
    }

    /// The time.
    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Whether a payment is signed by its payer, who has the key since the first purchase. Nobody
    /// else can make one up.
    pub fn is_signed(&self, payment: &Payment) -> bool {
        let key = self.secret.user_key(&payment.period, &payment.user);
        payment.record().is_authentic(&key, &payment.vendor)
    }

    fn other_files(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.other_files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells once of a coin file of another broker.
    fn note_other(&self, name: &str, error: &ServiceError) {
        let why = error.to_string();
        let before = self.other_files().insert(name.to_string(), why.clone());
        if before.as_ref() != Some(&why) {
            micromint_console::tell!("warning: {why}");
        }
    }

    /// Registers and opens the complete coin files of a folder that are not open yet; one that
    /// names another broker is told of, and left. Returns the names of those that are open now.
    ///
    /// # Errors
    /// The folder cannot be read, a coin file is damaged, or its parameters are not those in the
    /// database.
    pub async fn open_coin_files(&self, folder: &Path) -> Result<Vec<Period>, ServiceError> {
        let directory = DiskDirectory::new(folder);
        let names = directory.names().map_err(FileError::on("read", folder))?;
        let mut opened = Vec::new();
        for name in names.iter().filter(|name| name.ends_with(COIN_FILE_ENDING)) {
            let coin_file = match CoinFile::open_read(&directory, name) {
                Ok(coin_file) => coin_file,
                // It is still being minted.
                Err(CoinFileError::Incomplete { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let period = coin_file.params().period().clone();
            if self.period(&period).is_none() {
                match self.add_period(coin_file, &folder.join(name)).await {
                    Ok(()) => opened.push(period),
                    // The other periods go on.
                    Err(error @ ServiceError::OtherBroker { .. }) => self.note_other(name, &error),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(opened)
    }

    /// Registers a period and opens it.
    ///
    /// # Errors
    /// As for [`Service::open_coin_files`].
    pub async fn add_period(&self, coin_file: CoinFile, path: &Path) -> Result<(), ServiceError> {
        let params = coin_file.params().clone();
        let period = params.period().clone();
        // The service never writes this number.
        let next = coin_file.next_superbin()?;
        if next != 0 {
            return Err(ServiceError::Marked { path: path.to_path_buf(), next });
        }
        // A period that is known goes on: a broker may have moved.
        if let Some(expected) = self.url.as_ref().filter(|url| **url != params.raw().broker)
            && self.store.period(&period).await?.is_none()
        {
            let (path, found) = (path.to_path_buf(), params.raw().broker.clone());
            return Err(ServiceError::OtherBroker { path, expected: expected.clone(), found });
        }
        self.store.add_period(&params, &path.display().to_string()).await?;
        let row = self.store.period(&period).await?;
        if row.is_none_or(|row| row.params != params) {
            return Err(ServiceError::OtherParams { path: path.to_path_buf(), period });
        }
        let (open, queue) = OpenPeriod::new(coin_file);
        let mut periods = self.periods.write().unwrap_or_else(|broken| broken.into_inner());
        if let Entry::Vacant(vacant) = periods.entry(period) {
            let guard = self.guard.clone();
            sale::start_seller(self.store.clone(), guard, Arc::clone(&open), queue);
            vacant.insert(open);
        }
        Ok(())
    }

    /// An open period.
    pub fn period(&self, period: &Period) -> Option<Arc<OpenPeriod>> {
        let periods = self.periods.read().unwrap_or_else(|broken| broken.into_inner());
        periods.get(period).cloned()
    }

    /// All open periods, in the order of their names.
    pub fn periods(&self) -> Vec<Arc<OpenPeriod>> {
        let periods = self.periods.read().unwrap_or_else(|broken| broken.into_inner());
        periods.values().cloned().collect()
    }
}

/// Calls a function that reads files or computes for long on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ServiceError::GivenUp("a thread failed or the service ends"))
}

/// What of the secret stands in the database: it does not tell the secret.
fn secret_tag(secret: &Key) -> Vec<u8> {
    let digest = Sha256::new().chain_update("micromint secret tag").chain_update([0]);
    digest.chain_update(secret.as_bytes()).finalize()[..16].to_vec()
}
