//! Where the fast search for balls lives: many inputs at once, keeping only those whose output begins
//! with the fixed bits.
//!
//! In goes a list of inputs x, out come the balls (x and its 64-bit output) that pass the filter, in
//! the order of the list. [`plain`] is the reference: every faster search must find exactly the same.

use super::HashFunction;

/// A ball found by a search: an input and its 64-bit output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The input.
    pub x: u64,
    /// The whole 64-bit output; its leading n bits are y.
    pub output: u64,
}

/// Which outputs a search keeps: those whose leading `fixed_count` bits equal `fixed_bits`.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// t, the number of fixed bits, 0 to 63.
    pub fixed_count: u32,
    /// Their value, below 2^t.
    pub fixed_bits: u64,
}

impl Filter {
    /// Whether `output` passes.
    #[inline]
    pub fn passes(self, output: u64) -> bool {
        self.fixed_count == 0 || output >> (64 - self.fixed_count) == self.fixed_bits
    }
}

/// The plain search, by the crate that also checks coins.
pub fn plain(hash: &dyn HashFunction, filter: Filter, x: &[u64], found: &mut Vec<Found>) {
    for &x in x {
        let output = hash.hash(x);
        if filter.passes(output) {
            found.push(Found { x, output });
        }
    }
}
