//! Bins that are declared compromised.

use super::*;

fn range(superbin: u32, first: u32, count: u32) -> BinRange {
    BinRange { superbin, first, count }
}

/// A bin that is declared compromised after the sale stops only payments that may be a
/// stranger's.
#[test]
fn compromised_balls_stop_doubtful_payments_and_are_not_sold() {
    let mut broker = open();
    let (alice, news) = (user("alice"), vendor("news.example"));
    broker.register_vendor(&news, DURING).granted().unwrap();
    let sold = broker.withdraw(&alice, 1, 1, DURING).unwrap().granted().unwrap();
    let coins = MINT.coins(&alice, &news, 0);
    // The last ball of the second coin is in an odd superbin, the first ball of the third in
    // the first superbin.
    let bin = MINT.rules().bin(coins[1][3]).unwrap();
    let first = MINT.rules().bin(coins[2][0]).unwrap();
    let mut compromise = |bin: Bin| {
        let bins = range(bin.superbin, bin.subbin, 1);
        broker.compromise(bins).unwrap().granted().unwrap()
    };
    assert_eq!((compromise(bin), compromise(bin), compromise(first)), (1, 0, 1));
    let paid = payment(&alice, &news, "a", &coins[..4]);
    let doubtful = batch(&news, "b1", &[with_junk(paid.clone())]);
    use Verdict::{Accepted, Compromised, Waiting};
    let expected = [Waiting, Compromised, Compromised, Waiting];
    assert_eq!(redeem(&mut broker, &doubtful, DURING), expected);
    let certain = batch(&news, "b2", &[payment(&alice, &news, "b", &coins[..2])]);
    assert_eq!(redeem(&mut broker, &certain, DURING), [Accepted; 2]);
    // The sale is still the same message, and the ball can be returned.
    let again = broker.withdraw(&alice, 1, 1, DURING).unwrap().granted().unwrap();
    assert_eq!(again, sold);
    let back = return_of(&alice, "r", &[coins[2][0]]);
    assert_eq!(take_back(&mut broker, &back, EXPIRED), [Waiting]);
    assert!(broker.settle(CLOSED));
    assert_eq!(take_back(&mut broker, &back, CLOSED), [Accepted]);
}

#[test]
fn a_set_is_sold_without_compromised_balls_and_costs_less() {
    let mut broker = open();
    let (alice, news) = (user("alice"), vendor("news.example"));
    broker.register_vendor(&news, DURING).granted().unwrap();
    let minted = MINT.set(&alice, 0).superbins[0].len();
    let gone = broker.compromise(range(0, 0, 8)).unwrap().granted().unwrap() as usize;
    assert!((1..minted).contains(&gone), "{gone} of {minted}");
    let funds = broker.withdraw(&alice, 1, 2, DURING).unwrap().granted().unwrap();
    assert_eq!(funds.sets[0].superbins[0].len(), minted - gone);
    let account = broker.user_account(&alice).unwrap();
    assert_eq!(account.coins_sold, (minted - gone) as u64);
    // What was not delivered is neither paid nor credited, no matter who found it.
    let withheld = |coin: &Vec<u64>| MINT.rules().bin(coin[0]).unwrap().subbin < 8;
    let coin = MINT.coins(&alice, &news, 0).into_iter().find(withheld).unwrap();
    let ball = coin[0];
    let found = batch(&news, "b", &[payment(&alice, &news, "a", &[coin])]);
    assert_eq!(redeem(&mut broker, &found, DURING), [Verdict::Compromised]);
    let back = return_of(&alice, "r", &[ball]);
    assert_eq!(take_back(&mut broker, &back, EXPIRED), [Verdict::Compromised]);
    let coins = broker.status().coins;
    assert_eq!((coins.sold, coins.lapsed), (account.coins_sold, account.coins_sold));
}

#[test]
fn bins_that_the_period_lacks_are_refused() {
    let mut broker = open();
    let last = MINT.params().superbin_count() as u32 - 1;
    let subbins = MINT.params().subbin_count();
    assert!(broker.compromise(range(last, 0, subbins)).unwrap().granted().is_some());
    let wrong = [range(last + 1, 0, 1), range(0, subbins, 1), range(0, 1, subbins), range(0, 0, 0)];
    for bins in wrong.into_iter().chain([range(0, u32::MAX, 2)]) {
        assert!(broker.compromise(bins).unwrap().refused().is_some(), "{bins:?}");
    }
}
