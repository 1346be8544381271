//! The state that the broker's journal produces: who bought which sets, and which batches, watches
//! and returns were judged.
//!
//! Input: the records, in order. Output: answers to questions about them. The invariant: the state
//! depends on the records alone, so all processes that have read the same journal have the same
//! ledger. Claims are not in memory, only the sections that contain them.

use std::collections::{BTreeMap, HashMap};

use super::claim::Buyer;
use super::claims_file::Section;
use super::record::{
    BinRange, BrokerRecord, JudgedBatch, JudgedWatch, RecordedReturn, RecordedRuling, RecordedSale,
};
use crate::bin::Bin;
use crate::identity::{UserId, VendorId};
use crate::protocol::Id;
use crate::time::UnixTime;

/// The state after a number of records.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The sales by their first superbin.
    pub(crate) sales: BTreeMap<u32, RecordedSale>,
    transactions: HashMap<u64, u32>,
    /// The registered vendors, and when they were registered.
    pub(crate) vendors: BTreeMap<VendorId, UnixTime>,
    /// The batches in order of time.
    pub(crate) batches: Vec<JudgedBatch>,
    batch_numbers: HashMap<(VendorId, Id), usize>,
    /// The returns in order of time.
    pub(crate) returns: Vec<RecordedReturn>,
    return_numbers: HashMap<(UserId, Id), usize>,
    /// The watches in order of time.
    pub(crate) watches: Vec<JudgedWatch>,
    watch_numbers: HashMap<(VendorId, Id), usize>,
    /// The decisions of the settlement, once it was made.
    pub(crate) settlement: Option<Section>,
    /// What a person decided after the settlement, in order of time.
    pub(crate) rulings: Vec<RecordedRuling>,
    /// The users who bought sets.
    buyers: HashMap<UserId, Buyer>,
    /// The compromised bins of each superbin, and the next superbin to sell when they were declared
    /// so: sets from that one on were sold without them.
    compromised: BTreeMap<u32, Vec<(BinRange, u64)>>,
    /// The revoked users, and when they were revoked.
    pub(crate) revoked: BTreeMap<UserId, UnixTime>,
    claims_end: u64,
}

impl Ledger {
    /// Applies a record. The error says why it is inconsistent with those before it.
    pub(crate) fn apply(&mut self, record: BrokerRecord) -> Result<(), String> {
        match record {
            BrokerRecord::Sale(sale) => self.apply_sale(sale),
            BrokerRecord::Vendor { when, vendor } => {
                self.vendors.entry(vendor).or_insert(when);
                Ok(())
            }
            BrokerRecord::Batch(batch) => {
                self.take_section(&batch.claims)?;
                let key = (batch.vendor.clone(), batch.batch.clone());
                self.batch_numbers.insert(key, self.batches.len());
                self.batches.push(batch);
                Ok(())
            }
            BrokerRecord::Return(back) => {
                self.take_section(&back.claims)?;
                let key = (back.user.clone(), back.request.clone());
                self.return_numbers.insert(key, self.returns.len());
                self.returns.push(back);
                Ok(())
            }
            BrokerRecord::Watch(watch) => {
                self.take_section(&watch.claims)?;
                let key = (watch.vendor.clone(), watch.watch.clone());
                self.watch_numbers.insert(key, self.watches.len());
                self.watches.push(watch);
                Ok(())
            }
            BrokerRecord::Settlement { decided, .. } => {
                self.take_section(&decided)?;
                self.settlement = Some(decided);
                Ok(())
            }
            BrokerRecord::Ruling(ruling) => {
                self.take_section(&ruling.decided)?;
                self.rulings.push(ruling);
                Ok(())
            }
            BrokerRecord::Revocation { when, user } => {
                self.revoked.entry(user).or_insert(when);
                Ok(())
            }
            BrokerRecord::Compromise { bins, .. } => {
                let next = self.next_superbin();
                self.compromised.entry(bins.superbin).or_default().push((bins, next));
                Ok(())
            }
        }
    }

    fn apply_sale(&mut self, sale: RecordedSale) -> Result<(), String> {
        if u64::from(sale.first) != self.next_superbin() || sale.sets == 0 {
            return Err(format!(
                "expected a sale from superbin {}, found {} sets from {}",
                self.next_superbin(),
                sale.sets,
                sale.first
            ));
        }
        self.transactions.insert(sale.transaction, sale.first);
        self.buyers.entry(sale.user.clone()).or_insert(Buyer(sale.first));
        self.sales.insert(sale.first, sale);
        Ok(())
    }

    fn take_section(&mut self, section: &Section) -> Result<(), String> {
        if section.start != self.claims_end {
            return Err(format!(
                "expected claims from {}, found {}",
                self.claims_end, section.start
            ));
        }
        self.claims_end = section.end();
        Ok(())
    }

    /// The first superbin that is not sold yet: even, or 2^u if all are sold.
    pub(crate) fn next_superbin(&self) -> u64 {
        self.sales.last_key_value().map_or(0, |(_, sale)| sale.end())
    }

    /// The number after the last committed claim.
    pub(crate) fn claims_end(&self) -> u64 {
        self.claims_end
    }

    /// The sale with this Transaction-ID.
    pub(crate) fn sale(&self, transaction: u64) -> Option<&RecordedSale> {
        self.sales.get(self.transactions.get(&transaction)?)
    }

    /// The buyer of the set that begins at this superbin.
    pub(crate) fn owner(&self, first_superbin: u32) -> Option<&UserId> {
        let (_, sale) = self.sales.range(..=first_superbin).next_back()?;
        let is_first_of_set =
            first_superbin.is_multiple_of(2) && u64::from(first_superbin) < sale.end();
        is_first_of_set.then_some(&sale.user)
    }

    /// The number of a user; `None` if nothing was sold to the user.
    pub(crate) fn buyer(&self, user: &UserId) -> Option<Buyer> {
        self.buyers.get(user).copied()
    }

    /// The user with this number; `None` if no sale begins there.
    pub(crate) fn name_of(&self, buyer: Buyer) -> Option<&UserId> {
        self.sales.get(&buyer.0).map(|sale| &sale.user)
    }

    /// Whether the set that begins at `first_superbin` is sold without the ball of this bin,
    /// because the bin was declared compromised before.
    pub(crate) fn is_withheld(&self, bin: Bin, first_superbin: u32) -> bool {
        let Some(ranges) = self.compromised.get(&bin.superbin) else { return false };
        let is_before = |(bins, next): &(BinRange, u64)| {
            bins.contains(bin.subbin) && *next <= u64::from(first_superbin)
        };
        ranges.iter().any(is_before)
    }

    /// Whether the bin is declared compromised, no matter when.
    pub(crate) fn is_compromised(&self, bin: Bin) -> bool {
        let ranges = self.compromised.get(&bin.superbin);
        ranges.is_some_and(|ranges| ranges.iter().any(|(bins, _)| bins.contains(bin.subbin)))
    }

    /// Whether a bin of this superbin was declared compromised.
    pub(crate) fn has_compromised(&self, superbin: u32) -> bool {
        self.compromised.contains_key(&superbin)
    }

    /// The judged batch with this Batch-ID.
    pub(crate) fn batch(&self, vendor: &VendorId, batch: &Id) -> Option<&JudgedBatch> {
        self.batch_numbers
            .get(&(vendor.clone(), batch.clone()))
            .map(|number| &self.batches[*number])
    }

    /// The judged watch with this Watch-ID.
    pub(crate) fn watch(&self, vendor: &VendorId, watch: &Id) -> Option<&JudgedWatch> {
        self.watch_numbers
            .get(&(vendor.clone(), watch.clone()))
            .map(|number| &self.watches[*number])
    }

    /// The judged return with this Request-ID.
    pub(crate) fn return_of(&self, user: &UserId, request: &Id) -> Option<&RecordedReturn> {
        self.return_numbers
            .get(&(user.clone(), request.clone()))
            .map(|number| &self.returns[*number])
    }

    /// The sections of all batches and returns, in order, with the vendor of each batch.
    pub(crate) fn claim_sections(&self) -> Vec<(Section, Option<&VendorId>)> {
        let batches = self.batches.iter().map(|batch| (batch.claims, Some(&batch.vendor)));
        let returns = self.returns.iter().map(|back| (back.claims, None));
        let mut sections: Vec<(Section, Option<&VendorId>)> = batches.chain(returns).collect();
        sections.sort_unstable_by_key(|(section, _)| section.start);
        sections
    }
}

impl RecordedSale {
    /// The first superbins of its sets.
    pub(super) fn first_superbins(&self) -> impl Iterator<Item = u32> + use<> {
        (0..self.sets).zip((self.first..).step_by(2)).map(|(_, superbin)| superbin)
    }

    /// The superbin at which the next sale begins.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.first) + 2 * u64::from(self.sets)
    }
}

impl BinRange {
    /// Whether the range contains this sub-bin of its superbin.
    pub(super) fn contains(&self, subbin: u32) -> bool {
        subbin.checked_sub(self.first).is_some_and(|at| at < self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(transaction: u64, first: u32, sets: u32, user: &str) -> BrokerRecord {
        BrokerRecord::Sale(RecordedSale {
            when: UnixTime(0),
            transaction,
            first,
            sets,
            coins: sets,
            user: user.parse().unwrap(),
        })
    }

    #[test]
    fn sales_are_consecutive_and_have_owners() {
        let mut ledger = Ledger::default();
        ledger.apply(sale(5, 0, 2, "alice")).unwrap();
        ledger.apply(sale(6, 4, 1, "bob")).unwrap();
        assert_eq!(ledger.next_superbin(), 6);
        let owners: Vec<_> = (0..8).map(|s| ledger.owner(s).map(UserId::as_str)).collect();
        let alice = Some("alice");
        assert_eq!(owners, [alice, None, alice, None, Some("bob"), None, None, None]);
        assert_eq!(ledger.sale(5).unwrap().first_superbins().collect::<Vec<_>>(), [0, 2]);
        assert!(ledger.sale(7).is_none());
        assert!(ledger.apply(sale(8, 4, 1, "eve")).unwrap_err().contains("from superbin 6,"));
        assert!(ledger.apply(sale(8, 8, 1, "eve")).is_err());
    }

    /// The last superbin of the largest file: nothing overflows.
    #[test]
    fn the_last_set_of_the_largest_file_has_an_owner() {
        let mut ledger = Ledger::default();
        ledger.apply(sale(1, 0, 1 << 31, "alice")).unwrap();
        assert_eq!(ledger.next_superbin(), 1 << 32);
        assert_eq!(ledger.owner(u32::MAX - 1).map(UserId::as_str), Some("alice"));
        assert_eq!(ledger.sale(1).unwrap().first_superbins().last(), Some(u32::MAX - 1));
    }

    #[test]
    fn bins_compromised_before_a_sale_are_withheld_from_it() {
        let mut ledger = Ledger::default();
        ledger.apply(sale(1, 0, 1, "alice")).unwrap();
        let bins = BinRange { superbin: 2, first: 3, count: 2 };
        ledger.apply(BrokerRecord::Compromise { when: UnixTime(0), bins }).unwrap();
        ledger.apply(sale(2, 2, 1, "bob")).unwrap();
        let is_withheld = |subbin, first| ledger.is_withheld(Bin { superbin: 2, subbin }, first);
        assert!(is_withheld(3, 2) && is_withheld(4, 2));
        assert!(!is_withheld(2, 2) && !is_withheld(5, 2));
        // The set of alice was sold before.
        assert!(!is_withheld(3, 0));
        assert!(!ledger.is_withheld(Bin { superbin: 4, subbin: 3 }, 4));
    }

    #[test]
    fn a_buyer_has_one_number_however_often_sets_are_sold() {
        let mut ledger = Ledger::default();
        for (transaction, user) in (0..).zip(["alice", "bob", "alice", "bob"]) {
            ledger.apply(sale(transaction, 2 * transaction as u32, 1, user)).unwrap();
        }
        for (user, buyer) in [("alice", Buyer(0)), ("bob", Buyer(2))] {
            assert_eq!(ledger.buyer(&user.parse().unwrap()), Some(buyer));
            assert_eq!(ledger.name_of(buyer).unwrap().as_str(), user);
        }
        assert_eq!(ledger.buyer(&"eve".parse().unwrap()), None);
        assert_eq!(ledger.name_of(Buyer(8)), None);
    }
}
