//! Work on several threads.
//!
//! Input: jobs. Output: their results, in order. The invariant: a system that refuses threads makes
//! the work slower and nothing else, because the calling thread does what no other thread takes.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The stack of a thread, in bytes. Searching balls of DES takes less than 256 KiB, in a build
/// without optimisation 2.2 MiB: more than the 2 MiB that a thread has by default.
const STACK_SIZE: usize = 4 << 20;

/// Does `jobs` on at most `threads` threads, of which the calling one is the first. Returns the
/// results in the order of the jobs. A panic of a job continues in the calling thread.
pub(crate) fn on_threads<J: Send, R: Send>(
    jobs: impl Iterator<Item = J> + Send,
    threads: usize,
    work: impl Fn(J) -> R + Sync,
) -> Vec<R> {
    let jobs = Mutex::new(jobs.enumerate());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        let mut done = Vec::new();
        while let Some((number, job)) = next() {
            done.push((number, work(job)));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let spawned = (1..threads).map_while(|_| {
            // `Scope::spawn` would panic if the system refuses a thread.
            thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, run).ok()
        });
        let others: Vec<_> = spawned.collect();
        let mut done = run();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_jobs() {
        for threads in [0, 1, 3, 200] {
            let squares = on_threads(0..100u64, threads, |job| job * job);
            assert!(squares.iter().copied().eq((0..100).map(|job| job * job)), "{threads}");
        }
        assert!(on_threads(0..0u64, 3, |job| job).is_empty());
    }

    /// Takes `bytes` of the stack below the address `top`, and a little more.
    fn use_stack(top: usize, bytes: usize) -> u8 {
        let block = std::hint::black_box([1; 4096]);
        match top.abs_diff(block.as_ptr() as usize) < bytes {
            true => block[bytes % block.len()] & use_stack(top, bytes),
            false => 1,
        }
    }

    #[test]
    fn a_job_has_room_on_the_stack_of_every_thread() {
        let job = |_| {
            let top = std::hint::black_box([0_u8; 1]);
            use_stack(top.as_ptr() as usize, STACK_SIZE / 8 * 5)
        };
        // The calling thread, which takes jobs too, has what its creator gave it.
        let caller = thread::Builder::new().stack_size(2 * STACK_SIZE);
        let done = caller.spawn(move || on_threads(0..64, 4, job)).unwrap().join().unwrap();
        assert_eq!(done, [1; 64]);
    }

    #[test]
    fn a_panic_continues_in_the_calling_thread() {
        let panicked = std::panic::catch_unwind(|| {
            on_threads(0..8, 4, |job| assert!(job != 5, "job {job}"));
        });
        let words = panicked.unwrap_err().downcast::<String>().unwrap();
        assert!(words.contains("job 5"), "{words}");
    }
}
