//! The configuration file of `mmbrokerd`, in TOML.
//!
//! Input: the text. Output: a configuration, or what is wrong and where. The invariant: an unknown
//! key is an error.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use micromint::key_file::KeyFileError;
use micromint::money::Currency;
use micromint::params::normal_broker_url;
use micromint::toml_file::{self, TomlError, TomlText};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::http::TlsFiles;
use crate::minting::MintingSettings;
use crate::shop::{Proxies, ShopSettings};
use crate::store::Dialect;

/// The default name of the witness.
const WITNESS_NAME: &str = "broker.witness";
/// The default of `sets-max`.
const SETS_MAX_DEFAULT: u32 = 100;

/// The configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where to listen, such as `127.0.0.1:8402`.
    #[serde(deserialize_with = "address_and_port")]
    pub listen: SocketAddr,
    /// The public URL, such as `https://broker.example`.
    pub url: String,
    /// The database: `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// The folder with the coin files.
    pub coins: PathBuf,
    /// The broker's secret; default `broker.secret` in the folder of the coin files.
    pub secret_file: Option<PathBuf>,
    /// The witness, which is no part of backups; default `broker.witness` in the folder of the coin
    /// files.
    witness_file: Option<PathBuf>,
    /// The most sets in one order.
    #[serde(default = "sets_max_default")]
    pub sets_max: u32,
    /// The certificate, as a PEM file.
    tls_certificate: Option<PathBuf>,
    /// The key of the certificate, as a PEM file.
    tls_key: Option<PathBuf>,
    /// The proxies with TLS that reach `listen`; default those on this machine.
    behind_proxy: Option<Proxies>,
    /// How the next period is minted; without it, operators mint.
    pub minting: Option<MintingSettings>,
    /// The pages for people.
    #[serde(default)]
    pub shop: ShopSettings,
}

fn sets_max_default() -> u32 {
    SETS_MAX_DEFAULT
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, is too large, or a key in it is missing, unknown or wrong.
    #[error(transparent)]
    File(#[from] TomlError),
    /// The values do not make a configuration.
    #[error("{}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        why: String,
    },
}

/// An address and a port. A host name is refused.
fn address_and_port<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let found = String::deserialize(from)?;
    found.parse().map_err(|_| {
        D::Error::custom(format!(
            "expected an address and a port such as 127.0.0.1:8402, found {found:?}"
        ))
    })
}

impl Config {
    /// Reads a configuration. Relative paths are those from the folder of the file.
    ///
    /// # Errors
    /// The file cannot be read, or is not a configuration.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = toml_file::load_path(path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Config::read(&text)
            .map_err(|error| error.in_file(path))?
            .in_folder(folder.unwrap_or(Path::new(".")))
            .map_err(|why| ConfigError::Content { path: path.to_path_buf(), why })
    }

    /// Reads the text of a configuration.
    ///
    /// # Errors
    /// What was expected, what was found and where.
    pub fn parse(text: &str, folder: &Path) -> Result<Config, String> {
        Config::read(text).map_err(|error| error.to_string())?.in_folder(folder)
    }

    fn read(text: &str) -> Result<Config, TomlError> {
        TomlText::parse(text)?.read()
    }

    /// Checks the values, and takes relative paths as those from `folder`.
    fn in_folder(self, folder: &Path) -> Result<Config, String> {
        let mut config = self;
        config.url = normal_broker_url(&config.url);
        if let Some((scheme, rest)) = config.database.split_once(':') {
            config.database = format!("{}:{rest}", scheme.to_ascii_lowercase());
        }
        config.check()?;
        config.coins = folder.join(&config.coins);
        config.secret_file = config.secret_file.map(|file| folder.join(file));
        config.witness_file = config.witness_file.map(|file| folder.join(file));
        config.tls_certificate = config.tls_certificate.map(|file| folder.join(file));
        config.tls_key = config.tls_key.map(|file| folder.join(file));
        if let Some(minting) = &mut config.minting {
            minting.coinmint = minting.coinmint.take().map(|program| folder.join(program));
        }
        config.shop.minting = config.minting.clone();
        config.shop.proxies = config.behind_proxy.clone().unwrap_or_default();
        if let Some(mail) = &mut config.shop.mail {
            mail.ca_file = mail.ca_file.take().map(|file| folder.join(file));
            mail.password_file = mail.password_file.take().map(|file| folder.join(file));
        }
        config.shop.metrics_file = config.shop.metrics_file.map(|file| folder.join(file));
        config.shop.hooks.values_mut().for_each(|file| *file = folder.join(&*file));
        if let Some(file) = config.database.strip_prefix("sqlite:") {
            config.database = format!("sqlite:{}", folder.join(file).display());
        }
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if Dialect::of(&self.database).is_none() {
            // The URL may contain a password: only its beginning is told.
            let scheme = self.database.split_once(':').map_or("", |(scheme, _)| scheme);
            return Err(format!(
                "database: expected sqlite:PATH or postgres://…, found {}",
                if scheme.is_empty() { "no scheme".to_string() } else { format!("{scheme:?}:…") }
            ));
        }
        if !is_public_url(&self.url) {
            return Err(format!(
                "url: expected an http or https URL of a host, without user, query and fragment, \
                 found {:?}",
                self.url
            ));
        }
        if self.sets_max == 0 {
            return Err("sets-max: expected at least 1, found 0".to_string());
        }
        self.shop.check()?;
        self.minting.as_ref().map_or(Ok(()), MintingSettings::check)?;
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => Err("tls-certificate needs tls-key".to_string()),
            (None, Some(_)) => Err("tls-key needs tls-certificate".to_string()),
            (None, None) if !self.is_private() => Err(format!(
                "listen: {} can be reached by other machines without TLS, and what is sent \
                 contains keys. Set tls-certificate and tls-key, listen on 127.0.0.1 behind a proxy, or name \
                 the proxies in behind-proxy if only they reach this address",
                self.listen
            )),
            _ => Ok(()),
        }
    }

    /// What is wrong with the files that the configuration names, and with its currencies.
    /// `currencies` are those of the broker's periods. It is no reason not to start.
    pub fn faults(&self, currencies: &BTreeSet<Currency>) -> Vec<String> {
        let mut faults = Vec::new();
        for path in self.database_files() {
            // Not opened: closing it would release the locks of SQLite in this process.
            let is_open = |found: std::fs::Metadata| found.permissions().mode() & 0o077 != 0;
            if std::fs::metadata(&path).is_ok_and(is_open) {
                faults.push(format!("database: {}", KeyFileError::NotPrivate { path }));
            }
        }
        for (key, file) in [("tls-certificate", &self.tls_certificate), ("tls-key", &self.tls_key)]
        {
            if let Some(file) = file
                && let Err(error) = std::fs::File::open(file)
            {
                faults.push(format!("{key}: {}: {error}", file.display()));
            }
        }
        faults.extend(self.shop.faults(currencies));
        faults
    }

    /// Whether nobody else can read what is sent.
    fn is_private(&self) -> bool {
        let is_loopback = match self.listen.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        };
        is_loopback || self.behind_proxy.is_some()
    }

    /// The files of a SQLite database, of which some may be missing.
    fn database_files(&self) -> Vec<PathBuf> {
        let Some(file) = self.database.strip_prefix("sqlite:") else { return Vec::new() };
        let file = file.split('?').next().unwrap_or_default();
        ["", "-wal", "-shm"].map(|ending| PathBuf::from(format!("{file}{ending}"))).to_vec()
    }

    /// The files for TLS, if it is set up.
    pub fn tls(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.tls_certificate.clone()?, self.tls_key.clone()?);
        Some(TlsFiles { certificate, key })
    }

    /// The file of the witness.
    pub fn witness_file(&self) -> PathBuf {
        let beside = || self.coins.join(WITNESS_NAME);
        self.witness_file.clone().unwrap_or_else(beside)
    }

    /// The file with the broker's secret.
    pub fn secret_file(&self) -> PathBuf {
        let beside = || self.coins.join(micromint::coin_file::SECRET_NAME);
        self.secret_file.clone().unwrap_or_else(beside)
    }
}

/// Whether people can reach pages below a URL.
fn is_public_url(text: &str) -> bool {
    let is_good = |url: url::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    // The parser takes more than browsers send: the pages compare the text.
    let is_plain = text.starts_with("http://") || text.starts_with("https://");
    let has_space = text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    is_plain && !has_space && url::Url::parse(text).is_ok_and(is_good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::PROXIES_MAX;

    const GOOD: &str = "listen = \"127.0.0.1:8402\"\nurl = \"https://broker.example\"\n\
                        database = \"sqlite:broker.db\"\ncoins = \"coins\"\n";

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/var/lib/broker"))
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.database, "sqlite:/var/lib/broker/broker.db");
        assert_eq!(config.coins, Path::new("/var/lib/broker/coins"));
        assert_eq!(config.secret_file(), Path::new("/var/lib/broker/coins/broker.secret"));
        assert_eq!(config.sets_max, 100);
        assert!(config.tls().is_none());
    }

    #[test]
    fn files_of_parts_are_relative_to_the_file() {
        let text = format!(
            "{GOOD}[minting]\ncoinmint = \"bin/coinmint\"\n[shop]\nmetrics-file = \"m\"\n\
             [shop.mail]\nserver = \"mail.example\"\nfrom = \"coins@broker.example\"\n\
             user = \"u\"\npassword-file = \"p\"\nca-file = \"/etc/ca.pem\"\n"
        );
        let config = parse(&text).unwrap();
        let folder = Path::new("/var/lib/broker");
        let minting = config.shop.minting.unwrap();
        assert_eq!((minting.days_before, minting.shards), (10, 0));
        assert_eq!(minting.coinmint, Some(folder.join("bin/coinmint")));
        assert_eq!(config.shop.metrics_file, Some(folder.join("m")));
        let mail = config.shop.mail.unwrap();
        assert_eq!(mail.password_file, Some(folder.join("p")));
        assert_eq!(mail.ca_file, Some("/etc/ca.pem".into()));
    }

    #[test]
    fn the_url_of_a_database_is_not_told() {
        let with = |url: &str| parse(&GOOD.replace("sqlite:broker.db", url));
        assert_eq!(with("Postgres://mm:pw@h/b").unwrap().database, "postgres://mm:pw@h/b");
        assert_eq!(with("SQLite:b.db").unwrap().database, "sqlite:/var/lib/broker/b.db");
        for wrong in ["mysql://mm:SECRET@h/b", "//mm:SECRET@h/b", "SECRET"] {
            let why = with(wrong).unwrap_err();
            assert!(why.contains("database: expected") && !why.contains("SECRET"), "{why}");
        }
    }

    #[test]
    fn spellings_of_the_url_are_one_broker() {
        for spelling in ["https://broker.example/", "HTTPS://Broker.Example:443"] {
            let config = parse(&GOOD.replace("https://broker.example", spelling)).unwrap();
            assert_eq!(config.url, parse(GOOD).unwrap().url, "{spelling}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, expected) in [
            ("sqlite:", "mysql:", "database: expected sqlite:PATH"),
            ("https://", "ftp://", "url: expected"),
            ("https://broker", "https://x y", "url: expected"),
            ("https://broker.example", "https://", "url: expected"),
            ("https://broker", "https://user@broker", "url: expected"),
            ("broker.example", "broker.example/?a", "url: expected"),
            ("broker.example", "broker.example/#a", "url: expected"),
            ("127.0.0.1", "192.0.2.1", "can be reached by other machines without TLS"),
            ("coins =", "coin =", "coin"),
            ("8402\"\n", "8402\"\ntls-key = \"k\"\n", "tls-key needs tls-certificate"),
            ("8402\"\n", "8402\"\nsets-max = 0\n", "sets-max: expected at least 1"),
            ("8402", "99999", "listen"),
            ("127.0.0.1", "localhost", "expected an address and a port such as 127.0.0.1:8402"),
        ] {
            let why = parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        let behind = |proxies: &str| {
            let listen = format!("192.0.2.1:8402\"\nbehind-proxy = {proxies}\n");
            parse(&GOOD.replace("127.0.0.1:8402\"\n", &listen)).map(|_| ())
        };
        assert_eq!(behind("[\"192.0.2.7\", \"2001:db8::/32\"]"), Ok(()));
        let list = |count| format!("[{}]", vec!["\"192.0.2.7\""; count].join(","));
        assert_eq!(behind(&list(PROXIES_MAX)), Ok(()));
        for (proxies, expected) in [
            ("true", "expected the addresses or networks of the proxies, such as [\"192.0.2.7\"]"),
            ("[7]", "expected the addresses or networks of the proxies"),
            (
                "[\"proxy\"]",
                "expected an address or a network such as 192.0.2.0/24, found \"proxy\"",
            ),
            (list(PROXIES_MAX + 1).as_str(), "expected at most 100 proxies, found 101"),
        ] {
            let why = behind(proxies).unwrap_err();
            assert!(why.contains(expected) && why.contains("behind-proxy"), "{why}");
        }
        let tls = "8402\"\ntls-key = \"k\"\ntls-certificate = \"c\"\n";
        let tls = GOOD.replace("127.0.0.1:8402\"\n", &format!("192.0.2.1:{tls}"));
        assert_eq!(parse(&tls).unwrap().tls().unwrap().key, Path::new("/var/lib/broker/k"));
    }

    #[test]
    fn a_file_of_the_largest_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.toml");
        let padding = toml_file::TOML_FILE_SIZE_MAX as usize - GOOD.len();
        std::fs::write(&path, format!("{GOOD}{}", "#".repeat(padding))).unwrap();
        assert!(Config::load(&path).is_ok());
        std::fs::write(&path, format!("{GOOD}{}", "#".repeat(padding + 1))).unwrap();
        let found = Config::load(&path).unwrap_err();
        assert!(found.to_string().contains("expected at most 65536 bytes"), "{found}");
        std::fs::write(&path, GOOD.replace("coins =", "coin =")).unwrap();
        let found = Config::load(&path).unwrap_err().to_string();
        assert!(found.starts_with(&format!("{}:4:1: ", path.display())), "{found}");
        // A file without an end, whose size the system gives as 0.
        let found = Config::load(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(found.starts_with("/dev/zero: "), "{found}");
    }
}
