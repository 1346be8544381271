//! How a paywall is opened: on disk, or from a program's own parts.
//!
//! Input: a configuration, and the files that it names or what a program passes instead. Output: a
//! [`Paywall`]. The invariant: whatever opens one, periods, lists, blocked users and till were
//! read.

use std::sync::Arc;

use super::Paywall;
use super::files::{open_prices, secret_place, warnings};
use super::folder::{self, Owner};
use super::quotes::Quotes;
use super::sync_wanted::SyncWanted;
use crate::authenticator::Key;
use crate::error::FileError;
use crate::host::{Clock, Directory, DiskDirectory, Entropy};
use crate::key_file::{KeyFileError, read_or_create_key};
use crate::params::Params;
use crate::till::{Till, TillError};
use crate::vendor::accepted::{Accepted, KnownLists};
use crate::vendor::blocked::{BLOCKED_FILE, BlockedUsers};
use crate::vendor::bots::{BotKeys, Bots};
use crate::vendor::challenger::Challenger;
use crate::vendor::config::VendorConfig;
use crate::vendor::config_error::ConfigError;
use crate::vendor::prices::{PriceList, Prices};
use crate::vendor::views::FreeViews;

/// The paywall cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PaywallError {
    /// The configuration, or a period's parameters.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory of the till.
    #[error(transparent)]
    File(#[from] FileError),
    /// The till.
    #[error(transparent)]
    Till(#[from] TillError),
    /// The file of the secret of receipts.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
}

/// What a program passes to a paywall of its own, instead of what the configuration names.
pub struct PaywallParts {
    /// The configuration.
    pub config: VendorConfig,
    /// The secret of receipts and challenges.
    pub receipt_key: Key,
    /// The directory of the till.
    pub till: Box<dyn Directory>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Paywall {
    /// Creates what a first start needs: the directory of the till and the secret of receipts, and
    /// gives both to the user and group who serve, `owner`, if root calls it for them. Call it in
    /// the process with the rights to do so. Returns what the webmaster should know, one line each,
    /// for the server's error log: that no period is valid, or will be in two days, and the periods
    /// without an owners file.
    ///
    /// # Errors
    /// Periods or lists cannot be read, a required owners file does not exist, or files cannot be
    /// created or given; or the folder for the till holds other files and no till.
    pub fn prepare(
        config: &VendorConfig,
        owner: Option<Owner>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Vec<String>, PaywallError> {
        config.check().map_err(ConfigError::from)?;
        let prices = open_prices(config, clock.now())?;
        let list = prices.map(|prices| prices.current());
        let warnings = warnings(config, list.as_deref(), clock.now())?;
        folder::prepare(config.till(), owner)?;
        let (directory, name) = secret_place(config)?;
        read_or_create_key(&directory, &name, entropy)?;
        if let Some(owner) = owner {
            folder::give_file(config.receipt_secret(), owner)?;
        }
        Ok(warnings)
    }

    /// Opens the paywall on disk: once in every serving process, after the fork.
    ///
    /// # Errors
    /// Periods, lists, till or secret cannot be read.
    pub fn open(
        config: VendorConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        let accepted = Accepted::open_on_disk(&config, KnownLists::new(), clock.now())?;
        let prices = open_prices(&config, clock.now())?;
        Paywall::open_with(config, Arc::new(accepted), prices, clock, entropy)
    }

    /// [`Paywall::open`] with periods, lists and prices that were already read.
    pub(in crate::vendor) fn open_with(
        config: VendorConfig,
        accepted: Arc<Accepted>,
        prices: Option<Arc<Prices>>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        config.check().map_err(ConfigError::from)?;
        let (directory, name) = secret_place(&config)?;
        let receipt_key = read_or_create_key(&directory, &name, entropy.as_ref())?;
        let till = Box::new(DiskDirectory::new(config.till()));
        let parts = PaywallParts { config, receipt_key, till, clock, entropy };
        let paywall = Paywall::with_accepted(parts, accepted)?;
        Ok(Paywall { prices, ..paywall })
    }

    /// A paywall from the caller's parts. It reads the periods and lists in a directory and notices
    /// changes there; it does not use the paths in the configuration.
    ///
    /// # Errors
    /// Periods, lists or till cannot be read.
    pub fn with_folder(
        parts: PaywallParts,
        periods: Box<dyn Directory>,
    ) -> Result<Paywall, PaywallError> {
        let (config, now) = (&parts.config, parts.clock.now());
        let accepted = Arc::new(Accepted::open(config, periods, KnownLists::new(), now)?);
        Paywall::with_accepted(parts, accepted)
    }

    /// A paywall from the caller's parts, with these periods and no lists; it does not use the
    /// paths in the configuration.
    ///
    /// # Errors
    /// The till cannot be opened, the periods cannot be accepted together, or the configuration
    /// requires owners files.
    pub fn with_periods(parts: PaywallParts, periods: &[Params]) -> Result<Paywall, PaywallError> {
        let config = &parts.config;
        if config.requires_owners() {
            let reason = "owners = \"required\" needs a folder of periods";
            return Err(ConfigError::file(config.periods(), reason).into());
        }
        let accepted = Accepted::fixed(config, periods);
        let accepted = accepted.map_err(|reason| ConfigError::file(config.periods(), reason))?;
        Paywall::with_accepted(parts, Arc::new(accepted))
    }

    fn with_accepted(
        parts: PaywallParts,
        accepted: Arc<Accepted>,
    ) -> Result<Paywall, PaywallError> {
        let PaywallParts { config, receipt_key, till, clock, entropy } = parts;
        config.check().map_err(ConfigError::from)?;
        let till = Till::open(till, config.sync(), clock.clone(), entropy.clone())?;
        let views = FreeViews::new(till.shared_directory(), &receipt_key);
        let challenger = Challenger::new(&receipt_key, config.vendor().as_str());
        let quotes = Quotes::new();
        let blocked = BlockedUsers::open(till.shared_directory(), clock.now());
        let blocked = blocked.map_err(FileError::on("read", &config.till().join(BLOCKED_FILE)))?;
        Ok(Paywall {
            config,
            accepted,
            receipt_key,
            challenger,
            quotes,
            till,
            blocked,
            sync_wanted: SyncWanted::default(),
            prices: None,
            views,
            clock,
            entropy,
        })
    }

    /// The same paywall with this price list and these keys of the bots in the configuration.
    /// Neither ever changes.
    #[must_use]
    pub fn with_price_list_and_bots(self, list: PriceList, keys: BotKeys) -> Paywall {
        let bots = Bots::fixed(self.config.bot_settings().clone(), keys);
        Paywall { prices: Some(Arc::new(Prices::fixed(list, bots))), ..self }
    }
}
