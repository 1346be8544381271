//! The owners of the sets of the period, for one vendor ([`crate::owner`]).

use std::collections::HashMap;

use super::MemoryBroker;
use crate::authenticator::Key;
use crate::identity::{UserId, VendorId};
use crate::owner::{OwnerTag, Owners, owner_tag};

/// The generation of all owners files: this broker is never restored from a backup.
const GENERATION: u32 = 1;

impl MemoryBroker {
    /// The owners of all sets sold so far, as `vendor` can check them.
    pub fn owners(&self, vendor: &VendorId) -> Owners {
        let period = self.params().period();
        let mut keys: HashMap<&UserId, Key> = HashMap::new();
        let mut tags: Vec<OwnerTag> = Vec::new();
        for sale in self.ledger.sales.values() {
            let user = &sale.user;
            let key = keys.entry(user).or_insert_with(|| self.secret.user_key(period, user));
            tags.extend(
                sale.first_superbins()
                    .map(|first| owner_tag(period, first, user, &key.owner_token(vendor, first))),
            );
        }
        let mut owners = Owners::new(vendor, period, GENERATION);
        owners.extend(&tags);
        owners
    }
}
