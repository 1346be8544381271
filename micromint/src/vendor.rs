//! The vendor: prices, the check of payments, the till and the paywall (thesis 3.3).
//!
//! In goes a request as a web server received it, out comes what to do with it. Every web server
//! module and the C library call the same functions and so cannot disagree.

pub mod http;
pub mod paywall;
mod refusal;

pub use refusal::Refusal;
