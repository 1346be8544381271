//! The till: whose payments are in it, what is not redeemed, and what its files say of the clock.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::access::not_examined;
use super::{Findings, Inspection, Severity, Texts, duration, is_same, shown};
use crate::error::FileError;
use crate::host::{Directory, DiskDirectory, Open};
use crate::identity::VendorId;
use crate::money::coins;
use crate::period::Period;
use crate::protocol::Payment;
use crate::till::{Position, TillError, TillRecord};
use crate::time::{DAY_SECONDS, UnixTime};
use crate::vendor::blocked::{self, BLOCKED_FILE};
use crate::vendor::config::VendorConfig;
use crate::vendor::paywall::SYNC_WANTED_FILE;
use crate::vendor::till_view::TillView;

/// How old a payment may be before it is a finding that it is in no batch, in seconds.
const UNBATCHED_SECONDS: i64 = 3 * DAY_SECONDS;
/// How long the broker may take to answer a batch before that is a finding, in seconds.
const ANSWER_SECONDS: i64 = 2 * DAY_SECONDS;
/// How long before redeem-until unredeemed coins are an error, in seconds.
const REDEEM_SECONDS: i64 = 3 * DAY_SECONDS;
/// How far the time of a file may be ahead of the clock, in seconds.
const AHEAD_SECONDS: i64 = 600;
/// How long new owners may be wanted before that is a finding, in seconds. A wallet sends a payment
/// again for two minutes.
const OWNERS_SECONDS: i64 = 120;

/// The payments of one period that are in no batch.
#[derive(Default)]
struct Outstanding {
    coins: u64,
    /// When the first of them was recorded.
    first: Option<UnixTime>,
    redeem_until: UnixTime,
}

pub(super) fn inspect(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    inspect_clock(inspection, config, findings);
    inspect_sharing(inspection, config, findings);
    let till = DiskDirectory::new(config.till());
    match fs::metadata(config.till()) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let found = "does not exist".to_string();
            let means = "no server that sells with this configuration was started".to_string();
            let advice = "nothing: the server creates it when it starts".to_string();
            let texts = Texts { found, means, advice };
            return findings.add(Severity::Note, "no-till", config.till(), texts);
        }
        Err(error) => return not_examined(config.till(), &error, findings),
        Ok(metadata) if !metadata.is_dir() => {
            let found = "is not a folder".to_string();
            let means = "the server does not start".to_string();
            let advice = "name another folder as `till`, or move this file away".to_string();
            let texts = Texts { found, means, advice };
            return findings.add(Severity::Error, "till-damaged", config.till(), texts);
        }
        Ok(_) => {}
    }
    match TillView::peek(&till) {
        Err(error) if is_denied(&error) => {
            not_examined(config.till(), &ErrorKind::PermissionDenied.into(), findings);
        }
        Err(error) => damaged(config.till(), &error, findings),
        Ok(None) => {
            let found = "has no file `lock`".to_string();
            let means = "no server that sells with this configuration was started, or somebody \
                         deleted the file while servers run: they then refuse payments";
            let advice = "restart all servers that use this till".to_string();
            findings.add(
                Severity::Note,
                "no-till",
                config.till(),
                Texts { found, means: means.into(), advice },
            );
        }
        Ok(Some(view)) => {
            if let Err(error) = inspect_payments(inspection.now, config, &view, findings) {
                damaged(config.till(), &error, findings);
            }
            inspect_batches(inspection.now, config, &view, findings);
            inspect_wanted(inspection.now, config, findings);
            inspect_blocked(&till, findings);
        }
    }
}

fn is_denied(error: &TillError) -> bool {
    let source = match error {
        TillError::File(FileError { source, .. }) => Some(source),
        TillError::Journal(crate::journal::JournalError::File(error)) => Some(&error.source),
        _ => None,
    };
    source.is_some_and(|source| source.kind() == ErrorKind::PermissionDenied)
}

fn damaged(path: &Path, error: &TillError, findings: &mut Findings) {
    let means = "the till refuses payments, or did so when this was found".to_string();
    let advice = "docs/reference/till.md, \"When something is wrong\", says what to do".to_string();
    findings.add(
        Severity::Error,
        "till-damaged",
        path,
        Texts { found: error.to_string(), means, advice },
    );
}

/// What is in no batch, and whether all of it was paid to this vendor.
fn inspect_payments(
    now: UnixTime,
    config: &VendorConfig,
    view: &TillView,
    findings: &mut Findings,
) -> Result<(), TillError> {
    let till = DiskDirectory::new(config.till());
    let reversed = view.reversed(&till)?;
    let mut periods: BTreeMap<Period, Outstanding> = BTreeMap::new();
    let mut others: BTreeMap<VendorId, u64> = BTreeMap::new();
    view.scan(&till, Position::default(), |at, record| {
        let TillRecord::Payment(payment) = record else { return };
        if reversed.contains(&at) || at < view.batches.end_of(&payment.period) {
            return;
        }
        let outstanding = periods.entry(payment.period).or_default();
        outstanding.coins += payment.first_bins.len() as u64;
        outstanding.first.get_or_insert(payment.recorded_at);
        outstanding.redeem_until = outstanding.redeem_until.max(payment.keep_until);
        if let Ok(message) = Payment::parse(&payment.message)
            && message.vendor != *config.vendor()
        {
            *others.entry(message.vendor).or_default() += 1;
        }
    })?;
    for (vendor, payments) in others {
        let found = format!("holds {payments} payments to {vendor}, which are in no batch yet");
        shared(config, found, findings);
    }
    for (period, outstanding) in periods {
        unredeemed(now, config, &period, &outstanding, findings);
    }
    Ok(())
}

fn unredeemed(
    now: UnixTime,
    config: &VendorConfig,
    period: &Period,
    outstanding: &Outstanding,
    findings: &mut Findings,
) {
    let Outstanding { coins: count, first, redeem_until } = outstanding;
    let left = redeem_until.0.saturating_sub(now.0);
    let age = first.map_or(0, |first| now.0.saturating_sub(first.0));
    let held = coins(*count);
    let run = "run `mmvendor redeem`, send the batch to your broker, and read the answer with \
               `mmvendor result`; see whether micromint-vendor.service is active";
    let mut add = |severity, kind, found: String, means: &str| {
        findings.add(
            severity,
            kind,
            config.till(),
            Texts { found, means: means.to_string(), advice: run.to_string() },
        );
    };
    if left <= 0 {
        let found =
            format!("{held} of {period} are in no batch, and redeem-until was {redeem_until}");
        add(Severity::Error, "not-redeemed", found, "the broker no longer has to pay for them");
    } else if left <= REDEEM_SECONDS {
        let left = duration(left);
        let found = format!(
            "{held} of {period} are in no batch, and redeem-until is {redeem_until}, in {left}"
        );
        let means = "after that the broker no longer has to pay for them";
        add(Severity::Error, "not-redeemed", found, means);
    } else if age > UNBATCHED_SECONDS {
        let found =
            format!("{held} of {period} are in no batch; the first are {} old", duration(age));
        let means = "the daily redemption does not run; coins lose their worth at redeem-until";
        add(Severity::Warning, "not-redeemed", found, means);
    }
}

/// Whether the broker answers.
fn inspect_batches(now: UnixTime, config: &VendorConfig, view: &TillView, findings: &mut Findings) {
    for batch in &view.batches.all {
        let age = now.0.saturating_sub(batch.made_at.0);
        let is_late = now >= batch.redeem_until;
        let (severity, found) = if batch.result.is_none() && (is_late || age > ANSWER_SECONDS) {
            let severity = if is_late { Severity::Error } else { Severity::Warning };
            let found = format!(
                "batch {} of {}, {}, has no result",
                batch.id,
                batch.made_at,
                coins(batch.coins.into())
            );
            (severity, found)
        } else if batch.is_due(now) && now.0 - batch.redeem_until.0 > ANSWER_SECONDS {
            let found = format!(
                "coins of batch {} still wait, although redeem-until, {}, has passed",
                batch.id, batch.redeem_until
            );
            (Severity::Warning, found)
        } else {
            continue;
        };
        let means = format!("{} may not be paid", coins(batch.coins.into()));
        let advice = "`mmvendor redeem` writes the same batch again; send it, and read the answer \
                      with `mmvendor result`"
            .to_string();
        findings.add(severity, "batch-unanswered", config.till(), Texts { found, means, advice });
    }
}

/// Whether new owners have been wanted for longer than a wallet waits.
fn inspect_wanted(now: UnixTime, config: &VendorConfig, findings: &mut Findings) {
    let Some(wanted) = wanted_at(config.till()) else { return };
    let owners = files_of(config.periods())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "owners"));
    let newest = owners.filter_map(|path| modified(&path)).max();
    let is_old = newest.is_some_and(|newest| newest < wanted);
    if !is_old || now.0.saturating_sub(wanted.0) <= OWNERS_SECONDS {
        return;
    }
    let found = format!("a payment needed newer owners at {wanted}, and none have come since");
    let means = "readers who bought coins lately cannot pay; they are refused as not-yet-known, as \
                 are coins that were found by search";
    let advice = "get a new owners file from your broker after each sale, or every minute";
    let texts = Texts { found, means: means.to_string(), advice: advice.to_string() };
    findings.add(Severity::Warning, "owners-file-old", config.periods(), texts);
}

/// When the servers last wanted new owners.
fn wanted_at(till: &Path) -> Option<UnixTime> {
    let till = DiskDirectory::new(till);
    let file = till.open(SYNC_WANTED_FILE, Open::Read).ok()?;
    let mut text = [0; 20];
    file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text).ok()?.parse().ok()
}

fn inspect_blocked(till: &DiskDirectory, findings: &mut Findings) {
    let path = till.path().join(BLOCKED_FILE);
    match blocked::read(till) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            not_examined(&path, &error, findings);
        }
        Err(error) => {
            let means = "the server does not start; a running one keeps blocking those whom it \
                         blocked before"
                .to_string();
            let advice = "correct the file: one User-ID on each line".to_string();
            let texts = Texts { found: error.to_string(), means, advice };
            findings.add(Severity::Error, "blocked-list", path, texts);
        }
    }
}

/// Whether files were written in the future: then the clock is wrong now, or was wrong then.
fn inspect_clock(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    let now = inspection.now;
    let mut files = vec![inspection.config.clone()];
    files.extend(files_of(config.periods()));
    files.extend(files_of(config.till()));
    let newest = files.into_iter().filter_map(|path| Some((modified(&path)?, path))).max();
    let today = now.0.div_euclid(DAY_SECONDS);
    let days = files_of(config.till()).into_iter().filter_map(|path| {
        let day = crate::till::day_of_journal(path.file_name()?.to_str()?)?;
        Some((i64::from(day), path))
    });
    let (found, place) = match (days.max(), newest) {
        (Some((day, path)), _) if day > today => {
            let day = UnixTime(day * DAY_SECONDS).day();
            (format!("has payments of {day}, and the clock says {now}"), path)
        }
        (_, Some((time, path))) if time.0 > now.0.saturating_add(AHEAD_SECONDS) => {
            (format!("was changed at {time}, and the clock says {now}"), path)
        }
        _ => return,
    };
    let means =
        "the clock is wrong, or was wrong then; a wrong clock refuses coins that are valid, \
                 or takes coins that the broker no longer pays for"
            .to_string();
    let advice = "compare `date -u` with another machine, and see whether the clock is \
                  synchronized (timedatectl)"
        .to_string();
    findings.add(Severity::Error, "clock", place, Texts { found, means, advice });
}

/// Whether another vendor's configuration names this till: one of those that the server names, or
/// one beside this one.
fn inspect_sharing(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    let folder = inspection.config.parent().unwrap_or(Path::new("."));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let beside = files_of(folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    let mut paths: Vec<PathBuf> = beside.chain(inspection.other_configs.iter().cloned()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let Ok(other) = VendorConfig::load(&path) else { continue };
        if other.vendor() == config.vendor() {
            continue;
        }
        let (vendor, path) = (other.vendor(), shown(&path));
        if is_same(other.till(), config.till()) {
            let found = format!("is also the till of {vendor}, in {path}");
            shared(config, found, findings);
        }
        if is_same(other.periods(), config.periods()) {
            let found = format!("is also the folder of periods of {vendor}, in {path}");
            let means =
                "an owners file is made for one vendor: with one of the two it is refused, \
                         and the server does not start"
                    .to_string();
            let advice = "give each Vendor-ID a folder of its own".to_string();
            let texts = Texts { found, means, advice };
            findings.add(Severity::Error, "shared-periods", config.periods(), texts);
        }
    }
}

fn shared(config: &VendorConfig, found: String, findings: &mut Findings) {
    let means =
        "a batch has the payments of one Vendor-ID only; the broker does not pay for those \
                 of another"
            .to_string();
    let advice = "give each Vendor-ID a till of its own".to_string();
    findings.add(Severity::Error, "shared-till", config.till(), Texts { found, means, advice });
}

/// The files in a folder; none if it cannot be read.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let names = DiskDirectory::new(folder).names().unwrap_or_default();
    names.iter().map(|name| folder.join(name)).collect()
}

fn modified(path: &Path) -> Option<UnixTime> {
    fs::metadata(path).ok().map(|metadata| UnixTime(metadata.mtime()))
}
