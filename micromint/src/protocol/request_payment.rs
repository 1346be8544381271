//! Request-Payment: what a page costs and how to pay for it, from vendor to client.

use super::frame::Printer;
use super::text::TEXT_LEN_MAX;
use super::{COINS_PER_PAYMENT_MAX, Frame, MessageError, Url};
use crate::identity::VendorId;
use crate::money::Money;
use crate::params::BROKER_LEN_MAX;
use crate::period::Period;

/// The largest number of periods that a vendor accepts at a time.
pub const PERIODS_PER_REQUEST_MAX: usize = 16;
/// The largest Request-Payment message, in bytes.
const SIZE_MAX: usize = 32 * 1024;

const DESCRIPTION: &str = "Description";
/// The header of a description that is not ASCII.
const DESCRIPTION_UTF8: &str = "Description-UTF-8";

/// A vendor's price for a page.
///
/// ```
/// use micromint::protocol::RequestPayment;
///
/// let request = RequestPayment {
///     url: "https://news.example/story".parse()?,
///     price: 3,
///     vendor: "news.example".parse()?,
///     periods: vec!["2026-12".parse()?],
///     broker: "https://broker.example/".to_string(),
///     coin_value: "0.01 USD".parse()?,
///     description: "News of the day".to_string(),
/// };
/// assert_eq!(RequestPayment::parse(&request.to_bytes())?, request);
/// assert_eq!(request.money().map(|money| money.to_string()), Some("0.03 USD".to_string()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPayment {
    /// The page.
    pub url: Url,
    /// Its price in coins, 1 to [`COINS_PER_PAYMENT_MAX`].
    pub price: u32,
    /// The payee.
    pub vendor: VendorId,
    /// The accepted periods, 1 to [`PERIODS_PER_REQUEST_MAX`], in the vendor's order of preference.
    pub periods: Vec<Period>,
    /// The URL of the broker of those periods; for people, never contacted because a vendor named
    /// it.
    pub broker: String,
    /// What a coin is worth, as the vendor says: a client compares it with its own coins.
    pub coin_value: Money,
    /// What is sold, for people; may be empty.
    pub description: String,
}

impl RequestPayment {
    /// Parses a Request-Payment.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse(text: &[u8]) -> Result<RequestPayment, MessageError> {
        RequestPayment::from_frame(&Frame::parse(text, SIZE_MAX)?)
    }

    /// The price in money; `None` if it does not fit in a [`Money`].
    pub fn money(&self) -> Option<Money> {
        self.coin_value.checked_mul(self.price.into())
    }

    fn from_frame(frame: &Frame<'_>) -> Result<RequestPayment, MessageError> {
        frame.expect_type("Request-Payment")?;
        let price = frame.number("Price", COINS_PER_PAYMENT_MAX.into())? as u32;
        if price == 0 {
            return Err(MessageError::Header {
                name: "Price".into(),
                why: "expected at least 1 coin".into(),
            });
        }
        Ok(RequestPayment {
            url: frame.parsed("URL")?,
            price,
            vendor: frame.parsed("Vendor-ID")?,
            periods: periods_from(frame.need("Period")?)?,
            broker: frame.text("Broker", BROKER_LEN_MAX)?,
            coin_value: frame.parsed("Coin-Value")?,
            description: frame.text_or_utf8(DESCRIPTION, DESCRIPTION_UTF8, TEXT_LEN_MAX)?,
        })
    }

    /// Prints the message. Characters that texts for people cannot contain are omitted or shown as
    /// `?`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let periods: Vec<&str> = self.periods.iter().map(Period::as_str).collect();
        let head = Printer::new("Request-Payment")
            .header("URL", &self.url)
            .header("Price", self.price)
            .header("Vendor-ID", &self.vendor)
            .header("Period", periods.join(", "))
            .people("Broker", &self.broker, BROKER_LEN_MAX)
            .header("Coin-Value", self.coin_value);
        if self.description.trim().is_empty() {
            return head.end();
        }
        let description = &self.description;
        head.people_or_utf8(DESCRIPTION, DESCRIPTION_UTF8, description, TEXT_LEN_MAX).end()
    }
}

fn periods_from(text: &str) -> Result<Vec<Period>, MessageError> {
    let wrong = |why: String| MessageError::Header { name: "Period".to_string(), why };
    let periods: Result<Vec<Period>, _> = text.split(',').map(|name| name.trim().parse()).collect();
    let periods = periods.map_err(|error: crate::period::PeriodError| wrong(error.to_string()))?;
    if periods.len() > PERIODS_PER_REQUEST_MAX {
        return Err(wrong(format!(
            "expected at most {PERIODS_PER_REQUEST_MAX} periods, found {}",
            periods.len()
        )));
    }
    Ok(periods)
}
