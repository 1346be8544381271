//! What raises an alarm, by vendor and by user.
//!
//! Input: the claims of batches, watches and returns. Output: numbers for people. Nothing is read
//! or written here.

use std::collections::BTreeMap;

use super::blocking::{Blocks, FaultyHour, Served, blocks, conduct};
use super::claim::{Buyer, Claim, Facts};
use crate::protocol::{FundsCredited, Verdict};
use crate::time::UnixTime;

/// How many coins or balls raise an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alarm {
    /// From the owner, with a ball that is proved not to be the minted one.
    pub forged: u64,
    /// Not from the owner of their set.
    pub not_from_owner: u64,
    /// Under User-IDs to which nothing was sold.
    pub invented: u64,
}

impl Alarm {
    /// Counts the claims that raise an alarm.
    pub fn of(claims: &[Claim]) -> Alarm {
        let mut alarm = Alarm::default();
        for claim in claims {
            let is_forged = claim.facts.is_forged || claim.verdict == Verdict::Forged;
            alarm.forged += u64::from(is_forged);
            alarm.not_from_owner += u64::from(claim.verdict == Verdict::NotFromOwner);
            alarm.invented += u64::from(claim.facts.is_invented);
        }
        alarm
    }

    /// Counts the balls of a return that raise an alarm.
    pub fn of_return(answer: &FundsCredited) -> Alarm {
        let count =
            |verdict| answer.verdicts.iter().filter(|other| **other == verdict).count() as u64;
        Alarm {
            forged: count(Verdict::Forged),
            not_from_owner: count(Verdict::NotFromOwner),
            invented: 0,
        }
    }

    /// Whether nothing raises an alarm.
    pub fn is_silent(&self) -> bool {
        *self == Alarm::default()
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: Alarm) {
        self.forged += other.forged;
        self.not_from_owner += other.not_from_owner;
        self.invented += other.invented;
    }
}

/// The coins of a vendor that raise an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VendorAlarm<V> {
    /// The vendor.
    pub vendor: V,
    /// The coins.
    pub coins: Alarm,
    /// The hours with too many failing users: there the vendor is at fault.
    pub faults: Vec<FaultyHour>,
}

/// What raised an alarm in any number of messages.
#[derive(Clone, Debug)]
pub struct Alarms<V> {
    vendors: BTreeMap<V, (Alarm, Vec<Served<Buyer>>)>,
    users: BTreeMap<Buyer, Alarm>,
}

impl<V> Default for Alarms<V> {
    fn default() -> Self {
        Alarms { vendors: BTreeMap::new(), users: BTreeMap::new() }
    }
}

impl<V: Clone + Ord> Alarms<V> {
    /// Adds the claims of a batch or a watch, or a part of one that ends between two payments.
    pub fn add_sent(&mut self, vendor: &V, when: UnixTime, claims: &[Claim]) {
        let (alarm, served) = self.vendors.entry(vendor.clone()).or_default();
        alarm.add(Alarm::of(claims));
        served.extend(served_by(claims, when));
        self.add_users(claims);
    }

    /// Adds the claims of a return.
    pub fn add_return(&mut self, claims: &[Claim]) {
        self.add_users(claims);
    }

    fn add_users(&mut self, claims: &[Claim]) {
        for claim in claims {
            let alarm = Alarm::of(std::slice::from_ref(claim));
            if let Some(buyer) = claim.buyer.filter(|_| !alarm.is_silent()) {
                self.users.entry(buyer).or_default().add(alarm);
            }
        }
    }

    /// The vendors that sent coins which raise an alarm, or that were at fault, in order.
    pub fn vendors(&self) -> Vec<VendorAlarm<V>> {
        let of_vendor = |(vendor, (coins, served)): (&V, &(Alarm, Vec<Served<Buyer>>))| {
            let Blocks { faults, .. } = blocks(served.iter().copied());
            VendorAlarm { vendor: vendor.clone(), coins: *coins, faults }
        };
        let is_alarm = |it: &VendorAlarm<V>| !it.coins.is_silent() || !it.faults.is_empty();
        self.vendors.iter().map(of_vendor).filter(is_alarm).collect()
    }

    /// The buyers whom payments and returns that raise an alarm named. Anybody can name a user in a
    /// coin that is not from the owner. A name to which nothing was sold counts with the vendor
    /// alone.
    pub fn users(&self) -> impl Iterator<Item = (Buyer, Alarm)> + '_ {
        self.users.iter().map(|(buyer, alarm)| (*buyer, *alarm))
    }
}

/// What the payments among these claims say about the users whom they name. A name to which nothing
/// was sold is nobody's.
pub fn served_by(claims: &[Claim], when: UnixTime) -> impl Iterator<Item = Served<Buyer>> {
    let conduct = |claim: &Claim| {
        let Facts { source, is_forged, .. } = claim.facts;
        conduct(source, is_forged)
    };
    // Coins of one payment that say the same are one.
    let is_same = move |a: &Claim, b: &Claim| a.payment == b.payment && conduct(a) == conduct(b);
    claims.chunk_by(is_same).filter_map(move |coins| {
        let claim = &coins[0];
        Some(Served { user: claim.buyer?, when, conduct: conduct(claim) })
    })
}
