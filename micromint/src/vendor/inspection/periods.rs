//! The accepted periods and the broker's lists.

use std::path::Path;
use std::time::SystemTime;

use super::{Findings, Inspection, Severity, Texts, duration, split_position};
use crate::host::{Directory, DiskDirectory};
use crate::params::Params;
use crate::period::Period;
use crate::time::{DAY_SECONDS, UnixTime};
use crate::toml_file;
use crate::vendor::config::VendorConfig;
use crate::vendor::lists::{ListFolder, Lists, file_name};
use crate::vendor::periods::{PARAMS_OF_BROKER_ENDING, load_periods};

/// How long before the end of the last period that is a finding, in seconds: three days.
const NOTICE_SECONDS: i64 = 3 * DAY_SECONDS;
/// How long after it last heard from the broker `mmvendor sync` counts as running, in seconds.
const SYNC_SECONDS: i64 = DAY_SECONDS;

pub(super) fn inspect(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    let folder = DiskDirectory::new(config.periods());
    inspect_difference(&folder, findings);
    let periods = match load_periods(&folder, config.coin_value()) {
        Ok(periods) => periods,
        Err(error) => {
            let (place, found) = split_position(config.periods(), &error.to_string());
            let means = "the server does not start; a running one keeps the periods that it has";
            let advice = "put the PERIOD.params files there that your broker gave you, and nothing \
                          else that ends in .params";
            let texts = Texts { found, means: means.to_string(), advice: advice.to_string() };
            return findings.add(Severity::Error, "periods", place, texts);
        }
    };
    inspect_validity(inspection.now, config, &periods, findings);
    for params in &periods {
        inspect_lists(inspection.now, config, &folder, params, findings);
        inspect_strength(inspection.now, config, params, findings);
    }
}

/// Whether the broker has other parameters of a period than those that are here, as
/// `mmvendor sync` found.
fn inspect_difference(folder: &DiskDirectory, findings: &mut Findings) {
    // A folder that cannot be read is a finding of `load_periods`.
    for name in folder.names().unwrap_or_default() {
        let Some(period) = name.strip_suffix(PARAMS_OF_BROKER_ENDING) else { continue };
        let own = format!("{period}.params");
        let read = |name: &str| Params::from_toml(&toml_file::load(folder, name).ok()?).ok();
        let held = read(&own);
        if held.is_some() && held == read(&name) {
            continue;
        }
        let place = folder.path().join(&own);
        let (held, broker) = (place.display(), folder.path().join(&name));
        let broker = broker.display();
        let found = format!("the broker has other parameters of this period, in {broker}");
        let means = "the server asks for coins that this broker did not sell, and its readers \
                     cannot pay";
        let advice = format!(
            "if `mmvendor sync` names your broker, mv {broker} {held}; otherwise correct --broker, \
             and remove {broker}"
        );
        let texts = Texts { found, means: means.to_string(), advice };
        findings.add(Severity::Error, "params-differ", place, texts);
    }
}

/// Whether a period is valid now, and whether another one follows it.
fn inspect_validity(
    now: UnixTime,
    config: &VendorConfig,
    periods: &[Params],
    findings: &mut Findings,
) {
    let place = config.periods();
    let (start, end) =
        (|params: &Params| params.raw().start, |params: &Params| params.raw().expiration);
    let valid = periods.iter().filter(|params| (start(params)..end(params)).contains(&now));
    // How long coins are accepted without a gap, from now on.
    let mut until = now;
    while let Some(next) =
        periods.iter().filter(|it| start(it) <= until && end(it) > until).map(end).max()
    {
        until = next;
    }
    let later = periods.iter().map(start).filter(|start| *start > until).min();
    let advice = "ask your broker for the parameters of the next period, and rename the file into \
                  this folder; no reload is needed";
    let mut add = |severity, kind, found: String, means: &str| {
        findings.add(
            severity,
            kind,
            place,
            Texts { found, means: means.to_string(), advice: advice.to_string() },
        );
    };
    let stops = "from then on nobody can pay, and priced pages open only with receipts";
    if valid.clone().next().is_none() {
        let found = match later {
            Some(start) => format!("no period is valid before {start}"),
            None => {
                let last = periods.iter().map(end).max().unwrap_or_default();
                format!("no period is valid; the last one ended at {last}")
            }
        };
        let means = "nobody can pay; the 402 page says that no coins are accepted";
        add(Severity::Error, "no-period", found, means);
    } else if let Some(start) = later {
        let found = format!("no period is valid from {until} to {start}");
        let is_soon = until.0 - now.0 <= NOTICE_SECONDS;
        let severity = if is_soon { Severity::Warning } else { Severity::Note };
        add(severity, "period-gap", found, stops);
    } else if until.0 - now.0 <= NOTICE_SECONDS {
        let left = duration(until.0 - now.0);
        let found = format!("the last period ends at {until}, in {left}, and no next one is here");
        if valid.clone().any(|params| is_synced(place, params.period(), now)) {
            // The broker hands out parameters when their period begins, not before.
            let means = "`mmvendor sync` fetches the next one when it begins";
            let advice = "nothing, as long as `mmvendor sync` runs";
            let texts = Texts { found, means: means.to_string(), advice: advice.to_string() };
            return findings.add(Severity::Note, "period-ends", place, texts);
        }
        add(Severity::Warning, "period-ends", found, stops);
    }
}

/// Whether `mmvendor sync` has lately heard from the broker about a period: it then writes
/// `PERIOD.witness`, or sets its time.
fn is_synced(folder: &Path, period: &Period, now: UnixTime) -> bool {
    let written = std::fs::metadata(folder.join(file_name(period, "witness")))
        .and_then(|found| found.modified())
        .ok()
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    written.is_some_and(|time| now.0 - (time.as_secs() as i64) <= SYNC_SECONDS)
}

/// Whether the lists of a period exist and can be read.
fn inspect_lists(
    now: UnixTime,
    config: &VendorConfig,
    folder: &DiskDirectory,
    params: &Params,
    findings: &mut Findings,
) {
    let lists = ListFolder { directory: folder, vendor: config.vendor(), requires_owners: false };
    let period = params.period();
    let has_ended = now >= params.raw().expiration;
    match lists.load(params, None) {
        Err(error) => {
            let (place, found) = split_position(folder.path(), &error.to_string());
            let means = format!(
                "the server does not start; a running one keeps the list that it has, and answers \
                 payments of {period} with 503 if it has none"
            );
            let advice = "get the list from your broker again, and rename it into this folder";
            findings.add(
                Severity::Error,
                "list-unreadable",
                place,
                Texts { found, means, advice: advice.into() },
            );
        }
        Ok(lists) if lists.lacks_owners() => {
            let place = folder.path().join(file_name(period, "owners"));
            if config.requires_owners() {
                let means = "the server does not start, because of owners = \"required\"";
                let advice = if has_ended {
                    format!("the period is over: remove {period}.params from the folder")
                } else {
                    format!("ask your broker for the owners file of {period} for your Vendor-ID")
                };
                let found = "does not exist".to_string();
                let texts = Texts { found, means: means.to_string(), advice };
                findings.add(Severity::Error, "no-owners-file", place, texts);
            } else if !has_ended {
                let found = "does not exist".to_string();
                let means = format!(
                    "whoever finds coins of {period} by search can spend them here, at your risk"
                );
                let advice = "ask your broker for it, and set owners = \"required\"".to_string();
                let texts = Texts { found, means, advice };
                findings.add(Severity::Warning, "no-owners-file", place, texts);
            }
        }
        Ok(lists) => inspect_size(has_ended, params, &lists, folder, findings),
    }
}

/// An owners file without a single owner refuses every payment.
fn inspect_size(
    has_ended: bool,
    params: &Params,
    lists: &Lists,
    folder: &DiskDirectory,
    findings: &mut Findings,
) {
    if has_ended || !lists.knows_nobody() {
        return;
    }
    let period = params.period();
    let place = folder.path().join(file_name(period, "owners"));
    let found = "has no owner of any coin".to_string();
    let means = format!("every payment with coins of {period} is refused as not-yet-known");
    let advice = "get a new one from your broker as soon as coins were sold".to_string();
    findings.add(Severity::Warning, "owners-file-empty", place, Texts { found, means, advice });
}

/// Parameters that are for trials only.
fn inspect_strength(
    now: UnixTime,
    config: &VendorConfig,
    params: &Params,
    findings: &mut Findings,
) {
    if now >= params.raw().expiration {
        return;
    }
    for weakness in params.weaknesses() {
        let found = format!("period {}: {weakness}", params.period());
        let means = "such a period is for trials, and not for real money".to_string();
        let advice = "nothing for a trial; otherwise ask your broker".to_string();
        findings.add(
            Severity::Note,
            "weak-period",
            config.periods(),
            Texts { found, means, advice },
        );
    }
}
