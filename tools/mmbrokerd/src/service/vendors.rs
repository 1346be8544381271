//! Registering vendors, revoking users, declaring bins compromised.
//!
//! Input: names. Output: keys and lists. The invariant: no two vendors of a period have equal
//! vendor vectors, since each could spend the coins that the other received.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use micromint::authenticator::Key;
use micromint::broker::{BinRange, CompromiseRefusal, VendorRefusal, compromise_refusal};
use micromint::identity::{VendorId, VendorVector};
use micromint::reply::Reply;
use micromint::time::UnixTime;

use super::period::OpenPeriod;
use super::{Service, ServiceError};
use crate::shop::Act;
use crate::store::{CONSOLE, CompromisedRow, StoreError, retried};

impl Service {
    /// Registers a vendor for a period, unless it is registered. Returns its key K_V.
    ///
    /// # Errors
    /// The database failed.
    pub async fn register_vendor(
        &self,
        period: &OpenPeriod,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<Reply<Key, VendorRefusal>, ServiceError> {
        self.register_vendor_by(None, period, vendor, now).await
    }

    /// As [`Service::register_vendor`], for somebody who gets the key: that is in the audit log.
    ///
    /// # Errors
    /// The database failed.
    pub async fn register_vendor_by(
        &self,
        by: Option<&str>,
        period: &OpenPeriod,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<Reply<Key, VendorRefusal>, ServiceError> {
        let vector = VendorVector::new(period.params(), vendor);
        let detail = format!("{} {vendor}", period.name());
        let equal = retried!(async {
            let mut tx = self.store.begin().await?;
            // One registration at a time for a period.
            tx.lock_period(period.name()).await?;
            let vendors = tx.vendors(period.name()).await?;
            let is_new = !vendors.contains(vendor);
            if is_new {
                let is_equal =
                    |other: &&VendorId| VendorVector::new(period.params(), other) == vector;
                if let Some(other) = vendors.iter().find(is_equal) {
                    return Ok(Some(other.clone()));
                }
                tx.add_vendor(period.name(), vendor, now).await?;
            }
            if let Some(by) = by {
                tx.audit(by, Act::VendorKey, &detail, now).await?;
            } else if let Some(by) = self.by.filter(|_| is_new) {
                tx.audit(by, Act::VendorRegistered, &detail, now).await?;
            }
            tx.commit().await?;
            Ok::<Option<VendorId>, StoreError>(None)
        })?;
        Ok(match equal {
            None => Reply::Granted(self.secret.vendor_key(vendor)),
            Some(other) => {
                let vendor = vendor.clone();
                Reply::Refused(VendorRefusal::EqualVectors { vendor, other })
            }
        })
    }

    /// Registers the vendors of an older period for this one, in the order of their registration,
    /// unless that was done. It is done in one transaction: a program that is ended meanwhile
    /// leaves nobody out. Returns those that were refused.
    ///
    /// # Errors
    /// The database failed.
    pub async fn carry_vendors(
        &self,
        from: &OpenPeriod,
        to: &OpenPeriod,
        now: UnixTime,
    ) -> Result<Vec<VendorRefusal>, ServiceError> {
        let vector = |vendor: &VendorId| VendorVector::new(to.params(), vendor);
        let refused = retried!(async {
            let mut tx = self.store.begin().await?;
            // One registration at a time for a period.
            if tx.lock_period(to.name()).await?.has_carried {
                return Ok(Vec::new());
            }
            let before = tx.vendors(from.name()).await?;
            // A period that has no vendors yet may get them later: from its operator, or from the
            // period before it when its coin file is there.
            if before.is_empty() {
                return Ok(Vec::new());
            }
            let known = tx.vendors(to.name()).await?.into_iter();
            let mut known: HashMap<VendorVector, VendorId> =
                known.map(|vendor| (vector(&vendor), vendor)).collect();
            let mut refused = Vec::new();
            for vendor in before {
                match known.entry(vector(&vendor)) {
                    Entry::Occupied(other) if *other.get() == vendor => {}
                    Entry::Occupied(other) => {
                        let other = other.get().clone();
                        refused.push(VendorRefusal::EqualVectors { vendor, other });
                    }
                    Entry::Vacant(free) => {
                        tx.add_vendor(to.name(), &vendor, now).await?;
                        if let Some(by) = self.by {
                            let detail = format!("{} {vendor}", to.name());
                            tx.audit(by, Act::VendorRegistered, &detail, now).await?;
                        }
                        free.insert(vendor);
                    }
                }
            }
            tx.set_carried(to.name(), now).await?;
            tx.commit().await?;
            Ok::<Vec<VendorRefusal>, StoreError>(refused)
        })?;
        Ok(refused)
    }

    /// Registers the vendors of the period before for each period for which that was not done yet,
    /// so that a new month needs nobody. Returns those that were refused.
    ///
    /// # Errors
    /// The database failed.
    pub async fn carry_all_vendors(&self) -> Result<Vec<VendorRefusal>, ServiceError> {
        let mut periods = self.periods();
        periods.sort_by_key(|period| period.params().raw().start);
        let mut refused = Vec::new();
        for pair in periods.windows(2) {
            let row = self.store.period(pair[1].name()).await?;
            if row.is_some_and(|row| !row.has_carried) {
                refused.extend(self.carry_vendors(&pair[0], &pair[1], self.now()).await?);
            }
        }
        Ok(refused)
    }

    /// Declares bins of a period compromised, on the console.
    ///
    /// # Errors
    /// The database failed.
    pub async fn compromise(
        &self,
        period: &OpenPeriod,
        bins: BinRange,
        now: UnixTime,
    ) -> Result<Reply<(), CompromiseRefusal>, ServiceError> {
        if let Some(refusal) = compromise_refusal(period.params(), bins) {
            return Ok(Reply::Refused(refusal));
        }
        let BinRange { superbin, first, count } = bins;
        retried!(async {
            let mut tx = self.store.begin().await?;
            let next_superbin = tx.lock_period(period.name()).await?.next_superbin;
            let row = CompromisedRow { superbin, first, count, next_superbin };
            tx.add_compromised(period.name(), &row, now).await?;
            tx.audit(CONSOLE, Act::Compromised, &format!("{} {bins}", period.name()), now).await?;
            tx.commit().await
        })?;
        Ok(Reply::Granted(()))
    }
}
