//! Free trial sets: who gets them, how many there are, and where their money is.

use std::path::Path;
use std::process::Command;

use micromint::protocol::{FundsWithdrawn, Verdict};
use mmbrokerd::service::{SaleAnswer, SaleOrder, Trial};
use mmbrokerd::shop::{MailSettings, MailTls, Role, ShopSettings};
use mmbrokerd::store::{AccountKind, Dialect, RefusedFor};

use crate::browser::*;
use crate::databases::Database;
use crate::world::*;

crate::on_both_databases!(
    a_free_set_is_taken_once,
    there_is_no_trial_by_default,
    a_form_outlives_its_offer,
    never_more_than_there_are,
    an_address_counts_once,
    free_sets_count_in_the_limit,
    an_order_stays_free_or_not,
    what_comes_back_is_not_paid_out,
    a_dispute_about_free_coins_pays_no_reader,
    accounts_survive_the_migration,
);

fn trial(for_one: u64, for_all: u64) -> ShopSettings {
    ShopSettings { trial_sets: for_one, trial_sets_total: for_all, ..ShopSettings::default() }
}

/// Takes what a reader is offered.
fn take(browser: &mut Browser) -> Seen {
    let form = browser.get("/buy");
    browser.send(&form, "/buy/free", &[])
}

/// The auditor, which shares no code with the broker, finds nothing.
pub(crate) fn audit(world: &World) {
    let auditor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mm-audit/mm-audit");
    let url = &world._database.url;
    let output = Command::new(auditor).arg(url).arg(world.folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn promotion(site: &Site) -> i64 {
    site.world.balance(AccountKind::Promotion, "2026-12").await / COIN
}

async fn a_free_set_is_taken_once(database: Database) {
    let settings = ShopSettings { vat: "19 %".to_string(), ..trial(2, 10) };
    let site = site_with(database, settings).await;
    let (mut browser, name) = site.reader();
    browser.get("/").says(200, "Try it with free coins");
    let form = browser.get("/buy");
    form.says(200, "You get 2 sets of this period for free, once.");
    for sets in ["0", "-1", "x", "21", "4294967298"] {
        browser.send(&form, "/buy/free", &[("sets", sets)]).says(422, "whole number");
    }
    // A form with more sets than are offered.
    let refused = browser.send(&form, "/buy/free", &[("sets", "3")]);
    refused.says(422, "You asked for more free sets than are offered to you now");
    let form = browser.get("/buy");
    let taken = browser.send(&form, "/buy/free", &[]);
    assert_eq!(taken.status, 303, "{}", taken.text);
    assert_eq!(taken.header("location"), browser.send(&form, "/buy/free", &[]).header("location"));
    let page = browser.follow(&taken);
    page.says(200, "0.00 USD");
    page.says(200, "the broker pays these coins");
    assert!(!page.text.contains("19 %"), "{}", page.text);
    // They are delivered and acknowledged as all others.
    let coins = page.header("micromint-coins").unwrap().to_string();
    let funds = FundsWithdrawn::parse(&browser.get(&coins).bytes).unwrap();
    assert_eq!((funds.user.as_str(), funds.sets.len()), (name.as_str(), 2));
    assert_eq!(browser.post(&format!("{coins}/received"), &[]).status, 200);
    let sale: serde_json::Value = serde_json::from_str(&browser.get(&coins).text).unwrap();
    assert_eq!(sale["free"], true);
    let count: i64 = funds.sets.iter().map(|set| set.superbins[0].len() as i64).sum();
    assert_eq!(promotion(&site).await, -count);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 0);
    assert_eq!(site.world.balance(AccountKind::Coins, "2026-12").await, count * COIN);
    // Once: neither the page nor an older form gives more.
    for path in ["/", "/buy"] {
        assert!(!browser.get(path).text.contains("free"), "{path}");
    }
    browser.get("/purchases").says(200, "0.00 USD");
    let transaction = [("transaction", "77"), ("sets", "1")];
    browser.send(&form, "/buy/free", &transaction).says(422, "already had the free sets");
    // A set that is paid says what it costs.
    site.world.fund(&name, 500).await;
    let buy = browser.get("/buy");
    let bought = browser.send(&buy, "/buy", &[("sets", "1")]);
    let page = browser.follow(&bought);
    page.says(200, "19 %");
    assert!(!page.text.contains("0.00 USD"), "{}", page.text);
    let export: serde_json::Value =
        serde_json::from_str(&browser.get("/account/export").text).unwrap();
    let free: Vec<_> =
        export["purchases"].as_array().unwrap().iter().map(|it| &it["free"]).collect();
    assert_eq!(free, [true, false]);
    assert!(!export.to_string().contains("promotion"), "{export}");
    let mut operator = site.operator("boss", Role::Admin).await;
    operator.get("/operator").says(200, "Of these free");
    operator.get("/operator").says(200, "Given away as free trials");
    let sums = operator.get("/operator/sums");
    sums.says(200, "Promotion: free sets, less what came back");
    sums.says(200, "it has no faults");
    assert!(!sums.text.contains("are not what was sold"), "{}", sums.text);
    site.world.check_ledger().await;
    audit(&site.world);
}

async fn a_form_outlives_its_offer(database: Database) {
    let site = site_with(database, trial(2, 10)).await;
    let (mut early, _) = site.reader();
    let (mut late, _) = site.reader();
    let (form, open) = (early.get("/buy"), late.get("/buy"));
    let taken = early.send(&form, "/buy/free", &[]);
    assert_eq!(taken.status, 303, "{}", taken.text);
    // The operator offers one set instead of two: the form for two takes none, and says why.
    let site = site.restarted_with(trial(1, 10)).await;
    late.at(&site);
    late.send(&open, "/buy/free", &[])
        .says(422, "You asked for more free sets than are offered to you now");
    late.get("/buy").says(200, "You get 1 set of this period for free, once.");
    // Then none: the form that was sent leads to its receipt.
    let site = site.restarted_with(trial(0, 0)).await;
    early.at(&site);
    late.at(&site);
    let again = early.send(&form, "/buy/free", &[]);
    assert_eq!((again.status, again.header("location")), (303, taken.header("location")));
    late.send(&open, "/buy/free", &[]).says(422, "There is no free trial any more");
    // Nobody gets the receipt of another.
    let transaction = form.value("/buy/free", "transaction");
    let others = [("transaction", transaction.as_str())];
    late.send(&open, "/buy/free", &others).says(422, "The form cannot be read");
}

async fn there_is_no_trial_by_default(database: Database) {
    let site = site(database).await;
    let (mut browser, _) = site.reader();
    let form = browser.get("/buy");
    assert!(!form.text.contains("free"), "{}", form.text);
    let mut fields = form.hidden("/buy");
    fields.insert("sets".to_string(), "1".to_string());
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post("/buy/free", &fields).says(422, "no free trial any more");
    let wrong = ShopSettings { trial_sets_total: 1, ..trial(2, 2) }.check().unwrap_err();
    assert!(wrong.starts_with("shop.trial-sets-total: expected at least"), "{wrong}");
    assert!(trial(2, 2).check().is_ok());
}

async fn never_more_than_there_are(database: Database) {
    let site = site_with(database, trial(1, 5)).await;
    // One reader with many tabs.
    let (mut browser, _) = site.reader();
    let forms: Vec<Seen> = (0..5).map(|_| browser.get("/buy")).collect();
    let tabs = at_once(&forms, |form| browser.clone().send(form, "/buy/free", &[]));
    assert_eq!(tabs.iter().filter(|answer| answer.status == 303).count(), 1);
    let refused = tabs.iter().filter(|answer| answer.status != 303);
    refused.for_each(|answer| answer.says(422, "already had the free sets"));
    // Many readers at the last ones.
    let readers: Vec<(Browser, Seen)> = (0..9)
        .map(|_| {
            let (mut browser, _) = site.reader();
            let form = browser.get("/buy");
            (browser, form)
        })
        .collect();
    let answers = at_once(&readers, |(browser, form)| browser.clone().send(form, "/buy/free", &[]));
    assert_eq!(answers.iter().filter(|answer| answer.status == 303).count(), 4);
    let refused = answers.iter().filter(|answer| answer.status != 303);
    refused.for_each(|answer| answer.says(422, "Not enough free sets of this period are left"));
    let (mut late, _) = site.reader();
    assert!(!late.get("/buy").text.contains("free"), "{}", late.get("/buy").text);
    let given = "SELECT CAST(SUM(sets) AS BIGINT) FROM sale WHERE free = 1";
    assert_eq!(site.world.number(given).await, 5);
    let mut operator = site.operator("boss", Role::Support).await;
    operator.get("/operator").says(200, "5 / ");
    site.world.check_ledger().await;
    audit(&site.world);
}

fn at_once<I: Sync, T: Send>(of: &[I], act: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let (barrier, act) = (std::sync::Barrier::new(of.len()), &act);
    std::thread::scope(|scope| {
        let one = |item| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                act(item)
            })
        };
        let threads: Vec<_> = of.iter().map(one).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

async fn an_address_counts_once(database: Database) {
    let mail = MailSettings {
        server: "localhost".to_string(),
        port: Some(1),
        tls: MailTls::None,
        from: "Broker <coins@broker.example>".to_string(),
        ca_file: None,
        user: None,
        password_file: None,
    };
    let settings = ShopSettings { mail: Some(mail), ..trial(2, 10) };
    let site = site_with(database, settings).await;
    let (mut alice, name) = site.reader();
    let (mut second, other) = site.reader();
    let page = alice.get("/buy");
    page.says(200, "once your account has a confirmed mail address");
    assert!(!page.text.contains("/buy/free"), "{}", page.text);
    let token = page.value("/logout", "token");
    let period = site.world.period.name().to_string();
    let fields = [
        ("token", token.as_str()),
        ("sets", "1"),
        ("period", period.as_str()),
        ("transaction", "5"),
    ];
    alice.post("/buy/free", &fields).says(422, "Free sets need a confirmed mail address");
    confirm(&site, &name, "Alice@Example.org").await;
    assert_eq!(alice.post("/buy/free", &fields).status, 303);
    alice.get("/buy").says(200, "You get 1 set of this period for free");
    // Another account with the same address gets what the first one left.
    confirm(&site, &other, "alice@example.ORG").await;
    second.get("/buy").says(200, "You get 1 set of this period for free");
    assert_eq!(take(&mut second).status, 303);
    assert!(!second.get("/buy").text.contains("free"));
    let form = alice.get("/buy");
    assert!(!form.text.contains("free"), "{}", form.text);
    // With another address, the first account gets what it did not take itself, and no more.
    confirm(&site, &name, "someone@example.org").await;
    let page = alice.get("/buy");
    page.says(200, "You get 1 set of this period for free");
    assert_eq!(take(&mut alice).status, 303);
    assert!(!alice.get("/buy").text.contains("free"));
    // The address itself is not in the sale.
    let known = "SELECT COUNT(*) FROM sale WHERE LENGTH(free_for) = 32";
    assert_eq!(site.world.number(known).await, 3);
    audit(&site.world);
}

/// Records an address as its link does.
async fn confirm(site: &Site, user: &str, address: &str) {
    let mut tx = site.world.service.store().begin().await.unwrap();
    let insert = "INSERT INTO mail_address (user_id, address, compared, confirmed_at) \
                  VALUES ($1, $2, $3, 1) ON CONFLICT (user_id) DO UPDATE SET \
                  address = excluded.address, compared = excluded.compared";
    sqlx::query(insert)
        .bind(user.to_string())
        .bind(address.to_string())
        .bind(address.to_lowercase())
        .execute(tx.connection())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn free_sets_count_in_the_limit(database: Database) {
    let settings = ShopSettings { sets_per_period: 3, ..trial(2, 10) };
    let site = site_with(database, settings).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 1000).await;
    let form = browser.get("/buy");
    assert_eq!(browser.send(&form, "/buy", &[("sets", "2")]).status, 303);
    // One is left of the three.
    browser.get("/buy").says(200, "You get 1 set of this period for free");
    let form = browser.get("/buy");
    let more = browser.send(&form, "/buy/free", &[("sets", "2")]);
    more.says(422, "you have reached the limit");
    assert_eq!(take(&mut browser).status, 303);
    browser.get("/buy").says(200, "the limit of sets for this period");
    assert!(!browser.get("/buy").text.contains("/buy/free"));
    // Free sets first, then those that are paid.
    let (mut other, name) = site.reader();
    site.world.fund(&name, 1000).await;
    assert_eq!(take(&mut other).status, 303);
    let form = other.get("/buy");
    form.says(200, "You can buy 1 more set of this period");
    other.send(&form, "/buy", &[("sets", "2")]).says(422, "more sets than you can still buy");
}

/// What an order came to. `Err(None)` is a number that belongs to another order.
fn sold(answer: SaleAnswer) -> Result<(), Option<RefusedFor>> {
    match answer {
        SaleAnswer::Sold(_) => Ok(()),
        SaleAnswer::Refused(refused) => Err(Some(refused.reason)),
        SaleAnswer::Rejected(_) => Err(None),
    }
}

async fn an_order_stays_free_or_not(database: Database) {
    let world = world(database).await;
    let order = |name: &str, sets, transaction| SaleOrder {
        user: user(name),
        sets,
        transaction,
        now: DURING,
    };
    let rules = |for_one, for_all| Trial { for_one, for_all, address: None };
    let give = async |order: SaleOrder, trial: Trial| {
        sold(world.service.give(&world.period, order, trial).await.unwrap())
    };
    let buy = async |order: SaleOrder| sold(world.service.buy(&world.period, order).await.unwrap());
    world.fund("alice", 1000).await;
    assert_eq!(give(order("alice", 1, 1), rules(2, 3)).await, Ok(()));
    assert_eq!(give(order("alice", 1, 1), rules(2, 3)).await, Ok(()));
    // A sale that was free is not bought under its number, nor the other way round.
    assert_eq!(buy(order("alice", 1, 1)).await, Err(None));
    assert_eq!(buy(order("alice", 1, 2)).await, Ok(()));
    assert_eq!(give(order("alice", 1, 2), rules(2, 3)).await, Err(None));
    assert_eq!(give(order("bob", 1, 1), rules(2, 3)).await, Err(None));
    // At the numbers and past them; what was refused stays so, even if there were more now.
    assert_eq!(give(order("alice", 2, 3), rules(2, 3)).await, Err(Some(RefusedFor::TrialTaken)));
    assert_eq!(give(order("alice", 2, 3), rules(9, 9)).await, Err(Some(RefusedFor::TrialTaken)));
    assert_eq!(give(order("alice", 1, 4), rules(2, 3)).await, Ok(()));
    assert_eq!(give(order("bob", 2, 5), rules(2, 3)).await, Err(Some(RefusedFor::TrialOver)));
    assert_eq!(give(order("bob", 1, 6), rules(2, 3)).await, Ok(()));
    assert_eq!(give(order("carol", 1, 7), rules(2, 3)).await, Err(Some(RefusedFor::TrialOver)));
    assert_eq!(give(order("carol", 1, 8), rules(u64::MAX, u64::MAX)).await, Ok(()));
    assert_eq!(give(order("carol", 0, 9), rules(2, 9)).await, Err(None));
    world.service.store().revoke(&user("dave"), DURING).await.unwrap();
    assert_eq!(give(order("dave", 1, 10), rules(2, 9)).await, Err(Some(RefusedFor::Revoked)));
    assert_eq!(world.number("SELECT COUNT(*) FROM sale WHERE free = 1").await, 4);
    world.check_ledger().await;
    audit(&world);
}

async fn what_comes_back_is_not_paid_out(database: Database) {
    let site = site_with(database, trial(1, 10)).await;
    let (mut browser, name) = site.reader();
    assert_eq!(take(&mut browser).status, 303);
    site.world.fund(&name, 1000).await;
    let form = browser.get("/buy");
    assert_eq!(browser.send(&form, "/buy", &[("sets", "1")]).status, 303);
    let sales = site.world.service.store().sales_of(&user(&name), 100).await.unwrap();
    assert_eq!([sales[0].is_free, sales[1].is_free], [true, false]);
    let (free, paid) = (sales[0].clone(), sales[1].clone());
    let before = site.world.balance(AccountKind::Client, &name).await / COIN;
    // Of each set, some coins are paid, some are returned, some are lost.
    let mut payments = Vec::new();
    for (page, sale) in [&free, &paid].into_iter().enumerate() {
        let all = coins(&name, "news.example", sale.first);
        payments.push(payment(&name, "news.example", &page.to_string(), &all[..2 + page]));
    }
    let verdicts = site.world.redeem(&batch("news.example", "b", &payments)).await;
    assert_eq!(verdicts, [Verdict::Accepted; 5]);
    site.world.clock.set(EXPIRED);
    let first = |sale: &mmbrokerd::store::SaleRow| -> Vec<u64> {
        coins(&name, "news.example", sale.first).iter().map(|coin| coin[0]).collect()
    };
    let (of_free, of_paid) = (first(&free), first(&paid));
    let back = [&of_free[2..5], &of_paid[3..4]].concat();
    for _ in 0..2 {
        let request = return_of(&name, "r-1", &back);
        assert_eq!(site.world.take_back(&request, EXPIRED).await, [Verdict::Waiting; 4]);
    }
    // What was paid is not credited, whether it was free or not.
    let again = return_of(&name, "r-2", &[of_free[0], of_paid[0]]);
    site.world.take_back(&again, EXPIRED).await;
    assert_eq!(promotion(&site).await, -i64::from(free.coins));
    site.world.settle().await;
    assert_eq!(promotion(&site).await, 3 - i64::from(free.coins));
    let after = site.world.balance(AccountKind::Client, &name).await / COIN;
    assert_eq!(after, before + 1);
    assert_eq!(site.world.balance(AccountKind::Vendor, "news.example").await, 5 * COIN);
    assert_eq!(site.world.balance(AccountKind::Coins, "2026-12").await, 0);
    let lapsed = i64::from(free.coins) - 5 + i64::from(paid.coins) - 4;
    assert_eq!(site.world.balance(AccountKind::Lapsed, "2026-12").await, lapsed * COIN);
    // A reader with free coins only gets nothing, and nothing is due.
    let mut operator = site.operator("boss", Role::Admin).await;
    let sums = operator.get("/operator/sums");
    sums.says(200, "Back from free trials: 0.03 USD");
    assert!(!sums.text.contains("are not what was sold"), "{}", sums.text);
    site.world.check_ledger().await;
    audit(&site.world);
}

async fn a_dispute_about_free_coins_pays_no_reader(database: Database) {
    let world = world(database).await;
    let order = SaleOrder { user: user("alice"), sets: 1, transaction: 1, now: DURING };
    let trial = Trial { for_one: 1, for_all: 1, address: None };
    let answer = world.service.give(&world.period, order, trial).await.unwrap();
    let SaleAnswer::Sold(free) = answer else { panic!("{answer:?}") };
    let paid = world.sell("alice", 1, 2).await;
    let before = world.balance(AccountKind::Client, "alice").await;
    let mut payments = Vec::new();
    for (page, sale) in [&free, &paid].into_iter().enumerate() {
        let all = coins("alice", "news.example", sale.first);
        let page = page.to_string();
        payments.push(with_junk(payment("alice", "news.example", &page, &all[..3])));
    }
    let verdicts = world.redeem(&batch("news.example", "b", &payments)).await;
    assert_eq!(verdicts, [Verdict::Waiting; 6]);
    for (id, sale) in [("r-1", &free), ("r-2", &paid)] {
        let all = coins("alice", "news.example", sale.first);
        let x: Vec<u64> = all[..2].iter().map(|coin| coin[0]).collect();
        world.take_back(&return_of("alice", id, &x), EXPIRED).await;
    }
    world.settle().await;
    audit(&world);
    let service = &world.service;
    let refuse = micromint::broker::Ruling::Refuse;
    let ruled =
        service.rule(&world.period, &vendor("news.example"), None, ("boss", refuse)).await.unwrap();
    assert_eq!(ruled.unwrap().credited, 4);
    // Two of each came back: those of the free set to the promotion.
    assert_eq!(world.balance(AccountKind::Client, "alice").await, before + 2 * COIN);
    let promotion = world.balance(AccountKind::Promotion, "2026-12").await;
    assert_eq!(promotion, (2 - i64::from(free.coins)) * COIN);
    world.check_ledger().await;
    audit(&world);
}

/// The earlier migrations, and rows that refer to accounts.
async fn accounts_survive_the_migration(database: Database) {
    macro_rules! texts {
        ($folder:literal) => {
            [
                include_str!(concat!("../../migrations/", $folder, "/1_store.sql")),
                include_str!(concat!("../../migrations/", $folder, "/2_restore.sql")),
                include_str!(concat!("../../migrations/", $folder, "/3_staged.sql")),
                include_str!(concat!("../../migrations/", $folder, "/100_shop.sql")),
                include_str!(concat!("../../migrations/", $folder, "/101_mint.sql")),
                include_str!(concat!("../../migrations/", $folder, "/102_passkey.sql")),
                include_str!(concat!("../../migrations/", $folder, "/103_trial.sql")),
            ]
        };
    }
    sqlx::any::install_default_drivers();
    let is_sqlite = Dialect::of(&database.url) == Some(Dialect::Sqlite);
    let url = if is_sqlite { format!("{}?mode=rwc", database.url) } else { database.url.clone() };
    let pool = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let texts = if is_sqlite { texts!("sqlite") } else { texts!("postgres") };
    if is_sqlite {
        sqlx::raw_sql("PRAGMA foreign_keys = ON").execute(&pool).await.unwrap();
    }
    let (last, before) = texts.split_last().unwrap();
    for text in before {
        sqlx::raw_sql(*text).execute(&pool).await.unwrap();
    }
    let rows = "INSERT INTO account (kind, owner, currency) VALUES ('outside', '', 'USD'); \
                INSERT INTO account (kind, owner, currency) VALUES ('client', 'alice', 'USD'); \
                INSERT INTO balance (account, floor, amount) VALUES (1, -100, -7); \
                INSERT INTO balance (account, floor, amount) VALUES (2, 0, 7); \
                INSERT INTO transfer (at, kind, reference) VALUES (1, 'deposit', 'a'); \
                INSERT INTO entry (transfer, account, amount) VALUES (1, 1, -7); \
                INSERT INTO entry (transfer, account, amount) VALUES (1, 2, 7)";
    sqlx::raw_sql(rows).execute(&pool).await.unwrap();
    // As the migrator does: all of it, or nothing.
    let mut tx = pool.begin().await.unwrap();
    sqlx::raw_sql(*last).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let count = async |select: &'static str| -> i64 {
        use sqlx::Row;
        sqlx::query(select).fetch_one(&pool).await.unwrap().get(0)
    };
    assert_eq!(count("SELECT COUNT(*) FROM account JOIN balance ON id = account").await, 2);
    assert_eq!(
        count("SELECT amount FROM balance JOIN account ON id = account WHERE kind = 'client'")
            .await,
        7
    );
    // References hold as before, and unknown kinds are refused.
    assert!(sqlx::query("DELETE FROM account WHERE id = 2").execute(&pool).await.is_err());
    let insert = "INSERT INTO account (kind, owner, currency) VALUES ('promotion', 'p', 'USD')";
    sqlx::query(insert).execute(&pool).await.unwrap();
    let insert = "INSERT INTO account (kind, owner, currency) VALUES ('other', '', 'USD')";
    assert!(sqlx::query(insert).execute(&pool).await.is_err());
    assert_eq!(count("SELECT COUNT(*) FROM account").await, 3);
}
