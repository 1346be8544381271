//! The till's files under the lock: the journals, the indexes and the mark.
//!
//! A [`Store`] is used only through a [`LockedStore`], which holds the till's lock and has brought
//! the indexes up to date. So every lookup is current, and every appended record is in the indexes
//! when [`LockedStore::append`] returns.
//!
//! Why a coin in the journal is never missed: every record before the mark is in the index, in the
//! page cache at least, so every process sees it. A process that dies between append and mark
//! leaves a journal longer than the mark, and the next process catches up. A power cut loses the
//! page cache: so [`LockedStore::recover`], on opening, applies everything after the checkpoint,
//! before which journals *and* indexes were made durable. Applying a record twice is harmless.
//!
//! Why a coin is never refused because of a lost record: an index entry counts only if the record
//! that it points to exists and confirms it. Otherwise the indexes are rebuilt.

mod caps;
mod indexes;
mod locked;
mod nonblocking;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use self::indexes::{Index, index_name, key_of};
use super::TillError;
use super::batches::Batches;
use super::position::{
    MARK_SIZE, Mark, Position, day_of_journal, journal_name, read_periods, write_periods,
};
use super::record::{PaymentNote, RecordedPayment, TillRecord};
use super::table::Entry;
use crate::bin::Bin;
use crate::error::FileError;
use crate::host::{Directory, Entropy, File, Open, Seen};
use crate::journal::{self, Journal, JournalError, Replay, SharedSync};
use crate::period::Period;
use crate::time::UnixTime;

pub(super) use indexes::is_index;
pub(crate) use locked::LockedStore;

/// The kind of a day's journal.
pub(crate) const JOURNAL_KIND: &str = "till";
/// The name of the lock file.
pub(crate) const LOCK_NAME: &str = "lock";
/// A flag of an entry: the payment was sent again without a charge.
const RETRIED: u32 = 1;
/// A flag of an entry: the payment was reversed, and the entry points to the reversal.
const REVERSED: u32 = 2;

/// The files of an open till.
pub(crate) struct Store {
    directory: Arc<dyn Directory>,
    entropy: Arc<dyn Entropy>,
    lock: Arc<dyn File>,
    mark: Mark,
    /// What the current operation has seen of the lock file.
    seen: Option<Seen>,
    /// The journal of the mark's day, and that day.
    journal: Option<(u32, Journal)>,
    /// The journal of another day that was read last, and its day.
    other: Option<(u32, Journal)>,
    indexes: BTreeMap<Period, Index>,
    /// The closed periods, once this process has read them at the mark's generation.
    closed: Option<BTreeSet<Period>>,
    /// The coins of each user on the mark's `users_day`.
    users: Option<Index>,
    /// The second in which the newest journal's name was last checked.
    name_checked: Option<UnixTime>,
    /// The buffer for the record that is appended next.
    buffer: Vec<u8>,
}

/// What the till has recorded for a first bin.
pub(super) enum BinStatus {
    /// It is unspent.
    Free,
    /// It is spent.
    Spent(Box<SpentBin>),
}

/// The payment that spent a first bin.
pub(super) struct SpentBin {
    pub(super) at: Position,
    pub(super) payment: RecordedPayment<'static>,
    pub(super) is_retried: bool,
}

/// A checkpoint in progress.
pub(super) struct Checkpoint {
    mark: Mark,
    files: Vec<(Arc<dyn File>, PathBuf)>,
    directory: Arc<dyn Directory>,
}

impl Checkpoint {
    /// Makes everything durable that the checkpoint covers: journals, indexes, and the names of
    /// index files.
    pub(super) fn sync(&self) -> Result<(), TillError> {
        for (file, path) in &self.files {
            file.sync().map_err(FileError::on("sync", path))?;
        }
        Ok(self.directory.sync().map_err(FileError::on("sync", self.directory.path()))?)
    }
}

impl Store {
    pub(super) fn new(
        directory: Arc<dyn Directory>,
        lock: Arc<dyn File>,
        entropy: Arc<dyn Entropy>,
    ) -> Store {
        Store {
            directory,
            entropy,
            lock,
            mark: Mark::default(),
            seen: None,
            journal: None,
            other: None,
            indexes: BTreeMap::new(),
            closed: None,
            users: None,
            name_checked: None,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn directory(&self) -> &dyn Directory {
        self.directory.as_ref()
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    /// The position after the last record. Its day is that of the newest journal.
    pub(crate) fn end(&self) -> Position {
        self.mark.end
    }

    /// The sync that makes the newest journal durable, and up to which offset.
    pub(super) fn newest_sync(&self) -> Option<(Arc<SharedSync>, u64)> {
        self.journal.as_ref().map(|(_, journal)| (journal.shared_sync(), journal.end()))
    }

    /// The sync that makes the record at `at` durable, and up to which offset.
    pub(super) fn sync_of(&mut self, at: Position) -> Result<(Arc<SharedSync>, u64), TillError> {
        Ok((self.journal_of(at.day)?.shared_sync(), at.offset + 1))
    }

    /// Checks once a second that the newest journal was not deleted. The check takes as long as
    /// recording a coin, and its content is lost anyway if it was deleted.
    fn check_journal_name(&mut self, now: UnixTime) -> Result<(), TillError> {
        if self.name_checked != Some(now)
            && let Some((_, journal)) = &self.journal
        {
            journal.check_name()?;
            self.name_checked = Some(now);
        }
        Ok(())
    }

    // Lookups.

    /// Whether a journal with spent coins of this period was removed. Then nothing shows which of
    /// its coins were spent.
    pub(super) fn is_closed(&mut self, period: &Period) -> Result<bool, TillError> {
        self.read_closed()?;
        Ok(self.closed.as_ref().is_some_and(|closed| closed.contains(period)))
    }

    fn read_closed(&mut self) -> Result<(), TillError> {
        if self.closed.is_none() {
            self.closed = Some(Batches::read(self.directory.as_ref())?.closed);
        }
        Ok(())
    }

    /// What the till has recorded for a first bin.
    pub(super) fn find(&mut self, period: &Period, bin: Bin) -> Result<BinStatus, TillError> {
        if !self.has_index(period)? {
            return Ok(BinStatus::Free);
        }
        let Index { table, touched } = self.index(period)?;
        let Some(entry) = table.get(touched, key_of(bin))? else {
            return Ok(BinStatus::Free);
        };
        if entry.at.day < self.mark.first_day {
            // Redeemed and removed: the period is closed.
            return Ok(BinStatus::Free);
        }
        let is_it = |payment: &RecordedPayment<'_>| {
            payment.period == *period && payment.first_bins.contains(&bin)
        };
        match self.record(entry.at)? {
            Some(TillRecord::Payment(payment)) if entry.word & REVERSED == 0 && is_it(&payment) => {
                let is_retried = entry.word & RETRIED != 0;
                Ok(BinStatus::Spent(Box::new(SpentBin { at: entry.at, payment, is_retried })))
            }
            Some(TillRecord::Reversal(note)) if note.payment.day < self.mark.first_day => {
                Ok(BinStatus::Free)
            }
            Some(TillRecord::Reversal(note)) if entry.word & REVERSED != 0 => {
                match self.record(note.payment)? {
                    Some(TillRecord::Payment(payment)) if is_it(&payment) => Ok(BinStatus::Free),
                    _ => Err(self.lost(entry.at)),
                }
            }
            _ => Err(self.lost(entry.at)),
        }
    }

    /// The record at `at`, or `None` if no record begins there.
    pub(super) fn record(
        &mut self,
        at: Position,
    ) -> Result<Option<TillRecord<'static>>, TillError> {
        match self.journal_of(at.day)?.read(at.offset) {
            Ok(payload) => Ok(TillRecord::parse(&payload)),
            Err(JournalError::File(error))
                if error.source.kind() == io::ErrorKind::UnexpectedEof =>
            {
                Ok(None)
            }
            // If the journal itself is broken there, rebuilding the indexes will report it.
            Err(JournalError::Broken { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    // Changes.

    /// Applies a record to the indexes, in memory. Doing so twice changes nothing.
    fn apply(&mut self, at: Position, record: &TillRecord<'_>) -> Result<(), TillError> {
        match record {
            TillRecord::Payment(payment) => {
                for bin in payment.first_bins.iter() {
                    self.put(&payment.period, Entry { key: key_of(*bin), at, word: 0 })?;
                }
                self.count(at, at.day, payment, u32::saturating_add)
            }
            TillRecord::Retry(note) | TillRecord::Reversal(note)
                if note.payment.day < self.mark.first_day =>
            {
                Ok(())
            }
            TillRecord::Retry(note) => {
                let payment = self.noted_payment(at, note)?;
                for bin in payment.first_bins.iter() {
                    let key = key_of(*bin);
                    self.put(&payment.period, Entry { key, at: note.payment, word: RETRIED })?;
                }
                Ok(())
            }
            TillRecord::Reversal(note) => {
                let payment = self.noted_payment(at, note)?;
                for bin in payment.first_bins.iter() {
                    self.put(&payment.period, Entry { key: key_of(*bin), at, word: REVERSED })?;
                }
                self.count(at, note.payment.day, &payment, u32::saturating_sub)
            }
        }
    }

    /// The payment that a retry or reversal is about.
    fn noted_payment(
        &mut self,
        at: Position,
        note: &PaymentNote,
    ) -> Result<RecordedPayment<'static>, TillError> {
        match self.record(note.payment)? {
            Some(TillRecord::Payment(payment)) => Ok(payment),
            _ => Err(self.no_payment(at)),
        }
    }

    /// Records that the indexes reflect the newest journal up to `end`, after a record was appended
    /// and applied. Whatever is written through memory was read or written under this lock, and the
    /// disk has just accepted the record.
    fn note_appended(&mut self, end: u64) -> Result<(), TillError> {
        self.rewrite_indexes()?;
        self.mark.end.offset = end;
        match &self.seen {
            Some(seen) => {
                let written = self.mark.rewrite(self.lock.as_ref(), seen);
                Ok(written.map_err(self.on_lock("write"))?)
            }
            None => self.write_mark(),
        }
    }

    // Checkpoints.

    /// How many bytes the newest journal has grown since the checkpoint; `u64::MAX` if the
    /// checkpoint is of an earlier day.
    pub(super) fn since_checkpoint(&self) -> u64 {
        let (end, checkpoint) = (self.mark.end, self.mark.checkpoint);
        if end.day == checkpoint.day {
            end.offset.saturating_sub(checkpoint.offset)
        } else {
            u64::MAX
        }
    }

    /// Makes the journals of `day` and all later days durable.
    pub(crate) fn sync_from(&mut self, day: u32) -> Result<(), TillError> {
        for day in self.days()?.into_iter().filter(|other| *other >= day) {
            self.journal_of(day)?.sync()?;
        }
        Ok(())
    }

    /// The files that must be durable before [`Store::finish_checkpoint`]. Syncing them takes long
    /// and needs no lock.
    pub(super) fn begin_checkpoint(&mut self) -> Result<Checkpoint, TillError> {
        let mut files = Vec::new();
        for day in self.days()?.into_iter().filter(|day| *day >= self.mark.checkpoint.day) {
            let path = self.directory.path().join(journal_name(day));
            let file = self.directory.open(&journal_name(day), Open::Read);
            files.push((Arc::from(file.map_err(FileError::on("open", &path))?), path));
        }
        for period in self.periods()?.unwrap_or_default() {
            files.push(self.index(&period)?.table.file());
        }
        files.extend(self.users()?.map(|users| users.table.file()));
        Ok(Checkpoint { mark: self.mark, files, directory: Arc::clone(&self.directory) })
    }

    /// Moves the checkpoint forward, unless an index was replaced in the meantime.
    pub(super) fn finish_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), TillError> {
        let was = &checkpoint.mark;
        let is_same =
            was.generation == self.mark.generation && was.users_day == self.mark.users_day;
        if !is_same || was.end <= self.mark.checkpoint {
            return Ok(());
        }
        self.mark.checkpoint = was.end;
        self.write_mark()?;
        Ok(self.lock.sync().map_err(self.on_lock("sync"))?)
    }

    /// Makes a checkpoint under the lock.
    pub(crate) fn checkpoint_here(&mut self) -> Result<(), TillError> {
        let checkpoint = self.begin_checkpoint()?;
        checkpoint.sync()?;
        self.finish_checkpoint(&checkpoint)
    }

    // Removal.

    /// Removes the journals of all days before `first_day`, which is not after the newest, and the
    /// indexes of all periods that are not in `periods`, which are those that still have a payment.
    /// The periods of the spent coins in those journals must be closed ([`Batches::close`]).
    /// Returns the names of the removed journals.
    pub(crate) fn remove_before(
        &mut self,
        first_day: u32,
        periods: &BTreeSet<Period>,
    ) -> Result<Vec<String>, TillError> {
        if self.mark.checkpoint.day < first_day {
            self.checkpoint_here()?;
        }
        // Durable before a file is removed, so that a missing journal was removed and not lost.
        self.mark.first_day = first_day.max(self.mark.first_day);
        self.mark.generation = self.mark.generation.wrapping_add(1);
        self.write_mark()?;
        self.lock.sync().map_err(self.on_lock("sync"))?;
        self.forget_indexes();
        self.other = None;
        let mut removed = Vec::new();
        for name in self.names()? {
            if day_of_journal(&name).is_some_and(|day| day < self.mark.first_day) {
                self.remove(&name)?;
                removed.push(name);
            }
        }
        let (kept, gone): (Vec<Period>, Vec<Period>) = self
            .periods()?
            .unwrap_or_default()
            .into_iter()
            .partition(|period| periods.contains(period));
        if !gone.is_empty() {
            self.write_periods(&kept)?;
            for period in &gone {
                self.remove(&index_name(period))?;
            }
        }
        self.directory.sync().map_err(FileError::on("sync", self.directory.path()))?;
        Ok(removed)
    }

    fn remove(&self, name: &str) -> Result<(), TillError> {
        let path = self.directory.path().join(name);
        match self.directory.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => Ok(removed.map_err(FileError::on("remove", path))?),
        }
    }

    // Files.

    /// The journal of a day, opened for reading if necessary.
    fn journal_of(&mut self, day: u32) -> Result<&mut Journal, TillError> {
        let is_newest = self.journal.as_ref().is_some_and(|(newest, _)| *newest == day);
        if !is_newest && self.other.as_ref().is_none_or(|(other, _)| *other != day) {
            self.other = Some((day, self.open_day(day)?));
        }
        match if is_newest { &mut self.journal } else { &mut self.other } {
            Some((_, journal)) => Ok(journal),
            None => Err(deleted(self.directory.as_ref(), day)),
        }
    }

    /// Opens the journal of a day that has one.
    fn open_day(&self, day: u32) -> Result<Journal, TillError> {
        let name = journal_name(day);
        Ok(Journal::open_to_append(self.directory.as_ref(), &name, JOURNAL_KIND)?)
    }

    /// The days that have a journal, in order, without those that are being removed.
    pub(crate) fn days(&self) -> Result<Vec<u32>, TillError> {
        Ok(days_of(&self.names()?, &self.mark))
    }

    pub(crate) fn names(&self) -> Result<Vec<String>, TillError> {
        Ok(self.directory.names().map_err(FileError::on("list", self.directory.path()))?)
    }

    fn periods(&self) -> Result<Option<Vec<Period>>, TillError> {
        Ok(read_periods(self.lock.as_ref()).map_err(self.on_lock("read"))?)
    }

    /// The current mark, if it is valid.
    fn read_mark(&mut self) -> Result<Option<Mark>, TillError> {
        let status = self.lock.status().map_err(self.on_lock("inspect"))?;
        if status.links == 0 {
            return Err(TillError::LockDeleted(self.directory.path().join(LOCK_NAME)));
        }
        if !status.seen.covers(MARK_SIZE, 0) {
            return Ok(None);
        }
        let mark = Mark::read(self.lock.as_ref(), &status.seen).map_err(self.on_lock("read"))?;
        self.seen = Some(status.seen);
        Ok(mark)
    }

    fn write_periods(&self, periods: &[Period]) -> Result<(), TillError> {
        Ok(write_periods(self.lock.as_ref(), periods).map_err(self.on_lock("write"))?)
    }

    fn write_mark(&self) -> Result<(), TillError> {
        Ok(self.mark.write(self.lock.as_ref()).map_err(self.on_lock("write"))?)
    }

    fn on_lock(&self, action: &'static str) -> impl FnOnce(io::Error) -> FileError {
        move |source| FileError::on(action, self.directory.path().join(LOCK_NAME))(source)
    }

    fn deleted(&self, day: u32) -> TillError {
        deleted(self.directory.as_ref(), day)
    }

    fn no_payment(&self, at: Position) -> TillError {
        let why = "expected the position of a payment, found no payment there";
        at.unreadable(self.directory.as_ref(), why)
    }

    fn lost(&self, at: Position) -> TillError {
        let what =
            format!("no record for an entry at offset {} of {}", at.offset, journal_name(at.day));
        TillError::Damaged { what }
    }

    fn list_damaged(&self) -> TillError {
        TillError::Damaged { what: "the list of periods".to_string() }
    }
}

fn deleted(directory: &dyn Directory, day: u32) -> TillError {
    JournalError::Deleted { path: directory.path().join(journal_name(day)) }.into()
}

/// The days of the journals in `directory`, and the end of the newest, read without the lock.
/// `None` if there is no `lock` file, and so no till.
///
/// # Errors
/// A file cannot be read, or the mark is damaged.
pub(crate) fn days_on_disk(
    directory: &dyn Directory,
) -> Result<Option<(Vec<u32>, Position)>, TillError> {
    let path = directory.path().join(LOCK_NAME);
    let lock = match directory.open(LOCK_NAME, Open::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(FileError::on("open", &path))?,
    };
    let status = lock.look().map_err(FileError::on("read", &path))?;
    if status.size() == 0 {
        return Ok(Some((Vec::new(), Position::default())));
    }
    let damaged = || TillError::Mark(path.clone());
    if !status.covers(MARK_SIZE, 0) {
        return Err(damaged());
    }
    let mark = Mark::read(lock.as_ref(), &status).map_err(FileError::on("read", &path))?;
    let mark = mark.ok_or_else(damaged)?;
    let names = directory.names().map_err(FileError::on("read", directory.path()))?;
    Ok(Some((days_of(&names, &mark), mark.end)))
}

/// The days whose journals have these names, in order, without those that are being removed.
fn days_of(names: &[String], mark: &Mark) -> Vec<u32> {
    let days = names.iter().filter_map(|name| day_of_journal(name));
    let mut days: Vec<u32> = days.filter(|day| *day >= mark.first_day).collect();
    days.sort_unstable();
    days
}

/// Calls `visit` for the records at positions from `from` to before `to` in the journals of `days`,
/// in order. Needs no lock: records before an end that was seen under the lock never change.
pub(crate) fn scan(
    directory: &dyn Directory,
    days: &[u32],
    from: Position,
    to: Position,
    mut visit: impl FnMut(Position, TillRecord<'static>),
) -> Result<(), TillError> {
    for day in days.iter().copied().filter(|day| (from.day..=to.day).contains(day)) {
        let mut visit_part = |at, record| {
            if at >= from && at < to {
                visit(at, record);
            }
            Ok(())
        };
        let mut journal = Journal::open_to_read(directory, &journal_name(day), JOURNAL_KIND)?;
        journal.replay(&mut Day { day, visit: &mut visit_part })?;
    }
    Ok(())
}

/// As [`scan`], without reading what lies before `from` if a record begins or the journal ends
/// there.
pub(crate) fn scan_on(
    directory: &dyn Directory,
    days: &[u32],
    from: Position,
    to: Position,
    mut visit: impl FnMut(Position, TillRecord<'static>),
) -> Result<(), TillError> {
    if from >= to {
        return Ok(());
    }
    if days.contains(&from.day) {
        let mut journal = Journal::open_to_read(directory, &journal_name(from.day), JOURNAL_KIND)?;
        if journal.size()? == from.offset || journal.read(from.offset).is_ok() {
            journal.start_at(from.offset);
        }
        let mut visit_part = |at, record| {
            if at >= from && at < to {
                visit(at, record);
            }
            Ok(())
        };
        journal.replay(&mut Day { day: from.day, visit: &mut visit_part })?;
    }
    scan(directory, days, Position { day: from.day + 1, offset: 0 }, to, visit)
}

/// Replays a day's journal: passes each record and its position to `visit`.
struct Day<V> {
    day: u32,
    visit: V,
}

impl<V: FnMut(Position, TillRecord<'static>) -> Result<(), TillError>> Replay for Day<V> {
    type Error = TillError;

    fn apply(&mut self, record: &journal::Record<'_>) -> Result<(), TillError> {
        let parsed = TillRecord::parse(record.payload)
            .ok_or_else(|| record.unreadable("expected a payment, a retry or a reversal"))?;
        (self.visit)(Position { day: self.day, offset: record.offset }, parsed)
    }
}
