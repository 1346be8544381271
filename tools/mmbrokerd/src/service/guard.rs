//! The guard: nothing changes while the database may be older than what was done with it; and what
//! the operator does after a restore from a backup.
//!
//! Input: the database and the witness. Output: permission to change something, or why not. The
//! invariants: see [`super::witness`]; a set that may have been sold before a restore is never sold
//! or delivered again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use micromint::params::Params;
use micromint::period::Period;

use super::witness::{Progress, Witness};
use super::{Service, ServiceError};
use crate::store::{Skipped, Store, StoreError, retried};

/// The superbins of a block that is reserved for sale: two for each of 1024 sets.
pub const BLOCK_SUPERBINS: u64 = 2 * 1024;

/// The counter of the payout runs.
pub const PAYOUTS: &str = "payouts";

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
    /// all sets that may have been sold. `skip_to` names the number of sets of periods of which no
    /// witness is left. Payouts stay blocked.
    ///
    /// # Errors
    /// The database or the witness failed.
    pub async fn restored(
        &self,
        skip_to: &BTreeMap<Period, u64>,
    ) -> Result<Vec<RestoredPeriod>, ServiceError> {
        let mut known = self.guard.witness().progress().numbers;
        for (name, number) in self.store.told().await? {
            let best = known.entry(name).or_default();
            *best = (*best).max(number);
        }
        let done = retried!(self.restored_once(&known, skip_to))?;
        let database = self.store.progress().await?;
        self.guard.generation.store(database.generation, Ordering::Relaxed);
        self.guard.witness().restart(&database).map_err(StoreError::Witness)?;
        for period in self.periods() {
            period.forget();
        }
        Ok(done)
    }

    async fn restored_once(
        &self,
        known: &BTreeMap<String, u64>,
        skip_to: &BTreeMap<Period, u64>,
    ) -> Result<Vec<RestoredPeriod>, StoreError> {
        let number = |what: &str, period: &Period| {
            known.get(&format!("{what}:{period}")).copied().unwrap_or(0)
        };
        let mut done = Vec::new();
        let periods = self.store.periods().await?;
        let mut tx = self.store.begin().await?;
        let generation = self.store.progress().await?.generation.max(self.generation()) + 1;
        for period in periods {
            let name = period.params.period();
            let row = tx.lock_whole_period(name).await?;
            let was_settled = number("settled", name) > 0;
            let told = 2 * skip_to.get(name).copied().unwrap_or(0);
            let past = [row.reserved, number("reserved", name), number("sold", name), told];
            let past = past.into_iter().max().unwrap_or(0).min(row.params.superbin_count());
            let first = row.next_superbin;
            let past = past.max(first);
            tx.skip(name, Skipped { generation, first, past }).await?;
            if was_settled && !row.is_settled() {
                tx.set_settled(name, 1, None).await?;
            }
            let sets = (past - first) / 2;
            done.push(RestoredPeriod { period: name.clone(), sets, was_settled });
        }
        for (name, number) in known.iter().filter(|(name, _)| is_counter(name)) {
            tx.set_counter(name, *number).await?;
        }
        tx.begin_generation(generation).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Allows payouts again: a person has compared the last payout run, of this number, with the
    /// bank. Later runs get larger numbers.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release_payouts(&self, run: u64) -> Result<(), ServiceError> {
        retried!(async {
            let mut tx = self.store.begin().await?;
            tx.set_counter(PAYOUTS, run).await?;
            tx.release_payouts().await?;
            tx.commit().await
        })?;
        Ok(())
    }
}

/// Whether a number of the witness is in the table `counter`.
fn is_counter(name: &str) -> bool {
    !name.contains(':') && name != "transfers"
}
