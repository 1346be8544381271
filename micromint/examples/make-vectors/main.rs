//! Makes the test vectors in `testdata/`: `cargo run -p micromint --example make-vectors`.
//!
//! `testdata/README.md` describes what they are for. A test compares the committed files with the
//! output of this program, and `testdata/check_vectors.py`, which shares no code with it, computes
//! them again.

// The path is explicit, as in the test that includes this module, so that both find its submodules.
#[path = "vectors.rs"]
mod vectors;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    for (name, content) in vectors::all() {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, content)?;
        println!("{}", path.display());
    }
    Ok(())
}
