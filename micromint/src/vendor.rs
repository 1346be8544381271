//! The vendor: prices, the check of payments, the till and the paywall (thesis 3.3).
//!
//! In goes a request as a web server received it, out comes what to do with it. Every web server
//! module and the C library call the same functions and so cannot disagree.
//!
//! The modules below stand in the order in which a request passes them.

pub mod http;

mod outcome;

mod config_error;
mod periods;

pub mod config;

pub mod price;

pub mod origin;

mod carrier;

mod receipt;

mod conditions;

mod challenger;

pub mod cors;

mod accept;

mod answer;
pub mod page;
mod problem;

mod manifest;

pub mod check;

pub mod lists;

mod accepted;

pub mod redemption;

mod views;

pub mod cache;
mod head;

mod event;
pub mod metrics;

pub mod paywall;

mod serving;

pub use answer::{CHALLENGE_LEN_MAX, REQUEST_HEADER_LEN_MAX, price_unreadable, unavailable};
pub use carrier::{PAYMENT_HEADER_LEN_MAX, brings_payment};
pub use manifest::MANIFEST_PATH;
pub use receipt::{RECEIPT_PATH_LEN_MAX, ReceiptPathError, parse_receipt_path};
pub use serving::{Decided, Vendor};

use crate::protocol::Refusal;
