//! The broker of MicroMint as a service: it sells sets, redeems what vendors received, and credits
//! what clients return, over HTTP, with a SQL database.
//!
//! Input: requests. Output: answers. The invariants are those of the thesis (3.2, 4.1.1, 4.2): no
//! set is sold twice, no first ball is paid twice, every change is durable with its money before it
//! is answered. Who is paid is decided by the pure functions of [`micromint::broker`].

pub mod config;
pub mod http;
pub mod minting;
mod places;
pub mod programs;
pub mod service;
pub mod shop;
pub mod store;
