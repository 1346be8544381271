//! Which inputs are tossed: the secret permutation pi of the broker.
//!
//! Input: the number i of a toss. Output: the input x = pi(i); and the reverse. The invariant: pi
//! is a bijection on 0 .. 2^w - 1. If the broker tossed 0, 1, 2, … themselves, anyone who repeats
//! the search would find the broker's own balls, and redemption could not tell them from sold ones.
//! Under a secret key the first 2^b of 2^w inputs are a set that nobody else can compute.
//!
//! The low s bits of i ([`WalkBits`]) pass through, the other w - s go through a balanced Feistel
//! network of [`ROUNDS`] rounds with AES-128 as round function, so one permutation serves 2^s
//! tosses (a *group*). The key of AES is derived from the input key and the period, so one input
//! key gives unrelated permutations in two periods. `docs/reference/minting.md` describes it byte
//! by byte, with test vectors.

use std::fmt;
use std::str::FromStr;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::bytes::{from_u128_be, u64_be, u128_be};
use crate::hash::bulk::WalkBits;
use crate::hex::{hex, unhex};
use crate::params::Params;

/// The rounds of the Feistel network: the fewest for which the best generic attack known needs as
/// many inputs as there are (`docs/reference/minting.md`).
const ROUNDS: u8 = 6;
/// The size of an input key and of the key of AES, in bytes.
pub(super) const INPUT_KEY_SIZE: usize = 16;

/// How many permutations are computed together, so that AES works on several blocks at a time.
const AT_ONCE: usize = 64;

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
        hex(&self.0)
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
        unhex(text).map(InputKey).map_err(|_| InputKeyError { found: text.chars().count() })
    }
}

/// The key of AES in pi: the first bytes of an HMAC-SHA256 under the input key over everything that
/// determines which balls are good, and s.
pub(super) struct PermutationKey([u8; INPUT_KEY_SIZE]);

impl PermutationKey {
    /// The key for the period `params`, whose groups have 2^`walk` tosses.
    pub(super) fn derive(params: &Params, key: &InputKey, walk: WalkBits) -> PermutationKey {
        let raw = params.raw();
        #[allow(clippy::expect_used, reason = "HMAC accepts keys of every length")]
        let hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key.0)
            .expect("HMAC takes a key of any length");
        let digest = hmac
            .chain_update(b"micromint permutation\0")
            .chain_update(raw.period.as_str())
            .chain_update([0])
            .chain_update(u64_be(raw.iv))
            .chain_update([raw.fixed_count as u8])
            .chain_update(u64_be(raw.fixed_bits))
            .chain_update([walk.get() as u8])
            .finalize()
            .into_bytes();
        PermutationKey(std::array::from_fn(|i| digest[i]))
    }

    /// What coin files and run files store of the key, so that a mint under another input key, or
    /// of other groups, is refused: the first bytes of SHA-256("micromint permutation tag" || 0x00
    /// || key). It does not reveal the key.
    pub(super) fn tag(&self) -> [u8; 16] {
        let digest = Sha256::new()
            .chain_update(b"micromint permutation tag\0")
            .chain_update(self.0)
            .finalize();
        std::array::from_fn(|i| digest[i])
    }
}

/// pi for one period under one input key.
pub struct Permutation {
    cipher: Aes128,
    /// s, the bits of i that pass through.
    walk: WalkBits,
    /// The bits of one half of the upper part.
    half_bits: u32,
    /// Where the upper bits of i go in x after the network.
    upper: Positions,
    /// Where the low s bits of i go in x.
    low: Positions,
}

impl Permutation {
    /// pi for the period `params`, whose groups have 2^`walk` tosses, under `key`.
    pub fn new(params: &Params, key: &InputKey, walk: WalkBits) -> Permutation {
        let hash = params.raw().hash;
        let (width, low_mask) = (hash.input_width(), walk.mask(hash));
        Permutation {
            cipher: Aes128::new(&PermutationKey::derive(params, key, walk).0.into()),
            walk,
            half_bits: (width - walk.get()) / 2,
            upper: Positions::of(((1 << width) - 1) & !low_mask),
            low: Positions::of(low_mask),
        }
    }

    /// 2^s, the tosses of a group.
    pub(super) fn group_size(&self) -> u64 {
        self.walk.inputs_per_base() as u64
    }

    /// pi(i), for i < 2^w.
    pub fn forward(&self, i: u64) -> u64 {
        let mut group = [0];
        self.groups(i / self.group_size(), &mut group);
        group[0] | self.low_bits(i % self.group_size())
    }

    /// pi^-1(x), for x < 2^w.
    #[cfg(test)]
    pub(super) fn inverse(&self, x: u64) -> u64 {
        let mut x = [x];
        self.inverse_many(&mut x);
        x[0]
    }

    /// The groups from number `first` on: each becomes pi(2^s * number). The input of toss
    /// 2^s * number + j is that value with more bits set, which depend on j alone.
    pub fn groups(&self, first: u64, groups: &mut [u64]) {
        for (chunk, number) in groups.chunks_mut(AT_ONCE).zip((first..).step_by(AT_ONCE)) {
            for (group, number) in chunk.iter_mut().zip(number..) {
                *group = number;
            }
            self.network(chunk, 0..ROUNDS, false);
            self.upper.spread_all(chunk);
        }
    }

    /// The bits of x that the low s bits j of a toss number set.
    pub(super) fn low_bits(&self, j: u64) -> u64 {
        self.low.spread(j)
    }

    /// Converts inputs back into the numbers of their tosses.
    pub(super) fn inverse_many(&self, inputs: &mut [u64]) {
        for chunk in inputs.chunks_mut(AT_ONCE) {
            let mut upper = [0; AT_ONCE];
            let upper = &mut upper[..chunk.len()];
            for (upper, x) in upper.iter_mut().zip(chunk.iter()) {
                *upper = self.upper.gather(*x);
            }
            self.network(upper, (0..ROUNDS).rev(), true);
            for (upper, x) in upper.iter().zip(chunk) {
                *x = (upper * self.group_size()) | self.low.gather(*x);
            }
        }
    }

    /// Sends at most [`AT_ONCE`] values of w - s bits, left half above right half, through the
    /// rounds: (L, R) becomes (R, L xor F(round, R)), or the other way round if `backwards`.
    fn network(&self, values: &mut [u64], rounds: impl Iterator<Item = u8>, backwards: bool) {
        let (bits, mask) = (self.half_bits, (1 << self.half_bits) - 1);
        let (mut left, mut right) = ([0; AT_ONCE], [0; AT_ONCE]);
        for ((value, left), right) in values.iter().zip(&mut left).zip(&mut right) {
            (*left, *right) = (value >> bits, value & mask);
        }
        // Backwards is forwards with the halves exchanged.
        let (mut other, mut read) =
            if backwards { (&mut right, &mut left) } else { (&mut left, &mut right) };
        let mut blocks = [aes::Block::default(); AT_ONCE];
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

    /// Spreads at most [`AT_ONCE`] values. Run by run takes half the time of value by value.
    fn spread_all(&self, values: &mut [u64]) {
        let mut spread = [0; AT_ONCE];
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
    use crate::hash::HashName;
    use crate::testing::params_with;
    use proptest::prelude::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f";
    const HASHES: [HashName; 2] = [HashName::Des, HashName::Sha256];

    fn params(hash: HashName) -> Params {
        params_with(|raw| raw.hash = hash)
    }

    fn permutation(hash: HashName, walk: WalkBits) -> Permutation {
        Permutation::new(&params(hash), &KEY.parse().unwrap(), walk)
    }

    fn permutations() -> impl Iterator<Item = Permutation> {
        let of = |hash| WalkBits::ALL.into_iter().map(move |walk| permutation(hash, walk));
        HASHES.into_iter().flat_map(of)
    }

    /// The end of the inputs.
    fn end(permutation: &Permutation) -> u64 {
        1 << (2 * permutation.half_bits + permutation.walk.get())
    }

    /// Another program (`testdata/check_vectors.py`) computes more of these from the description in
    /// `docs/reference/minting.md`.
    #[test]
    fn agrees_with_the_document() {
        let expected = [
            (4, [0x40_88ae_0a88_327d, 0x46_e8ae_0a88_327d, 0x87_a767_9620_c729]),
            (6, [0x49_9954_1a31_55f9, 0x4f_f954_1a35_d5f9, 0x20_6601_4140_dcc5]),
            (8, [0xc9_031f_9ab9_4b74, 0xcf_631f_9abd_df74, 0x96_9491_a5dc_ef07]),
        ];
        for (bits, expected) in expected {
            let walk = WalkBits::new(bits).unwrap();
            let permutation = permutation(HashName::Des, walk);
            let tosses = [0, (1 << bits) - 1, 0x0001_2345_6789_abcd];
            assert_eq!(tosses.map(|i| permutation.forward(i)), expected, "s = {bits}");
        }
    }

    #[test]
    fn low_bits_stand_where_the_document_says() {
        // Positions 5 6 9 10 37 40 43 45 from the most significant of 56 bits, the first s of them.
        let positions = [5, 6, 9, 10, 37, 40, 43, 45];
        for walk in WalkBits::ALL {
            let des = permutation(HashName::Des, walk);
            let expected = positions[..walk.get() as usize].iter().rev().map(|at| 1 << (55 - at));
            for (j, x) in expected.enumerate() {
                assert_eq!(des.low_bits(1 << j), x);
            }
            let low = 0xa5 & (walk.inputs_per_base() as u64 - 1);
            assert_eq!(permutation(HashName::Sha256, walk).low_bits(low), low);
        }
    }

    /// The key of AES and the tag depend on everything that determines which balls are good, on s,
    /// and on nothing else.
    #[test]
    fn another_period_or_walk_has_another_permutation() {
        let (key, walk) = (KEY.parse().unwrap(), WalkBits::MAX);
        let of = |params: &Params, key, walk| PermutationKey::derive(params, key, walk);
        let first = of(&params_with(|_| {}), &key, walk);
        let changes: [fn(&mut crate::params::RawParams); 4] = [
            |raw| raw.period = "2026-11".parse().unwrap(),
            |raw| raw.iv ^= 1,
            |raw| raw.fixed_bits ^= 1,
            |raw| (raw.fixed_count, raw.output_bits) = (3, 13),
        ];
        let other_key = InputKey::from_bytes([1; 16]);
        let mut others: Vec<PermutationKey> =
            changes.into_iter().map(|change| of(&params_with(change), &key, walk)).collect();
        others.push(of(&params_with(|_| {}), &key, WalkBits::new(6).unwrap()));
        others.push(of(&params_with(|_| {}), &other_key, walk));
        for other in &others {
            assert!(other.0 != first.0 && other.tag() != first.tag());
        }
        let same = of(&params_with(|raw| raw.input_bits = 20), &key, walk);
        assert!(same.0 == first.0 && same.tag() == first.tag());
        assert_ne!(first.tag(), first.0);
    }

    #[test]
    fn spreading_fills_the_positions_in_order() {
        let positions = Positions::of(0b1011_0010);
        assert_eq!(positions.spread(0b1111), 0b1011_0010);
        assert_eq!(positions.spread(0b1001), 0b1000_0010);
        assert_eq!(positions.gather(0b1101_0110), 0b1011);
    }

    /// Small whole permutations, one by one, many at once and backwards.
    #[test]
    fn many_and_single_tosses_agree() {
        for permutation in permutations() {
            let size = permutation.group_size();
            let first = end(&permutation) / size - 200;
            let mut groups = [0; 200];
            permutation.groups(first, &mut groups);
            for (group, number) in groups.iter().zip(first..) {
                let i = number * size + number % size;
                let x = group | permutation.low_bits(i % size);
                assert_eq!((permutation.forward(i), permutation.inverse(x)), (x, i));
            }
            let mut inputs: Vec<u64> = groups.to_vec();
            permutation.inverse_many(&mut inputs);
            assert!(inputs.iter().copied().eq((first..first + 200).map(|number| number * size)));
        }
    }

    /// Groups share no input: the map is one-to-one, not merely invertible for some.
    #[test]
    fn no_input_is_tossed_twice() {
        for permutation in permutations() {
            let mut groups = vec![0; 4096];
            permutation.groups(0, &mut groups);
            assert!(groups.iter().all(|group| *group < end(&permutation)));
            groups.sort_unstable();
            groups.dedup();
            assert_eq!(groups.len(), 4096);
        }
    }

    proptest! {
        #[test]
        fn inverse_undoes_forward(i in 0u64..1 << 60, key: [u8; 16]) {
            let of = |hash| WalkBits::ALL.into_iter().map(move |walk| (params(hash), walk));
            for (params, walk) in HASHES.into_iter().flat_map(of) {
                let i = i & (params.input_end() - 1);
                let permutation = Permutation::new(&params, &InputKey::from_bytes(key), walk);
                let x = permutation.forward(i);
                prop_assert!(x < params.input_end());
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
    }
}
