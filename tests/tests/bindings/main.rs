//! The bindings for other languages, in real applications. `make test-bindings` builds what they
//! need.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attacks;
mod cases;
mod guide;
