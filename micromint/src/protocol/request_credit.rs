//! Request-Credit: unspent first balls for credit, from client to broker (thesis 3.4.1).

use super::frame::{Printer, text_size_max};
use super::payment::{x_from_bytes, x_to_bytes};
use super::{Frame, Id, MessageError};
use crate::authenticator::{Authenticator, Key};
use crate::identity::UserId;
use crate::period::Period;

/// The largest number of balls in one return.
pub const CREDIT_COINS_MAX: u32 = 1_000_000;
/// The largest Request-Credit message, in bytes: eight bytes of data for each ball.
const SIZE_MAX: usize = text_size_max(8 * CREDIT_COINS_MAX as usize);

/// A return of unspent coins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestCredit<A = Authenticator> {
    /// Whose coins.
    pub user: UserId,
    /// Their period.
    pub period: Period,
    /// Identifies the return; a repeated return has the same identifier and content.
    pub request: Id,
    /// Computed with K_U over Request-ID and data.
    pub authenticator: A,
    /// The unspent first balls.
    pub x: Vec<u64>,
}

impl RequestCredit {
    /// Parses a Request-Credit.
    ///
    /// # Errors
    /// The text is not one, or the number of balls differs from `Coins`.
    pub fn parse(text: &[u8]) -> Result<RequestCredit, MessageError> {
        let frame = Frame::parse(text, SIZE_MAX)?;
        frame.expect_type("Request-Credit")?;
        let coins = frame.number("Coins", CREDIT_COINS_MAX.into())?;
        let request = RequestCredit {
            user: frame.parsed("User-ID")?,
            period: frame.parsed("Period")?,
            request: frame.parsed("Request-ID")?,
            authenticator: frame.parsed("Authenticator")?,
            x: x_from_bytes(&frame.into_data()?)?,
        };
        if request.x.len() as u64 == coins {
            return Ok(request);
        }
        Err(MessageError::Data(format!("{} balls, but Coins says {coins}", request.x.len())))
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Request-Credit")
            .header("User-ID", &self.user)
            .header("Period", &self.period)
            .header("Coins", self.x.len())
            .header("Request-ID", &self.request)
            .header("Authenticator", self.authenticator)
            .data(&self.data())
    }
}

impl<A> RequestCredit<A> {
    /// The message with the authenticator under this key, K_U.
    #[must_use]
    pub fn authenticated(self, key: &Key) -> RequestCredit {
        let authenticator = key.request_credit(self.request.as_str(), &self.data());
        let RequestCredit { user, period, request, authenticator: _, x } = self;
        RequestCredit { user, period, request, authenticator, x }
    }

    /// The decoded data: every x as 8 bytes big-endian. The authenticator covers this.
    pub fn data(&self) -> Vec<u8> {
        x_to_bytes(&self.x)
    }
}
