//! The nginx module: serves a page of a priced location once it is paid for.
//!
//! Input: nginx's view of a request. Output: nginx's way of serving or answering it. Only
//! [`micromint::vendor`] decides about payments; this crate contains no rule about coins. Reading
//! order: `module` (directives and what they set), `handlers` (the path of a request through the
//! paywall), `visit` (what is stored about it), then `sys`, the only place with `unsafe`. Every
//! callback from nginx arrives in `sys`, is guarded against panics, and is passed on in safe terms.
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
