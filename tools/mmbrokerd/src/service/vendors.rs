//! Registering vendors, replacing their keys, declaring bins compromised.
//!
//! Input: names. Output: keys and lists. The invariants: no two vendors of a period have equal
//! vendor vectors, since each could spend the coins that the other received; a vendor has one key
//! at a time, that of the number in the database, which is read for every message, so that the
//! processes of a broker agree.

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

/// How many numbers past the one in the database a vendor may have, after a restore from a backup.
pub const KEYS_AHEAD_MAX: u32 = 8;

/// The counter of the vendor keys that were replaced, for the witness.
const KEYS_REPLACED: &str = "vendor-keys";

/// The key of a vendor.
#[derive(Clone, Debug)]
pub struct VendorKey {
    /// How often it was replaced.
    pub number: u32,
    /// K_V of this number.
    pub key: Key,
}

/// The key of a vendor is not replaced, since that was done meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of {0} was replaced meanwhile")]
pub struct KeyReplaced(pub VendorId);

impl Service {
    fn numbered(&self, vendor: &VendorId, number: u32) -> VendorKey {
        VendorKey { number, key: self.secret.numbered_vendor_key(vendor, number) }
    }

    /// The key that a vendor has now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn vendor_key(&self, vendor: &VendorId) -> Result<VendorKey, ServiceError> {
        Ok(self.numbered(vendor, self.store.vendor_key_number(vendor).await?))
    }

    /// Replaces the key of a vendor: the one before ends at once. `by` is who decides it. With
    /// `before`, nothing is done unless the key has this number. Returns the new key.
    ///
    /// # Errors
    /// The database is older than what was done with it, or failed.
    pub async fn replace_vendor_key(
        &self,
        by: &str,
        vendor: &VendorId,
        before: Option<u32>,
    ) -> Result<Reply<VendorKey, KeyReplaced>, ServiceError> {
        self.check_progress().await?;
        let now = self.now();
        let replaced = retried!(async {
            let mut tx = self.store.begin().await?;
            let number = tx.lock_vendor_key(vendor).await?;
            if before.is_some_and(|before| before != number) {
                return Ok(None);
            }
            let number = number.checked_add(1).ok_or(StoreError::TooLarge("vendor key number"))?;
            tx.set_vendor_key(vendor, number).await?;
            tx.next_number(KEYS_REPLACED).await?;
            tx.audit(by, Act::VendorKeyReplaced, &format!("{vendor} {number}"), now).await?;
            tx.commit().await?;
            Ok::<Option<u32>, StoreError>(Some(number))
        })?;
        let Some(number) = replaced else {
            return Ok(Reply::Refused(KeyReplaced(vendor.clone())));
        };
        self.note_durably().await?;
        Ok(Reply::Granted(self.numbered(vendor, number)))
    }

    /// The key under which a message of a vendor `is_authentic`: the one that the vendor has, or a
    /// later one. A database that was restored from a backup may have forgotten that the key was
    /// replaced. Only the broker makes a later key, so it has given that one out, and the vendor
    /// has it from now on.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn key_of_message(
        &self,
        vendor: &VendorId,
        is_authentic: impl Fn(&Key) -> bool,
    ) -> Result<Option<VendorKey>, ServiceError> {
        let known = self.vendor_key(vendor).await?;
        if is_authentic(&known.key) {
            return Ok(Some(known));
        }
        let later = (1..=KEYS_AHEAD_MAX).filter_map(|ahead| known.number.checked_add(ahead));
        let mut later = later.map(|number| self.numbered(vendor, number));
        let Some(found) = later.find(|found| is_authentic(&found.key)) else { return Ok(None) };
        let detail = format!("{vendor} {}", found.number);
        let number = retried!(async {
            let mut tx = self.store.begin().await?;
            let number = tx.lock_vendor_key(vendor).await?;
            if number >= found.number {
                return Ok(number);
            }
            tx.set_vendor_key(vendor, found.number).await?;
            tx.audit(vendor.as_str(), Act::VendorKeyFound, &detail, self.now()).await?;
            tx.commit().await?;
            Ok::<u32, StoreError>(found.number)
        })?;
        // It may have been replaced meanwhile.
        Ok(Some(found).filter(|found| found.number == number))
    }

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
        let registered = retried!(async {
            let mut tx = self.store.begin().await?;
            // One registration at a time for a period.
            tx.lock_period(period.name()).await?;
            let vendors = tx.vendors(period.name()).await?;
            let is_new = !vendors.contains(vendor);
            if is_new {
                let is_equal =
                    |other: &&VendorId| VendorVector::new(period.params(), other) == vector;
                if let Some(other) = vendors.iter().find(is_equal) {
                    return Ok(Err(other.clone()));
                }
                tx.add_vendor(period.name(), vendor, now).await?;
            }
            let number = tx.lock_vendor_key(vendor).await?;
            if let Some(by) = by {
                tx.audit(by, Act::VendorKey, &detail, now).await?;
            } else if let Some(by) = self.by.filter(|_| is_new) {
                tx.audit(by, Act::VendorRegistered, &detail, now).await?;
            }
            tx.commit().await?;
            Ok::<Result<u32, VendorId>, StoreError>(Ok(number))
        })?;
        Ok(match registered {
            Ok(number) => Reply::Granted(self.numbered(vendor, number).key),
            Err(other) => {
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
