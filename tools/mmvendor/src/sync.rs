//! `sync`: the vendor's link to its broker.
//!
//! Input: the broker's service. Output: parameters of periods that have begun, owners and lists of
//! revoked users beside them, payments shown to the watch, and batches with their results. The
//! invariants: what is written is complete and from this broker, and running servers pick it up; a
//! broker that does not answer stops nothing else, and selling continues; a long batch delays
//! neither the watch nor the lists.

mod broker;
mod lists;
mod redemption;
mod watch;

use std::collections::HashSet;
use std::path::PathBuf;
use std::thread::scope;
use std::time::Duration;

use clap::Args;
use micromint::authenticator::Key;
use micromint::error::{FileError, chain};
use micromint::host::{Clock, Directory, DiskDirectory, SystemClock};
use micromint::identity::VendorId;
use micromint::key_file::read_key;
use micromint::period::Period;
use micromint::time::UnixTime;
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, say, tell};

pub(crate) use self::broker::web_agent;
use self::broker::{Answer, Broker};
use crate::vendor_files::VendorFiles;

/// How often parameters, owners and lists are fetched.
const LISTS_SECONDS: i64 = 60;
/// How often payments are shown to the watch. With [`LISTS_SECONDS`] and the seconds in which
/// servers pick up a list, a double spender is refused everywhere within 90 seconds.
const WATCH_SECONDS: i64 = 10;
/// How often the sign of the paywall is looked for, which is also the shortest time between two
/// requests for owners.
const SIGN: Duration = Duration::from_secs(5);
/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_secs(1);
/// How often batches are sent.
const BATCHES_SECONDS: i64 = 3600;
/// How soon that which failed is tried again. The time doubles with each failure in a row, up to
/// the usual one.
const RETRY_SECONDS: i64 = 60;
const DOUBLINGS_MAX: u32 = 10;
/// The file in the till that the paywall writes when it meets an unknown set.
const SIGN_FILE: &str = "sync-wanted";

#[derive(Args)]
pub(crate) struct Sync {
    #[command(flatten)]
    files: VendorFiles,
    /// The URL of the broker's service, such as `https://broker.example`
    #[arg(long, value_name = "URL")]
    broker: String,
    /// The file with the vendor key [default: vendor.key next to the configuration]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Do everything once and end, for cron
    #[arg(long)]
    once: bool,
}

/// What all parts of the link need.
struct Link<'a> {
    files: &'a VendorFiles,
    broker: Broker,
    vendor: VendorId,
    /// The file of the vendor key.
    key_file: PathBuf,
    /// The folder of the till, which the server makes when it first starts.
    till: PathBuf,
    /// The folder with the parameters, owners and lists.
    periods: DiskDirectory,
}

impl Sync {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        let link = self.open()?;
        if self.once {
            let mut status = EXIT_OK;
            for result in [link.lists(), link.watch(), link.batches()] {
                if let Err(error) = result {
                    tell!("mmvendor: error: {}", chain(error.as_ref()));
                    status = EXIT_FAILURE;
                }
            }
            return Ok(status);
        }
        link.serve()
    }

    fn open(&self) -> Result<Link<'_>, ToolError> {
        let config = self.files.config()?;
        let key_file = self.files.key_file(self.key_file.as_deref());
        let broker = Broker::new(&self.broker, self.cacert.as_deref())?;
        let periods = DiskDirectory::new(config.periods());
        let (files, vendor) = (&self.files, config.vendor().clone());
        let till = config.till().to_path_buf();
        let link = Link { files, broker, vendor, key_file, till, periods };
        link.key()?;
        Ok(link)
    }
}

impl Link<'_> {
    /// Serves until the program is ended. What takes long has a thread of its own.
    fn serve(&self) -> Result<u8, ToolError> {
        say!("mmvendor: syncing {} with {}", self.vendor, self.broker.url());
        scope(|threads| {
            threads.spawn(|| each(BATCHES_SECONDS, || self.batches()));
            threads.spawn(|| each(WATCH_SECONDS, || self.watch()));
            self.keep_lists();
        });
        Ok(EXIT_OK)
    }

    /// Fetches the lists every minute, and new owners when the paywall gives the sign.
    fn keep_lists(&self) {
        let (mut due, mut sign) = (Due::new(LISTS_SECONDS), self.sign());
        loop {
            let now = self.sign();
            if due.is_at(SystemClock.now()) {
                let _ = report(self.lists());
            } else if now != sign {
                let owners = self.known_periods().map(|periods| self.owners(&periods));
                let _ = report(owners.and_then(all_well));
            }
            sign = now;
            std::thread::sleep(SIGN);
        }
    }

    /// The vendor key. It is read for each round, since the broker may replace it meanwhile.
    fn key(&self) -> Result<Key, ToolError> {
        let path = &self.key_file;
        let (directory, name) =
            DiskDirectory::of_file(path).map_err(FileError::on("read", path))?;
        Ok(read_key(&directory, &name)?)
    }

    /// The body of a good answer to a message under the vendor key, or what to do about the key.
    fn good(&self, answer: Answer) -> Result<Vec<u8>, ToolError> {
        if !answer.is_wrong_key() {
            return answer.good();
        }
        let file = self.key_file.display();
        let why = format!(
            "the broker answers 403 wrong-authenticator: the vendor key in {file} may have been \
             replaced: get the new one from your broker's page and write it to {file}"
        );
        Err(why.into())
    }

    /// Whether the server has made the till.
    fn has_till(&self) -> bool {
        self.till.join("lock").exists()
    }

    /// The content of the file by which the paywall asks for new owners. It is a time.
    fn sign(&self) -> Option<Vec<u8>> {
        std::fs::read(self.till.join(SIGN_FILE)).ok()
    }

    /// Fetches what is new: parameters, owners, lists of revoked users. What is wrong with one
    /// period, or with one of the three, does not stop the others.
    fn lists(&self) -> Result<(), ToolError> {
        let mut problems = self.params(&self.known_periods()?)?;
        let periods = self.known_periods()?;
        problems.extend(self.owners(&periods));
        problems.extend(self.revoked(&periods));
        all_well(problems)
    }

    /// The periods whose parameters are there, in order.
    fn known_periods(&self) -> Result<Vec<Period>, ToolError> {
        let path = self.periods.path();
        let names = self.periods.names().map_err(FileError::on("read", path))?;
        let mut periods: Vec<Period> =
            names.iter().filter_map(|name| name.strip_suffix(".params")?.parse().ok()).collect();
        periods.sort();
        Ok(periods)
    }
}

/// Does something again and again, each time at least `seconds` after it began the last time;
/// sooner if it failed.
fn each(seconds: i64, act: impl Fn() -> Result<(), ToolError>) {
    let mut due = Due::new(seconds);
    loop {
        if due.is_at(SystemClock.now()) {
            due.ended(report(act()));
        }
        std::thread::sleep(TICK);
    }
}

/// When something is due, by the clock of the system: it goes on while a machine sleeps.
struct Due {
    /// The usual time between two beginnings.
    seconds: i64,
    /// The time from the last beginning to the next.
    pause: i64,
    last: Option<UnixTime>,
    /// How often it failed in a row.
    failures: u32,
}

impl Due {
    fn new(seconds: i64) -> Due {
        Due { seconds, pause: seconds, last: None, failures: 0 }
    }

    /// Whether it is due, which begins the next interval. So does a clock that was set back.
    fn is_at(&mut self, now: UnixTime) -> bool {
        let is_within =
            |last: UnixTime| (last.0..last.0.saturating_add(self.pause)).contains(&now.0);
        let is_due = !self.last.is_some_and(is_within);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }

    /// Sets how long the interval that began is, now that it is known whether the act succeeded.
    fn ended(&mut self, is_done: bool) {
        self.failures = if is_done { 0 } else { self.failures.saturating_add(1) };
        let retry = |doublings| RETRY_SECONDS.saturating_mul(1_i64 << doublings);
        let retry = self.failures.checked_sub(1).map(|failures| retry(failures.min(DOUBLINGS_MAX)));
        self.pause = retry.map_or(self.seconds, |retry| retry.min(self.seconds));
    }
}

/// What is wrong, as one error. What is said twice is said once.
fn all_well(mut problems: Vec<String>) -> Result<(), ToolError> {
    let mut said = HashSet::new();
    problems.retain(|problem| said.insert(problem.clone()));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ").into()) }
}

/// Reports an error. Returns whether the act succeeded.
fn report(result: Result<(), ToolError>) -> bool {
    let Err(error) = result else { return true };
    tell!("mmvendor: error: {}; trying again later", chain(error.as_ref()));
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times in seconds at which it is due, if it takes no time and fails `failures` times.
    fn times(seconds: i64, failures: usize, until: i64) -> Vec<i64> {
        let mut due = Due::new(seconds);
        let mut times = Vec::new();
        for second in 0..until {
            if due.is_at(UnixTime(1_000_000 + second)) {
                times.push(second);
                due.ended(times.len() > failures);
            }
        }
        times
    }

    #[test]
    fn what_failed_is_tried_again_soon() {
        assert_eq!(times(3600, 0, 7201), [0, 3600, 7200]);
        assert_eq!(times(3600, 1, 7261), [0, 60, 3660, 7260]);
        assert_eq!(times(3600, 3, 4021), [0, 60, 180, 420, 4020]);
    }

    #[test]
    fn a_failure_that_stays_is_met_once_in_the_usual_time() {
        let all = times(3600, usize::MAX, 15_000);
        assert_eq!(all, [0, 60, 180, 420, 900, 1860, 3780, 7380, 10_980, 14_580]);
    }

    #[test]
    fn a_short_interval_gets_no_longer() {
        assert_eq!(times(10, usize::MAX, 31), [0, 10, 20, 30]);
    }
}
