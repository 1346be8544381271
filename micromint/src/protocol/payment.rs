//! Payment: vendor-specific coins for one page, from client to vendor (thesis 3.3.1).

use super::frame::Printer;
use super::{Frame, MessageError, Url};
use crate::authenticator::{Authenticator, Key, OWNER_TOKEN_SIZE, OwnerToken, UrlDigest};
use crate::bytes::{from_u64_be, u64_be};
use crate::hex::push_hex;
use crate::identity::{UserId, VendorId};
use crate::params::{COIN_SIZE_MAX, COIN_SIZE_MIN};
use crate::period::Period;

/// The largest number of coins in one payment, and so the highest price.
pub const COINS_PER_PAYMENT_MAX: u32 = 500;
/// The largest number of owner tokens in one payment, and so of sets whose coins it contains.
pub const OWNER_TOKENS_MAX: usize = 256;
/// The largest Payment message, in bytes: it fits into a journal record with room to spare.
pub const PAYMENT_SIZE_MAX: usize = 60 * 1024;

/// Coins for a page.
///
/// ```
/// use micromint::authenticator::Key;
/// use micromint::protocol::{Payment, Unsigned};
///
/// let client_key = Key::from_bytes([7; 32]); // K_U
/// let payment = Payment {
///     url: "https://news.example/story".parse()?,
///     user: "alice".parse()?,
///     vendor: "news.example".parse()?,
///     period: "2026-12".parse()?,
///     coins: 1,
///     owner_tokens: vec![client_key.owner_token(&"news.example".parse()?, 8)],
///     authenticator: Unsigned,
///     x: vec![1, 2, 3, 4],
/// }
/// .authenticated(&client_key);
/// assert_eq!(Payment::parse(&payment.to_bytes())?, payment);
/// assert_eq!(payment.coin_size(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment<A = Authenticator> {
    /// The page, exactly as in the Request-Payment.
    pub url: Url,
    /// Who pays.
    pub user: UserId,
    /// Who is paid.
    pub vendor: VendorId,
    /// The period of the coins.
    pub period: Period,
    /// The number of coins, 1 to [`COINS_PER_PAYMENT_MAX`].
    pub coins: u32,
    /// One for each set used, in the order in which its first superbin first occurs in the data: 1
    /// to [`OWNER_TOKENS_MAX`]. The vendor compares them with its owners file.
    pub owner_tokens: Vec<OwnerToken>,
    /// Computed with K_U over vendor, the digest of the URL, owner tokens and data. The vendor
    /// passes it on unchecked; the broker checks it.
    pub authenticator: A,
    /// The coins one after the other, the k inputs of each in the order of the set; k is the same
    /// for all and is 2 to 8.
    pub x: Vec<u64>,
}

impl Payment {
    /// Parses a Payment.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse(text: &[u8]) -> Result<Payment, MessageError> {
        Payment::from_frame(Frame::parse(text, PAYMENT_SIZE_MAX)?)
    }

    /// Reads a Payment from a parsed message.
    ///
    /// # Errors
    /// The message is not one.
    pub(super) fn from_frame(frame: Frame<'_>) -> Result<Payment, MessageError> {
        frame.expect_type("Payment")?;
        let coins = frame.number("Coins", COINS_PER_PAYMENT_MAX.into())? as u32;
        Ok(Payment {
            url: frame.parsed("URL")?,
            user: frame.parsed("User-ID")?,
            vendor: frame.parsed("Vendor-ID")?,
            period: frame.parsed("Period")?,
            coins,
            owner_tokens: owner_tokens_from(frame.need(OWNER_TOKENS)?)?,
            authenticator: frame.parsed("Authenticator")?,
            x: coins_from(coins, &frame.into_data()?)?,
        })
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Payment")
            .header("URL", &self.url)
            .header("User-ID", &self.user)
            .header("Vendor-ID", &self.vendor)
            .header("Period", &self.period)
            .header("Coins", self.coins)
            .header(OWNER_TOKENS, owner_tokens_to_text(&self.owner_tokens))
            .header("Authenticator", self.authenticator)
            .data(&self.data())
    }

    /// k, the number of balls in a coin, as derived from the message.
    pub fn coin_size(&self) -> usize {
        self.x.len() / self.coins.max(1) as usize
    }
}

impl<A> Payment<A> {
    /// The payment with the authenticator under this key, K_U of the payer.
    #[must_use]
    pub fn authenticated(self, key: &Key) -> Payment {
        let url = UrlDigest::of(self.url.as_str());
        let authenticator = key.payment(&self.vendor, &url, &self.owner_tokens, &self.data());
        let Payment { url, user, vendor, period, coins, owner_tokens, authenticator: _, x } = self;
        Payment { url, user, vendor, period, coins, owner_tokens, authenticator, x }
    }

    /// The decoded data: every x as 8 bytes big-endian. The authenticator covers this.
    pub fn data(&self) -> Vec<u8> {
        x_to_bytes(&self.x)
    }
}

const OWNER_TOKENS: &str = "Owner-Tokens";

/// Reads owner tokens with commas between them; blanks around them are allowed.
fn owner_tokens_from(text: &str) -> Result<Vec<OwnerToken>, MessageError> {
    let wrong = |why: String| MessageError::Header { name: OWNER_TOKENS.to_string(), why };
    let found = text.bytes().filter(|byte| *byte == b',').count() + 1;
    if found > OWNER_TOKENS_MAX {
        return Err(wrong(format!("{found} tokens, at most {OWNER_TOKENS_MAX} are allowed")));
    }
    let read = |token: &str| {
        token.trim().parse().map_err(|_| {
            // A token is a secret, so the error does not show the text.
            wrong("expected owner tokens of 16 hexadecimal digits".to_string())
        })
    };
    text.split(',').map(read).collect()
}

fn owner_tokens_to_text(tokens: &[OwnerToken]) -> String {
    let mut text = String::with_capacity(tokens.len() * (2 * OWNER_TOKEN_SIZE + 1));
    for (i, token) in tokens.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        push_hex(&mut text, token.as_bytes());
    }
    text
}

/// Reads `coins` coins of equal size, 2 to 8 balls.
pub(super) fn coins_from(coins: u32, data: &[u8]) -> Result<Vec<u64>, MessageError> {
    let x = x_from_bytes(data)?;
    let coins = coins as usize;
    let sizes = COIN_SIZE_MIN as usize..=COIN_SIZE_MAX as usize;
    if coins == 0 || x.len() % coins != 0 || !sizes.contains(&(x.len() / coins)) {
        return Err(MessageError::Data(format!(
            "{} balls are not {coins} coins of 2 to 8 balls each",
            x.len()
        )));
    }
    Ok(x)
}

/// Every x as 8 bytes big-endian.
pub(super) fn x_to_bytes(x: &[u64]) -> Vec<u8> {
    x.iter().map(|x| u64_be(*x)).collect::<Vec<_>>().into_flattened()
}

/// Reads numbers of 8 bytes big-endian.
pub(super) fn x_from_bytes(data: &[u8]) -> Result<Vec<u64>, MessageError> {
    let (inputs, rest) = data.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(MessageError::Data(format!(
            "{} bytes are not a whole number of 8-byte inputs",
            data.len()
        )));
    }
    Ok(inputs.iter().map(|bytes| from_u64_be(*bytes)).collect())
}
