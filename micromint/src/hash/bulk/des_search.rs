//! The first stage of the search for DES balls: the 2^s inputs of every base, by a walk in Gray
//! order.
//!
//! The walked bits of x, at most eight, are not used in the first round, and each of them changes a
//! single S-box of the second round and six of the third. Two neighbours in Gray order differ in
//! one of them, so rounds 1, 2 and 3 cost 0, 1 and 6 S-boxes instead of 24. Of the last rounds,
//! only what the tested output bits need is computed. This is an early filter, not the exact one:
//! the second stage encrypts the survivors again in full.

use super::Filter;
use super::des_rounds::{Half, Keys, initial, round, sbox, sbox_into};
use super::word::Word;
use crate::hash::DES_UNUSED_IN_ROUND_1;
use crate::hash::des_tables::{EXPANSION, KEY_PLACE, OUTPUT_FROM, PLACE, ROTATION, place_of_x_bit};

/// The number of sets of lanes that take turns in a round, so that the end of one round and the
/// beginning of the next do not wait for each other.
pub(super) const INTERLEAVED: usize = 2;

/// The number of bits of R15 that the early filter tests.
const TESTS_R15: usize = 11;
/// The number of bits of R16 that the deep early filter tests in addition.
const TESTS_R16: usize = 4;
/// Below this t the early filter tests R16 as well: the bits of R15 alone would let too much pass.
const DEEP_BELOW: u32 = 14;

/// The k-th output bit that comes from R15 (`right`) or R16: its place there, and its number in the
/// output.
const fn tested(right: bool, k: usize) -> (usize, usize) {
    let (mut i, mut seen) = (0, 0);
    loop {
        if OUTPUT_FROM[i].0 == right {
            if seen == k {
                return (OUTPUT_FROM[i].1, i);
            }
            seen += 1;
        }
        i += 1;
    }
}

/// The S-box, and the output of it, that goes to `place`.
const fn source(place: usize) -> (usize, usize) {
    let mut n = 0;
    loop {
        let mut j = 0;
        while j < 4 {
            if PLACE[n][j] == place {
                return (n, j);
            }
            j += 1;
        }
        n += 1;
    }
}

/// The bit of x (0 is the least significant) that is walked as bit `walk` of the Gray counter.
pub(super) const fn walked_bit(walk: usize) -> usize {
    55 - DES_UNUSED_IN_ROUND_1[walk] as usize
}

/// The low bits of the toss index, spread over the walked bits of x, after `step` steps.
pub(super) fn walked(step: usize) -> u64 {
    let gray = step ^ step >> 1;
    (0..8).filter(|walk| gray >> walk & 1 == 1).fold(0, |x, walk| x | 1 << walked_bit(walk))
}

/// Whether S-box `n` adds the key bit at `place` of C || D in `round`.
const fn adds(n: usize, place: usize, round: usize) -> bool {
    let mut i = 0;
    while i < 6 {
        if (n < 4) == (place < 28) && (KEY_PLACE[n][i] + ROTATION[round]) % 28 == place % 28 {
            return true;
        }
        i += 1;
    }
    false
}

/// Which S-boxes a walked bit changes in rounds 2 and 3, as bit sets.
const fn changed(walk: usize) -> (u8, u8) {
    let place = place_of_x_bit(walked_bit(walk));
    let (mut second, mut third) = (0u8, 0u8);
    let mut n = 0;
    while n < 8 {
        assert!(!adds(n, place, 1));
        if adds(n, place, 2) {
            second |= 1 << n;
        }
        n += 1;
    }
    let mut n = 0;
    while n < 8 {
        let mut reads = adds(n, place, 3);
        let mut i = 0;
        while i < 6 {
            reads |= second >> source(EXPANSION[n][i]).0 & 1 == 1;
            i += 1;
        }
        if reads {
            third |= 1 << n;
        }
        n += 1;
    }
    assert!(second.count_ones() == 1 && third.count_ones() == 6);
    (second, third)
}

/// The required value of one output bit, in all lanes.
#[derive(Clone, Copy)]
struct Test<V> {
    wanted: V,
    /// Ones if the bit is one of the fixed bits.
    matters: V,
}

impl<V: Word> Test<V> {
    fn new(token: V::Token, filter: Filter, output_bit: usize) -> Test<V> {
        let matters = (output_bit as u32) < filter.fixed_count;
        let wanted =
            matters && filter.fixed_bits >> (filter.fixed_count - 1 - output_bit as u32) & 1 == 1;
        let all = |bit: bool| V::splat(token, u64::from(bit).wrapping_neg());
        Test { wanted: all(wanted), matters: all(matters) }
    }

    /// `failed`, and the lanes where `bit` is wrong.
    #[inline(always)]
    fn or_fails(self, failed: V, bit: V) -> V {
        failed.or(bit.xor(self.wanted).and(self.matters))
    }
}

/// The early filter.
#[derive(Clone)]
struct Tests<V> {
    r15: [Test<V>; TESTS_R15],
    r16: [Test<V>; TESTS_R16],
}

/// One set of lanes on its walk: a base in each.
#[derive(Clone)]
struct Lanes<V> {
    keys: Keys<V>,
    r1: Half<V>,
    /// R2 and R3, kept from step to step, then three buffers for the halves after them.
    halves: [Half<V>; 5],
}

/// Which of `Lanes::halves` are L, R and the result in the rounds 4 to 13.
const ROLES: [[usize; 3]; 10] = [
    [0, 1, 2],
    [1, 2, 3],
    [2, 3, 4],
    [3, 4, 2],
    [4, 2, 3],
    [2, 3, 4],
    [3, 4, 2],
    [4, 2, 3],
    [2, 3, 4],
    [3, 4, 2],
];
/// Where R12 and R13 are after them.
const LAST: (usize, usize) = (4, 2);

/// The walk of `INTERLEAVED * 64 * ELEMENTS` bases.
pub(super) struct Walk<V: Word> {
    token: V::Token,
    l0: Half<V>,
    r0: Half<V>,
    tests: Tests<V>,
    /// Whether the early filter looks at R16.
    pub(super) deep: bool,
    lane_sets: [Lanes<V>; INTERLEAVED],
}

impl<V: Word> Walk<V> {
    /// The inputs of one set of lanes.
    pub(super) const LANES: usize = 64 * V::ELEMENTS;

    /// For the block `iv` and the outputs that pass `filter`; [`Walk::begin`] names the bases.
    #[inline(always)]
    pub(super) fn new(token: V::Token, iv: u64, filter: Filter) -> Walk<V> {
        let (l0, r0) = initial(token, iv);
        let none = Test { wanted: l0[0], matters: l0[0] };
        let mut tests = Tests { r15: [none; TESTS_R15], r16: [none; TESTS_R16] };
        for (k, test) in tests.r15.iter_mut().enumerate() {
            *test = Test::new(token, filter, tested(true, k).1);
        }
        for (k, test) in tests.r16.iter_mut().enumerate() {
            *test = Test::new(token, filter, tested(false, k).1);
        }
        let zero = [V::splat(token, 0); 32];
        let keys = Keys::new(token, &vec![0; Self::LANES]);
        let lanes = Lanes { keys, r1: zero, halves: [zero; 5] };
        let lane_sets = [lanes.clone(), lanes];
        Walk { token, l0, r0, tests, deep: filter.fixed_count < DEEP_BELOW, lane_sets }
    }

    /// Starts from `bases`, whose walked bits are zero: R1, R2 and R3 in full.
    #[inline(always)]
    pub(super) fn begin(&mut self, bases: &[u64]) {
        for (lanes, bases) in self.lane_sets.iter_mut().zip(bases.chunks_exact(Self::LANES)) {
            lanes.keys = Keys::new(self.token, bases);
            round(&mut lanes.r1, &self.l0, &self.r0, lanes.keys.of_round(1));
            let [r2, r3, ..] = &mut lanes.halves;
            round(r2, &self.r0, &lanes.r1, lanes.keys.of_round(2));
            round(r3, &lanes.r1, r2, lanes.keys.of_round(3));
        }
    }

    /// Complements walked bit `walk` in all lanes and brings R2 and R3 up to date.
    #[inline(always)]
    pub(super) fn flip(&mut self, walk: u32) {
        match walk {
            0 => self.flip_bit::<0>(),
            1 => self.flip_bit::<1>(),
            2 => self.flip_bit::<2>(),
            3 => self.flip_bit::<3>(),
            4 => self.flip_bit::<4>(),
            5 => self.flip_bit::<5>(),
            6 => self.flip_bit::<6>(),
            _ => self.flip_bit::<7>(),
        }
    }

    #[inline(always)]
    fn flip_bit<const WALK: usize>(&mut self) {
        for lanes in &mut self.lane_sets {
            lanes.keys.flip(const { place_of_x_bit(walked_bit(WALK)) });
            lanes.update::<WALK, 0>(&self.r0);
            lanes.update::<WALK, 1>(&self.r0);
        }
    }

    /// The lanes that pass the early filter, for each set.
    #[inline(always)]
    pub(super) fn survivors<const DEEP: bool>(&mut self, passed: &mut [u64]) {
        for (index, roles) in ROLES.into_iter().enumerate() {
            for lanes in &mut self.lane_sets {
                // The roles are always three different buffers.
                if let Ok([l, r, out]) = lanes.halves.get_disjoint_mut(roles) {
                    round(out, l, r, lanes.keys.of_round(4 + index));
                }
            }
        }
        for (lanes, passed) in self.lane_sets.iter().zip(passed.chunks_exact_mut(V::ELEMENTS)) {
            let failed =
                if DEEP { lanes.deep_tail(&self.tests) } else { lanes.shallow_tail(&self.tests) };
            failed.not().store(passed);
        }
    }
}

impl<V: Word> Lanes<V> {
    /// The S-boxes of round 2 (`ROUND` 0) or 3 (`ROUND` 1) that the walked bit changes.
    #[inline(always)]
    fn update<const WALK: usize, const ROUND: usize>(&mut self, r0: &Half<V>) {
        macro_rules! boxes {
            ($set:expr, $out:expr, $l:expr, $r:expr, $key:expr, $($n:literal)*) => {
                $(if const { $set >> $n & 1 == 1 } {
                    sbox_into::<V, $n>($out, $l, $r, $key);
                })*
            };
        }
        let [r2, r3, ..] = &mut self.halves;
        if ROUND == 0 {
            boxes!(changed(WALK).0, r2, r0, &self.r1, self.keys.of_round(2), 0 1 2 3 4 5 6 7);
        } else {
            boxes!(changed(WALK).1, r3, &self.r1, r2, self.keys.of_round(3), 0 1 2 3 4 5 6 7);
        }
    }

    /// R14 from R12 and R13; unused parts of it are not computed.
    #[inline(always)]
    fn r14(&self) -> Half<V> {
        let (l, r) = (&self.halves[LAST.0], &self.halves[LAST.1]);
        let mut r14 = *l;
        round(&mut r14, l, r, self.keys.of_round(14));
        r14
    }

    /// The lanes that fail on the tested bits of R15, which come from five S-boxes.
    #[inline(always)]
    fn shallow_tail(&self, tests: &Tests<V>) -> V {
        let r13 = &self.halves[LAST.1];
        let r14 = self.r14();
        let key = self.keys.of_round(15);
        let mut r15 = *r13;
        sbox_into::<V, 0>(&mut r15, r13, &r14, key);
        sbox_into::<V, 2>(&mut r15, r13, &r14, key);
        sbox_into::<V, 4>(&mut r15, r13, &r14, key);
        sbox_into::<V, 6>(&mut r15, r13, &r14, key);
        sbox_into::<V, 7>(&mut r15, r13, &r14, key);
        fails_r15::<V, TESTS_R15>(tests, &r15)
    }

    /// The lanes that fail on the first tested bits of R15 or on those of R16, which come from
    /// three S-boxes.
    #[inline(always)]
    fn deep_tail(&self, tests: &Tests<V>) -> V {
        let r13 = &self.halves[LAST.1];
        let r14 = self.r14();
        let mut r15 = *r13;
        round(&mut r15, r13, &r14, self.keys.of_round(15));
        let key = self.keys.of_round(16);
        let f = [sbox::<V, 2>(&r15, key), sbox::<V, 4>(&r15, key), sbox::<V, 6>(&r15, key)];
        let mut failed = fails_r15::<V, 7>(tests, &r15);
        macro_rules! test {
            ($($k:literal)*) => {$({
                let place = const { tested(false, $k).0 };
                let (n, j) = const { source(tested(false, $k).0) };
                failed = tests.r16[$k].or_fails(failed, r14[place].xor(f[(n - 2) / 2][j]));
            })*};
        }
        test!(0 1 2 3);
        failed
    }
}

/// The lanes that fail on the first `COUNT` tested bits of R15.
#[inline(always)]
fn fails_r15<V: Word, const COUNT: usize>(tests: &Tests<V>, r15: &Half<V>) -> V {
    let mut failed = r15[0].xor(r15[0]);
    for k in 0..COUNT {
        failed = tests.r15[k].or_fails(failed, r15[const { PLACES_R15 }[k]]);
    }
    failed
}

/// The places of the tested bits in R15.
const PLACES_R15: [usize; TESTS_R15] = {
    let mut places = [0; TESTS_R15];
    let mut k = 0;
    while k < TESTS_R15 {
        places[k] = tested(true, k).0;
        assert!(matches!(source(places[k]).0, 0 | 2 | 4 | 6 | 7));
        k += 1;
    }
    places
};

// The deep filter computes S-boxes 3, 5 and 7 of round 16, and tests every fixed bit that it can.
const _: () = {
    let mut k = 0;
    while k < TESTS_R16 {
        assert!(matches!(source(tested(false, k).0).0, 2 | 4 | 6));
        k += 1;
    }
};
