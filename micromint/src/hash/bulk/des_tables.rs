//! The tables of DES (FIPS 46-3), turned into indices for bit-sliced rounds.
//!
//! Positions count from 0, the leftmost bit first. A key plane has its place in the register C (the
//! first 28 bits after permuted choice 1) or D (the other 28).

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

/// P as printed: the bit of the S-boxes' output, from 1, that goes to each place.
const P: [usize; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6,
    22, 11, 4, 25,
];

/// P turned round: to which place bit j of the output of S-box n goes.
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
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37,
    47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
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

/// By how much C and D are rotated to the left in each of the rounds 1 to 16 (index 1 to 16).
pub(super) const ROTATION: [usize; 17] = [0, 1, 2, 4, 6, 8, 10, 12, 14, 15, 17, 19, 21, 23, 25, 27, 28];

/// Permuted choice 1 as printed: bits of the 64-bit key with parity, from 1; C and then D.
const PC_1: [usize; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44,
    36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20,
    12, 4,
];

/// Which bit of the 56-bit x (0 the *least* significant) stands at each place of C || D.
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

/// The place in C || D of a bit of x (0 the least significant).
pub(super) const fn place_of_x_bit(bit: usize) -> usize {
    let mut place = 0;
    while X_BIT[place] != bit {
        place += 1;
    }
    place
}

/// The inverse of the initial permutation, which is the final one, as printed: the bit of R16 || L16,
/// from 1, that goes to each place of the output.
const FINAL: [usize; 64] = [
    40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45,
    13, 53, 21, 61, 29, 36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50, 18,
    58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
];

/// Where an output bit comes from, and where an input bit goes to: the half, `true` for the right one
/// of R16 || L16 (that is L16 = R15) and of L0 || R0, and the place in it. The same table serves
/// both ends, since the initial permutation is the inverse of the final one.
pub(super) const OUTPUT_FROM: [(bool, usize); 64] = {
    let mut table = [(false, 0); 64];
    let mut i = 0;
    while i < 64 {
        table[i] = (FINAL[i] > 32, (FINAL[i] - 1) % 32);
        i += 1;
    }
    table
};

/// Which bit of a block (0 the least significant) stands at each place of the left half: L0 of the
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
