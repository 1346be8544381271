//! Transposition of 64 x 64 bit matrices, one for each 64-bit element of a word.

use super::word::Word;

/// Turns bit j of row i into bit i of row j, in every element.
#[inline(always)]
pub(super) fn transpose<V: Word>(token: V::Token, rows: &mut [V; 64]) {
    // Exchanges squares of width 32, 16 ... 1 across the diagonal.
    let mut width = 32;
    let mut mask = 0xffff_ffffu64;
    while width > 0 {
        let low = V::splat(token, mask);
        let mut row = 0;
        while row < 64 {
            for i in row..row + width {
                let moved = rows[i].shift_right(width as u32).xor(rows[i + width]).and(low);
                rows[i + width] = rows[i + width].xor(moved);
                rows[i] = rows[i].xor(moved.shift_left(width as u32));
            }
            row += 2 * width;
        }
        width /= 2;
        mask ^= mask << width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_rows_and_columns() {
        let row = |i: u64| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rows: [u64; 64] = std::array::from_fn(|i| row(i as u64));
        transpose((), &mut rows);
        for (j, column) in rows.into_iter().enumerate() {
            for i in 0..64 {
                assert_eq!(column >> i & 1, row(i) >> j & 1, "row {i}, column {j}");
            }
        }
    }
}
