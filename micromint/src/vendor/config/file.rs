//! The configuration file of a vendor (`docs/reference/vendor.md`).
//!
//! Input: the text. Output: a configuration that passes its own checks, or an error with its
//! position in the text.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use super::{SYNC_INTERVAL_MS_DEFAULT, VendorConfig};
use crate::identity::VendorId;
use crate::money::Money;
use crate::till::SyncMode;
use crate::toml_file::{Number, OneOrMany, Parsed, TomlError, TomlText};
use crate::vendor::cors::CorsPolicy;
use crate::vendor::origin::{Origin, PublicRoot};
use crate::vendor::page::{LANGUAGE_DEFAULT, Page};

/// The keys, in the order of the reference.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct VendorFile {
    vendor_id: Parsed<VendorId>,
    origins: OneOrMany<Parsed<PublicRoot>>,
    periods: Parsed<FilePath>,
    till: Parsed<FilePath>,
    sync: Option<Parsed<Sync>>,
    sync_interval: Option<Number>,
    receipt_time: Option<Number>,
    receipt_secret: Option<Parsed<FilePath>>,
    cap: Option<Number>,
    owners: Option<Parsed<OwnersFiles>>,
    description: Option<String>,
    page: Option<Parsed<FilePath>>,
    language: Option<String>,
    login: Option<String>,
    cors_origins: Option<OneOrMany<String>>,
    prices: Option<Parsed<FilePath>>,
    coin_value: Option<Parsed<Money>>,
    openapi: Option<bool>,
    llms: Option<bool>,
    crawler_prices: Option<bool>,
    x402: Option<bool>,
    license: Option<String>,
    bots: Option<OneOrMany<Parsed<Origin>>>,
    bot_keys: Option<Parsed<FilePath>>,
    bot_names: Option<OneOrMany<String>>,
}

/// The file of the keys of bots, beside the configuration, if `bot-keys` names no other.
const BOT_KEYS_FILE: &str = "bot-keys.toml";

/// A path that is not empty.
struct FilePath(PathBuf);

impl FromStr for FilePath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Err("expected a path, found \"\"") } else { Ok(FilePath(text.into())) }
    }
}

/// The value of `sync`.
#[derive(Clone, Copy)]
enum Sync {
    Always,
    Interval,
    Os,
}

impl Sync {
    fn word(self) -> &'static str {
        match self {
            Sync::Always => "always",
            Sync::Interval => "interval",
            Sync::Os => "os",
        }
    }
}

/// The value of `owners`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnersFiles {
    Optional,
    Required,
}

impl FromStr for OwnersFiles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "optional" => Ok(OwnersFiles::Optional),
            "required" => Ok(OwnersFiles::Required),
            _ => Err(format!("expected \"optional\" or \"required\", found {text:.80?}")),
        }
    }
}

impl FromStr for Sync {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Sync::Always, Sync::Interval, Sync::Os];
        all.into_iter().find(|sync| sync.word() == text).ok_or_else(|| {
            format!("expected \"always\", \"interval\" or \"os\", found {text:.80?}")
        })
    }
}

/// A page of the vendor's own, which is not read yet.
pub(super) struct OwnPage {
    pub(super) path: PathBuf,
    /// The language of the page for clients that prefer no other.
    pub(super) language: String,
}

/// Parses the file at `path`. Returns the configuration and the page that it names, if it does.
pub(super) fn read(text: &str, path: &Path) -> Result<(VendorConfig, Option<OwnPage>), TomlError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    read_text(text, folder).map_err(|error| error.in_file(path))
}

fn read_text(text: &str, folder: &Path) -> Result<(VendorConfig, Option<OwnPage>), TomlError> {
    let text = TomlText::parse(text)?;
    let file: VendorFile = text.read()?;
    let sync = file.sync_mode(&text)?;
    let cors = file.cors(&text)?;
    let at = |path: Parsed<FilePath>| folder.join(path.0.0);
    let origins = file.origins.0.into_iter().map(|root| root.0).collect();
    let mut config = VendorConfig::new(file.vendor_id.0, origins, at(file.periods), at(file.till))
        .with_sync(sync)
        .with_cors(cors)
        .with_description(file.description.unwrap_or_default());
    if let Some(Number(seconds)) = file.receipt_time {
        config = config.with_receipt_seconds(seconds);
    }
    if let Some(secret) = file.receipt_secret {
        config = config.with_receipt_secret(at(secret));
    }
    if let Some(Number(coins)) = file.cap {
        config = config.with_cap(coins);
    }
    if let Some(owners) = file.owners {
        config = config.with_owners_required(owners.0 == OwnersFiles::Required);
    }
    if let Some(prices) = file.prices {
        config = config.with_prices(at(prices));
    }
    if let Some(coin_value) = file.coin_value {
        config = config.with_coin_value(coin_value.0);
    }
    if let Some(place) = file.login {
        config = config.with_login(place);
    }
    config = config
        .with_openapi(file.openapi.unwrap_or(true))
        .with_llms(file.llms.unwrap_or(true))
        .with_crawler_prices(file.crawler_prices.unwrap_or(true))
        .with_x402(file.x402.unwrap_or(false));
    if let Some(place) = file.license {
        config = config.with_license(place);
    }
    let keys = file.bot_keys.map_or_else(|| folder.join(BOT_KEYS_FILE), at);
    if let Some(OneOrMany(agents)) = file.bots {
        config = config.with_bots(agents.into_iter().map(|agent| agent.0).collect(), keys);
    }
    if let Some(OneOrMany(names)) = file.bot_names {
        config = config.with_bot_names(names);
    }
    config.check().map_err(|error| text.fault_in(error.key, error.index, error.reason))?;
    if let Some(path) = file.page.map(at) {
        let language = file.language.unwrap_or_else(|| LANGUAGE_DEFAULT.to_string());
        return Ok((config, Some(OwnPage { path, language })));
    }
    if let Some(language) = file.language {
        let page = Page::shipped(&language).map_err(|reason| text.fault("language", reason))?;
        config = config.with_page(page);
    }
    Ok((config, None))
}

impl VendorFile {
    fn sync_mode(&self, text: &TomlText<'_>) -> Result<SyncMode, TomlError> {
        let sync = self.sync.as_ref().map_or(Sync::Always, |sync| sync.0);
        match (sync, self.sync_interval) {
            (Sync::Interval, interval) => {
                let Number(ms) = interval.unwrap_or(Number(SYNC_INTERVAL_MS_DEFAULT));
                Ok(SyncMode::Interval(ms.into()))
            }
            (Sync::Always, None) => Ok(SyncMode::Always),
            (Sync::Os, None) => Ok(SyncMode::Os),
            (_, Some(_)) => {
                let reason = format!("expected sync = \"interval\", found {:?}", sync.word());
                Err(text.fault("sync-interval", reason))
            }
        }
    }

    fn cors(&self, text: &TomlText<'_>) -> Result<CorsPolicy, TomlError> {
        let Some(OneOrMany(texts)) = &self.cors_origins else { return Ok(CorsPolicy::Site) };
        if texts == &["*"] {
            return Ok(CorsPolicy::Any);
        }
        let read = |(index, origin): (usize, &String)| {
            let fault = |error: crate::vendor::origin::OriginError| {
                text.fault_in("cors-origins", Some(index), error.to_string())
            };
            origin.parse().map_err(fault)
        };
        texts.iter().enumerate().map(read).collect::<Result<_, _>>().map(CorsPolicy::Listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
vendor-id = \"news.example\"
origins = [\"https://news.example\", \"https://www.news.example\"]
periods = \"periods\"
till = \"/var/till\"
";

    fn parse(text: &str) -> Result<VendorConfig, TomlError> {
        read(text, Path::new("/etc/micromint/vendor.toml")).map(|(config, _)| config)
    }

    #[test]
    fn defaults_and_relative_paths() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.periods(), Path::new("/etc/micromint/periods"));
        assert_eq!(config.till(), Path::new("/var/till"));
        assert_eq!(config.receipt_secret(), Path::new("/var/till.receipt-secret"));
        assert_eq!(config.sync(), SyncMode::Always);
        assert_eq!((config.receipt_seconds(), config.cap()), (86_400, None));
        assert_eq!(config.origins().len(), 2);
    }

    #[test]
    fn every_key_is_read() {
        let text = format!(
            "{}origins = \"http://news.example:8080\"\nsync = \"interval\"\nsync-interval = 250\n\
             receipt-time = 60\nreceipt-secret = \"secret\"\ncap = 0x10\ndescription = 'a \"b\"'\n\
              login = \"/login\"\ncors-origins = [\"https://app.example\"]\nprices = \"prices.toml\"\n",
            GOOD.replace(
                "origins = [\"https://news.example\", \"https://www.news.example\"]\n",
                ""
            )
        );
        let config = parse(&text).unwrap();
        assert_eq!(config.origins()[0].origin().as_str(), "http://news.example:8080");
        let text = GOOD.replace("https://www.news.example\"", "https://www.news.example/shop/\"");
        assert_eq!(parse(&text).unwrap().origins()[1].prefix(), "/shop");
        assert_eq!(config.sync(), SyncMode::Interval(250));
        assert_eq!(config.receipt_secret(), Path::new("/etc/micromint/secret"));
        assert_eq!((config.receipt_seconds(), config.cap()), (60, Some(16)));
        assert_eq!((config.description(), config.login()), ("a \"b\"", Some("/login")));
        assert_eq!(
            config.cors(),
            &CorsPolicy::Listed(vec!["https://app.example".parse().unwrap()])
        );
        assert_eq!(config.prices(), Some(Path::new("/etc/micromint/prices.toml")));
        assert_eq!(parse(&format!("{GOOD}cors-origins = \"*\"")).unwrap().cors(), &CorsPolicy::Any);
        assert_eq!(parse(GOOD).unwrap().cors(), &CorsPolicy::Site);
        assert_eq!(parse(&format!("{GOOD}cap = 0")).unwrap().cap(), None);
        let with_value = parse(&format!("{GOOD}coin-value = \"0.0001 USD\"")).unwrap();
        assert_eq!(with_value.coin_value(), "0.0001 USD".parse().ok());
        assert_eq!(parse(GOOD).unwrap().coin_value(), None);
        assert_eq!(parse(&format!("{GOOD}sync = \"os\"")).unwrap().sync(), SyncMode::Os);
        let on = parse(GOOD).unwrap();
        assert!(on.has_openapi() && on.has_llms() && on.has_crawler_prices());
        let off = "openapi = false\nllms = false\ncrawler-prices = false\nlicense = \"/rsl.xml\"";
        let off = parse(&format!("{GOOD}{off}")).unwrap();
        assert!(!off.has_openapi() && !off.has_llms() && !off.has_crawler_prices());
        assert!(!on.has_x402() && parse(&format!("{GOOD}x402 = true")).unwrap().has_x402());
        assert_eq!((on.license(), off.license()), (None, Some("/rsl.xml")));
        assert_eq!((on.bots(), on.bot_keys()), (&[][..], None));
        let bots =
            parse(&format!("{GOOD}bots = \"https://bot.example\"\nbot-names = []\n")).unwrap();
        assert_eq!(bots.bots()[0].as_str(), "https://bot.example");
        assert_eq!(bots.bot_keys(), Some(Path::new("/etc/micromint/bot-keys.toml")));
        assert!(bots.bot_settings().names.is_empty());
        let text = format!("{GOOD}bots = [\"https://a.example\"]\nbot-keys = \"/var/keys\"\n");
        assert_eq!(parse(&text).unwrap().bot_keys(), Some(Path::new("/var/keys")));
        for (word, expected) in [("required", true), ("optional", false)] {
            let config = parse(&format!("{GOOD}owners = \"{word}\"")).unwrap();
            assert_eq!(config.requires_owners(), expected, "{word}");
        }
    }

    #[test]
    fn the_page_is_read_with_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vendor.toml");
        std::fs::write(&path, format!("{GOOD}page = \"page.html\"\n")).unwrap();
        let error = VendorConfig::load(&path).unwrap_err().to_string();
        assert!(error.contains("page.html: page: cannot be read"), "{error}");
        std::fs::write(folder.path().join("page.fr.html"), "{{ price }}").unwrap();
        assert_ne!(VendorConfig::load(&path).unwrap().page(), &Page::default());
        let french = format!("{GOOD}page = \"page.html\"\nlanguage = \"fr\"\n");
        std::fs::write(&path, french).unwrap();
        VendorConfig::load(&path).unwrap();
        std::fs::write(&path, format!("{GOOD}language = \"de\"\n")).unwrap();
        assert_eq!(VendorConfig::load(&path).unwrap().page(), &Page::shipped("de").unwrap());
        std::fs::write(&path, GOOD).unwrap();
        assert_eq!(VendorConfig::load(&path).unwrap().page(), &Page::default());
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let without = |key: &str| {
            let lines = GOOD.lines().filter(|line| !line.starts_with(key));
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        let with = |line: &str| format!("{GOOD}{line}\n");
        for (text, says) in [
            (without("vendor-id"), "vendor.toml: missing key `vendor-id`"),
            (without("origins"), "vendor.toml: missing key `origins`"),
            (without("till"), "vendor.toml: missing key `till`"),
            (with("colour = 1"), "vendor.toml:5:1: unknown key `colour`, expected one of"),
            (with("till = \"a\""), "vendor.toml:5:1: duplicate key"),
            (
                with("cap = -1"),
                "vendor.toml:5:7: cap: expected a number from 0 to 4294967295, found -1",
            ),
            (
                with("cap = \"many\""),
                "vendor.toml:5:7: cap: invalid type: string \"many\", expected a number",
            ),
            (with("receipt-time = 59"), "expected a number from 60 to 2678400, found 59"),
            (with("receipt-time = 2678401"), "found 2678401"),
            (
                with("sync = \"never\""),
                "vendor.toml:5:8: sync: expected \"always\", \"interval\" or \"os\", found \"never\"",
            ),
            (
                with("sync-interval = 5"),
                "vendor.toml:5:17: sync-interval: expected sync = \"interval\", found \"always\"",
            ),
            (
                with("sync = \"interval\"\nsync-interval = 60001"),
                "vendor.toml:6:17: sync-interval: expected a number from 1 to 60000, found 60001",
            ),
            (
                with("description = \"\\n\""),
                "vendor.toml:5:15: description: expected at most 256 bytes of printable characters",
            ),
            (with("login = \"a\""), "vendor.toml:5:9: login: expected a path or a URL"),
            (
                with("language = \"fr\""),
                "vendor.toml:5:12: language: expected one of en, de, ar, or a page of your own",
            ),
            (
                with("owners = \"yes\""),
                "vendor.toml:5:10: owners: expected \"optional\" or \"required\", found \"yes\"",
            ),
            (with("x = "), "vendor.toml:5:"),
            (
                with("cors-origins = []"),
                "vendor.toml:5:16: cors-origins: expected 1 to 64 origins, found 0",
            ),
            (
                with("cors-origins = [\"*\", \"https://a.example\"]"),
                "vendor.toml:5:17: cors-origins: expected an origin",
            ),
            (with("cors-origins = \"null\""), "vendor.toml:5:16: cors-origins: expected an origin"),
            (with("cors-origins = \"https://a.example/b\""), "without a path"),
            (
                with("cors-origins = 1"),
                "cors-origins: invalid type: integer `1`, expected a string or an array",
            ),
            (
                with("coin-value = \"1 cent\""),
                "vendor.toml:5:14: coin-value: expected an amount with at most 8 decimals",
            ),
            (
                with("coin-value = \"0 USD\""),
                "vendor.toml:5:14: coin-value: expected more than 0 and at most 1000000 USD",
            ),
            (
                with("coin-value = \"1000000.1 USD\""),
                "expected more than 0 and at most 1000000 USD, found 1000000.1 USD",
            ),
            (with("prices = \"\""), "vendor.toml:5:10: prices: expected a path, found \"\""),
            (with("openapi = \"no\""), "vendor.toml:5:11: openapi: invalid type: string"),
            (with("bots = \"bot.example\""), "vendor.toml:5:8: bots: expected"),
            (
                with("bot-names = [\"robot\", \"ai\"]"),
                "vendor.toml:5:23: bot-names: expected a word of 3 to 64 bytes, found \"ai\"",
            ),
            (with("license = \"rsl.xml\""), "vendor.toml:5:11: license: expected a path or a URL"),
            (with("license = \"/a>b\""), "vendor.toml:5:11: license: expected no < and >"),
            (with("price-list = \"/prices\""), "vendor.toml:5:1: unknown key `price-list`"),
            (
                GOOD.replace("news.example\"\norigins", "News.example\"\norigins"),
                "vendor.toml:1:13: vendor-id: expected",
            ),
            (
                GOOD.replace("\"https://www.news.example\"", "7"),
                "vendor.toml:2:36: origins: invalid type: integer `7`, expected a string",
            ),
            (
                GOOD.replace("https://www", "ftp://www"),
                "vendor.toml:2:36: origins: expected an origin",
            ),
            (GOOD.replace("\"/var/till\"", "\"\""), "vendor.toml:4:8: till: expected a path"),
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
                error.contains(&format!("vendor.toml:3:1: origins: no client pays {vendor}")),
                "{error}"
            );
        }
    }
}
