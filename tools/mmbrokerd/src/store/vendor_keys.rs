//! Which key each vendor has now.
//!
//! Input: a vendor. Output: the number of its key, from which the key follows. The invariant: the
//! number of a vendor only grows.

use micromint::identity::VendorId;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::fitting;
use super::{Store, StoreError, Transaction};

const NUMBER: &str = "SELECT number FROM vendor_key WHERE vendor = $1";

impl Store {
    /// The number of the key that a vendor has now; 0 if it was never replaced.
    ///
    /// # Errors
    /// The database failed.
    pub async fn vendor_key_number(&self, vendor: &VendorId) -> Result<u32, StoreError> {
        let row = sqlx::query(NUMBER).bind(vendor.to_string()).fetch_optional(self.pool()).await?;
        number_of(row)
    }

    /// Whether a vendor is registered for any period.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_known_vendor(&self, vendor: &VendorId) -> Result<bool, StoreError> {
        let found = sqlx::query(
            "SELECT 1 FROM period JOIN vendor ON vendor.period = period.name \
             WHERE vendor.name = $1 LIMIT 1",
        )
        .bind(vendor.to_string())
        .fetch_optional(self.pool())
        .await?;
        Ok(found.is_some())
    }
}

impl Transaction {
    /// The number of the key of a vendor, which nobody else changes before the end of the
    /// transaction.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lock_vendor_key(&mut self, vendor: &VendorId) -> Result<u32, StoreError> {
        self.lock_name(&format!("vendor key {vendor}")).await?;
        let select = sqlx::query(NUMBER).bind(vendor.to_string());
        number_of(select.fetch_optional(self.connection()).await?)
    }

    /// Sets the number of the key of a vendor that is locked, unless it has a larger one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_vendor_key(
        &mut self,
        vendor: &VendorId,
        number: u32,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO vendor_key (vendor, number) VALUES ($1, $2) ON CONFLICT (vendor) \
             DO UPDATE SET number = excluded.number WHERE excluded.number > vendor_key.number",
        )
        .bind(vendor.to_string())
        .bind(i64::from(number))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

fn number_of(row: Option<AnyRow>) -> Result<u32, StoreError> {
    row.map_or(Ok(0), |row| fitting("vendor_key.number", row.try_get(0)?))
}
