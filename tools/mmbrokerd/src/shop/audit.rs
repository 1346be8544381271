//! The audit log: what people did who may change money or the accounts of others.
//!
//! Input: who, what, details. Output: a row with the SHA-256 of itself and the row before. The
//! invariants: rows are append-only, and each follows exactly one other, so a row that is changed,
//! left out or put in breaks the chain; a row is written in the transaction of what it records; its
//! details are names, numbers and amounts, so that only what was done needs a translation.

use micromint::time::UnixTime;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::random::{hex, mac};
use crate::store::{Store, StoreError, Transaction};

/// What the hash of the first row follows.
const BEGINNING: [u8; 32] = [0; 32];
/// How many rows are read at a time.
const ROWS_AT_A_TIME: i64 = 10_000;
/// The most rows that are named if the chain is broken.
const FAULTS_NAMED_MAX: usize = 100;

/// Declares [`Act`], its words in the database, and the messages with its name.
macro_rules! acts {
    ($($act:ident, $word:literal, $message:literal;)*) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Act {
            $(#[doc = $word] $act,)*
        }

        impl Act {
            /// All acts.
            const ALL: &[Act] = &[$(Act::$act,)*];

            /// The word in the database.
            fn word(self) -> &'static str {
                match self { $(Act::$act => $word,)* }
            }

            /// What people do about accounts of their own, for which no role is needed.
            const OWN: [Act; 15] = [
                Act::AccountClosed,
                Act::BankOfClient,
                Act::BankOfVendor,
                Act::Key,
                Act::KeysEnded,
                Act::MailConfirmed,
                Act::MailRemoved,
                Act::PasskeyAdded,
                Act::PasskeyCopied,
                Act::PasskeyRemoved,
                Act::PasswordByLink,
                Act::PasswordChanged,
                Act::Vendor,
                Act::VendorKey,
                Act::VendorKeyReplaced,
            ];

            /// The message with its name, which says what the details are.
            fn message(self) -> &'static str {
                match self { $(Act::$act => $message,)* }
            }
        }
    };
}

acts! {
    AccountClosed, "account closed", "audit-account-closed";
    BankOfClient, "bank account of a client", "audit-bank-client";
    BankOfVendor, "bank account of a vendor", "audit-bank-vendor";
    BatchJudged, "batch judged", "audit-batch";
    ComplaintAnswered, "complaint answered", "audit-complaint";
    Compromised, "compromised", "audit-compromised";
    Deposit, "deposit", "audit-deposit";
    Key, "key", "audit-key";
    KeysEnded, "keys ended", "audit-keys-ended";
    MailConfirmed, "mail address confirmed", "audit-mail-confirmed";
    MailRemoved, "mail address removed", "audit-mail-removed";
    MintPlanned, "mint planned", "audit-mint-planned";
    MintStopped, "mint stopped", "audit-mint-stopped";
    MoveTakenBack, "move taken back", "audit-move-taken-back";
    Moved, "moved to another database", "audit-moved";
    PasskeyAdded, "passkey added", "audit-passkey-added";
    PasskeyCopied, "passkey refused, may be copied", "audit-passkey-copied";
    PasskeyRemoved, "passkey removed", "audit-passkey-removed";
    PasswordByLink, "password by a link", "audit-password-by-link";
    PasswordChanged, "password changed", "audit-password-changed";
    PasswordLink, "password link", "audit-password-link";
    PasswordSet, "password", "audit-password";
    PayoutBooked, "payout booked", "audit-payout-booked";
    PayoutFailed, "payout failed", "audit-payout-failed";
    PayoutRun, "payout run", "audit-payout-run";
    PayoutRunBooked, "payout run booked", "audit-payout-run-booked";
    PayoutRunPaid, "payout run paid", "audit-payout-paid";
    PayoutsReleased, "payouts released", "audit-payouts-released";
    Restored, "restored", "audit-restored";
    ReturnTaken, "return taken", "audit-return";
    Revoked, "revoked", "audit-revoked";
    RulingPay, "ruling pay", "audit-ruling-pay";
    RulingRefuse, "ruling refuse", "audit-ruling-refuse";
    Sale, "sale", "audit-sale";
    Settled, "settled", "audit-settled";
    Vendor, "vendor", "audit-vendor";
    VendorDisabled, "vendor disabled", "audit-vendor-disabled";
    VendorEnabled, "vendor enabled", "audit-vendor-enabled";
    VendorHandedOver, "vendor handed over", "audit-vendor-handed-over";
    VendorKey, "vendor key", "audit-vendor-key";
    VendorKeyFound, "vendor key found", "audit-vendor-key-found";
    VendorKeyReplaced, "vendor key replaced", "audit-vendor-key-replaced";
    VendorRegistered, "vendor registered", "audit-vendor-registered";
    Vouchers, "vouchers", "audit-vouchers";
    VouchersPrinted, "vouchers printed", "audit-vouchers-printed";
    VouchersReleased, "vouchers released", "audit-vouchers-released";
    VouchersVoid, "vouchers void", "audit-vouchers-void";
    Watched, "watch judged", "audit-watch";
}

/// The message with the name of what a row records; `None` if no act has this word.
pub(super) fn message_of(word: &str) -> Option<&'static str> {
    Act::ALL.iter().find(|act| act.word() == word).map(|act| act.message())
}

/// A row of the log.
pub struct AuditRow {
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub at: UnixTime,
    /// Who did it.
    pub by: String,
    /// What was done.
    pub what: String,
    /// Names, numbers and amounts.
    pub detail: String,
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

    /// Whether the row records this act.
    pub(super) fn is(&self, act: Act) -> bool {
        self.what == act.word()
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
    /// Adds a row to the audit log. It is the last lock that a transaction takes.
    pub(crate) async fn audit(
        &mut self,
        by: &str,
        act: Act,
        detail: &str,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let what = act.word();
        // One row at a time, so that each follows the last.
        self.lock_name("audit").await?;
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
///
/// # Errors
/// The database failed.
pub async fn last_rows(store: &Store, count: i64) -> Result<Vec<AuditRow>, StoreError> {
    let select = format!("{ROWS} ORDER BY id DESC LIMIT $1");
    let rows = sqlx::query(sqlx::AssertSqlSafe(select)).bind(count).fetch_all(store.pool()).await?;
    rows.iter().map(AuditRow::read).collect()
}

/// The row with this number.
pub(super) async fn row(store: &Store, id: i64) -> Result<Option<AuditRow>, StoreError> {
    let select = format!("{ROWS} WHERE id = $1");
    let row =
        sqlx::query(sqlx::AssertSqlSafe(select)).bind(id).fetch_optional(store.pool()).await?;
    row.as_ref().map(AuditRow::read).transpose()
}

/// The number of the last row about a deposit that somebody made.
pub(super) async fn last_deposit(store: &Store, by: &str) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query(
        "SELECT id FROM audit WHERE by_whom = $1 AND what = $2 ORDER BY id DESC LIMIT 1",
    )
    .bind(by.to_string())
    .bind(Act::Deposit.word())
    .fetch_optional(store.pool())
    .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Rows of the log before the row with this number, the last first: all, or without what people
/// who have no role did about their own accounts. What somebody did as an operator stays, whatever
/// the role is today.
pub(super) async fn rows_before(
    store: &Store,
    (before, with_readers): (i64, bool),
    count: i64,
) -> Result<Vec<AuditRow>, StoreError> {
    let by = match with_readers {
        true => String::new(),
        false => {
            let own: Vec<String> = Act::OWN.iter().map(|act| format!("'{}'", act.word())).collect();
            // A vendor is added by the person who is to act for it, or by an operator.
            format!(
                "AND NOT (what IN ({}) AND (what <> '{}' \
                 OR SUBSTR(detail, LENGTH(detail) - LENGTH(by_whom)) = ' ' || by_whom) \
                 AND EXISTS (SELECT 1 FROM person \
                 WHERE person.user_id = audit.by_whom AND role = 'none'))",
                own.join(", "),
                Act::Vendor.word(),
            )
        }
    };
    let select = format!("{ROWS} WHERE id < $1 {by} ORDER BY id DESC LIMIT $2");
    let query = sqlx::query(sqlx::AssertSqlSafe(select)).bind(before).bind(count);
    query.fetch_all(store.pool()).await?.iter().map(AuditRow::read).collect()
}

/// To which database the broker was moved last.
pub(crate) async fn last_moved_to(store: &Store) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT detail FROM audit WHERE what = $1 ORDER BY id DESC LIMIT 1")
        .bind(Act::Moved.word())
        .fetch_optional(store.pool())
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// The last decision of a dispute with one of these details.
pub(super) async fn last_ruling(
    store: &Store,
    details: &[String; 2],
) -> Result<Option<Act>, StoreError> {
    let acts = [Act::RulingPay, Act::RulingRefuse];
    let row = sqlx::query(
        "SELECT what FROM audit WHERE what IN ($1, $2) AND detail IN ($3, $4) \
         ORDER BY id DESC LIMIT 1",
    )
    .bind(acts[0].word())
    .bind(acts[1].word())
    .bind(details[0].clone())
    .bind(details[1].clone())
    .fetch_optional(store.pool())
    .await?;
    let what: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    Ok(acts.into_iter().find(|act| Some(act.word()) == what.as_deref()))
}

/// What is wrong with the audit log, in words: nothing, if the chain is whole. Of more than 100
/// rows that break it, the last fault says the number.
///
/// # Errors
/// The database failed.
pub async fn audit_faults(store: &Store) -> Result<Vec<String>, StoreError> {
    let (mut previous, mut after, mut faults) = (BEGINNING.to_vec(), 0, Vec::new());
    let mut not_named = 0;
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
                if faults.len() < FAULTS_NAMED_MAX {
                    let hash = hex(&row.sha256);
                    faults.push(format!("audit: row {} ({hash}) breaks the chain", row.id));
                } else {
                    not_named += 1;
                }
            }
            after = row.id;
            previous = row.sha256;
        }
        if (rows.len() as i64) < ROWS_AT_A_TIME {
            if not_named > 0 {
                faults.push(format!("audit: {not_named} more rows break the chain"));
            }
            return Ok(faults);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::shop::words::Language;

    #[test]
    fn every_act_has_a_name_in_each_language() {
        let words: BTreeSet<&str> = Act::ALL.iter().map(|act| act.word()).collect();
        assert_eq!(words.len(), Act::ALL.len());
        for language in Language::ALL {
            let names: BTreeSet<String> =
                Act::ALL.iter().map(|act| language.words().get(act.message())).collect();
            assert_eq!(names.len(), Act::ALL.len(), "{language:?}");
            for act in Act::ALL {
                assert!(language.words().has(act.message()), "{language:?} {act:?}");
                assert_eq!(message_of(act.word()), Some(act.message()));
            }
        }
        assert_eq!(message_of("something else"), None);
    }
}
