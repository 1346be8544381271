//! Published known answers of DES.

use super::{hex, json_file};
use micromint::hash::HashName;
use serde_json::{Value, json};

const COMMENT: &str = "DES, all known answers of NIST SP 800-17 for encryption (tables of the \
    variable plaintext, variable key, permutation and substitution tests) and the worked example \
    of J. O. Grabbe. key, plaintext and ciphertext are 64-bit, big-endian, hexadecimal; the low \
    bit of each key byte is a parity bit, which DES ignores. They detect a wrong table, bit \
    order, byte order or S-box.";

/// (key, ciphertext) of the permutation test, whose plaintext is always 0.
const PERMUTATION: [(u64, u64); 32] = [
    (0x1046913489980131, 0x88d55e54f54c97b4),
    (0x1007103489988020, 0x0c0cc00c83ea48fd),
    (0x10071034c8980120, 0x83bc8ef3a6570183),
    (0x1046103489988020, 0xdf725dcad94ea2e9),
    (0x1086911519190101, 0xe652b53b550be8b0),
    (0x1086911519580101, 0xaf527120c485cbb0),
    (0x5107b01519580101, 0x0f04ce393db926d5),
    (0x1007b01519190101, 0xc9f00ffc74079067),
    (0x3107915498080101, 0x7cfd82a593252b4e),
    (0x3107919498080101, 0xcb49a2f9e91363e3),
    (0x10079115b9080140, 0x00b588be70d23f56),
    (0x3107911598080140, 0x406a9a6ab43399ae),
    (0x1007d01589980101, 0x6cb773611dca9ada),
    (0x9107911589980101, 0x67fd21c17dbb5d70),
    (0x9107d01589190101, 0x9592cb4110430787),
    (0x1007d01598980120, 0xa6b7ff68a318ddd3),
    (0x1007940498190101, 0x4d102196c914ca16),
    (0x0107910491190401, 0x2dfa9f4573594965),
    (0x0107910491190101, 0xb46604816c0e0774),
    (0x0107940491190401, 0x6e7e6221a4f34e87),
    (0x19079210981a0101, 0xaa85e74643233199),
    (0x1007911998190801, 0x2e5a19db4d1962d6),
    (0x10079119981a0801, 0x23a866a809d30894),
    (0x1007921098190101, 0xd812d961f017d320),
    (0x100791159819010b, 0x055605816e58608f),
    (0x1004801598190101, 0xabd88e8b1b7716f1),
    (0x1004801598190102, 0x537ac95be69da1e1),
    (0x1004801598190108, 0xaed0f6ae3c25cdd8),
    (0x1002911498100104, 0xb3e35a5ee53e7b8d),
    (0x1002911598190104, 0x61c79c71921a2ef8),
    (0x1002911598100201, 0xe2f5728f0995013c),
    (0x1002911698100101, 0x1aeac39a61f0a464),
];

/// (key, plaintext, ciphertext).
const SUBSTITUTION: [(u64, u64, u64); 19] = [
    (0x7ca110454a1a6e57, 0x01a1d6d039776742, 0x690f5b0d9a26939b),
    (0x0131d9619dc1376e, 0x5cd54ca83def57da, 0x7a389d10354bd271),
    (0x07a1133e4a0b2686, 0x0248d43806f67172, 0x868ebb51cab4599a),
    (0x3849674c2602319e, 0x51454b582ddf440a, 0x7178876e01f19b2a),
    (0x04b915ba43feb5b6, 0x42fd443059577fa2, 0xaf37fb421f8c4095),
    (0x0113b970fd34f2ce, 0x059b5e0851cf143a, 0x86a560f10ec6d85b),
    (0x0170f175468fb5e6, 0x0756d8e0774761d2, 0x0cd3da020021dc09),
    (0x43297fad38e373fe, 0x762514b829bf486a, 0xea676b2cb7db2b7a),
    (0x07a7137045da2a16, 0x3bdd119049372802, 0xdfd64a815caf1a0f),
    (0x04689104c2fd3b2f, 0x26955f6835af609a, 0x5c513c9c4886c088),
    (0x37d06bb516cb7546, 0x164d5e404f275232, 0x0a2aeeae3ff4ab77),
    (0x1f08260d1ac2465e, 0x6b056e18759f5cca, 0xef1bf03e5dfa575a),
    (0x584023641aba6176, 0x004bd6ef09176062, 0x88bf0db6d70dee56),
    (0x025816164629b007, 0x480d39006ee762f2, 0xa1f9915541020b56),
    (0x49793ebc79b3258f, 0x437540c8698f3cfa, 0x6fbf1cafcffd0556),
    (0x4fb05e1515ab73a7, 0x072d43a077075292, 0x2f22e49bab7ca1ac),
    (0x49e95d6d4ca229bf, 0x02fe55778117f12a, 0x5a6b612cc26cce4a),
    (0x018310dc409b26d6, 0x1d9d5c5018f728c2, 0x5f4c038ed12b2e41),
    (0x1c587f1c13924fef, 0x305532286d6f295a, 0x63fac0d034d9f793),
];

pub(super) fn file() -> (String, Vec<u8>) {
    let mut rows = vec![row("worked example", 0x133457799bbcdff1, 0x0123456789abcdef)];
    rows.extend((0..64).map(|i| row("variable plaintext", 0x0101010101010101, 1 << (63 - i))));
    let key_bits = (0..64).filter(|i| i % 8 != 7);
    rows.extend(key_bits.map(|i| row("variable key", 0x0101010101010101 ^ 1 << (63 - i), 0)));
    for (key, ciphertext) in PERMUTATION {
        rows.push(published("permutation", key, 0, ciphertext));
    }
    for (key, plaintext, ciphertext) in SUBSTITUTION {
        rows.push(published("substitution", key, plaintext, ciphertext));
    }
    json_file("des.json", COMMENT, &rows)
}

/// A row with a published ciphertext, which is listed above.
fn published(table: &str, key: u64, plaintext: u64, ciphertext: u64) -> Value {
    let row = row(table, key, plaintext);
    assert_eq!(row["ciphertext"], hex(ciphertext), "key {key:016x}");
    row
}

fn row(table: &str, key: u64, plaintext: u64) -> Value {
    // The iv of the hash function is the plaintext; x is the key without its parity bits.
    let x = key.to_be_bytes().iter().fold(0, |x, byte| x << 7 | u64::from(byte >> 1));
    let ciphertext = HashName::Des.with_iv(plaintext).hash(x);
    json!({"table": table, "key": hex(key), "plaintext": hex(plaintext),
        "ciphertext": hex(ciphertext)})
}
