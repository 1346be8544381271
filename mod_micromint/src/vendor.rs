//! The paywall of one configuration file, as each child has it.
//!
//! The file is read with Apache's configuration. The paywall behind it is opened in every child, after it
//! was forked: the till's locks would exclude nobody if children shared open files. What cannot be opened
//! then is tried again when a request needs it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use micromint::host::{SystemClock, SystemEntropy};
use micromint::vendor::config::{ConfigError, VendorConfig};
use micromint::vendor::paywall::{Paywall, PaywallError};

/// How long a failed opening is not tried again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// A vendor of the configuration.
pub(crate) struct Vendor {
    path: PathBuf,
    position: String,
    config: VendorConfig,
    /// What requests are decided by; locked for a moment only, never while the disk is touched.
    paywall: Mutex<Option<Arc<Paywall>>>,
    /// Held while the paywall is being opened: when opening or recording failed, if it has since.
    failed_at: Mutex<Option<Instant>>,
}

impl Vendor {
    /// Reads a configuration file that `MicroMintConfig` names at `position`. No side effect.
    pub(crate) fn read(path: PathBuf, position: String) -> Result<Vendor, ConfigError> {
        let config = VendorConfig::load(&path)?;
        config.load_periods()?;
        Ok(Vendor { path, position, config, paywall: Mutex::default(), failed_at: Mutex::default() })
    }

    /// The configuration file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where in Apache's configuration it is named.
    pub(crate) fn position(&self) -> &str {
        &self.position
    }

    /// Makes what a first start needs and gives it to the children's user. For the parent, before it forks.
    pub(crate) fn prepare(&self, owner: Option<(u32, u32)>) -> Result<(), String> {
        let paths = Paywall::prepare(&self.config, &SystemEntropy).map_err(|error| error.to_string())?;
        let Some((user, group)) = owner else { return Ok(()) };
        for path in paths {
            // What vanished meanwhile, such as a journal that was cleared away, needs no owner.
            match std::os::unix::fs::lchown(&path, Some(user), Some(group)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("cannot give {} to the children's user: {error}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The paywall, if it was ever open: to say what is asked for, which needs no disk. Never waits.
    pub(crate) fn paywall(&self) -> Option<Arc<Paywall>> {
        locked(&self.paywall).clone()
    }

    /// The paywall, to record with. Opened now, which may wait for the disk, if it is not open or could not record.
    /// `Ok(None)` if that failed a moment ago.
    pub(crate) fn open(&self) -> Result<Option<Arc<Paywall>>, PaywallError> {
        let mut failed_at = locked(&self.failed_at);
        match (*failed_at, self.paywall()) {
            (None, Some(paywall)) => return Ok(Some(paywall)),
            (Some(at), _) if at.elapsed() < REOPEN_AFTER => return Ok(None),
            _ => {}
        }
        match Paywall::open(self.config.clone(), Arc::new(SystemClock), Arc::new(SystemEntropy)) {
            Ok(paywall) => {
                let paywall = Arc::new(paywall);
                *locked(&self.paywall) = Some(Arc::clone(&paywall));
                *failed_at = None;
                Ok(Some(paywall))
            }
            Err(error) => {
                *failed_at = Some(Instant::now());
                Err(error)
            }
        }
    }

    /// Has a paywall that could not record be opened anew before one records again.
    pub(crate) fn close(&self, paywall: &Arc<Paywall>) {
        let mut failed_at = locked(&self.failed_at);
        if self.paywall().is_some_and(|current| Arc::ptr_eq(&current, paywall)) {
            *failed_at = Some(Instant::now());
        }
    }
}

/// A lock that a panic elsewhere does not spoil: what it guards is replaced whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
