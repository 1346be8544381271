//! What was paid for each page on the days whose journals were removed.
//!
//! Before redemption removes a journal, the sums of its payments are recorded in a journal of their
//! own in the till's directory, `income.journal`, which is read as a whole and appended to under
//! the till's lock. The format is in `docs/reference/till.md`. It names no user.
//!
//! The invariant: the sums of a removed journal are durable before it is removed. They follow from
//! its records alone, so recording them again, after a crash, changes nothing; while the journal
//! exists they do not count.

use std::collections::BTreeMap;
use std::io;

use super::{LockedStore, TillError};
use crate::bytes::{Reader, Writer};
use crate::host::{Directory, Open};
use crate::journal::{HEADER_SIZE, Journal, JournalError, Record, Replay};
use crate::period::Period;
use crate::time::UnixTime;

pub(super) const JOURNAL_NAME: &str = "income.journal";
const JOURNAL_KIND: &str = "income";
/// The first byte of a record.
const SUM: u8 = 1;

/// What was paid for one page on one day, with coins of one period, in one journal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PaidFor {
    /// The day of the journal, in days since 1970-01-01.
    pub(crate) journal: u32,
    /// The start of the UTC day on which the payments were recorded.
    pub(crate) day: UnixTime,
    pub(crate) period: Period,
    /// The URL.
    pub(crate) page: String,
}

/// Payments and their coins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct PaidSum {
    pub(crate) payments: u64,
    pub(crate) coins: u64,
}

impl PaidSum {
    /// Adds a payment of this many coins.
    pub(crate) fn add(&mut self, coins: u64) {
        self.payments += 1;
        self.coins += coins;
    }
}

/// The sums of removed journals.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RemovedIncome(pub(crate) BTreeMap<PaidFor, PaidSum>);

impl Replay for RemovedIncome {
    type Error = JournalError;

    fn apply(&mut self, record: &Record<'_>) -> Result<(), JournalError> {
        let parsed = parse(record.payload);
        let (paid_for, sum) = parsed.ok_or_else(|| record.unreadable("expected a sum"))?;
        self.0.insert(paid_for, sum);
        Ok(())
    }
}

impl RemovedIncome {
    /// Reads the sums of a till. There are none if the journal does not exist.
    pub(crate) fn read(directory: &dyn Directory) -> Result<RemovedIncome, TillError> {
        let mut sums = RemovedIncome::default();
        match Journal::open_to_read(directory, JOURNAL_NAME, JOURNAL_KIND) {
            Ok(mut journal) => journal.replay(&mut sums).map(|_| ())?,
            Err(JournalError::File(error)) if error.source.kind() == io::ErrorKind::NotFound => {}
            // A crash cut off the header of a new journal, which is empty.
            Err(JournalError::NotAJournal { .. }) if is_short(directory) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(sums)
    }

    /// Records these sums, durably.
    pub(crate) fn record(&self, store: &LockedStore<'_>) -> Result<(), TillError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let (directory, lock) = (store.directory(), store.lock());
        let mut journal =
            Journal::open_or_create(directory, JOURNAL_NAME, JOURNAL_KIND, store.entropy(), lock)?;
        let caught_up = journal.follow(lock, &mut RemovedIncome::default())?;
        let payloads: Vec<Vec<u8>> = self.0.iter().map(|(key, sum)| to_bytes(key, *sum)).collect();
        let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        journal.append(&caught_up, &payloads)?;
        Ok(journal.sync()?)
    }
}

fn is_short(directory: &dyn Directory) -> bool {
    let file = directory.open(JOURNAL_NAME, Open::Read);
    file.and_then(|file| file.size()).is_ok_and(|size| size < HEADER_SIZE)
}

fn to_bytes(paid_for: &PaidFor, sum: PaidSum) -> Vec<u8> {
    let mut bytes = Vec::new();
    let period = paid_for.period.as_str();
    Writer::new(&mut bytes)
        .bytes(&[SUM, period.len() as u8, 0, 0])
        .u32(paid_for.journal)
        .time(paid_for.day)
        .u64(sum.payments)
        .u64(sum.coins)
        .bytes(period.as_bytes())
        .bytes(paid_for.page.as_bytes());
    bytes
}

fn parse(payload: &[u8]) -> Option<(PaidFor, PaidSum)> {
    let mut input = Reader::new(payload);
    let [kind, period_len, _, _] = input.array()?;
    if kind != SUM {
        return None;
    }
    let (journal, day) = (input.u32()?, input.time()?);
    let sum = PaidSum { payments: input.u64()?, coins: input.u64()? };
    let period = input.text(period_len.into())?.parse().ok()?;
    let page = std::str::from_utf8(input.rest()).ok()?.to_string();
    Some((PaidFor { journal, day, period, page }, sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::till::tests;

    fn sums(coins: u64) -> RemovedIncome {
        let page = "https://news.example/?a=\"b\",c".to_string();
        let key =
            PaidFor { journal: 9, day: UnixTime(-86_400), period: "p".parse().unwrap(), page };
        RemovedIncome([(key, PaidSum { payments: 2, coins })].into())
    }

    #[test]
    fn sums_are_read_back_and_recording_them_again_changes_nothing() {
        let directory = SimulatedDirectory::new();
        let till = tests::open(&directory, &tests::noon());
        assert_eq!(RemovedIncome::read(&directory).unwrap(), RemovedIncome::default());
        for _ in 0..2 {
            till.locked(|store| sums(5).record(store)).unwrap();
            assert_eq!(RemovedIncome::read(&directory).unwrap(), sums(5));
        }
        let (key, sum) = sums(7).0.pop_first().unwrap();
        let bytes = to_bytes(&key, sum);
        assert_eq!(parse(&bytes), Some((key.clone(), sum)));
        // Every cut before the page.
        let head = bytes.len() - key.page.len();
        assert!((0..head).all(|cut| parse(&bytes[..cut]).is_none()));
        assert_eq!(parse(&[&[2], &bytes[1..]].concat()), None);
    }
}
