//! Random operations, compared with the core's broker in memory: the same verdicts, the same sums
//! of money, and the same reports.

use micromint::broker::MemoryBroker;
use micromint::host::SimulatedDirectory;
use micromint::protocol::{RequestCredit, RequestRedemption, Verdict};
use mmbrokerd::store::AccountKind;

use crate::databases::Database;
use crate::world::*;

on_both_databases!(random_operations_agree_with_the_core);

const NAME: &str = "2026-12.coins";
const USERS: [&str; 3] = ["alice", "bob", "carol"];
const VENDORS: [&str; 2] = ["news.example", "shop.example"];

/// A simple generator (xorshift), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Both brokers, and what was sent to them.
struct Pair {
    world: World,
    core: MemoryBroker,
    sales: Vec<(&'static str, u32)>,
    batches: Vec<RequestRedemption>,
    returns: Vec<RequestCredit>,
}

async fn random_operations_agree_with_the_core(database: Database) {
    let world = world_with(database, |service| service.set_part_coins(5)).await;
    let directory = SimulatedDirectory::new();
    directory.put(NAME, &COINS);
    let mut core = MemoryBroker::open(&directory, NAME, secret()).unwrap();
    for name in VENDORS {
        core.register_vendor(&vendor(name), DURING).granted().unwrap();
    }
    let (sales, batches, returns) = (Vec::new(), Vec::new(), Vec::new());
    let mut pair = Pair { world, core, sales, batches, returns };
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for step in 0..120u64 {
        match random.below(10) {
            0..2 => pair.buy(&mut random, step).await,
            2 => pair.compromise(&mut random).await,
            _ => pair.redeem(&mut random, step).await,
        }
    }
    for step in 0..30u64 {
        match random.below(3) {
            0 => pair.redeem(&mut random, 1000 + step).await,
            _ => pair.give_back(&mut random, step).await,
        }
    }
    pair.settle().await;
}

impl Pair {
    async fn buy(&mut self, random: &mut Random, step: u64) {
        let (name, sets) = (*random.one(&USERS), 1 + random.below(2) as u32);
        let sold = self.core.withdraw(&user(name), sets, step, DURING).unwrap();
        // The core's broker has no list of proved offenders, to whom the service sells nothing.
        let pool = self.world.service.store().pool();
        sqlx::query("DELETE FROM offender").execute(pool).await.unwrap();
        if let Some(funds) = sold.granted() {
            let sale = self.world.sell(name, sets, step).await;
            let message = self.world.service.deliver(&self.world.period, &sale).await.unwrap();
            assert_eq!(message.to_bytes(), funds.to_bytes());
            self.sales.extend((0..sets).map(|set| (name, sale.first + 2 * set)));
        }
    }

    async fn compromise(&mut self, random: &mut Random) {
        let superbin = random.below(64) as u32;
        let bins = format!("{superbin}:{}", random.below(16)).parse().unwrap();
        self.core.compromise(bins).unwrap().granted().unwrap();
        let service = &self.world.service;
        service.compromise(&self.world.period, bins, DURING).await.unwrap().granted().unwrap();
    }

    async fn redeem(&mut self, random: &mut Random, step: u64) {
        let at = *random.one(&VENDORS);
        let mut payments = Vec::new();
        for page in 0..random.below(4) {
            let Some((name, first)) = self.sales.get(random.below(self.sales.len().max(1))) else {
                continue;
            };
            // Sometimes the coins of someone else, or for another vendor.
            let payer = if random.below(8) == 0 { *random.one(&USERS) } else { name };
            let made_for = if random.below(10) == 0 { *random.one(&VENDORS) } else { at };
            let all = coins(name, made_for, *first);
            let start = random.below(all.len());
            let end = (start + 1 + random.below(5)).min(all.len());
            let paid = payment(payer, at, &format!("{step}-{page}"), &all[start..end]);
            payments.push(if random.below(6) == 0 { with_junk(paid) } else { paid });
        }
        // Some are shown before.
        if random.below(3) == 0 {
            let shown = watch(at, &format!("w-{step}"), &payments);
            let core = self.core.watch(&shown, DURING).unwrap().granted().unwrap();
            let answer = self.world.service.watch(shown, DURING).await.unwrap().granted().unwrap();
            assert_eq!((answer.result, answer.alarm), (core.result, core.alarm));
        }
        self.batches.push(batch(at, &format!("b-{step}"), &payments));
        // And one that was sent before.
        for sent in [self.batches.len() - 1, random.below(self.batches.len())] {
            let sent = &self.batches[sent];
            let core = self.core.redeem(sent, DURING).unwrap().granted().unwrap().result;
            let result = self.world.service.redeem(sent.clone(), DURING).await.unwrap();
            assert_eq!(result.granted().unwrap().result, core);
        }
    }

    async fn give_back(&mut self, random: &mut Random, step: u64) {
        let Some((name, first)) = self.sales.get(random.below(self.sales.len().max(1))) else {
            return;
        };
        let returner = if random.below(6) == 0 { *random.one(&USERS) } else { name };
        let all = &MINT.set(&user(name), *first).superbins[random.below(2)];
        let x: Vec<u64> = (0..random.below(12)).map(|_| *random.one(all)).collect();
        let request = return_of(returner, &format!("r-{step}"), &x);
        let core = self.core.take_back(&request, 7, EXPIRED).unwrap();
        if let Some(answer) = core.granted() {
            assert_eq!(self.world.take_back(&request, EXPIRED).await, answer.verdicts);
            self.returns.push(request);
        }
    }

    /// Both make the same reports.
    async fn compare_reports(&self) {
        let (service, period) = (&self.world.service, &self.world.period);
        let status = self.core.status();
        let report = service.report(period).await.unwrap();
        let counts = report.counts;
        assert_eq!(
            [counts.sales, counts.vendors, counts.batches, counts.watches, counts.returns],
            [status.sales, status.vendors, status.batches, status.watches, status.returns]
        );
        assert_eq!((counts.waiting, counts.alarm), (status.claims_waiting, status.alarm));
        let found = (report.sold, report.redeemed, report.credited, report.disputed, report.rest);
        let sums = status.coins;
        assert_eq!(found, (sums.sold, sums.paid, sums.credited, sums.disputed, sums.lapsed));
        assert_eq!(report.sets_left, status.sets_left);
        for name in USERS {
            let core = self.core.user_account(&user(name)).unwrap();
            let report = service.user_report(period, &user(name)).await.unwrap().unwrap();
            assert_eq!(report.sales.len(), core.sales.len(), "{name}");
            let found = (report.waiting, report.disputed, report.credited);
            let expected = (core.coins_waiting, core.coins_disputed, core.coins_credited);
            assert_eq!(found, expected, "{name}");
        }
        for name in VENDORS {
            let core = self.core.vendor_account(&vendor(name)).unwrap();
            let report = service.vendor_report(period, &vendor(name)).await.unwrap().unwrap();
            assert_eq!(report.batches.len(), core.batches.len(), "{name}");
            let found = (report.waiting, report.disputed, report.redeemed);
            let expected = (core.coins_waiting, core.coins_disputed, core.coins_paid);
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(service.offenders(period).await.unwrap(), self.core.offenders());
        let (suspicions, core) =
            (service.suspicions(period).await.unwrap(), self.core.suspicions());
        assert_eq!((suspicions.users, suspicions.vendors), (core.users, core.vendors));
        let ((vendors, users), core) = (service.alarms(period).await.unwrap(), self.core.alarms());
        assert_eq!(vendors, core.vendors);
        let pairs = |users: Vec<(_, _)>| users;
        let found = users.into_iter().map(|it| (it.user, it.coins)).collect();
        let expected = core.users.into_iter().map(|it| (it.user, it.coins)).collect();
        assert_eq!(pairs(found), pairs(expected));
        for name in VENDORS {
            let owners = service.all_owners(period, &vendor(name)).await.unwrap();
            assert_eq!(owners.to_bytes(), self.core.owners(&vendor(name)).to_bytes());
        }
    }

    async fn settle(&mut self) {
        self.compare_reports().await;
        let before = self.money().await;
        assert!(self.core.settle(CLOSED));
        self.world.settle().await;
        self.world.check_ledger().await;
        let mut decided = std::collections::BTreeMap::new();
        for sent in &self.batches {
            let core = self.core.redeem(sent, CLOSED).unwrap().granted().unwrap().result;
            let result = self.world.service.redeem(sent.clone(), CLOSED).await.unwrap();
            assert_eq!(result.granted().unwrap().result, core);
            core.verdicts.iter().for_each(|verdict| *decided.entry(*verdict).or_insert(0) += 1);
        }
        for request in &self.returns {
            let core = self.core.take_back(request, 7, CLOSED).unwrap().granted().unwrap();
            assert_eq!(self.world.take_back(request, CLOSED).await, core.verdicts);
        }
        // The operations were of all kinds.
        for verdict in [Verdict::Accepted, Verdict::AlreadyPaid, Verdict::NotFromOwner] {
            assert!(decided.contains_key(&verdict), "{decided:?}");
        }
        let sums = self.core.status().coins;
        assert!(sums.is_balanced());
        let after = self.money().await;
        let coins = |kind| after[kind as usize] / COIN;
        assert_eq!(coins(Money::Vendors), sums.paid as i64);
        assert_eq!(
            (after[Money::Clients as usize] - before[Money::Clients as usize]) / COIN,
            sums.credited as i64
        );
        assert_eq!(coins(Money::Disputed), sums.disputed as i64);
        assert_eq!(coins(Money::Lapsed), sums.lapsed as i64);
        assert_eq!(coins(Money::Outstanding), 0);
        self.compare_reports().await;
    }

    async fn money(&self) -> [i64; 5] {
        let world = &self.world;
        let (mut clients, mut vendors) = (0, 0);
        for name in USERS {
            clients += world.balance(AccountKind::Client, name).await;
        }
        for name in VENDORS {
            vendors += world.balance(AccountKind::Vendor, name).await;
        }
        [
            clients,
            vendors,
            world.balance(AccountKind::Disputed, "2026-12").await,
            world.balance(AccountKind::Lapsed, "2026-12").await,
            world.balance(AccountKind::Coins, "2026-12").await,
        ]
    }
}

/// The places in [`Pair::money`].
#[derive(Clone, Copy)]
enum Money {
    Clients,
    Vendors,
    Disputed,
    Lapsed,
    Outstanding,
}
