//! Bit-sliced rounds of DES: every bit of a half block and of a key is a word of lanes.

use super::des_tables::{EXPANSION, KEY_PLACE, LEFT_BIT, PLACE, RIGHT_BIT, ROTATION, X_BIT};
use super::transpose::transpose;
use super::word::Word;

/// Half a block: 32 bits, the leftmost first.
pub(super) type Half<V> = [V; 32];

/// The registers C and D of the key schedule, each twice over, so that the key of every round is the
/// same pattern of places at another offset: no index is looked up in the rounds.
#[derive(Clone)]
pub(super) struct Keys<V> {
    c: [V; 56],
    d: [V; 56],
}

impl<V: Word> Keys<V> {
    /// The keys of the `64 * ELEMENTS` inputs `x`. Lane: bit i of element e is `x[ELEMENTS * i + e]`.
    #[inline(always)]
    pub(super) fn new(token: V::Token, x: &[u64]) -> Keys<V> {
        let mut planes = [V::splat(token, 0); 64];
        for (i, plane) in planes.iter_mut().enumerate() {
            *plane = V::load(token, &x[V::ELEMENTS * i..]);
        }
        transpose(token, &mut planes);
        let mut keys = Keys { c: [planes[0]; 56], d: [planes[0]; 56] };
        for place in 0..28 {
            keys.c[place] = planes[X_BIT[place]];
            keys.c[place + 28] = planes[X_BIT[place]];
            keys.d[place] = planes[X_BIT[place + 28]];
            keys.d[place + 28] = planes[X_BIT[place + 28]];
        }
        keys
    }

    /// Complements the key bit at `place` of C || D in all lanes.
    #[inline(always)]
    pub(super) fn flip(&mut self, place: usize) {
        let (register, place) = if place < 28 { (&mut self.c, place) } else { (&mut self.d, place - 28) };
        register[place] = register[place].not();
        register[place + 28] = register[place];
    }

    /// What is added in `round` (1 to 16): C and D, rotated.
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

/// One round: `out` = `l` + f(`r`). The inputs of each S-box are fetched before the gates of the one
/// before it, so that loads do not make the gates wait.
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

/// One round that puts its result in place of `l`.
#[inline(always)]
fn round_in_place<V: Word>(l: &mut Half<V>, r: &Half<V>, key: RoundKey<'_, V>) {
    macro_rules! boxes {
        ($($n:literal, $next:literal;)*) => {
            let input = inputs::<V, 0>(r, key);
            $(
                let next = inputs::<V, $next>(r, key);
                let f = V::sbox::<$n>(input);
                l[const { PLACE[$n][0] }] = l[const { PLACE[$n][0] }].xor(f[0]);
                l[const { PLACE[$n][1] }] = l[const { PLACE[$n][1] }].xor(f[1]);
                l[const { PLACE[$n][2] }] = l[const { PLACE[$n][2] }].xor(f[2]);
                l[const { PLACE[$n][3] }] = l[const { PLACE[$n][3] }].xor(f[3]);
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
    let zero = [V::splat(token, 0); 32];
    let (mut l, mut r) = (zero, zero);
    for place in 0..32 {
        l[place] = V::splat(token, (iv >> LEFT_BIT[place] & 1).wrapping_neg());
        r[place] = V::splat(token, (iv >> RIGHT_BIT[place] & 1).wrapping_neg());
    }
    (l, r)
}

/// Encrypts `iv` under the `64 * ELEMENTS` keys `x`; `y[i]` becomes the block for `x[i]`.
#[inline(always)]
pub(super) fn encrypt<V: Word>(token: V::Token, iv: u64, x: &[u64], y: &mut [u64]) {
    let keys = Keys::<V>::new(token, x);
    let (mut l, mut r) = initial::<V>(token, iv);
    // Two rounds a turn, each in place of the half that is not needed any more.
    for turn in 0..8 {
        round_in_place(&mut l, &r, keys.of_round(2 * turn + 1));
        round_in_place(&mut r, &l, keys.of_round(2 * turn + 2));
    }
    // L holds L16 = R15, R holds R16.
    let mut planes = [l[0]; 64];
    for place in 0..32 {
        planes[LEFT_BIT[place]] = r[place];
        planes[RIGHT_BIT[place]] = l[place];
    }
    transpose(token, &mut planes);
    for (i, plane) in planes.iter().enumerate() {
        plane.store(&mut y[V::ELEMENTS * i..]);
    }
}
