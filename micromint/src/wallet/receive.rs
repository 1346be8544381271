//! Receiving: a Funds-Withdrawn message comes into the wallet whole or not at all.
//!
//! In goes the message, out comes [`Received`]. Every ball is hashed first ([`super::genuine`]).
//! The sets are written in pieces, made durable, and count only with the record after them.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::journal::Locked;
use crate::protocol::FundsWithdrawn;
use crate::time::UnixTime;

use super::genuine::{self, EMPTY, GenuineSet, NotGenuine};
use super::record::{BINS_PER_RECORD_MAX, Bins, WalletRecord};
use super::{APPEND_SIZE, State, Wallet, WalletError, append, commit};

/// What became of a Funds-Withdrawn message.
#[derive(Debug)]
pub enum Received {
    /// Its sets are in the wallet now.
    New {
        /// The sets.
        sets: u32,
        /// Their coins: balls in first superbins.
        coins: u32,
    },
    /// They were in the wallet already, with this very message.
    Already,
    /// The message is not believed; nothing was kept.
    Refused(NotReceived),
}

/// Why a Funds-Withdrawn message is not taken into the wallet.
#[derive(Debug, thiserror::Error)]
pub enum NotReceived {
    /// Its coins are not genuine.
    #[error(transparent)]
    NotGenuine(#[from] NotGenuine),
    /// Its parameters are not those of the coins held of that period.
    #[error("the parameters of period {0} are not those of the coins that the wallet has of it")]
    OtherParams(String),
    /// Its User-Key is not the one held.
    #[error("the User-Key is not the one that the wallet has for this user in period {0}")]
    OtherKey(String),
    /// The sale came in before with other content.
    #[error("sale {0} came in before with other sets")]
    OtherContent(u64),
    /// A set is in the wallet already from another sale.
    #[error("the set of superbin {0} is in the wallet already")]
    HeldAlready(u32),
    /// It holds no sets.
    #[error("the message holds no sets")]
    Empty,
}

impl Wallet {
    /// Takes the sets of `funds` in, if every ball is genuine.
    ///
    /// # Errors
    /// The file cannot be written. After a crash the message is received again.
    pub fn receive(
        &mut self,
        funds: &FundsWithdrawn,
        now: UnixTime,
    ) -> Result<Received, WalletError> {
        let sets = match genuine::check(funds) {
            Ok(sets) if sets.is_empty() => return Ok(Received::Refused(NotReceived::Empty)),
            Ok(sets) => sets,
            Err(fault) => return Ok(Received::Refused(fault.into())),
        };
        let digest: [u8; 32] = Sha256::digest(funds.to_bytes()).into();
        self.locked(|file| {
            match file.state().is_received(funds, &sets, &digest) {
                Ok(true) => return Ok(Received::Already),
                Ok(false) => {}
                Err(refused) => return Ok(Received::Refused(refused)),
            }
            append_sets(file, funds, &sets, digest, now)?;
            let coins =
                sets.iter().flat_map(|set| &set.superbins[0]).filter(|x| **x != EMPTY).count();
            Ok(Received::New { sets: sets.len() as u32, coins: coins as u32 })
        })
    }
}

fn append_sets(
    file: &mut Locked<'_, State>,
    funds: &FundsWithdrawn,
    sets: &[GenuineSet],
    digest: [u8; 32],
    now: UnixTime,
) -> Result<(), WalletError> {
    let head = FundsWithdrawn { sets: Vec::new(), ..funds.clone() };
    let mut records = vec![WalletRecord::Receive { at: now, head: head.to_bytes() }];
    let mut size = 0;
    for (number, set) in (0..).zip(sets) {
        for bins in pieces(number, set) {
            size += bins.x.len() * 8;
            records.push(WalletRecord::Bins(bins));
            if size >= APPEND_SIZE {
                append(file, &std::mem::take(&mut records))?;
                size = 0;
            }
        }
    }
    // The pieces must not be lost under a last record that survives.
    commit(file, &records)?;
    commit(file, &[WalletRecord::Received { sets: sets.len() as u32, digest }])
}

impl State {
    /// Whether `funds` came in before; or why it may not come in.
    fn is_received(
        &self,
        funds: &FundsWithdrawn,
        sets: &[GenuineSet],
        digest: &[u8; 32],
    ) -> Result<bool, NotReceived> {
        let Some(holding) = self.find_holding(funds) else {
            return Ok(false);
        };
        let held = &self.holdings[holding];
        let earlier = self
            .withdrawals
            .iter()
            .find(|earlier| earlier.holding == holding && earlier.transaction == funds.transaction);
        match earlier {
            Some(earlier) if earlier.digest == *digest => return Ok(true),
            Some(_) => return Err(NotReceived::OtherContent(funds.transaction)),
            None => {}
        }
        let period = funds.period().to_string();
        if held.params != funds.params {
            return Err(NotReceived::OtherParams(period));
        }
        if held.user_key != funds.user_key {
            return Err(NotReceived::OtherKey(period));
        }
        let firsts: HashSet<u32> =
            self.sets.iter().filter(|set| set.holding == holding).map(|set| set.first).collect();
        match sets.iter().find(|set| firsts.contains(&set.first)) {
            Some(set) => Err(NotReceived::HeldAlready(set.first)),
            None => Ok(false),
        }
    }
}

/// The pieces in which a set is written.
fn pieces(number: u32, set: &GenuineSet) -> impl Iterator<Item = Bins> {
    (0..).zip(&set.superbins).flat_map(move |(place, superbin)| {
        superbin.chunks(BINS_PER_RECORD_MAX).zip(0..).map(move |(x, piece)| Bins {
            set: number,
            place,
            first: set.first,
            subbin: piece * BINS_PER_RECORD_MAX as u32,
            x: x.to_vec(),
        })
    })
}
