use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::job::MEMORY_MIN;
use super::permutation::GROUP_SIZE;
use super::verify::FAULTS_MAX;
use super::*;
use crate::bin::Bin;
use crate::coin::CoinRules;
use crate::coin_file::{
    CoinFile, CoinFileError, MintingState, SUPERBIN_HEADER_SIZE, SaleState, Status, Stored,
    superbin_offset,
};
use crate::hash::HashName;
use crate::host::{Directory, File, Lock, Open, SimulatedDirectory, Survives};
use crate::identity::{UserVector, VendorVector};
use crate::params::Params;
use crate::testing::{params_with, resize, test_params};

pub(super) const NAME: &str = "2026-12.coins";

pub(super) fn key() -> InputKey {
    "000102030405060708090a0b0c0d0e0f".parse().unwrap()
}

/// A mint of the `test` profile unless changed, with a clock that advances at every reading.
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
        self.builder()
            .with_threads(self.threads)
            .with_memory(MEMORY_MIN)
            .with_stop(&stop)
            .with_clock(&elapsed)
            .with_progress(&progress)
            .build()?
            .mint()
    }

    pub(super) fn verify(&self) -> Result<Report, MintError> {
        Ok(self.builder().with_threads(self.threads).build()?.verify()?.unwrap())
    }

    pub(super) fn tosses_kept(&self) -> u64 {
        self.builder().build().unwrap().tosses_kept().unwrap()
    }

    fn builder(&self) -> MintJobBuilder<'_> {
        MintJobBuilder::new(self.directory, NAME, &self.params, &self.key)
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

/// The obvious mint: every toss in order; the first ball of a bin stays.
fn obvious(params: &Params) -> HashMap<Bin, u64> {
    let rules = CoinRules::new(params.clone());
    let permutation = Permutation::new(params.raw().hash, &key());
    let mut balls = HashMap::new();
    for i in 0..1u64 << params.raw().input_bits {
        let x = permutation.forward(i);
        if let Some(bin) = rules.bin(x) {
            balls.entry(bin).or_insert(x);
        }
    }
    balls
}

#[test]
fn the_file_holds_what_the_obvious_mint_holds() {
    for params in [
        test_params(),
        sized(6, 3, 2, 0, 13, HashName::Sha256),
        sized(7, 5, 3, 3, 15, HashName::Sha256),
        sized(6, 3, 2, 1, 7, HashName::Des),
    ] {
        let directory = minted(&params);
        let coin_file = CoinFile::open(&directory, NAME).unwrap();
        let balls = obvious(&params);
        assert_eq!(coin_file.minting_state().unwrap().ball_count, balls.len() as u64, "{params}");
        for superbin in 0..params.superbin_count() as u32 {
            let found = coin_file.superbin(superbin).unwrap();
            let expected: Vec<Option<u64>> = (0..params.subbin_count())
                .map(|subbin| balls.get(&Bin { superbin, subbin }).copied())
                .collect();
            let stored: Vec<Option<u64>> = (0..params.subbin_count())
                .map(|subbin| {
                    found.balls().find(|(at, _)| *at == subbin).map(|(_, stored)| stored.x)
                })
                .collect();
            assert_eq!(stored, expected, "{params}");
            assert_eq!(found.header.ball_count as usize, expected.iter().flatten().count());
            assert!(found.balls().all(|(_, stored)| stored.status == Status::EXISTS));
        }
    }
}

#[test]
fn threads_leave_no_trace() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    for threads in [2, 3, 70] {
        let directory = SimulatedDirectory::new();
        Bench { threads, ..Bench::new(&directory) }.run().unwrap();
        assert!(directory.bytes(NAME).unwrap() == expected, "{threads} threads");
    }
}

#[test]
fn stopping_anywhere_and_going_on_leaves_no_trace() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    for stop_at in 1..10 {
        let directory = SimulatedDirectory::new();
        let mut runs = 0;
        loop {
            let threads = 1 + runs % 3;
            // Several units per run, in one or more batches.
            let tick = Duration::from_millis([10, 700][runs % 2]);
            let run = Bench { stop_at: stop_at * 7, threads, tick, ..Bench::new(&directory) }
                .run()
                .unwrap();
            runs += 1;
            let MintOutcome::Stopped(state) = run else { break };
            assert_eq!(
                CoinFile::inspect(&directory, NAME).unwrap().minting_state().unwrap(),
                state
            );
            assert!(matches!(
                CoinFile::open(&directory, NAME),
                Err(CoinFileError::Incomplete { .. })
            ));
            assert!(runs < 100);
        }
        assert!(runs > 1, "it was never stopped");
        assert!(directory.bytes(NAME).unwrap() == expected, "stopped every {stop_at}");
    }
}

/// Crashes at every step of a whole mint, with every kind of loss, and continues.
#[test]
fn a_crash_at_any_step_loses_nothing() {
    let whole = SimulatedDirectory::new();
    let bench = |directory: &SimulatedDirectory, threads| {
        Bench { threads, tick: Duration::from_millis(120), ..Bench::new(directory) }.run()
    };
    bench(&whole, 1).unwrap();
    let (steps, expected) = (whole.steps(), whole.bytes(NAME).unwrap());
    assert!(steps > 20, "{steps} steps");
    for step in 0..steps {
        for survives in [Survives::Written, Survives::Synced, Survives::Some(5), Survives::Some(77)]
        {
            let directory = SimulatedDirectory::new();
            directory.crash_after(step);
            assert!(bench(&directory, 1).is_err());
            let after = directory.after_crash(survives);
            if after.names().unwrap().iter().any(|name| name == NAME) {
                CoinFile::inspect(&after, NAME).unwrap();
            }
            bench(&after, 2).unwrap();
            assert!(after.bytes(NAME).unwrap() == expected, "step {step} {survives:?}");
        }
    }
}

/// A stop keeps what was tossed; a crash loses only the batch in progress.
#[test]
fn what_a_batch_placed_is_not_tossed_again() {
    let directory = SimulatedDirectory::new();
    let run = Bench { stop_at: 20, ..Bench::new(&directory) }.run().unwrap();
    let MintOutcome::Stopped(MintingState { next_toss, .. }) = run else { panic!("{run:?}") };
    assert_eq!(next_toss, 20 * GROUP_SIZE);
}

#[test]
fn a_complete_file_is_never_minted_into_again() {
    let directory = minted(&test_params());
    let before = directory.bytes(NAME).unwrap();
    assert!(matches!(Bench::new(&directory).run().unwrap(), MintOutcome::AlreadyComplete(_)));
    assert!(directory.bytes(NAME).unwrap() == before);
}

#[test]
fn other_parameters_and_other_keys_are_refused() {
    let directory = minted(&test_params());
    let message = |bench: Bench<'_>| bench.run().unwrap_err().to_string();
    let params = params_with(|raw| raw.iv = 1);
    let other_iv = message(Bench { params, ..Bench::new(&directory) });
    let expected = "was begun with iv 0123456789abcdef, not 0000000000000001";
    assert!(other_iv.ends_with(expected), "{other_iv}");
    let key = InputKey::from_bytes([1; 16]);
    assert!(message(Bench { key, ..Bench::new(&directory) }).ends_with("another input-key"));
    for threads in [0, THREADS_MAX + 1] {
        assert!(
            message(Bench { threads, ..Bench::new(&directory) }).starts_with("threads: expected")
        );
    }
}

#[test]
fn two_mints_do_not_run_on_one_file() {
    let directory = SimulatedDirectory::new();
    Bench { stop_at: 1, ..Bench::new(&directory) }.run().unwrap();
    let file = directory.open(NAME, Open::Write).unwrap();
    file.lock(Lock::Shared).unwrap();
    assert!(matches!(Bench::new(&directory).run(), Err(MintError::Busy { .. })));
    drop(file);
    assert!(Bench::new(&directory).run().is_ok());

    // The same while another process makes the file.
    let directory = SimulatedDirectory::new();
    let file = directory.open(".2026-12.coins.new", Open::Create).unwrap();
    file.lock(Lock::Exclusive).unwrap();
    assert!(matches!(Bench::new(&directory).run(), Err(MintError::Busy { .. })));
}

/// Real DES, 2^12 bins at three loads: the fraction of filled bins is that of the plan within four
/// standard deviations.
#[test]
fn expected_and_actual_fill_agree() {
    for b in [15, 16, 17] {
        let params = sized(8, 4, 4, 4, b, HashName::Des);
        let directory = minted(&params);
        let found =
            CoinFile::open(&directory, NAME).unwrap().minting_state().unwrap().ball_count as f64;
        let plan = Plan::new(&params);
        let deviation = (plan.bin_count as f64 * plan.fill * (1.0 - plan.fill)).sqrt();
        let distance = (found - plan.stored_balls) / deviation;
        assert!(distance.abs() < 4.0, "b {b}: expected {}, found {found}", plan.stored_balls);
    }
}

#[test]
fn a_sound_file_is_verified_and_every_damage_is_found() {
    let sound = minted(&test_params());
    let bytes = sound.bytes(NAME).unwrap();
    let verify = |bytes: &[u8], threads| {
        let directory = SimulatedDirectory::new();
        directory.put(NAME, bytes);
        Bench { threads, ..Bench::new(&directory) }.verify()
    };
    let state = CoinFile::open(&sound, NAME).unwrap().minting_state().unwrap();
    let report = Report { ball_count: state.ball_count, fault_count: 0, faults: Vec::new() };
    for threads in [1, 2, 3, 64, 100] {
        assert_eq!(verify(&bytes, threads).unwrap(), report);
    }

    // Every superbin, another bit each: x, exists, ball count.
    let params = test_params();
    for superbin in 0..64 {
        let at = superbin_offset(&params, superbin) + SUPERBIN_HEADER_SIZE;
        for (offset, bit) in [(at + superbin % 16 * 8, superbin % 8), (at + 7, 4), (at - 64, 1)] {
            let mut damaged = bytes.clone();
            damaged[offset as usize] ^= 1 << bit;
            let report = verify(&damaged, 2).unwrap();
            assert!(report.fault_count > 0, "offset {offset}");
            assert!(report.faults.iter().any(|fault| fault.contains(&format!("{superbin}"))));
        }
    }
    let mut wiped = bytes.clone();
    wiped[4096..].fill(0xff);
    let report = verify(&wiped, 2).unwrap();
    assert!(report.fault_count > FAULTS_MAX as u64 && report.faults.len() == FAULTS_MAX);
}

#[test]
fn what_the_broker_marks_is_no_damage() {
    let directory = minted(&test_params());
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let (subbin, _) = coin_file.superbin(2).unwrap().balls().next().unwrap();
    coin_file
        .set_status(Bin { superbin: 2, subbin }, Status::REDEEMED | Status::COMPROMISED)
        .unwrap();
    let sale = crate::coin_file::Sale {
        user: "alice".parse().unwrap(),
        when: crate::time::UnixTime(1),
        transaction: 2,
    };
    coin_file.mark_sold(2, &sale).unwrap();
    let sale_state = SaleState { next_superbin: 4, ..coin_file.sale_state().unwrap() };
    coin_file.set_sale_state(&sale_state).unwrap();
    assert_eq!(Bench::new(&directory).verify().unwrap().fault_count, 0);
}

/// A ball that hashes into its bin but that this mint never tossed: a forger's.
#[test]
fn a_ball_that_was_never_tossed_is_a_fault() {
    let directory = minted(&test_params());
    let rules = CoinRules::new(test_params());
    let permutation = Permutation::new(HashName::Des, &key());
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let (x, bin) = (0..1 << 20)
        .filter_map(|x| rules.bin(x).map(|bin| (x, bin)))
        .find(|(x, bin)| {
            permutation.inverse(*x) >= 1 << 14 && coin_file.ball(*bin).unwrap().exists()
        })
        .unwrap();
    let at = crate::coin_file::bin_offset(&test_params(), bin);
    let word = Stored { x, status: Status::EXISTS }.word();
    directory.open(NAME, Open::Write).unwrap().write_at(&word.to_le_bytes(), at).unwrap();
    let report = Bench::new(&directory).verify().unwrap();
    assert!(report.faults[0].contains("was never tossed"), "{report:?}");
}

/// A disk with this many free bytes.
pub(super) struct FullDisk<'a> {
    pub(super) directory: &'a SimulatedDirectory,
    pub(super) left: Arc<AtomicI64>,
    pub(super) free: u64,
}

struct FullFile {
    file: Box<dyn File>,
    left: Arc<AtomicI64>,
}

impl Directory for FullDisk<'_> {
    fn path(&self) -> &Path {
        self.directory.path()
    }
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let file = self.directory.open(name, how)?;
        Ok(Box::new(FullFile { file, left: Arc::clone(&self.left) }))
    }
    fn names(&self) -> io::Result<Vec<String>> {
        self.directory.names()
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.directory.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.directory.rename(from, to)
    }
    fn sync(&self) -> io::Result<()> {
        self.directory.sync()
    }
    fn free_space(&self) -> io::Result<u64> {
        Ok(self.free)
    }
    fn is_on_network(&self) -> io::Result<bool> {
        Ok(false)
    }
}

impl File for FullFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(bytes, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let length = bytes.len() as i64;
        if self.left.fetch_sub(length, Ordering::Relaxed) < length {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(bytes, offset)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_size(size)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn links(&self) -> io::Result<u64> {
        self.file.links()
    }
    fn is_private(&self) -> io::Result<bool> {
        self.file.is_private()
    }
    fn lock(&self, how: Lock) -> io::Result<()> {
        self.file.lock(how)
    }
    fn try_lock(&self, how: Lock) -> io::Result<bool> {
        self.file.try_lock(how)
    }
    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    for left in [0, 5_000, 30_000, 60_000, 90_000] {
        let directory = SimulatedDirectory::new();
        let disk = FullDisk {
            directory: &directory,
            left: Arc::new(AtomicI64::new(left)),
            free: u64::MAX,
        };
        let error = Bench { threads: 2, ..Bench::new(&disk) }.run().unwrap_err();
        assert!(error.is_disk_full());
        let error = error.to_string();
        assert!(error.starts_with("cannot ") && error.contains("no storage space"), "{error}");
        Bench::new(&directory).run().unwrap();
        assert!(directory.bytes(NAME).unwrap() == expected, "{left} bytes left");
    }
}

#[test]
fn free_space_is_looked_at_before_a_file_is_begun() {
    let directory = SimulatedDirectory::new();
    let size = crate::coin_file::file_size(&test_params());
    let disk =
        |free| FullDisk { directory: &directory, left: Arc::new(AtomicI64::new(i64::MAX)), free };
    let error = Bench::new(&disk(size - 1)).run().unwrap_err().to_string();
    let (expected, found) = (format!("expected {size} free bytes"), format!("found {}", size - 1));
    assert!(error.contains(&expected) && error.ends_with(&found), "{error}");
    assert!(directory.names().unwrap().is_empty());
    Bench::new(&disk(size)).run().unwrap();
}

/// All coins in the file at `directory` for a user and a vendor in the set that begins at `first`,
/// k inputs each.
fn coins_in(
    directory: &SimulatedDirectory,
    user: &UserVector,
    vendor: &VendorVector,
    first: u32,
) -> Vec<Vec<u64>> {
    let coin_file = CoinFile::open(directory, NAME).unwrap();
    let superbins: Vec<HashMap<u32, u64>> = user
        .set(first)
        .into_iter()
        .map(|superbin| {
            coin_file
                .superbin(superbin)
                .unwrap()
                .balls()
                .map(|(at, stored)| (at, stored.x))
                .collect()
        })
        .collect();
    let subbins = 0..coin_file.params().subbin_count();
    subbins
        .filter_map(|subbin| {
            let places = superbins.iter().zip(vendor.subbins(subbin));
            places.map(|(superbin, subbin)| superbin.get(&subbin).copied()).collect()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever the sizes, the key and the number of threads: the file is sound, and its coins are
    /// coins by hashing alone.
    #[test]
    fn what_is_minted_verifies(
        (u, v, k, t, more) in (5..8u32, 3..6u32, 2..6u32, 0..4u32, 0..3u32),
        hash in prop::sample::select(&[HashName::Des, HashName::Sha256][..]),
        iv in any::<u64>(),
        key in any::<[u8; 16]>(),
        threads in 1..4usize,
        first in 0..16u32,
    ) {
        let params = params_with(|raw| {
            resize(raw, u, v, k, t, hash);
            raw.input_bits = u + v + t + more;
            raw.iv = iv;
        });
        let directory = SimulatedDirectory::new();
        let key = InputKey::from_bytes(key);
        let bench = Bench { params: params.clone(), key, threads, ..Bench::new(&directory) };
        prop_assert!(matches!(bench.run().unwrap(), MintOutcome::Complete(_)));
        let report = bench.verify().unwrap();
        prop_assert_eq!(report.fault_count, 0, "{:?}", report.faults);
        let (alice, news) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
        let user = UserVector::new(&params, &alice).unwrap();
        let vendor = VendorVector::new(&params, &news);
        let coins = coins_in(&directory, &user, &vendor, first * 2 % (1 << u));
        let first_bins = CoinRules::new(params).check(&user, &vendor, &coins.concat());
        prop_assert_eq!(first_bins.map(|bins| bins.len()), Ok(coins.len()));
    }
}
