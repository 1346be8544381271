//! The price list in use, kept up to date with its file.
//!
//! Input: the file. Output: the list. A file that is replaced takes effect within seconds, without
//! a reload of the server. The invariants: a file that cannot be used changes nothing, so the
//! prices read before stay in use, which is reported once and shown by a gauge; asking for the list
//! never waits for the disk.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::ListPrice;
use super::list::PriceList;
use crate::host::{Clock, Directory, DiskDirectory, Stamp};
use crate::money::Money;
use crate::time::UnixTime;
use crate::toml_file::TomlError;
use crate::vendor::bots::Bots;
use crate::vendor::config::VendorConfig;
use crate::vendor::origin::PublicRoot;
use crate::vendor::request::Request;

/// How often the file is examined, in seconds.
pub(in crate::vendor) const LOOK_SECONDS: i64 = 5;
/// How long to wait before an unusable file that has not changed is read again, in seconds.
const AGAIN_SECONDS: i64 = 60;

/// The price list in use.
pub(in crate::vendor) struct Prices {
    current: RwLock<Arc<PriceList>>,
    /// `None` if the list was passed in and never changes.
    file: Option<ListFile>,
    bots: Bots,
    /// Whether the list in use has prices for bots.
    has_bot_prices: AtomicBool,
    looked_at: AtomicI64,
    /// When a request that needs no disk was last made to wait for an examination.
    delayed_at: AtomicI64,
    is_stale: AtomicBool,
    read: Mutex<Read>,
}

struct ListFile {
    directory: Box<dyn Directory>,
    name: String,
    roots: Vec<PublicRoot>,
    coin_value: Option<Money>,
}

impl ListFile {
    fn new(directory: Box<dyn Directory>, name: String, config: &VendorConfig) -> ListFile {
        let (roots, coin_value) = (config.origins().to_vec(), config.coin_value());
        ListFile { directory, name, roots, coin_value }
    }

    fn load(&self) -> Result<PriceList, TomlError> {
        PriceList::load_in(self.directory.as_ref(), &self.name, &self.roots, self.coin_value)
    }
}

/// The file as it was last read.
#[derive(Default)]
struct Read {
    stamp: Option<Stamp>,
    failed: Option<Failed>,
}

/// A file that could not be used.
struct Failed {
    stamp: Option<Stamp>,
    reason: String,
    at: UnixTime,
}

impl Prices {
    /// This list, which never changes.
    pub(in crate::vendor) fn fixed(list: PriceList, bots: Bots) -> Prices {
        Prices::with(Arc::new(list), None, bots, UnixTime(0), None)
    }

    /// The list of the vendor with this configuration, at `path`.
    ///
    /// # Errors
    /// The errors of [`PriceList::load`].
    pub(in crate::vendor) fn open_on_disk(
        path: &Path,
        config: &VendorConfig,
        bots: Bots,
        now: UnixTime,
    ) -> Result<Prices, TomlError> {
        let (directory, name) = DiskDirectory::of_file(path)
            .map_err(|error| TomlError::unreadable(&error).in_file(path))?;
        Prices::open(ListFile::new(Box::new(directory), name, config), bots, now)
            .map_err(|error| error.in_file(path))
    }

    fn open(file: ListFile, bots: Bots, now: UnixTime) -> Result<Prices, TomlError> {
        // Before the reading, so that a change made meanwhile is found the next time.
        let stamp = file.directory.stamp(&file.name).ok();
        let list = file.load()?;
        Ok(Prices::with(Arc::new(list), Some(file), bots, now, stamp))
    }

    /// The list at `path` for a process that was forked after `list` was read from there by this
    /// configuration. Reads nothing: the first examination is due at once.
    pub(in crate::vendor) fn inherited(
        path: &Path,
        config: &VendorConfig,
        list: Arc<PriceList>,
        bots: Bots,
    ) -> Prices {
        let file = DiskDirectory::of_file(path)
            .ok()
            .map(|(directory, name)| ListFile::new(Box::new(directory), name, config));
        Prices::with(list, file, bots, UnixTime(0), None)
    }

    fn with(
        list: Arc<PriceList>,
        file: Option<ListFile>,
        bots: Bots,
        now: UnixTime,
        stamp: Option<Stamp>,
    ) -> Prices {
        Prices {
            has_bot_prices: AtomicBool::new(list.has_bot_prices()),
            current: RwLock::new(list),
            file,
            bots,
            looked_at: AtomicI64::new(now.0),
            delayed_at: AtomicI64::new(now.0),
            is_stale: AtomicBool::new(false),
            read: Mutex::new(Read { stamp, failed: None }),
        }
    }

    /// The list in use.
    pub(in crate::vendor) fn current(&self) -> Arc<PriceList> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How bots are told from readers, for a process that is forked later.
    pub(in crate::vendor) fn bots(&self) -> &Bots {
        &self.bots
    }

    /// Whether prices depend on who asks, so that the fields of a request matter.
    pub(in crate::vendor) fn has_bot_prices(&self) -> bool {
        self.has_bot_prices.load(Ordering::Relaxed)
    }

    /// What the list says to the client that asks, about the page that a request is for; see
    /// [`PriceList::find`].
    pub(in crate::vendor) fn find(
        &self,
        request: &Request<'_>,
        has_exemptions: bool,
        clock: &dyn Clock,
    ) -> Option<ListPrice> {
        let list = self.current();
        let asker = || self.bots.asker(request, list.root(request), clock);
        list.find_for(request, has_exemptions, asker)
    }

    /// The same about a path that a server decoded, without a query.
    pub(in crate::vendor) fn find_decoded(
        &self,
        path: &[u8],
        request: &Request<'_>,
        clock: &dyn Clock,
    ) -> Option<ListPrice> {
        let list = self.current();
        let asker = || self.bots.asker(request, list.root(request), clock);
        list.find_decoded(path, request, asker)
    }

    /// Whether the file is due to be examined; also true after the clock was set back.
    pub(in crate::vendor) fn is_due(&self, now: UnixTime) -> bool {
        self.file.is_some() && is_past(&self.looked_at, now)
    }

    /// Whether a request that needs no disk must wait for an examination that is due: one request
    /// of a process is enough, for which [`Prices::delay`] is called.
    pub(in crate::vendor) fn delays(&self, now: UnixTime) -> bool {
        self.is_due(now) && is_past(&self.delayed_at, now)
    }

    /// A request waits for an examination.
    pub(in crate::vendor) fn delay(&self, now: UnixTime) {
        self.delayed_at.store(now.0, Ordering::Relaxed);
    }

    /// Whether the file could not be used when it was last examined.
    pub(in crate::vendor) fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }

    /// Examines the file if that is due, and reads it if it has changed. Returns a new error to
    /// log, if there is one. Waits for the disk.
    pub(in crate::vendor) fn refresh(&self, now: UnixTime) -> Option<String> {
        let file = self.file.as_ref().filter(|_| self.is_due(now))?;
        // Another thread is refreshing.
        let mut read = self.read.try_lock().ok()?;
        self.looked_at.store(now.0, Ordering::Relaxed);
        let errors = [self.refresh_list(file, &mut read, now), self.bots.refresh()];
        let errors: Vec<String> = errors.into_iter().flatten().collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    fn refresh_list(&self, file: &ListFile, read: &mut Read, now: UnixTime) -> Option<String> {
        let stamp = file.directory.stamp(&file.name).ok();
        let is_known = |failed: &Failed| {
            failed.stamp == stamp
                && (failed.at..failed.at.plus_seconds(AGAIN_SECONDS)).contains(&now)
        };
        if read.failed.as_ref().is_some_and(is_known) {
            return None;
        }
        if stamp.is_some() && stamp == read.stamp {
            read.failed = None;
            self.is_stale.store(false, Ordering::Relaxed);
            return None;
        }
        match file.load() {
            Ok(list) => {
                self.has_bot_prices.store(list.has_bot_prices(), Ordering::Relaxed);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
                *read = Read { stamp, failed: None };
                self.is_stale.store(false, Ordering::Relaxed);
                None
            }
            Err(error) => {
                let reason = format!("{error}; the prices read before stay in use");
                let is_new = read.failed.as_ref().is_none_or(|failed| failed.reason != reason);
                read.failed = Some(Failed { stamp, reason: reason.clone(), at: now });
                self.is_stale.store(true, Ordering::Relaxed);
                is_new.then_some(reason)
            }
        }
    }
}

/// Whether `at` is [`LOOK_SECONDS`] or more before `now`, or after it.
fn is_past(at: &AtomicI64, now: UnixTime) -> bool {
    let at = at.load(Ordering::Relaxed);
    !(at..at.saturating_add(LOOK_SECONDS)).contains(&now.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::vendor::bots::{BotKeys, BotSettings};
    use crate::vendor::request::Request;

    const NOW: UnixTime = UnixTime(1_000_000);

    fn list(coins: u32) -> String {
        format!("[[price]]\npath = '/x'\ncoins = {coins}\n")
    }

    fn open(directory: &SimulatedDirectory) -> Prices {
        let roots = ["https://news.example".parse().unwrap()];
        let (directory, name) = (Box::new(directory.clone()), "prices.toml".to_string());
        let file = ListFile { directory, name, roots: roots.into(), coin_value: None };
        Prices::open(file, no_bots(), NOW).unwrap()
    }

    fn no_bots() -> Bots {
        Bots::fixed(BotSettings::default(), BotKeys::default())
    }

    fn coins(prices: &Prices) -> u32 {
        let request = Request { target: b"/x", ..Request::default() };
        prices.current().find(&request, true).unwrap().coins
    }

    #[test]
    fn a_new_file_takes_effect_within_seconds() {
        let directory = SimulatedDirectory::new();
        directory.put("prices.toml", list(1).as_bytes());
        let prices = open(&directory);
        directory.put("prices.toml", list(2).as_bytes());
        let at = |seconds: i64| NOW.plus_seconds(seconds);
        assert!(!prices.is_due(at(LOOK_SECONDS - 1)));
        assert_eq!((prices.refresh(at(LOOK_SECONDS - 1)), coins(&prices)), (None, 1));
        assert!(prices.delays(at(LOOK_SECONDS)));
        prices.delay(at(LOOK_SECONDS));
        assert!(!prices.delays(at(LOOK_SECONDS)), "one request is enough");
        assert_eq!((prices.refresh(at(LOOK_SECONDS)), coins(&prices)), (None, 2));
        assert!(!prices.is_due(at(LOOK_SECONDS)) && prices.is_due(at(0)), "set back");
    }

    #[test]
    fn a_broken_file_keeps_the_prices_and_is_reported_once() {
        let directory = SimulatedDirectory::new();
        directory.put("prices.toml", list(1).as_bytes());
        let prices = open(&directory);
        let mut now = NOW;
        let mut refreshed = |seconds: i64| {
            now = now.plus_seconds(seconds);
            let line = prices.refresh(now).unwrap_or_default();
            (line, prices.is_stale(), coins(&prices))
        };
        directory.put("prices.toml", list(501).as_bytes());
        let (line, is_stale, price) = refreshed(LOOK_SECONDS);
        assert!(line.contains("prices.toml:3:9: coins: expected a price from 0 to 500"), "{line}");
        assert!(line.ends_with("; the prices read before stay in use") && is_stale);
        assert_eq!(price, 1);
        assert_eq!(refreshed(LOOK_SECONDS), (String::new(), true, 1));
        assert_eq!(refreshed(AGAIN_SECONDS), (String::new(), true, 1));
        directory.put("prices.toml", b"");
        let (line, _, price) = refreshed(LOOK_SECONDS);
        assert!(line.contains("missing key `price`"), "{line}");
        assert_eq!(price, 1, "an empty file makes nothing free");
        directory.remove("prices.toml").unwrap();
        let (line, is_stale, price) = refreshed(LOOK_SECONDS);
        assert!(line.contains("cannot be read") && is_stale, "{line}");
        assert_eq!(price, 1);
        directory.put("prices.toml", list(3).as_bytes());
        assert_eq!(refreshed(LOOK_SECONDS), (String::new(), false, 3));
    }

    #[test]
    fn a_list_that_was_passed_in_never_changes() {
        let roots = ["https://news.example".parse().unwrap()];
        let prices = Prices::fixed(PriceList::parse(&list(1), &roots, None).unwrap(), no_bots());
        assert!(!prices.is_due(UnixTime(i64::MAX)) && prices.refresh(UnixTime(0)).is_none());
    }
}
