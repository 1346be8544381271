//! All vectors: their names and contents.

// Only developers run this program, so a wrong constant may panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod coin_file;
mod coins;
mod des;
mod hashes;
mod identities;
mod messages;
mod minting;
mod periods;
mod scheme;
mod wallet;

use serde_json::Value;

/// Every generated file, by its path in `testdata/`.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let mut files = periods::files();
    files.push(des::file());
    files.push(hashes::file());
    files.push(identities::file());
    files.push(coins::file());
    files.extend(messages::files());
    files.push(scheme::file());
    files.extend(scheme::seeds());
    files.push(wallet::file());
    files.extend(minting::files());
    files.extend(coin_file::files());
    files.extend(text_seeds(&files));
    files
}

/// Seeds of the fuzz targets that read texts: the contents of the other files.
fn text_seeds(files: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (name, content) in files {
        let base = name.rsplit('/').next().unwrap_or(name);
        if name.starts_with("messages/") {
            seeds.push(coin_file::seed(&format!("message/{base}"), content.clone()));
        }
        if name.starts_with("messages/payment") {
            seeds.push(coin_file::seed(&format!("payment/{base}"), content.clone()));
        }
        if name.starts_with("periods/") {
            seeds.push(coin_file::seed(&format!("params/{base}"), content.clone()));
        }
    }
    seeds
}

/// A JSON file: a comment on the origin of its vectors and the faults that they detect, then one
/// vector per line.
fn json_file(name: &str, comment: &str, vectors: &[Value]) -> (String, Vec<u8>) {
    let rows: Vec<String> = vectors.iter().map(|row| format!("    {row}")).collect();
    let comment = Value::from(comment);
    let text =
        format!("{{\n  \"comment\": {comment},\n  \"vectors\": [\n{}\n  ]\n}}\n", rows.join(",\n"));
    (name.to_string(), text.into_bytes())
}

/// 64 bits as hexadecimal: JSON numbers cannot hold them everywhere.
fn hex(value: u64) -> String {
    format!("{value:016x}")
}

/// Bytes as hexadecimal.
fn hex_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
