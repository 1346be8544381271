//! A value that is read from files and kept up to date with them.
//!
//! Input: a [`Source`], which says how files are examined and read. Output: the value in use. Files
//! that are replaced take effect within seconds, without a reload of the server. The invariants:
//! files that cannot be examined or read change nothing, which is reported once; asking for the
//! value never waits for the disk.

use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::host::{Directory, Stamp};
use crate::time::UnixTime;

/// How often the files are examined, in seconds.
pub(super) const LOOK_SECONDS: i64 = 5;
/// How long to wait before unreadable files that have not changed are read again, in seconds.
pub(super) const AGAIN_SECONDS: i64 = 60;

/// The files of a value.
pub(super) trait Source {
    type Value;
    /// Identifies a state of the files, without reading them.
    type Seen: PartialEq;
    type Error: Display;

    /// What stays in use after an error, for the line to log.
    const STAYS: &str;

    /// The state of the files. A file that may be absent is not an error if it is.
    fn look(&self) -> Result<Self::Seen, Self::Error>;

    /// Reads the files, which were seen in this state. `before` is the value in use.
    fn load(&self, before: &Self::Value, seen: &Self::Seen) -> Result<Self::Value, Self::Error>;

    /// What to use instead of `before`, if anything, after files in this state could not be read.
    fn after_failure(&self, _before: &Self::Value, _seen: &Self::Seen) -> Option<Self::Value> {
        None
    }
}

/// A value in use.
pub(super) struct Reloaded<S: Source> {
    /// `None` if the value was passed in and never changes.
    source: Option<S>,
    current: RwLock<Arc<S::Value>>,
    looked_at: AtomicI64,
    /// Whether the last examination failed.
    is_stale: AtomicBool,
    last: Mutex<Last<S::Seen>>,
}

/// What the last examinations found.
struct Last<Seen> {
    /// The state in which the files were read; `None` if this process has not read them.
    read: Option<Seen>,
    failed: Option<Failed<Seen>>,
}

/// Files that could not be read.
struct Failed<Seen> {
    /// `None` if they could not even be examined.
    seen: Option<Seen>,
    reason: String,
    at: UnixTime,
}

impl<S: Source> Reloaded<S> {
    /// This value, which never changes.
    pub(super) fn fixed(value: Arc<S::Value>) -> Reloaded<S> {
        Reloaded::new(None, value, None, UnixTime(0))
    }

    /// A value that was read at `now` from files in the state `seen`. The state is taken before the
    /// reading, so that a change made meanwhile is found the next time.
    pub(super) fn read(
        source: S,
        value: Arc<S::Value>,
        seen: S::Seen,
        now: UnixTime,
    ) -> Reloaded<S> {
        Reloaded::new(Some(source), value, Some(seen), now)
    }

    /// A value that another process read before it forked this one. The files are due to be read
    /// at once.
    pub(super) fn inherited(source: Option<S>, value: Arc<S::Value>) -> Reloaded<S> {
        Reloaded::new(source, value, None, UnixTime(0))
    }

    fn new(
        source: Option<S>,
        value: Arc<S::Value>,
        read: Option<S::Seen>,
        now: UnixTime,
    ) -> Reloaded<S> {
        Reloaded {
            source,
            current: RwLock::new(value),
            looked_at: AtomicI64::new(now.0),
            is_stale: AtomicBool::new(false),
            last: Mutex::new(Last { read, failed: None }),
        }
    }

    /// The files; `None` if the value never changes.
    pub(super) fn source(&self) -> Option<&S> {
        self.source.as_ref()
    }

    /// The value in use.
    pub(super) fn current(&self) -> Arc<S::Value> {
        self.with(Arc::clone)
    }

    /// What `of` takes from the value in use. The lock is held meanwhile, so it must be short.
    pub(super) fn with<R>(&self, of: impl FnOnce(&Arc<S::Value>) -> R) -> R {
        of(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, value: S::Value) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }

    /// Whether the files are due to be examined; also true after the clock was set back.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        self.source.is_some() && is_past(&self.looked_at, now)
    }

    /// Whether the value in use is older than the files, because the last examination failed.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }

    /// Examines the files if that is due, and reads them if they have changed. Returns a new error
    /// to log, if there is one. Waits for the disk.
    pub(super) fn refresh(&self, now: UnixTime) -> Option<String> {
        let source = self.source.as_ref().filter(|_| self.is_due(now))?;
        // Another thread is refreshing.
        let mut last = self.last.try_lock().ok()?;
        self.looked_at.store(now.0, Ordering::Relaxed);
        let seen = source.look();
        if let (Ok(seen), Some(failed)) = (&seen, &last.failed)
            && failed.seen.as_ref() == Some(seen)
            && (failed.at..failed.at.plus_seconds(AGAIN_SECONDS)).contains(&now)
        {
            return None;
        }
        let (seen, error) = match seen {
            Err(error) => (None, Some(error)),
            Ok(seen) if last.read.as_ref() == Some(&seen) => (Some(seen), None),
            Ok(seen) => {
                let before = self.current();
                let loaded = source.load(&before, &seen);
                let (value, error) = match loaded {
                    Ok(value) => (Some(value), None),
                    Err(error) => (source.after_failure(&before, &seen), Some(error)),
                };
                value.into_iter().for_each(|value| self.replace(value));
                (Some(seen), error)
            }
        };
        self.is_stale.store(error.is_some(), Ordering::Relaxed);
        let Some(error) = error else {
            *last = Last { read: seen, failed: None };
            return None;
        };
        let reason = format!("{error}; {}", S::STAYS);
        let is_new = last.failed.as_ref().is_none_or(|failed| failed.reason != reason);
        last.failed = Some(Failed { seen, reason: reason.clone(), at: now });
        is_new.then_some(reason)
    }
}

/// Whether `at` is [`LOOK_SECONDS`] or more before `now`, or after it.
pub(super) fn is_past(at: &AtomicI64, now: UnixTime) -> bool {
    let at = at.load(Ordering::Relaxed);
    !(at..at.saturating_add(LOOK_SECONDS)).contains(&now.0)
}

/// The stamp of a file; `None` if there is no such file.
///
/// # Errors
/// It cannot be told: only the answer that nothing has this name counts as absence, so that a
/// process that may no longer look into the folder does not take its files for deleted.
pub(super) fn stamp_if_present(directory: &dyn Directory, name: &str) -> io::Result<Option<Stamp>> {
    match directory.stamp(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        stamp => stamp.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    /// A number that is its own state. Odd numbers cannot be read.
    #[derive(Default)]
    struct Number {
        /// `None` if it cannot be examined.
        found: Mutex<Option<u32>>,
        loads: AtomicUsize,
    }

    impl Source for Number {
        type Value = u32;
        type Seen = u32;
        type Error = String;

        const STAYS: &str = "the number read before stays in use";

        fn look(&self) -> Result<u32, String> {
            self.found.lock().unwrap().ok_or_else(|| "cannot be examined".to_string())
        }

        fn load(&self, _: &u32, seen: &u32) -> Result<u32, String> {
            self.loads.fetch_add(1, Ordering::Relaxed);
            if seen.is_multiple_of(2) { Ok(*seen) } else { Err(format!("{seen} is odd")) }
        }

        /// Of 99 something counts all the same.
        fn after_failure(&self, before: &u32, seen: &u32) -> Option<u32> {
            (*seen == 99).then_some(before + 1000)
        }
    }

    impl Reloaded<Number> {
        fn two() -> Reloaded<Number> {
            Reloaded::read(Number::default(), Arc::new(2), 2, NOW)
        }

        /// What is logged after so many seconds with this number, and what is in use then.
        fn at(&self, seconds: i64, found: Option<u32>) -> (Option<String>, u32) {
            *self.source().unwrap().found.lock().unwrap() = found;
            (self.refresh(NOW.plus_seconds(seconds)), *self.current())
        }

        fn loads(&self) -> usize {
            self.source().unwrap().loads.load(Ordering::Relaxed)
        }
    }

    fn told(what: &str) -> Option<String> {
        Some(format!("{what}; the number read before stays in use"))
    }

    #[test]
    fn a_change_takes_effect_when_the_files_are_due() {
        let number = Reloaded::two();
        assert_eq!(number.at(LOOK_SECONDS - 1, Some(4)), (None, 2));
        assert_eq!(number.at(LOOK_SECONDS, Some(4)), (None, 4));
        assert_eq!(number.at(2 * LOOK_SECONDS, Some(4)), (None, 4));
        assert_eq!(number.loads(), 1, "what has not changed is not read again");
        assert_eq!(number.at(0, Some(6)), (None, 6), "the clock was set back");
        let child = Reloaded::inherited(Some(Number::default()), number.current());
        assert_eq!(child.at(0, Some(6)), (None, 6));
        assert_eq!(child.loads(), 1, "a process reads once itself");
        let fixed = Reloaded::<Number>::fixed(Arc::new(2));
        assert!(!fixed.is_due(UnixTime(i64::MAX)) && fixed.refresh(UnixTime(i64::MAX)).is_none());
    }

    #[test]
    fn a_failure_is_told_once_and_tried_again_later() {
        let number = Reloaded::two();
        assert_eq!(number.at(5, Some(3)), (told("3 is odd"), 2));
        assert!(number.is_stale());
        assert_eq!(number.at(5 + AGAIN_SECONDS - 1, Some(3)), (None, 2));
        assert_eq!(number.loads(), 1, "too soon");
        assert_eq!(number.at(5 + AGAIN_SECONDS + 4, Some(3)), (None, 2));
        assert_eq!(number.loads(), 2);
        assert_eq!(number.at(80, None), (told("cannot be examined"), 2));
        assert_eq!(number.at(85, None), (None, 2));
        assert_eq!(number.at(90, Some(2)), (None, 2));
        assert!(!number.is_stale() && number.loads() == 2, "2 was read before");
        assert_eq!(number.at(95, Some(99)), (told("99 is odd"), 1002));
        // A clock that was ahead delays no second attempt.
        assert_eq!(number.at(1_000_000, Some(5)), (told("5 is odd"), 1002));
        let loads = number.loads();
        assert_eq!(number.at(100, Some(5)), (None, 1002));
        assert_eq!(number.loads(), loads + 1);
    }
}
