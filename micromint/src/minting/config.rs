//! `mint.toml`: the configuration of a mint for one period.
//!
//! Input: the text of the file. Output: a configuration that can be minted from; and the reverse.
//! The keys are those of the public parameters (`PARAMS_KEYS`) and four that only the broker needs:
//! `coinfile`, the path of the coin file, `input-key`, the secret of the permutation, `walk`, the
//! size of its groups, and `weak = "allowed"` if weak choices are allowed. The invariant: no error
//! repeats any part of the input key.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::permutation::{INPUT_KEY_SIZE, InputKey};
use crate::hash::bulk::WalkBits;
use crate::host::Entropy;
use crate::params::{Params, Weakness};
use crate::toml_file::{Number, TomlError, TomlText, line};

/// The longest `coinfile`, in bytes.
const COINFILE_LEN_MAX: usize = 4096;

/// The keys that are not public.
const SECRET_KEYS: [&str; 4] = ["coinfile", "input-key", "walk", "weak"];
const WEAK_ALLOWED: &str = "allowed";

/// The keys that are not public, and their values.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SecretFile {
    coinfile: String,
    #[serde(deserialize_with = "input_key")]
    input_key: InputKey,
    walk: Option<Number>,
    weak: Option<String>,
}

/// The configuration of a mint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintConfig {
    /// The path of the coin file, relative to the directory of the configuration.
    pub coinfile: String,
    /// The broker's secret.
    pub key: InputKey,
    /// s: a group has 2^s tosses, and of each group at most one ball is kept.
    pub walk: WalkBits,
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
    /// A configuration for `params` with a new secret key, the walk that suits its t, and the coin
    /// file `PERIOD.coins` beside it.
    ///
    /// # Errors
    /// The source of randomness failed.
    pub fn draw(params: Params, entropy: &dyn Entropy) -> std::io::Result<MintConfig> {
        let mut key = [0; INPUT_KEY_SIZE];
        entropy.fill(&mut key)?;
        let coinfile = format!("{}.coins", params.period());
        let walk = WalkBits::for_fixed_count(params.raw().fixed_count);
        Ok(MintConfig { coinfile, key: InputKey::from_bytes(key), walk, weak: false, params })
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// Text that is not TOML or is too large, a key that is unknown, missing or has a value that it
    /// cannot have, or parameters that contradict each other.
    pub fn from_toml(text: &str) -> Result<MintConfig, TomlError> {
        let mut public = TomlText::parse(text)?;
        let secret = public.take(&SECRET_KEYS);
        let params = Params::from_toml_text(&public)?;
        let SecretFile { coinfile, input_key, walk, weak } = secret.read()?;
        if !(1..=COINFILE_LEN_MAX).contains(&coinfile.len()) || coinfile.contains('\0') {
            let reason = format!(
                "expected a path of 1 to {COINFILE_LEN_MAX} bytes without NUL, found {} bytes",
                coinfile.len()
            );
            return Err(secret.fault("coinfile", reason));
        }
        if let Some(found) = weak.as_deref().filter(|found| *found != WEAK_ALLOWED) {
            let reason = format!("expected {WEAK_ALLOWED:?}, found {found:.80?}");
            return Err(secret.fault("weak", reason));
        }
        let walk = match walk {
            Some(bits) => {
                WalkBits::new(bits.0).map_err(|error| secret.fault("walk", error.to_string()))?
            }
            None => WalkBits::for_fixed_count(params.raw().fixed_count),
        };
        Ok(MintConfig { coinfile, key: input_key, walk, weak: weak.is_some(), params })
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
            "# The configuration of a mint. Keep it secret: input-key shows which balls are \
             yours.\n",
        );
        text.push_str(&line("coinfile", self.coinfile.as_str()));
        text.push_str(&line("input-key", self.key.to_hex()));
        text.push_str(&line("walk", self.walk.get()));
        if self.weak {
            text.push_str(&line("weak", WEAK_ALLOWED));
        }
        text.push_str("\n# The public parameters, which vendors and clients have too.\n");
        text.push_str(&self.params.to_toml());
        text
    }
}

/// Reads the input key. An error does not repeat the value, which may be the key with one wrong
/// character.
fn input_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<InputKey, D::Error> {
    let expected = "expected 32 hexadecimal digits in quotation marks, found something else";
    let text = String::deserialize(deserializer).map_err(|_| D::Error::custom(expected))?;
    text.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SystemEntropy;
    use crate::testing::{params_with, test_params};

    #[test]
    fn what_was_written_is_read_back() {
        let config = MintConfig::draw(test_params(), &SystemEntropy).unwrap();
        assert_eq!(config.coinfile, "2026-12.coins");
        assert_eq!(MintConfig::from_toml(&config.to_toml()).unwrap(), config);
        let other = MintConfig::draw(test_params(), &SystemEntropy).unwrap();
        assert_ne!(config.key, other.key);
    }

    #[test]
    fn an_absent_walk_depends_on_the_fixed_bits_alone() {
        for (t, walk) in [(2, 4), (8, 6), (10, 8)] {
            let params = params_with(|raw| {
                (raw.fixed_count, raw.output_bits, raw.fixed_bits) = (t, 10 + t, 0);
            });
            let config = MintConfig::draw(params, &SystemEntropy).unwrap();
            let text = config.to_toml();
            let line = format!("walk = {walk}\n");
            assert!(text.contains(&line), "{text}");
            assert_eq!(MintConfig::from_toml(&text.replace(&line, "")).unwrap(), config);
            let chosen = MintConfig::from_toml(&text.replace(&line, "walk = 8\n")).unwrap();
            assert_eq!(chosen.walk, WalkBits::MAX);
        }
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
            walk: WalkBits::MAX,
            weak: false,
            params: test_params(),
        };
        let text = config.to_toml();
        for (from, to, says) in [
            ("walk = 8", "walk = 5", "line 4, column 8: walk: expected 4, 6 or 8, found 5"),
            ("walk = 8", "walk = 10", "walk: expected 4, 6 or 8, found 10"),
            ("walk = 8", "walk = \"8\"", "walk: "),
            ("coinfile = \"x\"", "", "missing key `coinfile`"),
            ("coinfile = \"x\"", "coinfile = \"\"", "line 2, column 12: coinfile: expected a path"),
            (
                "coinfile = \"x\"",
                "coinfile = \"x\"\nweak = \"no\"",
                "line 3, column 8: weak: expected \"allowed\", found \"no\"",
            ),
            ("input-key = ", "input-kee = ", "line 3, column 1: unknown key `input-kee`"),
            ("input-key = \"", "input-key = ", "line 3, column "),
            (
                "input-key = \"0123456789abcdef0123456789abcdef\"",
                "input-key = 12",
                "something else",
            ),
            (
                "abcdef\"\n",
                "abcde\"\n",
                "line 3, column 13: input-key: expected 32 hexadecimal digits, found 31 characters",
            ),
            ("hashfn = \"des\"", "", "missing key `hashfn`"),
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
