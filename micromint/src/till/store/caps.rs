//! The number of coins that each user spent on one day, for the cap.
//!
//! Input: the payments and reversals of the newest day. Output: a number of coins. The counts are
//! in a separate index, which is created when it is first needed on a day.

use sha2::{Digest, Sha256};

use super::super::TillError;
use super::super::position::{Position, day_text};
use super::super::record::{RecordedPayment, TillRecord};
use super::super::table::{Entry, Table, TableError, Touched};
use super::indexes::{Index, is_index};
use super::{Day, Store};
use crate::bytes::from_u64_be;
use crate::identity::UserId;

impl Store {
    /// The number of coins that `user` spent on the newest journal's day.
    pub(in super::super) fn coins_of(&mut self, user: &UserId) -> Result<u32, TillError> {
        self.count_users()?;
        let Some(Index { table, touched }) = self.users()? else {
            return Ok(0);
        };
        Ok(table.get(touched, key_of_user(user))?.map_or(0, |entry| entry.word))
    }

    /// Adds the coins of a payment made on `day` to the counts with `sum`, if that day is counted.
    pub(super) fn count(
        &mut self,
        at: Position,
        day: u32,
        payment: &RecordedPayment<'_>,
        sum: fn(u32, u32) -> u32,
    ) -> Result<(), TillError> {
        if day != self.mark.users_day {
            return Ok(());
        }
        let key = key_of_user(&payment.user);
        loop {
            let Some(Index { table, touched }) = self.users()? else {
                return Ok(());
            };
            let counted = table.get(touched, key)?;
            if counted.is_some_and(|entry| entry.at >= at) {
                return Ok(());
            }
            let coins = sum(counted.map_or(0, |entry| entry.word), payment.first_bins.len() as u32);
            match table.put(touched, Entry { key, at, word: coins }) {
                Err(TableError::Full) => self.grow(None)?,
                put => return Ok(put?),
            }
        }
    }

    /// Starts to count the coins of each user on the newest day, if that day is not counted yet.
    fn count_users(&mut self) -> Result<(), TillError> {
        let day = self.mark.end.day;
        if self.mark.users_day == day {
            return Ok(());
        }
        for name in self.names()?.iter().filter(|name| is_users_index(name)) {
            self.remove(name)?;
        }
        let table =
            Table::create(self.directory.as_ref(), &users_name(day), self.entropy.as_ref())?;
        self.users = Some(Index { table, touched: Touched::default() });
        self.mark.users_day = day;
        let counted = self.count_day(day).and_then(|()| {
            self.write_indexes()?;
            self.users.as_ref().map_or(Ok(()), |users| users.table.sync())?;
            self.write_mark()
        });
        if counted.is_err() {
            self.users = None;
            self.mark.users_day = 0;
        }
        counted
    }

    fn count_day(&mut self, day: u32) -> Result<(), TillError> {
        let mut journal = self.open_day(day)?;
        let visit = |at, record| match record {
            _ if at >= self.mark.end => Ok(()),
            TillRecord::Payment(payment) => self.count(at, day, &payment, u32::saturating_add),
            TillRecord::Reversal(note) if note.payment.day == day => {
                let payment = self.noted_payment(at, &note)?;
                self.count(at, day, &payment, u32::saturating_sub)
            }
            TillRecord::Retry(_) | TillRecord::Reversal(_) => Ok(()),
        };
        journal.replay(&mut Day { day, visit })?;
        Ok(())
    }

    /// The counts of the mark's `users_day`, if a day is counted.
    pub(super) fn users(&mut self) -> Result<Option<&mut Index>, TillError> {
        if self.mark.users_day == 0 {
            return Ok(None);
        }
        if self.users.is_none() {
            let name = users_name(self.mark.users_day);
            let table = Table::open(self.directory.as_ref(), &name)?;
            let table = table.ok_or(TillError::Damaged { what: format!("{name} was deleted") })?;
            self.users = Some(Index { table, touched: Touched::default() });
        }
        Ok(self.users.as_mut())
    }
}

fn users_name(day: u32) -> String {
    format!("users-{}.index", day_text(day))
}

fn is_users_index(name: &str) -> bool {
    is_index(name) && name.starts_with("users-")
}

/// The key of a user. Two users with the same key share a cap; finding two takes 2^32 trials, and
/// they gain nothing.
fn key_of_user(user: &UserId) -> u64 {
    let digest = Sha256::digest(user.as_str());
    from_u64_be(std::array::from_fn(|i| digest[i]))
}
