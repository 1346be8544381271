//! The hash functions of balls.

use super::{hex, json_file};
use micromint::hash::HashName;
use serde_json::{Value, json};

const COMMENT: &str = "Outputs (64 bits) of the hash functions for an iv and an input x \
    (docs/reference/protocol.md, Hash functions). Made with the crates `des` and `sha2`. They \
    detect a wrong position of the parity bits, a wrong byte order, x used as an 8-byte key, and \
    inputs truncated to 32 or 56 bits.";

const IV: u64 = 0x0123_4567_89ab_cdef;

pub(super) fn file() -> (String, Vec<u8>) {
    let mut rows = Vec::new();
    for (iv, x, why) in [
        (IV, 0, "the smallest x: the all-zero key"),
        (IV, 1, "the lowest bit of x is bit 1 of the last key byte, above its parity bit"),
        (IV, 1 << 7, "bit 7 of x is the lowest bit of the last but one key byte"),
        (IV, 1 << 55, "the highest bit of x is the highest bit of the first key byte"),
        (IV, (1 << 56) - 1, "the greatest x"),
        (
            IV,
            0x12_695b_c9b7_b7f8,
            "the key 133457799bbcdff1 of the worked example: 85e813540f0ab405",
        ),
        (
            !IV,
            0x12_695b_c9b7_b7f8 ^ ((1 << 56) - 1),
            "the complement of the row above, output too: \
            hence no period may use the complement of an earlier iv",
        ),
        (0, 0x00ff_00ff_00ff_00ff & ((1 << 56) - 1), "bytes of x are not bytes of the key"),
        (u64::MAX, 0x1234_5678_9abc, "an iv of ones"),
    ] {
        rows.push(row(HashName::Des, iv, x, why));
    }
    for (iv, x, why) in [
        (0, 0, "sixteen zero bytes"),
        (IV, 1, "x follows the iv, big-endian"),
        (IV, 1 << 31, "above 31 bits"),
        (IV, 1 << 56, "one more than the maximum of DES: w is 60"),
        (IV, (1 << 60) - 1, "the greatest x"),
        (u64::MAX, 0x0fed_cba9_8765_4321, "an iv of ones"),
    ] {
        rows.push(row(HashName::Sha256, iv, x, why));
    }
    json_file("hashes.json", COMMENT, &rows)
}

fn row(name: HashName, iv: u64, x: u64, why: &str) -> Value {
    assert!(x >> name.input_width() == 0);
    let output = name.with_iv(iv).hash(x);
    json!({"hashfn": name.as_str(), "iv": hex(iv), "x": hex(x), "output": hex(output), "why": why})
}
