//! The price list in use, kept up to date with its file.
//!
//! Input: the file. Output: the list. A file that is replaced takes effect within seconds, without
//! a reload of the server. The invariants: a file that cannot be used changes nothing, so the
//! prices read before stay in use, which is reported once and shown by a gauge; asking for the list
//! never waits for the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::ListPrice;
use super::list::PriceList;
use crate::host::{Clock, Directory, DiskDirectory, Stamp};
use crate::money::Money;
use crate::time::UnixTime;
use crate::toml_file::TomlError;
use crate::vendor::bots::Bots;
use crate::vendor::config::VendorConfig;
use crate::vendor::exempt::Exemptions;
use crate::vendor::origin::PublicRoot;
use crate::vendor::reloaded::{Reloaded, Source, is_past};
use crate::vendor::request::Request;

/// The price list in use.
pub(in crate::vendor) struct Prices {
    list: Reloaded<ListFile>,
    bots: Bots,
    /// When a request that needs no disk was last made to wait for an examination.
    delayed_at: AtomicI64,
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

    fn list(&self) -> Result<PriceList, TomlError> {
        PriceList::load_in(self.directory.as_ref(), &self.name, &self.roots, self.coin_value)
    }
}

impl Source for ListFile {
    type Value = PriceList;
    type Seen = Stamp;
    type Error = TomlError;

    const STAYS: &str = "the prices read before stay in use";

    fn look(&self) -> Result<Stamp, TomlError> {
        self.directory.stamp(&self.name).map_err(|error| {
            TomlError::unreadable(&error).in_file(&self.directory.path().join(&self.name))
        })
    }

    fn load(&self, _: &PriceList, _: &Stamp) -> Result<PriceList, TomlError> {
        self.list()
    }
}

impl Prices {
    /// This list, which never changes.
    pub(in crate::vendor) fn fixed(list: PriceList, bots: Bots) -> Prices {
        Prices::with(Reloaded::fixed(Arc::new(list)), bots, UnixTime(0))
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
        let seen = file.look()?;
        let list = Arc::new(file.list()?);
        Ok(Prices::with(Reloaded::read(file, list, seen, now), bots, now))
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
        Prices::with(Reloaded::inherited(file, list), bots, UnixTime(0))
    }

    fn with(list: Reloaded<ListFile>, bots: Bots, now: UnixTime) -> Prices {
        Prices { list, bots, delayed_at: AtomicI64::new(now.0) }
    }

    /// The list in use.
    pub(in crate::vendor) fn current(&self) -> Arc<PriceList> {
        self.list.current()
    }

    /// How bots are told from readers, for a process that is forked later.
    pub(in crate::vendor) fn bots(&self) -> &Bots {
        &self.bots
    }

    /// Whether prices depend on who asks, so that the fields of a request matter.
    pub(in crate::vendor) fn has_bot_prices(&self) -> bool {
        self.list.with(|list| list.has_bot_prices())
    }

    /// What the list says to the client that asks, about the page that a request is for; see
    /// [`PriceList::find`].
    pub(in crate::vendor) fn find(
        &self,
        request: &Request<'_>,
        exemptions: Exemptions,
        clock: &dyn Clock,
    ) -> Option<ListPrice> {
        let list = self.current();
        let asker = || self.bots.asker(request, list.root(request), clock);
        list.find_for(request, exemptions, asker)
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
        self.list.is_due(now)
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
        self.list.is_stale()
    }

    /// Examines the file if that is due, and reads it if it has changed. Returns a new error to
    /// log, if there is one. Waits for the disk.
    pub(in crate::vendor) fn refresh(&self, now: UnixTime) -> Option<String> {
        if !self.is_due(now) {
            return None;
        }
        let errors = [self.list.refresh(now), self.bots.refresh(now)];
        let errors: Vec<String> = errors.into_iter().flatten().collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::vendor::bots::{BotKeys, BotSettings};
    use crate::vendor::reloaded::{AGAIN_SECONDS, LOOK_SECONDS};
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
        prices.current().find(&request, Exemptions::Apply).unwrap().coins
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
