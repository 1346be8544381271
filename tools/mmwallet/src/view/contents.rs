//! What the view can show: texts about a wallet, made once each time that the file is read.

use micromint::money::coins;
use micromint::time::UnixTime;
use micromint::wallet::WalletState;

use crate::limits::Amount;
use crate::settings::{DAILY_LIMIT_DEFAULT, Settings, WARN_DAYS_DEFAULT};
use crate::show;
use crate::wallet_file::WalletFile;

/// The names and values of something, for people.
pub(super) type Rows = Vec<(String, String)>;

/// An order, sale, payment or return.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The line of `history`.
    pub(super) line: String,
    pub(super) is_return: bool,
    pub(super) details: Rows,
}

/// The texts of all pages.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    pub(super) balance: String,
    /// The newest first.
    pub(super) history: Vec<Entry>,
    pub(super) settings: Rows,
}

impl Entry {
    /// Whether its line or a detail contains `words`, which are in lower case.
    pub(super) fn contains(&self, words: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(words);
        has(&self.line) || self.details.iter().any(|(_, value)| has(value))
    }
}

impl Contents {
    pub(super) fn of(
        state: &WalletState,
        settings: &Settings,
        file: &WalletFile,
        now: UnixTime,
    ) -> Contents {
        let history = show::events(state).into_iter().rev().map(|event| Entry {
            line: event.line(),
            is_return: event.value["event"] == "return",
            details: show::rows_of(state, &event),
        });
        Contents {
            balance: show::balance_text(state, None, now),
            history: history.collect(),
            settings: settings_rows(settings, file),
        }
    }
}

fn settings_rows(settings: &Settings, file: &WalletFile) -> Rows {
    let amount = |set: Option<Amount>, default: u32| match set {
        Some(amount) => amount.to_string(),
        None => format!("{} (default)", coins(default.into())),
    };
    let days = match settings.warn_days {
        Some(days) => days.to_string(),
        None => format!("{WARN_DAYS_DEFAULT} (default)"),
    };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_string());
    let rows = [
        ("wallet", file.path().display().to_string()),
        ("settings file", file.settings_path().display().to_string()),
        ("autopay", amount(settings.autopay, 0)),
        ("daily-limit", amount(settings.daily_limit, DAILY_LIMIT_DEFAULT)),
        ("site-limit", or_none(settings.site_limit.map(|limit| limit.to_string()))),
        ("task-limit", or_none(settings.task_limit.map(|limit| limit.to_string()))),
        ("allow-http", settings.allow_http.unwrap_or(false).to_string()),
        ("warn-days", days),
        ("proxy", or_none(settings.proxy.clone())),
        ("cacert", or_none(settings.cacert.as_ref().map(|path| path.display().to_string()))),
    ];
    rows.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}
