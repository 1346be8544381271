//! What the operator's reports are made of.
//!
//! Input: a period, a vendor or a user. Output: counts, and rows in the order in which they were
//! recorded. Nothing is changed.

use micromint::broker::{Alarm, Claim};
use micromint::identity::{UserId, VendorId};
use micromint::period::Period;
use micromint::protocol::{Id, Verdict};
use micromint::time::UnixTime;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::batches::read_claims;
use super::error::{fitting, parsed};
use super::{BatchKind, Store, StoreError};

/// How many batches are read at a time.
const BATCHES_AT_A_TIME: i64 = 1000;

/// The money of a period, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodMoney {
    /// What was paid for coins, by clients and by the promotion.
    pub sold: i128,
    /// What vendors got for coins.
    pub vendors: i128,
    /// What clients got for coins.
    pub clients: i128,
    /// What coins may still cost.
    pub owed: i128,
    /// What waits for the decision of a person.
    pub disputed: i128,
    /// What nobody gets.
    pub lapsed: i128,
    /// What of free trials came back to the promotion.
    pub promotion: i128,
}

impl PeriodMoney {
    /// To vendors, to clients, still owed, disputed, lapsed, of free trials back.
    pub fn parts(&self) -> [i128; 6] {
        let PeriodMoney { vendors, clients, owed, disputed, lapsed, promotion, .. } = *self;
        [vendors, clients, owed, disputed, lapsed, promotion]
    }

    /// Whether the parts are what was sold.
    pub fn is_whole(&self) -> bool {
        let parts = self.parts();
        parts.iter().sum::<i128>() == self.sold && parts.iter().all(|part| *part >= 0)
    }
}

/// How many rows of each kind a period has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeriodCounts {
    /// Sales.
    pub sales: u64,
    /// Registered vendors.
    pub vendors: u64,
    /// Batches.
    pub batches: u64,
    /// Watches.
    pub watches: u64,
    /// Returns.
    pub returns: u64,
    /// Claims that waited when they were judged.
    pub waiting: u64,
    /// Coins and balls that raise an alarm.
    pub alarm: Alarm,
    /// Users whose coins of the period vendors refuse: revoked, or offenders of the period.
    pub revoked: u64,
}

/// A batch of a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorBatch {
    /// The Batch-ID.
    pub name: Id,
    /// When it was judged.
    pub at: UnixTime,
    /// Its coins that are judged.
    pub coins: u64,
    /// Those that were paid at once.
    pub accepted: u64,
    /// Those that waited.
    pub waiting: u64,
    /// Those with a ball that is not the minted one.
    pub forged: u64,
}

/// A return of a user.
#[derive(Clone, Debug)]
pub struct UserReturn {
    /// The Request-ID.
    pub name: Id,
    /// When it was judged.
    pub at: UnixTime,
    /// A claim for each ball.
    pub claims: Vec<Claim>,
}

/// A batch or a watch, as reports go through all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRow {
    /// Its number.
    pub id: i64,
    /// The vendor.
    pub vendor: VendorId,
    /// What it is for.
    pub kind: BatchKind,
    /// When its first part was judged.
    pub at: UnixTime,
    /// Its coins that are judged.
    pub coins: u64,
    /// Its coins that raise an alarm.
    pub alarm: Alarm,
    /// Its coins that waited.
    pub waiting: u64,
}

impl SentRow {
    fn read(row: &AnyRow) -> Result<SentRow, StoreError> {
        let (vendor, kind): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        let number = |at: usize| fitting("batch", row.try_get(at)?);
        Ok(SentRow {
            id: row.try_get(0)?,
            vendor: parsed("batch.vendor", "a Vendor-ID", &vendor)?,
            kind: match kind == BatchKind::Watch.word() {
                true => BatchKind::Watch,
                false => BatchKind::Redemption,
            },
            at: UnixTime(row.try_get(3)?),
            coins: number(4)?,
            waiting: number(5)?,
            alarm: alarm_of(number(6)?, number(7)?, number(8)?),
        })
    }
}

fn alarm_of(forged: u64, not_from_owner: u64, invented: u64) -> Alarm {
    let mut alarm = Alarm::default();
    (alarm.forged, alarm.not_from_owner, alarm.invented) = (forged, not_from_owner, invented);
    alarm
}

impl Store {
    /// Where the money of a period is.
    ///
    /// # Errors
    /// The database failed.
    pub async fn period_money(&self, period: &Period) -> Result<PeriodMoney, StoreError> {
        // One view of the database: what is sold meanwhile is in all numbers or in none.
        let mut tx = self.snapshot().await?;
        let rows = sqlx::query(
            "SELECT kind, amount FROM balance JOIN account ON account.id = balance.account \
             WHERE kind IN ('coins', 'disputed', 'lapsed') AND owner = $1",
        )
        .bind(period.to_string())
        .fetch_all(&mut *tx)
        .await?;
        let (mut owed, mut disputed, mut lapsed) = (0, 0, 0);
        for row in &rows {
            let (kind, amount): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            let part = match kind.as_str() {
                "coins" => &mut owed,
                "disputed" => &mut disputed,
                _ => &mut lapsed,
            };
            *part += i128::from(amount);
        }
        // What stands opposite to the money of the period, by transfers and accounts. Halves, since
        // a sum of amounts may have more than 64 bits.
        let rows = sqlx::query(
            "SELECT transfer.kind, other.kind, \
             CAST(SUM(entry.amount / 4294967296) AS BIGINT), \
             CAST(SUM(entry.amount % 4294967296) AS BIGINT) \
             FROM entry JOIN transfer ON transfer.id = entry.transfer \
             JOIN account AS other ON other.id = entry.account \
             WHERE other.kind IN ('vendor', 'client', 'promotion') AND entry.transfer IN \
             (SELECT own.transfer FROM entry AS own JOIN account ON account.id = own.account \
             WHERE account.kind IN ('coins', 'disputed') AND account.owner = $1) \
             GROUP BY transfer.kind, other.kind",
        )
        .bind(period.to_string())
        .fetch_all(&mut *tx)
        .await?;
        let (mut sold, mut vendors, mut clients, mut promotion) = (0, 0, 0, 0);
        for row in &rows {
            let (transfer, account): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let (high, low): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            let units = i128::from(high) * (1 << 32) + i128::from(low);
            match (transfer.as_str(), account.as_str()) {
                ("sale", _) => sold -= units,
                (_, "vendor") => vendors += units,
                (_, "promotion") => promotion += units,
                _ => clients += units,
            }
        }
        Ok(PeriodMoney { sold, vendors, clients, owed, disputed, lapsed, promotion })
    }

    /// How many rows of each kind a period has.
    ///
    /// # Errors
    /// The database failed.
    pub async fn period_counts(&self, period: &Period) -> Result<PeriodCounts, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM sale WHERE period = $1), \
             (SELECT COUNT(*) FROM vendor WHERE period = $1), \
             (SELECT COUNT(*) FROM (SELECT user_id FROM offender WHERE period = $1 \
             UNION SELECT user_id FROM revoked) AS refused)",
        )
        .bind(period.to_string())
        .fetch_one(self.pool())
        .await?;
        let mut counts = PeriodCounts {
            sales: fitting("sales", row.try_get(0)?)?,
            vendors: fitting("vendors", row.try_get(1)?)?,
            revoked: fitting("revoked", row.try_get(2)?)?,
            ..PeriodCounts::default()
        };
        let sent = sqlx::query(
            "SELECT kind, COUNT(*), CAST(SUM(waiting) AS BIGINT), CAST(SUM(forged) AS BIGINT), \
             CAST(SUM(not_from_owner) AS BIGINT), CAST(SUM(invented) AS BIGINT) \
             FROM batch WHERE period = $1 GROUP BY kind",
        )
        .bind(period.to_string())
        .fetch_all(self.pool())
        .await?;
        for row in &sent {
            let kind: String = row.try_get(0)?;
            let number = |at: usize| fitting("batch", row.try_get(at)?);
            counts.alarm.add(alarm_of(number(3)?, number(4)?, number(5)?));
            if kind == BatchKind::Watch.word() {
                counts.watches = number(1)?;
            } else {
                counts.batches = number(1)?;
                counts.waiting += number(2)?;
            }
        }
        let row = sqlx::query(
            "SELECT COUNT(*), CAST(COALESCE(SUM(waiting), 0) AS BIGINT), \
             CAST(COALESCE(SUM(forged), 0) AS BIGINT), \
             CAST(COALESCE(SUM(not_from_owner), 0) AS BIGINT) FROM give_back WHERE period = $1",
        )
        .bind(period.to_string())
        .fetch_one(self.pool())
        .await?;
        let number = |at: usize| fitting("give_back", row.try_get(at)?);
        counts.returns = number(0)?;
        counts.waiting += number(1)?;
        counts.alarm.add(alarm_of(number(2)?, number(3)?, 0));
        Ok(counts)
    }

    /// When a vendor was registered for a period; `None` if it is not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn registered_at(
        &self,
        period: &Period,
        vendor: &VendorId,
    ) -> Result<Option<UnixTime>, StoreError> {
        let row = sqlx::query("SELECT at FROM vendor WHERE period = $1 AND name = $2")
            .bind(period.to_string())
            .bind(vendor.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| Ok(UnixTime(row.try_get(0)?))).transpose()
    }

    /// When a user was revoked; `None` if the user is not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn when_revoked(&self, user: &UserId) -> Result<Option<UnixTime>, StoreError> {
        let row = sqlx::query("SELECT at FROM revoked WHERE user_id = $1")
            .bind(user.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| Ok(UnixTime(row.try_get(0)?))).transpose()
    }

    /// The batches of a vendor in a period, in order of time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn batches_of(
        &self,
        period: &Period,
        vendor: &VendorId,
    ) -> Result<Vec<VendorBatch>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, at, coins, accepted, waiting, forged FROM batch \
             WHERE period = $1 AND vendor = $2 AND kind = 'redemption' ORDER BY id",
        )
        .bind(period.to_string())
        .bind(vendor.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let name: String = row.try_get(0)?;
                let number = |at: usize| fitting("batch", row.try_get(at)?);
                Ok(VendorBatch {
                    name: parsed("batch.name", "a Batch-ID", &name)?,
                    at: UnixTime(row.try_get(1)?),
                    coins: number(2)?,
                    accepted: number(3)?,
                    waiting: number(4)?,
                    forged: number(5)?,
                })
            })
            .collect()
    }

    /// How many claims of rank 2 of a vendor in a period have these verdicts now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn doubtful_counts<const N: usize>(
        &self,
        period: &Period,
        vendor: &VendorId,
        verdicts: [Verdict; N],
    ) -> Result<[u64; N], StoreError> {
        let rows = sqlx::query(
            "SELECT verdict, COUNT(*) FROM doubtful WHERE period = $1 AND vendor = $2 \
             GROUP BY verdict",
        )
        .bind(period.to_string())
        .bind(vendor.to_string())
        .fetch_all(self.pool())
        .await?;
        let mut counts = [0; N];
        for row in &rows {
            let code: i64 = row.try_get(0)?;
            let at = verdicts.iter().position(|verdict| i64::from(verdict.code()) == code);
            if let Some(at) = at {
                counts[at] = fitting("doubtful", row.try_get(1)?)?;
            }
        }
        Ok(counts)
    }

    /// The returns of a user in a period, in order of time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn give_backs_of(
        &self,
        period: &Period,
        user: &UserId,
    ) -> Result<Vec<UserReturn>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, at, claims FROM give_back \
             WHERE period = $1 AND user_id = $2 ORDER BY id",
        )
        .bind(period.to_string())
        .bind(user.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let (name, bytes): (String, Vec<u8>) = (row.try_get(0)?, row.try_get(2)?);
                Ok(UserReturn {
                    name: parsed("give_back.name", "a Request-ID", &name)?,
                    at: UnixTime(row.try_get(1)?),
                    claims: read_claims(&bytes)?,
                })
            })
            .collect()
    }

    /// The claims of the returns of a period that raise an alarm.
    ///
    /// # Errors
    /// The database failed.
    pub async fn alarming_returns(&self, period: &Period) -> Result<Vec<Vec<Claim>>, StoreError> {
        let rows = sqlx::query(
            "SELECT claims FROM give_back WHERE period = $1 AND forged + not_from_owner > 0 \
             ORDER BY id",
        )
        .bind(period.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let bytes: Vec<u8> = row.try_get(0)?;
                read_claims(&bytes)
            })
            .collect()
    }

    /// The next batches and watches of a period behind number `after`, in order of time. Empty at
    /// the end.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sent_after(
        &self,
        period: &Period,
        after: i64,
    ) -> Result<Vec<SentRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, vendor, kind, at, coins, waiting, forged, not_from_owner, invented \
             FROM batch WHERE period = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(period.to_string())
        .bind(after)
        .bind(BATCHES_AT_A_TIME)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(SentRow::read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        let (owed, disputed, lapsed, promotion) = (2, 4, 0, 1);
        let (sold, vendors, clients) = (10, 1, 2);
        let whole = PeriodMoney { sold, vendors, clients, owed, disputed, lapsed, promotion };
        assert!(whole.is_whole());
        assert!(!PeriodMoney { sold: 11, ..whole }.is_whole());
        assert!(!PeriodMoney { sold: 8, vendors: -1, ..whole }.is_whole());
    }
}
