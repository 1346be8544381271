//! The hash functions that coins are made with.
//!
//! Input: a ball's x. Output: 64 bits, whose leading n bits are the ball's output y. MicroMint
//! works with any function (thesis 3.2.1); here a function is a name, an input width w, and
//! [`HashFunction::hash`] under the period's iv. A single input is hashed by the plain crates. The
//! balls of payments ([`HashFunction::hash_many`]) and minting ([`bulk`]) have faster
//! implementations, which must agree with the crates for every ball.

pub mod bulk;
mod des;
mod des_few;
mod des_tables;
mod sha256;

use std::fmt;
use std::str::FromStr;

use crate::error::clip;

pub(crate) use self::des_tables::DES_UNUSED_IN_ROUND_1;
pub(crate) use self::sha256::leading_u64;

/// The hash function of a period: the value of `hashfn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashName {
    /// `des`: DES encryption of the iv under the key made from x (thesis 3.2.1).
    Des,
    /// `sha256`: the first 8 bytes of SHA-256(iv || x).
    Sha256,
}

/// The text is not the name of a hash function.
#[derive(Debug, thiserror::Error)]
#[error("expected hashfn \"des\" or \"sha256\", found {0:?}")]
pub struct HashNameError(String);

/// A hash function under one iv.
///
/// ```
/// use micromint::hash::HashName;
///
/// let hash = HashName::Des.with_iv(0x0123_4567_89ab_cdef);
/// let x = [1, 2, (1 << HashName::Des.input_width()) - 1];
/// let mut y = [0; 3];
/// hash.hash_many(&x, &mut y);
/// assert_eq!(y, x.map(|x| hash.hash(x)));
/// ```
pub trait HashFunction: Send + Sync + fmt::Debug {
    /// Which function it is.
    fn name(&self) -> HashName;

    /// The 64-bit output for `x`, which must be below 2^w ([`HashName::input_width`]).
    fn hash(&self, x: u64) -> u64;

    /// Hashes `x[i]` to `y[i]`. If the slices differ in length, the shorter one determines how
    /// many.
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

    /// The name as used in configurations and messages.
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
            other => Err(HashNameError(clip(other))),
        }
    }
}

impl fmt::Display for HashName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
