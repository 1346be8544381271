use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::tests::{Bench, FullDisk, NAME, key, minted, sized};
use super::*;
use crate::coin_file::{CoinFile, Phase};
use crate::hash::HashName;
use crate::host::{Directory, Lock, Open, SimulatedDirectory, Survives};
use crate::params::Params;
use crate::testing::{params_with, test_params};

/// Shards and merges of the `test` profile unless changed.
struct Cluster<'a> {
    directory: &'a dyn Directory,
    params: Params,
    key: InputKey,
    threads: usize,
    memory: u64,
    tick: Duration,
    stop_at: u64,
}

impl<'a> Cluster<'a> {
    fn new(directory: &'a dyn Directory) -> Cluster<'a> {
        Cluster {
            directory,
            params: test_params(),
            key: key(),
            threads: 1,
            memory: MEMORY_MIN,
            tick: Duration::from_millis(1),
            stop_at: u64::MAX,
        }
    }

    fn toss(&self, index: u32, count: u32) -> Result<ShardOutcome, MintError> {
        let shard = Shard::new(index, count).unwrap();
        let (stop, looks, told) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let sharding = Sharding {
            directory: self.directory,
            name: &shard.run_name(NAME),
            params: &self.params,
            key: &self.key,
            shard,
            threads: self.threads,
            memory: self.memory,
            stop: &stop,
            elapsed: &|| self.tick * (looks.fetch_add(1, Ordering::Relaxed) as u32),
            progress: &|progress| {
                assert!(progress.done <= progress.total);
                stop.fetch_or(told.fetch_add(1, Ordering::Relaxed) + 1 >= self.stop_at, Ordering::Relaxed);
            },
        };
        sharding.run()
    }

    fn toss_all(&self, count: u32) {
        for index in 1..=count {
            assert!(matches!(self.toss(index, count).unwrap(), ShardOutcome::Complete { .. }));
        }
    }

    fn merge_files(&self, names: &[String], part: Option<(u32, u32)>) -> Result<MergeOutcome, MintError> {
        let runs: Vec<RunSource<'_>> =
            names.iter().map(|name| RunSource { directory: self.directory, name }).collect();
        let (stop, told) = (AtomicBool::new(false), AtomicU64::new(0));
        let merging = Merging {
            directory: self.directory,
            name: NAME,
            params: &self.params,
            key: &self.key,
            runs: &runs,
            part: part.map(|(index, count)| Shard::new(index, count).unwrap()),
            memory: self.memory,
            stop: &stop,
            progress: &|progress| {
                assert!(progress.stage == Stage::Merging && progress.done <= progress.total);
                stop.fetch_or(told.fetch_add(1, Ordering::Relaxed) + 1 >= self.stop_at, Ordering::Relaxed);
            },
        };
        merging.run()
    }

    fn merge(&self, count: u32, part: Option<(u32, u32)>) -> Result<MergeOutcome, MintError> {
        self.merge_files(&run_names(count), part)
    }
}

fn run_names(count: u32) -> Vec<String> {
    (1..=count).map(|index| Shard::new(index, count).unwrap().run_name(NAME)).collect()
}

/// Nothing is left beside the coin file and the run files.
fn assert_tidy(directory: &SimulatedDirectory) {
    let names = directory.names().unwrap();
    assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
}

#[test]
fn shards_take_every_toss_once() {
    for (params, total) in [(test_params(), 1 << 14), (sized(6, 3, 2, 1, 7, HashName::Des), 1 << 7)] {
        for count in [1, 2, 3, 7, 64, 100, SHARDS_MAX] {
            let mut next = 0;
            for index in 1..=count {
                let tosses = Shard::new(index, count).unwrap().tosses(&params);
                assert!(tosses.start == next.min(total) || tosses.is_empty());
                next = next.max(tosses.end);
            }
            assert_eq!(next, total);
        }
    }
    for text in ["0/1", "2/1", "1/4097", "1", "/", "1/2/3", "+1/2", "a/2", "1/99999999999"] {
        assert!(text.parse::<Shard>().is_err(), "{text}");
    }
    assert_eq!("4096/4096".parse::<Shard>().unwrap().to_string(), "4096/4096");
}

#[test]
fn merged_shards_are_the_file_of_one_machine() {
    for params in
        [test_params(), sized(7, 5, 3, 3, 15, HashName::Sha256), sized(6, 3, 2, 1, 7, HashName::Des)]
    {
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
            assert!(matches!(cluster.merge_files(&names, None).unwrap(), MergeOutcome::Complete(_)));
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

/// Parts on several threads at once, each as a process of its own would.
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

#[test]
fn threads_batches_and_stops_leave_no_trace_in_a_run_file() {
    let whole = SimulatedDirectory::new();
    Cluster::new(&whole).toss(2, 3).unwrap();
    let name = &run_names(3)[1];
    let expected = whole.bytes(name).unwrap();
    for (threads, tick, stop_at) in
        [(2, 1, u64::MAX), (3, 20_000, u64::MAX), (1, 61_000, u64::MAX), (2, 1, 3)]
    {
        let directory = SimulatedDirectory::new();
        let tick = Duration::from_millis(tick);
        let cluster = Cluster { threads, tick, stop_at, ..Cluster::new(&directory) };
        let mut runs = 0;
        while let ShardOutcome::Stopped { done, total } = cluster.toss(2, 3).unwrap() {
            assert!(done <= total && directory.bytes(name).is_none());
            runs += 1;
            if done == total {
                // A stop at every third look would never let it merge.
                Cluster::new(&directory).toss(2, 3).unwrap();
                break;
            }
            assert!(runs < 100);
        }
        assert!(stop_at == u64::MAX || runs > 1);
        // The bytes differ nowhere, though the segments were others.
        assert!(directory.bytes(name).unwrap() == expected, "{threads} threads, {tick:?}");
        assert_tidy(&directory);
    }
}

/// Crashes at every step of tossing a shard in several segments, and goes on.
#[test]
fn a_crash_while_tossing_leaves_no_file_that_passes_for_complete() {
    let whole = SimulatedDirectory::new();
    let toss = |directory: &SimulatedDirectory| {
        Cluster { tick: Duration::from_secs(12), ..Cluster::new(directory) }.toss(1, 2)
    };
    toss(&whole).unwrap();
    let name = &run_names(2)[0];
    let (steps, expected) = (whole.steps(), whole.bytes(name).unwrap());
    assert!(steps > 30, "{steps} steps");
    for step in 0..steps {
        for survives in [Survives::Written, Survives::Synced, Survives::Some(5)] {
            let directory = SimulatedDirectory::new();
            directory.crash_after(step);
            assert!(toss(&directory).is_err());
            let after = directory.after_crash(survives);
            if let Some(found) = after.bytes(name) {
                assert!(found == expected, "step {step} {survives:?}");
            }
            toss(&after).unwrap();
            assert!(after.bytes(name).unwrap() == expected, "step {step} {survives:?}");
            assert_tidy(&after);
        }
    }
}

/// Crashes at every step of a merge, whole and part by part, and goes on.
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
            for survives in [Survives::Written, Survives::Synced, Survives::Some(5), Survives::Some(77)] {
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

/// The coin file of a merge under way is taken away: what the records say is not believed of another.
#[test]
fn records_do_not_speak_for_another_file() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    let directory = SimulatedDirectory::new();
    let cluster = Cluster::new(&directory);
    cluster.toss_all(2);
    cluster.merge(2, Some((1, 2))).unwrap();
    directory.remove(NAME).unwrap();
    assert_eq!(cluster.merge(2, Some((2, 2))).unwrap(), MergeOutcome::PartDone { missing: 1 });
    // A damaged record counts as none.
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
    fails(&cluster, &[&names[..2], &run_names(2)[..1]].concat(), "expected shard one of 3, as simulated/");
    fails(&cluster, &["none".to_string()], "cannot open simulated/none");
    let other = |raw: &mut crate::params::RawParams| raw.iv = 1;
    let of_other = Cluster { params: params_with(other), ..Cluster::new(&directory) };
    fails(&of_other, &names, "was begun with iv 0123456789abcdef, not 0000000000000001");
    let of_other = Cluster { key: InputKey::from_bytes([1; 16]), ..Cluster::new(&directory) };
    fails(&of_other, &names, "was begun with another input-key");
    let message = of_other.toss(1, 3).unwrap_err().to_string();
    assert!(message.contains("another input-key"), "{message}");

    // A run file under the name of another shard.
    let bytes = directory.bytes(&names[0]).unwrap();
    directory.put(&run_names(7)[2], &bytes);
    let message = cluster.toss(3, 7).unwrap_err().to_string();
    assert!(message.contains("expected shard 3/7, tosses") && message.contains("found 1/3"), "{message}");
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

/// Every cut and every flipped bit of a run file is found, before a coin file comes of it.
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
        // Nothing is lost: with the good file it goes on.
        directory.put(&names[1], &good);
        Cluster::new(&directory).merge(2, None).unwrap();
        error
    };
    for length in [0, 100, 4095, 4096, 5000, good.len() - 1] {
        let error = merge(&good[..length]);
        assert!(error.contains("run-2-of-2: "), "{error}");
    }
    assert!(merge(&[&good[..], &[0]].concat()).contains("damaged at its end"));
    for at in
        (0..4096).step_by(37).chain((4096..good.len()).step_by(997)).chain([4096, 4100, 4104, good.len() - 1])
    {
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
        block
            .ends_with("damaged at block 0: its checksum does not match; remove it and toss its shard again"),
        "{block}"
    );
}

#[test]
fn two_do_not_toss_one_shard_and_a_mint_excludes_a_merge() {
    let directory = SimulatedDirectory::new();
    let cluster = Cluster::new(&directory);
    let lock = directory.open(&format!(".{}.lock", run_names(1)[0]), Open::Create).unwrap();
    lock.lock(Lock::Exclusive).unwrap();
    assert!(matches!(cluster.toss(1, 1), Err(MintError::Busy { .. })));
    drop(lock);
    cluster.toss_all(1);
    Bench { stop_at: 1, ..Bench::new(&directory) }.run().unwrap();
    let mint = directory.open(NAME, Open::Write).unwrap();
    mint.lock(Lock::Exclusive).unwrap();
    assert!(matches!(cluster.merge(1, None), Err(MintError::Busy { .. })));
    drop(mint);
    cluster.merge(1, None).unwrap();
}

#[test]
fn a_full_disk_while_tossing_or_merging_loses_nothing() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    for left in [0, 3000, 5_000, 66_000, 70_000, 140_000, 142_000, 150_000] {
        let directory = SimulatedDirectory::new();
        let disk = FullDisk { directory: &directory, left: Arc::new(AtomicI64::new(left)), free: u64::MAX };
        let full = Cluster::new(&disk);
        let error = (1..=2)
            .find_map(|index| full.toss(index, 2).err())
            .or_else(|| full.merge(2, None).err())
            .unwrap()
            .to_string();
        assert!(error.starts_with("cannot ") && error.contains("no storage space"), "{error}");
        let cluster = Cluster::new(&directory);
        for index in 1..=2 {
            cluster.toss(index, 2).unwrap();
        }
        cluster.merge(2, None).unwrap();
        assert!(directory.bytes(NAME).unwrap() == expected, "{left} bytes left");
        assert_tidy(&directory);
    }
}

/// More hits than a block holds, so that parts begin amid the blocks; memory for one block a run.
#[test]
fn runs_of_many_blocks_merge_from_any_part() {
    let params = sized(10, 6, 4, 2, 19, HashName::Sha256);
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

/// Makes `mint` spill: it goes on with the spill of a run before.
fn spill_lock(directory: &SimulatedDirectory) {
    directory.put(&format!(".{NAME}.spill.lock"), b"");
}

#[test]
fn a_mint_that_spills_makes_the_same_file() {
    for params in [test_params(), sized(7, 5, 3, 3, 15, HashName::Sha256)] {
        let expected = minted(&params).bytes(NAME).unwrap();
        for (threads, stop_at, tick) in [(1, u64::MAX, 1), (3, u64::MAX, 20_000), (2, 25, 9_000)] {
            let directory = SimulatedDirectory::new();
            spill_lock(&directory);
            let (params, tick) = (params.clone(), Duration::from_millis(tick));
            let mut runs = 0;
            while let Outcome::Stopped(_) = (Bench {
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
        Bench { params: params.clone(), threads: 2, stop_at: 30, ..Bench::new(&directory) }.run().unwrap();
    assert!(matches!(outcome, Outcome::Stopped(_)));
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
    spill_lock(&whole);
    mint(&whole).unwrap();
    let steps = whole.steps();
    assert!(steps > 40, "{steps} steps");
    for step in 0..steps {
        for survives in [Survives::Written, Survives::Synced, Survives::Some(5)] {
            let directory = SimulatedDirectory::new();
            spill_lock(&directory);
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
