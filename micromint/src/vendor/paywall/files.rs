//! The files that a paywall reads when it is opened, and creates on a first start.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::error::FileError;
use crate::host::DiskDirectory;
use crate::params::Params;
use crate::vendor::config::VendorConfig;
use crate::vendor::config_error::ConfigError;
use crate::vendor::lists::{ListFolder, Lists};

/// The broker's lists for each of the periods, in their folder.
pub(super) fn load_lists(
    config: &VendorConfig,
    periods: &[Params],
) -> Result<Vec<Lists>, ConfigError> {
    let folder = DiskDirectory::new(config.periods());
    let lists = ListFolder {
        directory: &folder,
        vendor: config.vendor(),
        requires_owners: config.requires_owners(),
    };
    periods.iter().map(|params| lists.load(params, None)).collect()
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
