//! Evidence: which vendor first showed a coin that is its owner's, who is proved to have cheated,
//! and what payments say about the users of a vendor.
//!
//! Input: facts about judged coins. Output: rows. The invariant: evidence is written in the
//! transaction that judges the coins, while their superbins are locked, so an offence is found with
//! the second payment.

use std::collections::BTreeMap;

use micromint::bin::Bin;
use micromint::broker::Buyer;
use micromint::identity::{UserId, VendorId};
use micromint::period::Period;
use micromint::time::UnixTime;
use sqlx::Row;

use super::error::fitting;
use super::{Store, StoreError, Transaction, retried, rows_json};

/// The size of an entry of `seen.vendors`: sub-bin (2 bytes) and vendor (4 bytes), big-endian.
const SEEN_SIZE: usize = 6;

/// The vendors that first showed the coins of a superbin, by sub-bin.
pub type Seen = BTreeMap<u16, u32>;

/// A user who is proved to have cheated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOffender {
    /// The user.
    pub user: UserId,
    /// The first bin that proves it.
    pub bin: Bin,
    /// What it proves, in words.
    pub why: &'static str,
}

fn read_seen(bytes: &[u8]) -> Seen {
    let (entries, _) = bytes.as_chunks::<SEEN_SIZE>();
    let entry = |[a, b, c, d, e, f]: &[u8; SEEN_SIZE]| {
        (u16::from_be_bytes([*a, *b]), u32::from_be_bytes([*c, *d, *e, *f]))
    };
    entries.iter().map(entry).collect()
}

fn seen_hex(seen: &Seen) -> String {
    seen.iter().map(|(subbin, vendor)| format!("{subbin:04x}{vendor:08x}")).collect()
}

impl Store {
    /// The number of a vendor, for all periods.
    ///
    /// # Errors
    /// The database failed.
    pub async fn vendor_number(&self, vendor: &VendorId) -> Result<u32, StoreError> {
        if let Some(number) = self.find_vendor_number(vendor).await? {
            return Ok(number);
        }
        retried!(async {
            let mut tx = self.begin().await?;
            sqlx::query(
                "INSERT INTO vendor_number (vendor) VALUES ($1) ON CONFLICT (vendor) DO NOTHING",
            )
            .bind(vendor.to_string())
            .execute(tx.connection())
            .await?;
            tx.commit().await
        })?;
        let number = self.find_vendor_number(vendor).await?;
        number.ok_or(StoreError::Value {
            what: "vendor_number",
            expected: "a row for the vendor",
            found: "none".to_string(),
        })
    }

    async fn find_vendor_number(&self, vendor: &VendorId) -> Result<Option<u32>, StoreError> {
        let row = sqlx::query("SELECT id FROM vendor_number WHERE vendor = $1")
            .bind(vendor.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| fitting("vendor_number.id", row.try_get(0)?)).transpose()
    }

    /// The buyers whose payments a vendor showed within an hour, and whether they failed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn conduct(
        &self,
        period: &Period,
        vendor: &VendorId,
        hour: i64,
    ) -> Result<Vec<(Buyer, bool)>, StoreError> {
        let rows = sqlx::query(
            "SELECT buyer, failing FROM conduct \
             WHERE period = $1 AND vendor = $2 AND hour = $3 ORDER BY buyer",
        )
        .bind(period.to_string())
        .bind(vendor.to_string())
        .bind(hour)
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let failing: i64 = row.try_get(1)?;
                Ok((Buyer(fitting("conduct.buyer", row.try_get(0)?)?), failing != 0))
            })
            .collect()
    }
}

impl Transaction {
    /// Which vendors first showed the coins of these superbins, whose rows are locked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn seen(
        &mut self,
        period: &Period,
        superbins: &[u32],
    ) -> Result<BTreeMap<u32, Seen>, StoreError> {
        let rows = sqlx::query(
            "SELECT superbin, vendors FROM seen WHERE period = $1 AND superbin IN \
             (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each($2))",
        )
        .bind(period.to_string())
        .bind(rows_json(superbins.iter().map(|superbin| [i64::from(*superbin)])))
        .fetch_all(self.connection())
        .await?;
        rows.iter()
            .map(|row| {
                let vendors: Vec<u8> = row.try_get(1)?;
                Ok((fitting("seen.superbin", row.try_get(0)?)?, read_seen(&vendors)))
            })
            .collect()
    }

    /// Writes rows that [`Transaction::seen`] returned, changed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn write_seen(
        &mut self,
        period: &Period,
        rows: &BTreeMap<u32, Seen>,
    ) -> Result<(), StoreError> {
        let rows: Vec<String> = rows
            .iter()
            .map(|(superbin, seen)| format!("[{superbin},\"{}\"]", seen_hex(seen)))
            .collect();
        sqlx::query(
            "INSERT INTO seen (period, superbin, vendors) \
             SELECT $1, CAST(value ->> 0 AS BIGINT), unhex(value ->> 1) FROM json_each($2) \
             WHERE true ON CONFLICT (period, superbin) DO UPDATE SET vendors = excluded.vendors",
        )
        .bind(period.to_string())
        .bind(format!("[{}]", rows.join(",")))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Records offenders. The first proof of each stays.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_offenders(
        &mut self,
        period: &Period,
        offenders: &[NewOffender],
        now: UnixTime,
    ) -> Result<(), StoreError> {
        for offender in offenders {
            sqlx::query(
                "INSERT INTO offender (period, user_id, at, superbin, subbin, why) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (period, user_id) DO NOTHING",
            )
            .bind(period.to_string())
            .bind(offender.user.to_string())
            .bind(now.0)
            .bind(i64::from(offender.bin.superbin))
            .bind(i64::from(offender.bin.subbin))
            .bind(offender.why)
            .execute(self.connection())
            .await?;
        }
        Ok(())
    }

    /// Records what payments of an hour say about the users of a vendor.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_conduct(
        &mut self,
        period: &Period,
        vendor: &VendorId,
        hour: i64,
        users: &BTreeMap<Buyer, bool>,
    ) -> Result<(), StoreError> {
        let rows = users.iter().map(|(buyer, failing)| [buyer.0.into(), i64::from(*failing)]);
        sqlx::query(
            "INSERT INTO conduct (period, vendor, hour, buyer, failing) \
             SELECT $1, $2, $3, CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT) \
             FROM json_each($4) WHERE true ON CONFLICT (period, vendor, hour, buyer) \
             DO UPDATE SET failing = conduct.failing + excluded.failing",
        )
        .bind(period.to_string())
        .bind(vendor.to_string())
        .bind(hour)
        .bind(rows_json(rows))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_are_read_back() {
        let seen = Seen::from([(0, 1), (65535, u32::MAX), (3, 7)]);
        let hex = seen_hex(&seen);
        assert_eq!(hex, "0000000000010003000000".to_string() + "07ffffffffffff");
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(read_seen(&bytes), seen);
    }
}
