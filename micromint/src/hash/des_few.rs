//! DES of one block under a few keys, for checking payments: too few for the bulk kernel's words of
//! lanes.
//!
//! Input: the iv once, then keys, four at a time. Output: the blocks. The four keys go through each
//! round side by side, so that while one waits for its tables the others proceed. Tables hold what
//! each part of a key contributes to all sixteen round keys, and what an S-box followed by P adds
//! to half a block. Both are computed from the printed tables when the crate is compiled.
//!
//! The halves of a block are stored rotated to the left by one bit. The six input bits of each
//! S-box are then the low bits of a byte: those of S-boxes 2, 4, 6 and 8 in the half itself, those
//! of 1, 3, 5 and 7 in the half rotated to the right by four.

use super::des_tables::{KEY_PLACE, LEFT_BIT, PLACE, RIGHT_BIT, ROTATION, S_BOX, X_BIT};

/// The number of keys that go through the rounds side by side. Three would nearly saturate the
/// processor, and a coin usually has four balls (`docs/internals/performance.md`).
const KEYS: usize = 4;

/// Half a round key for all rounds, in one cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Rounds([u32; 16]);

/// By byte of the key and the value of its bits that go to one of the registers C and D: what they
/// contribute in every round. The entries of a key are combined with XOR. For the layout see
/// [`key_bit`].
type KeyTable = [[Rounds; 16]; 8];

static OF_C: KeyTable = key_table(false);
static OF_D: KeyTable = key_table(true);

/// By S-box and its six input bits: its output, permuted by P, in the form in which a half is
/// stored.
static SUBSTITUTED: [[u32; 64]; 8] = substituted();

/// A block after the initial permutation, ready to be encrypted under many keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    left: u32,
    right: u32,
}

/// A key's part of every round, for S-boxes 2, 4, 6, 8 and for S-boxes 1, 3, 5, 7.
struct RoundKeys {
    even: [u32; 16],
    odd: [u32; 16],
}

impl Block {
    /// The block `iv`.
    pub(super) fn new(iv: u64) -> Block {
        let half = |bits: [usize; 32]| {
            let half = bits.iter().fold(0, |half, bit| half << 1 | (iv >> bit & 1) as u32);
            half.rotate_left(1)
        };
        Block { left: half(LEFT_BIT), right: half(RIGHT_BIT) }
    }

    /// Encrypts the block under the key of each `x` into its `y`. The shorter slice determines how
    /// many.
    pub(super) fn encrypt_under(self, x: &[u64], y: &mut [u64]) {
        let count = x.len().min(y.len());
        for (x, y) in x[..count].chunks(KEYS).zip(y[..count].chunks_mut(KEYS)) {
            // Unused places are encrypted under the key 0 and ignored.
            let mut keys = [0; KEYS];
            keys[..x.len()].copy_from_slice(x);
            for (y, block) in y.iter_mut().zip(self.encrypt(keys)) {
                *y = block;
            }
        }
    }

    fn encrypt(self, x: [u64; KEYS]) -> [u64; KEYS] {
        let keys = x.map(RoundKeys::of);
        let (mut left, mut right) = ([self.left; KEYS], [self.right; KEYS]);
        for round in (0..16).step_by(2) {
            for (i, key) in keys.iter().enumerate() {
                left[i] ^= key.mangle(right[i], round);
            }
            for (i, key) in keys.iter().enumerate() {
                right[i] ^= key.mangle(left[i], round + 1);
            }
        }
        std::array::from_fn(|i| permuted_finally(right[i], left[i]))
    }
}

impl RoundKeys {
    #[inline(always)]
    fn of(x: u64) -> RoundKeys {
        let (mut c, mut d) = ([0; 16], [0; 16]);
        for byte in 0..8 {
            let bits = (x >> (49 - 7 * byte)) as usize;
            let of_d = bits & ((1 << width_of_d(byte)) - 1);
            let of_c = bits >> width_of_d(byte) & ((1 << (7 - width_of_d(byte))) - 1);
            for round in 0..16 {
                c[round] ^= OF_C[byte][of_c].0[round];
                d[round] ^= OF_D[byte][of_d].0[round];
            }
        }
        RoundKeys {
            even: std::array::from_fn(|round| c[round] & 0xffff_0000 | d[round] >> 16),
            odd: std::array::from_fn(|round| c[round] << 16 | d[round] & 0xffff),
        }
    }

    /// f of the standard: what half a block adds to the other half in a round, 0 to 15.
    #[inline(always)]
    fn mangle(&self, half: u32, round: usize) -> u32 {
        let [s2, s4, s6, s8] = six_bits(half ^ self.even[round]);
        let [s1, s3, s5, s7] = six_bits(half.rotate_right(4) ^ self.odd[round]);
        let [t1, t2, t3, t4, t5, t6, t7, t8] = &SUBSTITUTED;
        (t1[s1] ^ t2[s2]) ^ (t3[s3] ^ t4[s4]) ^ ((t5[s5] ^ t6[s6]) ^ (t7[s7] ^ t8[s8]))
    }
}

/// The low six bits of every byte, the highest byte first.
#[inline(always)]
fn six_bits(bytes: u32) -> [usize; 4] {
    // All at the same time, which saves three operations.
    (bytes & 0x3f3f_3f3f).to_be_bytes().map(usize::from)
}

/// The final permutation of R16 || L16. Derived from its printed table: bit j of output byte i is
/// the bit of value 2^i in byte j of the sequence L16, R16, L16 ... by bytes; so bits and bytes
/// change places.
#[inline(always)]
fn permuted_finally(r16: u32, l16: u32) -> u64 {
    let bytes_apart = |half: u32| {
        let half = u64::from(half.rotate_right(1));
        let half = (half | half << 16) & 0x0000_ffff_0000_ffff;
        (half | half << 8) & 0x00ff_00ff_00ff_00ff
    };
    let mut block = bytes_apart(l16) << 8 | bytes_apart(r16);
    // Exchanges squares of 4, 2 and 1 bits across the diagonal.
    for (distance, mask) in
        [(28, 0x0000_0000_f0f0_f0f0), (14, 0x0000_cccc_0000_cccc), (7, 0x00aa_00aa_00aa_00aa)]
    {
        let moved = (block ^ block >> distance) & mask;
        block ^= moved ^ moved << distance;
    }
    block.swap_bytes()
}

/// How many of the seven bits of a key byte, the lowest, go to D; the others go to C.
const fn width_of_d(byte: usize) -> usize {
    if byte < 4 { 4 } else { 3 }
}

const fn key_table(is_d: bool) -> KeyTable {
    let mut table = [[Rounds([0; 16]); 16]; 8];
    // For every round, S-box of this register, and input of it.
    let mut at = 0;
    while at < 16 * 4 * 6 {
        let (round, sbox, input) = (at / 24, at / 6 % 4 + 4 * is_d as usize, at % 6);
        let place = (KEY_PLACE[sbox][input] + ROTATION[round + 1]) % 28;
        let x_bit = X_BIT[place + 28 * is_d as usize];
        let byte = 7 - x_bit / 7;
        let lowest = if is_d { 0 } else { width_of_d(byte) };
        let mut value = 0;
        while value < 16 {
            if value >> (x_bit % 7 - lowest) & 1 == 1 {
                table[byte][value].0[round] |= key_bit(sbox, input);
            }
            value += 1;
        }
        at += 1;
    }
    table
}

/// Which bit of an entry is added to which input of an S-box, both from 0. From the highest byte
/// on: for C the S-boxes printed as 2, 4, 1, 3, for D 6, 8, 5, 7; so the halves of both join to a
/// half of the round key.
const fn key_bit(sbox: usize, input: usize) -> u32 {
    let byte = if sbox % 2 == 1 { 2 } else { 0 } + if sbox % 4 < 2 { 1 } else { 0 };
    1 << (8 * byte + 5 - input)
}

const fn substituted() -> [[u32; 64]; 8] {
    let mut table = [[0; 64]; 8];
    let mut at = 0;
    while at < 8 * 64 {
        let (sbox, input) = (at / 64, at % 64);
        let (row, column) = (input >> 4 & 2 | input & 1, input >> 1 & 15);
        let output = S_BOX[sbox][16 * row + column];
        let mut half = 0u32;
        let mut bit = 0;
        while bit < 4 {
            half |= (output >> (3 - bit) & 1) << (31 - PLACE[sbox][bit]);
            bit += 1;
        }
        table[sbox][input] = half.rotate_left(1);
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::HashFunction;
    use super::super::des::Des;
    use super::*;
    use proptest::prelude::*;

    fn encrypted(iv: u64, x: &[u64]) -> Vec<u64> {
        let mut y = vec![0; x.len()];
        Block::new(iv).encrypt_under(x, &mut y);
        y
    }

    fn by_the_crate(iv: u64, x: &[u64]) -> Vec<u64> {
        let des = Des::new(iv);
        x.iter().map(|x| des.hash(*x)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn every_key_and_block_gives_what_the_crate_gives(
            iv: u64,
            x in proptest::collection::vec(0u64..1 << 56, 0..10),
        ) {
            prop_assert_eq!(encrypted(iv, &x), by_the_crate(iv, &x));
        }
    }

    /// Every bit of key and block alone, set and cleared.
    #[test]
    fn single_bits_give_what_the_crate_gives() {
        let keys: Vec<u64> =
            (0..56).flat_map(|bit| [1 << bit, ((1 << 56) - 1) ^ (1 << bit)]).collect();
        for iv in (0..64).flat_map(|bit| [1 << bit, !(1 << bit)]) {
            assert_eq!(encrypted(iv, &keys), by_the_crate(iv, &keys), "iv {iv:016x}");
        }
    }

    #[test]
    fn the_shorter_slice_decides() {
        let x = [3, 1, 4, 1, 5];
        let mut y = [7; 6];
        Block::new(9).encrypt_under(&x, &mut y);
        assert_eq!(y[..5], by_the_crate(9, &x));
        assert_eq!(y[5], 7);
        Block::new(8).encrypt_under(&x, &mut y[..2]);
        assert_eq!(y[..2], by_the_crate(8, &x[..2]));
        assert_eq!(y[2..5], by_the_crate(9, &x[2..]));
    }
}
