//! The hash functions that coins are made with.
//!
//! In goes a ball's input x, out comes 64 bits, the leading n of which are the ball's output y.
//! MicroMint does not care which function it is (thesis 3.2.1); a function is a name, an input width
//! w, and [`HashFunction::hash`] under the period's iv. One input goes through the plain crates; the
//! balls of payments ([`HashFunction::hash_many`]) and minting ([`bulk`]) have ways of our own, which must
//! agree with them ball for ball.

pub mod bulk;
mod des;
mod des_few;
mod des_tables;
mod sha256;

use std::fmt;
use std::str::FromStr;

pub use self::des::DES_UNUSED_IN_ROUND_1;
pub(crate) use self::sha256::leading_u64;

/// Which hash function a period uses: the value of `hashfn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashName {
    /// `des`: DES encryption of the iv under the key made from x (thesis 3.2.1).
    Des,
    /// `sha256`: the first 8 bytes of SHA-256(iv || x).
    Sha256,
}

/// The text names no hash function.
#[derive(Debug, thiserror::Error)]
#[error("expected hashfn \"des\" or \"sha256\", found {0:?}")]
pub struct HashNameError(String);

/// A hash function under one iv.
pub trait HashFunction: Send + Sync + fmt::Debug {
    /// Which function it is.
    fn name(&self) -> HashName;

    /// The 64-bit output for `x`, which must be below 2^w ([`HashName::input_width`]).
    fn hash(&self, x: u64) -> u64;

    /// Hashes `x[i]` to `y[i]`. Both slices have one length; the shorter one decides.
    fn hash_many(&self, x: &[u64], y: &mut [u64]) {
        for (x, y) in x.iter().zip(y) {
            *y = self.hash(*x);
        }
    }
}

impl HashName {
    /// The width w of the input in bits: every ball has x < 2^w.
    pub const fn input_width(self) -> u32 {
        match self {
            HashName::Des => 56,
            HashName::Sha256 => 60,
        }
    }

    /// The function under a period's `iv`.
    pub fn with_iv(self, iv: u64) -> Box<dyn HashFunction> {
        match self {
            HashName::Des => Box::new(des::Des::new(iv)),
            HashName::Sha256 => Box::new(sha256::Sha256::new(iv)),
        }
    }

    /// The name as it stands in configurations and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            HashName::Des => "des",
            HashName::Sha256 => "sha256",
        }
    }
}

impl FromStr for HashName {
    type Err = HashNameError;

    fn from_str(text: &str) -> Result<Self, HashNameError> {
        match text {
            "des" => Ok(HashName::Des),
            "sha256" => Ok(HashName::Sha256),
            other => Err(HashNameError(other.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for HashName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
