//! The store while the till's lock is held: updating the indexes, and appending records.
//!
//! Input: a [`Store`] and the lock. Output: a [`LockedStore`] that has seen everything that other
//! processes did. The invariant: a record is appended only under the lock, and only after all
//! records of the journals are in the indexes.

use std::ops::{Deref, DerefMut};

use super::super::TillError;
use super::super::position::{Mark, Position, journal_name};
use super::super::record::TillRecord;
use super::indexes::is_index;
use super::{Day, JOURNAL_KIND, Store};
use crate::host::ExclusiveLock;
use crate::journal::{CaughtUp, HEADER_SIZE, Journal};
use crate::time::UnixTime;

/// A store whose lock is held and whose indexes are up to date. Dropping it discards the buckets
/// and file states that it has read, and the records that are staged.
pub(crate) struct LockedStore<'a> {
    store: &'a mut Store,
    lock: &'a ExclusiveLock<'a>,
    /// Proves that the newest journal was read to its end.
    caught_up: Option<CaughtUp<'a>>,
}

impl Deref for LockedStore<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store
    }
}

impl DerefMut for LockedStore<'_> {
    fn deref_mut(&mut self) -> &mut Store {
        self.store
    }
}

impl Drop for LockedStore<'_> {
    fn drop(&mut self) {
        self.store.forget_touched();
        self.store.seen = None;
        if let Some((_, journal)) = &mut self.store.journal {
            journal.unstage();
        }
    }
}

impl<'a> LockedStore<'a> {
    fn new(store: &'a mut Store, lock: &'a ExclusiveLock<'a>) -> LockedStore<'a> {
        LockedStore { store, lock, caught_up: None }
    }

    /// Applies what other processes did since the last call, and completes what a killed process
    /// began. Rebuilds damaged indexes.
    pub(in super::super) fn catch_up(
        store: &'a mut Store,
        lock: &'a ExclusiveLock<'a>,
        now: UnixTime,
    ) -> Result<LockedStore<'a>, TillError> {
        let mut locked = LockedStore::new(store, lock);
        locked.expire_known(now);
        match locked.catch_up_to_mark(now) {
            Err(TillError::Damaged { .. }) => locked.rebuild()?,
            caught_up => caught_up?,
        }
        Ok(locked)
    }

    /// Brings the indexes up to the journals after a restart or a power cut.
    pub(in super::super) fn recover(
        store: &'a mut Store,
        lock: &'a ExclusiveLock<'a>,
    ) -> Result<LockedStore<'a>, TillError> {
        let mut locked = LockedStore::new(store, lock);
        locked.recover_all()?;
        locked.read_closed()?;
        Ok(locked)
    }

    /// As [`LockedStore::catch_up`], if the mark is all there is to read: this process has already
    /// seen everything that others did. Otherwise `None`.
    pub(in super::super) fn try_catch_up(
        store: &'a mut Store,
        lock: &'a ExclusiveLock<'a>,
        now: UnixTime,
    ) -> Result<Option<LockedStore<'a>>, TillError> {
        let mut locked = LockedStore::new(store, lock);
        locked.expire_known(now);
        let Some(mark) = locked.read_mark()? else { return Ok(None) };
        let is_known = mark.end.day != 0
            && (mark.generation, mark.users_day) == (locked.mark.generation, locked.mark.users_day);
        locked.check_journal_name(now)?;
        let Some((_, journal)) =
            locked.store.journal.as_mut().filter(|(day, _)| is_known && *day == mark.end.day)
        else {
            return Ok(None);
        };
        locked.caught_up = journal.caught_up_at(mark.end.offset, lock)?;
        if locked.caught_up.is_none() {
            return Ok(None);
        }
        locked.mark = mark;
        Ok(Some(locked))
    }

    /// The lock that is held.
    pub(in super::super) fn lock(&self) -> &'a ExclusiveLock<'a> {
        self.lock
    }

    fn catch_up_to_mark(&mut self, now: UnixTime) -> Result<(), TillError> {
        let Some(mark) = self.read_mark()?.filter(|mark| mark.end.day != 0) else {
            return self.recover_all();
        };
        if (mark.generation, mark.users_day) != (self.mark.generation, self.mark.users_day) {
            self.forget_indexes();
        }
        self.mark = mark;
        if self.journal.as_ref().is_none_or(|(day, _)| *day != mark.end.day) {
            self.journal = Some((mark.end.day, self.open_day(mark.end.day)?));
        }
        self.check_journal_name(now)?;
        self.follow_journal()
    }

    /// Applies the records of the newest journal after the mark, and cuts off a torn tail.
    fn follow_journal(&mut self) -> Result<(), TillError> {
        self.caught_up = None;
        let Some((day, mut journal)) = self.journal.take() else {
            return Ok(());
        };
        let at_end = journal.caught_up_at(self.mark.end.offset, self.lock);
        let followed = match at_end {
            Ok(Some(caught_up)) => Ok(caught_up),
            Ok(None) => self.replay(day, &mut journal),
            Err(error) => Err(error.into()),
        };
        let end = journal.end();
        self.journal = Some((day, journal));
        self.caught_up = Some(followed?);
        if end != self.mark.end.offset {
            self.mark.end.offset = end;
            self.write_mark()?;
        }
        Ok(())
    }

    /// Applies the records after the journal's current end, and writes the indexes.
    fn replay(&mut self, day: u32, journal: &mut Journal) -> Result<CaughtUp<'a>, TillError> {
        let store = &mut *self.store;
        let visit = |at, record| store.apply(at, &record);
        let caught_up = journal.follow(self.lock, &mut Day { day, visit })?;
        self.write_indexes()?;
        Ok(caught_up)
    }

    fn recover_all(&mut self) -> Result<(), TillError> {
        self.forget_journals();
        self.forget_indexes();
        let mark = self.read_mark()?.unwrap_or_default();
        self.mark = mark;
        let days = self.days()?;
        for place in [mark.end, mark.checkpoint] {
            if place.day != 0 && !days.contains(&place.day) {
                return Err(self.deleted(place.day));
            }
        }
        if mark.checkpoint.day == 0 || !self.all_indexes_open()? {
            return self.rebuild();
        }
        match self.replay_days(&days, mark.checkpoint, mark.end.day) {
            Err(TillError::Damaged { .. }) => return self.rebuild(),
            replayed => replayed?,
        }
        if self.mark.end < mark.end && self.mark.users_day != 0 {
            // A power cut took records that are already counted.
            self.users = None;
            self.mark.users_day = 0;
            self.write_mark()?;
        }
        Ok(())
    }

    /// Rebuilds all indexes from the journals.
    pub(in super::super) fn rebuild(&mut self) -> Result<(), TillError> {
        let days = self.days()?;
        let known_day = self.mark.end.day;
        let first_day =
            if known_day == 0 { days.first().copied().unwrap_or(0) } else { self.mark.first_day };
        self.forget_indexes();
        self.forget_journals();
        // If this is interrupted, the mark says that nothing is indexed, and the next process
        // starts over.
        let generation = self.mark.generation.wrapping_add(1);
        self.mark = Mark { generation, first_day, ..Mark::default() };
        self.write_mark()?;
        self.write_periods(&[])?;
        for name in self.names()?.iter().filter(|name| is_index(name)) {
            self.remove(name)?;
        }
        self.replay_days(&days, Position::default(), known_day)?;
        self.checkpoint_here()
    }

    fn forget_journals(&mut self) {
        self.caught_up = None;
        self.journal = None;
        self.other = None;
    }

    /// Applies all records from `from` on. The journals up to `known_day` were seen complete
    /// before.
    fn replay_days(
        &mut self,
        days: &[u32],
        from: Position,
        known_day: u32,
    ) -> Result<(), TillError> {
        let mut newest = None;
        for day in days.iter().copied().filter(|day| *day >= from.day) {
            // A crash may have cut off the header of a later journal.
            let mut journal =
                if day <= known_day { self.open_day(day)? } else { self.open_or_create_day(day)? };
            journal.start_at(if day == from.day { from.offset } else { HEADER_SIZE });
            self.caught_up = Some(self.replay(day, &mut journal)?);
            newest = Some((day, journal));
        }
        if let Some((day, journal)) = &newest {
            self.mark.end = Position { day: *day, offset: journal.end() };
        }
        self.journal = newest;
        self.write_mark()
    }

    fn open_or_create_day(&self, day: u32) -> Result<Journal, TillError> {
        let (directory, name) = (self.directory.as_ref(), journal_name(day));
        let entropy = self.entropy.as_ref();
        Ok(Journal::open_or_create(directory, &name, JOURNAL_KIND, entropy, self.lock)?)
    }

    /// Makes the journal of `day` the newest one, if `day` is later than the newest.
    pub(in super::super) fn begin_day(&mut self, day: u32) -> Result<(), TillError> {
        if day <= self.mark.end.day {
            return Ok(());
        }
        let journal = self.open_or_create_day(day)?;
        // The mark comes before the first record: after a clock was set back, no process may find
        // an older newest day.
        self.mark.end = Position { day, offset: HEADER_SIZE };
        self.write_mark()?;
        self.journal = Some((day, journal));
        self.follow_journal()
    }

    /// Appends a record to the newest journal and applies it. If that fails, the record is removed.
    pub(in super::super) fn append(
        &mut self,
        record: &TillRecord<'_>,
    ) -> Result<Position, TillError> {
        self.stage(record)?;
        let (at, end) = self.write_staged()?;
        let applied = self.store.apply(at, record).and_then(|()| self.store.note_appended(end));
        if applied.is_err() {
            self.remove_from(at);
        }
        applied.map(|()| at)
    }

    /// Appends the staged records, which were applied already, in one write. If that fails, none of
    /// them is recorded.
    pub(in super::super) fn append_staged(&mut self) -> Result<(), TillError> {
        let (at, end) = self.write_staged()?;
        let noted = self.store.note_appended(end);
        if noted.is_err() {
            self.remove_from(at);
        }
        noted
    }

    /// The position of the record that is staged next; `None` if there is no journal yet.
    pub(super) fn staged_end(&self) -> Option<Position> {
        let (day, journal) = self.journal.as_ref()?;
        Some(Position { day: *day, offset: journal.staged_end() })
    }

    /// Adds a record to those that are appended next. Returns the position that it will have.
    pub(super) fn stage(&mut self, record: &TillRecord<'_>) -> Result<Position, TillError> {
        let store = &mut *self.store;
        let Some((day, journal)) = &mut store.journal else {
            return Err(store.deleted(store.mark.end.day));
        };
        store.buffer.clear();
        record.write(&mut store.buffer);
        Ok(Position { day: *day, offset: journal.stage(&store.buffer)? })
    }

    /// Writes the staged records to the newest journal. Returns where they begin and end.
    fn write_staged(&mut self) -> Result<(Position, u64), TillError> {
        let store = &mut *self.store;
        let (Some((day, journal)), Some(caught_up)) = (&mut store.journal, &self.caught_up) else {
            return Err(store.deleted(store.mark.end.day));
        };
        let (day, appended) = (*day, journal.append_staged(caught_up));
        let end = journal.end();
        if appended.is_err() {
            // The process that opens the journal next cuts off the partial record.
            store.journal = None;
        }
        Ok((Position { day, offset: appended? }, end))
    }

    /// Removes the records from `at` on, which were appended last. If this fails, the next process
    /// to catch up finds them. The payments are then recorded although they were reported as
    /// failed, and sending them again is a retry.
    fn remove_from(&mut self, at: Position) {
        self.forget_touched();
        if let (Some((_, mut journal)), Some(caught_up)) =
            (self.store.journal.take(), self.caught_up.take())
            && journal.cut(&caught_up, at.offset).is_ok()
        {
            self.mark.end.offset = at.offset;
            // If this fails, file and mark are read again next time.
            let _ = self.write_mark();
        }
    }
}
