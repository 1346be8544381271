//! The mint: makes a complete coin file, from nothing or from where an earlier run stopped.
//!
//! Input: a [`MintJob`]. Output: its coin file. Tossing and placing alternate in stretches of a few
//! seconds. After each stretch the file is synced, then its header records the progress. At the end
//! the mint counts the balls of each superbin and computes the content checksum. The invariant: the
//! header is never ahead of the balls, so a crash at any moment loses one stretch, and the next run
//! continues after the last one.

use std::time::Duration;

use super::error::MintError;
use super::job::{MintJob, MintStage};
use super::outcome::MintOutcome;
use super::place::{place, write_counts};
use super::sort::sort;
use super::spill;
use super::toss::{Limits, Tosser, toss_stretch};
use crate::coin_file::{CoinFile, MintingState, Phase, add_to_checksum, superbin_size};

/// The shortest time that a stretch of tosses takes.
const STRETCH_TIME_MIN: Duration = Duration::from_secs(2);
/// The longest time that a stretch of tosses takes: a crash loses this and the time to place it.
const STRETCH_TIME_MAX: Duration = Duration::from_secs(8);
/// A stretch takes this many times the time that placing the last one took, within these bounds, so
/// that most of the time goes into tossing.
const STRETCH_TIMES_PLACING: u32 = 4;
/// How much of the file is counted at once, in bytes.
const COUNTING_SIZE: u64 = 4 << 20;

impl MintJob<'_> {
    /// Makes the coin file, or continues with it, until it is complete or the job is stopped. It
    /// holds the file's exclusive lock, so that only one mint at a time works on the file.
    ///
    /// # Errors
    /// The file is in use, was begun with other parameters or another key, is damaged, or does not
    /// fit the disk; a file cannot be read or written. Durable results stay.
    pub fn mint(&self) -> Result<MintOutcome, MintError> {
        let coin_file = self.open_to_mint(spill::size(self)?)?;
        let mut state = coin_file.minting_state()?;
        if state.phase == Phase::Complete {
            // An earlier run crashed before it removed its files.
            coin_file.set_complete(&state)?;
            spill::remove(self)?;
            return Ok(MintOutcome::AlreadyComplete(state));
        }
        if state.next_toss == 0 && spill::is_better(self)? {
            return spill::run(self, coin_file);
        }
        if state.phase == Phase::Tossing && !self.toss_all(&coin_file, &mut state)? {
            return Ok(MintOutcome::Stopped(state));
        }
        if !self.count_all(&coin_file, &mut state)? {
            return Ok(MintOutcome::Stopped(state));
        }
        state.phase = Phase::Complete;
        coin_file.set_complete(&state)?;
        Ok(MintOutcome::Complete(state))
    }

    /// Makes the remaining tosses. Returns whether it reached the end.
    fn toss_all(&self, coin_file: &CoinFile, state: &mut MintingState) -> Result<bool, MintError> {
        let tosser = Tosser::new(self.params, self.key, self.walk);
        let total = 1u64 << self.params.raw().input_bits;
        let (group, hits_max) = (tosser.group_size(), tosser.hits_max(self.threads, self.memory));
        let (mut stretch_time, mut parts) = (STRETCH_TIME_MIN, vec![Vec::new(); self.threads]);
        while state.next_toss < total {
            if self.is_stopped() {
                return Ok(false);
            }
            let (start, done) = ((self.elapsed)(), state.next_toss);
            let go_on = |groups: u64| {
                let done = total.min(done + groups * group);
                self.report(MintStage::Tossing, done, total);
                !self.is_stopped() && (self.elapsed)().saturating_sub(start) < stretch_time
            };
            let limits = Limits { threads: self.threads, hits_max, filled: None, go_on: &go_on };
            let stretch =
                toss_stretch(&tosser, state.next_toss / group..tosser.group_count(), &limits);
            let placing = (self.elapsed)();
            state.next_toss = total.min(stretch.end * group);
            sort(self.params, &stretch, &mut parts);
            tosser.take_back(stretch);
            place(coin_file, &parts)?;
            // Makes the balls durable first, then the state, so that it is never ahead of them.
            coin_file.set_minting_state(state)?;
            coin_file.sync()?;
            let placing = (self.elapsed)().saturating_sub(placing);
            stretch_time =
                (placing * STRETCH_TIMES_PLACING).clamp(STRETCH_TIME_MIN, STRETCH_TIME_MAX);
        }
        Ok(true)
    }

    /// Counts the balls of the superbins that are not counted yet. Returns whether it reached the
    /// end.
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
            self.report(MintStage::Counting, state.counted_superbins, total);
            let is_stopped = self.is_stopped() && state.counted_superbins < total;
            if is_stopped || (self.elapsed)().saturating_sub(saved) >= STRETCH_TIME_MAX {
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
