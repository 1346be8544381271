//! For the tests only: a function that panics, to prove from C that no panic crosses the boundary.
//! It is built only with the feature `test-panic`, so it is neither in the header nor in a shipped
//! library.

use crate::boundary::guard;
use crate::error::{micromint_error, micromint_status};

/// Panics.
///
/// how: 0 with a text, 1 with an index out of bounds, any other number with a value that is not a
/// text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_test_panic(
    how: u32,
    error_out: *mut *mut micromint_error,
) -> micromint_status {
    guard(error_out, || match how {
        0 => panic!("on purpose"),
        1 => {
            let empty: Vec<u32> = Vec::with_capacity(how as usize);
            Err(crate::boundary::null(&empty[how as usize].to_string()))
        }
        _ => std::panic::panic_any(how),
    })
}
