//! Measures the broker's service beside its bare database, in one run:
//!
//!     cargo run --release -p mmbrokerd --example bench-broker -- [DATABASE-URL] [COINS] [CLAIMS]
//!
//! Without a URL, or with `sqlite`, it uses a SQLite file in the current folder, so that the disk
//! is the one that counts. With `postgres` it starts a PostgreSQL of its own, in `/var/tmp`. The
//! database of a URL must be empty. COINS is how many coins are redeemed, by default 1 000 000;
//! they are 38 a set and 10 a payment, and then 1 a set. CLAIMS is how many claims the database
//! holds when a broker starts on it, by default 10 000 000: 32 bytes each on disk. It also starts
//! on a tenth and on a hundredth of them. The ratios are to the transfers of the bare database.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "../tests/broker/databases.rs"]
mod databases;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use databases::{Disk, OwnPostgres};
use micromint::authenticator::Key;
use micromint::coin_file::CoinFile;
use micromint::hash::HashName;
use micromint::host::{Clock, DiskDirectory, Entropy, FixedClock, SystemEntropy};
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{RequestRedemption, Unsigned, Url, Verdict, push_record};
use micromint::testing::{ObviousMint, params_with, resize};
use micromint::time::UnixTime;
use mmbrokerd::service::{OpenPeriod, SaleAnswer, SaleOrder, Service};
use mmbrokerd::store::{Account, AccountKind, Posted, Store};
use tokio::task::JoinSet;

const COIN_FILE: &str = "2026-12.coins";
const DURING: UnixTime = UnixTime(1_797_000_000);
const COINS_A_PAYMENT: usize = 10;
const COINS_A_SET: usize = 38;
/// How many clients buy at the same time.
const CLIENTS: u64 = 64;
/// The sales that are measured, one set each.
const SALES: u64 = 12_000;
/// The sets of which one coin each is redeemed.
const SPARSE_SETS: usize = 6_000;
/// The sets in one of the orders for the rest.
const ORDER_SETS: u32 = 100;
const BATCH_PAYMENTS: usize = 20_000;
/// The claims of a part that was judged in one transaction.
const PART_CLAIMS: usize = 20_000;
const CLAIM_SIZE: usize = 32;

struct Bench {
    service: Arc<Service>,
    period: Arc<OpenPeriod>,
    mint: ObviousMint,
    vendor: VendorId,
    /// Transfers a second of the bare database.
    bare: f64,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = tempfile::tempdir_in(".").unwrap();
    let file = format!("sqlite:{}", folder.path().join("broker.db").display());
    let url = arguments.next().unwrap_or_default();
    // It runs as long as this value lives.
    let postgres = (url == "postgres").then(|| OwnPostgres::start(Disk::Durable));
    let (url, disk) = match (url.as_str(), &postgres) {
        (_, Some(own)) => (own.database().url, Path::new("/var/tmp")),
        ("" | "sqlite", None) => (file, folder.path()),
        (_, None) => (url, folder.path()),
    };
    let mut number =
        |default: usize| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (coins, claims) = (number(1_000_000), number(10_000_000));
    println!("disk of {}: {:.0} syncs/s", disk.display(), syncs(disk));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dense = coins.div_ceil(COINS_A_SET);
        let mut bench = Bench::new(&url, folder.path(), dense + SPARSE_SETS).await;
        bench.bare().await;
        bench.sales().await;
        bench.sell_up_to((dense + SPARSE_SETS) as u64).await;
        bench.redemption("dense", 0, dense, COINS_A_SET).await;
        bench.redemption("sparse", dense, SPARSE_SETS, 1).await;
        bench.start(&url, folder.path(), claims).await;
    });
}

/// How often a second the disk makes 4 KiB durable.
fn syncs(folder: &Path) -> f64 {
    use std::os::unix::fs::FileExt;
    let file = tempfile::tempfile_in(folder).unwrap();
    let (start, mut count) = (Instant::now(), 0u32);
    while start.elapsed() < Duration::from_secs(2) {
        file.write_at(&[1; 4096], 0).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// A size of this process in MiB: `VmRSS` is what is resident, `VmHWM` the most that ever was.
fn memory_mib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line[1..].split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// Makes the most that ever was resident what is resident now.
fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// A broker with the period of the coin file in this folder.
async fn open(url: &str, folder: &Path) -> Service {
    let store = Store::open(url).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(FixedClock(DURING));
    let service = Service::open(store, Key::from_bytes([42; 32]), None, clock).await.unwrap();
    let coin_file = CoinFile::open_read(&DiskDirectory::new(folder), COIN_FILE).unwrap();
    service.add_period(coin_file, &folder.join(COIN_FILE)).await.unwrap();
    service
}

/// Bytes that a database cannot compress.
fn random_bytes(size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&SystemEntropy.number().unwrap().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn user(number: u64) -> UserId {
    format!("user-{number}").parse().unwrap()
}

impl Bench {
    /// A broker with at least this many sets.
    async fn new(url: &str, folder: &Path, sets: usize) -> Bench {
        let sets = sets.max(SALES as usize) + ORDER_SETS as usize;
        let superbins = (2 * sets).next_power_of_two();
        let start = Instant::now();
        let mint = ObviousMint::new(params_with(|raw| {
            resize(raw, superbins.trailing_zeros(), 6, 4, 0, HashName::Sha256);
        }));
        mint.write_coin_file(&DiskDirectory::new(folder), COIN_FILE);
        println!("minted {superbins} superbins: {:.0} s", start.elapsed().as_secs_f64());
        let service = open(url, folder).await;
        let period = service.period(mint.params().period()).unwrap();
        let vendor: VendorId = "news.example".parse().unwrap();
        service.register_vendor(&period, &vendor, DURING).await.unwrap().granted().unwrap();
        // The most that is added at once, ten times.
        let amount = "1000000 USD".parse().unwrap();
        for (client, part) in (0..CLIENTS).flat_map(|client| (0..10).map(move |at| (client, at))) {
            let name = user(client);
            let reference = format!("bench {name} {part}");
            let deposit = (&name, amount, reference.as_str());
            let added = mmbrokerd::shop::deposit(&service, "bench", deposit).await.unwrap();
            assert_eq!(added.granted(), Some(true));
        }
        Bench { service: Arc::new(service), period, mint, vendor, bare: 0.0 }
    }

    /// Transfers between two accounts, each in a transaction of its own.
    async fn bare(&mut self) {
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
        self.bare = f64::from(count) / start.elapsed().as_secs_f64();
        println!("bare database: {:.0} transfers/s, one after the other", self.bare);
    }

    /// Sales with their sets delivered, by many clients at the same time.
    async fn sales(&self) {
        let (start, mut clients) = (Instant::now(), JoinSet::new());
        for client in 0..CLIENTS {
            let (service, period) = (Arc::clone(&self.service), Arc::clone(&self.period));
            clients.spawn(async move {
                for transaction in (client..SALES).step_by(CLIENTS as usize) {
                    let (user, sets) = (user(client), 1);
                    let order = SaleOrder { user, sets, transaction, now: DURING };
                    let answer = service.buy(&period, order).await.unwrap();
                    let SaleAnswer::Sold(sale) = answer else { panic!("{answer:?}") };
                    service.deliver(&period, &sale).await.unwrap().to_bytes();
                }
            });
        }
        while clients.join_next().await.transpose().unwrap().is_some() {}
        let rate = SALES as f64 / start.elapsed().as_secs_f64();
        let ratio = rate / self.bare;
        println!("sales with sets delivered: {rate:.0}/s, {CLIENTS} clients, ratio {ratio:.2}");
    }

    /// Sells until this many sets are sold, by large orders that are not measured.
    async fn sell_up_to(&self, sets: u64) {
        for transaction in (SALES..sets).step_by(ORDER_SETS as usize) {
            let user = user(transaction % CLIENTS);
            let order = SaleOrder { user, sets: ORDER_SETS, transaction, now: DURING };
            let answer = self.service.buy(&self.period, order).await.unwrap();
            assert!(matches!(answer, SaleAnswer::Sold(_)), "{answer:?}");
        }
    }

    /// Batches with `coins_a_set` coins of each of these sets. Only what the broker does is timed.
    /// A batch is made when it is its turn, so the memory includes one batch.
    async fn redemption(&self, what: &str, from: usize, sets: usize, coins_a_set: usize) {
        let owners = self.owners().await;
        let mut records: Vec<Vec<u8>> = Vec::new();
        let (mut coins, mut batches, mut took) = (0, 0, Duration::ZERO);
        let before = memory_mib("VmRSS");
        reset_peak();
        for set in from..from + sets {
            let first = set as u32 * 2;
            let (_, owner) = owners.range(..=first).next_back().expect("a sold set");
            let all = self.mint.coins(owner, &self.vendor, first);
            let key = Key::from_bytes([42; 32]).user_key(self.period.name(), owner);
            for chunk in all[..coins_a_set.min(all.len())].chunks(COINS_A_PAYMENT) {
                let url: Url = format!("https://{}/{set}", self.vendor).parse().unwrap();
                let payment = self.mint.payment(owner, &key, &self.vendor, &url, chunk);
                records.push(payment.record().to_bytes());
                coins += chunk.len();
            }
            if records.len() >= BATCH_PAYMENTS || set + 1 == from + sets {
                let batch = self.batch(&format!("{what}-{batches}"), &records);
                (records, batches) = (Vec::new(), batches + 1);
                let start = Instant::now();
                let result = self.service.redeem(batch, DURING).await.unwrap().granted().unwrap();
                took += start.elapsed();
                assert!(result.result.verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
            }
        }
        let rate = coins as f64 / took.as_secs_f64();
        let memory = memory_mib("VmHWM").saturating_sub(before);
        println!(
            "redemption, {coins_a_set} coins a set: {rate:.0} coins/s of {coins}, ratio {:.1}, \
             {memory} MiB more memory",
            rate / self.bare
        );
    }

    /// Starts other brokers on this database, while it gets this many claims.
    async fn start(&self, url: &str, folder: &Path, claims: usize) {
        let part: Vec<u8> = random_bytes(PART_CLAIMS * CLAIM_SIZE);
        let store = self.service.store();
        sqlx::query(
            "INSERT INTO batch (period, vendor, kind, name, sha256, at, payments, judged, coins, \
             accepted, waiting, forged, not_from_owner, invented) \
             VALUES ($1, 'news.example', 'watch', 'claims', $2, 1, 0, 0, 0, 0, 0, 0, 0, 0)",
        )
        .bind(self.period.name().to_string())
        .bind(&part[..32])
        .execute(store.pool())
        .await
        .unwrap();
        let mut number = 0;
        for parts in [100, 10, 1].map(|part| claims / part / PART_CLAIMS) {
            for number in number..parts {
                sqlx::query(
                    "INSERT INTO part (batch, first_payment, payments, coins, claims) \
                     SELECT id, $1, 1, $2, $3 FROM batch WHERE name = 'claims'",
                )
                .bind(number as i64)
                .bind(PART_CLAIMS as i64)
                .bind(&part[..])
                .execute(store.pool())
                .await
                .unwrap();
            }
            number = parts;
            let start = Instant::now();
            let service = open(url, folder).await;
            let period = service.period(self.period.name()).unwrap();
            let transaction = u64::MAX - number as u64;
            let order = SaleOrder { user: user(0), sets: 1, transaction, now: DURING };
            let answer = service.buy(&period, order).await.unwrap();
            assert!(matches!(answer, SaleAnswer::Sold(_)), "{answer:?}");
            let took = start.elapsed().as_secs_f64();
            let more = parts * PART_CLAIMS;
            println!("start with {more} more claims, to the first sale: {took:.3} s");
        }
    }

    /// Who bought each set, by the first superbin of the sale.
    async fn owners(&self) -> BTreeMap<u32, UserId> {
        let all = self.service.store().sales_from(self.period.name(), 0, i64::MAX).await;
        all.unwrap().into_iter().map(|sale| (sale.first, sale.user)).collect()
    }

    fn batch(&self, name: &str, records: &[Vec<u8>]) -> RequestRedemption {
        let mut data = Vec::new();
        records.iter().for_each(|record| push_record(&mut data, record));
        RequestRedemption {
            vendor: self.vendor.clone(),
            batch: name.parse().unwrap(),
            period: self.period.name().clone(),
            payments: records.len() as u32,
            authenticator: Unsigned,
            data,
        }
        .authenticated(&Key::from_bytes([42; 32]).vendor_key(&self.vendor))
    }
}
