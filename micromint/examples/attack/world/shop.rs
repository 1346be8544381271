//! Vendors: honest ones have a paywall and a till; a member of the coalition has a pen.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use micromint::authenticator::Key;
use micromint::host::{DiskDirectory, SystemEntropy};
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{
    Payment, RequestCredit, RequestOutcome, RequestRedemption, RequestWatch, Unsigned, Verdict,
    push_record,
};
use micromint::till::{SyncMode, Till};
use micromint::vendor::redemption::{BatchLimits, make_batch, read_result};
use micromint::vendor::{Decision, Paywall, Request, VendorConfig};

use super::{Buyer, REDEEMABLE_SECONDS, World};

/// Whether an honest vendor has an owners file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owners {
    /// It has one of all sets sold so far.
    Known,
    /// It takes payments at its own risk.
    Unknown,
}

/// A vendor that is registered for the period.
pub(crate) struct Shop {
    pub(crate) vendor: VendorId,
    /// K_V.
    pub(crate) key: Key,
    folder: PathBuf,
    config: Option<VendorConfig>,
    /// `None` for a member of the coalition.
    paywall: Option<Paywall>,
    /// What an honest shop took and has not shown to the watch.
    taken: RefCell<Vec<Payment>>,
}

impl Shop {
    fn new(vendor: VendorId, key: Key, folder: PathBuf) -> Shop {
        Shop { vendor, key, folder, config: None, paywall: None, taken: RefCell::default() }
    }

    /// Sends a payment to an honest shop. Its price is the number of its coins.
    pub(crate) fn ask(&self, payment: &Payment) -> RequestOutcome {
        self.decide(payment).outcome()
    }

    /// As [`Shop::ask`], with all that the shop decided.
    pub(crate) fn decide(&self, payment: &Payment) -> Decision {
        let paywall = self.paywall.as_ref().unwrap();
        let origin = format!("https://{}", self.vendor);
        let target = payment.url.as_str().strip_prefix(&origin).unwrap();
        let body = payment.to_bytes();
        let headers: [(&[u8], &[u8]); 1] = [(b"Content-Type", b"application/x-micromint")];
        let decision = paywall.decide(&Request {
            method: b"POST",
            target: target.as_bytes(),
            is_https: true,
            headers: &headers,
            body: Some(&body),
            price: payment.coins,
            ..Request::default()
        });
        if decision.outcome() == RequestOutcome::Paid {
            self.taken.borrow_mut().push(payment.clone());
        }
        decision
    }

    /// Whether an honest shop takes the payment.
    pub(crate) fn takes(&self, payment: &Payment) -> bool {
        self.ask(payment) == RequestOutcome::Paid
    }

    /// The paywall of an honest shop.
    pub(crate) fn paywall(&self) -> &Paywall {
        self.paywall.as_ref().unwrap()
    }

    /// The till of an honest shop, as redemption opens it.
    pub(crate) fn till(&self, world: &World) -> Till {
        let disk = Box::new(DiskDirectory::new(self.folder.join("till")));
        let entropy = Arc::new(SystemEntropy);
        Till::open(disk, SyncMode::Os, world.clock.clone(), entropy).unwrap()
    }

    /// Where an honest shop keeps the period's parameters and lists.
    pub(crate) fn periods(&self) -> DiskDirectory {
        DiskDirectory::new(self.folder.join("periods"))
    }

    /// The name of its owners file.
    pub(crate) fn owners_name(&self, world: &World) -> String {
        format!("{}.owners", world.params().period())
    }
}

impl World {
    /// Registers a vendor of the coalition. If its vector is taken it gets another name.
    pub(crate) fn member_shop(&mut self, name: &str) -> Shop {
        let (vendor, key) = self.register(name);
        Shop::new(vendor, key, PathBuf::new())
    }

    /// Registers an honest vendor. It serves each user at most `cap` coins a day, 0 for no limit.
    pub(crate) fn honest_shop(&mut self, name: &str, owners: Owners, cap: u32) -> Shop {
        let (vendor, key) = self.register(name);
        self.honest_vendors.push(vendor.clone());
        let folder = self.folder.path().join(vendor.as_str());
        let (periods, till) = (folder.join("periods"), folder.join("till"));
        std::fs::create_dir_all(&periods).unwrap();
        let period = self.params().period();
        std::fs::write(periods.join(format!("{period}.params")), self.params().to_toml()).unwrap();
        let mut shop = Shop::new(vendor, key, folder);
        if owners == Owners::Known {
            self.update_owners(&shop);
        }
        let origin = format!("https://{}", shop.vendor).parse().unwrap();
        let config = VendorConfig::new(shop.vendor.clone(), vec![origin], periods, till)
            .with_owners_required(owners == Owners::Known)
            .with_cap(cap)
            .with_sync(SyncMode::Os);
        Paywall::prepare(&config, None, self.clock.as_ref(), &SystemEntropy).unwrap();
        shop.paywall = Some(self.open(&config));
        shop.config = Some(config);
        shop
    }

    fn open(&self, config: &VendorConfig) -> Paywall {
        Paywall::open(config.clone(), self.clock.clone(), Arc::new(SystemEntropy)).unwrap()
    }

    /// An honest shop after its server was started again.
    pub(crate) fn reopen(&self, shop: &Shop) -> Shop {
        Shop {
            config: shop.config.clone(),
            paywall: shop.config.as_ref().map(|config| self.open(config)),
            ..Shop::new(shop.vendor.clone(), shop.key.clone(), shop.folder.clone())
        }
    }

    /// Several honest vendors.
    pub(crate) fn honest_shops(&mut self, number: usize, owners: Owners, cap: u32) -> Vec<Shop> {
        (0..number).map(|i| self.honest_shop(&format!("honest{i}"), owners, cap)).collect()
    }

    /// Writes the owners file of an honest shop, with all sets sold so far.
    pub(crate) fn update_owners(&mut self, shop: &Shop) {
        let owners = self.broker.owners(&shop.vendor);
        owners.write(&shop.periods(), &shop.owners_name(self), self.params()).unwrap();
    }

    fn register(&mut self, name: &str) -> (VendorId, Key) {
        for number in 0.. {
            let vendor: VendorId = format!("{name}-{number}.example").parse().unwrap();
            let now = self.now();
            if let Some(key) = self.broker.register_vendor(&vendor, now).granted() {
                return (vendor, key);
            }
        }
        unreachable!()
    }

    /// An honest user pays an honest shop, or a shop of the coalition, with these coins.
    pub(crate) fn pay(&mut self, buyer: &Buyer, shop: &Shop, coins: &[Vec<u64>]) -> Payment {
        let page = self.fresh_name();
        let payment = buyer.payment(&self.rules, &shop.vendor, &page, coins);
        if shop.paywall.is_some() {
            assert_eq!(shop.ask(&payment), RequestOutcome::Paid, "an honest payment is refused");
        }
        self.note_paid(shop, &payment);
        payment
    }

    /// Notes that an honest user paid this to a shop.
    pub(crate) fn note_paid(&mut self, shop: &Shop, payment: &Payment) {
        for coin in payment.x.chunks(self.params().coin_size()) {
            let bin = self.rules.bin(coin[0]).unwrap();
            self.due.paid(bin, &shop.vendor);
        }
    }

    /// An honest shop redeems everything that it took.
    pub(crate) fn redeem(&mut self, shop: &Shop) -> Vec<Verdict> {
        self.clock.wait(REDEEMABLE_SECONDS);
        let till = shop.till(self);
        let mut verdicts = Vec::new();
        while let Some(batch) =
            make_batch(&till, &shop.vendor, &shop.key, None, BatchLimits::default()).unwrap()
        {
            let now = self.now();
            let answer = self.broker.redeem(&batch.message, now).unwrap().granted().unwrap();
            read_result(&till, &shop.vendor, &shop.key, &answer.result).unwrap();
            self.blocked_by_honest.extend(answer.result.blocked.users().iter().cloned());
            verdicts.extend_from_slice(&answer.result.verdicts);
            self.due.sent(batch.message, true);
        }
        verdicts
    }

    /// A shop of the coalition hands in any payments.
    pub(crate) fn hand_in(&mut self, shop: &Shop, payments: &[Payment]) -> Vec<Verdict> {
        let records: Vec<Vec<u8>> = payments.iter().map(|it| it.record().to_bytes()).collect();
        self.hand_in_records(shop, &records)
    }

    /// A shop of the coalition hands in any payment records.
    pub(crate) fn hand_in_records(&mut self, shop: &Shop, records: &[Vec<u8>]) -> Vec<Verdict> {
        let batch = self.fresh_name().parse().unwrap();
        let message = RequestRedemption {
            vendor: shop.vendor.clone(),
            batch,
            period: self.params().period().clone(),
            payments: records.len() as u32,
            authenticator: self.random.authenticator(),
            data: joined(records),
        }
        .authenticated(&shop.key);
        let now = self.now();
        let answer = self.broker.redeem(&message, now).unwrap().granted().unwrap();
        self.due.sent(message, false);
        answer.result.verdicts
    }

    /// An honest shop shows to the watch what it took since it last did. Returns the users whom it
    /// should stop serving.
    pub(crate) fn watch_taken(&mut self, shop: &Shop) -> Vec<UserId> {
        let (_, blocked) = self.watch(shop, &shop.taken.take());
        self.blocked_by_honest.extend(blocked.iter().cloned());
        blocked
    }

    /// A shop shows payments to the watch. Returns the users whom it should stop serving.
    pub(crate) fn watch(
        &mut self,
        shop: &Shop,
        payments: &[Payment],
    ) -> (Vec<Verdict>, Vec<UserId>) {
        let watch = self.fresh_name().parse().unwrap();
        let records: Vec<Vec<u8>> = payments.iter().map(|it| it.record().to_bytes()).collect();
        let request = RequestWatch {
            vendor: shop.vendor.clone(),
            period: self.params().period().clone(),
            watch,
            payments: payments.len() as u32,
            authenticator: self.random.authenticator(),
            data: joined(&records),
        }
        .authenticated(&shop.key.sync_key());
        let now = self.now();
        let answer = self.broker.watch(&request, now).unwrap().granted().unwrap();
        (answer.result.verdicts, answer.result.blocked.users().to_vec())
    }

    /// Whether the broker takes a return of all first balls of `buyer`.
    pub(crate) fn tries_return(&mut self, buyer: &Buyer) -> bool {
        let x = buyer.funds.sets.iter().flat_map(|set| set.superbins[0].clone()).collect();
        let message = self.request_credit(buyer, x);
        let now = self.now();
        self.broker.take_back(&message, 1, now).unwrap().granted().is_some()
    }

    /// A user returns balls. `is_honest`: they are due to the user.
    pub(crate) fn give_back(&mut self, buyer: &Buyer, x: &[u64], is_honest: bool) -> Vec<Verdict> {
        let message = self.request_credit(buyer, x.to_vec());
        let now = self.now();
        let answer = self.broker.take_back(&message, 1, now).unwrap().granted().unwrap();
        if is_honest {
            let bins = x.iter().map(|x| self.rules.bin(*x).unwrap());
            self.due.returned(bins, &buyer.user);
        }
        self.due.returns(message);
        answer.verdicts
    }

    fn request_credit(&mut self, buyer: &Buyer, x: Vec<u64>) -> RequestCredit {
        let request = self.fresh_name().parse().unwrap();
        RequestCredit {
            user: buyer.user.clone(),
            period: self.params().period().clone(),
            authenticator: Unsigned,
            request,
            x,
        }
        .authenticated(&buyer.key)
    }
}

fn joined(records: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    records.iter().for_each(|record| push_record(&mut data, record));
    data
}
