//! Tests of the whole till, on files in memory and on disk.

mod damage;
mod groups;
mod model;

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

#[test]
fn would_records_nothing() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open(&directory, &clock);
    id_of(pay(&[1]).spend(&till).unwrap());
    let journal = || directory.bytes("till-2026-12-01.journal").unwrap();
    let before = journal();
    assert_eq!(pay(&[2]).would(&till).unwrap(), None);
    assert_eq!(pay(&[2]).capped(1).would(&till).unwrap(), Some(Spent::CapReached));
    assert_eq!(pay(&[1]).would(&till).unwrap(), Some(Spent::Retry { recorded_at: clock.now() }));
    assert_eq!(pay(&[2, 1]).into_another(9).would(&till).unwrap(), Some(Spent::AlreadySpent));
    clock.pass(86_400);
    assert_eq!(pay(&[2]).capped(1).would(&till).unwrap(), None, "the cap is for one day");
    assert_eq!(journal(), before);
    assert_eq!(
        directory.names().unwrap().iter().filter(|name| name.ends_with(".journal")).count(),
        1
    );
    assert!(matches!(pay(&[]).would(&till), Err(TillError::Spend { .. })));
}

#[test]
fn a_coin_is_spent_once_and_the_same_payment_is_a_retry() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open(&directory, &clock);
    id_of(pay(&[1, 2]).spend(&till).unwrap());
    let recorded_at = clock.now();
    clock.pass(3600);
    assert_eq!(pay(&[1, 2]).spend(&till).unwrap(), Spent::Retry { recorded_at });
    assert_eq!(
        till.find_retry(&pay(&[1]).period, pay(&[1]).bins[0], &[1; 32], 3600).unwrap(),
        Some(recorded_at)
    );
    assert_eq!(
        till.find_retry(&pay(&[1]).period, pay(&[1]).bins[0], &[2; 32], 3600).unwrap(),
        None
    );
    assert_eq!(
        till.find_retry(&"other".parse().unwrap(), pay(&[1]).bins[0], &[1; 32], 3600).unwrap(),
        None
    );
    assert_eq!(pay(&[2]).into_another(2).spend(&till).unwrap(), Spent::AlreadySpent);
    assert_eq!(pay(&[3, 2]).into_another(2).spend(&till).unwrap(), Spent::AlreadySpent);
    id_of(pay(&[3]).into_another(2).spend(&till).unwrap());
    id_of(pay(&[1, 2]).of("2027-01").spend(&till).unwrap());
    clock.pass(1);
    assert_eq!(pay(&[1, 2]).spend(&till).unwrap(), Spent::AlreadySpent);
    let expected = TillTotals {
        payments: 3,
        coins: 5,
        retries: 2,
        reversals: 0,
        over_cap: 0,
        already_spent: 3,
    };
    assert_eq!(till.totals(), expected);
}

#[test]
fn try_spend_records_only_what_needs_no_waiting() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open_with(&directory, SyncMode::Os, &clock).unwrap();
    let try_spend = |payment: &Pay| payment.try_spend(&till).map(id_of);
    assert_eq!(
        try_spend(&pay(&[1])),
        None,
        "the first payment of a day creates a journal, that of a period an index"
    );
    id_of(pay(&[1]).spend(&till).unwrap());
    let id = try_spend(&pay(&[2, 3])).unwrap();
    let coins: Vec<u32> = (100..100 + TRY_SPEND_COINS_MAX as u32 + 1).collect();
    assert!(try_spend(&pay(&coins[1..])).is_some());
    let mut large = pay(&[4]);
    large.message = vec![b'x'; PAYMENT_SIZE_MAX + 1];
    for (payment, why) in [
        (pay(&[2]).into_another(2), "a spent coin"),
        (pay(&[2, 3]), "a retry"),
        (pay(&[4, 3]), "a spent coin after an unspent one"),
        (pay(&coins), "too many coins"),
        (pay(&[]), "no coins"),
        (pay(&[4]).capped(9), "a cap"),
        (pay(&[4]).of("2027-01"), "another period"),
        (large, "a message too large"),
    ] {
        assert_eq!(try_spend(&payment), None, "{why}");
    }
    assert_eq!(till.reverse(id).unwrap(), Reversal::Reversed);
    assert_eq!(try_spend(&pay(&[2])), None, "a coin of a reversed payment");
    id_of(pay(&[2]).spend(&till).unwrap());
    let other = open(&directory, &clock);
    id_of(pay(&[5]).spend(&other).unwrap());
    assert_eq!(try_spend(&pay(&[5])), None, "spent by another process");
    {
        let lock = directory.open(LOCK_NAME, Open::Write).unwrap();
        let _held = ExclusiveLock::new(lock.as_ref()).unwrap();
        assert_eq!(try_spend(&pay(&[6])), None, "the lock is held");
    }
    assert!(try_spend(&pay(&[6])).is_some());
    assert_eq!(pay(&[6]).try_spend(&other), None, "SyncMode::Always");
    clock.pass(86_400);
    assert_eq!(try_spend(&pay(&[7])), None, "a new day");
    id_of(pay(&[7]).spend(&till).unwrap());
    assert!(try_spend(&pay(&[8])).is_some());
    assert_eq!(till.totals().coins, 1 + 2 + TRY_SPEND_COINS_MAX as u64 + 4);
    for coin in [1, 2, 5, 6, 7, 8, 101] {
        assert_eq!(
            pay(&[coin]).into_another(9).spend(&other).unwrap(),
            Spent::AlreadySpent,
            "{coin}"
        );
    }
    directory.remove(LOCK_NAME).unwrap();
    assert_eq!(try_spend(&pay(&[9])), None, "the lock file is gone");
}

/// A payment is recorded without blocking where its pages are in memory: if the file system says
/// so, if it has no disk, or if this process has read them within the last seconds.
#[test]
fn try_spend_reads_pages_that_are_in_memory() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open_with(&directory, SyncMode::Os, &clock).unwrap();
    let mut coins = 0..;
    let mut next = || pay(&[coins.next().unwrap()]);
    id_of(next().spend(&till).unwrap());
    for (reads, asked) in [
        (Reads::Cached, true),
        (Reads::FromDisk, false),
        (Reads::Untold, false),
        (Reads::NoDisk, true),
    ] {
        clock.pass(KNOWN_SECONDS);
        directory.set_reads(reads);
        assert_eq!(next().try_spend(&till).is_some(), asked, "{reads:?}, unknown pages");
        if reads == Reads::FromDisk {
            // A new index has 9 pages. Payments that may wait read them.
            for _ in 0..200 {
                id_of(till.spend(&next().as_spend()).unwrap());
            }
        }
        if reads == Reads::Untold {
            // One payment reads them all.
            id_of(till.spend(&next().as_spend()).unwrap());
        }
        clock.pass(KNOWN_SECONDS - 1);
        let is_recorded = (0..50).filter(|_| next().try_spend(&till).is_some()).count();
        assert_eq!(is_recorded, 50, "{reads:?}, known pages");
    }
    directory.set_reads(Reads::FromDiskByCalls);
    assert_eq!(next().try_spend(&till), None, "the kernel is asked where that costs no more");
}

/// On real file systems, too: that of temporary files, and the tmpfs that Linux has at `/dev/shm`.
#[test]
fn try_spend_records_on_a_disk_and_on_tmpfs() {
    let temporary = std::env::temp_dir();
    for parent in [temporary.as_path(), std::path::Path::new("/dev/shm")] {
        let Ok(folder) = tempfile::tempdir_in(parent) else { continue };
        let directory = Box::new(crate::host::DiskDirectory::new(folder.path()));
        let till = Till::open(directory, SyncMode::Os, Arc::new(noon()), Arc::new(SystemEntropy));
        let till = till.unwrap();
        // The first payment creates files. Where the file system does not say what is in memory,
        // the second one reads the index.
        (0..2).for_each(|coin| assert!(pay(&[coin]).spend(&till).is_ok()));
        for coin in 2..200 {
            assert!(pay(&[coin]).try_spend(&till).is_some(), "{}: {coin}", parent.display());
        }
    }
}

#[test]
fn other_and_restarted_processes_see_what_was_spent() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let [one, two] = [(); 2].map(|()| open(&directory, &clock));
    for i in 0..50 {
        let (first, second) = if i % 3 == 0 { (&one, &two) } else { (&two, &one) };
        id_of(pay(&[i]).spend(first).unwrap());
        assert_eq!(pay(&[i]).into_another(2).spend(second).unwrap(), Spent::AlreadySpent, "{i}");
    }
    drop((one, two));
    let again = open(&directory, &clock);
    for i in 0..50 {
        assert_eq!(pay(&[i]).into_another(2).spend(&again).unwrap(), Spent::AlreadySpent, "{i}");
    }
}

#[test]
fn a_reversal_frees_the_coins_and_is_void_after_a_retry() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open(&directory, &clock);
    let id = id_of(pay(&[1, 2]).spend(&till).unwrap());
    assert_eq!(till.reverse(id).unwrap(), Reversal::Reversed);
    assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
    let again = id_of(pay(&[2]).spend(&till).unwrap());
    assert_ne!(again, id);
    assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
    assert!(matches!(pay(&[2]).spend(&till).unwrap(), Spent::Retry { .. }));
    assert_eq!(till.reverse(again).unwrap(), Reversal::Void);
    assert_eq!(pay(&[2]).into_another(2).spend(&till).unwrap(), Spent::AlreadySpent);
    let late = id_of(pay(&[1]).spend(&till).unwrap());
    clock.pass(REVERSAL_SECONDS + 1);
    assert_eq!(till.reverse(late).unwrap(), Reversal::Void);
    clock.pass(-1);
    assert_eq!(till.reverse(late).unwrap(), Reversal::Reversed);
}

#[test]
fn the_cap_counts_the_coins_of_one_user_on_one_day() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let [till, other] = [(); 2].map(|()| open(&directory, &clock));
    // Uncapped payments count too, even those from before the counting began.
    let id = id_of(pay(&[1, 2, 3]).spend(&other).unwrap());
    assert_eq!(pay(&[4]).capped(3).into_another(2).spend(&till).unwrap(), Spent::CapReached);
    assert!(matches!(pay(&[1, 2, 3]).capped(3).spend(&till).unwrap(), Spent::Retry { .. }));
    assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
    id_of(pay(&[4]).capped(1).by("bob").spend(&till).unwrap());
    let id = id_of(pay(&[5]).spend(&other).unwrap());
    assert_eq!(pay(&[6]).capped(4).spend(&till).unwrap(), Spent::CapReached);
    assert_eq!(other.reverse(id).unwrap(), Reversal::Reversed);
    id_of(pay(&[6]).capped(4).spend(&till).unwrap());
    assert_eq!(pay(&[7]).capped(4).spend(&open(&directory, &clock)).unwrap(), Spent::CapReached);
    // CapReached comes before AlreadySpent.
    assert_eq!(pay(&[6]).capped(4).into_another(2).spend(&till).unwrap(), Spent::CapReached);
    clock.pass(86_400);
    id_of(pay(&[7]).capped(1).spend(&till).unwrap());
}

#[test]
fn sizes_are_bounded() {
    let till = open(&SimulatedDirectory::new(), &noon());
    let bins: Vec<u32> = (0..COINS_PER_PAYMENT_MAX).collect();
    id_of(pay(&bins).spend(&till).unwrap());
    assert!(pay(&[bins, vec![9999]].concat()).spend(&till).is_err());
    assert!(pay(&[]).spend(&till).is_err());
    let mut large = pay(&[5000]);
    large.message = vec![b'x'; PAYMENT_SIZE_MAX + 1];
    assert!(large.spend(&till).is_err());
    large.message.pop();
    id_of(large.spend(&till).unwrap());
}

#[test]
fn coins_stay_spent_while_indexes_grow() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let [one, two] = [(); 2].map(|()| open_with(&directory, SyncMode::Os, &clock).unwrap());
    for i in 0..3000 {
        let till = if i % 2 == 0 { &one } else { &two };
        id_of(pay(&[i]).of(["2026-12", "2027-01"][i as usize % 2]).spend(till).unwrap());
        id_of(pay(&[i]).of("x").spend(till).unwrap());
    }
    for i in 0..3000 {
        let till = if i % 2 == 0 { &two } else { &one };
        let spent = pay(&[i]).of("x").into_another(2).spend(till).unwrap();
        assert_eq!(spent, Spent::AlreadySpent, "{i}");
    }
}

/// A crash at every step: what was acknowledged under `Always` survives, nothing is spent twice,
/// and the till opens.
#[test]
fn an_acknowledged_spend_survives_a_crash_at_any_step() {
    let total = {
        let directory = SimulatedDirectory::new();
        scenario(&directory, SyncMode::Always);
        directory.steps()
    };
    assert!(total > 60, "{total}");
    for steps in 0..=total {
        let directory = SimulatedDirectory::new();
        directory.crash_after(steps);
        let done = scenario(&directory, SyncMode::Always);
        let modes = [
            Survives::Written,
            Survives::Synced,
            Survives::Some(7),
            Survives::Some(steps as u64 + 99),
        ];
        for survives in modes {
            let after = directory.after_crash(survives);
            let clock = HandClock::at("2026-12-02T00:10:00Z");
            let till = open_with(&after, SyncMode::Always, &clock)
                .unwrap_or_else(|error| panic!("{steps} {survives:?}: {error}"));
            done.check(&till, &format!("{steps} {survives:?}"));
            // The recovered till is also consistent for the next process.
            done.check(&open(&after, &clock), &format!("{steps} {survives:?} again"));
        }
    }
}

/// A killed process in the other modes: everything written survives.
#[test]
fn an_acknowledged_spend_survives_a_killed_process_in_every_mode() {
    let total = {
        let directory = SimulatedDirectory::new();
        scenario(&directory, SyncMode::Os);
        directory.steps()
    };
    for steps in 0..=total {
        let directory = SimulatedDirectory::new();
        directory.crash_after(steps);
        let done = scenario(&directory, SyncMode::Os);
        let after = directory.after_crash(Survives::Written);
        let clock = HandClock::at("2026-12-02T00:10:00Z");
        done.check(&open_with(&after, SyncMode::Os, &clock).unwrap(), &format!("{steps}"));
        done.check(&open(&after, &clock), &format!("{steps} again"));
    }
}

#[derive(Default)]
struct Done {
    spent: Vec<u32>,
    freed: Vec<u32>,
}

impl Done {
    fn check(&self, till: &Till, case: &str) {
        for coin in &self.spent {
            let spent = pay(&[*coin]).into_another(2).spend(till).unwrap();
            assert_eq!(spent, Spent::AlreadySpent, "{case}: coin {coin}");
        }
        for coin in &self.freed {
            let found =
                till.find_retry(&pay(&[1]).period, pay(&[*coin]).bins[0], &[1; 32], 9999).unwrap();
            assert_eq!(found, None, "{case}: coin {coin}");
        }
    }
}

/// Spends, retries and reverses around midnight, and returns what was acknowledged.
fn scenario(directory: &SimulatedDirectory, sync: SyncMode) -> Done {
    let clock = HandClock::at("2026-12-01T23:59:00Z");
    let mut done = Done::default();
    let Ok(till) = open_with(directory, sync, &clock) else {
        return done;
    };
    for coin in 0..8 {
        clock.pass(15);
        let is_capped = coin % 3 == 0 && sync == SyncMode::Always;
        let payment = if is_capped { pay(&[coin]).capped(99) } else { pay(&[coin]) };
        let Ok(Spent::Recorded(id)) = payment.spend(&till) else {
            continue;
        };
        match coin % 4 {
            1 => match till.reverse(id) {
                Ok(Reversal::Reversed) => done.freed.push(coin),
                Ok(Reversal::Void) => panic!("void"),
                Err(_) => {}
            },
            2 => {
                if matches!(pay(&[coin]).spend(&till), Ok(Spent::Retry { .. })) {
                    assert!(!matches!(till.reverse(id), Ok(Reversal::Reversed)));
                }
                done.spent.push(coin);
            }
            _ => done.spent.push(coin),
        }
    }
    done
}

#[test]
fn the_day_changes_at_midnight_and_never_goes_back() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T23:59:59Z"));
    let [one, two] = [(); 2].map(|()| open(&directory, &clock));
    let id = id_of(pay(&[1]).spend(&one).unwrap());
    clock.pass(1);
    id_of(pay(&[2]).spend(&two).unwrap());
    // The payment of yesterday can still be found, retried and reversed.
    assert_eq!(pay(&[1]).into_another(2).spend(&two).unwrap(), Spent::AlreadySpent);
    assert_eq!(one.reverse(id).unwrap(), Reversal::Reversed);
    id_of(pay(&[1]).into_another(2).spend(&two).unwrap());
    assert!(matches!(pay(&[1]).into_another(2).spend(&one).unwrap(), Spent::Retry { .. }));
    // The clock is set back by a day: records still go to the newest journal.
    let before = directory.bytes("till-2026-12-01.journal").unwrap();
    clock.pass(-86_400);
    id_of(pay(&[3]).spend(&one).unwrap());
    id_of(pay(&[4]).spend(&open(&directory, &clock)).unwrap());
    assert_eq!(directory.bytes("till-2026-12-01.journal").unwrap(), before);
    assert_eq!(
        directory.names().unwrap().iter().filter(|name| name.ends_with(".journal")).count(),
        2
    );
    assert_eq!(
        pay(&[1]).into_another(3).spend(&open(&directory, &clock)).unwrap(),
        Spent::AlreadySpent
    );
}

/// A clock at the extremes of time causes no panic, and the day still has a name.
#[test]
fn extreme_times_are_clamped_to_days_with_names() {
    for seconds in [i64::MIN, -1, 0, i64::MAX] {
        let (directory, clock) = (SimulatedDirectory::new(), noon());
        clock.set(seconds);
        let till = open(&directory, &clock);
        let id = id_of(pay(&[1]).spend(&till).unwrap());
        assert!(matches!(pay(&[1]).spend(&till).unwrap(), Spent::Retry { .. }), "{seconds}");
        assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
        assert_eq!(
            pay(&[1]).into_another(2).spend(&open(&directory, &clock)).unwrap(),
            Spent::AlreadySpent
        );
    }
}

#[test]
fn of_racing_threads_one_spends_the_coin() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let tills = [(); 2].map(|()| open(&directory, &clock));
    for coin in 0..40 {
        let recorded = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for number in 0..6 {
                let (till, recorded) = (&tills[number % 2], &recorded);
                scope.spawn(move || {
                    let spent = pay(&[coin]).into_another(number as u8).spend(till).unwrap();
                    let is_recorded = matches!(spent, Spent::Recorded(_));
                    assert!(is_recorded || spent == Spent::AlreadySpent);
                    recorded.fetch_add(u64::from(is_recorded), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(recorded.into_inner(), 1, "coin {coin}");
    }
}

/// Threads that wait for the disk at the same time share syncs.
#[test]
fn waiting_threads_share_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let directory = crate::host::DiskDirectory::new(folder.path());
    let till = Till::open(
        Box::new(directory),
        SyncMode::Always,
        Arc::new(noon()),
        Arc::new(SystemEntropy),
    )
    .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let till = &till;
            scope.spawn(move || {
                for i in 0..25 {
                    id_of(pay(&[thread * 100 + i]).spend(till).unwrap());
                }
            });
        }
    });
    let (sync, _) = till.locked(|store| Ok(store.newest_sync().unwrap())).unwrap();
    assert!(sync.count() < 200, "{} syncs for 200 payments", sync.count());
}

#[test]
fn in_interval_mode_a_thread_syncs_after_the_interval_and_on_drop() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open_with(&directory, SyncMode::Interval(1), &clock).unwrap();
    id_of(pay(&[1]).spend(&till).unwrap());
    let is_durable = || {
        let after = directory.after_crash(Survives::Synced);
        pay(&[1]).into_another(2).spend(&open(&after, &clock)).unwrap() == Spent::AlreadySpent
    };
    assert!((0..2000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        is_durable()
    }));
    let slow = open_with(&directory, SyncMode::Interval(3_600_000), &clock).unwrap();
    id_of(pay(&[2]).spend(&slow).unwrap());
    std::thread::sleep(std::time::Duration::from_millis(20));
    id_of(pay(&[3]).spend(&slow).unwrap());
    drop(slow);
    let after = directory.after_crash(Survives::Synced);
    assert_eq!(
        pay(&[3]).into_another(2).spend(&open(&after, &clock)).unwrap(),
        Spent::AlreadySpent
    );
}

#[test]
fn network_file_systems_are_errors() {
    struct Remote(SimulatedDirectory);
    impl Directory for Remote {
        fn path(&self) -> &std::path::Path {
            self.0.path()
        }
        fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
            self.0.open(name, how)
        }
        fn names(&self) -> io::Result<Vec<String>> {
            self.0.names()
        }
        fn remove(&self, name: &str) -> io::Result<()> {
            self.0.remove(name)
        }
        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            self.0.rename(from, to)
        }
        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }
        fn is_on_network(&self) -> io::Result<bool> {
            Ok(true)
        }
    }
    let remote = Box::new(Remote(SimulatedDirectory::new()));
    let opened = Till::open(remote, SyncMode::Os, Arc::new(noon()), Arc::new(SystemEntropy));
    assert!(matches!(opened, Err(TillError::OnNetwork(_))));
}

/// As in docs/reference/till.md: every field after its length, the coins as bytes.
#[test]
fn a_fingerprint_is_the_hash_of_its_fields_with_their_lengths() {
    let payment = Payment {
        url: "https://news.example/a".parse().unwrap(),
        user: "alice".parse().unwrap(),
        vendor: "news.example".parse().unwrap(),
        period: "2026-12".parse().unwrap(),
        coins: 1,
        owner_tokens: [[1; 8], [2; 8]].map(OwnerToken::from_bytes).to_vec(),
        authenticator: Authenticator::from_bytes([9; 16]),
        x: vec![1, 2 << 40],
    };
    let coins = [[0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 2, 0, 0, 0, 0, 0]].concat();
    let tokens = [[1; 8], [2; 8]].concat();
    let fields: [&[u8]; 7] = [
        b"https://news.example/a",
        b"2026-12",
        b"alice",
        &[9; 16],
        &tokens,
        &coins,
        b"an Idempotency-Key",
    ];
    let with_length = |field: &&[u8]| [&(field.len() as u64).to_be_bytes(), *field].concat();
    let bytes: Vec<u8> = fields.iter().flat_map(with_length).collect();
    assert_eq!(
        fingerprint(&payment, &[b"an Idempotency-Key"]),
        <[u8; 32]>::from(Sha256::digest(&bytes))
    );
}
