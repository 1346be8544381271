//! Tests of minting on small files, in memory.

pub(super) mod full_disk;
mod random;
mod refusals;
mod siblings;
mod verify;
mod whole;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::job::MEMORY_MIN;
use super::verify::FAULTS_MAX;
use super::*;
use crate::bin::Bin;
use crate::coin::CoinRules;
use crate::coin_file::{
    CoinFile, CoinFileError, MintingState, SUPERBIN_HEADER_SIZE, Status, Stored, superbin_offset,
};
use crate::hash::HashName;
use crate::hash::bulk::WalkBits;
use crate::host::{Directory, DiskDirectory, File, Lock, Open, SimulatedDirectory, Survives};
use crate::identity::{UserVector, VendorVector};
use crate::params::Params;
use crate::testing::{params_with, resize};

pub(super) const NAME: &str = "2026-12.coins";

pub(super) fn key() -> InputKey {
    "000102030405060708090a0b0c0d0e0f".parse().unwrap()
}

/// The `test` profile with a quarter of its tosses: how many bins are filled does not matter here.
pub(super) fn test_params() -> Params {
    params_with(|raw| raw.input_bits = 14)
}

/// A mint of [`test_params`] unless changed, with a clock that advances at every reading.
pub(super) struct Bench<'a> {
    pub(super) directory: &'a dyn Directory,
    pub(super) params: Params,
    pub(super) key: InputKey,
    pub(super) threads: usize,
    /// How far the clock advances at every reading.
    pub(super) tick: Duration,
    /// Stops at the report of progress with this number.
    pub(super) stop_at: u64,
}

impl<'a> Bench<'a> {
    pub(super) fn new(directory: &'a dyn Directory) -> Bench<'a> {
        let tick = Duration::from_millis(300);
        Bench { directory, params: test_params(), key: key(), threads: 1, tick, stop_at: u64::MAX }
    }

    pub(super) fn run(&self) -> Result<MintOutcome, MintError> {
        let (stop, looks, told) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let elapsed = || self.tick * (looks.fetch_add(1, Ordering::Relaxed) as u32);
        let progress = |progress: Progress| {
            assert!(progress.done <= progress.total);
            if told.fetch_add(1, Ordering::Relaxed) + 1 >= self.stop_at {
                stop.store(true, Ordering::Relaxed);
            }
        };
        MintJobBuilder::new(self.directory, NAME, &self.config())
            .with_threads(self.threads)
            .with_memory(MEMORY_MIN)
            .with_stop(&stop)
            .with_clock(&elapsed)
            .with_progress(&progress)
            .build()?
            .mint()
    }

    pub(super) fn verify(&self) -> Result<Report, MintError> {
        let config = self.config();
        let job = MintJobBuilder::new(self.directory, NAME, &config).with_threads(self.threads);
        Ok(job.build()?.verify()?.unwrap())
    }

    pub(super) fn tosses_kept(&self) -> u64 {
        let config = self.config();
        let job = MintJobBuilder::new(self.directory, NAME, &config).build().unwrap();
        job.tosses_kept().unwrap()
    }

    fn config(&self) -> MintConfig {
        config(&self.params, &self.key)
    }
}

/// The configuration of a mint with the walk that suits t.
pub(super) fn config(params: &Params, key: &InputKey) -> MintConfig {
    MintConfig {
        coinfile: NAME.to_string(),
        key: key.clone(),
        walk: WalkBits::for_fixed_count(params.raw().fixed_count),
        weak: true,
        params: params.clone(),
    }
}

pub(super) fn minted(params: &Params) -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    let bench = Bench { params: params.clone(), ..Bench::new(&directory) };
    assert!(matches!(bench.run().unwrap(), MintOutcome::Complete(_)));
    directory
}

pub(super) fn sized(u: u32, v: u32, k: u32, t: u32, b: u32, hash: HashName) -> Params {
    params_with(|raw| {
        resize(raw, u, v, k, t, hash);
        raw.input_bits = b;
    })
}

/// pi of the mint that [`config`] describes.
fn permutation(params: &Params) -> Permutation {
    Permutation::new(params, &key(), config(params, &key()).walk)
}

/// The stored balls of a complete coin file and their bins.
fn stored_balls(coin_file: &CoinFile) -> Vec<(Bin, u64)> {
    let superbins = 0..coin_file.params().superbin_count() as u32;
    let balls = |superbin| -> Vec<(Bin, u64)> {
        let found = coin_file.superbin(superbin).unwrap();
        let at = |(subbin, stored): (u32, Stored)| (Bin { superbin, subbin }, stored.x);
        found.balls().map(at).collect()
    };
    superbins.flat_map(balls).collect()
}

/// All inputs of the group of `x`, in the order of their tosses.
fn group_of(params: &Params, walk: WalkBits, x: u64) -> impl Iterator<Item = u64> {
    let mask = walk.mask(params.raw().hash);
    let next = move |walked: &u64| Some((walked | !mask).wrapping_add(1) & mask);
    std::iter::successors(Some(0), next)
        .take(walk.inputs_per_base())
        .map(move |walked| x & !mask | walked)
}
