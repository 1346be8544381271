//! Verifying a coin file: every ball is hashed again.
//!
//! Input: a coin file. Output: a [`Report`] whether it is what a mint with this key writes, as far
//! as the file alone can show: every ball is in its bin, was tossed and is the first good one of
//! its group; the counts and the checksum are right; and a bin without a ball is empty. The
//! invariant: the file is read in pieces under its shared lock, so that the broker can sell from it
//! at the same time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::MintError;
use super::job::{MintJob, MintStage};
use super::permutation::Permutation;
use super::toss::{Searcher, Tosser};
use crate::bin::Bin;
use crate::coin_file::{
    CoinFile, SUPERBIN_HEADER_SIZE, Status, Stored, add_to_checksum, superbin_size,
};
use crate::error::FileError;
use crate::hash::HashFunction;
use crate::host::{Lock, LockGuard};
use crate::params::Params;
use crate::threads::on_threads;

/// The most faults that a report lists.
pub(super) const FAULTS_MAX: usize = 20;
/// The most bytes in one read.
const READING_SIZE: u64 = 256 << 10;

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The number of balls that were hashed.
    pub ball_count: u64,
    /// The number of faults; 0 for a sound file.
    pub fault_count: u64,
    /// The first 20 of them in words, about in the order of the file.
    pub faults: Vec<String>,
}

/// The result of one thread for its part of the file.
#[derive(Default)]
struct Part {
    ball_count: u64,
    checksum: u32,
    /// The bytes that the checksum covers.
    length: usize,
    fault_count: u64,
    faults: Vec<String>,
}

impl Part {
    fn fault(&mut self, fault: impl FnOnce() -> String) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault());
        }
    }

    /// Adds the part that follows in the file.
    fn append(&mut self, next: Part) {
        self.ball_count += next.ball_count;
        self.checksum = crc32c::crc32c_combine(self.checksum, next.checksum, next.length);
        self.length += next.length;
        self.fault_count += next.fault_count;
        self.faults.extend(next.faults);
        self.faults.truncate(FAULTS_MAX);
    }
}

impl MintJob<'_> {
    /// Hashes every ball of the complete coin file again; `None` if the job was stopped.
    ///
    /// # Errors
    /// The file cannot be read, is not complete, or is of other parameters or another key. Faults
    /// in the file are not errors: the report lists them.
    pub fn verify(&self) -> Result<Option<Report>, MintError> {
        let coin_file = CoinFile::open_read(self.directory, self.name)?;
        self.check_coin_file(&coin_file)?;
        let state = coin_file.minting_state()?;
        let total = self.params.superbin_count();
        let threads = (self.threads as u64).clamp(1, total);
        let done = AtomicU64::new(0);
        let parts = on_threads(0..threads, threads as usize, |part| {
            self.verify_part(part * total / threads..(part + 1) * total / threads, &done)
        });
        let mut whole = Part::default();
        for part in parts {
            whole.append(part?);
        }
        if self.is_stopped() {
            return Ok(None);
        }
        let (balls, checksum) = (whole.ball_count, whole.checksum);
        if balls != state.ball_count {
            whole.fault(|| {
                format!("the file header: expected {} balls, found {balls}", state.ball_count)
            });
        }
        if checksum != state.checksum {
            let expected = state.checksum;
            whole.fault(|| {
                format!("the content checksum: expected {expected:08x}, found {checksum:08x}")
            });
        }
        Ok(Some(Report { ball_count: balls, fault_count: whole.fault_count, faults: whole.faults }))
    }

    fn verify_part(&self, superbins: Range<u64>, done: &AtomicU64) -> Result<Part, MintError> {
        // A handle of its own, because a lock belongs to a handle.
        let coin_file = CoinFile::open_read(self.directory, self.name)?;
        let tosser = Tosser::new(self.params, self.key, self.walk);
        let mut hasher = Hasher {
            params: self.params,
            hash: self.params.hash_function(),
            permutation: Permutation::new(self.params, self.key, self.walk),
            searcher: tosser.searcher(),
            tosser,
        };
        let size = superbin_size(self.params);
        let step = (READING_SIZE / size).max(1);
        let (mut part, mut bytes, mut balls) = (Part::default(), Vec::new(), Vec::new());
        for first in superbins.clone().step_by(step as usize) {
            if self.is_stopped() {
                break;
            }
            let count = step.min(superbins.end - first);
            bytes.resize((count * size) as usize, 0);
            {
                let _lock = LockGuard::new(coin_file.file(), Lock::Shared)
                    .map_err(FileError::on("lock", coin_file.path()))?;
                coin_file.read_superbins(first, &mut bytes)?;
            }
            for (index, superbin) in (first..).zip(bytes.chunks_exact(size as usize)) {
                hasher.check_superbin(index as u32, superbin, &mut balls, &mut part);
            }
            hasher.check_balls(&balls, &mut part);
            part.ball_count += balls.len() as u64;
            balls.clear();
            part.checksum = add_to_checksum(part.checksum, &mut bytes, size as usize);
            // Of each header, the checksum covers only the ball count.
            part.length += bytes.len() - (count * (SUPERBIN_HEADER_SIZE - 4)) as usize;
            let done = done.fetch_add(count, Ordering::Relaxed) + count;
            let total = self.params.superbin_count();
            self.report(MintStage::Verifying, done, total);
        }
        Ok(part)
    }
}

struct Hasher<'a> {
    params: &'a Params,
    hash: Box<dyn HashFunction>,
    permutation: Permutation,
    tosser: Tosser,
    searcher: Searcher,
}

impl Hasher<'_> {
    /// Checks the header and the empty bins of a superbin, and appends its balls to `balls`.
    fn check_superbin(
        &self,
        index: u32,
        superbin: &[u8],
        balls: &mut Vec<(Bin, u64)>,
        part: &mut Part,
    ) {
        let header = CoinFile::parse_superbin_header(superbin, self.params);
        let stored: Vec<(Bin, Stored)> = superbin[SUPERBIN_HEADER_SIZE as usize..]
            .chunks_exact(8)
            .zip(0..)
            .map(|(word, subbin)| (Bin { superbin: index, subbin }, Stored::read(word, 0)))
            .collect();
        let before = balls.len();
        balls.extend(
            stored
                .iter()
                .filter(|(_, stored)| stored.exists())
                .map(|(bin, stored)| (*bin, stored.x)),
        );
        let found = balls.len() - before;
        match header {
            Err(found) => part.fault(|| format!("the header of superbin {index}: {found}")),
            Ok(header) if header.ball_count as usize != found => part.fault(|| {
                let expected = header.ball_count;
                format!("superbin {index}: its header counts {expected} balls, found {found}")
            }),
            Ok(_) => {}
        }
        for (bin, stored) in stored {
            if !stored.exists() && (stored.x != 0 || stored.status != Status::NONE) {
                part.fault(|| format!("bin {bin}: holds no ball but {:016x}", stored.word()));
            }
        }
    }

    /// Hashes some balls and those before them in their groups.
    fn check_balls(&mut self, balls: &[(Bin, u64)], part: &mut Part) {
        let inputs: Vec<u64> = balls.iter().map(|(_, x)| *x).collect();
        let mut outputs = vec![0; inputs.len()];
        self.hash.hash_many(&inputs, &mut outputs);
        let mut tosses = inputs.clone();
        self.permutation.inverse_many(&mut tosses);
        let firsts = self.tosser.first_balls(&mut self.searcher, &inputs);
        let hashed = outputs.into_iter().zip(tosses).zip(firsts);
        for ((bin, x), ((output, toss), first)) in balls.iter().zip(hashed) {
            if *x >= self.params.input_end() {
                part.fault(|| format!("bin {bin}: the input {x:x} is out of range"));
            } else if self.params.bin_of(output) != Some(*bin) {
                part.fault(|| format!("bin {bin}: the ball {x:x} does not belong there"));
            } else if toss >> self.params.raw().input_bits != 0 {
                part.fault(|| format!("bin {bin}: the ball {x:x} was never tossed"));
            } else if let Some(first) = first.filter(|first| first != x) {
                part.fault(|| {
                    format!("bin {bin}: the ball {x:x} is not the first of its group, {first:x} is")
                });
            }
        }
    }
}
