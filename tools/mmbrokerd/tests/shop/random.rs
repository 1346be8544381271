//! Random commands through the pages, webhooks and messages, also wrong ones and repeated ones:
//! nothing falls below zero, everything sums to zero, and money comes in and goes out only as the
//! answers say.
//!
//! MICROMINT_LEDGER_SEED and MICROMINT_LEDGER_STEPS choose another walk.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use mmbrokerd::shop::{Role, ShopSettings, sums};
use mmbrokerd::store::AccountKind;
use sha2::Sha256;
use sqlx::Row;

use crate::browser::*;
use crate::databases::Database;
use crate::world::*;

crate::on_both_databases!(the_books_stay_right_under_random_commands);

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const STEPS: u64 = 160;
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const IBAN: &str = "DE89370400440532013000";

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

/// A person with a browser.
struct Reader {
    browser: Browser,
    name: String,
}

struct Walk {
    site: Site,
    operator: Browser,
    readers: Vec<Reader>,
    random: Random,
    step: u64,
    /// Codes with their units, and whether one was used or ended.
    codes: Vec<(String, i64, bool)>,
    /// Sets that were sold: the buyer and the first superbin.
    sold: Vec<(String, u32)>,
    sent: Vec<micromint::protocol::RequestRedemption>,
    hooks: Vec<String>,
    runs: u64,
    /// What came in from outside, less what went out, in units.
    inside: i64,
}

fn chosen(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

async fn the_books_stay_right_under_random_commands(database: Database) {
    let (seed, steps) =
        (chosen("MICROMINT_LEDGER_SEED", SEED), chosen("MICROMINT_LEDGER_STEPS", STEPS));
    println!("seed {seed}, {steps} steps");
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secret");
    std::fs::write(&secrets, format!("{SECRET}\n")).unwrap();
    let settings = ShopSettings {
        payout_fee: Some("0.01 USD".to_string()),
        payout_min: Some("0.02 USD".to_string()),
        hooks: BTreeMap::from([("deposit".to_string(), secrets)]),
        sets_per_period: 6,
        trial_sets: 2,
        trial_sets_total: 4,
        ..ShopSettings::default()
    };
    let site = site_with(database, settings).await;
    let operator = site.operator("boss", Role::Admin).await;
    let readers = (0..3).map(|_| site.reader()).map(|(browser, name)| Reader { browser, name });
    let readers: Vec<Reader> = readers.collect();
    let (codes, sold, sent, hooks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let random = Random(seed);
    let mut walk = Walk {
        site,
        operator,
        readers,
        random,
        step: 0,
        codes,
        sold,
        sent,
        hooks,
        runs: 0,
        inside: 0,
    };
    walk.begin();
    for _ in 0..steps {
        walk.command().await;
        walk.check().await;
    }
    // After the period: what is left is returned, settled, and decided.
    walk.site.world.clock.set(EXPIRED);
    for _ in 0..10 {
        walk.give_back().await;
        walk.check().await;
    }
    walk.give_back_free().await;
    let given = walk.site.world.balance(AccountKind::Promotion, "2026-12").await;
    walk.site.world.settle().await;
    walk.check().await;
    let left = walk.site.world.balance(AccountKind::Promotion, "2026-12").await;
    assert!(given < left, "nothing of the free sets came back: {given}, {left}");
    crate::trial::audit(&walk.site.world);
    walk.operator = walk.site.operator("boss", Role::Admin).await;
    walk.rule().await;
    for _ in 0..6 {
        walk.step += 1;
        walk.pay_out().await;
        walk.check().await;
    }
    let sums = walk.operator.get("/operator/sums");
    sums.says(200, "Period 2026-12: sold for");
    assert!(!sums.text.contains("are not what was sold"), "{}", sums.text);
    let coins = walk.site.world.balance(AccountKind::Coins, "2026-12").await;
    assert_eq!(coins, 0, "all coins went somewhere");
    assert!(walk.runs > 0 && !walk.sold.is_empty(), "the walk went nowhere");
    let free = walk.site.world.number("SELECT COUNT(*) FROM sale WHERE free = 1").await;
    assert!(free > 0, "nothing was given away");
    crate::trial::audit(&walk.site.world);
}

impl Walk {
    /// Bank accounts, and a vendor that a person acts for.
    fn begin(&mut self) {
        let name = self.readers[0].name.clone();
        let form = self.operator.get("/operator/vendors");
        let fields = [("host", "news.example"), ("user", name.as_str())];
        assert_eq!(self.operator.send(&form, "/operator/vendors", &fields).status, 303);
        let bank = [("iban", IBAN), ("name", "Somebody"), ("password", PASSWORD)];
        for reader in &mut self.readers {
            let page = reader.browser.get("/account");
            assert_eq!(reader.browser.send(&page, "/bank", &bank).status, 303);
        }
        let page = self.readers[0].browser.get("/vendor/news.example");
        assert_eq!(self.readers[0].browser.send(&page, "/bank", &bank).status, 303);
    }

    async fn command(&mut self) {
        self.step += 1;
        match self.random.below(13) {
            0 => self.deposit(),
            1 => self.make_vouchers(),
            2 | 3 => self.use_code(),
            4 | 5 => self.buy().await,
            6 => self.hook(),
            7 | 8 => self.redeem().await,
            9 => self.ask_back(),
            10 => self.pay_out().await,
            11 => self.take_free().await,
            _ => self.void(),
        }
    }

    /// An amount, often one that is refused, and its units if it may be added.
    fn amount(&mut self) -> (String, Option<i64>) {
        let cents = self.random.below(3000) as i64;
        match self.random.below(8) {
            0 => (format!("-{cents} USD"), None),
            1 => ("1000000.01 USD".to_string(), None),
            2 => ("99999999999999999999999 USD".to_string(), None),
            3 => ("0 USD".to_string(), None),
            _ => {
                let units = cents * COIN + self.random.below(1000) as i64 + 1;
                let amount = format!("{}.{:08} USD", units / 100_000_000, units % 100_000_000);
                (amount, Some(units))
            }
        }
    }

    fn deposit(&mut self) {
        let (amount, units) = self.amount();
        let user = self.random.one(&self.readers).name.clone();
        // Sometimes a reference that was used.
        let reference = if self.random.below(3) == 0 { 0 } else { self.step }.to_string();
        let form = self.operator.get("/operator/deposit");
        let fields = [("user", user.as_str()), ("amount", &amount), ("reference", &reference)];
        let answer = self.operator.send(&form, "/operator/deposit", &fields);
        if answer.status == 303 {
            self.inside += units.expect("an amount that may be added");
        }
        // The same form again adds nothing.
        let again = self.operator.send(&form, "/operator/deposit", &fields);
        assert_eq!(again.status, 422, "{}", again.text);
    }

    fn make_vouchers(&mut self) {
        let (amount, units) = self.amount();
        let name = format!("batch {}", self.step);
        let form = self.operator.get("/operator/vouchers");
        let fields =
            [("name", name.as_str()), ("amount", &amount), ("count", "2"), ("months", "1")];
        let page = self.operator.send(&form, "/operator/vouchers", &fields);
        if page.status == 200 {
            let units = units.expect("an amount of a code");
            let codes = page.text.split("<code>").skip(1);
            let codes = codes.map(|rest| rest.split('<').next().unwrap().to_string());
            self.codes.extend(codes.map(|code| (code, units, false)));
        }
    }

    fn use_code(&mut self) {
        let at = self.random.below(self.codes.len() + 1);
        let who = self.random.below(self.readers.len());
        let browser = &mut self.readers[who].browser;
        let form = browser.get("/voucher");
        let Some((code, units, is_over)) = self.codes.get_mut(at) else { return };
        let answer = browser.send(&form, "/voucher", &[("code", code.as_str())]);
        if answer.status == 303 && !*is_over {
            self.inside += *units;
            *is_over = true;
        }
        // Who used it may send it again; nothing is added.
        assert!([303, 422, 429].contains(&answer.status), "{}", answer.text);
    }

    fn void(&mut self) {
        if self.random.below(4) > 0 || self.codes.is_empty() {
            return;
        }
        let form = self.operator.get("/operator/vouchers");
        let name = format!("batch {}", 1 + self.random.below(self.step as usize));
        let token = form.value("/logout", "token");
        let fields = [("token", token.as_str()), ("name", name.as_str())];
        self.operator.post("/operator/vouchers/void", &fields);
    }

    async fn buy(&mut self) {
        let sets = *self.random.one(&["0", "1", "1", "1", "2", "3", "20", "21", "x", "4294967296"]);
        let who = self.random.below(self.readers.len());
        let reader = &mut self.readers[who];
        let page = reader.browser.get("/buy");
        if !page.text.contains("name=\"sets\"") {
            // The limit of the period.
            return;
        }
        let mut bought = 0;
        for _ in 0..2 {
            // A double click buys once.
            let answer = reader.browser.send(&page, "/buy", &[("sets", sets)]);
            bought += u32::from(answer.status == 303);
            assert!([303, 422, 429].contains(&answer.status), "{}", answer.text);
        }
        assert!(bought == 0 || bought == 2, "{sets}: {bought}");
        self.learn_sales().await;
    }

    /// Takes free sets, also more than there are, and once for a double click.
    async fn take_free(&mut self) {
        let sets = *self.random.one(&["0", "1", "1", "2", "3", "21"]);
        let who = self.random.below(self.readers.len());
        let reader = &mut self.readers[who];
        let page = reader.browser.get("/buy");
        if !page.text.contains("/buy/free") {
            return;
        }
        let answers =
            [(); 2].map(|()| reader.browser.send(&page, "/buy/free", &[("sets", sets)]).status);
        assert!(answers == [303, 303] || answers == [422, 422], "{sets}: {answers:?}");
        self.learn_sales().await;
    }

    /// What was sold, by the database.
    async fn learn_sales(&mut self) {
        let rows = sqlx::query("SELECT user_id, first, sets FROM sale ORDER BY first")
            .fetch_all(self.site.world.service.store().pool())
            .await
            .unwrap();
        self.sold.clear();
        for row in rows {
            let (user, first, sets): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            for set in 0..sets {
                self.sold.push((user.clone(), (first + 2 * set) as u32));
            }
        }
    }

    fn hook(&mut self) {
        let (amount, units) = self.amount();
        let user = self.random.one(&self.readers).name.clone();
        let id = format!("p-{}", self.step);
        let body = format!(r#"{{"id": "{id}", "user": "{user}", "amount": "{amount}"}}"#);
        let is_signed = self.random.below(4) > 0;
        let status = self.post_hook(&body, if is_signed { SECRET } else { "another secret" });
        assert_eq!(status == 200, is_signed && units.is_some(), "{body}: {status}");
        if status == 200 {
            self.inside += units.unwrap_or(0);
            self.hooks.push(body);
        }
        // One that was told before adds nothing, with other content neither.
        if !self.hooks.is_empty() {
            let told = self.random.one(&self.hooks).clone();
            assert_eq!(self.post_hook(&told, SECRET), 200);
            assert_eq!(self.post_hook(&told.replace(" USD", "1 USD"), SECRET), 422);
        }
    }

    fn post_hook(&self, body: &str, secret: &str) -> u16 {
        let seconds = DURING.0;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{seconds}.{body}").as_bytes());
        let digits: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent: ureq::Agent = config.build().into();
        let request = agent
            .post(format!("{}/hooks/deposit", self.site.address))
            .header("MicroMint-Signature", format!("t={seconds},v1={digits}"));
        request.send(body.as_bytes()).unwrap().status().as_u16()
    }

    async fn redeem(&mut self) {
        let at = *self.random.one(&["news.example", "shop.example"]);
        let mut payments = Vec::new();
        for page in 0..self.random.below(3) {
            if self.sold.is_empty() {
                return;
            }
            let (owner, first) = self.random.one(&self.sold).clone();
            let payer = match self.random.below(8) {
                0 => self.random.one(&self.readers).name.clone(),
                _ => owner.clone(),
            };
            let all = coins(&owner, at, first);
            let start = self.random.below(all.len());
            let end = (start + 1 + self.random.below(5)).min(all.len());
            let paid = payment(&payer, at, &format!("{}-{page}", self.step), &all[start..end]);
            payments.push(if self.random.below(5) == 0 { with_junk(paid) } else { paid });
        }
        self.sent.push(batch(at, &format!("b-{}", self.step), &payments));
        for sent in [self.sent.len() - 1, self.random.below(self.sent.len())] {
            self.site.world.redeem(&self.sent[sent].clone()).await;
        }
    }

    fn ask_back(&mut self) {
        let who = self.random.below(self.readers.len());
        let browser = &mut self.readers[who].browser;
        // Whoever has asked has no form for it, and perhaps another tab with one.
        let token = browser.get("/account").value("/logout", "token");
        let fields = [("token", token.as_str()), ("password", PASSWORD)];
        let answer = browser.post("/account/refund", &fields);
        assert_eq!(answer.status, 303, "{}", answer.text);
    }

    /// Makes a run, and says what became of it.
    async fn pay_out(&mut self) {
        let page = self.operator.get("/operator/payouts");
        if !page.text.contains("name=\"run\"") {
            return;
        }
        let made = self.operator.send(&page, "/operator/payouts", &[]);
        let again = self.operator.send(&page, "/operator/payouts", &[]);
        assert_eq!(made.header("location"), again.header("location"));
        let address = made.header("location").unwrap().to_string();
        self.runs += 1;
        assert_eq!(address, format!("/operator/payouts/{}", self.runs));
        let run = self.operator.get(&address);
        let row = "SELECT CAST(COALESCE(SUM(units), 0) AS BIGINT) FROM payout \
                   WHERE state = 'paid'";
        let before = self.site.world.number(row).await;
        let order = self.random.below(4);
        let failed = format!("{address}/failed");
        let mut steps = vec![];
        match order {
            0 => {}
            1 => steps.push("paid"),
            2 => steps.extend(["failed", "paid"]),
            _ => steps.extend(["paid", "failed"]),
        }
        for step in steps {
            for _ in 0..2 {
                if step == "paid" {
                    self.operator.send(&run, &format!("{address}/paid"), &[]);
                } else {
                    // The first payment of the run came back.
                    self.operator.send(&run, &failed, &[]);
                }
            }
            self.site.world.check_ledger().await;
        }
        let paid = self.site.world.number(row).await - before;
        self.inside -= paid;
    }

    async fn give_back(&mut self) {
        if self.sold.is_empty() {
            return;
        }
        self.step += 1;
        let (owner, first) = self.random.one(&self.sold).clone();
        let all = coins(&owner, "news.example", first);
        let some: Vec<u64> =
            all.iter().map(|coin| coin[0]).filter(|_| self.random.below(3) > 0).collect();
        if some.is_empty() {
            return;
        }
        let request = return_of(&owner, &format!("r-{}", self.step), &some);
        for _ in 0..2 {
            self.site.world.take_back(&request, EXPIRED).await;
        }
    }

    /// Returns all coins of the free sets.
    async fn give_back_free(&mut self) {
        let world = &self.site.world;
        let store = world.service.store();
        let free = store.free_superbins(world.period.name(), 0, 64).await.unwrap();
        for (owner, first) in self.sold.iter().filter(|(_, first)| free.contains(first)) {
            let all = coins(owner, "news.example", *first);
            let x: Vec<u64> = all.iter().map(|coin| coin[0]).collect();
            world.take_back(&return_of(owner, &format!("f-{first}"), &x), EXPIRED).await;
        }
    }

    /// Decides about what is disputed, one way or the other.
    async fn rule(&mut self) {
        for _ in 0..4 {
            let page = self.operator.get("/operator/disputes");
            if !page.text.contains("name=\"ruling\"") {
                break;
            }
            self.operator.send(&page, "/operator/disputes", &[]);
            self.check().await;
        }
    }

    /// The books: no faults, nothing below zero, all zero together, and money from outside is what
    /// the answers said.
    async fn check(&self) {
        self.site.world.check_ledger().await;
        let below = self
            .site
            .world
            .number(
                "SELECT COUNT(*) FROM balance JOIN account ON id = account \
                 WHERE amount < 0 AND kind NOT IN ('outside', 'promotion')",
            )
            .await;
        assert_eq!(below, 0, "step {}", self.step);
        let mut totals = BTreeMap::new();
        for sum in sums(self.site.world.service.store()).await.unwrap() {
            *totals.entry(sum.currency.to_string()).or_insert(0) += sum.units;
        }
        assert!(totals.values().all(|total| *total == 0), "step {}: {totals:?}", self.step);
        let world = &self.site.world;
        let free =
            world.number("SELECT CAST(COALESCE(SUM(sets), 0) AS BIGINT) FROM sale WHERE free = 1");
        assert!(free.await <= 4, "step {}", self.step);
        let promotion = world.balance(AccountKind::Promotion, "2026-12").await;
        assert!(promotion <= 0, "step {}: {promotion}", self.step);
        let outside = self.site.world.balance(AccountKind::Outside, "").await;
        assert_eq!(-outside, self.inside, "step {}", self.step);
    }
}
