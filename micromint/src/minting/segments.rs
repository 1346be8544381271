//! Merging sorted runs of hits into one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::error::MintError;
use super::run_file::{RunReader, RunWriter};

/// How many hits are merged between two looks at whether to stop.
const HITS_BETWEEN_LOOKS: u64 = 1 << 16;

/// Merges runs, given in the order of their tosses: of several hits for one place the one tossed first
/// is kept. `progress` is told the hits merged and all hits, and says whether to go on. Returns whether
/// it came to the end.
pub(super) fn merge_runs(
    mut runs: Vec<RunReader<'_>>,
    writer: &mut RunWriter,
    progress: &dyn Fn(u64, u64) -> bool,
) -> Result<bool, MintError> {
    let total = runs.iter().map(|run| run.run().header().hit_count).sum();
    // The least place first, and among equal ones the earliest run.
    let mut heads = BinaryHeap::new();
    for (i, run) in runs.iter_mut().enumerate() {
        heads.extend(run.current()?.map(|hit| Reverse((hit.place, i))));
    }
    let (mut done, mut last_place) = (0, None);
    while let Some(Reverse((place, i))) = heads.pop() {
        if let Some(hit) = runs[i].current()?
            && last_place.replace(place) != Some(place)
        {
            writer.push(hit)?;
        }
        runs[i].advance();
        heads.extend(runs[i].current()?.map(|hit| Reverse((hit.place, i))));
        done += 1;
        if done % HITS_BETWEEN_LOOKS == 0 && !progress(done, total) {
            return Ok(false);
        }
    }
    progress(total, total);
    Ok(true)
}
