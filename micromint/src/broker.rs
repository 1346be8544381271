//! The broker: selling sets, redeeming coins, taking unspent coins back (thesis 3.2).
//!
//! In go a client's wish for sets, a vendor's batch, a client's return; out come the messages that
//! answer them. The broker's journal is the truth about all of it; the coin file's sold flags and status
//! bits are replayed from it. The invariants: a sale is on disk before its coins leave and a redemption
//! before its verdicts; no set is sold twice and no first ball is paid twice, whatever crashes and
//! however many processes work on one coin file at a time.
//!
//! Beside the coin file `F` stand `F.journal` (the journal) and `F.claims` (a verdict for every coin);
//! `docs/reference/broker.md` describes them byte by byte. Whoever holds the lock of the coin file is the broker.

// Who the broker is.
pub mod secret;

// What it remembers.
mod record;

mod claim;

mod claims_file;

mod state;

// What it does, in the order of a coin's life.
mod sale;

mod examine;

mod redemption;

mod returns;

mod settlement;

mod vendors;

mod compromise;

// What it tells about it.
mod accounts;

mod owners;

mod set_aside;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::authenticator::Key;
use crate::bin::Bin;
use crate::coin::CoinRules;
use crate::coin_file::{self, CoinFile, CoinFileError, SaleState, Status};
use crate::error::FileError;
use crate::host::{Directory, Entropy, File, Lock, LockGuard, Open};
use crate::journal::{Journal, JournalError, Tail};
use crate::params::Params;
use crate::protocol::Verdict;
use crate::time::UnixTime;

pub use self::accounts::{Offender, Status as BrokerStatus, UserAccount, VendorAccount};
use self::claim::{Claim, ClaimKind};
use self::claims_file::ClaimsFile;
pub use self::claims_file::{ClaimsError, Section};
pub use self::compromise::CompromiseRefusal;
pub use self::owners::{Owners, OwnersError, owner_tag};
use self::record::Record;
pub use self::record::{Batch, BinRange, Return, Sale};
pub use self::redemption::{BatchRefusal, Judged};
pub use self::returns::{RETURNS_PER_USER_MAX, ReturnRefusal};
pub use self::sale::SaleRefusal;
pub use self::set_aside::{last_line, set_aside};
use self::state::State;
pub use self::vendors::VendorRefusal;

/// The kind of the broker's journal.
const JOURNAL_KIND: &str = "broker";

/// The broker of one period.
pub struct Broker {
    coin_file: CoinFile,
    rules: CoinRules,
    secret: Key,
    journal: Journal,
    claims: ClaimsFile,
    lock: Arc<dyn File>,
    state: State,
    threads: usize,
    /// A write failed, so that this handle may know less than the disk holds.
    in_doubt: bool,
}

/// The broker cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The coin file.
    #[error(transparent)]
    CoinFile(#[from] CoinFileError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The claims file.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// A record of the journal is not one of this broker.
    #[error("the broker's journal at offset {at}: {why}")]
    Record {
        /// Where the record begins.
        at: u64,
        /// What was expected and what was found.
        why: String,
    },
    /// The journal ends before what the coin file shows of it.
    #[error(
        "the coin file reflects the broker's journal up to offset {applied}, but the journal ends at {end}: it was lost or replaced; restore it"
    )]
    JournalLost {
        /// The offset in the coin file.
        applied: u64,
        /// The end of the journal.
        end: u64,
    },
    /// An earlier write failed.
    #[error("an earlier failure left the broker's files in doubt; open them again")]
    InDoubt,
    /// Several machines cannot keep one coin file.
    #[error(
        "the coin file lies on a network file system, where locks do not hold; use a local disk"
    )]
    OnNetwork,
}

impl Broker {
    /// Opens the broker of the complete coin file `name`, making its journal if there is none, and
    /// brings the coin file up to date with it.
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
        // A handle of its own, so that the lock can be held while the rest of the broker changes.
        let lock =
            directory.open(name, Open::Write).map_err(FileError::on("open", coin_file.path()))?;
        let lock: Arc<dyn File> = Arc::from(lock);
        let guard = take_lock(lock.as_ref(), coin_file.path())?;
        let mut broker = Broker {
            rules: CoinRules::new(coin_file.params().clone()),
            secret,
            journal: Journal::open(directory, &format!("{name}.journal"), JOURNAL_KIND, entropy)?,
            claims: ClaimsFile::open(directory, &format!("{name}.claims"))?,
            lock: Arc::clone(&lock),
            state: State::default(),
            threads: 1,
            in_doubt: false,
            coin_file,
        };
        broker.catch_up()?;
        drop(guard);
        Ok(broker)
    }

    /// Examines batches on so many threads from now on, each with some memory of its own (about 100 MB
    /// for a large batch); 1 if never called, at least 1.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// The parameters of the period.
    pub fn params(&self) -> &Params {
        self.coin_file.params()
    }

    /// Does `act` as the one broker: under the lock, knowing all that others did, and with the period
    /// settled if it is time.
    fn locked<T>(
        &mut self,
        now: UnixTime,
        act: impl FnOnce(&mut Broker) -> Result<T, BrokerError>,
    ) -> Result<T, BrokerError> {
        let lock = Arc::clone(&self.lock);
        let _guard = take_lock(lock.as_ref(), self.coin_file.path())?;
        self.catch_up()?;
        self.settle_if_due(now)?;
        act(self)
    }

    /// Reads what others appended, makes it durable (its writer may have died before it could, and the
    /// answer to come may rest on it) and brings the coin file up to date.
    fn catch_up(&mut self) -> Result<(), BrokerError> {
        if self.in_doubt {
            return Err(BrokerError::InDoubt);
        }
        let done = self.read_and_mark();
        // What was read before the failure is not known to be in the state.
        self.in_doubt = done.is_err();
        done
    }

    fn read_and_mark(&mut self) -> Result<(), BrokerError> {
        let from = self.journal.end();
        let applied = self.coin_file.sale_state()?.journal_offset;
        let mut records = Vec::new();
        let tail = self
            .journal
            .catch_up(|offset, payload| records.push((offset, Record::from_bytes(payload))))?;
        if tail != Tail::Clean {
            // Its writer died before it could answer anyone.
            self.journal.cut_tail()?;
        }
        if applied > self.journal.end() {
            return Err(BrokerError::JournalLost { applied, end: self.journal.end() });
        }
        let mut is_behind = false;
        for (at, record) in records {
            let behind = at >= applied;
            is_behind |= behind;
            self.take(at, record, behind)?;
        }
        if self.journal.end() > from {
            self.journal.sync()?;
        }
        if is_behind {
            self.note_applied()?;
        }
        Ok(())
    }

    /// Takes a record that was read: into the state, and into the coin file if that one is behind.
    fn take(
        &mut self,
        at: u64,
        record: Result<Record, String>,
        is_behind: bool,
    ) -> Result<(), BrokerError> {
        let bad = |why| BrokerError::Record { at, why };
        let record = record.map_err(bad)?;
        let to_mark = is_behind.then(|| record.clone());
        self.state.apply(record).map_err(bad)?;
        to_mark.map_or(Ok(()), |record| self.mark(&record))
    }

    /// Commits a record: appended, durable, then marked in the coin file. The caller holds the lock.
    fn commit(&mut self, record: Record) -> Result<(), BrokerError> {
        let at = self.journal.end();
        let mut commit = || {
            self.journal.append(&[&record.to_bytes()])?;
            self.journal.sync()?;
            self.state.apply(record.clone()).map_err(|why| BrokerError::Record { at, why })?;
            self.mark(&record)?;
            self.note_applied()
        };
        let done = commit();
        self.in_doubt |= done.is_err();
        done
    }

    /// Marks in the coin file what a record says. Doing it again changes nothing.
    fn mark(&self, record: &Record) -> Result<(), BrokerError> {
        match record {
            Record::Sale(sale) => self.mark_sale(sale),
            Record::Batch(batch) => self.mark_paid(&batch.claims),
            Record::Settlement { winners, .. } => self.mark_paid(winners),
            Record::Compromise { bins, .. } => self.mark_compromised(*bins),
            Record::Return(_) | Record::Vendor { .. } | Record::Revocation { .. } => Ok(()),
        }
    }

    fn mark_sale(&self, sale: &Sale) -> Result<(), BrokerError> {
        let header = coin_file::Sale {
            user: sale.user.clone(),
            when: sale.when,
            transaction: sale.transaction,
        };
        for superbin in sale.first_superbins() {
            self.coin_file.mark_sold(superbin, &header)?;
        }
        Ok(())
    }

    /// Marks the first balls that the claims of a section were paid for.
    fn mark_paid(&self, section: &Section) -> Result<(), BrokerError> {
        let mut marks: Vec<(Bin, Status)> = self
            .claims
            .read(section)?
            .into_iter()
            .filter(|claim| claim.verdict == Verdict::Accepted)
            .filter_map(|claim| claim.on)
            .map(|(bin, kind)| match kind {
                ClaimKind::Payment | ClaimKind::DoubtfulPayment => (bin, Status::REDEEMED),
                ClaimKind::Return => (bin, Status::RETURNED),
            })
            .collect();
        marks.sort_unstable_by_key(|(bin, _)| *bin);
        Ok(self.coin_file.add_status(&marks)?)
    }

    /// Notes in the coin file that it reflects the journal up to its end.
    fn note_applied(&self) -> Result<(), BrokerError> {
        let state = SaleState {
            next_superbin: self.state.next_superbin(),
            journal_offset: self.journal.end(),
        };
        Ok(self.coin_file.set_sale_state(&state)?)
    }

    /// Which of the first balls `bins` are paid for, in the order of `bins`.
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

    /// The claims of a section with the verdicts of today: those that waited are decided by the
    /// settlement, once it was made.
    fn claims_today(&self, section: &Section) -> Result<Vec<Claim>, BrokerError> {
        let mut claims = self.claims.read(section)?;
        let Some(settlement) = &self.state.settlement else { return Ok(claims) };
        let winners = self.claims.read(settlement)?;
        for (number, claim) in (section.start..).zip(&mut claims) {
            if claim.verdict == Verdict::Waiting {
                let won = winners.binary_search_by_key(&number, |winner| winner.tag).is_ok();
                claim.verdict = if won { Verdict::Accepted } else { Verdict::AlreadyPaid };
            }
        }
        Ok(claims)
    }
}

fn take_lock<'a>(lock: &'a dyn File, path: &Path) -> Result<LockGuard<'a>, FileError> {
    let guard = LockGuard::new(lock, Lock::Exclusive).map_err(FileError::on("lock", path))?;
    if lock.links().map_err(FileError::on("inspect", path))? == 0 {
        let deleted = io::Error::other("it was deleted or replaced while in use");
        return Err(FileError::on("lock", path)(deleted));
    }
    Ok(guard)
}

/// Whether a claim on the first ball of this status was paid.
fn is_paid(status: Status) -> bool {
    status.contains(Status::REDEEMED) || status.contains(Status::RETURNED)
}
