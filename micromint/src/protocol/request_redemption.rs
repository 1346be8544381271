//! Request-Redemption: payments that a vendor received, from vendor to broker (thesis 3.3.2).

use super::{Frame, Id, MessageError};
use crate::authenticator::Authenticator;
use crate::identity::VendorId;
use crate::period::Period;

/// The most payments in one batch.
pub const BATCH_PAYMENTS_MAX: u32 = 1_000_000;
/// The most data in one batch, in bytes; a vendor with more sends several batches.
pub const BATCH_DATA_SIZE_MAX: usize = 512 * 1024 * 1024;
/// The largest Request-Redemption message, in bytes: the data in Base64 with its line ends.
const SIZE_MAX: usize = BATCH_DATA_SIZE_MAX / 54 * 78 + 64 * 1024;

/// A batch of payments for redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRedemption {
    /// Whose batch it is.
    pub vendor: VendorId,
    /// Names the batch; a batch sent again has the same name and content.
    pub batch: Id,
    /// The period of all its coins.
    pub period: Period,
    /// The number of payments.
    pub payments: u32,
    /// Under K_V over Batch-ID and data.
    pub authenticator: Authenticator,
    /// For each payment its length as a big-endian u32 and the Payment message as received.
    pub data: Vec<u8>,
}

/// Appends a payment to the data of a batch.
pub fn push_record(data: &mut Vec<u8>, payment: &[u8]) {
    data.extend_from_slice(&(payment.len() as u32).to_be_bytes());
    data.extend_from_slice(payment);
}

impl RequestRedemption {
    /// Reads a Request-Redemption. The payments in it are not parsed: one that is malformed gets a
    /// verdict of its own and spoils no other.
    ///
    /// # Errors
    /// Text that is none, or data that is not the promised number of records.
    pub fn parse(text: &[u8]) -> Result<RequestRedemption, MessageError> {
        let frame = Frame::parse(text, SIZE_MAX)?;
        frame.expect_type("Request-Redemption")?;
        let batch = RequestRedemption {
            vendor: frame.parsed("Vendor-ID")?,
            batch: frame.parsed("Batch-ID")?,
            period: frame.parsed("Period")?,
            payments: frame.number("Payments", BATCH_PAYMENTS_MAX.into())? as u32,
            authenticator: frame.parsed("Authenticator")?,
            data: frame.into_data()?,
        };
        batch.check_records()?;
        Ok(batch)
    }

    fn check_records(&self) -> Result<(), MessageError> {
        let records = self.records();
        let lengths: usize = records.iter().map(|record| record.len() + 4).sum();
        if records.len() == self.payments as usize && lengths == self.data.len() {
            return Ok(());
        }
        Err(MessageError::Data(format!(
            "expected {} records in {} bytes, found {} in {lengths}",
            self.payments,
            self.data.len(),
            records.len()
        )))
    }

    /// The payments as received, in order.
    pub fn records(&self) -> Vec<&[u8]> {
        let mut records = Vec::new();
        let mut rest = self.data.as_slice();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let Some((record, tail)) = tail.split_at_checked(u32::from_be_bytes(*length) as usize) else {
                break;
            };
            records.push(record);
            rest = tail;
        }
        records
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Frame::new("Request-Redemption")
            .with("Vendor-ID", &self.vendor)
            .with("Batch-ID", &self.batch)
            .with("Period", &self.period)
            .with("Payments", self.payments)
            .with("Authenticator", self.authenticator)
            .with_data(self.data.clone())
            .to_bytes()
    }
}
