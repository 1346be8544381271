//! The speed of the kernels on this machine, in one table: inputs tossed per second for every level
//! of instruction set beside the plain crates, on one core and on all, and the fraction of the
//! limit that this is; then balls kept by tossing, placing and checking.
//! `cargo bench -p micromint --bench kernels [-- OPTIONS]`
//!
//! Options: `--rounds N` (default 5), `--millis N` per measurement (default 60), `--quick` (two
//! values of t, one thread, no placing).
//!
//! Measurements are taken in rounds, each of which measures everything once, so that a change of
//! load or clock affects all alike. The table shows medians over the rounds. Rates are per
//! processor time, so that other work on the machine matters little; placing is measured in
//! wall-clock time, because it waits for the disk. With n threads each runs its own kernel.
//! `docs/internals/performance.md` explains the limits.
#![allow(clippy::unwrap_used)]

mod timing;

use micromint::coin::CoinRules;
use micromint::hash::HashName;
use micromint::hash::bulk::{BulkSearch, Filter, Level, WalkBits};
use micromint::host::DiskDirectory;
use micromint::identity::{UserVector, VendorVector};
use micromint::minting::{
    InputKey, MintConfig, MintJobBuilder, MintPlan, MintStage, Permutation, Progress, Rate,
    measure_rate,
};
use micromint::testing::{params_with, resize};
use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const IV: u64 = 0x0123_4567_89ab_cdef;
/// Operations per clock that the limits assume.
const OPERATIONS_PER_CLOCK: f64 = 4.0;
/// The cost of a toss with all shortcuts, in rounds' worth of S-boxes.
const SBOXES_PER_TOSS: f64 = 97.5;

/// What is measured: a name, and a function that tosses some inputs and returns their number.
struct Subject {
    name: String,
    /// Whether the others of its hash are compared with it.
    is_plain: bool,
    /// The smallest number of clocks per input, if it is known.
    clocks: Option<f64>,
    make: Box<dyn Fn() -> Box<dyn FnMut() -> usize> + Sync>,
}

fn main() {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = options.iter().position(|o| o == name)?;
        options.get(at + 1)?.parse::<usize>().ok()
    };
    let quick = options.iter().any(|o| o == "--quick");
    let rounds = option("--rounds").unwrap_or(5);
    let time = Duration::from_millis(option("--millis").unwrap_or(60) as u64);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if quick || cores == 1 { vec![1] } else { vec![1, cores] };
    let subjects = subjects(if quick { &[8, 21] } else { &[8, 12, 16, 21, 24] });
    let mut rates = vec![vec![Vec::new(); subjects.len()]; threads.len()];
    let (mut clocks, mut checks) = (Vec::new(), vec![Vec::new(); CHECKED_COINS.len() * 2]);
    for _ in 0..rounds {
        clocks.push(clock());
        for (threads, rates) in threads.iter().zip(&mut rates) {
            for (subject, rates) in subjects.iter().zip(rates) {
                rates.push(rate(subject, *threads, time));
            }
        }
        measure_checks(time, &mut checks);
    }
    let clock = timing::median(&mut clocks);
    println!(
        "{cores} cores at {:.2} GHz; medians of {rounds} rounds of {} ms",
        clock / 1e9,
        time.as_millis()
    );
    print_rates(&subjects, &threads, &mut rates, clock);
    print_kept(cores, 9 * rounds, time);
    println!("\n{:<34}{:>12}{:>14}", "checking a coin of 4 balls", "des ns", "sha256 ns");
    for (i, coins) in CHECKED_COINS.iter().enumerate() {
        let [des, sha256] = [0, 1].map(|hash| 1e9 / timing::median(&mut checks[2 * i + hash]));
        println!("{:<34}{des:>12.0}{sha256:>14.0}", format!("  in a payment of {coins}"));
    }
    if !quick {
        println!(
            "\n{:<34}{:>12}",
            format!("placing on {cores} threads, disk included"),
            "M balls/s"
        );
        for (how, subbin_size) in
            [("  at once, 2^24 into 132 MiB", 8), ("  by segments, 2^25 into 264 MiB", 9)]
        {
            println!("{how:<34}{:>12.1}", placing(subbin_size, cores) / 1e6);
        }
    }
}

fn print_rates(subjects: &[Subject], threads: &[usize], rates: &mut [Vec<Vec<f64>>], clock: f64) {
    print!("{:<34}", "tosses, million a second");
    threads.iter().for_each(|threads| print!("{:>12}", format!("{threads} thread(s)")));
    println!("{:>10}{:>10}", "x crate", "of limit");
    let mut plain = 1.0;
    for (i, subject) in subjects.iter().enumerate() {
        let rates: Vec<f64> = rates.iter_mut().map(|rates| timing::median(&mut rates[i])).collect();
        if subject.is_plain {
            plain = rates[0];
        }
        print!("{:<34}", subject.name);
        rates.iter().for_each(|rate| print!("{:>12.2}", rate / 1e6));
        let limit = subject
            .clocks
            .map_or("-".into(), |clocks| format!("{:.0} %", rates[0] * clocks / clock * 100.0));
        println!("{:>10.1}{limit:>10}", rates[0] / plain);
    }
}

/// Balls kept per second by the whole of tossing, permutation included, for each size of group, on
/// all cores. The first line of each t is the size that suits it. The last column is the fraction
/// of what the widest walk would keep in the same round if every good ball were kept, and not one
/// per group at most.
fn print_kept(cores: usize, rounds: usize, time: Duration) {
    let title = format!("tossing on {cores} threads");
    println!("\n{title:<34}{:>12}{:>14}{:>12}", "M tosses/s", "k balls kept/s", "of all good");
    for (hash, t) in [(HashName::Des, 8), (HashName::Des, 10), (HashName::Sha256, 13)] {
        let suits = WalkBits::for_fixed_count(t);
        let others = WalkBits::ALL.into_iter().rev().filter(|walk| *walk != suits);
        let walks: Vec<WalkBits> = std::iter::once(suits).chain(others).collect();
        let params = params_with(|raw| resize(raw, 19, 8, 4, t, hash));
        let mut columns = vec![[const { Vec::new() }; 3]; walks.len()];
        for _ in 0..rounds {
            let elapsed = || timing::process_time() / cores as u32;
            let rate = |walk: &WalkBits| measure_rate(&params, *walk, cores, time, &elapsed);
            let rates: Vec<Rate> = walks.iter().map(rate).collect();
            let widest = walks.iter().position(|walk| *walk == WalkBits::MAX).unwrap();
            let all_good = rates[widest].tosses_per_second / f64::from(1 << t);
            for (rate, [tosses, kept, fraction]) in rates.iter().zip(&mut columns) {
                tosses.push(rate.tosses_per_second);
                kept.push(rate.kept_per_second);
                fraction.push(rate.kept_per_second / all_good);
            }
        }
        for (walk, columns) in walks.iter().zip(&mut columns) {
            let [tosses, kept, fraction] = columns.each_mut().map(|column| timing::median(column));
            println!(
                "{:<34}{:>12.1}{:>14.1}{fraction:>12.2}",
                format!("  {hash}, t = {t}, walk = {walk}"),
                tosses / 1e6,
                kept / 1e3,
            );
        }
    }
}

/// Inputs per second of all threads together.
fn rate(subject: &Subject, threads: usize, time: Duration) -> f64 {
    std::thread::scope(|scope| {
        let run = || {
            let mut toss = (subject.make)();
            per_second(time, &mut *toss)
        };
        let handles: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        run() + handles.into_iter().map(|handle| handle.join().unwrap_or(0.0)).sum::<f64>()
    })
}

/// The rate of `act` per second; `act` returns how many operations it made.
fn per_second(time: Duration, act: &mut dyn FnMut() -> usize) -> f64 {
    let begin = timing::thread_time();
    let mut done = 0;
    while timing::thread_time() - begin < time {
        done += act();
    }
    done as f64 / (timing::thread_time() - begin).as_secs_f64()
}

/// The clock rate of one core: each step of the chain waits two clocks for the previous one.
fn clock() -> f64 {
    let mut x = black_box(1u64);
    let key = black_box(0x9e37_79b9_7f4a_7c15u64);
    per_second(Duration::from_millis(50), &mut || {
        for _ in 0..100_000 {
            x = (x ^ key).rotate_left(7);
        }
        black_box(x);
        200_000
    })
}

/// Inputs that look random.
fn inputs(hash: HashName, count: usize) -> Vec<u64> {
    let mask = (1 << hash.input_width()) - 1;
    (1..=count as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask).collect()
}

/// The smallest number of clocks of a toss on a level.
fn clocks(hash: HashName, level: Level) -> Option<f64> {
    // Gates of an average S-box, and the operations that add key and output bits to them.
    let sbox = |gates: f64| SBOXES_PER_TOSS * (gates + 6.0 + 4.0);
    // 61 rounds, and 48 words of the message schedule.
    let sha256 = |round: f64, word: f64| 61.0 * round + 48.0 * word;
    let (operations, lanes) = match (hash, level) {
        (HashName::Des, Level::Avx512) => (sbox(23.75), 512.0),
        (HashName::Des, Level::Avx2) => (sbox(42.75), 256.0),
        (HashName::Des, Level::Plain64) => (sbox(42.75), 64.0),
        (HashName::Sha256, Level::Avx512) => (sha256(17.0, 11.0), 16.0),
        (HashName::Sha256, Level::Avx2) => (sha256(36.0, 21.0), 8.0),
        (HashName::Sha256, Level::Plain64) => return None,
    };
    Some(operations / OPERATIONS_PER_CLOCK / lanes)
}

fn subjects(fixed_counts: &'static [u32]) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for hash in [HashName::Des, HashName::Sha256] {
        subjects.push(Subject {
            name: format!("{hash}, plain crate"),
            is_plain: true,
            clocks: None,
            make: Box::new(move || {
                let function = hash.with_iv(IV);
                let x = inputs(hash, 10_000);
                Box::new(move || {
                    x.iter().for_each(|x| _ = black_box(function.hash(*x)));
                    x.len()
                })
            }),
        });
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            subjects.extend(fixed_counts.iter().map(|t| search(hash, level, *t)));
        }
        subjects.push(Subject {
            name: format!("{hash}, permutation for as many"),
            is_plain: false,
            clocks: None,
            make: Box::new(move || {
                let key = InputKey::from_bytes([7; 16]);
                let permutation = Permutation::new(&config(hash, 8).params, &key, WalkBits::MAX);
                let mut groups = vec![0; 1024];
                let mut first = 0;
                Box::new(move || {
                    permutation.groups(first, black_box(&mut groups));
                    first += groups.len() as u64;
                    groups.len() * WalkBits::MAX.inputs_per_base()
                })
            }),
        });
    }
    subjects
}

fn search(hash: HashName, level: Level, fixed_count: u32) -> Subject {
    let filter = Filter { fixed_count, fixed_bits: 0xa5c3_96e1 & ((1 << fixed_count) - 1) };
    Subject {
        name: format!("{hash}, {level}, t = {fixed_count}"),
        is_plain: false,
        clocks: clocks(hash, level),
        make: Box::new(move || {
            let mut search = BulkSearch::with_level(hash, IV, filter, WalkBits::MAX, level);
            let bases = inputs(hash, 1024);
            let mut found = Vec::new();
            Box::new(move || {
                found.clear();
                search.search(&bases, &mut found);
                black_box(found.len());
                bases.len() * WalkBits::MAX.inputs_per_base()
            })
        }),
    }
}

/// A period without fixed bits, with 16 balls per bin, of which one is kept for each.
fn config(hash: HashName, subbin_size: u32) -> MintConfig {
    let bits = 16 + subbin_size;
    let tosses = bits + 4;
    let text = format!(
        r#"
coinfile = "bench.coins"
input-key = "000102030405060708090a0b0c0d0e0f"
weak = "allowed"
period = "bench"
hashfn = "{hash}"
iv = "0123456789abcdef"
input-size = {tosses}
output-size = {bits}
num-fixed-bits = 0
fixed-bits = "0"
subbin-size = {subbin_size}
coin-size = 4
start = "2026-12-01T00:00:00Z"
expiration = "2027-01-01T00:00:00Z"
redeem-until = "2027-01-08T00:00:00Z"
broker = "https://broker.example/"
coin-value = "0.01 USD"
"#
    );
    MintConfig::from_toml(&text).unwrap()
}

/// The coins of a payment.
const CHECKED_COINS: [usize; 6] = [1, 2, 4, 10, 16, 128];
/// Payments checked between two readings of the clock, which takes longer than a check.
const CHECKS: usize = 100;

/// The number of coins checked per second, in payments of each size, for DES and for SHA-256. The
/// balls are random, so the check ends where a forger's coins would: after all are hashed.
fn measure_checks(time: Duration, rates: &mut [Vec<f64>]) {
    for (h, hash) in [HashName::Des, HashName::Sha256].into_iter().enumerate() {
        let rules = CoinRules::new(config(hash, 8).params);
        let user = UserVector::new(rules.params(), &"alice".parse().unwrap()).unwrap();
        let vendor = VendorVector::new(rules.params(), &"news.example".parse().unwrap());
        for (i, coins) in CHECKED_COINS.into_iter().enumerate() {
            let x = inputs(hash, 4 * coins);
            rates[2 * i + h].push(per_second(time, &mut || {
                for _ in 0..CHECKS {
                    _ = black_box(rules.check(&user, &vendor, black_box(&x)));
                }
                CHECKS * coins
            }));
        }
    }
}

/// The number of balls sorted and placed per second, from the last toss to the complete file on
/// disk.
fn placing(subbin_size: u32, threads: usize) -> f64 {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (directory, name) = DiskDirectory::of_file(&work.path().join("bench.coins")).unwrap();
    let config = config(HashName::Des, subbin_size);
    let (began, tossed) = (Instant::now(), Mutex::new(Duration::ZERO));
    let elapsed = || began.elapsed();
    let progress = |progress: Progress| {
        if progress.stage == MintStage::Tossing {
            *tossed.lock().unwrap() = began.elapsed();
        }
    };
    let job = MintJobBuilder::new(&directory, &name, &config)
        .with_threads(threads)
        .with_memory(3 << 30)
        .with_clock(&elapsed)
        .with_progress(&progress);
    job.build().unwrap().mint().unwrap();
    let spent = began.elapsed() - *tossed.lock().unwrap();
    MintPlan::new(&config.params, config.walk).kept_balls / spent.as_secs_f64()
}
