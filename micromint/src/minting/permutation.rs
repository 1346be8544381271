//! Which inputs are tossed: the secret permutation pi of the broker.
//!
//! Input: the number i of a toss. Output: the input x = pi(i); and the reverse. The invariant: pi
//! is a bijection on 0 .. 2^w - 1. If the broker tossed 0, 1, 2, … themselves, anyone who repeats
//! the search would find the broker's own balls, and redemption could not tell them from sold ones.
//! Under a secret key the first 2^b of 2^w inputs are a set that nobody else can compute.
//!
//! The low 8 bits of i pass through, the other w - 8 go through a balanced Feistel network of
//! [`ROUNDS`] rounds with AES-128 under the input key as round function, so one permutation serves
//! 256 tosses (a *group*). `docs/reference/minting.md` describes it byte by byte, with test
//! vectors.

use std::fmt;
use std::str::FromStr;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use sha2::Digest;

use crate::bytes::{from_u128_be, u128_be};
use crate::hash::{DES_UNUSED_IN_ROUND_1, HashName};

/// How many tosses share one permutation: those whose numbers differ in the low 8 bits only.
pub(super) const GROUP_SIZE: u64 = 256;
/// The rounds of the Feistel network: the fewest for which the best generic attack known needs as
/// many inputs as there are (`docs/reference/minting.md`).
const ROUNDS: u8 = 6;
/// The size of an input key, in bytes.
pub const INPUT_KEY_SIZE: usize = 16;

/// How many permutations are computed together, so that AES works on several blocks at a time.
const BATCH: usize = 64;

/// The secret key of pi, 128 bits. Its `Debug` form shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct InputKey([u8; INPUT_KEY_SIZE]);

/// The text is not an input key.
#[derive(Debug, thiserror::Error)]
#[error("expected 32 hexadecimal digits, found {found} characters")]
pub struct InputKeyError {
    found: usize,
}

impl InputKey {
    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; INPUT_KEY_SIZE]) -> InputKey {
        InputKey(bytes)
    }

    /// 32 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What a coin file stores of the key, so that a mint under another key is refused: the first
    /// bytes of SHA-256("micromint input key" || 0x00 || key). It does not reveal the key.
    pub fn tag(&self) -> [u8; 16] {
        let digest = sha2::Sha256::new()
            .chain_update(b"micromint input key\0")
            .chain_update(self.0)
            .finalize();
        std::array::from_fn(|i| digest[i])
    }
}

impl fmt::Debug for InputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InputKey(…)")
    }
}

impl FromStr for InputKey {
    type Err = InputKeyError;

    fn from_str(text: &str) -> Result<Self, InputKeyError> {
        let error = || InputKeyError { found: text.chars().count() };
        if text.len() != 2 * INPUT_KEY_SIZE || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(error());
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| error())?;
        Ok(InputKey(u128_be(number)))
    }
}

/// pi for one hash function under one key.
pub struct Permutation {
    cipher: Aes128,
    /// The bits of one half of the upper part.
    half_bits: u32,
    /// Where the upper bits of i go in x after the network.
    upper: Positions,
    /// Where the low 8 bits of i go in x.
    low: Positions,
}

impl Permutation {
    /// pi over the inputs of `hash` under `key`.
    pub fn new(hash: HashName, key: &InputKey) -> Permutation {
        let width = hash.input_width();
        let low_mask = match hash {
            // Position 0 is the most significant bit of x.
            HashName::Des => {
                DES_UNUSED_IN_ROUND_1.iter().fold(0, |mask, at| mask | 1 << (width - 1 - at))
            }
            HashName::Sha256 => GROUP_SIZE - 1,
        };
        Permutation {
            cipher: Aes128::new(&key.0.into()),
            half_bits: (width - 8) / 2,
            upper: Positions::of(((1 << width) - 1) & !low_mask),
            low: Positions::of(low_mask),
        }
    }

    /// pi(i), for i < 2^w.
    pub fn forward(&self, i: u64) -> u64 {
        let mut group = [0];
        self.groups(i / GROUP_SIZE, &mut group);
        group[0] | self.low_bits(i % GROUP_SIZE)
    }

    /// pi^-1(x), for x < 2^w.
    pub fn inverse(&self, x: u64) -> u64 {
        let mut x = [x];
        self.inverse_many(&mut x);
        x[0]
    }

    /// The groups from number `first` on: each becomes pi(256 * number). The input of toss
    /// 256 * number + j is that value with more bits set, which depend on j alone.
    pub fn groups(&self, first: u64, groups: &mut [u64]) {
        for (chunk, number) in groups.chunks_mut(BATCH).zip((first..).step_by(BATCH)) {
            for (group, number) in chunk.iter_mut().zip(number..) {
                *group = number;
            }
            self.network(chunk, 0..ROUNDS, false);
            self.upper.spread_all(chunk);
        }
    }

    /// The bits of x that the low 8 bits j of a toss number set.
    pub(super) fn low_bits(&self, j: u64) -> u64 {
        self.low.spread(j)
    }

    /// Converts inputs back into the numbers of their tosses.
    pub(super) fn inverse_many(&self, inputs: &mut [u64]) {
        for chunk in inputs.chunks_mut(BATCH) {
            let mut upper = [0; BATCH];
            let upper = &mut upper[..chunk.len()];
            for (upper, x) in upper.iter_mut().zip(chunk.iter()) {
                *upper = self.upper.gather(*x);
            }
            self.network(upper, (0..ROUNDS).rev(), true);
            for (upper, x) in upper.iter().zip(chunk) {
                *x = (upper * GROUP_SIZE) | self.low.gather(*x);
            }
        }
    }

    /// Sends at most [`BATCH`] values of w - 8 bits, left half above right half, through the
    /// rounds: (L, R) becomes (R, L xor F(round, R)), or the other way round if `backwards`.
    fn network(&self, values: &mut [u64], rounds: impl Iterator<Item = u8>, backwards: bool) {
        let (bits, mask) = (self.half_bits, (1 << self.half_bits) - 1);
        let (mut left, mut right) = ([0; BATCH], [0; BATCH]);
        for ((value, left), right) in values.iter().zip(&mut left).zip(&mut right) {
            (*left, *right) = (value >> bits, value & mask);
        }
        // Backwards is forwards with the halves exchanged.
        let (mut other, mut read) =
            if backwards { (&mut right, &mut left) } else { (&mut left, &mut right) };
        let mut blocks = [aes::Block::default(); BATCH];
        let count = values.len();
        for round in rounds {
            for (half, block) in read.iter().zip(&mut blocks) {
                *block = round_block(round, *half).into();
            }
            self.cipher.encrypt_blocks(&mut blocks[..count]);
            for (other, block) in other.iter_mut().zip(&blocks) {
                *other ^= low_word((*block).into()) & mask;
            }
            std::mem::swap(&mut other, &mut read);
        }
        let (left, right) = if backwards { (read, other) } else { (other, read) };
        for ((value, left), right) in values.iter_mut().zip(left).zip(right) {
            *value = *left << bits | *right;
        }
    }
}

impl fmt::Debug for Permutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permutation(…)")
    }
}

/// The input of the round function: the round number, seven zero bytes, the half as 8 bytes
/// big-endian.
fn round_block(round: u8, half: u64) -> [u8; 16] {
    u128_be(u128::from(round) << 120 | u128::from(half))
}

/// The last eight bytes of a block, big-endian.
fn low_word(block: [u8; 16]) -> u64 {
    from_u128_be(block) as u64
}

/// A set of bit positions in x. A value is spread over them in order: its most significant bit goes
/// to the highest position.
struct Positions {
    /// Runs of neighbouring positions: which bits of the value, and how far up they go.
    runs: Vec<(u64, u32)>,
}

impl Positions {
    fn of(mask: u64) -> Positions {
        let mut runs = Vec::new();
        let (mut rest, mut used) = (mask, 0);
        while rest != 0 {
            let start = rest.trailing_zeros();
            let length = (rest >> start).trailing_ones();
            let bits = ((1 << length) - 1) << used;
            runs.push((bits, start - used));
            used += length;
            rest &= !(((1 << length) - 1) << start);
        }
        Positions { runs }
    }

    fn spread(&self, value: u64) -> u64 {
        self.runs.iter().fold(0, |x, (bits, shift)| x | (value & bits) << shift)
    }

    /// Spreads at most [`BATCH`] values. Run by run takes half the time of value by value.
    fn spread_all(&self, values: &mut [u64]) {
        let mut spread = [0; BATCH];
        for (bits, shift) in &self.runs {
            for (x, value) in spread.iter_mut().zip(values.iter()) {
                *x |= (value & bits) << shift;
            }
        }
        for (value, x) in values.iter_mut().zip(spread) {
            *value = x;
        }
    }

    fn gather(&self, x: u64) -> u64 {
        self.runs.iter().fold(0, |value, (bits, shift)| value | x >> shift & bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f";
    const HASHES: [HashName; 2] = [HashName::Des, HashName::Sha256];

    fn permutation(hash: HashName) -> Permutation {
        Permutation::new(hash, &KEY.parse().unwrap())
    }

    /// Computed by another program (Python over OpenSSL's AES) from the description in
    /// `docs/reference/minting.md`, which gives the same vectors.
    #[test]
    fn agrees_with_the_document() {
        let des = [
            (0, 0x00c8_9128_2521_690e),
            (1, 0x00c8_9128_2521_6d0e),
            (0xff, 0x00ce_f128_2525_fd0e),
            (0x100, 0x0059_0cb2_85b3_6259),
            (0x0001_2345_6789_abcd, 0x00e6_907b_d304_8cf9),
            ((1 << 56) - 1, 0x00be_f0b9_f265_b6c4),
        ];
        let sha256 = [
            (0, 0x07e9_b5ca_0309_db00),
            (1, 0x07e9_b5ca_0309_db01),
            (0xff, 0x07e9_b5ca_0309_dbff),
            (0x100, 0x0766_7838_b087_5f00),
            (0x0001_2345_6789_abcd, 0x074f_0853_1bdc_e6cd),
            ((1 << 60) - 1, 0x0986_2c84_6297_76ff),
        ];
        for (hash, vectors) in HASHES.into_iter().zip([des, sha256]) {
            for (i, x) in vectors {
                assert_eq!(permutation(hash).forward(i), x, "{hash} {i:x}");
            }
        }
    }

    #[test]
    fn low_bits_stand_where_the_document_says() {
        let des = permutation(HashName::Des);
        // Positions 5 6 9 10 37 40 43 45 from the most significant of 56 bits.
        let expected = [10, 12, 15, 18, 45, 46, 49, 50];
        for (j, bit) in expected.into_iter().enumerate() {
            assert_eq!(des.low_bits(1 << j), 1 << bit);
        }
        assert_eq!(permutation(HashName::Sha256).low_bits(0xa5), 0xa5);
    }

    #[test]
    fn spreading_fills_the_positions_in_order() {
        let positions = Positions::of(0b1011_0010);
        assert_eq!(positions.spread(0b1111), 0b1011_0010);
        assert_eq!(positions.spread(0b1001), 0b1000_0010);
        assert_eq!(positions.gather(0b1101_0110), 0b1011);
    }

    /// Small whole permutations, one by one, in a batch and backwards.
    #[test]
    fn batches_and_single_tosses_agree() {
        for hash in HASHES {
            let permutation = permutation(hash);
            let first = (1 << (hash.input_width() - 8)) - 200;
            let mut groups = [0; 200];
            permutation.groups(first, &mut groups);
            for (group, number) in groups.iter().zip(first..) {
                let i = number * GROUP_SIZE + number % GROUP_SIZE;
                let x = group | permutation.low_bits(i % GROUP_SIZE);
                assert_eq!((permutation.forward(i), permutation.inverse(x)), (x, i));
            }
            let mut inputs: Vec<u64> = groups.to_vec();
            permutation.inverse_many(&mut inputs);
            assert!(
                inputs.iter().copied().eq((first..first + 200).map(|number| number * GROUP_SIZE))
            );
        }
    }

    /// A million tosses share no input: the map is one-to-one, not merely invertible for some.
    #[test]
    fn no_input_is_tossed_twice() {
        for hash in HASHES {
            let mut groups = vec![0; 4096];
            permutation(hash).groups(0, &mut groups);
            assert!(groups.iter().all(|group| *group < 1 << hash.input_width()));
            groups.sort_unstable();
            groups.dedup();
            assert_eq!(groups.len(), 4096);
        }
    }

    proptest! {
        #[test]
        fn inverse_undoes_forward(i in 0u64..1 << 60, key: [u8; 16]) {
            for hash in HASHES {
                let i = i & ((1 << hash.input_width()) - 1);
                let permutation = Permutation::new(hash, &InputKey::from_bytes(key));
                let x = permutation.forward(i);
                prop_assert!(x < 1 << hash.input_width());
                prop_assert_eq!(permutation.inverse(x), i);
                prop_assert_eq!(permutation.forward(permutation.inverse(i)), i);
            }
        }
    }

    #[test]
    fn keys_are_read_strictly_and_never_shown() {
        let key: InputKey = KEY.parse().unwrap();
        assert_eq!(key.to_hex(), KEY);
        assert!(!format!("{key:?}").contains('0'));
        for bad in [
            "",
            &KEY[1..],
            "+00102030405060708090a0b0c0d0e0f",
            "0x0102030405060708090a0b0c0d0e0f",
            &"é".repeat(16),
        ] {
            assert!(bad.parse::<InputKey>().is_err(), "{bad}");
        }
        let other: InputKey = KEY.replace("0f", "0e").parse().unwrap();
        assert_ne!(key.tag(), other.tag());
    }
}
