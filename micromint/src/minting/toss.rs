//! Tossing: which balls of a range of tosses go where.
//!
//! In goes a range of toss numbers, out come its hits: the balls whose fixed bits are right, each with
//! its place, in order of toss. The invariant: a hit list depends on the range alone, not on how the
//! range is cut into units or which thread takes which.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::filled::Filled;
use super::permutation::{GROUP_SIZE, InputKey, Permutation};
use super::place::PLACING_SIZE_PER_HIT;
use crate::hash::HashFunction;
use crate::hash::bulk::{self, BulkSearch, Filter, Found};
use crate::params::Params;

/// The most groups that a thread takes at once: 2^18 tosses.
const UNIT_GROUPS_MAX: u64 = 1024;

/// From so many groups on a bulk search is worth its while: it works on up to 1024 at once.
const BULK_GROUPS_MIN: usize = 128;

/// A ball and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// superbin * 2^v + sub-bin.
    pub(super) place: u64,
    /// The input.
    pub(super) x: u64,
}

/// Tosses the balls of one period.
pub(super) struct Tosser {
    params: Params,
    hash: Box<dyn HashFunction>,
    filter: Filter,
    permutation: Permutation,
    /// What each toss of a group adds to the group's input.
    low: Vec<u64>,
}

impl Tosser {
    pub(super) fn new(params: &Params, key: &InputKey) -> Tosser {
        let raw = params.raw();
        let permutation = Permutation::new(raw.hash, key);
        // A period of fewer than 2^8 tosses (tests) ends within its first group.
        let tosses = GROUP_SIZE.min(1 << raw.input_bits);
        Tosser {
            params: params.clone(),
            hash: params.hash_function(),
            filter: Filter { fixed_count: raw.fixed_count, fixed_bits: raw.fixed_bits },
            low: (0..tosses).map(|j| permutation.low_bits(j)).collect(),
            permutation,
        }
    }

    /// All groups of the period.
    pub(super) fn group_count(&self) -> u64 {
        (1u64 << self.params.raw().input_bits).div_ceil(GROUP_SIZE)
    }

    /// How many groups a thread takes at once.
    fn unit_groups(&self) -> u64 {
        // Small periods are cut finely too, so that all threads have something to do.
        (self.group_count() / 64).clamp(1, UNIT_GROUPS_MAX)
    }

    /// How many hits one unit gives about.
    fn unit_hits(&self) -> u64 {
        (self.unit_groups() * GROUP_SIZE) >> self.filter.fixed_count
    }

    /// How many hits a batch may have: what fits into `memory` beside those of the units under way.
    pub(super) fn hits_max(&self, threads: usize, memory: u64) -> u64 {
        let hits = memory / (size_of::<Hit>() as u64 + PLACING_SIZE_PER_HIT);
        hits.saturating_sub(threads as u64 * self.unit_hits()).max(1)
    }

    /// The hits of some groups in order of toss. `searcher` is this thread's.
    pub(super) fn hits(&self, searcher: &mut Searcher, groups: Range<u64>) -> Vec<Hit> {
        let mut bases = vec![0; (groups.end - groups.start) as usize];
        self.permutation.groups(groups.start, &mut bases);
        // Both searches find the balls in the order of the groups, and those of one group in the order
        // of x, which is that of their tosses.
        self.search(searcher, &bases).into_iter().filter_map(|found| self.hit(found)).collect()
    }

    /// What one thread searches with.
    pub(super) fn searcher(&self) -> Searcher {
        let raw = self.params.raw();
        // A period of less than a group needs single tosses, and a bulk search of few groups wastes most
        // of its lanes.
        let is_bulk = self.unit_groups() >= BULK_GROUPS_MIN as u64;
        Searcher(is_bulk.then(|| BulkSearch::new(raw.hash, raw.iv, self.filter)))
    }

    /// Searches whole groups. This is the one place where minting hashes.
    fn search(&self, searcher: &mut Searcher, bases: &[u64]) -> Vec<Found> {
        let mut found = Vec::new();
        match &mut searcher.0 {
            Some(bulk) => bulk.search(bases, &mut found),
            None => {
                let mut inputs = vec![0; self.low.len()];
                for base in bases {
                    for (x, low) in inputs.iter_mut().zip(&self.low) {
                        *x = base | low;
                    }
                    bulk::plain(self.hash.as_ref(), self.filter, &inputs, &mut found);
                }
            }
        }
        found
    }

    fn hit(&self, found: Found) -> Option<Hit> {
        let bin = self.params.bin_of(found.output)?;
        let place = u64::from(bin.superbin) << self.params.subbin_bits() | u64::from(bin.subbin);
        Some(Hit { place, x: found.x })
    }
}

/// A bulk search, or nothing where plain hashing is used.
pub(super) struct Searcher(Option<BulkSearch>);

/// When a batch of tosses ends, besides at the end of the period.
pub(super) struct Limits<'a> {
    pub(super) threads: usize,
    /// So many hits, or up to one unit per thread more.
    pub(super) hits_max: u64,
    /// Hits for bins that are filled are left out.
    pub(super) filled: Option<&'a Filled>,
    /// Asked after each unit, with the groups tossed so far: whether to go on.
    pub(super) go_on: &'a (dyn Fn(u64) -> bool + Sync),
}

/// What a batch of tosses gave: the hits of all groups up to `end`, unit by unit in order.
pub(super) struct Batch {
    pub(super) end: u64,
    pub(super) units: Vec<Vec<Hit>>,
}

/// Tosses some groups in order, on all threads, until the limits say stop: at least one unit, unless
/// there are none.
pub(super) fn toss_batch(tosser: &Tosser, groups: Range<u64>, limits: &Limits<'_>) -> Batch {
    let (unit, Range { start, end }) = (tosser.unit_groups(), groups);
    let next = AtomicU64::new(start);
    let (hits, tossed) = (AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let units = Mutex::new(Vec::new());
    let work = || {
        let (mut own, mut searcher) = (Vec::new(), tosser.searcher());
        while !is_over.load(Ordering::Relaxed) {
            let first = next.fetch_add(unit, Ordering::Relaxed);
            if first >= end {
                break;
            }
            let last = end.min(first + unit);
            let mut found = tosser.hits(&mut searcher, first..last);
            if let Some(filled) = limits.filled {
                found.retain(|hit| !filled.holds(hit));
            }
            // Room that is not used would count against the memory allowed.
            found.shrink_to_fit();
            let hits = hits.fetch_add(found.len() as u64, Ordering::Relaxed) + found.len() as u64;
            let tossed = tossed.fetch_add(last - first, Ordering::Relaxed) + last - first;
            own.push((first, found));
            if hits >= limits.hits_max || !(limits.go_on)(tossed) {
                is_over.store(true, Ordering::Relaxed);
            }
        }
        units.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
    };
    thread::scope(|scope| {
        for _ in 1..limits.threads {
            scope.spawn(work);
        }
        work();
    });
    let mut units = units.into_inner().unwrap_or_else(PoisonError::into_inner);
    units.sort_unstable_by_key(|(first, _)| *first);
    // Units are handed out in order and each one taken is finished, so they leave no gap.
    let end = units.last().map_or(start, |(first, _)| end.min(first + unit));
    Batch { end, units: units.into_iter().map(|(_, hits)| hits).collect() }
}

/// A rate of tossing that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Tosses a second on all threads together.
    pub tosses_per_second: f64,
    /// How many threads.
    pub threads: usize,
}

/// Measures how fast this machine tosses balls for `params`, for about `time`. `elapsed` tells the time
/// since any fixed moment.
pub fn measure_rate(
    params: &Params,
    threads: usize,
    time: Duration,
    elapsed: &(dyn Fn() -> Duration + Sync),
) -> Rate {
    let tosser = Tosser::new(params, &InputKey::from_bytes([0; 16]));
    let start = elapsed();
    let mut tosses = 0;
    let spent = loop {
        let go_on = |_| elapsed().saturating_sub(start) < time;
        let limits = Limits { threads, hits_max: u64::MAX, filled: None, go_on: &go_on };
        tosses += toss_batch(&tosser, 0..tosser.group_count(), &limits).end * tosser.low.len() as u64;
        let spent = elapsed().saturating_sub(start);
        if spent >= time {
            break spent;
        }
    };
    Rate { tosses_per_second: tosses as f64 / spent.as_secs_f64().max(1e-9), threads }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::HashName;
    use crate::testing::{params_with, resize};

    /// A period large enough for the bulk kernel: its hits are those of plain hashing, toss by toss.
    #[test]
    fn the_bulk_search_and_plain_hashing_give_the_same_hits() {
        let key = InputKey::from_bytes([9; 16]);
        for (hash, t, b) in [(HashName::Des, 8, 31), (HashName::Des, 3, 24), (HashName::Sha256, 8, 31)] {
            let params = params_with(|raw| {
                resize(raw, 15, 6, 4, t, hash);
                raw.input_bits = b;
            });
            let tosser = Tosser::new(&params, &key);
            let mut bulk = tosser.searcher();
            assert!(bulk.0.is_some());
            for groups in [0..130, 5000..5003, tosser.group_count() - 200..tosser.group_count()] {
                let hits = tosser.hits(&mut bulk, groups.clone());
                assert!(!hits.is_empty());
                assert!(hits == tosser.hits(&mut Searcher(None), groups));
            }
        }
    }

    #[test]
    fn a_period_is_tossed_once_whatever_the_threads() {
        let params = crate::testing::test_params();
        let tosser = Tosser::new(&params, &InputKey::from_bytes([9; 16]));
        let all = tosser.hits(&mut Searcher(None), 0..64);
        for threads in [1, 2, 5] {
            let (mut start, mut hits) = (0, Vec::new());
            while start < 64 {
                let limits = Limits { threads, hits_max: 300, filled: None, go_on: &|_| true };
                let batch = toss_batch(&tosser, start..64, &limits);
                assert!(batch.end > start);
                hits.extend(batch.units.into_iter().flatten());
                start = batch.end;
            }
            assert!(hits == all, "{threads} threads");
        }
    }
}
