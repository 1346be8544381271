//! The vendor's configuration.
//!
//! Input: a TOML file, the same for nginx, Apache, the C library and `mmvendor`, or the calls
//! of a program that builds one. Output: the configuration that a paywall is opened with. Reading
//! has no side effects, so `nginx -t` may do it. The invariant: every paywall has a configuration
//! that passes [`VendorConfig::check`], so clients accept payments to this vendor at each of its
//! origins.

mod file;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::bots::{BOT_AGENTS_MAX, BOT_NAME_LEN, BOT_NAMES_MAX, BotSettings};
use super::config_error::{ConfigError, SettingError};
use super::cors::CorsPolicy;
use super::origin::{ORIGINS_MAX, Origin, PublicRoot};
use super::page::Page;
use crate::error::clip;
use crate::identity::VendorId;
use crate::money::Money;
use crate::params::COIN_VALUE_UNITS_MAX;
use crate::protocol::{TEXT_LEN_MAX, Url, is_printable};
use crate::till::SyncMode;
use crate::time::DAY_SECONDS;
use crate::toml_file;

/// The default receipt time, in seconds: a day.
const RECEIPT_SECONDS_DEFAULT: u32 = DAY_SECONDS as u32;
/// The shortest receipt time, in seconds. It leaves time to retry if an answer is lost.
pub(super) const RECEIPT_SECONDS_MIN: u32 = 60;
/// The longest receipt time, in seconds: 31 days.
const RECEIPT_SECONDS_MAX: u32 = 31 * DAY_SECONDS as u32;
/// The default of `sync-interval`, in milliseconds.
const SYNC_INTERVAL_MS_DEFAULT: u32 = 100;
/// The longest `sync-interval`, in milliseconds.
const SYNC_INTERVAL_MS_MAX: u32 = 60_000;

/// The configuration of a vendor.
///
/// ```
/// use micromint::vendor::VendorConfig;
///
/// let config = VendorConfig::new(
///     "news.example".parse()?,
///     vec!["https://news.example".parse()?, "https://www.news.example".parse()?],
///     "/etc/micromint/periods",
///     "/var/lib/micromint/till",
/// )
/// .with_receipt_seconds(3600)
/// .with_cap(500)
/// .with_description("News of the day");
/// config.check()?;
///
/// let wrong = config.with_receipt_seconds(59);
/// assert_eq!(
///     wrong.check().unwrap_err().to_string(),
///     "receipt-time: expected a number from 60 to 2678400, found 59"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorConfig {
    vendor: VendorId,
    origins: Vec<PublicRoot>,
    periods: PathBuf,
    till: PathBuf,
    sync: SyncMode,
    receipt_seconds: u32,
    receipt_secret: PathBuf,
    cap: Option<u32>,
    requires_owners: bool,
    description: String,
    page: Page,
    login: Option<String>,
    cors: CorsPolicy,
    prices: Option<PathBuf>,
    coin_value: Option<Money>,
    has_openapi: bool,
    has_llms: bool,
    has_crawler_prices: bool,
    has_x402: bool,
    license: Option<String>,
    bots: BotSettings,
}

impl VendorConfig {
    /// The configuration of `vendor`, whose pages are at `origins`: 1 to 64, the first for
    /// requests whose host is that of none. `periods` is the folder of the accepted periods with a
    /// `PERIOD.params` file for each, `till` the directory of the till.
    pub fn new(
        vendor: VendorId,
        origins: Vec<PublicRoot>,
        periods: impl Into<PathBuf>,
        till: impl Into<PathBuf>,
    ) -> VendorConfig {
        let till = till.into();
        VendorConfig {
            vendor,
            origins,
            periods: periods.into(),
            sync: SyncMode::Always,
            receipt_seconds: RECEIPT_SECONDS_DEFAULT,
            receipt_secret: beside(&till, ".receipt-secret"),
            cap: None,
            requires_owners: false,
            description: String::new(),
            page: Page::default(),
            login: None,
            cors: CorsPolicy::default(),
            prices: None,
            coin_value: None,
            has_openapi: true,
            has_llms: true,
            has_crawler_prices: true,
            has_x402: false,
            license: None,
            bots: BotSettings::default(),
            till,
        }
    }

    /// When a recorded payment is on disk. An interval is 1 to 60 000 milliseconds. Default:
    /// [`SyncMode::Always`].
    #[must_use]
    pub fn with_sync(self, sync: SyncMode) -> VendorConfig {
        VendorConfig { sync, ..self }
    }

    /// How long a receipt, and a retry of a recorded payment, opens the page, in seconds:
    /// 60 to 2 678 400 (31 days). Default: 86 400 (a day).
    #[must_use]
    pub fn with_receipt_seconds(self, receipt_seconds: u32) -> VendorConfig {
        VendorConfig { receipt_seconds, ..self }
    }

    /// The file of the secret that signs receipts. Default: the path of the till with
    /// `.receipt-secret` appended.
    #[must_use]
    pub fn with_receipt_secret(self, path: impl Into<PathBuf>) -> VendorConfig {
        VendorConfig { receipt_secret: path.into(), ..self }
    }

    /// The largest number of coins that one user may spend here in a UTC day; 0 for no limit.
    /// Default: 0.
    #[must_use]
    pub fn with_cap(self, coins: u32) -> VendorConfig {
        VendorConfig { cap: (coins > 0).then_some(coins), ..self }
    }

    /// Whether each accepted period must have an owners file. Without one, payments are not checked
    /// for the owner of the coins. Default: no.
    #[must_use]
    pub fn with_owners_required(self, requires_owners: bool) -> VendorConfig {
        VendorConfig { requires_owners, ..self }
    }

    /// What is sold, for people: at most [`TEXT_LEN_MAX`] bytes of printable characters. Default:
    /// empty.
    #[must_use]
    pub fn with_description(self, description: impl Into<String>) -> VendorConfig {
        VendorConfig { description: description.into(), ..self }
    }

    /// The page that people see if they have not paid. Default: [`Page::default`].
    #[must_use]
    pub fn with_page(self, page: Page) -> VendorConfig {
        VendorConfig { page, ..self }
    }

    /// Where subscribers log in, for the page: a URL, or a path at the vendor's origins. `{url}` in
    /// it stands for the URL of the page that was asked for, percent-encoded. Default: nowhere.
    #[must_use]
    pub fn with_login(self, place: impl Into<String>) -> VendorConfig {
        VendorConfig { login: Some(place.into()), ..self }
    }

    /// The origins whose scripts may see pages with a price: at most 64 if they are listed.
    /// Default: [`CorsPolicy::Site`].
    #[must_use]
    pub fn with_cors(self, cors: CorsPolicy) -> VendorConfig {
        VendorConfig { cors, ..self }
    }

    /// The file of the price list. Default: none.
    #[must_use]
    pub fn with_prices(self, path: impl Into<PathBuf>) -> VendorConfig {
        VendorConfig { prices: Some(path.into()), ..self }
    }

    /// What a base coin is worth: prices in coins count base coins, and prices in money are
    /// converted to them. The coins of each accepted period must be worth a whole multiple of it.
    /// Default: not set; the coins of all accepted periods must then have the same value, and there
    /// are no prices in money.
    #[must_use]
    pub fn with_coin_value(self, coin_value: Money) -> VendorConfig {
        VendorConfig { coin_value: Some(coin_value), ..self }
    }

    /// Whether the price list is published as `/openapi.json`, if there is one. Default: yes.
    #[must_use]
    pub fn with_openapi(self, has_openapi: bool) -> VendorConfig {
        VendorConfig { has_openapi, ..self }
    }

    /// Whether the price list is published as `/llms.txt`, if there is one. Default: yes.
    #[must_use]
    pub fn with_llms(self, has_llms: bool) -> VendorConfig {
        VendorConfig { has_llms, ..self }
    }

    /// Whether prices are also stated and limited in the header fields of pay per crawl. Default:
    /// yes.
    #[must_use]
    pub fn with_crawler_prices(self, has_crawler_prices: bool) -> VendorConfig {
        VendorConfig { has_crawler_prices, ..self }
    }

    /// Whether prices are also stated in the header field of x402, `PAYMENT-REQUIRED`. Default: no.
    #[must_use]
    pub fn with_x402(self, has_x402: bool) -> VendorConfig {
        VendorConfig { has_x402, ..self }
    }

    /// Where the license of the pages is (RSL): a URL, or a path as clients see it. Default:
    /// nowhere.
    #[must_use]
    pub fn with_license(self, place: impl Into<String>) -> VendorConfig {
        VendorConfig { license: Some(place.into()), ..self }
    }

    /// The bots that are known by their signatures (Web Bot Auth), as they name themselves: at most
    /// [`BOT_AGENTS_MAX`]; and the file of their keys, which `mmvendor bots` writes. Default: none.
    #[must_use]
    pub fn with_bots(self, agents: Vec<Origin>, keys: impl Into<PathBuf>) -> VendorConfig {
        let bots = BotSettings { agents, keys: Some(keys.into()), ..self.bots };
        VendorConfig { bots, ..self }
    }

    /// The words in User-Agent that make a bot of a client, in any case: at most 256, each of 3 to
    /// 64 bytes. Default: `bot`, `crawler` and `spider`.
    #[must_use]
    pub fn with_bot_names(self, names: Vec<String>) -> VendorConfig {
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        VendorConfig { bots: BotSettings { names, ..self.bots }, ..self }
    }

    /// Reads a configuration file. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// A file, including the template of a page, cannot be read, or [`VendorConfig::parse`] fails.
    pub fn load(path: &Path) -> Result<VendorConfig, ConfigError> {
        let (config, page) = file::read(&toml_file::load_path(path)?, path)?;
        match page {
            Some(page) => Ok(config.with_page(Page::load(&page.path, &page.language)?)),
            None => Ok(config),
        }
    }

    /// Parses the text of the configuration file at `path`, which is used for relative paths and
    /// messages only. No file is read, so the page is the shipped one.
    ///
    /// # Errors
    /// The text is not TOML; a key is missing, unknown or has an invalid value; or
    /// [`VendorConfig::check`] fails. The error states line, column and key.
    pub fn parse(text: &str, path: &Path) -> Result<VendorConfig, ConfigError> {
        Ok(file::read(text, path)?.0)
    }

    /// Checks every setting. A paywall is opened only with a configuration that passes.
    ///
    /// # Errors
    /// The first setting that is out of its bounds, or an origin at which no client would pay this
    /// vendor.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_origins()?;
        if let SyncMode::Interval(interval) = self.sync {
            in_range("sync-interval", interval, 1..=SYNC_INTERVAL_MS_MAX.into())?;
        }
        let receipt_range = RECEIPT_SECONDS_MIN.into()..=RECEIPT_SECONDS_MAX.into();
        in_range("receipt-time", self.receipt_seconds.into(), receipt_range)?;
        self.check_description()?;
        self.check_login()?;
        self.check_license()?;
        self.check_bots()?;
        self.check_coin_value()?;
        if let CorsPolicy::Listed(origins) = &self.cors {
            check_count("cors-origins", origins)?;
        }
        Ok(())
    }

    fn check_origins(&self) -> Result<(), SettingError> {
        check_count("origins", &self.origins)?;
        for (index, root) in self.origins.iter().enumerate() {
            let (origin, prefix) = (root.origin(), root.prefix());
            if !self.vendor.collects_at(origin.host()) {
                let reason = format!(
                    "no client pays {} for pages at {}: expected vendor-id to be the host of every \
                     origin, or a parent domain of it that is not a public suffix",
                    self.vendor,
                    origin.as_str()
                );
                return Err(SettingError::new("origins", reason).at(index));
            }
            let mut before = self.origins[..index].iter();
            if let Some(other) = before.find(|other| other.origin() == origin)
                && other.prefix() != prefix
            {
                let reason = format!(
                    "expected one path for {}, found {:?} and {prefix:?}",
                    origin.as_str(),
                    other.prefix()
                );
                return Err(SettingError::new("origins", reason).at(index));
            }
        }
        Ok(())
    }

    fn check_description(&self) -> Result<(), SettingError> {
        let text = &self.description;
        if text.len() <= TEXT_LEN_MAX && is_printable(text) {
            return Ok(());
        }
        let reason = format!(
            "expected at most {TEXT_LEN_MAX} bytes of printable characters, found {:?}",
            clip(text)
        );
        Err(SettingError::new("description", reason))
    }

    fn check_login(&self) -> Result<(), SettingError> {
        let place =
            self.login.as_deref().map(|place| place.replace("{url}", "https%3A%2F%2Fa.b%2F"));
        check_place("login", place.as_deref())
    }

    fn check_license(&self) -> Result<(), SettingError> {
        check_place("license", self.license())?;
        match self.license() {
            // It stands between angle brackets in a header field.
            Some(place) if place.contains(['<', '>']) => {
                let reason = format!("expected no < and >, found {:?}", clip(place));
                Err(SettingError::new("license", reason))
            }
            _ => Ok(()),
        }
    }

    fn check_bots(&self) -> Result<(), SettingError> {
        let found = self.bots.agents.len();
        if found > BOT_AGENTS_MAX {
            let reason = format!("expected at most {BOT_AGENTS_MAX} bots, found {found}");
            return Err(SettingError::new("bots", reason));
        }
        let names = &self.bots.names;
        if names.len() > BOT_NAMES_MAX {
            let reason = format!("expected at most {BOT_NAMES_MAX} words, found {}", names.len());
            return Err(SettingError::new("bot-names", reason));
        }
        match names.iter().position(|name| !BOT_NAME_LEN.contains(&name.len())) {
            Some(index) => {
                let (min, max) = BOT_NAME_LEN.into_inner();
                let found = clip(&names[index]);
                let reason = format!("expected a word of {min} to {max} bytes, found {found:?}");
                Err(SettingError::new("bot-names", reason).at(index))
            }
            None => Ok(()),
        }
    }

    fn check_coin_value(&self) -> Result<(), SettingError> {
        match self.coin_value {
            Some(value) if !(1..=COIN_VALUE_UNITS_MAX).contains(&value.units()) => {
                let most = Money::new(COIN_VALUE_UNITS_MAX, value.currency());
                let reason = format!("expected more than 0 and at most {most}, found {value}");
                Err(SettingError::new("coin-value", reason))
            }
            _ => Ok(()),
        }
    }

    /// The vendor's identifier.
    pub fn vendor(&self) -> &VendorId {
        &self.vendor
    }

    /// The origins of the pages, with the path under which a proxy publishes them, if any.
    pub fn origins(&self) -> &[PublicRoot] {
        &self.origins
    }

    /// The folder of the accepted periods.
    pub fn periods(&self) -> &Path {
        &self.periods
    }

    /// The directory of the till.
    pub fn till(&self) -> &Path {
        &self.till
    }

    /// When a recorded payment is on disk.
    pub fn sync(&self) -> SyncMode {
        self.sync
    }

    /// How long a receipt opens the page, in seconds.
    pub(super) fn receipt_seconds(&self) -> u32 {
        self.receipt_seconds
    }

    /// The file of the secret that signs receipts.
    pub(super) fn receipt_secret(&self) -> &Path {
        &self.receipt_secret
    }

    /// The largest number of coins that one user may spend here in a UTC day; `None` for no limit.
    pub fn cap(&self) -> Option<u32> {
        self.cap
    }

    /// Whether each accepted period must have an owners file.
    pub(crate) fn requires_owners(&self) -> bool {
        self.requires_owners
    }

    /// What is sold, for people; may be empty.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The page that people see if they have not paid.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// What a base coin is worth, if that is set.
    pub fn coin_value(&self) -> Option<Money> {
        self.coin_value
    }

    /// Where subscribers log in, if anywhere.
    pub(super) fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// The origins whose scripts may see pages with a price.
    pub(super) fn cors(&self) -> &CorsPolicy {
        &self.cors
    }

    /// The file of the price list, if there is one.
    pub fn prices(&self) -> Option<&Path> {
        self.prices.as_deref()
    }

    /// Whether the price list is published as `/openapi.json`.
    pub(crate) fn has_openapi(&self) -> bool {
        self.has_openapi
    }

    /// Whether the price list is published as `/llms.txt`.
    pub(crate) fn has_llms(&self) -> bool {
        self.has_llms
    }

    /// Whether prices are also stated and limited in the header fields of pay per crawl.
    pub(super) fn has_crawler_prices(&self) -> bool {
        self.has_crawler_prices
    }

    /// Whether prices are stated in the header field of x402.
    pub(super) fn has_x402(&self) -> bool {
        self.has_x402
    }

    /// The bots that are known by their signatures, as they name themselves.
    pub fn bots(&self) -> &[Origin] {
        &self.bots.agents
    }

    /// The file of the keys of bots, if there are such bots.
    pub fn bot_keys(&self) -> Option<&Path> {
        self.bots.keys.as_deref()
    }

    /// How bots are told from readers.
    pub(super) fn bot_settings(&self) -> &BotSettings {
        &self.bots
    }

    /// Where the license of the pages is.
    pub(super) fn license(&self) -> Option<&str> {
        self.license.as_deref()
    }
}

/// Checks a place of the vendor: a URL, or a path that one of its pages could have.
fn check_place(key: &'static str, place: Option<&str>) -> Result<(), SettingError> {
    let Some(place) = place else { return Ok(()) };
    let is_path = place.starts_with('/') && !place.starts_with("//");
    let url = if is_path { format!("https://host.example{place}") } else { place.to_string() };
    url.parse::<Url>()
        .map(|_| ())
        .map_err(|error| SettingError::new(key, format!("expected a path or a URL: {error}")))
}

fn check_count<T>(key: &'static str, origins: &[T]) -> Result<(), SettingError> {
    if (1..=ORIGINS_MAX).contains(&origins.len()) {
        return Ok(());
    }
    let reason = format!("expected 1 to {ORIGINS_MAX} origins, found {}", origins.len());
    Err(SettingError::new(key, reason))
}

fn in_range(key: &'static str, found: u64, range: RangeInclusive<u64>) -> Result<(), SettingError> {
    if range.contains(&found) {
        return Ok(());
    }
    let (min, max) = range.into_inner();
    Err(SettingError::new(key, format!("expected a number from {min} to {max}, found {found}")))
}

/// The path with this suffix appended to its last part.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> PublicRoot {
        text.parse().unwrap()
    }

    fn config(origins: Vec<PublicRoot>) -> VendorConfig {
        VendorConfig::new("news.example".parse().unwrap(), origins, "periods", "/var/till")
    }

    fn good() -> VendorConfig {
        config(vec![origin("https://news.example")])
    }

    #[test]
    fn defaults_are_as_described() {
        let config = good();
        config.check().unwrap();
        assert_eq!((config.sync(), config.receipt_seconds()), (SyncMode::Always, 86_400));
        assert_eq!(config.receipt_secret(), Path::new("/var/till.receipt-secret"));
        assert_eq!((config.cap(), config.description()), (None, ""));
        assert!(!config.requires_owners());
        assert_eq!((config.cors(), config.prices()), (&CorsPolicy::Site, None));
        assert_eq!(config.page(), &Page::default());
        assert!(config.has_openapi() && config.has_llms() && config.has_crawler_prices());
        assert!(!config.has_x402());
        assert_eq!(config.license(), None);
        assert_eq!(good().with_cap(0).cap(), None);
        assert_eq!(good().with_cap(1).cap(), Some(1));
    }

    #[test]
    fn every_setting_is_kept_at_its_bound_and_refused_past_it() {
        let many = |count: usize| vec![origin("https://news.example"); count];
        let listed = |count: usize| {
            let origin = "https://news.example".parse().unwrap();
            good().with_cors(CorsPolicy::Listed(vec![origin; count]))
        };
        for config in [
            config(many(1)),
            config(many(ORIGINS_MAX)),
            config(vec![origin("https://www.news.example")]),
            config(vec![origin("https://news.example/a"), origin("http://news.example/b")]),
            listed(1),
            listed(ORIGINS_MAX),
            good().with_sync(SyncMode::Interval(1)),
            good().with_sync(SyncMode::Interval(60_000)),
            good().with_receipt_seconds(RECEIPT_SECONDS_MIN),
            good().with_receipt_seconds(RECEIPT_SECONDS_MAX),
            good().with_bots(vec!["https://b.example".parse().unwrap(); BOT_AGENTS_MAX], "k"),
            good().with_bot_names(vec!["bot".to_string(); BOT_NAMES_MAX]),
            good().with_bot_names(vec!["x".repeat(64)]),
            good().with_bot_names(Vec::new()),
            good().with_description("x".repeat(TEXT_LEN_MAX)),
            good().with_description("\u{fc}".repeat(TEXT_LEN_MAX / 2)),
            good().with_login("/login?next={url}"),
            good().with_login("https://account.example/"),
        ] {
            config.check().unwrap();
        }
        for (config, key, index) in [
            (config(vec![]), "origins", None),
            (config(many(ORIGINS_MAX + 1)), "origins", None),
            (
                config(vec![origin("https://news.example"), origin("https://a.b")]),
                "origins",
                Some(1),
            ),
            (
                config(vec![origin("https://news.example/a"), origin("https://news.example/b")]),
                "origins",
                Some(1),
            ),
            (listed(0), "cors-origins", None),
            (listed(ORIGINS_MAX + 1), "cors-origins", None),
            (good().with_sync(SyncMode::Interval(0)), "sync-interval", None),
            (good().with_sync(SyncMode::Interval(60_001)), "sync-interval", None),
            (good().with_receipt_seconds(RECEIPT_SECONDS_MIN - 1), "receipt-time", None),
            (good().with_receipt_seconds(RECEIPT_SECONDS_MAX + 1), "receipt-time", None),
            (good().with_description("x".repeat(TEXT_LEN_MAX + 1)), "description", None),
            (good().with_description("\n"), "description", None),
            (good().with_description("a\u{202e}b"), "description", None),
            (good().with_login("/a b"), "login", None),
            (good().with_login("login"), "login", None),
            (good().with_login("//evil.example/"), "login", None),
            (good().with_login("javascript:alert(1)"), "login", None),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!((error.key, error.index), (key, index), "{error}");
        }
    }
}
