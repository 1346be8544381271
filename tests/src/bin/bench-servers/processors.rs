//! Which processors the servers and the client run on. The client has the first and the servers
//! have the others, so that the cost of a request does not depend on where the scheduler puts them.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The servers' processors and the client's, among those that this program may use. A single
/// processor is shared.
pub(crate) fn divided() -> (CpuSet, CpuSet) {
    let allowed = sched_getaffinity(None).unwrap();
    let numbers: Vec<usize> =
        (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect();
    let (mut theirs, mut ours) = (CpuSet::new(), CpuSet::new());
    ours.set(numbers[0]);
    numbers[numbers.len().min(2) - 1..].iter().for_each(|number| theirs.set(*number));
    (theirs, ours)
}

/// Restricts this thread, and whatever it starts from now on, to `processors`.
pub(crate) fn bind(processors: &CpuSet) {
    sched_setaffinity(None, processors).unwrap();
}
