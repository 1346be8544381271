//! A vendor in a serving process: its configuration and its paywall, which is reopened after it
//! failed to record.
//!
//! Input: a configuration file, then requests. Output: decisions. The invariants: a process opens
//! the paywall after the fork, since the till's locks do not exclude processes that share open
//! files; while nothing can be recorded, prices are still answered and receipts still open pages;
//! after a failure the till is reopened at most once a second.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::accepted::{Accepted, KnownLists};
use super::answer::unavailable;
use super::config::VendorConfig;
use super::config_error::ConfigError;
use super::decision::Decision;
use super::exempt::Exemptions;
use super::manifest::OwnDocument;
use super::metrics::Gauges;
use super::paywall::{Owner, Paywall, PaywallError, at_list_price, open_prices};
use super::price::{Price, PriceError};
use super::prices::{ListPrice, PriceList, Prices};
use super::request::Request;
use crate::host::{Clock, Entropy};
use crate::protocol::RequestOutcome;
use crate::time::UnixTime;

/// How long to wait after a failed opening before the next attempt, in seconds.
const REOPEN_AFTER_SECONDS: i64 = 1;

/// A decision, and the paywall that finishes its charge.
pub type VendorDecision = (Decision, Option<Arc<Paywall>>);

/// A vendor in a server's configuration. One serves all threads of a process.
///
/// A server reads it at start, prepares its files, and opens it in every process that serves:
///
/// ```no_run
/// use std::sync::Arc;
///
/// use micromint::host::{SystemClock, SystemEntropy};
/// use micromint::vendor::{Decision, Request, Vendor};
///
/// let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
/// let path = "/etc/micromint/vendor.toml".into();
/// let vendor = Vendor::read(path, "site.conf:7".to_string(), clock, entropy)?;
/// for warning in vendor.prepare(None)? {
///     eprintln!("{warning}");
/// }
/// // In a serving process, after the fork, on a thread that may wait for the disk:
/// let request = Request { method: b"GET", target: b"/story", price: 1, ..Request::default() };
/// match vendor.decide(&request) {
///     (Decision::Serve(serve), _) => println!("serve the page; {} coins paid", serve.coins),
///     (Decision::Answer(answer), _) => println!("send this answer: {}", answer.status),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Vendor {
    path: PathBuf,
    position: String,
    config: VendorConfig,
    /// The broker's lists as they were when the configuration was read. The processes that are
    /// forked later begin with them: a list that disappears from disk meanwhile is not forgotten.
    lists: KnownLists,
    /// The price list at that time, likewise.
    listed: Option<PriceList>,
    /// The price list, which every paywall of this vendor uses.
    prices: Option<Arc<Prices>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The paywall in use. The lock is held for a moment only, never during disk access.
    paywall: Mutex<Option<Arc<Paywall>>>,
    /// Whether the paywall must be reopened before it records again.
    has_failed: AtomicBool,
    /// When opening or recording last failed, if it has not succeeded since. The lock is held while
    /// the paywall is being opened.
    failed_at: Mutex<Option<UnixTime>>,
}

impl Vendor {
    /// Reads a configuration file that the server's own configuration names at `position`. Changes
    /// nothing on disk.
    ///
    /// # Errors
    /// The configuration, a period, a list or the price list cannot be read, or a required owners
    /// file does not exist.
    pub fn read(
        path: PathBuf,
        position: String,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Vendor, ConfigError> {
        let config = VendorConfig::load(&path)?;
        let lists = Accepted::open_on_disk(&config, KnownLists::new(), clock.now())?.lists();
        let prices = open_prices(&config, clock.now())?;
        let listed = prices.as_ref().map(|prices| prices.current().unpublished());
        let (paywall, has_failed, failed_at) = Default::default();
        Ok(Vendor {
            path,
            position,
            config,
            lists,
            listed,
            prices,
            clock,
            entropy,
            paywall,
            has_failed,
            failed_at,
        })
    }

    /// The same vendor for a process that was forked after this one was opened: nothing is open,
    /// and it continues with the configuration, the broker's lists and the prices that were read
    /// first. Reads nothing, and takes no lock: a thread of the parent may have held it.
    #[must_use]
    pub fn forked(&self) -> Vendor {
        let known = self.prices.as_ref().zip(self.listed.as_ref());
        let prices = self.config.prices().zip(known).map(|(path, (prices, list))| {
            let (list, bots) = (Arc::new(list.unpublished()), prices.bots().inherited());
            Arc::new(Prices::inherited(path, &self.config, list, bots))
        });
        let (paywall, has_failed, failed_at) = Default::default();
        Vendor {
            path: self.path.clone(),
            position: self.position.clone(),
            config: self.config.clone(),
            lists: self.lists.clone(),
            listed: self.listed.as_ref().map(PriceList::unpublished),
            prices,
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            paywall,
            has_failed,
            failed_at,
        }
    }

    /// The configuration file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The position in the server's configuration that names it.
    pub fn position(&self) -> &str {
        &self.position
    }

    /// Creates what a first start needs and makes the serving user and group its owner. Call it
    /// before the fork, in the process with the rights to do so. Returns warnings for the server's
    /// error log, one line each.
    ///
    /// # Errors
    /// [`Paywall::prepare`] fails, or the owner of a file cannot be changed.
    pub fn prepare(&self, owner: Option<Owner>) -> Result<Vec<String>, PaywallError> {
        Paywall::prepare(&self.config, owner, self.clock.as_ref(), self.entropy.as_ref())
    }

    /// What is measured of this vendor, as far as this process knows. Never waits for the disk.
    pub fn gauges(&self) -> Gauges {
        let paywall = self.to_ask();
        let paywall = paywall.as_ref();
        Gauges {
            periods_without_owners: paywall
                .map_or(0, |paywall| paywall.periods_without_owners().len()),
            vendors_without_period: paywall.map_or(0, |paywall| paywall.lacks_period().into()),
            stale_price_lists: self.prices.as_ref().map_or(0, |prices| prices.is_stale().into()),
        }
    }

    /// A price in base coins.
    ///
    /// # Errors
    /// It is in money, and the configuration does not say what a base coin is worth, or says it in
    /// another currency; or it is higher than any payment. Then answer with
    /// [`price_unreadable`](super::price_unreadable).
    pub fn coins(&self, price: Price) -> Result<u32, PriceError> {
        price.coins(self.config.coin_value())
    }

    /// What the price list says about the page that a request is for; see [`Paywall::list_price`].
    pub fn list_price(&self, request: &Request<'_>, exemptions: Exemptions) -> Option<ListPrice> {
        self.prices.as_ref()?.find(request, exemptions, self.clock.as_ref())
    }

    /// Reads the price list if it has changed, at most every five seconds. Returns a new error to
    /// log, if there is one. A server that may wait for the disk calls it before it asks for
    /// prices, so that the first request after a change has the new price too.
    pub fn refresh_prices(&self) -> Option<String> {
        self.prices.as_ref()?.refresh(self.clock.now())
    }

    /// Whether there is a price list.
    pub fn has_list(&self) -> bool {
        self.prices.is_some()
    }

    /// Whether the price list looks at method and header fields of a request, because it has prices
    /// for bots. If not, a server need not collect them.
    pub(crate) fn list_reads_headers(&self) -> bool {
        self.prices.as_ref().is_some_and(|prices| prices.has_bot_prices())
    }

    /// Calls `with` with the request at the price that it owes; see [`Paywall::with_list_price`].
    pub fn with_list_price<R>(
        &self,
        request: &Request<'_>,
        with: impl FnOnce(&Request<'_>) -> R,
    ) -> R {
        at_list_price(self.list_price(request, Exemptions::Apply), request, with)
    }

    /// What the price list says about a part of another page's response, by the path that the
    /// server includes, decoded.
    pub(crate) fn list_price_of_part(
        &self,
        path: &[u8],
        request: &Request<'_>,
    ) -> Option<ListPrice> {
        self.prices.as_ref()?.find_decoded(path, request, self.clock.as_ref())
    }

    /// Whether the paywall itself answers requests for this target, whatever price it has: the
    /// manifest, and if there is a price list, the documents about it.
    pub fn is_own(&self, target: &[u8]) -> bool {
        OwnDocument::of(target, &self.config, self.prices.is_some()).is_some()
    }

    /// The paywall, if it was ever open: enough to answer with prices. Never waits for the disk.
    pub fn to_ask(&self) -> Option<Arc<Paywall>> {
        locked(&self.paywall).clone()
    }

    /// The paywall, unless it must be opened or reopened before it can record. Never waits for the
    /// disk.
    pub(crate) fn to_record(&self) -> Option<Arc<Paywall>> {
        if self.has_failed() { None } else { self.to_ask() }
    }

    /// Whether the paywall must be reopened before it can record.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// A reopened paywall keeps the periods and lists of the one before, the first one those that
    /// were read with the configuration and whose files have disappeared since.
    fn open_paywall(&self, now: UnixTime) -> Result<Paywall, PaywallError> {
        let accepted = match self.to_ask() {
            Some(paywall) => Arc::clone(paywall.accepted()),
            None => Arc::new(Accepted::open_on_disk(&self.config, self.lists.clone(), now)?),
        };
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let prices = self.prices.clone();
        Paywall::open_with(self.config.clone(), accepted, prices, clock, entropy)
    }

    /// The paywall; opens it if it is not open or failed to record. Waits for the disk. `Ok(None)`
    /// if opening failed less than a second ago.
    ///
    /// # Errors
    /// The errors of [`Paywall::open`].
    pub fn open(&self) -> Result<Option<Arc<Paywall>>, PaywallError> {
        let mut failed_at = locked(&self.failed_at);
        if let Some(paywall) = self.to_record() {
            return Ok(Some(paywall));
        }
        let now = self.clock.now();
        let is_recent = |at: UnixTime| (0..REOPEN_AFTER_SECONDS).contains(&(now.0 - at.0));
        if failed_at.is_some_and(is_recent) {
            return Ok(None);
        }
        match self.open_paywall(now) {
            Ok(paywall) => {
                let paywall = Arc::new(paywall);
                *locked(&self.paywall) = Some(Arc::clone(&paywall));
                *failed_at = None;
                self.has_failed.store(false, Ordering::Release);
                Ok(Some(paywall))
            }
            Err(error) => {
                *failed_at = Some(now);
                Err(error)
            }
        }
    }

    /// Decides as [`Paywall::decide`] does, and opens the paywall first if necessary. Waits for the
    /// disk. Also returns the paywall that decided, which finishes the charge.
    pub fn decide(&self, request: &Request<'_>) -> VendorDecision {
        let (opened, reason) = match self.open() {
            Ok(Some(paywall)) => (Some(paywall), None),
            Ok(None) => (self.to_ask(), None),
            Err(error) => (self.to_ask(), Some(error.to_string())),
        };
        let Some(paywall) = opened else {
            let reason =
                reason.unwrap_or_else(|| "the till could not be opened a moment ago".to_string());
            return (unavailable(reason).into(), None);
        };
        let mut decision = self.watched(&paywall, paywall.decide(request));
        if let (Decision::Answer(answer), Some(reason)) = (&mut decision, reason)
            && answer.outcome == RequestOutcome::Unavailable
        {
            Arc::make_mut(answer).log = Some(reason);
        }
        (decision, Some(paywall))
    }

    /// Decides at the price that the request owes by the list as it is now; see
    /// [`Paywall::decide_listed`] and [`Vendor::decide`].
    pub fn decide_listed(&self, request: &Request<'_>) -> VendorDecision {
        let alert = self.refresh_prices();
        let (mut decision, paywall) = self.with_list_price(request, |request| self.decide(request));
        decision.add_alert(alert);
        (decision, paywall)
    }

    /// A decision of this paywall. If it could not record, the paywall is reopened before the next
    /// payment.
    pub(super) fn watched(&self, paywall: &Arc<Paywall>, decision: Decision) -> Decision {
        if decision.outcome() == RequestOutcome::Unavailable {
            self.reopen_instead_of(paywall);
        }
        decision
    }

    /// Marks a paywall that failed to record, so that it is reopened before the next payment.
    fn reopen_instead_of(&self, paywall: &Arc<Paywall>) {
        let mut failed_at = locked(&self.failed_at);
        if self.to_ask().is_some_and(|current| Arc::ptr_eq(&current, paywall)) {
            *failed_at = Some(self.clock.now());
            self.has_failed.store(true, Ordering::Release);
        }
    }
}

/// Locks in spite of an earlier panic: the guarded values are only ever replaced as a whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;

    use crate::authenticator::Key;
    use crate::host::SystemEntropy;
    use crate::owner::Owners;
    use crate::protocol::{Refusal, Unsigned};
    use crate::scheme::BASE64URL;
    use crate::testing::{ObviousMint, params_with};
    use crate::till::tests::HandClock;
    use crate::vendor::look::Look;
    use crate::vendor::reloaded::LOOK_SECONDS;

    struct Site {
        folder: tempfile::TempDir,
        clock: HandClock,
        vendor: Vendor,
        mint: ObviousMint,
    }

    fn site() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let mint = ObviousMint::new(params_with(|_| {}));
        std::fs::create_dir(folder.path().join("periods")).unwrap();
        std::fs::write(folder.path().join("periods/a.params"), mint.params().to_toml()).unwrap();
        let path = folder.path().join("vendor.toml");
        let text = r#"
            vendor-id = "news.example"
            origins = "https://news.example"
            periods = "periods"
            till = "till"
            sync = "os"
        "#;
        std::fs::write(&path, text).unwrap();
        let clock = HandClock::at("2026-12-15T12:00:00Z");
        let vendor = Vendor::read(
            path,
            "here".to_string(),
            Arc::new(clock.clone()),
            Arc::new(SystemEntropy),
        )
        .unwrap();
        vendor.prepare(None).unwrap();
        Site { folder, clock, vendor, mint }
    }

    impl Site {
        /// A site whose price list asks so many coins for `/x`.
        fn listed(coins: u32) -> Site {
            let mut site = site();
            site.list(coins);
            let path = site.folder.path().join("vendor.toml");
            let text = std::fs::read_to_string(&path).unwrap() + "prices = \"prices.toml\"\n";
            std::fs::write(&path, text).unwrap();
            let (clock, entropy) = (Arc::new(site.clock.clone()), Arc::new(SystemEntropy));
            site.vendor = Vendor::read(path, "here".to_string(), clock, entropy).unwrap();
            site.vendor.open().unwrap();
            site
        }

        /// Replaces the price list.
        fn list(&self, coins: u32) {
            let [new, list] = ["new", "prices.toml"].map(|name| self.folder.path().join(name));
            let text = format!("[[price]]\npath = \"/x\"\ncoins = {coins}\n");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, list).unwrap();
        }

        /// A payment for a page of its own.
        fn pay(&self, page: &str) -> RequestOutcome {
            self.decide("POST", page, Some(&payment(&self.mint, page)))
        }

        /// What is decided about the head of a request, on a thread that may block; `None` if the
        /// body is to be read.
        fn decide_head(
            &self,
            method: &str,
            target: &str,
            field: (&str, &[u8]),
        ) -> Option<VendorDecision> {
            let request = Request {
                method: method.as_bytes(),
                target: target.as_bytes(),
                is_https: true,
                headers: &[(field.0.as_bytes(), field.1)],
                price: 1,
                ..Request::default()
            };
            match self.vendor.look(&request) {
                Look::Decided(decided) => Some(decided),
                Look::NeedsBody { .. } => None,
                Look::Pending(pending) => Some(pending.wait()),
            }
        }

        /// The outcome of a payment in a header, with coins of `mint`, and whether it has a
        /// paywall that finishes its charge.
        fn pay_in_header(&self, mint: &ObviousMint, page: &str) -> (RequestOutcome, bool) {
            let payment = BASE64URL.encode(payment(mint, page));
            let field = ("MicroMint-Payment", payment.as_bytes());
            let (decision, paywall) = self.decide_head("GET", &format!("/{page}"), field).unwrap();
            (decision.outcome(), paywall.is_some())
        }

        fn decide(&self, method: &str, page: &str, body: Option<&[u8]>) -> RequestOutcome {
            let target = format!("/{page}");
            let request = Request {
                method: method.as_bytes(),
                target: target.as_bytes(),
                is_https: true,
                headers: if body.is_some() {
                    &[(b"Content-Type", b"application/x-micromint")]
                } else {
                    &[]
                },
                body,
                price: 1,
                ..Request::default()
            };
            self.vendor.decide(&request).0.outcome()
        }
    }

    /// A payment for the page of this number with the coin of this number.
    fn payment(mint: &ObviousMint, page: &str) -> Vec<u8> {
        let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
        let coins = mint.coins(&user, &vendor, 8);
        let number: usize = page.parse().unwrap();
        let url = format!("https://news.example/{page}").parse().unwrap();
        mint.payment(&user, &Key::from_bytes([7; 32]), &vendor, &url, &coins[number..=number])
            .to_bytes()
    }

    #[test]
    fn one_look_at_a_head_decides_all_but_what_needs_the_body() {
        let site = site();
        site.vendor.open().unwrap();
        let (unpaid, paywall) = site.decide_head("GET", "/1", ("Accept", b"*/*")).unwrap();
        assert_eq!((unpaid.outcome(), paywall.is_some()), (RequestOutcome::Unpaid, false));
        assert_eq!(site.pay_in_header(&site.mint, "1"), (RequestOutcome::Paid, true));
        assert_eq!(site.pay_in_header(&site.mint, "1"), (RequestOutcome::Retry, true));
        assert!(
            site.decide_head("POST", "/2", ("Content-Type", b"application/x-micromint")).is_none()
        );
        assert_eq!(site.pay("2"), RequestOutcome::Paid);
    }

    #[test]
    fn one_look_at_a_head_sees_new_periods_and_a_till_that_failed() {
        let site = site();
        site.vendor.open().unwrap();
        let next = ObviousMint::new(params_with(|raw| raw.period = "next".parse().unwrap()));
        std::fs::write(site.folder.path().join("periods/b.params"), next.params().to_toml())
            .unwrap();
        assert_eq!(
            site.pay_in_header(&next, "1").0,
            RequestOutcome::Refused(Refusal::UnknownPeriod)
        );
        site.clock.pass(LOOK_SECONDS);
        assert_eq!(site.pay_in_header(&next, "1"), (RequestOutcome::Paid, true));
        std::fs::remove_file(site.folder.path().join("till/lock")).unwrap();
        assert_eq!(site.pay_in_header(&next, "2").0, RequestOutcome::Unavailable);
        assert!(site.vendor.to_record().is_none());
        site.vendor.prepare(None).unwrap();
        site.clock.pass(REOPEN_AFTER_SECONDS);
        assert_eq!(site.pay_in_header(&next, "2"), (RequestOutcome::Paid, true));
        assert!(site.vendor.to_record().is_some(), "opened again by the payment");
    }

    /// Neither a process that is forked later nor a reopened paywall forgets an owners file that
    /// has disappeared.
    #[test]
    fn an_owners_file_that_disappears_opens_no_door() {
        let site = site();
        let folder = site.folder.path().join("periods");
        let (period, vendor) = (site.mint.params().period(), "news.example".parse().unwrap());
        let owners = folder.join(format!("{period}.owners"));
        let empty = Owners::new(&vendor, period, 1);
        std::fs::write(&owners, empty.to_bytes()).unwrap();
        let (clock, entropy) = (Arc::new(site.clock.clone()), Arc::new(SystemEntropy));
        let path = site.folder.path().join("vendor.toml");
        let vendor = Vendor::read(path.clone(), "here".to_string(), clock.clone(), entropy.clone());
        let site = Site { vendor: vendor.unwrap(), ..site };
        std::fs::remove_file(&owners).unwrap();
        let unknown = RequestOutcome::Refused(Refusal::NotYetKnown);
        assert_eq!(site.pay("0"), unknown);
        site.vendor.has_failed.store(true, Ordering::Release);
        assert_eq!(site.pay("0"), unknown);
        let restarted =
            Vendor::read(path.clone(), "here".to_string(), clock.clone(), entropy.clone());
        let site = Site { vendor: restarted.unwrap(), ..site };
        assert_eq!(site.pay("0"), RequestOutcome::Paid);

        let text = std::fs::read_to_string(&path).unwrap() + "owners = \"required\"\n";
        std::fs::write(&path, text).unwrap();
        let error = Vendor::read(path, "here".to_string(), clock, entropy).err().unwrap();
        assert!(error.to_string().contains(owners.to_str().unwrap()), "{error}");
    }

    #[test]
    fn a_vendor_opens_when_it_is_first_asked() {
        let site = site();
        assert!(site.vendor.to_ask().is_none() && site.vendor.to_record().is_none());
        assert_eq!(site.pay("0"), RequestOutcome::Paid);
        assert!(site.vendor.to_ask().is_some() && site.vendor.to_record().is_some());
    }

    /// A list that is replaced takes effect although nobody pays, and a broken one is reported by
    /// the request that found it.
    #[test]
    fn a_request_for_a_free_page_finds_a_new_price_list() {
        let site = Site::listed(0);
        let vendor = &site.vendor;
        let request = Request { method: b"GET", target: b"/x", ..Request::default() };
        let coins = || vendor.list_price(&request, Exemptions::Apply).unwrap().coins;
        let is_told = |request: &Request<'_>| match vendor.look(request) {
            Look::Decided((decision, _)) => decision.about().alert.clone(),
            Look::NeedsBody { .. } => None,
            Look::Pending(pending) => {
                let Err(pending) = pending.try_now() else { panic!("the disk is needed") };
                pending.to_owned().wait(vendor).0.0.about().alert.clone()
            }
        };
        site.list(2);
        assert_eq!((is_told(&request), coins()), (None, 0));
        site.clock.pass(LOOK_SECONDS);
        assert_eq!((is_told(&request), coins()), (None, 2));
        site.list(501);
        site.clock.pass(LOOK_SECONDS);
        let priced = Request { price: 2, is_https: true, ..request };
        let told = is_told(&priced).unwrap();
        assert!(told.contains("prices.toml:3:9: coins: expected a price"), "{told}");
        assert_eq!((coins(), vendor.gauges().stale_price_lists), (2, 1));
        site.list(3);
        site.clock.pass(LOOK_SECONDS);
        assert_eq!((is_told(&priced), coins()), (None, 3));
        assert_eq!(vendor.gauges().stale_price_lists, 0);
    }

    /// However long ago a change was, also the first request of a process has the new price.
    #[test]
    fn who_may_wait_decides_by_the_list_as_it_is_now() {
        let site = Site::listed(0);
        let vendor = &site.vendor;
        let request = Request { method: b"GET", target: b"/x", ..Request::default() };
        let outcome = || vendor.decide_listed(&request).0.outcome();
        assert_eq!(outcome(), RequestOutcome::Free);
        for (coins, expected) in [(2, RequestOutcome::Unpaid), (0, RequestOutcome::Free)] {
            site.list(coins);
            site.clock.pass(1000);
            assert_eq!(outcome(), expected);
        }
        site.list(501);
        site.clock.pass(1000);
        let (decision, _) = vendor.decide_listed(&request);
        assert!(decision.about().alert.as_ref().unwrap().contains("prices.toml:3:9"));
        assert_eq!(vendor.refresh_prices(), None, "it was told");
        site.list(3);
        site.clock.pass(1000);
        assert_eq!(vendor.refresh_prices(), None);
        assert_eq!(vendor.list_price(&request, Exemptions::Apply).unwrap().coins, 3);
    }

    #[test]
    fn prices_are_told_while_nothing_can_be_recorded_and_a_new_till_heals() {
        let site = site();
        assert_eq!(site.pay("0"), RequestOutcome::Paid);
        let till = site.folder.path().join("till");
        let away = site.folder.path().join("away");
        std::fs::rename(&till, &away).unwrap();
        std::fs::write(&till, "no folder").unwrap();
        std::fs::remove_file(away.join("lock")).unwrap();
        for _ in 0..3 {
            assert_eq!(site.pay("1"), RequestOutcome::Unavailable);
            assert!(site.vendor.to_record().is_none());
            assert_eq!(site.decide("GET", "1", None), RequestOutcome::Unpaid);
            site.clock.pass(1);
        }
        std::fs::remove_file(&till).unwrap();
        std::fs::rename(&away, &till).unwrap();
        site.vendor.prepare(None).unwrap();
        site.clock.pass(1);
        assert_eq!(site.pay("1"), RequestOutcome::Paid);
        assert!(site.vendor.to_record().is_some());
        assert_eq!(site.pay("0"), RequestOutcome::Retry, "what was recorded before is known");
    }

    /// It needs neither the configuration file nor the lists that were read before the fork.
    #[test]
    fn a_forked_process_opens_a_till_of_its_own() {
        let mut site = site();
        let prices = "[[price]]\npath = \"/listed\"\ncoins = 3\n";
        std::fs::write(site.folder.path().join("prices.toml"), prices).unwrap();
        let path = site.folder.path().join("vendor.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}\nprices = \"prices.toml\"\n")).unwrap();
        let (clock, entropy) = (Arc::new(site.clock.clone()), Arc::new(SystemEntropy));
        site.vendor = Vendor::read(path.clone(), "here".to_string(), clock, entropy).unwrap();
        assert_eq!(site.pay("1"), RequestOutcome::Paid);

        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(site.folder.path().join("prices.toml")).unwrap();
        let child = site.vendor.forked();
        let parent = std::mem::replace(&mut site.vendor, child);
        assert!(site.vendor.to_ask().is_none());
        let listed = Request { target: b"/listed", ..Request::default() };
        assert_eq!(site.vendor.list_price(&listed, Exemptions::Apply).map(|it| it.coins), Some(3));
        assert_eq!(site.pay("1"), RequestOutcome::Retry);
        assert_eq!(site.pay("2"), RequestOutcome::Paid);
        site.vendor = parent;
        assert_eq!(site.pay("2"), RequestOutcome::Retry);
    }

    #[test]
    fn opening_is_not_tried_again_within_a_second() {
        let site = site();
        let till = site.folder.path().join("till");
        std::fs::remove_dir_all(&till).unwrap();
        std::fs::write(&till, "no folder").unwrap();
        assert!(site.vendor.open().is_err());
        assert!(site.vendor.open().unwrap().is_none());
        assert_eq!(site.pay("0"), RequestOutcome::Unavailable);
        site.clock.pass(REOPEN_AFTER_SECONDS);
        assert!(site.vendor.open().is_err());
        // A clock that was set back does not block the vendor.
        site.clock.pass(-3600);
        assert!(site.vendor.open().is_err());
    }

    /// The journal with a redeemed payment was removed, and then the clock was set back.
    #[test]
    fn coins_of_a_closed_period_have_expired_whatever_the_clock_says() {
        use crate::host::DiskDirectory;
        use crate::protocol::{Blocked, RedemptionResult, Verdict};
        use crate::till::{SyncMode, Till};
        use crate::vendor::redemption::{BatchLimits, make_batch, prune, read_result};

        let site = site();
        assert_eq!(site.pay("1"), RequestOutcome::Paid);
        site.clock.pass(86_400);
        assert_eq!(site.pay("2"), RequestOutcome::Paid);
        site.clock.pass(1000);
        let in_time = site.clock.now().0;
        let (clock, entropy) = (Arc::new(site.clock.clone()), Arc::new(SystemEntropy));
        let directory = Box::new(DiskDirectory::new(site.folder.path().join("till")));
        let till = Till::open(directory, SyncMode::Os, clock, entropy).unwrap();
        let (vendor, key) = ("news.example".parse().unwrap(), Key::from_bytes([5; 32]));
        let limits = BatchLimits::default();
        while let Some(made) = make_batch(&till, &vendor, &key, None, limits).unwrap() {
            let verdicts = vec![Verdict::Accepted; made.batch.coins as usize];
            let result = RedemptionResult {
                vendor: vendor.clone(),
                batch: made.batch.id,
                blocked: Blocked::default(),
                authenticator: Unsigned,
                verdicts,
            }
            .authenticated(&key, &made.batch.period, &made.batch.digest);
            read_result(&till, &vendor, &key, &result).unwrap();
        }
        site.clock.set(site.mint.params().raw().redeem_until.0);
        assert_eq!(prune(&till).unwrap().len(), 1);
        site.clock.set(in_time);
        let expired = RequestOutcome::Refused(Refusal::Expired);
        for page in ["1", "3"] {
            assert_eq!(site.pay(page), expired, "{page}");
        }
    }
}
