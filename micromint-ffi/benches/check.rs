//! What the check of a coin costs through C, beside the same check in Rust: in one process, by turns.
//!
//! `make bench-c` builds the shared library as it is shipped, which is loaded here as any program loads it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::path::Path;
use std::ptr::{null, null_mut};
use std::time::Instant;

use libloading::Library;
use micromint_core::coin::CoinRules;
use micromint_core::identity::{UserId, UserVector, VendorVector};
use micromint_core::params::Params;

/// Rounds of which the median counts.
const ROUNDS: usize = 41;
/// Checks a round, each way.
const CHECKS: usize = 20_000;

type FromToml = unsafe extern "C" fn(*const u8, usize, *mut *mut (), *mut *mut ()) -> i32;
type CheckerNew = unsafe extern "C" fn(*const (), *const u8, usize, *mut *mut (), *mut *mut ()) -> i32;
type Check = unsafe extern "C" fn(
    *const (),
    *const u8,
    usize,
    *const u64,
    usize,
    *mut i32,
    *mut [u32; 2],
    *mut *mut (),
) -> i32;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let toml = std::fs::read_to_string(root.join("testdata/periods/2026-12.params")).unwrap();
    let library = root.join("target/release/libmicromint.so");
    let coins = [0x892, 0x245, 0x1298, 0x78a, 0xfd, 0xd64, 0x155, 0x79f];
    // SAFETY: the library is this project's, and initialises nothing when it is loaded.
    let library = unsafe { Library::new(&library) }
        .unwrap_or_else(|error| panic!("{}: make bench-c builds it: {error}", library.display()));
    for count in [1, 2] {
        let (rust, c) = compare(&library, &toml, &coins[..4 * count]);
        println!(
            "check of {count} coins of 4 DES balls: Rust {rust:.0} ns, C {c:.0} ns: {:+.1} %",
            100.0 * (c / rust - 1.0)
        );
    }
}

/// Nanoseconds of a check, in Rust and through C.
fn compare(library: &Library, toml: &str, x: &[u64]) -> (f64, f64) {
    let rules = CoinRules::new(Params::from_toml(toml).unwrap());
    let vendor = VendorVector::new(rules.params(), &"news.example".parse().unwrap());
    let in_rust = || {
        let user: UserId = black_box("alice").parse().unwrap();
        let user = UserVector::new(rules.params(), &user).unwrap();
        assert!(rules.check(&user, &vendor, black_box(x)).is_ok());
    };
    // SAFETY: the types are those of include/micromint.h.
    let (check, checker) = unsafe {
        let from_toml = library.get::<FromToml>(b"micromint_params_from_toml").unwrap();
        let checker_new = library.get::<CheckerNew>(b"micromint_checker_new").unwrap();
        let (mut params, mut checker) = (null_mut(), null_mut());
        assert_eq!(from_toml(toml.as_ptr(), toml.len(), &mut params, null_mut()), 0);
        assert_eq!(checker_new(params, b"news.example".as_ptr(), 12, &mut checker, null_mut()), 0);
        (library.get::<Check>(b"micromint_checker_check").unwrap(), checker)
    };
    let mut bins = [[0; 2]; 2];
    let mut through_c = || {
        let (user, mut fault) = (black_box("alice"), -1);
        let (x, len) = (black_box(x).as_ptr(), x.len());
        // SAFETY: the pointers are good for the lengths beside them; there is a place for each first bin.
        let status = unsafe {
            check(
                checker,
                user.as_ptr(),
                user.len(),
                x,
                len,
                &mut fault,
                bins.as_mut_ptr(),
                null::<*mut ()>().cast_mut(),
            )
        };
        assert_eq!((status, fault), (0, 0));
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        times[0].push(time(&in_rust));
        times[1].push(time(&mut through_c));
    }
    let [rust, c] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    });
    (rust, c)
}

fn time(mut check: impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..CHECKS {
        check();
    }
    began.elapsed().as_nanos() as f64 / CHECKS as f64
}
