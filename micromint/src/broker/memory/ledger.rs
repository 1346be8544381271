//! Who bought which sets, and which batches, watches and returns were judged.
//!
//! Input: what happened, in order. Output: answers to questions about it.

use std::collections::{BTreeMap, HashMap};

use super::records::{Decision, JudgedBatch, JudgedWatch, RecordedReturn, RecordedSale, Section};
use crate::bin::Bin;
use crate::broker::{BinRange, Buyer, Sold};
use crate::identity::{UserId, VendorId};
use crate::protocol::{Id, Verdict};
use crate::time::UnixTime;

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The sales by their first superbin.
    pub(super) sales: BTreeMap<u32, RecordedSale>,
    transactions: HashMap<u64, u32>,
    /// The registered vendors, and when they were registered.
    pub(super) vendors: BTreeMap<VendorId, UnixTime>,
    /// The batches in order of time.
    pub(super) batches: Vec<JudgedBatch>,
    batch_numbers: HashMap<(VendorId, Id), usize>,
    /// The returns in order of time.
    pub(super) returns: Vec<RecordedReturn>,
    return_numbers: HashMap<(UserId, Id), usize>,
    /// The watches in order of time.
    pub(super) watches: Vec<JudgedWatch>,
    watch_numbers: HashMap<(VendorId, Id), usize>,
    /// The decisions of the settlement, once it was made: an entry for each claim that it paid,
    /// credited or left disputed, in the order of their numbers.
    pub(super) settlement: Option<Vec<Decision>>,
    /// What a person decided after the settlement, by the number of the claim.
    pub(super) rulings: HashMap<u64, Verdict>,
    /// The users who bought sets.
    buyers: HashMap<UserId, Buyer>,
    /// The compromised bins of each superbin, and the next superbin to sell when they were declared
    /// so: sets from that one on were sold without them.
    compromised: BTreeMap<u32, Vec<(BinRange, u64)>>,
    /// The revoked users, and when they were revoked.
    pub(super) revoked: BTreeMap<UserId, UnixTime>,
}

impl Ledger {
    /// Adds a sale from the next superbin on.
    pub(super) fn add_sale(&mut self, sale: RecordedSale) {
        debug_assert_eq!(u64::from(sale.first), self.next_superbin());
        self.transactions.insert(sale.transaction, sale.first);
        self.buyers.entry(sale.user.clone()).or_insert(Buyer(sale.first));
        self.sales.insert(sale.first, sale);
    }

    pub(super) fn add_batch(&mut self, batch: JudgedBatch) {
        let key = (batch.vendor.clone(), batch.batch.clone());
        self.batch_numbers.insert(key, self.batches.len());
        self.batches.push(batch);
    }

    pub(super) fn add_watch(&mut self, watch: JudgedWatch) {
        let key = (watch.vendor.clone(), watch.watch.clone());
        self.watch_numbers.insert(key, self.watches.len());
        self.watches.push(watch);
    }

    pub(super) fn add_return(&mut self, back: RecordedReturn) {
        let key = (back.user.clone(), back.request.clone());
        self.return_numbers.insert(key, self.returns.len());
        self.returns.push(back);
    }

    pub(super) fn compromise(&mut self, bins: BinRange) {
        let next = self.next_superbin();
        self.compromised.entry(bins.superbin).or_default().push((bins, next));
    }

    /// The first superbin that is not sold yet: even, or 2^u if all are sold.
    pub(super) fn next_superbin(&self) -> u64 {
        self.sales.last_key_value().map_or(0, |(_, sale)| sale.end())
    }

    /// The sale with this Transaction-ID.
    pub(super) fn sale(&self, transaction: u64) -> Option<&RecordedSale> {
        self.sales.get(self.transactions.get(&transaction)?)
    }

    pub(super) fn is_vendor(&self, vendor: &VendorId) -> bool {
        self.vendors.contains_key(vendor)
    }

    /// The user with this number; `None` if no sale begins there.
    pub(super) fn name_of(&self, buyer: Buyer) -> Option<&UserId> {
        self.sales.get(&buyer.0).map(|sale| &sale.user)
    }

    /// Whether the bin is declared compromised.
    pub(super) fn is_compromised_at(&self, superbin: u32, subbin: u32) -> bool {
        let ranges = self.compromised.get(&superbin);
        ranges.is_some_and(|ranges| ranges.iter().any(|(bins, _)| bins.contains(subbin)))
    }

    /// The judged batch with this Batch-ID.
    pub(super) fn batch(&self, vendor: &VendorId, batch: &Id) -> Option<&JudgedBatch> {
        self.batch_numbers
            .get(&(vendor.clone(), batch.clone()))
            .map(|number| &self.batches[*number])
    }

    /// The judged watch with this Watch-ID.
    pub(super) fn watch(&self, vendor: &VendorId, watch: &Id) -> Option<&JudgedWatch> {
        self.watch_numbers
            .get(&(vendor.clone(), watch.clone()))
            .map(|number| &self.watches[*number])
    }

    /// The judged return with this Request-ID.
    pub(super) fn return_of(&self, user: &UserId, request: &Id) -> Option<&RecordedReturn> {
        self.return_numbers
            .get(&(user.clone(), request.clone()))
            .map(|number| &self.returns[*number])
    }

    /// The sections of all batches and returns, in order, with the vendor of each batch.
    pub(super) fn claim_sections(&self) -> Vec<(Section, Option<&VendorId>)> {
        let batches = self.batches.iter().map(|batch| (batch.claims, Some(&batch.vendor)));
        let returns = self.returns.iter().map(|back| (back.claims, None));
        let mut sections: Vec<(Section, Option<&VendorId>)> = batches.chain(returns).collect();
        sections.sort_unstable_by_key(|(section, _)| section.start);
        sections
    }
}

impl Sold for Ledger {
    fn owner(&self, first_superbin: u32) -> Option<&UserId> {
        let (_, sale) = self.sales.range(..=first_superbin).next_back()?;
        let is_first_of_set =
            first_superbin.is_multiple_of(2) && u64::from(first_superbin) < sale.end();
        is_first_of_set.then_some(&sale.user)
    }

    fn buyer(&self, user: &UserId) -> Option<Buyer> {
        self.buyers.get(user).copied()
    }

    fn is_withheld(&self, bin: Bin, first_superbin: u32) -> bool {
        let Some(ranges) = self.compromised.get(&bin.superbin) else { return false };
        let is_before = |(bins, next): &(BinRange, u64)| {
            bins.contains(bin.subbin) && *next <= u64::from(first_superbin)
        };
        ranges.iter().any(is_before)
    }

    fn is_compromised(&self, bin: Bin) -> bool {
        self.is_compromised_at(bin.superbin, bin.subbin)
    }

    fn has_compromised(&self, superbin: u32) -> bool {
        self.compromised.contains_key(&superbin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(transaction: u64, first: u32, sets: u32, user: &str) -> RecordedSale {
        let (when, user) = (UnixTime(0), user.parse().unwrap());
        RecordedSale { when, transaction, first, sets, coins: sets, user }
    }

    #[test]
    fn sales_are_consecutive_and_have_owners() {
        let mut ledger = Ledger::default();
        ledger.add_sale(sale(5, 0, 2, "alice"));
        ledger.add_sale(sale(6, 4, 1, "bob"));
        assert_eq!(ledger.next_superbin(), 6);
        let owners: Vec<_> = (0..8).map(|s| ledger.owner(s).map(UserId::as_str)).collect();
        let alice = Some("alice");
        assert_eq!(owners, [alice, None, alice, None, Some("bob"), None, None, None]);
        assert_eq!(ledger.sale(5).unwrap().first_superbins().collect::<Vec<_>>(), [0, 2]);
        assert!(ledger.sale(7).is_none());
    }

    /// The last superbin of the largest file: nothing overflows.
    #[test]
    fn the_last_set_of_the_largest_file_has_an_owner() {
        let mut ledger = Ledger::default();
        ledger.add_sale(sale(1, 0, 1 << 31, "alice"));
        assert_eq!(ledger.next_superbin(), 1 << 32);
        assert_eq!(ledger.owner(u32::MAX - 1).map(UserId::as_str), Some("alice"));
        assert_eq!(ledger.sale(1).unwrap().first_superbins().last(), Some(u32::MAX - 1));
    }

    #[test]
    fn bins_compromised_before_a_sale_are_withheld_from_it() {
        let mut ledger = Ledger::default();
        ledger.add_sale(sale(1, 0, 1, "alice"));
        ledger.compromise(BinRange { superbin: 2, first: 3, count: 2 });
        ledger.add_sale(sale(2, 2, 1, "bob"));
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
            ledger.add_sale(sale(transaction, 2 * transaction as u32, 1, user));
        }
        for (user, buyer) in [("alice", Buyer(0)), ("bob", Buyer(2))] {
            assert_eq!(ledger.buyer(&user.parse().unwrap()), Some(buyer));
            assert_eq!(ledger.name_of(buyer).unwrap().as_str(), user);
        }
        assert_eq!(ledger.buyer(&"eve".parse().unwrap()), None);
        assert_eq!(ledger.name_of(Buyer(8)), None);
    }
}
