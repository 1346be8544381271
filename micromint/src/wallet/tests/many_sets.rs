//! A payment has one owner token for each set of its coins, and at most [`OWNER_TOKENS_MAX`].

use super::*;
use crate::hash::HashName;
use crate::protocol::OWNER_TOKENS_MAX;

/// A period of 512 sets.
static LARGE: LazyLock<ObviousMint> =
    LazyLock::new(|| ObviousMint::new(params_with(|raw| resize(raw, 10, 3, 4, 2, HashName::Des))));

/// A wallet in which the set with number i has `coins[i]` coins that are good at `news.example`.
fn with_coins(coins: &[usize]) -> Wallet {
    let (alice, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
    let firsts: Vec<u32> = (0..).step_by(2).take(coins.len()).collect();
    let mut funds = LARGE.funds(&alice, &key(), &firsts, 1);
    for ((set, first), count) in funds.sets.iter_mut().zip(&firsts).zip(coins) {
        let good = LARGE.coins(&alice, &vendor, *first);
        set.superbins[0] = good[..*count].iter().map(|coin| coin[0]).collect();
    }
    let mut wallet = open(&SimulatedDirectory::new());
    let received = wallet.receive(&funds, NOW).unwrap();
    assert!(matches!(received, Received::New { .. }), "{received:?}");
    wallet
}

/// Pays, checks the payment as a vendor does, and returns the number of its sets.
fn sets_paid(wallet: &mut Wallet, price: u32) -> usize {
    let page = request("https://news.example/a", price);
    let payment = Payment::parse(&sent(pay(wallet, &page)).message).unwrap();
    assert_eq!(payment.coins, price);
    let vendor = VendorVector::new(LARGE.params(), &payment.vendor);
    LARGE.rules().check(&LARGE.user_vector(&payment.user), &vendor, &payment.x).unwrap();
    let coins: Vec<Vec<u64>> = payment.x.chunks(payment.coin_size()).map(<[u64]>::to_vec).collect();
    let tokens = LARGE.owner_tokens(&key(), &payment.vendor, &coins);
    assert_eq!(payment.owner_tokens, tokens);
    tokens.len()
}

fn spendable(wallet: &mut Wallet, price: u32) -> u32 {
    match refusal(pay(wallet, &request("https://news.example/b", price))) {
        Unpayable::TooFewCoins { spendable, .. } => spendable,
        other => panic!("expected too few coins, found {other}"),
    }
}

#[test]
fn a_payment_uses_at_most_256_sets() {
    let most = OWNER_TOKENS_MAX as u32;
    let mut wallet = with_coins(&[1; 300]);
    assert_eq!(spendable(&mut wallet, most + 1), most);
    assert_eq!(sets_paid(&mut wallet, most), OWNER_TOKENS_MAX);
    assert_eq!(spendable(&mut wallet, 45), 44);
    assert_eq!(sets_paid(&mut with_coins(&[1; OWNER_TOKENS_MAX]), most), OWNER_TOKENS_MAX);
}

/// The sets in their order would be too many; those with the most coins are enough.
#[test]
fn the_sets_with_the_most_coins_pay_if_the_others_are_too_many() {
    let coins: Vec<usize> = [[1; 256].as_slice(), &[2; 44]].concat();
    // 44 sets with two coins, and 212 of the others.
    let most = 2 * 44 + 212;
    assert_eq!(spendable(&mut with_coins(&coins), most + 1), most);
    assert_eq!(sets_paid(&mut with_coins(&coins), most), OWNER_TOKENS_MAX);
    // Where the sets in their order are few enough, they pay.
    assert_eq!(sets_paid(&mut with_coins(&coins), 100), 100);
}
