//! The machine words that the bit-sliced kernel is written for: many one-bit lanes side by side.
//!
//! One generic kernel serves all levels of instruction set; a level is an implementation of
//! [`Word`]. Vector types and their safe operations come from `fearless_simd`. Everything here and
//! in the kernel must be `#[inline(always)]`: a function that is called instead of inlined is
//! compiled without the level's instructions.

use super::{sboxes_ternary, sboxes_two_input};
#[cfg(target_arch = "x86_64")]
use fearless_simd::{Avx2, Avx512, prelude::*, u64x4, u64x8};

/// A word of `64 * ELEMENTS` lanes.
pub(super) trait Word: Copy {
    /// Proves that the processor supports this level.
    type Token: Copy;
    /// The number of 64-bit elements in a word.
    const ELEMENTS: usize;

    /// A word of equal elements.
    fn splat(token: Self::Token, value: u64) -> Self;
    /// A word of the first `ELEMENTS` elements of a slice that is long enough.
    fn load(token: Self::Token, elements: &[u64]) -> Self;
    /// Writes the elements to the first `ELEMENTS` of a slice that is long enough.
    fn store(&self, elements: &mut [u64]);

    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// `self & !other`.
    fn and_not(self, other: Self) -> Self;
    fn not(self) -> Self;
    /// Every element shifted to the left.
    fn shift_left(self, count: u32) -> Self;
    /// Every element shifted to the right.
    fn shift_right(self, count: u32) -> Self;

    /// S-box `N` + 1 by the circuit that suits this level.
    fn sbox<const N: usize>(input: [Self; 6]) -> [Self; 4];
}

/// A word with one operation for any function of three bits.
pub(super) trait Ternary: Word {
    /// In every lane, bit (a << 2 | b << 1 | c) of `TABLE`.
    fn lookup<const TABLE: i32>(a: Self, b: Self, c: Self) -> Self;
}

/// S-box `N` + 1 from a module of circuits.
macro_rules! sbox_from {
    ($module:ident) => {
        #[inline(always)]
        fn sbox<const N: usize>(input: [Self; 6]) -> [Self; 4] {
            match N {
                0 => $module::s1(input),
                1 => $module::s2(input),
                2 => $module::s3(input),
                3 => $module::s4(input),
                4 => $module::s5(input),
                5 => $module::s6(input),
                6 => $module::s7(input),
                _ => $module::s8(input),
            }
        }
    };
}

impl Word for u64 {
    type Token = ();
    const ELEMENTS: usize = 1;

    #[inline(always)]
    fn splat((): (), value: u64) -> u64 {
        value
    }

    #[inline(always)]
    fn load((): (), elements: &[u64]) -> u64 {
        elements[0]
    }

    #[inline(always)]
    fn store(&self, elements: &mut [u64]) {
        elements[0] = *self;
    }

    #[inline(always)]
    fn and(self, other: u64) -> u64 {
        self & other
    }

    #[inline(always)]
    fn or(self, other: u64) -> u64 {
        self | other
    }

    #[inline(always)]
    fn xor(self, other: u64) -> u64 {
        self ^ other
    }

    #[inline(always)]
    fn and_not(self, other: u64) -> u64 {
        self & !other
    }

    #[inline(always)]
    fn not(self) -> u64 {
        !self
    }

    #[inline(always)]
    fn shift_left(self, count: u32) -> u64 {
        self << count
    }

    #[inline(always)]
    fn shift_right(self, count: u32) -> u64 {
        self >> count
    }

    sbox_from!(sboxes_two_input);
}

/// [`Word`] for a vector type of `fearless_simd`.
#[cfg(target_arch = "x86_64")]
macro_rules! vector_word {
    ($vector:ident, $level:ident, $elements:literal, $circuits:ident) => {
        impl Word for $vector<$level> {
            type Token = $level;
            const ELEMENTS: usize = $elements;

            #[inline(always)]
            fn splat(token: $level, value: u64) -> Self {
                fearless_simd::SimdBase::splat(token, value)
            }

            #[inline(always)]
            fn load(token: $level, elements: &[u64]) -> Self {
                $vector::from_slice(token, &elements[..$elements])
            }

            #[inline(always)]
            fn store(&self, elements: &mut [u64]) {
                let values: [u64; $elements] = (*self).into();
                elements[..$elements].copy_from_slice(&values);
            }

            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }

            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }

            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }

            #[inline(always)]
            fn and_not(self, other: Self) -> Self {
                self & !other
            }

            #[inline(always)]
            fn not(self) -> Self {
                !self
            }

            #[inline(always)]
            fn shift_left(self, count: u32) -> Self {
                self << count
            }

            #[inline(always)]
            fn shift_right(self, count: u32) -> Self {
                self >> count
            }

            sbox_from!($circuits);
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector_word!(u64x4, Avx2, 4, sboxes_two_input);
#[cfg(target_arch = "x86_64")]
vector_word!(u64x8, Avx512, 8, sboxes_ternary);

/// [`Ternary`] for AVX-512: one `vpternlog` for each of the tables named.
#[cfg(target_arch = "x86_64")]
macro_rules! ternary_avx512 {
    ($($table:literal)*) => {
        impl Ternary for u64x8<Avx512> {
            #[inline(always)]
            fn lookup<const TABLE: i32>(a: Self, b: Self, c: Self) -> Self {
                match TABLE {
                    $($table => {
                        fearless_simd::kernel!(
                            #[inline(always)]
                            fn lookup(token: Avx512, a: u64x8<Avx512>, b: u64x8<Avx512>, c: u64x8<Avx512>) -> u64x8<Avx512> {
                                std::arch::x86_64::_mm512_ternarylogic_epi64::<$table>(a.into(), b.into(), c.into())
                                    .simd_into(token)
                            }
                        );
                        lookup(a.simd, a, b, c)
                    })*
                    // No circuit uses a table outside 0 to 255.
                    _ => a,
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
ternary_avx512! {
    0x00 0x01 0x02 0x03 0x04 0x05 0x06 0x07 0x08 0x09 0x0a 0x0b 0x0c 0x0d 0x0e 0x0f
    0x10 0x11 0x12 0x13 0x14 0x15 0x16 0x17 0x18 0x19 0x1a 0x1b 0x1c 0x1d 0x1e 0x1f
    0x20 0x21 0x22 0x23 0x24 0x25 0x26 0x27 0x28 0x29 0x2a 0x2b 0x2c 0x2d 0x2e 0x2f
    0x30 0x31 0x32 0x33 0x34 0x35 0x36 0x37 0x38 0x39 0x3a 0x3b 0x3c 0x3d 0x3e 0x3f
    0x40 0x41 0x42 0x43 0x44 0x45 0x46 0x47 0x48 0x49 0x4a 0x4b 0x4c 0x4d 0x4e 0x4f
    0x50 0x51 0x52 0x53 0x54 0x55 0x56 0x57 0x58 0x59 0x5a 0x5b 0x5c 0x5d 0x5e 0x5f
    0x60 0x61 0x62 0x63 0x64 0x65 0x66 0x67 0x68 0x69 0x6a 0x6b 0x6c 0x6d 0x6e 0x6f
    0x70 0x71 0x72 0x73 0x74 0x75 0x76 0x77 0x78 0x79 0x7a 0x7b 0x7c 0x7d 0x7e 0x7f
    0x80 0x81 0x82 0x83 0x84 0x85 0x86 0x87 0x88 0x89 0x8a 0x8b 0x8c 0x8d 0x8e 0x8f
    0x90 0x91 0x92 0x93 0x94 0x95 0x96 0x97 0x98 0x99 0x9a 0x9b 0x9c 0x9d 0x9e 0x9f
    0xa0 0xa1 0xa2 0xa3 0xa4 0xa5 0xa6 0xa7 0xa8 0xa9 0xaa 0xab 0xac 0xad 0xae 0xaf
    0xb0 0xb1 0xb2 0xb3 0xb4 0xb5 0xb6 0xb7 0xb8 0xb9 0xba 0xbb 0xbc 0xbd 0xbe 0xbf
    0xc0 0xc1 0xc2 0xc3 0xc4 0xc5 0xc6 0xc7 0xc8 0xc9 0xca 0xcb 0xcc 0xcd 0xce 0xcf
    0xd0 0xd1 0xd2 0xd3 0xd4 0xd5 0xd6 0xd7 0xd8 0xd9 0xda 0xdb 0xdc 0xdd 0xde 0xdf
    0xe0 0xe1 0xe2 0xe3 0xe4 0xe5 0xe6 0xe7 0xe8 0xe9 0xea 0xeb 0xec 0xed 0xee 0xef
    0xf0 0xf1 0xf2 0xf3 0xf4 0xf5 0xf6 0xf7 0xf8 0xf9 0xfa 0xfb 0xfc 0xfd 0xfe 0xff
}
