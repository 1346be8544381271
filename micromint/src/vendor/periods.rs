//! The accepted periods: a folder with a `PERIOD.params` file for each of them.
//!
//! Input: the folder. Output: the parameters. The invariant: the periods have different names, one
//! broker and one coin value, since a Request-Payment names one of each.

use super::config_error::ConfigError;
use crate::host::Directory;
use crate::params::Params;
use crate::toml_file;

/// The largest number of parameter files in the folder.
const PERIODS_MAX: usize = 64;

/// Reads every `*.params` file in a folder. Hidden files are ignored.
///
/// # Errors
/// There is no file or more than [`PERIODS_MAX`]; a file cannot be read; two files are of one
/// period; or the periods differ in broker or coin value.
pub(super) fn load_periods(directory: &dyn Directory) -> Result<Vec<Params>, ConfigError> {
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
        refuse_mixture(&periods, &params).map_err(|reason| ConfigError::file(&path, reason))?;
        periods.push(params);
    }
    Ok(periods)
}

fn refuse_mixture(others: &[Params], params: &Params) -> Result<(), String> {
    for other in others {
        let period = other.period();
        if params.period() == period {
            return Err(format!(
                "period: expected one file for each period, found two of {period}"
            ));
        }
        let pairs = [
            ("broker", &params.raw().broker, &other.raw().broker),
            ("coin-value", &params.coin_value().to_string(), &other.coin_value().to_string()),
        ];
        for (key, found, expected) in pairs {
            if found != expected {
                return Err(format!(
                    "{key}: expected {expected:?} as in period {period}, found {found:?}"
                ));
            }
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
            |files: &[(&str, String)]| load_periods(&folder(files)).unwrap_err().to_string();
        let good = folder(&[
            ("a.params", first.clone()),
            ("b.params", second.clone()),
            ("c.txt", "x".into()),
        ]);
        assert_eq!(load_periods(&good).unwrap().len(), 2);
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
        assert_eq!(load_periods(&folder(&many[1..])).unwrap().len(), PERIODS_MAX);
        assert!(error(&many).contains("at most 64"));
    }
}
