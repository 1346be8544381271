//! What each vendor showed to the watch within an hour, as running counts.
//!
//! Input: the watches of the ledger and their claims. Output: the number of coins, and who is to be
//! blocked. The invariant: the claims of each watch are read once by a process, however many
//! watches follow in the hour, so that many small ones do not keep the lock of the broker busy.

use std::collections::{BTreeMap, HashMap};

use super::blocking::{Blocks, Conduct, Served, blocks, hour_of};
use super::claim::Buyer;
use super::fraud::served_by;
use super::{Broker, BrokerError};
use crate::identity::VendorId;
use crate::time::UnixTime;

/// The most coins that a vendor can show within an hour: 1165 a second.
pub const WATCH_COINS_PER_HOUR_MAX: u64 = 4 * 1024 * 1024;

/// What the vendors showed, each in the hour for which it was counted last.
#[derive(Debug, Default)]
pub(super) struct Shown {
    vendors: HashMap<VendorId, ShownHour>,
}

/// What one vendor showed in an hour.
#[derive(Debug, Default)]
struct ShownHour {
    hour: i64,
    /// How many of the ledger's watches are counted, or are not of this vendor and hour.
    counted: usize,
    /// The coins.
    coins: u64,
    /// What the payments say about each user.
    users: BTreeMap<Buyer, Vec<Conduct>>,
}

impl ShownHour {
    fn new(hour: i64) -> ShownHour {
        ShownHour { hour, ..ShownHour::default() }
    }

    fn add(&mut self, user: Buyer, conduct: Conduct) {
        let known = self.users.entry(user).or_default();
        if !known.contains(&conduct) {
            known.push(conduct);
        }
    }

    fn blocks(&self, when: UnixTime) -> Blocks<Buyer> {
        let of_user = |(user, conducts): (&Buyer, &Vec<Conduct>)| {
            let user = *user;
            conducts.clone().into_iter().map(move |conduct| Served { user, when, conduct })
        };
        blocks(self.users.iter().flat_map(of_user))
    }
}

impl Broker {
    /// The number of coins that a vendor showed in the hour of `now`.
    pub(super) fn coins_shown(
        &mut self,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<u64, BrokerError> {
        Ok(self.count_shown(vendor, now)?.coins)
    }

    /// The blocks at a vendor, from what it showed in the hour of `now`.
    pub(super) fn blocks_at(
        &mut self,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<Blocks<Buyer>, BrokerError> {
        Ok(self.count_shown(vendor, now)?.blocks(now))
    }

    /// The counts of a vendor for the hour of `now`, with all watches of the ledger.
    fn count_shown(&mut self, vendor: &VendorId, now: UnixTime) -> Result<&ShownHour, BrokerError> {
        let Broker { shown, ledger, claims, .. } = self;
        let shown = shown.vendors.entry(vendor.clone()).or_default();
        if shown.hour != hour_of(now) {
            *shown = ShownHour::new(hour_of(now));
        }
        for watch in &ledger.watches[shown.counted..] {
            if watch.vendor == *vendor && hour_of(watch.when) == shown.hour {
                let claims = claims.read(&watch.claims)?;
                served_by(&claims, watch.when).for_each(|it| shown.add(it.user, it.conduct));
                shown.coins += claims.len() as u64;
            }
            shown.counted += 1;
        }
        Ok(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{
        DURING, MINT, directory, open, payment, user, vendor, watch, with_junk,
    };
    use super::super::{BatchRefusal, BrokerError};
    use super::*;
    use crate::host::{Directory, Open};
    use crate::protocol::RequestWatch;
    use crate::reply::Reply;

    #[test]
    fn a_vendor_can_show_so_many_coins_an_hour_and_no_more() {
        let mut broker = open(&directory());
        let (alice, news, shop) = (user("alice"), vendor("news.example"), vendor("shop.example"));
        for vendor in [&news, &shop] {
            broker.register_vendor(vendor, DURING).unwrap().granted().unwrap();
        }
        broker.withdraw(&alice, 1, 1, DURING).unwrap().granted().unwrap();
        broker.count_shown(&news, DURING).unwrap();
        broker.shown.vendors.get_mut(&news).unwrap().coins = WATCH_COINS_PER_HOUR_MAX - 2;
        let coins = MINT.coins(&alice, &news, 0);
        let shown = |name: &str, vendor, coins| {
            watch(vendor, name, &[payment(&alice, vendor, name, coins)])
        };
        let mut refusal = |request: &RequestWatch, now| match broker.watch(request, now).unwrap() {
            Reply::Granted(_) => None,
            Reply::Refused(why) => Some(why),
        };
        let too_many = shown("w1", &news, &coins[..3]);
        let found = refusal(&too_many, DURING);
        let Some(BatchRefusal::TooManyShown { shown: before, coins: more, .. }) = found else {
            panic!("expected a refusal, found {found:?}");
        };
        assert_eq!((before, more), (WATCH_COINS_PER_HOUR_MAX - 2, 3));
        let most = shown("w2", &news, &coins[..2]);
        assert!(refusal(&most, DURING).is_none());
        assert!(refusal(&shown("w3", &news, &coins[3..4]), DURING).is_some());
        // The same message again, another vendor, and the next hour.
        assert!(refusal(&most, DURING).is_none());
        assert!(refusal(&shown("w1", &shop, &coins[..1]), DURING).is_none());
        assert!(refusal(&too_many, DURING.plus_seconds(3600)).is_none());
    }

    /// A watch costs what it contains, not what came before it: earlier claims are not read again.
    #[test]
    fn earlier_watches_of_the_hour_are_not_read_again() {
        let directory = directory();
        let mut broker = open(&directory);
        let (alice, news) = (user("alice"), vendor("news.example"));
        broker.register_vendor(&news, DURING).unwrap().granted().unwrap();
        broker.withdraw(&alice, 1, 1, DURING).unwrap().granted().unwrap();
        let coins = MINT.coins(&alice, &news, 0);
        let failing = with_junk(payment(&alice, &news, "a", &coins[..1]));
        let first = watch(&news, "w1", &[failing]);
        broker.watch(&first, DURING).unwrap().granted().unwrap();
        let before = broker.blocks_at(&news, DURING).unwrap();
        assert_eq!((before.faults[0].users, before.faults[0].failing), (1, 1));
        // Without the claims of the first watch the counts are the same.
        let name = format!("{}.claims", super::super::tests::NAME);
        let size = directory.bytes(&name).unwrap().len();
        let file = directory.open(&name, Open::Write).unwrap();
        file.write_at(&vec![0; size], 0).unwrap();
        let second = watch(&news, "w2", &[payment(&alice, &news, "b", &coins[1..2])]);
        let answer = broker.watch(&second, DURING).unwrap().granted().unwrap();
        assert!(!answer.is_repeated);
        assert_eq!(broker.blocks_at(&news, DURING).unwrap(), before);
        assert_eq!(broker.coins_shown(&news, DURING).unwrap(), 2);
        let later: Result<_, BrokerError> = broker.blocks_at(&news, DURING.plus_seconds(3600));
        assert_eq!(later.unwrap().faults, []);
    }
}
