//! Random names and tokens, and what is derived from secrets.
//!
//! Input: the system's randomness. Output: text. The invariant: a token has 256 bits, a drawn
//! User-ID 60, a voucher code 100.

use hmac::{Hmac, KeyInit, Mac};
use micromint::host::{Entropy, SystemEntropy};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::service::ServiceError;

/// The letters of drawn names and codes: none is mistaken for another.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstvwxyz0123456789";
/// The letters of a drawn User-ID, in groups of four.
const USER_LETTERS: usize = 12;
/// The letters of a voucher code, in groups of four.
pub(super) const CODE_LETTERS: usize = 20;

/// Random bytes.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], ServiceError> {
    let mut bytes = [0; N];
    let no_randomness = |_| ServiceError::GivenUp("there is no randomness");
    SystemEntropy.fill(&mut bytes).map_err(no_randomness)?;
    Ok(bytes)
}

/// A random number of 64 bits.
pub(super) fn number() -> Result<u64, ServiceError> {
    Ok(u64::from_be_bytes(bytes()?))
}

/// A token of 64 hexadecimal digits.
pub(super) fn token() -> Result<String, ServiceError> {
    Ok(hex(&bytes::<32>()?))
}

/// A User-ID such as `k4mw-9xqa-2htb`.
pub(super) fn user_name() -> Result<String, ServiceError> {
    grouped(USER_LETTERS)
}

/// A password such as `k4mw-9xqa-2htb-77ac-pq0z`.
pub(super) fn password() -> Result<String, ServiceError> {
    grouped(CODE_LETTERS)
}

/// A voucher code such as `K4MW-9XQA-2HTB-77AC-PQ0Z` from 32 bytes that nobody can guess.
pub(super) fn code_of(bytes: &[u8; 32]) -> String {
    letters_of(bytes, CODE_LETTERS).to_ascii_uppercase()
}

fn grouped(letters: usize) -> Result<String, ServiceError> {
    Ok(letters_of(&bytes()?, letters))
}

fn letters_of(random: &[u8; 32], letters: usize) -> String {
    let mut text = String::new();
    for (at, byte) in random.iter().take(letters).enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    text
}

/// A voucher code without what people add and mistake; `None` if it cannot be one.
pub(super) fn plain_code(text: &str) -> Option<String> {
    let letters = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let plain: String = letters
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            'u' => 'v',
            other => other,
        })
        .take(CODE_LETTERS + 1)
        .collect();
    let is_code = plain.len() == CODE_LETTERS && plain.bytes().all(|c| LETTERS.contains(&c));
    is_code.then_some(plain)
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of a text.
pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// A key that derives from another.
pub(super) fn derived(secret: &[u8], what: &str) -> [u8; 32] {
    mac(secret, &[what.as_bytes()])
}

/// HMAC-SHA256 over parts, each with its length, so that no two lists of parts give the same.
pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC accepts keys of every length, so this cannot fail.
    #[allow(clippy::expect_used)]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Whether two texts are equal, in a time that does not tell where they differ.
pub(super) fn are_equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them() {
        let code = code_of(&bytes().unwrap());
        let plain = plain_code(&code).unwrap();
        assert_eq!(plain.len(), CODE_LETTERS);
        assert_eq!(plain_code(&code.replace('-', " ").to_lowercase()), Some(plain.clone()));
        assert_eq!(plain_code(&code.replace('0', "O").replace('1', "l")), Some(plain.clone()));
        for wrong in ["", "k4mw", &format!("{plain}0"), &"ä".repeat(20), &"!".repeat(20)] {
            assert_eq!(plain_code(wrong), None, "{wrong}");
        }
        assert_ne!(code_of(&bytes().unwrap()), code);
    }

    #[test]
    fn drawn_names_are_user_ids() {
        let name = user_name().unwrap();
        assert_eq!(name.len(), USER_LETTERS + 2);
        assert!(name.parse::<micromint::identity::UserId>().is_ok());
    }

    #[test]
    fn parts_of_a_seal_cannot_move() {
        assert_ne!(mac(b"k", &[b"ab", b"c"]), mac(b"k", &[b"a", b"bc"]));
        assert_ne!(mac(b"k", &[b"ab"]), mac(b"l", &[b"ab"]));
        assert!(are_equal("ab", "ab") && !are_equal("ab", "ac") && !are_equal("ab", "abc"));
    }
}
