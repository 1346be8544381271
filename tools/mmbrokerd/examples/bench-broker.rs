//! Measures the broker's service beside its bare database, in one run:
//!
//!     cargo run --release -p mmbrokerd --example bench-broker -- [DATABASE-URL] [COINS]
//!
//! Without a URL it uses a SQLite file in the current folder, so that the disk is the one that
//! counts. The database must be empty. COINS is how many coins are redeemed, by default 300 000;
//! they are 38 a set and 10 a payment, and then 1 a set.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use micromint::authenticator::{AUTHENTICATOR_SIZE, Authenticator, Key};
use micromint::coin_file::CoinFile;
use micromint::hash::HashName;
use micromint::host::{Clock, DiskDirectory, FixedClock};
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{RequestRedemption, Url, Verdict, push_record};
use micromint::testing::{ObviousMint, params_with, resize};
use micromint::time::UnixTime;
use mmbrokerd::service::{OpenPeriod, SaleAnswer, SaleOrder, Service};
use mmbrokerd::store::{Account, AccountKind, Posted, Store};
use tokio::task::JoinSet;

const DURING: UnixTime = UnixTime(1_797_000_000);
const COINS_A_PAYMENT: usize = 10;
const COINS_A_SET: usize = 38;
/// How many clients buy at the same time.
const CLIENTS: u64 = 64;
const SALES: u64 = 12_000;
const BATCH_PAYMENTS: usize = 20_000;

struct Bench {
    service: Arc<Service>,
    period: Arc<OpenPeriod>,
    mint: ObviousMint,
    vendor: VendorId,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = tempfile::tempdir_in(".").unwrap();
    let file = format!("sqlite:{}", folder.path().join("broker.db").display());
    let url = arguments.next().unwrap_or(file);
    let coins = arguments.next().map_or(300_000, |text| text.parse().expect("a number of coins"));
    println!("disk: {:.0} syncs/s", syncs(folder.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bench = Bench::new(&url, folder.path()).await;
        bench.bare().await;
        bench.sales().await;
        let sets = coins / COINS_A_SET;
        bench.redemption("dense", 0, sets, COINS_A_SET).await;
        let sparse = (coins / 10).min(bench.sets() - sets);
        bench.redemption("sparse", sets, sparse, 1).await;
        println!("memory: {} MiB at most", memory_mib());
    });
}

/// How often a second the disk makes 4 KiB durable.
fn syncs(folder: &std::path::Path) -> f64 {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(folder.join("sync")).unwrap();
    let (start, mut count) = (Instant::now(), 0u32);
    while start.elapsed() < Duration::from_secs(2) {
        file.write_at(&[1; 4096], 0).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// The largest resident size of this process.
fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn user(number: u64) -> UserId {
    format!("user-{number}").parse().unwrap()
}

impl Bench {
    async fn new(url: &str, folder: &std::path::Path) -> Bench {
        let mint = ObviousMint::new(params_with(|raw| resize(raw, 16, 6, 4, 1, HashName::Sha256)));
        std::fs::write(folder.join("2026-12.coins"), mint.coin_file()).unwrap();
        let store = Store::open(url).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(FixedClock(DURING));
        let secret = Key::from_bytes([42; 32]);
        let service = Service::open(store, secret, None, clock).await.unwrap();
        let directory = DiskDirectory::new(folder);
        let coin_file = CoinFile::open_read(&directory, "2026-12.coins").unwrap();
        service.add_period(coin_file, &folder.join("2026-12.coins")).await.unwrap();
        let period = service.period(mint.params().period()).unwrap();
        let vendor: VendorId = "news.example".parse().unwrap();
        service.register_vendor(&period, &vendor, DURING).await.unwrap().granted().unwrap();
        let amount = "1000000 USD".parse().unwrap();
        for client in 0..CLIENTS {
            let name = user(client);
            service.store().deposit(name.as_str(), amount, "bench", DURING).await.unwrap();
        }
        Bench { service: Arc::new(service), period, mint, vendor }
    }

    fn sets(&self) -> usize {
        SALES.min(self.mint.params().superbin_count() / 2) as usize
    }

    /// Transfers between two accounts, each in a transaction of its own.
    async fn bare(&self) {
        let store = self.service.store();
        let currency = self.mint.params().coin_value().currency();
        let account = |owner| Account::new(AccountKind::Client, owner, currency);
        let from = store.account(&account("user-0")).await.unwrap();
        let to = store.account(&account("user-1")).await.unwrap();
        let (start, mut count) = (Instant::now(), 0u32);
        while start.elapsed() < Duration::from_secs(3) {
            let mut tx = store.begin().await.unwrap();
            let reference = format!("bare {count}");
            let posted = tx.post("deposit", &reference, &[(from, -1), (to, 1)], DURING).await;
            assert!(matches!(posted.unwrap(), Posted::Made(_)));
            tx.commit().await.unwrap();
            count += 1;
        }
        let rate = f64::from(count) / start.elapsed().as_secs_f64();
        println!("bare database: {rate:.0} transfers/s, one after the other");
    }

    /// Sales with their sets delivered, by many clients at the same time.
    async fn sales(&self) {
        let (start, mut clients, sets) = (Instant::now(), JoinSet::new(), self.sets() as u64);
        for client in 0..CLIENTS {
            let (service, period) = (Arc::clone(&self.service), Arc::clone(&self.period));
            clients.spawn(async move {
                for transaction in (client..sets).step_by(CLIENTS as usize) {
                    let (user, sets) = (user(client), 1);
                    let order = SaleOrder { user, sets, transaction, now: DURING };
                    let answer = service.buy(&period, order).await.unwrap();
                    let SaleAnswer::Sold(sale) = answer else { panic!("{answer:?}") };
                    service.deliver(&period, &sale).await.unwrap().to_bytes();
                }
            });
        }
        while clients.join_next().await.transpose().unwrap().is_some() {}
        let rate = sets as f64 / start.elapsed().as_secs_f64();
        println!("sales with sets delivered: {rate:.0}/s, {CLIENTS} clients");
    }

    /// Batches with so many coins of each of these sets.
    async fn redemption(&self, what: &str, from: usize, sets: usize, coins_a_set: usize) {
        let mut payments: Vec<Vec<u8>> = Vec::new();
        let mut coins = 0;
        for set in from..(from + sets).min(self.sets()) {
            let sale = self.owner_of(set as u32 * 2).await;
            let all = self.mint.coins(&sale, &self.vendor, set as u32 * 2);
            let key = Key::from_bytes([42; 32]).user_key(self.period.name(), &sale);
            for chunk in all[..coins_a_set.min(all.len())].chunks(COINS_A_PAYMENT) {
                let url: Url = format!("https://{}/{set}", self.vendor).parse().unwrap();
                let payment = self.mint.payment(&sale, &key, &self.vendor, &url, chunk);
                payments.push(payment.record().to_bytes());
                coins += chunk.len();
            }
        }
        let batches: Vec<RequestRedemption> = payments
            .chunks(BATCH_PAYMENTS)
            .enumerate()
            .map(|(number, records)| self.batch(&format!("{what}-{number}"), records))
            .collect();
        let start = Instant::now();
        for batch in batches {
            let result = self.service.redeem(batch, DURING).await.unwrap().granted().unwrap();
            assert!(result.verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
        }
        let rate = coins as f64 / start.elapsed().as_secs_f64();
        println!("redemption, {coins_a_set} coins a set: {rate:.0} coins/s of {coins}");
    }

    async fn owner_of(&self, first: u32) -> UserId {
        let sales = self.service.store().sales_from(self.period.name(), first.into(), 1).await;
        sales.unwrap().remove(0).user
    }

    fn batch(&self, name: &str, records: &[Vec<u8>]) -> RequestRedemption {
        let mut data = Vec::new();
        records.iter().for_each(|record| push_record(&mut data, record));
        RequestRedemption {
            vendor: self.vendor.clone(),
            batch: name.parse().unwrap(),
            period: self.period.name().clone(),
            payments: records.len() as u32,
            authenticator: Authenticator::from_bytes([0; AUTHENTICATOR_SIZE]),
            data,
        }
        .authenticated(&Key::from_bytes([42; 32]).vendor_key(&self.vendor))
    }
}
