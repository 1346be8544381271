//! What the owner allows: limits for all sites and rules for single ones.
//!
//! Input: the JSON that the extension stores, and the payments in the wallet. Output: the highest
//! price that is paid without asking now, and which limit stands in the way of a higher one. The
//! invariant: the sums are computed from the wallet file alone, so they are right after a crash,
//! and no two payments at the same time can pass a limit together.

use std::collections::BTreeMap;

use micromint::identity::VendorId;
use micromint::time::UnixTime;
use micromint::wallet::WalletState;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most sites that can have a rule of their own.
pub const SITES_MAX: usize = 10_000;

/// What the owner allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The highest price that is paid without asking, in coins.
    pub autopay: u32,
    /// The most coins that the parts of a page (images, films, frames) cost without asking.
    pub page_limit: u32,
    /// The most coins that are paid at all sites in a UTC day; none: no limit.
    pub day_limit: Option<u32>,
    /// The same in a UTC month.
    pub month_limit: Option<u32>,
    /// The most coins that are paid at one site in a UTC day.
    pub site_day_limit: Option<u32>,
    /// The same in a UTC month.
    pub site_month_limit: Option<u32>,
    /// Whether to pay over http to other machines.
    pub allow_http: bool,
    /// Warn about coins that expire within this many days.
    pub warn_days: u32,
    /// Nothing is paid and nobody is asked.
    pub is_paused: bool,
    /// Whether links say what they cost. Pages can notice that.
    pub shows_prices: bool,
    /// The rules for single sites, by Vendor-ID.
    pub sites: BTreeMap<String, SiteRule>,
}

/// The rule for one site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SiteRule {
    /// Nothing is paid here and nobody is asked.
    pub is_never: bool,
    /// Replaces [`Settings::autopay`].
    pub autopay: Option<u32>,
    /// Replaces [`Settings::site_day_limit`].
    pub day_limit: Option<u32>,
    /// Replaces [`Settings::site_month_limit`].
    pub month_limit: Option<u32>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            autopay: 0,
            page_limit: 10,
            day_limit: Some(100),
            month_limit: None,
            site_day_limit: None,
            site_month_limit: None,
            allow_http: false,
            warn_days: 3,
            is_paused: false,
            shows_prices: false,
            sites: BTreeMap::new(),
        }
    }
}

/// A limit that a payment would pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Over {
    /// `day`, `month`, `siteDay` or `siteMonth`.
    pub limit: &'static str,
    /// The limit, in coins.
    pub of: u32,
    /// By how many coins.
    pub by: u64,
}

/// What was spent, and what is left of the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    /// Coins sent for the first time on this UTC day, at all sites.
    pub day: u64,
    /// The same in this UTC month.
    pub month: u64,
    /// At this site, on this day.
    pub site_day: u64,
    /// At this site, in this month.
    pub site_month: u64,
}

impl Spent {
    /// Adds up the payments of the day and month of `now`. Later ones count too, in case the clock
    /// was set back.
    pub fn of(state: &WalletState, vendor: &VendorId, now: UnixTime) -> Spent {
        let (today, month) = (now.day(), month_of(now));
        let mut spent = Spent::default();
        for payment in state.payments().iter().rev() {
            if month_of(payment.at) < month {
                // A clock that was set back can leave earlier payments behind this one.
                continue;
            }
            let coins = u64::from(payment.fresh);
            let (is_today, is_here) = (payment.at.day() >= today, payment.vendor == *vendor);
            spent.month += coins;
            spent.day += if is_today { coins } else { 0 };
            spent.site_month += if is_here { coins } else { 0 };
            spent.site_day += if is_today && is_here { coins } else { 0 };
        }
        spent
    }
}

/// The UTC month as `YYYY-MM`.
fn month_of(time: UnixTime) -> String {
    let day = time.day();
    day.rsplit_once('-').map(|(month, _)| month.to_string()).unwrap_or_default()
}

fn unreadable(error: serde_json::Error) -> String {
    format!("settings: {error}")
}

impl Settings {
    /// Reads stored settings.
    ///
    /// # Errors
    /// The text is not JSON of this form, or has too many sites. Says what is wrong.
    pub fn parse(text: &str) -> Result<Settings, String> {
        Settings::read(serde_json::from_str(text).map_err(unreadable)?)
    }

    /// Reads the settings as the pages send them.
    ///
    /// # Errors
    /// As for [`Settings::parse`].
    pub fn read(settings: Value) -> Result<Settings, String> {
        // serde would also take the fields in an array.
        if !settings.is_object() {
            return Err(format!("settings: expected an object, found {settings}"));
        }
        let settings: Settings = serde_json::from_value(settings).map_err(unreadable)?;
        if settings.sites.len() > SITES_MAX {
            let found = settings.sites.len();
            return Err(format!("settings: expected at most {SITES_MAX} sites, found {found}"));
        }
        for site in settings.sites.keys() {
            site.parse::<VendorId>().map_err(|error| format!("settings: {site:?}: {error}"))?;
        }
        Ok(settings)
    }

    /// The rule for a site; the default one if it has none of its own.
    pub fn rule(&self, vendor: &VendorId) -> SiteRule {
        self.sites.get(vendor.as_str()).cloned().unwrap_or_default()
    }

    /// The first limit that `coins` more would pass, after what was spent.
    pub fn over(&self, vendor: &VendorId, spent: &Spent, coins: u32) -> Option<Over> {
        let rule = self.rule(vendor);
        let limits = [
            ("siteDay", rule.day_limit.or(self.site_day_limit), spent.site_day),
            ("siteMonth", rule.month_limit.or(self.site_month_limit), spent.site_month),
            ("day", self.day_limit, spent.day),
            ("month", self.month_limit, spent.month),
        ];
        limits.into_iter().find_map(|(limit, of, spent)| {
            let of = of?;
            let by = (spent + u64::from(coins)).checked_sub(u64::from(of))?;
            (by > 0).then_some(Over { limit, of, by })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back_and_bounded() {
        let mut settings = Settings { autopay: 3, day_limit: None, ..Settings::default() };
        settings
            .sites
            .insert("a.example".into(), SiteRule { is_never: true, ..SiteRule::default() });
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(Settings::parse(&text), Ok(settings.clone()));
        assert_eq!(Settings::parse("{}"), Ok(Settings::default()));
        for bad in [
            "",
            "[]",
            r#"{"autopay":-1}"#,
            r#"{"autopay":4294967296}"#,
            r#"{"autopay":1.5}"#,
            r#"{"unknown":1}"#,
            r#"{"sites":{"not a host":{}}}"#,
        ] {
            assert!(Settings::parse(bad).is_err(), "{bad}");
        }
        let sites = |number: usize| {
            let sites = (0..number).map(|i| (format!("s{i}.example"), SiteRule::default()));
            let settings = Settings { sites: sites.collect(), ..Settings::default() };
            Settings::parse(&serde_json::to_string(&settings).unwrap())
        };
        assert!(sites(SITES_MAX).is_ok());
        assert!(sites(SITES_MAX + 1).is_err());
    }

    #[test]
    fn the_first_limit_in_the_way_is_named_with_the_excess() {
        let vendor: VendorId = "a.example".parse().unwrap();
        let mut settings = Settings { day_limit: Some(10), ..Settings::default() };
        let spent = Spent { day: 8, month: 20, site_day: 2, site_month: 5 };
        let over = |settings: &Settings, coins| settings.over(&vendor, &spent, coins);
        assert_eq!(over(&settings, 2), None);
        assert_eq!(over(&settings, 3), Some(Over { limit: "day", of: 10, by: 1 }));
        settings.month_limit = Some(20);
        assert_eq!(over(&settings, 1), Some(Over { limit: "month", of: 20, by: 1 }));
        let rule = SiteRule { day_limit: Some(2), ..SiteRule::default() };
        settings.sites.insert("a.example".into(), rule);
        assert_eq!(over(&settings, 1), Some(Over { limit: "siteDay", of: 2, by: 1 }));
        settings.day_limit = None;
        settings.month_limit = None;
        settings.sites.clear();
        assert_eq!(over(&settings, u32::MAX), None);
    }
}
