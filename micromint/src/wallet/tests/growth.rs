//! How far a message can make the wallet grow.

use super::*;
use crate::hash::HashName;
use crate::protocol::SoldSet;
use crate::wallet::SPARSE_SIZE_MAX;
use crate::wallet::receive::BINS_PER_BALL_MAX;

/// A period whose sets have two superbins of 65536 bins: each takes exactly [`SPARSE_SIZE_MAX`].
fn wide() -> ObviousMint {
    ObviousMint::new(params_with(|raw| resize(raw, 3, 16, 2, 0, HashName::Sha256)))
}

/// Genuine sets with this number of balls in all, at least one in each first superbin.
fn with_balls(mint: &ObviousMint, firsts: &[u32], balls: usize) -> FundsWithdrawn {
    let mut funds = mint.funds(&"alice".parse().unwrap(), &key(), firsts, 1);
    let mut left = balls - firsts.len();
    for set in &mut funds.sets {
        for (place, superbin) in set.superbins.iter_mut().enumerate() {
            let first = usize::from(place == 0);
            let kept = left.min(superbin.len() - first);
            superbin.truncate(first + kept);
            left -= kept;
        }
    }
    assert_eq!(left, 0);
    funds
}

fn receive(directory: &SimulatedDirectory, funds: &FundsWithdrawn) -> Received {
    let funds = FundsWithdrawn::parse(&funds.to_bytes()).unwrap();
    open(directory).receive(&funds, NOW).unwrap()
}

#[test]
fn a_small_message_makes_the_wallet_grow_by_a_megabyte_at_most() {
    let mint = wide();
    // One ball: the message has some 600 bytes.
    let directory = SimulatedDirectory::new();
    let funds = with_balls(&mint, &[0], 1);
    assert!(funds.to_bytes().len() < 1000);
    assert!(matches!(receive(&directory, &funds), Received::New { coins: 1, .. }));
    let size = directory.bytes(NAME).unwrap().len() as u64;
    assert!((SPARSE_SIZE_MAX..SPARSE_SIZE_MAX + 20_000).contains(&size), "{size}");

    // With another set, there must be a ball for every 16 bins.
    let bins = 2 * 2 * 65_536;
    let enough = (bins / BINS_PER_BALL_MAX) as usize;
    let directory = SimulatedDirectory::new();
    match receive(&directory, &with_balls(&mint, &[0, 2], enough - 1)) {
        Received::Refused(why @ NotReceived::TooSparse { sets: 2, .. }) => {
            let says = "would take 2097152 bytes in the wallet and hold only 16383 balls";
            assert!(why.to_string().contains(says), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert!(directory.bytes(NAME).unwrap().len() < 100, "nothing was stored");
    let enough = with_balls(&mint, &[0, 2], enough);
    assert!(matches!(receive(&directory, &enough), Received::New { sets: 2, .. }));
}

/// Without a bound, a message of half a megabyte with 10,000 sets of one ball would take 40 GiB.
#[test]
fn the_largest_sets_are_bounded_in_number() {
    let mut funds = funds(&[4], 1);
    funds.params = params_with(|raw| resize(raw, 16, 16, 8, 0, HashName::Sha256));
    let max = FundsWithdrawn::sets_max(&funds.params);
    let set = SoldSet { superbins: vec![vec![1]; 8] };
    funds.sets = vec![set; max as usize + 1];
    let refused = receive(&SimulatedDirectory::new(), &funds);
    let expected = matches!(refused, Received::Refused(NotReceived::TooManySets { max: m, .. })
        if m == max);
    assert!(expected, "{refused:?}");
    funds.sets.pop();
    let refused = receive(&SimulatedDirectory::new(), &funds);
    assert!(matches!(refused, Received::Refused(NotReceived::TooSparse { .. })), "{refused:?}");
}
