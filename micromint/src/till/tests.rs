//! Tests of the whole till, on files in memory and on disk.

mod crash;
mod damage;
mod days;
mod groups;
mod memory;
mod model;
mod sharing;
mod spending;
mod syncing;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use sha2::{Digest, Sha256};

use super::nonblocking::{GROUP_MAX, GROUP_SIZE_MAX, TRY_SPEND_COINS_MAX};
use super::table::KNOWN_SECONDS;
use super::*;
use crate::authenticator::{Authenticator, OwnerToken};
use crate::host::{Reads, SimulatedDirectory, Survives, SystemEntropy};
use crate::identity::UserId;
use crate::protocol::Payment;

/// A clock that a test sets.
#[derive(Clone)]
pub(crate) struct HandClock(Arc<AtomicI64>);

impl HandClock {
    pub(crate) fn at(time: &str) -> HandClock {
        HandClock(Arc::new(AtomicI64::new(time.parse::<UnixTime>().unwrap().0)))
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::Relaxed))
    }
}

pub(super) fn noon() -> HandClock {
    HandClock::at("2026-12-01T12:00:00Z")
}

pub(super) fn open_with(
    directory: &SimulatedDirectory,
    sync: SyncMode,
    clock: &HandClock,
) -> Result<Till, TillError> {
    Till::open(Box::new(directory.clone()), sync, Arc::new(clock.clone()), Arc::new(SystemEntropy))
}

pub(super) fn open(directory: &SimulatedDirectory, clock: &HandClock) -> Till {
    open_with(directory, SyncMode::Always, clock).unwrap()
}

/// A payment by alice with the coins of these superbins.
pub(super) struct Pay {
    pub(super) period: Period,
    user: UserId,
    pub(super) bins: Vec<Bin>,
    fingerprint: [u8; 32],
    cap: Option<u32>,
    message: Vec<u8>,
}

pub(super) fn pay(superbins: &[u32]) -> Pay {
    let bins = superbins.iter().map(|superbin| Bin { superbin: superbin * 2, subbin: 3 }).collect();
    let (period, user) = ("2026-12".parse().unwrap(), "alice".parse().unwrap());
    Pay { period, user, bins, fingerprint: [1; 32], cap: None, message: b"payment".to_vec() }
}

impl Pay {
    pub(super) fn into_another(mut self, number: u8) -> Pay {
        self.fingerprint = [number; 32];
        self
    }

    pub(super) fn by(mut self, user: &str) -> Pay {
        self.user = user.parse().unwrap();
        self
    }

    pub(super) fn of(mut self, period: &str) -> Pay {
        self.period = period.parse().unwrap();
        self
    }

    pub(super) fn capped(mut self, cap: u32) -> Pay {
        self.cap = Some(cap);
        self
    }

    /// Records the payment as a server does: without blocking if possible, which it never is with
    /// `Always`.
    pub(super) fn spend(&self, till: &Till) -> Result<Spent, TillError> {
        self.try_spend(till).map_or_else(|| till.spend(&self.as_spend()), Ok)
    }

    fn try_spend(&self, till: &Till) -> Option<Spent> {
        till.try_spend(&self.as_spend())
    }

    pub(super) fn would(&self, till: &Till) -> Result<Option<Spent>, TillError> {
        till.would(&self.as_spend())
    }

    fn as_spend(&self) -> Spend<'_> {
        Spend::new(&self.period, &self.user, &self.bins, &self.message, self.fingerprint)
            .with_receipt_seconds(3600)
            .with_keep_until("2027-01-08T00:00:00Z".parse().unwrap())
            .with_cap(self.cap)
    }
}

pub(super) fn id_of(spent: Spent) -> PaymentId {
    match spent {
        Spent::Recorded(id) => id,
        other => panic!("expected a recorded payment, found {other:?}"),
    }
}
