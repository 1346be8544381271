//! A broker with a period, and users and vendors who use it.

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use micromint::authenticator::{Authenticator, Key};
use micromint::coin_file::CoinFile;
use micromint::host::{Clock, DiskDirectory};
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{
    Payment, RequestCredit, RequestOwners, RequestRedemption, RequestWatch, Unsigned, Url, Verdict,
    push_record,
};
use micromint::reply::Reply;
use micromint::testing::{ObviousMint, test_params};
use micromint::time::UnixTime;
use mmbrokerd::service::{OpenPeriod, SaleAnswer, SaleOrder, Service};
use mmbrokerd::store::{Account, AccountKind, Posted, SaleRow, Store};
use sqlx::Row;
use tempfile::TempDir;

use crate::databases::Database;

/// In the middle of the period, after its expiration, and at redeem-until.
pub(crate) const DURING: UnixTime = UnixTime(1_797_000_000);
pub(crate) const EXPIRED: UnixTime = UnixTime(1_798_761_600);
pub(crate) const CLOSED: UnixTime = UnixTime(1_799_366_400);
/// The value of a coin, in units.
pub(crate) const COIN: i64 = 1_000_000;

pub(crate) static MINT: LazyLock<ObviousMint> = LazyLock::new(|| ObviousMint::new(test_params()));
pub(crate) static COINS: LazyLock<Vec<u8>> = LazyLock::new(|| MINT.coin_file());

/// A clock that tests move.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn set(&self, now: UnixTime) {
        self.0.store(now.0, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    pub(crate) period: Arc<OpenPeriod>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) folder: TempDir,
    pub(crate) _database: Database,
}

pub(crate) fn secret() -> Key {
    Key::from_bytes([42; 32])
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn vendor(name: &str) -> VendorId {
    name.parse().unwrap()
}

pub(crate) fn user_key(user: &UserId) -> Key {
    secret().user_key(MINT.params().period(), user)
}

/// A broker with the period 2026-12, the vendors news.example and shop.example.
pub(crate) async fn world(database: Database) -> World {
    world_with(database, |_| {}).await
}

pub(crate) async fn world_with(database: Database, change: impl FnOnce(&mut Service)) -> World {
    world_made(database, None, change).await
}

/// A broker with a witness in this file.
pub(crate) async fn world_at(database: Database, witness: Option<&Path>) -> World {
    world_made(database, witness, |_| {}).await
}

async fn world_made(
    database: Database,
    witness: Option<&Path>,
    change: impl FnOnce(&mut Service),
) -> World {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("2026-12.coins"), &*COINS).unwrap();
    let store = Store::open(&database.url).await.unwrap();
    let clock = Arc::new(TestClock(AtomicI64::new(DURING.0)));
    let mut service = Service::open(store, secret(), witness, Arc::clone(&clock) as Arc<dyn Clock>)
        .await
        .unwrap();
    change(&mut service);
    let directory = DiskDirectory::new(folder.path());
    let coin_file = CoinFile::open_read(&directory, "2026-12.coins").unwrap();
    service.add_period(coin_file, &folder.path().join("2026-12.coins")).await.unwrap();
    let period = service.period(MINT.params().period()).unwrap();
    for name in ["news.example", "shop.example"] {
        service.register_vendor(&period, &vendor(name), DURING).await.unwrap().granted().unwrap();
    }
    World { service: Arc::new(service), period, clock, folder, _database: database }
}

impl World {
    /// Gives a user money for this many coins.
    pub(crate) async fn fund(&self, name: &str, coins: i64) {
        static REFERENCE: AtomicU64 = AtomicU64::new(0);
        let reference = REFERENCE.fetch_add(1, Ordering::Relaxed).to_string();
        let store = self.service.store();
        let account = |kind, owner: &str| Account::new(kind, owner, self.currency());
        let client = store.account(&account(AccountKind::Client, name)).await.unwrap();
        let outside = store.account(&account(AccountKind::Outside, "")).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let entries = [(client, coins * COIN), (outside, -coins * COIN)];
        let made = tx.post("deposit", &format!("fund {reference}"), &entries, DURING).await;
        assert!(matches!(made.unwrap(), Posted::Made(Some(_))));
        tx.commit().await.unwrap();
    }

    /// The name of a PostgreSQL database.
    pub(crate) fn database_name(&self) -> String {
        let path = self._database.url.split('?').next().unwrap();
        path.rsplit('/').next().unwrap().to_string()
    }

    fn currency(&self) -> micromint::money::Currency {
        self.period.params().coin_value().currency()
    }

    pub(crate) async fn order(&self, name: &str, sets: u32, transaction: u64) -> SaleAnswer {
        self.order_at(name, sets, transaction, DURING).await
    }

    pub(crate) async fn order_at(
        &self,
        name: &str,
        sets: u32,
        transaction: u64,
        now: UnixTime,
    ) -> SaleAnswer {
        let order = SaleOrder { user: user(name), sets, transaction, now };
        self.service.buy(&self.period, order).await.unwrap()
    }

    /// Sells sets to a user who has enough money.
    pub(crate) async fn sell(&self, name: &str, sets: u32, transaction: u64) -> SaleRow {
        self.fund(name, 1000).await;
        match self.order(name, sets, transaction).await {
            SaleAnswer::Sold(sale) => sale,
            other => panic!("expected a sale, found {other:?}"),
        }
    }

    pub(crate) async fn balance(&self, kind: AccountKind, owner: &str) -> i64 {
        let account = Account::new(kind, owner, self.currency());
        self.service.store().balance(&account).await.unwrap()
    }

    pub(crate) async fn redeem(&self, batch: &RequestRedemption) -> Vec<Verdict> {
        self.redeem_at(batch, DURING).await
    }

    pub(crate) async fn redeem_at(&self, batch: &RequestRedemption, now: UnixTime) -> Vec<Verdict> {
        match self.service.redeem(batch.clone(), now).await.unwrap() {
            Reply::Granted(answer) => answer.result.verdicts,
            Reply::Refused(refusal) => panic!("expected verdicts, found {refusal}"),
        }
    }

    pub(crate) async fn take_back(&self, request: &RequestCredit, now: UnixTime) -> Vec<Verdict> {
        let answer = self.service.take_back(&self.period, request.clone(), 7, now).await.unwrap();
        match answer {
            Reply::Granted(answer) => answer.verdicts,
            Reply::Refused(refusal) => panic!("expected verdicts, found {refusal}"),
        }
    }

    pub(crate) async fn settle(&self) {
        self.clock.set(CLOSED);
        assert!(self.service.settle(&self.period).await.unwrap());
        assert!(!self.service.settle(&self.period).await.unwrap());
    }

    /// A number in the database.
    pub(crate) async fn number(&self, select: &'static str) -> i64 {
        sqlx::query(select)
            .fetch_one(self.service.store().pool())
            .await
            .unwrap()
            .try_get(0)
            .unwrap()
    }

    /// The invariants of the ledger.
    pub(crate) async fn check_ledger(&self) {
        let faults = self.service.store().ledger_faults().await.unwrap();
        assert_eq!(faults, [""; 0]);
    }
}

/// A payment of these coins; `page` makes it another payment.
pub(crate) fn payment(name: &str, at: &str, page: &str, coins: &[Vec<u64>]) -> Payment {
    let (user, vendor) = (user(name), vendor(at));
    let url: Url = format!("https://{vendor}/{page}").parse().unwrap();
    MINT.payment(&user, &user_key(&user), &vendor, &url, coins)
}

/// The same payment with a wrong Authenticator. Its tokens are right.
pub(crate) fn with_junk(mut payment: Payment) -> Payment {
    payment.authenticator = Authenticator::from_bytes([1; 16]);
    payment
}

pub(crate) fn coins(name: &str, at: &str, first: u32) -> Vec<Vec<u64>> {
    MINT.coins(&user(name), &vendor(at), first)
}

pub(crate) fn batch(at: &str, name: &str, payments: &[Payment]) -> RequestRedemption {
    batch_under(0, at, name, payments)
}

/// A batch under the key of this number.
pub(crate) fn batch_under(
    number: u32,
    at: &str,
    name: &str,
    payments: &[Payment],
) -> RequestRedemption {
    let mut data = Vec::new();
    for payment in payments {
        push_record(&mut data, &payment.record().to_bytes());
    }
    let vendor = vendor(at);
    let key = secret().numbered_vendor_key(&vendor, number);
    RequestRedemption {
        vendor,
        batch: name.parse().unwrap(),
        period: MINT.params().period().clone(),
        payments: payments.len() as u32,
        authenticator: Unsigned,
        data,
    }
    .authenticated(&key)
}

pub(crate) fn watch(at: &str, name: &str, payments: &[Payment]) -> RequestWatch {
    watch_under(0, at, name, payments)
}

/// A watch under the key of this number.
pub(crate) fn watch_under(number: u32, at: &str, name: &str, payments: &[Payment]) -> RequestWatch {
    let RequestRedemption { vendor, period, payments, data, .. } = batch(at, name, payments);
    let key = secret().numbered_vendor_key(&vendor, number).sync_key();
    RequestWatch {
        vendor,
        period,
        watch: name.parse().unwrap(),
        payments,
        authenticator: Unsigned,
        data,
    }
    .authenticated(&key)
}

/// A request for owners under the key of this number.
pub(crate) fn owners_under(number: u32, at: &str) -> RequestOwners {
    let vendor = vendor(at);
    let key = secret().numbered_vendor_key(&vendor, number).sync_key();
    RequestOwners {
        vendor,
        period: MINT.params().period().clone(),
        generation: 0,
        held: 0,
        nonce: "n-1".parse().unwrap(),
        authenticator: Unsigned,
    }
    .authenticated(&key)
}

pub(crate) fn return_of(name: &str, id: &str, x: &[u64]) -> RequestCredit {
    let user = user(name);
    let data: Vec<u8> = x.iter().flat_map(|x| x.to_be_bytes()).collect();
    RequestCredit {
        authenticator: user_key(&user).request_credit(id, &data),
        user,
        period: MINT.params().period().clone(),
        request: id.parse().unwrap(),
        x: x.to_vec(),
    }
}
