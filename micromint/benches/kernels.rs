//! How fast the bulk kernels are: inputs tossed per second for every level of instruction set, beside
//! the plain crates in the same run. `cargo bench -p micromint --bench kernels [-- OPTIONS]`
//!
//! Options: `--threads N` (default 1 and all), `--rounds N` (default 5), `--millis N` per measurement
//! (default 100), `--quick` (two values of t, one thread).
//!
//! Measurements are taken in rounds, each of everything once, so that a change of load or clock meets
//! all alike; printed are medians over the rounds. With n threads, each runs its own kernel.

use micromint::hash::HashName;
use micromint::hash::bulk::{BulkSearch, Filter, Level, TOSSES_PER_BASE};
use micromint::minting::{InputKey, Permutation};
use std::hint::black_box;
use std::time::Duration;

const IV: u64 = 0x0123_4567_89ab_cdef;

/// What is measured: a name and a function that tosses some inputs and says how many.
struct Subject {
    name: String,
    /// Whether the others of its hash are compared with it.
    is_plain: bool,
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
    let millis = option("--millis").unwrap_or(100) as u64;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match option("--threads") {
        Some(n) => vec![n],
        None if quick || cores == 1 => vec![1],
        None => vec![1, cores],
    };
    let subjects = subjects(if quick { &[8, 21] } else { &[0, 4, 8, 10, 12, 14, 16, 21, 24] });
    for threads in threads {
        println!("{threads} thread(s), medians of {rounds} rounds of {millis} ms, million inputs a second");
        let mut rates = vec![Vec::new(); subjects.len()];
        for _ in 0..rounds {
            for (subject, rates) in subjects.iter().zip(&mut rates) {
                rates.push(rate(subject, threads, Duration::from_millis(millis)));
            }
        }
        let mut plain = 1.0;
        for (subject, rates) in subjects.iter().zip(&mut rates) {
            let rate = median(rates);
            if subject.is_plain {
                plain = rate;
            }
            println!("{:<28}{:>10.2}{:>9.1} x", subject.name, rate / 1e6, rate / plain);
        }
    }
}

/// Inputs a second of all threads together.
fn rate(subject: &Subject, threads: usize, time: Duration) -> f64 {
    std::thread::scope(|scope| {
        let run = || {
            let mut toss = (subject.make)();
            let begin = processor_time();
            let mut tossed = 0;
            while processor_time() - begin < time {
                tossed += toss();
            }
            tossed as f64 / (processor_time() - begin).as_secs_f64()
        };
        let handles: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        run() + handles.into_iter().map(|handle| handle.join().unwrap_or(0.0)).sum::<f64>()
    })
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Inputs that look random.
fn inputs(hash: HashName, count: usize) -> Vec<u64> {
    let mask = (1 << hash.input_width()) - 1;
    (1..=count as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask).collect()
}

fn subjects(fixed_counts: &'static [u32]) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for hash in [HashName::Des, HashName::Sha256] {
        subjects.push(Subject {
            name: format!("{hash}, plain crate"),
            is_plain: true,
            make: Box::new(move || {
                let function = hash.with_iv(IV);
                let x = inputs(hash, 10_000);
                Box::new(move || {
                    x.iter().for_each(|x| _ = black_box(function.hash(*x)));
                    x.len()
                })
            }),
        });
        subjects.push(Subject {
            name: format!("{hash}, 256 x permutation"),
            is_plain: false,
            make: Box::new(move || {
                let permutation = Permutation::new(hash, &InputKey::from_bytes([7; 16]));
                let mut groups = vec![0; 1024];
                let mut first = 0;
                Box::new(move || {
                    permutation.groups(first, black_box(&mut groups));
                    first += groups.len() as u64;
                    groups.len() * TOSSES_PER_BASE
                })
            }),
        });
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            for &fixed_count in fixed_counts {
                let filter = Filter { fixed_count, fixed_bits: 0xa5c3_96e1 & ((1 << fixed_count) - 1) };
                subjects.push(Subject {
                    name: format!("{hash}, {level}, t = {fixed_count}"),
                    is_plain: false,
                    make: Box::new(move || {
                        let mut search = BulkSearch::with_level(hash, IV, filter, level);
                        let bases = inputs(hash, 1024);
                        let mut found = Vec::new();
                        Box::new(move || {
                            found.clear();
                            search.search(&bases, &mut found);
                            black_box(found.len());
                            bases.len() * TOSSES_PER_BASE
                        })
                    }),
                });
            }
        }
    }
    subjects
}
