//! The vendor of a paywall, in each process that serves.
//!
//! The invariant: a process uses only what it made itself. What it inherited from its parent stays
//! in memory untouched; the vendor's plain values are copied from there.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use micromint_core::protocol::RequestOutcome;
use micromint_core::vendor::{Counters, Decision, Serve, Vendor};

use crate::process;

/// What one process has of a paywall.
pub(crate) struct Serving {
    pub(crate) vendor: Vendor,
    pub(crate) counters: Counters,
    process: u64,
    /// What the parent had. Its threads may have left it half changed, so it is never dropped.
    _parent: Option<NonNull<Serving>>,
}

impl Serving {
    fn of_this_process(vendor: Vendor, parent: Option<NonNull<Serving>>) -> Box<Serving> {
        let (counters, process) = (Counters::default(), process::current());
        Box::new(Serving { vendor, counters, process, _parent: parent })
    }

    /// Counts a request whose response has this status. Free content of a request without a payment
    /// is not counted.
    pub(crate) fn count(&self, decision: &Decision, status: u16, became: RequestOutcome) {
        if !matches!(decision, Decision::Serve(serve) if *serve == Serve::default()) {
            self.counters.count(&decision.event(status, became));
        }
    }
}

/// What the current process has of a paywall. Without a lock, which a thread of the parent could
/// have held at the fork.
pub(crate) struct ServingProcess(AtomicPtr<Serving>);

impl ServingProcess {
    /// A vendor that was opened in this process, whose forks are noticed.
    pub(crate) fn new(vendor: Vendor) -> ServingProcess {
        ServingProcess(AtomicPtr::new(Box::into_raw(Serving::of_this_process(vendor, None))))
    }

    /// What this process has; made when it is first asked for.
    pub(crate) fn here(&self) -> &Serving {
        let found = self.0.load(Ordering::Acquire);
        // SAFETY: the pointer came from Box::into_raw, and what it points to lives as long as
        // `self`: it is replaced only after a fork, and then kept by its successor.
        let serving = unsafe { &*found };
        if serving.process == process::current() { serving } else { self.after_fork(found) }
    }

    fn after_fork(&self, found: *mut Serving) -> &Serving {
        // SAFETY: as in `here`. `forked` reads only plain values.
        let vendor = unsafe { &*found }.vendor.forked();
        let made = Box::into_raw(Serving::of_this_process(vendor, NonNull::new(found)));
        let kept = match self.0.compare_exchange(found, made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => made,
            Err(other) => {
                // SAFETY: another thread was first, so nobody else knows this pointer.
                drop(unsafe { Box::from_raw(made) });
                other
            }
        };
        // SAFETY: as in `here`.
        unsafe { &*kept }
    }
}

impl Drop for ServingProcess {
    fn drop(&mut self) {
        let found = *self.0.get_mut();
        // SAFETY: as in `here`; nothing uses it any more.
        if unsafe { &*found }.process == process::current() {
            // SAFETY: it was made by this process and is dropped once.
            drop(unsafe { Box::from_raw(found) });
        }
    }
}

// SAFETY: `_parent` is never followed; everything else is Send and Sync.
unsafe impl Send for Serving {}
// SAFETY: as above.
unsafe impl Sync for Serving {}

/// The vendor serves all threads of a process.
const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<(Vendor, Counters, Arc<micromint_core::vendor::Paywall>)>();
