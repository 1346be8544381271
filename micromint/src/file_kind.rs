//! What a file contains, told from its first bytes.
//!
//! Input: the beginning of a file. Output: the kind of MicroMint file that it is, if any. A program
//! asks before it replaces a file, so that a mistyped name costs nobody coins, keys or records.
//!
//! ```
//! use micromint::file_kind::FileKind;
//!
//! let head = b"MicroMint-1.0\r\nFunds-Withdrawn\r\nUser-ID: alice\r\n";
//! assert_eq!(FileKind::of(head), Some(FileKind::Message("Funds-Withdrawn".into())));
//! assert_eq!(FileKind::of(b"<!doctype html>"), None);
//! ```

use std::fmt;

use crate::authenticator::KEY_SIZE;
use crate::identity::UserId;

/// How many bytes of a file tell its kind.
pub const HEAD_SIZE: usize = 16 * 1024;

/// The magic numbers of the binary files, and their kinds.
const MAGICS: [(&[u8], FileKind); 8] = [
    (b"\x89MMC\r\n\x1a\n", FileKind::CoinFile),
    (b"\x89MMR\r\n\x1a\n", FileKind::MintingFile),
    (b"\x89MMP\r\n\x1a\n", FileKind::MintingFile),
    (b"MMjrnl1\nwallet\0\0", FileKind::Wallet),
    (b"MMjrnl1\n", FileKind::Journal),
    (b"MMowners", FileKind::Owners),
    (b"MMindex", FileKind::TillFile),
    (b"MMtill", FileKind::TillFile),
];

/// The first line of a message.
const MESSAGE_LINE: &str = "MicroMint-1.0";

/// The keys of a wallet's settings that tell such a file: other files do not set them.
const WALLET_SETTINGS: [&str; 5] =
    ["autopay", "daily-limit", "site-limit", "task-limit", "allow-http"];

/// The kind of a file. Its text says what the file is, with an article.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// The coins of a period.
    CoinFile,
    /// A run file or a merged part, from which a coin file is made.
    MintingFile,
    /// A wallet or its backup.
    Wallet,
    /// Another journal, such as a till's.
    Journal,
    /// `PERIOD.owners`.
    Owners,
    /// Another file of a till.
    TillFile,
    /// A message of this type, such as `Funds-Withdrawn`.
    Message(String),
    /// A key or another secret of 64 hexadecimal digits.
    KeyFile,
    /// The configuration of a mint, which contains a key.
    MintConfig,
    /// `PERIOD.params`.
    Params,
    /// The configuration of a vendor.
    VendorConfig,
    /// The settings of a wallet.
    WalletSettings,
    /// The key of an account at a broker.
    Login,
}

impl FileKind {
    /// The kind of the file that begins with `head`; `None` if it is no file of MicroMint. The
    /// first [`HEAD_SIZE`] bytes suffice.
    pub fn of(head: &[u8]) -> Option<FileKind> {
        if let Some((_, kind)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Some(kind.clone());
        }
        let end = head.len().min(HEAD_SIZE);
        // A character that is cut off at the end does not make the rest unreadable.
        let text = match std::str::from_utf8(&head[..end]) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
        };
        FileKind::of_text(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    fn of_text(text: &str) -> Option<FileKind> {
        let mut lines = text.lines();
        if lines.next() == Some(MESSAGE_LINE) {
            return Some(FileKind::Message(lines.next().unwrap_or_default().to_string()));
        }
        let key = text.trim_end();
        if key.len() == 2 * KEY_SIZE && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(FileKind::KeyFile);
        }
        let has_keys = |keys: &[&str]| keys.iter().all(|key| has_key(text, key));
        if has_keys(&["input-key"]) {
            Some(FileKind::MintConfig)
        } else if has_keys(&["period", "hashfn", "iv"]) {
            Some(FileKind::Params)
        } else if has_keys(&["vendor-id", "till"]) {
            Some(FileKind::VendorConfig)
        } else if WALLET_SETTINGS.iter().any(|key| has_key(text, key)) {
            Some(FileKind::WalletSettings)
        } else if is_login(text) {
            Some(FileKind::Login)
        } else {
            None
        }
    }
}

/// Whether a text is a login of a wallet: exactly three lines, an API key, the URL of the broker
/// and the User-ID.
fn is_login(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let [key, url, user] = lines[..] else { return false };
    let is_key = !key.is_empty() && !key.contains(char::is_whitespace);
    is_key
        && (url.starts_with("https://") || url.starts_with("http://"))
        && user.parse::<UserId>().is_ok()
}

/// Whether a line of a TOML text sets `key`.
fn has_key(text: &str, key: &str) -> bool {
    text.lines()
        .any(|line| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')))
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::CoinFile => "a coin file",
            FileKind::MintingFile => "a run file or a part of a coin file",
            FileKind::Wallet => "a wallet or its backup",
            FileKind::Journal => "a journal of a till",
            FileKind::Owners => "an owners file",
            FileKind::TillFile => "a file of a till",
            FileKind::Message(message_type) => return write!(f, "a {message_type} message"),
            FileKind::KeyFile => "a key file",
            FileKind::MintConfig => "the configuration of a mint",
            FileKind::Params => "a parameter file",
            FileKind::VendorConfig => "the configuration of a vendor",
            FileKind::WalletSettings => "the settings of a wallet",
            FileKind::Login => "the login of a wallet",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_testdata(path: &str) -> Option<FileKind> {
        let path = format!("{}/../testdata/{path}", env!("CARGO_MANIFEST_DIR"));
        FileKind::of(&std::fs::read(path).unwrap())
    }

    #[test]
    fn the_files_of_the_product_are_recognized() {
        assert_eq!(of_testdata("coin-file/2026-12.coins"), Some(FileKind::CoinFile));
        assert_eq!(of_testdata("periods/2026-12.params"), Some(FileKind::Params));
        for (name, message_type) in [
            ("funds-withdrawn", "Funds-Withdrawn"),
            ("redemption-result", "Redemption-Result"),
            ("watch-result", "Watch-Result"),
        ] {
            let kind = of_testdata(&format!("messages/{name}.txt"));
            assert_eq!(kind, Some(FileKind::Message(message_type.into())));
        }
        let key = "0123456789abcdef".repeat(4);
        for (text, kind) in [
            (key.as_bytes(), FileKind::KeyFile),
            (format!("{key}\r\n").as_bytes(), FileKind::KeyFile),
            (b"# secret\ninput-key = \"00\"\nperiod = \"1\"\n", FileKind::MintConfig),
            (b"\xef\xbb\xbfvendor-id = \"a.example\"\ntill=\"t\"\n", FileKind::VendorConfig),
            (b"# mine\nproxy = \"\"\ndaily-limit = 5\n", FileKind::WalletSettings),
            (b"mmk_1-a\nhttps://broker.example\nalice\n", FileKind::Login),
            (b"MMjrnl1\ntill\0\0\0\0", FileKind::Journal),
            (b"MMjrnl1\nwallet\0\0", FileKind::Wallet),
        ] {
            assert_eq!(FileKind::of(text), Some(kind), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn other_files_are_not() {
        let long_key = "0123456789abcdef".repeat(4) + "0";
        for bytes in [
            &b""[..],
            b"<html>period = 1",
            b"MMow",
            b"MicroMint-1.00\n",
            b"\xff\xfeM\0i\0",
            long_key.as_bytes(),
            b"till = 1\nvendor-ids = 2\n",
            b"proxy = 1\nautopayer = 2\n",
            b"two words\nhttps://broker.example\nalice\n",
            b"key\nbroker.example\nalice\n",
            b"key\nhttps://broker.example\nalice\nmore\n",
        ] {
            assert_eq!(FileKind::of(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn text_is_read_up_to_a_broken_character_and_within_the_head() {
        let mut text = b"period = 1\nhashfn = 2\niv = 3\n# \xc3".to_vec();
        assert_eq!(FileKind::of(&text), Some(FileKind::Params));
        text.splice(0..0, vec![b'\n'; HEAD_SIZE]);
        assert_eq!(FileKind::of(&text), None);
    }

    /// The magic numbers here are those that the writers of the files use.
    #[cfg(all(feature = "mint", feature = "broker", feature = "wallet"))]
    #[test]
    fn a_new_wallet_is_a_wallet() {
        use crate::host::{SimulatedDirectory, SystemEntropy};
        let directory = SimulatedDirectory::new();
        drop(crate::wallet::Wallet::open(&directory, "w", &SystemEntropy).unwrap());
        assert_eq!(FileKind::of(&directory.bytes("w").unwrap()), Some(FileKind::Wallet));
    }
}
