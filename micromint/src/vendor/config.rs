//! The vendor's configuration: one TOML file that nginx, Apache, the C library and `mmvendorredeem`
//! read alike, and a folder of `PERIOD.params` files.
//!
//! Reading has no side effect, so `nginx -t` may do it. The invariant: a configuration that exists can
//! be paid to: a client's own rules (which page may ask in whose name) hold for every origin.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::cors::CorsPolicy;
use super::origin::{ORIGINS_MAX, Origin};
use super::page::Page;
use crate::host::{Directory, DiskDirectory, read_whole};
use crate::identity::VendorId;
use crate::params::{PARAMS_FILE_SIZE_MAX, Params};
use crate::protocol::{TEXT_LEN_MAX, Url};
use crate::till::SyncMode;
use crate::time::DAY_SECONDS;

/// The largest configuration file, in bytes.
pub const CONFIG_FILE_SIZE_MAX: u64 = 64 * 1024;
/// The most parameter files in the folder of periods.
pub const PERIODS_MAX: usize = 64;
/// The receipt time where a configuration says nothing, in seconds: a day.
pub const RECEIPT_SECONDS_DEFAULT: u32 = DAY_SECONDS as u32;
/// The shortest receipt time, in seconds: an answer may be lost and asked for again.
pub const RECEIPT_SECONDS_MIN: u32 = 60;
/// The longest receipt time, in seconds: 31 days.
pub const RECEIPT_SECONDS_MAX: u32 = 31 * DAY_SECONDS as u32;
/// `sync-interval` where a configuration says nothing, in milliseconds.
pub const SYNC_INTERVAL_MS_DEFAULT: u32 = 100;
/// The longest `sync-interval`, in milliseconds.
pub const SYNC_INTERVAL_MS_MAX: u32 = 60_000;

/// How a vendor sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorConfig {
    /// Who is paid.
    pub vendor: VendorId,
    /// Where the pages are, 1 to [`ORIGINS_MAX`]; the first is taken where a request names none.
    pub origins: Vec<Origin>,
    /// The folder of accepted periods, a `PERIOD.params` file each.
    pub periods: PathBuf,
    /// The till's directory.
    pub till: PathBuf,
    /// When a recorded payment is on disk.
    pub sync: SyncMode,
    /// How long a receipt, and a retry of a recorded payment, opens the page, in seconds.
    pub receipt_seconds: u32,
    /// The file with the secret that receipts are made with.
    pub receipt_secret: PathBuf,
    /// The most coins that one user may spend here in a UTC day; `None` for no limit.
    pub cap: Option<u32>,
    /// What is sold, for people; may be empty.
    pub description: String,
    /// The template of the page that people see where they have not paid; `None` for the default one.
    pub page_file: Option<PathBuf>,
    /// The page itself.
    pub page: Page,
    /// Which origins' scripts may see pages with a price.
    pub cors: CorsPolicy,
    /// Where the vendor keeps a list of prices: a URL, or a path here.
    pub price_list: Option<String>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {reason}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ConfigError {
    /// The file or folder.
    pub path: PathBuf,
    /// The line in it, counted from 1, where one is to blame.
    pub line: Option<usize>,
    /// The key and what is wrong with it.
    pub reason: String,
}

/// The keys, in the order of `docs/reference/vendor.md`.
const KEYS: [&str; 13] = [
    "vendor-id",
    "origins",
    "periods",
    "till",
    "sync",
    "sync-interval",
    "receipt-time",
    "receipt-secret",
    "cap",
    "description",
    "page",
    "cors-origins",
    "price-list",
];

impl VendorConfig {
    /// Reads a configuration file. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// A file that cannot be read, the template of a page included, or what [`VendorConfig::parse`] refuses.
    pub fn load(path: &Path) -> Result<VendorConfig, ConfigError> {
        let unreadable = |error: std::io::Error| whole(path, format!("cannot be read: {error}"));
        let (directory, name) = DiskDirectory::of_file(path).map_err(unreadable)?;
        let bytes = read_whole(&directory, &name, CONFIG_FILE_SIZE_MAX).map_err(unreadable)?;
        let text = String::from_utf8(bytes)
            .map_err(|error| whole(path, format!("is no text: {error}")))?;
        let mut config = VendorConfig::parse(&text, path)?;
        if let Some(file) = &config.page_file {
            config.page = Page::load(file)?;
        }
        Ok(config)
    }

    /// Reads the text of the configuration file at `path`, which is used for relative paths and
    /// messages only. Nothing is touched, so the page is the default one.
    ///
    /// # Errors
    /// Text that is no TOML; a key that is missing, unknown or holds what it cannot; an origin at which
    /// no client would pay this vendor. With the line and the key.
    pub fn parse(text: &str, path: &Path) -> Result<VendorConfig, ConfigError> {
        let table = DeTable::parse(text).map_err(|error| ConfigError {
            path: path.to_path_buf(),
            line: error.span().map(|span| line_of(text, &span)),
            reason: error.message().to_string(),
        })?;
        Keys { table: table.get_ref(), text, path }.read()
    }

    /// Reads the parameters of all accepted periods.
    ///
    /// # Errors
    /// No or more than [`PERIODS_MAX`] files; one that cannot be read; a period twice; periods that
    /// differ in broker or coin value.
    pub fn load_periods(&self) -> Result<Vec<Params>, ConfigError> {
        load_periods(&DiskDirectory::new(&self.periods))
    }
}

/// Reads every `*.params` file of a folder; see [`VendorConfig::load_periods`].
pub(super) fn load_periods(directory: &dyn Directory) -> Result<Vec<Params>, ConfigError> {
    let folder = directory.path();
    let mut names = directory
        .names()
        .map_err(|error| whole(folder, format!("periods: cannot be read: {error}")))?;
    names.retain(|name| name.ends_with(".params") && !name.starts_with('.'));
    if names.is_empty() {
        return Err(whole(folder, "periods: expected at least one PERIOD.params file, found none"));
    }
    if names.len() > PERIODS_MAX {
        let reason =
            format!("periods: expected at most {PERIODS_MAX} .params files, found {}", names.len());
        return Err(whole(folder, reason));
    }
    let mut periods: Vec<Params> = Vec::new();
    for name in names {
        let params = load_params(directory, &name)?;
        refuse_mixture(&periods, &params).map_err(|reason| whole(&folder.join(&name), reason))?;
        periods.push(params);
    }
    Ok(periods)
}

fn load_params(directory: &dyn Directory, name: &str) -> Result<Params, ConfigError> {
    let wrong = |reason: String| whole(&directory.path().join(name), reason);
    let bytes = read_whole(directory, name, PARAMS_FILE_SIZE_MAX)
        .map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    Params::from_toml(&text).map_err(|error| wrong(error.to_string()))
}

/// One Request-Payment names several periods, one broker and one coin value.
fn refuse_mixture(others: &[Params], params: &Params) -> Result<(), String> {
    let raw = params.raw();
    if others.iter().any(|other| other.period() == params.period()) {
        return Err(format!("period: {} stands in another file too", params.period()));
    }
    for other in others.iter().map(Params::raw) {
        for (key, its, others) in [
            ("broker", &raw.broker, &other.broker),
            ("coin-value", &raw.coin_value, &other.coin_value),
        ] {
            if its != others {
                return Err(format!(
                    "{key}: expected {others:?} as in period {}, found {its:?}",
                    other.period
                ));
            }
        }
    }
    Ok(())
}

/// The keys of a configuration file, with the lines they stand in.
struct Keys<'a> {
    table: &'a DeTable<'a>,
    text: &'a str,
    path: &'a Path,
}

impl Keys<'_> {
    fn read(&self) -> Result<VendorConfig, ConfigError> {
        self.refuse_unknown()?;
        let vendor: VendorId = self.need_parsed("vendor-id")?;
        let till = self.need_path("till")?;
        Ok(VendorConfig {
            origins: self.origins(&vendor)?,
            periods: self.need_path("periods")?,
            sync: self.sync()?,
            receipt_seconds: self.receipt_seconds()?,
            receipt_secret: match self.string("receipt-secret")? {
                Some(path) => self.relative(path),
                None => beside(&till, ".receipt-secret"),
            },
            cap: self.number("cap", 0, u32::MAX)?.filter(|cap| *cap > 0),
            description: self.description()?,
            page_file: self.path_of("page")?,
            page: Page::default(),
            cors: self.cors()?,
            price_list: self.price_list()?,
            vendor,
            till,
        })
    }

    fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let unknown = self.table.keys().find(|key| !KEYS.contains(&key.get_ref().as_ref()));
        match unknown {
            Some(key) => {
                let reason =
                    format!("unknown key {:?}; expected one of {}", key.get_ref(), KEYS.join(", "));
                Err(self.at(key.span(), reason))
            }
            None => Ok(()),
        }
    }

    /// The strings of an array, or the one string.
    fn strings<'k>(
        &'k self,
        key: &str,
        value: &'k Spanned<DeValue<'k>>,
    ) -> Result<Vec<(&'k str, Range<usize>)>, ConfigError> {
        let values: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
            DeValue::Array(values) => values.iter().collect(),
            _ => vec![value],
        };
        if !(1..=ORIGINS_MAX).contains(&values.len()) {
            let reason =
                format!("{key}: expected 1 to {ORIGINS_MAX} origins, found {}", values.len());
            return Err(self.at(value.span(), reason));
        }
        let read = |value: &&'k Spanned<DeValue<'k>>| {
            let text =
                value.get_ref().as_str().ok_or_else(|| self.wrong(key, value, "a string"))?;
            Ok((text, value.span()))
        };
        values.iter().map(read).collect()
    }

    fn origin(&self, key: &str, (text, span): (&str, Range<usize>)) -> Result<Origin, ConfigError> {
        text.parse().map_err(|error| self.at(span, format!("{key}: {error}")))
    }

    fn cors(&self) -> Result<CorsPolicy, ConfigError> {
        const KEY: &str = "cors-origins";
        let Some(value) = self.get(KEY) else { return Ok(CorsPolicy::Site) };
        let texts = self.strings(KEY, value)?;
        match texts[..] {
            [("*", _)] => Ok(CorsPolicy::Any),
            _ => {
                let origins: Result<_, _> =
                    texts.into_iter().map(|text| self.origin(KEY, text)).collect();
                Ok(CorsPolicy::Listed(origins?))
            }
        }
    }

    fn price_list(&self) -> Result<Option<String>, ConfigError> {
        const KEY: &str = "price-list";
        let (Some(value), Some(text)) = (self.get(KEY), self.string(KEY)?) else { return Ok(None) };
        // A path is one that a page of ours could have, and so is read as one.
        let url = if text.starts_with('/') {
            format!("https://host.example{text}")
        } else {
            text.to_string()
        };
        match url.parse::<Url>() {
            Ok(_) => Ok(Some(text.to_string())),
            Err(error) => {
                Err(self.at(value.span(), format!("{KEY}: expected a path or a URL: {error}")))
            }
        }
    }

    fn origins(&self, vendor: &VendorId) -> Result<Vec<Origin>, ConfigError> {
        const KEY: &str = "origins";
        let read = |(text, span): (&str, Range<usize>)| {
            let origin = self.origin(KEY, (text, span.clone()))?;
            if vendor.collects_at(origin.host()) {
                return Ok(origin);
            }
            let reason = format!(
                "origins: no client pays {vendor} for pages at {origin:?}: vendor-id must be the host of every origin, or a parent of it that is no public suffix",
                origin = origin.as_str()
            );
            Err(self.at(span, reason))
        };
        self.strings(KEY, self.need(KEY)?)?.into_iter().map(read).collect()
    }

    fn sync(&self) -> Result<SyncMode, ConfigError> {
        let interval = self.number("sync-interval", 1, SYNC_INTERVAL_MS_MAX)?;
        let mode = self.string("sync")?.unwrap_or("always");
        if let (Some(value), true) = (self.get("sync-interval"), mode != "interval") {
            let reason = "sync-interval: is of use only with sync = \"interval\"".to_string();
            return Err(self.at(value.span(), reason));
        }
        match mode {
            "always" => Ok(SyncMode::Always),
            "interval" => {
                Ok(SyncMode::Interval(interval.unwrap_or(SYNC_INTERVAL_MS_DEFAULT).into()))
            }
            "os" => Ok(SyncMode::Os),
            _ => Err(self.wrong("sync", self.need("sync")?, "\"always\", \"interval\" or \"os\"")),
        }
    }

    fn receipt_seconds(&self) -> Result<u32, ConfigError> {
        let seconds = self.number("receipt-time", RECEIPT_SECONDS_MIN, RECEIPT_SECONDS_MAX)?;
        Ok(seconds.unwrap_or(RECEIPT_SECONDS_DEFAULT))
    }

    fn description(&self) -> Result<String, ConfigError> {
        let text = self.string("description")?.unwrap_or_default();
        if text.len() <= TEXT_LEN_MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Ok(text.to_string());
        }
        let expected = format!("at most {TEXT_LEN_MAX} printable ASCII characters");
        Err(self.wrong("description", self.need("description")?, &expected))
    }

    fn get(&self, key: &str) -> Option<&Spanned<DeValue<'_>>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn need(&self, key: &str) -> Result<&Spanned<DeValue<'_>>, ConfigError> {
        self.get(key).ok_or_else(|| whole(self.path, format!("{key} is missing")))
    }

    fn string(&self, key: &str) -> Result<Option<&str>, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        value.get_ref().as_str().map(Some).ok_or_else(|| self.wrong(key, value, "a string"))
    }

    fn need_parsed<T: FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<T, ConfigError> {
        let value = self.need(key)?;
        let text = self.string(key)?.unwrap_or_default();
        text.parse().map_err(|error: T::Err| self.at(value.span(), format!("{key}: {error}")))
    }

    fn need_path(&self, key: &str) -> Result<PathBuf, ConfigError> {
        let path = self.path_of(key)?;
        path.ok_or_else(|| whole(self.path, format!("{key} is missing")))
    }

    fn path_of(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        match self.string(key)? {
            Some("") => Err(self.wrong(key, self.need(key)?, "a path")),
            path => Ok(path.map(|path| self.relative(path))),
        }
    }

    fn relative(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    fn number(&self, key: &str, min: u32, max: u32) -> Result<Option<u32>, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let integer = value.get_ref().as_integer();
        let number =
            integer.and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
        number
            .filter(|number| (min..=max).contains(number))
            .map(Some)
            .ok_or_else(|| self.wrong(key, value, &format!("a number from {min} to {max}")))
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> ConfigError {
        let found: String =
            self.text.get(value.span()).unwrap_or_default().chars().take(80).collect();
        self.at(value.span(), format!("{key}: expected {expected}, found {found}"))
    }

    fn at(&self, span: Range<usize>, reason: String) -> ConfigError {
        ConfigError { path: self.path.to_path_buf(), line: Some(line_of(self.text, &span)), reason }
    }
}

pub(super) fn whole(path: &Path, reason: impl Into<String>) -> ConfigError {
    ConfigError { path: path.to_path_buf(), line: None, reason: reason.into() }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

/// The file beside `path` whose name is that of `path` and `suffix`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Open, SimulatedDirectory};
    use crate::params::tests::test_params;

    const GOOD: &str = "\
vendor-id = \"news.example\"
origins = [\"https://news.example\", \"https://www.news.example\"]
periods = \"periods\"
till = \"/var/till\"
";

    fn parse(text: &str) -> Result<VendorConfig, ConfigError> {
        VendorConfig::parse(text, Path::new("/etc/micromint/vendor.toml"))
    }

    #[test]
    fn defaults_and_relative_paths() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.periods, Path::new("/etc/micromint/periods"));
        assert_eq!(config.till, Path::new("/var/till"));
        assert_eq!(config.receipt_secret, Path::new("/var/till.receipt-secret"));
        assert_eq!(config.sync, SyncMode::Always);
        assert_eq!((config.receipt_seconds, config.cap), (86_400, None));
        assert_eq!(config.origins.len(), 2);
    }

    #[test]
    fn every_key_is_read() {
        let text = format!(
            "{}origins = \"http://news.example:8080\"\nsync = \"interval\"\nsync-interval = 250\n\
             receipt-time = 60\nreceipt-secret = \"secret\"\ncap = 0x10\ndescription = 'a \"b\"'\n\
             cors-origins = [\"https://app.example\"]\nprice-list = \"/prices?a\"\n",
            GOOD.replace(
                "origins = [\"https://news.example\", \"https://www.news.example\"]\n",
                ""
            )
        );
        let config = parse(&text).unwrap();
        assert_eq!(config.origins[0].as_str(), "http://news.example:8080");
        assert_eq!(config.sync, SyncMode::Interval(250));
        assert_eq!(config.receipt_secret, Path::new("/etc/micromint/secret"));
        assert_eq!((config.receipt_seconds, config.cap), (60, Some(16)));
        assert_eq!(config.description, "a \"b\"");
        assert_eq!(config.cors, CorsPolicy::Listed(vec!["https://app.example".parse().unwrap()]));
        assert_eq!(config.price_list.as_deref(), Some("/prices?a"));
        assert_eq!(parse(&format!("{GOOD}cors-origins = \"*\"")).unwrap().cors, CorsPolicy::Any);
        assert_eq!(parse(GOOD).unwrap().cors, CorsPolicy::Site);
        assert_eq!(parse(&format!("{GOOD}cap = 0")).unwrap().cap, None);
        assert_eq!(parse(&format!("{GOOD}sync = \"os\"")).unwrap().sync, SyncMode::Os);
    }

    #[test]
    fn the_page_is_read_with_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vendor.toml");
        std::fs::write(&path, format!("{GOOD}page = \"page.html\"\n")).unwrap();
        let error = VendorConfig::load(&path).unwrap_err().to_string();
        assert!(error.contains("page.html: page: cannot be read"), "{error}");
        std::fs::write(folder.path().join("page.html"), "{{ message }}").unwrap();
        assert_ne!(VendorConfig::load(&path).unwrap().page, Page::default());
        std::fs::write(&path, GOOD).unwrap();
        assert_eq!(VendorConfig::load(&path).unwrap().page, Page::default());
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let without = |key: &str| {
            let lines = GOOD.lines().filter(|line| !line.starts_with(key));
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        let with = |line: &str| format!("{GOOD}{line}\n");
        for (text, says) in [
            (without("vendor-id"), "vendor.toml: vendor-id is missing"),
            (without("origins"), "vendor.toml: origins is missing"),
            (without("till"), "vendor.toml: till is missing"),
            (with("colour = 1"), "vendor.toml:5: unknown key \"colour\""),
            (with("till = \"a\""), "vendor.toml:5: duplicate key"),
            (
                with("cap = -1"),
                "vendor.toml:5: cap: expected a number from 0 to 4294967295, found -1",
            ),
            (with("cap = \"many\""), "found \"many\""),
            (with("receipt-time = 59"), "expected a number from 60 to 2678400, found 59"),
            (with("receipt-time = 2678401"), "found 2678401"),
            (
                with("sync = \"never\""),
                "sync: expected \"always\", \"interval\" or \"os\", found \"never\"",
            ),
            (with("sync-interval = 5"), "of use only with sync = \"interval\""),
            (
                with("sync = \"interval\"\nsync-interval = 60001"),
                "vendor.toml:6: sync-interval: expected",
            ),
            (with("description = \"\\n\""), "description: expected at most 256 printable"),
            (with("x = "), "vendor.toml:5: "),
            (
                with("cors-origins = []"),
                "vendor.toml:5: cors-origins: expected 1 to 64 origins, found 0",
            ),
            (
                with("cors-origins = [\"*\", \"https://a.example\"]"),
                "cors-origins: expected an origin",
            ),
            (with("cors-origins = \"null\""), "cors-origins: expected an origin"),
            (with("cors-origins = \"https://a.example/b\""), "without a path"),
            (with("cors-origins = 1"), "cors-origins: expected a string, found 1"),
            (
                with("price-list = \"prices\""),
                "vendor.toml:5: price-list: expected a path or a URL",
            ),
            (with("price-list = \"/a b\""), "price-list: expected a path or a URL"),
            (
                GOOD.replace("news.example\"\norigins", "News.example\"\norigins"),
                "vendor.toml:1: vendor-id: expected",
            ),
            (
                GOOD.replace("\"https://www.news.example\"", "7"),
                "vendor.toml:2: origins: expected a string",
            ),
            (
                GOOD.replace("https://www", "ftp://www"),
                "vendor.toml:2: origins: expected an origin",
            ),
            (GOOD.replace("\"/var/till\"", "\"\""), "vendor.toml:4: till: expected a path"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(says), "expected {says:?} in {error:?}");
        }
    }

    #[test]
    fn origins_that_no_client_pays_at_are_refused() {
        for (vendor, origin) in [
            ("news.example", "https://shop.example"),
            ("co.uk", "https://news.co.uk"),
            ("www.news.example", "https://news.example"),
        ] {
            let text = format!(
                "vendor-id = \"{vendor}\"\norigins = [\n\"{origin}\"]\nperiods = \"p\"\ntill = \"t\"\n"
            );
            let error = parse(&text).unwrap_err().to_string();
            assert!(
                error.contains(&format!("vendor.toml:3: origins: no client pays {vendor}")),
                "{error}"
            );
        }
    }

    fn folder(files: &[(&str, String)]) -> SimulatedDirectory {
        let directory = SimulatedDirectory::new();
        for (name, text) in files {
            directory.open(name, Open::Create).unwrap().write_at(text.as_bytes(), 0).unwrap();
        }
        directory
    }

    #[test]
    fn periods_share_broker_and_coin_value_and_differ_in_name() {
        let first = test_params().to_toml();
        let second = first.replace("2026-12\"", "2027-01\"");
        let error =
            |files: &[(&str, String)]| load_periods(&folder(files)).unwrap_err().to_string();
        let good = folder(&[
            ("a.params", first.clone()),
            ("b.params", second.clone()),
            ("c.txt", "x".into()),
        ]);
        assert_eq!(load_periods(&good).unwrap().len(), 2);
        assert!(error(&[]).contains("at least one PERIOD.params"));
        assert!(error(&[("a.params", "x".into())]).contains("a.params: "));
        assert!(
            error(&[("a.params", first.clone()), ("b.params", first.clone())])
                .contains("another file")
        );
        for (from, to, says) in [
            ("https://broker", "https://other", "b.params: broker: expected"),
            ("0.01 USD", "0.02 USD", "b.params: coin-value: expected"),
        ] {
            let found =
                error(&[("a.params", first.clone()), ("b.params", second.replace(from, to))]);
            assert!(found.contains(says), "{found}");
        }
        let many: Vec<(String, String)> = (0..=PERIODS_MAX)
            .map(|i| (format!("{i}.params"), first.replace("2026-12\"", &format!("p{i}\""))))
            .collect();
        let many: Vec<(&str, String)> =
            many.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        assert_eq!(load_periods(&folder(&many[1..])).unwrap().len(), PERIODS_MAX);
        assert!(error(&many).contains("at most 64"));
    }
}
