//! Entry points of the DES kernel, compiled once for every level of instruction set.

use super::des_rounds;
use super::des_search::Walk;
use super::word::Word;
#[cfg(target_arch = "x86_64")]
use fearless_simd::{Avx2, Avx512, kernel, u64x4, u64x8};

/// A level's compiled kernel. The methods are called and not inlined; everything they call is
/// inlined.
pub(super) trait DesKernel: Word + Sync + Send {
    /// See [`Walk::begin`].
    fn begin(token: Self::Token, walk: &mut Walk<Self>, bases: &[u64]);
    /// One step of the walk: flips a walked bit, except in the first step, and returns who
    /// survives.
    fn step(token: Self::Token, walk: &mut Walk<Self>, flip: Option<u32>, passed: &mut [u64]);
    /// See [`des_rounds::encrypt`].
    fn encrypt(token: Self::Token, iv: u64, x: &[u64], y: &mut [u64]);
}

#[inline(always)]
fn step<V: Word>(walk: &mut Walk<V>, flip: Option<u32>, passed: &mut [u64]) {
    if let Some(bit) = flip {
        walk.flip(bit);
    }
    if walk.deep {
        walk.survivors::<true>(passed);
    } else {
        walk.survivors::<false>(passed);
    }
}

impl DesKernel for u64 {
    fn begin((): (), walk: &mut Walk<u64>, bases: &[u64]) {
        walk.begin(bases);
    }

    fn step((): (), walk: &mut Walk<u64>, flip: Option<u32>, passed: &mut [u64]) {
        step(walk, flip, passed);
    }

    fn encrypt((): (), iv: u64, x: &[u64], y: &mut [u64]) {
        des_rounds::encrypt::<u64>((), iv, x, y);
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! vector_kernel {
    ($vector:ident, $level:ident) => {
        impl DesKernel for $vector<$level> {
            fn begin(token: $level, walk: &mut Walk<Self>, bases: &[u64]) {
                kernel!(
                    fn begin(token: $level, walk: &mut Walk<$vector<$level>>, bases: &[u64]) {
                        walk.begin(bases);
                    }
                );
                begin(token, walk, bases);
            }

            fn step(token: $level, walk: &mut Walk<Self>, flip: Option<u32>, passed: &mut [u64]) {
                kernel!(
                    fn enter(
                        token: $level,
                        walk: &mut Walk<$vector<$level>>,
                        flip: Option<u32>,
                        passed: &mut [u64],
                    ) {
                        step(walk, flip, passed);
                    }
                );
                enter(token, walk, flip, passed);
            }

            fn encrypt(token: $level, iv: u64, x: &[u64], y: &mut [u64]) {
                kernel!(
                    fn encrypt(token: $level, iv: u64, x: &[u64], y: &mut [u64]) {
                        des_rounds::encrypt::<$vector<$level>>(token, iv, x, y);
                    }
                );
                encrypt(token, iv, x, y);
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector_kernel!(u64x4, Avx2);
#[cfg(target_arch = "x86_64")]
vector_kernel!(u64x8, Avx512);
