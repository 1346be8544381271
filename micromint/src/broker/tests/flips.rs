//! A single flipped bit in the coins, the user, the digest of the URL, the owner tokens or the
//! authenticator of a payment is enough that the broker does not accept it when it is judged.

use super::*;

/// Flips every bit of the record, one at a time. The result is malformed, fails a check, or is a
/// claim that waits behind every valid one.
#[test]
fn no_payment_with_a_flipped_bit_is_accepted() {
    let mut world = world();
    let coins = MINT.coins(&world.alice, &world.news, 0);
    let right = payment(&world.alice, &world.news, "page?q=1", &coins[..2]);
    let record = right.record().to_bytes();
    let (mut refused, mut waiting) = (0, 0);
    for bit in 0..record.len() * 8 {
        let mut flipped = record.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let name = format!("b{bit}");
        let verdicts =
            redeem(&mut world.broker, &batch_of_records(&world.news, &name, &[flipped]), DURING);
        assert!(!verdicts.contains(&Verdict::Accepted), "bit {bit} of {record:?}");
        if verdicts.contains(&Verdict::Waiting) { waiting += 1 } else { refused += 1 }
    }
    assert_eq!(world.broker.status().coins.paid, 0);
    // Flips in digest and authenticator make both coins wait, since the token is right. Flips in
    // the data of one coin make the other one wait, unless the first ball falls into another
    // superbin: then the payment has not one token for each set.
    let keeps_token = |bit: usize| {
        let (ball, x) = (bit / 64, right.x[bit / 64] ^ 1 << (63 - bit % 64));
        let superbin = |x| MINT.rules().bin(x).map(|bin| bin.superbin);
        ball % 4 != 0 || superbin(x).is_none_or(|it| Some(it) == superbin(right.x[ball]))
    };
    let of_data = (0..right.x.len() * 64).filter(|bit| keeps_token(*bit)).count();
    assert_eq!(waiting, 8 * (32 + 16) + of_data);
    assert_eq!(refused, 8 * record.len() - waiting);
    // The unchanged payment is paid before all that wait.
    let good = batch(&world.news, "right", &[right]);
    assert_eq!(redeem(&mut world.broker, &good, DURING), [Verdict::Accepted; 2]);
    assert_eq!(redeem(&mut world.broker, &good, CLOSED), [Verdict::Accepted; 2]);
    assert_eq!(world.broker.status().coins.paid, 2);
}

/// Flips every bit of the decoded coins: none of the results is accepted, since every ball must be
/// one that the broker minted.
#[test]
fn no_coin_with_a_flipped_bit_is_accepted() {
    let mut world = world();
    let coin = MINT.coins(&world.alice, &world.news, 0).remove(0);
    let payments: Vec<Payment> = (0..4 * 64)
        .map(|bit| {
            let mut flipped = coin.clone();
            flipped[bit / 64] ^= 1 << (bit % 64);
            // Signed by the owner of the coin, so that only the coin itself is wrong.
            payment(&world.alice, &world.news, "a", &[flipped])
        })
        .collect();
    let verdicts = redeem(&mut world.broker, &batch(&world.news, "b", &payments), DURING);
    assert_eq!(verdicts.len(), 256);
    assert!(verdicts.iter().all(|verdict| verdict.is_rejection()), "{verdicts:?}");
}
