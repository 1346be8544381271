//! Periods, their vendors, and the state of the broker as a whole.
//!
//! Input: parameters, names. Output: rows. The invariant: the parameters of a period never change
//! once it is registered.

use std::collections::BTreeSet;

use micromint::identity::VendorId;
use micromint::money::Currency;
use micromint::params::Params;
use micromint::period::Period;
use micromint::time::UnixTime;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::{fitting, parsed};
use super::{Store, StoreError, Transaction};

/// A registered period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodRow {
    /// Its parameters.
    pub params: Params,
    /// The path of its coin file.
    pub coin_file: String,
    /// The first superbin that is not sold.
    pub next_superbin: u64,
    /// How many sets are sold. Those that a restore skipped are not among them.
    pub sets_sold: u64,
    /// How many of these were free trials.
    pub sets_free: u64,
    /// Superbins below are reserved for sale, and may have been sold.
    pub reserved: u64,
    /// Superbins below are settled.
    pub settled_to: u64,
    /// When the settlement was complete.
    pub settled_at: Option<UnixTime>,
    /// Whether the vendors of the period before were registered for this one.
    pub has_carried: bool,
}

impl PeriodRow {
    /// Whether the settlement has begun. Nothing new is sold or judged from then on.
    pub fn is_settled(&self) -> bool {
        self.settled_to > 0 || self.settled_at.is_some()
    }

    fn read(row: &AnyRow) -> Result<PeriodRow, StoreError> {
        let text: String = row.try_get("params")?;
        let params = Params::from_toml(&text).map_err(|error| StoreError::Value {
            what: "period.params",
            expected: "parameters",
            found: error.to_string(),
        })?;
        let settled_at: Option<i64> = row.try_get("settled_at")?;
        let carried_at: Option<i64> = row.try_get("vendors_carried_at")?;
        Ok(PeriodRow {
            params,
            coin_file: row.try_get("coin_file")?,
            next_superbin: fitting("next superbin", row.try_get("next_superbin")?)?,
            sets_sold: fitting("sets_sold", row.try_get("sets_sold")?)?,
            sets_free: fitting("sets_free", row.try_get("sets_free")?)?,
            reserved: fitting("reserved", row.try_get("reserved")?)?,
            settled_to: fitting("settled_to", row.try_get("settled_to")?)?,
            settled_at: settled_at.map(UnixTime),
            has_carried: carried_at.is_some(),
        })
    }
}

const VENDORS: &str = "SELECT name FROM vendor WHERE period = $1 ORDER BY at, name";

fn vendor_of(row: &AnyRow) -> Result<VendorId, StoreError> {
    let name: String = row.try_get(0)?;
    parsed("vendor", "a Vendor-ID", &name)
}

impl Store {
    /// The generation and the tag of the secret; the row is made with this tag at the first start.
    ///
    /// # Errors
    /// The database failed.
    pub async fn identity(&self, secret_tag: &[u8]) -> Result<(u32, Vec<u8>), StoreError> {
        let known = self.find_identity().await?;
        match known {
            Some(known) => Ok(known),
            None => {
                super::retried!(self.create_identity(secret_tag))?;
                self.find_identity().await?.ok_or(StoreError::Value {
                    what: "broker",
                    expected: "one row",
                    found: "none".to_string(),
                })
            }
        }
    }

    async fn find_identity(&self) -> Result<Option<(u32, Vec<u8>)>, StoreError> {
        let row = sqlx::query("SELECT generation, secret_tag FROM broker WHERE one = 1")
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| Ok((fitting("generation", row.try_get(0)?)?, row.try_get(1)?))).transpose()
    }

    async fn create_identity(&self, secret_tag: &[u8]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO broker (one, generation, secret_tag) VALUES (1, 1, $1) \
             ON CONFLICT (one) DO NOTHING",
        )
        .bind(secret_tag.to_vec())
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }

    /// Registers a period, unless it is registered.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_period(&self, params: &Params, coin_file: &str) -> Result<(), StoreError> {
        super::retried!(self.add_period_once(params, coin_file))
    }

    async fn add_period_once(&self, params: &Params, coin_file: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO period (name, params, coin_file, superbins, next_superbin, settled_to) \
             VALUES ($1, $2, $3, $4, 0, 0) ON CONFLICT (name) DO NOTHING",
        )
        .bind(params.period().to_string())
        .bind(params.to_toml())
        .bind(coin_file.to_string())
        .bind(params.superbin_count() as i64)
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }

    /// All registered periods, in the order of their names.
    ///
    /// # Errors
    /// The database failed.
    pub async fn periods(&self) -> Result<Vec<PeriodRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT params, coin_file, next_superbin, sets_sold, sets_free, reserved, settled_to, \
             settled_at, vendors_carried_at FROM period \
             ORDER BY name",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(PeriodRow::read).collect()
    }

    /// The currencies of the registered periods.
    ///
    /// # Errors
    /// The database failed.
    pub async fn currencies(&self) -> Result<BTreeSet<Currency>, StoreError> {
        let periods = self.periods().await?;
        Ok(periods.iter().map(|row| row.params.coin_value().currency()).collect())
    }

    /// A registered period.
    ///
    /// # Errors
    /// The database failed.
    pub async fn period(&self, period: &Period) -> Result<Option<PeriodRow>, StoreError> {
        let row = sqlx::query(
            "SELECT params, coin_file, next_superbin, sets_sold, sets_free, reserved, settled_to, \
             settled_at, vendors_carried_at FROM period \
             WHERE name = $1",
        )
        .bind(period.to_string())
        .fetch_optional(self.pool())
        .await?;
        row.as_ref().map(PeriodRow::read).transpose()
    }

    /// The vendors of a period, in the order of their registration.
    ///
    /// # Errors
    /// The database failed.
    pub async fn vendors(&self, period: &Period) -> Result<Vec<VendorId>, StoreError> {
        let rows = sqlx::query(VENDORS).bind(period.to_string()).fetch_all(self.pool()).await?;
        rows.iter().map(vendor_of).collect()
    }

    /// Whether a vendor is registered for a period, and not disabled.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_vendor(&self, period: &Period, vendor: &VendorId) -> Result<bool, StoreError> {
        let found = sqlx::query(
            "SELECT at FROM vendor WHERE period = $1 AND name = $2 AND NOT EXISTS \
             (SELECT 1 FROM disabled_vendor WHERE disabled_vendor.vendor = vendor.name)",
        )
        .bind(period.to_string())
        .bind(vendor.to_string())
        .fetch_optional(self.pool())
        .await?;
        Ok(found.is_some())
    }
}

impl Transaction {
    /// The vendors of a period, in the order of their registration.
    ///
    /// # Errors
    /// The database failed.
    pub async fn vendors(&mut self, period: &Period) -> Result<Vec<VendorId>, StoreError> {
        let rows =
            sqlx::query(VENDORS).bind(period.to_string()).fetch_all(self.connection()).await?;
        rows.iter().map(vendor_of).collect()
    }

    /// The state of a period, locked for a sale to the end of the transaction. Batches are judged
    /// meanwhile.
    ///
    /// # Errors
    /// The database failed, or there is no such period.
    pub async fn lock_period(&mut self, period: &Period) -> Result<PeriodRow, StoreError> {
        self.read_period(period, " FOR NO KEY UPDATE").await
    }

    /// The state of a period, locked for the settlement: nothing else is sold or judged.
    ///
    /// # Errors
    /// The database failed, or there is no such period.
    pub async fn lock_whole_period(&mut self, period: &Period) -> Result<PeriodRow, StoreError> {
        self.read_period(period, " FOR UPDATE").await
    }

    async fn read_period(
        &mut self,
        period: &Period,
        lock: &'static str,
    ) -> Result<PeriodRow, StoreError> {
        let lock = if self.dialect == super::Dialect::Sqlite { "" } else { lock };
        let select = format!(
            "SELECT params, coin_file, next_superbin, sets_sold, sets_free, reserved, settled_to, \
             settled_at, vendors_carried_at FROM period \
             WHERE name = $1{lock}"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(period.to_string())
            .fetch_one(self.connection())
            .await?;
        PeriodRow::read(&row)
    }

    /// How far a period is settled.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_settled(
        &mut self,
        period: &Period,
        to: u64,
        at: Option<UnixTime>,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE period SET settled_to = $2, settled_at = $3 WHERE name = $1")
            .bind(period.to_string())
            .bind(to as i64)
            .bind(at.map(|at| at.0))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Whether the settlement of a period has begun. It cannot begin before the end of the
    /// transaction.
    ///
    /// # Errors
    /// The database failed, or there is no such period.
    pub async fn period_is_settled(&mut self, period: &Period) -> Result<bool, StoreError> {
        // A shared lock, so that the settlement waits for batches that are being judged.
        let select = match self.dialect {
            super::Dialect::Sqlite => "SELECT settled_to, settled_at FROM period WHERE name = $1",
            super::Dialect::Postgres => {
                "SELECT settled_to, settled_at FROM period WHERE name = $1 FOR KEY SHARE"
            }
        };
        let row = sqlx::query(select).bind(period.to_string()).fetch_one(self.connection()).await?;
        let (to, at): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        Ok(to > 0 || at.is_some())
    }

    /// Sets the first superbin that is not sold, and how many sets are sold and were free trials.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_sold(
        &mut self,
        period: &Period,
        next_superbin: u64,
        (sets, free): (u64, u64),
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE period SET next_superbin = $2, sets_sold = $3, sets_free = $4 WHERE name = $1",
        )
        .bind(period.to_string())
        .bind(next_superbin as i64)
        .bind(sets as i64)
        .bind(free as i64)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Registers a vendor for a period, unless it is registered.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_vendor(
        &mut self,
        period: &Period,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO vendor (period, name, at) VALUES ($1, $2, $3) \
             ON CONFLICT (period, name) DO NOTHING",
        )
        .bind(period.to_string())
        .bind(vendor.to_string())
        .bind(now.0)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Records that the vendors of the period before are registered for this one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_carried(&mut self, period: &Period, now: UnixTime) -> Result<(), StoreError> {
        sqlx::query("UPDATE period SET vendors_carried_at = $2 WHERE name = $1")
            .bind(period.to_string())
            .bind(now.0)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
