//! API keys, revoked users and complaints.
//!
//! Input: names and digests. Output: rows. The invariant: a key itself is never stored.

use micromint::identity::{UserId, VendorId};
use micromint::period::Period;
use micromint::time::UnixTime;
use sqlx::Row;

use super::error::parsed;
use super::{CONSOLE, Store, StoreError, Transaction, retried};
use crate::shop::Act;

/// A key of a program that acts for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// For whom it acts.
    pub user: UserId,
    /// When it ended; `None` if it is good.
    pub ended_at: Option<UnixTime>,
}

/// The most keys of a user that count at a time.
pub const KEYS_MAX: i64 = 20;

/// What became of a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAnswer {
    /// It counts.
    Added,
    /// The account of the user is closed.
    Closed,
    /// The user has [`KEYS_MAX`] keys.
    TooMany,
    /// It was added before, and has ended.
    Ended,
    /// The session in which it is made has ended.
    SessionOver,
}

/// Who makes a key.
#[derive(Clone, Copy, Debug)]
pub enum KeyMaker<'a> {
    /// An operator, on the console.
    Console,
    /// The user, in the session whose token has this SHA-256.
    Session(&'a [u8; 32]),
}

/// What became of a complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComplaintAnswer {
    /// It is recorded under this number: now, or by an earlier call.
    Recorded(i64),
    /// The user made another one under this name.
    Otherwise,
    /// The user has made as many as a user may.
    TooMany,
}

/// A complaint that is made.
#[derive(Clone, Copy, Debug)]
pub struct NewComplaint<'a> {
    /// SHA-256 of what was sent.
    pub sha256: [u8; 32],
    /// The vendor of the payment.
    pub vendor: &'a VendorId,
    /// What happened.
    pub text: &'a str,
    /// The payment.
    pub payment: &'a [u8],
}

impl Store {
    /// Whether a user has an account: for the pages, for programs, or with money.
    ///
    /// # Errors
    /// The database failed.
    pub async fn has_account(&self, user: &UserId) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM person WHERE user_id = $1) + \
             (SELECT COUNT(*) FROM api_key WHERE user_id = $1) + \
             (SELECT COUNT(*) FROM account WHERE kind = 'client' AND owner = $1)",
        )
        .bind(user.to_string())
        .fetch_one(self.pool())
        .await?;
        Ok(row.try_get::<i64, _>(0)? > 0)
    }

    /// Whether the account of a user is closed. One of programs alone is not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_closed(&self, user: &UserId) -> Result<bool, StoreError> {
        let row =
            sqlx::query("SELECT COUNT(*) FROM person WHERE user_id = $1 AND closed_at IS NOT NULL")
                .bind(user.to_string())
                .fetch_one(self.pool())
                .await?;
        Ok(row.try_get::<i64, _>(0)? > 0)
    }

    /// Whether an operator has disabled a vendor.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_disabled(&self, vendor: &VendorId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM disabled_vendor WHERE vendor = $1")
            .bind(vendor.to_string())
            .fetch_one(self.pool())
            .await?;
        Ok(row.try_get::<i64, _>(0)? > 0)
    }

    /// Adds a key, unless the account of the user is closed or has [`KEYS_MAX`] keys, or the
    /// session in which it is made has ended. The same key again changes nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_api_key(
        &self,
        sha256: [u8; 32],
        (by, user): (KeyMaker<'_>, &UserId),
        now: UnixTime,
    ) -> Result<KeyAnswer, StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            // Those that are made at the same time are counted too.
            tx.lock_name(&format!("keys {user}")).await?;
            if tx.is_closed(user.as_str()).await? {
                return Ok(KeyAnswer::Closed);
            }
            let by = match by {
                KeyMaker::Console => CONSOLE,
                KeyMaker::Session(session) if tx.has_session(user, session).await? => user.as_str(),
                KeyMaker::Session(_) => return Ok(KeyAnswer::SessionOver),
            };
            let known = sqlx::query("SELECT ended_at FROM api_key WHERE sha256 = $1")
                .bind(sha256.to_vec())
                .fetch_optional(tx.connection())
                .await?;
            if let Some(row) = known {
                let ended_at: Option<i64> = row.try_get(0)?;
                return Ok(ended_at.map_or(KeyAnswer::Added, |_| KeyAnswer::Ended));
            }
            let added = sqlx::query(
                "INSERT INTO api_key (sha256, user_id, at) SELECT $1, $2, $3 \
                 WHERE (SELECT COUNT(*) FROM api_key \
                 WHERE user_id = $2 AND ended_at IS NULL) < $4",
            )
            .bind(sha256.to_vec())
            .bind(user.to_string())
            .bind(now.0)
            .bind(KEYS_MAX)
            .execute(tx.connection())
            .await?;
            if added.rows_affected() == 0 {
                return Ok(KeyAnswer::TooMany);
            }
            tx.audit(by, Act::Key, user.as_str(), now).await?;
            tx.commit().await?;
            Ok::<KeyAnswer, StoreError>(KeyAnswer::Added)
        })
    }

    /// Ends all keys of a user. `by` is who ends them. Returns their number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_api_keys(
        &self,
        by: &str,
        user: &UserId,
        now: UnixTime,
    ) -> Result<u64, StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            let ended = tx.end_api_keys(by, user, now).await?;
            tx.commit().await?;
            Ok::<u64, StoreError>(ended)
        })
    }

    /// The key with this digest.
    ///
    /// # Errors
    /// The database failed.
    pub async fn api_key(&self, sha256: [u8; 32]) -> Result<Option<ApiKeyRow>, StoreError> {
        let row = sqlx::query("SELECT user_id, ended_at FROM api_key WHERE sha256 = $1")
            .bind(sha256.to_vec())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| {
            let (user, ended_at): (String, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
            let user = parsed("api_key.user_id", "a User-ID", &user)?;
            Ok(ApiKeyRow { user, ended_at: ended_at.map(UnixTime) })
        })
        .transpose()
    }

    /// Revokes a user, on the console, unless the user is revoked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke(&self, user: &UserId, now: UnixTime) -> Result<(), StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            tx.revoke(CONSOLE, user, now).await?;
            tx.commit().await
        })
    }

    /// Whether vendors refuse the user's coins of a period, and the broker sells none of it to the
    /// user: revoked by a person, or proved to be an offender in the period.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_refused(&self, period: &Period, user: &UserId) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT at FROM revoked WHERE user_id = $1 \
             UNION ALL SELECT at FROM offender WHERE period = $2 AND user_id = $1 LIMIT 1",
        )
        .bind(user.to_string())
        .bind(period.to_string())
        .fetch_optional(self.pool())
        .await?;
        Ok(row.is_some())
    }

    /// The users whose coins vendors refuse in a period, in order: revoked by a person, or proved
    /// offenders.
    ///
    /// # Errors
    /// The database failed.
    pub async fn refused_users(&self, period: &str) -> Result<Vec<UserId>, StoreError> {
        let rows = sqlx::query(
            "SELECT user_id FROM revoked UNION SELECT user_id FROM offender WHERE period = $1 \
             ORDER BY user_id",
        )
        .bind(period.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let user: String = row.try_get(0)?;
                parsed("user_id", "a User-ID", &user)
            })
            .collect()
    }

    /// A number that rises whenever a user is added to the list of a period. Nobody is removed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count_refused(&self, period: &str) -> Result<i64, StoreError> {
        let count = "SELECT (SELECT COUNT(*) FROM revoked) \
             + (SELECT COUNT(*) FROM offender WHERE period = $1)";
        let row = sqlx::query(count).bind(period.to_string()).fetch_one(self.pool()).await?;
        Ok(row.try_get(0)?)
    }

    /// Adds a complaint, unless the user made one under this name, or as many as `most`. What was
    /// sent is compared in the transaction, so of two at the same time one counts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_complaint(
        &self,
        user: &UserId,
        name: &str,
        complaint: &NewComplaint<'_>,
        (most, now): (i64, UnixTime),
    ) -> Result<ComplaintAnswer, StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            // Those that come at the same time are counted too.
            tx.lock_name(&format!("complaints {user}")).await?;
            sqlx::query(
                "INSERT INTO complaint (user_id, name, at, sha256, text, payment, vendor) \
                 SELECT $1, $2, $3, $4, $5, $6, $7 \
                 WHERE (SELECT COUNT(*) FROM complaint WHERE user_id = $1) < $8 \
                 ON CONFLICT (user_id, name) DO NOTHING",
            )
            .bind(user.to_string())
            .bind(name.to_string())
            .bind(now.0)
            .bind(complaint.sha256.to_vec())
            .bind(complaint.text.to_string())
            .bind(complaint.payment.to_vec())
            .bind(complaint.vendor.to_string())
            .bind(most)
            .execute(tx.connection())
            .await?;
            let select = "SELECT id, sha256 FROM complaint WHERE user_id = $1 AND name = $2";
            let made = sqlx::query(select)
                .bind(user.to_string())
                .bind(name.to_string())
                .fetch_optional(tx.connection())
                .await?;
            tx.commit().await?;
            let Some(made) = made else { return Ok(ComplaintAnswer::TooMany) };
            let sha256: Vec<u8> = made.try_get(1)?;
            Ok::<ComplaintAnswer, StoreError>(match sha256 == complaint.sha256 {
                true => ComplaintAnswer::Recorded(made.try_get(0)?),
                false => ComplaintAnswer::Otherwise,
            })
        })
    }
}

impl Transaction {
    /// Ends all keys of a user, and records it if there were any. `by` is who ends them. Returns
    /// their number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_api_keys(
        &mut self,
        by: &str,
        user: &UserId,
        now: UnixTime,
    ) -> Result<u64, StoreError> {
        let ended =
            sqlx::query("UPDATE api_key SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL")
                .bind(user.to_string())
                .bind(now.0)
                .execute(self.connection())
                .await?;
        if ended.rows_affected() > 0 {
            self.audit(by, Act::KeysEnded, user.as_str(), now).await?;
        }
        Ok(ended.rows_affected())
    }

    /// Revokes a user, unless the user is revoked. `by` is who does it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke(
        &mut self,
        by: &str,
        user: &UserId,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let revoked = sqlx::query(
            "INSERT INTO revoked (user_id, at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
        )
        .bind(user.to_string())
        .bind(now.0)
        .execute(self.connection())
        .await?;
        if revoked.rows_affected() > 0 {
            self.audit(by, Act::Revoked, user.as_str(), now).await?;
        }
        Ok(())
    }

    /// When a user was revoked, or proved to be an offender in a period: vendors refuse the user's
    /// coins.
    ///
    /// # Errors
    /// The database failed.
    pub async fn refused_since(
        &mut self,
        period: &Period,
        user: &UserId,
    ) -> Result<Option<UnixTime>, StoreError> {
        let row = sqlx::query(
            "SELECT at FROM revoked WHERE user_id = $1 \
             UNION ALL SELECT at FROM offender WHERE period = $2 AND user_id = $1 LIMIT 1",
        )
        .bind(user.to_string())
        .bind(period.to_string())
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| row.try_get(0).map(UnixTime)).transpose()?)
    }
}
