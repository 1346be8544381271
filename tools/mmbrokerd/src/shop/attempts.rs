//! Limits on how often something is tried, in the database, so that a restart forgets nothing.
//!
//! Input: what is tried, and by whom. Output: whether it may be tried. The invariants: an attempt
//! is counted before it is made, so attempts at the same time are counted too; in no span of a
//! limit's length are there more than it allows, wherever the span begins; what was refused is not
//! counted, so whoever waits as long as the answer says may try again.

use sqlx::Row;

use super::Shop;
use super::answer::{Refused, refuse};
use crate::store::{StoreError, retried};

/// A limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    what: &'static str,
    most: i64,
    seconds: i64,
}

/// Logins that fail, for one account from one network.
pub(super) const LOGIN: Limit = Limit { what: "login", most: 10, seconds: 900 };
/// Logins with passkeys that fail, for one account from everywhere.
pub(super) const PASSKEY: Limit = Limit { what: "passkey", most: 100, seconds: 3600 };
/// Logins with passwords that fail, for one account from everywhere.
pub(super) const LOGIN_ACCOUNT: Limit = Limit { what: "login account", most: 100, seconds: 3600 };
/// Logins that fail, from one network.
pub(super) const LOGIN_NET: Limit = Limit { what: "login net", most: 60, seconds: 900 };
/// Logins of one account from everywhere, whether they fail or not.
pub(super) const LOGIN_ALL: Limit = Limit { what: "login all", most: 160, seconds: 3600 };
/// Wrong passwords in the forms of one session.
pub(super) const SESSION: Limit = Limit { what: "session", most: 10, seconds: 3600 };
/// Keys for wallets that one account makes.
pub(super) const KEY: Limit = Limit { what: "key", most: 30, seconds: 3600 };
/// Changes of the password of one account.
pub(super) const PASSWORD: Limit = Limit { what: "password", most: 20, seconds: 3600 };
/// Changes of bank accounts, and views and replacements of a vendor's key, of one account: each is
/// in the audit log for good.
pub(super) const CHANGE: Limit = Limit { what: "change", most: 60, seconds: 3600 };
/// Challenges for a login with a passkey, from one network.
pub(super) const CHALLENGE_NET: Limit = Limit { what: "challenge net", most: 120, seconds: 900 };
/// Challenges for new passkeys of one account.
pub(super) const CHALLENGE: Limit = Limit { what: "challenge", most: 30, seconds: 900 };
/// New accounts from one network.
pub(super) const REGISTER: Limit = Limit { what: "register", most: 30, seconds: 3600 };

/// Wrong voucher codes of one person.
pub(super) const VOUCHER: Limit = Limit { what: "voucher", most: 10, seconds: 3600 };
/// Wrong voucher codes from one network.
pub(super) const VOUCHER_NET: Limit = Limit { what: "voucher net", most: 30, seconds: 3600 };
/// Mails to confirm one address, or for one account.
pub(super) const MAIL: Limit = Limit { what: "mail", most: 5, seconds: 3600 };
/// Questions for a new password with one name or address. They are not counted with [`MAIL`], since
/// only an address that exists has been confirmed.
pub(super) const LOST: Limit = Limit { what: "lost", most: 5, seconds: 3600 };
/// Mails that one network causes.
pub(super) const MAIL_NET: Limit = Limit { what: "mail net", most: 20, seconds: 3600 };
/// Host proofs that one person asks for.
pub(super) const PROOF: Limit = Limit { what: "proof", most: 20, seconds: 3600 };

impl Limit {
    /// The name of what is limited, in the database.
    pub(super) fn what(self) -> &'static str {
        self.what
    }
}

impl Shop {
    /// Counts an attempt, and refuses it if there were too many.
    pub(super) async fn attempt(&self, limit: Limit, who: &str) -> Result<(), Refused> {
        if self.may(limit, who).await? {
            return Ok(());
        }
        let minutes = limit.seconds / 60;
        Err(refuse("error-too-often").with("minutes", minutes))
    }

    /// Counts an attempt. Returns whether it may be made.
    pub(super) async fn may(&self, limit: Limit, who: &str) -> Result<bool, StoreError> {
        retried!(self.count(limit, who))
    }

    /// Takes an attempt back that succeeded.
    pub(super) async fn forgive(&self, limit: Limit, who: &str) -> Result<(), Refused> {
        retried!(self.take_back(limit, who))?;
        Ok(())
    }

    /// Counts an attempt, in the row of this second. Returns whether it may be made.
    async fn count(&self, limit: Limit, who: &str) -> Result<bool, StoreError> {
        let now = self.service.now().0;
        let mut tx = self.service.store().begin().await?;
        // Attempts of the same kind and name one after the other.
        tx.lock_name(&format!("{} {who}", limit.what)).await?;
        let made: i64 = sqlx::query(
            "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM attempt \
             WHERE what = $1 AND who = $2 AND span > $3",
        )
        .bind(limit.what)
        .bind(who.to_string())
        .bind(now - limit.seconds)
        .fetch_one(tx.connection())
        .await?
        .try_get(0)?;
        if made >= limit.most {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO attempt (what, who, span, count) VALUES ($1, $2, $3, 1) \
             ON CONFLICT (what, who, span) DO UPDATE SET count = attempt.count + 1",
        )
        .bind(limit.what)
        .bind(who.to_string())
        .bind(now)
        .execute(tx.connection())
        .await?;
        if made == 0 {
            sqlx::query("DELETE FROM attempt WHERE what = $1 AND span <= $2")
                .bind(limit.what)
                .bind(now - limit.seconds)
                .execute(tx.connection())
                .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Forgets all attempts of somebody.
    pub(super) async fn forget(&self, limit: Limit, who: &str) -> Result<(), StoreError> {
        retried!(async {
            let mut tx = self.service.store().begin().await?;
            sqlx::query("DELETE FROM attempt WHERE what = $1 AND who = $2")
                .bind(limit.what)
                .bind(who.to_string())
                .execute(tx.connection())
                .await?;
            tx.commit().await
        })
    }

    async fn take_back(&self, limit: Limit, who: &str) -> Result<(), StoreError> {
        let mut tx = self.service.store().begin().await?;
        sqlx::query(
            "UPDATE attempt SET count = count - 1 WHERE what = $1 AND who = $2 AND span = \
             (SELECT MAX(span) FROM attempt WHERE what = $1 AND who = $2 AND count > 0)",
        )
        .bind(limit.what)
        .bind(who.to_string())
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }
}
