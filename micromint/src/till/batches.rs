//! Which payments went into which batch for redemption, and what the broker said.
//!
//! A journal of its own in the till's directory, `redeem.journal`, read as a whole and appended to under
//! the till's lock. The invariant: the batches of one period cover its payments from the first on, each
//! beginning where the one before ends, so no payment is in two. Byte by byte: `docs/reference/till.md`.

use std::collections::BTreeMap;
use std::io;

use super::TillError;
use super::position::{Position, u32_at, u64_at};
use crate::host::{Directory, Entropy};
use crate::journal::{Journal, JournalError, Tail};
use crate::period::Period;
use crate::protocol::{Id, Verdict};
use crate::time::UnixTime;

const JOURNAL_NAME: &str = "redeem.journal";
const JOURNAL_KIND: &str = "redeem";
const BATCH: u8 = 1;
const RESULT: u8 = 2;
const BATCH_HEAD_SIZE: usize = 84;
const RESULT_HEAD_SIZE: usize = 12;
const COUNT_SIZE: usize = 5;

/// A batch that was made, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its name.
    pub id: Id,
    /// The period of its coins.
    pub period: Period,
    /// The number of payments in it.
    pub payments: u32,
    /// The number of coins in them.
    pub coins: u32,
    /// When it was made.
    pub made_at: UnixTime,
    /// When the broker says the last word about waiting coins.
    pub redeem_until: UnixTime,
    /// Coins by verdict, once a result came; the newest result counts.
    pub result: Option<BTreeMap<Verdict, u32>>,
    /// Its payments are those of the period from here on …
    pub(crate) from: Position,
    /// … and before this.
    pub(crate) to: Position,
    /// SHA-256 of its data.
    pub(crate) digest: [u8; 32],
}

impl Batch {
    /// The number of coins with this verdict.
    pub fn count(&self, verdict: Verdict) -> u32 {
        self.result.as_ref().and_then(|counts| counts.get(&verdict).copied()).unwrap_or(0)
    }

    /// Whether every coin has its last verdict.
    pub fn is_settled(&self) -> bool {
        self.result.is_some() && self.count(Verdict::Waiting) == 0
    }

    /// Whether it is to be sent (again) now: no result came, or coins waited and need to no longer.
    pub fn is_due(&self, now: UnixTime) -> bool {
        self.result.is_none() || (self.count(Verdict::Waiting) > 0 && now >= self.redeem_until)
    }
}

/// All batches, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Batches(pub(crate) Vec<Batch>);

impl Batches {
    /// Reads the batches of a till; none if there is no journal of them yet.
    pub(crate) fn read(directory: &dyn Directory) -> Result<Batches, TillError> {
        let mut batches = Batches::default();
        match Journal::open_existing(directory, JOURNAL_NAME, JOURNAL_KIND) {
            Ok(mut journal) => batches.follow(directory, &mut journal).map(|_| batches),
            Err(JournalError::File(error)) if error.source.kind() == io::ErrorKind::NotFound => {
                Ok(batches)
            }
            // Cut off while it was made: nothing was in it.
            Err(JournalError::NotAJournal { .. }) if is_short(directory) => Ok(batches),
            Err(error) => Err(error.into()),
        }
    }

    fn follow(
        &mut self,
        directory: &dyn Directory,
        journal: &mut Journal,
    ) -> Result<Tail, TillError> {
        let mut damaged = None;
        let tail = journal.catch_up(|offset, payload| {
            if damaged.is_none() && self.apply(payload).is_none() {
                damaged = Some(offset);
            }
        })?;
        match damaged {
            Some(at) => {
                Err(TillError::Unreadable { path: directory.path().join(JOURNAL_NAME), at })
            }
            None => Ok(tail),
        }
    }

    fn apply(&mut self, payload: &[u8]) -> Option<()> {
        match *payload.first()? {
            BATCH => self.0.push(parse_batch(payload)?),
            RESULT => {
                let (id, counts) = parse_result(payload)?;
                self.0.iter_mut().find(|batch| batch.id == id)?.result = Some(counts);
            }
            _ => return None,
        }
        Some(())
    }

    /// Where the batches of a period end.
    pub(crate) fn end_of(&self, period: &Period) -> Position {
        self.0
            .iter()
            .filter(|batch| batch.period == *period)
            .map(|batch| batch.to)
            .max()
            .unwrap_or_default()
    }

    /// The batch with the payment at `at`, if it is in one.
    pub(crate) fn covering(&self, period: &Period, at: Position) -> Option<&Batch> {
        self.0.iter().find(|batch| batch.period == *period && (batch.from..batch.to).contains(&at))
    }

    /// The batch of this name.
    pub(crate) fn get(&self, id: &Id) -> Option<&Batch> {
        self.0.iter().find(|batch| batch.id == *id)
    }

    /// Records a new batch, durably.
    pub(crate) fn push(
        &mut self,
        directory: &dyn Directory,
        entropy: &dyn Entropy,
        batch: &Batch,
    ) -> Result<(), TillError> {
        self.append(directory, entropy, &batch_to_bytes(batch))
    }

    /// Records a result, durably.
    pub(crate) fn settle(
        &mut self,
        directory: &dyn Directory,
        entropy: &dyn Entropy,
        id: &Id,
        counts: &BTreeMap<Verdict, u32>,
        now: UnixTime,
    ) -> Result<(), TillError> {
        self.append(directory, entropy, &result_to_bytes(id, counts, now))
    }

    fn append(
        &mut self,
        directory: &dyn Directory,
        entropy: &dyn Entropy,
        payload: &[u8],
    ) -> Result<(), TillError> {
        let mut journal = Journal::open(directory, JOURNAL_NAME, JOURNAL_KIND, entropy)?;
        let mut there = Batches::default();
        if there.follow(directory, &mut journal)? != Tail::Clean {
            journal.cut_tail()?;
        }
        journal.append(&[payload])?;
        journal.sync()?;
        there.apply(payload);
        *self = there;
        Ok(())
    }
}

fn is_short(directory: &dyn Directory) -> bool {
    let file = directory.open(JOURNAL_NAME, crate::host::Open::Read);
    file.and_then(|file| file.size()).is_ok_and(|size| size < crate::journal::HEADER_SIZE)
}

fn batch_to_bytes(batch: &Batch) -> Vec<u8> {
    let (period, id) = (batch.period.as_str(), batch.id.as_str());
    let mut bytes = vec![BATCH, period.len() as u8, id.len() as u8, 0];
    for number in [batch.payments, batch.coins, batch.from.day, batch.to.day] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in [batch.from.offset, batch.to.offset] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for time in [batch.made_at, batch.redeem_until] {
        bytes.extend_from_slice(&time.0.to_le_bytes());
    }
    bytes.extend_from_slice(&batch.digest);
    bytes.extend_from_slice(period.as_bytes());
    bytes.extend_from_slice(id.as_bytes());
    bytes
}

fn parse_batch(bytes: &[u8]) -> Option<Batch> {
    let (head, names) = bytes.split_at_checked(BATCH_HEAD_SIZE)?;
    let (period, id) = names.split_at_checked(usize::from(head[1]))?;
    let id = (id.len() == usize::from(head[2])).then_some(id)?;
    Some(Batch {
        id: std::str::from_utf8(id).ok()?.parse().ok()?,
        period: std::str::from_utf8(period).ok()?.parse().ok()?,
        payments: u32_at(head, 4),
        coins: u32_at(head, 8),
        from: Position { day: u32_at(head, 12), offset: u64_at(head, 20) },
        to: Position { day: u32_at(head, 16), offset: u64_at(head, 28) },
        made_at: UnixTime(u64_at(head, 36) as i64),
        redeem_until: UnixTime(u64_at(head, 44) as i64),
        digest: head[52..].try_into().ok()?,
        result: None,
    })
}

fn result_to_bytes(id: &Id, counts: &BTreeMap<Verdict, u32>, now: UnixTime) -> Vec<u8> {
    let mut bytes = vec![RESULT, id.as_str().len() as u8, counts.len() as u8, 0];
    bytes.extend_from_slice(&now.0.to_le_bytes());
    for (verdict, coins) in counts {
        bytes.push(verdict.code());
        bytes.extend_from_slice(&coins.to_le_bytes());
    }
    bytes.extend_from_slice(id.as_str().as_bytes());
    bytes
}

fn parse_result(bytes: &[u8]) -> Option<(Id, BTreeMap<Verdict, u32>)> {
    let (head, rest) = bytes.split_at_checked(RESULT_HEAD_SIZE)?;
    let (counts, id) = rest.split_at_checked(usize::from(head[2]) * COUNT_SIZE)?;
    let count = |bytes: &[u8; COUNT_SIZE]| Some((Verdict::from_code(bytes[0])?, u32_at(bytes, 1)));
    let counts: Option<BTreeMap<Verdict, u32>> = counts.as_chunks().0.iter().map(count).collect();
    Some((std::str::from_utf8(id).ok()?.parse().ok()?, counts?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{SimulatedDirectory, SystemEntropy};

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
        assert!(Batches::read(&directory).unwrap().0.is_empty());
        let mut batches = Batches::default();
        batches.push(&directory, &SystemEntropy, &batch("one", 0, 50)).unwrap();
        let mut expected = batch("two", 50, 60);
        batches.push(&directory, &SystemEntropy, &expected).unwrap();
        let counts = BTreeMap::from([(Verdict::Accepted, 4), (Verdict::Waiting, 1)]);
        batches.settle(&directory, &SystemEntropy, &expected.id, &counts, UnixTime(9)).unwrap();
        expected.result = Some(counts);
        let read = Batches::read(&directory).unwrap();
        assert_eq!(read.0, [batch("one", 0, 50), expected.clone()]);
        assert_eq!(read.end_of(&expected.period), expected.to);
        assert_eq!(
            read.covering(&expected.period, Position { day: 1, offset: 49 }).unwrap().id.as_str(),
            "one"
        );
        assert!(read.covering(&"x".parse().unwrap(), Position { day: 1, offset: 49 }).is_none());
        assert!(expected.is_due(UnixTime(1 << 40)) && !expected.is_due(UnixTime((1 << 40) - 1)));
        assert!(!expected.is_settled() && batch("one", 0, 1).is_due(UnixTime(0)));
    }
}
