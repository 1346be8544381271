//! Panics on request, to prove that a panic ends only the request that caused it. Modules built
//! without the feature `test-panic`, which are all except that of the tests, never panic here.

use crate::sys::Request;

/// Whether the request asks for a panic at `place`, in the header X-Micromint-Panic.
#[cfg(feature = "test-panic")]
pub(crate) fn is_asked(request: &Request, place: &str) -> bool {
    let wanted = (b"x-micromint-panic".as_slice(), place.as_bytes());
    request
        .headers()
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case(wanted.0) && *value == wanted.1)
}

/// Never.
#[cfg(not(feature = "test-panic"))]
pub(crate) fn is_asked(_request: &Request, _place: &str) -> bool {
    false
}
