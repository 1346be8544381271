//! The Apache module: a page of a priced place is served when it was paid for.
//!
//! In goes what Apache knows of a request, out comes Apache's own way of serving or answering. What a
//! payment is worth is decided by [`micromint::vendor`] alone; nothing here knows a coin. The order to
//! read in: `module` (directives, what they set, how they merge), `gate` (the way of a request), `visit`
//! (what is remembered of it), `vendor` (the paywall of one configuration file), then `ap`, the only
//! place with `unsafe`: every callback that Apache makes arrives there, is guarded against panics and
//! handed on in safe terms.
//!
//! Without the feature `module` the crate is empty: see `scripts/build-apache-module.sh`.
#![deny(unsafe_code)]
#![cfg(feature = "module")]

mod gate;
mod module;
mod test_panic;
mod visit;

#[allow(unsafe_code, reason = "the border to Apache: raw pointers in, safe terms out")]
mod ap;
