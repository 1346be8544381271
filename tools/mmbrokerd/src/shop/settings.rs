//! The part `[shop]` of the configuration.
//!
//! Input: TOML. Output: settings. The invariant: each setting has a default, so a broker without
//! this part has pages too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use micromint::error::{FileError, chain};
use micromint::host::DiskDirectory;
use micromint::key_file::read_private_text;
use micromint::money::{Currency, Money};
use serde::Deserialize;

use super::bank::iban;
use super::hooks::{SECRET_LEN_MIN, SECRETS_SIZE_MAX, SOURCES};
use super::mail::MailSettings;
use super::network::Proxies;
use super::password::MEMORY_KIB;
use super::payouts::CENT;
use super::proof::Proofs;
use crate::minting::MintingSettings;

/// What an operator chooses about the pages.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ShopSettings {
    /// The name of the broker on its pages.
    pub name: String,
    /// Whether everyone may make an account.
    pub registration: bool,
    /// The most sets that a person buys of a period.
    pub sets_per_period: u64,
    /// The most sets of a period that an account gets as a free trial; 0 for none.
    pub trial_sets: u64,
    /// The most sets of a period that all accounts together get as free trials.
    pub trial_sets_total: u64,
    /// How people reach the operator: shown on pages that say so.
    pub contact: String,
    /// Words about VAT on receipts; empty for none.
    pub vat: String,
    /// The broker's name in payouts.
    pub payout_name: String,
    /// The broker's own account, from which payouts are made (SEPA).
    pub payout_iban: String,
    /// The fee of a payout, such as `0.35 EUR`.
    pub payout_fee: Option<String>,
    /// The smallest balance that is paid out, such as `5 EUR`.
    pub payout_min: Option<String>,
    /// The hours until a changed bank account counts.
    pub bank_change_hours: u32,
    /// The files with the secrets of webhooks, by source: `deposit`, `stripe`, `btcpay`, `taler`.
    pub hooks: BTreeMap<String, PathBuf>,
    /// How mail is sent; without it, none is.
    pub mail: Option<MailSettings>,
    /// How the next period is minted, if that happens without a person.
    #[serde(skip)]
    pub minting: Option<MintingSettings>,
    /// Whether the pages are those of a CGI program, in which nothing is minted.
    #[serde(skip)]
    pub is_cgi: bool,
    /// The file with the secrets of those who read the numbers for Prometheus.
    pub metrics_file: Option<PathBuf>,
    /// The memory for the hash of a password, in KiB. Tests use less.
    #[serde(skip)]
    pub password_kib: u32,
    /// Whose `X-Forwarded-For` is believed.
    #[serde(skip)]
    pub proxies: Proxies,
    /// Where host proofs are read.
    #[serde(skip)]
    pub proofs: Proofs,
}

impl Default for ShopSettings {
    fn default() -> ShopSettings {
        ShopSettings {
            name: "MicroMint".to_string(),
            registration: true,
            sets_per_period: 1000,
            trial_sets: 0,
            trial_sets_total: 0,
            contact: String::new(),
            vat: String::new(),
            payout_name: String::new(),
            payout_iban: String::new(),
            payout_fee: None,
            payout_min: None,
            bank_change_hours: 72,
            hooks: BTreeMap::new(),
            mail: None,
            minting: None,
            is_cgi: false,
            metrics_file: None,
            password_kib: MEMORY_KIB,
            proxies: Proxies::default(),
            proofs: Proofs::default(),
        }
    }
}

impl ShopSettings {
    /// What is wrong with the settings.
    ///
    /// # Errors
    /// What was expected, what was found and where.
    pub fn check(&self) -> Result<(), String> {
        for (key, amount) in [("payout-fee", &self.payout_fee), ("payout-min", &self.payout_min)] {
            if let Some(amount) = amount {
                let parsed: Money =
                    amount.parse().map_err(|error| format!("shop.{key}: {error}"))?;
                // Banks pay whole cents, and the books say what they pay.
                if !parsed.units().is_multiple_of(CENT) {
                    return Err(format!(
                        "shop.{key}: expected at most two decimals, found {amount:?}"
                    ));
                }
            }
        }
        if let Some(found) = self.hooks.keys().find(|source| !SOURCES.contains(&source.as_str())) {
            return Err(format!("shop.hooks: expected one of {SOURCES:?}, found {found:?}"));
        }
        if !self.payout_iban.is_empty() && iban(&self.payout_iban).is_none() {
            let found = &self.payout_iban;
            return Err(format!("shop.payout-iban: expected an IBAN, found {found:?}"));
        }
        if self.trial_sets_total < self.trial_sets {
            return Err(format!(
                "shop.trial-sets-total: expected at least trial-sets = {}, found {}; it is the \
                 most free sets of a period for all accounts together",
                self.trial_sets, self.trial_sets_total
            ));
        }
        self.mail.as_ref().map_or(Ok(()), MailSettings::check)?;
        if self.name.trim().is_empty() || self.name.len() > 70 {
            return Err(format!("shop.name: expected 1 to 70 bytes, found {:?}", self.name));
        }
        Ok(())
    }

    /// What is wrong with the files of secrets, and with amounts that count for nothing.
    /// `currencies` are those of the broker's periods.
    pub fn faults(&self, currencies: &BTreeSet<Currency>) -> Vec<String> {
        let mut faults = Vec::new();
        let secrets =
            self.hooks.iter().map(|(source, file)| (format!("shop.hooks.{source}"), file));
        let metrics = self.metrics_file.iter().map(|file| ("shop.metrics-file".to_string(), file));
        for (key, file) in secrets.chain(metrics) {
            faults.extend(secret_fault(file, SECRET_LEN_MIN).map(|why| format!("{key}: {why}")));
        }
        if let Some(file) = self.mail.as_ref().and_then(|mail| mail.password_file.as_ref()) {
            let key = "shop.mail.password-file";
            faults.extend(secret_fault(file, 1).map(|why| format!("{key}: {why}")));
        }
        for (key, amount) in [("payout-fee", &self.payout_fee), ("payout-min", &self.payout_min)] {
            let amount = amount.as_ref().and_then(|text| text.parse::<Money>().ok());
            let Some(currency) = amount.map(Money::currency) else { continue };
            if !currencies.is_empty() && !currencies.contains(&currency) {
                let known: Vec<&str> = currencies.iter().map(Currency::as_str).collect();
                faults.push(format!(
                    "shop.{key}: expected a currency of the periods ({}), found {currency}: it \
                     counts for no payout",
                    known.join(", ")
                ));
            }
        }
        faults
    }

    /// An amount of the settings in units of this currency, 0 if it is of another one.
    pub(super) fn units(amount: Option<&String>, currency: &str) -> u64 {
        let amount = amount.and_then(|text| text.parse::<Money>().ok());
        amount.filter(|amount| amount.currency().as_str() == currency).map_or(0, Money::units)
    }
}

/// What is wrong with a file of secrets, of which one has at least `len_min` bytes.
fn secret_fault(file: &Path, len_min: usize) -> Option<String> {
    let (directory, name) = match DiskDirectory::of_file(file) {
        Ok(found) => found,
        Err(error) => return Some(chain(&FileError::on("open", file)(error))),
    };
    match read_private_text(&directory, &name, SECRETS_SIZE_MAX) {
        Err(error) => Some(chain(&error)),
        Ok(text) if text.lines().any(|line| line.trim().len() >= len_min) => None,
        Ok(_) => Some(format!(
            "{}: expected a line with a secret of at least {len_min} characters, found none",
            file.display()
        )),
    }
}
