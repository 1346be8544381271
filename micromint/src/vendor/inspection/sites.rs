//! The server's sites: whether the paywall is on, whether clients can pay at their names, and what
//! their folders publish.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Findings, Inspection, Listen, Severity, Site, Texts, is_same, shown};
use crate::vendor::config::VendorConfig;
use crate::vendor::price_files::{PriceFact, survey};

/// The longest list of origins in a finding.
const ORIGINS_SHOWN_MAX: usize = 8;

pub(super) fn inspect(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    for site in &inspection.sites {
        for name in &site.names {
            inspect_name(&site.position, name, config, findings);
        }
        inspect_listens(site, config, findings);
    }
    for site in &inspection.sites_without {
        inspect_site_without(site, inspection, config, findings);
    }
    inspect_use(inspection, findings);
    inspect_overrides(inspection, findings);
    inspect_origins(inspection, config, findings);
    for root in inspection.roots() {
        inspect_root(inspection, root, config, findings);
    }
}

/// Whether a site of the vendor was meant to have the paywall: it has price files, or there is a
/// price list.
fn inspect_site_without(
    site: &Site,
    inspection: &Inspection,
    config: &VendorConfig,
    findings: &mut Findings,
) {
    let is_origin = |name: &String| {
        config.origins().iter().any(|root| root.origin().host().as_str().eq_ignore_ascii_case(name))
    };
    // A site without a name is the one of all names that no other site has.
    let is_ours = site.names.is_empty() || site.names.iter().any(is_origin);
    let has_paywall_elsewhere = inspection
        .sites
        .iter()
        .any(|other| site.names.is_empty() || other.names.is_empty() || shares_a_name(site, other));
    // The directives of .htaccess files are findings of their own, if they have no effect.
    let has_overrides =
        || site.overrides.is_some() && site.roots.iter().any(|it| !override_files(it).is_empty());
    if !is_ours || has_paywall_elsewhere || has_overrides() {
        return;
    }
    let found = if config.prices().is_some() {
        "the paywall is on nowhere in this site, and there is a price list"
    } else if site.roots.iter().any(|root| has_price_files(root)) {
        "the paywall is on nowhere in this site, and it has price files"
    } else {
        return;
    };
    let means = "all its pages are free, and visitors can read the price files";
    let advice = "write `micromint on;` (nginx) or `MicroMint On` (Apache) into the site, and see to \
                  it that the module is loaded";
    let texts =
        Texts { found: found.to_string(), means: means.to_string(), advice: advice.to_string() };
    findings.add(Severity::Warning, "paywall-off", &site.position, texts);
}

fn shares_a_name(one: &Site, other: &Site) -> bool {
    one.names.iter().any(|name| other.names.iter().any(|its| its.eq_ignore_ascii_case(name)))
}

fn has_price_files(root: &Path) -> bool {
    let mut has_any = false;
    let _ = survey(root, None, None, |fact| {
        has_any |= match fact {
            PriceFact::Priced(_) | PriceFact::Broken { .. } => true,
            PriceFact::Orphan { .. }
            | PriceFact::WrongName { .. }
            | PriceFact::Cheaper { .. }
            | PriceFact::IndexDiffers { .. }
            | PriceFact::NotExamined { .. } => false,
        };
    });
    has_any
}

/// Whether the server names another configuration than the one that is inspected.
fn inspect_use(inspection: &Inspection, findings: &mut Findings) {
    let is_this = |path: &&PathBuf| is_same(path, &inspection.config);
    let is_used = inspection.sites.iter().flat_map(|site| &site.configs).any(|it| is_this(&it));
    let Some(other) = inspection.other_configs.first() else { return };
    if is_used || inspection.other_configs.iter().any(|path| is_this(&path)) {
        return;
    }
    let found = format!("no site of the server names this file; one names {}", shown(other));
    let means = "changes of it have no effect on the server".to_string();
    let advice =
        format!("run this with --config {}, or name this file in the server", shown(other));
    let texts = Texts { found, means, advice };
    findings.add(Severity::Warning, "configuration-not-used", &inspection.config, texts);
}

/// The `.htaccess` files whose directives of the paywall Apache ignores or refuses.
fn inspect_overrides(inspection: &Inspection, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for site in inspection.sites.iter().chain(&inspection.sites_without) {
        let Some(overrides) = &site.overrides else { continue };
        for root in &site.roots {
            for file in override_files(root).into_iter().filter(|file| seen.insert(file.clone())) {
                inspect_override(&file, overrides, findings);
            }
        }
    }
}

fn inspect_override(file: &Path, overrides: &[(PathBuf, String)], findings: &mut Findings) {
    let above = |folder: &Path| file.starts_with(folder);
    let nearest = overrides.iter().filter(|(folder, _)| above(folder));
    let nearest = nearest.map(|(folder, _)| folder.components().count()).max();
    let words: Vec<&str> = overrides
        .iter()
        .filter(|(folder, _)| above(folder) && Some(folder.components().count()) == nearest)
        .flat_map(|(_, words)| words.split_whitespace())
        .collect();
    let allows =
        |word: &&str| matches!(*word, "all" | "authconfig") || word.starts_with("micromint");
    if words.iter().any(allows) {
        return;
    }
    let is_ignored = words.iter().all(|word| *word == "none");
    let (severity, means) = match is_ignored {
        true => (Severity::Warning, "Apache does not read this file: a price in it has no effect"),
        false => (Severity::Error, "Apache answers all requests below this folder with 500"),
    };
    let found = "it has directives of MicroMint, which AllowOverride does not allow here";
    let advice = "write AllowOverride AuthConfig into the <Directory> of the site, or move the \
                  directives there";
    let texts =
        Texts { found: found.to_string(), means: means.to_string(), advice: advice.to_string() };
    findings.add(severity, "htaccess", file, texts);
}

/// The `.htaccess` files below a folder that have directives of the paywall. Folders that are
/// symbolic links are not entered.
fn override_files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() && entry.file_name() == ".htaccess" {
                let text = fs::read(entry.path()).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
                if text.lines().any(|line| line.trim_start().starts_with("micromint")) {
                    found.push(entry.path());
                }
            }
        }
    }
    found.sort();
    found
}

/// Whether a name is the host of an origin.
fn inspect_name(position: &str, name: &str, config: &VendorConfig, findings: &mut Findings) {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let hosts = || config.origins().iter().map(|root| root.origin().host().as_str());
    let is_covered = match name.strip_prefix("*.") {
        // The names of a wildcard cannot be listed; one of them is enough to show that the site is
        // known.
        Some(parent) => hosts().any(|host| {
            host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }),
        None => hosts().any(|host| host == name),
    };
    if is_covered {
        return;
    }
    let origins: Vec<&str> = config
        .origins()
        .iter()
        .map(|root| root.origin().as_str())
        .take(ORIGINS_SHOWN_MAX)
        .collect();
    let found = format!("{name} is the host of no origin: {}", origins.join(", "));
    let means =
        "wallets refuse to pay there: the 402 of a page names the first origin instead".to_string();
    let advice = format!("add an origin with the host {name}, or redirect this name to an origin");
    findings.add(
        Severity::Warning,
        "unknown-server-name",
        position,
        Texts { found, means, advice },
    );
}

/// Whether a site accepts connections where an origin says that it does.
fn inspect_listens(site: &Site, config: &VendorConfig, findings: &mut Findings) {
    let is_origin = |listen: &Listen| {
        let origins = config.origins().iter().map(|root| root.origin());
        origins.into_iter().any(|it| (it.port(), it.is_https()) == (listen.port, listen.is_tls))
    };
    if site.listens.is_empty() || site.listens.iter().any(is_origin) {
        return;
    }
    let shown = |listen: &Listen| {
        format!("{} ({})", listen.port, if listen.is_tls { "TLS" } else { "without TLS" })
    };
    let listens: Vec<String> = site.listens.iter().map(shown).collect();
    let found = format!("accepts connections at port {}, which no origin has", listens.join(", "));
    let means =
        "right if a proxy in front of this server serves the origins; otherwise wallets refuse \
                 to pay, because a 402 names an address that they did not ask"
            .to_string();
    let advice = "add TLS or the port to the site, or write the origin that visitors see into \
                  `origins`"
        .to_string();
    findings.add(Severity::Note, "origin-port", &site.position, Texts { found, means, advice });
}

/// Origins without TLS.
fn inspect_origins(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    for root in config.origins() {
        let (origin, host) = (root.origin(), root.origin().host().as_str());
        let is_local = host == "localhost" || host.ends_with(".localhost");
        if origin.is_https() || is_local {
            continue;
        }
        let found = format!("the origin {} is not https", origin.as_str());
        let means = "wallets refuse to pay there, unless they are told otherwise; anybody on the \
                     way can spend these coins here and read what was paid for"
            .to_string();
        let advice =
            "list the https origin alone, also where a proxy in front ends TLS".to_string();
        let texts = Texts { found, means, advice };
        findings.add(Severity::Warning, "http-origin", &inspection.config, texts);
    }
}

/// Whether a folder that is published holds what must not be.
fn inspect_root(
    inspection: &Inspection,
    root: &Path,
    config: &VendorConfig,
    findings: &mut Findings,
) {
    let Ok(root) = fs::canonicalize(root) else {
        let found = "does not exist, or cannot be examined".to_string();
        let means = "the price files in it were not examined".to_string();
        let advice = "correct the name of the folder, or run this as root".to_string();
        return findings.add(Severity::Note, "not-examined", root, Texts { found, means, advice });
    };
    let key_file = inspection.key_file.as_deref().filter(|path| path.exists());
    let private = [&*inspection.config, config.till(), config.receipt_secret()];
    for path in private.into_iter().chain(key_file) {
        let real = fs::canonicalize(path).or_else(|_| std::path::absolute(path));
        if real.is_ok_and(|path| path.starts_with(&root)) {
            let found = format!("is inside of {}, which the server publishes", shown(&root));
            let means = "visitors can download what must stay secret".to_string();
            let advice = "move it out of the folder".to_string();
            findings.add(Severity::Error, "published", path, Texts { found, means, advice });
        }
    }
}
