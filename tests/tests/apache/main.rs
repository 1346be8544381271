//! The Apache module in a real Apache, as a whole: what clients get, what stays in the till, what the logs say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod cases;
mod content;
mod guide;
mod life;
mod paying;
mod places;
mod prices;
mod sanitizer;
mod support;
mod telling;
mod transport;
mod valgrind;
