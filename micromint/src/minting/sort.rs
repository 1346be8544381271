//! Sorting the hits of a stretch by bin: a radix partition in memory.
//!
//! Input: hits in order of toss. Output: hits in order of bin number, for each bin only the one
//! tossed first. Each thread takes the hits of its own part of the bins: it scatters them into
//! buckets of adjacent bins, small enough for the processor's cache, and sorts each bucket digit by
//! digit. The invariant: every step is stable, so the first of several hits for a bin is the one
//! tossed first.

use std::ops::Range;

use super::hit::Hit;
use super::toss::TossedHits;
use crate::params::Params;
use crate::threads::on_threads;

/// A thread's bins are divided into at most 2^this many buckets. With more, the processor's
/// address translation cache would be too small for writing to all of them in turn.
const BUCKET_BITS: u32 = 11;
/// The most bits of a bin number that one step of sorting a bucket compares.
const DIGIT_BITS_MAX: u32 = 11;
/// Buckets of fewer hits are sorted by comparing.
const BUCKET_HITS_MIN: usize = 256;

/// Sorts the hits of a stretch by bin, on one thread for each element of `parts`. Each element
/// then holds the hits of one part of the bins, only the first hit of each bin. The memory of
/// the elements is reused.
pub(super) fn sort(params: &Params, stretch: &TossedHits, parts: &mut [Vec<Hit>]) {
    let each = params.superbin_count().div_ceil(parts.len() as u64) << params.subbin_bits();
    let threads = parts.len();
    on_threads((0..).zip(parts), threads, |(part, hits): (u64, _)| {
        sort_part(stretch, part * each..(part + 1) * each, hits);
    });
}

/// Replaces `hits` by those of some bins, in order.
fn sort_part(stretch: &TossedHits, bins: Range<u64>, hits: &mut Vec<Hit>) {
    let mine = || stretch.slices().flatten().filter(|hit| bins.contains(&hit.bin_number));
    let shift = bits(bins.end - bins.start).saturating_sub(BUCKET_BITS);
    let bucket = |hit: &Hit| ((hit.bin_number - bins.start) >> shift) as usize;
    let mut ends = vec![0; 1 << BUCKET_BITS];
    mine().for_each(|hit| ends[bucket(hit)] += 1);
    let mut total = 0;
    for end in &mut ends {
        // Where the bucket begins; it moves to the bucket's end as it fills.
        total += std::mem::replace(end, total);
    }
    if hits.capacity() < total {
        // A vector that grows takes the memory of both while it is moved. A little more room than
        // needed now will suffice for all stretches of about this size.
        *hits = Vec::new();
        hits.reserve_exact(total + total / 32);
    }
    hits.resize(total, Hit::NONE);
    for hit in mine() {
        let end = &mut ends[bucket(hit)];
        hits[*end] = *hit;
        *end += 1;
    }
    let (mut start, mut spare) = (0, Vec::new());
    for end in ends {
        sort_bucket(&mut hits[start..end], shift, bins.start, &mut spare);
        start = end;
    }
    hits.dedup_by_key(|hit| hit.bin_number);
}

/// Sorts hits whose bins, counted from `origin`, differ in the low `bits` bits only. `spare` is
/// room for as many.
fn sort_bucket(hits: &mut [Hit], bits: u32, origin: u64, spare: &mut Vec<Hit>) {
    if hits.len() < BUCKET_HITS_MIN {
        hits.sort_by_key(|hit| hit.bin_number);
        return;
    }
    spare.resize(spare.len().max(hits.len()), Hit::NONE);
    let spare = &mut spare[..hits.len()];
    let steps = bits.div_ceil(DIGIT_BITS_MAX);
    let (mut from, mut to) = (hits, spare);
    for step in 0..steps {
        let digit_bits = bits.div_ceil(steps);
        scatter_by_digit(from, to, |bin_number| {
            ((bin_number - origin) >> (step * digit_bits) & ((1 << digit_bits) - 1)) as usize
        });
        (from, to) = (to, from);
    }
    if steps % 2 == 1 {
        to.copy_from_slice(from);
    }
}

/// Copies hits in order of a digit of their bins.
fn scatter_by_digit(from: &[Hit], to: &mut [Hit], digit: impl Fn(u64) -> usize) {
    let mut starts = [0u32; 1 << DIGIT_BITS_MAX];
    from.iter().for_each(|hit| starts[digit(hit.bin_number)] += 1);
    let mut total = 0;
    for start in &mut starts {
        total += std::mem::replace(start, total);
    }
    for hit in from {
        let start = &mut starts[digit(hit.bin_number)];
        to[*start as usize] = *hit;
        *start += 1;
    }
}

/// The number of bits of the numbers below `count`.
fn bits(count: u64) -> u32 {
    u64::BITS - count.saturating_sub(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::HashName;
    use crate::testing::{params_with, resize};

    /// Places that look random, some of them repeated; x shows the original order.
    fn hits(bins: u64, count: u64) -> Vec<Hit> {
        let hit =
            |x: u64| Hit { bin_number: x.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7 & (bins - 1), x };
        (0..count).map(hit).collect()
    }

    /// Few and many hits for few and many bins: buckets of one bin, of one digit, of two, of
    /// three.
    #[test]
    fn hits_come_in_order_of_bin_and_the_first_of_each_stays() {
        let cases =
            [(6, 4, 5000), (6, 5, 3), (14, 10, 300_000), (16, 16, 600_000), (26, 16, 600_000)];
        for (u, v, count) in cases {
            let params = params_with(|raw| resize(raw, u, v, 4, 2, HashName::Sha256));
            let hits = hits(1 << (u + v), count);
            let mut expected = hits.clone();
            expected.sort_by_key(|hit| hit.bin_number);
            expected.dedup_by_key(|hit| hit.bin_number);
            let stretch = TossedHits::of(&hits);
            for threads in [1, 2, 3, 70] {
                let mut parts = vec![Vec::new(); threads];
                for _ in 0..2 {
                    sort(&params, &stretch, &mut parts);
                    assert!(parts.concat() == expected, "{u} {v} {threads}");
                }
            }
        }
    }
}
