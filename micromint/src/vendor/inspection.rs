//! Finds a vendor's mistakes before visitors do.
//!
//! Input: the configuration file and what is known of the server: the user of its workers, its
//! server names, its document roots. Output: [`Finding`]s: what is wrong, what it means and what to
//! do. The invariant: an inspection changes nothing on disk and takes no lock, so it can run at any
//! time, beside serving processes and without root; what it is not allowed to examine is a finding.

mod access;
mod disk;
mod pages;
mod periods;
mod server_config;
mod server_syntax;
mod sites;
mod till;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::config::VendorConfig;
use super::config_error::ConfigError;
use crate::protocol::is_printable_char;
use crate::time::UnixTime;

pub use access::Workers;
pub use pages::price_finding;
pub use server_config::{Listen, ServerConfig, Site};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something to know. Nothing needs to be done.
    Note,
    /// Some readers cannot pay, or will not be able to; or something is at risk.
    Warning,
    /// Pages are given away or cannot be sold, the server does not start, or money is lost.
    Error,
}

/// Something that a webmaster should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The kind of finding, such as `no-owners-file`; `docs/reference/mmvendor.md` lists them.
    pub kind: &'static str,
    /// The file, folder or setting.
    pub place: String,
    /// What was found there.
    pub found: String,
    /// What it means for the site and its readers.
    pub means: String,
    /// What to do.
    pub advice: String,
}

/// The texts of a [`Finding`].
struct Texts {
    found: String,
    means: String,
    advice: String,
}

impl Finding {
    /// A finding with what was found, what it means and what to do.
    fn new(severity: Severity, kind: &'static str, place: &Path, texts: Texts) -> Finding {
        let Texts { found, means, advice } = texts;
        Finding { severity, kind, place: shown(place), found, means, advice }
    }
}

/// What to inspect.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The vendor's configuration file.
    pub config: PathBuf,
    /// Other vendors' configuration files that the same server names.
    pub(crate) other_configs: Vec<PathBuf>,
    /// The user as whom the server's workers run; without it no permissions are examined.
    pub workers: Option<Workers>,
    /// The file with the vendor key, if it is to be examined.
    pub key_file: Option<PathBuf>,
    /// The sites of the server on which the paywall is on.
    pub sites: Vec<Site>,
    /// Its sites on which the paywall is on nowhere.
    pub sites_without: Vec<Site>,
    /// Folders whose files the server publishes, besides those of the sites.
    pub roots: Vec<PathBuf>,
    /// The time.
    pub now: UnixTime,
}

impl Inspection {
    /// An inspection of a configuration and the files that it names, at `now`.
    pub fn new(config: impl Into<PathBuf>, now: UnixTime) -> Inspection {
        Inspection {
            config: config.into(),
            other_configs: Vec::new(),
            workers: None,
            key_file: None,
            sites: Vec::new(),
            sites_without: Vec::new(),
            roots: Vec::new(),
            now,
        }
    }

    /// Adds the sites of a server. Those that name other configuration files are other vendors'.
    pub fn add_sites(&mut self, sites: Vec<Site>) {
        let is_this = |path: &PathBuf| is_same(path, &self.config);
        let (own, others): (Vec<Site>, Vec<Site>) = sites
            .into_iter()
            .partition(|site| site.configs.is_empty() || site.configs.iter().any(is_this));
        let configs = own.iter().chain(&others).flat_map(|site| &site.configs);
        let configs: BTreeSet<PathBuf> = configs.filter(|path| !is_this(path)).cloned().collect();
        self.other_configs.extend(configs);
        self.sites.extend(own);
    }

    /// Everything that was found; the most severe comes first.
    pub fn run(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        match VendorConfig::load(&self.config) {
            Err(error) => findings.configuration(&self.config, &error),
            Ok(config) => {
                sites::inspect(self, &config, &mut findings);
                periods::inspect(self, &config, &mut findings);
                access::inspect(self, &config, &mut findings);
                till::inspect(self, &config, &mut findings);
                disk::inspect(&config, &mut findings);
                pages::inspect(self, &config, &mut findings);
            }
        }
        findings.0.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings.0
    }

    /// All folders whose files the server publishes.
    fn roots(&self) -> impl Iterator<Item = &Path> {
        let sites = self.sites.iter().flat_map(|site| &site.roots);
        self.roots.iter().chain(sites).map(PathBuf::as_path)
    }
}

/// The findings so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        severity: Severity,
        kind: &'static str,
        place: impl AsRef<Path>,
        texts: Texts,
    ) {
        self.0.push(Finding::new(severity, kind, place.as_ref(), texts));
    }

    fn configuration(&mut self, path: &Path, error: &ConfigError) {
        let (place, found) = split_position(path, &error.to_string());
        let means = "nginx -t, apachectl configtest and the next start or reload of the server \
                     fail; a running server keeps the configuration that it has";
        let advice = "correct it; docs/reference/vendor.md lists the keys and their values";
        let texts = Texts { found, means: means.into(), advice: advice.into() };
        self.add(Severity::Error, "configuration", place, texts);
    }
}

/// Splits `vendor.toml:5:7: cap: …` into the position and the rest.
fn split_position(path: &Path, text: &str) -> (PathBuf, String) {
    let split = text.split_once(": ").filter(|(place, _)| place.contains(['.', '/']));
    split.map_or_else(
        || (path.to_path_buf(), text.to_string()),
        |(place, rest)| (place.into(), rest.to_string()),
    )
}

/// A path for people: characters that a terminal acts on are escaped.
pub fn shown(path: &Path) -> String {
    let mut shown = String::new();
    for char in path.to_string_lossy().chars() {
        if is_printable_char(char) { shown.push(char) } else { shown.extend(char.escape_default()) }
    }
    shown
}

/// Whether two paths lead to one file, now or as soon as it exists.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| {
        fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_default()
    };
    real(one) == real(other)
}

/// Seconds in words, such as `3 days`, `5 hours`, `2 minutes`.
fn duration(seconds: i64) -> String {
    let (count, unit) = match seconds {
        172_800.. => (seconds / 86_400, "days"),
        7200.. => (seconds / 3600, "hours"),
        120.. => (seconds / 60, "minutes"),
        _ => (seconds, "seconds"),
    };
    format!("{count} {unit}")
}
