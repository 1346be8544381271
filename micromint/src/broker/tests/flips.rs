//! A single flipped bit in the data, the identities, the URL, the period or the authenticator of a
//! payment is enough that the broker does not accept it when it is judged.

use super::*;

/// Flips every bit of the printed message, one at a time. The result is malformed, fails a check,
/// or is a claim that waits behind every valid one. Only flips that do not change the meaning (the
/// case of a header's name, an unknown header) may be paid.
#[test]
fn no_payment_with_a_flipped_bit_is_accepted() {
    let mut world = world();
    let coins = MINT.coins(&world.alice, &world.news, 0);
    let right = payment(&world.alice, &world.news, "page?q=1", &coins[..2]);
    let text = right.to_bytes();
    let (mut refused, mut waiting, mut unchanged) = (0, 0, 0);
    for bit in 0..text.len() * 8 {
        let mut flipped = text.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let name = format!("b{bit}");
        let is_same = Payment::parse(&flipped).is_ok_and(|payment| payment == right);
        if is_same {
            unchanged += 1;
            continue;
        }
        let verdicts =
            redeem(&mut world.broker, &batch_of_texts(&world.news, &name, &[flipped]), DURING);
        assert!(
            !verdicts.contains(&Verdict::Accepted),
            "bit {bit} of {:?}",
            String::from_utf8_lossy(&text)
        );
        if verdicts.contains(&Verdict::Waiting) { waiting += 1 } else { refused += 1 }
    }
    assert_eq!(world.broker.status(DURING).unwrap().coins_paid, 0);
    // Flips in URL and authenticator lead to waiting claims, all others to rejections.
    assert!(
        refused > 1000 && waiting > 100,
        "{refused} refused, {waiting} waiting, {unchanged} unchanged"
    );
    assert!(unchanged < 300, "{unchanged} of {} bits change nothing", text.len() * 8);
    // The unchanged payment is paid before all that wait.
    let good = batch(&world.news, "right", &[right]);
    assert_eq!(redeem(&mut world.broker, &good, DURING), [Verdict::Accepted; 2]);
    assert_eq!(redeem(&mut world.broker, &good, CLOSED), [Verdict::Accepted; 2]);
    assert_eq!(world.broker.status(CLOSED).unwrap().coins_paid, 2);
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
