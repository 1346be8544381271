//! A small coin file, minted by the real mint, and seeds for the fuzz targets.

use std::io;
use std::sync::Arc;

use super::minting::{INPUT_KEY, config, minted};
use super::{hex_bytes, json_file, periods};
use micromint::authenticator::Key;
use micromint::host::{Entropy, FixedClock, SimulatedDirectory};
use micromint::identity::UserId;
use micromint::journal::Journal;
use micromint::testing::ObviousMint;
use micromint::till::{Spend, SyncMode, Till, fingerprint};
use micromint::time::UnixTime;
use micromint::wallet::Wallet;
use serde_json::json;
use sha2::{Digest, Sha256};

const COMMENT: &str = "A complete coin file of the period 2026-12 as minted, nothing sold \
    (docs/reference/coin-file.md), with the input key and walk of its mint, its size and its \
    SHA-256. It detects a wrong byte order or offset in readers, and every change of the \
    permutation or of which ball is stored.";

/// The walk that suits the two fixed bits of the period.
const WALK: u32 = 4;
/// In the middle of December 2026.
const NOW: UnixTime = UnixTime(1_797_292_800);

pub(super) fn files() -> Vec<(String, Vec<u8>)> {
    let coins = minted(&config(periods::test(), WALK));
    let row = json!({
        "file": "coin-file/2026-12.coins", "period": "2026-12", "input-key": INPUT_KEY,
        "walk": WALK,
        "size": coins.len(),
        "sha256": hex_bytes(&Sha256::digest(&coins)),
    });
    vec![
        json_file("coin-file.json", COMMENT, &[row]),
        ("coin-file/2026-12.coins".to_string(), coins.clone()),
        seed("coin_file/complete", coins),
        seed("wallet/raw", wallet().bytes("seed.wallet").unwrap()),
        seed("wallet/records", records(&wallet(), "seed.wallet", "wallet")),
        seed("till/raw", till().bytes("till-2026-12-15.journal").unwrap()),
        seed("till/records", records(&till(), "till-2026-12-15.journal", "till")),
        seed("journal/raw", till().bytes("till-2026-12-15.journal").unwrap()),
        seed("journal/records", b"\x05\0first\x06\0secondtail".to_vec()),
    ]
}

/// A seed of a fuzz target.
pub(super) fn seed(name: &str, content: Vec<u8>) -> (String, Vec<u8>) {
    (format!("../fuzz/seeds/{name}"), content)
}

/// Constant randomness.
struct Always7;

impl Entropy for Always7 {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        bytes.fill(7);
        Ok(())
    }
}

/// A wallet with one set.
fn wallet() -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    let mint = ObviousMint::new(periods::test());
    let user: UserId = "alice".parse().unwrap();
    let funds = mint.funds(&user, &Key::from_bytes([7; 32]), &[8], 1);
    let mut wallet = Wallet::open(&directory, "seed.wallet", &Always7).unwrap();
    wallet.receive(&funds, NOW).unwrap();
    directory
}

/// A till with one payment.
fn till() -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    Till::prepare(&directory).unwrap();
    let mint = ObviousMint::new(periods::test());
    let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
    let coins = mint.coins(&user, &vendor, 8);
    let url = "https://news.example/".parse().unwrap();
    let payment = mint.payment(&user, &Key::from_bytes([7; 32]), &vendor, &url, &coins[..1]);
    let clock = Arc::new(FixedClock(NOW));
    let till = Till::open(Box::new(directory.clone()), SyncMode::Always, clock, Arc::new(Always7))
        .unwrap();
    let (first_bins, message) = ([mint.rules().bin(payment.x[0]).unwrap()], payment.to_bytes());
    let fingerprint = fingerprint(&payment, &[]);
    let spend = Spend::new(&payment.period, &user, &first_bins, &message, fingerprint)
        .with_receipt_seconds(600)
        .with_keep_until(mint.params().raw().redeem_until);
    till.spend(&spend).unwrap();
    directory
}

/// The records of a journal in the format of the fuzz targets: each begins with its length in two
/// bytes.
fn records(directory: &SimulatedDirectory, name: &str, kind: &str) -> Vec<u8> {
    let mut records: Vec<(u64, Vec<u8>)> = Vec::new();
    Journal::open_to_read(directory, name, kind).unwrap().replay(&mut records).unwrap();
    let seed = records
        .iter()
        .flat_map(|(_, payload)| [&(payload.len() as u16).to_le_bytes()[..], payload].concat());
    seed.collect()
}
