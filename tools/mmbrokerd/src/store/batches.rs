//! What vendors sent, and what users returned, with a claim for each coin or ball.
//!
//! Input: judged parts. Output: rows. The invariants: a part is durable with its credit; parts of a
//! batch are consecutive; claims never change, and what was decided about those that waited stands
//! beside them.

use micromint::broker::{CLAIM_SIZE, Claim};
use micromint::identity::{UserId, VendorId};
use micromint::period::Period;
use micromint::protocol::Id;
use micromint::time::UnixTime;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::error::fitting;
use super::{Store, StoreError, Transaction};

/// The seconds of an hour.
const HOUR_SECONDS: i64 = 3600;

/// What a vendor's message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// Payments for redemption.
    Redemption,
    /// Payments shown to the watch.
    Watch,
}

impl BatchKind {
    /// The word in the database.
    pub fn word(self) -> &'static str {
        match self {
            BatchKind::Redemption => "redemption",
            BatchKind::Watch => "watch",
        }
    }
}

/// A batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// Its number.
    pub id: i64,
    /// SHA-256 of its data.
    pub sha256: Vec<u8>,
    /// When its first part was judged.
    pub at: UnixTime,
    /// The number of its payments.
    pub payments: u32,
    /// How many of them are judged.
    pub judged: u32,
}

/// A part to record.
pub struct NewPart<'a> {
    /// The batch.
    pub batch: i64,
    /// The number of its first payment.
    pub first_payment: u32,
    /// The number of its payments.
    pub payments: u32,
    /// One claim for each coin.
    pub claims: &'a [Claim],
    /// How many coins are accepted, wait, are forged, not from the owner, invented.
    pub counts: [u64; 5],
}

/// A judged part.
#[derive(Clone, Debug)]
pub struct PartRow {
    /// Its number.
    pub id: i64,
    /// One claim for each coin.
    pub claims: Vec<Claim>,
}

/// A return.
#[derive(Clone, Debug)]
pub struct ReturnRow {
    /// SHA-256 of its data.
    pub sha256: Vec<u8>,
    /// The broker's number for it.
    pub transaction: u64,
    /// One claim for each ball. `payment` is 1 if an earlier return or ball claims the same bin.
    pub claims: Vec<Claim>,
}

/// The bytes of claims.
fn claims_bytes(claims: &[Claim]) -> Vec<u8> {
    claims.iter().flat_map(|claim| claim.to_bytes()).collect()
}

/// Reads the bytes of claims.
pub(super) fn read_claims(bytes: &[u8]) -> Result<Vec<Claim>, StoreError> {
    let (claims, rest) = bytes.as_chunks::<CLAIM_SIZE>();
    let read = |claim: &[u8; CLAIM_SIZE]| Claim::from_bytes(claim);
    let claims: Option<Vec<Claim>> = claims.iter().map(read).collect();
    claims.filter(|_| rest.is_empty()).ok_or_else(|| StoreError::Value {
        what: "claims",
        expected: "whole claims of 32 bytes each",
        found: format!("{} bytes with an invalid claim, or a part of one", bytes.len()),
    })
}

impl BatchRow {
    fn read(row: &AnyRow) -> Result<BatchRow, StoreError> {
        Ok(BatchRow {
            id: row.try_get("id")?,
            sha256: row.try_get("sha256")?,
            at: UnixTime(row.try_get("at")?),
            payments: fitting("batch.payments", row.try_get("payments")?)?,
            judged: fitting("batch.judged", row.try_get("judged")?)?,
        })
    }
}

async fn coins_shown(
    connection: &mut AnyConnection,
    vendor: &VendorId,
    hour: i64,
) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(coins), 0) AS BIGINT) FROM batch \
         WHERE vendor = $1 AND kind = 'watch' AND at >= $2",
    )
    .bind(vendor.to_string())
    .bind(hour * HOUR_SECONDS)
    .fetch_one(connection)
    .await?;
    fitting("coins", row.try_get(0)?)
}

impl Store {
    /// The batch of a vendor with this Batch-ID or Watch-ID.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batch(
        &self,
        period: &Period,
        vendor: &VendorId,
        kind: BatchKind,
        name: &Id,
    ) -> Result<Option<BatchRow>, StoreError> {
        let row = sqlx::query(
            "SELECT id, sha256, at, payments, judged FROM batch \
             WHERE period = $1 AND vendor = $2 AND kind = $3 AND name = $4",
        )
        .bind(period.to_string())
        .bind(vendor.to_string())
        .bind(kind.word())
        .bind(name.to_string())
        .fetch_optional(self.pool())
        .await?;
        row.as_ref().map(BatchRow::read).transpose()
    }

    /// The numbers of the parts of a batch, in order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn part_ids(&self, batch: i64) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query("SELECT id FROM part WHERE batch = $1 ORDER BY first_payment")
            .bind(batch)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// A part.
    ///
    /// # Errors
    /// The database failed.
    pub async fn part(&self, id: i64) -> Result<PartRow, StoreError> {
        let row = sqlx::query("SELECT claims FROM part WHERE id = $1")
            .bind(id)
            .fetch_one(self.pool())
            .await?;
        let bytes: Vec<u8> = row.try_get(0)?;
        Ok(PartRow { id, claims: read_claims(&bytes)? })
    }

    /// The coins that a vendor has shown to the watch since an hour began, which is counted in
    /// hours since 1970.
    ///
    /// # Errors
    /// The database failed.
    pub async fn coins_shown(&self, vendor: &VendorId, hour: i64) -> Result<u64, StoreError> {
        coins_shown(&mut *self.pool().acquire().await?, vendor, hour).await
    }

    /// The batches of a vendor that were begun since an hour began, without the one of this name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn other_batches(
        &self,
        vendor: &VendorId,
        name: &Id,
        hour: i64,
    ) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) FROM batch \
             WHERE vendor = $1 AND kind = 'redemption' AND at >= $2 AND name <> $3",
        )
        .bind(vendor.to_string())
        .bind(hour * HOUR_SECONDS)
        .bind(name.to_string())
        .fetch_one(self.pool())
        .await?;
        fitting("batches", row.try_get(0)?)
    }

    /// The coins of a vendor's batches that were refused in an hour.
    ///
    /// # Errors
    /// The database failed.
    pub async fn coins_refused(&self, vendor: &VendorId, hour: i64) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT coins FROM refused_coin WHERE vendor = $1 AND hour = $2")
            .bind(vendor.to_string())
            .bind(hour)
            .fetch_optional(self.pool())
            .await?;
        row.map_or(Ok(0), |row| fitting("refused_coin.coins", row.try_get(0)?))
    }

    /// For each vendor of a period, the coins that were paid at once and those that waited.
    ///
    /// # Errors
    /// The database failed.
    pub async fn vendor_counts(
        &self,
        period: &Period,
    ) -> Result<Vec<(String, u64, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT vendor, CAST(SUM(accepted) AS BIGINT), CAST(SUM(waiting) AS BIGINT) \
             FROM batch WHERE period = $1 AND kind = 'redemption' GROUP BY vendor ORDER BY vendor",
        )
        .bind(period.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let accepted = fitting("accepted", row.try_get(1)?)?;
                Ok((row.try_get(0)?, accepted, fitting("waiting", row.try_get(2)?)?))
            })
            .collect()
    }

    /// The return of a user with this Request-ID.
    ///
    /// # Errors
    /// The database failed.
    pub async fn give_back(
        &self,
        period: &Period,
        user: &UserId,
        name: &Id,
    ) -> Result<Option<ReturnRow>, StoreError> {
        let row = sqlx::query(
            "SELECT sha256, transaction_id, claims FROM give_back \
             WHERE period = $1 AND user_id = $2 AND name = $3",
        )
        .bind(period.to_string())
        .bind(user.to_string())
        .bind(name.to_string())
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            let (transaction, bytes): (i64, Vec<u8>) = (row.try_get(1)?, row.try_get(2)?);
            let claims = read_claims(&bytes)?;
            Ok(ReturnRow { sha256: row.try_get(0)?, transaction: transaction as u64, claims })
        })
        .transpose()
    }

    /// The number of returns of a user in a period.
    ///
    /// # Errors
    /// The database failed.
    pub async fn returns_of(&self, period: &Period, user: &UserId) -> Result<usize, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM give_back WHERE period = $1 AND user_id = $2")
            .bind(period.to_string())
            .bind(user.to_string())
            .fetch_one(self.pool())
            .await?;
        fitting("returns", row.try_get(0)?)
    }
}

impl Transaction {
    /// Adds a batch of which nothing is judged yet, unless it exists. Returns its row.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open_batch(
        &mut self,
        period: &Period,
        vendor: &VendorId,
        (kind, name): (BatchKind, &Id),
        (sha256, payments): (&[u8], u32),
        now: UnixTime,
    ) -> Result<BatchRow, StoreError> {
        sqlx::query(
            "INSERT INTO batch (period, vendor, kind, name, sha256, at, payments, judged, coins, \
             accepted, waiting, forged, not_from_owner, invented) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, 0, 0, 0, 0) \
             ON CONFLICT (period, vendor, kind, name) DO NOTHING",
        )
        .bind(period.to_string())
        .bind(vendor.to_string())
        .bind(kind.word())
        .bind(name.to_string())
        .bind(sha256.to_vec())
        .bind(now.0)
        .bind(i64::from(payments))
        .execute(self.connection())
        .await?;
        let select = self.locking(
            "SELECT id, sha256, at, payments, judged FROM batch \
             WHERE period = $1 AND vendor = $2 AND kind = $3 AND name = $4",
        );
        let row = sqlx::query(select)
            .bind(period.to_string())
            .bind(vendor.to_string())
            .bind(kind.word())
            .bind(name.to_string())
            .fetch_one(self.connection())
            .await?;
        BatchRow::read(&row)
    }

    /// Records the next part of a batch that this transaction has locked. Returns its number.
    ///
    /// # Errors
    /// The database failed, or the part is recorded already.
    pub async fn add_part(&mut self, part: &NewPart<'_>) -> Result<i64, StoreError> {
        let id: i64 = sqlx::query(
            "INSERT INTO part (batch, first_payment, payments, coins, claims) \
             VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(part.batch)
        .bind(i64::from(part.first_payment))
        .bind(i64::from(part.payments))
        .bind(part.claims.len() as i64)
        .bind(claims_bytes(part.claims))
        .fetch_one(self.connection())
        .await?
        .try_get(0)?;
        let [accepted, waiting, forged, not_from_owner, invented] =
            part.counts.map(|count| count as i64);
        sqlx::query(
            "UPDATE batch SET judged = judged + $2, coins = coins + $3, accepted = accepted + $4, \
             waiting = waiting + $5, forged = forged + $6, not_from_owner = not_from_owner + $7, \
             invented = invented + $8 WHERE id = $1",
        )
        .bind(part.batch)
        .bind(i64::from(part.payments))
        .bind(part.claims.len() as i64)
        .bind(accepted)
        .bind(waiting)
        .bind(forged)
        .bind(not_from_owner)
        .bind(invented)
        .execute(self.connection())
        .await?;
        Ok(id)
    }

    /// The same as [`Store::coins_shown`], as this transaction sees it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn coins_shown(&mut self, vendor: &VendorId, hour: i64) -> Result<u64, StoreError> {
        coins_shown(self.connection(), vendor, hour).await
    }

    /// Counts coins of a vendor's batches that were refused in an hour.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_coins_refused(
        &mut self,
        vendor: &VendorId,
        hour: i64,
        coins: u64,
    ) -> Result<(), StoreError> {
        if coins == 0 {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO refused_coin (vendor, hour, coins) VALUES ($1, $2, $3) \
             ON CONFLICT (vendor, hour) DO UPDATE SET coins = refused_coin.coins + excluded.coins",
        )
        .bind(vendor.to_string())
        .bind(hour)
        .bind(coins as i64)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Records a return. Returns whether the Request-ID was free.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_return(
        &mut self,
        (period, user, name): (&Period, &UserId, &Id),
        row: &ReturnRow,
        counts: [u64; 3],
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let [waiting, forged, not_from_owner] = counts.map(|count| count as i64);
        let added = sqlx::query(
            "INSERT INTO give_back (period, user_id, name, sha256, transaction_id, at, waiting, \
             forged, not_from_owner, claims) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (period, user_id, name) DO NOTHING",
        )
        .bind(period.to_string())
        .bind(user.to_string())
        .bind(name.to_string())
        .bind(row.sha256.clone())
        .bind(row.transaction as i64)
        .bind(now.0)
        .bind(waiting)
        .bind(forged)
        .bind(not_from_owner)
        .bind(claims_bytes(&row.claims))
        .execute(self.connection())
        .await?;
        Ok(added.rows_affected() == 1)
    }
}
