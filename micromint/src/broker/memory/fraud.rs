//! Reports on fraud: who is proved to have cheated, who is suspected, and what raises an alarm.
//!
//! Input: the claims of all batches, watches and returns. Output: names and numbers for people. The
//! invariant: nothing is changed, and only offenders are named as such.

use super::MemoryBroker;
use super::records::Section;
use crate::broker::{Alarm, Buyer, Evidence, Findings, Offender, Suspect, VendorAlarm};
use crate::identity::{UserId, VendorId};
use crate::time::UnixTime;

/// What a person should look at; vendors could have made all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suspicions {
    /// Users with right tokens on one first bin at two or more vendors, or with unpaid payments
    /// with right tokens at two or more vendors.
    pub users: Vec<Suspect<UserId, VendorId>>,
    /// Vendors that sent different payments with the same first bin, and the number of such bins.
    pub vendors: Vec<(VendorId, u64)>,
}

/// What raised an alarm, by vendor and by user, each in order of name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alarms {
    /// The vendors that sent the coins.
    pub vendors: Vec<VendorAlarm<VendorId>>,
    /// The buyers that payments and returns named. Anybody can name a user in a coin that is not
    /// from the owner. A name to which nothing was sold counts with the vendor alone.
    pub users: Vec<UserAlarm>,
}

/// The coins and returned balls of a user that raise an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserAlarm {
    /// The user.
    pub user: UserId,
    /// The coins and balls.
    pub coins: Alarm,
}

/// A batch or a watch.
struct Sent<'a> {
    vendor: &'a VendorId,
    when: UnixTime,
    claims: &'a Section,
    is_watch: bool,
}

impl MemoryBroker {
    /// The users who are proved to have cheated, ordered by name: two right Authenticators on one
    /// first bin at different vendors, or a right Authenticator over a ball that was not minted or
    /// over a set of someone else.
    pub fn offenders(&self) -> Vec<Offender<UserId, VendorId>> {
        let name = |buyer| self.ledger.name_of(buyer).cloned();
        let found = self.findings().offenders().into_iter();
        let mut named: Vec<_> = found.filter_map(|it| it.named(name, VendorId::clone)).collect();
        named.sort_unstable_by(|a, b| a.user.cmp(&b.user));
        named
    }

    /// What else a person should look at. It proves nothing.
    pub fn suspicions(&self) -> Suspicions {
        let findings = self.findings();
        let name = |buyer| self.ledger.name_of(buyer).cloned();
        let found = findings.suspects().into_iter();
        let mut users: Vec<_> = found.filter_map(|it| it.named(name, VendorId::clone)).collect();
        users.sort_unstable_by(|a, b| a.user.cmp(&b.user));
        let repeats = findings.repeats().into_iter();
        let vendors = repeats.map(|(vendor, balls)| (vendor.clone(), balls)).collect();
        Suspicions { users, vendors }
    }

    /// What raised an alarm so far.
    pub fn alarms(&self) -> Alarms {
        let mut alarms = crate::broker::Alarms::default();
        for sent in self.sent() {
            alarms.add_sent(sent.vendor, sent.when, self.claims(sent.claims));
        }
        for back in &self.ledger.returns {
            alarms.add_return(self.claims(&back.claims));
        }
        let named = |(buyer, coins): (Buyer, Alarm)| {
            Some(UserAlarm { user: self.ledger.name_of(buyer)?.clone(), coins })
        };
        let mut users: Vec<UserAlarm> = alarms.users().filter_map(named).collect();
        users.sort_unstable_by(|a, b| a.user.cmp(&b.user));
        Alarms { vendors: alarms.vendors(), users }
    }

    /// All batches and watches.
    fn sent(&self) -> impl Iterator<Item = Sent<'_>> {
        let batches = self.ledger.batches.iter().map(|it| {
            let (vendor, when, claims) = (&it.vendor, it.when, &it.claims);
            Sent { vendor, when, claims, is_watch: false }
        });
        let watches = self.ledger.watches.iter().map(|it| {
            let (vendor, when, claims) = (&it.vendor, it.when, &it.claims);
            Sent { vendor, when, claims, is_watch: true }
        });
        batches.chain(watches)
    }

    /// What the evidence shows.
    fn findings(&self) -> Findings<Buyer, &VendorId> {
        let mut evidence = Vec::new();
        for sent in self.sent() {
            let claims = self.claims_today(sent.claims);
            let of = |claim| Evidence::of(claim, sent.vendor, sent.when, sent.is_watch);
            evidence.extend(claims.iter().filter_map(of));
        }
        let mut findings = Findings::default();
        findings.add(evidence);
        findings
    }
}
