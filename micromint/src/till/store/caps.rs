//! The number of coins that each user spent on one day, for the cap.
//!
//! Input: the payments and reversals of one day by the clock. Output: a number of coins. The counts
//! are in a separate index, which is created when it is first needed on a day. The invariant: coins
//! count on the day on which they were spent, whatever the day of the journal is, so a clock that
//! was ahead once leaves no cap behind.

use super::super::TillError;
use super::super::position::{Position, cap_day, day_text};
use super::super::record::{RecordedPayment, TillRecord};
use super::super::table::{Entry, Table, TableError, Touched};
use super::indexes::{Index, is_index};
use super::{Day, Store};
use crate::identity::UserId;
use crate::time::UnixTime;

impl Store {
    /// The number of coins that `user` spent on the day of `now`.
    pub(in super::super) fn coins_of(
        &mut self,
        user: &UserId,
        now: UnixTime,
    ) -> Result<u32, TillError> {
        let day = cap_day(self.mark.end.day, now);
        if self.mark.end.day < day {
            // Nothing was recorded on this day yet.
            return Ok(0);
        }
        self.count_users(day)?;
        let Some(Index { table, touched }) = self.users()? else {
            return Ok(0);
        };
        let key = table.key_of(user.as_str());
        Ok(table.get(touched, key)?.map_or(0, |entry| entry.word))
    }

    /// Adds the coins of a payment in the journal of `journal_day` to the counts with `sum`, if the
    /// day on which it was made is counted. `at` is the record that is applied.
    pub(super) fn count(
        &mut self,
        at: Position,
        journal_day: u32,
        payment: &RecordedPayment<'_>,
        sum: fn(u32, u32) -> u32,
    ) -> Result<(), TillError> {
        if cap_day(journal_day, payment.recorded_at) != self.mark.users_day {
            return Ok(());
        }
        loop {
            let Some(Index { table, touched }) = self.users()? else {
                return Ok(());
            };
            let key = table.key_of(payment.user.as_str());
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

    /// Starts to count the coins of each user on `day`, if that day is not counted yet.
    fn count_users(&mut self, day: u32) -> Result<(), TillError> {
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

    /// Counts the payments of `day`. They are in its journal or, if a clock was ahead, in later
    /// ones.
    fn count_day(&mut self, day: u32) -> Result<(), TillError> {
        let end = self.mark.end;
        for journal_day in self.days()?.into_iter().filter(|journal_day| *journal_day >= day) {
            let mut journal = self.open_day(journal_day)?;
            let visit = |at, record| match record {
                _ if at >= end => Ok(()),
                TillRecord::Payment(payment) => {
                    self.count(at, journal_day, &payment, u32::saturating_add)
                }
                TillRecord::Reversal(note) if note.payment.day >= day => {
                    let payment = self.noted_payment(at, &note)?;
                    self.count(at, note.payment.day, &payment, u32::saturating_sub)
                }
                TillRecord::Retry(_) | TillRecord::Reversal(_) => Ok(()),
            };
            journal.replay(&mut Day { day: journal_day, visit })?;
        }
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

#[cfg(test)]
mod tests {
    use super::Table;
    use crate::host::{SimulatedDirectory, SystemEntropy};
    use crate::till::tests::{HandClock, id_of, open, pay};
    use crate::till::{Reversal, Spent};

    #[test]
    fn a_clock_that_was_ahead_leaves_no_cap_behind() {
        let directory = SimulatedDirectory::new();
        let clock = HandClock::at("2026-12-01T12:00:00Z");
        let [till, other] = [(); 2].map(|()| open(&directory, &clock));
        let capped = |coin: u32| pay(&[coin]).capped(2).into_another(coin as u8);
        const WEEKS: i64 = 21 * 86_400;
        id_of(capped(1).spend(&till).unwrap());
        clock.pass(WEEKS);
        id_of(capped(2).spend(&other).unwrap());
        let reversed = id_of(capped(3).spend(&till).unwrap());
        assert_eq!(capped(4).spend(&till).unwrap(), Spent::CapReached);
        clock.pass(-WEEKS);
        // What was paid today counts, and nothing of what was paid while the clock was wrong.
        id_of(capped(4).spend(&other).unwrap());
        assert_eq!(capped(5).spend(&till).unwrap(), Spent::CapReached);
        // A day of its own for each day, although all are in one journal.
        for day in 0..3 {
            clock.pass(86_400);
            for coin in [10, 20] {
                id_of(capped(day + coin).spend(&till).unwrap());
            }
            assert_eq!(capped(day + 30).would(&other).unwrap(), Some(Spent::CapReached));
            let reopened = open(&directory, &clock);
            assert_eq!(capped(day + 30).spend(&reopened).unwrap(), Spent::CapReached);
        }
        assert!(directory.bytes("till-2026-12-04.journal").is_none());
        // The day of the wrong clock comes: what was paid on it counts.
        clock.pass(WEEKS - 3 * 86_400);
        assert_eq!(capped(40).spend(&till).unwrap(), Spent::CapReached);
        assert_eq!(till.reverse(reversed).unwrap(), Reversal::Reversed);
        id_of(capped(40).spend(&other).unwrap());
    }

    #[test]
    fn a_payment_that_waited_over_midnight_counts_on_the_day_that_has_begun() {
        let directory = SimulatedDirectory::new();
        let clock = HandClock::at("2026-12-02T00:00:00Z");
        let till = open(&directory, &clock);
        let capped = |coin: u32| pay(&[coin]).capped(1).into_another(coin as u8);
        id_of(capped(1).spend(&till).unwrap());
        // It read the clock before.
        clock.pass(-60);
        assert_eq!(capped(2).spend(&till).unwrap(), Spent::CapReached);
        clock.pass(-1);
        id_of(capped(2).spend(&till).unwrap());
        clock.pass(61);
        assert_eq!(capped(3).spend(&till).unwrap(), Spent::CapReached);
    }

    /// Found by search: their SHA-256 begin with the same 8 bytes.
    #[test]
    fn users_whose_hashes_begin_alike_have_separate_caps() {
        let twins = ["alice.w-fb60d47499111a28", "mallory-76466e6d0dda3225"];
        let directory = SimulatedDirectory::new();
        let clock = HandClock::at("2026-12-01T12:00:00Z");
        let till = open(&directory, &clock);
        let capped = |user, coin: u32| pay(&[coin]).by(user).capped(2).into_another(coin as u8);
        for coin in [1, 2] {
            id_of(capped(twins[1], coin).spend(&till).unwrap());
        }
        assert_eq!(capped(twins[1], 3).spend(&till).unwrap(), Spent::CapReached);
        // Each process of the till counts the same users, also after a restart and a rebuild.
        let other = open(&directory, &clock);
        id_of(capped(twins[0], 4).spend(&other).unwrap());
        assert_eq!(capped(twins[1], 5).spend(&other).unwrap(), Spent::CapReached);
        drop((till, other));
        directory.put("users-2026-12-01.index", b"damaged");
        let till = open(&directory, &clock);
        assert_eq!(capped(twins[1], 6).spend(&till).unwrap(), Spent::CapReached);
        id_of(capped(twins[0], 7).spend(&till).unwrap());
        assert_eq!(capped(twins[0], 8).spend(&till).unwrap(), Spent::CapReached);
    }

    /// Who does not know the seed of a table knows nothing about its keys.
    #[test]
    fn the_key_of_a_user_depends_on_the_seed_of_the_table() {
        let directory = SimulatedDirectory::new();
        let table = |name: &str| Table::create(&directory, name, &SystemEntropy).unwrap();
        let (one, other) = (table("one"), table("other"));
        assert_eq!(one.key_of("alice"), one.key_of("alice"));
        assert_ne!(one.key_of("alice"), other.key_of("alice"));
        let reopened = Table::open(&directory, "one").unwrap().unwrap();
        assert_eq!(one.key_of("alice"), reopened.key_of("alice"));
        assert_eq!(one.key_of("alice"), one.grown(&directory).unwrap().key_of("alice"));
    }
}
