//! Places in the journals, and the till's `lock` file: how far the indexes reflect the journals.
//!
//! The file is the one lock of all processes, and its content is small: the [`Mark`], read and written
//! under the lock by every operation, and the names of the periods that have an index. Byte by byte:
//! `docs/reference/till.md`.

use std::io;

use crate::host::{File, Seen};
use crate::period::{PERIOD_LEN_MAX, Period};
use crate::time::{DAY_SECONDS, UnixTime};

/// The most periods with payments in one till.
pub(super) const PERIODS_MAX: usize = 1000;
const MAGIC: &[u8; 8] = b"MMtill1\n";
pub(super) const MARK_SIZE: usize = 64;
/// Where the list of periods begins: in a page of its own.
const PERIODS_AT: u64 = 4096;
const PERIOD_SLOT_SIZE: usize = 1 + PERIOD_LEN_MAX;
/// The last day that every time zone can name with four digits for its year, 9999-12-30.
const DAY_MAX: i64 = 2_932_895;

/// A place in the journals: all of an earlier day come before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Position {
    /// The UTC day of the journal, in days since 1970-01-01; 0 before the first journal.
    pub(crate) day: u32,
    /// The offset in that journal.
    pub(crate) offset: u64,
}

/// How far the indexes reflect the journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Every record before this is reflected. Its day is that of the newest journal.
    pub(super) end: Position,
    /// Every record before this is reflected by indexes that are durable, and is durable itself.
    pub(super) checkpoint: Position,
    /// Counts the replaced index files: open handles of another generation are no longer good.
    pub(super) generation: u32,
    /// The day for which the coins of each user are counted, or 0.
    pub(super) users_day: u32,
    /// The journals of all days before this one were removed, redeemed and past their time.
    pub(super) first_day: u32,
}

impl Mark {
    /// Reads the mark; `None` if there is none that is whole. `seen` covers [`MARK_SIZE`] bytes.
    pub(super) fn read(lock: &dyn File, seen: &Seen) -> io::Result<Option<Mark>> {
        let mut bytes = [0; MARK_SIZE];
        lock.reread_at(seen, &mut bytes, 0)?;
        if &bytes[..8] != MAGIC || u32_at(&bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Ok(None);
        }
        Ok(Some(Mark {
            end: Position { day: u32_at(&bytes, 8), offset: u64_at(&bytes, 16) },
            checkpoint: Position { day: u32_at(&bytes, 12), offset: u64_at(&bytes, 24) },
            generation: u32_at(&bytes, 32),
            users_day: u32_at(&bytes, 36),
            first_day: u32_at(&bytes, 40),
        }))
    }

    /// Writes the mark.
    pub(super) fn write(&self, lock: &dyn File) -> io::Result<()> {
        lock.write_at(&self.to_bytes(), 0)
    }

    /// Writes the mark by [`File::rewrite_at`], for a caller that has just appended to a journal.
    pub(super) fn rewrite(&self, lock: &dyn File, seen: &Seen) -> io::Result<()> {
        lock.rewrite_at(seen, &self.to_bytes(), 0)
    }

    fn to_bytes(self) -> [u8; MARK_SIZE] {
        let mut bytes = [0; MARK_SIZE];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&self.end.day.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.checkpoint.day.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.end.offset.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.checkpoint.offset.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.generation.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.users_day.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.first_day.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// Reads the periods that have an index; `None` if the list is not whole.
pub(super) fn read_periods(lock: &dyn File) -> io::Result<Option<Vec<Period>>> {
    let mut head = [0; 8];
    let mut slots = Vec::new();
    let read = lock.read_at(&mut head, PERIODS_AT).and_then(|()| {
        slots.resize((u32_at(&head, 0) as usize).min(PERIODS_MAX) * PERIOD_SLOT_SIZE, 0);
        lock.read_at(&mut slots, PERIODS_AT + 8)
    });
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    if u32_at(&head, 4) != crc32c::crc32c_append(crc32c::crc32c(&head[..4]), &slots) {
        return Ok(None);
    }
    let period = |slot: &[u8; PERIOD_SLOT_SIZE]| {
        let name = slot[1..].get(..usize::from(slot[0]))?;
        std::str::from_utf8(name).ok()?.parse().ok()
    };
    Ok(slots.as_chunks().0.iter().map(period).collect())
}

/// Writes the list of periods, durably.
pub(super) fn write_periods(lock: &dyn File, periods: &[Period]) -> io::Result<()> {
    let mut bytes = vec![0; 8];
    for period in periods {
        let name = period.as_str().as_bytes();
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name);
        bytes.resize(bytes.len() + PERIOD_LEN_MAX - name.len(), 0);
    }
    bytes[..4].copy_from_slice(&(periods.len() as u32).to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..4]), &bytes[8..]);
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    lock.write_at(&bytes, PERIODS_AT)?;
    lock.sync()
}

/// The UTC day of a time, held to those that a journal's name can say.
pub(super) fn day_of(time: UnixTime) -> u32 {
    time.0.div_euclid(DAY_SECONDS).clamp(1, DAY_MAX) as u32
}

/// The name of a day's journal, such as `till-2026-12-01.journal`.
pub(super) fn journal_name(day: u32) -> String {
    format!("till-{}.journal", day_text(day))
}

/// The UTC day as `YYYY-MM-DD`.
pub(super) fn day_text(day: u32) -> String {
    UnixTime(i64::from(day) * DAY_SECONDS).day()
}

/// The day whose journal has this name, or `None` if it is no journal's.
pub(super) fn day_of_journal(name: &str) -> Option<u32> {
    let date = name.strip_prefix("till-")?.strip_suffix(".journal")?;
    let day = day_of(format!("{date}T00:00:00Z").parse().ok()?);
    (journal_name(day) == name).then_some(day)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Directory, Open, SimulatedDirectory};

    #[test]
    fn mark_and_periods_are_read_back_and_damage_is_none() {
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
