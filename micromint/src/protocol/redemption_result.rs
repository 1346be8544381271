//! Redemption-Result: a verdict for every coin of a batch, from broker to vendor.

use super::frame::{Printer, text_size_max};
use super::verdict::{verdicts_from, verdicts_to_bytes};
use super::{BATCH_DATA_SIZE_MAX, BATCH_PAYMENTS_MAX, Blocked, Frame, Id, MessageError, Verdict};
use crate::authenticator::{Authenticator, DATA_DIGEST_SIZE, Key};
use crate::identity::VendorId;
use crate::period::Period;

/// The largest number of verdicts: one for each coin, and a coin takes at least the 16 bytes of two
/// balls in a batch. There are no more unreadable payments than a batch may contain.
const VERDICTS_MAX: usize = BATCH_DATA_SIZE_MAX / 16 + BATCH_PAYMENTS_MAX as usize;
/// The largest Redemption-Result message, in bytes: one byte of data for each verdict.
const SIZE_MAX: usize = text_size_max(VERDICTS_MAX);

/// The broker's answer to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedemptionResult<A = Authenticator> {
    /// The vendor of the batch.
    pub vendor: VendorId,
    /// Its name.
    pub batch: Id,
    /// The users whom the vendor should stop serving.
    pub blocked: Blocked,
    /// Computed with K_V over Vendor-ID, the period of the batch, Batch-ID, the users in `blocked`,
    /// the data of the batch and data.
    pub authenticator: A,
    /// One verdict for each coin, in the order of the batch. A payment that cannot be parsed has
    /// one.
    pub verdicts: Vec<Verdict>,
}

impl RedemptionResult {
    /// Parses a Redemption-Result.
    ///
    /// # Errors
    /// The text is not one, or its counts differ from its verdicts.
    pub fn parse(text: &[u8]) -> Result<RedemptionResult, MessageError> {
        let frame = Frame::parse(text, SIZE_MAX)?;
        frame.expect_type("Redemption-Result")?;
        let accepted = frame.number("Accepted", u64::MAX)?;
        let rejected = frame.number("Rejected", u64::MAX)?;
        let result = RedemptionResult {
            vendor: frame.parsed("Vendor-ID")?,
            batch: frame.parsed("Batch-ID")?,
            blocked: Blocked::from_frame(&frame)?,
            authenticator: frame.parsed("Authenticator")?,
            verdicts: verdicts_from(&frame.into_data()?)?,
        };
        if (accepted, rejected) == (result.accepted(), result.rejected()) {
            return Ok(result);
        }
        Err(MessageError::Data(
            "the verdicts are not those that Accepted and Rejected count".to_string(),
        ))
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Redemption-Result")
            .header("Vendor-ID", &self.vendor)
            .header("Batch-ID", &self.batch)
            .header("Accepted", self.accepted())
            .header("Rejected", self.rejected())
            .header_if(self.blocked.header())
            .header("Authenticator", self.authenticator)
            .data(&verdicts_to_bytes(&self.verdicts))
    }

    /// Whether the authenticator is the one under this key, K_V, for the answer to a batch of this
    /// period, whose data has this SHA-256.
    pub fn is_authentic(
        &self,
        key: &Key,
        period: &Period,
        batch_digest: &[u8; DATA_DIGEST_SIZE],
    ) -> bool {
        self.under(key, period, batch_digest) == self.authenticator
    }

    /// The number of coins paid for.
    pub fn accepted(&self) -> u64 {
        self.verdicts.iter().filter(|verdict| **verdict == Verdict::Accepted).count() as u64
    }

    /// The number of coins that will never be paid for.
    pub fn rejected(&self) -> u64 {
        self.verdicts.iter().filter(|verdict| verdict.is_rejection()).count() as u64
    }
}

impl<A> RedemptionResult<A> {
    /// The message with the authenticator under this key, K_V, as the answer to a batch of this
    /// period. `batch_digest` is SHA-256 of the batch's data.
    #[must_use]
    pub fn authenticated(
        self,
        key: &Key,
        period: &Period,
        batch_digest: &[u8; DATA_DIGEST_SIZE],
    ) -> RedemptionResult {
        let authenticator = self.under(key, period, batch_digest);
        let RedemptionResult { vendor, batch, blocked, authenticator: _, verdicts } = self;
        RedemptionResult { vendor, batch, blocked, authenticator, verdicts }
    }

    fn under(
        &self,
        key: &Key,
        period: &Period,
        batch_digest: &[u8; DATA_DIGEST_SIZE],
    ) -> Authenticator {
        let (batch, blocked) = (self.batch.as_str(), self.blocked.to_string());
        let data = verdicts_to_bytes(&self.verdicts);
        key.redemption_result(&self.vendor, period, batch, &blocked, batch_digest, &data)
    }
}
