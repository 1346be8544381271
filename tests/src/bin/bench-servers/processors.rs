//! Which processors the servers run on, and which the client: the client has the first, the servers the others, so
//! that what a request costs does not depend on who happens to meet there.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The servers' processors and the client's, of those that this program may use. A single one is shared.
pub(crate) fn divided() -> (CpuSet, CpuSet) {
    let allowed = sched_getaffinity(None).unwrap();
    let numbers: Vec<usize> =
        (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect();
    let (mut theirs, mut ours) = (CpuSet::new(), CpuSet::new());
    ours.set(numbers[0]);
    numbers[numbers.len().min(2) - 1..].iter().for_each(|number| theirs.set(*number));
    (theirs, ours)
}

/// Holds this thread, and whatever it starts from now on, to `processors`.
pub(crate) fn bind(processors: &CpuSet) {
    sched_setaffinity(None, processors).unwrap();
}
