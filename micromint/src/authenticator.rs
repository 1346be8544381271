//! Keys that the broker shares with each user and each vendor, and the authenticators made with
//! them, which prove who sent a message.
//!
//! Input: the broker's secret, names, and the content of messages. Output: keys, owner tokens and
//! authenticators, all HMAC-SHA256 (RFC 2104). The invariant: keys and tokens derive from the
//! broker's one secret, so the broker stores none of them.
//!
//! The hashes of a coin do not authenticate a user. An owner token does, at one vendor and for one
//! set; the broker's check of the authenticator does, for one payment.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use crate::hex::HexError;
use crate::hex::{hex, unhex};
use crate::identity::{UserId, VendorId};
use crate::period::Period;

/// The size of keys and of the broker's secret, in bytes.
pub const KEY_SIZE: usize = 32;
/// The size of an authenticator, in bytes.
pub const AUTHENTICATOR_SIZE: usize = 16;
/// The size of an owner token, in bytes.
pub const OWNER_TOKEN_SIZE: usize = 8;
/// The size of the digest of a URL, in bytes.
pub const URL_DIGEST_SIZE: usize = 32;
/// The size of the digest of the data of a message that is answered, in bytes.
pub const DATA_DIGEST_SIZE: usize = 32;

/// A 32-byte secret: the broker's own, a user's key K_U of one period, a vendor's key K_V, or the
/// key K_W that derives from it.
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
/// use micromint::authenticator::{Authenticator, Key, UrlDigest};
///
/// let secret = Key::from_bytes([7; 32]); // the broker's
/// let client_key = secret.user_key(&"2026-12".parse()?, &"alice".parse()?);
/// let vendor = "news.example".parse()?;
/// let tokens = [client_key.owner_token(&vendor, 8)];
/// let over = |url| client_key.payment(&vendor, &UrlDigest::of(url), &tokens, b"coins");
/// let sent = over("https://news.example/a");
///
/// assert_eq!(sent.to_string().parse::<Authenticator>()?, sent);
/// assert_ne!(sent, over("https://news.example/b"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq)]
pub struct Authenticator([u8; AUTHENTICATOR_SIZE]);

/// The owner token of a set at one vendor: the first 8 bytes of an HMAC-SHA256 under K_U. It proves
/// to this vendor that the payer owns the set. It is a secret of user, vendor and broker, and
/// useless at other vendors and for other sets.
///
/// Its `Debug` form shows nothing, so it cannot slip into a log. Its `Display` form, 16 hexadecimal
/// digits, is for messages only.
///
/// ```
/// use micromint::authenticator::{Key, OwnerToken};
///
/// let client_key = Key::from_bytes([7; 32]); // K_U
/// let token = client_key.owner_token(&"news.example".parse()?, 8);
/// assert_eq!(token.to_string().parse::<OwnerToken>()?, token);
/// assert_ne!(token, client_key.owner_token(&"shop.example".parse()?, 8));
/// assert_ne!(token, client_key.owner_token(&"news.example".parse()?, 10));
/// assert_eq!(format!("{token:?}"), "OwnerToken(…)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Eq)]
pub struct OwnerToken([u8; OWNER_TOKEN_SIZE]);

/// SHA-256 of a URL, which stands for the URL in front of the broker: it cannot tell what was read.
///
/// ```
/// use micromint::authenticator::UrlDigest;
///
/// let digest = UrlDigest::of("https://news.example/a");
/// assert_eq!(digest.to_string().parse::<UrlDigest>()?, digest);
/// # Ok::<(), micromint::authenticator::HexError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlDigest([u8; URL_DIGEST_SIZE]);

impl Key {
    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; KEY_SIZE]) -> Key {
        #[allow(clippy::expect_used, reason = "HMAC accepts keys of every length")]
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

    /// K_V of `vendor`, as long as it was never replaced. This key is the broker's secret.
    pub fn vendor_key(&self, vendor: &VendorId) -> Key {
        self.numbered_vendor_key(vendor, 0)
    }

    /// K_V of `vendor` after it was replaced `number` times. This key is the broker's secret. The
    /// key with the number 0 is [`Key::vendor_key`].
    ///
    /// ```
    /// use micromint::authenticator::Key;
    ///
    /// let secret = Key::from_bytes([7; 32]);
    /// let vendor = "news.example".parse()?;
    /// assert_eq!(secret.numbered_vendor_key(&vendor, 0), secret.vendor_key(&vendor));
    /// assert_ne!(secret.numbered_vendor_key(&vendor, 1), secret.vendor_key(&vendor));
    /// # Ok::<(), micromint::identity::IdentityError>(())
    /// ```
    pub fn numbered_vendor_key(&self, vendor: &VendorId, number: u32) -> Key {
        let (label, vendor) = (b"micromint vendor key", vendor.as_str().as_bytes());
        Key::from_bytes(match number {
            0 => self.mac(&[label, vendor]),
            _ => self.mac(&[label, vendor, &number.to_be_bytes()]),
        })
    }

    /// K_W, which signs the answers about owners and the watch, and cannot redeem. This key is K_V.
    pub fn sync_key(&self) -> Key {
        Key::from_bytes(self.mac(&[b"micromint sync"]))
    }

    /// The owner token at `vendor` of the set that starts at `first_superbin`. This key is K_U.
    pub fn owner_token(&self, vendor: &VendorId, first_superbin: u32) -> OwnerToken {
        let superbin = first_superbin.to_be_bytes();
        let mac = self.mac(&[b"micromint vendor token", vendor.as_str().as_bytes(), &superbin]);
        OwnerToken(std::array::from_fn(|i| mac[i]))
    }

    /// The authenticator of a Payment. This key is K_U; `tokens` are the owner tokens in the order
    /// of the message, `data` is the decoded coins.
    pub fn payment(
        &self,
        vendor: &VendorId,
        url: &UrlDigest,
        tokens: &[OwnerToken],
        data: &[u8],
    ) -> Authenticator {
        let count = (tokens.len() as u16).to_be_bytes();
        let mut mac = self.start(&[b"micromint payment", vendor.as_str().as_bytes(), &url.0]);
        mac.update(&count);
        tokens.iter().for_each(|token| mac.update(&token.0));
        mac.update(data);
        Authenticator::of(mac)
    }

    /// The authenticator of a Request-Credit. This key is K_U; `data` is the decoded balls.
    pub fn request_credit(&self, request_id: &str, data: &[u8]) -> Authenticator {
        self.authenticator(&[b"micromint return", request_id.as_bytes(), data])
    }

    /// The authenticator of a Funds-Credited. This key is K_U; `request_digest` is SHA-256 of the
    /// decoded data of the Request-Credit that it answers, `data` is the decoded verdicts.
    pub(crate) fn funds_credited(
        &self,
        request_id: &str,
        request_digest: &[u8; DATA_DIGEST_SIZE],
        transaction: u64,
        data: &[u8],
    ) -> Authenticator {
        let mut mac = self.start(&[b"micromint credited", request_id.as_bytes(), request_digest]);
        mac.update(&transaction.to_be_bytes());
        mac.update(data);
        Authenticator::of(mac)
    }

    /// The authenticator of a Request-Redemption. This key is K_V; `data` is the decoded records.
    pub fn request_redemption(
        &self,
        vendor: &VendorId,
        period: &Period,
        batch_id: &str,
        data: &[u8],
    ) -> Authenticator {
        let (vendor, period) = (vendor.as_str().as_bytes(), period.as_str().as_bytes());
        self.authenticator(&[b"micromint redemption", vendor, period, batch_id.as_bytes(), data])
    }

    /// The beginning of [`Key::request_redemption`], to which the data is added.
    pub(crate) fn start_redemption(
        &self,
        vendor: &VendorId,
        period: &Period,
        batch_id: &str,
    ) -> Hmac<Sha256> {
        let (vendor, period) = (vendor.as_str().as_bytes(), period.as_str().as_bytes());
        self.start(&[b"micromint redemption", vendor, period, batch_id.as_bytes(), b""])
    }

    /// The authenticator of a Redemption-Result. This key is K_V; `blocked` is the value of the
    /// header, empty if it is absent; `batch_digest` is SHA-256 of the decoded data of the
    /// Request-Redemption that it answers, and `period` the period of that batch; `data` is the
    /// decoded verdicts.
    pub(crate) fn redemption_result(
        &self,
        vendor: &VendorId,
        period: &Period,
        batch_id: &str,
        blocked: &str,
        batch_digest: &[u8; DATA_DIGEST_SIZE],
        data: &[u8],
    ) -> Authenticator {
        let (vendor, period) = (vendor.as_str().as_bytes(), period.as_str().as_bytes());
        let (batch_id, blocked) = (batch_id.as_bytes(), blocked.as_bytes());
        let parts = [b"micromint redeemed", vendor, period, batch_id, blocked, batch_digest];
        let mut mac = self.start(&parts);
        mac.update(data);
        Authenticator::of(mac)
    }

    /// The authenticator of a Request-Owners. This key is K_W.
    pub(crate) fn request_owners(
        &self,
        vendor: &VendorId,
        period: &Period,
        nonce: &str,
        generation: u32,
        held: u32,
    ) -> Authenticator {
        let numbers = [generation.to_be_bytes(), held.to_be_bytes()].concat();
        let (vendor, period) = (vendor.as_str().as_bytes(), period.as_str().as_bytes());
        let parts = [b"micromint request owners", vendor, period, nonce.as_bytes(), &numbers];
        self.authenticator(&parts)
    }

    /// The authenticator of an Owners-Sold. This key is K_W; `tags` is the decoded data.
    pub(crate) fn owners_sold(
        &self,
        vendor: &VendorId,
        period: &Period,
        nonce: &str,
        generation: u32,
        from: u32,
        tags: &[u8],
    ) -> Authenticator {
        let (vendor, period) = (vendor.as_str().as_bytes(), period.as_str().as_bytes());
        let mut mac = self.start(&[b"micromint owners", vendor, period, nonce.as_bytes(), b""]);
        mac.update(&generation.to_be_bytes());
        mac.update(&from.to_be_bytes());
        mac.update(tags);
        Authenticator::of(mac)
    }

    /// The authenticator of a witness of the broker's state. This key is the broker's secret.
    pub fn witness(&self, text: &str) -> Authenticator {
        self.authenticator(&[b"micromint witness", text.as_bytes()])
    }

    /// The authenticator of a Request-Watch. This key is K_W; `data` is the decoded records.
    pub(crate) fn request_watch(
        &self,
        vendor: &VendorId,
        period: &Period,
        watch_id: &str,
        data: &[u8],
    ) -> Authenticator {
        let (vendor, period) = (vendor.as_str().as_bytes(), period.as_str().as_bytes());
        self.authenticator(&[b"micromint watch", vendor, period, watch_id.as_bytes(), data])
    }

    /// The authenticator of a Watch-Result. This key is K_W; `blocked` is the value of the header,
    /// empty if it is absent; `data` is the decoded verdicts.
    pub(crate) fn watch_result(
        &self,
        vendor: &VendorId,
        period: &Period,
        watch_id: &str,
        blocked: &str,
        data: &[u8],
    ) -> Authenticator {
        let (vendor, period) = (vendor.as_str().as_bytes(), period.as_str().as_bytes());
        let (watch_id, blocked) = (watch_id.as_bytes(), blocked.as_bytes());
        self.authenticator(&[b"micromint watched", vendor, period, watch_id, blocked, data])
    }

    /// HMAC-SHA256 over the parts, with a zero byte between them. Only the last part can contain a
    /// zero byte, so different parts never produce the same input.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; KEY_SIZE] {
        self.start(parts).finalize().into_bytes().into()
    }

    /// The same, to be continued with parts of fixed sizes.
    fn start(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.hmac.clone();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                mac.update(&[0]);
            }
            mac.update(part);
        }
        mac
    }

    fn authenticator(&self, parts: &[&[u8]]) -> Authenticator {
        Authenticator::of(self.start(parts))
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
    pub(crate) fn of(mac: Hmac<Sha256>) -> Authenticator {
        let mac = mac.finalize().into_bytes();
        Authenticator(std::array::from_fn(|i| mac[i]))
    }

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

impl OwnerToken {
    /// The token with these bytes.
    pub fn from_bytes(bytes: [u8; OWNER_TOKEN_SIZE]) -> OwnerToken {
        OwnerToken(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; OWNER_TOKEN_SIZE] {
        &self.0
    }
}

impl PartialEq for OwnerToken {
    /// Takes the same time wherever the two differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for OwnerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerToken(…)")
    }
}

impl fmt::Display for OwnerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for OwnerToken {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        unhex(text).map(OwnerToken)
    }
}

impl UrlDigest {
    /// The digest of a URL.
    pub fn of(url: &str) -> UrlDigest {
        UrlDigest(Sha256::digest(url).into())
    }

    /// The digest with these bytes.
    pub fn from_bytes(bytes: [u8; URL_DIGEST_SIZE]) -> UrlDigest {
        UrlDigest(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; URL_DIGEST_SIZE] {
        &self.0
    }
}

impl fmt::Display for UrlDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for UrlDigest {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        unhex(text).map(UrlDigest)
    }
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

    #[test]
    fn a_token_is_of_one_user_vendor_and_set_and_does_not_print() {
        let (news, shop) = ("news.example".parse().unwrap(), "shop.example".parse().unwrap());
        let key = |byte| Key::from_bytes([byte; KEY_SIZE]);
        let token = key(1).owner_token(&news, 8);
        for other in [
            key(2).owner_token(&news, 8),
            key(1).owner_token(&shop, 8),
            key(1).owner_token(&news, 10),
        ] {
            assert_ne!(token, other);
        }
        assert_eq!(format!("{token:?}"), "OwnerToken(…)");
        assert_eq!(token.to_string().parse::<OwnerToken>().unwrap(), token);
        for bad in ["0".repeat(15), "0".repeat(17), "g".repeat(16)] {
            assert!(bad.parse::<OwnerToken>().is_err(), "{bad}");
        }
    }

    /// Each part changes the authenticator, and so does the border between tokens and data.
    #[test]
    fn the_authenticator_of_a_payment_covers_every_part() {
        let key = Key::from_bytes([3; KEY_SIZE]);
        let (news, shop) = ("news.example".parse().unwrap(), "shop.example".parse().unwrap());
        let (a, b) = (UrlDigest::of("https://a"), UrlDigest::of("https://b"));
        let tokens = [OwnerToken::from_bytes([1; 8]), OwnerToken::from_bytes([2; 8])];
        let all = [
            key.payment(&news, &a, &tokens, &[9; 16]),
            key.payment(&shop, &a, &tokens, &[9; 16]),
            key.payment(&news, &b, &tokens, &[9; 16]),
            key.payment(&news, &a, &tokens[..1], &[9; 16]),
            key.payment(&news, &a, &tokens[..1], &[&[2; 8][..], &[9; 16]].concat()),
            key.payment(&news, &a, &tokens, &[8; 16]),
        ];
        for (i, authenticator) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != authenticator), "{i}");
        }
    }

    /// A batch is of one vendor and one period.
    #[test]
    fn the_authenticator_of_a_batch_covers_every_part() {
        let key = Key::from_bytes([3; KEY_SIZE]);
        let (news, shop) = ("news.example".parse().unwrap(), "shop.example".parse().unwrap());
        let (month, next) = ("2026-12".parse().unwrap(), "2027-01".parse().unwrap());
        let all = [
            key.request_redemption(&news, &month, "b", &[1]),
            key.request_redemption(&shop, &month, "b", &[1]),
            key.request_redemption(&news, &next, "b", &[1]),
            key.request_redemption(&news, &month, "c", &[1]),
            key.request_redemption(&news, &month, "b", &[2]),
            key.request_watch(&news, &month, "b", &[1]),
        ];
        for (i, authenticator) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != authenticator), "{i}");
        }
    }

    /// An answer holds for one request, one number of the broker and one list of verdicts.
    #[test]
    fn the_authenticators_of_answers_cover_every_part() {
        let key = Key::from_bytes([3; KEY_SIZE]);
        let (news, shop) = ("news.example".parse().unwrap(), "shop.example".parse().unwrap());
        let (month, next) = ("2026-12".parse().unwrap(), "2027-01".parse().unwrap());
        let all = [
            key.funds_credited("r", &[1; 32], 7, &[0, 1]),
            key.funds_credited("s", &[1; 32], 7, &[0, 1]),
            key.funds_credited("r", &[2; 32], 7, &[0, 1]),
            key.funds_credited("r", &[1; 32], 8, &[0, 1]),
            key.funds_credited("r", &[1; 32], 7, &[1, 1]),
            Key::from_bytes([4; KEY_SIZE]).funds_credited("r", &[1; 32], 7, &[0, 1]),
            key.redemption_result(&news, &month, "b", "", &[1; 32], &[0]),
            key.redemption_result(&shop, &month, "b", "", &[1; 32], &[0]),
            key.redemption_result(&news, &next, "b", "", &[1; 32], &[0]),
            key.redemption_result(&news, &month, "c", "", &[1; 32], &[0]),
            key.redemption_result(&news, &month, "b", "eve", &[1; 32], &[0]),
            key.redemption_result(&news, &month, "b", "", &[2; 32], &[0]),
            key.redemption_result(&news, &month, "b", "", &[1; 32], &[1]),
        ];
        for (i, authenticator) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != authenticator), "{i}");
        }
    }

    /// The number has 4 bytes, so a key is no other vendor's, whatever the vendors are called.
    #[test]
    fn a_replaced_vendor_key_is_another_one_for_each_vendor_and_number() {
        let secret = Key::from_bytes([3; KEY_SIZE]);
        let (news, shop) = ("news.example".parse().unwrap(), "shop.example".parse().unwrap());
        let mut all = Vec::new();
        for number in [0, 1, 2, 0x100, 0x0100_0000, u32::MAX] {
            all.extend([&news, &shop].map(|vendor| secret.numbered_vendor_key(vendor, number)));
        }
        assert_eq!(all[0], secret.vendor_key(&news));
        for (i, key) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != key), "{i}");
        }
    }

    #[test]
    fn the_sync_key_is_neither_the_vendor_key_nor_another_vendors() {
        let vendor_key = Key::from_bytes([4; KEY_SIZE]);
        assert_ne!(vendor_key.sync_key(), vendor_key);
        assert_ne!(vendor_key.sync_key(), Key::from_bytes([5; KEY_SIZE]).sync_key());
    }
}
