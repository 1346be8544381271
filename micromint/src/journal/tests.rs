//! Tests of the journal on files in memory that are cut, damaged and deleted.

use super::format::LARGEST_RECORD;
use super::*;
use crate::host::{Directory, SimulatedDirectory, Survives, SystemEntropy};

type All = Vec<(u64, Vec<u8>)>;
type Bench = Replayed<All>;

fn try_open(directory: &SimulatedDirectory) -> Result<Bench, JournalError> {
    Replayed::open_or_create(directory, "j", "till", &SystemEntropy, All::new())
}

fn open(directory: &SimulatedDirectory) -> Bench {
    try_open(directory).unwrap()
}

fn payloads(all: &All) -> Vec<Vec<u8>> {
    all.iter().map(|(_, payload)| payload.clone()).collect()
}

fn append(journal: &mut Bench, payloads: &[&[u8]]) -> Result<u64, JournalError> {
    journal.locked(|locked| locked.append(payloads))
}

fn records(directory: &SimulatedDirectory) -> Result<(Vec<Vec<u8>>, Tail), JournalError> {
    // Writes the header again if a crash cut it off.
    drop(try_open(directory)?);
    let mut found = All::new();
    let tail = Journal::open_to_read(directory, "j", "till")?.replay(&mut found)?;
    Ok((payloads(&found), tail))
}

#[test]
fn appended_records_are_read_back_at_their_offsets() {
    let directory = SimulatedDirectory::new();
    let mut journal = open(&directory);
    let payloads: Vec<Vec<u8>> =
        (0..200u32).map(|i| vec![i as u8; 1 + (i as usize * 331) % 60_000]).collect();
    let offsets: Vec<u64> = payloads.iter().map(|p| append(&mut journal, &[p]).unwrap()).collect();
    assert_eq!(records(&directory).unwrap(), (payloads.clone(), Tail::Clean));
    for (offset, payload) in offsets.iter().zip(&payloads) {
        assert_eq!(&journal.journal().read(*offset).unwrap(), payload);
    }
    assert!(journal.journal().read(offsets[1] + 1).is_err());
}

#[test]
fn payload_sizes_are_bounded() {
    let mut journal = open(&SimulatedDirectory::new());
    assert!(append(&mut journal, &[&[0; RECORD_SIZE_MAX]]).is_ok());
    for size in [0, RECORD_SIZE_MAX + 1] {
        let error = append(&mut journal, &[&vec![0; size]]).unwrap_err();
        assert!(matches!(error, JournalError::RecordSize { found } if found == size));
    }
}

/// Cuts the file at every byte of the last record: the other records are read, the rest is torn,
/// and after it is cut off the journal can be appended to.
#[test]
fn a_tail_cut_anywhere_is_torn_and_nothing_else_is_lost() {
    let directory = SimulatedDirectory::new();
    let mut journal = open(&directory);
    append(&mut journal, &[b"one"]).unwrap();
    let whole = directory.bytes("j").unwrap().len();
    append(&mut journal, &[b"second record"]).unwrap();
    let bytes = directory.bytes("j").unwrap();
    for cut in whole..bytes.len() {
        let after = SimulatedDirectory::new();
        after.put("j", &bytes[..cut]);
        let tail = if cut == whole { Tail::Clean } else { Tail::Torn((cut - whole) as u64) };
        assert_eq!(records(&after).unwrap(), (vec![b"one".to_vec()], tail));
        let mut journal = open(&after);
        append(&mut journal, &[b"three"]).unwrap();
        assert_eq!(records(&after).unwrap().0, [b"one".to_vec(), b"three".to_vec()]);
    }
}

#[test]
fn a_damaged_middle_is_an_error_and_never_skipped() {
    let directory = SimulatedDirectory::new();
    let mut journal = open(&directory);
    append(&mut journal, &[b"one", b"two", b"three"]).unwrap();
    let mut bytes = directory.bytes("j").unwrap();
    bytes[HEADER_SIZE as usize + 9] ^= 1;
    directory.put("j", &bytes);
    assert!(matches!(records(&directory), Err(JournalError::Broken { at: HEADER_SIZE, .. })));
    let long = [bytes[..HEADER_SIZE as usize].to_vec(), vec![0; LARGEST_RECORD]].concat();
    directory.put("j", &long);
    assert!(matches!(records(&directory), Err(JournalError::Broken { .. })));
    directory.put("j", &long[..long.len() - 1]);
    assert!(matches!(records(&directory), Ok((_, Tail::Torn(_)))));
}

#[test]
fn files_of_another_kind_are_errors() {
    let directory = SimulatedDirectory::new();
    open(&directory);
    let error = Journal::open_to_append(&directory, "j", "wallet").err().unwrap().to_string();
    assert!(
        error.contains("expected a journal of kind \"wallet\", found kind \"till\""),
        "{error}"
    );
    directory.put("j", &[b'x'; 99]);
    assert!(try_open(&directory).is_err());
}

/// Crashes at every step of creating a journal and appending to it: synced records survive.
#[test]
fn synced_records_survive_a_crash_at_any_step() {
    for steps in 0..12 {
        let directory = SimulatedDirectory::new();
        directory.crash_after(steps);
        let mut synced = 0;
        if let Ok(mut journal) = try_open(&directory) {
            for i in 0..3u8 {
                let written = journal.locked(|locked| {
                    locked.append(&[&[i; 40]])?;
                    locked.sync()
                });
                synced += usize::from(written.is_ok());
            }
        }
        for survives in [Survives::Written, Survives::Synced, Survives::Some(7), Survives::Some(99)]
        {
            let (found, _) = records(&directory.after_crash(survives)).unwrap();
            assert!(found.len() >= synced, "{steps} {survives:?}");
            assert!(found.iter().enumerate().all(|(i, payload)| payload == &vec![i as u8; 40]));
        }
    }
}

/// A process creates a journal and is killed before it syncs the directory. The next one appends,
/// syncs and acknowledges. Then the power fails.
#[test]
fn the_first_append_makes_the_name_durable() {
    for steps in 0..4 {
        let directory = SimulatedDirectory::new();
        directory.crash_after(steps);
        assert!(try_open(&directory).is_err());
        directory.go_on();
        let mut journal = open(&directory);
        journal
            .locked(|locked| {
                locked.append(&[b"one"])?;
                locked.sync()
            })
            .unwrap();
        let after = directory.after_crash(Survives::Synced);
        assert_eq!(records(&after).unwrap().0, [b"one".to_vec()], "{steps}");
    }
}

#[test]
fn a_journal_that_shrank_is_an_error() {
    let directory = SimulatedDirectory::new();
    let mut journal = open(&directory);
    append(&mut journal, &[b"one"]).unwrap();
    journal.journal().file().set_size(HEADER_SIZE).unwrap();
    assert!(matches!(journal.refresh(), Err(JournalError::Shrunk { .. })));
    assert!(matches!(append(&mut journal, &[b"two"]), Err(JournalError::Shrunk { .. })));
}

#[test]
fn after_a_failed_sync_every_wait_fails() {
    let directory = SimulatedDirectory::new();
    let mut journal = open(&directory);
    append(&mut journal, &[b"one"]).unwrap();
    let sync = journal.journal().shared_sync();
    sync.wait(journal.journal().end()).unwrap();
    assert_eq!(sync.count(), 1);
    sync.wait(journal.journal().end()).unwrap();
    assert_eq!(sync.count(), 1);
    append(&mut journal, &[b"two"]).unwrap();
    directory.crash_after(0);
    assert!(sync.wait(journal.journal().end()).is_err());
    directory.go_on();
    assert!(sync.wait(journal.journal().end()).is_err());
}

#[test]
fn a_deleted_journal_is_an_error() {
    let directory = SimulatedDirectory::new();
    let mut journal = open(&directory);
    directory.remove("j").unwrap();
    assert!(matches!(journal.refresh(), Err(JournalError::Deleted { .. })));
    assert!(matches!(append(&mut journal, &[b"one"]), Err(JournalError::Deleted { .. })));
    let absent = Journal::open_to_append(&directory, "j", "till").err().unwrap();
    assert!(matches!(absent, JournalError::Deleted { .. }));
    assert!(Journal::open_to_read(&directory, "j", "till").is_err());
}

#[test]
fn an_append_follows_what_others_appended() {
    let directory = SimulatedDirectory::new();
    let (mut one, mut other) = (open(&directory), open(&directory));
    append(&mut one, &[b"one", b"two"]).unwrap();
    other
        .locked(|locked| {
            assert_eq!(payloads(locked.state()), [b"one", b"two"]);
            locked.append(&[b"three"])
        })
        .unwrap();
    assert_eq!(one.refresh().unwrap(), other.state());
    assert_eq!(records(&directory).unwrap().0, payloads(one.state()));
}

#[test]
fn an_unreadable_record_is_an_error_with_its_offset_every_time() {
    #[derive(Default)]
    struct Small(usize);
    impl Replay for Small {
        type Error = JournalError;
        fn apply(&mut self, record: &Record<'_>) -> Result<(), JournalError> {
            self.0 += 1;
            match record.payload.len() {
                0..=3 => Ok(()),
                size => Err(record.unreadable(format!("{size} bytes"))),
            }
        }
    }
    let directory = SimulatedDirectory::new();
    let mut journal = open(&directory);
    append(&mut journal, &[b"one"]).unwrap();
    let bad = append(&mut journal, &[b"two", b"three", b"four"]).unwrap() + 8 + 3;
    let mut small = Journal::open_to_read(&directory, "j", "till").unwrap();
    let mut state = Small::default();
    for applied in [3, 4] {
        let error = small.replay(&mut state).unwrap_err();
        assert_eq!((small.end(), state.0), (bad, applied), "nothing after it is read");
        let says = format!("simulated/j: cannot read the record at offset {bad}: 5 bytes");
        assert_eq!(error.to_string(), says);
    }
}
