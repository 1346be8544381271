//! The owners file of the period ([`crate::owner`]): who bought which set so far.

use super::{Broker, BrokerError};
use crate::owner::Owners;
use crate::time::UnixTime;

impl Broker {
    /// The owners of all sets sold so far.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn owners(&mut self, now: UnixTime) -> Result<Owners, BrokerError> {
        self.locked(now, |broker| {
            let sales = broker.state.sales.values();
            let sold =
                sales.flat_map(|sale| sale.first_superbins().map(move |first| (first, &sale.user)));
            Ok(Owners::new(broker.params(), now, sold))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DURING, directory, open, user};

    #[test]
    fn the_list_has_exactly_the_owners() {
        let mut broker = open(&directory());
        broker.withdraw(&user("alice"), 2, 1, DURING).unwrap().granted().unwrap();
        broker.withdraw(&user("bob"), 1, 2, DURING).unwrap().granted().unwrap();
        let owners = broker.owners(DURING).unwrap();
        assert_eq!((owners.sold(), owners.made()), (3, DURING));
        let sold_to =
            |name: &str| (0..70).filter(|s| owners.may_own(&user(name), *s)).collect::<Vec<_>>();
        assert_eq!(sold_to("alice"), [0, 2]);
        assert_eq!(sold_to("bob"), [4]);
        assert_eq!(sold_to("eve"), [0; 0]);
    }
}
