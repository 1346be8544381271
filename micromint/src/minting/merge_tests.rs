//! Tests of merging: all run files, whole or in parts, with stops, crashes and damage.

use super::shard_tests::{Cluster, assert_tidy, run_names};
use super::tests::{Bench, NAME, minted, sized, test_params};
use super::*;
use crate::coin_file::{CoinFile, Phase};
use crate::hash::HashName;
use crate::hash::bulk::WalkBits;
use crate::host::{Directory, SimulatedDirectory, Survives};
use crate::testing::params_with;

#[test]
fn merged_shards_are_the_file_of_one_machine() {
    for params in [
        test_params(),
        sized(7, 5, 3, 3, 15, HashName::Sha256),
        sized(6, 3, 2, 1, 7, HashName::Des),
    ] {
        let expected = minted(&params).bytes(NAME).unwrap();
        for count in [1, 3, 7, 70] {
            let directory = SimulatedDirectory::new();
            let cluster = Cluster { params: params.clone(), ..Cluster::new(&directory) };
            cluster.toss_all(count);
            assert_tidy(&directory);
            // Any order of the run files.
            let mut names = run_names(count);
            names.reverse();
            names.rotate_left(count as usize / 3);
            assert!(matches!(
                cluster.merge_files(&names, None).unwrap(),
                MergeOutcome::Complete(_)
            ));
            assert!(directory.bytes(NAME).unwrap() == expected, "{params}: {count} shards");
            assert_tidy(&directory);
            let again = cluster.merge_files(&names, None).unwrap();
            assert!(matches!(again, MergeOutcome::AlreadyComplete(_)));
        }
    }
}

#[test]
fn parts_are_the_file_of_one_machine_in_any_order() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    for parts in [1, 2, 5, 100] {
        let directory = SimulatedDirectory::new();
        let cluster = Cluster::new(&directory);
        cluster.toss_all(3);
        for done in 0..parts {
            let index = (done * 3 + 1) % parts + 1;
            let index = if parts % 3 == 0 { done + 1 } else { index };
            let outcome = cluster.merge(3, Some((index, parts))).unwrap();
            let missing = parts - 1 - done;
            assert!(
                matches!(outcome, MergeOutcome::Complete(_)) && missing == 0
                    || outcome == MergeOutcome::PartDone { missing },
                "{outcome:?}"
            );
            if missing > 0 {
                assert!(CoinFile::open(&directory, NAME).is_err());
                assert_eq!(cluster.merge(3, Some((index, parts))).unwrap(), outcome, "again");
            }
        }
        assert!(directory.bytes(NAME).unwrap() == expected, "{parts} parts");
        assert_tidy(&directory);
    }
}

/// Parts on several threads at the same time, each like a process of its own.
#[test]
fn parts_may_be_merged_at_one_time() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    for _ in 0..20 {
        let directory = SimulatedDirectory::new();
        let cluster = Cluster::new(&directory);
        cluster.toss_all(3);
        std::thread::scope(|scope| {
            for index in 1..=4 {
                let cluster = &cluster;
                scope.spawn(move || cluster.merge(3, Some((index, 4))).unwrap());
            }
        });
        assert!(directory.bytes(NAME).unwrap() == expected);
        assert_tidy(&directory);
    }
}

/// Crashes at every step of a merge, whole and part by part, and continues.
#[test]
fn a_crash_while_merging_loses_nothing() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    let tossed = SimulatedDirectory::new();
    Cluster::new(&tossed).toss_all(3);
    let with_runs = || {
        let directory = SimulatedDirectory::new();
        for name in run_names(3) {
            directory.put(&name, &tossed.bytes(&name).unwrap());
        }
        directory
    };
    for parts in [None, Some(3)] {
        let merge = |directory: &SimulatedDirectory| -> Result<(), MintError> {
            let cluster = Cluster::new(directory);
            for index in 1..=parts.unwrap_or(1) {
                cluster.merge(3, parts.map(|count| (index, count)))?;
            }
            Ok(())
        };
        let whole = with_runs();
        let before = whole.steps();
        merge(&whole).unwrap();
        let steps = whole.steps() - before;
        assert!(steps > 15, "{steps} steps");
        for step in 0..steps {
            for survives in
                [Survives::Written, Survives::Synced, Survives::Some(5), Survives::Some(77)]
            {
                let directory = with_runs();
                directory.crash_after(step);
                assert!(merge(&directory).is_err());
                let after = directory.after_crash(survives);
                if let Ok(coin_file) = CoinFile::open(&after, NAME) {
                    assert_eq!(coin_file.minting_state().unwrap().phase, Phase::Complete);
                    // Only the second slot may be missing.
                    assert!(after.bytes(NAME).unwrap()[4096..] == expected[4096..]);
                }
                merge(&after).unwrap();
                assert!(after.bytes(NAME).unwrap() == expected, "step {step} {survives:?}");
                assert_tidy(&after);
            }
        }
    }
}

#[test]
fn a_merge_goes_on_with_a_mint_and_a_mint_with_a_merge() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    let directory = SimulatedDirectory::new();
    Bench { stop_at: 20, ..Bench::new(&directory) }.run().unwrap();
    let cluster = Cluster::new(&directory);
    cluster.toss_all(2);
    assert_eq!(cluster.merge(2, Some((2, 2))).unwrap(), MergeOutcome::PartDone { missing: 1 });
    let begun = directory.bytes(NAME).unwrap();
    cluster.merge(2, Some((1, 2))).unwrap();
    assert!(directory.bytes(NAME).unwrap() == expected);

    let directory = SimulatedDirectory::new();
    directory.put(NAME, &begun);
    Bench::new(&directory).run().unwrap();
    assert!(directory.bytes(NAME).unwrap() == expected);
}

/// The coin file of an unfinished merge is removed: the records do not count for a new file.
#[test]
fn records_do_not_speak_for_another_file() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    let directory = SimulatedDirectory::new();
    let cluster = Cluster::new(&directory);
    cluster.toss_all(2);
    cluster.merge(2, Some((1, 2))).unwrap();
    directory.remove(NAME).unwrap();
    assert_eq!(cluster.merge(2, Some((2, 2))).unwrap(), MergeOutcome::PartDone { missing: 1 });
    // A damaged record is ignored.
    let record = format!(".{NAME}.part-2-of-2");
    let mut bytes = directory.bytes(&record).unwrap();
    bytes[40] ^= 1;
    directory.put(&record, &bytes);
    assert_eq!(cluster.merge(2, Some((1, 2))).unwrap(), MergeOutcome::PartDone { missing: 1 });
    cluster.merge(2, Some((2, 2))).unwrap();
    assert!(directory.bytes(NAME).unwrap() == expected);
}

#[test]
fn wrong_sets_of_run_files_are_told_and_nothing_is_begun() {
    let directory = SimulatedDirectory::new();
    let cluster = Cluster::new(&directory);
    cluster.toss_all(3);
    cluster.toss(1, 2).unwrap();
    let names = run_names(3);
    let fails = |cluster: &Cluster<'_>, names: &[String], says: &str| {
        let error = cluster.merge_files(names, None).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
        assert!(directory.bytes(NAME).is_none());
    };
    fails(&cluster, &names[1..2], "2 of 3 shards are missing: 1, 3");
    fails(&cluster, &[], "1 of 1 shards are missing: 1");
    fails(&cluster, &[&names[..], &names[..1]].concat(), "both are shard 1/3");
    fails(
        &cluster,
        &[&names[..2], &run_names(2)[..1]].concat(),
        "expected shard one of 3, as simulated/",
    );
    fails(&cluster, &["none".to_string()], "cannot open simulated/none");
    let other = |raw: &mut crate::params::RawParams| raw.iv = 1;
    let of_other = Cluster { params: params_with(other), ..Cluster::new(&directory) };
    fails(&of_other, &names, "was begun with iv 0123456789abcdef, not 0000000000000001");
    let of_other = Cluster { key: InputKey::from_bytes([1; 16]), ..Cluster::new(&directory) };
    fails(&of_other, &names, "was begun with another input-key");
    let message = of_other.toss(1, 3).unwrap_err().to_string();
    assert!(message.contains("another input-key"), "{message}");
    // Shards of other groups: refused, also one among others that fit.
    let of_other = Cluster { walk: WalkBits::MAX, ..Cluster::new(&directory) };
    fails(&of_other, &names, "was begun with another input-key or walk");
    directory.remove(&names[2]).unwrap();
    of_other.toss(3, 3).unwrap();
    fails(&cluster, &names, "run-3-of-3: was begun with another input-key or walk");
    directory.remove(&names[2]).unwrap();
    cluster.toss(3, 3).unwrap();

    // A run file under the name of another shard.
    let bytes = directory.bytes(&names[0]).unwrap();
    directory.put(&run_names(7)[2], &bytes);
    let message = cluster.toss(3, 7).unwrap_err().to_string();
    assert!(
        message.contains("expected shard 3/7, tosses") && message.contains("found 1/3"),
        "{message}"
    );
    assert!(directory.bytes(&run_names(7)[2]).unwrap() == bytes);
    assert!(cluster.merge(3, None).is_ok());
}

#[test]
fn too_little_memory_for_so_many_runs_is_told() {
    let directory = SimulatedDirectory::new();
    let cluster = Cluster::new(&directory);
    cluster.toss_all(129);
    let error = cluster.merge(129, None).unwrap_err().to_string();
    assert!(error.starts_with("memory: expected at least 16842752"), "{error}");
    let cluster = Cluster { memory: 16_842_752, ..cluster };
    cluster.merge(129, None).unwrap();
    assert!(directory.bytes(NAME).unwrap() == minted(&test_params()).bytes(NAME).unwrap());
}

/// Every truncation and every flipped bit of a run file is found before a coin file is made of it.
#[test]
fn torn_and_damaged_run_files_are_told() {
    let tossed = SimulatedDirectory::new();
    Cluster::new(&tossed).toss_all(2);
    let names = run_names(2);
    let good = tossed.bytes(&names[1]).unwrap();
    let merge = |bytes: &[u8]| {
        let directory = SimulatedDirectory::new();
        directory.put(&names[0], &tossed.bytes(&names[0]).unwrap());
        directory.put(&names[1], bytes);
        let error = Cluster::new(&directory).merge(2, None).unwrap_err().to_string();
        assert!(CoinFile::open(&directory, NAME).is_err());
        // Nothing is lost: with the good file the merge continues.
        directory.put(&names[1], &good);
        Cluster::new(&directory).merge(2, None).unwrap();
        error
    };
    for length in [0, 100, 4095, 4096, 5000, good.len() - 1] {
        let error = merge(&good[..length]);
        assert!(error.contains("run-2-of-2: "), "{error}");
    }
    assert!(merge(&[&good[..], &[0]].concat()).contains("damaged at its end"));
    for at in (0..4096).step_by(37).chain((4096..good.len()).step_by(997)).chain([
        4096,
        4100,
        4104,
        good.len() - 1,
    ]) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        let error = merge(&bytes);
        let expected = if at < 8 { "expected a run file" } else { "run-2-of-2: " };
        assert!(error.contains(expected), "byte {at}: {error}");
    }
    let block = merge(&{
        let mut bytes = good.clone();
        bytes[5000] ^= 1;
        bytes
    });
    assert!(
        block.ends_with(
            "damaged at block 0: its checksum does not match; remove it and toss its shard again"
        ),
        "{block}"
    );
}

/// More hits than a block holds, so that parts begin inside blocks; memory for one block per run.
#[test]
fn runs_of_many_blocks_merge_from_any_part() {
    let params = sized(10, 6, 4, 2, 21, HashName::Sha256);
    let expected = minted(&params).bytes(NAME).unwrap();
    let directory = SimulatedDirectory::new();
    let cluster = Cluster { params, threads: 2, ..Cluster::new(&directory) };
    cluster.toss_all(2);
    assert!(directory.bytes(&run_names(2)[0]).unwrap().len() > 5 * 65_536);
    for index in 1..=5 {
        cluster.merge(2, Some((6 - index, 5))).unwrap();
    }
    assert!(directory.bytes(NAME).unwrap() == expected);
}
