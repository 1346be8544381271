//! One set spent at several vendors.

use micromint::protocol::{Payment, Refusal, RequestOutcome, Verdict};

use super::report::Report;
use super::world::{Buyer, Mint, Owners, Shop, World, count};

/// The honest vendors at which the same coins are spent.
const SHOPS: usize = 8;
/// The coins that an honest vendor takes of one user in a day.
const CAP: u32 = 8;
/// The honest customers of each vendor.
const CUSTOMERS: usize = 20;

/// The members of the coalition who cheat one vendor in one hour.
const CROWD: usize = 6;

/// Honest vendors with customers, and a member of the coalition with one set.
struct Scene {
    world: World,
    shops: Vec<Shop>,
    thief: Buyer,
}

impl Scene {
    fn new(mint: &Mint, owners: Owners) -> Scene {
        let mut world = World::new(mint);
        let thief = world.member("thief", 1);
        let customers: Vec<Buyer> =
            (0..CUSTOMERS).map(|i| world.honest_buyer(&format!("reader-{i}"), 1)).collect();
        let shops = world.honest_shops(SHOPS, owners, CAP);
        // Different coins at each shop.
        for customer in &customers {
            for (number, shop) in shops.iter().enumerate() {
                let subbin = number as u32;
                let coins = customer.coins(&world.rules, &shop.vendor);
                let coin = coins
                    .into_iter()
                    .find(|coin| world.rules.bin(coin[0]).is_some_and(|bin| bin.subbin == subbin));
                if let Some(coin) = coin {
                    world.pay(customer, shop, &[coin]);
                }
            }
        }
        Scene { world, shops, thief }
    }

    /// The thief's payment at a shop with as many coins as it takes, correct in all respects.
    fn payment(&mut self, shop: usize) -> Payment {
        let vendor = &self.shops[shop].vendor;
        let coins = self.thief.coins(&self.world.rules, vendor);
        let page = self.world.fresh_name();
        let coins = &coins[..coins.len().min(CAP as usize)];
        self.thief.payment(&self.world.rules, vendor, &page, coins)
    }

    fn redeem(&mut self) {
        for shop in &self.shops {
            self.world.redeem(shop);
        }
    }

    /// The thief pays each shop on the next day. Returns how many of them refuse it because the
    /// thief is blocked there.
    fn refused_the_next_day(&mut self) -> usize {
        self.world.clock.wait(86_400);
        let mut refused = 0;
        for shop in &self.shops {
            let coins = self.thief.coins(&self.world.rules, &shop.vendor);
            let page = self.world.fresh_name();
            let unspent = &coins[CAP as usize..][..1];
            let payment = self.thief.payment(&self.world.rules, &shop.vendor, &page, unspent);
            let outcome = shop.ask(&payment);
            refused += usize::from(outcome == RequestOutcome::Refused(Refusal::Blocked));
        }
        refused
    }

    /// All shops show what they took to the watch. Returns how many of them stop the thief.
    fn watch(&mut self) -> usize {
        let user = &self.thief.user;
        let stops = |shop: &&Shop| self.world.watch_taken(shop).contains(user);
        self.shops.iter().filter(stops).count()
    }
}

/// Right tokens and random Authenticators at eight vendors, and the right one at a shop of one's
/// own. The own shop is paid what the thief bought, the eight nothing. The thief is a suspect.
pub(crate) fn hidden(mint: &Mint) -> Report {
    let mut scene = Scene::new(mint, Owners::Known);
    let mut report = Report::default();
    let own_shop = scene.world.member_shop("fence");
    let mut taken = 0;
    for shop in 0..SHOPS {
        let payment = scene.payment(shop);
        let payment = Payment { authenticator: scene.world.random.authenticator(), ..payment };
        if scene.shops[shop].takes(&payment) {
            taken += u64::from(payment.coins);
        }
    }
    let told = scene.watch();
    report.expect(told == SHOPS, || format!("{told} of {SHOPS} vendors are told to block"));
    let coins = scene.thief.coins(&scene.world.rules, &own_shop.vendor);
    let all = scene.thief.payment(&scene.world.rules, &own_shop.vendor, "all", &coins);
    let paid = count(&scene.world.hand_in(&own_shop, &[all]), Verdict::Accepted);
    scene.redeem();
    let blocked = scene.refused_the_next_day();
    let (offenders, suspects) = (scene.world.offenders(), scene.world.suspects());
    let user = &scene.thief.user;
    report.expect(suspects.contains(user), || "the thief is no suspect".to_string());
    report.expect(!offenders.contains(user), || {
        "the thief is an offender, but vendors could have made all of that".to_string()
    });
    report.expect(blocked == SHOPS, || format!("the thief is blocked at {blocked} of {SHOPS}"));
    report.expect(paid <= scene.thief.funds.sets[0].superbins[0].len() as u64, || {
        "the thief's own shop is paid more than the thief bought".to_string()
    });
    report.allow_unpaid(SHOPS as u64 * u64::from(CAP));
    report.tried = format!(
        "one set at {SHOPS} vendors under random Authenticators and right tokens: {taken} coins \
         taken, own shop paid {paid} of the thief's own; suspect, and blocked at {blocked} vendors"
    );
    scene.world.close(&mut report);
    report
}

/// Without right tokens the same stops at the door of a vendor with an owners file.
pub(crate) fn without_tokens(mint: &Mint) -> Report {
    let mut report = Report::default();
    let mut taken = [0; 2];
    let mut worlds = Vec::new();
    for (owners, taken) in [Owners::Known, Owners::Unknown].into_iter().zip(&mut taken) {
        let mut scene = Scene::new(mint, owners);
        for shop in 0..SHOPS {
            let payment = scene.payment(shop);
            let random = &mut scene.world.random;
            let authenticator = random.authenticator();
            let owner_tokens = payment.owner_tokens.iter().map(|_| random.token()).collect();
            let payment = Payment { authenticator, owner_tokens, ..payment };
            let outcome = scene.shops[shop].ask(&payment);
            if outcome == RequestOutcome::Paid {
                *taken += u64::from(payment.coins);
            } else {
                report.expect(outcome == RequestOutcome::Refused(Refusal::NotOwner), || {
                    format!("refused with {outcome:?}")
                });
            }
        }
        scene.redeem();
        worlds.push(scene.world);
    }
    report.expect(taken[0] == 0, || "a vendor with an owners file took them".to_string());
    // Each of the vendors without a file chose this risk.
    report.allow_unpaid(taken[1]);
    report.tried = format!(
        "the same under random tokens: {} coins taken with an owners file, {} without one (their \
         risk)",
        taken[0], taken[1]
    );
    worlds.into_iter().for_each(|world| world.close(&mut report));
    report
}

/// Right Authenticators at eight vendors: the first is paid, and the thief is named.
pub(crate) fn open(mint: &Mint) -> Report {
    let mut scene = Scene::new(mint, Owners::Known);
    let mut report = Report::default();
    let mut taken = 0;
    for shop in 0..SHOPS {
        let payment = scene.payment(shop);
        taken += if scene.shops[shop].takes(&payment) { u64::from(payment.coins) } else { 0 };
    }
    scene.watch();
    scene.redeem();
    let offenders = scene.world.offenders();
    report.expect(offenders.iter().eq([&scene.thief.user]), || {
        format!("expected the thief as the only offender, found {offenders:?}")
    });
    report.allow_unpaid((SHOPS as u64 - 1) * u64::from(CAP));
    report.tried =
        format!("one set at {SHOPS} vendors, signed: {taken} coins taken; named as offender");
    scene.world.close(&mut report);
    report
}

/// So many cheats at one vendor in one hour that it takes the fault for its own and blocks nobody.
/// Its cap bounds what it loses.
pub(crate) fn crowd(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let readers: Vec<Buyer> =
        (0..CUSTOMERS).map(|i| world.honest_buyer(&format!("reader-{i}"), 1)).collect();
    let cheats: Vec<Buyer> = (0..CROWD).map(|i| world.member(&format!("cheat-{i}"), 1)).collect();
    let shop = world.honest_shop("honest", Owners::Known, CAP);
    let fence = world.member_shop("fence");
    for reader in &readers {
        let coins = reader.coins(&world.rules, &shop.vendor);
        world.pay(reader, &shop, &coins[..1]);
    }
    let mut taken = 0;
    // Before the watch, and after it.
    for round in 0..2 {
        for cheat in &cheats {
            let coins = cheat.coins(&world.rules, &shop.vendor);
            let half = CAP as usize / 2;
            let coins = &coins[round * half..coins.len().min((round + 1) * half)];
            let page = world.fresh_name();
            let payment = cheat.payment(&world.rules, &shop.vendor, &page, coins);
            let payment = Payment { authenticator: world.random.authenticator(), ..payment };
            taken += if shop.takes(&payment) { u64::from(payment.coins) } else { 0 };
        }
        let blocked = world.watch_taken(&shop);
        report.expect(round > 0 || blocked.is_empty(), || format!("blocked: {blocked:?}"));
    }
    for cheat in &cheats {
        let coins = cheat.coins(&world.rules, &fence.vendor);
        let all = cheat.payment(&world.rules, &fence.vendor, "all", &coins);
        world.hand_in(&fence, &[all]);
    }
    world.redeem(&shop);
    let suspects = world.suspects();
    report.expect(cheats.iter().all(|cheat| suspects.contains(&cheat.user)), || {
        format!("suspects: {suspects:?}")
    });
    report.allow_unpaid(CROWD as u64 * u64::from(CAP));
    report.tried = format!(
        "{CROWD} cheats among {} users of an hour: the vendor is at fault and blocks nobody, {taken} \
         coins taken up to its cap; all suspects",
        CUSTOMERS + CROWD
    );
    world.close(&mut report);
    report
}
