//! Placing: putting hits into the bins of a coin file.
//!
//! Input: the hits of a stretch of tosses. Output: the file's bins contain them, unless a ball was
//! there before. The invariant: stretches come in order of toss, so a ball that is already there
//! was tossed earlier and stays (the thesis's "existing balls are not overwritten"). Placing a
//! stretch again after a crash in its middle changes nothing: a ball of the stretch that is already
//! there is the earliest for its bin, because a stretch is placed only when all of it was tossed.

use super::hit::Hit;
use crate::coin_file::{
    BALL_COUNT, BIN_SIZE, CoinFile, CoinFileError, SUPERBIN_HEADER_SIZE, Status, Stored,
    superbin_size,
};
use crate::threads::on_threads;

/// Superbins with fewer bytes than this between them are read and written together.
const GAP_MAX: u64 = 16 * 1024;
/// The most that is read and written at once, in bytes, unless one superbin is larger.
const RUN_SIZE_MAX: u64 = 1024 * 1024;

/// Places a stretch: all of `parts`, each in order of bin number, in parallel. Not durable before
/// `coin_file.sync()`.
pub(super) fn place(coin_file: &CoinFile, parts: &[Vec<Hit>]) -> Result<(), CoinFileError> {
    let placed = on_threads(parts.iter(), parts.len(), |hits| place_sorted(coin_file, hits));
    placed.into_iter().collect()
}

/// Places hits that are in order of bin number, in runs of neighbouring superbins.
fn place_sorted(coin_file: &CoinFile, mut hits: &[Hit]) -> Result<(), CoinFileError> {
    let v = coin_file.params().subbin_bits();
    let size = superbin_size(coin_file.params());
    let mut bytes = Vec::new();
    while let Some(hit) = hits.first() {
        let first = hit.bin_number >> v;
        let mut last = first;
        let length = hits
            .iter()
            .position(|hit| {
                let superbin = hit.bin_number >> v;
                let is_far = (superbin - last).saturating_sub(1) * size > GAP_MAX
                    || superbin > first && (superbin - first + 1) * size > RUN_SIZE_MAX;
                if !is_far {
                    last = superbin;
                }
                is_far
            })
            .unwrap_or(hits.len());
        let (run, rest) = hits.split_at(length);
        bytes.resize(((last - first + 1) * size) as usize, 0);
        coin_file.read_superbins(first, &mut bytes)?;
        put_hits(&mut bytes, run, first, v, size);
        // Writes even if nothing changed: after a failed sync the bytes read here may be in memory
        // only, and the system would not write them again by itself.
        coin_file.write_superbins(first, &bytes)?;
        hits = rest;
    }
    Ok(())
}

/// Puts hits into `bytes`, the superbins from `first` on, of `size` bytes each; a ball that is in a
/// bin stays. `v` is the number of sub-bin bits.
pub(super) fn put_hits(bytes: &mut [u8], hits: &[Hit], first: u64, v: u32, size: u64) {
    for hit in hits {
        let (superbin, subbin) = (hit.bin_number >> v, hit.bin_number & ((1 << v) - 1));
        let at = ((superbin - first) * size + SUPERBIN_HEADER_SIZE + subbin * BIN_SIZE) as usize;
        if !Stored::read(bytes, at).exists() {
            Stored { x: hit.x, status: Status::EXISTS }.write(bytes, at);
        }
    }
}

/// Writes the ball count into the header of each superbin in `bytes`. Returns the number of all
/// balls.
pub(super) fn write_counts(bytes: &mut [u8], superbin_size: usize) -> u64 {
    let mut total = 0;
    for superbin in bytes.chunks_exact_mut(superbin_size) {
        let bins = superbin[SUPERBIN_HEADER_SIZE as usize..].chunks_exact(BIN_SIZE as usize);
        let count = bins.filter(|bin| Stored::read(bin, 0).exists()).count();
        BALL_COUNT.set(superbin, count as u32);
        total += count as u64;
    }
    total
}
