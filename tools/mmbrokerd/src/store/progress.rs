//! How far the broker is, and what a restore from a backup skips.
//!
//! Input: none, or what witnesses know. Output: numbers that only grow. The invariant: they are
//! read in one statement, so they are of one state of the database.

use std::collections::BTreeMap;

use micromint::money::Money;
use micromint::period::Period;
use sqlx::Row;

use super::error::{fitting, parsed};
use super::{Store, StoreError, Transaction, retried};
use crate::service::Progress;

/// Superbins that a restore skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The generation that began with it.
    pub generation: u32,
    /// The first superbin.
    pub first: u64,
    /// The superbin behind the last.
    pub past: u64,
}

/// A payout run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidRun {
    /// Its number.
    pub run: u64,
    /// Whether it is recorded that the bank has sent it.
    pub is_paid: bool,
    /// What it sends in all.
    pub total: Money,
    /// The same without the payments that failed.
    pub without_failed: Money,
}

const PAYOUTS_BLOCKED: &str = "SELECT payouts_blocked FROM broker";

impl Store {
    /// How far the broker is, by the database.
    ///
    /// # Errors
    /// The database failed.
    pub async fn progress(&self) -> Result<Progress, StoreError> {
        let rows = sqlx::query(
            "SELECT 'generation' AS name, generation AS number FROM broker \
             UNION ALL SELECT 'reserved:' || name, reserved FROM period \
             UNION ALL SELECT 'sold:' || name, next_superbin FROM period \
             UNION ALL SELECT 'settled:' || name, settled_to FROM period \
             UNION ALL SELECT 'transfers', COALESCE(MAX(id), 0) FROM transfer \
             UNION ALL SELECT 'told:', COUNT(*) FROM told \
             UNION ALL SELECT name, number FROM counter",
        )
        .fetch_all(self.pool())
        .await?;
        let mut numbers = BTreeMap::new();
        for row in &rows {
            let (name, number): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            numbers.insert(name, fitting("a number of the witness", number)?);
        }
        let generation = numbers.remove("generation").unwrap_or(0);
        numbers.retain(|_, number| *number > 0);
        Ok(Progress { generation: fitting("generation", generation as i64)?, numbers })
    }

    /// Reserves superbins of a period for sale, up to `to`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn reserve(&self, period: &Period, to: u64) -> Result<(), StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            tx.lock_period(period).await?;
            sqlx::query("UPDATE period SET reserved = $2 WHERE name = $1 AND reserved < $2")
                .bind(period.to_string())
                .bind(to as i64)
                .execute(tx.connection())
                .await?;
            tx.commit().await
        })
    }

    /// What the restores skipped of a period, in their order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn skipped(&self, period: &Period) -> Result<Vec<Skipped>, StoreError> {
        let rows = sqlx::query(
            "SELECT generation, first, past FROM skipped WHERE period = $1 ORDER BY generation",
        )
        .bind(period.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Skipped {
                    generation: fitting("skipped.generation", row.try_get(0)?)?,
                    first: fitting("skipped.first", row.try_get(1)?)?,
                    past: fitting("skipped.past", row.try_get(2)?)?,
                })
            })
            .collect()
    }

    /// Keeps what a vendor's witness knows.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_told(&self, told: &Progress) -> Result<(), StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            for (name, number) in &told.numbers {
                sqlx::query(
                    "INSERT INTO told (generation, name, number) VALUES ($1, $2, $3) \
                     ON CONFLICT (generation, name) DO UPDATE SET number = excluded.number \
                     WHERE excluded.number > told.number",
                )
                .bind(i64::from(told.generation))
                .bind(name.clone())
                .bind(*number as i64)
                .execute(tx.connection())
                .await?;
            }
            tx.commit().await
        })
    }

    /// What vendors' witnesses knew that the database did not have. The largest number of all
    /// generations counts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn told(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = sqlx::query("SELECT name, MAX(number) FROM told GROUP BY name")
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, fitting("told.number", row.try_get(1)?)?)))
            .collect()
    }

    /// The number of times that skipped sets of a period got their owners.
    ///
    /// # Errors
    /// The database failed.
    pub async fn rebooked(&self, period: &Period) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT rebooked FROM period WHERE name = $1")
            .bind(period.to_string())
            .fetch_optional(self.pool())
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }

    /// Whether nothing may be paid out, because the broker was restored from a backup and nobody
    /// has compared the last payout with the bank.
    ///
    /// # Errors
    /// The database failed.
    pub async fn payouts_blocked(&self) -> Result<bool, StoreError> {
        let row = sqlx::query(PAYOUTS_BLOCKED).fetch_optional(self.pool());
        let blocked: Option<i64> = row.await?.map(|row| row.try_get(0)).transpose()?;
        Ok(blocked.unwrap_or(0) != 0)
    }
}

impl Transaction {
    /// Whether payouts are blocked, as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn payouts_blocked(&mut self) -> Result<bool, StoreError> {
        let row = sqlx::query(PAYOUTS_BLOCKED).fetch_optional(self.connection()).await?;
        let blocked: Option<i64> = row.map(|row| row.try_get(0)).transpose()?;
        Ok(blocked.unwrap_or(0) != 0)
    }

    /// Begins a new generation: payouts are blocked, and what vendors told is done with.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin_generation(&mut self, generation: u32) -> Result<(), StoreError> {
        sqlx::query("UPDATE broker SET generation = $1, payouts_blocked = 1")
            .bind(i64::from(generation))
            .execute(self.connection())
            .await?;
        sqlx::query("DELETE FROM told").execute(self.connection()).await?;
        Ok(())
    }

    /// Skips the superbins of a period up to `past`, and reserves them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn skip(&mut self, period: &Period, skipped: Skipped) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO skipped (period, generation, first, past) VALUES ($1, $2, $3, $4)",
        )
        .bind(period.to_string())
        .bind(i64::from(skipped.generation))
        .bind(skipped.first as i64)
        .bind(skipped.past as i64)
        .execute(self.connection())
        .await?;
        sqlx::query("UPDATE period SET next_superbin = $2, reserved = $2 WHERE name = $1")
            .bind(period.to_string())
            .bind(skipped.past as i64)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Sets a counter of the witness that is not below this number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_counter(&mut self, name: &str, number: u64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO counter (name, number) VALUES ($1, $2) ON CONFLICT (name) \
             DO UPDATE SET number = excluded.number WHERE excluded.number > counter.number",
        )
        .bind(name.to_string())
        .bind(number as i64)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// A counter of the witness; 0 if there is none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn counter(&mut self, name: &str) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT number FROM counter WHERE name = $1")
            .bind(name.to_string())
            .fetch_optional(self.connection())
            .await?;
        row.map_or(Ok(0), |row| fitting("counter.number", row.try_get(0)?))
    }

    /// All payout runs, in the order of their numbers.
    ///
    /// # Errors
    /// The database failed, or holds an invalid amount.
    pub async fn paid_runs(&mut self) -> Result<Vec<PaidRun>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, currency, CAST(CASE WHEN paid_at IS NULL THEN 0 ELSE 1 END AS BIGINT), \
             CAST(COALESCE(SUM(units), 0) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN state = 'failed' THEN 0 ELSE units END), 0) AS BIGINT) \
             FROM payout_run LEFT JOIN (SELECT run, units, state FROM payout UNION ALL \
             SELECT run, units, 'short' FROM payout_short WHERE NOT EXISTS (SELECT 1 FROM payout \
             WHERE payout.run = payout_short.run AND payout.kind = payout_short.kind \
             AND payout.owner = payout_short.owner)) AS payment ON payment.run = payout_run.id \
             GROUP BY id, currency, paid_at ORDER BY id",
        )
        .fetch_all(self.connection())
        .await?;
        rows.iter()
            .map(|row| {
                let currency: String = row.try_get(1)?;
                let currency = parsed("payout_run.currency", "three letters", &currency)?;
                let money = |at: usize| -> Result<Money, StoreError> {
                    Ok(Money::new(fitting("payout.units", row.try_get(at)?)?, currency))
                };
                let is_paid = row.try_get::<i64, _>(2)? != 0;
                Ok(PaidRun {
                    run: fitting("payout_run.id", row.try_get(0)?)?,
                    is_paid,
                    total: money(3)?,
                    without_failed: money(4)?,
                })
            })
            .collect()
    }

    /// Raises a counter of the witness by 1, and returns it. No number is returned twice, even
    /// after a restore, since that sets the counter to what the witness knows.
    ///
    /// # Errors
    /// The database failed.
    pub async fn next_number(&mut self, name: &str) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "INSERT INTO counter (name, number) VALUES ($1, 1) ON CONFLICT (name) \
             DO UPDATE SET number = counter.number + 1 RETURNING number",
        )
        .bind(name.to_string())
        .fetch_one(self.connection())
        .await?;
        Ok(row.try_get(0)?)
    }

    /// Allows payouts again, after the books were compared with the bank up to this run.
    ///
    /// # Errors
    /// The database failed.
    pub async fn release_payouts(&mut self, run: u64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE broker SET payouts_blocked = 0, payouts_compared = \
             CASE WHEN payouts_compared < $1 THEN $1 ELSE payouts_compared END",
        )
        .bind(run as i64)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The last payout run up to which the books were compared with the bank; 0 if they were not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn payouts_compared(&mut self) -> Result<u64, StoreError> {
        let row =
            sqlx::query("SELECT payouts_compared FROM broker").fetch_one(self.connection()).await?;
        fitting("broker.payouts_compared", row.try_get(0)?)
    }

    /// Counts that a skipped set of a period got its owner.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_rebooked(&mut self, period: &Period) -> Result<(), StoreError> {
        let update =
            "UPDATE period SET rebooked = rebooked + 1, sets_sold = sets_sold + 1 WHERE name = $1";
        sqlx::query(update).bind(period.to_string()).execute(self.connection()).await?;
        Ok(())
    }
}
