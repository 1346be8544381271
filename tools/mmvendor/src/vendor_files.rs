//! Where the vendor's files are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use micromint::error::FileError;
use micromint::host::{Clock, Directory, DiskDirectory, FixedClock, SystemClock, SystemEntropy};
use micromint::identity::VendorId;
use micromint::till::{SyncMode, Till};
use micromint::time::UnixTime;
use micromint::vendor::VendorConfig;
use micromint_console::ToolError;

/// The configuration file of the documents.
pub(crate) const CONFIG_DEFAULT: &str = "/etc/micromint/vendor.toml";

/// The till, and whose it is.
#[derive(Args)]
pub(crate) struct VendorFiles {
    /// The vendor's configuration file, which the web server uses too
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,
    /// The till's folder [default: from the configuration]
    #[arg(long, value_name = "DIR", requires = "vendor")]
    till: Option<PathBuf>,
    /// The Vendor-ID, a host name [default: from the configuration]. With --till the configuration
    /// is not read
    #[arg(long, value_name = "ID", requires = "till")]
    vendor: Option<VendorId>,
    /// Decide as of this time (RFC 3339) instead of now: for rehearsals, never with real money
    #[arg(long, value_name = "TIME")]
    as_of: Option<UnixTime>,
}

/// An open till.
pub(crate) struct OpenVendor {
    pub(crate) vendor: VendorId,
    pub(crate) till: Till,
    /// `None` if the till was named on the command line.
    pub(crate) config: Option<VendorConfig>,
}

impl VendorFiles {
    pub(crate) fn open(&self) -> Result<OpenVendor, ToolError> {
        if let (Some(till), Some(vendor)) = (&self.till, &self.vendor) {
            let (vendor, till) = (vendor.clone(), self.open_till(till)?);
            return Ok(OpenVendor { vendor, till, config: None });
        }
        let config = VendorConfig::load(&self.config)?;
        let (vendor, till) = (config.vendor().clone(), self.open_till(config.till())?);
        Ok(OpenVendor { vendor, till, config: Some(config) })
    }

    /// The file of the vendor key: as named, or `vendor.key` next to the configuration.
    pub(crate) fn key_file(&self, named: Option<&Path>) -> PathBuf {
        named.map_or_else(|| self.config.with_file_name("vendor.key"), Path::to_path_buf)
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Result<VendorConfig, ToolError> {
        Ok(VendorConfig::load(&self.config)?)
    }

    /// The time that decisions use.
    pub(crate) fn now(&self) -> UnixTime {
        self.as_of.unwrap_or_else(|| SystemClock.now())
    }

    /// Opens a till that exists. A mistyped path must not create an empty till.
    fn open_till(&self, path: &Path) -> Result<Till, ToolError> {
        let directory = DiskDirectory::new(path);
        let names = directory.names().map_err(FileError::on("read", path))?;
        if !names.iter().any(|name| name == "lock") {
            let path = path.display();
            let text = format!("{path}: expected a till, found a folder without the file `lock`");
            return Err(text.into());
        }
        let clock: Arc<dyn Clock> = match self.as_of {
            Some(time) => Arc::new(FixedClock(time)),
            None => Arc::new(SystemClock),
        };
        Ok(Till::open(Box::new(directory), SyncMode::Always, clock, Arc::new(SystemEntropy))?)
    }
}
