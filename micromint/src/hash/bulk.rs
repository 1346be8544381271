//! The fast search for balls: many inputs at a time, keeping only those whose output starts with
//! the fixed bits.
//!
//! Input: *bases*, which are inputs whose walked bits ([`WalkBits`]) are zero. Output: the balls (x
//! and its 64-bit output) that pass the filter among the 2^s inputs of every base. [`plain`] is the
//! reference: a [`BulkSearch`] of any [`Level`] finds exactly the same balls in the same order.
//! `docs/internals/performance.md` describes how the kernels work and how fast they are.

#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(
        dead_code,
        unused_imports,
        unused_variables,
        reason = "the kernels need registers of x86-64; elsewhere, as on wasm, the plain crates hash"
    )
)]

mod des;
mod des_kernel;
mod des_rounds;
mod des_search;
mod sboxes_ternary;
mod sboxes_two_input;
mod sha256;
mod transpose;
mod word;

use super::HashFunction;

use super::HashName;
use std::fmt;

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
    pub(crate) fn passes(self, output: u64) -> bool {
        self.fixed_count == 0 || output >> (64 - self.fixed_count) == self.fixed_bits
    }
}

/// The plain search, with the crate that also checks coins.
pub fn plain(hash: &dyn HashFunction, filter: Filter, x: &[u64], found: &mut Vec<Found>) {
    for &x in x {
        let output = hash.hash(x);
        if filter.passes(output) {
            found.push(Found { x, output });
        }
    }
}

/// s, the number of bits of x that a search walks over: 4, 6 or 8. The 2^s inputs of a base are
/// those that differ from it in these bits only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WalkBits(u32);

/// The number of walked bits cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 4, 6 or 8, found {0}")]
pub struct WalkBitsError(u32);

impl WalkBits {
    /// All numbers of walked bits, the smallest first.
    pub const ALL: [WalkBits; 3] = [WalkBits(4), WalkBits(6), WalkBits(8)];
    /// The most walked bits.
    pub const MAX: WalkBits = WalkBits(8);

    /// `bits` walked bits.
    ///
    /// # Errors
    /// Not 4, 6 or 8: the other bits of x are halved, so the number is even, and no kernel walks
    /// fewer than 4 or more than 8.
    pub fn new(bits: u32) -> Result<WalkBits, WalkBitsError> {
        let known = WalkBits::ALL.into_iter().find(|walk| walk.0 == bits);
        known.ok_or(WalkBitsError(bits))
    }

    /// The number of walked bits that suits t fixed bits: 8 for t >= 10, 6 for t = 8 and 9, 4
    /// below. More would make minting lose too many balls to others of their group.
    pub fn for_fixed_count(fixed_count: u32) -> WalkBits {
        match fixed_count {
            10.. => WalkBits(8),
            8..10 => WalkBits(6),
            _ => WalkBits(4),
        }
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// 2^s, the inputs of a base, at most 256.
    pub const fn inputs_per_base(self) -> usize {
        1 << self.0
    }

    /// The walked bits of x, as a mask: for `des` the first s that the first round does not use,
    /// for `sha256` the low s.
    pub const fn mask(self, hash: HashName) -> u64 {
        match hash {
            HashName::Des => {
                let (mut mask, mut walk) = (0, 0);
                while walk < self.0 as usize {
                    mask |= 1 << (55 - super::DES_UNUSED_IN_ROUND_1[walk]);
                    walk += 1;
                }
                mask
            }
            HashName::Sha256 => (1 << self.0) - 1,
        }
    }
}

impl fmt::Display for WalkBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The level of instruction set that a search is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain 64-bit integers: available everywhere.
    Plain64,
    /// AVX2, 256 bits.
    Avx2,
    /// AVX-512 as in Ice Lake, Zen 4 and later.
    Avx512,
}

impl Level {
    /// All levels, the simplest first.
    pub const ALL: [Level; 3] = [Level::Plain64, Level::Avx2, Level::Avx512];

    /// The best level of this processor.
    pub fn detect() -> Level {
        Level::ALL.into_iter().rev().find(|level| level.is_available()).unwrap_or(Level::Plain64)
    }

    /// Whether this processor supports the level.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Level::Plain64 => true,
            Level::Avx2 => fearless_simd::Level::new().as_avx2().is_some(),
            Level::Avx512 => fearless_simd::Level::new().as_avx512().is_some(),
        };
        #[cfg(not(target_arch = "x86_64"))]
        return self == Level::Plain64;
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Plain64 => "64-bit",
            Level::Avx2 => "AVX2",
            Level::Avx512 => "AVX-512",
        })
    }
}

/// What a search on some level does.
trait Search: Send {
    /// See [`BulkSearch::search`].
    fn search(&mut self, bases: &[u64], found: &mut Vec<Found>);
}

/// From this number of keys on, a word of lanes takes less time than four keys at a time
/// (`docs/internals/performance.md`).
const DES_AT_LEAST: usize = 20;

/// Computes the outputs of `des` for many inputs, with the best kernel of this processor where it
/// is faster than four at a time. Returns how many inputs, from the first on, are done; the caller
/// hashes the rest.
pub(super) fn des_hash_many(iv: u64, x: &[u64], y: &mut [u64]) -> usize {
    if x.len() < DES_AT_LEAST { 0 } else { des_hash_many_on(Level::detect(), iv, x, y) }
}

/// The same on `level`, or on the plain one if this processor does not support it.
fn des_hash_many_on(level: Level, iv: u64, x: &[u64], y: &mut [u64]) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        use fearless_simd::{Avx2, Avx512, u64x4, u64x8};
        let detected = fearless_simd::Level::new();
        if let (Level::Avx512, Some(token)) = (level, detected.as_avx512()) {
            return des::encrypt_many::<u64x8<Avx512>>(token, iv, x, y, DES_AT_LEAST);
        }
        if let (Level::Avx2, Some(token)) = (level, detected.as_avx2()) {
            return des::encrypt_many::<u64x4<Avx2>>(token, iv, x, y, DES_AT_LEAST);
        }
    }
    des::encrypt_many::<u64>((), iv, x, y, DES_AT_LEAST)
}

/// A search for balls under one iv and one filter, on the best level of the processor. It owns its
/// working memory (some tens of KiB); every thread makes its own.
pub struct BulkSearch {
    search: Box<dyn Search>,
    level: Level,
}

impl fmt::Debug for BulkSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkSearch").field("level", &self.level).finish_non_exhaustive()
    }
}

impl BulkSearch {
    /// A search on the best level of this processor.
    pub fn new(hash: HashName, iv: u64, filter: Filter, walk: WalkBits) -> BulkSearch {
        BulkSearch::with_level(hash, iv, filter, walk, Level::detect())
    }

    /// A search on `level`, or on the plain one if this processor does not support it.
    pub fn with_level(
        hash: HashName,
        iv: u64,
        filter: Filter,
        walk: WalkBits,
        level: Level,
    ) -> BulkSearch {
        #[cfg(target_arch = "x86_64")]
        {
            use fearless_simd::{Avx2, Avx512, u32x8, u32x16, u64x4, u64x8};
            let detected = fearless_simd::Level::new();
            if let (Level::Avx512, Some(token)) = (level, detected.as_avx512()) {
                let search: Box<dyn Search> = match hash {
                    HashName::Des => {
                        Box::new(des::DesSearch::<u64x8<Avx512>>::new(token, iv, filter, walk))
                    }
                    HashName::Sha256 => Box::new(sha256::Sha256Search::<u32x16<Avx512>>::new(
                        token, iv, filter, walk,
                    )),
                };
                return BulkSearch { search, level };
            }
            if let (Level::Avx2, Some(token)) = (level, detected.as_avx2()) {
                let search: Box<dyn Search> = match hash {
                    HashName::Des => {
                        Box::new(des::DesSearch::<u64x4<Avx2>>::new(token, iv, filter, walk))
                    }
                    HashName::Sha256 => {
                        Box::new(sha256::Sha256Search::<u32x8<Avx2>>::new(token, iv, filter, walk))
                    }
                };
                return BulkSearch { search, level };
            }
        }
        let search: Box<dyn Search> = match hash {
            HashName::Des => Box::new(des::DesSearch::<u64>::new((), iv, filter, walk)),
            HashName::Sha256 => Box::new(sha256::Sha256Search::<u32>::new((), iv, filter, walk)),
        };
        BulkSearch { search, level: Level::Plain64 }
    }

    /// The level that it uses.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Tosses, for each base, the 2^s inputs that differ from it only in the walked bits (those of
    /// the base are taken as zero), and appends the balls that pass: in the order of the bases, and
    /// for one base in the order of x. Any number of bases is allowed; multiples of 1024 are the
    /// most efficient.
    pub fn search(&mut self, bases: &[u64], found: &mut Vec<Found>) {
        self.search.search(bases, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walked_bits_are_even_and_suit_the_fixed_bits() {
        for bits in 0..=16 {
            let known = WalkBits::new(bits).map(WalkBits::get);
            assert_eq!(known.ok(), [4, 6, 8].contains(&bits).then_some(bits));
        }
        let by_t = [0, 7, 8, 9, 10, 63].map(|t| WalkBits::for_fixed_count(t).get());
        assert_eq!(by_t, [4, 4, 6, 6, 8, 8]);
        for walk in WalkBits::ALL {
            for hash in [HashName::Des, HashName::Sha256] {
                let mask = walk.mask(hash);
                assert_eq!(1 << mask.count_ones(), walk.inputs_per_base());
                assert_eq!(mask & !WalkBits::MAX.mask(hash), 0);
            }
        }
    }

    /// A deterministic stream of numbers.
    fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        (1..).map(move |i: u64| {
            let z = (seed.wrapping_add(i)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z ^ z >> 27
        })
    }

    /// All inputs of a base, by brute force.
    fn tosses(hash: HashName, walk: WalkBits, base: u64) -> impl Iterator<Item = u64> {
        let walked = walk.mask(hash);
        // Enumerates the subsets of a mask: the carry passes through the bits outside.
        std::iter::successors(Some(0u64), move |x| {
            let next = (x | !walked).wrapping_add(1) & walked;
            (next != 0).then_some(next)
        })
        .map(move |x| base & !walked | x)
    }

    /// The search of one kernel: hash, level and walked bits.
    type Kernel = (HashName, Level, WalkBits);

    fn check((hash, level, walk): Kernel, iv: u64, filter: Filter, bases: &[u64]) {
        let reference = hash.with_iv(iv);
        let x: Vec<u64> = bases.iter().flat_map(|&base| tosses(hash, walk, base)).collect();
        let mut expected = Vec::new();
        plain(&*reference, filter, &x, &mut expected);
        let mut found = Vec::new();
        let mut search = BulkSearch::with_level(hash, iv, filter, walk, level);
        assert_eq!(search.level(), level);
        search.search(bases, &mut found);
        assert!(
            found == expected,
            "{hash} {level} s = {walk} {filter:?}: {} balls, not {}",
            found.len(),
            expected.len()
        );
    }

    fn levels() -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(|level| level.is_available())
    }

    fn kernels() -> impl Iterator<Item = Kernel> {
        [HashName::Des, HashName::Sha256].into_iter().flat_map(|hash| {
            levels().flat_map(move |level| {
                WalkBits::ALL.into_iter().map(move |walk| (hash, level, walk))
            })
        })
    }

    fn bases(hash: HashName, seed: u64, count: usize) -> Vec<u64> {
        numbers(seed)
            .map(|x| x >> (64 - hash.input_width()) & !WalkBits::MAX.mask(hash))
            .take(count)
            .collect()
    }

    const IV: u64 = 0x0123_4567_89ab_cdef;

    /// A filter of `fixed_count` bits that look random.
    fn filter(fixed_count: u32) -> Filter {
        let fixed_bits = 0xa5c3_96e1_7b2d_f048u64.checked_shr(64 - fixed_count).unwrap_or(0);
        Filter { fixed_count, fixed_bits }
    }

    #[test]
    fn every_level_finds_what_the_plain_search_finds_at_every_t() {
        for kernel in kernels() {
            for fixed_count in 0..=32 {
                check(kernel, IV, filter(fixed_count), &bases(kernel.0, 1, 9));
            }
            check(kernel, !IV, filter(63), &bases(kernel.0, 2, 3));
        }
    }

    /// A walk takes 128, 512 or 1024 bases: these numbers, one more and one less, and none.
    #[test]
    fn any_number_of_bases_is_searched_to_the_end() {
        for kernel in kernels() {
            for count in [0, 1, 127, 128, 129, 511, 512, 513, 1023, 1024, 1025] {
                sample(kernel, filter(10), &bases(kernel.0, 3, count));
            }
        }
    }

    /// Searches, and checks all balls found and one other input of each base with the plain crate.
    /// (To check every input would take minutes.)
    fn sample((hash, level, walk): Kernel, filter: Filter, bases: &[u64]) {
        let reference = hash.with_iv(IV);
        let mut found = Vec::new();
        BulkSearch::with_level(hash, IV, filter, walk, level).search(bases, &mut found);
        assert!(
            found
                .iter()
                .all(|ball| reference.hash(ball.x) == ball.output && filter.passes(ball.output))
        );
        let inputs = walk.inputs_per_base();
        for (base, toss) in bases.iter().zip((0..inputs).cycle().step_by(7)) {
            let x = tosses(hash, walk, *base).nth(toss).unwrap();
            let is_found = found.iter().any(|ball| ball.x == x);
            assert_eq!(
                is_found,
                filter.passes(reference.hash(x)),
                "{hash} {level} {x:x} of {}",
                bases.len()
            );
        }
        let expected = (bases.len() * inputs) as f64 / f64::from(1 << filter.fixed_count);
        let deviation = (found.len() as f64 - expected).abs();
        assert!(
            deviation <= 6.0 * expected.sqrt() + 6.0,
            "{hash} {level}: {} of {expected}",
            found.len()
        );
    }

    /// The result does not depend on how the bases are distributed.
    #[test]
    fn units_of_work_join_without_seam() {
        for hash in [HashName::Des, HashName::Sha256] {
            let bases = bases(hash, 4, 1500);
            let mut whole = Vec::new();
            BulkSearch::new(hash, IV, filter(8), WalkBits::MAX).search(&bases, &mut whole);
            for level in levels() {
                for unit in [100, 777, 1024] {
                    let (filter, walk) = (filter(8), WalkBits::MAX);
                    let mut search = BulkSearch::with_level(hash, IV, filter, walk, level);
                    let mut found = Vec::new();
                    bases.chunks(unit).for_each(|bases| search.search(bases, &mut found));
                    assert!(found == whole, "{hash} {level}, units of {unit}");
                }
            }
        }
    }

    /// All inputs that differ in the walked bits and seven or eight others, compared with the plain
    /// crate.
    #[test]
    fn a_whole_small_space_is_searched() {
        for hash in [HashName::Des, HashName::Sha256] {
            let others = 0x0082_8040_2010_0804_u64
                & !WalkBits::MAX.mask(hash)
                & ((1 << hash.input_width()) - 1);
            let spread = || (0..64).filter(|bit| others >> bit & 1 == 1).enumerate();
            let bases: Vec<u64> = (0..1u64 << others.count_ones())
                .map(|i| spread().fold(0, |x, (n, bit)| x | (i >> n & 1) << bit))
                .collect();
            for level in levels() {
                for walk in WalkBits::ALL {
                    check((hash, level, walk), IV, filter(5), &bases);
                }
            }
        }
    }

    #[test]
    fn walked_bits_of_a_base_do_not_count() {
        for (hash, level, walk) in kernels() {
            let clean = bases(hash, 5, 3);
            let dirty: Vec<u64> = clean.iter().map(|base| base | walk.mask(hash)).collect();
            let search = |bases: &[u64]| {
                let mut found = Vec::new();
                let mut search = BulkSearch::with_level(hash, IV, filter(3), walk, level);
                search.search(bases, &mut found);
                found
            };
            assert!(search(&clean) == search(&dirty));
        }
    }

    #[test]
    fn hash_many_equals_hash() {
        for count in [0, 1, 3, 4, 5, 19, 20, 21, 63, 64, 65, 511, 512, 513, 531, 532, 1100] {
            for hash in [HashName::Des, HashName::Sha256] {
                let function = hash.with_iv(IV);
                let x: Vec<u64> =
                    numbers(6).map(|x| x >> (64 - hash.input_width())).take(count).collect();
                let mut outputs = vec![0; count];
                function.hash_many(&x, &mut outputs);
                assert!(
                    x.iter().zip(&outputs).all(|(x, y)| function.hash(*x) == *y),
                    "{hash}, {count}"
                );
            }
        }
    }

    /// Full and partial words: of one element, of several and of all.
    #[test]
    fn every_level_hashes_any_number_of_keys() {
        let x: Vec<u64> = numbers(7).map(|x| x >> 8).take(1100).collect();
        let reference = HashName::Des.with_iv(IV);
        let expected: Vec<u64> = x.iter().map(|x| reference.hash(*x)).collect();
        for level in levels() {
            for count in [20, 63, 64, 65, 71, 72, 73, 255, 256, 257, 511, 512, 513, 532, 1100] {
                let mut outputs = vec![0; count + 1];
                let done = des_hash_many_on(level, IV, &x[..count], &mut outputs);
                assert!(
                    (1..=count).contains(&done) && count - done < DES_AT_LEAST,
                    "{level}, {count}: {done}"
                );
                assert!(outputs[..done] == expected[..done], "{level}, {count}");
                assert!(outputs[done..].iter().all(|output| *output == 0), "{level}, {count}");
            }
        }
    }
}
