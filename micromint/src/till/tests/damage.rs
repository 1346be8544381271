//! Damage to a till's files by disks, power cuts and people.

use super::*;
use crate::host::DiskDirectory;
use crate::journal::HEADER_SIZE;

const JOURNAL: &str = "till-2026-12-01.journal";
const INDEX: &str = "spent-2026-12.index";

/// A till with coins 0 to 29 spent; coin 29 was reversed.
fn filled() -> (SimulatedDirectory, HandClock) {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open(&directory, &clock);
    for coin in 0..30 {
        let id = id_of(pay(&[coin]).spend(&till).unwrap());
        if coin == 29 {
            assert_eq!(till.reverse(id).unwrap(), Reversal::Reversed);
        }
    }
    (directory, clock)
}

fn check(till: &Till, case: &str) {
    for coin in 0..29 {
        assert_eq!(
            pay(&[coin]).into_another(2).spend(till).unwrap(),
            Spent::AlreadySpent,
            "{case}: {coin}"
        );
    }
    id_of(pay(&[29]).into_another(2).spend(till).unwrap());
}

#[test]
fn a_missing_or_damaged_index_is_rebuilt() {
    type Damage = fn(&SimulatedDirectory);
    let damages: [(&str, Damage); 5] = [
        ("missing", |directory| directory.remove(INDEX).unwrap()),
        ("header", |directory| flip(directory, INDEX, 9)),
        ("cut", |directory| directory.put(INDEX, &directory.bytes(INDEX).unwrap()[..5000])),
        ("empty", |directory| directory.put(INDEX, b"")),
        ("zeros", |directory| {
            let mut bytes = directory.bytes(INDEX).unwrap();
            bytes[512..].fill(0);
            directory.put(INDEX, &bytes);
        }),
    ];
    for (case, damage) in damages {
        let (directory, clock) = filled();
        let running = open(&directory, &clock);
        damage(&directory);
        check(&open(&directory, &clock), case);
        // The process that was running in between continues with the new index.
        assert_eq!(
            pay(&[29]).into_another(3).spend(&running).unwrap(),
            Spent::AlreadySpent,
            "{case}"
        );
    }
    // Damaged while the till is open.
    for bucket in 0..60 {
        let (directory, clock) = filled();
        let till = open(&directory, &clock);
        let file = directory.open(INDEX, Open::Write).unwrap();
        file.write_at(&[0xff; 9], 512 + bucket * 512 + 40).unwrap();
        check(&till, &format!("bucket {bucket}"));
    }
}

/// After a power cut, the index is as it was at the last checkpoint, completely or in parts.
#[test]
fn an_index_behind_the_journal_is_updated() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open(&directory, &clock);
    for coin in 0..10 {
        id_of(pay(&[coin]).spend(&till).unwrap());
    }
    till.locked(|store| store.checkpoint_here()).unwrap();
    let at_checkpoint = directory.bytes(INDEX).unwrap();
    drop(till);
    let till = open(&directory, &clock);
    for coin in 10..29 {
        id_of(pay(&[coin]).spend(&till).unwrap());
    }
    drop(till);
    directory.put(INDEX, &at_checkpoint);
    check(&open(&directory, &clock), "behind");
}

/// The journal lost its unsynced tail, but the index has entries for it: they do not count.
#[test]
fn an_index_ahead_of_the_journal_is_rebuilt() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open_with(&directory, SyncMode::Os, &clock).unwrap();
    for coin in 0..29 {
        id_of(pay(&[coin]).spend(&till).unwrap());
    }
    let synced = directory.bytes(JOURNAL).unwrap();
    for coin in 29..40 {
        id_of(pay(&[coin]).spend(&till).unwrap());
    }
    drop(till);
    directory.put(JOURNAL, &synced);
    let till = open(&directory, &clock);
    // Other records are now at the offsets of the lost ones.
    id_of(pay(&[100, 101]).spend(&till).unwrap());
    check(&till, "ahead");
    for coin in 30..40 {
        id_of(pay(&[coin]).into_another(9).spend(&till).unwrap());
    }
}

/// A power cut lost a reversal, but the index had it: the coin is spent.
#[test]
fn a_lost_reversal_leaves_the_coin_spent() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open_with(&directory, SyncMode::Os, &clock).unwrap();
    let id = id_of(pay(&[1]).spend(&till).unwrap());
    till.locked(|store| store.checkpoint_here()).unwrap();
    let synced = directory.bytes(JOURNAL).unwrap();
    assert_eq!(till.reverse(id).unwrap(), Reversal::Reversed);
    drop(till);
    directory.put(JOURNAL, &synced);
    let till = open(&directory, &clock);
    assert_eq!(pay(&[1]).into_another(2).spend(&till).unwrap(), Spent::AlreadySpent);
}

#[test]
fn a_damaged_lock_file_is_rebuilt() {
    for at in [0, 20, 62, 4096, 4110] {
        let (directory, clock) = filled();
        flip(&directory, LOCK_NAME, at);
        // What reads without the lock repairs nothing.
        let peeked = days_on_disk(&directory).map_err(|error| error.to_string());
        assert_eq!(peeked.is_err(), at < MARK_SIZE, "{at}");
        peeked.map_or_else(|told| assert!(told.contains("lock: its mark is damaged")), drop);
        check(&open(&directory, &clock), &format!("{at}"));
        assert!(days_on_disk(&directory).is_ok(), "{at}");
    }
    let (directory, clock) = filled();
    directory.put(LOCK_NAME, b"");
    check(&open(&directory, &clock), "empty");
}

/// On a disk, index and mark are mapped: a file that is cut while the till is open kills no
/// process.
#[test]
fn a_file_cut_while_the_till_is_open_is_rebuilt() {
    for (name, size) in
        [(INDEX, 0), (INDEX, 700), (LOCK_NAME, 0), (LOCK_NAME, 63), (LOCK_NAME, 4097)]
    {
        let (folder, clock) = (tempfile::tempdir().unwrap(), noon());
        let directory = DiskDirectory::new(folder.path());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let open = || {
            let directory = Box::new(directory.clone());
            Till::open(directory, SyncMode::Os, Arc::clone(&shared), Arc::new(SystemEntropy))
                .unwrap()
        };
        let (till, other) = (open(), open());
        for coin in 0..29 {
            id_of(pay(&[coin]).spend(if coin % 2 == 0 { &till } else { &other }).unwrap());
        }
        directory.open(name, Open::Write).unwrap().set_size(size).unwrap();
        let case = format!("{name} cut to {size}");
        check(&till, &case);
        assert_eq!(
            pay(&[29]).into_another(3).spend(&other).unwrap(),
            Spent::AlreadySpent,
            "{case}"
        );
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_a_broken_middle_is_an_error() {
    let (directory, clock) = filled();
    let whole = directory.bytes(JOURNAL).unwrap();
    let running = open(&directory, &clock);
    let file = directory.open(JOURNAL, Open::Write).unwrap();
    // Another process was killed while it appended.
    file.write_at(&[7; 99], whole.len() as u64).unwrap();
    check(&running, "torn, running");
    let (directory, clock) = filled();
    directory.put(JOURNAL, &[whole.as_slice(), &[7; 99]].concat());
    check(&open(&directory, &clock), "torn");

    let (directory, clock) = filled();
    flip(&directory, JOURNAL, HEADER_SIZE as usize + 60);
    directory.remove(INDEX).unwrap();
    let opened = open_with(&directory, SyncMode::Always, &clock);
    assert!(matches!(opened, Err(TillError::Journal(JournalError::Broken { .. }))));
}

#[test]
fn a_deleted_or_cut_journal_is_an_error() {
    let (directory, clock) = filled();
    let running = open(&directory, &clock);
    id_of(pay(&[98]).spend(&running).unwrap());
    directory.remove(JOURNAL).unwrap();
    // Noticed within a second.
    clock.pass(1);
    for result in
        [pay(&[99]).spend(&running).err(), open_with(&directory, SyncMode::Os, &clock).err()]
    {
        let deleted = matches!(result, Some(TillError::Journal(JournalError::Deleted { .. })));
        assert!(deleted, "{result:?}");
    }
    let (directory, clock) = filled();
    let running = open(&directory, &clock);
    directory.open(JOURNAL, Open::Write).unwrap().set_size(HEADER_SIZE).unwrap();
    let result = pay(&[99]).spend(&running).err();
    assert!(matches!(result, Some(TillError::Journal(JournalError::Shrunk { .. }))), "{result:?}");
    directory.open(JOURNAL, Open::Write).unwrap().set_size(0).unwrap();
    assert!(open_with(&directory, SyncMode::Os, &clock).is_err());

    // An older journal was deleted: its coins do not become unspent.
    let (directory, clock) = filled();
    clock.pass(86_400);
    let till = open(&directory, &clock);
    id_of(pay(&[99]).spend(&till).unwrap());
    drop(till);
    directory.remove(JOURNAL).unwrap();
    let till = open(&directory, &clock);
    assert!(pay(&[1]).into_another(2).spend(&till).is_err());
    id_of(pay(&[98]).spend(&till).unwrap());

    let (directory, clock) = filled();
    let till = open(&directory, &clock);
    directory.remove(LOCK_NAME).unwrap();
    assert!(matches!(pay(&[99]).spend(&till), Err(TillError::LockDeleted(_))));
}

/// After a failed sync nothing is acknowledged until the till is opened again.
#[test]
fn a_failed_sync_stops_the_till() {
    let (directory, clock) = filled();
    let till = open(&directory, &clock);
    // The steps of a spend: record, bucket, mark, then the sync.
    directory.crash_after(3);
    assert!(pay(&[50]).spend(&till).is_err());
    directory.go_on();
    assert!(matches!(pay(&[51]).spend(&till), Err(TillError::SyncFailed)));
    let till = open(&directory, &clock);
    id_of(pay(&[51]).spend(&till).unwrap());
}

/// A write fails, for example on a full disk, and the till continues: the failed payment is not
/// recorded twice, and everything recorded is correct.
#[test]
fn a_failed_write_leaves_nothing_or_a_retry() {
    for steps in 0..6 {
        let (directory, clock) = filled();
        let till = open(&directory, &clock);
        directory.crash_after(steps);
        let failed = pay(&[50]).spend(&till).is_err();
        directory.go_on();
        if till.syncing.has_failed() {
            continue;
        }
        let again = pay(&[50]).spend(&till).unwrap();
        assert!(
            matches!(again, Spent::Recorded(_) | Spent::Retry { .. }),
            "{steps} {failed}: {again:?}"
        );
        assert_eq!(pay(&[50]).into_another(2).spend(&till).unwrap(), Spent::AlreadySpent);
        check(&till, &format!("{steps}"));
    }
}

fn flip(directory: &SimulatedDirectory, name: &str, at: usize) {
    let mut bytes = directory.bytes(name).unwrap();
    bytes[at] ^= 0x10;
    directory.put(name, &bytes);
}
