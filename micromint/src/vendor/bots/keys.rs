//! The public keys of bots, in a file.
//!
//! Input: the file, and the directories that bots publish (draft
//! *HTTP Message Signatures Directory*). Output: keys by their identifiers. The invariants: a key
//! belongs to the one bot whose directory had it; everything is bounded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::host::{Directory, DiskDirectory};
use crate::scheme::BASE64URL;
use crate::time::UnixTime;
use crate::toml_file::{self, Parsed, Time, TomlError, TomlText};
use crate::vendor::origin::Origin;

/// Where a bot publishes its keys, at its own origin.
pub const BOT_DIRECTORY_PATH: &str = "/.well-known/http-message-signatures-directory";
/// The largest such directory, in bytes.
pub const BOT_DIRECTORY_SIZE_MAX: usize = 64 * 1024;
/// The largest number of bots in the file of keys, and in a configuration.
pub const BOT_AGENTS_MAX: usize = 256;
/// The largest number of keys of a bot.
pub const BOT_KEYS_PER_AGENT_MAX: usize = 32;
/// The largest file of keys, in bytes.
const BOT_KEYS_SIZE_MAX: u64 = 1024 * 1024;

/// A public key of a bot (Ed25519).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BotKey(VerifyingKey);

/// The text is not a public key, or the directory has none.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BotKeyError(String);

/// The keys of bots.
#[derive(Clone, Debug, Default)]
pub struct BotKeys {
    agents: Vec<Agent>,
    /// The key and the number of its bot, by identifier.
    by_id: HashMap<String, (BotKey, usize)>,
}

/// A bot: its origin, when its directory was read, and the keys in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Agent {
    url: Origin,
    fetched: UnixTime,
    keys: Vec<BotKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    agent: Vec<AgentEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentEntry {
    url: Parsed<Origin>,
    fetched: Time,
    keys: Vec<Parsed<BotKey>>,
}

/// A directory of keys (RFC 7517). Other members and keys of other kinds are ignored.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    exp: Option<i64>,
}

impl BotKey {
    /// Its identifier: the thumbprint (RFC 7638, RFC 8037).
    pub fn id(&self) -> String {
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{self}"}}"#);
        BASE64URL.encode(Sha256::digest(jwk))
    }

    pub(super) fn verifies(&self, text: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(text, &signature).is_ok()
    }
}

impl fmt::Display for BotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for BotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BotKey {
    type Err = BotKeyError;

    /// Parses 32 bytes in base64url.
    fn from_str(text: &str) -> Result<BotKey, BotKeyError> {
        let wrong = || {
            BotKeyError(format!(
                "expected an Ed25519 key of 32 bytes in base64url, found {text:.80?}"
            ))
        };
        let bytes = BASE64URL.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let key = VerifyingKey::from_bytes(&bytes.ok_or_else(wrong)?).map_err(|_| wrong())?;
        // Anyone can sign for a weak key.
        if key.is_weak() { Err(wrong()) } else { Ok(BotKey(key)) }
    }
}

/// Reads a bot's directory as it was fetched at `now`: its Ed25519 keys that have not expired.
///
/// # Errors
/// It is larger than [`BOT_DIRECTORY_SIZE_MAX`], is not a set of keys, or has no such key or more
/// than [`BOT_KEYS_PER_AGENT_MAX`].
pub fn read_bot_directory(text: &[u8], now: UnixTime) -> Result<Vec<BotKey>, BotKeyError> {
    if text.len() > BOT_DIRECTORY_SIZE_MAX {
        let reason =
            format!("expected at most {BOT_DIRECTORY_SIZE_MAX} bytes, found {}", text.len());
        return Err(BotKeyError(reason));
    }
    let set: KeySet = serde_json::from_slice(text)
        .map_err(|error| BotKeyError(format!("expected a set of keys (RFC 7517): {error}")))?;
    // Some directories count milliseconds.
    let seconds = |time: i64| if time > 100_000_000_000 { time / 1000 } else { time };
    let is_ours = |key: &&Jwk| {
        key.kty == "OKP"
            && key.crv.as_deref() == Some("Ed25519")
            && key.exp.is_none_or(|exp| seconds(exp) > now.0)
    };
    let keys = set.keys.iter().filter(is_ours).map(|key| key.x.as_deref().unwrap_or("").parse());
    let keys: Vec<BotKey> = keys.collect::<Result<_, _>>()?;
    if (1..=BOT_KEYS_PER_AGENT_MAX).contains(&keys.len()) {
        return Ok(keys);
    }
    let reason = format!(
        "expected 1 to {BOT_KEYS_PER_AGENT_MAX} Ed25519 keys that have not expired, found {}",
        keys.len()
    );
    Err(BotKeyError(reason))
}

impl BotKeys {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It cannot be read, or [`BotKeys::parse`] fails.
    pub fn load(path: &std::path::Path) -> Result<BotKeys, TomlError> {
        let (directory, name) = DiskDirectory::of_file(path)
            .map_err(|error| TomlError::unreadable(&error).in_file(path))?;
        BotKeys::load_in(&directory, &name).map_err(|error| error.in_file(path))
    }

    pub(super) fn load_in(directory: &dyn Directory, name: &str) -> Result<BotKeys, TomlError> {
        let text = toml_file::load_sized(directory, name, BOT_KEYS_SIZE_MAX)?;
        BotKeys::parse(&text).map_err(|error| error.in_file(&directory.path().join(name)))
    }

    /// Parses the text of the file.
    ///
    /// # Errors
    /// It is not TOML, a key is missing, unknown or has an invalid value, a bot or a key is in it
    /// twice, or there are more than [`BOT_AGENTS_MAX`] bots or [`BOT_KEYS_PER_AGENT_MAX`] keys of
    /// one.
    pub fn parse(text: &str) -> Result<BotKeys, TomlError> {
        let text = TomlText::parse_sized(text, BOT_KEYS_SIZE_MAX)?;
        let file: KeysFile = text.read()?;
        if file.agent.len() > BOT_AGENTS_MAX {
            let found = file.agent.len();
            let reason = format!("expected at most {BOT_AGENTS_MAX} bots, found {found}");
            return Err(text.fault("agent", reason));
        }
        let mut keys = BotKeys::default();
        for (number, entry) in file.agent.into_iter().enumerate() {
            let agent = Agent {
                url: entry.url.0,
                fetched: entry.fetched.0,
                keys: entry.keys.into_iter().map(|key| key.0).collect(),
            };
            keys.add(agent).map_err(|(key, reason)| text.fault_of("agent", number, key, reason))?;
        }
        Ok(keys)
    }

    fn add(&mut self, agent: Agent) -> Result<(), (&'static str, String)> {
        if agent.keys.len() > BOT_KEYS_PER_AGENT_MAX {
            let found = agent.keys.len();
            return Err((
                "keys",
                format!("expected at most {BOT_KEYS_PER_AGENT_MAX}, found {found}"),
            ));
        }
        if self.agents.iter().any(|known| known.url == agent.url) {
            return Err(("url", format!("expected each bot once, found {}", agent.url.as_str())));
        }
        for key in &agent.keys {
            match self.by_id.entry(key.id()) {
                Entry::Vacant(place) => _ = place.insert((*key, self.agents.len())),
                Entry::Occupied(_) => {
                    return Err(("keys", format!("expected each key once, found {key}")));
                }
            }
        }
        self.agents.push(agent);
        Ok(())
    }

    /// These keys with those that a bot's directory had at `fetched`, in place of those that it had
    /// before.
    ///
    /// # Errors
    /// Another bot has one of the keys, or there are too many bots.
    pub fn with_agent(
        self,
        url: Origin,
        keys: Vec<BotKey>,
        fetched: UnixTime,
    ) -> Result<BotKeys, BotKeyError> {
        let mut all = BotKeys::default();
        let others = self.agents.into_iter().filter(|agent| agent.url != url);
        let others: Vec<Agent> = others.collect();
        if others.len() >= BOT_AGENTS_MAX {
            return Err(BotKeyError(format!("expected at most {BOT_AGENTS_MAX} bots")));
        }
        for agent in others.into_iter().chain([Agent { url, fetched, keys }]) {
            all.add(agent).map_err(|(_, reason)| BotKeyError(reason))?;
        }
        Ok(all)
    }

    /// Those of these bots alone.
    #[must_use]
    pub fn only(&self, agents: &[Origin]) -> BotKeys {
        let mut kept = BotKeys::default();
        for agent in self.agents.iter().filter(|agent| agents.contains(&agent.url)) {
            // It was added before, so it can be added again.
            let _ = kept.add(agent.clone());
        }
        kept
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The key with this identifier, and the origin of its bot.
    pub(super) fn get(&self, id: &str) -> Option<(&BotKey, &Origin)> {
        let (key, agent) = self.by_id.get(id)?;
        Some((key, &self.agents.get(*agent)?.url))
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("# The keys of bots, written by `mmvendor bots`.\n");
        for Agent { url, fetched, keys } in &self.agents {
            let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
            text += &format!(
                "\n[[agent]]\nurl = \"{}\"\nfetched = {fetched}\nkeys = [{}]\n",
                url.as_str(),
                keys.join(", ")
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 9421, B.1.4, and its thumbprint.
    const KEY: &str = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";
    const ID: &str = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";
    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn other(number: u8) -> BotKey {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[number; 32]);
        BotKey(secret.verifying_key())
    }

    #[test]
    fn a_key_is_known_by_its_thumbprint() {
        let key: BotKey = KEY.parse().unwrap();
        assert_eq!((key.to_string().as_str(), key.id().as_str()), (KEY, ID));
        let weak = BASE64URL.encode([0; 32]);
        for text in ["", "JrQL", &KEY[1..], &format!("{KEY}AA"), &weak] {
            assert!(text.parse::<BotKey>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_directory_has_keys_of_the_one_kind_that_have_not_expired() {
        let read = |text: &str| read_bot_directory(text.as_bytes(), NOW);
        let ours = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{KEY}","kid":"a"}}"#);
        let expired = ours.replace("\"kid\"", "\"exp\":1799999999,\"kid\"");
        let in_time = ours.replace("\"kid\"", "\"exp\":1800000001000,\"kid\"");
        let rsa = r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#;
        let set = |keys: &[&str]| format!(r#"{{"keys":[{}],"purpose":"x"}}"#, keys.join(","));
        assert_eq!(read(&set(&[rsa, &ours])).unwrap(), [KEY.parse().unwrap()]);
        assert_eq!(read(&set(&[&in_time, &expired])).unwrap().len(), 1);
        for text in [set(&[]), set(&[rsa]), set(&[&expired]), "[]".into(), set(&[&ours[..9]])] {
            assert!(read(&text).is_err(), "{text}");
        }
        assert!(read(&set(&[&ours.replace(KEY, "AA")])).is_err());
        let many = |count: usize| set(&vec![ours.as_str(); count]);
        assert_eq!(read(&many(BOT_KEYS_PER_AGENT_MAX)).unwrap().len(), BOT_KEYS_PER_AGENT_MAX);
        assert!(read(&many(BOT_KEYS_PER_AGENT_MAX + 1)).is_err());
        let sized = |size: usize| {
            let text = set(&[&ours]);
            format!("{text}{}", " ".repeat(size - text.len()))
        };
        assert!(read(&sized(BOT_DIRECTORY_SIZE_MAX)).is_ok());
        assert!(read(&sized(BOT_DIRECTORY_SIZE_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_written_is_read_back_and_a_bot_is_replaced() {
        let url = |text: &str| text.parse::<Origin>().unwrap();
        let (bot, spider) = ("https://bot.example", "https://spider.example");
        let keys = BotKeys::default()
            .with_agent(url(bot), vec![KEY.parse().unwrap()], NOW)
            .and_then(|keys| keys.with_agent(url(spider), vec![other(1), other(2)], NOW))
            .unwrap();
        let again = BotKeys::parse(&keys.to_toml()).unwrap();
        assert_eq!((again.len(), &again.agents), (3, &keys.agents));
        let (key, agent) = again.get(ID).unwrap();
        assert_eq!((key.to_string().as_str(), agent.as_str()), (KEY, bot));
        let later = again.with_agent(url(bot), vec![other(3)], NOW).unwrap();
        assert!(later.get(ID).is_none() && later.len() == 3);
        assert_eq!(later.only(&[url(bot)]).len(), 1);
        let stolen = later.with_agent(url(bot), vec![other(1)], NOW).unwrap_err().to_string();
        assert!(stolen.contains("expected each key once"), "{stolen}");
    }

    #[test]
    fn a_fault_says_where_it_is() {
        let entry = |url: &str, keys: &str| {
            format!("[[agent]]\nurl = '{url}'\nfetched = 2026-12-10T12:00:00Z\nkeys = {keys}\n")
        };
        let good = entry("https://bot.example", &format!("['{KEY}']"));
        assert_eq!(BotKeys::parse(&good).unwrap().len(), 1);
        assert!(BotKeys::parse("").unwrap().is_empty());
        for (text, says) in [
            (entry("bot.example", "[]"), "keys:2:7: url: expected"),
            (entry("https://bot.example", "['A']"), "keys:4:9: keys: expected an Ed25519 key"),
            (
                good.clone() + &entry("https://bot.example", "[]"),
                "keys:6:7: url: expected each bot once",
            ),
            (
                good.clone() + &entry("https://b.example", &format!("['{KEY}']")),
                "keys: expected each key once",
            ),
            (good.replace("fetched", "at"), "unknown key `at`"),
        ] {
            let error = BotKeys::parse(&text).unwrap_err().in_file("keys".as_ref()).to_string();
            assert!(error.contains(says), "expected {says:?} in {error:?}");
        }
        let bots = |count: usize| -> String {
            (0..count).map(|number| entry(&format!("https://b{number}.example"), "[]")).collect()
        };
        assert!(BotKeys::parse(&bots(BOT_AGENTS_MAX)).is_ok());
        let error = BotKeys::parse(&bots(BOT_AGENTS_MAX + 1)).unwrap_err().to_string();
        assert!(error.contains("expected at most 256 bots, found 257"), "{error}");
        let keys = |count: u8| {
            let keys: Vec<String> = (0..count).map(|it| format!("'{}'", other(it))).collect();
            BotKeys::parse(&entry("https://b.example", &format!("[{}]", keys.join(","))))
        };
        assert_eq!(keys(32).unwrap().len(), BOT_KEYS_PER_AGENT_MAX);
        assert!(keys(33).unwrap_err().to_string().contains("expected at most 32, found 33"));
    }
}
