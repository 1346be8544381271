//! Funds-Credited: a verdict for every returned ball, from broker to client.

use sha2::{Digest, Sha256};

use super::frame::{Printer, text_size_max};
use super::verdict::{verdicts_from, verdicts_to_bytes};
use super::{CREDIT_COINS_MAX, Frame, Id, MessageError, RequestCredit, Verdict};
use crate::authenticator::{Authenticator, Key};
use crate::identity::UserId;
use crate::period::Period;

/// The largest Funds-Credited message, in bytes: one byte of data for each ball.
const SIZE_MAX: usize = text_size_max(CREDIT_COINS_MAX as usize);

/// The broker's answer to a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundsCredited<A = Authenticator> {
    /// Whose coins.
    pub user: UserId,
    /// Their period.
    pub period: Period,
    /// The Request-ID of the return.
    pub request: Id,
    /// The number of the return at the broker.
    pub transaction: u64,
    /// Computed with K_U over Request-ID, the data of the return, Transaction-ID and data.
    pub authenticator: A,
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
            request: frame.parsed("Request-ID")?,
            transaction: frame.number("Transaction-ID", u64::MAX)?,
            authenticator: frame.parsed("Authenticator")?,
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
            .header("Request-ID", &self.request)
            .header("Transaction-ID", self.transaction)
            .header("Authenticator", self.authenticator)
            .data(&verdicts_to_bytes(&self.verdicts))
    }

    /// Whether the authenticator is the one under this key, K_U, for the answer to `request`.
    pub fn is_authentic(&self, key: &Key, request: &RequestCredit) -> bool {
        self.under(key, request) == self.authenticator
    }
}

impl<A> FundsCredited<A> {
    /// The message with the authenticator under this key, K_U, as the answer to `request`.
    #[must_use]
    pub fn authenticated(self, key: &Key, request: &RequestCredit) -> FundsCredited {
        let authenticator = self.under(key, request);
        let FundsCredited { user, period, request, transaction, authenticator: _, verdicts } = self;
        FundsCredited { user, period, request, transaction, authenticator, verdicts }
    }

    fn under(&self, key: &Key, request: &RequestCredit) -> Authenticator {
        let digest = Sha256::digest(request.data()).into();
        let data = verdicts_to_bytes(&self.verdicts);
        key.funds_credited(request.request.as_str(), &digest, self.transaction, &data)
    }
}
