//! The C library: minting, wallet, paywall and till, for programs in C and every other language.
//!
//! A function here does three things: it checks its pointers, calls one function of the core, and
//! maps the result. The rules that all of them follow (ownership, NULL, errors, threads) are on one
//! page: `docs/reference/c-conventions.md`. The header `include/micromint.h` is generated from
//! these files.
//!
//! `unsafe` relies on what the conventions require of the caller. Each `// SAFETY:` comment names
//! the part of that page that makes it sound:
//!
//! - *Handles*: a pointer to a handle is NULL, or a function of this library returned it and
//!   nothing freed it since. Its type is opaque, so a caller has no other way to get one. So it
//!   points to a live value of its type.
//! - *Threads*: during a call, nothing changes a handle that is passed as `const`, and nothing else
//!   uses one that is not. So a shared or an exclusive reference to it may live as long as the
//!   call.
//! - *Texts and bytes*: a pointer with a length points to that many initialised items, which
//!   nothing changes during the call; with the length 0 it is not read.
//! - *Outputs*, *Errors*: a pointer to an output or an error is NULL, or has room for it. It is
//!   written to and never read.
//! - *Callbacks*: a callback may be called with its `userdata` from any thread, until the object
//!   made with it is freed.
#![allow(non_camel_case_types, reason = "the names that C sees")]
#![allow(unreachable_pub, reason = "exported to C, not to Rust")]
#![allow(clippy::missing_safety_doc, reason = "the conventions say it once for all functions")]

// What every function uses.
mod boundary;
mod buffer;
mod error;
mod filled;
mod host;
mod panics;
mod process;
mod version;

// One file per object, in the order of the core.
mod coins;
mod keys;
mod message;
mod params;

// Minting.
mod mint;
mod mint_merge;
mod mint_state;
mod plan;

// The client.
mod policy;
mod scheme;
mod wallet;
mod wallet_answers;
mod wallet_files;
mod wallet_history;
mod wallet_holdings;
mod wallet_payments;
mod wallet_returns;

// The vendor.
mod decision;
mod fields;
mod head;
mod paywall;
mod request;
mod serving;
mod till;
mod till_batches;

#[cfg(feature = "test-panic")]
mod test_panic;

/// The exported functions and types for Rust: the fuzz target calls them as C does.
#[cfg(feature = "exported")]
pub mod exported {
    pub use crate::buffer::*;
    pub use crate::coins::*;
    pub use crate::decision::*;
    pub use crate::error::*;
    pub use crate::fields::*;
    pub use crate::head::*;
    pub use crate::host::*;
    pub use crate::keys::*;
    pub use crate::message::*;
    pub use crate::mint::*;
    pub use crate::mint_merge::*;
    pub use crate::mint_state::*;
    pub use crate::params::*;
    pub use crate::paywall::*;
    pub use crate::plan::*;
    pub use crate::policy::*;
    pub use crate::request::*;
    pub use crate::scheme::*;
    pub use crate::till::*;
    pub use crate::till_batches::*;
    pub use crate::wallet::*;
    pub use crate::wallet_files::*;
    pub use crate::wallet_history::*;
    pub use crate::wallet_holdings::*;
    pub use crate::wallet_payments::*;
    pub use crate::wallet_returns::*;
}
