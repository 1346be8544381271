//! Tests of the broker on SQLite and on a PostgreSQL that the tests start themselves.

#[macro_use]
mod databases;
mod model;
mod redemption;
mod returns;
mod sales;
mod world;
