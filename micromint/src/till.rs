//! The vendor's till: a permanent record of which coins were spent here (thesis 3.3.1, "daily
//! logs").
//!
//! Input: payments whose coins are good. Output: whether a payment was recorded, is a retry, is
//! over the user's cap, or has a coin that was spent before.
//!
//! The invariant: if several processes and threads (nginx workers, Apache children, both servers)
//! present the same coin, exactly one of them records it. This holds across reloads, restarts and
//! `kill -9`, and a recorded payment is never forgotten. [`SyncMode`] says what a power cut can
//! lose.
//!
//! The till is a directory. Its journals, one for each UTC day, are authoritative. Its indexes, one
//! for each period, make lookups cheap and can always be rebuilt. One lock guards all files. The
//! format is in `docs/reference/till.md`.

mod batch_records;
mod batches;
mod decide;
mod nonblocking;
mod position;
mod promises;
mod record;
mod removed;
mod spend;
mod store;
mod syncing;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bin::Bin;
use crate::error::FileError;
use crate::host::{Clock, Directory, Entropy, ExclusiveLock, File, Open};
use crate::journal::JournalError;
use crate::period::Period;
use crate::protocol::{COINS_PER_PAYMENT_MAX, IdError, PAYMENT_SIZE_MAX};
use crate::time::UnixTime;

use decide::{decide, obstacle, retried, retry, reverse};
use position::MARK_SIZE;
use promises::Promises;
use store::Store;
use syncing::{Syncing, Wanted};
use table::TableError;

pub use batches::Batch;
pub(crate) use batches::Batches;
pub(crate) use position::Position;
pub(crate) use position::day_of_journal;
pub(crate) use record::{RecordedPayment, TillRecord};
pub(crate) use removed::{PaidFor, PaidSum, RemovedIncome};
pub use spend::{Spend, fingerprint};
pub(crate) use store::{LOCK_NAME, LockedStore, days_on_disk, scan, scan_on};
pub use syncing::SyncMode;

/// Whether a till has files of this name.
pub(crate) fn is_till_file(name: &str) -> bool {
    let names = [LOCK_NAME, batches::JOURNAL_NAME, removed::JOURNAL_NAME, promises::PROMISES_NAME];
    names.contains(&name) || day_of_journal(name).is_some() || store::is_index(name)
}

/// How long a payment can be reversed after it was recorded, in seconds. Redemption skips payments
/// that are not older.
pub(crate) const REVERSAL_SECONDS: i64 = 600;
/// How many bytes the journals may grow after a checkpoint before the next one. Opening the till
/// reads about that much again.
const CHECKPOINT_SIZE: u64 = 16 * 1024 * 1024;

/// An open till. Each process opens its own, after `fork`; threads can share it.
///
/// ```
/// use std::sync::Arc;
///
/// use micromint::bin::Bin;
/// use micromint::host::{SimulatedDirectory, SystemClock, SystemEntropy};
/// use micromint::till::{Spend, Spent, SyncMode, Till};
///
/// let directory = Box::new(SimulatedDirectory::new());
/// let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
/// let till = Till::open(directory, SyncMode::Os, clock, entropy)?;
///
/// let (period, user) = ("2026-12".parse()?, "alice".parse()?);
/// let first_bins = [Bin { superbin: 4, subbin: 7 }];
/// let payment = Spend::new(&period, &user, &first_bins, b"the Payment message", [1; 32])
///     .with_receipt_seconds(3600);
/// assert!(matches!(till.spend(&payment)?, Spent::Recorded(_)));
/// assert!(matches!(till.spend(&payment)?, Spent::Retry { .. }));
///
/// let another = Spend::new(&period, &user, &first_bins, b"another message", [2; 32]);
/// assert_eq!(till.spend(&another)?, Spent::AlreadySpent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Till {
    store: Mutex<Store>,
    directory: Arc<dyn Directory>,
    lock: Arc<dyn File>,
    lock_path: PathBuf,
    syncing: Syncing,
    promises: Promises,
    clock: Arc<dyn Clock>,
    is_checkpointing: AtomicBool,
    counters: TillCounters,
}

/// The answer to a [`Spend`]. If several answers apply, it is the first of [`Spent::Retry`],
/// [`Spent::PeriodClosed`], [`Spent::CapReached`] and [`Spent::AlreadySpent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// The payment was recorded, and its coins are now spent.
    Recorded(PaymentId),
    /// The same payment was recorded before: serve it again without a charge.
    Retry {
        /// When it was recorded.
        recorded_at: UnixTime,
    },
    /// The period is over: payments of it were redeemed and removed, so the till no longer knows
    /// which of its coins were spent. Nothing was recorded.
    PeriodClosed,
    /// The payment would exceed the user's cap. Nothing was recorded.
    CapReached,
    /// A coin was spent here before. Nothing was recorded.
    AlreadySpent,
}

/// Identifies a recorded payment, so that it can be reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PaymentId(Position);

/// The answer to [`Till::reverse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// The payment is reversed, and its coins are unspent.
    Reversed,
    /// The payment stays recorded: it was retried, is older than 600 seconds, is being redeemed or
    /// was reversed before.
    Void,
}

/// What this process did since it opened the till.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TillTotals {
    /// The number of recorded payments.
    pub payments: u64,
    /// The number of their coins.
    pub coins: u64,
    /// The number of retries.
    pub retries: u64,
    /// The number of reversed payments.
    pub reversals: u64,
    /// The number of payments over a user's cap.
    pub over_cap: u64,
    /// The number of payments with a spent coin.
    pub already_spent: u64,
}

#[derive(Default)]
struct TillCounters {
    payments: AtomicU64,
    coins: AtomicU64,
    retries: AtomicU64,
    reversals: AtomicU64,
    over_cap: AtomicU64,
    already_spent: AtomicU64,
}

/// The till cannot answer. Serve nothing for the payment in question.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TillError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A journal is broken, unreadable, deleted or cut.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The till's directory is on a network file system.
    #[error(
        "{}: is on a network file system, where locks are not reliable; use a local disk",
        .0.display()
    )]
    OnNetwork(PathBuf),
    /// The lock file was deleted.
    #[error(
        "{}: was deleted while in use; stop all servers that use this till, then start them",
        .0.display()
    )]
    LockDeleted(PathBuf),
    /// A sync failed: whatever was recorded since the last successful one may be lost.
    #[error(
        "an earlier sync of the till failed; check the disk: the server opens the till again by itself"
    )]
    SyncFailed,
    /// The mark is damaged. Only what reads the till without its lock says so: the next payment
    /// makes the mark again.
    #[error("{}: its mark is damaged; the next payment at this till makes it again", .0.display())]
    Mark(PathBuf),
    /// The till made an identifier that its own protocol refuses.
    #[error("cannot make an identifier: {0}")]
    Id(#[from] IdError),
    /// An index is damaged, although it was just rebuilt.
    #[error("an index of the till is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// An index has reached its largest size.
    #[error("an index of the till has reached its largest size")]
    Full,
    /// The till holds payments of too many periods.
    #[error("the till has payments of more than 1000 periods; redeem and prune first")]
    TooManyPeriods,
    /// The payment has too few or too many coins, or its message is too large.
    #[error(
        "expected 1 to {COINS_PER_PAYMENT_MAX} different first bins and at most \
         {PAYMENT_SIZE_MAX} bytes, found {bins} in {bytes} bytes"
    )]
    Spend {
        /// The number of first bins.
        bins: usize,
        /// The size of the message, in bytes.
        bytes: usize,
    },
    /// A thread could not be started.
    #[error("cannot start the till's thread: {0}")]
    Thread(#[from] io::Error),
}

impl From<TableError> for TillError {
    fn from(error: TableError) -> TillError {
        match error {
            TableError::File(error) => error.into(),
            TableError::Full => TillError::Full,
            damaged @ TableError::Damaged { .. } => {
                TillError::Damaged { what: damaged.to_string() }
            }
        }
    }
}

impl Till {
    /// Creates the permanent `lock` file in an existing directory, so that its owner can be set
    /// before workers open the till. Changes nothing in an existing till.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn prepare(directory: &dyn Directory) -> Result<(), TillError> {
        let path = directory.path().join(LOCK_NAME);
        directory.open(LOCK_NAME, Open::Create).map_err(FileError::on("make", &path))?;
        Ok(directory.sync().map_err(FileError::on("sync", directory.path()))?)
    }

    /// Opens the till in `directory`, which may be empty, and brings its indexes up to date. Each
    /// process calls this for itself, after `fork`.
    ///
    /// # Errors
    /// A file cannot be read or written, a journal is broken or was deleted, or the directory is on
    /// a network file system.
    pub fn open(
        directory: Box<dyn Directory>,
        sync: SyncMode,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Till, TillError> {
        let directory: Arc<dyn Directory> = Arc::from(directory);
        let path = directory.path().to_path_buf();
        if directory.is_on_network().map_err(FileError::on("inspect", &path))? {
            return Err(TillError::OnNetwork(path));
        }
        let lock_path = path.join(LOCK_NAME);
        let lock: Arc<dyn File> = Arc::from(
            directory.open(LOCK_NAME, Open::Create).map_err(FileError::on("open", &lock_path))?,
        );
        let mut store = Store::new(Arc::clone(&directory), Arc::clone(&lock), entropy);
        {
            let held =
                ExclusiveLock::new(lock.as_ref()).map_err(FileError::on("lock", &lock_path))?;
            drop(LockedStore::recover(&mut store, &held)?);
            lock.map(MARK_SIZE as u64);
        }
        let store = Mutex::new(store);
        let syncing = Syncing::new(sync)?;
        let (is_checkpointing, counters) = (AtomicBool::new(false), TillCounters::default());
        let promises = Promises::new(Arc::clone(&directory));
        let till = Till {
            store,
            directory,
            lock,
            lock_path,
            syncing,
            promises,
            clock,
            is_checkpointing,
            counters,
        };
        till.keep_promises();
        Ok(till)
    }

    /// Records a payment if none of its coins is spent. When this returns [`Spent::Recorded`] or
    /// [`Spent::Retry`], the payment is as durable as the [`SyncMode`] promises.
    ///
    /// # Errors
    /// The till cannot answer; serve nothing. Usually nothing was recorded. If the payment was
    /// recorded nevertheless, sending it again is a retry.
    pub fn spend(&self, spend: &Spend<'_>) -> Result<Spent, TillError> {
        spend.check_bounds()?;
        if self.promises.are_owed.load(Ordering::Relaxed) {
            self.keep_promises();
        }
        let now = self.clock.now();
        let ((spent, wanted), is_checkpoint_due) = self.locked_at(now, |store| {
            let decided = decide(store, spend, now)?;
            Ok((decided, store.since_checkpoint() > CHECKPOINT_SIZE))
        })?;
        self.sync_by_mode(wanted)?;
        self.counters.count(&spent, spend.first_bins.len() as u64);
        if is_checkpoint_due {
            self.checkpoint();
        }
        Ok(spent)
    }

    /// The answer that [`Till::spend`] would return, without recording anything; `None` stands for
    /// [`Spent::Recorded`].
    ///
    /// # Errors
    /// The till cannot answer.
    pub fn would(&self, spend: &Spend<'_>) -> Result<Option<Spent>, TillError> {
        spend.check_bounds()?;
        let now = self.clock.now();
        self.locked_at(now, |store| {
            let first = store.find(spend.period, spend.first_bins[0])?;
            if let Some(recorded_at) =
                retried(&first, &spend.fingerprint, spend.receipt_seconds, now)
            {
                return Ok(Some(Spent::Retry { recorded_at }));
            }
            obstacle(store, spend, &first, now)
        })
    }

    /// Looks for a retry: a payment with this fingerprint and this first bin of its first coin that
    /// was recorded at most `receipt_seconds` ago and not reversed. Records the retry and returns
    /// when the payment was recorded. For payments that cannot be recorded now, for example because
    /// their period has ended.
    ///
    /// # Errors
    /// The till cannot answer.
    pub(crate) fn find_retry(
        &self,
        period: &Period,
        first_bin: Bin,
        fingerprint: &[u8; 32],
        receipt_seconds: i64,
    ) -> Result<Option<UnixTime>, TillError> {
        let now = self.clock.now();
        let (found, wanted) = self.locked_at(now, |store| {
            let found = store.find(period, first_bin)?;
            retry(store, &found, fingerprint, receipt_seconds, now)
        })?;
        self.sync_by_mode(wanted)?;
        if found.is_some() {
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
        }
        Ok(found)
    }

    /// The answer that [`Till::find_retry`] would return, without recording anything.
    ///
    /// # Errors
    /// The till cannot answer.
    pub(crate) fn had_retry(
        &self,
        period: &Period,
        first_bin: Bin,
        fingerprint: &[u8; 32],
        receipt_seconds: i64,
    ) -> Result<Option<UnixTime>, TillError> {
        let now = self.clock.now();
        self.locked(|store| {
            Ok(retried(&store.find(period, first_bin)?, fingerprint, receipt_seconds, now))
        })
    }

    /// Reverses a payment, for the request that recorded it and failed later.
    ///
    /// # Errors
    /// The till cannot answer; the payment is not reversed.
    pub fn reverse(&self, id: PaymentId) -> Result<Reversal, TillError> {
        let now = self.clock.now();
        let reversal = self.reverse_promised(id.0, |store| reverse(store, id.0, now, now));
        if reversal.is_err() {
            self.promises.are_owed.store(true, Ordering::Relaxed);
        }
        reversal
    }

    /// Reverses a payment by `act`, and removes the promise to do so.
    fn reverse_promised(
        &self,
        at: Position,
        act: impl Fn(&mut LockedStore<'_>) -> Result<(Reversal, Option<Wanted>), TillError>,
    ) -> Result<Reversal, TillError> {
        let (reversal, wanted) = self.locked(act)?;
        self.sync_by_mode(wanted)?;
        if reversal == Reversal::Reversed {
            self.counters.reversals.fetch_add(1, Ordering::Relaxed);
        }
        if self.promises.remove(at).is_err() {
            // The promise is handled again later, which changes nothing.
            self.promises.are_owed.store(true, Ordering::Relaxed);
        }
        Ok(reversal)
    }

    /// What this process did since it opened the till.
    pub fn totals(&self) -> TillTotals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TillTotals {
            payments: read(&self.counters.payments),
            coins: read(&self.counters.coins),
            retries: read(&self.counters.retries),
            reversals: read(&self.counters.reversals),
            over_cap: read(&self.counters.over_cap),
            already_spent: read(&self.counters.already_spent),
        }
    }

    /// The time of the till's clock.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The till's directory.
    pub(crate) fn directory(&self) -> &dyn Directory {
        self.directory.as_ref()
    }

    /// The till's directory, as a shared handle.
    pub(super) fn shared_directory(&self) -> Arc<dyn Directory> {
        Arc::clone(&self.directory)
    }

    /// Calls `act` under the lock, with the indexes up to date. If it finds an index damaged, the
    /// indexes are rebuilt and `act` is called a second time. So `act` must not return
    /// [`TillError::Damaged`] after it changed something.
    pub(crate) fn locked<T>(
        &self,
        act: impl Fn(&mut LockedStore<'_>) -> Result<T, TillError>,
    ) -> Result<T, TillError> {
        self.locked_at(self.clock.now(), act)
    }

    /// [`Till::locked`], for a caller that has just read the clock.
    fn locked_at<T>(
        &self,
        now: UnixTime,
        act: impl Fn(&mut LockedStore<'_>) -> Result<T, TillError>,
    ) -> Result<T, TillError> {
        if self.syncing.has_failed() {
            return Err(TillError::SyncFailed);
        }
        // The state is usable after a panic: what matters is read again from the files.
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = ExclusiveLock::new(self.lock.as_ref());
        let lock = lock.map_err(FileError::on("lock", &self.lock_path))?;
        let mut store = LockedStore::catch_up(&mut store, &lock, now)?;
        match act(&mut store) {
            Err(TillError::Damaged { .. }) => {
                store.rebuild()?;
                act(&mut store)
            }
            done => done,
        }
    }

    fn sync_by_mode(&self, wanted: Option<Wanted>) -> Result<(), TillError> {
        wanted.map_or(Ok(()), |wanted| self.syncing.sync_by_mode(wanted))
    }

    /// Makes a checkpoint, unless another thread or process is making one.
    fn checkpoint(&self) {
        if self.is_checkpointing.swap(true, Ordering::AcqRel) {
            return;
        }
        let begun = self.locked(|store| match store.since_checkpoint() > CHECKPOINT_SIZE {
            true => store.begin_checkpoint().map(Some),
            false => Ok(None),
        });
        if let Ok(Some(checkpoint)) = begun {
            // This payment is recorded; a failed sync is an error for later ones.
            match checkpoint.sync() {
                Ok(()) => drop(self.locked(|store| store.finish_checkpoint(&checkpoint))),
                Err(_) => self.syncing.fail(),
            }
        }
        self.is_checkpointing.store(false, Ordering::Release);
    }
}

impl TillCounters {
    fn count(&self, spent: &Spent, coins: u64) {
        let counter = match spent {
            Spent::Recorded(_) => {
                self.coins.fetch_add(coins, Ordering::Relaxed);
                &self.payments
            }
            Spent::Retry { .. } => &self.retries,
            Spent::PeriodClosed => return,
            Spent::CapReached => &self.over_cap,
            Spent::AlreadySpent => &self.already_spent,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
