//! The job of a mint: which coin file to make, of which period and key, and with which resources.
//!
//! Input: the path of the coin file, the period's parameters and the broker's input key; the rest
//! has defaults. Output: a [`MintJob`], whose methods make the coin file ([`MintJob::mint`]), make
//! the run file of a shard ([`MintJob::toss_shard`]), merge run files ([`MintJob::merge`]) and
//! verify the coin file ([`MintJob::verify`]). The invariant: the numbers of threads and amounts of
//! memory of a `MintJob` are valid, so no method checks them again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::config::MintConfig;
use super::error::MintError;
use super::permutation::{InputKey, PermutationKey};
use crate::coin_file::CoinFile;
use crate::hash::bulk::WalkBits;
use crate::host::Directory;
use crate::params::Params;

/// The least memory of a job, in bytes: 16 MiB.
pub(super) const MEMORY_MIN: u64 = 16 << 20;
/// The default memory of a job, in bytes: 512 MiB.
const MEMORY_DEFAULT: u64 = 512 << 20;
/// The most threads of a job.
pub const THREADS_MAX: usize = 1024;

/// The stop flag of a job that has none of its own.
static NEVER_STOP: AtomicBool = AtomicBool::new(false);

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MintStage {
    /// It tosses balls; the unit is a toss.
    Tossing,
    /// It counts the balls of each superbin; the unit is a superbin.
    Counting,
    /// It sorts the hits of a shard by bin; the unit is a hit.
    Sorting,
    /// It merges run files into a coin file; the unit is a superbin.
    Merging,
    /// It hashes balls again; the unit is a superbin.
    Verifying,
}

/// The progress of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What the job is doing.
    pub stage: MintStage,
    /// How much of this stage is done, earlier runs included, in the unit of the stage.
    pub done: u64,
    /// How much this stage has to do, in the same unit.
    pub total: u64,
}

/// Everything a mint needs to know, checked. Made by [`MintJobBuilder`].
///
/// ```
/// use micromint::host::DiskDirectory;
/// use micromint::minting::{MintJobBuilder, MintOutcome, NewPeriod, Profile};
/// # use micromint::host::SystemEntropy;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "https://broker.example/";
/// let new = NewPeriod::new(Profile::Test, "2026-12".parse()?, url, "0.01 USD".parse()?);
/// let config = NewPeriod { weak: true, ..new }.draw(&SystemEntropy)?;
///
/// let folder = tempfile::tempdir()?;
/// let directory = DiskDirectory::new(folder.path());
/// let job =
///     MintJobBuilder::new(&directory, &config.coinfile, &config).with_threads(2).build()?;
/// let MintOutcome::Complete(state) = job.mint()? else { panic!("nobody stops this mint") };
/// assert!(state.ball_count > 900, "1024 bins, 4 balls kept for each");
///
/// let report = job.verify()?.expect("nobody stops this verification");
/// assert_eq!((report.ball_count, report.fault_count), (state.ball_count, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct MintJob<'a> {
    pub(super) directory: &'a dyn Directory,
    pub(super) name: &'a str,
    pub(super) params: &'a Params,
    pub(super) key: &'a InputKey,
    pub(super) walk: WalkBits,
    pub(super) threads: usize,
    pub(super) memory: u64,
    pub(super) stop: &'a AtomicBool,
    pub(super) elapsed: &'a (dyn Fn() -> Duration + Sync),
    pub(super) progress: &'a (dyn Fn(Progress) + Sync),
}

/// Builds a [`MintJob`].
#[derive(Clone, Copy)]
#[must_use]
pub struct MintJobBuilder<'a>(MintJob<'a>);

impl<'a> MintJobBuilder<'a> {
    /// A job for the coin file `name` in `directory`, which need not exist yet, of the period that
    /// `config` describes. The path of the coin file in `config` is not used.
    pub fn new(
        directory: &'a dyn Directory,
        name: &'a str,
        config: &'a MintConfig,
    ) -> MintJobBuilder<'a> {
        let MintConfig { params, key, walk, .. } = config;
        MintJobBuilder(MintJob {
            directory,
            name,
            params,
            key,
            walk: *walk,
            threads: 1,
            memory: MEMORY_DEFAULT,
            stop: &NEVER_STOP,
            elapsed: &|| Duration::ZERO,
            progress: &|_| {},
        })
    }

    /// The number of threads that toss, place and verify, 1 to [`THREADS_MAX`]. Default: 1.
    pub fn with_threads(self, threads: usize) -> Self {
        MintJobBuilder(MintJob { threads, ..self.0 })
    }

    /// The approximate memory that the job may take, in bytes, at least 16 MiB. A merge
    /// takes at least 8 MiB and 64 KiB more for each run file. Default: 512 MiB.
    pub fn with_memory(self, memory: u64) -> Self {
        MintJobBuilder(MintJob { memory, ..self.0 })
    }

    /// A flag that another thread sets to stop the job. The job then keeps its results, and another
    /// run continues from there. Default: a flag that is never set.
    pub fn with_stop(self, stop: &'a AtomicBool) -> Self {
        MintJobBuilder(MintJob { stop, ..self.0 })
    }

    /// A clock: the time since any fixed moment, which never decreases. It limits how long the job
    /// works before it makes its results durable, that is, how much work a crash loses. Default: a
    /// clock that stands still, with which a job saves its results only when its memory is full.
    pub fn with_clock(self, elapsed: &'a (dyn Fn() -> Duration + Sync)) -> Self {
        MintJobBuilder(MintJob { elapsed, ..self.0 })
    }

    /// A function to which the job reports its progress, often and from any of its threads.
    /// Default: one that does nothing.
    pub fn with_progress(self, progress: &'a (dyn Fn(Progress) + Sync)) -> Self {
        MintJobBuilder(MintJob { progress, ..self.0 })
    }

    /// Builds the job.
    ///
    /// # Errors
    /// [`MintError::Resource`] if the number of threads or the amount of memory is out of range.
    pub fn build(self) -> Result<MintJob<'a>, MintError> {
        let threads = ("threads", self.0.threads as u64, 1, THREADS_MAX as u64);
        let memory = ("memory", self.0.memory, MEMORY_MIN, u64::MAX);
        for (what, found, min, max) in [threads, memory] {
            if !(min..=max).contains(&found) {
                return Err(MintError::Resource { what, min, max, found });
            }
        }
        Ok(self.0)
    }
}

impl MintJob<'_> {
    /// The path of the coin file.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(self.name)
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Whether the stop flag is set.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Reports progress.
    pub(super) fn report(&self, stage: MintStage, done: u64, total: u64) {
        (self.progress)(Progress { stage, done, total });
    }

    /// The tag that its coin file and run files hold.
    pub(super) fn key_tag(&self) -> [u8; 16] {
        PermutationKey::derive(self.params, self.key, self.walk).tag()
    }

    /// Checks that a coin file was begun with the parameters and the key of this job.
    pub(super) fn check_coin_file(&self, coin_file: &CoinFile) -> Result<(), MintError> {
        self.check_period(coin_file.params(), coin_file.key_tag(), coin_file.path())
    }

    /// Checks that the parameters and the key tag in the file at `path` are those of this job.
    pub(super) fn check_period(
        &self,
        params: &Params,
        key_tag: [u8; 16],
        path: &Path,
    ) -> Result<(), MintError> {
        let (expected, found) = (self.params.to_fields(), params.to_fields());
        for ((key, expected), (_, found)) in expected.into_iter().zip(found) {
            if expected != found {
                let path = path.to_path_buf();
                return Err(MintError::OtherParams { path, key, expected, found });
            }
        }
        if key_tag != self.key_tag() {
            return Err(MintError::OtherKey { path: path.to_path_buf() });
        }
        Ok(())
    }
}
