//! Makes `src/host_name/public_suffixes.bin` from the Public Suffix List in the crate `psl`. Run it
//! after `cargo update -p psl`:
//!
//! ```sh
//! cargo run -p micromint --example make-suffix-table
//! ```

// Only developers run this program, so a wrong list may panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod table;

fn main() {
    let list = table::List::read();
    let bytes = table::encode(&list);
    std::fs::write(table::PATH, &bytes).expect("the table can be written");
    println!(
        "{}: {} rules of psl {}, {} bytes",
        table::PATH,
        list.rules.len(),
        list.version,
        bytes.len()
    );
}
