//! The parameters of a period.

use micromint_core::identity::{UserVector, VendorVector};
use micromint_core::params::Params;

use crate::boundary::{
    Output, free, given, guard, hand_out, lend, null, output, parsed, reference, text,
};
use crate::buffer::micromint_buffer;
use crate::error::{FfiResult, failed, micromint_error, micromint_status};
use micromint_status::{MICROMINT_ERROR_ARGUMENT, MICROMINT_ERROR_PARAMS};

/// The largest number of balls in a coin, which is one more than the differences of a vector.
pub const MICROMINT_COIN_SIZE_MAX: usize = 8;

const _: () = assert!(MICROMINT_COIN_SIZE_MAX == micromint_core::params::COIN_SIZE_MAX as usize);

/// The public parameters of a period. Free it with `micromint_params_free()`. It is immutable:
/// threads may share it, and it may be used across a fork.
pub struct micromint_params {
    pub(crate) params: Params,
    /// The currency of the value of a coin, which is lent.
    currency: String,
}

impl micromint_params {
    /// Gives parameters to the caller.
    pub(crate) fn hand_out(params: Params) -> *mut micromint_params {
        let currency = params.coin_value().currency().as_str().to_string();
        hand_out(micromint_params { params, currency })
    }
}

/// Parses a PERIOD.params file (TOML).
///
/// toml, toml_len: the text, UTF-8; copied.
/// params_out:     the parameters.
///
/// Errors: MICROMINT_ERROR_TEXT, MICROMINT_ERROR_PARAMS with the key and what was expected.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_params_from_toml(
    toml: *const u8,
    toml_len: usize,
    params_out: *mut *mut micromint_params,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(toml = text(toml, toml_len), place = output(params_out));
        let params = Params::from_toml(toml).map_err(failed(MICROMINT_ERROR_PARAMS))?;
        place.write(micromint_params::hand_out(params));
        Ok(())
    })
}

/// Prints a PERIOD.params file (TOML).
///
/// toml_out: a buffer with the text.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_params_to_toml(
    params: *const micromint_params,
    toml_out: *mut *mut micromint_buffer,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(params = reference(params), place = output(toml_out));
        place.write(micromint_buffer::hand_out(params.params.to_toml().into_bytes()));
        Ok(())
    })
}

/// k, the balls in a coin, 2 to MICROMINT_COIN_SIZE_MAX. NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_params_coin_size(params: *const micromint_params) -> usize {
    // SAFETY: Handles and Threads: NULL, or live and unchanged during the call.
    unsafe { params.as_ref() }.map_or(0, |params| params.params.coin_size())
}

/// What a coin of the period is worth.
///
/// units_out:                      the amount in units of 10^-8 of the currency, 1 to 10^14. 0.01
///                                 USD is 1000000 units.
/// currency_out, currency_len_out: the code of the currency (ISO 4217), three letters A-Z, valid
///                                 until the parameters are freed; no final NUL. XTS is for tests.
///
/// Errors: MICROMINT_ERROR_NULL only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_params_coin_value(
    params: *const micromint_params,
    units_out: *mut u64,
    currency_out: *mut *const u8,
    currency_len_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            it = reference(params),
            units = output(units_out),
            currency = lend(currency_out, currency_len_out)
        );
        units.write(it.params.coin_value().units());
        currency.write(it.currency.as_bytes());
        Ok(())
    })
}

/// The hash of an input: the 64-bit output, whose leading n bits are y.
///
/// params:   the period, for its hash function and iv.
/// x:        below 2^56 for des, 2^60 for sha256.
/// hash_out: the output.
///
/// Errors: MICROMINT_ERROR_ARGUMENT for a larger x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_hash(
    params: *const micromint_params,
    x: u64,
    hash_out: *mut u64,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(params = reference(params), place = output(hash_out));
        if x >= params.params.input_end() {
            let text = format!(
                "x: expected a number below {:#x}, found {x:#x}",
                params.params.input_end()
            );
            return Err(micromint_error::new(MICROMINT_ERROR_ARGUMENT, text));
        }
        place.write(params.params.hash_function().hash(x));
        Ok(())
    })
}

/// The vector of a user, h'(User-ID): k-1 differences of superbins.
///
/// params:          the period, for its name and sizes.
/// user, user_len:  the User-ID.
/// differences_out: an array of MICROMINT_COIN_SIZE_MAX numbers, of which k-1 are written.
/// count_out:       k-1.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the User-ID is invalid or has no vector.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_user_vector(
    params: *const micromint_params,
    user: *const u8,
    user_len: usize,
    differences_out: *mut u32,
    count_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            params = reference(params),
            place = vector_place(differences_out, count_out),
            user = parsed(user, user_len)
        );
        let vector =
            UserVector::new(&params.params, &user).map_err(failed(MICROMINT_ERROR_ARGUMENT))?;
        place.write(vector.differences());
        Ok(())
    })
}

/// The vector of a vendor, h''(Vendor-ID): k-1 differences of sub-bins.
///
/// params:             the period, for its name and sizes.
/// vendor, vendor_len: the Vendor-ID.
/// differences_out:    an array of MICROMINT_COIN_SIZE_MAX numbers, of which k-1 are written.
/// count_out:          k-1.
///
/// Errors: MICROMINT_ERROR_ARGUMENT if the Vendor-ID is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_vendor_vector(
    params: *const micromint_params,
    vendor: *const u8,
    vendor_len: usize,
    differences_out: *mut u32,
    count_out: *mut usize,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || {
        given!(
            params = reference(params),
            place = vector_place(differences_out, count_out),
            vendor = parsed(vendor, vendor_len)
        );
        place.write(VendorVector::new(&params.params, &vendor).differences());
        Ok(())
    })
}

/// The place for a vector.
struct VectorPlace<'a> {
    differences: *mut u32,
    count: Output<'a, usize>,
}

/// # Safety
/// `differences_out` is NULL or has room for MICROMINT_COIN_SIZE_MAX numbers; `count_out` is NULL
/// or writable.
unsafe fn vector_place<'a>(
    differences_out: *mut u32,
    count_out: *mut usize,
    name: &str,
) -> FfiResult<VectorPlace<'a>> {
    if differences_out.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller guarantees it.
    let count = unsafe { output(count_out, "count_out") }?;
    Ok(VectorPlace { differences: differences_out, count })
}

impl VectorPlace<'_> {
    fn write(self, differences: &[u32]) {
        // SAFETY: `vector_place` was given room for MICROMINT_COIN_SIZE_MAX numbers, and a vector
        // has fewer; the library's own vector and the caller's array do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(differences.as_ptr(), self.differences, differences.len())
        }
        self.count.write(differences.len());
    }
}

/// Frees parameters. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_params_free(params: *mut micromint_params) {
    // SAFETY: parameters reach the caller only from hand_out, and are freed once.
    unsafe { free(params) }
}
