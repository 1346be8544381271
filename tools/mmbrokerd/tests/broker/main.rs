//! Tests of the broker on SQLite and on a PostgreSQL that the tests start themselves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod databases;

mod blocked;
mod bounds;
mod disputes;
mod faults;
mod model;
mod redemption;
mod relocate;
mod restore;
mod returns;
mod sales;
mod statements;
mod vendor_keys;
mod vendors;
mod world;
