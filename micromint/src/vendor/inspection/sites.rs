//! The server's sites: whether clients can pay at their names, and what their folders publish.

use std::fs;
use std::path::Path;

use super::{Findings, Inspection, Severity, shown};
use crate::vendor::config::VendorConfig;

/// The longest list of origins in a finding.
const ORIGINS_SHOWN_MAX: usize = 8;

pub(super) fn inspect(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    for site in &inspection.sites {
        for name in &site.names {
            inspect_name(&site.place, name, config, findings);
        }
    }
    inspect_origins(inspection, config, findings);
    for root in inspection.roots() {
        inspect_root(inspection, root, config, findings);
    }
}

/// Whether a name is the host of an origin.
fn inspect_name(place: &str, name: &str, config: &VendorConfig, findings: &mut Findings) {
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
    findings.add(Severity::Warning, "unknown-server-name", place, [found, means, advice]);
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
        let texts = [found, means, advice];
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
        return findings.add(Severity::Note, "not-examined", root, [found, means, advice]);
    };
    let key_file = inspection.key_file.as_deref().filter(|path| path.exists());
    let private = [&*inspection.config, config.till(), config.receipt_secret()];
    for path in private.into_iter().chain(key_file) {
        let real = fs::canonicalize(path).or_else(|_| std::path::absolute(path));
        if real.is_ok_and(|path| path.starts_with(&root)) {
            let found = format!("is inside of {}, which the server publishes", shown(&root));
            let means = "visitors can download what must stay secret".to_string();
            let advice = "move it out of the folder".to_string();
            findings.add(Severity::Error, "published", path, [found, means, advice]);
        }
    }
}
