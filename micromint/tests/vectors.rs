//! The vectors in `testdata/` are what the code makes today, and every row of the hash tables holds.
//!
//! A change of any format breaks these tests first. Files are made again by
//! `cargo run -p micromint --example make-vectors`; whoever does so must say in the commit what changed
//! for other implementations. `testdata/check_vectors.py` computes all of them a second time.

#[path = "../examples/make-vectors/vectors.rs"]
mod vectors;

use std::path::{Path, PathBuf};

use micromint::hash::HashName;
use micromint::protocol::Message;
use serde_json::Value;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn rows(name: &str) -> Vec<Value> {
    let text = std::fs::read(testdata().join(name)).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn hex(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

#[test]
fn committed_files_are_what_is_made() {
    for (name, content) in vectors::all() {
        let committed = std::fs::read(testdata().join(&name)).unwrap_or_default();
        assert!(committed == content, "testdata/{name} is out of date: see the head of this file");
    }
}

#[test]
fn des_agrees_with_every_published_answer() {
    let rows = rows("des.json");
    assert_eq!(rows.len(), 1 + 64 + 56 + 32 + 19);
    for row in rows {
        let x = hex(&row["key"]).to_be_bytes().iter().fold(0, |x, byte| x << 7 | u64::from(byte >> 1));
        let output = HashName::Des.with_iv(hex(&row["plaintext"])).hash(x);
        assert_eq!(output, hex(&row["ciphertext"]), "{row}");
    }
}

#[test]
fn hashing_many_agrees_with_one_at_a_time() {
    for row in rows("hashes.json") {
        let function = row["hashfn"].as_str().unwrap().parse::<HashName>().unwrap().with_iv(hex(&row["iv"]));
        let mut outputs = [0; 3];
        function.hash_many(&[hex(&row["x"]); 3], &mut outputs);
        assert_eq!(outputs, [hex(&row["output"]); 3], "{row}");
    }
}

#[test]
fn texts_that_are_no_message_are_refused_whoever_reads_them() {
    for row in rows("refused-messages.json") {
        let read = Message::parse(row["text"].as_str().unwrap().as_bytes());
        let other_type = read.as_ref().is_ok_and(|message| message_type(message) != row["type"]);
        assert!(read.is_err() || other_type, "{row}");
    }
}

fn message_type(message: &Message) -> String {
    let text = message.to_bytes();
    String::from_utf8(text).unwrap().lines().nth(1).unwrap().to_string()
}
