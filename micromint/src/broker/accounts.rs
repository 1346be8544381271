//! Reports on the broker's records: what users bought and got credited, what vendors were paid, and
//! the totals of the period.
//!
//! Input: the records and claims. Output: sums for people. Nothing is changed.

use std::collections::BTreeMap;

use super::award::{Award, Sums};
use super::claim::Claim;
use super::record::{JudgedBatch, RecordedReturn, RecordedSale};
use super::redemption::Alarm;
use super::settlement::Decided;
use super::{Broker, BrokerError};
use crate::bin::Bin;
use crate::identity::{UserId, VendorId};
use crate::protocol::Verdict;
use crate::time::UnixTime;

/// What a user bought and returned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserAccount {
    /// The sales, in order.
    pub sales: Vec<RecordedSale>,
    /// The number of sold coins: the first balls that were delivered.
    pub coins_sold: u64,
    /// The returns, in order.
    pub returns: Vec<RecordedReturn>,
    /// The number of returned coins that wait until redeem-until.
    pub coins_waiting: u64,
    /// The number of returned coins that wait for the decision of a person.
    pub coins_disputed: u64,
    /// The number of returned coins that were credited.
    pub coins_credited: u64,
    /// When the user was revoked; `None` if the user was not.
    pub revoked: Option<UnixTime>,
}

/// The payments to a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VendorAccount {
    /// When the vendor was registered.
    pub registered: UnixTime,
    /// The batches, in order.
    pub batches: Vec<JudgedBatch>,
    /// The number of coins that wait until redeem-until.
    pub coins_waiting: u64,
    /// The number of coins that wait for the decision of a person.
    pub coins_disputed: u64,
    /// The number of coins that were paid.
    pub coins_paid: u64,
}

/// The totals of the period.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerStatus {
    /// The number of sales.
    pub sales: u64,
    /// The number of sold sets.
    pub sets_sold: u64,
    /// The number of sets that can still be sold.
    pub sets_left: u64,
    /// The number of registered vendors.
    pub vendors: u64,
    /// The number of judged batches.
    pub batches: u64,
    /// The number of judged watches.
    pub watches: u64,
    /// The number of judged returns.
    pub returns: u64,
    /// Where the value of the sold coins went.
    pub coins: Sums,
    /// The number of claims that wait until redeem-until.
    pub claims_waiting: u64,
    /// The coins and returned balls that raise an alarm.
    pub alarm: Alarm,
    /// The number of revoked users.
    pub revoked: u64,
    /// Whether the period is settled.
    pub is_settled: bool,
}

impl Broker {
    /// The account of a user; `None` if the user never bought anything.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn user_account(&mut self, user: &UserId) -> Result<Option<UserAccount>, BrokerError> {
        self.locked(|broker| {
            let sales: Vec<RecordedSale> =
                broker.ledger.sales.values().filter(|sale| sale.user == *user).cloned().collect();
            if sales.is_empty() {
                return Ok(None);
            }
            let coins_sold = sales.iter().map(|sale| u64::from(sale.coins)).sum();
            let returns: Vec<RecordedReturn> =
                broker.ledger.returns.iter().filter(|back| back.user == *user).cloned().collect();
            let mut account = UserAccount {
                sales,
                coins_sold,
                coins_waiting: 0,
                coins_disputed: 0,
                coins_credited: 0,
                revoked: broker.ledger.revoked.get(user).copied(),
                returns,
            };
            let decided = broker.decided()?;
            for back in &account.returns {
                let claims = broker.claims_after(&back.claims, decided.as_ref())?;
                account.coins_waiting += count(&claims, Verdict::Waiting);
                account.coins_disputed += count(&claims, Verdict::Disputed);
                account.coins_credited += count(&claims, Verdict::Accepted);
            }
            Ok(Some(account))
        })
    }

    /// The account of a vendor; `None` if it is not registered.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn vendor_account(
        &mut self,
        vendor: &VendorId,
    ) -> Result<Option<VendorAccount>, BrokerError> {
        self.locked(|broker| {
            let Some(&registered) = broker.ledger.vendors.get(vendor) else { return Ok(None) };
            let batches: Vec<JudgedBatch> = broker
                .ledger
                .batches
                .iter()
                .filter(|batch| batch.vendor == *vendor)
                .cloned()
                .collect();
            let mut account = VendorAccount {
                registered,
                coins_waiting: 0,
                coins_disputed: 0,
                coins_paid: 0,
                batches,
            };
            let decided = broker.decided()?;
            for batch in &account.batches {
                let claims = broker.claims_after(&batch.claims, decided.as_ref())?;
                account.coins_waiting += count(&claims, Verdict::Waiting);
                account.coins_disputed += count(&claims, Verdict::Disputed);
                account.coins_paid += count(&claims, Verdict::Accepted);
            }
            Ok(Some(account))
        })
    }

    /// The registered vendors, in the order of their registration; those of one second by name.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn vendors(&mut self) -> Result<Vec<VendorId>, BrokerError> {
        self.locked(|broker| {
            let mut vendors: Vec<_> = broker.ledger.vendors.iter().collect();
            vendors.sort_by_key(|(_, registered)| **registered);
            Ok(vendors.into_iter().map(|(vendor, _)| vendor.clone()).collect())
        })
    }

    /// The totals of the period.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn status(&mut self) -> Result<BrokerStatus, BrokerError> {
        self.locked(|broker| {
            let ledger = &broker.ledger;
            let mut status = BrokerStatus {
                sales: ledger.sales.len() as u64,
                sets_sold: ledger.next_superbin() / 2,
                sets_left: broker.sets_left(),
                vendors: ledger.vendors.len() as u64,
                batches: ledger.batches.len() as u64,
                watches: ledger.watches.len() as u64,
                returns: ledger.returns.len() as u64,
                coins: broker.sums()?,
                claims_waiting: 0,
                alarm: Alarm::default(),
                revoked: ledger.revoked.len() as u64,
                is_settled: ledger.settlement.is_some(),
            };
            for it in &ledger.batches {
                status.add(it.waiting, it.forged, it.not_from_owner, it.invented);
            }
            for it in &ledger.watches {
                status.add(0, it.forged, it.not_from_owner, it.invented);
            }
            for it in &ledger.returns {
                status.add(it.waiting, it.forged, it.not_from_owner, 0);
            }
            if status.is_settled {
                status.claims_waiting = 0;
            }
            Ok(status)
        })
    }

    /// Where the value of all sold coins went.
    fn sums(&self) -> Result<Sums, BrokerError> {
        let sold = self.ledger.sales.values().map(|sale| u64::from(sale.coins)).sum();
        let at_once = self.ledger.batches.iter().map(|batch| u64::from(batch.accepted)).sum();
        let mut awards: BTreeMap<Bin, Award> = BTreeMap::new();
        for claim in self.decided()?.iter().flat_map(Decided::today) {
            let Some((bin, rank)) = claim.on() else { continue };
            match claim.verdict {
                Verdict::Accepted if rank.is_payment() => {
                    awards.insert(bin, Award::Vendor(claim.digest));
                }
                Verdict::Accepted => {
                    awards.insert(bin, Award::User(claim.digest));
                }
                Verdict::Disputed => {
                    awards.entry(bin).or_insert(Award::Disputed);
                }
                _ => {}
            }
        }
        Ok(Sums::of(sold, at_once, awards.into_values()))
    }
}

impl BrokerStatus {
    fn add(&mut self, waiting: u32, forged: u32, not_from_owner: u32, invented: u32) {
        self.claims_waiting += u64::from(waiting);
        self.alarm.forged += u64::from(forged);
        self.alarm.not_from_owner += u64::from(not_from_owner);
        self.alarm.invented += u64::from(invented);
    }
}

fn count(claims: &[Claim], verdict: Verdict) -> u64 {
    claims.iter().filter(|claim| claim.verdict == verdict).count() as u64
}
