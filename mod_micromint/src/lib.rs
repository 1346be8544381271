//! The Apache module: serves a page of a priced place once it is paid for.
//!
//! Input: Apache's view of a request. Output: Apache's way of serving or answering it. Only
//! [`micromint::vendor`] decides about payments; this crate contains no rule about coins. Reading
//! order: `module` (directives, what they set, how they merge), `handlers` (the path of a request),
//! `visit` (what is stored about it), then `ap`, the only place with `unsafe`. Every callback from
//! Apache arrives in `ap`, is guarded against panics, and is passed on in safe terms.
//!
//! Without the feature `module` the crate is empty: see `scripts/build-apache-module.sh`.
#![deny(unsafe_code)]
#![cfg(feature = "module")]

mod handlers;
mod module;
mod test_panic;
mod visit;

#[allow(unsafe_code, reason = "the border to Apache: raw pointers in, safe terms out")]
mod ap;
