//! MicroMint: micropayments whose coins are hash collisions.
//!
//! A *broker* tosses balls (hash inputs) into bins (hash outputs) for a whole month and sells sets of
//! bins to *clients*. A client picks k balls from a set to form a *coin* that is good at one *vendor*,
//! and the vendor checks it by hashing alone: no third party, no database, no public-key operation.
//! The broker pays the vendor for each first ball once.
//!
//! The scheme is R. Rivest's and A. Shamir's (1996); the messages, the files and the modules follow
//! J. Burstein, *An Implementation of MicroMint* (MIT, 1998), called "the thesis" throughout.
//!
//! Everything that decides lives here and is pure: clock, randomness and files are passed in
//! ([`host`]). The C library, the nginx and Apache modules and the command-line tools only translate.
//!
//! The modules below stand in reading order.
#![forbid(unsafe_code)]
#![deny(rustdoc::broken_intra_doc_links)]

#[cfg(all(feature = "vendor", target_family = "wasm"))]
compile_error!("the feature `vendor` needs files on disk, which wasm does not have");

// What a coin is.
pub mod params;
pub mod period;

pub mod money;

pub mod hash;

pub mod bin;

mod host_name;

pub mod identity;

pub mod coin;

// Keys, and who bought what.
pub mod authenticator;

pub mod key_file;

pub mod owner;

// The words between the actors.
pub mod protocol;

pub mod scheme;

// Making and keeping coins: the feature `mint`.
#[cfg(feature = "mint")]
pub mod minting;

#[cfg(feature = "mint")]
pub mod coin_file;

// Selling and buying back: the feature `broker`.
#[cfg(feature = "broker")]
pub mod broker;

// The client: the feature `wallet`.
#[cfg(feature = "wallet")]
pub mod wallet;

// Which coins were spent at a web site: the feature `vendor`.
#[cfg(feature = "vendor")]
pub mod till;

// The web site: the feature `vendor`.
#[cfg(feature = "vendor")]
pub mod vendor;

// The bytes of all files. Each role uses a part of the codec, and all roles together the whole.
#[cfg_attr(not(all(feature = "broker", feature = "wallet", feature = "vendor")), allow(dead_code))]
mod bytes;

// What a program passes in.
pub mod host;
pub mod time;

pub mod journal;

pub mod toml_file;

pub mod error;

pub mod reply;

// For tests of this crate and of those above it.
#[cfg(feature = "simulated-host")]
#[doc(hidden)]
pub mod testing;
