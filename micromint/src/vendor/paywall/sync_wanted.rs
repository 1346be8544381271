//! The sign that the broker should be asked for new owners.
//!
//! Input: a payment that is refused with `not-yet-known`. Output: a file in the till's directory
//! whose content is the time; a program that fetches the owners file watches it. The invariant: all
//! processes together write it at most once in [`WANT_SECONDS`].

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::host::{Directory, Open};
use crate::time::UnixTime;

/// The file in the till's directory.
pub const SYNC_WANTED_FILE: &str = "sync-wanted";
/// The shortest time between two signs, in seconds.
const WANT_SECONDS: i64 = 5;
/// The length of the content, such as `2026-12-10T12:00:00Z` and a line end.
const CONTENT_LEN: usize = 21;

/// When this process last gave the sign.
#[derive(Debug, Default)]
pub(super) struct SyncWanted(AtomicI64);

impl SyncWanted {
    /// Gives the sign, unless any process gave it a moment ago.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn want(&self, till: &dyn Directory, now: UnixTime) -> io::Result<()> {
        let is_recent = |at: i64| (at..at.saturating_add(WANT_SECONDS)).contains(&now.0);
        let before = self.0.swap(now.0, Ordering::Relaxed);
        if is_recent(before) {
            self.0.store(before, Ordering::Relaxed);
            return Ok(());
        }
        let file = till.open(SYNC_WANTED_FILE, Open::Create)?;
        let mut content = [0; CONTENT_LEN];
        if file.size()? >= CONTENT_LEN as u64 {
            file.read_at(&mut content, 0)?;
        }
        let written = std::str::from_utf8(&content)
            .ok()
            .and_then(|text| text.trim_end().parse::<UnixTime>().ok());
        if written.is_some_and(|written| is_recent(written.0)) {
            return Ok(());
        }
        file.write_at(format!("{now}\n").as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SimulatedDirectory;

    #[test]
    fn the_sign_is_given_at_most_once_in_five_seconds_by_all_processes() {
        let till = SimulatedDirectory::new();
        let start: UnixTime = "2026-12-10T12:00:00Z".parse().unwrap();
        let (one, other) = (SyncWanted::default(), SyncWanted::default());
        let content = || {
            let file = till.open(SYNC_WANTED_FILE, Open::Read).unwrap();
            let mut bytes = vec![0; file.size().unwrap() as usize];
            file.read_at(&mut bytes, 0).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        for (who, after, expected) in [
            (&one, 0, "2026-12-10T12:00:00Z\n"),
            (&one, 4, "2026-12-10T12:00:00Z\n"),
            (&other, 4, "2026-12-10T12:00:00Z\n"),
            (&one, 5, "2026-12-10T12:00:05Z\n"),
            (&one, 9, "2026-12-10T12:00:05Z\n"),
            (&other, 10, "2026-12-10T12:00:10Z\n"),
            // The clock was set back.
            (&one, 3, "2026-12-10T12:00:03Z\n"),
        ] {
            who.want(&till, start.plus_seconds(after)).unwrap();
            assert_eq!(content(), expected, "{after}");
        }
    }
}
