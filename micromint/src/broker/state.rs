//! The state that the broker's journal produces: who bought which sets, and which batches and
//! returns were judged.
//!
//! Input: the records, in order. Output: answers to questions about them. The invariant: the state
//! depends on the records alone, so all processes that have read the same journal have the same
//! state. Claims are not in memory, only the sections that contain them.

use std::collections::{BTreeMap, HashMap};

use super::claims_file::Section;
use super::record::{BrokerRecord, JudgedBatch, Return, Sale};
use crate::identity::{UserId, VendorId};
use crate::protocol::Id;
use crate::time::UnixTime;

/// The state after a number of records.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The sales by their first superbin.
    pub(crate) sales: BTreeMap<u32, Sale>,
    transactions: HashMap<u64, u32>,
    /// The registered vendors, and when they were registered.
    pub(crate) vendors: BTreeMap<VendorId, UnixTime>,
    /// The batches in order of time.
    pub(crate) batches: Vec<JudgedBatch>,
    batch_numbers: HashMap<(VendorId, Id), usize>,
    /// The returns in order of time.
    pub(crate) returns: Vec<Return>,
    return_numbers: HashMap<(UserId, Id), usize>,
    /// The winners of the settlement, once it was made.
    pub(crate) settlement: Option<Section>,
    /// The revoked users, and when they were revoked.
    pub(crate) revoked: BTreeMap<UserId, UnixTime>,
    claims_end: u64,
}

impl State {
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
            BrokerRecord::Settlement { winners, .. } => {
                self.take_section(&winners)?;
                self.settlement = Some(winners);
                Ok(())
            }
            BrokerRecord::Revocation { when, user } => {
                self.revoked.entry(user).or_insert(when);
                Ok(())
            }
            // Recorded in the coin file.
            BrokerRecord::Compromise { .. } => Ok(()),
        }
    }

    fn apply_sale(&mut self, sale: Sale) -> Result<(), String> {
        if u64::from(sale.first) != self.next_superbin() || sale.sets == 0 {
            return Err(format!(
                "expected a sale from superbin {}, found {} sets from {}",
                self.next_superbin(),
                sale.sets,
                sale.first
            ));
        }
        self.transactions.insert(sale.transaction, sale.first);
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
    pub(crate) fn sale(&self, transaction: u64) -> Option<&Sale> {
        self.sales.get(self.transactions.get(&transaction)?)
    }

    /// The buyer of the set that begins at this superbin.
    pub(crate) fn owner(&self, first_superbin: u32) -> Option<&UserId> {
        let (_, sale) = self.sales.range(..=first_superbin).next_back()?;
        let is_first_of_set =
            first_superbin.is_multiple_of(2) && u64::from(first_superbin) < sale.end();
        is_first_of_set.then_some(&sale.user)
    }

    /// The judged batch with this Batch-ID.
    pub(crate) fn batch(&self, vendor: &VendorId, batch: &Id) -> Option<&JudgedBatch> {
        self.batch_numbers
            .get(&(vendor.clone(), batch.clone()))
            .map(|number| &self.batches[*number])
    }

    /// The judged return with this Request-ID.
    pub(crate) fn return_of(&self, user: &UserId, request: &Id) -> Option<&Return> {
        self.return_numbers
            .get(&(user.clone(), request.clone()))
            .map(|number| &self.returns[*number])
    }

    /// The sections of all batches and returns, in order.
    pub(crate) fn claim_sections(&self) -> Vec<Section> {
        let batches = self.batches.iter().map(|batch| batch.claims);
        let mut sections: Vec<Section> =
            batches.chain(self.returns.iter().map(|back| back.claims)).collect();
        sections.sort_unstable_by_key(|section| section.start);
        sections
    }
}

impl Sale {
    /// The first superbins of its sets.
    pub(super) fn first_superbins(&self) -> impl Iterator<Item = u32> + use<> {
        (0..self.sets).zip((self.first..).step_by(2)).map(|(_, superbin)| superbin)
    }

    /// The superbin at which the next sale begins.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.first) + 2 * u64::from(self.sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(transaction: u64, first: u32, sets: u32, user: &str) -> BrokerRecord {
        BrokerRecord::Sale(Sale {
            when: UnixTime(0),
            transaction,
            first,
            sets,
            user: user.parse().unwrap(),
        })
    }

    #[test]
    fn sales_are_consecutive_and_have_owners() {
        let mut state = State::default();
        state.apply(sale(5, 0, 2, "alice")).unwrap();
        state.apply(sale(6, 4, 1, "bob")).unwrap();
        assert_eq!(state.next_superbin(), 6);
        let owners: Vec<_> = (0..8).map(|s| state.owner(s).map(UserId::as_str)).collect();
        let alice = Some("alice");
        assert_eq!(owners, [alice, None, alice, None, Some("bob"), None, None, None]);
        assert_eq!(state.sale(5).unwrap().first_superbins().collect::<Vec<_>>(), [0, 2]);
        assert!(state.sale(7).is_none());
        assert!(state.apply(sale(8, 4, 1, "eve")).unwrap_err().contains("from superbin 6,"));
        assert!(state.apply(sale(8, 8, 1, "eve")).is_err());
    }

    /// The last superbin of the largest file: nothing overflows.
    #[test]
    fn the_last_set_of_the_largest_file_has_an_owner() {
        let mut state = State::default();
        state.apply(sale(1, 0, 1 << 31, "alice")).unwrap();
        assert_eq!(state.next_superbin(), 1 << 32);
        assert_eq!(state.owner(u32::MAX - 1).map(UserId::as_str), Some("alice"));
        assert_eq!(state.sale(1).unwrap().first_superbins().last(), Some(u32::MAX - 1));
    }
}
