//! Redemption-Result: a verdict for every coin of a batch, from broker to vendor.

use super::frame::{Printer, text_size_max};
use super::verdict::{verdicts_from, verdicts_to_bytes};
use super::{BATCH_DATA_SIZE_MAX, BATCH_PAYMENTS_MAX, Frame, Id, MessageError, Verdict};
use crate::identity::VendorId;

/// The most verdicts: one a coin, and a coin takes at least the 16 bytes of two balls in a batch. Payments
/// that cannot be read are no more than a batch may hold.
const VERDICTS_MAX: usize = BATCH_DATA_SIZE_MAX / 16 + BATCH_PAYMENTS_MAX as usize;
/// The largest Redemption-Result message, in bytes: a byte of data a verdict.
const SIZE_MAX: usize = text_size_max(VERDICTS_MAX);

/// The broker's answer to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedemptionResult {
    /// Whose batch it was.
    pub vendor: VendorId,
    /// Its name.
    pub batch: Id,
    /// One verdict a coin, in the order of the batch. A payment that cannot be read has one.
    pub verdicts: Vec<Verdict>,
}

impl RedemptionResult {
    /// Reads a Redemption-Result.
    ///
    /// # Errors
    /// Text that is none, or counts that are not those of the verdicts.
    pub fn parse(text: &[u8]) -> Result<RedemptionResult, MessageError> {
        let frame = Frame::parse(text, SIZE_MAX)?;
        frame.expect_type("Redemption-Result")?;
        let accepted = frame.number("Accepted", u64::MAX)?;
        let rejected = frame.number("Rejected", u64::MAX)?;
        let result = RedemptionResult {
            vendor: frame.parsed("Vendor-ID")?,
            batch: frame.parsed("Batch-ID")?,
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
            .data(&verdicts_to_bytes(&self.verdicts))
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
