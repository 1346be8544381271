//! Offenders, suspects, alarms and blocks, from real messages.

use sha2::{Digest, Sha256};

use super::*;
use crate::authenticator::OwnerToken;
use crate::coin_file::CoinFile;

/// The same payment with a wrong Authenticator and wrong tokens, as a stranger would send it.
fn by_stranger(mut payment: Payment) -> Payment {
    payment.owner_tokens.iter_mut().for_each(|token| *token = OwnerToken::from_bytes([9; 8]));
    with_junk(payment)
}

/// The payment with a ball of one coin replaced by another ball of the same bin.
fn spoiled(world: &World, vendor: &VendorId, page: &str, coin: &[u64], ball: usize) -> Payment {
    let bin = MINT.rules().bin(coin[ball]);
    let mut spoiled = coin.to_vec();
    spoiled[ball] = (1 << 15..).find(|x| MINT.rules().bin(*x) == bin).unwrap();
    payment(&world.alice, vendor, page, &[spoiled])
}

fn names(broker: &MemoryBroker) -> Vec<String> {
    broker.offenders().iter().map(|found| found.user.to_string()).collect()
}

fn suspects(broker: &MemoryBroker) -> Vec<String> {
    let found = broker.suspicions();
    found.users.iter().map(|found| found.user.to_string()).collect()
}

/// Verdicts do not tell a stranger whether a ball is the minted one.
#[test]
fn strangers_get_one_verdict_for_every_ball() {
    let mut world = world();
    let (alice, bob, news) = (&world.alice, &world.bob, &world.news);
    let coins = MINT.coins(alice, news, 0);
    let sent = [
        by_stranger(payment(alice, news, "a", &coins[..1])),
        by_stranger(spoiled(&world, news, "b", &coins[1], 0)),
        by_stranger(spoiled(&world, news, "c", &coins[2], 3)),
        by_stranger(payment(bob, news, "d", &coins[3..4])),
        by_stranger(payment(alice, news, "e", &MINT.coins(alice, news, 10)[..1])),
        by_stranger(payment(&user("nobody"), news, "f", &coins[4..5])),
    ];
    let (first, shown) = (batch(news, "b1", &sent), watch(news, "w1", &sent));
    let answer = world.broker.watch(&shown, DURING).unwrap().granted().unwrap();
    assert_eq!(answer.result.verdicts, [Verdict::NotFromOwner; 6]);
    assert_eq!(redeem(&mut world.broker, &first, DURING), [Verdict::NotFromOwner; 6]);
    // A return likewise: minted, spoiled and unsold balls of others.
    let x = [coins[0][0], coins[1][0], MINT.coins(&world.alice, &world.news, 10)[0][0]];
    let back = return_of(&world.bob, "r1", &x);
    assert_eq!(take_back(&mut world.broker, &back, EXPIRED), [Verdict::NotFromOwner; 3]);
    // Nobody is named: anybody can have made the payments. But there is an alarm.
    assert_eq!(names(&world.broker), [""; 0]);
    assert_eq!(suspects(&world.broker), [""; 0]);
    let row = |it: Alarm| (it.forged, it.not_from_owner, it.invented);
    assert_eq!(row(world.broker.status().alarm), (0, 15, 2));
    let alarms = world.broker.alarms();
    assert_eq!(alarms.vendors.len(), 1);
    assert_eq!(alarms.vendors[0].vendor, world.news);
    assert_eq!(row(alarms.vendors[0].coins), (0, 12, 2));
    let users: Vec<_> = alarms.users.iter().map(|it| (it.user.as_str(), row(it.coins))).collect();
    assert_eq!(users, [("alice", (0, 8, 0)), ("bob", (0, 5, 0))]);
}

/// A coin that is paid twice at one vendor, as the wallet does after a reversal, blames nobody.
#[test]
fn a_coin_paid_twice_at_one_vendor_is_no_offence() {
    let mut world = world();
    let coins = MINT.coins(&world.alice, &world.news, 0);
    let [one, other] = ["a", "b"].map(|page| payment(&world.alice, &world.news, page, &coins[..2]));
    let sent = batch(&world.news, "b1", &[one, other]);
    use Verdict::{Accepted, AlreadyPaid};
    let expected = [Accepted, Accepted, AlreadyPaid, AlreadyPaid];
    assert_eq!(redeem(&mut world.broker, &sent, DURING), expected);
    assert_eq!(names(&world.broker), [""; 0]);
    let found = world.broker.suspicions();
    assert_eq!(found.users, []);
    assert_eq!(found.vendors, [(world.news.clone(), 2)]);
}

/// One coin at eight vendors, all but one with a random Authenticator: seven are refused, and
/// people learn of it. The vendors alone could have made this, so it is no proof.
#[test]
fn random_authenticators_hide_nothing() {
    let mut world = world();
    let alice = world.alice.clone();
    let both = coins_at_both(&alice, &world.news, &world.shop, 0);
    let (news, shop) = (world.news.clone(), world.shop.clone());
    let hidden = with_junk(payment(&alice, &news, "a", std::slice::from_ref(&both[0].0)));
    let right = payment(&alice, &shop, "b", std::slice::from_ref(&both[0].1));
    let hidden = batch(&news, "b1", &[hidden]);
    assert_eq!(redeem(&mut world.broker, &hidden, DURING), [Verdict::Waiting]);
    let right = batch(&shop, "b1", &[right]);
    assert_eq!(redeem(&mut world.broker, &right, DURING), [Verdict::Accepted]);
    assert!(world.broker.settle(CLOSED));
    assert_eq!(redeem(&mut world.broker, &hidden, CLOSED), [Verdict::AlreadyPaid]);
    assert_eq!(names(&world.broker), [""; 0]);
    assert_eq!(suspects(&world.broker), ["alice"]);
}

/// Two signed payments of one coin at two vendors name the user as soon as the watch knows both.
#[test]
fn the_watch_is_evidence_and_pays_nothing() {
    let mut world = world();
    let (alice, news, shop) = (world.alice.clone(), world.news.clone(), world.shop.clone());
    let both = coins_at_both(&alice, &news, &shop, 0);
    let one = [payment(&alice, &news, "a", std::slice::from_ref(&both[0].0))];
    let other = [payment(&alice, &shop, "b", std::slice::from_ref(&both[0].1))];
    let mut show = |vendor: &VendorId, payments: &[Payment], when| {
        let shown = watch(vendor, "w1", payments);
        let answer = world.broker.watch(&shown, when).unwrap().granted().unwrap();
        assert!(answer.result.is_authentic(&secret().vendor_key(vendor).sync_key()));
        assert_eq!(answer.result.verdicts, [Verdict::Accepted]);
        answer.is_repeated
    };
    let later = DURING.plus_seconds(5);
    assert!(!show(&news, &one, DURING));
    assert!(show(&news, &one, later));
    assert!(!show(&shop, &other, later));
    assert_eq!(names(&world.broker), ["alice"]);
    let found = &world.broker.offenders()[0];
    assert_eq!((found.first, found.last), (DURING, later));
    let status = world.broker.status();
    assert_eq!((status.watches, status.coins.paid, status.batches), (2, 0, 0));
    assert_eq!(redeem(&mut world.broker, &batch(&news, "b1", &one), DURING), [Verdict::Accepted]);
    // Other content under the same Watch-ID, the key that redeems, another period, a stranger.
    let mut refuse = |shown: RequestWatch| {
        world.broker.watch(&shown, DURING).unwrap().refused().unwrap().to_string()
    };
    assert!(refuse(watch(&news, "w1", &[])).contains("with other content"));
    let redeeming = watch(&news, "w2", &one).authenticated(&secret().vendor_key(&news));
    assert!(refuse(redeeming).contains("the authenticator is not that of news.example"));
    let mut other = watch(&news, "w2", &one);
    other.period = "2027-01".parse().unwrap();
    assert!(refuse(other).contains("is of period 2027-01"));
    assert!(refuse(watch(&vendor("inn.example"), "w1", &[])).contains("not registered"));
}

/// A signed ball that was not minted names its user, unless the broker's own file is damaged.
#[test]
fn signed_forgeries_name_the_payer_unless_the_coin_file_is_damaged() {
    let sent = |world: &World| {
        let coins = MINT.coins(&world.alice, &world.news, 0);
        let payments = [
            spoiled(world, &world.news, "a", &coins[0], 0),
            spoiled(world, &world.news, "b", &coins[1], 2),
        ];
        batch(&world.news, "b1", &payments)
    };
    let mut world = world();
    let sent = sent(&world);
    let answer = world.broker.redeem(&sent, DURING).unwrap().granted().unwrap();
    // Another first ball may be the broker's error; a minted first ball is paid.
    assert_eq!(answer.result.verdicts, [Verdict::Waiting, Verdict::Accepted]);
    assert_eq!(answer.alarm.forged, 2);
    assert_eq!(names(&world.broker), ["alice"]);
    assert_eq!(world.broker.offenders()[0].forged, 2);

    let directory = directory();
    let coin_file = CoinFile::open_read(&directory, NAME).unwrap();
    let coins = MINT.coins(&world.alice, &world.news, 0);
    for x in [coins[0][0], coins[1][2]] {
        let bin = MINT.rules().bin(x).unwrap();
        let superbin = coin_file.superbin(bin.superbin).unwrap();
        let at = superbin.bins.iter().position(|word| word & crate::coin_file::X_MASK == x);
        let mut bytes = directory.bytes(NAME).unwrap();
        let word = superbin.bins[at.unwrap()].to_le_bytes();
        let place = bytes.windows(8).position(|window| window == word).unwrap();
        bytes[place] ^= 1;
        directory.put(NAME, &bytes);
    }
    let mut damaged = world_in(&directory);
    let good = [payment(&damaged.alice, &damaged.news, "a", &coins[..2])];
    let good = batch(&damaged.news, "b2", &good);
    let verdicts = redeem(&mut damaged.broker, &good, DURING);
    assert_eq!(verdicts, [Verdict::Waiting, Verdict::Accepted]);
    assert_eq!(names(&damaged.broker), [""; 0]);
}

/// Signing a coin of someone else's set is proof too, before any ball is looked up.
#[test]
fn a_signed_coin_of_an_unsold_set_names_the_payer() {
    let mut world = world();
    let coin = MINT.coins(&world.alice, &world.news, 10).remove(0);
    let sent = batch(&world.news, "b1", &[payment(&world.alice, &world.news, "a", &[coin])]);
    assert_eq!(redeem(&mut world.broker, &sent, DURING), [Verdict::NotFromOwner]);
    assert_eq!(names(&world.broker), ["alice"]);
}

#[test]
fn a_vendor_learns_whom_to_block_and_no_other_vendor_does() {
    let mut broker = open();
    let (news, shop) = (vendor("news.example"), vendor("shop.example"));
    for vendor in [&news, &shop] {
        broker.register_vendor(vendor, DURING).granted().unwrap();
    }
    let users: Vec<UserId> = (0..11).map(|i| user(&format!("user{i}"))).collect();
    for (i, user) in (0..).zip(&users) {
        broker.withdraw(user, 1, i, DURING).unwrap().granted().unwrap();
    }
    let pay = |i: usize, page: &str| {
        let coins = MINT.coins(&users[i], &news, 2 * i as u32);
        payment(&users[i], &news, page, &coins[..1])
    };
    let mut show = |name: &str, payments: &[Payment]| {
        let shown = watch(&news, name, payments);
        broker.watch(&shown, DURING).unwrap().granted().unwrap().result.blocked.users().to_vec()
    };
    // Junk in the name of user 3 does not block user 3, nor an invented name.
    let stranger = by_stranger(pay(3, "junk"));
    let invented = by_stranger(Payment { user: user("nobody"), ..pay(4, "junk") });
    assert_eq!(show("w1", &[stranger, invented]), []);
    // One of one user fails: that is the vendor's fault. One of eleven is not.
    assert_eq!(show("w2", &[with_junk(pay(0, "a"))]), []);
    let mut others: Vec<Payment> = (1..11).map(|i| pay(i, "a")).collect();
    // Invented names are not users of the hour, and do not push the real one out of the answer.
    let name = |i: usize| user(&format!("0nobody{i}"));
    others.extend((0..300).map(|i| by_stranger(Payment { user: name(i), ..pay(4, "junk") })));
    assert_eq!(show("w3", &others), users[..1]);
    let blocks = broker.blocked(&news, DURING);
    assert_eq!(blocks.users.into_iter().collect::<Vec<_>>(), [users[0].clone()]);
    assert_eq!(blocks.faults, []);
    assert!(broker.blocked(&shop, DURING).users.is_empty());
    assert!(broker.blocked(&news, DURING.plus_seconds(7200)).users.is_empty());
    let both = batch(&news, "b1", &[with_junk(pay(1, "b"))]);
    let answer = broker.redeem(&both, DURING).unwrap().granted().unwrap();
    // Two of eleven are more than a tenth.
    assert_eq!(answer.result.blocked.users(), []);
    let alarms = broker.alarms();
    assert_eq!((alarms.vendors[0].faults[0].users, alarms.vendors[0].faults[0].failing), (11, 2));
}

/// Found by search: their SHA-256 begin with the same 8 bytes.
const TWINS: [&str; 2] = ["alice.w-fb60d47499111a28", "mallory-76466e6d0dda3225"];

/// Whoever finds a name whose hash begins as that of another user blames nobody with it, and does
/// not hide behind it.
#[test]
fn users_whose_hashes_begin_alike_are_told_apart() {
    let heads = TWINS.map(|name| Sha256::digest(name)[..8].to_vec());
    assert_eq!(heads[0], heads[1]);
    let mut broker = open();
    let (news, shop) = (vendor("news.example"), vendor("shop.example"));
    for vendor in [&news, &shop] {
        broker.register_vendor(vendor, DURING).granted().unwrap();
    }
    let others = (0..9).map(|i| user(&format!("user{i}")));
    let users: Vec<UserId> = TWINS.into_iter().map(user).chain(others).collect();
    for (i, user) in (0..).zip(&users) {
        broker.withdraw(user, 1, i, DURING).unwrap().granted().unwrap();
    }
    let pay = |i: usize| {
        let coins = MINT.coins(&users[i], &news, 2 * i as u32);
        payment(&users[i], &news, "page", &coins[..1])
    };
    // Mallory cheats at one vendor: that vendor blocks mallory.
    let mut sent: Vec<Payment> = (0..users.len()).filter(|i| *i != 1).map(pay).collect();
    sent.push(with_junk(pay(1)));
    let blocked = |answer: &crate::protocol::Blocked| answer.users().to_vec();
    let shown = broker.watch(&watch(&news, "w1", &sent), DURING).unwrap().granted().unwrap();
    assert_eq!(blocked(&shown.result.blocked), users[1..2]);
    let judged = broker.redeem(&batch(&news, "b1", &sent), DURING).unwrap().granted().unwrap();
    assert_eq!(blocked(&judged.result.blocked), users[1..2]);
    // Mallory spends a coin at two vendors: mallory is the offender.
    let both = coins_at_both(&users[1], &news, &shop, 2);
    let (one, other) = both.last().unwrap();
    let one = payment(&users[1], &news, "a", std::slice::from_ref(one));
    let other = payment(&users[1], &shop, "b", std::slice::from_ref(other));
    assert_eq!(redeem(&mut broker, &batch(&news, "b2", &[one]), DURING), [Verdict::Accepted]);
    assert_eq!(redeem(&mut broker, &batch(&shop, "b1", &[other]), DURING), [Verdict::AlreadyPaid]);
    assert_eq!(names(&broker), TWINS[1..]);
    assert_eq!(suspects(&broker), [""; 0]);
    // Junk in the name of mallory counts for mallory.
    broker.redeem(&batch(&news, "b3", &[by_stranger(pay(1))]), DURING).unwrap().granted().unwrap();
    let alarms = broker.alarms();
    let named: Vec<&str> = alarms.users.iter().map(|alarm| alarm.user.as_str()).collect();
    assert_eq!(named, TWINS[1..]);
}

/// Whatever a thief paid in a name before anything was sold to it does not count against the buyer
/// who has it later.
#[test]
fn a_future_buyer_is_not_blocked_for_what_was_paid_in_her_name() {
    let mut world = world();
    let (news, carol) = (world.news.clone(), user("carol"));
    let stolen = MINT.coins(&world.alice, &news, 0);
    let junk = |number: usize| {
        let coins = &stolen[number..=number];
        by_stranger(payment(&carol, &news, "junk", coins))
    };
    let blocked = |broker: &mut MemoryBroker, number: usize, payments: &[Payment], when| {
        let name = format!("m{number}");
        let shown = broker.watch(&watch(&news, &name, payments), when).unwrap();
        let judged = broker.redeem(&batch(&news, &name, payments), when).unwrap();
        let (shown, judged) = (shown.granted().unwrap(), judged.granted().unwrap());
        let now = broker.blocked(&news, when).users.into_iter();
        let told = [shown.result.blocked, judged.result.blocked];
        let told = told.iter().flat_map(|it| it.users().to_vec());
        told.chain(now).collect::<Vec<UserId>>()
    };
    let broker = &mut world.broker;
    assert_eq!(blocked(broker, 1, &[junk(1), junk(2)], DURING), []);
    // The vendor is told by verdict, the broker by an alarm at this vendor.
    let first = batch(&news, "m1", &[junk(1), junk(2)]);
    assert_eq!(redeem(broker, &first, DURING), [Verdict::NotFromOwner; 2]);
    let alarms = broker.alarms();
    assert_eq!((alarms.vendors[0].coins.invented, alarms.users.len()), (4, 0));

    let first_superbin = 2 * (32 - broker.sets_left() as u32);
    broker.withdraw(&carol, 1, 99, DURING).unwrap().granted().unwrap();
    // Neither the messages from before, sent again, nor new ones block her.
    assert_eq!(blocked(broker, 1, &[junk(1), junk(2)], DURING), []);
    let coins = MINT.coins(&carol, &news, first_superbin);
    let own = payment(&carol, &news, "page", &coins[..1]);
    assert_eq!(blocked(broker, 2, &[junk(3), own.clone()], DURING), []);
    assert_eq!(redeem(broker, &batch(&news, "m3", &[own]), DURING), [Verdict::AlreadyPaid]);
    assert_eq!(broker.status().coins.paid, 1);
    assert_eq!(names(broker), [""; 0]);
    // What was paid before the sale is still nobody's.
    let alarms = broker.alarms();
    let users: Vec<_> =
        alarms.users.iter().map(|it| (it.user.as_str(), it.coins.not_from_owner)).collect();
    assert_eq!(users, [("carol", 2)]);
}
