//! Accounts: registration, login, sessions, and those who attack them.

use micromint::time::UnixTime;
use mmbrokerd::shop::{FORM_FIELDS_MAX, FORM_SIZE_MAX, Role, ShopSettings};

use crate::browser::*;
use crate::databases::Database;
use crate::world::DURING;
use mmbrokerd::store::{KEYS_MAX, KeyMaker};
use sha2::{Digest, Sha256};

crate::on_both_databases!(
    a_person_registers_once_and_logs_in,
    no_answer_tells_whether_an_account_exists,
    logins_are_limited_and_a_restart_forgets_nothing,
    a_limit_holds_wherever_its_span_begins,
    links_end_with_the_password,
    a_used_link_tells_no_password,
    sessions_are_listed_and_ended,
    forms_of_others_are_refused,
    sessions_end_with_time,
    every_page_bounds_what_a_browser_does,
    forms_are_bounded,
    markup_and_sql_stay_text,
    the_audit_log_is_a_chain,
    an_address_that_the_client_writes_lifts_no_limit,
    a_proxy_that_is_not_named_is_not_believed,
    a_refused_form_leads_back_to_its_page,
    operators_read_roles_and_deeds_in_their_language,
    a_key_needs_the_password_and_ends_with_it,
    a_password_form_sent_twice_is_done_once,
    logins_that_succeed_are_limited_too,
    a_link_lets_in_after_wrong_passwords,
    an_account_has_a_bounded_number_of_keys,
    acts_of_readers_push_none_of_operators_off_the_page,
);

/// What nginx sends that adds the client's address to what the client wrote.
fn forged(number: usize, real: &str) -> &'static str {
    Box::leak(format!("203.0.{number}.1, {real}").into_boxed_str())
}

async fn an_address_that_the_client_writes_lifts_no_limit(database: Database) {
    let site = site(database).await;
    let mut browser = site.browser();
    let mut guess = |number: usize, real: &str| {
        browser.from = forged(number, real);
        browser.login(&format!("nobody{number}"), "wrong password").status
    };
    for number in 0..60 {
        assert_eq!(guess(number, "192.0.2.9"), 422, "{number}");
    }
    assert_eq!(guess(60, "192.0.2.200"), 429);
    assert_eq!(guess(61, "198.51.100.9"), 422);
}

async fn a_proxy_that_is_not_named_is_not_believed(database: Database) {
    // The peer is 127.0.0.1, which is no proxy here.
    let proxies = vec!["192.0.2.7".parse::<mmbrokerd::shop::Network>().unwrap()].into();
    let settings = ShopSettings { proxies, ..ShopSettings::default() };
    let site = site_with(database, settings).await;
    let mut browser = site.browser();
    for number in 0..60 {
        browser.from = forged(number, "198.51.100.9");
        assert_eq!(browser.login(&format!("nobody{number}"), "wrong password").status, 422);
    }
    browser.from = "198.18.0.1";
    assert_eq!(browser.login("nobody", "wrong password").status, 429);
}

async fn a_refused_form_leads_back_to_its_page(database: Database) {
    let site = site(database).await;
    let mut browser = site.browser();
    browser.page = "https://broker.example/login?note=login-first";
    let refused = browser.login("nobody", "wrong password");
    refused.says(422, "<a href=\"/login?note=login-first\">Back</a>");
    for page in [
        "https://evil.example/login",
        "http://broker.example/login",
        "https://broker.example//evil.example/",
        "https://broker.example@evil.example/login",
        "javascript:alert(1)",
        "nonsense",
    ] {
        browser.page = page;
        // The page of the form, whatever the browser says.
        let refused = browser.login("nobody", "wrong password");
        refused.says(422, "<a href=\"/login\">Back</a>");
        assert!(!refused.text.contains("evil"), "{page}: {}", refused.text);
    }
}

async fn operators_read_roles_and_deeds_in_their_language(database: Database) {
    let site = site(database).await;
    let (_, name) = site.reader();
    let mut operator = site.operator("boss", Role::Admin).await;
    for (language, role, deed) in [
        ("en", "Reader or vendor", "Password set"),
        ("de", "Leser oder Anbieter", "Passwort gesetzt"),
    ] {
        operator.language = language;
        let form = operator.get("/operator/people");
        operator.send(&form, "/operator/people", &[("who", &name)]).says(200, role);
        operator.get("/operator/audit").says(200, deed);
    }
}

async fn a_password_form_sent_twice_is_done_once(database: Database) {
    let site = site(database).await;
    let (mut owner, name) = site.reader();
    let mut other = site.browser();
    assert_eq!(other.login(&name, PASSWORD).status, 303);
    let (form, of_other) = (owner.get("/account"), other.get("/account"));
    let change = [("old", PASSWORD), ("password", "a better password")];
    for _ in 0..2 {
        let changed = owner.send(&form, "/account/password", &change);
        owner.follow(&changed).says(200, "The password is changed");
    }
    assert_eq!(site.world.number("SELECT COUNT(*) FROM audit").await, 1);
    // Nobody guesses the new one that way: not with a new form, nor with one of another session.
    let guess = [("old", "wrong password"), ("password", "a better password")];
    let new = owner.get("/account");
    owner.send(&new, "/account/password", &guess).says(422, "The password is wrong");
    assert_eq!(other.login(&name, "a better password").status, 303);
    let token = other.get("/account").value("/logout", "token");
    let mark = of_other.value("/account/password", "mark");
    for mark in [mark.as_str(), "x y", "", " "] {
        let mut fields = guess.to_vec();
        fields.extend([("token", token.as_str()), ("mark", mark)]);
        other.post("/account/password", &fields).says(422, "The password is wrong");
    }
    // Another new password is another change.
    let wrong = [("old", PASSWORD), ("password", "yet another one")];
    owner.send(&form, "/account/password", &wrong).says(422, "The password is wrong");
}

async fn logins_that_succeed_are_limited_too(database: Database) {
    let site = site(database).await;
    let (_, name) = site.reader();
    let mut browser = site.browser();
    for number in 0..160 {
        assert_eq!(browser.login(&name, PASSWORD).status, 303, "{number}");
    }
    browser.login(&name, PASSWORD).says(429, "wait 60 minutes");
    // The session goes on, and other accounts log in.
    assert_eq!(browser.get("/account").status, 200);
    let (_, other) = site.reader();
    assert_eq!(site.browser().login(&other, PASSWORD).status, 303);
    // A new password of the console ends the wait: others may have caused it.
    let user = name.parse().unwrap();
    let new = mmbrokerd::shop::set_person(&site.world.service, &user, Role::None).await.unwrap();
    assert_eq!(browser.login(&name, &new).status, 303);
    mmbrokerd::shop::give_password(&site.world.service, &user, None, PASSWORD).await.unwrap();
    site.world.clock.set(DURING.plus_seconds(3600));
    assert_eq!(browser.login(&name, PASSWORD).status, 303);
}

async fn a_link_lets_in_after_wrong_passwords(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Money).await;
    let (_, name) = site.reader();
    let mut browser = site.browser();
    for _ in 0..10 {
        browser.login(&name, "wrong password").says(422, "is wrong");
    }
    browser.login(&name, PASSWORD).says(429, "wait 15 minutes");
    let form = browser.get(&link(&mut operator, &name));
    assert_eq!(browser.send(&form, "/reset", &[("password", "a better password")]).status, 303);
    assert_eq!(browser.login(&name, "a better password").status, 303);
}

/// The key on a page.
fn key_on(page: &Seen) -> String {
    page.says(200, "mmk_");
    let at = page.text.find("mmk_").unwrap();
    page.text[at..at + 68].to_string()
}

/// The status of a question with a key.
fn status_with(site: &Site, key: &str) -> u16 {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    let agent: ureq::Agent = config.build().into();
    let request = agent
        .get(format!("{}/v1/account", site.address))
        .header("Authorization", format!("Bearer {key}"));
    request.call().unwrap().status().as_u16()
}

async fn a_key_needs_the_password_and_ends_with_it(database: Database) {
    let site = site(database).await;
    let (mut owner, name) = site.reader();
    // A session that has just begun makes one without; the same form makes one key.
    let form = owner.get("/account");
    let key = key_on(&owner.send(&form, "/account/key", &[]));
    assert_eq!(key_on(&owner.send(&form, "/account/key", &[])), key);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM api_key").await, 1);
    assert_eq!(status_with(&site, &key), 200);
    // Nobody else gets it with the number of the form.
    let (mut other, _) = site.reader();
    let id = form.value("/account/key", "id");
    let page = other.get("/account");
    assert_ne!(key_on(&other.send(&page, "/account/key", &[("id", &id)])), key);
    other.send(&page, "/account/key", &[("id", "1")]).says(422, "cannot be read");
    // An older session needs the password.
    site.world.clock.set(DURING.plus_seconds(600));
    owner.send(&form, "/account/key", &[]).says(422, "The password is wrong");
    let page = owner.get("/account");
    let made = owner.send(&page, "/account/key", &[("password", PASSWORD)]);
    let second = key_on(&made);
    // A new password ends keys, however it is set.
    let change = [("old", PASSWORD), ("password", "a better password")];
    let changed = owner.send(&page, "/account/password", &change);
    owner.follow(&changed).says(200, "all keys for wallets");
    assert_eq!([status_with(&site, &key), status_with(&site, &second)], [401, 401]);
    owner
        .send(&page, "/account/key", &[("password", "a better password")])
        .says(422, "The key of this form has ended");
    let mut operator = site.operator("boss", Role::Money).await;
    let fresh = |browser: &mut Browser, password: &str| {
        let page = browser.get("/account");
        key_on(&browser.send(&page, "/account/key", &[("password", password)]))
    };
    let key = fresh(&mut owner, "a better password");
    let mut stranger = site.browser();
    let form = stranger.get(&link(&mut operator, &name));
    form.says(200, "all keys for wallets end");
    assert_eq!(stranger.send(&form, "/reset", &[("password", "a third password")]).status, 303);
    assert_eq!(status_with(&site, &key), 401);
    assert_eq!(owner.login(&name, "a third password").status, 303);
    let key = fresh(&mut owner, "a third password");
    let service = &site.world.service;
    let user = name.parse().unwrap();
    mmbrokerd::shop::set_person(service, &user, Role::None).await.unwrap();
    assert_eq!(status_with(&site, &key), 401);
    // The keys of a user of programs stay when the user becomes a person.
    let user = "of-programs".parse().unwrap();
    let key = mmbrokerd::http::new_key(&micromint::host::SystemEntropy).unwrap();
    mmbrokerd::http::give_key(service, (KeyMaker::Console, &user), &key).await.unwrap();
    mmbrokerd::shop::set_person(service, &user, Role::None).await.unwrap();
    assert_eq!(status_with(&site, &key), 200);
}

async fn an_account_has_a_bounded_number_of_keys(database: Database) {
    let site = site(database).await;
    let (mut reader, _) = site.reader();
    let make = |reader: &mut Browser| {
        let page = reader.get("/account");
        reader.send(&page, "/account/key", &[("password", PASSWORD)])
    };
    for _ in 0..KEYS_MAX {
        key_on(&make(&mut reader));
    }
    make(&mut reader).says(422, "An account has at most 20 keys");
    let page = reader.get("/account");
    assert_eq!(reader.send(&page, "/account/keys/end", &[]).status, 303);
    // 30 are made in an hour, or refused.
    for _ in 0..30 - KEYS_MAX - 1 {
        key_on(&make(&mut reader));
    }
    make(&mut reader).says(429, "wait 60 minutes");
    site.world.clock.set(DURING.plus_seconds(3600));
    key_on(&make(&mut reader));
}

async fn acts_of_readers_push_none_of_operators_off_the_page(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Support).await;
    let (reader, name) = site.reader();
    let session: [u8; 32] = Sha256::digest(reader.cookies["__Host-micromint"].as_bytes()).into();
    let store = site.world.service.store();
    for number in 0..510 {
        let user = &name.parse().unwrap();
        let (by, key) = (KeyMaker::Session(&session), format!("mmk_{number}"));
        let given = mmbrokerd::http::give_key(&site.world.service, (by, user), &key).await;
        given.unwrap();
        store.end_api_keys(&name, user, DURING).await.unwrap();
    }
    let page = operator.get("/operator/audit");
    page.says(200, "boss support");
    assert!(!page.text.contains(&name), "{}", page.text);
    let all = operator.get("/operator/audit?of=everyone");
    all.says(200, &name);
    assert!(!all.text.contains("boss support"));
    // Older rows are a link away.
    let mut page = all;
    for _ in 0..2 {
        page = operator.get(&crate::browser::link(&page, "Older entries").unwrap());
    }
    page.says(200, "boss support");
    assert_eq!(crate::browser::link(&page, "Older entries"), None);
    assert_eq!(
        crate::browser::link(&page, "The newest entries").as_deref(),
        Some("/operator/audit?of=everyone")
    );
    assert_eq!(operator.get("/operator/audit?before=x").status, 404);
    // What an operator did stays, whatever becomes of the role.
    let mut till = site.operator("till", Role::Admin).await;
    let form = till.get("/operator/deposit");
    let fields = [("user", name.as_str()), ("amount", "5 USD"), ("reference", "cash 1")];
    assert_eq!(till.send(&form, "/operator/deposit", &fields).status, 303);
    let form = till.get("/operator/vendors");
    let fields = [("host", "news.example"), ("user", name.as_str())];
    assert_eq!(till.send(&form, "/operator/vendors", &fields).status, 303);
    site.operator("till", Role::None).await;
    let page = operator.get("/operator/audit");
    page.says(200, "cash 1");
    page.says(200, &format!("news.example {name}"));
    page.says(200, "boss support");
}

const SESSION: &str = "__Host-micromint";

async fn a_person_registers_once_and_logs_in(database: Database) {
    let site = site(database).await;
    let mut browser = site.browser();
    let form = browser.get("/register");
    let name = form.value("/register", "user");
    let made = browser.send(&form, "/register", &[("password", PASSWORD)]);
    assert_eq!(made.status, 303, "{}", made.text);
    let cookie = made.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    browser.follow(&made).says(200, "Balance");
    // A double click makes no second account, and logs in; another password does not.
    let again = browser.send(&form, "/register", &[("password", PASSWORD)]);
    assert_eq!(again.status, 303, "{}", again.text);
    let mut other = site.browser();
    other.send(&form, "/register", &[("password", "another password")]).says(422, "is wrong");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM person").await, 1);
    // Logging out ends the session, not only the cookie.
    let old = browser.clone();
    let account = browser.get("/account");
    assert_eq!(browser.send(&account, "/logout", &[]).status, 303);
    assert!(browser.cookies.is_empty());
    assert_eq!(old.clone().get("/account").status, 303);
    browser.follow(&old.clone().get("/account")).says(200, "Please log in first.");
    // Names are read without regard to case and spaces around them.
    let answer = browser.login(&format!(" {} ", name.to_uppercase()), PASSWORD);
    browser.follow(&answer).says(200, "Balance");
    assert_eq!(browser.get("/account").value("/logout", "token").len(), 64);
    // German is chosen by the browser, and by the link on every page.
    browser.language = "de-DE,de;q=0.9";
    browser.get("/").says(200, "Guthaben");
    let chosen = browser.get("/language/en");
    browser.follow(&chosen).says(200, "Balance");
    // The link keeps the page, of this broker only.
    for (from, expected) in [
        (format!("{ORIGIN}/purchases?skip=2"), "/purchases?skip=2"),
        (format!("{ORIGIN}//thief.example/"), "/"),
        ("https://thief.example/buy".to_string(), "/"),
    ] {
        let chosen = browser.follow_link("/language/en", &from);
        assert_eq!(chosen.header("location").unwrap(), expected, "{from}");
    }
    // So does the address of a form in the address line: it leads to the page with the form.
    for (path, expected) in [
        ("/account/key", "/account"),
        ("/buy/free", "/buy"),
        ("/complaints/answer", "/complaints"),
        ("/vendor/news.example/key", "/vendor/news.example"),
        ("/operator/vouchers/print", "/operator/vouchers"),
        ("/logout", "/"),
    ] {
        let answer = browser.follow_link(path, ORIGIN);
        assert_eq!((answer.status, answer.header("location").unwrap()), (303, expected), "{path}");
    }
    assert_eq!(browser.follow_link("/v1/returns", ORIGIN).status, 405);
    assert_eq!(browser.get("/logout").status, 405);
    browser.get("/language/fr").says(404, "no such page");
}

async fn no_answer_tells_whether_an_account_exists(database: Database) {
    let site = site(database).await;
    let (_, name) = site.reader();
    let mut browser = site.browser();
    let wrong = browser.login(&name, "wrong password");
    let unknown = browser.login("kkkk-kkkk-kkkk", "wrong password");
    let impossible = browser.login("no\u{e4}\u{1f600} name' OR 1=1", "wrong password");
    for answer in [&unknown, &impossible] {
        assert_eq!((answer.status, &answer.text), (wrong.status, &wrong.text));
        assert_eq!(answer.headers.len(), wrong.headers.len());
    }
    // Names that the broker did not draw are not registered, whether they exist or not.
    let form = browser.get("/register");
    let mut answers = Vec::new();
    for user in [name.as_str(), "kkkk-kkkk-kkkk"] {
        answers.push(browser.send(&form, "/register", &[("user", user), ("password", PASSWORD)]));
    }
    assert_eq!((answers[0].status, &answers[0].text), (answers[1].status, &answers[1].text));
    answers[0].says(422, "too old");
    let late = DURING.plus_seconds(86_401);
    site.world.clock.set(late);
    browser.send(&form, "/register", &[("password", PASSWORD)]).says(422, "too old");
    // Weak passwords are refused with the same form.
    let form = browser.get("/register");
    let user = form.value("/register", "user");
    for weak in ["123456789", "aaaaaaaaaaaaaaa", &format!("{user}1"), &"ab".repeat(101)] {
        browser.send(&form, "/register", &[("password", weak)]).says(422, "another password");
    }
    assert_eq!(browser.send(&form, "/register", &[("password", PASSWORD)]).status, 303);
}

async fn logins_are_limited_and_a_restart_forgets_nothing(database: Database) {
    let site = site(database).await;
    let (_, name) = site.reader();
    let (_, other) = site.reader();
    let mut browser = site.browser();
    for _ in 0..9 {
        browser.login(&name, "wrong password").says(422, "is wrong");
    }
    // One that succeeds does not count.
    assert_eq!(browser.login(&name, PASSWORD).status, 303);
    browser.login(&name, "wrong password").says(422, "is wrong");
    browser.login(&name, PASSWORD).says(429, "wait 15 minutes");
    let site = site.restarted().await;
    let mut browser = site.browser();
    browser.login(&name, PASSWORD).says(429, "wait 15 minutes");
    // Others in the same network log in, and the same person from elsewhere.
    assert_eq!(browser.login(&other, PASSWORD).status, 303);
    browser.from = "203.0.113.9";
    assert_eq!(browser.login(&name, PASSWORD).status, 303);
    // A network that tries many names is stopped.
    browser.from = "192.0.2.7";
    for at in 0..60 {
        browser.login(&format!("name-{at}"), "wrong password").says(422, "is wrong");
    }
    browser.login(&other, PASSWORD).says(429, "wait 15 minutes");
    site.world.clock.set(DURING.plus_seconds(900));
    assert_eq!(browser.login(&other, PASSWORD).status, 303);
    assert_eq!(browser.login(&name, PASSWORD).status, 303);
}

async fn a_limit_holds_wherever_its_span_begins(database: Database) {
    let site = site(database).await;
    let (_, name) = site.reader();
    let mut browser = site.browser();
    // A quarter of an hour of the clock begins in between.
    let begin = DURING.0.div_euclid(900) * 900 + 900;
    for seconds in [-5, -4, -3, -2, -1, 0, 1, 2, 3, 4] {
        site.world.clock.set(UnixTime(begin + seconds));
        browser.login(&name, "wrong password").says(422, "is wrong");
    }
    for seconds in [4, 5, 100, 894] {
        site.world.clock.set(UnixTime(begin + seconds));
        browser.login(&name, PASSWORD).says(429, "wait 15 minutes");
    }
    // What was refused is not counted: the first attempt is over, and one more may be made.
    site.world.clock.set(UnixTime(begin + 895));
    browser.login(&name, "wrong password").says(422, "is wrong");
    browser.login(&name, PASSWORD).says(429, "wait 15 minutes");
    // Ten at once are ten.
    site.world.clock.set(UnixTime(begin + 10_000));
    let answers = std::thread::scope(|scope| {
        let tabs: Vec<_> = (0..16)
            .map(|_| {
                let mut browser = browser.clone();
                let name = &name;
                scope.spawn(move || browser.login(name, "wrong password").status)
            })
            .collect();
        tabs.into_iter().map(|tab| tab.join().unwrap()).collect::<Vec<u16>>()
    });
    assert_eq!(answers.iter().filter(|status| **status == 422).count(), 10, "{answers:?}");
}

/// The path of a link that an operator made for a new password.
fn link(operator: &mut Browser, name: &str) -> String {
    let people = operator.get("/operator/people");
    let found = operator.send(&people, "/operator/people", &[("who", name)]);
    let made = operator.send(&found, "/operator/people/link", &[]);
    let at = made.text.find(&format!("{ORIGIN}/reset/")).unwrap() + ORIGIN.len();
    made.text[at..].split('<').next().unwrap().to_string()
}

async fn links_end_with_the_password(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Money).await;
    let (mut reader, name) = site.reader();
    let user = name.parse().unwrap();
    let mut stranger = site.browser();
    let mut uses =
        |form: &Seen| stranger.send(form, "/reset", &[("password", "password of a thief")]);
    let mut other = site.browser();
    let mut form = |path: &str| {
        let form = other.get(path);
        form.says(200, &name);
        form
    };
    // The person changes the password.
    let opened = form(&link(&mut operator, &name));
    let account = reader.get("/account");
    let change = [("old", PASSWORD), ("password", "a better password")];
    assert_eq!(reader.send(&account, "/account/password", &change).status, 303);
    uses(&opened).says(422, "no longer works");
    // The operator sets it on the console, and makes an operator of the person.
    for role in [Role::None, Role::Admin] {
        let path = link(&mut operator, &name);
        let opened = form(&path);
        let service = &site.world.service;
        let password = mmbrokerd::shop::set_person(service, &user, role).await.unwrap();
        uses(&opened).says(422, "no longer works");
        site.browser().get(&path).says(422, "no longer works");
        assert_eq!(site.browser().login(&name, &password).status, 303);
    }
    // Nor does one that was made when its person was no operator, whatever is in the database.
    let (_, second) = site.reader();
    let path = link(&mut operator, &second);
    let opened = site.browser().get(&path);
    let mut tx = site.world.service.store().begin().await.unwrap();
    sqlx::query("UPDATE person SET role = 'admin' WHERE user_id = $1")
        .bind(second.clone())
        .execute(tx.connection())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    uses(&opened).says(422, "no longer works");
    site.browser().get(&path).says(422, "no longer works");
    assert_eq!(site.browser().login(&second, PASSWORD).status, 303);
}

async fn a_used_link_tells_no_password(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Money).await;
    let (_, name) = site.reader();
    let mut thief = site.browser();
    let form = thief.get(&link(&mut operator, &name));
    let send = |thief: &mut Browser, password: &str| {
        thief.send(&form, "/reset", &[("password", password)])
    };
    assert_eq!(send(&mut thief, "a better password").status, 303);
    // A double click has done its work, and is no error.
    assert_eq!(send(&mut thief, "a better password").status, 303);
    for at in 0..10 {
        send(&mut thief, &format!("wrong password {at}")).says(422, "no longer works");
    }
    send(&mut thief, "a better password").says(429, "wait 15 minutes");
    // It counts with the login.
    thief.login(&name, "a better password").says(429, "wait 15 minutes");
}

async fn sessions_are_listed_and_ended(database: Database) {
    let site = site(database).await;
    let (mut phone, name) = site.reader();
    let (mut desk, mut stolen) = (site.browser(), site.browser());
    assert_eq!(desk.login(&name, PASSWORD).status, 303);
    assert_eq!(stolen.login(&name, PASSWORD).status, 303);
    let account = phone.get("/account");
    assert_eq!(account.text.matches("name=\"session\"").count(), 2);
    // One is ended by its button.
    let id = account.value("/account/sessions/end", "session");
    let ended = phone.send(&account, "/account/sessions/end", &[("session", &id)]);
    phone.follow(&ended).says(200, "Ended.");
    let alive = [desk.get("/account").status, stolen.get("/account").status];
    assert!(alive == [200, 303] || alive == [303, 200], "{alive:?}");
    // A new password ends the others.
    let account = phone.get("/account");
    let change = [("old", "wrong password"), ("password", "a better password")];
    phone.send(&account, "/account/password", &change).says(422, "The password is wrong");
    let change = [("old", PASSWORD), ("password", "a better password")];
    let changed = phone.send(&account, "/account/password", &change);
    phone.follow(&changed).says(200, "All other sessions have ended");
    assert_eq!([desk.get("/account").status, stolen.get("/account").status], [303, 303]);
    assert_eq!(desk.login(&name, PASSWORD).status, 422);
    assert_eq!(desk.login(&name, "a better password").status, 303);
    let account = desk.get("/account");
    desk.send(&account, "/account/sessions/end", &[("session", "")]);
    assert_eq!([phone.get("/account").status, desk.get("/account").status], [303, 200]);
    // Whoever reads the database has no session.
    use sqlx::Row;
    let row = sqlx::query("SELECT sha256 FROM session WHERE ended_at IS NULL")
        .fetch_one(site.world.service.store().pool())
        .await
        .unwrap();
    let hash: Vec<u8> = row.try_get(0).unwrap();
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    for wrong in [hash.as_str(), "", &"0".repeat(64), &"0".repeat(63), "'; DROP TABLE person"] {
        let mut thief = site.browser();
        thief.cookies.insert(SESSION.to_string(), wrong.to_string());
        assert_eq!(thief.get("/account").status, 303, "{wrong}");
    }
}

async fn forms_of_others_are_refused(database: Database) {
    let site = site(database).await;
    let (mut alice, _) = site.reader();
    let (mut bob, _) = site.reader();
    let (of_alice, of_bob) = (alice.get("/account"), bob.get("/account"));
    let token = of_bob.value("/logout", "token");
    // The token of another session, none, and that of another login of the same person.
    for token in [token.as_str(), "", "0"] {
        let fields = [("old", PASSWORD), ("password", "a better password"), ("token", token)];
        alice.post("/account/password", &fields).says(403, "another session");
    }
    // Another site, as the browser says.
    for other in ["cross-site", "same-site", "nonsense"] {
        alice.site = other;
        alice.send(&of_alice, "/logout", &[]).says(403, "Another site sent this form");
        alice.login("someone", PASSWORD).says(403, "Another site sent this form");
    }
    // Old browsers send only the origin.
    alice.site = "";
    let body = format!("token={}", of_alice.value("/logout", "token"));
    for (origin, status) in [("https://evil.example", 403), ("null", 403), (ORIGIN, 303)] {
        let answer = ureq_post(&alice, &site.address, "/logout", origin, &body);
        assert_eq!(answer, status, "{origin}");
    }
    // Nothing is changed by a GET.
    for path in ["/logout", "/account/close", "/account/sessions/end"] {
        assert_eq!(bob.get(path).status, 405, "{path}");
    }
    bob.get("/account").says(200, "Log out");
}

fn ureq_post(browser: &Browser, address: &str, path: &str, origin: &str, body: &str) -> u16 {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    let config = config.max_redirects(0).max_redirects_will_error(false);
    let agent: ureq::Agent = config.build().into();
    let (name, value) = browser.cookies.first_key_value().unwrap();
    let request = agent
        .post(format!("{address}{path}"))
        .header("Cookie", format!("{name}={value}"))
        .header("Origin", origin)
        .header("Content-Type", "application/x-www-form-urlencoded");
    request.send(body).unwrap().status().as_u16()
}

async fn sessions_end_with_time(database: Database) {
    let site = site(database).await;
    let (mut used, name) = site.reader();
    let mut unused = site.browser();
    assert_eq!(unused.login(&name, PASSWORD).status, 303);
    let mut operator = site.operator("boss", Role::Admin).await;
    let day = 86_400;
    site.world.clock.set(DURING.plus_seconds(day / 2 - 1));
    assert_eq!(operator.get("/account").status, 200);
    site.world.clock.set(DURING.plus_seconds(day / 2));
    assert_eq!(operator.get("/account").status, 303);
    for days in (10..60).step_by(10) {
        site.world.clock.set(DURING.plus_seconds(days * day));
        assert_eq!(used.get("/account").status, 200, "{days}");
    }
    assert_eq!(unused.get("/account").status, 303);
    site.world.clock.set(DURING.plus_seconds(60 * day));
    assert_eq!(used.get("/account").status, 303);
    // There are at most 20 sessions; the oldest ends.
    for _ in 0..21 {
        assert_eq!(unused.login(&name, PASSWORD).status, 303);
    }
    let alive = "SELECT COUNT(*) FROM session WHERE ended_at IS NULL AND user_id <> 'boss'";
    assert_eq!(site.world.number(alive).await, 20);
}

async fn every_page_bounds_what_a_browser_does(database: Database) {
    let site = site(database).await;
    let (mut reader, _) = site.reader();
    let mut nobody = site.browser();
    for (is_reader, path) in [
        (false, "/"),
        (false, "/nothing"),
        (false, "/account"),
        (false, "/wallet"),
        (true, "/"),
        (true, "/buy"),
        (true, "/account"),
        (true, "/purchases/1"),
    ] {
        let browser = if is_reader { &mut reader } else { &mut nobody };
        let page = browser.get(path);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"), "{path}");
        assert!(page.header("strict-transport-security").is_some(), "{path}");
        assert!(!page.text.contains("style=") && !page.text.contains("<script"), "{path}");
    }
    let home = nobody.get("/");
    let style = home.text.split("href=\"").find(|rest| rest.starts_with("/shop-")).unwrap();
    let style = nobody.get(style.split('"').next().unwrap());
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(style.header("cache-control"), Some("max-age=31536000, immutable"));
    assert_eq!(nobody.get("/shop.css").status, 307);
}

async fn forms_are_bounded(database: Database) {
    let site = site(database).await;
    let mut browser = site.browser();
    let rest = "user=x&password=wrong+password&more=";
    let most = format!("{rest}{}", "y".repeat(FORM_SIZE_MAX - rest.len()));
    browser.post_bytes("/login", most.as_bytes()).says(422, "is wrong");
    browser.post_bytes("/login", format!("{most}y").as_bytes()).says(413, "too large");
    let fields: String = (2..FORM_FIELDS_MAX).map(|at| format!("f{at}=1&")).collect();
    let most = format!("user=x&password=y&{fields}");
    browser.post_bytes("/login", most.as_bytes()).says(422, "is wrong");
    browser.post_bytes("/login", format!("{most}more=1").as_bytes()).says(422, "cannot be read");
    browser.post_bytes("/login", b"user=x&user=y&password=z").says(422, "cannot be read");
    browser.post_bytes("/login", b"user=x%00&password=z").says(422, "cannot be read");
    browser.post_bytes("/login", b"user=%ff%fe&password=%80").says(422, "is wrong");
    browser.post_bytes("/login", b"").says(422, "is wrong");
}

async fn markup_and_sql_stay_text(database: Database) {
    let site = site(database).await;
    site.world.fund("someone", 5).await;
    let before = site.world.number("SELECT COUNT(*) FROM transfer").await;
    for text in [
        "\"><script>alert(1)</script>",
        "' OR '1'='1",
        "'; DROP TABLE person; --",
        "{{ 7 * 7 }}${7*7}%s%n",
        "\u{202e}\u{0}x",
        "../../etc/passwd",
    ] {
        // Wrong passwords end a session.
        let (mut browser, _) = site.reader();
        let account = browser.get("/account");
        let buy = browser.get("/buy");
        for (page, action, names) in [
            (&account, "/account/password", &["old", "password"][..]),
            (&account, "/account/close", &["password"]),
            (&account, "/account/sessions/end", &["session"]),
            (&buy, "/buy", &["sets", "period", "transaction"]),
        ] {
            for name in names {
                let answer = browser.send(page, action, &[(name, text)]);
                assert!(answer.status < 500, "{action} {name}: {}", answer.text);
                assert!(!answer.text.contains("<script"), "{}", answer.text);
            }
        }
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for path in ["/?note=", "/purchases/", "/login?note=", "/language/"] {
            let answer = browser.get(&format!("{path}{encoded}"));
            assert!(answer.status < 500, "{path}: {}", answer.text);
            // The login has the script of passkeys.
            let text = answer.text.replacen("<script src=\"/passkey-", "", 1);
            assert!(!text.contains("<script"), "{}", answer.text);
        }
        let mut stranger = site.browser();
        for name in ["user", "password"] {
            let fields = [("user", "x"), ("password", "y")]
                .map(|(field, value)| if field == name { (field, text) } else { (field, value) });
            let answer = stranger.post("/login", &fields);
            assert!(answer.status == 422 || answer.status == 429, "{}", answer.text);
        }
    }
    assert_eq!(site.world.number("SELECT COUNT(*) FROM transfer").await, before);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM person").await, 6);
    site.world.check_ledger().await;
}

async fn the_audit_log_is_a_chain(database: Database) {
    let site = site(database).await;
    for name in ["one", "two", "three"] {
        site.operator(name, Role::Support).await;
    }
    let store = site.world.service.store();
    let mut boss = site.operator("boss", Role::Support).await;
    boss.get("/operator/audit").says(200, "The chain is whole");
    assert_eq!(mmbrokerd::shop::audit_faults(store).await.unwrap(), [""; 0]);
    for change in ["UPDATE audit SET detail = 'x'", "DELETE FROM audit"] {
        let mut tx = store.begin().await.unwrap();
        assert!(sqlx::query(change).execute(tx.connection()).await.is_err(), "{change}");
    }
    // Even who removes the triggers is found out.
    let remove = match store.dialect() {
        mmbrokerd::store::Dialect::Sqlite => "DROP TRIGGER audit_is_kept",
        mmbrokerd::store::Dialect::Postgres => "DROP TRIGGER audit_is_kept ON audit",
    };
    let mut tx = store.begin().await.unwrap();
    sqlx::query(remove).execute(tx.connection()).await.unwrap();
    let change = "UPDATE audit SET detail = 'two none' WHERE detail = 'two support'";
    assert_eq!(sqlx::query(change).execute(tx.connection()).await.unwrap().rows_affected(), 1);
    tx.commit().await.unwrap();
    let faults = mmbrokerd::shop::audit_faults(store).await.unwrap();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("audit: row 2 "), "{faults:?}");
    // The page has the last check for five minutes, with its time.
    let now = site.world.service.now();
    for (seconds, words) in [(299, "The chain is whole"), (300, "audit: row 2 ")] {
        site.world.clock.set(now.plus_seconds(seconds));
        let page = boss.get("/operator/audit");
        page.says(200, words);
        page.says(200, "Checked at ");
    }
    // Of many faults, some are named.
    let mut tx = store.begin().await.unwrap();
    for number in 1..=150 {
        let insert = "INSERT INTO audit (at, by_whom, what, detail, previous, sha256) \
             VALUES (1, 'x', 'x', 'x', $1, $1)";
        let sha256 = vec![number; 32];
        sqlx::query(insert).bind(sha256).execute(tx.connection()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let faults = mmbrokerd::shop::audit_faults(store).await.unwrap();
    assert_eq!(faults.len(), 101);
    assert_eq!(faults[100], "audit: 51 more rows break the chain");
}
