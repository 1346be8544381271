//! The files that a paywall reads when it is opened, and creates on a first start.

use std::fs::{DirBuilder, Permissions, set_permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::error::FileError;
use crate::host::DiskDirectory;
use crate::period::Period;
use crate::time::UnixTime;
use crate::vendor::accepted::{Accepted, KnownLists};
use crate::vendor::bots::Bots;
use crate::vendor::config::VendorConfig;
use crate::vendor::config_error::ConfigError;
use crate::vendor::lists::file_name;
use crate::vendor::prices::{PriceList, Prices};

/// Reads the periods and the broker's lists, as a test that they can be read. Returns a line if no
/// period is valid or will be soon, one for each period that has not ended and has no owners file,
/// and one for each price of the list that is too high for coins of some period.
pub(super) fn warnings(
    config: &VendorConfig,
    list: Option<&PriceList>,
    now: UnixTime,
) -> Result<Vec<String>, ConfigError> {
    let accepted = Accepted::open_on_disk(config, KnownLists::new(), now)?;
    let checker = accepted.current();
    let mut warnings: Vec<String> = checker.period_warning(now).into_iter().collect();
    let periods = checker.without_owners(now);
    warnings.extend(periods.iter().map(|period| without_owners(config, period)));
    warnings.extend_from_slice(config.page().warnings());
    warnings.extend(without_keys(config));
    let path = config.prices().map(Path::display);
    let entries = list.into_iter().flat_map(PriceList::entries);
    warnings.extend(entries.filter_map(|entry| {
        let note = checker.price_note(entry.highest(), now)?;
        Some(format!("{}: {}: {note}", path.as_ref()?, entry.entry))
    }));
    Ok(warnings)
}

/// A line if bots are named and nobody has fetched their keys.
fn without_keys(config: &VendorConfig) -> Option<String> {
    let path = config.bot_keys().filter(|path| !config.bots().is_empty() && !path.exists())?;
    Some(format!(
        "{}: there is no file of keys, so no bot can be verified; `mmvendor bots` writes it",
        path.display()
    ))
}

fn without_owners(config: &VendorConfig, period: &Period) -> String {
    let path = config.periods().join(file_name(period, "owners"));
    format!(
        "{}: payments of period {period} are taken without an owners file, so anyone who finds \
         coins by search can spend them here; put the broker's file for {} there, and set owners = \
         \"required\"",
        path.display(),
        config.vendor()
    )
}

/// Reads the price list, and the keys of bots, if the configuration names a list.
pub(in crate::vendor) fn open_prices(
    config: &VendorConfig,
    now: UnixTime,
) -> Result<Option<Arc<Prices>>, ConfigError> {
    let Some(path) = config.prices() else { return Ok(None) };
    let bots = Bots::open_on_disk(config.bot_settings().clone(), now)?;
    Ok(Some(Arc::new(Prices::open_on_disk(path, config, bots, now)?)))
}

/// Creates the directory of the till with mode 0700, and its missing parents with mode 0755, so
/// that the serving user gets to it. The umask of the caller changes neither.
pub(super) fn make_till_folder(path: &Path) -> io::Result<()> {
    let missing = path
        .ancestors()
        .skip(1)
        .take_while(|above| !above.as_os_str().is_empty() && !above.exists());
    let missing: Vec<&Path> = missing.collect();
    for above in missing.into_iter().rev() {
        make_folder(above, 0o755)?;
    }
    make_folder(path, 0o700)
}

/// Creates a directory with this mode. One that exists is left as it is.
fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        // The umask may have taken rights away.
        Ok(()) => set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The directory of the secret of receipts, and its name there.
pub(super) fn secret_place(config: &VendorConfig) -> Result<(DiskDirectory, String), FileError> {
    let path = config.receipt_secret();
    DiskDirectory::of_file(path).map_err(FileError::on("name", path))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::host::{Directory, Open};

    /// Where the child of the test below makes its files.
    const PLACE: &str = "MICROMINT_UMASK_TEST";

    #[test]
    fn the_umask_changes_no_mode() {
        const NAME: &str = "vendor::paywall::files::tests::the_umask_changes_no_mode";
        if let Some(place) = std::env::var_os(PLACE) {
            let till = Path::new(&place).join("var/lib/till");
            make_till_folder(&till).unwrap();
            DiskDirectory::new(till).open("lock", Open::Create).unwrap();
            return;
        }
        // A umask is the process's, so another process has it.
        for umask in ["000", "022", "077", "177", "377"] {
            let place = tempfile::tempdir().unwrap();
            let line = format!("umask {umask}; exec \"$0\" --exact {NAME}");
            let program = std::env::current_exe().unwrap();
            let mut child = Command::new("sh");
            child.arg("-c").arg(line).arg(program).env(PLACE, place.path());
            assert!(child.output().unwrap().status.success(), "{umask}");
            for (name, expected) in [
                ("var", 0o755),
                ("var/lib", 0o755),
                ("var/lib/till", 0o700),
                ("var/lib/till/lock", 0o600),
            ] {
                let mode = place.path().join(name).metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o7777, expected, "umask {umask}: {name}");
            }
        }
    }

    #[test]
    fn folders_that_exist_keep_their_modes() {
        let place = tempfile::tempdir().unwrap();
        let (above, till) = (place.path().join("var"), place.path().join("var/till"));
        make_folder(&above, 0o750).unwrap();
        make_folder(&till, 0o770).unwrap();
        make_till_folder(&till).unwrap();
        for (path, expected) in [(&above, 0o750), (&till, 0o770)] {
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, expected, "{}", path.display());
        }
        std::fs::write(place.path().join("file"), "").unwrap();
        assert!(make_till_folder(&place.path().join("file")).is_err());
    }
}
