//! The nginx module in a real nginx.
//!
//! Build it first: `scripts/build-nginx-module.sh` and `scripts/build-nginx-module.sh --for-tests`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod caches;
mod cases;
mod charges;
mod hostile;
mod life;
mod load;
mod owners;
mod paying;
mod places;
mod price_list;
mod recipes;
mod refusals;
mod reversals;
mod scheme;
mod transport;
mod twins;
mod webmaster;
