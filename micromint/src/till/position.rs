//! Positions in the journals, and the till's `lock` file: how far the indexes reflect the journals.
//!
//! The `lock` file is the one lock of all processes. It holds the [`Mark`], which every operation
//! reads and writes under the lock, and the periods that have an index. The format is in
//! `docs/reference/till.md`.

use std::io;

use super::TillError;
use crate::bytes::{CHECKSUM_SIZE, Field, open, pad, seal};
use crate::host::{Directory, File, Seen};
use crate::journal::JournalError;
use crate::period::{PERIOD_LEN_MAX, Period};
use crate::time::{DAY_SECONDS, UnixTime};

/// The most periods with payments in one till.
pub(super) const PERIODS_MAX: usize = 1000;
const MAGIC: [u8; 8] = *b"MMtill1\n";
pub(super) const MARK_SIZE: usize = 64;
/// The offset of the list of periods, which has a page of its own.
const PERIODS_AT: u64 = 4096;
/// How long before midnight a payment may count on the next day, in seconds.
const MIDNIGHT_SECONDS: i64 = 60;
/// The last day whose year has four digits in every time zone, 9999-12-30.
const DAY_MAX: i64 = 2_932_895;

/// The mark, a sealed block.
mod mark {
    use super::*;

    pub(super) const MAGIC: Field<[u8; 8]> = Field::at(0);
    pub(super) const END_DAY: Field<u32> = MAGIC.then();
    pub(super) const CHECKPOINT_DAY: Field<u32> = END_DAY.then();
    pub(super) const END_OFFSET: Field<u64> = CHECKPOINT_DAY.then();
    pub(super) const CHECKPOINT_OFFSET: Field<u64> = END_OFFSET.then();
    pub(super) const GENERATION: Field<u32> = CHECKPOINT_OFFSET.then();
    pub(super) const USERS_DAY: Field<u32> = GENERATION.then();
    pub(super) const FIRST_DAY: Field<u32> = USERS_DAY.then();
    const _: () = assert!(FIRST_DAY.end() + CHECKSUM_SIZE <= MARK_SIZE);
}

/// The head of the list of periods. The checksum covers the count and all slots.
mod list {
    use super::*;

    pub(super) const COUNT: Field<u32> = Field::at(0);
    pub(super) const CHECKSUM: Field<u32> = COUNT.then();
    pub(super) const HEAD_SIZE: usize = CHECKSUM.end();
}

/// A period in the list of periods.
mod slot {
    use super::*;

    pub(super) const LEN: Field<u8> = Field::at(0);
    pub(super) const NAME: Field<[u8; PERIOD_LEN_MAX]> = LEN.then();
    pub(super) const SIZE: usize = NAME.end();
}

/// A position in the journals. Journals are ordered by day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Position {
    /// The UTC day of the journal, in days since 1970-01-01; 0 before the first journal.
    pub(crate) day: u32,
    /// The offset in that journal.
    pub(crate) offset: u64,
}

impl Position {
    /// The error for a record that begins here and cannot be read. `why` completes "cannot read the
    /// record: …".
    pub(crate) fn unreadable(self, directory: &dyn Directory, why: impl Into<String>) -> TillError {
        let path = directory.path().join(journal_name(self.day));
        JournalError::Unreadable { path, at: self.offset, why: why.into() }.into()
    }
}

/// How far the indexes reflect the journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Every record before this is in the indexes. Its day is that of the newest journal.
    pub(super) end: Position,
    /// Every record before this is durable, and so are its index entries.
    pub(super) checkpoint: Position,
    /// Counts how often an index file was replaced. Handles opened at another generation are stale.
    pub(super) generation: u32,
    /// The day for which the coins of each user are counted; 0 for none.
    pub(super) users_day: u32,
    /// The journals of all days before this one were removed after redemption.
    pub(super) first_day: u32,
}

impl Mark {
    /// Reads the mark; `None` if there is no valid one. `seen` covers [`MARK_SIZE`] bytes.
    pub(super) fn read(lock: &dyn File, seen: &Seen) -> io::Result<Option<Mark>> {
        let mut bytes = [0; MARK_SIZE];
        lock.reread_at(seen, &mut bytes, 0)?;
        if mark::MAGIC.get(&bytes) != MAGIC || open(&bytes).is_none() {
            return Ok(None);
        }
        Ok(Some(Mark {
            end: Position { day: mark::END_DAY.get(&bytes), offset: mark::END_OFFSET.get(&bytes) },
            checkpoint: Position {
                day: mark::CHECKPOINT_DAY.get(&bytes),
                offset: mark::CHECKPOINT_OFFSET.get(&bytes),
            },
            generation: mark::GENERATION.get(&bytes),
            users_day: mark::USERS_DAY.get(&bytes),
            first_day: mark::FIRST_DAY.get(&bytes),
        }))
    }

    /// Writes the mark.
    pub(super) fn write(&self, lock: &dyn File) -> io::Result<()> {
        lock.write_at(&self.to_bytes(), 0)
    }

    /// Writes the mark with [`File::rewrite_at`], for a caller that has just appended to a journal.
    pub(super) fn rewrite(&self, lock: &dyn File, seen: &Seen) -> io::Result<()> {
        lock.rewrite_at(seen, &self.to_bytes(), 0)
    }

    fn to_bytes(self) -> [u8; MARK_SIZE] {
        let mut bytes = [0; MARK_SIZE];
        mark::MAGIC.set(&mut bytes, MAGIC);
        mark::END_DAY.set(&mut bytes, self.end.day);
        mark::CHECKPOINT_DAY.set(&mut bytes, self.checkpoint.day);
        mark::END_OFFSET.set(&mut bytes, self.end.offset);
        mark::CHECKPOINT_OFFSET.set(&mut bytes, self.checkpoint.offset);
        mark::GENERATION.set(&mut bytes, self.generation);
        mark::USERS_DAY.set(&mut bytes, self.users_day);
        mark::FIRST_DAY.set(&mut bytes, self.first_day);
        seal(&mut bytes);
        bytes
    }
}

/// Reads the periods that have an index; `None` if the list is not valid.
pub(super) fn read_periods(lock: &dyn File) -> io::Result<Option<Vec<Period>>> {
    let mut head = [0; list::HEAD_SIZE];
    let mut slots = Vec::new();
    let read = lock.read_at(&mut head, PERIODS_AT).and_then(|()| {
        slots.resize((list::COUNT.get(&head) as usize).min(PERIODS_MAX) * slot::SIZE, 0);
        lock.read_at(&mut slots, PERIODS_AT + list::HEAD_SIZE as u64)
    });
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    if list::CHECKSUM.get(&head) != list_checksum(&head, &slots) {
        return Ok(None);
    }
    let period = |slot: &[u8; slot::SIZE]| {
        let name = slot::NAME.get(slot);
        let name = name.get(..usize::from(slot::LEN.get(slot)))?;
        std::str::from_utf8(name).ok()?.parse().ok()
    };
    Ok(slots.as_chunks().0.iter().map(period).collect())
}

/// Writes the list of periods and syncs it.
pub(super) fn write_periods(lock: &dyn File, periods: &[Period]) -> io::Result<()> {
    let mut bytes = vec![0; list::HEAD_SIZE + periods.len() * slot::SIZE];
    let (head, slots) = bytes.split_at_mut(list::HEAD_SIZE);
    for (slot, period) in slots.chunks_exact_mut(slot::SIZE).zip(periods) {
        slot::LEN.set(slot, period.as_str().len() as u8);
        slot::NAME.set(slot, pad(period.as_str()));
    }
    list::COUNT.set(head, periods.len() as u32);
    list::CHECKSUM.set(head, list_checksum(head, slots));
    lock.write_at(&bytes, PERIODS_AT)?;
    lock.sync()
}

fn list_checksum(head: &[u8], slots: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&head[..list::COUNT.end()]), slots)
}

/// The UTC day of a time, clamped to the days that a journal's name can have.
pub(super) fn day_of(time: UnixTime) -> u32 {
    time.0.div_euclid(DAY_SECONDS).clamp(1, DAY_MAX) as u32
}

/// The day on which a payment counts for the cap: that of its time, not that of its journal, which
/// is later for as long as a clock was ahead once. A payment that waited for the lock over midnight
/// counts on the day that another process has begun.
pub(super) fn cap_day(journal_day: u32, time: UnixTime) -> u32 {
    if day_of(time.plus_seconds(MIDNIGHT_SECONDS)) == journal_day {
        return journal_day;
    }
    day_of(time)
}

/// The name of a day's journal, such as `till-2026-12-01.journal`.
pub(super) fn journal_name(day: u32) -> String {
    format!("till-{}.journal", day_text(day))
}

/// The day as `YYYY-MM-DD`.
pub(super) fn day_text(day: u32) -> String {
    UnixTime(i64::from(day) * DAY_SECONDS).day()
}

/// The day of the journal with this name; `None` for other files.
pub(crate) fn day_of_journal(name: &str) -> Option<u32> {
    let date = name.strip_prefix("till-")?.strip_suffix(".journal")?;
    let day = day_of(format!("{date}T00:00:00Z").parse().ok()?);
    (journal_name(day) == name).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Open, SimulatedDirectory};

    #[test]
    fn mark_and_periods_are_read_back_and_damage_is_noticed() {
        let directory = SimulatedDirectory::new();
        let lock = directory.open("lock", Open::Create).unwrap();
        assert_eq!(read_periods(lock.as_ref()).unwrap(), None);
        let end = Position { day: 20_000, offset: 1 << 40 };
        let checkpoint = Position { day: 3, offset: 4 };
        let mark = Mark { end, checkpoint, generation: 5, users_day: 6, first_day: 7 };
        mark.write(lock.as_ref()).unwrap();
        let periods: Vec<Period> =
            (0..PERIODS_MAX).map(|i| format!("{i:032}").parse().unwrap()).collect();
        write_periods(lock.as_ref(), &periods).unwrap();
        let seen = lock.look().unwrap();
        assert_eq!(Mark::read(lock.as_ref(), &seen).unwrap(), Some(mark));
        assert_eq!(read_periods(lock.as_ref()).unwrap(), Some(periods));
        for at in [8, 20, 63, 4096, 4100, 4140] {
            let mut bytes = directory.bytes("lock").unwrap();
            bytes[at] ^= 1;
            directory.put("lock", &bytes);
            let lock = directory.open("lock", Open::Read).unwrap();
            let is_none = [
                Mark::read(lock.as_ref(), &seen).unwrap().is_none(),
                read_periods(lock.as_ref()).unwrap().is_none(),
            ];
            assert!(is_none[usize::from(at >= 4096)], "{at}");
        }
    }

    #[test]
    fn days_have_names_that_are_read_back() {
        for day in [1, 20_423, DAY_MAX as u32] {
            assert_eq!(day_of_journal(&journal_name(day)), Some(day));
        }
        assert_eq!(
            journal_name(day_of("2026-12-01T23:59:59Z".parse().unwrap())),
            "till-2026-12-01.journal"
        );
        assert_eq!(day_of(UnixTime(i64::MAX)), DAY_MAX as u32);
        assert_eq!(day_of(UnixTime(-1)), 1);
        assert_eq!(day_of_journal("till-2026-12-1.journal"), None);
        assert_eq!(day_of_journal("redeem.journal"), None);
    }
}
