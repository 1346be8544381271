//! The committed header is what the source gives.

use std::path::Path;

/// Compares `include/micromint.h` with a fresh one. `MICROMINT_WRITE_HEADER=1 cargo test -p micromint-ffi`
/// writes it.
#[test]
fn header_is_generated_from_the_source() {
    let crate_path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(crate_path.join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new().with_crate(crate_path).with_config(config).generate().unwrap();
    let mut fresh = Vec::new();
    bindings.write(&mut fresh);
    let path = crate_path.join("../include/micromint.h");
    if std::env::var_os("MICROMINT_WRITE_HEADER").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    assert!(
        committed == fresh,
        "include/micromint.h is not what the source gives; write it with MICROMINT_WRITE_HEADER=1"
    );
}
