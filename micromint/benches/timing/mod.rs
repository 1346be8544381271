//! What the benchmarks share: processor time, and medians with quartiles.
#![allow(dead_code, reason = "each benchmark uses a part of this")]

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time of this thread.
pub(crate) fn thread_time() -> Duration {
    clock_time(ClockId::ThreadCPUTime)
}

/// The processor time of all threads.
pub(crate) fn process_time() -> Duration {
    clock_time(ClockId::ProcessCPUTime)
}

fn clock_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The processor time of a repetition on this thread, in nanoseconds. `act` gets its number.
pub(crate) fn each<T>(repetitions: usize, mut act: impl FnMut(usize) -> T) -> f64 {
    let start = thread_time();
    for number in 0..repetitions {
        black_box(act(number));
    }
    (thread_time() - start).as_nanos() as f64 / repetitions as f64
}

/// The median; sorts the values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    quartile(values, 2)
}

/// Prints a row: the median of the nanoseconds of all rounds, with the quartiles.
pub(crate) fn print_row(name: &str, rounds: &mut [f64]) {
    let [lower, median, upper] = [1, 2, 3].map(|quarter| quartile(rounds, quarter));
    println!("{name:44} {median:8.0} ns [{lower:.0}, {upper:.0}]");
}

fn quartile(values: &mut [f64], quarter: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[quarter * (values.len() - 1) / 4]
}
