//! The index of each period: which record spent a first bin.
//!
//! Input: the records of the journals. Output: the record that last spent or freed a first bin.
//! Changes are in memory until [`Store::write_indexes`]. A full table is replaced by a larger one,
//! which other processes notice by the mark's generation.

use super::super::TillError;
use super::super::position::PERIODS_MAX;
use super::super::table::{Entry, Table, TableError, Touched};
use super::Store;
use crate::bin::Bin;
use crate::period::Period;
use crate::time::UnixTime;

/// The most buckets of 512 bytes that are held in memory while catching up.
const TOUCHED_MAX: usize = 8192;

/// A table, and the buckets of it that the current operation has touched.
pub(super) struct Index {
    pub(super) table: Table,
    pub(super) touched: Touched,
}

impl Store {
    /// Whether this period has an index file, or should have one.
    pub(super) fn has_index(&self, period: &Period) -> Result<bool, TillError> {
        if self.indexes.contains_key(period) {
            return Ok(true);
        }
        let periods = self.periods()?.ok_or_else(|| self.list_damaged())?;
        Ok(periods.contains(period))
    }

    /// The index of a period; creates it if the period is new.
    pub(super) fn index(&mut self, period: &Period) -> Result<&mut Index, TillError> {
        if !self.indexes.contains_key(period) {
            let table = self.open_index(period)?;
            self.indexes.insert(period.clone(), Index { table, touched: Touched::default() });
        }
        self.indexes
            .get_mut(period)
            .ok_or_else(|| TillError::Damaged { what: format!("index of {period}") })
    }

    fn open_index(&self, period: &Period) -> Result<Table, TillError> {
        let name = index_name(period);
        let mut periods = self.periods()?.ok_or_else(|| self.list_damaged())?;
        let is_listed = periods.contains(period);
        let table = match Table::open(self.directory.as_ref(), &name)? {
            Some(table) => table,
            None if is_listed => {
                return Err(TillError::Damaged { what: format!("{name} was deleted") });
            }
            None => Table::create(self.directory.as_ref(), &name, self.entropy.as_ref())?,
        };
        if !is_listed {
            // Durable before the first record of the period: if a listed index does not exist, it
            // was deleted and must be rebuilt from the journals.
            if periods.len() == PERIODS_MAX {
                return Err(TillError::TooManyPeriods);
            }
            periods.push(period.clone());
            self.write_periods(&periods)?;
        }
        Ok(table)
    }

    /// Whether the list of periods is valid and every index of it can be opened.
    pub(super) fn all_indexes_open(&mut self) -> Result<bool, TillError> {
        let Some(periods) = self.periods()? else {
            return Ok(false);
        };
        let opened = periods.iter().try_for_each(|period| self.index(period).map(|_| ()));
        let opened = opened.and_then(|()| self.users().map(|_| ()));
        match opened {
            Err(TillError::Damaged { .. }) => Ok(false),
            opened => opened.map(|()| true),
        }
    }

    pub(super) fn put(&mut self, period: &Period, entry: Entry) -> Result<(), TillError> {
        let touched = loop {
            let Index { table, touched } = self.index(period)?;
            match table.put(touched, entry) {
                Err(TableError::Full) => self.grow(Some(period))?,
                put => break put.map(|()| touched.len())?,
            }
        };
        if touched > TOUCHED_MAX {
            self.write_indexes()?;
            self.forget_touched();
        }
        Ok(())
    }

    pub(super) fn grow(&mut self, period: Option<&Period>) -> Result<(), TillError> {
        self.write_indexes()?;
        // Written before the file is replaced: if this process died in between, others would
        // otherwise continue with the old file.
        self.mark.generation = self.mark.generation.wrapping_add(1);
        self.write_mark()?;
        let index = match period {
            Some(period) => self.indexes.get_mut(period),
            None => self.users.as_mut(),
        };
        if let Some(index) = index {
            index.table = index.table.grown(self.directory.as_ref())?;
            index.touched = Touched::default();
        }
        Ok(())
    }

    fn all_indexes(&mut self) -> impl Iterator<Item = &mut Index> {
        self.indexes.values_mut().chain(self.users.as_mut())
    }

    pub(super) fn write_indexes(&mut self) -> Result<(), TillError> {
        for Index { table, touched } in self.all_indexes() {
            table.write(touched)?;
        }
        Ok(())
    }

    /// As [`Store::write_indexes`], for a caller that has just appended to a journal.
    pub(super) fn rewrite_indexes(&mut self) -> Result<(), TillError> {
        for Index { table, touched } in self.all_indexes() {
            table.rewrite(touched)?;
        }
        Ok(())
    }

    /// Forgets which pages of the indexes are in memory, once that is too long ago.
    pub(super) fn expire_known(&mut self, now: UnixTime) {
        for index in self.all_indexes() {
            index.touched.expire(now);
        }
    }

    pub(super) fn forget_touched(&mut self) {
        for index in self.all_indexes() {
            index.touched.clear();
        }
    }

    /// Forgets what is known of indexes and closed periods, which another process has replaced.
    pub(super) fn forget_indexes(&mut self) {
        self.indexes.clear();
        self.users = None;
        self.closed = None;
    }
}

pub(super) fn index_name(period: &Period) -> String {
    format!("spent-{period}.index")
}

pub(in crate::till) fn is_index(name: &str) -> bool {
    let name = name.strip_suffix(".new").unwrap_or(name);
    name.ends_with(".index") && (name.starts_with("spent-") || name.starts_with("users-"))
}

pub(super) fn key_of(bin: Bin) -> u64 {
    u64::from(bin.superbin) << 32 | u64::from(bin.subbin)
}
