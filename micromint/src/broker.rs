//! The broker: it sells sets, redeems coins and credits returned coins (thesis 3.2).
//!
//! Input: a client's order, a vendor's batch, a client's return. Output: the messages that answer
//! them. The broker's journal is authoritative; the sold flags and status bits of the coin file are
//! replayed from it.
//!
//! The invariants: a sale is durable before its coins are sent, and a redemption before its
//! verdicts are. No set is sold twice and no first ball is paid twice, even after crashes and with
//! several processes on the same coin file. Who is paid is decided by pure functions of facts; this
//! room also reads and keeps the facts.
//!
//! For a coin file `F` there are `F.journal` (the journal) and `F.claims` (a verdict for every
//! coin); the formats are in `docs/reference/broker.md`. A process acts as the broker while it
//! holds the lock of the coin file.

// The rules: pure functions of facts.
mod rank;

mod award;

mod decide;

mod evidence;

mod blocking;

// What is recorded.
mod record;

mod claim;

mod claims_file;

mod ledger;

// Operations, in the order of a coin's life.
mod sold;

mod delivery;

mod sale;

mod examine;

mod examine_return;

mod redemption;

mod watch;

mod shown;

mod returns;

mod settlement;

mod disputes;

mod vendors;

mod compromise;

// Reports.
mod accounts;

mod fraud;

mod owner_list;

mod rejected;

#[cfg(test)]
mod tests;

use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use crate::authenticator::Key;
use crate::bin::Bin;
use crate::coin::CoinRules;
use crate::coin_file::{self, CoinFile, CoinFileError, SaleState, Status};
use crate::error::FileError;
use crate::host::{Directory, Entropy, ExclusiveLock, File, Open};
use crate::journal::{CaughtUp, Journal, JournalError};
use crate::params::Params;
use crate::protocol::Verdict;

pub use self::accounts::{BrokerStatus, UserAccount, VendorAccount};
pub use self::award::{
    Award, Contender, Ruling, Sums, award, award_after, contenders, is_held, verdict_after,
};
pub use self::blocking::{Blocks, Conduct, FaultyHour, Served, blocks};
pub use self::claim::{Buyer, CLAIM_SIZE, Claim, Facts};
use self::claims_file::ClaimsFile;
pub use self::claims_file::{ClaimsError, Section};
pub use self::compromise::CompromiseRefusal;
pub use self::decide::{claimed_bins, decide, decide_return, returned_bins, set_too_late};
pub use self::delivery::{delivered_coins, delivered_first_balls, sold_set};
pub use self::disputes::{Dispute, RulingOutcome, RulingRefusal};
pub use self::evidence::{Evidence, Findings, Offender, Suspect};
pub use self::examine::{ExaminedCoin, ExaminedPayment, Examiner};
pub use self::examine_return::{ExaminedBall, examine_return};
pub use self::fraud::{Alarms, Suspicions, UserAlarm, VendorAlarm, served_by};
use self::ledger::Ledger;
pub use self::rank::{Rank, Source};
use self::record::BrokerRecord;
pub use self::record::{BinRange, JudgedBatch, RecordedReturn, RecordedSale};
pub use self::redemption::{Alarm, BatchAnswer, BatchRefusal};
pub use self::rejected::{rejected_coins, rejected_coins_end};
pub use self::returns::{RETURNS_PER_USER_MAX, ReturnFacts, ReturnRefusal, return_refusal};
pub use self::sale::{SaleFacts, SaleRefusal, sale_refusal};
use self::settlement::Decided;
use self::shown::Shown;
pub use self::shown::WATCH_COINS_PER_HOUR_MAX;
pub use self::sold::Sold;
pub use self::vendors::VendorRefusal;
pub use self::watch::WatchAnswer;

/// The kind of the broker's journal.
const JOURNAL_KIND: &str = "broker";

/// The broker of one period.
///
/// ```
/// use micromint::broker::Broker;
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
/// let mut broker = Broker::open(&directory, "2026-12.coins", secret, &SystemEntropy)?;
///
/// let (alice, now) = ("alice".parse()?, "2026-12-15T12:00:00Z".parse()?);
/// match broker.withdraw(&alice, 2, 1, now)? {
///     Reply::Granted(funds) => assert_eq!(funds.sets.len(), 2),
///     Reply::Refused(refusal) => panic!("{refusal}"),
/// }
/// match broker.withdraw(&alice, 100, 2, now)? {
///     Reply::Granted(_) => panic!("the file has 32 sets"),
///     Reply::Refused(refusal) => {
///         assert_eq!(refusal.to_string(), "sold out: 100 sets wanted, 30 remain");
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Broker {
    coin_file: CoinFile,
    rules: CoinRules,
    secret: Key,
    journal: Journal,
    claims: ClaimsFile,
    lock: Arc<dyn File>,
    ledger: Ledger,
    shown: Shown,
    threads: usize,
    /// A write failed, so the state may lack records that are on the disk.
    in_doubt: bool,
}

/// Why the broker cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The coin file cannot be used.
    #[error(transparent)]
    CoinFile(#[from] CoinFileError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The claims file cannot be used.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// A record of the journal is invalid.
    #[error("the broker's journal at offset {at}: {why}")]
    Record {
        /// The offset of the record.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// The journal ends before the offset up to which the coin file reflects it.
    #[error(
        "the coin file reflects the broker's journal up to offset {applied}, but the journal ends \
         at {end}: it was lost or replaced; restore it"
    )]
    JournalLost {
        /// The offset in the coin file.
        applied: u64,
        /// The end of the journal.
        end: u64,
    },
    /// An earlier write failed.
    #[error("an earlier write of the broker's files failed; open them again")]
    InDoubt,
    /// The coin file is on a network file system.
    #[error(
        "the coin file is on a network file system, where locks are not reliable; use a local disk"
    )]
    OnNetwork,
}

impl Broker {
    /// Opens the broker of the complete coin file `name`, creates its journal if there is none, and
    /// brings the coin file up to date with the journal.
    ///
    /// # Errors
    /// One of the files cannot be used.
    pub fn open(
        directory: &dyn Directory,
        name: &str,
        secret: Key,
        entropy: &dyn Entropy,
    ) -> Result<Broker, BrokerError> {
        if directory.is_on_network().map_err(FileError::on("inspect", directory.path()))? {
            return Err(BrokerError::OnNetwork);
        }
        let coin_file = CoinFile::open(directory, name)?;
        // A separate handle, so that the lock can be held while the broker is borrowed mutably.
        let lock =
            directory.open(name, Open::Write).map_err(FileError::on("open", coin_file.path()))?;
        let lock: Arc<dyn File> = Arc::from(lock);
        let held = take_lock(lock.as_ref(), coin_file.path())?;
        let journal = format!("{name}.journal");
        let mut broker = Broker {
            rules: CoinRules::new(coin_file.params().clone()),
            secret,
            journal: Journal::open_or_create(directory, &journal, JOURNAL_KIND, entropy, &held)?,
            claims: ClaimsFile::open(directory, &format!("{name}.claims"))?,
            lock: Arc::clone(&lock),
            ledger: Ledger::default(),
            shown: Shown::default(),
            threads: 1,
            in_doubt: false,
            coin_file,
        };
        broker.catch_up(&held)?;
        drop(held);
        Ok(broker)
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

    /// Calls `act` as the one broker: under the lock, with the state up to date.
    fn locked<T>(
        &mut self,
        act: impl FnOnce(&mut LockedBroker<'_>) -> Result<T, BrokerError>,
    ) -> Result<T, BrokerError> {
        let lock = Arc::clone(&self.lock);
        let held = take_lock(lock.as_ref(), self.coin_file.path())?;
        let caught_up = self.catch_up(&held)?;
        act(&mut LockedBroker { broker: self, caught_up })
    }

    /// Reads what other processes appended and makes it durable: its writer may have died before
    /// that, and the next answer may depend on it. Then brings the coin file up to date.
    fn catch_up<'a>(&mut self, lock: &'a ExclusiveLock<'_>) -> Result<CaughtUp<'a>, BrokerError> {
        if self.in_doubt {
            return Err(BrokerError::InDoubt);
        }
        let done = self.read_and_mark(lock);
        // After a failure, records may have been read without being in the state.
        self.in_doubt = done.is_err();
        done
    }

    fn read_and_mark<'a>(
        &mut self,
        lock: &'a ExclusiveLock<'_>,
    ) -> Result<CaughtUp<'a>, BrokerError> {
        let from = self.journal.end();
        let applied = self.coin_file.sale_state()?.journal_offset;
        let mut records: Vec<(u64, Vec<u8>)> = Vec::new();
        let caught_up = self.journal.follow(lock, &mut records)?;
        if applied > self.journal.end() {
            return Err(BrokerError::JournalLost { applied, end: self.journal.end() });
        }
        let mut is_behind = false;
        for (at, payload) in records {
            let behind = at >= applied;
            is_behind |= behind;
            self.take(at, BrokerRecord::from_bytes(&payload), behind)?;
        }
        if self.journal.end() > from {
            self.journal.sync()?;
        }
        if is_behind {
            self.note_applied()?;
        }
        Ok(caught_up)
    }

    /// Applies a record that was read to the state, and to the coin file if that is behind.
    fn take(
        &mut self,
        at: u64,
        record: Result<BrokerRecord, String>,
        is_behind: bool,
    ) -> Result<(), BrokerError> {
        let bad = |why| BrokerError::Record { at, why };
        let record = record.map_err(bad)?;
        let to_mark = is_behind.then(|| record.clone());
        self.ledger.apply(record).map_err(bad)?;
        to_mark.map_or(Ok(()), |record| self.mark(&record))
    }

    /// Marks in the coin file what a record says. Doing so twice changes nothing.
    fn mark(&self, record: &BrokerRecord) -> Result<(), BrokerError> {
        match record {
            BrokerRecord::Sale(sale) => self.mark_sale(sale),
            BrokerRecord::Batch(batch) => self.mark_paid(&batch.claims),
            BrokerRecord::Settlement { decided, .. } => self.mark_paid(decided),
            BrokerRecord::Ruling(ruling) => self.mark_paid(&ruling.decided),
            BrokerRecord::Compromise { bins, .. } => self.mark_compromised(*bins),
            BrokerRecord::Return(_)
            | BrokerRecord::Watch(_)
            | BrokerRecord::Vendor { .. }
            | BrokerRecord::Revocation { .. } => Ok(()),
        }
    }

    fn mark_sale(&self, sale: &RecordedSale) -> Result<(), BrokerError> {
        let purchase = coin_file::Purchase {
            user: sale.user.clone(),
            when: sale.when,
            transaction: sale.transaction,
        };
        for superbin in sale.first_superbins() {
            self.coin_file.mark_sold(superbin, &purchase)?;
        }
        Ok(())
    }

    /// Marks the first balls of the accepted claims of a section as paid.
    fn mark_paid(&self, section: &Section) -> Result<(), BrokerError> {
        let mut marks: Vec<(Bin, Status)> = self
            .claims
            .read(section)?
            .into_iter()
            .filter(|claim| claim.verdict == Verdict::Accepted)
            .filter_map(|claim| claim.on())
            .map(|(bin, rank)| {
                (bin, if rank.is_payment() { Status::REDEEMED } else { Status::RETURNED })
            })
            .collect();
        marks.sort_unstable_by_key(|(bin, _)| *bin);
        Ok(self.coin_file.add_status(&marks)?)
    }

    /// Records in the coin file that it reflects the journal up to its end.
    fn note_applied(&self) -> Result<(), BrokerError> {
        let state = SaleState {
            next_superbin: self.ledger.next_superbin(),
            journal_offset: self.journal.end(),
        };
        Ok(self.coin_file.set_sale_state(&state)?)
    }

    /// Whether each of the first balls `bins` is paid.
    fn are_paid(&self, bins: &[Bin]) -> Result<Vec<bool>, BrokerError> {
        let mut order: Vec<usize> = (0..bins.len()).collect();
        order.sort_unstable_by_key(|i| bins[*i]);
        let sorted: Vec<Bin> = order.iter().map(|i| bins[*i]).collect();
        let mut paid = vec![false; bins.len()];
        for (i, stored) in order.into_iter().zip(self.coin_file.balls(&sorted)?) {
            paid[i] = is_paid(stored.status);
        }
        Ok(paid)
    }

    /// The claims of a section with their current verdicts: the settlement, once made, and persons
    /// decide those that wait.
    fn claims_today(&self, section: &Section) -> Result<Vec<Claim>, BrokerError> {
        self.claims_after(section, self.decided()?.as_ref())
    }

    /// The claims of a section with the verdicts that these decisions lead to.
    fn claims_after(
        &self,
        section: &Section,
        decided: Option<&Decided>,
    ) -> Result<Vec<Claim>, BrokerError> {
        let mut claims = self.claims.read(section)?;
        if let Some(decided) = decided {
            for (number, claim) in (section.start..).zip(&mut claims) {
                if claim.verdict == Verdict::Waiting {
                    claim.verdict = decided.verdict(number);
                }
            }
        }
        Ok(claims)
    }
}

/// The broker while its lock is held and its state is up to date.
struct LockedBroker<'a> {
    broker: &'a mut Broker,
    caught_up: CaughtUp<'a>,
}

impl Deref for LockedBroker<'_> {
    type Target = Broker;

    fn deref(&self) -> &Broker {
        self.broker
    }
}

impl LockedBroker<'_> {
    /// Commits a record: appends it, makes it durable, then marks it in the coin file.
    fn commit(&mut self, record: BrokerRecord) -> Result<(), BrokerError> {
        let broker = &mut *self.broker;
        let at = broker.journal.end();
        let mut commit = || {
            broker.journal.append(&self.caught_up, &[&record.to_bytes()])?;
            broker.journal.sync()?;
            broker.ledger.apply(record.clone()).map_err(|why| BrokerError::Record { at, why })?;
            broker.mark(&record)?;
            broker.note_applied()
        };
        let done = commit();
        broker.in_doubt |= done.is_err();
        done
    }
}

fn take_lock<'a>(lock: &'a dyn File, path: &Path) -> Result<ExclusiveLock<'a>, FileError> {
    let guard = ExclusiveLock::new(lock).map_err(FileError::on("lock", path))?;
    if lock.links().map_err(FileError::on("inspect", path))? == 0 {
        let deleted = io::Error::other("it was deleted or replaced while in use");
        return Err(FileError::on("lock", path)(deleted));
    }
    Ok(guard)
}

/// Whether a claim on a first ball with this status was paid.
fn is_paid(status: Status) -> bool {
    status.contains(Status::REDEEMED) || status.contains(Status::RETURNED)
}
