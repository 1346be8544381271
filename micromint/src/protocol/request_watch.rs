//! Request-Watch and Watch-Result: payments that a vendor has just taken, shown to the broker, and
//! what the broker found. Nothing is credited.

use super::frame::{Printer, text_size_max};
use super::request_redemption::{check_records, records_in};
use super::verdict::{verdicts_from, verdicts_to_bytes};
use super::{Blocked, Frame, Id, MessageError, Verdict};
use crate::authenticator::{Authenticator, Key};
use crate::identity::VendorId;
use crate::period::Period;

/// The largest number of payments in one Request-Watch.
pub const WATCH_PAYMENTS_MAX: u32 = 10_000;
/// The largest data in one Request-Watch, in bytes; a vendor with more sends several.
pub const WATCH_DATA_SIZE_MAX: usize = 8 * 1024 * 1024;
/// The largest Request-Watch message, in bytes.
const REQUEST_SIZE_MAX: usize = text_size_max(WATCH_DATA_SIZE_MAX);
/// The largest number of verdicts: one for each coin, and a coin takes at least the 16 bytes of two
/// balls. There are no more unreadable payments than a Request-Watch may contain.
const VERDICTS_MAX: usize = WATCH_DATA_SIZE_MAX / 16 + WATCH_PAYMENTS_MAX as usize;
/// The largest Watch-Result message, in bytes.
const RESULT_SIZE_MAX: usize = text_size_max(VERDICTS_MAX);

/// Payments that were just taken, from vendor to broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestWatch<A = Authenticator> {
    /// The vendor.
    pub vendor: VendorId,
    /// The period of all coins.
    pub period: Period,
    /// Identifies the message; a repeated one has the same identifier and content.
    pub watch: Id,
    /// The number of payments, at most [`WATCH_PAYMENTS_MAX`].
    pub payments: u32,
    /// Computed with K_W over Vendor-ID, Period, Watch-ID and data.
    pub authenticator: A,
    /// For each payment the length of its [`PaymentRecord`](super::PaymentRecord) as a big-endian
    /// u32, and the record.
    pub data: Vec<u8>,
}

impl RequestWatch {
    /// Parses a Request-Watch. The records in it are not parsed: a malformed one gets a verdict of
    /// its own.
    ///
    /// # Errors
    /// The text is not one, or its data does not have the stated number of records.
    pub fn parse(text: &[u8]) -> Result<RequestWatch, MessageError> {
        let frame = Frame::parse(text, REQUEST_SIZE_MAX)?;
        frame.expect_type("Request-Watch")?;
        let request = RequestWatch {
            vendor: frame.parsed("Vendor-ID")?,
            period: frame.parsed("Period")?,
            watch: frame.parsed("Watch-ID")?,
            payments: frame.number("Payments", WATCH_PAYMENTS_MAX.into())? as u32,
            authenticator: frame.parsed("Authenticator")?,
            data: frame.into_data()?,
        };
        check_records(&request.data, request.payments, WATCH_DATA_SIZE_MAX)?;
        Ok(request)
    }

    /// The bytes of the payment records, in order.
    pub fn records(&self) -> Vec<&[u8]> {
        records_in(&self.data)
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Request-Watch")
            .header("Vendor-ID", &self.vendor)
            .header("Period", &self.period)
            .header("Watch-ID", &self.watch)
            .header("Payments", self.payments)
            .header("Authenticator", self.authenticator)
            .data(&self.data)
    }

    /// Whether the authenticator is the one under this key, K_W.
    pub fn is_authentic(&self, key: &Key) -> bool {
        self.under(key) == self.authenticator
    }
}

impl<A> RequestWatch<A> {
    /// The message with the authenticator under this key, K_W.
    #[must_use]
    pub fn authenticated(self, key: &Key) -> RequestWatch {
        let authenticator = self.under(key);
        let RequestWatch { vendor, period, watch, payments, authenticator: _, data } = self;
        RequestWatch { vendor, period, watch, payments, authenticator, data }
    }

    fn under(&self, key: &Key) -> Authenticator {
        key.request_watch(&self.vendor, &self.period, self.watch.as_str(), &self.data)
    }
}

/// A verdict on every coin that was shown, from broker to vendor. The vendor acts on verdicts that
/// concern its own users; nothing is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchResult<A = Authenticator> {
    /// The vendor of the request.
    pub vendor: VendorId,
    /// Its period.
    pub period: Period,
    /// Its identifier.
    pub watch: Id,
    /// The users whom the vendor should stop serving.
    pub blocked: Blocked,
    /// Computed with K_W over Vendor-ID, Period, Watch-ID, the users in `blocked` and data.
    pub authenticator: A,
    /// One verdict for each coin, in order. A record that cannot be read has one.
    pub verdicts: Vec<Verdict>,
}

impl WatchResult {
    /// Parses a Watch-Result.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse(text: &[u8]) -> Result<WatchResult, MessageError> {
        let frame = Frame::parse(text, RESULT_SIZE_MAX)?;
        frame.expect_type("Watch-Result")?;
        Ok(WatchResult {
            vendor: frame.parsed("Vendor-ID")?,
            period: frame.parsed("Period")?,
            watch: frame.parsed("Watch-ID")?,
            blocked: Blocked::from_frame(&frame)?,
            authenticator: frame.parsed("Authenticator")?,
            verdicts: verdicts_from(&frame.into_data()?)?,
        })
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Watch-Result")
            .header("Vendor-ID", &self.vendor)
            .header("Period", &self.period)
            .header("Watch-ID", &self.watch)
            .header_if(self.blocked.header())
            .header("Authenticator", self.authenticator)
            .data(&verdicts_to_bytes(&self.verdicts))
    }

    /// Whether the authenticator is the one under this key, K_W.
    pub fn is_authentic(&self, key: &Key) -> bool {
        self.under(key) == self.authenticator
    }
}

impl<A> WatchResult<A> {
    /// The message with the authenticator under this key, K_W.
    #[must_use]
    pub fn authenticated(self, key: &Key) -> WatchResult {
        let authenticator = self.under(key);
        let WatchResult { vendor, period, watch, blocked, authenticator: _, verdicts } = self;
        WatchResult { vendor, period, watch, blocked, authenticator, verdicts }
    }

    fn under(&self, key: &Key) -> Authenticator {
        let data = verdicts_to_bytes(&self.verdicts);
        let watch = self.watch.as_str();
        key.watch_result(&self.vendor, &self.period, watch, &self.blocked.to_string(), &data)
    }
}
