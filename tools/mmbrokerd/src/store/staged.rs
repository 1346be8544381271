//! Batches that are too large for the memory: received in pieces, kept until they are judged.
//!
//! Input: pieces of data. Output: pieces of data. The invariant: a batch is complete once its
//! digest is recorded, which is done when its authenticator is right; only complete ones are
//! judged.

use micromint::identity::VendorId;
use micromint::period::Period;
use micromint::protocol::Id;
use micromint::time::UnixTime;
use sqlx::Row;

use super::error::{fitting, parsed};
use super::{Store, StoreError, retried};

/// A complete batch that waits to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRow {
    /// Its number here.
    pub id: i64,
    /// The period.
    pub period: Period,
    /// The vendor.
    pub vendor: VendorId,
    /// The Batch-ID.
    pub name: Id,
    /// The number of its payments.
    pub payments: u32,
    /// SHA-256 of its data.
    pub sha256: Vec<u8>,
}

impl Store {
    /// Begins to stage a batch. Returns its number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn stage(
        &self,
        (period, vendor, name): (&Period, &VendorId, &Id),
        payments: u32,
        now: UnixTime,
    ) -> Result<i64, StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            let id: i64 = sqlx::query(
                "INSERT INTO staged (period, vendor, name, payments, at) \
                 VALUES ($1, $2, $3, $4, $5) RETURNING id",
            )
            .bind(period.to_string())
            .bind(vendor.to_string())
            .bind(name.to_string())
            .bind(i64::from(payments))
            .bind(now.0)
            .fetch_one(tx.connection())
            .await?
            .try_get(0)?;
            tx.commit().await?;
            Ok::<i64, StoreError>(id)
        })
    }

    /// Adds a piece to a batch.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_piece(&self, id: i64, piece: i64, data: &[u8]) -> Result<(), StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            sqlx::query("INSERT INTO staged_piece (staged, piece, data) VALUES ($1, $2, $3)")
                .bind(id)
                .bind(piece)
                .bind(data.to_vec())
                .execute(tx.connection())
                .await?;
            tx.commit().await
        })
    }

    /// Records that a batch is complete and authentic.
    ///
    /// # Errors
    /// The database failed.
    pub async fn complete_staged(&self, id: i64, sha256: &[u8]) -> Result<(), StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            sqlx::query("UPDATE staged SET sha256 = $2 WHERE id = $1")
                .bind(id)
                .bind(sha256.to_vec())
                .execute(tx.connection())
                .await?;
            tx.commit().await
        })
    }

    /// Removes a staged batch.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_staged(&self, id: i64) -> Result<(), StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            for delete in
                ["DELETE FROM staged_piece WHERE staged = $1", "DELETE FROM staged WHERE id = $1"]
            {
                sqlx::query(delete).bind(id).execute(tx.connection()).await?;
            }
            tx.commit().await
        })
    }

    /// The numbers of incomplete batches that began before a time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn abandoned(&self, before: UnixTime) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query("SELECT id FROM staged WHERE sha256 IS NULL AND at < $1")
            .bind(before.0)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The complete batches that began before a time and wait to be judged, in their order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn staged(&self, before: UnixTime) -> Result<Vec<StagedRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, period, vendor, name, payments, sha256 FROM staged \
             WHERE sha256 IS NOT NULL AND at < $1 ORDER BY id",
        )
        .bind(before.0)
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let (period, vendor): (String, String) = (row.try_get(1)?, row.try_get(2)?);
                let name: String = row.try_get(3)?;
                Ok(StagedRow {
                    id: row.try_get(0)?,
                    period: parsed("staged.period", "a period", &period)?,
                    vendor: parsed("staged.vendor", "a Vendor-ID", &vendor)?,
                    name: parsed("staged.name", "a Batch-ID", &name)?,
                    payments: fitting("staged.payments", row.try_get(4)?)?,
                    sha256: row.try_get(5)?,
                })
            })
            .collect()
    }

    /// A piece of a batch; `None` behind the last.
    ///
    /// # Errors
    /// The database failed.
    pub async fn staged_piece(&self, id: i64, piece: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("SELECT data FROM staged_piece WHERE staged = $1 AND piece = $2")
            .bind(id)
            .bind(piece)
            .fetch_optional(self.pool())
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }
}
