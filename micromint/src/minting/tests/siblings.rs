//! At most one ball of a group is stored, and two periods share no balls.

use super::*;

/// Measured before the rule: of the siblings of stored balls with the right fixed bits half were
/// stored too, so that a buyer found balls of others.
#[test]
fn no_sibling_of_a_stored_ball_is_stored() {
    for params in [test_params(), sized(7, 5, 3, 8, 22, HashName::Sha256)] {
        let directory = minted(&params);
        let mut balls = stored_balls(&CoinFile::open(&directory, NAME).unwrap());
        let walk = config(&params, &key()).walk;
        let (rules, mut good_siblings) = (CoinRules::new(params.clone()), 0);
        balls.sort_unstable_by_key(|(_, x)| *x);
        for (_, x) in &balls {
            for sibling in group_of(&params, walk, *x).filter(|sibling| sibling != x) {
                good_siblings += u32::from(rules.bin(sibling).is_some());
                assert!(balls.binary_search_by_key(&sibling, |(_, x)| *x).is_err());
            }
        }
        assert!(good_siblings > 400, "{good_siblings} siblings could have been stored");
    }
}

/// The same for 10^5 siblings in a file of the profile `demo`, which takes minutes without
/// optimisation: `cargo test --release -p micromint --lib -- --ignored siblings_on_demo`.
#[test]
#[ignore = "mints the demo profile"]
fn no_siblings_on_demo() {
    let params = sized(15, 6, 4, 8, 31, HashName::Des);
    let folder = tempfile::tempdir().unwrap();
    let directory = DiskDirectory::new(folder.path());
    let config = config(&params, &key());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let job = MintJobBuilder::new(&directory, NAME, &config).with_threads(threads).build().unwrap();
    assert!(matches!(job.mint().unwrap(), MintOutcome::Complete(_)));
    let coin_file = CoinFile::open(&directory, NAME).unwrap();
    let (rules, mut looked, mut good) = (CoinRules::new(params.clone()), 0, 0);
    for (_, x) in stored_balls(&coin_file) {
        for sibling in group_of(&params, config.walk, x).filter(|sibling| *sibling != x) {
            looked += 1;
            if let Some(bin) = rules.bin(sibling) {
                good += 1;
                assert_ne!(coin_file.ball(bin).unwrap().x, sibling);
            }
        }
        if looked >= 100_000 {
            break;
        }
    }
    assert!(good > 100, "{good} good siblings of {looked}");
    assert_eq!(job.verify().unwrap().unwrap().fault_count, 0);
}

/// Under one input key a second period with the same iv and fixed bits, in which the same balls are
/// good, stores others.
#[test]
fn one_input_key_in_two_periods_gives_unrelated_balls() {
    let balls = |period: &str| {
        let params = params_with(|raw| raw.period = period.parse().unwrap());
        let directory = minted(&params);
        let balls = stored_balls(&CoinFile::open(&directory, NAME).unwrap());
        balls.into_iter().map(|(_, x)| x).collect::<HashSet<u64>>()
    };
    let [first, second, again] = ["2026-12", "2027-01", "2026-12"].map(balls);
    // Of 2^16 tosses in 2^56 inputs, two periods share 2^-24 on average.
    assert!(first.len() > 900 && first.is_disjoint(&second) && first == again);
}
