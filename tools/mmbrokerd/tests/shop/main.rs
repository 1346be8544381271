//! The pages for people, in a server of this program, on SQLite and on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod billing;
mod booking;
mod browser;
#[macro_use]
#[path = "../broker/databases.rs"]
mod databases;
mod device;
mod held;
mod hostile;
mod lists;
mod mail;
mod minting;
mod money;
mod operators;
mod passkeys;
mod people;
mod random;
mod reader;
mod trial;
mod vendors;
#[allow(dead_code)]
#[path = "../broker/world.rs"]
mod world;
