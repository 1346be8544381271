//! Deciding about a free page allocates no memory.
#![allow(clippy::unwrap_used)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use micromint::authenticator::Key;
use micromint::host::{SimulatedDirectory, SystemClock, SystemEntropy};
use micromint::vendor::{Decision, Paywall, PaywallParts, Request, Serve, VendorConfig};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's guarantees are those of the system allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's guarantees are those of the system allocator.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_free_page_takes_no_memory() {
    let text = "vendor-id = \"news.example\"\norigins = \"https://news.example\"\nperiods = \"p\"\ntill = \"t\"\n";
    let parts = PaywallParts {
        config: VendorConfig::parse(text, Path::new("vendor.toml")).unwrap(),
        receipt_key: Key::from_bytes([9; 32]),
        till: Box::new(SimulatedDirectory::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let periods = [common::params("2026-12", "2026-12-01", "2027-01-01")];
    let paywall = Arc::new(Paywall::with_periods(parts, &periods).unwrap());
    let headers: [(&[u8], &[u8]); 3] =
        [(b"Host", b"news.example"), (b"Cookie", b"a=b"), (b"Content-Type", b"text/plain")];
    let request =
        Request { method: b"POST", target: b"/a", headers: &headers, ..Request::default() };
    let before = ALLOCATIONS.get();
    let decision = paywall.look(&request).decided();
    let after = ALLOCATIONS.get();
    assert_eq!(decision, Some(Decision::Serve(Serve::default())));
    assert_eq!(after - before, 0);
    drop(paywall.look(&Request { price: 1, ..request }).decided());
    assert!(ALLOCATIONS.get() > after, "the count works");
}
