//! Registering vendors, and revoking users.

use super::record::BrokerRecord;
use super::{Broker, BrokerError};
use crate::authenticator::Key;
use crate::identity::{UserId, VendorId, VendorVector};
use crate::reply::Reply;
use crate::time::UnixTime;

/// Why a vendor is not registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VendorRefusal {
    /// Both vendors could spend the coins that the other one received.
    #[error(
        "{vendor} and the registered {other} have equal vendor vectors in this period: use another \
         host name"
    )]
    EqualVectors {
        /// The vendor to register.
        vendor: VendorId,
        /// The registered vendor.
        other: VendorId,
    },
}

impl Broker {
    /// Registers a vendor for this period, if it is not registered yet. Returns its key K_V, which
    /// is the same in every period.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn register_vendor(
        &mut self,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<Reply<Key, VendorRefusal>, BrokerError> {
        let vector = VendorVector::new(self.params(), vendor);
        self.locked(|broker| {
            if !broker.ledger.vendors.contains_key(vendor) {
                let params = broker.params();
                let other = broker
                    .ledger
                    .vendors
                    .keys()
                    .find(|other| VendorVector::new(params, other) == vector);
                if let Some(other) = other.cloned() {
                    return Ok(Reply::Refused(VendorRefusal::EqualVectors {
                        vendor: vendor.clone(),
                        other,
                    }));
                }
                broker.commit(BrokerRecord::Vendor { when: now, vendor: vendor.clone() })?;
            }
            Ok(Reply::Granted(broker.secret.vendor_key(vendor)))
        })
    }

    /// Revokes a user: nothing is sold to the user any more, and vendors who have the list refuse
    /// the user's coins. Earlier payments are still redeemed. Returns all revoked users.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn revoke(&mut self, user: &UserId, now: UnixTime) -> Result<Vec<UserId>, BrokerError> {
        self.locked(|broker| {
            if !broker.ledger.revoked.contains_key(user) {
                broker.commit(BrokerRecord::Revocation { when: now, user: user.clone() })?;
            }
            Ok(broker.ledger.revoked.keys().cloned().collect())
        })
    }
}
