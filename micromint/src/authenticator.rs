//! Keys that the broker shares with each user and each vendor, and the authenticators made with
//! them, which prove who sent a message.
//!
//! Input: the broker's secret, names, and the content of messages. Output: keys and authenticators,
//! all HMAC-SHA256 (RFC 2104). The invariant: keys derive from the broker's one secret, so the
//! broker stores none of them.
//!
//! The hashes of a coin do not authenticate a user; the broker's check of the authenticator does.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::identity::{UserId, VendorId};
use crate::period::Period;

/// The size of keys and of the broker's secret, in bytes.
pub const KEY_SIZE: usize = 32;
/// The size of an authenticator, in bytes.
pub const AUTHENTICATOR_SIZE: usize = 16;

/// A 32-byte secret: the broker's own, a user's key K_U of one period, or a vendor's key K_V.
///
/// Its `Debug` form shows nothing, so it cannot slip into a log.
///
/// ```
/// use micromint::authenticator::Key;
///
/// let secret: Key = "ab".repeat(32).parse()?; // the broker's, from its key file
/// let vendor_key = secret.vendor_key(&"news.example".parse()?);
/// assert_eq!(vendor_key.to_hex().len(), 64);
/// assert_eq!(format!("{vendor_key:?}"), "Key(…)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Key {
    bytes: [u8; KEY_SIZE],
    /// HMAC-SHA256 that has processed the key: half of the work for a short message.
    hmac: Hmac<Sha256>,
}

/// The authenticator of a message: the first 16 bytes of an HMAC-SHA256 over its content.
///
/// ```
/// use micromint::authenticator::{Authenticator, Key};
///
/// let secret = Key::from_bytes([7; 32]); // the broker's
/// let client_key = secret.user_key(&"2026-12".parse()?, &"alice".parse()?);
/// let vendor = "news.example".parse()?;
/// let sent = client_key.payment(&vendor, "https://news.example/a", b"coins");
///
/// assert_eq!(sent.to_string().parse::<Authenticator>()?, sent);
/// assert_ne!(sent, client_key.payment(&vendor, "https://news.example/b", b"coins"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq)]
pub struct Authenticator([u8; AUTHENTICATOR_SIZE]);

/// The text is not the hexadecimal form of a key or authenticator.
#[derive(Debug, thiserror::Error)]
#[error("expected {digits} hexadecimal digits, found {found} bytes of another form")]
pub struct HexError {
    digits: usize,
    found: usize,
}

impl Key {
    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; KEY_SIZE]) -> Key {
        // HMAC accepts keys of every length, so this cannot fail.
        #[allow(clippy::expect_used)]
        let hmac = Hmac::new_from_slice(&bytes).expect("HMAC takes a key of any length");
        Key { bytes, hmac }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_SIZE] {
        &self.bytes
    }

    /// 64 lower-case hexadecimal digits, as in the header `User-Key`.
    pub fn to_hex(&self) -> String {
        hex(&self.bytes)
    }

    /// K_U of `user` in `period`. This key is the broker's secret.
    pub fn user_key(&self, period: &Period, user: &UserId) -> Key {
        Key::from_bytes(self.mac(&[
            b"micromint user key",
            period.as_str().as_bytes(),
            user.as_str().as_bytes(),
        ]))
    }

    /// K_V of `vendor`. This key is the broker's secret.
    pub fn vendor_key(&self, vendor: &VendorId) -> Key {
        Key::from_bytes(self.mac(&[b"micromint vendor key", vendor.as_str().as_bytes()]))
    }

    /// The authenticator of a Payment. This key is K_U; `data` is the decoded coins.
    pub fn payment(&self, vendor: &VendorId, url: &str, data: &[u8]) -> Authenticator {
        self.authenticator(&[
            b"micromint payment",
            vendor.as_str().as_bytes(),
            url.as_bytes(),
            data,
        ])
    }

    /// The authenticator of a Request-Credit. This key is K_U; `data` is the decoded balls.
    pub fn request_credit(&self, request_id: &str, data: &[u8]) -> Authenticator {
        self.authenticator(&[b"micromint return", request_id.as_bytes(), data])
    }

    /// The authenticator of a Request-Redemption. This key is K_V; `data` is the decoded records.
    pub fn request_redemption(&self, batch_id: &str, data: &[u8]) -> Authenticator {
        self.authenticator(&[b"micromint redemption", batch_id.as_bytes(), data])
    }

    /// HMAC-SHA256 over the parts, with a zero byte between them. Only the last part can contain a
    /// zero byte, so different parts never produce the same input.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; KEY_SIZE] {
        let mut mac = self.hmac.clone();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                mac.update(&[0]);
            }
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn authenticator(&self, parts: &[&[u8]]) -> Authenticator {
        let mac = self.mac(parts);
        Authenticator(std::array::from_fn(|i| mac[i]))
    }
}

impl PartialEq for Key {
    /// Takes the same time wherever the two differ.
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl FromStr for Key {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        unhex(text).map(Key::from_bytes)
    }
}

impl Authenticator {
    /// The authenticator with these bytes.
    pub fn from_bytes(bytes: [u8; AUTHENTICATOR_SIZE]) -> Authenticator {
        Authenticator(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; AUTHENTICATOR_SIZE] {
        &self.0
    }
}

impl PartialEq for Authenticator {
    /// Takes the same time wherever the two differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for Authenticator {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        unhex(text).map(Authenticator)
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(&mut text, bytes);
    text
}

/// Appends lower-case hexadecimal digits.
pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
}

/// Exactly `N` bytes from hexadecimal digits of either case.
pub(crate) fn unhex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let error = || HexError { digits: 2 * N, found: text.len() };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(error());
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(error);
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2 has a short key, padded here: HMAC ignores zero padding of a key up to
    /// the block size, so "Jefe" and "Jefe" followed by zeros are the same key.
    #[test]
    fn mac_agrees_with_rfc_4231() {
        let mut bytes = [0; KEY_SIZE];
        bytes[..4].copy_from_slice(b"Jefe");
        let mac = Key::from_bytes(bytes).mac(&[b"what do ya want for nothing?"]);
        assert_eq!(hex(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn hex_is_read_back_and_bounded() {
        let key = Key::from_bytes(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(key.to_hex().parse::<Key>().unwrap(), key);
        assert!("0".repeat(63).parse::<Key>().is_err());
        assert!("0".repeat(65).parse::<Key>().is_err());
        for bad in
            ["0".repeat(31), "0".repeat(33), "g".repeat(32), "\u{e9}".repeat(16), "+1".repeat(16)]
        {
            assert!(bad.parse::<Authenticator>().is_err(), "{bad}");
        }
        let upper: Authenticator = "ABCDEF0123456789abcdef0123456789".parse().unwrap();
        assert_eq!(upper.to_string(), "abcdef0123456789abcdef0123456789");
        assert_eq!(format!("{key:?}"), "Key(…)");
    }
}
