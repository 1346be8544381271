//! Checking coins by hashing alone.

use micromint_core::coin::{CoinFault, CoinRules};
use micromint_core::identity::{UserVector, VendorVector};

use crate::boundary::{free, given, guard, hand_out, output, parsed, reference, slice};
use crate::error::{micromint_error, micromint_status};
use crate::params::micromint_params;
use micromint_status::MICROMINT_ERROR_ARGUMENT;

/// Checks the coins of one period for one vendor. Free it with `micromint_checker_free()`. It is
/// immutable: threads may share it, and it may be used across a fork.
pub struct micromint_checker {
    rules: CoinRules,
    vendor: VendorVector,
}

/// What is wrong with coins, in order of precedence: the first fault of this list that applies is
/// the answer.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum micromint_coin_fault {
    /// Nothing is wrong.
    MICROMINT_COIN_GOOD = 0,
    /// An x is out of range.
    MICROMINT_COIN_OUT_OF_RANGE = 1,
    /// An x is repeated within a coin.
    MICROMINT_COIN_REPEATED_BALL = 2,
    /// The fixed bits of a ball are wrong.
    MICROMINT_COIN_FIXED_BITS = 3,
    /// The superbins are not a set of this user.
    MICROMINT_COIN_USER_DIFFERENCES = 4,
    /// The sub-bins are not this vendor's.
    MICROMINT_COIN_VENDOR_DIFFERENCES = 5,
    /// A coin is repeated.
    MICROMINT_COIN_REPEATED_COIN = 6,
    // Last added: 6.
}

impl From<CoinFault> for micromint_coin_fault {
    fn from(fault: CoinFault) -> Self {
        match fault {
            CoinFault::OutOfRange => Self::MICROMINT_COIN_OUT_OF_RANGE,
            CoinFault::RepeatedBall => Self::MICROMINT_COIN_REPEATED_BALL,
            CoinFault::FixedBits => Self::MICROMINT_COIN_FIXED_BITS,
            CoinFault::UserDifferences => Self::MICROMINT_COIN_USER_DIFFERENCES,
            CoinFault::VendorDifferences => Self::MICROMINT_COIN_VENDOR_DIFFERENCES,
            CoinFault::RepeatedCoin => Self::MICROMINT_COIN_REPEATED_COIN,
        }
    }
}

/// Makes a checker.
///
/// params:             copied.
/// vendor, vendor_len: the Vendor-ID whose coins are checked.
/// checker_out:        the checker.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_checker_new(
    params: *const micromint_params,
    vendor: *const u8,
    vendor_len: usize,
    checker_out: *mut *mut micromint_checker,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            params = reference(params),
            place = output(checker_out),
            vendor = parsed(vendor, vendor_len)
        );
        let vendor = VendorVector::new(&params.params, &vendor);
        place.write(hand_out(micromint_checker {
            rules: CoinRules::new(params.params.clone()),
            vendor,
        }));
        Ok(())
    })
}

/// Checks coins: range, fixed bits, the user's and the vendor's differences, no repeated coin. It
/// does not check whether they were already spent.
///
/// user, user_len: the User-ID of the payer.
/// x, x_len:       the inputs: k for each coin, in the order of the set, one coin after the other.
/// fault_out:      MICROMINT_COIN_GOOD, or what is wrong with them.
/// first_bins_out: an array of 2 * (x_len / k) numbers. If the coins are good, the first bins,
///                 which identify them, are written to it: the superbin and the sub-bin of each
///                 coin's first ball. NULL if they are not wanted.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid or x_len is 0. If fewer than k inputs
/// remain at the end, the fault is MICROMINT_COIN_USER_DIFFERENCES.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_checker_check(
    checker: *const micromint_checker,
    user: *const u8,
    user_len: usize,
    x: *const u64,
    x_len: usize,
    fault_out: *mut micromint_coin_fault,
    first_bins_out: *mut u32,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            checker = reference(checker),
            x = slice(x, x_len),
            place = output(fault_out),
            user = parsed(user, user_len)
        );
        let params = checker.rules.params();
        if x.is_empty() {
            return Err(micromint_error::new(
                MICROMINT_ERROR_ARGUMENT,
                "x: expected a coin, found none",
            ));
        }
        let Ok(user) = UserVector::new(params, &user) else {
            place.write(micromint_coin_fault::MICROMINT_COIN_USER_DIFFERENCES);
            return Ok(());
        };
        match checker.rules.check(&user, &checker.vendor, x) {
            Err(fault) => place.write(fault.into()),
            Ok(first_bins) => {
                if !first_bins_out.is_null() {
                    for (i, bin) in first_bins.iter().enumerate() {
                        // SAFETY: the caller's array has two places for each coin, and i counts
                        // coins.
                        unsafe {
                            first_bins_out.add(2 * i).write(bin.superbin);
                            first_bins_out.add(2 * i + 1).write(bin.subbin);
                        }
                    }
                }
                place.write(micromint_coin_fault::MICROMINT_COIN_GOOD);
            }
        }
        Ok(())
    })
}

/// Frees a checker. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_checker_free(checker: *mut micromint_checker) {
    // SAFETY: a checker reaches the caller only from hand_out, and is freed once.
    unsafe { free(checker) }
}
