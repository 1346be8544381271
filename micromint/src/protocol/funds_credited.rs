//! Funds-Credited: a verdict for every returned ball, from broker to client.

use super::frame::{Printer, text_size_max};
use super::verdict::{verdicts_from, verdicts_to_bytes};
use super::{CREDIT_COINS_MAX, Frame, MessageError, Verdict};
use crate::identity::UserId;
use crate::period::Period;

/// The largest Funds-Credited message, in bytes: one byte of data for each ball.
const SIZE_MAX: usize = text_size_max(CREDIT_COINS_MAX as usize);

/// The broker's answer to a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundsCredited {
    /// Whose coins.
    pub user: UserId,
    /// Their period.
    pub period: Period,
    /// The number of the return at the broker.
    pub transaction: u64,
    /// One verdict for each ball, in the order of the return.
    pub verdicts: Vec<Verdict>,
}

impl FundsCredited {
    /// Parses a Funds-Credited.
    ///
    /// # Errors
    /// The text is not one, or the number of verdicts differs from `Coins`.
    pub fn parse(text: &[u8]) -> Result<FundsCredited, MessageError> {
        let frame = Frame::parse(text, SIZE_MAX)?;
        frame.expect_type("Funds-Credited")?;
        let coins = frame.number("Coins", CREDIT_COINS_MAX.into())?;
        let answer = FundsCredited {
            user: frame.parsed("User-ID")?,
            period: frame.parsed("Period")?,
            transaction: frame.number("Transaction-ID", u64::MAX)?,
            verdicts: verdicts_from(&frame.into_data()?)?,
        };
        if answer.verdicts.len() as u64 == coins {
            return Ok(answer);
        }
        Err(MessageError::Data(format!(
            "{} verdicts, but Coins says {coins}",
            answer.verdicts.len()
        )))
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Funds-Credited")
            .header("User-ID", &self.user)
            .header("Period", &self.period)
            .header("Coins", self.verdicts.len())
            .header("Transaction-ID", self.transaction)
            .data(&verdicts_to_bytes(&self.verdicts))
    }
}
