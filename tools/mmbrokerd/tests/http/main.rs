//! The program as operators start it and programs use it, on SQLite.

mod clients;
mod limits;
mod program;
mod vendors;
