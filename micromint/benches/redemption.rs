//! The speed with which a broker judges redeemed coins: coins against a coin file of 1 GiB, from
//! the bytes of batches to verdicts. `bench-broker` measures the service with its database.
//! `cargo bench -p micromint --bench redemption [-- OPTIONS]`
//!
//! Options: `--coins N` (default 10 million), `--each N` coins per payment (default 10),
//! `--threads N` (default all cores), `--directory D` for about 3 GB of files (default in
//! `target`).
//!
//! The coin file has the size of the `small` profile's and weak parameters, so that minting takes
//! seconds: t = 4, four balls per bin. As much of it is sold as the coins need. The coins are spent
//! at one vendor, and the payments come in random order, as if from many users. Before judging, the
//! file is dropped from the system's cache if permitted, so the first batch reads it from the disk.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod timing;

use std::path::PathBuf;
use std::time::Instant;

use micromint::authenticator::Key;
use micromint::broker::MemoryBroker;
use micromint::coin::CoinRules;
use micromint::coin_file::{CoinFile, Superbin};
use micromint::host::DiskDirectory;
use micromint::identity::{UserId, UserVector, VendorId, VendorVector};
use micromint::minting::{MintConfig, MintJobBuilder};
use micromint::params::Params;
use micromint::protocol::{
    BATCH_DATA_SIZE_MAX, BATCH_PAYMENTS_MAX, Payment, RequestRedemption, Unsigned, Url, Verdict,
    push_record,
};
use micromint::time::UnixTime;

const NAME: &str = "bench.coins";
const NOW: UnixTime = UnixTime(1_797_000_000);
/// The number of sets that a user buys.
const SETS_PER_USER: u32 = 100;
const CONFIG: &str = r#"
coinfile = "bench.coins"
input-key = "000102030405060708090a0b0c0d0e0f"
weak = "allowed"
period = "2026-12"
hashfn = "des"
iv = "0123456789abcdef"
input-size = 33
output-size = 31
num-fixed-bits = 4
fixed-bits = "a"
subbin-size = 8
coin-size = 4
start = "2026-12-01T00:00:00Z"
expiration = "2027-01-01T00:00:00Z"
redeem-until = "2027-01-08T00:00:00Z"
broker = "https://broker.example/"
coin-value = "0.01 USD"
"#;

fn main() {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let option =
        |name: &str| options.iter().position(|o| o == name).and_then(|at| options.get(at + 1));
    let number = |name: &str| option(name).map(|text| text.parse::<usize>().unwrap());
    let (wanted, each) = (number("--coins").unwrap_or(10_000_000), number("--each").unwrap_or(10));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = number("--threads").unwrap_or(cores);
    let parent =
        option("--directory").map_or(PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let work = tempfile::tempdir_in(parent).unwrap();
    let (directory, _) = DiskDirectory::of_file(&work.path().join(NAME)).unwrap();

    let params = mint(&directory, cores);
    let secret = || Key::from_bytes([42; 32]);
    let mut broker = MemoryBroker::open(&directory, NAME, secret()).unwrap();
    let vendor: VendorId = "news.example".parse().unwrap();
    broker.set_threads(threads);
    broker.register_vendor(&vendor, NOW).granted().unwrap();
    let payments = payments(&directory, &mut broker, &params, &secret(), (wanted, each));
    let batches = batches(&payments, &params, &secret(), &vendor);
    drop(payments);

    // In practice a coin file is durable long before a batch is judged, and is read from the disk.
    rustix::fs::sync();
    let is_cold = std::fs::write("/proc/sys/vm/drop_caches", "1").is_ok();
    let (began, processors) = (Instant::now(), timing::process_time());
    let mut accepted = 0;
    for batch in &batches {
        let judged = broker.redeem(batch, NOW).unwrap().granted().unwrap();
        accepted +=
            judged.result.verdicts.iter().filter(|verdict| **verdict == Verdict::Accepted).count();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{accepted} coins in {} batches, {each} a payment, accepted in {seconds:.2} s on {threads} threads of {cores} cores ({:.2} s of processors): {:.2} M a second; file cache {}",
        batches.len(),
        (timing::process_time() - processors).as_secs_f64(),
        accepted as f64 / seconds / 1e6,
        if is_cold { "dropped before" } else { "warm (root could drop it)" },
    );
    assert!(accepted >= wanted, "expected {wanted} coins accepted, found {accepted}");
}

/// A complete coin file.
fn mint(directory: &DiskDirectory, threads: usize) -> Params {
    let config = MintConfig::from_toml(CONFIG).unwrap();
    let began = Instant::now();
    let elapsed = || began.elapsed();
    let job = MintJobBuilder::new(directory, NAME, &config)
        .with_threads(threads)
        .with_memory(1 << 30)
        .with_clock(&elapsed);
    job.build().unwrap().mint().unwrap();
    eprintln!("minted {} in {:.1} s", config.params, began.elapsed().as_secs_f64());
    config.params
}

/// Payments of this many coins in all and each, printed, in random order.
fn payments(
    directory: &DiskDirectory,
    broker: &mut MemoryBroker,
    params: &Params,
    secret: &Key,
    (wanted, each): (usize, usize),
) -> Vec<Vec<u8>> {
    let coin_file = CoinFile::open_read(directory, NAME).unwrap();
    let vendor: VendorId = "news.example".parse().unwrap();
    let vendor_vector = VendorVector::new(params, &vendor);
    let (mut payments, mut coins, mut first) = (Vec::new(), 0, 0u32);
    for number in 0u64.. {
        let user: UserId = format!("user-{number}").parse().unwrap();
        broker.withdraw(&user, SETS_PER_USER, number + 1, NOW).unwrap().granted().unwrap();
        let (vector, key) =
            (UserVector::new(params, &user).unwrap(), secret.user_key(params.period(), &user));
        for set in (first..).step_by(2).take(SETS_PER_USER as usize) {
            let superbins: Vec<Superbin> = vector
                .set(set)
                .into_iter()
                .map(|index| coin_file.superbin(index).unwrap())
                .collect();
            let mut x = Vec::new();
            for subbin in 0..params.subbin_count() {
                let words = superbins.iter().zip(vendor_vector.subbins(subbin));
                let words: Vec<u64> =
                    words.map(|(superbin, at)| superbin.bins[at as usize]).collect();
                if words.iter().all(|word| *word != 0) {
                    x.extend(words.iter().map(|word| word & micromint::coin_file::X_MASK));
                }
            }
            for (page, x) in x.chunks(each * params.coin_size()).enumerate() {
                let url: Url = format!("https://news.example/{set}/{page}").parse().unwrap();
                payments.push(payment(params, &user, &key, &vendor, url, x));
            }
            coins += x.len() / params.coin_size();
        }
        first += 2 * SETS_PER_USER;
        if coins >= wanted {
            break;
        }
    }
    eprintln!("{} payments of {coins} coins of {first} superbins sold", payments.len());
    // Fisher and Yates, with pseudo-random numbers.
    let mut state = 1u64;
    for i in (1..payments.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        payments.swap(i, (state >> 33) as usize % (i + 1));
    }
    payments
}

fn payment(
    params: &Params,
    user: &UserId,
    key: &Key,
    vendor: &VendorId,
    url: Url,
    x: &[u64],
) -> Vec<u8> {
    let rules = CoinRules::new(params.clone());
    let mut firsts: Vec<u32> = x
        .chunks(params.coin_size())
        .filter_map(|coin| rules.bin(coin[0]))
        .map(|bin| bin.superbin)
        .collect();
    firsts.dedup();
    let payment = Payment {
        authenticator: Unsigned,
        owner_tokens: firsts.iter().map(|first| key.owner_token(vendor, *first)).collect(),
        url,
        user: user.clone(),
        vendor: vendor.clone(),
        period: params.period().clone(),
        coins: (x.len() / params.coin_size()) as u32,
        x: x.to_vec(),
    };
    payment.authenticated(key).record().to_bytes()
}

/// Batches of the largest permitted size.
fn batches(
    payments: &[Vec<u8>],
    params: &Params,
    secret: &Key,
    vendor: &VendorId,
) -> Vec<RequestRedemption> {
    let key = secret.vendor_key(vendor);
    let mut batches = Vec::new();
    let mut rest = payments;
    while !rest.is_empty() {
        let (mut data, mut count) = (Vec::new(), 0);
        while let Some(payment) = rest.get(count)
            && data.len() + payment.len() + 4 <= BATCH_DATA_SIZE_MAX
            && count < BATCH_PAYMENTS_MAX as usize
        {
            push_record(&mut data, payment);
            count += 1;
        }
        rest = &rest[count..];
        let batch = RequestRedemption {
            vendor: vendor.clone(),
            authenticator: Unsigned,
            batch: format!("batch-{}", batches.len()).parse().unwrap(),
            period: params.period().clone(),
            payments: count as u32,
            data,
        };
        batches.push(batch.authenticated(&key));
    }
    batches
}
