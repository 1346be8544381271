//! Registering vendors, and revoking users.

use super::MemoryBroker;
use crate::authenticator::Key;
use crate::broker::VendorRefusal;
use crate::identity::{UserId, VendorId, VendorVector};
use crate::reply::Reply;
use crate::time::UnixTime;

impl MemoryBroker {
    /// Registers a vendor for this period, if it is not registered yet. Returns its key K_V, which
    /// is the same in every period.
    pub fn register_vendor(
        &mut self,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Reply<Key, VendorRefusal> {
        if !self.ledger.is_vendor(vendor) {
            let params = self.params();
            let vector = VendorVector::new(params, vendor);
            let mut others = self.ledger.vendors.keys();
            if let Some(other) = others.find(|other| VendorVector::new(params, other) == vector) {
                let (vendor, other) = (vendor.clone(), other.clone());
                return Reply::Refused(VendorRefusal::EqualVectors { vendor, other });
            }
            self.ledger.vendors.insert(vendor.clone(), now);
        }
        Reply::Granted(self.secret.vendor_key(vendor))
    }

    /// The registered vendors, in the order of their registration; those of one second by name.
    pub fn vendors(&self) -> Vec<VendorId> {
        let mut vendors: Vec<_> = self.ledger.vendors.iter().collect();
        vendors.sort_by_key(|(_, registered)| **registered);
        vendors.into_iter().map(|(vendor, _)| vendor.clone()).collect()
    }

    /// Revokes a user: nothing is sold to the user any more, and vendors who have the list refuse
    /// the user's coins. Earlier payments are still redeemed. Returns all revoked users.
    pub fn revoke(&mut self, user: &UserId, now: UnixTime) -> Vec<UserId> {
        self.ledger.revoked.entry(user.clone()).or_insert(now);
        self.ledger.revoked.keys().cloned().collect()
    }
}
