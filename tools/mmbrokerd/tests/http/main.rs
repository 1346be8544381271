//! The program as operators start it and programs use it, on SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cgi;
mod clients;
mod forged;
mod limits;
mod program;
mod storage;
mod sync;
mod vendors;
