//! Which version of the library is loaded.

use std::ffi::c_char;

/// The major version that the header describes. A program built against one major version runs with
/// every library of that major version that is not older.
pub const MICROMINT_VERSION_MAJOR: u32 = 0;
/// The minor version that the header describes.
pub const MICROMINT_VERSION_MINOR: u32 = 1;
/// The patch version that the header describes.
pub const MICROMINT_VERSION_PATCH: u32 = 0;

/// The version that the header describes, as `micromint_version_number()` returns it: for `#if`.
pub const MICROMINT_VERSION_NUMBER: u32 = 100;

/// The version of the library that is loaded: major * 10000 + minor * 100 + patch.
#[unsafe(no_mangle)]
pub extern "C" fn micromint_version_number() -> u32 {
    MICROMINT_VERSION_NUMBER
}

/// The version of the library that is loaded, such as "0.1.0". Static and NUL-terminated: never
/// freed.
#[unsafe(no_mangle)]
pub extern "C" fn micromint_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

const _: () = {
    // The macros in the header and the package agree, or this does not compile.
    let (major, minor) = (MICROMINT_VERSION_MAJOR, MICROMINT_VERSION_MINOR);
    let number = major * 10_000 + minor * 100 + MICROMINT_VERSION_PATCH;
    assert!(MICROMINT_VERSION_NUMBER == number);
    let text = env!("CARGO_PKG_VERSION").as_bytes();
    assert!(text.len() == 5 && text[1] == b'.' && text[3] == b'.');
    assert!(text[0] as u32 == MICROMINT_VERSION_MAJOR + 48);
    assert!(text[2] as u32 == MICROMINT_VERSION_MINOR + 48);
    assert!(text[4] as u32 == MICROMINT_VERSION_PATCH + 48);
};
