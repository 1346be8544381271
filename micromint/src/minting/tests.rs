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
    CoinFile, CoinFileError, MintingState, SUPERBIN_HEADER_SIZE, SaleState, Status, Stored,
    superbin_offset,
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

/// The obvious mint: every toss in order; the first good ball of a group is kept, and the first one
/// kept for a bin stays.
fn obvious(params: &Params) -> HashMap<Bin, u64> {
    let rules = CoinRules::new(params.clone());
    let (permutation, mut last_group) = (permutation(params), None);
    let mut balls = HashMap::new();
    for i in 0..1u64 << params.raw().input_bits {
        let x = permutation.forward(i);
        let Some(bin) = rules.bin(x) else { continue };
        let group = i / permutation.group_size();
        if last_group.replace(group) != Some(group) {
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
        sized(7, 5, 3, 8, 20, HashName::Sha256),
        // Less than 256 tosses, and less than a group of 16.
        sized(6, 3, 2, 1, 7, HashName::Des),
        sized(6, 3, 2, 1, 3, HashName::Des),
        sized(6, 3, 2, 0, 1, HashName::Sha256),
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
            // Several units per run, in one or more stretches.
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

/// A stop keeps what was tossed; a crash loses only the stretch in progress.
#[test]
fn what_a_stretch_placed_is_not_tossed_again() {
    let directory = SimulatedDirectory::new();
    let run = Bench { stop_at: 20, ..Bench::new(&directory) }.run().unwrap();
    let MintOutcome::Stopped(MintingState { next_toss, .. }) = run else { panic!("{run:?}") };
    // A unit is 256 tosses.
    assert_eq!(next_toss, 20 * 256);
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
    assert!(
        message(Bench { key, ..Bench::new(&directory) }).ends_with("another input-key or walk")
    );
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
        let plan = MintPlan::new(&params, config(&params, &key()).walk);
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
    let permutation = permutation(&test_params());
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

/// Measured before the rule: of the siblings of stored balls with the right fixed bits half were
/// stored too, so that a buyer found balls of others.
#[test]
fn no_sibling_of_a_stored_ball_is_stored() {
    for params in [test_params(), sized(7, 5, 3, 8, 22, HashName::Sha256)] {
        let directory = minted(&params);
        let mut balls = stored_balls(&CoinFile::open(&directory, NAME).unwrap());
        let walk = config(&params, &key()).walk;
        let (rules, mut good_siblings) = (CoinRules::new(params.clone()), 0);
        balls.sort_unstable_by_key(|(_, x)| *x);
        for (_, x) in &balls {
            for sibling in group_of(&params, walk, *x).filter(|sibling| sibling != x) {
                good_siblings += u32::from(rules.bin(sibling).is_some());
                assert!(balls.binary_search_by_key(&sibling, |(_, x)| *x).is_err());
            }
        }
        assert!(good_siblings > 400, "{good_siblings} siblings could have been stored");
    }
}

/// The same for 10^5 siblings in a file of the profile `demo`, which takes minutes without
/// optimisation: `cargo test --release -p micromint --lib -- --ignored siblings_on_demo`.
#[test]
#[ignore = "mints the demo profile"]
fn no_siblings_on_demo() {
    let params = sized(15, 6, 4, 8, 31, HashName::Des);
    let folder = tempfile::tempdir().unwrap();
    let directory = DiskDirectory::new(folder.path());
    let config = config(&params, &key());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let job = MintJobBuilder::new(&directory, NAME, &config).with_threads(threads).build().unwrap();
    assert!(matches!(job.mint().unwrap(), MintOutcome::Complete(_)));
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let (rules, mut looked, mut good) = (CoinRules::new(params.clone()), 0, 0);
    for (_, x) in stored_balls(&coin_file) {
        for sibling in group_of(&params, config.walk, x).filter(|sibling| *sibling != x) {
            looked += 1;
            if let Some(bin) = rules.bin(sibling) {
                good += 1;
                assert_ne!(coin_file.ball(bin).unwrap().x, sibling);
            }
        }
        if looked >= 100_000 {
            break;
        }
    }
    assert!(good > 100, "{good} good siblings of {looked}");
    assert_eq!(job.verify().unwrap().unwrap().fault_count, 0);
}

/// Under one input key a second period with the same iv and fixed bits, in which the same balls are
/// good, stores others.
#[test]
fn one_input_key_in_two_periods_gives_unrelated_balls() {
    let balls = |period: &str| {
        let params = params_with(|raw| raw.period = period.parse().unwrap());
        let directory = minted(&params);
        let balls = stored_balls(&CoinFile::open(&directory, NAME).unwrap());
        balls.into_iter().map(|(_, x)| x).collect::<HashSet<u64>>()
    };
    let [first, second, again] = ["2026-12", "2027-01", "2026-12"].map(balls);
    // Of 2^16 tosses in 2^56 inputs, two periods share 2^-24 on average.
    assert!(first.len() > 900 && first.is_disjoint(&second) && first == again);
}

/// A ball that was tossed and is good, but after another good one of its group.
#[test]
fn a_ball_that_is_not_the_first_of_its_group_is_a_fault() {
    let params = test_params();
    let directory = minted(&params);
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let (rules, walk) = (CoinRules::new(params.clone()), config(&params, &key()).walk);
    let (x, bin) = stored_balls(&coin_file)
        .into_iter()
        .flat_map(|(_, x)| group_of(&params, walk, x).skip_while(move |other| *other != x).skip(1))
        .find_map(|x| Some((x, rules.bin(x)?)))
        .unwrap();
    let at = crate::coin_file::bin_offset(&params, bin);
    let word = Stored { x, status: Status::EXISTS }.word();
    directory.open(NAME, Open::Write).unwrap().write_at(&word.to_le_bytes(), at).unwrap();
    let report = Bench::new(&directory).verify().unwrap();
    let expected = format!("bin {bin}: the ball {x:x} is not the first of its group");
    assert!(report.faults.iter().any(|fault| fault.contains(&expected)), "{report:?}");
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
