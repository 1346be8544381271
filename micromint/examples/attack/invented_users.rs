//! User-IDs that nobody has, found by search so that bought balls make coins of theirs.

use micromint::authenticator::OwnerToken;
use micromint::identity::{UserId, UserVector};
use micromint::owner::owner_tag;
use micromint::protocol::{Payment, Refusal, RequestOutcome};

use super::report::Report;
use super::world::{Buyer, Mint, Owners, Shop, World, coins_of};

/// The coins that are wanted of one name, and of all names together.
const COINS: usize = 1500;
/// The names that are tried at most.
const NAMES_MAX: u64 = 5000;
/// The names whose owners buy after the thief has paid in them.
const LATER_BUYERS: usize = 5;
/// The leading bits of a tag that are searched for. The price of all 64 follows from it.
const TAG_BITS: u32 = 12;
/// The searches over which the price is averaged.
const TAG_SEARCHES: u32 = 64;
/// SHA-256 that one core computes in a second.
const CORE_RATE: f64 = 60e6;

struct Scene {
    world: World,
    thief: Buyer,
    shop: Shop,
    payments: Vec<Payment>,
    coins: u64,
    hashes: u64,
}

impl Scene {
    fn new(mint: &Mint, owners: Owners) -> Scene {
        Scene::with_cap(mint, owners, 0)
    }

    fn with_cap(mint: &Mint, owners: Owners, cap: u32) -> Scene {
        let mut world = World::new(mint);
        let tenth = world.tenth();
        let thief = world.member("thief", tenth);
        let shop = world.honest_shop("honest", owners, cap);
        let (payments, hashes) = search(&mut world, &thief, &shop);
        let coins = payments.iter().map(|payment| u64::from(payment.coins)).sum();
        Scene { world, thief, shop, payments, coins, hashes }
    }
}

/// Payments under invented names, until there are enough coins and enough names. One lucky name can
/// have all the coins. Returns the SHA-256 computed.
fn search(world: &mut World, thief: &Buyer, shop: &Shop) -> (Vec<Payment>, u64) {
    let (mut payments, mut coins, mut names, mut hashes) = (Vec::new(), 0, 0, 0);
    for number in 0..NAMES_MAX {
        let user: UserId = format!("nobody{number}").parse().unwrap();
        let vector = UserVector::new(world.params(), &user).unwrap();
        hashes += (u64::from(vector.counter()) + 1) * (world.params().coin_size() as u64 - 1);
        let coins_before = coins;
        for first in &thief.firsts {
            let ball = |bin| thief.balls.get(&bin).copied();
            let found = coins_of(&world.rules, &user, &shop.vendor, *first, ball);
            if found.is_empty() {
                continue;
            }
            let page = world.fresh_name();
            let own = thief.payment(&world.rules, &shop.vendor, &page, &found);
            let authenticator = world.random.authenticator();
            payments.push(Payment { user: user.clone(), authenticator, ..own });
            coins += found.len();
            if coins - coins_before >= COINS {
                break;
            }
        }
        names += usize::from(coins > coins_before);
        if coins >= COINS && names >= LATER_BUYERS {
            break;
        }
    }
    (payments, hashes)
}

/// A vendor without an owners file takes them at its own risk; the broker pays none and alarms.
pub(crate) fn without_owners_file(mint: &Mint) -> Report {
    let mut scene = Scene::new(mint, Owners::Unknown);
    let mut report = Report::with_cost(scene.hashes);
    let taken: u64 = scene
        .payments
        .iter()
        .filter(|payment| scene.shop.takes(payment))
        .map(|payment| u64::from(payment.coins))
        .sum();
    let sets = &scene.thief.funds.sets;
    let bought: u64 = sets.iter().map(|set| set.superbins[0].len() as u64).sum();
    report.expect(taken <= bought, || format!("{taken} coins taken for {bought} first balls"));
    scene.world.redeem(&scene.shop);
    let alarms = scene.world.broker.alarms();
    let invented: u64 = alarms.vendors.iter().map(|vendor| vendor.coins.invented).sum();
    report.expect(invented == taken, || {
        format!("{taken} coins of invented users, but the alarm counts {invented}")
    });
    report.allow_unpaid(taken);
    report.tried = format!(
        "{} coins of invented users from bought balls, no owners file: {taken} taken (the vendor's \
         risk), 0 paid, alarm",
        scene.coins
    );
    scene.world.close(&mut report);
    report
}

/// A thief pays under names whose owners buy later, at a vendor without an owners file. Nobody is
/// blocked for that. Where there is a cap, what was paid counts for the name until the day ends.
pub(crate) fn borrowed(mint: &Mint) -> Report {
    let mut report = Report::default();
    let mut taken = 0;
    let mut worlds = Vec::new();
    for cap in [0, 1] {
        let scene = Scene::with_cap(mint, Owners::Unknown, cap);
        report.cost += scene.hashes;
        let names = pay_one_coin_each(&scene);
        taken += names.len() as u64;
        let Scene { mut world, shop, .. } = scene;
        let blocked = world.watch_taken(&shop);
        report.expect(blocked.is_empty(), || format!("the watch blocks {blocked:?}"));
        world.redeem(&shop);
        let buyers: Vec<Buyer> =
            names.iter().map(|name| world.honest_buyer(name.as_str(), 1)).collect();
        for buyer in &buyers {
            let coins = buyer.coins(&world.rules, &shop.vendor);
            let payment = buyer.payment(&world.rules, &shop.vendor, "today", &coins[..1]);
            let outcome = shop.ask(&payment);
            if outcome == RequestOutcome::Paid {
                world.note_paid(&shop, &payment);
            }
            let is_expected = match outcome {
                RequestOutcome::Paid => cap == 0,
                RequestOutcome::Refused(Refusal::CapReached) => cap > 0,
                _ => false,
            };
            report.expect(is_expected, || format!("{}, cap {cap}: {outcome:?}", buyer.user));
        }
        world.clock.wait(86_400);
        for buyer in &buyers {
            let coins = buyer.coins(&world.rules, &shop.vendor);
            world.pay(buyer, &shop, &coins[1..2]);
        }
        let blocked = world.watch_taken(&shop);
        report.expect(blocked.is_empty(), || format!("the watch blocks {blocked:?}"));
        world.redeem(&shop);
        worlds.push(world);
    }
    report.expect(taken == 2 * LATER_BUYERS as u64, || format!("{taken} names were paid in"));
    report.allow_unpaid(taken);
    report.tried = format!(
        "{taken} names paid in before their owners bought, no owners file: nobody is blocked; at a \
         vendor with a cap it counts for the name that day"
    );
    worlds.into_iter().for_each(|world| world.close(&mut report));
    report
}

/// Pays one coin under each of several names, and returns the names.
fn pay_one_coin_each(scene: &Scene) -> Vec<UserId> {
    let coin_size = scene.world.params().coin_size();
    let mut names: Vec<UserId> = Vec::new();
    for payment in &scene.payments {
        if names.len() == LATER_BUYERS {
            break;
        }
        // Another name may have spent a first ball before.
        let takes =
            |x: &[u64]| scene.shop.takes(&Payment { coins: 1, x: x.to_vec(), ..payment.clone() });
        if !names.contains(&payment.user) && payment.x.chunks(coin_size).any(takes) {
            names.push(payment.user.clone());
        }
    }
    names
}

/// A vendor with an owners file takes none: neither with the thief's own tokens nor with others.
pub(crate) fn with_owners_file(mint: &Mint) -> Report {
    let mut scene = Scene::new(mint, Owners::Known);
    let mut report = Report::with_cost(scene.hashes);
    for payment in &scene.payments {
        let owner_tokens = payment.owner_tokens.iter().map(|_| scene.world.random.token());
        let random = Payment { owner_tokens: owner_tokens.collect(), ..payment.clone() };
        for payment in [payment, &random] {
            let outcome = scene.shop.ask(payment);
            report.expect(outcome == RequestOutcome::Refused(Refusal::NotOwner), || {
                format!("{}: {outcome:?}", payment.user)
            });
        }
    }
    report.tried =
        format!("{} coins of invented users, owners file: all refused at the door", scene.coins);
    scene.world.close(&mut report);
    report
}

/// What it costs to find a token whose tag is that of a set: searched for the leading bits, priced
/// for all.
pub(crate) fn tag_search(mint: &Mint) -> Report {
    let mut scene = Scene::new(mint, Owners::Known);
    let mut report = Report::default();
    // A gift: the owners file of the vendor.
    let owners = scene.world.broker.owners(&scene.shop.vendor);
    let tags: Vec<u64> = owners.tags_from(0).map(u64::from_be_bytes).collect();
    let (first, user) = (scene.thief.firsts[0], &scene.payments[0].user);
    let target = tags[first as usize / 2] >> (64 - TAG_BITS);
    for _ in 0..TAG_SEARCHES {
        loop {
            report.cost += 1;
            let token: OwnerToken = scene.world.random.token();
            let tag = owner_tag(scene.world.params().period(), first, user, &token);
            if u64::from_be_bytes(tag) >> (64 - TAG_BITS) == target {
                break;
            }
        }
    }
    let bits = (report.cost as f64 / f64::from(TAG_SEARCHES)).log2();
    report.expect((bits - f64::from(TAG_BITS)).abs() < 1.0, || {
        format!("{TAG_BITS} bits of a tag cost 2^{bits:.1} hashes")
    });
    // The hash contains the superbin, so a try fits one set only.
    let whole = bits + f64::from(64 - TAG_BITS);
    let years = whole.exp2() / CORE_RATE / 86_400.0 / 365.0;
    report.tried = format!(
        "{TAG_BITS} bits of a tag found in 2^{bits:.1} hashes each; a whole one takes 2^{whole:.0}, \
         {years:.0} years of a core, for one set, and is not paid"
    );
    scene.world.close(&mut report);
    report
}
