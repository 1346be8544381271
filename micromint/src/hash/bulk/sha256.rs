//! The search for SHA-256 balls: many messages side by side, one in each 32-bit lane.
//!
//! The message is a single block: the iv (words 0 and 1), x (words 2 and 3) and the padding. Only
//! the low s bits of word 3 differ among the 2^s inputs of a base, so the rounds before it are
//! computed once per base, and much of the message schedule is constant. Only the first two words
//! of the digest are computed.

use super::{Filter, Found, Search, WalkBits};
use crate::hash::HashName;
#[cfg(target_arch = "x86_64")]
use fearless_simd::{Avx2, Avx512, kernel, prelude::*, u32x8, u32x16};

/// FIPS 180-4, 4.2.2: the constants of the rounds.
const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// FIPS 180-4, 5.3.3: the initial hash value.
const H: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// Proves that the processor supports the level.
pub(super) trait Lanes: Copy {
    /// The number of lanes.
    type Token: Copy + Send;
    /// How many lanes there are.
    const LANES: usize;

    fn splat(token: Self::Token, value: u32) -> Self;
    /// 0, 1, 2 ... in the lanes.
    fn count(token: Self::Token) -> Self;
    fn store(self, lanes: &mut [u32]);
    fn add(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn rotated<const N: u32>(self) -> Self;
    fn shifted<const N: u32>(self) -> Self;
    fn xor3(self, b: Self, c: Self) -> Self;
    /// In every bit `b` where `self` is one, else `c`.
    fn choose(self, b: Self, c: Self) -> Self;
    fn majority(self, b: Self, c: Self) -> Self;
    /// Whether some lane equals that of `other`.
    fn any_equal(self, other: Self) -> bool;
    /// All inputs of a base: see [`toss`]. Called, not inlined.
    fn toss(token: Self::Token, base: &Base, filter: FirstWord, found: &mut Vec<Pair>);
}

/// What the lanes of one base have in common.
#[derive(Clone, Copy)]
pub(super) struct Base {
    /// The message words 0 to 3; the walked bits of the last one are zero.
    words: [u32; 4],
    /// 2^s: the number of its inputs, at least one for each lane.
    input_count: usize,
}

/// The filter for the first word of the digest.
#[derive(Clone, Copy)]
pub(super) struct FirstWord {
    mask: u32,
    wanted: u32,
}

/// The walked bits of x and the leading 64 bits of its digest.
type Pair = (u8, u64);

/// One round with `kw`, the sum of the round's constant and message word; `i` is its number modulo
/// 8. The registers a to h are in `s`, so that nothing has to move.
macro_rules! round {
    ($s:ident, $i:expr, $kw:expr) => {{
        const A: usize = (8 - $i % 8) % 8;
        let [a, b, c, d] = [$s[A], $s[(A + 1) % 8], $s[(A + 2) % 8], $s[(A + 3) % 8]];
        let [e, f, g, h] = [$s[(A + 4) % 8], $s[(A + 5) % 8], $s[(A + 6) % 8], $s[(A + 7) % 8]];
        let big1 = e.rotated::<6>().xor3(e.rotated::<11>(), e.rotated::<25>());
        let big0 = a.rotated::<2>().xor3(a.rotated::<13>(), a.rotated::<22>());
        let t1 = h.add($kw).add(e.choose(f, g)).add(big1);
        $s[(A + 3) % 8] = d.add(t1);
        $s[(A + 7) % 8] = t1.add(big0.add(a.majority(b, c)));
    }};
}

/// sigma 0 of the message schedule.
#[inline(always)]
fn small0<V: Lanes>(w: V) -> V {
    w.rotated::<7>().xor3(w.rotated::<18>(), w.shifted::<3>())
}

/// sigma 1 of the message schedule.
#[inline(always)]
fn small1<V: Lanes>(w: V) -> V {
    w.rotated::<17>().xor3(w.rotated::<19>(), w.shifted::<10>())
}

/// The first two words of the digests for the message words `w`, from the state after three rounds.
#[inline(always)]
fn compress<V: Lanes>(token: V::Token, after_three: [V; 8], mut w: [V; 16]) -> [V; 2] {
    let mut s = after_three;
    let k = |i: usize| V::splat(token, K[i]);
    macro_rules! first {
        ($($i:literal)*) => { $( round!(s, $i, k($i).add(w[$i])); )* };
    }
    first!(3 4 5 6 7 8 9 10 11 12 13 14 15);
    macro_rules! later {
        ($from:expr; $($i:literal)*) => { $(
            w[$i] = w[$i].add(small0(w[($i + 1) % 16])).add(w[($i + 9) % 16].add(small1(w[($i + 14) % 16])));
            round!(s, $i, k($from + $i).add(w[$i]));
        )* };
    }
    // Written out: in the first of these iterations many words are still constant.
    later!(16; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    later!(32; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    later!(48; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    [s[0].add(V::splat(token, H[0])), s[1].add(V::splat(token, H[1]))]
}

/// Tosses the inputs of `base` and appends those whose first word passes.
#[inline(always)]
fn toss<V: Lanes>(token: V::Token, base: &Base, filter: FirstWord, found: &mut Vec<Pair>) {
    let after_three = base.three_rounds().map(|word| V::splat(token, word));
    let mut w = [V::splat(token, 0); 16];
    for (w, word) in w.iter_mut().zip(base.words) {
        *w = V::splat(token, word);
    }
    w[4] = V::splat(token, 0x8000_0000);
    w[15] = V::splat(token, 128);
    let (mask, wanted) = (V::splat(token, filter.mask), V::splat(token, filter.wanted));
    let count = V::count(token);
    for low in (0..base.input_count).step_by(V::LANES) {
        w[3] = count.add(V::splat(token, base.words[3] + low as u32));
        let [first, second] = compress(token, after_three, w);
        if first.and(mask).any_equal(wanted) {
            let (mut firsts, mut seconds) = ([0; 16], [0; 16]);
            first.store(&mut firsts);
            second.store(&mut seconds);
            for (lane, (first, second)) in
                firsts.into_iter().zip(seconds).take(V::LANES).enumerate()
            {
                if first & filter.mask == filter.wanted {
                    found.push(((low + lane) as u8, u64::from(first) << 32 | u64::from(second)));
                }
            }
        }
    }
}

impl Base {
    /// The registers after the rounds 0 to 2, which all inputs of the base share, at the places
    /// where [`round!`] expects them.
    fn three_rounds(&self) -> [u32; 8] {
        let mut s = H;
        let w = self.words;
        round!(s, 0, K[0].wrapping_add(w[0]));
        round!(s, 1, K[1].wrapping_add(w[1]));
        round!(s, 2, K[2].wrapping_add(w[2]));
        s
    }
}

/// One lane: for what is computed once per base.
impl Lanes for u32 {
    type Token = ();
    const LANES: usize = 1;

    #[inline(always)]
    fn splat((): (), value: u32) -> u32 {
        value
    }

    #[inline(always)]
    fn count((): ()) -> u32 {
        0
    }

    #[inline(always)]
    fn store(self, lanes: &mut [u32]) {
        lanes[0] = self;
    }

    #[inline(always)]
    fn add(self, other: u32) -> u32 {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn and(self, other: u32) -> u32 {
        self & other
    }

    #[inline(always)]
    fn rotated<const N: u32>(self) -> u32 {
        self.rotate_right(N)
    }

    #[inline(always)]
    fn shifted<const N: u32>(self) -> u32 {
        self >> N
    }

    #[inline(always)]
    fn xor3(self, b: u32, c: u32) -> u32 {
        self ^ b ^ c
    }

    #[inline(always)]
    fn choose(self, b: u32, c: u32) -> u32 {
        c ^ (self & (b ^ c))
    }

    #[inline(always)]
    fn majority(self, b: u32, c: u32) -> u32 {
        (self & b) | (c & (self | b))
    }

    #[inline(always)]
    fn any_equal(self, other: u32) -> bool {
        self == other
    }

    /// With the plain crate, which uses the processor's SHA instructions if there are any: twice as
    /// fast as one lane with all the savings of this module.
    fn toss((): (), base: &Base, filter: FirstWord, found: &mut Vec<Pair>) {
        let mut block = [0; 64];
        for (bytes, word) in block.chunks_exact_mut(4).zip(base.words) {
            // FIPS 180-4 reads a block as big-endian words. No codec of files: this is a kernel.
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        (block[16], block[63]) = (0x80, 128);
        let low_byte = block[15];
        for low in 0..=(base.input_count - 1) as u8 {
            block[15] = low_byte | low;
            let mut state = H;
            sha2::block_api::compress256(&mut state, &[block]);
            if state[0] & filter.mask == filter.wanted {
                found.push((low, u64::from(state[0]) << 32 | u64::from(state[1])));
            }
        }
    }
}

/// [`Lanes`] for a vector type; `xor3`, `choose` and `majority` are given.
#[cfg(target_arch = "x86_64")]
macro_rules! vector_lanes {
    ($vector:ident, $level:ident, $lanes:literal, { $($logic:item)* }) => {
        impl Lanes for $vector<$level> {
            type Token = $level;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(token: $level, value: u32) -> Self {
                fearless_simd::SimdBase::splat(token, value)
            }

            #[inline(always)]
            fn count(token: $level) -> Self {
                let mut count = [0; $lanes];
                for (i, lane) in count.iter_mut().enumerate() {
                    *lane = i as u32;
                }
                $vector::from_slice(token, &count)
            }

            #[inline(always)]
            fn store(self, lanes: &mut [u32]) {
                lanes[..$lanes].copy_from_slice(self.as_slice());
            }

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }

            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }

            #[inline(always)]
            fn rotated<const N: u32>(self) -> Self {
                (self >> N) | (self << (32 - N))
            }

            #[inline(always)]
            fn shifted<const N: u32>(self) -> Self {
                self >> N
            }

            #[inline(always)]
            fn any_equal(self, other: Self) -> bool {
                self.simd_eq(other).any_true()
            }

            fn toss(token: $level, base: &Base, filter: FirstWord, found: &mut Vec<Pair>) {
                kernel!(
                    fn enter(token: $level, base: &Base, filter: FirstWord, found: &mut Vec<Pair>) {
                        toss::<$vector<$level>>(token, base, filter, found);
                    }
                );
                enter(token, base, filter, found);
            }

            $($logic)*
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector_lanes!(u32x8, Avx2, 8, {
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        self ^ b ^ c
    }

    #[inline(always)]
    fn choose(self, b: Self, c: Self) -> Self {
        c ^ (self & (b ^ c))
    }

    #[inline(always)]
    fn majority(self, b: Self, c: Self) -> Self {
        (self & b) | (c & (self | b))
    }
});

/// A function of three bits as one `vpternlog`.
#[cfg(target_arch = "x86_64")]
macro_rules! ternary {
    ($name:ident, $table:literal) => {
        #[inline(always)]
        fn $name(self, b: Self, c: Self) -> Self {
            kernel!(
                #[inline(always)]
                fn lookup(
                    token: Avx512,
                    a: u32x16<Avx512>,
                    b: u32x16<Avx512>,
                    c: u32x16<Avx512>,
                ) -> u32x16<Avx512> {
                    std::arch::x86_64::_mm512_ternarylogic_epi32::<$table>(
                        a.into(),
                        b.into(),
                        c.into(),
                    )
                    .simd_into(token)
                }
            );
            lookup(self.simd, self, b, c)
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector_lanes!(u32x16, Avx512, 16, {
    ternary!(xor3, 0x96);
    ternary!(choose, 0xca);
    ternary!(majority, 0xe8);
});

/// The search on one level.
pub(super) struct Sha256Search<V: Lanes> {
    token: V::Token,
    iv: u64,
    filter: Filter,
    walk_bits: WalkBits,
    pairs: Vec<Pair>,
}

impl<V: Lanes> Sha256Search<V> {
    pub(super) fn new(
        token: V::Token,
        iv: u64,
        filter: Filter,
        walk_bits: WalkBits,
    ) -> Sha256Search<V> {
        Sha256Search { token, iv, filter, walk_bits, pairs: Vec::new() }
    }

    /// The filter on the first word: the leading bits that are fixed, at most 32.
    fn first_word(&self) -> FirstWord {
        let count = self.filter.fixed_count;
        let mask = u32::MAX.checked_shl(32 - count.min(32)).unwrap_or(0);
        // All fixed bits to the top of 64, whose upper half is the first word.
        let bits = self.filter.fixed_bits.checked_shl(64 - count).unwrap_or(0);
        FirstWord { mask, wanted: (bits >> 32) as u32 & mask }
    }
}

impl<V: Lanes> Search for Sha256Search<V> {
    fn search(&mut self, bases: &[u64], found: &mut Vec<Found>) {
        let filter = self.first_word();
        let (unwalked, input_count) =
            (!self.walk_bits.mask(HashName::Sha256), self.walk_bits.inputs_per_base());
        for base in bases {
            let base = base & unwalked;
            let words = [(self.iv >> 32) as u32, self.iv as u32, (base >> 32) as u32, base as u32];
            self.pairs.clear();
            V::toss(self.token, &Base { words, input_count }, filter, &mut self.pairs);
            for &(low, output) in &self.pairs {
                if self.filter.passes(output) {
                    found.push(Found { x: base | u64::from(low), output });
                }
            }
        }
    }
}
