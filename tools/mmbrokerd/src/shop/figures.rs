//! Numbers and checks that cost more with each sale: what the dashboard and the metrics show, and
//! whether the books are sound.
//!
//! Input: the whole database. Output: results with the time at which they were made. The
//! invariants: whatever the number of views, numbers are computed at most once in
//! [`KEPT_SECONDS`], and a check is made at most once in [`CHECK_SECONDS`], one at a time and for
//! at most a tenth of the time; each process keeps its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use micromint::money::Currency;
use micromint::period::Period;
use micromint::time::UnixTime;
use sqlx::Row;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Shop;
use super::money::{Sum, sums};
use crate::store::{PeriodMoney, Store, StoreError};

/// How long numbers are kept, in seconds.
const KEPT_SECONDS: i64 = 60;
/// How long the result of a check is kept at least, in seconds.
const CHECK_SECONDS: i64 = 300;
/// A check is not made again for so many times as long as it took.
const CHECK_PAUSE: i64 = 10;
/// How long a page waits for a check. What takes longer goes on, and is shown later.
const CHECK_WAIT: Duration = Duration::from_secs(3);
/// How many periods have their money checked, the last ones.
const PERIODS_CHECKED_MAX: usize = 12;
/// How many days the diagrams show.
pub(super) const DAYS: i64 = 30;
pub(super) const DAY_SECONDS: i64 = 86_400;
/// The most suspects that are shown.
const SUSPECTS_MAX: i64 = 500;

/// A result that is kept for [`KEPT_SECONDS`]. Whoever asks while it is computed waits for it.
pub(super) struct Kept<T>(tokio::sync::Mutex<Option<(UnixTime, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept(tokio::sync::Mutex::default())
    }
}

impl<T> Kept<T> {
    /// The result and its time. `work` computes it, if the last one is too old.
    pub(super) async fn get<E>(
        &self,
        now: UnixTime,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<(UnixTime, Arc<T>), E> {
        let mut last = self.0.lock().await;
        // A clock that was set back makes it too old.
        let is_new = |at: &UnixTime| (0..KEPT_SECONDS).contains(&(now.0 - at.0));
        if let Some(kept) = last.as_ref().filter(|(at, _)| is_new(at)) {
            return Ok(kept.clone());
        }
        let kept = (now, Arc::new(work.await?));
        *last = Some(kept.clone());
        Ok(kept)
    }
}

/// The last result of a check, which is made by a task of its own.
pub(super) struct Check<T> {
    last: Mutex<Option<Last<T>>>,
    /// Whoever makes the check has it.
    turn: Arc<Semaphore>,
}

struct Last<T> {
    at: UnixTime,
    /// How long it is shown, in seconds.
    seconds: i64,
    result: Arc<T>,
}

impl<T> Default for Check<T> {
    fn default() -> Check<T> {
        Check { last: Mutex::default(), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl<T: Send + Sync + 'static> Check<T> {
    /// The last result and its time; `None` if there is none yet. `work` makes the check: it is
    /// started if the last result is too old.
    pub(super) async fn last<F>(
        self: &Arc<Self>,
        now: UnixTime,
        work: impl FnOnce() -> F,
    ) -> Option<(UnixTime, Arc<T>)>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        if self.is_due(now) {
            if let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() {
                let (check, work) = (Arc::clone(self), work());
                tokio::spawn(async move {
                    let begin = Instant::now();
                    match work.await {
                        Ok(result) => check.keep(now, begin.elapsed(), result),
                        Err(error) => micromint_console::tell!(
                            "mmbrokerd: error: {}",
                            micromint::error::chain(&error)
                        ),
                    }
                    drop(turn);
                });
            }
            // The task gives its turn back at its end.
            let _ = timeout(CHECK_WAIT, self.turn.acquire()).await;
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|last| (last.at, Arc::clone(&last.result)))
    }

    fn is_due(&self, now: UnixTime) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_none_or(|last| !(0..last.seconds).contains(&(now.0 - last.at.0)))
    }

    fn keep(&self, at: UnixTime, took: Duration, result: T) {
        let took = i64::try_from(took.as_secs()).unwrap_or(i64::MAX);
        let seconds = CHECK_SECONDS.max(took.saturating_mul(CHECK_PAUSE));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Last { at, seconds, result: Arc::new(result) });
    }
}

/// All that is kept.
#[derive(Default)]
pub(super) struct Figures {
    counts: Kept<Counts>,
    sums: Kept<Vec<Sum>>,
    days: Kept<Days>,
    suspects: Kept<Vec<Suspect>>,
    ledger: Arc<Check<LedgerResult>>,
    audit: Arc<Check<Vec<String>>>,
}

/// How many there are of what grows.
pub(super) struct Counts {
    pub(super) people: i64,
    pub(super) passkeys: i64,
    pub(super) offenders: i64,
    pub(super) complaints: i64,
    /// Coins that were accepted at once.
    pub(super) redeemed: i64,
    /// Coins with a ball that is not the minted one.
    pub(super) forged: i64,
}

/// Coins and users by day, in days since 1970.
pub(super) struct Days {
    pub(super) sales: BTreeMap<i64, u64>,
    pub(super) redeemed: BTreeMap<i64, u64>,
    /// Users who failed at a vendor: the suspects.
    pub(super) failing: BTreeMap<i64, u64>,
}

/// A user of whom payments say that they failed.
pub(super) struct Suspect {
    pub(super) user: String,
    pub(super) period: String,
    pub(super) vendors: i64,
    pub(super) failing: i64,
}

/// What the ledger says, and what is wrong with it.
pub(super) struct LedgerResult {
    pub(super) faults: Vec<String>,
    /// The last periods in which anything was sold, the last first.
    pub(super) periods: Vec<(Period, Currency, PeriodMoney)>,
}

async fn count(store: &Store, select: &'static str) -> Result<i64, StoreError> {
    Ok(sqlx::query(select).fetch_one(store.pool()).await?.try_get(0)?)
}

async fn counts_of(store: &Store) -> Result<Counts, StoreError> {
    Ok(Counts {
        people: count(store, "SELECT COUNT(*) FROM person WHERE closed_at IS NULL").await?,
        passkeys: count(store, "SELECT COUNT(*) FROM passkey").await?,
        offenders: count(store, "SELECT COUNT(*) FROM offender").await?,
        complaints: count(store, "SELECT COUNT(*) FROM complaint").await?,
        redeemed: count(
            store,
            "SELECT CAST(COALESCE(SUM(accepted), 0) AS BIGINT) FROM batch \
             WHERE kind = 'redemption'",
        )
        .await?,
        forged: count(
            store,
            "SELECT CAST(COALESCE(SUM(forged), 0) AS BIGINT) FROM batch WHERE forged > 0",
        )
        .await?,
    })
}

async fn days_of(store: &Store, from: i64) -> Result<Days, StoreError> {
    let by_day = async |select: &'static str| {
        let rows = sqlx::query(select).bind(from).fetch_all(store.pool()).await?;
        let read = |row: &sqlx::any::AnyRow| {
            let (day, value): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            Ok((day, value.unsigned_abs()))
        };
        rows.iter().map(read).collect::<Result<_, StoreError>>()
    };
    Ok(Days {
        sales: by_day(
            "SELECT at / 86400, CAST(SUM(coins) AS BIGINT) FROM sale \
             WHERE at >= $1 GROUP BY at / 86400",
        )
        .await?,
        redeemed: by_day(
            "SELECT at / 86400, CAST(SUM(accepted) AS BIGINT) FROM batch \
             WHERE kind = 'redemption' AND at >= $1 GROUP BY at / 86400",
        )
        .await?,
        failing: by_day(
            "SELECT hour / 24, COUNT(DISTINCT buyer) FROM conduct \
             WHERE failing > 0 AND hour >= $1 / 3600 GROUP BY hour / 24",
        )
        .await?,
    })
}

async fn suspects_of(store: &Store) -> Result<Vec<Suspect>, StoreError> {
    let rows = sqlx::query(
        "SELECT COALESCE((SELECT user_id FROM sale WHERE sale.period = found.period \
         AND sale.first = found.buyer), '?'), period, vendors, failing \
         FROM (SELECT period, buyer, COUNT(DISTINCT vendor) AS vendors, \
         CAST(SUM(failing) AS BIGINT) AS failing FROM conduct WHERE failing > 0 \
         GROUP BY period, buyer ORDER BY vendors DESC, period DESC, buyer LIMIT $1) AS found \
         ORDER BY vendors DESC, period DESC, buyer",
    )
    .bind(SUSPECTS_MAX)
    .fetch_all(store.pool())
    .await?;
    let read = |row: &sqlx::any::AnyRow| {
        let (user, period) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Suspect { user, period, vendors: row.try_get(2)?, failing: row.try_get(3)? })
    };
    rows.iter().map(read).collect()
}

async fn ledger_of(shop: Arc<Shop>) -> Result<LedgerResult, StoreError> {
    let store = shop.service.store();
    let faults = store.ledger_faults().await?;
    let mut periods = Vec::new();
    for period in shop.service.periods().iter().rev().take(PERIODS_CHECKED_MAX) {
        let money = store.period_money(period.name()).await?;
        if money.sold != 0 {
            let currency = period.params().coin_value().currency();
            periods.push((period.name().clone(), currency, money));
        }
    }
    Ok(LedgerResult { faults, periods })
}

impl Shop {
    /// How many there are of what grows, and when they were counted.
    pub(super) async fn counts(&self) -> Result<(UnixTime, Arc<Counts>), StoreError> {
        let work = counts_of(self.service.store());
        self.figures.counts.get(self.service.now(), work).await
    }

    /// The balances by kind of account, and when they were added up.
    pub(super) async fn sums(&self) -> Result<(UnixTime, Arc<Vec<Sum>>), StoreError> {
        self.figures.sums.get(self.service.now(), sums(self.service.store())).await
    }

    /// What happened on the last [`DAYS`] days.
    pub(super) async fn days(&self) -> Result<Arc<Days>, StoreError> {
        let now = self.service.now();
        let from = (now.0.div_euclid(DAY_SECONDS) - DAYS + 1) * DAY_SECONDS;
        Ok(self.figures.days.get(now, days_of(self.service.store(), from)).await?.1)
    }

    /// The users of whom payments say that they failed, those at the most vendors first.
    pub(super) async fn suspects(&self) -> Result<Arc<Vec<Suspect>>, StoreError> {
        let work = suspects_of(self.service.store());
        Ok(self.figures.suspects.get(self.service.now(), work).await?.1)
    }
}

/// The last check of the ledger, and its time.
pub(super) async fn ledger_check(shop: &Arc<Shop>) -> Option<(UnixTime, Arc<LedgerResult>)> {
    shop.figures.ledger.last(shop.service.now(), || ledger_of(Arc::clone(shop))).await
}

/// What is wrong with the audit log by the last check, and its time.
pub(super) async fn audit_check(shop: &Arc<Shop>) -> Option<(UnixTime, Arc<Vec<String>>)> {
    let work = || {
        let shop = Arc::clone(shop);
        async move { super::audit::audit_faults(shop.service.store()).await }
    };
    shop.figures.audit.last(shop.service.now(), work).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const AT: UnixTime = UnixTime(1_797_000_000);

    #[tokio::test]
    async fn numbers_are_kept_for_a_minute() {
        let (kept, made) = (Kept::default(), AtomicU32::new(0));
        let work = async || Ok::<u32, StoreError>(made.fetch_add(1, Ordering::Relaxed));
        for (seconds, expected) in [(0, 0), (59, 0), (60, 1), (119, 1), (118, 1), (0, 2)] {
            let (at, found) = kept.get(AT.plus_seconds(seconds), work()).await.unwrap();
            assert_eq!(*found, expected, "{seconds}");
            assert!((0..KEPT_SECONDS).contains(&(AT.0 + seconds - at.0)), "{seconds}");
        }
    }

    #[tokio::test]
    async fn a_check_is_made_once_in_five_minutes() {
        let (check, made) = (Arc::new(Check::default()), Arc::new(AtomicU32::new(0)));
        let work = || {
            let made = Arc::clone(&made);
            async move { Ok(made.fetch_add(1, Ordering::Relaxed)) }
        };
        for (seconds, expected) in [(0, 0), (299, 0), (300, 1), (301, 1), (600, 2), (0, 3)] {
            let (_, found) = check.last(AT.plus_seconds(seconds), work).await.unwrap();
            assert_eq!(*found, expected, "{seconds}");
        }
    }

    #[tokio::test]
    async fn a_long_check_is_made_once_and_shown_later() {
        let (check, made) = (Arc::new(Check::default()), Arc::new(AtomicU32::new(0)));
        let end = Arc::new(Semaphore::new(0));
        let work = || {
            let (made, end) = (Arc::clone(&made), Arc::clone(&end));
            async move {
                let number = made.fetch_add(1, Ordering::Relaxed);
                end.acquire().await.unwrap().forget();
                Ok(number)
            }
        };
        let (first, second) = tokio::join!(check.last(AT, work), check.last(AT, work));
        assert!(first.is_none() && second.is_none());
        assert_eq!(made.load(Ordering::Relaxed), 1);
        end.add_permits(1);
        assert_eq!(*check.last(AT, work).await.unwrap().1, 0);
        // The next one takes long too: the old result is shown with its time.
        let (at, found) = check.last(AT.plus_seconds(300), work).await.unwrap();
        assert_eq!((at, *found), (AT, 0));
        end.add_permits(1);
        let (at, found) = check.last(AT.plus_seconds(300), work).await.unwrap();
        assert_eq!((at, *found), (AT.plus_seconds(300), 1));
    }

    #[tokio::test]
    async fn a_check_rests_ten_times_as_long_as_it_took() {
        let check = Check::default();
        check.keep(AT, Duration::from_secs(31), 0);
        assert!(!check.is_due(AT.plus_seconds(309)));
        assert!(check.is_due(AT.plus_seconds(310)));
    }
}
