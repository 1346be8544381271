//! Makes the test vectors in `testdata/`: `cargo run -p micromint --example make-vectors`.
//!
//! `testdata/README.md` tells what they are for. A test compares the committed files with what this
//! makes, and `testdata/check_vectors.py`, which shares no code with it, computes them again.

// Named by its path, as the test that includes it does, so that both find its modules here.
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
