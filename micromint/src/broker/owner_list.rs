//! The owners of the sets of the period, for one vendor ([`crate::owner`]).

use std::collections::HashMap;

use super::{Broker, BrokerError};
use crate::authenticator::Key;
use crate::identity::{UserId, VendorId};
use crate::owner::{OwnerTag, Owners, owner_tag};

/// The generation of all owners files. It will rise when a broker is restored from a backup.
const GENERATION: u32 = 1;

impl Broker {
    /// The owners of all sets sold so far, as `vendor` can check them.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn owners(&mut self, vendor: &VendorId) -> Result<Owners, BrokerError> {
        let sold: Vec<(u32, UserId)> = self.locked(|broker| {
            let sales = broker.ledger.sales.values();
            let sold = sales
                .flat_map(|sale| sale.first_superbins().map(|first| (first, sale.user.clone())));
            Ok(sold.collect())
        })?;
        // Without the lock: there may be millions of sets.
        let period = self.params().period();
        let mut keys: HashMap<&UserId, Key> = HashMap::new();
        let tags: Vec<OwnerTag> = sold
            .iter()
            .map(|(first, user)| {
                let key = keys.entry(user).or_insert_with(|| self.secret.user_key(period, user));
                owner_tag(period, *first, user, &key.owner_token(vendor, *first))
            })
            .collect();
        let mut owners = Owners::new(vendor, period, GENERATION);
        owners.extend(&tags);
        Ok(owners)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DURING, directory, open, user, user_key, vendor};
    use super::*;
    use crate::owner::Ownership;

    #[test]
    fn the_list_has_exactly_the_owners_for_one_vendor() {
        let mut broker = open(&directory());
        broker.withdraw(&user("alice"), 2, 1, DURING).unwrap().granted().unwrap();
        broker.withdraw(&user("bob"), 1, 2, DURING).unwrap().granted().unwrap();
        let (news, shop) = (vendor("news.example"), vendor("shop.example"));
        let owners = broker.owners(&news).unwrap();
        assert_eq!((owners.count(), owners.generation()), (3, 1));
        let owns = |vendor: &VendorId, name: &str| {
            let user = user(name);
            let owns = |first: &u32| {
                let token = user_key(&user).owner_token(vendor, *first);
                owners.check(&user, *first, &token) == Ownership::Owner
            };
            (0..70).filter(owns).collect::<Vec<_>>()
        };
        assert_eq!(owns(&news, "alice"), [0, 2]);
        assert_eq!(owns(&news, "bob"), [4]);
        assert_eq!(owns(&news, "eve"), [0; 0]);
        assert_eq!(owns(&shop, "alice"), [0; 0]);
    }
}
