//! Which processors the servers run on, and which the client: the servers have one to themselves, so that what a
//! request costs does not depend on which threads happen to meet there.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The servers' processor and the client's ones, of those that this program may use. With a single one both share it.
pub(crate) fn divided() -> (CpuSet, CpuSet) {
    let allowed = sched_getaffinity(None).unwrap();
    let numbers: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect();
    let (mut theirs, mut ours) = (CpuSet::new(), CpuSet::new());
    theirs.set(numbers[numbers.len() - 1]);
    ours.set(numbers[0]);
    numbers[..numbers.len() - 1].iter().for_each(|number| ours.set(*number));
    (theirs, ours)
}

/// Holds this thread, and whatever it starts from now on, to `processors`.
pub(crate) fn bind(processors: &CpuSet) {
    sched_setaffinity(None, processors).unwrap();
}
