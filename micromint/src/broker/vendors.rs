//! Whether a vendor is registered.

use crate::identity::VendorId;

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
