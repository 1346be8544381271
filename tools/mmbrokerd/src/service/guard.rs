//! The guard: nothing changes while the database may be older than what was done with it; and what
//! the operator does after a restore from a backup.
//!
//! Input: the database and the witness. Output: permission to change something, or why not. The
//! invariants: see [`super::witness`]; a set that may have been sold before a restore is never sold
//! or delivered again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use micromint::identity::UserId;
use micromint::money::Money;
use micromint::params::Params;
use micromint::period::Period;
use micromint::reply::Reply;

use super::witness::{Progress, Witness};
use super::{Service, ServiceError};
use crate::shop::Act;
use crate::store::{CONSOLE, PaidRun, Skipped, Store, StoreError, retried};

/// The superbins of a block that is reserved for sale: two for each of 1024 sets.
pub const BLOCK_SUPERBINS: u64 = 2 * 1024;

/// The counter of the payout runs.
pub const PAYOUTS: &str = "payouts";

/// How many payout runs a database that was restored may have forgotten at most: a number that is
/// further past those that the broker knows is no run of it.
pub const FORGOTTEN_RUNS_MAX: u64 = 10_000;

/// How much vendors' witnesses know that the database does not.
const TOLD: &str = "told:";

/// What a change needs.
#[derive(Clone)]
pub(super) struct Guard {
    store: Store,
    witness: Arc<Witness>,
    generation: Arc<AtomicU32>,
}

/// What [`Service::restored`] did with a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredPeriod {
    /// The period.
    pub period: Period,
    /// The number of sets that were skipped.
    pub sets: u64,
    /// Whether its settlement had begun, by a witness.
    pub was_settled: bool,
}

/// What the operator says about a database that was restored from a backup.
#[derive(Clone, Debug, Default)]
pub struct Restore {
    /// Of periods of which no witness is left, the number of sets that may have been sold.
    pub skip_to: BTreeMap<Period, u64>,
    /// Users to revoke, since the database may have forgotten that they were.
    pub revoked: Vec<UserId>,
    /// Go on although nothing says that the database is older than what was done with it.
    pub is_forced: bool,
}

/// Why nothing was done after a restore.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreRefusal {
    /// The database is as new as its witness.
    #[error(
        "the witness says that this database is the latest; a restore would only lose sets. With \
         --force it goes on nevertheless, as is right when the witness is of the same backup"
    )]
    NotNeeded,
    /// There is no such period.
    #[error("the broker has no period {0}; nothing was changed")]
    UnknownPeriod(Period),
    /// The period has fewer sets.
    #[error("period {period} has {all} sets, found {found}; nothing was changed")]
    TooManySets {
        /// The period.
        period: Period,
        /// All its sets.
        all: u64,
        /// The number that was asked for.
        found: u64,
    },
}

/// Why payouts stay blocked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseRefusal {
    /// They are not blocked.
    #[error("payouts are not blocked; nothing was changed")]
    NotBlocked,
    /// There is no such run, though there are later ones.
    #[error("the broker made no payout run {found}; the last one it knows is {last}")]
    NoSuchRun {
        /// The number that was given.
        found: u64,
        /// The last run in the database.
        last: u64,
    },
    /// The number is too far past what the broker knows.
    #[error("expected a payout run up to {most}, found {found}: compare it with the bank")]
    TooFar {
        /// The highest number.
        most: u64,
        /// The number that was given.
        found: u64,
    },
    /// The run has another total.
    #[error("payout run {run} paid {expected}, found {found}: compare it with the bank")]
    OtherTotal {
        /// The run.
        run: u64,
        /// What it paid.
        expected: Money,
        /// What was given.
        found: Money,
    },
    /// Without a run nothing was paid.
    #[error("expected a total of 0 without a payout run, found {0}")]
    PaidByNone(Money),
    /// A run that is not in the database paid something.
    #[error("expected what payout run {0} paid, found nothing")]
    NothingPaid(u64),
    /// The books do not have the run.
    #[error(
        "payout run {0} is not in the books, so what it paid is on the balances, and the next run \
         would pay it a second time. Book it first, with the CSV file of that run: `mmbroker \
         payout book FILE`. Nothing was changed; --force releases payouts nevertheless"
    )]
    NotBooked(u64),
    /// The broker made another run, which the books do not have.
    #[error(
        "payout run {0} was made too, and the books do not have it: if the bank paid it, what it \
         paid is on the balances, and the next run would pay it a second time. Book it first, with \
         the CSV file of that run: `mmbroker payout book FILE`. Nothing was changed; --force \
         releases payouts nevertheless, which is right if the bank paid no run that the books do \
         not have"
    )]
    Forgotten(u64),
    /// A later run was paid.
    #[error("the bank has paid run {0}, as the broker recorded: it is a later one")]
    PaidLater(u64),
}

impl Guard {
    pub(super) fn new(store: Store, witness: Witness, generation: u32) -> Guard {
        let generation = Arc::new(AtomicU32::new(generation));
        Guard { store, witness: Arc::new(witness), generation }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    pub(super) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Compares the database with the witness.
    ///
    /// # Errors
    /// Nothing may change, or the database failed.
    pub(super) async fn check(&self) -> Result<Progress, StoreError> {
        // In this order: another request may sell and tell the witness meanwhile.
        let known = self.witness.progress();
        let database = self.store.progress().await?;
        self.witness.check(&known, &database);
        if database.number(TOLD) > 0 {
            self.witness.halt("a vendor's witness is ahead of the database".to_string());
        }
        match self.witness.halted() {
            Some(why) => Err(StoreError::Halted(why)),
            None => Ok(database),
        }
    }

    /// Tells the witness how far the database is. Call it after a change, before the answer.
    ///
    /// # Errors
    /// The database or the witness failed.
    pub(super) async fn note(&self) -> Result<(), StoreError> {
        let database = self.store.progress().await?;
        self.write(database, false).await
    }

    /// As [`Guard::note`]; on disk when it returns.
    ///
    /// # Errors
    /// The database or the witness failed.
    pub(super) async fn note_durably(&self) -> Result<(), StoreError> {
        let database = self.store.progress().await?;
        self.write(database, true).await
    }

    async fn write(&self, database: Progress, is_durable: bool) -> Result<(), StoreError> {
        let witness = Arc::clone(&self.witness);
        let write = move || witness.write(&database, is_durable);
        let written = tokio::task::spawn_blocking(write).await;
        written.map_err(|_| StoreError::GivenUp("a thread failed"))?.map_err(StoreError::Witness)
    }

    /// Allows the sale of this many superbins of a period: the end of their block is in the
    /// database, and then in the witness, on disk. Returns the end of what may be sold.
    ///
    /// # Errors
    /// Nothing may change, or the database or the witness failed.
    pub(super) async fn reserve(&self, params: &Params, superbins: u64) -> Result<u64, StoreError> {
        let period = params.period();
        let mut database = self.check().await?;
        let wanted = database.number(&format!("sold:{period}")) + superbins;
        let all = params.superbin_count();
        if database.reserved(period) < wanted.min(all) {
            let to = wanted.div_ceil(BLOCK_SUPERBINS) * BLOCK_SUPERBINS;
            self.store.reserve(period, to.min(all)).await?;
            database = self.check().await?;
        }
        if self.witness.progress().reserved(period) < database.reserved(period) {
            self.write(database, true).await?;
        }
        Ok(self.witness.progress().reserved(period))
    }
}

impl Service {
    /// Returns if the database may be changed. Every change of money or coins begins with it.
    ///
    /// # Errors
    /// The database is older than what was done with it, or failed.
    pub async fn check_progress(&self) -> Result<(), ServiceError> {
        self.guard.check().await?;
        Ok(())
    }

    /// Tells the witness about a change that is durable. Every change of money or coins ends with
    /// it, before it is answered.
    ///
    /// # Errors
    /// The database or the witness failed.
    pub async fn note_progress(&self) -> Result<(), ServiceError> {
        Ok(self.guard.note().await?)
    }

    /// As [`Service::note_progress`]; on disk when it returns.
    ///
    /// # Errors
    /// The database or the witness failed.
    pub(super) async fn note_durably(&self) -> Result<(), ServiceError> {
        Ok(self.guard.note_durably().await?)
    }

    /// Why nothing may change, if so.
    pub fn halted(&self) -> Option<String> {
        self.guard.witness().halted()
    }

    /// The generation of owners files.
    pub(super) fn generation(&self) -> u32 {
        self.guard.generation()
    }

    /// The witness of a period for its vendors, signed. `None` while the database may be an older
    /// one: vendors keep what they have.
    pub(super) async fn period_witness(
        &self,
        period: &Period,
    ) -> Result<Option<String>, ServiceError> {
        let progress = self.store.progress().await?;
        let is_good = self.halted().is_none() && progress.number(TOLD) == 0;
        Ok(is_good.then(|| progress.of_period(period).signed(0, &self.secret)))
    }

    /// Compares the database with a witness of a period that a vendor sent back. What is not the
    /// broker's says nothing.
    pub(super) async fn compare(&self, period: &Period, text: &str) -> Result<(), ServiceError> {
        let Some((_, told)) = Progress::parse(text, &self.secret) else { return Ok(()) };
        let database = self.store.progress().await?;
        let is_ahead = match told.ahead_of(&database) {
            Some(_) => true,
            // Sold before a restore that did not know of it.
            None if told.generation < database.generation => {
                let skipped = self.store.skipped(period).await?;
                let later = skipped.iter().find(|skipped| skipped.generation > told.generation);
                later.is_some_and(|skipped| told.reserved(period) > skipped.past)
            }
            None => false,
        };
        if is_ahead {
            self.store.add_told(&told).await?;
            let why = format!("a vendor holds a witness of {period} that is ahead of the database");
            self.guard.witness().halt(why);
        }
        Ok(())
    }

    /// Goes on after the database was restored from a backup: begins a new generation, and skips
    /// all sets that may have been sold. Payouts stay blocked.
    ///
    /// # Errors
    /// The database or the witness failed.
    pub async fn restored(
        &self,
        restore: &Restore,
    ) -> Result<Reply<Vec<RestoredPeriod>, RestoreRefusal>, ServiceError> {
        match self.guard.check().await {
            Ok(_) if !restore.is_forced => return Ok(Reply::Refused(RestoreRefusal::NotNeeded)),
            Ok(_) | Err(StoreError::Halted(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let periods = self.store.periods().await?;
        for (period, sets) in &restore.skip_to {
            let row = periods.iter().find(|row| row.params.period() == period);
            let Some(row) = row else {
                return Ok(Reply::Refused(RestoreRefusal::UnknownPeriod(period.clone())));
            };
            let (period, all, found) = (period.clone(), row.params.superbin_count() / 2, *sets);
            if found > all {
                return Ok(Reply::Refused(RestoreRefusal::TooManySets { period, all, found }));
            }
        }
        let mut known = self.guard.witness().progress().numbers;
        for (name, number) in self.store.told().await? {
            let best = known.entry(name).or_default();
            *best = (*best).max(number);
        }
        let done = retried!(self.restored_once(&known, restore))?;
        let database = self.store.progress().await?;
        self.guard.generation.store(database.generation, Ordering::Relaxed);
        self.guard.witness().restart(&database).map_err(StoreError::Witness)?;
        for period in self.periods() {
            period.forget();
        }
        Ok(Reply::Granted(done))
    }

    async fn restored_once(
        &self,
        known: &BTreeMap<String, u64>,
        restore: &Restore,
    ) -> Result<Vec<RestoredPeriod>, StoreError> {
        let number = |what: &str, period: &Period| {
            known.get(&format!("{what}:{period}")).copied().unwrap_or(0)
        };
        let now = self.now();
        let mut done = Vec::new();
        let periods = self.store.periods().await?;
        let mut tx = self.store.begin().await?;
        let generation = self.store.progress().await?.generation.max(self.generation()) + 1;
        for period in periods {
            let name = period.params.period();
            let row = tx.lock_whole_period(name).await?;
            let was_settled = number("settled", name) > 0;
            // At most the sets of the period, so this does not overflow.
            let told = 2 * restore.skip_to.get(name).copied().unwrap_or(0);
            let past = [row.reserved, number("reserved", name), number("sold", name), told];
            let past = past.into_iter().max().unwrap_or(0).min(row.params.superbin_count());
            let first = row.next_superbin;
            let past = past.max(first);
            tx.skip(name, Skipped { generation, first, past }).await?;
            if was_settled && !row.is_settled() {
                tx.set_settled(name, 1, None).await?;
            }
            let sets = (past - first) / 2;
            let detail = format!("{generation} {name} {sets}");
            tx.audit(CONSOLE, Act::Restored, &detail, now).await?;
            done.push(RestoredPeriod { period: name.clone(), sets, was_settled });
        }
        for (name, number) in known.iter().filter(|(name, _)| is_counter(name)) {
            tx.set_counter(name, *number).await?;
        }
        for user in &restore.revoked {
            tx.revoke(CONSOLE, user, now).await?;
        }
        tx.begin_generation(generation).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Allows payouts again: a person has compared the last payout run, with this number and this
    /// total, with the bank. Later runs get larger numbers. A run that the books do not have is
    /// refused unless `is_forced`: what it paid is still on the balances. Returns whether they have
    /// it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release_payouts(
        &self,
        run: u64,
        total: Money,
        is_forced: bool,
    ) -> Result<Reply<bool, ReleaseRefusal>, ServiceError> {
        self.check_progress().await?;
        let released = retried!(self.release_once(run, total, is_forced))?;
        self.note_progress().await?;
        Ok(released)
    }

    async fn release_once(
        &self,
        run: u64,
        total: Money,
        is_forced: bool,
    ) -> Result<Reply<bool, ReleaseRefusal>, StoreError> {
        let mut tx = self.store.begin().await?;
        let runs = tx.paid_runs().await?;
        let counter = tx.counter(PAYOUTS).await?;
        let refusal = match tx.payouts_blocked().await? {
            true => release_refusal(&runs, counter, run, total),
            false => Some(ReleaseRefusal::NotBlocked),
        };
        let is_known = run == 0 || runs.iter().any(|known| known.run == run);
        let unbooked = (!is_known).then_some(ReleaseRefusal::NotBooked(run));
        // Their numbers are consecutive, so each up to the last one was made.
        let last = run.max(counter);
        let mut made = tx.payouts_compared().await?.saturating_add(1)..=last;
        let forgotten = made.find(|made| runs.iter().all(|known| known.run != *made));
        let unbooked = unbooked.or(forgotten.map(ReleaseRefusal::Forgotten));
        let refusal = refusal.or(unbooked.filter(|_| !is_forced));
        if let Some(refusal) = refusal {
            return Ok(Reply::Refused(refusal));
        }
        tx.set_counter(PAYOUTS, run).await?;
        tx.release_payouts(last).await?;
        let detail = format!("{run}: {total}");
        tx.audit(CONSOLE, Act::PayoutsReleased, &detail, self.now()).await?;
        tx.commit().await?;
        Ok(Reply::Granted(is_known))
    }
}

/// Why payouts are not released after this run with this total; `counter` is the highest number
/// that the database and the witness know.
fn release_refusal(
    runs: &[PaidRun],
    counter: u64,
    run: u64,
    total: Money,
) -> Option<ReleaseRefusal> {
    let last = runs.iter().map(|known| known.run).max().unwrap_or(0);
    let most = counter.max(last) + FORGOTTEN_RUNS_MAX;
    if let Some(later) = runs.iter().find(|known| known.is_paid && known.run > run) {
        return Some(ReleaseRefusal::PaidLater(later.run));
    }
    match runs.iter().find(|known| known.run == run) {
        // What came back may have been taken out of the bank's file before.
        Some(known) if total == known.total || total == known.without_failed => None,
        Some(known) => {
            Some(ReleaseRefusal::OtherTotal { run, expected: known.total, found: total })
        }
        None if run > most => Some(ReleaseRefusal::TooFar { most, found: run }),
        None if run == 0 => (total.units() > 0).then_some(ReleaseRefusal::PaidByNone(total)),
        None if run <= last => Some(ReleaseRefusal::NoSuchRun { found: run, last }),
        None => (total.units() == 0).then_some(ReleaseRefusal::NothingPaid(run)),
    }
}

/// Whether a number of the witness is in the table `counter`.
fn is_counter(name: &str) -> bool {
    !name.contains(':') && name != "transfers"
}
