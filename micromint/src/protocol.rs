//! The messages between broker, client and vendor (thesis 3.1, `application/x-micromint`).
//!
//! Input: text from outside. Output: typed messages whose every field is well formed; printing one
//! returns the text. A message that does not parse is an error here, while a refused coin is an
//! answer elsewhere. The invariant: every size that a sender controls has a bound, and parsing
//! takes time linear in the size of the text.

// Text into headers and data.
mod frame;
mod text;

// Names, words and reasons.
mod names;

mod refusal;

mod request_outcome;

// What a message has before its authenticator.
mod unsigned;

// One file for each message, in the order of a coin's life.
mod funds_withdrawn;

mod request_payment;

mod payment;

mod payment_record;

mod invalid_payment;

mod request_redemption;

mod blocked;

mod redemption_reader;
mod redemption_result;

mod owners_sold;

mod request_watch;

mod send_expired;

mod request_credit;

mod funds_credited;

mod verdict;

// A message of any type.
mod any;

pub use any::Message;
pub use blocked::{BLOCKED_PER_RESULT_MAX, Blocked};
pub use frame::{Frame, HEADER_COUNT_MAX, LINE_LEN_MAX, MessageError};
pub use funds_credited::FundsCredited;
pub use funds_withdrawn::{
    FUNDS_WITHDRAWN_SIZE_MAX, FundsWithdrawn, SETS_PER_WITHDRAWAL_MAX, SoldSet,
};
pub use invalid_payment::InvalidPayment;
pub(crate) use names::{
    CRAWLER_EXACT_HEADER, CRAWLER_MAX_HEADER, LLMS_PATH, OPENAPI_PATH, PRICES_PATH,
    RECEIPT_COOKIE_PREFIX,
};
pub use names::{
    MANIFEST_PATH, MEDIA_TYPE, NOT_SOLD_HEADER, PAYMENT_HEADER, PERIOD_HEADER, PROBLEM_MEDIA_TYPE,
    REQUEST_HEADER, STATUS_HEADER,
};
pub use owners_sold::{OWNERS_PER_ANSWER_MAX, OwnersSold, RequestOwners};
pub use payment::{COINS_PER_PAYMENT_MAX, OWNER_TOKENS_MAX, PAYMENT_SIZE_MAX, Payment};
pub use payment_record::PaymentRecord;
pub use redemption_reader::{ReadRedemption, RedemptionHead, RedemptionReader};
pub use redemption_result::RedemptionResult;
pub use refusal::{Refusal, UnknownRefusal};
pub use request_credit::{CREDIT_COINS_MAX, RequestCredit};
pub use request_outcome::{RequestOutcome, UnknownOutcome};
pub use request_payment::{PERIODS_PER_REQUEST_MAX, PeriodPrice, RequestPayment};
pub use request_redemption::{
    BATCH_DATA_SIZE_MAX, BATCH_PAYMENTS_MAX, RequestRedemption, push_record, split_record,
};
pub use request_watch::{RequestWatch, WATCH_DATA_SIZE_MAX, WATCH_PAYMENTS_MAX, WatchResult};
pub use send_expired::SendExpired;
#[cfg(any(feature = "vendor", feature = "wallet"))]
pub(crate) use text::is_printable;
pub use text::{
    ID_LEN_MAX, Id, IdError, TEXT_LEN_MAX, URL_LEN_MAX, Url, UrlError, is_printable_char,
    parse_decimal,
};
pub use unsigned::Unsigned;
pub use verdict::Verdict;
