//! The tables of DES (FIPS 46-3) as printed, and inverted into the indices that our own kernels
//! use.
//!
//! Positions count from 0, the leftmost bit first. A key plane has its place in the register C (the
//! first 28 bits after permuted choice 1) or D (the other 28).

/// The bits of x that DES does not use in its first round, most significant first, counted from the
/// most significant bit of x (bit 55) as 0. The bulk kernel walks these eight cheaply, so they
/// carry the low bits of the toss index (see [`crate::minting`]).
pub(crate) const DES_UNUSED_IN_ROUND_1: [u32; 8] = [5, 6, 9, 10, 37, 40, 43, 45];

/// E: which bit of R is input i of S-box n.
pub(super) const EXPANSION: [[usize; 6]; 8] = {
    let mut table = [[0; 6]; 8];
    let mut n = 0;
    while n < 8 {
        let mut i = 0;
        while i < 6 {
            table[n][i] = (4 * n + i + 31) % 32;
            i += 1;
        }
        n += 1;
    }
    table
};

/// The S-boxes as printed: four rows of sixteen. The outer two of the six input bits select the
/// row. `tools/sbox-circuits`, which makes the circuits of the bulk kernel, has its own copy: an
/// error in either shows when both kernels are compared with the crate.
pub(super) const S_BOX: [[u32; 64]; 8] = [
    [
        14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12,
        11, 9, 5, 3, 8, 4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9,
        1, 7, 5, 11, 3, 14, 10, 0, 6, 13,
    ],
    [
        15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1,
        10, 6, 9, 11, 5, 0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15,
        4, 2, 11, 6, 7, 12, 0, 5, 14, 9,
    ],
    [
        10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5,
        14, 12, 11, 15, 1, 13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6,
        9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12,
    ],
    [
        7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2,
        12, 1, 10, 14, 9, 10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1,
        13, 8, 9, 4, 5, 11, 12, 7, 2, 14,
    ],
    [
        2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15,
        10, 3, 9, 8, 6, 4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14,
        2, 13, 6, 15, 0, 9, 10, 4, 5, 3,
    ],
    [
        12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13,
        14, 0, 11, 3, 8, 9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5,
        15, 10, 11, 14, 1, 7, 6, 0, 8, 13,
    ],
    [
        4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5,
        12, 2, 15, 8, 6, 1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4,
        10, 7, 9, 5, 0, 15, 14, 2, 3, 12,
    ],
    [
        13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6,
        11, 0, 14, 9, 2, 7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10,
        8, 13, 15, 12, 9, 0, 3, 5, 6, 11,
    ],
];

/// P as printed: the bit of the S-boxes' output, from 1, that goes to each place.
const P: [usize; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19,
    13, 30, 6, 22, 11, 4, 25,
];

/// P inverted: the place of bit j of the output of S-box n.
pub(super) const PLACE: [[usize; 4]; 8] = {
    let mut table = [[0; 4]; 8];
    let mut place = 0;
    while place < 32 {
        table[(P[place] - 1) / 4][(P[place] - 1) % 4] = place;
        place += 1;
    }
    table
};

/// Permuted choice 2 as printed: the place in C || D, from 1, of each key bit of a round.
const PC_2: [usize; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52,
    31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];

/// Which place of C (S-boxes 1 to 4) or D (5 to 8) is added to input i of S-box n.
pub(super) const KEY_PLACE: [[usize; 6]; 8] = {
    let mut table = [[0; 6]; 8];
    let mut n = 0;
    while n < 8 {
        let mut i = 0;
        while i < 6 {
            table[n][i] = (PC_2[6 * n + i] - 1) % 28;
            i += 1;
        }
        n += 1;
    }
    table
};

/// The number of places by which C and D are rotated to the left in the rounds 1 to 16 (index 1 to
/// 16).
pub(super) const ROTATION: [usize; 17] =
    [0, 1, 2, 4, 6, 8, 10, 12, 14, 15, 17, 19, 21, 23, 25, 27, 28];

/// Permuted choice 1 as printed: bits of the 64-bit key with parity, from 1; C and then D.
const PC_1: [usize; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60,
    52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29,
    21, 13, 5, 28, 20, 12, 4,
];

/// Which bit of the 56-bit x (0 is the *least* significant) is at each place of C || D.
pub(super) const X_BIT: [usize; 56] = {
    let mut table = [0; 56];
    let mut place = 0;
    while place < 56 {
        let bit = PC_1[place] - 1;
        // Seven bits of x to a key byte; the eighth is parity.
        table[place] = 55 - (bit / 8 * 7 + bit % 8);
        place += 1;
    }
    table
};

/// The place in C || D of a bit of x (0 is the least significant).
pub(super) const fn place_of_x_bit(bit: usize) -> usize {
    let mut place = 0;
    while X_BIT[place] != bit {
        place += 1;
    }
    place
}

/// The inverse of the initial permutation, which is the final permutation, as printed: the bit of
/// R16 || L16, from 1, that goes to each place of the output.
const FINAL: [usize; 64] = [
    40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30,
    37, 5, 45, 13, 53, 21, 61, 29, 36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27,
    34, 2, 42, 10, 50, 18, 58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
];

/// The origin of an output bit, and the destination of an input bit: the half, `true` for the right
/// one of R16 || L16 (that is L16 = R15) and of L0 || R0, and the place in it. The same table
/// serves both ends, because the initial permutation is the inverse of the final one.
pub(super) const OUTPUT_FROM: [(bool, usize); 64] = {
    let mut table = [(false, 0); 64];
    let mut i = 0;
    while i < 64 {
        table[i] = (FINAL[i] > 32, (FINAL[i] - 1) % 32);
        i += 1;
    }
    table
};

/// Which bit of a block (0 is the least significant) is at each place of the left half: L0 of the
/// input, R16 of the output.
pub(super) const LEFT_BIT: [usize; 32] = half_bits(false);
/// The same for the right half: R0 of the input, L16 = R15 of the output.
pub(super) const RIGHT_BIT: [usize; 32] = half_bits(true);

const fn half_bits(right: bool) -> [usize; 32] {
    let mut table = [0; 32];
    let mut i = 0;
    while i < 64 {
        if OUTPUT_FROM[i].0 == right {
            table[OUTPUT_FROM[i].1] = 63 - i;
        }
        i += 1;
    }
    table
}
