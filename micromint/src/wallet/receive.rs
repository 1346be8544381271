//! Receiving coins: all sets of a Funds-Withdrawn message enter the wallet, or none.
//!
//! Input: the message. Output: [`Received`]. Every ball is hashed first ([`super::genuine`]).
//! Hashing cannot tell who wrote the message: anyone can, in the name of any broker. The
//! invariants: the sets are written in pieces and synced, and count only with the record that
//! follows them; a message never keeps out another that has another User-Key or other parameters.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::journal::Locked;
use crate::protocol::{FundsWithdrawn, Url};
use crate::time::UnixTime;

use super::credit::is_of_origin;
use super::genuine::{self, EMPTY, GenuineSet, NotGenuine};
use super::record::{BINS_PER_RECORD_MAX, SuperbinPiece, WalletRecord};
use super::{APPEND_SIZE, Wallet, WalletError, WalletState, append, commit};

/// How much a message can always make the wallet grow, in bytes, however few balls it holds.
pub const SPARSE_SIZE_MAX: u64 = 1024 * 1024;
/// The most bins for each ball in a message that needs more than [`SPARSE_SIZE_MAX`]. The wallet
/// stores empty bins too, so this bounds its growth by the size of the message. A set with fewer
/// balls would have almost no coin: with two balls in a coin, one for 256 bins.
pub(crate) const BINS_PER_BALL_MAX: u64 = 16;

/// The result of receiving a Funds-Withdrawn message.
#[derive(Debug)]
pub enum Received {
    /// The sets are now in the wallet.
    New {
        /// The number of sets.
        sets: u32,
        /// The number of their coins: the balls in first superbins.
        coins: u32,
        /// Their holding, as an index of [`WalletState::holdings`]. If it has
        /// [rivals](WalletState::rivals), warn the owner.
        holding: usize,
    },
    /// The same message was received before.
    Already,
    /// The message is not accepted, and nothing was stored.
    Refused(NotReceived),
}

/// Why a Funds-Withdrawn message is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotReceived {
    /// Its sets are not genuine.
    #[error(transparent)]
    NotGenuine(#[from] NotGenuine),
    /// The web page that sent it is not of the broker that it names.
    #[error("it names the broker {broker}, but a page of {page} sent it")]
    OtherBroker {
        /// The broker in the message.
        broker: String,
        /// The scheme, host and port of the page.
        page: String,
    },
    /// The sale was received before, with other content.
    #[error("sale {0} was received before, with other sets")]
    OtherContent(u64),
    /// The wallet already has a set of it from another sale.
    #[error("the wallet already has the set of superbin {0}")]
    HeldAlready(u32),
    /// It has more sets than one message of the period can have.
    #[error("expected at most {max} sets of this period in one message, found {found}")]
    TooManySets {
        /// [`FundsWithdrawn::sets_max`].
        max: u32,
        /// The number of sets.
        found: usize,
    },
    /// It has so few balls that the wallet would grow out of proportion.
    #[error(
        "its {sets} sets would take {size} bytes in the wallet and hold only {balls} balls: \
        expected at most {SPARSE_SIZE_MAX} bytes, or a ball for every {BINS_PER_BALL_MAX} bins, \
        as brokers sell them"
    )]
    TooSparse {
        /// The number of sets.
        sets: usize,
        /// The size of their bins in the wallet, in bytes.
        size: u64,
        /// The number of balls.
        balls: u64,
    },
    /// It holds no sets.
    #[error("the message holds no sets")]
    Empty,
}

impl Wallet {
    /// Stores the sets of `funds`, a message of unknown origin, if every ball is genuine.
    ///
    /// # Errors
    /// The file cannot be written. Receive the message again then, and after a crash.
    pub fn receive(
        &mut self,
        funds: &FundsWithdrawn,
        now: UnixTime,
    ) -> Result<Received, WalletError> {
        self.receive_with(funds, false, now)
    }

    /// Stores the sets of `funds`, which this program fetched from the web page `page`, if every
    /// ball is genuine. The page must be one of the broker that the message names. If it was
    /// fetched over https or from this machine, the holding is confirmed, and its coins are spent
    /// before those of unknown origin.
    ///
    /// # Errors
    /// The file cannot be written. Receive the message again then, and after a crash.
    pub fn receive_from(
        &mut self,
        page: &Url,
        funds: &FundsWithdrawn,
        now: UnixTime,
    ) -> Result<Received, WalletError> {
        let broker = &funds.params.raw().broker;
        if !is_of_origin(broker, page) {
            let (broker, page) = (broker.clone(), page.origin().to_string());
            return Ok(Received::Refused(NotReceived::OtherBroker { broker, page }));
        }
        self.receive_with(funds, page.is_https() || page.host().is_loopback(), now)
    }

    fn receive_with(
        &mut self,
        funds: &FundsWithdrawn,
        is_confirmed: bool,
        now: UnixTime,
    ) -> Result<Received, WalletError> {
        // Before the check, which allocates every bin.
        if let Err(refused) = check_size(funds) {
            return Ok(Received::Refused(refused));
        }
        let sets = match genuine::check(funds) {
            Ok(sets) if sets.is_empty() => return Ok(Received::Refused(NotReceived::Empty)),
            Ok(sets) => sets,
            Err(fault) => return Ok(Received::Refused(fault.into())),
        };
        let digest: [u8; 32] = Sha256::digest(funds.to_bytes()).into();
        self.locked(|file| {
            let is_new = match file.state().is_received(funds, &sets, &digest) {
                Ok(is_received) => !is_received,
                Err(refused) => return Ok(Received::Refused(refused)),
            };
            if is_new {
                append_sets(file, funds, &sets, digest, now)?;
            }
            let Some(holding) = file.state().find_holding(funds) else {
                // Cannot happen: the sets have just been appended to it.
                return Ok(Received::Already);
            };
            if is_confirmed && !file.state().holdings[holding].is_confirmed {
                commit(file, &[WalletRecord::Confirmed { at: now, holding: holding as u32 }])?;
            }
            if !is_new {
                return Ok(Received::Already);
            }
            let coins =
                sets.iter().flat_map(|set| &set.superbins[0]).filter(|x| **x != EMPTY).count();
            Ok(Received::New { sets: sets.len() as u32, coins: coins as u32, holding })
        })
    }
}

/// Bounds the memory and disk space that a message needs by its own size.
fn check_size(funds: &FundsWithdrawn) -> Result<(), NotReceived> {
    let (sets, max) = (funds.sets.len(), FundsWithdrawn::sets_max(&funds.params));
    if sets > max as usize {
        return Err(NotReceived::TooManySets { max, found: sets });
    }
    let per_set = funds.params.coin_size() as u64 * u64::from(funds.params.subbin_count());
    let bins = per_set * sets as u64;
    let superbins = funds.sets.iter().flat_map(|set| &set.superbins);
    let balls: u64 = superbins.map(|superbin| superbin.len() as u64).sum();
    let size = bins * size_of::<u64>() as u64;
    if size > SPARSE_SIZE_MAX && bins > BINS_PER_BALL_MAX * balls {
        return Err(NotReceived::TooSparse { sets, size, balls });
    }
    Ok(())
}

fn append_sets(
    file: &mut Locked<'_, WalletState>,
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
    // Synced before the last record, which must not survive a crash without the pieces.
    commit(file, &records)?;
    commit(file, &[WalletRecord::Received { sets: sets.len() as u32, digest }])
}

impl WalletState {
    /// Whether `funds` was received before. The error says why it must not be received.
    fn is_received(
        &self,
        funds: &FundsWithdrawn,
        sets: &[GenuineSet],
        digest: &[u8; 32],
    ) -> Result<bool, NotReceived> {
        let Some(holding) = self.find_holding(funds) else {
            return Ok(false);
        };
        let earlier = self
            .withdrawals
            .iter()
            .find(|earlier| earlier.holding == holding && earlier.transaction == funds.transaction);
        match earlier {
            Some(earlier) if earlier.digest == *digest => return Ok(true),
            Some(_) => return Err(NotReceived::OtherContent(funds.transaction)),
            None => {}
        }
        let firsts: HashSet<u32> =
            self.sets.iter().filter(|set| set.holding == holding).map(|set| set.first).collect();
        match sets.iter().find(|set| firsts.contains(&set.first)) {
            Some(set) => Err(NotReceived::HeldAlready(set.first)),
            None => Ok(false),
        }
    }
}

/// The records that hold one set.
fn pieces(number: u32, set: &GenuineSet) -> impl Iterator<Item = SuperbinPiece> {
    (0..).zip(&set.superbins).flat_map(move |(place, superbin)| {
        superbin.chunks(BINS_PER_RECORD_MAX).zip(0..).map(move |(x, piece)| SuperbinPiece {
            set: number,
            place,
            first: set.first,
            subbin: piece * BINS_PER_RECORD_MAX as u32,
            x: x.to_vec(),
        })
    })
}
