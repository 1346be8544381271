//! Public parameters of the periods that the other vectors use.

use micromint::hash::HashName;
use micromint::params::Params;
use micromint::testing::{params_with, resize, test_params};

/// The `test` profile: small enough to mint in a test.
pub(super) fn test() -> Params {
    test_params()
}

/// The smallest number of balls in a coin, the smallest number of bins that this allows, no fixed
/// bits.
pub(super) fn pair() -> Params {
    params_with(|raw| {
        resize(raw, 3, 3, 2, 0, HashName::Sha256);
        raw.period = "2026-12-pair".parse().unwrap();
        raw.iv = 0xfedc_ba98_7654_3210;
    })
}

/// The largest number of balls in a coin, the smallest number of superbins that this allows.
pub(super) fn eight() -> Params {
    params_with(|raw| {
        resize(raw, 6, 3, 8, 3, HashName::Sha256);
        raw.period = "2026-12-eight".parse().unwrap();
        raw.iv = 1;
        raw.fixed_bits = 0b101;
    })
}

/// The `small` profile, n = 37: large enough that a changed bit is not accepted by chance.
pub(super) fn small() -> Params {
    params_with(|raw| {
        resize(raw, 19, 8, 4, 10, HashName::Des);
        raw.period = "2026-12-small".parse().unwrap();
        raw.iv = 0x5d3a_9f0c_71e2_b846;
        raw.fixed_bits = 0x2b5;
    })
}

pub(super) fn all() -> [Params; 4] {
    [test(), pair(), eight(), small()]
}

pub(super) fn files() -> Vec<(String, Vec<u8>)> {
    all()
        .iter()
        .map(|p| (format!("periods/{}.params", p.period()), p.to_toml().into_bytes()))
        .collect()
}
