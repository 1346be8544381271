//! The users whom this vendor has stopped serving.
//!
//! Input: what the broker's results say, and the file `blocked` in the till's directory. Output:
//! whether a user is blocked. Every process that serves reads the file again within seconds. The
//! invariants: the list acts at this vendor only; it is bounded; a file that cannot be read changes
//! nothing, and the users read before stay blocked.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::reloaded::{Reloaded, Source, stamp_if_present};
use super::users::users_in;
use crate::host::{Directory, Stamp, read_whole, replace_whole};
use crate::identity::{USER_ID_LEN_MAX, UserId};
use crate::time::UnixTime;

/// The file in the till's directory: one User-ID per line, in the order in which they were blocked.
pub const BLOCKED_FILE: &str = "blocked";
/// The largest number of blocked users. Of more, those who were blocked first are served again.
const BLOCKED_USERS_MAX: usize = 65_536;
/// The largest file, in bytes.
const FILE_SIZE_MAX: u64 = (BLOCKED_USERS_MAX * (USER_ID_LEN_MAX + 1)) as u64;

/// The list as a serving process knows it.
pub(super) struct BlockedUsers(Reloaded<TillFile>);

/// The file in the till's directory. Without it nobody is blocked.
struct TillFile(Arc<dyn Directory>);

impl Source for TillFile {
    type Value = BTreeSet<UserId>;
    type Seen = Option<Stamp>;
    type Error = BlockedError;

    const STAYS: &str = "the users read before stay blocked";

    fn look(&self) -> Result<Option<Stamp>, BlockedError> {
        stamp_if_present(self.0.as_ref(), BLOCKED_FILE).map_err(BlockedError)
    }

    fn load(
        &self,
        _: &BTreeSet<UserId>,
        _: &Option<Stamp>,
    ) -> Result<BTreeSet<UserId>, BlockedError> {
        Ok(read(self.0.as_ref()).map_err(BlockedError)?.into_iter().collect())
    }
}

/// An error about the file, for the line to log.
#[derive(Debug, thiserror::Error)]
#[error("{BLOCKED_FILE}: {0}")]
struct BlockedError(io::Error);

impl BlockedUsers {
    /// Reads the list in the till's directory.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub(super) fn open(till: Arc<dyn Directory>, now: UnixTime) -> io::Result<BlockedUsers> {
        let seen = stamp_if_present(till.as_ref(), BLOCKED_FILE)?;
        let users = read(till.as_ref())?.into_iter().collect();
        Ok(BlockedUsers(Reloaded::read(TillFile(till), Arc::new(users), seen, now)))
    }

    /// Whether this user is blocked.
    pub(super) fn contains(&self, user: &UserId) -> bool {
        self.0.with(|users| users.contains(user))
    }

    /// Whether the file is due to be examined; also true after the clock was set back.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        self.0.is_due(now)
    }

    /// Examines the file if that is due, and reads it if it has changed. Returns a new error to
    /// log, if there is one.
    pub(super) fn refresh(&self, now: UnixTime) -> Option<String> {
        self.0.refresh(now)
    }
}

/// Blocks users: adds those to the file who are not in it yet. Call it under the till's lock.
///
/// # Errors
/// The file cannot be read or written. Nothing was changed.
pub(super) fn block(till: &dyn Directory, users: &[UserId]) -> io::Result<()> {
    let mut all = read(till)?;
    let before: BTreeSet<UserId> = all.iter().cloned().collect();
    let added: BTreeSet<&UserId> = users.iter().filter(|user| !before.contains(*user)).collect();
    if added.is_empty() {
        return Ok(());
    }
    all.extend(added.into_iter().cloned());
    let dropped = all.len().saturating_sub(BLOCKED_USERS_MAX);
    let lines: String = all[dropped..].iter().map(|user| format!("{user}\n")).collect();
    replace_whole(till, BLOCKED_FILE, lines.as_bytes())
}

/// The users in the file; none if there is no file.
pub(super) fn read(till: &dyn Directory) -> io::Result<Vec<UserId>> {
    let bytes = match read_whole(till, BLOCKED_FILE, FILE_SIZE_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    users_in(&bytes).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::vendor::reloaded::LOOK_SECONDS;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn names(till: &SimulatedDirectory) -> Vec<String> {
        read(till).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn users_are_added_once_and_running_processes_notice() {
        let till = SimulatedDirectory::new();
        let blocked = BlockedUsers::open(Arc::new(till.clone()), NOW).unwrap();
        block(&till, &[user("mallory"), user("mallory")]).unwrap();
        block(&till, &[user("eve"), user("mallory")]).unwrap();
        assert_eq!(names(&till), ["mallory", "eve"]);
        assert_eq!(blocked.refresh(NOW.plus_seconds(LOOK_SECONDS - 1)), None);
        assert!(!blocked.contains(&user("eve")));
        assert_eq!(blocked.refresh(NOW.plus_seconds(LOOK_SECONDS)), None);
        assert!(blocked.contains(&user("eve")) && !blocked.contains(&user("alice")));
        // A person removes the file: nobody is blocked any more.
        till.remove(BLOCKED_FILE).unwrap();
        assert_eq!(blocked.refresh(NOW.plus_seconds(2 * LOOK_SECONDS)), None);
        assert!(!blocked.contains(&user("eve")));
        let steps = till.steps();
        block(&till, &[]).unwrap();
        assert_eq!(till.steps(), steps, "nothing to write");
    }

    #[test]
    fn what_cannot_be_read_changes_nothing_and_is_told_once() {
        let till = SimulatedDirectory::new();
        block(&till, &[user("eve")]).unwrap();
        let blocked = BlockedUsers::open(Arc::new(till.clone()), NOW).unwrap();
        till.put(BLOCKED_FILE, b"Eve and others\n");
        let told = blocked.refresh(NOW.plus_seconds(5)).unwrap();
        assert!(told.contains("blocked: line 1"), "{told}");
        assert_eq!(blocked.refresh(NOW.plus_seconds(10)), None);
        assert!(blocked.contains(&user("eve")));
        assert!(block(&till, &[user("bob")]).is_err());
        assert!(BlockedUsers::open(Arc::new(till.clone()), NOW).is_err());
        till.put(BLOCKED_FILE, b"bob\n");
        assert_eq!(blocked.refresh(NOW.plus_seconds(15)), None);
        assert!(blocked.contains(&user("bob")) && !blocked.contains(&user("eve")));
    }

    #[test]
    fn the_list_is_bounded() {
        let till = SimulatedDirectory::new();
        let long = |i: usize| user(&format!("{i:040}"));
        let full: String = (0..BLOCKED_USERS_MAX).map(|i| format!("{}\n", long(i))).collect();
        assert_eq!(full.len() as u64, FILE_SIZE_MAX);
        till.put(BLOCKED_FILE, full.as_bytes());
        block(&till, &[long(0)]).unwrap();
        assert_eq!(names(&till)[0], long(0).to_string(), "no user was added");
        block(&till, &[user("eve")]).unwrap();
        let names = names(&till);
        assert_eq!((names.len(), names[0].clone()), (BLOCKED_USERS_MAX, long(1).to_string()));
        assert_eq!(names.last().unwrap(), "eve");
        till.put(BLOCKED_FILE, format!("{full}\n").as_bytes());
        assert!(read(&till).unwrap_err().to_string().contains("at most"));
    }
}
