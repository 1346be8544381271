//! Promised reversals: payments whose answer already says `reversed`.
//!
//! A server that must not block answers with `reversed` and lets another thread reverse the
//! payment. Input: the payments to reverse. They are stored until they are reversed.
//!
//! The invariant: a promise is written before it is made, and read by every process that opens the
//! till or reverses a payment. So it is kept even if the till cannot be written for a while or the
//! process is killed.
//!
//! The file has a lock of its own. It is held for a write to the page cache, and never while
//! anything waits for the till. The format is in `docs/reference/till.md`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::position::Position;
use super::{PaymentId, Reversal, Till, TillError, reverse};
use crate::bytes::Field;
use crate::error::FileError;
use crate::host::{Directory, File, SharedFile};
use crate::time::UnixTime;

/// The name of the file, in the till's directory.
pub(super) const PROMISES_NAME: &str = "promised-reversals";
/// The most promises that are stored; further ones are errors.
const PROMISES_MAX: usize = 4096;

const CHECKSUM: Field<u32> = Field::at(0);
const DAY: Field<u32> = CHECKSUM.then();
const OFFSET: Field<u64> = DAY.then();
const AT: Field<UnixTime> = OFFSET.then();
const PROMISE_SIZE: usize = AT.end();

/// A promise to reverse a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Promise {
    payment: Position,
    /// When it was made. The payment's age at this time decides whether it can be reversed.
    at: UnixTime,
}

/// The stored promises of all processes.
pub(super) struct Promises {
    file: SharedFile,
    /// Whether this process made a promise that it could not keep yet.
    pub(super) are_owed: AtomicBool,
}

impl Promises {
    /// The promises in `directory`. Opens no file.
    pub(super) fn new(directory: Arc<dyn Directory>) -> Promises {
        let file = SharedFile::new(directory, PROMISES_NAME);
        Promises { file, are_owed: AtomicBool::new(false) }
    }

    /// Stores a promise.
    fn add(&self, promise: Promise) -> Result<(), FileError> {
        self.file.locked(|file| {
            let count = file.size()? / PROMISE_SIZE as u64;
            if count >= PROMISES_MAX as u64 {
                return Err(io::Error::other(format!(
                    "expected fewer than {PROMISES_MAX} promised reversals, found {count}"
                )));
            }
            // Overwrites a partial promise that a killed process has left.
            file.write_at(&promise.to_bytes(), count * PROMISE_SIZE as u64)
        })
    }

    /// All stored promises.
    fn all(&self) -> Result<Vec<Promise>, FileError> {
        let all = self.file.locked_if_present(read)?;
        Ok(all.unwrap_or_default().into_iter().flatten().collect())
    }

    /// Removes the promises for a payment. Empties the file if none is left.
    pub(super) fn remove(&self, payment: Position) -> Result<(), FileError> {
        let removed = self.file.locked_if_present(|file| {
            let promises = read(file)?;
            let is_left =
                |promise: &&Option<Promise>| promise.is_some_and(|one| one.payment != payment);
            if !promises.iter().any(|promise| is_left(&promise)) {
                return if file.size()? > 0 { file.set_size(0) } else { Ok(()) };
            }
            let is_its =
                |promise: &Option<Promise>| promise.is_some_and(|one| one.payment == payment);
            for number in (0..promises.len()).filter(|number| is_its(&promises[*number])) {
                file.write_at(&[0; PROMISE_SIZE], (number * PROMISE_SIZE) as u64)?;
            }
            Ok(())
        });
        removed.map(|_| ())
    }
}

impl Till {
    /// Promises to reverse a payment, for a caller that cannot wait for [`Till::reverse`]. Takes no
    /// lock of the till, and does not wait for the disk beyond a write to the page cache. Call
    /// [`Till::reverse`] soon after. If that fails, or the process ends first, the promise is kept
    /// when this process next uses the till or any process opens it.
    ///
    /// Like a reversal, a promise is void if the same payment was sent again in the meantime. A
    /// power cut can lose it.
    ///
    /// # Errors
    /// The promise could not be written, or [`PROMISES_MAX`] are stored already. Do not tell the
    /// client that the payment is reversed.
    pub(crate) fn promise_reversal(&self, id: PaymentId) -> Result<(), TillError> {
        Ok(self.promises.add(Promise { payment: id.0, at: self.clock.now() })?)
    }

    /// Makes all promised reversals. Those that fail stay stored, to be tried again.
    pub(super) fn keep_promises(&self) {
        self.promises.are_owed.store(false, Ordering::Relaxed);
        let is_kept = self.promises.all().is_ok_and(|promises| {
            let now = self.clock.now();
            promises.iter().all(|Promise { payment, at }| {
                let reversed = self.reverse_promised(*payment, |store| {
                    match store.days()?.contains(&payment.day) {
                        true => reverse(store, *payment, *at, now),
                        // The payment was redeemed and removed since.
                        false => Ok((Reversal::Void, None)),
                    }
                });
                reversed.is_ok()
            })
        });
        if !is_kept {
            self.promises.are_owed.store(true, Ordering::Relaxed);
        }
    }
}

/// The slots of the file: `None` for one that does not hold a promise.
fn read(file: &dyn File) -> io::Result<Vec<Option<Promise>>> {
    let count = (file.size()? as usize / PROMISE_SIZE).min(PROMISES_MAX);
    let mut bytes = vec![0; count * PROMISE_SIZE];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes.as_chunks().0.iter().map(Promise::parse).collect())
}

impl Promise {
    fn to_bytes(self) -> [u8; PROMISE_SIZE] {
        let mut bytes = [0; PROMISE_SIZE];
        DAY.set(&mut bytes, self.payment.day);
        OFFSET.set(&mut bytes, self.payment.offset);
        AT.set(&mut bytes, self.at);
        let checksum = crc32c::crc32c(&bytes[DAY.start()..]);
        CHECKSUM.set(&mut bytes, checksum);
        bytes
    }

    fn parse(bytes: &[u8; PROMISE_SIZE]) -> Option<Promise> {
        let payment = Position { day: DAY.get(bytes), offset: OFFSET.get(bytes) };
        let is_whole = CHECKSUM.get(bytes) == crc32c::crc32c(&bytes[DAY.start()..]);
        is_whole.then(|| Promise { payment, at: AT.get(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::till::tests::{HandClock, id_of, noon, open, open_with, pay};
    use crate::till::{REVERSAL_SECONDS, Spent, SyncMode};

    /// A till with a payment of coin 1 and the promise to reverse it.
    fn promised() -> (SimulatedDirectory, HandClock, Till, PaymentId) {
        let (directory, clock) = (SimulatedDirectory::new(), noon());
        let till = open_with(&directory, SyncMode::Os, &clock).unwrap();
        let id = id_of(pay(&[1]).spend(&till).unwrap());
        till.promise_reversal(id).unwrap();
        (directory, clock, till, id)
    }

    fn is_free(till: &Till, coin: u32) -> bool {
        pay(&[coin]).into_another(9).would(till).unwrap().is_none()
    }

    fn waiting(directory: &SimulatedDirectory) -> usize {
        directory.bytes(PROMISES_NAME).map_or(0, |bytes| bytes.len() / PROMISE_SIZE)
    }

    #[test]
    fn a_kept_promise_is_removed() {
        let (directory, _, till, id) = promised();
        assert!(!is_free(&till, 1) && waiting(&directory) == 1);
        assert_eq!(till.reverse(id).unwrap(), Reversal::Reversed);
        assert!(is_free(&till, 1) && waiting(&directory) == 0);
        assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
        assert_eq!(till.totals().reversals, 1);
    }

    #[test]
    fn the_promise_of_a_killed_process_is_kept() {
        let (directory, clock, till, _) = promised();
        drop(till);
        let other = open(&directory, &clock);
        assert!(is_free(&other, 1) && waiting(&directory) == 0);
        let id = id_of(pay(&[1]).into_another(9).spend(&other).unwrap());
        drop(other);
        assert!(!is_free(&open(&directory, &clock), 1), "what was spent since stays spent");
        assert_eq!(open(&directory, &clock).reverse(id).unwrap(), Reversal::Reversed);
    }

    #[test]
    fn a_reversal_that_failed_is_made_later() {
        // Wherever the failure comes, the promise is kept in the end, by this process or the next
        // one.
        for step in 0.. {
            let (directory, clock, till, id) = promised();
            directory.crash_after(step);
            let reversed = till.reverse(id);
            if !directory.has_crashed() {
                assert_eq!((reversed.unwrap(), waiting(&directory)), (Reversal::Reversed, 0));
                assert!(step > 3, "the failures were tested");
                return;
            }
            // The disk works again; the till's lock is as a killed process would have left it.
            directory.go_on();
            if step % 2 == 0 {
                clock.pass(REVERSAL_SECONDS + 1);
            }
            if reversed.is_err() {
                id_of(pay(&[2]).spend(&till).unwrap());
            }
            assert!(is_free(&till, 1), "step {step}, the same process");
            drop(till);
            assert!(is_free(&open(&directory, &clock), 1), "step {step}, another");
            assert_eq!(waiting(&directory), 0, "step {step}");
        }
    }

    #[test]
    fn a_promise_that_cannot_be_written_is_an_error() {
        let (directory, clock) = (SimulatedDirectory::new(), noon());
        let till = open(&directory, &clock);
        let id = id_of(pay(&[1]).spend(&till).unwrap());
        directory.crash_after(0);
        assert!(till.promise_reversal(id).unwrap_err().to_string().contains(PROMISES_NAME));
        directory.go_on();
        assert!(!is_free(&open(&directory, &clock), 1));
    }

    #[test]
    fn a_retry_or_the_age_makes_a_promise_void() {
        let (directory, clock, till, id) = promised();
        assert!(matches!(pay(&[1]).spend(&till).unwrap(), Spent::Retry { .. }));
        assert!(!is_free(&open(&directory, &clock), 1) && waiting(&directory) == 0);
        assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
        let late = id_of(pay(&[2]).spend(&till).unwrap());
        clock.pass(REVERSAL_SECONDS + 1);
        till.promise_reversal(late).unwrap();
        assert!(!is_free(&open(&directory, &clock), 2), "the promise came too late");
    }

    #[test]
    fn invalid_promises_are_skipped() {
        let (directory, clock, till, _) = promised();
        let whole = directory.bytes(PROMISES_NAME).unwrap();
        drop(till);
        let mut flipped = whole.clone();
        flipped[9] ^= 1;
        let elsewhere = Promise { payment: Position { day: 7, offset: 9 }, at: UnixTime(0) };
        let beyond =
            Promise { payment: Position { day: 20_788, offset: 1 << 40 }, at: UnixTime(0) };
        let parts: [&[u8]; 5] =
            [&flipped, &elsewhere.to_bytes(), &beyond.to_bytes(), &whole, &whole[..23]];
        directory.put(PROMISES_NAME, &parts.concat());
        let till = open(&directory, &clock);
        assert!(is_free(&till, 1));
        assert_eq!(directory.bytes(PROMISES_NAME).unwrap().len(), 0);
    }

    #[test]
    fn the_number_of_promises_is_bounded() {
        let (directory, clock, till, id) = promised();
        for _ in 1..PROMISES_MAX {
            till.promise_reversal(id).unwrap();
        }
        assert!(till.promise_reversal(id).is_err());
        assert_eq!(waiting(&directory), PROMISES_MAX);
        assert!(is_free(&open(&directory, &clock), 1) && waiting(&directory) == 0);
        till.promise_reversal(id).unwrap();
    }

    #[test]
    fn promises_of_several_processes_are_all_kept() {
        let (directory, clock) = (SimulatedDirectory::new(), noon());
        let tills = [(); 3].map(|()| open(&directory, &clock));
        for coin in 0..9 {
            let till = &tills[coin as usize % 3];
            till.promise_reversal(id_of(pay(&[coin]).spend(till).unwrap())).unwrap();
        }
        drop(tills);
        let till = open(&directory, &clock);
        assert!((0..9).all(|coin| is_free(&till, coin)) && waiting(&directory) == 0);
    }
}
