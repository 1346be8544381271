//! The vendors of a whole server configuration.
//!
//! Input: the configuration files that its servers name. Output: their vendors. The invariant: one
//! vendor for every file, however many servers name it, so that they share its till.

use std::path::PathBuf;
use std::sync::Arc;

use crate::host::{Clock, Entropy};
use crate::vendor::config_error::ConfigError;
use crate::vendor::serving::Vendor;

/// The vendors of a whole server configuration, in the order in which it names their files.
#[derive(Default)]
pub struct Vendors(Vec<Arc<Vendor>>);

impl Vendors {
    /// No vendors.
    pub const fn new() -> Vendors {
        Vendors(Vec::new())
    }

    /// The vendor of this configuration file, which is read when it is named for the first time, at
    /// `position` of the server's configuration.
    ///
    /// # Errors
    /// The file cannot be read, or contains a mistake.
    pub fn named(
        &mut self,
        path: PathBuf,
        position: String,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<Vendor>, ConfigError> {
        if let Some(vendor) = self.0.iter().find(|vendor| vendor.path() == path) {
            return Ok(Arc::clone(vendor));
        }
        let vendor = Arc::new(Vendor::read(path, position, clock, entropy)?);
        self.0.push(Arc::clone(&vendor));
        Ok(vendor)
    }

    /// The vendors.
    pub fn all(&self) -> &[Arc<Vendor>] {
        &self.0
    }

    /// Opens them all, in a new process. Returns what to log about each that cannot be opened: it
    /// is tried again when a request needs it.
    pub fn open(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().filter_map(|vendor| {
            let error = vendor.open().err()?;
            Some(format!("{error}; pages of this vendor are not sold until this is fixed"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{SystemClock, SystemEntropy};
    use crate::testing::params_with;

    fn named(vendors: &mut Vendors, path: PathBuf) -> Result<Arc<Vendor>, ConfigError> {
        vendors.named(path, "here".to_string(), Arc::new(SystemClock), Arc::new(SystemEntropy))
    }

    #[test]
    fn servers_that_name_one_file_share_its_vendor() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("periods")).unwrap();
        let params = params_with(|_| {}).to_toml();
        std::fs::write(folder.path().join("periods/a.params"), params).unwrap();
        let config = "vendor-id = \"news.example\"\norigins = \"https://news.example\"\n\
                      periods = \"periods\"\ntill = \"missing/till\"\n";
        let [one, other] = ["one.toml", "other.toml"].map(|name| {
            let path = folder.path().join(name);
            std::fs::write(&path, config).unwrap();
            path
        });
        let mut vendors = Vendors::new();
        let first = named(&mut vendors, one.clone()).unwrap();
        assert!(Arc::ptr_eq(&first, &named(&mut vendors, one).unwrap()));
        assert!(!Arc::ptr_eq(&first, &named(&mut vendors, other).unwrap()));
        assert!(named(&mut vendors, folder.path().join("missing.toml")).is_err());
        assert_eq!(vendors.all().len(), 2);
        let faults: Vec<String> = vendors.open().collect();
        assert_eq!(faults.len(), 2);
        assert!(faults[0].contains("missing/till"), "{faults:?}");
        assert!(faults[0].ends_with("are not sold until this is fixed"), "{faults:?}");
    }
}
