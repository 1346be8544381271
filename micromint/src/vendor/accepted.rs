//! The accepted periods with the broker's lists, kept up to date with the files in their folder.
//!
//! Input: the folder. Output: a [`Checker`]. Files that are added, replaced or removed take effect
//! within seconds, without a reload of the server. The invariants: a file that cannot be read
//! changes nothing, so the periods and lists read before stay in use; a list that was read stays in
//! use when its file disappears, as long as the file of the period's parameters is there. Both are
//! reported once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::check::Checker;
use super::config::VendorConfig;
use super::config_error::ConfigError;
use super::lists::{LIST_ENDINGS, ListFolder, Lists, file_name};
use super::periods::{check_periods, load_periods};
use super::reloaded::{Reloaded, Source};
use crate::host::{Directory, DiskDirectory, Stamp};
use crate::identity::VendorId;
use crate::money::Money;
use crate::params::Params;
use crate::period::Period;
use crate::time::UnixTime;

/// How often the end of the last period is reported, in seconds: an hour.
const WARN_SECONDS: i64 = 3600;

/// The relevant files of the folder, by name, with their stamps.
type Files = BTreeMap<String, Stamp>;
/// The lists of periods. A plain value without a lock, so that a process can use what was read
/// before it was forked.
pub(super) type KnownLists = BTreeMap<Period, Arc<Lists>>;

/// The accepted periods.
pub(super) struct Accepted {
    known: Reloaded<Folder>,
    /// The lists in use whose files have disappeared, as they were reported.
    missing: Mutex<Vec<String>>,
    /// What this process last reported about the end of the periods, and when.
    warned: Mutex<(Option<String>, UnixTime)>,
}

/// The result of the last successful reading.
struct Known {
    checker: Arc<Checker>,
    files: Files,
    lists: KnownLists,
}

impl Known {
    /// The names of the lists in use whose files do not exist.
    fn missing(&self) -> Vec<String> {
        let names = self.lists.iter().flat_map(|(period, lists)| {
            lists.endings().map(move |ending| file_name(period, ending))
        });
        names.filter(|name| !self.files.contains_key(name)).collect()
    }
}

/// The folder, and what is needed to read it.
struct Folder {
    directory: Box<dyn Directory>,
    vendor: VendorId,
    requires_owners: bool,
    /// What a base coin is worth, if the configuration says so.
    base: Option<Money>,
}

impl Folder {
    fn lists(&self) -> ListFolder<'_> {
        let directory = self.directory.as_ref();
        ListFolder { directory, vendor: &self.vendor, requires_owners: self.requires_owners }
    }
}

impl Source for Folder {
    type Value = Known;
    type Seen = Files;
    type Error = ConfigError;

    const STAYS: &str = "the periods and lists read before stay in use";

    fn look(&self) -> Result<Files, ConfigError> {
        files(self.directory.as_ref())
    }

    fn load(&self, before: &Known, files: &Files) -> Result<Known, ConfigError> {
        load(&self.lists(), self.base, files, (&before.files, &before.lists))
    }

    /// A period whose owners file is new takes payments only with it, so that a file that the
    /// serving process may not read does not count as absent.
    fn after_failure(&self, before: &Known, files: &Files) -> Option<Known> {
        let periods: Vec<Params> = before.checker.periods().cloned().collect();
        let mut lists_in_use = before.lists.clone();
        let mut checker = Checker::new(self.vendor.clone(), &periods).counted_in(self.base);
        for params in &periods {
            let period = params.period();
            let mut lists = lists_in_use.get(period).cloned().unwrap_or_default();
            if !lists.has_owners() && files.contains_key(&file_name(period, "owners")) {
                lists = Arc::new(self.lists().with_owners(params, &lists));
                lists_in_use.insert(period.clone(), Arc::clone(&lists));
            }
            checker.set_lists(period, lists);
        }
        let (checker, files) = (Arc::new(checker), before.files.clone());
        Some(Known { checker, files, lists: lists_in_use })
    }
}

impl Accepted {
    /// These periods, without lists.
    ///
    /// # Errors
    /// The periods do not go together.
    pub(super) fn fixed(config: &VendorConfig, periods: &[Params]) -> Result<Accepted, String> {
        let (vendor, base) = (config.vendor(), config.coin_value());
        check_periods(periods, base)?;
        let checker = Arc::new(Checker::new(vendor.clone(), periods).counted_in(base));
        let known = Known { checker, files: Files::new(), lists: KnownLists::new() };
        Ok(Accepted::with(Reloaded::fixed(Arc::new(known)), Default::default()))
    }

    /// The periods and lists in the folder that `config` names; [`Accepted::open`] says the rest.
    ///
    /// # Errors
    /// Those of [`Accepted::open`].
    pub(super) fn open_on_disk(
        config: &VendorConfig,
        before: KnownLists,
        now: UnixTime,
    ) -> Result<Accepted, ConfigError> {
        Accepted::open(config, Box::new(DiskDirectory::new(config.periods())), before, now)
    }

    /// The periods and lists in `folder`. `before` is what the server read at its start, before it
    /// forked: its lists stay in use if their files have disappeared since.
    ///
    /// # Errors
    /// The errors of [`load_periods`] and [`ListFolder::load`].
    pub(super) fn open(
        config: &VendorConfig,
        folder: Box<dyn Directory>,
        before: KnownLists,
        now: UnixTime,
    ) -> Result<Accepted, ConfigError> {
        let (vendor, requires_owners) = (config.vendor().clone(), config.requires_owners());
        let base = config.coin_value();
        let folder = Folder { directory: folder, vendor, requires_owners, base };
        let files = folder.look()?;
        // No file counts as unchanged, since this process may not be allowed to read it.
        let known = load(&folder.lists(), base, &files, (&Files::new(), &before))?;
        // The start of the server has reported this.
        let warned = (known.checker.period_warning(now), now);
        Ok(Accepted::with(Reloaded::read(folder, Arc::new(known), files, now), warned))
    }

    fn with(known: Reloaded<Folder>, warned: (Option<String>, UnixTime)) -> Accepted {
        Accepted { known, missing: Mutex::default(), warned: Mutex::new(warned) }
    }

    /// The lists in use.
    pub(super) fn lists(&self) -> KnownLists {
        self.known.with(|known| known.lists.clone())
    }

    /// The current checker.
    pub(super) fn current(&self) -> Arc<Checker> {
        self.known.with(|known| Arc::clone(&known.checker))
    }

    /// Whether the folder is due to be examined; also true after the clock was set back.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        self.known.is_due(now)
    }

    /// Examines the folder if that is due, and reads what has changed. Returns a new error to log,
    /// if there is one, or, once an hour, that no period is valid or will be soon.
    pub(super) fn refresh(&self, now: UnixTime) -> Option<String> {
        if !self.is_due(now) {
            return None;
        }
        let error = self.known.refresh(now);
        error.or_else(|| self.newly_missing()).or_else(|| self.warning(now))
    }

    /// The warning about the periods, if there is one that was not given in the last hour.
    fn warning(&self, now: UnixTime) -> Option<String> {
        let warning = self.current().period_warning(now);
        let mut warned = self.warned.try_lock().ok()?;
        let (before, at) = &*warned;
        if *before == warning && (*at..at.plus_seconds(WARN_SECONDS)).contains(&now) {
            return None;
        }
        *warned = (warning.clone(), now);
        warning
    }

    /// The line to log about lists whose files have disappeared since it was last called.
    fn newly_missing(&self) -> Option<String> {
        let folder = self.known.source().filter(|_| !self.known.is_stale())?;
        let mut missing = self.missing.try_lock().ok()?;
        let reported = std::mem::replace(&mut *missing, self.known.current().missing());
        let new = missing.iter().filter(|name| !reported.contains(name));
        let lines: Vec<String> = new
            .map(|name| {
                let path = folder.directory.path().join(name);
                format!(
                    "{}: does not exist any more; the list read before stays in use",
                    path.display()
                )
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

/// The relevant files. Their stamps are taken before the files are read, so that a change made
/// during the reading is found the next time.
fn files(folder: &dyn Directory) -> Result<Files, ConfigError> {
    let wrong = |name: &str, error: std::io::Error| {
        ConfigError::file(&folder.path().join(name), format!("periods: cannot be read: {error}"))
    };
    let names = folder.names().map_err(|error| wrong("", error))?;
    let mut files = Files::new();
    for name in names.into_iter().filter(|name| counts(name)) {
        let stamp = folder.stamp(&name).map_err(|error| wrong(&name, error))?;
        files.insert(name, stamp);
    }
    Ok(files)
}

fn counts(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    !name.starts_with('.')
        && ending.is_some_and(|ending| ending == "params" || LIST_ENDINGS.contains(&ending))
}

/// Reads the periods and lists. Reuses the lists of `before`, which may be large, if their files
/// have not changed or have disappeared; of an owners file that has grown only the end is read.
fn load(
    folder: &ListFolder<'_>,
    base: Option<Money>,
    files: &Files,
    (files_before, lists_before): (&Files, &KnownLists),
) -> Result<Known, ConfigError> {
    let periods = load_periods(folder.directory, base)?;
    let mut checker = Checker::new(folder.vendor.clone(), &periods).counted_in(base);
    let mut all = KnownLists::new();
    for params in &periods {
        let period = params.period();
        let is_same = |ending: &&str| {
            let name = file_name(period, ending);
            files.get(&name) == files_before.get(&name)
        };
        let known = lists_before.get(period);
        // An owners file that could not be read may be readable now, although it did not change.
        let is_whole = |lists: &&Arc<Lists>| lists.fault().is_none();
        let kept = known.filter(is_whole).filter(|_| LIST_ENDINGS.iter().all(is_same));
        let lists = match kept {
            Some(lists) => Arc::clone(lists),
            None => Arc::new(folder.load(params, known.map(Arc::as_ref))?),
        };
        checker.set_lists(period, Arc::clone(&lists));
        all.insert(period.clone(), lists);
    }
    Ok(Known { checker: Arc::new(checker), files: files.clone(), lists: all })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticator::OwnerToken;
    use crate::host::SimulatedDirectory;
    use crate::owner::Owners;
    use crate::testing::{params_with, test_params};
    use crate::vendor::reloaded::LOOK_SECONDS;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn vendor() -> VendorId {
        "news.example".parse().unwrap()
    }

    fn next_month() -> String {
        params_with(|raw| raw.period = "2027-01".parse().unwrap()).to_toml()
    }

    fn config(requires_owners: bool) -> VendorConfig {
        VendorConfig::new(vendor(), Vec::new(), "periods", "till")
            .with_owners_required(requires_owners)
    }

    fn open(folder: &SimulatedDirectory) -> Accepted {
        Accepted::open(&config(false), Box::new(folder.clone()), KnownLists::new(), NOW).unwrap()
    }

    fn owners_file(period: &str, count: usize) -> Vec<u8> {
        let mut owners = Owners::new(&vendor(), &period.parse().unwrap(), 1);
        owners.extend(&vec![[7; 8]; count]);
        owners.to_bytes()
    }

    fn is_accepted(accepted: &Accepted, period: &str) -> bool {
        accepted.current().params(&period.parse().unwrap()).is_some()
    }

    #[test]
    fn new_files_are_noticed_in_time_and_not_before() {
        let folder = SimulatedDirectory::new();
        folder.put("2026-12.params", test_params().to_toml().as_bytes());
        let accepted = open(&folder);
        folder.put("2027-01.params", next_month().as_bytes());
        let steps = folder.steps();
        assert!(!accepted.is_due(NOW.plus_seconds(LOOK_SECONDS - 1)));
        assert_eq!(accepted.refresh(NOW.plus_seconds(LOOK_SECONDS - 1)), None);
        assert!(!is_accepted(&accepted, "2027-01"));
        assert!(accepted.is_due(NOW.plus_seconds(LOOK_SECONDS)));
        assert_eq!(accepted.refresh(NOW.plus_seconds(LOOK_SECONDS)), None);
        assert!(is_accepted(&accepted, "2027-01") && is_accepted(&accepted, "2026-12"));
        assert_eq!(folder.steps(), steps, "nothing is written");
        folder.remove("2026-12.params").unwrap();
        assert!(accepted.is_due(NOW.plus_seconds(-1)), "the clock was set back");
        accepted.refresh(NOW.plus_seconds(-1));
        assert!(!is_accepted(&accepted, "2026-12"));
    }

    #[test]
    fn what_cannot_be_read_changes_nothing_and_is_told_once() {
        let folder = SimulatedDirectory::new();
        folder.put("2026-12.params", test_params().to_toml().as_bytes());
        let accepted = open(&folder);
        let mut now = NOW;
        let mut refresh = |seconds: i64| {
            now = now.plus_seconds(seconds);
            accepted.refresh(now)
        };
        folder.put("2027-01.params", b"half of a fi");
        let told = refresh(5).unwrap();
        assert!(told.contains("2027-01.params") && told.contains("stay in use"), "{told}");
        assert!(is_accepted(&accepted, "2026-12"));
        assert_eq!((refresh(5), refresh(60)), (None, None));
        folder.put("2026-12.revoked", b"no name\n");
        assert_eq!(refresh(5), None, "the same reason as before");
        folder.put("2027-01.params", next_month().as_bytes());
        assert!(refresh(5).unwrap().contains("2026-12.revoked"));
        folder.put("2026-12.revoked", b"mallory\n");
        assert_eq!(refresh(5), None);
        assert!(is_accepted(&accepted, "2027-01"));
        for name in ["2026-12.params", "2027-01.params"] {
            folder.remove(name).unwrap();
        }
        assert!(refresh(5).unwrap().contains("at least one"));
        assert!(is_accepted(&accepted, "2027-01"));
    }

    #[test]
    fn lists_that_did_not_change_are_not_read_again() {
        let folder = SimulatedDirectory::new();
        folder.put("2026-12.params", test_params().to_toml().as_bytes());
        folder.put("2027-01.params", next_month().as_bytes());
        folder.put("2026-12.revoked", b"mallory\n");
        let accepted = open(&folder);
        let lists = |period: &str| Arc::clone(&accepted.lists()[&period.parse().unwrap()]);
        let before = (lists("2026-12"), lists("2027-01"));
        folder.put("2026-12.revoked", b"mallory\nbob\n");
        accepted.refresh(NOW.plus_seconds(5));
        assert!(!Arc::ptr_eq(&before.0, &lists("2026-12")));
        assert!(Arc::ptr_eq(&before.1, &lists("2027-01")));
    }

    #[test]
    fn on_disk_every_way_to_change_a_file_is_seen() {
        let disk = tempfile::tempdir().unwrap();
        let path = |name: &str| disk.path().join(name);
        std::fs::write(path("2026-12.params"), test_params().to_toml()).unwrap();
        std::fs::write(path("2026-12.revoked"), "mallory\n").unwrap();
        let folder = Box::new(DiskDirectory::new(disk.path()));
        let accepted = Accepted::open(&config(false), folder, KnownLists::new(), NOW).unwrap();
        let lists = || Arc::clone(accepted.lists().values().next().unwrap());
        let mut now = NOW;
        let mut is_read_again = || {
            let before = lists();
            now = now.plus_seconds(LOOK_SECONDS);
            assert_eq!(accepted.refresh(now), None);
            !Arc::ptr_eq(&before, &lists())
        };
        assert!(!is_read_again());
        // The same size, changed in place.
        std::fs::write(path("2026-12.revoked"), "mallery\n").unwrap();
        assert!(is_read_again());
        // Another file with the same name, size and time.
        let time = std::fs::metadata(path("2026-12.revoked")).unwrap().modified().unwrap();
        std::fs::write(path("new"), "mallory\n").unwrap();
        std::fs::File::options().write(true).open(path("new")).unwrap().set_modified(time).unwrap();
        std::fs::rename(path("new"), path("2026-12.revoked")).unwrap();
        assert!(is_read_again());
        // An empty list is the way to lift all revocations.
        std::fs::write(path("2026-12.revoked"), "").unwrap();
        assert!(is_read_again());
        std::fs::remove_file(path("2026-12.revoked")).unwrap();
        assert!(is_read_again());
        std::fs::write(path("notes.txt"), "x").unwrap();
        std::fs::write(path(".2027-01.params.part"), "x").unwrap();
        assert!(!is_read_again());
    }

    #[test]
    fn a_period_that_ends_without_a_successor_is_reported_once_an_hour() {
        let folder = SimulatedDirectory::new();
        folder.put("2026-12.params", test_params().to_toml().as_bytes());
        let end = test_params().raw().expiration;
        let before = end.plus_seconds(-1800);
        let accepted =
            Accepted::open(&config(false), Box::new(folder.clone()), KnownLists::new(), before)
                .unwrap();
        let refresh = |seconds: i64| accepted.refresh(end.plus_seconds(seconds));
        assert_eq!(refresh(-1), None, "the start of the server warned");
        assert!(refresh(4).unwrap().contains("ended at"));
        assert_eq!((refresh(9), refresh(4 + 3599)), (None, None));
        assert!(refresh(4 + 3604).is_some());
        // The clock was ahead for a moment.
        assert!(refresh(1_000_000).is_some() && refresh(6000).is_some());
        let next = params_with(|raw| {
            raw.period = "2027-01".parse().unwrap();
            raw.expiration = end.plus_seconds(1_000_000);
            raw.redeem_until = end.plus_seconds(2_000_000);
        });
        folder.put("2027-01.params", next.to_toml().as_bytes());
        assert_eq!(refresh(20_000), None);
    }

    #[test]
    fn an_owners_file_that_cannot_be_read_is_not_an_absent_one() {
        let folder = SimulatedDirectory::new();
        folder.put("2026-12.params", test_params().to_toml().as_bytes());
        let accepted = open(&folder);
        let period = "2026-12".parse().unwrap();
        assert_eq!(
            accepted.current().without_owners(test_params().raw().start),
            [test_params().period().clone()]
        );
        let owners = |count: usize| owners_file("2026-12", count);
        let fault = || accepted.current().fault(&period).map(str::to_string);
        folder.put("2026-12.owners", b"half of a fi");
        let alert = accepted.refresh(NOW.plus_seconds(5)).unwrap();
        assert!(alert.contains("2026-12.owners"), "{alert}");
        assert!(fault().unwrap().contains("2026-12.owners"));
        // Also with a mistake in another file: the new list counts.
        folder.put("2026-12.owners", &owners(3));
        folder.put("2027-01.params", b"half of a fi");
        assert!(accepted.refresh(NOW.plus_seconds(10)).unwrap().contains("2027-01"));
        assert_eq!(fault(), None);
        assert!(accepted.current().without_owners(test_params().raw().start).is_empty());
        folder.remove("2027-01.params").unwrap();
        assert_eq!(accepted.refresh(NOW.plus_seconds(75)), None);

        // What was read stays in use when an older or a damaged file comes.
        for bytes in [owners(2), b"half of a fi".to_vec()] {
            folder.put("2026-12.owners", &bytes);
            assert!(accepted.refresh(NOW.plus_seconds(150)).is_some() || bytes.len() < 20);
            assert_eq!(fault(), None);
            assert!(accepted.current().without_owners(test_params().raw().start).is_empty());
        }
    }

    /// Whether `mallory`, who is on the list of revoked users, and a payment without the right
    /// token are refused.
    fn refusals(accepted: &Accepted) -> [bool; 2] {
        let lists = &accepted.lists()[&"2026-12".parse().unwrap()];
        let token = OwnerToken::from_bytes([1; 8]);
        ["mallory", "alice"]
            .map(|user| lists.check(&user.parse().unwrap(), &[0], &[token]).is_err())
    }

    #[test]
    fn a_list_that_disappears_stays_in_use_and_is_told_once() {
        for requires_owners in [false, true] {
            let folder = SimulatedDirectory::new();
            folder.put("2026-12.params", test_params().to_toml().as_bytes());
            folder.put("2026-12.revoked", b"mallory\n");
            folder.put("2026-12.owners", &owners_file("2026-12", 3));
            let config = config(requires_owners);
            let open =
                |before: KnownLists| Accepted::open(&config, Box::new(folder.clone()), before, NOW);
            let accepted = open(KnownLists::new()).unwrap();
            let mut now = NOW;
            let mut refresh = || {
                now = now.plus_seconds(LOOK_SECONDS);
                accepted.refresh(now)
            };

            // Together with a change of the parameters, which is heeded.
            folder.put("2027-01.params", next_month().as_bytes());
            folder.put("2027-01.owners", &owners_file("2027-01", 1));
            folder.remove("2026-12.owners").unwrap();
            let told = refresh().unwrap();
            assert!(told.contains("2026-12.owners: does not exist any more"), "{told}");
            assert!(!told.contains("revoked") && !told.contains("2027-01"), "{told}");
            assert!(is_accepted(&accepted, "2027-01"));
            assert_eq!(refresh(), None);
            folder.remove("2026-12.revoked").unwrap();
            let told = refresh().unwrap();
            assert!(told.contains("2026-12.revoked: does not exist any more"), "{told}");
            assert!(!told.contains("owners"), "{told}");
            assert_eq!((refresh(), refresh()), (None, None));
            assert_eq!(refusals(&accepted), [true, true]);
            assert!(accepted.current().without_owners(test_params().raw().start).is_empty());

            // A process that the server forks later inherits the lists, and says so itself.
            let child = open(accepted.lists()).unwrap();
            assert_eq!(refusals(&child), [true, true]);
            let told = child.refresh(NOW.plus_seconds(LOOK_SECONDS)).unwrap();
            assert!(told.contains("2026-12.owners") && told.contains("2026-12.revoked"), "{told}");

            // An older file that comes back is refused as ever; what disappears again is told
            // again.
            folder.put("2026-12.owners", &owners_file("2026-12", 2));
            assert!(refresh().unwrap().contains("older"));
            assert_eq!(refusals(&accepted), [true, true]);
            folder.put("2026-12.owners", &owners_file("2026-12", 3));
            assert_eq!(refresh(), None);
            folder.remove("2026-12.owners").unwrap();
            assert!(refresh().unwrap().contains("2026-12.owners"));

            // After a restart there is no list.
            match open(KnownLists::new()) {
                Ok(restarted) => {
                    assert_eq!(refusals(&restarted), [false, false]);
                    let without = restarted.current().without_owners(test_params().raw().start);
                    assert_eq!(without, [test_params().period().clone()]);
                }
                Err(error) => assert!(requires_owners && error.to_string().contains("required")),
            }
            // Nor for a period whose parameters are gone too.
            folder.remove("2026-12.params").unwrap();
            assert_eq!(refresh(), None);
            assert!(!accepted.lists().contains_key(test_params().period()));
        }
    }
}
