//! A payment record: what redemption and watch tell the broker about a payment.
//!
//! Input: a payment, or bytes from outside. Output: the bytes of the record, or its parts. The
//! invariant: a record has the digest of the URL instead of the URL, so the broker does not learn
//! what was read. Vendor and period are those of the message that contains the record.

use super::payment::{OWNER_TOKENS_MAX, x_from_bytes};
use super::{COINS_PER_PAYMENT_MAX, MessageError, Payment};
use crate::authenticator::{
    AUTHENTICATOR_SIZE, Authenticator, Key, OWNER_TOKEN_SIZE, OwnerToken, URL_DIGEST_SIZE,
    UrlDigest,
};
use crate::bytes::{Reader, Writer};
use crate::identity::{USER_ID_LEN_MAX, UserId, VendorId};
use crate::params::{COIN_SIZE_MAX, COIN_SIZE_MIN};

/// The largest payment record, in bytes, without its length.
const PAYMENT_RECORD_SIZE_MAX: usize = URL_DIGEST_SIZE
    + AUTHENTICATOR_SIZE
    + 1
    + USER_ID_LEN_MAX
    + 2
    + OWNER_TOKENS_MAX * OWNER_TOKEN_SIZE
    + 2
    + COINS_PER_PAYMENT_MAX as usize * COIN_SIZE_MAX as usize * 8;

/// A payment in front of the broker ([`Payment::record`](super::Payment::record)).
///
/// ```
/// use micromint::authenticator::{Key, OwnerToken};
/// use micromint::protocol::{Payment, PaymentRecord, Unsigned};
///
/// let payment = Payment {
///     url: "https://news.example/story".parse()?,
///     user: "alice".parse()?,
///     vendor: "news.example".parse()?,
///     period: "2026-12".parse()?,
///     coins: 1,
///     owner_tokens: vec![OwnerToken::from_bytes([1; 8])],
///     authenticator: Unsigned,
///     x: vec![1, 2, 3, 4],
/// };
/// let record = payment.authenticated(&Key::from_bytes([7; 32])).record();
/// assert_eq!(PaymentRecord::parse(&record.to_bytes())?, record);
/// assert_eq!(record.coin_size(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRecord {
    /// The digest of the page's URL.
    pub url: UrlDigest,
    /// Who pays.
    pub user: UserId,
    /// As in the Payment message.
    pub authenticator: Authenticator,
    /// The owner tokens, in the order of the Payment message: 1 to [`OWNER_TOKENS_MAX`].
    pub tokens: Vec<OwnerToken>,
    /// The number of coins, 1 to [`COINS_PER_PAYMENT_MAX`].
    pub coins: u32,
    /// The coins as in the Payment message: the k inputs of each, 8 bytes big-endian each.
    pub data: Vec<u8>,
}

impl Payment {
    /// What the broker gets of the payment: everything but the URL, of which it gets the digest.
    pub fn record(&self) -> PaymentRecord {
        PaymentRecord {
            url: UrlDigest::of(self.url.as_str()),
            user: self.user.clone(),
            authenticator: self.authenticator,
            tokens: self.owner_tokens.clone(),
            coins: self.coins,
            data: self.data(),
        }
    }
}

impl PaymentRecord {
    /// Reads the bytes of a record, without its length.
    ///
    /// # Errors
    /// The bytes are not one.
    pub fn parse(bytes: &[u8]) -> Result<PaymentRecord, MessageError> {
        if bytes.len() > PAYMENT_RECORD_SIZE_MAX {
            let found = bytes.len();
            return Err(MessageError::TooLarge { found, max: PAYMENT_RECORD_SIZE_MAX });
        }
        let wrong = |what: &str| MessageError::Data(format!("payment record: {what}"));
        let mut reader = Reader::new(bytes);
        let head = |reader: &mut Reader<'_>| {
            let url = UrlDigest::from_bytes(reader.array()?);
            let authenticator = Authenticator::from_bytes(reader.array()?);
            Some((url, authenticator, reader.text_u8()?.to_string()))
        };
        let (url, authenticator, user) =
            head(&mut reader).ok_or_else(|| wrong("it ends inside its head"))?;
        let user = user.parse().map_err(|error| wrong(&format!("{error}")))?;
        let tokens = reader
            .u16_be()
            .filter(|count| (1..=OWNER_TOKENS_MAX).contains(&usize::from(*count)))
            .and_then(|count| reader.arrays(count.into()))
            .ok_or_else(|| wrong("expected 1 to 256 owner tokens"))?;
        let coins = reader
            .u16_be()
            .map(u32::from)
            .filter(|coins| (1..=COINS_PER_PAYMENT_MAX).contains(coins))
            .ok_or_else(|| wrong("expected 1 to 500 coins"))?;
        let data = reader.rest();
        let is_coin_size =
            |size: usize| (COIN_SIZE_MIN as usize..=COIN_SIZE_MAX as usize).contains(&size);
        let unit = 8 * coins as usize;
        if !data.len().is_multiple_of(unit) || !is_coin_size(data.len() / unit) {
            let found = data.len();
            return Err(wrong(&format!("{found} bytes are not {coins} coins of 2 to 8 balls")));
        }
        Ok(PaymentRecord {
            url,
            user,
            authenticator,
            tokens: tokens.iter().map(|token| OwnerToken::from_bytes(*token)).collect(),
            coins,
            data: data.to_vec(),
        })
    }

    /// The bytes of the record, without its length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes =
            Vec::with_capacity(128 + OWNER_TOKEN_SIZE * self.tokens.len() + self.data.len());
        let mut writer = Writer::new(&mut bytes);
        writer
            .bytes(self.url.as_bytes())
            .bytes(self.authenticator.as_bytes())
            .text_u8(self.user.as_str())
            .u16_be(self.tokens.len() as u16);
        for token in &self.tokens {
            writer.bytes(token.as_bytes());
        }
        writer.u16_be(self.coins as u16).bytes(&self.data);
        bytes
    }

    /// k, the number of balls in a coin, as derived from the record.
    pub fn coin_size(&self) -> usize {
        self.data.len() / 8 / self.coins.max(1) as usize
    }

    /// The coins one after the other, the k inputs of each in the order of the set.
    ///
    /// # Errors
    /// The data is not a whole number of inputs; never after [`PaymentRecord::parse`].
    pub fn x(&self) -> Result<Vec<u64>, MessageError> {
        x_from_bytes(&self.data)
    }

    /// Whether the authenticator is the one under this key, K_U of the payer, at this vendor.
    pub fn is_authentic(&self, key: &Key, vendor: &VendorId) -> bool {
        key.payment(vendor, &self.url, &self.tokens, &self.data) == self.authenticator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tokens: usize, coins: u32, k: usize) -> PaymentRecord {
        PaymentRecord {
            url: UrlDigest::of("https://news.example/"),
            user: "u".repeat(USER_ID_LEN_MAX).parse().unwrap(),
            authenticator: Authenticator::from_bytes([7; 16]),
            tokens: vec![OwnerToken::from_bytes([9; 8]); tokens],
            coins,
            data: vec![0xff; coins as usize * k * 8],
        }
    }

    #[test]
    fn records_are_read_back_at_their_bounds_and_refused_past_them() {
        let (tokens, coins) = (OWNER_TOKENS_MAX, COINS_PER_PAYMENT_MAX);
        let largest = record(tokens, coins, 8);
        assert_eq!(largest.to_bytes().len(), PAYMENT_RECORD_SIZE_MAX);
        for good in [largest, record(1, 1, 2), record(1, coins, 2), record(tokens, 1, 8)] {
            assert_eq!(PaymentRecord::parse(&good.to_bytes()).unwrap(), good);
        }
        for bad in [
            record(tokens + 1, 1, 4),
            record(0, 1, 4),
            record(1, coins + 1, 2),
            record(1, 0, 4),
            record(1, 1, 1),
            record(1, 1, 9),
        ] {
            assert!(PaymentRecord::parse(&bad.to_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_cut_or_longer_record_is_refused() {
        let bytes = record(2, 1, 2).to_bytes();
        for end in 0..bytes.len() {
            assert!(PaymentRecord::parse(&bytes[..end]).is_err(), "{end}");
        }
        assert!(PaymentRecord::parse(&[&bytes[..], &[0]].concat()).is_err());
        let capital = bytes.iter().map(|b| if *b == b'u' { b'U' } else { *b });
        assert!(PaymentRecord::parse(&capital.collect::<Vec<u8>>()).is_err());
    }

    #[test]
    fn a_record_shows_no_token() {
        assert!(format!("{:?}", record(1, 1, 4)).contains("OwnerToken(…)"));
    }
}
