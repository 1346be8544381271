//! The Apache module in a real Apache: what clients receive, what the till contains, what is
//! logged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod bodies;
mod cases;
mod content;
mod guide;
mod life;
mod owners;
mod paying;
mod places;
mod price_list;
mod prices;
mod recipes;
mod reports;
mod sanitizer;
mod support;
mod transport;
mod upgrades;
mod valgrind;
