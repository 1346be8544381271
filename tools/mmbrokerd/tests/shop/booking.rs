//! Payout runs that the bank paid and the books do not have.

use micromint::identity::UserId;
use mmbrokerd::service::Restore;
use mmbrokerd::shop::{BookRefusal, Booked, Role, RunFile, ShopSettings, book_run, deposit};
use mmbrokerd::store::{Account, AccountKind, Posted};

use crate::browser::*;
use crate::databases::Database;
use crate::world::{COIN, DURING};

crate::on_both_databases!(
    a_forgotten_run_is_booked_once,
    what_a_balance_cannot_pay_waits,
    a_payment_that_was_paid_after_all_is_booked,
    an_open_run_is_booked_by_its_file,
    disabled_vendors_are_not_paid,
    old_balances_hide_no_other,
    two_operators_at_one_run_lose_nothing,
);

const IBAN: &str = "DE89370400440532013000";

async fn site_with_fee(database: Database) -> (Site, Browser) {
    let settings = ShopSettings {
        payout_fee: Some("0.35 USD".to_string()),
        payout_min: Some("1 USD".to_string()),
        ..ShopSettings::default()
    };
    let site = site_with(database, settings).await;
    let operator = site.operator("boss", Role::Admin).await;
    (site, operator)
}

/// Gives a vendor money, as a redemption would.
async fn earn(site: &Site, vendor: &str, cents: i64) {
    let store = site.world.service.store();
    let currency = "USD".parse().unwrap();
    let to = Account::new(AccountKind::Vendor, vendor, currency);
    let to = store.account(&to).await.unwrap();
    let from = store.account(&Account::new(AccountKind::Outside, "", currency)).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let number = site.world.number("SELECT COUNT(*) FROM transfer").await;
    let entries = [(to, cents * COIN), (from, -cents * COIN)];
    let made = tx.post("deposit", &format!("test {number}"), &entries, DURING).await;
    assert!(matches!(made.unwrap(), Posted::Made(Some(_))));
    tx.commit().await.unwrap();
}

/// A vendor with a person and a bank account.
fn add_vendor(site: &Site, operator: &mut Browser, host: &str) {
    let (mut browser, name) = site.reader();
    let form = operator.get("/operator/vendors");
    let fields = [("host", host), ("user", name.as_str())];
    assert_eq!(operator.send(&form, "/operator/vendors", &fields).status, 303);
    let page = browser.get(&format!("/vendor/{host}"));
    let fields = [("iban", IBAN), ("name", host), ("password", PASSWORD)];
    assert_eq!(browser.send(&page, "/bank", &fields).status, 303);
}

/// Makes a run, and returns its address.
fn make(operator: &mut Browser) -> String {
    let page = operator.get("/operator/payouts");
    let made = operator.send(&page, "/operator/payouts", &[]);
    assert_eq!(made.status, 303, "{}", made.text);
    made.header("location").unwrap().to_string()
}

async fn book(site: &Site, text: &str, takes_short: bool) -> Result<Booked, BookRefusal> {
    let file = RunFile::parse(text.as_bytes()).unwrap();
    let booked = book_run(&site.world.service, "console", &file, takes_short).await.unwrap();
    booked.into_result()
}

/// The balances of the vendor, of outside, of fees and of payouts on their way, in cents.
async fn balances(site: &Site, vendor: &str) -> [i64; 4] {
    let mut all = [0; 4];
    for (at, (kind, owner)) in [
        (AccountKind::Vendor, vendor),
        (AccountKind::Outside, ""),
        (AccountKind::Fees, ""),
        (AccountKind::Payout, ""),
    ]
    .into_iter()
    .enumerate()
    {
        all[at] = site.world.balance(kind, owner).await / COIN;
    }
    all
}

async fn a_forgotten_run_is_booked_once(database: Database) {
    // The broker before its restore made the run, and the bank paid it.
    let (before, mut operator) = site_with_fee(Database::sqlite()).await;
    add_vendor(&before, &mut operator, "news.example");
    earn(&before, "news.example", 1000).await;
    let csv = |run: &str| format!("{run}/csv");
    let address = make(&mut operator);
    let first = operator.get(&csv(&address)).text;
    earn(&before, "news.example", 500).await;
    let address = make(&mut operator);
    let second = operator.get(&csv(&address)).text;
    assert!(second.contains("\"payout 2\",\"vendor\",\"news.example\""), "{second}");

    let (site, mut operator) = site_with_fee(database).await;
    add_vendor(&site, &mut operator, "news.example");
    earn(&site, "news.example", 1500).await;
    let restore = Restore { is_forced: true, ..Restore::default() };
    site.world.service.restored(&restore).await.unwrap().granted().unwrap();
    // Many at once are one.
    let file = RunFile::parse(second.as_bytes()).unwrap();
    let tries = (0..4).map(|_| book_run(&site.world.service, "console", &file, false));
    let mut now = 0;
    for booked in futures_util::future::join_all(tries).await {
        now += booked.unwrap().into_result().unwrap().now;
    }
    assert_eq!(now, 1);
    assert_eq!(balances(&site, "news.example").await, [1000, -1035, 35, 0]);
    let again = book(&site, &second, false).await.unwrap();
    assert_eq!((again.now, again.before), (0, 1));
    let audit = "SELECT COUNT(*) FROM audit WHERE by_whom = 'console' \
                 AND what = 'payout run booked' AND detail = '2: 1, 4.65 USD, 0'";
    assert_eq!(site.world.number(audit).await, 1);
    // An older one after it, too.
    assert_eq!(book(&site, &first, false).await.unwrap().now, 1);
    assert_eq!(balances(&site, "news.example").await, [0, -70, 70, 0]);
    operator.get("/operator/payouts/2").says(200, "paid at");
    // Payouts are released by what the books have now.
    let total = "4.65 USD".parse().unwrap();
    let released = site.world.service.release_payouts(2, total, false).await.unwrap();
    assert_eq!(released.granted(), Some(true));
    // Another file under the same number is refused.
    for (from, to) in [("4.65", "4.66"), ("0.35", "0.34"), ("news", "shop"), ("USD", "XTS")] {
        let other = second.replace(from, to);
        let refused = book(&site, &other, true).await.unwrap_err().to_string();
        assert!(refused.contains("nothing was booked"), "{refused}");
    }
    let far = second.replace("payout 2", "payout 10003");
    let refused = book(&site, &far, true).await.unwrap_err();
    assert_eq!(refused, BookRefusal::TooFar { most: 10_002, found: 10_003 });
    // Later runs get larger numbers.
    earn(&site, "news.example", 200).await;
    assert_eq!(make(&mut operator), "/operator/payouts/3");
    // The bank sent one back.
    let run = operator.get("/operator/payouts/2");
    assert_eq!(operator.send(&run, "/operator/payouts/2/failed", &[]).status, 303);
    assert_eq!(balances(&site, "news.example").await[0], 465);
    site.world.check_ledger().await;
    let store = site.world.service.store();
    assert_eq!(mmbrokerd::shop::audit_faults(store).await.unwrap(), [""; 0]);
}

async fn what_a_balance_cannot_pay_waits(database: Database) {
    let (site, mut operator) = site_with_fee(database).await;
    add_vendor(&site, &mut operator, "news.example");
    add_vendor(&site, &mut operator, "shop.example");
    earn(&site, "news.example", 1000).await;
    earn(&site, "shop.example", 300).await;
    let text = "reference,kind,owner,amount,currency,fee\n\
                payout 4,vendor,news.example,9.65,USD,0.35\n\
                payout 4,vendor,shop.example,4.65,USD,0.35\n\
                payout 4,client,nobody,1,USD,\n";
    let refused = book(&site, text, false).await.unwrap_err().to_string();
    for says in [
        "shop.example has 3.00 USD of the 4.65 USD that the bank paid and the fee of 0.35 USD",
        "nobody has 0.00 USD of the 1.00 USD that the bank paid",
        "First let the vendors send their batches again",
        "and enter again what the clients had paid in",
    ] {
        assert!(refused.contains(says), "{refused}");
    }
    assert_eq!(balances(&site, "news.example").await, [1000, -1300, 0, 0]);
    let nothing = "SELECT (SELECT COUNT(*) FROM payout_run) + (SELECT COUNT(*) FROM payout_short)";
    assert_eq!(site.world.number(nothing).await, 0);

    let booked = book(&site, text, true).await.unwrap();
    assert_eq!((booked.now, booked.before, booked.short.len()), (1, 0, 2));
    assert_eq!(balances(&site, "news.example").await, [0, -335, 35, 0]);
    assert_eq!(balances(&site, "shop.example").await[0], 300);
    // Nothing else is paid to them, and the page says so.
    for (language, words) in [("en", "paid this with run #4"), ("de", "mit Lauf #4 bezahlt")] {
        operator.language = language;
        operator.get("/operator/payouts").says(200, words);
    }
    operator.language = "en";
    operator.get("/operator/payouts").says(200, "Nothing is due in USD.");
    operator.get("/operator/payouts/4").says(200, "paid, waits to be booked");
    // The same file books what it can, and needs no word for what waits anyway.
    let again = book(&site, text, false).await.unwrap();
    assert_eq!((again.now, again.before, again.short.len()), (0, 1, 2));
    earn(&site, "shop.example", 200).await;
    let again = book(&site, text, false).await.unwrap();
    assert_eq!((again.now, again.before, again.short.len()), (1, 1, 1));
    assert_eq!(balances(&site, "shop.example").await[0], 0);
    // The bank took the other one back: it was never booked.
    let run = operator.get("/operator/payouts/4");
    let fields = [("kind", "client"), ("owner", "nobody")];
    assert_eq!(operator.send(&run, "/operator/payouts/4/failed", &fields).status, 303);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM payout_short").await, 0);
    let refused = book(&site, text, true).await.unwrap_err();
    assert_eq!(refused, BookRefusal::Other { run: 4, owner: "nobody".to_string() });
    // A wish that the run has met is gone.
    let name: UserId = "nobody".parse().unwrap();
    let what = (&name, "5 USD".parse().unwrap(), "x");
    assert_eq!(deposit(&site.world.service, "boss", what).await.unwrap().granted(), Some(true));
    let mut tx = site.world.service.store().begin().await.unwrap();
    let wish = "INSERT INTO refund_wish (user_id, at) VALUES ('nobody', 1)";
    sqlx::query(wish).execute(tx.connection()).await.unwrap();
    tx.commit().await.unwrap();
    let text = "reference,kind,owner,amount,currency\npayout 5,client,nobody,5,USD\n";
    assert_eq!(book(&site, text, false).await.unwrap().now, 1);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM refund_wish").await, 0);
    site.world.check_ledger().await;
}

async fn a_payment_that_was_paid_after_all_is_booked(database: Database) {
    let (site, mut operator) = site_with_fee(database).await;
    add_vendor(&site, &mut operator, "news.example");
    earn(&site, "news.example", 1000).await;
    let address = make(&mut operator);
    let (failed, again) = (format!("{address}/failed"), format!("{address}/again"));
    let on_its_way = [0, -1000, 35, 965];
    let file = operator.get(&format!("{address}/csv")).text;
    // In an open run it is on its way again, as often as the operator changes mind.
    for _ in 0..3 {
        let run = operator.get(&address);
        for _ in 0..2 {
            assert_eq!(operator.send(&run, &failed, &[]).status, 303);
        }
        assert_eq!(balances(&site, "news.example").await, [1000, -1000, 0, 0]);
        let run = operator.get(&address);
        run.says(200, "The bank paid it");
        for _ in 0..2 {
            assert_eq!(operator.send(&run, &again, &[]).status, 303);
        }
        assert_eq!(balances(&site, "news.example").await, on_its_way);
    }
    let run = operator.get(&address);
    assert_eq!(operator.send(&run, &format!("{address}/paid"), &[]).status, 303);
    assert_eq!(balances(&site, "news.example").await, [0, -35, 35, 0]);
    // In one that is paid the fee stays.
    for _ in 0..2 {
        assert_eq!(operator.send(&run, &failed, &[]).status, 303);
        assert_eq!(balances(&site, "news.example").await, [965, -1000, 35, 0]);
        let seen = operator.get(&address);
        assert_eq!(operator.send(&seen, &again, &[]).status, 303);
        assert_eq!(balances(&site, "news.example").await, [0, -35, 35, 0]);
    }
    // By its file, too.
    assert_eq!(operator.send(&run, &failed, &[]).status, 303);
    assert_eq!(book(&site, &file, false).await.unwrap().now, 1);
    assert_eq!(balances(&site, "news.example").await, [0, -35, 35, 0]);
    // A balance that was paid out again cannot pay it.
    assert_eq!(operator.send(&run, &failed, &[]).status, 303);
    assert_eq!(make(&mut operator), "/operator/payouts/2");
    let seen = operator.get(&address);
    operator.send(&seen, &again, &[]).says(422, "smaller than what the bank paid");
    assert!(matches!(book(&site, &file, false).await, Err(BookRefusal::TooLittle(_))));
    let booked = book(&site, &file, true).await.unwrap();
    assert_eq!((booked.now, booked.short.len()), (0, 1));
    earn(&site, "news.example", 965).await;
    operator.get("/operator/payouts").says(200, "paid this with run #1");
    assert_eq!(book(&site, &file, false).await.unwrap().now, 1);
    assert_eq!(balances(&site, "news.example").await[0], 0);
    // A role below money sees no button, and changes nothing.
    let mut support = site.operator("helper", Role::Support).await;
    let token = support.get("/account").value("/logout", "token");
    let fields = [("token", token.as_str()), ("kind", "vendor"), ("owner", "news.example")];
    assert_eq!(support.post(&again, &fields).status, 403);
    site.world.check_ledger().await;
}

async fn an_open_run_is_booked_by_its_file(database: Database) {
    let (site, mut operator) = site_with_fee(database).await;
    for host in ["news.example", "shop.example"] {
        add_vendor(&site, &mut operator, host);
        earn(&site, host, 1000).await;
    }
    let address = make(&mut operator);
    let file = operator.get(&format!("{address}/csv")).text;
    let part: String = file.lines().take(2).map(|line| format!("{line}\n")).collect();
    let refused = book(&site, &part, false).await.unwrap_err();
    assert_eq!(refused, BookRefusal::Open { run: 1, owner: "shop.example".to_string() });
    assert_eq!(balances(&site, "news.example").await, [0, -2000, 70, 1930]);
    for (now, before) in [(2, 0), (0, 2)] {
        let booked = book(&site, &file, false).await.unwrap();
        assert_eq!((booked.now, booked.before), (now, before));
        assert_eq!(balances(&site, "news.example").await, [0, -70, 70, 0]);
    }
    let run = operator.get(&address);
    run.says(200, "paid at");
    assert!(!run.text.contains("The run is paid"));
    site.world.check_ledger().await;
}

/// One says that the run is paid while another says that its payments came back.
async fn two_operators_at_one_run_lose_nothing(database: Database) {
    let (site, mut operator) = site_with_fee(database).await;
    let hosts = ["news.example", "shop.example", "inn.example"];
    for host in hosts {
        add_vendor(&site, &mut operator, host);
    }
    // Money of another run that is on its way, too.
    earn(&site, "news.example", 100_000).await;
    make(&mut operator);
    for _ in 0..10 {
        for host in hosts {
            earn(&site, host, 1000).await;
        }
        let address = make(&mut operator);
        let run = operator.get(&address);
        let token = run.value("/logout", "token");
        let browsers: Vec<(Browser, String, &str)> = hosts
            .iter()
            .flat_map(|host| ["failed", "again"].map(|what| (what, *host)))
            .chain([("paid", "")])
            .map(|(what, host)| (operator.clone(), format!("{address}/{what}"), host))
            .collect();
        std::thread::scope(|scope| {
            for (mut browser, action, host) in browsers {
                let token = &token;
                scope.spawn(move || {
                    let fields = [("token", token.as_str()), ("kind", "vendor"), ("owner", host)];
                    let seen = browser.post(&action, &fields);
                    assert_eq!(seen.status, 303, "{action}: {}", seen.text);
                });
            }
        });
        site.world.check_ledger().await;
    }
}

/// Those who cannot be paid now take no place in a run from those who can.
async fn old_balances_hide_no_other(database: Database) {
    let (site, mut operator) = site_with_fee(database).await;
    let pool = site.world.service.store().pool();
    for statement in [
        "INSERT INTO account (kind, owner, currency) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
         SELECT 'vendor', 'v' || i || '.example', 'USD' FROM n",
        "INSERT INTO balance (account, floor, amount) \
         SELECT id, 0, 1000000000 FROM account WHERE owner LIKE 'v%.example'",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    add_vendor(&site, &mut operator, "news.example");
    earn(&site, "news.example", 1000).await;
    assert_eq!(make(&mut operator), "/operator/payouts/1");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM payout").await, 1);
}

async fn disabled_vendors_are_not_paid(database: Database) {
    let (site, mut operator) = site_with_fee(database).await;
    add_vendor(&site, &mut operator, "news.example");
    earn(&site, "news.example", 1000).await;
    let form = operator.get("/operator/vendors");
    assert_eq!(operator.send(&form, "/operator/vendors/disable", &[]).status, 303);
    let page = operator.get("/operator/payouts");
    page.says(200, "the vendor is disabled");
    page.says(200, "Nothing is due in USD.");
    let form = operator.get("/operator/vendors");
    assert_eq!(operator.send(&form, "/operator/vendors/enable", &[]).status, 303);
    assert_eq!(make(&mut operator), "/operator/payouts/1");
    assert!(!operator.get("/operator/payouts").text.contains("the vendor is disabled"));
    site.world.check_ledger().await;
}
