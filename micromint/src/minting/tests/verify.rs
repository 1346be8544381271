//! Verification finds every fault, and only faults.

use super::*;

#[test]
fn a_sound_file_is_verified_and_every_damage_is_found() {
    let sound = minted(&test_params());
    let bytes = sound.bytes(NAME).unwrap();
    let verify = |bytes: &[u8], threads| {
        let directory = SimulatedDirectory::new();
        directory.put(NAME, bytes);
        Bench { threads, ..Bench::new(&directory) }.verify()
    };
    let state = CoinFile::open(&sound, NAME).unwrap().minting_state().unwrap();
    let report = Report { ball_count: state.ball_count, fault_count: 0, faults: Vec::new() };
    for threads in [1, 2, 3, 64, 100] {
        assert_eq!(verify(&bytes, threads).unwrap(), report);
    }

    // Every superbin, another bit each: x, exists, ball count.
    let params = test_params();
    for superbin in 0..64 {
        let at = superbin_offset(&params, superbin) + SUPERBIN_HEADER_SIZE;
        for (offset, bit) in [(at + superbin % 16 * 8, superbin % 8), (at + 7, 4), (at - 64, 1)] {
            let mut damaged = bytes.clone();
            damaged[offset as usize] ^= 1 << bit;
            let report = verify(&damaged, 2).unwrap();
            assert!(report.fault_count > 0, "offset {offset}");
            assert!(report.faults.iter().any(|fault| fault.contains(&format!("{superbin}"))));
        }
    }
    let mut wiped = bytes.clone();
    wiped[4096..].fill(0xff);
    let report = verify(&wiped, 2).unwrap();
    assert!(report.fault_count > FAULTS_MAX as u64 && report.faults.len() == FAULTS_MAX);
}

#[test]
fn marks_of_the_broker_are_no_faults() {
    let directory = minted(&test_params());
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let (subbin, _) = coin_file.superbin(2).unwrap().balls().next().unwrap();
    coin_file
        .set_status(Bin { superbin: 2, subbin }, Status::REDEEMED | Status::COMPROMISED)
        .unwrap();
    let purchase = crate::coin_file::SaleMark {
        user: "alice".parse().unwrap(),
        when: crate::time::UnixTime(1),
        transaction: 2,
    };
    coin_file.mark_set(2, &purchase).unwrap();
    coin_file.mark_next_superbin(4).unwrap();
    assert_eq!(Bench::new(&directory).verify().unwrap().fault_count, 0);
}

/// A ball that hashes into its bin but that this mint never tossed: a forger's.
#[test]
fn a_ball_that_was_never_tossed_is_a_fault() {
    let directory = minted(&test_params());
    let rules = CoinRules::new(test_params());
    let permutation = permutation(&test_params());
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let (x, bin) = (0..1 << 20)
        .filter_map(|x| rules.bin(x).map(|bin| (x, bin)))
        .find(|(x, bin)| {
            permutation.inverse(*x) >= 1 << 14 && coin_file.ball(*bin).unwrap().exists()
        })
        .unwrap();
    let at = crate::coin_file::bin_offset(&test_params(), bin);
    let word = Stored { x, status: Status::EXISTS }.word();
    directory.open(NAME, Open::Write).unwrap().write_at(&word.to_le_bytes(), at).unwrap();
    let report = Bench::new(&directory).verify().unwrap();
    assert!(report.faults[0].contains("was never tossed"), "{report:?}");
}

/// A ball that was tossed and is good, but after another good one of its group.
#[test]
fn a_ball_that_is_not_the_first_of_its_group_is_a_fault() {
    let params = test_params();
    let directory = minted(&params);
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let (rules, walk) = (CoinRules::new(params.clone()), config(&params, &key()).walk);
    let (x, bin) = stored_balls(&coin_file)
        .into_iter()
        .flat_map(|(_, x)| group_of(&params, walk, x).skip_while(move |other| *other != x).skip(1))
        .find_map(|x| Some((x, rules.bin(x)?)))
        .unwrap();
    let at = crate::coin_file::bin_offset(&params, bin);
    let word = Stored { x, status: Status::EXISTS }.word();
    directory.open(NAME, Open::Write).unwrap().write_at(&word.to_le_bytes(), at).unwrap();
    let report = Bench::new(&directory).verify().unwrap();
    let expected = format!("bin {bin}: the ball {x:x} is not the first of its group");
    assert!(report.faults.iter().any(|fault| fault.contains(&expected)), "{report:?}");
}
