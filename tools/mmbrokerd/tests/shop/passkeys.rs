//! Passkeys: added, used, counted and removed; and everything that is not a right answer.

use mmbrokerd::shop::{
    PASSKEY_ANSWER_SIZE_MAX, PASSKEY_CHALLENGES_MAX, PASSKEY_ID_SIZE_MAX, PASSKEY_NAME_LEN_MAX,
    PASSKEYS_MAX, Role, ShopSettings, count_passkeys,
};

use crate::browser::*;
use crate::databases::Database;
use crate::device::{Device, base64};
use crate::world::DURING;

crate::on_both_databases!(
    a_passkey_logs_in_without_a_name,
    an_answer_counts_once,
    challenges_of_strangers_take_no_room,
    wrong_passwords_in_a_session_end_it_alone,
    wrong_answers_log_nobody_in,
    wrong_answers_add_nothing,
    a_copied_passkey_is_refused,
    passkeys_are_bounded,
    nobody_learns_which_passkeys_exist,
    logins_with_passkeys_are_limited,
    removing_asks_for_the_password,
    a_new_password_keeps_the_passkeys,
    wrong_passwords_keep_no_passkey_out,
    a_broker_without_a_domain_says_why,
    pages_with_passkeys_have_one_script,
);

/// A site with a person who has one passkey.
async fn with_passkey(database: Database, seed: u8) -> (Site, Browser, String, Device) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    let mut device = Device::new(seed);
    let added = browser.add_passkey("Phone", &mut device);
    assert_eq!(added.status, 303, "{}", added.text);
    (site, browser, name, device)
}

async fn a_passkey_logs_in_without_a_name(database: Database) {
    let site = site(database).await;
    let (mut browser, name) = site.reader();
    browser.get("/account").says(200, "/account/passkeys");
    browser.get("/account/passkeys").says(200, "There are no passkeys yet.");
    let (mut phone, mut key) = (Device::new(1), Device::new(2));
    let asked = browser.ask_add("Phone");
    let public = &asked.options["publicKey"];
    assert_eq!(public["rp"]["id"], "broker.example");
    assert_eq!(public["user"]["name"], name.as_str());
    assert_eq!(public["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(public["authenticatorSelection"]["userVerification"], "required");
    let answer = phone.create(&asked.options);
    let added = browser.answer_add("Phone", &asked.token, &answer);
    browser.follow(&added).says(200, "The passkey is added.");
    // The form that is sent twice did its work once.
    assert_eq!(browser.answer_add("Phone", &asked.token, &answer).status, 303);
    // Another one; the authenticator is told which are there.
    let asked = browser.ask_add("Blue & <key>");
    let known = &asked.options["publicKey"]["excludeCredentials"];
    assert_eq!(known[0]["id"], base64(&phone.id));
    let answer = key.create(&asked.options);
    assert_eq!(browser.answer_add("Blue & <key>", &asked.token, &answer).status, 303);
    let page = browser.get("/account/passkeys");
    page.says(200, "Blue &#38; &#60;key&#62;");
    assert_eq!(page.text.matches("never").count(), 2);
    // Both log in from anywhere, and the name is never typed.
    for device in [&phone, &key] {
        let mut other = site.browser();
        let asked = other.ask_login();
        assert_eq!(asked.options["publicKey"]["allowCredentials"], serde_json::json!([]));
        assert_eq!(asked.options["publicKey"]["userVerification"], "required");
        let done = other.answer_login(&asked.token, &device.get(&asked.options));
        assert_eq!((done.status, done.header("location")), (303, Some("/")), "{}", done.text);
        other.get("/account").says(200, &name);
        assert!(!other.get("/account/passkeys").text.contains("never") || device.id == phone.id);
    }
    let export: serde_json::Value =
        serde_json::from_str(&browser.get("/account/export").text).unwrap();
    assert_eq!(export["passkeys"].as_array().unwrap().len(), 2);
    assert!(export["passkeys"][0]["last"].is_string(), "{export}");
    let audit = "SELECT COUNT(*) FROM audit WHERE what = 'passkey added'";
    assert_eq!(site.world.number(audit).await, 2);
    // An operator goes where operators go.
    let mut boss = site.operator("boss", Role::Admin).await;
    let mut ring = Device::new(3);
    assert_eq!(boss.add_passkey("Ring", &mut ring).status, 303);
    let mut other = site.browser();
    assert_eq!(other.login_with(&ring).header("location"), Some("/operator"));
    // A closed account has none.
    let account = browser.get("/account");
    assert_eq!(browser.send(&account, "/account/close", &[("password", PASSWORD)]).status, 303);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM passkey").await, 1);
    site.browser().login_with(&phone).says(422, "did not log in");
}

async fn an_answer_counts_once(database: Database) {
    let (site, _, name, device) = with_passkey(database, 1).await;
    let mut browser = site.browser();
    let asked = browser.ask_login();
    let answer = device.get(&asked.options);
    assert_eq!(browser.answer_login(&asked.token, &answer).status, 303);
    // A thief with the whole form, also with a challenge of its own.
    let mut thief = site.browser();
    thief.from = "203.0.113.9";
    thief.answer_login(&asked.token, &answer).says(422, "did not log in");
    let other = thief.ask_login();
    thief.answer_login(&other.token, &answer).says(422, "did not log in");
    assert!(thief.cookies.is_empty());
    // A wrong answer uses the challenge up as well.
    let asked = browser.ask_login();
    browser.answer_login(&asked.token, "{}").says(422, "did not log in");
    let answer = device.get(&asked.options);
    browser.answer_login(&asked.token, &answer).says(422, "did not log in");
    // One that is sent at the same time from many places logs in once.
    let asked = browser.ask_login();
    let answer = device.get(&asked.options);
    let done = std::thread::scope(|scope| {
        let one = || site.browser().answer_login(&asked.token, &answer).status;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|it| *it == 303).count()
    });
    assert_eq!(done, 1);
    // A challenge is valid for five minutes.
    let (early, late) = (browser.ask_login(), browser.ask_login());
    site.world.clock.set(DURING.plus_seconds(299));
    let answer = device.get(&early.options);
    assert_eq!(browser.answer_login(&early.token, &answer).status, 303);
    site.world.clock.set(DURING.plus_seconds(300));
    let answer = device.get(&late.options);
    browser.answer_login(&late.token, &answer).says(422, "did not log in");
    let user = name.parse().unwrap();
    assert_eq!(count_passkeys(site.world.service.store(), &user).await.unwrap(), 1);
}

async fn wrong_passwords_keep_no_passkey_out(database: Database) {
    let (site, _, name, device) = with_passkey(database, 1).await;
    let mut thief = site.browser();
    let networks = [
        "192.0.2.1",
        "198.18.0.1",
        "198.18.1.1",
        "198.18.2.1",
        "198.18.3.1",
        "198.18.4.1",
        "198.18.5.1",
        "198.18.6.1",
        "198.18.7.1",
        "198.18.8.1",
    ];
    for network in networks {
        thief.from = network;
        for _ in 0..10 {
            assert_eq!(thief.login(&name, "wrong password").status, 422, "{network}");
        }
    }
    let mut owner = site.browser();
    owner.from = "203.0.113.1";
    owner.login(&name, PASSWORD).says(429, "wait 60 minutes");
    assert_eq!(owner.login_with(&device).status, 303);
}

async fn wrong_answers_log_nobody_in(database: Database) {
    let (site, mut owner, _, device) = with_passkey(database, 1).await;
    let stranger = Device { handle: device.handle.clone(), ..Device::new(9) };
    let wrong = |change: &dyn Fn(&mut Device)| {
        let mut wrong = device.clone();
        change(&mut wrong);
        wrong
    };
    let devices = [
        ("another origin", wrong(&|it| it.origin = "https://evil.example".into())),
        ("another port", wrong(&|it| it.origin = "https://broker.example:444".into())),
        ("a subdomain", wrong(&|it| it.origin = "https://www.broker.example".into())),
        ("no TLS", wrong(&|it| it.origin = "http://broker.example".into())),
        ("no origin", wrong(&|it| it.origin = String::new())),
        ("a path", wrong(&|it| it.origin = format!("{ORIGIN}/path"))),
        ("a slash", wrong(&|it| it.origin = format!("{ORIGIN}/"))),
        ("a user", wrong(&|it| it.origin = "https://user@broker.example".into())),
        ("the port of https", wrong(&|it| it.origin = format!("{ORIGIN}:443"))),
        ("a frame", wrong(&|it| it.is_framed = true)),
        ("no ID", wrong(&|it| it.id = Vec::new())),
        ("another domain", wrong(&|it| it.domain = "evil.example".into())),
        ("not verified", device.clone().without("verified")),
        ("not present", device.clone().without("present")),
        ("for a new passkey", wrong(&|it| it.kind = Some("webauthn.create"))),
        ("another challenge", wrong(&|it| it.challenge = Some(base64(&[7; 32])))),
        ("no challenge", wrong(&|it| it.challenge = Some(String::new()))),
        ("another account", wrong(&|it| it.handle = Some(vec![7; 16]))),
        ("no account", wrong(&|it| it.handle = None)),
        ("an ID that nobody has", wrong(&|it| it.id = vec![8; 32])),
        ("the key of another", Device { id: device.id.clone(), ..stranger.clone() }),
        ("a stranger", stranger),
    ];
    for (at, (what, wrong)) in devices.iter().enumerate() {
        let mut browser = site.browser();
        // Each from a network of its own, so that no limit hides the answer.
        browser.from = NETS[at % NETS.len()];
        let answer = browser.login_with(wrong);
        assert_eq!(answer.status, 422, "{what}: {}", answer.text);
        answer.says(422, "did not log in");
        assert!(browser.cookies.is_empty(), "{what}");
    }
    // Bytes that are no answer, each made of the right one to its own challenge.
    type Change = Box<dyn Fn(String) -> String>;
    let mut changes: Vec<Change> = vec![
        Box::new(|_| String::new()),
        Box::new(|_| "null".to_string()),
        Box::new(|_| "[".repeat(4000)),
        Box::new(|right| right.replace("public-key", "password")),
        Box::new(|right| right.replace("authenticatorData", "data")),
        Box::new(|right| right[..right.len() - 1].to_string()),
    ];
    for (field, bytes) in [
        ("authenticatorData", vec![]),
        ("authenticatorData", vec![0; 36]),
        ("authenticatorData", vec![0xff; 400]),
        ("clientDataJSON", b"{}".to_vec()),
        ("clientDataJSON", b"[".repeat(2000)),
        ("clientDataJSON", vec![0xff; 40]),
        ("signature", vec![]),
        ("signature", vec![0x30, 0x06, 2, 1, 0, 2, 1, 0]),
        ("signature", vec![0xff; 3000]),
        ("userHandle", vec![]),
        ("userHandle", vec![1; 64]),
    ] {
        changes.push(Box::new(move |right| {
            let mut json: serde_json::Value = serde_json::from_str(&right).unwrap();
            json["response"][field] = base64(&bytes).into();
            json.to_string()
        }));
    }
    // The same data, signed for another challenge.
    let other = owner.ask_login();
    let of_other: serde_json::Value = serde_json::from_str(&device.get(&other.options)).unwrap();
    changes.push(Box::new(move |right| {
        let mut json: serde_json::Value = serde_json::from_str(&right).unwrap();
        json["response"]["signature"] = of_other["response"]["signature"].clone();
        json.to_string()
    }));
    for (at, change) in changes.iter().enumerate() {
        let mut browser = site.browser();
        browser.from = NETS[at % NETS.len()];
        let asked = browser.ask_login();
        let text = change(device.get(&asked.options));
        browser.answer_login(&asked.token, &text).says(422, "did not log in");
        assert!(browser.cookies.is_empty(), "{text}");
    }
    // It still logs in as it should.
    let mut browser = site.browser();
    browser.from = "10.9.9.9";
    assert_eq!(browser.login_with(&device).status, 303);
}

const NETS: [&str; 8] = [
    "10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.4.1", "10.0.5.1", "10.0.6.1", "10.0.7.1", "10.0.8.1",
];

async fn wrong_answers_add_nothing(database: Database) {
    let (site, mut alice, _, device) = with_passkey(database, 1).await;
    let (mut bob, _) = site.reader();
    let wrong = |change: &dyn Fn(&mut Device)| {
        let mut wrong = Device::new(4);
        change(&mut wrong);
        wrong
    };
    let deep = [b"\xa3\x63fmt\x64none\x67attStmt".to_vec(), vec![0x81; 4000]].concat();
    for (what, mut wrong) in [
        ("another origin", wrong(&|it| it.origin = "https://evil.example".into())),
        ("a path", wrong(&|it| it.origin = format!("{ORIGIN}/path"))),
        ("a user", wrong(&|it| it.origin = "https://user@broker.example".into())),
        ("a frame", wrong(&|it| it.is_framed = true)),
        ("no ID", wrong(&|it| it.id = Vec::new())),
        ("another domain", wrong(&|it| it.domain = "evil.example".into())),
        ("not verified", Device::new(4).without("verified")),
        ("not present", Device::new(4).without("present")),
        ("for a login", wrong(&|it| it.kind = Some("webauthn.get"))),
        ("another challenge", wrong(&|it| it.challenge = Some(base64(&[7; 32])))),
        (
            "another format",
            wrong(&|it| it.attestation = b"\xa3\x63fmt\x64nine\x67attStmt\xa0".to_vec()),
        ),
        ("no CBOR", wrong(&|it| it.attestation = vec![0xff; 9])),
        ("deep CBOR", wrong(&|it| it.attestation = deep.clone())),
        ("the passkey of another", Device::new(1)),
    ] {
        let answer = bob.add_passkey("x", &mut wrong);
        assert_eq!(answer.status, 422, "{what}: {}", answer.text);
        answer.says(422, "The passkey was not added");
    }
    // The challenge of another person, of a login, of nobody; and one that is too old.
    let of_alice = alice.ask_add("x");
    let of_nobody = bob.ask_login();
    let mut new = Device::new(5);
    let answer = new.create(&of_alice.options);
    for token in [of_alice.token.as_str(), &of_nobody.token, "", "0"] {
        bob.answer_add("x", token, &answer).says(422, "The passkey was not added");
    }
    // And the challenge of a new passkey is not valid for a login.
    let mut thief = site.browser();
    let of_alice = alice.ask_add("x");
    thief.answer_login(&of_alice.token, &device.get(&of_alice.options)).says(422, "did not log in");
    let asked = bob.ask_add("x");
    let answer = new.create(&asked.options);
    site.world.clock.set(DURING.plus_seconds(300));
    bob.answer_add("x", &asked.token, &answer).says(422, "The passkey was not added");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM passkey").await, 1);
    // Without a session, or with a form of another session, there is no challenge.
    assert_eq!(site.browser().post("/account/passkeys/challenge", &[("name", "x")]).status, 303);
    let fields = [("name", "x"), ("token", "0")];
    bob.post("/account/passkeys/challenge", &fields).says(403, "another session");
    thief.site = "cross-site";
    thief.post("/login/passkey/challenge", &[]).says(403, "Another site sent this form");
    thief.post("/login/passkey", &[]).says(403, "Another site sent this form");
}

async fn a_copied_passkey_is_refused(database: Database) {
    let (site, mut owner, _, mut device) = with_passkey(database, 1).await;
    let mut browser = site.browser();
    // Passkeys that are synchronised do not count.
    assert_eq!(browser.login_with(&device).status, 303);
    assert_eq!(browser.login_with(&device).status, 303);
    for counter in [1, 2, 3_000_000_000] {
        device.counter = counter;
        assert_eq!(browser.login_with(&device).status, 303, "{counter}");
    }
    for counter in [3_000_000_000, 2_999_999_999, 1, 0] {
        let copy = Device { counter, ..device.clone() };
        browser.login_with(&copy).says(422, "did not log in");
    }
    let noted = "SELECT COUNT(*) FROM audit WHERE what = 'passkey refused, may be copied' \
                 AND detail = 'Phone'";
    assert_eq!(site.world.number(noted).await, 4);
    device.counter += 1;
    assert_eq!(browser.login_with(&device).status, 303);
    owner.get("/account/passkeys").says(200, "Phone");
    let store = site.world.service.store();
    assert_eq!(mmbrokerd::shop::audit_faults(store).await.unwrap(), [""; 0]);
}

async fn passkeys_are_bounded(database: Database) {
    let site = site(database).await;
    let (mut browser, _) = site.reader();
    let token = browser.get("/account").value("/logout", "token");
    for name in ["", " ", &"ä".repeat(PASSKEY_NAME_LEN_MAX + 1), "a\u{7}b"] {
        let fields = [("token", token.as_str()), ("name", name)];
        let answer = browser.post("/account/passkeys/challenge", &fields);
        answer.says(422, "Expected a name of 1 to 60 characters");
    }
    let longest = "ä".repeat(PASSKEY_NAME_LEN_MAX);
    let mut first = Device { id: vec![1; PASSKEY_ID_SIZE_MAX], ..Device::new(1) };
    assert_eq!(browser.add_passkey(&longest, &mut first).status, 303);
    let mut long = Device { id: vec![1; PASSKEY_ID_SIZE_MAX + 1], ..Device::new(1) };
    browser.add_passkey("long", &mut long).says(422, "was not added");
    assert_eq!(site.browser().login_with(&first).status, 303);
    // An answer with spaces to the largest size, and one past it.
    let mut other = site.browser();
    for (past, status) in [(0, 303), (1, 413)] {
        let asked = other.ask_login();
        let answer = first.get(&asked.options);
        let padding = " ".repeat(PASSKEY_ANSWER_SIZE_MAX + past - answer.len());
        let seen = other.answer_login(&asked.token, &format!("{answer}{padding}"));
        assert_eq!(seen.status, status, "{}", seen.text);
    }
    let mut second = Device::new(2);
    let asked = browser.ask_add("second");
    let answer = second.create(&asked.options);
    let padding = " ".repeat(PASSKEY_ANSWER_SIZE_MAX + 1 - answer.len());
    let large = browser.answer_add("second", &asked.token, &format!("{answer}{padding}"));
    assert_eq!(large.status, 413);
    // The largest number of passkeys, also when two are added at once.
    for seed in 2..PASSKEYS_MAX as u8 {
        assert_eq!(browser.add_passkey("more", &mut Device::new(seed)).status, 303);
    }
    let asked = [browser.ask_add("last"), browser.ask_add("past")];
    let answers: Vec<_> = asked
        .iter()
        .zip([100, 101])
        .map(|(asked, seed)| (asked.token.clone(), Device::new(seed).create(&asked.options)))
        .collect();
    let statuses = std::thread::scope(|scope| {
        let threads: Vec<_> = answers
            .iter()
            .map(|(token, answer)| {
                let mut browser = browser.clone();
                scope.spawn(move || browser.answer_add("last", token, answer).status)
            })
            .collect();
        let mut all: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        all.sort();
        all
    });
    assert_eq!(statuses, [303, 422]);
    let page = browser.get("/account/passkeys");
    page.says(200, "at most 10 passkeys");
    assert!(!page.text.contains("data-passkey"), "{}", page.text);
    let fields = [("token", token.as_str()), ("name", "x")];
    browser.post("/account/passkeys/challenge", &fields).says(422, "at most 10 passkeys");
    // No more challenges wait than this; they expire.
    let store = site.world.service.store();
    let mut tx = store.begin().await.unwrap();
    let adding = "SELECT COUNT(*) FROM passkey_challenge WHERE user_id <> ''";
    let waiting = site.world.number(adding).await;
    let numbers: Vec<String> =
        (waiting + 1..PASSKEY_CHALLENGES_MAX).map(|number| format!("[{number}]")).collect();
    let bytes = match store.dialect() {
        mmbrokerd::store::Dialect::Sqlite => "CAST(value ->> 0 AS BLOB)",
        mmbrokerd::store::Dialect::Postgres => "CAST(value ->> 0 AS BYTEA)",
    };
    let insert = format!(
        "INSERT INTO passkey_challenge (sha256, user_id, expires_at, data) \
         SELECT {bytes}, 'somebody', {}, '' FROM json_each($1)",
        DURING.0 + 300
    );
    sqlx::query(sqlx::AssertSqlSafe(insert))
        .bind(format!("[{}]", numbers.join(",")))
        .execute(tx.connection())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let (mut late, _) = site.reader();
    let token = late.get("/account/passkeys").value("/logout", "token");
    let fields = [("token", token.as_str()), ("name", "x")];
    assert_eq!(late.post("/account/passkeys/challenge", &fields).status, 200);
    let (mut later, _) = site.reader();
    let token = later.get("/account/passkeys").value("/logout", "token");
    let more = [("token", token.as_str()), ("name", "x")];
    later.post("/account/passkeys/challenge", &more).says(503, "Too many people are logging in");
    // One that an account asked for replaces its own, and logins need no room.
    for _ in 0..4 {
        late.post("/account/passkeys/challenge", &fields);
        assert!(site.world.number(adding).await <= PASSKEY_CHALLENGES_MAX);
    }
    assert_eq!(site.browser().login_with(&first).status, 303);
    site.world.clock.set(DURING.plus_seconds(300));
    assert_eq!(later.post("/account/passkeys/challenge", &more).status, 200);
}

async fn challenges_of_strangers_take_no_room(database: Database) {
    let (site, _, _, device) = with_passkey(database, 1).await;
    let mut browser = site.browser();
    let asked = browser.ask_login();
    let rows = "SELECT COUNT(*) FROM passkey_challenge";
    let before = site.world.number(rows).await;
    let mut stranger = site.browser();
    for from in ["192.0.2.1", "198.18.0.1", "203.0.113.1", "2001:db8::1"] {
        stranger.from = from;
        for _ in 0..100 {
            stranger.ask_login();
        }
    }
    assert_eq!(site.world.number(rows).await, before);
    // A challenge is good as it was sealed: not with another time, state or seal.
    let parts: Vec<&str> = asked.token.split('.').collect();
    let until: i64 = parts[0].parse().unwrap();
    let other = stranger.ask_login().token;
    let other: Vec<&str> = other.split('.').collect();
    for token in [
        format!("{}.{}.{}", until + 1, parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], other[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], other[2]),
        format!("{}.{}", parts[0], parts[1]),
        String::new(),
    ] {
        let answer = browser.answer_login(&token, &device.get(&asked.options));
        answer.says(422, "did not log in");
    }
    assert_eq!(site.world.number(rows).await, before);
    let answer = browser.answer_login(&asked.token, &device.get(&asked.options));
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(site.world.number(rows).await, before + 1);
    site.browser().answer_login(&asked.token, &device.get(&asked.options)).says(422, "did not");
    // It expires to the second.
    let asked = browser.ask_login();
    site.world.clock.set(DURING.plus_seconds(300));
    let late = site.browser().answer_login(&asked.token, &device.get(&asked.options));
    late.says(422, "did not log in");
}

async fn wrong_passwords_in_a_session_end_it_alone(database: Database) {
    let (site, mut thief, name, device) = with_passkey(database, 1).await;
    site.world.clock.set(DURING.plus_seconds(700));
    let page = thief.get("/account/passkeys");
    let token = page.value("/logout", "token");
    let fields = [("token", token.as_str()), ("name", "x"), ("password", "wrong")];
    for _ in 0..10 {
        let refused = thief.post("/account/passkeys/challenge", &fields);
        refused.says(422, "The password is wrong");
    }
    // The eleventh ends the session, whether it is right or wrong.
    let right = [("token", token.as_str()), ("name", "x"), ("password", PASSWORD)];
    thief.post("/account/passkeys/challenge", &right).says(422, "this session has ended");
    assert_eq!(thief.get("/account").header("location"), Some("/login?note=login-first"));
    // The owner logs in both ways.
    let mut owner = site.browser();
    assert_eq!(owner.login(&name, PASSWORD).status, 303);
    assert_eq!(site.browser().login_with(&device).status, 303);
}

async fn nobody_learns_which_passkeys_exist(database: Database) {
    let (site, _, _, device) = with_passkey(database, 1).await;
    let mut browser = site.browser();
    let unknown = Device { handle: device.handle.clone(), ..Device::new(7) };
    let known = Device { id: device.id.clone(), ..unknown.clone() };
    let answers = [browser.login_with(&unknown), browser.login_with(&known)];
    assert_eq!((answers[0].status, &answers[0].text), (answers[1].status, &answers[1].text));
    assert_eq!(answers[0].headers.len(), answers[1].headers.len());
    // The challenge of a login is the same for everybody, and knows nobody.
    let (one, other) = (browser.ask_login(), site.browser().ask_login());
    let shape = |asked: &crate::device::Asked| {
        let mut options = asked.options.clone();
        options["publicKey"]["challenge"] = "".into();
        options.to_string()
    };
    assert_eq!(shape(&one), shape(&other));
    assert_ne!(one.token, other.token);
    // The number in the authenticator tells neither the name nor the account.
    let (mut carol, name) = site.reader();
    let mut ring = Device::new(8);
    carol.add_passkey("Ring", &mut ring);
    let handle = ring.handle.unwrap();
    assert_eq!(handle.len(), 16);
    assert_ne!(Some(&handle), device.handle.as_ref());
    assert!(!String::from_utf8_lossy(&handle).contains(&name[..4]));
}

async fn logins_with_passkeys_are_limited(database: Database) {
    let (site, _, name, device) = with_passkey(database, 1).await;
    let mut browser = site.browser();
    let wrong = device.clone().without("verified");
    for _ in 0..9 {
        browser.login_with(&wrong).says(422, "did not log in");
    }
    // One that succeeds does not count; those of the password count together with them.
    assert_eq!(browser.login_with(&device).status, 303);
    browser.login(&name, "wrong password").says(422, "is wrong");
    browser.login_with(&device).says(429, "wait 15 minutes");
    browser.login(&name, PASSWORD).says(429, "wait 15 minutes");
    let site = site.restarted().await;
    let mut browser = site.browser();
    browser.login_with(&device).says(429, "wait 15 minutes");
    browser.from = "203.0.113.9";
    assert_eq!(browser.login_with(&device).status, 303);
    // A network that tries many passkeys is stopped, and one that asks for many challenges.
    browser.from = "192.0.2.7";
    for seed in 0..60 {
        browser.login_with(&Device { id: vec![seed; 40], ..wrong.clone() });
    }
    browser.login_with(&device).says(429, "wait 15 minutes");
    for _ in 61..120 {
        browser.ask_login();
    }
    browser.post("/login/passkey/challenge", &[]).says(429, "wait 15 minutes");
    site.world.clock.set(DURING.plus_seconds(900));
    assert_eq!(browser.login_with(&device).status, 303);
}

async fn removing_asks_for_the_password(database: Database) {
    let (site, mut browser, _, mut device) = with_passkey(database, 1).await;
    let page = browser.get("/account/passkeys");
    let at = page.text.split("href=\"/account/passkeys/").nth(1).unwrap();
    let id = at.split('"').next().unwrap().to_string();
    let address = format!("/account/passkeys/{id}");
    // Whoever has just logged in is not asked.
    assert!(!browser.get(&address).text.contains("type=\"password\""));
    site.world.clock.set(DURING.plus_seconds(599));
    assert!(!browser.get(&address).text.contains("type=\"password\""));
    site.world.clock.set(DURING.plus_seconds(600));
    let form = browser.get(&address);
    form.says(200, "type=\"password\"");
    let remove = "/account/passkeys/remove";
    browser.send(&form, remove, &[]).says(422, "The password is wrong");
    browser.send(&form, remove, &[("password", "wrong password")]).says(422, "is wrong");
    // Adding asks too.
    let page = browser.get("/account/passkeys");
    page.says(200, "type=\"password\"");
    let token = page.value("/logout", "token");
    let fields = [("token", token.as_str()), ("name", "x")];
    let challenge = "/account/passkeys/challenge";
    browser.post(challenge, &fields).says(422, "The password is wrong");
    let fields = [("token", token.as_str()), ("name", "x"), ("password", PASSWORD)];
    assert_eq!(browser.post(challenge, &fields).status, 200);
    // Nobody removes those of others.
    let (mut bob, _) = site.reader();
    assert_eq!(bob.get(&address).status, 404);
    let account = bob.get("/account");
    let token = account.value("/logout", "token");
    bob.post(remove, &[("token", &token), ("passkey", &id)]);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM passkey").await, 1);
    let fields = [("password", PASSWORD)];
    for _ in 0..2 {
        let removed = browser.send(&form, remove, &fields);
        browser.follow(&removed).says(200, "The passkey is removed.");
    }
    site.browser().login_with(&device).says(422, "did not log in");
    let audit = "SELECT COUNT(*) FROM audit WHERE what = 'passkey removed' AND detail = 'Phone'";
    assert_eq!(site.world.number(audit).await, 1);
    // It can be added again, after a fresh login.
    let mut browser = site.browser();
    let name = browser.get("/register").value("/register", "user");
    assert!(!name.is_empty());
    assert_eq!(bob.add_passkey("Phone", &mut device).status, 303);
}

async fn a_new_password_keeps_the_passkeys(database: Database) {
    let (site, mut browser, name, device) = with_passkey(database, 1).await;
    let mut operator = site.operator("boss", Role::Admin).await;
    let people = operator.get("/operator/people");
    let found = operator.send(&people, "/operator/people", &[("who", &name)]);
    let made = operator.send(&found, "/operator/people/link", &[]);
    let at = made.text.find(&format!("{ORIGIN}/reset/")).unwrap() + ORIGIN.len();
    let path = made.text[at..].split('<').next().unwrap().to_string();
    let mut stranger = site.browser();
    let form = stranger.get(&path);
    form.says(200, "The account has 1 passkey. It stays, and logs in as before.");
    let new = [("password", "a better password")];
    assert_eq!(stranger.send(&form, "/reset", &new).status, 303);
    // Its session ended, and the passkey logs in.
    assert_eq!(browser.get("/account").status, 303);
    assert_eq!(browser.login_with(&device).status, 303);
    let (_, other) = site.reader();
    let found = operator.send(&people, "/operator/people", &[("who", &other)]);
    let made = operator.send(&found, "/operator/people/link", &[]);
    let at = made.text.find(&format!("{ORIGIN}/reset/")).unwrap() + ORIGIN.len();
    let path = made.text[at..].split('<').next().unwrap();
    assert!(!stranger.get(path).text.contains("passkey"));
}

async fn a_broker_without_a_domain_says_why(database: Database) {
    let settings = ShopSettings::default();
    let site = site_at(database, "http://127.0.0.1:8402", settings).await;
    let (mut browser, _) = site.reader();
    let page = browser.get("/account/passkeys");
    page.says(200, "its public URL has an IP address, and passkeys need a domain name");
    assert!(!page.text.contains("<script") && !page.text.contains("data-passkey"));
    let token = page.value("/logout", "token");
    let fields = [("token", token.as_str()), ("name", "x")];
    browser.post("/account/passkeys/challenge", &fields).says(422, "passkeys need a domain name");
    browser.post("/account/passkeys", &fields).says(422, "passkeys need a domain name");
    let mut nobody = site.browser();
    let login = nobody.get("/login");
    assert!(!login.text.contains("<script") && !login.text.contains("asskey"), "{}", login.text);
    for path in ["/login/passkey/challenge", "/login/passkey"] {
        nobody.post(path, &[]).says(422, "passkeys need a domain name");
    }
    browser.language = "de";
    browser.get("/account/passkeys").says(200, "Passkeys brauchen einen Domainnamen");
}

async fn pages_with_passkeys_have_one_script(database: Database) {
    let (site, mut reader, _, _) = with_passkey(database, 1).await;
    let mut nobody = site.browser();
    for page in [nobody.get("/login"), reader.get("/account/passkeys")] {
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.text.matches("<script").count(), 1, "{}", page.text);
        assert!(!page.text.contains("style=") && !page.text.contains("onclick"));
        let (_, rest) = page.text.split_once("<script src=\"").unwrap();
        let script = nobody.get(rest.split('"').next().unwrap());
        assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(script.header("cache-control"), Some("max-age=31536000, immutable"));
        assert_eq!(script.header("x-content-type-options"), Some("nosniff"));
        // What needs the script is not shown without it.
        assert!(page.text.contains("hidden data-passkey="), "{}", page.text);
    }
    for path in ["/", "/account", "/buy", "/account/passkeys/0"] {
        let page = reader.get(path);
        let policy = page.header("content-security-policy").unwrap();
        assert!(!policy.contains("script") && !page.text.contains("<script"), "{path}");
    }
}
