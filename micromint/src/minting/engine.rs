//! The mint: from nothing, or from where an earlier run stopped, to a complete coin file.
//!
//! Tossing and placing take turns in batches of a few seconds. After each the file is synced, then its
//! header says how far it is; so a crash at any moment costs one batch, and the next run goes on from
//! the last. At the end the balls of each superbin are counted and the content checksum is taken.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::permutation::{GROUP_SIZE, InputKey};
use super::place::{PLACING_SIZE_PER_HIT, place};
use super::toss::{Hit, Limits, Tosser, toss_batch};
use crate::coin_file::{
    CoinFile, CoinFileError, MintingState, Phase, SUPERBIN_HEADER_SIZE, Stored, add_to_checksum, file_size,
    get_u64, put, superbin_size,
};
use crate::error::FileError;
use crate::host::{Directory, Lock, Open};
use crate::params::Params;

/// The least memory that minting can do with, in bytes.
pub const MEMORY_MIN: u64 = 16 << 20;
/// The most threads.
pub const THREADS_MAX: usize = 1024;

/// How long a batch of tosses takes at least.
const BATCH_TIME_MIN: Duration = Duration::from_secs(2);
/// How long a batch of tosses takes at most: a crash costs no more than this and the placing of it.
const BATCH_TIME_MAX: Duration = Duration::from_secs(8);
/// A batch takes this many times the time that placing the last one took, within these bounds, so that
/// most of the time goes into tossing.
const BATCH_TIMES_PLACING: u32 = 4;
/// How much is counted at once, in bytes.
const COUNTING_SIZE: u64 = 4 << 20;

/// A mint about to run: what to make, where, and with what.
pub struct Minting<'a> {
    /// Where the coin file is, or shall be.
    pub directory: &'a dyn Directory,
    /// Its name.
    pub name: &'a str,
    /// The period.
    pub params: &'a Params,
    /// The broker's secret.
    pub key: &'a InputKey,
    /// How many threads toss and place, 1 to [`THREADS_MAX`].
    pub threads: usize,
    /// About how much memory it may take, in bytes, at least [`MEMORY_MIN`].
    pub memory: u64,
    /// Set by someone else: minting stops at the next unit, places what it has and returns.
    pub stop: &'a AtomicBool,
    /// The time since any fixed moment; it never goes back.
    pub elapsed: &'a (dyn Fn() -> Duration + Sync),
    /// Told how far it is, often and from any thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Balls are tossed; the unit is a toss.
    Tossing,
    /// Balls are counted; the unit is a superbin.
    Counting,
    /// Balls are hashed again; the unit is a superbin.
    Verifying,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// How much of it is done, in all runs together.
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
}

/// How a run of the mint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file is complete now.
    Complete(MintingState),
    /// The file was complete before; nothing was done.
    AlreadyComplete(MintingState),
    /// It was told to stop; another run goes on from here.
    Stopped(MintingState),
}

/// Minting failed. What was placed before stays, and another run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The coin file cannot be used.
    #[error(transparent)]
    CoinFile(#[from] CoinFileError),
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// Someone else mints into it.
    #[error("{}: another process is using it", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file is for other parameters.
    #[error("{}: was begun with {key} {found}, not {expected}", path.display())]
    OtherParams {
        /// The file.
        path: PathBuf,
        /// The first key that differs.
        key: &'static str,
        /// Its value in the configuration.
        expected: String,
        /// Its value in the file.
        found: String,
    },
    /// The file is for another input key.
    #[error("{}: was begun with another input-key", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
    },
    /// The file does not fit.
    #[error("{}: needs {needed} bytes, free are {free}", path.display())]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Its size.
        needed: u64,
        /// The free space.
        free: u64,
    },
    /// A number of threads or an amount of memory that cannot be.
    #[error("{what}: expected at least {min} and at most {max}, found {found}")]
    Resource {
        /// Which.
        what: &'static str,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// What was asked for.
        found: u64,
    },
}

impl Minting<'_> {
    /// Makes the coin file, or goes on with it, until it is complete or told to stop. It holds the
    /// file's exclusive lock, so one run at a time.
    ///
    /// # Errors
    /// The file is in use, begun with other parameters, damaged, or does not fit; the operating
    /// system's. What was placed durably stays.
    pub fn run(&self) -> Result<Outcome, MintError> {
        self.check_resources()?;
        let coin_file = self.open_or_create()?;
        check_same(&coin_file, self.params, self.key)?;
        let mut state = coin_file.minting_state()?;
        if state.phase == Phase::Complete {
            // Only a crash at the very end leaves anything to do here.
            coin_file.set_complete(&state)?;
            return Ok(Outcome::AlreadyComplete(state));
        }
        if state.phase == Phase::Tossing && !self.toss_all(&coin_file, &mut state)? {
            return Ok(Outcome::Stopped(state));
        }
        if !self.count_all(&coin_file, &mut state)? {
            return Ok(Outcome::Stopped(state));
        }
        state.phase = Phase::Complete;
        coin_file.set_complete(&state)?;
        Ok(Outcome::Complete(state))
    }

    fn check_resources(&self) -> Result<(), MintError> {
        let threads = ("threads", self.threads as u64, 1, THREADS_MAX as u64);
        let memory = ("memory", self.memory, MEMORY_MIN, u64::MAX);
        for (what, found, min, max) in [threads, memory] {
            if !(min..=max).contains(&found) {
                return Err(MintError::Resource { what, min, max, found });
            }
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(self.name)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn exists(&self) -> Result<bool, MintError> {
        let names = self.directory.names().map_err(FileError::on("read", self.directory.path()))?;
        Ok(names.iter().any(|name| name == self.name))
    }

    /// The coin file, locked. A new one gets its name when its header is whole and durable.
    fn open_or_create(&self) -> Result<CoinFile, MintError> {
        if self.exists()? {
            return self.open_locked();
        }
        let temporary = format!(".{}.new", self.name);
        let new = self.directory.path().join(&temporary);
        let file = self.directory.open(&temporary, Open::Create).map_err(FileError::on("make", &new))?;
        if !file.try_lock(Lock::Exclusive).map_err(FileError::on("lock", &new))? {
            return Err(MintError::Busy { path: new });
        }
        if self.exists()? {
            // Another run was faster.
            drop(file);
            return self.open_locked();
        }
        self.check_space()?;
        let coin_file = CoinFile::create(file, self.path(), self.params, self.key.tag())?;
        coin_file.sync()?;
        self.directory
            .rename(&temporary, self.name)
            .and_then(|()| self.directory.sync())
            .map_err(FileError::on("make", self.path()))?;
        Ok(coin_file)
    }

    fn open_locked(&self) -> Result<CoinFile, MintError> {
        let coin_file = CoinFile::open_minting(self.directory, self.name)?;
        if coin_file.file().try_lock(Lock::Exclusive).map_err(FileError::on("lock", self.path()))? {
            return Ok(coin_file);
        }
        Err(MintError::Busy { path: self.path() })
    }

    fn check_space(&self) -> Result<(), MintError> {
        let directory = self.directory.path();
        let free = self.directory.free_space().map_err(FileError::on("read the free space of", directory))?;
        let needed = file_size(self.params);
        if needed > free {
            return Err(MintError::NoSpace { path: self.path(), needed, free });
        }
        Ok(())
    }

    /// Tosses all that is left: whether it came to the end.
    fn toss_all(&self, coin_file: &CoinFile, state: &mut MintingState) -> Result<bool, MintError> {
        let tosser = Tosser::new(self.params, self.key);
        let total = 1u64 << self.params.raw().input_bits;
        let hits_max = self.hits_max(&tosser);
        let mut batch_time = BATCH_TIME_MIN;
        while state.next_toss < total {
            if self.is_stopped() {
                return Ok(false);
            }
            let (start, done) = ((self.elapsed)(), state.next_toss);
            let go_on = |groups: u64| {
                let done = total.min(done + groups * GROUP_SIZE);
                (self.progress)(Progress { stage: Stage::Tossing, done, total });
                !self.is_stopped() && (self.elapsed)().saturating_sub(start) < batch_time
            };
            let limits = Limits { threads: self.threads, hits_max, go_on: &go_on };
            let batch = toss_batch(&tosser, state.next_toss / GROUP_SIZE, &limits);
            let placing = (self.elapsed)();
            place(coin_file, &batch.units, self.threads)?;
            state.next_toss = total.min(batch.end * GROUP_SIZE);
            // Makes the balls durable first, then the state, so that it is never ahead of them.
            coin_file.set_minting_state(state)?;
            coin_file.sync()?;
            let placing = (self.elapsed)().saturating_sub(placing);
            batch_time = (placing * BATCH_TIMES_PLACING).clamp(BATCH_TIME_MIN, BATCH_TIME_MAX);
        }
        Ok(true)
    }

    /// How many hits a batch may have: what fits in memory beside those of the units under way.
    fn hits_max(&self, tosser: &Tosser) -> u64 {
        let hits = self.memory / (size_of::<Hit>() as u64 + PLACING_SIZE_PER_HIT);
        let under_way = self.threads as u64 * tosser.unit_hits();
        hits.saturating_sub(under_way).max(1)
    }

    /// Counts the balls of the superbins that are not counted yet: whether it came to the end.
    fn count_all(&self, coin_file: &CoinFile, state: &mut MintingState) -> Result<bool, MintError> {
        state.phase = Phase::Counting;
        let size = superbin_size(self.params);
        let total = self.params.superbin_count();
        let mut bytes = Vec::new();
        let mut saved = (self.elapsed)();
        while state.counted_superbins < total {
            let first = state.counted_superbins;
            let count = (COUNTING_SIZE / size).max(1).min(total - first);
            bytes.resize((count * size) as usize, 0);
            coin_file.read_superbins(first, &mut bytes)?;
            state.ball_count += write_counts(&mut bytes, size as usize);
            coin_file.write_superbins(first, &bytes)?;
            state.checksum = add_to_checksum(state.checksum, &mut bytes, size as usize);
            state.counted_superbins += count;
            (self.progress)(Progress { stage: Stage::Counting, done: state.counted_superbins, total });
            let is_stopped = self.is_stopped() && state.counted_superbins < total;
            if is_stopped || (self.elapsed)().saturating_sub(saved) >= BATCH_TIME_MAX {
                coin_file.set_minting_state(state)?;
                coin_file.sync()?;
                saved = (self.elapsed)();
            }
            if is_stopped {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Writes the ball count into the header of each superbin in `bytes`: how many balls in all.
fn write_counts(bytes: &mut [u8], superbin_size: usize) -> u64 {
    let mut total = 0;
    for superbin in bytes.chunks_exact_mut(superbin_size) {
        let bins = superbin[SUPERBIN_HEADER_SIZE as usize..].chunks_exact(8);
        let count = bins.filter(|word| Stored::from_word(get_u64(word, 0)).exists()).count();
        put(superbin, 0, (count as u32).to_le_bytes());
        total += count as u64;
    }
    total
}

/// Checks that a file was begun with these parameters and this key.
pub(super) fn check_same(coin_file: &CoinFile, params: &Params, key: &InputKey) -> Result<(), MintError> {
    let path = || Path::to_path_buf(coin_file.path());
    let (expected, found) = (params.to_fields(), coin_file.params().to_fields());
    for ((key, expected), (_, found)) in expected.into_iter().zip(found) {
        if expected != found {
            return Err(MintError::OtherParams { path: path(), key, expected, found });
        }
    }
    if coin_file.key_tag() != key.tag() {
        return Err(MintError::OtherKey { path: path() });
    }
    Ok(())
}
