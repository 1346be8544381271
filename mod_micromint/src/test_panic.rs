//! Panics on request, to prove that a panic ends only the request that caused it. Modules built
//! without the feature `test-panic`, which are all except that of the tests, never panic here.

use crate::ap::Request;

/// Panics if the request asks for it at `place`, in the header X-Micromint-Panic. The value `freed`
/// asks for a read of freed memory.
#[cfg(feature = "test-panic")]
pub(crate) fn panic_if_asked(request: Request<'_>, place: &str) {
    let headers = request.headers();
    let asks = |wanted: &str| {
        let is_it = |name: &[u8], value: &[u8]| {
            name.eq_ignore_ascii_case(b"X-Micromint-Panic") && value == wanted.as_bytes()
        };
        headers.iter().any(|(name, value)| is_it(name, value))
    };
    if asks("freed") {
        crate::ap::read_freed_memory();
    }
    if asks(place) {
        panic!("requested by a test");
    }
}

/// Never panics.
#[cfg(not(feature = "test-panic"))]
pub(crate) fn panic_if_asked(_request: Request<'_>, _place: &str) {}
