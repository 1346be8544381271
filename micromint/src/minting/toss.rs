//! Tossing: which balls of a range of tosses go into which bins.
//!
//! Input: a range of toss numbers. Output: its hits in order of toss, each with its bin. A hit is
//! the first good ball of its group, that is, the first whose fixed bits are right: a ball that was
//! sold then shows which of its siblings are not stored, and nothing else. The invariant: the hits
//! depend on the range alone, not on how it is divided into units or which thread takes which unit,
//! and not on the bins that are filled already.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::filled::Filled;
use super::hit::{Hit, SORTING_SIZE_PER_HIT};
use super::permutation::{InputKey, Permutation};
use crate::hash::HashFunction;
use crate::hash::bulk::{self, BulkSearch, Filter, Found, WalkBits};
use crate::params::Params;
use crate::threads::on_threads;

/// The most tosses that a thread takes at once.
const UNIT_TOSSES_MAX: u64 = 1 << 18;

/// The most hits of a stretch, however large the memory: 4 GiB including the memory for sorting.
/// More would not sort faster and would take memory from the system's file cache.
const STRETCH_HITS_MAX: u64 = 1 << 27;

/// A stretch stores its hits in chunks, about this many per thread.
const CHUNKS_PER_THREAD: u64 = 32;
/// The most hits of a chunk.
const CHUNK_HITS_MAX: u64 = 1 << 16;

/// The fewest groups for which a bulk search is faster: it works on up to 1024 at once.
const BULK_GROUPS_MIN: usize = 128;

/// Tosses the balls of one period.
pub(super) struct Tosser {
    params: Params,
    hash: Box<dyn HashFunction>,
    filter: Filter,
    permutation: Permutation,
    walk: WalkBits,
    /// The bits that each toss of a group adds to the group's input.
    low: Vec<u64>,
    /// The chunks of earlier stretches, for reuse.
    chunks: Mutex<Vec<Vec<Hit>>>,
}

impl Tosser {
    pub(super) fn new(params: &Params, key: &InputKey, walk: WalkBits) -> Tosser {
        let raw = params.raw();
        let permutation = Permutation::new(params, key, walk);
        // A period of fewer tosses than a group (tests) ends within its first group.
        let tosses = permutation.group_size().min(1 << raw.input_bits);
        Tosser {
            params: params.clone(),
            hash: params.hash_function(),
            filter: Filter { fixed_count: raw.fixed_count, fixed_bits: raw.fixed_bits },
            low: (0..tosses).map(|j| permutation.low_bits(j)).collect(),
            permutation,
            walk,
            chunks: Mutex::new(Vec::new()),
        }
    }

    /// The tosses of a group.
    pub(super) fn group_size(&self) -> u64 {
        self.permutation.group_size()
    }

    /// All groups of the period.
    pub(super) fn group_count(&self) -> u64 {
        (1u64 << self.params.raw().input_bits).div_ceil(self.group_size())
    }

    /// The number of groups that a thread takes at a time.
    fn unit_groups(&self) -> u64 {
        // Small periods are divided finely too, so that every thread has work.
        (self.group_count() / 64).clamp(1, UNIT_TOSSES_MAX / self.group_size())
    }

    /// The approximate number of hits that one unit yields, at most one for each group.
    fn unit_hits(&self) -> u64 {
        let groups = self.unit_groups();
        ((groups * self.group_size()) >> self.filter.fixed_count).min(groups)
    }

    /// The most hits of a stretch: as many as fit into `memory` together with the memory for
    /// sorting, besides the chunks and units in progress.
    pub(super) fn hits_max(&self, threads: usize, memory: u64) -> u64 {
        // If few balls hit, each hit takes an entry in the list of units.
        let per_hit = size_of::<Hit>() as u64 + size_of::<Unit>() as u64 / self.unit_hits().max(1);
        let hits = (memory / (per_hit + SORTING_SIZE_PER_HIT)).min(STRETCH_HITS_MAX);
        let under_way = hits / CHUNKS_PER_THREAD + threads as u64 * self.unit_hits();
        hits.saturating_sub(under_way).max(1)
    }

    /// Replaces `hits` by those of some groups, in order of toss. `searcher` is this thread's.
    pub(super) fn hits(&self, searcher: &mut Searcher, groups: Range<u64>, hits: &mut Vec<Hit>) {
        searcher.bases.resize((groups.end - groups.start) as usize, 0);
        self.permutation.groups(groups.start, &mut searcher.bases);
        self.search(searcher);
        hits.clear();
        hits.extend(searcher.found.iter().filter_map(|found| self.hit(*found)));
    }

    /// The first good ball of the group of each of `inputs`, if there is one. `searcher` is this
    /// thread's.
    pub(super) fn first_balls(&self, searcher: &mut Searcher, inputs: &[u64]) -> Vec<Option<u64>> {
        searcher.bases.clear();
        searcher.bases.extend(inputs.iter().map(|x| self.base_of(*x)));
        searcher.bases.dedup();
        self.search(searcher);
        let mut found = searcher.found.iter().map(|ball| ball.x).peekable();
        let (mut last_base, mut first) = (None, None);
        let first_of = |x: &u64| {
            let base = self.base_of(*x);
            if last_base.replace(base) != Some(base) {
                first = found.next_if(|first| self.base_of(*first) == base);
            }
            first
        };
        inputs.iter().map(first_of).collect()
    }

    /// x without its walked bits, which all inputs of its group share.
    fn base_of(&self, x: u64) -> u64 {
        x & !self.walk.mask(self.params.raw().hash)
    }

    /// What one thread searches with.
    pub(super) fn searcher(&self) -> Searcher {
        let raw = self.params.raw();
        // A period of less than a group needs single tosses, and a bulk search of few groups wastes
        // most of its lanes.
        let is_bulk = self.unit_groups() >= BULK_GROUPS_MIN as u64;
        let bulk = is_bulk.then(|| BulkSearch::new(raw.hash, raw.iv, self.filter, self.walk));
        Searcher { bulk, bases: Vec::new(), found: Vec::new() }
    }

    /// Finds the first good ball of each group, in the order of `bases`. This is the only place
    /// where minting hashes.
    fn search(&self, Searcher { bulk, bases, found }: &mut Searcher) {
        found.clear();
        match bulk {
            Some(bulk) => bulk.search(bases, found),
            None => {
                let mut inputs = vec![0; self.low.len()];
                for base in bases {
                    for (x, low) in inputs.iter_mut().zip(&self.low) {
                        *x = *base | low;
                    }
                    bulk::plain(self.hash.as_ref(), self.filter, &inputs, found);
                }
            }
        }
        // Both find the balls of a group in the order of x, which is that of their tosses.
        let walked = self.walk.mask(self.params.raw().hash);
        found.dedup_by_key(|ball| ball.x & !walked);
    }

    fn hit(&self, found: Found) -> Option<Hit> {
        let bin = self.params.bin_of(found.output)?;
        let first = u64::from(bin.superbin) << self.params.subbin_bits();
        Some(Hit { bin_number: first | u64::from(bin.subbin), x: found.x })
    }

    /// A chunk with room for this many hits.
    fn chunk(&self, hits: usize) -> Vec<Hit> {
        let chunk = self.chunks.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let chunk = chunk.filter(|chunk| chunk.capacity() >= hits);
        chunk.unwrap_or_else(|| Vec::with_capacity(hits))
    }

    /// Recovers the memory of a stretch, for later ones.
    pub(super) fn take_back(&self, stretch: TossedHits) {
        let mut chunks = stretch.chunks;
        chunks.iter_mut().for_each(Vec::clear);
        *self.chunks.lock().unwrap_or_else(PoisonError::into_inner) = chunks;
    }
}

/// What one thread searches with: a bulk search, or `None` for plain hashing; and its buffers.
pub(super) struct Searcher {
    bulk: Option<BulkSearch>,
    bases: Vec<u64>,
    found: Vec<Found>,
}

/// When a stretch of tosses ends, besides at the end of the period.
pub(super) struct Limits<'a> {
    pub(super) threads: usize,
    /// The most hits; up to one unit per thread more is possible.
    pub(super) hits_max: u64,
    /// Hits for bins that are filled are left out.
    pub(super) filled: Option<&'a Filled>,
    /// Called after each unit with the number of groups tossed so far; returns whether to continue.
    pub(super) go_on: &'a (dyn Fn(u64) -> bool + Sync),
}

impl Limits<'_> {
    fn chunk_hits(&self) -> usize {
        (self.hits_max / (CHUNKS_PER_THREAD * self.threads as u64)).clamp(1, CHUNK_HITS_MAX)
            as usize
    }
}

/// The hits of a stretch of tosses: those of all groups up to `end`.
pub(super) struct TossedHits {
    pub(super) end: u64,
    /// The hits.
    chunks: Vec<Vec<Hit>>,
    /// The hits of each unit, in order of toss.
    units: Vec<Unit>,
}

/// The hits of one unit.
struct Unit {
    /// Its first group.
    first: u64,
    chunk: usize,
    range: Range<usize>,
}

impl TossedHits {
    /// Hits in this order, in units of a thousand.
    #[cfg(test)]
    pub(super) fn of(hits: &[Hit]) -> TossedHits {
        let chunks = vec![hits.to_vec()];
        let ranges = (0..hits.len()).step_by(1000).map(|start| start..hits.len().min(start + 1000));
        let units =
            ranges.map(|range| Unit { first: range.start as u64, chunk: 0, range }).collect();
        TossedHits { end: hits.len() as u64, chunks, units }
    }

    /// The hits in order of toss, in slices.
    pub(super) fn slices(&self) -> impl Iterator<Item = &[Hit]> {
        self.units.iter().map(|unit| &self.chunks[unit.chunk][unit.range.clone()])
    }

    /// Adds the hits of a thread.
    fn add(&mut self, own: TossedHits) {
        let before = self.chunks.len();
        self.end = self.end.max(own.end);
        self.chunks.extend(own.chunks);
        self.units
            .extend(own.units.into_iter().map(|unit| Unit { chunk: unit.chunk + before, ..unit }));
    }

    /// Adds the hits of a unit.
    fn push(&mut self, tosser: &Tosser, groups: Range<u64>, hits: &[Hit], limits: &Limits<'_>) {
        self.end = self.end.max(groups.end);
        if hits.is_empty() {
            return;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < hits.len()) {
            self.chunks.push(tosser.chunk(hits.len().max(limits.chunk_hits())));
        }
        let at = self.chunks.len() - 1;
        let chunk = &mut self.chunks[at];
        let start = chunk.len();
        chunk.extend_from_slice(hits);
        self.units.push(Unit { first: groups.start, chunk: at, range: start..chunk.len() });
    }
}

/// Tosses groups in order, on all threads, until a limit is reached: at least one unit, unless
/// `groups` is empty.
pub(super) fn toss_stretch(tosser: &Tosser, groups: Range<u64>, limits: &Limits<'_>) -> TossedHits {
    let (unit, Range { start, end }) = (tosser.unit_groups(), groups);
    let next = AtomicU64::new(start);
    let (hits, tossed) = (AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let none = |end| TossedHits { end, chunks: Vec::new(), units: Vec::new() };
    let stretch = Mutex::new(none(start));
    let work = |_| {
        let (mut own, mut searcher, mut found) = (none(start), tosser.searcher(), Vec::new());
        while !is_over.load(Ordering::Relaxed) {
            let first = next.fetch_add(unit, Ordering::Relaxed);
            if first >= end {
                break;
            }
            // Units are handed out in order and each one taken is finished, so they leave no gap.
            let groups = first..end.min(first + unit);
            tosser.hits(&mut searcher, groups.clone(), &mut found);
            if let Some(filled) = limits.filled {
                filled.drop_held(&mut found);
            }
            let hits = hits.fetch_add(found.len() as u64, Ordering::Relaxed) + found.len() as u64;
            let groups_done = groups.end - groups.start;
            let tossed = tossed.fetch_add(groups_done, Ordering::Relaxed) + groups_done;
            own.push(tosser, groups, &found, limits);
            if hits >= limits.hits_max || !(limits.go_on)(tossed) {
                is_over.store(true, Ordering::Relaxed);
            }
        }
        stretch.lock().unwrap_or_else(PoisonError::into_inner).add(own);
    };
    on_threads(0..limits.threads.max(1), limits.threads, work);
    let mut stretch = stretch.into_inner().unwrap_or_else(PoisonError::into_inner);
    stretch.units.sort_unstable_by_key(|unit| unit.first);
    stretch
}

/// A measured rate of tossing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rate {
    /// Tosses per second on all threads together.
    pub tosses_per_second: f64,
    /// Balls per second that are the first good ones of their group, likewise.
    pub kept_per_second: f64,
    /// The number of threads.
    pub threads: usize,
}

/// Measures how fast this machine tosses balls for `params`, for about `time`. `elapsed` returns
/// the time since any fixed moment.
pub fn measure_rate(
    params: &Params,
    walk: WalkBits,
    threads: usize,
    time: Duration,
    elapsed: &(dyn Fn() -> Duration + Sync),
) -> Rate {
    let tosser = Tosser::new(params, &InputKey::from_bytes([0; 16]), walk);
    let start = elapsed();
    let (mut tosses, mut kept) = (0, 0);
    let spent = loop {
        let go_on = |_| elapsed().saturating_sub(start) < time;
        let limits = Limits { threads, hits_max: u64::MAX, filled: None, go_on: &go_on };
        let stretch = toss_stretch(&tosser, 0..tosser.group_count(), &limits);
        tosses += stretch.end * tosser.low.len() as u64;
        kept += stretch.slices().map(<[Hit]>::len).sum::<usize>();
        tosser.take_back(stretch);
        let spent = elapsed().saturating_sub(start);
        if spent >= time {
            break spent;
        }
    };
    let seconds = spent.as_secs_f64().max(1e-9);
    Rate {
        tosses_per_second: tosses as f64 / seconds,
        kept_per_second: kept as f64 / seconds,
        threads,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::HashName;
    use crate::testing::{params_with, resize};

    fn plain() -> Searcher {
        Searcher { bulk: None, bases: Vec::new(), found: Vec::new() }
    }

    /// A period large enough for the bulk kernel: its hits are those of plain hashing, toss by
    /// toss.
    #[test]
    fn the_bulk_search_and_plain_hashing_give_the_same_hits() {
        let key = InputKey::from_bytes([9; 16]);
        for (hash, t, b) in
            [(HashName::Des, 8, 31), (HashName::Des, 3, 24), (HashName::Sha256, 8, 31)]
        {
            let params = params_with(|raw| {
                resize(raw, 15, 6, 4, t, hash);
                raw.input_bits = b;
            });
            for walk in WalkBits::ALL {
                let tosser = Tosser::new(&params, &key, walk);
                let mut bulk = tosser.searcher();
                assert!(bulk.bulk.is_some());
                let end = tosser.group_count();
                for groups in [0..130, 5000..5003, end - 200..end] {
                    let [mut hits, mut expected] = [Vec::new(), Vec::new()];
                    tosser.hits(&mut bulk, groups.clone(), &mut hits);
                    tosser.hits(&mut plain(), groups.clone(), &mut expected);
                    assert!(hits == expected && !(hits.is_empty() && groups.start == 0));
                }
            }
        }
    }

    #[test]
    fn a_period_is_tossed_once_whatever_the_threads() {
        let params = crate::testing::test_params();
        let tosser = Tosser::new(&params, &InputKey::from_bytes([9; 16]), WalkBits::MAX);
        let mut all = Vec::new();
        tosser.hits(&mut plain(), 0..256, &mut all);
        for threads in [1, 2, 5] {
            let (mut start, mut hits) = (0, Vec::new());
            while start < 256 {
                let limits = Limits { threads, hits_max: 30, filled: None, go_on: &|_| true };
                let stretch = toss_stretch(&tosser, start..256, &limits);
                assert!(stretch.end > start);
                hits.extend(stretch.slices().flatten().copied());
                start = stretch.end;
                tosser.take_back(stretch);
            }
            assert!(hits == all, "{threads} threads");
        }
    }
}
