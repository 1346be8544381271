//! Registering vendors, and revoking users.

use super::record::BrokerRecord;
use super::{Broker, BrokerError};
use crate::authenticator::Key;
use crate::identity::{UserId, VendorId, VendorVector};
use crate::reply::Reply;
use crate::time::UnixTime;

/// Why a vendor is not registered.
#[derive(Debug, thiserror::Error)]
pub enum VendorRefusal {
    /// Both could spend the coins that the other received.
    #[error(
        "{vendor} and the registered {other} have equal vendor vectors in this period: use another host name"
    )]
    EqualVectors {
        /// Who wants to be registered.
        vendor: VendorId,
        /// Who is.
        other: VendorId,
    },
}

impl Broker {
    /// Registers a vendor for this period, unless it is already, and gives its key K_V, which is the same
    /// in every period.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn register_vendor(
        &mut self,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<Reply<Key, VendorRefusal>, BrokerError> {
        let vector = VendorVector::new(self.params(), vendor);
        self.locked(now, |broker| {
            if !broker.state.vendors.contains_key(vendor) {
                let params = broker.params();
                let other = broker
                    .state
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

    /// Revokes a user: nothing more is sold to one, and vendors who hold the list refuse the coins.
    /// Payments made before are redeemed all the same. Gives all revoked users.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn revoke(&mut self, user: &UserId, now: UnixTime) -> Result<Vec<UserId>, BrokerError> {
        self.locked(now, |broker| {
            if !broker.state.revoked.contains_key(user) {
                broker.commit(BrokerRecord::Revocation { when: now, user: user.clone() })?;
            }
            Ok(broker.state.revoked.keys().cloned().collect())
        })
    }
}
