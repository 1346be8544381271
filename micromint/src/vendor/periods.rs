//! The accepted periods: a folder with a `PERIOD.params` file for each of them.
//!
//! Input: the folder, and what a base coin is worth. Output: the parameters. The invariant: the
//! periods have different names and one broker; their coins have one value or are worth whole
//! numbers of base coins.

use super::config_error::ConfigError;
use super::price::COIN_WORTH_MAX;
use crate::host::Directory;
use crate::money::Money;
use crate::params::Params;
use crate::toml_file;

/// The largest number of parameter files in the folder.
const PERIODS_MAX: usize = 64;

/// The ending of a file with the broker's own parameters of a period, which a program writes beside
/// other ones of that period. It is not read as parameters of an accepted period.
pub const PARAMS_OF_BROKER_ENDING: &str = ".params-of-broker";

/// Reads every `*.params` file in a folder. Hidden files are ignored.
///
/// # Errors
/// There is no file or more than [`PERIODS_MAX`]; a file cannot be read; two files are of one
/// period; the periods differ in broker; or the coin values do not go together.
pub(super) fn load_periods(
    directory: &dyn Directory,
    base: Option<Money>,
) -> Result<Vec<Params>, ConfigError> {
    let folder = directory.path();
    let mut names = directory
        .names()
        .map_err(|error| ConfigError::file(folder, format!("periods: cannot be read: {error}")))?;
    names.retain(|name| name.ends_with(".params") && !name.starts_with('.'));
    if names.is_empty() {
        let reason = "periods: expected at least one PERIOD.params file, found none";
        return Err(ConfigError::file(folder, reason));
    }
    if names.len() > PERIODS_MAX {
        let reason =
            format!("periods: expected at most {PERIODS_MAX} .params files, found {}", names.len());
        return Err(ConfigError::file(folder, reason));
    }
    let mut periods: Vec<Params> = Vec::new();
    for name in names {
        let path = folder.join(&name);
        let text = toml_file::load(directory, &name)?;
        let params = Params::from_toml(&text).map_err(|error| error.in_file(&path))?;
        check_period_beside(&periods, &params, base)
            .map_err(|reason| ConfigError::file(&path, reason))?;
        periods.push(params);
    }
    Ok(periods)
}

/// Checks that periods can be accepted together.
pub(super) fn check_periods(periods: &[Params], base: Option<Money>) -> Result<(), String> {
    let mut all = (0..).zip(periods);
    all.try_for_each(|(at, params)| check_period_beside(&periods[..at], params, base))
}

/// How many base coins a coin of this value is worth; `None` if that is no whole number from 1 to
/// [`COIN_WORTH_MAX`].
pub(super) fn worth(value: Money, base: Money) -> Option<u32> {
    let worth = value.units().checked_div(base.units())?;
    let is_whole = value.currency() == base.currency() && base.checked_mul(worth) == Some(value);
    let worth = u32::try_from(worth).ok().filter(|_| is_whole)?;
    (1..=COIN_WORTH_MAX).contains(&worth).then_some(worth)
}

/// Checks that a vendor whose base coin is worth `base` can accept a period beside others.
///
/// # Errors
/// What of the period does not go with the others: its name, its broker or its coin value.
pub fn check_period_beside(
    others: &[Params],
    params: &Params,
    base: Option<Money>,
) -> Result<(), String> {
    let value = params.coin_value();
    if let Some(base) = base
        && worth(value, base).is_none()
    {
        return Err(format!(
            "coin-value: expected a whole multiple of {base}, the coin-value of the vendor's \
             configuration, up to {COIN_WORTH_MAX} times as much, found {value}"
        ));
    }
    for other in others {
        let period = other.period();
        if params.period() == period {
            return Err(format!(
                "period: expected one file for each period, found two of {period}"
            ));
        }
        let (found, expected) = (&params.raw().broker, &other.raw().broker);
        if found != expected {
            return Err(format!(
                "broker: expected {expected:?} as in period {period}, found {found:?}"
            ));
        }
        let expected = other.coin_value();
        if base.is_none() && value != expected {
            return Err(format!(
                "coin-value: expected \"{expected}\" as in period {period}, found \"{value}\"; to \
                 accept coins of several values, set coin-value in the vendor's configuration"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Open, SimulatedDirectory};
    use crate::testing::test_params;

    fn folder(files: &[(&str, String)]) -> SimulatedDirectory {
        let directory = SimulatedDirectory::new();
        for (name, text) in files {
            directory.open(name, Open::Create).unwrap().write_at(text.as_bytes(), 0).unwrap();
        }
        directory
    }

    #[test]
    fn periods_share_broker_and_coin_value_and_differ_in_name() {
        let first = test_params().to_toml();
        let second = first.replace("2026-12\"", "2027-01\"");
        let error =
            |files: &[(&str, String)]| load_periods(&folder(files), None).unwrap_err().to_string();
        let good = folder(&[
            ("a.params", first.clone()),
            ("b.params", second.clone()),
            ("c.txt", "x".into()),
        ]);
        assert_eq!(load_periods(&good, None).unwrap().len(), 2);
        // Another spelling of its URL is no other broker.
        for spelling in ["https://broker.example", "HTTPS://BROKER.example:443/"] {
            let second = second.replace("https://broker.example/", spelling);
            let files = [("a.params", first.clone()), ("b.params", second)];
            assert_eq!(load_periods(&folder(&files), None).unwrap().len(), 2, "{spelling}");
        }
        assert!(error(&[]).contains("at least one PERIOD.params"));
        assert!(error(&[("a.params", "x".into())]).contains("a.params:1:"));
        assert!(
            error(&[("a.params", first.clone()), ("b.params", first.clone())])
                .contains("found two of 2026-12")
        );
        for (from, to, says) in [
            ("https://broker", "https://other", "b.params: broker: expected"),
            ("0.01 USD", "0.02 USD", "b.params: coin-value: expected"),
        ] {
            let found =
                error(&[("a.params", first.clone()), ("b.params", second.replace(from, to))]);
            assert!(found.contains(says), "{found}");
        }
        let many: Vec<(String, String)> = (0..=PERIODS_MAX)
            .map(|i| (format!("{i}.params"), first.replace("2026-12\"", &format!("p{i}\""))))
            .collect();
        let many: Vec<(&str, String)> =
            many.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        assert_eq!(load_periods(&folder(&many[1..]), None).unwrap().len(), PERIODS_MAX);
        assert!(error(&many).contains("at most 64"));
    }

    #[test]
    fn coins_may_be_worth_whole_numbers_of_base_coins() {
        let first = test_params().to_toml();
        let second = first.replace("2026-12\"", "2026-12-large\"").replace("0.01 USD", "0.4 USD");
        let both = folder(&[("a.params", first), ("b.params", second)]);
        let load = |base: &str| {
            let base = (!base.is_empty()).then(|| base.parse().unwrap());
            load_periods(&both, base).map(|periods| periods.len()).map_err(|it| it.to_string())
        };
        assert_eq!((load("0.01 USD"), load("0.005 USD")), (Ok(2), Ok(2)));
        for (base, says) in [
            ("", "b.params: coin-value: expected \"0.01 USD\" as in period 2026-12"),
            ("0.4 USD", "a.params: coin-value: expected a whole multiple of 0.4 USD"),
            ("0.003 USD", "a.params: coin-value: expected a whole multiple of 0.003 USD"),
            ("0.01 EUR", "a.params: coin-value: expected a whole multiple of 0.01 EUR"),
            ("0.0000002 USD", "b.params: coin-value: expected a whole multiple of 0.0000002 USD"),
        ] {
            let error = load(base).unwrap_err();
            assert!(error.contains(says), "{base}: {error}");
        }
        let money = |text: &str| text.parse::<Money>().unwrap();
        assert_eq!(worth(money("0.4 USD"), money("0.0000004 USD")), Some(COIN_WORTH_MAX));
        assert_eq!(worth(money("0.4000004 USD"), money("0.0000004 USD")), None);
        assert_eq!(worth(money("0 XTS"), money("0 XTS")), None);
    }
}
