//! Whole mints: the file is that of the obvious mint, whatever the number of threads, the stops and
//! the crashes.

use super::*;

/// The obvious mint: every toss in order; the first good ball of a group is kept, and the first one
/// kept for a bin stays.
fn obvious(params: &Params) -> HashMap<Bin, u64> {
    let rules = CoinRules::new(params.clone());
    let (permutation, mut last_group) = (permutation(params), None);
    let mut balls = HashMap::new();
    for i in 0..1u64 << params.raw().input_bits {
        let x = permutation.forward(i);
        let Some(bin) = rules.bin(x) else { continue };
        let group = i / permutation.group_size();
        if last_group.replace(group) != Some(group) {
            balls.entry(bin).or_insert(x);
        }
    }
    balls
}

#[test]
fn the_file_holds_what_the_obvious_mint_holds() {
    for params in [
        test_params(),
        sized(6, 3, 2, 0, 13, HashName::Sha256),
        sized(7, 5, 3, 3, 15, HashName::Sha256),
        sized(7, 5, 3, 8, 20, HashName::Sha256),
        // Less than 256 tosses, and less than a group of 16.
        sized(6, 3, 2, 1, 7, HashName::Des),
        sized(6, 3, 2, 1, 3, HashName::Des),
        sized(6, 3, 2, 0, 1, HashName::Sha256),
    ] {
        let directory = minted(&params);
        let coin_file = CoinFile::open(&directory, NAME).unwrap();
        let balls = obvious(&params);
        assert_eq!(coin_file.minting_state().unwrap().ball_count, balls.len() as u64, "{params}");
        for superbin in 0..params.superbin_count() as u32 {
            let found = coin_file.superbin(superbin).unwrap();
            let expected: Vec<Option<u64>> = (0..params.subbin_count())
                .map(|subbin| balls.get(&Bin { superbin, subbin }).copied())
                .collect();
            let stored: Vec<Option<u64>> = (0..params.subbin_count())
                .map(|subbin| {
                    found.balls().find(|(at, _)| *at == subbin).map(|(_, stored)| stored.x)
                })
                .collect();
            assert_eq!(stored, expected, "{params}");
            assert_eq!(found.header.ball_count as usize, expected.iter().flatten().count());
            assert!(found.balls().all(|(_, stored)| stored.status == Status::EXISTS));
        }
    }
}

#[test]
fn threads_leave_no_trace() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    for threads in [2, 3, 70] {
        let directory = SimulatedDirectory::new();
        Bench { threads, ..Bench::new(&directory) }.run().unwrap();
        assert!(directory.bytes(NAME).unwrap() == expected, "{threads} threads");
    }
}

#[test]
fn stopping_anywhere_and_going_on_leaves_no_trace() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    for stop_at in 1..10 {
        let directory = SimulatedDirectory::new();
        let mut runs = 0;
        loop {
            let threads = 1 + runs % 3;
            // Several units per run, in one or more stretches.
            let tick = Duration::from_millis([10, 700][runs % 2]);
            let run = Bench { stop_at: stop_at * 7, threads, tick, ..Bench::new(&directory) }
                .run()
                .unwrap();
            runs += 1;
            let MintOutcome::Stopped(state) = run else { break };
            assert_eq!(
                CoinFile::inspect(&directory, NAME).unwrap().minting_state().unwrap(),
                state
            );
            assert!(matches!(
                CoinFile::open(&directory, NAME),
                Err(CoinFileError::Incomplete { .. })
            ));
            assert!(runs < 100);
        }
        assert!(runs > 1, "it was never stopped");
        assert!(directory.bytes(NAME).unwrap() == expected, "stopped every {stop_at}");
    }
}

/// Crashes at every step of a whole mint, with every kind of loss, and continues.
#[test]
fn a_crash_at_any_step_loses_nothing() {
    let whole = SimulatedDirectory::new();
    let bench = |directory: &SimulatedDirectory, threads| {
        Bench { threads, tick: Duration::from_millis(120), ..Bench::new(directory) }.run()
    };
    bench(&whole, 1).unwrap();
    let (steps, expected) = (whole.steps(), whole.bytes(NAME).unwrap());
    assert!(steps > 20, "{steps} steps");
    for step in 0..steps {
        for survives in [Survives::Written, Survives::Synced, Survives::Some(5), Survives::Some(77)]
        {
            let directory = SimulatedDirectory::new();
            directory.crash_after(step);
            assert!(bench(&directory, 1).is_err());
            let after = directory.after_crash(survives);
            if after.names().unwrap().iter().any(|name| name == NAME) {
                CoinFile::inspect(&after, NAME).unwrap();
            }
            bench(&after, 2).unwrap();
            assert!(after.bytes(NAME).unwrap() == expected, "step {step} {survives:?}");
        }
    }
}

/// A stop keeps what was tossed; a crash loses only the stretch in progress.
#[test]
fn what_a_stretch_placed_is_not_tossed_again() {
    let directory = SimulatedDirectory::new();
    let run = Bench { stop_at: 20, ..Bench::new(&directory) }.run().unwrap();
    let MintOutcome::Stopped(MintingState { next_toss, .. }) = run else { panic!("{run:?}") };
    // A unit is 256 tosses.
    assert_eq!(next_toss, 20 * 256);
}

#[test]
fn a_complete_file_is_never_minted_into_again() {
    let directory = minted(&test_params());
    let before = directory.bytes(NAME).unwrap();
    assert!(matches!(Bench::new(&directory).run().unwrap(), MintOutcome::AlreadyComplete(_)));
    assert!(directory.bytes(NAME).unwrap() == before);
}

/// Real DES, 2^12 bins at three loads: the fraction of filled bins is that of the plan within four
/// standard deviations.
#[test]
fn expected_and_actual_fill_agree() {
    for b in [15, 16, 17] {
        let params = sized(8, 4, 4, 4, b, HashName::Des);
        let directory = minted(&params);
        let found =
            CoinFile::open(&directory, NAME).unwrap().minting_state().unwrap().ball_count as f64;
        let plan = MintPlan::new(&params, config(&params, &key()).walk);
        let deviation = (plan.bin_count as f64 * plan.fill * (1.0 - plan.fill)).sqrt();
        let distance = (found - plan.stored_balls) / deviation;
        assert!(distance.abs() < 4.0, "b {b}: expected {}, found {found}", plan.stored_balls);
    }
}
