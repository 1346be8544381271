//! Money: vouchers, deposits, webhooks, payouts, and those who attack them.

use hmac::{Hmac, KeyInit, Mac};
use micromint::money::Money;
use mmbrokerd::service::{ReleaseRefusal, Restore};
use mmbrokerd::shop::{HOOK_SIZE_MAX, Role, ShopSettings, deposit};
use mmbrokerd::store::{Account, AccountKind};
use sha2::Sha256;

use crate::browser::*;
use crate::databases::Database;
use crate::world::{COIN, DURING};

crate::on_both_databases!(
    a_balance_below_the_least_is_no_dead_end,
    a_bank_form_sent_twice_changes_nothing,
    a_statement_shows_the_fee_of_a_payout,
    a_run_in_a_currency_that_nobody_has_makes_no_account,
    a_voucher_is_used_once,
    vouchers_are_not_guessed,
    amounts_and_numbers_are_those_of_the_page,
    one_code_in_many_tabs_counts_once,
    operators_need_their_roles,
    a_deposit_by_the_operator_is_made_once,
    a_webhook_adds_a_payment_once,
    a_webhook_refuses_what_is_not_signed,
    a_payout_run_takes_what_is_due,
    a_payment_that_came_back_is_on_the_balance_again,
    a_changed_bank_account_counts_later,
    many_changes_hide_no_bank_account_that_counts,
    a_balance_is_asked_back,
    money_of_a_closed_account_is_reached,
    a_closed_account_acts_for_no_vendor,
    an_account_is_not_closed_while_money_comes,
    nothing_changes_while_the_broker_is_restored,
    after_a_restore_no_run_comes_twice_and_codes_are_held,
);

const IBAN: &str = "DE89370400440532013000";
const OTHER_IBAN: &str = "GB82WEST12345698765432";

/// The codes on a page.
fn codes(page: &Seen) -> Vec<String> {
    assert_eq!(page.status, 200, "{}", page.text);
    let rest = page.text.split("<code>").skip(1);
    rest.map(|rest| rest.split('<').next().unwrap().to_string()).collect()
}

fn vouchers(operator: &mut Browser, name: &str, amount: &str, count: &str) -> Seen {
    let form = operator.get("/operator/vouchers");
    let fields = [("name", name), ("amount", amount), ("count", count), ("months", "1")];
    operator.send(&form, "/operator/vouchers", &fields)
}

fn redeem(browser: &mut Browser, code: &str) -> Seen {
    let form = browser.get("/voucher");
    browser.send(&form, "/voucher", &[("code", code)])
}

async fn a_voucher_is_used_once(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Money).await;
    let made = vouchers(&mut operator, "kiosk 1", "5 USD", "3");
    let printed = codes(&made);
    assert_eq!(printed.len(), 3);
    // The same form again shows the same codes; another one under that name is refused.
    assert_eq!(codes(&vouchers(&mut operator, "kiosk 1", "5 USD", "3")), printed);
    vouchers(&mut operator, "kiosk 1", "6 USD", "3").says(422, "another batch of this name");
    let form = operator.get("/operator/vouchers");
    let fields = [("name", "kiosk 1"), ("amount", "5 USD"), ("count", "3"), ("months", "2")];
    operator.send(&form, "/operator/vouchers", &fields).says(422, "another batch of this name");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM voucher").await, 3);
    let (mut alice, name) = site.reader();
    let (mut bob, _) = site.reader();
    let used = redeem(&mut alice, &printed[0].to_lowercase().replace('-', " "));
    alice.follow(&used).says(200, "The money of this code is on your balance");
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 500 * COIN);
    // A double click changes nothing; others get nothing.
    assert_eq!(redeem(&mut alice, &printed[0]).status, 303);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 500 * COIN);
    redeem(&mut bob, &printed[0]).says(422, "not valid");
    // The list shows what was used; the rest ends.
    let list = operator.get("/operator/vouchers");
    list.says(200, "kiosk 1");
    let fields = [("name", "kiosk 1")];
    assert_eq!(codes(&operator.send(&list, "/operator/vouchers/print", &fields)), printed);
    assert_eq!(operator.send(&list, "/operator/vouchers/void", &fields).status, 303);
    redeem(&mut bob, &printed[1]).says(422, "not valid");
    // Nobody gets a sheet of codes that are worth nothing.
    let over = "The codes of kiosk 1 are no longer valid";
    operator.send(&list, "/operator/vouchers/print", &fields).says(422, over);
    vouchers(&mut operator, "kiosk 1", "5 USD", "3").says(422, over);
    // Codes end with time.
    let late = codes(&vouchers(&mut operator, "kiosk 2", "5 USD", "1"));
    // A month later, by the calendar: December has 31 days.
    site.world.clock.set(DURING.plus_seconds(31 * 86_400));
    assert_eq!(bob.get("/account").status, 303);
    let (mut carol, _) = site.reader();
    redeem(&mut carol, &late[0]).says(422, "not valid");
    // The database has no code.
    let stored = "SELECT COUNT(*) FROM voucher WHERE LENGTH(sha256) <> 32";
    assert_eq!(site.world.number(stored).await, 0);
    site.world.check_ledger().await;
}

async fn amounts_and_numbers_are_those_of_the_page(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Money).await;
    let why = "Expected a whole number from 1 to 1000 in the field “Number”";
    vouchers(&mut operator, "k", "5 USD", "1001").says(422, why);
    vouchers(&mut operator, "k", "5,00 USD", "1").says(422, "Expected an amount");
    operator.language = "de";
    let why = "Im Feld „Anzahl“ wird eine ganze Zahl von 1 bis 1000 erwartet";
    vouchers(&mut operator, "k", "5 USD", "1001").says(422, why);
    vouchers(&mut operator, "k", "1.000 USD", "1").says(422, "Erwartet wird ein Betrag");
    let made = vouchers(&mut operator, "kiosk", "5,25 USD", "1");
    made.says(200, "5,25 USD");
    let (mut alice, _) = site.reader();
    alice.language = "de";
    assert_eq!(redeem(&mut alice, &codes(&made)[0]).status, 303);
    // One page writes all amounts in one way.
    for path in ["/operator", "/operator/sums"] {
        let page = operator.get(path);
        page.says(200, "5,25 USD");
        assert!(!page.text.contains("5.25"), "{path}: {}", page.text);
    }
    // A month is one of the calendar.
    operator.get("/operator/vouchers").says(200, "2027-01-11 14:40 UTC");
}

async fn vouchers_are_not_guessed(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Money).await;
    for (amount, count) in [
        ("0 USD", "1"),
        ("5", "1"),
        ("-5 USD", "1"),
        ("5 ABC", "1"),
        ("10000.01 USD", "1"),
        ("5 USD", "0"),
        ("5 USD", "1001"),
        ("5 USD", "x"),
    ] {
        let refused = vouchers(&mut operator, "kiosk 3", amount, count);
        assert_eq!(refused.status, 422, "{amount} {count}");
    }
    for name in ["", &"x".repeat(41), "<script>", "a'; DROP TABLE voucher; --"] {
        vouchers(&mut operator, name, "5 USD", "1").says(422, "Expected a name");
    }
    let code = codes(&vouchers(&mut operator, "kiosk 1", "10000 USD", "1")).remove(0);
    let (mut thief, _) = site.reader();
    let last = if code.ends_with('0') { "1" } else { "0" };
    let near = format!("{}{last}", &code[..code.len() - 1]);
    for guess in [near.as_str(), "", "0000-0000-0000-0000-0000", "' OR 1=1 --", "<script>"] {
        let answer = redeem(&mut thief, guess);
        answer.says(422, "not valid");
        assert!(!answer.text.contains("<script"));
    }
    for _ in 0..5 {
        redeem(&mut thief, &near).says(422, "not valid");
    }
    // After ten guesses even the right code waits.
    redeem(&mut thief, &code).says(429, "wait 60 minutes");
    // Other accounts of the same network are counted together.
    for _ in 0..2 {
        let (mut other, _) = site.reader();
        for _ in 0..9 {
            redeem(&mut other, &near).says(422, "not valid");
        }
    }
    let (mut other, name) = site.reader();
    assert_eq!(redeem(&mut other, &near).status, 422);
    redeem(&mut other, &code).says(429, "wait 60 minutes");
    other.from = "203.0.113.1";
    assert_eq!(redeem(&mut other, &code).status, 303);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 1_000_000 * COIN);
}

async fn one_code_in_many_tabs_counts_once(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Money).await;
    let code = codes(&vouchers(&mut operator, "kiosk 1", "5 USD", "1")).remove(0);
    let readers: Vec<_> = (0..3).map(|_| site.reader()).collect();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let tabs: Vec<_> = readers
            .iter()
            .flat_map(|(browser, _)| [browser.clone(), browser.clone()])
            .map(|mut browser| {
                let code = &code;
                scope.spawn(move || redeem(&mut browser, code).status)
            })
            .collect();
        tabs.into_iter().map(|tab| tab.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 303).count(), 2, "{answers:?}");
    let mut sum = 0;
    for (_, name) in &readers {
        sum += site.world.balance(AccountKind::Client, name).await;
    }
    assert_eq!(sum, 500 * COIN);
    site.world.check_ledger().await;
}

async fn operators_need_their_roles(database: Database) {
    let site = site(database).await;
    let (mut reader, _) = site.reader();
    let mut support = site.operator("support", Role::Support).await;
    let mut money = site.operator("money", Role::Money).await;
    let mut admin = site.operator("admin", Role::Admin).await;
    let pages = [
        ("/operator", Role::Support),
        ("/operator/sums", Role::Support),
        ("/operator/vendors", Role::Support),
        ("/operator/complaints", Role::Support),
        ("/operator/users", Role::Support),
        ("/operator/people", Role::Support),
        ("/operator/audit", Role::Support),
        ("/operator/payouts", Role::Support),
        ("/operator/periods", Role::Support),
        ("/operator/deposit", Role::Money),
        ("/operator/vouchers", Role::Money),
        ("/operator/disputes", Role::Money),
    ];
    for (path, role) in pages {
        assert_eq!(site.browser().get(path).status, 303, "{path}");
        reader.get(path).says(403, "may not do this");
        assert_eq!(support.get(path).status, if role == Role::Support { 200 } else { 403 });
        for browser in [&mut money, &mut admin] {
            assert_eq!(browser.get(path).status, 200, "{path}");
        }
    }
    // Forms are checked by themselves, whatever page they come from.
    let forms = [
        ("/operator/deposit", Role::Money),
        ("/operator/vouchers", Role::Money),
        ("/operator/vouchers/print", Role::Money),
        ("/operator/vouchers/void", Role::Money),
        ("/operator/vouchers/release", Role::Money),
        ("/operator/payouts", Role::Money),
        ("/operator/payouts/1/paid", Role::Money),
        ("/operator/payouts/1/failed", Role::Money),
        ("/operator/disputes", Role::Money),
        ("/operator/people", Role::Support),
        ("/operator/people/link", Role::Money),
        ("/operator/vendors", Role::Admin),
        ("/operator/vendors/disable", Role::Admin),
        ("/operator/periods/mint", Role::Admin),
        ("/operator/periods/stop", Role::Admin),
        ("/operator/vendors/enable", Role::Admin),
    ];
    for (path, role) in forms {
        for (browser, has) in
            [(&mut reader, Role::None), (&mut support, Role::Support), (&mut money, Role::Money)]
        {
            let token = browser.get("/account").value("/logout", "token");
            let answer = browser.post(path, &[("token", &token)]);
            assert_eq!(answer.status == 403, has < role, "{path} {has:?}: {}", answer.text);
            assert!(answer.status < 500, "{path}: {}", answer.text);
        }
    }
    assert_eq!(site.world.number("SELECT COUNT(*) FROM transfer").await, 0);
}

async fn a_deposit_by_the_operator_is_made_once(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Money).await;
    let (_, name) = site.reader();
    let (_, other) = site.reader();
    let form = operator.get("/operator/deposit");
    let mut deposit = |user: &str, amount: &str, reference: &str| {
        let fields = [("user", user), ("amount", amount), ("reference", reference)];
        operator.send(&form, "/operator/deposit", &fields)
    };
    let made = deposit(&name, "5 USD", "transfer 1");
    deposit(&name, "5 USD", "transfer 1").says(422, "was added before");
    deposit("nobody", "5 USD", "transfer 2").says(422, "no such account");
    deposit(&name, "5", "transfer 2").says(422, "Expected an amount");
    for wrong in ["5 usd", "5,00 USD"] {
        deposit(&name, wrong, "transfer 2").says(422, "in capital letters, such as 5 EUR");
        deposit(&name, wrong, "transfer 2").says(422, "with a point before cents");
    }
    deposit(&name, "1000000.01 USD", "transfer 2").says(422, "Expected an amount");
    deposit(&name, "5 USD", "").says(422, "Expected a reference");
    deposit(&name, "5 USD", &"x".repeat(141)).says(422, "Expected a reference");
    deposit(&name, "5 USD", "one\ntwo").says(422, "Expected a reference");
    deposit(&name, "5 ABC", "transfer 2").says(422, "Its currencies: USD.");
    // The reference is that of one deposit, whoever gets the money.
    deposit(&name, "6 USD", "transfer 1").says(422, "Other money has this reference");
    deposit(&other, "5 USD", "transfer 1").says(422, "Other money has this reference");
    assert_eq!(site.world.balance(AccountKind::Client, &other).await, 0);
    assert_eq!(deposit(&name, "1000000 USD", &"x".repeat(140)).status, 303);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 100_000_500 * COIN);
    operator.get("/operator/audit").says(200, "transfer 1");
    // The first page names what was added, to the operator who did it.
    let words = format!("5.00 USD were added to the account {name}. Reference: transfer 1");
    operator.follow(&made).says(200, &words);
    let path = made.header("location").unwrap().to_string();
    let mut other_operator = site.operator("till", Role::Money).await;
    for page in [
        other_operator.get(&path),
        operator.get("/operator?deposit=1"),
        operator.get("/operator?deposit=9999"),
    ] {
        page.says(200, "Audit log");
        assert!(!page.text.contains("were added"), "{}", page.text);
    }
    assert_eq!(operator.get("/operator?deposit=x").status, 404);
    operator.language = "de";
    operator.follow(&made).says(200, &format!("5,00 USD wurden dem Konto {name} gutgeschrieben"));
    operator.language = "en";
    // A name as people write it.
    let form = operator.get("/operator/deposit");
    let user = format!(" {} ", name.to_uppercase());
    let fields = [("user", user.as_str()), ("amount", "0.01 USD"), ("reference", "transfer 9")];
    let answer = operator.send(&form, "/operator/deposit", &fields);
    operator.follow(&answer).says(200, &format!("0.01 USD were added to the account {name}."));
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 100_000_501 * COIN);
    let sums = operator.get("/operator/sums");
    sums.says(200, "it has no faults");
    sums.says(200, "-1000005.01 USD");
    sums.says(200, "0.00 USD");
}

/// Sends a message of outside billing, signed with a secret at a time.
fn hook(site: &Site, source: &str, secret: &str, seconds: i64, body: &str) -> (u16, String) {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    let digits: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let name = if source == "stripe" { "Stripe-Signature" } else { "MicroMint-Signature" };
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    let agent: ureq::Agent = config.build().into();
    let request = agent
        .post(format!("{}/hooks/{source}", site.address))
        .header("Content-Type", "application/json")
        .header(name, format!("t={seconds},v1={digits}"));
    let mut answer = request.send(body.as_bytes()).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default())
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A broker with webhooks, and the folder with their secrets.
async fn site_with_hooks(database: Database) -> (Site, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let mut settings = ShopSettings::default();
    for source in ["deposit", "stripe"] {
        settings.hooks.insert(source.to_string(), file.clone());
    }
    (site_with(database, settings).await, folder)
}

async fn a_webhook_adds_a_payment_once(database: Database) {
    let (site, folder) = site_with_hooks(database).await;
    let (_, name) = site.reader();
    let told = |id: &str, amount: &str| {
        format!(r#"{{"id": "{id}", "user": "{name}", "amount": "{amount}"}}"#)
    };
    let body = told("p-1", "5 USD");
    let added = hook(&site, "deposit", SECRET, DURING.0, &body);
    assert_eq!(added, (200, r#"{"result":"added"}"#.to_string()));
    let again = hook(&site, "deposit", SECRET, DURING.0 + 1, &body);
    assert_eq!(again, (200, r#"{"result":"added before"}"#.to_string()));
    for (other, amount) in [("p-1", "6 USD"), ("p-9", "5 ABC"), ("p-9", "1000000.01 USD")] {
        let other = told(other, amount);
        assert_eq!(hook(&site, "deposit", SECRET, DURING.0, &other).0, 422, "{amount}");
    }
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 500 * COIN);
    // Many at once are one.
    let body = told("p-2", "5 USD");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (status, words) = hook(&site, "deposit", SECRET, DURING.0, &body);
                assert_eq!(status, 200, "{words}");
            });
        }
    });
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 1000 * COIN);
    let checkout = format!(
        r#"{{"id": "evt_1", "type": "checkout.session.completed", "data": {{"object": {{
        "id": "cs_1", "payment_status": "paid", "client_reference_id": "{name}",
        "amount_total": 250, "currency": "usd"}}}}}}"#
    );
    assert_eq!(hook(&site, "stripe", SECRET, DURING.0, &checkout).0, 200);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 1250 * COIN);
    // A secret is replaced while both count, then the old one is removed.
    let next = "fedcba9876543210fedcba9876543210";
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{next}\n{SECRET}\n")).unwrap();
    for (secret, id) in [(SECRET, "p-3"), (next, "p-4")] {
        let body = told(id, "5 USD");
        assert_eq!(hook(&site, "deposit", secret, DURING.0, &body).0, 200);
    }
    std::fs::write(&file, format!("{next}\n")).unwrap();
    let body = told("p-5", "5 USD");
    assert_eq!(hook(&site, "deposit", SECRET, DURING.0, &body).0, 403);
    site.world.check_ledger().await;
}

async fn a_webhook_refuses_what_is_not_signed(database: Database) {
    let (site, _folder) = site_with_hooks(database).await;
    let (_, name) = site.reader();
    let body = format!(r#"{{"id": "p-1", "user": "{name}", "amount": "5 USD"}}"#);
    assert_eq!(hook(&site, "deposit", "another secret", DURING.0, &body).0, 403);
    assert_eq!(hook(&site, "deposit", SECRET, DURING.0 - 301, &body).0, 403);
    assert_eq!(hook(&site, "deposit", SECRET, DURING.0 + 301, &body).0, 403);
    // A signature for one source does not count at another.
    assert_eq!(hook(&site, "btcpay", SECRET, DURING.0, &body).0, 404);
    assert_eq!(hook(&site, "nothing", SECRET, DURING.0, &body).0, 404);
    for wrong in ["", "[]", "{}", r#"{"id": "p", "user": "nobody", "amount": "5 USD"}"#] {
        assert_eq!(hook(&site, "deposit", SECRET, DURING.0, wrong).0, 422, "{wrong}");
    }
    // A line of its own in a log.
    let forged = body.replace("p-1", "p-1\\nrow");
    assert_eq!(hook(&site, "deposit", SECRET, DURING.0, &forged).0, 422);
    let most = format!("{body}{}", " ".repeat(HOOK_SIZE_MAX - body.len()));
    assert_eq!(hook(&site, "deposit", SECRET, DURING.0, &format!("{most} ")).0, 413);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 0);
    assert_eq!(hook(&site, "deposit", SECRET, DURING.0, &most).0, 200);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 500 * COIN);
}

/// Gives a vendor money, as a redemption would.
async fn earn(site: &Site, vendor: &str, units: i64, currency: &str) {
    let store = site.world.service.store();
    let currency = currency.parse().unwrap();
    let to = Account::new(AccountKind::Vendor, vendor, currency);
    let to = store.account(&to).await.unwrap();
    let from = store.account(&Account::new(AccountKind::Outside, "", currency)).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let reference = format!("test {vendor} {units} {currency}");
    let made = tx.post("deposit", &reference, &[(to, units), (from, -units)], DURING).await;
    assert!(matches!(made.unwrap(), mmbrokerd::store::Posted::Made(Some(_))));
    tx.commit().await.unwrap();
}

/// A broker with a fee, a vendor with a person and a bank account, and an operator.
async fn site_with_vendor(database: Database, currency: &str) -> (Site, Browser, Browser) {
    let settings = ShopSettings {
        payout_fee: Some(format!("0.35 {currency}")),
        payout_min: Some(format!("5 {currency}")),
        payout_iban: "DE02120300000000202051".to_string(),
        ..ShopSettings::default()
    };
    let site = site_with(database, settings).await;
    let mut operator = site.operator("boss", Role::Admin).await;
    let (mut browser, name) = site.reader();
    let form = operator.get("/operator/vendors");
    let fields = [("host", "news.example"), ("user", name.as_str())];
    assert_eq!(operator.send(&form, "/operator/vendors", &fields).status, 303);
    let page = browser.get("/vendor/news.example");
    let fields = [("iban", IBAN), ("name", "=News & Söhne"), ("password", PASSWORD)];
    assert_eq!(browser.send(&page, "/bank", &fields).status, 303);
    (site, operator, browser)
}

async fn a_payout_run_takes_what_is_due(database: Database) {
    let (site, mut operator, mut vendor) = site_with_vendor(database, "EUR").await;
    earn(&site, "news.example", 123_456_789_012, "EUR").await;
    earn(&site, "shop.example", 900_000_000, "EUR").await;
    let page = operator.get("/operator/payouts");
    page.says(200, "1234.21 EUR");
    // The other vendor is paid nothing, and the page says why.
    page.says(200, "shop.example");
    page.says(200, "there is no bank account: the vendor enters one on its page");
    // A double click makes one run.
    let made = operator.send(&page, "/operator/payouts", &[]);
    let again = operator.send(&page, "/operator/payouts", &[]);
    assert_eq!((made.status, made.header("location")), (303, again.header("location")));
    let address = made.header("location").unwrap().to_string();
    let run = operator.get(&address);
    run.says(200, "not paid yet");
    let eur = "EUR".parse().unwrap();
    let balance = async |kind, owner: &str| {
        let account = Account::new(kind, owner, eur);
        site.world.service.store().balance(&account).await.unwrap()
    };
    // The fraction of a cent stays; the vendor without a bank account is not paid.
    assert_eq!(balance(AccountKind::Vendor, "news.example").await, 789_012);
    assert_eq!(balance(AccountKind::Vendor, "shop.example").await, 900_000_000);
    assert_eq!(balance(AccountKind::Fees, "").await, 35_000_000);
    assert_eq!(balance(AccountKind::Payout, "").await, 123_421_000_000);
    let csv = operator.get(&format!("{address}/csv"));
    assert!(csv.text.contains("\"'=News & Söhne\",\"1234.21\",\"EUR\",\"0.35\""), "{}", csv.text);
    let sepa = operator.get(&format!("{address}/sepa"));
    assert!(sepa.text.contains("<Nm>.News . Soehne</Nm>"), "{}", sepa.text);
    assert!(sepa.text.contains("<InstdAmt Ccy=\"EUR\">1234.21</InstdAmt>"));
    for _ in 0..2 {
        assert_eq!(operator.send(&run, &format!("{address}/paid"), &[]).status, 303);
    }
    operator.get(&address).says(200, "paid at");
    assert_eq!(balance(AccountKind::Payout, "").await, 0);
    assert_eq!(balance(AccountKind::Outside, "").await, -900_000_000 - 35_000_000 - 789_012);
    // Nothing more is due: a form that was open before makes no second run.
    let page = operator.get("/operator/payouts");
    page.says(200, "Nothing is due in EUR.");
    let token = page.value("/logout", "token");
    let run = "0".repeat(64);
    let fields = [("token", token.as_str()), ("currency", "EUR"), ("run", run.as_str())];
    operator.post("/operator/payouts", &fields).says(422, "Nothing is due");
    vendor.get("/vendor/news.example").says(200, "Payout");
    site.world.check_ledger().await;
}

async fn a_payment_that_came_back_is_on_the_balance_again(database: Database) {
    let (site, mut operator, mut owner) = site_with_vendor(database, "USD").await;
    earn(&site, "news.example", 500_000_000, "USD").await;
    for is_paid in [false, true] {
        let page = operator.get("/operator/payouts");
        let made = operator.send(&page, "/operator/payouts", &[]);
        let address = made.header("location").unwrap().to_string();
        assert_eq!(site.world.balance(AccountKind::Vendor, "news.example").await, 0);
        let run = operator.get(&address);
        if is_paid {
            operator.send(&run, &format!("{address}/paid"), &[]);
        }
        for _ in 0..2 {
            let back = operator.send(&run, &format!("{address}/failed"), &[]);
            operator.follow(&back).says(200, "came back");
        }
        // The fee is kept if the bank has worked already.
        let expected = if is_paid { 465_000_000 } else { 500_000_000 };
        let found = site.world.balance(AccountKind::Vendor, "news.example").await;
        assert_eq!(found, expected);
        site.world.check_ledger().await;
    }
    // Less than the least amount is not paid, and waits.
    let page = operator.get("/operator/payouts");
    page.says(200, "Nothing is due in USD.");
    page.says(200, "1 balance waits: it is below 5.00 USD, the least that is paid out.");
    page.says(200, "A payout costs 0.35 USD.");
    operator.language = "de";
    operator.get("/operator/payouts").says(200, "1 Guthaben wartet: Es ist kleiner als 5,00 USD");
    owner
        .get("/vendor/news.example")
        .says(200, "A payout costs 0.35 USD. Less than 5.00 USD is not paid out.");
}

async fn a_changed_bank_account_counts_later(database: Database) {
    let (site, mut operator, mut vendor) = site_with_vendor(database, "USD").await;
    earn(&site, "news.example", 500_000_000, "USD").await;
    let page = vendor.get("/vendor/news.example");
    let fields = |iban, password| [("iban", iban), ("name", "Thief"), ("password", password)];
    vendor.send(&page, "/bank", &fields(OTHER_IBAN, "wrong password")).says(422, "is wrong");
    vendor
        .send(&page, "/bank", &fields("DE88370400440532013000", PASSWORD))
        .says(422, "not an IBAN");
    site.world.clock.set(DURING.plus_seconds(1));
    assert_eq!(vendor.send(&page, "/bank", &fields(OTHER_IBAN, PASSWORD)).status, 303);
    vendor.get("/vendor/news.example").says(200, "Bank account from ");
    operator.get("/operator/payouts").says(200, IBAN);
    site.world.clock.set(DURING.plus_seconds(1 + 72 * 3600));
    let mut operator = site.operator("boss", Role::Admin).await;
    operator.get("/operator/payouts").says(200, OTHER_IBAN);
    // Others cannot set it.
    let (mut other, _) = site.reader();
    let page = other.get("/account");
    let mut fields = fields(IBAN, PASSWORD).to_vec();
    fields.push(("vendor", "news.example"));
    other.send(&page, "/bank", &fields).says(404, "no such page");
    assert_eq!(other.get("/vendor/news.example").status, 404);
}

async fn many_changes_hide_no_bank_account_that_counts(database: Database) {
    let site = site(database).await;
    let (mut reader, _) = site.reader();
    let page = reader.get("/account");
    let mut set = |iban: &str, name: &str| {
        let fields = [("iban", iban), ("name", name), ("password", PASSWORD)];
        reader.send(&page, "/bank", &fields)
    };
    assert_eq!(set(IBAN, "First").status, 303);
    for number in 1..60 {
        assert_eq!(set(OTHER_IBAN, &format!("Change {number}")).status, 303);
    }
    // 60 changes of an account are made in an hour: each stays in the books.
    set(OTHER_IBAN, "Change 60").says(429, "wait 60 minutes");
    let page = reader.get("/account");
    page.says(200, &format!("{IBAN}, First"));
    page.says(200, &format!("{OTHER_IBAN}, Change 59"));
    site.world.clock.set(DURING.plus_seconds(3601));
    let page = reader.get("/account");
    let fields = [("iban", OTHER_IBAN), ("name", "Change 60"), ("password", PASSWORD)];
    assert_eq!(reader.send(&page, "/bank", &fields).status, 303);
}

async fn a_balance_is_asked_back(database: Database) {
    let (site, mut operator, _) = site_with_vendor(database, "USD").await;
    let (mut reader, name) = site.reader();
    let amount: Money = "12.345 USD".parse().unwrap();
    let what = (&name.parse().unwrap(), amount, "first");
    assert_eq!(deposit(&site.world.service, "boss", what).await.unwrap().granted(), Some(true));
    operator.get("/operator/payouts").says(200, "Nothing is due in USD.");
    let page = reader.get("/account");
    let ask = [("password", PASSWORD)];
    reader.send(&page, "/account/refund", &ask).says(422, "Save a bank account first");
    let bank = [("iban", IBAN), ("name", "Reader"), ("password", PASSWORD)];
    assert_eq!(reader.send(&page, "/bank", &bank).status, 303);
    reader.send(&page, "/account/refund", &[("password", "wrong password")]).says(422, "is wrong");
    assert_eq!(reader.send(&page, "/account/refund", &ask).status, 303);
    let page = operator.get("/operator/payouts");
    page.says(200, "11.99 USD");
    assert_eq!(operator.send(&page, "/operator/payouts", &[]).status, 303);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 500_000);
    // The wish is used up.
    assert_eq!(site.world.number("SELECT COUNT(*) FROM refund_wish").await, 0);
    let page = reader.get("/account");
    page.says(200, "action=\"/account/refund\"");
    // The reader is told what became of it.
    page.says(200, "Payouts of your balance");
    page.says(200, "#1<");
    page.says(200, "in the run");
    let run = operator.get("/operator/payouts/1");
    run.says(200, "The run is paid");
    assert_eq!(operator.send(&run, "/operator/payouts/1/failed", &[]).status, 303);
    reader.get("/account").says(200, "came back: the amount is in your balance again");
    // Nothing is left to pay, so no run is paid and no file is made for the bank.
    let run = operator.get("/operator/payouts/1");
    run.says(200, "nothing is left to pay");
    assert!(!run.text.contains("The run is paid"), "{}", run.text);
    // The sums are those of now, not of the last check.
    operator.get("/operator/sums").says(200, "12.34");
    reader.language = "de";
    reader.get("/account").says(200, "Auszahlungen Ihres Guthabens");
    site.world.check_ledger().await;
}

async fn a_balance_below_the_least_is_no_dead_end(database: Database) {
    let (site, _, _) = site_with_vendor(database, "USD").await;
    let (mut reader, name) = site.reader();
    site.world.fund(&name, 499).await;
    let page = reader.get("/account");
    page.says(200, "A payout costs 0.35 USD. Less than 5.00 USD is not paid out.");
    page.says(200, "Your balance of 4.99 USD is too small to be paid out.");
    let bank = [("iban", IBAN), ("name", "Reader"), ("password", PASSWORD)];
    assert_eq!(reader.send(&page, "/bank", &bank).status, 303);
    let ask = [("password", PASSWORD)];
    let asked = reader.send(&page, "/account/refund", &ask);
    reader.follow(&asked).says(200, "nothing is paid now");
    // A form that did not say what becomes of the money closes nothing.
    let fields = [("password", PASSWORD), ("small", "4.98 USD")];
    reader.send(&page, "/account/close", &fields).says(422, "The account still has 4.99 USD");
    site.world.fund(&name, 1).await;
    reader.send(&page, "/account/close", &ask).says(422, "still has money");
    let asked = reader.send(&page, "/account/refund", &ask);
    reader.follow(&asked).says(200, "paid out with the next run");
    // It stays said, and is not asked again.
    let page = reader.get("/account");
    page.says(200, "You asked for your balance on 2026-12-11 ");
    assert!(!page.text.contains("action=\"/account/refund\""), "{}", page.text);
    site.world.fund(&name, -1).await;
    reader.language = "de";
    let page = reader.get("/account");
    page.says(200, "Ihr Guthaben von 4,99 USD ist zu klein");
    page.says(200, "um Ihr Guthaben gebeten");
    assert_eq!(reader.send(&page, "/account/close", &ask).status, 303);
    // It is there when the account is opened again.
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 499 * COIN);
    site.world.check_ledger().await;
}

async fn a_bank_form_sent_twice_changes_nothing(database: Database) {
    let (site, _, mut vendor) = site_with_vendor(database, "USD").await;
    // The first account again, within the second and later.
    let page = vendor.get("/vendor/news.example");
    let fields = |iban, name| [("iban", iban), ("name", name), ("password", PASSWORD)];
    for seconds in [0, 0, 1] {
        site.world.clock.set(DURING.plus_seconds(seconds));
        let again = vendor.send(&page, "/bank", &fields(IBAN, "=News & S\u{f6}hne"));
        assert_eq!(again.status, 303);
        let page = vendor.get("/vendor/news.example");
        page.says(200, IBAN);
        assert!(!page.text.contains("Bank account from "), "{}", page.text);
    }
    // Another one within the same second counts later, and the first counts until then.
    let (mut other, name) = site.reader();
    let page = other.get("/account");
    for iban in [IBAN, OTHER_IBAN, OTHER_IBAN] {
        assert_eq!(other.send(&page, "/bank", &fields(iban, "Reader")).status, 303);
    }
    let page = other.get("/account");
    page.says(200, IBAN);
    page.says(200, "Bank account from ");
    let rows = "SELECT COUNT(*) FROM bank_account";
    assert_eq!(site.world.number(rows).await, 3, "{name}");
    let acts = "SELECT COUNT(*) FROM audit WHERE what LIKE 'bank account%'";
    assert_eq!(site.world.number(acts).await, 3);
    // Characters that turn a name around are none of it.
    for name in ["\u{202e}x", "a\u{200b}b", "a\nb", "a\u{ad}b", "a\u{3164}b", "\u{2800}"] {
        other.send(&page, "/bank", &fields(IBAN, name)).says(422, "Expected a name");
    }
}

async fn a_statement_shows_the_fee_of_a_payout(database: Database) {
    let (site, mut operator, mut vendor) = site_with_vendor(database, "USD").await;
    earn(&site, "news.example", 700_000_000, "USD").await;
    let page = operator.get("/operator/payouts");
    let made = operator.send(&page, "/operator/payouts", &[]);
    let page = vendor.get("/vendor/news.example");
    page.says(200, "-6.65 USD");
    page.says(200, "Fee of the payout");
    page.says(200, "-0.35 USD");
    let csv = vendor.get("/vendor/news.example/csv").text;
    for line in [
        "\"day\",\"what\",\"amount\",\"currency\"\r\n",
        "\"payout\",\"-6.65\",\"USD\"\r\n",
        "\"payout fee\",\"-0.35\",\"USD\"\r\n",
    ] {
        assert!(csv.contains(line), "{csv}");
    }
    assert!(csv.ends_with("\"\",\"balance\",\"0\",\"USD\"\r\n"), "{csv}");
    // A payment that came back before the bank did anything costs nothing, and both are told.
    let address = made.header("location").unwrap().to_string();
    let run = operator.get(&address);
    assert_eq!(operator.send(&run, &format!("{address}/failed"), &[]).status, 303);
    let page = vendor.get("/vendor/news.example");
    for part in ["-6.65 USD", "-0.35 USD", ">6.65 USD", ">0.35 USD"] {
        page.says(200, part);
    }
    page.says(200, "Payout that came back");
    page.says(200, "Fee of a payout, given back");
    let csv = vendor.get("/vendor/news.example/csv").text;
    for line in [
        "\"payout\",\"-6.65\",\"USD\"\r\n",
        "\"payout fee\",\"-0.35\",\"USD\"\r\n",
        "\"payout back\",\"6.65\",\"USD\"\r\n",
        "\"payout fee back\",\"0.35\",\"USD\"\r\n",
    ] {
        assert!(csv.contains(line), "{csv}");
    }
    assert!(csv.ends_with("\"\",\"balance\",\"7\",\"USD\"\r\n"), "{csv}");
    // If the bank had worked, the fee is kept.
    let page = operator.get("/operator/payouts");
    let made = operator.send(&page, "/operator/payouts", &[]);
    let address = made.header("location").unwrap().to_string();
    let run = operator.get(&address);
    for what in ["paid", "failed"] {
        assert_eq!(operator.send(&run, &format!("{address}/{what}"), &[]).status, 303);
    }
    let csv = vendor.get("/vendor/news.example/csv").text;
    for line in [
        "\"payout\",\"-13.3\",\"USD\"\r\n",
        "\"payout fee\",\"-0.7\",\"USD\"\r\n",
        "\"payout back\",\"13.3\",\"USD\"\r\n",
        "\"payout fee back\",\"0.35\",\"USD\"\r\n",
    ] {
        assert!(csv.contains(line), "{csv}");
    }
    assert!(csv.ends_with("\"\",\"balance\",\"6.65\",\"USD\"\r\n"), "{csv}");
    vendor.language = "de";
    vendor.get("/vendor/news.example").says(200, "Zurückgekommene Auszahlung");
}

async fn a_run_in_a_currency_that_nobody_has_makes_no_account(database: Database) {
    let (site, mut operator, _) = site_with_vendor(database, "USD").await;
    earn(&site, "news.example", 700_000_000, "USD").await;
    let accounts = "SELECT COUNT(*) FROM account WHERE currency = 'ZZZ'";
    let page = operator.get("/operator/payouts");
    operator.send(&page, "/operator/payouts", &[("currency", "ZZZ")]).says(422, "Nothing is due");
    assert_eq!(site.world.number(accounts).await, 0);
}

async fn money_of_a_closed_account_is_reached(database: Database) {
    let (site, mut operator, _) = site_with_vendor(database, "USD").await;
    let (mut reader, name) = site.reader();
    site.world.fund(&name, 1000).await;
    let close = |reader: &mut Browser| {
        let page = reader.get("/account");
        reader.send(&page, "/account/close", &[("password", PASSWORD)])
    };
    close(&mut reader).says(422, "still has money");
    let page = reader.get("/account");
    let bank = [("iban", IBAN), ("name", "Reader"), ("password", PASSWORD)];
    assert_eq!(reader.send(&page, "/bank", &bank).status, 303);
    let ask = [("password", PASSWORD)];
    assert_eq!(reader.send(&page, "/account/refund", &ask).status, 303);
    let page = operator.get("/operator/payouts");
    assert_eq!(operator.send(&page, "/operator/payouts", &[]).status, 303);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 0);
    close(&mut reader).says(422, "A payout to you is on its way");
    let run = operator.get("/operator/payouts/1");
    assert_eq!(operator.send(&run, "/operator/payouts/1/paid", &[]).status, 303);
    assert_eq!(close(&mut reader).status, 303);
    assert_eq!(reader.login(&name, PASSWORD).status, 422);
    // Nobody adds money to it.
    let form = operator.get("/operator/deposit");
    let fields = [("user", name.as_str()), ("amount", "5 USD"), ("reference", "1")];
    operator.send(&form, "/operator/deposit", &fields).says(422, "no such account");
    let what = (&name.parse().unwrap(), "5 USD".parse().unwrap(), "1");
    let refused = deposit(&site.world.service, "console", what).await.unwrap().refused();
    assert!(refused.unwrap().to_string().contains("is closed"));
    // The payment comes back, and its person gets the account back by the operator.
    assert_eq!(operator.send(&run, "/operator/payouts/1/failed", &[]).status, 303);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 965 * COIN);
    let people = operator.get("/operator/people");
    let found = operator.send(&people, "/operator/people", &[("who", &name)]);
    found.says(200, "9.65 USD");
    let made = operator.send(&found, "/operator/people/link", &[]);
    let at = made.text.find(&format!("{ORIGIN}/reset/")).unwrap() + ORIGIN.len();
    let path = made.text[at..].split('<').next().unwrap();
    let form = reader.get(path);
    let new = [("password", "a better password")];
    assert_eq!(reader.send(&form, "/reset", &new).status, 303);
    assert_eq!(reader.login(&name, "a better password").status, 303);
    reader.get("/").says(200, "9.65 USD");
    site.world.check_ledger().await;
}

async fn a_closed_account_acts_for_no_vendor(database: Database) {
    let (site, mut operator, mut vendor) = site_with_vendor(database, "USD").await;
    earn(&site, "news.example", 700_000_000, "USD").await;
    let close = |vendor: &mut Browser| {
        let page = vendor.get("/account");
        vendor.send(&page, "/account/close", &[("password", PASSWORD)])
    };
    let why = "A vendor for which this account acts still has money";
    close(&mut vendor).says(422, why);
    let page = operator.get("/operator/payouts");
    assert_eq!(operator.send(&page, "/operator/payouts", &[]).status, 303);
    // On its way, it may come back.
    close(&mut vendor).says(422, why);
    let run = operator.get("/operator/payouts/1");
    assert_eq!(operator.send(&run, "/operator/payouts/1/paid", &[]).status, 303);
    assert_eq!(close(&mut vendor).status, 303);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM vendor_owner").await, 0);
    // Another account registers the host.
    let (mut other, name) = site.reader();
    let form = operator.get("/operator/vendors");
    let fields = [("host", "news.example"), ("user", name.as_str())];
    assert_eq!(operator.send(&form, "/operator/vendors", &fields).status, 303);
    assert_eq!(other.get("/vendor/news.example").status, 200);
}

async fn an_account_is_not_closed_while_money_comes(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Money).await;
    let codes = codes(&vouchers(&mut operator, "kiosk", "5 USD", "12"));
    for code in codes {
        let (mut browser, name) = site.reader();
        browser.from = "203.0.113.7";
        let (voucher, account) = (browser.get("/voucher"), browser.get("/account"));
        let mut other = browser.clone();
        let (used, closed) = std::thread::scope(|scope| {
            let used = scope.spawn(|| other.send(&voucher, "/voucher", &[("code", &code)]).status);
            let close = [("password", PASSWORD)];
            let closed = browser.send(&account, "/account/close", &close).status;
            (used.join().unwrap(), closed)
        });
        let balance = site.world.balance(AccountKind::Client, &name).await;
        let is_used = used == 303 && balance > 0;
        assert_eq!(closed == 303, !is_used, "{used} {closed} {balance}");
    }
    site.world.check_ledger().await;
}

async fn nothing_changes_while_the_broker_is_restored(database: Database) {
    let (site, mut operator, _) = site_with_vendor(database, "USD").await;
    earn(&site, "news.example", 500_000_000, "USD").await;
    let change = async |change: &'static str| {
        let mut tx = site.world.service.store().begin().await.unwrap();
        sqlx::query(change).execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
    };
    // After a restore nothing is paid out before the operator compared the last run with the bank.
    let payouts = operator.get("/operator/payouts");
    change("UPDATE broker SET payouts_blocked = 1").await;
    let shown = operator.get("/operator/payouts");
    shown.says(200, "Payouts are blocked");
    assert!(!shown.text.contains("Make a run"), "{}", shown.text);
    operator.send(&payouts, "/operator/payouts", &[]).says(422, "Payouts are blocked");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM payout_run").await, 0);
    change("UPDATE broker SET payouts_blocked = 0").await;
    // A vendor knows of more sales than the database.
    let code = codes(&vouchers(&mut operator, "kiosk", "5 USD", "1")).remove(0);
    let (mut reader, name) = site.reader();
    site.world.fund(&name, 500).await;
    let buy = reader.get("/buy");
    change("INSERT INTO told (generation, name, number) VALUES (1, 'sold:2026-12', 60)").await;
    let before = site.world.number("SELECT COUNT(*) FROM transfer").await;
    let words = "The broker is being restored";
    // Who can end it is told how.
    let halted = "run mmbroker restored";
    let shown = operator.get("/operator/payouts");
    shown.says(200, "The broker is halted");
    assert!(!shown.text.contains("Make a run"), "{}", shown.text);
    operator.send(&payouts, "/operator/payouts", &[]).says(503, halted);
    operator.language = "de";
    operator.send(&payouts, "/operator/payouts", &[]).says(503, "rufen Sie mmbroker restored auf");
    operator.get("/operator/payouts").says(200, "Der Broker ist angehalten");
    operator.language = "en";
    redeem(&mut reader, &code).says(503, words);
    reader.send(&buy, "/buy", &[("sets", "1")]).says(503, words);
    vouchers(&mut operator, "kiosk 2", "5 USD", "1").says(503, halted);
    let form = operator.get("/operator/deposit");
    let fields = [("user", name.as_str()), ("amount", "5 USD"), ("reference", "1")];
    operator.send(&form, "/operator/deposit", &fields).says(503, halted);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM transfer").await, before);
    // People still see what they have.
    reader.get("/").says(200, "5.00 USD");
}

async fn after_a_restore_no_run_comes_twice_and_codes_are_held(database: Database) {
    let (site, mut operator, _) = site_with_vendor(database, "USD").await;
    earn(&site, "news.example", 600_000_000, "USD").await;
    let printed = codes(&vouchers(&mut operator, "before", "5 USD", "4"));
    let (mut alice, name) = site.reader();
    assert_eq!(redeem(&mut alice, &printed[0]).status, 303);
    let pay = |operator: &mut Browser| {
        let page = operator.get("/operator/payouts");
        operator.send(&page, "/operator/payouts", &[])
    };
    let form = operator.get("/operator/payouts");
    assert_eq!(pay(&mut operator).header("location"), Some("/operator/payouts/1"));
    // A backup from before the run is restored: its money is on the balance.
    let run = operator.get("/operator/payouts/1");
    assert_eq!(operator.send(&run, "/operator/payouts/1/failed", &[]).status, 303);
    for change in [
        "DELETE FROM payout",
        "DELETE FROM payout_run",
        "DELETE FROM counter WHERE name = 'payouts'",
    ] {
        let mut tx = site.world.service.store().begin().await.unwrap();
        sqlx::query(change).execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
    }
    redeem(&mut alice, &printed[1]).says(503, "The broker is being restored");
    let release = |operator: &mut Browser, list: &str| {
        let token = operator.get("/account").value("/logout", "token");
        operator.post("/operator/vouchers/release", &[("token", &token), ("codes", list)])
    };
    release(&mut operator, &printed[1]).says(503, "run mmbroker restored");
    site.world.service.restored(&Restore::default()).await.unwrap().granted().unwrap();
    earn(&site, "news.example", 700_000_000, "USD").await;
    // The form of another tab, for another run.
    let run = "f".repeat(64);
    let blocked = |operator: &mut Browser| {
        let sent = operator.send(&form, "/operator/payouts", &[("run", run.as_str())]);
        sent.says(422, "Payouts are blocked");
        operator.get("/operator/payouts").says(200, "Payouts are blocked");
    };
    blocked(&mut operator);
    // The bank knows of no run, but the witness does.
    let nothing = "0 USD".parse().unwrap();
    let released = site.world.service.release_payouts(0, nothing, false).await.unwrap();
    assert_eq!(released.refused(), Some(ReleaseRefusal::Forgotten(1)));
    blocked(&mut operator);
    let released = site.world.service.release_payouts(0, nothing, true).await.unwrap();
    assert_eq!(released.granted(), Some(true));
    assert_eq!(pay(&mut operator).header("location"), Some("/operator/payouts/2"));
    // Older codes are held, except one that was used; the next ones are not.
    redeem(&mut alice, &printed[1]).says(422, "waits until its operator has released it");
    assert_eq!(redeem(&mut alice, &printed[0]).status, 303);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 500 * COIN);
    operator.get("/operator/vouchers").says(200, "3 codes are held since the restore");
    let after = codes(&vouchers(&mut operator, "after", "5 USD", "1")).remove(0);
    assert_eq!(redeem(&mut alice, &after).status, 303);
    // Some are released by a list, twice.
    let list = format!("{}\r\n  {} \r\n\r\n<b>wrong\r\n{}", printed[1], printed[2], printed[0]);
    for _ in 0..2 {
        let answer = release(&mut operator, &list);
        answer.says(200, "2 codes count again");
        answer.says(200, &format!("&#60;b&#62;wrong\n{}", printed[0]));
    }
    assert_eq!(redeem(&mut alice, &printed[1]).status, 303);
    redeem(&mut alice, &printed[3]).says(422, "waits until its operator has released it");
    operator.get("/operator/vouchers").says(200, "1 code is held since the restore");
    for wrong in ["", " \n ", &"x\n".repeat(1001)] {
        release(&mut operator, wrong).says(422, "Expected 1 to 1000 codes");
    }
    release(&mut operator, &"x\n".repeat(1000)).says(200, "0 codes count again");
    // Another restore holds all again.
    let again = Restore { is_forced: true, ..Restore::default() };
    site.world.service.restored(&again).await.unwrap().granted().unwrap();
    redeem(&mut alice, &printed[2]).says(422, "waits until its operator has released it");
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 1500 * COIN);
    site.world.check_ledger().await;
}
