//! The files that a paywall reads when it is opened, and creates on a first start.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::error::FileError;
use crate::host::DiskDirectory;
use crate::period::Period;
use crate::time::UnixTime;
use crate::vendor::accepted::Accepted;
use crate::vendor::config::VendorConfig;
use crate::vendor::config_error::ConfigError;
use crate::vendor::lists::file_name;

/// Reads the periods and the broker's lists, as a test that they can be read. Returns a line for
/// each period that has not ended and has no owners file.
pub(super) fn warnings(config: &VendorConfig, now: UnixTime) -> Result<Vec<String>, ConfigError> {
    let accepted = Accepted::open_on_disk(config, None, now)?;
    let periods = accepted.current().without_owners(now);
    Ok(periods.iter().map(|period| without_owners(config, period)).collect())
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

/// Creates the directory of the till with mode 0700, and its missing parents with the default mode.
pub(super) fn make_till_folder(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above)?;
    }
    let mut builder = std::fs::DirBuilder::new();
    match builder.mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// The directory of the secret of receipts, and its name there.
pub(super) fn secret_place(config: &VendorConfig) -> Result<(DiskDirectory, String), FileError> {
    let path = config.receipt_secret();
    DiskDirectory::of_file(path).map_err(FileError::on("name", path))
}
