//! Payments, returns and claims that vendors make up, mixed.

use std::collections::{BTreeSet, HashMap};

use micromint::bin::Bin;
use micromint::broker::Ruling;
use micromint::protocol::{Payment, Verdict};

use super::report::Report;
use super::returned_balls::search;
use super::world::{Buyer, Mint, Owners, World, coins_of, count};

/// The honest customers of a vendor.
const CUSTOMERS: u32 = 20;
/// The most coins that an honest vendor takes of one user in a day.
const CAP: u32 = 2;

fn customers(world: &mut World) -> Vec<Buyer> {
    // All coins of a customer fit in one payment.
    let each = (world.params().superbin_count() as u32 / 2 / 400).clamp(1, 6);
    (0..CUSTOMERS).map(|i| world.honest_buyer(&format!("reader-{i}"), each)).collect()
}

/// The first balls of a buyer that are not among `spent`.
fn unspent(buyer: &Buyer, spent: &BTreeSet<u64>) -> Vec<u64> {
    let firsts = buyer.balls.iter().filter(|(bin, _)| buyer.firsts.contains(&bin.superbin));
    firsts.map(|(_, x)| *x).filter(|x| !spent.contains(x)).collect()
}

/// A payment under a random Authenticator with right tokens, and then a return of its balls: the
/// amount is disputed, and neither the user nor the vendor gets it without a person.
pub(crate) fn junk_then_return(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let thief = world.member("thief", 1);
    let readers = customers(&mut world);
    let shop = world.honest_shop("honest", Owners::Known, 0);
    let coins = thief.coins(&world.rules, &shop.vendor);
    let coins = &coins[..coins.len().min(CAP as usize)];
    let payment = thief.payment(&world.rules, &shop.vendor, "page", coins);
    let payment = Payment { authenticator: world.random.authenticator(), ..payment };
    report.expect(shop.takes(&payment), || "the payment is refused".to_string());
    for reader in &readers {
        let coins = reader.coins(&world.rules, &shop.vendor);
        let coins = &coins[..coins.len().min(15)];
        world.pay(reader, &shop, coins);
    }
    world.redeem(&shop);
    world.clock.set(world.params().raw().expiration);
    let balls = unspent(&thief, &BTreeSet::new());
    world.give_back(&thief, &balls, false);

    world.clock.set(world.params().raw().redeem_until);
    let now = world.now();
    assert!(world.broker.settle(now));
    let disputes = world.broker.disputes();
    let is_listed = disputes.iter().any(|dispute| {
        dispute.user == thief.user
            && dispute.vendor == shop.vendor
            && (dispute.coins, dispute.returned) == (coins.len() as u64, coins.len() as u64)
    });
    report.expect(is_listed, || format!("not listed as a dispute: {disputes:?}"));
    let account = world.broker.user_account(&thief.user).unwrap();
    let rest = (balls.len() - coins.len()) as u64;
    report.expect(
        (account.coins_disputed, account.coins_credited) == (coins.len() as u64, rest),
        || format!("disputed {}, credited {}", account.coins_disputed, account.coins_credited),
    );
    report.allow_unpaid(u64::from(CAP));
    report.tried = format!(
        "{} coins paid under a random Authenticator and then returned: disputed, credited and paid \
         to nobody; {rest} others credited",
        coins.len()
    );
    world.close(&mut report);
    report
}

/// A vendor of the coalition makes up claims on the unspent coins of its customers with the tokens
/// that it received. It finds no genuine first ball, so nothing stands against the customers'
/// returns, and what it was paid properly is paid.
pub(crate) fn made_up(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let shop = world.member_shop("fence");
    let readers = customers(&mut world);
    let mut spent = BTreeSet::new();
    let mut received = Vec::new();
    for reader in &readers {
        let coins = reader.coins(&world.rules, &shop.vendor);
        let coins = &coins[..1];
        spent.insert(coins[0][0]);
        received.push(world.pay(reader, &shop, coins));
    }
    // Balls for first bins of sets whose tokens the shop has.
    let firsts: BTreeSet<u32> = readers.iter().map(|reader| reader.firsts[0]).collect();
    let mut found: HashMap<Bin, u64> = HashMap::new();
    while found.len() < 40 {
        let balls = search(&mut world, &mut report);
        found.extend(balls.into_iter().filter(|(bin, _)| firsts.contains(&bin.superbin)));
    }
    let mut claims = received.clone();
    for (reader, payment) in readers.iter().zip(&received) {
        let first = reader.firsts[0];
        // A gift: all balls of odd superbins.
        let ball = |bin: Bin| match bin.superbin == first {
            true => found.get(&bin).copied(),
            false => world.stored(bin),
        };
        let coins = coins_of(&world.rules, &reader.user, &shop.vendor, first, ball);
        for coin in coins {
            let claim = Payment {
                coins: 1,
                x: coin,
                owner_tokens: payment.owner_tokens.clone(),
                authenticator: world.random.authenticator(),
                ..payment.clone()
            };
            claims.push(claim);
        }
    }
    let verdicts = world.hand_in(&shop, &claims);
    let (real, made_up) = verdicts.split_at(received.len());
    report.expect(count(real, Verdict::Accepted) == real.len() as u64, || format!("{real:?}"));
    report.expect(count(made_up, Verdict::Forged) == made_up.len() as u64, || {
        format!("made-up claims: {made_up:?}")
    });
    // The customers return all other coins.
    world.clock.set(world.params().raw().expiration);
    let mut returned = 0;
    for reader in &readers {
        let balls = unspent(reader, &spent);
        returned += balls.len();
        world.give_back(reader, &balls, true);
    }
    report.tried = format!(
        "a vendor claims {} unspent coins of {} customers with their tokens: 0 paid, all {returned} \
         returned coins credited",
        made_up.len(),
        readers.len()
    );
    world.close(&mut report);
    report
}

/// A vendor of the coalition that somehow knows all balls of its customers claims their unspent
/// coins. It has so many claims without proof that none is paid without a person, who sees that it
/// quarrels with all customers, refuses them, and so has the customers credited.
pub(crate) fn held(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let shop = world.member_shop("fence");
    let readers = customers(&mut world);
    let mut spent = BTreeSet::new();
    let mut claims = Vec::new();
    for reader in &readers {
        let coins = reader.coins(&world.rules, &shop.vendor);
        spent.insert(coins[0][0]);
        let paid = world.pay(reader, &shop, &coins[..1]);
        // A gift: the real balls, and tokens of all sets.
        let all = reader.payment(&world.rules, &shop.vendor, "made-up", &coins[1..]);
        claims.push(paid);
        claims.push(Payment { authenticator: world.random.authenticator(), ..all });
    }
    let verdicts = world.hand_in(&shop, &claims);
    let waiting = count(&verdicts, Verdict::Waiting);
    world.clock.set(world.params().raw().expiration);
    // The last customer returns nothing.
    for reader in &readers[1..] {
        let balls = unspent(reader, &spent);
        world.give_back(reader, &balls, true);
    }
    world.clock.set(world.params().raw().redeem_until);
    let now = world.now();
    assert!(world.broker.settle(now));
    let disputes = world.broker.disputes();
    let disputed: u64 = disputes.iter().map(|dispute| dispute.coins).sum();
    report.expect(waiting > 0 && disputed == waiting, || {
        format!("{waiting} claims without proof, {disputed} of them disputed")
    });
    let users = u64::from(CUSTOMERS);
    report.expect(disputes.iter().all(|dispute| dispute.users_of_vendor == users), || {
        format!("expected a quarrel with {users} users: {disputes:?}")
    });
    let ruling = world.broker.decide_dispute(&shop.vendor, None, Ruling::Refuse);
    let ruling = ruling.granted().unwrap();
    report.expect((ruling.paid, ruling.disputed) == (0, 0), || format!("{ruling:?}"));
    report.tried = format!(
        "a vendor that knows all balls claims {waiting} unspent coins of {users} customers: all \
         disputed; a person refuses them, {} credited, {} lapsed",
        ruling.credited, ruling.lapsed
    );
    world.close(&mut report);
    report
}

/// A user pays, and returns the same coins before the vendor redeems them. The vendor is paid.
pub(crate) fn returned_and_spent(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let thief = world.member("thief", 1);
    let shop = world.honest_shop("honest", Owners::Known, 0);
    let coins = thief.coins(&world.rules, &shop.vendor);
    let payment = thief.payment(&world.rules, &shop.vendor, "page", &coins);
    report.expect(shop.takes(&payment), || "the payment is refused".to_string());
    world.clock.set(world.params().raw().expiration);
    let balls = unspent(&thief, &BTreeSet::new());
    let waiting = count(&world.give_back(&thief, &balls, false), Verdict::Waiting);
    let paid = count(&world.redeem(&shop), Verdict::Accepted);
    report.expect(paid == coins.len() as u64, || format!("{paid} of {} paid", coins.len()));
    world.clock.set(world.params().raw().redeem_until);
    let now = world.now();
    assert!(world.broker.settle(now));
    let account = world.broker.user_account(&thief.user).unwrap();
    report.expect(account.coins_credited + paid == balls.len() as u64, || {
        format!("{} credited and {paid} paid of {}", account.coins_credited, balls.len())
    });
    report.tried = format!(
        "{} coins spent, {waiting} returned before the vendor redeems: {paid} paid, {} credited",
        coins.len(),
        account.coins_credited
    );
    world.close(&mut report);
    report
}

/// A vendor of the coalition spoils one ball of each payment: that is its own fault, and blocks
/// nobody. If it spoils the Authenticators of a few users, they are blocked at this vendor alone.
pub(crate) fn spoiled(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let shop = world.member_shop("fence");
    let readers = customers(&mut world);
    let honest = world.honest_shop("honest", Owners::Known, 0);
    let mut received = Vec::new();
    for reader in &readers {
        let coins = reader.coins(&world.rules, &shop.vendor);
        received.push(world.pay(reader, &shop, &coins[..1]));
    }
    let spoil = |payment: &Payment| {
        let mut x = payment.x.clone();
        x[1] ^= 1;
        Payment { x, ..payment.clone() }
    };
    let all: Vec<Payment> = received.iter().map(spoil).collect();
    let (verdicts, blocked) = world.watch(&shop, &all);
    let accepted = count(&verdicts, Verdict::Accepted);
    report.expect(accepted == 0 && blocked.is_empty(), || {
        format!("all spoiled: {accepted} accepted, blocked {blocked:?}")
    });
    world.clock.wait(2 * 3600);
    let mut one = received.clone();
    one[0] = Payment { authenticator: world.random.authenticator(), ..received[0].clone() };
    let (_, blocked) = world.watch(&shop, &one);
    report.expect(blocked.iter().all(|user| *user == readers[0].user), || {
        format!("one spoiled: blocked {blocked:?}")
    });
    world.hand_in(&shop, &received);
    for reader in &readers {
        let coins = reader.coins(&world.rules, &honest.vendor);
        let spent: BTreeSet<u64> = received.iter().map(|payment| payment.x[0]).collect();
        let coin = coins.into_iter().find(|coin| !spent.contains(&coin[0])).unwrap();
        world.pay(reader, &honest, &[coin]);
    }
    world.redeem(&honest);
    report.tried = format!(
        "a vendor spoils the payments of {} customers, then of one: nobody blocked, then {} at this \
         vendor; all of them served elsewhere",
        readers.len(),
        blocked.len()
    );
    world.close(&mut report);
    report
}

/// Vendors of the coalition name users in payments that they make up: in junk without tokens, and
/// with the tokens and balls that customers gave to two of them. No user is an offender or blocked.
pub(crate) fn framed(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let (left, right) = (world.member_shop("left"), world.member_shop("right"));
    let readers = customers(&mut world);
    let mut junk = Vec::new();
    let mut shared = Vec::new();
    let mut received = Vec::new();
    for reader in &readers {
        // A gift: the real balls of the user.
        let coins = reader.coins(&world.rules, &left.vendor);
        let payment = reader.payment(&world.rules, &left.vendor, "made-up", &coins);
        junk.push(Payment {
            authenticator: world.random.authenticator(),
            owner_tokens: payment.owner_tokens.iter().map(|_| world.random.token()).collect(),
            ..payment
        });
        // The user pays both vendors, so both have tokens of the set. The left one claims the coin
        // of the right one too.
        let at_right = reader.coins(&world.rules, &right.vendor);
        let Some(first) = at_right.first() else { continue };
        let bin = world.rules.bin(first[0]).unwrap();
        let same = coins.iter().find(|coin| coin[0] == first[0]);
        let other = coins.iter().find(|coin| coin[0] != first[0]);
        if let (Some(same), Some(other)) = (same, other) {
            let is_same_set = world.rules.bin(other[0]).unwrap().superbin == bin.superbin;
            assert!(is_same_set, "coins are in the order of sets");
            received.push((world.pay(reader, &left, std::slice::from_ref(other)), true));
            received.push((world.pay(reader, &right, std::slice::from_ref(first)), false));
            let payment =
                reader.payment(&world.rules, &left.vendor, "shared", std::slice::from_ref(same));
            shared.push(Payment { authenticator: world.random.authenticator(), ..payment });
        }
    }
    let at = |is_left| received.iter().filter(move |it| it.1 == is_left).map(|it| it.0.clone());
    let (at_left, at_right): (Vec<Payment>, Vec<Payment>) =
        (at(true).collect(), at(false).collect());
    world.hand_in(&left, &at_left);
    world.hand_in(&right, &at_right);
    let verdicts = world.hand_in(&left, &junk);
    report.expect(count(&verdicts, Verdict::NotFromOwner) == verdicts.len() as u64, || {
        format!("junk: {verdicts:?}")
    });
    let (_, blocked) = world.watch(&left, &junk);
    report.expect(blocked.is_empty(), || format!("junk blocks {blocked:?} at its own vendor"));
    let verdicts = world.hand_in(&left, &shared);
    report.expect(count(&verdicts, Verdict::AlreadyPaid) == verdicts.len() as u64, || {
        format!("shared: {verdicts:?}")
    });
    let (offenders, suspects) = (world.offenders(), world.suspects());
    report.expect(offenders.is_empty(), || format!("named: {offenders:?}"));
    report.tried = format!(
        "vendors make up {} junk payments and {} with shared tokens: 0 paid, 0 offenders ({} shown \
         to people as suspects)",
        junk.len(),
        shared.len(),
        suspects.len()
    );
    world.close(&mut report);
    report
}
