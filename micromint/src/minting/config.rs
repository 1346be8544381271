//! `mint.toml`: everything that a mint of a period needs.
//!
//! The keys are those of the public parameters ([`PARAMS_KEYS`]) and three that stay with the
//! broker: `coinfile`, the path of the coin file; `input-key`, the secret of the permutation; and
//! `weak = "allowed"` if weak choices are allowed. The input key makes the file a secret.

use super::permutation::{INPUT_KEY_SIZE, InputKey};
use crate::host::Entropy;
use crate::params::{PARAMS_KEYS, Params, ParamsError, Weakness, field, toml_fields, toml_line};

/// The largest configuration that is read, in bytes.
pub const MINT_FILE_SIZE_MAX: u64 = crate::params::PARAMS_FILE_SIZE_MAX;
/// The longest `coinfile`, in bytes.
const COINFILE_LEN_MAX: usize = 4096;

/// The keys that stay with the broker.
const OWN_KEYS: [&str; 3] = ["coinfile", "input-key", "weak"];
const WEAK_ALLOWED: &str = "allowed";

/// The configuration of a mint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintConfig {
    /// The path of the coin file, relative to the directory of the configuration.
    pub coinfile: String,
    /// The broker's secret.
    pub key: InputKey,
    /// Whether weak choices are allowed (`--weak`).
    pub weak: bool,
    /// The public parameters.
    pub params: Params,
}

/// A weak choice that is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("{0} (`--weak` of `coinmint init`, or weak = \"allowed\", allows it for tests)")]
pub struct WeakError(Weakness);

impl MintConfig {
    /// A configuration for `params` with a new secret key, and the coin file `PERIOD.coins` beside
    /// it.
    ///
    /// # Errors
    /// The source of randomness failed.
    pub fn draw(params: Params, entropy: &dyn Entropy) -> std::io::Result<MintConfig> {
        let mut key = [0; INPUT_KEY_SIZE];
        entropy.fill(&mut key)?;
        let coinfile = format!("{}.coins", params.period());
        Ok(MintConfig { coinfile, key: InputKey::from_bytes(key), weak: false, params })
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// The text is not TOML, a key is unknown or missing, or the parameters do not fit together.
    pub fn from_toml(text: &str) -> Result<MintConfig, ParamsError> {
        let fields = toml_fields(text)?;
        let is_known = |key: &str| PARAMS_KEYS.contains(&key) || OWN_KEYS.contains(&key);
        if let Some((key, _)) = fields.iter().find(|(key, _)| !is_known(key)) {
            return Err(ParamsError::UnknownKey(key.clone()));
        }
        let coinfile = field(&fields, "coinfile").ok_or(ParamsError::Missing("coinfile"))?;
        if !(1..=COINFILE_LEN_MAX).contains(&coinfile.len()) || coinfile.contains('\0') {
            let expected = format!("a path of 1 to {COINFILE_LEN_MAX} bytes");
            let found = coinfile.chars().take(80).collect();
            return Err(ParamsError::Value { key: "coinfile", expected, found });
        }
        let key = field(&fields, "input-key").ok_or(ParamsError::Missing("input-key"))?;
        // The message does not repeat the value: it may be the secret with a typing error.
        let key = key.parse().map_err(|_| ParamsError::Value {
            key: "input-key",
            expected: "32 hexadecimal digits".to_string(),
            found: format!("{} characters", key.chars().count()),
        })?;
        let weak = match field(&fields, "weak") {
            None => false,
            Some(WEAK_ALLOWED) => true,
            Some(found) => {
                let found = found.chars().take(80).collect();
                return Err(ParamsError::Value {
                    key: "weak",
                    expected: WEAK_ALLOWED.to_string(),
                    found,
                });
            }
        };
        let params = Params::from_fields(|key| field(&fields, key))?;
        Ok(MintConfig { coinfile: coinfile.to_string(), key, weak, params })
    }

    /// Refuses weak choices unless they are allowed.
    ///
    /// # Errors
    /// The first weakness.
    pub fn check_weak(&self) -> Result<(), WeakError> {
        match self.params.weaknesses().first() {
            Some(weakness) if !self.weak => Err(WeakError(*weakness)),
            _ => Ok(()),
        }
    }

    /// Writes a configuration.
    pub fn to_toml(&self) -> String {
        let mut text = String::from(
            "# The configuration of a mint. Keep it secret: input-key tells which balls are yours.\n",
        );
        text.push_str(&toml_line("coinfile", &self.coinfile));
        text.push_str(&toml_line("input-key", &self.key.to_hex()));
        if self.weak {
            text.push_str(&toml_line("weak", WEAK_ALLOWED));
        }
        text.push_str("\n# What vendors and clients know too.\n");
        text.push_str(&self.params.to_toml());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SystemEntropy;
    use crate::testing::test_params;

    #[test]
    fn what_was_written_is_read_back() {
        let config = MintConfig::draw(test_params(), &SystemEntropy).unwrap();
        assert_eq!(config.coinfile, "2026-12.coins");
        assert_eq!(MintConfig::from_toml(&config.to_toml()).unwrap(), config);
        let other = MintConfig::draw(test_params(), &SystemEntropy).unwrap();
        assert_ne!(config.key, other.key);
    }

    #[test]
    fn weak_choices_are_refused_unless_allowed() {
        let mut config = MintConfig::draw(test_params(), &SystemEntropy).unwrap();
        let error = config.check_weak().unwrap_err().to_string();
        assert!(error.contains("below 40") && error.contains("--weak"), "{error}");
        config.weak = true;
        config.check_weak().unwrap();
        assert_eq!(MintConfig::from_toml(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn errors_name_the_key_and_never_show_the_secret() {
        let key = "0123456789abcdef0123456789abcdef";
        let config = MintConfig {
            coinfile: "x".to_string(),
            key: key.parse().unwrap(),
            weak: false,
            params: test_params(),
        };
        let text = config.to_toml();
        for (from, to, says) in [
            ("coinfile = \"x\"", "", "coinfile is missing"),
            ("coinfile = \"x\"", "coinfile = \"\"", "coinfile: expected a path"),
            (
                "coinfile = \"x\"",
                "coinfile = \"x\"\nweak = \"no\"",
                "weak: expected allowed, found \"no\"",
            ),
            ("input-key = ", "input-kee = ", "unknown key \"input-kee\""),
            (
                "abcdef\"\n",
                "abcde\"\n",
                "input-key: expected 32 hexadecimal digits, found \"31 characters\"",
            ),
            ("hashfn = \"des\"", "", "hashfn is missing"),
        ] {
            let error = MintConfig::from_toml(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(says), "{to}: {error}");
            assert!(!error.contains(&key[..20]), "{error}");
        }
        let longest = |length: usize| {
            MintConfig::from_toml(&text.replace("\"x\"", &format!("\"{}\"", "x".repeat(length))))
        };
        assert!(longest(COINFILE_LEN_MAX).is_ok() && longest(COINFILE_LEN_MAX + 1).is_err());
    }
}
