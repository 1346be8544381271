//! Which bins are filled: one bit a bin, so that later balls for them are dropped at once.

use super::toss::Hit;
use crate::params::Params;

/// The filled bins.
pub(super) struct Filled(Vec<u64>);

impl Filled {
    /// None filled.
    pub(super) fn new(params: &Params) -> Filled {
        Filled(vec![0; (Filled::size(params) / 8) as usize])
    }

    /// The memory that it takes, in bytes.
    pub(super) fn size(params: &Params) -> u64 {
        (params.superbin_count() << params.subbin_bits()).div_ceil(64) * 8
    }

    /// Whether the bin of this hit is filled.
    pub(super) fn holds(&self, hit: &Hit) -> bool {
        self.0[(hit.place / 64) as usize] & 1 << (hit.place % 64) != 0
    }

    /// Fills the bins of these hits.
    pub(super) fn fill(&mut self, hits: &[Hit]) {
        for hit in hits {
            self.0[(hit.place / 64) as usize] |= 1 << (hit.place % 64);
        }
    }
}
