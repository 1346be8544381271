//! Why a batch or a watch of a vendor is not judged (thesis 3.2.3).

use crate::identity::VendorId;
use crate::period::Period;
use crate::protocol::Id;

/// The most coins that a vendor can show within an hour: 1165 a second.
pub const WATCH_COINS_PER_HOUR_MAX: u64 = 4 * 1024 * 1024;
/// The most batches that a vendor can redeem within an hour. A vendor sends one of each period.
pub const BATCHES_PER_HOUR_MAX: u64 = 600;
/// From how many coins on that were neither paid nor wait within an hour a vendor's batches are
/// judged no further. A vendor checks coins before it takes them, so it has hardly any.
pub const REFUSED_COINS_PER_HOUR_MAX: u64 = 1_000_000;

/// Why a batch or a watch is not judged. Nothing is recorded then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchRefusal {
    /// It is of another period.
    #[error("the message is of period {found}, this coin file is of {expected}")]
    OtherPeriod {
        /// The period of this broker.
        expected: Period,
        /// The period of the message.
        found: Period,
    },
    /// The vendor is not registered.
    #[error("{vendor} is not registered for this period")]
    UnknownVendor {
        /// The vendor that the message names.
        vendor: VendorId,
    },
    /// The authenticator does not match.
    #[error("the authenticator is not that of {vendor} over this message")]
    WrongAuthenticator {
        /// The vendor that the message names.
        vendor: VendorId,
    },
    /// The vendor already used the Batch-ID or Watch-ID for other content.
    #[error("{id} of {vendor} was judged before, with other content")]
    OtherContent {
        /// The vendor.
        vendor: VendorId,
        /// The Batch-ID or Watch-ID.
        id: Id,
    },
    /// The watch would exceed what a vendor can show within an hour.
    #[error(
        "{vendor} showed {shown} coins this hour, and {coins} more exceed \
         {WATCH_COINS_PER_HOUR_MAX}: show them in the next hour"
    )]
    TooManyShown {
        /// The vendor.
        vendor: VendorId,
        /// The coins that it showed in the current hour.
        shown: u64,
        /// The coins of this watch.
        coins: u64,
    },
    /// The vendor redeemed as many batches as it can within an hour.
    #[error("{vendor} redeemed {batches} batches this hour: send this one again in the next hour")]
    TooManyBatches {
        /// The vendor.
        vendor: VendorId,
        /// The batches that it redeemed in the current hour.
        batches: u64,
    },
    /// The coins of the vendor were refused as often as they can be within an hour.
    #[error(
        "{coins} coins of {vendor} were refused this hour: send this batch again in the next \
         hour, which goes on where this one stopped"
    )]
    TooManyRefused {
        /// The vendor.
        vendor: VendorId,
        /// The coins that were neither paid nor wait, in the current hour.
        coins: u64,
    },
}

impl BatchRefusal {
    /// Whether the same message is judged if it comes again in the next hour.
    pub fn is_for_now(&self) -> bool {
        matches!(
            self,
            BatchRefusal::TooManyShown { .. }
                | BatchRefusal::TooManyBatches { .. }
                | BatchRefusal::TooManyRefused { .. }
        )
    }
}

/// Why a watch with this number of coins is not judged, if the vendor has shown `shown` coins in
/// this hour.
pub fn watch_refusal(vendor: &VendorId, shown: u64, coins: u64) -> Option<BatchRefusal> {
    let is_too_many = shown.saturating_add(coins) > WATCH_COINS_PER_HOUR_MAX;
    is_too_many.then(|| BatchRefusal::TooManyShown { vendor: vendor.clone(), shown, coins })
}

/// Why a batch is not judged, or not further, if the vendor has redeemed this number of other
/// batches in this hour, and this number of its coins were refused.
pub fn batch_refusal(vendor: &VendorId, batches: u64, coins: u64) -> Option<BatchRefusal> {
    let vendor = || vendor.clone();
    if batches >= BATCHES_PER_HOUR_MAX {
        return Some(BatchRefusal::TooManyBatches { vendor: vendor(), batches });
    }
    let is_too_many = coins >= REFUSED_COINS_PER_HOUR_MAX;
    is_too_many.then(|| BatchRefusal::TooManyRefused { vendor: vendor(), coins })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_can_show_so_many_coins_an_hour_and_no_more() {
        let vendor: VendorId = "news.example".parse().unwrap();
        let is_refused = |shown, coins| watch_refusal(&vendor, shown, coins).is_some();
        assert!(!is_refused(0, WATCH_COINS_PER_HOUR_MAX));
        assert!(is_refused(0, WATCH_COINS_PER_HOUR_MAX + 1));
        assert!(!is_refused(WATCH_COINS_PER_HOUR_MAX - 2, 2));
        assert!(is_refused(WATCH_COINS_PER_HOUR_MAX - 2, 3));
        assert!(is_refused(u64::MAX, 1));
    }

    #[test]
    fn a_vendor_can_redeem_so_many_batches_an_hour_and_no_more() {
        let vendor: VendorId = "news.example".parse().unwrap();
        let refusal = |batches, coins| batch_refusal(&vendor, batches, coins);
        assert!(refusal(BATCHES_PER_HOUR_MAX - 1, REFUSED_COINS_PER_HOUR_MAX - 1).is_none());
        let many = refusal(BATCHES_PER_HOUR_MAX, 0);
        assert!(matches!(many, Some(BatchRefusal::TooManyBatches { .. })));
        let refused = refusal(0, REFUSED_COINS_PER_HOUR_MAX);
        assert!(matches!(refused, Some(BatchRefusal::TooManyRefused { .. })));
    }
}
