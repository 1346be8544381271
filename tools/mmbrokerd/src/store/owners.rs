//! What the index of sold sets is made of: sales in the order of their superbins, and bins that
//! were declared compromised.
//!
//! Input: where the index ends. Output: what follows. The invariant: one statement reads one state
//! of the database, in which sales are consecutive, so the index has no holes.

use micromint::bin::Bin;
use micromint::identity::UserId;
use micromint::period::Period;
use micromint::time::UnixTime;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::{fitting, parsed};
use super::{Store, StoreError, Transaction};

/// The sets of a sale, and who bought them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleSpan {
    /// The first superbin of the first set.
    pub first: u32,
    /// The number of sets.
    pub sets: u32,
    /// The buyer.
    pub user: UserId,
}

/// A range of bins that was declared compromised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompromisedRow {
    /// The superbin.
    pub superbin: u32,
    /// The first sub-bin.
    pub first: u32,
    /// The number of sub-bins.
    pub count: u32,
    /// Sets that begin at this superbin or later are sold without these bins.
    pub next_superbin: u64,
}

impl CompromisedRow {
    /// Whether the bin is in the range.
    pub fn contains(&self, bin: Bin) -> bool {
        let at = bin.subbin.checked_sub(self.first);
        self.superbin == bin.superbin && at.is_some_and(|at| at < self.count)
    }

    fn read(row: &AnyRow) -> Result<CompromisedRow, StoreError> {
        Ok(CompromisedRow {
            superbin: fitting("compromised.superbin", row.try_get(0)?)?,
            first: fitting("compromised.first", row.try_get(1)?)?,
            count: fitting("compromised.count", row.try_get(2)?)?,
            next_superbin: fitting("compromised.next_superbin", row.try_get(3)?)?,
        })
    }
}

const COMPROMISED: &str =
    "SELECT superbin, first, count, next_superbin FROM compromised WHERE period = $1 ORDER BY id";

impl Store {
    /// At most `limit` sales of a period from this superbin on, in order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sales_from(
        &self,
        period: &Period,
        from: u64,
        limit: i64,
    ) -> Result<Vec<SaleSpan>, StoreError> {
        let rows = sqlx::query(
            "SELECT first, sets, user_id FROM sale WHERE period = $1 AND first >= $2 \
             ORDER BY first LIMIT $3",
        )
        .bind(period.to_string())
        .bind(from as i64)
        .bind(limit)
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let user: String = row.try_get(2)?;
                Ok(SaleSpan {
                    first: fitting("sale.first", row.try_get(0)?)?,
                    sets: fitting("sale.sets", row.try_get(1)?)?,
                    user: parsed("sale.user_id", "a User-ID", &user)?,
                })
            })
            .collect()
    }

    /// The compromised bins of a period.
    ///
    /// # Errors
    /// The database failed.
    pub async fn compromised(&self, period: &Period) -> Result<Vec<CompromisedRow>, StoreError> {
        let rows = sqlx::query(COMPROMISED).bind(period.to_string()).fetch_all(self.pool()).await?;
        rows.iter().map(CompromisedRow::read).collect()
    }
}

impl Transaction {
    /// The compromised bins of a period, as this transaction sees them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn compromised(
        &mut self,
        period: &Period,
    ) -> Result<Vec<CompromisedRow>, StoreError> {
        let rows =
            sqlx::query(COMPROMISED).bind(period.to_string()).fetch_all(self.connection()).await?;
        rows.iter().map(CompromisedRow::read).collect()
    }

    /// Declares bins compromised. The caller has locked the period.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_compromised(
        &mut self,
        period: &Period,
        row: &CompromisedRow,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO compromised (period, superbin, first, count, next_superbin, at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(period.to_string())
        .bind(i64::from(row.superbin))
        .bind(i64::from(row.first))
        .bind(i64::from(row.count))
        .bind(row.next_superbin as i64)
        .bind(now.0)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
