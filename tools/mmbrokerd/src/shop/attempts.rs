//! Limits on how often something is tried, in the database, so that a restart forgets nothing.
//!
//! Input: what is tried, and by whom. Output: whether it may be tried. The invariant: an attempt is
//! counted before it is made, so attempts at the same time are counted too.

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
/// Logins that fail, for one account from everywhere.
pub(super) const LOGIN_ACCOUNT: Limit = Limit { what: "login account", most: 100, seconds: 3600 };
/// Logins that fail, from one network.
pub(super) const LOGIN_NET: Limit = Limit { what: "login net", most: 60, seconds: 900 };
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
/// Mails to one address, or for one account.
pub(super) const MAIL: Limit = Limit { what: "mail", most: 5, seconds: 3600 };
/// Mails that one network causes.
pub(super) const MAIL_NET: Limit = Limit { what: "mail net", most: 20, seconds: 3600 };
/// Host proofs that one person asks for.
pub(super) const PROOF: Limit = Limit { what: "proof", most: 20, seconds: 3600 };

impl Shop {
    /// Counts an attempt, and refuses it if there were too many.
    pub(super) async fn attempt(&self, limit: Limit, who: &str) -> Result<(), Refused> {
        let span = self.service.now().0.div_euclid(limit.seconds);
        let count = retried!(self.count(limit, who, span, 1))?;
        if count > limit.most {
            let minutes = limit.seconds / 60;
            return Err(refuse("error-too-often").with("minutes", minutes));
        }
        Ok(())
    }

    /// Takes an attempt back that succeeded.
    pub(super) async fn forgive(&self, limit: Limit, who: &str) -> Result<(), Refused> {
        let span = self.service.now().0.div_euclid(limit.seconds);
        retried!(self.count(limit, who, span, -1))?;
        Ok(())
    }

    async fn count(&self, limit: Limit, who: &str, span: i64, add: i64) -> Result<i64, StoreError> {
        let mut tx = self.service.store().begin().await?;
        let count: i64 = sqlx::query(
            "INSERT INTO attempt (what, who, span, count) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (what, who, span) DO UPDATE SET count = attempt.count + excluded.count \
             RETURNING count",
        )
        .bind(limit.what)
        .bind(who.to_string())
        .bind(span)
        .bind(add)
        .fetch_one(tx.connection())
        .await?
        .try_get(0)?;
        if count == 1 {
            sqlx::query("DELETE FROM attempt WHERE what = $1 AND span < $2")
                .bind(limit.what)
                .bind(span)
                .execute(tx.connection())
                .await?;
        }
        tx.commit().await?;
        Ok(count)
    }
}
