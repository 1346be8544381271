//! Panics on request, to prove that one request's panic ends that request alone. In a module built without
//! the feature `test-panic`, which is every module but that of the tests, nothing asks and nothing panics.

use crate::ap::Request;

/// Panics if the request asks for it at `place`, in the header X-Micromint-Panic.
#[cfg(feature = "test-panic")]
pub(crate) fn panic_if_asked(request: Request<'_>, place: &str) {
    let wanted = (b"x-micromint-panic".as_slice(), place.as_bytes());
    if request.headers().iter().any(|(name, value)| name.eq_ignore_ascii_case(wanted.0) && *value == wanted.1)
    {
        panic!("asked for by a test");
    }
}

/// Never panics.
#[cfg(not(feature = "test-panic"))]
pub(crate) fn panic_if_asked(_request: Request<'_>, _place: &str) {}
