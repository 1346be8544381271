//! The pages for people, in a server of this program, on SQLite and on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod browser;
#[macro_use]
#[path = "../broker/databases.rs"]
mod databases;
mod money;
mod operators;
mod people;
mod reader;
mod vendors;
#[allow(dead_code)]
#[path = "../broker/world.rs"]
mod world;
