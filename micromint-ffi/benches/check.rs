//! The cost of checking a coin through C, compared with the same check in Rust: in one process,
//! alternating.
//!
//! `make bench-c` builds the shared library as it is shipped, and this program loads it as any
//! program does. Times depend on other load on the machine; with `--instructions`, valgrind counts
//! the instructions of a check, which do not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::ptr::null_mut;
use std::time::Instant;

use libloading::Library;
use micromint_core::coin::CoinRules;
use micromint_core::identity::{UserId, UserVector, VendorVector};
use micromint_core::params::Params;

/// Rounds whose median counts: short ones, so that other load on the machine affects both ways
/// alike, or few rounds.
const ROUNDS: usize = 4001;
/// Checks in a round, each way.
const CHECKS: usize = 100;
/// Checks whose instructions are counted.
const COUNTED: usize = 1000;
/// The ways in which a check is made.
const WAYS: [&str; 2] = ["rust", "c"];
/// Two coins of alice for news.example.
const COINS: [u64; 8] = [0x892, 0x245, 0x1298, 0x78a, 0xfd, 0xd64, 0x155, 0x79f];

type FromToml = unsafe extern "C" fn(*const u8, usize, *mut *mut (), *mut *mut ()) -> i32;
type CheckerNew =
    unsafe extern "C" fn(*const (), *const u8, usize, *mut *mut (), *mut *mut ()) -> i32;
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
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match arguments.next().as_deref() {
        None => times(),
        Some("--instructions") => instructions(),
        Some(way) => {
            let mut number = || arguments.next().unwrap().parse().unwrap();
            let (coins, checks) = (number(), number());
            Checks::new(coins).run(way, checks);
        }
    }
}

/// Compares times.
fn times() {
    for coins in [1, 2] {
        let checks = Checks::new(coins);
        let time = |way| {
            let began = Instant::now();
            checks.run(way, CHECKS);
            began.elapsed().as_nanos() as f64 / CHECKS as f64
        };
        let rounds: Vec<[f64; 2]> = (0..ROUNDS).map(|_| WAYS.map(time)).collect();
        let median = |way: usize| {
            let mut times: Vec<f64> = rounds.iter().map(|round| round[way]).collect();
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        };
        report(coins, "ns", [median(0), median(1)]);
    }
}

/// Compares instructions, counted by valgrind in processes of their own.
fn instructions() {
    for coins in [1, 2] {
        // The work of a process before and after its checks is in both counts.
        let of = |way| {
            (count(way, coins, 3 * COUNTED) - count(way, coins, COUNTED)) as f64
                / (2 * COUNTED) as f64
        };
        report(coins, "instructions", WAYS.map(of));
    }
}

/// The instructions of a process that makes this number of checks.
fn count(way: &str, coins: usize, checks: usize) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap());
    let done =
        valgrind.arg(way).args([coins, checks].map(|number| number.to_string())).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let collected = said.lines().find_map(|line| line.split_once("Collected :")).expect(&said).1;
    collected.trim().parse().unwrap()
}

fn report(coins: usize, unit: &str, [rust, c]: [f64; 2]) {
    let more = 100.0 * (c / rust - 1.0);
    println!(
        "check of {coins} coins of 4 DES balls: Rust {rust:.0} {unit}, C {c:.0} {unit}: {more:+.1} %"
    );
}

/// The same coins, ready to be checked both ways.
struct Checks {
    rules: CoinRules,
    vendor: VendorVector,
    checker: *const (),
    // Keeps the function loaded.
    _library: Library,
    check: Check,
    x: &'static [u64],
}

impl Checks {
    fn new(coins: usize) -> Checks {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let toml = std::fs::read_to_string(root.join("testdata/periods/2026-12.params")).unwrap();
        let path = root.join("target/release/libmicromint.so");
        let rules = CoinRules::new(Params::from_toml(&toml).unwrap());
        let vendor = VendorVector::new(rules.params(), &"news.example".parse().unwrap());
        // SAFETY: the library is this project's, and initialises nothing when it is loaded; the
        // types are those of include/micromint.h.
        unsafe {
            let library = Library::new(&path).unwrap_or_else(|error| {
                panic!("{}: make bench-c builds it: {error}", path.display())
            });
            let from_toml = *library.get::<FromToml>(b"micromint_params_from_toml").unwrap();
            let checker_new = *library.get::<CheckerNew>(b"micromint_checker_new").unwrap();
            let check = *library.get::<Check>(b"micromint_checker_check").unwrap();
            let (mut params, mut checker) = (null_mut(), null_mut());
            assert_eq!(from_toml(toml.as_ptr(), toml.len(), &mut params, null_mut()), 0);
            assert_eq!(
                checker_new(params, b"news.example".as_ptr(), 12, &mut checker, null_mut()),
                0
            );
            Checks { rules, vendor, checker, _library: library, check, x: &COINS[..4 * coins] }
        }
    }

    fn run(&self, way: &str, checks: usize) {
        let check = if way == WAYS[0] { Checks::in_rust } else { Checks::through_c };
        (0..checks).for_each(|_| check(self));
    }

    fn in_rust(&self) {
        let user: UserId = black_box("alice").parse().unwrap();
        let user = UserVector::new(self.rules.params(), &user).unwrap();
        assert!(self.rules.check(&user, &self.vendor, black_box(self.x)).is_ok());
    }

    fn through_c(&self) {
        let (user, x, mut fault, mut bins) =
            (black_box("alice"), black_box(self.x), -1, [[0; 2]; 2]);
        // SAFETY: the pointers are valid for the lengths beside them; there is a place for each
        // first bin.
        let status = unsafe {
            (self.check)(
                self.checker,
                user.as_ptr(),
                user.len(),
                x.as_ptr(),
                x.len(),
                &mut fault,
                bins.as_mut_ptr(),
                null_mut(),
            )
        };
        assert_eq!((status, fault), (0, 0));
    }
}
