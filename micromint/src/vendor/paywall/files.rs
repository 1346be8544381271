//! The files that a paywall reads when it is opened.

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

/// The directory of the secret of receipts, and its name there.
pub(super) fn secret_place(config: &VendorConfig) -> Result<(DiskDirectory, String), FileError> {
    let path = config.receipt_secret();
    DiskDirectory::of_file(path).map_err(FileError::on("name", path))
}
