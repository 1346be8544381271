//! The audit log: what people did who may change money or the accounts of others.
//!
//! Input: who, what, details. Output: a row with the SHA-256 of itself and the row before. The
//! invariants: rows are append-only, and each follows exactly one other, so a row that is changed,
//! left out or put in breaks the chain; a row is written in the transaction of what it records.

use micromint::time::UnixTime;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::random::{hex, mac};
use crate::store::{Dialect, Store, StoreError, Transaction};

/// What the hash of the first row follows.
const BEGINNING: [u8; 32] = [0; 32];
/// How many rows are read at a time.
const ROWS_AT_A_TIME: i64 = 10_000;

/// A row of the log.
pub(super) struct AuditRow {
    pub(super) id: i64,
    pub(super) at: UnixTime,
    pub(super) by: String,
    pub(super) what: String,
    pub(super) detail: String,
    previous: Vec<u8>,
    pub(super) sha256: Vec<u8>,
}

impl AuditRow {
    fn read(row: &AnyRow) -> Result<AuditRow, StoreError> {
        Ok(AuditRow {
            id: row.try_get(0)?,
            at: UnixTime(row.try_get(1)?),
            by: row.try_get(2)?,
            what: row.try_get(3)?,
            detail: row.try_get(4)?,
            previous: row.try_get(5)?,
            sha256: row.try_get(6)?,
        })
    }

    fn hash(&self) -> [u8; 32] {
        hash(&self.previous, self.at, [&self.by, &self.what, &self.detail])
    }
}

/// The hash of a row.
fn hash(previous: &[u8], at: UnixTime, [by, what, detail]: [&str; 3]) -> [u8; 32] {
    let at = at.0.to_be_bytes();
    let parts = [previous, &at, by.as_bytes(), what.as_bytes(), detail.as_bytes()];
    mac(b"micromint audit", &parts)
}

impl Transaction {
    /// Adds a row to the audit log.
    pub(crate) async fn audit(
        &mut self,
        by: &str,
        what: &str,
        detail: &str,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            // One row at a time, so that each follows the last.
            let lock = "LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE";
            sqlx::query(lock).execute(self.connection()).await?;
        }
        let last = sqlx::query("SELECT sha256 FROM audit ORDER BY id DESC LIMIT 1")
            .fetch_optional(self.connection())
            .await?;
        let previous: Vec<u8> = match last {
            Some(row) => row.try_get(0)?,
            None => BEGINNING.to_vec(),
        };
        let sha256 = hash(&previous, now, [by, what, detail]).to_vec();
        sqlx::query(
            "INSERT INTO audit (at, by_whom, what, detail, previous, sha256) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(now.0)
        .bind(by.to_string())
        .bind(what.to_string())
        .bind(detail.to_string())
        .bind(previous)
        .bind(sha256)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

const ROWS: &str = "SELECT id, at, by_whom, what, detail, previous, sha256 FROM audit";

/// The last rows of the log, the last first.
pub(super) async fn last_rows(store: &Store, count: i64) -> Result<Vec<AuditRow>, StoreError> {
    let select = format!("{ROWS} ORDER BY id DESC LIMIT $1");
    let rows = sqlx::query(sqlx::AssertSqlSafe(select)).bind(count).fetch_all(store.pool()).await?;
    rows.iter().map(AuditRow::read).collect()
}

/// What is wrong with the audit log, in words: nothing, if the chain is whole.
///
/// # Errors
/// The database failed.
pub async fn audit_faults(store: &Store) -> Result<Vec<String>, StoreError> {
    let (mut previous, mut after, mut faults) = (BEGINNING.to_vec(), 0, Vec::new());
    loop {
        let select = format!("{ROWS} WHERE id > $1 ORDER BY id LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(after)
            .bind(ROWS_AT_A_TIME)
            .fetch_all(store.pool())
            .await?;
        for row in rows.iter().map(AuditRow::read) {
            let row = row?;
            if row.previous != previous || row.hash() != *row.sha256 {
                faults.push(format!(
                    "audit: row {} ({}) breaks the chain",
                    row.id,
                    hex(&row.sha256)
                ));
            }
            after = row.id;
            previous = row.sha256;
        }
        if (rows.len() as i64) < ROWS_AT_A_TIME {
            return Ok(faults);
        }
    }
}
