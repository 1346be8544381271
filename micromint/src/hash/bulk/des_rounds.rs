//! Bit-sliced rounds of DES: every bit of a half block and of a key is a word of lanes.

use super::transpose::transpose;
use super::word::Word;
use crate::hash::des_tables::{EXPANSION, KEY_PLACE, LEFT_BIT, PLACE, RIGHT_BIT, ROTATION, X_BIT};

/// Half a block: 32 bits, the leftmost first.
pub(super) type Half<V> = [V; 32];

/// The registers C and D of the key schedule, each stored twice in a row, so that the key of every
/// round is the same pattern of places at another offset: the rounds look up no index.
#[derive(Clone)]
pub(super) struct Keys<V> {
    c: [V; 56],
    d: [V; 56],
}

/// Which bit of x, where 0 is the least significant, each word of C (`false`) or D holds.
const fn key_bits(is_d: bool) -> [usize; 56] {
    let mut table = [0; 56];
    let mut place = 0;
    while place < 56 {
        table[place] = X_BIT[place % 28 + 28 * is_d as usize];
        place += 1;
    }
    table
}

impl<V: Word> Keys<V> {
    /// The keys of the `64 * ELEMENTS` inputs `x`. Lane: see [`planes_of`].
    #[inline(always)]
    pub(super) fn new(token: V::Token, x: &[u64]) -> Keys<V> {
        let planes = planes_of(token, x);
        Keys::of_planes(|bit| planes[bit])
    }

    /// The keys in whose plane every bit has the value that `plane` gives, where 0 is the least
    /// significant bit.
    #[inline(always)]
    fn of_planes(plane: impl Fn(usize) -> V) -> Keys<V> {
        Keys { c: const { key_bits(false) }.map(&plane), d: const { key_bits(true) }.map(&plane) }
    }

    /// Complements the key bit at `place` of C || D in all lanes.
    #[inline(always)]
    pub(super) fn flip(&mut self, place: usize) {
        let (register, place) =
            if place < 28 { (&mut self.c, place) } else { (&mut self.d, place - 28) };
        register[place] = register[place].not();
        register[place + 28] = register[place];
    }

    /// The round key of `round` (1 to 16): C and D, rotated.
    #[inline(always)]
    pub(super) fn of_round(&self, round: usize) -> RoundKey<'_, V> {
        let at = ROTATION[round];
        match (self.c[at..].first_chunk(), self.d[at..].first_chunk()) {
            (Some(c), Some(d)) => RoundKey { c, d },
            // A rotation is at most 28, half of the length.
            _ => unreachable!("round {round}"),
        }
    }
}

/// The key of one round.
#[derive(Clone, Copy)]
pub(super) struct RoundKey<'a, V> {
    c: &'a [V; 28],
    d: &'a [V; 28],
}

/// The inputs of S-box `N` + 1 for the right half `r`.
#[inline(always)]
fn inputs<V: Word, const N: usize>(r: &Half<V>, key: RoundKey<'_, V>) -> [V; 6] {
    let k = if N < 4 { key.c } else { key.d };
    [
        r[const { EXPANSION[N][0] }].xor(k[const { KEY_PLACE[N][0] }]),
        r[const { EXPANSION[N][1] }].xor(k[const { KEY_PLACE[N][1] }]),
        r[const { EXPANSION[N][2] }].xor(k[const { KEY_PLACE[N][2] }]),
        r[const { EXPANSION[N][3] }].xor(k[const { KEY_PLACE[N][3] }]),
        r[const { EXPANSION[N][4] }].xor(k[const { KEY_PLACE[N][4] }]),
        r[const { EXPANSION[N][5] }].xor(k[const { KEY_PLACE[N][5] }]),
    ]
}

/// The output of S-box `N` + 1 for the right half `r`.
#[inline(always)]
pub(super) fn sbox<V: Word, const N: usize>(r: &Half<V>, key: RoundKey<'_, V>) -> [V; 4] {
    V::sbox::<N>(inputs::<V, N>(r, key))
}

/// Adds the output `f` of S-box `N` + 1 to `l`.
#[inline(always)]
fn add_into<V: Word, const N: usize>(out: &mut Half<V>, l: &Half<V>, f: [V; 4]) {
    out[const { PLACE[N][0] }] = l[const { PLACE[N][0] }].xor(f[0]);
    out[const { PLACE[N][1] }] = l[const { PLACE[N][1] }].xor(f[1]);
    out[const { PLACE[N][2] }] = l[const { PLACE[N][2] }].xor(f[2]);
    out[const { PLACE[N][3] }] = l[const { PLACE[N][3] }].xor(f[3]);
}

/// The four bits of `out` = `l` + f(`r`) that come from S-box `N` + 1.
#[inline(always)]
pub(super) fn sbox_into<V: Word, const N: usize>(
    out: &mut Half<V>,
    l: &Half<V>,
    r: &Half<V>,
    key: RoundKey<'_, V>,
) {
    add_into::<V, N>(out, l, sbox::<V, N>(r, key));
}

/// One round: `out` = `l` + f(`r`). The inputs of each S-box are fetched before the gates of the
/// previous one, so that the gates do not wait for loads.
#[inline(always)]
pub(super) fn round<V: Word>(out: &mut Half<V>, l: &Half<V>, r: &Half<V>, key: RoundKey<'_, V>) {
    macro_rules! boxes {
        ($($n:literal, $next:literal;)*) => {
            let input = inputs::<V, 0>(r, key);
            $(
                let next = inputs::<V, $next>(r, key);
                add_into::<V, $n>(out, l, V::sbox::<$n>(input));
                let input = next;
            )*
            let _ = input;
        };
    }
    boxes!(0, 1; 1, 2; 2, 3; 3, 4; 4, 5; 5, 6; 6, 7; 7, 7;);
}

/// L0 and R0 of the block `iv`, the same in all lanes.
#[inline(always)]
pub(super) fn initial<V: Word>(token: V::Token, iv: u64) -> (Half<V>, Half<V>) {
    let half = |bits: [usize; 32]| bits.map(|bit| V::splat(token, (iv >> bit & 1).wrapping_neg()));
    (half(LEFT_BIT), half(RIGHT_BIT))
}

/// The largest number of elements in a word of any level.
const ELEMENTS_MAX: usize = 8;

/// The number of keys that fit into one element of a word.
pub(super) const NARROW: usize = 64;

/// Encrypts `iv` under up to `64 * ELEMENTS` keys `x`; `y[i]` becomes the block for `x[i]`.
#[inline(always)]
pub(super) fn encrypt<V: Word>(token: V::Token, iv: u64, x: &[u64], y: &mut [u64]) {
    if x.len() <= NARROW {
        // All elements do the same, because transposing one takes much less time than a word.
        let planes = planes_of::<u64>((), x);
        let keys = Keys::of_planes(|bit| V::splat(token, planes[bit]));
        let first = |plane: V| {
            let mut elements = [0; ELEMENTS_MAX];
            plane.store(&mut elements);
            elements[0]
        };
        let halves = sixteen_rounds(token, iv, &keys).map(|half| half.map(first));
        write_rows::<u64>((), block_planes(&halves), y);
    } else {
        let halves = sixteen_rounds(token, iv, &Keys::<V>::new(token, x));
        write_rows::<V>(token, block_planes(&halves), y);
    }
}

/// The bits of `x`, the least significant first, one word each. Lane: bit i of element e is
/// `x[ELEMENTS * i + e]`, or zero if x is shorter.
#[inline(always)]
fn planes_of<V: Word>(token: V::Token, x: &[u64]) -> [V; 64] {
    let mut planes = [V::splat(token, 0); 64];
    for (plane, x) in planes.iter_mut().zip(x.chunks(V::ELEMENTS)) {
        *plane = if x.len() == V::ELEMENTS {
            V::load(token, x)
        } else {
            let mut elements = [0; ELEMENTS_MAX];
            elements[..x.len()].copy_from_slice(x);
            V::load(token, &elements)
        };
    }
    transpose(token, &mut planes);
    planes
}

/// The inverse of [`planes_of`]: `y` becomes the numbers whose bits are `planes`.
#[inline(always)]
fn write_rows<V: Word>(token: V::Token, mut planes: [V; 64], y: &mut [u64]) {
    transpose(token, &mut planes);
    for (plane, y) in planes.iter().zip(y.chunks_mut(V::ELEMENTS)) {
        if y.len() == V::ELEMENTS {
            plane.store(y);
        } else {
            let mut elements = [0; ELEMENTS_MAX];
            plane.store(&mut elements);
            y.copy_from_slice(&elements[..y.len()]);
        }
    }
}

/// L16 and R16 of the block `iv`.
#[inline(always)]
fn sixteen_rounds<V: Word>(token: V::Token, iv: u64, keys: &Keys<V>) -> [Half<V>; 2] {
    let (l0, r0) = initial(token, iv);
    // Three rotating buffers and one body for all rounds: two bodies that work in place are more
    // code, and the compiler moves halves about between them.
    let mut halves = [l0, r0, l0];
    for number in 1..=16 {
        // They are always three different buffers.
        if let Ok([l, r, out]) =
            halves.get_disjoint_mut([(number + 2) % 3, number % 3, (number + 1) % 3])
        {
            round(out, l, r, keys.of_round(number));
        }
    }
    let [_, l16, r16] = halves;
    [l16, r16]
}

/// The bits of the block whose halves before the final permutation are L16 and R16, the least
/// significant first.
#[inline(always)]
fn block_planes<V: Copy>([l16, r16]: &[Half<V>; 2]) -> [V; 64] {
    let mut planes = [l16[0]; 64];
    for place in 0..32 {
        planes[LEFT_BIT[place]] = r16[place];
        planes[RIGHT_BIT[place]] = l16[place];
    }
    planes
}
