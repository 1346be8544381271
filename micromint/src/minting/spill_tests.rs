//! Tests of mints whose coin files are too large for placing stretch by stretch.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::tests::full_disk::FullDisk;
use super::tests::{Bench, NAME, minted, sized, test_params};
use super::*;
use crate::coin_file::file_size;
use crate::hash::HashName;
use crate::host::{Directory, SimulatedDirectory, Survives};

/// Makes `mint` spill: it continues with the spill of an earlier run.
fn begin_spill(directory: &SimulatedDirectory) {
    directory.put(&format!(".{NAME}.spill.new"), b"");
}

#[test]
fn a_mint_that_spills_makes_the_same_file() {
    for params in [test_params(), sized(7, 5, 3, 3, 15, HashName::Sha256)] {
        let expected = minted(&params).bytes(NAME).unwrap();
        // One segment, many, more than one merge into the coin file reads, and stops between them.
        let runs = [(1, u64::MAX, 1), (3, u64::MAX, 20_000), (1, u64::MAX, 61_000), (2, 25, 9_000)];
        for (threads, stop_at, tick) in runs {
            let directory = SimulatedDirectory::new();
            begin_spill(&directory);
            let (params, tick) = (params.clone(), Duration::from_millis(tick));
            let mut runs = 0;
            while let MintOutcome::Stopped(_) = (Bench {
                params: params.clone(),
                threads,
                stop_at: stop_at.saturating_add(runs),
                tick,
                ..Bench::new(&directory)
            })
            .run()
            .unwrap()
            {
                assert!(directory.names().unwrap().iter().any(|name| name.contains(".spill")));
                runs += 1;
                assert!(runs < 100);
            }
            assert!(stop_at == u64::MAX || runs > 0);
            assert!(directory.bytes(NAME).unwrap() == expected, "{params}, {threads} threads");
            assert_eq!(directory.names().unwrap(), [NAME]);
        }
    }
}

/// A coin file of 37 MB with the least memory: it spills by itself.
#[test]
fn a_coin_file_larger_than_memory_spills() {
    let params = sized(16, 6, 4, 0, 20, HashName::Sha256);
    let directory = SimulatedDirectory::new();
    let outcome =
        Bench { params: params.clone(), threads: 2, stop_at: 30, ..Bench::new(&directory) }
            .run()
            .unwrap();
    let MintOutcome::Stopped(state) = outcome else { panic!("{outcome:?}") };
    let kept = Bench { params: params.clone(), ..Bench::new(&directory) }.tosses_kept();
    assert!(kept > 0 && kept == state.next_toss, "{kept} {state:?}");
    assert!(directory.names().unwrap().iter().any(|name| name.contains(".spill.seg-")));
    Bench { params: params.clone(), threads: 2, ..Bench::new(&directory) }.run().unwrap();
    assert_eq!(directory.names().unwrap(), [NAME]);
    let report = Bench { params, threads: 2, ..Bench::new(&directory) }.verify().unwrap();
    assert_eq!(report.fault_count, 0);
}

#[test]
fn a_crash_of_a_mint_that_spills_loses_nothing() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    let mint = |directory: &SimulatedDirectory| {
        Bench { tick: Duration::from_secs(12), ..Bench::new(directory) }.run()
    };
    let whole = SimulatedDirectory::new();
    begin_spill(&whole);
    mint(&whole).unwrap();
    let steps = whole.steps();
    assert!(steps > 40, "{steps} steps");
    for step in 0..steps {
        for survives in [Survives::Written, Survives::Synced, Survives::Some(5)] {
            let directory = SimulatedDirectory::new();
            begin_spill(&directory);
            directory.crash_after(step);
            assert!(mint(&directory).is_err());
            let after = directory.after_crash(survives);
            mint(&after).unwrap();
            assert!(after.bytes(NAME).unwrap() == expected, "step {step} {survives:?}");
            let names = after.names().unwrap();
            assert!(names.iter().all(|name| !name.contains("spill")), "{names:?}");
        }
    }
}

/// The disk becomes full while a segment is written, or the coin file: what was tossed before is
/// kept, and half a segment does no harm.
#[test]
fn a_full_disk_loses_nothing_that_was_spilt() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    let run = |directory: &dyn Directory| {
        Bench { tick: Duration::from_secs(12), ..Bench::new(directory) }.run()
    };
    let (whole, free) = (SimulatedDirectory::new(), i64::MAX);
    begin_spill(&whole);
    let disk = FullDisk { directory: &whole, left: Arc::new(AtomicI64::new(free)), free: u64::MAX };
    run(&disk).unwrap();
    let written = free - disk.left.load(Ordering::Relaxed);
    let mut kept = Vec::new();
    for left in (0..100).map(|percent| written * percent / 100) {
        let directory = SimulatedDirectory::new();
        begin_spill(&directory);
        let disk = FullDisk {
            directory: &directory,
            left: Arc::new(AtomicI64::new(left)),
            free: u64::MAX,
        };
        let error = run(&disk).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot ") && error.contains("no storage space"),
            "{left}: {error}"
        );
        let names = directory.names().unwrap();
        assert!(!names.iter().any(|name| name.ends_with(".spill.new")) || left == 0, "{names:?}");
        if names.iter().any(|name| name == NAME) {
            kept.push(Bench::new(&directory).tosses_kept());
        }
        run(&directory).unwrap();
        assert!(directory.bytes(NAME).unwrap() == expected, "{left} bytes left");
    }
    assert!(kept.is_sorted() && kept.contains(&0) && kept.contains(&(1 << 14)), "{kept:?}");
}

#[test]
fn the_spill_counts_when_free_space_is_looked_at() {
    let params = sized(16, 6, 4, 0, 24, HashName::Sha256);
    let directory = SimulatedDirectory::new();
    let run = |free| {
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let disk = FullDisk { directory: &directory, left, free };
        Bench { params: params.clone(), stop_at: 1, ..Bench::new(&disk) }.run()
    };
    // 2^24 tosses keep 2^20 balls, which fill 0.22 of 2^22 bins; each takes 12 bytes.
    let spill = (0.2212 * f64::from(1 << 22) * 12.0) as u64;
    let error = run(file_size(&params) + spill).unwrap_err().to_string();
    assert!(error.contains("free bytes, for it and the files of minting beside it"), "{error}");
    assert!(!directory.names().unwrap().contains(&NAME.to_string()));
    run(file_size(&params) + spill * 21 / 20).unwrap();
}
