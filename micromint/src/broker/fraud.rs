//! Reports on fraud: who is proved to have cheated, who is suspected, and what raises an alarm.
//!
//! Input: the claims of all batches, watches and returns. Output: names and numbers for people. The
//! invariant: nothing is changed, and only offenders are named as such.

use std::collections::{BTreeMap, BTreeSet};

use super::blocking::{Blocks, FaultyHour, Served, blocks, conduct, hour_of};
use super::claim::{Buyer, Claim, Facts};
use super::evidence::{Evidence, Findings, Offender, Suspect};
use super::record::RecordedReturn;
use super::redemption::Alarm;
use super::{Broker, BrokerError, Section};
use crate::identity::{UserId, VendorId};
use crate::protocol::Verdict;
use crate::time::UnixTime;

/// How many claims are looked at together, which bounds the memory to about 1 GiB. With more, the
/// claims file is read several times, for a part of the superbins each.
const CLAIMS_TOGETHER: u64 = 16 * 1024 * 1024;

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
    pub vendors: Vec<VendorAlarm>,
    /// The buyers that payments and returns named. Anybody can name a user in a coin that is not
    /// from the owner. A name to which nothing was sold counts with the vendor alone.
    pub users: Vec<UserAlarm>,
}

/// The coins of a vendor that raise an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VendorAlarm {
    /// The vendor.
    pub vendor: VendorId,
    /// The coins.
    pub coins: Alarm,
    /// The hours in which so many of its users failed that the vendor is at fault.
    pub faults: Vec<FaultyHour>,
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

/// The claims of one message of a vendor.
struct Sent<'a> {
    vendor: &'a VendorId,
    when: UnixTime,
    claims: Section,
    is_watch: bool,
    has_alarm: bool,
    /// A user may have failed ([`super::blocking`]).
    has_failing: bool,
}

impl<'a> Sent<'a> {
    /// A batch with these claims, of which `waiting` wait.
    fn new(
        vendor: &'a VendorId,
        when: UnixTime,
        claims: Section,
        waiting: u32,
        alarm: Alarm,
    ) -> Sent<'a> {
        let has_failing = u64::from(waiting) + alarm.forged + alarm.not_from_owner > 0;
        Sent { vendor, when, claims, is_watch: false, has_alarm: !alarm.is_silent(), has_failing }
    }
}

impl Broker {
    /// The users who are proved to have cheated, ordered by name: two right Authenticators on one
    /// first bin at different vendors, or a right Authenticator over a ball that was not minted or
    /// over a set of someone else.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn offenders(&mut self) -> Result<Vec<Offender<UserId, VendorId>>, BrokerError> {
        self.locked(|broker| {
            let findings = broker.findings()?;
            let named = findings.offenders().into_iter().filter_map(|found| {
                let Offender { user, balls, spent_twice, forged, vendors, first, last } = found;
                let user = broker.ledger.name_of(user)?.clone();
                let vendors = vendors.into_iter().cloned().collect();
                Some(Offender { user, balls, spent_twice, forged, vendors, first, last })
            });
            let mut named: Vec<_> = named.collect();
            named.sort_unstable_by(|a, b| a.user.cmp(&b.user));
            Ok(named)
        })
    }

    /// What else a person should look at. It proves nothing.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn suspicions(&mut self) -> Result<Suspicions, BrokerError> {
        self.locked(|broker| {
            let findings = broker.findings()?;
            let suspects = findings.suspects().into_iter().filter_map(|found| {
                let Suspect { user, balls, unpaid_at } = found;
                let user = broker.ledger.name_of(user)?.clone();
                let unpaid_at = unpaid_at.into_iter().cloned().collect();
                Some(Suspect { user, balls, unpaid_at })
            });
            let mut users: Vec<_> = suspects.collect();
            users.sort_unstable_by(|a, b| a.user.cmp(&b.user));
            let repeats = findings.repeats().into_iter();
            let vendors = repeats.map(|(vendor, balls)| (vendor.clone(), balls)).collect();
            Ok(Suspicions { users, vendors })
        })
    }

    /// What raised an alarm so far.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn alarms(&mut self) -> Result<Alarms, BrokerError> {
        self.locked(|broker| {
            let mut users: BTreeMap<Buyer, Alarm> = BTreeMap::new();
            let mut vendors: BTreeMap<&VendorId, (Alarm, Vec<Served<Buyer>>)> = BTreeMap::new();
            let failing = broker.sent().filter(|sent| sent.has_failing);
            let hours: BTreeSet<(&VendorId, i64)> =
                failing.map(|sent| (sent.vendor, hour_of(sent.when))).collect();
            for sent in broker.sent() {
                let is_failing = hours.contains(&(sent.vendor, hour_of(sent.when)));
                if !sent.has_alarm && !is_failing {
                    continue;
                }
                let claims = broker.claims.read(&sent.claims)?;
                let (alarm, served) = vendors.entry(sent.vendor).or_default();
                alarm.add(Alarm::of(&claims));
                count_by_user(&claims, &mut users);
                if is_failing {
                    served.extend(served_by(&claims, sent.when));
                }
            }
            let has_alarm = |back: &&RecordedReturn| back.forged > 0 || back.not_from_owner > 0;
            for back in broker.ledger.returns.iter().filter(has_alarm) {
                count_by_user(&broker.claims.read(&back.claims)?, &mut users);
            }
            let vendors = vendors.into_iter().map(|(vendor, (coins, served))| {
                let Blocks { faults, .. } = blocks(served);
                VendorAlarm { vendor: vendor.clone(), coins, faults }
            });
            let users = users.into_iter().filter_map(|(buyer, coins)| {
                Some(UserAlarm { user: broker.ledger.name_of(buyer)?.clone(), coins })
            });
            let is_alarm = |it: &VendorAlarm| !it.coins.is_silent() || !it.faults.is_empty();
            let mut users: Vec<UserAlarm> = users.collect();
            users.sort_unstable_by(|a, b| a.user.cmp(&b.user));
            Ok(Alarms { vendors: vendors.filter(is_alarm).collect(), users })
        })
    }

    /// All batches and watches.
    fn sent(&self) -> impl Iterator<Item = Sent<'_>> {
        let batches = self.ledger.batches.iter().map(|it| {
            let alarm = Alarm::new(it.forged, it.not_from_owner, it.invented);
            Sent::new(&it.vendor, it.when, it.claims, it.waiting, alarm)
        });
        let watches = self.ledger.watches.iter().map(|it| {
            let alarm = Alarm::new(it.forged, it.not_from_owner, it.invented);
            Sent { is_watch: true, ..Sent::new(&it.vendor, it.when, it.claims, it.waiting, alarm) }
        });
        batches.chain(watches)
    }

    /// What the evidence shows.
    fn findings(&self) -> Result<Findings<Buyer, &VendorId>, BrokerError> {
        let total: u64 = self.sent().map(|sent| sent.claims.count).sum();
        let parts = u32::try_from(total.div_ceil(CLAIMS_TOGETHER)).unwrap_or(u32::MAX).max(1);
        let decided = self.decided()?;
        let mut findings = Findings::default();
        for part in 0..parts {
            let mut evidence = Vec::new();
            for sent in self.sent() {
                let claims = self.claims_after(&sent.claims, decided.as_ref())?;
                let coins = claims.iter().filter_map(|claim| evidence_of(claim, &sent));
                // Superbins are even, so consecutive sets go to different parts.
                evidence.extend(coins.filter(|coin| coin.bin.superbin / 2 % parts == part));
            }
            findings.add(evidence);
        }
        Ok(findings)
    }
}

/// A coin that shows who made it; `None` if anybody can have made it.
fn evidence_of<'a>(claim: &Claim, sent: &Sent<'a>) -> Option<Evidence<Buyer, &'a VendorId>> {
    let source = claim.facts.source;
    if !source.is_signed && !source.has_token {
        return None;
    }
    Some(Evidence {
        bin: claim.bin?,
        user: claim.buyer?,
        vendor: sent.vendor,
        when: sent.when,
        payment: claim.digest,
        source,
        is_forged: claim.facts.is_forged,
        is_paid: claim.verdict == Verdict::Accepted && !sent.is_watch,
        is_refused: claim.verdict.is_rejection(),
    })
}

/// What the payments among these claims say about the users whom they name. A name to which nothing
/// was sold is nobody's.
pub fn served_by(claims: &[Claim], when: UnixTime) -> impl Iterator<Item = Served<Buyer>> {
    let conduct = |claim: &Claim| {
        let Facts { source, is_forged, is_invented: _ } = claim.facts;
        conduct(source, is_forged)
    };
    // Coins of one payment that say the same are one.
    let is_same = move |a: &Claim, b: &Claim| a.payment == b.payment && conduct(a) == conduct(b);
    claims.chunk_by(is_same).filter_map(move |coins| {
        let claim = &coins[0];
        Some(Served { user: claim.buyer?, when, conduct: conduct(claim) })
    })
}

fn count_by_user(claims: &[Claim], users: &mut BTreeMap<Buyer, Alarm>) {
    for claim in claims {
        let alarm = Alarm::of(std::slice::from_ref(claim));
        if let Some(buyer) = claim.buyer.filter(|_| !alarm.is_silent()) {
            users.entry(buyer).or_default().add(alarm);
        }
    }
}

impl Alarm {
    fn new(forged: u32, not_from_owner: u32, invented: u32) -> Alarm {
        let [forged, not_from_owner, invented] = [forged, not_from_owner, invented].map(u64::from);
        Alarm { forged, not_from_owner, invented }
    }

    fn add(&mut self, other: Alarm) {
        self.forged += other.forged;
        self.not_from_owner += other.not_from_owner;
        self.invented += other.invented;
    }
}
