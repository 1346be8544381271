//! The permutation of a mint, and what small mints store.

use super::{hex, hex_bytes, json_file, periods};
use micromint::bin::Bin;
use micromint::coin_file::CoinFile;
use micromint::hash::bulk::WalkBits;
use micromint::host::SimulatedDirectory;
use micromint::minting::{MintConfig, MintJobBuilder, Permutation};
use micromint::params::Params;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PERMUTATION_COMMENT: &str = "The permutation of a mint (docs/reference/minting.md, The \
    permutation pi): the tag that coin files and run files hold, and the input x of toss i. They \
    detect a wrong order of what is authenticated, a key that does not depend on the period, and \
    walked bits in wrong places.";
const MINTED_COMMENT: &str = "What whole mints of small periods store: the number of balls, and \
    the SHA-256 of x of every bin as 8 bytes, big-endian, 0 if it is empty, superbin by superbin. \
    They detect a second ball of a group that is kept, the first ball of a group that is dropped \
    because its bin is filled, and a wrong order of tosses.";

/// Where the tag is in a coin file.
const TAG: std::ops::Range<usize> = 80..96;

pub(super) const INPUT_KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// The configuration of a mint with groups of 2^`walk` tosses.
pub(super) fn config(params: Params, walk: u32) -> MintConfig {
    MintConfig {
        coinfile: format!("{}.coins", params.period()),
        key: INPUT_KEY.parse().unwrap(),
        walk: WalkBits::new(walk).unwrap(),
        weak: true,
        params,
    }
}

pub(super) fn files() -> Vec<(String, Vec<u8>)> {
    let mut tosses = Vec::new();
    for params in [periods::test(), periods::pair()] {
        for walk in [4, 6, 8] {
            tosses.extend(permutation_rows(&config(params.clone(), walk)));
        }
    }
    let mints = [(periods::pair(), 4), (periods::eight(), 4), (periods::eight(), 6)];
    let minted: Vec<Value> =
        mints.into_iter().map(|(params, walk)| minted_row(params, walk)).collect();
    vec![
        json_file("permutation.json", PERMUTATION_COMMENT, &tosses),
        json_file("minted.json", MINTED_COMMENT, &minted),
    ]
}

fn permutation_rows(config: &MintConfig) -> Vec<Value> {
    let permutation = Permutation::new(&config.params, &config.key, config.walk);
    let tag = minted(config)[TAG].to_vec();
    let size = config.walk.inputs_per_base() as u64;
    [0, 1, size - 1, size, 0x0001_2345_6789_abcd, config.params.input_end() - 1]
        .into_iter()
        .map(|i| {
            json!({
                "period": config.params.period().as_str(), "input-key": INPUT_KEY,
                "walk": config.walk.get(), "tag": hex_bytes(&tag),
                "i": hex(i), "x": hex(permutation.forward(i)),
            })
        })
        .collect()
}

/// The coin file of a whole mint.
pub(super) fn minted(config: &MintConfig) -> Vec<u8> {
    let directory = SimulatedDirectory::new();
    let job = MintJobBuilder::new(&directory, &config.coinfile, config).build().unwrap();
    job.mint().unwrap();
    directory.bytes(&config.coinfile).unwrap()
}

fn minted_row(params: Params, walk: u32) -> Value {
    let (directory, config) = (SimulatedDirectory::new(), config(params, walk));
    directory.put(&config.coinfile, &minted(&config));
    let coin_file = CoinFile::open_read(&directory, &config.coinfile).unwrap();
    let (mut balls, mut digest) = (0, Sha256::new());
    for superbin in 0..config.params.superbin_count() as u32 {
        for subbin in 0..config.params.subbin_count() {
            let stored = coin_file.ball(Bin { superbin, subbin }).unwrap();
            balls += u32::from(stored.exists());
            digest.update(stored.x.to_be_bytes());
        }
    }
    json!({
        "period": config.params.period().as_str(), "input-key": INPUT_KEY, "walk": walk,
        "balls": balls, "sha256": hex_bytes(&digest.finalize()),
    })
}
