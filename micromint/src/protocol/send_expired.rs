//! Send-Expired: the broker accepts the unspent coins of a period, from broker to client (thesis
//! 3.4.1, "Returning Coins").

use super::frame::Printer;
use super::{Frame, MessageError, Url};
use crate::identity::UserId;
use crate::period::Period;

/// The largest Send-Expired message, in bytes.
const SIZE_MAX: usize = 32 * 1024;

/// An invitation to return unspent coins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendExpired {
    /// Whose coins.
    pub user: UserId,
    /// The expired period.
    pub period: Period,
    /// Where to send the Request-Credit.
    pub return_url: Url,
}

impl SendExpired {
    /// Parses a Send-Expired.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse(text: &[u8]) -> Result<SendExpired, MessageError> {
        let frame = Frame::parse(text, SIZE_MAX)?;
        frame.expect_type("Send-Expired")?;
        Ok(SendExpired {
            user: frame.parsed("User-ID")?,
            period: frame.parsed("Period")?,
            return_url: frame.parsed("Return-URL")?,
        })
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Send-Expired")
            .header("User-ID", &self.user)
            .header("Period", &self.period)
            .header("Return-URL", &self.return_url)
            .end()
    }
}
