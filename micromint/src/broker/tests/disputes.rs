//! Disputed coins: how they arise, and what a person decides.

use super::*;

/// Alice returns ten coins of which she also paid two to news without a right Authenticator; 198
/// certain claims would be needed to let two doubtful ones pass, so news is held too.
fn disputed() -> (World, RequestRedemption, RequestCredit) {
    let mut world = world();
    let (alice, bob, news) = (world.alice.clone(), world.bob.clone(), world.news.clone());
    let (coins, bobs) = (MINT.coins(&alice, &news, 0), MINT.coins(&bob, &news, 4));
    let doubtful = [
        with_junk(payment(&alice, &news, "a", &coins[..2])),
        with_junk(payment(&bob, &news, "b", &bobs[..1])),
    ];
    let sent = batch(&news, "b1", &doubtful);
    assert_eq!(redeem(&mut world.broker, &sent, DURING), [Verdict::Waiting; 3]);
    let x: Vec<u64> = coins[..10].iter().map(|coin| coin[0]).collect();
    let back = return_of(&alice, "r1", &x);
    assert_eq!(take_back(&mut world.broker, &back, EXPIRED), [Verdict::Waiting; 10]);
    assert_eq!(world.broker.disputes(), []);
    assert!(world.broker.settle(CLOSED));
    (world, sent, back)
}

fn decide(world: &mut World, user: Option<&str>, ruling: Ruling) -> (u64, u64, u64, u64) {
    let (user, news) = (user.map(super::user), world.news.clone());
    let outcome = world.broker.decide_dispute(&news, user.as_ref(), ruling);
    let RulingOutcome { paid, credited, lapsed, disputed } = outcome.granted().unwrap();
    (paid, credited, lapsed, disputed)
}

/// Paid, credited and disputed coins; they must add up.
fn coins(world: &mut World) -> (u64, u64, u64) {
    let coins = world.broker.status().coins;
    assert!(coins.is_balanced());
    (coins.paid, coins.credited, coins.disputed)
}

#[test]
fn disputes_are_listed_by_vendor_and_user() {
    let (mut world, sent, back) = disputed();
    let listed = world.broker.disputes();
    let row = |it: &Dispute| {
        let names = format!("{} {}", it.vendor, it.user);
        (names, it.coins, it.returned, it.users_of_vendor, it.vendors_of_user, it.is_held)
    };
    let expected = [
        ("news.example alice".to_string(), 2, 2, 2, 1, true),
        ("news.example bob".to_string(), 1, 0, 2, 1, true),
    ];
    assert_eq!(listed.iter().map(row).collect::<Vec<_>>(), expected);
    assert_eq!(coins(&mut world), (0, 8, 3));
    assert_eq!(redeem(&mut world.broker, &sent, CLOSED), [Verdict::Disputed; 3]);
    let verdicts = take_back(&mut world.broker, &back, CLOSED);
    assert_eq!(verdicts[..2], [Verdict::Disputed; 2]);
    assert_eq!(verdicts[2..], [Verdict::Accepted; 8]);
    let account = world.broker.vendor_account(&world.news).unwrap();
    assert_eq!((account.coins_disputed, account.coins_paid), (3, 0));
}

#[test]
fn a_person_can_pay_the_vendor() {
    let (mut world, sent, back) = disputed();
    assert_eq!(decide(&mut world, Some("alice"), Ruling::Pay), (2, 0, 0, 0));
    assert_eq!(coins(&mut world), (2, 8, 1));
    use Verdict::*;
    assert_eq!(redeem(&mut world.broker, &sent, CLOSED), [Accepted, Accepted, Disputed]);
    assert_eq!(take_back(&mut world.broker, &back, CLOSED)[..2], [AlreadyPaid; 2]);
    // A decision is final.
    let again = world.broker.decide_dispute(&world.news, Some(&world.alice), Ruling::Refuse);
    assert!(matches!(again, Reply::Refused(RulingRefusal::NoDispute { .. })));
    assert_eq!(coins(&mut world), (2, 8, 1));
}

#[test]
fn a_person_can_refuse_the_vendor() {
    let (mut world, sent, back) = disputed();
    // Alice is credited, bob did not return his coin.
    assert_eq!(decide(&mut world, None, Ruling::Refuse), (0, 2, 1, 0));
    assert_eq!(coins(&mut world), (0, 10, 0));
    assert_eq!(redeem(&mut world.broker, &sent, CLOSED), [Verdict::NotFromOwner; 3]);
    assert_eq!(take_back(&mut world.broker, &back, CLOSED), [Verdict::Accepted; 10]);
    assert_eq!(world.broker.disputes(), []);
}

/// A vendor with at most one claim of rank 2 in a hundred is paid for it, unless it was returned.
#[test]
fn a_vendor_with_few_doubtful_claims_is_paid() {
    let mut broker = open();
    let (alice, news) = (user("alice"), vendor("news.example"));
    broker.register_vendor(&news, DURING).granted().unwrap();
    broker.withdraw(&alice, 10, 1, DURING).unwrap().granted().unwrap();
    let all: Vec<Vec<u64>> =
        (0..10).flat_map(|set| MINT.coins(&alice, &news, 2 * set)).take(100).collect();
    assert_eq!(all.len(), 100);
    let sent = batch(
        &news,
        "b1",
        &[
            payment(&alice, &news, "a", &all[..99]),
            with_junk(payment(&alice, &news, "b", &all[99..])),
        ],
    );
    let verdicts = redeem(&mut broker, &sent, DURING);
    assert_eq!(verdicts[..99], [Verdict::Accepted; 99]);
    assert_eq!(verdicts[99], Verdict::Waiting);
    assert!(broker.settle(CLOSED));
    assert_eq!(redeem(&mut broker, &sent, CLOSED)[99], Verdict::Accepted);
    let coins = broker.status().coins;
    assert_eq!((coins.paid, coins.disputed), (100, 0));
    assert!(coins.is_balanced());
}
