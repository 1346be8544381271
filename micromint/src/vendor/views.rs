//! Free views: counts the first pages of a visitor on a UTC day, without storing who the visitor
//! was.
//!
//! Input: a visitor's address. Output: whether one more view is free. The counts are in one file in
//! the directory of the till, shared by all processes of all servers under the file's own lock. A
//! visitor is stored as a tag that only the holder of the vendor's secret can compute from an
//! address and a day. The invariant: the file never grows; a visitor without a free entry pays.
//!
//! Nothing is synced: after a power failure some views may be free again.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::authenticator::Key;
use crate::bytes::{Field, from_u64_be};
use crate::error::FileError;
use crate::host::{Directory, File, SharedFile};
use crate::time::{DAY_SECONDS, UnixTime};

/// The largest number of free views of a visitor per day that a server's configuration accepts.
pub const FREE_VIEWS_MAX: u32 = 1_000_000;
/// The name of the file in the directory of the till.
pub(super) const VIEWS_NAME: &str = "free-views";
/// How long before midnight a view may count on the next day, in seconds.
const MIDNIGHT_SECONDS: i64 = 60;
/// The size of the header and of a bucket, in bytes.
const SECTOR: usize = 512;

// The header.
const MAGIC: Field<[u8; 8]> = Field::at(0);
const DAY: Field<i64> = MAGIC.then();
const MAGIC_VALUE: [u8; 8] = *b"MMviews1";

// An entry of a bucket.
const TAG: Field<Tag> = Field::at(0);
const COUNT: Field<u32> = TAG.then();
const ENTRY_SIZE: usize = COUNT.end();
/// The largest number of visitors in one bucket.
const BUCKET_ENTRIES: usize = SECTOR / ENTRY_SIZE;
type Tag = [u8; 12];

/// Space for a million visitors a day in 16 MiB; the file is sparse until they come.
const BUCKETS: u64 = 32_768;

/// The counts of all visitors on one day.
pub(super) struct FreeViews {
    file: SharedFile,
    key: Key,
}

/// What to do with a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// Use it up.
    Count,
    /// Only examine whether it is free; write nothing.
    Look,
    /// Give back a view that was used up.
    GiveBack,
}

impl FreeViews {
    /// The counts kept in `directory`; `key` is the secret of receipts. Nothing is opened yet.
    pub(super) fn new(directory: Arc<dyn Directory>, key: &Key) -> FreeViews {
        let key = Key::from_bytes(key.mac(&[b"micromint free views"]));
        FreeViews { file: SharedFile::new(directory, VIEWS_NAME), key }
    }

    /// Whether `visitor` has seen fewer than `limit` pages free on the day of `now`. With
    /// [`Take::Count`] this view is counted. Also `false` if the visitor's bucket is full.
    ///
    /// # Errors
    /// A file operation failed; the view is not free.
    pub(super) fn take(
        &self,
        visitor: IpAddr,
        limit: u32,
        now: UnixTime,
        take: Take,
    ) -> Result<bool, FileError> {
        self.recount(visitor, now, take, |count| (count < limit).then(|| count + 1))
    }

    /// Gives back a view that was counted at `taken_at` and whose page was not delivered. Returns
    /// whether it was given back, which is impossible once that day is over.
    ///
    /// # Errors
    /// A file operation failed; the view stays used up.
    pub(super) fn give_back(&self, visitor: IpAddr, taken_at: UnixTime) -> Result<bool, FileError> {
        self.recount(visitor, taken_at, Take::GiveBack, |count| count.checked_sub(1))
    }

    /// Under the lock, replaces a visitor's count on the day of `now` with the result of `changed`.
    /// Returns whether there was a result.
    fn recount(
        &self,
        visitor: IpAddr,
        now: UnixTime,
        take: Take,
        changed: impl FnOnce(u32) -> Option<u32>,
    ) -> Result<bool, FileError> {
        self.file.locked(|file| {
            let today = now.0.div_euclid(DAY_SECONDS);
            let soon = now.plus_seconds(MIDNIGHT_SECONDS).0.div_euclid(DAY_SECONDS);
            let day = match read_day(file)? {
                Some(day) if day == today => day,
                // Another process, which read the clock a moment later, has begun the next day. A
                // day that lies further ahead is that of a clock that was wrong.
                Some(day) if day == soon && take != Take::GiveBack => day,
                _ if take == Take::Count => {
                    begin_day(file, today)?;
                    today
                }
                _ => return Ok(changed(0).is_some()),
            };
            let (bucket_at, tag) = self.place(visitor, day);
            let mut bucket = [0; SECTOR];
            file.read_at(&mut bucket, bucket_at)?;
            let Some(entry) = find(&bucket, &tag) else { return Ok(false) };
            let Some(count) = changed(COUNT.get(&bucket[entry..])) else { return Ok(false) };
            if take != Take::Look {
                let mut bytes = [0; ENTRY_SIZE];
                TAG.set(&mut bytes, tag);
                COUNT.set(&mut bytes, count);
                file.write_at(&bytes, bucket_at + entry as u64)?;
            }
            Ok(true)
        })
    }

    /// The offset of the bucket of a visitor, and the visitor's tag.
    fn place(&self, visitor: IpAddr, day: i64) -> (u64, Tag) {
        let mac = self.key.mac(&[day.to_string().as_bytes(), visitor_of(visitor).as_bytes()]);
        let number = from_u64_be(std::array::from_fn(|i| mac[i]));
        (SECTOR as u64 * (1 + number % BUCKETS), std::array::from_fn(|i| mac[8 + i]))
    }
}

/// What counts as one visitor: an IPv4 address, or an IPv6 network of 64 bits, which one customer
/// has.
fn visitor_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            format!("{}/64", Ipv6Addr::from(network))
        }
    }
}

/// The day whose views the file counts; `None` if it counts none yet.
fn read_day(file: &dyn File) -> std::io::Result<Option<i64>> {
    if file.size()? != SECTOR as u64 * (1 + BUCKETS) {
        return Ok(None);
    }
    let mut header = [0; DAY.end()];
    file.read_at(&mut header, 0)?;
    Ok((MAGIC.get(&header) == MAGIC_VALUE).then(|| DAY.get(&header)))
}

/// Removes all counts and begins `day`.
fn begin_day(file: &dyn File, day: i64) -> std::io::Result<()> {
    file.set_size(0)?;
    file.set_size(SECTOR as u64 * (1 + BUCKETS))?;
    let mut header = [0; DAY.end()];
    MAGIC.set(&mut header, MAGIC_VALUE);
    DAY.set(&mut header, day);
    file.write_at(&header, 0)
}

/// The offset of the entry of `tag` in the bucket, or of the first free entry.
fn find(bucket: &[u8; SECTOR], tag: &Tag) -> Option<usize> {
    let entries = || (0..BUCKET_ENTRIES).map(|number| number * ENTRY_SIZE);
    let is_free = |at: &usize| COUNT.get(&bucket[*at..]) == 0;
    let is_its = |at: &usize| !is_free(at) && TAG.get(&bucket[*at..]) == *tag;
    entries().find(is_its).or_else(|| entries().find(is_free))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{DiskDirectory, SimulatedDirectory};

    const NOON: UnixTime = UnixTime(20_000 * DAY_SECONDS + DAY_SECONDS / 2);

    fn views(directory: &SimulatedDirectory) -> FreeViews {
        FreeViews::new(Arc::new(directory.clone()), &Key::from_bytes([9; 32]))
    }

    fn count(views: &FreeViews, visitor: &str, limit: u32, now: UnixTime) -> bool {
        views.take(visitor.parse().unwrap(), limit, now, Take::Count).unwrap()
    }

    #[test]
    fn each_visitor_has_so_many_views_a_day() {
        let directory = SimulatedDirectory::new();
        let (one, other) = (views(&directory), views(&directory));
        assert!(one.take("192.0.2.1".parse().unwrap(), 2, NOON, Take::Look).unwrap());
        assert!(count(&one, "192.0.2.1", 2, NOON));
        assert!(count(&other, "192.0.2.1", 2, NOON));
        assert!(!count(&one, "192.0.2.1", 2, NOON) && !count(&other, "::ffff:192.0.2.1", 2, NOON));
        assert!(!one.take("192.0.2.1".parse().unwrap(), 2, NOON, Take::Look).unwrap());
        assert!(count(&one, "192.0.2.1", 3, NOON), "another place gives more");
        assert!(count(&one, "192.0.2.2", 1, NOON));
        assert!(!count(&one, "192.0.2.3", 0, NOON));
        assert!(count(&one, "2001:db8:0:1::1", 1, NOON));
        assert!(!count(&one, "2001:db8:0:1:ffff::2", 1, NOON), "one network is one visitor");
        assert!(count(&one, "2001:db8:0:2::1", 1, NOON));
    }

    #[test]
    fn a_view_that_is_given_back_can_be_taken_again_on_its_day() {
        let directory = SimulatedDirectory::new();
        let views = views(&directory);
        let visitor: IpAddr = "192.0.2.1".parse().unwrap();
        assert!(!views.give_back(visitor, NOON).unwrap(), "nothing was taken");
        assert!(count(&views, "192.0.2.1", 1, NOON));
        assert!(views.give_back(visitor, NOON).unwrap());
        assert!(!views.give_back(visitor, NOON).unwrap(), "once");
        assert!(count(&views, "192.0.2.1", 1, NOON) && !count(&views, "192.0.2.1", 1, NOON));
        let tomorrow = NOON.plus_seconds(DAY_SECONDS / 2);
        assert!(count(&views, "192.0.2.1", 1, tomorrow));
        assert!(!views.give_back(visitor, NOON).unwrap(), "its day is over");
        assert!(!count(&views, "192.0.2.1", 1, tomorrow));
    }

    #[test]
    fn an_entry_that_became_free_hides_none_behind_it() {
        let directory = SimulatedDirectory::new();
        let views = views(&directory);
        let crowd = crowd(&views, 3);
        let taken = |address: &IpAddr| views.take(*address, 1, NOON, Take::Count).unwrap();
        assert!(crowd[..2].iter().all(taken));
        assert!(views.give_back(crowd[0], NOON).unwrap());
        assert!(!taken(&crowd[1]), "its view is used up");
        assert!(taken(&crowd[2]) && taken(&crowd[0]) && !crowd.iter().any(taken));
    }

    /// Visitors that are counted in one bucket.
    fn crowd(views: &FreeViews, size: usize) -> Vec<IpAddr> {
        let addresses = (0..u32::MAX).map(|number| IpAddr::from(std::net::Ipv4Addr::from(number)));
        let day = NOON.0.div_euclid(DAY_SECONDS);
        addresses
            .filter(|address| views.place(*address, day).0 == SECTOR as u64)
            .take(size)
            .collect()
    }

    #[test]
    fn a_day_is_forgotten_with_the_next() {
        let directory = SimulatedDirectory::new();
        let views = views(&directory);
        let tomorrow = NOON.plus_seconds(DAY_SECONDS / 2);
        assert!(count(&views, "192.0.2.1", 1, NOON));
        assert!(!count(&views, "192.0.2.1", 1, tomorrow.plus_seconds(-1)));
        assert!(count(&views, "192.0.2.1", 1, tomorrow));
        let before = |seconds: i64| tomorrow.plus_seconds(-seconds);
        assert!(
            !count(&views, "192.0.2.1", 1, before(MIDNIGHT_SECONDS)),
            "a clock a moment behind stays on the new day"
        );
        assert!(!count(&views, "192.0.2.1", 1, tomorrow));
        assert!(
            count(&views, "192.0.2.1", 1, before(MIDNIGHT_SECONDS + 1)),
            "a clock that was a day ahead is believed"
        );
        assert!(!count(&views, "192.0.2.1", 1, NOON));
        let weeks_ago = NOON.plus_seconds(-14 * DAY_SECONDS);
        assert!(count(&views, "192.0.2.1", 1, weeks_ago), "a clock that was wrong is believed");
    }

    #[test]
    fn the_file_keeps_its_size_and_no_address() {
        let directory = SimulatedDirectory::new();
        let views = views(&directory);
        assert!(count(&views, "192.0.2.1", 9, NOON));
        let before = directory.bytes(VIEWS_NAME).unwrap();
        assert!(count(&views, "192.0.2.1", 9, NOON));
        let after = directory.bytes(VIEWS_NAME).unwrap();
        assert_eq!((before.len(), after.len()), (SECTOR * 32_769, SECTOR * 32_769));
        let changed = before.iter().zip(&after).filter(|(one, other)| one != other).count();
        assert_eq!(changed, 1, "the count alone");
        let needle = [192, 0, 2, 1];
        assert!(!after.windows(4).any(|bytes| bytes == needle));
    }

    #[test]
    fn who_finds_no_place_pays() {
        let directory = SimulatedDirectory::new();
        let views = views(&directory);
        let crowd = crowd(&views, BUCKET_ENTRIES + 1);
        let taken = |address: &IpAddr| views.take(*address, 1, NOON, Take::Count).unwrap();
        assert!(crowd[..BUCKET_ENTRIES].iter().all(taken));
        assert!(!taken(&crowd[BUCKET_ENTRIES]));
    }

    #[test]
    fn another_file_is_begun_anew_and_a_deleted_one_made_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(VIEWS_NAME), b"something else").unwrap();
        let views =
            FreeViews::new(Arc::new(DiskDirectory::new(folder.path())), &Key::from_bytes([9; 32]));
        assert!(count(&views, "192.0.2.1", 1, NOON));
        assert!(!count(&views, "192.0.2.1", 1, NOON));
        std::fs::remove_file(folder.path().join(VIEWS_NAME)).unwrap();
        assert!(count(&views, "192.0.2.1", 1, NOON));
        assert!(!count(&views, "192.0.2.1", 1, NOON));
    }

    #[test]
    fn threads_and_processes_share_one_count() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::from_bytes([9; 32]);
        let taken = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let views = FreeViews::new(Arc::new(DiskDirectory::new(folder.path())), &key);
                    for _ in 0..50 {
                        let is_free = count(&views, "192.0.2.1", 60, NOON);
                        taken.fetch_add(is_free.into(), std::sync::atomic::Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 60);
    }

    #[test]
    fn a_disk_that_fails_makes_nothing_free() {
        let directory = SimulatedDirectory::new();
        let views = views(&directory);
        directory.crash_after(0);
        let error = views.take("192.0.2.1".parse().unwrap(), 1, NOON, Take::Count).unwrap_err();
        assert!(error.to_string().contains("free-views"), "{error}");
    }
}
