use super::*;
use crate::host::{Lock, LockGuard, SimulatedDirectory, Survives};
use crate::params::tests::test_params;
use crate::time::UnixTime;

const NAME: &str = "2026-12.coins";

/// A complete file of the `test` profile: every bin whose superbin and sub-bin do not sum to a
/// multiple of three holds the ball x = 100 * superbin + sub-bin + 2^55.
fn complete() -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    let params = test_params();
    let file = directory.open(NAME, Open::Create).unwrap();
    let coin_file = CoinFile::create(file, directory.path().join(NAME), &params, [7; 16]).unwrap();
    let (mut ball_count, mut checksum) = (0, 0);
    for superbin in 0..params.superbin_count() {
        let mut bytes = vec![0; superbin_size(&params) as usize];
        let subbins = (0..16u64).filter(|subbin| !(superbin + subbin).is_multiple_of(3));
        let mut count = 0u32;
        for subbin in subbins {
            let stored = Stored { x: x_in(superbin, subbin), status: Status::EXISTS };
            stored.write(&mut bytes, 64 + 8 * subbin as usize);
            count += 1;
        }
        BALL_COUNT.set(&mut bytes, count);
        coin_file.write_superbins(superbin, &bytes).unwrap();
        ball_count += u64::from(count);
        let size = bytes.len();
        checksum = add_to_checksum(checksum, &mut bytes, size);
    }
    let state = MintingState {
        phase: Phase::Complete,
        next_toss: 1 << 16,
        counted_superbins: 64,
        ball_count,
        checksum,
    };
    coin_file.set_minting_state(&state).unwrap();
    coin_file.sync().unwrap();
    directory.sync().unwrap();
    directory
}

fn x_in(superbin: u64, subbin: u64) -> u64 {
    100 * superbin + subbin + (1 << 55)
}

fn bin(superbin: u32, subbin: u32) -> Bin {
    Bin { superbin, subbin }
}

fn sale_mark(user: &str) -> SaleMark {
    SaleMark {
        user: user.parse().unwrap(),
        when: UnixTime(1_800_000_000),
        transaction: u64::MAX - 5,
    }
}

#[test]
fn what_was_written_is_read_back() {
    let directory = complete();
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    assert_eq!(coin_file.params(), &test_params());
    assert_eq!(coin_file.key_tag(), [7; 16]);
    assert_eq!(coin_file.next_superbin().unwrap(), 0);

    let superbin = coin_file.superbin(5).unwrap();
    assert_eq!(superbin.header, SuperbinHeader { ball_count: 11, sold: None });
    assert_eq!(superbin.bins.len(), 16);
    assert_eq!(superbin.balls().count(), 11);
    assert_eq!(
        superbin.balls().next().unwrap(),
        (0, Stored { x: x_in(5, 0), status: Status::EXISTS })
    );
    assert_eq!(coin_file.ball(bin(5, 1)).unwrap(), Stored { x: 0, status: Status::NONE });

    let longest = sale_mark(&"u".repeat(40));
    coin_file.mark_set(5, &longest).unwrap();
    let marked = SuperbinHeader { ball_count: 11, sold: Some(longest) };
    assert_eq!(coin_file.superbin_header(5).unwrap(), marked);
    assert_eq!(coin_file.superbin(5).unwrap().bins, superbin.bins);
    assert_eq!(coin_file.superbin_header(4).unwrap().sold, None);

    coin_file.set_status(bin(5, 0), Status::REDEEMED).unwrap();
    let stored = coin_file.ball(bin(5, 0)).unwrap();
    assert_eq!(stored, Stored { x: x_in(5, 0), status: Status::EXISTS | Status::REDEEMED });
    coin_file.set_status(bin(5, 0), Status::RETURNED).unwrap();
    assert!(!coin_file.ball(bin(5, 0)).unwrap().status.contains(Status::REDEEMED));

    for next in [8, 10, 12] {
        coin_file.mark_next_superbin(next).unwrap();
    }
    let again = CoinFile::open(&directory, NAME).unwrap();
    assert_eq!(again.next_superbin().unwrap(), 12);
}

#[test]
fn what_is_not_there_is_an_error() {
    let directory = complete();
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    assert!(coin_file.superbin(63).is_ok() && coin_file.ball(bin(63, 15)).is_ok());
    assert!(matches!(coin_file.superbin(64), Err(CoinFileError::NoSuchBin { .. })));
    assert!(matches!(coin_file.superbin_header(64), Err(CoinFileError::NoSuchBin { .. })));
    assert!(matches!(
        coin_file.mark_set(64, &sale_mark("a")),
        Err(CoinFileError::NoSuchBin { .. })
    ));
    assert!(matches!(coin_file.ball(bin(0, 16)), Err(CoinFileError::NoSuchBin { .. })));
    assert!(matches!(
        coin_file.set_status(bin(0, 0), Status::REDEEMED),
        Err(CoinFileError::NoBall { .. })
    ));
    let missing = CoinFile::open(&directory, "other").err().unwrap().to_string();
    assert!(missing.starts_with("cannot open simulated/other"), "{missing}");
}

#[test]
fn many_bins_are_read_and_marked_like_single_ones() {
    let directory = complete();
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let bins: Vec<Bin> = (0..64 * 16).step_by(7).map(|i| bin(i / 16, i % 16)).collect();
    let single: Vec<Stored> = bins.iter().map(|bin| coin_file.ball(*bin).unwrap()).collect();
    assert_eq!(coin_file.balls(&bins).unwrap(), single);
    assert_eq!(coin_file.balls(&[]).unwrap(), []);
    let backwards = [bin(3, 1), bin(3, 0)];
    assert!(matches!(coin_file.balls(&backwards), Err(CoinFileError::Unsorted { .. })));

    let filled: Vec<Bin> = bins
        .iter()
        .zip(&single)
        .filter(|(_, stored)| stored.exists())
        .map(|(bin, _)| *bin)
        .collect();
    coin_file.set_status(filled[0], Status::COMPROMISED).unwrap();
    let mut marks: Vec<(Bin, Status)> = filled.iter().map(|bin| (*bin, Status::REDEEMED)).collect();
    marks.insert(1, (filled[0], Status::RETURNED));
    coin_file.mark_balls(&marks).unwrap();
    for (i, bin) in filled.iter().enumerate() {
        let more = if i == 0 { Status::COMPROMISED | Status::RETURNED } else { Status::NONE };
        let stored = coin_file.ball(*bin).unwrap();
        assert_eq!(stored.status, Status::EXISTS | Status::REDEEMED | more);
        assert_eq!(stored.x, x_in(bin.superbin.into(), bin.subbin.into()));
    }
    // Far from each other, and in one range: nothing between changes.
    let before = directory.bytes(NAME).unwrap();
    let far = [filled[1], filled[2], filled[filled.len() - 1]];
    coin_file.mark_balls(&far.map(|bin| (bin, Status::RETURNED))).unwrap();
    let mut expected = before;
    for bin in far {
        expected[bin_offset(&test_params(), bin) as usize + 7] |= 4 << 4;
    }
    assert!(directory.bytes(NAME).unwrap() == expected);
    let before = directory.bytes(NAME).unwrap();
    let with_empty = [(filled[0], Status::COMPROMISED), (bin(63, 0), Status::REDEEMED)];
    assert!(matches!(coin_file.mark_balls(&with_empty), Err(CoinFileError::NoBall { .. })));
    assert!(directory.bytes(NAME).unwrap() == before);
}

#[test]
fn an_incomplete_file_is_not_sold_from() {
    let directory = SimulatedDirectory::new();
    let file = directory.open(NAME, Open::Create).unwrap();
    let path = directory.path().join(NAME);
    let coin_file = CoinFile::create(file, path, &test_params(), [0; 16]).unwrap();
    let mut state = MintingState { next_toss: 4096, ..MintingState::START };
    coin_file.set_minting_state(&state).unwrap();
    let error = CoinFile::open(&directory, NAME).err().unwrap().to_string();
    assert!(error.contains("not complete: 4096 of 65536 balls tossed"), "{error}");
    (state.phase, state.next_toss) = (Phase::Counting, 1 << 16);
    coin_file.set_minting_state(&state).unwrap();
    assert!(matches!(CoinFile::open_read(&directory, NAME), Err(CoinFileError::Incomplete { .. })));
    assert_eq!(CoinFile::inspect(&directory, NAME).unwrap().minting_state().unwrap(), state);
}

/// Every bit of the file header, and every length of the file.
#[test]
fn damage_is_told_and_never_a_panic() {
    let bytes = complete().bytes(NAME).unwrap();
    let open = |bytes: &[u8]| {
        let directory = SimulatedDirectory::new();
        directory.put(NAME, bytes);
        CoinFile::open(&directory, NAME)
    };
    for at in 0..2048 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(open(&damaged).is_err(), "byte {at}");
    }
    for size in [0, 1, 8, 2048, 4095, 4096, bytes.len() - 1] {
        assert!(open(&bytes[..size]).is_err(), "{size} bytes");
    }
    let longer = [bytes.clone(), vec![0]].concat();
    assert!(matches!(open(&longer), Err(CoinFileError::Size { .. })));
    let as_text: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
    let error = open(&as_text).err().unwrap().to_string();
    assert!(error.contains("expected a coin file, found \"\\x89MMC\\n\\x1a\\n\\x01"), "{error}");
    let mut newer = bytes.clone();
    newer[8] = 2;
    let error = open(&newer).err().unwrap().to_string();
    assert!(error.contains("expected version 1 of the coin file format, found 2"), "{error}");
}

#[test]
fn a_damaged_slot_falls_back_and_two_are_an_error() {
    let directory = complete();
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    coin_file.mark_next_superbin(2).unwrap();
    coin_file.mark_next_superbin(4).unwrap();
    let file = directory.open(NAME, Open::Write).unwrap();
    file.write_at(&[0xff; 40], SALE_SLOTS[0] + 100).unwrap();
    assert_eq!(coin_file.next_superbin().unwrap(), 2);
    file.write_at(&[0xff; 40], SALE_SLOTS[1] + 100).unwrap();
    let error = CoinFile::open(&directory, NAME).err().unwrap().to_string();
    assert!(error.contains("damaged at the sale state: both of its slots"), "{error}");
}

#[test]
fn a_damaged_superbin_header_is_told() {
    let directory = complete();
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let file = directory.open(NAME, Open::Write).unwrap();
    let offset = superbin_offset(&test_params(), 9);
    for (at, byte, says) in [
        (0, 17, "17 balls in 16 bins"),
        (4, 2, "unknown flags"),
        (5, 41, "41 bytes"),
        (24, b'!', "User-ID"),
    ] {
        coin_file.mark_set(9, &sale_mark("alice")).unwrap();
        let mut good = [0; 1];
        file.read_at(&mut good, offset + at).unwrap();
        file.write_at(&[byte], offset + at).unwrap();
        let error = coin_file.superbin(9).unwrap_err().to_string();
        assert!(
            error.contains("damaged at the header of superbin 9") && error.contains(says),
            "{error}"
        );
        file.write_at(&good, offset + at).unwrap();
    }
    assert!(coin_file.superbin(9).is_ok());
}

/// Crashes at every step of marking: the file opens, what minting wrote is intact, and marking it
/// again results in the same file.
#[test]
fn a_crash_at_any_step_of_marking_leaves_a_file_that_opens() {
    let mark = |directory: &SimulatedDirectory| -> Result<(), CoinFileError> {
        let coin_file = CoinFile::open(directory, NAME)?;
        let _lock = LockGuard::new(coin_file.file(), Lock::Exclusive).unwrap();
        coin_file.mark_set(2, &sale_mark("alice"))?;
        coin_file.mark_balls(&[(bin(2, 0), Status::REDEEMED), (bin(2, 2), Status::RETURNED)])?;
        coin_file.mark_next_superbin(4)
    };
    let whole = complete();
    let before = whole.bytes(NAME).unwrap();
    let steps = whole.steps();
    mark(&whole).unwrap();
    let steps = whole.steps() - steps;
    for step in 0..=steps {
        for survives in [Survives::Written, Survives::Synced, Survives::Some(3), Survives::Some(8)]
        {
            let directory = SimulatedDirectory::new();
            directory.put(NAME, &before);
            directory.crash_after(step);
            assert_eq!(mark(&directory).is_err(), step < steps);
            let after = directory.after_crash(survives);
            let next = CoinFile::open(&after, NAME).unwrap().next_superbin().unwrap();
            assert!([0, 4].contains(&next));
            mark(&after).unwrap();
            let again = CoinFile::open(&after, NAME).unwrap();
            assert_eq!(again.superbin_header(2).unwrap().sold, Some(sale_mark("alice")));
            let body = HEADER_SIZE as usize;
            assert!(after.bytes(NAME).unwrap()[body..] == whole.bytes(NAME).unwrap()[body..]);
        }
    }
}
