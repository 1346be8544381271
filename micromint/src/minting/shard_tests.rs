//! Tests of shards: every toss once, with stops and crashes while they are tossed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::job::MEMORY_MIN;
use super::shard::SHARDS_MAX;
use super::tests::full_disk::FullDisk;
use super::tests::{Bench, NAME, config, key, minted, sized, test_params};
use super::*;
use crate::hash::HashName;
use crate::hash::bulk::WalkBits;
use crate::host::{Directory, Lock, Open, SimulatedDirectory, Survives};
use crate::params::Params;

/// Shards and merges of the `test` profile unless changed.
pub(super) struct Cluster<'a> {
    pub(super) directory: &'a dyn Directory,
    pub(super) params: Params,
    pub(super) key: InputKey,
    pub(super) walk: WalkBits,
    pub(super) threads: usize,
    pub(super) memory: u64,
    pub(super) tick: Duration,
    pub(super) stop_at: u64,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(directory: &'a dyn Directory) -> Cluster<'a> {
        Cluster {
            directory,
            params: test_params(),
            key: key(),
            walk: WalkBits::for_fixed_count(2),
            threads: 1,
            memory: MEMORY_MIN,
            tick: Duration::from_millis(1),
            stop_at: u64::MAX,
        }
    }

    pub(super) fn toss(&self, index: u32, count: u32) -> Result<ShardOutcome, MintError> {
        let shard = Shard::new(index, count).unwrap();
        let (stop, looks, told) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let elapsed = || self.tick * (looks.fetch_add(1, Ordering::Relaxed) as u32);
        let progress = |progress: Progress| {
            assert!(progress.done <= progress.total);
            let is_last = told.fetch_add(1, Ordering::Relaxed) + 1 >= self.stop_at;
            stop.fetch_or(is_last, Ordering::Relaxed);
        };
        let config = MintConfig { walk: self.walk, ..config(&self.params, &self.key) };
        let job = self.builder(&config).with_stop(&stop).with_clock(&elapsed);
        let job = job.with_progress(&progress);
        let run = RunFile { directory: self.directory, name: &shard.run_name(NAME) };
        job.build()?.toss_shard(shard, run)
    }

    pub(super) fn toss_all(&self, count: u32) {
        for index in 1..=count {
            assert!(matches!(self.toss(index, count).unwrap(), ShardOutcome::Complete { .. }));
        }
    }

    pub(super) fn merge_files(
        &self,
        names: &[String],
        part: Option<(u32, u32)>,
    ) -> Result<MergeOutcome, MintError> {
        let runs: Vec<RunFile<'_>> =
            names.iter().map(|name| RunFile { directory: self.directory, name }).collect();
        let (stop, told) = (AtomicBool::new(false), AtomicU64::new(0));
        let progress = |progress: Progress| {
            assert!(progress.stage == MintStage::Merging && progress.done <= progress.total);
            let is_last = told.fetch_add(1, Ordering::Relaxed) + 1 >= self.stop_at;
            stop.fetch_or(is_last, Ordering::Relaxed);
        };
        let part = part.map(|(index, count)| Shard::new(index, count).unwrap());
        let config = MintConfig { walk: self.walk, ..config(&self.params, &self.key) };
        let job = self.builder(&config).with_stop(&stop).with_progress(&progress);
        job.build()?.merge(&runs, part)
    }

    fn builder<'b>(&'b self, config: &'b MintConfig) -> MintJobBuilder<'b> {
        MintJobBuilder::new(self.directory, NAME, config)
            .with_threads(self.threads)
            .with_memory(self.memory)
    }

    pub(super) fn merge(
        &self,
        count: u32,
        part: Option<(u32, u32)>,
    ) -> Result<MergeOutcome, MintError> {
        self.merge_files(&run_names(count), part)
    }
}

pub(super) fn run_names(count: u32) -> Vec<String> {
    (1..=count).map(|index| Shard::new(index, count).unwrap().run_name(NAME)).collect()
}

/// Nothing is left beside the coin file and the run files.
pub(super) fn assert_tidy(directory: &SimulatedDirectory) {
    let names = directory.names().unwrap();
    assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
}

#[test]
fn shards_take_every_toss_once() {
    for (params, total) in [(test_params(), 1 << 14), (sized(6, 3, 2, 1, 7, HashName::Des), 1 << 7)]
    {
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
fn threads_stretches_and_stops_leave_no_trace_in_a_run_file() {
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
                // A stop at every third report would never let it merge.
                Cluster::new(&directory).toss(2, 3).unwrap();
                break;
            }
            assert!(runs < 100);
        }
        assert!(stop_at == u64::MAX || runs > 1);
        // The bytes are equal, although the segments were different.
        assert!(directory.bytes(name).unwrap() == expected, "{threads} threads, {tick:?}");
        assert_tidy(&directory);
    }
}

/// Crashes at every step of tossing a shard in several segments, and continues.
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
        let disk = FullDisk {
            directory: &directory,
            left: Arc::new(AtomicI64::new(left)),
            free: u64::MAX,
        };
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
