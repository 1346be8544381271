//! Invalid-Payment: a payment was refused and its coins are returned, from vendor to client.
//!
//! The coins stay bound to this vendor: it could refuse them and still redeem them.

use super::frame::Printer;
use super::payment::{PAYMENT_SIZE_MAX, coins_from, x_to_bytes};
use super::text::TEXT_LEN_MAX;
use super::{COINS_PER_PAYMENT_MAX, Frame, MessageError, Url};

/// A refusal with the refused coins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPayment {
    /// The requested page.
    pub url: Url,
    /// The reason, one of the words of [`Refusal`](super::Refusal).
    pub reason: String,
    /// The price of the page in coins.
    pub price: u32,
    /// The number of coins returned, 0 if the payment could not be parsed.
    pub coins: u32,
    /// The coins, as in [`super::Payment::x`].
    pub x: Vec<u64>,
}

impl InvalidPayment {
    /// Parses an Invalid-Payment.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse(text: &[u8]) -> Result<InvalidPayment, MessageError> {
        let frame = Frame::parse(text, PAYMENT_SIZE_MAX)?;
        frame.expect_type("Invalid-Payment")?;
        let coins = frame.number("Coins", COINS_PER_PAYMENT_MAX.into())? as u32;
        Ok(InvalidPayment {
            url: frame.parsed("URL")?,
            reason: frame.text("Reason", TEXT_LEN_MAX)?,
            price: frame.number("Price", COINS_PER_PAYMENT_MAX.into())? as u32,
            coins,
            x: match (coins, frame.into_data()?) {
                (0, data) if data.is_empty() => Vec::new(),
                (coins, data) => coins_from(coins, &data)?,
            },
        })
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Invalid-Payment")
            .header("URL", &self.url)
            .people("Reason", &self.reason, TEXT_LEN_MAX)
            .header("Price", self.price)
            .header("Coins", self.coins)
            .data(&x_to_bytes(&self.x))
    }
}
