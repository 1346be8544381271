//! Who asks: a reader, a bot that proves who it is, or another bot.
//!
//! Input: a request, and the keys of bots in a file. Output: an [`Asker`], for which the price list
//! may have a price of its own. The invariants: a bot is verified by a signature alone (Web Bot
//! Auth), for the host that was asked and for a bounded time; nothing is fetched here, a command of
//! `mmvendor` does that; a request without a signature costs no check of one.

mod keys;
mod signature;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::keys::{
    BOT_AGENTS_MAX, BOT_DIRECTORY_PATH, BOT_DIRECTORY_SIZE_MAX, BOT_KEYS_PER_AGENT_MAX, BotKey,
    BotKeyError, BotKeys, read_bot_directory,
};
use super::origin::{Origin, PublicRoot};
use super::reloaded::{Reloaded, Source, stamp_if_present};
use super::request::Request;
use crate::host::{Clock, Directory, DiskDirectory, Stamp};
use crate::time::UnixTime;
use crate::toml_file::TomlError;

/// Words in User-Agent that bots have in their names.
pub(super) const BOT_NAMES: [&str; 3] = ["bot", "crawler", "spider"];
/// The largest number of such words in a configuration.
pub(super) const BOT_NAMES_MAX: usize = 256;
/// The length of such a word, in bytes.
pub(super) const BOT_NAME_LEN: std::ops::RangeInclusive<usize> = 3..=64;
/// How many bytes of User-Agent are searched for them.
const USER_AGENT_LEN_MAX: usize = 1024;

/// Who asks for a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Asker {
    /// A person, as far as can be seen.
    #[default]
    Reader,
    /// A bot whose signature is right.
    VerifiedBot,
    /// Another bot: its signature is not right, or its name says that it is one.
    UnknownBot,
}

/// What a configuration says about bots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BotSettings {
    /// The bots that are known by their signatures, as they name themselves in Signature-Agent.
    pub(super) agents: Vec<Origin>,
    /// The file of their keys.
    pub(super) keys: Option<PathBuf>,
    /// The words in User-Agent that make a bot of a client, in lower case.
    pub(super) names: Vec<String>,
}

impl Default for BotSettings {
    fn default() -> BotSettings {
        let names = BOT_NAMES.map(str::to_string).into();
        BotSettings { agents: Vec::new(), keys: None, names }
    }
}

/// How a vendor tells bots from readers. The keys are kept up to date with their file.
pub(super) struct Bots {
    settings: BotSettings,
    /// The keys as they were first read, for a process that is forked later.
    first: Arc<BotKeys>,
    keys: Reloaded<KeysFile>,
}

/// The file of the keys. Without it no bot is verified yet.
struct KeysFile {
    directory: DiskDirectory,
    name: String,
    agents: Vec<Origin>,
}

impl KeysFile {
    fn at(path: &Path, settings: &BotSettings) -> Result<KeysFile, TomlError> {
        let (directory, name) = DiskDirectory::of_file(path)
            .map_err(|error| TomlError::unreadable(&error).in_file(path))?;
        Ok(KeysFile { directory, name, agents: settings.agents.clone() })
    }

    fn keys(&self, seen: Option<&Stamp>) -> Result<BotKeys, TomlError> {
        match seen {
            Some(_) => Ok(BotKeys::load_in(&self.directory, &self.name)?.only(&self.agents)),
            None => Ok(BotKeys::default()),
        }
    }
}

impl Source for KeysFile {
    type Value = BotKeys;
    type Seen = Option<Stamp>;
    type Error = TomlError;

    const STAYS: &str = "the keys of bots read before stay in use";

    fn look(&self) -> Result<Option<Stamp>, TomlError> {
        stamp_if_present(&self.directory, &self.name).map_err(|error| {
            TomlError::unreadable(&error).in_file(&self.directory.path().join(&self.name))
        })
    }

    fn load(&self, _: &BotKeys, seen: &Option<Stamp>) -> Result<BotKeys, TomlError> {
        self.keys(seen.as_ref())
    }
}

impl Bots {
    /// With these keys, which never change.
    pub(super) fn fixed(settings: BotSettings, keys: BotKeys) -> Bots {
        let first = Arc::new(keys.only(&settings.agents));
        Bots { settings, keys: Reloaded::fixed(Arc::clone(&first)), first }
    }

    /// With the keys in the file that `settings` names. Without the file no bot is verified yet.
    ///
    /// # Errors
    /// The file exists and cannot be used, or cannot be examined.
    pub(super) fn open_on_disk(settings: BotSettings, now: UnixTime) -> Result<Bots, TomlError> {
        let Some(path) = settings.keys.clone().filter(|_| !settings.agents.is_empty()) else {
            return Ok(Bots::fixed(settings, BotKeys::default()));
        };
        let file = KeysFile::at(&path, &settings)?;
        let seen = file.look()?;
        let first = Arc::new(file.keys(seen.as_ref())?);
        let keys = Reloaded::read(file, Arc::clone(&first), seen, now);
        Ok(Bots { settings, first, keys })
    }

    /// The same for a process that was forked after this was opened. Takes no lock.
    pub(super) fn inherited(&self) -> Bots {
        let path = self.settings.keys.as_deref().filter(|_| self.keys.source().is_some());
        let file = path.and_then(|path| KeysFile::at(path, &self.settings).ok());
        let keys = Reloaded::inherited(file, Arc::clone(&self.first));
        Bots { settings: self.settings.clone(), first: Arc::clone(&self.first), keys }
    }

    /// Reads the file if it has changed. Returns a new error to log, if there is one; the keys read
    /// before stay in use then.
    pub(super) fn refresh(&self, now: UnixTime) -> Option<String> {
        self.keys.refresh(now)
    }

    /// Who asks for a page at `root`.
    pub(super) fn asker(
        &self,
        request: &Request<'_>,
        root: Option<&PublicRoot>,
        clock: &dyn Clock,
    ) -> Asker {
        if signature::claims_to_be_a_bot(request) {
            let keys = self.keys.current();
            let is_verified =
                root.is_some_and(|root| signature::is_verified(request, root, &keys, clock.now()));
            return if is_verified { Asker::VerifiedBot } else { Asker::UnknownBot };
        }
        let is_named = request.header_values("user-agent").any(|value| self.names_a_bot(value));
        if is_named { Asker::UnknownBot } else { Asker::Reader }
    }

    fn names_a_bot(&self, user_agent: &[u8]) -> bool {
        let text = user_agent[..user_agent.len().min(USER_AGENT_LEN_MAX)].to_ascii_lowercase();
        let is_in = |name: &String| memchr::memmem::find(&text, name.as_bytes()).is_some();
        self.settings.names.iter().any(is_in)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;
    use crate::scheme::BASE64URL;
    use crate::till::tests::HandClock;
    use crate::vendor::reloaded::AGAIN_SECONDS;

    fn asker(bots: &Bots, fields: &[(&str, &str)]) -> Asker {
        let headers: Vec<(&[u8], &[u8])> =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let root = "https://news.example".parse().unwrap();
        let request = Request { headers: &headers, ..Request::default() };
        bots.asker(&request, Some(&root), &HandClock::at("2026-12-10T12:00:00Z"))
    }

    #[test]
    fn names_make_a_bot_of_a_client_and_a_signature_that_is_not_right_too() {
        let bots = Bots::fixed(BotSettings::default(), BotKeys::default());
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
        for (name, value, expected) in [
            ("User-Agent", firefox, Asker::Reader),
            ("User-Agent", "curl/8.17.0", Asker::Reader),
            ("User-Agent", "Mozilla/5.0 (compatible; GPTBot/1.3)", Asker::UnknownBot),
            ("user-agent", "CCBot/2.0", Asker::UnknownBot),
            ("User-Agent", "Bytespider", Asker::UnknownBot),
            ("Signature-Agent", "\"https://bot.example\"", Asker::UnknownBot),
            ("Signature-Input", "a=();tag=\"web-bot-auth\"", Asker::UnknownBot),
            // Other uses of signatures, such as those between servers of ActivityPub.
            ("Signature-Input", "a=();tag=\"other\"", Asker::Reader),
            ("Signature", "keyId=\"https://a.example/u#main-key\"", Asker::Reader),
        ] {
            assert_eq!(asker(&bots, &[(name, value)]), expected, "{name}: {value}");
        }
        assert_eq!(asker(&bots, &[]), Asker::Reader);
        let none = BotSettings { names: Vec::new(), ..BotSettings::default() };
        let none = Bots::fixed(none, BotKeys::default());
        assert_eq!(asker(&none, &[("User-Agent", "GPTBot")]), Asker::Reader);
    }

    #[test]
    fn a_name_is_searched_for_up_to_a_bound() {
        let bots = Bots::fixed(BotSettings::default(), BotKeys::default());
        let at = |length: usize| format!("{}bot", "x".repeat(length - 3));
        let seen = |value: &str| asker(&bots, &[("User-Agent", value)]);
        assert_eq!(seen(&at(USER_AGENT_LEN_MAX)), Asker::UnknownBot);
        assert_eq!(seen(&at(USER_AGENT_LEN_MAX + 1)), Asker::Reader);
    }

    #[test]
    fn new_keys_are_read_and_a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bot-keys.toml");
        let settings = BotSettings {
            agents: vec!["https://bot.example".parse().unwrap()],
            keys: Some(path.clone()),
            ..BotSettings::default()
        };
        let now = std::cell::Cell::new(UnixTime(1_800_000_000));
        let refresh = |bots: &Bots| {
            now.set(now.get().plus_seconds(AGAIN_SECONDS));
            bots.refresh(now.get())
        };
        let bots = Bots::open_on_disk(settings, now.get()).unwrap();
        let count = |bots: &Bots| bots.keys.current().len();
        assert_eq!((count(&bots), refresh(&bots)), (0, None), "no file yet");
        let agent = |url: &str| {
            // A key of its own.
            let secret = ed25519_dalek::SigningKey::from_bytes(&[url.len() as u8; 32]);
            let key = BASE64URL.encode(secret.verifying_key().as_bytes());
            format!("[[agent]]\nurl = '{url}'\nfetched = 2026-12-10T12:00:00Z\nkeys = ['{key}']\n")
        };
        std::fs::write(&path, agent("https://bot.example") + &agent("https://b.example")).unwrap();
        assert_eq!((refresh(&bots), count(&bots)), (None, 1), "of the bots in the configuration");
        std::fs::write(&path, "[[agent]]\n").unwrap();
        let told = refresh(&bots).unwrap();
        assert!(told.contains("missing key `url`") && told.contains("stay in use"), "{told}");
        assert_eq!((refresh(&bots), count(&bots)), (None, 1), "told once");
        // What cannot be examined is not absent.
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("bot-keys.toml", &path).unwrap();
        let told = refresh(&bots).unwrap();
        assert!(told.contains("bot-keys.toml: cannot be read") && told.contains("stay"), "{told}");
        assert_eq!((refresh(&bots), count(&bots)), (None, 1), "told once");
        std::fs::remove_file(&path).unwrap();
        assert_eq!((refresh(&bots), count(&bots)), (None, 0));
        let child = bots.inherited();
        assert_eq!(count(&child), 0);
        std::fs::write(&path, agent("https://bot.example")).unwrap();
        assert_eq!((refresh(&child), count(&child)), (None, 1));
    }
}
