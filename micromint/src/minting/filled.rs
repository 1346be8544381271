//! Which bins are filled: one bit per bin, so that later balls for them are dropped early.

use super::hit::Hit;
use crate::params::Params;

/// The filled bins.
pub(super) struct Filled(Vec<u64>);

impl Filled {
    /// No bin is filled.
    pub(super) fn new(params: &Params) -> Filled {
        Filled(vec![0; (Filled::size(params) / 8) as usize])
    }

    /// Whether it takes at most half of `memory`, in bytes, so that enough is left for hits.
    pub(super) fn fits(params: &Params, memory: u64) -> bool {
        Filled::size(params) <= memory / 2
    }

    /// The memory that it takes, in bytes.
    pub(super) fn size(params: &Params) -> u64 {
        (params.superbin_count() << params.subbin_bits()).div_ceil(64) * 8
    }

    /// Drops the hits whose bins are filled.
    pub(super) fn drop_held(&self, hits: &mut Vec<Hit>) {
        let mut kept = 0;
        for i in 0..hits.len() {
            // This loop has no branch, which the processor could not predict, so it fetches several
            // bits in parallel.
            let hit = hits[i];
            hits[kept] = hit;
            kept += usize::from(!self.holds(&hit));
        }
        hits.truncate(kept);
    }

    fn holds(&self, hit: &Hit) -> bool {
        self.0[(hit.bin_number / 64) as usize] & 1 << (hit.bin_number % 64) != 0
    }

    /// Fills the bins of these hits.
    pub(super) fn fill(&mut self, hits: &[Hit]) {
        for hit in hits {
            self.0[(hit.bin_number / 64) as usize] |= 1 << (hit.bin_number % 64);
        }
    }
}
