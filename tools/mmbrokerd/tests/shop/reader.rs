//! What readers do: buy, take their coins, export, close.

use std::sync::{Arc, Barrier};

use micromint::protocol::FundsWithdrawn;
use mmbrokerd::service::{Progress, Restore};
use mmbrokerd::shop::{Role, ShopSettings};
use mmbrokerd::store::{AccountKind, NewComplaint};

use crate::browser::*;
use crate::databases::Database;
use crate::world::{COIN, DURING, EXPIRED, user, vendor};

crate::on_both_databases!(
    a_reader_buys_and_the_page_offers_the_coins,
    an_order_that_cannot_be_made_says_why,
    a_double_click_buys_once,
    two_tabs_do_not_pass_the_limit,
    the_limit_holds_for_programs_too,
    a_transaction_of_another_is_no_way_past_the_limit,
    nobody_sees_or_takes_the_coins_of_others,
    an_account_is_exported_and_closed,
    an_export_has_all_rows,
    lists_of_purchases_have_the_last_ones,
    an_order_past_the_limit_says_what_is_left,
    an_export_has_everything,
    paid_coins_are_taken_before_an_account_closes,
    pages_work_below_a_path,
    a_period_that_is_sold_out_offers_nothing,
    the_end_of_a_period_is_told,
);

const IBAN: &str = "DE89370400440532013000";

/// The number of the purchase to which an answer leads.
fn number(answer: &Seen) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("location").unwrap().strip_prefix("/purchases/").unwrap().to_string()
}

fn buy(browser: &mut Browser, sets: &str) -> Seen {
    let form = browser.get("/buy");
    browser.send(&form, "/buy", &[("sets", sets)])
}

async fn a_reader_buys_and_the_page_offers_the_coins(database: Database) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 500).await;
    browser.get("/").says(200, "5.00 USD");
    let bought = buy(&mut browser, "2");
    let number = number(&bought);
    let page = browser.follow(&bought);
    page.says(200, "Take the coins");
    let coins = format!("/v1/purchases/{number}");
    assert_eq!(page.header("micromint-coins"), Some(coins.as_str()));
    assert_eq!(browser.get("/").header("micromint-coins"), Some(coins.as_str()));
    // The wallet in the browser fetches them with the cookie, as often as it asks.
    let message = browser.get(&coins);
    let funds = FundsWithdrawn::parse(&message.bytes).unwrap();
    assert_eq!((funds.user.as_str(), funds.sets.len()), (name.as_str(), 2));
    assert_eq!(browser.get(&coins).bytes, message.bytes);
    let file = browser.get(&format!("/purchases/{number}/coins"));
    assert_eq!(file.bytes, message.bytes);
    assert!(file.header("content-disposition").unwrap().starts_with("attachment; filename="));
    let paid = 500 * COIN - site.world.balance(AccountKind::Client, &name).await;
    let count: usize = funds.sets.iter().map(|set| set.superbins[0].len()).sum();
    assert_eq!(paid, count as i64 * COIN);
    // Another site cannot acknowledge them; the wallet does.
    browser.site = "cross-site";
    assert_eq!(browser.post(&format!("{coins}/received"), &[]).status, 401);
    browser.site = "same-origin";
    assert_eq!(browser.get(&coins).bytes, message.bytes);
    assert_eq!(browser.post(&format!("{coins}/received"), &[]).status, 200);
    let page = browser.get(&format!("/purchases/{number}"));
    page.says(200, "Your wallet acknowledged these coins");
    assert_eq!(page.header("micromint-coins"), None);
    assert_eq!(browser.get(&coins).header("content-type"), Some("application/json"));
    browser.get(&format!("/purchases/{number}/coins")).says(422, "were acknowledged");
    browser.get("/purchases").says(200, "in the wallet");
    // The second purchase is acknowledged by hand.
    let bought = buy(&mut browser, "1");
    let page = browser.follow(&bought);
    let action = format!("{}/received", bought.header("location").unwrap());
    let done = browser.send(&page, &action, &[]);
    browser.follow(&done).says(200, "Acknowledged.");
    assert_eq!(browser.get("/").header("micromint-coins"), None);
    site.world.check_ledger().await;
}

async fn an_order_that_cannot_be_made_says_why(database: Database) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    buy(&mut browser, "1").says(422, "Your balance is too small");
    site.world.fund(&name, 3).await;
    buy(&mut browser, "1").says(422, "Your balance is too small");
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 3 * COIN);
    for sets in ["0", "-1", "1.5", "", "21", "4294967297", "99999999999999999999999"] {
        buy(&mut browser, sets)
            .says(422, "Expected a whole number from 1 to 20 in the field “Sets”");
    }
    let form = browser.get("/buy");
    browser.send(&form, "/buy", &[("period", "1999-01")]).says(422, "No coins are being sold");
    site.world.fund(&name, 10_000).await;
    site.world.sell("someone", 15, 77).await;
    buy(&mut browser, "20").says(422, "not enough sets left");
    // The number of someone else's purchase is not a way to it.
    browser.send(&form, "/buy", &[("transaction", "77")]).says(422, "cannot be read");
    let form = browser.get("/buy");
    site.world.service.store().revoke(&name.parse().unwrap(), EXPIRED).await.unwrap();
    browser.send(&form, "/buy", &[("sets", "1")]).says(422, "cannot buy any more");
    // It is said before the form is sent.
    let page = browser.get("/buy");
    page.says(200, "cannot buy any more");
    browser.get("/").says(200, "cannot buy any more");
    assert!(!page.text.contains("name=\"sets\""), "{}", page.text);
    // The session is over too, after so long.
    site.world.clock.set(EXPIRED);
    assert_eq!(browser.login(&name, PASSWORD).status, 303);
    let page = browser.get("/buy");
    page.says(200, "No coins are being sold now");
    let token = page.value("/logout", "token");
    let fields =
        [("token", token.as_str()), ("sets", "1"), ("period", "2026-12"), ("transaction", "5")];
    let page = browser.post("/buy", &fields);
    page.says(422, "No coins are being sold now");
    assert_eq!(page.text.matches("No coins are being sold now").count(), 1, "{}", page.text);
    browser.language = "de";
    browser.get("/buy").says(200, "Zurzeit werden keine Münzen verkauft");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM sale").await, 1);
    site.world.check_ledger().await;
}

async fn a_double_click_buys_once(database: Database) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 1000).await;
    let form = browser.get("/buy");
    let clicks =
        at_once(4, &browser, |mut browser, _| browser.send(&form, "/buy", &[("sets", "1")]));
    let numbers: std::collections::BTreeSet<String> = clicks.iter().map(number).collect();
    assert_eq!(numbers.len(), 1);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM sale").await, 1);
    site.world.check_ledger().await;
}

/// Does something in several browsers with the same cookies at once.
fn at_once<T: Send>(
    count: usize,
    browser: &Browser,
    act: impl Fn(Browser, usize) -> T + Sync,
) -> Vec<T> {
    let barrier = Arc::new(Barrier::new(count));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|at| {
                let (browser, barrier, act) = (browser.clone(), Arc::clone(&barrier), &act);
                scope.spawn(move || {
                    barrier.wait();
                    act(browser, at)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

async fn two_tabs_do_not_pass_the_limit(database: Database) {
    let settings = ShopSettings { sets_per_period: 5, ..ShopSettings::default() };
    let site = site_with(database, settings).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 10_000).await;
    let forms: Vec<Seen> = (0..6).map(|_| browser.get("/buy")).collect();
    let tabs =
        at_once(6, &browser, |mut browser, at| browser.send(&forms[at], "/buy", &[("sets", "2")]));
    let bought = tabs.iter().filter(|answer| answer.status == 303).count();
    assert_eq!(bought, 2);
    for refused in tabs.iter().filter(|answer| answer.status != 303) {
        let words = ["the limit of sets for this period", "more sets than you can still buy"];
        assert!(words.iter().any(|words| refused.text.contains(words)), "{}", refused.text);
        assert_eq!(refused.status, 422);
    }
    // A form that was refused stays refused, and the rest can be bought.
    let refused = tabs.iter().position(|answer| answer.status != 303).unwrap();
    browser
        .send(&forms[refused], "/buy", &[("sets", "2")])
        .says(422, "more sets than you can still");
    assert_eq!(buy(&mut browser, "1").status, 303);
    browser.get("/buy").says(200, "the limit of sets for this period");
    assert_eq!(site.world.number("SELECT CAST(SUM(sets) AS BIGINT) FROM sale").await, 5);
}

async fn the_limit_holds_for_programs_too(database: Database) {
    let settings = ShopSettings { sets_per_period: 2, ..ShopSettings::default() };
    let site = site_with(database, settings).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 10_000).await;
    let account = browser.get("/account");
    let page = browser.send(&account, "/account/key", &[]);
    let at = page.text.find("mmk_").unwrap();
    let key = page.text[at..at + 68].to_string();
    let order = |transaction: &str, sets: u32| {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent: ureq::Agent = config.build().into();
        let order = format!(r#"{{"sets": {sets}, "transaction": "{transaction}"}}"#);
        let request = agent
            .post(format!("{}/v1/purchases", site.address))
            .header("Authorization", format!("Bearer {key}"));
        request.send(order.as_bytes()).unwrap()
    };
    assert_eq!(order("1", 2).status(), 200);
    assert_eq!(order("1", 2).status(), 200);
    for _ in 0..2 {
        let refused = order("2", 1);
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["micromint-not-sold"], "2026-12 2");
    }
    buy_limit(&mut browser);
    let account = browser.get("/account");
    let ended = browser.send(&account, "/account/keys/end", &[]);
    browser.follow(&ended).says(200, "All keys have ended");
    assert_eq!(order("3", 1).status(), 401);
}

async fn a_transaction_of_another_is_no_way_past_the_limit(database: Database) {
    let settings = ShopSettings { sets_per_period: 3, ..ShopSettings::default() };
    let site = site_with(database, settings).await;
    let key = |browser: &mut Browser| {
        let account = browser.get("/account");
        let page = browser.send(&account, "/account/key", &[]);
        let at = page.text.find("mmk_").unwrap();
        page.text[at..at + 68].to_string()
    };
    let (mut alice, of_alice) = site.reader();
    let (mut bob, of_bob) = site.reader();
    site.world.fund(&of_bob, 10_000).await;
    let (of_alice, of_bob) = ((of_alice, key(&mut alice)), (of_bob, key(&mut bob)));
    let order = |(_, key): &(String, String), transaction: u64, sets: u32| {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent: ureq::Agent = config.build().into();
        let order = format!(r#"{{"sets": {sets}, "transaction": "{transaction}"}}"#);
        let request = agent
            .post(format!("{}/v1/purchases", site.address))
            .header("Authorization", format!("Bearer {key}"));
        request.send(order.as_bytes()).unwrap().status().as_u16()
    };
    // Alice has recorded an order of one set under this number, which was not made.
    let mut tx = site.world.service.store().begin().await.unwrap();
    sqlx::query(
        "INSERT INTO wish (transaction_id, user_id, period, sets, at) \
         VALUES (7, $1, '2026-12', 1, $2)",
    )
    .bind(of_alice.0.clone())
    .bind(DURING.0)
    .execute(tx.connection())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    // Bob's order under it is his own, with its own number of sets.
    assert_eq!(order(&of_bob, 7, 4), 429);
    assert_eq!(order(&of_bob, 8, 3), 200);
    assert_eq!(order(&of_bob, 9, 1), 429);
    // Nor does one of his own for fewer sets let more pass.
    let (mut carol, of_carol) = site.reader();
    site.world.fund(&of_carol, 10_000).await;
    let of_carol = (of_carol, key(&mut carol));
    assert_eq!(order(&of_carol, 20, 4), 429);
    assert_eq!(order(&of_carol, 21, 2), 200);
    assert_ne!(order(&of_carol, 21, 3), 200);
    assert_eq!(order(&of_carol, 22, 2), 429);
    let most = "SELECT MAX(sets) FROM (SELECT CAST(SUM(sets) AS BIGINT) AS sets FROM sale \
                GROUP BY user_id) AS sums";
    assert_eq!(site.world.number(most).await, 3);
}

fn buy_limit(browser: &mut Browser) {
    browser.get("/buy").says(200, "the limit of sets for this period");
}

async fn nobody_sees_or_takes_the_coins_of_others(database: Database) {
    let site = site(database).await;
    let (mut alice, name) = site.reader();
    let (mut bob, _) = site.reader();
    site.world.fund(&name, 500).await;
    let number = number(&buy(&mut alice, "1"));
    let action = format!("/purchases/{number}/received");
    for path in [format!("/purchases/{number}"), format!("/purchases/{number}/coins")] {
        bob.get(&path).says(404, "You made no such purchase");
        assert_eq!(site.browser().get(&path).status, 303);
    }
    assert_eq!(bob.get(&format!("/v1/purchases/{number}")).status, 404);
    assert_eq!(site.browser().get(&format!("/v1/purchases/{number}")).status, 401);
    let account = bob.get("/account");
    let token = account.value("/logout", "token");
    bob.post(&action, &[("token", &token)]).says(404, "You made no such purchase");
    assert_eq!(bob.post(&format!("/v1/purchases/{number}/received"), &[]).status, 404);
    assert!(alice.get("/").header("micromint-coins").is_some());
    assert!(!bob.get("/account/export").text.contains(&name));
}

async fn an_account_is_exported_and_closed(database: Database) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 1).await;
    let export: serde_json::Value =
        serde_json::from_str(&browser.get("/account/export").text).unwrap();
    assert_eq!(export["user"], name.as_str());
    assert_eq!(export["transfers"][0]["amount"], "0.01 USD");
    let account = browser.get("/account");
    let wrong = browser.send(&account, "/account/close", &[("password", "wrong password")]);
    wrong.says(422, "The password is wrong");
    let close = [("password", PASSWORD)];
    browser.send(&account, "/account/close", &close).says(422, "still has money");
    let (mut other, name) = site.reader();
    let account = other.get("/account");
    other.get("/").says(200, &name);
    let closed = other.send(&account, "/account/close", &close);
    other.follow(&closed).says(200, "The account is closed.");
    assert_eq!(other.get("/account").status, 303);
    assert_eq!(other.login(&name, PASSWORD).status, 422);
}

/// Records complaints of a person, which are rows like those that return and pay.
async fn complaints(site: &Site, name: &str, numbers: std::ops::Range<u32>) {
    let mut tx = site.world.service.store().begin().await.unwrap();
    for number in numbers {
        let insert = "INSERT INTO complaint (user_id, name, at, sha256, text, payment) \
             VALUES ($1, $2, 1, $3, 'text', $3)";
        sqlx::query(insert)
            .bind(name.to_string())
            .bind(format!("{number:05}"))
            .bind(vec![0u8])
            .execute(tx.connection())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn an_export_has_all_rows(database: Database) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    // Rows are read 1000 at a time.
    let mut made = 0;
    for count in [0, 1, 999, 1000, 1001, 2500] {
        complaints(&site, &name, made..count).await;
        made = count;
        let text = browser.get("/account/export").text;
        let export: serde_json::Value = serde_json::from_str(&text).unwrap();
        let found: Vec<&str> = export["complaints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        let expected: Vec<String> = (0..count).map(|number| format!("{number:05}")).collect();
        assert_eq!(found, expected);
        for list in ["purchases", "returns", "transfers"] {
            assert_eq!(export[list].as_array().unwrap().len(), 0, "{list}");
        }
    }
}

/// Sells sets of superbins from 100 on to a person, behind the broker's back.
async fn sales(site: &Site, name: &str, numbers: std::ops::Range<i64>) {
    let mut tx = site.world.service.store().begin().await.unwrap();
    for number in numbers {
        let insert = "INSERT INTO sale (period, first, sets, coins, user_id, transaction_id, at) \
             VALUES ('2026-12', $1, 1, 1, $2, $3, $3)";
        sqlx::query(insert)
            .bind(100 + 2 * number)
            .bind(name.to_string())
            .bind(number)
            .execute(tx.connection())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn lists_of_purchases_have_the_last_ones(database: Database) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    let account = browser.get("/account");
    let page = browser.send(&account, "/account/key", &[]);
    let at = page.text.find("mmk_").unwrap();
    let key = page.text[at..at + 68].to_string();
    let config = ureq::Agent::config_builder().proxy(None);
    let agent: ureq::Agent = config.build().into();
    let mut made = 0;
    for (count, shown, open) in [(19, 19, 19), (20, 20, 20), (200, 200, 20), (201, 200, 20)] {
        sales(&site, &name, made..count).await;
        made = count;
        let page = browser.get("/purchases");
        assert_eq!(page.text.matches("\"/purchases/").count(), shown, "{count}");
        let page = browser.get("/");
        assert_eq!(page.text.matches("\"/purchases/").count(), open, "{count}");
        let last = format!("/v1/purchases/{}", count - 1);
        assert_eq!(page.header("micromint-coins"), Some(last.as_str()));
        page.says(200, &format!(">{count}<"));
    }
    for count in [1000, 1001] {
        sales(&site, &name, made..count).await;
        made = count;
        let address = format!("{}/v1/account", site.address);
        let request = agent.get(address).header("Authorization", format!("Bearer {key}"));
        let mut answer = request.call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        let found: Vec<&str> = answer["purchases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["transaction"].as_str().unwrap())
            .collect();
        let expected: Vec<String> =
            (count - 1000..count).map(|number| number.to_string()).collect();
        assert_eq!(found, expected);
    }
    let export: serde_json::Value =
        serde_json::from_str(&browser.get("/account/export").text).unwrap();
    let found: Vec<&str> = export["purchases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["transaction"].as_str().unwrap())
        .collect();
    assert_eq!(found, (0..1001).map(|number| number.to_string()).collect::<Vec<_>>());
}

async fn an_order_past_the_limit_says_what_is_left(database: Database) {
    let settings = ShopSettings { sets_per_period: 5, ..ShopSettings::default() };
    let site = site_with(database, settings).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 10_000).await;
    assert_eq!(buy(&mut browser, "2").status, 303);
    let refused = buy(&mut browser, "4");
    refused.says(422, "more sets than you can still buy of this period");
    refused.says(422, "You can buy 3 more sets of this period.");
    assert!(!refused.text.contains("You have reached"), "{}", refused.text);
    assert_eq!(buy(&mut browser, "3").status, 303);
    browser.get("/buy").says(200, "You have reached the limit of sets for this period");
}

async fn an_export_has_everything(database: Database) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 500).await;
    let page = browser.get("/account");
    let bank = [("iban", IBAN), ("name", "Reader R."), ("password", PASSWORD)];
    assert_eq!(browser.send(&page, "/bank", &bank).status, 303);
    assert_eq!(browser.send(&page, "/account/refund", &[("password", PASSWORD)]).status, 303);
    browser.send(&page, "/account/key", &[]).says(200, "mmk_");
    let made = NewComplaint {
        sha256: [0; 32],
        vendor: &vendor("news.example"),
        text: "no page came",
        payment: b"",
    };
    let store = site.world.service.store();
    store.add_complaint(&user(&name), "1", &made, (10, DURING)).await.unwrap();
    let mut operator = site.operator("boss", Role::Admin).await;
    let answer = operator.get("/operator/complaints");
    let at = answer.text.find("/complaints/").unwrap();
    let path = answer.text[at..].split('"').next().unwrap();
    let form = operator.get(path);
    form.says(200, "no page came");
    let sent = operator.send(&form, "/complaints/answer", &[("text", "We are sorry.")]);
    assert_eq!(sent.status, 303, "{}", sent.text);
    let read = |browser: &mut Browser| -> serde_json::Value {
        serde_json::from_str(&browser.get("/account/export").text).unwrap()
    };
    let export = read(&mut browser);
    assert_eq!(export["balances"][0], "5 USD");
    assert_eq!(export["transfers"][0]["amount"], "5 USD");
    assert_eq!(
        (&export["bank"][0]["iban"], &export["bank"][0]["name"]),
        (&IBAN.into(), &"Reader R.".into())
    );
    assert_eq!(export["keys"].as_array().unwrap().len(), 1);
    assert_eq!(export["refund"].as_array().unwrap().len(), 1);
    assert_eq!(export["complaints"][0]["text"], "no page came");
    let answer = serde_json::json!({
        "by": "MicroMint", "text": "We are sorry.", "at": DURING.to_string(),
    });
    assert_eq!(export["complaints"][0]["answers"], serde_json::json!([answer]));
    assert_eq!(export["complaints"][0]["vendor"], "news.example");
    assert_eq!(export["log"][0]["what"], "bank account of a client");
    let page = operator.get("/operator/payouts");
    assert_eq!(operator.send(&page, "/operator/payouts", &[]).status, 303);
    let export = read(&mut browser);
    assert_eq!(export["payouts"][0]["amount"], "5 USD");
    assert_eq!(export["payouts"][0]["to"], format!("{IBAN}, Reader R."));
    let pool = store.pool();
    sqlx::query(
        "INSERT INTO give_back (period, user_id, name, sha256, transaction_id, at, waiting, \
         forged, not_from_owner, claims) VALUES ('2026-12', $1, 'r-1', $2, 1, 0, 3, 0, 0, $2)",
    )
    .bind(name)
    .bind(vec![0u8; 32])
    .execute(pool)
    .await
    .unwrap();
    assert_eq!(read(&mut browser)["returns"][0]["waiting"], 3);
    // After the settlement no coin waits.
    sqlx::query("UPDATE period SET settled_at = 1").execute(pool).await.unwrap();
    assert_eq!(read(&mut browser)["returns"][0]["waiting"], 0);
    // Nothing of others.
    let (mut other, _) = site.reader();
    let export = read(&mut other);
    for part in ["bank", "keys", "refund", "complaints", "log", "payouts", "transfers"] {
        assert_eq!(export[part], serde_json::json!([]), "{part}");
    }
}

/// Takes what is left from a balance.
async fn spend_rest(site: &Site, name: &str) {
    let rest = site.world.balance(AccountKind::Client, name).await;
    site.world.fund(name, -rest / COIN).await;
}

async fn paid_coins_are_taken_before_an_account_closes(database: Database) {
    let site = site(database).await;
    let close = [("password", PASSWORD)];
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 500).await;
    let bought = buy(&mut browser, "1");
    let number = number(&bought);
    spend_rest(&site, &name).await;
    let account = browser.get("/account");
    let refused = browser.send(&account, "/account/close", &close);
    refused.says(422, "You have paid for coins that your wallet has not taken yet");
    browser.get("/").says(200, "Coins to take");
    let page = browser.get(&format!("/purchases/{number}"));
    let action = format!("/purchases/{number}/received");
    assert_eq!(browser.send(&page, &action, &[]).status, 303);
    assert_eq!(browser.send(&account, "/account/close", &close).status, 303);
    // Coins of a period that is over are not offered, and keep no account open.
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 500).await;
    let bought = buy(&mut browser, "1");
    spend_rest(&site, &name).await;
    site.world.clock.set(site.world.period.params().raw().redeem_until);
    assert_eq!(browser.login(&name, PASSWORD).status, 303);
    let page = browser.get("/");
    assert!(!page.text.contains("Coins to take"), "{}", page.text);
    assert_eq!(page.header("micromint-coins"), None);
    let page = browser.get(bought.header("location").unwrap());
    page.says(200, "their period is over");
    assert_eq!(page.header("micromint-coins"), None);
    let account = browser.get("/account");
    assert_eq!(browser.send(&account, "/account/close", &close).status, 303);
}

async fn pages_work_below_a_path(database: Database) {
    let url = format!("{ORIGIN}/coins");
    let site = site_at(database, &url, ShopSettings::default()).await;
    let mut browser = site.browser();
    let page = browser.get("/coins/register");
    let name = page.value("/coins/register", "user");
    let made = browser.send(&page, "/coins/register", &[("password", PASSWORD)]);
    assert_eq!((made.status, made.header("location")), (303, Some("/coins/")));
    let slash = browser.get("/coins/?note=done-keys");
    assert_eq!((slash.status, slash.header("location")), (307, Some("/coins?note=done-keys")));
    browser.get("/coins?note=done-keys").says(200, "All keys have ended");
    site.world.fund(&name, 500).await;
    let form = browser.get("/coins/buy");
    let bought = browser.send(&form, "/coins/buy", &[("sets", "1")]);
    let coins = browser.follow(&bought).header("micromint-coins").unwrap().to_string();
    assert!(coins.starts_with("/coins/v1/purchases/"), "{coins}");
    assert!(FundsWithdrawn::parse(&browser.get(&coins).bytes).is_ok());
}

async fn a_period_that_is_sold_out_offers_nothing(database: Database) {
    let trial = ShopSettings { trial_sets: 2, trial_sets_total: 9, ..ShopSettings::default() };
    let site = site_with(database, trial).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 10_000).await;
    let all = site.world.period.params().superbin_count() / 2;
    site.world.sell("someone", u32::try_from(all).unwrap() - 2, 77).await;
    let early = browser.get("/buy");
    early.says(200, "You can buy 2 more sets of this period.");
    early.says(200, "Take 2 free sets");
    browser.send(&early, "/buy", &[("sets", "3")]).says(422, "Try fewer sets");
    site.world.sell("someone", 1, 78).await;
    let one = browser.get("/buy");
    one.says(200, "You can buy 1 more set of this period.");
    one.says(200, "Take 1 free set");
    // The rest is skipped by a restore.
    let mut operator = site.operator("boss", Role::Support).await;
    let stock = format!("{} / {all}<", all - 1);
    operator.get("/operator").says(200, &stock);
    let told = Progress { generation: 1, numbers: [("reserved:2026-12".into(), 2 * all)].into() };
    site.world.service.store().add_told(&told).await.unwrap();
    site.world.service.restored(&Restore::default()).await.unwrap().granted().unwrap();
    for (language, gone, skipped) in [
        ("en", "All sets of this period are sold.", "1 skipped by a restore"),
        ("de", "Alle Sätze dieser Periode sind verkauft.", "1 nach Wiederherstellung übersprungen"),
    ] {
        (browser.language, operator.language) = (language, language);
        let page = browser.get("/buy");
        page.says(200, gone);
        for offer in ["action=\"/buy\"", "action=\"/buy/free\""] {
            assert!(!page.text.contains(offer), "{}", page.text);
        }
        let refused = browser.send(&one, "/buy", &[("sets", "1")]);
        refused.says(422, gone);
        assert_eq!(refused.text.matches(gone).count(), 1, "{}", refused.text);
        let free = browser.send(&one, "/buy/free", &[]);
        assert_eq!(free.status, 422, "{}", free.text);
        for page in ["/operator", "/operator/periods"] {
            operator.get(page).says(200, &format!("{} / {all}, {skipped}", all - 1));
        }
    }
    site.world.check_ledger().await;
}

async fn the_end_of_a_period_is_told(database: Database) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    site.world.fund(&name, 10_000).await;
    let number = number(&buy(&mut browser, "1"));
    let address = format!("/purchases/{number}");
    let warning = "This period ends soon. Its coins can be spent until 2027-01-01 00:00 UTC. \
                   After that, your wallet can only return them, until 2027-01-08 00:00 UTC.";
    for (seconds, is_near) in [(3 * 86_400, false), (3 * 86_400 - 1, true)] {
        site.world.clock.set(EXPIRED.plus_seconds(-seconds));
        assert_eq!(browser.login(&name, PASSWORD).status, 303);
        let page = browser.get("/buy");
        assert_eq!(page.text.contains(warning), is_near, "{}", page.text);
    }
    let ended = "they can no longer be spent. A wallet that has them can return them until \
                 2027-01-08 00:00 UTC";
    for (seconds, has_ended) in [(-1, false), (0, true)] {
        site.world.clock.set(EXPIRED.plus_seconds(seconds));
        let page = browser.get(&address);
        page.says(200, "Download the coins");
        assert_eq!(page.text.contains(ended), has_ended, "{}", page.text);
        assert!(!page.text.contains("can spend the coins"), "{}", page.text);
    }
    browser.language = "de";
    browser.get(&address).says(200, "kann sie bis 2027-01-08 00:00 UTC zurückgeben");
}
