//! The wallet of the browser extension: `micromint::wallet` behind one function, for wasm32.
//!
//! Input: a command in JSON and bytes that go with it. Output: an answer in JSON, the part of the
//! wallet file that is not stored yet, and bytes that go with the answer. Everything that decides
//! about coins is here or in the core; the TypeScript around it carries.
//!
//! The boundary of a wasm library, in one file ([`boundary`]): three exported functions and one
//! imported one. `docs/reference/extension.md` describes them.

pub mod amount;
pub mod complaint;
pub mod decide;
pub mod hint;
pub mod memory;
pub mod session;
pub mod settings;
pub mod view;

#[cfg(target_family = "wasm")]
pub mod boundary;
