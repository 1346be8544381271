//! The batches that a till's payments were redeemed in, their results, and the periods that are
//! closed.
//!
//! They are in a journal of their own in the till's directory, `redeem.journal`, which is read as a
//! whole and appended to under the till's lock. The format is in `docs/reference/till.md`.
//!
//! The invariant: the batches of one period cover its payments from the first one, and each begins
//! where the one before it ends, so no payment is in two. A period is closed, for good, before the
//! first journal with a payment of it is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::TillError;
use super::position::Position;
use crate::bytes::{Reader, Writer};
use crate::host::{Directory, Open};
use crate::journal::{HEADER_SIZE, Journal, JournalError, Record, Replay};
use crate::period::Period;
use crate::protocol::{Id, Verdict};
use crate::time::UnixTime;

pub(super) const JOURNAL_NAME: &str = "redeem.journal";
pub(super) const JOURNAL_KIND: &str = "redeem";
/// The first byte of a batch's record.
const BATCH: u8 = 1;
/// The first byte of a result's record.
const RESULT: u8 = 2;
/// The first byte of a closed period's record.
const CLOSED: u8 = 3;
/// The first byte of the record that makes the results of a period void.
const AGAIN: u8 = 4;

/// A batch of payments for redemption, and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The Batch-ID.
    pub id: Id,
    /// The period of its coins.
    pub period: Period,
    /// The number of its payments.
    pub payments: u32,
    /// The number of coins in its payments.
    pub coins: u32,
    /// When it was made.
    pub made_at: UnixTime,
    /// When the broker gives its final verdict on waiting coins.
    pub redeem_until: UnixTime,
    /// The number of coins by verdict, once a result came. A later result replaces an earlier one.
    pub result: Option<BTreeMap<Verdict, u32>>,
    /// Its payments are those of the period from this position …
    pub(crate) from: Position,
    /// … to before this one.
    pub(crate) to: Position,
    /// SHA-256 of its data.
    pub(crate) digest: [u8; 32],
}

impl Batch {
    /// The number of coins with this verdict.
    pub fn count(&self, verdict: Verdict) -> u32 {
        self.result.as_ref().and_then(|counts| counts.get(&verdict).copied()).unwrap_or(0)
    }

    /// Whether every coin has a final verdict: none waits.
    pub(crate) fn is_final(&self) -> bool {
        self.result.is_some() && self.count(Verdict::Waiting) == 0
    }

    /// Whether to send it now: it has no result, or it has waiting coins and redeem-until has
    /// passed.
    pub(crate) fn is_due(&self, now: UnixTime) -> bool {
        self.result.is_none() || (self.count(Verdict::Waiting) > 0 && now >= self.redeem_until)
    }
}

/// All batches, and the closed periods.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// The batches, in the order in which they were made.
    pub(crate) all: Vec<Batch>,
    /// The periods of which a journal with spent coins was removed. Their coins are never accepted
    /// again, whatever the clock says.
    pub(crate) closed: BTreeSet<Period>,
}

impl Replay for Batches {
    type Error = JournalError;

    fn apply(&mut self, record: &Record<'_>) -> Result<(), JournalError> {
        match BatchRecord::parse(record.payload) {
            Some(BatchRecord::Batch(batch)) => self.all.push(batch),
            Some(BatchRecord::Closed { period, .. }) => drop(self.closed.insert(period)),
            Some(BatchRecord::Again { period, asked_at }) => {
                let asked =
                    |batch: &&mut Batch| batch.period == period && batch.redeem_until > asked_at;
                self.all.iter_mut().filter(asked).for_each(|batch| batch.result = None);
            }
            Some(BatchRecord::Result { id, counts, .. }) => {
                let batch = self.all.iter_mut().find(|batch| batch.id == id);
                let batch = batch.ok_or_else(|| {
                    record.unreadable(format!("expected a result for a known batch, found {id}"))
                });
                batch?.result = Some(counts);
            }
            None => {
                return Err(record.unreadable(
                    "expected a batch, a result, or a period that is closed or sent again",
                ));
            }
        }
        Ok(())
    }
}

impl Batches {
    /// Reads the batches of a till. There are none if the journal does not exist.
    pub(crate) fn read(directory: &dyn Directory) -> Result<Batches, TillError> {
        let mut batches = Batches::default();
        match Journal::open_to_read(directory, JOURNAL_NAME, JOURNAL_KIND) {
            Ok(mut journal) => journal.replay(&mut batches).map(|_| ())?,
            Err(JournalError::File(error)) if error.source.kind() == io::ErrorKind::NotFound => {}
            // A crash cut off the header of a new journal, which is empty.
            Err(JournalError::NotAJournal { .. }) if is_short(directory) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(batches)
    }

    /// The end of the batches of a period.
    pub(crate) fn end_of(&self, period: &Period) -> Position {
        self.all
            .iter()
            .filter(|batch| batch.period == *period)
            .map(|batch| batch.to)
            .max()
            .unwrap_or_default()
    }

    /// The batch with this Batch-ID.
    pub(crate) fn covering(&self, period: &Period, at: Position) -> Option<&Batch> {
        self.all
            .iter()
            .find(|batch| batch.period == *period && (batch.from..batch.to).contains(&at))
    }

    /// The batch of this name.
    pub(crate) fn get(&self, id: &Id) -> Option<&Batch> {
        self.all.iter().find(|batch| batch.id == *id)
    }
}

fn is_short(directory: &dyn Directory) -> bool {
    let file = directory.open(JOURNAL_NAME, Open::Read);
    file.and_then(|file| file.size()).is_ok_and(|size| size < HEADER_SIZE)
}

/// A record of the journal.
pub(super) enum BatchRecord {
    Batch(Batch),
    Result { id: Id, read_at: UnixTime, counts: BTreeMap<Verdict, u32> },
    Closed { period: Period, closed_at: UnixTime },
    Again { period: Period, asked_at: UnixTime },
}

impl BatchRecord {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer::new(&mut bytes);
        match self {
            BatchRecord::Batch(batch) => {
                let (period, id) = (batch.period.as_str(), batch.id.as_str());
                out.u8(BATCH).u8(period.len() as u8).u8(id.len() as u8).u8(0);
                out.u32(batch.payments).u32(batch.coins);
                out.u32(batch.from.day).u32(batch.to.day);
                out.u64(batch.from.offset).u64(batch.to.offset);
                out.time(batch.made_at).time(batch.redeem_until).bytes(&batch.digest);
                out.bytes(period.as_bytes()).bytes(id.as_bytes());
            }
            BatchRecord::Result { id, read_at, counts } => {
                out.u8(RESULT).u8(id.as_str().len() as u8).u8(counts.len() as u8).u8(0);
                out.time(*read_at);
                for (verdict, coins) in counts {
                    out.u8(verdict.code()).u32(*coins);
                }
                out.bytes(id.as_str().as_bytes());
            }
            BatchRecord::Closed { period, closed_at: at }
            | BatchRecord::Again { period, asked_at: at } => {
                let is_closed = matches!(self, BatchRecord::Closed { .. });
                let kind = if is_closed { CLOSED } else { AGAIN };
                out.u8(kind).u8(period.as_str().len() as u8).u8(0).u8(0).time(*at);
                out.bytes(period.as_str().as_bytes());
            }
        }
        bytes
    }

    fn parse(payload: &[u8]) -> Option<BatchRecord> {
        let mut input = Reader::new(payload);
        match input.u8()? {
            BATCH => parse_batch(input).map(BatchRecord::Batch),
            RESULT => parse_result(input),
            CLOSED => {
                let (period, closed_at) = parse_period(input)?;
                Some(BatchRecord::Closed { period, closed_at })
            }
            AGAIN => {
                let (period, asked_at) = parse_period(input)?;
                Some(BatchRecord::Again { period, asked_at })
            }
            _ => None,
        }
    }
}

fn parse_batch(mut input: Reader<'_>) -> Option<Batch> {
    let [period_len, id_len, _] = input.array()?;
    let (payments, coins) = (input.u32()?, input.u32()?);
    let (from_day, to_day) = (input.u32()?, input.u32()?);
    let from = Position { day: from_day, offset: input.u64()? };
    let to = Position { day: to_day, offset: input.u64()? };
    let (made_at, redeem_until) = (input.time()?, input.time()?);
    let digest = input.array()?;
    let period = input.text(period_len.into())?.parse().ok()?;
    let id = input.text(id_len.into())?.parse().ok()?;
    input.finish()?;
    let result = None;
    Some(Batch { id, period, payments, coins, made_at, redeem_until, result, from, to, digest })
}

fn parse_result(mut input: Reader<'_>) -> Option<BatchRecord> {
    let [id_len, count, _] = input.array()?;
    let read_at = input.time()?;
    let count_of = |input: &mut Reader<'_>| Some((Verdict::from_code(input.u8()?)?, input.u32()?));
    let counts = (0..count).map(|_| count_of(&mut input)).collect::<Option<_>>()?;
    let id = input.text(id_len.into())?.parse().ok()?;
    input.finish().map(|()| BatchRecord::Result { id, read_at, counts })
}

/// A period and a time.
fn parse_period(mut input: Reader<'_>) -> Option<(Period, UnixTime)> {
    let [period_len, _, _] = input.array()?;
    let at = input.time()?;
    let period = input.text(period_len.into())?.parse().ok()?;
    input.finish().map(|()| (period, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::till::tests;

    fn batch(id: &str, from: u64, to: u64) -> Batch {
        Batch {
            id: id.parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            payments: 3,
            coins: 5,
            made_at: UnixTime(7),
            redeem_until: UnixTime(1 << 40),
            result: None,
            from: Position { day: 1, offset: from },
            to: Position { day: 2, offset: to },
            digest: [9; 32],
        }
    }

    #[test]
    fn batches_and_results_are_read_back() {
        let directory = SimulatedDirectory::new();
        let till = tests::open(&directory, &tests::noon());
        assert!(Batches::read(&directory).unwrap().all.is_empty());
        let push = |batch: &Batch| till.locked(|store| Batches::push(store, batch)).unwrap();
        push(&batch("one", 0, 50));
        let mut expected = batch("two", 50, 60);
        push(&expected);
        let counts = BTreeMap::from([(Verdict::Accepted, 4), (Verdict::Waiting, 1)]);
        till.locked(|store| Batches::record_result(store, &expected.id, &counts, UnixTime(9)))
            .unwrap();
        expected.result = Some(counts);
        let read = Batches::read(&directory).unwrap();
        assert_eq!(read.all, [batch("one", 0, 50), expected.clone()]);
        assert_eq!(read.end_of(&expected.period), expected.to);
        assert_eq!(
            read.covering(&expected.period, Position { day: 1, offset: 49 }).unwrap().id.as_str(),
            "one"
        );
        assert!(read.covering(&"x".parse().unwrap(), Position { day: 1, offset: 49 }).is_none());
        assert!(expected.is_due(UnixTime(1 << 40)) && !expected.is_due(UnixTime((1 << 40) - 1)));
        assert!(!expected.is_final() && batch("one", 0, 1).is_due(UnixTime(0)));
    }

    #[test]
    fn results_of_unknown_batches_and_cut_records_are_unreadable() {
        let directory = SimulatedDirectory::new();
        let till = tests::open(&directory, &tests::noon());
        let id: Id = "one".parse().unwrap();
        till.locked(|store| Batches::record_result(store, &id, &BTreeMap::new(), UnixTime(9)))
            .unwrap();
        let error = Batches::read(&directory).unwrap_err().to_string();
        let says = "simulated/redeem.journal: cannot read the record at offset 32: \
                    expected a result for a known batch, found one";
        assert_eq!(error, says);
        let bytes = BatchRecord::Batch(batch("one", 0, 50)).to_bytes();
        assert!(BatchRecord::parse(&bytes).is_some());
        assert!((0..bytes.len()).all(|size| BatchRecord::parse(&bytes[..size]).is_none()));
        let closed = BatchRecord::Closed { period: "p".parse().unwrap(), closed_at: UnixTime(2) };
        let bytes = closed.to_bytes();
        assert_eq!(bytes, [3, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'p']);
        assert!((0..bytes.len()).all(|size| BatchRecord::parse(&bytes[..size]).is_none()));
    }

    #[test]
    fn a_period_is_closed_once() {
        let directory = SimulatedDirectory::new();
        let till = tests::open(&directory, &tests::noon());
        let periods = |names: &[&str]| -> BTreeSet<Period> {
            names.iter().map(|name| name.parse().unwrap()).collect()
        };
        for (names, at) in [(&["a", "b"][..], 1), (&["b", "c"], 2), (&["a"], 3), (&[], 4)] {
            let names = periods(names);
            till.locked(|store| Batches::close(store, &names, UnixTime(at))).unwrap();
        }
        assert_eq!(Batches::read(&directory).unwrap().closed, periods(&["a", "b", "c"]));
        let records = directory.bytes(JOURNAL_NAME).unwrap();
        till.locked(|store| Batches::close(store, &periods(&["c"]), UnixTime(5))).unwrap();
        assert_eq!(directory.bytes(JOURNAL_NAME).unwrap(), records);
    }
}
