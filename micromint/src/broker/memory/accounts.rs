//! Reports: what users bought and got credited, what vendors were paid, and
//! the totals of the period. Nothing is changed.

use std::collections::BTreeMap;

use super::MemoryBroker;
use super::records::{Decision, JudgedBatch, RecordedReturn, RecordedSale};
use crate::bin::Bin;
use crate::broker::{Alarm, Award, Claim, Sums};
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

impl MemoryBroker {
    /// The account of a user; `None` if the user never bought anything.
    pub fn user_account(&self, user: &UserId) -> Option<UserAccount> {
        let sales: Vec<RecordedSale> =
            self.ledger.sales.values().filter(|sale| sale.user == *user).cloned().collect();
        if sales.is_empty() {
            return None;
        }
        let returns: Vec<RecordedReturn> =
            self.ledger.returns.iter().filter(|back| back.user == *user).cloned().collect();
        let claims: Vec<Claim> =
            returns.iter().flat_map(|back| self.claims_today(&back.claims)).collect();
        Some(UserAccount {
            coins_sold: sales.iter().map(|sale| u64::from(sale.coins)).sum(),
            sales,
            coins_waiting: count(&claims, Verdict::Waiting),
            coins_disputed: count(&claims, Verdict::Disputed),
            coins_credited: count(&claims, Verdict::Accepted),
            revoked: self.ledger.revoked.get(user).copied(),
            returns,
        })
    }

    /// The account of a vendor; `None` if it is not registered.
    pub fn vendor_account(&self, vendor: &VendorId) -> Option<VendorAccount> {
        let registered = *self.ledger.vendors.get(vendor)?;
        let of_vendor = self.ledger.batches.iter().filter(|batch| batch.vendor == *vendor);
        let batches: Vec<JudgedBatch> = of_vendor.cloned().collect();
        let claims: Vec<Claim> =
            batches.iter().flat_map(|batch| self.claims_today(&batch.claims)).collect();
        Some(VendorAccount {
            registered,
            coins_waiting: count(&claims, Verdict::Waiting),
            coins_disputed: count(&claims, Verdict::Disputed),
            coins_paid: count(&claims, Verdict::Accepted),
            batches,
        })
    }

    /// The totals of the period.
    pub fn status(&self) -> BrokerStatus {
        let ledger = &self.ledger;
        let mut alarm = Alarm::default();
        ledger.batches.iter().for_each(|batch| alarm.add(batch.alarm));
        ledger.watches.iter().for_each(|watch| alarm.add(watch.alarm));
        for back in &ledger.returns {
            alarm.forged += u64::from(back.forged);
            alarm.not_from_owner += u64::from(back.not_from_owner);
        }
        let is_settled = ledger.settlement.is_some();
        let of_batches = ledger.batches.iter().map(|batch| u64::from(batch.waiting));
        let of_returns = ledger.returns.iter().map(|back| u64::from(back.waiting));
        BrokerStatus {
            sales: ledger.sales.len() as u64,
            sets_sold: ledger.next_superbin() / 2,
            sets_left: self.sets_left(),
            vendors: ledger.vendors.len() as u64,
            batches: ledger.batches.len() as u64,
            watches: ledger.watches.len() as u64,
            returns: ledger.returns.len() as u64,
            coins: self.sums(),
            claims_waiting: if is_settled { 0 } else { of_batches.chain(of_returns).sum() },
            alarm,
            revoked: ledger.revoked.len() as u64,
            is_settled,
        }
    }

    /// Where the value of all sold coins went.
    fn sums(&self) -> Sums {
        let sold = self.ledger.sales.values().map(|sale| u64::from(sale.coins)).sum();
        let at_once = self.ledger.batches.iter().map(|batch| u64::from(batch.accepted)).sum();
        let mut awards: BTreeMap<Bin, Award> = BTreeMap::new();
        for Decision { number, bin, rank, verdict } in self.settled_today() {
            match verdict {
                Verdict::Accepted if rank.is_payment() => {
                    awards.insert(bin, Award::Vendor(number));
                }
                Verdict::Accepted => {
                    awards.insert(bin, Award::User(number));
                }
                Verdict::Disputed => {
                    awards.entry(bin).or_insert(Award::Disputed);
                }
                _ => {}
            }
        }
        Sums::of(sold, at_once, awards.into_values())
    }
}

fn count(claims: &[Claim], verdict: Verdict) -> u64 {
    claims.iter().filter(|claim| claim.verdict == verdict).count() as u64
}
