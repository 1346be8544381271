//! The nginx module: a page of a priced location is served when it was paid for.
//!
//! In goes what nginx knows of a request, out comes nginx's own way of serving or answering. What a
//! payment is worth is decided by [`micromint::vendor`] alone; nothing here knows a coin. The order to
//! read in: `module` (directives and what they set), `handlers` (the way of a request through the
//! gate), `visit` (what is remembered of it), `vendor` (the paywall of one configuration file), then
//! `sys`, the only place with `unsafe`: every callback that nginx makes arrives there, is guarded
//! against panics and handed on in safe terms.
//!
//! Without the feature `module` the crate is empty: see `scripts/build-nginx-module.sh`.
#![deny(unsafe_code)]
#![cfg(feature = "module")]

mod handlers;
mod module;
mod test_panic;
mod visit;

#[allow(unsafe_code, reason = "the border to nginx: raw pointers in, safe terms out")]
mod sys;
