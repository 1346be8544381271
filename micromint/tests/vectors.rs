//! The vectors in `testdata/` match what the code makes, and every row of the hash tables holds.
//!
//! A change of any format breaks these tests first. `cargo run -p micromint --example make-vectors`
//! writes the files again; the commit must then say what changed for other implementations.
//! `testdata/check_vectors.py` computes all of them independently.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../examples/make-vectors/vectors.rs"]
mod vectors;

use std::path::{Path, PathBuf};

use micromint::hash::HashName;
use micromint::protocol::Refusal;
use micromint::protocol::*;
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
fn the_protocol_page_shows_every_message_byte_by_byte() {
    let page = std::fs::read_to_string(testdata().join("../docs/reference/protocol.md")).unwrap();
    for name in [
        "funds-withdrawn",
        "request-payment",
        "payment",
        "payment-two-sets",
        "invalid-payment",
        "request-redemption",
        "redemption-result",
        "send-expired",
        "request-credit",
        "funds-credited",
        "request-owners",
        "owners-sold",
        "request-watch",
        "watch-result",
    ] {
        let text =
            std::fs::read_to_string(testdata().join(format!("messages/{name}.txt"))).unwrap();
        let block = format!("```\n{}```\n", text.replace("\r\n", "\n"));
        assert!(
            page.contains(&block),
            "docs/reference/protocol.md does not show messages/{name}.txt"
        );
    }
    for row in rows("authenticators.json") {
        // Of a payment the coins count: the rest of its data has a fixed size.
        let data = row.get("coins").or(row.get("data")).and_then(Value::as_str).unwrap_or("");
        let is_shown = row["parts"][0] != "micromint return" && data.len() < 65;
        assert!(!is_shown || page.contains(row["result"].as_str().unwrap()), "{row}");
    }
    for verdict in Verdict::ALL {
        assert!(page.contains(&format!("\n| {} | ", verdict.code())), "{verdict:?}");
    }
    for refusal in Refusal::ALL {
        assert!(
            refusal.word().contains("repeated") || page.contains(&format!("`{refusal}`")),
            "{refusal}"
        );
    }
}

#[test]
fn the_draft_shows_the_first_row_of_the_scheme() {
    use base64::Engine;
    let page =
        std::fs::read_to_string(testdata().join("../docs/draft-micromint-charge.md")).unwrap();
    let row = &rows("scheme.json")[0];
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let decoded = |value: &Value| {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text(value)).unwrap();
        format!("```json\n{}\n```\n", String::from_utf8(bytes).unwrap())
    };
    let shown = [
        decoded(&row["challenge"]["request"]),
        format!("```\nWWW-Authenticate: {}\n```\n", text(&row["www-authenticate"])),
        format!("```\n{}```\n", text(&row["payment"]).replace('\r', "")),
        format!("```\nAuthorization: {}\n```\n", text(&row["credential"])),
        decoded(&row["payment-receipt"]),
        format!("```\nPayment-Receipt: {}\n```\n", text(&row["payment-receipt"])),
        format!("has {} bytes for the one coin", text(&row["credential"]).len()),
        format!("({} bytes)", micromint::scheme::CREDENTIAL_LEN_MAX),
    ];
    for block in shown {
        assert!(page.contains(&block), "docs/draft-micromint-charge.md does not show {block}");
    }
}

#[test]
fn the_protocol_page_names_the_bounds() {
    let page = std::fs::read_to_string(testdata().join("../docs/reference/protocol.md")).unwrap();
    let bounds = [
        LINE_LEN_MAX,
        HEADER_COUNT_MAX,
        URL_LEN_MAX,
        TEXT_LEN_MAX,
        ID_LEN_MAX,
        FUNDS_WITHDRAWN_SIZE_MAX,
        SETS_PER_WITHDRAWAL_MAX as usize,
        PAYMENT_SIZE_MAX,
        COINS_PER_PAYMENT_MAX as usize,
        PERIODS_PER_REQUEST_MAX,
        BATCH_PAYMENTS_MAX as usize,
        BATCH_DATA_SIZE_MAX,
        CREDIT_COINS_MAX as usize,
    ];
    for bound in bounds {
        let grouped = grouped(bound);
        assert!(page.contains(&bound.to_string()) || page.contains(&grouped), "{bound}");
    }
}

/// A number with its digits in groups of three, as in the documents.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap()).collect();
    groups.join(" ")
}

#[test]
fn des_agrees_with_every_published_answer() {
    let rows = rows("des.json");
    assert_eq!(rows.len(), 1 + 64 + 56 + 32 + 19);
    for row in rows {
        let x =
            hex(&row["key"]).to_be_bytes().iter().fold(0, |x, byte| x << 7 | u64::from(byte >> 1));
        let output = HashName::Des.with_iv(hex(&row["plaintext"])).hash(x);
        assert_eq!(output, hex(&row["ciphertext"]), "{row}");
    }
}

#[test]
fn hashing_many_agrees_with_one_at_a_time() {
    for row in rows("hashes.json") {
        let function =
            row["hashfn"].as_str().unwrap().parse::<HashName>().unwrap().with_iv(hex(&row["iv"]));
        let mut outputs = [0; 3];
        function.hash_many(&[hex(&row["x"]); 3], &mut outputs);
        assert_eq!(outputs, [hex(&row["output"]); 3], "{row}");
    }
}

#[test]
fn texts_that_are_no_message_are_refused_by_every_reader() {
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
