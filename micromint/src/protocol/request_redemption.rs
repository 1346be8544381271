//! Request-Redemption: payments that a vendor received, from vendor to broker (thesis 3.3.2).

use super::frame::{Printer, text_size_max};
use super::{Frame, Id, MessageError};
use crate::authenticator::{Authenticator, Key};
use crate::bytes::{Reader, Writer};
use crate::identity::VendorId;
use crate::period::Period;

/// The largest number of payments in one batch.
pub const BATCH_PAYMENTS_MAX: u32 = 1_000_000;
/// The largest data in one batch, in bytes; a vendor with more sends several batches.
pub const BATCH_DATA_SIZE_MAX: usize = 64 * 1024 * 1024;
/// The largest Request-Redemption message, in bytes.
const SIZE_MAX: usize = text_size_max(BATCH_DATA_SIZE_MAX);

/// A batch of payments for redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRedemption<A = Authenticator> {
    /// The vendor.
    pub vendor: VendorId,
    /// Identifies the batch; a repeated batch has the same identifier and content.
    pub batch: Id,
    /// The period of all its coins.
    pub period: Period,
    /// The number of payments.
    pub payments: u32,
    /// Computed with K_V over Vendor-ID, Period, Batch-ID and data.
    pub authenticator: A,
    /// For each payment the length of its [`PaymentRecord`](super::PaymentRecord) as a big-endian
    /// u32, and the record.
    pub data: Vec<u8>,
}

/// Appends the bytes of a [`PaymentRecord`](super::PaymentRecord) to the data of a batch.
pub fn push_record(data: &mut Vec<u8>, record: &[u8]) {
    Writer::new(data).u32_be(record.len() as u32).bytes(record);
}

/// The first record in the data of a batch, and what follows it. `None` if the data has no whole
/// record.
///
/// ```
/// use micromint::protocol::{push_record, split_record};
///
/// let mut data = Vec::new();
/// push_record(&mut data, b"one");
/// push_record(&mut data, b"");
/// let (record, rest) = split_record(&data).unwrap();
/// assert_eq!(record, b"one");
/// assert_eq!(split_record(rest), Some((&b""[..], &b""[..])));
/// assert_eq!(split_record(&data[..6]), None);
/// ```
pub fn split_record(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(data);
    let size = reader.u32_be()?;
    let record = reader.take(size as usize)?;
    Some((record, &data[data.len() - reader.left()..]))
}

impl RequestRedemption {
    /// Parses a Request-Redemption. The records in it are not parsed: a malformed one gets a
    /// verdict of its own and does not affect the others.
    ///
    /// # Errors
    /// The text is not one, or its data does not have the stated number of records.
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
        check_records(&batch.data, batch.payments, BATCH_DATA_SIZE_MAX)?;
        Ok(batch)
    }

    /// The bytes of the payment records, in order.
    pub fn records(&self) -> Vec<&[u8]> {
        records_in(&self.data)
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Request-Redemption")
            .header("Vendor-ID", &self.vendor)
            .header("Batch-ID", &self.batch)
            .header("Period", &self.period)
            .header("Payments", self.payments)
            .header("Authenticator", self.authenticator)
            .data(&self.data)
    }

    /// Whether the authenticator is the one under this key, K_V.
    pub fn is_authentic(&self, key: &Key) -> bool {
        self.under(key) == self.authenticator
    }
}

impl<A> RequestRedemption<A> {
    /// The message with the authenticator under this key, K_V.
    #[must_use]
    pub fn authenticated(self, key: &Key) -> RequestRedemption {
        let authenticator = self.under(key);
        let RequestRedemption { vendor, batch, period, payments, authenticator: _, data } = self;
        RequestRedemption { vendor, batch, period, payments, authenticator, data }
    }

    fn under(&self, key: &Key) -> Authenticator {
        key.request_redemption(&self.vendor, &self.period, self.batch.as_str(), &self.data)
    }
}

/// Checks that the data consists of this number of records.
pub(super) fn check_records(
    data: &[u8],
    expected: u32,
    size_max: usize,
) -> Result<(), MessageError> {
    if data.len() > size_max {
        let found = data.len();
        return Err(MessageError::Data(format!("{found} bytes, at most {size_max} are allowed")));
    }
    let mut records = Records(data);
    let found = records.by_ref().count();
    let after = records.0.len();
    if found == expected as usize && after == 0 {
        return Ok(());
    }
    let why =
        format!("expected {expected} payments, found {found} and {after} bytes after the last");
    Err(MessageError::Data(why))
}

/// The bytes of the records in data, in order.
pub(super) fn records_in(data: &[u8]) -> Vec<&[u8]> {
    Records(data).collect()
}

/// Reads records from the front of a batch's data, until one is incomplete.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (record, rest) = split_record(self.0)?;
        self.0 = rest;
        Some(record)
    }
}
