//! The vendor: prices, the check of payments, receipts and the paywall (thesis 3.3).
//!
//! In goes a [`Request`] as a web server received it, out comes a [`Decision`]. Every web server
//! module and the C library call the same functions, so they cannot disagree.
//!
//! The modules below stand in order of use; `scripts/check-modules.sh` refuses a cycle among them.

// What passes between a server and the paywall.
mod request;

mod charge;
mod merge;

mod decision;
mod event;

pub mod cache;
mod head;

// What a request asks for, and what it brings.
pub mod price;

pub mod origin;

mod carrier;
mod stripped;

mod receipt;

mod conditions;

pub mod cors;

// What answers are made of.
mod config_error;

pub mod page;

mod periods;

pub mod config;

mod manifest;

mod accept;
mod problem;

mod answer;

// What a payment is checked by.
pub mod lists;

pub mod check;

mod accepted;

mod challenger;

mod views;

// The paywall.
mod paywall;

mod serving;

// Beside it.
pub mod metrics;

pub mod redemption;

pub use answer::{CHALLENGE_LEN_MAX, REQUEST_HEADER_LEN_MAX, price_unreadable, unavailable};
pub use carrier::{PAYMENT_HEADER_LEN_MAX, brings_payment};
pub use charge::Charge;
pub use decision::{About, Answer, Decision, Serve, Step};
pub use event::Event;
pub use head::HeadChanges;
pub use manifest::MANIFEST_PATH;
pub use merge::{Merge, MergeRule};
pub use paywall::{Paywall, PaywallError};
pub use receipt::{RECEIPT_PATH_LEN_MAX, ReceiptPathError, parse_receipt_path};
pub use request::{Content, HEADERS_READ, Place, Request, RequestBuf};
pub use serving::{Decided, Vendor};
